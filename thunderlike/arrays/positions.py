"""Where an array is not 0."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike.arrays.cutting import boxes
from thunderlike.arrays.filling import Work, most_of
from thunderlike.arrays.processing import cutoff_of, reported
from thunderlike.arrays.records import is_collection, where_nonzero
from thunderlike.arrays.sinks import opened
from thunderlike.arrays.sources import Source, as_source, native
from thunderlike.arrays.sums import nonzeros
from thunderlike.errors import SpecError
from thunderlike.kernels._numba import jit, use_compiled
from thunderlike.kernels._validation import checked_arguments

if TYPE_CHECKING:
    from thunderlike._typing import Array
    from thunderlike.arrays.cutting import Box
    from thunderlike.arrays.processing import Verbose
    from thunderlike.arrays.sinks import Sink


__all__ = ["coordinates", "where"]

_INT64 = np.dtype(np.int64)


@checked_arguments
def where(
    source: Any,
    sink: Any = None,
    blocks: int | None = None,
    cutoff: int | None = None,
    processes: int | str | None = None,
    verbose: Verbose = False,
    *,
    return_count: bool = False,
) -> Any:
    """Coordinates of all elements that are not 0, in the order of `numpy.argwhere`.

    Parameters
    ----------
    source : array-like, path or node
        Of any real dtype or bool; NaN is not 0. Images, Series and Blocks are searched where they
        are, and the coordinates alone come here.
    sink : ndarray, path or node, optional
        For as many rows as there are; an ndarray may have more if `return_count`.
    blocks, processes, verbose
        As in :func:`apply_lut`.
    cutoff : int, optional
        Arrays of fewer elements are searched by one call of numpy; by default
        :data:`default_cutoff`. The result is the same.
    return_count : bool
        Return ``(sink, n)``.

    Returns
    -------
    ndarray of int64, shape (n,) or (n, ndim), or the sink
        One axis for a source of one, two for all others.

    Raises
    ------
    SpecError
        When the sink has another shape: names both.

    Notes
    -----
    Two passes: one to count, one to fill; nothing is allocated besides the result.

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


def _given(found: Array, sink: Any, *, return_count: bool) -> Any:
    """Put coordinates that are known already into a sink."""
    if sink is None:
        return (found, len(found)) if return_count else found
    larger = return_count and isinstance(sink, np.ndarray)
    target = _head(sink, found.shape) if larger else sink
    with opened(target, found.shape, _INT64) as place:
        if place.array is not None:
            place.array[...] = found
        _put(place, found)
    result = sink if larger else place.result()
    return (result, len(found)) if return_count else result


def _head(sink: Array, shape: tuple[int, ...]) -> Array:
    """The rows of a larger sink that are filled."""
    if sink.ndim != len(shape) or sink.shape[1:] != shape[1:] or len(sink) < shape[0]:
        raise SpecError(f"the sink has shape {sink.shape}, the result has {shape}: too many rows")
    return sink[: shape[0]]


def _in_blocks(source: Source, sink: Any, work: Work, *, return_count: bool) -> Any:
    rows = source.rows if source.array is None else None
    cut = list(boxes(source.shape, most_of(source.size, work.blocks), rows))
    counted = list(work.run(lambda box: nonzeros(source.get(box)), cut))
    ends = list(itertools.accumulate(counted, initial=0))
    shape = (ends[-1],) if len(source.shape) == 1 else (ends[-1], len(source.shape))
    larger = return_count and isinstance(sink, np.ndarray)
    target = _head(sink, shape) if larger else sink
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
    """Write the coordinates of each box where they belong."""
    write = coordinates.choose(use_compiled(source.size), _plain_dtype(source.dtype))
    direct = out.dtype == _INT64 and out.flags.c_contiguous
    full = out.reshape(len(out), len(source.shape)) if direct else out

    def one(number: int) -> None:
        start, stop = ends[number], ends[number + 1]
        if start == stop:
            return
        rows = full[start:stop] if direct else np.empty((stop - start, len(source.shape)), _INT64)
        _in_box(write, source, cut[number], rows)
        if not direct:
            out[start:stop] = rows.reshape(out[start:stop].shape)

    work.each(one, range(len(cut)))
    return out


def _plain_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    return native(np.empty(0, dtype)).dtype


def _in_box(write: Any, source: Source, box: Box, rows: Array) -> None:
    values = np.ascontiguousarray(native(source.get(box)))
    origin = np.array([s.start for s in box], np.int64)
    write(values.reshape(-1), np.array(values.shape, np.int64), origin, rows)


def _with_numpy(values: Array, shape: Array, origin: Array, out: Array) -> None:
    found = np.nonzero(values.reshape(tuple(shape)))
    for axis, column in enumerate(found):
        np.add(column, origin[axis], out=out[:, axis])


@jit(plain=_with_numpy)
def coordinates(values: Array, shape: Array, origin: Array, out: Array) -> None:
    """Write coordinates of what is not 0 in a box, in C order.

    Parameters
    ----------
    values : ndarray, shape (prod(shape),)
    origin : ndarray, shape (ndim,)
        Added to each.
    out : ndarray of int64, shape (n, ndim)
        As many rows as there are.
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
