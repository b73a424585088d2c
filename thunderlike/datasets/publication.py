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
    "data_key",
    "load",
    "move",
    "partial_name",
    "place",
    "publish",
    "recover",
    "remove",
    "sidecar",
    "sync_folder",
    "write_new",
]


def sidecar(address: str, suffix: str) -> str:
    """Return the address of a file that has the name of the data file and a suffix."""
    store, _ = storage.resolve(address)
    return store.address(address + suffix)


def partial_name() -> str:
    """Return a new name for a file that is being written: hidden, and left out of listings."""
    return f".{uuid.uuid4().hex}.partial"


def data_key(address: str) -> tuple[str | None, int]:
    """Return an identity of a data file, which changes when the file is replaced, and its size.

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
        Size of the data file, when the record is in force.
    replaces : bool
        Whether the data file is replaced. If not, the record is in force at once.
    old, new : str, optional
        Versions of the data file; None in a bucket, which assigns them on arrival.
    old_size : int
        Size of the data file that is replaced, -1 without one.
    """

    files: Mapping[str, str]
    size: int
    replaces: bool = True
    old: str | None = None
    new: str | None = None
    old_size: int = -1

    def in_force(self, address: str) -> bool:
        """Return whether the data file is the new one.

        Raises
        ------
        NotFoundError
            When there is no data file.
        CorruptDatasetError
            For a data file that is neither the old one nor the new one.
        """
        # An append changes the data file before the record exists, and never its identity.
        if not self.replaces:
            return True
        entry = storage.stat(address)
        if entry.identity is not None and entry.identity in (self.old, self.new):
            return entry.identity == self.new
        if self.new is None and entry.size == self.size:
            return True  # a bucket assigns versions on arrival
        # Versions are lost when files are copied: sizes decide, unless both are the same.
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
    """Load the record next to a data file; None, the usual case, if it does not exist.

    Raises
    ------
    CorruptDatasetError
        For a file of that name that is not such a record.
    """
    record = hidden(address, _RECORD)
    file = local_file(record)
    if file is not None and not os.path.lexists(file):
        return None  # the usual case, in a tenth of the time of a failed read
    try:
        content = storage.read(record)
    except NotFoundError:
        return None
    try:
        found = Publication(**json.loads(content))
        # Names come from a file: none may lead out of the folder.
        ours = all(map(PARTIAL.fullmatch, found.files.values()))
    except (ValueError, TypeError, AttributeError) as error:
        raise CorruptDatasetError(
            f"{record}: is not the record of a writer: {error}; remove it"
        ) from error
    if not ours:
        raise CorruptDatasetError(f"{record}: names files of other folders; remove it")
    return found


def place(address: str, suffix: str) -> str:
    """Return the current address of an index file of a dataset.

    Raises
    ------
    NotFoundError
        When the dataset that is being published has no such file.
    """
    final = sidecar(address, suffix)
    record = _current_record(address)
    if record is None:
        return final
    if suffix not in record.files:
        raise NotFoundError(f"{final}: no such file or folder")
    staged = record.staged(address, suffix)
    # Renamed already, if it is not there under its hidden name.
    return staged if storage.exists(staged) else final


def _current_record(address: str) -> Publication | None:
    """Load the record that is in force, or None.

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
        New index files by suffix, in the order in which they are renamed.
    part : Path or None
        New data file, on this machine; None keeps the one that is there.
    lock : WriterLock
        Lock that is held; it records the files that are written.
    size : int
        Of the data file that is kept.
    stale : sequence of str
        Suffixes of files that are removed unless they are among the new ones.

    Raises
    ------
    StorageError
        When something cannot be written; the old files are in force then. After the step, what
        cannot be moved or removed is left to the next writer, and all readers find the new files.
    """
    # New in a bucket: readers see no dataset before its data file, so that no record is needed.
    if part is not None and local_file(address) is None and not storage.exists(address):
        _send_new(address, contents, part, stale)
        return
    record = _staged(address, contents, part, size, lock)
    try:
        _write_record(address, record)
        if part is not None:
            _put(part, address)
    except BaseException:
        # An error may come after the step, such as a failed flush: then the new files stay.
        if not _is_in_force(address):
            _discard(address, record)
        raise
    _settle(address, record, stale, contents)


def recover(address: str, lock: WriterLock, stale: Sequence[str] = ()) -> None:
    """Complete or undo the publication of a killed writer; `lock` is held."""
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
    """Send a new dataset, the data file last: until then there is no dataset."""
    for suffix in stale:  # left by a killed writer
        if suffix not in contents:
            storage.delete(sidecar(address, suffix))
    sent: list[str] = []
    try:
        for suffix, data in contents.items():
            sent.append(sidecar(address, suffix))
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
    """Write the new index files under hidden names."""
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
    """Return the address of a record before it is renamed."""
    # Derived, so that its name can be noted in the lock before the record is written.
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
    """Write a file under a unique name and flush it to the disk.

    Errors name the file `named`, its later name.
    """
    file = local_file(address)
    if file is None:
        storage.write(address, data)
        return
    # Exclusive: an existing file of this name belongs to another writer.
    with failures(named, "write"), file.open("xb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())


def _put(part: Path, address: str) -> None:
    """Rename a finished data file to its final name: the step from old to new."""
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
    """Rename the new index files to their final names, and remove old ones."""
    for suffix in record.files:
        data = None if contents is None else contents[suffix]
        move(record.staged(address, suffix), sidecar(address, suffix), data)
    for suffix in stale:
        if suffix not in record.files:
            remove(sidecar(address, suffix))
    if (file := local_file(address)) is not None:
        sync_folder(file.parent)
    _discard(address, record)


def move(staged: str, final: str, data: bytes | None = None) -> None:
    """Rename a new file to its final name, unless a killed writer already did.

    In other stores its content is written again: `data`, if given.
    """
    file = local_file(staged)
    if file is None:
        with suppress(NotFoundError):
            storage.write(final, storage.read(staged) if data is None else data)
        return
    with failures(final, "write"):
        if not file.exists():  # renamed before its writer was killed
            return
        aim, old = destination(final)
        if old is not None:
            keep_mode(file, old)
        try:
            file.replace(aim)
        except OSError:
            if aim.parent == Path(final).parent:
                raise
            storage.write(final, file.read_bytes())  # a link to another file system


def _discard(address: str, record: Publication) -> None:
    """Remove a record, and then its files, so that a record always has its files."""
    remove(hidden(address, _RECORD))
    for suffix in record.files:
        remove(record.staged(address, suffix))


def remove(address: str) -> None:
    """Remove a file if it exists."""
    file = local_file(address)
    if file is None:
        storage.delete(address)
        return
    with failures(address, "remove"):
        file.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Flush renames in a folder to the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # some network disks cannot
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


_RECORD: Final = ".publishing"
_TRIES: Final = 20  # records that may change, one after the other, while a reader looks
