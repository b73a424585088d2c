"""Open one version of a file, as a stream or by ranges."""

from __future__ import annotations

import io
import itertools
import os
import threading
from collections import OrderedDict, deque
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from thunderlike.parallel.threads import tmap
from thunderlike.storage.base import FileVersion, replaced
from thunderlike.storage.filesystem import check_special
from thunderlike.storage.local import LocalStore, LocalVersion
from thunderlike.storage.paths import AnyPath, resolve

if TYPE_CHECKING:
    from thunderlike.storage.base import Store

__all__ = ["local_file", "open_file", "open_shared", "open_whole"]


_BLOCK = 2**14  # bytes that a small read brings: a page's header and what stands around it
_STEPS = 64  # small reads that are foreseen
_NEAR, _FAR = 2**18 + _BLOCK, 2**23  # bytes: steps that are read over, and how far in one go


def open_file(
    path: AnyPath | FileVersion, part: tuple[int, int] | None = None, *, identity: str | None = None
) -> BinaryIO:
    """Open a file for random access; only the ranges read are transferred.

    All that the stream returns is of one version of the file: the one that is there now, that of
    `identity`, or the open one that is given, see :func:`thunderlike.storage.open`.

    From elsewhere, small reads near one another are answered by one request of 16 KiB, those at
    even distances by requests that are sent together, and large ones go straight into the caller's
    buffer.

    Parameters
    ----------
    path : path or FileVersion
        An open version stays open when the stream is closed, and any number of streams may read it
        at once, each from a position of its own.
    part : tuple of int, optional
        First byte, and the one after the last, of what will be needed of a file elsewhere: brought
        here at once, in one request.
    identity : str, optional
        The version to open, where a path is given.

    Raises
    ------
    NotFoundError
        When the file does not exist; outside of local disks, at the first read.
    StorageError
        When it was replaced: now, or at any read.

    Examples
    --------
    >>> from thunderlike.storage import delete, write
    >>> write("memory://digits", b"0123456789")
    >>> with open_file("memory://digits") as file:
    ...     file.seek(7), file.read(2)
    (7, b'78')
    >>> delete("memory://digits")
    """
    if isinstance(path, LocalVersion):
        return path.stream()
    if isinstance(path, FileVersion):
        ranges = _Ranges(path)
    else:
        store, address = resolve(path)
        if isinstance(store, LocalStore):
            return _of_version(store.open(address), identity)
        ranges = _Ranges(store.version(address, identity))
    if part is not None:
        ranges.fetch(*part)
    return cast("BinaryIO", io.BufferedReader(ranges, _BLOCK))


def open_whole(path: AnyPath, *, identity: str | None = None) -> BinaryIO:
    """Open a file that will be read whole: directly on a disk, otherwise in one request.

    `identity` is as in `open_file`.

    Examples
    --------
    >>> from thunderlike.storage import delete, write
    >>> write("memory://digits", b"0123456789")
    >>> open_whole("memory://digits").read(3)
    b'012'
    >>> delete("memory://digits")
    """
    store, address = resolve(path)
    if isinstance(store, LocalStore):
        return _of_version(store.open(address), identity)
    return io.BytesIO(store.version(address, identity).read())


def _of_version(stream: BinaryIO, identity: str | None) -> BinaryIO:
    """Return a stream of a local file if it has the requested version."""
    version = stream.raw.version  # type: ignore[attr-defined]  # as LocalStore.open makes it
    if identity is not None and version.identity != identity:
        stream.close()
        raise replaced(version.path)
    return stream


def local_file(path: AnyPath) -> Path | None:
    """Return the local path of a file, or None for a file in another store.

    Raises
    ------
    StorageError
        For a device, a FIFO or a socket: it cannot be opened or replaced like a file.

    Examples
    --------
    >>> str(local_file("file:///data/raw.bin")), local_file("memory://raw.bin")
    ('/data/raw.bin', None)
    """
    store, address = resolve(path)
    if not isinstance(store, LocalStore):
        return None
    check_special(address)
    return Path(address)


class _Ranges(io.RawIOBase):
    """File read by ranges, with read-ahead."""

    def __init__(self, version: FileVersion) -> None:
        self.version = version
        self._at = 0
        self._starts = deque[int](maxlen=3)  # of the last small reads
        self._ahead: dict[int, bytes] = {}  # by the byte at which they begin

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        size = self.version.size if whence == io.SEEK_END else 0  # asked for where it is needed
        origin = self._at if whence == io.SEEK_CUR else size
        if origin + offset < 0:
            raise ValueError(f"{self.version.path}: no byte stands before the first")
        self._at = origin + offset
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any) -> int:
        wanted = memoryview(buffer).cast("B")
        found = self._known(len(wanted))
        if found is None and len(wanted) == _BLOCK:
            self._look_ahead()
            found = self._known(len(wanted))
        if found is None:
            found = self.version.read_range(self._at, len(wanted))
        wanted[: len(found)] = found
        self._at += len(found)
        return len(found)

    def fetch(self, start: int, stop: int) -> None:
        """Prefetch a range in one request."""
        self._ahead = {start: self.version.read_range(start, stop - start)}

    def _known(self, length: int) -> bytes | None:
        """Return buffered bytes ahead of the requested ones, if any."""
        if self._at in self._ahead:
            return self._ahead[self._at][:length]
        for start, data in self._ahead.items():
            if start <= self._at < start + len(data):
                return data[self._at - start : self._at - start + length]
        return None

    def _look_ahead(self) -> None:
        """Prefetch the next small reads once three follow a pattern.

        So stand the headers of pages in a file: to follow one to the next would take a journey for
        each. Where they are close together a long range is read, with what is between them; where
        they are at even distances, many short ones.
        """
        self._starts.append(self._at)
        steps = [b - a for a, b in itertools.pairwise(self._starts)]
        if len(steps) < 2 or min(steps) <= 0:
            return
        if max(steps) < _NEAR:
            self.fetch(self._at, self._at + _FAR)
            self._starts.extend((self._at + _FAR - 2, self._at + _FAR - 1))
        elif steps[0] == steps[1]:
            starts = range(self._at, min(self.version.size, self._at + _STEPS * steps[0]), steps[0])
            blocks = tmap(self._block, starts, workers=self.version.threads or 1)
            self._ahead = dict(zip(starts, blocks, strict=True))
            self._starts.extend(starts[-2:])

    def _block(self, start: int) -> bytes:
        return self.version.read_range(start, _BLOCK)


_SMALL = 2**25  # bytes of a file that is kept here as a whole, in large blocks
_LARGE_BLOCK, _CACHED_BLOCK = 2**22, 2**18
_MOST = 64  # blocks of a larger file: of its headers, for values are read past them
_FILES = 2


def open_shared(path: AnyPath, *, identity: str | None = None) -> BinaryIO:
    """Open a file for random access, with a cache of the blocks of its version.

    On a disk of this machine it is as `open_file`. Elsewhere blocks of the last two files are kept
    in memory, all of one up to 32 MiB and 16 MiB of headers of a larger one, if their versions can
    be distinguished.

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
    if identity is None:  # blocks of this version and the next could not be distinguished
        return cast("BinaryIO", _Stream(_Blocks(store.version(address))))
    return cast("BinaryIO", _Stream(_kept.of(store, address, identity)))


class _Blocks:
    """Cached blocks of one version of a file; concurrent requests for a block are merged."""

    def __init__(self, version: FileVersion) -> None:
        self.version = version
        self._blocks: OrderedDict[int, bytes] = OrderedDict()
        self._locks: dict[int, threading.Lock] = {}
        self._lock = threading.Lock()

    def read(self, start: int, length: int) -> bytes:
        """Read a range, truncated at the end of the file."""
        stop = min(start + length, self.version.size)
        if stop <= start:
            return b""
        small = self.version.size <= _SMALL
        size = _LARGE_BLOCK if small else _CACHED_BLOCK
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
    """Stream over cached blocks."""

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
    """Cache of files with blocks, least recently read first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._files: OrderedDict[tuple[str, str, Store], _Blocks] = OrderedDict()

    def of(self, store: Store, address: str, identity: str) -> _Blocks:
        """Return the blocks of one version, for stores with equal credentials only."""
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
