"""A store for Zarr over any folder of files; imported when Zarr is."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from zarr.abc.store import OffsetByteRequest, RangeByteRequest, Store, SuffixByteRequest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from thunderlike.formats.zarr import Files

__all__ = ["FilesStore"]


class FilesStore(Store):
    """Answers Zarr from a folder of files; each call waits in a thread, so that several can."""

    supports_writes = True
    supports_deletes = False
    supports_listing = True

    def __init__(self, files: Files) -> None:
        super().__init__(read_only=False)
        self._files = files

    def with_read_only(self, read_only: bool = False) -> FilesStore:  # noqa: ARG002
        """The same: an array opened for reading asks for nothing else."""
        return self

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FilesStore) and other._files == self._files

    __hash__ = None  # type: ignore[assignment]

    async def get(self, key: str, prototype: Any, byte_range: Any = None) -> Any:
        """Return a file or a part of it, None if there is none."""
        data = await asyncio.to_thread(self._files.read, key)
        if data is None:
            return None
        return prototype.buffer.from_bytes(_part(data, byte_range))

    async def get_partial_values(
        self, prototype: Any, key_ranges: Iterable[tuple[str, Any]]
    ) -> list[Any]:
        """Return parts of several files."""
        return [await self.get(key, prototype, part) for key, part in key_ranges]

    async def exists(self, key: str) -> bool:
        """Say whether a file is there."""
        return await asyncio.to_thread(self._files.read, key) is not None

    async def set(self, key: str, value: Any) -> None:
        """Write a file."""
        await asyncio.to_thread(self._files.write, key, value.to_bytes())

    async def delete(self, key: str) -> None:
        """Leave out a chunk of zeros: a folder is written once, so that there is none to remove."""

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


def _part(data: bytes, wanted: Any) -> bytes:
    if isinstance(wanted, RangeByteRequest):
        return data[wanted.start : wanted.end]
    if isinstance(wanted, OffsetByteRequest):
        return data[wanted.offset :]
    return data[-wanted.suffix :] if isinstance(wanted, SuffixByteRequest) else data
