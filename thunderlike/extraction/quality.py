"""Masks of cells, and measures of the quality of each."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from thunderlike.extraction.background import noise
from thunderlike.extraction.footprints import Footprints, connected, correlation

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from thunderlike._typing import Array

__all__ = ["MEASURES", "Cell", "Limits", "accepted", "cells", "masks_of"]

MEASURES = (
    "snr",
    "spatial_r",
    "contrast",
    "amplitude",
    "skew",
    "area",
    "compactness",
    "n_events",
    "split_r",
)
"""Names of the measures of a cell."""

_SMOOTH = 0.058  # standard deviation of the blur of a footprint before its mask, in diameters
_EDGE = 0.95  # quantile of a footprint that stands for its brightest pixels
_LEAST_WEIGHT = 0.1  # of that level: weights of pixels in filled holes
_RING = (0.25, 0.5)  # distances of the ring from the mask, in diameters
_FEWEST = 10  # pixels of a ring
_EVENT = 3.0  # noise
_LEAST_NOISE = 0.1  # of a trace, in units of the noise of the movie
_BINS = 150  # of the movies that the least snr is for
_TYPICAL = {"spatial_r": 0.9, "contrast": 0.4, "split_r": 0.5}  # of components of typical area


@dataclass(frozen=True)
class Limits:
    """Least values of the measures of an accepted cell.

    Parameters
    ----------
    contrast, split_r, skew : float
    snr : float
        Of a movie of up to 150 bins; it grows with the cube root of their number.
    area : float
        Relative to the median area of components with a `spatial_r` above 0.9, a `contrast` above
        0.4 and a `split_r` above 0.5.
    """

    contrast: float = 0.45
    split_r: float = 0.35
    snr: float = 18.0
    skew: float = 1.1
    area: float = 0.5


@dataclass(frozen=True, eq=False)
class Cell:
    """Mask, weights, trace and measures of one component.

    Parameters
    ----------
    pixels : ndarray of int64, shape (n, nd)
        Coordinates of the pixels of the mask, in C order.
    weights : ndarray of float32, shape (n,)
    trace : ndarray of float32, shape (bins,)
        Without the other cells, relative to its noise.
    measures : dict of float
        By the names in `MEASURES`.
    """

    pixels: Array
    weights: Array
    trace: Array
    measures: dict[str, float]

    @property
    def centroid(self) -> Array:
        """Weighted mean of the coordinates, float64 of shape (nd,)."""
        weights = self.weights.astype(np.float64)
        mean: Array = weights @ self.pixels / weights.sum()
        return mean


def cells(
    found: Footprints,
    movie: Array,
    deviation: Array,
    diameter: Sequence[float],
    *,
    cut: float,
    areas: tuple[float, float],
) -> list[Cell]:
    """Cut masks out of footprints and measure them.

    Parameters
    ----------
    found : Footprints
        Fitted to the movie without its background.
    movie : ndarray of float32, shape (*shape, bins)
        With its background, in the units of the data.
    deviation : ndarray of float32, shape (*shape)
        Noise of each pixel.
    diameter : sequence of float
    cut : float
        Level of the mask, relative to the 95th percentile of a footprint.
    areas : tuple of float
        Smallest and largest area, relative to that of a cell of this diameter.

    Returns
    -------
    list of Cell
        Coordinates are those of `movie`; components of other areas are left out.
    """
    masks = masks_of(found, diameter, cut)
    margin = tuple(math.ceil(_RING[1] * d) for d in diameter)
    border = [(r + m, r + m) for r, m in zip(found.reach, margin, strict=True)]
    scale = np.pad(deviation, border)
    wide = np.pad(movie, [*border, (0, 0)])
    covered = np.zeros(scale.shape)
    for mask, centre in zip(masks, found.centres, strict=True):
        _placed(covered, centre, mask.shape, margin)[...] += mask
    typical = math.prod(diameter) * _unit_ball(len(diameter)) / 2 ** len(diameter)
    results = []
    for k, (mask, centre) in enumerate(zip(masks, found.centres, strict=True)):
        area = int(mask.sum())
        if not areas[0] * typical <= area <= areas[1] * typical:
            continue
        trace, measures = _fitted(found, k)
        outer = tuple(n + 2 * m for n, m in zip(mask.shape, margin, strict=True))
        local = _placed(scale, centre, outer)
        response = _response(found, k, _placed(wide, centre, outer), trace, local, margin)
        inside = np.pad(mask, [(m, m) for m in margin])
        others = _placed(covered, centre, outer) > inside
        ring = _ring(inside, diameter) & (local > 0)
        free = ring & ~others
        ring = free if free.sum() >= _FEWEST else ring
        level = float(response[inside].mean())
        around = float(response[ring].mean()) if ring.any() else 0.0
        measures["contrast"] = 1 - around / level if level > 0 else 0.0
        measures["area"] = float(area)
        measures["compactness"] = _compactness(mask, diameter)
        inner = tuple(slice(m, m + n) for n, m in zip(mask.shape, margin, strict=True))
        brightness = float((found.weights[k] * local[inner])[mask].mean())
        measures["amplitude"] = brightness * measures.pop("highest")
        pixels = np.argwhere(mask) + centre - np.array(found.reach)
        results.append(Cell(pixels, _filled(found.weights[k], mask)[mask], trace, measures))
    return results


def accepted(
    measures: Mapping[str, Array], bins: int = _BINS, limits: Limits | None = None
) -> Array:
    """Choose the components that are cells by their measures.

    Parameters
    ----------
    measures : mapping of str to ndarray, shape (K,)
    bins : int
        Of the movie.
    limits : Limits, optional

    Returns
    -------
    ndarray of bool, shape (K,)

    Examples
    --------
    >>> one = {"contrast": 0.8, "split_r": 0.9, "snr": 40.0, "skew": 2.0}
    >>> both = {name: np.array([value, value / 3]) for name, value in one.items()}
    >>> accepted(both | {"spatial_r": np.array([0.95, 0.9]), "area": np.array([90.0, 80.0])})
    array([ True, False])
    """
    limits = limits or Limits()
    typical = np.ones(len(measures["area"]), bool)
    for name, least in _TYPICAL.items():
        typical &= measures[name] > least
    usual = float(np.median(measures["area"][typical])) if typical.any() else 0.0
    chosen = measures["area"] > limits.area * usual
    chosen &= measures["snr"] > limits.snr * max(1.0, bins / _BINS) ** (1 / 3)
    for name in ("contrast", "split_r", "skew"):
        chosen &= measures[name] > getattr(limits, name)
    result: Array = chosen
    return result


def masks_of(found: Footprints, diameter: Sequence[float], cut: float) -> list[Array]:
    """Largest part of each smoothed footprint above a level, with its holes filled."""
    from scipy import ndimage

    blur = [_SMOOTH * d for d in diameter]
    masks = []
    for weights, centre in zip(found.weights, found.centres, strict=True):
        smooth = ndimage.gaussian_filter(weights, blur, mode="constant")
        positive = smooth[weights > 0]
        mask = np.zeros(weights.shape, bool)
        if positive.size:
            part = connected(smooth, cut * _edge(positive))
            mask = ndimage.binary_fill_holes(part > 0) & found.support(centre)
        masks.append(mask)
    return masks


def _filled(weights: Array, mask: Array) -> Array:
    """Weights of a mask; those of filled holes are small, and not zero."""
    level = _LEAST_WEIGHT * _edge(weights[mask])
    return np.maximum(weights, np.float32(level)) * mask


def _edge(weights: Array) -> float:
    """Weight of the bright pixels of a footprint."""
    rank = int(_EDGE * (len(weights) - 1))
    return float(np.partition(weights, rank)[rank])


def _placed(
    values: Array, centre: Array, shape: Sequence[int], margin: Sequence[int] = ()
) -> Array:
    """View of a window at a centre, in an array with a border of half a window and the margin."""
    offset = margin or (0,) * len(shape)
    return values[
        tuple(slice(c + m, c + m + n) for c, n, m in zip(centre, shape, offset, strict=True))
    ]


def _fitted(found: Footprints, k: int) -> tuple[Array, dict[str, float]]:
    """Trace of a cell without the others, relative to its noise, and measures of the fit."""
    rows, shared, weights = found.rows(k), found.shared(k), found.weights[k].ravel()
    near = found.traces[shared.cells]
    trace = weights @ rows - shared.overlaps(weights, found.weights) @ near
    trace /= np.float32(max(float(weights @ weights), 1e-12))
    highest = float(np.partition(trace, -len(trace) // 100)[-len(trace) // 100])
    # The noise of the movie is 1. That of the trace by differences is less where the background
    # took some, and more in cells that are active in most bins.
    trace /= np.float32(min(max(float(noise(trace[np.newaxis])[0]), _LEAST_NOISE), 1.0))
    events = trace > _EVENT
    centred = trace.astype(np.float64) - trace.mean(dtype=np.float64)
    spread = float(np.sqrt(np.square(centred).mean()))
    support = found.support(found.centres[k]).ravel()
    active = np.zeros((3, len(trace)), np.float32)
    active[0, events] = 1
    # Events in turn, each as heavy as it is high.
    chosen = np.flatnonzero(events)
    for row, half in zip(active[1:], (chosen[::2], chosen[1::2]), strict=True):
        row[half] = trace[half]
    images = []
    for row in active:
        image = rows @ row - shared.sums(near @ row, found.weights)
        images.append(image[support])
    return trace, {
        "snr": float(np.sqrt(np.square(trace[events], dtype=np.float64).sum())),
        "skew": float((centred**3).mean() / spread**3) if spread > 0 else 0.0,
        "n_events": float((events[1:] & ~events[:-1]).sum() + events[0]),
        "highest": highest,
        "spatial_r": correlation(images[0], weights[support]),
        "split_r": correlation(images[1], images[2]),
    }


def _compactness(mask: Array, diameter: Sequence[float]) -> float:
    """Mean distance from the centroid of a ball of this area, relative to that of the mask."""
    places = np.argwhere(mask) / np.asarray(diameter)
    mean = float(np.sqrt(np.square(places - places.mean(axis=0)).sum(axis=1)).mean())
    nd = len(diameter)
    radius = (len(places) / math.prod(diameter) / _unit_ball(nd)) ** (1 / nd)
    return min(1.0, nd / (nd + 1) * float(radius) / mean) if mean > 0 else 1.0


def _unit_ball(nd: int) -> float:
    """Volume of the ball of radius 1."""
    return float(math.pi ** (nd / 2)) / math.gamma(nd / 2 + 1)


def _response(
    found: Footprints,
    k: int,
    movie: Array,
    trace: Array,
    scale: Array,
    margin: Sequence[int],
) -> Array:
    """Regression of the movie around a cell on its trace, without the other cells."""
    centred = trace - trace.mean()
    shared = found.shared(k, margin)
    image = movie.reshape(-1, len(trace)) @ centred
    factors = found.traces[shared.cells] @ centred
    image -= shared.sums(factors, found.weights) * scale.ravel()
    response: Array = image.reshape(scale.shape) / np.float32(max(float(centred @ centred), 1e-9))
    return response


def _ring(inside: Array, diameter: Sequence[float]) -> Array:
    """Pixels around a mask."""
    from scipy import ndimage

    distance = ndimage.distance_transform_edt(~inside, sampling=[1 / d for d in diameter])
    ring: Array = (distance > _RING[0]) & (distance <= _RING[1])
    return ring
