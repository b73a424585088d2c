"""What every command does at the start and the end of its work."""

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING

from thunderlike.errors import ThunderlikeError

if TYPE_CHECKING:
    from collections.abc import Callable

    from thunderlike.engines import Engine

__all__ = ["FAILED", "INTERRUPTED", "as_options", "default_engine", "reported", "started"]

FAILED = 2
INTERRUPTED = 130  # what a shell reports after Ctrl-C: 128 and the number of the signal
# Arguments that errors name: ``overwrite=True``, ``shape=``, ``start=3``, ``engine='local'``; not a
# folder of that name in a path.
_ARGUMENT = re.compile(
    r"(?<![^\s(])(axis|channel|dataset|discard_extra|dtype|engine|format|nplanes|order|overwrite|perc|recursive"
    r"|shape|sigma|start|stop|window)=('[^']*'|[\w.-]*\w)?"
)


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


def as_options(text: str) -> str:
    """Call the arguments that an error names as they are called on a command line.

    Examples
    --------
    >>> as_options("give overwrite=True, nplanes=1 or engine='local'")
    'give --overwrite, --nplanes 1 or --engine local'
    """

    def option(found: re.Match[str]) -> str:
        value = (found[2] or "").strip("'")
        return f"--{found[1].replace('_', '-')}" + (
            f" {value}" if value not in ("", "True") else ""
        )

    return _ARGUMENT.sub(option, text)


def _say(text: str) -> None:
    """Write one line, whatever line breaks the text has."""
    sys.stderr.write(as_options(" ".join(text.split())) + "\n")


def default_engine() -> str:
    """Spark where ``spark-submit`` started us, else local."""
    return "spark" if "PYSPARK_GATEWAY_PORT" in os.environ else "local"


def started(engine: str) -> Engine:
    """The engine of this name, Spark's own reports of failed tasks silenced.

    Raises
    ------
    MissingExtra, EngineError
        For Spark without pyspark or Java; says how to get it.

    Examples
    --------
    >>> started("local")
    LocalEngine()
    """
    from thunderlike.engines import engine_for

    found = engine_for(engine)
    found.quiet()  # what failed is raised here, and then reported in one line
    return found
