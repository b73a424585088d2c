"""Exchanges of values between records: transposition and selection."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike.engines.base import Spec
from thunderlike.errors import SpecError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from thunderlike._typing import Array

__all__ = ["Pick", "Transpose", "transpose_into"]


_COLUMNS, _TILE_BYTES = 256, 2**18
_LINE = 64  # bytes of a cache line
_TALL = 512  # records of pieces that are joined: those of a tile of int16


def transpose_into(out: NDArray[Any], piece: NDArray[Any]) -> None:
    """Write the transpose of a piece, tile by tile.

    Read down a column, an image of 256 x 256 puts all its frames into the same few sets of the
    cache, and each element fetches a line that is gone before its neighbour is wanted. So a tile
    is first copied along its rows into a scratch whose rows lie a line further apart, and is
    transposed from there: 7 times faster for such images, and no slower for others.

    Parameters
    ----------
    out : ndarray, shape (p, k)
        Written to; may be a view with strides. Values are cast to its dtype.
    piece : ndarray, shape (k, p)
        k frames of p pixels, or the reverse on the way back; may be a view with strides.

    Raises
    ------
    SpecError
        If one shape is not the reverse of the other.

    Examples
    --------
    >>> out = np.zeros((3, 2), int)
    >>> transpose_into(out, np.array([[1, 2, 3], [4, 5, 6]]))
    >>> out
    array([[1, 4],
           [2, 5],
           [3, 6]])
    """
    if out.shape != piece.shape[::-1]:
        raise SpecError(f"a piece of shape {piece.shape} has no place in one of shape {out.shape}")
    rows = max(1, _TILE_BYTES // (_COLUMNS * max(1, piece.itemsize)))
    scratch = _scratch(min(rows, len(piece)), piece.dtype)
    for left in range(0, piece.shape[1], _COLUMNS):
        for top in range(0, len(piece), rows):
            tile = piece[top : top + rows, left : left + _COLUMNS]
            staged = scratch[: tile.shape[0], : tile.shape[1]]
            staged[...] = tile
            out[left : left + _COLUMNS, top : top + rows] = staged.T


def _scratch(rows: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Room for a tile, its rows a cache line longer than the power of two they would have."""
    return np.empty((rows, _COLUMNS + max(1, _LINE // max(1, dtype.itemsize))), dtype)


@dataclass(frozen=True)
class Transpose:
    """Record j of the new is element j of every old record: images to series, and back.

    Parameters
    ----------
    old : Spec
        The old records, seen flat: ``(count, prod(shape))``, in C order.
    shape : tuple of int
        Shape of the new records, whose size is ``old.count``.

    Examples
    --------
    >>> Transpose(Spec(5, (4, 6), np.dtype("int16")), (5,)).spec
    Spec(count=24, shape=(5,), dtype=dtype('int16'))
    """

    old: Spec
    shape: tuple[int, ...]

    @property
    def spec(self) -> Spec:
        """As many records as an old one has elements."""
        return Spec(math.prod(self.old.shape), self.shape, self.old.dtype)

    def cut(self, start: int, block: Array, first: int, last: int) -> tuple[int, Array]:
        """Columns `first` to `last` of the block, seen as a matrix."""
        return start, _flat(block)[:, first:last]

    def joined(self, pieces: Iterable[tuple[int, Array]]) -> Iterator[tuple[int, Array]]:
        """Join pieces of consecutive old records, since tall tiles are transposed faster.

        Examples
        --------
        >>> exchange = Transpose(Spec(9, (2,)), (9,))
        >>> rows = np.arange(8).reshape(4, 2)
        >>> [piece[0] for piece in exchange.joined([(0, rows[:1]), (1, rows[1:]), (7, rows[:2])])]
        [0, 7]
        """
        held: list[Array] = []
        first = end = 0
        for start, columns in pieces:
            if held and (start != end or end - first >= _TALL):
                yield first, np.concatenate(held)
                held = []
            first = first if held else start
            held.append(columns)
            end = start + len(columns)
        if held:
            yield first, np.concatenate(held)

    def place(self, out: Array, first: int, piece: tuple[int, Array]) -> None:  # noqa: ARG002
        """Write the columns as rows."""
        start, columns = piece
        transpose_into(_flat(out)[:, start : start + len(columns)], columns)


def _flat(records: Array) -> Array:
    """Return records as the rows of a matrix, also of no records."""
    return records.reshape(len(records), math.prod(records.shape[1:]))


@dataclass(frozen=True)
class Pick:
    """Record j of the new is record ``rows[j]`` of the old.

    Parameters
    ----------
    spec : Spec
        The new records.
    rows : ndarray of int64
        Numbers of the old ones, in any order.
    """

    spec: Spec
    rows: NDArray[np.int64]

    def cut(
        self, start: int, block: Array, first: int, last: int
    ) -> tuple[NDArray[np.int64], Array] | None:
        """Return the positions of the new records in the block, and their values."""
        wanted = self.rows[first:last] - start
        (places,) = np.nonzero((wanted >= 0) & (wanted < len(block)))
        return (places, block[wanted[places]]) if len(places) else None

    def place(self, out: Array, first: int, piece: Any) -> None:  # noqa: ARG002
        """Write the values where they belong."""
        places, values = piece
        out[places] = values
