"""Reductions of flattened arrays: sums and ranges of blocks, positions of nonzero elements."""

from __future__ import annotations

import itertools
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from thunderlike.arrays._boxes import MOST, boxes, edges, spans
from thunderlike.arrays._dispatch import is_collection, where_nonzero
from thunderlike.arrays._sinks import opened
from thunderlike.arrays._sources import Source, as_source, native
from thunderlike.arrays.blockwise import Work, counts, cutoff_of, most_of, reported
from thunderlike.errors import SpecError
from thunderlike.kernels._numba import jit, use_compiled
from thunderlike.kernels._validation import checked_arguments

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from thunderlike._typing import Array

    Op: TypeAlias = Literal["sum", "count", "min", "max", "any"]
    from thunderlike.arrays._boxes import Box
    from thunderlike.arrays._sinks import Sink
    from thunderlike.arrays.blockwise import Verbose

__all__ = [
    "block_ranges",
    "block_sums",
    "coordinates",
    "extremes",
    "nonzeros",
    "sum_whole",
    "where",
]


_CHUNK = 2**15  # elements compared and counted while they are in the second-level cache


@checked_arguments
def block_ranges(
    source: object, blocks: int | None = None, processes: int | str | None = None
) -> NDArray[np.int64]:
    """Return the boundaries of equal runs of the elements of a flattened array.

    Parameters
    ----------
    source : array-like, path or node
        Only its shape is used.
    blocks : int, optional
        Number of runs, at most the number of elements.
    processes : int or 'serial', optional
        Determines the default of `blocks`.

    Returns
    -------
    ndarray of int64, shape (b + 1,)
        ``i * size // b``, exact for any size.

    Examples
    --------
    >>> block_ranges(range(100), 3)
    array([ 0, 33, 66, 100])
    """
    _, count = counts(processes, blocks)
    return np.array(edges(as_source(source).size, count), np.int64)


@checked_arguments
def block_sums(
    source: object,
    blocks: int | None = None,
    processes: int | str | None = None,
    *,
    op: Op = "sum",
) -> Array:
    """Reduce each run of :func:`block_ranges` to its sum or another number.

    Parameters
    ----------
    source : array-like, path or node
        Flattened in memory order: a Fortran-contiguous array with its first index fastest.
    blocks, processes
        As in :func:`block_ranges`.
    op : 'sum', 'count', 'min', 'max' or 'any'
        Reduction of each run. 'count' counts nonzero elements, NaN included.

    Returns
    -------
    ndarray, shape (b,)
        Sums are int64, uint64 or float64; counts int64; the others of the source's dtype or bool.
        NaN propagates.

    Raises
    ------
    SpecError
        For an unknown `op`.

    Notes
    -----
    One pass; arrays in memory or mapped are not copied.

    Examples
    --------
    >>> block_sums(np.arange(-3, 7), 2), block_sums(np.arange(-3, 7), 2, op="count")
    (array([-5, 20]), array([4, 5]))
    """
    if op not in _REDUCTIONS:
        raise SpecError(f"op is one of {', '.join(map(repr, _REDUCTIONS))}, not {op!r}")
    work = Work("block_sums", blocks, processes, verbose=False)
    found = as_source(source)
    ends = edges(found.size, work.blocks)
    items = [
        (block, start, min(start + 4 * MOST, stop))
        for block, (start, stop) in enumerate(itertools.pairwise(ends))
        for start in range(start, stop, 4 * MOST)
    ]
    reduce, merge, dtype = _REDUCTIONS[op]
    if op == "sum":
        reduce = partial(_sum, size=found.size)
    result = np.zeros(len(ends) - 1, _dtype(found.dtype) if dtype is None else dtype or found.dtype)
    shape, get = _in_memory_order(found)

    def one(item: tuple[int, int, int]) -> Any:
        parts = [reduce(np.asarray(get(box))) for box in spans(shape, *item[1:])]
        return merge(np.array(parts))

    # Parts of a block arrive in order, so that a sum of floats is the same for any timing.
    seen: set[int] = set()
    for (block, _, _), value in zip(items, work.run(one, items), strict=True):
        result[block] = merge(np.array([result[block], value])) if block in seen else value
        seen.add(block)
    return result


def extremes(source: Source, work: Work) -> tuple[int, int]:
    """Return minimum and maximum of integers and 0, in one pass."""
    low = high = 0

    def one(span: tuple[int, int]) -> tuple[int, int]:
        found = [np.asarray(get(box)) for box in spans(shape, *span)]
        return min(int(f.min()) for f in found), max(int(f.max()) for f in found)

    shape, get = _in_memory_order(source)
    items = [(a, min(a + MOST, source.size)) for a in range(0, source.size, MOST)]
    for smallest, largest in work.run(one, items):
        low, high = min(low, smallest), max(high, largest)
    return low, high


def _in_memory_order(source: Source) -> tuple[tuple[int, ...], Callable[[Any], Array]]:
    """Return a shape and a function of its boxes, for which C order is memory order."""
    array = source.array
    if array is None:
        return source.shape, source.get
    line = array.T if source.order == "F" else array
    if line.flags.c_contiguous:
        line = line.reshape(-1)
    return line.shape, line.__getitem__


def _dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the dtype of a sum."""
    return np.dtype({"b": np.int64, "i": np.int64, "u": np.uint64, "f": np.float64}[dtype.kind])


def _plain_sum(values: Array) -> Any:
    return values.sum(dtype=_dtype(values.dtype))


@jit(plain=_plain_sum)
def sum_whole(values: Array) -> int:
    """Sum integers of at most 4 bytes, which numpy converts to 8 bytes before it adds them."""
    total = 0
    for i in range(values.size):  # "for value in values" is not vectorised
        total += values[i]
    return total


def _sum(values: Array, size: int) -> Any:
    """Sum a part of an array of `size` elements."""
    if values.dtype == bool:
        return np.count_nonzero(values)
    whole = values.dtype.kind in "iu" and values.itemsize <= 4
    line = whole and values.flags.c_contiguous
    sum_line = sum_whole.choose(use_compiled(size), values.dtype) if line else _plain_sum
    return sum_line(values.reshape(-1) if line else values)


def nonzeros(values: Array) -> int:
    """Count nonzero elements, NaN included.

    Notes
    -----
    numpy counts integers and bool at memory speed but floats one by one, so these are compared
    with 0 first.

    Examples
    --------
    >>> nonzeros(np.array([0.0, -0.0, np.nan, 2.0]))
    2
    """
    if values.dtype.kind != "f" or not values.flags.c_contiguous or values.size < _CHUNK:
        return int(np.count_nonzero(values))
    line, is_set, total = values.reshape(-1), np.empty(_CHUNK, bool), 0
    for start in range(0, line.size, _CHUNK):
        part = line[start : start + _CHUNK]
        total += int(np.count_nonzero(np.not_equal(part, 0, out=is_set[: part.size])))
    return total


def _total(parts: Array) -> Any:
    return parts.sum(dtype=parts.dtype)


_REDUCTIONS: dict[str, tuple[Callable[[Array], Any], Callable[[Array], Any], Any]] = {
    "sum": (_plain_sum, _total, None),
    "count": (nonzeros, _total, np.int64),
    "min": (np.min, np.min, ""),
    "max": (np.max, np.max, ""),
    "any": (np.any, np.any, np.bool_),
}


_INT64 = np.dtype(np.int64)


@checked_arguments
def where(
    source: object,
    sink: object = None,
    blocks: int | None = None,
    cutoff: int | None = None,
    processes: int | str | None = None,
    verbose: Verbose = False,
    *,
    return_count: bool = False,
) -> Any:
    """Return the coordinates of nonzero elements, in the order of `numpy.argwhere`.

    Parameters
    ----------
    source : array-like, path or node
        Of any real dtype or bool; NaN is nonzero. Images, Series and Blocks are searched by their
        workers, and only the coordinates are collected.
    sink : ndarray, path or node, optional
        With one row for each element; an ndarray may have more if `return_count`.
    blocks, processes, verbose
        As in :func:`apply_lut`.
    cutoff : int, optional
        Arrays of fewer elements are searched by one call of numpy, with the same result; by
        default :data:`default_cutoff`.
    return_count : bool
        Return ``(sink, n)``.

    Returns
    -------
    ndarray of int64, shape (n,) or (n, ndim), or the sink
        One axis for a source of one axis, two for others.

    Raises
    ------
    SpecError
        When the sink has another shape; names both.

    Notes
    -----
    Two passes, to count and to fill; only the result is allocated.

    Examples
    --------
    >>> where([-1.0, 0.0, 2.0, np.nan])
    array([0, 2, 3])
    >>> where([[0, 1], [1, 0]])
    array([[0, 1],
           [1, 0]])
    """
    work = Work("where", blocks, processes, verbose)
    least = cutoff_of(cutoff)
    with reported("where", verbose):
        if is_collection(source):
            found: Any = where_nonzero(source)
            return _given(found, sink, return_count=return_count)
        array = as_source(source)
        if array.array is not None and (array.size < least or not array.shape):
            return _given(_plain(array.array), sink, return_count=return_count)
        return _in_blocks(array, sink, work, return_count=return_count)


def _plain(array: Array) -> Array:
    if array.ndim == 1:
        return np.flatnonzero(array).astype(_INT64, copy=False)
    return np.argwhere(array).astype(_INT64, copy=False)


def _given(found: Array, sink: object, *, return_count: bool) -> Any:
    """Write coordinates into a sink."""
    if sink is None:
        return (found, len(found)) if return_count else found
    larger = return_count and isinstance(sink, np.ndarray)
    target = _head(sink, found.shape) if return_count else sink
    with opened(target, found.shape, _INT64) as place:
        if place.array is not None:
            place.array[...] = found
        _put(place, found)
    result = sink if larger else place.result()
    return (result, len(found)) if return_count else result


def _head(sink: object, shape: tuple[int, ...]) -> object:
    """Return the rows of a larger ndarray that are filled; other sinks unchanged."""
    if not isinstance(sink, np.ndarray):
        return sink
    if sink.ndim != len(shape) or sink.shape[1:] != shape[1:] or len(sink) < shape[0]:
        raise SpecError(f"the sink has shape {sink.shape}, the result has {shape}: too many rows")
    return sink[: shape[0]]


def _in_blocks(source: Source, sink: object, work: Work, *, return_count: bool) -> Any:
    # Of a file whole chunks, since both passes would unpack a chunk that is cut once more.
    rows = source.rows if source.array is None else None
    cut = list(boxes(source.shape, most_of(source.size, work.blocks), rows))
    counted = list(work.run(lambda box: nonzeros(source.get(box)), cut))
    ends = list(itertools.accumulate(counted, initial=0))
    shape = (ends[-1],) if len(source.shape) == 1 else (ends[-1], len(source.shape))
    larger = return_count and isinstance(sink, np.ndarray)
    target = _head(sink, shape) if return_count else sink
    with opened(target, shape, _INT64) as place:
        array = np.empty(shape, _INT64) if place.array is None else place.array
        _filled(source, cut, ends, array, work)
        _put(place, array)
    result = sink if larger else place.result()
    return (result, shape[0]) if return_count else result


def _put(place: Sink, found: Array) -> None:
    """Write rows to a sink that is not an array."""
    if place.put is not None:
        for start in range(0, len(found), place.rows):
            place.put(start, found[start : start + place.rows])


def _filled(source: Source, cut: list[Box], ends: list[int], out: Array, work: Work) -> Array:
    """Write the coordinates of each box to its rows."""
    write = coordinates.choose(use_compiled(source.size), native(np.empty(0, source.dtype)).dtype)
    direct = out.dtype == _INT64 and out.flags.c_contiguous
    full = out.reshape(len(out), len(source.shape)) if direct else out

    def one(number: int) -> None:
        start, stop = ends[number], ends[number + 1]
        if start == stop:
            return
        rows = full[start:stop] if direct else np.empty((stop - start, len(source.shape)), _INT64)
        box = cut[number]
        values = np.ascontiguousarray(native(source.get(box)))
        origin = np.array([s.start for s in box], np.int64)
        write(values.reshape(-1), np.array(values.shape, np.int64), origin, rows)
        if not direct:
            out[start:stop] = rows.reshape(out[start:stop].shape)

    work.each(one, range(len(cut)))
    return out


def _with_numpy(values: Array, shape: Array, origin: Array, out: Array) -> None:
    found = np.nonzero(values.reshape(tuple(shape)))
    for axis, column in enumerate(found):
        np.add(column, origin[axis], out=out[:, axis])


@jit(plain=_with_numpy)
def coordinates(values: Array, shape: Array, origin: Array, out: Array) -> None:
    """Write the coordinates of the nonzero elements of a box, in C order.

    Parameters
    ----------
    values : ndarray, shape (prod(shape),)
    origin : ndarray, shape (ndim,)
        Added to each.
    out : ndarray of int64, shape (n, ndim)
        One row for each nonzero element.
    """
    ndim, length = shape.size, shape[-1]
    place = origin.copy()
    row = 0
    for line in range(values.size // length):
        part = values[line * length : (line + 1) * length]
        for i in range(length):
            if part[i] != 0:
                for d in range(ndim - 1):
                    out[row, d] = place[d]
                out[row, ndim - 1] = origin[ndim - 1] + i
                row += 1
        for d in range(ndim - 2, -1, -1):
            place[d] += 1
            if place[d] < origin[d] + shape[d]:
                break
            place[d] = origin[d]
