"""Where records come from: files, items of a list, a random number generator."""

from __future__ import annotations

import itertools
import warnings
from bisect import bisect_right
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from thunderlike import storage
from thunderlike.data.functions import Trial
from thunderlike.engines.base import Spec
from thunderlike.errors import FormatError, MissingExtra, NotFound, SpecError
from thunderlike.formats import raw

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from thunderlike.engines.base import Array

__all__ = [
    "FileSource",
    "ListSource",
    "RandomSource",
    "list_source",
    "naming",
    "read_conf",
    "stacked",
    "told",
]


@dataclass(frozen=True)
class FileSource:
    """Records in files, one or several each.

    Parameters
    ----------
    spec : Spec
        All records.
    paths : tuple of str
        The files, in order.
    edges : tuple of int
        Number of the first record of each file, and at last the number after all.
    load : callable
        ``load(path, first, last)`` reads records ``first .. last-1`` of a file as one array.
    whole : bool
        A part of a file costs as much as all of it.
    """

    spec: Spec
    paths: tuple[str, ...]
    edges: tuple[int, ...]
    load: Callable[[str, int, int], Any]
    whole: bool = False

    @property
    def cuts(self) -> tuple[int, ...] | None:
        """The edges of the files, where each is read as a whole."""
        return self.edges if self.whole else None

    @classmethod
    def of(
        cls,
        paths: Sequence[str],
        counts: Sequence[int],
        shape: tuple[int, ...],
        dtype: Any,
        load: Callable[[str, int, int], Any],
        *,
        whole: bool = False,
    ) -> FileSource:
        """Make a source of files that hold so many records each."""
        edges = (0, *itertools.accumulate(counts))
        return cls(Spec(edges[-1], shape, np.dtype(dtype)), tuple(paths), edges, load, whole)

    def read(self, start: int, stop: int, out: Array) -> None:
        """Read file by file."""
        number = bisect_right(self.edges, start) - 1
        at = start
        while at < stop:
            origin, end = self.edges[number], min(stop, self.edges[number + 1])
            self._fill(out[at - start : end - start], self.paths[number], at - origin, end - origin)
            at, number = end, number + 1

    def _fill(self, out: Array, path: str, first: int, last: int) -> None:
        if first == last:
            return
        with naming(path):
            found = self.load(path, first, last)
            if found.shape[1:] != out.shape[1:] or found.dtype != out.dtype:
                raise FormatError(
                    f"holds {found.dtype} of shape {found.shape[1:]}, the first file "
                    f"{out.dtype} of shape {out.shape[1:]}: all must be equal"
                )
        out[...] = found

    def part(self, start: int, stop: int) -> FileSource:
        """The files that hold these records, and no others."""
        first = bisect_right(self.edges, start) - 1
        last = bisect_right(self.edges, stop - 1)
        return replace(self, paths=self.paths[first:last], edges=self.edges[first : last + 1])


@dataclass(frozen=True)
class ListSource:
    """Records that a function gives for the items of a list.

    Parameters
    ----------
    spec : Spec
        All records.
    items : sequence
        Anything; pickled for workers elsewhere.
    accessor : callable
        From an item to an array.
    offset : int
        Number of the first item.
    """

    spec: Spec
    items: Sequence[Any]
    accessor: Callable[[Any], Any]
    offset: int = 0
    cuts: ClassVar[None] = None

    def read(self, start: int, stop: int, out: Array) -> None:
        """Call the function for each item."""
        trial = Trial(lambda number: self._checked(int(number)), (self.spec.count,))
        for row, number in enumerate(range(start, stop)):
            out[row] = trial(number, np.asarray(number))

    def _checked(self, number: int) -> Array:
        array = np.asarray(self.accessor(self.items[number - self.offset]))
        if array.shape != self.spec.shape:
            raise SpecError(
                f"item {number} has shape {array.shape}, the first {self.spec.shape}: "
                "all must be equal"
            )
        return array

    def part(self, start: int, stop: int) -> ListSource:
        """Only these items."""
        items = self.items[start - self.offset : stop - self.offset]
        return replace(self, items=items, offset=start)


@dataclass(frozen=True)
class RandomSource:
    """Normal random numbers; record `v` depends on `seed` and `v` alone.

    Examples
    --------
    >>> one = RandomSource(Spec(5, (2,)), seed=1)
    >>> all_of_it, tail = one.spec.empty(), one.spec.empty(2)
    >>> one.read(0, 5, all_of_it)
    >>> one.read(3, 5, tail)
    >>> bool((all_of_it[3:] == tail).all())
    True
    """

    spec: Spec
    seed: int
    cuts: ClassVar[None] = None

    def read(self, start: int, stop: int, out: Array) -> None:
        """Draw each record with a generator of its own."""
        for row, number in enumerate(range(start, stop)):
            out[row] = np.random.default_rng([self.seed, number]).standard_normal(self.spec.shape)

    def part(self, start: int, stop: int) -> RandomSource:  # noqa: ARG002
        """The same: it is small."""
        return self


@contextmanager
def naming(path: str) -> Iterator[None]:
    """Put the name of the file before what is wrong with its bytes."""
    try:
        yield
    except (FormatError, MissingExtra, SpecError) as error:
        raise type(error)(f"{path}: {error}") from error


def stacked(values: Any, what: str) -> Array:
    """An array, or an error that names the first two shapes which differ."""
    if not isinstance(values, list | tuple):
        return np.asarray(values)
    arrays = [np.asarray(value) for value in values]
    for number, array in enumerate(arrays):
        if array.shape != arrays[0].shape:
            raise SpecError(
                f"{what} {number} has shape {array.shape}, the first {arrays[0].shape}: "
                "all must be equal"
            )
    return np.asarray(arrays)


def list_source(items: list[Any], accessor: Any, dims: Any, dtype: Any) -> ListSource:
    """Make a source of items, of which the first is tried unless shape and dtype are given."""
    if dims is None or dtype is None:
        if not items:
            raise SpecError("there are no items: give dims and dtype to say what they would be")
        first = np.asarray(accessor(items[0]))
        dims = first.shape if dims is None else dims
        dtype = first.dtype if dtype is None else dtype
    return ListSource(Spec(len(items), tuple(dims), np.dtype(dtype)), items, accessor)


def read_conf(path: str, name: str) -> raw.Conf:
    """Read what the description beside a file says; nothing if there is none."""
    beside = storage.join(storage.parent(path), name)
    try:
        data = storage.read(beside)
    except NotFound:
        return raw.Conf()
    with naming(beside):
        return raw.parse_conf(data)


def told(what: str, given: Any, described: Any) -> Any:
    """Choose what the caller said before what a file says; a difference is worth a word."""
    if given is None or described is None:
        return described if given is None else given
    same = tuple(given) == tuple(described) if what == "shape" else np.dtype(given) == described
    if not same:
        warnings.warn(
            f"the given {what} {given} goes before the {described} of conf.json", stacklevel=4
        )
    return given
