"""Spikes and calcium of series of fluorescence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from thunderlike.engines.base import Kernel
from thunderlike.errors import SpecError
from thunderlike.kernels import autoregression, baselines
from thunderlike.kernels._numba import use_compiled
from thunderlike.kernels._validation import is_between
from thunderlike.kernels.deconvolution import EFFORT, METHODS, oasis
from thunderlike.kernels.gaps import filled
from thunderlike.traces.baselines import as_series
from thunderlike.traces.event_detection import Events, events, values_of_each
from thunderlike.traces.sampling import check_positive, required_rate

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from thunderlike._typing import Array
    from thunderlike.data.series import Series

__all__ = ["Deconvolved", "deconvolve"]

_FACTS = ("noise", "g1", "g2", "lam", "s_min")
_ROWS = 256  # traces at once


@dataclass(frozen=True, eq=False)
class Deconvolved:
    """Spikes and calcium of traces.

    Parameters
    ----------
    spikes : Series, shape (..., T)
        Amplitude of the spikes in each frame, in units of the traces: what they add to the calcium.
        The first sample is 0, since the calcium at the start is of spikes before it.
    calcium : Series, shape (..., T)
        The trace without noise and baseline.
    noise : Series, shape (..., 1)
        Standard deviation of the noise.
    g : Series, shape (..., 2)
        Coefficients of the model, ``c_t = g1 c_{t-1} + g2 c_{t-2} + s_t``.
    lam : Series, shape (..., 1)
        Penalty of 'constrained', else 0.
    s_min : Series, shape (..., 1)
        Smallest spike of 'smin', else 0.
    baseline : float
        Subtracted from the traces.
    method : str
    fs : float
        Frames a second.
    """

    spikes: Series
    calcium: Series
    noise: Series
    g: Series
    lam: Series
    s_min: Series
    baseline: float
    method: str
    fs: float

    def events(self, threshold: float = 1.5, min_gap: float = 0.0) -> Events:
        """Find the spikes above a threshold; as :func:`events`, in units of the noise.

        Examples
        --------
        >>> import thunderlike as tl
        >>> trace = np.zeros(100)
        >>> trace[20:60] = 0.9 ** np.arange(40)
        >>> tl.traces.deconvolve(trace, fs=10, noise=0.1).events().times
        array([2.])
        """
        return events(self.spikes, self.fs, threshold, noise=self.noise, min_gap=min_gap)


def deconvolve(
    series: Series | ArrayLike,
    fs: float | None = None,
    tau: Any = 0.7,
    model: str = "ar1",
    method: str | None = None,
    *,
    rise: float = 0.1,
    noise: Any = None,
    s_min: Any = None,
    baseline: float = 0.0,
) -> Deconvolved:
    """Find the spikes that explain each trace.

    Parameters
    ----------
    series : Series or array_like, shape (..., T)
        Traces without baseline, such as dF/F. NaN is interpolated, and NaN in the result.
    fs : float, optional
        Frames a second; by default ``series.attrs['fs']`` or ``1 / attrs['frame_interval']``.
    tau : float or 'auto'
        Decay time in seconds; ``'auto'`` estimates it for each trace from the autocovariance.
    model : {'ar1', 'ar2'}
        Calcium that rises at once, or with the time constant `rise`.
    method : {'smin', 'nonnegative', 'constrained'}, optional
        'nonnegative' is the best fit of spikes that are not negative, as in suite2p. 'constrained'
        adds the penalty of the sum of spikes at which the residual has the variance of the noise.
        'smin' drops spikes below `s_min`. By default 'smin' for 'ar1', which is best at all noise
        levels, and 'nonnegative' for 'ar2'.
    rise : float
        Rise time of 'ar2' in seconds.
    noise : float, array_like or Series, optional
        Standard deviation of the noise, of all traces or of each; by default that of
        :func:`~thunderlike.traces.noise`.
    s_min : float or array_like, optional
        Smallest spike, in units of the traces; by default half of the typical spike of a trace, but
        from 1 to 2 noise.
    baseline : float
        Subtracted first.

    Returns
    -------
    Deconvolved
        Its `spikes` and `calcium` are Series of the shape of `series`.

    Raises
    ------
    SpecError
        For another method or model, a combination that does not exist, arguments out of range, and
        without a sampling rate.

    Notes
    -----
    A map of each trace for itself, which is cached where it is lazy. With 'ar1' some 0.05 us of CPU
    time for each sample with numba (extra ``fast``), from half a million samples on, and 2 us
    without; with 'ar2' some 10 us.

    A rise time delays the spikes of 'ar1' by a frame or two: judge them with a tolerance.

    See Also
    --------
    thunderlike.kernels.deconvolution.oasis : The algorithm of 'ar1'.
    thunderlike.kernels.autoregression.nonnegative : That of 'ar2'.

    Examples
    --------
    >>> import thunderlike as tl
    >>> trace = np.zeros(100)
    >>> trace[20:] += 0.9 ** np.arange(80)
    >>> trace[50:] += 2 * 0.9 ** np.arange(50)
    >>> tau = -1 / (15 * np.log(0.9))
    >>> found = tl.traces.deconvolve(trace, fs=15, tau=tau, noise=0.1)
    >>> np.flatnonzero(found.spikes.toarray()), found.spikes.toarray()[[20, 50]].round(3)
    (array([20, 50]), array([1., 2.]))
    """
    traces = as_series(series)
    rate = required_rate(traces, fs, "deconvolution")
    if model not in ("ar1", "ar2"):
        raise SpecError(f"model={model!r} is not known: give 'ar1' or 'ar2'")
    chosen = method or ("smin" if model == "ar1" else "nonnegative")
    allowed = METHODS if model == "ar1" else METHODS[:2]
    if chosen not in allowed:
        raise SpecError(f"method={method!r} is not known for {model!r}: give one of {allowed}")
    if s_min is not None and chosen != "smin":
        raise SpecError(f"s_min belongs to method='smin', not to {chosen!r}: leave it out")
    if not (isinstance(tau, str) and tau == "auto"):
        tau = check_positive("tau", tau, "s")
    check_positive("rise", rise, "s")
    if not is_between(baseline, -np.inf, np.inf):
        raise SpecError(f"baseline={baseline!r} must be a number, in units of the traces")
    count, length = traces.count(), traces.length
    kernel = _Deconvolution(
        rate,
        None if tau == "auto" else tau,
        float(rise) if model == "ar2" else 0.0,
        chosen,
        values_of_each("noise", noise, count),
        values_of_each("s_min", s_min, count),
        float(baseline),
        use_compiled(EFFORT * traces.size),
    )
    dtype = baselines.result_dtype(traces.dtype)
    records = traces._records.map(kernel, (2 * length + len(_FACTS),), dtype)
    records.cache()
    combined = traces._changed(records)
    calcium, spikes = combined[..., :length], combined[..., length : 2 * length]
    calcium.index = spikes.index = traces.index

    def fact(*names: str) -> Series:
        places = [2 * length + _FACTS.index(name) for name in names]
        found = combined[..., places]
        found.index = names
        return found

    return Deconvolved(
        spikes,
        calcium,
        fact("noise"),
        fact("g1", "g2"),
        fact("lam"),
        fact("s_min"),
        float(baseline),
        chosen,
        rate,
    )


@dataclass(frozen=True, eq=False)
class _Deconvolution(Kernel):
    """Kernel from traces to their calcium, spikes and facts, in one record.

    Parameters
    ----------
    noise, s_min : ndarray of float64, shape (K,), or None
        Of each trace.
    """

    fs: float
    tau: float | None
    rise: float
    method: str
    noise: Array | None
    s_min: Array | None
    baseline: float
    compiled: bool
    vectorised: ClassVar[bool] = True
    repeatable: ClassVar[bool] = True

    def __call__(self, start: int, block: Array) -> Array:
        """Deconvolve the traces of a block, some at once."""
        width = 2 * block.shape[1] + len(_FACTS)
        out = np.empty((len(block), width), baselines.result_dtype(block.dtype))
        for first in range(0, len(block), _ROWS):
            few = slice(first, first + _ROWS)
            self._deconvolve(block[few], start + first, out[few])
        return out

    def _deconvolve(self, block: Array, start: int, out: Array) -> None:
        values, missing = filled(block)
        values -= self.baseline
        rows, length = slice(start, start + len(block)), values.shape[1]
        noise = baselines.noise(block, "auto") if self.noise is None else self.noise[rows]
        s_min = np.full(len(block), np.nan) if self.s_min is None else self.s_min[rows]
        # A trace without values has no noise either.
        known = np.nan_to_num(noise)
        decay = np.full(len(block), np.exp(-1 / ((self.tau or 1.0) * self.fs)))
        if self.tau is None:
            decay = autoregression.estimated_decay(values, self.fs)
        fast = np.exp(-1 / (self.rise * self.fs)) if self.rise else 0.0
        g1, g2 = decay + fast, -decay * fast
        if not self.rise:
            calcium, spikes, chosen = oasis(
                values, decay, known, s_min, self.method, compiled=self.compiled
            )
        else:
            calcium, spikes, chosen = self._two(values, g1, g2, known)
        if missing is not None:
            calcium[missing] = spikes[missing] = np.nan
        out[:, :length], out[:, length : 2 * length] = calcium, spikes
        nothing = np.zeros(len(block))
        lam = chosen if self.method == "constrained" else nothing
        least = chosen if self.method == "smin" else nothing
        out[:, 2 * length :] = np.stack([noise, g1, g2, lam, least], axis=1)

    def _two(self, values: Array, g1: Array, g2: Array, noise: Array) -> tuple[Array, Array, Array]:
        calcium, spikes = np.zeros(values.shape), np.zeros(values.shape)
        chosen = np.zeros(len(values))
        for row, trace in enumerate(values):
            first, second = float(g1[row]), float(g2[row])
            if self.method == "constrained":
                calcium[row], spikes[row], chosen[row] = autoregression.constrained(
                    trace, first, second, float(noise[row])
                )
            else:
                calcium[row], spikes[row] = autoregression.nonnegative(trace, first, second)
        spikes[:, :1] = 0
        return calcium, spikes, chosen
