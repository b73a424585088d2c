"""Regrouping of the records of a plan: in memory, from the source, or through a scratch file."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike.config import current
from thunderlike.engines.plan import Plan, Read, Segments, each, fill, ranges_of
from thunderlike.engines.scratch import (
    Reservation,
    ScratchFile,
    check_record,
    memory_limit,
    reserve,
)
from thunderlike.engines.shuffle import Transpose
from thunderlike.parallel.threads import tmap
from thunderlike.progress import track

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from thunderlike._typing import Array
    from thunderlike.engines.base import Exchange, Source, Spec

__all__ = ["Regroup"]


class Regroup(Plan):
    """New records made of pieces of others.

    Where all old records fit in memory they are computed once and kept, and each range of new
    records is cut from them. Else new records come in buckets, the last few of which are kept: of
    a source that can be read in their order too, each is read when the first of its records is
    needed. Of other records, all are computed once, before the first of the new ones: each block
    is cut for the buckets and written to a scratch file, from which a bucket is put together: two
    sequential passes over the disk.
    """

    def __init__(self, plan: Plan, exchange: Exchange) -> None:
        super().__init__(exchange.spec)
        self._old, self._exchange = plan, exchange
        self._slab: Array | None = None
        self._reserved: Reservation | None = None
        self._segments: Segments | None = None
        self._source: Source | None = None  # that buckets are read from

    @property
    def waits(self) -> bool:
        """True where buckets come from a disk."""
        return self._segments is not None and self.array is None

    def release(self) -> None:
        """Drop the buckets; the pieces stay for the next verb."""
        if self._segments:
            self._segments.clear()

    def check(self) -> None:
        """Have a source that buckets are read from check."""
        if self._source is not None:
            self._source.check()

    def _edges(self) -> Sequence[int] | None:
        return self._segments.edges if self._segments else None

    def _prepare(self) -> None:
        if self._slab is not None or self._segments is not None:
            return
        check_record(self._old.record_bytes)
        self._old.prepare()  # all of them, whatever part of the new ones is wanted
        old = self._old.spec
        if self._old.array is not None:
            self._slab = self._old.array
        elif reserved := reserve(old.nbytes):
            slab = old.empty()
            fill(self._old, 0, old.count, slab, "regrouping")
            self._slab, self._reserved = slab, reserved
        elif (source := self._direct()) is not None:
            self._segments, self._source = self._read_from(source), source
        else:
            self._segments = self._scattered()

    def _direct(self) -> Source | None:
        """Return the source of the old records in the order of the new ones, if it has one."""
        if not isinstance(self._exchange, Transpose) or not isinstance(self._old, Read):
            return None
        return self._old.source.transposed(_share())

    def _read_from(self, source: Source) -> Segments:
        cuts = source.cuts
        edges = cuts if cuts is not None else _edges_of(self.spec, _share())

        def read(first: int, last: int) -> Array:
            out = self.spec.empty(last - first)
            source.read(first, last, out.reshape(last - first, *source.spec.shape))
            return out

        return Segments(edges, read)

    def _scattered(self) -> Segments:
        """Write the pieces of all buckets, and return the buckets."""
        settings, old = current(), self._old.spec
        # Pieces of 64 KiB out of blocks of one chunk, as far as memory allows: several threads
        # hold a bucket and a block each. Below that blocks grow, and then pieces shrink.
        least, share = settings.piece_bytes * old.nbytes, _share()
        size = min(max(least // settings.chunk_bytes, settings.chunk_bytes), share)
        edges = _edges_of(self.spec, size)
        scratch = ScratchFile(old.nbytes)
        found: dict[int, NDArray[np.int64]] = {}

        def scatter(start: int, block: Array) -> None:
            pieces = [self._exchange.cut(start, block, first, last)
                      for first, last in itertools.pairwise(edges)]  # fmt: skip
            found[start] = scratch.append(pieces)

        nbytes = min(max(settings.chunk_bytes, least // size), share)
        each(self._old, ranges_of(self._old, 0, old.count, nbytes), scatter, "regrouping")
        rows = [found[start] for start in sorted(found)]
        ends = np.array(rows, np.int64).reshape(-1, len(edges))
        pieces = _Pieces(scratch, np.stack([ends[:, :-1], ends[:, 1:]], axis=-1))
        if nbytes * size < settings.piece_bytes // _SHORT * old.nbytes:
            pieces = pieces.joined(settings.piece_bytes, share)

        def gather(first: int, last: int) -> Array:
            out = self.spec.empty(last - first)
            mine = pieces.of(edges.index(first))
            exchange = self._exchange
            for piece in exchange.joined(mine) if isinstance(exchange, Transpose) else mine:
                exchange.place(out, first, piece)
            return out

        return Segments(edges, gather)

    def _compute(self, below: Sequence[Plan], start: int, stop: int) -> Array:  # noqa: ARG002
        if self._segments is not None and start < stop:
            return self._segments.block(start, stop)
        out = self.spec.empty(stop - start)
        piece = None if self._slab is None else self._exchange.cut(0, self._slab, start, stop)
        if piece is not None:
            self._exchange.place(out, start, piece)
        return out


_SHORT = 2  # pieces shorter than this part of `piece_bytes` are joined to longer ones


@dataclass(frozen=True)
class _Pieces:
    """Pieces of buckets in a scratch file.

    Parameters
    ----------
    scratch : ScratchFile
        The file.
    spans : ndarray of int64, shape (n, buckets, 2)
        First byte of the pieces of each bucket and the one after the last, in `n` runs.
    """

    scratch: ScratchFile
    spans: NDArray[np.int64]

    def of(self, bucket: int) -> Iterator[Any]:
        """Yield the pieces of a bucket, in the order of the old records."""
        for start, stop in self.spans[:, bucket].tolist():
            yield from self.scratch.read(start, stop)

    def joined(self, nbytes: int, room: int) -> _Pieces:
        """Write the pieces again, so that those of a bucket have runs of about `nbytes`.

        A square of the table of blocks and buckets is read a block at a time, in which the pieces
        of neighbouring buckets are neighbours, and written a bucket at a time. It takes at most
        `room` bytes of memory.
        """
        blocks, buckets, _ = self.spans.shape
        total = int((self.spans[..., 1] - self.spans[..., 0]).sum())
        piece = max(1, total // (blocks * buckets))
        wide = min(-(-nbytes // piece), buckets)
        tall = max(1, min(-(-nbytes // piece), blocks, room // (wide * piece)))
        scratch = ScratchFile(total)
        spans = np.empty((-(-blocks // tall), buckets, 2), np.int64)

        def rewrite(square: tuple[int, int]) -> int:
            top, left = square
            mine = self.spans[top : top + tall, left : left + wide]
            parts = [_split(self.scratch, row) for row in mine]
            # By bucket: the first pieces of all blocks, then the second, and so on.
            columns = [part for column in zip(*parts, strict=True) for part in column]
            begin = scratch.append_bytes(columns)
            ends = begin + np.cumsum((mine[..., 1] - mine[..., 0]).sum(axis=0))
            spans[top // tall, left : left + wide, 1] = ends
            spans[top // tall, left : left + wide, 0] = [begin, *ends[:-1]]
            return int(mine.shape[0] * mine.shape[1])

        squares = itertools.product(range(0, blocks, tall), range(0, buckets, wide))
        with track("regrouping", blocks * buckets) as work:
            for done in tmap(rewrite, squares):
                work.advance(done)
        return _Pieces(scratch, spans)


def _split(scratch: ScratchFile, spans: NDArray[np.int64]) -> list[memoryview]:
    """Read consecutive spans of a file at once."""
    begin, end = int(spans[0, 0]), int(spans[-1, 1])
    data = scratch.raw(begin, end)
    return [data[a:b] for a, b in (spans - begin).tolist()]


def _share() -> int:
    """Bytes of one bucket or block: each thread holds one of both, and others wait."""
    return memory_limit() // (2 * (current().nworkers() + 2))


def _edges_of(spec: Spec, nbytes: int) -> list[int]:
    """Divide new records into buckets of about `nbytes`, whole chunks of the next step if so."""
    chunk = max(1, current().chunk_bytes // spec.record_bytes)
    rows = max(1, nbytes // spec.record_bytes)
    rows = rows // chunk * chunk or rows
    return [*range(0, spec.count, rows), spec.count]
