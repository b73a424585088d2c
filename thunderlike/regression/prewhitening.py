"""Fits with residuals that depend on the one before: autoregression of order 1."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from thunderlike.kernels._tiles import row_products
from thunderlike.regression.least_squares import (
    about_mean,
    combinations,
    inverses,
    sliced,
    with_constant,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from thunderlike._typing import Array
    from thunderlike.regression.least_squares import LeastSquares

__all__ = [
    "Autoregressive",
    "Pairs",
    "pooled",
]


@dataclass(frozen=True, eq=False)
class Pairs:
    """Samples that follow one another, among those that are used.

    Parameters
    ----------
    later : ndarray of int
        Numbers, among the samples used, of those with a neighbour before them.
    """

    later: Array

    @classmethod
    def of(cls, keep: Array | None, length: int) -> Pairs:
        """Return the pairs among the positions `keep`, or among all of a record."""
        steps = np.ones(length - 1, int) if keep is None else np.diff(keep)
        return cls(np.flatnonzero(steps == 1) + 1)

    def __call__(self, values: Array) -> tuple[Array, Array]:
        """Return the later and the earlier ones along the last axis, contiguous."""
        return values[..., self.later].copy(), values[..., self.later - 1].copy()

    def correlation(self, residual: Array) -> Array:
        """Autocorrelation of residuals at lag 1; NaN for residuals of 0."""
        later, earlier = self(residual)
        with np.errstate(all="ignore"):
            found: Array = np.vecdot(later, earlier) / np.vecdot(residual, residual)
        return found


def pooled(fit: LeastSquares) -> Callable[[Array], Array]:
    """Return the function from a block to the sum and number of the autocorrelations of residuals.

    Each record counts the same, whatever its scale; constant ones do not count.
    """
    pairs = Pairs.of(fit.samples.keep, len(fit.basis.vectors))

    def of(block: Array) -> Array:
        total = np.zeros(2)
        for _, tile, _ in fit.tiles(block):
            found = pairs.correlation(fit.residual(tile))
            counted = found[np.isfinite(found)]
            total += counted.sum(), len(counted)
        return total

    return of


@dataclass(frozen=True, eq=False)
class Autoregressive:
    """Fit of each record of a block, with an autocorrelation of the residuals of its own.

    Parameters
    ----------
    fit : LeastSquares
        Of the samples without a filter.

    Notes
    -----
    Cochrane and Orcutt, Journal of the American Statistical Association 44, 1949, in one step. The
    normal equations of the filtered design are polynomials in the autocorrelation, whose
    coefficients are common to all records: so nothing is decomposed again, and each record takes
    one system of p + 1 equations.
    """

    fit: LeastSquares

    @property
    def fields(self) -> dict[str, slice]:
        """Columns of the results, by name."""
        return self.fit.fields | sliced({"rho": 1}, self.fit.fields["exceeded"].stop)

    @np.errstate(all="ignore")
    def __call__(self, block: Array, *, compiled: bool | None = None) -> Array:
        """Fit the records of a block; as :class:`LeastSquares`, with a column ``rho`` more."""
        fit, fields = self.fit, self.fields
        out = np.empty((len(block), fields["rho"].stop))
        vectors = fit.basis.vectors
        vectors = with_constant(vectors) if fit.intercept else vectors
        pairs = Pairs.of(fit.samples.keep, len(vectors))
        later, earlier = (part.T.copy() for part in pairs(vectors.T))
        dof = len(later) - vectors.shape[1]
        moments = [later.T @ later, later.T @ earlier, earlier.T @ earlier]
        moments[1] = moments[1] + moments[1].T
        combine = combinations(fit.basis, fit.mean, intercept=fit.intercept)
        squares = np.einsum("ij,ik->jki", combine, combine).reshape(-1, combine.shape[0]).copy()
        for rows, tile, level in fit.tiles(block, compiled=compiled):
            found = out[rows]
            rho = pairs.correlation(fit.residual(tile))
            rho[np.isnan(rho)] = 0  # a constant record
            column = rho[:, np.newaxis]
            after, before = pairs(tile)
            response = after - column * before
            projected = row_products(response, later) - column * row_products(response, earlier)
            cube = rho[:, np.newaxis, np.newaxis]
            inverse = inverses(moments[0] - cube * moments[1] + cube**2 * moments[2])
            solution = np.matvec(inverse, projected)
            residual = response - row_products(solution, later.T.copy())
            residual += column * row_products(solution, earlier.T.copy())
            error = np.vecdot(residual, residual)
            total = about_mean(response) if fit.intercept else np.vecdot(response, response)
            variance = row_products(inverse.reshape(len(tile), -1), squares)
            coefficients = row_products(solution, combine.T.copy())
            found[:, fields["level"]] = level
            if fit.intercept:
                found[:, fields["level"]] += solution[:, :1] * len(vectors) ** -0.5
            found[:, fields["coef"]] = coefficients[:, 1:]
            found[:, fields["se"]] = np.sqrt((error / dof)[:, np.newaxis] * variance)
            found[:, fields["se"].start + 1 : fields["se"].stop][:, ~fit.basis.independent] = np.nan
            for name, values in (("sse", error), ("sst", total), ("tss", about_mean(response))):
                found[:, fields[name].start] = values
            found[:, fields["dof"]] = dof
            found[:, fields["rho"].start] = rho
            found[~np.isfinite(np.vecdot(tile, tile))] = np.nan
        return out
