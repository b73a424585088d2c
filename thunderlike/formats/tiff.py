"""TIFF: one page or many, whatever tifffile reads; written plain, so that everything reads it."""

from __future__ import annotations

import io
import logging
import struct
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike._lazy import optional
from thunderlike.errors import FormatError, MissingExtra, SpecError
from thunderlike.formats.base import Header, checked, damage, native, numbers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray
    from tifffile import TiffFile, TiffPage

__all__ = ["decode", "decode_pages", "encode", "header"]

# tifffile reports what it tolerates to its logger. Whoever listens still hears it; with nobody
# listening, Python would print it on standard error.
logging.getLogger("tifffile").addHandler(logging.NullHandler())


def header(data: bytes) -> Header:
    """Say what a file holds, from the first page's tags and the chain of pages.

    Raises
    ------
    FormatError
        For what is no TIFF file, or one whose chain of pages is broken.

    Examples
    --------
    >>> header(encode(np.zeros((5, 2, 3), "int16")))
    Header(shape=(2, 3), dtype=dtype('int16'), pages=5)
    """
    with _opened(data) as tiff:
        first = tiff.pages.first
        return Header(_shape(first), _dtype(first), len(tiff.pages))


def decode(data: bytes) -> NDArray[Any]:
    """Read all pages.

    Parameters
    ----------
    data : bytes
        A whole file.

    Returns
    -------
    ndarray
        One page as ``(height, width)``, several as ``(pages, height, width)``; with colours as
        stored in a last axis. Values are as stored too: no palette or gamma is applied. Pages of
        one bit a pixel are bool.

    Raises
    ------
    FormatError
        For bytes that are no TIFF file, are cut short or damaged, and for pages that differ in
        shape or dtype.
    MissingExtra
        For compressed pages that only imagecodecs reads, if it is not installed.

    Examples
    --------
    >>> decode(encode(np.array([[0, 1], [2, 3]], "uint8")))
    array([[0, 1],
           [2, 3]], dtype=uint8)
    """
    pages = decode_pages(data)
    return pages[0] if len(pages) == 1 else pages


def decode_pages(data: bytes, start: int | None = None, stop: int | None = None) -> NDArray[Any]:
    """Read the pages ``[start:stop]``, stacked along a first axis also when there is one.

    Only the pages asked for are decoded. Raises as `decode`.

    Examples
    --------
    >>> decode_pages(encode(np.zeros((4, 2, 3), "uint8")), stop=-3).shape
    (1, 2, 3)
    """
    with _opened(data) as tiff:
        count = len(tiff.pages)
        return _stack(tiff, range(count)[start:stop], len(data))


def encode(array: NDArray[Any]) -> bytes:
    r"""Write an array: uncompressed, native byte order, no date and no name of a program.

    Parameters
    ----------
    array : ndarray
        ``(height, width)`` becomes one page, ``(pages, height, width)`` as many as it has, each of
        grey values where the smallest is black. bool is written as one bit a pixel.

    Raises
    ------
    SpecError
        For another number of axes, an empty array, or a dtype that TIFF has no code for.

    Examples
    --------
    >>> encode(np.zeros((2, 3), "uint8"))[:4]
    b'II*\x00'
    """
    import tifffile

    stream = io.BytesIO()
    tifffile.imwrite(
        stream,
        native(_writable(array)),
        byteorder="<",
        photometric="minisblack",
        metadata=None,
        software=False,
    )
    return stream.getvalue()


def _writable(array: NDArray[Any]) -> NDArray[Any]:
    if array.ndim not in (2, 3) or array.size == 0:
        raise SpecError(
            f"a TIFF file holds an image of 2 axes or pages of them, not shape {array.shape}"
        )
    if numbers(array.dtype).char in "gG":
        raise SpecError(f"TIFF has no code for {array.dtype}; convert it with astype")
    return array


@contextmanager
def _opened(data: bytes) -> Iterator[TiffFile]:
    import tifffile

    _check_chain(checked(data, "tiff"))
    with damage("tiff"), tifffile.TiffFile(io.BytesIO(data)) as tiff:
        yield tiff


def _check_chain(data: bytes) -> None:
    """Follow the pages' headers to the last: tifffile stops in silence where the chain breaks."""
    order = "<" if data[:2] == b"II" else ">"
    big = data[2:4] in (b"+\0", b"\0+")
    count, tag, link = ("Q", 20, "Q") if big else ("H", 12, "I")
    at, seen = 8 if big else 4, set[int]()
    try:
        while offset := struct.unpack_from(order + link, data, at)[0]:
            if offset in seen:
                raise FormatError(f"damaged TIFF file: page {len(seen)} leads back to another")
            seen.add(offset)
            tags = struct.unpack_from(order + count, data, offset)[0]
            at = offset + struct.calcsize(order + count) + tags * tag
    except (struct.error, OverflowError):
        raise FormatError(
            f"TIFF file cut short: the header of page {max(len(seen) - 1, 0)} lies behind its end "
            f"at byte {len(data)}"
        ) from None
    if not seen:
        raise FormatError("the TIFF file has no pages")


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
    return np.dtype(page.dtype.str)


def _stack(tiff: TiffFile, chosen: range, size: int) -> NDArray[Any]:
    first = tiff.pages.first
    shape, dtype = _shape(first), _dtype(first)
    pages = np.empty((len(chosen), *shape), dtype)
    for place, number in enumerate(chosen):
        page = tiff.pages[number].aspage()
        if (_shape(page), page.dtype) != (shape, dtype):
            raise FormatError(
                f"page {number} of the TIFF file is {_shape(page)} {page.dtype}, "
                f"page 0 is {shape} {dtype}; all must be alike"
            )
        pages[place] = _pixels(page, size)
    return pages


def _pixels(page: TiffPage, size: int) -> NDArray[Any]:
    """Decode one page, colours last."""
    _check_codecs(page)
    # Segments that end behind the file may decode to something: it would be wrong.
    ends = (
        start + count for start, count in zip(page.dataoffsets, page.databytecounts, strict=True)
    )
    if not page.is_contiguous and (end := max(ends)) > size:
        raise FormatError(f"TIFF file cut short: pixels end at byte {end}, the file at {size}")
    pixels = page.asarray(maxworkers=1)
    return np.moveaxis(pixels, 0, -1) if page.axes.startswith("S") else pixels


_PLAIN_BITS = (1, 8, 16, 32, 64)


def _check_codecs(page: TiffPage) -> None:
    """Say what to install when tifffile alone cannot decode a page."""
    from tifffile import TIFF

    known = page.compression in TIFF.DECOMPRESSORS and page.predictor in TIFF.UNPREDICTORS
    if known and page.bitspersample in _PLAIN_BITS:
        return
    name = getattr(page.compression, "name", str(page.compression))
    what = f"TIFF pages of {page.bitspersample} bits a pixel and compression {name}"
    try:
        optional("imagecodecs", extra="codecs")
    except MissingExtra as error:
        raise MissingExtra(f"{what}: {error}") from None
    if not known:
        raise FormatError(f"no decoder for {what}")
