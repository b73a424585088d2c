"""Images made larger or smaller, by scikit-image's pyramids."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike.errors import SpecError, WrongType

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["resize", "resize_by_factor"]

_MOST_SKEWED = 0.5  # deepdish's: factors of the two axes may differ by so much


def resize_by_factor(im: NDArray[Any], factor: float) -> NDArray[Any]:
    """Scale an image, smoothed before it shrinks; channels stay.

    Parameters
    ----------
    im : ndarray
    factor : float
        The new height is ``ceil(factor * height)``; 1 gives `im` itself.

    Returns
    -------
    ndarray
        Floats, from 0 to 1 for images of integers.

    Examples
    --------
    >>> import numpy as np
    >>> resize_by_factor(np.zeros((5, 6, 3)), 0.5).shape
    (3, 3, 3)
    """
    from skimage.transform import pyramid_expand, pyramid_reduce

    if not isinstance(factor, int | float | np.number):
        raise WrongType(f"an image is scaled by a number, not by {factor!r:.60}")
    if factor == 1:
        return im
    if not factor > 0 or not math.isfinite(factor):
        raise SpecError(f"cannot scale an image by {factor}")
    im = np.asarray(im)
    if im.dtype.kind not in "biuf" or im.ndim not in (2, 3) or not im.size:
        raise SpecError(
            f"an image has two axes and perhaps channels, and numbers; this is an array of "
            f"{im.dtype} and shape {im.shape}"
        )
    channels = -1 if im.ndim == 3 else None
    if factor < 1:
        return pyramid_reduce(im, downscale=1 / factor, channel_axis=channels)
    return pyramid_expand(im, upscale=factor, channel_axis=channels)


def resize(
    im: NDArray[Any],
    shape: tuple[int, int] | None = None,
    max_side: float | None = None,
    min_side: float | None = None,
) -> NDArray[Any]:
    """Scale an image by one factor, so that a side of it becomes as long as is said.

    Parameters
    ----------
    im : ndarray
    shape : (int, int), optional
        Height and width. The factor is that of the width; that of the height may differ by less
        than 0.5, so that the height is near what was asked for.
    max_side, min_side : float, optional
        Of the longer side, or of the shorter one.

    Returns
    -------
    ndarray
        As from :func:`resize_by_factor`.

    Raises
    ------
    SpecError
        When not exactly one of the three is given, and for a shape of other proportions.

    Examples
    --------
    >>> import numpy as np
    >>> resize(np.zeros((40, 60)), max_side=30).shape
    (20, 30)
    """
    given = [value for value in (shape, max_side, min_side) if value is not None]
    if len(given) != 1:
        raise SpecError("give one of shape, max_side and min_side")
    if shape is not None:
        return resize_by_factor(im, _factor(im.shape, shape))
    im = np.asarray(im)
    side = min(im.shape[:2]) if max_side is None else max(im.shape[:2])
    return resize_by_factor(im, given[0] / side)


def _factor(shape: tuple[int, ...], wanted: tuple[int, int]) -> float:
    down, across = wanted[0] / shape[0], wanted[1] / shape[1]
    if abs(across - down) >= _MOST_SKEWED:
        raise SpecError(
            f"an image of shape {shape} does not become {tuple(wanted)} by one factor: "
            f"{down:.3g} down and {across:.3g} across"
        )
    return across
