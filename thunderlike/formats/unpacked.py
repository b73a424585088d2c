"""Bytes that packed data unpacks to, found before any of it is unpacked.

Each codec is identified by its name in numcodecs. Data that cannot be understood counts as 0 bytes:
the decoder reports what is wrong with it.
"""

from __future__ import annotations

import bz2
import struct
import zlib
from typing import Any

__all__ = ["CODECS", "unpacked_size"]


def unpacked_size(codec: str, data: bytes, most: int) -> int:
    """Return how many bytes packed data unpacks to, or an upper limit of it.

    Parameters
    ----------
    codec : str
        One of `CODECS`.
    data : bytes
        All of a packed chunk.
    most : int
        Bytes beyond which the exact number is of no interest: counting may stop there.

    Examples
    --------
    >>> unpacked_size("lz4", bytes([1, 2, 0, 0, 9]), 100)
    513
    >>> unpacked_size("zlib", zlib.compress(bytes(1000)), 5000), unpacked_size("bz2", b"no", 9)
    (1000, 0)
    """
    try:
        return int(CODECS[codec](data, most))
    except (struct.error, IndexError, ValueError, OSError, EOFError, zlib.error):
        return 0


def _inflated(data: bytes, most: int) -> int:
    return _streamed(data, most, lambda: zlib.decompressobj(47))


def _bunzipped(data: bytes, most: int) -> int:
    total, stream = 0, bz2.BZ2Decompressor()
    total += len(stream.decompress(data, _PIECE))
    while total <= most:
        if stream.eof:
            if not (data := stream.unused_data):
                break
            stream = bz2.BZ2Decompressor()
            part = stream.decompress(data, _PIECE)
        else:
            part = stream.decompress(b"", _PIECE)
        if not part and stream.needs_input:
            break
        total += len(part)
    return total


def _streamed(data: bytes, most: int, begin: Any) -> int:
    total, stream = 0, begin()
    while data and total <= most:
        total += len(stream.decompress(data, _PIECE))
        data = stream.unconsumed_tail
        if stream.eof:
            data, stream = stream.unused_data, begin()
    return total


def _zstd(data: bytes, most: int) -> int:  # noqa: ARG001
    """The size that each frame announces; for one that does not, what its blocks may hold."""
    total = at = 0
    while at + 4 <= len(data):
        magic = int.from_bytes(data[at : at + 4], "little")
        if magic & 0xFFFFFFF0 == 0x184D2A50:  # to be skipped
            at += 8 + struct.unpack_from("<I", data, at + 4)[0]
            continue
        if magic != 0xFD2FB528:
            break
        descriptor = data[at + 4]
        single, flag = descriptor >> 5 & 1, descriptor >> 6
        at += 5 + (1 - single) + (0, 1, 2, 4)[descriptor & 3]
        nbytes = (single, 2, 4, 8)[flag]
        size = int.from_bytes(data[at : at + nbytes], "little") + (256 if nbytes == 2 else 0)
        at += nbytes
        last, held = False, 0
        while not last:
            header = int.from_bytes(data[at : at + 3], "little")
            if at + 3 > len(data):
                break  # cut short
            last, kind, length = bool(header & 1), header >> 1 & 3, header >> 3
            held += _ZSTD_BLOCK if kind == 2 else length
            at += 3 + (1 if kind == 1 else length)
        total += size if nbytes else held
        at += 4 if descriptor >> 2 & 1 else 0
    return total


def _lzf(data: bytes, most: int) -> int:
    total = at = 0
    while at < len(data) and total <= most:
        control = data[at]
        if control < 32:
            total, at = total + control + 1, at + control + 2
        elif control < 224:
            total, at = total + (control >> 5) + 2, at + 2
        else:
            total, at = total + data[at + 1] + 9, at + 3
    return total


def _number(form: str, at: int = 0) -> Any:
    def announced(data: bytes, most: int) -> int:  # noqa: ARG001
        return int(struct.unpack_from(form, data, at)[0])

    return announced


def _blosc2(data: bytes, most: int) -> int:  # noqa: ARG001
    """A frame of blosc2 or one of its chunks."""
    if data[2:9] == b"b2frame":
        return int(struct.unpack_from(">q", data, 30)[0])
    return int(struct.unpack_from("<I", data, 4)[0])


_PIECE = 2**20
_ZSTD_BLOCK = 2**17  # bytes that a packed block holds at most

CODECS: dict[str, Any] = {
    "zlib": _inflated, "gzip": _inflated, "bz2": _bunzipped, "zstd": _zstd, "lz4": _number("<I"),
    "blosc": _number("<I", 4), "blosc2": _blosc2, "lzf": _lzf, "szip": _number("<I"),
    "lz4 of HDF5": _number(">Q"), "bitshuffle": _number(">Q"),
}  # fmt: skip
