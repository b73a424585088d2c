"""Seeds of cells: pixels whose surroundings are active again and again."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from thunderlike.extraction.background import Boxes, noise

if TYPE_CHECKING:
    from collections.abc import Sequence

    from thunderlike._typing import Array

__all__ = ["Activity", "activity", "ball", "local_maxima", "smoothing"]

_STRIDE = 3  # pixels between those that the noise is measured in


@dataclass(frozen=True, eq=False)
class Activity:
    """A smoothed movie in units of its noise, and the score of each pixel.

    Parameters
    ----------
    movie : ndarray of float32, shape (*shape, bins)
    score : ndarray of float32, shape (*shape)
        Root of the sum of squares of the values above the threshold of activity.
    """

    movie: Array
    score: Array


def smoothing(valid: Array, diameter: Sequence[float], *, compiled: bool = False) -> Boxes:
    """Boxes of about the size of a cell; two resemble a gaussian of a quarter of its diameter.

    Parameters
    ----------
    valid : ndarray of bool, shape (*shape)
        Pixels that count.
    diameter : sequence of float
        Of a cell along each axis, in pixels.
    compiled : bool
        As of :class:`~thunderlike.extraction.background.Boxes`.
    """
    # A box of n pixels has the variance (n^2 - 1) / 12.
    sides = (2 * round((math.sqrt(6 * (d / 4) ** 2 + 1) - 1) / 2) + 1 for d in diameter)
    return Boxes(valid, tuple(sides), compiled)


def activity(movie: Array, boxes: Boxes, active: float, work: Array) -> Activity:
    """Smooth a movie by two boxes, and score its pixels.

    Parameters
    ----------
    movie : ndarray of float32, shape (*shape, bins)
        In units of the noise of each pixel; zero in pixels that do not count.
    boxes : Boxes
        From :func:`smoothing`.
    active : float
        Threshold of activity, in units of the noise of the smoothed movie.
    work : ndarray of float32, shape (2, *shape, bins)
        Overwritten; the second is the smoothed movie of the result.
    """
    smooth = boxes.means(boxes.means(movie, work[0]), work[1])
    some = (slice(None, None, _STRIDE),) * boxes.valid.ndim
    deviation = noise(smooth[some])[boxes.valid[some]]
    scale = max(float(np.median(deviation)) if deviation.size else 1.0, 1e-6)
    score = np.empty(boxes.valid.shape, np.float32)
    for row in np.ndindex(score.shape[:-1]):  # of a size that the cache holds
        smooth[row] /= scale
        events = np.where(smooth[row] > active, smooth[row], 0)
        np.sqrt(np.einsum("xt,xt->x", events, events), out=score[row])
    return Activity(smooth, score)


def local_maxima(score: Array, radius: Sequence[float], threshold: float) -> Array:
    """Positions of pixels above a threshold that are the largest within a radius.

    Returns
    -------
    ndarray of int64, shape (n, nd)
        By descending score; of equal ones the first in C order.

    Examples
    --------
    >>> local_maxima(np.array([[1.0, 5, 5, 2, 8]]), (1, 1), 4)
    array([[0, 4],
           [0, 1]])
    """
    from scipy import ndimage

    highest = ndimage.maximum_filter(score, footprint=ball(radius), mode="constant")
    found = np.flatnonzero((score == highest) & (score > threshold))
    found = found[np.argsort(-score.ravel()[found], kind="stable")]
    places = np.stack(np.unravel_index(found, score.shape), axis=1).astype(np.int64)
    reach = np.maximum(np.asarray(radius, float), 1e-9)
    kept: list[Array] = []
    for place in places:
        if not kept or (np.square((np.array(kept) - place) / reach).sum(axis=1) > 1).all():
            kept.append(place)
    return np.array(kept, np.int64).reshape(-1, score.ndim)


def ball(radius: Sequence[float]) -> Array:
    """Mask of an ellipsoid around the middle of an array with odd sides.

    Examples
    --------
    >>> ball((1, 1)).astype(int)
    array([[0, 1, 0],
           [1, 1, 1],
           [0, 1, 0]])
    """
    reach = [int(r) for r in radius]
    axes = np.ogrid[tuple(slice(-r, r + 1) for r in reach)]
    square = sum((axis / max(r, 1e-9)) ** 2 for axis, r in zip(axes, radius, strict=True))
    inside: Array = np.asarray(square <= 1)
    return inside
