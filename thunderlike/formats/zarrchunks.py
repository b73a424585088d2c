"""Chunks of Zarr arrays, which may hold what a chunk has room for and no more.

Codecs unpack whatever they are given: a few kilobytes of zeros become gigabytes. gzip and zlib are
undone here, up to the size of a chunk; what the others announce is compared with it.
"""

from __future__ import annotations

import json
import math
import struct
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from thunderlike.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Bounded", "announced"]

_METADATA = ("zarr.json", ".zarray")
_DEFLATED = ("gzip", "zlib")
_ANNOUNCED = ("blosc", "zstd", "lz4")
_AUTO = 47  # window bits of zlib: the header of the data says whether it is gzip's or its own


class _Files(Protocol):
    def read(self, name: str) -> bytes | None: ...

    def write(self, name: str, data: bytes) -> None: ...

    def list(self) -> Iterable[str]: ...


@dataclass
class Bounded:
    """A folder of which an array is read.

    Parameters
    ----------
    files : Files
        The folder.
    """

    files: _Files
    _codec: str = field(default="", init=False)
    _nbytes: int = field(default=0, init=False)

    def read(self, name: str) -> bytes | None:
        """Return what a file holds; chunks that gzip or zlib packed are unpacked."""
        data = self.files.read(name)
        if data is None:
            return None
        if name.rpartition("/")[2] in _METADATA:
            try:
                return self._learnt(data)
            except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
                return data  # Zarr says what is wrong with it
        if self._codec in _DEFLATED and not name.rpartition("/")[2].startswith("."):
            return self._unpacked(data)
        if self._codec in _ANNOUNCED and announced(self._codec, data) > self._nbytes:
            raise FormatError(
                f"chunk {name} announces {announced(self._codec, data)} bytes, more than the "
                f"{self._nbytes} of a chunk"
            )
        return data

    def write(self, name: str, data: bytes) -> None:
        """Make `data` the content of a file."""
        self.files.write(name, data)

    def list(self) -> Iterable[str]:
        """Name all files."""
        return self.files.list()

    def _learnt(self, data: bytes) -> bytes:
        """Remember how chunks are packed; metadata without the codec that is undone here."""
        document: dict[str, Any] = json.loads(data)
        if "codecs" in document:
            *others, last = document["codecs"]
            dtype, grid = np.dtype(document["data_type"]), document["chunk_grid"]["configuration"]
            shape, codec = grid["chunk_shape"], last["name"]
            if not {one["name"] for one in others} <= {"bytes", "transpose"}:
                return data
            stripped = {**document, "codecs": others}
        elif document.get("compressor") and not document.get("filters"):
            dtype, shape, codec = (
                np.dtype(document["dtype"]),
                document["chunks"],
                document["compressor"]["id"],
            )
            stripped = {**document, "compressor": None}
        else:
            return data
        self._codec, self._nbytes = codec, math.prod(shape) * dtype.itemsize
        return json.dumps(stripped).encode() if codec in _DEFLATED else data

    def _unpacked(self, data: bytes) -> bytes:
        parts, room = list[bytes](), self._nbytes + 1
        try:
            while data and room > 0:
                inflate = zlib.decompressobj(_AUTO)
                parts.append(inflate.decompress(data, room))
                room -= len(parts[-1])
                if not inflate.eof:
                    break
                data = inflate.unused_data  # gzip files may have several members
        except zlib.error as error:
            raise FormatError(f"a chunk of the Zarr array cannot be unpacked: {error}") from error
        if room <= 0:
            raise FormatError(
                f"a chunk of the Zarr array unpacks to more than the {self._nbytes} bytes it has "
                "room for"
            )
        return parts[0] if len(parts) == 1 else b"".join(parts)


def announced(codec: str, data: bytes) -> int:
    """Return how many bytes a packed chunk says that it unpacks to; 0 where it does not say.

    Examples
    --------
    >>> announced("lz4", bytes([1, 2, 0, 0, 9]))
    513
    """
    try:
        if codec == "lz4":
            return int(struct.unpack_from("<I", data)[0])
        if codec == "blosc":
            return int(struct.unpack_from("<I", data, 4)[0])
        if data[:4] != b"\x28\xb5\x2f\xfd":
            return 0
        descriptor = data[4]
        single, flag = descriptor >> 5 & 1, descriptor >> 6
        at = 5 + (1 - single) + (0, 1, 2, 4)[descriptor & 3]
        size = (single, 2, 4, 8)[flag]
        return int.from_bytes(data[at : at + size], "little") + (256 if size == 2 else 0)
    except (struct.error, IndexError):
        return 0
