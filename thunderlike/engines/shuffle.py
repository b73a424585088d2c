"""Exchanges of values between records: transposition and selection."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike.engines.base import Spec
from thunderlike.kernels.layout import transpose_into

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from thunderlike._typing import Array

__all__ = ["Pick", "Transpose"]


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
