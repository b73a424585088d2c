"""Singular value decomposition and principal components."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from thunderlike.data.images import Images
from thunderlike.errors import SpecError
from thunderlike.factorization._decomposition import Options, decompose, method_for
from thunderlike.factorization._estimators import (
    Factors,
    check_count,
    check_iteration,
    check_method,
    check_rank,
    reading,
    rows_of,
    with_aliases,
)
from thunderlike.factorization.models import PCAModel, SVDModel, collected
from thunderlike.kernels._validation import checked_methods

if TYPE_CHECKING:
    from thunderlike.factorization._decomposition import Decomposition
    from thunderlike.factorization._matrix import Matrix
    from thunderlike.factorization.models import Data

__all__ = ["PCA", "SVD", "decomposed", "described"]


@with_aliases(n_components="k", random_state="seed", svd_solver="method", svd_method="method")
@checked_methods
@dataclass
class SVD:
    """Singular value decomposition, ``X = U S V``, of the leading components.

    Parameters
    ----------
    k : int
        Number of components. Also `n_components`.
    method : {'auto', 'gram', 'krylov', 'tsqr', 'rowgram', 'direct', 'em'}
        Algorithm, see Notes; 'direct' and 'em' are Thunder's names of 'gram' and 'krylov'. Also
        `svd_solver` and `svd_method`.
    max_iter : int
        Number of passes of 'krylov', at least 2.
    tol : float
        Relative change of all singular values at which 'krylov' ends.
    seed : int, optional
        Of the start of 'krylov'; None means 0, so that results are reproducible. Also
        `random_state`.
    nan : {'raise', 'drop'}
        Whether rows with NaN or infinity are an error, or are left out of the fit.
    cache : bool
        Keep the records on the engine during several passes.
    precision : {'exact', 'fast'}
        'fast' multiplies numbers of up to 16 bits and float32 in single precision, less the mean
        of a block, and adds up blocks in float64. Relative errors of singular values are about
        1e-7 at a tenth of the first, 1e-5 at a hundredth and 1e-3 at a thousandth; those below
        2e-4 of it are lost. Other numbers are multiplied in double precision, as by 'exact'.

    Notes
    -----
    The shape of the matrix alone, n rows and L columns, decides which algorithm 'auto' runs:

    ========= ============================== ======================== =====================
    method    chosen for                     passes                   partial result, bytes
    ========= ============================== ======================== =====================
    gram      L < 750                        1                        8 L\u00b2
    rowgram   L >= 750 and n <= 1024         2                        8 n\u00b2
    krylov    L >= 750 and n > 1024          3 to 6, `max_iter`       8 L (k + 10)
    tsqr      never: 5 times the work        1                        8 L\u00b2
    ========= ============================== ======================== =====================

    No method needs a shuffle, except 'rowgram' of records that are not in the memory of this
    process: one. Sums are float64. 'gram' and 'rowgram' lose singular values below 1e-7 of the
    first; 'tsqr' keeps them. Results have the same bits on every engine.

    In each row of V the entry of largest magnitude is positive.

    Examples
    --------
    >>> import numpy as np
    >>> import thunderlike as tl
    >>> X = np.outer([1.0, 2, 2], [3.0, 0, 4]) + np.outer([2.0, 1, -2], [4.0, 0, -3]) / 5
    >>> U, S, V = tl.factorization.SVD(k=2).fit(X)
    >>> S.round(6)
    array([15.,  3.])
    >>> np.allclose((U * S) @ V, X)
    True
    """

    k: int = 3
    method: str = "auto"
    max_iter: int = 20
    tol: float = 1e-5
    seed: int | None = None
    nan: str = "raise"
    cache: bool = False
    precision: str = "exact"

    def __post_init__(self) -> None:
        check_count("k", self.k)
        check_method("method", self.method, self.precision)
        check_iteration(self.max_iter, self.tol, self.nan)

    def fit(self, X: Data, return_parallel: bool = False, *, lazy: bool = False) -> Factors:
        """Decompose a matrix and return the list ``[U, S, V]``.

        Parameters
        ----------
        X : array_like, Series or Images
            Rows are series, images, or the vectors along the last axis of an array.
        return_parallel, lazy : bool
            Return U as a Series on the engine of X, of which nothing is computed yet.

        Returns
        -------
        Factors
            U of shape ``(*baseshape, k)``, S ``(k,)``, V ``(k, *shape of a row)``. U and V are
            float32 for input of up to 16 bits and float32, else float64; `.model` is the model.

        Raises
        ------
        SpecError
            For more components than rows or columns, NaN, complex or empty data.
        WrongTypeError
            For blocks, and for data that are not numbers.

        Notes
        -----
        One pass more than :meth:`fit_model`, for U.
        """
        matrix, model = self._fitted(X)
        left = model._left(matrix)
        scores = left if return_parallel or lazy else collected(left)
        right = model.components_.astype(model.dtype)
        return Factors([scores, model.singular_values_, right], model)

    def fit_model(self, X: Data) -> SVDModel:
        """Decompose a matrix and return the model; see :meth:`fit`."""
        return self._fitted(X)[1]

    def _fitted(self, X: Data) -> tuple[Matrix, SVDModel]:
        self.__post_init__()  # attributes may have changed
        matrix, good = rows_of(X, self.nan)
        options = Options(
            self.k, False, self.method, self.max_iter, self.tol, self.seed, self.precision
        )
        found = decomposed(good, options, cache=self.cache)
        return matrix, SVDModel(**described(good, found), mean_=None, params=asdict(self))


@with_aliases(n_components="k", random_state="seed", svd_solver="svd_method")
@checked_methods
@dataclass
class PCA:
    """Principal components: the directions of largest variance of the rows.

    Parameters
    ----------
    k : int
        Number of components. Also `n_components`.
    svd_method, max_iter, tol, seed, nan, cache, precision
        As of :class:`SVD`. Also `svd_solver` and `random_state`.

    Notes
    -----
    The mean of each column is subtracted while sums are formed, from values less those of the
    first row of a block: a large offset costs no digits. Costs are those of :class:`SVD`.

    Examples
    --------
    >>> import thunderlike as tl
    >>> movie = tl.images.fromrandom((100, 8, 8), seed=1)
    >>> model = tl.factorization.PCA(k=2).fit_model(movie)
    >>> model.components_.shape, model.transform(movie).shape
    ((2, 8, 8), (100, 2))
    """

    k: int = 3
    svd_method: str = "auto"
    max_iter: int = 20
    tol: float = 1e-5
    seed: int | None = None
    nan: str = "raise"
    cache: bool = False
    precision: str = "exact"

    def __post_init__(self) -> None:
        check_count("k", self.k)
        check_method("svd_method", self.svd_method, self.precision)
        check_iteration(self.max_iter, self.tol, self.nan)

    def fit(self, X: Data, return_parallel: bool = False, *, lazy: bool = False) -> Factors:
        """Compute the components and return the list ``[T, W]``.

        Parameters
        ----------
        X, return_parallel, lazy
            As of :meth:`SVD.fit`.

        Returns
        -------
        Factors
            Scores T of shape ``(*baseshape, k)`` and components W ``(k, *shape of a row)``;
            `.model` is the model, with the mean and the explained variance.

        Raises
        ------
        SpecError
            As :meth:`SVD.fit`, and for a single row.
        """
        matrix, model = self._fitted(X)
        left = model._left(matrix)
        scores = left if return_parallel or lazy else collected(left)
        return Factors([scores, model.components_.astype(model.dtype)], model)

    def fit_model(self, X: Data) -> PCAModel:
        """Compute the components and return the model; see :meth:`fit`."""
        return self._fitted(X)[1]

    def _fitted(self, X: Data) -> tuple[Matrix, PCAModel]:
        self.__post_init__()  # attributes may have changed
        matrix, good = rows_of(X, self.nan)
        options = Options(
            self.k, True, self.svd_method, self.max_iter, self.tol, self.seed, self.precision
        )
        found = decomposed(good, options, cache=self.cache)
        mean = found.mean.reshape(good.records.spec.shape)
        return matrix, PCAModel(**described(good, found), mean_=mean, params=asdict(self))


def decomposed(matrix: Matrix, options: Options, *, cache: bool, name: str = "k") -> Decomposition:
    """Decompose a matrix after a check of its shape."""
    check_rank(name, options.k, matrix)
    if options.center and matrix.nrows < 2:
        raise SpecError("principal components of a single row: give 2 rows or more")
    often = method_for(matrix, options.method) == "krylov"
    with reading(matrix, often=often, cache=cache):
        return decompose(matrix, options)


def described(matrix: Matrix, found: Decomposition) -> dict[str, Any]:
    """Return the fields that models of a decomposition share."""
    return {
        "components_": found.vectors.reshape(-1, *matrix.records.spec.shape),
        "singular_values_": found.values,
        "total_": found.total,
        "n_samples_": matrix.nrows,
        "n_passes_": found.passes,
        "method_": found.method,
        "converged_": found.converged,
        "dtype": matrix.result_dtype.name,
        "rows": "images" if isinstance(matrix.collection, Images) else "series",
    }
