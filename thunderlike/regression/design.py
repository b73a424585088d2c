"""Designs: the regressors of a model as columns, with names and groups, and ways to make them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from thunderlike.errors import SpecError, WrongTypeError
from thunderlike.kernels._validation import as_array, checked_arguments, is_whole

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import ArrayLike

    from thunderlike._typing import Array

__all__ = ["Design", "Regressors", "convolve", "lags", "onehot", "splines"]

Regressors: TypeAlias = "ArrayLike | Mapping[str, ArrayLike] | Design"


@dataclass(frozen=True, eq=False)
class Design:
    """Regressors of a model, one in each column.

    Parameters
    ----------
    values : ndarray of float64, shape (T, p)
    names : tuple of str
        Of the columns.
    groups : dict
        Names of groups of regressors, and the columns of each, for partial models.
    named : bool
        Whether the names were given; False for those of the columns of an array, which are made
        up.

    Raises
    ------
    SpecError
        For two regressors of one name.

    Examples
    --------
    >>> design = Design.of({"speed": [1, 2, 4], "place": [[1, 0], [0, 1], [0, 0]]})
    >>> design.names, design.groups
    (('speed', 'place[0]', 'place[1]'), {'speed': (0,), 'place': (1, 2)})
    """

    values: Array
    names: tuple[str, ...]
    groups: dict[str, tuple[int, ...]]
    named: bool = True

    def __post_init__(self) -> None:
        _check_distinct(self.names)

    @classmethod
    def of(cls, X: Regressors) -> Design:
        """Make a design of an array, of arrays by name, or of a table with named columns.

        Parameters
        ----------
        X : array_like, mapping or DataFrame
            An array of shape ``(T,)`` or ``(T, p)``; or such arrays by name, each of which is a
            group. The columns of an array are called ``x0``, ``x1`` and so on.

        Raises
        ------
        SpecError
            For arrays of other shapes or of different lengths, and for equal names, such as those
            of the keys 1 and "1".
        WrongTypeError
            For values that are no real numbers.
        """
        if isinstance(X, Design):
            return X
        if isinstance(X, Mapping):
            found = [_columns(part, name) for name, part in X.items()]
            return cls._of_parts([str(name) for name in X], found)
        values = _columns(X, "X")
        given, columns = getattr(X, "columns", None), values.T[..., np.newaxis]
        if given is None:
            return cls._of_parts([f"x{i}" for i in range(len(columns))], columns, named=False)
        return cls._of_parts([*map(str, given)], columns)

    @classmethod
    def _of_parts(
        cls, labels: Sequence[str], columns: Iterable[Array], *, named: bool = True
    ) -> Design:
        _check_distinct(labels)
        parts = dict(zip(labels, columns, strict=True))
        lengths = {name: len(part) for name, part in parts.items()}
        if len(set(lengths.values())) > 1:
            raise SpecError(f"the regressors have different lengths, {lengths}: give one for all")
        if not sum(part.shape[1] for part in parts.values()):
            raise SpecError("there are no regressors: give an array of shape (T, p), p at least 1")
        names, groups = list[str](), dict[str, tuple[int, ...]]()
        for name, part in parts.items():
            count = part.shape[1]
            groups[name] = tuple(range(len(names), len(names) + count))
            names += [name] if count == 1 else [f"{name}[{i}]" for i in range(count)]
        return cls(np.hstack(list(parts.values())), tuple(names), groups, named)

    def __len__(self) -> int:
        return len(self.values)

    @property
    def count(self) -> int:
        """Number of regressors."""
        return int(self.values.shape[1])

    def selected(self, keep: Array | None = None) -> Array:
        """Return the values at the samples of a mask, or all.

        Raises
        ------
        SpecError
            For NaN or infinite values among them: names the columns.
        """
        values = self.values if keep is None else self.values[keep]
        strange = ~np.isfinite(values).all(axis=0)
        if strange.any():
            columns = ", ".join(repr(self.names[i]) for i in np.flatnonzero(strange))
            raise SpecError(
                f"NaN or infinite values in the regressors {columns}: fill them, or leave their "
                "samples out with mask="
            )
        return values


def _check_distinct(names: Sequence[str]) -> None:
    """Raise SpecError for equal names."""
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise SpecError(
            f"X has several regressors with the name {', '.join(map(repr, repeated))}: rename all "
            "but one"
        )


def _columns(values: ArrayLike, name: str) -> Array:
    """Return values as columns of float64."""
    array = as_array(values, f"the regressor {name!r}")
    if array.dtype.kind not in "biuf":
        raise WrongTypeError(
            f"the regressor {name!r} has dtype {array.dtype}: give real numbers, onehot() of labels"
        )
    if array.ndim not in (1, 2):
        raise SpecError(
            f"the regressor {name!r} has shape {array.shape}: give one of (T,) or several of (T, p)"
        )
    return array.reshape(len(array), -1).astype(np.float64)


@checked_arguments
def convolve(X: ArrayLike, tau: float, fs: float = 1.0, *, rise: float = 0.0) -> Array:
    """Convolve regressors with the response of an indicator: a rise, then an exponential decay.

    Parameters
    ----------
    X : array_like, shape (T,) or (T, p)
        Zero before the first sample.
    tau : float
        Time constant of the decay, in seconds: 0.5 to 2 for GCaMP.
    fs : float
        Samples per second; by default `tau` and `rise` are in samples.
    rise : float
        Time constant of the rise, in seconds; 0, the default, rises at once.

    Returns
    -------
    ndarray of float64, of the shape of `X`

    Raises
    ------
    SpecError
        For a time constant or rate that is not positive.

    Notes
    -----
    The response sums to 1, so that a constant regressor keeps its value after a while. With a rise
    it is a difference of exponentials, computed as two recursive filters, one after the other.

    Examples
    --------
    >>> convolve([1, 0, 0, 0], tau=1 / np.log(2)).round(4)
    array([0.5   , 0.25  , 0.125 , 0.0625])
    """
    from scipy.signal import lfilter

    if not (tau > 0 and fs > 0 and rise >= 0 and np.isfinite(tau * fs * (1 + rise))):
        raise SpecError(f"tau={tau!r} and fs={fs!r} must be positive, and rise={rise!r} 0 or more")
    found = _columns(X, "X")
    for constant in (tau, rise) if rise else (tau,):
        decay = np.exp(-1 / (constant * fs))
        found = lfilter([1 - decay], [1, -decay], found, axis=0)
    result: Array = found.reshape(np.shape(X))
    return result


@checked_arguments
def lags(X: ArrayLike, shifts: Sequence[int]) -> Array:
    """Shift regressors in time, for effects that come late or, with negative shifts, early.

    Parameters
    ----------
    X : array_like, shape (T,) or (T, p)
    shifts : sequence of int
        Samples by which to delay.

    Returns
    -------
    ndarray of float64, shape (T, p * len(shifts))
        For each regressor its shifted copies, zeros moving in.

    Raises
    ------
    SpecError
        For no shift, or one of T samples or more.

    Examples
    --------
    >>> lags([1, 2, 3], [0, 1, -1])
    array([[1., 0., 2.],
           [2., 1., 3.],
           [3., 2., 0.]])
    """
    values = _columns(X, "X")
    length = len(values)
    wanted = list(shifts)
    if not wanted or not all(is_whole(abs(s), 0, length) for s in wanted):
        raise SpecError(
            f"shifts {wanted} must be whole numbers of less than {length}, the number of samples"
        )
    found = np.zeros((length, values.shape[1], len(wanted)))
    for number, shift in enumerate(map(int, wanted)):
        last = length - abs(shift)
        found[max(shift, 0) :, :, number][:last] = values[max(-shift, 0) :][:last]
    return found.reshape(length, -1)


@checked_arguments
def splines(x: ArrayLike, n: int, degree: int = 3) -> Array:
    """Evaluate a basis of B-splines, for effects that are smooth functions of a covariate.

    Parameters
    ----------
    x : array_like, shape (T,)
        The covariate, such as a position.
    n : int
        Number of splines, at least ``degree + 1``; on equal intervals between the smallest and the
        largest value.
    degree : int
        Of the polynomials.

    Returns
    -------
    ndarray of float64, shape (T, n)
        Not negative. Each row sums to 1: with an intercept, leave out one column.

    Raises
    ------
    SpecError
        For too few splines, and for a covariate that is constant or not finite.

    Notes
    -----
    de Boor, "A Practical Guide to Splines", 1978; by ``scipy.interpolate.BSpline``.

    Examples
    --------
    >>> splines([0.0, 0.5, 1.0], 3, degree=2)
    array([[1.  , 0.  , 0.  ],
           [0.25, 0.5 , 0.25],
           [0.  , 0.  , 1.  ]])
    """
    from scipy.interpolate import BSpline

    values = _columns(x, "x")[:, 0]
    if not is_whole(degree, 0) or not is_whole(n, degree + 1):
        raise SpecError(f"splines of degree {degree} must be at least {degree + 1}, not n={n!r}")
    low, high = (values.min(), values.max()) if values.size else (np.nan, np.nan)
    if np.ndim(x) != 1 or not low < high or not np.isfinite(high - low):
        raise SpecError(
            f"splines need one covariate of shape (T,) with finite values that vary, not shape "
            f"{np.shape(x)} from {low} to {high}"
        )
    inner = np.linspace(low, high, n - degree + 1)
    knots = np.concatenate([np.full(degree, low), inner, np.full(degree, high)])
    result: Array = BSpline.design_matrix(values, knots, degree).toarray()
    return result


@checked_arguments
def onehot(labels: ArrayLike) -> tuple[Array, Array]:
    """Make an indicator of each distinct label.

    Parameters
    ----------
    labels : array_like, shape (T,)
        Numbers or words, such as the stimulus shown at each sample.

    Returns
    -------
    indicators : ndarray of float64, shape (T, k)
        Each row has a single 1: with an intercept, leave out one column, whose label the effects
        of the others are then relative to.
    levels : ndarray, shape (k,)
        The labels, sorted.

    Raises
    ------
    SpecError
        For labels of another shape.

    Examples
    --------
    >>> onehot(["go", "stop", "go"])
    (array([[1., 0.],
           [0., 1.],
           [1., 0.]]), array(['go', 'stop'], dtype='<U4'))
    """
    given = as_array(labels, "the labels")
    if given.ndim != 1:
        raise SpecError(f"labels have shape {given.shape}: give one for each sample, shape (T,)")
    levels, codes = np.unique(given, return_inverse=True)
    return np.eye(len(levels))[codes], levels
