"""Disk engine: a plan of chunks, streamed on threads and regrouped through a scratch file.

Records are a plan that computes any range of them on demand: a source, and the kernels applied to
it. A verb that needs values divides the records into chunks and computes them on threads, a few
at a time. Only `regroup` and `cache` hold all values: in memory where they fit, else on the disk.

:class:`AutomaticEngine` chooses between the local and the disk engine by the size of records.
"""

from __future__ import annotations

import abc
import itertools
import logging
import threading
from bisect import bisect_left, bisect_right
from collections import OrderedDict
from concurrent.futures import Future
from contextlib import closing
from functools import reduce
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import numpy as np

from thunderlike.config import current
from thunderlike.engines.base import (
    ArraySource,
    Engine,
    Records,
    Spec,
    align,
    check_block,
    check_npartitions,
    check_range,
)
from thunderlike.engines.local import LocalEngine, one_blas_thread
from thunderlike.engines.partitioning import tiling
from thunderlike.engines.scratch import Place, Reservation, ScratchFile, memory_limit, reserve
from thunderlike.engines.shuffle import Pick
from thunderlike.errors import EngineError, NotOnEngineError
from thunderlike.parallel.fork import fork_map
from thunderlike.parallel.threads import tmap
from thunderlike.progress import track
from thunderlike.util.arrays import humanize_bytesize
from thunderlike.util.memory import available

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence

    from numpy.typing import NDArray

    from thunderlike._typing import Array
    from thunderlike.engines.base import Chunk, Exchange, Kernel, Pairing, Source

__all__ = ["AutomaticEngine", "DiskEngine", "DiskRecords"]


Partial = TypeVar("Partial")
Result = TypeVar("Result")
Range = tuple[int, int]

log = logging.getLogger(__name__)

_SMALL = 2**28  # bytes that are loaded without a look at the memory
_GAP = 4  # records: fewer between two that are taken are computed too
_FORKED = 4  # groups of chunks for each process, between two forks


class DiskEngine(Engine):
    """Streams records through memory, whatever their number.

    Examples
    --------
    >>> import thunderlike as tl
    >>> movie = tl.images.fromrandom((10, 4, 6), engine="disk")
    >>> movie.mode, movie.toseries().zscore().shape
    ('disk', (4, 6, 10))
    """

    name = "disk"
    lazy = True
    in_process = True

    def load(self, source: Source, npartitions: int | None = None) -> DiskRecords:
        """Plan to read the source, a chunk when its records are needed."""
        check_npartitions(npartitions)
        return DiskRecords(self, _Read(source))

    def adopt(
        self, native: Any, key_shape: tuple[int, ...] | None, spec: Spec | None, *, ordered: bool
    ) -> DiskRecords:
        """Stack the arrays of ``(key, array)`` pairs in memory, in the order of their keys."""
        values = LocalEngine().adopt(native, key_shape, spec, ordered=ordered).values
        return self.load(ArraySource(values))

    def copy(self, records: Records) -> Records:
        """Copy records a chunk at a time, into memory if they fit, else into a scratch file."""
        if records.in_memory:
            return super().copy(records)
        storage = _Storage(records.spec)
        for start, block in records.stream():
            storage.put(start, block)
        return self.load(ArraySource(storage.array()))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DiskEngine)

    def __hash__(self) -> int:
        return hash(DiskEngine)

    def __repr__(self) -> str:
        return "DiskEngine()"


class DiskRecords(Records):
    """Records of a plan, computed when they are needed."""

    npartitions = 1

    def __init__(self, engine: DiskEngine, plan: _Plan) -> None:
        self.engine: DiskEngine = engine
        self.plan, self.spec = plan, plan.spec

    @property
    def iscached(self) -> bool:  # type: ignore[override]  # computed, where the base has a field
        """True after `cache`: the first verb over all records keeps them."""
        return self.plan.cached

    def map(self, kernel: Kernel, shape: tuple[int, ...], dtype: np.dtype[Any]) -> DiskRecords:
        """One more step, applied to each chunk after those before."""
        spec = Spec(self.spec.count, shape, dtype)
        return DiskRecords(self.engine, _Map(self.plan, kernel, spec))

    def combine(
        self, other: Records, pairing: Pairing, shape: tuple[int, ...], dtype: np.dtype[Any]
    ) -> DiskRecords:
        """One more step, applied to the same range of both."""
        spec = Spec(self.spec.count, shape, dtype)
        return DiskRecords(self.engine, _Combine(self.plan, self._plan_of(other), pairing, spec))

    def take(self, rows: NDArray[np.int64]) -> DiskRecords:
        """Without regrouping if the rows increase."""
        spec = Spec(len(rows), self.spec.shape, self.spec.dtype, self.spec.weight)
        if not (np.diff(rows) > 0).all():
            return self.regroup(Pick(spec, rows))
        return DiskRecords(self.engine, _Take(self.plan, rows, spec))

    def concat(self, others: Sequence[Records]) -> DiskRecords:
        """The records of all; nothing is moved."""
        plans = [self.plan, *map(self._plan_of, others)]
        count = sum(plan.spec.count for plan in plans)
        spec = Spec(count, self.spec.shape, self.spec.dtype, self.spec.weight)
        return DiskRecords(self.engine, _Concat(plans, spec))

    def regroup(self, exchange: Exchange, nbytes: int | None = None) -> DiskRecords:  # noqa: ARG002
        """New records, cut from the old ones that the first of them has computed."""
        return DiskRecords(self.engine, _Regroup(self.plan, exchange))

    def aggregate(
        self,
        partial: Callable[[int, Array], Partial],
        merge: Callable[[Partial, Partial], Partial],
        nbytes: int = 0,  # noqa: ARG002
    ) -> Partial:
        """Compute partials of the tiles of the local engine, and merge them in order."""
        if not self.spec.count:
            return partial(0, self.spec.empty(0))
        self.plan.prepare()
        # The tiles of the local engine, so that sums of floats are equal to the last bit.
        ranges = tiling(self.spec, current().chunk_bytes)
        if self.plan.record_bytes > self.spec.record_bytes:
            found = _reduced(self.plan, ranges, partial)
        else:
            found = _computed(self.plan, ranges, partial, "reducing")
        with one_blas_thread(), closing(found) as partials:
            return reduce(merge, partials)

    def collect(self, start: int = 0, stop: int | None = None) -> Array:
        """Compute records into one array."""
        first, last = check_range(self.spec, start, stop)
        out = self.spec.empty(last - first)
        if first < last:
            self.plan.prepare(whole=last - first == self.spec.count)
            _fill(self.plan, first, last, out, "computing")
        return out

    def stream(self) -> Iterator[Chunk]:
        """Chunks in order, a few of them ahead."""
        self.plan.prepare()
        ranges = _ranges(self.plan, 0, self.spec.count)
        return _computed(self.plan, ranges, lambda start, block: (start, block), "computing")

    def cache(self) -> None:
        """Have the first verb over all records keep them: in memory, or mapped from the disk."""
        self.plan.cached = True

    def uncache(self) -> None:
        """Release the kept records."""
        self.plan.uncache()

    def repartition(self, npartitions: int) -> DiskRecords:  # noqa: ARG002
        """Nothing to do: chunks are not partitions."""
        return self

    def _plan_of(self, other: Records) -> _Plan:
        found = self.engine.accept(other)
        assert isinstance(found, DiskRecords)
        return found.plan

    def native(self, key_shape: tuple[int, ...]) -> NoReturn:
        """Raise NotOnEngineError: there is no RDD without Spark."""
        raise NotOnEngineError(
            f"the disk engine computes records (keys {key_shape}) in this process and has no RDD: "
            "call .tospark(sc) first, or take the array with .toarray()"
        )


class _Plan(abc.ABC):
    """Computation of any range of records.

    Parameters
    ----------
    spec : Spec
        The records.
    below : sequence of plan
        Plans that this one computes from.

    Attributes
    ----------
    record_bytes : int
        Bytes of the largest record among the steps that a chunk goes through.
    threads : int or None
        Number of ranges to compute at once: 1 where a function of a user runs, which holds the
        interpreter lock; None for one on each core.
    processes : int
        Number of processes to run it in.
    cached : bool
        Keep the records when all of them are computed.
    """

    threads: int | None = None
    processes: int = 1

    def __init__(self, spec: Spec, below: Sequence[_Plan] = ()) -> None:
        self.spec, self.below = spec, below
        self.record_bytes: int = max([spec.record_bytes, *(plan.record_bytes for plan in below)])
        self.cached = False
        self._kept: Array | None = None
        self._storage: _Storage | None = None  # counts the memory of the kept records
        self._preparing = threading.Lock()

    @property
    def edges(self) -> Sequence[int] | None:
        """Numbers of records at which ranges should begin and end, None for any."""
        return None if self._kept is not None else self._edges()

    @property
    def array(self) -> Array | None:
        """All records, where they are an array in this process."""
        return self._kept

    def prepare(self, *, whole: bool = True) -> None:
        """Regroup records, and cache those of a verb over all of them, before any is computed."""
        with self._preparing:
            if self._kept is not None:
                return
            for plan in self.below:
                plan.prepare(whole=whole)
            self._prepare()
            if self.cached and whole:
                self._storage = _Storage(self.spec)
                _each(self, _ranges(self, 0, self.spec.count), self._storage.put, "caching")
                self._kept = self._storage.array()

    def block(self, start: int, stop: int) -> Array:
        """Compute records ``start .. stop-1``: not to be written into."""
        kept = self._kept
        return self._compute(start, stop) if kept is None else kept[start:stop]

    def release(self) -> None:
        """Drop the segments that were kept for the next range."""
        for plan in self.below:
            plan.release()

    def check(self) -> None:
        """Raise StorageError if a source was replaced since its first record was read."""
        for plan in self.below:
            plan.check()

    def uncache(self) -> None:
        """Drop the kept records."""
        self.cached, self._kept, self._storage = False, None, None

    @abc.abstractmethod
    def _compute(self, start: int, stop: int) -> Array:
        """Compute records ``start .. stop-1``."""

    def _edges(self) -> Sequence[int] | None:
        return self.below[0].edges if self.below else None

    def _prepare(self) -> None:  # noqa: B027  # most plans need nothing
        """Compute the values that every range needs, once."""


class _Read(_Plan):
    """Records of a source."""

    def __init__(self, source: Source) -> None:
        super().__init__(source.spec)
        self._source, self._kept, self.threads = source, source.array, source.threads
        self._segments = _Segments(source.cuts, self._read) if source.cuts else None

    def uncache(self) -> None:
        """Drop the kept records, but not the array of the source."""
        self.cached, self._kept = False, self._source.array

    def release(self) -> None:
        """Drop segments of files."""
        if self._segments:
            self._segments.clear()

    def check(self) -> None:
        """Have the source check."""
        self._source.check()

    def _edges(self) -> Sequence[int] | None:
        return self._source.cuts

    def _compute(self, start: int, stop: int) -> Array:
        if self._segments is None or start == stop:
            return self._read(start, stop)
        return self._segments.block(start, stop)

    def _read(self, start: int, stop: int) -> Array:
        out = self.spec.empty(stop - start)
        self._source.read(start, stop, out)
        return out


class _Map(_Plan):
    """A kernel applied to blocks."""

    def __init__(self, plan: _Plan, kernel: Kernel, spec: Spec) -> None:
        super().__init__(spec, [plan])
        self._kernel = kernel
        self.processes = max(plan.processes, kernel.processes)
        self.threads = plan.threads if kernel.vectorised or self.processes > 1 else 1

    def apply(self, start: int, block: Array) -> Array:
        """Apply the kernel to a block of the plan below."""
        return check_block(self._kernel(start, block), len(block), self.spec, start)

    def _compute(self, start: int, stop: int) -> Array:
        return self.apply(start, self.below[0].block(start, stop))


class _Several(_Plan):
    """Records computed from one or several plans."""

    def __init__(self, spec: Spec, below: Sequence[_Plan]) -> None:
        super().__init__(spec, below)
        limits = [plan.threads for plan in below if plan.threads]
        self.threads = min(limits, default=None)
        self.processes = max(plan.processes for plan in below)


class _Combine(_Several):
    """A pairing applied to blocks of two plans."""

    def __init__(self, left: _Plan, right: _Plan, pairing: Pairing, spec: Spec) -> None:
        super().__init__(spec, [left, right])
        self._pairing = pairing

    def _compute(self, start: int, stop: int) -> Array:
        left, right = (plan.block(start, stop) for plan in self.below)
        return check_block(self._pairing(left, right), stop - start, self.spec, start)


class _Take(_Several):
    """Records of increasing numbers."""

    def __init__(self, plan: _Plan, rows: NDArray[np.int64], spec: Spec) -> None:
        super().__init__(spec, [plan])
        self._rows = rows

    def _edges(self) -> Sequence[int] | None:
        found = self.below[0].edges
        if found is None:
            return None
        return sorted({0, *np.searchsorted(self._rows, found).tolist(), len(self._rows)})

    def _compute(self, start: int, stop: int) -> Array:
        rows = self._rows[start:stop]
        if not len(rows):
            return self.below[0].block(0, 0)
        (gaps,) = np.nonzero(np.diff(rows) > _GAP)
        parts = []
        for run in np.split(rows, gaps + 1):
            first = int(run[0])
            found = self.below[0].block(first, int(run[-1]) + 1)
            parts.append(found if len(found) == len(run) else found[run - first])
        return _joined(parts)


class _Concat(_Several):
    """Records of several plans, one after the other."""

    def __init__(self, plans: Sequence[_Plan], spec: Spec) -> None:
        super().__init__(spec, plans)
        self._starts = list(itertools.accumulate((p.spec.count for p in plans), initial=0))

    def _edges(self) -> Sequence[int] | None:
        if all(plan.edges is None for plan in self.below):
            return None
        return sorted(
            {
                start + edge
                for plan, start in zip(self.below, self._starts, strict=False)
                for edge in plan.edges or (0, plan.spec.count)
            }
        )

    def _compute(self, start: int, stop: int) -> Array:
        parts = [
            plan.block(max(start, first) - first, min(stop, last) - first)
            for plan, (first, last) in zip(
                self.below, itertools.pairwise(self._starts), strict=True
            )
            if first < stop and last > start
        ]
        return _joined(parts) if parts else self.below[0].block(0, 0)


class _Regroup(_Plan):
    """New records made of pieces of others.

    All old records are computed once, before the first of the new ones. Where they fit in memory
    they are kept, and each range of new records is cut from them. Else each block of old records
    is cut for the buckets of new ones and written to a scratch file, and a bucket is put together
    when the first of its records is needed: two sequential passes over the disk.
    """

    def __init__(self, plan: _Plan, exchange: Exchange) -> None:
        super().__init__(exchange.spec)
        self._old, self._exchange = plan, exchange
        self._slab: Array | None = None
        self._reserved: Reservation | None = None
        self._segments: _Segments | None = None

    def release(self) -> None:
        """Drop the buckets; the pieces stay for the next verb."""
        if self._segments:
            self._segments.clear()

    def _edges(self) -> Sequence[int] | None:
        return self._segments.edges if self._segments else None

    def _prepare(self) -> None:
        if self._slab is not None or self._segments is not None:
            return
        self._old.prepare()  # all of them, whatever part of the new ones is wanted
        old = self._old.spec
        if self._old.array is not None:
            self._slab = self._old.array
        elif reserved := reserve(old.nbytes):
            slab = old.empty()
            _fill(self._old, 0, old.count, slab, "regrouping")
            self._slab, self._reserved = slab, reserved
        else:
            self._segments = self._scattered()

    def _scattered(self) -> _Segments:
        """Write the pieces of all buckets, and return the buckets."""
        settings, old = current(), self._old.spec
        # Pieces of 64 KiB out of blocks of one chunk, as far as memory allows: several threads
        # hold a bucket and a block each. Below that blocks grow, and then pieces shrink.
        least = settings.piece_bytes * old.nbytes
        share = memory_limit() // (2 * (settings.nworkers() + 2))
        size = min(max(least // settings.chunk_bytes, settings.chunk_bytes), share)
        chunk = max(1, settings.chunk_bytes // self.spec.record_bytes)
        rows = max(1, size // self.spec.record_bytes)
        rows = rows // chunk * chunk or rows  # buckets hold whole chunks of the next step
        edges = [*range(0, self.spec.count, rows), self.spec.count]
        pieces: dict[int, list[Place]] = {first: [] for first in edges[:-1]}
        scratch = ScratchFile(old.nbytes)

        def scatter(start: int, block: Array) -> None:
            found = {first: self._exchange.cut(start, block, first, last)
                     for first, last in itertools.pairwise(edges)}  # fmt: skip
            found = {first: piece for first, piece in found.items() if piece is not None}
            for first, place in zip(found, scratch.append(list(found.values())), strict=True):
                pieces[first].append(place)

        nbytes = min(max(settings.chunk_bytes, least // size), share)
        ranges = _ranges(self._old, 0, old.count, nbytes)
        _each(self._old, ranges, scatter, "regrouping")

        def gather(first: int, last: int) -> Array:
            out = self.spec.empty(last - first)
            for place in sorted(pieces[first]):
                self._exchange.place(out, first, scratch.read(place))
            return out

        return _Segments(edges, gather)

    def _compute(self, start: int, stop: int) -> Array:
        if self._segments is not None and start < stop:
            return self._segments.block(start, stop)
        out = self.spec.empty(stop - start)
        piece = None if self._slab is None else self._exchange.cut(0, self._slab, start, stop)
        if piece is not None:
            self._exchange.place(out, start, piece)
        return out


class _Segments:
    """Consecutive ranges of records of which the last few are kept, each computed once.

    Parameters
    ----------
    edges : sequence of int
        Where they begin, and where the last ends.
    make : callable
        Computes a range.
    """

    def __init__(self, edges: Sequence[int], make: Callable[[int, int], Array]) -> None:
        self.edges, self._make = edges, make
        self._lock = threading.Lock()
        self._kept: OrderedDict[int, Future[Array]] = OrderedDict()

    def block(self, start: int, stop: int) -> Array:
        """Return a range: a view of one segment, or a copy of parts of several."""
        parts = []
        number = bisect_right(self.edges, start) - 1
        while start < stop:
            first, last = self.edges[number], min(self.edges[number + 1], stop)
            parts.append(self._segment(number)[start - first : last - first])
            start, number = last, number + 1
        return _joined(parts)

    def _segment(self, number: int) -> Array:
        with self._lock:
            future, found = self._kept.get(number), number in self._kept
            if future is None:
                future = self._kept[number] = Future()
            self._kept.move_to_end(number)
            # A range may need two segments; one that another thread reads slowly must stay.
            while len(self._kept) > 2 * current().nworkers() + 1:
                self._kept.popitem(last=False)
        if not found:  # this thread computes it, others wait
            try:
                future.set_result(self._make(*self.edges[number : number + 2]))
            except BaseException as error:
                self.clear()  # the next call tries again
                future.set_exception(error)
        return future.result()

    def clear(self) -> None:
        """Drop all segments."""
        with self._lock:
            self._kept.clear()


def _joined(parts: list[Array]) -> Array:
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _ranges(plan: _Plan, first: int, last: int, nbytes: int | None = None) -> list[Range]:
    """Divide records ``first .. last-1`` into ranges of about `nbytes` within edges."""
    rows = max(1, (nbytes or current().chunk_bytes) // plan.record_bytes)
    inside = [edge for edge in plan.edges or () if first < edge < last]
    # Short segments are joined to one range, and long ones divided into several.
    cuts = None if plan.edges is None else [first, *inside, last]
    spans = align([(a - first, b - first) for a, b in _rows(first, last, rows)],
                  None if cuts is None else [cut - first for cut in cuts])  # fmt: skip
    return [one for a, b in spans for one in _rows(first + a, first + b, rows)]


def _rows(start: int, stop: int, rows: int) -> list[Range]:
    return [(a, min(a + rows, stop)) for a in range(start, stop, rows)]


def _groups(ranges: Sequence[Range], edges: Sequence[int] | None) -> list[list[Range]]:
    """Put the ranges that begin in the same segment together: one thread computes them."""
    if edges is None:
        return [[one] for one in ranges]
    grouped = itertools.groupby(ranges, lambda one: bisect_right(edges, one[0]))
    return [list(group) for _, group in grouped]


def _computed(
    plan: _Plan, ranges: Sequence[Range], use: Callable[[int, Array], Result], label: str
) -> Generator[Result]:
    """Compute ranges of a prepared plan, and yield in order what a function makes of each block.

    Blocks are computed and used on threads. A function of a user, and the steps after it, run in
    the thread of the caller, on blocks that are computed ahead.

    Raises
    ------
    EngineError
        If one record takes more memory than the engine may use.
    """
    limit = memory_limit()
    if plan.record_bytes > limit:
        raise EngineError(
            f"one record takes {humanize_bytesize(plan.record_bytes)}, and the disk engine may use "
            f"{humanize_bytesize(limit)} of memory: cut the images smaller, or set memory to more"
        )
    base, serial = plan, []
    while (
        isinstance(base, _Map) and base.array is None and (base.threads, base.processes) == (1, 1)
    ):
        serial.append(base)
        base = base.below[0]
    processes, threads = (1, None) if base.array is not None else (base.processes, base.threads)
    here = bool(serial) or processes > 1  # the effects of `use` would be lost in forks

    def run(group: list[Range]) -> list[Any]:
        blocks = ((start, base.block(start, stop)) for start, stop in group)
        return list(blocks) if here else [use(*chunk) for chunk in blocks]

    groups = _groups(ranges, base.edges)
    found = _forked(run, groups, processes) if processes > 1 else tmap(run, groups, workers=threads)
    try:
        with track(label, sum(stop - start for start, stop in ranges)) as work:
            for group, results in zip(groups, found, strict=True):
                for (start, stop), result in zip(group, results, strict=True):
                    if here:
                        block = result[1]
                        for step in reversed(serial):
                            block = step.apply(start, block)
                        yield use(start, block)
                    else:
                        yield result
                    work.advance(stop - start)
        plan.check()
    finally:
        plan.release()


def _reduced(
    plan: _Plan, tiles: Sequence[Range], partial: Callable[[int, Array], Result]
) -> Generator[Result]:
    """Yield partials of tiles of records that are computed from larger ones, a chunk at a time."""
    ends = iter(tiles)
    start, stop = next(ends)
    tile = plan.spec.empty(stop - start)
    ranges = [
        (max(a, first), min(b, last))
        for a, b in _ranges(plan, 0, plan.spec.count)
        for first, last in _overlapping(tiles, a, b)
    ]
    chunks = _computed(plan, ranges, lambda first, block: (first, block), "reducing")
    with closing(chunks):
        for first, block in chunks:
            tile[first - start : first - start + len(block)] = block
            if first + len(block) == stop:
                yield partial(start, tile)
                start, stop = next(ends, (stop, stop))
                tile = plan.spec.empty(stop - start)


def _overlapping(tiles: Sequence[Range], start: int, stop: int) -> Sequence[Range]:
    """Return the tiles that hold any of the records ``start .. stop-1``."""
    first = bisect_right(tiles, start, key=lambda tile: tile[0]) - 1
    last = bisect_left(tiles, stop, key=lambda tile: tile[0])
    return tiles[first:last]


def _forked(
    run: Callable[[list[Range]], list[Any]], groups: Sequence[list[Range]], processes: int
) -> Iterator[list[Any]]:
    """Run a function over groups in forks, a few groups for each; yield the results in order."""
    count = _FORKED * processes
    for first in range(0, len(groups), count):
        batch = list(enumerate(groups[first : first + count]))
        found = dict(fork_map(lambda one: (one[0], run(one[1])), batch, processes))
        yield from (found[number] for number, _ in batch)


def _each(
    plan: _Plan, ranges: Sequence[Range], use: Callable[[int, Array], None], label: str
) -> None:
    """Have a function use each block of a prepared plan."""
    with one_blas_thread(), closing(_computed(plan, ranges, use, label)) as used:
        for _ in used:
            pass


def _fill(plan: _Plan, first: int, last: int, out: Array, label: str) -> None:
    """Compute records ``first .. last-1`` of a prepared plan into an array."""

    def put(start: int, block: Array) -> None:
        out[start - first : start - first + len(block)] = block

    _each(plan, _ranges(plan, first, last), put, label)


class _Storage:
    """All records, written in any order: in memory where they fit, else in a scratch file."""

    def __init__(self, spec: Spec) -> None:
        self._spec = spec
        self._array: Array | None = None
        self._scratch: ScratchFile | None = None
        self._reserved = reserve(spec.nbytes)
        if spec.dtype.hasobject or not spec.nbytes or self._reserved:
            self._array = spec.empty()
        else:
            self._scratch = ScratchFile(spec.nbytes)

    def put(self, start: int, block: Array) -> None:
        """Write a block of records from number `start` on."""
        if self._scratch is not None:
            self._scratch.write(block, start * self._spec.record_bytes)
        elif self._array is not None:
            self._array[start : start + len(block)] = block

    def array(self) -> Array:
        """Return all records as one array, mapped from the scratch file if there is one."""
        if self._array is None:
            assert self._scratch is not None
            shape = (self._spec.count, *self._spec.shape)
            self._array = self._scratch.mapped(self._spec.dtype, shape)
        return self._array


class AutomaticEngine(Engine):
    """Local engine for records that fit in half of the available memory, else the disk engine.

    Parameters
    ----------
    small, large : Engine
        Engine of records that fit, and of others.
    """

    name = "auto"
    in_process = True

    def __init__(self, small: Engine, large: Engine) -> None:
        self._small, self._large = small, large

    def load(self, source: Source, npartitions: int | None = None) -> Records:
        """Load the source on the engine of its size."""
        in_memory = source.array is not None  # takes no more, whatever its size
        engine = self._small if in_memory else self.sized(source.spec)
        return engine.load(source, npartitions)

    def sized(self, spec: Spec) -> Engine:
        """Return the engine of records of this size, for the memory that is available now."""
        nbytes = spec.nbytes
        if nbytes <= _SMALL or nbytes <= (free := available()) // 2:
            return self._small
        log.info(
            "%s of records and %s of available memory: they stay on the %s engine",
            humanize_bytesize(nbytes), humanize_bytesize(free), self._large.name,
        )  # fmt: skip
        return self._large

    def adopt(
        self, native: Any, key_shape: tuple[int, ...] | None, spec: Spec | None, *, ordered: bool
    ) -> Records:
        """Adopt pairs, which are in memory, on the engine of small records."""
        return self._small.adopt(native, key_shape, spec, ordered=ordered)

    def __repr__(self) -> str:
        return f"AutomaticEngine({self._small}, {self._large})"
