"""Gramians, covariances and matrix products of a block of series, of shape ``(k, L)``.

Each tile takes one call of BLAS; callers with several threads limit BLAS to one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from thunderlike.kernels._tiles import buffers, row_products, tiles
from thunderlike.kernels.moments import finite_origin, sum_dtype
from thunderlike.kernels.series import result_dtype

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

    from thunderlike._typing import Array

__all__ = ["Comoments", "gramian", "middle", "times"]

_LEAST = 2048  # records of a tile: making and adding up L x L matrices costs less for more of them


@np.errstate(all="ignore")
def gramian(block: Array) -> Array:
    """Sum over the records of the outer product of each with itself.

    Parameters
    ----------
    block : ndarray, shape (k, L)

    Returns
    -------
    ndarray of float64, shape (L, L)

    Raises
    ------
    SpecError
        If the records are no real numbers.

    Examples
    --------
    >>> gramian(np.array([[1, 2], [3, 4]], "int16"))
    array([[10., 14.],
           [14., 20.]])
    """
    result_dtype(block.dtype)
    if block.dtype == np.float64:  # needs no conversion, so no tiles
        return block.T @ block
    total = np.zeros((block.shape[1], block.shape[1]))
    for _, tile in tiles(block, least=_LEAST):
        total += tile.T @ tile
    return total


@dataclass(frozen=True, eq=False)
class Comoments:
    """Mean of records, and the sum of the outer products of their deviations from it.

    Parameters
    ----------
    count : int
        Number of records.
    mean : ndarray of float64, shape (L,)
    products : ndarray of float64, shape (L, L)

    Notes
    -----
    Partials are joined by the pairwise update of Chan, Golub and LeVeque, "Updating formulae and a
    pairwise algorithm for computing sample variances", COMPSTAT 1982, for each pair of positions.
    Within a block deviations are taken from its first record, or from its mean if they are in
    single precision, so that a large offset costs no digits.

    Examples
    --------
    >>> first, second = np.array([[1, 2], [3, 1]]), np.array([[5, 0]])
    >>> Comoments.of(first).merge(Comoments.of(second)).cov
    array([[ 4., -2.],
           [-2.,  1.]])
    """

    count: int
    mean: Array
    products: Array

    @classmethod
    @np.errstate(all="ignore")
    def of(cls, block: Array, *, dtype: DTypeLike = np.float64) -> Self:
        """Comoments of the records of a block, of shape ``(k, L)``; one pass.

        Parameters
        ----------
        block : ndarray, shape (k, L)
        dtype : {float64, float32}
            Of deviations and of the products of a tile; sums of tiles are float64.

        Raises
        ------
        SpecError
            If the records are no real numbers.
        """
        result_dtype(block.dtype)
        count, length = block.shape
        origin = middle(block, dtype)
        total, products = np.zeros(length), np.zeros((length, length))
        # Tiles of one size: the last one of few records would cost as much as a large one.
        least = -(-count // max(round(count / _LEAST), 1))
        for rows, tile in buffers(block, dtype, least=least):
            np.subtract(block[rows], origin, out=tile)
            total += tile.sum(axis=0)
            products += tile.T @ tile
        mean = total / count
        products -= np.outer(total, mean)
        return cls(count, origin + mean, products)

    @np.errstate(all="ignore")
    def merge(self, other: Self) -> Self:
        """Comoments of the records of both."""
        if not (self.count and other.count):
            return self if self.count else other
        count = self.count + other.count
        delta, share = other.mean - self.mean, other.count / count
        products = self.products + other.products + np.outer(delta, delta * (self.count * share))
        return type(self)(count, self.mean + delta * share, products)

    @property
    @np.errstate(all="ignore")
    def cov(self) -> Array:
        """Covariance of positions over the records (``ddof`` 1); NaN for a single record."""
        return self.products / np.float64(self.count - 1)


def middle(block: Array, dtype: DTypeLike = np.float64) -> Array:
    """Finite numbers near the records of a block, from which their deviations are taken.

    The first record in double precision, where any number near them will do. The mean of all
    records in single precision: deviations from an extreme record would lose digits.

    Examples
    --------
    >>> middle(np.array([[1, 5], [3, 9]], "int16"), "float32")
    array([2., 7.], dtype=float32)
    """
    if np.dtype(dtype) == np.float64:
        return finite_origin(block[:1].sum(axis=0))  # zeros without records
    mean = block.sum(axis=0, dtype=np.float32) / np.float32(max(len(block), 1))
    return finite_origin(mean).astype(np.float32)


def times(block: Array, matrix: Array) -> Array:
    """Product of each record with a matrix.

    Parameters
    ----------
    block : ndarray, shape (k, L)
    matrix : ndarray, shape (L, m)

    Returns
    -------
    ndarray, shape (k, m)
        numpy's dtype for the product, but integers are added up in 64 bits.

    Examples
    --------
    >>> times(np.array([[100, 100]], "int8"), np.array([[1], [1]], "int8"))
    array([[200]])
    """
    dtype = sum_dtype(np.result_type(block.dtype, matrix.dtype))
    with np.errstate(all="ignore"):
        return row_products(block.astype(dtype, copy=False), matrix.astype(dtype, copy=False))
