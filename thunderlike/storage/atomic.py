"""Atomic writes: drafts of files and of folders, renamed when complete."""

from __future__ import annotations

import uuid
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from thunderlike.errors import ExistsError, NotFoundError, StorageError
from thunderlike.storage.base import PARTIAL, SUCCESS, UNSETTLED
from thunderlike.storage.filesystem import failures, replacement, scratch
from thunderlike.storage.glob import regex
from thunderlike.storage.local import LocalStore
from thunderlike.storage.paths import AnyPath, join, parent, resolve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from thunderlike.storage.base import AnyCredentials, Store

__all__ = ["SUCCESS", "Draft", "check_output", "draft", "output"]


@dataclass(frozen=True)
class Draft:
    """File that is being written.

    Parameters
    ----------
    file : Path
        On this machine: write the result here.
    folder : str
        Address of a hidden folder next to the target, for parts that other machines write: to be
        made with `Store.begin`, and removed at the end.
    """

    file: Path
    folder: str


@contextmanager
def draft(
    path: AnyPath,
    ours: Callable[[bytes], bool],
    *,
    overwrite: bool = False,
    credentials: AnyCredentials = None,
) -> Iterator[Draft]:
    """Write one file atomically: the target is checked first and replaced last.

    Enter before computing. When the block ends, what it wrote to ``draft.file`` takes the name
    `path` in one step; when it raises, what stood there before still does. The parts are removed
    either way.

    Parameters
    ----------
    path : path
        Of the finished file; the folders above it are made.
    ours : callable
        Tells from the first 16 bytes whether a file is of the kind that we write.
    overwrite : bool
        Replace such a file. Nothing else is ever replaced.
    credentials : mapping, optional
        As in :func:`~thunderlike.storage.paths.at`.

    Raises
    ------
    ExistsError
        When something is at `path`, and `overwrite` is false or it is a folder.
    StorageError
        When the file to be overwritten is of another kind or no regular file, or nothing can be
        written there.

    Notes
    -----
    A killed process leaves `path` unchanged, and a hidden ``.<letters>.partial`` next to it,
    which may be deleted.

    Examples
    --------
    >>> from thunderlike.storage import delete, read
    >>> with draft("memory://total", ours=lambda start: True) as made:
    ...     made.file.write_bytes(b"42")
    2
    >>> read("memory://total")
    b'42'
    >>> delete("memory://total")
    """
    store, target = resolve(path, credentials)
    _check(store, target, ours, overwrite=overwrite)
    folder = join(parent(target), f".{uuid.uuid4().hex}.partial")
    try:
        if not any(map(PARTIAL.fullmatch, target.split("/"))):  # there `output` has tried it
            _try_out(store, folder, target)
        with _file(store, target, new=not overwrite) as file:
            yield Draft(file, folder)
            _check(
                store, target, ours, overwrite=overwrite
            )  # another writer may have finished meanwhile
    finally:
        store.delete(folder)


def _check(store: Store, target: str, ours: Callable[[bytes], bool], *, overwrite: bool) -> None:
    try:
        store.stat(target)
    except NotFoundError:
        if store.exists(target):
            raise ExistsError(f"{target}: is a folder, and a file is to be written there") from None
        return
    if not overwrite:
        raise ExistsError(f"{target}: exists already; give overwrite=True to replace it")
    if not ours(store.read_range(target, 0, 16)):
        raise StorageError(
            f"{target}: was not written by us, by its first bytes; remove it yourself or give "
            "another path"
        )


def _try_out(store: Store, folder: str, target: str) -> None:
    """Check write permission before the work begins."""
    try:
        store.begin(folder)
        store.write(join(folder, "probe"), b"")
        store.delete(folder)  # a process that is killed before it has written leaves nothing
    except StorageError as error:
        raise type(error)(f"{target}: cannot write next to it: {error}") from error


@contextmanager
def _file(store: Store, target: str, *, new: bool) -> Iterator[Path]:
    """Return a temporary file, on the disk of a local target so that it can be renamed."""
    if isinstance(store, LocalStore):
        with failures(target, "write"), replacement(target, new=new) as file:
            yield file
        return
    with failures(target, "write"), scratch() as folder:
        yield folder / "draft"
        store.send(target, folder / "draft")


@contextmanager
def output(
    path: AnyPath,
    ours: Sequence[str],
    *,
    overwrite: bool = False,
    credentials: AnyCredentials = None,
) -> Iterator[str]:
    """Write a folder atomically: the target is checked first and replaced last.

    Enter before computing: what stands at `path` is looked at then, and a place which may not be
    written fails then. The ``with`` block writes into the folder that it is given, a hidden one
    next to `path`, from any process or machine that sees the store. When the block ends, an empty
    file ``SUCCESS`` is added and the folder takes the name `path`. When the block raises, the
    folder is removed, and what stood at `path` before still does.

    Parameters
    ----------
    path : path
        Of the finished folder; the folders above it are made.
    ours : sequence of str
        The names which the block gives to its files, patterns as in `find`.
    overwrite : bool
        Replace a folder that such a block has written: one that holds ``SUCCESS`` and nothing but
        names of `ours`. Nothing else is ever removed.
    credentials : mapping, optional
        As in :func:`at`; the address that is yielded needs none again.

    Yields
    ------
    str
        The address of the folder to write in.

    Raises
    ------
    ExistsError
        If files are at `path` and `overwrite` is false.
    StorageError
        If what is to be overwritten does not look like ours, or `path` is the root, a home, the
        current folder, a mounted disk or a link to a folder.

    Notes
    -----
    A process that is killed leaves `path` as it was, or the new results, and a folder
    ``.<letters>.partial`` in the same folder, which may be deleted. Where the system cannot swap
    two folders in one step (other than Linux, and some network disks), a kill in the moment between
    the two renames of an overwrite leaves nothing at `path` and the old results in such a folder.

    A bucket knows no renames: there the finished files are copied by the server, sixteen at once,
    and a kill while that goes on leaves a folder which `find` refuses and `overwrite` replaces.

    Examples
    --------
    >>> from thunderlike.storage import delete, exists, read, write
    >>> with output("memory://results", ours=["image-*.bin"]) as folder:
    ...     write(join(folder, "image-00000.bin"), b"pixels")
    ...     exists("memory://results")
    False
    >>> read("memory://results/image-00000.bin"), exists("memory://results/SUCCESS")
    (b'pixels', True)
    >>> delete("memory://results")
    """
    store, target = resolve(path, credentials)
    _check_folder(store, target, ours, overwrite=overwrite)
    folder = _beside(target)
    try:
        _probe_folder(store, folder, target)
        if overwrite and store.exists(target):
            store.keep_modes(folder, target)  # others see no more of it now than when it is done
        yield folder
        # Partial files of killed workers, whose tasks ran again.
        for entry in store.list(folder, recursive=True) if store.exists(folder) else ():
            if PARTIAL.fullmatch(entry.path.rpartition("/")[2]):
                store.delete(entry.path)
        store.write(join(folder, SUCCESS), b"")
        _publish(store, folder, target, ours, overwrite=overwrite)
    except StorageError as error:
        _drop(store, folder)
        raise type(error)(str(error).replace(folder, target)) from error
    except BaseException:
        _drop(store, folder)
        raise


def check_output(
    path: AnyPath,
    ours: Sequence[str],
    *,
    overwrite: bool = False,
    credentials: AnyCredentials = None,
) -> None:
    """Raise what :func:`output` would, before long work whose results go elsewhere until its end.

    Parameters
    ----------
    path, ours, overwrite, credentials
        As of :func:`output`.

    Raises
    ------
    ExistsError, StorageError
        If `output` could not write there now.

    Examples
    --------
    >>> check_output("memory://results", ours=["image-*.bin"])
    """
    store, target = resolve(path, credentials)
    _check_folder(store, target, ours, overwrite=overwrite)
    folder = _beside(target)
    try:
        _probe_folder(store, folder, target)
    finally:
        _drop(store, folder)


def _drop(store: Store, folder: str) -> None:
    """Remove the written files; a failure here does not hide the first one."""
    with suppress(StorageError):
        store.delete(folder)


def _check_folder(store: Store, target: str, ours: Sequence[str], *, overwrite: bool) -> None:
    """Reject a target with files that cannot be removed."""
    if reason := store.protected(target):
        raise StorageError(f"{target}: cannot become an output folder: {reason}")
    there = _names(store, target)
    if there and not overwrite:
        raise ExistsError(
            f"{target}: is not empty (it holds {there[0]!r}); "
            "give another folder, or overwrite=True to replace it"
        )
    # The names that our writers use, also those that a killed writer left behind.
    known = [regex(one) for one in (*ours, SUCCESS, ".*.partial", f".*{UNSETTLED}")]
    strange = [name for name in there if not any(one.fullmatch(name) for one in known)]
    signed = SUCCESS in there or any(name.endswith(UNSETTLED) for name in there)
    if strange or (there and not signed):
        found = f"it holds {strange[0]!r}" if strange else f"it holds no file {SUCCESS!r}"
        raise StorageError(
            f"{target}: was not written by us, since {found}; "
            "remove it yourself or give another folder"
        )


def _names(store: Store, target: str) -> list[str]:
    """List all files below `target`, relative to it, sorted."""
    try:
        entries = store.list(target, recursive=True)
    except NotFoundError:
        if store.exists(target):
            raise ExistsError(f"{target}: is a file, and a folder is to be written there") from None
        return []
    return sorted(entry.path[len(target) + 1 :] for entry in entries)


def _beside(target: str) -> str:
    """Return the path of a hidden folder on the same disk, for the rename."""
    return join(parent(target), f".{uuid.uuid4().hex}.partial")


def _probe_folder(store: Store, folder: str, target: str) -> None:
    """Check write permission before the work begins."""
    probe = join(folder, SUCCESS)
    try:
        store.begin(folder)
        store.write(probe, b"")
        store.delete(probe)
    except StorageError as error:
        raise type(error)(f"{target}: cannot write next to it: {error}") from error


def _publish(
    store: Store, folder: str, target: str, ours: Sequence[str], *, overwrite: bool
) -> None:
    """Publish the finished folder; the old one is removed after."""
    _check_folder(
        store, target, ours, overwrite=overwrite
    )  # another writer may have finished meanwhile
    if not (overwrite and store.exists(target)):
        if store.exists(target):  # an empty folder
            store.keep_modes(folder, target)
        with suppress(ExistsError):  # another writer has finished since, or it holds empty folders
            store.move(folder, target)
            return
        _check_folder(store, target, ours, overwrite=overwrite)
    store.keep_modes(folder, target)
    if store.exchange(folder, target):
        store.delete(folder)  # the old one, which has that name now
        return
    old = _beside(target)
    store.move(target, old)
    try:
        store.move(folder, target)
    except BaseException:
        try:
            store.move(old, target)
        except ExistsError:  # what another writer has finished since
            store.delete(old)
        raise
    store.delete(old)
