"""Independent component analysis."""

from __future__ import annotations

import warnings
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np

from thunderlike._arguments import caller_level
from thunderlike.data._user_functions import Stacked
from thunderlike.errors import SpecError
from thunderlike.factorization._decomposition import Options
from thunderlike.factorization._estimators import (
    Factors,
    check_count,
    check_iteration,
    check_method,
    reading,
    rows_of,
    with_aliases,
)
from thunderlike.factorization._matrix import flat
from thunderlike.factorization.models import ICAModel, collected
from thunderlike.factorization.svd import decomposed, described
from thunderlike.kernels._validation import checked_methods
from thunderlike.kernels.factorization import Contrast, FourthMoments, project

if TYPE_CHECKING:
    from collections.abc import Callable

    from thunderlike._typing import Array
    from thunderlike.factorization._matrix import Matrix
    from thunderlike.factorization.models import Data

__all__ = ["ICA"]

_STEPS = 200  # of an iteration on the driver, where none is given
_MOST = 48  # scores whose fourth moments are summed: 11 MiB
_COLLECTED = 2**28  # bytes of scores that are iterated over in this process
_PASSES = 2  # of logcosh after the fourth moments, over scores that are not collected


@with_aliases(n_components="k", random_state="seed", svd_solver="svd_method")
@checked_methods
@dataclass
class ICA:
    """Independent components: directions along which the rows are least Gaussian.

    Parameters
    ----------
    k : int
        Number of components. Also `n_components`.
    k_pca : int, optional
        Number of principal components to look in; by default k.
    svd_method : str
        As `method` of :class:`SVD`. Also `svd_solver`.
    max_iter : int, optional
        Steps of the iteration; by default 200. Thunder's 10 are rarely enough.
    tol : float
        Change of direction at which the iteration ends.
    seed : int, optional
        Of the first directions; None means 0. Also `random_state`.
    fun : {'cube', 'logcosh'}, optional
        Measure of non-Gaussianity; by default 'cube' in :meth:`fit`, as in Thunder, and 'logcosh',
        which outliers affect less, in :meth:`fit_model`.
    nan, cache
        As of :class:`SVD`.

    Notes
    -----
    Principal components, one pass for fewer than 750 columns, then the symmetric fixed-point
    iteration (Hyvarinen and Oja, "Independent component analysis: algorithms and applications",
    Neural Networks 13, 2000). For 'cube' it needs the fourth moments of the scores alone: one pass
    for any number of steps, up to 48 principal components, with a partial of ``2 k**4`` bytes.
    'logcosh' starts from there and takes one pass more, in which scores of up to 256 MiB are
    collected; with more scores, two passes.

    Sources have unit variance and a positive skewness, and are ordered by the magnitude of their
    kurtosis.

    Examples
    --------
    >>> import numpy as np
    >>> import thunderlike as tl
    >>> rng = np.random.default_rng(0)
    >>> sources = rng.laplace(size=(2000, 2))
    >>> S, A = tl.factorization.ICA(k=2).fit(sources @ [[1.0, 2, 0], [1, 0, 1]])
    >>> abs(np.corrcoef(S.T, sources.T)[:2, 2:]).max(axis=0).round(2)
    array([1., 1.])
    """

    k: int = 3
    k_pca: int | None = None
    svd_method: str = "auto"
    max_iter: int | None = None
    tol: float = 1e-6
    seed: int | None = None
    fun: str | None = None
    nan: str = "raise"
    cache: bool = False

    def __post_init__(self) -> None:
        check_count("k", self.k)
        check_count("k_pca", self._inner)
        check_method("svd_method", self.svd_method)
        check_iteration(self._steps, self.tol, self.nan)
        if self.fun not in (None, "cube", "logcosh"):
            raise SpecError(f"fun is 'cube' or 'logcosh', not {self.fun!r}")
        if self._inner < self.k:
            raise SpecError(
                f"k={self.k} components in k_pca={self._inner}: give k_pca of k or more"
            )

    @property
    def _inner(self) -> int:
        return self.k if self.k_pca is None else self.k_pca

    @property
    def _steps(self) -> int:
        return _STEPS if self.max_iter is None else self.max_iter

    def fit(self, X: Data, return_parallel: bool = False, *, lazy: bool = False) -> Factors:
        """Separate sources and return the list ``[S, A]``.

        Parameters
        ----------
        X, return_parallel, lazy
            As of :meth:`SVD.fit`.

        Returns
        -------
        Factors
            Sources S of shape ``(*baseshape, k)`` and the mixing matrix A
            ``(k, *shape of a row)``: the rows, less `.model.mean_`, are about ``S @ A``.

        Raises
        ------
        SpecError
            If the data have a rank below `k_pca`, and as :meth:`PCA.fit`.

        Warns
        -----
        UserWarning
            If the iteration has not converged; `.model.converged_` is False then.
        """
        matrix, model = self._fitted(X, self.fun or "cube")
        left = model._left(matrix)
        scores = left if return_parallel or lazy else collected(left)
        return Factors([scores, model.components_.astype(model.dtype)], model)

    def fit_model(self, X: Data) -> ICAModel:
        """Separate sources and return the model; see :meth:`fit`."""
        return self._fitted(X, self.fun or "logcosh")[1]

    def _fitted(self, X: Data, fun: str) -> tuple[Matrix, ICAModel]:
        self.__post_init__()  # attributes may have changed
        matrix, good = rows_of(X, self.nan)
        options = Options(self._inner, center=True, method=self.svd_method, seed=self.seed)
        with reading(good, often=True, cache=self.cache):
            found = decomposed(good, options, cache=False, name="k_pca")
            if found.rank < self._inner:
                raise SpecError(
                    f"the data have rank {found.rank}, less than k_pca={self._inner}: give fewer "
                    "components"
                )
            deviations = found.values / np.sqrt(good.nrows)
            whitening = (found.vectors / deviations[:, np.newaxis]).T
            search = _Search(good, found.mean, whitening, self._steps, self.tol)
            unmixing = search.start(self.k, 0 if self.seed is None else self.seed)
            unmixing = search.run(unmixing, fun)
        unmixing, kurtosis = search.ordered(unmixing)
        fields = described(good, found) | {
            "components_": (unmixing * deviations @ found.vectors).reshape(
                -1, *good.records.spec.shape
            ),
            "mean_": found.mean.reshape(good.records.spec.shape),
            "n_passes_": found.passes + search.passes,
            "converged_": search.converged,
            "unmixing_": whitening @ unmixing.T,
            "kurtosis_": kurtosis,
            "n_iter_": search.steps,
            "params": asdict(self) | {"fun": fun},
        }
        del fields["singular_values_"], fields["total_"]
        return matrix, ICAModel(**fields)


class _Search:
    """Fixed-point iteration for directions of whitened scores.

    Parameters
    ----------
    matrix : Matrix
    mean : ndarray, shape (L,)
    whitening : ndarray, shape (L, m)
        Rows less the mean, times this matrix, are scores of unit variance.
    most : int
        Number of steps.
    tol : float
    """

    def __init__(
        self, matrix: Matrix, mean: Array, whitening: Array, most: int, tol: float
    ) -> None:
        self._matrix, self._mean, self._whitening = matrix, mean, whitening
        self._most, self._tol = most, tol
        self._moments: FourthMoments | None = None
        self.passes = self.steps = 0
        self.converged = False

    @property
    def width(self) -> int:
        """Number of scores."""
        return int(self._whitening.shape[1])

    def start(self, k: int, seed: int) -> Array:
        """Random orthonormal directions, as rows."""
        drawn = np.random.default_rng(seed).standard_normal((k, self.width))
        return _orthonormal(drawn)

    def run(self, unmixing: Array, fun: str) -> Array:
        """Iterate from the fourth moments where there are few scores, then with `fun`."""
        if self.width <= _MOST:
            cube = self._cube()
            unmixing = self._iterated(unmixing, cube, self._most, warn=fun == "cube")
            if fun == "cube":
                return unmixing
        if 8 * self._matrix.nrows * self.width <= _COLLECTED:
            scores = self._collected()
            step = self._contrast(lambda w: Contrast.of(scores, 0.0, np.eye(self.width), w, fun))
            return self._iterated(unmixing, step, self._most)
        step = self._contrast(self._summed(fun))
        if self.width > _MOST:
            return self._iterated(unmixing, step, self._most)
        converged = self.converged
        unmixing = self._iterated(unmixing, step, _PASSES, warn=False)
        self.converged = converged
        return unmixing

    def _iterated(
        self, unmixing: Array, step: Callable[[Array], Array], most: int, *, warn: bool = True
    ) -> Array:
        """Take steps until the directions change by less than the tolerance."""
        for _ in range(most):
            found = _orthonormal(step(unmixing))
            self.steps += 1
            change = float(np.abs(np.abs((found * unmixing).sum(axis=1)) - 1).max())
            unmixing = found
            self.converged = change < self._tol
            if self.converged:
                return unmixing
        if warn:
            warnings.warn(
                f"the directions still change by {change:.1g} after {most} steps, and tol is "
                f"{self._tol:g}: give a larger max_iter or tol",
                stacklevel=caller_level(),
            )
        return unmixing

    def _cube(self) -> Callable[[Array], Array]:
        """Step ``E[z (w'z)^3] - 3 w`` from the fourth moments."""
        tensor = self._fourth()

        def step(unmixing: Array) -> Array:
            squares = np.einsum("ia,ib->iab", unmixing, unmixing).reshape(len(unmixing), -1)
            weighted = (squares @ tensor).reshape(len(unmixing), self.width, self.width)
            found: Array = np.einsum("iab,ib->ia", weighted, unmixing) - 3 * unmixing
            return found

        return step

    def _contrast(self, sums: Callable[[Array], Contrast]) -> Callable[[Array], Array]:
        """Step ``E[z g(w'z)] - E[g'(w'z)] w``."""

        def step(unmixing: Array) -> Array:
            found = sums(unmixing)
            moved: Array = found.products - found.slopes[:, np.newaxis] * unmixing
            return moved / self._matrix.nrows

        return step

    def _summed(self, fun: str) -> Callable[[Array], Contrast]:
        """Sums of a step over all rows: one pass each."""
        mean, whitening = self._mean, self._whitening

        def sums(unmixing: Array) -> Contrast:
            self.passes += 1
            given = {"origin": mean, "matrix": whitening, "unmixing": unmixing, "fun": fun}
            found: Contrast = self._matrix.aggregate(Contrast, unmixing.nbytes, **given)
            return found

        return sums

    def _collected(self) -> Array:
        """All scores: one pass."""
        self.passes += 1
        rows, shape = self._matrix, (self.width,)
        found = Stacked(_scores, {"mean": self._mean, "whitening": self._whitening})
        return rows.records.map(found, shape, np.dtype(np.float64)).collect()

    def _summed_moments(self) -> FourthMoments:
        """Third and fourth moments of the scores: one pass, the first time."""
        if self._moments is None:
            self.passes += 1
            pairs = self.width * (self.width + 1) // 2
            nbytes = 8 * pairs * (pairs + self.width)
            given = {"origin": self._mean, "matrix": self._whitening}
            self._moments = self._matrix.aggregate(FourthMoments, nbytes, **given)
        return self._moments

    def _pairs(self) -> Array:
        """Number of each pair of scores, a square matrix."""
        one, other = np.triu_indices(self.width)
        numbers = np.zeros((self.width, self.width), int)
        numbers[one, other] = numbers[other, one] = np.arange(len(one))
        return numbers.ravel()

    def _fourth(self) -> Array:
        """Means of the products of four scores, as a matrix of all pairs by all pairs."""
        pairs = self._pairs()
        moments: Array = self._summed_moments().fourth[np.ix_(pairs, pairs)]
        return moments / self._matrix.nrows

    def ordered(self, unmixing: Array) -> tuple[Array, Array]:
        """Order directions by the magnitude of their kurtosis, with positive skewness."""
        kurtosis, skewness = self._shapes(unmixing)
        order = np.argsort(-np.abs(kurtosis), kind="stable")
        signs = np.where(skewness < 0, -1.0, 1.0)
        return (unmixing * signs[:, np.newaxis])[order], kurtosis[order]

    def _shapes(self, unmixing: Array) -> tuple[Array, Array]:
        """Excess kurtosis and skewness of the sources."""
        if self.width > _MOST:
            found = self._summed("cube")(unmixing)
            fourth = (found.products * unmixing).sum(axis=1)
            return fourth / self._matrix.nrows - 3, found.values / self._matrix.nrows
        squares = np.einsum("ia,ib->iab", unmixing, unmixing).reshape(len(unmixing), -1)
        third = self._summed_moments().third[self._pairs()] / self._matrix.nrows
        kurtosis = ((squares @ self._fourth()) * squares).sum(axis=1) - 3
        return kurtosis, ((squares @ third) * unmixing).sum(axis=1)


def _scores(block: Array, mean: Array, whitening: Array) -> Array:
    return project(flat(block), mean, whitening)


def _orthonormal(rows: Array) -> Array:
    """Nearest matrix with orthonormal rows."""
    left, _, right = np.linalg.svd(rows, full_matrices=False)
    found: Array = left @ right
    return found
