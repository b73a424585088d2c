"""Statistics of fitted records, from the coefficients and sums of squares that a fit leaves.

Each function takes the results of a block of records and returns ``(k, m)`` values of float64. The
names are those of statsmodels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike.kernels._tiles import row_products
from thunderlike.regression.least_squares import determination

if TYPE_CHECKING:
    from collections.abc import Callable

    from thunderlike._typing import Array

__all__ = [
    "Results",
    "Statistic",
    "betas",
    "betas_and_scores",
    "f_pvalues",
    "fvalues",
    "normal_pvalues",
    "partial_f_pvalues",
    "partial_fvalues",
    "partial_rsquared",
    "permutation_pvalues",
    "pvalues",
    "rsquared",
    "rsquared_adj",
    "scale",
    "tvalues",
]


@dataclass(frozen=True, eq=False)
class Results:
    """Results of a block of records, by name.

    Parameters
    ----------
    block : ndarray, shape (k, m)
    fields : dict
        Columns of each name.

    Examples
    --------
    >>> results = Results(np.array([[1.0, 5.0, 6.0]]), {"sse": slice(0, 1), "coef": slice(1, 3)})
    >>> results["coef"]
    array([[5., 6.]])
    """

    block: Array
    fields: dict[str, slice]

    def __getitem__(self, name: str) -> Array:
        return self.block[:, self.fields[name]]


@dataclass(frozen=True, eq=False)
class Statistic:
    """Vectorised function of a block of results.

    Parameters
    ----------
    function : callable
        Takes :class:`Results`, and further arguments.
    fields : dict
        Columns of each name.
    """

    function: Callable[..., Array]
    fields: dict[str, slice]

    def __call__(self, block: Array, **arguments: Any) -> Array:
        """Compute the statistic of each record."""
        with np.errstate(all="ignore"):
            return self.function(Results(block, self.fields), **arguments)


def betas(found: Results, matrix: Array) -> Array:
    """Intercept and coefficients, by the matrix from ``[level, *coef]``."""
    return row_products(found.block[:, : len(matrix)], matrix)


def tvalues(found: Results, matrix: Array) -> Array:
    """Betas divided by their standard errors."""
    return betas(found, matrix) / found["se"]


def pvalues(found: Results, matrix: Array) -> Array:
    """Two-sided p-values of `tvalues`, by Student's t."""
    from scipy.special import stdtr

    both: Array = 2 * stdtr(found["dof"], -np.abs(tvalues(found, matrix)))
    return both


def normal_pvalues(found: Results, matrix: Array) -> Array:
    """Two-sided p-values of `tvalues`, by the normal distribution."""
    from scipy.special import ndtr

    both: Array = 2 * ndtr(-np.abs(tvalues(found, matrix)))
    return both


def rsquared(found: Results, error: str = "sse", total: str = "sst") -> Array:
    """R squared by two sums of squares."""
    return determination(found[error], found[total])


def rsquared_adj(found: Results, rank: int | None = None) -> Array:
    """R squared adjusted for the number of independent regressors; by default that of a record."""
    variance = found["sst"] / (found["dof"] + _ranks(found, rank))
    return determination(scale(found), variance)


def betas_and_scores(found: Results, matrix: Array) -> Array:
    """Betas, and R squared about the mean."""
    return np.hstack([betas(found, matrix), rsquared(found, total="tss")])


def scale(found: Results) -> Array:
    """Variance of the residuals."""
    return found["sse"] / found["dof"]


def fvalues(found: Results, rank: int | None = None) -> Array:
    """F of a model of `rank` independent regressors against that of the intercept alone.

    By default the rank is that of each record.
    """
    return (found["sst"] - found["sse"]) / _ranks(found, rank) / scale(found)


def f_pvalues(found: Results, rank: int | None = None) -> Array:
    """P-values of `fvalues`."""
    from scipy.special import fdtrc

    upper: Array = fdtrc(_ranks(found, rank), found["dof"], fvalues(found, rank))
    return upper


def _ranks(found: Results, rank: int | None) -> Array:
    return found["rank"] if rank is None else np.array([[rank]], np.float64)


def partial_rsquared(found: Results) -> Array:
    """Share that each group of regressors explains of what the others leave."""
    return determination(found["sse"], found["sse"] + found["added"])


def partial_fvalues(found: Results, ranks: Array) -> Array:
    """F of the model against those without a group, whose columns add `ranks` dimensions."""
    return found["added"] / ranks / scale(found)


def partial_f_pvalues(found: Results, ranks: Array) -> Array:
    """P-values of `partial_fvalues`."""
    from scipy.special import fdtrc

    upper: Array = fdtrc(ranks, found["dof"], partial_fvalues(found, ranks))
    return upper


def permutation_pvalues(found: Results, count: int) -> Array:
    """Share of `count` permutations, and of the data themselves, that reach the statistic."""
    return (1 + found["exceeded"]) / (1 + count)
