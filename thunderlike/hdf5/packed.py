"""Encoder of wide groups: their small entries as one document, the others as nodes.

A node of HDF5 takes a third of a millisecond to write and to read, an attribute 20 microseconds.
`_documents` has the layout, and reads it.
"""

from __future__ import annotations

import collections
import dataclasses
import math
from functools import cache
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike.errors import Hdf5Error, SpecError
from thunderlike.hdf5 import _attributes, _documents, scalars
from thunderlike.hdf5._codec import SELECTORS, decodes, encoder_of
from thunderlike.hdf5._pickles import Compression, ForcePickle

if TYPE_CHECKING:
    from collections.abc import Iterable

    from h5py.h5g import GroupID
    from numpy.typing import NDArray

    from thunderlike.hdf5._codec import Destination, Group, Reader, Task, Writer

__all__ = ["WIDTH", "encode_entries", "retitle", "target_of"]

WIDTH = 256  # entries: narrower groups are as deepdish writes them, which pickles the others
_LEAST = 64  # small entries of a wide group: fewer are nodes
_MOST_BYTES = 2**15  # of an array, 0.1 ms to copy
_MOST_ITEMS = 2**14  # of a list
_MOST_DEPTH = 32
_LEAST_INT, _MOST_INT = -(2**63), 2**64 - 1


class _LargeError(Exception):
    """A value is not small, of no known kind, or holds itself."""


def encode_entries(
    writer: Writer, dest: Destination, group: GroupID, items: Iterable[tuple[str, Any]]
) -> Task:
    """Write the entries of a group, as `Writer.encode_entries`, and small ones of many together.

    Returns
    -------
    dict
        Metadata of the entries, with ``packed`` if there is a document.
    """
    entries = list(items)
    if len(entries) < WIDTH or not (writer.meta and writer.pack):
        return (yield writer.encode_entries(dest, group, entries))
    packer = _Packer(writer, dest.path)
    others = packer.add(entries)
    if len(entries) - len(others) < _LEAST:
        packer.forget(0, 0)
        return (yield writer.encode_entries(dest, group, entries))
    info = _documents.write(group, packer.spelled, packer.arrays(), dest.filters)
    if packer.plain:
        info["plain"] = True
    written = yield writer.encode_entries(dest, group, others)
    return {**written, "packed": info}


def retitle(group: GroupID, title: str) -> None:
    """Replace the title of a group: deepdish would look for all items of a list."""
    _attributes.delete(group, "TITLE")
    _attributes.write(group, "TITLE", title)


class _Packer:
    """Converts small values to JSON, and collects their arrays.

    Parameters
    ----------
    writer : Writer
        Remembers the place of each object.
    path : str
        Path of the group.

    Attributes
    ----------
    spelled : dict
        JSON of each entry.
    plain : bool
        All entries are as they were, without tags.
    """

    def __init__(self, writer: Writer, path: str) -> None:
        self.spelled: dict[str, Any] = {}
        self.plain = True
        self._writer, self._path = writer, path
        self._parts: list[tuple[str, NDArray[Any]]] = []
        self._sizes: dict[str, int] = collections.defaultdict(int)
        self._seen: list[int] = []  # ids of the objects met here
        self._open: set[int] = set()

    def add(self, items: list[tuple[str, Any]]) -> list[tuple[str, Any]]:
        """Convert the small entries, and return the others."""
        others = []
        for name, value in items:
            seen, parts = len(self._seen), len(self._parts)
            try:
                self.spelled[name] = self._spell(value, (), name)
            except (_LargeError, SpecError, UnicodeEncodeError, RecursionError):
                # Errors of keys are raised again, with the path, where it becomes a node.
                self.forget(seen, parts)
                self.spelled[name] = _documents.NODE
                self.plain = False
                others.append((name, value))
        return others

    def forget(self, seen: int, parts: int) -> None:
        """Forget objects and arrays of a value that is not packed."""
        for number in self._seen[seen:]:
            del self._writer.seen[number]
        for name, part in self._parts[parts:]:
            self._sizes[name] -= part.size
        del self._seen[seen:], self._parts[parts:]
        self._open.clear()

    def arrays(self) -> dict[str, list[NDArray[Any]]]:
        """Return the arrays in order, by the names of their datasets."""
        found: dict[str, list[NDArray[Any]]] = {}
        for name, part in self._parts:
            found.setdefault(name, []).append(part)
        return found

    def _spell(self, value: Any, path: tuple[Any, ...], step: Any) -> Any:
        """Return the JSON of a value at `step` of the container at `path`."""
        kind = type(value)
        if value is None or kind is bool:
            return value
        if kind is int:
            return value if _LEAST_INT <= value <= _MOST_INT else self._scalar(value)
        if kind is float:
            return value if math.isfinite(value) else self._scalar(value)
        if kind is str:
            return _checked(value)
        if kind is np.ndarray and (value.ndim or value.dtype.kind not in "biufcmMUS"):
            same = self._shared(value, path, step)
            return self._array(value) if same is None else same
        scalar = None if kind in _KINDS else scalars.encode(value)
        if scalar is not None:
            return self._stored(*scalar)
        same = self._shared(value, path, step)
        if same is not None:
            return same
        if len(path) > _MOST_DEPTH:
            raise _LargeError
        self._open.add(id(value))
        spelled = self._container(value, kind, (*path, step))
        self._open.discard(id(value))
        return spelled

    def _shared(self, value: Any, path: tuple[Any, ...], step: Any) -> dict[str, Any] | None:
        """Return a reference to an object that was met before; else remember its place."""
        seen = self._writer.seen
        number = id(value)
        if number not in seen:
            seen[number] = (value, (self._path, path, step))
            self._seen.append(number)
            return None
        place = seen[number][1]
        if number in self._open:
            raise _LargeError
        if not self._writer.links:
            return None
        self.plain = False
        if not isinstance(place, tuple):
            if self._writer.is_open(value):  # a container of this one
                raise _LargeError
            return {"%": "same", "of": place.path, "v": []}
        group, steps, last = place
        elsewhere = {} if group == self._path else {"of": group}
        return {"%": "same", **elsewhere, "v": [*steps, last]}

    def _scalar(self, value: Any) -> dict[str, Any]:
        encoded = scalars.encode(value)
        if encoded is None:
            raise _LargeError
        return self._stored(*encoded)

    def _stored(self, stored: Any, code: str) -> dict[str, Any]:
        self.plain = False
        spelled = scalars.to_json(stored)
        if spelled is not None and not (type(spelled) is float and not math.isfinite(spelled)):
            return {"%": "scalar", "code": code, "v": spelled}
        if isinstance(stored, bytes):
            return {"%": "scalar", "code": code, "b": stored.decode("latin-1")}
        values = np.asarray(stored).reshape(1)
        return {"%": "scalar", "code": code, **self._placed(_name(values.dtype), values)}

    def _array(self, value: NDArray[Any]) -> dict[str, Any]:
        dtype = value.dtype
        if value.nbytes > _MOST_BYTES or dtype.kind not in "biufcSUmM" or not dtype.itemsize:
            raise _LargeError
        self.plain = False
        spelled: dict[str, Any] = {"%": "array"}
        if not value.size:
            return {**spelled, "shape": list(value.shape), "dtype": dtype.str}
        flat = np.ascontiguousarray(value).reshape(-1)
        if dtype.isnative and dtype.kind in "biufc":
            spelled |= self._placed(_name(dtype), flat)
        elif dtype.isnative and dtype.kind in "mM":
            spelled |= self._placed("int64", flat.view(np.int64))
            spelled["dtype"] = dtype.str
        else:
            spelled |= self._placed("uint8", flat.view(np.uint8))
            spelled["dtype"] = dtype.str
        spelled["shape"] = list(value.shape)
        if value.flags.f_contiguous and not value.flags.c_contiguous:
            spelled["order"] = "F"
        return spelled

    def _placed(self, name: str, values: NDArray[Any]) -> dict[str, Any]:
        at = self._sizes[name]
        self._sizes[name] = at + values.size
        self._parts.append((name, values))
        return {"in": name, "at": at}

    def _container(self, value: Any, kind: type, path: tuple[Any, ...]) -> Any:
        if kind is dict:
            return self._dict(value, path)
        if kind is list:
            if len(value) > _MOST_ITEMS:
                raise _LargeError
            if _is_plain(value):
                return value
            return [self._spell(item, path, number) for number, item in enumerate(value)]
        self.plain = False
        if kind in _ITEMS:
            return self._items(_ITEMS[kind], value, path)
        if kind in _PAIRS:
            tagged = self._pairs(_PAIRS[kind], value, path)
            if isinstance(value, collections.defaultdict):
                tagged["factory"] = getattr(value.default_factory, "__name__", "")
            return tagged
        if kind is SimpleNamespace:
            return self._pairs("namespace", vars(value), path)
        # Another encoder may save a dataclass or a named tuple of its own kind.
        if kind in (Compression, ForcePickle) or encoder_of(kind) is not SELECTORS[object](kind):
            raise _LargeError
        if dataclasses.is_dataclass(kind):
            fields = {part.name: getattr(value, part.name) for part in dataclasses.fields(kind)}
            return {**self._pairs("dataclass", fields, path), "class": kind.__qualname__}
        if issubclass(kind, tuple) and hasattr(kind, "_fields"):
            named = {"class": kind.__qualname__, "fields": list(kind._fields)}
            return {**self._items("namedtuple", value, path), **named}
        raise _LargeError

    def _dict(self, value: dict[Any, Any], path: tuple[Any, ...]) -> Any:
        if set(map(type, value)) - {str} or "%" in value:
            self.plain = False
            return self._pairs("dict", value, path)
        for key in value:
            _checked(key)
        if _is_plain(value.values()):
            return value
        return {key: self._spell(item, path, key) for key, item in value.items()}

    def _items(self, tag: str, value: Any, path: tuple[Any, ...]) -> dict[str, Any]:
        return {"%": tag, "v": [self._spell(v, path, number) for number, v in enumerate(value)]}

    def _pairs(self, tag: str, value: dict[Any, Any], path: tuple[Any, ...]) -> dict[str, Any]:
        pickle = self._writer.pickle
        pairs = [
            [_attributes.key_to_json(key, pickle=pickle), self._spell(item, path, number)]
            for number, (key, item) in enumerate(value.items())
        ]
        return {"%": tag, "v": pairs}


_ITEMS = {kind: kind.__name__ for kind in (tuple, set, frozenset, collections.deque)}
_PAIRS = {kind: name for name, kind in _documents.DICTS.items()}
_KINDS = {dict, list, SimpleNamespace, *_ITEMS, *_PAIRS}


@cache
def _name(dtype: np.dtype[Any]) -> str:
    return dtype.name  # which numpy computes at each access


def _checked(text: str) -> str:
    """Return text that JSON takes; other text raises UnicodeEncodeError or _LargeError."""
    if len(text) > scalars.MAX_TEXT:
        raise _LargeError
    if not text.isascii():
        text.encode()
    return text


def _is_plain(values: Any) -> bool:
    """Return True if JSON has all values, and restores their types."""
    for value in values:
        kind = type(value)
        if kind is int:
            if not _LEAST_INT <= value <= _MOST_INT:
                return False
        elif kind is float:
            if value - value != 0.0:  # infinite, or not a number
                return False
        elif kind is str:
            if not value.isascii() or len(value) > scalars.MAX_TEXT:
                return False
        elif value is not None and kind is not bool:
            return False
    return True


# An object that is in a document already: a group without entries, which names its place.


def target_of(group: Group) -> tuple[str, list[Any]]:
    """Return the path of the document, and the steps in it, of a group of kind 'same'."""
    target = group.metadata.get("target")
    if (
        not isinstance(target, list)
        or [type(part) for part in target] != [str, list]
        or not target[1]
    ):
        raise Hdf5Error("has no valid target in its metadata")
    return target[0], target[1]


@decodes("same", selectable=True)
def _decode_same(reader: Reader, group: Group, _address: int, sel: Any) -> Task:
    path, steps = target_of(group)
    document = reader.document_at(path)
    return document.entry(document.names(steps), sel)
    yield
