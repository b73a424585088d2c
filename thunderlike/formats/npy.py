"""numpy's own format: one array with its shape and dtype; objects are never unpickled."""

from __future__ import annotations

import io
import math
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, Self

from numpy.lib import format as npy_format

from thunderlike.errors import FormatError
from thunderlike.formats import raw
from thunderlike.formats.base import Header, checked, damage, native, numbers

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType
    from typing import Literal

    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Layout", "Writer", "decode", "encode", "header", "layout"]

_HEADERS = {
    (1, 0): npy_format.read_array_header_1_0,
    (2, 0): npy_format.read_array_header_2_0,
}

_MOST_AXES = 64  # of an array of numpy's

# Python 3.11 mistakes two threads that parse literals at once, as numpy does a header, for a bug.
_parsing = threading.Lock()


def header(data: bytes) -> Header:
    """Say what a file holds.

    Raises
    ------
    FormatError
        For what is no .npy file of numbers.

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
        For what is no .npy file of numbers, or is longer or shorter than it says.

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
    """Where the numbers of a file stand, and how.

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
        For what is no .npy file of numbers.
    """
    stream.seek(0)
    checked(stream.read(16), "npy")
    stream.seek(0)
    return Layout(*_parsed(stream))


class Writer:
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

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
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
