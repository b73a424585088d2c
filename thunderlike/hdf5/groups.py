"""A group of a file that is read: what it is called and what is in it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from thunderlike.errors import Hdf5Error
from thunderlike.hdf5 import attributes, links, names, scalars

if TYPE_CHECKING:
    from thunderlike.hdf5.pickles import Policy

__all__ = ["Group"]


@dataclass
class Group:
    """A group that is open: what its attributes are called, and what its metadata say."""

    id: Any
    path: str
    names: list[str]
    known: dict[str, Any]
    marks: dict[str, Any]  # attributes that have been read

    @cached_property
    def nodes(self) -> dict[str, int]:
        """Names of entries that are groups, arrays or links, each with the kind of its link."""
        return links.kinds_of(self.id)

    @cached_property
    def scalars(self) -> list[str]:
        """Names of entries that are single values, not of what is the file's own."""
        system, hidden = names.SYSTEM, names.HIDDEN
        attrs = [n for n in self.names if n not in system and not n.startswith(hidden)]
        return [*attrs, *self._packed]

    @cached_property
    def _packed(self) -> dict[str, Any]:
        """Values that are in the metadata; an attribute of that name is newer."""
        packed = self.known.get("values", {})
        if not isinstance(packed, dict):
            raise Hdf5Error("the values in its metadata are damaged")
        there = set(self.names)
        return {n: value for n, value in packed.items() if n not in there}

    def scalar(self, name: str) -> Any:
        """Read an entry that is a single value, as deepdish gives it."""
        if name in self._packed:
            return scalars.from_json(self._packed[name])
        return attributes.read(self.id, name)

    def attribute(self, name: str, default: Any = None) -> Any:
        """Read an attribute if it is there."""
        if name not in self.marks and name in self.names:
            self.marks[name] = attributes.read(self.id, name)
        return self.marks.get(name, default)

    def ordered(self) -> list[str]:
        """Names of all entries that are there: as saved, then nodes by name, then attributes."""
        there = dict.fromkeys([*sorted(self.nodes), *sorted(self.scalars)])
        saved = self.known.get("entries")
        if not isinstance(saved, dict):
            return list(there)
        return [*(name for name in saved if name in there), *(n for n in there if n not in saved)]

    def keys(self, policy: Policy) -> dict[str, Any]:
        """Keys that could not be names in the file, by the names they have."""
        keys = self._spelled_keys
        return {name: names.key_from_json(spelled, policy) for name, spelled in keys.items()}

    def names_of_texts(self) -> dict[str, str]:
        """Names in the file of keys that are text but could not be names."""
        return {key: name for name, key in self._spelled_keys.items() if isinstance(key, str)}

    @property
    def _spelled_keys(self) -> dict[str, Any]:
        keys = self.known.get("keys", {})
        if not isinstance(keys, dict):
            raise Hdf5Error("the keys in its metadata are damaged")
        return keys
