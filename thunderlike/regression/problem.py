"""Data and design of a fit, checked against one another."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from thunderlike._arguments import caller_level
from thunderlike.errors import SpecError
from thunderlike.kernels._validation import as_array
from thunderlike.regression.design import Design
from thunderlike.regression.model import Columns, as_series, check_length, results_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike

    from thunderlike._typing import Array
    from thunderlike.data.series import Series
    from thunderlike.regression.design import Regressors
    from thunderlike.regression.least_squares import Basis
    from thunderlike.regression.model import Fit

__all__ = ["Problem", "labels_of"]


@dataclass(frozen=True, eq=False)
class Problem:
    """Series, and the regressors that are fitted to each of them.

    Parameters
    ----------
    series : Series
    design : Design
    mask : ndarray of bool or None
        Samples that are used; None for all.
    columns : Columns
        Scales and origin of the regressors.
    intercept : bool
        Whether there is one.

    Examples
    --------
    >>> problem = Problem.of([0.0, 2, 4], [[1, 2, 1], [3, 3, 4]], [True, True, False])
    >>> problem.length, problem.regressors.ravel()
    (2, array([0., 2., 4.]))
    """

    series: Series
    design: Design
    mask: Array | None
    columns: Columns
    intercept: bool

    @classmethod
    def of(
        cls,
        X: Regressors,
        y: Any,
        mask: ArrayLike | None = None,
        *,
        intercept: bool = True,
        standardize: bool = False,
    ) -> Problem:
        """Check a design and data.

        Raises
        ------
        SpecError
            For other lengths, a mask of another shape or dtype, and NaN in `X`.
        WrongTypeError
            For images, and for values that are no real numbers.
        """
        series, design = as_series(y), Design.of(X)
        check_length(design, series)
        used = _as_mask(mask, len(design))
        columns = Columns.of(design, used, intercept=intercept, standardize=standardize)
        return cls(series, design, used, columns, intercept)

    @property
    def length(self) -> int:
        """Number of samples that are used."""
        return len(self.design) if self.mask is None else int(self.mask.sum())

    @property
    def regressors(self) -> Array:
        """Regressors as they are fitted, of shape (T, p)."""
        return self.columns.apply(self.design.values)

    def check_determined(self) -> None:
        """Raise SpecError for no more samples than regressors."""
        if self.length <= self.design.count:
            raise SpecError(
                f"{self.length} samples do not determine {self.design.count} regressors: give more "
                "samples, or Ridge"
            )

    def check_basis(self, basis: Basis) -> None:
        """Warn of regressors that are linear combinations of others."""
        names = zip(self.design.names, basis.independent, strict=True)
        dependent = [name for name, kept in names if not kept]
        if dependent:
            others = "the others and the intercept" if self.intercept else "the others"
            warnings.warn(
                f"the regressors {', '.join(map(repr, dependent))} are linear combinations of "
                f"{others}: their coefficients are 0",
                stacklevel=caller_level(),
            )

    def fitted(
        self, fit: Fit, mean: Array, groups: tuple[str, ...] = ()
    ) -> tuple[Series, Columns, dict[str, slice]]:
        """Fit all records; the arguments of a model. Lazy where the engine is."""
        labels = labels_of(fit.fields, self.columns.names, groups)
        return results_of(self.series, fit, labels), replace(self.columns, mean=mean), fit.fields


def _as_mask(mask: ArrayLike | None, length: int) -> Array | None:
    """Return the mask of samples that are used; None for all."""
    if mask is None:
        return None
    found = as_array(mask, "the mask")
    if found.dtype != bool or found.shape != (length,):
        raise SpecError(
            f"the mask has shape {found.shape} and dtype {found.dtype}: give a bool for each of "
            f"{length} samples, True for those that are used"
        )
    return None if found.all() else found


def labels_of(
    fields: Mapping[str, slice], names: tuple[str, ...], groups: tuple[str, ...] = ()
) -> list[str]:
    """Name each column of the results.

    Examples
    --------
    >>> labels_of({"level": slice(0, 1), "coef": slice(1, 3)}, ("speed", "place"))
    ['level', 'coef speed', 'coef place']
    """
    parts = {"coef": names, "se": ("intercept", *names), "added": groups}
    found = []
    for field, place in fields.items():
        own = parts.get(field)
        width = place.stop - place.start
        found += [f"{field} {name}" for name in own] if own is not None else [field] * width
    return found
