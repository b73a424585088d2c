"""Partial statistics of nonnegative factorizations, of a block of rows, of shape ``(k, L)``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from thunderlike.kernels._numba import jit
from thunderlike.kernels._tiles import row_products
from thunderlike.kernels.factorization import WIDTH, column_tiles

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from thunderlike._typing import Array

    Tile = tuple[slice, slice, Array]

__all__ = ["NonnegativeLeastSquares", "NonnegativeStep"]

_COLLINEAR = 1e-3  # of components: their clipped least-squares scores are a bad start
_ROWS = 1024  # solved at a time: their scores and residuals stay in the nearest caches
_CHECK = 5  # sweeps after which converged rows are left out
_CONVERGED = 1e-8  # change of the scores of a row in a sweep, relative to the largest


@dataclass(frozen=True, eq=False)
class NonnegativeLeastSquares:
    """Solution of ``min ||x - w H||`` for w >= 0, row by row, from ``x H'`` and ``H H'``.

    Parameters
    ----------
    gram : ndarray of float64, shape (k, k)
        Products of the components with one another, with the penalty of squares.
    inverse : ndarray of float64, shape (k, k)
        Pseudo-inverse of it.
    l1 : float
        Penalty of the sum of the scores.
    compiled : bool
        Whether to run compiled loops, which give the same bits.

    Notes
    -----
    Hierarchical alternating least squares (Cichocki and Phan, "Fast local algorithms for large
    scale nonnegative matrix and tensor factorizations", IEICE Trans. Fundamentals 92, 2009), from
    the clipped least-squares solution. The bits of a row depend on no other row.

    Examples
    --------
    >>> solver = NonnegativeLeastSquares.of(np.eye(2))
    >>> solver.scores(np.array([[2.0, -1.0]]), sweeps=1)
    array([[2.],
           [0.]])
    """

    gram: Array
    inverse: Array
    l1: float = 0.0
    compiled: bool = False

    @classmethod
    def of(cls, gram: Array, l1: float = 0.0, l2: float = 0.0, *, compiled: bool = False) -> Self:
        """Prepare the solution.

        Parameters
        ----------
        gram : ndarray of float64, shape (k, k)
        l1, l2 : float
            Penalties of the sum of the scores, and of half the sum of their squares.
        compiled : bool
        """
        gram = gram + l2 * np.eye(len(gram))
        return cls(gram, np.linalg.pinv(gram, rcond=_COLLINEAR, hermitian=True), l1, compiled)

    def scores(self, products: Array, sweeps: int) -> Array:
        """Solve rows.

        Parameters
        ----------
        products : ndarray of float64, shape (n, k)
            Rows times the transposed components.
        sweeps : int
            Over the components, each solved exactly for the others. Rows whose scores change no
            more take fewer.

        Returns
        -------
        ndarray of float64, shape (k, n)
        """
        out = np.empty(products.shape[::-1])
        for start in range(0, len(products), _ROWS):
            part = products[start : start + _ROWS] - self.l1
            rows = np.maximum(row_products(part, self.inverse), 0)
            left = np.ascontiguousarray((part - row_products(rows, self.gram)).T)
            self._sweep(np.ascontiguousarray(rows.T), left, sweeps, out[:, start : start + _ROWS])
        return out

    def _sweep(self, scores: Array, left: Array, sweeps: int, out: Array) -> None:
        """Improve scores, of which `left` are the slopes, and write them."""
        scores[np.diag(self.gram) <= 0] = 0
        sweep = _sweep.choose(self.compiled)
        active = np.arange(scores.shape[1])
        for number in range(1, sweeps + 1):
            check = not number % _CHECK
            before = scores.copy() if check else scores
            sweep(self.gram, scores, left)
            if check:
                change = np.abs(scores - before).max(axis=0)
                moving = ~(change <= _CONVERGED * scores.max(axis=0))
                out[:, active[~moving]] = scores[:, ~moving]
                active = active[moving]
                scores, left = (values.compress(moving, axis=1) for values in (scores, left))
                if not active.size:
                    return
        out[:, active] = scores


def _sweep_plain(gram: Array, scores: Array, left: Array) -> None:
    step, change = np.empty(scores.shape[1]), np.empty(scores.shape)
    for j, diagonal in enumerate(np.diag(gram)):
        if diagonal > 0:
            score = scores[j]
            np.multiply(left[j], 1 / diagonal, out=step)
            step += score
            np.maximum(step, 0, out=step)
            step -= score
            score += step
            # No BLAS: the same bits for every row.
            left -= np.multiply(gram[:, j, np.newaxis], step, out=change)


@jit(plain=_sweep_plain)
def _sweep(gram: Array, scores: Array, left: Array) -> None:
    """Solve each component for the others, of all rows at once.

    Parameters
    ----------
    gram : ndarray of float64, shape (k, k)
    scores, left : ndarray of float64, shape (k, n)
        Changed: the scores, and products of rows less the fit with the components.
    """
    count = scores.shape[1]
    step = np.empty(count)
    for j in range(len(gram)):
        if gram[j, j] > 0:
            score, slope, inverse = scores[j], left[j], 1 / gram[j, j]
            for n in range(count):
                found = slope[n] * inverse + score[n]
                if found < 0:  # NaN stays, as in numpy
                    found = 0.0
                step[n] = found - score[n]
            for n in range(count):
                score[n] += step[n]
            for i in range(len(gram)):
                weight, other = gram[i, j], left[i]
                for n in range(count):
                    other[n] -= weight * step[n]


@dataclass(frozen=True, eq=False)
class NonnegativeStep:
    """Statistics of a block of rows that the next components of a factorization need.

    Parameters
    ----------
    gram : ndarray of float64, shape (k, k)
        Products of the scores with one another.
    products : ndarray of float64, shape (k, L)
        Scores times rows.
    error, total : float
        Sum of squares of the residuals, and of the rows.
    sums : ndarray of float64, shape (k,)
        Sums of the scores.
    negatives : int
        Number of negative values.
    worst : float
        Largest sum of squares of the residuals of a row.
    row : ndarray of float64, shape (L,)
        The first row with it.

    Examples
    --------
    >>> rows = np.array([[1.0, 2], [2, 4], [0, 1]])
    >>> step = NonnegativeStep.of(rows, np.array([[1.0, 2]]), sweeps=1)
    >>> step.gram, round(step.error, 9), step.row
    (array([[5.16]]), 0.2, array([0., 1.]))
    """

    gram: Array
    products: Array
    error: float
    total: float
    sums: Array
    negatives: int
    worst: float
    row: Array

    @classmethod
    @np.errstate(all="ignore")
    def of(
        cls,
        block: Array,
        components: Array,
        *,
        sweeps: int,
        l1: float = 0.0,
        l2: float = 0.0,
        compiled: bool = False,
    ) -> Self:
        """Statistics of the rows of a block, ``(n, L)``, for components of shape ``(k, L)``."""
        own, transposed = components @ components.T, np.ascontiguousarray(components.T)
        solver = NonnegativeLeastSquares.of(own, l1, l2, compiled=compiled)
        k = len(components)
        found, gram, sums = np.zeros(components.shape), np.zeros((k, k)), np.zeros(k)
        squares, residuals = np.zeros(len(block)), np.zeros(len(block))
        for rows, tiles in _groups(block):
            images = np.zeros((rows.stop - rows.start, k))
            for part, columns, tile in tiles():
                images[part] += row_products(tile, transposed[columns])
                squares[rows][part] += np.vecdot(tile, tile)
            scores = solver.scores(images, sweeps)
            for part, columns, tile in tiles():
                found[:, columns] += scores[:, part] @ tile
            gram += scores @ scores.T
            sums += scores.sum(axis=1)
            fitted = scores * (2 * images.T - own @ scores)
            residuals[rows] = squares[rows] - fitted.sum(axis=0)
        # A block of no rows has no worst one.
        number = int(np.argmax(residuals)) if len(block) else 0
        worst = float(residuals[number]) if len(block) else -np.inf
        row = block[number].astype(np.float64) if len(block) else np.zeros(block.shape[1])
        errors = float(residuals.sum()), float(squares.sum())
        return cls(gram, found, *errors, sums, _negatives(block), worst, row)

    @np.errstate(all="ignore")
    def merge(self, other: Self) -> Self:
        """Statistics of the rows of both."""
        first = self if self.worst >= other.worst else other
        return type(self)(
            self.gram + other.gram,
            self.products + other.products,
            self.error + other.error,
            self.total + other.total,
            self.sums + other.sums,
            self.negatives + other.negatives,
            first.worst,
            first.row,
        )


def _groups(block: Array) -> Iterator[tuple[slice, Callable[[], Iterable[Tile]]]]:
    """Yield rows, and a function that returns their tiles, with rows counted from the first.

    Tiles of whole rows are converted once. Longer rows are one group, and converted each time.
    """
    if block.shape[1] > WIDTH:
        yield slice(0, len(block)), lambda: column_tiles(block, 0.0)
        return
    for rows, columns, tile in column_tiles(block, 0.0):
        found = [(slice(0, len(tile)), columns, tile)]
        yield rows, found.copy


def _negatives(block: Array) -> int:
    """Count negative values; one read where there are none."""
    if block.dtype.kind not in "if" or not block.size or not block.min() < 0:
        return 0
    return int(np.count_nonzero(block < 0))
