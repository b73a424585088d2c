"""What arrays of an HDF5 file may not do: lie in other files, or become larger than they say."""

from __future__ import annotations

import math
import zlib
from typing import TYPE_CHECKING, Any

from thunderlike.errors import Hdf5Error, Refused
from thunderlike.formats.unpacked import unpacked_size

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["check_chunks", "check_inside"]


def check_inside(dataset: Any) -> Any:
    """Return how an array is laid out, None for one that is a single piece of this file.

    Parameters
    ----------
    dataset : h5py.h5d.DatasetID
        The array, opened; nothing of it is read.

    Raises
    ------
    Refused
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
        raise Refused("is a virtual dataset, which reads other files")
    if plist.get_external_count():
        raise Refused("has its values in another file, which could be any file of this machine")
    return plist


def check_chunks(dataset: Any, box: Sequence[tuple[int, int]] | None = None) -> None:
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
        ratio = math.inf
    chunk = plist.get_chunk()
    most = math.prod(chunk) * dataset.get_type().get_size() + _CHECKSUM
    doubtful = []

    def look(info: Any) -> None:
        near = box is None or all(
            at < stop and start < at + length
            for at, length, (start, stop) in zip(info.chunk_offset, chunk, box, strict=True)
        )
        if near and info.size and info.size * ratio > max(2 * most, _HARMLESS):
            doubtful.append((info.chunk_offset, info.filter_mask))

    dataset.chunk_iter(look)
    for offset, mask in doubtful:
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
    except zlib.error:  # damage, of which the library tells
        return b""


_CODECS = {
    1: "zlib", 4: "szip", 307: "bz2", 32000: "lzf", 32001: "blosc", 32004: "lz4 of HDF5",
    32008: "bitshuffle", 32015: "zstd", 32026: "blosc2",
}  # fmt: skip
_RATIOS = {1: 1032, 32000: 88}  # bytes that one byte can become at most
_HARMLESS = 2**26  # bytes: what no chunk is looked at for
_CHECKSUM = 4  # bytes that Fletcher's filter adds
_SPARE = 2**20  # bytes that blocks of zstd may announce, and not hold
