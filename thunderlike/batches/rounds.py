"""One round of an action: a source, its items and arguments, and results for a destination."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike.batches.assembling import Collected, assembled
from thunderlike.batches.chunks import Failed, Listed
from thunderlike.batches.expressions import PerItem
from thunderlike.batches.work import accepted, arguments
from thunderlike.errors import SpecError

if TYPE_CHECKING:
    from thunderlike.batches.batch import Batch
    from thunderlike.batches.calls import Call

__all__ = ["Own", "Round", "columns", "names", "pairs"]


class Round:
    """One source and its destination, with the results."""

    def __init__(
        self, batch: Batch, src: Any, dst: Any, init: Any, chosen: Any, keys: list[Any]
    ) -> None:
        self.batch, self.src = batch, src
        self.dst = dst if dst is not None else src
        self._spread = not (init is None or (isinstance(init, str) and init == "data"))
        self._items = self._from(init) if self._spread else self._sources()
        self._keys = keys
        self._positions = np.arange(len(self._items)) if chosen is None else np.flatnonzero(chosen)
        self._all = chosen is None
        self._found: Any = None
        self._failed: list[Failed] = []

    def _sources(self) -> Any:
        if isinstance(self.src, str):
            return _component(self.batch, self.src)
        if isinstance(self.src, tuple):
            return list(zip(*(_component(self.batch, name) for name in self.src), strict=True))
        items = self.batch.data if self.src is None else self.src
        if items is None or (self.src is None and self.batch.components is not None):
            raise SpecError("say what to work on: give src, a component, or init")
        if len(items) != len(self.batch):
            raise SpecError(
                f"src has {len(items)} entries for {len(self.batch)} items: give one for each"
            )
        self.dst = None if self.dst is self.src else self.dst
        return items

    def _from(self, init: Any) -> Any:
        found = getattr(self.batch, init) if isinstance(init, str) else init
        found = (
            found(**accepted(found, {"src": self.src, "dst": self.dst}))
            if callable(found)
            else found
        )
        return found if hasattr(found, "__getitem__") else list(found)

    def run(self, call: Call, post: Any, own: Own) -> Round:
        """Call it for the items that are chosen."""
        call.work.spread = self._spread or bool(own)
        items, keys = (
            own.joined(self._items, spread=self._spread) if own else self._items,
            self._keys,
        )
        if not self._all:
            items = [items[k] for k in self._positions]
            keys = [keys[k] for k in self._positions] if keys else []
        single = post == "_assemble" and self._all and len(self.names()) == 1
        single = single and not isinstance(self.dst, tuple | list)
        self._found = Collected(len(items)) if single else Listed()
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
        """Results in the order of the items, those not chosen being what they were."""
        listed = (
            self._found if isinstance(self._found, dict) else dict(enumerate(self._found.whole()))
        )
        placed = {int(self._positions[k]): value for k, value in listed.items()}
        return [placed[k] if k in placed else self._as_it_was(k) for k in range(len(self._items))]

    def _as_it_was(self, position: int) -> Any:
        """An item that is not changed: of the source where results go back there, else of dst."""
        if self.dst == self.src:
            return self._items[position]
        names, held = self.names(), self.batch.components or ()
        if not names or any(n not in held or getattr(self.batch, n) is None for n in names):
            raise SpecError(
                f"{self.dst!r} has no values for the items that p leaves out: give it some first"
            )
        values = tuple(getattr(self.batch, name)[position] for name in names)
        return values if isinstance(self.dst, tuple | list) else values[0]

    def arrays(self) -> list[Any]:
        """An array for each destination."""
        if not self.names():
            raise SpecError("say where results go: give dst, or post=False to have them returned")
        if isinstance(self._found, Collected) and not self._failed:
            return [self._found.whole()]
        results, failed = self.results_or_none(), self.failed()
        if isinstance(self.dst, tuple | list):
            blank = (None,) * len(self.names())
            results = [blank if k in failed else value for k, value in enumerate(results)]
        return columns(results, self.dst, skip=failed)

    def results_or_none(self) -> list[Any]:
        """Results, None for items that failed."""
        for one in self._failed:
            self._found.put(one.position, None)
        return self.results()


class Own:
    """The arguments of a call that each item has a value of its own for, and those for all."""

    def __init__(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self._named = {name: v for name, v in kwargs.items() if isinstance(v, PerItem)}
        self.kwargs = {name: v for name, v in kwargs.items() if name not in self._named}
        self._all = args if any(isinstance(v, PerItem) for v in args) else ()
        self.args = () if self._all else args

    def __bool__(self) -> bool:
        return bool(self._named or self._all)

    def joined(self, items: Any, *, spread: bool) -> list[Any]:
        """Items as arguments, together with their own."""
        found = []
        for k, item in enumerate(items):
            args, named = arguments(item) if spread else ((item,), {})
            after = (value[k] if isinstance(value, PerItem) else value for value in self._all)
            own = {name: values[k] for name, values in self._named.items()}
            found.append(((*args, *after), {**named, **own}))
        return found


def pairs(src: Any, dst: Any) -> list[tuple[Any, Any]]:
    """Sources and destinations, done one after the other."""
    if not isinstance(src, list):
        return [(src, dst)]
    if dst is None:
        return [(one, None) for one in src]
    if not isinstance(dst, list) or len(dst) != len(src):
        raise SpecError(
            f"a list of {len(src)} sources needs a list of as many destinations: {dst!r}"
        )
    return list(zip(src, dst, strict=True))


def names(dst: Any) -> tuple[str, ...]:
    """The components that a destination is."""
    if isinstance(dst, str):
        return (dst,)
    return tuple(dst) if isinstance(dst, tuple | list) else ()


def _component(batch: Any, name: str) -> Any:
    batch._load()
    if name not in (batch.components or ()):
        raise SpecError(f"there is no component {name!r}; there are {batch.components}")
    values = getattr(batch, name)
    if values is None:
        raise SpecError(f"component {name!r} has no values yet: load it first")
    return values


def columns(results: list[Any], dst: Any, skip: Any = ()) -> list[Any]:
    """Results as an array for each destination."""
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


def _spaced(array: Any, n: int, skip: Any) -> Any:
    """The array with a gap for each item that is left out afterwards."""
    if not skip:
        return array
    out = np.empty((n, *array.shape[1:]), array.dtype)
    out[[k for k in range(n) if k not in skip]] = array
    return out
