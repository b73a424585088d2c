"""Gaussian filters of images: scipy's to the bit, and a faster one with small errors."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from thunderlike.errors import SpecError
from thunderlike.kernels._numba import jit, use_compiled
from thunderlike.kernels._validation import is_whole
from thunderlike.kernels.filters import LINEAR, check_dtype, per_axis

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from thunderlike._typing import Array

__all__ = ["fast_gaussian", "gaussian"]

_RADII = 4.0  # where scipy cuts the Gaussian off, in deviations
_NOTHING = 1e-15  # a deviation that scipy takes for none
_WIDTH = 64  # pixels of a band: narrower ones make many small products, wider ones multiply zeros
_BAND = 64  # columns whose rows stay in the second cache
_COMPILED = "bBhHiIfd"  # dtypes whose numbers float64 holds


def gaussian(
    block: Array,
    sigma: float | Sequence[float] = 2,
    order: int = 0,
    *,
    compiled: bool | None = None,
) -> Array:
    """Smooth each image with a Gaussian.

    Parameters
    ----------
    block : ndarray, shape (k, ...)
    sigma : float or sequence of float
        Standard deviation in pixels, for all axes or for each; an axis with 0 is left alone.
    order : int or sequence of int
        Order of the derivative of the Gaussian, 0 to smooth.
    compiled : bool, optional
        Whether to run compiled loops; by default, the size of the block decides.

    Returns
    -------
    ndarray, shape and dtype of `block`

    Raises
    ------
    SpecError
        If `sigma` or `order` is negative or has another length than an image has axes, or for a
        dtype that scipy cannot filter.

    Notes
    -----
    The bits of ``scipy.ndimage.gaussian_filter``; one pass over the block for each axis. The
    compiled loops add in the order of scipy, to many pixels at once.

    Examples
    --------
    >>> gaussian(np.full((1, 2, 3), 7, "int16"), sigma=1)
    array([[[7, 7, 7],
            [7, 7, 7]]], dtype=int16)
    """
    sigmas, orders = _checked(block, sigma, order)
    wanted = use_compiled(block.size) if compiled is None else compiled
    if wanted and block.size and not any(orders) and block.dtype.char in _COMPILED:
        smooth = _smooth.choose(True, block.dtype)
        for axis, width in enumerate(sigmas, start=1):
            if width > _NOTHING:
                block = _smoothed(block, axis, width, smooth)
        return block if any(width > _NOTHING for width in sigmas) else block.copy()
    from scipy import ndimage

    result: Array = ndimage.gaussian_filter(block, (0, *sigmas), order=(0, *orders), mode="reflect")
    return result


def fast_gaussian(block: Array, sigma: float | Sequence[float] = 2, order: int = 0) -> Array:
    """Smooth each image with a Gaussian, nearly as :func:`gaussian`.

    Parameters
    ----------
    block : ndarray, shape (k, ...)
    sigma, order
        As there.

    Returns
    -------
    ndarray, shape and dtype of `block`
        Computed in float32 for images of float32 and of whole numbers of at most 16 bits, else in
        float64: whole numbers differ by at most 1, others in their last digits.

    Notes
    -----
    Bound by BLAS: ``2 (64 + 8 sigma)`` operations a pixel and axis. A NaN or an inf spoils up to 63
    pixels more along each axis than in scipy, those of its band.

    Examples
    --------
    >>> fast_gaussian(np.full((1, 2, 3), 7.5), sigma=1).round(3)
    array([[[7.5, 7.5, 7.5],
            [7.5, 7.5, 7.5]]])
    """
    sigmas, orders = _checked(block, sigma, order)
    # float32 holds 16-bit numbers exactly; result_type gives float64 for longer ones.
    values = block.astype(np.result_type(block.dtype, np.float32), order="C")
    for axis, (width, degree) in enumerate(zip(sigmas, orders, strict=True), start=1):
        if width > _NOTHING:
            values = _along(values, axis, width, degree)
    with np.errstate(invalid="ignore"):  # a NaN as a whole number, as scipy casts it
        return values.astype(block.dtype, copy=False)


def _checked(
    block: Array, sigma: float | Sequence[float], order: int | Sequence[int]
) -> tuple[list[float], list[int]]:
    """Deviation and order for each axis of an image.

    Raises
    ------
    SpecError
        As :func:`gaussian`.
    """
    check_dtype(block, "gaussian", LINEAR)
    sigmas = per_axis(sigma, block.ndim - 1, "sigma")
    orders = per_axis(order, block.ndim - 1, "order")
    if not all(0 <= s < math.inf for s in sigmas):
        raise SpecError(f"sigma {sigma!r} must be 0 or more pixels")
    if not all(is_whole(n, 0) for n in orders):
        raise SpecError(f"order {order!r} must be whole numbers, 0 or more")
    return list(map(float, sigmas)), list(map(int, orders))


def _smoothed(block: Array, axis: int, sigma: float, smooth: Callable[..., None]) -> Array:
    """Smooth along one axis."""
    shape, length = block.shape, block.shape[axis]
    weights = _weights(sigma)
    reach = np.arange(1 - len(weights), length + len(weights) - 1) % (2 * length)
    mirrored = np.minimum(reach, 2 * length - 1 - reach)
    # Loops over an array with strides, or a read-only one, would be compiled apart.
    lines = np.require(block, requirements=["C", "W"]).reshape(
        math.prod(shape[:axis]), length, math.prod(shape[axis + 1 :])
    )
    out = np.empty_like(lines)
    smooth(lines, mirrored, weights, out)
    return out.reshape(shape)


@lru_cache(maxsize=64)
def _weights(sigma: float) -> Array:
    """Weights of a pixel and of those on one side of it: scipy's answer to a single bright one."""
    from scipy.ndimage import gaussian_filter1d

    radius = int(_RADII * sigma + 0.5)  # rounded as scipy rounds it
    answer: Array = gaussian_filter1d(np.eye(1, 4 * radius + 1, 2 * radius)[0], sigma)
    return answer[2 * radius : 3 * radius + 1].copy()


def _smooth_plain(lines: Array, mirrored: Array, weights: Array, out: Array) -> None:
    """Add neighbours by weight along axis 1 of lines; `mirrored` numbers them with the border."""
    from scipy.ndimage import correlate1d

    del mirrored  # scipy finds them itself
    both = np.concatenate([weights[:0:-1], weights])
    correlate1d(lines, both, axis=1, output=out, mode="reflect")


@jit(plain=_smooth_plain)
def _smooth(lines: Array, mirrored: Array, weights: Array, out: Array) -> None:
    """Bound by conversions and sums of float64 in the nearest two caches."""
    radius = weights.size - 1
    count, length, across = lines.shape
    if across == 1:  # the sums of all pixels of a line at once
        line, sums = np.empty(mirrored.size), np.empty(length)
        for k in range(count):
            for n in range(mirrored.size):
                line[n] = lines[k, mirrored[n], 0]
            for n in range(length):
                sums[n] = line[n + radius] * weights[0]
            for r in range(radius, 0, -1):
                weight, before, after = weights[r], line[radius - r :], line[radius + r :]
                for n in range(length):
                    sums[n] += (before[n] + after[n]) * weight
            for n in range(length):
                out[k, n, 0] = sums[n]
        return
    room, sums = np.empty((mirrored.size, _BAND)), np.empty(_BAND)
    for k in range(count):
        for left in range(0, across, _BAND):
            width = min(_BAND, across - left)
            for n in range(mirrored.size):
                given, row = lines[k, mirrored[n], left : left + width], room[n]
                for x in range(width):
                    row[x] = given[x]
            for n in range(length):
                row = room[n + radius]
                for x in range(width):
                    sums[x] = row[x] * weights[0]
                for r in range(radius, 0, -1):
                    weight, before, after = weights[r], room[n + radius - r], room[n + radius + r]
                    for x in range(width):
                        sums[x] += (before[x] + after[x]) * weight
                found = out[k, n, left : left + width]
                for x in range(width):
                    found[x] = sums[x]


def _along(values: Array, axis: int, sigma: float, order: int) -> Array:
    """Filter along one axis, a band of it at a time."""
    shape, length = values.shape, values.shape[axis]
    lines = values.reshape(math.prod(shape[:axis]), length, math.prod(shape[axis + 1 :]))
    out = np.empty_like(lines)
    for start in range(0, length, _WIDTH):
        stop = min(start + _WIDTH, length)
        first, matrix = _band(start, stop, length, sigma, order, lines.real.dtype.char)
        seen = lines[:, first : first + matrix.shape[1]]
        if lines.shape[2] == 1:  # the last axis: one product a record, not one a line
            records = (*shape[:1], math.prod(shape[1:axis]))
            found = out[:, start:stop, 0].reshape(*records, stop - start)
            np.matmul(seen[..., 0].reshape(*records, len(matrix.T)), matrix.T, out=found)
        else:
            np.matmul(matrix, seen, out=out[:, start:stop])
    return out.reshape(shape)


@lru_cache(maxsize=256)
def _band(
    start: int, stop: int, length: int, sigma: float, order: int, dtype: str
) -> tuple[int, Array]:
    """The first pixel that these depend on, and how: scipy's answers to single bright pixels."""
    from scipy.ndimage import gaussian_filter1d

    radius = int(_RADII * sigma + 0.5)  # rounded as scipy rounds it
    first, last = max(0, start - radius), min(length, stop + radius)
    answers = gaussian_filter1d(np.eye(last - first), sigma, axis=0, order=order, mode="reflect")
    return first, np.ascontiguousarray(answers[start - first : stop - first], dtype)
