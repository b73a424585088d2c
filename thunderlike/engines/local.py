"""Local engine: numpy arrays, and plans of them that wait; tiled over a thread pool.

A second form of it defers the reading of a source.
"""

from __future__ import annotations

import copy
import itertools
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import numpy as np

from thunderlike.config import current
from thunderlike.engines.base import (
    ArraySource,
    Chunk,
    Engine,
    Exchange,
    Kernel,
    Key,
    Pairing,
    Records,
    Source,
    SourceDefaults,
    Spec,
    Stored,
    align,
    as_key,
    check_block,
    check_distinct,
    check_npartitions,
    check_range,
    checked_record,
    detached,
)
from thunderlike.engines.partitioning import tiling
from thunderlike.engines.plan import (
    Combine,
    Concat,
    Map,
    Plan,
    Read,
    Take,
    aggregated,
    computed,
    fill,
    one_blas_thread,
)
from thunderlike.errors import NotOnEngineError, SpecError
from thunderlike.kernels._validation import as_array
from thunderlike.parallel.fork import fork_map
from thunderlike.parallel.shared_memory import anonymous_memory
from thunderlike.parallel.threads import tmap
from thunderlike.progress import track
from thunderlike.util.memory import available

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from thunderlike._typing import Array

__all__ = [
    "DeferredEngine",
    "DeferredRecords",
    "LocalEngine",
    "LocalRecords",
    "SourceRange",
    "StoredRecords",
]


Partial = TypeVar("Partial")


class LocalEngine(Engine):
    """Keeps records in this process's memory."""

    name = "local"
    in_process = True

    def load(self, source: Source, npartitions: int | None = None) -> LocalRecords:
        """Read everything now, ranges of records on threads, into one array."""
        check_npartitions(npartitions)
        here = source.array  # in memory: no copy
        if here is not None:
            return LocalRecords(self, Read(ArraySource(here)), shared=True)
        stored = source.stored
        if stored is not None:
            return StoredRecords(self, stored, 0, source.spec)
        out = source.spec.empty()

        def read(start: int, stop: int) -> None:
            source.read(start, stop, out[start:stop])

        threads = source.threads
        tiles = align(tiling(source.spec, _read_bytes(source.spec, threads)), source.cuts)
        _each_tile(read, source.spec, "reading", threads, tiles)
        source.check()
        return LocalRecords(self, Read(ArraySource(out)))

    def adopt(
        self,
        native: Iterable[tuple[Any, Any]],
        key_shape: tuple[int, ...] | None,
        spec: Spec | None,
        *,
        ordered: bool,
    ) -> LocalRecords:
        """Stack the arrays of ``(key, array)`` pairs in the order of their keys."""
        pairs = [(as_key(key), as_array(value)) for key, value in native]
        if not ordered:
            pairs.sort(key=lambda pair: pair[0])
            _check_positions([key for key, _ in pairs], key_shape)
        if spec is None and not pairs:
            raise SpecError("there are no records: give dims and dtype")
        cast = spec is not None
        spec = spec or Spec(len(pairs), pairs[0][1].shape, pairs[0][1].dtype)
        out = spec.empty(len(pairs))
        for row, (key, value) in enumerate(pairs):
            out[row] = checked_record(key, value, spec, cast=cast)
        return LocalRecords(self, Read(ArraySource(out)))

    def __repr__(self) -> str:
        return "LocalEngine()"


class LocalRecords(Records):
    """Records of a plan: an array, or steps that are computed when their values are needed.

    Small results, those of functions of a user, and those of an array that the caller may change
    are computed at once. The first verb over all records of another plan streams through it. The
    second makes them one array, which is kept: what is used twice is worth it. Some of the records
    are computed without the others, and count as their share of a pass.

    Parameters
    ----------
    engine : LocalEngine
    plan : Plan
    shared : bool
        The plan is an array of the caller.
    """

    npartitions = 1
    iscached = True

    def __init__(self, engine: LocalEngine, plan: Plan, *, shared: bool = False) -> None:
        self.engine: LocalEngine = engine
        self.plan, self.spec, self._shared = plan, plan.spec, shared

    @property
    def in_memory(self) -> bool:
        """True where the records are an array."""
        return self.plan.array is not None

    @property
    def values(self) -> Array:
        """All records, in one array that is kept."""
        return _made(self.plan)

    def map(self, kernel: Kernel, shape: tuple[int, ...], dtype: np.dtype[Any]) -> LocalRecords:
        """One more step, on threads if the kernel is vectorised."""
        spec = Spec(self.spec.count, shape, dtype)
        if kernel.processes > 1:
            _use(self.plan, self.spec.count)
            made = ArraySource(_in_processes(kernel, self.plan, spec))
            return LocalRecords(self.engine, Read(made))
        if self._waits(spec) and kernel.repeatable:
            return LocalRecords(self.engine, Map(self.plan, detached(kernel), spec))
        return self._computed(Map(self.plan, kernel, spec), "computing")

    def combine(
        self, other: Records, pairing: Pairing, shape: tuple[int, ...], dtype: np.dtype[Any]
    ) -> LocalRecords:
        """One more step, applied to the same range of both."""
        spec = Spec(self.spec.count, shape, dtype)
        right = self._accepted(other)
        if self._waits(spec, right):
            pairing = copy.deepcopy(pairing)
            return LocalRecords(self.engine, Combine(self.plan, right.plan, pairing, spec))
        return self._computed(Combine(self.plan, right.plan, pairing, spec), "combining")

    def take(self, rows: NDArray[np.int64]) -> LocalRecords:
        """Pick the rows; of an array, a run of consecutive ones is a view."""
        if self.plan.array is None and (np.diff(rows) > 0).all():
            plan = Take(self.plan, rows, replace(self.spec, count=len(rows)))
            waits = self._waits(plan.spec)
            return LocalRecords(self.engine, plan) if waits else self._computed(plan)
        values = self.values
        if len(rows) and np.array_equal(rows, rows[0] + np.arange(len(rows))):
            view = Read(ArraySource(values[rows[0] : rows[-1] + 1]))
            return LocalRecords(self.engine, view, shared=self._shared)
        return LocalRecords(self.engine, Read(ArraySource(values[rows])))

    def concat(self, others: Sequence[Records]) -> LocalRecords:
        """The records of all."""
        parts = [self, *map(self._accepted, others)]
        spec = replace(self.spec, count=sum(part.spec.count for part in parts))
        if all(part._waits(spec) for part in parts):
            return LocalRecords(self.engine, Concat([part.plan for part in parts], spec))
        joined = np.concatenate([part.collect() for part in parts])
        return LocalRecords(self.engine, Read(ArraySource(joined)))

    def regroup(self, exchange: Exchange, nbytes: int | None = None) -> LocalRecords:  # noqa: ARG002
        """Have each tile of the new records placed from the old ones, a large block at a time."""
        out = exchange.spec.empty()
        for first, block in self._blocks():

            def place(start: int, stop: int, first: int = first, block: Array = block) -> None:
                piece = exchange.cut(first, block, start, stop)
                if piece is not None:
                    exchange.place(out[start:stop], start, piece)

            _each_tile(place, exchange.spec, "regrouping")
        return LocalRecords(self.engine, Read(ArraySource(out)))

    def _blocks(self) -> Iterator[Chunk]:
        """The array, or blocks of the plan in a buffer."""
        _use(self.plan, self.spec.count)
        if self.plan.array is not None:
            yield 0, self.plan.array
            return
        tiles = tiling(self.spec, _BLOCK)
        buffer = self.spec.empty(tiles[0][1])
        for start, stop in tiles:
            self._fill(start, stop, buffer)
            yield start, buffer[: stop - start]

    def _fill(self, first: int, last: int, out: Array) -> None:
        """Compute records ``first .. last-1`` into an array."""
        fill(self.plan, first, last, out, "computing", current().tile_bytes)

    def aggregate(
        self,
        partial: Callable[[int, Array], Partial],
        merge: Callable[[Partial, Partial], Partial],
        nbytes: int = 0,  # noqa: ARG002
    ) -> Partial:
        """Compute partials of tiles on threads and merge them in order."""
        _use(self.plan, self.spec.count)
        return aggregated(self.plan, partial, merge)

    def collect(self, start: int = 0, stop: int | None = None) -> Array:
        """A view of the array; a part of the records is computed without the others."""
        first, last = check_range(self.spec, start, stop)
        if last - first < self.spec.count:
            _use(self.plan, last - first)
        if last - first == self.spec.count or self.plan.array is not None:
            return self.values[first:last]
        out = self.spec.empty(last - first)
        self._fill(first, last, out)
        return out

    def stream(self) -> Iterator[Chunk]:
        """Views of the array, or chunks of the plan, a few of them ahead."""
        _use(self.plan, self.spec.count)
        tiles = tiling(self.spec, current().chunk_bytes)
        if self.plan.array is not None:
            return ((start, self.plan.block(start, stop)) for start, stop in tiles)
        return computed(self.plan, tiles, lambda start, block: (start, block), "computing")

    def _accepted(self, other: Records) -> LocalRecords:
        found = self.engine.accept(other)
        assert isinstance(found, LocalRecords)
        return found

    def _waits(self, spec: Spec, *others: LocalRecords) -> bool:
        """Return whether a step on these records, whose results have this spec, is for later."""
        large = spec.nbytes >= _LARGE and not spec.dtype.hasobject
        return large and not any(one._shared for one in (self, *others))

    def _computed(self, plan: Plan, label: str = "computing") -> LocalRecords:
        return LocalRecords(self.engine, Read(ArraySource(_made(plan, label))))

    def cache(self) -> None:
        """Have the next verb over all records keep them in an array."""
        self.plan.used = self.spec.count

    def uncache(self) -> None:
        """Nothing to do: there is no other form to release to."""

    def repartition(self, npartitions: int) -> LocalRecords:  # noqa: ARG002
        """Nothing to do: one array is one partition."""
        return self

    def native(self, key_shape: tuple[int, ...]) -> NoReturn:
        """Raise NotOnEngineError: there is no RDD without Spark."""
        raise NotOnEngineError(
            f"the local engine keeps records (keys {key_shape}) in one numpy array, not in an RDD: "
            "call .tospark(sc) first, or take the array with .toarray()"
        )

    def array(self, key_shape: Key) -> Array:
        """The array itself."""
        return self.values.reshape(*key_shape, *self.spec.shape)

    def __reduce__(self) -> Any:
        return _unpickled, (self.engine, self.values)


class StoredRecords(LocalRecords):
    """Records of one file, read a tile at a time.

    Verbs that need one array read all records, or map the file if they would take more than half
    of the free memory.

    Parameters
    ----------
    stored : Stored
        The open file.
    first : int
        Number in the file of the first of these records.
    spec : Spec
    """

    def __init__(self, engine: LocalEngine, stored: Stored, first: int, spec: Spec) -> None:
        super().__init__(engine, Read(_StoredRange(stored, first, spec)))
        self._stored, self._first = stored, first

    @property
    def in_memory(self) -> bool:
        """True: they are one open file."""
        return True

    @property
    def values(self) -> Array:
        """All records, in one array."""
        return self.collect()

    def take(self, rows: NDArray[np.int64]) -> LocalRecords:
        """Pick the rows: consecutive ones stay in the file, others are read."""
        if self.plan.array is not None or not len(rows):
            found = self.collect(0, None if len(rows) else 0)[rows]
            return LocalRecords(self.engine, Read(ArraySource(found)))
        if np.array_equal(rows, rows[0] + np.arange(len(rows))):
            spec = replace(self.spec, count=len(rows))
            return StoredRecords(self.engine, self._stored, self._first + int(rows[0]), spec)
        out, order = self.spec.empty(len(rows)), np.argsort(rows, kind="stable")
        wanted = rows[order]
        tiles = tiling(self.spec, current().tile_bytes)
        edges = np.searchsorted(wanted, [start for start, _ in tiles] + [self.spec.count])
        for a, b in itertools.pairwise(edges.tolist()):
            if a < b:
                start = int(wanted[a])
                block = self.plan.block(start, int(wanted[b - 1]) + 1)
                out[order[a:b]] = block[wanted[a:b] - start]
        return LocalRecords(self.engine, Read(ArraySource(out)))

    def collect(self, start: int = 0, stop: int | None = None) -> Array:
        """Records in one array: read now, or mapped where that takes less memory than there is."""
        first, last = check_range(self.spec, start, stop)
        if self.plan.array is not None:
            return self.plan.array[first:last]
        spec = replace(self.spec, count=last - first)
        if spec.nbytes > _SMALL and spec.nbytes > available() // 2:
            return self._stored.mapped()[self._first + first : self._first + last]
        out = spec.empty()
        self._fill(first, last, out)
        return out

    def _fill(self, first: int, last: int, out: Array) -> None:
        """Read records straight into an array."""
        spec = replace(self.spec, count=last - first)

        def read(start: int, stop: int) -> None:
            number = self._first + first
            self._stored.read(number + start, number + stop, out[start:stop])

        _each_tile(read, spec, "reading", None, tiling(spec, _read_bytes(spec, None)))

    def cache(self) -> None:
        """Read all records, once."""
        if self.plan.array is None:
            self.plan.keep(self.collect())

    def uncache(self) -> None:
        """Leave the records in the file."""
        self.plan.uncache()

    def array(self, key_shape: Key) -> Array:
        """The records as a mapped array, of which nothing is read here."""
        found = self.plan.array
        if found is None:
            found = self._stored.mapped()[self._first : self._first + self.spec.count]
        return found.reshape(*key_shape, *self.spec.shape)


@dataclass(frozen=True)
class _StoredRange(SourceDefaults):
    """Some consecutive records of an open file, as a source."""

    file: Stored
    first: int
    spec: Spec

    def read(self, start: int, stop: int, out: Array) -> None:
        """Read from the file."""
        self.file.read(self.first + start, self.first + stop, out)


# Bytes of results below which they are computed at once: about the last cache of a processor.
# Their array costs no trips to memory, and their values, errors and pictures are there at once. No
# setting, because which bits are computed does not depend on it.
_LARGE = 2**24

_BLOCK = 2**27  # bytes of a plan that are regrouped in one step
_SMALL = 2**28  # bytes below which records are read without a check of free memory


def _read_bytes(spec: Spec, threads: int | None) -> int:
    """Return the bytes of one read: large for few opens of files, small for work on all threads."""
    settings = current()
    share = spec.nbytes // (4 * (threads or settings.nworkers()))
    return max(settings.tile_bytes, min(settings.chunk_bytes, share))


def _each_tile(
    run: Callable[[int, int], None],
    spec: Spec,
    label: str,
    workers: int | None = None,
    tiles: list[tuple[int, int]] | None = None,
) -> None:
    """Run a function over all tiles on threads."""
    with track(label, spec.count) as work, one_blas_thread():

        def step(tile: tuple[int, int]) -> None:
            run(*tile)
            work.advance(tile[1] - tile[0])

        for _ in tmap(step, tiles or tiling(spec, current().tile_bytes), workers=workers):
            pass


def _use(plan: Plan, count: int) -> None:
    """Note that records are computed for a verb, and make a second pass over a plan an array.

    A few records after a pass are computed alone: the array would cost a pass, and its memory.
    Plans above an array that is made need those below it no longer.
    """
    if plan.array is not None or not plan.below:
        return  # records of a file are read again
    with plan.lock:
        plan.used += count
        again = plan.used >= 2 * plan.spec.count
    if again:
        _made(plan)
        return
    for below in plan.below:
        _use(below, min(count, below.spec.count))


def _made(plan: Plan, label: str = "computing") -> Array:
    """Return all records in one array, which the plan keeps."""
    if plan.array is None and not plan.used:
        for below in plan.below:
            _use(below, min(plan.spec.count, below.spec.count))
    with plan.lock:  # a second thread waits for the array
        found = plan.array
        if found is None:
            found = plan.spec.empty()
            fill(plan, 0, plan.spec.count, found, label, current().tile_bytes)
            plan.keep(found)
    return found


def _unpickled(engine: LocalEngine, values: Array) -> LocalRecords:
    return LocalRecords(engine, Read(ArraySource(values)))


def _in_processes(kernel: Kernel, plan: Plan, spec: Spec) -> Array:
    """Run a kernel in processes, several tiles for each: some tiles may take longer."""
    larger = max(plan.spec, spec, key=lambda spec: spec.record_bytes)
    memory = anonymous_memory(spec.nbytes)
    out = np.frombuffer(memory, spec.dtype).reshape(spec.count, *spec.shape)

    def run(tile: tuple[int, int]) -> int:
        start, stop = tile
        block = kernel(start, plan.block(start, stop))
        out[start:stop] = check_block(block, stop - start, spec, start)
        return stop - start

    tiles = tiling(larger, _read_bytes(larger, kernel.processes))
    with track("computing", spec.count) as work, one_blas_thread():
        for done in fork_map(run, tiles, kernel.processes):
            work.advance(done)
    return out


def _check_positions(keys: list[Key], key_shape: Key | None) -> None:
    """Raise SpecError for repeated keys, and for keys that are not the positions of the shape."""
    check_distinct(keys)
    if key_shape is not None and keys != list(np.ndindex(*key_shape)):
        raise SpecError(
            f"{len(keys)} keys are not the positions of an array of shape {key_shape}, each once"
        )


class DeferredEngine(LocalEngine):
    """Local engine that reads a source only when its values are needed.

    With it a reader returns the spec of files without reading them.
    """

    lazy = True

    def load(self, source: Source, npartitions: int | None = None) -> DeferredRecords:  # noqa: ARG002
        """Keep the source for later."""
        return DeferredRecords(self, source)


class DeferredRecords(LocalRecords):
    """Records of a source, all read by the first method that needs a value.

    Attributes
    ----------
    source : Source
        Source of the records.
    """

    def __init__(self, engine: LocalEngine, source: Source) -> None:
        self.engine, self.source, self.spec = engine, source, source.spec
        self._shared = source.array is not None

    @property
    def in_memory(self) -> bool:
        """True after the records were read."""
        return "plan" in vars(self)

    @cached_property
    def plan(self) -> Plan:  # type: ignore[override]  # the base has a field
        """All records, in one array."""
        return Read(ArraySource(LocalEngine().load(self.source).values))


@dataclass(frozen=True)
class SourceRange(SourceDefaults):
    """Some consecutive records of a source, numbered from 0.

    Parameters
    ----------
    source : Source
        All of them.
    start, stop : int
        The first, and the one after the last.
    """

    source: Source
    start: int
    stop: int

    @property
    def spec(self) -> Spec:
        """Count, shape and dtype of these."""
        return Spec(self.stop - self.start, self.source.spec.shape, self.source.spec.dtype)

    @property
    def cuts(self) -> tuple[int, ...] | None:
        """Cuts of the source within the range."""
        if self.source.cuts is None:
            return None
        inside = (cut - self.start for cut in self.source.cuts if self.start < cut < self.stop)
        return (0, *inside, self.stop - self.start)

    @property
    def threads(self) -> int | None:
        """As many as the source asks for."""
        return self.source.threads

    def read(self, start: int, stop: int, out: Array) -> None:
        """Read from the source."""
        self.source.read(self.start + start, self.start + stop, out)

    def part(self, start: int, stop: int) -> SourceRange:
        """Return the part of the source for these records."""
        whole = self.source.part(self.start + start, self.start + stop)
        return SourceRange(whole, self.start, self.stop)
