"""Group-by reductions along each series of a block of shape ``(k, L)``.

Positions are sorted by group once, and every group of every record is reduced in one
call: no mask for each group, no call for each record. Sums and deviations are computed in float64.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from thunderlike.errors import SpecError
from thunderlike.kernels._tiles import tiles
from thunderlike.kernels._validation import is_between
from thunderlike.kernels.moments import finite_origin, sum_dtype
from thunderlike.kernels.series import result_dtype

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import ArrayLike, DTypeLike, NDArray

    from thunderlike._typing import Array

__all__ = ["STATISTICS", "Groups", "percentile", "statistic", "summary"]


@dataclass(frozen=True, eq=False)
class Groups:
    """Groups of positions in a record; a position may be in several groups, or in none.

    Parameters
    ----------
    order : ndarray of int
        The positions, group after group.
    starts : ndarray of int
        Where in `order` each group begins.

    Examples
    --------
    >>> groups = Groups.numbered([1, 0, 1])
    >>> groups.order, groups.starts, groups.counts
    (array([1, 0, 2]), array([0, 1]), array([1, 2]))
    """

    order: NDArray[np.int64]
    starts: NDArray[np.int64]

    @classmethod
    def numbered(cls, numbers: ArrayLike) -> Self:
        """Groups from the number of the group of each position; every number occurs."""
        given = np.asarray(numbers, np.int64)
        order = np.argsort(given, kind="stable")
        return cls(order, np.flatnonzero(np.diff(given[order], prepend=-1)))

    @classmethod
    def equal(cls, positions: Array) -> Self:
        """Groups of one size, of shape ``(groups, size)``."""
        count, size = positions.shape
        return cls(np.ravel(positions), np.arange(count) * size)

    @cached_property
    def counts(self) -> NDArray[np.int64]:
        """Positions in each group."""
        return np.diff(self.starts, append=len(self.order))

    @cached_property
    def _in_place(self) -> bool:
        """True if the positions are already ordered by group."""
        return np.array_equal(self.order, np.arange(len(self.order)))

    def gathered(self, block: Array) -> Array:
        """The block with its positions group after group; a view where they lie so."""
        if self._in_place:
            return block[:, : len(self.order)]
        return np.take(block, self.order, axis=1)

    def reduced(self, ufunc: np.ufunc, gathered: Array) -> Array:
        """Reduce each group of what `gathered` gave."""
        return ufunc.reduceat(gathered, self.starts, axis=1)

    def spread(self, values: Array) -> Array:
        """Repeat the value of each group, of shape ``(k, groups)``, for each of its positions."""
        return np.repeat(values, self.counts, axis=1)


def statistic(block: Array, groups: Groups, stat: str) -> Array:
    """Reduce each group of positions of each record.

    Parameters
    ----------
    block : ndarray, shape (k, L)
    groups : Groups
    stat : str
        A key of :data:`STATISTICS`, in any case.

    Returns
    -------
    ndarray, shape (k, groups)
        'max' and 'min' in the dtype of the block, 'sum' in the one in which numpy adds it up,
        'count' as int64, any other as float64, or float32 where the block is. NaN propagates.

    Raises
    ------
    SpecError
        For another statistic, a group without positions, or records that are no real numbers.

    Examples
    --------
    >>> statistic(np.array([[1, 2, 6]]), Groups.numbered([0, 1, 0]), "mean")
    array([[3.5, 2. ]])
    """
    reduce = STATISTICS.get(str(stat).lower())
    if reduce is None:
        raise SpecError(f"unknown statistic {stat!r}: choose one of {', '.join(STATISTICS)}")
    if not groups.counts.all():  # `reduceat` would give the next element for an empty group
        raise SpecError(f"series of length 0 have no {stat}: select some positions")
    with np.errstate(all="ignore"):
        return reduce(block, groups)


def summary(block: Array, groups: Groups) -> Array:
    """Count, mean, standard deviation, maximum and minimum of each record, float64.

    Parameters
    ----------
    block : ndarray, shape (k, L)
    groups : Groups
        One.

    Examples
    --------
    >>> summary(np.array([[1, 3]]), Groups.numbered([0, 0]))
    array([[2., 2., 1., 3., 1.]])
    """
    columns = [statistic(block, groups, stat) for stat in ("count", "mean", "stdev", "max", "min")]
    return np.concatenate(columns, axis=1, dtype=np.float64)


def percentile(block: Array, q: float) -> Array:
    """Interpolated percentile of each record; a record with a NaN has none.

    Parameters
    ----------
    block : ndarray, shape (k, L)
    q : float
        From 0 to 100.

    Returns
    -------
    ndarray, shape (k, 1)

    Raises
    ------
    SpecError
        For another `q`, records of length 0, or records that are no real numbers.

    Examples
    --------
    >>> percentile(np.array([[1, 2, 3, 4, 9]]), 25)
    array([[2.]])
    """
    if not is_between(q, 0, 100):
        raise SpecError(f"invalid percentile {q!r}: give a number from 0 to 100")
    if not block.shape[1]:
        raise SpecError("series of length 0 have no percentile: select some positions")
    dtype = result_dtype(block.dtype)
    with np.errstate(all="ignore"):
        result: Array = np.percentile(block.astype(dtype, copy=False), q, axis=1).astype(dtype)[
            :, None
        ]
        return result


def _total(block: Array, groups: Groups) -> Array:
    dtype = sum_dtype(block.dtype)
    # Floats are added in 64 bits and rounded once; whole numbers wrap around as in numpy.
    long = np.result_type(dtype, np.float64) if dtype.kind in "fc" else dtype
    return _by_tiles(lambda tile: groups.reduced(np.add, tile), block, groups, dtype, long)


def _mean(block: Array, groups: Groups) -> Array:
    def mean(tile: Array) -> Array:
        return groups.reduced(np.add, tile) / groups.counts

    return _by_tiles(mean, block, groups, result_dtype(block.dtype))


def _std(block: Array, groups: Groups) -> Array:
    def std(tile: Array) -> Array:
        # Less its first sample, a constant group is exactly 0 and an offset costs no digits.
        deviations = tile - groups.spread(finite_origin(tile[:, groups.starts]))
        deviations -= groups.spread(groups.reduced(np.add, deviations) / groups.counts)
        return np.sqrt(groups.reduced(np.add, np.square(deviations)) / groups.counts)

    return _by_tiles(std, block, groups, result_dtype(block.dtype))


def _median(block: Array, groups: Groups) -> Array:
    out = np.empty((len(block), len(groups.starts)), result_dtype(block.dtype))
    gathered = groups.gathered(block)
    # Group by group, since no ufunc reduces to a median.
    for number, (start, count) in enumerate(zip(groups.starts, groups.counts, strict=True)):
        run = gathered[:, start : start + count].astype(out.dtype)  # a copy, free to overwrite
        out[:, number] = np.median(run, axis=1, overwrite_input=True)
    return out


def _largest(block: Array, groups: Groups) -> Array:
    return groups.reduced(np.maximum, groups.gathered(block))


def _smallest(block: Array, groups: Groups) -> Array:
    return groups.reduced(np.minimum, groups.gathered(block))


def _count(block: Array, groups: Groups) -> Array:
    return np.repeat(groups.counts[np.newaxis], len(block), axis=0)


_ELEMENTS = 2**18  # of a tile: several calls for each, between which threads wait for one another


def _by_tiles(
    function: Callable[[Array], Array],
    block: Array,
    groups: Groups,
    dtype: np.dtype[Any],
    long: DTypeLike = np.float64,
) -> Array:
    """Apply a function to tiles that lie group after group."""
    out = np.empty((len(block), len(groups.starts)), dtype)
    width = len(groups.order)
    least = _ELEMENTS // max(1, width)
    for rows, tile in tiles(block, long, width=width, least=least):
        out[rows] = function(groups.gathered(tile))
    return out


STATISTICS: Mapping[str, Callable[[Array, Groups], Array]] = {
    "sum": _total,
    "mean": _mean,
    "median": _median,
    "stdev": _std,
    "max": _largest,
    "min": _smallest,
    "count": _count,
}
"""By the names that Thunder gave them."""
