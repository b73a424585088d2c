"""What is done to each series by itself: scaling, filtering, comparing with signals."""

from __future__ import annotations

from os import PathLike
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from thunderlike import storage
from thunderlike.data.file_sources import naming
from thunderlike.data.index import Indexed
from thunderlike.errors import SpecError
from thunderlike.formats import matlab
from thunderlike.kernels import series as kernels
from thunderlike.kernels._validation import as_array, is_whole
from thunderlike.kernels.moments import Moments

if TYPE_CHECKING:
    from thunderlike._typing import Array

__all__ = ["Signals"]


class Signals(Indexed):
    """Series as signals; what it makes depends on each series alone, but for ``axis=0``."""

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
            return self._stacked(kernels.center, **self._compiled())
        return self._stacked(_shifted, by=self._moments().mean)

    def standardize(self, axis: int = 1) -> Self:
        """Divide by the standard deviation (of the population); as :meth:`center`.

        What is constant has none, and becomes NaN.

        Examples
        --------
        >>> import thunderlike as tl
        >>> tl.series.fromarray([[1.0, 3.0], [2.0, 2.0]]).standardize().toarray()
        array([[ 1.,  3.],
               [nan, nan]])
        """
        if _within(axis):
            return self._stacked(kernels.standardize, **self._compiled())
        return self._stacked(_scaled, by=self._moments().std)

    def zscore(self, axis: int = 1) -> Self:
        """Subtract the mean and divide by the standard deviation; as :meth:`center`.

        What is constant has none, and becomes NaN.

        Examples
        --------
        >>> import thunderlike as tl
        >>> tl.series.fromarray([[1.0, 2.0, 3.0]]).zscore().toarray().round(3)
        array([-1.225,  0.   ,  1.225])
        """
        if _within(axis):
            return self._stacked(kernels.zscore, **self._compiled())
        moments = self._moments()
        return self._stacked(_standardized, mean=moments.mean, std=moments.std)

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
            Which percentile.
        offset : float
            Keeps a baseline of zero from dividing.

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

    def correlate(self, signal: Any, var: str = "s") -> Self:
        """Pearson correlation of each series with a signal, or with several.

        Parameters
        ----------
        signal : array_like or path
            Of shape ``(length,)``, or ``(k, length)`` for `k` signals; or the file of MATLAB
            (``.mat``) that holds it.
        var : str
            Its name in that file.

        Returns
        -------
        Series
            Of length 1 or `k`; NaN where the series or the signal is constant.

        Raises
        ------
        SpecError
            When the signal has another length.
        FormatError
            When the file holds no variable of that name.

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
            signal = _from_matlab(signal, var)
        given = as_array(signal, "the signal")
        correlated = self._stacked(
            kernels.correlate, signals=np.atleast_2d(given), **self._compiled()
        )
        return correlated._indexed([1] if given.ndim == 1 else np.arange(len(given)))

    def crosscorr(self, signal: Any, lag: int = 0) -> Self:
        """Correlation of each series with a signal, shifted to both sides.

        Parameters
        ----------
        signal : array_like, shape (length,)
        lag : int
            How far to shift it, at most.

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
            kernels.crosscorr, signal=as_array(signal, "the signal"), lag=lag, **self._compiled()
        )
        return correlated._indexed(np.arange(-int(lag), int(lag) + 1))

    def convolve(self, signal: Any, mode: str = "full") -> Self:
        """Convolve each series with a signal.

        Parameters
        ----------
        signal : array_like, shape (m,)
        mode : 'full', 'same' or 'valid'
            Wherever they overlap, as long as the longer of both, or where they overlap fully: as
            :func:`numpy.convolve`.

        Returns
        -------
        Series
            Of length ``length + m - 1``, of the longer length, or of the longer less the shorter
            and 1 more; its index counts.

        Notes
        -----
        The dtype is numpy's, but integers get 64 bits.

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
        found = self._stacked(kernels.fourier, freq=freq, **self._compiled())
        return found._indexed(["coherence", "phase"])

    def _moments(self) -> Moments:
        """Moments over all series, at each position. One job."""
        return self._folded("moments", Moments, **self._compiled())


def _within(axis: int) -> bool:
    """Say whether it is within each series, rather than across all."""
    if axis not in (0, 1):
        raise SpecError(f"axis must be 0 (across series) or 1 (within each), not {axis!r}")
    return axis == 1


def _from_matlab(path: Any, name: str) -> Array:
    with naming(str(path)):
        return matlab.variable(storage.read(path), name)


def _shifted(block: Array, by: Array) -> Array:
    return (block - by).astype(kernels.result_dtype(block.dtype), copy=False)


def _scaled(block: Array, by: Array) -> Array:
    with np.errstate(all="ignore"):  # what is constant has no deviation, and becomes nan
        scaled = block / np.where(by == 0, np.nan, by)
    return scaled.astype(kernels.result_dtype(block.dtype), copy=False)


def _standardized(block: Array, mean: Array, std: Array) -> Array:
    return _scaled(_shifted(block, mean), std)
