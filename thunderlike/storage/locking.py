"""Locks between writers of one file."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import posixpath
import time
from contextlib import suppress
from pathlib import Path
from typing import Self

from thunderlike.errors import InUseError
from thunderlike.storage._open import local_file
from thunderlike.storage.base import PARTIAL
from thunderlike.storage.filesystem import destination, failures
from thunderlike.storage.paths import delete, join, parent

__all__ = ["WriterLock", "hidden"]


def hidden(address: str, ending: str) -> str:
    """Return the address of the hidden companion of a file.

    Examples
    --------
    >>> hidden("/data/pets.msgpack", ".lock")
    '/data/.pets.msgpack.lock'
    """
    name = posixpath.basename(address)
    if len(os.fsencode(name)) + len(ending) > 250:  # a name may have 255 bytes
        name = hashlib.sha256(os.fsencode(name)).hexdigest()
    return join(parent(address), f".{name}{ending}")


_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL}


class WriterLock:
    """Exclusive lock of a local file for one writer.

    The lock is on a hidden file next to it, which is removed at the end. The operating system
    releases it when the process ends, however it ends: the file that a killed process leaves locks
    nothing. It names what that process was writing, which the next writer removes.

    Parameters
    ----------
    address : str
        Of the file. Elsewhere than on a disk nothing is locked: the last writer that closes wins.
    patience : float
        Seconds to wait for another writer.

    Raises
    ------
    InUseError
        When another writer holds it, in this process or another.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     lock = WriterLock(f"{folder}/pets.msgpack")
    ...     try:
    ...         WriterLock(f"{folder}/pets.msgpack")
    ...     except InUseError as error:
    ...         print(str(error).removeprefix(folder))
    ...     lock.release()
    /pets.msgpack: another writer has it open; close that one first, or write to another path
    """

    _descriptor = -1

    def __init__(self, address: str, patience: float = 0) -> None:
        self._address = address
        self._file = local_file(hidden(address, ".lock"))
        self._process = os.getpid()
        if self._file is not None:
            with failures(address, "write"):
                self._file.parent.mkdir(parents=True, exist_ok=True)
                last = time.monotonic() + patience
                while not self._acquired(self._file, last):
                    pass

    @staticmethod
    def is_held(address: str) -> bool:
        """Return whether a running writer holds the lock."""
        file = local_file(hidden(address, ".lock"))
        if file is None:
            return False
        try:
            descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError:
            return False
        try:
            # A shared lock does not keep out other readers that ask at the same time.
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:
            return False
        finally:
            os.close(descriptor)
        return False

    def _acquired(self, file: Path, last: float) -> bool:
        """Lock the file; False if another writer holds or removed it until `last`."""
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        self._descriptor = os.open(file, flags, 0o600)
        try:
            _lock(self._descriptor)
            same = os.fstat(self._descriptor).st_ino == file.stat().st_ino
        except BlockingIOError as error:
            self._close()
            if time.monotonic() < last:
                time.sleep(0.02)
                return False
            raise InUseError(
                f"{self._address}: another writer has it open; close that one first, or write to "
                "another path"
            ) from error
        except FileNotFoundError:
            same = False
        except OSError as error:
            if error.errno not in _NO_LOCKS:  # some network disks have no locks
                self._close()
                raise
            same = True
        if not same:
            self._close()
        return same

    def remove_leftovers(self) -> None:
        """Remove the unfinished files of a killed writer.

        What can be completed must have been, see `publication.recover`.
        """
        if self._file is None:
            return
        content = os.pread(self._descriptor, 2**16, 0)
        homes = {self._file.parent, destination(self._address)[0].parent}
        with suppress(ValueError, TypeError):
            for path in map(Path, json.loads(content or b"[]")):
                if PARTIAL.fullmatch(path.name) and path.parent in homes:
                    delete(path)

    def note(self, paths: list[str]) -> None:
        """Record the files being written, for recovery by the next writer."""
        if self._descriptor >= 0:
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, json.dumps(paths).encode(), 0)

    def release(self) -> None:
        """Release the lock; no effect when repeated or in a fork."""
        if self._descriptor >= 0 and self._file is not None and self._process == os.getpid():
            with suppress(OSError):
                self._file.unlink()
            with suppress(OSError):
                fcntl.flock(self._descriptor, fcntl.LOCK_UN)  # forks have the descriptor as well
            self._close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.release()

    def __del__(self) -> None:
        self.release()

    def _close(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        os.close(descriptor)


def _lock(descriptor: int) -> None:
    """Lock a file for this writer.

    Raises
    ------
    BlockingIOError
        When another writer holds the lock.
    """
    for pause in (0.005, 0.02, None):  # `WriterLock.is_held` takes the lock for a moment
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if pause is None:
                raise
            time.sleep(pause)
        else:
            return
