"""Factorization of a movie into footprints in windows and their traces."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from thunderlike.extraction.seeds import ball

if TYPE_CHECKING:
    from collections.abc import Sequence

    from thunderlike._typing import Array, Shape

__all__ = ["Footprints", "Shared", "connected", "correlation"]

_KEPT = 0.2  # of the largest weight: pixels of a first footprint
_ALTERNATIONS, _TRACE_SWEEPS, _WEIGHT_SWEEPS = 2, 3, 2
_SHARED, _ALIKE, _INSIDE = 0.1, 0.8, 0.7  # overlap and correlation of pairs that are merged


class Shared(NamedTuple):
    """Pixels that the window of a cell shares with those of its neighbours."""

    cells: Array
    owner: Array  # position in `cells` of the neighbour of each shared pixel
    mine: Array  # flat position in the window
    theirs: Array  # flat position in the windows of all cells
    size: int  # pixels of the window

    def overlaps(self, weights: Array, others: Array) -> Array:
        """Products of a footprint and those of the neighbours."""
        products = weights.ravel()[self.mine] * others.ravel()[self.theirs]
        return np.bincount(self.owner, products, len(self.cells)).astype(np.float32)

    def sums(self, factors: Array, others: Array) -> Array:
        """Sum of the footprints of the neighbours, each times a factor, in the window."""
        values = factors[self.owner] * others.ravel()[self.theirs]
        return np.bincount(self.mine, values, self.size).astype(np.float32)


class Footprints:
    """Nonnegative footprints of cells, each in a window, with their traces.

    The movie is modelled as ``sum_k weights[k] * traces[k]``, fitted by hierarchical alternating
    least squares [1]_: every trace, and then every footprint, is the nonnegative regression of
    what the others leave. Only neighbours whose windows overlap take part.

    Parameters
    ----------
    movie : ndarray of float32, shape (*shape, bins)
        In units of the noise; zero in pixels that do not count.
    valid : ndarray of bool, shape (*shape)
    radius : sequence of float
        Largest extent of a footprint along each axis, in pixels.

    Attributes
    ----------
    centres : ndarray of int64, shape (K, nd)
        Middle of each window.
    weights : ndarray of float32, shape (K, *window)
    traces : ndarray of float32, shape (K, bins)

    References
    ----------
    .. [1] A. Cichocki, A.-H. Phan, "Fast local algorithms for large scale nonnegative matrix and
       tensor factorizations", IEICE Transactions E92-A (2009), 708-721.
    """

    def __init__(self, movie: Array, valid: Array, radius: Sequence[float]) -> None:
        self.disc = ball(radius)
        self.reach = tuple(n // 2 for n in self.disc.shape)
        # A border as wide as half a window, so that no window is cut.
        border = [(r, r) for r in self.reach]
        self._movie = np.pad(movie, [*border, (0, 0)])
        self._valid = np.pad(valid, border)
        self.shape: Shape = valid.shape
        self._none = (0,) * valid.ndim
        self.bins = movie.shape[-1]
        self.centres = np.zeros((0, valid.ndim), np.int64)
        self.weights = np.zeros((0, *self.disc.shape), np.float32)
        self.traces = np.zeros((0, self.bins), np.float32)

    def __len__(self) -> int:
        return len(self.centres)

    def replace_movie(self, movie: Array) -> None:
        """Fit another movie of the same shape from now on."""
        inner = tuple(slice(r, r + n) for r, n in zip(self.reach, self.shape, strict=True))
        self._movie[inner] = movie

    def window(self, values: Array, centre: Array) -> Array:
        """View of the window at a centre in an array with the border of the movie."""
        place = tuple(slice(c, c + n) for c, n in zip(centre, self.disc.shape, strict=True))
        return values[place]

    def support(self, centre: Array) -> Array:
        """Pixels of a window that a footprint may have."""
        allowed: Array = self.disc & self.window(self._valid, centre)
        return allowed

    def rows(self, number: int) -> Array:
        """Movie in the window of a cell, of shape (pixels, bins); a copy."""
        return self.window(self._movie, self.centres[number]).reshape(-1, self.bins)

    def residual(self) -> Array:
        """The movie less all cells, of shape (*shape, bins)."""
        left = self._movie.copy()
        for centre, weights, trace in zip(self.centres, self.weights, self.traces, strict=True):
            self.window(left, centre)[...] -= weights[..., np.newaxis] * trace
        inner = tuple(slice(r, r + n) for r, n in zip(self.reach, self.shape, strict=True))
        return left[inner]

    def add(self, seeds: Array, residual: Array, smooth: Array, active: float) -> None:
        """Start a cell at each seed, by a fit of rank 1 to its active bins in the residual."""
        border = [(r, r) for r in self.reach]
        left = np.pad(residual, [*border, (0, 0)])
        centres, weights, traces = [], [], []
        for seed in seeds:
            support = self.support(seed)
            trace = smooth[tuple(seed)]
            events = trace > active
            pixels = self.window(left, seed)[support]
            chosen = pixels[:, events]
            level = trace[events]
            footprint = np.zeros(len(pixels), np.float32)
            for _ in range(_ALTERNATIONS):
                footprint = np.maximum(chosen @ level, 0)
                footprint /= max(float(footprint @ footprint) ** 0.5, 1e-9)
                level = np.maximum(footprint @ chosen, 0)
            full = np.zeros(self.disc.shape, np.float32)
            full[support] = footprint
            full = connected(full, _KEPT * full.max())
            footprint = full[support]
            size = float(footprint @ footprint)
            if size <= 0:
                continue
            centres.append(seed)
            weights.append(full)
            traces.append(np.maximum(footprint @ pixels, 0) / np.float32(size))
        if centres:
            self.centres = np.concatenate([self.centres, np.array(centres)])
            self.weights = np.concatenate([self.weights, np.array(weights, np.float32)])
            self.traces = np.concatenate([self.traces, np.array(traces, np.float32)])

    def fit(self, iterations: int) -> None:
        """Run so many iterations over traces and footprints, then give footprints norm 1."""
        shared = [self.shared(k) for k in range(len(self))]
        supports = [self.support(centre).ravel() for centre in self.centres]
        for _ in range(iterations):
            self._fit_traces(shared)
            self._fit_weights(shared, supports)
        self._normalise()

    def shared(self, k: int, margin: Sequence[int] | None = None) -> Shared:
        """Pixels of a window, or of one with a margin, that are in those of neighbours as well."""
        near = self.neighbours(k, margin)
        wide = [n + 2 * m for n, m in zip(self.disc.shape, margin or self._none, strict=True)]
        places = np.arange(math.prod(wide)).reshape(wide)
        inner = np.arange(self.disc.size).reshape(self.disc.shape)
        pairs = [self._overlap(k, j, margin or self._none) for j in near]
        mine = [places[here].ravel() for here, _ in pairs]
        theirs = [
            inner[there].ravel() + j * inner.size for j, (_, there) in zip(near, pairs, strict=True)
        ]
        none = [np.zeros(0, np.int64)]
        return Shared(
            near,
            np.repeat(np.arange(len(near)), [len(pixels) for pixels in mine]),
            np.concatenate(mine or none),
            np.concatenate(theirs or none),
            places.size,
        )

    def _fit_traces(self, shared: list[Shared]) -> None:
        weights = self.weights.reshape(len(self), self.disc.size)
        sizes = np.einsum("kp,kp->k", weights, weights)
        products = [weights[k] @ self.rows(k) for k in range(len(self))]
        overlaps = [near.overlaps(weights[k], weights) for k, near in enumerate(shared)]
        for _ in range(_TRACE_SWEEPS):
            for k, near in enumerate(shared):
                if sizes[k] > 0:
                    left = products[k] - overlaps[k] @ self.traces[near.cells]
                    left *= 1 / sizes[k]
                    np.maximum(left, 0, out=self.traces[k])
                else:
                    self.traces[k] = 0

    def _fit_weights(self, shared: list[Shared], supports: list[Array]) -> None:
        weights = self.weights.reshape(len(self), self.disc.size)
        products = [self.rows(k) @ self.traces[k] for k in range(len(self))]
        gramian = [self.traces[near.cells] @ self.traces[k] for k, near in enumerate(shared)]
        sizes = np.einsum("kt,kt->k", self.traces, self.traces)
        for _ in range(_WEIGHT_SWEEPS):
            for k, near in enumerate(shared):
                if sizes[k] > 0:
                    left = products[k] - near.sums(gramian[k], weights)
                    left *= 1 / sizes[k]
                    left *= supports[k]
                    np.maximum(left, 0, out=weights[k])
                else:
                    weights[k] = 0

    def _normalise(self) -> None:
        for k in range(len(self)):
            size = np.sqrt(np.square(self.weights[k]).sum())
            if size > 0:
                self.weights[k] /= size
                self.traces[k] *= size

    def neighbours(self, k: int, margin: Sequence[int] | None = None) -> Array:
        """Numbers of the other cells whose windows overlap that of a cell and its margin."""
        reach = 2 * np.array(self.reach) + np.array(margin or self._none)
        near = (np.abs(self.centres - self.centres[k]) <= reach).all(axis=1)
        near[k] = False
        return np.flatnonzero(near)

    def _overlap(
        self, k: int, j: int, margin: Sequence[int]
    ) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
        """Common pixels of the window of `k` with its margin, and of that of `j`."""
        apart = self.centres[j] - self.centres[k]
        mine, other = [], []
        for step, n, m in zip(apart.tolist(), self.disc.shape, margin, strict=True):
            first, last = max(0, m + step), min(n + 2 * m, n + m + step)
            mine.append(slice(first, last))
            other.append(slice(first - m - step, last - m - step))
        return tuple(mine), tuple(other)

    def keep(self, chosen: Array) -> None:
        """Keep the cells of a mask or of numbers, in this order."""
        self.centres = self.centres[chosen]
        self.weights = self.weights[chosen]
        self.traces = self.traces[chosen]

    def merge(self, inside: Sequence[Array]) -> None:
        """Merge pairs that share pixels and activity, or of which one lies in the other.

        Parameters
        ----------
        inside : sequence of ndarray of bool
            Mask of each cell in its window.
        """
        strength = np.square(self.traces).sum(axis=1)
        areas = np.array([int(mask.sum()) for mask in inside])
        kept = (strength > 0) & (areas > 0)
        for k in np.argsort(-strength, kind="stable"):
            if not kept[k]:
                continue
            for j in self.neighbours(k):
                if not kept[j] or (strength[j], -j) > (strength[k], -k):
                    continue
                mine, other = self._overlap(k, j, self._none)
                shared = int((inside[k][mine] & inside[j][other]).sum())
                share = shared / max(1, min(areas[k], areas[j]))
                if share <= _SHARED:
                    continue
                alike = correlation(self.traces[k], self.traces[j]) > _ALIKE
                if alike or share > _INSIDE:
                    scale = np.float32((strength[j] / strength[k]) ** 0.5)
                    self.weights[k][mine] += scale * self.weights[j][other]
                    kept[j] = False
        self.keep(kept)
        self._normalise()

    def recentre(self) -> None:
        """Move windows to the centroids of their footprints."""
        axes = np.meshgrid(*(np.arange(-r, r + 1) for r in self.reach), indexing="ij")
        limits = np.array(self.shape) - 1
        for k, weights in enumerate(self.weights):
            total = float(weights.sum())
            if total <= 0:
                continue
            step = np.array([round(float((axis * weights).sum()) / total) for axis in axes])
            centre = np.clip(self.centres[k] + step, 0, limits)
            step = centre - self.centres[k]
            if not step.any():
                continue
            moved = np.zeros_like(weights)
            here, there = [], []
            for by, n in zip(step.tolist(), weights.shape, strict=True):
                here.append(slice(max(0, by), max(0, min(n, n + by))))
                there.append(slice(max(0, -by), max(0, min(n, n - by))))
            moved[tuple(there)] = weights[tuple(here)]
            self.centres[k] = centre
            self.weights[k] = moved * self.support(centre)


def connected(weights: Array, least: float) -> Array:
    """Keep the weights above a level in the connected part of the largest sum.

    Examples
    --------
    >>> connected(np.array([[3.0, 0, 1, 1, 0.2]]), 0.5)
    array([[3., 0., 0., 0., 0.]], dtype=float32)
    """
    from scipy import ndimage

    labels, count = ndimage.label(weights > least)
    if count > 1:
        sizes = np.bincount(labels.ravel(), weights.ravel())
        sizes[0] = 0
        return np.where(labels == sizes.argmax(), weights, 0).astype(np.float32)
    return np.where(labels > 0, weights, 0).astype(np.float32)


def correlation(one: Array, other: Array) -> float:
    """Correlation coefficient in double precision; 0 for a constant.

    Examples
    --------
    >>> round(correlation(np.array([0.0, 1, 2]), np.array([2.0, 4, 6])), 9)
    1.0
    """
    x, y = one - one.mean(dtype=np.float64), other - other.mean(dtype=np.float64)
    size = float(x @ x) ** 0.5 * float(y @ y) ** 0.5
    return float(x @ y) / size if size > 0 else 0.0
