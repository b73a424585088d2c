"""Factorization of a movie into footprints in windows and their traces."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from thunderlike.extraction.seeds import ball
from thunderlike.kernels.footprints import Pairs, overlaps, sweep_traces, sweep_weights

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scipy.sparse import csr_array

    from thunderlike._typing import Array, Shape

__all__ = ["Footprints", "connected", "correlation", "labelled"]

_KEPT = 0.2  # of the largest weight: pixels of a first footprint
_ALTERNATIONS, _TRACE_SWEEPS, _WEIGHT_SWEEPS = 2, 3, 2
_CHUNK = 2**18  # numbers that are worked on at once
_NOTHING = (np.zeros(0, np.int64), np.zeros(0, np.int64))
_SHARED, _ALIKE, _INSIDE = 0.1, 0.8, 0.7  # overlap and correlation of pairs that are merged


class Footprints:
    """Nonnegative footprints of cells, each in a window, with their traces.

    The movie is modelled as ``sum_k weights[k] * traces[k]``, fitted by hierarchical alternating
    least squares [1]_: every trace, and then every footprint, is the nonnegative regression of
    what the others leave. Only neighbours whose windows overlap take part.

    Parameters
    ----------
    valid : ndarray of bool, shape (*shape)
        Pixels that count.
    bins : int
    radius : sequence of float
        Largest extent of a footprint along each axis, in pixels.
    compiled : bool
        Whether to run compiled loops.

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

    def __init__(
        self, valid: Array, bins: int, radius: Sequence[float], *, compiled: bool = False
    ) -> None:
        self.disc = ball(radius)
        self._radius = np.asarray(radius, np.float64)
        self.reach = tuple(n // 2 for n in self.disc.shape)
        # A border as wide as half a window, so that no window is cut.
        border = [(r, r) for r in self.reach]
        self._valid = np.pad(valid, border)
        self._movie = np.zeros((*self._valid.shape, bins), np.float32)
        self.shape: Shape = valid.shape
        self._inner = tuple(slice(r, r + n) for r, n in zip(self.reach, self.shape, strict=True))
        self.bins = bins
        self._common = _CommonPixels(self.disc)
        self._pairs: Pairs | None = None  # of the present centres
        self._sweep_traces = sweep_traces.choose(compiled)
        self._sweep_weights = sweep_weights.choose(compiled)
        self.centres = np.zeros((0, valid.ndim), np.int64)
        self.weights = np.zeros((0, *self.disc.shape), np.float32)
        self.traces = np.zeros((0, self.bins), np.float32)

    def __len__(self) -> int:
        return len(self.centres)

    @property
    def movie(self) -> Array:
        """The movie that is fitted, zero at first; a view, whose values are to be replaced.

        In units of the noise; zero in pixels that do not count.
        """
        return self._movie[self._inner]

    def window(self, values: Array, centre: Array) -> Array:
        """View of the window at a centre in an array with the border of the movie."""
        place = tuple(slice(c, c + n) for c, n in zip(centre, self.disc.shape, strict=True))
        return values[place]

    def support(self, centre: Array) -> Array:
        """Pixels of a window that a footprint may have."""
        allowed: Array = self.disc & self.window(self._valid, centre)
        return allowed

    def supports(self) -> Array:
        """Pixels that the footprint of each cell may have: bool, of shape (K, *window)."""
        allowed: Array = np.array([self.support(centre) for centre in self.centres], bool)
        return allowed.reshape(-1, *self.disc.shape)

    def pixels(self, movie: Array, centre: Array) -> Array:
        """Values of a movie in the pixels that a footprint may have, of shape (n, bins)."""
        places = np.nonzero(self.support(centre))
        inside = (place + c - r for place, c, r in zip(places, centre, self.reach, strict=True))
        found: Array = movie[tuple(inside)]
        return found

    def _matrix(self, weights: Array, numbers: Array, count: int) -> csr_array:
        """Weights of the windows as a matrix of cells and pixels.

        Parameters
        ----------
        weights : ndarray of float32, shape (K, *window)
        numbers : ndarray of int64
            Column of each pixel of the image with its border.
        count : int
            Number of columns.
        """
        from scipy.sparse import csr_array

        cells, *pixels = np.nonzero(weights)
        places = [axis + self.centres[cells, n] for n, axis in enumerate(pixels)]
        columns = numbers[tuple(places)]
        ends = np.searchsorted(cells, np.arange(len(weights) + 1))
        return csr_array((weights[weights != 0], columns, ends), shape=(len(weights), count))

    def removed(self, movie: Array, out: Array, scale: Array | None = None) -> Array:
        """Return a movie less all cells.

        Parameters
        ----------
        movie : ndarray of float32, shape (*shape, bins)
        out : ndarray of float32, shape (*shape, bins)
            For the result.
        scale : ndarray of float32, shape (*shape), optional
            Unit of the fitted movie in each pixel of this one; 1 by default.

        Returns
        -------
        ndarray of float32, shape (*shape, bins)
            `out`.
        """
        count, size = math.prod(self.shape), math.prod(self.shape[1:])
        numbers = np.zeros(self._valid.shape, np.int64)
        numbers[self._inner] = np.arange(count).reshape(self.shape)
        loads = self._matrix(self.weights, numbers, count).T.tocsr()
        if scale is not None:
            loads.data *= np.repeat(scale.ravel(), np.diff(loads.indptr))
        step = max(1, _CHUNK // (size * self.bins))
        for start in range(0, self.shape[0], step):
            part = slice(start, min(start + step, self.shape[0]))
            active = loads[part.start * size : part.stop * size] @ self.traces
            np.subtract(movie[part], active.reshape(movie[part].shape), out=out[part])
        return out

    def add(self, seeds: Array, residual: Array, smooth: Array, active: float) -> None:
        """Start a cell at each seed, by a fit of rank 1 to its active bins in the residual."""
        if not len(seeds):
            return
        weights = np.zeros((len(seeds), *self.disc.shape), np.float32)
        for full, seed in zip(weights, seeds, strict=True):
            support = self.support(seed)
            trace = smooth[tuple(seed)]
            events = np.flatnonzero(trace > active)
            chosen = self.pixels(residual, seed)[:, events]
            level = trace[events]
            for _ in range(_ALTERNATIONS):
                footprint = np.maximum(chosen @ level, 0)
                footprint /= max(float(footprint @ footprint) ** 0.5, 1e-9)
                level = np.maximum(footprint @ chosen, 0)
            full[support] = footprint
        weights = connected(weights, _KEPT * weights.reshape(len(seeds), -1).max(axis=1))
        sizes = np.einsum("kp,kp->k", *[weights.reshape(len(seeds), -1)] * 2)
        traces = [
            np.maximum(full[self.support(seed)] @ self.pixels(residual, seed), 0) / size
            for full, seed, size in zip(weights, seeds, sizes, strict=True)
            if size > 0
        ]
        self._pairs = None
        self.centres = np.concatenate([self.centres, seeds[sizes > 0]])
        self.weights = np.concatenate([self.weights, weights[sizes > 0]])
        self.traces = np.concatenate(
            [self.traces, np.array(traces, np.float32).reshape(-1, self.bins)]
        )

    def fit(self, iterations: int) -> None:
        """Run so many iterations over traces and footprints, then give footprints norm 1."""
        supports = self.supports().reshape(len(self), self.disc.size)
        for _ in range(iterations):
            self._fit_traces()
            self._fit_weights(supports)
        self._normalise()

    def pairs(self) -> Pairs:
        """Cells whose windows share pixels."""
        from scipy.spatial import cKDTree

        if self._pairs is None:
            tree = cKDTree(self.centres / self._radius)
            pairs = tree.query_pairs(2 + 1e-9, output_type="ndarray")
            pairs = np.concatenate([pairs, pairs[:, ::-1]])
            pairs = pairs[np.lexsort(pairs.T[::-1])]
            steps = self.centres[pairs[:, 1]] - self.centres[pairs[:, 0]]
            pixels = [self._common[tuple(step)] for step in steps.tolist()]
            mine, theirs = (np.concatenate(part) for part in zip(_NOTHING, *pixels, strict=True))
            self._pairs = Pairs(
                np.searchsorted(pairs[:, 0], np.arange(len(self) + 1)),
                np.ascontiguousarray(pairs[:, 1]),
                np.cumsum([0, *(len(part) for part, _ in pixels)]),
                mine,
                theirs,
            )
        return self._pairs

    def _fit_traces(self) -> None:
        pairs, weights = self.pairs(), self.weights.reshape(len(self), self.disc.size)
        scaled = weights * _inverse(np.einsum("kp,kp->k", weights, weights))
        numbers = np.arange(self._valid.size).reshape(self._valid.shape)
        footprints = self._matrix(scaled.reshape(self.weights.shape), numbers, self._valid.size)
        products = footprints @ self._movie.reshape(-1, self.bins)
        overlap = overlaps(pairs, scaled, weights)
        for _ in range(_TRACE_SWEEPS):
            self._sweep_traces(pairs, overlap, products, self.traces)

    def _fit_weights(self, supports: Array) -> None:
        pairs, weights = self.pairs(), self.weights.reshape(len(self), self.disc.size)
        scaled = self.traces * _inverse(np.einsum("kt,kt->k", self.traces, self.traces))
        products, gram = np.empty_like(weights), np.empty(len(pairs.cells), np.float32)
        for k, centre in enumerate(self.centres):
            products[k] = (self.window(self._movie, centre) @ scaled[k]).ravel()
            near = slice(pairs.ends[k], pairs.ends[k + 1])
            gram[near] = self.traces[pairs.cells[near]] @ scaled[k]
        products *= supports
        for _ in range(_WEIGHT_SWEEPS):
            self._sweep_weights(pairs, gram, products, weights)

    def _normalise(self) -> None:
        flat = self.weights.reshape(len(self), self.disc.size)
        sizes = np.sqrt(np.einsum("kp,kp->k", flat, flat))[:, np.newaxis]
        sizes[sizes == 0] = 1
        flat /= sizes
        self.traces *= sizes

    def keep(self, chosen: Array) -> None:
        """Keep the cells of a mask or of numbers, in this order."""
        self._pairs = None
        self.centres = self.centres[chosen]
        self.weights = self.weights[chosen]
        self.traces = self.traces[chosen]

    def merge(self, inside: Array) -> None:
        """Merge pairs that share pixels and activity, or of which one lies in the other.

        Parameters
        ----------
        inside : ndarray of bool, shape (K, *window)
            Mask of each cell in its window.
        """
        flat, weights = (a.reshape(len(self), self.disc.size) for a in (inside, self.weights))
        strength = np.square(self.traces).sum(axis=1)
        areas = flat.sum(axis=1)
        kept = (strength > 0) & (areas > 0)
        pairs = self.pairs()
        cell = np.repeat(np.arange(len(self)), np.diff(pairs.ends))
        least = np.maximum(1, np.minimum(areas[cell], areas[pairs.cells]))
        share = overlaps(pairs, flat, flat) / least
        for k in np.argsort(-strength, kind="stable"):
            if not kept[k]:
                continue
            first, last = pairs.ends[k : k + 2]
            for pair in first + np.flatnonzero(share[first:last] > _SHARED):
                j = pairs.cells[pair]
                if not kept[j] or (strength[j], -j) > (strength[k], -k):
                    continue
                alike = correlation(self.traces[k], self.traces[j]) > _ALIKE
                if alike or share[pair] > _INSIDE:
                    scale = np.float32((strength[j] / strength[k]) ** 0.5)
                    pixels = slice(*pairs.pixel_ends[pair : pair + 2])
                    weights[k, pairs.mine[pixels]] += scale * weights[j, pairs.theirs[pixels]]
                    kept[j] = False
        self.keep(kept)
        self._normalise()

    def recentre(self) -> None:
        """Move windows to the centroids of their footprints."""
        self._pairs = None
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


def _inverse(values: Array) -> Array:
    """1 / each value as a column; zero for zero."""
    inverse = np.zeros_like(values)
    np.divide(1, values, out=inverse, where=values > 0)
    return inverse[:, np.newaxis]


class _CommonPixels(dict[tuple[int, ...], "tuple[Array, Array]"]):
    """Flat positions in two windows of the pixels that are in the discs of both.

    The key is the step from the centre of the first window to that of the second.
    """

    def __init__(self, disc: Array) -> None:
        self._disc = disc
        self._places = np.arange(disc.size).reshape(disc.shape)

    def __missing__(self, step: tuple[int, ...]) -> tuple[Array, Array]:
        mine = tuple(
            slice(max(0, d), min(n, n + d)) for d, n in zip(step, self._disc.shape, strict=True)
        )
        other = tuple(
            slice(max(0, -d), min(n, n - d)) for d, n in zip(step, self._disc.shape, strict=True)
        )
        inside = self._disc[mine] & self._disc[other]
        self[step] = self._places[mine][inside], self._places[other][inside]
        return self[step]


def connected(weights: Array, least: Array) -> Array:
    """Keep the weights of each window above a level in the connected part of the largest sum.

    Parameters
    ----------
    weights : ndarray of float32, shape (K, *window)
    least : ndarray, shape (K,)

    Returns
    -------
    ndarray of float32, shape (K, *window)

    Examples
    --------
    >>> connected(np.array([[3.0, 0, 1, 1, 0.2], [0, 2, 1, 0, 0]]), np.array([0.5, 0.5]))
    array([[3., 0., 0., 0., 0.],
           [0., 2., 1., 0., 0.]], dtype=float32)
    """
    labels, count = labelled(weights > least.reshape(-1, *[1] * (weights.ndim - 1)))
    sums = np.bincount(labels.ravel(), weights.ravel(), count + 1)
    window = np.zeros(count + 1, np.int64)
    window[labels] = np.arange(len(weights)).reshape(-1, *[1] * (weights.ndim - 1))
    order = np.lexsort((-sums[1:], window[1:])) + 1
    windows, first = np.unique(window[order], return_index=True)
    largest = np.full(len(weights), -1)
    largest[windows] = order[first]
    return np.where(labels == largest.reshape(-1, *[1] * (weights.ndim - 1)), weights, 0).astype(
        np.float32
    )


def labelled(inside: Array) -> tuple[Array, int]:
    """Number the connected parts of the mask of each window, from 1 on over all windows.

    Examples
    --------
    >>> labelled(np.array([[True, False, True], [True, True, False]]))
    (array([[1, 0, 2],
           [3, 3, 0]], dtype=int32), 3)
    """
    from scipy import ndimage

    structure = np.zeros((3,) * inside.ndim, bool)
    structure[1] = ndimage.generate_binary_structure(inside.ndim - 1, 1)
    labels, count = ndimage.label(inside, structure)
    return labels, int(count)


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
