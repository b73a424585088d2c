"""Large parcels between processes of one machine: through memory that both map, not a pipe."""

from __future__ import annotations

import itertools
import mmap
import os
import pickle
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from thunderlike.parallel._protocol import APART, Parcel

__all__ = ["Exchange", "folder_for_segments", "remove"]

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

MEMORY = Path("/dev/shm")  # noqa: S108  # a disk of memory, where there is one
INLINE, APART_FLAG = 0, 1


def folder_for_segments() -> Path:
    """Make a private folder for segments: in memory where the system has such a place."""
    home = MEMORY if os.access(MEMORY, os.W_OK) else None
    return Path(tempfile.mkdtemp(prefix="thunderlike-", dir=home))


class Exchange:
    """Sends and receives messages over a connection; what is large lies in a file beside.

    The file is mapped and unlinked by whoever receives it, so that the memory is given back when
    the last array in it is.

    Parameters
    ----------
    connection : Connection
        For the messages themselves.
    folder : Path
        For the files, the same on both sides.
    prefix : str
        Of their names; no other exchange on that folder has it.
    """

    def __init__(self, connection: Connection, folder: Path, prefix: str) -> None:
        self._connection, self._folder, self._prefix = connection, folder, prefix
        self._numbers = itertools.count()

    def send(self, kind: int, parcel: Parcel) -> None:
        """Send a message; never more than a pipe takes at once, so that nobody waits for a reader.

        Cost: one copy of what is large, none of what is small.
        """
        body, buffers = parcel
        if not buffers and len(body) < APART:
            self._connection.send_bytes(bytes((kind, INLINE)) + body)
            return
        path = self._folder / f"{self._prefix}{next(self._numbers)}"
        sizes = _write(path, [body, *buffers])
        self._connection.send_bytes(bytes((kind, APART_FLAG)) + pickle.dumps((path, sizes)))

    def receive(self) -> tuple[int, Parcel]:
        """Wait for the next message; EOFError when the other side is gone."""
        data = self._connection.recv_bytes()
        if data[1] == INLINE:
            return data[0], Parcel(memoryview(data)[2:], [])
        path, sizes = pickle.loads(memoryview(data)[2:])  # noqa: S301  # our own
        body, *buffers = _mapped(path, sizes)
        return data[0], Parcel(body, buffers)


def _write(path: Path, parts: list[Any]) -> list[int]:
    """Write buffers one after the other, each from a multiple of 64 bytes; their sizes."""
    sizes = [memoryview(part).nbytes for part in parts]
    with path.open("xb", buffering=0) as file:
        for part, size in zip(parts, sizes, strict=True):
            _write_all(file, memoryview(part).cast("B"))
            file.seek(-size % 64, os.SEEK_CUR)
        file.truncate(max(file.tell(), 1))
    return sizes


def _write_all(file: Any, view: memoryview) -> None:
    while view:  # Linux writes at most 2 GiB at once
        view = view[file.write(view) :]


def _mapped(path: Path, sizes: list[int]) -> list[memoryview]:
    """Map such a file and unlink it; arrays on it may be written, nobody else sees them."""
    with path.open("r+b") as file:
        view = memoryview(mmap.mmap(file.fileno(), 0))
    path.unlink()
    starts = itertools.accumulate((size + -size % 64 for size in sizes), initial=0)
    return [view[start : start + size] for start, size in zip(starts, sizes, strict=False)]


def remove(folder: Path) -> None:
    """Remove a folder of segments with all that is left in it."""
    shutil.rmtree(folder, ignore_errors=True)
