"""Contract of encoders and decoders: groups, destinations, deferred values, trampoline."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

from h5py import h5g, h5p

from thunderlike.errors import Hdf5Error, SpecError
from thunderlike.hdf5 import _attributes, _limits, scalars

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from thunderlike.hdf5._pickles import Policy
    from thunderlike.hdf5.compression import Filters

__all__ = ["Group", "Later", "Place", "Task", "forced", "new_group", "run"]


_TASKS = 4

Task: TypeAlias = "Generator[Task, Any, Any]"


def run(task: Task, depth: int) -> Any:
    """Run a task and all that it asks for, and return what it returns.

    Parameters
    ----------
    task : generator
        ``found = yield other`` runs another task and gets its result, as a call would.
    depth : int
        Containers that may be within one another; each takes up to four tasks.

    Raises
    ------
    SpecError
        When more are.

    Examples
    --------
    >>> def total(tree):
    ...     found = 0
    ...     for item in tree:
    ...         found += (yield total(item)) if isinstance(item, list) else item
    ...     return found
    >>> run(total([1, [2, [3, 4]]]), depth=3)
    10
    """
    waiting: list[Task] = [task]
    result: Any = None
    failure: Exception | None = None
    while waiting:
        try:
            top = waiting[-1]
            asked = top.send(result) if failure is None else top.throw(failure)
            waiting.append(asked)
            result = failure = None
        except StopIteration as done:
            waiting.pop()
            result, failure = done.value, None
        except Exception as error:
            waiting.pop()
            failure = error  # raised in the task that asked for it, as a call would
            if not waiting:
                raise
        if len(waiting) > _TASKS * depth:
            raise SpecError(
                f"nested more than {depth} deep; tl.config(hdf5_depth=...) allows for more"
            )
    return result


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
    _attributes.write(group, "TITLE", title)
    return group


@cache
def _layout() -> Any:
    return _attributes.compact(h5p.create(h5p.GROUP_CREATE))


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
        return _limits.kinds_of(self.id)

    @cached_property
    def scalars(self) -> list[str]:
        """Names of entries that are single values, not of what is the file's own."""
        system, hidden = _attributes.SYSTEM, _attributes.HIDDEN
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
        return _attributes.read(self.id, name)

    def attribute(self, name: str, default: Any = None) -> Any:
        """Read an attribute if it is there."""
        if name not in self.marks and name in self.names:
            self.marks[name] = _attributes.read(self.id, name)
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
        return {name: _attributes.key_from_json(spelled, policy) for name, spelled in keys.items()}

    def names_of_texts(self) -> dict[str, str]:
        """Names in the file of keys that are text but could not be names."""
        return {key: name for name, key in self._spelled_keys.items() if isinstance(key, str)}

    @property
    def _spelled_keys(self) -> dict[str, Any]:
        keys = self.known.get("keys", {})
        if not isinstance(keys, dict):
            raise Hdf5Error("the keys in its metadata are damaged")
        return keys


class Later:
    """Stands for a value in the containers that hold it, until it can be made.

    Examples
    --------
    >>> later = Later()
    >>> inner = Later().made_of([1, later], tuple)
    >>> whole = later.made_of([2], tuple)
    >>> forced(inner), forced(whole)
    ((1, (2,)), (2,))
    """

    def __init__(self) -> None:
        self._make: Callable[[], Any] | None = None
        self._values: list[Any] = []

    def made_of(self, values: list[Any], maker: Callable[[list[Any]], Any]) -> Any:
        """Make it now, if all values are there; else return itself."""
        if any(isinstance(value, Later) for value in values):
            self._make = lambda: maker([forced(value) for value in values])
            return self
        self._values.append(maker(values))
        return self._values[0]

    def get(self) -> Any:
        """Return the value, made once."""
        if not self._values and self._make is not None:
            make, self._make = self._make, None
            self._values.append(make())
        if not self._values:
            raise ValueError("a tuple holds itself, with no list or dict between")
        return self._values[0]


def forced(value: Any) -> Any:
    """Return the value that something stands for."""
    return value.get() if isinstance(value, Later) else value
