"""Records less the mean of each, and how large what is left of them is.

Sums along a record are made in numpy's order, by the loops too: by halves down to 128 samples, of
those in eight lanes, which processors add up side by side. That is exact to a few last digits for
records of any length, and the same on every machine.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from thunderlike.kernels.compiled import compiled
from thunderlike.kernels.moments import finite_origin
from thunderlike.kernels.tiles import rooms

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Array: TypeAlias = NDArray[Any]

__all__ = ["centered", "deviations", "norm"]

_LEAF = 128  # samples that numpy adds up without halving them


def deviations(block: Array) -> Iterator[tuple[slice, Array, Array]]:
    """Which records, what they deviate by from the mean of each, and the norm of that as a column.

    The deviations are float64, in a scratch of 2 MiB that is used again.

    Examples
    --------
    >>> for _, tile, norms in deviations(np.array([[3, 3, 7, 7]], "int16")):
    ...     print(tile, norms)
    [[-2. -2.  2.  2.]] [[4.]]
    """
    origins, squares = finite_origin(block[:, :1]), np.empty((len(block), 1))
    known = block.size and block.flags.c_contiguous
    form = deviate.form(block.size, block.dtype) if known else deviate.twin
    halves = _halves(block.shape[1])
    for rows, tile in rooms(block):
        form(block[rows], origins[rows], halves, tile, squares[rows])
        yield rows, tile, np.sqrt(squares[rows])


def centered(records: Array, out: Array) -> Array:
    """Fill `out` with the records less the mean of each; a constant record is then exactly 0.

    Examples
    --------
    >>> records = np.array([[1.0, 2.0, 6.0], [0.1, 0.1, 0.1]])
    >>> centered(records, out=records)
    array([[-2., -1.,  3.],
           [ 0.,  0.,  0.]])
    """
    # Less its first sample, a constant record is exactly 0 and a large offset costs no digits.
    return _centered(records, finite_origin(records[:, :1]), out)


def norm(tile: Array) -> Array:
    """Root of the sum of squares of each record, as a column.

    Examples
    --------
    >>> norm(np.array([[3.0, 4.0]]))
    array([[5.]])
    """
    return np.sqrt(np.vecdot(tile, tile))[:, np.newaxis]


def _centered(records: Array, origins: Array, out: Array) -> Array:
    np.subtract(records, origins, out=out)
    out -= out.sum(axis=1, keepdims=True) / out.shape[1]
    return out


def _deviate(
    records: Array,
    origins: Array,
    halves: Array,  # noqa: ARG001
    out: Array,
    squares: Array,
) -> None:
    """Fill `out` with deviations, and a column with the sums of their squares."""
    np.square(_centered(records, origins, out)).sum(axis=1, keepdims=True, out=squares)


def _product(a: Array, b: Array, halves: Array, sums: Array) -> Any:
    """Sum of products of two records in numpy's order of sums; one read of each, in eight lanes."""
    start = depth = 0
    for leaf in range(len(halves)):
        x, y = a[start : start + halves[leaf, 0]], b[start : start + halves[leaf, 0]]
        r0 = r1 = r2 = r3 = r4 = r5 = r6 = r7 = 0.0
        whole = len(x) // 8
        for n in range(whole):
            p, q = x[8 * n : 8 * n + 8], y[8 * n : 8 * n + 8]
            r0, r1, r2, r3 = r0 + p[0] * q[0], r1 + p[1] * q[1], r2 + p[2] * q[2], r3 + p[3] * q[3]
            r4, r5, r6, r7 = r4 + p[4] * q[4], r5 + p[5] * q[5], r6 + p[6] * q[6], r7 + p[7] * q[7]
        sums[depth] = ((r0 + r1) + (r2 + r3)) + ((r4 + r5) + (r6 + r7))
        for n in range(8 * whole, len(x)):
            sums[depth] += x[n] * y[n]
        start += len(x)
        for _ in range(halves[leaf, 1]):
            depth -= 1
            sums[depth] += sums[depth + 1]
        depth += 1
    return sums[0]


@compiled(twin=_deviate, saves=1, calls=[_product])
def deviate(records: Array, origins: Array, halves: Array, out: Array, squares: Array) -> None:
    """Bound by arithmetic on one record, which stays in the nearest cache from step to step."""
    ones, sums = np.ones(records.shape[1]), np.empty(64)
    for k in range(len(records)):
        record, row = records[k], out[k]
        for n in range(len(row)):
            row[n] = record[n] - origins[k, 0]
        mean = _product(row, ones, halves, sums) / len(row)
        for n in range(len(row)):
            row[n] -= mean
        squares[k, 0] = _product(row, row, halves, sums)


@lru_cache(maxsize=64)
def _halves(length: int) -> Array:
    """How numpy halves a record: the samples of each leaf, and sums that end with it.

    Examples
    --------
    >>> _halves(300).tolist()
    [[72, 0], [72, 1], [72, 0], [84, 2]]
    """
    if length <= _LEAF:
        return np.array([[length, 0]])
    half = length // 2 // 8 * 8
    parts = np.concatenate([_halves(half), _halves(length - half)])
    parts[-1, 1] += 1
    return parts
