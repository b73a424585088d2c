"""Pieces of records between two orders: in memory, or in a scratch file without a name."""

from __future__ import annotations

import itertools
import pickle
import shutil
import struct
import tempfile
import threading
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from thunderlike import _system
from thunderlike.config import current
from thunderlike.errors import EngineError
from thunderlike.util.arrays import humanize_bytesize
from thunderlike.util.memory import available

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from thunderlike._typing import Array
    from thunderlike.engines.base import Spec

__all__ = [
    "Reservation",
    "ScratchFile",
    "Storage",
    "check_objects",
    "check_record",
    "check_room",
    "decode",
    "encode",
    "memory_limit",
    "read_into",
    "reserve",
    "scratch_error",
    "scratch_folder",
    "write_parts",
]

_SPARE = 2**20  # bytes that the file system and the headers of pieces need
_VECTORS = 1024  # parts of one write: the limit of Linux
_REMEDY = ", or memory to more bytes"


def memory_limit() -> int:
    """Return the bytes that the disk engine may use: the setting `memory`.

    A value below 1 is a share of the memory that is available now.

    Examples
    --------
    >>> import thunderlike as tl
    >>> with tl.config(memory=2**30):
    ...     memory_limit()
    1073741824
    """
    memory = current().memory
    return int(memory * (available() + Reservation.total)) if memory < 1 else int(memory)


def check_objects(spec: Spec, *, fits: bool) -> None:
    """Raise EngineError for Python objects, which no scratch file holds, unless they fit."""
    if spec.dtype.hasobject and not fits:
        raise EngineError(
            f"records of Python objects take {humanize_bytesize(spec.nbytes)} and stay in memory, "
            f"of which the disk engine may use {humanize_bytesize(memory_limit())}: make arrays of "
            "one shape of them, or set memory to more"
        )


def check_record(nbytes: int) -> None:
    """Raise EngineError if one record takes more bytes than the disk engine may use."""
    if nbytes > (limit := memory_limit()):
        raise EngineError(
            f"one record takes {humanize_bytesize(nbytes)}, and the disk engine may use "
            f"{humanize_bytesize(limit)} of memory: cut the images smaller, or set memory to more"
        )


def scratch_folder() -> Path:
    """Return the folder of scratch files: the setting `scratch`, else the temporary folder."""
    return Path(current().scratch or tempfile.gettempdir())


class Reservation:
    """Bytes that count as held in memory for as long as this object lives.

    Parameters
    ----------
    nbytes : int
    """

    # Reentrant: a collection of garbage inside of `reserve` may release another.
    lock: ClassVar[threading.RLock] = threading.RLock()
    total: ClassVar[int] = 0

    def __init__(self, nbytes: int) -> None:
        Reservation.total += nbytes
        weakref.finalize(self, self._release, nbytes).atexit = False

    @classmethod
    def _release(cls, nbytes: int) -> None:
        with cls.lock:
            cls.total -= nbytes


def reserve(nbytes: int) -> Reservation | None:
    """Reserve memory for records that are kept between two verbs.

    Returns None where all such records of this process would then take more than half of
    :func:`memory_limit`.
    """
    with Reservation.lock:
        fits = Reservation.total + nbytes <= memory_limit() // 2
        return Reservation(nbytes) if fits else None


def encode(piece: Any) -> tuple[bytes, list[memoryview]]:
    """Return the header of a piece, which says what it is made of, and the bytes of its arrays.

    Arrays of objects and of dates are in the header, with their values.

    Examples
    --------
    >>> header, arrays = encode((3, np.arange(4, dtype="i2")))
    >>> [len(array) for array in arrays]
    [8]
    >>> decode(header, [8], memoryview(b"".join(arrays)))
    (3, array([0, 1, 2, 3], dtype=int16))
    """
    raw: list[pickle.PickleBuffer] = []
    header = pickle.dumps(_contiguous(piece), protocol=5, buffer_callback=raw.append)
    return header, [buffer.raw() for buffer in raw]


def decode(header: bytes | memoryview, sizes: Sequence[int], data: memoryview) -> Any:
    """Return the piece of a header that this program has made; its arrays are views of `data`.

    Parameters
    ----------
    header : bytes
        From `encode`.
    sizes : sequence of int
        Bytes of each array.
    data : memoryview
        The arrays, side by side.
    """
    ends = itertools.accumulate(sizes, initial=0)
    buffers = [data[a:b] for a, b in itertools.pairwise(ends)]
    return pickle.loads(header, buffers=buffers)  # noqa: S301


def _contiguous(piece: Any) -> Any:
    """Return a piece with contiguous arrays, which alone are pickled without their values."""
    if isinstance(piece, np.ndarray):
        return np.asarray(piece, order="C")
    if isinstance(piece, tuple | list):
        parts = map(_contiguous, piece)
        return type(piece)(*parts) if hasattr(piece, "_fields") else type(piece)(parts)
    return piece


def write_parts(file: int, parts: list[memoryview], offset: int) -> None:
    """Write buffers one after the other into an open file, from byte `offset` on."""
    while parts:
        written = _system.pwritev(file, parts[:_VECTORS], offset)
        offset += written
        while parts and written >= len(parts[0]):
            written -= len(parts.pop(0))
        if written:
            parts[0] = parts[0][written:]


def read_into(file: int, data: memoryview, offset: int) -> bool:
    """Fill a buffer with the bytes from `offset` on; False if the open file ends before."""
    while data:
        count = _system.preadv(file, [data], offset)
        if not count:
            return False
        data, offset = data[count:], offset + count
    return True


def check_room(folder: Path, nbytes: int, remedy: str = "") -> None:
    """Raise EngineError if a folder has no room for so many bytes."""
    free = shutil.disk_usage(folder).free
    if free < nbytes + _SPARE:
        raise scratch_error(folder, f"has {humanize_bytesize(free)} free", nbytes, remedy)


def scratch_error(folder: Path, found: str, nbytes: int, remedy: str = "") -> EngineError:
    """Return the error of a folder that cannot hold the pieces of records."""
    return EngineError(
        f"{folder}: {found}, and {humanize_bytesize(nbytes)} of scratch are needed to regroup "
        f"records: set scratch to a folder of a larger disk{remedy}"
    )


class ScratchFile:
    """A file without a name that is written at its end, from several threads.

    The system removes it with the process, also after a kill.

    Parameters
    ----------
    nbytes : int
        Bytes that will be written, compared to the free space of the folder.

    Raises
    ------
    EngineError
        If the folder is missing, cannot be written, or is too small.

    Examples
    --------
    >>> file = ScratchFile(200)
    >>> edges = file.append([(3, np.arange(4)), None, (5, np.arange(2))])
    >>> list(file.read(edges[0], edges[2])), edges[1] == edges[2]
    ([(3, array([0, 1, 2, 3]))], np.True_)
    """

    def __init__(self, nbytes: int) -> None:
        self._folder, self._needed = scratch_folder(), nbytes
        try:
            check_room(self._folder, nbytes, _REMEDY)
            # Linux makes the file without a name; other systems remove the name at once.
            self._file = tempfile.TemporaryFile(dir=self._folder, buffering=0)  # noqa: SIM115
        except OSError as error:
            raise self._error(f"cannot be used ({error.strerror})") from error
        self._lock, self._end = threading.Lock(), 0
        weakref.finalize(self, self._file.close)  # of a file that nobody closes Python warns

    def append(self, pieces: Sequence[Any]) -> NDArray[np.int64]:
        """Write pieces side by side, tuples of arrays and small values, or None for no piece.

        Returns
        -------
        ndarray of int64, shape (len(pieces) + 1,)
            The bytes of the file at which the pieces begin, and at which the last ends.
        """
        parts: list[memoryview] = []
        edges = [0]
        for piece in pieces:
            mine = [] if piece is None else _encoded(piece)
            edges.append(edges[-1] + sum(map(len, mine)))
            parts += mine
        return self._append(parts, edges[-1]) + np.array(edges)

    def read(self, start: int, stop: int) -> Iterator[Any]:
        """Read the pieces between two bytes at once, and yield them."""
        data = self.raw(start, stop)
        while data:
            piece, size = _decoded(data)
            yield piece
            data = data[size:]

    def raw(self, start: int, stop: int) -> memoryview:
        """Return the bytes between two positions."""
        data = memoryview(bytearray(stop - start))
        if not read_into(self._file.fileno(), data, start):
            raise self._error("returned less than was written")
        return data

    def append_bytes(self, parts: list[memoryview]) -> int:
        """Write bytes side by side, and return the position of the first."""
        return self._append(parts, sum(map(len, parts)))

    def _append(self, parts: list[memoryview], nbytes: int) -> int:
        with self._lock:
            start, self._end = self._end, self._end + nbytes
        self._write(parts, start)
        return start

    def write(self, block: Array, offset: int) -> None:
        """Write an array at an offset."""
        self._write([np.ascontiguousarray(block).data.cast("B")], offset)

    def mapped(self, dtype: np.dtype[Any], shape: tuple[int, ...]) -> Array:
        """Return the file as a read-only array."""
        return np.memmap(self._file, dtype, "r", shape=shape)

    def _write(self, parts: list[memoryview], offset: int) -> None:
        try:
            write_parts(self._file.fileno(), parts, offset)
        except OSError as error:
            raise self._error(f"cannot be written ({error.strerror})") from error

    def _error(self, found: str) -> EngineError:
        return scratch_error(self._folder, found, self._needed, _REMEDY)


def _encoded(piece: tuple[Any, ...]) -> list[memoryview]:
    """Return a piece as bytes: sizes of its header and arrays, the header, the arrays."""
    header, arrays = encode(piece)
    parts = [memoryview(header), *arrays]
    sizes = struct.pack(f"<{len(parts) + 1}Q", len(parts), *map(len, parts))
    return [memoryview(sizes), *parts]


def _decoded(data: memoryview) -> tuple[Any, int]:
    """Return the piece at the beginning of bytes, and how many of them it takes."""
    (count,) = struct.unpack_from("<Q", data)
    sizes = struct.unpack_from(f"<{count}Q", data, 8)
    start = 8 * (count + 1)
    first = start + sizes[0]
    # A file without a name holds the pickles of this process alone.
    return decode(data[start:first], sizes[1:], data[first:]), start + sum(sizes)


class Storage:
    """All records, written in any order: in memory where they fit, else in a scratch file."""

    def __init__(self, spec: Spec) -> None:
        self._spec = spec
        self._array: Array | None = None
        self._scratch: ScratchFile | None = None
        self._reserved = reserve(spec.nbytes)
        check_objects(spec, fits=self._reserved is not None)
        if not spec.nbytes or self._reserved:
            self._array = spec.empty()
        else:
            self._scratch = ScratchFile(spec.nbytes)

    def put(self, start: int, block: Array) -> None:
        """Write a block of records from number `start` on."""
        if self._scratch is not None:
            self._scratch.write(block, start * self._spec.record_bytes)
        elif self._array is not None:
            self._array[start : start + len(block)] = block

    def array(self) -> Array:
        """Return all records as one array, mapped from the scratch file if there is one."""
        if self._array is None:
            assert self._scratch is not None
            shape = (self._spec.count, *self._spec.shape)
            self._array = self._scratch.mapped(self._spec.dtype, shape)
        return self._array
