"""Items in a row: how they are cut for workers, run, and put where they belong."""

from __future__ import annotations

import pickle
import time
import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from thunderlike.batches.assembling import Collected, assembled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from thunderlike.batches.work import Work

__all__ = ["Chunk", "Failed", "Here", "Listed", "There", "Todo", "placed"]

# Seconds of an item from which a second thread pays: below it they mostly wait for each other's
# interpreter lock, and two take up to three times as long as one.
PAYS = 2e-4
FIRST = 5e-3  # the same for the first item: it imports, compiles, makes room for the results
MOST = 256  # items between two looks at the clock


@dataclass
class Failed:
    """An item that failed, on its way back."""

    position: int
    error: Exception
    text: str


@dataclass
class Chunk:
    """Items in a row, and their keys."""

    start: int
    items: Any
    keys: list[tuple[int, ...]]


class Todo:
    """Items that wait for their call, given out from the first to the last.

    Parameters
    ----------
    items : sequence
        All of them.
    keys : list
        Of their random streams; none, or one for each.
    """

    def __init__(self, items: Any, keys: list[tuple[int, ...]]) -> None:
        self._items, self._keys, self._start = items, keys, 0

    def __len__(self) -> int:
        return len(self._items) - self._start

    def take(self, size: int) -> Chunk:
        """The next items in a row."""
        start, stop = self._start, self._start + size
        self._start = min(stop, len(self._items))
        return Chunk(start, self._items[start:stop], self._keys[start:stop])

    def chunks(self, size: int) -> Iterator[Chunk]:
        """All that are left."""
        while len(self):
            yield self.take(max(1, size))

    def quick(self) -> Iterator[Chunk]:
        """What to run in one thread: the next ones, for as long as they take no longer than PAYS.

        Each chunk is to be run before the next is asked for: that is how long it takes.
        """
        size, limit = 1, FIRST
        while len(self):
            started = time.perf_counter()
            yield self.take(size)
            if time.perf_counter() - started > limit:
                return
            size = min(2 * size, MOST)
            limit = size * PAYS


@dataclass
class Here:
    """Runs chunks in this process: results go where they belong at once."""

    work: Work
    into: Any
    on_error: str

    def __call__(self, chunk: Chunk) -> list[Failed]:
        """Run a chunk; what failed."""
        return _filled(self.work, chunk, self.into.put, 0, self.on_error)


@dataclass
class There:
    """Runs chunks elsewhere: results come back together, as one array where they are alike."""

    work: Work
    on_error: str

    def __call__(self, chunk: Chunk) -> tuple[int, Any, list[Failed]]:
        """Run a chunk; where it starts, its results, what failed."""
        found = Listed()
        failures = _filled(self.work, chunk, found.put, chunk.start, self.on_error)
        return chunk.start, found.packed(), [_portable(failure) for failure in failures]


def _filled(
    work: Work, chunk: Chunk, put: Callable[[int, Any], None], offset: int, on_error: str
) -> list[Failed]:
    """Call it for the items of a chunk, each result goes to `put`; what failed."""
    failures = []
    plain, function, kwargs = not (work.spread or work.rng), work.function, work.kwargs
    start = chunk.start
    for k, item in enumerate(chunk.items):
        try:
            value = (
                function(item, **kwargs)
                if plain
                else work(item, chunk.keys[k] if chunk.keys else None)
            )
        except Exception as error:  # whatever a user's function raises
            failures.append(Failed(start + k, error, traceback.format_exc()))
            if on_error == "raise":
                break
        else:
            put(start + k - offset, value)
    return failures


class Listed(dict[int, Any]):
    """Results by position, as they are."""

    put = dict.__setitem__

    def packed(self) -> Any:
        """One array where they are arrays that are alike, else themselves."""
        values = list(self.values())
        alike = values and all(type(v) is type(values[0]) for v in values) and _uniform(values)
        return (list(self), assembled(values)) if alike else dict(self)


def _uniform(values: list[Any]) -> bool:
    first = values[0]
    return (
        hasattr(first, "dtype")
        and getattr(first, "ndim", 0) > 0
        and all(v.shape == first.shape and v.dtype == first.dtype for v in values)
    )


def placed(result: tuple[int, Any, list[Failed]], into: Any) -> list[Failed]:
    """Put the results of a chunk where they belong; its failures."""
    start, packed, failures = result
    if isinstance(packed, tuple) and isinstance(into, Collected):
        positions, values = packed
        if positions == list(range(len(positions))):
            into.put_block(start, values)
            return failures
    found = packed.items() if isinstance(packed, dict) else zip(*packed, strict=True)
    for position, value in found:
        into.put(start + position, value)
    return failures


def _portable(failure: Failed) -> Failed:
    """The failure with its exception, or its text where that cannot be pickled."""
    try:
        pickle.loads(pickle.dumps(failure.error))  # noqa: S301  # our own
    except Exception:  # any of them
        failure.error = RuntimeError(f"{type(failure.error).__name__}: {failure.error}")
    return failure
