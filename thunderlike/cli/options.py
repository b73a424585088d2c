"""Options and output that all commands share: parser, values of options, lines, ``--version``.

Values are parsed and checked here, so that argparse names the option in its errors.
"""

from __future__ import annotations

import argparse
import platform
import sys
from argparse import ArgumentParser, ArgumentTypeError
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias

from thunderlike._text import printable
from thunderlike._version import __version__
from thunderlike.jobs.report import FAILED

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "Commands",
    "OneLine",
    "Versions",
    "megabytes",
    "numbers",
    "positive",
    "shape",
    "show",
    "versions",
]

Commands: TypeAlias = "argparse._SubParsersAction[ArgumentParser]"


class OneLine(ArgumentParser):
    """Argument parser whose errors are one line, as all errors of commands."""

    def error(self, message: str) -> NoReturn:
        """Print the error and exit with code 2."""
        # A message that ends with a question suggests an option, and stays as it is.
        end = "" if message.endswith("?") else ";"
        self.exit(
            FAILED, f"error: {printable(message)}{end} {self.prog} --help explains every option\n"
        )


def positive(text: str) -> int:
    """Parse a positive whole number.

    Examples
    --------
    >>> positive("12")
    12
    """
    # int() alone would accept "1_000", " 5 " and digits of other scripts.
    if not text.isascii() or not text.isdecimal() or int(text) < 1:
        raise ArgumentTypeError(f"{text!r} is not a whole number of 1 or more")
    return int(text)


def megabytes(text: str) -> int:
    """Parse a positive number of megabytes as bytes.

    Examples
    --------
    >>> megabytes("0.5")
    500000
    """
    try:
        found = int(float(text) * 10**6)
    except (ValueError, OverflowError):  # "inf" overflows as an integer
        found = 0
    if found < 1:
        raise ArgumentTypeError(f"{text!r} is not a number of megabytes: give a number above 0")
    return found


def numbers(text: str) -> tuple[float, ...]:
    """Parse numbers separated by commas.

    Examples
    --------
    >>> numbers("5,50")
    (5.0, 50.0)
    """
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is not a list of numbers: give some, as 5,50") from None


def shape(text: str) -> tuple[int, ...]:
    """Parse sizes separated by commas or x.

    Examples
    --------
    >>> shape("512,256"), shape("512x256")
    ((512, 256), (512, 256))
    """
    try:
        return tuple(positive(part.strip()) for part in text.replace("x", ",").split(","))
    except ArgumentTypeError:
        raise ArgumentTypeError(f"{text!r} is not a shape: give sizes, as 512,512") from None


_LIBRARIES = ("numpy", "scipy", "h5py", "pyspark")


def show(*lines: str) -> None:
    r"""Print lines, the control characters in each escaped, and flush them.

    A line break in a line is escaped as well: each argument is one line. A character that the
    encoding of standard output lacks is printed as an escape.

    Examples
    --------
    >>> show("day1.tif", "a\x1b[2J\nb")
    day1.tif
    a\x1b[2J\nb
    """
    # Names of files may hold escape sequences, which a terminal would execute.
    text = "\n".join(map(printable, lines))
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    print(text.encode(encoding, "backslashreplace").decode(encoding), flush=True)


class Versions(argparse.Action):
    """Action of ``--version``; it runs ``java``, so only when given."""

    def __init__(self, option_strings: Sequence[str], dest: str, **options: Any) -> None:
        super().__init__(option_strings, dest, nargs=0, **options)

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        """Print the versions and exit."""
        print(versions())
        parser.exit()


def versions() -> str:
    """Return the version of the package and, on a second line, those of what it runs on.

    Examples
    --------
    >>> versions().splitlines()[0].split()[0]
    'thunderlike'
    """
    from importlib import metadata

    from thunderlike.engines.session import find_java, java_version

    below = [f"Python {platform.python_version()}"]
    for name in _LIBRARIES:
        try:
            below.append(f"{name} {metadata.version(name)}")  # without importing it
        except metadata.PackageNotFoundError:
            below.append(f"no {name}")
    java = find_java()
    below.append(f"Java {java_version(java)}" if java else "no Java")
    return f"thunderlike {__version__}\n{', '.join(below)}"
