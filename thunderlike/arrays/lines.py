"""The loops of a correlation along the middle one of three axes, and their twin in numpy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from thunderlike.kernels.compiled import compiled

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array: TypeAlias = NDArray[Any]

__all__ = ["correlate_block"]


def _with_numpy(
    source: Array, places: NDArray[np.int64], weights: Array, cval: Any, out: Array
) -> None:
    if weights.dtype.kind == "i":
        out[...] = _exact(source, places, weights, cval)
        return
    from scipy import ndimage

    # Gathered with its ends the axis is long enough: what scipy puts beyond them is cut off.
    line = np.take(source, np.maximum(places, 0), axis=1)
    if (places < 0).any():
        line[:, places < 0] = cval
    begin = len(weights) // 2
    if line.dtype.kind != "f":
        line = line.astype(np.float64)
    done = ndimage.correlate1d(line, weights, axis=1, output=out.dtype, mode="constant")
    out[...] = done[:, begin : begin + out.shape[1]]


def _exact(source: Array, places: NDArray[np.int64], weights: Array, cval: Any) -> Array:
    line = np.take(source, np.maximum(places, 0), axis=1).astype(np.int64, copy=False)
    line[:, places < 0] = cval
    length = len(places) - len(weights) + 1
    total = np.zeros((line.shape[0], length, line.shape[2]), np.int64)
    for k, weight in enumerate(weights):
        if weight:
            total += line[:, k : k + length] * weight
    return total


@compiled(twin=_with_numpy)
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
    buffer = np.empty((rows + taps - 1) * width, weights.dtype)
    sums = np.empty(rows * width, weights.dtype)
    for o in range(out.shape[0]):
        for i in range(0, inner, width):
            w = min(width, inner - i)
            for a in range(0, length, rows):
                n = min(rows, length - a)
                r = 0
                while r < n + taps - 1:
                    place, run = places[a + r], 1
                    if w == inner:  # rows that follow one another are one line of memory
                        while r + run < n + taps - 1 and places[a + r + run] == place + run:
                            run += 1
                    line = buffer[r * w : (r + run) * w]
                    if place < 0:
                        line = buffer[r * w : (r + 1) * w]
                        run = 1
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
