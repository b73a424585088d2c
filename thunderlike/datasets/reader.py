"""Readers: sequences of samples, and views of them."""

from __future__ import annotations

import copy
import itertools
import operator
import os
import sys
from abc import ABC, abstractmethod
from functools import cached_property
from typing import TYPE_CHECKING, Any, SupportsIndex, TypeAlias, TypeGuard

import numpy as np

from thunderlike._arguments import checked_methods
from thunderlike.errors import BadIndexError, KeyMissingError, SpecError, WrongTypeError
from thunderlike.formats.dataset_files import message

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import Self

    from numpy.typing import ArrayLike, NDArray

    from thunderlike.storage import AnyPath

__all__ = [
    "Cycler",
    "Numbers",
    "Range",
    "Reader",
    "Repeater",
    "Select",
    "View",
    "as_reader",
    "as_whole",
    "is_path",
    "windows_of",
]


Numbers: TypeAlias = "NDArray[np.int64]"
Sample: TypeAlias = Any  # a dict whose "key" is text
Slice: TypeAlias = slice  # `Reader.slice` hides the builtin in annotations

_WINDOW = 4096  # samples of one read: one numpy call for each, 32 KiB of numbers


@checked_methods
class Reader(ABC):
    """Ordered collection of samples, each a dict with a unique ``"key"``.

    A reader has a cursor, which ``for`` moves: an interrupted loop continues where it stopped, and
    after a complete one the next loop starts at the first sample. Readers can be copied and pickled
    with their cursor; the copy opens files again. ``get``, ``slice`` and ``get_many`` do not move
    the cursor and may be called from several threads at once.

    Subclasses define ``__len__``, ``find_key``, ``find_index`` and ``_one``.

    Notes
    -----
    ``raw=True`` returns the message, the bytes of the file, in place of the sample. With it
    ``copy=False`` returns a memoryview where that saves a copy; it keeps a larger part of the file
    in memory. `chunk_size` is accepted for programs written for datadings, without effect.

    Examples
    --------
    >>> import thunderlike as tl
    >>> reader = tl.datasets.ListReader([{"key": k} for k in "abcde"])
    >>> reader.get(-1), reader.find_index("c")
    ({'key': 'e'}, 2)
    >>> for sample in reader:
    ...     if sample["key"] == "b":
    ...         break
    >>> [sample["key"] for sample in reader]  # continues
    ['c', 'd', 'e']
    """

    # The cursor is derived from numbers that the last loop consumes with its samples, see `iter`:
    # counting in a generator would slow down every sample.
    _marks: Iterator[int] = iter(())
    _last: int = 0

    @property
    def _i(self) -> int:
        return self._last - operator.length_hint(self._marks)

    @_i.setter
    def _i(self, index: int) -> None:
        self._marks, self._last = iter(()), index

    @abstractmethod
    def __len__(self) -> int:
        """Return the number of samples."""

    @abstractmethod
    def find_key(self, index: int) -> str:
        """Return the key of a sample; BadIndexError for a number out of range."""

    @abstractmethod
    def find_index(self, key: object) -> int:
        """Return the number of the sample with a key; KeyMissingError for an unknown key."""

    @abstractmethod
    def _one(self, index: int, raw: bool) -> Any:
        """Return the sample of a number in range, or its message."""

    def _read(self, windows: Iterable[Numbers], raw: bool, copy: bool) -> Iterator[Any]:  # noqa: ARG002
        """Yield the samples of windows of numbers; overridden for speed."""
        return (self._one(index, raw) for window in windows for index in window.tolist())

    def __contains__(self, key: object) -> bool:
        try:
            self.find_index(key)
        except KeyMissingError:
            return False
        return True

    # One sample

    def get(
        self,
        index: int,
        yield_key: bool = False,
        raw: bool = False,
        copy: bool = True,  # noqa: ARG002
    ) -> Any:
        """Return a sample.

        Parameters
        ----------
        index : int
            Its number; negative ones count from the end.
        yield_key : bool
            Return ``(key, sample)``.
        raw, copy : bool
            As in the notes on the class; a single message is always bytes.

        Raises
        ------
        BadIndexError
            For a number out of range.
        CorruptSampleError
            For a sample that cannot be read.
        """
        index = self._position(index)
        found = self._one(index, raw)
        return (self.find_key(index), found) if yield_key else found

    def __getitem__(self, index: int | Slice) -> Any:
        """Return a sample, or an iterator over the samples of a slice with any step."""
        if isinstance(index, slice):
            # A generator over numbers: no list of samples, whatever the length of the slice.
            return self._walk(range(*index.indices(len(self))))
        return self.get(index)

    # Many samples

    def slice(
        self,
        start: int,
        stop: int | None = None,
        yield_key: bool = False,
        raw: bool = False,
        copy: bool = True,
    ) -> Iterator[Any]:
        """Iterate over samples ``start .. stop-1``, without moving the cursor.

        Negative numbers count from the end, and limits are clipped, as in Python.
        """
        first, last, _ = slice(start, stop).indices(len(self))
        return self._walk(range(first, last), yield_key, raw, copy)

    def get_many(
        self, indices: ArrayLike, yield_key: bool = False, raw: bool = False, copy: bool = True
    ) -> list[Any]:
        """Return the samples of these numbers, in this order.

        Where files are read in ranges, neighbours are read together, in several requests at a time.

        Raises
        ------
        BadIndexError
            For a number out of range.

        Examples
        --------
        >>> import thunderlike as tl
        >>> reader = tl.datasets.ListReader([{"key": k} for k in "abc"])
        >>> reader.get_many([2, 0])
        [{'key': 'c'}, {'key': 'a'}]
        """
        return list(self._walk(self._positions(indices), yield_key, raw, copy))

    def keys(self) -> Iterator[str]:
        """Iterate over all keys, in order."""
        return map(self.find_key, range(len(self)))

    def items(self) -> Iterator[tuple[str, Sample]]:
        """Iterate over all ``(key, sample)``, without moving the cursor."""
        return self.slice(0, yield_key=True)

    def select(self, indices: ArrayLike) -> Select:
        """Return a reader of only these samples, in this order."""
        return Select(self, indices)

    # The cursor

    def iter(
        self,
        start: int | None = None,
        stop: int | None = None,
        yield_key: bool = False,
        raw: bool = False,
        copy: bool = True,
        chunk_size: int | None = 16,
    ) -> Iterator[Any]:
        """Iterate over samples, moving the cursor to the one after each.

        Of several loops over one reader, the last one moves the cursor.

        Parameters
        ----------
        start : int, optional
            First sample; by default the cursor, or 0 if that is at the end. ``len`` is allowed,
            and yields no samples.
        stop : int, optional
            End of the loop; negative numbers count from the end.
        chunk_size : int or None
            Accepted for programs written for datadings; without effect.

        Raises
        ------
        BadIndexError
            For a start out of range, on the call.
        SpecError
            For a `chunk_size` below 1.
        WrongTypeError
            For a start or stop that is not a whole number, and for a bool: augments of datadings
            have `yield_key` there.
        """
        if chunk_size is not None and as_whole(chunk_size, "chunk_size") < 1:
            raise SpecError(f"chunk_size is {chunk_size}; give at least 1, or None")
        for name, given in (("start", start), ("stop", stop)):
            if isinstance(given, bool):
                raise WrongTypeError(
                    f"{name} is {given}, which is not a position; "
                    "give yield_key=, raw= and copy= by name"
                )
        first = self._start(None if start is None else as_whole(start, "start"))
        last = self._reach() if stop is None else as_whole(stop, "stop")
        _, last, _ = slice(first, last).indices(self._reach())
        samples = self._walk(range(first, last), yield_key, raw, copy)
        # Consumed together with the samples, in C. All marks are above 0, so that none is skipped.
        self._marks, self._last = iter(range(first + 1, last + 1)), max(first, last)
        return itertools.compress(samples, self._marks)

    def _start(self, start: int | None) -> int:
        if start is None:
            if self._i >= self._reach():
                self._ended()
            return self._i
        if not -len(self) <= start <= self._reach():
            raise self._outside(start)
        return start + len(self) if start < 0 else start

    def _reach(self) -> int:
        """Return the end of a loop without `stop`."""
        return len(self)

    def _ended(self) -> None:
        """Return to the start after a complete loop."""
        self._i = 0

    @property
    def epoch(self) -> int:
        """Number of the current pass, which determines the order of shufflers; 0 without one."""
        return 0

    def _later(self, passes: int) -> Reader:  # noqa: ARG002
        """Return this reader after some passes: itself, if its order never changes.

        The reader itself does not change, since other views may use it.
        """
        return self

    def __iter__(self) -> Iterator[Any]:
        return self.iter()

    def rawiter(self, yield_key: bool = False) -> Iterator[Any]:
        """Iterate over messages from the cursor on."""
        return self.iter(yield_key=yield_key, raw=True)

    def next(self) -> Sample:
        """Return the sample at the cursor and advance; StopIteration at the end, always."""
        return self._next(raw=False)

    __next__ = next

    def rawnext(self) -> bytes:
        """Return the message at the cursor and advance."""
        message: bytes = self._next(raw=True)
        return message

    def _next(self, raw: bool) -> Any:
        if self._i >= self._reach():
            raise StopIteration
        found = self._one(self._i, raw)
        self._i += 1
        return found

    def seek(self, index: int) -> None:
        """Move the cursor to a sample; negative numbers count from the end."""
        self._i = self._position(index)

    def seek_index(self, index: int) -> None:
        """Move the cursor, as :meth:`seek`."""
        self.seek(index)

    def seek_key(self, key: str) -> None:
        """Move the cursor to the sample with a key; KeyMissingError for an unknown key."""
        self._i = self.find_index(key)

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the reader, as plain values that any format can store."""
        return {"position": self._i}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the state of a reader of the same samples."""
        self._i = int(state["position"])

    # Opening and closing

    def close(self) -> None:  # noqa: B027  # most readers have no open files
        """Close open files; the next use opens them again."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __getstate__(self) -> dict[str, Any]:
        """Return the state without cached properties, such as open files."""
        kind = type(self)
        kept = {
            name: value
            for name, value in self.__dict__.items()
            if not isinstance(getattr(kind, name, None), cached_property)
        }
        return kept | {"_marks": iter(()), "_last": self._i}

    # Numbers of samples

    def _walk(
        self,
        numbers: range | Numbers,
        yield_key: bool = False,
        raw: bool = False,
        copy: bool = True,
    ) -> Iterator[Any]:
        """Iterate over the samples of numbers in range."""
        found = self._read(windows_of(numbers), raw, copy)
        if not yield_key:
            return found
        # Keys need no sample: they are read apart, so that messages are not unpacked for them.
        names = (key for window in windows_of(numbers) for key in self._keys_at(window))
        return zip(names, found, strict=True)

    def _keys_at(self, window: Numbers) -> Sequence[str]:
        """Return the keys of numbers in range."""
        return [self.find_key(index) for index in window.tolist()]

    def _position(self, index: int) -> int:
        count, given = len(self), as_whole(index, "the number of a sample")
        if not -count <= given < count:
            raise self._outside(given)
        return given + count if given < 0 else given

    def _positions(self, indices: ArrayLike) -> Numbers:
        given = np.asarray(indices)
        if given.size and given.dtype.kind not in "iu":
            raise SpecError(f"samples are chosen by whole numbers, not by {given.dtype}")
        numbers = given.astype(np.int64).ravel()
        outside = (numbers < -len(self)) | (numbers >= len(self))
        if outside.any():
            raise self._outside(int(numbers[outside][0]))
        return np.where(numbers < 0, numbers + len(self), numbers)

    def _outside(self, index: int) -> BadIndexError:
        return BadIndexError(
            f"index {index} is out of range for {len(self)} samples in {self._name()}"
        )

    def _missing(self, key: object) -> KeyMissingError:
        return KeyMissingError(
            f"no sample with the key {key!r} in {self._name()}; keys() lists those there are"
        )

    def _name(self) -> str:
        """Return the name of the reader in errors."""
        return type(self).__name__

    def _packed(self, index: int, sample: Sample) -> bytes:
        """Pack a sample that is not in a file."""
        return message(self.find_key(index), sample)


def as_whole(value: SupportsIndex, name: str) -> int:
    """Return a whole number of any type as an int.

    Raises
    ------
    WrongTypeError
        For anything else, with the name of the argument.

    Examples
    --------
    >>> as_whole("2", "start")
    Traceback (most recent call last):
        ...
    thunderlike.errors.WrongTypeError: start is a whole number, not '2'
    """
    try:
        return operator.index(value)
    except TypeError:
        raise WrongTypeError(f"{name} is a whole number, not {value!r:.60}") from None


def is_path(item: object) -> TypeGuard[AnyPath]:
    """Return whether an argument is one path, not several or a reader.

    Examples
    --------
    >>> is_path("a.msgpack"), is_path(["a.msgpack"])
    (True, False)
    """
    return isinstance(item, str | os.PathLike)


def windows_of(numbers: range | Numbers) -> Iterator[Numbers]:
    """Split numbers into arrays of a few thousand."""
    for at in range(0, len(numbers), _WINDOW):
        part = numbers[at : at + _WINDOW]
        yield part if isinstance(part, np.ndarray) else np.arange(part.start, part.stop, part.step)


def as_reader(reader: object) -> Reader:
    """Return a reader unchanged.

    Raises
    ------
    WrongTypeError
        For anything else.

    Examples
    --------
    >>> as_reader(["a"])
    Traceback (most recent call last):
        ...
    thunderlike.errors.WrongTypeError: a view shows the samples of a reader, not of ['a']: ...
    """
    if not isinstance(reader, Reader):
        raise WrongTypeError(
            f"a view shows the samples of a reader, not of {reader!r:.60}: make one of a list "
            "with ListReader, of a file with MsgpackReader"
        )
    return reader


@checked_methods
class View(Reader):
    """Reader of the samples of another reader in another order.

    Subclasses define `_mapping` and `_place`, and ``__len__`` where it differs.

    Each pass over a view of a shuffler has the order of the next epoch, like a pass over the
    shuffler. A view that leaves samples out, such as a :class:`Range`, has the same samples in
    every pass, so that parts of a shuffled dataset never overlap.

    Parameters
    ----------
    reader : Reader
        Reader of the samples; views may be nested.

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
        """Return a function from numbers of the view to numbers of the underlying reader."""

    @abstractmethod
    def _place(self, number: int) -> int:
        """Return the first position of a sample of the underlying reader, -1 if it is left out."""

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
        """Return the key of a sample."""
        return self._reader.find_key(self._below(self._position(index)))

    def find_index(self, key: object) -> int:
        """Return the first position of the sample with a key."""
        place = self._place(self._reader.find_index(key))
        if place < 0:
            raise self._missing(key)
        return place

    @property
    def epoch(self) -> int:
        """Number of the current pass over the underlying shuffler; 0 without one."""
        return self._reader.epoch

    def set_epoch(self, epoch: int) -> None:
        """Start an epoch in its order; a view that leaves samples out keeps its own order.

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
        """Return the underlying reader after some passes over this view."""
        # A view of fewer samples must not change which: parts of one shuffle would overlap.
        return self._reader if len(self) < len(self._reader) else self._reader._later(passes)

    def _later(self, passes: int) -> Reader:
        later = self._below_later(passes)
        if later is self._reader:
            return self
        # A shallow copy: both share samples and open files, and differ only in their order.
        twin = copy.copy(self)
        twin._reader = later
        return twin

    def _ended(self) -> None:
        super()._ended()
        self._reader = self._below_later(1)

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the view and of the views below it."""
        below = {"below": self._reader.state_dict()} if isinstance(self._reader, View) else {}
        return super().state_dict() | below

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the state of a view of the same samples."""
        if "below" in state:
            self._reader = copy.copy(self._reader)  # other views may use the present one
            self._reader.load_state_dict(state["below"])
        super().load_state_dict(state)

    def close(self) -> None:
        """Close the underlying reader."""
        self._reader.close()

    def _name(self) -> str:
        return f"{type(self).__name__} of {self._reader._name()}"


@checked_methods
class Range(View):
    """View of samples ``start .. stop-1``; negative numbers count from the end.

    Raises
    ------
    BadIndexError
        For a start out of range.

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
            raise BadIndexError(f"start {start} is out of range for {count} samples")
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
    """View of samples by number, in the given order; numbers may repeat.

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
        return self._reader  # a choice of samples never changes, even of all

    def _mapping(self) -> Callable[[Numbers], Numbers]:
        return self._indices.__getitem__

    def _place(self, number: int) -> int:
        found = np.flatnonzero(self._indices == number)
        return int(found[0]) if len(found) else -1


class _Passes(View):
    """View of all samples in several passes, each in the order of its epoch."""

    def _mapping(self) -> Callable[[Numbers], Numbers]:
        return lambda numbers: numbers % len(self._reader)

    def _place(self, number: int) -> int:
        return number

    def _pass(self, number: int) -> Reader:
        """Return the underlying reader in one of the passes; the last one is cached."""
        if number == 0:
            return self._reader
        # By epoch too, because `set_epoch` of the view replaces the reader below.
        wanted = (self._reader.epoch, number)
        if self.__dict__.get("_current", (None,))[0] != wanted:
            self._current = wanted, self._reader._later(number)
        return self._current[1]

    def _one(self, index: int, raw: bool) -> Any:
        number, place = divmod(index, len(self._reader))
        return self._pass(number)._one(place, raw)

    def find_key(self, index: int) -> str:
        """Return the key of a sample."""
        number, place = divmod(self._position(index), len(self._reader))
        return self._pass(number).find_key(place)

    def _read(self, windows: Iterable[Numbers], raw: bool, copy: bool) -> Iterator[Any]:
        # Without a shuffler all passes have one order: windows may span several of them.
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
        """Split a window where a pass ends: number of the pass, positions in it."""
        numbers, places = np.divmod(window, max(1, len(self._reader)))
        edges = [0, *(np.flatnonzero(np.diff(numbers)) + 1).tolist(), len(window)]
        for first, last in itertools.pairwise(edges):
            if last > first:
                yield int(numbers[first]), places[first:last]

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the state of a view of the same samples."""
        self.__dict__.pop("_current", None)
        super().load_state_dict(state)

    def __getstate__(self) -> dict[str, Any]:
        # A cache with a reader of its own: made again where it is needed.
        return {name: value for name, value in super().__getstate__().items() if name != "_current"}


@checked_methods
class Repeater(_Passes):
    """View of all samples, repeated; a shuffler draws another order each time.

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
        """Start a pass over all repetitions, in its orders."""
        self._i = 0
        self._reader = self._reader._later(epoch * self.times - self._reader.epoch)

    def _below_later(self, passes: int) -> Reader:
        return self._reader._later(passes * self.times)


@checked_methods
class Cycler(_Passes):
    """View of all samples, repeated without end: every number is in range.

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
        # One less than the largest position, since marks of the cursor are one ahead of it.
        return sys.maxsize - 1 if len(self._reader) else 0

    def _position(self, index: int) -> int:
        given = as_whole(index, "the number of a sample")
        return given if 0 <= given < self._reach() else super()._position(given)
