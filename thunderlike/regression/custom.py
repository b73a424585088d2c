"""Regression of every record by an estimator of the caller, such as one of scikit-learn."""

from __future__ import annotations

import copy
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike._arguments import caller_level
from thunderlike.errors import SpecError, WorkerFailedError, WrongTypeError
from thunderlike.kernels._tiles import tiles
from thunderlike.regression.design import Design
from thunderlike.regression.least_squares import about_mean, sliced
from thunderlike.regression.model import (
    Columns,
    MassRegressionAlgorithm,
    MassRegressionModel,
    as_series,
    check_length,
    results_of,
)
from thunderlike.regression.problem import labels_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from thunderlike._typing import Array
    from thunderlike.data.series import Series
    from thunderlike.regression.design import Regressors
    from thunderlike.storage import AnyPath

__all__ = [
    "CustomModel",
    "CustomRegression",
    "FitRecord",
    "FitTogether",
    "PredictRecord",
    "ScoreRecords",
    "clone",
    "fits_together",
]

_MANY = 100_000  # records, each with an estimator of its own: minutes
# Estimators of scikit-learn that fit each of several targets as they would fit it alone. Others
# take several targets as well, and share a penalty or a tree between them.
_SEPARATE = ("LinearRegression", "Ridge")


def clone(estimator: Any) -> Any:
    """Return an estimator with the same parameters that is not fitted.

    By its method ``__sklearn_clone__``, else by its parameters, else by a deep copy.

    Examples
    --------
    >>> class Scaled:
    ...     def __init__(self, factor=1):
    ...         self.factor = factor
    ...
    ...     def get_params(self, deep=True):
    ...         return {"factor": self.factor}
    >>> clone(Scaled(3)).factor
    3
    """
    if hasattr(estimator, "get_params") and not isinstance(estimator, type):
        own = getattr(estimator, "__sklearn_clone__", None)
        if own is not None:
            return own()
        parameters = estimator.get_params(deep=False)
        return type(estimator)(**{name: clone(value) for name, value in parameters.items()})
    return copy.deepcopy(estimator)


def fits_together(estimator: Any) -> bool:
    """Return whether an estimator fits several targets at once, each as it would alone."""
    tags = getattr(estimator, "__sklearn_tags__", None)
    if tags is None or type(estimator).__name__ not in _SEPARATE:
        return False
    return bool(tags().target_tags.multi_output)


@dataclass(frozen=True, eq=False)
class FitRecord:
    """Function from a record to its fitted estimator."""

    estimator: Any
    X: Array

    def __call__(self, record: Array) -> Any:
        """Fit a clone."""
        return clone(self.estimator).fit(self.X, record)


@dataclass(frozen=True, eq=False)
class FitTogether:
    """Fit of the records of a tile as the targets of one estimator.

    Parameters
    ----------
    estimator : object
        For which `fits_together`.
    X : ndarray, shape (T, p)
    """

    estimator: Any
    X: Array

    @property
    def fields(self) -> dict[str, slice]:
        """Columns of the results, by name."""
        return sliced({"level": 1, "coef": self.X.shape[1], "sse": 1, "tss": 1})

    def __call__(self, block: Array, *, compiled: bool | None = None) -> Array:  # noqa: ARG002
        """Fit the records of a block, of shape (k, T); NaN for those that are not finite."""
        fields = self.fields
        out = np.full((len(block), fields["tss"].stop), np.nan)
        for rows, tile in tiles(block):
            finite = np.isfinite(tile).all(axis=1)
            y = tile[finite]
            if not len(y):
                continue
            fitted = clone(self.estimator).fit(self.X, y.T)
            found = np.empty((len(y), out.shape[1]))
            found[:, fields["level"]] = np.reshape(fitted.intercept_, (-1, 1))
            found[:, fields["coef"]] = np.reshape(fitted.coef_, (len(y), -1))
            error = y - np.reshape(fitted.predict(self.X), (-1, len(y))).T
            found[:, fields["sse"].start] = np.vecdot(error, error)
            found[:, fields["tss"].start] = about_mean(y)
            out[rows][finite] = found
        return out


@dataclass(frozen=True, eq=False)
class ScoreRecords:
    """Scores of fitted estimators, by their own method, as a column."""

    X: Array

    def __call__(self, models: Array, block: Array) -> Array:
        """Score each record."""
        scores = [self._score(model, y) for model, y in zip(models[:, 0], block, strict=True)]
        return np.array(scores, np.float64).reshape(-1, 1)

    def _score(self, model: Any, y: Array) -> float:
        try:
            return float(model.score(self.X, y))
        except Exception as error:
            raise WorkerFailedError(
                f"{type(model).__name__}.score raised {type(error).__name__}: {error}"
            ) from error


class CustomModel(MassRegressionModel):
    """Fitted estimators of all records; see :class:`CustomRegression`.

    Attributes
    ----------
    results : Series
        Of dtype object: the estimators.

    Examples
    --------
    >>> class Mean:
    ...     def fit(self, X, y):
    ...         self.intercept_, self.coef_ = y.mean(), np.zeros(X.shape[1])
    ...         return self
    >>> model = CustomRegression(Mean()).fit([0, 1, 2], np.array([[1.0, 3, 5], [0, 0, 6]]))
    >>> model.intercept_.toarray()
    array([3., 2.])
    """

    def __init__(self, models: Series, design: Design, data: Series) -> None:
        super().__init__(models, Columns.unchanged(design), {})
        self._X, self._data = design.values, data

    @property
    def models(self) -> Series:
        """The fitted estimators; length 1, of dtype object."""
        return self.results

    @property
    def betas(self) -> Series:
        """Intercept, or 0.0 if none was fitted, then coefficients; length p + 1."""
        return self._of_each(_betas_of, ("intercept", *self.names))

    @property
    def coef_(self) -> Series:
        """Coefficients without the intercept; length p."""
        return self.betas[..., 1:]

    @property
    def intercept_(self) -> Series:
        """Intercept, or 0.0 if none was fitted; length 1."""
        return self.betas[..., :1]

    @property
    def scores(self) -> Series:
        """Score of each estimator on the data that it was fitted to; length 1."""
        return self.score(self._X, self._data)

    @property
    def betas_and_scores(self) -> Series:
        """Intercept, coefficients, and score of the fit; length p + 2."""
        found = self._combined(self._data, ScoreRecords(self._X), "score")
        betas = self.betas
        records = betas._records.combine(
            found._records, _side_by_side, (betas.length + 1,), np.dtype(np.float64)
        )
        return betas._changed(records, index=[*betas.index, "score"])

    def predict(self, X: Regressors) -> Series:
        """Predict the response to regressors, by the estimators' own methods.

        Regressors are matched by name, as :meth:`MassRegressionModel.predict` does.
        """
        values = self._columns.matched(X)
        found = self._of_each(PredictRecord(values), range(len(values)))
        found.index = None
        return found

    def score(self, X: Regressors, y: Any) -> Series:
        """Score predictions by the estimators' own methods; length 1."""
        series, design = as_series(y), Design.of(X)
        check_length(design, series)
        return self._combined(series, ScoreRecords(self._columns.matched(design)), "score")

    def save(self, path: AnyPath) -> None:
        """Raise SpecError: estimators are Python objects, which no file keeps."""
        raise SpecError(
            f"{path}: estimators are Python objects, and files of models hold numbers only: save "
            "model.betas_and_scores, or pickle the estimators yourself"
        )

    def _of_each(self, function: Any, index: Sequence[Any]) -> Series:
        names = list(index)
        return self.results.map(function, index=names, value_shape=len(names), dtype=np.float64)


@dataclass(frozen=True, eq=False)
class PredictRecord:
    """Function from a record of a fitted estimator to its predictions."""

    X: Array

    def __call__(self, record: Array) -> Array:
        """Predict."""
        return np.ravel(record[0].predict(self.X))


def _betas_of(record: Array) -> Array:
    # Some estimators have coefficients of shape (1, p), and an intercept of shape (1,).
    model = record[0]
    return np.concatenate([np.ravel(getattr(model, "intercept_", 0.0)), np.ravel(model.coef_)])


def _side_by_side(left: Array, right: Array) -> Array:
    return np.hstack([left, right])


@dataclass(frozen=True)
class CustomRegression(MassRegressionAlgorithm):
    """Fit an estimator of the caller to each record.

    Parameters
    ----------
    algorithm : object
        An estimator of scikit-learn, or another object with ``fit(X, y)``, which returns a fitted
        model with ``coef_``, ``intercept_``, ``predict(X)`` and ``score(X, y)``. Each record is
        fitted by a clone.

    Notes
    -----
    One lazy map over the records, a Python call for each: about a millisecond, with a warning above
    100,000 records. ``LinearRegression`` and ``Ridge`` of scikit-learn get a whole tile as their
    targets; their results may differ in the last digits between engines, which cut records into
    different tiles.

    Examples
    --------
    >>> import thunderlike as tl
    >>> class Line:
    ...     def fit(self, X, y):
    ...         columns = np.column_stack([np.ones(len(X)), X])
    ...         self.intercept_, *self.coef_ = np.linalg.lstsq(columns, y, rcond=None)[0]
    ...         return self
    >>> model = CustomRegression(Line()).fit([0, 1, 2], tl.series.fromarray([[1, 3, 5]]))
    >>> model.betas.toarray().round(6)
    array([1., 2.])
    """

    algorithm: Any

    def __post_init__(self) -> None:
        if not callable(getattr(self.algorithm, "fit", None)):
            raise WrongTypeError(
                f"{self.algorithm!r:.60} has no method fit(X, y): give an estimator of "
                "scikit-learn, or an object that fits as one"
            )

    def fit(self, X: Regressors, y: Any) -> MassRegressionModel:
        """Fit an estimator to each record.

        Parameters
        ----------
        X : array_like, shape (T, p), or mapping
        y : Series or array_like, shape (..., T)

        Returns
        -------
        MassRegressionModel

        Raises
        ------
        WorkerFailedError
            When the estimator raises: with the key of the record.
        """
        series, design = as_series(y), Design.of(X)
        check_length(design, series)
        values = design.selected()
        if fits_together(self.algorithm):
            fit = FitTogether(self.algorithm, values)
            results = results_of(series, fit, labels_of(fit.fields, design.names))
            return MassRegressionModel(results, Columns.unchanged(design), fit.fields)
        if series.count() > _MANY:
            warnings.warn(
                f"{series.count()} records, each with a call of {type(self.algorithm).__name__}: "
                "LinearRegression, Ridge and GLM fit all at once",
                stacklevel=caller_level(),
            )
        models = series.map(
            FitRecord(self.algorithm, values), index=[0], value_shape=1, dtype=object
        )
        return CustomModel(models, design, series)
