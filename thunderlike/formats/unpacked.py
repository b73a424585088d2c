"""Sizes of packed data once unpacked, measured in bounded memory before anything is decoded.

A codec has its name in numcodecs. Data that cannot be parsed counts as 0 bytes: the decoder reports
the damage.
"""

from __future__ import annotations

import bz2
import lzma
import struct
import zlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

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
        Limit of the caller: counting may stop beyond it.

    Examples
    --------
    >>> unpacked_size("lz4", bytes([1, 2, 0, 0, 9]), 100)
    513
    >>> unpacked_size("zlib", zlib.compress(bytes(1000)), 5000), unpacked_size("bz2", b"no", 9)
    (1000, 0)
    """
    try:
        return int(CODECS[codec](data, most))
    except (struct.error, IndexError, ValueError, OSError, EOFError, zlib.error, lzma.LZMAError):
        return 0


def _inflated(data: bytes, most: int) -> int:
    # 47: the header says whether the data are zlib's or gzip's.
    return _streamed(data, most, lambda: zlib.decompressobj(47))


def _drained(data: bytes, most: int, begin: Callable[[], Any]) -> int:
    """Count what decompressors that keep their input give, bz2 and lzma of the standard library."""
    total, stream = 0, begin()
    while total <= most:
        part = stream.decompress(data, _PIECE)
        total, data = total + len(part), b""
        if stream.eof:
            if not (data := stream.unused_data):
                break
            stream = begin()
        elif not part and stream.needs_input:
            break
    return total


def _streamed(data: bytes, most: int, begin: Callable[[], Any]) -> int:
    total, stream = 0, begin()
    while data and total <= most:
        total += len(stream.decompress(data, _PIECE))
        data = stream.unconsumed_tail
        if stream.eof:
            data, stream = stream.unused_data, begin()
    return total


def _zstd(data: bytes, most: int) -> int:  # noqa: ARG001
    """Add up the sizes of frames; of a frame without one, the most that its blocks can hold."""
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
                break  # truncated
            last, kind, length = bool(header & 1), header >> 1 & 3, header >> 3
            # Raw blocks (0) hold their length, repeated bytes (1) too, packed ones (2) up to 128 K.
            held += _ZSTD_BLOCK if kind == 2 else length
            at += 3 + (1 if kind == 1 else length)
        total += size if nbytes else held
        at += 4 if descriptor >> 2 & 1 else 0
    return total


def _lzf(data: bytes, most: int) -> int:
    total = at = 0
    while at < len(data) and total <= most:
        control = data[at]
        # Below 32 literals follow; else a reference, whose length is in the upper three bits, or
        # for the largest of them in the next byte.
        if control < 32:
            total, at = total + control + 1, at + control + 2
        elif control < 224:
            total, at = total + (control >> 5) + 2, at + 2
        else:
            total, at = total + data[at + 1] + 9, at + 3
    return total


def _packbits(data: bytes, most: int) -> int:
    total = at = 0
    while at < len(data) and total <= most:
        control = data[at]
        if control > 128:
            total, at = total + 257 - control, at + 2
        elif control < 128:
            total, at = total + control + 1, at + control + 2
        else:  # no operation
            at += 1
    return total


def _jpeg(data: bytes, most: int) -> int:  # noqa: ARG001
    """Return the size of the image in the frame header."""
    at = 2
    while data[at] == 0xFF:
        marker, length = data[at + 1], struct.unpack_from(">H", data, at + 2)[0]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):  # DHT, JPG, DAC
            bits, height, width, samples = struct.unpack_from(">BHHB", data, at + 4)
            return int(height * width * samples * -(-bits // 8))
        at += 2 + length
    return 0


def _png(data: bytes, most: int) -> int:  # noqa: ARG001
    """Return the size of the image in the header, by bits a sample and colour type."""
    width, height, bits, colour = struct.unpack_from(">IIBB", data, 16)
    samples = {2: 3, 4: 2, 6: 4}.get(colour, 1)
    return int(width * height * samples * -(-bits // 8))


def _jpeg2000(data: bytes, most: int) -> int:  # noqa: ARG001
    """Return the size of the image in the size marker, in a code stream or in a file of boxes."""
    at = data.index(b"\xff\x4f\xff\x51") + 8
    right, below, left, top = struct.unpack_from(">4I", data, at)
    samples, bits = struct.unpack_from(">H", data, at + 32)[0], (data[at + 34] & 0x7F) + 1
    return int((right - left) * (below - top) * samples * -(-bits // 8))


def _number(form: str, at: int = 0) -> Any:
    def announced(data: bytes, most: int) -> int:  # noqa: ARG001
        return int(struct.unpack_from(form, data, at)[0])

    return announced


def _blosc2(data: bytes, most: int) -> int:  # noqa: ARG001
    """Return the size in the header of a frame of blosc2, or of one of its chunks."""
    if data[2:9] == b"b2frame":
        return int(struct.unpack_from(">q", data, 30)[0])
    return int(struct.unpack_from("<I", data, 4)[0])


_PIECE = 2**20
_ZSTD_BLOCK = 2**17  # bytes that a packed block holds at most

CODECS: dict[str, Any] = {
    "zlib": _inflated, "gzip": _inflated, "zstd": _zstd, "lz4": _number("<I"),
    "bz2": lambda data, most: _drained(data, most, bz2.BZ2Decompressor),
    "lzma": lambda data, most: _drained(data, most, lzma.LZMADecompressor), "packbits": _packbits,
    "jpeg": _jpeg, "png": _png, "jpeg2000": _jpeg2000,
    "blosc": _number("<I", 4), "blosc2": _blosc2, "lzf": _lzf, "szip": _number("<I"),
    "lz4 of HDF5": _number(">Q"), "bitshuffle": _number(">Q"),
}  # fmt: skip
