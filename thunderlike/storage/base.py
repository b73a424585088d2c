"""Stores: the protocol, entries of listings, versions of files, credentials."""

from __future__ import annotations

import re
import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeAlias

from thunderlike.errors import SpecError, StorageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path
    from types import TracebackType
    from typing import Self

__all__ = [
    "PARTIAL",
    "SUCCESS",
    "UNSETTLED",
    "Address",
    "AnyCredentials",
    "Credentials",
    "Entry",
    "FileVersion",
    "Store",
    "replaced",
]


AnyCredentials: TypeAlias = "Mapping[str, Any] | None"


class Credentials(Mapping[str, Any]):
    """Named secrets for a store; the repr shows the names only.

    Parameters
    ----------
    given : mapping, optional
        From names to values that can be hashed.

    Raises
    ------
    SpecError
        For what is no mapping from names.

    Notes
    -----
    A pickle of it holds the values in the clear. Give credentials only where the workers cannot
    find them for themselves.

    Examples
    --------
    >>> keys = Credentials({"access": "AK", "secret": "xyzzy"})
    >>> keys
    Credentials(access=..., secret=...)
    >>> keys["secret"]
    'xyzzy'
    """

    __slots__ = ("_given",)

    def __init__(self, given: AnyCredentials = None) -> None:
        named = isinstance(given, Mapping) and all(isinstance(name, str) for name in given)
        if given is not None and not named:
            raise SpecError(
                "credentials is a dict such as {'access': ..., 'secret': ...}, "
                f"not a {type(given).__name__}"
            )
        self._given = dict(given or {})

    def __getitem__(self, name: str) -> Any:
        return self._given[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._given)

    def __len__(self) -> int:
        return len(self._given)

    def __hash__(self) -> int:
        return hash(frozenset(self._given.items()))

    def __repr__(self) -> str:
        return f"Credentials({', '.join(f'{name}=...' for name in self)})"


SUCCESS = "SUCCESS"  # the empty file that says: this folder of results is whole
UNSETTLED = ".unsettled"  # how a hidden file ends that says: this folder is not whole
_LONG: Final = 2**62  # bytes: no file is as long
PARTIAL: Final = re.compile(r"\.[0-9a-f]{32}\.partial")  # names of what is being written


class Address(str):
    """Address with its store, which holds the credentials.

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
    """Entry of a listing: one file.

    Parameters
    ----------
    path : str
        The file's full address, as every call of the store, on any machine, takes it back.
    size : int
        Bytes in it.
    identity : str, optional
        Of this version of the file: another one once its bytes are replaced. On a disk it is made
        of inode, size and time of change, in a bucket it is the ETag; None where the place has
        nothing of the kind. Two entries are compared without it.

    Examples
    --------
    >>> from thunderlike import storage
    >>> storage.write("memory://one-entry/a.txt", b"four")
    >>> entry = storage.stat("memory://one-entry/a.txt")
    >>> entry
    Entry(path='memory://one-entry/a.txt', size=4)
    >>> storage.write("memory://one-entry/a.txt", b"five")
    >>> storage.stat("memory://one-entry/a.txt").identity == entry.identity
    False
    """

    path: str
    size: int
    identity: str | None = field(default=None, compare=False, repr=False)


class FileVersion:
    """One version of a file, open for reading: all bytes come from that version.

    Made by :func:`thunderlike.storage.open`. On a disk it holds one descriptor, so the version is
    settled when it is opened and stays readable when another file takes the name. Elsewhere it
    is settled by `identity` if that was given, else by the first answer, and each request asks for
    that version alone (``If-Match`` in a bucket). A version that is gone, or a file that
    was changed in place, raises `StorageError` "was replaced while it was read": never a mixture.

    Threads may share it. It does not travel to other processes: send its `path` and `identity`, and
    open those there.

    Attributes
    ----------
    path : str
        The full address.
    size : int
        Bytes in this version.
    identity : str or None
        As in `Entry`; None where the place has no versions, and nothing can be promised.

    Examples
    --------
    >>> from thunderlike import storage
    >>> storage.write("memory://one-version", b"old header, old data")
    >>> with storage.open("memory://one-version") as file:
    ...     file.read_range(0, 10)
    ...     storage.write("memory://one-version", b"new header, new data")
    ...     file.read_range(12, 8)
    Traceback (most recent call last):
    ...
    thunderlike.errors.StorageError: memory://one-version: was replaced while it was read; ...
    >>> storage.delete("memory://one-version")
    """

    def __init__(self, store: Store, path: str, identity: str | None = None) -> None:
        self.path = path
        self._store, self._wanted = store, identity
        self._entry: Entry | None = None
        self._lock = threading.Lock()

    @property
    def size(self) -> int:
        """Size in bytes."""
        return self._known().size

    @property
    def identity(self) -> str | None:
        """Identity of this version among those of the same path, or None."""
        return self._wanted or self._known().identity

    @property
    def threads(self) -> int | None:
        """Number of concurrent requests, as in `Store`."""
        return self._store.threads

    def read(self) -> bytes:
        """Read the whole file."""
        return self._fetched(0, None)

    def read_range(self, start: int, length: int) -> bytes:
        """Read `length` bytes from byte `start`; fewer at the end of the file."""
        if start < 0 or length < 0:
            raise SpecError(f"{self.path}: start={start}, length={length} must not be negative")
        return self._fetched(start, length)

    def check(self) -> None:
        """Raise `StorageError` if the path now has another version."""
        if self.identity != self._store.stat(self.path).identity:
            raise replaced(self.path)

    def close(self) -> None:
        """Close the file."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _known(self) -> Entry:
        if self._entry is None:
            with self._lock:
                if self._entry is None:
                    self._settle(self._store.stat(self.path))
        assert self._entry is not None
        return self._entry

    def _fetched(self, start: int, length: int | None) -> bytes:
        if self._entry is None and self._wanted is None:
            with self._lock:  # the first answer says which version the others ask for
                if self._entry is None:
                    data, entry = self._store.fetch(self.path, start, length)
                    self._settle(entry)
                    return data
        data, entry = self._store.fetch(self.path, start, length, self._wanted)
        self._entry = entry
        return data

    def _settle(self, entry: Entry) -> None:
        if self._wanted is not None and entry.identity != self._wanted:
            raise replaced(self.path)
        self._wanted, self._entry = entry.identity, entry


def replaced(path: str) -> StorageError:
    """Return the error for a file replaced since it was opened.

    Examples
    --------
    >>> replaced("/data/raw.bin")
    StorageError('/data/raw.bin: was replaced while it was read; read it again')
    """
    return StorageError(f"{path}: was replaced while it was read; read it again")


class Store(ABC):
    """Store: files under addresses, such as a disk or a bucket.

    To add one, implement these methods, name the class in ``thunderlike.storage.paths.STORES`` and
    test it with ``thunderlike.testing.StoreSuite``.

    An *address* is text whose parts are divided by ``/``. A *folder* is what addresses have in
    common up to a ``/``; it exists while a file is below it, and longer only where the place has
    empty folders. Callers hand over addresses which :meth:`address` gave them, or text which it
    understands. Ranges are never negative.

    A store is shared by threads and pickled into Spark tasks: it holds settings, never open files,
    locks or secrets in the clear. Failures are `NotFoundError` (no such file), `ExistsError`,
    `DeniedError`, else `StorageError`; each message begins with the address.

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
        """Create the store of a scheme; public stores take no credentials.

        A store that takes some returns an :class:`~thunderlike.storage.base.Address` from
        `address` and in each `Entry`.
        """
        return cls()

    @abstractmethod
    def address(self, path: str) -> str:
        """Normalize `path`: absolute, without ``~``, ``..`` or a trailing ``/``."""

    @abstractmethod
    def list(self, path: str, *, recursive: bool) -> Sequence[Entry]:
        """List the files of a folder, including hidden ones, in any order.

        With `recursive` also those of the folders in it; a link to a folder is not followed.
        NotFoundError when there is no such folder.
        """

    @abstractmethod
    def stat(self, path: str) -> Entry:
        """Describe one file; NotFoundError for a missing file or a folder."""

    @abstractmethod
    def exists(self, path: str) -> bool:
        """Return whether a file or folder exists; DeniedError where this cannot be known."""

    @abstractmethod
    def read(self, path: str) -> bytes:
        """Read a whole file; NotFoundError for a missing file or a folder."""

    @abstractmethod
    def read_range(self, path: str, start: int, length: int) -> bytes:
        """Read `length` bytes from byte `start`; fewer at the end of the file."""

    def version(self, path: str, identity: str | None = None) -> FileVersion:
        """Open one version of a file: that of `identity`, otherwise the current one."""
        return FileVersion(self, path, identity)

    def fetch(
        self, path: str, start: int = 0, length: int | None = None, identity: str | None = None
    ) -> tuple[bytes, Entry]:
        """Read a range, or to the end, and return the version it belongs to.

        StorageError when the file is not the version `identity`. A place that can ask for a version
        does so in one request; this form looks at the file before and after.
        """
        wanted = self.stat(path).identity if identity is None else identity
        whole = start == 0 and length is None
        data = (
            self.read(path)
            if whole
            else self.read_range(path, start, _LONG if length is None else length)
        )
        entry = self.stat(path)
        if entry.identity != wanted:
            raise replaced(path)
        return data, entry

    @abstractmethod
    def write(self, path: str, data: bytes) -> None:
        """Write `data` to a file, creating missing parent folders.

        Atomic: readers see the old content or the new, also when the writer is
        killed or the disk is full, and writing the same file twice at once leaves one of the two.
        """

    def send(self, path: str, file: Path) -> None:
        """Write the content of a local file of any size, as `write` does."""
        self.write(path, file.read_bytes())

    @abstractmethod
    def delete(self, path: str) -> None:
        """Remove a file, or a folder with its content; missing content is ignored."""

    @abstractmethod
    def move(self, path: str, target: str) -> None:
        """Rename a folder to an address that is free or an empty folder.

        ExistsError when files are there; NotFoundError when the folder itself is not. One step
        where the place can do it in one.
        """

    def exchange(self, path: str, target: str) -> bool:  # noqa: ARG002
        """Swap two folders in one step; False where the store cannot."""
        return False

    def begin(self, path: str) -> None:  # noqa: B027  # most places make no folders
        """Create a hidden folder for results, in stores that have folders."""

    def keep_modes(self, path: str, old: str) -> None:  # noqa: B027  # most places have none
        """Copy the permissions of the folder `old`, and of its files, to its replacement."""

    @abstractmethod
    def protected(self, path: str) -> str:
        """Return why the folder `path` must not be removed (``"it is ..."``), or ``""``."""
