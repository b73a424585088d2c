"""Pages of a TIFF file: where they are, and reading some of them without the rest of the file."""

from __future__ import annotations

import io
import itertools
import logging
import operator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from thunderlike._lazy import optional
from thunderlike.errors import FormatError, MissingExtra
from thunderlike.formats.base import checked, damage, read_into
from thunderlike.formats.tiffheaders import Frame, Kind, Plain, chain

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray
    from tifffile import TiffFile, TiffPage

__all__ = ["Index", "index", "index_like", "opened", "read", "read_like"]

# tifffile reports what it tolerates to its logger. Whoever listens still hears it; with nobody
# listening, Python would print it on standard error.
logging.getLogger("tifffile").addHandler(logging.NullHandler())


@dataclass(frozen=True, eq=False)
class Index:
    """Where the pages of a file are.

    Parameters
    ----------
    shape, dtype
        Of a page; in native byte order, colours last.
    pages : int
        How many the file has.
    headers : ndarray of int64
        Byte at which the header of each page stands, from page `first` on.
    run : int or None
        In files where one header stands for many pages (large ones of ImageJ): the byte at which
        the pixels of all begin, one page after the other.
    stored : numpy.dtype
        As in the file.
    plain : Plain or None
        How to find the pixels of pages like the first, where they stand in one piece.
    first : int
        Number of the page that the first header belongs to.
    frame : Frame or None
        Of a file of one page whose pixels stand in one piece.
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

    def part(self, start: int, stop: int) -> Index:
        """What is needed to read pages ``start .. stop-1``: little to send to a worker."""
        if self.run is not None:
            return self
        before = max(start - 1, self.first)  # see `span`
        headers = self.headers[before - self.first : stop + 1 - self.first].copy()
        return replace(self, headers=headers, first=before)

    def span(self, start: int, stop: int) -> tuple[int, int] | None:
        """First and last bytes between which pages stand with their headers, if they do.

        Pixels stand before or behind their header, and in a file that was written page by page
        between the headers of their neighbours. None where that is too much to read at once, or
        too little to hold the pixels.
        """
        if self.run is not None or start == stop:
            return None
        near = self.headers[max(start - 1 - self.first, 0) : stop + 1 - self.first]
        low = 0 if start == 0 else int(near[0])
        pixels = (stop - start) * _page_bytes(self)
        last = low + pixels + _page_bytes(self)  # at most, as a rule; files end before that
        high = _HEADER + (int(near[-1]) if stop < self.pages else last)
        least = pixels if self.plain else 1
        return (low, high) if least <= high - low <= 3 * pixels + _HEADER else None


_HEADER = 2**12  # bytes, as a rule, of a header with what it points at


@contextmanager
def opened(stream: BinaryIO) -> Iterator[TiffFile]:
    """Open a file for tifffile, whose failures become FormatError."""
    import tifffile

    stream.seek(0)
    checked(stream.read(16), "tiff")
    stream.seek(0)
    with damage("tiff"), tifffile.TiffFile(stream) as tiff:
        yield tiff


def index(stream: BinaryIO) -> Index:
    """Find all pages, by following their headers: a few bytes of each are read.

    Raises
    ------
    FormatError
        For what is no TIFF file, or one whose chain of pages is broken.
    """
    stream.seek(0)
    magic = checked(stream.read(16), "tiff")
    headers = np.array(chain(stream, magic), np.int64)
    with opened(stream) as tiff:
        first = tiff.pages.first
        shape = tuple(map(operator.index, _shape(first)))  # a tag may hold any number of numbers
        dtype, size = _dtype(first), _size(stream)
        pages, run = _run(tiff, len(headers), size)
        plain = frame = None
        if _in_one_piece(first):
            _check_end(first.dataoffsets[0] + first.nbytes, size)
            plain = Plain.of(stream, Kind.of(magic), int(headers[0]))
            frame = Frame.of(stream, first.dataoffsets[0], first.nbytes) if pages == 1 else None
        stored = dtype.newbyteorder(tiff.byteorder)
    return Index(shape, dtype, pages, headers, run, stored, plain, frame=frame)


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
    headers = np.array(chain(stream, magic), np.int64)
    if plain.pixels(stream, int(headers[0]), first=True) is None:
        return index(stream)
    return replace(other, pages=len(headers), headers=headers, first=0, frame=None)


def read_like(stream: BinaryIO, other: Index, out: NDArray[Any]) -> bool:
    """Read the one page of a file that differs from another in its pixels alone.

    Says whether it does; if not, `out` holds anything.

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
    begin = len(where.frame.before) if where.frame is not None else where.run
    if begin is not None:
        first = begin + start * _page_bytes(where)
        read_into(stream, first, pages, where.stored)
        return pages
    begins = [_pixels_at(stream, where, page) for page in range(start, stop)]
    rest = [row for row, at in enumerate(begins) if at is None]
    if rest:
        _decode_pages(stream, where, start, rest, begins, pages)
    for rows, at in _runs(begins, _page_bytes(where)):
        read_into(stream, at, pages[rows], where.stored)
    return pages


def _pixels_at(stream: BinaryIO, where: Index, number: int) -> int | None:
    """Byte at which a page's pixels begin, where that is seen at a glance."""
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
    """Have tifffile parse and decode pages; of those in one piece, only say where they begin."""
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
    from tifffile import TiffPage

    tiff.filehandle.seek(int(where.headers[number - where.first]))
    page = TiffPage(tiff, number)
    if (_shape(page), page.dtype) != (where.shape, where.dtype):
        raise FormatError(
            f"page {number} of the TIFF file is {_shape(page)} {page.dtype}, "
            f"page 0 is {where.shape} {where.dtype}; all must be alike"
        )
    _check_codecs(page)
    return page


def _run(tiff: TiffFile, headers: int, size: int) -> tuple[int, int | None]:
    """How many pages there are, and where their pixels begin if one header stands for many."""
    first = tiff.pages.first
    if headers == 1 and first.is_contiguous and (tiff.is_imagej or tiff.is_shaped):
        series = tiff.series[0]
        pages, start = series.size // max(first.size, 1), series.dataoffset
        if pages > 1 and start is not None and start + pages * first.nbytes <= size:
            return pages, start
    return headers, None


def _in_one_piece(page: TiffPage) -> bool:
    return bool(page.is_contiguous) and not page.axes.startswith("S")


def _page_bytes(where: Index) -> int:
    return int(np.prod(where.shape, dtype=np.int64)) * where.dtype.itemsize


def _size(stream: BinaryIO) -> int:
    return stream.seek(0, io.SEEK_END)


def _shape(page: TiffPage) -> tuple[int, ...]:
    """Shape as `_pixels` returns it."""
    shape = page.shape
    return (*shape[1:], shape[0]) if page.axes.startswith("S") else shape


def _dtype(page: TiffPage) -> np.dtype[Any]:
    if page.dtype is None or 0 in page.shape:
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
    pixels = page.asarray(maxworkers=1)
    return np.moveaxis(pixels, 0, -1) if page.axes.startswith("S") else pixels


def _check_end(end: int, size: int) -> None:
    if end > size:
        raise FormatError(f"TIFF file cut short: pixels end at byte {end}, the file at {size}")


_PLAIN_BITS = (1, 8, 16, 32, 64)


def _check_codecs(page: TiffPage) -> None:
    """Say what to install when tifffile alone cannot decode a page."""
    from tifffile import TIFF

    known = page.compression in TIFF.DECOMPRESSORS and page.predictor in TIFF.UNPREDICTORS
    if known and page.bitspersample in _PLAIN_BITS:
        return
    name = getattr(page.compression, "name", None) or repr(page.compression)[:40]
    what = f"TIFF pages of {page.bitspersample} bits a pixel and compression {name}"
    try:
        optional("imagecodecs", extra="codecs")
    except MissingExtra as error:
        raise MissingExtra(f"{what}: {error}") from None
    if not known:
        raise FormatError(f"no decoder for {what}")
