"""Events of traces: local maxima above a threshold, a list for each trace."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike.data.series import Series
from thunderlike.errors import BadIndexError, SpecError
from thunderlike.hdf5.models import Model
from thunderlike.kernels import baselines
from thunderlike.kernels._validation import as_array, is_between
from thunderlike.traces.baselines import as_series
from thunderlike.traces.sampling import check_positive, required_rate

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from thunderlike._typing import Array

__all__ = ["Events", "events", "values_of_each"]


@dataclass(frozen=True, eq=False)
class Events(Model):
    """Times and amplitudes of the events of K traces, in the order of the traces and of time.

    Parameters
    ----------
    offsets : ndarray of int64, shape (K + 1,)
        The events of trace k are ``offsets[k] : offsets[k + 1]``.
    times : ndarray of float64, shape (n,)
        Seconds since the first frame.
    amplitudes : ndarray of float64, shape (n,)
        In units of the traces.

    Examples
    --------
    >>> found = Events(np.array([0, 1, 3]), np.array([0.5, 1, 2]), np.array([1.0, 3, 2]))
    >>> len(found), found.counts, found[1]
    (2, array([1, 2]), (array([1., 2.]), array([3., 2.])))
    """

    offsets: Array
    times: Array
    amplitudes: Array

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, number: int) -> tuple[Array, Array]:
        """Times and amplitudes of one trace."""
        if not -len(self) <= number < len(self):
            raise BadIndexError(f"there is no trace {number}: there are {len(self)}")
        number %= len(self)
        few = slice(int(self.offsets[number]), int(self.offsets[number + 1]))
        return self.times[few], self.amplitudes[few]

    def between(self, start: float, stop: float) -> Events:
        """Return the events from `start` to less than `stop`, in seconds; times count from `start`.

        Examples
        --------
        >>> found = Events(np.array([0, 1, 3]), np.array([0.5, 1, 2]), np.array([1.0, 3, 2]))
        >>> found.between(0.5, 1.5).times
        array([0. , 0.5])
        """
        kept = (self.times >= start) & (self.times < stop)
        offsets = np.concatenate([[0], np.cumsum(kept)])[self.offsets]
        return Events(offsets, self.times[kept] - start, self.amplitudes[kept])

    @property
    def counts(self) -> Array:
        """Number of events of each trace."""
        return np.diff(self.offsets)


def values_of_each(name: str, values: Any, count: int) -> Array | None:
    """Return an argument that is a number, or one for each trace, as an array; None as it is.

    Raises
    ------
    SpecError
        For another number of values, and for values that are negative or not finite.

    Examples
    --------
    >>> values_of_each("noise", 2, 3)
    array([2., 2., 2.])
    """
    if values is None:
        return None
    given = values.toarray(squeeze=False) if isinstance(values, Series) else values
    array = as_array(given, name)
    if array.dtype.kind not in "iuf" or array.size not in (1, count):
        raise SpecError(
            f"{name} has shape {array.shape} and dtype {array.dtype}: give a number, or one for "
            f"each of the {count} traces"
        )
    if (array < 0).any() or np.isinf(array).any():
        raise SpecError(f"{name} must not be negative nor infinite")
    return np.array(np.broadcast_to(array.ravel(), (count,)), np.float64)


def events(
    series: Series | ArrayLike,
    fs: float | None = None,
    threshold: float = 1.5,
    *,
    noise: Any = None,
    min_gap: float = 0.0,
) -> Events:
    """Find the local maxima of traces above a threshold.

    Parameters
    ----------
    series : Series or array_like, shape (..., T)
        Spikes, or dF/F.
    fs : float, optional
        Frames a second; by default ``series.attrs['fs']`` or ``1 / attrs['frame_interval']``.
    threshold : float
        Smallest amplitude, in units of the noise.
    noise : float, array_like or Series, optional
        Standard deviation of the noise, of all traces or of each; by default that of
        :func:`~thunderlike.traces.noise`, which spikes do not have: give that of their traces.
    min_gap : float
        Smallest distance of two events in seconds; of closer ones the largest is kept.

    Returns
    -------
    Events

    Raises
    ------
    SpecError
        For arguments out of range, and without a sampling rate.

    Notes
    -----
    One pass over the traces; the events come to this process.

    Examples
    --------
    >>> import thunderlike as tl
    >>> traces = [[0, 3, 1, 0, 2, 2, 0], [0, 0, 0, 0, 0, 0, 1]]
    >>> found = tl.traces.events(traces, fs=10, threshold=0.5, noise=1)
    >>> found.times, found.amplitudes, found.counts
    (array([0.1, 0.4, 0.6]), array([3., 2., 1.]), array([2, 1]))
    """
    traces = as_series(series)
    rate = required_rate(traces, fs, "a list of events")
    for name, value in (("threshold", threshold), ("min_gap", min_gap)):
        if not is_between(value, 0, np.inf):
            raise SpecError(f"{name}={value!r} must be a number from 0")
    check_positive("fs", rate, "Hz")
    given = values_of_each("noise", noise, traces.count())
    gap = max(1, math.ceil(round(min_gap * rate, 9)))  # 0.3 s of 10 Hz are 3 samples, not 4

    def found(start: int, block: Array) -> tuple[Array, Array, Array]:
        level = given
        sigma = baselines.noise(block, "auto") if level is None else level[start:][: len(block)]
        rows = [_peaks(row, threshold * one, gap) for row, one in zip(block, sigma, strict=True)]
        counts = np.array([len(peaks) for peaks in rows], np.int64)
        values = [row[peaks] for row, peaks in zip(block, rows, strict=True)]
        empty = np.empty(0)
        return (
            counts,
            np.concatenate([empty, *rows]),
            np.concatenate([empty, *values]).astype(np.float64),
        )

    counts, frames, amplitudes = traces._records.aggregate(found, _joined)
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return Events(offsets, frames / rate, amplitudes)


def _joined(
    one: tuple[Array, Array, Array], other: tuple[Array, Array, Array]
) -> tuple[Array, Array, Array]:
    first, second, third = (np.concatenate(pair) for pair in zip(one, other, strict=True))
    return first, second, third


def _peaks(trace: Array, least: float, gap: int) -> Array:
    """Return the frames of the local maxima above a value, the first of equal neighbours."""
    if not trace.size or not np.isfinite(least):
        return np.empty(0, np.int64)
    values = np.where(np.isfinite(trace), trace, -np.inf)
    before = np.concatenate([[-np.inf], values[:-1]])
    # Equal neighbours are one maximum, which ends where the value changes.
    changes = np.flatnonzero(values != before)
    after = np.append(values[changes[1:]], -np.inf)
    high = (values[changes] > before[changes]) & (values[changes] > after)
    peaks = changes[high & (values[changes] >= least) & (values[changes] > 0)]
    if gap > 1 and peaks.size > 1:
        kept = np.ones(peaks.size, bool)
        for place in np.argsort(-values[peaks], kind="stable"):
            if kept[place]:
                near = np.abs(peaks - peaks[place]) < gap
                near[place] = False
                kept[near] = False
        peaks = peaks[kept]
    return peaks
