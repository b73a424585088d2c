"""Memory store: files in this process, for tests, notebooks and pipelines."""

from __future__ import annotations

import itertools
import posixpath
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from thunderlike.errors import ExistsError, NotFoundError
from thunderlike.storage.base import Entry, Store

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["MemoryStore"]

_SCHEME = "memory://"
_files: dict[str, bytes] = {}
_versions: dict[str, int] = {}  # of the same names
_count = itertools.count()
_lock = threading.Lock()


@dataclass(frozen=True)  # all are equal
class MemoryStore(Store):
    """``memory://`` addresses: one set of files for the whole process, shared by every instance.

    Another process, such as a Spark worker, has a set of its own.

    Examples
    --------
    >>> store = MemoryStore()
    >>> store.write("memory://notes/today", b"rain")
    >>> store.read("memory://notes/today")
    b'rain'
    >>> store.delete("memory://notes")
    """

    shared: ClassVar[bool] = False

    def address(self, path: str) -> str:
        """Normalize `path`."""
        parts = posixpath.normpath("/" + path.removeprefix(_SCHEME))
        return _SCHEME + parts.strip("/")

    def list(self, path: str, *, recursive: bool) -> Sequence[Entry]:
        """List the files of a folder; a pass over all names."""
        folder = _below(self.address(path))
        with _lock:
            found = [
                Entry(name, len(data), str(_versions[name]))
                for name, data in _files.items()
                if _in(name, folder)
            ]
        if not found and folder != _SCHEME:
            raise NotFoundError(f"{path}: no such file or folder")
        return [item for item in found if recursive or "/" not in item.path[len(folder) :]]

    def stat(self, path: str) -> Entry:
        """Describe one file."""
        place = self.address(path)
        with _lock:
            size = len(self.read(path))
            return Entry(place, size, str(_versions[place]))

    def exists(self, path: str) -> bool:
        """Return whether a file or folder exists."""
        place = self.address(path)
        with _lock:
            return place in _files or any(_in(name, _below(place)) for name in _files)

    def read(self, path: str) -> bytes:
        """Return the written bytes, without a copy."""
        try:
            return _files[self.address(path)]
        except KeyError:
            raise NotFoundError(f"{path}: no such file in this process's memory") from None

    def read_range(self, path: str, start: int, length: int) -> bytes:
        """Read a part of a file."""
        return self.read(path)[start : start + length]

    def write(self, path: str, data: bytes) -> None:
        """Store a copy of `data`."""
        with _lock:
            place = self.address(path)
            _files[place], _versions[place] = bytes(data), next(_count)

    def delete(self, path: str) -> None:
        """Remove a file, or all files below a folder."""
        place = self.address(path)
        with _lock:
            for name in [name for name in _files if name == place or _in(name, _below(place))]:
                del _files[name], _versions[name]

    def move(self, path: str, target: str) -> None:
        """Rename every file of a folder, in one step."""
        folder, aim = _below(self.address(path)), _below(self.address(target))
        with _lock:
            if aim.rstrip("/") in _files or any(_in(name, aim) for name in _files):
                raise ExistsError(f"{target}: files exist already")
            moved = [name for name in _files if _in(name, folder)]
            if not moved:
                raise NotFoundError(f"{path}: no such file or folder")
            for name in moved:
                moved_to = aim + name[len(folder) :]
                _files[moved_to], _versions[moved_to] = _files.pop(name), _versions.pop(name)

    def protected(self, path: str) -> str:
        """Protect the root, which all code of the process shares."""
        return "it is the root of the memory store" if self.address(path) == _SCHEME else ""


def _below(address: str) -> str:
    """Return the common prefix of all addresses in the folder `address`."""
    return address if address == _SCHEME else address + "/"


def _in(name: str, folder: str) -> bool:
    return name.startswith(folder)
