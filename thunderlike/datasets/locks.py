"""One writer at a time: locks of files, which end with the process that holds them."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
from pathlib import Path

from thunderlike import storage
from thunderlike.datasets.publication import hidden
from thunderlike.errors import InUse
from thunderlike.storage.atomic import destination
from thunderlike.storage.base import PARTIAL
from thunderlike.storage.filesystem import failures
from thunderlike.storage.opening import local_file

__all__ = ["WriterLock"]

_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL}


class WriterLock:
    """Keeps other writers away from a file on a disk until it is released.

    The lock is on a hidden file next to it, which is removed at the end. The operating system
    releases it when the process ends, however it ends: the file that a killed process leaves locks
    nothing. It names what that process was writing, which the next writer removes.

    Parameters
    ----------
    address : str
        Of the file. Elsewhere than on a disk nothing is locked: the last writer that closes wins.

    Raises
    ------
    InUse
        When another writer holds it, in this process or another.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     lock = WriterLock(f"{folder}/pets.msgpack")
    ...     try:
    ...         WriterLock(f"{folder}/pets.msgpack")
    ...     except InUse as error:
    ...         print(str(error).removeprefix(folder))
    ...     lock.release()
    /pets.msgpack: another writer has it open; close that one first, or write to another path
    """

    _descriptor = -1

    def __init__(self, address: str) -> None:
        self._address = address
        self._file = local_file(hidden(address, ".lock"))
        self._process = os.getpid()
        if self._file is not None:
            with failures(address, "write"):
                self._file.parent.mkdir(parents=True, exist_ok=True)
                while not self._acquired(self._file, address):
                    pass

    def _acquired(self, file: Path, address: str) -> bool:
        """Lock the file; False when its last owner removed it meanwhile."""
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        self._descriptor = os.open(file, flags, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            same = os.fstat(self._descriptor).st_ino == file.stat().st_ino
        except BlockingIOError as error:
            self._close()
            raise InUse(
                f"{address}: another writer has it open; close that one first, or write to "
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
        """Remove what a writer that was killed had begun.

        What can be completed must have been, see `publication.recover`.
        """
        if self._file is None:
            return
        content = os.pread(self._descriptor, 2**16, 0)
        homes = {self._file.parent, destination(self._address)[0].parent}
        with contextlib.suppress(ValueError, TypeError):
            for path in map(Path, json.loads(content or b"[]")):
                if PARTIAL.fullmatch(path.name) and path.parent in homes:
                    storage.delete(path)

    def note(self, paths: list[str]) -> None:
        """Write down what is being written, for the next writer if this one is killed."""
        if self._descriptor >= 0:
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, json.dumps(paths).encode(), 0)

    def release(self) -> None:
        """Let other writers in; again without effect, and without effect in a fork."""
        if self._descriptor >= 0 and self._file is not None and self._process == os.getpid():
            with contextlib.suppress(OSError):
                self._file.unlink()
            with contextlib.suppress(OSError):
                fcntl.flock(self._descriptor, fcntl.LOCK_UN)  # forks have the descriptor as well
            self._close()

    def __del__(self) -> None:
        self.release()

    def _close(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        os.close(descriptor)
