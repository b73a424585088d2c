"""Sums over boxes of movies, held with time as the last axis."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from thunderlike.kernels._numba import jit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from thunderlike._typing import Array

__all__ = ["box_sums"]


def box_sums(
    values: Array, sizes: Sequence[int], out: Array, work: Array, *, compiled: bool = False
) -> None:
    """Sum over a box around each pixel; zero outside of the image.

    Parameters
    ----------
    values : ndarray of float32, shape (*shape, bins)
        C-contiguous.
    sizes : sequence of int
        Odd sides of the box along each axis of `shape`.
    out : ndarray of float32, shape (*shape, bins)
        For the sums; C-contiguous, may be `values`.
    work : ndarray of float32, shape (*shape, bins)
        Overwritten; C-contiguous. Fresh memory would cost more time than the sums.
    compiled : bool
        Whether to run compiled loops, which give the same bits.

    Examples
    --------
    >>> out, work = np.empty((2, 4, 1), "float32")
    >>> box_sums(np.ones((4, 1), "float32"), [3], out, work)
    >>> out[:, 0]
    array([2., 3., 3., 2.], dtype=float32)
    """
    run = _running_sums.choose(compiled)
    axes = [(axis, size // 2) for axis, size in enumerate(sizes) if size > 1]
    if not axes:
        out[...] = values
    elif len(axes) % 2:
        work[...] = values
        values = work
    for axis, half in axes:
        target = out if values is work else work
        parts = (math.prod(values.shape[:axis]), values.shape[axis], -1)
        run(values.reshape(parts), half, target.reshape(parts))
        values = target


def _running_sums_plain(values: Array, half: int, out: Array) -> None:
    length = values.shape[1]
    total = np.zeros_like(values[:, 0])
    for row in range(min(half, length)):
        total += values[:, row]
    for row in range(length):
        if row + half < length:
            total += values[:, row + half]
        if row > half:
            total -= values[:, row - half - 1]
        out[:, row] = total


@jit(plain=_running_sums_plain)
def _running_sums(values: Array, half: int, out: Array) -> None:
    """Sums along the middle axis, whose terms are contiguous.

    Parameters
    ----------
    values, out : ndarray of float32, shape (m, length, bins)
    half : int
        Terms on either side.
    """
    count, length, bins = values.shape
    total = np.empty(bins, values.dtype)
    for part in range(count):
        total[:] = 0
        for row in range(min(half, length)):
            for t in range(bins):
                total[t] += values[part, row, t]
        for row in range(length):
            sums = out[part, row]
            if row + half < length:
                last = values[part, row + half]
                for t in range(bins):
                    total[t] += last[t]
            if row > half:
                first = values[part, row - half - 1]
                for t in range(bins):
                    total[t] -= first[t]
            for t in range(bins):
                sums[t] = total[t]
