"""Aggregation of partial results in a tree."""

from __future__ import annotations

from functools import partial, reduce
from typing import TYPE_CHECKING, Any, TypeVar

from thunderlike.engines.jobs import with_typed_errors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from pyspark import RDD

__all__ = ["MAX_MERGE_BYTES", "tree_merge"]

MAX_MERGE_BYTES = 256 * 2**20  # bytes of partials that one process merges at once

Partial = TypeVar("Partial")


def tree_merge(partials: RDD[Any], nbytes: int, merge: Callable[[Any, Any], Any]) -> RDD[Any]:
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
