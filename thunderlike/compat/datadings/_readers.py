"""Readers with datadings' order of files and arguments, and helpers of its reader modules."""

from __future__ import annotations

from fnmatch import fnmatch
from typing import TYPE_CHECKING, Any

from thunderlike import storage
from thunderlike.datasets import reader, sharded, shuffle
from thunderlike.formats.text import as_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from thunderlike.datasets.reader import Reader
    from thunderlike.storage import AnyPath

__all__ = [
    "Augment",
    "Cycler",
    "QuasiShuffler",
    "Range",
    "Repeater",
    "ShardedReader",
    "Shuffler",
    "check_included",
    "load_lines",
    "sorted_labels",
]


class Augment(reader.View):
    """Base class of augments: views whose ``iter`` has neither `start` nor `stop`.

    Examples
    --------
    >>> from thunderlike.datasets import ListReader
    >>> part = Range(ListReader([{"key": k} for k in "abc"]), 1)
    >>> isinstance(part, Augment), list(part.iter(True))
    (True, [('b', {'key': 'b'}), ('c', {'key': 'c'})])
    """

    def iter(  # type: ignore[override]  # as in datadings
        self,
        yield_key: bool = False,
        raw: bool = False,
        copy: bool = True,
        chunk_size: int | None = 16,
    ) -> Iterator[Any]:
        """Iterate from the cursor on; arguments as in ``Reader.iter``."""
        return super().iter(None, None, yield_key, raw, copy, chunk_size)


class Cycler(Augment, reader.Cycler):
    """Iterate over a reader endlessly; see :class:`thunderlike.datasets.Cycler`."""


class Range(Augment, reader.Range):
    """Samples ``start .. stop-1`` of a reader; see :class:`thunderlike.datasets.Range`."""


class Repeater(Augment, reader.Repeater):
    """Iterate over a reader several times; see :class:`thunderlike.datasets.Repeater`."""


class Shuffler(Augment, shuffle.Shuffler):
    """Iterate in random order; see :class:`thunderlike.datasets.Shuffler`."""


class QuasiShuffler(Augment, shuffle.QuasiShuffler):
    """Iterate in nearly random order; see :class:`thunderlike.datasets.QuasiShuffler`."""

    # `chunk_size` has no effect here: only its default is that of datadings.
    def iter(  # type: ignore[override]  # as in datadings
        self,
        yield_key: bool = False,
        raw: bool = False,
        copy: bool = True,
        chunk_size: int | None = None,
    ) -> Iterator[Any]:
        """Iterate from the cursor on; by default `chunk_size` is that of the shuffler."""
        return super().iter(yield_key, raw, copy, chunk_size)


class ShardedReader(sharded.ShardedReader):
    """Several datasets as one, in the order of datadings: that of their names as text.

    Parameters
    ----------
    shards, **options
        As in :class:`thunderlike.datasets.ShardedReader`.

    Examples
    --------
    >>> from thunderlike.datasets import FileWriter
    >>> for number in (9, 10):
    ...     with FileWriter(f"memory://by-text/s{number}.msgpack", overwrite=True) as writer:
    ...         writer.write({"key": str(number)})
    >>> list(ShardedReader("memory://by-text/*.msgpack").keys())
    ['10', '9']
    """

    def __init__(self, shards: AnyPath | Iterable[AnyPath | Reader], **options: Any) -> None:
        super().__init__(shards, **{"order": "text", **options})


def check_included(filename: str, include: Sequence[str], exclude: Sequence[str]) -> bool:
    """Check that a name matches a pattern of `include`, if any, and no pattern of `exclude`.

    Examples
    --------
    >>> check_included("a/b.jpg", ["*.jpg"], ["c/*"])
    True
    """
    if any(fnmatch(filename, pattern) for pattern in exclude):
        return False
    return not include or any(fnmatch(filename, pattern) for pattern in include)


def load_lines(path: str | Path) -> list[str]:
    r"""Read the lines of a text file, without blanks around them and without empty ones.

    Examples
    --------
    >>> storage.write("memory://label-lists/all.txt", b"cat\n dog \n")
    >>> load_lines("memory://label-lists/all.txt")
    ['cat', 'dog']
    """
    lines = as_text(storage.read(path), path).splitlines()
    return [line.strip() for line in lines if line.strip()]


def sorted_labels(samples: Iterable[Mapping[str, Any]]) -> list[Any]:
    """List the labels of samples, each once, in natural order.

    Examples
    --------
    >>> sorted_labels([{"label": "c10"}, {"label": "c9"}, {"label": "c10"}])
    ['c9', 'c10']
    """
    return sorted({one["label"] for one in samples if "label" in one}, key=storage.natural)
