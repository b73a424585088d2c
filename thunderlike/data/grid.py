"""Grids of blocks: their shapes, and the exchange between images and blocks."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from thunderlike.engines.base import Spec
from thunderlike.errors import SpecError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from thunderlike._typing import Array, Shape

__all__ = [
    "FromBlocks",
    "FromBlocksToSeries",
    "Grid",
    "ToBlocks",
    "block_bytes",
    "chunk_shape",
    "grid_of",
]


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
        """Return the region of a block in the image, without padding."""
        at = np.unravel_index(number, self.shape)
        return tuple(
            slice(int(i) * c, min((int(i) + 1) * c, n))
            for i, c, n in zip(at, self.chunk, self.image, strict=True)
        )

    def outer(self, number: int) -> Slices:
        """Return the region with padding, clipped to the image."""
        return tuple(
            slice(max(s.start - p, 0), min(s.stop + p, n))
            for s, p, n in zip(self.own(number), self.padding, self.image, strict=True)
        )

    def inner(self, number: int) -> Slices:
        """Return the region without padding, within the padded block."""
        return tuple(
            slice(own.start - outer.start, own.stop - outer.start)
            for own, outer in zip(self.own(number), self.outer(number), strict=True)
        )

    def pixels(self, number: int) -> NDArray[np.int64]:
        """Return the flat positions in the image of the pixels without padding."""
        axes = np.ix_(*(np.arange(s.start, s.stop) for s in self.own(number)))
        return np.ravel(np.ravel_multi_index(axes, self.image))

    def is_cut(self, axis: int) -> bool:
        """Return True if there are several blocks along an axis of the image."""
        return self.shape[axis] > 1


_UNITS = {"": 10**3, "k": 10**3, "m": 10**6, "g": 10**9}
_BLOCK = 10**8  # bytes of a block of all frames by default


def chunk_shape(chunk_size: Any, images: Spec) -> Shape:
    """Shape of the part of an image that is one block.

    Parameters
    ----------
    chunk_size : 'auto', int, tuple of int or str
        Pixels along every axis, or along each; as text, kilobytes of one image's part, or with a
        unit: ``'200k'``, ``'64M'``. ``'auto'`` makes blocks of about 100 MB over all images.
    images : Spec
        What is cut.

    Notes
    -----
    For a size in bytes, axes are walked from the first to the last: each gets a single pixel while
    one slice is too large, the next as many as fit, and all that follow are whole.

    Examples
    --------
    >>> import numpy as np
    >>> from thunderlike.engines import Spec
    >>> chunk_shape("1", Spec(10, (100, 100), np.dtype("int16")))
    (5, 100)
    """
    if isinstance(chunk_size, str):
        auto = max(_BLOCK // max(1, images.count), 1000)
        return _fitting(auto if chunk_size == "auto" else _text_bytes(chunk_size), images)
    sizes = _per_axis(chunk_size, images.shape)
    if sizes is None or min(sizes, default=1) < 1:
        raise SpecError(
            f"chunk_size={chunk_size!r} does not cut images of shape {images.shape}: give 'auto', "
            "pixels for each axis, or kilobytes as text"
        )
    return tuple(max(1, min(c, n)) for c, n in zip(sizes, images.shape, strict=True))


def block_bytes(chunk_size: Any, images: Spec) -> int | None:
    """Bytes that such a part of all images has; None for ``'auto'``.

    Examples
    --------
    >>> import numpy as np
    >>> from thunderlike.engines import Spec
    >>> block_bytes((2, 3), Spec(10, (4, 6), np.dtype("int16")))
    120
    """
    if isinstance(chunk_size, str) and chunk_size == "auto":
        return None
    pixels = math.prod(chunk_shape(chunk_size, images))
    return max(1, pixels * images.dtype.itemsize * images.count)


def grid_of(chunk_size: Any, padding: Any, images: Spec) -> Grid:
    """Cut images into a grid of blocks.

    Parameters
    ----------
    chunk_size : 'auto', int, tuple of int or str
        As in :func:`chunk_shape`.
    padding : None, int or tuple of int
        Overlap of neighbouring blocks, along every axis or each.

    Raises
    ------
    SpecError
        For a padding larger than a block.
    """
    chunk = chunk_shape(chunk_size, images)
    sizes = _per_axis(0 if padding is None else padding, images.shape)
    if sizes is None or any(not 0 <= p <= c for p, c in zip(sizes, chunk, strict=True)):
        raise SpecError(
            f"padding={padding!r} does not fit blocks of shape {chunk}: give at most that many "
            "pixels along each axis"
        )
    return Grid(images.shape, chunk, sizes)


def _per_axis(value: Any, shape: Shape) -> Shape | None:
    """Return an int for each axis, or None for any other value."""
    values = tuple(value) if hasattr(value, "__len__") else (value,) * len(shape)
    try:
        whole = tuple(int(v) for v in values)
    except (TypeError, ValueError):
        return None
    return whole if len(whole) == len(shape) and whole == values else None


def _fitting(nbytes: int, images: Spec) -> Shape:
    """The largest part of an image of at most so many bytes, walking the axes in order."""
    room, shape, chunk = max(1, nbytes // images.dtype.itemsize), images.shape, []
    for axis, n in enumerate(shape):
        step = math.prod(shape[axis + 1 :])
        chunk.append(max(1, min(n, room // max(1, step))))
        if room >= step:  # this axis is cut, or whole; what follows is whole
            return (*chunk, *(max(1, n) for n in shape[axis + 1 :]))
    return tuple(chunk)


def _text_bytes(text: str) -> int:
    found = re.fullmatch(r"(\d+(?:\.\d*)?)\s*([kmg]?)b?", text.strip().lower())
    if found is None or float(found.group(1)) <= 0:
        raise SpecError(
            f"chunk_size={text!r} is not a size: expected '150' (kilobytes), '200k' or '64M'"
        )
    return max(1, int(float(found.group(1)) * _UNITS[found.group(2)]))


@dataclass(frozen=True)
class ToBlocks:
    """Exchange from images to blocks."""

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
    """Exchange from blocks, without padding, to images.

    Parameters
    ----------
    spec : Spec
        The images.
    grid : Grid
        Grid of the blocks.
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
    """Exchange from blocks, without padding, to series of pixels.

    Parameters
    ----------
    spec : Spec
        The series, one for each pixel of an image.
    grid : Grid
        Grid of the blocks.
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
