"""Where records come from, other than files: items of a list, a random number generator."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike.data.functions import converted, raised_by
from thunderlike.engines.base import SourceDefaults, Spec
from thunderlike.errors import SpecError, ThunderlikeError, WrongTypeError
from thunderlike.kernels._validation import as_array, as_dtype

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from thunderlike._typing import Array

__all__ = ["ListSource", "RandomSource", "list_source", "pairs_spec", "stacked"]


@dataclass(frozen=True)
class ListSource(SourceDefaults):
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
    cast : bool
        Convert other dtypes, whatever that does to the values; by default only where none changes.
    """

    spec: Spec
    items: Sequence[Any]
    accessor: Callable[[Any], Any]
    offset: int = 0
    cast: bool = False

    def read(self, start: int, stop: int, out: Array) -> None:
        """Call the function for each item."""
        for row, number in enumerate(range(start, stop)):
            array = _array_of(self.accessor, self.items[number - self.offset], number)
            if array.shape != self.spec.shape:
                raise SpecError(
                    f"item {number} has shape {array.shape}, the first {self.spec.shape}: "
                    "all must be equal"
                )
            found = converted(array, self.spec.dtype, cast=self.cast)
            if found is None:
                raise WrongTypeError(
                    f"item {number} has dtype {array.dtype}, whose values do not fit in "
                    f"{self.spec.dtype}: give dtype= a dtype that holds all items"
                )
            out[row] = found

    def part(self, start: int, stop: int) -> ListSource:
        """Only these items."""
        items = self.items[start - self.offset : stop - self.offset]
        return replace(self, items=items, offset=start)


@dataclass(frozen=True)
class RandomSource(SourceDefaults):
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

    def read(self, start: int, stop: int, out: Array) -> None:
        """Draw each record with a generator of its own."""
        for row, number in enumerate(range(start, stop)):
            out[row] = np.random.default_rng([self.seed, number]).standard_normal(self.spec.shape)


def stacked(values: Any, what: str) -> Array:
    """An array, or an error that names the first two shapes which differ."""
    if not isinstance(values, list | tuple):
        array = as_array(values)
        if array.ndim == 0 and array.dtype.kind not in "biufc":
            raise WrongTypeError(
                f"an array, or a list of arrays, is needed, not {type(values).__name__}"
            )
        return array
    arrays = [as_array(value, f"{what} {number}") for number, value in enumerate(values)]
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
        first = _array_of(accessor, items[0], 0)
    shape = first.shape if dims is None else tuple(dims) or (1,)
    spec = Spec(len(items), shape, first.dtype if dtype is None else as_dtype(dtype))
    return ListSource(spec, items, accessor, cast=dtype is not None)


def pairs_spec(rdd: Any, shape: tuple[int, ...] | None, dtype: Any) -> Spec | None:
    """Shape and dtype of the records of an RDD of pairs where the caller gave a dtype, else None.

    Without `shape` the first record tells it: one small job.
    """
    if dtype is None:
        return None
    if shape is None:
        if rdd.isEmpty():
            raise SpecError("the RDD has no records: give dims and dtype to say what they would be")
        shape = np.shape(rdd.first()[1])
    return Spec(0, tuple(shape), as_dtype(dtype))


def _array_of(accessor: Callable[[Any], Any], item: Any, number: int) -> Array:
    """What the function gives for one item, as an array."""
    try:
        return np.atleast_1d(as_array(accessor(item)))
    except WrongTypeError as error:
        raise WrongTypeError(f"item {number}: {error}") from error
    except ThunderlikeError:
        raise
    except Exception as error:
        raise raised_by(accessor, error, (number,)) from error
