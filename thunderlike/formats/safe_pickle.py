"""Restricted unpickling."""

from __future__ import annotations

import io
import math
import pickle
import zipfile
from collections import OrderedDict
from typing import Any

import numpy as np

from thunderlike.errors import FormatError, RefusedError
from thunderlike.formats import raw
from thunderlike.formats.base import damage, numbers

__all__ = ["checkpoint", "load"]


_OBJECTS = ("O", "O8", "O4")  # dtypes of arrays of plain values


class _Dtype:
    """Placeholder of a dtype: the state of a real one is not checked by numpy, and can crash it."""

    def __init__(self, code: str, *_: object) -> None:
        self.made = np.dtype(object) if code in _OBJECTS else numbers(code)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        if not self.made.hasobject:
            self.made = self.made.newbyteorder(state[1])


class _Array(np.ndarray):
    """Array of numbers, whose number of bytes is checked against its shape, or of plain values."""

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        version, shape, dtype, fortran, data = state
        if not isinstance(dtype, _Dtype):
            raise FormatError("an array without a dtype")
        if dtype.made.hasobject:
            if not isinstance(data, list) or len(data) != math.prod(shape):
                raise FormatError(
                    f"an array of shape {shape} without its {math.prod(shape)} values"
                )
        else:
            raw.decode(data, shape, dtype.made)
        super().__setstate__((version, shape, dtype.made, fortran, data))


def _array(*_: object) -> _Array:
    return np.ndarray.__new__(_Array, 0)


def _scalar(dtype: _Dtype, data: bytes) -> Any:
    return raw.decode(data, (), dtype.made)[()]


def _encode(text: str, encoding: str = "latin1") -> bytes:
    """Return bytes, which protocol 2 of Python 3 stores as text."""
    return text.encode(encoding)


_ALLOWED: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Dtype,
    ("_codecs", "encode"): _encode,
    ("collections", "OrderedDict"): OrderedDict,
}
for _module in ("numpy.core.multiarray", "numpy._core.multiarray"):  # before numpy 2, and since
    _ALLOWED |= {(_module, "_reconstruct"): _array, (_module, "scalar"): _scalar}


class _Plain(pickle.Unpickler):
    """Unpickler of plain values and numpy arrays, which are rebuilt by functions of this module."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise RefusedError(
                f"asks for {module}.{name}, which is neither a plain value nor a numpy array; "
                "nothing was run"
            )
        return _ALLOWED[module, name]


def load(data: bytes, what: str, encoding: str = "bytes") -> Any:
    """Read a pickle of plain values and numpy arrays.

    Parameters
    ----------
    data : bytes
        The pickle.
    what : str
        What it is, for messages.
    encoding : str
        What texts of Python 2 become; bytes by default.

    Raises
    ------
    RefusedError
        When it asks for anything else, which is not run.
    FormatError
        When it is damaged.

    Examples
    --------
    >>> load(pickle.dumps({"labels": [1, 2]}), "data_batch_1")
    {'labels': [1, 2]}
    >>> load(pickle.dumps(print), "data_batch_1")
    Traceback (most recent call last):
    ...
    thunderlike.errors.RefusedError: data_batch_1: asks for builtins.print, which is neither ...
    """
    try:
        return _Plain(io.BytesIO(data), encoding=encoding).load()
    except FormatError as error:
        raise type(error)(f"{what}: {error}") from None
    except Exception as error:  # damaged pickles raise almost anything
        raise FormatError(f"{what}: is damaged, or not a pickle: {error}") from error


def checkpoint(data: bytes, what: str) -> Any:
    """Read the values of a PyTorch file that holds no tensors, as :func:`load`."""
    if not zipfile.is_zipfile(io.BytesIO(data)):
        raise FormatError(f"{what}: is not a PyTorch file of version 1.6 or newer")
    with damage("PyTorch", what), zipfile.ZipFile(io.BytesIO(data)) as archive:
        for name in archive.namelist():
            if name.endswith("/data.pkl"):
                return load(archive.read(name), what, encoding="utf-8")
    raise FormatError(f"{what}: holds no data.pkl")
