"""Masks of cells, and measures of the quality of each."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from thunderlike.extraction.background import noise
from thunderlike.extraction.footprints import Footprints, connected, correlation, labelled

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
    split_r: float = 0.3
    snr: float = 13.0
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
    residual: Array,
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
    residual : ndarray of float32, shape (*shape, bins)
        The fitted movie less all cells.
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
    without = np.zeros((*scale.shape, found.bins), np.float32)
    image = tuple(slice(b, b + n) for (b, _), n in zip(border, found.shape, strict=True))
    found.removed(movie, without[image], deviation)
    inside = np.pad(masks, [(0, 0), *((m, m) for m in margin)])
    covered = np.zeros(scale.shape)
    for mask, centre in zip(inside, found.centres, strict=True):
        _placed(covered, centre, mask.shape)[...] += mask
    typical = math.prod(diameter) * _unit_ball(len(diameter)) / 2 ** len(diameter)
    sizes = masks.sum(axis=tuple(range(1, masks.ndim)))
    least = max(areas[0] * typical, 1)
    chosen = np.flatnonzero((sizes >= least) & (sizes <= areas[1] * typical))
    traces, measures = _fitted(found, residual, masks, chosen)
    inner = tuple(slice(m, m + n) for n, m in zip(found.disc.shape, margin, strict=True))
    results = []
    for row, (k, trace) in enumerate(zip(chosen.tolist(), traces, strict=True)):
        mask, centre, weights = masks[k], found.centres[k], found.weights[k]
        local = _placed(scale, centre, inside[k].shape)
        # Regression of the movie without the other cells on the trace.
        centred = trace - trace.mean()
        response = _placed(without, centre, inside[k].shape) @ centred
        response[inner] += weights * local[inner] * (found.traces[k] @ centred)
        others = _placed(covered, centre, inside[k].shape) > inside[k]
        ring = _ring(inside[k], diameter) & (local > 0)
        free = ring & ~others
        ring = free if free.sum() >= _FEWEST else ring
        level = float(response[inside[k]].mean())
        outside = float(response[ring].mean()) if ring.any() else 0.0
        own = {name: float(values[row]) for name, values in measures.items()}
        own["contrast"] = 1 - outside / level if level > 0 else 0.0
        own["area"] = float(sizes[k])
        own["compactness"] = _compactness(mask, diameter)
        own["amplitude"] = float((weights * local[inner])[mask].mean()) * own.pop("highest")
        pixels = np.argwhere(mask) + centre - np.array(found.reach)
        results.append(Cell(pixels, _filled(weights, mask)[mask], trace, own))
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


def masks_of(found: Footprints, diameter: Sequence[float], cut: float) -> Array:
    """Largest part of each smoothed footprint above a level, with its holes filled.

    Returns
    -------
    ndarray of bool, shape (K, *window)
    """
    from scipy import ndimage

    blur = [0.0, *(_SMOOTH * d for d in diameter)]
    smooth = ndimage.gaussian_filter(found.weights, blur, mode="constant")
    part = connected(smooth, cut * _edges(smooth, found.weights > 0)) > 0
    # A hole is a part of the rest that does not reach the border of the window.
    rest = np.pad(~part, [(0, 0), *[(1, 1)] * len(diameter)], constant_values=True)
    labels, _ = labelled(rest)
    outside = labels[(slice(None), *[slice(1)] * len(diameter))]
    inner = (slice(None), *[slice(1, -1)] * len(diameter))
    filled: Array = (labels != outside)[inner] & found.supports()
    return filled


def _edges(weights: Array, counted: Array) -> Array:
    """Weight of the bright pixels of each footprint; infinite without any."""
    values = np.where(counted, weights, np.inf).reshape(len(weights), math.prod(weights.shape[1:]))
    values.sort(axis=1)
    rank = _EDGE * (np.isfinite(values).sum(axis=1) - 1)
    edges: Array = values[np.arange(len(values)), np.maximum(rank, 0).astype(np.int64)]
    return edges


def _filled(weights: Array, mask: Array) -> Array:
    """Weights of a mask; those of filled holes are small, and not zero."""
    level = _LEAST_WEIGHT * _edges(weights[np.newaxis], mask[np.newaxis])[0]
    return np.maximum(weights, np.float32(level)) * mask


def _placed(values: Array, centre: Array, shape: Sequence[int]) -> Array:
    """View of a window at a centre, in an array with a border of half a window."""
    return values[tuple(slice(c, c + n) for c, n in zip(centre, shape, strict=True))]


def _fitted(
    found: Footprints, residual: Array, masks: Array, chosen: Array
) -> tuple[Array, dict[str, Array]]:
    """Traces of cells without the others, relative to their noise, and measures of the fit."""
    traces, means = found.traces[chosen], np.empty((len(chosen), found.bins), np.float32)
    measures: dict[str, Array] = {name: np.zeros(len(chosen)) for name in ("spatial_r", "split_r")}
    for trace, mean, k in zip(traces, means, chosen, strict=True):
        support = found.support(found.centres[k])
        left = found.pixels(residual, found.centres[k])
        weights, mask = found.weights[k][support], masks[k][support].astype(np.float32)
        size = np.float32(max(float(np.square(weights).sum()), 1e-12))
        # The noise of the sum of n pixels is the root of n.
        mean[...] = mask @ left + (weights * mask).sum() * trace
        mean /= np.float32(mask.sum() ** 0.5)
        trace += weights @ left / size
    measures["highest"] = np.partition(traces, -found.bins // 100, axis=1)[:, -found.bins // 100]
    traces, means = (_in_noise(values) for values in (traces, means))
    events = traces > _EVENT
    active = np.zeros((3, found.bins), np.float32)
    for row, k in enumerate(chosen.tolist()):
        active[:] = 0
        active[0, events[row]] = 1
        # Events in turn, each as heavy as it is high.
        bins = np.flatnonzero(events[row])
        for half, part in zip(active[1:], (bins[::2], bins[1::2]), strict=True):
            half[part] = traces[row, part]
        weights = found.weights[k][found.support(found.centres[k])]
        images = active @ found.pixels(residual, found.centres[k]).T
        images += np.outer(active @ found.traces[k], weights)
        measures["spatial_r"][row] = correlation(images[0], weights)
        measures["split_r"][row] = correlation(images[1], images[2])
    squares = np.square(np.where(means > _EVENT, means, 0), dtype=np.float64)
    measures["snr"] = np.sqrt(squares.sum(axis=1))
    measures["n_events"] = (events[:, 1:] & ~events[:, :-1]).sum(axis=1) + events[:, 0]
    centred = traces.astype(np.float64) - traces.mean(axis=1, dtype=np.float64, keepdims=True)
    spread = np.sqrt(np.square(centred).mean(axis=1))
    cubes = (centred**3).mean(axis=1)
    measures["skew"] = np.divide(cubes, spread**3, out=np.zeros_like(cubes), where=spread > 0)
    return traces, measures


def _in_noise(traces: Array) -> Array:
    """Traces relative to their noise."""
    # The noise of the movie is 1. That of the trace by differences is less where the background
    # took some, and more in cells that are active in most bins.
    scaled: Array = traces / np.clip(noise(traces), _LEAST_NOISE, 1)[:, np.newaxis]
    return scaled


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


def _ring(inside: Array, diameter: Sequence[float]) -> Array:
    """Pixels around a mask."""
    from scipy import ndimage

    distance = ndimage.distance_transform_edt(~inside, sampling=[1 / d for d in diameter])
    ring: Array = (distance > _RING[0]) & (distance <= _RING[1])
    return ring
