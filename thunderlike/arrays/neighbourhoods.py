"""Look-up tables over neighbourhoods: a weighted sum of what is around a place is its index."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike.arrays.cutting import grown
from thunderlike.arrays.filling import Work, fill
from thunderlike.arrays.luts import as_lut
from thunderlike.arrays.sources import Source, as_source, native
from thunderlike.arrays.sums import extremes
from thunderlike.errors import BadIndex, SpecError, WrongType
from thunderlike.kernels._numba import jit, use_compiled
from thunderlike.kernels._validation import as_array, checked_arguments

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from thunderlike._typing import Array
    from thunderlike.arrays.cutting import Box
    from thunderlike.arrays.processing import Verbose


__all__ = ["apply_lut_to_index", "look_around"]


@checked_arguments
def apply_lut_to_index(
    source: Any,
    kernel: Any,
    lut: Any,
    sink: Any = None,
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
        The table; longer than the largest sum that there can be.
    sink, processes, verbose
        As in :func:`apply_lut`.

    Returns
    -------
    ndarray, memmap or the sink
        Of the table's dtype, in the shape and order of the source.

    Raises
    ------
    WrongType
        For a source or a kernel of floats.
    BadIndex
        When a sum is no place in the table: with the bounds between which all sums are.
    SpecError
        When source and kernel have different numbers of axes.

    Notes
    -----
    One pass, and a multiplication for each element and each weight that is not 0, in integers; a
    pass more for the bounds of what is wider than a byte.

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
        raise WrongType(
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
    """Smallest and largest sum that there can be: by the dtype of bytes, else by what is there."""
    ends = (0, 1)
    if source.dtype.kind != "b":
        small = source.dtype.itemsize == 1
        numbers = np.iinfo(source.dtype)
        ends = (int(numbers.min), int(numbers.max)) if small else extremes(source, work)
    each = [sorted((int(w) * ends[0], int(w) * ends[1], 0)) for w in weights.flat]
    return sum(e[0] for e in each), sum(e[-1] for e in each)


class _Sums:
    """Computes boxes of the result; checks the sums only where they may leave the table."""

    def __init__(self, source: Source, weights: Array, table: Array, low: int, high: int) -> None:
        self._source, self._table, self._bounds = source, table, (low, high)
        self._sure = low >= 0 and high < len(table)
        if max(-low, high) >= 2**63:
            raise BadIndex(
                f"sums of {source.dtype} with this kernel reach from {low} to {high}, beyond int64"
            )
        narrow = max(-low, high) < 2**31
        self._taps, self._weights = _taps(weights, np.int32 if narrow else np.int64)
        self._before = tuple(n // 2 for n in weights.shape)
        self._after = tuple(n - 1 - n // 2 for n in weights.shape)
        dtypes = native(np.empty(0, source.dtype)).dtype, table.dtype
        self._look_around = look_around.choose(use_compiled(source.size), *dtypes)

    def __call__(self, box: Box, out: Array) -> None:
        """Write the values of a box."""
        outer, inner = grown(box, self._source.shape, self._before, self._after)
        axes = sorted(range(out.ndim), key=lambda axis: -abs(out.strides[axis]))
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

    def _outside(self, index: int) -> BadIndex:
        low, high = self._bounds
        return BadIndex(
            f"a sum of {index} is outside the table's 0..{len(self._table) - 1}; sums of "
            f"{self._source.dtype} with this kernel reach from {low} to {high}"
        )


def _taps(weights: Array, dtype: Any) -> tuple[NDArray[np.int64], Array]:
    """How far from its centre each weight that is not 0 stands, and those weights."""
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
    """Look up neighbourhoods of a box within a box; return a sum that is no place, if there is one.

    Parameters
    ----------
    source : ndarray, shape (prod(shape),)
        The outer box.
    at : ndarray, shape (ndim,)
        Where in it the inner one begins.
    size : ndarray, shape (ndim,)
        Of the inner box.
    taps : ndarray, shape (n, ndim)
        Where each neighbour is.
    weights : ndarray, shape (n,)
        Sums are of its dtype.
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
