"""Weighted sums of the pixels of frames, with weights that are mostly zero."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from thunderlike.kernels._numba import jit

if TYPE_CHECKING:
    from scipy.sparse import csr_array

    from thunderlike._typing import Array

__all__ = ["SparseRows", "weighted_sums"]

_SCRATCH = 2**18  # elements of the frames that are multiplied at once in float64: 2 MiB
_MOST_FRAMES = 64


@dataclass(frozen=True, eq=False)
class SparseRows:
    """Rows of weights: for each row the pixels with a weight, in the order of their numbers.

    Parameters
    ----------
    starts : ndarray of int64, shape (rows + 1,)
        Position of the first entry of each row.
    pixels : ndarray of int64, shape (n,)
        Number of the pixel of each entry.
    weights : ndarray of float64, shape (n,)
    used : ndarray of int64, shape (m,)
        Numbers of all pixels with a weight, sorted.
    columns : ndarray of int64, shape (n,)
        Position of each entry's pixel in `used`.
    """

    starts: Array
    pixels: Array
    weights: Array
    used: Array
    columns: Array

    @classmethod
    def of(cls, matrix: csr_array) -> Self:
        """Take the rows of a matrix of shape ``(rows, pixels)`` with sorted indices.

        Examples
        --------
        >>> from scipy.sparse import csr_array
        >>> rows = SparseRows.of(csr_array([[0, 0.5, 0, 0.5], [0, 0, 0, 1]]))
        >>> rows.pixels, rows.used
        (array([1, 3, 3]), array([1, 3]))
        """
        pixels = matrix.indices.astype(np.int64)
        used, columns = np.unique(pixels, return_inverse=True)
        weights = matrix.data.astype(np.float64)
        return cls(matrix.indptr.astype(np.int64), pixels, weights, used, columns)

    def __len__(self) -> int:
        return len(self.starts) - 1


def weighted_sums(block: Array, rows: SparseRows, *, compiled: bool) -> Array:
    """Sum the weighted pixels of each row, in each frame of a block.

    Parameters
    ----------
    block : ndarray of real numbers, shape ``(k, *shape)``
    rows : SparseRows
    compiled : bool
        Whether to run compiled loops.

    Returns
    -------
    ndarray of float32, shape (k, rows)
        NaN for rows without pixels. A sum is that of its frame alone, in the order of the pixels
        and in float64, so that no division of the frames changes it.

    Examples
    --------
    >>> from scipy.sparse import csr_array
    >>> rows = SparseRows.of(csr_array([[0, 0.5, 0, 0.5], [0, 0, 0, 1]]))
    >>> weighted_sums(np.array([[[1, 2], [3, 4]]]), rows, compiled=False)
    array([[3., 4.]], dtype=float32)
    """
    frames = block.reshape(len(block), math.prod(block.shape[1:]))
    out = np.empty((len(frames), len(rows)), np.float32)
    add_up = _add_up.choose(compiled, frames.dtype)
    add_up(frames, rows.starts, rows.pixels, rows.weights, rows.used, rows.columns, out)
    out[:, np.diff(rows.starts) == 0] = np.nan
    return out


def _add_up_plain(
    frames: Array,
    starts: Array,
    pixels: Array,  # noqa: ARG001
    weights: Array,
    used: Array,
    columns: Array,
    out: Array,
) -> None:
    """Multiply the pixels that are used, a few frames at once, with a matrix of scipy."""
    from scipy.sparse import csr_array

    matrix = csr_array((weights, columns, starts), shape=(len(starts) - 1, len(used)))
    step = min(max(_SCRATCH // max(len(used), 1), 1), _MOST_FRAMES)
    for first in range(0, len(frames), step):
        few = frames[first : first + step, used].T
        # The product adds up one entry of a row after the other: the same bits for any `step`.
        out[first : first + step] = (matrix @ np.ascontiguousarray(few, np.float64)).T


@jit(plain=_add_up_plain)
def _add_up(
    frames: Array,
    starts: Array,
    pixels: Array,
    weights: Array,
    used: Array,  # noqa: ARG001
    columns: Array,  # noqa: ARG001
    out: Array,
) -> None:
    """Four frames at once: their sums do not wait for one another, and share the numbers read."""
    count = len(frames)
    for first in range(0, count - count % 4, 4):
        for row in range(len(starts) - 1):
            a = b = c = d = 0.0
            for n in range(starts[row], starts[row + 1]):
                pixel, weight = pixels[n], weights[n]
                a += weight * frames[first, pixel]
                b += weight * frames[first + 1, pixel]
                c += weight * frames[first + 2, pixel]
                d += weight * frames[first + 3, pixel]
            out[first, row], out[first + 1, row] = a, b
            out[first + 2, row], out[first + 3, row] = c, d
    for frame in range(count - count % 4, count):
        for row in range(len(starts) - 1):
            a = 0.0
            for n in range(starts[row], starts[row + 1]):
                a += weights[n] * frames[frame, pixels[n]]
            out[frame, row] = a
