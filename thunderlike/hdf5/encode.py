"""From Python to the file: what each kind of value becomes.

A *codec* writes one kind of value as a group. The table `CODECS` finds it by class; what several
rooms know how to write is registered there by them (`frames`, `sparse`, `records`).
"""

from __future__ import annotations

import collections
import dataclasses
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
from h5py import h5g

from thunderlike.errors import SpecError
from thunderlike.hdf5 import (
    arrays,
    attributes,
    datasets,
    filters,
    metadata,
    names,
    pickles,
    scalars,
)
from thunderlike.hdf5.wrappers import Compression, ForcePickle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from thunderlike.hdf5.filters import Filters
    from thunderlike.hdf5.walking import Task

__all__ = ["CODECS", "MANY", "Place", "Writer", "codec_of", "new_group"]

MANY = 256  # numbers or texts in a list: from here on they are one array, as in no other reader


@dataclass(frozen=True, eq=False)
class Place:
    """Where a value goes: a name in a group that is open; and how its arrays are compressed."""

    parent: Any
    name: str
    up: Place | None
    filters: Filters

    @property
    def path(self) -> str:
        """From the root, as links want it."""
        parts, place = [], self
        while place.up is not None:
            parts.append(place.name)
            place = place.up
        return "/" + "/".join(reversed(parts))

    def within(self, group: Any, name: str) -> Place:
        """A place in the group that was made here."""
        return Place(group, name, self, self.filters)


@dataclass
class Writer:
    """Writes values below a group, each object once.

    Parameters
    ----------
    pickle : bool
        Pickle what nothing else can be made of.
    links : bool
        An object that is met again becomes a link to where it is already; without, it is written
        again.
    meta : bool
        Write what only Python knows, in attributes that other readers skip.
    """

    pickle: bool = False
    links: bool = True
    meta: bool = True
    here: Place | None = None  # what is being written, for messages
    check: Callable[[], None] = lambda: None  # raises when the disk cannot be written
    _seen: dict[int, tuple[Any, Place]] = field(default_factory=dict)
    _open: set[int] = field(default_factory=set)

    def root(self, place: Place, value: Any) -> None:
        """Remember what the file itself is, for it may hold itself."""
        self._seen[id(value)] = (value, place)
        self._open.add(id(value))

    def put(self, place: Place, value: Any) -> Task:
        """Write a value that is no scalar."""
        self.here = place
        self.check()
        if isinstance(value, Compression):
            chosen = filters.Filters.of(value.compression, checksum=place.filters.checksum)
            place, value = dataclasses.replace(place, filters=chosen), value.obj
        if self._linked(place, value):
            return
        codec = codec_of(value)
        if codec is None:
            self._leaf(place, value)
            return
        self._open.add(id(value))
        yield codec(self, place, value)
        self._open.discard(id(value))

    def _linked(self, place: Place, value: Any) -> bool:
        """Write a link if the object is in the file already; else remember where it will be."""
        if id(value) not in self._seen:
            # Kept with the object: an id is its own only while it lives.
            self._seen[id(value)] = (value, Place(None, place.name, place.up, place.filters))
            return False
        if not self.links:
            if id(value) in self._open:
                raise SpecError("holds itself, which needs links=True")
            return False
        target = self._seen[id(value)][1].path
        place.parent.links.create_soft(place.name.encode(), target.encode())
        return True

    def _leaf(self, place: Place, value: Any) -> None:
        if isinstance(value, np.ndarray):
            arrays.write(place.parent, place.name, value, place.filters)
        elif isinstance(value, ForcePickle):
            datasets.write_pickle(place.parent, place.name, pickles.dumps(value.obj))
        elif self.pickle:
            datasets.write_pickle(place.parent, place.name, pickles.dumps(value))
        else:
            raise SpecError(
                f"is a {type(value).__qualname__}, which HDF5 has no place for; pickle='allow' "
                "pickles it"
            )

    # groups

    def entries(self, place: Place, group: Any, items: Iterable[tuple[str, Any]]) -> Task:
        """Write the entries of a group, and return the code of each: ``''`` for what is a node."""
        codes: dict[str, str] = {}
        for name, value in items:
            scalar = scalars.encode(value.obj if isinstance(value, Compression) else value)
            if scalar is None:
                yield self.put(place.within(group, name), value)
                codes[name] = ""
            else:
                self._scalar(group, name, scalar[0])
                codes[name] = scalar[1]
        return codes

    def _scalar(self, group: Any, name: str, value: Any) -> None:
        try:
            attributes.write(group, name, value)
        except (OSError, RuntimeError, ValueError) as error:
            raise SpecError(f"{name!r:.60} cannot be written: {error}") from error

    def known(self, thing: Any, known: dict[str, Any]) -> None:
        """Write metadata, unless none is wanted."""
        if self.meta:
            metadata.write(thing, known)

    def dictionary(self, place: Place, group: Any, value: Mapping[Any, Any], **known: Any) -> Task:
        """Write the entries of a mapping into a group that is there."""
        named = names.entry_names(value)
        codes = yield self.entries(place, group, ((n, value[k]) for n, k in named.items()))
        keys = {n: names.key_to_json(k) for n, k in named.items() if n != k}
        self.known(group, {"entries": codes, **({"keys": keys} if keys else {}), **known})


def new_group(place: Place, title: str) -> Any:
    """Make a group with the title by which deepdish knows what it was."""
    group = h5g.create(place.parent, place.name.encode())
    attributes.write(group, "TITLE", title)
    return group


# codecs


def codec_of(value: Any) -> Callable[[Writer, Place, Any], Task] | None:
    """Find what writes a value as a group; None for what is one node."""
    if type(value) in CODECS:
        return CODECS[type(value)]
    if isinstance(value, np.ndarray):
        return _array_codec(value)
    if isinstance(value, ForcePickle):
        return None
    found = _library_codec(type(value))
    if found is not None:
        return found
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _dataclass
    for base in _BASES:
        if isinstance(value, base):
            return _subclass(base, value)
    return None


def _library_codec(kind: type) -> Any:
    """Classes of pandas, scipy and ours, whose modules are imported when first met."""
    for base in kind.__mro__:
        root, _, rest = base.__module__.partition(".")
        if root == "pandas" or base.__module__ == "thunderlike.hdf5.frames":
            from thunderlike.hdf5 import frames

            return frames.codec_of(kind)
        if root == "scipy" and rest.startswith("sparse"):
            from thunderlike.hdf5 import sparse

            return sparse.put
        if base.__module__ in ("thunderlike.data.images", "thunderlike.data.series"):
            from thunderlike.hdf5 import records

            return records.put
    return None


def _none(_writer: Writer, place: Place, _value: None) -> Task:
    new_group(place, "nonetype:")
    return
    yield


def _dict(writer: Writer, place: Place, value: Any) -> Task:
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


def _namespace(writer: Writer, place: Place, value: SimpleNamespace) -> Task:
    group = new_group(place, f"SimpleNamespace:{len(vars(value))}")
    yield writer.dictionary(place, group, vars(value))


def _dataclass(writer: Writer, place: Place, value: Any) -> Task:
    parts = {part.name: getattr(value, part.name) for part in dataclasses.fields(value)}
    group = new_group(place, f"dict:{len(parts)}")
    known = {"kind": "dataclass", "class": type(value).__qualname__}
    yield writer.dictionary(place, group, parts, **known)


def _sequence(writer: Writer, place: Place, value: Any, **known: Any) -> Task:
    items = list(value)
    if len(items) >= MANY and (packed := _packed(items)) is not None and writer.meta:
        code, array = packed
        dataset = arrays.write(place.parent, place.name, array, place.filters)
        stored = metadata.read(dataset, attributes.names_of(dataset))
        metadata.delete(dataset)
        metadata.write(dataset, {**stored, "kind": type(value).__name__, "items": code, **known})
        return
    title = "tuple" if isinstance(value, tuple) else "list"
    group = new_group(place, f"{title}:{len(items)}")
    codes = yield writer.entries(place, group, ((f"i{i}", v) for i, v in enumerate(items)))
    kind = {} if type(value) in (list, tuple) else {"kind": type(value).__name__}
    writer.known(group, {"entries": codes, **kind, **known})


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


def _namedtuple(writer: Writer, place: Place, value: Any) -> Task:
    known = {"class": type(value).__qualname__, "fields": list(value._fields)}
    group = new_group(place, f"tuple:{len(value)}")
    codes = yield writer.entries(place, group, ((f"i{i}", v) for i, v in enumerate(value)))
    writer.known(group, {"entries": codes, "kind": "namedtuple", **known})


def _subclass(base: type, value: Any) -> Callable[[Writer, Place, Any], Task]:
    """A subclass is written as what it is based on: Python does not say how to make it anew."""
    if base is tuple and hasattr(value, "_fields"):
        return _namedtuple
    return lambda writer, place, item: CODECS[base](writer, place, _plain(base, item))


def _plain(base: type, value: Any) -> Any:
    if base is SimpleNamespace:
        return SimpleNamespace(**vars(value))
    return base(value)


def _text(_writer: Writer, place: Place, value: str | bytes) -> Task:
    """Texts that no attribute can hold, as bytes."""
    text = isinstance(value, str)
    data = value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value
    dataset = arrays.write(place.parent, place.name, np.frombuffer(data, np.uint8), place.filters)
    metadata.delete(dataset)
    metadata.write(dataset, {"kind": "str" if text else "bytes"})
    return
    yield


def _array_codec(array: np.ndarray[Any, Any]) -> Callable[[Writer, Place, Any], Task] | None:
    """Masked arrays, and those of objects or of fields that HDF5 has no type for."""
    if isinstance(array, np.ma.MaskedArray):
        return _masked
    if array.dtype.kind == "O":
        return _objects
    if array.dtype.kind == "T" and array.dtype != np.dtypes.StringDType():
        return None
    return None if arrays.native(array.dtype) or not array.size else _fields


def _masked(writer: Writer, place: Place, value: Any) -> Task:
    parts = {"data": value.data, "mask": np.ma.getmaskarray(value), "fill": value.fill_value}
    if value.mask is np.ma.nomask:
        del parts["mask"]
    group = new_group(place, f"dict:{len(parts)}")
    yield writer.dictionary(place, group, parts, kind="masked")


def _objects(writer: Writer, place: Place, value: Any) -> Task:
    order = "F" if value.flags.f_contiguous and not value.flags.c_contiguous else "C"
    group = new_group(place, f"list:{value.size}")
    items = ((f"i{i}", v) for i, v in enumerate(value.ravel()))
    codes = yield writer.entries(place, group, items)
    known = {"kind": "objects", "shape": list(value.shape), "order": order}
    writer.known(group, {"entries": codes, **known})


def _fields(writer: Writer, place: Place, value: Any) -> Task:
    group = new_group(place, f"dict:{len(value.dtype.names)}")
    parts = {name: np.asarray(value[name]) for name in value.dtype.names}
    known = {"dtype": arrays.dtype_to_json(value.dtype), "shape": list(value.shape)}
    yield writer.dictionary(place, group, parts, kind="fields", **known)


def _record(writer: Writer, place: Place, value: np.void) -> Task:
    """One element of a structured array."""
    group = new_group(place, "dict:1")
    parts = {"value": np.asarray(value).reshape(1)}
    yield writer.dictionary(place, group, parts, kind="record")


CODECS: dict[type, Callable[[Writer, Place, Any], Task]] = {
    type(None): _none,
    dict: _dict,
    collections.OrderedDict: _dict,
    collections.defaultdict: _dict,
    collections.Counter: _dict,
    SimpleNamespace: _namespace,
    list: _sequence,
    tuple: _sequence,
    set: _sequence,
    frozenset: _sequence,
    collections.deque: _sequence,
    str: _text,
    bytes: _text,
    np.str_: _text,
    np.bytes_: _text,
    np.void: _record,
}
_BASES = (dict, SimpleNamespace, list, tuple, set, frozenset, str, bytes)
