"""Calls that only some systems have, and their replacement on all others.

Linux has all of them. The rest of the package calls these functions, and knows no system. They
look at each call, so that ``pytest --posix`` can hide everything that plain POSIX does not have.
"""

from __future__ import annotations

import contextlib
import errno
import mmap
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "allocate",
    "begin_writing",
    "can_fork",
    "exchange",
    "files_of_system",
    "memory_file",
    "memory_folder",
    "ncores",
    "preadv",
    "pwritev",
    "reserve",
    "trim",
]

MEMORY = Path("/dev/shm")  # noqa: S108  # a file system in memory
PROC = Path("/proc")  # the system as files
FORKS = sys.platform != "darwin"  # the frameworks of macOS abort in forks of a process with threads
_ZEROS = 2**20  # bytes written at once
SWAPS = True  # look for `renameat2`


def ncores() -> int:
    """Return the number of cores of this process: a scheduler may allow fewer than there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def can_fork() -> bool:
    """Return whether a process with threads can go on in a fork."""
    return FORKS and hasattr(os, "fork")


def files_of_system(name: str) -> str:
    """Return the text of a file below ``/proc``, or '' where there is none."""
    with contextlib.suppress(OSError):
        return (PROC / name).read_text("utf-8")
    return ""


# files


def preadv(file: int, parts: list[Any], at: int) -> int:
    """Read from byte `at` into several buffers; return the number of bytes.

    Notes
    -----
    Without the call of this name, each buffer takes a call and a copy.
    """
    if hasattr(os, "preadv"):
        return os.preadv(file, parts, at)
    done = 0
    for part in parts:
        view = memoryview(part).cast("B")
        data = os.pread(file, len(view), at + done)
        view[: len(data)] = data
        done += len(data)
        if len(data) < len(view):
            break
    return done


def pwritev(file: int, parts: list[Any], at: int) -> int:
    """Write several buffers one after the other from byte `at` on; return the number of bytes."""
    if hasattr(os, "pwritev"):
        return os.pwritev(file, parts, at)
    done = 0
    for part in parts:
        view = memoryview(part).cast("B")
        written = os.pwrite(file, view, at + done)
        done += written
        if written < len(view):
            break
    return done


def begin_writing(file: int, at: int, nbytes: int) -> None:
    """Start the transfer of written bytes to the disk, so that a later sync is short."""
    if hasattr(os, "posix_fadvise"):  # DONTNEED starts writing dirty pages
        os.posix_fadvise(file, at, nbytes, os.POSIX_FADV_DONTNEED)


def reserve(file: int, nbytes: int) -> None:
    """Reserve disk space for an open file; unwritten bytes are zeros.

    To write in a map of a file with holes ends the process when the disk is full; here that is an
    OSError.
    """
    try:
        os.posix_fallocate(file, 0, max(nbytes, 1))
    except (AttributeError, OSError) as error:  # macOS has no such call, and some disks cannot
        if getattr(error, "errno", None) not in (None, errno.EOPNOTSUPP, errno.EINVAL):
            raise
        for start in range(os.fstat(file).st_size, nbytes, _ZEROS):
            os.pwrite(file, bytes(min(_ZEROS, nbytes - start)), start)


def exchange(path: str, target: str) -> bool:
    """Swap two paths in one step; False where the system or the disk cannot.

    Examples
    --------
    >>> exchange("/nowhere/a", "/nowhere/b")
    False
    """
    import ctypes

    swap = None
    if SWAPS:
        with contextlib.suppress(AttributeError, OSError, TypeError):
            swap = ctypes.CDLL(None).renameat2  # which Python does not wrap
    if swap is None:
        return False
    here, flag = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
    return bool(swap(here, os.fsencode(path), here, os.fsencode(target), flag) == 0)


# memory


def memory_folder() -> Path | None:
    """Return the folder of files in memory, or None for that of temporary files."""
    return MEMORY if os.access(MEMORY, os.W_OK) else None


def allocate(file: int, nbytes: int) -> None:
    """Set the size of a file in memory and reserve its memory.

    A write to a mapped page without memory ends the process (SIGBUS); here it is an OSError.
    """
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file, 0, nbytes)
        return
    free = os.fstatvfs(file)
    if free.f_bavail * free.f_frsize < nbytes:
        raise OSError(errno.ENOSPC, f"{free.f_bavail * free.f_frsize} bytes are free")
    os.ftruncate(file, nbytes)


@contextlib.contextmanager
def memory_file(nbytes: int) -> Iterator[tuple[str, mmap.mmap]]:
    """Allocate zeroed memory with a path at which other processes open it inside the block.

    The map stays valid after the block.

    Notes
    -----
    Without ``memfd_create`` and ``/proc`` it is a temporary file, removed at the end of the block.

    Raises
    ------
    OSError
        When the system does not have that much memory.
    """
    if hasattr(os, "memfd_create") and (PROC / "self" / "fd").exists():
        file = os.memfd_create("thunderlike")
        path, named = f"{PROC}/{os.getpid()}/fd/{file}", False
    else:
        import tempfile

        file, path = tempfile.mkstemp(prefix="thunderlike-memory-", dir=memory_folder())
        named = True
    try:
        (allocate if named else os.ftruncate)(file, nbytes)
        yield path, mmap.mmap(file, nbytes)
    finally:
        os.close(file)
        if named:
            Path(path).unlink()


def trim() -> None:
    """Return memory that was freed to the system, which an allocator may keep for later.

    Notes
    -----
    That of glibc keeps what lies below any piece in use, in a heap for each thread: hundreds of
    megabytes after arrays of some megabytes were made on several threads. Others return it
    themselves.
    """
    import ctypes

    with contextlib.suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)
