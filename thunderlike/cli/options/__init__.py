"""What all command lines share: how they say what is wrong with them, and values of options.

A value is read and checked here, so that argparse names the option that it stands behind.
"""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError
from typing import NoReturn

from thunderlike._text import printable
from thunderlike.jobs.report import FAILED

__all__ = ["OneLine", "megabytes", "numbers", "positive", "shape"]


class OneLine(ArgumentParser):
    """Says what is wrong with a command line in one line, as everything else that is."""

    def error(self, message: str) -> NoReturn:
        """Leave with 2."""
        end = "" if message.endswith("?") else ";"
        self.exit(
            FAILED, f"error: {printable(message)}{end} {self.prog} --help explains every option\n"
        )


def positive(text: str) -> int:
    """Read a whole number from 1 up.

    Examples
    --------
    >>> positive("12")
    12
    """
    if not text.isascii() or not text.isdecimal() or int(text) < 1:
        raise ArgumentTypeError(f"{text!r} is no whole number from 1 up")
    return int(text)


def megabytes(text: str) -> int:
    """Read megabytes, some more than 0, as bytes.

    Examples
    --------
    >>> megabytes("0.5")
    500000
    """
    try:
        found = int(float(text) * 10**6)
    except (ValueError, OverflowError):
        found = 0
    if found < 1:
        raise ArgumentTypeError(f"{text!r} are no megabytes: give a number above 0")
    return found


def numbers(text: str) -> tuple[float, ...]:
    """Read numbers with commas between them.

    Examples
    --------
    >>> numbers("5,50")
    (5.0, 50.0)
    """
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise ArgumentTypeError(f"{text!r} are no numbers: give some, as 5,50") from None


def shape(text: str) -> tuple[int, ...]:
    """Read sizes with commas, or an x, between them.

    Examples
    --------
    >>> shape("512,256"), shape("512x256")
    ((512, 256), (512, 256))
    """
    try:
        return tuple(positive(part.strip()) for part in text.replace("x", ",").split(","))
    except ArgumentTypeError:
        raise ArgumentTypeError(f"{text!r} is no shape: give sizes, as 512,512") from None
