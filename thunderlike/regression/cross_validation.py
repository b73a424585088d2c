"""Cross-validation of a linear fit from its residuals, without a fit for each fold."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from thunderlike.errors import SpecError
from thunderlike.kernels._tiles import row_products
from thunderlike.kernels._validation import is_whole

if TYPE_CHECKING:
    from thunderlike._typing import Array

__all__ = ["Fold", "Folds"]

_LEAST = 1e-10  # of a direction of the design in the other folds; 1 in all samples


class Fold(NamedTuple):
    """Samples of a fold, and the correction of their residuals.

    The residual `e` of all samples becomes ``e[test] + (e[source] @ left) @ right``.
    """

    test: slice
    source: slice
    left: Array
    right: Array


@dataclass(frozen=True, eq=False)
class Folds:
    """Folds of consecutive samples of equal numbers, or of one sample each.

    Parameters
    ----------
    count : int or 'loo'
        Number of folds; 'loo' leaves out one sample at a time.
    gap : int
        Samples on both sides of a fold that are left out of its fit as well: residuals of
        neighbouring samples are correlated.
    folds : tuple of Fold
        Of a design, by `fitted`.
    scale : ndarray, shape (T,), optional
        Factor of the residual of each sample, where folds are single samples.

    Notes
    -----
    With H the projection on the design, the residuals of fold k from a fit to the other samples are
    ``(I - H_kk)^-1 e_k``: Cook and Weisberg, "Residuals and Influence in Regression", 1982. The
    inverse is applied in the basis of the design, at the cost of two thin products for all folds.
    With a gap each fold has a QR decomposition of its own.

    Examples
    --------
    >>> X = np.array([[1.0], [2.0], [3.0]]) / 14**0.5
    >>> Folds("loo").fitted(X).press(np.array([[1.0, 1.0, -1.0]]))
    array([10.95976331])
    """

    count: int | str
    gap: int = 0
    folds: tuple[Fold, ...] = ()
    scale: Array | None = None

    def __post_init__(self) -> None:
        if self.count != "loo" and not is_whole(self.count, 2):
            raise SpecError(f"cv={self.count!r} must be a number of folds, at least 2, or 'loo'")
        if not is_whole(self.gap, 0):
            raise SpecError(f"gap={self.gap!r} must be a whole number of samples, 0 or more")

    def fitted(self, vectors: Array) -> Folds:
        """Return the folds of a design with this orthonormal basis, of shape (T, r).

        Raises
        ------
        SpecError
            For more folds than samples, and for a fold whose other samples do not determine the
            model.
        """
        length = len(vectors)
        count = length if self.count == "loo" else int(self.count)
        if count > length:
            raise SpecError(f"cv={count} folds of {length} samples: give at most one for each")
        if self.count == "loo" and not self.gap:
            leverage = np.vecdot(vectors, vectors)
            self._check(1 - leverage.max(), int(leverage.argmax()), 1)
            return replace(self, scale=1 / (1 - leverage))
        edges = [length * k // count for k in range(count + 1)]
        make = self._with_gap if self.gap else self._from_residuals
        pairs = itertools.pairwise(edges)
        return replace(self, folds=tuple(make(vectors, slice(*pair)) for pair in pairs))

    def press(self, residual: Array) -> Array:
        """Sum of the squares of the residuals of the held-out samples, from those of the fit.

        Parameters
        ----------
        residual : ndarray, shape (k, T)

        Returns
        -------
        ndarray, shape (k,)
        """
        if self.scale is not None:
            held_out = residual * self.scale
            squares: Array = np.vecdot(held_out, held_out)
            return squares
        total = np.zeros(len(residual))
        for test, source, left, right in self.folds:
            held_out = row_products(row_products(residual[:, source], left), right)
            held_out += residual[:, test]
            total += np.vecdot(held_out, held_out)
        return total

    def _from_residuals(self, vectors: Array, test: slice) -> Fold:
        held_out = vectors[test]
        remaining = np.eye(vectors.shape[1]) - held_out.T @ held_out
        self._check(np.linalg.eigvalsh(remaining)[:1].min(initial=1), test.start, test.stop)
        return Fold(test, test, held_out.copy(), np.linalg.solve(remaining, held_out.T))

    def _with_gap(self, vectors: Array, test: slice) -> Fold:
        others = vectors.copy()
        others[max(test.start - self.gap, 0) : test.stop + self.gap] = 0
        basis, triangle = np.linalg.qr(others)
        least = np.linalg.svd(triangle, compute_uv=False).min(initial=1) ** 2
        self._check(least, test.start, test.stop)
        return Fold(test, slice(None), basis, -np.linalg.solve(triangle.T, vectors[test].T))

    def _check(self, least: float, start: int, stop: int) -> None:
        if least < _LEAST:
            raise SpecError(
                f"cv={self.count!r}, gap={self.gap}: without the samples {start} to {stop - 1} the "
                "regressors are not independent: give more folds, or fewer regressors"
            )
