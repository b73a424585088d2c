"""Encoders and decoders of lists, tuples, sets, dictionaries, namespaces and dataclasses."""

from __future__ import annotations

import collections
import dataclasses
import re
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike.hdf5 import _attributes, arrays, packed
from thunderlike.hdf5._codec import (
    ENCODERS,
    Deferred,
    decodes,
    encodes,
    new_group,
    selects_encoder,
)
from thunderlike.hdf5._documents import DICTS, FACTORIES, MAKERS, named_tuple

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from _typeshed import DataclassInstance
    from numpy.typing import NDArray

    from thunderlike.hdf5._codec import Destination, Encoder, Group, Reader, Task, Writer

__all__ = ["unpacked"]


_SURROGATES = re.compile("[\ud800-\udfff]")

# Builtin types whose subclasses are written as they are, with the conversion to them.
_BASES: dict[type, Callable[[Any], Any]] = {
    **{base: base for base in (dict, list, tuple, set, frozenset, str, bytes)},
    SimpleNamespace: lambda value: SimpleNamespace(**vars(value)),
}


# encoding


@encodes(type(None))
def _encode_none(_writer: Writer, dest: Destination, _value: None) -> Task:
    new_group(dest, "nonetype:")
    return
    yield


@encodes(list, tuple, set, frozenset, collections.deque)
def _encode_sequence(writer: Writer, dest: Destination, value: Collection[Any]) -> Task:
    items = list(value)
    # The metadata say that the array is a list; without them it would be loaded as an array.
    if len(items) >= packed.WIDTH and writer.meta and (found := _packed(items)) is not None:
        code, array = found
        dataset = arrays.write(dest.parent, dest.name, array, dest.filters)
        stored = _attributes.read_metadata(dataset, _attributes.names_of(dataset))
        _attributes.delete_metadata(dataset)
        _attributes.write_metadata(dataset, {**stored, "kind": type(value).__name__, "items": code})
        return
    metadata = {} if type(value) in (list, tuple) else {"kind": type(value).__name__}
    yield _encode_items(writer, dest, value, metadata)


def _encode_namedtuple(writer: Writer, dest: Destination, value: Any) -> Task:
    fields = {"class": type(value).__qualname__, "fields": list(value._fields)}
    yield _encode_items(writer, dest, value, {"kind": "namedtuple", **fields})


def _encode_items(
    writer: Writer, dest: Destination, value: Collection[Any], metadata: dict[str, Any]
) -> Task:
    title = "tuple" if isinstance(value, tuple) else "list"
    group = new_group(dest, f"{title}:{len(value)}")
    items = ((f"i{i}", item) for i, item in enumerate(value))
    entries = yield packed.encode_entries(writer, dest, group, items)
    if "packed" in entries:
        packed.retitle(group, f"dict:{len(value)}")
        metadata = {"kind": title, **metadata}
    writer.write_metadata(group, {**entries, **metadata})


def _packed(items: list[Any]) -> tuple[str, NDArray[Any]] | None:
    """Return the type and the array of items of one plain type; None for others."""
    # Of one exact type: numpy would make ints of booleans among ints, and floats of both.
    kinds = set(map(type, items))
    if len(kinds) > 1:
        return None
    kind = kinds.pop()
    if kind is int and min(items) >= -(2**63) and max(items) < 2**63:
        return "int", np.array(items, np.int64)
    if kind in (float, bool, complex):
        return kind.__name__, np.array(items)
    if kind is not str:
        return None
    longest, total = max(map(len, items)), sum(map(len, items))
    # The longest item sets the width of all: it may make the array several times as large.
    wasteful = longest * len(items) > 4 * total + 1024
    # numpy drops zeros at the end, and HDF5 takes no surrogates.
    unfit = any("\0" in t or (not t.isascii() and _SURROGATES.search(t)) for t in items)
    return None if wasteful or unfit or not longest else ("str", np.array(items))


@encodes(dict, collections.OrderedDict, collections.defaultdict, collections.Counter)
def _encode_dict(writer: Writer, dest: Destination, value: dict[Any, Any]) -> Task:
    metadata = {} if type(value) is dict else {"kind": type(value).__name__}
    if isinstance(value, collections.defaultdict):
        metadata["factory"] = getattr(value.default_factory, "__name__", "")
    group = new_group(dest, f"dict:{len(value)}")
    yield writer.encode_mapping(dest, group, value, packed.encode_entries, **metadata)


@encodes(SimpleNamespace)
def _encode_namespace(writer: Writer, dest: Destination, value: SimpleNamespace) -> Task:
    group = new_group(dest, f"SimpleNamespace:{len(vars(value))}")
    yield writer.encode_mapping(dest, group, vars(value), packed.encode_entries)


def _encode_dataclass(writer: Writer, dest: Destination, value: DataclassInstance) -> Task:
    parts = {part.name: getattr(value, part.name) for part in dataclasses.fields(value)}
    group = new_group(dest, f"dict:{len(parts)}")
    metadata = {"kind": "dataclass", "class": type(value).__qualname__}
    yield writer.encode_mapping(dest, group, parts, **metadata)


@selects_encoder(object)
def _encoder_of_subclass(kind: type) -> Encoder | None:
    """Return the encoder of dataclasses, named tuples and subclasses of the builtin types.

    The constructor of a subclass is unknown, so that its values are written as the builtin type.
    """
    if dataclasses.is_dataclass(kind):
        return _encode_dataclass
    base = next((base for base in _BASES if issubclass(kind, base)), None)
    if base is None:
        return None
    if base is tuple and hasattr(kind, "_fields"):
        return _encode_namedtuple
    convert = _BASES[base]
    return lambda writer, dest, value: ENCODERS[base](writer, dest, convert(value))


# decoding


@decodes("none")
def _decode_none(_reader: Reader, _group: Group, _address: int, _sel: object) -> Task:
    return None
    yield


def unpacked(array: NDArray[Any], metadata: dict[str, Any]) -> Any:
    """Return the list, tuple or set that was written as one array."""
    maker = MAKERS.get(metadata.get("kind", ""))
    return array if maker is None or array.ndim != 1 else maker(array.tolist())


@decodes("list", "deque")
def _decode_list(reader: Reader, group: Group, address: int, _sel: object) -> Task:
    deque = group.metadata.get("kind") == "deque"
    result: Any = reader.enter(address, collections.deque() if deque else [])
    values = yield reader.decode_items(group)
    # Placeholders are replaced when the tuples that contain the list are made.
    result.extend(values)
    deferred = {i: v for i, v in enumerate(values) if isinstance(v, Deferred)}
    reader.fill(deferred, result.__setitem__)
    return result


@decodes("tuple", "namedtuple", "set", "frozenset")
def _decode_tuple(reader: Reader, group: Group, address: int, _sel: object) -> Task:
    deferred = reader.defer(address)
    values = yield reader.decode_items(group)
    kind = str(group.metadata.get("kind"))
    if kind == "namedtuple":
        named = reader.classes.get(group.metadata.get("class", "")) or named_tuple(group.metadata)
        return deferred.made_of(values, lambda values: named(*values))
    return deferred.made_of(values, MAKERS.get(kind, tuple))


@decodes("dict", "OrderedDict", "defaultdict", "Counter")
def _decode_dict(reader: Reader, group: Group, address: int, _sel: object) -> Task:
    empty = DICTS.get(str(group.metadata.get("kind")), dict)()
    if isinstance(empty, collections.defaultdict):
        empty.default_factory = FACTORIES.get(group.metadata.get("factory", ""))
    result = reader.enter(address, empty)
    # Keys first: a refused one is an error before the values are read.
    keys = group.keys(reader.pickle)
    values = yield reader.decode_readable(group)
    reader.fill(values, lambda name, value: _store(result, keys.get(name, name), name, value))
    return result


def _store(result: dict[Any, Any], key: object, name: str, value: object) -> None:
    if name.startswith("__pair") and isinstance(value, dict) and value.keys() == {"key", "value"}:
        key, value = value["key"], value["value"]  # old versions of deepdish write keys so
    result[key] = value


@decodes("namespace")
def _decode_namespace(reader: Reader, group: Group, address: int, _sel: object) -> Task:
    result = reader.enter(address, SimpleNamespace())
    keys = group.keys(reader.pickle)
    values = yield reader.decode_readable(group)
    reader.fill(values, lambda name, value: setattr(result, keys.get(name, name), value))
    return result


@decodes("dataclass")
def _decode_dataclass(reader: Reader, group: Group, address: int, sel: object) -> Task:
    """Read a dataclass if `classes` has it, else its fields as a dictionary."""
    kind = reader.classes.get(group.metadata.get("class", ""))
    if kind is None:
        return (yield _decode_dict(reader, group, address, sel))
    result = reader.enter(address, object.__new__(kind))
    keys = group.keys(reader.pickle)
    values = yield reader.decode_readable(group)
    # As pickle does: fields are restored, and __init__ is not called. A frozen class allows no
    # other way.
    reader.fill(values, lambda name, v: object.__setattr__(result, keys.get(name, name), v))
    return result
