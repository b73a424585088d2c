"""Ordinary least squares: one orthonormal basis of a design, and products of blocks with it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from thunderlike.kernels._tiles import centered, deviations, row_products, tiles
from thunderlike.kernels.series import result_dtype

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from thunderlike._typing import Array
    from thunderlike.regression.cross_validation import Folds

__all__ = [
    "Basis",
    "LeastSquares",
    "Omitting",
    "Samples",
    "about_mean",
    "centred_columns",
    "combinations",
    "determination",
    "inverses",
    "prepared_tiles",
    "sliced",
    "with_constant",
]


class Basis(NamedTuple):
    """Orthonormal basis of the columns of a design.

    Parameters
    ----------
    vectors : ndarray, shape (T, r)
        Orthonormal columns.
    solve : ndarray, shape (r, p)
        From the coordinates of a record in the basis to its coefficients.
    mean : ndarray, shape (p,)
        Means of the columns where they were centred, else zeros.
    independent : ndarray of bool, shape (p,)
        Columns that are not linear combinations of others; the others have coefficients of 0.
    """

    vectors: Array
    solve: Array
    mean: Array
    independent: Array

    @classmethod
    def of(cls, X: Array, *, intercept: bool = True) -> Basis:
        """Compute the basis by a QR decomposition with pivoting.

        Examples
        --------
        >>> basis = Basis.of(np.array([[0.0, 1], [2, 1], [1, 1]]))
        >>> basis.independent, basis.mean
        (array([ True, False]), array([1., 1.]))
        """
        length, count = X.shape
        largest = np.abs(X).max(axis=0, initial=0)
        columns, mean = centred_columns(X.T, intercept=intercept)
        norms = np.sqrt(np.vecdot(columns, columns))
        # Columns of norm 1: the rank must not depend on their units.
        constant = norms <= length * np.finfo(float).eps * largest
        scale = np.where(constant, np.inf, norms)
        vectors, triangle, order = _decomposed(columns.T / scale, max(X.shape))
        solve = np.zeros((len(triangle), count))
        solve[:, order] = np.linalg.inv(triangle).T / scale[order]
        independent = np.zeros(count, bool)
        independent[order] = True
        return cls(vectors, solve, mean, independent)


def centred_columns(X: Array, *, intercept: bool) -> tuple[Array, Array]:
    """Return regressors, in rows, less their means where there is an intercept; and the means.

    Examples
    --------
    >>> centred_columns(np.array([[1.0, 2.0, 6.0]]), intercept=True)
    (array([[-2., -1.,  3.]]), array([3.]))
    """
    if not intercept or not X.shape[1]:
        return X.copy(), np.zeros(len(X))
    centred = centered(X, np.empty(X.shape))
    return centred, X[:, 0] - centred[:, 0]


def _decomposed(columns: Array, size: int) -> tuple[Array, Array, Array]:
    """Return Q, R and the numbers of the columns that are independent, by pivoted QR."""
    from scipy.linalg import qr

    vectors, triangle, order = qr(columns, mode="economic", pivoting=True, check_finite=False)
    diagonal = np.abs(np.diagonal(triangle))
    rank = int(np.count_nonzero(diagonal > size * np.finfo(float).eps))
    return vectors[:, :rank].copy(), triangle[:rank, :rank], order[:rank]


def determination(error: Array, total: Array) -> Array:
    """R squared of sums of squares; where the total is 0, 1 without an error and 0 with one.

    Examples
    --------
    >>> determination(np.array([1.0, 0.0, 2.0]), np.array([4.0, 0.0, 0.0]))
    array([0.75, 1.  , 0.  ])
    """
    constant = total == 0
    quotient = error / np.where(constant, 1, total)
    return 1 - np.where(constant, np.where(error == 0, 0.0, np.sign(error)), quotient)


class Samples(NamedTuple):
    """Samples of a record that are used, and the filter that they go through.

    Parameters
    ----------
    keep : ndarray of int or None
        Positions that are used; None for all.
    rho : float
        Of the filter ``y[t] - rho * y[t-1]``; 0 for none.
    """

    keep: Array | None = None
    rho: float = 0.0

    def __call__(self, values: Array) -> Array:
        """Filter and select values along the last axis."""
        if self.rho:
            positions = slice(1, None) if self.keep is None else self.keep
            before = slice(None, -1) if self.keep is None else self.keep - 1
            found: Array = values[..., positions] - self.rho * values[..., before]
            return found
        return values if self.keep is None else values[..., self.keep]

    @classmethod
    def of(cls, mask: Array | None, rho: float = 0.0) -> Samples:
        """Return the samples of a mask; with a filter, those with a neighbour before them."""
        if mask is None:
            return cls(None, rho)
        return cls(np.flatnonzero(mask if not rho else mask & np.r_[False, mask[:-1]]), rho)


@dataclass(frozen=True, eq=False)
class LeastSquares:
    """Fit of each record of a block to the same design.

    Parameters
    ----------
    samples : Samples
        Of a record.
    basis : Basis
        Of the design at these samples.
    intercept : bool
        Whether records are centred, as the design was.
    origin : ndarray, shape (p,)
        Subtracted from the regressors before, so that a large offset costs no digits.
    parts : sequence of ndarray, shapes (T, r_g)
        Orthonormal bases of what each group of regressors adds to the others.
    folds : Folds, optional
        Of the cross-validation.
    shifts : sequence of int
        Circular shifts of the permutation test.
    """

    samples: Samples
    basis: Basis
    intercept: bool
    origin: Array
    parts: Sequence[Array] = ()
    folds: Folds | None = None
    shifts: Sequence[int] = ()

    @classmethod
    def of(
        cls,
        X: Array,
        samples: Samples = Samples(),  # noqa: B008  # immutable
        *,
        intercept: bool = True,
        origin: Array | None = None,
        groups: Sequence[Sequence[int]] = (),
        folds: Folds | None = None,
        shifts: Sequence[int] = (),
    ) -> LeastSquares:
        """Decompose a design, of shape (T, p), less its `origin`.

        Examples
        --------
        >>> fit = LeastSquares.of(np.array([[0.0], [1], [2], [3]]))
        >>> fit(np.array([[1, 3, 5, 7], [0, 1, 2, 2]]))[:, :2].round(3)
        array([[4.  , 2.  ],
               [1.25, 0.7 ]])
        """
        used = samples(X.T).T
        basis = Basis.of(used, intercept=intercept)
        if samples.rho and intercept:  # of the filtered design; the filter scales a constant
            basis = basis._replace(mean=basis.mean / (1 - samples.rho))
        parts = [_added(used, list(group), intercept=intercept) for group in groups]
        if folds is not None:
            folds = folds.fitted(with_constant(basis.vectors) if intercept else basis.vectors)
        origin = np.zeros(X.shape[1]) if origin is None else origin
        return cls(samples, basis, intercept, origin, parts, folds, shifts)

    @property
    def mean(self) -> Array:
        """Values of the regressors at which a record has its level."""
        found: Array = self.origin + self.basis.mean
        return found

    @property
    def rank(self) -> int:
        """Number of independent regressors."""
        return int(self.basis.vectors.shape[1])

    @property
    def dof(self) -> int:
        """Degrees of freedom of the residuals."""
        return int(len(self.basis.vectors) - self.rank - self.intercept)

    @property
    def fields(self) -> dict[str, slice]:
        """Columns of the results, by name.

        ``level`` is the fitted value at the means of the regressors, and ``tss`` the sum of squares
        about the mean of a record, ``sst`` that about 0 in a model without an intercept.
        """
        count = len(self.basis.mean)
        widths = {"level": 1, "coef": count, "se": count + 1}
        widths |= dict.fromkeys(("sse", "sst", "tss", "dof"), 1)
        widths |= {"added": len(self.parts), "press": int(self.folds is not None)}
        return sliced(widths | {"exceeded": int(bool(self.shifts))})

    @np.errstate(all="ignore")
    def __call__(self, block: Array, *, compiled: bool | None = None) -> Array:
        """Fit the records of a block, of shape (k, T).

        Parameters
        ----------
        block : ndarray, shape (k, T)
        compiled : bool, optional
            Whether to run compiled loops; by default, the size of the block decides.

        Returns
        -------
        ndarray of float64, shape (k, m)
            The columns of `fields`; NaN in all of them for a record with a NaN or an infinity.
        """
        result_dtype(block.dtype)
        fields = self.fields
        out = np.empty((len(block), fields["exceeded"].stop))
        scale = self._scale()
        for rows, tile, level in self.tiles(block, compiled=compiled):
            found = out[rows]
            coordinates = row_products(tile, self.basis.vectors)
            total, explained = np.vecdot(tile, tile), np.vecdot(coordinates, coordinates)
            if self.folds is None:
                error = self._errors(tile, coordinates, total - explained, total)
            else:
                residual = self._residual(tile, coordinates)
                error = np.vecdot(residual, residual)
                found[:, fields["press"].start] = self.folds.press(residual)
            found[:, fields["level"]] = level
            found[:, fields["coef"]] = row_products(coordinates, self.basis.solve)
            found[:, fields["se"]] = np.sqrt(error / self.dof)[:, np.newaxis] * scale
            found[:, fields["sse"].start] = error
            found[:, fields["sst"].start] = total
            found[:, fields["tss"].start] = total if self.intercept else about_mean(tile)
            found[:, fields["dof"]] = self.dof
            for number, part in enumerate(self.parts, fields["added"].start):
                added = row_products(tile, part)
                found[:, number] = np.vecdot(added, added)
            if self.shifts:
                found[:, fields["exceeded"].start] = self._exceeded(tile, explained)
            found[~np.isfinite(total)] = np.nan
        return out

    def residual(self, tile: Array) -> Array:
        """Residuals of records of `tiles`."""
        return self._residual(tile, row_products(tile, self.basis.vectors))

    def _errors(self, tile: Array, coordinates: Array, difference: Array, total: Array) -> Array:
        """Sums of squared residuals: as a difference of sums of squares where it loses one bit."""
        good = difference < total / 2
        if good.any():
            residual = self._residual(tile[good], coordinates[good])
            difference[good] = np.vecdot(residual, residual)
        return difference

    def _residual(self, tile: Array, coordinates: Array) -> Array:
        residual = row_products(coordinates, self._transposed)
        np.subtract(tile, residual, out=residual)
        return residual

    @cached_property
    def _transposed(self) -> Array:
        return np.ascontiguousarray(self.basis.vectors.T)

    def _scale(self) -> Array:
        """Standard errors of intercept and coefficients for residuals of variance 1."""
        solve = self.basis.solve
        variance = np.where(self.basis.independent, np.vecdot(solve.T, solve.T), np.nan)
        if not self.intercept:
            return np.concatenate([[np.nan], np.sqrt(variance)])
        at_zero = solve @ self.mean
        # The filter scales the constant.
        constant = 1 / (len(self.basis.vectors) * (1 - self.samples.rho) ** 2)
        return np.concatenate([[np.sqrt(constant + at_zero @ at_zero)], np.sqrt(variance)])

    def tiles(
        self, block: Array, *, compiled: bool | None = None
    ) -> Iterator[tuple[slice, Array, Array]]:
        """Yield rows, their records as they are fitted, and a column with the means."""
        return prepared_tiles(block, self.samples, intercept=self.intercept, compiled=compiled)

    def _exceeded(self, tile: Array, explained: Array) -> Array:
        """Count the circular shifts of the design that explain as much, with a margin."""
        twice = np.vstack([self.basis.vectors] * 2)
        length, least = tile.shape[1], explained * (1 - 1e-12)
        count = np.zeros(len(tile))
        for shift in self.shifts:
            found = row_products(tile, twice[length - shift : 2 * length - shift])
            count += np.vecdot(found, found) >= least
        return count


def prepared_tiles(
    block: Array, samples: Samples, *, intercept: bool, compiled: bool | None = None
) -> Iterator[tuple[slice, Array, Array]]:
    """Yield rows, their samples in float64 less their means, and a column with the means.

    Without an intercept nothing is subtracted.

    Examples
    --------
    >>> for _, tile, level in prepared_tiles(np.array([[1, 2, 6]]), Samples(), intercept=True):
    ...     print(tile, level)
    [[-2. -1.  3.]] [[3.]]
    """
    if intercept and samples.keep is None and not samples.rho:
        for rows, tile, _ in deviations(block, compiled=compiled):
            yield rows, tile, block[rows, :1].astype(np.float64) - tile[:, :1]
        return
    for rows, tile in tiles(block):
        used = np.ascontiguousarray(samples(tile))
        if not intercept:
            yield rows, used, np.zeros((len(used), 1))
            continue
        first = used[:, :1].copy()
        used = centered(used, used)
        yield rows, used, (first - used[:, :1]) / (1 - samples.rho)


def sliced(widths: Mapping[str, int], start: int = 0) -> dict[str, slice]:
    """Return the columns of fields of these widths, one after the other.

    Examples
    --------
    >>> sliced({"level": 1, "coef": 2})
    {'level': slice(0, 1, None), 'coef': slice(1, 3, None)}
    """
    ends = np.cumsum([start, *widths.values()]).tolist()
    return {name: slice(*pair) for name, *pair in zip(widths, ends, ends[1:], strict=False)}


def with_constant(vectors: Array) -> Array:
    """Put a column of equal values and norm 1 before centred orthonormal columns."""
    return np.column_stack([np.full(len(vectors), len(vectors) ** -0.5), vectors])


def combinations(basis: Basis, mean: Array, *, intercept: bool) -> Array:
    """Matrix from coordinates in a basis to intercept and coefficients, of shape (p + 1, r).

    With an intercept the basis has a constant vector more, before the others; without one, the
    first row is NaN.

    Examples
    --------
    >>> basis = Basis.of(np.array([[0.0], [2.0]]))
    >>> np.abs(combinations(basis, basis.mean, intercept=True)).round(3)
    array([[0.707, 0.707],
           [0.   , 0.707]])
    """
    solve = basis.solve
    if not intercept:
        return np.vstack([np.full(len(solve), np.nan), solve.T])
    at_zero = np.concatenate([[len(basis.vectors) ** -0.5], -solve @ mean])
    return np.vstack([at_zero, np.column_stack([np.zeros(solve.shape[1]), solve.T])])


def inverses(matrices: Array) -> Array:
    """Invert each matrix, of shape (k, r, r); NaN for those that are singular or not finite.

    Examples
    --------
    >>> inverses(np.array([[[2.0]], [[0.0]]]))[:, 0, 0]
    array([0.5, nan])
    """
    strange: Array = np.asarray(~np.isfinite(matrices).all(axis=(1, 2)))
    identity = np.eye(matrices.shape[1])
    found = np.where(strange[:, np.newaxis, np.newaxis], identity, matrices)
    try:
        inverse = np.linalg.inv(found)
    except np.linalg.LinAlgError:  # some pivot is exactly 0
        strange |= np.linalg.det(found) == 0
        inverse = np.linalg.inv(np.where(strange[:, np.newaxis, np.newaxis], identity, found))
    inverse[strange] = np.nan
    return inverse


def about_mean(tile: Array) -> Array:
    """Sum of squares of each record about its mean.

    Examples
    --------
    >>> about_mean(np.array([[1.0, 2.0, 6.0]]))
    array([14.])
    """
    deviation = centered(tile, np.empty_like(tile))
    squares: Array = np.vecdot(deviation, deviation)
    return squares


def _added(X: Array, group: list[int], *, intercept: bool) -> Array:
    """Orthonormal basis of what some columns add to the space of the others."""
    whole = np.ones(X.shape[1], bool)
    whole[group] = False
    others = Basis.of(X[:, whole], intercept=intercept).vectors
    if intercept:
        others = with_constant(others)
    norms = np.linalg.norm(X[:, group] - (X[:, group].mean(axis=0) if intercept else 0), axis=0)
    left = X[:, group] / np.where(norms == 0, np.inf, norms)
    for _ in range(2):  # once more, against what rounding left
        left -= others @ (others.T @ left)
    return _decomposed(left, max(X.shape))[0]


@dataclass(frozen=True, eq=False)
class Omitting:
    """Fit of each record of a block to its samples that are not NaN.

    Parameters
    ----------
    fit : LeastSquares
        Of all samples that are used.
    X : ndarray, shape (T, p)
        The design.
    mask : ndarray of bool, shape (T,)
        Samples that are used.

    Notes
    -----
    A decomposition for each set of samples that records of a block lack together. A record with
    no more samples than regressors comes out as NaN. Regressors that are independent in all samples
    need not be so in those of a record: each has a rank of its own.
    """

    fit: LeastSquares
    X: Array
    mask: Array

    @property
    def fields(self) -> dict[str, slice]:
        """Columns of the results, by name."""
        return self.fit.fields | sliced({"rank": 1}, self.fit.fields["exceeded"].stop)

    def __call__(self, block: Array, *, compiled: bool | None = None) -> Array:
        """Fit the records of a block; as :class:`LeastSquares`, with a column ``rank`` more."""
        out = self._ranked(self.fit, block, compiled=compiled)
        missing = np.isnan(block) & self.mask
        (rows,) = np.nonzero(missing.any(axis=1))
        kinds, which = np.unique(missing[rows], axis=0, return_inverse=True)
        for number, kind in enumerate(kinds):
            samples = Samples.of(self.mask & ~kind)
            if samples.keep is None or len(samples.keep) <= self.X.shape[1]:
                continue
            alike = rows[which == number]
            own = LeastSquares.of(
                self.X, samples, intercept=self.fit.intercept, origin=self.fit.origin
            )
            found = self._ranked(own, block[alike])
            found[:, :1] += row_products(
                found[:, self.fields["coef"]], (self.fit.mean - own.mean)[:, np.newaxis]
            )
            out[alike] = found
        return out

    def _ranked(self, fit: LeastSquares, block: Array, *, compiled: bool | None = None) -> Array:
        """Fit records, and append the rank of the fit; NaN as the other results."""
        found = fit(block, compiled=compiled)
        rank = np.where(np.isnan(found[:, :1]), np.nan, fit.rank)
        return np.hstack([found, rank])
