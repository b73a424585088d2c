"""The data file while it is written: under another name, hashed in a thread of its own."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import queue
import tempfile
import threading
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

from thunderlike import storage
from thunderlike.datasets import index as indices
from thunderlike.errors import SpecError, StorageError
from thunderlike.formats.samples import sums_of
from thunderlike.storage.local import failure
from thunderlike.storage.opening import local_file

if TYPE_CHECKING:
    from array import array
    from collections.abc import Callable, Mapping

__all__ = ["Aside", "Part", "hasher", "part_for", "publish", "publish_appended"]


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
    """

    def __init__(self, path: Path, start: int, digest: str | None, sums: bool) -> None:
        self.path = path
        self.digest, self.summing = hasher(digest), sums
        self.sums: list[bytes] = []
        self._file = path.open("r+b" if start else "w+b", buffering=0)
        self._file.truncate(start)
        self._file.seek(start)
        self._hashing, self._flushing = Aside(), Aside()

    def put(self, batch: bytearray, lengths: array[int]) -> None:
        """Add messages that stand one after the other; StorageError when there is no room."""
        if self.digest is not None or self.summing:
            self._hashing.do(self._hash, batch, lengths)
        try:
            self._write(batch)
        except OSError as error:
            raise _failed(self.path, error) from error

    def flush(self) -> None:
        """Begin to bring all to the disk, once nothing more comes."""
        self._flushing.do(os.fsync, self._file.fileno())

    def finish(self) -> None:
        """Wait until all is hashed and on the disk."""
        try:
            self._hashing.end()
            self._flushing.end()
        except OSError as error:
            raise _failed(self.path, error) from error
        finally:
            self._file.close()

    def abort(self, keep: int | None) -> None:
        """Stop, and remove the file, or cut it back to what it was."""
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


def _failed(path: Path, error: OSError) -> StorageError:
    named = str(path).rpartition(".part-")[0]  # as the dataset will be called, where that is seen
    return failure(named or str(path), "write", error)


def part_for(path: str) -> Path:
    """Where to write the data of a new dataset: beside it, or on this disk for other stores."""
    file = local_file(path)
    name = f"part-{os.getpid()}-{uuid.uuid4().hex}"
    if file is None:
        return Path(tempfile.gettempdir()) / f"thunderlike-{name}"
    file.parent.mkdir(parents=True, exist_ok=True)
    return file.with_name(f"{file.name}.{name}")


def publish(path: str, part: Path, contents: Mapping[str, bytes]) -> None:
    """Give a finished data file its name, and write the files beside it, by suffix, in order.

    The old index goes first: a reader never sees new data with an old index. ``.md5`` comes last
    and says that the others are there.
    """
    for suffix in (*reversed(indices.SUFFIXES), *_OLD):
        storage.delete(indices.beside(path, suffix))
    file = local_file(path)
    if file is None:
        storage.write(path, part.read_bytes())
        part.unlink()
    else:
        part.replace(file)
    _write(path, contents)


_OLD = (indices.SUFFIX_LEGACY_INDEX, indices.SUFFIX_APPENDING)


def publish_appended(path: str, contents: Mapping[str, bytes]) -> None:
    """Let samples that were added to a data file be seen, all of them in one step.

    That step is the rename of ``.offsets``: before it the old samples are all there are, after it
    the new ones are there too. The other files go first, since all of them can be made anew.
    """
    for suffix in reversed(indices.SUFFIXES):
        if suffix != indices.SUFFIX_OFFSETS:
            storage.delete(indices.beside(path, suffix))
    _write(path, contents)
    storage.delete(indices.beside(path, indices.SUFFIX_APPENDING))


def _write(path: str, contents: Mapping[str, bytes]) -> None:
    for suffix, data in contents.items():
        storage.write(indices.beside(path, suffix), data)
    if (file := local_file(path)) is not None:
        _sync_folder(file.parent)


def _sync_folder(folder: Path) -> None:
    """Have the renames survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # some network disks cannot
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
