"""Equal runs of a flattened array, and one number for each."""

from __future__ import annotations

import itertools
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from thunderlike.arrays.cutting import MOST, edges, spans
from thunderlike.arrays.filling import Work
from thunderlike.arrays.processing import counts
from thunderlike.arrays.sources import Source, as_source
from thunderlike.errors import SpecError
from thunderlike.kernels._numba import jit, use_compiled
from thunderlike.kernels._validation import checked_arguments

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from thunderlike._typing import Array

    Op: TypeAlias = Literal["sum", "count", "min", "max", "any"]

__all__ = ["block_ranges", "block_sums", "extremes", "nonzeros", "sum_whole"]

_CHUNK = 2**15  # elements compared, then counted while they are in a near cache


@checked_arguments
def block_ranges(
    source: Any, blocks: int | None = None, processes: int | str | None = None
) -> NDArray[np.int64]:
    """Boundaries of equal runs of an array's elements, flattened.

    Parameters
    ----------
    source : array-like, path or node
        Only its shape is looked at.
    blocks : int, optional
        How many; no more than there are elements.
    processes : int or 'serial', optional
        Tells how many by default.

    Returns
    -------
    ndarray of int64, shape (b + 1,)
        ``i * size // b``, exact for any size.

    Examples
    --------
    >>> block_ranges(range(100), 3)
    array([ 0, 33, 66, 100])
    """
    _, count = counts(processes, blocks)
    return np.array(edges(as_source(source).size, count), np.int64)


@checked_arguments
def block_sums(
    source: Any,
    blocks: int | None = None,
    processes: int | str | None = None,
    *,
    op: Op = "sum",
) -> Array:
    """Sum of each of the runs of :func:`block_ranges`, or another number for it.

    Parameters
    ----------
    source : array-like, path or node
        Flattened in the order in which it is in memory: an F array with its first index fastest.
    blocks, processes
        As in :func:`block_ranges`.
    op : 'sum', 'count', 'min', 'max' or 'any'
        What each run is reduced to. 'count' counts what is not 0, NaN included.

    Returns
    -------
    ndarray, shape (b,)
        Sums are int64, uint64 or float64; counts int64; the others of the source's dtype or bool.
        NaN propagates.

    Raises
    ------
    SpecError
        For an unknown `op`.

    Notes
    -----
    One pass, nothing copied of what is in memory or mapped.

    Examples
    --------
    >>> block_sums(np.arange(-3, 7), 2), block_sums(np.arange(-3, 7), 2, op="count")
    (array([-5, 20]), array([4, 5]))
    """
    if op not in _REDUCTIONS:
        raise SpecError(f"op is one of {', '.join(map(repr, _REDUCTIONS))}, not {op!r}")
    work = Work("block_sums", blocks, processes, verbose=False)
    found = as_source(source)
    ends = edges(found.size, work.blocks)
    items = [
        (block, start, min(start + 4 * MOST, stop))
        for block, (start, stop) in enumerate(itertools.pairwise(ends))
        for start in range(start, stop, 4 * MOST)
    ]
    reduce, merge, dtype = _REDUCTIONS[op]
    if op == "sum":
        reduce = partial(_sum, size=found.size)
    result = np.zeros(len(ends) - 1, _dtype(found.dtype) if dtype is None else dtype or found.dtype)
    shape, get = _in_memory_order(found)

    def one(item: tuple[int, int, int]) -> Any:
        parts = [reduce(np.asarray(get(box))) for box in spans(shape, *item[1:])]
        return merge(np.array(parts))

    seen: set[int] = set()
    for (block, _, _), value in zip(items, work.run(one, items), strict=True):
        result[block] = merge(np.array([result[block], value])) if block in seen else value
        seen.add(block)
    return result


def extremes(source: Source, work: Work) -> tuple[int, int]:
    """Smallest and largest of whole numbers, (0, 0) where there are none; one pass."""
    low = high = 0

    def one(span: tuple[int, int]) -> tuple[int, int]:
        found = [np.asarray(get(box)) for box in spans(shape, *span)]
        return min(int(f.min()) for f in found), max(int(f.max()) for f in found)

    shape, get = _in_memory_order(source)
    items = [(a, min(a + MOST, source.size)) for a in range(0, source.size, MOST)]
    for smallest, largest in work.run(one, items):
        low, high = min(low, smallest), max(high, largest)
    return low, high


def _in_memory_order(source: Source) -> tuple[tuple[int, ...], Callable[[Any], Array]]:
    """A shape, and what answers for boxes of it, so that C order is that of the memory."""
    array = source.array
    if array is None:
        return source.shape, source.get
    line = array.T if source.order == "F" else array
    if line.flags.c_contiguous:
        line = line.reshape(-1)
    return line.shape, line.__getitem__


def _dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Of a sum."""
    return np.dtype({"b": np.int64, "i": np.int64, "u": np.uint64, "f": np.float64}[dtype.kind])


def _plain_sum(values: Array) -> Any:
    return values.sum(dtype=_dtype(values.dtype))


@jit(plain=_plain_sum)
def sum_whole(values: Array) -> int:
    """Sum of a line of whole numbers of up to 4 bytes: numpy copies each wider before it adds."""
    total = 0
    for i in range(values.size):  # "for value in values" would not become vector instructions
        total += values[i]
    return total


def _sum(values: Array, size: int) -> Any:
    """Sum a part of an array of so many elements."""
    if values.dtype == bool:
        return np.count_nonzero(values)
    whole = values.dtype.kind in "iu" and values.itemsize <= 4
    line = whole and values.flags.c_contiguous
    sum_line = sum_whole.choose(use_compiled(size), values.dtype) if line else _plain_sum
    return sum_line(values.reshape(-1) if line else values)


def nonzeros(values: Array) -> int:
    """Count what is not 0, NaN included.

    Notes
    -----
    numpy counts whole numbers and bool at the speed of memory; floats one by one, unless they are
    compared first.

    Examples
    --------
    >>> nonzeros(np.array([0.0, -0.0, np.nan, 2.0]))
    2
    """
    if values.dtype.kind != "f" or not values.flags.c_contiguous or values.size < _CHUNK:
        return int(np.count_nonzero(values))
    line, is_set, total = values.reshape(-1), np.empty(_CHUNK, bool), 0
    for start in range(0, line.size, _CHUNK):
        part = line[start : start + _CHUNK]
        total += int(np.count_nonzero(np.not_equal(part, 0, out=is_set[: part.size])))
    return total


def _total(parts: Array) -> Any:
    return parts.sum(dtype=parts.dtype)


_REDUCTIONS: dict[str, tuple[Callable[[Array], Any], Callable[[Array], Any], Any]] = {
    "sum": (_plain_sum, _total, None),
    "count": (nonzeros, _total, np.int64),
    "min": (np.min, np.min, ""),
    "max": (np.max, np.max, ""),
    "any": (np.any, np.any, np.bool_),
}
