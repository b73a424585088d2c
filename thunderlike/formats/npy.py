"""numpy's own format: one array with its shape and dtype; objects are never unpickled."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from numpy.lib import format as npy_format

from thunderlike.errors import FormatError
from thunderlike.formats import raw
from thunderlike.formats.base import Header, checked, damage, native, numbers

if TYPE_CHECKING:
    from typing import Literal

    import numpy as np
    from numpy.typing import NDArray

__all__ = ["decode", "encode", "header"]

_HEADERS = {
    (1, 0): npy_format.read_array_header_1_0,
    (2, 0): npy_format.read_array_header_2_0,
}


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


def _parse(data: bytes) -> tuple[tuple[int, ...], np.dtype[Any], Literal["C", "F"], int]:
    """Return shape, dtype and order as stored, and the byte at which the numbers begin."""
    stream = io.BytesIO(checked(data, "npy"))
    with damage("npy"):
        version = npy_format.read_magic(stream)
        if version not in _HEADERS:
            raise FormatError(f"npy version {version} holds named fields, not an array of numbers")
        shape, fortran, dtype = _HEADERS[version](stream)
    if dtype.kind not in "buifc":
        raise FormatError(f"the npy file holds {dtype}, not numbers")
    return shape, dtype, "F" if fortran else "C", stream.tell()
