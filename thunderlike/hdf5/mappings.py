"""Dictionaries, namespaces and dataclasses, both ways: a group whose entries have names."""

from __future__ import annotations

import collections
import dataclasses
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from thunderlike.hdf5.places import new_group

if TYPE_CHECKING:
    from thunderlike.hdf5.decode import Reader
    from thunderlike.hdf5.encode import Writer
    from thunderlike.hdf5.groups import Group
    from thunderlike.hdf5.places import Place
    from thunderlike.hdf5.walking import Task

__all__ = [
    "get_dataclass",
    "get_dict",
    "get_namespace",
    "put_dataclass",
    "put_dict",
    "put_namespace",
]


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
