"""Exchanges between images and blocks: pieces of frames into blocks, and back.

A block is a record of dtype object: an array ``(n, *outer)`` of all frames of one region.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike.engines.base import Spec

if TYPE_CHECKING:
    from thunderlike._typing import Array
    from thunderlike.data.grid import Grid

__all__ = ["FromBlocks", "FromBlocksToSeries", "ToBlocks"]


@dataclass(frozen=True)
class ToBlocks:
    """Cut every frame, and put the parts of a block together."""

    images: Spec
    grid: Grid

    @property
    def spec(self) -> Spec:
        """A block for each cell of the grid."""
        weight = max(1, self.images.nbytes // max(1, self.grid.count))
        return Spec(self.grid.count, (), np.dtype(object), weight)

    def cut(self, start: int, block: Array, first: int, last: int) -> tuple[int, list[Array]]:
        """Of each region, the part in these frames."""
        return start, [block[(slice(None), *self.grid.outer(i))] for i in range(first, last)]

    def place(self, out: Array, first: int, piece: tuple[int, list[Array]]) -> None:  # noqa: ARG002
        """Write the frames into the blocks, which the first piece to come makes."""
        start, parts = piece
        for row, part in enumerate(parts):
            if out[row] is None:
                out[row] = np.empty((self.images.count, *part.shape[1:]), self.images.dtype)
            out[row][start : start + len(part)] = part


@dataclass(frozen=True)
class FromBlocks:
    """Take each block without its padding, and put frames together.

    Parameters
    ----------
    spec : Spec
        The images.
    grid : Grid
        How they are cut.
    """

    spec: Spec
    grid: Grid

    def cut(self, start: int, block: Array, first: int, last: int) -> list[tuple[int, Array]]:
        """Of each block, these frames."""
        return [
            (start + row, values[(slice(first, last), *self.grid.inner(start + row))])
            for row, values in enumerate(block)
        ]

    def place(self, out: Array, first: int, piece: list[tuple[int, Array]]) -> None:  # noqa: ARG002
        """Write the region of each block."""
        for number, part in piece:
            out[(slice(None), *self.grid.own(number))] = part


@dataclass(frozen=True)
class FromBlocksToSeries:
    """Take the series of the pixels of each block, without its padding.

    Parameters
    ----------
    spec : Spec
        The series, one for each pixel of an image.
    grid : Grid
        How images are cut.
    """

    spec: Spec
    grid: Grid

    def cut(self, start: int, block: Array, first: int, last: int) -> list[tuple[Any, Array]]:
        """Of each block, the pixels in the range and their series."""
        return [
            piece
            for row, values in enumerate(block)
            if len((piece := self._pixels(start + row, values, first, last))[0])
        ]

    def _pixels(self, number: int, values: Array, first: int, last: int) -> tuple[Any, Array]:
        pixels = self.grid.pixels(number)
        wanted = (pixels >= first) & (pixels < last)
        own = values[(slice(None), *self.grid.inner(number))].reshape(len(values), len(pixels))
        return pixels[wanted] - first, own[:, wanted].T

    def place(self, out: Array, first: int, piece: list[tuple[Any, Array]]) -> None:  # noqa: ARG002
        """Write each pixel's series."""
        for rows, series in piece:
            out[rows] = series
