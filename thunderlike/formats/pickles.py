"""Pickles of sets, read without running anything: plain values and numpy arrays, or nothing."""

from __future__ import annotations

import io
import pickle
import zipfile
from typing import Any

from thunderlike.errors import FormatError

__all__ = ["checkpoint", "load"]

_CORE = ("numpy.core.multiarray", "numpy._core.multiarray")
_ALLOWED = {
    *((module, name) for module in _CORE for name in ("_reconstruct", "scalar")),
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("_codecs", "encode"),  # bytes, as protocol 2 of Python 3 has them
    ("collections", "OrderedDict"),
}


class _Plain(pickle.Unpickler):
    """Refuses everything but values and what rebuilds a numpy array."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise FormatError(
                f"asks for {module}.{name}, which is neither a plain value nor a numpy array; "
                "nothing was run"
            )
        return super().find_class(module, name)


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
    FormatError
        When it asks for anything else, which is not run, or is damaged.

    Examples
    --------
    >>> load(pickle.dumps({"labels": [1, 2]}), "data_batch_1")
    {'labels': [1, 2]}
    >>> load(pickle.dumps(print), "data_batch_1")
    Traceback (most recent call last):
    ...
    thunderlike.errors.FormatError: data_batch_1: asks for builtins.print, which is neither ...
    """
    try:
        return _Plain(io.BytesIO(data), encoding=encoding).load()
    except FormatError as error:
        raise FormatError(f"{what}: {error}") from None
    except Exception as error:  # damaged pickles raise almost anything
        raise FormatError(f"{what}: is damaged, or no pickle: {error}") from error


def checkpoint(data: bytes, what: str) -> Any:
    """Read the values of a PyTorch file that holds no tensors, as :func:`load`."""
    if not zipfile.is_zipfile(io.BytesIO(data)):
        raise FormatError(f"{what}: is no PyTorch file of version 1.6 or newer")
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for name in archive.namelist():
            if name.endswith("/data.pkl"):
                return load(archive.read(name), what, encoding="utf-8")
    raise FormatError(f"{what}: holds no data.pkl")
