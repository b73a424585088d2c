"""The loops of a correlation along the middle one of three axes, and their numpy implementation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike.arrays.cutting import boxes
from thunderlike.kernels._numba import jit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from thunderlike._typing import Array


__all__ = ["correlate_block"]

_PART = 2**18  # elements summed at a time: whole numbers take four times eight bytes each


def _with_numpy(
    source: Array, places: NDArray[np.int64], weights: Array, cval: Any, out: Array
) -> None:
    if weights.dtype.kind == "i" and not _floats_hold(source.dtype, weights, cval):
        _exact(source, places, weights, cval, out)
        return
    from scipy import ndimage

    length, half = out.shape[1], len(weights) // 2
    line, beyond = _unbroken(source, places)
    begin = half - beyond
    if not 0 <= begin <= line.shape[1] - length:
        line, begin = _gathered(source, places, weights.dtype, cval), half
    options = {"axis": 1, "mode": "constant", "cval": cval}
    if begin == 0 and line.shape[1] == length:
        ndimage.correlate1d(line, weights, output=out, **options)
    else:  # what scipy makes of the ends of a longer line is cut off
        done = ndimage.correlate1d(line, weights, output=out.dtype, **options)
        out[...] = done[:, begin : begin + length]


def _unbroken(source: Array, places: NDArray[np.int64]) -> tuple[Array, int]:
    """A view of places that follow one another, and how many `cval`s stand before; else nothing."""
    there = np.flatnonzero(places >= 0)
    inner = places[there[0] : there[-1] + 1] if there.size else there
    if not inner.size or (np.diff(inner) != 1).any():
        return source[:, :0], 0
    return source[:, inner[0] : inner[-1] + 1], int(there[0])


def _gathered(source: Array, places: NDArray[np.int64], dtype: Any, cval: Any) -> Array:
    line = np.take(source, np.maximum(places, 0), axis=1).astype(dtype, copy=False)
    line[:, places < 0] = cval
    return line


def _floats_hold(dtype: np.dtype[Any], weights: Array, cval: Any) -> bool:
    """Whether every sum of whole numbers there can be is exact in float64 too."""
    numbers = np.iinfo(dtype)
    largest = max(int(numbers.max), -int(numbers.min), abs(int(cval)))
    return largest * sum(abs(int(w)) for w in weights) <= 2**53


def _exact(source: Array, places: NDArray[np.int64], weights: Array, cval: Any, out: Array) -> None:
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
    source: Array, places: NDArray[np.int64], weights: Array, cval: Any, out: Array
) -> None:
    """Correlate along the middle axis.

    Parameters
    ----------
    source : ndarray, shape (m, n, k)
    places : ndarray, shape (length + taps - 1,)
        The position on the axis at each place of the line that is correlated; -1 for `cval`.
    weights : ndarray, shape (taps,)
        int64 or float64: sums are of that dtype.
    out : ndarray, shape (m, length, k)

    Notes
    -----
    A tile of the line, a few thousand numbers, is converted once; each weight then goes over it
    with one shift: inner loops without strides or bounds, which become vector instructions. Sums
    are in the order of scipy's: it pairs the two sides of a symmetric kernel.
    """
    # One function: numba calls another only where that is compiled by the same gate.
    taps, length, inner = weights.size, out.shape[1], out.shape[2]
    half = taps // 2
    even = odd = taps % 2 == 1
    if even:
        for j in range(1, half + 1):
            left, right = weights[half - j], weights[half + j]
            even = even and abs(left - right) <= 2.220446049250313e-16
            odd = odd and abs(left + right) <= 2.220446049250313e-16
    width = min(inner, max(64, 8192 // max(8, 4 * taps)))
    rows = max(1, 8192 // width)
    flat, made = source.reshape(source.shape[0], -1), out.reshape(out.shape[0], -1)
    runs = np.ones(places.size, np.int64)  # places that follow one another, from each on
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
                    # Rows that follow one another are one line of memory.
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
