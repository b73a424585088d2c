"""Chunks from an RDD of ``(key, ndarray)`` records."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from thunderlike.config import current
from thunderlike.engines.base import Chunk, Key, Spec, as_key, check_distinct, checked_record
from thunderlike.engines.jobs import with_typed_errors
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
        stack = with_typed_errors(_stack(spec, layout, cast))
        return pairs.mapPartitionsWithIndex(stack), spec, layout
    if key_shape:
        count, number = math.prod(key_shape), _ravel(key_shape)
    else:
        keys = sorted(map(as_key, pairs.keys().collect()))
        count, number = len(keys), _rank(keys)
    spec = _spec(pairs, count, spec)
    layout = plan(spec)
    rows = max(1, current().chunk_bytes // spec.record_bytes)
    sent = pairs.mapPartitions(with_typed_errors(_send(number, spec, layout, cast, rows)))
    shuffled = sent.partitionBy(len(layout.partitions), int)
    place = with_typed_errors(_place(spec, layout))
    return shuffled.mapPartitionsWithIndex(place), spec, layout


def _spec(pairs: RDD[Any], count: int, known: Spec | None) -> Spec:
    """Return the spec, from the first record unless the caller gave it."""
    if known is not None:
        return Spec(count, known.shape, known.dtype)
    if count == 0:
        raise SpecError("the RDD has no records: give dims and dtype")
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


def _ravel(shape: Key) -> Callable[[Key], int]:
    """Return a function from a position in an array of this shape to its number."""

    def number(key: Key) -> int:
        fits = len(key) == len(shape)
        if not fits or any(not 0 <= k < n for k, n in zip(key, shape, strict=True)):
            raise SpecError(f"the key {key} is not a position in an array of shape {shape}")
        return int(np.ravel_multi_index(key, shape))

    return number


def _rank(keys: list[Key]) -> Callable[[Key], int]:
    """Return a function from a key to its rank among all keys."""
    check_distinct(keys)
    return {key: rank for rank, key in enumerate(keys)}.__getitem__


def _stack(spec: Spec, layout: Layout, cast: bool) -> Callable[[int, Any], Iterator[Chunk]]:
    """Return a function that stacks the ordered pairs of a partition into its chunks."""

    def run(partition: int, pairs: Iterable[Pair]) -> Iterator[Chunk]:
        remaining = iter(pairs)
        for start, stop in layout.partitions[partition]:
            block = spec.empty(stop - start)
            for row in range(len(block)):
                key, value = next(remaining)
                block[row] = checked_record(key, value, spec, cast=cast)
            yield start, block

    return run


def _send(
    number: Callable[[Key], int], spec: Spec, layout: Layout, cast: bool, rows: int
) -> Callable[[Iterable[Pair]], Iterator[tuple[int, Any]]]:
    """Return a function that sends records, stacked, to the partitions of their chunks."""
    targets = layout.chunks()
    starts = np.array([first for _, (first, _) in targets], dtype=np.int64)

    def run(pairs: Iterable[Pair]) -> Iterator[tuple[int, Any]]:
        buffered: list[tuple[int, Array]] = []
        for key, value in pairs:
            record = checked_record(key, value, spec, cast=cast)
            buffered.append((number(as_key(key)), record))
            if len(buffered) == rows:
                yield from pieces(buffered)
                buffered = []
        yield from pieces(buffered)

    def pieces(buffered: list[tuple[int, Array]]) -> Iterator[tuple[int, Any]]:
        """Make one piece for each chunk that some of these records belong to."""
        numbers = np.array([n for n, _ in buffered], dtype=np.int64)
        chunks = np.searchsorted(starts, numbers, side="right") - 1
        for chunk in np.unique(chunks):
            (members,) = np.nonzero(chunks == chunk)
            values = spec.empty(len(members))
            for row, index in enumerate(members):
                values[row] = buffered[index][1]
            yield targets[chunk][0], (int(chunk), numbers[members], values)

    return run


def _place(spec: Spec, layout: Layout) -> Callable[[int, Any], Iterator[Chunk]]:
    """Return a function that writes records to their chunks, and checks that none is missing."""
    targets = layout.chunks()

    def run(partition: int, pairs: Iterable[tuple[int, Any]]) -> Iterator[Chunk]:
        mine = {n: r for n, (owner, r) in enumerate(targets) if owner == partition}
        blocks = {n: spec.empty(last - first) for n, (first, last) in mine.items()}
        counts = {n: np.zeros(last - first, dtype=np.int64) for n, (first, last) in mine.items()}
        for _, (chunk, numbers, values) in pairs:
            rows = numbers - mine[chunk][0]
            blocks[chunk][rows] = values
            np.add.at(counts[chunk], rows, 1)
        for chunk, (first, _) in mine.items():
            wrong = np.flatnonzero(counts[chunk] != 1)
            if len(wrong):
                raise SpecError(
                    f"record number {first + wrong[0]} came {counts[chunk][wrong[0]]} times: "
                    "keys must be all positions of the shape, each once"
                )
            yield first, blocks.pop(chunk)

    return run
