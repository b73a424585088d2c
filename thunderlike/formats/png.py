"""PNG: grey or colour, as stored; written for grey of 1, 8 and 16 bits and colour of 8."""

from __future__ import annotations

import io
import struct
from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike._lazy import optional
from thunderlike.errors import FormatError, SpecError
from thunderlike.formats.base import Header, checked, damage, native
from thunderlike.formats.metadata import boundary, left_out, scales

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

__all__ = ["attrs", "decode", "encode", "header"]

_PALETTE = 3
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_SPARE = 2**16  # bytes of headers of blocks
_METRE = 1  # the unit of pixel sizes
_SAMPLES = {0: 1, 2: 3, _PALETTE: 3, 4: 2, 6: 4}  # by the colour type of the PNG header


def header(data: bytes) -> Header:
    """Read the header of a file, its first 26 bytes.

    Raises
    ------
    FormatError
        For data that are not a PNG file.

    Examples
    --------
    >>> header(encode(np.zeros((2, 3), "uint16")))
    Header(shape=(2, 3), dtype=dtype('uint16'), pages=1)
    """
    width, height, depth, colour = _fields(data)
    samples = _SAMPLES[colour]
    shape = (height, width) if samples == 1 else (height, width, samples)
    return Header(shape, np.dtype(_dtype(depth, colour)))


def attrs(data: bytes) -> dict[str, Any]:
    """Return the pixel size in micrometres, if it is in the header of a file.

    Parameters
    ----------
    data : bytes
        The first kilobytes are enough.

    Examples
    --------
    >>> attrs(encode(np.zeros((2, 3), "uint8"), {"pixel_size": {"y": 0.5, "x": 0.25}}))
    {'pixel_size': {'y': 0.5, 'x': 0.25}}
    """
    at = 8  # behind the signature
    while at + 21 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        if kind == b"pHYs":
            with boundary("pHYs"):
                across, down, unit = struct.unpack_from(">IIB", data, at + 8)
                if across and down and unit == _METRE:
                    return {"pixel_size": {"y": round(1e6 / down, 6), "x": round(1e6 / across, 6)}}
            return {}
        if kind == b"IDAT":
            break  # pHYs has to stand before the pixels
        at += length + 12
    return {}


def decode(data: bytes) -> NDArray[Any]:
    """Read an image.

    Returns
    -------
    ndarray
        ``(height, width)`` for grey; a last axis of 2 for grey with alpha, 3 for RGB, 4 for RGBA.
        16-bit files give uint16, 1-bit grey gives bool, all others uint8: 2- and 4-bit grey is
        spread over 0 to 255, a palette becomes RGB (without transparency).

    Raises
    ------
    FormatError
        For bytes that are not a PNG file, truncated or damaged, or with more pixels than
        ``PIL.Image.MAX_IMAGE_PIXELS``.
    MissingExtraError
        For colour of 16 bits, which Pillow would cut to 8, if imagecodecs is not installed.

    Examples
    --------
    >>> decode(encode(np.array([[0, 65535]], "uint16")))
    array([[    0, 65535]], dtype=uint16)
    """
    width, height, depth, colour = _fields(data)
    _check_size(width, height)
    # Four samples a pixel are the most that PNG has: colour with alpha.
    _check_packed(data, width * height * 4 * (2 if depth == 16 else 1))
    if data.rfind(b"IEND") < 0:  # Pillow does not mind when the checksums at the end are lost
        raise FormatError("truncated PNG file: it has no end mark; copy it again")
    with damage("png"):
        if depth == 16 and colour:
            return native(optional("imagecodecs", extra="codecs").png_decode(data))
        return _pixels(data)


def encode(array: NDArray[Any], attrs: Mapping[str, Any] | None = None) -> bytes:
    """Write an image without loss.

    Parameters
    ----------
    array : ndarray
        bool, uint8 or uint16 ``(height, width)``, or uint8 ``(height, width, 3 or 4)``.
    attrs : mapping, optional
        ``pixel_size`` in micrometres is written, as whole pixels a metre.

    Raises
    ------
    SpecError
        For any other, since PNG holds no negative, large or fractional values.

    Examples
    --------
    >>> encode(np.zeros((2, 3), "uint8"))[1:4]
    b'PNG'
    """
    from PIL import Image

    _check_writable(array)
    stream = io.BytesIO()
    Image.fromarray(native(array)).save(stream, "PNG", **_resolution(attrs))
    return stream.getvalue()


def _resolution(attrs: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return arguments of Pillow for the pixel size, if it fits in the chunk pHYs."""
    size = scales(attrs).pixel_size
    if not {"x", "y"} <= size.keys():
        return {}
    if not all(1 <= round(1e6 / size[axis]) < 2**32 for axis in "yx"):
        left_out("pixel_size", f"{size} is not a number of pixels a metre that PNG holds")
        return {}
    inch = 25400  # micrometres
    return {"dpi": (inch / size["x"], inch / size["y"])}


def _check_writable(array: NDArray[Any]) -> None:
    shape, dtype = array.shape, array.dtype.newbyteorder("=")
    if 0 in shape or not (len(shape) == 2 or (len(shape) == 3 and shape[2] in (3, 4))):
        raise SpecError(
            f"a PNG file holds one image (height, width) or (height, width, 3 or 4), "
            f"not shape {shape}"
        )
    depths = ("bool", "uint8", "uint16") if len(shape) == 2 else ("uint8",)
    if dtype not in depths:
        raise SpecError(
            f"a PNG file of shape {shape} holds {' or '.join(depths)}, not {dtype}; "
            "rescale the values and convert with astype, or give topng vmin and vmax"
        )


def _fields(data: bytes) -> tuple[int, int, int, int]:
    """Return width, height, bits a sample and colour type."""
    with damage("png"):
        kind, width, height, depth, colour = struct.unpack_from(">4sIIBB", checked(data, "png"), 12)
    if kind != b"IHDR" or not width or not height or colour not in _SAMPLES:
        raise FormatError("damaged PNG file: its header is invalid")
    return width, height, depth, colour


def _dtype(depth: int, colour: int) -> str:
    if depth == 16:
        return "uint16"
    return "bool" if (depth, colour) == (1, 0) else "uint8"


def _check_size(width: int, height: int) -> None:
    """Refuse a header with a huge image before memory is allocated for it."""
    from PIL.Image import MAX_IMAGE_PIXELS as LIMIT

    if LIMIT is not None and width * height > LIMIT:
        raise FormatError(
            f"the PNG file claims {width} x {height} pixels, more than {LIMIT}; if you trust it, "
            "raise PIL.Image.MAX_IMAGE_PIXELS"
        )


def _check_packed(data: bytes, nbytes: int) -> None:
    """Refuse packed pixels that are longer than twice the image: they unpack to a longer one.

    Decoders stop at the last row, and would skip the rest in silence.
    """
    at = packed = 0
    while at + 8 <= len(data) - len(_SIGNATURE):
        length, kind = struct.unpack_from(">I4s", data, at + len(_SIGNATURE))
        packed += length if kind == b"IDAT" else 0
        at += length + 12
    if packed > 2 * nbytes + _SPARE:
        raise FormatError(
            f"damaged PNG file: its pixels take {nbytes} bytes at most, and {packed} bytes are "
            "packed in it"
        )


def _pixels(data: bytes) -> NDArray[Any]:
    from PIL.Image import open as open_image

    with open_image(io.BytesIO(data), formats=["PNG"]) as image:
        if image.getbands() != ("P",):
            return native(np.asarray(image))
        # By way of RGBA: straight to RGB, Pillow warns of a transparent palette.
        return np.ascontiguousarray(np.asarray(image.convert("RGBA"))[..., :3])
