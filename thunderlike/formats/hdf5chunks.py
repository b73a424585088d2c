"""Chunks of HDF5 datasets, packed and unpacked here: the library does it on one thread at a time.

Only the filters that every HDF5 tool knows, shuffle and zlib; datasets with any other are left to
the library.
"""

from __future__ import annotations

import itertools
import math
import zlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike.errors import FormatError
from thunderlike.parallel.threads import tmap

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

__all__ = ["LEVEL", "Packing", "read_chunks", "write_chunks"]

LEVEL = 1  # of zlib: a third of the time of level 9 at nearly the same size
_KNOWN = {(): (False, False), (1,): (False, True), (2,): (True, False), (2, 1): (True, True)}


@dataclass(frozen=True)
class Packing:
    r"""How the numbers of a chunk become bytes.

    Parameters
    ----------
    shape, dtype
        Of a chunk, with the byte order in the file.
    shuffled : bool
        First the first bytes of all numbers, then the second ones, and so on.
    deflated : bool
        Then compressed by zlib.

    Examples
    --------
    >>> packing = Packing((2, 3), np.dtype("<u2"), shuffled=True, deflated=False)
    >>> packing.pack(np.array([[1, 2, 3], [4, 5, 6]], "<u2"))
    b'\x01\x02\x03\x04\x05\x06\x00\x00\x00\x00\x00\x00'
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    shuffled: bool
    deflated: bool

    @classmethod
    def of(cls, dataset: Any) -> Packing | None:
        """Learn it from an open dataset; None when the library must unpack it."""
        import h5py

        if not dataset.chunks or not dataset.size:
            return None
        made = dataset.id.get_create_plist()
        filters = _KNOWN.get(tuple(made.get_filter(i)[0] for i in range(made.get_nfilters())))
        grid = (-(-n // c) for n, c in zip(dataset.shape, dataset.chunks, strict=True))
        as_numpy = h5py.h5t.py_create(dataset.dtype, logical=True) == dataset.id.get_type()
        # Chunks that were never written stand for the fill value: the library knows it.
        if filters is None or not as_numpy or dataset.id.get_num_chunks() != math.prod(grid):
            return None
        return cls(dataset.chunks, dataset.dtype, *filters)

    @property
    def nbytes(self) -> int:
        """Of a chunk, unpacked."""
        return math.prod(self.shape) * self.dtype.itemsize

    def without(self, mask: int) -> Packing:
        """Packing of a chunk for which the library left some filters out, as deflation that grew.

        Parameters
        ----------
        mask : int
            Bit i stands for the i-th filter.
        """
        if not mask:
            return self
        deflate = mask >> 1 if self.shuffled else mask
        return replace(
            self,
            shuffled=self.shuffled and not mask & 1,
            deflated=self.deflated and not deflate & 1,
        )

    def pack(self, part: NDArray[Any]) -> bytes:
        """Return the bytes of a chunk; one at the edge, which is smaller, is filled up with zeros.

        The same bytes for the same numbers, always.
        """
        chunk = part
        if part.shape != self.shape:
            chunk = np.zeros(self.shape, self.dtype)
            chunk[tuple(map(slice, part.shape))] = part
        numbers = np.ascontiguousarray(chunk, self.dtype)
        if self.shuffled:
            numbers = np.ascontiguousarray(self._columns(numbers))
        return zlib.compress(numbers.data, LEVEL) if self.deflated else numbers.tobytes()

    def unpack(self, data: bytes) -> NDArray[Any]:
        """Return the numbers of a chunk; FormatError for bytes that are too few or too many."""
        if self.deflated:
            inflate = zlib.decompressobj()
            # Bounded: what is small in a file may claim to be anything.
            data = inflate.decompress(data, self.nbytes + 1)
        if len(data) != self.nbytes:
            raise FormatError(f"a chunk has {len(data)} bytes, not {self.nbytes}")
        if not self.shuffled:
            return np.frombuffer(data, self.dtype).reshape(self.shape)
        numbers = np.empty(self.shape, self.dtype)
        columns = self._columns(numbers)
        # Row by row: numpy copies the whole transposed several times more slowly.
        for column, row in zip(
            columns, np.frombuffer(data, np.uint8).reshape(columns.shape), strict=True
        ):
            column[...] = row
        return numbers

    def _columns(self, numbers: NDArray[Any]) -> NDArray[np.uint8]:
        """Bytes as they are shuffled: a row of the first ones, a row of the second ones."""
        return numbers.reshape(-1, 1).view(np.uint8).T


def read_chunks(
    dataset: Any, packing: Packing, axis: int, start: int, stop: int, out: NDArray[Any]
) -> None:
    """Read positions ``start .. stop-1`` of an axis, which is the first of `out`.

    The library reads the bytes of each chunk, under its lock; unpacking them holds none.
    """
    whole = list(dataset.shape)
    region = np.moveaxis(out, 0, axis)
    ranges = [(0, n) for n in whole]
    ranges[axis] = (start, stop)
    for corner in _corners(ranges, packing.shape):
        mask, data = dataset.id.read_direct_chunk(corner)
        here, there = _overlap(corner, packing.shape, ranges)
        region[there] = packing.without(mask).unpack(data)[here]


def write_chunks(dataset: Any, packing: Packing, values: NDArray[Any], start: int = 0) -> None:
    """Write rows from `start` on: threads pack the chunks, which then only have to be written.

    Parameters
    ----------
    dataset : h5py.h5d.DatasetID
    packing : Packing
        That of the dataset.
    values : ndarray
        Whole chunks of rows, but at the end of the dataset.
    start : int
        A multiple of the rows of a chunk.
    """
    corners = list(_corners([(0, n) for n in values.shape], packing.shape))

    def packed(corner: tuple[int, ...]) -> bytes:
        sizes = zip(corner, packing.shape, strict=True)
        return packing.pack(values[tuple(slice(a, a + n) for a, n in sizes)])

    for (row, *others), data in zip(corners, tmap(packed, corners), strict=True):
        dataset.write_direct_chunk((start + row, *others), data)


def _corners(ranges: list[tuple[int, int]], chunk: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """First positions of all chunks that hold some of these ranges."""
    steps = (range(a // c * c, b, c) for (a, b), c in zip(ranges, chunk, strict=True))
    return itertools.product(*steps)


def _overlap(
    corner: tuple[int, ...], chunk: tuple[int, ...], ranges: list[tuple[int, int]]
) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Where a chunk and the ranges meet: in the chunk, and in the ranges.

    Examples
    --------
    >>> _overlap((4,), (4,), [(5, 7)])
    ((slice(1, 3, None),), (slice(0, 2, None),))
    """
    here, there = list[slice](), list[slice]()
    for at, length, (first, last) in zip(corner, chunk, ranges, strict=True):
        a, b = max(at, first), min(at + length, last)
        here.append(slice(a - at, b - at))
        there.append(slice(a - first, b - first))
    return tuple(here), tuple(there)
