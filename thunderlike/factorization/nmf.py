"""Nonnegative matrix factorization."""

from __future__ import annotations

import warnings
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np

from thunderlike._arguments import caller_level
from thunderlike.data.images import Images
from thunderlike.errors import SpecError
from thunderlike.factorization._decomposition import Options, decompose
from thunderlike.factorization._estimators import (
    Factors,
    check_count,
    check_iteration,
    check_rank,
    reading,
    rows_of,
    with_aliases,
)
from thunderlike.factorization.models import NMFModel, collected
from thunderlike.kernels._validation import checked_methods, is_between
from thunderlike.kernels.nonnegative import NonnegativeStep

if TYPE_CHECKING:
    from thunderlike._typing import Array
    from thunderlike.factorization._matrix import Matrix
    from thunderlike.factorization.models import Data

__all__ = ["NMF"]

_ROW_SWEEPS, _COLUMN_SWEEPS = 3, 10  # of the scores in a pass; of the components after it
_LEAST_PASSES = 2
_NEWTON_STEPS = 20


@with_aliases(n_components="k", random_state="seed")
@checked_methods
@dataclass
class NMF:
    """Nonnegative matrix factorization, ``X = W H`` with ``W, H >= 0``.

    Parameters
    ----------
    k : int
        Number of components. Also `n_components`.
    max_iter : int
        Largest number of passes.
    tol : float
        Relative change of the error at which the iteration ends; 1e-4 is enough for most data.
    seed : int, optional
        Of ``init='random'``; None means 0. Also `random_state`.
    init : {'nndsvda', 'random'}
        Start of the components: from singular vectors (one pass for fewer than 750 columns), or
        at random.
    alpha_W, alpha_H : float
        Penalties of the factors, as scikit-learn has them.
    l1_ratio : float
        Share of the penalties on sums, the rest on sums of squares.
    loss : {'frobenius'}
    clip : bool
        Take negative values as 0, where they are an error otherwise.
    nan, cache
        As of :class:`SVD`.

    Notes
    -----
    Each pass solves the scores of every row and returns their products with one another and with
    the rows, ``8 (k\u00b2 + k L)`` bytes, from which the components are updated; the scores are not
    kept. After the last pass the components are scaled to a maximum of 1, and the scores are
    solved for them, so that ``W H`` has the scale of the data however early the iteration ended.

    Hierarchical alternating least squares: Cichocki and Phan, "Fast local algorithms for large
    scale nonnegative matrix and tensor factorizations", IEICE Trans. Fundamentals 92, 2009. The
    start: Boutsidis and Gallopoulos, "SVD based initialization", Pattern Recognition 41, 2008,
    with the larger part of each right vector.

    Examples
    --------
    >>> import numpy as np
    >>> import thunderlike as tl
    >>> X = np.array([[1.0, 0, 2], [2, 0, 4], [0, 3, 0], [1, 3, 2]])
    >>> W, H = tl.factorization.NMF(k=2).fit(X)
    >>> np.allclose(W @ H, X, atol=1e-3), H.max(axis=1)
    (True, array([1., 1.]))
    """

    k: int = 5
    max_iter: int = 100
    tol: float = 1e-5
    seed: int | None = None
    init: str = "nndsvda"
    alpha_W: float = 0.0  # noqa: N815  # as scikit-learn has it
    alpha_H: float = 0.0  # noqa: N815
    l1_ratio: float = 0.0
    loss: str = "frobenius"
    clip: bool = False
    nan: str = "raise"
    cache: bool = False

    def __post_init__(self) -> None:
        check_count("k", self.k)
        check_iteration(self.max_iter, self.tol, self.nan)
        if self.init not in ("nndsvda", "random"):
            raise SpecError(f"init is 'nndsvda' or 'random', not {self.init!r}")
        if self.loss != "frobenius":
            raise SpecError(f"loss is 'frobenius', the only one there is, not {self.loss!r}")
        if not is_between(self.l1_ratio, 0, 1):
            raise SpecError(f"l1_ratio must be a number from 0 to 1, not {self.l1_ratio!r}")
        for name in ("alpha_W", "alpha_H"):
            if not is_between(getattr(self, name), 0, float("inf")):
                raise SpecError(f"{name} must be a number, at least 0, not {getattr(self, name)!r}")

    def fit(self, X: Data, return_parallel: bool = False, *, lazy: bool = False) -> Factors:
        """Factorize a matrix and return the list ``[W, H]``.

        Parameters
        ----------
        X, return_parallel, lazy
            As of :meth:`SVD.fit`.

        Returns
        -------
        Factors
            Scores W of shape ``(*baseshape, k)`` and components H ``(k, *shape of a row)``, each
            with a largest value of 1; `.model` is the model, with the error of each pass.

        Raises
        ------
        SpecError
            For negative data, with their number, and as :meth:`SVD.fit`.
        """
        matrix, model = self._fitted(X)
        left = model._left(matrix)
        scores = left if return_parallel or lazy else collected(left)
        return Factors([scores, model.components_.astype(model.dtype)], model)

    def fit_model(self, X: Data) -> NMFModel:
        """Factorize a matrix and return the model; see :meth:`fit`."""
        return self._fitted(X)[1]

    def _fitted(self, X: Data) -> tuple[Matrix, NMFModel]:
        self.__post_init__()  # attributes may have changed
        matrix, good = rows_of(X, self.nan)
        check_rank("k", self.k, good)
        with reading(good, often=True, cache=self.cache):
            components, passes = self._start(good)
            components, errors, converged = self._iterated(good, components)
        model = NMFModel(
            components_=components.reshape(-1, *good.records.spec.shape),
            mean_=None,
            n_samples_=good.nrows,
            n_passes_=passes + len(errors),
            method_="hals",
            dtype=good.result_dtype.name,
            rows="images" if isinstance(good.collection, Images) else "series",
            params=asdict(self),
            converged_=converged,
            errors_=np.array(errors),
            penalties=self._penalties(self.alpha_W, good.ncolumns),
        )
        return matrix, model

    def _penalties(self, alpha: float, count: int) -> tuple[float, float]:
        """Weights of the sum and of half the sum of squares of a factor, per element."""
        return count * alpha * self.l1_ratio, count * alpha * (1 - self.l1_ratio)

    def _start(self, matrix: Matrix) -> tuple[Array, int]:
        """First components, and the passes that they took."""
        rng = np.random.default_rng(0 if self.seed is None else self.seed)
        random = rng.random((self.k, matrix.ncolumns))
        if self.init == "random":
            return random, 0
        with warnings.catch_warnings():  # rough vectors do for a start
            warnings.simplefilter("ignore")
            options = Options(self.k, center=False, seed=self.seed, max_iter=4, precision="fast")
            found = decompose(matrix, options)
        parts = np.maximum(found.vectors, 0), np.maximum(-found.vectors, 0)
        norms = [np.linalg.norm(part, axis=1, keepdims=True) for part in parts]
        components = np.where(norms[0] >= norms[1], *parts)
        # A zero could grow only slowly; beyond the rank of the data there is nothing but zeros.
        components[components == 0] = found.vectors.size and np.abs(found.vectors).mean() / 100
        missing = found.values == 0
        components[missing] = random[missing]
        return _scaled(components), found.passes

    def _iterated(self, matrix: Matrix, components: Array) -> tuple[Array, list[float], bool]:
        """Update components until the error falls no more; they, the errors, and convergence."""
        of_scores = self._penalties(self.alpha_W, matrix.ncolumns)
        of_components = self._penalties(self.alpha_H, matrix.nrows)
        errors: list[float] = []
        losses: list[float] = []
        converged = False
        while len(errors) < self.max_iter and not converged:
            step = self._pass(matrix, components, *of_scores)
            errors.append(float(np.sqrt(max(step.error, 0.0) / step.total)) if step.total else 0.0)
            left = _penalty(step.sums, np.diag(step.gram), of_scores)
            right = _penalty(components.sum(axis=1), (components**2).sum(axis=1), of_components)
            losses.append(max(step.error, 0.0) / 2 + float((left + right).sum()))
            converged = len(losses) >= _LEAST_PASSES and (
                abs(losses[-2] - losses[-1]) <= self.tol * losses[0]
            )
            components = _updated(components, step, *of_components)
            # Penalties may want a component to be 0, and change with its scale.
            if any((*of_scores, *of_components)):
                components = _balanced(components, step, of_scores, of_components)
            else:
                components = _scaled(_replaced(components, step))
        if not converged:
            warnings.warn(
                f"the error still falls by more than tol={self.tol:g} after {self.max_iter} "
                "passes: give a larger max_iter or tol",
                stacklevel=caller_level(),
            )
        return components, errors, converged

    def _pass(self, matrix: Matrix, components: Array, l1: float, l2: float) -> NonnegativeStep:
        clip, compiled = self.clip, matrix.collection._compiled

        def of(block: Array) -> NonnegativeStep:
            return NonnegativeStep.of(
                np.maximum(block, 0) if clip else block,
                components,
                sweeps=_ROW_SWEEPS,
                l1=l1,
                l2=l2,
                compiled=compiled,
            )

        step = matrix.merged(of, NonnegativeStep.merge, components.nbytes)
        matrix.check_finite(step.total)
        if step.negatives:
            raise SpecError(
                f"{step.negatives} values are negative: give clip=True to take them as 0, or "
                "subtract a baseline first"
            )
        return step


def _updated(components: Array, step: NonnegativeStep, l1: float, l2: float) -> Array:
    """Solve the components for the scores of a pass, one after the other, several times."""
    found = components.copy()
    gram = step.gram + l2 * np.eye(len(step.gram))
    for _ in range(_COLUMN_SWEEPS):
        for j, diagonal in enumerate(np.diag(gram)):
            if diagonal > 0:
                left = step.products[j] - l1 - gram[j] @ found
                found[j] = np.maximum(found[j] + left / diagonal, 0)
    return found


def _replaced(components: Array, step: NonnegativeStep) -> Array:
    """Start a component that no row uses again, from the row that is explained worst."""
    unused = np.flatnonzero((np.diag(step.gram) <= 0) | ~components.any(axis=1))
    found = components.copy()
    found[unused[:1]] = np.maximum(step.row, 0)
    return found


def _penalty(sums: Array, squares: Array, weights: tuple[float, float]) -> Array:
    """Penalty of each component of a factor, from its sum and its sum of squares."""
    return weights[0] * sums + weights[1] / 2 * squares


def _balanced(
    components: Array, step: NonnegativeStep, left: tuple[float, float], right: tuple[float, float]
) -> Array:
    """Scale each component, and its scores inversely, so that their penalties are least.

    Alternating steps approach that scale slowly. There is none if one factor alone is penalised.
    """
    a, b = left[0] * step.sums, left[1] * np.diag(step.gram)
    c, d = right[0] * components.sum(axis=1), right[1] * (components**2).sum(axis=1)
    found = (a + b > 0) & (c + d > 0)
    logarithm = np.zeros(len(components))
    for _ in range(_NEWTON_STEPS):  # of the derivative by the logarithm of the scale, which rises
        s = np.exp(logarithm)
        slope = a / s + 2 * b / s**2 + c * s + 2 * d * s**2
        change = (c * s + d * s**2 - a / s - b / s**2) / np.where(found, slope, 1)
        logarithm -= np.where(found, np.clip(change, -1, 1), 0)
    return components * np.exp(logarithm)[:, np.newaxis]


def _scaled(components: Array) -> Array:
    """Scale each component to a largest value of 1."""
    largest = components.max(axis=1, keepdims=True)
    scaled: Array = components / np.where(largest > 0, largest, 1)
    return scaled
