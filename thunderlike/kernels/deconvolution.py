"""Spikes and calcium of autoregressive traces: OASIS with a penalty, a noise level or a threshold.

The calcium of an indicator with one decay is ``c_t = g c_{t-1} + s_t`` with spikes ``s_t >= 0``.
Samples are joined into pools in which the calcium decays; a spike is at the start of a pool. A pool
of length l has the value ``v`` of its first sample, and the weight ``w = sum of g^(2 j), j < l``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from thunderlike.kernels._numba import jit

if TYPE_CHECKING:
    from thunderlike._typing import Array

__all__ = ["EFFORT", "METHODS", "decayed", "oasis"]

METHODS = ("nonnegative", "constrained", "smin")
EFFORT = 32  # a sample costs as much as so many elements of calls by whose number loops are chosen

_TINY = 1e-140  # powers of the decay below it are 0: their squares have no digits
_ROUNDS = 60  # of the search for a penalty
_PRECISE = 1e-10  # relative change of the penalty at which it ends
_MOST = 2.0  # noise, of a smallest spike that is chosen


def oasis(
    values: Array, g: Array, noise: Array, s_min: Array, method: str, *, compiled: bool
) -> tuple[Array, Array, Array]:
    """Deconvolve traces of an indicator with one decay.

    Parameters
    ----------
    values : ndarray of float64, shape (k, T)
        Finite traces without baseline.
    g : ndarray of float64, shape (k,)
        Decay from one sample to the next, from 0 to less than 1.
    noise : ndarray of float64, shape (k,)
        Standard deviation of the noise, for 'constrained' and for thresholds that are chosen.
    s_min : ndarray of float64, shape (k,)
        Smallest spike, for 'smin'. NaN is half of the typical spike, but from 1 to 2 noise; the
        typical spike is the median, weighted by size, of the spikes of at least 1 noise.
    method : {'nonnegative', 'constrained', 'smin'}
    compiled : bool
        Whether to run compiled loops.

    Returns
    -------
    calcium, spikes : ndarray of float64, shape (k, T)
        The first sample of the spikes is 0.
    chosen : ndarray of float64, shape (k,)
        Penalty of 'constrained', smallest spike of 'smin', else 0.

    Notes
    -----
    The pool-adjacent rule of Friedrich, Zhou and Paninski, "Fast online deconvolution of calcium
    imaging data", PLoS Comput. Biol. 13 (2017): a pool is joined with the one before it while its
    value is below ``v g^l + s_min`` of that one. Without a smallest spike this is the minimum of
    ``|y - c|^2 / 2 + penalty * sum(s)`` for ``c, s >= 0``.

    'constrained' looks for the penalty with ``|y - c|^2 = noise^2 T``. With the pools of a penalty,
    this residual is ``C + Q penalty^2``, so the next penalty follows in closed form; a larger one
    joins further pools. This repeats until none are joined, after some five rounds over the pools.

    O(T) for each trace: some 0.03 us of CPU time a sample compiled, 1 us without numba.

    Examples
    --------
    >>> spikes = np.array([[0, 0, 2.0, 0, 0, 1, 0, 0]])
    >>> values = decayed(spikes, np.array([0.5]))
    >>> one = np.ones(1)
    >>> oasis(values, one / 2, one, one, "nonnegative", compiled=False)[1]
    array([[0., 0., 2., 0., 0., 1., 0., 0.]])
    """
    calcium, spikes, chosen = np.zeros(values.shape), np.zeros(values.shape), np.zeros(len(values))
    run = _deconvolve.choose(compiled)
    if values.shape[1]:
        run(values, g, noise, s_min, METHODS.index(method), calcium, spikes, chosen)
    return calcium, spikes, chosen


def decayed(spikes: Array, g: Array) -> Array:
    """Return the calcium of spikes with one decay, of the same shape ``(k, T)``.

    Examples
    --------
    >>> decayed(np.array([[1.0, 0, 0, 2]]), np.array([0.5]))
    array([[1.   , 0.5  , 0.25 , 2.125]])
    """
    calcium = np.array(spikes, np.float64, order="C")
    for t in range(1, calcium.shape[1]):
        calcium[:, t] += g * calcium[:, t - 1]
    return calcium


# Python: a loop over the samples of each trace. Loops over samples with all traces in one array
# are slower, since each step waits for the trace that joins most pools.


def _deconvolve_plain(
    values: Array,
    g: Array,
    noise: Array,
    s_min: Array,
    method: int,
    calcium: Array,
    spikes: Array,
    chosen: Array,
) -> None:
    """As `_deconvolve`, with the same operations in the same order."""
    length = values.shape[1]
    for row, y in enumerate(values):
        decay = float(g[row])
        powers = np.ones(length + 1)
        powers[1:] = np.multiply.accumulate(np.full(length, decay))
        powers[powers < _TINY] = 0
        listed, powers_listed = y.tolist(), powers.tolist()
        threshold = 0.0
        if method == 2:
            threshold = float(s_min[row])
            if np.isnan(threshold):
                pools = _pools_plain(listed, float(noise[row]), powers_listed)
                _trace_plain(pools[0], pools[2], decay, powers, calcium[row], spikes[row])
                size = _typical(spikes[row])
                threshold = min(max(size / 2, noise[row]), _MOST * noise[row])
            chosen[row] = threshold
        v, w, lengths = _pools_plain(listed, threshold, powers_listed)
        if method == 1:
            total = 0.0
            for sample in listed:
                total += sample * sample
            chosen[row], count = _penalty(
                total, noise[row] * noise[row] * length, powers, v, w, lengths, len(v)
            )
            v, lengths = v[:count], lengths[:count]
        _trace_plain(v, lengths, decay, powers, calcium[row], spikes[row])


def _pools_plain(
    y: list[float], threshold: float, powers: list[float]
) -> tuple[Array, Array, Array]:
    """Find the pools of a trace without a penalty: their values, weights and lengths."""
    v: list[float] = []
    w: list[float] = []
    lengths: list[int] = []
    for value in y:
        weight, own = 1.0, 1
        while v:
            decay = powers[lengths[-1]]
            level = v[-1]
            if value >= (level * decay if level > 0 else 0.0) + threshold:
                break
            heavy = w.pop()
            both = heavy + weight * decay * decay
            value = (heavy * v.pop() + decay * weight * value) / both
            weight = both
            own += lengths.pop()
        v.append(value)
        w.append(weight)
        lengths.append(own)
    return np.array(v), np.array(w), np.array(lengths, np.int64)


def _trace_plain(
    v: Array, lengths: Array, g: float, powers: Array, calcium: Array, spikes: Array
) -> None:
    """Write the calcium and the spikes of the pools of a trace."""
    starts = np.cumsum(lengths) - lengths
    since = np.arange(len(calcium)) - np.repeat(starts, lengths)
    calcium[:] = np.repeat(np.maximum(v, 0), lengths) * powers[since]
    spikes[:] = 0
    later = starts[1:]
    spikes[later] = calcium[later] - g * calcium[later - 1]


# compiled loops: one trace after the other


def _pools(y: Array, threshold: float, powers: Array, v: Array, w: Array, lengths: Array) -> int:
    """Find the pools of a trace without a penalty; return their number."""
    pools = 0
    for t in range(len(y)):
        value, weight, own = y[t], 1.0, 1
        while pools > 0:
            decay = powers[lengths[pools - 1]]
            level = v[pools - 1]
            if value >= (level * decay if level > 0 else 0.0) + threshold:
                break
            pools -= 1
            both = w[pools] + weight * decay * decay
            value = (w[pools] * v[pools] + decay * weight * value) / both
            weight = both
            own += lengths[pools]
        v[pools], w[pools], lengths[pools] = value, weight, own
        pools += 1
    return pools


def _next_penalty(
    total: float,
    target: float,
    penalty: float,
    powers: Array,
    v: Array,
    w: Array,
    lengths: Array,
    pools: int,
) -> float:
    """Return the penalty at which these pools leave a residual of `target`.

    The penalty lowers a pool's sum of ``g^j y`` by ``1 - g^l``, and that of the last one by 1.
    """
    rest, slope = total, 0.0
    for i in range(pools):
        if v[i] > 0:
            effect = 1 - powers[lengths[i]] if i < pools - 1 else 1.0
            product = v[i] * w[i] + penalty * effect
            rest -= product * product / w[i]
            slope += effect * effect / w[i]
    if slope == 0:
        return penalty
    return np.sqrt(max(target - rest, 0.0) / slope)  # type: ignore[no-any-return]


def _penalty(
    total: float, target: float, powers: Array, v: Array, w: Array, lengths: Array, pools: int
) -> tuple[float, int]:
    """Find the penalty that leaves a residual of `target`, with its pools and their number."""
    penalty = 0.0
    for _ in range(_ROUNDS):
        after = _next_penalty(total, target, penalty, powers, v, w, lengths, pools)
        if not after > penalty * (1 + _PRECISE):
            break
        pools = _penalized(after - penalty, powers, v, w, lengths, pools)
        penalty = after
    return penalty, pools


def _penalized(more: float, powers: Array, v: Array, w: Array, lengths: Array, pools: int) -> int:
    """Raise the penalty, and join the pools that it brings together; return their number."""
    joined = 0
    for i in range(pools):
        effect = 1 - powers[lengths[i]] if i < pools - 1 else 1.0
        value, weight, own = v[i] - more * effect / w[i], w[i], lengths[i]
        while joined > 0:
            decay = powers[lengths[joined - 1]]
            level = v[joined - 1]
            if value >= (level * decay if level > 0 else 0.0):
                break
            joined -= 1
            both = w[joined] + weight * decay * decay
            value = (w[joined] * v[joined] + decay * weight * value) / both
            weight = both
            own += lengths[joined]
        v[joined], w[joined], lengths[joined] = value, weight, own
        joined += 1
    return joined


def _trace(
    v: Array, lengths: Array, pools: int, g: float, powers: Array, calcium: Array, spikes: Array
) -> None:
    """Write the calcium and the spikes of the pools of a trace."""
    t = 0
    for i in range(pools):
        level = max(v[i], 0.0)
        for j in range(lengths[i]):
            calcium[t] = level * powers[j]
            spikes[t] = 0.0
            t += 1
        if i > 0:
            start = t - lengths[i]
            spikes[start] = calcium[start] - g * calcium[start - 1]


def _typical(spikes: Array) -> float:
    """Return the median of spikes weighted by their size: as much is in larger ones as in smaller.

    Many small spikes are noise, and hold little of the sum.
    """
    sizes = np.sort(spikes[spikes > 0])
    total, below = 0.0, 0.0  # added one by one, as compiled loops do
    for size in sizes:
        total += size
    for size in sizes:
        below += size
        if below >= total / 2:
            return float(size)
    return 0.0


@jit(
    plain=_deconvolve_plain, helpers=(_pools, _next_penalty, _penalized, _penalty, _trace, _typical)
)
def _deconvolve(
    values: Array,
    g: Array,
    noise: Array,
    s_min: Array,
    method: int,
    calcium: Array,
    spikes: Array,
    chosen: Array,
) -> None:
    """Deconvolve each trace with buffers that are used again."""
    count, length = values.shape
    v, w = np.empty(length), np.empty(length)
    lengths, powers = np.empty(length, np.int64), np.empty(length + 1)
    for row in range(count):
        y, decay = values[row], g[row]
        if row == 0 or decay != g[row - 1]:
            powers[0] = 1.0
            for j in range(length):
                powers[j + 1] = powers[j] * decay
            for j in range(length + 1):
                if powers[j] < _TINY:
                    powers[j] = 0.0
        threshold = 0.0
        if method == 2:
            threshold = s_min[row]
            if np.isnan(threshold):
                pools = _pools(y, noise[row], powers, v, w, lengths)
                _trace(v, lengths, pools, decay, powers, calcium[row], spikes[row])
                size = _typical(spikes[row])
                threshold = min(max(size / 2, noise[row]), _MOST * noise[row])
            chosen[row] = threshold
        pools = _pools(y, threshold, powers, v, w, lengths)
        if method == 1:
            total = 0.0
            for t in range(length):
                total += y[t] * y[t]
            target = noise[row] * noise[row] * length
            chosen[row], pools = _penalty(total, target, powers, v, w, lengths, pools)
        _trace(v, lengths, pools, decay, powers, calcium[row], spikes[row])
