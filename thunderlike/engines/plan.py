"""Plans: computation of any range of records on demand, and its execution on threads.

A plan is a node of a tree: a source, or a step applied to the records of the plans below it. The
functions at the end of the module divide records into ranges, compute these a few at a time, and
use each block in order.
"""

from __future__ import annotations

import abc
import itertools
import threading
import time
from bisect import bisect_left, bisect_right
from collections import OrderedDict
from concurrent.futures import Future
from contextlib import closing
from functools import cache, reduce
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from thunderlike.config import current
from thunderlike.engines.base import Spec, align, check_block
from thunderlike.engines.partitioning import tiling
from thunderlike.engines.scratch import Storage
from thunderlike.parallel.fork import fork_map
from thunderlike.parallel.threads import tmap
from thunderlike.progress import track

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence

    from numpy.typing import NDArray
    from threadpoolctl import ThreadpoolController

    from thunderlike._typing import Array
    from thunderlike.engines.base import Kernel, Pairing, Source
    from thunderlike.progress import Tracker

__all__ = [
    "Combine",
    "Concat",
    "Map",
    "Plan",
    "Read",
    "Segments",
    "Take",
    "aggregated",
    "computed",
    "each",
    "fill",
    "one_blas_thread",
    "ranges_of",
]


Result = TypeVar("Result")
Range = tuple[int, int]

_GAP = 4  # records: fewer between two that are taken are computed too
_PACE = 0.1  # seconds between two events of the progress of a function of a user
_GROWTH = 8  # times as many records in its next step, at most
_FORKED = 4  # groups of chunks for each process, between two forks


class Plan(abc.ABC):
    """Computation of any range of records.

    Parameters
    ----------
    spec : Spec
        The records.
    below : sequence of plan
        Plans that this one computes from.

    Attributes
    ----------
    threads : int or None
        Number of ranges to compute at once: 1 where a function of a user runs, which holds the
        interpreter lock; None for one on each core.
    processes : int
        Number of processes to run it in.
    cached : bool
        Keep the records when all of them are computed.
    used : int
        Number of records that were computed for verbs and not kept.
    lock : Lock
        Held while the records are made that are kept.
    """

    threads: int | None = None
    processes: int = 1

    def __init__(self, spec: Spec, below: Sequence[Plan] = ()) -> None:
        self.spec, self.below = spec, below
        self.cached, self.used = False, 0
        self._kept: Array | None = None
        self._storage: Storage | None = None  # counts the memory of the kept records
        self.lock = threading.Lock()

    @property
    def record_bytes(self) -> int:
        """Bytes of the largest record among the steps that a chunk goes through."""
        if self._kept is not None:
            return self.spec.record_bytes
        return max([self.spec.record_bytes, *(plan.record_bytes for plan in self.below)])

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
        with self.lock:
            if self._kept is not None:
                return
            for plan in self.below:
                plan.prepare(whole=whole)
            self._prepare()
            if self.cached and whole:
                self._storage = Storage(self.spec)
                each(self, ranges_of(self, 0, self.spec.count), self._storage.put, "caching")
                self._kept = self._storage.array()

    def block(self, start: int, stop: int) -> Array:
        """Compute records ``start .. stop-1``: not to be written into."""
        below = self.below  # before the look at what is kept: another thread may keep it now
        kept = self._kept
        if kept is None:
            return self._compute(below, start, stop)
        # The order of sums in numpy, and so their rounding, depends on the layout in memory.
        return np.ascontiguousarray(kept[start:stop])

    def keep(self, array: Array) -> None:
        """Keep all records, which are in an array, and forget what they were computed from."""
        self._kept = array
        self.below = ()

    @property
    def waits(self) -> bool:
        """True where ranges wait for a disk while cores have nothing to do."""
        return self._kept is None and any(plan.waits for plan in self.below)

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
    def _compute(self, below: Sequence[Plan], start: int, stop: int) -> Array:
        """Compute records ``start .. stop-1`` from those of the plans below."""

    def _edges(self) -> Sequence[int] | None:
        return self.below[0].edges if self.below else None

    def _prepare(self) -> None:  # noqa: B027  # most plans need nothing
        """Compute the values that every range needs, once."""


class Read(Plan):
    """Records of a source."""

    def __init__(self, source: Source) -> None:
        super().__init__(source.spec)
        self.source, self._kept, self.threads = source, source.array, source.threads
        self._segments = Segments(source.cuts, self._read) if source.cuts else None

    @property
    def waits(self) -> bool:
        """True of a source that has to be read."""
        return self.array is None

    def uncache(self) -> None:
        """Drop the kept records, but not the array of the source."""
        self.cached, self._kept = False, self.source.array

    def release(self) -> None:
        """Drop segments of files."""
        if self._segments:
            self._segments.clear()

    def check(self) -> None:
        """Have the source check."""
        self.source.check()

    def _edges(self) -> Sequence[int] | None:
        return self.source.cuts

    def _compute(self, below: Sequence[Plan], start: int, stop: int) -> Array:  # noqa: ARG002
        if self._segments is None or start == stop:
            return self._read(start, stop)
        return self._segments.block(start, stop)

    def _read(self, start: int, stop: int) -> Array:
        out = self.spec.empty(stop - start)
        self.source.read(start, stop, out)
        return out


class Map(Plan):
    """A kernel applied to blocks."""

    def __init__(self, plan: Plan, kernel: Kernel, spec: Spec) -> None:
        super().__init__(spec, [plan])
        self._kernel = kernel
        self.processes = max(plan.processes, kernel.processes)
        self.threads = plan.threads if kernel.vectorised or self.processes > 1 else 1

    @property
    def runs_here(self) -> bool:
        """True for a function of a user in this process, which runs in the thread of the caller."""
        return (self.threads, self.processes) == (1, 1) and self.array is None

    def apply(self, start: int, block: Array) -> Array:
        """Apply the kernel to a block of the plan below."""
        return check_block(self._kernel(start, block), len(block), self.spec, start)

    def write(self, start: int, block: Array, out: Array) -> None:
        """Write the results for a block of the plan below into an array of their dtype."""
        write = getattr(self._kernel, "write", None)
        if write is None:
            out[...] = self.apply(start, block)
        else:
            write(start, block, out)

    def _compute(self, below: Sequence[Plan], start: int, stop: int) -> Array:
        return self.apply(start, below[0].block(start, stop))


class _Several(Plan):
    """Records computed from one or several plans."""

    def __init__(self, spec: Spec, below: Sequence[Plan]) -> None:
        super().__init__(spec, below)
        limits = [plan.threads for plan in below if plan.threads]
        self.threads = min(limits, default=None)
        self.processes = max(plan.processes for plan in below)


class Combine(_Several):
    """A pairing applied to blocks of two plans."""

    def __init__(self, left: Plan, right: Plan, pairing: Pairing, spec: Spec) -> None:
        super().__init__(spec, [left, right])
        self._pairing = pairing

    def _compute(self, below: Sequence[Plan], start: int, stop: int) -> Array:
        left, right = (plan.block(start, stop) for plan in below)
        return check_block(self._pairing(left, right), stop - start, self.spec, start)


class Take(_Several):
    """Records of increasing numbers."""

    def __init__(self, plan: Plan, rows: NDArray[np.int64], spec: Spec) -> None:
        super().__init__(spec, [plan])
        self._rows = rows

    def _edges(self) -> Sequence[int] | None:
        found = super()._edges()
        if found is None:
            return None
        return sorted({0, *np.searchsorted(self._rows, found).tolist(), len(self._rows)})

    def _compute(self, below: Sequence[Plan], start: int, stop: int) -> Array:
        rows = self._rows[start:stop]
        if not len(rows):
            return below[0].block(0, 0)
        (gaps,) = np.nonzero(np.diff(rows) > _GAP)
        parts = []
        for run in np.split(rows, gaps + 1):
            first = int(run[0])
            found = below[0].block(first, int(run[-1]) + 1)
            parts.append(found if len(found) == len(run) else found[run - first])
        return _joined(parts)


class Concat(_Several):
    """Records of several plans, one after the other."""

    def __init__(self, plans: Sequence[Plan], spec: Spec) -> None:
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

    def _compute(self, below: Sequence[Plan], start: int, stop: int) -> Array:
        parts = [
            plan.block(max(start, first) - first, min(stop, last) - first)
            for plan, (first, last) in zip(below, itertools.pairwise(self._starts), strict=True)
            if first < stop and last > start
        ]
        return _joined(parts) if parts else below[0].block(0, 0)


class Segments:
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


def ranges_of(plan: Plan, first: int, last: int, nbytes: int | None = None) -> list[Range]:
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


def computed(
    plan: Plan,
    ranges: Sequence[Range],
    use: Callable[[int, Array], Result],
    label: str,
    into: Callable[[int, int], Array] | None = None,
) -> Generator[Result]:
    """Compute ranges of a prepared plan, and yield in order what a function makes of each block.

    Blocks are computed and used on threads. A function of a user, and the steps after it, run in
    the thread of the caller, on blocks that are computed ahead; they write their results into the
    array that `into` returns for a range, if it is given, before `use` gets it.
    """
    base, serial = plan, []
    while isinstance(base, Map) and base.runs_here:
        serial.append(base)
        base = base.below[0]
    processes, threads = (1, None) if base.array is not None else (base.processes, base.threads)
    if threads is None and base.waits:
        threads = current().nworkers() + 1  # one reads ahead while the others compute
    steps = _Serial(serial[::-1])
    here = bool(serial) or processes > 1  # the effects of `use` would be lost in forks

    def run(group: list[Range]) -> list[Any]:
        blocks = ((start, base.block(start, stop)) for start, stop in group)
        return list(blocks) if here else [use(*chunk) for chunk in blocks]

    groups = _groups(ranges, base.edges)
    if processes > 1:
        found = _forked(run, groups, processes)
    else:  # of one group, or views of an array, the hand-over to a thread would take longest
        views = here and base.array is not None
        found = tmap(run, groups, workers=1 if views or len(groups) == 1 else threads)
    try:
        with track(label, sum(stop - start for start, stop in ranges)) as work:
            for group, results in zip(groups, found, strict=True):
                for (start, stop), result in zip(group, results, strict=True):
                    if serial:
                        place = None if into is None else into(start, stop)
                        yield use(start, steps.apply(start, result[1], work, place))
                        continue
                    yield use(*result) if here else result
                    work.advance(stop - start)
        plan.check()
    finally:
        plan.release()


class _Serial:
    """Steps of functions of a user, applied to as many records at a time as show their progress."""

    def __init__(self, steps: Sequence[Map]) -> None:
        self._steps, self._rows = steps, 1

    def apply(self, start: int, block: Array, work: Tracker, out: Array | None = None) -> Array:
        """Apply the steps to a block, and count its records; `out` gets the results, if given."""
        parts: list[Array] = []
        *steps, last = self._steps
        first = 0
        while first < len(block) or not parts:
            began, part = time.perf_counter(), block[first : first + self._rows]
            for step in steps:
                part = step.apply(start + first, part)
            if out is None:
                parts.append(last.apply(start + first, part))
            else:
                last.write(start + first, part, out[first : first + len(part)])
                parts = [out]
            work.advance(len(part))
            first += len(part)
            share = _PACE / max(time.perf_counter() - began, 1e-6)
            self._rows = max(1, int(self._rows * min(share, _GROWTH)))
        return _joined(parts)


def aggregated(
    plan: Plan,
    partial: Callable[[int, Array], Result],
    merge: Callable[[Result, Result], Result],
) -> Result:
    """Compute partials of tiles of the records of a prepared plan, and merge them in order.

    The tiles are those of the records alone, whatever they are computed from, so that sums of
    floats are equal to the last bit on every engine.
    """
    if not plan.spec.count:
        return partial(0, plan.spec.empty(0))
    tiles = tiling(plan.spec, current().chunk_bytes)
    if plan.record_bytes > plan.spec.record_bytes:
        found = _reduced(plan, tiles, partial)
    else:
        found = computed(plan, tiles, partial, "reducing")
    with one_blas_thread(), closing(found) as partials:
        return reduce(merge, partials)


def _reduced(
    plan: Plan, tiles: Sequence[Range], partial: Callable[[int, Array], Result]
) -> Generator[Result]:
    """Yield partials of tiles of records that are computed from larger ones, a chunk at a time."""
    with closing(_assembled(plan, tiles)) as made:
        yield from tmap(lambda tile: partial(*tile), made)


def _assembled(plan: Plan, tiles: Sequence[Range]) -> Generator[tuple[int, Array]]:
    """Yield the start and the records of each tile, computed a chunk at a time."""
    ends = iter(tiles)
    start, stop = next(ends)
    tile = plan.spec.empty(stop - start)
    ranges = [
        (max(a, first), min(b, last))
        for a, b in ranges_of(plan, 0, plan.spec.count)
        for first, last in _overlapping(tiles, a, b)
    ]
    chunks = computed(plan, ranges, lambda first, block: (first, block), "reducing")
    with closing(chunks):
        for first, block in chunks:
            tile[first - start : first - start + len(block)] = block
            if first + len(block) == stop:
                yield start, tile
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


def each(
    plan: Plan,
    ranges: Sequence[Range],
    use: Callable[[int, Array], None],
    label: str,
    into: Callable[[int, int], Array] | None = None,
) -> None:
    """Have a function use each block of a prepared plan."""
    with one_blas_thread(), closing(computed(plan, ranges, use, label, into)) as used:
        for _ in used:
            pass


def fill(
    plan: Plan, first: int, last: int, out: Array, label: str, nbytes: int | None = None
) -> None:
    """Compute records ``first .. last-1`` of a prepared plan into an array, `nbytes` at a time."""

    def place(start: int, stop: int) -> Array:
        return out[start - first : stop - first]

    def put(start: int, block: Array) -> None:
        wanted = place(start, start + len(block))
        if (
            block.__array_interface__["data"] != wanted.__array_interface__["data"]
        ):  # otherwise the results are there
            wanted[...] = block

    # A function of a user on views of an array needs no pieces: it takes one record at a time.
    direct = isinstance(plan, Map) and plan.runs_here and plan.below[0].array is not None
    ranges = [(first, last)] if direct else ranges_of(plan, first, last, nbytes)
    each(plan, ranges, put, label, place)


def _joined(parts: list[Array]) -> Array:
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def one_blas_thread() -> Any:
    """Limit BLAS to one thread in each of the threads of the engine."""
    return _blas().limit(limits=1)


@cache
def _blas() -> ThreadpoolController:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
