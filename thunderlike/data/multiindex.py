"""Index arrays of one level, shape ``(length,)``, or several, shape ``(length, levels)``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike.errors import SpecError, WrongTypeError
from thunderlike.kernels._validation import as_array, is_whole

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from thunderlike._typing import Array


__all__ = ["as_index", "as_labels", "counts_only", "grouped", "selected", "shown", "without"]


def as_index(index: Any, length: int) -> Array:
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


def _array(index: Any) -> Array:
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


def grouped(index: Array, level: Any) -> tuple[Array, NDArray[np.int64]]:
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
    codes = np.stack([_codes(column) for column in columns.T], axis=1)
    _, first, numbers = np.unique(codes, axis=0, return_index=True, return_inverse=True)
    return _flat(columns[first]), numbers.ravel()


def selected(index: Array, val: Any, level: Any) -> tuple[NDArray[np.bool_], list[int]]:
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


def _levels(index: Array, level: Any) -> list[int]:
    """Return the given levels; SpecError for one out of range."""
    count, given = _columns(index).shape[1], _as_list(level)
    if not given or not all(is_whole(number, 0, count) for number in given):
        raise SpecError(
            f"there is no level {level!r} in an index of {count} level(s): give a number from 0 to "
            f"{count - 1}, or a list of some"
        )
    return [int(number) for number in given]


def _per_level(val: Any, count: int) -> list[list[Any]]:
    """Return the given values of each level."""
    values = _as_list(val)
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
                f"no index value at level {level} is {value!r}: there are {shown(column)}"
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


def _is_list(value: Any) -> bool:
    """Return True for a sequence of values; text is one value."""
    return (
        np.ndim(value) > 0
        if isinstance(value, np.ndarray)
        else (hasattr(value, "__iter__") and not isinstance(value, str | bytes))
    )


def _as_list(value: Any) -> list[Any]:
    return list(value) if _is_list(value) else [value]
