"""Data file of a dataset while it is written."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import queue
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

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

__all__ = ["STALE", "Aside", "Part", "Staging", "hasher"]


def hasher(digest: str | None) -> Any:
    """Return a new hash object, or None; SpecError for an algorithm that is not offered."""
    if digest is None:
        return None
    if digest not in indices.DIGESTS:
        raise SpecError(f"no digest {digest!r}; there are {', '.join(indices.DIGESTS)} and None")
    return hashlib.new(digest, usedforsecurity=False)


class Part:
    """A file that grows by batches of messages.

    Hashing and flushing release the interpreter, so where there is a second core they go on beside
    the packing of the next batch, and beside the making of the index.

    Parameters
    ----------
    path : Path
        Written from byte `start` on; what is there after that is cut off.
    start : int
        0 for a new file.
    digest : str or None
        Of the whole file.
    sums : bool
        Also hash each message.
    name : str, optional
        Of the dataset, for messages; the path by default.
    """

    def __init__(
        self, path: Path, start: int, digest: str | None, sums: bool, name: str = ""
    ) -> None:
        self.path, self._name = path, name or str(path)
        self.digest, self.summing = hasher(digest), sums
        self.sums: list[bytes] = []
        try:
            self._file = path.open("r+b" if path.exists() else "w+b", buffering=0)
            self._file.truncate(start)
            self._file.seek(start)
        except OSError as error:
            raise _failed(self._name, error) from error
        self._hashing, self._flushing = Aside(), Aside()

    def put(self, batch: bytearray, lengths: array[int]) -> None:
        """Add messages that stand one after the other; StorageError when there is no room."""
        if self.digest is not None or self.summing:
            self._hashing.do(self._hash, batch, lengths)
        try:
            self._write(batch)
        except OSError as error:
            raise _failed(self._name, error) from error

    def flush(self) -> None:
        """Begin to bring all to the disk, once nothing more comes."""
        self._flushing.do(os.fsync, self._file.fileno())

    def finish(self) -> None:
        """Wait until all is hashed and on the disk."""
        try:
            self._hashing.end()
            self._flushing.end()
        except OSError as error:
            raise _failed(self._name, error) from error
        finally:
            self._file.close()

    def abort(self, keep: int | None) -> None:
        """Stop, and remove the file, or cut it back to what it was; again without effect."""
        for aside in (self._hashing, self._flushing):
            with contextlib.suppress(OSError):
                aside.end()
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


class Aside:
    """Calls made in order in a thread of their own; two may wait.

    On a single core they are made at once: a thread would only take turns.
    """

    def __init__(self) -> None:
        self._calls: queue.Queue[tuple[Any, ...] | None] = queue.Queue(maxsize=2)
        self._thread: threading.Thread | None = None
        self._failure: BaseException | None = None

    def do(self, function: Callable[..., Any], *given: Any) -> None:
        """Call a function soon."""
        if (os.cpu_count() or 1) == 1:
            function(*given)
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, daemon=True)
            self._thread.start()
        self._calls.put((function, *given))

    def end(self) -> None:
        """Wait for all calls; the first failure of one is raised here."""
        if self._thread is not None:
            self._calls.put(None)
            self._thread.join()
            self._thread = None
        if self._failure is not None:
            raise self._failure

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            if self._failure is None:
                try:
                    call[0](*call[1:])
                except BaseException as error:
                    self._failure = error


def _failed(name: str, error: OSError) -> StorageError:
    return failure(name, "write", error)


class Staging:
    """Where the data file of a dataset is written until it is published, and who may write it.

    On a disk that is a hidden file in the same folder, and a lock keeps other writers away.
    For other stores it is a temporary file of this machine.

    Parameters
    ----------
    address : str
        Of the dataset.
    overwrite, append : bool
        Whether it may exist; whether samples are added to it, so that no file is needed.

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
            self._scratch = _temporary()
            return Path(self._scratch.name) / "data"
        final, old = destination(file)
        part = final.with_name(partial_name())
        with failures(address, "write"):
            self.lock.note([str(part)])
            create(part, old)
        return part

    def close(self) -> None:
        """Remove what was not published, and let other writers in; again without effect."""
        if self._scratch is not None:
            self._scratch.cleanup()
        self.lock.release()


def _check_free(address: str) -> None:
    if storage.exists(address):  # again, now that nobody else writes
        raise ExistsError(f"{address}: is there already; give overwrite=True to replace it")


def _temporary() -> tempfile.TemporaryDirectory[str]:
    try:
        return tempfile.TemporaryDirectory(prefix="thunderlike-", ignore_cleanup_errors=True)
    except OSError as error:
        named = tempfile.tempdir or os.environ.get("TMPDIR") or "the temporary folder"
        kind = failure(named, "write", error)
        raise type(kind)(f"{kind}; set TMPDIR to a folder that may be written") from error


# What goes when a dataset without it takes the place of one that had it.
STALE = (*indices.SUFFIXES, indices.SUFFIX_LEGACY_INDEX, indices.SUFFIX_APPENDING)
