"""Aggregation of partial results in a tree."""

from __future__ import annotations

from functools import partial, reduce
from typing import TYPE_CHECKING, Any, TypeVar

from thunderlike.engines.jobs import carrying

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from pyspark import RDD

__all__ = ["AT_ONCE", "thinned"]

AT_ONCE = 256 * 2**20  # bytes of partials that one process is given to merge

Partial = TypeVar("Partial")


def thinned(partials: RDD[Any], nbytes: int, merge: Callable[[Any, Any], Any]) -> RDD[Any]:
    """Merge neighbours until what is left is for the driver.

    Parameters
    ----------
    partials : RDD
        At most one in a partition.
    nbytes : int
        Of one of them, about.
    merge : callable
        From two, in the order of their partitions, to one.

    Notes
    -----
    A shuffle of all partials for each time that their number is divided by what makes `AT_ONCE`,
    at least two. Spark's own tree merges them in the order in which they arrive, so that the last
    digits would differ from run to run.
    """
    arity = max(2, AT_ONCE // max(1, nbytes))
    while partials.getNumPartitions() > arity:
        groups = -(-partials.getNumPartitions() // arity)
        sent = partials.mapPartitionsWithIndex(partial(_sent, arity)).partitionBy(groups, int)
        partials = sent.mapPartitions(carrying(partial(_joined, merge)))
    return partials


def _sent(arity: int, number: int, partials: Iterable[Any]) -> Iterator[tuple[int, Any]]:
    """The group that each partial is for, and its number in it."""
    return ((number // arity, (number, one)) for one in partials)


def _joined(
    merge: Callable[[Any, Any], Any], pairs: Iterable[tuple[int, tuple[int, Any]]]
) -> Iterator[Any]:
    """Merge a group, in order."""
    mine = sorted((numbered for _, numbered in pairs), key=lambda numbered: numbered[0])
    if mine:
        yield reduce(merge, (one for _, one in mine))
