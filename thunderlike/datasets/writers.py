"""Writing datasets: whole or not at all."""

from __future__ import annotations

import hashlib
import posixpath
import sys
import warnings
from array import array
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike import storage
from thunderlike.datasets import index as indices
from thunderlike.datasets.parts import Part, hasher, part_for, publish, publish_appended
from thunderlike.datasets.reader import MsgpackReader
from thunderlike.errors import (
    CorruptDatasetError,
    DatasetError,
    Exists,
    FormatError,
    KeyMissing,
    NotFound,
    SpecError,
    WrongType,
)
from thunderlike.formats import samples
from thunderlike.formats.msgpack import pack_into, unpackb
from thunderlike.formats.shards import Summary, message, plain_hashes
from thunderlike.progress import progress as shown
from thunderlike.progress import track
from thunderlike.storage.opening import local_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path
    from typing import Self

    from thunderlike.storage import AnyCredentials, AnyPath

__all__ = ["FileWriter", "RawWriter", "Writer"]

_BATCH = 4 * 2**20  # bytes handed to the disk at once


class Writer:
    """What all writers share; use :class:`FileWriter` or :class:`RawWriter`.

    The dataset appears when the writer is closed, after its bytes are on the disk. When a ``with``
    block raises, or the process is killed, what was there before still is.

    Parameters
    ----------
    outfile : path
        The data file; index files come beside it. Folders above it are made.
    buffering : int
        Accepted for programs written for datadings; without effect.
    overwrite : bool
        Replace a dataset that is there.
    append : bool
        Add to a dataset that is there, on a disk; a new one is made where there is none.
    digest : {'md5', 'sha256', 'blake2b', None}
        Hash of the whole files. Others than md5, the one that datadings reads, go to a file of
        their name.
    sums : bool
        Also write ``.sums``, a hash of each sample, which lets a reader notice a flipped bit at
        once; other programs ignore that file.
    progress : True or callable, optional
        True shows a line on a terminal; a callable is called with samples and bytes written so far,
        every few megabytes. ``with tl.progress():`` shows the same.
    total : int, optional
        How many samples will come, for showing progress.
    desc : str, optional
        What progress is called; the name of the file by default.
    disable : bool
        Accepted for programs written for datadings: writers are quiet unless asked.
    credentials : mapping, optional
        For a store that needs some.

    Attributes
    ----------
    written : int
        Samples so far.

    Raises
    ------
    Exists
        When a dataset is there, before anything else is done.

    Notes
    -----
    Bytes of samples are written 4 MiB at a time, and hashed beside the packing where there is a
    second core. Memory: keys, and 8 bytes a sample. For a store that is no disk, the data is first
    written to this machine's temporary folder and sent when it is whole.
    """

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
    ) -> None:
        self._open = False
        self._path = storage.at(outfile, credentials)
        self._name = posixpath.basename(self._path)
        self._digest = digest
        self._keys: dict[str, int] = {}
        self._lengths = array("Q")
        self._batch = bytearray()  # messages, one after the other
        self._batch_bytes = self._bytes = self._put = 0
        self._start: int | None = None
        self._listener = progress if callable(progress) else None
        self._part = self._begun(overwrite, append, sums)
        self._open = True
        self._stack = ExitStack()
        if progress is True and sys.stderr.isatty():
            self._stack.enter_context(shown())
        tracker = track(desc or f"writing {self._name}", total or 0, "samples")
        self._tracker = self._stack.enter_context(tracker)

    @property
    def written(self) -> int:
        """Samples so far, those that were there before included."""
        return len(self._keys)

    @property
    def nbytes(self) -> int:
        """Bytes of their messages."""
        return self._bytes + self._batch_bytes

    def _begun(self, overwrite: bool, append: bool, sums: bool) -> Part:
        there = storage.exists(self._path)
        if append and there:
            return self._continued(sums)
        if there and not overwrite:
            raise Exists(f"{self._path}: is there already; give overwrite=True to replace it")
        hasher(self._digest)  # an unknown one is said before a file is made
        return Part(part_for(self._path), 0, self._digest, sums)

    def _continued(self, sums: bool) -> Part:
        """Go on at the end of a dataset, once it was found to be whole."""
        file = local_file(self._path)
        if file is None:
            raise SpecError(f"{self._path}: only files on a disk can be added to; write a shard")
        reader = MsgpackReader(self._path)
        if not storage.exists(indices.beside(self._path, indices.SUFFIX_OFFSETS)):
            raise SpecError(
                f"{self._path}: has an old index; first run: thunderlike datasets convert-index "
                f"{self._path}"
            )
        self._adopt(reader)
        mark = indices.beside(self._path, indices.SUFFIX_APPENDING)
        storage.write(mark, self._bytes.to_bytes(8, "big"))
        return self._primed(reader, file, sums)

    def _adopt(self, reader: MsgpackReader) -> None:
        offsets = indices.load_offsets(self._path)
        self._keys = {key: number for number, key in enumerate(reader.keys())}
        if len(self._keys) != len(reader):
            raise CorruptDatasetError(f"{self._path}: holds the same key twice")
        self._lengths = array("Q", np.diff(offsets).tolist())
        self._bytes = self._start = int(offsets[-1])
        self._put = len(self._lengths)

    def _primed(self, reader: MsgpackReader, file: Path, sums: bool) -> Part:
        """Hash what is there, and compare it with the hash that was written down."""
        has_sums = storage.exists(indices.beside(self._path, indices.SUFFIX_SUMS))
        part = Part(file, self._bytes, self._digest, sums or has_sums)
        try:
            for batch in _batches(reader.slice(0, raw=True, copy=False)):
                if part.digest is not None:
                    part.digest.update(batch)
            self._compare(part)
            if sums or has_sums:
                part.sums.append(samples.sums_of(reader.slice(0, raw=True, copy=False)))
        except BaseException:
            part.abort(self._bytes)
            raise
        return part

    def _compare(self, part: Part) -> None:
        try:
            told = storage.read(indices.beside(self._path, f".{self._digest}")).decode()
        except NotFound:
            return
        if part.digest is not None and told.split(" ")[0] != part.digest.hexdigest():
            raise CorruptDatasetError(
                f"{self._path}: does not have the hash that was written down; nothing was added"
            )

    # Writing

    def _add(self, key: str) -> None:
        """Count what was put at the end of the batch as the message of this key."""
        number, size = len(self._keys), len(self._batch) - self._batch_bytes
        if (
            self._open
            and isinstance(key, str)
            and number < samples.MOST
            and size <= samples.MOST
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
        """Cut off what was put at the end of the batch."""
        del self._batch[self._batch_bytes :]

    def _refusal(self, key: object, size: int) -> Exception:
        """Say why a message was not added."""
        number = len(self._keys)
        if not self._open:
            return DatasetError(f"{self._path}: the writer is closed")
        if not isinstance(key, str):
            return WrongType(f"{self._path}: a key is text, not {key!r:.60}")
        if number == samples.MOST:
            return DatasetError(f"{self._path}: a file holds {number} samples at most; use shards")
        if size > samples.MOST:
            return SpecError(f"sample {key!r}: has {size} bytes, of {samples.MOST} at most")
        return SpecError(
            f"{self._path}: the key {key!r} of sample {number} is that of sample "
            f"{self._keys[key]} already; keys must be unique"
        )

    def _flush(self) -> None:
        batch, lengths = self._batch, self._lengths[self._put :]
        self._bytes += self._batch_bytes
        self._batch, self._batch_bytes, self._put = bytearray(), 0, len(self._lengths)
        self._part.put(batch, lengths)
        self._tracker.advance(len(lengths))
        if self._listener is not None:
            self._listener(self.written, self._bytes)

    # Ending

    def close(self) -> None:
        """Write what is left and the index, and let the dataset be seen; again without effect."""
        if not self._open:
            return
        try:
            self._flush()
            self._part.flush()
            contents = self._contents()
        except BaseException:
            self.abort()
            raise
        self._open = False
        self._stack.close()
        if self._start is None:
            publish(self._path, self._part.path, contents)
        else:
            publish_appended(self._path, contents)

    def abort(self) -> None:
        """Give up: remove what was written, leave what was there before; again without effect."""
        if not self._open:
            return
        self._open = False
        self._stack.close()
        self._part.abort(self._start)
        if self._start is not None:
            storage.delete(indices.beside(self._path, indices.SUFFIX_APPENDING))

    def _contents(self) -> dict[str, bytes]:
        """The files beside the data, by suffix, in the order in which they are written."""
        keys, ends = list(self._keys), np.zeros(len(self._keys) + 1, np.uint64)
        np.cumsum(self._lengths, out=ends[1:], dtype=np.uint64)
        contents = {
            indices.SUFFIX_OFFSETS: samples.encode_offsets(ends),
            indices.SUFFIX_KEYS: samples.encode_keys(keys),
            indices.SUFFIX_KEY_HASHES: samples.encode_key_hashes(keys),
            indices.SUFFIX_FILTER: samples.encode_filter(keys),
        }
        self._part.finish()  # while all that was computed
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
        return {f".{self._digest}": samples.digest_lines(lines)}

    def summary(self) -> Summary:
        """Say what the manifest of a folder of shards tells of this one, once it is closed."""
        digest = self._part.digest.hexdigest() if self._digest == "md5" else ""
        hashes = plain_hashes(list(self._keys))
        return Summary(self._name, self.written, self._bytes, digest, hashes)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        if kind is None:
            self.close()
        else:
            self.abort()

    def __del__(self) -> None:
        if self._open:
            warnings.warn(
                f"{self._path}: the writer was never closed; nothing is written",
                ResourceWarning,
                stacklevel=2,
                source=self,
            )
            self.abort()


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
        KeyMissing
            For a sample without ``"key"``.
        WrongType
            For a key that is no text, and for values that a message cannot hold.
        SpecError
            For a key that is there already, and for a sample of 4 GiB.
        """
        try:
            key = sample["key"]
        except KeyError:
            raise KeyMissing(f"{self._path}: sample {self.written} has no 'key'") from None
        try:
            pack_into(sample, self._batch)
        except Exception:
            self._withdraw()
            message(key, sample)  # says which sample it is
            raise
        self._add(key)

    def write_many(self, samples: Iterable[dict[str, Any]]) -> None:
        """Add samples, one after the other."""
        for sample in samples:
            self.write(sample)


class RawWriter(Writer):
    r"""Write messages that are packed already; parameters as :class:`Writer`.

    Parameters
    ----------
    check : bool
        Unpack each, and look whether its ``"key"`` is the one it is given.

    Examples
    --------
    >>> import thunderlike as tl
    >>> with tl.datasets.RawWriter("memory://copy.msgpack", overwrite=True, check=True) as writer:
    ...     writer.write("a", b"\x81\xa3key\xa1a")
    """

    def __init__(self, outfile: AnyPath, *args: Any, check: bool = False, **options: Any) -> None:
        super().__init__(outfile, *args, **options)
        self._check = check

    def write(self, key: str, data: bytes | bytearray | memoryview) -> None:
        """Add a message.

        Raises
        ------
        WrongType
            For a key that is no text, or data that is no bytes.
        SpecError
            For a key that is there already, for 4 GiB, and for a message that is not this sample.
        """
        if not isinstance(data, bytes | bytearray | memoryview):
            raise WrongType(f"sample {key!r}: a message is bytes, not {type(data).__name__}")
        packed = bytes(data)
        if self._check:
            self._look(key, packed)
        self._batch += packed
        self._add(key)

    def _look(self, key: str, packed: bytes) -> None:
        try:
            found = unpackb(packed)
        except FormatError as error:
            raise SpecError(f"sample {key!r}: {error}") from error
        if not isinstance(found, dict) or found.get("key") != key:
            raise SpecError(f"sample {key!r}: its message is that of another, {found!r:.60}")

    def write_many(self, messages: Iterable[tuple[str, bytes]]) -> None:
        """Add ``(key, message)``, one after the other."""
        for key, data in messages:
            self.write(key, data)


def _batches(messages: Iterable[memoryview]) -> Iterable[bytes]:
    """Join messages to pieces that are worth a call."""
    held, size = [], 0
    for one in messages:
        held.append(one)
        size += len(one)
        if size >= _BATCH:
            yield b"".join(held)
            held, size = [], 0
    yield b"".join(held)
