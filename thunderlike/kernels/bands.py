"""Gaussian filters as products with banded matrices: BLAS is faster at them than at being exact."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from thunderlike.kernels.filters import checked_gaussian

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Array: TypeAlias = NDArray[Any]

__all__ = ["gaussian"]

_WIDTH = 64  # pixels of a band: narrower ones make many small products, wider ones multiply zeros
_NOTHING = 1e-15  # a deviation that scipy takes for none
_RADII = 4.0  # where scipy cuts the Gaussian off, in deviations


def gaussian(block: Array, sigma: float | Sequence[float] = 2, order: int = 0) -> Array:
    """Smooth each image with a Gaussian, nearly as :func:`thunderlike.kernels.filters.gaussian`.

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
    >>> gaussian(np.full((1, 2, 3), 7.5), sigma=1).round(3)
    array([[[7.5, 7.5, 7.5],
            [7.5, 7.5, 7.5]]])
    """
    sigmas, orders = checked_gaussian(block, sigma, order)
    values = block.astype(np.result_type(block.dtype, np.float32))
    for axis, (width, degree) in enumerate(zip(sigmas, orders, strict=True), start=1):
        if width > _NOTHING:
            values = _along(values, axis, width, degree)
    with np.errstate(invalid="ignore"):  # a NaN as a whole number, as scipy casts it
        return values.astype(block.dtype, copy=False)


def _along(values: Array, axis: int, sigma: float, order: int) -> Array:
    """Filter along one axis, a band of it at a time."""
    shape, length = values.shape, values.shape[axis]
    lines = values.reshape(math.prod(shape[:axis]), length, math.prod(shape[axis + 1 :]))
    out = np.empty_like(lines)
    for start in range(0, length, _WIDTH):
        stop = min(start + _WIDTH, length)
        first, matrix = _band(start, stop, length, sigma, order, lines.real.dtype.char)
        seen = lines[:, first : first + matrix.shape[1]]
        if lines.shape[2] == 1:  # the last axis: one product, not one a line
            np.matmul(seen[..., 0], matrix.T, out=out[:, start:stop, 0])
        else:
            np.matmul(matrix, seen, out=out[:, start:stop])
    return out.reshape(shape)


@lru_cache(maxsize=256)
def _band(
    start: int, stop: int, length: int, sigma: float, order: int, dtype: str
) -> tuple[int, Array]:
    """The first pixel that these depend on, and how: scipy's answers to single bright pixels."""
    from scipy.ndimage import gaussian_filter1d

    radius = int(_RADII * sigma + 0.5)
    first, last = max(0, start - radius), min(length, stop + radius)
    answers = gaussian_filter1d(np.eye(last - first), sigma, axis=0, order=order, mode="reflect")
    return first, np.ascontiguousarray(answers[start - first : stop - first], dtype)
