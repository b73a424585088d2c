"""Readers of msgpack datasets.

A data file is mapped if it is on a disk, and read in ranges elsewhere. Readers pass windows, each
the first and last bytes of some messages, and get an iterable of messages for each window. No file
position is shared, so that threads and forked processes may read through one object.
"""

from __future__ import annotations

import itertools
import logging
import mmap
import os
import warnings
from bisect import bisect_left
from collections import deque
from dataclasses import dataclass
from functools import cached_property
from gc import is_tracked
from itertools import chain, islice, tee
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar

import numpy as np
import xxhash

from thunderlike import storage
from thunderlike._arguments import checked_methods
from thunderlike._text import printable, without_secrets
from thunderlike.datasets import index as indices
from thunderlike.datasets import verification
from thunderlike.datasets.publication import data_key
from thunderlike.datasets.reader import Numbers, Reader
from thunderlike.errors import (
    CorruptDatasetError,
    CorruptSampleError,
    FormatError,
    InUseError,
    NotFoundError,
)
from thunderlike.formats.dataset_files import key_hasher
from thunderlike.formats.msgpack import CONTAINERS, decode, revived, unpackb
from thunderlike.parallel.threads import tmap
from thunderlike.storage._open import local_file
from thunderlike.storage.base import replaced
from thunderlike.storage.filesystem import check_special

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from thunderlike.storage import AnyCredentials, AnyPath
    from thunderlike.storage.base import FileVersion

__all__ = ["Bytes", "KeyTable", "Mapped", "MsgpackReader", "Ranged", "Window", "opened"]


Window: TypeAlias = "tuple[NDArray[np.uint64], NDArray[np.uint64]]"  # first and last bytes
Message = TypeVar("Message", bound="bytes | memoryview")

MIB = 2**20
_GAP = 64 * 2**10  # bytes between messages that are cheaper to read than another request
_RANGE = 4 * MIB  # bytes of one request
_BATCH = 64 * 2**10  # bytes of messages that are unpacked together, within the cache of a core
_SCATTERED = 256  # ranges per window, which limits the memory of shuffled reads


class Bytes(Protocol):
    """Contract between readers and a data file."""

    def view(self, start: int, stop: int) -> memoryview:
        """Return bytes ``start .. stop-1``, without a copy if possible."""

    def bytes(self, start: int, stop: int) -> bytes:
        """Return bytes ``start .. stop-1``."""

    def stream(self, windows: Iterable[Window], copy: bool) -> Iterator[Iterable[Any]]:
        """Yield the messages of windows in order, as bytes or without a copy."""


class Mapped:
    """A file mapped into memory: reading is slicing.

    Parameters
    ----------
    path : Path
        Of the file.
    size : int
        Bytes of it to map; more may follow.
    """

    def __init__(self, path: Path, size: int) -> None:
        self._path = str(path)
        with path.open("rb") as file:
            number = file.fileno()
            self.key = _key(number)
            # An empty file cannot be mapped.
            self._map = mmap.mmap(number, size, access=mmap.ACCESS_READ) if size else b""
        self._view = memoryview(self._map)

    def view(self, start: int, stop: int) -> memoryview:
        """Slice the mapped file; the slice keeps it mapped."""
        self._check()
        return self._view[start:stop]

    def bytes(self, start: int, stop: int) -> bytes:
        """Copy a slice."""
        self._check()
        return self._map[start:stop]

    def _check(self) -> None:
        """Raise StorageError for a file that was truncated: reading its map ends the process."""
        if isinstance(self._map, mmap.mmap) and self._map.size() < len(self._map):
            raise replaced(self._path)

    def stream(self, windows: Iterable[Window], copy: bool) -> Iterator[Iterable[Any]]:
        """Yield slices, made when they are consumed."""
        self._check()
        cut = (self._map if copy else self._view).__getitem__
        return (map(cut, map(slice, a.tolist(), b.tolist())) for a, b in windows)


class Ranged:
    """A file read in ranges: neighbours in one request, several requests at the same time.

    Parameters
    ----------
    read : callable
        ``read(start, length)`` returns bytes.
    path : str
        For messages.
    threads : int or None
        Number of concurrent requests; None is one for each core.
    key : str, optional
        Identity of the file, as from `publication.data_key`.
    """

    def __init__(
        self,
        read: Callable[[int, int], bytes],
        path: str,
        threads: int | None,
        key: str | None = None,
    ) -> None:
        self._ask, self._path, self._threads, self.key = read, path, threads, key

    def view(self, start: int, stop: int) -> memoryview:
        """Request one range."""
        return memoryview(self.bytes(start, stop))

    def bytes(self, start: int, stop: int) -> bytes:
        """Request one range."""
        return self._ask(start, stop - start)

    def stream(self, windows: Iterable[Window], copy: bool) -> Iterator[Iterable[Any]]:
        """Request the ranges of coming windows ahead, about 4 MiB for each thread."""
        plans: deque[_Plan] = deque()  # requested and not yet yielded; `tmap` limits how many

        def ranges() -> Iterator[tuple[int, int]]:
            for window in windows:
                for part in _parts(*window):
                    plan = _Plan(*part)
                    plans.append(plan)
                    yield from plan.ranges

        for block in tmap(lambda ends: self.bytes(*ends), ranges(), workers=self._threads):
            plans[0].blocks.append(block)
            if len(plans[0].blocks) == len(plans[0].ranges):
                yield plans.popleft().messages(bytes if copy else memoryview)


class _Plan:
    """Messages, and the few ranges that contain them."""

    def __init__(self, starts: NDArray[np.uint64], stops: NDArray[np.uint64]) -> None:
        order = np.argsort(starts, kind="stable")
        # Signed, because differences of unsigned numbers wrap.
        first, last = starts[order].astype(np.int64), stops[order].astype(np.int64)
        # Messages may repeat or overlap: a range ends where the longest one so far does.
        reach = np.maximum.accumulate(last)
        far = first[1:] > reach[:-1] + _GAP
        large = np.diff((first - first[0]) // _RANGE) > 0
        new = np.concatenate([[True], far | large])
        heads = np.flatnonzero(new)
        ends = np.maximum.reduceat(last, heads)
        self.ranges = list(zip(first[heads].tolist(), ends.tolist(), strict=True))
        self.blocks: list[bytes] = []
        self._which = np.empty(len(order), np.int64)
        self._which[order] = np.cumsum(new) - 1
        self._starts, self._stops = starts, stops

    def messages(self, kind: type[bytes] | type[memoryview]) -> Iterator[Any]:
        views = [kind(block) for block in self.blocks]  # bytes(bytes) does not copy
        origins = [start for start, _ in self.ranges]
        spans = zip(self._which.tolist(), self._starts.tolist(), self._stops.tolist(), strict=True)
        for which, start, stop in spans:
            yield views[which][start - origins[which] : stop - origins[which]]


def _parts(starts: NDArray[np.uint64], stops: NDArray[np.uint64]) -> Iterator[Window]:
    """Split a window by the limits of bytes and of scattered ranges."""
    if not len(starts):
        return
    lengths = stops - starts
    sizes = (np.cumsum(lengths) - lengths) // np.uint64(_RANGE)
    # Each message that does not follow the one before may need a range of its own.
    jumps = np.concatenate([[False], starts[1:] != stops[:-1]])
    pieces = np.cumsum(jumps) // _SCATTERED
    cuts = np.flatnonzero((np.diff(sizes) != 0) | (np.diff(pieces) != 0)) + 1
    for first, last in itertools.pairwise([0, *cuts.tolist(), len(starts)]):
        yield starts[first:last], stops[first:last]


def opened(path: str, size: int, *, mapped: bool = True, identity: str | None = None) -> Bytes:
    """Open a data file for reading.

    Parameters
    ----------
    path : str
        Its address.
    size : int
        Bytes of it that are messages.
    mapped : bool
        Map a file on a disk; a file that cannot be mapped is read in ranges.
    identity : str, optional
        Expected identity, as from `publication.data_key`.

    Raises
    ------
    StorageError
        For a file of another identity, on opening or at a later read from a bucket.
    """
    file = local_file(path)
    if file is None:
        store, address = storage.resolve(path)
        version = store.version(address, identity)
        return Ranged(version.read_range, path, store.threads)
    check_special(file)
    try:
        found = Mapped(file, size) if mapped else _positioned(file)
    except FileNotFoundError as error:
        raise NotFoundError(f"{path}: no such file") from error
    except (OSError, ValueError):  # some network disks do not map
        found = _positioned(file)
    if identity not in (None, found.key):
        raise replaced(path)
    return found


def _key(descriptor: int) -> str:
    return f"{os.fstat(descriptor).st_ino:x}"


class _Handle:
    """File descriptor that is closed with its last user."""

    def __init__(self, path: Path) -> None:
        self.descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def read(self, start: int, length: int) -> bytes:
        parts = []
        # pread has no position, so that threads share the descriptor; one call may return less.
        while length and (part := os.pread(self.descriptor, length, start)):
            parts.append(part)
            start, length = start + len(part), length - len(part)
        return b"".join(parts)

    def __del__(self) -> None:
        os.close(self.descriptor)


def _positioned(path: Path) -> Ranged:
    # The bound method keeps the handle, and thereby the file, open as long as the reader lives.
    handle = _Handle(path)
    return Ranged(handle.read, str(path), threads=1, key=_key(handle.descriptor))


_log = logging.getLogger(__name__)


@checked_methods
class MsgpackReader(Reader):
    """A dataset in one msgpack file with its index files, on a disk or in any store.

    Parameters
    ----------
    path : path
        Of the data file.
    buffering : int
        Accepted for programs written for datadings; without effect.
    mmap : bool
        Map a file on a disk into memory. Without it, or where it cannot be mapped, it is read in
        ranges, as are files elsewhere.
    verify : bool
        Compare the hash of each message that is read with the one in ``.sums``.
    credentials : mapping, optional
        Credentials of the store.

    Raises
    ------
    NotFoundError
        For a missing data file, or without an ``.offsets`` or ``.index`` file.
    CorruptDatasetError
        For inconsistent files. Checks that read all offsets or keys are made when these are first
        needed.
    StorageError
        When the dataset was replaced or extended after opening, and a file is needed that was not
        read before: samples and keys are always of one version. Open it again.

    Notes
    -----
    Opening reads the versions of two files and 16 bytes. Offsets (8 bytes a sample), keys and
    their hashes (12 bytes a sample) are loaded when they are first needed. A sample is copied
    once, from the mapped file; from other stores neighbours are read in ranges of 4 MiB, as many
    at the same time as the store has threads.

    Examples
    --------
    >>> import thunderlike as tl
    >>> with tl.datasets.FileWriter("memory://pets.msgpack") as writer:
    ...     writer.write({"key": "rex", "label": 1})
    ...     writer.write({"key": "tom", "label": 2})
    >>> with tl.datasets.MsgpackReader("memory://pets.msgpack") as reader:
    ...     [sample["label"] for sample in reader], reader.find_index("tom"), "kitty" in reader
    ([1, 2], 1, False)
    """

    def __init__(
        self,
        path: AnyPath,
        buffering: int = 0,  # noqa: ARG002
        *,
        mmap: bool = True,
        verify: bool = False,
        credentials: AnyCredentials = None,
    ) -> None:
        self._path = storage.at(path, credentials)
        self._mapped, self._verify = mmap, verify
        self._version: _Version | None = _opened_version(self._path)
        self._count, self._size = self._version.count, self._version.size

    @property
    def path(self) -> str:
        """Address of the data file."""
        return self._path

    @property
    def _shown(self) -> str:
        return printable(without_secrets(self._path))

    def __len__(self) -> int:
        return self._count

    def __repr__(self) -> str:
        return f"MsgpackReader({without_secrets(self._path)!r})"

    def _name(self) -> str:
        return str(self._path)

    # Samples

    def get(
        self,
        index: int,
        yield_key: bool = False,
        raw: bool = False,
        copy: bool = True,  # noqa: ARG002
    ) -> Any:
        """Return a sample, as :meth:`Reader.get`."""
        if index < 0 or index >= self._count:
            index = self._position(index)
        found = self._one(index, raw)
        return (self._keys[index], found) if yield_key else found

    def _one(self, index: int, raw: bool) -> Any:
        first, last = self._bounds[index], self._bounds[index + 1]
        # A view saves a copy where the sample is unpacked; a message that is returned is bytes.
        message = self._file.bytes(first, last) if raw else self._file.view(first, last)
        if self._verify:
            self._checked(index, message)
        if raw:
            return message
        try:
            return unpackb(message)
        except FormatError as error:
            raise self._corrupt(index, error) from error

    def _read(self, windows: Iterable[Numbers], raw: bool, copy: bool) -> Iterator[Any]:
        # Two consumers of the windows; requests run ahead, so the numbers of a few are buffered.
        ours, theirs = tee(windows)
        numbers: Iterator[int] = chain.from_iterable(map(np.ndarray.tolist, ours))
        offsets = self._offsets
        spans = ((offsets[window], offsets[window + 1]) for window in theirs)
        messages: Any = chain.from_iterable(self._file.stream(spans, raw and copy))
        if self._verify:
            numbers, again = tee(numbers)
            messages = map(self._checked, again, messages)
        return iter(messages) if raw else self._decoded(numbers, iter(messages))

    def _decoded(self, numbers: Iterator[int], messages: Iterator[memoryview]) -> Iterator[Any]:
        """Unpack several at once: steps in Python for each would take half of the time."""
        # With hashes, the samples before a damaged one are yielded first.
        rows = 1 if self._verify else max(1, _BATCH * self._count // max(1, self._size))
        while batch := list(islice(messages, rows)):
            indices = list(islice(numbers, len(batch)))
            try:
                samples = list(map(decode, batch))
            except Exception:  # one by one: the error names the sample
                yield from (self._one(index, raw=False) for index in indices)
                continue
            # The garbage collector tracks only samples with arrays or lists: a quick test.
            if any(map(is_tracked, samples)):
                yield from map(self._revived, indices, samples)
            else:
                yield from samples

    def _revived(self, index: int, sample: Any) -> Any:
        """Replace the maps of arrays in an unpacked sample."""
        try:
            for name, value in sample.items():
                if type(value) in CONTAINERS:
                    sample[name] = revived(value)
            if "key" in sample:
                return sample
        except Exception:  # not a map, or not of an array
            return self._one(index, raw=False)
        return self._one(index, raw=False)

    def _checked(self, index: int, message: Message) -> Message:
        """Compare a message with its recorded hash and return it."""
        if xxhash.xxh3_64_digest(message) != self._sums[8 * index : 8 * index + 8]:
            raise self._corrupt(index, FormatError("its bytes differ from the recorded hash"))
        return message

    def _corrupt(self, index: int, cause: FormatError) -> CorruptSampleError:
        first, last = self._bounds[index], self._bounds[index + 1]
        # Keys that are not loaded stay so: reading them could fail as well.
        key = self._keys[index] if "_keys" in self.__dict__ else None
        named = "" if key is None else f" ({key!r})"
        text = f"{self._path}: sample {index}{named} at bytes {first} to {last - 1}: {cause}"
        return CorruptSampleError(text, self._path, index, key, first, last - first, str(cause))

    # Keys

    def find_key(self, index: int) -> str:
        """Return the key of a sample; the first call loads all."""
        return self._keys[self._position(index)]

    def keys(self) -> Iterator[str]:
        """Iterate over all keys."""
        return iter(self._keys)

    def _keys_at(self, window: Numbers) -> Sequence[str]:
        return list(map(self._keys.__getitem__, window.tolist()))

    def find_index(self, key: object) -> int:
        """Return the number of a key; the first call loads and sorts the hashes of all keys."""
        found = self._table.find(key) if isinstance(key, str) else -1
        # Two keys may have the same hash, once in 2**64 / n; compare where keys are loaded already.
        if found < 0 or ("_keys" in self.__dict__ and self._keys[found] != key):
            raise self._missing(key)
        return found

    def __contains__(self, key: object) -> bool:
        try:
            if isinstance(key, str) and self._filter is not None and key not in self._filter:
                return False
        except UnicodeEncodeError:  # keys are UTF-8
            return False
        return super().__contains__(key)

    # Verification

    def verify(
        self,
        data: bool = True,
        index: bool = True,
        samples: bool = False,
        progress: Callable[[int, int], None] | bool | None = None,
    ) -> verification.Report:
        """Compare the files with their recorded hashes.

        Parameters
        ----------
        data, index : bool
            Verify the data file; verify the index files.
        samples : bool
            Also read each sample, and compare its key with ``.keys``.
        progress : True or callable, optional
            True shows a progress bar; a callable is called with bytes done and total bytes.

        Raises
        ------
        NotFoundError
            Without a file of hashes.
        """
        return verification.verify(self, data=data, index=index, samples=samples, progress=progress)

    def verify_data(
        self,
        read_size: int = 2**19,  # noqa: ARG002
        progress: Callable[[int, int], None] | bool | None = False,
    ) -> bool:
        """Return whether the data file has its recorded hash."""
        return self.verify(index=False, progress=progress).ok

    def verify_index(
        self,
        read_size: int = 2**19,  # noqa: ARG002
        progress: Callable[[int, int], None] | bool | None = False,
    ) -> bool:
        """Return whether all index files have their recorded hashes."""
        return self.verify(data=False, progress=progress).ok

    # Loaded on first use

    def close(self) -> None:
        """Unmap the file once no slice of it is in use; the next use opens it again."""
        self.__dict__.pop("_file", None)

    def _pinned(self) -> _Version:
        """Return the version that was opened; a copy determines it at first use."""
        if self._version is None:
            found = _opened_version(self._path)
            if (found.count, found.size) != (self._count, self._size):
                raise replaced(self._path)
            self._version = found
        return self._version

    def is_current(self) -> bool:
        """Return whether the files of the dataset are those that were opened.

        Examples
        --------
        >>> import thunderlike as tl
        >>> with tl.datasets.FileWriter("memory://moods.msgpack") as writer:
        ...     writer.write({"key": "good"})
        >>> reader = MsgpackReader("memory://moods.msgpack")
        >>> before = reader.is_current()
        >>> with tl.datasets.FileWriter("memory://moods.msgpack", overwrite=True) as writer:
        ...     writer.write({"key": "better"})
        >>> before, reader.is_current()
        (True, False)
        """
        return self._pinned().is_current(self._path)

    def _checked_version(self) -> None:
        """Raise StorageError if the dataset was replaced, after loading a file."""
        if not self.is_current():
            raise replaced(self._path)

    def __getstate__(self) -> dict[str, Any]:
        # Other machines may have other files under this path: the version is determined there.
        return super().__getstate__() | {"_version": None}

    @cached_property
    def _file(self) -> Bytes:
        pinned = self._pinned()
        found = opened(self._path, self._size, mapped=self._mapped, identity=pinned.data)
        # A writer may have been faster; after this check data and index are of one version.
        self._checked_version()
        return found

    @cached_property
    def _offsets(self) -> NDArray[np.uint64]:
        self._pinned()
        try:
            offsets = _offsets(self._path)
        except NotFoundError as error:
            raise replaced(self._path) from error
        self._checked_version()
        if offsets[-1] != self._size:
            raise replaced(self._path)
        return offsets

    @cached_property
    def _bounds(self) -> memoryview:
        return self._offsets.data  # gives Python ints, five times faster than numpy

    @cached_property
    def _keys(self) -> list[str]:
        keys = self._found_keys()
        self._checked_version()
        if len(keys) != self._count:
            raise CorruptDatasetError(
                f"{self._path}: has {self._count} samples and {len(keys)} keys; "
                f"make the index again with: thunderlike datasets reindex {self._path}"
            )
        return keys

    def _found_keys(self) -> list[str]:
        # Old datasets of datadings have one index file; without any, the samples have the keys.
        for load in (indices.load_keys, lambda path: indices.legacy_load_index(path)[0]):
            try:
                return load(self._path)
            except NotFoundError:
                continue
        _log.info(
            "%s: no file of keys, reading them from the samples",
            printable(without_secrets(self._path)),
        )
        found = []
        for number, sample in enumerate(self.slice(0)):
            if not isinstance(sample, dict) or not isinstance(sample.get("key"), str):
                raise self._corrupt(number, FormatError("it has no 'key' that is text"))
            found.append(sample["key"])
        return found

    @cached_property
    def _table(self) -> KeyTable:
        try:
            salt, hashes = indices.load_key_hashes(self._path)
        except NotFoundError:
            _log.info(
                "%s: no file of key hashes, hashing them now",
                printable(without_secrets(self._path)),
            )
            salt, hashes = indices.hash_keys(self._keys)
        self._checked_version()
        if len(hashes) != self._count:
            raise CorruptDatasetError(
                f"{self._path}: has {self._count} samples and {len(hashes)} hashes of keys; "
                f"make the index again with: thunderlike datasets reindex {self._path}"
            )
        return KeyTable(salt, hashes)

    @cached_property
    def _filter(self) -> Container[str] | None:
        """Bloom filter of the keys; None where it is missing or damaged."""
        try:
            found = indices.load_filter(self._path)
        except NotFoundError:
            return None
        except CorruptDatasetError as error:
            # It only makes lookups of unknown keys faster.
            warnings.warn(f"{error}; continuing without it", stacklevel=3)
            return None
        self._checked_version()
        return found

    @cached_property
    def _sums(self) -> bytes:
        sums = indices.load_sums(self._path)
        self._checked_version()
        if len(sums) != 8 * self._count:
            raise CorruptDatasetError(
                f"{self._path}: has {self._count} samples and {len(sums)} bytes of sums, not 8 each"
            )
        return sums


class KeyTable:
    """Table of sample numbers by key: sorted hashes, 12 bytes a sample.

    Parameters
    ----------
    salt : bytes
        Salt of the hashes.
    hashes : ndarray of uint64
        In the order of the samples.
    """

    def __init__(self, salt: bytes, hashes: NDArray[np.uint64]) -> None:
        # Memoryviews: `bisect` reads Python ints from them without making numpy scalars.
        order = np.argsort(hashes)
        self._digest = key_hasher(salt)
        self._sorted = hashes[order].data
        self._order = order.astype(np.uint32).data

    def find(self, key: str) -> int:
        """Return the number of a key, -1 if its hash is unknown."""
        wanted = int.from_bytes(self._digest(key), "big")
        at = bisect_left(self._sorted, wanted)
        if at < len(self._sorted) and self._sorted[at] == wanted:
            return int(self._order[at])
        return -1


_TRIES = 20  # attempts to open a dataset that changes


@dataclass(frozen=True)
class _Version:
    """Version of a dataset: identities of data and offsets, numbers of samples and bytes."""

    data: str | None  # None in stores without versions
    index: str | None
    count: int
    size: int

    def is_current(self, path: str) -> bool:
        """Return whether both files are unchanged.

        The data file is replaced before any index file, and ``.offsets`` before the other index
        files: if both are unchanged after another file was loaded, that file belongs to them.
        """
        try:
            return data_key(path)[0] == self.data and _index_version(path) == self.index
        except NotFoundError:
            return False


def _opened_version(path: str) -> _Version:
    """Determine the current version of a dataset.

    Raises
    ------
    NotFoundError, CorruptDatasetError
        For a dataset without data or index, or with inconsistent files.
    StorageError
        For a dataset that changes at every attempt.
    """
    for last in range(_TRIES):
        data, size = data_key(path)
        trouble: Exception | None = None
        try:
            found = _version(path, data, size)
        except (CorruptDatasetError, InUseError, NotFoundError) as error:
            trouble = error
        if data_key(path)[0] == data:
            if trouble is None:
                return found
            if last:  # the second failure with an unchanged data file: no writer is at work
                raise trouble
    raise replaced(path)


def _version(path: str, data: str | None, size: int) -> _Version:
    """Read the number of samples and of their bytes from the index."""
    try:
        with _opened_index(path, indices.SUFFIX_OFFSETS) as file:
            head, length = file.read_range(0, 8), file.size
            tail = file.read_range(max(0, length - 8), 8)
            place, version = file.path, file.identity
    except NotFoundError:
        return _legacy_version(path, data, size)
    if length < 8 or length % 8:
        raise CorruptDatasetError(
            f"{place}: has {length} bytes, not 8 for each offset; {_advice(path)}"
        )
    first, last = int.from_bytes(head, "big"), int.from_bytes(tail, "big")
    if first:
        raise CorruptDatasetError(f"{place}: the first offset is {first}, not 0; {_advice(path)}")
    # Bytes after the last offset are those of an append that did not finish: not samples yet.
    if last != size and not (last < size and indices.unfinished_append(path) == last):
        cut, named = "truncated, " if size < last else "", place.rpartition("/")[2]
        raise CorruptDatasetError(
            f"{path}: has {size} bytes, and {named} ends at byte {last}: it was {cut}replaced "
            "while it was read, or the two files do not belong together; read it or copy its "
            f"files again, or {_advice(path)}"
        )
    return _Version(data, version, length // 8 - 1, last)


def _opened_index(path: str, suffix: str) -> FileVersion:
    """Open an index file at its current address."""
    place = indices.current(path, suffix)
    try:
        return storage.open(place)
    except NotFoundError:
        final = indices.sidecar(path, suffix)
        if place == final:
            raise
        return storage.open(final)  # renamed in the meantime


def _index_version(path: str) -> str | None:
    for suffix in (indices.SUFFIX_OFFSETS, indices.SUFFIX_LEGACY_INDEX):
        for find in (indices.current, indices.sidecar):  # it may be renamed between the two
            try:
                return storage.stat(find(path, suffix)).identity
            except NotFoundError:
                continue
    raise NotFoundError(f"{path}: has no index")


def _advice(path: str) -> str:
    return f"make the index again with: thunderlike datasets reindex {path}"


def _legacy_version(path: str, data: str | None, size: int) -> _Version:
    try:
        version = storage.stat(indices.sidecar(path, indices.SUFFIX_LEGACY_INDEX)).identity
        return _Version(data, version, indices.legacy_index_len(path), size)
    except NotFoundError:
        raise NotFoundError(
            f"{path}: neither {indices.SUFFIX_OFFSETS} nor {indices.SUFFIX_LEGACY_INDEX} is there; "
            f"{_advice(path)}"
        ) from None


def _offsets(path: str) -> NDArray[np.uint64]:
    try:
        return indices.load_offsets(path)
    except NotFoundError:
        return indices.legacy_load_index(path)[1]
