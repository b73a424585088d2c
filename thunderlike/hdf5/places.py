"""Where a value goes in a file that is being written."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from h5py import h5g, h5p

from thunderlike.hdf5 import attributes

if TYPE_CHECKING:
    from thunderlike.hdf5.filters import Filters

__all__ = ["Place", "new_group"]


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


def new_group(place: Place, title: str) -> Any:
    """Make a group with the title by which deepdish knows what it was."""
    group = h5g.create(place.parent, place.name.encode(), None, _layout())
    attributes.write(group, "TITLE", title)
    return group


@cache
def _layout() -> Any:
    return attributes.compact(h5p.create(h5p.GROUP_CREATE))
