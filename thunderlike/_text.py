"""Escaping of text from files and users for display."""

from __future__ import annotations

import re

__all__ = ["plain", "printable", "without_secrets"]

_SCHEME = r"\b([a-z][a-z0-9+.-]{0,20}://)"
# The query of a web or cloud address, where tokens and signatures are.
_QUERY = re.compile(
    r"\b(?!s3:|file:|memory:)([a-z][a-z0-9+.-]{0,20}://[^\s?'\"]*)"
    r"\?(?=[^\s'\"]*=)[^\s'\"]*?(?=[:.,;)\]]*(?:[\s'\"]|$))",
    re.IGNORECASE,
)
# What stands before an @: a user and a password, which may hold a slash, or a user. A number after
# a colon is a port, and the addresses of Azure begin with container@account.
_PASSWORD = re.compile(_SCHEME + r"[^\s@/:'\"]*:(?!\d+/)[^\s@'\"]*@", re.IGNORECASE)
_USER = re.compile(r"\b(?!az:|abfss?:|wasbs?:)" + _SCHEME[2:] + r"[^\s@/:'\"]+@", re.IGNORECASE)

_MOST = 80  # characters of a title or legend


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


def plain(text: str) -> str:
    r"""Escape a name for matplotlib, which takes what stands between dollar signs for formulas.

    Control characters are escaped as well, and names of more than 80 characters cut.

    Examples
    --------
    >>> plain("cost in $, and $")
    'cost in \\$, and \\$'
    """
    shown = printable(text)
    shown = shown if len(shown) <= _MOST else f"{shown[: _MOST - 3]}..."
    return shown.replace("$", r"\$")


def without_secrets(text: str) -> str:
    """Leave out the passwords and queries of addresses; in a query are tokens and signatures.

    Examples
    --------
    >>> without_secrets("https://host/day1.tif?sig=xyzzy&exp=1: no such file")
    'https://host/day1.tif?...: no such file'
    >>> without_secrets("s3://user:xyzzy@bucket/movie")
    's3://...@bucket/movie'
    """
    if "://" not in text:
        return text
    for pattern, shown in (_QUERY, r"\1?..."), (_PASSWORD, r"\1...@"), (_USER, r"\1...@"):
        text = pattern.sub(shown, text)
    return text
