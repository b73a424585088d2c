"""Linear regression of every record, with its statistics."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike.data import reductions
from thunderlike.errors import SpecError
from thunderlike.kernels._validation import is_between, is_whole
from thunderlike.regression import plots, statistics
from thunderlike.regression.cross_validation import Folds
from thunderlike.regression.least_squares import LeastSquares, Omitting, Samples
from thunderlike.regression.model import InferenceModel, MassRegressionAlgorithm
from thunderlike.regression.prewhitening import Autoregressive, pooled
from thunderlike.regression.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike

    from thunderlike._typing import Array
    from thunderlike.data.series import Series
    from thunderlike.regression.design import Design, Regressors

__all__ = [
    "FastLinearRegression",
    "LinearModel",
    "LinearRegression",
    "chosen_groups",
    "circular_shifts",
]


class LinearModel(InferenceModel):
    """Linear models of all records, with the statistics of each; see :class:`LinearRegression`.

    The names are those of statsmodels. Each attribute is a Series of float64 of the base shape of
    the data: NaN throughout for a record with a NaN.

    Attributes
    ----------
    rank : int
        Number of independent regressors. With ``nan="omit"``, in all samples that are used: F and
        the adjusted R squared of a record take the number in its own samples.
    groups : tuple of str
        Names of the groups of partial models.
    rho : float or None
        Autocorrelation of residuals that the data were filtered by, if common to all records.

    Examples
    --------
    >>> speed, place = [0.0, 1, 2, 3, 4], [1.0, 0, 0, 1, 1]
    >>> algorithm = LinearRegression(groups="each", cv="loo")
    >>> model = algorithm.fit({"speed": speed, "place": place}, np.array([[1.0, 3, 5, 7, 10]]))
    >>> model.tvalues.index.tolist(), model.tvalues.toarray().round(1)
    (['intercept', 'speed', 'place'], array([ 2. , 15.5,  0.4]))
    >>> model.partial_rsquared.toarray().round(3), float(model.cv_rsquared.toarray().round(3))
    (array([0.992, 0.091]), 0.935)
    """

    rank: int = 0
    groups: tuple[str, ...] = ()
    rho: float | None = None
    _ranks: tuple[int, ...] = ()
    _permutations: int = 0
    _facts = ("rank", "groups", "rho", "_ranks", "_permutations")

    @property
    def tvalues(self) -> Series:
        """Betas divided by their standard errors; length p + 1."""
        return self._of_betas(statistics.tvalues)

    @property
    def pvalues(self) -> Series:
        """Two-sided p-values of the betas, by Student's t; length p + 1."""
        return self._of_betas(statistics.pvalues)

    @property
    def rsquared(self) -> Series:
        """Explained share of the variance; about 0 in a model without an intercept. Length 1.

        1 for a record that is fitted exactly, also if it is constant; 0 for another constant one.
        """
        return self._statistic(statistics.rsquared, ("rsquared",))

    @property
    def rsquared_adj(self) -> Series:
        """R squared adjusted for the number of regressors; length 1."""
        return self._by_rank(statistics.rsquared_adj, "rsquared_adj")

    @property
    def fvalues(self) -> Series:
        """F of the model against that of the intercept alone; length 1."""
        return self._by_rank(statistics.fvalues, "fvalue")

    @property
    def f_pvalues(self) -> Series:
        """P-value of F; length 1."""
        return self._by_rank(statistics.f_pvalues, "f_pvalue")

    @property
    def scale(self) -> Series:
        """Variance of the residuals; length 1."""
        return self._statistic(statistics.scale, ("scale",))

    @property
    def partial_rsquared(self) -> Series:
        """Share that each group explains of what the others leave; one value a group."""
        return self._partial(statistics.partial_rsquared)

    @property
    def partial_fvalues(self) -> Series:
        """F of the model against that without each group; one value a group."""
        return self._partial(statistics.partial_fvalues, ranks=np.array(self._ranks))

    @property
    def partial_pvalues(self) -> Series:
        """P-values of the partial F; one value a group."""
        return self._partial(statistics.partial_f_pvalues, ranks=np.array(self._ranks))

    def _by_rank(self, function: Callable[..., Array], name: str) -> Series:
        # Records with samples of their own have ranks of their own, among their results.
        common = {} if "rank" in self._fields else {"rank": self.rank}
        return self._statistic(function, (name,), **common)

    def _partial(self, function: Callable[..., Array], **arguments: Any) -> Series:
        if not self.groups:
            raise SpecError("there are no partial models: give groups= to LinearRegression")
        return self._statistic(function, self.groups, **arguments)

    def plot(
        self,
        what: str = "rsquared",
        ax: Axes | None = None,
        *,
        threshold: float = 0.0,
        plane: int | str = "max",
    ) -> Axes:
        """Draw a map: R squared, or the coefficient of a regressor.

        Parameters
        ----------
        what : str
            'rsquared', or the name of a regressor.
        ax : matplotlib Axes, optional
            Axes to draw on; by default of a new figure.
        threshold : float
            Pixels with a smaller absolute t of that regressor are grey; for R squared, those with
            a smaller R squared.
        plane : int or 'max'
            Of a volume.

        Returns
        -------
        matplotlib.axes.Axes

        Raises
        ------
        SpecError
            For an unknown regressor, and for series that are no picture or volume.
        """
        if what == "rsquared":
            found = sizes = self.rsquared
            label = "R squared"
        elif what in self.names:
            number = self.names.index(what)
            found, sizes = self.coef_[..., [number]], self.tvalues[..., [number + 1]]
            label = "coefficient"
        else:
            raise SpecError(f"plot({what!r}): give 'rsquared', or one of {', '.join(self.names)}")
        shown, title = None, what
        if threshold > 0:
            shown = np.abs(sizes.toarray(squeeze=False)) >= threshold
            title = f"{what}, {'R squared' if what == 'rsquared' else '|t|'} >= {threshold:g}"
        return plots.statistic_map(found, ax, title=title, label=label, plane=plane, shown=shown)

    @property
    def cv_rsquared(self) -> Series:
        """R squared of predictions of samples that were left out of the fit; length 1.

        ``1 - PRESS / sst``: less than 0 where the mean predicts better.
        """
        if self._fields["press"].start == self._fields["press"].stop:
            raise SpecError("there was no cross-validation: give cv= to the regression")
        return self._statistic(statistics.rsquared, ("cv_rsquared",), error="press")

    @property
    def permutation_pvalues(self) -> Series:
        """P-values of R squared by circular shifts of the regressors; length 1."""
        if not self._permutations:
            raise SpecError("there were no permutations: give n_permutations= to LinearRegression")
        return self._statistic(
            statistics.permutation_pvalues, ("pvalue",), count=self._permutations
        )


@dataclass(frozen=True)
class LinearRegression(MassRegressionAlgorithm):
    """Ordinary least squares of each record, with its statistics.

    Parameters
    ----------
    fit_intercept : bool
        Fit an intercept as well.
    normalize : bool
        Divide the centred regressors by their norms before the fit, and convert the coefficients
        back, as scikit-learn once did. The fit always does so: the argument changes nothing.
    standardize : bool
        Subtract from each regressor its mean and divide by its standard deviation (of the
        population): coefficients are changes of the response for one standard deviation.
    groups : mapping, 'each' or None
        Groups of regressors for partial models: numbers or names of columns by the name of the
        group. 'each' stands for the groups of the design: its arrays, if it is a mapping, else its
        columns.
    cv : int, 'loo' or None
        Number of folds, of consecutive samples, for a cross-validated R squared; 'loo' leaves out
        one sample at a time, which misleads where residuals are autocorrelated.
    gap : int
        Samples on both sides of a fold that are left out as well.
    prewhiten : 'ar1', 'ar1-each', float or None
        Model residuals as an autoregression of order 1: with one autocorrelation for all records,
        with one for each, or with a given one.
    mask : array_like of bool, shape (T,), optional
        True for the samples that are used.
    nan : 'propagate' or 'omit'
        A record with a NaN comes out as NaN, or is fitted to its other samples. A regressor that
        is constant or a linear combination of others in these has a coefficient of 0 there,
        without a warning.
    n_permutations : int
        Number of circular shifts of the regressors for a permutation test of R squared.
    seed : int, optional
        Of the shifts; None, the default, means 0.

    Notes
    -----
    One lazy map over the records, without a shuffle; ``prewhiten='ar1'`` computes one pass before.
    All is computed in float64. With the centred design ``X = QR`` (Householder, columns of norm 1,
    pivoted), the coefficients of a record y are ``R^-1 Q'y`` and its residuals ``y - QQ'y``.

    Partial models need no second fit: what a group adds to the others is spanned by an orthonormal
    basis of its own, and the squared norm of y in it is the difference of the two sums of squares
    (Seber and Lee, "Linear Regression Analysis", 2003, section 4). Cross-validation:
    :class:`~thunderlike.regression.cross_validation.Folds`.

    A regressor that is constant or a linear combination of others has a coefficient of 0, and a
    warning names it.

    Examples
    --------
    >>> import thunderlike as tl
    >>> speed = np.array([0.0, 1, 2, 3, 4])
    >>> series = tl.series.fromarray([2 * speed + 1, [1.0, 0, 1, 0, 2]])
    >>> model = LinearRegression().fit(speed, series)
    >>> model.betas.toarray().round(3)
    array([[1. , 2. ],
           [0.4, 0.2]])
    >>> model.rsquared.toarray().round(3)
    array([1.   , 0.143])
    """

    fit_intercept: bool = True
    normalize: bool = False
    _: KW_ONLY
    standardize: bool = False
    groups: Mapping[str, Sequence[int | str]] | str | None = None
    cv: int | str | None = None
    gap: int = 0
    prewhiten: str | float | None = None
    mask: ArrayLike | None = None
    nan: str = "propagate"
    n_permutations: int = 0
    seed: int | None = None

    def __post_init__(self) -> None:
        if self.nan not in ("propagate", "omit"):
            raise SpecError(f"nan={self.nan!r} must be 'propagate' or 'omit'")
        if isinstance(self.prewhiten, str):
            known = self.prewhiten in ("ar1", "ar1-each")
        else:
            known = self.prewhiten is None or is_between(self.prewhiten, -0.9999, 0.9999)
        if not known:
            raise SpecError(
                f"prewhiten={self.prewhiten!r} must be 'ar1', 'ar1-each', an autocorrelation "
                "between -1 and 1, or None"
            )
        if not is_whole(self.n_permutations, 0):
            raise SpecError(f"n_permutations={self.n_permutations!r} must be a whole number")
        extra = self.groups is not None or self.cv is not None or self.n_permutations
        if extra and (self.nan == "omit" or self.prewhiten == "ar1-each"):
            raise SpecError(
                "groups, cv and n_permutations need one decomposition for all records: leave out "
                "nan='omit' and prewhiten='ar1-each'"
            )
        if self.nan == "omit" and self.prewhiten is not None:
            raise SpecError("nan='omit' and prewhiten exclude each other: leave out one")

    def fit(self, X: Regressors, y: Any) -> LinearModel:
        """Fit each record.

        Parameters
        ----------
        X : array_like, shape (T, p), or mapping
            Regressors, in columns; arrays of shape (T,) or (T, p) by name.
        y : Series or array_like, shape (..., T)

        Returns
        -------
        LinearModel

        Raises
        ------
        SpecError
            For other shapes, no more samples than regressors, and NaN in `X`.
        WrongTypeError
            For images, and for values that are no real numbers.

        Warns
        -----
        UserWarning
            Of regressors that are linear combinations of others.
        """
        problem = Problem.of(
            X, y, self.mask, intercept=self.fit_intercept, standardize=self.standardize
        )
        problem.check_determined()
        groups = chosen_groups(problem.design, self.groups)
        fit, rho = self._fit(problem, list(groups.values()))
        plain = fit if isinstance(fit, LeastSquares) else fit.fit
        problem.check_basis(plain.basis)
        model = LinearModel(*problem.fitted(fit, plain.basis.mean, tuple(groups)))
        model.rank = plain.rank
        model.groups, model.rho = tuple(groups), rho
        model._ranks = tuple(part.shape[1] for part in plain.parts)
        model._permutations = len(plain.shifts)
        return model

    def _fit(
        self, problem: Problem, groups: list[tuple[int, ...]]
    ) -> tuple[LeastSquares | Omitting | Autoregressive, float | None]:
        X, mask, rho = problem.regressors, problem.mask, self.prewhiten
        decompose = partial(
            LeastSquares.of, X, intercept=self.fit_intercept, origin=problem.columns.origin
        )
        if self.nan == "omit":
            used = np.ones(len(X), bool) if mask is None else mask
            return Omitting(decompose(Samples.of(mask)), X, used), None
        if isinstance(rho, str):
            plain = decompose(Samples.of(mask))
            if rho == "ar1-each":
                return Autoregressive(plain), None
            rho = 0.0
            if problem.series.count():
                total, count = reductions.merged(problem.series, pooled(plain), np.add, 16)
                rho = float(total / max(count, 1))
        samples = Samples.of(mask, rho or 0.0)
        length = len(X) - bool(rho) if samples.keep is None else len(samples.keep)
        folds = None if self.cv is None else Folds(self.cv, self.gap)
        shifts = circular_shifts(self.n_permutations, length, self.seed)
        return decompose(samples, groups=groups, folds=folds, shifts=shifts), rho


class FastLinearRegression(LinearRegression):
    """The same as :class:`LinearRegression`, under the name of thunder-regression.

    Examples
    --------
    >>> import thunderlike as tl
    >>> model = FastLinearRegression().fit([0, 1, 2], tl.series.fromarray([[1, 3, 5]]))
    >>> model.betas.toarray().round(6)
    array([1., 2.])
    """

    def __init__(self, fit_intercept: bool = True, **options: Any) -> None:
        super().__init__(fit_intercept, **options)


def chosen_groups(
    design: Design, groups: Mapping[str, Sequence[int | str]] | str | None
) -> dict[str, tuple[int, ...]]:
    """Return the columns of each group of partial models.

    Raises
    ------
    SpecError
        For a column that there is not, and for an empty group.
    """
    if groups is None or isinstance(groups, str):
        if groups not in (None, "each"):
            raise SpecError(f"groups={groups!r} must be a mapping, 'each' or None")
        return dict(design.groups) if groups else {}
    numbers: dict[int | str, tuple[int, ...]] = {n: (n,) for n in range(design.count)}
    numbers.update({name: (n,) for n, name in enumerate(design.names)})
    numbers.update(design.groups)
    found = {}
    for name, members in groups.items():
        unknown = [member for member in members if member not in numbers]
        if unknown or not len(members):
            raise SpecError(
                f"the group {name!r} has the regressors {list(members)}: give numbers less than "
                f"{design.count}, or names among {', '.join(design.names)}"
            )
        found[str(name)] = tuple(n for member in members for n in numbers[member])
    return found


def circular_shifts(count: int, length: int, seed: int | None) -> tuple[int, ...]:
    """Draw shifts without replacement; none for a count of 0.

    Raises
    ------
    SpecError
        For more shifts than there are.
    """
    if count >= max(length, 1):
        raise SpecError(
            f"n_permutations={count}: {length} samples have {length - 1} circular shifts"
        )
    drawn = np.random.default_rng(seed or 0).permutation(max(length - 1, 0))[:count] + 1
    return tuple(drawn.tolist())
