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
    """Return the new shape, with -1 replaced.

    Parameters
    ----------
    old : tuple of int
        Shape before.
    asked : tuple
        Whole numbers, of which one may be -1; or one tuple of such.

    Raises
    ------
    SpecError
        When the number of elements differs.

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
            f"cannot reshape {old} to {shape}: the number of elements must be equal, with at most "
            "one -1"
        )
    return tuple(int(n) for n in filled)


def selectors(item: Any, shape: tuple[int, ...]) -> list[Any]:
    """Return a selector for each axis, a slice or an array of positions.

    Raises
    ------
    BadIndexError
        For a position outside an axis, more indices than axes, or more than one list, which
        numpy and Thunder interpret differently.

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
    """Return the positions that a selector selects on an axis of this length."""
    selected: NDArray[np.int64] = np.arange(length)[selector]
    return selected


def rows_of(chosen: list[Any], shape: tuple[int, ...]) -> NDArray[np.int64] | None:
    """Return the numbers of the records at the selected keys, in their order; None for all."""
    picked = [positions(s, n) for s, n in zip(chosen, shape, strict=True)]
    if all(np.array_equal(p, np.arange(n)) for p, n in zip(picked, shape, strict=True)):
        return None
    strides = [math.prod(shape[axis + 1 :]) for axis in range(len(shape))]
    grid = np.ix_(*picked)
    return np.ravel(sum(g * stride for g, stride in zip(grid, strides, strict=True)))


def _expanded(items: tuple[Any, ...], ndim: int) -> list[Any]:
    """Replace the Ellipsis, and missing items at the end, by full slices."""
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
        f"invalid index {item!r} on axis {axis} of length {length}: expected an int, a slice, a "
        "list of int, or a list of as many bool"
    )


def _inside(array: NDArray[Any], length: int, axis: int) -> NDArray[np.int64]:
    """Return positions counted from the start; BadIndexError outside of the axis."""
    wrong = array[(array < -length) | (array >= length)]
    if wrong.size:
        raise BadIndexError(f"position {wrong.flat[0]} is outside axis {axis} of length {length}")
    return np.where(array < 0, array + length, array)
