"""Baselines of series of fluorescence, and their noise."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike.kernels.gaps import filled

if TYPE_CHECKING:
    from collections.abc import Callable

    from thunderlike._typing import Array

__all__ = ["BASELINES", "NOISES", "baseline", "noise", "result_dtype"]

_PIECE, _LEVEL = 5.0, 0.2  # s; quantile of a piece
_QUIET = 0.8416  # standard deviations of a normal distribution between that quantile and its centre
_TAUS = 12  # time constants that are tried, from T / 10 to 3 T
_SEGMENT = 256  # samples of a spectrum
_ROWS = 64  # series at once


def baseline(
    block: Array, method: str, fs: float, *, q: float, window: float, sigma: float
) -> Array:
    """Find the baseline of each series.

    Parameters
    ----------
    block : ndarray of real numbers, shape (k, T)
        Values that are not finite are interpolated; a series without finite values is NaN.
    method : str
        One of :data:`BASELINES`.
    fs : float
        Samples a second.
    q : float
        Percentile, for 'percentile' and 'constant'.
    window : float
        Seconds, for 'percentile' and 'maximin'.
    sigma : float
        Samples, for 'maximin'.

    Returns
    -------
    ndarray, shape (k, T)
        float32 for float32 and integers of up to 16 bits, else float64.

    Examples
    --------
    >>> block = np.array([[5.0, 5, 5, 9, 6, 5]])
    >>> baseline(block, "maximin", 1, q=8, window=3, sigma=0)
    array([[5., 5., 5., 5., 5., 5.]])
    """
    out = np.empty(block.shape, result_dtype(block.dtype))
    for first in range(0, len(block), _ROWS):
        few = slice(first, first + _ROWS)
        values, missing = filled(block[few])
        if values.size:
            out[few] = BASELINES[method](values, fs, q, window, sigma)
        if missing is not None:
            out[few][missing.all(axis=1)] = np.nan
    return out


def result_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the dtype of results: float32 for float32 and integers of up to 16 bits, or float64.

    Examples
    --------
    >>> result_dtype(np.dtype("int16")), result_dtype(np.dtype("int32"))
    (dtype('float32'), dtype('float64'))
    """
    short = dtype.itemsize <= (4 if dtype.kind == "f" else 2)
    return np.dtype(np.float32 if short else np.float64)


def _exponential(values: Array, fs: float, q: float, window: float, sigma: float) -> Array:  # noqa: ARG001
    """A constant and an exponential through quantiles of pieces, raised to the centre of noise."""
    length = values.shape[1]
    size = min(max(1, round(_PIECE * fs)), length)
    count = max(1, length // size)
    edges = np.linspace(0, length, count + 1).astype(int)
    pieces = itertools.pairwise(edges)
    levels = np.stack([_quantile(values[:, a:b], _LEVEL) for a, b in pieces], axis=1)
    levels += _QUIET * _difference_noise(values)[:, np.newaxis] * min(1.0, (size - 1) / 4)
    if count < 4:
        return np.repeat(levels.mean(axis=1, keepdims=True), length, axis=1)
    middle, time = (edges[:-1] + edges[1:] - 1) / 2, np.arange(length)
    mean = levels.mean(axis=1, keepdims=True)
    best, least = np.repeat(mean, length, axis=1), np.square(levels - mean).sum(axis=1)
    for tau in np.geomspace(length / 10, 3 * length, _TAUS):
        shape = np.exp(-middle / tau)
        centre = shape.mean()
        power = np.square(shape - centre).sum()
        slope = ((levels - mean) * (shape - centre)).sum(axis=1, keepdims=True) / power
        rest = np.square(levels - mean - slope * (shape - centre)).sum(axis=1)
        better = rest < least
        fit = mean[better] + slope[better] * (np.exp(-time / tau) - centre)
        best[better], least[better] = fit, rest[better]
    return best


def _quantile(values: Array, q: float) -> Array:
    """Return a quantile of each row, by linear interpolation."""
    return np.quantile(values, q, axis=1)


def _percentile(values: Array, fs: float, q: float, window: float, sigma: float) -> Array:  # noqa: ARG001
    """A running percentile of means over a second or one sample, interpolated."""
    from scipy import ndimage

    means, middle = _second_means(values, fs)
    size = min(max(1, round(window * fs * len(middle) / values.shape[1])), len(middle))
    running = ndimage.percentile_filter(means, q, size=(1, size), mode="nearest")
    time = np.arange(values.shape[1])
    return np.stack([np.interp(time, middle, row) for row in running])


def _second_means(values: Array, fs: float) -> tuple[Array, Array]:
    """Return means over about a second, and the samples in the middle of each."""
    length = values.shape[1]
    count = max(1, round(length / max(1.0, fs)))
    edges = np.linspace(0, length, count + 1).astype(int)
    means = np.add.reduceat(values, edges[:-1], axis=1) / np.diff(edges)
    return means, (edges[:-1] + edges[1:] - 1) / 2


def _maximin(values: Array, fs: float, q: float, window: float, sigma: float) -> Array:  # noqa: ARG001
    """The running maximum of the running minimum of the smooth series."""
    from scipy import ndimage

    size = max(1, round(window * fs))
    smooth = ndimage.gaussian_filter1d(values, sigma, axis=1) if sigma else values
    low = ndimage.minimum_filter1d(smooth, size, axis=1)
    found: Array = ndimage.maximum_filter1d(low, size, axis=1)
    return found


def _constant(values: Array, fs: float, q: float, window: float, sigma: float) -> Array:  # noqa: ARG001
    """A percentile of the means over a second."""
    level = _quantile(_second_means(values, fs)[0], q / 100)
    return np.repeat(level[:, np.newaxis], values.shape[1], axis=1)


def _none(values: Array, fs: float, q: float, window: float, sigma: float) -> Array:  # noqa: ARG001
    return np.zeros(values.shape)


BASELINES: dict[str, Callable[[Array, float, float, float, float], Array]] = {
    "exponential": _exponential,
    "percentile": _percentile,
    "maximin": _maximin,
    "constant": _constant,
    "none": _none,
}


def noise(block: Array, method: str) -> Array:
    """Estimate the standard deviation of the white noise of each series.

    Parameters
    ----------
    block : ndarray of real numbers, shape (k, T)
        Values that are not finite are interpolated.
    method : str
        One of :data:`NOISES`.

    Returns
    -------
    ndarray of float64, shape (k,)
        NaN for fewer than two finite values.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> noise(rng.normal(0, 3, (2, 4000)), "auto").round(1)
    array([3., 3.])
    """
    out = np.full(len(block), np.nan)
    if block.shape[1] < 2:
        return out
    for first in range(0, len(block), _ROWS):
        few = slice(first, first + _ROWS)
        values, missing = filled(block[few])
        found = NOISES[method](values)
        if missing is not None:
            found[(~missing).sum(axis=1) < 2] = np.nan
        out[few] = found
    return out


def _difference_noise(values: Array) -> Array:
    """Median of the absolute differences of neighbours, of a normal distribution."""
    if values.shape[1] < 2:
        return np.zeros(len(values))
    found: Array = np.median(np.abs(np.diff(values, axis=1)), axis=1) * (1.4826 / np.sqrt(2))
    return found


def _spectral_noise(values: Array) -> Array:
    """Geometric mean of the upper half of the spectrum, of Hann windows that overlap by half."""
    from scipy import special

    length = values.shape[1]
    size = min(_SEGMENT, length)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * (np.arange(size) + 0.5) / size)
    starts = range(0, length - size + 1, max(1, size // 2))
    power = np.zeros((len(values), size // 2 + 1))
    for start in starts:
        piece = values[:, start : start + size]
        centred = (piece - piece.mean(axis=1, keepdims=True)) * window
        power += np.square(np.abs(np.fft.rfft(centred, axis=1)))
    power /= len(starts) * np.square(window).sum()
    high = power[:, (size + 2) // 4 : (size + 1) // 2]
    if high.shape[1] == 0:
        return np.full(len(values), np.inf)
    # The mean logarithm of a mean of n exponential variables is psi(n) - log(n).
    degrees = max(1.0, 0.947 * len(starts))
    bias = special.digamma(degrees) - np.log(degrees)
    tiny = np.finfo(float).tiny
    found: Array = np.sqrt(np.exp(np.log(np.maximum(high, tiny)).mean(axis=1) - bias))
    return found


def _least_noise(values: Array) -> Array:
    """Return the smaller of both: transients raise the one more or the other."""
    return np.minimum(_difference_noise(values), _spectral_noise(values))


NOISES: dict[str, Callable[[Array], Array]] = {
    "auto": _least_noise,
    "difference": _difference_noise,
    "spectrum": _spectral_noise,
}
