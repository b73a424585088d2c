"""Encoders and decoders of arrays of numbers, text, dates and objects."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from thunderlike.errors import Hdf5Error, SpecError
from thunderlike.hdf5 import _attributes, _datasets, packed
from thunderlike.hdf5._codec import decodes, encodes, new_group
from thunderlike.hdf5._datasets import plan

if TYPE_CHECKING:
    from h5py.h5d import DatasetID
    from h5py.h5g import GroupID
    from numpy.ma import MaskedArray
    from numpy.typing import NDArray

    from thunderlike.hdf5._codec import Destination, Encoder, Group, Reader, Task, Writer
    from thunderlike.hdf5._datasets import Index
    from thunderlike.hdf5._limits import Budget
    from thunderlike.hdf5.compression import Filters

__all__ = [
    "Encoded",
    "decode",
    "decode_text",
    "encode",
    "values_to_append",
    "write",
]


_CLASSES = {"matrix": np.matrix, "recarray": np.recarray}


@dataclass
class Encoded:
    """Array of a type that HDF5 has, with the attributes and metadata that restore the original."""

    values: NDArray[Any]
    attributes: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)


def encode(array: NDArray[Any]) -> Encoded:
    """Convert an array to a type that HDF5 has."""
    encoded = _encoded(np.asarray(array))
    # Other subclasses are loaded as plain arrays: their constructors are unknown.
    if type(array).__name__ in _CLASSES:
        encoded.metadata["class"] = type(array).__name__
    if array.flags.f_contiguous and not array.flags.c_contiguous:
        encoded.metadata["order"] = "F"
    return encoded


def _encoded(array: NDArray[Any]) -> Encoded:
    dtype = array.dtype
    if not array.size or not dtype.itemsize:
        # By its shape, as deepdish does: PyTables reads no others without elements.
        plain = not (dtype.names or dtype.kind == "T")
        marker = {"zeroarray_dtype": dtype.str.encode() if plain else b"|u1"}
        empty = Encoded(np.array(array.shape, np.int64), marker)
        return empty if plain else _with_dtype(empty, _attributes.to_json(dtype))
    if dtype.kind == "T":
        # PyTables does not read text of variable length: the longest item sets the width.
        longest = max(len(text) for text in array.ravel())
        return _with_dtype(_encoded(array.astype(f"U{max(1, longest)}")), "T")
    if dtype.kind == "U":
        width = np.int64(dtype.itemsize // 4)
        text = Encoded(_as_bytes(_as_native(array)), {"strtype": b"unicode", "itemsize": width})
        return text if dtype.isnative else _with_dtype(text, dtype.str)
    if dtype.kind == "S":
        return Encoded(array, {"strtype": b"ascii", "itemsize": np.int64(dtype.itemsize)})
    if dtype.kind in "mM":
        return _with_dtype(Encoded(_as_native(array).view(np.int64)), dtype.str)
    if dtype.kind == "V":
        values = array if dtype.names else _as_bytes(array)
        return _with_dtype(Encoded(values), _attributes.to_json(dtype))
    return Encoded(array) if dtype.isnative else _with_dtype(Encoded(_as_native(array)), dtype.str)


def _with_dtype(encoded: Encoded, spelled: object) -> Encoded:
    encoded.metadata["dtype"] = spelled
    return encoded


def _as_native(array: NDArray[Any]) -> NDArray[Any]:
    return array.astype(array.dtype.newbyteorder("="), order="C", copy=False)


def _as_bytes(array: NDArray[Any]) -> NDArray[Any]:
    """View elements as bytes, along the last axis."""
    array = np.ascontiguousarray(array)  # which gives a scalar array an axis
    return array.view(np.uint8).reshape(*array.shape[:-1], -1)


def write(
    parent: GroupID, name: str, array: NDArray[Any], filters: Filters, *, grows: bool = False
) -> DatasetID:
    """Write one array with its attributes and metadata; if it grows, it can be extended later."""
    encoded = encode(array)
    shape, dtype = encoded.values.shape, encoded.values.dtype
    dataset = _datasets.create(parent, name, shape, dtype, filters, grows=grows)
    _datasets.write_part(dataset, encoded.values)
    for key, value in encoded.attributes.items():
        _attributes.write(dataset, key, value)
    _attributes.write_metadata(dataset, encoded.metadata)
    return dataset


def decode(
    dataset: DatasetID, budget: Budget, sel: Index | None = None, names: list[str] | None = None
) -> NDArray[Any]:
    """Read an array, or a part of it.

    Parameters
    ----------
    sel : index, optional
        Part to read, as numpy indexes.
    names : list of str, optional
        Names of its attributes, if they have been read.

    Raises
    ------
    BadIndexError
        For an index that does not fit.
    """
    names = _attributes.names_of(dataset) if names is None else names
    metadata = _attributes.read_metadata(dataset, names)
    if "zeroarray_dtype" in names:
        array = _read_empty(dataset, metadata, budget)
        return array if sel is None else array[sel]
    array = _read(dataset, metadata, _text_dtype(dataset, names), budget, sel)
    return _restored(array, metadata) if sel is None else array


def _text_dtype(dataset: DatasetID, names: list[str]) -> np.dtype[Any] | None:
    """Return the dtype of text that is stored as bytes; None for other arrays."""
    if "strtype" not in names or _attributes.read(dataset, "strtype") != b"unicode":
        return None
    width = int(_attributes.read(dataset, "itemsize"))
    if not 0 < width < 2**28:
        raise Hdf5Error(f"has text of {width} characters")
    return np.dtype(f"U{width}")


def _read(
    dataset: DatasetID,
    metadata: dict[str, Any],
    in_bytes: np.dtype[Any] | None,
    budget: Budget,
    sel: Index | None,
) -> NDArray[Any]:
    """Read an array whose elements are bytes along the last axis, unless `in_bytes` is None."""
    wanted = _attributes.from_json(metadata["dtype"]) if "dtype" in metadata else None
    if in_bytes is None and wanted is not None and wanted.kind == "V" and not wanted.names:
        in_bytes = wanted
    unit = 1 if in_bytes is None else in_bytes.itemsize
    shape = _datasets.shape_of(dataset)
    if unit > 1:
        if not shape or shape[-1] % unit:
            raise Hdf5Error(f"of shape {shape} does not hold elements of {unit} bytes")
        shape = (*shape[:-1], shape[-1] // unit)
    planned = None if sel is None else plan(sel, shape)
    values = _datasets.read(dataset, budget, planned, unit)
    if in_bytes is not None:
        if values.dtype != np.uint8:
            raise Hdf5Error(f"holds {values.dtype} where bytes of text are expected")
        # numpy decodes code points beyond Unicode without an error, and fails to print them.
        if in_bytes.kind == "U" and values.size and values.view(np.uint32).max() > 0x10FFFF:
            raise Hdf5Error("holds text with code points beyond Unicode")
        values = values.view(in_bytes)
    values = values if wanted is None else _converted(values, wanted)
    return values if planned is None else values[planned.after]


def _converted(values: NDArray[Any], wanted: np.dtype[Any]) -> NDArray[Any]:
    """Convert to the dtype of the metadata, if it fits the values in the file."""
    if wanted.kind in "mM":
        # Dates are stored as integers: h5py has no type of HDF5 for them.
        times = values.view(wanted.newbyteorder("=")) if values.dtype == np.int64 else values
        return times.astype(wanted, copy=False)
    if wanted.names:
        return values.astype(wanted) if values.dtype.names == wanted.names else values
    # Damaged metadata must not turn text into numbers, or numbers into dates.
    same = values.dtype.kind == wanted.kind or {values.dtype.kind, wanted.kind} == {"U", "T"}
    return values.astype(wanted, copy=False) if same else values


def _read_empty(dataset: DatasetID, metadata: dict[str, Any], budget: Budget) -> NDArray[Any]:
    shape = tuple(int(n) for n in _datasets.read(dataset, budget).ravel())
    spelled = metadata.get("dtype") or bytes(_attributes.read(dataset, "zeroarray_dtype")).decode()
    dtype = _attributes.from_json(spelled)
    if len(shape) > 64 or min(shape, default=0) < 0:
        raise Hdf5Error(f"announces the shape {shape!r:.60}")
    # The shape comes from the file, which may be damaged or hostile.
    budget.spend(math.prod(shape) * dtype.itemsize)
    return _restored(np.zeros(shape, dtype), metadata)


def _restored(array: NDArray[Any], metadata: dict[str, Any]) -> NDArray[Any]:
    """Restore the memory order and the class of an array."""
    if metadata.get("order") == "F":
        array = np.asfortranarray(array)
    kind = _CLASSES.get(metadata.get("class", ""))
    return array if kind is None else array.view(kind)


def values_to_append(dataset: DatasetID, array: NDArray[Any]) -> NDArray[Any]:
    """Encode records to append to an array of the file; SpecError if they do not fit it."""
    names = _attributes.names_of(dataset)
    text = _text_dtype(dataset, names)
    if text is not None and array.dtype.kind == "U" and array.dtype <= text:
        array = array.astype(text)
    metadata, encoded = _attributes.read_metadata(dataset, names), encode(array)
    dtype = _datasets.plain_type_of(dataset)
    fits = (
        encoded.values.dtype == dtype
        and encoded.values.shape[1:] == dataset.shape[1:]
        and (text is None or text == array.dtype)
        and encoded.metadata.get("dtype") == metadata.get("dtype")
    )
    if not fits:
        raise SpecError(
            f"holds {dtype} records of shape {dataset.shape[1:]}, and cannot be extended by "
            f"{array.dtype} of shape {array.shape[1:]}"
        )
    return encoded.values


# encoding


@encodes(np.ndarray, subclasses=True)
def _encode_array(writer: Writer, dest: Destination, value: NDArray[Any]) -> Task:
    encoder = _parts_encoder(value)
    if encoder is None:
        write(dest.parent, dest.name, value, dest.filters)
        return _done()
    return encoder(writer, dest, value)


def _done() -> Task:
    return
    yield


def _parts_encoder(array: NDArray[Any]) -> Encoder | None:
    """Return the encoder of an array that is written as a group; None for others."""
    if isinstance(array, np.ma.MaskedArray):
        return _encode_masked
    if array.dtype.kind == "O":
        return _encode_objects
    if array.dtype.kind == "T" and array.dtype != np.dtypes.StringDType():
        return None
    return None if _attributes.native(array.dtype) or not array.size else _encode_fields


def _encode_masked(writer: Writer, dest: Destination, value: MaskedArray[Any, Any]) -> Task:
    parts = {"data": value.data, "mask": np.ma.getmaskarray(value), "fill": value.fill_value}
    if value.mask is np.ma.nomask:
        del parts["mask"]
    group = new_group(dest, f"dict:{len(parts)}")
    yield writer.encode_mapping(dest, group, parts, kind="masked")


def _encode_objects(writer: Writer, dest: Destination, value: NDArray[Any]) -> Task:
    order = "F" if value.flags.f_contiguous and not value.flags.c_contiguous else "C"
    group = new_group(dest, f"list:{value.size}")
    items = ((f"i{i}", v) for i, v in enumerate(value.ravel()))
    entries = yield packed.encode_entries(writer, dest, group, items)
    if "packed" in entries:
        packed.retitle(group, f"dict:{value.size}")
    metadata = {"kind": "objects", "shape": list(value.shape), "order": order}
    writer.write_metadata(group, {**entries, **metadata})


def _encode_fields(writer: Writer, dest: Destination, value: NDArray[Any]) -> Task:
    names = value.dtype.names or ()
    group = new_group(dest, f"dict:{len(names)}")
    parts = {name: np.asarray(value[name]) for name in names}
    metadata = {"dtype": _attributes.to_json(value.dtype), "shape": list(value.shape)}
    if isinstance(value, np.recarray):
        metadata["class"] = "recarray"
    yield writer.encode_mapping(dest, group, parts, kind="fields", **metadata)


@encodes(np.void)
def _encode_record(writer: Writer, dest: Destination, value: np.void) -> Task:
    group = new_group(dest, "dict:1")
    parts = {"value": np.asarray(value).reshape(1)}
    yield writer.encode_mapping(dest, group, parts, kind="record")


@encodes(str, bytes, np.str_, np.bytes_)
def _encode_text(_writer: Writer, dest: Destination, value: str | bytes) -> Task:
    """Write text that does not fit in an attribute as an array of its bytes."""
    text = isinstance(value, str)
    data = value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value
    dataset = write(dest.parent, dest.name, np.frombuffer(data, np.uint8), dest.filters)
    _attributes.delete_metadata(dataset)
    _attributes.write_metadata(dataset, {"kind": "str" if text else "bytes"})
    return _done()


# decoding


@decodes("masked", selectable=True)
def _decode_masked(reader: Reader, group: Group, _address: int, sel: object) -> Task:
    data = yield reader.decode_child(group, "data", sel)
    mask = np.ma.nomask
    if "mask" in group.nodes:
        mask = yield reader.decode_child(group, "mask", sel)
    fill = reader.scalar(group, "fill") if "fill" in group.scalars else None
    return np.ma.MaskedArray(data, mask, fill_value=fill)


@decodes("objects", selectable=True)
def _decode_objects(reader: Reader, group: Group, address: int, sel: Index | None) -> Task:
    shape = _shape(group, len(group.ordered()))
    # The entries are in C order; the memory order is that of the saved array.
    order: Literal["C", "F"] = "F" if group.metadata.get("order") == "F" else "C"
    result: NDArray[Any] = np.empty(shape, object, order)
    reader.enter(address, result)  # before its entries: it may contain itself
    values = yield reader.decode_items(group)
    items = dict(zip(np.ndindex(result.shape), values, strict=True))
    reader.fill(items, result.__setitem__)
    return result if sel is None else result[sel]


def _shape(group: Group, count: int) -> tuple[int, ...]:
    """Return the shape in the metadata; Hdf5Error unless it has `count` elements."""
    shape = group.metadata.get("shape")
    if not isinstance(shape, list) or not all(isinstance(n, int) and n >= 0 for n in shape):
        raise Hdf5Error("has no valid shape in its metadata")
    if math.prod(shape) != count or len(shape) > 64:
        raise Hdf5Error(f"has the shape {shape!r:.60} in its metadata for {count} elements")
    return tuple(shape)


@decodes("fields", selectable=True)
def _decode_fields(reader: Reader, group: Group, _address: int, sel: Index | None) -> Task:
    """Read a structured array whose fields are arrays of their own."""
    dtype = _attributes.from_json(group.metadata.get("dtype"))
    parts = yield reader.decode_entries(group)
    keys = group.keys(reader.pickle)
    named = {keys.get(name, name): np.asarray(part) for name, part in parts.items()}
    # Fields may have a shape of their own, after that of the array.
    first = next(iter(named.values()))
    shape = _shape(group, math.prod(group.metadata.get("shape", ())))
    reader.budget.spend(math.prod(shape) * dtype.itemsize)
    if dtype.names is None or first.shape[: len(shape)] != shape:
        raise Hdf5Error("has another shape in its metadata than its fields")
    result = np.empty(shape, dtype)
    for name in dtype.names:
        result[name] = named[name]
    if group.metadata.get("class") == "recarray":
        result = result.view(np.recarray)
    return result if sel is None else result[sel]


@decodes("record")
def _decode_record(reader: Reader, group: Group, _address: int, _sel: object) -> Task:
    return (yield reader.decode_child(group, "value"))[0]


def decode_text(
    dataset: DatasetID, budget: Budget, kind: Literal["str", "bytes"], sel: object
) -> str | bytes:
    """Read text from an array of its bytes."""
    if sel is not None:
        raise SpecError(f"is a {kind}: sel takes parts of arrays")
    data = decode(dataset, budget).astype(np.uint8).tobytes()
    return data if kind == "bytes" else data.decode("utf-8", "surrogatepass")
