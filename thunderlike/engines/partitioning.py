"""Division of records into partitions and chunks."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from thunderlike.config import MIB, current
from thunderlike.engines.base import align
from thunderlike.errors import SpecError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from thunderlike.engines.base import Spec

__all__ = ["Layout", "Planner", "by_size", "exchange_bytes", "tiling"]

Range: TypeAlias = tuple[int, int]

# A chunk is sent as one pickle with a signed 32-bit length, in one byte array of the JVM.
MAX_RECORD_BYTES = 1024 * MIB

# Minimum of records in a partition: a statistic of images sends a partial of the size of a dozen
# images for each partition.
MIN_RECORDS = 64


@dataclass(frozen=True)
class Layout:
    """For each partition the ranges of records that its chunks hold.

    Chunks cover the records exactly once and in order: within a partition, and from one
    partition to the next. A partition may be empty.

    Examples
    --------
    >>> layout = Layout((((0, 2), (2, 3)), (), ((3, 5),)))
    >>> layout.overlapping(2, 4)
    [0, 2]
    """

    partitions: tuple[tuple[Range, ...], ...]

    def overlapping(self, start: int, stop: int) -> list[int]:
        """Numbers of the partitions that hold any of the records ``start .. stop-1``."""
        return [
            number
            for number, chunks in enumerate(self.partitions)
            if chunks and chunks[0][0] < stop and chunks[-1][1] > start
        ]

    def chunks(self) -> list[tuple[int, Range]]:
        """All chunks in order, each with the number of its partition."""
        return [(p, chunk) for p, chunks in enumerate(self.partitions) for chunk in chunks]

    def picked(self, rows: NDArray[np.int64]) -> Layout:
        """Return the layout of a selection of rows, increasing, renumbered from 0."""

        def kept(chunks: tuple[Range, ...]) -> tuple[Range, ...]:
            ranges = [tuple(np.searchsorted(rows, chunk).tolist()) for chunk in chunks]
            return tuple((a, b) for a, b in ranges if b > a)

        return Layout(tuple(kept(chunks) for chunks in self.partitions))

    def align(self, cuts: Sequence[int] | None) -> Layout:
        """Return the same partitions, with chunks that begin and end at cuts."""
        whole = iter(align([chunk for _, chunk in self.chunks()], cuts))
        held, parts = next(whole, None), []
        for chunks in self.partitions:
            mine = []
            while held and chunks and held[0] < chunks[-1][1]:
                mine.append(held)
                held = next(whole, None)
            parts.append(tuple(mine))
        return Layout(tuple(parts))

    def moved(self, by: int) -> Layout:
        """The same chunks, under later numbers.

        Examples
        --------
        >>> Layout((((0, 2), (2, 3)), ())).moved(10)
        Layout(partitions=(((10, 12), (12, 13)), ()))
        """
        return Layout(tuple(tuple((a + by, b + by) for a, b in part) for part in self.partitions))


Planner: TypeAlias = Callable[["Spec", int, int | None, int], Layout]


def by_size(spec: Spec, slots: int, npartitions: int | None, chunk_bytes: int) -> Layout:
    """Lay records out in few, large partitions: each has a cost of 30 ms whatever its size.

    Parameters
    ----------
    spec : Spec
        The records.
    slots : int
        Tasks that run at once.
    npartitions : int, optional
        Number of partitions; by default one a slot for small data, else as many as give each
        about ``partition_bytes``.
    chunk_bytes : int
        Bytes of one chunk.

    Raises
    ------
    SpecError
        When one record exceeds the largest size of a pickle that Spark accepts.
    """
    if spec.record_bytes > MAX_RECORD_BYTES:
        raise SpecError(
            f"one record of shape {spec.shape} and dtype {spec.dtype} has {spec.record_bytes} "
            f"bytes, a Spark worker takes at most {MAX_RECORD_BYTES}: cut the images smaller"
        )
    rows = max(1, chunk_bytes // spec.record_bytes)
    parts = min(npartitions or _default_partitions(spec, slots, rows), max(1, spec.count))
    edges = [p * spec.count // parts for p in range(parts + 1)]
    if spec.count // parts >= rows:
        # Partitions of whole chunks: statistics need all records of a chunk at one place.
        edges = [*(edge - edge % rows for edge in edges[:-1]), spec.count]
    return Layout(tuple(_cut(a, b, rows) for a, b in itertools.pairwise(edges)))


def tiling(spec: Spec, nbytes: int) -> list[Range]:
    """Ranges of records of about `nbytes`; one empty range if there is no record.

    Examples
    --------
    >>> from thunderlike.engines import Spec
    >>> tiling(Spec(5, (4,), np.dtype("u1")), 8)
    [(0, 2), (2, 4), (4, 5)]
    """
    rows = max(1, nbytes // spec.record_bytes)
    return [(a, min(a + rows, spec.count)) for a in range(0, spec.count, rows)] or [(0, 0)]


def exchange_bytes(spec: Spec, slots: int) -> int:
    """Bytes of the blocks that are cut up, and put together, when records are regrouped.

    Blocks of `m` bytes on both sides of `total` bytes make ``(total / m)**2`` pieces of
    ``m**2 / total`` bytes: this `m` gives pieces of ``piece_bytes``, as far as memory allows, and
    every slot a block.
    """
    best = math.isqrt(spec.nbytes * current().piece_bytes)
    return min(max(best, MIB), 512 * MIB, max(1, -(-spec.nbytes // slots)))


def _default_partitions(spec: Spec, slots: int, rows: int) -> int:
    if spec.nbytes <= current().small_bytes:
        return slots
    most = max(current().partition_bytes // spec.record_bytes, MIN_RECORDS, rows)
    return max(slots, -(-spec.count // most))


def _cut(start: int, stop: int, rows: int) -> tuple[Range, ...]:
    return tuple((a, min(a + rows, stop)) for a in range(start, stop, rows))
