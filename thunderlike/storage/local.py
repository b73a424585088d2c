"""Local store: files on local and network disks."""

from __future__ import annotations

import errno
import io
import os
import re
import shutil
from contextlib import suppress
from pathlib import Path
from stat import S_IRWXU, S_ISREG
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import unquote

from thunderlike import _system
from thunderlike.config import home
from thunderlike.errors import ExistsError, NotFoundError, SpecError, StorageError
from thunderlike.storage.base import PARTIAL, Entry, FileVersion, Store, replaced
from thunderlike.storage.filesystem import (
    described,
    failure,
    failures,
    keep_mode,
    regular,
    replacement,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["LocalStore", "LocalVersion", "failure", "regular"]


class LocalStore(Store):
    """Store of plain paths and ``file://`` URIs, with percent-encoding decoded.

    Examples
    --------
    >>> store = LocalStore()
    >>> store.address("file:///data/day%201/../day%202/")
    '/data/day 2'
    """

    def address(self, path: str) -> str:
        """Normalize `path`; links are not resolved."""
        if _NORMAL.fullmatch(path):  # as listings give them, thousands at a time
            return str(path)
        plain = _plain(path)
        if "\0" in plain:  # written as %00 in a file:// address
            raise SpecError(f"{plain!r}: no file has a name with a byte of 0 in it")
        full = os.path.expanduser(plain)  # noqa: PTH111  # pathlib has none that leaves links alone and drops '..'
        if full.partition("/")[0] == "~":
            raise StorageError(f"{plain}: this user has no home folder, since HOME is not set")
        try:
            return os.path.abspath(full)  # noqa: PTH100
        except FileNotFoundError as error:
            raise NotFoundError(
                f"{plain}: the current folder was removed; change to another"
            ) from error

    def list(self, path: str, *, recursive: bool) -> Sequence[Entry]:
        """List the files of a folder, with one ``stat`` each.

        A folder that is replaced meanwhile is listed again: names of one, and sizes of another,
        would be a folder that never was.
        """
        folder = self.address(path)
        for _ in range(_LISTINGS):
            with failures(folder, "list"):
                before = Path(folder).stat()
                found = list(_files(folder, recursive=recursive))
                with suppress(FileNotFoundError):
                    if os.path.samestat(before, Path(folder).stat()):
                        return found
        raise StorageError(f"{folder}: was replaced while it was listed; read it again")

    def stat(self, path: str) -> Entry:
        """Describe one file."""
        file = self.address(path)
        with failures(file, "look at"):
            return described(file, regular(file, os.stat(file)))  # noqa: PTH116  # half the time

    def exists(self, path: str) -> bool:
        """Return whether a file or folder exists."""
        place = self.address(path)
        try:
            with failures(place, "look at"):
                Path(place).stat()
        except NotFoundError:
            return False
        return True

    def read(self, path: str) -> bytes:
        """Read a whole file."""
        with self.version(path) as file:
            return file.read()

    def read_range(self, path: str, start: int, length: int) -> bytes:
        """Read a part of a file."""
        with self.version(path) as file:
            return file.read_range(start, length)

    def version(self, path: str, identity: str | None = None) -> LocalVersion:
        """Open a file: the descriptor keeps this version if the path is replaced."""
        return LocalVersion(self, self.address(path), identity)

    def fetch(
        self, path: str, start: int = 0, length: int | None = None, identity: str | None = None
    ) -> tuple[bytes, Entry]:
        """Read a range, or to the end, and return the version it belongs to."""
        with self.version(path, identity) as file:
            data = file.read_range(start, file.size if length is None else length)
            return data, Entry(file.path, file.size, file.identity)

    def open(self, path: str) -> BinaryIO:
        """Open a file for random access without an intermediate copy."""
        return self.version(path).stream(owner=True)

    def write(self, path: str, data: bytes) -> None:
        """Write under a hidden name in the same folder, flush to the disk, then rename."""
        file = self.address(path)
        with failures(file, "write"):
            _make(Path(file).parent)
            with replacement(file) as partial:
                partial.write_bytes(data)

    def delete(self, path: str) -> None:
        """Remove a file, a link, or a folder with its content."""
        place = Path(self.address(path))
        with failures(str(place), "remove"):
            if place.is_dir() and not place.is_symlink():
                shutil.rmtree(place)
            elif place.is_symlink() or place.exists():
                place.unlink(missing_ok=True)

    def move(self, path: str, target: str) -> None:
        """Rename a folder, in one step within a disk."""
        folder, aim = Path(self.address(path)), Path(self.address(target))
        if not folder.is_dir():
            raise NotFoundError(f"{folder}: no such folder")
        if aim.is_file():
            raise ExistsError(f"{aim}: a file exists already")
        with failures(str(aim), f"move {folder} to"):
            aim.parent.mkdir(parents=True, exist_ok=True)
            folder.rename(aim)

    def exchange(self, path: str, target: str) -> bool:
        """Swap two folders in one step, on Linux within a disk that supports it."""
        return _system.exchange(self.address(path), self.address(target))

    def begin(self, path: str) -> None:
        """Create a hidden folder; `write` creates all others."""
        folder = Path(self.address(path))
        with failures(str(folder), "make"):
            _make(folder.parent)
            folder.mkdir()

    def keep_modes(self, path: str, old: str) -> None:
        """Copy the mode of the folder, and of each file of the same name.

        Files of other names have the mode that all old ones have, if that is one. A folder
        without files stays writable for its owner: it is still to be filled.
        """
        new, there = self.address(path), self.address(old)
        with failures(new, "change the permissions of"):
            known = {
                entry.path[len(there) :]: Path(entry.path).lstat()
                for entry in _files(there, recursive=True)
            }
            alike = {found.st_mode for found in known.values() if S_ISREG(found.st_mode)}
            usual = next(iter(known.values())) if len(alike) == 1 else None
            written = list(_files(new, recursive=True))
            for entry in written:
                found = known.get(entry.path[len(new) :], usual)
                if found is not None and S_ISREG(found.st_mode):
                    keep_mode(Path(entry.path), found)
            keep_mode(Path(new), Path(there).stat())
            if not written:
                Path(new).chmod(Path(new).stat().st_mode | S_IRWXU)

    def protected(self, path: str) -> str:
        """Protect the root, home folders, mount points, links and the current folder."""
        given = Path(self.address(path))
        with failures(path, "look at"):
            if given.is_symlink() and given.is_dir():
                return f"it is a link to {given.resolve()}"
        folder, ours = given.resolve(), home()
        below = ours is not None and ours.resolve().is_relative_to(folder)
        if below or _HOMES & {given.parent, folder.parent}:
            return "it is, or holds, a home folder"
        with suppress(FileNotFoundError):  # the current folder was removed
            if Path.cwd().is_relative_to(folder):
                return "it is, or holds, the current folder"
        return "it is where a disk is mounted" if folder.is_mount() else ""


class LocalVersion(FileVersion):
    """One version of a local file, held by a descriptor."""

    def __init__(self, store: LocalStore, path: str, identity: str | None = None) -> None:
        super().__init__(store, path, identity)
        self._descriptor = -1
        with failures(path, "read"):
            # Before it is opened: that alone may wait for ever, or rewind a tape.
            regular(path, os.stat(path))  # noqa: PTH116  # half the time of Path.stat
            self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
            try:
                self._settle(described(path, regular(path, os.fstat(self._descriptor))))
            except BaseException:
                self.close()
                raise

    def stream(self, *, owner: bool = False) -> BinaryIO:
        """Return an independent stream; an `owner` closes the version with it."""
        return io.BufferedReader(_VersionIO(self, owner=owner))

    def fileno(self) -> int:
        """Return the descriptor, as for `mmap`."""
        if self._descriptor < 0:
            raise ValueError(f"{self.path}: is closed")
        return self._descriptor

    def read_into(self, buffer: Any, start: int) -> int:
        """Fill a buffer from byte `start`; return the number of bytes read."""
        view = memoryview(buffer).cast("B")
        done = 0
        while done < len(view):  # one call reads at most 2 GiB
            got = self.readv([view[done:]], start + done)
            done += got
            if not got:
                break
        return done

    def readv(self, parts: list[Any], start: int) -> int:
        """Read from byte `start` into several buffers in one system call."""
        with failures(self.path, "read"):
            done = _system.preadv(self.fileno(), parts, start)
            if described(self.path, os.fstat(self.fileno())).identity != self.identity:
                raise replaced(self.path)
        return done

    def close(self) -> None:
        """Close the descriptor; maps of the file stay valid."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def __del__(self) -> None:
        self.close()

    def _fetched(self, start: int, length: int | None) -> bytes:
        left = max(0, self.size - start)
        buffer = bytearray(left if length is None else min(length, left))
        if self.read_into(buffer, start) < len(buffer):
            raise replaced(self.path)
        return bytes(buffer)


class _VersionIO(io.RawIOBase):
    """Stream of one version of a local file, with its own position.

    Parameters
    ----------
    version : LocalVersion
        Open.
    owner : bool
        Close it with this stream.
    """

    def __init__(self, version: LocalVersion, *, owner: bool) -> None:
        self.version = version
        self.name = version.path  # as other files of Python have it
        self._owner, self._at = owner, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self.version.fileno()

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        origin = {io.SEEK_CUR: self._at, io.SEEK_END: self.version.size}.get(whence, 0)
        if origin + offset < 0:
            raise ValueError(f"{self.name}: no byte stands before the first")
        self._at = origin + offset
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any) -> int:
        done = self.version.read_into(buffer, self._at)
        self._at += done
        return done

    def readv(self, parts: list[Any], start: int) -> int:
        """Read as `LocalVersion.readv` does, without moving the stream."""
        return self.version.readv(parts, start)

    def readall(self) -> bytes:
        data = self.version.read_range(self._at, max(0, self.version.size - self._at))
        self._at += len(data)
        return data

    def close(self) -> None:
        if self._owner and not self.closed:
            self.version.close()
        super().close()


_LISTINGS = 5  # of a folder that is replaced
_NORMAL = re.compile(r"(?:/[^/.\0][^/\0]*)+")  # an absolute path that normalizing leaves as it is
_HOMES = {Path("/home"), Path("/Users")}  # each folder in one of these is a home folder


def _plain(path: str) -> str:
    """Return the path of a ``file:`` URI, and any other text unchanged."""
    if not path.startswith("file:/"):
        return path
    rest = path.removeprefix("file:")
    if rest.startswith("//"):
        host, slash, rest = rest.removeprefix("//").partition("/")
        if host not in ("", "localhost"):
            raise StorageError(
                f"{path}: names the host {host!r}, and only local files can be read so; "
                "write file:/// with three slashes"
            )
        rest = slash + rest
    return unquote(rest)


def _files(folder: str, *, recursive: bool) -> Iterator[Entry]:
    """Walk with an explicit stack, so that a forbidden folder is an error, not skipped.

    By descriptors: files are looked at in the very folder that named them.
    """
    folders = [folder]
    while folders:
        folder = folders.pop()
        with failures(folder, "list"):
            place = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                with os.scandir(place) as found:
                    for item in found:
                        path = f"{folder.rstrip('/')}/{item.name}"
                        if item.is_dir(follow_symlinks=False):
                            folders += [path] if recursive else []
                        elif item.is_file():
                            yield from _entry(path, item)
            finally:
                os.close(place)


def _entry(path: str, item: os.DirEntry[str]) -> Iterator[Entry]:
    try:
        yield described(path, item.stat())
    except FileNotFoundError:
        return  # another process renamed or removed it since the folder was read


def _make(folder: Path) -> None:
    """Create a folder and its parents, except for finished or abandoned results.

    A task may outlive what it works for: Spark ends it a little later.
    """
    if folder.is_dir():
        return
    for one in (folder, *folder.parents):
        if one.is_file():
            raise NotADirectoryError(errno.ENOTDIR, "a file stands where a folder would")
        if PARTIAL.fullmatch(one.name) and not one.exists():
            raise NotFoundError(f"{one}: what was written there is finished, or was given up")
    folder.mkdir(parents=True, exist_ok=True)
