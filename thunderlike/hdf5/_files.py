"""HDF5 files on disk: opening, locking, replacement, recovery of appends."""

from __future__ import annotations

import fcntl
import io
import os
import shutil
import struct
import time
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, BinaryIO

from h5py import h5f, h5fd, h5p

from thunderlike import storage
from thunderlike._text import printable
from thunderlike.errors import (
    Hdf5Error,
    InUseError,
    NotFoundError,
    StorageError,
    ThunderlikeError,
)
from thunderlike.formats import hdf5journal
from thunderlike.formats.hdf5 import looks_like
from thunderlike.formats.hdf5journal import Disk
from thunderlike.hdf5 import _attributes, compression
from thunderlike.storage.filesystem import (
    create,
    described,
    destination,
    failures,
    keep_mode,
    replacement,
    scratch,
)
from thunderlike.storage.local import LocalStore
from thunderlike.storage.locking import WriterLock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from _typeshed import ReadableBuffer, WriteableBuffer
    from h5py.h5f import FileID
    from h5py.h5p import PropFAID

    from thunderlike.storage import AnyPath
    from thunderlike.storage.base import Store

__all__ = [
    "PATIENCE",
    "Disk",
    "Transaction",
    "beginning",
    "changing",
    "located",
    "reading",
    "recover",
    "writing",
]


PATIENCE = 5.0  # seconds to wait for other processes, which lock a file for a short time


class Transaction(Disk):
    """File whose changes are written by `commit`, all or none, even if the process is killed.

    Parameters
    ----------
    path : Path

    Raises
    ------
    Hdf5Error
        If it is open in another process or in this one.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._committed = True  # nothing to undo yet
        _lock(self, path)
        self._size = self.seek(0, os.SEEK_END)
        self._end = self._size  # as HDF5 sets it
        self._kept = min(self._size, _stored_end(self))  # end of the data that the file uses
        self._changes: list[tuple[int, bytes]] = []
        self._committed = False

    def write(self, data: ReadableBuffer) -> int:
        """Append bytes beyond the end of the file; keep in memory those that replace old ones."""
        view, at = memoryview(data).cast("B"), self.tell()
        # The file does not refer to bytes beyond the used data: they need no journal.
        inside = max(0, min(self._kept - at, view.nbytes))
        if inside:
            self._changes.append((at, bytes(view[:inside])))
            self.seek(at + inside)
        if inside < view.nbytes:
            super().write(view[inside:])
            self._end = max(self._end, at + view.nbytes)
        return view.nbytes

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Read with the changes in place of the old bytes."""
        view, at = memoryview(buffer).cast("B"), self.tell()
        found = super().readinto(view) or 0
        for start, data in self._changes:
            first, last = max(at, start), min(at + view.nbytes, start + len(data))
            if first < last:
                view[first - at : last - at] = data[first - start : last - start]
        return max(found, view.nbytes if at + view.nbytes <= self._kept else found)

    def truncate(self, size: int | None = None) -> int:
        """Set the length that the file has after `commit`."""
        self._end = self.tell() if size is None else size
        return self._end

    def commit(self) -> None:
        """Replace the old bytes by the new ones, with the old ones in a journal."""
        self.check()
        # The journal is written before the first old byte is replaced.
        old = list(self._old())
        self.seek(max(self._end, self.seek(0, os.SEEK_END)))
        Disk.write(self, hdf5journal.pack(hdf5journal.Journal(self._size, old)))
        self.check()
        for at, data in self._changes:
            self._put(at, data)
        if self.failure is not None:  # a file system that copies on write may be full here too
            # Restore the old bytes now; otherwise the next reader would do so from the journal.
            failed, self.failure = self.failure, None
            for at, data in old:
                self._put(at, data)
            raise failed
        super().truncate(self._end)
        self._committed = True
        self.check()

    def _put(self, at: int, data: bytes) -> None:
        self.seek(at)
        Disk.write(self, data)

    def _old(self) -> Iterator[tuple[int, bytes]]:
        for at, data in self._changes:
            self.seek(at)
            found = bytearray(len(data))
            Disk.readinto(self, found)
            yield at, bytes(found)

    def close(self) -> None:
        """Close the file; without `commit` it is unchanged."""
        if not self.closed and not self._committed:
            io.FileIO.truncate(self, self._size)
        super().close()


def recover(path: Path) -> None:
    """Undo the changes of a process that was killed during `commit`.

    Raises
    ------
    Hdf5Error
        If another process is writing the file.
    """
    # Nearly all files have no journal, and can be read without a lock or permission to write.
    with path.open("rb") as reader:
        if hdf5journal.find(reader) is None:
            return
    with path.open("r+b") as file:
        _lock(file, path)
        found = hdf5journal.find(file)  # another process may have undone it meanwhile
        if found is None:
            return
        for at, data in found.old:
            file.seek(at)
            file.write(data)
        file.flush()
        file.truncate(found.size)


def _lock(file: IO[bytes] | Transaction, path: Path, kind: int = fcntl.LOCK_EX) -> None:
    """Lock a file against readers and writers, or writers only, with the lock that HDF5 uses.

    `HDF5_USE_FILE_LOCKING=FALSE` disables it, as in HDF5, for file systems without locks.
    """
    if os.environ.get("HDF5_USE_FILE_LOCKING", "").upper() in ("FALSE", "0"):
        return
    last = time.monotonic() + PATIENCE
    while True:
        try:
            fcntl.flock(file.fileno(), kind | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() > last:
                file.close()
                raise Hdf5Error(f"{path}: another process has it open; close it there") from error
            time.sleep(0.02)
        except OSError:  # a file system without locks
            return
        else:
            return


def _stored_end(file: Transaction) -> int:
    """Return the end of the file in its superblock; a large number if it cannot be read."""
    file.seek(0)
    head = file.read(64).ljust(64, b"\0")
    offsets = {0: (13, 40), 1: (13, 44), 2: (9, 28), 3: (9, 28)}  # by the version of the superblock
    size, end = offsets.get(head[8], (0, 0))
    if head[:8] != b"\x89HDF\r\n\x1a\n" or head[size] != 8:
        # All bytes count as used: none is written without the journal.
        return 2**63
    return int(struct.unpack_from("<Q", head, end)[0])


_PIECE = 2**26
_CACHE_TO_WRITE = compression.BLOSC_CHUNK_BYTES  # one chunk, for the records of several writes
_CACHE_TO_READ = 0  # arrays are read once, and allocating chunks is as slow as decompressing


@contextmanager
def reading(path: AnyPath) -> Iterator[Any]:
    """Open a file to read.

    Raises
    ------
    NotFoundError
        If it does not exist.
    Hdf5Error
        If it is not an HDF5 file, or cannot be opened.
    """
    with _local_file(path) as file, _opened(file, str(path), h5f.ACC_RDONLY) as found:
        yield found


@contextmanager
def _local_file(path: AnyPath) -> Iterator[Path]:
    """Yield the file, or a local copy of a file of another store."""
    store, address = storage.resolve(path)
    size = store.stat(address).size
    if isinstance(store, LocalStore):
        with suppress(OSError):  # without permission to write: `_opened` applies the journal
            recover(Path(address))
        yield Path(address)
        return
    with scratch() as folder:
        copy = folder / "copy.h5"
        with store.version(address) as version, copy.open("wb") as stream:
            for start in range(0, size, _PIECE):
                stream.write(version.read_range(start, _PIECE))
        yield copy


@contextmanager
def writing(
    path: AnyPath, *, change: bool = False, atomic: bool = True
) -> Iterator[tuple[Any, Callable[[], None]]]:
    """Open a file to write, new or as a copy of the existing one, which it replaces on success.

    Parameters
    ----------
    change : bool
        Start with the existing file.
    atomic : bool
        Write to a temporary file, flush it to the disk and rename it, so that the old or the new
        file exists at any moment. False writes into the file itself.

    Yields
    ------
    h5py.h5f.FileID, callable
        The file, and a function that raises if writing to the disk has failed.
    """
    store, address = storage.resolve(path)
    if isinstance(store, LocalStore):
        if not atomic:
            written = _in_place(address, change=change)
        else:
            written = _changed(address) if change else _replaced(address)
    else:
        written = _sent(path, store, address, change=change)
    with written as (local, exists), _created(Disk(local), str(path), exists=exists) as file:
        yield file


@contextmanager
def _sent(
    path: AnyPath, store: Store, address: str, *, change: bool
) -> Iterator[tuple[Path, bool]]:
    """Yield a local file that is sent on success, and whether it has the old content."""
    exists = change and store.exists(address)
    with scratch() as folder:
        copy = folder / "new.h5"
        create(copy, None)
        if exists:
            with _local_file(path) as old:
                shutil.copyfile(old, copy)
        yield copy, exists
        store.send(address, copy)


@contextmanager
def _in_place(address: str, *, change: bool) -> Iterator[tuple[Path, bool]]:
    """Yield the file itself; unless it is changed, a new one of the same mode."""
    target, old = _target(address)
    exists = change and old is not None
    with ExitStack() as held, failures(address, "write"):
        held.enter_context(WriterLock(str(target), PATIENCE))
        if exists:
            recover(target)
            _lock(held.enter_context(target.open("rb")), target)
        else:
            target.unlink(missing_ok=True)  # programs that have it open keep the old file
            create(target, old)
            if old is not None:
                keep_mode(target, old)
        try:
            yield target, exists
        except BaseException:
            if not exists:  # part of a file, which cannot be read
                target.unlink(missing_ok=True)
            raise


def _target(address: str) -> tuple[Path, os.stat_result | None]:
    folder = Path(address).parent
    if not folder.is_dir():
        raise NotFoundError(f"{address}: the folder {folder} does not exist; create it first")
    target, old = destination(address)
    if old is not None and Path(address).is_symlink():
        with target.open("rb") as file:
            start = file.read(8)
        if start and not looks_like(start):
            raise StorageError(
                f"{address}: is a link to {target}, which was not written by us, by its first "
                "bytes; give that path to replace it"
            )
    return target, old


@contextmanager
def _replaced(address: str) -> Iterator[tuple[Path, bool]]:
    """Yield a new file that replaces the old one on success."""
    _target(address)
    with failures(address, "write"), replacement(address) as partial:
        yield partial, False


@contextmanager
def _changed(address: str) -> Iterator[tuple[Path, bool]]:
    """Yield a copy that replaces the file, unless another process has changed it meanwhile."""
    target, old = _target(address)
    if old is None:
        raise NotFoundError(f"{address}: was removed by another process; repeat the update")
    # An append locks the file itself, as HDF5 does. Two updates exclude each other by a file next
    # to it, since they may go on while readers have the file open.
    with (
        WriterLock(str(target), PATIENCE),
        failures(address, "write"),
        target.open("rb") as source,
        replacement(address) as partial,
    ):
        recover(target)
        _lock(source, target, fcntl.LOCK_SH)
        version = described(str(target), os.fstat(source.fileno()))
        shutil.copyfile(target, partial)
        with suppress(OSError):  # a file system without locks
            fcntl.flock(source.fileno(), fcntl.LOCK_UN)
        yield partial, True
        with partial.open("rb") as stream:
            os.fsync(stream.fileno())  # while appends and readers may still lock the file
        _lock(source, target, fcntl.LOCK_SH)
        if described(str(target), target.stat()).identity != version.identity:
            raise InUseError(
                f"{address}: another process has changed it during this update, which was not "
                "written; repeat the update"
            )


@contextmanager
def _created(disk: Disk, name: str, *, exists: bool) -> Iterator[tuple[Any, Callable[[], None]]]:
    """Open an HDF5 file to change, or create one in an empty file."""
    access = _access(_CACHE_TO_WRITE)
    access.set_fileobj_driver(h5fd.fileobj_driver, disk)
    try:
        with disk:
            opened = _open_or_create(access, name, exists=exists)
            # Otherwise HDF5 would call the driver after the end of the interpreter.
            access.set_fapl_sec2()
            with _closed(opened) as file:
                yield file, disk.check
            disk.commit()
    except Exception as error:
        if disk.failure is not None:
            raise disk.failure from error
        raise


def _open_or_create(access: PropFAID, name: str, *, exists: bool) -> Any:
    # HDF5 ignores the names, since its driver has the file object.
    if not exists:
        root = _attributes.compact(h5p.create(h5p.FILE_CREATE))
        return h5f.create(b"new", h5f.ACC_TRUNC, fcpl=root, fapl=access)
    try:
        return h5f.open(b"changed", h5f.ACC_RDWR, fapl=access)
    except (OSError, RuntimeError) as error:
        raise Hdf5Error(f"{name}: {_why(error)}") from error


@contextmanager
def beginning(path: AnyPath) -> Iterator[tuple[Any, Callable[[], None]]]:
    """Open a new file to write as `writing` does, without replacing an existing one.

    Raises
    ------
    ExistsError
        At the end, when another process has made a file of that name meanwhile.
    """
    store, address = storage.resolve(path)
    if not isinstance(store, LocalStore):
        with writing(path) as found:
            yield found
        return
    _target(address)
    with (
        failures(address, "write"),
        replacement(address, new=True) as partial,
        _created(Disk(partial), str(path), exists=False) as found,
    ):
        yield found


@contextmanager
def changing(path: AnyPath) -> Iterator[Any]:
    """Open a file to append to it; all changes are made or none, even if the process is killed."""
    store, address = storage.resolve(path)
    if not isinstance(store, LocalStore):
        with writing(path, change=True) as (file, _):
            yield file
        return
    target, _ = _target(address)
    with failures(address, "write"):
        recover(target)
        with _created(_transaction(target), str(path), exists=True) as (file, _):
            yield file


def _transaction(target: Path) -> Transaction:
    """Begin to change the file that has the name, not one that was replaced meanwhile."""
    while True:
        begun = Transaction(target)
        try:
            if os.path.samestat(os.fstat(begun.fileno()), target.stat()):
                return begun
        except BaseException:
            begun.close()
            raise
        begun.close()


@contextmanager
def _opened(file: Path, name: str, flags: int) -> Iterator[Any]:
    last = time.monotonic() + PATIENCE
    with file.open("rb") as stream:
        while True:
            try:
                found = _open_recovered(file, stream, flags)
                break
            except (OSError, RuntimeError) as error:
                if not _is_locked(error) or time.monotonic() > last:
                    raise Hdf5Error(f"{name}: {_why(error, file)}") from error
                time.sleep(0.02)  # an append takes a moment
        with _closed(found):
            yield found


def _open_recovered(file: Path, stream: BinaryIO, flags: int) -> Any:
    """Open a file to read, without the changes of an interrupted append."""
    access = _access(_CACHE_TO_READ)
    if hdf5journal.find(stream) is None:
        return h5f.open(os.fsencode(file), flags, fapl=access)
    try:
        fcntl.flock(stream.fileno(), fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        raise OSError("unable to lock: an append is writing it") from None
    except OSError:  # a file system without locks
        pass
    access.set_fileobj_driver(h5fd.fileobj_driver, hdf5journal.undone(stream))
    try:
        return h5f.open(b"undone", flags, fapl=access)
    finally:
        access.set_fapl_sec2()


def _is_locked(error: BaseException) -> bool:
    return "unable to lock" in str(error)  # a truncated file names its superblock, "sblock"


def _why(error: BaseException, file: Path | None = None) -> str:
    text = str(error)
    if _is_locked(error):
        return "another process is writing it"
    if "signature not found" in text:
        empty = file is not None and not file.stat().st_size
        return "is not an HDF5 file: it is empty" if empty else "is not an HDF5 file"
    return f"is a damaged HDF5 file: {text.splitlines()[0]}"


@contextmanager
def _closed(found: FileID) -> Iterator[Any]:
    try:
        yield found
    finally:
        if found.valid:
            found.close()


def _access(cache: int) -> Any:
    """Return the properties to open a file that HDF5 since 1.8 reads, and that closes its nodes.

    `cache` is the size of the cache of chunks of each array, in bytes.
    """
    access = h5p.create(h5p.FILE_ACCESS)
    # Programs with an older HDF5 do not read the newest version of the format.
    access.set_libver_bounds(h5f.LIBVER_V18, h5f.LIBVER_V110)
    access.set_fclose_degree(h5f.CLOSE_STRONG)
    # 521 slots and a weight of 0.75 are the defaults of HDF5.
    access.set_cache(0, 521, cache, 0.75)
    return access


@contextmanager
def located(where: Callable[[], str]) -> Iterator[None]:
    """Convert errors of HDF5, for instance of damaged files, to ours; name the node.

    Parameters
    ----------
    where : callable
        Returns ``file: /node`` for messages.
    """
    try:
        yield
    except ThunderlikeError as error:
        error.args = (f"{_short(where())}: {error}",)
        raise
    except MemoryError as error:
        raise Hdf5Error(f"{_short(where())}: does not fit in memory") from error
    except Exception as error:
        found = str(error).partition("\n")[0] or type(error).__name__
        raise Hdf5Error(f"{_short(where())}: HDF5 cannot: {found}") from error


def _short(where: str, most: int = 400) -> str:
    where = printable(where)  # names in files may hold anything
    return where if len(where) <= most else f"{where[: most // 2]} ... {where[-most // 2 :]}"
