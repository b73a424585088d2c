"""Fitted models: the results of all records as series, predictions and scores."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self

import numpy as np

from thunderlike._lazy import resolve
from thunderlike.data.blocks import Blocks
from thunderlike.data.collection import Collection
from thunderlike.data.series import Series
from thunderlike.errors import SpecError, WrongTypeError
from thunderlike.kernels._tiles import row_products, tiles
from thunderlike.regression import statistics
from thunderlike.regression.design import Design
from thunderlike.regression.least_squares import about_mean, determination
from thunderlike.regression.statistics import Statistic

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import ArrayLike

    from thunderlike._typing import Array
    from thunderlike.engines.base import Pairing, Records
    from thunderlike.regression.design import Regressors
    from thunderlike.storage import AnyPath

__all__ = [
    "Columns",
    "Fit",
    "InferenceModel",
    "MassRegressionAlgorithm",
    "MassRegressionModel",
    "RecordModel",
    "Scoring",
    "as_series",
    "check_length",
    "results_of",
]


class Fit(Protocol):
    """Vectorised fit of the records of a block."""

    @property
    def fields(self) -> dict[str, slice]:
        """Columns of the results, by name."""

    def __call__(self, block: Array, *, compiled: bool | None = None) -> Array:
        """From records of shape ``(k, T)`` to results of shape ``(k, m)``."""


@dataclass(frozen=True, eq=False)
class Columns:
    """Regressors of a fitted model.

    Parameters
    ----------
    names : tuple of str
    center, scale : ndarray, shape (p,)
        Subtracted from a regressor, then divided by, to standardize it.
    origin, mean : ndarray, shape (p,)
        Subtracted then: where both are, a record has its ``level``. Zeros without an intercept.
    named : bool
        Whether the names were given; else they are of the columns of an array.
    """

    names: tuple[str, ...]
    center: Array
    scale: Array
    origin: Array
    mean: Array
    named: bool = True

    @classmethod
    def of(
        cls, design: Design, mask: Array | None, *, intercept: bool, standardize: bool = False
    ) -> Columns:
        """Choose the scales and the origin of a design, by the samples of a mask.

        Raises
        ------
        SpecError
            For NaN at a sample that is used.
        """
        used = design.selected(mask)
        center, scale, origin = (
            np.zeros(design.count),
            np.ones(design.count),
            np.zeros(design.count),
        )
        if standardize:
            center, deviation = used.mean(axis=0), used.std(axis=0)
            scale = np.where(deviation == 0, 1, deviation)
        elif intercept and len(used):
            origin = used[0]
        return cls(design.names, center, scale, origin, np.zeros(design.count), design.named)

    @classmethod
    def unchanged(cls, design: Design) -> Columns:
        """Return the columns of a design that is fitted as it is."""
        none = np.zeros(design.count)
        return cls(design.names, none, none + 1, none, none, design.named)

    def apply(self, values: Array) -> Array:
        """Return regressors as they are fitted."""
        found: Array = (values - self.center) / self.scale - self.origin
        return found

    def matched(self, X: Regressors) -> Array:
        """Return the values of regressors in the order of the fit, of shape (T, p).

        By name where `X` has names that were given, and the fit as well or the same ones; else by
        position.

        Raises
        ------
        SpecError
            For other names or another number of regressors than the model has, and for NaN.
        """
        design = Design.of(X)
        named = design.named and (self.named or set(design.names) == set(self.names))
        if named:
            self._check_names(design)
        if design.count != len(self.names):
            raise SpecError(
                f"X has {design.count} regressors, the model {len(self.names)}: "
                f"{', '.join(self.names)}"
            )
        values = design.selected()
        if named and tuple(design.names) != self.names:
            values = values.take([design.names.index(name) for name in self.names], axis=1)
        return values

    def _check_names(self, design: Design) -> None:
        missing = [repr(name) for name in self.names if name not in design.names]
        unknown = [repr(name) for name in design.names if name not in self.names]
        faults = [f"lacks the regressors {', '.join(missing)}"] if missing else []
        faults += [f"has the unknown regressors {', '.join(unknown)}"] if unknown else []
        if faults:
            raise SpecError(f"X {' and '.join(faults)}: give {', '.join(self.names)}")

    def matrix(self, X: Regressors) -> Array:
        """Return the matrix from ``[level, *coef]`` to predictions, of shape (p + 1, T).

        Raises
        ------
        SpecError
            For regressors that are not those of the model; see `matched`.
        """
        values = self.apply(self.matched(X)) - self.mean
        return np.vstack([np.ones(len(values)), values.T])

    @property
    def betas(self) -> Array:
        """Matrix from ``[level, *coef]`` to ``[intercept, *coef]``."""
        matrix = np.eye(len(self.names) + 1)
        matrix[1:, 0] = -(self.origin + self.mean)
        return matrix


def as_series(y: object) -> Series:
    """Return the response variables as a Series.

    Raises
    ------
    WrongTypeError
        For images and blocks, and for anything that is no array of real numbers.
    """
    if isinstance(y, Series):
        series = y
    elif isinstance(y, Collection | Blocks):
        raise WrongTypeError(
            f"y is {type(y).__name__}, and a model is fitted to series: call .toseries()"
        )
    else:
        series = Series(y)  # type: ignore[arg-type]
    if series.dtype.kind not in "biuf":
        raise WrongTypeError(f"y has dtype {series.dtype}: give real numbers")
    return series


def check_length(design: Design, series: Series) -> None:
    """Raise SpecError unless the design has a row for each position of the series."""
    if len(design) != series.length:
        raise SpecError(
            f"X has {len(design)} samples, the series have {series.length}: give a row of X for "
            "each position"
        )


def results_of(series: Series, fit: Fit, labels: Sequence[str]) -> Series:
    """Fit all records; lazy where the engine is."""
    results = series._stacked(fit, compiled=series._compiled)
    results.index = list(labels)
    return results


class MassRegressionAlgorithm:
    """Base class of algorithms: an algorithm is fitted to each record of a Series.

    Examples
    --------
    >>> from thunderlike.regression import Ridge
    >>> isinstance(Ridge(), MassRegressionAlgorithm)
    True
    """

    def fit(self, X: Regressors, y: Any) -> Any:
        """Fit a model to each record; subclasses define it."""
        raise NotImplementedError(f"{type(self).__name__} has no fit(X, y): define it")

    def fit_and_score(self, X: Regressors, y: Any) -> tuple[Any, Series]:
        """Fit a model to each record, and score it on the same data.

        Parameters
        ----------
        X, y
            As for ``fit``.

        Returns
        -------
        model : MassRegressionModel
        scores : Series
            As ``model.score(X, y)``.
        """
        model = self.fit(X, y)
        return model, model.scores


class MassRegressionModel:
    """Models of all records, with the same regressors.

    Attributes
    ----------
    results : Series
        All that was computed of each record, in the columns named by its index; on a lazy engine,
        when it is needed. ``model.results.cache()`` keeps it for several maps.

    Notes
    -----
    Everything else is derived from `results`, which is small: no method but `score` reads the data
    again.

    Examples
    --------
    >>> from thunderlike.regression import LinearRegression
    >>> model = LinearRegression().fit([0.0, 1, 2, 3], np.array([[1.0, 3, 5, 7], [0, 1, 1, 0]]))
    >>> isinstance(model, MassRegressionModel)
    True
    >>> model
    LinearModel
    regressors: x0
    mode: local
    shape: (2,)
    >>> model.predict([4.0]).toarray().round(6) + 0.0
    array([9. , 0.5])
    """

    def __init__(self, results: Series, columns: Columns, fields: dict[str, slice]) -> None:
        self.results = results
        self._columns = columns
        self._fields = fields

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}\nregressors: {', '.join(self.names)}\n"
            f"mode: {self.results.mode}\nshape: {self.results.baseshape}"
        )

    def save(self, path: AnyPath) -> None:
        """Save the model as one file, replacing an earlier one; `load` reads it.

        Parameters
        ----------
        path : str or PathLike
            With suffix ``.json``, as text from which floats are read back exactly; with ``.h5`` or
            ``.hdf5``, as HDF5, which is smaller and faster for many records.

        Raises
        ------
        SpecError
            For another suffix.

        Notes
        -----
        All results come to this process.
        """
        resolve("thunderlike.regression.files:saved")(self).save(path)

    def tolocal(self) -> Self:
        """Compute the results of all records, and return a model that has them in memory.

        Examples
        --------
        >>> import thunderlike as tl
        >>> series = tl.series.fromarray([[1, 3, 5, 8]], engine="disk")
        >>> model = series.regress([0, 1, 2, 3])
        >>> model.betas.mode, model.tolocal().betas.mode
        ('disk', 'local')
        """
        found = copy.copy(self)
        if not self.results._records.in_memory:
            found.results = self.results.tolocal()
        return found

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the regressors."""
        return self._columns.names

    # coefficients

    @property
    def betas(self) -> Series:
        """Intercept, or 0.0 if none was fitted, then coefficients; length p + 1."""
        index = ("intercept", *self.names)
        return self._statistic(statistics.betas, index, matrix=self._columns.betas)

    @property
    def coef_(self) -> Series:
        """Coefficients without the intercept; length p."""
        return self._field("coef", self.names)

    @property
    def intercept_(self) -> Series:
        """Intercept, or 0.0 if none was fitted; length 1."""
        first = self._columns.betas[:, :1]
        return self._statistic(statistics.betas, ("intercept",), matrix=first)

    @property
    def scores(self) -> Series:
        """R squared of the fit about the mean of each record, as scikit-learn's score; length 1."""
        return self._statistic(statistics.rsquared, ("score",), total="tss")

    @property
    def betas_and_scores(self) -> Series:
        """Intercept, coefficients, and score of the fit; length p + 2."""
        index = ("intercept", *self.names, "score")
        return self._statistic(statistics.betas_and_scores, index, matrix=self._columns.betas)

    @property
    def models(self) -> Series:
        """A model of each record, with the attributes of scikit-learn's; made on demand.

        Notes
        -----
        One Python object for each record: for a few of them.
        """
        view = partial(RecordModel, self._columns, self._mean, self._loss)
        return self.results.map(view, index=[0], value_shape=(1,), dtype=object)

    # predictions

    def predict(self, X: Regressors) -> Series:
        """Predict the response to regressors.

        Parameters
        ----------
        X : array_like, shape (T', p), mapping or DataFrame
            As for `fit`, with any number of samples. Regressors with names, in any order, are
            matched by name to those of the fit. Columns of an array have no names, and must be in
            the order of the fit. A model that was fitted to an array has no names to match: it
            takes other names by position as well, and ``x0``, ``x1`` and so on by name.

        Returns
        -------
        Series of float64, of length T'
            Lazy where the engine is.

        Raises
        ------
        SpecError
            For another number of regressors, or other names: says which are missing or unknown.
        """
        matrix = self._columns.matrix(X)
        predicted = self.results._stacked(_respond, matrix=matrix, mean=self._mean)
        predicted.index = None
        return predicted

    def score(self, X: Regressors, y: Any) -> Series:
        """R squared of predictions, about the mean of each record.

        Parameters
        ----------
        X : array_like, shape (T', p), mapping or DataFrame
            As for `predict`.
        y : Series or array_like, of the base shape of the model and length T'

        Returns
        -------
        Series of float64, of length 1
            1 for a record that is predicted exactly, even if it is constant; 0 for another constant
            record.

        Raises
        ------
        SpecError
            For arrays that do not fit the model, or one another.
        NotOnEngineError
            For a model on Spark and `y` elsewhere; a model in memory is sent to the engine of `y`.

        Notes
        -----
        One pass over `y`, without a shuffle where it is partitioned as the model is.
        """
        series, design = as_series(y), Design.of(X)
        check_length(design, series)
        scoring = Scoring(self._columns.matrix(design), self._mean, self._loss)
        return self._combined(series, scoring, "score")

    def predict_and_score(self, X: Regressors, y: Any) -> tuple[Series, Series]:
        """Return the predictions and their scores, as `predict` and `score`."""
        return self.predict(X), self.score(X, y)

    _facts: ClassVar[tuple[str, ...]] = ()  # further attributes, which a file keeps
    # From predictors to means, and losses of data at a mean; generalised models have others.
    _mean: Callable[[Array], Array] | None = None
    _loss: Callable[[Array, Array], Array] | None = None

    def _combined(self, series: Series, pairing: Pairing, name: str) -> Series:
        if series.baseshape != self.results.baseshape:
            raise SpecError(
                f"y has the base shape {series.baseshape}, the model {self.results.baseshape}"
            )
        records = _accepted(self.results._records, series._records)
        found = records.combine(series._records, pairing, (1,), np.dtype(np.float64))
        return series._changed(found, index=[name])

    def _field(self, name: str, index: Sequence[str]) -> Series:
        found = self.results[..., self._fields[name]]
        found.index = list(index)
        return found

    def _statistic(
        self, function: Callable[..., Array], index: Sequence[str], **arguments: Any
    ) -> Series:
        found = self.results._stacked(Statistic(function, self._fields), **arguments)
        found.index = list(index)
        return found


class InferenceModel(MassRegressionModel):
    """Base class of models with standard errors.

    Examples
    --------
    >>> from thunderlike.regression import LinearRegression
    >>> model = LinearRegression().fit([0.0, 1, 2, 3], np.array([[0.0, 1, 1, 0]]))
    >>> isinstance(model, InferenceModel), model.se.toarray().round(3)
    (True, array([0.592, 0.316]))
    """

    @property
    def se(self) -> Series:
        """Standard errors of the betas; NaN for what was not fitted. Length p + 1."""
        return self._field("se", ("intercept", *self.names))

    def _of_betas(self, function: Callable[..., Array]) -> Series:
        index = ("intercept", *self.names)
        return self._statistic(function, index, matrix=self._columns.betas)


def _accepted(results: Records, data: Records) -> Records:
    """Return results as records of the engine of the data.

    Those in memory are sent to any engine: they are small.
    """
    if results.engine != data.engine and results.in_memory:
        return data.engine.copy(results)
    return data.engine.accept(results)


def _respond(block: Array, matrix: Array, mean: Callable[[Array], Array] | None) -> Array:
    predictors = row_products(block[:, : len(matrix)], matrix)
    return predictors if mean is None else mean(predictors)


@dataclass(frozen=True, eq=False)
class Scoring:
    """Scores of the results of a block of records on their data.

    Parameters
    ----------
    matrix : ndarray, shape (p + 1, T)
        As of :meth:`Columns.matrix`.
    mean, loss : callable or None
        From predictors to means, and from data and means to losses; by default identity and
        squared errors.
    """

    matrix: Array
    mean: Callable[[Array], Array] | None
    loss: Callable[[Array, Array], Array] | None

    @np.errstate(all="ignore")
    def __call__(self, results: Array, block: Array) -> Array:
        """Score each record, as a column."""
        out = np.empty((len(block), 1))
        for rows, tile in tiles(block):
            predicted = _respond(results[rows], self.matrix, self.mean)
            if self.loss is None:
                error = np.subtract(tile, predicted, out=predicted)
                sums = np.vecdot(error, error), about_mean(tile)
            else:
                level = np.broadcast_to(tile.mean(axis=1, keepdims=True), tile.shape)
                sums = self.loss(tile, predicted), self.loss(tile, level)
            out[rows, 0] = determination(*sums)
        return out


class RecordModel:
    """Model of one record, with the attributes of one of scikit-learn.

    Attributes
    ----------
    coef_ : ndarray, shape (p,)
    intercept_ : float
    """

    def __init__(
        self,
        columns: Columns,
        mean: Callable[[Array], Array] | None,
        loss: Callable[[Array, Array], Array] | None,
        values: Array,
    ) -> None:
        self._columns, self._mean, self._loss, self._values = columns, mean, loss, values
        betas = values[: len(columns.names) + 1] @ columns.betas
        self.intercept_, self.coef_ = float(betas[0]), betas[1:]

    def predict(self, X: Regressors) -> Array:
        """Predict the response to regressors, matched as those of `MassRegressionModel.predict`."""
        matrix = self._columns.matrix(X)
        predicted: Array = _respond(self._values[np.newaxis], matrix, self._mean)[0]
        return predicted

    def score(self, X: Regressors, y: ArrayLike) -> float:
        """R squared of the predictions."""
        scoring = Scoring(self._columns.matrix(X), self._mean, self._loss)
        block = np.asarray(y, np.float64)[np.newaxis]
        return float(scoring(self._values[np.newaxis], block)[0, 0])
