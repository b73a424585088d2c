"""Publication of a dataset in one step.

A writer gives the new index files hidden names, and writes a record of these next to the data file.
Then it renames the new data file to its final name: from that moment on the record is in force, and
readers take the index files by their hidden names until each has its final name. Finally the
record is removed. At every moment, also when the writer is killed, readers find all the old files
or all the new ones; the next writer completes or removes the files of a killed one.

Where only the index changes, as when samples are added, a record is in force as soon as it is
written.
"""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from thunderlike import storage
from thunderlike.errors import CorruptDatasetError, InUseError, NotFoundError
from thunderlike.storage._open import local_file
from thunderlike.storage.base import PARTIAL
from thunderlike.storage.filesystem import destination, failures, keep_mode, regular
from thunderlike.storage.locking import WriterLock, hidden

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = [
    "Publication",
    "beside",
    "data_key",
    "load",
    "move",
    "partial_name",
    "place",
    "publish",
    "recover",
    "remove",
    "sync_folder",
    "write_new",
]


def beside(address: str, suffix: str) -> str:
    """Return the address of a file that has the name of the data file and a suffix."""
    store, _ = storage.resolve(address)
    return store.address(address + suffix)


def partial_name() -> str:
    """Return a new name for what is being written: hidden, and known as such to listings."""
    return f".{uuid.uuid4().hex}.partial"


def data_key(address: str) -> tuple[str | None, int]:
    """Tell data files of one path apart: what changes when another takes the place; and its size.

    On a disk a file that grows stays the same one.
    """
    file = local_file(address)
    if file is None:
        entry = storage.stat(address)
        return entry.identity, entry.size
    with failures(address, "look at"):
        found = regular(address, file.stat())
    return f"{found.st_ino:x}", found.st_size


@dataclass(frozen=True)
class Publication:
    """The record of a change of files.

    Parameters
    ----------
    files : mapping
        From suffixes to the hidden names of the new index files, in the folder of the data file.
        Files of other suffixes do not belong to the dataset.
    size : int
        Of the data file, when the record is in force.
    replaces : bool
        Whether the data file is replaced. If not, the record is in force at once.
    old, new : str, optional
        Versions of the data file; unknown where a place tells them only when a file is there.
    old_size : int
        Of the data file that is replaced, -1 if there is none.
    """

    files: Mapping[str, str]
    size: int
    replaces: bool = True
    old: str | None = None
    new: str | None = None
    old_size: int = -1

    def in_force(self, address: str) -> bool:
        """Tell whether the data file is the new one.

        Raises
        ------
        NotFoundError
            When there is no data file.
        CorruptDatasetError
            When it is neither the old one nor the new one.
        """
        if not self.replaces:
            return True
        entry = storage.stat(address)
        if entry.identity is not None and entry.identity in (self.old, self.new):
            return entry.identity == self.new
        if self.new is None and entry.size == self.size:
            return True  # a bucket names versions only when they are there
        if self.size == self.old_size or entry.size not in (self.size, self.old_size):
            raise CorruptDatasetError(
                f"{address}: a writer was stopped while it replaced this dataset, and its files "
                "were changed or copied since; make the index with: thunderlike datasets reindex "
                f"{address}"
            )
        return entry.size == self.size

    def staged(self, address: str, suffix: str) -> str:
        """Return where a new index file is until it is in its place."""
        return storage.join(storage.parent(address), self.files[suffix])


def load(address: str) -> Publication | None:
    """Load the record next to a data file; None if there is none, as nearly always.

    Raises
    ------
    CorruptDatasetError
        For a file of that name that is not such a record.
    """
    record = hidden(address, _RECORD)
    file = local_file(record)
    if file is not None and not os.path.lexists(file):
        return None  # nearly always, and in a tenth of the time
    try:
        content = storage.read(record)
    except NotFoundError:
        return None
    try:
        found = Publication(**json.loads(content))
        ours = all(map(PARTIAL.fullmatch, found.files.values()))
    except (ValueError, TypeError, AttributeError) as error:
        raise CorruptDatasetError(
            f"{record}: is not the record of a writer: {error}; remove it"
        ) from error
    if not ours:
        raise CorruptDatasetError(f"{record}: names files of other folders; remove it")
    return found


def place(address: str, suffix: str) -> str:
    """Return the address of an index file of a dataset, where it is now.

    Raises
    ------
    NotFoundError
        When the dataset that is being published has no such file.
    """
    final = beside(address, suffix)
    record = _current_record(address)
    if record is None:
        return final
    if suffix not in record.files:
        raise NotFoundError(f"{final}: no such file or folder")
    staged = record.staged(address, suffix)
    return staged if storage.exists(staged) else final


def _current_record(address: str) -> Publication | None:
    """Load the record that is in force, None if there is none.

    Raises
    ------
    CorruptDatasetError
        When neither the old nor the new data file is there, and no writer is at work.
    InUseError
        When a writer is at work and this stays so.
    """
    record = load(address)
    for _ in range(_TRIES):
        try:
            return record if record is not None and record.in_force(address) else None
        except CorruptDatasetError:
            # Between reading the record and looking at the data file, its writer may have finished
            # and another one may have replaced or extended the dataset.
            newer = load(address)
            if newer == record and not WriterLock.is_held(address):
                raise
            record = newer
    raise InUseError(
        f"{address}: is being replaced by another writer; open it again when that one has finished"
    )


def publish(
    address: str,
    contents: Mapping[str, bytes],
    part: Path | None,
    *,
    lock: WriterLock,
    size: int = 0,
    stale: Sequence[str] = (),
) -> None:
    """Replace the index files of a dataset, and its data file, in one step.

    Parameters
    ----------
    contents : mapping
        New index files by suffix, in the order in which they take their places.
    part : Path or None
        New data file, on this machine; None keeps the one that is there.
    lock : WriterLock
        Held; it notes the files that are written.
    size : int
        Of the data file that is kept.
    stale : sequence of str
        Suffixes of files that go if they are not among the new ones.

    Raises
    ------
    StorageError
        When something cannot be written; the old files are in force then. After the step, what
        cannot be moved or removed is left to the next writer, and all readers find the new files.
    """
    if part is not None and local_file(address) is None and not storage.exists(address):
        _send_new(address, contents, part, stale)
        return
    record = _staged(address, contents, part, size, lock)
    try:
        _write_record(address, record)
        if part is not None:
            _put(part, address)
    except BaseException:
        if not _is_in_force(address):
            _discard(address, record)
        raise
    _settle(address, record, stale, contents)


def recover(address: str, lock: WriterLock, stale: Sequence[str] = ()) -> None:
    """Complete or undo what a writer that was killed left; `lock` is held."""
    record = load(address)
    if record is not None and _is_in_force(address):
        _settle(address, record, stale)
    elif record is not None:
        _discard(address, record)
    lock.remove_leftovers()


def _is_in_force(address: str) -> bool:
    record = load(address)
    try:
        return record is not None and record.in_force(address)
    except (NotFoundError, CorruptDatasetError):
        return False


def _send_new(
    address: str, contents: Mapping[str, bytes], part: Path, stale: Sequence[str]
) -> None:
    """Send a dataset to where none is, the data file last: until then there is no dataset."""
    for suffix in stale:  # a writer that was killed may have left some
        if suffix not in contents:
            storage.delete(beside(address, suffix))
    sent: list[str] = []
    try:
        for suffix, data in contents.items():
            sent.append(beside(address, suffix))
            storage.write(sent[-1], data)
        _put(part, address)
    except BaseException:
        for one in sent:
            with suppress(OSError):
                storage.delete(one)
        raise


def _staged(
    address: str, contents: Mapping[str, bytes], part: Path | None, size: int, lock: WriterLock
) -> Publication:
    """Write the new index files by hidden names."""
    names = {suffix: partial_name() for suffix in contents}
    record = Publication(names, size, replaces=part is not None)
    if part is not None:
        made = storage.stat(part)
        record = replace(record, size=made.size)
        with suppress(NotFoundError):
            old = storage.stat(address)
            record = replace(record, old=old.identity, old_size=old.size)
        if local_file(address) is not None:  # renaming a file keeps its version
            record = replace(record, new=made.identity)
    staged = [record.staged(address, suffix) for suffix in contents]
    lock.note([*staged, _unnamed(address, record), *([] if part is None else [str(part)])])
    try:
        for one, data in zip(staged, contents.values(), strict=True):
            write_new(one, data, address)
    except BaseException:
        for one in staged:
            with suppress(OSError):
                remove(one)
        raise
    return record


def _unnamed(address: str, record: Publication) -> str:
    """Return where a record is written before it gets its name."""
    name = hashlib.sha256("".join(record.files.values()).encode()).hexdigest()[:32]
    return storage.join(storage.parent(address), f".{name}.partial")


def _write_record(address: str, record: Publication) -> None:
    data, final = json.dumps(asdict(record)).encode(), hidden(address, _RECORD)
    unnamed = _unnamed(address, record)
    if local_file(address) is None:
        storage.write(final, data)
        return
    try:
        write_new(unnamed, data, address)
        with failures(address, "write"):
            Path(unnamed).replace(final)
    except BaseException:
        remove(unnamed)
        raise


def write_new(address: str, data: bytes, named: str) -> None:
    """Write a file by a name that nobody else uses, to the disk and not only to its cache.

    Failures are those of the file `named`, which it is to become.
    """
    file = local_file(address)
    if file is None:
        storage.write(address, data)
        return
    with failures(named, "write"), file.open("xb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())


def _put(part: Path, address: str) -> None:
    """Give a finished data file its place: the step from old to new."""
    file = local_file(address)
    if file is None:
        store, target = storage.resolve(address)
        store.send(target, part)
        return
    with failures(address, "write"):
        final, old = destination(file)
        if old is not None:
            keep_mode(part, old)
        part.replace(final)
        sync_folder(final.parent)


def _settle(
    address: str,
    record: Publication,
    stale: Sequence[str],
    contents: Mapping[str, bytes] | None = None,
) -> None:
    """Move the new index files to their places, and remove what is left of the old ones."""
    for suffix in record.files:
        data = None if contents is None else contents[suffix]
        move(record.staged(address, suffix), beside(address, suffix), data)
    for suffix in stale:
        if suffix not in record.files:
            remove(beside(address, suffix))
    if (file := local_file(address)) is not None:
        sync_folder(file.parent)
    _discard(address, record)


def move(staged: str, final: str, data: bytes | None = None) -> None:
    """Give a new file its place; it is there already if a killed writer got that far.

    Elsewhere than on a disk its content is written there, `data` if that is given.
    """
    file = local_file(staged)
    if file is None:
        with suppress(NotFoundError):
            storage.write(final, storage.read(staged) if data is None else data)
        return
    with failures(final, "write"):
        if not file.exists():
            return
        aim, old = destination(final)
        if old is not None:
            keep_mode(file, old)
        try:
            file.replace(aim)
        except OSError:
            if aim.parent == Path(final).parent:
                raise
            storage.write(final, file.read_bytes())  # a link leads to another disk


def _discard(address: str, record: Publication) -> None:
    """Remove a record, and then its files: who finds the record finds them too."""
    remove(hidden(address, _RECORD))
    for suffix in record.files:
        remove(record.staged(address, suffix))


def remove(address: str) -> None:
    """Remove one file, if it is there."""
    file = local_file(address)
    if file is None:
        storage.delete(address)
        return
    with failures(address, "remove"):
        file.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Have renames in a folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # some network disks cannot
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


_RECORD: Final = ".publishing"
_TRIES: Final = 20  # records that may change, one after the other, while a reader looks
