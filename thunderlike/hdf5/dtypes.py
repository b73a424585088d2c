"""numpy's dtypes: which HDF5 has, and how metadata spell them."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from h5py import h5t

from thunderlike.errors import Hdf5Error

__all__ = ["from_json", "native", "to_json"]


def native(dtype: np.dtype[Any]) -> bool:
    """Tell whether arrays of a dtype can be one array of the file.

    Examples
    --------
    >>> native(np.dtype("U5")), native(np.dtype([("a", "U5")]))
    (True, False)
    """
    if dtype.names is None:
        return dtype.kind in "biufcSUVmMT"
    try:
        h5t.py_create(dtype)
    except (TypeError, ValueError):  # no such type in HDF5, or no such name
        return False
    return not dtype.hasobject and "\\u0000" not in json.dumps(to_json(dtype))


def to_json(dtype: np.dtype[Any]) -> Any:
    """Spell a dtype, with fields or without.

    Examples
    --------
    >>> to_json(np.dtype([("a", "<i4"), ("b", "<f8", (2,))]))
    [['a', '<i4'], ['b', '<f8', [2]]]
    """
    if dtype.kind == "T":
        return "T"
    return _listed(np.lib.format.dtype_to_descr(dtype))


def _listed(spelled: Any) -> Any:
    return [_listed(p) for p in spelled] if isinstance(spelled, tuple | list) else spelled


def from_json(spelled: Any) -> np.dtype[Any]:
    """Read a dtype; Hdf5Error for what is none, or one of Python objects."""
    try:
        found: Any = (
            np.dtypes.StringDType()
            if spelled == "T"
            else np.lib.format.descr_to_dtype(_fields(spelled))
        )
    except Exception as error:
        raise Hdf5Error(f"has no dtype that numpy knows: {spelled!r:.60}") from error
    if found.kind == "O" or (found.hasobject and found.kind != "T"):
        raise Hdf5Error(f"says it holds objects: {spelled!r:.60}")
    return found


def _fields(spelled: Any) -> Any:
    """Lists of JSON as the tuples that numpy wants: fields, their shapes, titles."""
    if not isinstance(spelled, list):
        return spelled
    return [
        (_name(name), _fields(kind), *(tuple(s) for s in shape)) for name, kind, *shape in spelled
    ]


def _name(name: Any) -> Any:
    return tuple(name) if isinstance(name, list) else name
