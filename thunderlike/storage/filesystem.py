"""Local filesystem: errors by path, special files, modes, atomic replacement of one file."""

from __future__ import annotations

import errno
import os
import stat
import tempfile
import uuid
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from thunderlike.errors import (
    DeniedError,
    ExistsError,
    NotFoundError,
    StorageError,
    ThunderlikeError,
)
from thunderlike.storage.base import Entry

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "appear",
    "check_special",
    "create",
    "described",
    "destination",
    "failure",
    "failures",
    "keep_mode",
    "regular",
    "replacement",
    "scratch",
]


_KINDS = {
    stat.S_IFIFO: "a FIFO (named pipe)",
    stat.S_IFCHR: "a character device",
    stat.S_IFBLK: "a block device",
    stat.S_IFSOCK: "a socket",
}


def regular(path: str, found: os.stat_result) -> os.stat_result:
    """Return the status of a regular file.

    Raises
    ------
    NotFoundError
        For a folder.
    StorageError
        For a device, a FIFO or a socket: reading one may never end, and a file that is written
        would take its place.

    Examples
    --------
    >>> import pathlib
    >>> regular("/dev/null", pathlib.Path("/dev/null").stat())
    Traceback (most recent call last):
    ...
    thunderlike.errors.StorageError: /dev/null: is a character device, not a regular file; ...
    """
    kind = stat.S_IFMT(found.st_mode)
    if kind == stat.S_IFREG:
        return found
    if kind == stat.S_IFDIR:
        raise NotFoundError(f"{path}: is a folder, not a file")
    named = _KINDS.get(kind, "a special file")
    raise StorageError(f"{path}: is {named}, not a regular file; give the path of a file")


def check_special(path: str | os.PathLike[str]) -> None:
    """Raise StorageError for a device, a FIFO or a socket.

    For those who open a path themselves, with a library or a map: opening a FIFO waits for a writer
    that may never come.
    """
    with suppress(NotFoundError, FileNotFoundError, NotADirectoryError, PermissionError):
        regular(str(path), Path(path).stat())


def described(path: str, found: os.stat_result) -> Entry:
    """Return the entry of a file status."""
    # Without the device: the machines that share a disk number it differently.
    identity = f"{found.st_ino:x}-{found.st_size:x}-{found.st_mtime_ns:x}"
    return Entry(path, found.st_size, identity)


@contextmanager
def failures(path: str, verb: str) -> Iterator[None]:
    """Convert OSError to StorageError with the address."""
    try:
        yield
    except ThunderlikeError:
        raise
    except OSError as error:
        raise failure(path, verb, error) from error


def failure(path: str, verb: str, error: OSError) -> StorageError:
    """Convert an OSError about a file to an error of this package.

    Examples
    --------
    >>> failure("/data/raw.bin", "write", OSError(errno.ENOSPC, "No space left on device"))
    StorageError('/data/raw.bin: the disk is full')
    """
    unknown = StorageError, f"cannot {verb} it: {error.strerror or error}"
    kind, found = _ANSWERS.get(error.errno or 0, unknown)
    return kind(f"{path}: {found}")


_ANSWERS: dict[int, tuple[type[StorageError], str]] = {
    errno.ENOENT: (NotFoundError, "no such file or folder"),
    errno.ENOTDIR: (NotFoundError, "no such file or folder, since a part of this path is a file"),
    errno.EISDIR: (NotFoundError, "is a folder, not a file"),
    errno.ELOOP: (StorageError, "is a link that leads back to itself"),
    errno.EEXIST: (ExistsError, "the target exists already"),
    errno.ENOTEMPTY: (ExistsError, "files exist already"),
    errno.EACCES: (DeniedError, "this user has no permission for it"),
    errno.EPERM: (DeniedError, "this user has no permission for it"),
    errno.EROFS: (DeniedError, "this disk may only be read"),
    errno.ENOSPC: (StorageError, "the disk is full"),
    errno.EDQUOT: (StorageError, "this user's share of the disk is full"),
}


_LINKS = 40  # that are followed, as Linux does


def destination(path: str | os.PathLike[str]) -> tuple[Path, os.stat_result | None]:
    """Return the final path of a file written to `path`, and the status of the old file.

    A link to a file is followed, so that the file it leads to is replaced and the link stays. A
    link that leads nowhere is where the file belongs: nothing is created at its far end.

    Raises
    ------
    NotFoundError
        When `path` is a folder, or a link to one.
    StorageError
        When it is a device, a FIFO or a socket, or links that lead back to themselves.
    DeniedError
        For a link of another user in a folder where everybody may write, such as ``/tmp``: its
        maker could choose which of our files is overwritten. Linux refuses to follow those
        as well.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "data").write_bytes(b"old")
    ...     Path(folder, "link").symlink_to("data")
    ...     place, old = destination(Path(folder, "link"))
    ...     place.name, old.st_size
    ('data', 3)
    """
    place = str(path)
    with failures(str(path), "write"):
        for _ in range(_LINKS):
            try:
                found = os.lstat(place)
            except (FileNotFoundError, NotADirectoryError):
                return Path(path), None
            if not stat.S_ISLNK(found.st_mode):
                return Path(place), regular(str(path), found)
            _check_owner(place, found)
            place = os.path.join(os.path.dirname(place), os.readlink(place))  # noqa: PTH115, PTH118, PTH120  # pathlib drops what a link says of '..'
        os.stat(path)  # noqa: PTH116  # says that they lead in a circle
    return Path(path), None


def _check_owner(link: str, found: os.stat_result) -> None:
    folder = Path(link).parent.stat()
    shared = folder.st_mode & stat.S_ISVTX and folder.st_mode & stat.S_IWOTH
    if shared and found.st_uid not in (os.geteuid(), folder.st_uid):
        raise DeniedError(
            f"{link}: is a link that another user made in a folder where everybody may write; "
            "it is not followed: remove it, or give the path it leads to"
        )


@contextmanager
def replacement(path: str | os.PathLike[str], *, new: bool = False) -> Iterator[Path]:
    """Write a file that replaces another when the block ends without an error.

    The block writes to the file that it is given, empty and hidden in the folder of the old one, by
    any means. Then its bytes are flushed to the disk and it is renamed, in one step. It has the
    permissions of the old file, and none for others while it is written. Links are followed as by
    `destination`. When the block raises, the file is removed and the old one stays; a process
    that is killed leaves it, as ``.<letters>.partial``.

    Parameters
    ----------
    path : path
        Of the file to replace.
    new : bool
        Replace nothing, also not what another process has written while the block ran.

    Yields
    ------
    Path
        The file to write.

    Raises
    ------
    ExistsError
        When `new` is true and a file is there.
    StorageError
        As `destination` does, or when the file cannot be made, flushed or renamed.

    Examples
    --------
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with replacement(Path(folder, "total")) as file:
    ...         _ = file.write_bytes(b"42")
    ...     os.listdir(folder)
    ['total']
    """
    place, old = destination(path)
    # Not made from the file's name, which may already be as long as a name can be.
    partial = place.with_name(f".{uuid.uuid4().hex}.partial")
    with failures(str(path), "write"):
        create(partial, old)
    try:
        yield partial
        with failures(str(path), "write"):
            with partial.open("rb") as stream:
                os.fsync(stream.fileno())  # the rename might survive a crash that the bytes do not
            if old is not None:
                keep_mode(partial, old)
            destination(place)  # a folder or a device may have taken the name meanwhile
            if new:
                appear(partial, place)
                partial.unlink(missing_ok=True)
            else:
                partial.replace(place)
    except BaseException:
        with suppress(OSError):
            partial.unlink()
        raise


def create(path: Path, old: os.stat_result | None) -> None:
    """Create an empty file exclusively; private while it is to replace another."""
    mode = 0o666 if old is None else 0o600
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode))


def appear(path: Path, target: Path) -> None:
    """Rename a file to a free name.

    Raises
    ------
    FileExistsError
        When one has it.
    """
    try:
        os.link(path, target)
    except FileExistsError:
        raise
    except OSError:  # a file system without links
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC))
        path.replace(target)


def keep_mode(path: Path, old: os.stat_result) -> None:
    """Copy owner and permissions to the replacement of a file or folder."""
    mode, found = stat.S_IMODE(old.st_mode), path.stat()
    if (found.st_uid, found.st_gid) != (old.st_uid, old.st_gid):
        for owner, group in ((old.st_uid, old.st_gid), (-1, old.st_gid)):
            with suppress(OSError):  # only root may give files to others
                os.chown(path, owner, group)
                break
        else:  # what the old group may do, another must not: it may do what everybody may
            mode = mode & ~0o070 | (mode & 0o007) << 3
    path.chmod(mode)


@contextmanager
def scratch() -> Iterator[Path]:
    """Create a temporary folder, removed when the block ends.

    Raises
    ------
    StorageError
        When none can be made, or its disk is full; the message names the folder for
        temporary files and not the file that is read or written.
    """
    try:
        folder = tempfile.TemporaryDirectory(prefix="thunderlike-", ignore_cleanup_errors=True)
    except OSError as error:
        named = tempfile.tempdir or os.environ.get("TMPDIR") or "/tmp"  # noqa: S108
        kind = failure(named, "write", error)
        raise type(kind)(
            f"{kind}: no temporary file can be made; set TMPDIR to a folder that may be written"
        ) from error
    with folder as name:
        try:
            yield Path(name)
        except ThunderlikeError:
            raise
        except OSError as error:  # what the block says of other files passes
            if error.errno in (errno.ENOSPC, errno.EDQUOT) or name in str(error.filename):
                raise failure(name, "write", error) from error
            raise
