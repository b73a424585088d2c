"""What arrays of an HDF5 file may not do: lie in other files, or become larger than they say."""

from __future__ import annotations

import math
import zlib
from typing import TYPE_CHECKING, Any

from thunderlike.errors import Hdf5Error, Refused

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
    """Refuse chunks that zlib would unpack to more than a chunk holds: HDF5 sets no limit to that.

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
    from h5py import h5d, h5z

    plist = dataset.get_create_plist()
    if plist.get_layout() != h5d.CHUNKED:
        return
    filters = [plist.get_filter(number)[0] for number in range(plist.get_nfilters())]
    if h5z.FILTER_DEFLATE not in filters:
        return
    chunk, place = plist.get_chunk(), filters.index(h5z.FILTER_DEFLATE)
    most = math.prod(chunk) * dataset.get_type().get_size() + _CHECKSUM
    doubtful = []

    def look(info: Any) -> None:
        near = box is None or all(
            at < stop and start < at + length
            for at, length, (start, stop) in zip(info.chunk_offset, chunk, box, strict=True)
        )
        if near and info.size * _ZLIB_RATIO > max(2 * most, _HARMLESS):
            doubtful.append((info.chunk_offset, info.filter_mask))

    dataset.chunk_iter(look)
    for offset, mask in doubtful:
        if mask & 1 << place:
            continue
        if _unpacks_to_more(dataset.read_direct_chunk(offset)[1], most):
            raise Hdf5Error(f"its chunk at {offset} unpacks to more than the {most} bytes it holds")


def _unpacks_to_more(data: bytes, most: int) -> bool:
    inflate, total = zlib.decompressobj(), 0
    try:
        while data and not inflate.eof:
            total += len(inflate.decompress(data, _PIECE))
            data = inflate.unconsumed_tail
            if total > most:
                return True
    except zlib.error:  # damage, of which the library tells
        return False
    return False


_ZLIB_RATIO = 1032  # bytes that one byte can become at most
_HARMLESS = 2**26  # bytes: what no chunk is looked at for
_PIECE = 2**20
_CHECKSUM = 4  # bytes that Fletcher's filter adds
