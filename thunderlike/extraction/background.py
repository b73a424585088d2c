"""Noise, baseline and background of binned movies, held with time as the last axis."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from thunderlike._typing import Array, Shape

__all__ = ["Background", "box_means", "box_sums", "high_pass", "noise"]

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
        found[start : start + rows] = np.median(steps, axis=1, overwrite_input=True)
    return found.reshape(movie.shape[:-1]) * np.float32(_MAD)


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
    first = np.maximum(np.arange(length) - half, 0)
    last = np.minimum(np.arange(length) + half + 1, length)
    rows = max(1, _TILE // length)
    for start in range(0, len(flat), rows):
        tile = flat[start : start + rows]
        if window < 2 * length:
            sums = np.zeros((len(tile), length + 1))
            np.cumsum(tile, axis=1, dtype=np.float64, out=sums[:, 1:])
            tile -= ((sums[:, last] - sums[:, first]) / (last - first)).astype(np.float32)
        tile -= np.median(tile, axis=1, keepdims=True)


def box_means(values: Array, sizes: Sequence[int], weights: Array) -> Array:
    """Mean over a box around each pixel, of the pixels inside of the image that count.

    Parameters
    ----------
    values : ndarray of float32, shape (*shape, bins)
        Zero in pixels that do not count.
    sizes : sequence of int
        Odd sides of the box along each axis of `shape`.
    weights : ndarray of float32, shape (*shape)
        Number of pixels in each box that count, from :func:`box_sums` of the mask.

    Returns
    -------
    ndarray of float32, shape (*shape, bins)
    """
    sums = box_sums(values, sizes)
    sums *= (1 / np.maximum(weights, 1))[..., np.newaxis]
    return sums


def box_sums(values: Array, sizes: Sequence[int]) -> Array:
    """Sum over a box around each pixel; zero outside of the image.

    One running sum along each axis, whose terms are contiguous over time.

    Examples
    --------
    >>> box_sums(np.ones((4, 1), "float32"), [3])[:, 0]
    array([2., 3., 3., 2.], dtype=float32)
    """
    for axis, size in enumerate(sizes):
        if size > 1:
            values = _running_sum(values, axis, size // 2)
    return values


def _running_sum(values: Array, axis: int, half: int) -> Array:
    out = np.empty_like(values)
    rows, sums = np.moveaxis(values, axis, 0), np.moveaxis(out, axis, 0)
    length = len(rows)
    total = np.zeros(rows.shape[1:], values.dtype)
    for row in rows[:half]:
        total += row
    for number in range(length):
        if number + half < length:
            total += rows[number + half]
        if number > half:
            total -= rows[number - half - 1]
        sums[number] = total
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
    """

    deviation: Array
    sizes: Shape

    @cached_property
    def valid(self) -> Array:
        """Pixels that count."""
        return self.deviation > 0

    @cached_property
    def _counts(self) -> Array:
        return box_sums(self.valid.astype(np.float32)[..., np.newaxis], self.sizes)[..., 0]

    def subtracted(self, movie: Array, cells_removed: Array | None = None) -> Array:
        """Return the movie less its background.

        Parameters
        ----------
        movie : ndarray of float32, shape (*shape, bins)
            Zero in pixels that do not count.
        cells_removed : ndarray, optional
            The movie without its cells, from which the background is computed; by default `movie`.

        Returns
        -------
        ndarray of float32, shape (*shape, bins)
        """
        source = movie if cells_removed is None else cells_removed
        smooth = box_means(source, self.sizes, self._counts)
        smooth *= self.valid[..., np.newaxis]
        twice = box_means(smooth, self.sizes, self._counts)
        smooth *= 2
        smooth -= twice
        smooth -= smooth.mean(axis=-1, keepdims=True)
        products = np.einsum("...t,...t->...", source, smooth)
        squares = np.einsum("...t,...t->...", smooth, smooth)
        prior = np.square(self.deviation / _GAIN_SPREAD)
        gain = (products + prior) / np.maximum(squares + prior, 1e-12)
        np.clip(gain, 0, _HIGHEST_GAIN, out=gain)
        gain *= self.valid
        smooth *= gain[..., np.newaxis]
        return np.subtract(movie, smooth, out=smooth)
