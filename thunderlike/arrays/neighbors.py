"""Pairs of indices at a given offset."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from thunderlike.arrays._boxes import edges
from thunderlike.arrays._sources import as_source
from thunderlike.arrays.blockwise import Work, reported
from thunderlike.errors import SpecError, WrongTypeError
from thunderlike.kernels._numba import jit, use_compiled
from thunderlike.kernels._validation import checked_arguments

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from thunderlike._typing import Array
    from thunderlike.arrays.blockwise import Verbose

    Indices: TypeAlias = NDArray[np.int64]

__all__ = ["index_neighbours", "merge", "neighbours"]

_LEAST = 2**14  # indices of a block
_ENDS = np.iinfo(np.int64)


@checked_arguments
def neighbours(
    indices: object,
    offset: int | Sequence[int],
    processes: int | str | None = None,
    verbose: Verbose = False,
    *,
    shape: Sequence[int] | None = None,
) -> NDArray[np.int64]:
    """Return all pairs of positions ``(i, j)`` with ``indices[j] == indices[i] + offset``.

    Parameters
    ----------
    indices : array-like of int, shape (n,)
        In any order; duplicates are paired separately. Also a path or node.
    offset : int, or sequence of int
        A sequence has one number for each axis of `shape`: indices are then flat indices of an
        array of that shape, and pairs do not wrap from the end of a row to the next row.
    processes, verbose
        As in :func:`apply_lut`.
    shape : sequence of int, optional
        For an offset of several numbers.

    Returns
    -------
    ndarray of int64, shape (m, 2)
        In the order of `i`, then `j`.

    Raises
    ------
    WrongTypeError
        For indices that are not integers.
    SpecError
        For more than one axis, numbers beyond int64, or a shape that does not fit.

    Notes
    -----
    One pass to check the order, and two to count and write pairs, whatever the offset. Unsorted
    indices are sorted in a copy. Without numba, pairs are found in one pass and concatenated, which
    needs their memory twice.

    Examples
    --------
    >>> neighbours([1, 2, 4, 5, 9], 1)
    array([[0, 1],
           [2, 3]])

    In an image 3 pixels wide, pixels 2 and 3 are not neighbours:

    >>> neighbours([1, 2, 3], 1).tolist(), neighbours([1, 2, 3], (0, 1), shape=(2, 3)).tolist()
    ([[0, 1], [1, 2]], [[0, 1]])
    """
    work = Work("neighbours", None, processes, verbose)
    with reported("neighbours", verbose):
        values = _line(as_source(indices).values())
        step, inner = _step(offset, shape, values)
        order = None if _is_sorted(values) else np.argsort(values, kind="stable")
        pairs = _joined(values if order is None else values[order], step, inner, work)
        if order is None:
            return pairs
        # Positions in the given indices; `i` is no longer sorted then.
        pairs = order[pairs]
        return pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]


@checked_arguments
def index_neighbours(
    indices: object, offset: int | Sequence[int], processes: int | str | None = None, **options: Any
) -> NDArray[np.int64]:
    """Another name of :func:`neighbours`.

    Examples
    --------
    >>> index_neighbours([1, 2, 4], -1)
    array([[1, 0]])
    """
    return neighbours(indices, offset, processes, **options)


def _line(values: Array) -> Indices:
    if values.ndim != 1:
        raise SpecError(
            f"indices are a line of whole numbers, not an array of shape {values.shape}"
        )
    if values.size and values.dtype.kind not in "iu":
        raise WrongTypeError(f"indices are whole numbers, not {values.dtype}: convert with astype")
    # astype would wrap these to negative numbers.
    if values.dtype == np.uint64 and values.size and values.max() > _ENDS.max:
        raise SpecError(f"index {values.max()} is beyond int64")
    return np.ascontiguousarray(values, np.int64)


def _is_sorted(values: Indices) -> bool:
    step = 2**20  # bounds the temporary array
    parts = (values[a : a + step + 1] for a in range(0, len(values), step))
    return all(bool((part[:-1] <= part[1:]).all()) for part in parts)


def _step(
    offset: int | Sequence[int], shape: Sequence[int] | None, values: Indices
) -> tuple[int, tuple[Indices, Indices]]:
    """Return the flat offset, and the shape and offset of each axis."""
    none = np.empty(0, np.int64)
    if shape is None and isinstance(offset, int | np.integer):
        return int(offset), (none, none)
    steps, sizes = tuple(np.atleast_1d(offset).tolist()), tuple(shape or ())
    if len(steps) != len(sizes) or not all(isinstance(s, int) for s in steps):
        raise SpecError(
            f"offset {offset!r} must have one whole number for each axis of shape={shape}"
        )
    if values.size and not (values.min() >= 0 and values.max() < math.prod(sizes)):
        raise SpecError(
            f"indices {values.min()} to {values.max()} are not all in an array of shape {sizes}"
        )
    flat = 0
    for step, size in zip(steps, sizes, strict=True):
        flat = flat * size + step
    return flat, (np.array(sizes, np.int64), np.array(steps, np.int64))


def _joined(
    values: Indices, step: int, inner: tuple[Indices, Indices], work: Work
) -> NDArray[np.int64]:
    """Return the pairs of sorted indices: counted in blocks, then written."""
    if not values.size or abs(step) > _ENDS.max:
        return np.empty((0, 2), np.int64)
    # Indices whose index + offset overflows int64 have no partner.
    begin = int(np.searchsorted(values, _ENDS.min - min(step, 0)))
    end = int(np.searchsorted(values, _ENDS.max - max(step, 0), side="right"))
    ends = edges(end - begin, min(work.blocks, max(1, len(values) // _LEAST)))
    cut = [(begin + a, begin + b) for a, b in itertools.pairwise(ends)]
    count = merge.choose(use_compiled(len(values)))
    if count is merge.plain:  # in numpy, counting is as slow as writing: do both at once
        found = work.run(lambda ab: _pairs(values, ab[0], ab[1], step, *inner), cut)
        return np.concatenate(list(found)) if cut else np.empty((0, 2), np.int64)
    nothing = np.empty((0, 2), np.int64)
    sizes = list(work.run(lambda ab: int(count(values, *ab, step, *inner, nothing)), cut))
    starts = np.concatenate([[0], np.cumsum(sizes)]).astype(int)
    pairs = np.empty((starts[-1], 2), np.int64)

    def write(number: int) -> None:
        target = pairs[starts[number] : starts[number + 1]]
        if len(target):
            count(values, *cut[number], step, *inner, target)

    work.each(write, range(len(cut)))
    return pairs


def _pairs(
    values: Indices, start: int, stop: int, step: int, shape: Indices, steps: Indices
) -> Indices:
    wanted = values[start:stop] + step
    low = np.searchsorted(values, wanted)
    hits = np.flatnonzero(values[np.minimum(low, len(values) - 1)] == wanted)
    if shape.size:
        hits = hits[_stays(values[start:stop][hits], shape, steps)]
    low = low[hits]
    found = np.searchsorted(values, wanted[hits], side="right") - low
    left = np.repeat(hits + start, found)
    within = np.arange(len(left)) - np.repeat(np.cumsum(found) - found, found)
    return np.stack([left, np.repeat(low, found) + within], axis=1)


def _with_numpy(
    values: Indices, start: int, stop: int, step: int, shape: Indices, steps: Indices, out: Indices
) -> int:
    pairs = _pairs(values, start, stop, step, shape, steps)
    if len(out):
        out[...] = pairs
    return len(pairs)


def _stays(values: Indices, shape: Indices, steps: Indices) -> NDArray[np.bool_]:
    stays = np.ones(len(values), bool)
    for place, size, step in zip(np.unravel_index(values, tuple(shape)), shape, steps, strict=True):
        stays &= (place + step >= 0) & (place + step < size)
    return stays


@jit(plain=_with_numpy)
def merge(
    values: Indices, start: int, stop: int, step: int, shape: Indices, steps: Indices, out: Indices
) -> int:
    """Count the partners of sorted indices ``start .. stop-1``; write the pairs if `out` has rows.

    Two pointers advance through the indices, so that the time is linear whatever the offset.
    """
    low = np.searchsorted(values, values[start] + step) if start < stop else 0
    found, write, i = 0, out.shape[0] > 0, start
    while i < stop and low < values.size:
        wanted, value = values[i] + step, values[low]
        if value != wanted:
            # Without a branch, which would be mispredicted: the pointers advance at random.
            behind = int(value < wanted)
            low += behind
            i += 1 - behind
            continue
        stays, rest = True, values[i]
        for d in range(shape.size - 1, -1, -1):
            place = rest % shape[d] + steps[d]
            rest //= shape[d]
            stays = stays and place >= 0 and place < shape[d]
        j = low
        while stays and j < values.size and values[j] == wanted:
            if write:
                out[found, 0] = i
                out[found, 1] = j
            found += 1
            j += 1
        i += 1
    return found
