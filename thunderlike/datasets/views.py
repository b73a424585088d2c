"""Readers over readers: a part, a choice, a repetition. Nothing is copied."""

from __future__ import annotations

import copy
import itertools
import operator
import sys
from abc import abstractmethod
from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike._arguments import checked_methods
from thunderlike.datasets.base import Numbers, Reader, as_whole
from thunderlike.errors import BadIndex, SpecError, WrongType

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from numpy.typing import ArrayLike

__all__ = ["Cycler", "Range", "Repeater", "Select", "View", "as_reader"]


def as_reader(reader: Any) -> Reader:
    """Return what it is given if that is a reader.

    Raises
    ------
    WrongType
        For anything else.

    Examples
    --------
    >>> as_reader(["a"])
    Traceback (most recent call last):
        ...
    thunderlike.errors.WrongType: a view shows the samples of a reader, not of ['a']: ...
    """
    if not isinstance(reader, Reader):
        raise WrongType(
            f"a view shows the samples of a reader, not of {reader!r:.60}: make one of a list "
            "with ListReader, of a file with MsgpackReader"
        )
    return reader


@checked_methods
class View(Reader):
    """A reader that shows the samples of another one in another order.

    To write one, define `_mapping` and `_place`, and ``__len__`` where that differs.

    Where a shuffler is below, each pass over a view takes the order of the next epoch, as a pass
    over the shuffler does. A view that leaves samples out, such as a :class:`Range`, is a choice
    of samples: they stay the same in every pass, so that parts of a shuffled dataset never overlap.

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
        self._reader = as_reader(reader)

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

    def find_index(self, key: Any) -> int:
        """Return where the sample with this key stands here first."""
        place = self._place(self._reader.find_index(key))
        if place < 0:
            raise self._missing(key)
        return place

    @property
    def epoch(self) -> int:
        """Number of the current pass over the shuffler below; 0 without one."""
        return self._reader.epoch

    def set_epoch(self, epoch: int) -> None:
        """Take the order of an epoch, from its start; a view that leaves samples out keeps its own.

        Examples
        --------
        >>> import thunderlike as tl
        >>> letters = tl.datasets.ListReader([{"key": k} for k in "abcde"])
        >>> shuffled = Repeater(tl.datasets.Shuffler(letters, seed=1), 1)
        >>> shuffled.set_epoch(1)
        >>> "".join(shuffled.keys())
        'dcbae'
        """
        self._i = 0
        self._reader = self._below_later(epoch - self.epoch)

    def _below_later(self, passes: int) -> Reader:
        """The reader below after some passes over this view."""
        return self._reader if len(self) < len(self._reader) else self._reader._later(passes)

    def _later(self, passes: int) -> Reader:
        later = self._below_later(passes)
        if later is self._reader:
            return self
        twin = copy.copy(self)
        twin._reader = later
        return twin

    def _ended(self) -> None:
        super()._ended()
        self._reader = self._below_later(1)

    def state_dict(self) -> dict[str, Any]:
        """Return where the view stands, and the state of the views below it."""
        below = {"below": self._reader.state_dict()} if isinstance(self._reader, View) else {}
        return super().state_dict() | below

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from where a view of the same samples stood."""
        if "below" in state:
            self._reader = copy.copy(self._reader)  # other views may show the one that is here
            self._reader.load_state_dict(state["below"])
        super().load_state_dict(state)

    def close(self) -> None:
        """Close the reader below."""
        self._reader.close()

    def _name(self) -> str:
        return f"{type(self).__name__} of {self._reader._name()}"


@checked_methods
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
        count, start = len(reader), as_whole(start, "start")
        stop = count if stop is None else as_whole(stop, "stop")
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


@checked_methods
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

    def _below_later(self, passes: int) -> Reader:  # noqa: ARG002
        return self._reader  # chosen once, also where as many are chosen as there are

    def _mapping(self) -> Callable[[Numbers], Numbers]:
        return self._indices.__getitem__

    def _place(self, number: int) -> int:
        found = np.flatnonzero(self._indices == number)
        return int(found[0]) if len(found) else -1


class _Passes(View):
    """All samples of a reader in several passes, each in the order of its own epoch."""

    def _mapping(self) -> Callable[[Numbers], Numbers]:
        return lambda numbers: numbers % len(self._reader)

    def _place(self, number: int) -> int:
        return number

    def _pass(self, number: int) -> Reader:
        """The reader below in one of the passes; the last one asked for is kept, with its order."""
        if number == 0:
            return self._reader
        wanted = (self._reader.epoch, number)
        if self.__dict__.get("_current", (None,))[0] != wanted:
            self._current = wanted, self._reader._later(number)
        return self._current[1]

    def _one(self, index: int, raw: bool) -> Any:
        number, place = divmod(index, len(self._reader))
        return self._pass(number)._one(place, raw)

    def find_key(self, index: int) -> str:
        """Return the key of the sample that stands here."""
        number, place = divmod(self._position(index), len(self._reader))
        return self._pass(number).find_key(place)

    def _read(self, windows: Iterable[Numbers], raw: bool, copy: bool) -> Iterator[Any]:
        if self._reader._later(1) is self._reader:
            return super()._read(windows, raw, copy)
        return self._by_pass(windows, raw, copy)

    def _by_pass(self, windows: Iterable[Numbers], raw: bool, copy: bool) -> Iterator[Any]:
        runs = (run for window in windows for run in self._runs(window))
        for number, parts in itertools.groupby(runs, key=operator.itemgetter(0)):
            yield from self._pass(number)._read((part for _, part in parts), raw, copy)

    def _keys_at(self, window: Numbers) -> Sequence[str]:
        runs = self._runs(window)
        return [key for number, part in runs for key in self._pass(number)._keys_at(part)]

    def _runs(self, window: Numbers) -> Iterator[tuple[int, Numbers]]:
        """Cut a window where another pass begins: number of the pass, places in it."""
        numbers, places = np.divmod(window, max(1, len(self._reader)))
        edges = [0, *(np.flatnonzero(np.diff(numbers)) + 1).tolist(), len(window)]
        for first, last in itertools.pairwise(edges):
            if last > first:
                yield int(numbers[first]), places[first:last]

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from where a view of the same samples stood."""
        self.__dict__.pop("_current", None)
        super().load_state_dict(state)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in super().__getstate__().items() if name != "_current"}


@checked_methods
class Repeater(_Passes):
    """All samples of a reader, several times over; a shuffler draws another order each time.

    Examples
    --------
    >>> import thunderlike as tl
    >>> letters = tl.datasets.ListReader([{"key": k} for k in "abc"])
    >>> "".join(tl.datasets.Repeater(letters, 2).keys())
    'abcabc'
    >>> "".join(tl.datasets.Repeater(tl.datasets.Shuffler(letters, seed=1), 2).keys())
    'bcacba'
    """

    def __init__(self, reader: Reader, times: int) -> None:
        super().__init__(reader)
        self.times = as_whole(times, "times")
        if self.times < 0:
            raise SpecError(f"samples cannot be repeated {times} times")

    def __len__(self) -> int:
        return len(self._reader) * self.times

    def _place(self, number: int) -> int:
        return number if self.times else -1

    @property
    def epoch(self) -> int:
        """Number of the current pass over all repetitions; 0 without a shuffler below."""
        return self._reader.epoch // max(1, self.times)

    def set_epoch(self, epoch: int) -> None:
        """Take the orders of this pass over all repetitions, from its start."""
        self._i = 0
        self._reader = self._reader._later(epoch * self.times - self._reader.epoch)

    def _below_later(self, passes: int) -> Reader:
        return self._reader._later(passes * self.times)


@checked_methods
class Cycler(_Passes):
    """All samples of a reader, over and over: a loop never ends, and any number is in range.

    A shuffler draws another order in each cycle. The length is that of one cycle.

    Examples
    --------
    >>> import thunderlike as tl
    >>> letters = tl.datasets.ListReader([{"key": k} for k in "abc"])
    >>> cycle = tl.datasets.Cycler(letters)
    >>> [sample["key"] for sample in cycle.iter(1, 6)], cycle.get(100)
    (['b', 'c', 'a', 'b', 'c'], {'key': 'b'})
    >>> shuffled = tl.datasets.Cycler(tl.datasets.Shuffler(letters, seed=1))
    >>> "".join(sample["key"] for sample in shuffled.iter(0, 9))
    'bcacbacab'
    """

    def _reach(self) -> int:
        return sys.maxsize - 1 if len(self._reader) else 0

    def _position(self, index: int) -> int:
        given = as_whole(index, "the number of a sample")
        return given if 0 <= given < self._reach() else super()._position(given)
