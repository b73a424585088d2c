"""Lists, tuples, dictionaries and namespaces."""

from __future__ import annotations

import collections
import dataclasses
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike.errors import Hdf5Error
from thunderlike.hdf5 import _attributes, arrays
from thunderlike.hdf5._codec import Later, new_group

if TYPE_CHECKING:
    from collections.abc import Callable

    from thunderlike.hdf5._codec import Group, Place, Task
    from thunderlike.hdf5.decoder import Reader
    from thunderlike.hdf5.encoder import Writer

__all__ = [
    "MANY",
    "get_dataclass",
    "get_dict",
    "get_items",
    "get_list",
    "get_namespace",
    "get_tuple",
    "put_dataclass",
    "put_dict",
    "put_namedtuple",
    "put_namespace",
    "put_sequence",
    "unpacked",
]


MANY = 256  # numbers or texts in a list: from here on they are one array, as in no other reader


# Python to file


def put_sequence(writer: Writer, place: Place, value: Any) -> Task:
    """Write what has an order, or a set."""
    items = list(value)
    if len(items) >= MANY and (packed := _packed(items)) is not None and writer.meta:
        code, array = packed
        dataset = arrays.write(place.parent, place.name, array, place.filters)
        stored = _attributes.read_metadata(dataset, _attributes.names_of(dataset))
        _attributes.delete_metadata(dataset)
        _attributes.write_metadata(dataset, {**stored, "kind": type(value).__name__, "items": code})
        return
    kind = {} if type(value) in (list, tuple) else {"kind": type(value).__name__}
    yield _put_items(writer, place, value, **kind)


def put_namedtuple(writer: Writer, place: Place, value: Any) -> Task:
    """Write a named tuple, and the names of its class and fields."""
    known = {"class": type(value).__qualname__, "fields": list(value._fields)}
    yield _put_items(writer, place, value, kind="namedtuple", **known)


def _put_items(writer: Writer, place: Place, value: Any, **known: Any) -> Task:
    title = "tuple" if isinstance(value, tuple) else "list"
    group = new_group(place, f"{title}:{len(value)}")
    told = yield writer.entries(place, group, ((f"i{i}", v) for i, v in enumerate(value)))
    writer.known(group, {**told, **known})


def _packed(items: list[Any]) -> tuple[str, Any] | None:
    """Many items of one plain type as one array; None when they do not fit in one."""
    kinds = set(map(type, items))
    if len(kinds) > 1:
        return None
    kind = kinds.pop()
    if kind is int and min(items) >= -(2**63) and max(items) < 2**63:
        return "int", np.array(items, np.int64)
    if kind in (float, bool, complex):
        return kind.__name__, np.array(items)
    if kind is str:
        return _packed_texts(items)
    return None


def _packed_texts(items: list[str]) -> tuple[str, Any] | None:
    """Texts as one array, if the longest does not make it several times as large."""
    longest, total = max(map(len, items)), sum(map(len, items))
    wasteful = longest * len(items) > 4 * total + 1024
    unfit = any("\0" in text or (not text.isascii() and _has_surrogate(text)) for text in items)
    return None if wasteful or unfit or not longest else ("str", np.array(items))


def _has_surrogate(text: str) -> bool:
    return any("\ud800" <= letter <= "\udfff" for letter in text)


# file to Python

_MAKERS: dict[str, Any] = {
    "list": list,
    "tuple": tuple,
    "set": set,
    "frozenset": frozenset,
    "deque": collections.deque,
}


def unpacked(array: Any, known: dict[str, Any]) -> Any:
    """Make a list, tuple or set of many numbers or texts from the array it was made."""
    kind = _MAKERS.get(known.get("kind", ""))
    return array if kind is None or array.ndim != 1 else kind(array.tolist())


def get_items(reader: Reader, group: Group) -> Task:
    """Read the entries i0, i1, ... in order."""
    there = [name for name in group.ordered() if name[:1] == "i" and name[1:].isdecimal()]
    values = yield reader.entries(group, sorted(there, key=lambda name: int(name[1:])))
    return list(values.values())


def get_list(reader: Reader, group: Group, address: int, _sel: Any) -> Task:
    """Read a list or a deque; it is known before its entries are, for they may hold it."""
    deque = group.known.get("kind") == "deque"
    found: Any = reader.early(address, collections.deque() if deque else [])
    values = yield get_items(reader, group)
    found.extend(values)
    reader.fill(
        {str(i): v for i, v in enumerate(values) if isinstance(v, Later)},
        lambda name, value: found.__setitem__(int(name), value),
    )
    return found


def get_tuple(reader: Reader, group: Group, address: int, _sel: Any) -> Task:
    """Read what can only be made when all its entries are: a tuple or a set."""
    later = reader.pending(address)
    values = yield get_items(reader, group)
    return later.made_of(values, _maker(reader, group.known))


def _maker(reader: Reader, known: dict[str, Any]) -> Callable[[list[Any]], Any]:
    kind = known.get("kind")
    if kind == "namedtuple":
        named = reader.classes.get(known.get("class", "")) or _named(known)
        return lambda values: named(*values)
    return _MAKERS.get(str(kind), tuple)


def _named(known: dict[str, Any]) -> Any:
    """A class like the one that was saved; namedtuple itself checks the names."""
    try:
        name = known["class"].rpartition(".")[2]
        return collections.namedtuple(name, known["fields"])
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise Hdf5Error(f"has no names for a named tuple: {error}") from error


def put_dict(writer: Writer, place: Place, value: Any) -> Task:
    """Write a dictionary, or one of Python's own classes that are based on it."""
    group = new_group(place, f"dict:{len(value)}")
    yield writer.dictionary(place, group, value, **_kind(value))


def _kind(value: Any) -> dict[str, Any]:
    """What metadata says of a mapping: nothing of a dict."""
    kind = type(value).__name__
    if type(value) is dict:
        return {}
    if isinstance(value, collections.defaultdict):
        factory = getattr(value.default_factory, "__name__", "")
        return {"kind": kind, "factory": factory}
    return {"kind": kind}


def put_namespace(writer: Writer, place: Place, value: SimpleNamespace) -> Task:
    """Write a namespace."""
    group = new_group(place, f"SimpleNamespace:{len(vars(value))}")
    yield writer.dictionary(place, group, vars(value))


def put_dataclass(writer: Writer, place: Place, value: Any) -> Task:
    """Write the fields of a dataclass, and its name."""
    parts = {part.name: getattr(value, part.name) for part in dataclasses.fields(value)}
    group = new_group(place, f"dict:{len(parts)}")
    known = {"kind": "dataclass", "class": type(value).__qualname__}
    yield writer.dictionary(place, group, parts, **known)


def get_dict(reader: Reader, group: Group, address: int, _sel: Any) -> Task:
    """Read a dictionary; it is known before its entries are, for they may hold it."""
    found = reader.early(address, _empty(group.known))
    keys = group.keys(reader.pickle)
    values = yield reader.readable_entries(group)
    reader.fill(values, lambda name, value: _store(found, keys.get(name, name), name, value))
    return found


def _store(found: dict[Any, Any], key: Any, name: str, value: Any) -> None:
    if name.startswith("__pair") and isinstance(value, dict) and value.keys() == {"key", "value"}:
        key, value = value["key"], value["value"]  # deepdish's first way with keys
    found[key] = value


def _empty(known: dict[str, Any]) -> dict[Any, Any]:
    kind = known.get("kind")
    if kind == "defaultdict":
        return collections.defaultdict(_FACTORIES.get(known.get("factory", "")))
    if kind == "OrderedDict":
        return collections.OrderedDict()
    return collections.Counter() if kind == "Counter" else {}


_FACTORIES: dict[str, Any] = {
    kind.__name__: kind for kind in (list, dict, set, tuple, int, float, str, bytes, bool)
}


def get_namespace(reader: Reader, group: Group, address: int, _sel: Any) -> Task:
    """Read a namespace."""
    found = reader.early(address, SimpleNamespace())
    keys = group.keys(reader.pickle)
    values = yield reader.readable_entries(group)
    reader.fill(values, lambda name, value: setattr(found, keys.get(name, name), value))
    return found


def get_dataclass(reader: Reader, group: Group, address: int, sel: Any) -> Task:
    """Read a dataclass, if the caller passed it; else its fields as a dictionary."""
    kind = reader.classes.get(group.known.get("class", ""))
    if kind is None:
        return (yield get_dict(reader, group, address, sel))
    found = reader.early(address, object.__new__(kind))
    keys = group.keys(reader.pickle)
    values = yield reader.readable_entries(group)
    # As pickle does: what was saved is restored, not computed again.
    reader.fill(values, lambda name, v: object.__setattr__(found, keys.get(name, name), v))
    return found
