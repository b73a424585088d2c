"""Local engine: a numpy array, tiled over a thread pool; eager and lazy."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from functools import cached_property, reduce
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import numpy as np

from thunderlike.config import current
from thunderlike.engines.base import (
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
)
from thunderlike.engines.partitioning import tiling
from thunderlike.engines.plan import one_blas_thread
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
            return LocalRecords(self, here)
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
        return LocalRecords(self, out)

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
        return LocalRecords(self, out)

    def __repr__(self) -> str:
        return "LocalEngine()"


class LocalRecords(Records):
    """Records stacked in one array of shape ``(count, *shape)``."""

    npartitions = 1
    iscached = True

    def __init__(self, engine: LocalEngine, values: Array) -> None:
        self.engine: LocalEngine = engine
        self.values = values
        self.spec = Spec(len(values), values.shape[1:], values.dtype)

    @property
    def in_memory(self) -> bool:
        """True: the records are an array."""
        return True

    def block(self, start: int, stop: int) -> Array:
        """Records ``start .. stop-1``: a view, not to be written into."""
        return self.values[start:stop]

    def map(self, kernel: Kernel, shape: tuple[int, ...], dtype: np.dtype[Any]) -> LocalRecords:
        """Apply the kernel to tiles, on threads if it is vectorised."""
        spec = Spec(self.spec.count, shape, dtype)
        if kernel.processes > 1:
            return LocalRecords(self.engine, _in_processes(kernel, self, spec))
        out = spec.empty()

        def run(start: int, stop: int) -> None:
            block = kernel(start, self.block(start, stop))
            out[start:stop] = check_block(block, stop - start, spec, start)

        workers = None if kernel.vectorised else 1
        _each_tile(run, _larger(self.spec, spec), "computing", workers)
        return LocalRecords(self.engine, out)

    def combine(
        self, other: Records, pairing: Pairing, shape: tuple[int, ...], dtype: np.dtype[Any]
    ) -> LocalRecords:
        """Apply the pairing to the same tile of both."""
        spec = Spec(self.spec.count, shape, dtype)
        right = self.engine.accept(other)
        assert isinstance(right, LocalRecords)
        out = spec.empty()

        def run(start: int, stop: int) -> None:
            block = pairing(self.block(start, stop), right.block(start, stop))
            out[start:stop] = check_block(block, stop - start, spec, start)

        _each_tile(run, _larger(self.spec, spec), "combining")
        return LocalRecords(self.engine, out)

    def take(self, rows: NDArray[np.int64]) -> LocalRecords:
        """Pick the rows; a run of consecutive ones is a view."""
        run = len(rows) and rows[0] + np.arange(len(rows))
        if len(rows) and np.array_equal(rows, run):
            return LocalRecords(self.engine, self.values[rows[0] : rows[-1] + 1])
        return LocalRecords(self.engine, self.values[rows])

    def concat(self, others: Sequence[Records]) -> LocalRecords:
        """One array; a copy."""
        arrays = [self.collect(), *(other.collect() for other in others)]
        return LocalRecords(self.engine, np.concatenate(arrays))

    def regroup(self, exchange: Exchange, nbytes: int | None = None) -> LocalRecords:  # noqa: ARG002
        """Have each tile of the new records placed from the one old block."""
        out = exchange.spec.empty()
        for first, block in self._blocks():

            def place(start: int, stop: int, first: int = first, block: Array = block) -> None:
                piece = exchange.cut(first, block, start, stop)
                if piece is not None:
                    exchange.place(out[start:stop], start, piece)

            _each_tile(place, exchange.spec, "regrouping")
        return LocalRecords(self.engine, out)

    def _blocks(self) -> Iterator[Chunk]:
        """The records in as few arrays as memory allows."""
        yield 0, self.values

    def aggregate(
        self,
        partial: Callable[[int, Array], Partial],
        merge: Callable[[Partial, Partial], Partial],
        nbytes: int = 0,  # noqa: ARG002
    ) -> Partial:
        """Compute partials of tiles on threads and merge them in order."""
        with track("reducing", self.spec.count) as work, one_blas_thread():

            def run(tile: tuple[int, int]) -> Partial:
                result = partial(tile[0], self.block(*tile))
                work.advance(tile[1] - tile[0])
                return result

            return reduce(merge, tmap(run, tiling(self.spec, current().chunk_bytes)))

    def collect(self, start: int = 0, stop: int | None = None) -> Array:
        """A view of the array."""
        first, last = check_range(self.spec, start, stop)
        return self.values[first:last]

    def stream(self) -> Iterator[Chunk]:
        """Tiles of the array."""
        tiles = tiling(self.spec, current().chunk_bytes)
        return ((start, self.block(start, stop)) for start, stop in tiles)

    def cache(self) -> None:
        """Nothing to do: the records are in memory."""

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
        self.engine, self._stored, self._first, self.spec = engine, stored, first, spec
        self._values: Array | None = None

    @property
    def values(self) -> Array:  # type: ignore[override]  # the base has a field
        """All records, in one array."""
        return self.collect()

    def block(self, start: int, stop: int) -> Array:
        """Records ``start .. stop-1``, read now."""
        if self._values is not None:
            return self._values[start:stop]
        out = self.spec.empty(stop - start)
        self._stored.read(self._first + start, self._first + stop, out)
        return out

    def take(self, rows: NDArray[np.int64]) -> LocalRecords:
        """Pick the rows: consecutive ones stay in the file, others are read."""
        if self._values is not None or not len(rows):
            return LocalRecords(self.engine, self.collect(0, None if len(rows) else 0)[rows])
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
                block = self.block(start, int(wanted[b - 1]) + 1)
                out[order[a:b]] = block[wanted[a:b] - start]
        return LocalRecords(self.engine, out)

    def collect(self, start: int = 0, stop: int | None = None) -> Array:
        """Records in one array: read now, or mapped where that takes less memory than there is."""
        first, last = check_range(self.spec, start, stop)
        if self._values is not None:
            return self._values[first:last]
        spec = replace(self.spec, count=last - first)
        if spec.nbytes > _SMALL and spec.nbytes > available() // 2:
            return self._stored.mapped()[self._first + first : self._first + last]
        out = spec.empty()

        def read(a: int, b: int) -> None:
            self._stored.read(self._first + first + a, self._first + first + b, out[a:b])

        _each_tile(read, spec, "reading", None, tiling(spec, _read_bytes(spec, None)))
        return out

    def _blocks(self) -> Iterator[Chunk]:
        if self._values is not None:
            yield 0, self._values
            return
        for start, stop in tiling(self.spec, _BLOCK):
            yield start, self.collect(start, stop)

    def cache(self) -> None:
        """Read all records, once."""
        self._values = self.collect()

    def uncache(self) -> None:
        """Leave the records in the file."""
        self._values = None

    def array(self, key_shape: Key) -> Array:
        """The records as a mapped array, of which nothing is read here."""
        found = self._values
        if found is None:
            found = self._stored.mapped()[self._first : self._first + self.spec.count]
        return found.reshape(*key_shape, *self.spec.shape)


_BLOCK = 2**27  # bytes of a file that are regrouped in one step
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


def _in_processes(kernel: Kernel, records: LocalRecords, spec: Spec) -> Array:
    """Run a kernel in processes, several tiles for each: some tiles may take longer."""
    larger = _larger(records.spec, spec)
    memory = anonymous_memory(spec.nbytes)
    out = np.frombuffer(memory, spec.dtype).reshape(spec.count, *spec.shape)

    def run(tile: tuple[int, int]) -> int:
        start, stop = tile
        block = kernel(start, records.block(start, stop))
        out[start:stop] = check_block(block, stop - start, spec, start)
        return stop - start

    tiles = tiling(larger, _read_bytes(larger, kernel.processes))
    with track("computing", spec.count) as work, one_blas_thread():
        for done in fork_map(run, tiles, kernel.processes):
            work.advance(done)
    return out


def _larger(one: Spec, other: Spec) -> Spec:
    """Return the spec with the larger records: the cache must hold tiles of both."""
    return max(one, other, key=lambda spec: spec.record_bytes)


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

    @property
    def in_memory(self) -> bool:
        """True after the records were read."""
        return "values" in vars(self)

    @cached_property
    def values(self) -> Array:  # type: ignore[override]  # the base has a field
        """All records, in one array."""
        return LocalEngine().load(self.source).values


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
