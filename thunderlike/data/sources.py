"""Where records come from, other than files: items of a list, a random number generator."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from thunderlike.data.functions import Trial
from thunderlike.engines.base import Spec
from thunderlike.errors import SpecError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from thunderlike.engines.base import Array

__all__ = ["ListSource", "RandomSource", "list_source", "stacked"]


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
