"""How images are cut into a grid of blocks: where each lies, and what its padding covers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from thunderlike._typing import Shape

__all__ = ["Grid"]

Slices: TypeAlias = tuple[slice, ...]


@dataclass(frozen=True)
class Grid:
    """Blocks of an image, numbered in C order of their position in the grid.

    Parameters
    ----------
    image : tuple of int
        Shape of an image.
    chunk : tuple of int
        Shape of a block; the last along an axis may be smaller.
    padding : tuple of int
        How far a block reaches over each of its sides, as far as there is image.

    Examples
    --------
    >>> grid = Grid((5, 6), (2, 3), (1, 1))
    >>> grid.shape, grid.outer(0), grid.inner(5)
    ((3, 2), (slice(0, 3, None), slice(0, 4, None)), (slice(1, 2, None), slice(1, 4, None)))
    """

    image: Shape
    chunk: Shape
    padding: Shape

    @property
    def shape(self) -> Shape:
        """Blocks along each axis."""
        return tuple(-(-n // c) for n, c in zip(self.image, self.chunk, strict=True))

    @property
    def count(self) -> int:
        """Number of blocks."""
        return math.prod(self.shape)

    def own(self, number: int) -> Slices:
        """Where the block lies in the image, without padding."""
        at = np.unravel_index(number, self.shape)
        return tuple(
            slice(int(i) * c, min((int(i) + 1) * c, n))
            for i, c, n in zip(at, self.chunk, self.image, strict=True)
        )

    def outer(self, number: int) -> Slices:
        """Where it lies with padding, which ends where the image does."""
        return tuple(
            slice(max(s.start - p, 0), min(s.stop + p, n))
            for s, p, n in zip(self.own(number), self.padding, self.image, strict=True)
        )

    def inner(self, number: int) -> Slices:
        """What of the padded block is its own."""
        return tuple(
            slice(own.start - outer.start, own.stop - outer.start)
            for own, outer in zip(self.own(number), self.outer(number), strict=True)
        )

    def pixels(self, number: int) -> NDArray[np.int64]:
        """Numbers, in the image seen flat, of the pixels that are its own."""
        axes = np.ix_(*(np.arange(s.start, s.stop) for s in self.own(number)))
        return np.ravel(np.ravel_multi_index(axes, self.image))

    def is_cut(self, axis: int) -> bool:
        """Say whether there is more than one block along an axis of the image."""
        return self.shape[axis] > 1
