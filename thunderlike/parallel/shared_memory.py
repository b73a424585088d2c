"""Shared memory between processes of one machine: segments, anonymous memory, large messages."""

from __future__ import annotations

import itertools
import mmap
import os
import pickle
import shutil
import tempfile
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from thunderlike import _system
from thunderlike.errors import EngineError
from thunderlike.parallel._protocol import APART, Payload

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.connection import Connection

__all__ = [
    "Exchange",
    "anonymous_memory",
    "make_folder",
    "map_segment",
    "memory_file",
    "remove_folder",
    "write_all",
]

INLINE, APART_FLAG = 0, 1
_ALIGNMENT = 64  # bytes: numpy's vector instructions read whole cache lines


# ---- Segments: files in memory


def make_folder() -> Path:
    """Make a private folder for segments."""
    return Path(tempfile.mkdtemp(prefix="thunderlike-", dir=_system.memory_folder()))


def remove_folder(folder: Path) -> None:
    """Remove a folder of segments with all segments left in it."""
    shutil.rmtree(folder, ignore_errors=True)


def map_segment(path: Path) -> mmap.mmap:
    """Map a segment for reading and writing; the map stays valid after the file is removed."""
    with path.open("r+b") as file:
        return mmap.mmap(file.fileno(), 0)


def write_all(file: int, data: memoryview, start: int = 0) -> None:
    """Write bytes to an open file, from byte `start` on."""
    while data:  # Linux writes at most 2 GiB in one call
        done = os.pwrite(file, data, start)
        start, data = start + done, data[done:]


# ---- Memory without a name


def anonymous_memory(nbytes: int) -> memoryview:
    """Return zeroed memory shared with all processes forked later.

    Raises
    ------
    EngineError
        When the system does not have that much memory.

    Examples
    --------
    >>> anonymous_memory(3).tolist()
    [0, 0, 0]
    """
    try:
        return memoryview(mmap.mmap(-1, max(1, nbytes)))[:nbytes]
    except OSError as error:
        raise _no_memory(nbytes, error) from error


@contextmanager
def memory_file(nbytes: int) -> Iterator[tuple[str, mmap.mmap]]:
    """Allocate zeroed memory with a path at which other processes open it inside the block.

    The map stays valid after the block.

    Raises
    ------
    EngineError
        When the system does not have that much memory.

    Examples
    --------
    >>> from pathlib import Path
    >>> with memory_file(2) as (path, memory):
    ...     memory[:] = b"ab"
    ...     Path(path).read_bytes()
    b'ab'
    """
    with ExitStack() as stack:
        try:
            found = stack.enter_context(_system.memory_file(nbytes))
        except OSError as error:
            raise _no_memory(nbytes, error) from error
        yield found


def _no_memory(nbytes: int, error: OSError) -> EngineError:
    return EngineError(f"cannot allocate {nbytes / 1e6:.0f} MB of shared memory: {error.strerror}")


# ---- Messages


class Exchange:
    """Messages over a connection, whose large parts go through segments.

    The receiver maps a segment and removes its file, so that the memory is free when the last
    array in it is.

    Parameters
    ----------
    connection : Connection
        Pipe of the messages.
    folder : Path
        Folder of the segments, the same on both sides.
    prefix : str
        Prefix of the file names, unique within the folder.
    """

    def __init__(self, connection: Connection, folder: Path, prefix: str) -> None:
        self._connection, self._folder, self._prefix = connection, folder, prefix
        self._numbers = itertools.count()

    def send(self, kind: int, payload: Payload) -> None:
        """Send a message, in no more bytes than a pipe buffers: it does not wait for the reader.

        Large parts are copied once, small ones not at all.
        """
        body, buffers = payload
        if not buffers and len(body) < APART:
            self._connection.send_bytes(bytes((kind, INLINE)) + body)
            return
        path = self._folder / f"{self._prefix}{next(self._numbers)}"
        sizes = _write(path, [body, *buffers])
        self._connection.send_bytes(bytes((kind, APART_FLAG)) + pickle.dumps((path, sizes)))

    def receive(self) -> tuple[int, Payload]:
        """Wait for the next message; EOFError when the other side is closed."""
        data = self._connection.recv_bytes()
        if data[1] == INLINE:
            return data[0], Payload(memoryview(data)[2:], [])
        path, sizes = pickle.loads(memoryview(data)[2:])  # noqa: S301  # our own
        view = memoryview(map_segment(path))
        path.unlink()
        body, *buffers = (
            view[start : start + size] for start, size in zip(_starts(sizes), sizes, strict=False)
        )
        return data[0], Payload(body, buffers)


def _write(path: Path, parts: list[Any]) -> list[int]:
    """Write buffers to a new segment; return their sizes."""
    sizes = [memoryview(part).nbytes for part in parts]
    *starts, end = _starts(sizes)
    with path.open("xb", buffering=0) as file:
        for part, start in zip(parts, starts, strict=True):
            write_all(file.fileno(), memoryview(part).cast("B"), start)
        file.truncate(max(end, 1))  # an empty file cannot be mapped
    return sizes


def _starts(sizes: list[int]) -> list[int]:
    """Return the first byte of each buffer in a segment, and the size of the segment."""
    return list(itertools.accumulate((size + -size % _ALIGNMENT for size in sizes), initial=0))
