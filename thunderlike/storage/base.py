"""The store contract: what a place that holds files has to be able to do."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from thunderlike.storage.credentials import Credentials

__all__ = ["PARTIAL", "SUCCESS", "UNSETTLED", "Address", "Entry", "Store"]

SUCCESS = "SUCCESS"  # the empty file that says: this folder of results is whole
UNSETTLED = ".unsettled"  # how a hidden file ends that says: this folder is not whole
PARTIAL: Final = re.compile(r"\.[0-9a-f]{32}\.partial")  # names of what is being written


class Address(str):
    """An address that brings the store which holds it: no other call needs its credentials.

    Text made of it, as by ``+`` or an f-string, is plain; ``storage.join`` and ``storage.parent``
    keep the store.
    """

    __slots__ = ("store",)

    def __new__(cls, text: str, store: Store) -> Address:  # noqa: D102  # as __init__
        made = super().__new__(cls, text)
        made.store = store
        return made

    store: Store

    def __reduce__(self) -> tuple[type[Address], tuple[str, Store]]:
        return Address, (str(self), self.store)


@dataclass(frozen=True, order=True)
class Entry:
    """One file of a store.

    Parameters
    ----------
    path : str
        The file's full address, as every call of the store, on any machine, takes it back.
    size : int
        Bytes in it.

    Examples
    --------
    >>> from thunderlike import storage
    >>> storage.write("memory://one-entry/a.txt", b"four")
    >>> storage.stat("memory://one-entry/a.txt")
    Entry(path='memory://one-entry/a.txt', size=4)
    """

    path: str
    size: int


class Store(ABC):
    """A place that holds files under addresses, such as a disk or a bucket.

    To add one, write these verbs, name the class in ``thunderlike.storage.paths.HOMES`` and test
    it with ``thunderlike.testing.StoreSuite``.

    An *address* is text whose parts are divided by ``/``. A *folder* is what addresses have in
    common up to a ``/``; it exists while a file is below it, and longer only where the place has
    empty folders. Callers hand over addresses which :meth:`address` gave them, or text which it
    understands. Ranges are never negative.

    A store is shared by threads and pickled into Spark tasks: it holds settings, never open files,
    locks or secrets in the clear. Failures are `NotFound` (no such file), `Exists`, `Denied`, else
    `StorageError`; each message begins with the address and says what the place answered.

    Attributes
    ----------
    threads : int or None
        How many files to ask for at once: more than there are cores where each answer is a journey.
    shared : bool
        Whether other processes see the same files.

    Examples
    --------
    >>> from thunderlike.storage import store_for
    >>> store = store_for("memory://one-store")
    >>> store.write("memory://one-store/a.txt", b"some bytes")
    >>> store.read_range("memory://one-store/a.txt", start=5, length=99)
    b'bytes'
    """

    threads: ClassVar[int | None] = None
    shared: ClassVar[bool] = True

    @classmethod
    def opened(cls, scheme: str, credentials: Credentials) -> Store:  # noqa: ARG003
        """Make the store for addresses of a scheme; one that is open to all takes no credentials.

        A store that takes some returns an :class:`~thunderlike.storage.base.Address` from
        `address` and in each `Entry`.
        """
        return cls()

    @abstractmethod
    def address(self, path: str) -> str:
        """Spell `path` in full: no ``~``, no ``..``, nothing relative, no ``/`` at the end."""

    @abstractmethod
    def list(self, path: str, *, recursive: bool) -> Sequence[Entry]:
        """Name the files of a folder, hidden ones too, in any order.

        With `recursive` also those of the folders in it; a link to a folder is not followed.
        NotFound when there is no such folder.
        """

    @abstractmethod
    def stat(self, path: str) -> Entry:
        """Describe one file; NotFound when there is none, or a folder instead."""

    @abstractmethod
    def exists(self, path: str) -> bool:
        """Tell whether a file or a folder is there; Denied when the place does not let us know."""

    @abstractmethod
    def read(self, path: str) -> bytes:
        """Read a whole file; NotFound when there is none, or a folder instead."""

    @abstractmethod
    def read_range(self, path: str, start: int, length: int) -> bytes:
        """Read `length` bytes from byte `start`, fewer where the file ends, none past its end."""

    @abstractmethod
    def write(self, path: str, data: bytes) -> None:
        """Make `data` the content of a file, and the folders above it if they are missing.

        All or nothing: whoever reads sees the old content or the new, also when the writer is
        killed or the disk is full, and writing the same file twice at once leaves one of the two.
        """

    def send(self, path: str, file: Path) -> None:
        """Make a file of this machine the content of another, as `write` does; however large."""
        self.write(path, file.read_bytes())

    @abstractmethod
    def delete(self, path: str) -> None:
        """Remove a file, or a folder with all in it; content that is not there is no failure."""

    @abstractmethod
    def move(self, path: str, target: str) -> None:
        """Give a folder another address, at which nothing or an empty folder may be.

        Exists when files are there; NotFound when the folder itself is not. One step where the
        place can do it in one.
        """

    def begin(self, path: str) -> None:  # noqa: B027  # most places make no folders
        """Make a hidden folder for results, where folders have to be made."""

    @abstractmethod
    def protected(self, path: str) -> str:
        """Say why the folder `path` must never be removed (``"it is ..."``), or ``""``."""
