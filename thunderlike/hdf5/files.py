"""HDF5 files at any address: read where they are or from a copy, written beside and then renamed.

HDF5 needs a file of this machine. One from a bucket or from memory is copied into a temporary
file, whole, also when a part of it is wanted; and written in one before it is sent.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import uuid
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from h5py import h5f, h5p

from thunderlike import storage
from thunderlike.errors import Hdf5Error, NotFound, StorageError, ThunderlikeError
from thunderlike.storage.local import LocalStore

if TYPE_CHECKING:
    from collections.abc import Iterator

    from thunderlike.storage import AnyPath

__all__ = ["changing", "located", "reading", "writing"]

_PIECE = 2**26


@contextmanager
def reading(path: AnyPath) -> Iterator[Any]:
    """Open a file to read.

    Raises
    ------
    NotFound
        When there is none.
    Hdf5Error
        When it is no HDF5 file, or cannot be opened.
    """
    with _here(path) as file, _opened(file, str(path), h5f.ACC_RDONLY) as found:
        yield found


@contextmanager
def _here(path: AnyPath) -> Iterator[Path]:
    """A file of this machine with the same bytes."""
    store, address = storage.resolve(path)
    size = store.stat(address).size
    if isinstance(store, LocalStore):
        yield Path(address)
        return
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, "copy.h5")
        with copy.open("wb") as stream:
            for start in range(0, size, _PIECE):
                stream.write(store.read_range(address, start, _PIECE))
        yield copy


@contextmanager
def writing(path: AnyPath, *, change: bool = False, atomic: bool = True) -> Iterator[Any]:
    """Open a file to write, new or as a copy of what is there; it appears when all went well.

    Parameters
    ----------
    change : bool
        Begin with what is there.
    atomic : bool
        Write beside, flush to the disk and rename, so that whatever happens the old file or the new
        is there; without, into the file itself.
    """
    store, address = storage.resolve(path)
    if not isinstance(store, LocalStore):
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder, "new.h5")
            if change and store.exists(address):
                with _here(path) as old:
                    shutil.copyfile(old, copy)
            with _made(copy, str(path)) as file:
                yield file
            store.write(address, copy.read_bytes())
        return
    target = Path(address)
    _check_folder(target)
    if not atomic:
        if not change:
            target.unlink(missing_ok=True)
        with _made(target, str(path)) as file:
            yield file
        return
    with _beside(target, change=change) as partial, _made(partial, str(path)) as file:
        yield file


def _check_folder(target: Path) -> None:
    if not target.parent.is_dir():
        raise NotFound(f"{target}: there is no folder {target.parent}; make it first")
    if target.is_dir():
        raise StorageError(f"{target}: is a folder, not a file")


@contextmanager
def _beside(target: Path, *, change: bool) -> Iterator[Path]:
    partial = target.with_name(f".{uuid.uuid4().hex}.partial")
    try:
        if change and target.exists():
            shutil.copyfile(target, partial)
        yield partial
        _flush(partial)
        partial.replace(target)
    except OSError as error:
        partial.unlink(missing_ok=True)
        if isinstance(error, ThunderlikeError):
            raise
        raise StorageError(f"{target}: cannot write it: {error.strerror or error}") from error
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def _flush(file: Path) -> None:
    """A rename may survive a crash that the bytes do not."""
    handle = os.open(file, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _made(file: Path, name: str) -> Iterator[Any]:
    """Open a file to change, or make it."""
    if file.exists():
        with _opened(file, name, h5f.ACC_RDWR) as found:
            yield found
        return
    with _closed(h5f.create(os.fsencode(file), h5f.ACC_EXCL, fapl=_access())) as found:
        yield found


@contextmanager
def changing(path: AnyPath) -> Iterator[Any]:
    """Open a file to change in place."""
    with writing(path, change=True, atomic=False) as file:
        yield file


@contextmanager
def _opened(file: Path, name: str, flags: int) -> Iterator[Any]:
    try:
        found = h5f.open(os.fsencode(file), flags, fapl=_access())
    except (OSError, RuntimeError) as error:
        raise Hdf5Error(f"{name}: {_why(file, error)}") from error
    with _closed(found):
        yield found


def _why(file: Path, error: BaseException) -> str:
    text = str(error)
    if "lock" in text:
        return "another process is writing it"
    if "signature not found" in text:
        return "is no HDF5 file" if file.stat().st_size else "is no HDF5 file: it is empty"
    return f"is a damaged HDF5 file: {text.splitlines()[0]}"


@contextmanager
def _closed(found: Any) -> Iterator[Any]:
    try:
        yield found
    finally:
        if found.valid:
            found.close()


def _access() -> Any:
    """Written as any HDF5 since 1.8 reads it; closed with all that is open in it."""
    access = h5p.create(h5p.FILE_ACCESS)
    access.set_libver_bounds(h5f.LIBVER_V18, h5f.LIBVER_V110)
    access.set_fclose_degree(h5f.CLOSE_STRONG)
    access.set_cache(0, 521, 2**24, 0.75)
    return access


@contextmanager
def located(where: Any) -> Iterator[None]:
    """Raise what HDF5 raises over a damaged file as our own, saying what was being read.

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
    return where if len(where) <= most else f"{where[: most // 2]} ... {where[-most // 2 :]}"
