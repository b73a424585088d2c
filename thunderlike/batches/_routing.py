"""Read the source components of an action and write its results to the destination components."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike.batches._components import Item
from thunderlike.batches.execution import (
    Collected,
    Failed,
    Listed,
    accepted,
    arguments,
    assembled,
    at,
)
from thunderlike.batches.expressions import Expression, PerItem
from thunderlike.errors import SpecError, WrongTypeError

if TYPE_CHECKING:
    from collections.abc import Container, Iterable

    from numpy.typing import NDArray

    from thunderlike._typing import Array
    from thunderlike.batches._components import BatchData
    from thunderlike.batches.execution import Call

REMOTE = ("mpc", "m", "spark", "s")  # targets in other processes

__all__ = ["ItemArguments", "Round", "columns", "names", "pairs", "rows"]


class Round:
    """One source and its destination, with the results."""

    def __init__(
        self,
        batch: BatchData,
        src: Any,
        dst: Any,
        init: object,
        chosen: NDArray[np.bool_] | None,
        keys: list[Any],
        keywords: dict[str, Any],
    ) -> None:
        self.batch, self.src = batch, src
        self.dst = dst if dst is not None else src
        self._in_place = dst is None or (isinstance(dst, str | tuple | list) and _equal(dst, src))
        # Items of `init` are arguments of a call. Without `src` they are objects with an attribute
        # for each component, which the function may change.
        self._spread = not (init is None or init is False or _equal(init, "data"))
        self._views = not self._spread and src is None and batch.components is not None
        self._items = (
            self._from(init, keywords) if self._spread else self._sources(keywords["target"])
        )
        self._keys = keys
        self._positions = np.arange(len(self._items)) if chosen is None else np.flatnonzero(chosen)
        self._all = chosen is None
        self._found: Collected | Listed = Listed()
        self._failed: list[Failed] = []

    @property
    def replaces_data(self) -> bool:
        """True if results replace the data of a batch without components."""
        return (
            not self._spread
            and self.src is None
            and self.dst is None
            and self.batch.components is None
        )

    def _sources(self, target: str) -> Any:
        if self.src is None:
            self.batch._load()
            return self._whole_items(target)
        if isinstance(self.src, str):
            return _component(self.batch, self.src)
        if isinstance(self.src, tuple) and all(isinstance(name, str) for name in self.src):
            return list(zip(*(_component(self.batch, name) for name in self.src), strict=True))
        items = rows(self.src)
        if not hasattr(items, "__getitem__") or isinstance(items, dict):
            raise WrongTypeError(
                f"src is a component, a tuple or list of some, or an array: {items!r:.80}"
            )
        if np.ndim(items) == 0 if isinstance(items, np.ndarray) else not hasattr(items, "__len__"):
            raise WrongTypeError(f"src has an entry for each item, not {items!r:.80}")
        if len(items) != len(self.batch):
            raise SpecError(
                f"src has {len(items)} entries for {len(self.batch)} items: give one for each"
            )
        self.dst = None if self.dst is self.src else self.dst  # an array is no destination
        return items

    def _whole_items(self, target: str) -> Any:
        """Return the items of the batch itself."""
        if self.batch.components is None:
            if self.batch.data is None:
                raise SpecError("the batch has no data to work on: load it, or give src or init")
            if len(self.batch.data) != len(self.batch):
                raise SpecError(
                    f"the data has {len(self.batch.data)} entries for {len(self.batch)} items: "
                    "give src or init"
                )
            return self.batch.data
        if target in REMOTE:
            if self.dst is None:
                raise SpecError(
                    f"target {target!r} works on copies of the items, which cannot be changed in "
                    "place: give src or dst"
                )
            return [item.copied() for item in self.batch]  # an Item would bring the whole batch
        return list(self.batch)

    def _from(self, init: object, keywords: dict[str, Any]) -> Any:
        if isinstance(init, str) and not hasattr(self.batch, init):
            raise SpecError(
                f"init={init!r} is neither an attribute nor a method of {type(self.batch).__name__}"
            )
        found = getattr(self.batch, init) if isinstance(init, str) else init
        if callable(found):
            found = found(**accepted(found, {**keywords, "src": self.src, "dst": self.dst}))
        found = rows(found)
        if isinstance(found, type | Expression) or (
            isinstance(found, np.ndarray) and found.ndim == 0
        ):
            raise WrongTypeError(f"init gives the items as a sequence, not {found!r:.80}")
        if hasattr(found, "__getitem__") and hasattr(found, "__len__"):
            return list(found) if isinstance(found, dict) else found
        if not hasattr(found, "__iter__"):
            raise WrongTypeError(f"init gives the items as a sequence, not {found!r:.80}")
        return list(found)

    def run(self, call: Call, post: object, own: ItemArguments) -> Round:
        """Call it for the items that are chosen."""
        call.work.spread = self._spread or bool(own)
        items, keys = self._items, self._keys
        if own:
            items = own.joined(items, spread=self._spread)
        if not self._all:
            items = [items[k] for k in self._positions]
            keys = [keys[k] for k in self._positions] if keys else []
        # Results of one component are written into its array, unless old values stand in between.
        single = post == "_assemble" and self._all and not isinstance(self.dst, tuple | list)
        if single and (len(self.names()) == 1 or self.replaces_data):
            self._found = Collected(len(items))
        # `init` may give more or fewer items than the batch has: they are named by number.
        labels = self.batch.indices.tolist()
        if len(self._items) != len(self.batch):
            labels = list(range(len(self._items)))
        self._failed = call.run(items, keys, [labels[k] for k in self._positions], self._found)
        return self

    def names(self) -> tuple[str, ...]:
        """Components that the results go to."""
        return names(self.dst)

    def failed(self) -> set[int]:
        """Positions of the items that failed."""
        return {int(self._positions[one.position]) for one in self._failed}

    def results(self) -> list[Any]:
        """Return results in the order of the items, old values for those not chosen."""
        found = self._found
        listed = found if isinstance(found, Listed) else dict(enumerate(found.whole()))
        placed = {int(self._positions[k]): value for k, value in listed.items()}
        example = next(iter(placed.values()), None)
        return [
            placed[k] if k in placed else self._left_out(k, example)
            for k in range(len(self._items))
        ]

    def _left_out(self, position: int, example: object) -> Any:
        """Return the old value of an item: that of `dst`, else the source."""
        if self._views and self.dst is None:
            return None
        names, held = self.names(), self.batch.components or ()
        several = isinstance(self.dst, tuple | list)
        if names and all(n in held and getattr(self.batch, n) is not None for n in names):
            values = tuple(at(getattr(self.batch, name), position) for name in names)
            return values if several else values[0]
        # A new component takes over the source, where that has the shape of the results.
        source = None if self._spread or self._views else at(self._items, position)
        if source is None or not (self._in_place or _alike(source, example)):
            raise SpecError(
                f"{self.dst!r} has no values for the items that p leaves out, and their source "
                "does not fit it: give it some first"
            )
        return source

    def arrays(self) -> list[Any]:
        """Return an array for each destination."""
        if self._views and not self.names():
            return self._changed_in_place()
        if not self.names() and not self.replaces_data:
            raise SpecError(
                "no destination for the results: give dst, or post=False to return them"
            )
        if isinstance(self._found, Collected) and not self._failed:
            return [self._found.whole()]
        results, failed = self.results_or_none(), self.failed()
        if isinstance(self.dst, tuple | list):
            blank = (None,) * len(self.names())  # columns() wants as many values as names
            results = [blank if k in failed else value for k, value in enumerate(results)]
        return columns(results, self.dst, skip=failed)

    def _changed_in_place(self) -> list[Any]:
        """Check that a function of whole items returned nothing but those."""
        for value in self.results_or_none():
            if not (value is None or isinstance(value, Item)):
                raise SpecError(
                    f"a function of items returned {type(value).__name__}: give dst, "
                    "or change the items and return nothing"
                )
        return []

    def results_or_none(self) -> list[Any]:
        """Return results, None for failed items."""
        for one in self._failed:
            self._found.put(one.position, None)
        return self.results()


class ItemArguments:
    """Arguments of a call: those with a value for each item, and those for all."""

    def __init__(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self._named = {name: v for name, v in kwargs.items() if isinstance(v, PerItem)}
        self.kwargs = {name: v for name, v in kwargs.items() if name not in self._named}
        # With one value for each item among them, all positions are filled item by item.
        self._all = args if any(isinstance(v, PerItem) for v in args) else ()
        self.args = () if self._all else args

    def __bool__(self) -> bool:
        return bool(self._named or self._all)

    def joined(self, items: Iterable[Any], *, spread: bool) -> list[Any]:
        """Pair each item with its own arguments."""
        found = []
        for k, item in enumerate(items):
            args, named = arguments(item) if spread else ((item,), {})
            after = (value[k] if isinstance(value, PerItem) else value for value in self._all)
            own = {name: values[k] for name, values in self._named.items()}
            found.append(((*args, *after), {**named, **own}))
        return found


def _equal(value: object, other: object) -> bool:
    # Arrays are compared by identity alone: their == gives an array.
    plain = isinstance(value, str | tuple | list) and isinstance(other, str | tuple | list)
    if not plain or type(value) is not type(other):
        return False
    try:
        return bool(value == other)
    except ValueError:  # arrays among them
        return value is other


def _alike(value: Any, other: Any) -> bool:
    """Return whether two results fit the same destinations, by number and shape."""
    if other is None:
        return not isinstance(value, tuple)
    if isinstance(value, tuple | list) and isinstance(other, tuple | list):
        return len(value) == len(other) and all(map(_alike, value, other))
    return not isinstance(value, tuple) and np.shape(value) == np.shape(other)


def pairs(src: object, dst: object) -> list[tuple[Any, Any]]:
    """Pair sources with destinations, in the order in which they are processed."""
    for where in dst if isinstance(dst, tuple | list) else [dst]:
        inner = where if isinstance(where, tuple | list) else [where]
        if not all(one is None or isinstance(one, str) for one in inner):
            raise WrongTypeError(f"dst is the name of a component, or several, not {dst!r:.80}")
    if not (isinstance(src, list) and all(isinstance(one, str | tuple) for one in src)):
        return [(src, dst)]
    if dst is None:
        return [(one, None) for one in src]
    if not isinstance(dst, list) or len(dst) != len(src):
        raise SpecError(
            f"a list of {len(src)} sources needs a list of as many destinations: {dst!r}"
        )
    return list(zip(src, dst, strict=True))


def names(dst: object) -> tuple[str, ...]:
    """Return the names of the components of a destination."""
    if isinstance(dst, str):
        return (dst,)
    return tuple(dst) if isinstance(dst, tuple | list) else ()


def _component(batch: BatchData, name: str) -> Any:
    batch._load()
    if name not in (batch.components or ()):
        raise SpecError(f"no component {name!r}; components: {batch.components}")
    values = getattr(batch, name)
    if values is None:
        raise SpecError(f"component {name!r} has no values yet: load it first")
    return rows(values)


def rows(values: Any) -> Any:
    """Return values as they are, and a frame as a list of its rows."""
    if isinstance(values, Expression) or not hasattr(values, "iloc"):
        return values
    return [values.iloc[position] for position in range(len(values))]


def columns(results: list[Any], dst: object, skip: Container[int] = ()) -> list[Any]:
    """Assemble results into an array for each destination."""
    # Failed items are left out first: their None would make an object array of numbers.
    if not isinstance(dst, tuple | list):
        kept = [value for k, value in enumerate(results) if k not in skip]
        return [_spaced(assembled(kept), len(results), skip)]
    for k, value in enumerate(results):
        if not isinstance(value, tuple | list) or len(value) != len(dst):
            found = len(value) if isinstance(value, tuple | list) else 1
            raise SpecError(
                f"item {k} gave {found} results for {len(dst)} destinations {tuple(dst)}"
            )
    return [
        _spaced(
            assembled([v[d] for k, v in enumerate(results) if k not in skip]), len(results), skip
        )
        for d in range(len(dst))
    ]


def _spaced(array: Array, n: int, skip: Container[int]) -> Array:
    """Insert a gap for each failed item, which is left out later."""
    if not skip:
        return array
    out = np.empty((n, *array.shape[1:]), array.dtype)
    out[[k for k in range(n) if k not in skip]] = array
    return out
