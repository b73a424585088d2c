"""Series: records keyed by position, each a sequence of values along an index."""

from __future__ import annotations

from os import PathLike
from typing import TYPE_CHECKING, Any, Self, Unpack

import numpy as np

from thunderlike import storage
from thunderlike._lazy import resolve
from thunderlike.data import export, indexing, plotting, reductions, writers
from thunderlike.data._deprecated import with_former_keywords
from thunderlike.data._user_functions import name_of, raised_by
from thunderlike.data.array_collection import ArrayCollection
from thunderlike.data.blocks import block_bytes
from thunderlike.data.collection import records_of
from thunderlike.data.file_sources import naming
from thunderlike.data.indexing import reshaped
from thunderlike.engines import local
from thunderlike.engines.base import ArraySource, Records, Spec
from thunderlike.engines.shuffle import Transpose
from thunderlike.errors import NotOnEngineError, SpecError, ThunderlikeError, WrongTypeError
from thunderlike.formats import hdf5
from thunderlike.kernels import groupby, linalg
from thunderlike.kernels import series as kernels
from thunderlike.kernels._validation import as_array, is_whole, same_values
from thunderlike.kernels.groupby import Groups
from thunderlike.kernels.linalg import Comoments
from thunderlike.kernels.moments import Moments
from thunderlike.storage import at

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike, DTypeLike, NDArray

    from thunderlike._typing import Array, Ints, Labels, Shape
    from thunderlike.data.base import Changes
    from thunderlike.data.images import Images
    from thunderlike.storage import AnyCredentials, AnyPath

__all__ = ["Series"]


@with_former_keywords
class Series(ArrayCollection):
    """Sequences of one length and dtype; the last axis is the record, all others are keys.

    Parameters
    ----------
    values : array_like or Records
        An array of shape ``(*baseshape, length)``. Usually made by ``tl.series.fromarray(array)``
        or ``images.toseries()``.
    index : sequence, optional
        Index values of the positions in a series; a sequence of sequences has several levels. By
        default ``0 .. length-1``.
    labels : array_like, optional
        Labels of the series, of shape `baseshape`.
    baseshape : tuple of int, optional
        Shape of the keys, for Records.

    Examples
    --------
    >>> Series(np.zeros((4, 6, 10)))
    Series
    mode: local
    dtype: float64
    shape: (4, 6, 10)
    """

    _time = -1
    _index: Array

    def __init__(
        self,
        values: ArrayLike | Records,
        index: Labels | None = None,
        labels: Labels | None = None,
        baseshape: Shape | None = None,
    ) -> None:
        records = records_of(values, 1)
        if baseshape is None:
            # Records do not know the shape of their keys: in a row, unless the caller says.
            shape = () if isinstance(values, Records) else np.shape(values)
            baseshape = shape[:-1] or (records.spec.count,)
        super().__init__(records, baseshape, labels)
        self.index = index

    def _changed(self, records: Records, **changes: Unpack[Changes]) -> Self:
        # An index of another length does not apply.
        kept = self._index if records.spec.shape == self.value_shape else None
        return self._like(
            type(self)(
                records,
                index=changes.get("index", kept),
                labels=changes.get("labels", self._labels),
                baseshape=changes.get("baseshape", self._baseshape),
            )
        )

    # index

    @property
    def length(self) -> int:
        """Number of values in each series.

        Examples
        --------
        >>> import thunderlike as tl
        >>> tl.series.fromarray(np.zeros((4, 6, 10))).length
        10
        """
        return self.value_shape[0]

    @property
    def index(self) -> Array:
        """Index values of the positions in a series.

        An array of shape ``(length,)``, or ``(length, levels)``.

        Examples
        --------
        >>> import thunderlike as tl
        >>> series = tl.series.fromarray([[5, 6, 7]])
        >>> series.index = ["rest", "go", "stop"]
        >>> series[..., 1:].index
        array(['go', 'stop'], dtype='<U4')
        """
        return self._index

    @index.setter
    def index(self, index: Labels | None) -> None:
        self._index = indexing.as_index(index, self.length)

    def _indexed(self, index: Labels | None) -> Self:
        return self._changed(self._records, index=index)

    def _cut(self, values: list[Any]) -> Self:
        """Return the selected positions of each series, and of the index."""
        part = super()._cut(values)
        return part if part is self else part._indexed(self._index[values[0]])

    def map(  # type: ignore[override]  # Thunder has the index second
        self,
        func: Callable[[Any], Any],
        index: Array | Sequence[Any] | None = None,
        value_shape: Shape | int | None = None,
        dtype: DTypeLike | None = None,
        with_keys: bool = False,
        *,
        block: bool = False,
        workers: int | None = None,
    ) -> Self:
        """Apply a function to each series; as :meth:`Collection.map`.

        Parameters
        ----------
        func : callable
            From an array of length `length` to an array, all of one length, or a scalar.
        index : sequence, optional
            Index of the results, which determines their length; by default the present index,
            for results of the same length.
        value_shape, dtype, with_keys, block, workers
            As in :meth:`Collection.map`.

        Examples
        --------
        >>> import thunderlike as tl
        >>> series = tl.series.fromarray([[5, 1, 7], [2, 2, 8]], index=["a", "b", "c"])
        >>> series.map(np.sort).index
        array(['a', 'b', 'c'], dtype='<U1')
        >>> series.map(lambda values: values[[0, -1]], index=["first", "last"]).toarray()
        array([[5, 7],
               [2, 8]])
        """
        if index is not None and value_shape is None:
            value_shape = len(index)
        records = self._mapped(
            func, value_shape, dtype, with_keys=with_keys, block=block, workers=workers
        )
        return self._changed(records) if index is None else self._changed(records, index=index)

    def select(self, crit: object) -> Self:
        """Select positions by index value, in the order of the index.

        Parameters
        ----------
        crit : callable, value or list of values
            A predicate of an index value, or the index values to keep.

        Raises
        ------
        SpecError
            When no position is selected, or the index has several levels.

        Examples
        --------
        >>> import thunderlike as tl
        >>> series = tl.series.fromarray([[5, 6, 7]], index=["a", "b", "c"])
        >>> series.select(["c", "a"]).toarray()
        array([5, 7])
        """
        if self._index.ndim > 1:
            raise SpecError("the index has several levels: use select_by_index")
        if callable(crit):
            keep = _where(crit, self._index)
        else:
            wanted = np.atleast_1d(as_array(crit, "the values to select"))
            keep = np.isin(self._index, wanted)
            if np.any(wanted != wanted):  # NaN selects NaN
                keep |= self._index != self._index
        return self._selected(keep, f"no index value equals {crit!r}")

    def _selected(self, keep: NDArray[np.bool_], otherwise: str) -> Self:
        """Return the positions of a mask; SpecError for none."""
        if not keep.any():
            raise SpecError(f"{otherwise}: there are {indexing.shown(self._index)}")
        return self[..., np.flatnonzero(keep)]

    def between(self, left: Any, right: Any) -> Self:
        """Select the positions with index values from `left` to less than `right`.

        Examples
        --------
        >>> import thunderlike as tl
        >>> series = tl.series.fromarray([[5, 6, 7, 8]], index=[0, 10, 20, 30])
        >>> series.between(10, 30).toarray()
        array([6, 7])
        """
        if self._index.ndim > 1:
            raise SpecError("the index has several levels: use select_by_index")
        values = self._index.tolist()
        try:
            keep = np.array([bool(left <= value < right) for value in values], dtype=bool)
        except TypeError as error:
            raise WrongTypeError(
                f"between({left!r}, {right!r}) cannot be compared with the index values "
                f"{indexing.shown(self._index)}: {error}"
            ) from error
        return self._selected(keep, f"no index value is between {left!r} and {right!r}")

    def select_by_index(
        self,
        val: object,
        level: Ints = 0,
        squeeze: bool = False,
        filter: bool = False,
        return_mask: bool = False,
    ) -> Any:
        """Select positions by index values at one level or several.

        Parameters
        ----------
        val : value or list
            A value or a list of values at one level; a value or a list for each of several levels,
            and then positions are kept which have one of the values at every level.
        level : int or list of int
            Which levels, from 0.
        squeeze : bool
            Drop the levels for which a single value was given; without any other level, the index
            is ``0, 1, ...``. Not with `filter`.
        filter : bool
            Keep all other positions instead.
        return_mask : bool
            Return ``(series, mask)``, the mask of bool saying which positions were kept.

        Raises
        ------
        SpecError
            For a value that does not occur at its level, a level out of range, and when no
            position is selected.

        Examples
        --------
        >>> import thunderlike as tl
        >>> index = [("go", 1), ("go", 2), ("stop", 1), ("stop", 2)]
        >>> series = tl.series.fromarray([[5, 6, 7, 8]], index=index)
        >>> series.select_by_index("stop", squeeze=True).index
        array([1, 2], dtype=object)
        >>> series.select_by_index(["go", [1, 2]], level=[0, 1]).toarray()
        array([5, 6])
        """
        mask, fixed = indexing.selected(self._index, val, level)
        mask = ~mask if filter else mask
        if not mask.any():
            raise SpecError(f"no position is left when selecting {val!r} at level {level!r}")
        # With `filter` several values are left at each level.
        kept = indexing.without(self._index[mask], fixed if squeeze and not filter else [])
        found = self[..., np.flatnonzero(mask)]._indexed(kept)
        return (found, mask) if return_mask else found

    # shape of the keys

    def reshape(self, *shape: Ints) -> Self:
        """Reshape the keys; the length of the series is unchanged.

        Parameters
        ----------
        *shape : int
            New shape, as numbers or a tuple; the last must be `length`, one other may be -1.

        Raises
        ------
        SpecError
            For a shape of another size, or of another last axis.

        Notes
        -----
        Labels are reshaped as well. No data is moved.

        Examples
        --------
        >>> Series(np.zeros((4, 6, 10))).reshape(2, -1, 10).shape
        (2, 12, 10)
        """
        found = reshaped(self.shape, shape)
        if len(found) < 2 or found[-1] != self.length:
            raise SpecError(
                f"cannot reshape {self.shape} to {found}: the last axis, along a series, must stay "
                f"{self.length}"
            )
        labels = None if self._labels is None else self._labels.reshape(found[:-1])
        return self._changed(self._records, baseshape=found[:-1], labels=labels)

    def flatten(self) -> Self:
        """Flatten the keys to one axis, with the labels. No data is moved.

        Examples
        --------
        >>> Series(np.zeros((4, 6, 10))).flatten().shape
        (24, 10)
        """
        return self.reshape(self.count(), self.length)

    # signals

    def center(self, axis: int = 1) -> Self:
        """Subtract the mean: of each series (axis 1), or over all series at each position (axis 0).

        Returns
        -------
        Series
            float64, or float32 where the series are. A constant series becomes exactly 0.

        Notes
        -----
        Axis 0 runs a job for the mean now; axis 1 computes nothing until needed.

        Examples
        --------
        >>> import thunderlike as tl
        >>> series = tl.series.fromarray([[1, 2, 6], [3, 4, 4]])
        >>> series.center().toarray().round(3)
        array([[-2.   , -1.   ,  3.   ],
               [-0.667,  0.333,  0.333]])
        >>> series.center(axis=0).toarray()
        array([[-1., -1.,  1.],
               [ 1.,  1., -1.]])
        """
        if _within(axis):
            return self._stacked(kernels.center, compiled=self._compiled)
        return self._stacked(_shifted, by=self._moments().mean)

    def standardize(self, axis: int = 1) -> Self:
        """Divide by the standard deviation (of the population); as :meth:`center`.

        Constant series, or positions, become NaN.

        Examples
        --------
        >>> import thunderlike as tl
        >>> tl.series.fromarray([[1.0, 3.0], [2.0, 2.0]]).standardize().toarray()
        array([[ 1.,  3.],
               [nan, nan]])
        """
        if _within(axis):
            return self._stacked(kernels.standardize, compiled=self._compiled)
        return self._stacked(_scaled, by=self._moments().std)

    def zscore(self, axis: int = 1) -> Self:
        """Subtract the mean and divide by the standard deviation; as :meth:`center`.

        Constant series, or positions, become NaN.

        Examples
        --------
        >>> import thunderlike as tl
        >>> tl.series.fromarray([[1.0, 2.0, 3.0]]).zscore().toarray().round(3)
        array([-1.225,  0.   ,  1.225])
        """
        if _within(axis):
            return self._stacked(kernels.zscore, compiled=self._compiled)
        moments = self._moments()
        return self._stacked(_standardized, mean=moments.mean, std=moments.std)

    def _moments(self) -> Moments:
        """Compute the moments over all series, at each position: one job."""
        moments: Moments = reductions.aggregate(self, "moments", Moments, compiled=self._compiled)
        return moments

    def squelch(self, threshold: float) -> Self:
        """Set a whole series to 0 where its maximum is less than `threshold`.

        Examples
        --------
        >>> import thunderlike as tl
        >>> tl.series.fromarray([[1, 2, 1], [1, 5, 1]]).squelch(3).toarray()
        array([[0, 0, 0],
               [1, 5, 1]])
        """
        return self._stacked(kernels.squelch, threshold=threshold)

    def detrend(self, method: str = "linear", order: int = 5) -> Self:
        """Subtract a polynomial fitted to each series, except its constant term.

        Parameters
        ----------
        method : 'linear' or 'nonlinear'
            A line, or a polynomial of degree `order`.
        order : int
            Degree of the polynomial.

        Notes
        -----
        Least squares over positions ``0 .. length-1``; the value of the fit at position 0 is kept.

        Examples
        --------
        >>> import thunderlike as tl
        >>> tl.series.fromarray([[5, 7, 9, 11]]).detrend().toarray().round(6)
        array([5., 5., 5., 5.])
        """
        return self._stacked(kernels.detrend, method=method, order=order)

    def normalize(
        self,
        method: str = "percentile",
        window: int | None = None,
        perc: float = 20,
        offset: float = 0.1,
    ) -> Self:
        """Subtract a baseline and divide by it: dF/F of calcium imaging.

        Each value `y` becomes ``(y - b) / (b + offset)``.

        Parameters
        ----------
        method : 'percentile', 'mean', 'window' or 'window-exact'
            The baseline `b`: a percentile of the series, its mean, or a percentile of a window
            around each position (with repeated ends, or cut off there).
        window : int, optional
            Length of the window.
        perc : float
            Percentile of the baseline.
        offset : float
            Added to the baseline in the denominator, for baselines of zero.

        Examples
        --------
        >>> import thunderlike as tl
        >>> series = tl.series.fromarray([[2.0, 2.0, 4.0, 8.0]])
        >>> series.normalize("mean", offset=0).toarray()
        array([-0.5, -0.5,  0. ,  1. ])
        >>> series.normalize(perc=0, offset=0).toarray()
        array([0., 0., 1., 3.])
        """
        return self._stacked(
            kernels.normalize, method=method, window=window, perc=perc, offset=offset
        )

    def subsample(self, k: int = 2) -> Self:
        """Keep every `k`-th position, the first included, and its index.

        Examples
        --------
        >>> import thunderlike as tl
        >>> tl.series.fromarray([[5, 6, 7, 8, 9]]).subsample(2).toarray()
        array([5, 7, 9])
        """
        if not is_whole(k, 1):
            raise SpecError(f"cannot keep every {k!r}-th position: give a whole number from 1")
        return self[..., :: int(k)]

    def correlate(self, signal: ArrayLike | PathLike[str], var: str = "s") -> Self:
        """Pearson correlation of each series with a signal, or with several.

        Parameters
        ----------
        signal : array_like or path
            Of shape ``(length,)``, or ``(k, length)`` for `k` signals; or a MATLAB file
            (``.mat``).
        var : str
            Name of the variable in the MATLAB file.

        Returns
        -------
        Series
            Of length 1 or `k`; NaN where the series or the signal is constant.

        Raises
        ------
        SpecError
            When the signal has another length.
        FormatError
            When the file has no variable of that name.

        Notes
        -----
        One pass; one matrix product for each block of series.

        Examples
        --------
        >>> import thunderlike as tl
        >>> tl.series.fromarray([[1, 2, 3], [3, 2, 1]]).correlate([0, 1, 2]).toarray()
        array([ 1., -1.])
        """
        if isinstance(signal, str | PathLike):
            with naming(str(signal)):
                signal = hdf5.variable(storage.read(signal), var)
        given = as_array(signal, "the signal")
        correlated = self._stacked(
            kernels.correlate, signals=np.atleast_2d(given), compiled=self._compiled
        )
        return correlated._indexed([1] if given.ndim == 1 else np.arange(len(given)))

    def crosscorr(self, signal: ArrayLike, lag: int = 0) -> Self:
        """Correlation of each series with a signal, shifted to both sides.

        Parameters
        ----------
        signal : array_like, shape (length,)
        lag : int
            Largest shift.

        Returns
        -------
        Series
            Of length ``2 * lag + 1``, index ``-lag .. lag``: by how much the signal was shifted to
            the right, zeros moving in. Where the series or the signal is constant, 0.

        Raises
        ------
        SpecError
            For a signal of another length, or a lag that is not less than it.

        Examples
        --------
        >>> import thunderlike as tl
        >>> late = tl.series.fromarray([[0, 0, 0, 1, 2, 1, 0, 0, 0]])
        >>> late.crosscorr([0, 1, 2, 1, 0, 0, 0, 0, 0], lag=3).toarray().argmax() - 3
        np.int64(2)
        """
        correlated = self._stacked(
            kernels.crosscorr,
            signal=as_array(signal, "the signal"),
            lag=lag,
            compiled=self._compiled,
        )
        return correlated._indexed(np.arange(-int(lag), int(lag) + 1))

    def convolve(self, signal: ArrayLike, mode: str = "full") -> Self:
        """Convolve each series with a signal.

        Parameters
        ----------
        signal : array_like, shape (m,)
        mode : 'full', 'same' or 'valid'
            As in :func:`numpy.convolve`.

        Returns
        -------
        Series
            Of the length that :func:`numpy.convolve` gives, with the default index.

        Notes
        -----
        The dtype is that of numpy, except that integers have 64 bits.

        Examples
        --------
        >>> import thunderlike as tl
        >>> tl.series.fromarray([[1, 2, 3]]).convolve([0, 1, 0.5]).toarray()
        array([0. , 1. , 2.5, 4. , 1.5])
        """
        convolved = self._stacked(
            kernels.convolve, signal=as_array(signal, "the signal"), mode=mode
        )
        return convolved._indexed(None)

    def fourier(self, freq: int) -> Self:
        """Coherence and phase of each series at one frequency.

        Parameters
        ----------
        freq : int
            Cycles in a whole series, from 0 to less than ``length // 2``.

        Returns
        -------
        Series
            Of length 2, index ``['coherence', 'phase']``: the share that the amplitude at `freq`
            has in the root of the sum of squares of all, and the phase in radians from 0 to 2 pi,
            0 for a sine. A constant series has no coherence: NaN.

        Raises
        ------
        SpecError
            For another frequency.

        Examples
        --------
        >>> import thunderlike as tl
        >>> wave = np.sin(2 * np.pi * 3 * np.arange(60) / 60 - 1)
        >>> tl.series.fromarray(wave).fourier(3).toarray().round(3)
        array([1., 1.])
        """
        found = self._stacked(kernels.fourier, freq=freq, compiled=self._compiled)
        return found._indexed(["coherence", "phase"])

    # models of each series

    def regress(self, X: Any, **options: Any) -> Any:
        """Fit a linear model to each series, with t, F and R squared.

        Parameters
        ----------
        X : array_like, shape (length, p), or mapping
            Regressors in columns, or arrays by name.
        **options
            Of :class:`thunderlike.regression.LinearRegression`, such as ``cv=5`` or
            ``prewhiten='ar1'``.

        Returns
        -------
        thunderlike.regression.LinearModel
            With maps ``betas``, ``tvalues``, ``rsquared`` and others.

        Raises
        ------
        SpecError
            For regressors of another length, or with NaN.

        Notes
        -----
        One pass, lazy where the engine is.

        Examples
        --------
        >>> import thunderlike as tl
        >>> model = tl.series.fromarray([[1, 3, 5, 8]]).regress({"speed": [0, 1, 2, 3]})
        >>> model.betas.toarray().round(2), float(model.rsquared.toarray().round(3))
        (array([0.8, 2.3]), 0.989)
        """
        return resolve("thunderlike.regression:LinearRegression")(**options).fit(X, self)

    def tuning(
        self,
        stimulus: ArrayLike,
        bins: int | ArrayLike | None = None,
        circular: bool | float = False,
        **options: Any,
    ) -> Any:
        """Compute the tuning curve of each series to a stimulus.

        Parameters
        ----------
        stimulus : array_like, shape (length,)
            Value at each position; NaN where there was none.
        bins : int, sequence of float or None
            Number of bins, or their edges; None takes each distinct value as a bin.
        circular : bool or float
            The period of a circular stimulus; True means 2 pi. Values are taken modulo the
            period, from the first of given edges.
        **options
            Of :class:`thunderlike.regression.TuningCurves`, such as ``n_permutations=200``.

        Returns
        -------
        thunderlike.regression.TuningModel
            With maps ``curve``, ``preferred``, ``width``, ``pvalues`` and others.

        Raises
        ------
        SpecError
            For a stimulus of another length, bins that do not increase, or edges that span more
            than the period.

        Notes
        -----
        One pass, lazy where the engine is.

        Examples
        --------
        >>> import thunderlike as tl
        >>> tuning = tl.series.fromarray([[1, 5, 1, 1, 7, 2]]).tuning([0, 1, 2, 0, 1, 2])
        >>> tuning.curve.toarray(), float(tuning.preferred.toarray().round(2))
        (array([1. , 6. , 1.5]), 1.09)
        """
        curves = resolve("thunderlike.regression:TuningCurves")
        return curves(stimulus, bins, circular, **options).fit(self)

    # statistics of each series

    def series_stat(self, stat: str) -> Self:
        """One statistic of each series.

        Parameters
        ----------
        stat : 'sum', 'mean', 'median', 'stdev', 'max', 'min' or 'count'
            In any case. 'count' is the length.

        Returns
        -------
        Series
            Of length 1; its index is the name of the statistic. 'max' and 'min' keep the dtype,
            'sum' has the one in which numpy adds it up, 'count' int64, any other float64, or
            float32 where the series are. NaN propagates.

        Raises
        ------
        SpecError
            For an unknown statistic.

        Examples
        --------
        >>> import thunderlike as tl
        >>> tl.series.fromarray([[1, 2, 6], [0, 0, 3]]).series_stat("mean").toarray()
        array([3., 1.])
        """
        return self._reduced(_all_positions(self.length), stat)._indexed([str(stat).lower()])

    def series_max(self) -> Self:
        """Maximum of each series; as :meth:`series_stat`.

        Examples
        --------
        >>> import thunderlike as tl
        >>> tl.series.fromarray([[1, 2, 6], [0, 3, 3]]).series_max().toarray()
        array([6, 3])
        """
        return self.series_stat("max")

    def series_min(self) -> Self:
        """Minimum of each series; as :meth:`series_stat`.

        Examples
        --------
        >>> import thunderlike as tl
        >>> tl.series.fromarray([[1, 2, 6], [0, 3, 3]]).series_min().toarray()
        array([1, 0])
        """
        return self.series_stat("min")

    def series_sum(self) -> Self:
        """Sum of each series; as :meth:`series_stat`.

        Examples
        --------
        >>> import thunderlike as tl
        >>> tl.series.fromarray([[1, 2, 6], [0, 3, 3]]).series_sum().toarray()
        array([9, 6])
        """
        return self.series_stat("sum")

    def series_mean(self) -> Self:
        """Mean of each series; as :meth:`series_stat`.

        Examples
        --------
        >>> import thunderlike as tl
        >>> tl.series.fromarray([[1, 2, 6], [0, 3, 3]]).series_mean().toarray()
        array([3., 2.])
        """
        return self.series_stat("mean")

    def series_median(self) -> Self:
        """Median of each series; as :meth:`series_stat`.

        Examples
        --------
        >>> import thunderlike as tl
        >>> tl.series.fromarray([[1, 2, 6], [0, 3, 3]]).series_median().toarray()
        array([2., 3.])
        """
        return self.series_stat("median")

    def series_std(self) -> Self:
        """Standard deviation of each series (of the population); as :meth:`series_stat`.

        Examples
        --------
        >>> import thunderlike as tl
        >>> tl.series.fromarray([[1, 5, 1, 5]]).series_std().toarray()
        array(2.)
        """
        return self.series_stat("stdev")

    def series_percentile(self, q: float) -> Self:
        """Percentile of each series, interpolated.

        Parameters
        ----------
        q : float
            From 0 to 100.

        Returns
        -------
        Series
            Of length 1, index ``['percentile']``; float64, or float32 where the series are.

        Examples
        --------
        >>> import thunderlike as tl
        >>> tl.series.fromarray([[1, 2, 3, 4, 9]]).series_percentile(25).toarray()
        array(2.)
        """
        return self._stacked(groupby.percentile, q=q)._indexed(["percentile"])

    def series_stats(self) -> Self:
        """Five statistics of each series, float64; index count, mean, stdev, max, min.

        Examples
        --------
        >>> import thunderlike as tl
        >>> tl.series.fromarray([[1, 3]]).series_stats().toarray()
        array([2., 2., 1., 3., 1.])
        """
        found = self._stacked(groupby.summary, groups=_all_positions(self.length))
        return found._indexed(["count", "mean", "stdev", "max", "min"])

    def _reduced(self, groups: Groups, stat: str) -> Self:
        return self._stacked(groupby.statistic, groups=groups, stat=stat)

    # panels and windows

    def downsample(self, k: int = 2) -> Self:
        """Average every `k` positions; a remainder at the end is dropped.

        Returns
        -------
        Series
            Of length ``length // k``, with the default index.

        Examples
        --------
        >>> import thunderlike as tl
        >>> tl.series.fromarray([[1, 3, 5, 7, 100]]).downsample(2).toarray()
        array([2., 6.])
        """
        if not is_whole(k, 1):
            raise SpecError(f"cannot average every {k!r} positions: give a whole number from 1")
        whole = self.length // int(k) * int(k)
        groups = Groups.equal(np.arange(whole).reshape(-1, int(k)))
        return self._reduced(groups, "mean")._indexed(None)

    def mean_by_panel(self, length: int) -> Self:
        """Mean over panels: the series is cut into parts of one length, which are averaged.

        Parameters
        ----------
        length : int
            Of a panel; must divide that of the series, and be less.

        Returns
        -------
        Series
            Of that length, with the default index.

        Raises
        ------
        SpecError
            For another length.

        Examples
        --------
        >>> import thunderlike as tl
        >>> tl.series.fromarray([[1, 2, 3, 5, 6, 10]]).mean_by_panel(3).toarray()
        array([3. , 4. , 6.5])
        """
        if not is_whole(length, 1, self.length) or self.length % length:
            raise SpecError(
                f"panels of length {length!r} do not fit series of length {self.length}: give a "
                "whole number that divides it, and is less"
            )
        # A row for each panel; its transpose has a group for each position in a panel.
        panels = np.arange(self.length).reshape(-1, int(length))
        return self._reduced(Groups.equal(panels.T), "mean")._indexed(None)

    def mean_by_window(self, indices: object, window: int) -> Self:
        """Mean over windows around some positions: an average aligned to events.

        Parameters
        ----------
        indices : value or sequence
            Index values of the centres.
        window : int
            Length of a window: ``window // 2`` positions before the centre, the others from it on.

        Returns
        -------
        Series
            Of that length, with the default index.

        Raises
        ------
        SpecError
            When an index value does not occur, or a window reaches over an end.

        Examples
        --------
        >>> import thunderlike as tl
        >>> tl.series.fromarray([[0, 1, 5, 0, 0, 3, 9, 0]]).mean_by_window([2, 6], 3).toarray()
        array([2., 7., 0.])
        """
        if not is_whole(window, 1):
            raise SpecError(f"invalid window={window!r}: give a whole number from 1")
        firsts = self._positions(indices) - int(window) // 2
        if firsts.min() < 0 or firsts.max() + window > self.length:
            raise SpecError(
                f"a window of {window} around {indices!r} reaches over the ends of series of "
                f"length {self.length}"
            )
        windows = firsts + np.arange(int(window))[:, np.newaxis]
        return self._reduced(Groups.equal(windows), "mean")._indexed(None)

    def _positions(self, values: Any) -> Array:
        """Return the first position of each index value."""
        each = [values] if np.ndim(values) == 0 else list(values)
        found = [np.flatnonzero(indexing.selected(self._index, [v], 0)[0])[0] for v in each]
        if not found:
            raise SpecError("no index value was given: give at least one")
        return np.array(found)

    # groups of positions with equal index values

    def stat_by_index(self, stat: str, level: Ints = 0) -> Self:
        """One statistic of the values that share an index value.

        Parameters
        ----------
        stat : str
            As in :meth:`series_stat`.
        level : int or list of int
            Levels of the index that must be equal, from 0.

        Returns
        -------
        Series
            One value for each index value (or combination of them) that occurs; these, sorted, are
            its index, flat for one level. The dtype is as in :meth:`series_stat`.

        Raises
        ------
        SpecError
            For an unknown statistic, or a level out of range.

        Notes
        -----
        One pass over the series.

        Examples
        --------
        >>> import thunderlike as tl
        >>> series = tl.series.fromarray([[1, 2, 3, 10]], index=["b", "a", "b", "a"])
        >>> series.stat_by_index("sum").toarray()
        array([12,  4])
        >>> series.stat_by_index("sum").index
        array(['a', 'b'], dtype='<U1')
        """
        keys, numbers = indexing.grouped(self._index, level)
        return self._reduced(Groups.numbered(numbers), stat)._indexed(keys)

    def sum_by_index(self, level: Ints = 0) -> Self:
        """Sum of the values that share an index value; as :meth:`stat_by_index`.

        Examples
        --------
        >>> import thunderlike as tl
        >>> index = [("go", 1), ("go", 2), ("stop", 1), ("stop", 2)]
        >>> series = tl.series.fromarray([[1, 2, 3, 10]], index=index)
        >>> series.sum_by_index().toarray(), series.sum_by_index(level=1).toarray()
        (array([ 3, 13]), array([ 4, 12]))
        """
        return self.stat_by_index("sum", level)

    def mean_by_index(self, level: Ints = 0) -> Self:
        """Mean of the values that share an index value; as :meth:`stat_by_index`.

        Examples
        --------
        >>> import thunderlike as tl
        >>> series = tl.series.fromarray([[1, 2, 3, 10]], index=["go", "go", "stop", "stop"])
        >>> series.mean_by_index().toarray()
        array([1.5, 6.5])
        """
        return self.stat_by_index("mean", level)

    def median_by_index(self, level: Ints = 0) -> Self:
        """Median of the values that share an index value; as :meth:`stat_by_index`.

        Examples
        --------
        >>> import thunderlike as tl
        >>> series = tl.series.fromarray([[1, 2, 9, 4]], index=["go", "go", "go", "stop"])
        >>> series.median_by_index().toarray()
        array([2., 4.])
        """
        return self.stat_by_index("median", level)

    def std_by_index(self, level: Ints = 0) -> Self:
        """Standard deviation of the values that share an index value; as :meth:`stat_by_index`.

        Examples
        --------
        >>> import thunderlike as tl
        >>> series = tl.series.fromarray([[1, 5, 3, 3]], index=["go", "go", "stop", "stop"])
        >>> series.std_by_index().toarray()
        array([2., 0.])
        """
        return self.stat_by_index("stdev", level)

    def max_by_index(self, level: Ints = 0) -> Self:
        """Maximum of the values that share an index value; as :meth:`stat_by_index`.

        Examples
        --------
        >>> import thunderlike as tl
        >>> series = tl.series.fromarray([[1, 2, 3, 10]], index=["go", "stop", "go", "stop"])
        >>> series.max_by_index().toarray()
        array([ 3, 10])
        """
        return self.stat_by_index("max", level)

    def min_by_index(self, level: Ints = 0) -> Self:
        """Minimum of the values that share an index value; as :meth:`stat_by_index`.

        Examples
        --------
        >>> import thunderlike as tl
        >>> series = tl.series.fromarray([[1, 2, 3, 10]], index=["go", "stop", "go", "stop"])
        >>> series.min_by_index().toarray()
        array([1, 2])
        """
        return self.stat_by_index("min", level)

    def count_by_index(self, level: Ints = 0) -> Self:
        """Number of values that share an index value; as :meth:`stat_by_index`.

        Examples
        --------
        >>> import thunderlike as tl
        >>> series = tl.series.fromarray([[1, 2, 3, 10]], index=["go", "stop", "go", "go"])
        >>> series.count_by_index().toarray(), series.count_by_index().index
        (array([3, 1]), array(['go', 'stop'], dtype='<U4'))
        """
        return self.stat_by_index("count", level)

    def aggregate_by_index(self, function: Callable[[Array], Any], level: Ints = 0) -> Self:
        """Apply a function to the values that share an index value.

        Parameters
        ----------
        function : callable
            From an array, of the values of one series that share an index value, to a scalar.
        level : int or list of int
            Levels of the index that must be equal, from 0.

        Returns
        -------
        Series
            As that of :meth:`stat_by_index`.

        Raises
        ------
        WorkerFailedError
            When the function raises: with the key of the series and the traceback.
        WrongTypeError
            For results without a common dtype, as a number and a text, and for masked arrays.

        Notes
        -----
        The function is called for each series and group; the first series gives the dtype.

        Examples
        --------
        >>> import thunderlike as tl
        >>> series = tl.series.fromarray([[1, 2, 3, 10]], index=["b", "a", "b", "a"])
        >>> series.aggregate_by_index(np.ptp).toarray()
        array([8, 2])
        """
        keys, numbers = indexing.grouped(self._index, level)
        return self.map(_each_group(function, Groups.numbered(numbers)), index=keys)

    # matrix products

    def gramian(self) -> Self:
        """Sum over the series of the outer product of each with itself.

        Returns
        -------
        Series
            Local, float64, of shape ``(length, length)``.

        Raises
        ------
        SpecError
            When there is no series.

        Notes
        -----
        One pass; one matrix product for each block of series. On Spark each task returns a matrix.

        Examples
        --------
        >>> Series(np.array([[1, 2], [3, 4]])).gramian().toarray()
        array([[10., 14.],
               [14., 20.]])
        """
        reductions.check_not_empty(self, "gramian")
        products: Array = reductions.merged(self, linalg.gramian, np.add, 8 * self.length**2)
        return self._square(products)

    def cov(self) -> Self:
        """Covariance of positions over the series, divided by their number less 1.

        Returns
        -------
        Series
            Local, float64, of shape ``(length, length)``; NaN for a single series.

        Raises
        ------
        SpecError
            When there is no series.

        Notes
        -----
        As :func:`numpy.cov` with ``rowvar=False``. One pass; as :meth:`gramian`.

        Examples
        --------
        >>> Series(np.array([[1, 2], [2, 4], [3, 6]])).cov().toarray()
        array([[1., 2.],
               [2., 4.]])
        """
        return self._square(reductions.aggregate(self, "cov", Comoments, 8 * self.length**2).cov)

    def _square(self, matrix: Array) -> Self:
        """Return the rows of a square matrix as local series."""
        records = local().load(ArraySource(matrix))
        return self._changed(records, baseshape=(self.length,), labels=None, index=self._index)

    def times(self, other: ArrayLike) -> Self:
        """Multiply each series with a matrix, or a number.

        Parameters
        ----------
        other : number, array_like or Series
            A number; a vector of shape ``(length,)``, taken as a column; a matrix of shape
            ``(length, k)``, or local series of that shape.

        Returns
        -------
        Series
            Of length `k`, with the default index; unchanged in shape for a number.

        Raises
        ------
        SpecError
            When `other` has another shape.
        NotOnEngineError
            When `other` is a Series that is not in memory.

        Notes
        -----
        One pass; one matrix product for each block. The dtype is numpy's, but integers get 64 bits.

        Examples
        --------
        >>> Series(np.array([[1, 2], [3, 4]])).times([10, 1]).toarray()
        array([12, 34])
        """
        matrix = _matrix(other)
        if matrix.ndim == 0:
            scaled: Self = self * other
            return scaled
        if matrix.ndim != 2 or len(matrix) != self.length:
            raise SpecError(
                f"shapes {self.shape} and {np.shape(other)} are not aligned: give a matrix of "
                f"shape ({self.length}, k)"
            )
        return self._stacked(linalg.times, matrix=matrix)._indexed(None)

    # plots

    def plot(
        self,
        which: object = None,
        ax: Axes | None = None,
        *,
        plane: int | str = "max",
        vmin: float | None = None,
        vmax: float | None = None,
        cmap: str | None = None,
    ) -> Axes:
        """Draw some series as lines, or a map of one value a pixel as a picture.

        Parameters
        ----------
        which : int, tuple of int, or a list of them, optional
            The number of a series in key order, or its key; of several, one line each. By default
            the mean of all; of series of one value, as `correlate` gives, the map of all.
        ax : matplotlib Axes, optional
            Axes to draw on; by default of a new figure.
        plane, vmin, vmax, cmap
            Of a map, as in :meth:`Images.plot`. The colours are red and blue around 0 if there are
            values on both sides of it; NaN is grey.

        Returns
        -------
        matplotlib.axes.Axes

        Raises
        ------
        BadIndexError
            For a series out of range.
        MissingExtraError
            Without matplotlib.

        Notes
        -----
        On Spark one job, which computes these series, or goes over all.

        Examples
        --------
        >>> import thunderlike as tl
        >>> series = tl.images.fromrandom((20, 8, 8)).toseries()
        >>> len(series.plot([(0, 0), (3, 4)]).lines)
        2
        >>> series.correlate(range(20)).plot().get_title()
        'map of 8 x 8 series'
        """
        return plotting.plot_series(self, which, ax, plane=plane, limits=(vmin, vmax), cmap=cmap)

    def heatmap(self, ax: Axes | None = None, *, cmap: str | None = None) -> Axes:
        """Draw all series as rows of colours, the first at the top.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Axes to draw on; by default of a new figure.
        cmap : str, optional
            matplotlib's name for colours; by default red and blue if there are values on both sides
            of 0.

        Returns
        -------
        matplotlib.axes.Axes

        Notes
        -----
        Colours end at the 0.5th and 99.5th percentile, as the bar says. Of more than four million
        values one in so many series is drawn, as the title says. On Spark one job.

        Examples
        --------
        >>> import thunderlike as tl
        >>> tl.series.fromrandom((50, 20)).heatmap().get_title()
        '50 series'
        """
        return plotting.heatmap(self, ax, cmap=cmap)

    def _thumbnail(self) -> str:
        return plotting.series_thumbnail(self)

    # conversion and files

    def toimages(self, chunk_size: Ints | str = "auto") -> Images:
        """Turn the series of pixels into a movie: the inverse of ``images.toseries()``.

        Parameters
        ----------
        chunk_size : 'auto', int, tuple of int or str
            As in ``images.toseries``.

        Returns
        -------
        Images
            Of shape ``(length, *baseshape)``. Labelled by the index, unless that only counts.

        Notes
        -----
        On Spark one shuffle of all values.

        Examples
        --------
        >>> movie = Series(np.arange(6).reshape(1, 2, 3), index=["a", "b", "c"]).toimages()
        >>> movie.shape
        (3, 1, 2)
        >>> movie.toarray()
        array([[0, 3],
               [1, 4],
               [2, 5]])
        >>> movie.labels
        array(['a', 'b', 'c'], dtype='<U1')
        """
        # Imported here: images and series turn into each other.
        from thunderlike.data.images import Images

        frames = Spec(self.length, self.baseshape, self.dtype)
        exchange = Transpose(self._records.spec, self.baseshape)
        records = self._records.regroup(exchange, block_bytes(chunk_size, frames))
        # An index that only counts says nothing that the numbers of the images do not.
        counts = indexing.counts_only(self._index)
        labels = None if counts else indexing.as_labels(self._index)
        return Images(records, labels=labels, attrs=self.attrs)

    def totimeseries(self) -> Self:
        """The series, which are time series already."""
        return self

    def topandas(self) -> Any:
        """Return a DataFrame with a row for each series; pandas must be installed.

        Returns
        -------
        pandas.DataFrame
            The columns are the index, the rows are the keys: ``key0``, ``key1``, ... for each axis
            and, where there are labels, ``label``. Several levels make a MultiIndex.

        Raises
        ------
        MissingExtraError
            Without pandas.

        Notes
        -----
        On Spark, one job; all values come to the driver. The values are copied.

        Examples
        --------
        >>> series = Series(np.array([[1, 2], [3, 4]]), index=["on", "off"])
        >>> series.topandas()
              on  off
        key0
        0      1    2
        1      3    4
        """
        return export.topandas(self)

    def tonwb(
        self,
        path: AnyPath,
        name: str = "series",
        *,
        rate: float | None = None,
        unit: str = "a.u.",
        description: str = "",
        session_start_time: datetime | None = None,
        nwbfile: object = None,
        rois: object = None,
        overwrite: bool = False,
        credentials: AnyCredentials = None,
    ) -> None:
        """Write an NWB file with the series in it, time first, as others read it.

        Parameters
        ----------
        path : path
            The file; folders above it are made.
        name : str
            Name of the series in the file.
        rate : float, optional
            Positions a second. By default ``frame_times`` or ``frame_interval`` of `attrs`.
        unit, description : str
            Of the values: ``'a.u.'`` is NWB's word for fluorescence.
        session_start_time : datetime, optional
            With a time zone; needed without `nwbfile`.
        nwbfile : pynwb.NWBFile, optional
            Further content of the file: devices, subject, planes. The series are added to it.
        rois : pynwb DynamicTableRegion, optional
            Regions of `nwbfile`. With them the series are written as a RoiResponseSeries of the
            module ``ophys``, else as a TimeSeries of the acquisition.
        overwrite : bool
            Replace an existing HDF5 file.
        credentials : dict, optional
            As in `tonpy`.

        Raises
        ------
        SpecError
            Without a rate, or the start of the session.
        ExistsError
            When the target exists.
        MissingExtraError
            Without pynwb: ``pip install 'thunderlike[nwb]'``.

        Notes
        -----
        One pass, a few blocks of frames in memory at a time; on Spark, one shuffle before. The file
        appears whole or not at all.

        Examples
        --------
        >>> import datetime
        >>> import thunderlike as tl
        >>> from thunderlike import storage
        >>> traces = tl.series.fromrandom((3, 50))
        >>> start = datetime.datetime(2026, 5, 4, 10, tzinfo=datetime.UTC)
        >>> traces.tonwb("memory://run/cells.nwb", rate=30, session_start_time=start)
        >>> tl.series.fromnwb("memory://run/cells.nwb").shape
        (3, 50)
        >>> storage.delete("memory://run")
        """
        options = {"name": name, "unit": unit, "description": description, "rois": rois}
        options |= {"nwbfile": nwbfile, "session_start_time": session_start_time}
        # NWB has time first.
        frames = self.toimages()._records
        export.tonwb(
            self, frames, path, options, rate, overwrite=overwrite, credentials=credentials
        )

    def tobinary(
        self,
        path: AnyPath,
        prefix: str = "series",
        overwrite: bool = False,
        credentials: AnyCredentials = None,
    ) -> None:
        """Write flat binary files, and a ``conf.json`` that describes them.

        Parameters
        ----------
        path : path
            A folder, created if needed; it must be empty or absent.
        prefix : str
            Files are called ``prefix-00000-00000.bin`` by the key of their first series.
        overwrite : bool
            Replace the output of an earlier call.
        credentials : dict, optional
            Credentials of a bucket, ``{'access': ..., 'secret': ...}``, and further parameters of
            :class:`~thunderlike.storage.s3.S3Store`. By default those that boto3 finds.

        Raises
        ------
        ExistsError
            When the folder is not empty.
        StorageError
            With `overwrite`, when it contains files of any other origin.

        Notes
        -----
        One pass, a block in memory at a time: one file for each partition on Spark, one locally.
        Each is written whole or not at all, an empty file ``SUCCESS`` comes last.

        Examples
        --------
        >>> import thunderlike as tl
        >>> Series(np.arange(6).reshape(2, 3)).tobinary("memory://doc-series-bin")
        >>> tl.series.frombinary("memory://doc-series-bin").toarray()
        array([[0, 1, 2],
               [3, 4, 5]])
        """
        writers.series_to_binary(self, at(path, credentials), prefix, overwrite=overwrite)

    def totext(
        self,
        path: AnyPath,
        prefix: str = "series",
        overwrite: bool = False,
        credentials: AnyCredentials = None,
    ) -> None:
        """Write text files, a series on each line; else as `tobinary`.

        Each number is written in the shortest form that reads back as the same.

        Examples
        --------
        >>> from thunderlike import storage
        >>> Series(np.array([[1.5, 2], [0.1, 4]])).totext("memory://doc-series-text")
        >>> storage.read("memory://doc-series-text/series-00000.txt").splitlines()
        [b'1.5 2.0', b'0.1 4.0']
        """
        writers.series_to_text(self, at(path, credentials), prefix, overwrite=overwrite)


def _matrix(other: object) -> Array:
    """Return the factor of a matrix product as an array; a vector becomes a column."""
    if isinstance(other, Series):
        if other.engine.lazy and not other._records.in_memory:
            raise NotOnEngineError(
                f"the second factor must be in memory, not on the {other.mode} engine: call "
                ".tolocal() on it"
            )
        return other.toarray(squeeze=False)
    array = as_array(other, "the factors")
    return array[:, np.newaxis] if array.ndim == 1 else array


def _within(axis: int) -> bool:
    """Return True for axis 1, along each series, and False for axis 0, across series."""
    if axis not in (0, 1):
        raise SpecError(f"axis must be 0 (across series) or 1 (within each), not {axis!r}")
    return axis == 1


def _shifted(block: Array, by: Array) -> Array:
    # Moments are float64; float32 series stay float32.
    return (block - by).astype(kernels.result_dtype(block.dtype), copy=False)


def _scaled(block: Array, by: Array) -> Array:
    with np.errstate(all="ignore"):  # constant values become nan
        scaled = block / np.where(by == 0, np.nan, by)
    return scaled.astype(kernels.result_dtype(block.dtype), copy=False)


def _standardized(block: Array, mean: Array, std: Array) -> Array:
    return _scaled(_shifted(block, mean), std)


def _all_positions(length: int) -> Groups:
    return Groups.equal(np.arange(length)[np.newaxis])


def _each_group(function: Callable[[Array], Any], groups: Groups) -> Callable[[Array], Array]:
    """Return a function of a series that calls the user's function for each group of positions."""

    def call(series: Array) -> Array:
        runs = np.split(series[groups.order], groups.starts[1:])
        results = [function(run) for run in runs]
        array = as_array(results, "the results")
        kinds = {getattr(result, "dtype", type(result)) for result in results}
        if len(kinds) > 1 or int in kinds:  # numpy makes text or floats of some mixtures
            for number, result in enumerate(results):
                if same_values(np.asarray(result), array.dtype) is None:
                    raise WrongTypeError(
                        f"the result of group {number}, {result!r}, does not fit in "
                        f"{array.dtype}, the dtype of all groups: return one type for all"
                    )
        return array

    call.__name__ = name_of(function)  # errors name the user's function
    return call


def _where(criterion: Callable[[Any], Any], index: Array) -> NDArray[np.bool_]:
    """Return the positions at whose index value a user's function is true, as a mask."""
    try:
        return np.array([bool(criterion(value)) for value in index.tolist()], dtype=bool)
    except ThunderlikeError:
        raise
    except (Exception, SystemExit) as error:
        raise raised_by(criterion, error) from error
