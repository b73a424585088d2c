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

__all__ = ["centered", "norm", "tiles"]

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
    count, length = block.shape
    step = max(least, _ELEMENTS // max(1, length, width))
    scratch = np.empty((min(step, count), length), dtype)
    for start in range(0, count, step):
        rows = slice(start, min(start + step, count))
        tile = scratch[: rows.stop - start]
        tile[...] = block[rows]
        yield rows, tile


def centered(tile: Array) -> Array:
    """The tile itself, less the mean of each record; a constant record is then exactly 0.

    Examples
    --------
    >>> centered(np.array([[1.0, 2.0, 6.0], [0.1, 0.1, 0.1]]))
    array([[-2., -1.,  3.],
           [ 0.,  0.,  0.]])
    """
    # Less its first sample, a constant record is exactly 0 and a large offset costs no digits.
    tile -= finite_origin(tile[:, :1])
    tile -= tile.sum(axis=1, keepdims=True) / tile.shape[1]
    return tile


def norm(tile: Array) -> Array:
    """Root of the sum of squares of each record, as a column.

    Examples
    --------
    >>> norm(np.array([[3.0, 4.0]]))
    array([[5.]])
    """
    return np.sqrt(np.einsum("ij,ij->i", tile, tile))[:, np.newaxis]
