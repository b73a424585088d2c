"""numpy arrays as HDF5 arrays, in deepdish's way where it has one, and their way back.

What numpy knows beyond HDF5 (dtype of texts and times, byte order, order of the axes, class) goes
into the metadata. deepdish then still reads the values.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike.errors import Hdf5Error, SpecError
from thunderlike.hdf5 import attributes, datasets, dtypes, metadata
from thunderlike.hdf5.selection import plan

if TYPE_CHECKING:
    from h5py.h5d import DatasetID
    from numpy.typing import NDArray

    from thunderlike.hdf5.filters import Filters
    from thunderlike.hdf5.guard import Budget

__all__ = ["Encoded", "check_same", "decode", "encode", "write"]

_CLASSES = {"matrix": np.matrix, "recarray": np.recarray}


@dataclass
class Encoded:
    """What goes into the file: values that HDF5 has a type for, attributes, metadata."""

    values: NDArray[Any]
    attributes: dict[str, Any] = field(default_factory=dict)
    known: dict[str, Any] = field(default_factory=dict)


def encode(array: NDArray[Any]) -> Encoded:
    """Turn an array into one that HDF5 has a type for."""
    found = _encoded(np.asarray(array))
    if type(array).__name__ in _CLASSES:
        found.known["class"] = type(array).__name__
    if array.flags.f_contiguous and not array.flags.c_contiguous:
        found.known["order"] = "F"
    return found


def _encoded(array: NDArray[Any]) -> Encoded:
    dtype = array.dtype
    if not array.size or not dtype.itemsize:
        return _empty(array)
    if dtype.kind == "T":
        longest = max(len(text) for text in array.ravel())
        return _marked(_encoded(array.astype(f"U{max(1, longest)}")), "T")
    if dtype.kind == "U":
        return _texts(array)
    if dtype.kind == "S":
        return Encoded(array, {"strtype": b"ascii", "itemsize": np.int64(dtype.itemsize)})
    if dtype.kind in "mM":
        return _marked(Encoded(_as_native(array).view(np.int64)), dtype.str)
    if dtype.kind == "V":
        values = array if dtype.names else _widened(array)
        return _marked(Encoded(values), dtypes.to_json(dtype))
    return Encoded(array) if dtype.isnative else _marked(Encoded(_as_native(array)), dtype.str)


def _marked(found: Encoded, dtype: Any) -> Encoded:
    found.known["dtype"] = dtype
    return found


def _empty(array: NDArray[Any]) -> Encoded:
    """HDF5 has no empty arrays that PyTables reads: deepdish stores the shape instead."""
    dtype = array.dtype
    spelled = b"|u1" if dtype.names or dtype.kind == "T" else dtype.str.encode()
    found = Encoded(np.array(array.shape, np.int64), {"zeroarray_dtype": spelled})
    if dtype.names or dtype.kind == "T":
        _marked(found, dtypes.to_json(dtype))
    return found


def _texts(array: NDArray[Any]) -> Encoded:
    width = array.dtype.itemsize // 4
    found = Encoded(
        _widened(_as_native(array)), {"strtype": b"unicode", "itemsize": np.int64(width)}
    )
    return found if array.dtype.isnative else _marked(found, array.dtype.str)


def _as_native(array: NDArray[Any]) -> NDArray[Any]:
    return array.astype(array.dtype.newbyteorder("="), order="C", copy=False)


def _widened(array: NDArray[Any]) -> NDArray[Any]:
    """Elements as bytes, along the last axis."""
    array = np.ascontiguousarray(array)  # gives an axis to what has none
    return array.view(np.uint8).reshape(*array.shape[:-1], -1)


def write(
    parent: Any, name: str, array: NDArray[Any], chosen: Filters, *, grows: bool = False
) -> DatasetID:
    """Write one array, with all that its way back needs; it may be extended later if it grows."""
    found = encode(array)
    shape, dtype = found.values.shape, found.values.dtype
    dataset = datasets.create(parent, name, shape, dtype, chosen, grows=grows)
    datasets.write_part(dataset, found.values)
    for key, value in found.attributes.items():
        attributes.write(dataset, key, value)
    metadata.write(dataset, found.known)
    return dataset


def decode(
    dataset: DatasetID, budget: Budget, sel: Any = None, names: list[str] | None = None
) -> NDArray[Any]:
    """Read an array, or the part that numpy's index `sel` names.

    Parameters
    ----------
    names : list of str, optional
        Of its attributes, if they are known already.

    Raises
    ------
    BadIndex
        For an index that does not fit.
    """
    names = attributes.names_of(dataset) if names is None else names
    known = metadata.read(dataset, names)
    if "zeroarray_dtype" in names:
        array = _read_empty(dataset, known, budget)
        return array if sel is None else array[sel]
    array = _read(dataset, known, _Stored.of(dataset, names), budget, sel)
    return _dressed(array, known) if sel is None else array


@dataclass(frozen=True)
class _Stored:
    """How elements that HDF5 has no type for lie in an array of bytes."""

    dtype: np.dtype[Any] | None
    unit: int = 1

    @classmethod
    def of(cls, dataset: DatasetID, names: list[str]) -> _Stored:
        if "strtype" not in names or attributes.read(dataset, "strtype") != b"unicode":
            return cls(None)
        width = int(attributes.read(dataset, "itemsize"))
        if not 0 < width < 2**28:
            raise Hdf5Error(f"has texts of {width} characters")
        return cls(np.dtype(f"U{width}"), 4 * width)


def _read(
    dataset: DatasetID, known: dict[str, Any], stored: _Stored, budget: Budget, sel: Any
) -> NDArray[Any]:
    wanted = dtypes.from_json(known["dtype"]) if "dtype" in known else None
    if stored.dtype is None and wanted is not None and wanted.kind == "V" and not wanted.names:
        stored = _Stored(wanted, wanted.itemsize)
    shape = _logical(datasets.shape_of(dataset), stored.unit)
    planned = None if sel is None else plan(sel, shape)
    values = datasets.read(dataset, budget, planned, stored.unit)
    if stored.dtype is not None:
        values = _narrowed(values, stored.dtype)
    values = values if wanted is None else _converted(values, wanted)
    return values if planned is None else values[planned.after]


def _logical(shape: tuple[int, ...], unit: int) -> tuple[int, ...]:
    if unit > 1 and (not shape or shape[-1] % unit):
        raise Hdf5Error(f"of shape {shape} does not hold elements of {unit} bytes")
    return (*shape[:-1], shape[-1] // unit) if unit > 1 else shape


def _narrowed(values: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    if values.dtype != np.uint8:
        raise Hdf5Error(f"holds {values.dtype} where bytes of texts should be")
    if dtype.kind == "U" and values.size and values.view(np.uint32).max() > 0x10FFFF:
        raise Hdf5Error("holds texts with characters that there are not")
    return values.view(dtype)


def _converted(values: NDArray[Any], wanted: np.dtype[Any]) -> NDArray[Any]:
    """What metadata says, where it fits what is there; else what is there."""
    if wanted.kind in "mM":
        times = values.view(wanted.newbyteorder("=")) if values.dtype == np.int64 else values
        return times.astype(wanted, copy=False)
    if wanted.names:
        return values.astype(wanted) if values.dtype.names == wanted.names else values
    same = values.dtype.kind == wanted.kind or {values.dtype.kind, wanted.kind} == {"U", "T"}
    return values.astype(wanted, copy=False) if same else values


def _read_empty(dataset: DatasetID, known: dict[str, Any], budget: Budget) -> NDArray[Any]:
    shape = tuple(int(n) for n in datasets.read(dataset, budget).ravel())
    spelled = known.get("dtype") or bytes(attributes.read(dataset, "zeroarray_dtype")).decode()
    dtype = dtypes.from_json(spelled)
    if len(shape) > 64 or min(shape, default=0) < 0:
        raise Hdf5Error(f"announces the shape {shape!r:.60}")
    budget.spend(math.prod(shape) * dtype.itemsize)
    return _dressed(np.zeros(shape, dtype), known)


def _dressed(array: NDArray[Any], known: dict[str, Any]) -> NDArray[Any]:
    if known.get("order") == "F":
        array = np.asfortranarray(array)
    kind = _CLASSES.get(known.get("class", ""))
    return array if kind is None else array.view(kind)


def check_same(dataset: DatasetID, array: NDArray[Any]) -> NDArray[Any]:
    """Return the values to append to an array that is there; SpecError when they do not fit."""
    names = attributes.names_of(dataset)
    stored = _Stored.of(dataset, names).dtype
    if stored is not None and array.dtype.kind == "U" and array.dtype <= stored:
        array = array.astype(stored)
    known, found = metadata.read(dataset, names), encode(array)
    there = datasets.plain_type_of(dataset)
    fits = (
        found.values.dtype == there
        and found.values.shape[1:] == dataset.shape[1:]
        and (stored is None or stored == array.dtype)
        and found.known.get("dtype") == known.get("dtype")
    )
    if not fits:
        raise SpecError(
            f"holds {there} records of shape {dataset.shape[1:]}, and cannot be extended by "
            f"{array.dtype} of shape {array.shape[1:]}"
        )
    return found.values
