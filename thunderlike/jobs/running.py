"""What every command does with the end of its work: an exit code, and a failure in one line."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from thunderlike.errors import ThunderlikeError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["FAILED", "INTERRUPTED", "reported"]

FAILED = 2
INTERRUPTED = 130  # what a shell reports after Ctrl-C: 128 and the number of the signal


def reported(run: Callable[[], int], *, debug: bool) -> int:
    """Run a command and turn what it raises into an exit code.

    Parameters
    ----------
    run : callable
        The command; returns its exit code.
    debug : bool
        Let our own errors through, so that Python shows where they were raised.

    Returns
    -------
    int
        What `run` returned; 2 after an error of ours, which becomes one line on standard error;
        130 when the user interrupted it. Any other exception is a bug, and passes.

    Examples
    --------
    >>> reported(lambda: 0, debug=False)
    0
    """
    try:
        return run()
    except KeyboardInterrupt:
        _say("interrupted")
        return INTERRUPTED
    except ThunderlikeError as error:
        if debug:
            raise
        _say(f"error: {error}")
        return FAILED


def _say(text: str) -> None:
    """Write one line, whatever line breaks the text has."""
    sys.stderr.write(" ".join(text.split()) + "\n")
