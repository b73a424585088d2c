"""Ridge regression of every record, with a penalty for all or one for each."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike.data import reductions
from thunderlike.errors import SpecError
from thunderlike.kernels._tiles import row_products
from thunderlike.kernels._validation import as_array
from thunderlike.regression import statistics
from thunderlike.regression.least_squares import (
    Samples,
    about_mean,
    centred_columns,
    prepared_tiles,
    sliced,
)
from thunderlike.regression.model import MassRegressionAlgorithm, MassRegressionModel
from thunderlike.regression.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike

    from thunderlike._typing import Array
    from thunderlike.data.series import Series
    from thunderlike.regression.design import Regressors

__all__ = [
    "Penalised",
    "Ridge",
    "RidgeModel",
]

ALPHAS = tuple(float(alpha) for alpha in np.logspace(-2, 6, 9))


@dataclass(frozen=True, eq=False)
class Penalised:
    """Fit of each record of a block by penalised least squares.

    Parameters
    ----------
    samples : Samples
        Of a record.
    intercept : bool
        Whether records are centred, as the design was.
    left : ndarray, shape (T, r)
        U of the singular value decomposition of the design, ``U D V'``.
    singular : ndarray, shape (r,)
        D.
    right : ndarray, shape (r, p)
        V'.
    alphas : ndarray, shape (m,)
        Penalties; of several, each record gets that of the least leave-one-out error.
    """

    samples: Samples
    intercept: bool
    left: Array
    singular: Array
    right: Array
    alphas: Array

    @property
    def fields(self) -> dict[str, slice]:
        """Columns of the results, by name."""
        widths = {"level": 1, "coef": self.right.shape[1]}
        return sliced(widths | dict.fromkeys(("sse", "sst", "tss", "dof", "alpha", "press"), 1))

    @np.errstate(all="ignore")
    def __call__(self, block: Array, *, compiled: bool | None = None) -> Array:
        """Fit the records of a block, of shape (k, T)."""
        fields = self.fields
        out = np.empty((len(block), fields["press"].stop))
        tiles = prepared_tiles(block, self.samples, intercept=self.intercept, compiled=compiled)
        for rows, tile, level in tiles:
            found = out[rows]
            coordinates = row_products(tile, self.left)
            press = self.errors(tile, coordinates)
            best = press.argmin(axis=1)
            shrunk = coordinates * self._shrinkage[best]
            residual = tile - row_products(shrunk, self._transposed)
            total = np.vecdot(tile, tile)
            found[:, fields["level"]] = level
            found[:, fields["coef"]] = row_products(shrunk / self.singular, self.right)
            found[:, fields["sse"].start] = np.vecdot(residual, residual)
            found[:, fields["sst"].start] = total
            found[:, fields["tss"].start] = total if self.intercept else about_mean(tile)
            degrees = tile.shape[1] - self.intercept - self._shrinkage.sum(axis=1)
            found[:, fields["dof"].start] = degrees[best]
            found[:, fields["alpha"].start] = self.alphas[best]
            found[:, fields["press"].start] = np.take_along_axis(press, best[:, None], 1)[:, 0]
            found[~np.isfinite(total)] = np.nan
        return out

    def errors(self, tile: Array, coordinates: Array) -> Array:
        """Sums of squared leave-one-out residuals for each penalty, shape (k, m)."""
        found = np.empty((len(tile), len(self.alphas)))
        constant = 1 / len(self.left) if self.intercept else 0.0
        for number, kept in enumerate(self._shrinkage):
            residual = row_products(coordinates * kept, self._transposed)
            np.subtract(tile, residual, out=residual)
            residual /= 1 - constant - np.square(self.left) @ kept
            found[:, number] = np.vecdot(residual, residual)
        return found

    def total_errors(self, block: Array) -> Array:
        """Leave-one-out errors of each penalty over the records of a block, relative to `sst`."""
        total = np.zeros(len(self.alphas))
        for _, tile, _ in prepared_tiles(block, self.samples, intercept=self.intercept):
            with np.errstate(all="ignore"):
                errors = self.errors(tile, row_products(tile, self.left))
                errors /= np.vecdot(tile, tile)[:, np.newaxis]
            total += errors[np.isfinite(errors).all(axis=1)].sum(axis=0)
        return total

    @cached_property
    def _shrinkage(self) -> Array:
        squares = np.square(self.singular)
        result: Array = squares / (squares + self.alphas[:, np.newaxis])
        return result

    @cached_property
    def _transposed(self) -> Array:
        return np.ascontiguousarray(self.left.T)


class RidgeModel(MassRegressionModel):
    """Ridge models of all records; see :class:`Ridge`.

    Examples
    --------
    >>> model = Ridge("cv").fit([[0.0], [1], [2], [3]], np.array([[1.0, 3, 5, 7]]))
    >>> float(model.alpha.toarray()), model.betas.toarray().round(1)
    (0.01, array([1., 2.]))
    """

    @property
    def alpha(self) -> Series:
        """Penalty of each record; length 1."""
        return self._field("alpha", ("alpha",))

    @property
    def rsquared(self) -> Series:
        """Explained share of the variance; about 0 in a model without an intercept. Length 1."""
        return self._statistic(statistics.rsquared, ("rsquared",))

    @property
    def cv_rsquared(self) -> Series:
        """R squared of predictions of single samples that were left out of the fit; length 1."""
        return self._statistic(statistics.rsquared, ("cv_rsquared",), error="press")

    @property
    def dof(self) -> Series:
        """Degrees of freedom of the residuals, less with smaller penalties; length 1."""
        return self._field("dof", ("dof",))


@dataclass(frozen=True)
class Ridge(MassRegressionAlgorithm):
    """Least squares with a penalty on the squares of the coefficients, for correlated regressors.

    Parameters
    ----------
    alpha : float or 'cv'
        The penalty, positive; 'cv' chooses among `alphas` by leave-one-out cross-validation.
    alphas : sequence of float
        Penalties to choose among.
    per_target : bool
        Choose for each record; False chooses one for all, by the sum of their errors relative to
        their variance, in one pass before.
    fit_intercept : bool
        Fit an intercept, which is not penalised.
    standardize : bool
        Subtract from each regressor its mean and divide by its standard deviation, so that the
        penalty does not depend on units.
    mask : array_like of bool, shape (T,), optional
        True for the samples that are used.

    Notes
    -----
    One lazy map over the records. With ``X = U D V'``, the coefficients are
    ``V (D / (D^2 + alpha)) U'y`` and the residual of a sample that is left out is its residual
    divided by ``1 - h``, h its leverage (Golub, Heath and Wahba, "Generalized cross-validation",
    Technometrics 21, 1979): the penalties cost a product each and no further decomposition. Of
    equal errors the first penalty is taken. More regressors than samples are allowed.

    Examples
    --------
    >>> import thunderlike as tl
    >>> speed = np.array([0.0, 1, 2, 3, 4])
    >>> model = Ridge(alpha=10).fit(speed, tl.series.fromarray([2 * speed + 1]))
    >>> model.betas.toarray()
    array([3., 1.])
    """

    alpha: float | str = 1.0
    _: KW_ONLY
    alphas: Sequence[float] = field(default=ALPHAS)
    per_target: bool = True
    fit_intercept: bool = True
    standardize: bool = False
    mask: ArrayLike | None = None

    def __post_init__(self) -> None:
        penalties = as_array(self._penalties, "alphas")
        if penalties.ndim != 1 or penalties.dtype.kind not in "iuf" or not len(penalties):
            raise SpecError(f"alpha={self.alpha!r} must be a number or 'cv', alphas numbers")
        if not ((penalties > 0) & np.isfinite(penalties)).all():
            raise SpecError(
                f"the penalties {penalties.tolist()} must be positive: LinearRegression has none"
            )

    @property
    def _penalties(self) -> Any:
        return self.alphas if self.alpha == "cv" else [self.alpha]

    def fit(self, X: Regressors, y: Any) -> RidgeModel:
        """Fit each record; as :meth:`LinearRegression.fit`, without conditions on the rank."""
        problem = Problem.of(
            X, y, self.mask, intercept=self.fit_intercept, standardize=self.standardize
        )
        samples = Samples.of(problem.mask)
        values, mean = centred_columns(samples(problem.regressors.T), intercept=self.fit_intercept)
        left, singular, right = np.linalg.svd(values.T, full_matrices=False)
        rank = int(
            np.count_nonzero(singular > max(values.shape) * np.finfo(float).eps * singular[:1])
        )
        alphas = np.array(self._penalties, np.float64)
        fit = Penalised(
            samples,
            self.fit_intercept,
            left[:, :rank].copy(),
            singular[:rank],
            right[:rank],
            alphas,
        )
        if len(alphas) > 1 and not self.per_target and problem.series.count():
            total = reductions.merged(problem.series, fit.total_errors, np.add, alphas.nbytes)
            fit = replace(fit, alphas=alphas[[int(np.argmin(total))]])
        return RidgeModel(*problem.fitted(fit, mean))
