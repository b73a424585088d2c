"""Files on this machine's disks, and on disks that it shares with others."""

from __future__ import annotations

import errno
import io
import os
import shutil
import uuid
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO
from urllib.parse import unquote

from thunderlike.errors import Denied, Exists, NotFound, StorageError
from thunderlike.storage.base import PARTIAL, Entry, Store

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["LocalStore", "failure"]


class LocalStore(Store):
    """Plain paths and ``file://`` URIs, whose ``%20`` and the like are decoded.

    Examples
    --------
    >>> store = LocalStore()
    >>> store.address("file:///data/day%201/../day%202/")
    '/data/day 2'
    """

    def address(self, path: str) -> str:
        """Spell `path` in full; links stay as they are."""
        return os.path.abspath(os.path.expanduser(_plain(path)))  # noqa: PTH100, PTH111  # pathlib has none that leaves links alone and drops '..'

    def list(self, path: str, *, recursive: bool) -> Sequence[Entry]:
        """Name the files of a folder; one look at each file for its size."""
        return list(_files(self.address(path), recursive=recursive))

    def stat(self, path: str) -> Entry:
        """Describe one file."""
        file = Path(self.address(path))
        with _failures(str(file), "look at"):
            size = file.stat().st_size
        if file.is_dir():
            raise NotFound(f"{file}: is a folder, not a file")
        return Entry(str(file), size)

    def exists(self, path: str) -> bool:
        """Tell whether a file or a folder is there."""
        place = self.address(path)
        try:
            with _failures(place, "look at"):
                Path(place).stat()
        except NotFound:
            return False
        return True

    def read(self, path: str) -> bytes:
        """Read a whole file."""
        file = self.address(path)
        with _failures(file, "read"):
            return Path(file).read_bytes()

    def read_range(self, path: str, start: int, length: int) -> bytes:
        """Read a part of a file."""
        file = self.address(path)
        with _failures(file, "read"), Path(file).open("rb") as stream:
            left = max(0, os.fstat(stream.fileno()).st_size - start)
            stream.seek(start)
            return stream.read(min(length, left))  # Python takes memory for all that is wanted

    def open(self, path: str) -> BinaryIO:
        """Open a file to read from anywhere in it, without a copy between."""
        file = self.address(path)
        with _failures(file, "read"):
            return io.BufferedReader(io.FileIO(file))  # half the time of Path.open

    def write(self, path: str, data: bytes) -> None:
        """Write beside the file under a hidden name, flush to the disk, then rename."""
        file = Path(self.address(path))
        with _failures(str(file), "write"):
            _make(file.parent)
            # Not made from the file's name, which may already be as long as a name can be.
            partial = file.with_name(f".{uuid.uuid4().hex}.partial")
            try:
                _write_through(partial, data)
                partial.replace(file)
            except BaseException:
                partial.unlink(missing_ok=True)
                raise

    def delete(self, path: str) -> None:
        """Remove a file, a link, or a folder with all in it."""
        place = Path(self.address(path))
        with _failures(str(place), "remove"):
            if place.is_dir() and not place.is_symlink():
                shutil.rmtree(place)
            elif place.is_symlink() or place.exists():
                place.unlink(missing_ok=True)

    def move(self, path: str, target: str) -> None:
        """Rename a folder: one step, within one disk."""
        folder, aim = Path(self.address(path)), Path(self.address(target))
        if not folder.is_dir():
            raise NotFound(f"{folder}: no such folder")
        if aim.is_file():
            raise Exists(f"{aim}: a file is there already")
        with _failures(str(aim), f"move {folder} to"):
            aim.parent.mkdir(parents=True, exist_ok=True)
            folder.rename(aim)

    def begin(self, path: str) -> None:
        """Make a hidden folder: `write` makes all others, but no such one."""
        folder = Path(self.address(path))
        with _failures(str(folder), "make"):
            _make(folder.parent)
            folder.mkdir()

    def protected(self, path: str) -> str:
        """Guard the root, homes, mounted disks, links and what we stand in."""
        given = Path(self.address(path))
        if given.is_symlink() and given.is_dir():
            return f"it is a link to {given.resolve()}"
        folder, home = given.resolve(), Path(self.address("~")).resolve()
        if _HOMES & {given.parent, folder.parent} or home.is_relative_to(folder):
            return "it is, or holds, a home folder"
        if Path.cwd().is_relative_to(folder):
            return "it is, or holds, the current folder"
        return "it is where a disk is mounted" if folder.is_mount() else ""


_HOMES = {Path("/home"), Path("/Users")}  # each folder in one of these is somebody's home


def _plain(path: str) -> str:
    """Return the path that a file: URI names, and any other text as it is."""
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
    """Walk with an explicit stack, so that a folder we may not enter is an error, not a gap."""
    folders = [folder]
    while folders:
        folder = folders.pop()
        with _failures(folder, "list"), os.scandir(folder) as found:
            for item in found:
                if item.is_dir(follow_symlinks=False):
                    folders += [item.path] if recursive else []
                elif item.is_file():
                    yield from _entry(item)


def _entry(item: os.DirEntry[str]) -> Iterator[Entry]:
    try:
        yield Entry(item.path, item.stat().st_size)
    except FileNotFoundError:
        return  # another process renamed or removed it since the folder was read


def _make(folder: Path) -> None:
    """Make a folder and those above it, but none for results that are finished or were given up.

    A task may outlive what it works for: Spark ends it a little later.
    """
    if folder.is_dir():
        return
    for one in (folder, *folder.parents):
        if one.is_file():
            raise NotADirectoryError(errno.ENOTDIR, "a file stands where a folder would")
        if PARTIAL.fullmatch(one.name) and not one.exists():
            raise NotFound(f"{one}: what was written there is finished, or was given up")
    folder.mkdir(parents=True, exist_ok=True)


def _write_through(path: Path, data: bytes) -> None:
    """Return when the bytes are on the disk: a rename may otherwise survive a crash they do not."""
    with path.open("xb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())


@contextmanager
def _failures(path: str, verb: str) -> Iterator[None]:
    """Raise the operating system's failures as ours, naming the address."""
    try:
        yield
    except StorageError:
        raise
    except OSError as error:
        raise failure(path, verb, error) from error


def failure(path: str, verb: str, error: OSError) -> StorageError:
    """Say as one of our errors what the operating system says of a file.

    Examples
    --------
    >>> failure("/data/raw.bin", "write", OSError(errno.ENOSPC, "No space left on device"))
    StorageError('/data/raw.bin: the disk is full')
    """
    unknown = StorageError, f"cannot {verb} it: {error.strerror or error}"
    kind, found = _ANSWERS.get(error.errno or 0, unknown)
    return kind(f"{path}: {found}")


_ANSWERS: dict[int, tuple[type[StorageError], str]] = {
    errno.ENOENT: (NotFound, "no such file or folder"),
    errno.ENOTDIR: (NotFound, "no such file or folder, since a part of this path is a file"),
    errno.EISDIR: (NotFound, "is a folder, not a file"),
    errno.EEXIST: (Exists, "something is there already"),
    errno.ENOTEMPTY: (Exists, "files are there already"),
    errno.EACCES: (Denied, "this user has no permission for it"),
    errno.EPERM: (Denied, "this user has no permission for it"),
    errno.EROFS: (Denied, "this disk may only be read"),
    errno.ENOSPC: (StorageError, "the disk is full"),
    errno.EDQUOT: (StorageError, "this user's share of the disk is full"),
}
