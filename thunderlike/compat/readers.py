"""Thunder's readers of whole files: a list of paths, and their bytes.

Thunder had a class for every kind of place. Here a path says where it leads, so that one class
reads from anywhere and ``Local`` is only a name.
"""

from __future__ import annotations

import io
from builtins import FileNotFoundError
from typing import TYPE_CHECKING, Any

from thunderlike import storage
from thunderlike.engines.session import context_of
from thunderlike.errors import NotFound, SpecError

if TYPE_CHECKING:
    from typing import BinaryIO

    from thunderlike.storage import AnyCredentials, AnyPath

__all__ = [
    "FileNotFoundError",
    "LocalFileReader",
    "LocalParallelReader",
    "get_file_reader",
    "get_parallel_reader",
    "normalize_scheme",
]

File = tuple[int, bytes, str]  # its number, what it holds, its path


class LocalParallelReader:
    """Reads many files, here or on Spark.

    Parameters
    ----------
    engine : None, SparkContext or SparkSession
        Where they are read.
    credentials : dict, optional
        What opens a bucket, for `read`: ``{'access': ..., 'secret': ...}``.
    """

    def __init__(self, engine: Any = None, credentials: AnyCredentials = None) -> None:
        self.engine, self.credentials = engine, credentials

    @staticmethod
    def list(
        path: AnyPath,
        ext: str | None = None,
        start: int | None = None,
        stop: int | None = None,
        recursive: bool = False,
    ) -> list[str]:
        """Name the files that a path means, in order; as ``images.frombinary`` finds them."""
        found = storage.find(path, ext, recursive=recursive, start=start, stop=stop)
        return [entry.path for entry in found]

    def read(
        self,
        path: AnyPath,
        ext: str | None = None,
        start: int | None = None,
        stop: int | None = None,
        recursive: bool = False,
        npartitions: int | None = None,
    ) -> Any:
        """Return ``(number, bytes, path)`` of each file: a list, or on Spark an RDD."""
        place = storage.at(path, self.credentials)
        files = list(enumerate(self.list(place, ext, start, stop, recursive)))
        if self.engine is None:
            return [_read(file) for file in files]
        parts = min(npartitions or len(files), len(files))
        return context_of(self.engine).parallelize(files, parts).map(_read)


class LocalFileReader:
    """Reads one file.

    Parameters
    ----------
    credentials : dict, optional
        What opens a bucket, for `read` and `open`: ``{'access': ..., 'secret': ...}``.
    """

    def __init__(self, credentials: AnyCredentials = None) -> None:
        self.credentials = credentials

    @staticmethod
    def list(
        path: AnyPath,
        filename: str | None = None,
        start: int | None = None,
        stop: int | None = None,
        recursive: bool = False,
    ) -> list[str]:
        """Name the files that a path means, in order, or none.

        Parameters
        ----------
        path : path
            A file, folder or pattern.
        filename : str, optional
            What to look for in the folder `path`, or in the one in which `path` is.
        start, stop, recursive
            As in ``images.frombinary``.
        """
        where = path if filename is None else storage.join(_folder(path), filename)
        try:
            found = storage.find(where, recursive=recursive, start=start, stop=stop)
        except NotFound:
            return []
        return [entry.path for entry in found]

    def read(
        self, path: AnyPath, filename: str | None = None, offset: int | None = None, size: int = -1
    ) -> bytes:
        """Return what the one file holds, or `size` bytes of it from `offset` on.

        Raises
        ------
        NotFound, SpecError
            When there is none, or more than one.
        """
        only = self._only(storage.at(path, self.credentials), filename)
        length = storage.stat(only).size if size < 0 else size
        return storage.read_range(only, offset or 0, length)

    def open(self, path: AnyPath, filename: str | None = None) -> BinaryIO:
        """Return the one file to read from, whole in memory."""
        return io.BytesIO(self.read(path, filename))

    def _only(self, path: AnyPath, filename: str | None) -> str:
        files = self.list(path, filename)
        if not files:
            raise NotFound(f"{path}: no file {filename or ''} found")
        if len(files) > 1:
            raise SpecError(f"{path}: there are {len(files)} files, name the one to read")
        return files[0]


def get_parallel_reader(path: AnyPath) -> type[LocalParallelReader]:
    """Return the class that reads many files; StorageError for a place that nothing reads."""
    storage.store_for(path)
    return LocalParallelReader


def get_file_reader(path: AnyPath) -> type[LocalFileReader]:
    """Return the class that reads one file; StorageError for a place that nothing reads."""
    storage.store_for(path)
    return LocalFileReader


def normalize_scheme(path: str, ext: str | None = None) -> str:
    """Return the full address of a path, with its scheme.

    Parameters
    ----------
    path : str
        A file, folder or pattern.
    ext : str, optional
        Of the files wanted in a folder.

    Examples
    --------
    >>> normalize_scheme("/data/raw", "tif")
    'file:///data/raw/*.tif'
    >>> normalize_scheme("/data/raw/a.tif", "tif")
    'file:///data/raw/a.tif'
    """
    _, address = storage.resolve(path)
    name = address.rpartition("/")[2]
    full = address if ext is None or "." in name or "*" in name else f"{address}/*.{ext}"
    return full if "://" in full else f"file://{full}"


def _read(file: tuple[int, str]) -> File:
    number, path = file
    return number, storage.read(path), path


def _folder(path: AnyPath) -> str:
    """The folder that a path is, or is in."""
    _, address = storage.resolve(path)
    try:
        storage.stat(address)
    except NotFound:
        return address if storage.exists(address) else storage.parent(address)
    return storage.parent(address)
