"""Images from files: flat binary, TIFF, PNG."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from thunderlike import storage
from thunderlike._arguments import caller_level
from thunderlike._text import printable
from thunderlike.data.collection import surviving
from thunderlike.data.file_sources import (
    Description,
    Files,
    FileSource,
    Loader,
    Packed,
    alike,
    naming,
    read,
    reader,
    whole,
)
from thunderlike.data.images import Images
from thunderlike.errors import FormatError, SpecError
from thunderlike.formats import png, raw, tiff
from thunderlike.formats.base import read_into
from thunderlike.kernels._validation import is_whole
from thunderlike.parallel.threads import tmap
from thunderlike.storage._open import open_file, open_whole

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import DTypeLike

    from thunderlike._typing import Array, Labels
    from thunderlike.formats.tiff.pages import Index
    from thunderlike.storage import AnyCredentials, AnyPaths, Entry, Order

__all__ = [
    "FortranPlanes",
    "PngImages",
    "RawPlanes",
    "TiffPlanes",
    "TiffVolumes",
    "frombinary",
    "frompng",
    "fromtif",
]


_SHORT = 2**18  # bytes, of pixels that need no decoding


@dataclass(frozen=True)
class PngImages(Loader):
    """One image a file."""

    def read(self, file: Entry, first: int, last: int, out: Array) -> None:  # noqa: ARG002
        """Decode the file, then copy: Pillow cannot write into an array."""
        image = png.decode(whole(file))
        alike(image.shape, image.dtype, out)
        out[0] = image


@dataclass(frozen=True)
class TiffVolumes(Loader):
    """One image a file: all its pages.

    Parameters
    ----------
    like : Index
        Pages of the first file.
    channel : int, optional
        The channel to read.
    """

    like: Index = field(repr=False)
    channel: int | None = None

    @property
    def threads(self) -> int | None:
        """One for small files, which are read in less time than threads need to synchronize."""
        frame = self.like.frame
        return 1 if frame is not None and frame.nbytes < _SHORT else None

    def read(self, file: Entry, first: int, last: int, out: Array) -> None:  # noqa: ARG002
        """Read page by page into place."""
        with open_whole(file.path, identity=file.identity) as stream:
            # Most files are laid out as the first, and read without an index of their pages.
            if tiff.pages.read_like(stream, self.like, out):
                return
            where = tiff.pages.index_like(stream, self.like)
            where, planes = where.arranged(self.channel)
            if planes != where.pages:
                raise FormatError(
                    f"holds {where.pages // planes} images, the first file one: give nplanes= to "
                    "read both by their pages"
                )
            shape = where.shape if where.pages == 1 else (where.pages, *where.shape)
            alike(shape, where.dtype, out)
            pages = out.reshape(where.pages, *where.shape)
            tiff.pages.read(stream, where, 0, where.pages, pages)


@dataclass(frozen=True)
class TiffPlanes(Loader):
    """Images of so many pages of a file each.

    Parameters
    ----------
    nplanes : int
        Pages of an image.
    indexes : mapping
        Pages of each file.
    """

    nplanes: int
    indexes: Mapping[str, Index] = field(repr=False)

    def read(self, file: Entry, first: int, last: int, out: Array) -> None:
        """Read the pages of these images, and nothing else of the file."""
        where, n = self.indexes[file.path], self.nplanes
        alike(where.shape if n == 1 else (n, *where.shape), where.dtype, out)
        pages = out.reshape((last - first) * n, *where.shape)
        # From elsewhere the bytes of all these pages come in one request.
        span = where.span(first * n, last * n)
        with open_file(file.path, span, identity=file.identity) as stream:
            tiff.pages.read(stream, where, first * n, last * n, pages)

    def part(self, wanted: Mapping[str, tuple[int, int]]) -> TiffPlanes:
        """Return the loader restricted to these pages."""
        n = self.nplanes
        parts = {path: self.indexes[path].part(a * n, b * n) for path, (a, b) in wanted.items()}
        return replace(self, indexes=parts)


@dataclass(frozen=True)
class FortranPlanes(Loader):
    """Images of so many planes each, of files whose first index runs fastest.

    Planes are contiguous in such a file, so that no others are read.

    Parameters
    ----------
    plane : tuple of int
        Shape of a plane; of an image, where that has but one.
    stored : numpy.dtype
        In the byte order of the file.
    nplanes : int
        Planes of an image.
    axis : int
        The axis of `nplanes` in an image: 0 or -1.
    """

    plane: tuple[int, ...]
    stored: np.dtype[Any]
    nplanes: int = 1
    axis: int = -1

    def read(self, file: Entry, first: int, last: int, out: Array) -> None:
        """Read these planes, then turn each."""
        count, n = last - first, self.nplanes
        # Fortran order is the C order of the reversed shape.
        found = np.empty((count, n, *reversed(self.plane)), self.stored.newbyteorder("="))
        with open_file(file.path, identity=file.identity) as stream:
            read_into(stream, first * found[0].nbytes, found, self.stored)
        turned = found.transpose(0, 1, *range(found.ndim - 1, 1, -1))
        place = out.reshape(count, *((*self.plane, n) if self.axis else (n, *self.plane)))
        place[...] = np.moveaxis(turned, 1, self.axis) if self.axis else turned


@dataclass(frozen=True)
class RawPlanes(Loader):
    """Images of so many planes each along the last axis, which runs fastest in the file."""

    shape: tuple[int, ...]
    stored: np.dtype[Any]
    nplanes: int

    def read(self, file: Entry, first: int, last: int, out: Array) -> None:
        """Read the whole file, in which planes are interleaved, and cut it."""
        image = raw.decode(whole(file), self.shape, self.stored)
        planes = image.reshape(*self.shape[:-1], -1, self.nplanes)
        out[...] = np.moveaxis(planes, -2, 0)[first:last].reshape(out.shape)


_PNG_HEAD = 2**12  # bytes in which all that we want to know of a file stands


@reader
def frombinary(
    path: AnyPaths,
    shape: Sequence[int] | None = None,
    dtype: DTypeLike | None = None,
    ext: str = "bin",
    start: int | None = None,
    stop: int | None = None,
    recursive: bool = False,  # Thunder's order
    nplanes: int | None = None,
    npartitions: int | None = None,
    labels: Labels | None = None,
    conf: str = "conf.json",
    order: Literal["C", "F", "text", "natural"] = "C",
    engine: object = None,
    credentials: AnyCredentials = None,
    *,
    file_order: Order | None = None,
) -> Images:
    """Read flat binary files, one image each.

    Parameters
    ----------
    {shared}
    shape, dtype : optional
        Of one image. By default what a file `conf` in the folder says; without one, int16.
    nplanes : int, optional
        Where `shape` has three axes, cut the last axis of every file into images of so many planes,
        ``(*shape[:-1], nplanes)``. Where it has two, the files are movies: frames of that shape one
        after the other, of which so many make an image, ``(nplanes, *shape)``. With 1, neither has
        an axis for them.
    conf : str
        Name of the file that describes the others: JSON with ``shape`` and ``dtype``.
    order : 'C' or 'F'
        Whether the last or the first index runs fastest in the files. ``'text'`` and ``'natural'``
        are those of `file_order`, in C order.
    file_order : 'text' or 'natural', optional
        Order of the files of a folder or pattern; the other readers call it `order`. As text
        ``image-10`` comes before ``image-9``, in natural order after it. By default as text, with a
        warning where that is not the natural order.

    Raises
    ------
    NotFoundError
        When no file is there.
    SpecError
        When the shape is not known.
    FormatError
        When a file has another number of bytes; names it.

    Notes
    -----
    The files are listed once, here. Locally they are read now, on threads, into one array; a single
    file in C order and in the byte order of this machine stays open instead, and is read where its
    values are needed: StorageError if it was changed in place by then. With Spark they are read
    on the workers, when they are needed.

    Examples
    --------
    >>> import thunderlike as tl
    >>> tl.images.fromrandom((3, 8, 8)).tobinary("memory://page-raw")
    >>> frombinary("memory://page-raw").shape
    (3, 8, 8)
    """
    if order in ("text", "natural"):
        file_order, order = order, "C"
    if order not in ("C", "F"):
        raise SpecError(f"order must be 'C' or 'F', or that of files, not {order!r}")
    files, records = Files(path, ext, start, stop, recursive, credentials, file_order).records()
    stated = Description.of(files[0].path, conf, needed=shape is None or dtype is None)
    shape = stated.required("shape", shape)
    stored = np.dtype(stated.value("dtype", dtype) or np.int16)
    load, counts, image = _raw(files, tuple(shape), stored, order, nplanes)
    dtype, whole = stored.newbyteorder("="), isinstance(load, RawPlanes)
    source = FileSource.of(files, counts, image, dtype, load, whole=whole)
    return read(Images, source, npartitions, labels, engine, records=records, attrs=stated.attrs)


def _raw(
    files: Sequence[Entry],
    shape: tuple[int, ...],
    stored: np.dtype[Any],
    order: Literal["C", "F"],
    nplanes: int | None,
) -> tuple[Loader, list[int], tuple[int, ...]]:
    """Return the loader of flat binary files, the images in each, and their shape."""
    n, turned, image = nplanes, order == "F", shape
    if n is not None and len(shape) == 2:
        image, counts = shape if n == 1 else (n, *shape), _frames(files, shape, stored, n)
        frames = FortranPlanes(shape, stored, n, axis=0) if turned else Packed(image, stored)
        return frames, counts, image
    nbytes = math.prod(shape) * stored.itemsize
    for file in files:
        if file.size != nbytes:
            raise FormatError(
                f"{file.path}: expected {nbytes} bytes for one image, found {file.size}: "
                "remove the file, or give another shape or dtype"
            )
    if n is None:
        whole = FortranPlanes(shape, stored) if turned else Packed(shape, stored)
        return whole, [1] * len(files), shape
    if n < 1 or shape[-1] % n:
        raise SpecError(
            f"nplanes={n} does not divide the last axis of shape {shape}: give a divisor of it"
        )
    image = shape[:-1] if n == 1 else (*shape[:-1], n)
    load = FortranPlanes(shape[:-1], stored, n) if turned else RawPlanes(shape, stored, n)
    return load, [shape[-1] // n] * len(files), image


@reader
def fromtif(
    path: AnyPaths,
    ext: str = "tif",
    start: int | None = None,
    stop: int | None = None,
    recursive: bool = False,
    nplanes: int | None = None,
    npartitions: int | None = None,
    labels: Labels | None = None,
    engine: object = None,
    credentials: AnyCredentials = None,
    discard_extra: bool = False,  # Thunder's order
    *,
    channel: int | None = None,
    order: Order | None = None,
) -> Images:
    """Read TIFF files, by the axes that they state or by numbers of pages.

    Parameters
    ----------
    {shared}
    nplanes : int, optional
        Make an image of every so many pages, whatever axes the files state; with 1 each page is an
        image. By default the axes decide: each time is an image, the planes of a time are a volume
        ``(planes, height, width)``. All pages of a file that does not state its axes are one
        volume, and so are channels without times or planes; with a warning where it is the only
        file.
    discard_extra : bool
        Leave out, with a warning, the last pages of a file that do not make a whole image.
    channel : int, optional
        Which channel to read, from 0, of files that state more than one; needed where there are
        several times or planes of each.

    Raises
    ------
    NotFoundError
        When no file is there.
    FormatError
        When a file is not a TIFF, is truncated, or differs from the first in shape, dtype or
        planes; names it.
    SpecError
        When files have several channels and neither `channel` nor `nplanes` is given, or the pages
        of a file are not a multiple of `nplanes`.
    BadIndexError
        When there is no such channel.

    Notes
    -----
    The axes are those that ImageJ, OME, ScanImage, LSM, MetaMorph and tifffile write; what does not
    fit the pages of the file is left out, with a line in the log. Reduced pages (thumbnails and
    overviews) and masks are left out. Pixels are as stored: see `attrs` for ``photometric`` and
    ``orientation`` where viewers show them in another way.

    Where each file is one image only the header of the first is read here; else those of all pages
    of all files, some bytes each, to know where they are. A file is then read in ranges of pages,
    on several workers at once, never as a whole. Plain pixels go straight into place; compressed
    ones need imagecodecs for most codecs.

    What the first file says of its pixel size, axes and times, as OME or ImageJ write it, is in
    `attrs` of the images; of several movies, only what does not count the images of the first.

    Examples
    --------
    >>> import thunderlike as tl
    >>> tl.images.fromrandom((3, 8, 8)).totif("memory://page-tif")
    >>> fromtif("memory://page-tif").shape
    (3, 8, 8)
    """
    if nplanes is not None and channel is not None:
        raise SpecError(
            f"nplanes={nplanes} takes pages as they follow one another and channel={channel} those "
            "of a channel: give one of them"
        )
    if nplanes is not None and not is_whole(nplanes, 1):
        raise SpecError(f"nplanes must be at least 1, a whole number, not {nplanes}")
    if channel is not None and not is_whole(channel, -math.inf):
        raise SpecError(f"channel must be a whole number, not {channel}")
    # 2.0 is accepted, and would fail as a number of pages.
    nplanes = None if nplanes is None else int(nplanes)
    channel = None if channel is None else int(channel)
    files, records = Files(path, ext, start, stop, recursive, credentials, order).records()
    first, attrs = _tif_header(files[0])
    placed = (npartitions, labels, engine)
    if nplanes is not None:
        indexes = _indexes(files, first)
        counts = [
            _pieces(file.path, where.pages, nplanes, discard_extra=discard_extra)
            for file, where in zip(files, indexes, strict=True)
        ]
        if times := attrs.get("frame_times"):
            # The time of an image is that of its first page.
            attrs["frame_times"] = times[::nplanes][: counts[0]]
        source, attrs = _pages(files, indexes, counts, nplanes), _of_all(attrs, counts)
        return read(Images, source, *placed, records=records, attrs=attrs)
    with naming(files[0].path):
        chosen, planes = first.arranged(channel)
    attrs |= chosen.attrs
    if planes == chosen.pages:
        shape = chosen.shape if chosen.pages == 1 else (chosen.pages, *chosen.shape)
        load, ones = TiffVolumes(first, channel), [1] * len(files)
        source = FileSource.of(files, ones, shape, chosen.dtype, load, whole=True)
        # The warning comes after the read: a file that cannot be read is an error alone.
        found = read(Images, source, *placed, records=records, attrs=attrs)
        if len(files) == 1 and (doubt := _doubt(chosen)):
            warnings.warn(printable(f"{files[0].path}: {doubt}"), stacklevel=caller_level())
        return found
    if len(times := attrs.get("frame_times", ())) == first.pages and first.axes is not None:
        numbers = first.axes.pages_of(channel)
        pages = range(first.pages) if numbers is None else numbers.tolist()
        attrs["frame_times"] = [times[page] for page in pages][::planes]
    indexes = []
    for file, where in zip(files, _indexes(files, first), strict=True):
        with naming(file.path):
            indexes.append(_arranged(where, channel, planes))
    counts = [where.pages // planes for where in indexes]
    source, attrs = _pages(files, indexes, counts, planes), _of_all(attrs, counts)
    return read(Images, source, *placed, records=records, attrs=attrs)


def _of_all(attrs: dict[str, Any], counts: Sequence[int]) -> dict[str, Any]:
    """Drop metadata that count the images of the first of several movies."""
    # If the first file holds one image, its metadata count none.
    several = len(counts) > 1 and counts[0] > 1
    return surviving(attrs, same_count=False, same_shape=True) if several else attrs


def _tif_header(file: Entry) -> tuple[tiff.pages.Index, dict[str, Any]]:
    """Return the pages of a file and their metadata."""
    with naming(file.path), open_file(file.path, identity=file.identity) as stream:
        first = tiff.pages.index(stream)
        return first, {**tiff.metadata.attrs(stream, first.pages), **first.attrs}


def _doubt(where: tiff.pages.Index) -> str:
    """Describe the other readings of pages that are read as one volume."""
    each = "nplanes=1 for an image of each page"
    if where.pages == 1 or (where.axes and set(where.axes.names) <= set("ZT")):
        return ""
    if where.axes and where.axes.names == "C":
        return (
            f"its {where.pages} channels are read as one volume; give channel= for one, or {each}"
        )
    says = f"has axes {where.axes.names}" if where.axes else "does not state its axes"
    return f"{says}: its {where.pages} pages are read as one volume; give {each}"


def _pages(
    files: Sequence[Entry],
    indexes: Sequence[tiff.pages.Index],
    counts: Sequence[int],
    planes: int,
) -> FileSource:
    first = indexes[0]
    shape = first.shape if planes == 1 else (planes, *first.shape)
    places = {file.path: where for file, where in zip(files, indexes, strict=True)}
    load = TiffPlanes(planes, places)
    return FileSource.of(files, counts, shape, first.dtype, load)


def _arranged(where: tiff.pages.Index, channel: int | None, planes: int) -> tiff.pages.Index:
    """Return the pages of a channel; images must have as many planes as those of the first file."""
    if where.pages == 1:
        return where
    chosen, found = where.arranged(channel)
    if found != planes:
        raise FormatError(
            f"its images have {found} planes, those of the first file {planes}: give nplanes="
        )
    return chosen


@reader
def frompng(
    path: AnyPaths,
    ext: str = "png",
    start: int | None = None,
    stop: int | None = None,
    recursive: bool = False,
    npartitions: int | None = None,
    labels: Labels | None = None,
    engine: object = None,
    credentials: AnyCredentials = None,
    *,
    order: Order | None = None,
) -> Images:
    """Read PNG files, one image each: grey, or colours in a last axis, as stored.

    Parameters
    ----------
    {shared}

    Raises
    ------
    NotFoundError
        When no file is there.
    FormatError
        When a file is not a PNG, is truncated, or differs from the first in shape or dtype.

    Notes
    -----
    The header of the first file is read here; its pixel size is in `attrs`.

    Examples
    --------
    >>> import thunderlike as tl
    >>> movie = tl.images.fromarray(np.zeros((2, 8, 8), "uint8"))
    >>> movie.topng("memory://page-png")
    >>> frompng("memory://page-png").shape
    (2, 8, 8)
    """
    files, records = Files(path, ext, start, stop, recursive, credentials, order).records()
    with storage.open(files[0].path, identity=files[0].identity) as version:
        head = version.read_range(0, _PNG_HEAD)
    with naming(files[0].path):
        first = png.header(head)
    ones = [1] * len(files)
    source = FileSource.of(files, ones, first.whole, first.dtype, PngImages(), whole=True)
    attrs = png.attrs(head)
    return read(Images, source, npartitions, labels, engine, records=records, attrs=attrs)


def _frames(
    files: Sequence[Entry], shape: tuple[int, ...], stored: np.dtype[Any], nplanes: int
) -> list[int]:
    """Images in each file of frames, one after the other."""
    nbytes = math.prod(shape) * stored.itemsize * nplanes
    if nplanes < 1:
        raise SpecError(f"nplanes must be at least 1, not {nplanes}")
    for file in files:
        # There are no bytes in images with an axis of length 0.
        if not nbytes or file.size % nbytes:
            raise FormatError(
                f"{file.path}: {file.size} bytes are not a multiple of {nbytes}, the bytes of one "
                "image: give another shape, dtype or nplanes"
            )
    return [file.size // nbytes for file in files]


def _indexes(files: Sequence[Entry], first: tiff.pages.Index) -> list[tiff.pages.Index]:
    """Find the pages of all files; only their headers are read."""

    def index(file: Entry) -> tiff.pages.Index:
        with naming(file.path), open_file(file.path, identity=file.identity) as stream:
            return tiff.pages.index_like(stream, first)

    threads = storage.store_for(files[0].path).threads
    # Several files at once where requests have a high latency.
    return [first, *tmap(index, files[1:], workers=threads)]


def _pieces(path: str, pages: int, nplanes: int, *, discard_extra: bool) -> int:
    """Images in a file of so many pages."""
    if pages % nplanes and not discard_extra:
        raise SpecError(
            f"{path}: {pages} pages do not make whole images of {nplanes}: give another nplanes, "
            "or discard_extra=True to leave out the last ones"
        )
    if pages % nplanes:
        text = printable(f"{path}: left out the last {pages % nplanes} pages")
        warnings.warn(text, stacklevel=caller_level())
    return pages // nplanes
