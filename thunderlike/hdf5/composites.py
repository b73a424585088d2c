"""Arrays that are several in the file, both ways: masked, of objects, of fields; and long texts."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike.errors import Hdf5Error, SpecError
from thunderlike.hdf5 import arrays, dtypes, metadata, sequences
from thunderlike.hdf5.places import new_group

if TYPE_CHECKING:
    from collections.abc import Callable

    from thunderlike.hdf5.decode import Reader
    from thunderlike.hdf5.encode import Writer
    from thunderlike.hdf5.groups import Group
    from thunderlike.hdf5.places import Place
    from thunderlike.hdf5.walking import Task

__all__ = [
    "codec_of",
    "get_fields",
    "get_masked",
    "get_objects",
    "get_record",
    "get_text",
    "put_record",
    "put_text",
]


# Python to file


def codec_of(array: np.ndarray[Any, Any]) -> Callable[[Writer, Place, Any], Task] | None:
    """Find what writes an array in parts: masked, of objects, of fields HDF5 has no type for."""
    if isinstance(array, np.ma.MaskedArray):
        return _put_masked
    if array.dtype.kind == "O":
        return _put_objects
    if array.dtype.kind == "T" and array.dtype != np.dtypes.StringDType():
        return None
    return None if dtypes.native(array.dtype) or not array.size else _put_fields


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
    known = {"dtype": dtypes.to_json(value.dtype), "shape": list(value.shape)}
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
    dataset = arrays.write(place.parent, place.name, np.frombuffer(data, np.uint8), place.filters)
    metadata.delete(dataset)
    metadata.write(dataset, {"kind": "str" if text else "bytes"})
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
    values = yield sequences.get_items(reader, group)
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
    dtype = dtypes.from_json(group.known.get("dtype"))
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
    data = arrays.decode(node, reader.budget).astype(np.uint8).tobytes()
    return data if kind == "bytes" else data.decode("utf-8", "surrogatepass")
