"""Encoder and decoder of scipy's sparse matrices and arrays, in the layout of deepdish.

A matrix is a group of the arrays that it consists of. scipy.sparse is imported when one is met.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike.errors import Hdf5Error
from thunderlike.hdf5 import _attributes
from thunderlike.hdf5._codec import decodes, new_group, selects_encoder

if TYPE_CHECKING:
    from scipy.sparse import sparray, spmatrix

    from thunderlike.hdf5._codec import Destination, Encoder, Group, Reader, Task, Writer
    from thunderlike.hdf5._datasets import Index

__all__: list[str] = []

_PARTS = {
    "csr": ("data", "indices", "indptr"),
    "csc": ("data", "indices", "indptr"),
    "bsr": ("data", "indices", "indptr"),
    "coo": ("data", "row", "col"),
    "dia": ("data", "offsets"),
}
_STORED_AS = {"dok": "coo", "lil": "csr"}  # formats of Python objects, and those they are saved in


@selects_encoder("scipy.sparse")
def _encoder_of(_kind: type) -> Encoder:
    return _encode


def _encode(writer: Writer, dest: Destination, value: spmatrix | sparray) -> Task:
    import scipy.sparse

    original = value.format
    stored = value.asformat(_STORED_AS.get(original, original))
    group = new_group(dest, "sparse:")
    _attributes.write(group, "format", stored.format)
    _attributes.write(group, "maxprint", np.int64(getattr(stored, "maxprint", 50)))
    if stored.format == "coo" and stored.ndim != 2:  # which has neither row nor col
        axes = {f"coords{axis}": part for axis, part in enumerate(stored.coords)}
        parts = {"data": stored.data, **axes}
    else:
        parts = {name: getattr(stored, name) for name in _PARTS[stored.format]}
    parts["shape"] = np.array(stored.shape, np.int64)
    items = ((name, np.asarray(part)) for name, part in parts.items())
    yield writer.encode_entries(dest, group, items)
    # deepdish knows matrices of the stored formats alone; the rest is in the metadata.
    metadata: dict[str, Any] = {"kind": "sparse"}
    if isinstance(value, scipy.sparse.sparray):
        metadata["array"] = True
    if original != stored.format:
        metadata["format"] = original
    writer.write_metadata(group, metadata)


@decodes("sparse", selectable=True)
def _decode(reader: Reader, group: Group, _address: int, sel: Index | None) -> Task:
    """Read a matrix or a part of it; all of it is read from the file."""
    import scipy.sparse

    stored = str(group.attribute("format", ""))
    if stored not in _PARTS:
        raise Hdf5Error(f"is a sparse matrix of an unknown format {stored!r:.20}")
    parts = yield reader.decode_entries(group)
    reader.here = group.path
    kind = "array" if group.metadata.get("array") else "matrix"
    shape = tuple(int(n) for n in parts["shape"])
    if len(shape) != 2:
        kind = "array"  # a matrix has two axes, also if the metadata are missing or damaged
    make = getattr(scipy.sparse, f"{stored}_{kind}")
    _check_structure(parts, shape, stored)
    value = make(_arguments(parts, stored, len(shape)), shape=shape)
    original = group.metadata.get("format", stored)
    if original in _STORED_AS:
        value = value.asformat(original)
    if sel is None:
        return value
    # The other formats take no index.
    return (value if value.format in ("csr", "csc", "lil", "dok") else value.tocsr())[sel]


def _arguments(parts: dict[str, Any], stored: str, ndim: int) -> tuple[Any, ...]:
    data = parts["data"]
    if stored == "coo" and "row" not in parts:
        return data, tuple(parts[f"coords{axis}"] for axis in range(ndim))
    if stored == "coo":
        return data, (parts["row"], parts["col"])
    return tuple(parts[name] for name in _PARTS[stored])


def _check_structure(parts: dict[str, Any], shape: tuple[int, ...], stored: str) -> None:
    """Check pointers and indices: the compiled code of scipy does not, and reads out of bounds."""
    if stored in ("csr", "csc", "bsr"):
        indices, pointers = np.asarray(parts["indices"]), np.asarray(parts["indptr"])
        ends = pointers.size and (pointers[0] != 0 or pointers[-1] > indices.size)
        if ends or (np.diff(pointers) < 0).any():
            raise Hdf5Error("is a sparse matrix whose rows overlap")
        if indices.size and not 0 <= indices.min() <= indices.max() < max(shape):
            raise Hdf5Error("is a sparse matrix with positions outside it")
