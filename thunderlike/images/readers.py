"""Images from files: flat binary, TIFF, PNG."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from thunderlike import storage
from thunderlike.data.images import Images
from thunderlike.data.sources import FileSource, naming, read_conf, told
from thunderlike.engines import engine_for
from thunderlike.errors import FormatError, SpecError
from thunderlike.formats import Header, png, raw, tiff
from thunderlike.parallel.pool import tmap

if TYPE_CHECKING:
    from collections.abc import Sequence

    from thunderlike.engines.base import Array
    from thunderlike.storage import AnyCredentials, AnyPaths, Entry

__all__ = ["frombinary", "frompng", "fromtif"]


def frombinary(
    path: AnyPaths,
    shape: Sequence[int] | None = None,
    dtype: Any = None,
    ext: str = "bin",
    start: int | None = None,
    stop: int | None = None,
    recursive: bool = False,  # Thunder's order
    nplanes: int | None = None,
    npartitions: int | None = None,
    labels: Any = None,
    conf: str = "conf.json",
    order: Literal["C", "F"] = "C",
    engine: Any = None,
    credentials: AnyCredentials = None,
) -> Images:
    """Read flat binary files, one image each.

    Parameters
    ----------
    path : path, or list of paths
        A file, a folder, or a pattern such as ``'data/run*/*.bin'``.
    shape, dtype : optional
        Of one image. By default what a file `conf` in the folder says; without one, int16.
    ext : str
        Extension of the files in a folder.
    start, stop : int, optional
        Which of the files, as in ``files[start:stop]``, in the order of their names.
    recursive : bool
        Look into the folders of the folder too.
    nplanes : int, optional
        Cut the last axis of every file into images of so many planes.
    npartitions : int, optional
        Parts to spread the images over, on Spark.
    labels : sequence, optional
        What each image is called.
    conf : str
        Name of the file that describes the others: JSON with ``shape`` and ``dtype``.
    order : 'C' or 'F'
        Whether the last or the first index runs fastest in the files.
    engine : None, 'local', 'spark', SparkContext or SparkSession
        Where to keep the images.
    credentials : dict, optional
        What opens a bucket: ``{'access': ..., 'secret': ...}``, and whatever else
        :class:`~thunderlike.storage.s3.S3Store` takes. By default what boto3 finds.

    Raises
    ------
    NotFound
        When no file is there.
    SpecError
        When nothing tells the shape.
    FormatError
        When a file has another number of bytes; names it.

    Notes
    -----
    The files are listed once, here. Locally they are read now, on threads; with Spark on the
    workers, when they are needed.
    """
    files = storage.find(
        path, ext, recursive=recursive, start=start, stop=stop, credentials=credentials
    )
    described = read_conf(files[0].path, conf)
    shape, dtype = told("shape", shape, described.shape), told("dtype", dtype, described.dtype)
    if shape is None:
        folder = storage.parent(files[0].path)
        raise SpecError(f"{folder}: there is no {conf} here: give the shape of one image, shape=")
    load = _RawPlanes(tuple(shape), np.dtype(dtype or np.int16), order, nplanes)
    _check_sizes(files, load.nbytes)
    pieces = [load.pieces] * len(files)
    return _images(files, pieces, load.piece_shape, load.dtype, load, npartitions, labels, engine)


def fromtif(
    path: AnyPaths,
    ext: str = "tif",
    start: int | None = None,
    stop: int | None = None,
    recursive: bool = False,
    nplanes: int | None = None,
    npartitions: int | None = None,
    labels: Any = None,
    engine: Any = None,
    credentials: AnyCredentials = None,
    discard_extra: bool = False,  # Thunder's order
) -> Images:
    """Read TIFF files: one image each, or one for every `nplanes` pages.

    Parameters
    ----------
    path, ext, start, stop, recursive, npartitions, labels, engine, credentials
        As in :func:`frombinary`; ``'tif'`` finds ``.tiff`` too.
    nplanes : int, optional
        Make an image of every so many pages; 1 makes a movie of pictures of files with many pages.
        By default all pages of a file are one volume, ``(pages, height, width)``.
    discard_extra : bool
        Leave out, with a warning, the last pages of a file that do not make a whole image.

    Raises
    ------
    NotFound
        When no file is there.
    FormatError
        When a file is not a TIFF, is cut short, or differs from the first in shape or dtype; names
        it.
    SpecError
        When the pages of a file are no multiple of `nplanes`.

    Notes
    -----
    Without `nplanes` only the header of the first file is read here; with it those of all, to
    count their pages.
    """
    files = storage.find(
        path, ext, recursive=recursive, start=start, stop=stop, credentials=credentials
    )
    first = _header(tiff, files[0].path)
    if nplanes is None:
        whole = _Whole("tiff")
        return _images(
            files, [1] * len(files), first.whole, first.dtype, whole, npartitions, labels, engine
        )
    if nplanes < 1:
        raise SpecError(f"nplanes must be at least 1, not {nplanes}")
    pages = tmap(lambda file: _header(tiff, file.path).pages, files)
    counts = [
        _pieces(file.path, n, nplanes, discard_extra=discard_extra)
        for file, n in zip(files, pages, strict=True)
    ]
    shape = first.shape if nplanes == 1 else (nplanes, *first.shape)
    load = _TiffPlanes(nplanes)
    return _images(files, counts, shape, first.dtype, load, npartitions, labels, engine)


def frompng(
    path: AnyPaths,
    ext: str = "png",
    start: int | None = None,
    stop: int | None = None,
    recursive: bool = False,
    npartitions: int | None = None,
    labels: Any = None,
    engine: Any = None,
    credentials: AnyCredentials = None,
) -> Images:
    """Read PNG files, one image each: grey, or colours in a last axis, as stored.

    Parameters
    ----------
    path, ext, start, stop, recursive, npartitions, labels, engine, credentials
        As in :func:`frombinary`.

    Raises
    ------
    NotFound
        When no file is there.
    FormatError
        When a file is not a PNG, is cut short, or differs from the first in shape or dtype.
    """
    files = storage.find(
        path, ext, recursive=recursive, start=start, stop=stop, credentials=credentials
    )
    first = _header(png, files[0].path)
    whole = _Whole("png")
    ones = [1] * len(files)
    return _images(files, ones, first.whole, first.dtype, whole, npartitions, labels, engine)


_DECODE = {"tiff": tiff.decode, "png": png.decode}


@dataclass(frozen=True)
class _Whole:
    """One image a file, in a format that describes itself."""

    format: str

    def __call__(self, path: str, first: int, last: int) -> Array:  # noqa: ARG002
        return _DECODE[self.format](storage.read(path))[np.newaxis]


@dataclass(frozen=True)
class _TiffPlanes:
    """Images of so many pages of a file each."""

    nplanes: int

    def __call__(self, path: str, first: int, last: int) -> Array:
        n = self.nplanes
        pages = tiff.decode_pages(storage.read(path), first * n, last * n)
        return pages if n == 1 else pages.reshape(last - first, n, *pages.shape[1:])


@dataclass(frozen=True)
class _RawPlanes:
    """Images that are runs of planes along the last axis of a flat binary file, or all of it."""

    shape: tuple[int, ...]
    stored: np.dtype[Any]
    order: Literal["C", "F"]
    nplanes: int | None

    def __post_init__(self) -> None:
        n = self.nplanes
        if n is not None and (n < 1 or self.shape[-1] % n):
            raise SpecError(
                f"nplanes={n} does not divide the last axis of shape {self.shape}: "
                "give a divisor of it"
            )

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.stored.newbyteorder("=")

    @property
    def nbytes(self) -> int:
        return int(np.prod(self.shape)) * self.stored.itemsize

    @property
    def pieces(self) -> int:
        return 1 if self.nplanes is None else self.shape[-1] // self.nplanes

    @property
    def piece_shape(self) -> tuple[int, ...]:
        if self.nplanes is None:
            return self.shape
        return self.shape[:-1] if self.nplanes == 1 else (*self.shape[:-1], self.nplanes)

    def __call__(self, path: str, first: int, last: int) -> Array:
        image = raw.decode(storage.read(path), self.shape, self.stored, self.order)
        if self.nplanes is None:
            return image[np.newaxis]
        cut = image.reshape(*self.shape[:-1], self.pieces, self.nplanes)
        planes = np.moveaxis(cut, -2, 0)[first:last]
        return planes[..., 0] if self.nplanes == 1 else planes


def _images(
    files: Sequence[Entry],
    counts: Sequence[int],
    shape: tuple[int, ...],
    dtype: Any,
    load: Any,
    npartitions: int | None,
    labels: Any,
    engine: Any,
) -> Images:
    paths = [file.path for file in files]
    source = FileSource.of(paths, counts, shape, dtype, load, whole=True)
    return Images(engine_for(engine).load(source, npartitions), labels=labels)


def _header(format: Any, path: str) -> Header:
    with naming(path):
        header: Header = format.header(storage.read(path))
        return header


def _check_sizes(files: Sequence[Entry], nbytes: int) -> None:
    for file in files:
        if file.size != nbytes:
            raise FormatError(
                f"{file.path}: expected {nbytes} bytes for one image, found {file.size}: "
                "remove the file, or give another shape or dtype"
            )


def _pieces(path: str, pages: int, nplanes: int, *, discard_extra: bool) -> int:
    """Images in a file of so many pages."""
    if pages % nplanes and not discard_extra:
        raise SpecError(
            f"{path}: {pages} pages do not make whole images of {nplanes}: give another nplanes, "
            "or discard_extra=True to leave out the last ones"
        )
    if pages % nplanes:
        warnings.warn(f"{path}: left out the last {pages % nplanes} pages", stacklevel=3)
    return pages // nplanes
