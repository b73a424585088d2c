"""Records in files of any kind, by a function of their bytes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike import storage
from thunderlike.data.files import FileSource, Loader, naming, whole
from thunderlike.data.functions import raised_by
from thunderlike.errors import FormatError, SpecError, ThunderlikeError
from thunderlike.formats import npy, png, sniff, tiff

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from thunderlike._typing import Array
    from thunderlike.storage import Entry

__all__ = ["BESIDE", "Accessed", "accessed", "decoded"]

BESIDE = (storage.SUCCESS, "conf.json")  # what our writers put beside their files
_DECODE = {"tiff": tiff.decode, "png": png.decode, "npy": npy.decode}


def accessed(
    files: Sequence[Entry],
    accessor: Callable[[bytes], Any] | None,
    naxes: int,
    dims: Sequence[int] | None = None,
    dtype: Any = None,
) -> tuple[FileSource, tuple[int, ...]]:
    """Make a source of arrays, each the function of the bytes of a file.

    Parameters
    ----------
    accessor : callable, optional
        By default the first bytes of a file tell how to decode it.
    naxes : int
        Axes of a record: 1 for series, whose further axes are keys; 2 or more for images.
    dims, dtype : optional
        Of each array; unless both are given, `accessor` is called on the first file.

    Returns
    -------
    FileSource
        Of all records.
    tuple of int
        Shape of each array.
    """
    first_file, read = files[0], accessor or decoded
    if dims is None or dtype is None:
        with naming(first_file.path):
            first = _called(read, first_file)
        dims, dtype = dims or first.shape, dtype or first.dtype
    shape = tuple(dims)
    if len(shape) < naxes:
        raise SpecError(
            f"{first_file.path}: at least {naxes} axes are needed, this has shape {shape}"
        )
    record = shape[-1:] if naxes == 1 else shape
    count = math.prod(shape) // max(math.prod(record), 1)
    load, dtype = Accessed(read, shape), np.dtype(dtype).newbyteorder("=")
    return FileSource.of(files, [count] * len(files), record, dtype, load, whole=True), shape


def decoded(data: bytes) -> Array:
    """Return the array in a file whose first bytes tell its format.

    Raises
    ------
    FormatError
        For bytes of no format that is known here.
    """
    name = sniff(data)
    if name not in _DECODE:
        known = ", ".join(_DECODE)
        raise FormatError(
            f"begins with {data[:8]!r}, it is none of {known}: read it with accessor= of frompath"
        )
    return _DECODE[name](data)


@dataclass(frozen=True)
class Accessed(Loader):
    """Records of the array that a function makes of the bytes of a file.

    Parameters
    ----------
    accessor : callable
        The function.
    shape : tuple of int
        Of the array.
    """

    accessor: Callable[[bytes], Any]
    shape: tuple[int, ...]

    def read(self, file: Entry, first: int, last: int, out: Array) -> None:
        """Call it."""
        found = _called(self.accessor, file)
        dtype = found.dtype.newbyteorder("=")
        if found.shape != self.shape or dtype != out.dtype:
            raise FormatError(
                f"holds {dtype} of shape {found.shape}, the first file {out.dtype} of shape "
                f"{self.shape}: all must be equal"
            )
        out[...] = found.reshape(-1, *out.shape[1:])[first:last]


def _called(accessor: Callable[[bytes], Any], file: Entry) -> Array:
    data = whole(file)
    try:
        return np.asarray(accessor(data))
    except ThunderlikeError:
        raise
    except Exception as error:
        raise raised_by(accessor, error, file.path) from error
