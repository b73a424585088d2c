"""``datadings.reader.list``: samples in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from thunderlike import storage
from thunderlike.datasets.listed import ListReader, noop

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

__all__ = ["ListReader", "load_lines", "noop", "sorted_labels"]


def load_lines(path: str | Path) -> list[str]:
    r"""Read the lines of a text file, without blanks around them and without empty ones.

    Examples
    --------
    >>> storage.write("memory://label-lists/all.txt", b"cat\n dog \n")
    >>> load_lines("memory://label-lists/all.txt")
    ['cat', 'dog']
    """
    lines = storage.read(path).decode().splitlines()
    return [line.strip() for line in lines if line.strip()]


def sorted_labels(samples: Iterable[Mapping[str, Any]]) -> list[Any]:
    """List the labels of samples, each once, in natural order.

    Examples
    --------
    >>> sorted_labels([{"label": "c10"}, {"label": "c9"}, {"label": "c10"}])
    ['c9', 'c10']
    """
    return sorted({one["label"] for one in samples if "label" in one}, key=storage.natural)
