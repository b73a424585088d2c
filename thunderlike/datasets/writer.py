"""Writers of msgpack datasets."""

from __future__ import annotations

import hashlib
import os
import posixpath
import sys
import warnings
from abc import ABC, abstractmethod
from array import array
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike import storage
from thunderlike._arguments import checked_methods
from thunderlike._text import printable
from thunderlike.datasets import index as indices
from thunderlike.datasets._data_file import STALE, Part, Staging, hasher
from thunderlike.datasets.msgpack import MsgpackReader
from thunderlike.datasets.publication import partial_name, place, publish, remove, write_new
from thunderlike.datasets.reader import as_whole
from thunderlike.datasets.scripts import make_printer
from thunderlike.errors import (
    CorruptDatasetError,
    DatasetError,
    ExistsError,
    FormatError,
    KeyMissingError,
    NotFoundError,
    SpecError,
    WrongTypeError,
)
from thunderlike.formats import dataset_files
from thunderlike.formats.dataset_files import Summary, message, plain_hashes, sums_of
from thunderlike.formats.msgpack import pack_into, unpackb
from thunderlike.formats.text import as_text
from thunderlike.progress import track
from thunderlike.storage._open import local_file
from thunderlike.storage.filesystem import destination, failures

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Self

    from thunderlike.storage import AnyCredentials, AnyPath

__all__ = ["AllOrNothing", "FileWriter", "RawWriter", "Writer", "WriterStart", "resumed"]


_COPY_BATCH = 4 * 2**20  # bytes hashed in one call, in place of a call for each message


@dataclass(frozen=True)
class WriterStart:
    """Start of a writer: an empty file, or a dataset to append to.

    Parameters
    ----------
    part : Part
        Data file.
    staging : Staging
        Lock, and the file of a new dataset.
    keys, lengths : dict, array
        Numbers of existing samples by key, and the size of each.
    start : int or None
        Bytes of existing samples; None for a new file.
    """

    part: Part
    staging: Staging
    keys: dict[str, int] = field(default_factory=dict)
    lengths: array[int] = field(default_factory=lambda: array("Q"))
    start: int | None = None


def resumed(path: str, digest: str | None, sums: bool) -> WriterStart:
    """Open a dataset to append samples, and mark the append as unfinished.

    Raises
    ------
    SpecError
        For a dataset that is not on a disk, or has a legacy index.
    CorruptDatasetError
        For a damaged dataset; nothing is changed then.
    InUseError
        When another writer has it open.
    """
    file = local_file(path)
    if file is None:
        raise SpecError(f"{path}: only files on a disk can be added to; write a shard")
    staging = Staging(path, append=True)
    try:
        return _resumed(path, destination(file)[0], staging, digest, sums)
    except BaseException:
        staging.close()
        raise


def _resumed(
    path: str, file: Path, staging: Staging, digest: str | None, sums: bool
) -> WriterStart:
    reader = MsgpackReader(path)
    if not storage.exists(indices.sidecar(path, indices.SUFFIX_OFFSETS)):
        raise SpecError(
            f"{path}: has an old index; first run: thunderlike datasets convert-index {path}"
        )
    offsets = indices.load_offsets(path)
    keys = {key: number for number, key in enumerate(reader.keys())}
    if len(keys) != len(reader):
        raise CorruptDatasetError(f"{path}: holds the same key twice")
    start = int(offsets[-1])
    # A dataset with sums keeps them, whatever this writer was given: readers may verify by them.
    has_sums = sums or storage.exists(indices.sidecar(path, indices.SUFFIX_SUMS))
    hasher(digest)  # raises for an unknown algorithm before anything is changed
    marker = indices.sidecar(path, indices.SUFFIX_APPENDING)
    unnamed = storage.join(storage.parent(path), partial_name())
    staging.lock.note([unnamed])
    # The marker is renamed into place whole, before the data grows: readers find the old size.
    try:
        write_new(unnamed, start.to_bytes(8, "big"), path)
        with failures(path, "write"):
            Path(unnamed).replace(marker)
        part = Part(file, start, digest, has_sums, path)
        try:
            _prime(part, reader, path)
        except BaseException:
            part.abort(start)
            raise
    except BaseException:
        remove(unnamed)
        remove(marker)
        raise
    return WriterStart(part, staging, keys, array("Q", np.diff(offsets).tolist()), start)


def _prime(part: Part, reader: MsgpackReader, path: str) -> None:
    """Hash existing messages, and compare the result with the recorded hash."""
    if part.digest is not None:
        for batch in _batches(reader.slice(0, raw=True, copy=False)):
            part.digest.update(batch)
        _compare(part, path)
    if part.summing:
        part.sums.append(sums_of(reader.slice(0, raw=True, copy=False)))


def _compare(part: Part, path: str) -> None:
    try:
        place = indices.sidecar(path, f".{part.digest.name}")
        line = as_text(storage.read(place), place)
    except NotFoundError:
        return
    if line.split(" ")[0] != part.digest.hexdigest():
        raise CorruptDatasetError(
            f"{path}: its hash differs from the recorded one; nothing was added"
        )


def _batches(messages: Iterable[memoryview]) -> Iterable[bytes]:
    """Join messages into larger pieces."""
    held, size = [], 0
    for one in messages:
        held.append(one)
        size += len(one)
        if size >= _COPY_BATCH:
            yield b"".join(held)
            held, size = [], 0
    yield b"".join(held)


_BATCH = 4 * 2**20  # bytes of one write


class AllOrNothing(ABC):
    """Context manager that closes at the end of its block, and aborts if that raises."""

    @abstractmethod
    def close(self) -> None:
        """Publish the result."""

    @abstractmethod
    def abort(self) -> None:
        """Remove the unfinished result."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        if kind is None:
            self.close()
        else:
            self.abort()


@checked_methods
class Writer(AllOrNothing):
    """Base class of writers; use :class:`FileWriter` or :class:`RawWriter`.

    The dataset appears when the writer is closed, all of its files in one step, after its bytes are
    on the disk. When a ``with`` block raises, or the process is killed, an existing dataset is
    unchanged. On a disk only one writer at a time can open a dataset.

    Parameters
    ----------
    outfile : path
        Data file; index files are written to the same folder, which is created.
    buffering : int
        Accepted for programs written for datadings; without effect.
    overwrite : bool
        Replace an existing dataset.
    append : bool
        Append to an existing dataset on a disk; a missing one is created.
    digest : {'md5', 'sha256', 'blake2b', None}
        Hash of the files. datadings reads md5; each other algorithm has a file of its name.
    sums : bool
        Also write ``.sums``, a hash of each sample, by which a reader detects a flipped bit; other
        programs ignore that file.
    progress : True or callable, optional
        True shows a line on a terminal; a callable is called with samples and bytes written so far,
        every few megabytes. ``with tl.progress():`` shows the same.
    total : int, optional
        Expected number of samples, for progress.
    desc : str, optional
        Label of the progress; the name of the file by default.
    disable : bool
        Accepted for programs written for datadings; without effect, progress is off by default.
    credentials : mapping, optional
        Credentials of the store.
    **printer
        Options of :func:`~thunderlike.datasets.scripts.make_printer`, such as ``unit`` and
        ``bar_format``, for the line that ``progress=True`` shows.

    Attributes
    ----------
    written : int
        Number of samples so far.

    Raises
    ------
    ExistsError
        For an existing dataset; raised before anything is written.
    InUseError
        When another writer has the dataset open on a disk.
    WrongTypeError
        For an unknown option.

    Notes
    -----
    Samples are written in batches of 4 MiB, and hashed in a thread if there is a second core.
    Memory: keys, and 8 bytes a sample. For a store other than a disk, the data is first written to
    the local temporary folder and sent in parts when it is complete; such stores have no locks, so
    of two writers the one that is closed last wins.

    Examples
    --------
    >>> import thunderlike as tl
    >>> with tl.datasets.FileWriter("memory://what-all-share.msgpack") as writer:
    ...     writer.write({"key": "a", "label": 3})
    >>> isinstance(writer, tl.datasets.Writer), writer.written
    (True, 1)
    """

    _open = False  # for __del__ after an exception in __init__

    def __init__(
        self,
        outfile: AnyPath,
        buffering: int = 0,  # noqa: ARG002
        overwrite: bool = False,
        *,
        append: bool = False,
        digest: str | None = "md5",
        sums: bool = False,
        progress: Callable[[int, int], Any] | bool | None = None,
        total: int | None = None,
        desc: str | None = None,
        disable: bool = True,  # noqa: ARG002
        credentials: AnyCredentials = None,
        **printer: Any,
    ) -> None:
        # Before the file is created; a bar that is disabled is never drawn.
        if printer:
            make_printer(**printer, disable=True).close()  # raises for an unknown option
        if total is not None and as_whole(total, "total") < 0:
            raise SpecError(f"total is {total}: give the expected number of samples, or None")
        self._path = storage.at(outfile, credentials)
        self._name = posixpath.basename(self._path)
        self._digest = digest
        self._listener = progress if callable(progress) else None
        begun = self._begun(overwrite, append, sums)
        self._part, self._keys, self._lengths = begun.part, begun.keys, begun.lengths
        self._staging, self._process = begun.staging, os.getpid()
        self._start, self._bytes = begun.start, begun.start or 0
        self._put = self._there = len(self._lengths)  # messages passed on; those there before
        self._batch = bytearray()  # messages, one after the other
        self._batch_bytes = 0
        self._open = True
        self._stack = ExitStack()
        label = desc or f"writing {self._name}"
        self._advance: Callable[[int], Any]
        if progress is True and sys.stderr.isatty():
            bar = make_printer(total=total, desc=label, **printer)
            self._advance = self._stack.enter_context(bar).update
        else:
            self._advance = self._stack.enter_context(track(label, total or 0, "samples")).advance

    @property
    def written(self) -> int:
        """Number of samples so far, existing ones included."""
        return len(self._keys)

    @property
    def nbytes(self) -> int:
        """Size of their messages in bytes."""
        return self._bytes + self._batch_bytes

    def _begun(self, overwrite: bool, append: bool, sums: bool) -> WriterStart:
        there = storage.exists(self._path)
        if append and there:
            return resumed(self._path, self._digest, sums)
        if there and not overwrite:
            raise ExistsError(f"{self._path}: exists already; give overwrite=True to replace it")
        hasher(self._digest)  # raises for an unknown algorithm before a file is created
        staging = Staging(self._path, overwrite=overwrite)
        try:
            return WriterStart(Part(staging.part, 0, self._digest, sums, self._path), staging)
        except BaseException:
            staging.part.unlink(missing_ok=True)
            staging.close()
            raise

    # Writing

    @abstractmethod
    def write(self, *args: Any) -> None:
        """Add a sample, with arguments that depend on the class."""

    def _add(self, key: str) -> None:
        """Record the end of the batch as the message of this key."""
        number, size = len(self._keys), len(self._batch) - self._batch_bytes
        # All conditions in one expression, and which one failed only afterwards: this runs for
        # every sample. `setdefault` checks and records the key in one lookup.
        if (
            self._open
            and isinstance(key, str)
            and number < dataset_files.MOST
            and size <= dataset_files.MOST
            and self._keys.setdefault(key, number) == number
        ):
            self._lengths.append(size)
            self._batch_bytes += size
            if self._batch_bytes >= _BATCH:
                self._flush()
            return
        self._withdraw()
        raise self._refusal(key, size)

    def _withdraw(self) -> None:
        """Truncate the batch to its recorded messages."""
        del self._batch[self._batch_bytes :]

    def _refusal(self, key: object, size: int) -> Exception:
        """Return the error for a message that was not added."""
        number = len(self._keys)
        if not self._open:
            return DatasetError(f"{self._path}: the writer is closed")
        if not isinstance(key, str):
            return WrongTypeError(f"{self._path}: a key is text, not {key!r:.60}")
        if number == dataset_files.MOST:
            return DatasetError(f"{self._path}: a file holds {number} samples at most; use shards")
        if size > dataset_files.MOST:
            return SpecError(f"sample {key!r}: has {size} bytes, of {dataset_files.MOST} at most")
        return SpecError(
            f"{self._path}: samples {self._keys[key]} and {number} have the same key {key!r}; "
            "keys must be unique"
        )

    def _flush(self) -> None:
        batch, lengths = self._batch, self._lengths[self._put :]
        self._bytes += self._batch_bytes
        # A new buffer, because the old one is still being hashed in another thread.
        self._batch, self._batch_bytes, self._put = bytearray(), 0, len(self._lengths)
        self._part.put(batch, lengths)
        self._advance(len(lengths))
        if self._listener is not None:
            self._listener(self.written, self._bytes)

    # Ending

    def close(self) -> None:
        """Write remaining samples and the index, and publish; a second call has no effect."""
        if not self._open:
            return
        try:
            self._flush()
            self._part.flush()  # runs while the index is encoded
            contents, lock = self._contents(), self._staging.lock
            if self._start is None:
                publish(self._path, contents, self._part.path, lock=lock, stale=STALE)
            else:
                publish(self._path, contents, None, lock=lock, size=self._bytes, stale=STALE)
        except BaseException:
            self.abort()
            raise
        self._open = False
        self._stack.close()
        self._staging.close()

    def abort(self) -> None:
        """Remove what was written; an existing dataset is unchanged. May be called twice."""
        if not self._open:
            return
        self._open = False
        self._stack.close()
        try:
            # Appended samples that readers may have seen must stay, even if the rest failed.
            if self._start is None or not self._is_published():
                self._part.abort(self._start)
                if self._start is not None:
                    remove(indices.sidecar(self._path, indices.SUFFIX_APPENDING))
        finally:
            self._staging.close()

    def _is_published(self) -> bool:
        """Return whether appended samples are published, so that they must stay."""
        offsets = place(self._path, indices.SUFFIX_OFFSETS)
        wanted = 8 * (len(self._lengths) + 1)
        return len(self._lengths) > self._there and storage.stat(offsets).size == wanted

    def _contents(self) -> dict[str, bytes]:
        """Encode the index files by suffix, in the order in which they are written."""
        keys, ends = list(self._keys), np.zeros(len(self._keys) + 1, np.uint64)
        np.cumsum(self._lengths, out=ends[1:], dtype=np.uint64)
        contents = {
            indices.SUFFIX_OFFSETS: dataset_files.encode_offsets(ends),
            indices.SUFFIX_KEYS: dataset_files.encode_keys(keys),
            indices.SUFFIX_KEY_HASHES: dataset_files.encode_key_hashes(keys),
            indices.SUFFIX_FILTER: dataset_files.encode_filter(keys),
        }
        self._part.finish()  # hashing continued while the index was computed
        if self._part.summing:
            contents[indices.SUFFIX_SUMS] = b"".join(self._part.sums)
        return contents | self._digests(contents)

    def _digests(self, contents: dict[str, bytes]) -> dict[str, bytes]:
        if self._digest is None:
            return {}
        lines = {self._name: self._part.digest.hexdigest()}
        for suffix, data in contents.items():
            found = hashlib.new(self._digest, data, usedforsecurity=False)
            lines[self._name + suffix] = found.hexdigest()
        return {f".{self._digest}": dataset_files.digest_lines(lines)}

    def summary(self) -> Summary:
        """Return the entry of this shard in the manifest of its folder, once it is closed."""
        digest = self._part.digest.hexdigest() if self._digest == "md5" else ""
        hashes = plain_hashes(list(self._keys))
        return Summary(self._name, self.written, self._bytes, digest, hashes)

    def __del__(self) -> None:
        if self._open and self._process == os.getpid():  # the copy in a fork must not write
            warnings.warn(
                printable(f"{self._path}: the writer was never closed; nothing is written"),
                ResourceWarning,
                stacklevel=2,
                source=self,
            )
            self.abort()


@checked_methods
class FileWriter(Writer):
    """Write samples, each a dict with a unique ``"key"``; parameters as :class:`Writer`.

    Examples
    --------
    >>> import thunderlike as tl
    >>> with tl.datasets.FileWriter("memory://digits.msgpack", overwrite=True) as writer:
    ...     writer.write({"key": "zero", "label": 0})
    ...     writer.written
    1
    """

    def write(self, sample: dict[str, Any]) -> None:
        """Add a sample.

        Raises
        ------
        KeyMissingError
            For a sample without ``"key"``.
        WrongTypeError
            For a key that is not text, and for values that cannot be packed.
        SpecError
            For a duplicate key, and for a sample of 4 GiB or more.
        """
        try:
            key = sample["key"]
        except KeyError:
            raise KeyMissingError(f"{self._path}: sample {self.written} has no 'key'") from None
        # Packed into the batch, without bytes of its own; a sample that fails is cut off again.
        try:
            pack_into(sample, self._batch)
        except Exception:
            self._withdraw()
            message(key, sample)  # raises an error that names the sample
            raise
        self._add(key)

    def write_many(self, samples: Iterable[dict[str, Any]]) -> None:
        """Add samples, one after the other."""
        for sample in samples:
            self.write(sample)


@checked_methods
class RawWriter(Writer):
    r"""Write packed messages; parameters as :class:`Writer`.

    Parameters
    ----------
    check : bool
        Unpack each message, and compare its ``"key"`` with the given one.

    Examples
    --------
    >>> import thunderlike as tl
    >>> with tl.datasets.RawWriter("memory://copy.msgpack", overwrite=True, check=True) as writer:
    ...     writer.write("a", b"\x81\xa3key\xa1a")
    """

    def __init__(
        self,
        outfile: AnyPath,
        buffering: int = 0,
        overwrite: bool = False,
        *,
        check: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(outfile, buffering, overwrite, **options)
        self._check = check

    def write(self, key: str, data: bytes | bytearray | memoryview) -> None:
        """Add a message.

        Raises
        ------
        WrongTypeError
            For a key that is not text, or data that is not bytes.
        SpecError
            For a duplicate key, for 4 GiB or more, and for a message with another key.
        """
        if not isinstance(data, bytes | bytearray | memoryview):
            raise WrongTypeError(f"sample {key!r}: a message is bytes, not {type(data).__name__}")
        packed = bytes(data)
        if self._check:
            self._check_key(key, packed)
        self._batch += packed
        self._add(key)

    def _check_key(self, key: str, packed: bytes) -> None:
        try:
            found = unpackb(packed)
        except FormatError as error:
            raise SpecError(f"sample {key!r}: {error}") from error
        if not isinstance(found, dict) or found.get("key") != key:
            raise SpecError(f"sample {key!r}: its message has another key: {found!r:.60}")

    def write_many(self, messages: Iterable[tuple[str, bytes]]) -> None:
        """Add ``(key, message)``, one after the other."""
        for key, data in messages:
            self.write(key, data)
