"""Arrays of numbers, text, dates and objects."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike.errors import Hdf5Error, SpecError
from thunderlike.hdf5 import _attributes, _datasets, containers
from thunderlike.hdf5._codec import new_group
from thunderlike.hdf5.selection import plan

if TYPE_CHECKING:
    from collections.abc import Callable

    from h5py.h5d import DatasetID
    from numpy.typing import NDArray

    from thunderlike.hdf5._codec import Group, Place, Task
    from thunderlike.hdf5._limits import Budget
    from thunderlike.hdf5.compression import Filters
    from thunderlike.hdf5.decoder import Reader
    from thunderlike.hdf5.encoder import Writer

__all__ = [
    "Encoded",
    "check_same",
    "codec_of",
    "decode",
    "encode",
    "get_fields",
    "get_masked",
    "get_objects",
    "get_record",
    "get_text",
    "put_record",
    "put_text",
    "write",
]


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
        return _marked(Encoded(values), _attributes.to_json(dtype))
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
        _marked(found, _attributes.to_json(dtype))
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
    dataset = _datasets.create(parent, name, shape, dtype, chosen, grows=grows)
    _datasets.write_part(dataset, found.values)
    for key, value in found.attributes.items():
        _attributes.write(dataset, key, value)
    _attributes.write_metadata(dataset, found.known)
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
    BadIndexError
        For an index that does not fit.
    """
    names = _attributes.names_of(dataset) if names is None else names
    known = _attributes.read_metadata(dataset, names)
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
        if "strtype" not in names or _attributes.read(dataset, "strtype") != b"unicode":
            return cls(None)
        width = int(_attributes.read(dataset, "itemsize"))
        if not 0 < width < 2**28:
            raise Hdf5Error(f"has texts of {width} characters")
        return cls(np.dtype(f"U{width}"), 4 * width)


def _read(
    dataset: DatasetID, known: dict[str, Any], stored: _Stored, budget: Budget, sel: Any
) -> NDArray[Any]:
    wanted = _attributes.from_json(known["dtype"]) if "dtype" in known else None
    if stored.dtype is None and wanted is not None and wanted.kind == "V" and not wanted.names:
        stored = _Stored(wanted, wanted.itemsize)
    shape = _logical(_datasets.shape_of(dataset), stored.unit)
    planned = None if sel is None else plan(sel, shape)
    values = _datasets.read(dataset, budget, planned, stored.unit)
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
    shape = tuple(int(n) for n in _datasets.read(dataset, budget).ravel())
    spelled = known.get("dtype") or bytes(_attributes.read(dataset, "zeroarray_dtype")).decode()
    dtype = _attributes.from_json(spelled)
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
    names = _attributes.names_of(dataset)
    stored = _Stored.of(dataset, names).dtype
    if stored is not None and array.dtype.kind == "U" and array.dtype <= stored:
        array = array.astype(stored)
    known, found = _attributes.read_metadata(dataset, names), encode(array)
    there = _datasets.plain_type_of(dataset)
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


# Python to file


def codec_of(array: np.ndarray[Any, Any]) -> Callable[[Writer, Place, Any], Task] | None:
    """Find what writes an array in parts: masked, of objects, of fields HDF5 has no type for."""
    if isinstance(array, np.ma.MaskedArray):
        return _put_masked
    if array.dtype.kind == "O":
        return _put_objects
    if array.dtype.kind == "T" and array.dtype != np.dtypes.StringDType():
        return None
    return None if _attributes.native(array.dtype) or not array.size else _put_fields


def _put_masked(writer: Writer, place: Place, value: Any) -> Task:
    parts = {"data": value.data, "mask": np.ma.getmaskarray(value), "fill": value.fill_value}
    if value.mask is np.ma.nomask:
        del parts["mask"]
    group = new_group(place, f"dict:{len(parts)}")
    yield writer.dictionary(place, group, parts, kind="masked")


def _put_objects(writer: Writer, place: Place, value: Any) -> Task:
    order = "F" if value.flags.f_contiguous and not value.flags.c_contiguous else "C"
    group = new_group(place, f"list:{value.size}")
    items = ((f"i{i}", v) for i, v in enumerate(value.ravel()))
    told = yield writer.entries(place, group, items)
    known = {"kind": "objects", "shape": list(value.shape), "order": order}
    writer.known(group, {**told, **known})


def _put_fields(writer: Writer, place: Place, value: Any) -> Task:
    group = new_group(place, f"dict:{len(value.dtype.names)}")
    parts = {name: np.asarray(value[name]) for name in value.dtype.names}
    known = {"dtype": _attributes.to_json(value.dtype), "shape": list(value.shape)}
    if isinstance(value, np.recarray):
        known["class"] = "recarray"
    yield writer.dictionary(place, group, parts, kind="fields", **known)


def put_record(writer: Writer, place: Place, value: np.void) -> Task:
    """Write one element of a structured array."""
    group = new_group(place, "dict:1")
    parts = {"value": np.asarray(value).reshape(1)}
    yield writer.dictionary(place, group, parts, kind="record")


def put_text(_writer: Writer, place: Place, value: str | bytes) -> Task:
    """Write a text that no attribute can hold, as an array of its bytes."""
    text = isinstance(value, str)
    data = value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value
    dataset = write(place.parent, place.name, np.frombuffer(data, np.uint8), place.filters)
    _attributes.delete_metadata(dataset)
    _attributes.write_metadata(dataset, {"kind": "str" if text else "bytes"})
    return
    yield


# file to Python


def get_masked(reader: Reader, group: Group, _address: int, sel: Any) -> Task:
    """Read values and mask, or that part of both."""
    data = yield reader.child(group, "data", sel)
    mask = (yield reader.child(group, "mask", sel)) if "mask" in group.nodes else np.ma.nomask
    fill = reader.scalar(group, "fill") if "fill" in group.scalars else None
    return np.ma.MaskedArray(data, mask, fill_value=fill)


def get_objects(reader: Reader, group: Group, address: int, sel: Any) -> Task:
    """Read an array of objects, which are entries i0, i1 ...; it may hold itself."""
    found = np.empty(_shape(group, len(group.ordered())), object)
    found = reader.early(address, np.asfortranarray(found) if _is_f(group) else found)
    values = yield containers.get_items(reader, group)
    places = dict(zip(map(str, range(len(values))), np.ndindex(found.shape), strict=True))
    items = dict(zip(places, values, strict=True))
    reader.fill(items, lambda name, value: found.__setitem__(places[name], value))
    return found if sel is None else found[sel]


def _is_f(group: Group) -> bool:
    return group.known.get("order") == "F"


def _shape(group: Group, count: int) -> tuple[int, ...]:
    """The shape that metadata say; Hdf5Error unless it holds `count` elements."""
    shape = group.known.get("shape")
    if not isinstance(shape, list) or not all(isinstance(n, int) and n >= 0 for n in shape):
        raise Hdf5Error("says no shape for its elements")
    if math.prod(shape) != count or len(shape) > 64:
        raise Hdf5Error(f"says {shape!r:.60} for {count} elements")
    return tuple(shape)


def get_fields(reader: Reader, group: Group, _address: int, sel: Any) -> Task:
    """Read a structured array, each field an array of its own."""
    dtype = _attributes.from_json(group.known.get("dtype"))
    parts = yield reader.entries(group)
    keys = group.keys(reader.pickle)
    named = {keys.get(name, name): np.asarray(part) for name, part in parts.items()}
    first = next(iter(named.values()))
    shape = _shape(group, math.prod(group.known.get("shape", ())))
    reader.budget.spend(math.prod(shape) * dtype.itemsize)
    if dtype.names is None or first.shape[: len(shape)] != shape:
        raise Hdf5Error("says a shape that its fields do not have")
    found = np.empty(shape, dtype)
    for name in dtype.names:
        found[name] = named[name]
    if group.known.get("class") == "recarray":
        found = found.view(np.recarray)
    return found if sel is None else found[sel]


def get_record(reader: Reader, group: Group, _address: int, _sel: Any) -> Task:
    """Read one element of a structured array."""
    return (yield reader.child(group, "value"))[0]


def get_text(reader: Reader, node: Any, kind: str, sel: Any) -> str | bytes:
    """Read a text from the array of its bytes."""
    if sel is not None:
        raise SpecError(f"is a {kind}: sel takes parts of arrays")
    data = decode(node, reader.budget).astype(np.uint8).tobytes()
    return data if kind == "bytes" else data.decode("utf-8", "surrogatepass")
