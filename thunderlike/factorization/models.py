"""Fitted factorizations: projection of new data, reconstruction, score, plots, files."""

from __future__ import annotations

import abc
import math
import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from thunderlike._arguments import caller_level
from thunderlike.data._user_functions import Stacked
from thunderlike.data.images import Images
from thunderlike.data.series import Series
from thunderlike.errors import SpecError
from thunderlike.factorization import _plots
from thunderlike.factorization._matrix import Matrix, flat
from thunderlike.hdf5.models import Model
from thunderlike.kernels._validation import as_array, checked_methods
from thunderlike.kernels.factorization import Residuals, bad_rows, project
from thunderlike.kernels.nonnegative import NonnegativeLeastSquares

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike

    from thunderlike._typing import Array
    from thunderlike.storage import AnyPath

__all__ = ["Factorization", "ICAModel", "NMFModel", "PCAModel", "SVDModel", "collected", "load"]

Data: TypeAlias = "ArrayLike | Series | Images"

_LARGE = 2**30  # bytes of a left factor that are collected without a warning


@checked_methods
@dataclass(frozen=True, eq=False, repr=False)
class Factorization(Model, abc.ABC):
    """Base of fitted factorizations: rows are about scores times components.

    Parameters
    ----------
    components_ : ndarray of float64, shape (k, L), or (k, height, width) for images
        Right factor.
    mean_ : ndarray of float64, shape (L,) or (height, width), or None
        Subtracted from rows; None where the model is of the rows themselves.
    n_samples_ : int
        Number of rows fitted.
    n_passes_ : int
        Passes over the rows.
    method_ : str
        Algorithm that was used.
    dtype : str
        Data type of scores: float32 for input of up to 16 bits and float32, else float64.
    rows : {'series', 'images'}
        Kind of the rows.
    params : dict
        Arguments of the estimator.
    converged_ : bool
        False where an iteration ended by its number of steps.

    Examples
    --------
    >>> import thunderlike as tl
    >>> series = tl.series.fromrandom((50, 6), seed=1)
    >>> model = tl.factorization.PCA(k=2).fit_model(series)
    >>> isinstance(model, tl.factorization.Factorization), model.transform(series).shape
    (True, (50, 2))
    """

    components_: Array
    mean_: Array | None
    n_samples_: int
    n_passes_: int
    method_: str
    dtype: str
    rows: str
    params: dict[str, Any] = field(default_factory=dict)
    converged_: bool = True

    # What differs between models.

    @property
    @abc.abstractmethod
    def _loadings(self) -> Array:
        """Matrix, of shape ``(k, L)``, that scores are multiplied with to reconstruct rows."""

    @abc.abstractmethod
    def _scores(self, rows: Array, *, compiled: bool = False) -> Array:
        """Scores of rows, of shape ``(n, L)``: float64, of shape ``(n, k)``."""

    # What all have in common.

    @property
    def k(self) -> int:
        """Number of components."""
        return len(self.components_)

    def transform(self, X: Data, *, lazy: bool = False) -> Array | Series:
        """Compute the scores of rows: of the data fitted, the left factor.

        Parameters
        ----------
        X : array_like, Series or Images
            Rows of the length of the components.
        lazy : bool
            Return a Series on the engine of X, of which nothing is computed yet.

        Returns
        -------
        ndarray or Series, shape (..., k)
            Of dtype `dtype`. A row with NaN or infinity has scores NaN.

        Raises
        ------
        SpecError
            For rows of another length.

        Notes
        -----
        One pass, without a shuffle.
        """
        scores = self._left(self._rows_of(X))
        return scores if lazy else collected(scores)

    def _rows_of(self, X: Data) -> Matrix:
        matrix = Matrix(X)
        length = self.components_[0].size
        if matrix.ncolumns != length:
            raise SpecError(
                f"rows have {matrix.ncolumns} values, and the components {length}: give rows like "
                "those that were fitted"
            )
        return matrix

    def _left(self, matrix: Matrix) -> Series:
        compiled = matrix.collection._compiled
        kernel = Stacked(_scores_of, {"model": self, "compiled": compiled})
        records = matrix.records.map(kernel, (self.k,), np.dtype(self.dtype))
        found = matrix.collection
        return Series(records, labels=found.labels, baseshape=found.baseshape)

    def inverse_transform(self, scores: ArrayLike | Series) -> Array | Series | Images:
        """Reconstruct rows from scores.

        Parameters
        ----------
        scores : array_like or Series, shape (..., k)

        Returns
        -------
        ndarray, Series or Images
            For an array of scores an array; for a Series, lazily, a collection like the data
            that were fitted.

        Raises
        ------
        SpecError
            For another number of scores.
        """
        given = scores if isinstance(scores, Series) else as_array(scores, "the scores")
        if not given.ndim or given.shape[-1] != self.k:
            raise SpecError(
                f"scores have shape {given.shape}, and there are {self.k} components: give "
                f"(..., {self.k})"
            )
        shape = self.components_.shape[1:]
        if not isinstance(given, Series):
            block = given.reshape(math.prod(given.shape[:-1]), self.k)
            return _rows_from(block, model=self).reshape(given.shape[:-1] + shape)
        kernel = Stacked(_rows_from, {"model": self})
        records = given._records.map(kernel, shape, np.dtype(self.dtype))
        if self.rows == "images":
            return Images(records, labels=given.labels if given.labels is not None else None)
        return Series(records, labels=given.labels, baseshape=given.baseshape)

    def score(self, X: Data) -> float:
        """Return the share of the sum of squares of rows that the model explains.

        The sum is taken about `mean_`: 1 for a perfect reconstruction, 0 for one that is not
        better than the mean, or than zero for a model without a mean.

        Notes
        -----
        One pass, without a shuffle.
        """
        found = self._residuals(self._rows_of(X))
        return 1.0 - found.error / found.total if found.total else 1.0

    def _residuals(self, matrix: Matrix) -> Residuals:
        origin, loadings = self._origin, self._loadings

        def of(block: Array) -> Residuals:
            return Residuals.of(block, origin, self._scores(block), loadings)

        found = matrix.merged(of, Residuals.merge, 16)
        matrix.check_finite(found.error, found.total)
        return found

    @property
    def _origin(self) -> Array | float:
        """Mean of the rows as a vector, or 0."""
        return 0.0 if self.mean_ is None else self.mean_.ravel()

    def plot(self, what: str = "components", ax: Axes | None = None) -> Axes:
        """Draw the components, the explained variance, or the error by pass.

        Parameters
        ----------
        what : {'components', 'variance', 'error'}
            Components are one picture of tiles for images, and lines for series.
        ax : matplotlib Axes, optional
            Axes to draw on; by default of a new figure.

        Returns
        -------
        matplotlib.axes.Axes

        Raises
        ------
        SpecError
            For what the model does not have.
        MissingExtraError
            Without matplotlib.
        """
        return _plots.plot(self, what, ax)

    def __repr__(self) -> str:
        shape = "x".join(map(str, self.components_.shape[1:]))
        found = f"{self.k} components of {shape} values, method {self.method_!r}"
        return f"{type(self).__name__}({found}, {self.n_passes_} passes)"


def _scores_of(block: Array, model: Factorization, compiled: bool) -> Array:
    """Scores of a block of records, NaN for records with NaN or infinity."""
    rows = flat(block)
    scores = model._scores(rows, compiled=compiled).astype(model.dtype)
    scores[bad_rows(rows)] = np.nan
    return scores


def _rows_from(block: Array, model: Factorization) -> Array:
    """Reconstruct records from a block of scores."""
    rows = project(block, 0.0, model._loadings) + model._origin
    return rows.astype(model.dtype).reshape(len(block), *model.components_.shape[1:])


def collected(scores: Series) -> Array:
    """Return scores as an array of all axes, with a warning for a very large one."""
    if scores.nbytes > _LARGE:
        warnings.warn(
            f"collecting {scores.nbytes} bytes of scores: give lazy=True to leave them on the "
            "engine",
            ResourceWarning,
            stacklevel=caller_level(),
        )
    return scores.toarray(squeeze=False)


@dataclass(frozen=True, eq=False, repr=False)
class _Spectral(Factorization):
    """Base of models with singular values.

    Parameters
    ----------
    singular_values_ : ndarray of float64, shape (k,)
        Descending; 0 beyond the rank.
    total_ : float
        Sum of the squares of the rows fitted, less `mean_`.
    """

    singular_values_: Array = field(default_factory=lambda: np.zeros(0))
    total_: float = 0.0

    @property
    def rank_(self) -> int:
        """Number of singular values that are not 0."""
        return int(np.count_nonzero(self.singular_values_))

    @property
    def explained_variance_ratio_(self) -> Array:
        """Share of the total variance of each component, or of the sum of squares for SVD."""
        squares = self.singular_values_**2
        return squares / self.total_ if self.total_ else np.zeros_like(squares)

    @property
    def _vectors(self) -> Array:
        return flat(self.components_)


@dataclass(frozen=True, eq=False, repr=False)
class SVDModel(_Spectral):
    """Singular value decomposition: ``X`` is about ``scores * singular_values_ @ components_``.

    Made by :meth:`SVD.fit_model`. The scores are the left singular vectors.

    Examples
    --------
    >>> import thunderlike as tl
    >>> series = tl.series.fromrandom((50, 6), seed=1)
    >>> model = tl.factorization.SVD(k=6).fit_model(series)
    >>> values = np.linalg.svd(series.toarray(), compute_uv=False)
    >>> np.allclose(model.singular_values_, values)
    True
    """

    @property
    def explained_variance_(self) -> Array:
        """Mean over the rows of the squares that each component explains."""
        return self.singular_values_**2 / self.n_samples_

    @property
    def _loadings(self) -> Array:
        return self.singular_values_[:, np.newaxis] * self._vectors

    def _scores(self, rows: Array, *, compiled: bool = False) -> Array:  # noqa: ARG002
        return project(rows, 0.0, _over(self._vectors, self.singular_values_).T)


@dataclass(frozen=True, eq=False, repr=False)
class PCAModel(_Spectral):
    """Principal components: ``X - mean_`` is about ``scores @ components_``.

    Made by :meth:`PCA.fit_model`.

    Examples
    --------
    >>> import thunderlike as tl
    >>> series = tl.series.fromrandom((50, 6), seed=1)
    >>> model = tl.factorization.PCA(k=6).fit_model(series)
    >>> round(float(model.explained_variance_ratio_.sum()), 6)
    1.0
    """

    @property
    def explained_variance_(self) -> Array:
        """Variance of the scores of each component (``ddof`` 1)."""
        return self.singular_values_**2 / (self.n_samples_ - 1)

    @property
    def _loadings(self) -> Array:
        return self._vectors

    def _scores(self, rows: Array, *, compiled: bool = False) -> Array:  # noqa: ARG002
        return project(rows, self._origin, self._vectors.T)


@dataclass(frozen=True, eq=False, repr=False)
class NMFModel(Factorization):
    """Nonnegative factorization: ``X`` is about ``scores @ components_``, both nonnegative.

    Made by :meth:`NMF.fit_model`.

    Parameters
    ----------
    errors_ : ndarray of float64, shape (n_passes,)
        Relative error ``||X - W H|| / ||X||`` in each pass, of the components before it.
    penalties : tuple of float
        Of the scores: of their sum, and of their squares.

    Examples
    --------
    >>> import thunderlike as tl
    >>> series = tl.series.fromrandom((50, 6), seed=1)
    >>> model = tl.factorization.NMF(k=2, max_iter=30, tol=1e-3).fit_model(abs(series))
    >>> bool((model.components_ >= 0).all())
    True
    """

    errors_: Array = field(default_factory=lambda: np.zeros(0))
    penalties: tuple[float, float] = (0.0, 0.0)

    @property
    def _loadings(self) -> Array:
        return flat(self.components_)

    def _scores(self, rows: Array, *, compiled: bool = False) -> Array:
        given = np.maximum(rows, 0) if self.params.get("clip") else rows
        products = project(given, 0.0, self._loadings.T)
        own = self._loadings @ self._loadings.T
        solver = NonnegativeLeastSquares.of(own, *self.penalties, compiled=compiled)
        return solver.scores(products, _FINAL_SWEEPS).T


_FINAL_SWEEPS = 30  # for the scores of a fitted model


@dataclass(frozen=True, eq=False, repr=False)
class ICAModel(Factorization):
    """Independent components: ``X - mean_`` is about ``scores @ components_``.

    Made by :meth:`ICA.fit_model`. The scores are the sources, of unit variance; the components
    are the rows of the mixing matrix.

    Parameters
    ----------
    unmixing_ : ndarray of float64, shape (L, k)
        Rows less `mean_`, times this matrix, are the sources.
    kurtosis_ : ndarray of float64, shape (k,)
        Excess kurtosis of the sources, of descending magnitude.
    n_iter_ : int
        Steps of the iteration.

    Examples
    --------
    >>> import thunderlike as tl
    >>> sources = np.random.default_rng(0).uniform(-1, 1, (2000, 2))
    >>> model = tl.factorization.ICA(k=2, max_iter=200).fit_model(sources @ [[2, 1, 0], [1, 3, 1]])
    >>> model.kurtosis_.round(1)  # of uniform sources
    array([-1.2, -1.2])
    """

    unmixing_: Array = field(default_factory=lambda: np.zeros((0, 0)))
    kurtosis_: Array = field(default_factory=lambda: np.zeros(0))
    n_iter_: int = 0

    @property
    def _loadings(self) -> Array:
        return flat(self.components_)

    def _scores(self, rows: Array, *, compiled: bool = False) -> Array:  # noqa: ARG002
        return project(rows, self._origin, self.unmixing_)


def _over(vectors: Array, values: Array) -> Array:
    """Divide each vector by its value; those of value 0 become 0."""
    divisors = values[:, np.newaxis]
    return np.divide(vectors, divisors, out=np.zeros_like(vectors), where=divisors > 0)


def load(path: AnyPath) -> Factorization:
    """Load a model that :meth:`Factorization.save` wrote, of whatever class.

    Raises
    ------
    FormatError
        For a damaged file, another content, and models of a later version.

    Examples
    --------
    >>> import thunderlike as tl
    >>> series = tl.series.fromrandom((50, 6), seed=1)
    >>> tl.factorization.PCA(k=2).fit_model(series).save("memory://pca.json")
    >>> load("memory://pca.json").components_.shape
    (2, 6)
    """
    return Factorization.load(path)
