"""Other clouds, through fsspec."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

from thunderlike._lazy import optional
from thunderlike._text import without_secrets
from thunderlike.errors import (
    DeniedError,
    MissingExtraError,
    NotFoundError,
    StorageError,
    ThunderlikeError,
)
from thunderlike.storage.base import Address, Credentials, Entry, replaced
from thunderlike.storage.object_store import ObjectStore

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from thunderlike.storage.base import Store

__all__ = ["CloudStore"]


@dataclass(frozen=True)
class CloudStore(ObjectStore):
    """Store over a filesystem of fsspec, such as ``gs://``, ``az://``, ``https://``.

    Parameters
    ----------
    scheme : str
        What fsspec calls the filesystem.
    credentials : Credentials
        Its own options, whatever they are called there: ``{'token': 'anon'}`` for ``gs://``.

    Notes
    -----
    Without credentials each filesystem looks for them where its tools do, also on each worker.
    ``https://`` addresses are read file by file; there is no folder to list, and nothing to write.
    """

    scheme: str = "memory"  # type: ignore[misc]  # each instance has its own
    credentials: Credentials = field(default_factory=Credentials)

    @classmethod
    def opened(cls, scheme: str, credentials: Credentials) -> Store:
        """Store the name of the filesystem; it is created on first use."""
        return cls(scheme, credentials)

    def list(self, path: str, *, recursive: bool) -> Sequence[Entry]:
        """List the files of a folder."""
        address = self.address(path)
        # A listing that is kept would not know what another process has written.
        depth = None if recursive else 1
        self._ask(address, "list", "invalidate_cache")
        found = self._ask(address, "list", "find", _bare(address), maxdepth=depth, detail=True)
        entries = [self._entry(one) for one in found.values() if one.get("type") == "file"]
        entries = [entry for entry in entries if entry.path != address]  # a file is in no folder
        if not entries and not self._system.isdir(_bare(address)):
            raise NotFoundError(f"{path}: no such file or folder")
        return entries

    def stat(self, path: str) -> Entry:
        """Describe one file."""
        address = self.address(path)
        self._ask(address, "look at", "invalidate_cache")
        details = self._ask(address, "look at", "info", _bare(address))
        if details.get("type", "file") != "file":
            raise NotFoundError(f"{path}: is a folder, not a file")
        return Entry(address, int(details["size"] or 0), _identity(details))

    def read(self, path: str) -> bytes:
        """Read a whole file."""
        address = self.address(path)
        return bytes(self._ask(address, "read", "cat_file", _bare(address)))

    def read_range(self, path: str, start: int, length: int) -> bytes:
        """Read a part of a file."""
        address = self.address(path)
        return self._part(address, start, length, self.stat(address).size)

    def fetch(
        self, path: str, start: int = 0, length: int | None = None, identity: str | None = None
    ) -> tuple[bytes, Entry]:
        """Read a range, or to the end; fsspec cannot request a version, so it is checked after."""
        address = self.address(path)
        before = self.stat(address) if identity is None else None
        wanted = before.identity if before else identity
        if start == 0 and length is None:
            data = self.read(address)
            after = self.stat(address)
        else:
            size = before.size if before else self.stat(address).size
            data = self._part(address, start, size if length is None else length, size)
            after = self.stat(address)
        if after.identity != wanted:
            raise replaced(address)
        return data, after

    def _part(self, address: str, start: int, length: int, size: int) -> bytes:
        """Read a range of a file of known size."""
        if start >= size or not length:
            return b""
        stop = min(start + length, size)
        found = self._ask(address, "read", "cat_file", _bare(address), start=start, end=stop)
        data = bytes(found)
        # A web server may know no ranges, and send all of it.
        return data if len(data) == stop - start else data[start:stop]

    def write(self, path: str, data: bytes) -> None:
        """Upload a file, visible once complete."""
        address = self.address(path)
        self._ask(address, "write", "pipe_file", _bare(address), bytes(data))

    def send(self, path: str, file: Path) -> None:
        """Upload a local file, in parts on most filesystems."""
        address = self.address(path)
        self._ask(address, "write", "put_file", str(file), _bare(address))

    @property
    def _system(self) -> Any:
        return _system(self.scheme, self.credentials)

    def _ask(self, address: str, verb: str, method: str, *args: Any, **options: Any) -> Any:
        """Call a filesystem and convert its exceptions, which differ by library.

        Those name the whole address. One with a query, where signatures stand, is in no cause.
        """
        try:
            return getattr(self._system, method)(*args, **options)
        except ThunderlikeError:
            raise
        except Exception as error:
            failure = self._failure(address, verb, error)
            if without_secrets(address) == address:
                raise failure from error
            kind = type(error).__name__
        failure.__cause__ = OSError(f"{kind}, of which the message may hold the query")
        raise failure

    def _failure(self, address: str, verb: str, error: Exception) -> ThunderlikeError:
        if isinstance(error, FileNotFoundError | IsADirectoryError | NotADirectoryError):
            return NotFoundError(f"{address}: no such file or folder")
        if isinstance(error, PermissionError):
            return DeniedError(
                f"{address}: these credentials do not allow to {verb} it; give credentials="
            )
        if isinstance(error, NotImplementedError):
            return StorageError(f"{address}: {self.scheme}:// cannot {verb} files")
        return StorageError(f"{address}: cannot {verb} it: {type(error).__name__}")

    def _entry(self, details: dict[str, Any]) -> Entry:
        name = details["name"]
        full = name if "://" in name else f"{self.scheme}://{name.lstrip('/')}"
        return Entry(Address(full, self), int(details["size"] or 0), _identity(details))

    def _has_below(self, address: str) -> bool:
        try:
            return bool(self.list(address, recursive=True))
        except NotFoundError:
            return False

    def _copy(self, entry: Entry, target: str) -> None:
        self._ask(target, "write", "cp_file", _bare(entry.path), _bare(target))

    def _remove(self, addresses: Iterable[str]) -> None:
        for address in addresses:
            if self._has(address):
                self._ask(address, "remove", "rm_file", _bare(address))


# How filesystems of fsspec name the version of a file, or the time of its last change.
_VERSIONS = ("ETag", "etag", "generation", "version_id", "Last-Modified", "LastModified",
             "last_modified", "updated", "mtime", "modified", "created")  # fmt: skip


def _identity(details: dict[str, Any]) -> str | None:
    found = next((details[name] for name in _VERSIONS if details.get(name) is not None), None)
    if found is None:
        return None
    # Some listings give a time as a number, and the look at one file as a date.
    named = found.timestamp() if hasattr(found, "timestamp") else found
    return f"{details.get('size')}-{named}"


def _bare(address: str) -> str:
    """Return the address for fsspec: web addresses unchanged, others without the scheme."""
    return address if address.startswith("http") else address.partition("://")[2]


@cache
def _system(scheme: str, credentials: Credentials) -> Any:
    fsspec = optional("fsspec", extra="cloud")
    try:
        return fsspec.filesystem(scheme, **credentials)
    except ImportError as error:
        raise MissingExtraError(
            f"{scheme}:// needs a library that is not installed: pip install 'thunderlike[cloud]'"
        ) from error
