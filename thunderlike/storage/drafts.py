"""A single file of results that appears whole or not at all."""

from __future__ import annotations

import uuid
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from thunderlike.errors import Exists, NotFound, StorageError
from thunderlike.storage.atomic import replacement, scratch
from thunderlike.storage.base import PARTIAL
from thunderlike.storage.filesystem import failures
from thunderlike.storage.local import LocalStore
from thunderlike.storage.paths import AnyPath, join, parent, resolve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from thunderlike.storage.base import Store
    from thunderlike.storage.credentials import AnyCredentials

__all__ = ["Draft", "draft"]


@dataclass(frozen=True)
class Draft:
    """A file that is being written.

    Parameters
    ----------
    file : Path
        On this machine: write the result here.
    folder : str
        Address of a hidden folder beside the target, for parts that other machines write: to be
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
    """Write one file: checked first, seen last.

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
    Exists
        When something is at `path`, and `overwrite` is false or it is a folder.
    StorageError
        When the file to be overwritten is of another kind or no regular file, or nothing can be
        written there.

    Notes
    -----
    A process that is killed leaves `path` as it was, and a hidden ``.<letters>.partial`` beside it,
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
        with _file(store, target) as file:
            yield Draft(file, folder)
            _check(store, target, ours, overwrite=overwrite)  # somebody may have written meanwhile
    finally:
        store.delete(folder)


def _check(store: Store, target: str, ours: Callable[[bytes], bool], *, overwrite: bool) -> None:
    try:
        store.stat(target)
    except NotFound:
        if store.exists(target):
            raise Exists(f"{target}: is a folder, and a file is to be written there") from None
        return
    if not overwrite:
        raise Exists(f"{target}: is there already; give overwrite=True to replace it")
    if not ours(store.read_range(target, 0, 16)):
        raise StorageError(
            f"{target}: was not written by us, by its first bytes; remove it yourself or give "
            "another path"
        )


def _try_out(store: Store, folder: str, target: str) -> None:
    """Find out now, and not after hours of work, whether we may write here."""
    try:
        store.begin(folder)
        store.write(join(folder, "probe"), b"")
        store.delete(folder)  # a process that is killed before it has written leaves nothing
    except StorageError as error:
        raise type(error)(f"{target}: nothing can be written beside it: {error}") from error


@contextmanager
def _file(store: Store, target: str) -> Iterator[Path]:
    """A file to write in: on the target's own disk, if that is here, so that it can be renamed."""
    if isinstance(store, LocalStore):
        with failures(target, "write"), replacement(target) as file:
            yield file
        return
    with failures(target, "write"), scratch() as folder:
        yield folder / "draft"
        store.send(target, folder / "draft")
