"""Noise, baseline and background of binned movies, held with time as the last axis."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from thunderlike.kernels.box_sums import box_sums

if TYPE_CHECKING:
    from thunderlike._typing import Array, Shape

__all__ = ["Background", "Boxes", "high_pass", "noise"]

_MAD = 1.4826 / math.sqrt(2)  # of differences of two values
_LEAST_NOISE = 0.1  # of the median over pixels
_HIGHEST_GAIN, _GAIN_SPREAD = 1.5, 0.3
_TILE = 2**17  # numbers that are worked on at once


def noise(movie: Array) -> Array:
    """Standard deviation of the noise of each pixel, by the median of absolute differences.

    Parameters
    ----------
    movie : ndarray of float32, shape (..., bins)

    Returns
    -------
    ndarray of float32, shape (...)

    Examples
    --------
    >>> values = np.random.default_rng(0).normal(0, 3, (2, 10_000)).astype("float32")
    >>> noise(values).round(1)
    array([3., 3.], dtype=float32)
    """
    flat = movie.reshape(-1, movie.shape[-1])
    found = np.empty(len(flat), np.float32)
    rows = max(1, _TILE // flat.shape[1])
    for start in range(0, len(flat), rows):
        steps = np.diff(flat[start : start + rows], axis=1)
        np.abs(steps, out=steps)
        found[start : start + rows] = _medians(steps)
    return found.reshape(movie.shape[:-1]) * np.float32(_MAD)


def _medians(rows: Array) -> Array:
    """Median of each row; changes the order of the values."""
    # numpy.median selects three ranks of each row, at four times the cost of one.
    half = rows.shape[1] // 2
    rows.partition(half, axis=1)
    if rows.shape[1] % 2:
        return rows[:, half]
    middle: Array = (rows[:, half] + rows[:, :half].max(axis=1)) / 2
    return middle


def high_pass(movie: Array, window: int) -> None:
    """Subtract a running mean and then the median of each pixel, in place.

    Parameters
    ----------
    movie : ndarray of float32, shape (..., bins)
    window : int
        Bins of the mean; at the ends it has fewer.
    """
    flat = movie.reshape(-1, movie.shape[-1])
    length = flat.shape[1]
    half = max(1, window // 2)
    complete = max(0, length - half)  # means up to their last bin
    places = np.arange(length)
    sizes = np.minimum(places + half + 1, length) - np.maximum(places - half, 0)
    rows = max(1, _TILE // length)
    for start in range(0, len(flat), rows):
        tile = flat[start : start + rows]
        if window < 2 * length:
            sums = np.zeros((len(tile), length + 1))
            np.cumsum(tile, axis=1, dtype=np.float64, out=sums[:, 1:])
            means = np.empty((len(tile), length))
            means[:, :complete] = sums[:, length + 1 - complete :]
            means[:, complete:] = sums[:, -1:]
            means[:, half:] -= sums[:, :complete]
            means /= sizes
            tile -= means.astype(np.float32)
        tile -= _medians(tile.copy())[:, np.newaxis]


@dataclass(frozen=True, eq=False)
class Boxes:
    """Means over a box around each pixel, of the pixels inside of the image that count.

    Parameters
    ----------
    valid : ndarray of bool, shape (*shape)
        Pixels that count.
    sizes : tuple of int
        Odd sides of the box along each axis.
    compiled : bool
        Whether to run compiled loops, which give the same bits.

    Examples
    --------
    >>> boxes = Boxes(np.array([True, True, False]), (3,))
    >>> values = np.array([[2.0], [4], [0]], "float32")
    >>> boxes.means(values, np.empty_like(values))[:, 0]
    array([3., 3., 0.], dtype=float32)
    """

    valid: Array
    sizes: Shape
    compiled: bool = False

    @cached_property
    def _weights(self) -> Array:
        """1 / the number of pixels in each box that count; zero in pixels that do not."""
        valid = self.valid.astype(np.float32)
        counts = np.empty((*valid.shape, 1), np.float32)
        box_sums(valid[..., np.newaxis], self.sizes, np.ones_like(valid), counts)
        weights: Array = valid / np.maximum(counts[..., 0], np.float32(1))
        return weights

    def means(self, values: Array, out: Array) -> Array:
        """Mean of each box, which replaces the values of `out`.

        Parameters
        ----------
        values : ndarray of float32, shape (*shape, bins)
            Zero in pixels that do not count.
        out : ndarray of float32, shape (*shape, bins)
            For the result; not `values`. Fresh memory would cost more time than the sums.

        Returns
        -------
        ndarray of float32, shape (*shape, bins)
            `out`; zero in pixels that do not count.
        """
        box_sums(values, self.sizes, self._weights, out, compiled=self.compiled)
        return out


@dataclass(frozen=True, eq=False)
class Background:
    """Smooth background of a movie, with a gain for each pixel.

    A box mean S of the movie without cells would leak the curvature of the neuropil: the mean of a
    box is more than its centre where the pattern is convex. ``2 S - SS``, with the box applied
    twice, cancels that to second order. Cells show less of the neuropil than the tissue
    around: each pixel has a gain, the regression of its own values on the background, from 0 to
    1.5. It is drawn to 1 where the background changes little relative to the noise.

    Parameters
    ----------
    deviation : ndarray of float32, shape (*shape)
        Noise of each pixel; zero in those that do not count.
    sizes : tuple of int
        Odd sides of the box.
    compiled : bool
        As of :class:`Boxes`.
    """

    deviation: Array
    sizes: Shape
    compiled: bool = False

    @cached_property
    def _boxes(self) -> Boxes:
        return Boxes(self.deviation > 0, self.sizes, self.compiled)

    def subtracted(
        self, movie: Array, out: Array, work: Array, cells_removed: Array | None = None
    ) -> Array:
        """Return the movie less its background, in units of the noise.

        Parameters
        ----------
        movie : ndarray of float32, shape (*shape, bins)
            Zero in pixels that do not count.
        out : ndarray of float32, shape (*shape, bins)
            For the result; may be `cells_removed`.
        work : ndarray of float32, shape (2, *shape, bins)
            Overwritten.
        cells_removed : ndarray, optional
            The movie without its cells, from which the background is computed; by default `movie`.

        Returns
        -------
        ndarray of float32, shape (*shape, bins)
            `out`.
        """
        source = movie if cells_removed is None else cells_removed
        smooth = self._boxes.means(source, work[0])
        twice = self._boxes.means(smooth, work[1])
        prior = np.square(self.deviation / _GAIN_SPREAD)
        inverse = np.zeros_like(self.deviation)
        np.divide(1, self.deviation, out=inverse, where=self._boxes.valid)
        for row in np.ndindex(movie.shape[:-2]):  # of a size that the cache holds
            change = smooth[row]
            change *= 2
            change -= twice[row]
            change -= change.mean(axis=-1, keepdims=True)
            products = np.einsum("xt,xt->x", source[row], change) + prior[row]
            squares = np.einsum("xt,xt->x", change, change) + prior[row]
            gain = np.clip(products / np.maximum(squares, 1e-12), 0, _HIGHEST_GAIN)
            change *= gain[:, np.newaxis]
            np.subtract(movie[row], change, out=out[row])
            out[row] *= inverse[row][:, np.newaxis]
        return out
