"""Tuning curves: the mean response of every record to each value of a stimulus."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from thunderlike._lazy import resolve
from thunderlike.errors import SpecError, WrongTypeError
from thunderlike.kernels import groupby
from thunderlike.kernels._tiles import row_products
from thunderlike.kernels._validation import as_array, is_whole
from thunderlike.regression import plots, statistics
from thunderlike.regression.least_squares import Samples, prepared_tiles, sliced
from thunderlike.regression.linear import circular_shifts
from thunderlike.regression.model import as_series, results_of
from thunderlike.regression.statistics import Results, Statistic

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike

    from thunderlike._typing import Array
    from thunderlike.data.series import Series
    from thunderlike.storage import AnyPath

__all__ = [
    "Binned",
    "Bins",
    "TuningCurves",
    "TuningModel",
]

_MOST = 64  # distinct values of a stimulus that are taken as bins
_ROUNDING = 1e-9  # of the period: edges that differ by less span it once
_STATISTICS = ("mean", "median", "max", "min")


class Bins(NamedTuple):
    """Bins of a stimulus.

    Parameters
    ----------
    numbers : ndarray of int, shape (T,)
        Bin of each sample; -1 for samples in none.
    centers : ndarray, shape (nbins,)
    period : float or None
        Of a circular stimulus.
    """

    numbers: Array
    centers: Array
    period: float | None

    @classmethod
    def of(cls, stimulus: ArrayLike, bins: int | ArrayLike | None, circular: bool | float) -> Bins:
        """Sort the samples of a stimulus into bins.

        Raises
        ------
        SpecError
            For stimuli of other shapes, too many distinct values without `bins`, and bins that do
            not increase or span more than the period.

        Examples
        --------
        >>> Bins.of([0, 90, 350, 10], 4, circular=360)
        Bins(numbers=array([0, 1, 3, 0]), centers=array([ 45., 135., 225., 315.]), period=360.0)
        """
        values = as_array(stimulus, "the stimulus")
        if values.dtype.kind not in "biuf":
            raise WrongTypeError(f"the stimulus has dtype {values.dtype}: give real numbers")
        if values.ndim != 1 or not np.isfinite(values).any():
            raise SpecError(
                f"the stimulus has shape {values.shape}: give one number for each sample, (T,), "
                "NaN where there was none"
            )
        values = values.astype(np.float64)
        period = None if circular is False else 2 * np.pi if circular is True else float(circular)
        if period is not None and not 0 < period < np.inf:
            raise SpecError(f"circular={circular!r} must be the period, or True for 2 pi")
        if bins is None:
            values = values if period is None else _wrapped(values, np.zeros(1), period)
            return cls(*_distinct(values), period)
        edges = _edges(values, bins, period)
        if period is not None:
            values = _wrapped(values, edges, period)
        numbers = np.searchsorted(edges, values, side="right") - 1
        numbers[values == edges[-1]] = len(edges) - 2
        numbers[~((values >= edges[0]) & (values <= edges[-1]))] = -1
        return cls(numbers, (edges[1:] + edges[:-1]) / 2, period)

    @property
    def counts(self) -> Array:
        """Number of samples in each bin."""
        return np.bincount(self.numbers[self.numbers >= 0], minlength=len(self.centers))


def _distinct(values: Array) -> tuple[Array, Array]:
    finite = np.isfinite(values)
    centers = np.unique(values[finite])
    if len(centers) > _MOST:
        raise SpecError(
            f"the stimulus has {len(centers)} distinct values: give bins=, a number or edges"
        )
    return np.where(finite, np.searchsorted(centers, values), -1), centers


def _edges(values: Array, bins: int | ArrayLike, period: float | None) -> Array:
    if isinstance(bins, int | float | np.number):
        if not is_whole(bins, 1):
            raise SpecError(f"bins={bins!r} must be a whole number from 1, or edges")
        finite = values[np.isfinite(values)]
        low, high = (0.0, period) if period is not None else (finite.min(), finite.max())
        edges = np.linspace(low, high, int(bins) + 1)
    else:
        edges = as_array(bins, "the edges of bins").astype(np.float64)
    if edges.ndim != 1 or len(edges) < 2 or not (np.diff(edges) > 0).all():
        raise SpecError(
            f"the edges of bins {np.array2string(edges, threshold=8)} must increase: give another "
            "number of bins, or other edges"
        )
    if period is not None and edges[-1] - edges[0] > period * (1 + _ROUNDING):
        raise SpecError(
            f"the edges of bins span {edges[-1] - edges[0]:.10g}, more than circular="
            f"{period:.10g}: give edges within one period, so that each value is in one bin"
        )
    result: Array = edges
    return result


def _wrapped(values: Array, edges: Array, period: float) -> Array:
    """Return circular values in the period that begins at the first edge.

    Where the edges span the whole period, their ends are the same value, in the first bin.
    """
    first, end = edges[0], edges[0] + period
    if abs(edges[-1] - end) <= _ROUNDING * period:
        end = edges[-1]
    with np.errstate(invalid="ignore"):  # infinite values become NaN: they are in no bin
        wrapped = first + (values - first) % period
    # The remainder of a value that is an edge, some periods away, can be on its other side.
    rounding = 4 * np.finfo(float).eps * (np.abs(values) + abs(first) + period)
    for edge in (*edges, end):
        wrapped[np.abs(wrapped - edge) <= rounding] = edge
    # Values that need no wrap keep all their digits.
    found: Array = np.where((values >= first) & (values < end), values, wrapped)
    found[found >= end] = first
    return found


@dataclass(frozen=True, eq=False)
class Binned:
    """Statistics of the samples in each bin, of each record of a block.

    Parameters
    ----------
    bins : Bins
    statistic : str
        Of the samples in a bin, for the curve.
    shifts : sequence of int
        Circular shifts of the permutation test.
    """

    bins: Bins
    statistic: str = "mean"
    shifts: Sequence[int] = ()

    @property
    def fields(self) -> dict[str, slice]:
        """Columns of the results, by name."""
        count = len(self.bins.centers)
        widths = {"curve": count, "sem": count, "sse": 1, "sst": 1, "dof": 1}
        return sliced(widths | {"exceeded": int(bool(self.shifts))})

    @property
    def rank(self) -> int:
        """Degrees of freedom between bins."""
        return int(np.count_nonzero(self.bins.counts)) - 1

    @np.errstate(all="ignore")
    def __call__(self, block: Array, *, compiled: bool | None = None) -> Array:
        """Compute the statistics of a block of shape (k, T); as `fields`."""
        fields, counts = self.fields, self.bins.counts
        out = np.empty((len(block), fields["exceeded"].stop))
        samples, indicators = self._samples, self._indicators
        spread = np.ascontiguousarray(indicators.T)
        for rows, tile, level in prepared_tiles(block, samples, intercept=True, compiled=compiled):
            found = out[rows]
            mean = row_products(tile, indicators) / counts
            mean[:, counts == 0] = 0  # times no indicator
            residual = tile - row_products(mean, spread)
            squares = row_products(np.square(residual), indicators)
            total = np.vecdot(tile, tile)
            curve = mean if self.statistic == "mean" else self._curve(tile)
            found[:, fields["curve"]] = np.where(counts > 0, level + curve, np.nan)
            found[:, fields["sem"]] = np.sqrt(squares / (counts - 1) / counts)
            found[:, fields["sem"]][:, counts < 2] = np.nan
            found[:, fields["sse"].start] = np.vecdot(residual, residual)
            found[:, fields["sst"].start] = total
            found[:, fields["dof"].start] = tile.shape[1] - 1 - self.rank
            if self.shifts:
                explained = (np.square(mean) * counts).sum(axis=1)
                found[:, fields["exceeded"].start] = self._exceeded(tile, explained)
            found[~np.isfinite(total)] = np.nan
        return out

    @cached_property
    def _samples(self) -> Samples:
        used = self.bins.numbers >= 0
        return Samples.of(None if used.all() else used)

    @cached_property
    def _indicators(self) -> Array:
        numbers = self.bins.numbers[self.bins.numbers >= 0]
        return np.eye(len(self.bins.centers))[numbers]

    def _curve(self, tile: Array) -> Array:
        counts = self.bins.counts
        _, numbers = np.unique(self.bins.numbers[self.bins.numbers >= 0], return_inverse=True)
        found = np.full((len(tile), len(counts)), np.nan)
        groups = groupby.Groups.numbered(numbers)
        found[:, counts > 0] = groupby.statistic(tile, groups, self.statistic)
        return found

    def _exceeded(self, tile: Array, explained: Array) -> Array:
        """Count the circular shifts of the stimulus that explain as much, with a margin."""
        twice = np.vstack([self._indicators] * 2)
        length, least = tile.shape[1], explained * (1 - 1e-12)
        per_bin = np.maximum(self.bins.counts, 1)
        count = np.zeros(len(tile))
        for shift in self.shifts:
            sums = row_products(tile, twice[length - shift : 2 * length - shift])
            count += (np.square(sums) / per_bin).sum(axis=1) >= least
        return count


class TuningModel:
    """Tuning curves of all records; see :class:`TuningCurves`.

    Each attribute is a Series of float64 of the base shape of the data, except `centers` and
    `count`, which are the same for all records.

    Attributes
    ----------
    results : Series
        All that was computed of each record; ``model.results.cache()`` keeps it on a lazy engine.
    centers : ndarray, shape (nbins,)
        Centres of the bins, or the distinct values of the stimulus.
    count : ndarray of int, shape (nbins,)
        Number of samples in each bin.
    period : float or None
        Of a circular stimulus.

    Examples
    --------
    >>> tuning = TuningCurves([0, 1, 2, 0, 1, 2]).fit(np.array([[1.0, 5, 1, 1, 7, 2]]))
    >>> tuning
    TuningModel
    bins: 3
    mode: local
    shape: (1,)
    >>> tuning.curve.toarray(), tuning.count
    (array([1. , 6. , 1.5]), array([2, 2, 2]))
    """

    def __init__(self, results: Series, fit: Binned) -> None:
        self.results, self._fit = results, fit
        self.centers, self.count = fit.bins.centers, fit.bins.counts
        self.period = fit.bins.period

    def __repr__(self) -> str:
        circular = "" if self.period is None else f", circular with period {self.period:g}"
        return (
            f"TuningModel\nbins: {len(self.centers)}{circular}\nmode: {self.results.mode}\n"
            f"shape: {self.results.baseshape}"
        )

    @property
    def curve(self) -> Series:
        """Response to each bin; NaN for a bin without samples. Length nbins, index `centers`."""
        return self._field("curve")

    @property
    def sem(self) -> Series:
        """Standard error of the mean response to each bin; NaN below two samples."""
        return self._field("sem")

    @property
    def preferred(self) -> Series:
        """Preferred stimulus: the mean of the bin centres, weighted by the response; length 1.

        Weights are ``max(curve - min(curve), 0)``. Of a circular stimulus the direction of the
        vector sum of ``max(curve, 0)``, from 0 to the period. NaN for a curve without a response.
        """
        return self._summary(_preferred, "preferred")

    @property
    def width(self) -> Series:
        """Standard deviation of the stimulus about `preferred`, weighted likewise; length 1.

        Of a circular stimulus the circular one, ``sqrt(-2 log |z|)``, in its units.
        """
        return self._summary(_width, "width")

    @property
    def selectivity(self) -> Series:
        """Length of the mean vector of a circular stimulus: ``1 - circular variance``; length 1."""
        self._check_circular("selectivity")
        return self._summary(_selectivity, "selectivity", harmonic=1)

    @property
    def osi(self) -> Series:
        """Orientation selectivity of a circular stimulus: the second harmonic; length 1."""
        self._check_circular("osi")
        return self._summary(_selectivity, "osi", harmonic=2)

    @property
    def kappa(self) -> Series:
        """Concentration of a circular stimulus, ``R (2 - R^2) / (1 - R^2)``; length 1."""
        self._check_circular("kappa")
        return self._summary(_kappa, "kappa")

    @property
    def fvalues(self) -> Series:
        """F of the means of the bins, by analysis of variance; length 1."""
        return self._statistic(statistics.fvalues, "fvalue", rank=self._fit.rank)

    @property
    def pvalues(self) -> Series:
        """P-value of F; length 1."""
        return self._statistic(statistics.f_pvalues, "pvalue", rank=self._fit.rank)

    @property
    def rsquared(self) -> Series:
        """Share of the variance that is between the means of the bins; length 1."""
        return self._statistic(statistics.rsquared, "rsquared")

    @property
    def permutation_pvalues(self) -> Series:
        """P-value of the variance between bins by circular shifts of the stimulus; length 1."""
        count = len(self._fit.shifts)
        if not count:
            raise SpecError("there were no permutations: give n_permutations= to TuningCurves")
        return self._statistic(statistics.permutation_pvalues, "pvalue", count=count)

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

    def hsv(self, plane: int = 0) -> Array:
        """Colour each pixel: the hue by the preferred stimulus, the value by the response.

        Parameters
        ----------
        plane : int
            Of a volume.

        Returns
        -------
        ndarray of uint8, shape (height, width, 3)
            Red, green, blue. The saturation is the share of the variance between bins, up to the
            99.5th percentile; black where a pixel has no response.

        Raises
        ------
        SpecError
            For series that are no picture or volume.
        """
        return plots.tuning_colours(self, plane)

    def plot(self, ax: Axes | None = None, *, plane: int = 0) -> Axes:
        """Draw the tuning map, as :meth:`hsv`, with a bar of the hues.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Axes to draw on; by default of a new figure.
        plane : int
            Of a volume.

        Returns
        -------
        matplotlib.axes.Axes
        """
        return plots.tuning_map(self, ax, plane)

    def _check_circular(self, name: str) -> None:
        if self.period is None:
            raise SpecError(f"{name} is that of a circular stimulus: give circular=")

    def _field(self, name: str) -> Series:
        found = self.results[..., self._fit.fields[name]]
        found.index = self.centers
        return found

    def _summary(self, function: Callable[..., Array], name: str, **arguments: Any) -> Series:
        return self._statistic(
            function, name, centers=self.centers, period=self.period, **arguments
        )

    def _statistic(self, function: Callable[..., Array], name: str, **arguments: Any) -> Series:
        found = self.results._stacked(Statistic(function, self._fit.fields), **arguments)
        found.index = [name]
        return found


def _mean_vector(found: Results, centers: Array, period: float, harmonic: int = 1) -> Array:
    """Vector sum of the responses, relative to their sum, as a complex column."""
    weights = np.nan_to_num(np.maximum(found["curve"], 0))
    angles = 2 * np.pi * harmonic * centers / period
    waves = np.column_stack([np.cos(angles), np.sin(angles), np.ones(len(angles))])
    real, imaginary, total = row_products(weights, waves).T
    result: Array = ((real + 1j * imaginary) / np.where(total > 0, total, np.nan))[:, np.newaxis]
    return result


def _moments(found: Results, centers: Array) -> tuple[Array, Array]:
    """Mean and standard deviation of the bin centres, weighted by the response above its least."""
    curve = found["curve"]
    weights = np.nan_to_num(curve - np.fmin.reduce(curve, axis=1, keepdims=True, initial=np.inf))
    total = weights.sum(axis=1, keepdims=True)
    total[total <= 0] = np.nan
    mean = (weights * centers).sum(axis=1, keepdims=True) / total
    variance = (weights * np.square(centers - mean)).sum(axis=1, keepdims=True) / total
    return mean, np.sqrt(variance)


def _preferred(found: Results, centers: Array, period: float | None) -> Array:
    if period is None:
        return _moments(found, centers)[0]
    turns = np.angle(_mean_vector(found, centers, period)) / (2 * np.pi)
    result: Array = turns % 1 * period
    return result


def _width(found: Results, centers: Array, period: float | None) -> Array:
    if period is None:
        return _moments(found, centers)[1]
    length = np.abs(_mean_vector(found, centers, period))
    result: Array = np.sqrt(np.maximum(-2 * np.log(length), 0)) * period / (2 * np.pi)
    return result


def _selectivity(found: Results, centers: Array, period: float, harmonic: int) -> Array:
    result: Array = np.abs(_mean_vector(found, centers, period, harmonic))
    return result


def _kappa(found: Results, centers: Array, period: float) -> Array:
    length = np.abs(_mean_vector(found, centers, period))
    result: Array = length * (2 - length**2) / (1 - length**2)
    return result


@dataclass(frozen=True, eq=False)
class TuningCurves:
    """Mean response of each record to each value, or bin, of a stimulus.

    Parameters
    ----------
    stimulus : array_like, shape (T,)
        Value of the stimulus at each sample; NaN where there was none.
    bins : int, sequence of float or None
        Number of bins of equal width, or their edges; samples outside are left out. None takes
        each distinct value as a bin. A bin has its lower edge, the last one its upper edge too.
    circular : bool or float
        The period of a circular stimulus, such as 360 for directions in degrees; True means 2 pi.
        Values are taken modulo the period, from 0 or from the first of given edges, which may
        span one period at most: of ``[-45, 45, 135, 225, 315]`` the first bin has 350 and 10. Where
        they span it all, the last edge is the same value as the first, and is in the first bin.
    statistic : {'mean', 'median', 'max', 'min'}
        Of the samples of a bin, for the curve; `sem` and F are those of means.
    n_permutations : int
        Number of circular shifts of the stimulus for a permutation test.
    seed : int, optional
        Of the shifts; None, the default, means 0.

    Notes
    -----
    One lazy map over the records, without a shuffle: the design is a matrix of indicators. The
    concentration is that of Banerjee et al., Journal of Machine Learning Research 6, 2005.

    Examples
    --------
    >>> import thunderlike as tl
    >>> direction = np.arange(8) * 45
    >>> cell = np.exp(2 * np.cos(np.deg2rad(direction - 90)))
    >>> tuning = TuningCurves(direction, circular=360).fit(tl.series.fromarray(cell))
    >>> float(tuning.preferred.toarray().round(3)), float(tuning.selectivity.toarray().round(3))
    (90.0, 0.698)
    """

    stimulus: ArrayLike
    bins: int | ArrayLike | None = None
    circular: bool | float = False
    statistic: str = "mean"
    _: KW_ONLY
    n_permutations: int = 0
    seed: int | None = None

    def __post_init__(self) -> None:
        if self.statistic not in _STATISTICS:
            raise SpecError(f"statistic={self.statistic!r} must be one of {', '.join(_STATISTICS)}")
        if not is_whole(self.n_permutations, 0):
            raise SpecError(f"n_permutations={self.n_permutations!r} must be a whole number")

    def fit(self, y: Any) -> TuningModel:
        """Compute the tuning curve of each record.

        Parameters
        ----------
        y : Series or array_like, shape (..., T)

        Returns
        -------
        TuningModel

        Raises
        ------
        SpecError
            For another length than that of the stimulus, or no sample in any bin.
        """
        series = as_series(y)
        bins = Bins.of(self.stimulus, self.bins, self.circular)
        if len(bins.numbers) != series.length:
            raise SpecError(
                f"the stimulus has {len(bins.numbers)} samples, the series {series.length}: give a "
                "value for each position"
            )
        used = int(bins.counts.sum())
        if not used:
            raise SpecError("no sample of the stimulus is in a bin: give other edges")
        shifts = circular_shifts(int(self.n_permutations), used, self.seed)
        fit = Binned(bins, self.statistic, shifts)
        labels = [
            name for name, place in fit.fields.items() for _ in range(place.stop - place.start)
        ]
        return TuningModel(results_of(series, fit, labels), fit)
