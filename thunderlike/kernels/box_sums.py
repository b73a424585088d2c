"""Sums over boxes of movies, held with time as the last axis."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from thunderlike.kernels._numba import jit

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from thunderlike._typing import Array

__all__ = ["box_sums"]


def box_sums(
    values: Array, sizes: Sequence[int], weights: Array, out: Array, *, compiled: bool = False
) -> None:
    """Sum over a box around each pixel, times the weight of the pixel; zero outside of the image.

    Parameters
    ----------
    values : ndarray of float32, shape (*shape, bins)
        C-contiguous.
    sizes : sequence of int
        Odd sides of the box along each axis of `shape`.
    weights : ndarray of float32, shape (*shape)
    out : ndarray of float32, shape (*shape, bins)
        For the result; C-contiguous, and not `values`.
    compiled : bool
        Whether to run compiled loops, which give the same bits.

    Examples
    --------
    >>> out = np.empty((4, 1), "float32")
    >>> box_sums(np.ones((4, 1), "float32"), [3], np.full(4, 10, "float32"), out)
    >>> out[:, 0]
    array([20., 30., 30., 20.], dtype=float32)
    """
    halves = [size // 2 for size in sizes]
    if len(halves) > 2:
        for plane, factors, place in zip(
            _running_sums(values, halves[0]), weights, out, strict=True
        ):
            box_sums(plane, sizes[1:], factors, place, compiled=compiled)
        return
    rows, columns = ([0, *halves])[-2:]
    image = (math.prod(weights.shape[:-1]), weights.shape[-1])
    loops = _sums_of_image.choose(compiled)
    values, out = (array.reshape(*image, -1) for array in (values, out))
    loops(values, rows, columns, weights.reshape(image), out)


def _running_sums(values: Array, half: int) -> Iterator[Array]:
    """Sum of each entry along the first axis and `half` before and after; one array, reused."""
    if not half:
        yield from values
        return
    total = np.zeros_like(values[0])
    for entry in values[:half]:
        total += entry
    for row in range(len(values)):
        if row + half < len(values):
            total += values[row + half]
        if row > half:
            total -= values[row - half - 1]
        yield total


def _sums_of_image_plain(
    values: Array, rows: int, columns: int, weights: Array, out: Array
) -> None:
    lines = np.empty_like(values)
    for line, total in zip(lines, _running_sums(values, rows), strict=True):
        line[...] = total
    across, factors, places = (np.moveaxis(a, 1, 0) for a in (lines, weights, out))
    for total, factor, place in zip(_running_sums(across, columns), factors, places, strict=True):
        np.multiply(total, factor[:, np.newaxis], out=place)


@jit(plain=_sums_of_image_plain)
def _sums_of_image(values: Array, rows: int, columns: int, weights: Array, out: Array) -> None:
    """Weighted sums over boxes of an image, in one pass.

    Parameters
    ----------
    values, out : ndarray of float32, shape (height, width, bins)
    rows, columns : int
        On either side of a pixel.
    weights : ndarray of float32, shape (height, width)
    """
    height, width, bins = values.shape
    line = np.zeros((width, bins), values.dtype)  # sums along the columns of one row
    total = np.empty(bins, values.dtype)
    for row in range(min(rows, height)):
        for x in range(width):
            for t in range(bins):
                line[x, t] += values[row, x, t]
    for row in range(height):
        if rows == 0:
            line[:] = values[row]
        if rows and row + rows < height:
            below = values[row + rows]
            for x in range(width):
                for t in range(bins):
                    line[x, t] += below[x, t]
        if rows and row > rows:
            above = values[row - rows - 1]
            for x in range(width):
                for t in range(bins):
                    line[x, t] -= above[x, t]
        total[:] = 0
        for x in range(min(columns, width)):
            for t in range(bins):
                total[t] += line[x, t]
        for x in range(width):
            if columns == 0:
                total[:] = line[x]
            if columns and x + columns < width:
                for t in range(bins):
                    total[t] += line[x + columns, t]
            if columns and x > columns:
                for t in range(bins):
                    total[t] -= line[x - columns - 1, t]
            weight = weights[row, x]
            for t in range(bins):
                out[row, x, t] = total[t] * weight
