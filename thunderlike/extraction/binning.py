"""Exchange from images to blocks of their means over bins of frames, the input of detection."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from thunderlike._typing import Array
from thunderlike.engines.base import Spec

if TYPE_CHECKING:
    from thunderlike.data.blocks import Grid

__all__ = ["BinnedBlock", "BinnedBlocks"]


# Part of a region in some frames: number of the first whole bin, means of whole bins, other frames
# with the number of the first, saturated frames. A plain tuple, which shuffles take apart.
_Piece: TypeAlias = tuple[int, Array, list[tuple[int, Array]], "Array | int"]


@dataclass(eq=False)
class BinnedBlock:
    """Means of one region over bins of frames, put together from pieces in any order.

    Parameters
    ----------
    values : ndarray of float32, shape (bins, *region)
        NaN in bins without any frame that has a value.
    saturated : ndarray of int64, shape (*region)
        Number of frames at the largest value of an integer dtype.
    frames : int
        Number of frames in all bins.
    pending : dict
        Frames of bins that are not complete yet, by bin and first frame.
    """

    values: Array
    saturated: Array
    frames: int
    pending: dict[int, dict[int, Array]] = field(default_factory=dict)

    def add(self, piece: _Piece, size: int) -> None:
        """Write means, and keep the frames of incomplete bins until all have come."""
        first, means, fragments, saturated = piece
        self.values[first : first + len(means)] = means
        self.saturated += saturated
        for start, frames in fragments:
            number = start // size
            held = self.pending.setdefault(number, {})
            held[start] = frames.copy()  # a shuffle overwrites the buffer of a piece
            if sum(map(len, held.values())) == size:
                joined = np.concatenate([held[at] for at in sorted(held)])
                self.values[number] = _means(joined, size)[0]
                del self.pending[number]


@dataclass(frozen=True)
class BinnedBlocks:
    """Exchange from images to blocks of means over consecutive frames.

    Sums of integers are exact, and those of floating-point numbers are made from the frames of a
    bin in one order, so that no division of the frames changes a bit.

    Parameters
    ----------
    images : Spec
        Of the images.
    grid : Grid
        Of the blocks, which may overlap.
    size : int
        Frames of a bin. Frames after the last whole bin are left out.

    Examples
    --------
    >>> from thunderlike.data.blocks import Grid
    >>> from thunderlike.engines import ArraySource, local
    >>> frames = local().load(ArraySource(np.arange(12.0).reshape(6, 2)))
    >>> exchange = BinnedBlocks(frames.spec, Grid((2,), (2,), (0,)), 3)
    >>> frames.regroup(exchange).collect()[0].values
    array([[2., 3.],
           [8., 9.]], dtype=float32)
    """

    images: Spec
    grid: Grid
    size: int

    @property
    def bins(self) -> int:
        """Number of whole bins."""
        return self.images.count // self.size

    @property
    def spec(self) -> Spec:
        """A block for each cell of the grid."""
        outer = sum(
            math.prod(s.stop - s.start for s in self.grid.outer(number))
            for number in range(self.grid.count)
        )
        weight = max(1, outer * 4 * self.bins // max(1, self.grid.count))
        return Spec(self.grid.count, (), np.dtype(object), weight)

    def cut(self, start: int, block: Array, first: int, last: int) -> list[_Piece]:
        """Of each region, the means of bins within these frames, and the frames of other bins."""
        block = block[: max(0, self.bins * self.size - start)]
        return [
            self._piece(start, block[(slice(None), *self.grid.outer(number))])
            for number in range(first, last)
        ]

    def _piece(self, start: int, frames: Array) -> _Piece:
        stop = start + len(frames)
        first = -(-start // self.size)
        last = max(first, stop // self.size)
        head, tail = min(first * self.size, stop), max(last * self.size, start)
        whole = frames[head - start : max(last * self.size - start, head - start)]
        fragments = [
            (a, frames[a - start : b - start].copy())
            for a, b in ((start, head), (max(tail, head), stop))
            if b > a
        ]
        if last * self.size > stop:  # all frames are inside of one bin
            whole = frames[:0]
        return first, _means(whole, self.size), fragments, _saturated(frames)

    def place(self, out: Array, first: int, piece: list[_Piece]) -> None:  # noqa: ARG002
        """Write the means into the blocks, which the first piece to come makes."""
        for row, part in enumerate(piece):
            # An uninitialised array of objects holds None.
            if out[row] is None:
                region = part[1].shape[1:]
                values = np.empty((self.bins, *region), np.float32)
                out[row] = BinnedBlock(values, np.zeros(region, np.int64), self.bins * self.size)
            out[row].add(part, self.size)


def _means(frames: Array, size: int) -> Array:
    """Mean of each bin in float32; frames of NaN only are left out."""
    bins = frames.reshape(-1, size, *frames.shape[1:])
    kind = frames.dtype.kind
    short = kind != "f" and frames.itemsize <= 2 and size < 2**15  # whose sum is below 2**31
    sums: Array = np.add.reduce(bins, axis=1, dtype=np.int32 if short else np.float64)
    means = np.divide(sums, size, out=np.empty(sums.shape, np.float32), casting="same_kind")
    if kind == "f" and np.isnan(means).any():
        for mean, one in zip(means, bins, strict=True):
            known = ~np.isnan(one).all(axis=tuple(range(1, one.ndim)))
            if not known.all():
                mean[...] = one[known].mean(axis=0, dtype=np.float64) if known.any() else np.nan
    return means


def _saturated(frames: Array) -> Array | int:
    """Number of frames at the largest value of an integer dtype, for each pixel."""
    if frames.dtype.kind not in "iu" or not frames.size:
        return 0
    limit = np.iinfo(frames.dtype).max
    if frames.max() < limit:
        return 0
    counts: Array = (frames == limit).sum(axis=0, dtype=np.int64)
    return counts
