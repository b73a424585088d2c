"""A file of any place, to read from anywhere in it."""

from __future__ import annotations

import io
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from thunderlike.storage.local import LocalStore
from thunderlike.storage.paths import AnyPath, resolve

if TYPE_CHECKING:
    from thunderlike.storage.base import Store

__all__ = ["local_file", "open_file"]

_BLOCK = 2**14  # bytes that a small read brings: a page's header and what stands around it


def open_file(path: AnyPath) -> BinaryIO:
    """Open a file for reading at any place; only what is read is brought here.

    From elsewhere, small reads near one another are answered by one request of 16 KiB, large ones
    go straight into the caller's buffer.

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
    return cast("BinaryIO", io.BufferedReader(_Ranges(store, address), _BLOCK))


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
    """A file as the ranges that are read of it."""

    def __init__(self, store: Store, address: str) -> None:
        self._store, self._address = store, address
        self._at = 0

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
        found = self._store.read_range(self._address, self._at, len(wanted))
        wanted[: len(found)] = found
        self._at += len(found)
        return len(found)
