"""Journals of HDF5 files: appends that are complete or undone."""

from __future__ import annotations

import io
import os
import struct
import zlib
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from _typeshed import ReadableBuffer, WriteableBuffer

__all__ = ["Disk", "Journal", "find", "pack", "undone"]


class Disk(io.FileIO):
    """A file for h5py's driver of file objects.

    Attributes
    ----------
    failure : OSError or None
        The first that there was.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, "r+b")
        self.failure: OSError | None = None

    def write(self, data: ReadableBuffer) -> int:
        """Write all of it, unless that has failed already."""
        view, done = memoryview(data), 0
        try:
            while done < view.nbytes and self.failure is None:
                done += super().write(view[done:])
        except OSError as error:
            self.failure = error
        return view.nbytes

    def truncate(self, size: int | None = None) -> int:
        """Set the length, as :meth:`write` writes."""
        try:
            return super().truncate(size) if self.failure is None else (size or 0)
        except OSError as error:
            self.failure = error
            return size or 0

    def check(self) -> None:
        """Raise the failure, if there was one."""
        if self.failure is not None:
            raise self.failure

    def commit(self) -> None:
        """Make the changes those of the file: here they are already."""
        self.check()


_MAGIC = b"\x89TL-append\r\n\x1a\n\x00\x01"
_END = struct.Struct("<IQ16s")  # checksum and length of the journal, magic
_REGION = struct.Struct("<QQ")  # size of the file, number of regions; of each, offset and length


class Journal(NamedTuple):
    """Original size of a file, and the bytes that are replaced in it, with their offsets."""

    size: int
    old: Sequence[tuple[int, bytes]]


def pack(journal: Journal) -> bytes:
    """Return a journal as bytes, to be written beyond the end of the file.

    Examples
    --------
    >>> find(io.BytesIO(b"new" + pack(Journal(3, [(0, b"old")]))))
    Journal(size=3, old=[(0, b'old')])
    """
    payload = _REGION.pack(journal.size, len(journal.old))
    payload += b"".join(_REGION.pack(at, len(data)) + data for at, data in journal.old)
    return payload + _END.pack(zlib.crc32(payload), len(payload), _MAGIC)


def find(file: BinaryIO) -> Journal | None:
    """Read the journal at the end of a file; None for a file without one."""
    end = file.seek(0, os.SEEK_END)
    if end < _END.size:
        return None
    file.seek(end - _END.size)
    trailer = file.read(_END.size)
    if len(trailer) < _END.size:  # another process is truncating it
        return None
    checksum, length, magic = _END.unpack(trailer)
    start = end - _END.size - length
    if magic != _MAGIC or start < 0 or length < _REGION.size:
        return None
    file.seek(start)
    payload = file.read(length)
    # A journal that is not complete belongs to an append that has not replaced anything yet.
    if zlib.crc32(payload) != checksum:
        return None
    (size, count), place, old = _REGION.unpack_from(payload), _REGION.size, []
    for _ in range(count):
        if place + _REGION.size > length:
            return None
        at, nbytes = _REGION.unpack_from(payload, place)
        place += _REGION.size
        old.append((at, payload[place : place + nbytes]))
        place += nbytes
    # An untrusted file may hold any journal: only bytes within its original size are restored.
    inside = size <= start and all(at + len(data) <= size for at, data in old)
    return Journal(size, old) if inside and place == length else None


def undone(file: BinaryIO) -> Any:
    """Return a file without the changes of an interrupted append; the file itself without one.

    Examples
    --------
    >>> undone(io.BytesIO(b"new" + pack(Journal(3, [(0, b"old")])))).read()
    b'old'
    """
    journal = find(file)
    file.seek(0)
    return file if journal is None else _Undone(file, journal)


class _Undone(io.RawIOBase):
    """File to read, with the bytes of a journal at their offsets."""

    def __init__(self, file: BinaryIO, journal: Journal) -> None:
        self._file, self._journal, self._at = file, journal, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Set the position; the end is that of the original file."""
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._journal.size}
        self._at = max(0, start[whence] + offset)
        return self._at

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Read, with the old bytes in place of the new ones."""
        view, at = memoryview(buffer).cast("B"), self._at
        self._file.seek(at)
        data = self._file.read(max(0, min(view.nbytes, self._journal.size - at)))
        view[: len(data)] = data
        end = at + len(data)
        for start, old in self._journal.old:
            first, last = max(at, start), min(end, start + len(old))
            if first < last:
                view[first - at : last - at] = old[first - start : last - start]
        self._at = end
        return len(data)
