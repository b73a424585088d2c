"""Encoding of values."""

from __future__ import annotations

import collections
import dataclasses
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from thunderlike.errors import SpecError
from thunderlike.hdf5 import (
    _attributes,
    _datasets,
    _pickles,
    arrays,
    compression,
    containers,
    scalars,
)
from thunderlike.hdf5._codec import Place, new_group
from thunderlike.hdf5._pickles import Compression, ForcePickle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from thunderlike.hdf5._codec import Task

__all__ = ["CODECS", "Codec", "Writer", "codec_of"]

Codec: TypeAlias = "Callable[[Writer, Place, Any], Task]"


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
    compat : bool
        Write numbers and texts where other readers find them; else with the metadata.
    """

    pickle: bool = False
    links: bool = True
    meta: bool = True
    compat: bool = True
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
            chosen = compression.Filters.of(value.compression, checksum=place.filters.checksum)
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
            _datasets.write_pickle(place.parent, place.name, _pickles.dumps(value.obj))
        elif self.pickle:
            _datasets.write_pickle(place.parent, place.name, _pickles.dumps(value))
        else:
            raise SpecError(
                f"is a {type(value).__qualname__}, which HDF5 has no place for; pickle='allow' "
                "pickles it"
            )

    # groups

    def entries(self, place: Place, group: Any, items: Iterable[tuple[str, Any]]) -> Task:
        """Write the entries of a group, and return what its metadata say of them.

        That is the code of each, ``''`` for what is a node; and values that are nowhere else.
        """
        codes: dict[str, str] = {}
        packed: dict[str, Any] = {}
        for name, value in items:
            scalar = scalars.encode(value.obj if isinstance(value, Compression) else value)
            if scalar is None:
                yield self.put(place.within(group, name), value)
                codes[name] = ""
                continue
            stored, codes[name] = scalar
            spelled = None if self.compat else scalars.to_json(stored)
            if spelled is None:
                self._scalar(group, name, stored)
            else:
                packed[name] = spelled
        return {"entries": codes, "values": packed} if packed else {"entries": codes}

    def _scalar(self, group: Any, name: str, value: Any) -> None:
        try:
            _attributes.write(group, name, value)
        except (OSError, RuntimeError, ValueError) as error:
            raise SpecError(f"{name!r:.60} cannot be written: {error}") from error

    def known(self, thing: Any, known: dict[str, Any]) -> None:
        """Write metadata, unless none is wanted."""
        if self.meta:
            _attributes.write_metadata(thing, known)

    def dictionary(self, place: Place, group: Any, value: Mapping[Any, Any], **known: Any) -> Task:
        """Write the entries of a mapping into a group that is there."""
        named = _attributes.entry_names(value)
        keys = {
            name: _attributes.key_to_json(key, pickle=self.pickle)
            for name, key in named.items()
            if type(key) is not str or name != key
        }
        told = yield self.entries(place, group, ((n, value[k]) for n, k in named.items()))
        self.known(group, {**told, **({"keys": keys} if keys else {}), **known})


# codecs


def codec_of(value: Any) -> Codec | None:
    """Find what writes a value as a group; None for what is one node."""
    if type(value) in CODECS:
        return CODECS[type(value)]
    if isinstance(value, np.ndarray):
        return arrays.codec_of(value)
    if isinstance(value, ForcePickle):
        return None
    found = _library_codec(type(value))
    if found is not None:
        return found
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return containers.put_dataclass
    for base in _BASES:
        if isinstance(value, base):
            return _subclass(base, value)
    return None


def _library_codec(kind: type) -> Any:
    """Classes of pandas, scipy and ours, whose modules are imported when first met."""
    for base in kind.__mro__:
        root, _, rest = base.__module__.partition(".")
        if root == "pandas" or base.__module__ == "thunderlike.hdf5.pandas":
            from thunderlike.hdf5 import pandas

            return pandas.codec_of(kind)
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


def _subclass(base: type, value: Any) -> Codec:
    """A subclass is written as what it is based on: Python does not say how to make it anew."""
    if base is tuple and hasattr(value, "_fields"):
        return containers.put_namedtuple
    return lambda writer, place, item: CODECS[base](writer, place, _plain(base, item))


def _plain(base: type, value: Any) -> Any:
    if base is SimpleNamespace:
        return SimpleNamespace(**vars(value))
    return base(value)


CODECS: dict[type, Codec] = {
    type(None): _none,
    **dict.fromkeys(
        (dict, collections.OrderedDict, collections.defaultdict, collections.Counter),
        containers.put_dict,
    ),
    SimpleNamespace: containers.put_namespace,
    **dict.fromkeys((list, tuple, set, frozenset, collections.deque), containers.put_sequence),
    **dict.fromkeys((str, bytes, np.str_, np.bytes_), arrays.put_text),
    np.void: arrays.put_record,
}
_BASES = (dict, SimpleNamespace, list, tuple, set, frozenset, str, bytes)
