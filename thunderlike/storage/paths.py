"""Read, write, list and remove files by path, in any store."""

from __future__ import annotations

import hashlib
import importlib
import os
import re
from functools import cache
from typing import TYPE_CHECKING, TypeAlias, cast

from thunderlike.errors import FormatError, NotFoundError, SpecError, StorageError, WrongTypeError
from thunderlike.storage.base import PARTIAL, Address, AnyCredentials, Credentials

if TYPE_CHECKING:
    from thunderlike.storage.base import Entry, FileVersion, Store

__all__ = [
    "STORES",
    "AnyPath",
    "at",
    "delete",
    "exists",
    "file_name",
    "identity",
    "inside",
    "join",
    "open",
    "parent",
    "read",
    "read_range",
    "resolve",
    "stat",
    "store_for",
    "within",
    "write",
]

AnyPath: TypeAlias = "str | os.PathLike[str]"

# A scheme and the class that stores its files, imported when a path first asks for it.
STORES = {
    "": "thunderlike.storage.local:LocalStore",
    "file": "thunderlike.storage.local:LocalStore",
    "memory": "thunderlike.storage.memory:MemoryStore",
    "s3": "thunderlike.storage.s3:S3Store",
    "s3a": "thunderlike.storage.s3:S3Store",
    "s3n": "thunderlike.storage.s3:S3Store",
    "gs": "thunderlike.storage.fsspec:CloudStore",
    "az": "thunderlike.storage.fsspec:CloudStore",
    "http": "thunderlike.storage.fsspec:CloudStore",
    "https": "thunderlike.storage.fsspec:CloudStore",
}

# One letter is a drive of Windows.
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+(?=://)|file(?=:/))")
_DRIVE = re.compile(r"([A-Za-z]):[\\/]+")


def store_for(path: AnyPath, credentials: AnyCredentials = None) -> Store:
    """Return the store that holds `path`.

    Parameters
    ----------
    path : path
        A path that was found with credentials needs none again.
    credentials : mapping, optional
        As in :func:`at`.

    Raises
    ------
    StorageError
        For a scheme that no store serves, and for a path with a drive letter.
    SpecError
        For what is no path, and for an address with a name or a password in it.

    Examples
    --------
    >>> type(store_for("file:///data/day 1")).__name__
    'LocalStore'
    >>> store_for("hdfs://cluster/data")
    Traceback (most recent call last):
    ...
    thunderlike.errors.StorageError: hdfs://cluster/data: nothing here reads hdfs:// addresses; ...
    """
    text = _text(path)
    if isinstance(text, Address) and not credentials:
        return text.store
    # Spark and Hadoop write file:/data with one slash.
    match = _SCHEME.match(text)
    scheme = match[1] if match else ""
    _check_secrets(text, scheme)
    if drive := _DRIVE.match(text):
        rest = text[drive.end() :].replace("\\", "/")
        raise StorageError(
            f"{text}: is a path of Windows, and would be a name in the current folder here; the "
            f"drive is /mnt/{drive[1].lower()}/{rest} in WSL, and ./{text} is that name"
        )
    if scheme not in STORES:
        known = ", ".join(["plain paths", *(f"{name}://" for name in STORES if name)])
        raise StorageError(f"{text}: nothing here reads {scheme}:// addresses; there are {known}")
    return _store_class(scheme).opened(scheme, Credentials(credentials))


def resolve(path: AnyPath, credentials: AnyCredentials = None) -> tuple[Store, str]:
    """Return the store that holds `path` and the full address of `path` in it.

    Examples
    --------
    >>> resolve("memory://day 1//raw/")[1]
    'memory://day 1/raw'
    """
    store = store_for(path, credentials)
    return store, store.address(_text(path))


def at(path: AnyPath, credentials: AnyCredentials = None) -> str:
    """Return the full address of `path`, bound to the credentials.

    Parameters
    ----------
    path : path
        Of a file, a folder or a pattern.
    credentials : mapping, optional
        For a bucket ``{'access': ..., 'secret': ...}`` and what else
        :class:`~thunderlike.storage.s3.S3Store` takes; disks and memory are open without any.

    Examples
    --------
    >>> at("file:///data/raw/", {"access": "AK", "secret": "xyzzy"})
    '/data/raw'
    """
    return resolve(path, credentials)[1]


def join(folder: AnyPath, name: str) -> str:
    """Return the address of `name` in `folder`.

    Examples
    --------
    >>> join("file:///data/", "conf.json")
    '/data/conf.json'
    """
    if not isinstance(name, str):
        raise WrongTypeError(f"name is the text of a path, not {name!r:.60}")
    store, address = resolve(folder)
    divided = address if address.endswith("/") else address + "/"
    return store.address(divided + name)


def within(folder: AnyPath, name: str) -> str:
    """Return the address of an untrusted `name` in `folder`.

    Raises
    ------
    FormatError
        For a name that leads out of the folder.

    Examples
    --------
    >>> within("/data", "day1/a.tif")
    '/data/day1/a.tif'
    >>> within("/data", "../home/a.tif")
    Traceback (most recent call last):
    ...
    thunderlike.errors.FormatError: /data: the name '../home/a.tif' leads out of this folder; ...
    """
    if not isinstance(name, str):
        raise WrongTypeError(f"name is the text of a path, not {name!r:.60}")
    return join(folder, inside(name, resolve(folder)[1]))


def inside(name: str, where: str) -> str:
    """Return a relative path, checked to stay in the folder or archive `where`.

    Raises
    ------
    FormatError
        For a name that leads out of it.

    Examples
    --------
    >>> inside("day1/a.tif", "/data.tar")
    'day1/a.tif'
    """
    if name.startswith("/") or ".." in name.split("/") or "\0" in name or not name:
        found = f"the name {name!r:.80} leads out of this folder; a name is a part of its path"
        raise FormatError(f"{where}: {found}")
    return name


def file_name(text: str, argument: str) -> str:
    """Return a checked part of file names, such as `prefix`.

    Parameters
    ----------
    text : str
        What was given.
    argument : str
        The argument, for the error.

    Raises
    ------
    SpecError
        For what is not text, holds a ``/``, a zero byte or a wildcard, or begins with a dot: the
        files would be elsewhere, or no reader of the folder would find them.

    Examples
    --------
    >>> file_name("image", "prefix")
    'image'
    >>> file_name("../image", "prefix")
    Traceback (most recent call last):
    ...
    thunderlike.errors.SpecError: prefix='../image' begins the names of files: no '/', ...
    """
    if not isinstance(text, str) or text.startswith(".") or set(text) & set("/\0*?"):
        raise SpecError(
            f"{argument}={text!r:.80} begins the names of files: no '/', '*', '?' or zero byte, "
            "and no dot as its first character"
        )
    return text


def parent(path: AnyPath) -> str:
    """Return the address of the folder that holds `path`.

    Examples
    --------
    >>> parent("/data/raw/image.tif"), parent("memory://image.tif")
    ('/data/raw', 'memory://')
    """
    store, address = resolve(path)
    return store.address(address.rpartition("/")[0] + "/")


def stat(path: AnyPath) -> Entry:
    """Return the address and size of one file.

    Examples
    --------
    >>> write("memory://page/notes.txt", b"a note")
    >>> stat("memory://page/notes.txt").size
    6
    """
    store, address = resolve(path)
    return store.stat(address)


def open(path: AnyPath, *, identity: str | None = None) -> FileVersion:  # as storage.open
    """Open one version of a file, to read ranges of that version only.

    Use it wherever one file is read in more than one call: a header and then data, or an index
    in one process and chunks in others. It costs nothing more than the reads: on a disk one
    descriptor, in a bucket no request of its own.

    Parameters
    ----------
    path : path
        Of a file.
    identity : str, optional
        The version to open, from ``stat(path).identity``, the entry of a listing (`find`) or
        another open version, also one of another process. By default the version that is there.

    Returns
    -------
    FileVersion
        With `read_range`, `read`, `size`, `identity`, `check` and `close`; a context manager, and
        safe in threads. :func:`thunderlike.storage._open.open_file` makes a stream of it.

    Raises
    ------
    NotFoundError
        When the file does not exist; outside of local disks, at the first read.
    StorageError
        When the file at `path` is not the version `identity` (here or at any read), or is no
        regular file.

    Examples
    --------
    >>> write("memory://page/notes.txt", b"a note")
    >>> with open("memory://page/notes.txt") as file:
    ...     file.read_range(2, 4), file.size
    (b'note', 6)

    Another process reads the same version, or raises:

    >>> with open("memory://page/notes.txt", identity=file.identity) as again:
    ...     again.read()
    b'a note'
    """
    store, address = resolve(path)
    return store.version(address, identity)


def identity(folder: AnyPath) -> str:
    """Return a digest of the names and versions of all files below a folder, or of one file.

    The same before and after a read of many files means that they were all of one generation: no
    file appeared, vanished or was replaced. Costs one listing. Hidden files that are being
    written do not count.

    Raises
    ------
    NotFoundError
        When nothing is there.

    Examples
    --------
    >>> write("memory://pages/1", b"one")
    >>> before = identity("memory://pages")
    >>> write("memory://pages/1", b"two")
    >>> identity("memory://pages") == before
    False
    >>> delete("memory://pages")
    """
    store, address = resolve(folder)
    try:
        entries = list(store.list(address, recursive=True))
    except NotFoundError:
        entries = [store.stat(address)]
    digest = hashlib.sha256()
    for one in sorted(entries):
        name = one.path[len(address) :]
        if not any(map(PARTIAL.fullmatch, name.split("/"))):
            digest.update(f"{name!r} {one.size} {one.identity}\n".encode())
    return digest.hexdigest()


def exists(path: AnyPath) -> bool:
    """Return whether a file or folder exists.

    Examples
    --------
    >>> exists("memory://nowhere")
    False
    """
    store, address = resolve(path)
    return store.exists(address)


def read(path: AnyPath) -> bytes:
    """Read a whole file.

    Examples
    --------
    >>> write("memory://page/notes.txt", b"a note")
    >>> read("memory://page/notes.txt")
    b'a note'
    """
    store, address = resolve(path)
    return store.read(address)


def read_range(path: AnyPath, start: int, length: int) -> bytes:
    """Read `length` bytes from byte `start`; fewer at the end of the file.

    Raises
    ------
    SpecError
        For a negative start or length.
    NotFoundError
        When there is no such file.

    Examples
    --------
    >>> write("memory://digits", b"0123456789")
    >>> read_range("memory://digits", 7, 100)
    b'789'
    >>> delete("memory://digits")
    """
    for what, given in (("start", start), ("length", length)):
        if not hasattr(given, "__index__"):
            raise WrongTypeError(f"{what} is a whole number of bytes, not {given!r:.60}")
    if start < 0 or length < 0:
        raise SpecError(
            f"{_text(path)}: bytes {start} to {start} + {length} asked for; "
            "start and length must not be negative"
        )
    store, address = resolve(path)
    return store.read_range(address, start, length)


def write(path: AnyPath, data: bytes) -> None:
    """Write `data` to a file atomically, creating missing parent folders.

    Readers see the old content or the new, also when this process is killed or the disk is full.

    Raises
    ------
    DeniedError, StorageError
        When the place refuses; the old content is still there.

    Examples
    --------
    >>> write("memory://new/folder/note", b"rain")
    >>> exists("memory://new/folder")
    True
    >>> delete("memory://new")
    """
    try:
        memoryview(data)
    except TypeError:
        raise WrongTypeError(f"data are bytes, not {data!r:.60}: encode text first") from None
    store, address = resolve(path)
    store.write(address, data)


def delete(path: AnyPath) -> None:
    """Remove a file, or a folder with its content; missing paths are ignored.

    Raises
    ------
    StorageError
        For the root, a home, the current folder, a mounted disk or a link to a folder.

    Examples
    --------
    >>> delete("/")
    Traceback (most recent call last):
    ...
    thunderlike.errors.StorageError: /: will not be removed: it is, or holds, a home folder
    """
    store, address = resolve(path)
    if reason := store.protected(address):
        raise StorageError(f"{address}: will not be removed: {reason}")
    store.delete(address)


def _text(path: AnyPath) -> str:
    text = os.fspath(path) if isinstance(path, str | os.PathLike) else None
    if text == "":
        raise SpecError("an empty path: give that of a file or a folder")
    if not isinstance(text, str) or "\0" in text:
        raise SpecError(f"a path is text, or an object such as pathlib.Path, not {path!r}")
    return text


def _check_secrets(path: str, scheme: str) -> None:
    """Reject an address such as ``s3://user:password@bucket``, which errors would show."""
    if scheme in ("", "file", "memory"):
        return
    server = re.split(r"[/?#]", path.partition("://")[2], maxsplit=1)[0]
    # A password may hold a slash: what follows a colon is a port or part of one. Azure's own
    # addresses begin with container@account.
    user, _, after = server.rpartition("@")
    suspect = (user and scheme != "az") or ":" in user or not re.fullmatch(r"[^:]*(:\d*)?", after)
    if suspect and not re.fullmatch(r"\[[0-9A-Fa-f:.]+\](:\d+)?", server):
        raise SpecError(
            f"{scheme}://...: holds a name or password before an '@'; give credentials= instead"
        )


@cache
def _store_class(scheme: str) -> type[Store]:
    module, _, name = STORES[scheme].partition(":")
    return cast("type[Store]", getattr(importlib.import_module(module), name))
