"""A block a few records at a time, in a dtype with room for arithmetic.

A whole block of int16 in float64 is four times its size, and every step of a formula would go
through memory again; a tile of 2 MiB stays in the cache while it is worked on. Smaller ones would
fit a nearer cache, but threads wait for one another between calls as short as those.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from thunderlike.kernels.moments import finite_origin

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import DTypeLike, NDArray

    Array: TypeAlias = NDArray[Any]

__all__ = ["centered", "deviations", "norm", "tiles"]

_ELEMENTS = 2**18  # 2 MiB of float64


def tiles(
    block: Array, dtype: DTypeLike = np.float64, *, width: int = 0, least: int = 1
) -> Iterator[tuple[slice, Array]]:
    """Which records, and a copy of them to scribble on, in one scratch that is used again.

    Parameters
    ----------
    block : ndarray, shape (k, L)
    dtype : dtype
        Of the copies.
    width : int
        Elements a record has while it is worked on, if more than L.
    least : int
        Records of a tile, however long they are.

    Examples
    --------
    >>> block = np.arange(6, dtype="int16").reshape(3, 2)
    >>> [(rows, tile.sum()) for rows, tile in tiles(block)]
    [(slice(0, 3, None), np.float64(15.0))]
    """
    for rows, tile in _rooms(block, dtype, max(1, block.shape[1], width), least):
        tile[...] = block[rows]
        yield rows, tile


def deviations(block: Array) -> Iterator[tuple[slice, Array]]:
    """Which records, and what they deviate by from the mean of each, as `tiles` does.

    Copying and subtracting in one go saves two of seven times through the cache.

    Examples
    --------
    >>> [tile.tolist() for _, tile in deviations(np.array([[1, 2, 6]], "int16"))]
    [[[-2.0, -1.0, 3.0]]]
    """
    for rows, tile in _rooms(block, np.float64, max(1, block.shape[1]), 1):
        yield rows, centered(block[rows], tile)


def _rooms(block: Array, dtype: DTypeLike, width: int, least: int) -> Iterator[tuple[slice, Array]]:
    """Which records, and room for them: parts of one scratch."""
    count, length = block.shape
    step = max(least, _ELEMENTS // width)
    scratch = np.empty((min(step, count), length), dtype)
    for start in range(0, count, step):
        rows = slice(start, min(start + step, count))
        yield rows, scratch[: rows.stop - start]


def centered(records: Array, out: Array) -> Array:
    """Fill `out` with the records less the mean of each; a constant record is then exactly 0.

    Examples
    --------
    >>> records = np.array([[1.0, 2.0, 6.0], [0.1, 0.1, 0.1]])
    >>> centered(records, out=records)
    array([[-2., -1.,  3.],
           [ 0.,  0.,  0.]])
    """
    # Less its first sample, a constant record is exactly 0 and a large offset costs no digits.
    np.subtract(records, finite_origin(records[:, :1]), out=out)
    out -= out.sum(axis=1, keepdims=True) / out.shape[1]
    return out


def norm(tile: Array) -> Array:
    """Root of the sum of squares of each record, as a column.

    Examples
    --------
    >>> norm(np.array([[3.0, 4.0]]))
    array([[5.]])
    """
    return np.sqrt(np.vecdot(tile, tile))[:, np.newaxis]
