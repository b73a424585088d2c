"""A block a few records at a time, in a dtype with room for arithmetic.

A whole block of int16 in float64 is four times its size, and every step of a formula would go
through memory again; a tile of 2 MiB stays in the cache while it is worked on. Smaller ones would
fit a nearer cache, but threads wait for one another between calls as short as those.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import DTypeLike, NDArray

    Array: TypeAlias = NDArray[Any]

__all__ = ["rooms", "tiles"]

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
    for rows, tile in rooms(block, dtype, width=width, least=least):
        tile[...] = block[rows]
        yield rows, tile


def rooms(
    block: Array, dtype: DTypeLike = np.float64, *, width: int = 0, least: int = 1
) -> Iterator[tuple[slice, Array]]:
    """Which records, and room for them: parts of one scratch, as `tiles` cuts them.

    Examples
    --------
    >>> [(rows, room.shape) for rows, room in rooms(np.zeros((3, 2)))]
    [(slice(0, 3, None), (3, 2))]
    """
    count, length = block.shape
    step = max(least, _ELEMENTS // max(1, length, width))
    scratch = np.empty((min(step, count), length), dtype)
    for start in range(0, count, step):
        rows = slice(start, min(start + step, count))
        yield rows, scratch[: rows.stop - start]
