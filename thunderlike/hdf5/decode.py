"""From the file to Python: what each node becomes.

What a group is says its metadata, else its title (deepdish's), else its attributes (pandas'), else
it is a dictionary. Nothing the file says makes this room import or call anything: kinds are looked
up in the table `KINDS`, classes in those that the caller passed.
"""

from __future__ import annotations

import collections
import math
from dataclasses import dataclass, field
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
from h5py import h5d, h5g, h5o

from thunderlike.errors import Hdf5Error, Refused, SpecError
from thunderlike.hdf5 import arrays, attributes, datasets, links, metadata, names, pickles, scalars
from thunderlike.hdf5.guard import Budget
from thunderlike.hdf5.later import Later, forced

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from thunderlike.hdf5.pickles import Policy
    from thunderlike.hdf5.walking import Task

__all__ = ["Group", "Reader", "kind_of", "ordered", "true_keys", "whole"]

SYSTEM = names.SYSTEM
_MARKS = SYSTEM | {"strtype", "itemsize", "zeroarray_dtype", "PSEUDOATOM", "format", "pandas_type"}
_MARKS |= {"pandas_version", "encoding", "errors", "kind", "name", "value_type", "transposed", "tz"}
_MARKS |= {f"{names.HIDDEN}{rest}" for rest in ("_VERSION", "_TL", "_ROOT_IS_SNS")}
_MARKS |= {"DEEPDISH_IO_DEEPDISH_IO_UNPACK", "nblocks", "ndim", "axis0_variety", "axis1_variety"}


@dataclass
class Group:
    """A group that is open: what its attributes are called, and what its metadata say."""

    id: Any
    path: str
    names: list[str]
    known: dict[str, Any]

    @property
    def scalars(self) -> list[str]:
        """Attributes that are entries, not the file's own."""
        return [n for n in self.names if n not in SYSTEM and not n.startswith(names.HIDDEN)]

    def attribute(self, name: str, default: Any = None) -> Any:
        """Read an attribute if it is there."""
        return attributes.read(self.id, name) if name in self.names else default


@dataclass
class Reader:
    """Reads nodes, each once: what two links lead to is one object.

    Parameters
    ----------
    root : h5py.h5g.GroupID
        Of the file.
    pickle : {'refuse', 'restricted', 'allow'}
        What pickles may do.
    python : bool
        Restore Python's own types where the file says which they were.
    classes : mapping
        Classes that may be made anew, by name.
    """

    root: Any
    pickle: Policy = "refuse"
    python: bool = True
    budget: Budget = field(default_factory=Budget)
    classes: Mapping[str, Any] = field(default_factory=dict)
    here: str = "/"  # what is being read, for messages
    _made: dict[int, Any] = field(default_factory=dict)
    _fixes: list[Callable[[], None]] = field(default_factory=list)

    def open(self, parent: Any, path: str, name: str) -> tuple[Any, str]:
        """Open an entry of a group, and say where it really is; links never leave the file."""
        self.here = links.join(path, name)
        return links.follow(self.root, parent, path, name)

    def group(self, node: Any, path: str) -> Group:
        """Look at a group's attributes."""
        found = attributes.names_of(node)
        self.check_marks(node, found)
        return Group(node, path, found, metadata.read(node, found))

    def check_marks(self, node: Any, found: list[str]) -> None:
        """Refuse pickles in what describes a node: PyTables runs them as soon as it sees it."""
        if self.pickle != "allow":
            for name in _MARKS.intersection(found):
                stored = attributes.read(node, name)
                if isinstance(stored, bytes) and stored.endswith(b"."):
                    self._refuse(name, stored)

    def _refuse(self, name: str, stored: bytes) -> None:
        try:
            pickles.from_attribute(bytes(stored), self.pickle)
        except Refused as error:
            raise Refused(f"its attribute {name} {error}") from None

    def node(self, node: Any, path: str, sel: Any = None) -> Task:
        """Read a group or an array."""
        self.here = path
        address = h5o.get_info(node).addr
        if sel is None and address in self._made:
            return self._made[address]
        if isinstance(node, h5d.DatasetID):
            value = self._dataset(node, sel)
        elif isinstance(node, h5g.GroupID):
            group = self.group(node, path)
            value = yield KINDS[kind_of(group)](self, group, address, sel)
        else:
            raise Hdf5Error("is neither a group nor an array")
        if sel is None:
            self._made[address] = value
        return value

    def child(self, group: Group, name: str, sel: Any = None) -> Task:
        """Read an entry that is a node."""
        node, path = self.open(group.id, group.path, name)
        return self.node(node, path, sel)

    def finished(self, value: Any) -> Any:
        """Put what was not ready where it belongs: tuples that hold themselves by way of a list."""
        for fix in self._fixes:
            fix()
        return forced(value)

    # arrays

    def _dataset(self, node: Any, sel: Any) -> Any:
        found = attributes.names_of(node)
        self.check_marks(node, found)
        if "PSEUDOATOM" in found or _class(node, found) == "VLARRAY":
            if sel is not None:
                raise SpecError("is pickled: sel cannot take a part of it")
            return pickles.loads(datasets.read_pickle(node, self.budget), self.pickle)
        known = metadata.read(node, found)
        if known.get("kind") in ("str", "bytes"):
            return self._long_text(node, known["kind"], sel)
        array = arrays.decode(node, self.budget, sel, found)
        if "items" in known and self.python:
            return _unpacked(array, known)
        single = isinstance(array, np.ndarray) and not array.ndim and "dtype" not in known
        return array[()] if single else array

    def _long_text(self, node: Any, kind: str, sel: Any) -> Any:
        if sel is not None:
            raise SpecError(f"is a {kind}: sel takes parts of arrays")
        data = arrays.decode(node, self.budget).astype(np.uint8).tobytes()
        return data if kind == "bytes" else data.decode("utf-8", "surrogatepass")

    # entries

    def scalar(self, group: Group, name: str) -> Any:
        """Read an entry that is an attribute."""
        self.here = links.join(group.path, name)
        stored = attributes.read(group.id, name)
        if isinstance(stored, np.bytes_) and stored.endswith(b"."):
            found = pickles.from_attribute(bytes(stored), self.pickle)
            return _scalar_of(found) if found is not stored else stored
        code = group.known.get("entries", {}).get(name) if self.python else None
        return scalars.decode(stored, code, self.classes) if code else stored

    def entries(self, group: Group, wanted: Sequence[str] | None = None) -> Task:
        """Read all entries of a group, in the order they were saved, else as deepdish orders."""
        values = {}
        attrs = set(group.scalars)
        for name in ordered(group) if wanted is None else wanted:
            values[name] = (
                self.scalar(group, name) if name in attrs else (yield self.child(group, name))
            )
        return values

    def fill(self, values: Mapping[str, Any], store: Callable[[str, Any], None]) -> None:
        """Store entries; those that are not ready yet, later."""
        for name, value in values.items():
            store(name, value)  # what is not ready too: it keeps the order
            if isinstance(value, Later):
                self._fixes.append(partial(_settle, store, name, value))

    def early(self, address: int, value: Any) -> Any:
        """Make a container known before its entries are read, for they may hold it."""
        self._made[address] = value
        return value

    def pending(self, address: int) -> Later:
        """Stand for what cannot be made before its entries are: a tuple."""
        later = Later()
        self._made[address] = later
        return later


def _settle(store: Callable[[str, Any], None], name: str, value: Later) -> None:
    store(name, value.get())


def _class(node: Any, found: list[str]) -> str:
    return str(attributes.read(node, "CLASS")) if "CLASS" in found else ""


def _scalar_of(found: Any) -> Any:
    """A whole number too big for 64 bits, which deepdish wraps in an array of objects."""
    return found.item() if isinstance(found, np.ndarray) and not found.ndim else found


def _unpacked(array: Any, known: dict[str, Any]) -> Any:
    """A list of many numbers or texts, from the array it was made."""
    kind = _SEQUENCES.get(known.get("kind", ""))
    return array if kind is None or array.ndim != 1 else kind(array.tolist())


def ordered(group: Group) -> list[str]:
    """Names of all entries that are there: as saved, then nodes by name, then attributes."""
    nodes, attrs = sorted(links.names_of(group.id)), sorted(group.scalars)
    there = dict.fromkeys([*nodes, *attrs])
    saved = group.known.get("entries")
    if not isinstance(saved, dict):
        return list(there)
    return [*(name for name in saved if name in there), *(n for n in there if n not in saved)]


def kind_of(group: Group) -> str:
    """Say what a group is, by a name of `KINDS`."""
    known = str(group.known.get("kind", ""))
    if known in KINDS:
        return known
    title = str(group.attribute("TITLE", "")).partition(":")[0]
    if title in _TITLES:
        return _TITLES[title]
    if "pandas_type" in group.names:
        return "frame"
    marked = group.path == "/" and group.attribute("DEEPDISH_IO_ROOT_IS_SNS", False)
    return "namespace" if marked else "dict"


_TITLES = {
    "dict": "dict",
    "SimpleNamespace": "namespace",
    "list": "list",
    "tuple": "tuple",
    "nonetype": "none",
    "sparse": "sparse",
}


# kinds of groups


def whole(group: Group, sel: Any) -> None:
    """Refuse to take a part of what has none."""
    if sel is not None:
        raise SpecError(f"is a {kind_of(group)}: sel takes parts of arrays, frames and matrices")


def _none(_reader: Reader, group: Group, _address: int, sel: Any) -> Task:
    whole(group, sel)
    return None
    yield


def _dict(reader: Reader, group: Group, address: int, sel: Any) -> Task:
    whole(group, sel)
    found = reader.early(address, _empty(group.known))
    keys = true_keys(group)
    values = yield reader.entries(group)
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


def true_keys(group: Group) -> dict[str, Any]:
    """Keys that could not be names in the file."""
    keys = group.known.get("keys", {})
    return {name: names.key_from_json(spelled) for name, spelled in keys.items()}


def _namespace(reader: Reader, group: Group, address: int, sel: Any) -> Task:
    whole(group, sel)
    found = reader.early(address, SimpleNamespace())
    keys = true_keys(group)
    values = yield reader.entries(group)
    reader.fill(values, lambda name, value: setattr(found, keys.get(name, name), value))
    return found


def _dataclass(reader: Reader, group: Group, address: int, sel: Any) -> Task:
    whole(group, sel)
    kind = reader.classes.get(group.known.get("class", ""))
    if kind is None:
        return (yield _dict(reader, group, address, sel))
    found = reader.early(address, object.__new__(kind))
    keys = true_keys(group)
    values = yield reader.entries(group)
    # As pickle does: what was saved is restored, not computed again.
    reader.fill(values, lambda name, v: object.__setattr__(found, keys.get(name, name), v))
    return found


def _items(reader: Reader, group: Group) -> Task:
    """Entries i0, i1, ... in order."""
    there = [name for name in ordered(group) if name[:1] == "i" and name[1:].isdecimal()]
    values = yield reader.entries(group, sorted(there, key=lambda name: int(name[1:])))
    return list(values.values())


def _list(reader: Reader, group: Group, address: int, sel: Any) -> Task:
    whole(group, sel)
    deque = group.known.get("kind") == "deque"
    found: Any = reader.early(address, collections.deque() if deque else [])
    values = yield _items(reader, group)
    found.extend(values)
    reader.fill(
        {str(i): v for i, v in enumerate(values) if isinstance(v, Later)},
        lambda name, value: found.__setitem__(int(name), value),
    )
    return found


def _tuple(reader: Reader, group: Group, address: int, sel: Any) -> Task:
    whole(group, sel)
    later = reader.pending(address)
    values = yield _items(reader, group)
    return later.made_of(values, _maker(reader, group.known))


def _maker(reader: Reader, known: dict[str, Any]) -> Callable[[list[Any]], Any]:
    kind = known.get("kind")
    if kind == "namedtuple":
        named = reader.classes.get(known.get("class", "")) or _named(known)
        return lambda values: named(*values)
    return _SEQUENCES.get(str(kind), tuple)


def _named(known: dict[str, Any]) -> Any:
    """A class like the one that was saved; namedtuple itself checks the names."""
    try:
        name = known["class"].rpartition(".")[2]
        return collections.namedtuple(name, known["fields"])
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise Hdf5Error(f"has no names for a named tuple: {error}") from error


_SEQUENCES: dict[str, Any] = {
    "list": list,
    "tuple": tuple,
    "set": set,
    "frozenset": frozenset,
    "deque": collections.deque,
}


def _masked(reader: Reader, group: Group, _address: int, sel: Any) -> Task:
    data = yield reader.child(group, "data", sel)
    there = links.names_of(group.id)
    mask = (yield reader.child(group, "mask", sel)) if "mask" in there else np.ma.nomask
    fill = reader.scalar(group, "fill") if "fill" in group.names else None
    return np.ma.MaskedArray(data, mask, fill_value=fill)


def _objects(reader: Reader, group: Group, address: int, sel: Any) -> Task:
    found = np.empty(_shape(group, len(ordered(group))), object)
    found = reader.early(address, np.asfortranarray(found) if _is_f(group) else found)
    values = yield _items(reader, group)
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


def _fields(reader: Reader, group: Group, _address: int, sel: Any) -> Task:
    dtype = arrays.dtype_from_json(group.known.get("dtype"))
    parts = yield reader.entries(group)
    keys = true_keys(group)
    named = {keys.get(name, name): np.asarray(part) for name, part in parts.items()}
    first = next(iter(named.values()))
    shape = _shape(group, math.prod(group.known.get("shape", ())))
    reader.budget.spend(math.prod(shape) * dtype.itemsize)
    if dtype.names is None or first.shape[: len(shape)] != shape:
        raise Hdf5Error("says a shape that its fields do not have")
    found = np.empty(shape, dtype)
    for name in dtype.names:
        found[name] = named[name]
    return found if sel is None else found[sel]


def _record(reader: Reader, group: Group, _address: int, sel: Any) -> Task:
    whole(group, sel)
    return (yield reader.child(group, "value"))[0]


def _sparse(reader: Reader, group: Group, _address: int, sel: Any) -> Task:
    from thunderlike.hdf5 import sparse

    return (yield sparse.get(reader, group, sel))


def _frame(reader: Reader, group: Group, _address: int, sel: Any) -> Task:
    from thunderlike.hdf5 import frames

    return (yield frames.get(reader, group, sel))


def _records(reader: Reader, group: Group, _address: int, sel: Any) -> Task:
    from thunderlike.hdf5 import records

    return (yield records.get(reader, group, sel))


KINDS: dict[str, Callable[[Reader, Group, int, Any], Task]] = {
    "none": _none,
    "dict": _dict,
    "OrderedDict": _dict,
    "defaultdict": _dict,
    "Counter": _dict,
    "namespace": _namespace,
    "dataclass": _dataclass,
    "list": _list,
    "deque": _list,
    "tuple": _tuple,
    "namedtuple": _tuple,
    "set": _tuple,
    "frozenset": _tuple,
    "masked": _masked,
    "objects": _objects,
    "fields": _fields,
    "record": _record,
    "sparse": _sparse,
    "frame": _frame,
    "pandas": _frame,
    "records": _records,
}
