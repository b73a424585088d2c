"""Autoregressive models of calcium: their coefficients, and spikes of models of any order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from thunderlike._typing import Array

__all__ = ["coefficients", "constrained", "estimated_decay", "nonnegative"]

_LAGS, _STRIDE = 5, 15.0  # lags of the autocovariance; their distance is 1 / 15 s, or a frame
_SHORTEST, _LONGEST = 0.05, 10.0  # s, of time constants that are estimated
_ROUNDS = 100  # of the interior point method
_GAP, _FEASIBLE = 1e-9, 1e-7  # products of spikes and multipliers, and residuals, at its end
_STIFF, _MULTIPLIERS, _CORRECTIONS = 1e7, 6, 20  # of spikes that are held at 0
_STEP = 0.995  # share of the step to the nearest bound
_SECANTS, _PRECISE = 40, 1e-6  # of the search for a penalty, relative to the residual


def coefficients(tau: float, rise: float, fs: float) -> tuple[float, float]:
    """Return the coefficients ``g1, g2`` of a model with a rise and a decay.

    Parameters
    ----------
    tau, rise : float
        Time constants in seconds; ``rise=0`` is a model with a decay alone, whose g2 is 0.
    fs : float
        Frames a second.

    Examples
    --------
    >>> [round(g, 4) for g in coefficients(0.7, 0.1, 15)]
    [1.4226, -0.4668]
    """
    decay = float(np.exp(-1 / (tau * fs)))
    fast = float(np.exp(-1 / (rise * fs))) if rise > 0 else 0.0
    return decay + fast, -decay * fast


def estimated_decay(values: Array, fs: float) -> Array:
    """Estimate the decay from one frame to the next by the autocovariance of each trace.

    Parameters
    ----------
    values : ndarray of float64, shape (k, T)
    fs : float
        Frames a second.

    Returns
    -------
    ndarray of float64, shape (k,)
        Of a time constant from 0.05 to 10 s.

    Notes
    -----
    Noise is in the variance alone, so that the autocovariance is ``r_l = r_0 g^l`` from lag 1 on.
    The ratio of successive lags is that of least squares over five lags, which are multiples of
    1/15 s, or of a frame if that is longer. A rise time makes the estimate longer by some tenth.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> spikes = (rng.random((1, 4000)) < 0.05) * 1.0
    >>> calcium = np.convolve(spikes[0], 0.9 ** np.arange(100))[np.newaxis, :4000]
    >>> estimated_decay(calcium + rng.normal(0, 0.3, calcium.shape), fs=15).round(2)
    array([0.89])
    """
    step = max(1, round(fs / _STRIDE))
    length = values.shape[1]
    centred = values - values.mean(axis=1, keepdims=True) if length else values
    lags = [step * n for n in range(1, _LAGS + 1)]
    covariance = np.zeros((_LAGS, len(values)))
    for row, lag in enumerate(lags):
        if lag < length:
            covariance[row] = (centred[:, lag:] * centred[:, :-lag]).sum(axis=1) / (length - lag)
    power = np.square(covariance[:-1]).sum(axis=0)
    ratio = (covariance[:-1] * covariance[1:]).sum(axis=0) / np.where(power > 0, power, np.inf)
    limits = np.exp(-step / (np.array([_SHORTEST, _LONGEST]) * fs))
    found: Array = np.clip(ratio, *limits) ** (1 / step)
    return found


def nonnegative(values: Array, g1: float, g2: float, penalty: float = 0.0) -> tuple[Array, Array]:
    """Find the calcium nearest to a trace whose spikes are not negative, for two coefficients.

    Parameters
    ----------
    values : ndarray of float64, shape (T,)
        Finite.
    g1, g2 : float
        The model is ``c_t = g1 c_{t-1} + g2 c_{t-2} + s_t``.
    penalty : float
        Weight of the sum of the spikes.

    Returns
    -------
    calcium, spikes : ndarray of float64, shape (T,)
        The minimum of ``|y - c|^2 / 2 + penalty * sum(s)`` for ``s >= 0``; the first sample of `s`
        is the calcium at the start.

    Notes
    -----
    Pools as those of one decay are no solution for two. A primal-dual interior point method with
    Mehrotra's corrector (Nocedal and Wright, Numerical Optimization, 2006, algorithm 16.4) takes 15
    to 30 steps, each a banded system of T unknowns.

    Examples
    --------
    >>> from scipy.signal import lfilter
    >>> spikes = np.array([0, 0, 2.0, 0, 0, 1, 0, 0])
    >>> values = lfilter([1], [1, -1.4, 0.45], spikes)
    >>> nonnegative(values, 1.4, -0.45)[1].round(3) + 0
    array([0., 0., 2., 0., 0., 1., 0., 0.])
    """
    scale = float(np.sqrt(np.square(values).mean())) if values.size else 0.0
    if scale == 0:
        return np.zeros(values.shape), np.zeros(values.shape)
    y = values / scale - penalty / scale * _adjoint(np.ones(values.size), g1, g2)
    c = y.copy()
    s = np.abs(_innovations(c, g1, g2)) + 0.1
    z = np.full(values.size, 0.1)
    for _ in range(_ROUNDS):
        gap = float((s * z).mean())
        unbalanced = c - y - _adjoint(z, g1, g2)
        apart = s - _innovations(c, g1, g2)
        if gap < _GAP and max(np.abs(unbalanced).max(), np.abs(apart).max()) < _FEASIBLE:
            break
        solve = _system(z / s, g1, g2)
        towards = _direction(solve, s, z, -s * z, unbalanced, apart, g1, g2)
        reach = _reach(s, towards[1]), _reach(z, towards[2])
        ahead = ((s + reach[0] * towards[1]) * (z + reach[1] * towards[2])).mean()
        centre = (ahead / gap) ** 3 * gap - s * z - towards[1] * towards[2]
        dc, ds, dz = _direction(solve, s, z, centre, unbalanced, apart, g1, g2)
        step = _STEP * min(_reach(s, ds), _reach(z, dz))
        c, s, z = c + step * dc, s + step * ds, z + step * dz
    c, s = _refined(y, z, s > z, g1, g2)
    return c * scale, s * scale


def _refined(y: Array, z: Array, active: Array, g1: float, g2: float) -> tuple[Array, Array]:
    """Return the solution with these spikes, and others added and dropped until it is optimal.

    The interior point method ends where its systems have no digits left, with small spikes that it
    cannot tell from 0. Here all others are held at 0 by multipliers, which a penalty corrects.
    """
    from scipy.linalg import cho_solve_banded

    for _ in range(_CORRECTIONS):
        stiff = np.where(active, 0, _STIFF)
        factor, z = _system(stiff, g1, g2), np.where(active, 0, z)
        for _ in range(_MULTIPLIERS):
            c = cho_solve_banded(factor, y + _adjoint(z, g1, g2), check_finite=False)
            s = _innovations(c, g1, g2)
            z = z - stiff * s
        wrong = np.where(active, s < 0, z < -_FEASIBLE)
        if not wrong.any():
            break
        active = active ^ wrong
    return c, np.where(active, np.maximum(s, 0), 0)


def constrained(values: Array, g1: float, g2: float, noise: float) -> tuple[Array, Array, float]:
    """Deconvolve with the penalty that leaves a residual of the noise.

    Returns
    -------
    calcium, spikes : ndarray of float64, shape (T,)
    penalty : float
        With ``|y - c|^2 = noise^2 T``; 0 if the residual is larger without one.

    Notes
    -----
    The residual is nearly linear in the square of the penalty: secants of it find the penalty.

    Examples
    --------
    >>> values = np.array([0, 0, 2.0, 2.8, 3.0, 3.9, 4.2, 4.1])
    >>> calcium, _, penalty = constrained(values, 1.4, -0.45, 0.1)
    >>> bool(abs(np.square(values - calcium).mean() - 0.01) < 1e-7), penalty > 0
    (True, True)
    """
    target = noise * noise * values.size
    calcium, spikes = nonnegative(values, g1, g2)
    residual = float(np.square(values - calcium).sum())
    total = float(np.square(values).sum())
    if residual >= target or target >= total:
        empty = np.zeros(values.shape)
        return (calcium, spikes, 0.0) if residual >= target else (empty, empty.copy(), np.inf)
    low, below = 0.0, residual - target
    high = max(noise, 1e-12 * np.sqrt(total)) ** 2
    while True:
        found = nonnegative(values, g1, g2, float(np.sqrt(high)))
        above = float(np.square(values - found[0]).sum()) - target
        if above >= 0:
            break
        low, below, high = high, above, 4 * high
    for _ in range(_SECANTS):
        if abs(above) <= _PRECISE * target:
            break
        # Illinois: an end that stays twice counts for half, so that both ends move.
        middle = (low * above - high * below) / (above - below)
        trial = nonnegative(values, g1, g2, float(np.sqrt(middle)))
        rest = float(np.square(values - trial[0]).sum()) - target
        if rest >= 0:
            below = below / 2
            high, above, found = middle, rest, trial
        else:
            above = above / 2
            low, below = middle, rest
            if abs(rest) <= _PRECISE * target:
                return (*trial, float(np.sqrt(middle)))
    return (*found, float(np.sqrt(high)))


def _innovations(c: Array, g1: float, g2: float) -> Array:
    """Return ``L c``: the spikes of a calcium."""
    s = c.copy()
    s[1:] -= g1 * c[:-1]
    s[2:] -= g2 * c[:-2]
    return s


def _adjoint(z: Array, g1: float, g2: float) -> Array:
    """Return ``L' z``."""
    found = z.copy()
    found[:-1] -= g1 * z[1:]
    found[:-2] -= g2 * z[2:]
    return found


def _system(d: Array, g1: float, g2: float) -> tuple[Array, bool]:
    """Return the Cholesky factor of ``I + L' diag(d) L``, a band of five diagonals."""
    from scipy.linalg import cholesky_banded

    band = np.zeros((3, d.size))
    band[2] = 1 + d
    band[2, :-1] += g1 * g1 * d[1:]
    band[2, :-2] += g2 * g2 * d[2:]
    band[1, 1:] = -g1 * d[1:]
    band[1, 1:-1] += g1 * g2 * d[2:]
    band[0, 2:] = -g2 * d[2:]
    return cholesky_banded(band, overwrite_ab=True, check_finite=False), False


def _direction(
    factor: tuple[Array, bool],
    s: Array,
    z: Array,
    product: Array,
    unbalanced: Array,
    apart: Array,
    g1: float,
    g2: float,
) -> tuple[Array, Array, Array]:
    """Return the step of calcium, spikes and multipliers that changes ``s z`` by `product`."""
    from scipy.linalg import cho_solve_banded

    right = -unbalanced + _adjoint((product + z * apart) / s, g1, g2)
    dc = cho_solve_banded(factor, right, check_finite=False)
    ds = _innovations(dc, g1, g2) - apart
    return dc, ds, (product - z * ds) / s


def _reach(values: Array, step: Array) -> float:
    """Return the share of a step, 1 at the most, at which no value is negative."""
    shrinking = step < 0
    if not shrinking.any():
        return 1.0
    return min(1.0, float((-values[shrinking] / step[shrinking]).min()))
