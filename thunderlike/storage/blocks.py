"""A file elsewhere whose parts are read many times over, by many: each byte is brought here once.

An HDF5 file is read as a search: headers that lead to headers, of some bytes each, and each thread
that reads a part of an array begins at the same first one.
"""

from __future__ import annotations

import io
import os
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from thunderlike.storage.local import LocalStore
from thunderlike.storage.opening import open_file
from thunderlike.storage.paths import AnyPath, resolve

if TYPE_CHECKING:
    from thunderlike.storage.base import FileVersion, Store

__all__ = ["open_shared"]

_SMALL = 2**25  # bytes of a file that is kept here as a whole, in large blocks
_LARGE_BLOCK, _BLOCK = 2**22, 2**18
_MOST = 64  # blocks of a larger file: of its headers, for values are read past them
_FILES = 2


def open_shared(path: AnyPath, *, identity: str | None = None) -> BinaryIO:
    """Open a file for reading at any place; what was read of this version is kept for the next.

    On a disk of this machine it is as `open_file`. Elsewhere blocks of the last two files are kept
    in memory, all of one up to 32 MiB and 16 MiB of headers of a larger one, if their versions can
    be told apart.

    Parameters
    ----------
    path, identity
        As for :func:`open_file`.

    Examples
    --------
    >>> from thunderlike.storage import delete, write
    >>> write("memory://digits", b"0123456789")
    >>> with open_shared("memory://digits") as file:
    ...     file.seek(7), file.read(2)
    (7, b'78')
    >>> delete("memory://digits")
    """
    store, address = resolve(path)
    if isinstance(store, LocalStore):
        return open_file(path, identity=identity)
    if identity is None:  # nothing tells this version from the next
        return cast("BinaryIO", _Stream(_Blocks(store.version(address))))
    return cast("BinaryIO", _Stream(_kept.of(store, address, identity)))


class _Blocks:
    """Blocks of one version of a file; what several threads want is asked for once."""

    def __init__(self, version: FileVersion) -> None:
        self.version = version
        self._blocks: OrderedDict[int, bytes] = OrderedDict()
        self._locks: dict[int, threading.Lock] = {}
        self._lock = threading.Lock()

    def read(self, start: int, length: int) -> bytes:
        """Read a range, cut off at the end of the file."""
        stop = min(start + length, self.version.size)
        if stop <= start:
            return b""
        small = self.version.size <= _SMALL
        size = _LARGE_BLOCK if small else _BLOCK
        if not small and stop - start >= size // 4:
            return self.version.read_range(start, stop - start)
        numbers = range(start // size, (stop - 1) // size + 1)
        data = b"".join(self._block(number, size) for number in numbers)
        skipped = start - numbers[0] * size
        return data[skipped : skipped + stop - start]

    def _block(self, number: int, size: int) -> bytes:
        with self._lock:
            if number in self._blocks:
                self._blocks.move_to_end(number)
                return self._blocks[number]
            lock = self._locks.setdefault(number, threading.Lock())
        with lock:
            if number not in self._blocks:
                length = min(size, self.version.size - number * size)
                found = self.version.read_range(number * size, length)
                with self._lock:
                    self._blocks[number] = found
                    while len(self._blocks) > _MOST:
                        self._blocks.popitem(last=False)
                return found
        return self._block(number, size)


class _Stream(io.RawIOBase):
    """A position in a file of blocks."""

    def __init__(self, blocks: _Blocks) -> None:
        self.version = blocks.version
        self._blocks = blocks
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        size = self.version.size if whence == io.SEEK_END else 0
        origin = self._at if whence == io.SEEK_CUR else size
        if origin + offset < 0:
            raise ValueError(f"{self.version.path}: no byte stands before the first")
        self._at = origin + offset
        return self._at

    def readinto(self, buffer: Any) -> int:
        wanted = memoryview(buffer).cast("B")
        found = self._blocks.read(self._at, len(wanted))
        wanted[: len(found)] = found
        self._at += len(found)
        return len(found)


class _Kept:
    """The files of which blocks are kept, the one that was read last at the end."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._files: OrderedDict[tuple[str, str, Store], _Blocks] = OrderedDict()

    def of(self, store: Store, address: str, identity: str) -> _Blocks:
        """Return the blocks of one version, for a store with the same credentials alone."""
        key = (address, identity, store)
        with self._lock:
            found = self._files.pop(key, None) or _Blocks(store.version(address, identity))
            self._files[key] = found
            while len(self._files) > _FILES:
                self._files.popitem(last=False)
            return found


_kept = _Kept()
# A forked process must not wait for a lock that a thread of its parent holds.
os.register_at_fork(after_in_child=_kept.__init__)  # type: ignore[misc]
