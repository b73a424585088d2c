"""Records less the mean of each, and how large what is left of them is.

Sums along a record are made in numpy's order, by the loops too (`lanes`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from thunderlike.kernels.compiled import Compiled, compiled
from thunderlike.kernels.lanes import halves, less_mean, product, teach
from thunderlike.kernels.moments import finite_origin
from thunderlike.kernels.tiles import rooms

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    Array: TypeAlias = NDArray[Any]

__all__ = ["centered", "deviations", "norm", "projected"]


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
    form = _form(deviate, block)
    leaves = halves(block.shape[1])
    for rows, tile in rooms(block):
        form(block[rows], origins[rows], leaves, tile, squares[rows])
        yield rows, tile, np.sqrt(squares[rows])


def projected(block: Array, signal: Array) -> tuple[Array, Array]:
    """Products of the deviations of each record with a signal, and norms of them, as two columns.

    As from `deviations`, but nothing as large as the records is made.

    Examples
    --------
    >>> projected(np.array([[3, 3, 7, 7]], "int16"), np.array([0.0, 0, 0, 1]))
    (array([[2.]]), array([[4.]]))
    """
    products, squares = np.empty((2, len(block), 1))
    origins, leaves = finite_origin(block[:, :1]), halves(block.shape[1])
    _form(project, block)(block, origins, leaves, signal, products, squares)
    return products, np.sqrt(squares)


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


def _form(function: Compiled, block: Array) -> Callable[..., None]:
    known = block.size and block.flags.c_contiguous
    return function.form(block.size, block.dtype) if known else function.twin


def _centered(records: Array, origins: Array, out: Array) -> Array:
    np.subtract(records, origins, out=out)
    out -= out.sum(axis=1, keepdims=True) / out.shape[1]
    return out


def _deviate(
    records: Array,
    origins: Array,
    leaves: Array,  # noqa: ARG001
    out: Array,
    squares: Array,
) -> None:
    """Fill `out` with deviations, and a column with the sums of their squares."""
    np.square(_centered(records, origins, out)).sum(axis=1, keepdims=True, out=squares)


@compiled(twin=_deviate, saves=1.5, needs=[teach])
def deviate(records: Array, origins: Array, leaves: Array, out: Array, squares: Array) -> None:
    """Bound by arithmetic on one record, which stays in the nearest cache from step to step."""
    ones, sums = np.ones(records.shape[1]), np.empty(64)
    for k in range(len(records)):
        less_mean(records[k], origins[k, 0], ones, leaves, sums, out[k])
        squares[k, 0] = product(out[k], out[k], leaves, sums)


def _project(
    records: Array, origins: Array, leaves: Array, signal: Array, products: Array, squares: Array
) -> None:
    """Fill two columns with products of deviations and a signal, and with sums of their squares."""
    for rows, tile in rooms(records):
        _deviate(records[rows], origins[rows], leaves, tile, squares[rows])
        np.multiply(tile, signal, out=tile).sum(axis=1, keepdims=True, out=products[rows])


@compiled(twin=_project, saves=1.5, needs=[teach])
def project(
    records: Array, origins: Array, leaves: Array, signal: Array, products: Array, squares: Array
) -> None:
    """Bound by arithmetic on one record; nothing but the record itself passes through memory."""
    ones, sums, row = np.ones(len(signal)), np.empty(64), np.empty(len(signal))
    for k in range(len(records)):
        less_mean(records[k], origins[k, 0], ones, leaves, sums, row)
        squares[k, 0] = product(row, row, leaves, sums)
        products[k, 0] = product(row, signal, leaves, sums)
