"""Zarr arrays in folders of files: read and write."""

from __future__ import annotations

import itertools
import json
import math
import zlib
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from thunderlike._lazy import optional
from thunderlike.errors import FormatError, SpecError, ThunderlikeError
from thunderlike.formats.base import ArrayWriter, chunk_shape, numbers
from thunderlike.formats.hdf5 import Dataset
from thunderlike.formats.metadata import as_json, boundary
from thunderlike.formats.unpacked import CODECS, unpacked_size

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from thunderlike.formats.zarr_store import FilesStore

__all__ = ["Bounded", "Files", "Writer", "describe", "group", "read"]


_METADATA_NAMES = ("zarr.json", ".zarray")
_DEFLATED = ("gzip", "zlib")
_CHECKSUM = 4  # bytes after the index of a shard
_SPARE = 2**20  # bytes that blocks of zstd may announce, and not hold
_AUTO = 47  # window bits of zlib: the header of the data decides between gzip and zlib


class Files(Protocol):
    """A folder of files, by their names relative to it; what is missing is None."""

    def read(self, name: str) -> bytes | None:
        """Return what a file holds."""

    def write(self, name: str, data: bytes) -> None:
        """Make `data` the content of a file."""

    def list(self) -> Iterable[str]:
        """Name all files."""


@dataclass
class Bounded:
    """A folder of which an array is read.

    Parameters
    ----------
    files : Files
        The folder.
    """

    files: Files
    _codec: str = field(default="", init=False)
    _nbytes: int = field(default=0, init=False)
    _stripped: bool = field(default=False, init=False)
    _inner: tuple[int, bool] | None = field(default=None, init=False)

    def read(self, name: str) -> bytes | None:
        """Return what a file holds; chunks that gzip or zlib packed are unpacked."""
        data = self.files.read(name)
        if data is None:
            return None
        if name.rpartition("/")[2] in _METADATA_NAMES:
            try:
                return self._without_codec(data)
            except FormatError:
                raise
            except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
                return data  # Zarr raises the error
        if not self._codec or name.rpartition("/")[2].startswith("."):
            return data
        if self._stripped:
            return self._unpacked(data)
        room = self._nbytes + (_SPARE if self._codec == "zstd" else 0)
        for part in self._chunks(data):
            size = unpacked_size(self._codec, part, room)
            if size > room:
                raise FormatError(
                    f"chunk {name} unpacks to {size} bytes or more, more than the {self._nbytes} "
                    "bytes that a chunk has"
                )
        return data

    def write(self, name: str, data: bytes) -> None:
        """Make `data` the content of a file."""
        self.files.write(name, data)

    def list(self) -> Iterable[str]:
        """Name all files."""
        return self.files.list()

    def _without_codec(self, data: bytes) -> bytes:
        """Read how chunks are packed; return the metadata without a codec that is undone here."""
        document: dict[str, Any] = json.loads(data)
        self._codec, self._stripped, self._inner = "", False, None
        if "codecs" in document:  # version 3; version 2 has filters and a compressor
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
        # zlib is undone here, where its output can be bounded, if it is the last step of all.
        self._stripped = bare and self._codec in _DEFLATED and names[-1] == self._codec
        return json.dumps(stripped).encode() if self._stripped else data

    def _chunks(self, data: bytes) -> Iterable[bytes]:
        """Return the packed chunks of a shard, or of a file that is one chunk."""
        if self._inner is None:
            return [data]
        number, first = self._inner
        # The index has offset and length of each chunk; those of missing ones are 2**64 - 1.
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


_MOST_AXES = 64  # of an array of numpy's


def describe(files: Files, name: str | None = None) -> Dataset:
    """Return the description of an array, of version 2 or 3 of Zarr.

    Parameters
    ----------
    name : str, optional
        Its path in the folder; by default the folder is the array.

    Raises
    ------
    FormatError
        If the folder has no array of numbers of this name.
    """
    array = _opened(files, name)
    dtype = np.dtype(array.dtype)
    if dtype.kind not in "buifc":
        raise FormatError(f"the Zarr array holds {dtype}, not numbers")
    chunks = array.shards or array.chunks  # a shard is one file, which is read as a whole
    if 0 in chunks and 0 not in array.shape:
        raise FormatError(f"damaged Zarr array: it is cut in chunks of shape {chunks}")
    if len(array.shape) > _MOST_AXES or math.prod(array.shape) * dtype.itemsize >= 2**63:
        raise FormatError(f"damaged Zarr array: no array has shape {array.shape!s:.80}")
    attrs: dict[str, Any] = {}
    with boundary("attributes"):
        attrs = dict(array.attrs.asdict())
    return Dataset(name or "", array.shape, dtype.newbyteorder("="), chunks, attrs)


def read(files: Files, name: str, axis: int, start: int, stop: int, out: NDArray[Any]) -> None:
    """Read positions ``start .. stop-1`` of an axis, which becomes the first.

    Raises
    ------
    FormatError
        For damaged chunks.
    """
    from zarr.core.buffer import default_buffer_prototype

    array = _opened(Bounded(files), name or None)
    ranges = [(0, n) for n in array.shape]
    ranges[axis] = (start, stop)
    region: Any = np.moveaxis(out, 0, axis)
    buffer = default_buffer_prototype().nd_buffer
    with _decoding():
        for there, here in _pieces(ranges, (array.shards or array.chunks)[-1]):
            array.get_basic_selection(there, out=buffer.from_ndarray_like(region[here]))


def _pieces(
    ranges: list[tuple[int, int]], step: int
) -> Iterator[tuple[tuple[slice, ...], tuple[slice, ...]]]:
    """Cut a region along its last axis: Zarr unpacks all chunks of a piece at the same time.

    Examples
    --------
    >>> [(there[1], here[1]) for there, here in _pieces([(0, 2), (3, 8)], 4)]
    [(slice(3, 4, None), slice(0, 1, None)), (slice(4, 8, None), slice(1, 5, None))]
    """
    *others, (first, last) = ranges
    edges = [first, *range(first // step * step + step, last, step), last]
    whole = tuple(slice(0, b - a) for a, b in others)
    for a, b in itertools.pairwise(edges):
        there = (*(slice(*one) for one in others), slice(a, b))
        yield there, (*whole, slice(a - first, b - first))


def group(files: Files, attrs: Mapping[str, Any]) -> None:
    """Make an empty folder one that holds arrays, and keep what is known of them."""
    _zarr().create_group(_store(files), attributes=dict(attrs))


class Writer(ArrayWriter):
    """Writes an array from its first row to its last, a slab of rows at a time.

    Parameters
    ----------
    files : Files
        An empty folder.
    shape, dtype
        Of the whole array.
    time : int
        Axis along which the series of a pixel runs; see :func:`~thunderlike.formats.base`.
    attrs : mapping
        What is known of the array: kept as its attributes.
    axes : sequence of str, optional
        What its axes are called.

    Attributes
    ----------
    rows : int
        How many rows a slab has: those of a chunk.
    """

    def __init__(
        self,
        files: Files,
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
        *,
        time: int = 0,
        attrs: Mapping[str, Any] | None = None,
        axes: Sequence[str] | None = None,
    ) -> None:
        numbers(dtype)
        if 0 in shape:
            raise SpecError(f"a Zarr array has no axis of length 0, as shape {shape} has")
        self.chunks = chunk_shape(shape, dtype.itemsize, time)
        self.rows = self.chunks[0]
        self._store = _store(files)
        self._array = _zarr().create_array(
            self._store, shape=shape, dtype=dtype, chunks=self.chunks,
            attributes=as_json(attrs), dimension_names=axes,
        )  # fmt: skip

    def put(self, start: int, slab: NDArray[Any]) -> None:
        """Write rows from `start` on, a multiple of `rows`; Zarr's own threads compress."""
        try:
            self._array[start : start + len(slab)] = slab
        except BaseException:
            # Zarr raises the first error while the writes of other chunks still run; they would
            # put files into a folder that the caller removes.
            self._store.stop()
            raise

    def close(self) -> None:
        """Do nothing: each chunk was written whole, and no file is open."""


def _opened(files: Files, name: str | None) -> Any:
    zarr = _zarr()
    try:
        return zarr.open_array(_store(files), path=name, mode="r")
    except ThunderlikeError:
        raise
    except Exception as error:
        there = ", ".join(_arrays(files)[:8]) or "nothing"
        what = f"no array {name!r}" if name else "not an array"
        raise FormatError(
            f"not a Zarr folder with an array to read: {what} ({there}); name one with dataset= "
            f"[{str(error).splitlines()[0] if str(error) else type(error).__name__}]"
        ) from error


def _arrays(files: Files) -> list[str]:
    """Name the arrays in a folder."""
    found = [name.rpartition("/") for name in files.list()]
    return sorted({folder for folder, _, name in found if folder and name in _METADATA_NAMES})


@contextmanager
def _decoding() -> Iterator[None]:
    try:
        yield
    except ThunderlikeError:
        raise
    except Exception as error:
        raise FormatError(f"a chunk of the Zarr array cannot be read: {error}") from error


def _store(files: Files) -> FilesStore:
    _zarr()
    from thunderlike.formats.zarr_store import FilesStore

    return FilesStore(files)


def _zarr() -> Any:
    return optional("zarr", extra="zarr")
