"""TIFF images: read, write, and the format's record."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from thunderlike.errors import SpecError
from thunderlike.formats.base import Header, native, numbers
from thunderlike.formats.tiff import metadata, pages

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

__all__ = ["decode", "decode_pages", "encode", "header"]

_ORIENTATION = 274  # tag: where a viewer puts the first row and column


def header(data: bytes) -> Header:
    """Read the header of a file: the tags of its first page, and the chain of pages.

    Raises
    ------
    FormatError
        For data that are not a TIFF file, and for a broken chain of pages.

    Examples
    --------
    >>> import numpy as np
    >>> header(encode(np.zeros((5, 2, 3), "int16")))
    Header(shape=(2, 3), dtype=dtype('int16'), pages=5)
    """
    found = pages.index(io.BytesIO(data))
    return Header(found.shape, found.dtype, found.pages)


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
        For bytes that are not a TIFF file, truncated or damaged, and for pages that differ in
        shape or dtype.
    MissingExtraError
        For compressed pages that only imagecodecs reads, if it is not installed.

    Examples
    --------
    >>> import numpy as np
    >>> decode(encode(np.array([[0, 1], [2, 3]], "uint8")))
    array([[0, 1],
           [2, 3]], dtype=uint8)
    """
    stack = decode_pages(data)
    return stack[0] if len(stack) == 1 else stack


def decode_pages(data: bytes, start: int | None = None, stop: int | None = None) -> NDArray[Any]:
    """Read the pages ``[start:stop]``, stacked along a first axis also when there is one.

    Only the pages asked for are decoded. Raises as `decode`.

    Examples
    --------
    >>> import numpy as np
    >>> decode_pages(encode(np.zeros((4, 2, 3), "uint8")), stop=-3).shape
    (1, 2, 3)
    """
    stream = io.BytesIO(data)
    where = pages.index(stream)
    chosen = range(where.pages)[start:stop]
    return pages.read(stream, where, chosen.start, max(chosen.stop, chosen.start))


def encode(array: NDArray[Any], attrs: Mapping[str, Any] | None = None) -> bytes:
    r"""Write an array: uncompressed, no date and no name of a program.

    Parameters
    ----------
    array : ndarray
        ``(height, width)`` becomes one page, ``(pages, height, width)`` as many as it has, each of
        grey values where the smallest is black. bool is written as one bit a pixel.
    attrs : mapping, optional
        Pixel size and times, as :mod:`thunderlike.formats.tiff.metadata` names them: written as
        ImageJ or OME files have them, else as the resolution of the pages. ``photometric`` and
        ``orientation``, as of a file that was read, become tags for viewers.

    Raises
    ------
    SpecError
        For another number of axes, an empty array, or a dtype that TIFF has no code for.

    Examples
    --------
    >>> import numpy as np
    >>> encode(np.zeros((2, 3), "uint8"))[:4]
    b'II*\x00'
    """
    import tifffile

    stream, values = io.BytesIO(), native(_writable(array))
    options, known = dict(metadata.options(attrs, values)), attrs or {}
    inverted = known.get("photometric") == "miniswhite" and values.dtype.kind in ("b", "u")
    if known.get("orientation") in range(2, 9):
        options["extratags"] = [(_ORIENTATION, "H", 1, int(known["orientation"]), False)]
    photometric = "miniswhite" if inverted else "minisblack"
    tifffile.imwrite(stream, values, photometric=photometric, software=False, **options)
    return stream.getvalue()


def _writable(array: NDArray[Any]) -> NDArray[Any]:
    if array.ndim not in (2, 3) or array.size == 0:
        raise SpecError(
            f"a TIFF file holds an image of 2 axes or pages of them, not shape {array.shape}"
        )
    if numbers(array.dtype).char in "gG":
        raise SpecError(f"TIFF has no code for {array.dtype}; convert it with astype")
    return array
