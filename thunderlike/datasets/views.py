"""Readers over readers: a part, a choice, a repetition. Nothing is copied."""

from __future__ import annotations

import operator
import sys
from abc import abstractmethod
from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike.datasets.base import Numbers, Reader
from thunderlike.errors import BadIndex, SpecError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from numpy.typing import ArrayLike

__all__ = ["Cycler", "Range", "Repeater", "Select", "View"]


class View(Reader):
    """A reader that shows the samples of another one in another order.

    To write one, define `_mapping` and `_place`, and ``__len__`` where that differs.

    Parameters
    ----------
    reader : Reader
        Whose samples; views may be nested.

    Examples
    --------
    >>> import thunderlike as tl
    >>> class Backwards(tl.datasets.View):
    ...     def _mapping(self):
    ...         return lambda numbers: len(self) - 1 - numbers
    ...
    ...     def _place(self, number):
    ...         return len(self) - 1 - number
    >>> backwards = Backwards(tl.datasets.ListReader([{"key": k} for k in "abc"]))
    >>> list(backwards.keys()), backwards.find_index("a")
    (['c', 'b', 'a'], 2)
    """

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    @abstractmethod
    def _mapping(self) -> Callable[[Numbers], Numbers]:
        """Return a function from numbers here to numbers in the reader below."""

    @abstractmethod
    def _place(self, number: int) -> int:
        """Return where a sample of the reader below stands here first; -1 if it does not."""

    def __len__(self) -> int:
        return len(self._reader)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._reader!r})"

    def _below(self, index: int) -> int:
        return int(self._mapping()(np.array([index]))[0])

    def _one(self, index: int, raw: bool) -> Any:
        return self._reader._one(self._below(index), raw)

    def _read(self, windows: Iterable[Numbers], raw: bool, copy: bool) -> Iterator[Any]:
        return self._reader._read(map(self._mapping(), windows), raw, copy)

    def _keys_at(self, window: Numbers) -> Sequence[str]:
        return self._reader._keys_at(self._mapping()(window))

    def find_key(self, index: int) -> str:
        """Return the key of the sample that stands here."""
        return self._reader.find_key(self._below(self._position(index)))

    def find_index(self, key: str) -> int:
        """Return where the sample with this key stands here first."""
        place = self._place(self._reader.find_index(key))
        if place < 0:
            raise self._missing(key)
        return place

    def close(self) -> None:
        """Close the reader below."""
        self._reader.close()

    def _name(self) -> str:
        return f"{type(self).__name__} of {self._reader._name()}"


class Range(View):
    """Samples ``start .. stop-1`` of a reader; negative numbers count from the end.

    Raises
    ------
    BadIndex
        For a start outside.

    Examples
    --------
    >>> import thunderlike as tl
    >>> letters = tl.datasets.ListReader([{"key": k} for k in "abcdef"])
    >>> part = tl.datasets.Range(letters, 1, -2)
    >>> len(part), list(part.keys()), part.find_index("c")
    (3, ['b', 'c', 'd'], 1)
    """

    def __init__(self, reader: Reader, start: int = 0, stop: int | None = None) -> None:
        super().__init__(reader)
        count = len(reader)
        if not (-count <= start < count or start == count == 0):
            raise BadIndex(f"start {start} is out of range for {count} samples")
        self.start, last, _ = slice(start, stop).indices(count)
        self.stop = max(last, self.start)

    def __len__(self) -> int:
        return self.stop - self.start

    def _mapping(self) -> Callable[[Numbers], Numbers]:
        return lambda numbers: numbers + self.start

    def _place(self, number: int) -> int:
        return number - self.start if self.start <= number < self.stop else -1


class Select(View):
    """The samples of some numbers, in their order; a number may come again.

    Examples
    --------
    >>> import thunderlike as tl
    >>> letters = tl.datasets.ListReader([{"key": k} for k in "abcdef"])
    >>> list(letters.select([-1, 0, 0]).keys())
    ['f', 'a', 'a']
    """

    def __init__(self, reader: Reader, indices: ArrayLike) -> None:
        super().__init__(reader)
        self._indices = reader._positions(indices)

    def __len__(self) -> int:
        return len(self._indices)

    def _mapping(self) -> Callable[[Numbers], Numbers]:
        return self._indices.__getitem__

    def _place(self, number: int) -> int:
        found = np.flatnonzero(self._indices == number)
        return int(found[0]) if len(found) else -1


class Repeater(View):
    """All samples of a reader, several times over.

    Examples
    --------
    >>> import thunderlike as tl
    >>> letters = tl.datasets.ListReader([{"key": k} for k in "ab"])
    >>> [sample["key"] for sample in tl.datasets.Repeater(letters, 2)]
    ['a', 'b', 'a', 'b']
    """

    def __init__(self, reader: Reader, times: int) -> None:
        super().__init__(reader)
        if times < 0:
            raise SpecError(f"samples cannot be repeated {times} times")
        self.times = times

    def __len__(self) -> int:
        return len(self._reader) * self.times

    def _mapping(self) -> Callable[[Numbers], Numbers]:
        return lambda numbers: numbers % len(self._reader)

    def _place(self, number: int) -> int:
        return number if self.times else -1


class Cycler(View):
    """All samples of a reader, over and over: a loop never ends, and any number is in range.

    Its length is that of one cycle.

    Examples
    --------
    >>> import thunderlike as tl
    >>> cycle = tl.datasets.Cycler(tl.datasets.ListReader([{"key": k} for k in "ab"]))
    >>> [sample["key"] for sample in cycle.iter(1, 6)], cycle.get(100)
    (['b', 'a', 'b', 'a', 'b'], {'key': 'a'})
    """

    def _reach(self) -> int:
        return sys.maxsize - 1 if len(self._reader) else 0

    def _position(self, index: int) -> int:
        given = operator.index(index)
        return given if 0 <= given < self._reach() else super()._position(given)

    def _mapping(self) -> Callable[[Numbers], Numbers]:
        return lambda numbers: numbers % len(self._reader)

    def _place(self, number: int) -> int:
        return number
