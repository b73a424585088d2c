"""Indexing and reshaping: slices, masks and positions of the axes of records."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike.errors import BadIndexError, SpecError, WrongTypeError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["positions", "reshaped", "rows_of", "selectors"]


def reshaped(old: tuple[int, ...], asked: tuple[Any, ...]) -> tuple[int, ...]:
    """The shape asked for, -1 filled in.

    Parameters
    ----------
    old : tuple of int
        What is reshaped.
    asked : tuple
        Whole numbers, of which one may be -1; or one tuple of such.

    Raises
    ------
    SpecError
        When it has not as many elements.

    Examples
    --------
    >>> reshaped((2, 6), (3, -1)), reshaped((2, 6), ((12,),))
    ((3, 4), (12,))
    """
    shape = tuple(asked[0]) if len(asked) == 1 and np.ndim(asked[0]) else asked
    size, known = math.prod(old), math.prod(n for n in shape if n != -1)
    filled = tuple(size // max(1, known) if n == -1 else n for n in shape)
    if shape.count(-1) > 1 or math.prod(filled) != size or min(filled, default=0) < 0:
        raise SpecError(
            f"cannot reshape {old} to {shape}: give as many elements, and one -1 at most"
        )
    return tuple(int(n) for n in filled)


Selector = "slice | NDArray[np.int64]"


def selectors(item: Any, shape: tuple[int, ...]) -> list[Any]:
    """One selector an axis, each a slice or an array of positions.

    Raises
    ------
    BadIndexError
        For a position outside an axis, more indices than axes, or more than one list: numpy and
        Thunder disagree on what two lists mean.

    Examples
    --------
    >>> selectors((..., -1), (4, 6))
    [slice(None, None, None), slice(5, 6, None)]
    """
    items = _expanded(item if isinstance(item, tuple) else (item,), len(shape))
    found = [_selector(i, n, axis) for axis, (i, n) in enumerate(zip(items, shape, strict=True))]
    if sum(isinstance(s, np.ndarray) for s in found) > 1:
        raise BadIndexError("more than one list in an index: select in two steps, x[list][:, list]")
    return found


def positions(selector: Any, length: int) -> NDArray[np.int64]:
    """Positions that a selector picks from an axis of this length."""
    return np.arange(length)[selector]


def rows_of(chosen: list[Any], shape: tuple[int, ...]) -> NDArray[np.int64] | None:
    """Numbers of the records at the chosen keys, in the order of the result; None for all."""
    picked = [positions(s, n) for s, n in zip(chosen, shape, strict=True)]
    if all(np.array_equal(p, np.arange(n)) for p, n in zip(picked, shape, strict=True)):
        return None
    strides = [math.prod(shape[axis + 1 :]) for axis in range(len(shape))]
    grid = np.ix_(*picked)
    return np.ravel(sum(g * stride for g, stride in zip(grid, strides, strict=True)))


def _expanded(items: tuple[Any, ...], ndim: int) -> list[Any]:
    """Replace the Ellipsis, and what is left out at the end, by full slices."""
    where = [i for i, item in enumerate(items) if item is Ellipsis]
    if len(where) > 1 or len(items) - len(where) > ndim:
        raise BadIndexError(f"{len(items)} indices for {ndim} axes")
    missing = [slice(None)] * (ndim - len(items) + len(where))
    at = where[0] if where else len(items)
    return [*items[:at], *missing, *items[at + len(where) :]]


def _selector(item: Any, length: int, axis: int) -> Any:
    if isinstance(item, slice):
        try:
            item.indices(length)
        except TypeError as error:
            raise WrongTypeError(f"{item!r} on axis {axis}: {error}") from error
        except ValueError as error:
            raise SpecError(f"{item!r} on axis {axis}: {error}") from error
        return item
    array = np.asarray(item)
    if array.dtype == bool and array.shape == (length,):
        return np.flatnonzero(array)
    if array.ndim == 0 and np.issubdtype(array.dtype, np.integer):
        at = int(_inside(array, length, axis))
        return slice(at, at + 1)
    if array.ndim == 1 and (np.issubdtype(array.dtype, np.integer) or not len(array)):
        return _inside(array.astype(np.int64), length, axis)
    raise BadIndexError(
        f"{item!r} selects nothing on axis {axis} of length {length}: give an int, a slice, a list "
        "of int, or a list of as many bool"
    )


def _inside(array: NDArray[Any], length: int, axis: int) -> NDArray[np.int64]:
    """Positions counted from the start, if all are on the axis."""
    wrong = array[(array < -length) | (array >= length)]
    if wrong.size:
        raise BadIndexError(f"position {wrong.flat[0]} is outside axis {axis} of length {length}")
    return np.where(array < 0, array + length, array)
