"""What the operating system says of files: kinds, versions, and failures as our errors."""

from __future__ import annotations

import ctypes
import errno
import os
import stat
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from thunderlike.errors import Denied, Exists, NotFound, StorageError, ThunderlikeError
from thunderlike.storage.base import Entry

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["check_special", "described", "exchange", "failure", "failures", "regular", "reserve"]

_KINDS = {
    stat.S_IFIFO: "a FIFO (named pipe)",
    stat.S_IFCHR: "a character device",
    stat.S_IFBLK: "a block device",
    stat.S_IFSOCK: "a socket",
}


def regular(path: str, found: os.stat_result) -> os.stat_result:
    """Return what the system says of a file, if it is a regular one.

    Raises
    ------
    NotFound
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
        raise NotFound(f"{path}: is a folder, not a file")
    named = _KINDS.get(kind, "a special file")
    raise StorageError(f"{path}: is {named}, not a regular file; give the path of a file")


def check_special(path: str | os.PathLike[str]) -> None:
    """Raise StorageError for a device, a FIFO or a socket; files, folders and nothing pass.

    For those who open a path themselves, with a library or a map: opening a FIFO waits for a writer
    that may never come.
    """
    with suppress(NotFound, FileNotFoundError, NotADirectoryError, PermissionError):
        regular(str(path), Path(path).stat())


def described(path: str, found: os.stat_result) -> Entry:
    """Return an entry for what the system says of a file."""
    # Without the device: the machines that share a disk number it differently.
    identity = f"{found.st_ino:x}-{found.st_size:x}-{found.st_mtime_ns:x}"
    return Entry(path, found.st_size, identity)


def reserve(descriptor: int, nbytes: int) -> None:
    """Have the disk set bytes of an open file aside, which are zeros where nothing was written.

    To write in a map of a file with holes ends the process when the disk is full; here that is an
    OSError.
    """
    try:
        os.posix_fallocate(descriptor, 0, max(nbytes, 1))
    except (AttributeError, OSError) as error:  # macOS has no such call, and some disks cannot
        if getattr(error, "errno", errno.EINVAL) not in (errno.EOPNOTSUPP, errno.EINVAL):
            raise
        for start in range(os.fstat(descriptor).st_size, nbytes, _ZEROS):
            os.pwrite(descriptor, bytes(min(_ZEROS, nbytes - start)), start)


_ZEROS = 2**20  # bytes written at once


def exchange(path: str, target: str) -> bool:
    """Swap what two paths name, in one step; False where the system or the disk cannot.

    Examples
    --------
    >>> exchange("/nowhere/a", "/nowhere/b")
    False
    """
    swap = _renameat2()
    if swap is None:
        return False
    here, flag = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
    return bool(swap(here, os.fsencode(path), here, os.fsencode(target), flag) == 0)


@cache
def _renameat2() -> Any:
    """Return Linux's call, which Python does not offer; None elsewhere."""
    try:
        return ctypes.CDLL(None).renameat2
    except (AttributeError, OSError, TypeError):
        return None


@contextmanager
def failures(path: str, verb: str) -> Iterator[None]:
    """Raise the operating system's failures as ours, naming the address."""
    try:
        yield
    except ThunderlikeError:
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
    errno.ELOOP: (StorageError, "is a link that leads back to itself"),
    errno.EEXIST: (Exists, "something is there already"),
    errno.ENOTEMPTY: (Exists, "files are there already"),
    errno.EACCES: (Denied, "this user has no permission for it"),
    errno.EPERM: (Denied, "this user has no permission for it"),
    errno.EROFS: (Denied, "this disk may only be read"),
    errno.ENOSPC: (StorageError, "the disk is full"),
    errno.EDQUOT: (StorageError, "this user's share of the disk is full"),
}
