"""Chunks of Zarr arrays, which may hold what a chunk has room for and no more.

Codecs unpack whatever they are given: a few kilobytes of zeros become gigabytes. gzip and zlib are
undone here, up to the size of a chunk; what the others announce is compared with it.
"""

from __future__ import annotations

import json
import math
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from thunderlike.errors import FormatError
from thunderlike.formats.unpacked import CODECS, unpacked_size

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Bounded"]

_METADATA = ("zarr.json", ".zarray")
_DEFLATED = ("gzip", "zlib")
_CHECKSUM = 4  # bytes after the index of a shard
_SPARE = 2**20  # bytes that blocks of zstd may announce, and not hold
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
    _stripped: bool = field(default=False, init=False)
    _inner: tuple[int, bool] | None = field(default=None, init=False)

    def read(self, name: str) -> bytes | None:
        """Return what a file holds; chunks that gzip or zlib packed are unpacked."""
        data = self.files.read(name)
        if data is None:
            return None
        if name.rpartition("/")[2] in _METADATA:
            try:
                return self._learnt(data)
            except FormatError:
                raise
            except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
                return data  # Zarr says what is wrong with it
        if not self._codec or name.rpartition("/")[2].startswith("."):
            return data
        if self._stripped:
            return self._unpacked(data)
        room = self._nbytes + (_SPARE if self._codec == "zstd" else 0)
        for part in self._chunks(data):
            size = unpacked_size(self._codec, part, room)
            if size > room:
                raise FormatError(
                    f"chunk {name} unpacks to {size} bytes or more, and has room for {self._nbytes}"
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
        self._codec, self._stripped, self._inner = "", False, None
        if "codecs" in document:
            dtype, shape = np.dtype(document["data_type"]), _grid(document)["chunk_shape"]
            codecs = document["codecs"]
            if codecs[-1]["name"] == "sharding_indexed":
                inner = codecs[-1]["configuration"]
                number = math.prod(
                    -(-n // c) for n, c in zip(shape, inner["chunk_shape"], strict=True)
                )
                self._inner = number, inner.get("index_location", "end") == "start"
                shape, codecs = inner["chunk_shape"], inner["codecs"]
            names = [one["name"].removeprefix("numcodecs.") for one in codecs]
            stripped = {**document, "codecs": codecs[:-1]}
            bare = self._inner is None and set(names[:-1]) <= {"bytes", "transpose"}
        elif document.get("compressor") or document.get("filters"):
            dtype, shape = np.dtype(document["dtype"]), document["chunks"]
            codecs = [*(document.get("filters") or ()), document.get("compressor")]
            names = [one["id"] for one in codecs if one]
            stripped, bare = {**document, "compressor": None}, not document.get("filters")
        else:
            return data
        packed = [name for name in names if name in CODECS]
        if len(packed) > 1:
            raise FormatError(
                f"chunks of the Zarr array are packed by {' and again by '.join(packed)}: such are "
                "not read, as nothing limits what they unpack to"
            )
        if not packed:
            return data
        self._codec, self._nbytes = packed[0], math.prod(shape) * dtype.itemsize
        self._stripped = bare and self._codec in _DEFLATED and names[-1] == self._codec
        return json.dumps(stripped).encode() if self._stripped else data

    def _chunks(self, data: bytes) -> Iterable[bytes]:
        """The packed chunks of a shard, or of a file that is one."""
        if self._inner is None:
            return [data]
        number, first = self._inner
        nbytes = 16 * number
        index = data[:nbytes] if first else data[len(data) - nbytes - _CHECKSUM :][:nbytes]
        places = np.frombuffer(index, "<u8").reshape(-1, 2)
        there = places[(places < len(data)).all(axis=1)].tolist()
        return (data[at : at + length] for at, length in there)

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


def _grid(document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = document["chunk_grid"]["configuration"]
    return found
