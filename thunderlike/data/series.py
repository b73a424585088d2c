"""Series: records keyed by where they were taken, each a sequence of values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np

from thunderlike.data.base import Collection, records_of
from thunderlike.data.chunks import block_bytes
from thunderlike.engines.base import Spec
from thunderlike.engines.exchange import Transpose
from thunderlike.errors import SpecError
from thunderlike.kernels import series as kernels
from thunderlike.kernels.moments import Moments

if TYPE_CHECKING:
    from collections.abc import Callable

    from thunderlike.data.images import Images
    from thunderlike.engines.base import Array, Records

__all__ = ["Series"]

Shape = tuple[int, ...]


class Series(Collection):
    """Sequences of one length and dtype; the last axis is the record, all others are keys.

    Parameters
    ----------
    values : array_like or Records
        An array of shape ``(*baseshape, length)``. Most people call ``tl.series.fromarray(array)``
        or ``images.toseries()``.
    index : sequence, optional
        What each position in a series is called, of that length; a sequence of sequences has
        several levels. By default ``0 .. length-1``.
    labels : array_like, optional
        What each series is called, of shape `baseshape`.
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

    def __init__(
        self, values: Any, index: Any = None, labels: Any = None, baseshape: Shape | None = None
    ) -> None:
        records = records_of(values, 1)
        if baseshape is None:
            baseshape = np.shape(values)[:-1] or (records.spec.count,)
        super().__init__(records, baseshape, labels)
        self.index = index

    def _changed(self, records: Records, **changes: Any) -> Self:
        kept = self._index if records.spec.shape == self.value_shape else None
        return type(self)(
            records,
            index=changes.get("index", kept),
            labels=changes.get("labels", self._labels),
            baseshape=changes.get("baseshape", self._baseshape),
        )

    @property
    def length(self) -> int:
        """Number of values in each series."""
        return self.value_shape[0]

    @property
    def index(self) -> Array:
        """What each position in a series is called: an array of length `length`."""
        return self._index

    @index.setter
    def index(self, index: Any) -> None:
        values = np.arange(self.length) if index is None else np.atleast_1d(np.asarray(index))
        if len(values) != self.length:
            raise SpecError(
                f"the index has {len(values)} entries, the series {self.length}: "
                "give one for each position"
            )
        self._index = values

    # records to records

    def map(  # type: ignore[override]  # Thunder has the index second
        self,
        func: Callable[[Any], Any],
        index: Any = None,
        value_shape: Shape | int | None = None,
        dtype: Any = None,
        *,
        with_keys: bool = False,
    ) -> Self:
        """Apply a function to each series; as :meth:`Collection.map`.

        Parameters
        ----------
        func : callable
            From an array of length `length` to an array, all of one length, or a scalar.
        index : sequence, optional
            Index of the results, whose length it tells; by default kept where the length is.
        value_shape, dtype, with_keys
            As in :meth:`Collection.map`.
        """
        if index is not None and value_shape is None:
            value_shape = len(index)
        records = self._mapped(func, value_shape, dtype, with_keys=with_keys)
        return self._changed(records, **({} if index is None else {"index": index}))

    def _cut(self, values: list[Any]) -> Self:
        """The chosen positions of each series, and of the index."""
        part = super()._cut(values)
        return part if part is self else part._indexed(self._index[values[0]])

    def _indexed(self, index: Any) -> Self:
        return self._changed(self._records, index=index)

    def select(self, crit: Any) -> Self:
        """Keep the positions whose index is as asked, in the order of the index.

        Parameters
        ----------
        crit : callable, value or list of values
            A function of an index value that says whether to keep it, or what to keep.

        Raises
        ------
        SpecError
            When nothing is left, or the index has several levels.

        Examples
        --------
        >>> Series(np.array([[5, 6, 7]]), index=["a", "b", "c"]).select(["c", "a"]).toarray()
        array([5, 7])
        """
        if self._index.ndim > 1:
            raise SpecError("the index has several levels: use select_by_index")
        if callable(crit):
            keep = np.array([bool(crit(value)) for value in self._index.tolist()], dtype=bool)
        else:
            keep = np.isin(self._index, np.atleast_1d(np.asarray(crit)))
        if not keep.any():
            raise SpecError(f"no index value is {crit!r}: there are {_shown(self._index)}")
        return self[..., np.flatnonzero(keep)]

    def between(self, left: Any, right: Any) -> Self:
        """Keep the positions whose index is at least `left` and less than `right`."""
        return self.select(lambda value: left <= value < right)

    # each series by itself

    def center(self, axis: int = 1) -> Self:
        """Subtract the mean: of each series (axis 1), or over all series at each position (axis 0).

        Returns
        -------
        Series
            float64, or float32 where the series are. A constant series becomes exactly 0.

        Notes
        -----
        Axis 0 runs a job for the mean now; axis 1 computes nothing until needed.
        """
        if _within(axis):
            return self._stacked(kernels.center)
        return self._stacked(_shifted, by=self._moments().mean)

    def standardize(self, axis: int = 1) -> Self:
        """Divide by the standard deviation (of the population); as :meth:`center`.

        What is constant has none, and becomes NaN.
        """
        if _within(axis):
            return self._stacked(kernels.standardize)
        return self._stacked(_scaled, by=self._moments().std)

    def zscore(self, axis: int = 1) -> Self:
        """Subtract the mean and divide by the standard deviation; as :meth:`center`.

        What is constant has none, and becomes NaN.

        Examples
        --------
        >>> Series(np.array([[1.0, 2.0, 3.0]])).zscore().toarray().round(3)
        array([-1.225,  0.   ,  1.225])
        """
        if _within(axis):
            return self._stacked(kernels.zscore)
        moments = self._moments()
        return self._stacked(_standardized, mean=moments.mean, std=moments.std)

    def squelch(self, threshold: float) -> Self:
        """Set a whole series to 0 where its maximum is less than `threshold`."""
        return self._stacked(kernels.squelch, threshold=threshold)

    def detrend(self, method: str = "linear", order: int = 5) -> Self:
        """Subtract a polynomial fitted to each series, but for its constant term.

        Parameters
        ----------
        method : 'linear' or 'nonlinear'
            A line, or a polynomial of degree `order`.
        order : int
            That degree.

        Notes
        -----
        Least squares over positions ``0 .. length-1``; the value of the fit at position 0 is kept.
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
            Which percentile.
        offset : float
            Keeps a baseline of zero from dividing.
        """
        return self._stacked(
            kernels.normalize, method=method, window=window, perc=perc, offset=offset
        )

    def correlate(self, signal: Any) -> Self:
        """Pearson correlation of each series with a signal, or with several.

        Parameters
        ----------
        signal : array_like
            Of shape ``(length,)``, or ``(k, length)`` for `k` signals.

        Returns
        -------
        Series
            Of length 1 or `k`; NaN where the series or the signal is constant.

        Raises
        ------
        SpecError
            When the signal has another length.

        Notes
        -----
        One pass; one matrix product for each block of series.

        Examples
        --------
        >>> Series(np.array([[1, 2, 3], [3, 2, 1]])).correlate([0, 1, 2]).toarray()
        array([ 1., -1.])
        """
        signals = np.asarray(signal, dtype=np.float64)
        correlated = self._stacked(kernels.correlate, signals=np.atleast_2d(signals))
        return correlated._indexed([1] if signals.ndim == 1 else np.arange(len(signals)))

    def _moments(self) -> Moments:
        """Moments over all series, at each position. One job."""
        return self._folded("moments", Moments)

    # to images

    def toimages(self, chunk_size: Any = "auto") -> Images:
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
        """
        frames = Spec(self.length, self.baseshape, self.dtype)
        exchange = Transpose(self._records.spec, self.baseshape)
        records = self._records.regroup(exchange, block_bytes(chunk_size, frames))
        counts = np.array_equal(self._index, np.arange(self.length))
        return self.kinds["Images"](records, labels=None if counts else self._index)


def _within(axis: int) -> bool:
    """Say whether it is within each series, rather than across all."""
    if axis not in (0, 1):
        raise SpecError(f"axis must be 0 (across series) or 1 (within each), not {axis!r}")
    return axis == 1


def _shown(index: Array) -> str:
    """The first few values of an index."""
    return ", ".join(map(str, index[:5].tolist())) + (", ..." if len(index) > 5 else "")


def _shifted(block: Array, by: Array) -> Array:
    return (block - by).astype(kernels.result_dtype(block.dtype), copy=False)


def _scaled(block: Array, by: Array) -> Array:
    with np.errstate(all="ignore"):  # what is constant has no deviation, and becomes nan
        scaled = block / np.where(by == 0, np.nan, by)
    return scaled.astype(kernels.result_dtype(block.dtype), copy=False)


def _standardized(block: Array, mean: Array, std: Array) -> Array:
    return _scaled(_shifted(block, mean), std)
