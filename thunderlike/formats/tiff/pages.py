"""Pages of TIFF files as arrays."""

from __future__ import annotations

import io
import itertools
import logging
import math
import operator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import numpy as np

from thunderlike._lazy import optional
from thunderlike.errors import BadIndexError, FormatError, MissingExtraError, SpecError
from thunderlike.formats.base import believable, checked, damage, read_into
from thunderlike.formats.tiff.headers import Frame, Kind, Plain, chain, opened
from thunderlike.formats.tiff.metadata import Axes, announced_pages, axes_of
from thunderlike.formats.unpacked import unpacked_size

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray
    from tifffile import TiffFile, TiffPage

__all__ = ["Index", "begin", "index", "index_like", "read", "read_like"]

# tifffile logs the errors that it tolerates. Without a handler Python would print them on standard
# error.
logging.getLogger("tifffile").addHandler(logging.NullHandler())
_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Index:
    """Offsets and layout of the pages of a file.

    Parameters
    ----------
    shape, dtype
        Of a page; in native byte order, colours last.
    pages : int
        How many the file has, without reduced images and masks.
    headers : ndarray of int64
        Byte at which the header of each page stands, from page `first` on.
    run : int or None
        In files where one header describes many pages (large ones of ImageJ): the byte at which
        the pixels of all begin, one page after the other.
    stored : numpy.dtype
        As in the file.
    plain : Plain or None
        How to find the pixels of pages like the first, where they stand in one piece.
    first : int
        Number of the page that the first header belongs to.
    frame : Frame or None
        Of a file of one page whose pixels stand in one piece.
    axes : Axes or None
        Of the pages, if the file states them.
    numbers : ndarray of int, optional
        If one header describes many: the pages that were chosen, in this order.
    page_axes : str
        Those of a page, as tifffile names them.
    display : mapping
        How viewers show the pages, where that is not as they are stored: ``photometric`` and
        ``orientation``.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    pages: int
    headers: NDArray[np.int64]
    run: int | None
    stored: np.dtype[Any]
    plain: Plain | None = None
    first: int = 0
    frame: Frame | None = None
    axes: Axes | None = None
    numbers: NDArray[np.int64] | None = None
    page_axes: str = "YX"
    display: Mapping[str, Any] = field(default_factory=dict)

    def arranged(self, channel: int | None = None) -> tuple[Index, int]:
        """Put the pages in the order of time, then plane.

        Parameters
        ----------
        channel : int, optional
            The channel to keep; needed where there are several, and times or planes.

        Returns
        -------
        Index
            Of these pages.
        int
            How many of them are an image: the planes of a volume, the channels of a file that has
            nothing else, or all of one that does not state its axes or has others than these.

        Raises
        ------
        SpecError, BadIndexError
            For a channel that does not exist, and for files that do not state their channels.
        """
        one_channel = self.axes is None or self.axes.size("C") == 1
        if channel not in (None, 0, -1) and "S" in self.page_axes and one_channel:
            raise BadIndexError(
                f"channel={channel}: its {self.shape[-1]} colours are the last axis of each image, "
                "not channels; leave out channel= and take one from that axis, as images[..., 0]"
            )
        if self.axes is None or not self.axes.usable:
            if channel is not None:
                has = f"axes {self.axes.names}" if self.axes else "none"
                raise SpecError(
                    f"channel={channel} needs a file that states the channel of each page, "
                    f"and nothing else but times and planes; this one states {has}: give nplanes="
                )
            return self, self.pages
        if channel is None and self.axes.names == "C":
            return self, self.pages  # nothing is mixed with them
        chosen, planes = self.axes.pages_of(channel), self.axes.size("Z")
        if chosen is None:
            return self, planes
        axes = Axes.of([(name, self.axes.size(name)) for name in "TZ"])
        if self.run is not None:
            return replace(self, pages=len(chosen), numbers=chosen, axes=axes), planes
        headers = self.headers[chosen]
        return replace(self, pages=len(chosen), headers=headers, axes=axes), planes

    @property
    def attrs(self) -> dict[str, Any]:
        """Metadata of axes and display."""
        if self.axes is None or self.axes.numbers is not None:
            return dict(self.display)
        every = self.axes.every or tuple(zip(self.axes.names, self.axes.sizes, strict=True))
        within = self.page_axes
        if within.startswith("S"):
            within = within[1:] + "S"  # `read` puts the colours last
        names = "".join(name for name, _ in every) + within
        sizes = [*(size for _, size in every), *self.shape]
        return {"axes": names, "axes_shape": sizes, **self.display}

    def part(self, start: int, stop: int) -> Index:
        """Return the index restricted to pages ``start .. stop-1``, which is small to send."""
        if self.run is not None:
            chosen = self.numbers
            chosen = None if chosen is None else chosen[start - self.first : stop - self.first]
            return replace(self, axes=None, numbers=chosen, first=0 if chosen is None else start)
        before = max(start - 1, self.first)  # see `span`
        headers = self.headers[before - self.first : stop + 1 - self.first].copy()
        return replace(self, headers=headers, first=before, axes=None)

    def span(self, start: int, stop: int) -> tuple[int, int] | None:
        """Return the first and last bytes of a part of the file with pages and their headers.

        Pixels stand before or behind their header, and in a file that was written page by page
        between the headers of their neighbours. None where that is too much to read at once, or
        too little to hold the pixels.
        """
        if self.run is not None or start == stop:
            return None
        near = self.headers[max(start - 1 - self.first, 0) : stop + 1 - self.first]
        if (np.diff(near) <= 0).any():  # pages in another order than that of the file
            return None
        low = 0 if start == 0 else int(near[0])
        pixels = (stop - start) * _page_bytes(self)
        last = low + pixels + _page_bytes(self)  # at most, as a rule; files end before that
        high = _HEADER + (int(near[-1]) if stop < self.pages else last)
        least = pixels if self.plain else 1
        return (low, high) if least <= high - low <= 3 * pixels + _HEADER else None


_HEADER = 2**12  # bytes, as a rule, of a header with what it points at


def index(stream: BinaryIO) -> Index:
    """Find all pages, by following their headers: a few bytes of each are read.

    Raises
    ------
    FormatError
        For data that are not a TIFF file, and for a broken chain of pages.
    """
    stream.seek(0)
    magic = checked(stream.read(16), "tiff")
    headers = _headers(stream, magic)
    with opened(stream) as tiff:
        first = _parsed(tiff, int(headers[0]), 0)
        shape = tuple(map(operator.index, _shape(first)))  # a tag may hold any number of numbers
        dtype, size = _dtype(first), _size(stream)
        pages, run = _run(tiff, first, headers, size)
        plain = frame = None
        if _in_one_piece(first):
            _check_end(first.dataoffsets[0] + first.nbytes, size)
            # Headers of LSM files beyond 4 GiB hold offsets modulo that.
            if not (tiff.is_lsm and size > 2**32):
                plain = Plain.of(stream, Kind.of(magic), int(headers[0]))
            frame = Frame.of(stream, first.dataoffsets[0], first.nbytes) if pages == 1 else None
        believable(pages * math.prod(shape) * dtype.itemsize, size, "pixels")
        axes, stored = axes_of(tiff, first, pages), dtype.newbyteorder(tiff.byteorder)
        display, page_axes = _display(first), first.axes
    return Index(
        shape, dtype, pages, headers, run, stored, plain, frame=frame, axes=axes,
        page_axes=page_axes, display=display,
    )  # fmt: skip


def _headers(stream: BinaryIO, magic: bytes) -> NDArray[np.int64]:
    """Return the offsets of headers of images, without thumbnails, overviews and masks."""
    found, less = chain(stream, magic)
    kept = [at for at, is_less in zip(found, less, strict=True) if not is_less]
    if kept and len(kept) < len(found):
        _log.info("TIFF: %d reduced pages or masks left out", len(found) - len(kept))
    return np.array(kept or found, np.int64)


def _parsed(tiff: TiffFile, header: int, number: int) -> TiffPage:
    """Parse the header at a byte."""
    from tifffile import TiffPage

    first = tiff.pages.first
    if first.offset == header:
        return first
    if tiff.is_lsm and tiff.pages.cache:  # tifffile corrects their offsets and sizes
        found: Any = next(page for page in tiff.pages if page.offset == header)
        return cast("TiffPage", found)  # or a frame, which has all of it that is asked for
    tiff.filehandle.seek(header)
    return TiffPage(tiff, number)


def _display(page: TiffPage) -> dict[str, Any]:
    """Return tags for viewers that show a page unlike its stored pixels."""
    found: dict[str, Any] = {}
    if page.photometric == 0:
        found["photometric"] = "miniswhite"
    orientation = page.tags.valueof(274, 1)
    if orientation in range(2, 9):
        found["orientation"] = int(orientation)
    if found:
        _log.info("TIFF: pixels are given as they are stored, not as %s shows them", found)
    return found


def index_like(stream: BinaryIO, other: Index) -> Index:
    """Find all pages of a file that may be like another one; then nothing has to be parsed.

    Raises as :func:`index`.
    """
    if other.frame is not None and other.frame.fits(stream):
        return other
    stream.seek(0)
    magic = checked(stream.read(16), "tiff")
    plain = other.plain
    if plain is None or plain.kind != Kind.of(magic) or other.run is not None:
        return index(stream)
    headers = _headers(stream, magic)
    stated = other.axes is not None and other.axes.names
    if (stated and len(headers) != other.pages) or (
        plain.pixels(stream, int(headers[0]), first=True) is None
    ):
        return index(stream)
    axes = other.axes
    if len(headers) != other.pages:
        axes = Axes("", ()) if len(headers) == 1 else None
    return replace(other, pages=len(headers), headers=headers, first=0, frame=None, axes=axes)


def begin(stream: BinaryIO, where: Index) -> int | None:
    """Return the offset of the pixels of all pages, if they are contiguous; else None.

    Raises
    ------
    FormatError
        When they end behind the file.
    """
    if where.frame is not None:
        return len(where.frame.before)
    step, first = _page_bytes(where), where.run
    if first is None and (first := _pixels_at(stream, where, 0)) is not None:
        for page in range(1, where.pages):
            if _pixels_at(stream, where, page) != first + page * step:
                return None
    if first is not None:
        _check_end(first + where.pages * step, _size(stream))
    return first


def read_like(stream: BinaryIO, other: Index, out: NDArray[Any]) -> bool:
    """Read the one page of a file that differs from another in its pixels alone.

    Returns whether it does; if not, the content of `out` is undefined.

    Parameters
    ----------
    out : ndarray
        C-contiguous, of the shape and dtype of the other.
    """
    if other.frame is None or not other.frame.read(stream, out.reshape(-1).view(np.uint8).data):
        return False
    if not other.stored.isnative:
        out.byteswap(inplace=True)
    return True


def read(
    stream: BinaryIO, where: Index, start: int, stop: int, out: NDArray[Any] | None = None
) -> NDArray[Any]:
    """Read pages ``start .. stop-1`` into `out`; nothing else of the file but their headers.

    Parameters
    ----------
    where : Index
        Of the file, or the part that has these pages.
    out : ndarray, optional
        C-contiguous, of shape ``(stop - start, *shape)``. Plain pixels are read straight into it,
        compressed ones are decoded page by page.
    """
    with damage("tiff"):  # of its size, too, a damaged header may claim anything
        pages = np.empty((stop - start, *where.shape), where.dtype) if out is None else out
    run, nbytes = where.run, _page_bytes(where)
    if where.frame is not None:
        run = len(where.frame.before)
    if run is not None and where.numbers is None:
        read_into(stream, run + start * nbytes, pages, where.stored)
        return pages
    begins: list[int | None]
    if run is not None and where.numbers is not None:
        numbers = where.numbers[start - where.first : stop - where.first]
        begins = [run + number * nbytes for number in numbers.tolist()]
    else:
        begins = [_pixels_at(stream, where, page) for page in range(start, stop)]
    rest = [row for row, at in enumerate(begins) if at is None]
    if rest:
        _decode_pages(stream, where, start, rest, begins, pages)
    for rows, at in _runs(begins, nbytes):
        read_into(stream, at, pages[rows], where.stored)
    return pages


def _pixels_at(stream: BinaryIO, where: Index, number: int) -> int | None:
    """Return the offset of the pixels of a page whose header is like the first."""
    header = int(where.headers[number - where.first])
    return None if where.plain is None else where.plain.pixels(stream, header)


def _decode_pages(
    stream: BinaryIO,
    where: Index,
    start: int,
    rows: Sequence[int],
    begins: list[int | None],
    out: NDArray[Any],
) -> None:
    """Decode pages with tifffile; for contiguous pages, set their offset instead."""
    size = _size(stream)
    with opened(stream) as tiff:
        for row in rows:
            page = _page(tiff, where, start + row)
            if _in_one_piece(page):
                begins[row] = page.dataoffsets[0]
            else:
                out[row] = _pixels(page, size)


def _runs(begins: Sequence[int | None], nbytes: int) -> Iterator[tuple[slice, int]]:
    """Join rows whose pixels follow one another in the file.

    Examples
    --------
    >>> list(_runs([8, 18, None, 50], 10))
    [(slice(0, 2, None), 8), (slice(3, 4, None), 50)]
    """
    plain = [(row, at) for row, at in enumerate(begins) if at is not None]
    # In a run, row and offset grow together: their difference is that of its first row.
    for _, run in itertools.groupby(plain, lambda item: item[1] - item[0] * nbytes):
        items = list(run)
        first, last = items[0][0], items[-1][0]
        if last - first + 1 == len(items):
            yield slice(first, last + 1), items[0][1]
        else:
            yield from ((slice(row, row + 1), at) for row, at in items)


def _page(tiff: TiffFile, where: Index, number: int) -> TiffPage:
    """Parse the header of one page, which must be like the others."""
    page = _parsed(tiff, int(where.headers[number - where.first]), number)
    if (_shape(page), page.dtype) != (where.shape, where.dtype):
        raise FormatError(
            f"page {number} of the TIFF file is {_shape(page)} {page.dtype}, "
            f"page 0 is {where.shape} {where.dtype}; all must be alike"
        )
    if number and '"truncated": true' in (page.keyframe.shaped_description or ""):
        raise FormatError(
            f"page {number} of the TIFF file describes several, and others go before it: "
            "read it with tifffile"
        )
    _check_codecs(page.keyframe)
    return page


def _run(
    tiff: TiffFile, first: TiffPage, headers: NDArray[np.int64], size: int
) -> tuple[int, int | None]:
    """Return the number of pages, and the offset of their pixels if one header describes many."""
    pages, final = announced_pages(tiff, first), _in_one_piece(first)
    if len(headers) > 1:
        start, nbytes = (int(first.dataoffsets[0]), first.nbytes) if final else (0, size)
        fits = pages > len(headers) and start + pages * nbytes <= headers[1]
        if fits or '"truncated": true' in (first.shaped_description or ""):
            raise FormatError(
                f"the first header of the TIFF file describes {pages} pages, and others follow: "
                "read it with tifffile"
            )
    if len(headers) > 1 or pages == 1:
        return len(headers), None
    if not final:
        raise FormatError(
            f"the TIFF file announces {pages} pages and has the header of one, whose pixels are "
            "packed: where those of the others are is not known; copy it again"
        )
    start = int(first.dataoffsets[0])
    _check_end(start + pages * first.nbytes, size, f" of the {pages} pages that it announces")
    return pages, start


def _in_one_piece(page: TiffPage) -> bool:
    """Return whether pixels are contiguous in the file, neither packed nor transposed."""
    return bool(page.is_final) and not page.axes.startswith("S")


def _page_bytes(where: Index) -> int:
    return math.prod(where.shape) * where.dtype.itemsize


def _size(stream: BinaryIO) -> int:
    return stream.seek(0, io.SEEK_END)


def _shape(page: TiffPage) -> tuple[int, ...]:
    """Return the shape of a page, colours last."""
    shape = page.shape
    return (*shape[1:], shape[0]) if page.axes.startswith("S") else shape


def _dtype(page: TiffPage) -> np.dtype[Any]:
    if page.dtype is None or min(page.shape, default=0) < 1:
        raise FormatError(
            f"TIFF page of shape {page.shape} with {page.bitspersample} bits a pixel "
            "has no numpy dtype"
        )
    return np.dtype(page.dtype.str).newbyteorder("=")


def _pixels(page: TiffPage, size: int) -> NDArray[Any]:
    """Decode one page, colours last."""
    # Segments that end behind the file may decode to something: it would be wrong.
    ends = (
        start + count for start, count in zip(page.dataoffsets, page.databytecounts, strict=True)
    )
    _check_end(max(ends, default=0), size)
    _check_segments(page)
    try:
        pixels = page.asarray(maxworkers=1)
    except Exception as error:
        if isinstance(error, ImportError) or "imagecodecs" in str(error):
            _require_codecs(page.keyframe)
        raise
    return np.moveaxis(pixels, 0, -1) if page.axes.startswith("S") else pixels


_STREAMS = {8: "zlib", 32946: "zlib", 50013: "zlib", 34925: "lzma", 34926: "zstd", 50000: "zstd",
            32773: "packbits"}  # fmt: skip
_PICTURES = {6: "jpeg", 7: "jpeg", 33007: "jpeg", 34892: "jpeg", 34933: "png", 33003: "jpeg2000",
             33004: "jpeg2000", 33005: "jpeg2000", 34712: "jpeg2000"}  # fmt: skip
_FLOOR = 2**20  # bytes of a picture that are decoded whatever the page announces


def _check_segments(page: TiffPage) -> None:
    """Refuse strips and tiles that unpack to more than their part of the page.

    The decoders of imagecodecs write into a buffer of that size, except those of whole pictures.
    The fallbacks of tifffile, from the standard library, have no limit.
    """
    from tifffile import TIFF

    keyframe = page.keyframe
    most = math.prod(keyframe.chunks) * np.dtype(keyframe.dtype).itemsize
    codec = _STREAMS.get(keyframe.compression)
    if codec is None:
        codec = _PICTURES.get(keyframe.compression)
        # Old writers state fewer rows in a strip than its JPEG stream has.
        most = max(_FLOOR, 2 * math.prod(keyframe.shape) * np.dtype(keyframe.dtype).itemsize)
    elif codec != "lzma" and "_imagecodecs" not in (
        TIFF.DECOMPRESSORS[keyframe.compression].__module__
    ):
        return  # LZMA of imagecodecs cuts its output instead of refusing it
    if codec is None:
        return
    file = page.parent.filehandle
    for number, (start, nbytes) in enumerate(
        zip(page.dataoffsets, page.databytecounts, strict=True)
    ):
        file.seek(start)
        if (found := unpacked_size(codec, file.read(nbytes), most)) > most:
            raise FormatError(
                f"damaged TIFF file: segment {number} of a page unpacks to {found} bytes or more "
                f"({codec}), and has room for {most}"
            )


def _check_end(end: int, size: int, what: str = "") -> None:
    if end > size:
        raise FormatError(
            f"truncated TIFF file: pixels{what} end at byte {end}, the file at {size}"
        )


_PLAIN_BITS = (1, 8, 16, 32, 64, 128)


def _packing(page: TiffPage) -> str:
    """Describe the packing of the pixels of a page, for messages."""
    name = getattr(page.compression, "name", None) or repr(page.compression)[:40]
    predictor = "" if page.predictor == 1 else f" with predictor {int(page.predictor)}"
    return f"TIFF pages of {page.bitspersample} bits a pixel and compression {name}{predictor}"


def _require_codecs(page: TiffPage) -> None:
    """Raise MissingExtraError, with the packing of a page, unless imagecodecs is installed."""
    try:
        optional("imagecodecs", extra="codecs")
    except MissingExtraError as error:
        raise MissingExtraError(f"{_packing(page)}: {error}") from None


def _check_codecs(page: TiffPage) -> None:
    """Raise an error for pages without a decoder: it names the package to install, if any."""
    from tifffile import TIFF

    # Codes of JPEG, whose decoders undo the subsampling.
    if page.is_subsampled and page.compression not in (6, 7, 34892, 33007):
        raise FormatError(
            "its colours are subsampled without JPEG compression, which nothing here decodes: "
            "save it as RGB"
        )
    known = page.compression in TIFF.DECOMPRESSORS and page.predictor in TIFF.UNPREDICTORS
    if known and page.bitspersample in _PLAIN_BITS:
        return
    _require_codecs(page)
    if not known:
        raise FormatError(f"no decoder for {_packing(page)}")
