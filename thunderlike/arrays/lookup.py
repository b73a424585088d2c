"""Look-up tables, element by element and over neighbourhoods."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike.arrays._boxes import axes_by_stride, grown
from thunderlike.arrays._dispatch import is_collection, with_lut
from thunderlike.arrays._sources import Source, as_source, checked, native
from thunderlike.arrays.blockwise import Work, fill
from thunderlike.arrays.reductions import extremes
from thunderlike.errors import BadIndexError, SpecError, WrongTypeError
from thunderlike.kernels._numba import jit, use_compiled
from thunderlike.kernels._validation import as_array, checked_arguments

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import DTypeLike, NDArray

    from thunderlike._typing import Array
    from thunderlike.arrays._boxes import Box
    from thunderlike.arrays.blockwise import Verbose

__all__ = ["apply_lut", "apply_lut_to_index", "as_lut", "gather", "look_around", "unsigned"]


_CHUNK = 2**14  # indices checked and used while they are in the first-level cache


@checked_arguments
def apply_lut(
    source: object,
    lut: object,
    sink: object = None,
    blocks: int | None = None,
    processes: int | str | None = None,
    verbose: Verbose = False,
) -> Any:
    """Look up every element in a table: ``sink[i] = lut[source[i]]``.

    Parameters
    ----------
    source : array-like, path or node
        Of whole numbers or bool; see :func:`~thunderlike.arrays._sources.as_source`. Images,
        Series and Blocks return their own kind, lazily on Spark.
    lut : array-like, shape (n,) or (n, k)
        The table. Rows of a table of two axes, such as colours, become a last axis.
    sink : ndarray, path or node, optional
        Destination, of any dtype that numpy's ``same_kind`` casting allows.
    blocks : int, optional
        Minimum number of blocks.
    processes : int or 'serial', optional
        Number of threads.
    verbose : bool or callable
        Log the elapsed time, or call a function with ``(done, total)``.

    Returns
    -------
    ndarray, memmap or the sink
        Of the table's dtype, in the shape and order of the source.

    Raises
    ------
    BadIndexError
        For an element outside the table, also a negative one; names its position. The content of
        the sink is then unspecified.
    WrongTypeError
        For a source of floats.

    Notes
    -----
    One pass. Indices are not checked if no value of their dtype is outside the table.

    Examples
    --------
    >>> apply_lut([[0, 1], [2, 0]], [10.0, 20.0, 30.0])
    array([[10., 20.],
           [30., 10.]])
    """
    table = as_lut(lut)
    if sink is None and is_collection(source):
        return with_lut(source, table, apply_lut)
    work = Work("apply_lut", blocks, processes, verbose)
    found = as_source(source)
    if found.dtype.kind == "f":
        raise WrongTypeError(
            f"apply_lut looks up whole numbers or bool, not {found.dtype}: convert with astype"
        )
    shape = found.shape + table.shape[1:]
    look = gather.choose(use_compiled(found.size), found.dtype, table.dtype)

    def compute(box: Box, out: Array) -> None:
        indices = found.get(box[: len(found.shape)])
        columns = table[(slice(None), *box[len(found.shape) :])]
        _look_up(look, np.asarray(indices), columns, out, box)

    return fill(
        compute, shape, table.dtype, sink, work, order=found.order,
        sources=(found.array, table), alias=lambda array: _is_alias(array, found.array),
    )  # fmt: skip


def as_lut(lut: object, axes: tuple[int, ...] = (1, 2)) -> Array:
    """Convert a table to an array in native byte order, and check its axes.

    Raises
    ------
    SpecError
        For another number of axes.
    """
    table = as_array(lut, "the values of the look-up table")
    if table.ndim not in axes:
        raise SpecError(f"a look-up table has {axes[0]} axis, not shape {table.shape}")
    checked(table.dtype, "a look-up table")
    return table.astype(table.dtype.newbyteorder("="), copy=False)


def _is_alias(sink: Array, source: Array | None) -> bool:
    """Return whether each element shares memory with its own index, so that it is read first."""
    if source is None or sink.shape != source.shape or sink.strides != source.strides:
        return False
    same = sink.__array_interface__["data"][0] == source.__array_interface__["data"][0]
    return same and sink.itemsize == source.itemsize


def _look_up(
    look: Callable[[Array, Array, Array], int], indices: Array, table: Array, out: Array, box: Box
) -> None:
    """Write ``table[indices]``, through a buffer where the arrays are not contiguous."""
    if table.ndim == 2:
        for column in range(table.shape[1]):
            _look_up(look, indices, table[:, column].copy(), out[..., column], box)
        return
    axes = axes_by_stride(out)
    target, places = out.transpose(axes), unsigned(indices).transpose(axes)
    direct = target.dtype == table.dtype and target.flags.c_contiguous
    values = target.reshape(-1) if direct else np.empty(target.size, table.dtype)
    if look(np.ascontiguousarray(places).reshape(-1), table, values) >= 0:
        raise _outside(indices, table, box)
    if not direct:
        target[...] = values.reshape(target.shape)


def unsigned(indices: Array) -> Array:
    """View integers as unsigned: negative ones become larger than any table."""
    if not indices.dtype.isnative:
        indices = indices.astype(indices.dtype.newbyteorder("="))
    return indices.view(f"u{indices.itemsize}")


def _outside(indices: Array, table: Array, box: Box) -> BadIndexError:
    wrong = np.argwhere((indices < 0) | (indices >= len(table)))[0]
    value = int(indices[tuple(wrong)])
    at = tuple(int(i) + s.start for i, s in zip(wrong, box, strict=False))
    there = f"outside 0..{len(table) - 1}" if len(table) else "outside the table, which is empty"
    return BadIndexError(f"lookup index {value} at position {at} is {there}")


def _take(places: Array, lut: Array, out: Array) -> int:
    if not lut.size and places.size:
        return 0
    every = np.iinfo(places.dtype).max < lut.size
    for start in range(0, places.size, 4 * _CHUNK):
        part = places[start : start + 4 * _CHUNK]
        if not every and part.max() >= lut.size:
            return start
        # np.take converts uint64 to a copy; as the places are checked, their int64 view is equal.
        signed = part.view(np.int64) if part.itemsize == 8 else part
        # mode="raise" would buffer the result for `out`, the other modes write into it.
        np.take(lut, signed, mode="clip", out=out[start : start + 4 * _CHUNK])
    return -1


@jit(plain=_take)
def gather(places: Array, lut: Array, out: Array) -> int:
    """Write ``lut[places]`` of 1-d arrays; return -1, or a position near a place out of range."""
    bits = 8 * places.itemsize
    every = bits < 64 and lut.size >> bits > 0  # the dtype cannot exceed the table
    for start in range(0, places.size, 16384):
        part, target = places[start : start + 16384], out[start : start + 16384]
        if not every:
            highest = part[0]
            for i in range(part.size):
                highest = max(highest, part[i])
            if highest >= np.uint64(lut.size):
                return start
        for i in range(part.size):
            target[i] = lut[part[i]]
    return -1


@checked_arguments
def apply_lut_to_index(
    source: object,
    kernel: object,
    lut: object,
    sink: object = None,
    processes: int | str | None = None,
    verbose: Verbose = False,
) -> Any:
    """Look up a weighted sum of each element's neighbourhood in a table.

    ``sink[p] = lut[sum_k source[p + k - c] * kernel[k]]``, 0 outside the array, and
    ``c = size // 2`` along each axis: the sum is that of `scipy.ndimage.correlate` with
    ``mode='constant'``.

    Parameters
    ----------
    source : array-like, path or node
        Of whole numbers or bool, any number of axes from 1 on.
    kernel : array-like of int
        Weights, with as many axes; powers of 2 code a neighbourhood bit by bit.
    lut : array-like, shape (n,)
        The table, longer than the largest possible sum.
    sink, processes, verbose
        As in :func:`apply_lut`.

    Returns
    -------
    ndarray, memmap or the sink
        Of the table's dtype, in the shape and order of the source.

    Raises
    ------
    WrongTypeError
        For a source or a kernel of floats.
    BadIndexError
        When a sum is outside the table; names the bounds of all sums.
    SpecError
        When source and kernel have different numbers of axes.

    Notes
    -----
    One pass, with one integer multiplication for each element and nonzero weight; another pass for
    the range of sources wider than a byte.

    Examples
    --------
    >>> apply_lut_to_index([1, 0, 1, 1], [1, 2, 4], [0, 1, 2, 3, 4, 5, 6, 7])
    array([2, 5, 6, 3])
    """
    work = Work("apply_lut_to_index", None, processes, verbose)
    found, table = as_source(source), as_lut(lut, (1,))
    weights = as_array(kernel, "the weights of the kernel")
    _check(found, weights)
    low, high = _reach(found, weights, work)
    sums = _Sums(found, weights, table, low, high)
    return fill(
        sums, found.shape, table.dtype, sink, work, order="C" if found.array is None else
        found.order, sources=(found.array, table),
    )  # fmt: skip


def _check(source: Source, weights: Array) -> None:
    if source.dtype.kind == "f" or weights.dtype.kind not in "biu":
        raise WrongTypeError(
            f"a neighbourhood's index is a sum of whole numbers, not of {source.dtype} times "
            f"{weights.dtype}"
        )
    if weights.ndim != len(source.shape) or not source.shape:
        raise SpecError(
            f"source and kernel must have the same number of axes, at least 1, not shapes "
            f"{source.shape} and {weights.shape}"
        )
    if not weights.size:
        raise SpecError(f"a kernel of shape {weights.shape} has no weights")


def _reach(source: Source, weights: Array, work: Work) -> tuple[int, int]:
    """Return the bounds of the sums: from the dtype of bytes, else from the values."""
    ends = (0, 1)
    if source.dtype.kind != "b":
        # The range of a wider dtype would allow sums beyond any table, so the values are read.
        small = source.dtype.itemsize == 1
        numbers = np.iinfo(source.dtype)
        ends = (int(numbers.min), int(numbers.max)) if small else extremes(source, work)
    each = [sorted((int(w) * ends[0], int(w) * ends[1], 0)) for w in weights.flat]
    return sum(e[0] for e in each), sum(e[-1] for e in each)


class _Sums:
    """Look-up of a box of the result; sums are checked only if they may be outside the table."""

    def __init__(self, source: Source, weights: Array, table: Array, low: int, high: int) -> None:
        self._source, self._table, self._bounds = source, table, (low, high)
        self._sure = low >= 0 and high < len(table)
        if max(-low, high) >= 2**63:
            raise BadIndexError(
                f"sums of {source.dtype} with this kernel reach from {low} to {high}, beyond int64"
            )
        # Twice as many int32 as int64 fit into a vector instruction.
        narrow = max(-low, high) < 2**31
        self._taps, self._weights = _taps(weights, np.int32 if narrow else np.int64)
        self._before = tuple(n // 2 for n in weights.shape)
        self._after = tuple(n - 1 - n // 2 for n in weights.shape)
        dtypes = native(np.empty(0, source.dtype)).dtype, table.dtype
        self._look_around = look_around.choose(use_compiled(source.size), *dtypes)

    def __call__(self, box: Box, out: Array) -> None:
        """Write the values of a box."""
        outer, inner = grown(box, self._source.shape, self._before, self._after)
        axes = axes_by_stride(out)
        values = native(self._source.get(outer)).transpose(axes)
        values = np.ascontiguousarray(values.view(np.uint8) if values.dtype == bool else values)
        target = out.transpose(axes)
        direct = target.flags.c_contiguous and target.dtype == self._table.dtype
        made = target if direct else np.empty(target.shape, self._table.dtype)
        at = np.array([inner[axis] for axis in axes], np.int64)
        bad = self._look_around(
            values.reshape(-1), np.array(values.shape), at, np.array(made.shape),
            np.ascontiguousarray(self._taps[:, axes]), self._weights, self._table,
            made.reshape(-1), self._sure,
        )  # fmt: skip
        if bad is not None:
            raise self._outside(bad)
        if not direct:
            target[...] = made

    def _outside(self, index: int) -> BadIndexError:
        low, high = self._bounds
        return BadIndexError(
            f"a sum of {index} is outside the table's 0..{len(self._table) - 1}; sums of "
            f"{self._source.dtype} with this kernel reach from {low} to {high}"
        )


def _taps(weights: Array, dtype: DTypeLike) -> tuple[NDArray[np.int64], Array]:
    """Return the offsets of the nonzero weights from the centre, and these weights."""
    centre = np.array([n // 2 for n in weights.shape])
    places = np.argwhere(weights) - centre
    return places.astype(np.int64), weights[weights != 0].astype(dtype)


def _with_numpy(
    source: Array, shape: Array, at: Array, size: Array, taps: Array, weights: Array,
    table: Array, out: Array, sure: bool,
) -> int | None:  # fmt: skip
    values = source.reshape(shape)
    sums = np.zeros(size, weights.dtype)
    for tap, weight in zip(taps, weights, strict=True):
        low = np.maximum(0, -(at + tap))
        high = np.minimum(size, shape - at - tap)
        if (low < high).all():
            there = tuple(map(slice, low, high))
            moved = tuple(map(slice, low + at + tap, high + at + tap))
            sums[there] += values[moved].astype(weights.dtype, copy=False) * weight
    flat = sums.reshape(-1)
    if not sure and flat.size:
        bad = flat[(flat < 0) | (flat >= table.size)]
        if bad.size:
            return int(bad[0])
    np.take(table, flat, mode="clip", out=out)
    return None


@jit(plain=_with_numpy)
def look_around(
    source: Array, shape: Array, at: Array, size: Array, taps: Array, weights: Array,
    table: Array, out: Array, sure: bool,
) -> int | None:  # fmt: skip
    """Look up the neighbourhoods of an inner box; return a sum outside the table, or None.

    Parameters
    ----------
    source : ndarray, shape (prod(shape),)
        The outer box.
    at : ndarray, shape (ndim,)
        Start of the inner box in it.
    size : ndarray, shape (ndim,)
        Of the inner box.
    taps : ndarray, shape (n, ndim)
        Offset of each neighbour.
    weights : ndarray, shape (n,)
        Of the dtype of the sums.
    out : ndarray, shape (prod(size),)
    sure : bool
        No sum can be outside the table.
    """
    ndim, length, there = size.size, size[-1], shape[-1]
    sums = np.empty(length, weights.dtype)
    place = np.zeros(ndim, np.int64)
    for row in range(out.size // max(length, 1)):
        sums[:] = 0
        for t in range(weights.size):
            line, within = np.int64(0), True
            for d in range(ndim - 1):
                where = at[d] + place[d] + taps[t, d]
                within = within and where >= 0 and where < shape[d]
                line = line * shape[d] + where
            if within:
                move = at[ndim - 1] + taps[t, ndim - 1]
                low, high = max(0, -move), min(length, there - move)
                if low < high:
                    total = sums[low:high]
                    values = source[line * there + low + move : line * there + high + move]
                    weight = weights[t]
                    for i in range(total.size):
                        total[i] += values[i] * weight
        target = out[row * length : (row + 1) * length]
        if not sure:
            for i in range(length):
                if sums[i] < 0 or sums[i] >= table.size:
                    return np.int64(sums[i])  # type: ignore[return-value]
        for i in range(length):
            target[i] = table[sums[i]]
        for d in range(ndim - 2, -1, -1):
            place[d] += 1
            if place[d] < size[d]:
                break
            place[d] = 0
    return None
