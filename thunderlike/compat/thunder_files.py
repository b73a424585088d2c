"""Functions of Thunder that read and write files.

Thunder has a reader class for each kind of storage. Here the path says which storage is meant, so
that one class reads from anywhere.
"""

from __future__ import annotations

import io
from builtins import FileNotFoundError  # a name that Thunder's module of readers has
from typing import TYPE_CHECKING, Any, TypeAlias, TypedDict

from thunderlike import storage
from thunderlike.engines.session import context_of
from thunderlike.errors import ExistsError, NotFoundError, SpecError
from thunderlike.formats import raw

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import BinaryIO, Unpack

    from numpy.typing import DTypeLike

    from thunderlike.data.images import Images
    from thunderlike.data.series import Series
    from thunderlike.storage import AnyCredentials, AnyPath

__all__ = [
    "FileNotFoundError",
    "LocalFileReader",
    "LocalParallelReader",
    "get_file_reader",
    "get_parallel_reader",
    "getlabel",
    "images_tobinary",
    "normalize_scheme",
    "series_tobinary",
    "topng",
    "totif",
    "write_config",
]

File: TypeAlias = tuple[int, bytes, str]  # number, content, path


class _Written(TypedDict, total=False):
    """Options of the writers of images and series."""

    credentials: AnyCredentials


class _Painted(_Written, total=False):
    """Options of ``Images.topng``."""

    vmin: float | None
    vmax: float | None


class LocalParallelReader:
    """Read many files, locally or on Spark.

    Parameters
    ----------
    engine : None, SparkContext or SparkSession
        None reads locally.
    credentials : dict, optional
        Credentials of a bucket, for `read`: ``{'access': ..., 'secret': ...}``.
    """

    def __init__(self, engine: object = None, credentials: AnyCredentials = None) -> None:
        self.engine, self.credentials = engine, credentials

    @staticmethod
    def list(
        path: AnyPath,
        ext: str | None = None,
        start: int | None = None,
        stop: int | None = None,
        recursive: bool = False,
    ) -> list[str]:
        """List the files of a path in order, as ``images.frombinary`` finds them."""
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
        """Return ``(number, bytes, path)`` of each file as a list, or as an RDD on Spark."""
        place = storage.at(path, self.credentials)
        files = list(enumerate(self.list(place, ext, start, stop, recursive)))
        if self.engine is None:
            return [_read(file) for file in files]
        # More partitions than files would be empty tasks.
        parts = min(npartitions or len(files), len(files))
        return context_of(self.engine).parallelize(files, parts).map(_read)


class LocalFileReader:
    """Read one file.

    Parameters
    ----------
    credentials : dict, optional
        Credentials of a bucket, for `read` and `open`: ``{'access': ..., 'secret': ...}``.
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
        """List the files of a path in order; an empty list if none exists.

        Parameters
        ----------
        path : path
            A file, folder or pattern.
        filename : str, optional
            Name or pattern to find in the folder `path`, or in the folder of the file `path`.
        start, stop, recursive
            As in ``images.frombinary``.
        """
        where = path if filename is None else storage.join(_folder(path), filename)
        try:
            found = storage.find(where, recursive=recursive, start=start, stop=stop)
        except NotFoundError:
            return []
        return [entry.path for entry in found]

    def read(
        self, path: AnyPath, filename: str | None = None, offset: int | None = None, size: int = -1
    ) -> bytes:
        """Return the content of the one file, or `size` bytes of it from `offset` on.

        Raises
        ------
        NotFoundError, SpecError
            If no file, or more than one file, is found.
        """
        only = self._only(storage.at(path, self.credentials), filename)
        length = storage.stat(only).size if size < 0 else size
        return storage.read_range(only, offset or 0, length)

    def open(self, path: AnyPath, filename: str | None = None) -> BinaryIO:
        """Return the content of the one file as a binary stream in memory."""
        return io.BytesIO(self.read(path, filename))

    def _only(self, path: AnyPath, filename: str | None) -> str:
        files = self.list(path, filename)
        if not files:
            raise NotFoundError(f"{path}: no file {filename or ''} found")
        if len(files) > 1:
            raise SpecError(f"{path}: found {len(files)} files; name the file to read")
        return files[0]


def get_parallel_reader(path: AnyPath) -> type[LocalParallelReader]:
    """Return the class that reads many files; StorageError for an unknown scheme."""
    storage.store_for(path)
    return LocalParallelReader


def get_file_reader(path: AnyPath) -> type[LocalFileReader]:
    """Return the class that reads one file; StorageError for an unknown scheme."""
    storage.store_for(path)
    return LocalFileReader


def normalize_scheme(path: str, ext: str | None = None) -> str:
    """Return the full URL of a path, with its scheme.

    Parameters
    ----------
    path : str
        A file, folder or pattern.
    ext : str, optional
        Extension of the files in a folder.

    Examples
    --------
    >>> normalize_scheme("/data/raw", "tif")
    'file:///data/raw/*.tif'
    >>> normalize_scheme("/data/raw/a.tif", "tif")
    'file:///data/raw/a.tif'
    """
    _, address = storage.resolve(path)
    name = address.rpartition("/")[2]
    # A name with a dot or a wildcard is a file or a pattern, anything else a folder.
    full = address if ext is None or "." in name or "*" in name else f"{address}/*.{ext}"
    return full if "://" in full else f"file://{full}"


def topng(
    images: Images,
    path: AnyPath,
    prefix: str = "image",
    overwrite: bool = False,
    **options: Unpack[_Painted],
) -> None:
    """Write one PNG file per image; `options` are those of ``Images.topng``."""
    images.topng(path, prefix, overwrite=overwrite, **options)


def totif(
    images: Images,
    path: AnyPath,
    prefix: str = "image",
    overwrite: bool = False,
    **options: Unpack[_Written],
) -> None:
    """Write one TIFF file per image; see ``Images.totif``."""
    images.totif(path, prefix, overwrite=overwrite, **options)


def images_tobinary(
    images: Images,
    path: AnyPath,
    prefix: str = "image",
    overwrite: bool = False,
    **options: Unpack[_Written],
) -> None:
    """Write one flat binary file per image; see ``Images.tobinary``."""
    images.tobinary(path, prefix, overwrite=overwrite, **options)


def series_tobinary(
    series: Series,
    path: AnyPath,
    prefix: str = "series",
    overwrite: bool = False,
    **options: Unpack[_Written],
) -> None:
    """Write flat binary files with many series each; see ``Series.tobinary``."""
    series.tobinary(path, prefix, overwrite=overwrite, **options)


def write_config(
    path: AnyPath,
    shape: Sequence[int],
    dtype: DTypeLike,
    name: str = "conf.json",
    overwrite: bool = True,
) -> None:
    r"""Write the metadata of the flat binary files in a folder, and an empty ``SUCCESS``.

    Parameters
    ----------
    path : path
        The folder.
    shape, dtype
        Shape and dtype of one image, or of all series.
    name : str
        Name of the metadata file.
    overwrite : bool
        Replace an existing file.

    Raises
    ------
    ExistsError
        If the file exists and `overwrite` is false.

    Examples
    --------
    >>> write_config("memory://made", (4, 6), "int16")
    >>> storage.read("memory://made/conf.json")
    b'{"shape": [4, 6], "dtype": "int16"}\n'
    >>> storage.delete("memory://made")
    """
    conf = storage.join(path, name)
    if not overwrite and storage.exists(conf):
        raise ExistsError(f"{conf}: exists already; give overwrite=True to replace it")
    storage.write(conf, raw.describe(shape, dtype))
    storage.write(storage.join(path, storage.SUCCESS), b"")  # last: the folder is complete


def getlabel(key: Sequence[int]) -> str:
    """Return the part of a file's name that holds the key of its first series.

    Examples
    --------
    >>> getlabel((3, 14))
    '00003-00014'
    """
    return "-".join(f"{int(k):05d}" for k in key)


def _read(file: tuple[int, str]) -> File:
    number, path = file
    return number, storage.read(path), path


def _folder(path: AnyPath) -> str:
    """Return a folder itself, or the folder of a file."""
    _, address = storage.resolve(path)
    try:
        storage.stat(address)
    except NotFoundError:
        # No file: a folder, or the name of something that is missing from a folder.
        return address if storage.exists(address) else storage.parent(address)
    return storage.parent(address)
