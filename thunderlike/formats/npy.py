"""numpy's own format: one array with its shape and dtype; objects are never unpickled."""

from __future__ import annotations

import io
import math
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.lib import format as npy_format

from thunderlike.errors import FormatError
from thunderlike.formats import raw
from thunderlike.formats.base import (
    ArrayWriter,
    Header,
    checked,
    damage,
    native,
    numbers,
    read_into,
)

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Literal

    from numpy.typing import NDArray

__all__ = ["Layout", "Writer", "decode", "encode", "header", "layout", "read_part"]

_HEADERS = {
    (1, 0): npy_format.read_array_header_1_0,
    (2, 0): npy_format.read_array_header_2_0,
}

_MOST_AXES = 64  # of an array of numpy's

# Python 3.11 mistakes two threads that parse literals at once, as numpy does a header, for a bug.
_parsing = threading.Lock()


def header(data: bytes) -> Header:
    """Read the header of a file.

    Raises
    ------
    FormatError
        For data that are not a .npy file of numbers.

    Examples
    --------
    >>> import numpy as np
    >>> header(encode(np.zeros((2, 3), "int16")))
    Header(shape=(2, 3), dtype=dtype('int16'), pages=1)
    """
    shape, dtype, _, _ = _parse(data)
    return Header(shape, dtype.newbyteorder("="))


def decode(data: bytes) -> NDArray[Any]:
    """Read an array; a view of `data` when that is in C order and native byte order.

    Raises
    ------
    FormatError
        For data that are not a .npy file of numbers, or longer or shorter than in its header.

    Examples
    --------
    >>> import numpy as np
    >>> decode(encode(np.arange(3)))
    array([0, 1, 2])
    """
    shape, dtype, order, start = _parse(data)
    return raw.decode(memoryview(data)[start:], shape, dtype, order)


def encode(array: NDArray[Any]) -> bytes:
    r"""Write an array, in C order and native byte order.

    Raises
    ------
    SpecError
        For an array of anything but numbers.

    Examples
    --------
    >>> import numpy as np
    >>> encode(np.arange(3))[:6]
    b'\x93NUMPY'
    """
    numbers(array.dtype)
    stream = io.BytesIO()
    npy_format.write_array(stream, native(array), version=(1, 0), allow_pickle=False)
    return stream.getvalue()


@dataclass(frozen=True)
class Layout:
    """Layout of the numbers in a file.

    Parameters
    ----------
    shape : tuple of int
        Of the whole array.
    stored : numpy.dtype
        In the byte order of the file.
    order : 'C' or 'F'
        Whether the last or the first index runs fastest.
    begin : int
        Byte at which the numbers begin.
    """

    shape: tuple[int, ...]
    stored: np.dtype[Any]
    order: Literal["C", "F"]
    begin: int


def layout(stream: BinaryIO) -> Layout:
    """Find where the numbers of a file stand; reads its header alone.

    Raises
    ------
    FormatError
        For data that are not a .npy file of numbers.
    """
    stream.seek(0)
    checked(stream.read(16), "npy")
    stream.seek(0)
    return Layout(*_parsed(stream))


def read_part(
    stream: BinaryIO, found: Layout, axis: int, start: int, stop: int, out: NDArray[Any]
) -> None:
    """Read positions ``start .. stop-1`` of an axis, which becomes the first of `out`.

    Reads a few MiB at a time: the positions alone where they are far apart in the file, what is
    between them too where they are close together.

    Raises
    ------
    FormatError
        When the file ends before.
    """
    if not out.size:
        return
    shape, region = found.shape, np.moveaxis(out, 0, axis)
    if found.order == "F":  # the axes as they are in the file, the last one running fastest
        shape, region, axis = shape[::-1], region.T, len(shape) - 1 - axis
    if axis == 0 and region.flags.c_contiguous and region.dtype == found.stored.newbyteorder("="):
        row = math.prod(shape[1:]) * found.stored.itemsize
        read_into(stream, found.begin + start * row, region, found.stored)
        return
    first, last = (start, stop) if axis == 0 else (0, shape[0])
    rows = max(1, _PIECE // (region.nbytes // (last - first) or 1))
    for a in range(first, last, rows):
        b = min(a + rows, last)
        region[a - first : b - first] = _rows(stream, found, shape, axis, (a, b), (start, stop))


def _rows(
    stream: BinaryIO,
    found: Layout,
    shape: tuple[int, ...],
    axis: int,
    rows: tuple[int, int],
    wanted: tuple[int, int],
) -> NDArray[Any]:
    """Read rows of an array, of shape `shape` in the file, and of an axis only what is wanted."""
    itemsize = found.stored.itemsize
    row = math.prod(shape[1:]) * itemsize
    part = np.empty(
        (rows[1] - rows[0], *shape[1:])
        if axis == 0
        else (rows[1] - rows[0], *shape[1:axis], wanted[1] - wanted[0], *shape[axis + 1 :]),
        found.stored,
    )
    begin = found.begin + rows[0] * row
    inner = math.prod(shape[axis + 1 :]) * itemsize
    stride, run = shape[axis] * inner, (wanted[1] - wanted[0]) * inner
    if axis == 0 or run == stride:
        read_into(stream, begin, part)
        return part
    outer = part.reshape(-1, run // itemsize)
    begin += wanted[0] * inner
    if run >= _NEAR or stride - run >= _NEAR:
        for number, one in enumerate(outer):
            read_into(stream, begin + number * stride, one)
        return part
    step = max(1, _PIECE // stride)
    for number in range(0, len(outer), step):
        some = outer[number : number + step]
        span = np.empty(((len(some) - 1) * stride + run) // itemsize, found.stored)
        read_into(stream, begin + number * stride, span)
        # A view of the wanted runs: reshaping would need the gap behind the last one too.
        shown = np.lib.stride_tricks.as_strided(span, some.shape, (stride, itemsize))
        some[...] = shown
    return part


_PIECE = 2**22  # bytes read at once
_NEAR = 2**14  # bytes: a gap that is read over between two parts


class Writer(ArrayWriter):
    """Writes an array from its first row to its last, a slab of rows at a time.

    Parameters
    ----------
    file : Path
        Made, or replaced.
    shape, dtype
        Of the whole array.

    Attributes
    ----------
    rows : int
        How many rows a slab has: 16 MiB of them.
    """

    def __init__(self, file: Path, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        numbers(dtype)
        self.rows = max(1, 2**24 // max(1, math.prod(shape[1:]) * dtype.itemsize))
        self._stream = file.open("wb")
        described = {"descr": dtype.str, "fortran_order": False, "shape": shape}
        npy_format.write_array_header_1_0(self._stream, described)

    def put(self, start: int, slab: NDArray[Any]) -> None:  # noqa: ARG002
        """Write the next rows."""
        self._stream.write(native(slab).data)

    def close(self) -> None:
        """Complete the file."""
        self._stream.close()


def _parse(data: bytes) -> tuple[tuple[int, ...], np.dtype[Any], Literal["C", "F"], int]:
    """Return shape, dtype and order as stored, and the byte at which the numbers begin."""
    return _parsed(io.BytesIO(checked(data, "npy")))


def _parsed(stream: BinaryIO) -> tuple[tuple[int, ...], np.dtype[Any], Literal["C", "F"], int]:
    with damage("npy"), _parsing:
        version = npy_format.read_magic(stream)
        if version not in _HEADERS:
            raise FormatError(f"npy version {version} holds named fields, not an array of numbers")
        shape, fortran, dtype = _HEADERS[version](stream)
    if dtype.kind not in "buifc":
        raise FormatError(f"the npy file holds {dtype}, not numbers")
    known = all(type(n) is int and 0 <= n < 2**63 for n in shape) and len(shape) <= _MOST_AXES
    # Also of an array without elements numpy wants to know the strides.
    if not known or math.prod(n for n in shape if n) * dtype.itemsize >= 2**63:
        raise FormatError(f"damaged npy file: no array has shape {shape!s:.80}")
    return shape, dtype, "F" if fortran else "C", stream.tell()
