"""Indexing: slices, masks and positions of the axes of records, and levels of an index."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike.errors import BadIndexError, SpecError, WrongTypeError
from thunderlike.kernels._validation import as_array, is_whole

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from thunderlike._typing import Array, Ints, Labels

__all__ = [
    "as_index",
    "as_labels",
    "counts_only",
    "grouped",
    "positions",
    "reshaped",
    "rows_of",
    "selected",
    "selectors",
    "shown",
    "without",
]


def as_index(index: Labels | None, length: int) -> Array:
    """Make an index an array; ``0 .. length-1`` for None.

    A mixture of text and numbers becomes an array of dtype object.

    Raises
    ------
    SpecError
        When there is not one entry for each position, or some have more levels than others.

    Examples
    --------
    >>> as_index([("go", 1), ("stop", 2)], 2)
    array([['go', 1],
           ['stop', 2]], dtype=object)
    """
    values = np.arange(length) if index is None else np.atleast_1d(_array(index))
    if len(values) != length:
        raise SpecError(
            f"the index has {len(values)} entries, the series {length}: give one for each position"
        )
    if values.ndim > 2:
        raise SpecError(
            f"the index has shape {values.shape}: give a value for each position, or one for each "
            "position and level"
        )
    return values


def _array(index: Labels) -> Array:
    if isinstance(index, np.ndarray) and index.ndim == 1 and index.dtype == object:
        entries = index.tolist()
        if entries and all(isinstance(entry, tuple) for entry in entries):  # labels, see as_labels
            index = entries
    try:
        array = as_array(index, "the entries of the index")
    except WrongTypeError:
        raise
    except SpecError as error:
        raise SpecError(
            f"some entries of the index have more levels than others: {error}"
        ) from error
    if array.dtype.kind in "US" and not isinstance(index, np.ndarray):
        objects = np.asarray(index, object)
        # numpy makes texts of the numbers among texts.
        mixed = any(not isinstance(value, str | bytes) for value in objects.flat)
        return objects if mixed else array
    return array


def as_labels(index: Array) -> Array:
    """An index as labels of one axis: several levels become tuples, which `as_index` takes apart.

    Examples
    --------
    >>> as_labels(np.array([[1, 5], [1, 6]]))
    array([(1, 5), (1, 6)], dtype=object)
    """
    if index.ndim == 1:
        return index
    labels = np.empty(len(index), object)
    labels[:] = [tuple(entry) for entry in index.tolist()]
    return labels


def counts_only(index: Array) -> bool:
    """Return True for the default index of series, ``0 .. length-1``.

    Examples
    --------
    >>> counts_only(np.arange(3)), counts_only(np.array([1, 2, 3]))
    (True, False)
    """
    return np.array_equal(index, np.arange(len(index)))


def grouped(index: Array, level: Ints) -> tuple[Array, NDArray[np.int64]]:
    """Group positions by their index at one level or several.

    Parameters
    ----------
    index : ndarray
    level : int or sequence of int

    Returns
    -------
    keys : ndarray, shape (groups,) or (groups, levels)
        Distinct values, sorted; flat for one level.
    numbers : ndarray of int, shape (length,)
        For each position the number of its key.

    Raises
    ------
    SpecError
        For a level out of range, or values that cannot be sorted.

    Examples
    --------
    >>> index = np.array([[1, 0], [0, 0], [1, 1], [1, 0]])
    >>> grouped(index, 0)
    (array([0, 1]), array([1, 0, 1, 1]))
    >>> keys, numbers = grouped(index, [0, 1])
    >>> keys.tolist(), numbers
    ([[0, 0], [1, 0], [1, 1]], array([1, 0, 2, 1]))
    """
    columns = _columns(index)[:, _levels(index, level)]
    # Ranks, level by level: `numpy.unique` with an axis takes no objects.
    codes = np.stack([_codes(column) for column in columns.T], axis=1)
    _, first, numbers = np.unique(codes, axis=0, return_index=True, return_inverse=True)
    return _flat(columns[first]), numbers.ravel()


def selected(index: Array, val: object, level: Ints) -> tuple[NDArray[np.bool_], list[int]]:
    """Find the positions with given values.

    Parameters
    ----------
    index : ndarray
    val : value, or list
        One value or a list of values at one level; one or the other for each of several levels,
        all of which must then be met.
    level : int or sequence of int

    Returns
    -------
    mask : ndarray of bool, shape (length,)
    fixed : list of int
        Levels for which a single value was given.

    Raises
    ------
    SpecError
        For a value that does not occur, a level out of range, or a number of entries that differs
        from that of the levels.

    Examples
    --------
    >>> index = np.array([[1, 0], [0, 0], [1, 1], [1, 2]])
    >>> selected(index, [1, [0, 2]], [0, 1])
    (array([ True, False, False,  True]), [0])
    """
    levels = _levels(index, level)
    asked = _per_level(val, len(levels))
    columns = _columns(index)
    mask = np.ones(len(index), bool)
    for number, values in zip(levels, asked, strict=True):
        mask &= _occurring(columns[:, number], values, number)
    fixed = [n for n, values in zip(levels, asked, strict=True) if len(set(values)) == 1]
    return mask, fixed


def without(index: Array, levels: list[int]) -> Array | None:
    """Drop levels; one remaining level is flat, no level is None.

    Examples
    --------
    >>> without(np.array([[1, 5], [1, 6]]), [0])
    array([5, 6])
    """
    kept = np.delete(_columns(index), levels, axis=1)
    return _flat(kept) if kept.shape[1] else None


def shown(index: Array) -> str:
    """Format the first few values of an index of one level.

    Examples
    --------
    >>> shown(np.array([4, 4, 0, 1, 2, 3, 5]))
    '4, 0, 1, 2, 3, ...'
    """
    values = list(dict.fromkeys(index.tolist()))
    return ", ".join(map(str, values[:5])) + (", ..." if len(values) > 5 else "")


def _columns(index: Array) -> Array:
    return index[:, np.newaxis] if index.ndim == 1 else index


def _flat(columns: Array) -> Array:
    return columns[:, 0] if columns.shape[1] == 1 else columns


def _levels(index: Array, level: Ints) -> list[int]:
    """Return the given levels; SpecError for one out of range."""
    count, given = _columns(index).shape[1], _as_list(level)
    if not given or not all(is_whole(number, 0, count) for number in given):
        raise SpecError(
            f"level {level!r} is out of bounds for an index of {count} level(s): give a number "
            f"from 0 to {count - 1}, or a list of some"
        )
    return [int(number) for number in given]


def _per_level(val: object, count: int) -> list[list[Any]]:
    """Return the given values of each level."""
    values = _as_list(val)
    # At a single level a list is one of values, not of levels.
    if count == 1 and not any(_is_list(value) for value in values):
        values = [values]
    if len(values) != count or not all(_as_list(value) for value in values):
        raise SpecError(
            f"{val!r} does not say what to select at {count} level(s): give a value or a list of "
            "values for each"
        )
    return [_as_list(value) for value in values]


def _occurring(column: Array, values: list[Any], level: int) -> NDArray[np.bool_]:
    """Return the positions with any of the values, as a mask; SpecError for a missing value."""
    mask = np.zeros(len(column), bool)
    for value in values:
        missing = value != value  # NaN selects NaN
        hits = np.asarray(column != column if missing else column == value)
        if not hits.any():
            raise SpecError(
                f"no index value at level {level} equals {value!r}; available: {shown(column)}"
            )
        mask |= hits
    return mask


def _codes(column: Array) -> NDArray[np.int64]:
    """Return the rank of each value."""
    missing = np.asarray(column != column)  # NaN: one group, sorted last
    codes = np.full(len(column), len(column), np.int64)
    try:
        codes[~missing] = np.unique(column[~missing], return_inverse=True)[1].ravel()
    except TypeError as error:
        raise SpecError(f"the index values {shown(column)} cannot be sorted: {error}") from error
    return codes


def _is_list(value: object) -> bool:
    """Return True for a sequence of values; text is one value."""
    return (
        np.ndim(value) > 0
        if isinstance(value, np.ndarray)
        else (hasattr(value, "__iter__") and not isinstance(value, str | bytes))
    )


def _as_list(value: Any) -> list[Any]:
    return list(value) if _is_list(value) else [value]


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
    # `known` is 0 where an axis has length 0.
    filled = tuple(size // max(1, known) if n == -1 else n for n in shape)
    if shape.count(-1) > 1 or math.prod(filled) != size or min(filled, default=0) < 0:
        raise SpecError(
            f"cannot reshape {old} to {shape}: the number of elements must be equal, with at most "
            "one -1"
        )
    return tuple(int(n) for n in filled)


def selectors(item: object, shape: tuple[int, ...]) -> list[Any]:
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


def positions(selector: slice | NDArray[np.int64], length: int) -> NDArray[np.int64]:
    """Return the positions that a selector selects on an axis of this length."""
    selected: NDArray[np.int64] = np.arange(length)[selector]
    return selected


def rows_of(chosen: list[Any], shape: tuple[int, ...]) -> NDArray[np.int64] | None:
    """Return the numbers of the records at the selected keys, in their order; None for all."""
    picked = [positions(s, n) for s, n in zip(chosen, shape, strict=True)]
    # All in order: no record is moved.
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


def _selector(item: object, length: int, axis: int) -> Any:
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
    # numpy makes float64 of an empty list.
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
