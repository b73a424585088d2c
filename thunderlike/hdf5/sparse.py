"""scipy's sparse matrices and arrays, as deepdish has them: a group of the arrays in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike.errors import Hdf5Error
from thunderlike.hdf5 import _attributes
from thunderlike.hdf5._codec import new_group

if TYPE_CHECKING:
    from thunderlike.hdf5._codec import Group, Place, Task
    from thunderlike.hdf5.decoder import Reader
    from thunderlike.hdf5.encoder import Writer

__all__ = ["get", "put"]

_PARTS = {
    "csr": ("data", "indices", "indptr"),
    "csc": ("data", "indices", "indptr"),
    "bsr": ("data", "indices", "indptr"),
    "coo": ("data", "row", "col"),
    "dia": ("data", "offsets"),
}
_VIA = {"dok": "coo", "lil": "csr"}  # those that are made of Python's objects


def put(writer: Writer, place: Place, value: Any) -> Task:
    """Write one; dok by way of coo, lil by way of csr."""
    import scipy.sparse

    original = value.format
    stored = value.asformat(_VIA.get(original, original))
    group = new_group(place, "sparse:")
    _attributes.write(group, "format", stored.format)
    _attributes.write(group, "maxprint", np.int64(getattr(stored, "maxprint", 50)))
    parts = {name: np.asarray(part) for name, part in _parts(stored).items()}
    yield writer.entries(place, group, parts.items())
    known: dict[str, Any] = {"kind": "sparse"}
    if isinstance(value, scipy.sparse.sparray):
        known["array"] = True
    if original != stored.format:
        known["format"] = original
    writer.known(group, known)


def _parts(value: Any) -> dict[str, Any]:
    shape = {"shape": np.array(value.shape, np.int64)}
    if value.format == "coo" and value.ndim != 2:
        axes = {f"coords{axis}": part for axis, part in enumerate(value.coords)}
        return {"data": value.data, **axes, **shape}
    return {name: getattr(value, name) for name in _PARTS[value.format]} | shape


def get(reader: Reader, group: Group, sel: Any) -> Task:
    """Read one, or the part of it that `sel` names; all of it is read."""
    import scipy.sparse

    kept = str(group.attribute("format", ""))
    if kept not in _PARTS:
        raise Hdf5Error(f"is a sparse matrix of an unknown format {kept!r:.20}")
    parts = yield reader.entries(group)
    reader.here = group.path
    kind = "array" if group.known.get("array") else "matrix"
    shape = tuple(int(n) for n in parts["shape"])
    if len(shape) != 2:
        kind = "array"  # a matrix has two axes, whatever the metadata say or miss
    made = getattr(scipy.sparse, f"{kept}_{kind}")
    _check(parts, shape, kept)
    value = made(_arguments(parts, kept, len(shape)), shape=shape)
    wanted = group.known.get("format", kept)
    if wanted in _VIA:
        value = value.asformat(wanted)
    return value if sel is None else _part(value, sel)


def _arguments(parts: dict[str, Any], kept: str, ndim: int) -> tuple[Any, ...]:
    data = parts["data"]
    if kept == "coo" and "row" not in parts:
        return data, tuple(parts[f"coords{axis}"] for axis in range(ndim))
    if kept == "coo":
        return data, (parts["row"], parts["col"])
    return tuple(parts[name] for name in _PARTS[kept])


def _check(parts: dict[str, Any], shape: tuple[int, ...], kept: str) -> None:
    """Scipy's compiled code takes the parts at their word."""
    if kept in ("csr", "csc", "bsr"):
        indices, pointers = np.asarray(parts["indices"]), np.asarray(parts["indptr"])
        ends = pointers.size and (pointers[0] != 0 or pointers[-1] > indices.size)
        minor = max(shape)
        if ends or (np.diff(pointers) < 0).any():
            raise Hdf5Error("is a sparse matrix whose rows overlap")
        if indices.size and not 0 <= indices.min() <= indices.max() < minor:
            raise Hdf5Error("is a sparse matrix with positions outside it")


def _part(value: Any, sel: Any) -> Any:
    return (value if value.format in ("csr", "csc", "lil", "dok") else value.tocsr())[sel]
