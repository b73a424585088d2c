"""Text from files and users as it may be shown."""

from __future__ import annotations

__all__ = ["printable"]


def printable(text: str, keep: str = "") -> str:
    r"""Escape control characters, which a terminal would act on: names in files may hold any.

    Parameters
    ----------
    text : str
    keep : str
        Characters to leave alone, such as a newline.

    Examples
    --------
    >>> printable("day\x1b[2J1")
    'day\\x1b[2J1'
    """
    if text.isprintable():
        return text
    return "".join(
        letter
        if letter.isprintable() or letter in keep
        else letter.encode("unicode_escape", "surrogatepass").decode("ascii")
        for letter in text
    )
