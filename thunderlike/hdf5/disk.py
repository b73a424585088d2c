"""Files that HDF5 changes in place, in a way that survives a kill and a full disk.

A :class:`Transaction` changes a file at once. New bytes go behind the end that the file says it
has, where nothing refers to them; what replaces old bytes is kept in memory until HDF5 has closed.
Then the old bytes are written as a journal behind the end, the new ones in their place, and the
journal is cut off. A journal that is still there belongs to a process that was killed meanwhile:
readers pass over what it changed (`formats.hdf5journal`), and `recover` puts the old bytes back.
"""

from __future__ import annotations

import fcntl
import io
import os
import struct
import time
from typing import TYPE_CHECKING, Any

from thunderlike.errors import Hdf5Error
from thunderlike.formats import hdf5journal
from thunderlike.formats.hdf5disk import Disk

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["PATIENCE", "Disk", "Transaction", "recover"]

PATIENCE = 5.0  # seconds to wait for readers and other writers, which hold the file briefly


class Transaction(Disk):
    """A file that is changed when `commit` is called, in a way that survives a kill, or not at all.

    Parameters
    ----------
    path : Path

    Raises
    ------
    Hdf5Error
        When another process, or another part of this one, has it open.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._committed = True  # there is nothing to undo yet
        _lock(self, path)
        self._size = self.seek(0, os.SEEK_END)
        self._end = self._size  # as HDF5 sets it
        self._kept = min(self._size, _stored_end(self))  # what the file refers to is before it
        self._changes: list[tuple[int, bytes]] = []
        self._committed = False

    def write(self, data: Any) -> int:
        """Write behind the end of the file; keep what is to replace bytes of it."""
        view, at = memoryview(data).cast("B"), self.tell()
        inside = max(0, min(self._kept - at, view.nbytes))
        if inside:
            self._changes.append((at, bytes(view[:inside])))
            self.seek(at + inside)
        if inside < view.nbytes:
            super().write(view[inside:])
            self._end = max(self._end, at + view.nbytes)
        return view.nbytes

    def readinto(self, buffer: Any) -> int:
        """Read as if all that was written were there."""
        view, at = memoryview(buffer).cast("B"), self.tell()
        found = super().readinto(view) or 0
        for start, data in self._changes:
            first, last = max(at, start), min(at + view.nbytes, start + len(data))
            if first < last:
                view[first - at : last - at] = data[first - start : last - start]
        return max(found, view.nbytes if at + view.nbytes <= self._kept else found)

    def truncate(self, size: int | None = None) -> int:
        """Remember the length that the file is to have."""
        self._end = self.tell() if size is None else size
        return self._end

    def commit(self) -> None:
        """Replace the old bytes by the new ones, with the old ones at hand."""
        self.check()
        old = list(self._old())
        self.seek(max(self._end, self.seek(0, os.SEEK_END)))
        Disk.write(self, hdf5journal.pack(hdf5journal.Journal(self._size, old)))
        self.check()
        for at, data in self._changes:
            self._put(at, data)
        if self.failure is not None:  # a disk that copies on write may be full here too
            failed, self.failure = self.failure, None
            for at, data in old:
                self._put(at, data)
            raise failed
        super().truncate(self._end)
        self._committed = True
        self.check()

    def _put(self, at: int, data: bytes) -> None:
        self.seek(at)
        Disk.write(self, data)

    def _old(self) -> Iterator[tuple[int, bytes]]:
        for at, data in self._changes:
            self.seek(at)
            found = bytearray(len(data))
            Disk.readinto(self, found)
            yield at, bytes(found)

    def close(self) -> None:
        """Close the file; without `commit` it is as it was."""
        if not self.closed and not self._committed:
            io.FileIO.truncate(self, self._size)
        super().close()


def recover(path: Path) -> None:
    """Undo the changes of a process that was killed while it made them; a few bytes are read.

    Raises
    ------
    Hdf5Error
        When another process is making them now.
    """
    with path.open("rb") as reader:
        if hdf5journal.find(reader) is None:
            return
    with path.open("r+b") as file:
        _lock(file, path)
        found = hdf5journal.find(file)  # another process may have undone it meanwhile
        if found is None:
            return
        for at, data in found.old:
            file.seek(at)
            file.write(data)
        file.flush()
        file.truncate(found.size)


def _lock(file: Any, path: Path) -> None:
    """Keep readers and other writers out, as HDF5 itself does by this lock.

    `HDF5_USE_FILE_LOCKING=FALSE` turns both off, for file systems without locks.
    """
    if os.environ.get("HDF5_USE_FILE_LOCKING", "").upper() in ("FALSE", "0"):
        return
    last = time.monotonic() + PATIENCE
    while True:
        try:
            fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() > last:
                file.close()
                raise Hdf5Error(f"{path}: another process has it open; close it there") from error
            time.sleep(0.02)
        except OSError:  # a file system without locks
            return
        else:
            return


def _stored_end(file: Any) -> int:
    """Return where the file says that it ends; more than it has when it cannot be told."""
    file.seek(0)
    head = file.read(64).ljust(64, b"\0")
    places = {0: (13, 40), 1: (13, 44), 2: (9, 28), 3: (9, 28)}  # by the version of the superblock
    size, end = places.get(head[8], (0, 0))
    if head[:8] != b"\x89HDF\r\n\x1a\n" or head[size] != 8:
        return 2**63
    return int(struct.unpack_from("<Q", head, end)[0])
