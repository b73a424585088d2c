"""Regrouping of the records of a plan: in memory, or through a scratch file."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from thunderlike.config import current
from thunderlike.engines.plan import Plan, Segments, each, fill, ranges_of
from thunderlike.engines.scratch import Place, Reservation, ScratchFile, memory_limit, reserve

if TYPE_CHECKING:
    from collections.abc import Sequence

    from thunderlike._typing import Array
    from thunderlike.engines.base import Exchange

__all__ = ["Regroup"]


class Regroup(Plan):
    """New records made of pieces of others.

    All old records are computed once, before the first of the new ones. Where they fit in memory
    they are kept, and each range of new records is cut from them. Else each block of old records
    is cut for the buckets of new ones and written to a scratch file, and a bucket is put together
    when the first of its records is needed: two sequential passes over the disk.
    """

    def __init__(self, plan: Plan, exchange: Exchange) -> None:
        super().__init__(exchange.spec)
        self._old, self._exchange = plan, exchange
        self._slab: Array | None = None
        self._reserved: Reservation | None = None
        self._segments: Segments | None = None

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
            fill(self._old, 0, old.count, slab, "regrouping")
            self._slab, self._reserved = slab, reserved
        else:
            self._segments = self._scattered()

    def _scattered(self) -> Segments:
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
        ranges = ranges_of(self._old, 0, old.count, nbytes)
        each(self._old, ranges, scatter, "regrouping")

        def gather(first: int, last: int) -> Array:
            out = self.spec.empty(last - first)
            for place in sorted(pieces[first]):
                self._exchange.place(out, first, scratch.read(place))
            return out

        return Segments(edges, gather)

    def _compute(self, start: int, stop: int) -> Array:
        if self._segments is not None and start < stop:
            return self._segments.block(start, stop)
        out = self.spec.empty(stop - start)
        piece = None if self._slab is None else self._exchange.cut(0, self._slab, start, stop)
        if piece is not None:
            self._exchange.place(out, start, piece)
        return out
