"""Sharded datasets, and the division of samples among ranks and workers.

Samples are ranges of numbers, in order: ``[(0, n)]`` for all of them. A share is a part of their
concatenation.
"""

from __future__ import annotations

import copy
import itertools
import json
import operator
import posixpath
import re
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike import storage
from thunderlike._arguments import checked_methods
from thunderlike.datasets import index as indices
from thunderlike.datasets._data_file import STALE
from thunderlike.datasets.msgpack import MsgpackReader
from thunderlike.datasets.publication import (
    move,
    partial_name,
    publish,
    recover,
    remove,
    write_new,
)
from thunderlike.datasets.reader import Numbers, Reader, is_path
from thunderlike.datasets.writer import AllOrNothing, FileWriter
from thunderlike.errors import (
    CorruptDatasetError,
    ExistsError,
    KeyMissingError,
    NotFoundError,
    SpecError,
    StorageError,
    UnevenSharesError,
    WrongTypeError,
)
from thunderlike.formats.dataset_files import MANIFEST, manifest
from thunderlike.parallel.threads import tmap
from thunderlike.storage._open import local_file
from thunderlike.storage.base import PARTIAL, replaced
from thunderlike.storage.locking import WriterLock, hidden

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from thunderlike.formats.dataset_files import Summary
    from thunderlike.storage import AnyCredentials, AnyPath

__all__ = ["Ranges", "ShardWriter", "ShardedReader", "cut", "left_over", "share", "size"]


Ranges = list[tuple[int, int]]
EVEN = ("error", "drop", "pad")


def size(ranges: Sequence[tuple[int, int]]) -> int:
    """Count the samples in ranges."""
    return sum(stop - start for start, stop in ranges)


def cut(ranges: Sequence[tuple[int, int]], first: int, last: int) -> Ranges:
    """Return samples ``first .. last-1`` of the concatenation of ranges.

    Examples
    --------
    >>> cut([(0, 3), (10, 20)], 2, 5)
    [(2, 3), (10, 12)]
    """
    found, at = [], 0
    for start, stop in ranges:
        begin, end = max(first - at, 0), min(last - at, stop - start)
        if begin < end:
            found.append((start + begin, start + end))
        at += stop - start
    return found


def share(ranges: Ranges, number: int, shares: int, even: str, batch_size: int | None) -> Ranges:
    """Return one of several shares, as datadings: consecutive samples, of nearly equal size.

    Parameters
    ----------
    number, shares : int
        Number of the share, and of all shares.
    even : {'error', 'drop', 'pad'}
        Treatment of shares with different numbers of batches: raise, leave samples out, or repeat
        some.
    batch_size : int, optional
        Without it, ``'error'`` never raises.

    Raises
    ------
    UnevenSharesError
        For ``'error'`` and shares that differ in their number of batches.

    Examples
    --------
    >>> [share([(0, 10)], i, 3, "error", None) for i in range(3)]
    [[(0, 3)], [(3, 7)], [(7, 10)]]
    >>> [share([(0, 10)], i, 3, "pad", None) for i in range(3)]
    [[(0, 4)], [(3, 7)], [(7, 10), (0, 1)]]
    """
    total = size(ranges)
    if even not in EVEN:
        raise SpecError(f"even is one of {', '.join(EVEN)}, not {even!r}")
    # Rounded as datadings does, so that each rank has the same samples as there.
    first = round(total / shares * number)
    if even == "drop":
        return cut(ranges, first, min(first + total // shares, total))
    if even == "pad":
        last = first + -(-total // shares)
        return cut(ranges, first, last) + cut(ranges, 0, max(last - total, 0))
    if batch_size and 0 < (total / shares) % batch_size < 1:
        raise UnevenSharesError(
            f"{total} samples in {shares} shares and batches of {batch_size}: some would have one "
            "batch more than others; give even='drop' or even='pad'"
        )
    # The last share ends at the total, whatever the rounding.
    last = total if number == shares - 1 else round(total / shares * (number + 1))
    return cut(ranges, first, last)


def left_over(parts: Sequence[tuple[Ranges, int]]) -> Ranges:
    """Return the samples that are left when some of each share were taken, repeated ones once.

    Notes
    -----
    Uses a byte for each sample.

    Examples
    --------
    >>> left_over([([(0, 5)], 2), ([(5, 10)], 5)])
    [(2, 5)]
    """
    end = max((stop for ranges, _ in parts for _, stop in ranges), default=0)
    # Shares that are padded overlap: marks of samples count each once, ranges would not.
    left = np.zeros(end + 2, np.int8)  # with a gap at both ends, sample n at n + 1
    for ranges, _ in parts:
        for start, stop in ranges:
            left[start + 1 : stop + 1] = 1
    for ranges, count in parts:
        for start, stop in cut(ranges, 0, count):
            left[start + 1 : stop + 1] = 0
    edges = np.flatnonzero(np.diff(left)).reshape(-1, 2)
    return [(int(start), int(stop)) for start, stop in edges]


ORDERS = ("natural", "text")
_TRIES = 20  # attempts to open all shards between two changes
_KEPT = 64  # open shards: far below the usual limit of 1024 open files of a process


@checked_methods
class ShardedReader(Reader):
    """Reader of several datasets as one, in order.

    Parameters
    ----------
    shards : path, or iterable of paths and readers
        A folder, with the shards of its ``manifest.json`` if it has one; a pattern such as
        ``train-*.msgpack``, in natural order; a range such as ``train-{00000..00099}.msgpack``, of
        which every file must exist; or several of those and of readers, in order.
    order : {'natural', 'text'}
        Order of matching files: by numbers (9 before 10), or by text as in datadings (10 before 9),
        for the same shuffled order as there.
    duplicate_keys : {'error', 'first'}
        Treatment of a key that is in several shards, when it is looked up.
    credentials : mapping, optional
        Credentials of the store.

    Raises
    ------
    NotFoundError
        Without matching files.
    StorageError
        When the shards are replaced at every attempt to open them.

    Notes
    -----
    Opening reads the size of each shard; all shards are of one version. At most 64 shards are open
    at a time; reading a shard that was replaced after opening raises `StorageError`.

    Examples
    --------
    >>> import thunderlike as tl
    >>> with tl.datasets.ShardWriter("memory://many/part-{}.msgpack", max_samples=2) as writer:
    ...     writer.write_many({"key": k} for k in "abcde")
    >>> reader = tl.datasets.ShardedReader("memory://many")
    >>> len(reader), reader.find_index("e"), list(reader[1:4:2])
    (5, 4, [{'key': 'b'}, {'key': 'd'}])
    """

    def __init__(
        self,
        shards: AnyPath | Iterable[AnyPath | Reader],
        *,
        order: str = "natural",
        duplicate_keys: str = "error",
        credentials: AnyCredentials = None,
    ) -> None:
        if order not in ORDERS:
            raise SpecError(f"order is {order!r}; give one of {', '.join(ORDERS)}")
        if duplicate_keys not in ("error", "first"):
            raise SpecError(f"duplicate_keys is 'error' or 'first', not {duplicate_keys!r}")
        self._duplicates = duplicate_keys
        if is_path(shards):
            shards = [shards]
        elif not isinstance(shards, Iterable):
            raise WrongTypeError(f"shards are a path or several, not {shards!r:.60}")
        self._shards = [one for item in shards for one in _opened(item, order, credentials)]
        if not self._shards:
            raise NotFoundError("the list of shards is empty; give at least one")
        self._edges = [0, *itertools.accumulate(map(len, self._shards))]
        self._used: OrderedDict[int, None] = OrderedDict()  # open shards, the latest last

    @property
    def shards(self) -> Sequence[Reader]:
        """Readers of the shards, in order."""
        return tuple(self._shards)

    def __len__(self) -> int:
        return self._edges[-1]

    def _within(self, index: int) -> tuple[Reader, int]:
        """Return the shard of a sample, and its number there."""
        number = bisect_right(self._edges, index) - 1
        return self._shard(number), index - self._edges[number]

    def _shard(self, number: int) -> Reader:
        """Return a shard; the least recently used one is closed when too many are open."""
        used = self._used
        used[number] = used.pop(number, None)
        if len(used) > _KEPT:
            self._shards[used.popitem(last=False)[0]].close()
        return self._shards[number]

    def _one(self, index: int, raw: bool) -> Any:
        shard, number = self._within(index)
        return shard._one(number, raw)

    def _read(self, windows: Iterable[Numbers], raw: bool, copy: bool) -> Iterator[Any]:
        for number, parts in itertools.groupby(self._runs(windows), key=lambda run: run[0]):
            shard = self._shard(number)
            yield from shard._read((part for _, part in parts), raw, copy)

    def _runs(self, windows: Iterable[Numbers]) -> Iterator[tuple[int, Numbers]]:
        """Split windows where the shard changes."""
        edges = np.array(self._edges)
        for window in windows:
            which = np.searchsorted(edges, window, side="right") - 1
            cuts = [0, *(np.flatnonzero(np.diff(which)) + 1).tolist(), len(window)]
            for first, last in itertools.pairwise(cuts):
                if last > first:
                    yield int(which[first]), window[first:last] - edges[which[first]]

    def find_key(self, index: int) -> str:
        """Return the key of a sample."""
        shard, number = self._within(self._position(index))
        return shard.find_key(number)

    def find_index(self, key: object) -> int:
        """Return the number of a key, in the first shard that has it.

        Raises
        ------
        KeyMissingError
            When no shard has it.
        CorruptDatasetError
            When several shards have it, unless ``duplicate_keys='first'``.
        """
        places = self._places(key)
        first = next(places, None)
        if first is None:
            raise self._missing(key)
        if self._duplicates == "error" and (second := next(places, None)) is not None:
            raise CorruptDatasetError(
                f"samples {first} and {second} of {self._name()} have the same key {key!r}"
            )
        return first

    def _places(self, key: object) -> Iterator[int]:
        for number in range(len(self._shards)):
            shard = self._shard(number)
            # The Bloom filter of most shards excludes the key without loading their hashes.
            if key in shard:
                try:
                    yield shard.find_index(key) + self._edges[number]
                except KeyMissingError:
                    continue

    def _later(self, passes: int) -> Reader:
        shards = [shard._later(passes) for shard in self._shards]
        if all(map(operator.is_, shards, self._shards)):
            return self
        twin = copy.copy(self)
        # An empty list of open shards: those of the copy are other readers.
        twin._shards, twin._used = shards, OrderedDict()
        return twin

    def _ended(self) -> None:
        super()._ended()
        self._shards = [shard._later(1) for shard in self._shards]

    def close(self) -> None:
        """Close all shards."""
        self._used.clear()
        for shard in self._shards:
            shard.close()


def _opened(item: AnyPath | Reader, order: str, credentials: AnyCredentials) -> list[Reader]:
    if isinstance(item, Reader):
        return [item]
    address = storage.at(item, credentials)
    threads = storage.store_for(address).threads or 1
    trouble = ""
    for _ in range(_TRIES):
        try:
            before = _state(address)
            shards = [MsgpackReader(path) for path in _named(address, order)]
            # All shards must be of one version: none may have changed while the others were opened.
            current = tmap(MsgpackReader.is_current, shards, workers=threads)
            if before == _state(address) and (len(shards) < 2 or all(current)):
                return list(shards)
        except (StorageError, CorruptDatasetError) as error:
            if str(error) == trouble:  # the same error twice: no writer is at work
                raise
            trouble = str(error)
    raise replaced(address)


def _state(address: str) -> object:
    """Return an identity that changes with the shards: of the manifest, or the writer's record."""
    folder = address if _is_folder(address) else storage.parent(address)
    record = _record_of(folder)
    if not _is_folder(address):  # a pattern or range is expanded without the manifest
        return record
    try:
        return record, storage.stat(storage.join(folder, MANIFEST)).identity
    except NotFoundError:
        return record


def _is_folder(address: str) -> bool:
    return not ("*" in address or "{" in address or address.endswith(".msgpack"))


def _named(address: str, order: str) -> list[str]:
    """Return the data files of a path, pattern or range."""
    if address.endswith(".msgpack") and not re.search(r"[*?\[{]", address):
        return [address]
    listed = _listed(address)
    if listed is not None:
        return listed
    if found := re.search(r"\{(\d+)\.\.(\d+)\}", address):
        numbers = range(int(found[1]), int(found[2]) + 1)
        return [_filled(address, found, number) for number in numbers]
    paths = [entry.path for entry in storage.find(address, ext="msgpack")]
    return sorted(paths, key=storage.natural if order == "natural" else None)


def _filled(address: str, found: re.Match[str], number: int) -> str:
    store, _ = storage.resolve(address)
    name = f"{number:0{len(found[1])}d}"
    return store.address(address[: found.start()] + name + address[found.end() :])


def _listed(address: str) -> list[str] | None:
    """Return the shards that the manifest of a folder lists, None without a manifest."""
    folder = address if _is_folder(address) else storage.parent(address)
    record = _record_of(folder)
    if record is not None:
        # The record is in force, so it replaces the manifest until all shards are renamed.
        names = [_where(folder, record.folder, name) for name in record.shards]
        if _is_folder(address):
            return names
        pattern = posixpath.basename(address)
        return [path for path in names if fnmatch(posixpath.basename(path), pattern)]
    if not _is_folder(address):
        return None
    place = storage.join(address, MANIFEST)
    try:
        found = json.loads(storage.read(place))
        return [storage.within(address, shard["name"]) for shard in found["shards"]]
    except NotFoundError:
        return None
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise CorruptDatasetError(f"{place}: not a list of shards: {error}") from error


@dataclass(frozen=True)
class _Shards:
    """Record of the replacement of shards, in force once it is written.

    Parameters
    ----------
    folder : str
        Name of the hidden folder of the shards until they are renamed; ``''`` where shards are
        replaced one by one, and none may be read until all are.
    shards, stale : sequence of str
        Names of their data files; of old ones, which are removed.
    """

    folder: str
    shards: Sequence[str]
    stale: Sequence[str] = ()


def _record_of(folder: str) -> _Shards | None:
    place = hidden(storage.join(folder, MANIFEST), ".publishing")
    try:
        content = storage.read(place)
    except NotFoundError:
        return None
    try:
        record = _Shards(**json.loads(content))
        plain = all(name == posixpath.basename(name) for name in (*record.shards, *record.stale))
        plain = plain and (not record.folder or PARTIAL.fullmatch(record.folder) is not None)
    except (ValueError, TypeError) as error:
        raise CorruptDatasetError(
            f"{place}: is not the record of a writer: {error}; remove it"
        ) from error
    if not plain:
        raise CorruptDatasetError(f"{place}: names files of other folders; remove it")
    if not record.folder:
        raise StorageError(
            f"{folder}: its shards are being replaced, or a writer was stopped while it did so; "
            "wait, or write them again with overwrite=True"
        )
    return record


def _where(folder: str, staging: str, name: str) -> str:
    """Return the address of a shard: in the hidden folder, or its final one."""
    staged = storage.join(storage.join(folder, staging), name)
    return staged if storage.exists(staged) else storage.join(folder, name)


def _settle(folder: str, record: _Shards) -> None:
    """Move shards to their places, and remove the record."""
    staging = storage.join(folder, record.folder)
    for name in record.shards:
        staged, final = storage.join(staging, name), storage.join(folder, name)
        _replace(staged, final)
    for name in record.stale:
        for suffix in ("", *STALE):
            remove(storage.join(folder, name + suffix))
    # Before the record is removed: without it readers take the manifest.
    move(storage.join(staging, MANIFEST), storage.join(folder, MANIFEST))
    remove(hidden(storage.join(folder, MANIFEST), ".publishing"))
    storage.delete(staging)


def _replace(staged: str, final: str) -> None:
    """Publish a shard that is whole in the place of another one, unless that was done already."""
    lock = WriterLock(final)
    try:
        recover(final, lock, STALE)
        if storage.exists(staged):
            contents = {
                suffix: storage.read(staged + suffix)
                for suffix in indices.SUFFIXES
                if storage.exists(staged + suffix)
            }
            publish(final, contents, Path(staged), lock=lock, stale=STALE)
    finally:
        lock.release()


@checked_methods
class ShardWriter(AllOrNothing):
    """Write samples to one file after the other, and what they are to ``manifest.json``, last.

    Parameters
    ----------
    pattern : path
        Of the files, with ``{}`` for their number, such as ``train-{}.msgpack``; of five digits,
        or as in ``{:03d}``.
    max_samples : int, optional
        Samples in one file at most.
    max_bytes : int, optional
        Bytes after which the next file is begun.
    overwrite : bool
        Replace the shards that are there, all in one step when the writer is closed.
    **options
        As in :class:`~thunderlike.datasets.writer.FileWriter`, for each file.

    Raises
    ------
    SpecError
        Without ``{}``, and without either limit; when a key comes again in another shard.
    ExistsError
        When there is a manifest already and `overwrite` is false.
    InUseError
        When another writer has shards of the folder open.

    Notes
    -----
    A shard is visible once it is full; the manifest is written when all are. When a ``with`` block
    raises, full shards stay, without a manifest.

    With `overwrite` new shards are in a hidden folder until the writer is closed: when the block
    raises, or the process is killed, the old shards are unchanged. In a bucket they are replaced
    one by one, and readers raise `StorageError` until all are.

    Examples
    --------
    >>> with ShardWriter("memory://three-in-shards/part-{}.msgpack", max_samples=2) as writer:
    ...     writer.write_many({"key": k} for k in "abc")
    >>> [entry.path for entry in storage.find("memory://three-in-shards/*.msgpack")]
    ['memory://three-in-shards/part-00000.msgpack', 'memory://three-in-shards/part-00001.msgpack']
    """

    def __init__(
        self,
        pattern: AnyPath,
        max_samples: int | None = None,
        max_bytes: int | None = None,
        *,
        overwrite: bool = False,
        credentials: AnyCredentials = None,
        **options: Any,
    ) -> None:
        self._pattern = storage.at(pattern, credentials)
        if "{" not in posixpath.basename(self._pattern):
            raise SpecError(f"{self._pattern}: no {{}} in it for the number of the shard")
        if (max_samples or 0) < 1 and (max_bytes or 0) < 1:
            raise SpecError("give max_samples or max_bytes, or one shard would hold everything")
        self._manifest = storage.join(storage.parent(self._pattern), MANIFEST)
        self._folder, self._staging, self._written = storage.parent(self._pattern), "", False
        self._lock = WriterLock(self._manifest)
        try:
            self._prepare(overwrite)
        except BaseException:
            self._lock.release()
            raise
        # No limit is a number that is never reached.
        self._most, self._largest = max_samples or 2**62, max_bytes or 2**62
        self._options = {**options, "overwrite": overwrite}
        self._summaries: list[Summary] = []
        self._writer: FileWriter | None = None

    def _prepare(self, overwrite: bool) -> None:
        """Complete the publication of a killed writer, and choose the folder to write to."""
        # Only on a disk can many files be put in place by one renamed record.
        on_disk = local_file(self._manifest) is not None
        if on_disk and (record := _record_of(self._folder)) is not None:
            _settle(self._folder, record)
        self._lock.remove_leftovers()
        if storage.exists(self._manifest) and not overwrite:
            raise ExistsError(f"{self._manifest}: exists already; give overwrite=True")
        if overwrite and on_disk:
            self._staging = storage.join(self._folder, partial_name())
            # Noted before it exists: the next writer removes what a killed one left.
            self._lock.note([self._staging])
            storage.resolve(self._staging)[0].begin(self._staging)
        elif overwrite:
            self._record(_Shards("", ()))
            storage.delete(self._manifest)

    def _record(self, record: _Shards) -> None:
        data, final = json.dumps(asdict(record)).encode(), hidden(self._manifest, ".publishing")
        if not self._staging:
            storage.write(final, data)
            return
        unnamed = storage.join(self._staging, "record")
        write_new(unnamed, data, self._manifest)
        move(unnamed, final)

    @property
    def written(self) -> int:
        """Number of samples so far."""
        return sum(one.samples for one in self._summaries) + (
            self._writer.written if self._writer else 0
        )

    def write(self, sample: dict[str, Any]) -> None:
        """Add a sample, to the next shard if this one is full."""
        if self._writer is not None and self._is_full(self._writer):
            self._finish()
        if self._writer is None:
            self._writer = FileWriter(self._path(), **self._options)
        self._writer.write(sample)

    def write_many(self, samples: Iterable[dict[str, Any]]) -> None:
        """Add samples, one after the other."""
        for sample in samples:
            self.write(sample)

    def _is_full(self, writer: FileWriter) -> bool:
        return writer.written >= self._most or writer.nbytes >= self._largest

    def _path(self) -> str:
        store, address = storage.resolve(self._pattern)
        number = len(self._summaries)
        path = store.address(address.replace("{}", "{:05d}").format(number))
        return storage.join(self._staging, posixpath.basename(path)) if self._staging else path

    def _finish(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._summaries.append(self._writer.summary())
            self._writer = None

    def close(self) -> None:
        """Finish the last shard and write the manifest; a second call has no effect."""
        if self._written:
            return
        try:
            self._finish()
            self._publish(manifest(self._summaries))
        except BaseException:
            self.abort()
            raise
        self._written = True
        self._lock.release()

    def _publish(self, listed: bytes) -> None:
        if not self._staging:
            storage.write(self._manifest, listed)
            if self._options["overwrite"]:
                storage.delete(hidden(self._manifest, ".publishing"))
            return
        storage.write(storage.join(self._staging, MANIFEST), listed)
        names = [one.name for one in self._summaries]
        old = _named(self._folder, "natural") if storage.exists(self._manifest) else []
        stale = {posixpath.basename(path) for path in old} - set(names)
        record = _Shards(posixpath.basename(self._staging), names, sorted(stale))
        self._record(record)
        _settle(self._folder, record)

    def abort(self) -> None:
        """Remove the unfinished shard, and with `overwrite` all new shards."""
        if self._writer is not None:
            self._writer.abort()
            self._writer = None
        try:
            # With a record the new shards are in force: the next writer finishes their renaming.
            if self._staging and not storage.exists(hidden(self._manifest, ".publishing")):
                storage.delete(self._staging)
        finally:
            self._written = True
            self._lock.release()
