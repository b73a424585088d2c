"""Store of Zarr over a folder of files. Imports zarr, which is an extra."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

from zarr.abc.store import OffsetByteRequest, RangeByteRequest, Store, SuffixByteRequest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from zarr.abc.store import ByteRequest
    from zarr.core.buffer import Buffer, BufferPrototype

    from thunderlike.formats.zarr import Files

__all__ = ["FilesStore"]


class FilesStore(Store):
    """Store of Zarr in a folder of files; each call waits in a thread, so that several can."""

    supports_writes = True
    supports_deletes = False
    supports_listing = True

    def __init__(self, files: Files) -> None:
        super().__init__(read_only=False)
        self._files = files
        self._writes = threading.Condition()
        self._running = 0
        self._stopped = False

    def with_read_only(self, read_only: bool = False) -> FilesStore:  # noqa: ARG002
        """Return the store itself: an array that is opened to read does not write."""
        return self

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FilesStore) and other._files == self._files

    __hash__ = None  # type: ignore[assignment]

    async def get(
        self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """Return a file or a part of it; None if it does not exist."""
        data = await asyncio.to_thread(self._files.read, key)
        if data is None:
            return None
        return prototype.buffer.from_bytes(_part(data, byte_range))

    async def get_partial_values(
        self, prototype: BufferPrototype, key_ranges: Iterable[tuple[str, ByteRequest | None]]
    ) -> list[Buffer | None]:
        """Return parts of several files."""
        return [await self.get(key, prototype, part) for key, part in key_ranges]

    async def exists(self, key: str) -> bool:
        """Return whether a file exists."""
        return await asyncio.to_thread(self._files.read, key) is not None

    async def set(self, key: str, value: Buffer) -> None:
        """Write a file."""
        await asyncio.to_thread(self._write, key, value.to_bytes())

    def _write(self, key: str, data: bytes) -> None:
        with self._writes:
            if self._stopped:
                return
            self._running += 1
        try:
            self._files.write(key, data)
        finally:
            with self._writes:
                self._running -= 1
                self._writes.notify_all()

    def stop(self) -> None:
        """Wait for the writes that have begun, and ignore later ones."""
        with self._writes:
            self._stopped = True
            self._writes.wait_for(lambda: not self._running)

    async def delete(self, key: str) -> None:
        """Leave out a chunk of zeros: a folder is written once, so nothing has to be removed."""

    async def list(self) -> AsyncIterator[str]:
        """Name all files."""
        for name in await asyncio.to_thread(self._files.list):
            yield name

    async def list_prefix(self, prefix: str) -> AsyncIterator[str]:
        """Name the files below a folder."""
        async for name in self.list():
            if name.startswith(prefix):
                yield name

    async def list_dir(self, prefix: str) -> AsyncIterator[str]:
        """Name what is in a folder."""
        below = f"{prefix.rstrip('/')}/" if prefix else ""
        seen = set()
        async for name in self.list_prefix(below):
            first = name[len(below) :].partition("/")[0]
            if first not in seen:
                seen.add(first)
                yield first


def _part(data: bytes, wanted: ByteRequest | None) -> bytes:
    if isinstance(wanted, RangeByteRequest):
        return data[wanted.start : wanted.end]
    if isinstance(wanted, OffsetByteRequest):
        return data[wanted.offset :]
    return data[-wanted.suffix :] if isinstance(wanted, SuffixByteRequest) else data
