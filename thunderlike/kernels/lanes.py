"""Means and sums of products along a record in numpy's order, for loops that numba compiles.

numpy adds up a record by halves down to 128 samples, of those in eight lanes, which processors add
up side by side. That is exact to a few last digits for records of any length, and the same on every
machine. A compiler that may not change the order of sums does not find the lanes in a loop; so they
are spelled for it here.

numba keeps loops until their own module changes: after a change here, remove ``__pycache__``.
"""

from __future__ import annotations

from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array: TypeAlias = NDArray[Any]

__all__ = ["eight", "halves", "less_mean", "product", "teach"]

_LEAF = 128  # samples that numpy adds up without halving them


@lru_cache(maxsize=64)
def halves(length: int) -> Array:
    """How numpy halves a record: the samples of each leaf, and sums that end with it.

    Examples
    --------
    >>> halves(300).tolist()
    [[72, 0], [72, 1], [72, 0], [84, 2]]
    """
    if length <= _LEAF:
        return np.array([[length, 0]])
    half = length // 2 // 8 * 8
    parts = np.concatenate([halves(half), halves(length - half)])
    parts[-1, 1] += 1
    return parts


def product(a: Array, b: Array, leaves: Array, sums: Array) -> Any:
    """Sum of products of two records of float64.

    Parameters
    ----------
    a, b : ndarray of float64, shape (L,)
        Contiguous.
    leaves : ndarray, shape (n, 2)
        ``halves(L)``.
    sums : ndarray of float64
        Room for those that are under way, one more than there are halvings.

    Examples
    --------
    >>> product(np.ones(300), np.arange(300.0), halves(300), np.empty(64))
    np.float64(44850.0)
    """
    start = depth = 0
    for leaf in range(len(leaves)):
        end = start + leaves[leaf, 0]
        count = leaves[leaf, 0] // 8
        sums[depth] = eight(a, b, start, count)
        for n in range(start + 8 * count, end):
            sums[depth] += a[n] * b[n]
        start = end
        for _ in range(leaves[leaf, 1]):
            depth -= 1
            sums[depth] += sums[depth + 1]
        depth += 1
    return sums[0]


def less_mean(
    record: Array, origin: float, ones: Array, leaves: Array, sums: Array, out: Array
) -> None:
    """Fill `out` with a record less its mean, found from where a number is the origin.

    Examples
    --------
    >>> out = np.empty(3)
    >>> less_mean(np.array([7, 8, 9]), 7.0, np.ones(3), halves(3), np.empty(64), out)
    >>> out
    array([-1.,  0.,  1.])
    """
    for n in range(len(out)):
        out[n] = record[n] - origin
    mean = product(out, ones, leaves, sums) / len(out)
    for n in range(len(out)):
        out[n] -= mean


def eight(a: Array, b: Array, start: int, count: int) -> Any:
    """Sum of products from `start` on, of eight times `count` samples, in eight lanes.

    Examples
    --------
    >>> eight(np.ones(24), np.arange(24.0), 8, 2)
    np.float64(248.0)
    """
    taken = slice(start, start + 8 * count)
    lanes = (a[taken] * b[taken]).reshape(count, 8).sum(axis=0)
    return ((lanes[0] + lanes[1]) + (lanes[2] + lanes[3])) + (
        (lanes[4] + lanes[5]) + (lanes[6] + lanes[7])
    )


@cache
def teach() -> None:
    """Tell numba of these functions, and to keep the lanes of `eight` in registers."""
    from numba.core import types
    from numba.extending import lower_builtin, register_jitable, type_callable

    type_callable(eight)(lambda _: lambda a, b, start, count: types.float64)  # noqa: ARG005
    lower_builtin(eight, types.Array, types.Array, types.Integer, types.Integer)(_spell)
    register_jitable(product)
    register_jitable(less_mean)


def _spell(context: Any, builder: Any, signature: Any, values: Any) -> Any:
    """Write `eight` in the language of LLVM."""
    from llvmlite import ir
    from numba.core import cgutils

    kind = ir.VectorType(ir.DoubleType(), 8)
    arrays = zip(signature.args[:2], values[:2], strict=True)
    a, b = (context.make_array(array)(context, builder, value).data for array, value in arrays)
    start, count = (builder.sext(value, ir.IntType(64)) for value in values[2:])
    lanes = cgutils.alloca_once_value(builder, ir.Constant(kind, [0.0] * 8))
    with cgutils.for_range(builder, count) as step:
        at = builder.add(start, builder.shl(step.index, ir.IntType(64)(3)))
        places = (builder.bitcast(builder.gep(x, [at]), kind.as_pointer()) for x in (a, b))
        x, y = (builder.load(place, align=8) for place in places)
        builder.store(builder.fadd(builder.load(lanes), builder.fmul(x, y)), lanes)
    found = builder.load(lanes)
    sums = [builder.extract_element(found, ir.IntType(32)(lane)) for lane in range(8)]
    while len(sums) > 1:
        sums = [builder.fadd(x, y) for x, y in zip(sums[::2], sums[1::2], strict=True)]
    return sums[0]
