"""Arrays of MATLAB that HDF5 has no type for: text, booleans, empty arrays, cells.

Axes keep the order of the file. MATLAB counts them from the fastest on, so that an array of size
``m x n`` there has shape ``(n, m)`` here.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from h5py import h5r, h5s, h5t

from thunderlike.errors import Hdf5Error, SpecError, UnreadableError
from thunderlike.formats._hdf5_chunks import check_inside
from thunderlike.hdf5 import _attributes

if TYPE_CHECKING:
    from h5py.h5d import DatasetID
    from h5py.h5g import GroupID
    from numpy.typing import NDArray

__all__ = ["CLASS", "cells", "decode", "target"]

CLASS = "MATLAB_class"
_EMPTY, _OBJECT = "MATLAB_empty", "MATLAB_object_decode"
_MOST_AXES = 64
_DTYPES = {
    **{f"{kind}{n}": np.dtype(f"{kind}{n}") for kind in ("int", "uint") for n in (8, 16, 32, 64)},
    "double": np.dtype(np.float64),
    "single": np.dtype(np.float32),
    "logical": np.dtype(bool),
    "char": np.dtype("U1"),
}


def decode(dataset: DatasetID, names: list[str], array: NDArray[Any], sel: object) -> Any:
    """Convert an array as it is in the file to bool, text, complex or an empty array.

    Parameters
    ----------
    names : list of str
        Names of its attributes.
    array : ndarray
        Its values, or a part of them if `sel` is given.
    """
    kind = _class_of(dataset)
    if _OBJECT in names and kind not in _DTYPES:
        raise UnreadableError(f"is a MATLAB object of class {kind!r:.40}, which is not read")
    if _EMPTY in names and np.any(_attributes.read(dataset, _EMPTY)):
        return _empty(np.asarray(array), kind, sel)
    if kind == "logical" and array.dtype.kind in "iu":
        return array.astype(bool)
    if kind == "char" and array.dtype.kind == "u":
        return _text(array, sel)
    if array.dtype.names == ("real", "imag"):
        return array["real"] + 1j * array["imag"]
    return array


def cells(dataset: DatasetID) -> NDArray[Any] | None:
    """Return the references in a cell array, or in a field of an array of structs; else None."""
    kind = dataset.get_type()
    if not isinstance(kind, h5t.TypeReferenceID):
        return None
    check_inside(dataset)
    if not kind.equal(h5t.STD_REF_OBJ):  # others may lead to other files
        return None
    references = np.empty(dataset.shape, dataset.dtype)
    if references.size:
        dataset.read(h5s.ALL, h5s.ALL, references)
    return references


def target(reference: object, root: GroupID) -> tuple[Any, str] | None:
    """Open the target of a reference, in the same file, with its path; None without a target."""
    if not isinstance(reference, h5r.Reference) or not reference:
        return None
    path = h5r.get_name(reference, root)
    return h5r.dereference(reference, root), (path or b"").decode("utf-8", "surrogateescape")


def _class_of(dataset: DatasetID) -> str:
    stored = _attributes.read(dataset, CLASS)
    return stored.decode("ascii", "replace") if isinstance(stored, bytes) else str(stored)


def _empty(sizes: NDArray[Any], kind: str, sel: object) -> Any:
    """Return an array without elements; the values in the file are its size in MATLAB."""
    shape = tuple(int(n) for n in sizes.ravel()[::-1])
    if sel is not None:
        raise SpecError("is empty: there is no part of it for sel to take")
    if len(shape) > _MOST_AXES or 0 not in shape or min(shape) < 0:
        raise Hdf5Error(f"is marked as empty but announces the shape {shape!r:.60}")
    if kind == "char":
        return np.str_()
    return np.empty(shape, _DTYPES.get(kind, np.dtype(object)))


def _text(codes: NDArray[Any], sel: object) -> Any:
    """Return one row of characters as text, several as an array of text, from UTF-16."""
    if sel is not None:
        raise SpecError("is text: sel takes parts of arrays")
    rows = codes.astype("<u2").reshape(-1, math.prod(codes.shape[1:])).T
    texts = [row.tobytes().decode("utf-16-le", "replace") for row in rows]
    return np.str_(texts[0]) if len(texts) == 1 else np.array(texts)
