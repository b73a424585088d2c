"""A file of any place, to read from anywhere in it."""

from __future__ import annotations

import io
import itertools
from collections import deque
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from thunderlike.parallel.pool import tmap
from thunderlike.storage.local import LocalStore
from thunderlike.storage.paths import AnyPath, resolve

if TYPE_CHECKING:
    from thunderlike.storage.base import Store

__all__ = ["local_file", "open_file", "open_whole"]

_BLOCK = 2**14  # bytes that a small read brings: a page's header and what stands around it
_STEPS = 64  # small reads that are foreseen
_NEAR, _FAR = 2**18 + _BLOCK, 2**23  # bytes: steps that are read over, and how far in one go


def open_file(path: AnyPath, part: tuple[int, int] | None = None) -> BinaryIO:
    """Open a file for reading at any place; only what is read is brought here.

    From elsewhere, small reads near one another are answered by one request of 16 KiB, those at
    even distances by requests that are sent together, and large ones go straight into the caller's
    buffer.

    Parameters
    ----------
    part : tuple of int, optional
        First byte, and the one after the last, of what will be needed of a file elsewhere: brought
        here at once, in one request.

    Raises
    ------
    NotFound
        When there is none: now, or elsewhere than on a disk at the first read.

    Examples
    --------
    >>> from thunderlike.storage import delete, write
    >>> write("memory://digits", b"0123456789")
    >>> with open_file("memory://digits") as file:
    ...     file.seek(7), file.read(2)
    (7, b'78')
    >>> delete("memory://digits")
    """
    store, address = resolve(path)
    if isinstance(store, LocalStore):
        return store.open(address)
    ranges = _Ranges(store, address)
    if part is not None:
        ranges.fetch(*part)
    return cast("BinaryIO", io.BufferedReader(ranges, _BLOCK))


def open_whole(path: AnyPath) -> BinaryIO:
    """Open a file of which all is wanted: on a disk as it is, from elsewhere in one request.

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
        return store.open(address)
    return io.BytesIO(store.read(address))


def local_file(path: AnyPath) -> Path | None:
    """Return where on this machine's disks a file is, or None for what is elsewhere.

    Examples
    --------
    >>> str(local_file("file:///data/raw.bin")), local_file("memory://raw.bin")
    ('/data/raw.bin', None)
    """
    store, address = resolve(path)
    return Path(address) if isinstance(store, LocalStore) else None


class _Ranges(io.RawIOBase):
    """A file as the ranges that are read of it, some of them before they are asked for."""

    def __init__(self, store: Store, address: str) -> None:
        self._store, self._address = store, address
        self._at = 0
        self._starts = deque[int](maxlen=3)  # of the last small reads
        self._ahead: dict[int, bytes] = {}  # by the byte at which they begin

    @cached_property
    def _size(self) -> int:
        return self._store.stat(self._address).size  # a question of its own, rarely asked

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        origin = self._size if whence == io.SEEK_END else self._at if whence == io.SEEK_CUR else 0
        if origin + offset < 0:
            raise ValueError(f"{self._address}: no byte stands before the first")
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
            found = self._store.read_range(self._address, self._at, len(wanted))
        wanted[: len(found)] = found
        self._at += len(found)
        return len(found)

    def fetch(self, start: int, stop: int) -> None:
        """Read a range now that will be needed, in one request."""
        self._ahead = {start: self._store.read_range(self._address, start, stop - start)}

    def _known(self, length: int) -> bytes | None:
        """What was read ahead of the bytes that are wanted now, if it was."""
        if self._at in self._ahead:
            return self._ahead[self._at][:length]
        for start, data in self._ahead.items():
            if start <= self._at < start + len(data):
                return data[self._at - start : self._at - start + length]
        return None

    def _look_ahead(self) -> None:
        """Ask for the next small reads at once, where three show how they go on.

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
            starts = range(self._at, min(self._size, self._at + _STEPS * steps[0]), steps[0])
            blocks = tmap(self._block, starts, workers=self._store.threads or 1)
            self._ahead = dict(zip(starts, blocks, strict=True))
            self._starts.extend(starts[-2:])

    def _block(self, start: int) -> bytes:
        return self._store.read_range(self._address, start, _BLOCK)
