"""Lines on standard output: names and texts of files are in them, and command no terminal."""

from __future__ import annotations

import sys

from thunderlike._text import printable

__all__ = ["show"]


def show(*lines: str) -> None:
    r"""Print lines, the control characters in each escaped, and flush them.

    A line break in a line is escaped as well: each argument is one line. What the encoding of
    standard output lacks is printed as an escape.

    Examples
    --------
    >>> show("day1.tif", "a\x1b[2J\nb")
    day1.tif
    a\x1b[2J\nb
    """
    text = "\n".join(map(printable, lines))
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    print(text.encode(encoding, "backslashreplace").decode(encoding), flush=True)
