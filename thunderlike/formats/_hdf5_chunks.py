"""Chunks of HDF5 datasets: limits for untrusted files, and decoding without the library lock."""

from __future__ import annotations

import itertools
import math
import zlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike.errors import FormatError, Hdf5Error, RefusedError
from thunderlike.formats.unpacked import unpacked_size
from thunderlike.parallel.threads import tmap

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import h5py
    from h5py.h5d import DatasetID, StoreInfo
    from h5py.h5p import PropDCID
    from numpy.typing import NDArray

__all__ = ["LEVEL", "Packing", "check_chunks", "check_inside", "read_chunks", "write_chunks"]


def check_inside(dataset: DatasetID) -> PropDCID | None:
    """Return how an array is laid out, None for one that is a single piece of this file.

    Parameters
    ----------
    dataset : h5py.h5d.DatasetID
        The array, opened; nothing of it is read.

    Raises
    ------
    RefusedError
        When its values are in other files.

    Examples
    --------
    >>> import io, h5py
    >>> with h5py.File(io.BytesIO(), "w") as file:
    ...     packed = file.create_dataset("x", data=range(10), chunks=(5,))
    ...     check_inside(packed.id).get_chunk()
    (5,)
    """
    from h5py import h5d

    if dataset.get_offset() is not None:
        return None  # HDF5 has it only of such: not of chunks, nor of what is elsewhere
    plist = dataset.get_create_plist()
    if plist.get_layout() == h5d.VIRTUAL:
        raise RefusedError("is a virtual dataset, which reads other files")
    if plist.get_external_count():
        raise RefusedError(
            "has its values in another file, which could be any file of this machine"
        )
    return plist


def check_chunks(dataset: DatasetID, box: Sequence[tuple[int, int]] | None = None) -> None:
    """Refuse chunks that unpack to more than a chunk holds: HDF5 sets no limit to that.

    Parameters
    ----------
    dataset : h5py.h5d.DatasetID
        The array. Chunks that could not become large are not looked at.
    box : sequence of (int, int), optional
        First position along each axis that will be read, and the one after the last.

    Raises
    ------
    Hdf5Error
        For such a chunk.
    """
    from h5py import h5d

    plist = dataset.get_create_plist()
    if plist.get_layout() != h5d.CHUNKED:
        return
    filters = [plist.get_filter(number) for number in range(plist.get_nfilters())]
    packed = [place for place, (code, *_) in enumerate(filters) if code in _CODECS]
    if not packed:
        return
    ratio = max(_RATIOS.get(filters[place][0], math.inf) for place in packed)
    if len(packed) > 1:
        ratio = math.inf  # of one codec after another the ratios multiply
    chunk = plist.get_chunk()
    most = math.prod(chunk) * dataset.get_type().get_size() + _CHECKSUM
    doubtful = []

    def look(info: StoreInfo) -> None:
        near = box is None or all(
            at < stop and start < at + length
            for at, length, (start, stop) in zip(info.chunk_offset, chunk, box, strict=True)
        )
        if near and info.size and info.size * ratio > max(2 * most, _HARMLESS):
            doubtful.append((info.chunk_offset, info.filter_mask))

    dataset.chunk_iter(look)
    for offset, mask in doubtful:
        # Bit i of the mask is set where filter i was left out, as for chunks that would grow.
        active = [place for place in packed if not mask & 1 << place]
        codecs = [(_CODECS[filters[place][0]], filters[place][2]) for place in reversed(active)]
        _check_chunk(dataset.read_direct_chunk(offset)[1], codecs, most, offset)


def _check_chunk(data: bytes, codecs: list[Any], most: int, offset: tuple[int, ...]) -> None:
    """Follow the codecs of a chunk, the last one first, as far as zlib goes."""
    for number, (codec, options) in enumerate(codecs):
        if codec == "bitshuffle" and not (len(options) > 4 and options[4]):
            continue  # it only moves bits
        limit = most + _SPARE if codec == "zstd" else most
        size = unpacked_size(codec, data, limit)
        if size > limit:
            raise Hdf5Error(f"its chunk at {offset} unpacks to more than the {most} bytes it holds")
        if number + 1 == len(codecs):
            return
        if codec != "zlib":
            raise Hdf5Error(
                f"its chunk at {offset} is packed by {codec} and again by another filter: such "
                "chunks are not read, as nothing limits what they unpack to"
            )
        data = _inflated(data, most)


def _inflated(data: bytes, most: int) -> bytes:
    try:
        return zlib.decompressobj().decompress(data, most)
    except zlib.error:  # the library reports the damage
        return b""


_CODECS = {
    1: "zlib", 4: "szip", 307: "bz2", 32000: "lzf", 32001: "blosc", 32004: "lz4 of HDF5",
    32008: "bitshuffle", 32015: "zstd", 32026: "blosc2",
}  # fmt: skip
_RATIOS = {1: 1032, 32000: 88}  # bytes that one byte can become at most
_HARMLESS = 2**26  # bytes: what no chunk is looked at for
_CHECKSUM = 4  # bytes that Fletcher's filter adds
_SPARE = 2**20  # bytes that blocks of zstd may announce, and not hold


LEVEL = 1  # of zlib: a third of the time of level 9 at nearly the same size
_KNOWN = {(): (False, False), (1,): (False, True), (2,): (True, False), (2, 1): (True, True)}


@dataclass(frozen=True)
class Packing:
    r"""Encoding of a chunk.

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
    def of(cls, dataset: h5py.Dataset) -> Packing | None:
        """Learn it from an open dataset; None when the library must unpack it."""
        import h5py

        if not dataset.chunks or not dataset.size:
            return None
        made = dataset.id.get_create_plist()
        filters = _KNOWN.get(tuple(made.get_filter(i)[0] for i in range(made.get_nfilters())))
        grid = (-(-n // c) for n, c in zip(dataset.shape, dataset.chunks, strict=True))
        # Types that numpy holds otherwise than the file have to be converted by the library.
        as_numpy = h5py.h5t.py_create(dataset.dtype, logical=True) == dataset.id.get_type()
        # Chunks that were never written have the fill value, which only the library applies.
        if filters is None or not as_numpy or dataset.id.get_num_chunks() != math.prod(grid):
            return None
        return cls(dataset.chunks, dataset.dtype, *filters)

    @property
    def nbytes(self) -> int:
        """Of a chunk, unpacked."""
        return math.prod(self.shape) * self.dtype.itemsize

    def without(self, mask: int) -> Packing:
        """Return the packing of a chunk without some filters, such as deflation that would grow it.

        Parameters
        ----------
        mask : int
            Bit i belongs to filter i.
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
        """View numbers as shuffled bytes: a row of the first bytes, a row of the second ones."""
        return numbers.reshape(-1, 1).view(np.uint8).T


def read_chunks(
    dataset: h5py.Dataset, packing: Packing, axis: int, start: int, stop: int, out: NDArray[Any]
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


def write_chunks(
    dataset: DatasetID, packing: Packing, values: NDArray[Any], start: int = 0
) -> None:
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

    # One thread writes: HDF5 has one lock for all calls.
    for (row, *others), data in zip(corners, tmap(packed, corners), strict=True):
        dataset.write_direct_chunk((start + row, *others), data)


def _corners(ranges: list[tuple[int, int]], chunk: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """Return the first positions of all chunks that overlap these ranges."""
    steps = (range(a // c * c, b, c) for (a, b), c in zip(ranges, chunk, strict=True))
    return itertools.product(*steps)


def _overlap(
    corner: tuple[int, ...], chunk: tuple[int, ...], ranges: list[tuple[int, int]]
) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Return the overlap of a chunk with ranges, as slices of the chunk and of the ranges.

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
