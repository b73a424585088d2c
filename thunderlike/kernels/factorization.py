"""Partial statistics of matrix factorizations, of a block of rows, of shape ``(k, L)``.

Rows may be short or as long as an image: a block is converted to float64 in tiles of a few rows and
at most :data:`WIDTH` columns. The width is fixed, so that the products of a row have the same bits
whatever rows are next to it. Partials of single precision have products of tiles in float32, and
sums over tiles in float64.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from thunderlike.kernels._tiles import row_products
from thunderlike.kernels.linalg import middle

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import DTypeLike

    from thunderlike._typing import Array

__all__ = [
    "WIDTH",
    "Contrast",
    "FourthMoments",
    "Residuals",
    "RowComoments",
    "Sketch",
    "Triangle",
    "bad_rows",
    "centered_columns",
    "column_tiles",
    "project",
]

WIDTH = 1024  # columns of a tile
_ELEMENTS = 2**18  # 2 MiB of float64
_PRODUCTS = 2**21  # 16 MiB: products of scores at a time


def column_tiles(
    block: Array, origin: Array | float, dtype: DTypeLike = np.float64
) -> Iterator[tuple[slice, slice, Array]]:
    """Yield rows, columns and their values less the origin, in one reused buffer.

    Examples
    --------
    >>> block = np.arange(6).reshape(2, 3)
    >>> [(columns, tile.sum()) for _, columns, tile in column_tiles(block, 1.0)]
    [(slice(0, 3, None), np.float64(9.0))]
    """
    count, length = block.shape
    tall = max(_ELEMENTS // max(1, min(length, WIDTH)), 1)
    memory = np.empty(min(tall, count) * min(WIDTH, length), dtype)
    for top in range(0, count, tall):
        rows = slice(top, min(top + tall, count))
        for left in range(0, length, WIDTH):
            columns = slice(left, min(left + WIDTH, length))
            part = block[rows, columns]
            tile = memory[: part.size].reshape(part.shape)
            below = origin[columns] if isinstance(origin, np.ndarray) else origin
            yield rows, columns, np.subtract(part, below, out=tile)


def project(block: Array, origin: Array | float, matrix: Array) -> Array:
    """Multiply rows less an origin with a matrix; the bits of a row depend on no other row.

    Parameters
    ----------
    block : ndarray of real numbers, shape (k, L)
    origin : ndarray of float64, shape (L,), or float
    matrix : ndarray of float64, shape (L, m)

    Returns
    -------
    ndarray of float64, shape (k, m)

    Examples
    --------
    >>> project(np.array([[1, 2], [3, 4]], "int16"), np.array([1.0, 1]), np.eye(2))
    array([[0., 1.],
           [2., 3.]])
    """
    out = np.zeros((len(block), matrix.shape[1]))
    with np.errstate(all="ignore"):
        for rows, columns, tile in column_tiles(block, origin):
            out[rows] += row_products(tile, matrix[columns])
    return out


def bad_rows(block: Array) -> Array:
    """Mark the rows that hold NaN or infinity.

    Examples
    --------
    >>> bad_rows(np.array([[1.0, np.inf], [0.0, 2.0]]))
    array([ True, False])
    """
    if block.dtype.kind != "f":
        return np.zeros(len(block), bool)
    with np.errstate(all="ignore"):
        bad: Array = ~np.isfinite(block.sum(axis=1))  # in one read; or a sum that overflows
    bad[bad] = ~np.isfinite(block[bad]).all(axis=1)
    return bad


@dataclass(frozen=True, eq=False)
class Sketch:
    """Products of the comoments of rows with a few vectors, without the L x L comoments.

    Parameters
    ----------
    count : int
        Number of rows.
    mean : ndarray of float64, shape (L,)
    image : ndarray of float64, shape (l,)
        The mean times the vectors.
    products : ndarray of float64, shape (L, l)
        Comoments times the vectors.
    total : float
        Trace of the comoments.

    Notes
    -----
    Partials are joined as those of :class:`~thunderlike.kernels.linalg.Comoments`.

    Examples
    --------
    >>> rows, basis = np.array([[1, 2], [3, 1], [5, 0]]), np.array([[1.0], [1.0]])
    >>> Sketch.of(rows[:2], basis).merge(Sketch.of(rows[2:], basis)).products
    array([[ 4.],
           [-2.]])
    """

    count: int
    mean: Array
    image: Array
    products: Array
    total: float

    @classmethod
    @np.errstate(all="ignore")
    def of(cls, block: Array, basis: Array, *, dtype: DTypeLike = np.float64) -> Self:
        """Products of the rows of a block with a basis, of shape ``(L, l)``; two reads of it."""
        count, length = block.shape
        origin = middle(block, dtype)
        images, sums, total = np.zeros((count, basis.shape[1])), np.zeros(length), 0.0
        vectors = basis.astype(dtype, copy=False)
        for rows, columns, tile in column_tiles(block, origin, dtype):
            images[rows] += tile @ vectors[columns]
            sums[columns] += tile.sum(axis=0, dtype=np.float64)
            total += float(np.vecdot(tile, tile).sum(dtype=np.float64))
        shift = sums / max(count, 1)
        mean = origin + shift
        images -= shift @ basis
        short = images.astype(dtype, copy=False)
        products = np.zeros(basis.shape)
        for rows, columns, tile in column_tiles(block, mean.astype(dtype, copy=False), dtype):
            products[columns] += tile.T @ short[rows]
        return cls(count, mean, mean @ basis, products, total - float(shift @ sums))

    @np.errstate(all="ignore")
    def merge(self, other: Self) -> Self:
        """Products of the rows of both."""
        if not (self.count and other.count):
            return self if self.count else other
        count = self.count + other.count
        share = other.count / count
        delta, image = other.mean - self.mean, other.image - self.image
        products = self.products + other.products
        products += np.outer(delta, image * (self.count * share))
        return type(self)(
            count,
            self.mean + delta * share,
            self.image + image * share,
            products,
            self.total + other.total + float(delta @ delta) * (self.count * share),
        )


@dataclass(frozen=True, eq=False)
class Triangle:
    """Mean of rows, and the triangular factor R of their deviations from it.

    Parameters
    ----------
    count : int
        Number of rows.
    mean : ndarray of float64, shape (L,)
    factor : ndarray of float64, shape (at most L, L)
        ``factor.T @ factor`` are the comoments, without the squares that would cost half of the
        digits of small singular values.

    Notes
    -----
    The factors of two blocks, one upon the other, have the factor of both: Demmel, Grigori,
    Hoemmen and Langou, "Communication-optimal parallel and sequential QR and LU factorizations",
    SIAM J. Sci. Comput. 34, 2012. The difference of the means is one more row.

    Examples
    --------
    >>> rows = np.array([[1.0, 2], [3, 1], [5, 0]])
    >>> both = Triangle.of(rows[:2]).merge(Triangle.of(rows[2:]))
    >>> (both.factor.T @ both.factor).round(9)
    array([[ 8., -4.],
           [-4.,  2.]])
    """

    count: int
    mean: Array
    factor: Array

    @classmethod
    @np.errstate(all="ignore")
    def of(cls, block: Array) -> Self:
        """Factor of the rows of a block, of shape ``(k, L)``; one copy of it in float64."""
        tile, mean = centered_columns(block, center=True)
        return cls(len(tile), mean, _triangular(tile))

    @np.errstate(all="ignore")
    def merge(self, other: Self) -> Self:
        """Factor of the rows of both."""
        if not (self.count and other.count):
            return self if self.count else other
        count = self.count + other.count
        delta, share = other.mean - self.mean, other.count / count
        between = delta[np.newaxis] * np.sqrt(self.count * share)
        factor = _triangular(np.concatenate([self.factor, other.factor, between]))
        return type(self)(count, self.mean + delta * share, factor)

    def uncentered(self) -> Array:
        """Triangular factor of the rows themselves."""
        mean = self.mean[np.newaxis] * np.sqrt(self.count)
        return _triangular(np.concatenate([self.factor, mean]))


def _triangular(rows: Array) -> Array:
    return np.asarray(np.linalg.qr(rows, mode="r"))


@dataclass(frozen=True, eq=False)
class RowComoments:
    """Products of all rows of a matrix with one another, from blocks of its columns.

    Parameters
    ----------
    means : tuple of ndarray
        Mean of each column, in the order of the blocks.
    products : ndarray of float64, shape (n, n)
        ``A @ A.T``.

    Examples
    --------
    >>> columns = np.array([[[1.0, 2], [3, 6]]])  # one block of two rows and two columns
    >>> RowComoments.of(columns, center=True).products
    array([[ 5., -5.],
           [-5.,  5.]])
    """

    means: tuple[Array, ...]
    products: Array

    @classmethod
    @np.errstate(all="ignore")
    def of(cls, blocks: Array, *, center: bool, dtype: DTypeLike = np.float64) -> Self:
        """Products of the rows of several blocks of columns, of shape ``(m, n, w)``."""
        means, products = [], np.zeros((blocks.shape[1], blocks.shape[1]))
        for columns in blocks:
            tile, mean = centered_columns(columns, center=center, dtype=dtype)
            products += tile @ tile.T
            means.append(mean)
        return cls(tuple(means), products)

    @np.errstate(all="ignore")
    def merge(self, other: Self) -> Self:
        """Products over the columns of both."""
        return type(self)(self.means + other.means, self.products + other.products)


def centered_columns(
    columns: Array, *, center: bool, dtype: DTypeLike = np.float64
) -> tuple[Array, Array]:
    """Return a copy in a dtype, less the mean of each column if asked, and the means in float64.

    Examples
    --------
    >>> centered_columns(np.array([[1, 2], [3, 6]]), center=True)
    (array([[-1., -2.],
           [ 1.,  2.]]), array([2., 4.]))
    """
    origin = middle(columns, dtype)
    tile = np.subtract(columns, origin, dtype=dtype)
    shift = tile.sum(axis=0, dtype=np.float64) / max(len(tile), 1)
    if center:
        tile -= shift.astype(dtype, copy=False)
    else:
        tile[...] = columns
    return tile, origin + shift


@dataclass(frozen=True, eq=False)
class FourthMoments:
    """Sums of the products of three and of four scores.

    Parameters
    ----------
    third : ndarray of float64, shape (k (k + 1) / 2, k)
        Products of the pairs ``a <= b`` of scores with all scores.
    fourth : ndarray of float64, shape (k (k + 1) / 2, k (k + 1) / 2)
        Products of the pairs with one another.

    Examples
    --------
    >>> FourthMoments.of(np.array([[1.0], [2.0]]), 0.0, np.eye(1)).fourth
    array([[17.]])
    """

    third: Array
    fourth: Array

    @classmethod
    @np.errstate(all="ignore")
    def of(cls, block: Array, origin: Array | float, matrix: Array) -> Self:
        """Sums over the scores of a block: its rows less an origin, times a matrix."""
        scores = project(block, origin, matrix)
        k = scores.shape[1]
        one, other = np.triu_indices(k)
        third, fourth = np.zeros((len(one), k)), np.zeros((len(one), len(one)))
        step = max(_PRODUCTS // len(one), 1)
        for top in range(0, len(scores), step):
            part = scores[top : top + step]
            pairs = part[:, one] * part[:, other]
            third += pairs.T @ part
            fourth += pairs.T @ pairs
        return cls(third, fourth)

    @np.errstate(all="ignore")
    def merge(self, other: Self) -> Self:
        """Sums over the scores of both."""
        return type(self)(self.third + other.third, self.fourth + other.fourth)


@dataclass(frozen=True, eq=False)
class Contrast:
    """Sums of a step of the fixed-point iteration of independent components.

    Parameters
    ----------
    products : ndarray of float64, shape (m, k)
        ``g(y)`` of each source times the scores.
    values, slopes : ndarray of float64, shape (m,)
        Sums of ``g(y)`` and of ``g'(y)``.

    Examples
    --------
    >>> Contrast.of(np.array([[1.0], [2.0]]), 0.0, np.eye(1), np.eye(1), "cube").products
    array([[17.]])
    """

    products: Array
    values: Array
    slopes: Array

    @classmethod
    @np.errstate(all="ignore")
    def of(
        cls, block: Array, origin: Array | float, matrix: Array, unmixing: Array, fun: str
    ) -> Self:
        """Sums over a block; scores as of :class:`FourthMoments`, ``y`` the unmixed ones."""
        scores = project(block, origin, matrix)
        sources = scores @ unmixing.T
        if fun == "cube":
            value, slope = sources**3, 3 * sources**2
        else:
            value = np.tanh(sources)
            slope = 1 - value**2
        return cls(value.T @ scores, value.sum(axis=0), slope.sum(axis=0))

    @np.errstate(all="ignore")
    def merge(self, other: Self) -> Self:
        """Sums over both."""
        return type(self)(
            self.products + other.products,
            self.values + other.values,
            self.slopes + other.slopes,
        )


@dataclass(frozen=True)
class Residuals:
    """Sums of squares of rows less an origin, and of what scores leave of them.

    Examples
    --------
    >>> Residuals.of(np.array([[3.0, 4.0]]), 0.0, np.array([[3.0]]), np.array([[1.0, 0.0]]))
    Residuals(error=16.0, total=25.0)
    """

    error: float
    total: float

    @classmethod
    @np.errstate(all="ignore")
    def of(cls, block: Array, origin: Array | float, scores: Array, components: Array) -> Self:
        """Sums over a block whose rows are about the origin plus scores times components."""
        error = total = 0.0
        for rows, columns, tile in column_tiles(block, origin):
            total += float(np.vdot(tile, tile))
            tile -= scores[rows] @ components[:, columns]
            error += float(np.vdot(tile, tile))
        return cls(error, total)

    def merge(self, other: Self) -> Self:
        """Sums over both."""
        return type(self)(self.error + other.error, self.total + other.total)
