"""Correlation along one axis."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from thunderlike.arrays._boxes import axes_by_stride, boxes
from thunderlike.arrays._dispatch import is_collection, with_kernel
from thunderlike.arrays._sinks import into
from thunderlike.arrays._sources import Source, as_source, checked, native
from thunderlike.arrays.blockwise import Work, counts, fill
from thunderlike.errors import BadIndexError, SpecError
from thunderlike.kernels._numba import jit, use_compiled
from thunderlike.kernels._validation import as_array, checked_arguments

if TYPE_CHECKING:
    from numpy.typing import DTypeLike, NDArray

    from thunderlike._typing import Array
    from thunderlike.arrays._boxes import Box
    from thunderlike.arrays.blockwise import Verbose

    Mode: TypeAlias = Literal["constant", "nearest", "reflect", "mirror", "wrap"]

__all__ = ["correlate1d", "correlate_block", "exact_dtype"]


_PART = 2**18  # elements summed at a time: integers need four temporaries of eight bytes


def _with_numpy(
    source: Array, places: NDArray[np.int64], weights: Array, cval: float, out: Array
) -> None:
    if weights.dtype.kind == "i" and not _floats_hold(source.dtype, weights, cval):
        _exact(source, places, weights, cval, out)
        return
    from scipy import ndimage

    length, half = out.shape[1], len(weights) // 2
    there = np.flatnonzero(places >= 0)
    inner = places[there[0] : there[-1] + 1] if there.size else there
    if inner.size and (np.diff(inner) == 1).all():
        # Consecutive places need no copy: scipy itself adds `cval` at both ends.
        line, begin = source[:, inner[0] : inner[-1] + 1], half - int(there[0])
    else:
        line, begin = source[:, :0], half
    if not 0 <= begin <= line.shape[1] - length:
        line, begin = _gathered(source, places, weights.dtype, cval), half
    options = {"axis": 1, "mode": "constant", "cval": cval}
    if begin == 0 and line.shape[1] == length:
        ndimage.correlate1d(line, weights, output=out, **options)
    else:  # the line is longer than the result: cut off its ends
        done = ndimage.correlate1d(line, weights, output=out.dtype, **options)
        out[...] = done[:, begin : begin + length]


def _gathered(source: Array, places: NDArray[np.int64], dtype: DTypeLike, cval: float) -> Array:
    line = np.take(source, np.maximum(places, 0), axis=1).astype(dtype, copy=False)
    line[:, places < 0] = cval
    return line


def _floats_hold(dtype: np.dtype[Any], weights: Array, cval: float) -> bool:
    """Return whether float64 holds every possible sum of integers exactly."""
    numbers = np.iinfo(dtype)
    largest = max(int(numbers.max), -int(numbers.min), abs(int(cval)))
    return largest * sum(abs(int(w)) for w in weights) <= 2**53


def _exact(
    source: Array, places: NDArray[np.int64], weights: Array, cval: float, out: Array
) -> None:
    """Sum in int64, since scipy sums in float64."""
    for outer, along, inner in boxes(out.shape, _PART):
        near = places[along.start : along.stop + len(weights) - 1]
        line = _gathered(source[outer, :, inner], near, np.int64, cval)
        length = along.stop - along.start
        total = line[:, :length] * weights[0]
        for k, weight in enumerate(weights[1:], 1):
            total += line[:, k : k + length] * weight
        out[outer, along, inner] = total


@jit(plain=_with_numpy)
def correlate_block(
    source: Array, places: NDArray[np.int64], weights: Array, cval: float, out: Array
) -> None:
    """Correlate along the middle axis.

    Parameters
    ----------
    source : ndarray, shape (m, n, k)
    places : ndarray, shape (length + taps - 1,)
        Position on the axis for each place of the extended line; -1 for `cval`.
    weights : ndarray, shape (taps,)
        int64 or float64, the dtype of the sums.
    out : ndarray, shape (m, length, k)

    Notes
    -----
    A tile of a few thousand numbers is converted once, and each weight is applied to a shifted
    view of it: inner loops without strides or bounds, which compile to vector instructions. Sums
    are in the order of scipy, which pairs the two sides of a symmetric kernel.
    """
    # One function, since a helper would have to be compiled and chosen together with it.
    taps, length, inner = weights.size, out.shape[1], out.shape[2]
    half = taps // 2
    even = odd = taps % 2 == 1
    if even:
        # scipy's test for symmetry and its tolerance: another would change the last bit of sums.
        for j in range(1, half + 1):
            left, right = weights[half - j], weights[half + j]
            even = even and abs(left - right) <= 2.220446049250313e-16
            odd = odd and abs(left + right) <= 2.220446049250313e-16
    # A tile of 64 KiB of sums stays in the second-level cache while each weight passes over it.
    width = min(inner, max(64, 8192 // max(8, 4 * taps)))
    rows = max(1, 8192 // width)
    flat, made = source.reshape(source.shape[0], -1), out.reshape(out.shape[0], -1)
    runs = np.ones(places.size, np.int64)  # number of consecutive places from each one on
    for r in range(places.size - 2, -1, -1):
        if places[r] >= 0 and places[r + 1] == places[r] + 1:
            runs[r] = runs[r + 1] + 1
    buffer = np.empty((rows + taps - 1) * width, weights.dtype)
    sums = np.empty(rows * width, weights.dtype)
    for o in range(out.shape[0]):
        for i in range(0, inner, width):
            w = min(width, inner - i)
            for a in range(0, length, rows):
                n = min(rows, length - a)
                r = 0
                while r < n + taps - 1:
                    # Consecutive rows are contiguous in memory.
                    run = min(runs[a + r], n + taps - 1 - r) if w == inner else 1
                    place, line = places[a + r], buffer[r * w : (r + run) * w]
                    if place < 0:
                        line[:] = cval
                    else:
                        values = flat[o, place * inner + i : place * inner + i + run * w]
                        for c in range(values.size):
                            line[c] = values[c]
                    r += run
                total = sums[: n * w]
                if even or odd:
                    middle, weight = buffer[half * w : (half + n) * w], weights[half]
                    for c in range(total.size):
                        total[c] = middle[c] * weight
                else:
                    last, weight = buffer[(taps - 1) * w : (taps - 1 + n) * w], weights[taps - 1]
                    for c in range(total.size):
                        total[c] = last[c] * weight
                for k in range(half if even or odd else taps - 1):
                    first, weight = buffer[k * w : (k + n) * w], weights[k]
                    other = buffer[(taps - 1 - k) * w : (taps - 1 - k + n) * w]
                    if even:
                        for c in range(total.size):
                            total[c] += (first[c] + other[c]) * weight
                    elif odd:
                        for c in range(total.size):
                            total[c] += (first[c] - other[c]) * weight
                    else:
                        for c in range(total.size):
                            total[c] += first[c] * weight
                if w == inner:
                    target = made[o, a * inner : (a + n) * inner]
                    for c in range(total.size):
                        target[c] = total[c]
                else:
                    for r in range(n):
                        target = made[o, (a + r) * inner + i : (a + r) * inner + i + w]
                        done = total[r * w : (r + 1) * w]
                        for c in range(w):
                            target[c] = done[c]


_MOST = 2**23  # elements of a block: neighbouring blocks convert their common ends twice
# scipy's modes and their names in numpy.pad
_PADS = {"nearest": "edge", "reflect": "symmetric", "mirror": "reflect", "wrap": "wrap"}


@checked_arguments
def correlate1d(
    source: object,
    kernel: object,
    sink: object = None,
    axis: int = 0,
    processes: int | str | None = None,
    verbose: Verbose = False,
    *,
    mode: Mode = "constant",
    cval: float = 0,
    origin: int = 0,
) -> Any:
    """Correlate with a kernel along one axis: ``sink[i] = sum_k source[i + k - c] * kernel[k]``.

    The kernel is not reversed, and its centre `c` is ``len(kernel) // 2``, as in
    `scipy.ndimage.correlate1d`, whose values are reproduced to the last bit.

    Parameters
    ----------
    source : array-like, path or node
        At least one axis. Images and Series return their own kind, also on Spark: along an
        axis of the records, or along time.
    kernel : array-like, shape (k,)
        Of any length from 1 on, also longer than the axis.
    sink : ndarray, path or node, optional
        May be the source itself. In a sink of integers, floats are rounded to the nearest integer
        and clipped to the range of the dtype.
    axis : int
        Axis to correlate along; negative axes count from the last.
    processes, verbose
        As in :func:`apply_lut`.
    mode : 'constant', 'nearest', 'reflect', 'mirror' or 'wrap'
        Extension of the array beyond its ends, as in scipy.
    cval : number
        Value beyond the ends for 'constant'.
    origin : int
        Shift of the centre.

    Returns
    -------
    ndarray, memmap or the sink
        **Whole numbers with a whole-number kernel** are summed exactly, and the result is of the
        smallest integer dtype that holds every sum there can be, int64 at most: uint8 with
        ``[1, 2, 1]`` gives uint16. Otherwise ``numpy.result_type(source, kernel)``, summed in
        float64.

    Raises
    ------
    SpecError
        For an empty kernel, an array without axes, or an unknown mode.
    BadIndexError
        For an axis that the array does not have.

    Notes
    -----
    One pass, and len(kernel) multiplications for an element.

    Examples
    --------
    >>> correlate1d([1, 2, 3, 4], [1, 1, 1])
    array([3, 6, 9, 7])
    >>> correlate1d(np.array([200, 100], "uint8"), [3])
    array([600, 300], dtype=uint16)
    """
    weights = _weights(kernel)
    if sink is None and is_collection(source):
        call = partial(
            correlate1d, kernel=weights, processes="serial", mode=mode, cval=cval, origin=origin
        )
        return with_kernel(source, axis, call)
    found = as_source(source)
    # Few blocks: where one is cut from the next, both need the other's ends.
    work = Work("correlate1d", 2 * counts(processes)[0], processes, verbose)
    at = _axis(axis, found.shape)
    cval = {"constant": cval}.get(mode, 0)
    dtype = exact_dtype(found.dtype, weights, cval)
    taps = _Taps(found, weights, at, _beyond(found.shape[at], len(weights), mode, origin), cval)
    # A sink of any real dtype: sums are rounded and clipped to it.
    return fill(
        taps, found.shape, dtype, sink, work, order=found.order, casting="unsafe",
        sources=(found.array, weights), most=_MOST,
    )  # fmt: skip


def _weights(kernel: object) -> Array:
    weights = as_array(kernel, "the weights of the kernel")
    if weights.ndim != 1 or not weights.size:
        raise SpecError(f"a kernel is a line of at least one number, not shape {weights.shape}")
    checked(weights.dtype, "a kernel")
    return native(weights) if weights.dtype.char != "e" else weights


def _axis(axis: int, shape: tuple[int, ...]) -> int:
    if not shape:
        raise SpecError("a single number has no axis to correlate along: give an array")
    if not -len(shape) <= axis < len(shape):
        raise BadIndexError(
            f"axis {axis} is out of bounds for an array of shape {shape}: "
            f"give 0 to {len(shape) - 1}"
        )
    return axis % len(shape)


def exact_dtype(dtype: np.dtype[Any], weights: Array, cval: float = 0) -> np.dtype[Any]:
    """Return the dtype of a correlation; for integers, the smallest that holds every sum.

    Examples
    --------
    >>> exact_dtype(np.dtype("uint8"), np.array([1, -1])), exact_dtype(np.dtype("f4"), np.ones(2))
    (dtype('int16'), dtype('float64'))
    """
    if dtype.kind == "f" or weights.dtype.kind == "f":
        return np.result_type(dtype, weights.dtype)
    numbers = np.iinfo("uint8" if dtype.kind == "b" else dtype)
    largest = 1 if dtype.kind == "b" else max(numbers.max, -int(numbers.min))
    bound = max(largest, abs(int(cval))) * sum(abs(int(w)) for w in weights)
    negative = dtype.kind == "i" or int(cval) < 0 or bool((weights < 0).any())
    for bits in (8, 16, 32, 64):
        fit = np.dtype(f"{'int' if negative else 'uint'}{bits}")
        if bound <= np.iinfo(fit).max:
            return fit
    return np.dtype(np.int64)


def _beyond(n: int, taps: int, border: str, origin: int) -> NDArray[np.int64]:
    """Return the position on the axis for each place of the extended axis; -1 for `cval`."""
    before = taps // 2 + origin
    if not 0 <= before < taps:
        raise SpecError(f"origin {origin} moves the centre out of a kernel of {taps} numbers")
    pads, places = (before, taps - 1 - before), np.arange(n, dtype=np.int64)
    if border == "constant" or n == 0:
        return np.pad(places, pads, constant_values=-1)
    if border not in _PADS:
        known = ", ".join(["constant", *_PADS])
        raise SpecError(f"unknown mode {border!r}: choose one of {known}")
    how: Any = _PADS[border]
    return np.pad(places, pads, mode=how)


class _Taps:
    """Correlation of a box of the result.

    Parameters
    ----------
    places : ndarray of int64
        Position on the axis for each place of the extended axis.
    """

    def __init__(
        self, source: Source, weights: Array, axis: int, places: NDArray[np.int64], cval: float
    ) -> None:
        self._source, self._axis, self._places = source, axis, places
        self._exact = source.dtype.kind in "biu" and weights.dtype.kind in "biu"
        self._weights = weights.astype(np.int64 if self._exact else np.float64)
        self._cval = self._weights.dtype.type(cval)  # type: ignore[arg-type]
        compiled = use_compiled(source.size)
        self._correlate = correlate_block.choose(compiled, _plain(source.dtype))

    def __call__(self, box: Box, out: Array) -> None:
        """Write the values of a box."""
        axis = self._axis
        places = self._places[box[axis].start : box[axis].stop + len(self._weights) - 1]
        values, first = self._needed(box, places)
        order = axes_by_stride(out)
        at, target = order.index(axis), out.transpose(order)
        lines = _lines(np.ascontiguousarray(values.transpose(order)), at)
        local = np.where(places < 0, -1, places - first)
        direct = target.flags.c_contiguous and self._writes(target.dtype)
        sums = target if direct else np.empty(target.shape, self._weights.dtype)
        self._correlate(lines, local, self._weights, self._cval, _lines(sums, at))
        if not direct:
            into(target, sums)

    def _writes(self, dtype: np.dtype[Any]) -> bool:
        """Return whether sums convert to this dtype without rounding or clipping."""
        if not dtype.isnative or dtype.char in "eg?":
            return False
        if not self._exact:
            return dtype.kind == "f"
        wide = exact_dtype(self._source.dtype, self._weights, self._cval.item())
        return np.can_cast(wide, dtype) or (dtype == np.uint64 and wide == np.uint64)

    def _needed(self, box: Box, places: NDArray[np.int64]) -> tuple[Array, int]:
        """Return the part of the source that a box depends on, and its start on the axis."""
        there = places[places >= 0]
        first, last = (int(there.min()), int(there.max()) + 1) if there.size else (0, 1)
        axis = self._axis
        values = self._source.get((*box[:axis], slice(first, last), *box[axis + 1 :]))
        values = native(values)
        if values.dtype == np.uint64:
            return values.view(np.int64), first  # sums wrap around as unsigned ones do
        return (values.view(np.uint8) if values.dtype == bool else values), first


def _plain(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the dtype of a box in the loops."""
    return native(np.empty(0, dtype)).dtype


def _lines(array: Array, axis: int) -> Array:
    """Return a view of a contiguous array as ``(outer, along, inner)``."""
    shape = array.shape
    outer = int(np.prod(shape[:axis], dtype=np.int64))
    inner = int(np.prod(shape[axis + 1 :], dtype=np.int64))
    return array.reshape(outer, shape[axis], inner)
