"""Neuropil coefficient of each cell: the share of its surround that the pixels contain."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from thunderlike.kernels.gaps import filled

if TYPE_CHECKING:
    from thunderlike._typing import Array

__all__ = ["drawn_together", "regressions"]

_WINDOW = 20.0  # s of the running mean that is subtracted
_WINDOW_FRAMES = 300  # of it where the sampling rate is not known
_QUIET = 0.6  # share of the frames in which a cell is taken as silent
_ITERATIONS = 5
_LIMITS = (0.0, 1.2)
_LEAST_SPREAD = 0.02  # standard deviation of the coefficients of a field, at least
_FEWEST = 8  # frames
_USUAL = 0.7  # coefficient where none can be estimated


def regressions(signal: Array, neuropil: Array, fs: float | None) -> Array:
    """Regress the traces of cells on those of their rings, in the frames in which they are silent.

    Parameters
    ----------
    signal, neuropil : ndarray, shape (k, T)
        Weighted means of the cells and of their rings. Frames with NaN in either are left out.
    fs : float or None
        Frames a second.

    Returns
    -------
    ndarray of float64, shape (k, 2)
        Slope, from 0 to 1.2, and its variance; 0 and inf where there are no values.

    Notes
    -----
    Both traces are freed of slow changes by a running mean of 20 s, or of 300 frames without `fs`;
    its length hardly matters: from 5 to 80 s, correlations of traces with the known calcium changed
    by less than 0.01. The regression takes the 60 %
    of the frames in which the remainder is lowest, chosen again five times, so that transients have
    little influence. The variance counts the frames as far as they are independent, by Bartlett's
    formula for the product of two autocorrelated signals.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> ring = rng.normal(size=(2, 4000))
    >>> regressions(0.7 * ring + 0.1 * rng.normal(size=ring.shape), ring, fs=10)[:, 0].round(2)
    array([0.7, 0.7])
    """
    from scipy import ndimage

    window = _WINDOW_FRAMES if fs is None else max(3, round(_WINDOW * fs))
    found = np.empty((len(signal), 2))
    found[:] = 0, np.inf
    for row in range(len(signal)):
        (y, x), missing = filled(np.stack([signal[row], neuropil[row]]))
        known = np.ones(y.shape, bool) if missing is None else ~missing.any(axis=0)
        if int(_QUIET * known.sum()) < _FEWEST:
            continue
        smooth = ndimage.uniform_filter1d(np.stack([y, x]), window, axis=1, mode="nearest")
        found[row] = _regression((y - smooth[0])[known], (x - smooth[1])[known])
    return found


def _regression(y: Array, x: Array) -> tuple[float, float]:
    """Return the slope of y on x where the remainder is low, and its variance."""
    quiet = int(_QUIET * y.size)
    slope = 0.0
    for _ in range(_ITERATIONS):
        rest = y - slope * x
        used = rest <= np.partition(rest, quiet - 1)[quiet - 1]
        deviation = x[used] - x[used].mean()
        power = np.square(deviation).sum()
        if power == 0:
            return 0.0, np.inf
        slope = float(np.clip((deviation * y[used]).sum() / power, *_LIMITS))
    rest = y - slope * x
    both = min(max(_persistence(rest) * _persistence(x), 0.0), 0.99)
    variance = rest[used].var() / power * (1 + both) / (1 - both)
    return slope, float(variance)


def _persistence(values: Array) -> float:
    """Return the autocorrelation at a lag of one frame."""
    centred = values - values.mean()
    power = float(np.square(centred).sum())
    return float((centred[1:] * centred[:-1]).sum() / power) if power else 0.0


def drawn_together(found: Array) -> Array:
    """Draw coefficients towards the median of the field, the more the less precise they are.

    Parameters
    ----------
    found : ndarray, shape (K, 2)
        Of :func:`regressions`.

    Returns
    -------
    ndarray of float64, shape (K,)
        Means of the coefficient and the median with weights of the inverse variances (empirical
        Bayes). The median itself where the variance is inf, 0.7 where it is for all.

    Examples
    --------
    >>> drawn_together(np.array([[0.7, 1e-4], [0.68, 1e-4], [0.72, 1e-4], [0.2, 0.04]])).round(2)
    array([0.7 , 0.68, 0.72, 0.68])
    """
    slopes, variances = found.T
    known = np.isfinite(variances)
    if not known.any():
        return np.full(len(slopes), _USUAL)
    centre = np.median(slopes[known])
    deviation = 1.4826 * np.median(np.abs(slopes[known] - centre))
    spread = max(deviation**2 - np.median(variances[known]), _LEAST_SPREAD**2)
    share = spread / (spread + variances)
    drawn: Array = slopes * share + centre * (1 - share)
    return drawn
