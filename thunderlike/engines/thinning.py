"""Partials merged by workers, where all of them at once would be too much for the driver."""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING, Any, TypeVar

from thunderlike.engines.tasks import carrying

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
        sent = partials.mapPartitionsWithIndex(_Sent(arity)).partitionBy(groups, int)
        partials = sent.mapPartitions(carrying(_Joined(merge)))
    return partials


class _Sent:
    """Say for which group a partial is, and which in it."""

    def __init__(self, arity: int) -> None:
        self._arity = arity

    def __call__(self, number: int, partials: Iterable[Any]) -> Iterator[tuple[int, Any]]:
        return ((number // self._arity, (number, one)) for one in partials)


class _Joined:
    """Merge a group, in order."""

    def __init__(self, merge: Callable[[Any, Any], Any]) -> None:
        self._merge = merge

    def __call__(self, pairs: Iterable[tuple[int, tuple[int, Any]]]) -> Iterator[Any]:
        mine = sorted((numbered for _, numbered in pairs), key=lambda numbered: numbered[0])
        if mine:
            yield reduce(self._merge, (partial for _, partial in mine))
