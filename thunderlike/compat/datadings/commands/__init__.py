"""``datadings.commands``: ``python -m thunderlike.compat.datadings.commands.write`` and the others.

Each is ``thunderlike datasets`` with the command of the same name.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from thunderlike.cli import main as run

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["command"]


def command(*words: str) -> Callable[[], None]:
    """Make the ``main`` of a command: it takes the words of ``sys.argv``, and exits if it fails.

    Examples
    --------
    >>> from unittest import mock
    >>> with mock.patch("sys.argv", ["info", "no-such.msgpack"]):
    ...     command("datasets", "info")()
    Traceback (most recent call last):
    ...
    SystemExit: 2
    """

    def main() -> None:
        code = run([*words, *sys.argv[1:]])
        if code:
            raise SystemExit(code)

    return main
