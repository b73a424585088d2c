"""Chunks from an RDD of ``(key, ndarray)`` records."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from thunderlike.config import current
from thunderlike.engines.base import Chunk, Key, Spec, as_key, check_distinct, fitting
from thunderlike.engines.jobs import carrying
from thunderlike.engines.partitioning import Layout
from thunderlike.errors import SpecError
from thunderlike.kernels._validation import as_array

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from pyspark import RDD

    from thunderlike._typing import Array

__all__ = ["adopt"]

Pair: TypeAlias = tuple[Any, Any]


def adopt(
    pairs: RDD[Any],
    key_shape: Key | None,
    spec: Spec | None,
    ordered: bool,
    plan: Callable[[Spec], Layout],
) -> tuple[RDD[Any], Spec, Layout]:
    """Chunks of the pairs in key order, with their spec and layout."""
    cast = spec is not None
    if ordered:
        counts = pairs.mapPartitions(lambda part: [sum(1 for _ in part)]).collect()
        spec = _spec(pairs, sum(counts), spec)
        layout = _as_they_lie(counts, spec)
        return pairs.mapPartitionsWithIndex(carrying(_Stack(spec, layout, cast))), spec, layout
    rank = _Ravel(key_shape) if key_shape else _Rank(sorted(map(as_key, pairs.keys().collect())))
    spec = _spec(pairs, rank.count, spec)
    layout = plan(spec)
    sent = pairs.mapPartitions(carrying(_Send(rank, spec, layout, cast)))
    shuffled = sent.partitionBy(len(layout.partitions), int)
    return shuffled.mapPartitionsWithIndex(carrying(_Place(spec, layout))), spec, layout


def _spec(pairs: RDD[Any], count: int, known: Spec | None) -> Spec:
    """The spec, looking at one real record only where the caller did not say."""
    if known is not None:
        return Spec(count, known.shape, known.dtype)
    if count == 0:
        raise SpecError("the RDD has no records: give dims and dtype to say what they would be")
    value = as_array(pairs.first()[1])
    return Spec(count, value.shape, value.dtype)


def _as_they_lie(counts: list[int], spec: Spec) -> Layout:
    rows = max(1, current().chunk_bytes // spec.record_bytes)
    edges = np.concatenate([[0], np.cumsum(counts)]).tolist()
    return Layout(
        tuple(
            tuple((a, min(a + rows, last)) for a in range(first, last, rows))
            for first, last in itertools.pairwise(edges)
        )
    )


class _Ravel:
    """The number of a key that is a position in an array of known shape."""

    def __init__(self, shape: Key) -> None:
        self.shape, self.count = shape, math.prod(shape)

    def __call__(self, key: Key) -> int:
        fits = len(key) == len(self.shape)
        if not fits or any(not 0 <= k < n for k, n in zip(key, self.shape, strict=True)):
            raise SpecError(f"the key {key} is not a position in an array of shape {self.shape}")
        return int(np.ravel_multi_index(key, self.shape))


class _Rank:
    """The number of a key among all keys, in order."""

    def __init__(self, keys: list[Key]) -> None:
        check_distinct(keys)
        self.count = len(keys)
        self._ranks = {key: rank for rank, key in enumerate(keys)}

    def __call__(self, key: Key) -> int:
        return self._ranks[key]


class _Stack:
    """Stack the pairs of a partition, which are in order, into its chunks."""

    def __init__(self, spec: Spec, layout: Layout, cast: bool) -> None:
        self._spec, self._layout, self._cast = spec, layout, cast

    def __call__(self, partition: int, pairs: Iterable[Pair]) -> Iterator[Chunk]:
        remaining = iter(pairs)
        for start, stop in self._layout.partitions[partition]:
            block = self._spec.empty(stop - start)
            for row in range(len(block)):
                key, value = next(remaining)
                block[row] = fitting(key, value, self._spec, cast=self._cast)
            yield start, block


class _Send:
    """Send stacked records to the partition of their chunk."""

    def __init__(self, rank: _Ravel | _Rank, spec: Spec, layout: Layout, cast: bool) -> None:
        self._rank, self._spec, self._cast = rank, spec, cast
        self._targets = layout.chunks()
        self._starts = np.array([first for _, (first, _) in self._targets], dtype=np.int64)

    def __call__(self, pairs: Iterable[Pair]) -> Iterator[tuple[int, Any]]:
        rows = max(1, current().chunk_bytes // self._spec.record_bytes)
        held: list[tuple[int, Array]] = []
        for key, value in pairs:
            record = fitting(key, value, self._spec, cast=self._cast)
            held.append((self._rank(as_key(key)), record))
            if len(held) == rows:
                yield from self._pieces(held)
                held = []
        yield from self._pieces(held)

    def _pieces(self, held: list[tuple[int, Array]]) -> Iterator[tuple[int, Any]]:
        """One piece for each chunk that some of these records belong to."""
        ranks = np.array([rank for rank, _ in held], dtype=np.int64)
        chunks = np.searchsorted(self._starts, ranks, side="right") - 1
        for number in np.unique(chunks):
            (mine,) = np.nonzero(chunks == number)
            values = self._spec.empty(len(mine))
            for row, index in enumerate(mine):
                values[row] = held[index][1]
            yield self._targets[number][0], (int(number), ranks[mine], values)


class _Place:
    """Put the records of each chunk where they belong; every one must come, once."""

    def __init__(self, spec: Spec, layout: Layout) -> None:
        self._spec, self._targets = spec, layout.chunks()

    def __call__(self, partition: int, pairs: Iterable[tuple[int, Any]]) -> Iterator[Chunk]:
        mine = {n: r for n, (owner, r) in enumerate(self._targets) if owner == partition}
        blocks = {n: self._spec.empty(last - first) for n, (first, last) in mine.items()}
        came = {n: np.zeros(last - first, dtype=np.int64) for n, (first, last) in mine.items()}
        for _, (number, ranks, values) in pairs:
            rows = ranks - mine[number][0]
            blocks[number][rows] = values
            np.add.at(came[number], rows, 1)
        for number, (first, _) in mine.items():
            _check_once(came[number], first)
            yield first, blocks.pop(number)


def _check_once(came: Any, first: int) -> None:
    wrong = np.flatnonzero(came != 1)
    if len(wrong):
        raise SpecError(
            f"record number {first + wrong[0]} came {came[wrong[0]]} times: "
            "keys must be all positions of the shape, each once"
        )
