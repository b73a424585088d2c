"""``datadings.reader.directory``: samples that are files of folders."""

from __future__ import annotations

from fnmatch import fnmatch
from typing import TYPE_CHECKING

from thunderlike.datasets.found import DirectoryReader

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["DirectoryReader", "check_included"]


def check_included(filename: str, include: Sequence[str], exclude: Sequence[str]) -> bool:
    """Tell whether a name matches one of the patterns to include, if any, and none to exclude.

    Examples
    --------
    >>> check_included("a/b.jpg", ["*.jpg"], ["c/*"])
    True
    """
    if any(fnmatch(filename, pattern) for pattern in exclude):
        return False
    return not include or any(fnmatch(filename, pattern) for pattern in include)
