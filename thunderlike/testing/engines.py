"""Engines for tests: one refuses to compute, one counts verbs, one keeps a list of chunks."""

from __future__ import annotations

import itertools
from collections import Counter
from functools import cache, partial, reduce
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

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
from thunderlike.engines.local import LocalEngine, LocalRecords
from thunderlike.engines.shuffle import Pick
from thunderlike.errors import EngineError, NotOnEngineError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from thunderlike._typing import Array
    from thunderlike.engines.base import Chunk, Exchange, Kernel, Pairing, Source

__all__ = [
    "ChunkedEngine",
    "ChunkedRecords",
    "Computed",
    "ComputedError",
    "CountingEngine",
    "LazyEngine",
    "LazyRecords",
]


class ComputedError(EngineError):
    """A value was computed that should have stayed planned."""


class LazyEngine(Engine):
    """Engine that refuses to compute, to test that a method only plans.

    Examples
    --------
    >>> import thunderlike as tl
    >>> movie = tl.images.fromrandom((10, 4, 6), engine=LazyEngine())
    >>> movie.gaussian_filter(2).toseries().zscore().shape
    (4, 6, 10)
    >>> movie.mean()
    Traceback (most recent call last):
    ...
    thunderlike.testing.engines.ComputedError: aggregate was called on records that should wait
    """

    name = "lazy"
    lazy = True

    def load(self, source: Source, npartitions: int | None = None) -> LazyRecords:  # noqa: ARG002
        """Remember what the records would be."""
        return LazyRecords(self, source.spec)

    def adopt(self, *_: object, **__: object) -> NoReturn:
        """Refuse: it has no form of its own."""
        raise NotOnEngineError("the lazy engine has no pairs of its own: use fromarray")


class LazyRecords(Records):
    """Planned records without values."""

    npartitions = 1
    iscached = False

    def __init__(self, engine: LazyEngine, spec: Spec) -> None:
        self.engine: LazyEngine = engine
        self.spec = spec

    def _of(self, count: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> LazyRecords:
        return LazyRecords(self.engine, Spec(count, shape, dtype))

    def map(self, kernel: Kernel, shape: tuple[int, ...], dtype: np.dtype[Any]) -> LazyRecords:  # noqa: ARG002
        """Plan."""
        return self._of(self.spec.count, shape, dtype)

    def combine(
        self,
        other: Records,  # noqa: ARG002
        pairing: Pairing,  # noqa: ARG002
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
    ) -> LazyRecords:
        """Plan."""
        return self._of(self.spec.count, shape, dtype)

    def take(self, rows: NDArray[np.int64]) -> LazyRecords:
        """Plan."""
        return self._of(len(rows), self.spec.shape, self.spec.dtype)

    def concat(self, others: Sequence[Records]) -> LazyRecords:
        """Plan."""
        count = self.spec.count + sum(other.spec.count for other in others)
        return self._of(count, self.spec.shape, self.spec.dtype)

    def regroup(self, exchange: Exchange, nbytes: int | None = None) -> LazyRecords:  # noqa: ARG002
        """Plan."""
        return LazyRecords(self.engine, exchange.spec)

    def repartition(self, npartitions: int) -> LazyRecords:  # noqa: ARG002
        """Plan."""
        return self

    def cache(self) -> None:
        """Plan."""

    def uncache(self) -> None:
        """Plan."""

    def aggregate(self, partial: object, merge: object, nbytes: int = 0) -> NoReturn:  # noqa: ARG002
        """Refuse."""
        raise ComputedError("aggregate was called on records that should wait")

    def collect(self, start: int = 0, stop: int | None = None) -> NoReturn:  # noqa: ARG002
        """Refuse."""
        raise ComputedError("collect was called on records that should wait")

    def stream(self) -> NoReturn:
        """Refuse."""
        raise ComputedError("stream was called on records that should wait")

    def native(self, key_shape: tuple[int, ...]) -> NoReturn:  # noqa: ARG002
        """Refuse."""
        raise ComputedError("native was called on records that should wait")


class CountingEngine(LocalEngine):
    """The local engine, counting what it is asked: each verb that computes or moves records.

    Attributes
    ----------
    asked : Counter
        How often each of ``aggregate collect stream regroup repartition`` was called.

    Examples
    --------
    >>> import thunderlike as tl
    >>> engine = CountingEngine()
    >>> _ = tl.images.fromrandom((10, 4, 6), engine=engine).toseries().zscore(axis=0)
    >>> dict(engine.asked)
    {'regroup': 1, 'aggregate': 1}
    """

    name = "counting"

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()

    def load(self, source: Source, npartitions: int | None = None) -> LocalRecords:
        """Hold records that count."""
        return _CountingRecords(self, super().load(source, npartitions).plan, shared=True)


class _CountingRecords(LocalRecords):
    """Local records that count; what comes of them counts too."""

    engine: CountingEngine

    def _of(self, records: LocalRecords) -> _CountingRecords:
        return _CountingRecords(self.engine, records.plan, shared=True)

    def map(self, *args: Any) -> _CountingRecords:
        return self._of(super().map(*args))

    def combine(self, *args: Any) -> _CountingRecords:
        return self._of(super().combine(*args))

    def take(self, rows: NDArray[np.int64]) -> _CountingRecords:
        return self._of(super().take(rows))

    def concat(self, others: Sequence[Records]) -> _CountingRecords:
        return self._of(super().concat(others))

    def regroup(self, *args: Any) -> _CountingRecords:
        self.engine.asked["regroup"] += 1
        return self._of(super().regroup(*args))

    def repartition(self, npartitions: int) -> _CountingRecords:
        self.engine.asked["repartition"] += 1
        return self._of(super().repartition(npartitions))

    def aggregate(self, *args: Any) -> Any:
        self.engine.asked["aggregate"] += 1
        return super().aggregate(*args)

    def collect(self, *args: Any) -> Any:
        self.engine.asked["collect"] += 1
        return super().collect(*args)

    def stream(self) -> Any:
        self.engine.asked["stream"] += 1
        return super().stream()


class ChunkedEngine(Engine):
    """A lazy engine in one process: a list of chunks, each computed when it is needed.

    The shortest engine with the complete contract, and the one to read before another is
    written. Its chunks are of different sizes, so that errors in the order of records show.

    Parameters
    ----------
    nchunks : int
        About so many chunks are made of records.

    Examples
    --------
    >>> import thunderlike as tl
    >>> movie = tl.images.fromrandom((10, 4, 6), engine=ChunkedEngine())
    >>> series = movie.toseries().zscore()
    >>> series.mode, series.shape, round(series.map(lambda v: v.std()).max().toarray().item(), 6)
    ('chunked', (4, 6, 10), 1.0)
    """

    name = "chunked"
    lazy = True

    def __init__(self, nchunks: int = 4) -> None:
        self.nchunks = nchunks

    def load(self, source: Source, npartitions: int | None = None) -> ChunkedRecords:
        """Plan the chunks; each reads its records when it is computed."""
        check_npartitions(npartitions)

        def read(start: int, stop: int) -> Array:
            block = source.spec.empty(stop - start)
            source.read(start, stop, block)
            source.check()
            return block

        ranges = align(self.ranges(source.spec.count), source.cuts)
        return self.records(source.spec, ranges, read)

    def adopt(
        self, native: Any, key_shape: tuple[int, ...] | None, spec: Spec | None, *, ordered: bool
    ) -> ChunkedRecords:
        """Divide the records that the local engine makes of pairs into chunks."""
        values = LocalEngine().adopt(native, key_shape, spec, ordered=ordered).values
        return self.load(ArraySource(values))

    def ranges(self, count: int) -> list[tuple[int, int]]:
        """Cut so many records into consecutive ranges of different lengths."""
        rows = -(-count // self.nchunks)
        # The first chunk is half as long: equal ones would hide a wrong offset.
        edges = sorted({0, *range(rows // 2 + 1, count, rows or 1), count})
        return list(itertools.pairwise(edges))

    def records(
        self, spec: Spec, ranges: list[tuple[int, int]], make: Callable[[int, int], Array]
    ) -> ChunkedRecords:
        """Return records of which `make` computes a range."""
        chunks = [_LazyChunk(start, stop, partial(make, start, stop)) for start, stop in ranges]
        return ChunkedRecords(self, spec, chunks)

    def __repr__(self) -> str:
        return f"ChunkedEngine({self.nchunks})"


class ChunkedRecords(Records):
    """Records in a list of chunks that are computed when they are needed."""

    npartitions = 1

    def __init__(self, engine: ChunkedEngine, spec: Spec, chunks: list[_LazyChunk]) -> None:
        self.engine: ChunkedEngine = engine
        self.spec, self.chunks, self.iscached = spec, chunks, False

    def map(self, kernel: Kernel, shape: tuple[int, ...], dtype: np.dtype[Any]) -> ChunkedRecords:
        """Return as many chunks, each computed from one of these."""
        spec = Spec(self.spec.count, shape, dtype)

        def apply(chunk: _LazyChunk) -> Array:
            block = kernel(chunk.start, chunk.values())
            return check_block(block, chunk.stop - chunk.start, spec, chunk.start)

        return self._from_each(spec, apply)

    def combine(
        self, other: Records, pairing: Pairing, shape: tuple[int, ...], dtype: np.dtype[Any]
    ) -> ChunkedRecords:
        """Return as many chunks, each computed from one of these and that range of the other."""
        spec = Spec(self.spec.count, shape, dtype)

        def pair(chunk: _LazyChunk) -> Array:
            block = pairing(chunk.values(), other.collect(chunk.start, chunk.stop))
            return check_block(block, chunk.stop - chunk.start, spec, chunk.start)

        return self._from_each(spec, pair)

    def take(self, rows: NDArray[np.int64]) -> ChunkedRecords:
        """Take rows of each chunk if they increase; else regroup the records."""
        spec = Spec(len(rows), self.spec.shape, self.spec.dtype)
        if not (np.diff(rows) > 0).all():
            return self.regroup(Pick(spec, rows))
        taken = []
        for chunk in self.chunks:
            first, last = np.searchsorted(rows, (chunk.start, chunk.stop)).tolist()
            if last > first:
                taken.append(_LazyChunk(first, last, partial(chunk.rows, rows[first:last])))
        return ChunkedRecords(self.engine, spec, taken)

    def concat(self, others: Sequence[Records]) -> ChunkedRecords:
        """Return the chunks of all collections, with their records renumbered."""
        chunks, count = list(self.chunks), self.spec.count
        # By their ranges, not their chunks: the others may be records of any engine.
        for other in others:
            for start, stop in self.engine.ranges(other.spec.count):
                make = partial(other.collect, start, stop)
                chunks.append(_LazyChunk(count + start, count + stop, make))
            count += other.spec.count
        return ChunkedRecords(self.engine, Spec(count, self.spec.shape, self.spec.dtype), chunks)

    def regroup(self, exchange: Exchange, nbytes: int | None = None) -> ChunkedRecords:  # noqa: ARG002
        """Cut every chunk once, when the first of the new ones is computed."""
        ranges = self.engine.ranges(exchange.spec.count)

        @cache
        def pieces() -> dict[int, list[Any]]:
            found: dict[int, list[Any]] = {first: [] for first, _ in ranges}
            for start, block in self.stream():
                for first, last in ranges:
                    piece = exchange.cut(start, block, first, last)
                    if piece is not None:
                        found[first].append(piece)
            return found

        def place(first: int, last: int) -> Array:
            out = exchange.spec.empty(last - first)
            for piece in pieces()[first]:
                exchange.place(out, first, piece)
            return out

        return self.engine.records(exchange.spec, ranges, place)

    def aggregate(
        self,
        partial: Callable[[int, Array], Any],
        merge: Callable[[Any, Any], Any],
        nbytes: int = 0,  # noqa: ARG002
    ) -> Any:
        """Aggregate each chunk, and merge the partial results in order."""
        blocks = self.stream() if self.chunks else [(0, self.spec.empty(0))]
        return reduce(merge, (partial(start, block) for start, block in blocks))

    def collect(self, start: int = 0, stop: int | None = None) -> Array:
        """Compute the chunks that hold the range."""
        first, last = check_range(self.spec, start, stop)
        out = self.spec.empty(last - first)
        for chunk in self.chunks:
            a, b = max(first, chunk.start), min(last, chunk.stop)
            if b > a:
                out[a - first : b - first] = chunk.values()[a - chunk.start : b - chunk.start]
        return out

    def stream(self) -> Iterator[Chunk]:
        """Compute chunk by chunk."""
        return ((chunk.start, chunk.values()) for chunk in self.chunks)

    def cache(self) -> None:
        """Have every chunk keep its records, once they are computed."""
        self.iscached = True
        for chunk in self.chunks:
            chunk.keep(True)

    def uncache(self) -> None:
        """Have every chunk drop its records."""
        self.iscached = False
        for chunk in self.chunks:
            chunk.keep(False)

    def repartition(self, npartitions: int) -> ChunkedRecords:  # noqa: ARG002
        """Return the same records: one process is one partition."""
        return self

    def _from_each(self, spec: Spec, make: Callable[[_LazyChunk], Array]) -> ChunkedRecords:
        """Records of chunks that are computed from one of ours each."""
        chunks = [_LazyChunk(c.start, c.stop, partial(make, c)) for c in self.chunks]
        return ChunkedRecords(self.engine, spec, chunks)


class _LazyChunk:
    """Consecutive records that a function computes."""

    def __init__(self, start: int, stop: int, make: Callable[[], Array]) -> None:
        self.start, self.stop, self._make = start, stop, make
        self._keeps = False
        self._kept: Array | None = None

    def values(self) -> Array:
        """All records of the chunk."""
        if self._kept is not None:
            return self._kept
        block = self._make()
        self._kept = block if self._keeps else None
        return block

    def rows(self, numbers: NDArray[np.int64]) -> Array:
        """The records of these numbers."""
        return self.values()[numbers - self.start]

    def keep(self, keeps: bool) -> None:
        """Keep what is computed from now on, or drop it."""
        self._keeps = keeps
        self._kept = self._kept if keeps else None


Computed = ComputedError  # name of earlier versions
