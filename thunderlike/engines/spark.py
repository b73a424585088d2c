"""The Spark engine: an RDD of chunks, many records stacked in one array; records at the edge.

A chunk is ``(start, block)``: the number of its first record, and the records. A
:class:`~thunderlike.engines.partitioning.Layout` on the driver maps chunks to partitions, so that
nothing needs to be counted, and a range of records is computed from the partitions that hold it.

Aggregation of partial results in a tree.
"""

from __future__ import annotations

import copy
import itertools
import threading
import uuid
from collections import deque
from functools import partial, reduce
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from pyspark import RDD, SparkContext, StorageLevel
from pyspark.serializers import BatchedSerializer, CPickleSerializer

from thunderlike.config import current
from thunderlike.engines import from_rdd
from thunderlike.engines.base import (
    Chunk,
    Engine,
    Exchange,
    Kernel,
    Pairing,
    Records,
    Source,
    Spec,
    Task,
    as_pairs,
    check_block,
    check_npartitions,
    check_range,
    detached,
)
from thunderlike.engines.jobs import check_running, interruptible, job, with_typed_errors
from thunderlike.engines.partitioning import Layout, Planner, by_size, exchange_bytes
from thunderlike.engines.session import context, quiet, settings_of, use_our_python
from thunderlike.engines.shared_memory import SharedArray, can_share, spool, write_bytes
from thunderlike.engines.shuffle import Pick
from thunderlike.engines.shuffle_files import Transfer
from thunderlike.engines.shuffle_folder import ShuffleFolder, recovering, shuffle_folder
from thunderlike.errors import EngineError, ScratchLostError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from numpy.typing import NDArray
    from pyspark import RDD

    from thunderlike._typing import Array

__all__ = ["MAX_MERGE_BYTES", "SparkEngine", "SparkRecords", "context", "quiet"]


MAX_MERGE_BYTES = 256 * 2**20  # bytes of partials that one process merges at once

Partial = TypeVar("Partial")
Result = TypeVar("Result")


class SparkEngine(Engine):
    """Keeps records in the partitions of an RDD.

    Parameters
    ----------
    context : SparkContext
        Where to run.
    planner : callable
        Cuts records into chunks and partitions.
    """

    name = "spark"
    lazy = True

    def __init__(self, context: SparkContext, planner: Planner = by_size) -> None:
        check_running(context)
        self._context = context
        self._planner = planner
        use_our_python(context)

    @property
    def context(self) -> SparkContext:
        """The context; EngineError when it was stopped."""
        check_running(self._context)
        return self._context

    def layout(
        self, spec: Spec, npartitions: int | None = None, nbytes: int | None = None
    ) -> Layout:
        """Plan the chunks and partitions of such records."""
        chunk_bytes = nbytes or current().chunk_bytes
        return self._planner(spec, self.context.defaultParallelism, npartitions, chunk_bytes)

    def load(self, source: Source, npartitions: int | None = None) -> SparkRecords:
        """Send each task the part of the source that it reads when it runs."""
        check_npartitions(npartitions)
        source = spool(source, self.context)
        layout = self.layout(source.spec, npartitions).align(source.cuts)
        parts = [_part_of(source, chunks) for chunks in layout.partitions]
        rdd = self.context.parallelize(parts, len(parts))
        return SparkRecords(self, source.spec, layout, partial(_stage, rdd, _read))

    def adopt(
        self, native: Any, key_shape: tuple[int, ...] | None, spec: Spec | None, *, ordered: bool
    ) -> SparkRecords:
        """Stack the pairs of an RDD into chunks; a shuffle unless they are ordered.

        Keys are collected once unless `key_shape` says which there are.
        """
        with job(self.context, "looking at the keys"), interruptible(self.context):
            rdd, spec, layout = from_rdd.adopt(native, key_shape, spec, ordered, self.layout)
            return SparkRecords(self, spec, layout, lambda: rdd)

    @property
    def default_npartitions(self) -> int:
        """Two for each slot of the cluster."""
        return 2 * int(self.context.defaultParallelism)

    def quiet(self) -> None:
        """Silence Spark's log of failed tasks."""
        quiet(self.context)

    def spread(self, parts: Sequence[Any], expand: Callable[[Any], Iterable[Any]]) -> RDD[Any]:
        """An RDD with one partition for each part."""

        def run(mine: Iterable[Any]) -> Iterator[Any]:
            return itertools.chain.from_iterable(map(expand, mine))

        return _stage(self.context.parallelize(parts, max(1, len(parts))), run)

    def run_partitions(self, items: Any, task: Task[Result], *, here: bool = False) -> list[Result]:
        """One job over the partitions of an RDD; each attempt is named when it runs."""
        if here:
            return [task(0, "", items.toLocalIterator())]

        def run(number: int, mine: Iterable[Any]) -> Iterator[Result]:
            yield task(number, uuid.uuid4().hex[:8], mine)

        with job(self.context, "writing"):
            found: list[Result] = items.mapPartitionsWithIndex(with_typed_errors(run)).collect()
        return found

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SparkEngine) and other._context is self._context

    def __hash__(self) -> int:
        return id(self._context)

    def __repr__(self) -> str:
        return f"SparkEngine({self._context.master})"


class SparkRecords(Records):
    """Records in an RDD of chunks, lazily computed.

    Parameters
    ----------
    engine : SparkEngine
    spec : Spec
        The records.
    layout : Layout
        Chunks of each partition.
    make : callable
        Makes the RDD of chunks from those of the parents.
    parents : sequence of SparkRecords
        Records that these are made of.
    folder : ShuffleFolder, optional
        Of the files that the RDD reads.
    """

    def __init__(
        self,
        engine: SparkEngine,
        spec: Spec,
        layout: Layout,
        make: Callable[..., RDD[Any]],
        parents: Sequence[SparkRecords] = (),
        folder: ShuffleFolder | None = None,
    ) -> None:
        self.engine: SparkEngine = engine
        self.spec, self.layout = spec, layout
        self._make, self._parents = make, parents
        folders = [one for parent in parents for one in parent.folders]
        folders += [folder] if folder else []
        self.folders: tuple[ShuffleFolder, ...] = tuple(dict.fromkeys(folders))
        self._lock, self._nlost = threading.Lock(), self._count_lost()
        self._rdd = self._made()

    @property
    def rdd(self) -> RDD[Any]:
        """RDD of chunks; another one after files were lost that it would read."""
        with self._lock:
            if (nlost := self._count_lost()) != self._nlost:
                old, self._rdd, self._nlost = self._rdd, self._made(), nlost
                if old.is_cached:
                    self._rdd.persist(old.getStorageLevel())
                    old.unpersist()
            return self._rdd

    def _count_lost(self) -> int:
        return sum(folder.lost for folder in self.folders)

    def _made(self) -> RDD[Any]:
        return self._make(*(parent.rdd for parent in self._parents))

    @property
    def npartitions(self) -> int:  # type: ignore[override]  # computed, where the base has a field
        """Partitions of the RDD."""
        return len(self.layout.partitions)

    @property
    def iscached(self) -> bool:  # type: ignore[override]
        """True after `cache`: Spark keeps computed chunks."""
        return bool(self.rdd.is_cached)

    def map(self, kernel: Kernel, shape: tuple[int, ...], dtype: np.dtype[Any]) -> SparkRecords:
        """One more stage over the chunks, fused with those before."""
        spec = Spec(self.spec.count, shape, dtype)
        kernel = detached(kernel)  # tasks are pickled when a job starts

        def run(chunks: Iterable[Chunk]) -> Iterator[Chunk]:
            for start, block in chunks:
                yield start, check_block(kernel(start, block), len(block), spec, start)

        return SparkRecords(self.engine, spec, self.layout, partial(_stage, function=run), [self])

    def combine(
        self, other: Records, pairing: Pairing, shape: tuple[int, ...], dtype: np.dtype[Any]
    ) -> SparkRecords:
        """Zip chunk with chunk, after a shuffle of the others where their layout differs."""
        right, pairing = self._aligned(other), copy.deepcopy(pairing)
        spec = Spec(self.spec.count, shape, dtype)

        def run(pairs: Iterable[tuple[Chunk, Chunk]]) -> Iterator[Chunk]:
            for (start, left), (_, other_block) in pairs:
                yield start, check_block(pairing(left, other_block), len(left), spec, start)

        def zipped(one: RDD[Any], two: RDD[Any]) -> RDD[Any]:
            return _stage(_unbatched(one).zip(_unbatched(two)), run)

        return SparkRecords(self.engine, spec, self.layout, zipped, [self, right])

    def take(self, rows: NDArray[np.int64]) -> SparkRecords:
        """Without a shuffle if the rows increase."""
        spec = Spec(len(rows), self.spec.shape, self.spec.dtype)
        if len(rows) > 1 and not (np.diff(rows) > 0).all():
            return self.regroup(Pick(spec, rows))

        def run(chunks: Iterable[Chunk]) -> Iterator[Chunk]:
            for start, block in chunks:
                first, last = np.searchsorted(rows, (start, start + len(block)))
                if last > first:
                    yield int(first), block[rows[first:last] - start]

        layout = self.layout.picked(rows)
        return SparkRecords(self.engine, spec, layout, partial(_stage, function=run), [self])

    def concat(self, others: Sequence[Records]) -> SparkRecords:
        """The partitions of all, one after the other; nothing is moved."""
        parts = [self, *(self._ours(other) for other in others)]
        starts = np.cumsum([0, *(part.spec.count for part in parts)]).tolist()
        layouts = [part.layout.moved(start) for part, start in zip(parts, starts, strict=False)]
        layout = Layout(tuple(chunks for one in layouts for chunks in one.partitions))
        spec = Spec(starts[-1], self.spec.shape, self.spec.dtype)

        def joined(*rdds: RDD[Any]) -> RDD[Any]:
            moved = (partial(_renumbered, by=start) for start in starts)
            return self.engine.context.union(list(map(_stage, rdds, moved)))

        return SparkRecords(self.engine, spec, layout, joined, parts)

    def regroup(self, exchange: Exchange, nbytes: int | None = None) -> SparkRecords:
        """One shuffle of pieces, whose size bounds both their number and their bytes."""
        nbytes = nbytes or exchange_bytes(exchange.spec, self.engine.context.defaultParallelism)
        return self._exchanged(exchange, self.engine.layout(exchange.spec, nbytes=nbytes), nbytes)

    def aggregate(
        self,
        partial: Callable[[int, Array], Partial],
        merge: Callable[[Partial, Partial], Partial],
        nbytes: int = 0,
    ) -> Partial:
        """One job: a partial for each partition, merged here, large ones by workers before."""

        def fold(chunks: Iterable[Chunk]) -> Iterator[Partial]:
            partials = (partial(start, block) for start, block in chunks)
            for first in partials:
                yield reduce(merge, partials, first)

        filled = self.layout.overlapping(0, self.spec.count)
        if not filled:
            return partial(0, self.spec.empty(0))
        if len(filled) * nbytes <= MAX_MERGE_BYTES:
            found: list[Partial] = self._run(fold, filled, "reducing")
        else:
            found = self._collected(
                lambda: _tree_merge(_stage(self.rdd, fold), nbytes, merge), "reducing"
            )
        return reduce(merge, found)

    def collect(self, start: int = 0, stop: int | None = None) -> Array:
        """One job over the partitions that hold the range, into one preallocated array.

        Workers of this machine write into it themselves; those elsewhere send their chunks.
        """
        first, last = check_range(self.spec, start, stop)
        within = self._within(first, last)
        partitions = self.layout.overlapping(first, last)
        nbytes = (last - first) * self.spec.record_bytes
        if can_share(self.engine.context.master, nbytes):
            with SharedArray(self.spec, last - first) as place:
                self._run(_writing_to(within, place.path, first), partitions, "collecting")
                return place.array
        self._check_result_size(nbytes)
        out = self.spec.empty(last - first)
        for begin, block in self._run(within, partitions, "collecting"):
            out[begin - first : begin - first + len(block)] = block
        return out

    def _within(self, first: int, last: int) -> Callable[[Iterable[Chunk]], Iterator[Chunk]]:
        """Return a function that clips chunks to a range of records."""
        # Spark kills a worker that leaves cached chunks unread: stopping early must save some.
        ends = {chunks[-1][1] for chunks in self.layout.partitions if chunks}

        def within(chunks: Iterable[Chunk]) -> Iterator[Chunk]:
            for begin, block in chunks:
                end = begin + len(block)
                if end > first:
                    skip = max(first - begin, 0)
                    yield begin + skip, np.ascontiguousarray(block[skip : last - begin])
                if end >= last and end not in ends:
                    return  # later chunks are not computed

        return within

    def stream(self) -> Iterator[Chunk]:
        """A partition at a time, the next one computed meanwhile."""
        done = 0
        try:
            with job(self.engine.context, "streaming"):
                for start, block in self.rdd.toLocalIterator(prefetchPartitions=True):
                    yield start, block
                    done = start + len(block)
        except ScratchLostError:  # the rest by jobs that recover
            for partition in self.layout.overlapping(done, self.spec.count):
                yield from self._run(self._within(done, self.spec.count), [partition], "streaming")

    def cache(self) -> None:
        """Keep the chunks in memory, and on disk where that is full; recomputing costs more."""
        check_running(self.engine.context)
        self.rdd.persist(StorageLevel.MEMORY_AND_DISK)

    def uncache(self) -> None:
        """Let Spark drop the chunks."""
        check_running(self.engine.context)
        self.rdd.unpersist()

    def repartition(self, npartitions: int) -> SparkRecords:
        """A shuffle: Spark's own repartition and coalesce do not keep the order."""
        layout = self.engine.layout(self.spec, npartitions)
        return self._exchanged(self._in_order(), layout, current().chunk_bytes)

    def native(self, key_shape: tuple[int, ...]) -> RDD[Any]:
        """An RDD of ``(key, array)`` pairs."""
        for folder in self.folders:
            folder.keep()
        return _stage(self.rdd, partial(as_pairs, key_shape=key_shape))

    def run_partitions(self, task: Task[Result], *, here: bool = False) -> list[Result]:
        """One job over the chunks of each partition, or all chunks here."""
        if here:
            return super().run_partitions(task)
        return recovering(
            self.engine.context,
            self.folders,
            lambda: self.engine.run_partitions(self.rdd, task),
        )

    def _run(self, task: Callable[[Any], Any], partitions: list[int], label: str) -> list[Any]:
        """Run a task over some partitions: one job, results in the order of the partitions."""
        context = self.engine.context

        def run() -> list[Any]:
            with job(context, label), interruptible(context):
                return context.runJob(self.rdd, with_typed_errors(task), partitions)

        return recovering(context, self.folders, run)

    def _collected(self, make: Callable[[], RDD[Any]], label: str) -> list[Any]:
        """Return all elements of an RDD that is made of these records: one job."""
        context = self.engine.context

        def run() -> list[Any]:
            with job(context, label), interruptible(context):
                return make().collect()

        return recovering(context, self.folders, run)

    def _in_order(self) -> Pick:
        return Pick(self.spec, np.arange(self.spec.count))

    def _ours(self, other: Records) -> SparkRecords:
        found = self.engine.accept(other)
        assert isinstance(found, SparkRecords)
        return found

    def _aligned(self, other: Records) -> SparkRecords:
        """Return the other records in chunks and partitions as these."""
        ours = self._ours(other)
        if ours.layout == self.layout:
            return ours
        return ours._exchanged(ours._in_order(), self.layout, current().chunk_bytes)

    def _exchanged(self, exchange: Exchange, layout: Layout, slab_bytes: int) -> SparkRecords:
        """Cut slabs into pieces, send each to the partition that needs it, place it there."""
        folder = shuffle_folder(self.engine.context, exchange.spec.nbytes)
        buffer_bytes = max(slab_bytes, current().partition_bytes)

        def shuffled(rdd: RDD[Any]) -> RDD[Any]:
            path = folder.path if folder and not folder.lost else ""
            transfer = Transfer(exchange, layout, slab_bytes, buffer_bytes, path)
            pieces = _stage(rdd, transfer.cut).partitionBy(len(layout.partitions), int)
            return pieces.mapPartitionsWithIndex(with_typed_errors(transfer.place))

        return SparkRecords(self.engine, exchange.spec, layout, shuffled, [self], folder)

    def _check_result_size(self, nbytes: int) -> None:
        setting = "spark.driver.maxResultSize"
        limit = _as_bytes(settings_of(self.engine.context).get(setting, "1g") or "1g")
        if limit and nbytes > limit:
            raise EngineError(
                f"{nbytes} bytes do not fit in {setting} of {limit}: set it to {nbytes * 2} or "
                "to 0, or write the records from the workers with .tobinary() or .totif()"
            )


def _stage(rdd: RDD[Any], function: Callable[[Any], Iterator[Any]]) -> RDD[Any]:
    """Map partitions without a shuffle; thunderlike errors are raised on the driver."""
    return rdd.mapPartitions(with_typed_errors(function))


def _part_of(source: Source, chunks: tuple[tuple[int, int], ...]) -> Any:
    """Return the ranges of one partition, and the part of the source that holds them."""
    return (chunks, source.part(chunks[0][0], chunks[-1][1])) if chunks else ((), None)


def _writing_to(
    within: Callable[[Iterable[Chunk]], Iterator[Chunk]], path: str, first: int
) -> Callable[[Iterable[Chunk]], Iterator[Any]]:
    """Return a function that writes chunks to shared memory and returns nothing."""

    def write(chunks: Iterable[Chunk]) -> Iterator[Any]:
        for begin, block in within(chunks):
            write_bytes(path, (begin - first) * (block.nbytes // max(len(block), 1)), block)
        return iter(())

    return write


def _read(parts: Iterable[tuple[tuple[tuple[int, int], ...], Source]]) -> Iterator[Chunk]:
    unread = iter(parts)
    try:
        for chunks, source in unread:
            for start, stop in chunks:
                block = source.spec.empty(stop - start)
                source.read(start, stop, block)
                yield start, block
    finally:  # Spark kills a worker that leaves the end of its input unread
        deque(unread, maxlen=0)


def _renumbered(chunks: Iterable[Chunk], by: int) -> Iterator[Chunk]:
    """The same chunks, under later numbers."""
    return ((start + by, block) for start, block in chunks)


def _unbatched(rdd: RDD[Any]) -> RDD[Any]:
    """One chunk a pickle: `zip` would otherwise batch a hundred of them into one."""
    one = BatchedSerializer(CPickleSerializer(), 1)  # type: ignore[no-untyped-call]
    return rdd._reserialize(one)


def _as_bytes(text: str) -> int:
    """Read a size as Spark writes it: ``1g``, ``512m``, ``0``."""
    text = text.strip().lower().removesuffix("b")
    units = {"k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}
    return int(float(text[:-1]) * units[text[-1]]) if text[-1] in units else int(text)


def _tree_merge(partials: RDD[Any], nbytes: int, merge: Callable[[Any, Any], Any]) -> RDD[Any]:
    """Merge partials of neighbouring partitions until few enough are left for the driver.

    Parameters
    ----------
    partials : RDD
        At most one in each partition.
    nbytes : int
        Approximate bytes of one partial.
    merge : callable
        Function of two partials, in the order of their partitions.

    Notes
    -----
    One shuffle for each level of the tree. ``RDD.treeAggregate`` merges partials in the order of
    their arrival, so that the last digits of results would differ between runs.
    """

    def merge_group(pairs: Iterable[tuple[int, tuple[int, Any]]]) -> Iterator[Any]:
        group = sorted((numbered for _, numbered in pairs), key=lambda numbered: numbered[0])
        if group:
            yield reduce(merge, (one for _, one in group))

    arity = max(2, MAX_MERGE_BYTES // max(1, nbytes))
    while partials.getNumPartitions() > arity:
        groups = -(-partials.getNumPartitions() // arity)
        numbered = partials.mapPartitionsWithIndex(partial(_with_group, arity))
        partials = numbered.partitionBy(groups, int).mapPartitions(with_typed_errors(merge_group))
    return partials


def _with_group(arity: int, number: int, partials: Iterable[Any]) -> Iterator[tuple[int, Any]]:
    """Pair each partial with the number of its group and its position there."""
    return ((number // arity, (number, one)) for one in partials)
