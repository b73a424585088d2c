"""Data file of a dataset while it is written."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import itertools
import os
import queue
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec

from thunderlike import storage
from thunderlike.datasets import index as indices
from thunderlike.datasets.publication import partial_name, recover
from thunderlike.errors import ExistsError, SpecError, StorageError
from thunderlike.formats.dataset_files import sums_of
from thunderlike.storage._open import local_file
from thunderlike.storage.filesystem import create, destination, failure, failures
from thunderlike.storage.locking import WriterLock

if TYPE_CHECKING:
    from array import array
    from collections.abc import Callable

__all__ = ["STALE", "BackgroundThread", "Part", "Staging", "hasher"]


P = ParamSpec("P")


def hasher(digest: str | None) -> Any:
    """Return a new hash object, or None; SpecError for an unknown algorithm."""
    if digest is None:
        return None
    if digest not in indices.DIGESTS:
        raise SpecError(f"unknown digest {digest!r}; expected {', '.join(indices.DIGESTS)} or None")
    # Against damage, not attackers: md5 is allowed also where the system forbids it for security.
    return hashlib.new(digest, usedforsecurity=False)


class Part:
    """Data file that grows by batches of messages.

    Hashing and flushing release the interpreter lock, so on a second core they run while the next
    batch is packed and the index is computed.

    Parameters
    ----------
    path : Path
        File that is written from byte `start` on, and truncated there.
    start : int
        0 for a new file.
    digest : str or None
        Algorithm of the hash of the file.
    sums : bool
        Also hash each message.
    name : str, optional
        Name of the dataset, for errors; the path by default.
    """

    def __init__(
        self, path: Path, start: int, digest: str | None, sums: bool, name: str = ""
    ) -> None:
        self.path, self._name = path, name or str(path)
        self.digest, self.summing = hasher(digest), sums
        self.sums: list[bytes] = []
        try:
            # Unbuffered, because batches are large; an existing file keeps its content and mode.
            self._file = path.open("r+b" if path.exists() else "w+b", buffering=0)
            self._file.truncate(start)
            self._file.seek(start)
        except OSError as error:
            raise _failed(self._name, error) from error
        self._hashing, self._flushing = BackgroundThread(), BackgroundThread()

    def put(self, batch: bytearray, lengths: array[int]) -> None:
        """Add consecutive messages; StorageError on a full disk."""
        if self.digest is not None or self.summing:
            self._hashing.do(self._hash, batch, lengths)
        try:
            self._write(batch)
        except OSError as error:
            raise _failed(self._name, error) from error

    def flush(self) -> None:
        """Start to flush the file to the disk, after the last message."""
        self._flushing.do(os.fsync, self._file.fileno())

    def finish(self) -> None:
        """Wait until all bytes are hashed and on the disk."""
        try:
            self._hashing.end()
            self._flushing.end()
        except OSError as error:
            raise _failed(self._name, error) from error
        finally:
            self._file.close()

    def abort(self, keep: int | None) -> None:
        """Stop, and remove the file or truncate it to `keep` bytes; a second call has no effect."""
        # A thread must not touch the file after it is closed; its failure no longer matters.
        for thread in (self._hashing, self._flushing):
            with contextlib.suppress(OSError):
                thread.end()
        if keep is None:
            self.path.unlink(missing_ok=True)
        else:
            os.truncate(self.path, keep)
        self._file.close()

    def _hash(self, batch: bytearray, lengths: array[int]) -> None:
        if self.digest is not None:
            self.digest.update(batch)
        if self.summing:
            ends = list(itertools.accumulate(lengths, initial=0))
            cuts = map(slice, ends, ends[1:])
            self.sums.append(sums_of(map(memoryview(batch).__getitem__, cuts)))

    def _write(self, batch: bytearray) -> None:
        left = memoryview(batch)
        while left:  # one call writes at most 2 GiB
            left = left[self._file.write(left) :]


class BackgroundThread:
    """Thread that makes calls in order; two may wait.

    On a single core calls are made directly, since a thread would not run at the same time.
    """

    def __init__(self) -> None:
        # Bounded, so that batches that wait for a slow hash do not fill the memory.
        self._calls: queue.Queue[Callable[[], object] | None] = queue.Queue(maxsize=2)
        self._thread: threading.Thread | None = None
        self._failure: BaseException | None = None

    def do(self, function: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> None:
        """Queue a call."""
        if (os.cpu_count() or 1) == 1:
            function(*args, **kwargs)
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, daemon=True)
            self._thread.start()
        self._calls.put(functools.partial(function, *args, **kwargs))

    def end(self) -> None:
        """Wait for all calls and raise the first failure."""
        if self._thread is not None:
            self._calls.put(None)
            self._thread.join()
            self._thread = None
        if self._failure is not None:
            raise self._failure

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            if self._failure is None:  # else calls are only taken, so that `do` does not block
                try:
                    call()
                except BaseException as error:
                    self._failure = error


def _failed(name: str, error: OSError) -> StorageError:
    return failure(name, "write", error)


class Staging:
    """Unpublished data file of a dataset, and the lock of its writer.

    On a disk it is a hidden file in the same folder, and a lock excludes other writers. For other
    stores it is a temporary file of the local machine.

    Parameters
    ----------
    address : str
        Address of the dataset.
    overwrite, append : bool
        Whether the dataset may exist; whether samples are added, so that no file is needed.

    Raises
    ------
    InUseError
        When another writer has it open.
    ExistsError
        When it exists and must not be replaced.
    """

    def __init__(self, address: str, *, overwrite: bool = True, append: bool = False) -> None:
        self._scratch: tempfile.TemporaryDirectory[str] | None = None
        file = local_file(address)
        self.lock = WriterLock(address)
        try:
            # Under the lock: complete or undo the change of a killed writer, then look again.
            recover(address, self.lock, STALE)
            if not overwrite:
                _check_free(address)
            if not append:
                self.part = self._created(address, file)
        except BaseException:
            self.close()
            raise

    def _created(self, address: str, file: Path | None) -> Path:
        if file is None:
            try:
                self._scratch = tempfile.TemporaryDirectory(
                    prefix="thunderlike-", ignore_cleanup_errors=True
                )
            except OSError as error:
                named = tempfile.tempdir or os.environ.get("TMPDIR") or "the temporary folder"
                kind = failure(named, "write", error)
                raise type(kind)(f"{kind}; set TMPDIR to a folder that may be written") from error
            return Path(self._scratch.name) / "data"
        final, old = destination(file)
        # In the folder of its final name, since a rename cannot cross file systems.
        part = final.with_name(partial_name())
        with failures(address, "write"):
            self.lock.note([str(part)])
            create(part, old)
        return part

    def close(self) -> None:
        """Remove unpublished files and release the lock; a second call has no effect."""
        if self._scratch is not None:
            self._scratch.cleanup()
        self.lock.release()


def _check_free(address: str) -> None:
    if storage.exists(address):  # checked again under the lock
        raise ExistsError(f"{address}: exists already; give overwrite=True to replace it")


# Suffixes of files that are removed if the new dataset does not have them.
STALE = (*indices.SUFFIXES, indices.SUFFIX_LEGACY_INDEX, indices.SUFFIX_APPENDING)
