"""Baselines, relative changes and noise of series of fluorescence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from thunderlike.data.series import Series
from thunderlike.errors import SpecError, WrongTypeError
from thunderlike.kernels import baselines as kernels
from thunderlike.kernels._validation import is_between
from thunderlike.traces.sampling import check_positive, required_rate

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from thunderlike._typing import Array

__all__ = ["as_series", "baseline", "dff", "noise"]

_SHORT = 600.0  # s, of recordings whose baseline is an exponential by default


def as_series(series: Series | ArrayLike) -> Series:
    """Return traces as a Series of real numbers.

    Raises
    ------
    WrongTypeError
        For other values.

    Examples
    --------
    >>> as_series([[1, 2, 3]]).shape
    (1, 3)
    """
    found = series if isinstance(series, Series) else Series(np.atleast_2d(np.asarray(series)))
    if found.dtype.kind not in "biuf":
        raise WrongTypeError(f"traces of {found.dtype}: make them real numbers")
    return found


@dataclass(frozen=True)
class _Rule:
    """A method of baselines with its arguments, checked."""

    method: str
    fs: float
    q: float
    window: float
    sigma: float

    @classmethod
    def of(
        cls, series: Series, method: str, fs: Any, *, q: float, window: float, sigma: float
    ) -> _Rule:
        if method not in (known := ("auto", *kernels.BASELINES)):
            raise SpecError(f"method={method!r} is not a baseline: give one of {known}")
        rate = required_rate(series, fs, "a baseline")
        if method == "auto":
            method = "exponential" if series.length < _SHORT * rate else "percentile"
        if not is_between(q, 0, 100):
            raise SpecError(f"q={q!r} must be a percentile from 0 to 100")
        check_positive("window", window, "s")
        if not is_between(sigma, 0, np.inf):
            raise SpecError(f"sigma={sigma!r} must be a number of frames from 0")
        return cls(method, rate, float(q), float(window), float(sigma))

    def __call__(self, block: Array) -> Array:
        """Return the baselines of a block."""
        return kernels.baseline(
            block, self.method, self.fs, q=self.q, window=self.window, sigma=self.sigma
        )


def baseline(
    series: Series | ArrayLike,
    method: str = "auto",
    fs: float | None = None,
    *,
    q: float = 8.0,
    window: float = 60.0,
    sigma: float = 10.0,
) -> Series:
    """Find the fluorescence of each trace without activity.

    Parameters
    ----------
    series : Series or array_like, shape (..., T)
        NaN is interpolated.
    method : {'auto', 'exponential', 'percentile', 'maximin', 'constant', 'none'}
        'exponential' fits a constant and an exponential to the 20 % quantiles of pieces of 5 s,
        raised by 0.84 standard deviations of the noise, which puts the baseline of a silent cell
        in the middle of its noise. 'percentile' is the running `q`-th percentile of means over a
        second, 'constant' that of the whole trace. 'maximin' is the running maximum of the running
        minimum of the trace smoothed by a Gaussian, as suite2p has it; 'none' is 0. 'auto' is
        'exponential' for recordings of less than 10 minutes, else 'percentile'.
    fs : float, optional
        Samples a second; by default ``series.attrs['fs']`` or ``1 / attrs['frame_interval']``.
    q : float
        Percentile of 'percentile' and 'constant'.
    window : float
        Seconds of the running percentile, minimum and maximum.
    sigma : float
        Standard deviation of the Gaussian of 'maximin', in samples.

    Returns
    -------
    Series
        Of the shape of `series`, float32 for float32 and integers of up to 16 bits, else float64.

    Raises
    ------
    SpecError
        For another method, arguments out of range, and without a sampling rate.

    Notes
    -----
    A map of each trace for itself, lazy on lazy engines.

    Examples
    --------
    >>> import thunderlike as tl
    >>> time = np.arange(900) / 15
    >>> bleaching = 100 + 20 * np.exp(-time / 40)
    >>> found = tl.traces.baseline(bleaching, fs=15).toarray()
    >>> bool(abs(found - bleaching).max() < 1.5)
    True
    """
    traces = as_series(series)
    rule = _Rule.of(traces, method, fs, q=q, window=window, sigma=sigma)
    return traces._stacked(_baselines, rule=rule)


def _baselines(block: Array, rule: _Rule) -> Array:
    return rule(block)


def dff(
    series: Series | ArrayLike,
    fs: float | None = None,
    *,
    raw: Series | None = None,
    method: str = "auto",
    floor: float = 0.0,
    q: float = 8.0,
    window: float = 60.0,
    sigma: float = 10.0,
) -> Series:
    """Compute the change of fluorescence relative to the baseline, ``(F - F0) / F0``.

    Parameters
    ----------
    series : Series or array_like, shape (..., T)
    fs : float, optional
        As in :func:`baseline`.
    raw : Series, optional
        Traces whose baseline is the denominator, by default `series`. For traces of which neuropil
        was subtracted, those before: what is left of their baseline is small, and may be negative.
    method, q, window, sigma
        As in :func:`baseline`.
    floor : float
        Smallest denominator, in units of `series`.

    Returns
    -------
    Series
        NaN where the baseline of the denominator is not above 0.

    Raises
    ------
    SpecError
        For another shape of `raw`, and as in :func:`baseline`.
    NotOnEngineError
        For `raw` on another engine.

    Notes
    -----
    A map of each trace for itself, lazy on lazy engines.

    Examples
    --------
    >>> import thunderlike as tl
    >>> trace = np.full(600, 50.0)
    >>> trace[300:310] = 75
    >>> float(tl.traces.dff(trace, fs=15).toarray().max())
    0.5
    """
    traces = as_series(series)
    rule = _Rule.of(traces, method, fs, q=q, window=window, sigma=sigma)
    if not is_between(floor, 0, np.inf):
        raise SpecError(f"floor={floor!r} must be a number from 0, in units of the traces")
    if raw is None:
        return traces._stacked(_relative, rule=rule, floor=float(floor))
    if raw.shape != traces.shape:
        raise SpecError(f"raw has shape {raw.shape}, the traces have shape {traces.shape}")
    pairing = _Relative(rule, float(floor))
    few = np.empty((0, traces.length))
    dtype = pairing(few.astype(traces.dtype), few.astype(raw.dtype)).dtype
    other = traces._records.engine.accept(raw._records)
    return traces._changed(traces._records.combine(other, pairing, traces.value_shape, dtype))


@dataclass(frozen=True)
class _Relative:
    """Pairing of traces with those whose baseline divides."""

    rule: _Rule
    floor: float

    def __call__(self, left: Array, right: Array) -> Array:
        """Return relative changes."""
        return _divided(left, self.rule(left), self.rule(right), self.floor)


def _relative(block: Array, rule: _Rule, floor: float) -> Array:
    base = rule(block)
    return _divided(block, base, base, floor)


def _divided(block: Array, base: Array, denominator: Array, floor: float) -> Array:
    below = np.maximum(denominator, np.asarray(floor, denominator.dtype))
    with np.errstate(all="ignore"):
        found = (block - base) / np.where(below > 0, below, np.nan)
    return found.astype(base.dtype)


@dataclass(frozen=True)
class _Noise:
    """Vectorised function of blocks: the noise of each trace, of length 1."""

    method: str
    __name__: ClassVar[str] = "noise"

    def __call__(self, block: Array) -> Array:
        """Return the noise of each trace."""
        return kernels.noise(block, self.method)[:, np.newaxis]


def noise(series: Series | ArrayLike, method: str = "auto") -> Series:
    """Estimate the standard deviation of the noise of each trace.

    Parameters
    ----------
    series : Series or array_like, shape (..., T)
        NaN is interpolated.
    method : {'auto', 'spectrum', 'difference'}
        'spectrum' takes the geometric mean of the power between a quarter and half of the sampling
        rate; 'difference' the median of the absolute differences of successive samples. Activity
        raises both, so that 'auto' takes the smaller.

    Returns
    -------
    Series of float64, shape (..., 1)

    Raises
    ------
    SpecError
        For another method.

    Notes
    -----
    For white noise. A map of each trace for itself, lazy on lazy engines.

    Examples
    --------
    >>> import thunderlike as tl
    >>> trace = np.random.default_rng(0).normal(5, 2, 5000)
    >>> float(tl.traces.noise(trace).toarray().round(1))
    2.0
    """
    if method not in kernels.NOISES:
        raise SpecError(f"method={method!r} is not known: give one of {tuple(kernels.NOISES)}")
    return as_series(series)._stacked(_Noise(method))
