"""Generalised linear models of counts and proportions, of every record."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from thunderlike.errors import SpecError
from thunderlike.kernels._tiles import row_products, tiles
from thunderlike.kernels._validation import is_whole
from thunderlike.regression import statistics
from thunderlike.regression.least_squares import (
    Basis,
    Samples,
    combinations,
    inverses,
    sliced,
    with_constant,
)
from thunderlike.regression.model import InferenceModel, MassRegressionAlgorithm
from thunderlike.regression.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike

    from thunderlike._typing import Array
    from thunderlike.data.series import Series
    from thunderlike.regression.design import Regressors

__all__ = [
    "GLM",
    "Family",
    "GLMModel",
    "Reweighted",
]

_MOST = 64  # regressors: a normal matrix for each record of a tile
_TOLERANCE = 1e-8  # relative change of the deviance


class Family(NamedTuple):
    """Distribution of the response, with its canonical link.

    Parameters
    ----------
    mean : callable
        From predictors to means.
    link : callable
        Its inverse.
    variance : callable
        Of the response, from means.
    deviance : callable
        Of each record, from data and means.
    inside : callable
        Whether data are possible.
    """

    mean: Callable[[Array], Array]
    link: Callable[[Array], Array]
    variance: Callable[[Array], Array]
    deviance: Callable[[Array, Array], Array]
    inside: Callable[[Array], Array]


def _poisson_mean(predictors: Array) -> Array:
    result: Array = np.exp(np.minimum(predictors, 700))  # beyond, infinity
    return result


def _poisson_deviance(y: Array, mean: Array) -> Array:
    from scipy.special import xlogy

    found: Array = 2 * (xlogy(y, y / mean) - y + mean).sum(axis=1)
    return found


def _poisson_inside(y: Array) -> Array:
    return y >= 0


def _binomial_mean(predictors: Array) -> Array:
    from scipy.special import expit

    found: Array = expit(predictors)
    return found


def _binomial_link(mean: Array) -> Array:
    from scipy.special import logit

    found: Array = logit(mean)
    return found


def _binomial_variance(mean: Array) -> Array:
    result: Array = mean * (1 - mean)
    return result


def _binomial_deviance(y: Array, mean: Array) -> Array:
    from scipy.special import xlogy

    found: Array = 2 * (xlogy(y, y / mean) + xlogy(1 - y, (1 - y) / (1 - mean))).sum(axis=1)
    return found


def _binomial_inside(y: Array) -> Array:
    return (y >= 0) & (y <= 1)


FAMILIES = {
    "poisson": Family(_poisson_mean, np.log, np.array, _poisson_deviance, _poisson_inside),
    "binomial": Family(
        _binomial_mean, _binomial_link, _binomial_variance, _binomial_deviance, _binomial_inside
    ),
}


@dataclass(frozen=True, eq=False)
class Reweighted:
    """Fit of each record of a block by iteratively reweighted least squares.

    Parameters
    ----------
    samples : Samples
        Of a record.
    basis : Basis
        Of the design at these samples.
    intercept : bool
        Whether there is one.
    origin : ndarray, shape (p,)
        Subtracted from the regressors before.
    family : str
        Name of the family.
    max_iter : int
        Number of iterations at most.
    """

    samples: Samples
    basis: Basis
    intercept: bool
    origin: Array
    family: str
    max_iter: int

    @property
    def fields(self) -> dict[str, slice]:
        """Columns of the results, by name."""
        count = len(self.origin)
        widths = {"level": 1, "coef": count, "se": count + 1}
        return sliced(widths | dict.fromkeys(("sse", "tss", "dof", "iterations", "converged"), 1))

    @np.errstate(all="ignore")
    def __call__(self, block: Array, *, compiled: bool | None = None) -> Array:  # noqa: ARG002
        """Fit the records of a block, of shape (k, T)."""
        family, fields = FAMILIES[self.family], self.fields
        out = np.full((len(block), fields["converged"].stop), np.nan)
        vectors = self.basis.vectors
        vectors = with_constant(vectors) if self.intercept else vectors
        for rows, tile in tiles(block, width=max(block.shape[1], vectors.shape[1] ** 2)):
            y = np.ascontiguousarray(self.samples(tile))
            inside = (family.inside(y) & np.isfinite(y)).all(axis=1)
            out[rows][inside] = self._fitted(y[inside], vectors, family)
        return out

    def _fitted(self, y: Array, vectors: Array, family: Family) -> Array:
        fields, found = self.fields, np.zeros((len(y), self.fields["converged"].stop))
        level = np.broadcast_to(y.mean(axis=1, keepdims=True), y.shape)
        solution, inverse, iterations, deviance = self._iterated(y, vectors, family)
        mean = self.origin + self.basis.mean
        combine = combinations(self.basis, mean, intercept=self.intercept)
        variance = np.einsum("ij,ik->jki", combine, combine).reshape(-1, len(combine))
        coefficients = row_products(solution, combine.T.copy())
        if self.intercept:
            found[:, fields["level"]] = solution[:, :1] * len(vectors) ** -0.5
        found[:, fields["coef"]] = coefficients[:, 1:]
        squares = row_products(inverse.reshape(len(y), vectors.shape[1] ** 2), variance.copy())
        found[:, fields["se"]] = np.sqrt(squares)
        found[:, fields["se"].start + 1 : fields["se"].stop][:, ~self.basis.independent] = np.nan
        found[:, fields["sse"].start] = deviance
        found[:, fields["tss"].start] = family.deviance(y, level)
        found[:, fields["dof"]] = len(vectors) - vectors.shape[1]
        found[:, fields["iterations"].start] = np.abs(iterations)
        found[:, fields["converged"].start] = iterations > 0
        return found

    def _iterated(
        self, y: Array, vectors: Array, family: Family
    ) -> tuple[Array, Array, Array, Array]:
        """Coordinates, their covariances, number of iterations (negative at the end), deviance."""
        count, rank = len(y), vectors.shape[1]
        outer = np.einsum("ti,tj->tij", vectors, vectors).reshape(len(vectors), -1)
        transposed = np.ascontiguousarray(vectors.T)
        solution, inverse = np.zeros((count, rank)), np.zeros((count, rank, rank))
        iterations, deviance = np.full(count, -self.max_iter), np.full(count, np.inf)
        # A start between the data and their mean, where every link is finite.
        mean = (y + y.mean(axis=1, keepdims=True) + 1e-3) / (2 + 2e-3)
        left = np.arange(count)
        predictors = family.link(mean)
        for number in range(1, self.max_iter + 1):
            weights = family.variance(mean)
            working = weights * predictors + (y[left] - mean)
            matrices = row_products(weights, outer).reshape(-1, rank, rank)
            inverse[left] = inverses(matrices)
            solution[left] = np.matvec(inverse[left], row_products(working, vectors))
            predictors = row_products(solution[left], transposed)
            mean = family.mean(predictors)
            before, deviance[left] = deviance[left], family.deviance(y[left], mean)
            done = np.abs(before - deviance[left]) <= _TOLERANCE * (deviance[left] + 0.1)
            iterations[left[done]] = number
            # Only the others go on, so that a record does not depend on those next to it.
            left, mean, predictors = left[~done], mean[~done], predictors[~done]
            if not len(left):
                break
        return solution, inverse, iterations, deviance


class GLMModel(InferenceModel):
    """Generalised linear models of all records; see :class:`GLM`.

    Coefficients are those of the predictor: of the logarithm of a count, of the log odds of a
    proportion. `predict` returns means. `score` and `scores` are the explained share of the
    deviance.

    Attributes
    ----------
    family : str
        Name of the family.

    Examples
    --------
    >>> model = GLM().fit([0.0, 0, 1, 1], np.array([[1, 3, 7, 9]]))
    >>> model.predict([0.0, 1]).toarray().round(6), float(model.converged.toarray())
    (array([2., 8.]), 1.0)
    """

    family: str = "poisson"
    _facts = ("family",)

    @property
    def _mean(self) -> Callable[[Array], Array]:  # type: ignore[override]
        return FAMILIES[self.family].mean

    @property
    def _loss(self) -> Callable[[Array, Array], Array]:  # type: ignore[override]
        return FAMILIES[self.family].deviance

    @property
    def zvalues(self) -> Series:
        """Betas divided by their standard errors; length p + 1."""
        return self._of_betas(statistics.tvalues)

    @property
    def pvalues(self) -> Series:
        """Two-sided p-values of the betas, by the normal distribution; length p + 1."""
        return self._of_betas(statistics.normal_pvalues)

    @property
    def deviance(self) -> Series:
        """Deviance of the fit; length 1."""
        return self._field("sse", ("deviance",))

    @property
    def iterations(self) -> Series:
        """Number of iterations; length 1."""
        return self._field("iterations", ("iterations",))

    @property
    def converged(self) -> Series:
        """1 where the deviance changed by less than 1e-8 of itself, else 0; length 1."""
        return self._field("converged", ("converged",))


@dataclass(frozen=True)
class GLM(MassRegressionAlgorithm):
    """Generalised linear model of each record, by maximum likelihood.

    Parameters
    ----------
    family : {'poisson', 'binomial'}
        Counts, with a logarithmic link, or proportions from 0 to 1 such as single answers, with a
        logistic link.
    max_iter : int
        Number of iterations at most; records that need more have ``converged`` 0.
    fit_intercept : bool
        Fit an intercept as well.
    standardize : bool
        Subtract from each regressor its mean and divide by its standard deviation.
    mask : array_like of bool, shape (T,), optional
        True for the samples that are used.

    Notes
    -----
    Iteratively reweighted least squares for all records of a block at once, in one lazy map:
    McCullagh and Nelder, "Generalized Linear Models", 1989, section 2.5. Each iteration costs a
    product of T x p^2 for a record, hence at most 64 regressors; use :class:`CustomRegression` for
    more. A record with NaN, or with values that the family does not have, comes out as NaN.

    Examples
    --------
    >>> import thunderlike as tl
    >>> x = np.array([0.0, 0, 1, 1])
    >>> model = GLM("poisson").fit(x, tl.series.fromarray([[1, 3, 7, 9]]))
    >>> np.exp(model.betas.toarray()).round(6)  # the mean at 0, and its ratio to that at 1
    array([2., 4.])
    """

    family: str = "poisson"
    max_iter: int = 25
    _: KW_ONLY
    fit_intercept: bool = True
    standardize: bool = False
    mask: ArrayLike | None = None

    def __post_init__(self) -> None:
        if self.family not in FAMILIES:
            raise SpecError(f"family={self.family!r} must be one of {', '.join(FAMILIES)}")
        if not is_whole(self.max_iter, 1):
            raise SpecError(f"max_iter={self.max_iter!r} must be a whole number from 1")

    def fit(self, X: Regressors, y: Any) -> GLMModel:
        """Fit each record; as :meth:`LinearRegression.fit`."""
        problem = Problem.of(
            X, y, self.mask, intercept=self.fit_intercept, standardize=self.standardize
        )
        problem.check_determined()
        count = problem.design.count
        if count > _MOST:
            raise SpecError(f"{count} regressors: GLM takes {_MOST}, CustomRegression more")
        samples = Samples.of(problem.mask)
        basis = Basis.of(samples(problem.regressors.T).T, intercept=self.fit_intercept)
        problem.check_basis(basis)
        origin = problem.columns.origin
        fit = Reweighted(
            samples, basis, self.fit_intercept, origin, self.family, int(self.max_iter)
        )
        model = GLMModel(*problem.fitted(fit, basis.mean))
        model.family = self.family
        return model
