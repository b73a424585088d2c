"""Statistics and filters of each series in a block of shape ``(k, L)``.

Everything is computed in float64, a tile of records at a time that stays in the cache, and given
back as float64, or as float32 where the block is float32 (:func:`result_dtype`). A record with a
NaN or an inf comes out as NaN where its own arithmetic says so, and never affects another.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike.errors import SpecError
from thunderlike.kernels._tiles import (
    PRODUCT_ROWS,
    centered,
    deviations,
    norm,
    projected,
    row_products,
    tiles,
)
from thunderlike.kernels._validation import is_between, is_whole
from thunderlike.kernels.moments import sum_dtype

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike

    from thunderlike._typing import Array

__all__ = [
    "center",
    "convolve",
    "correlate",
    "crosscorr",
    "detrend",
    "fourier",
    "normalize",
    "result_dtype",
    "squelch",
    "standardize",
    "zscore",
]

_FEW_TERMS = 2  # polynomials: so many are subtracted one at a time
_FEW_TAPS = 8  # up to here adding shifted copies is faster than a Fourier transform


def result_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the dtype of results for series of a dtype, except from `squelch` and `convolve`.

    Raises
    ------
    SpecError
        If they are no real numbers.

    Examples
    --------
    >>> result_dtype(np.dtype("int16")), result_dtype(np.dtype("float32"))
    (dtype('float64'), dtype('float32'))
    """
    if dtype.kind not in "biuf":
        raise SpecError(f"series of {dtype} cannot be computed with: make them real numbers first")
    return np.dtype(np.float32 if dtype == np.float32 else np.float64)


@np.errstate(all="ignore")
def center(block: Array, *, compiled: bool | None = None) -> Array:
    """Subtract from each record its mean; a constant record becomes exactly 0.

    Parameters
    ----------
    block : ndarray, shape (k, L)
    compiled : bool, optional
        Whether to run compiled loops; by default, the size of the block decides.

    Returns
    -------
    ndarray, shape (k, L)

    Raises
    ------
    SpecError
        If the records are no real numbers.

    Examples
    --------
    >>> center(np.array([[1, 2, 6], [4, 4, 4]]))
    array([[-2., -1.,  3.],
           [ 0.,  0.,  0.]])
    """
    out = np.empty(block.shape, result_dtype(block.dtype))
    for rows, tile, _ in deviations(block, compiled=compiled):
        out[rows] = tile
    return out


@np.errstate(all="ignore")
def standardize(block: Array, *, compiled: bool | None = None) -> Array:
    """Divide each record by its population standard deviation; a constant record becomes NaN.

    Parameters
    ----------
    block : ndarray, shape (k, L)
    compiled : bool, optional
        Whether to run compiled loops; by default, the size of the block decides.

    Returns
    -------
    ndarray, shape (k, L)

    Raises
    ------
    SpecError
        If the records are no real numbers.

    Examples
    --------
    >>> standardize(np.array([[2, 4, 2, 4], [3, 3, 3, 3]]))
    array([[ 2.,  4.,  2.,  4.],
           [nan, nan, nan, nan]])
    """
    out = np.empty(block.shape, result_dtype(block.dtype))
    for rows, _, norms in deviations(block, compiled=compiled):
        np.divide(block[rows], _std(block, norms), out=out[rows], casting="same_kind")
    return out


@np.errstate(all="ignore")
def zscore(block: Array, *, compiled: bool | None = None) -> Array:
    """Subtract from each record its mean and divide by its population standard deviation.

    Parameters
    ----------
    block : ndarray, shape (k, L)
    compiled : bool, optional
        Whether to run compiled loops; by default, the size of the block decides.

    Returns
    -------
    ndarray, shape (k, L)
        NaN for a constant record.

    Raises
    ------
    SpecError
        If the records are no real numbers.

    Examples
    --------
    >>> zscore(np.array([[2, 4, 2, 4], [3, 3, 3, 3]]))
    array([[-1.,  1., -1.,  1.],
           [nan, nan, nan, nan]])
    """
    out = np.empty(block.shape, result_dtype(block.dtype))
    for rows, tile, norms in deviations(block, compiled=compiled):
        if out.dtype == tile.dtype:
            np.divide(tile, _std(block, norms), out=out[rows])
        else:  # a rounding in float64 more is less than one in float32
            tile *= 1 / _std(block, norms)
            out[rows] = tile
    return out


@np.errstate(all="ignore")
def detrend(block: Array, method: str = "linear", order: int = 5) -> Array:
    """Subtract from each record its best-fitting polynomial, except for its value at 0.

    Parameters
    ----------
    block : ndarray, shape (k, L)
        Samples at 0, 1, ... L-1.
    method : {'linear', 'nonlinear'}
        Fit a straight line, or a polynomial of degree `order`.
    order : int, >= 0
        Used by 'nonlinear'.

    Returns
    -------
    ndarray, shape (k, L)
        A constant record comes out as it went in, to the bit.

    Raises
    ------
    SpecError
        For another method or order, or if the records are no real numbers.

    Notes
    -----
    With P the fitted polynomial, ``y - (P - P(0))``: Thunder's ``p = polyfit(x, y, order);
    p[-1] = 0; y - polyval(p, x)``. It is computed as a projection on orthonormal polynomials, and
    so is well conditioned for long records and high orders. A degree of L or more fits as L - 1
    does.

    Examples
    --------
    >>> detrend(np.array([[5, 7, 6, 11, 13]])).round(1)
    array([[5., 5., 2., 5., 5.]])
    """
    if method not in ("linear", "nonlinear") or not is_whole(order, 0):
        raise SpecError(
            f"detrend cannot do method {method!r} with order {order!r}: "
            "the methods are 'linear' and 'nonlinear', an order is a whole number >= 0"
        )
    basis, drift = _polynomials(block.shape[1], 1 if method == "linear" else int(order))

    # Less the first sample, which no basis polynomial feels, a constant record projects on 0.
    def by_terms(tile: Array) -> Array:
        buffer = tile - tile[:, :1]
        for factors, polynomial in zip(np.vecdot(buffer, basis[:, np.newaxis]), drift, strict=True):
            tile -= np.multiply(factors[:, np.newaxis], polynomial, out=buffer)
        return tile

    def by_products(tile: Array) -> Array:
        tile -= row_products(row_products(tile - tile[:, :1], basis.T), drift)
        return tile

    # Of few polynomials the products are slower than terms in the second-level cache.
    if len(basis) <= _FEW_TERMS:
        return _by_tiles(by_terms, block)
    return _by_tiles(by_products, block, least=PRODUCT_ROWS)


@np.errstate(all="ignore")
def normalize(
    block: Array,
    method: str = "percentile",
    window: int | None = None,
    perc: float = 20,
    offset: float = 0.1,
) -> Array:
    """Change of each record relative to its baseline: ``(y - b) / (b + offset)``.

    Parameters
    ----------
    block : ndarray, shape (k, L)
    method : {'percentile', 'mean', 'window', 'window-exact'}
        The baseline b: a percentile of the record, its mean, the percentile of a sliding window by
        rank (``scipy.ndimage.percentile_filter``, ends repeated), or the interpolated percentile
        of the samples from ``window // 2`` before to ``window // 2`` (one more for an odd window)
        after each, fewer at the ends.
    window : int, >= 1
        In samples; needed by the window methods, unused by the others.
    perc : float
        From 0 to 100, unused by 'mean'.
    offset : float
        Keeps a small baseline from blowing up the quotient.

    Returns
    -------
    ndarray, shape (k, L)
        A record with a NaN becomes NaN: throughout, or with 'window-exact' where a window holds it.

    Raises
    ------
    SpecError
        For another method, a window method without a window, a percentile out of range, or records
        that are no real numbers.

    Notes
    -----
    'window-exact' makes L calls for each tile of records, and is some hundred times slower than
    'window'.

    Examples
    --------
    >>> normalize(np.array([[1, 2, 3]]), method="mean", offset=0)
    array([[-0.5,  0. ,  0.5]])
    """
    if not is_between(perc, 0, 100):
        raise SpecError(f"invalid percentile perc={perc!r}: give a number from 0 to 100")
    baseline = _baseline(method, window, perc)

    def change(tile: Array) -> Array:
        level = baseline(tile)
        return (tile - level) / (level + offset)

    return _by_tiles(change, block)


@np.errstate(all="ignore")
def correlate(block: Array, signals: ArrayLike, *, compiled: bool | None = None) -> Array:
    """Pearson correlation of each record with each signal.

    Parameters
    ----------
    block : ndarray, shape (k, L)
    signals : array_like, shape (L,) or (m, L)
    compiled : bool, optional
        Whether to run compiled loops; by default, the size of the block decides.

    Returns
    -------
    ndarray, shape (k, m)
        Within -1 and 1; NaN for a constant record or signal, or one with a NaN or an inf.

    Raises
    ------
    SpecError
        If the signals have another length or more axes, or anything is no real number.

    Notes
    -----
    For several signals one matrix product for each tile of records, by BLAS: keep it to one thread
    where several threads call this.

    Examples
    --------
    >>> correlate(np.array([[1, 2, 3], [3, 2, 1], [5, 5, 5]]), [0, 1, 2])
    array([[ 1.],
           [-1.],
           [nan]])
    """
    against, dtype = _unit_signals(signals, block.shape[1]), result_dtype(block.dtype)
    if len(against) == 1:
        found = projected(block, against[0], compiled=compiled)
        return _cosines(*found).astype(dtype, copy=False)
    out = np.empty((len(block), len(against)), dtype)
    for rows, tile, norms in deviations(block, compiled=compiled, least=PRODUCT_ROWS):
        out[rows] = _cosines(row_products(tile, against.T), norms)
    return out


def squelch(block: Array, threshold: float) -> Array:
    """Set to 0 each record whose samples are all below a threshold.

    Parameters
    ----------
    block : ndarray, shape (k, L)
    threshold : float
        A record that reaches it anywhere, or has a NaN, is kept.

    Returns
    -------
    ndarray, shape (k, L)
        A copy, of the same dtype.

    Examples
    --------
    >>> squelch(np.array([[1, 2], [1, 3]]), 3)
    array([[0, 0],
           [1, 3]])
    """
    out = block.copy()
    out[(block < threshold).all(axis=1)] = 0
    return out


def _by_tiles(function: Callable[[Array], Array], block: Array, least: int = 1) -> Array:
    """Apply a function to float64 tiles, which it may overwrite, of at least so many records."""
    out = np.empty(block.shape, result_dtype(block.dtype))
    found = tiles(block, least=least) if out.size else ()  # no sample, no percentile
    for rows, tile in found:
        out[rows] = function(tile)
    return out


def _cosines(products: Array, norms: Array) -> Array:
    return np.clip(products / _or_nan(norms), -1, 1)


def _or_nan(norms: Array) -> Array:
    """Replace 0 by NaN: a constant record has no direction."""
    return np.where(norms == 0, np.nan, norms)


def _std(block: Array, norms: Array) -> Array:
    """Standard deviations of records, by the norms of their deviations."""
    result: Array = _or_nan(norms) / np.sqrt(block.shape[1])
    return result


def _unit_signals(signals: ArrayLike, length: int) -> Array:
    """Signals as rows, with mean 0 and norm 1."""
    given = np.asarray(signals)
    if not 1 <= given.ndim <= 2 or given.shape[-1] != length:
        raise SpecError(
            f"cannot correlate series of length {length} with signals of shape {given.shape}: "
            f"give one signal of shape ({length},), or several of shape (m, {length})"
        )
    result_dtype(given.dtype)
    rows = np.array(np.atleast_2d(given), np.float64)
    return centered(rows, rows) / _or_nan(norm(rows))


@lru_cache(maxsize=8)
def _polynomials(length: int, degree: int) -> tuple[Array, Array]:
    """Orthonormal polynomials on ``range(length)`` of degree 1 to `degree`, in rows.

    Those of the second array less their values at 0.
    """
    from numpy.polynomial.legendre import legvander

    points = np.linspace(-1, 1, length)
    columns = np.linalg.qr(legvander(points, min(degree, max(0, length - 1))))[0][:, 1:]
    basis = np.ascontiguousarray(columns.T)
    drift = basis - basis[:, :1]
    for cached in (basis, drift):
        cached.flags.writeable = False
    return basis, drift


def _baseline(method: str, window: int | None, perc: float) -> Callable[[Array], Array]:
    """The function from a tile to its baseline, of shape (k, 1) or (k, L)."""
    if method == "mean":
        return lambda tile: tile.sum(axis=1, keepdims=True) / tile.shape[1]
    if method == "percentile":
        return lambda tile: np.percentile(tile, perc, axis=1, keepdims=True)
    sliding = {"window": _ranked_window, "window-exact": _exact_window}.get(method)
    if sliding is None:
        raise SpecError(
            f"unknown baseline {method!r}: choose 'percentile', 'mean', 'window' or 'window-exact'"
        )
    if window is None or not is_whole(window, 1):
        raise SpecError(
            f"method {method!r} needs a window, a whole number of samples >= 1, not {window!r}"
        )
    samples = int(window)
    return lambda tile: sliding(tile, samples, perc)


def _ranked_window(tile: Array, window: int, perc: float) -> Array:
    from scipy import ndimage

    # Records end to end, each with its ends repeated as far as a window reaches: scipy has a fast
    # filter for one line, 6 times faster at 20 samples. A NaN would spread along it.
    before, after = window // 2, window - 1 - window // 2
    level = np.empty_like(tile)
    for rows, records in tiles(tile, width=tile.shape[1] + window):
        blind = np.isnan(records).any(axis=1, keepdims=True)
        line = np.pad(np.where(blind, 0, records), [(0, 0), (before, after)], mode="edge")
        ranked = ndimage.percentile_filter(line.ravel(), perc, window, mode="nearest")
        inner = ranked.reshape(line.shape)[:, before : before + tile.shape[1]]
        level[rows] = np.where(blind, np.nan, inner)
    return level


def _exact_window(tile: Array, window: int, perc: float) -> Array:
    left, right = window // 2, window // 2 + window % 2
    level = np.empty_like(tile)
    for i in range(tile.shape[1]):
        seen = tile[:, max(i - left, 0) : i + right + 1]
        level[:, i] = np.percentile(seen, perc, axis=1)
    return level


@np.errstate(all="ignore")
def fourier(block: Array, freq: int, *, compiled: bool | None = None) -> Array:
    """Coherence and phase of each record at one frequency.

    Parameters
    ----------
    block : ndarray, shape (k, L)
    freq : int
        Cycles in a record, from 0 to less than ``L // 2``.
    compiled : bool, optional
        Whether to run compiled loops; by default, the size of the block decides.

    Returns
    -------
    ndarray, shape (k, 2)
        The amplitude at `freq` over the root of the sum of squares of the amplitudes at the first
        ``L // 2`` frequencies, the mean removed; and the phase ``-pi/2 - angle`` from 0 to 2 pi. A
        constant record has no coherence: NaN.

    Raises
    ------
    SpecError
        For another frequency, or records that are no real numbers.

    Examples
    --------
    >>> wave = np.sin(2 * np.pi * 3 * np.arange(60) / 60)
    >>> (fourier(wave[np.newaxis], 3) + 0.0).round(6)
    array([[1., 0.]])
    """
    from scipy.fft import rfft

    half = block.shape[1] // 2
    if not is_whole(freq, 0, half):
        raise SpecError(
            f"series of length {block.shape[1]} have no frequency {freq!r}: give a whole number of "
            f"cycles from 0 to less than {half}, half the length"
        )
    out = np.empty((len(block), 2), result_dtype(block.dtype))
    for rows, tile, _ in deviations(block, compiled=compiled):
        waves = rfft(tile, axis=1)[:, :half]
        at = waves[:, int(freq)]
        out[rows, 0] = np.abs(at) / norm(np.abs(waves))[:, 0]
        phase = -np.pi / 2 - np.angle(at)
        out[rows, 1] = np.where(phase < 0, phase + 2 * np.pi, phase)
    return out


@np.errstate(all="ignore")
def convolve(block: Array, signal: ArrayLike, mode: str = "full") -> Array:
    """Discrete convolution of each record with a signal, as :func:`numpy.convolve`.

    Parameters
    ----------
    block : ndarray, shape (k, L)
    signal : array_like, shape (m,)
    mode : {'full', 'same', 'valid'}

    Returns
    -------
    ndarray, shape (k, L + m - 1), (k, max(L, m)) or (k, max(L, m) - min(L, m) + 1)
        numpy's dtype, but integers get 64 bits.

    Raises
    ------
    SpecError
        For another mode, a signal that is empty or has several axes, or anything that is no real
        number.

    Notes
    -----
    A short signal, and integers, are added up as shifted copies. A long one goes through a Fourier
    transform, exact to about 1e-16 of the largest value of the record, except in records that have
    a NaN or an inf: in these only what they reach is spoiled.

    Examples
    --------
    >>> convolve(np.array([[1, 2, 3]]), [0, 1, 0.5])
    array([[0. , 1. , 2.5, 4. , 1.5]])
    """
    taps = np.asarray(signal)
    if taps.ndim != 1 or not taps.size or not block.shape[1]:
        raise SpecError(
            f"series of length {block.shape[1]} cannot be convolved with a signal of shape "
            f"{taps.shape}: both need one axis that is not empty"
        )
    window = _window(block.shape[1], len(taps), mode)
    result_dtype(block.dtype), result_dtype(taps.dtype)
    dtype = sum_dtype(np.result_type(block.dtype, taps.dtype))
    few = min(len(taps), block.shape[1]) <= _FEW_TAPS
    method = _shifted if few or dtype.kind != "f" else _transformed
    long = np.result_type(dtype, np.float64) if dtype.kind == "f" else dtype
    out = np.empty((len(block), window.stop - window.start), dtype)
    for rows, tile in tiles(block, long, width=block.shape[1] + len(taps) - 1):
        out[rows] = method(tile, taps.astype(long))[:, window]
    return out


@np.errstate(all="ignore")
def crosscorr(
    block: Array, signal: ArrayLike, lag: int = 0, *, compiled: bool | None = None
) -> Array:
    """Correlation of each record with a signal, shifted by up to `lag` to both sides.

    Parameters
    ----------
    block : ndarray, shape (k, L)
    signal : array_like, shape (L,)
    lag : int, >= 0
    compiled : bool, optional
        Whether to run compiled loops; by default, the size of the block decides.

    Returns
    -------
    ndarray, shape (k, 2 * lag + 1)
        Column j for the signal shifted by ``j - lag``, zeros moving in. Both are first made to have
        mean 0 and norm 1; a constant record, or signal, correlates 0.

    Raises
    ------
    SpecError
        For a signal of another shape, a lag that is no whole number from 0 to less than L, or
        anything that is no real number.

    Notes
    -----
    One matrix product for each tile of records, by BLAS: keep it to one thread where several
    threads call this.

    Examples
    --------
    >>> crosscorr(np.array([[0, 0, 1, 0]]), [0, 1, 0, 0], lag=1).round(3)
    array([[-0.417, -0.333,  0.917]])
    """
    lagged = _lagged(signal, block.shape[1], lag)
    out = np.empty((len(block), len(lagged)), result_dtype(block.dtype))
    for rows, tile, norms in deviations(block, compiled=compiled, least=PRODUCT_ROWS):
        out[rows] = row_products(_unit(tile, norms), lagged.T)
    return out


def _window(length: int, taps: int, mode: str) -> slice:
    """Return the part of the full convolution that a mode of numpy keeps."""
    longer, shorter = max(length, taps), min(length, taps)
    windows = {
        "full": slice(0, length + taps - 1),
        "same": slice((shorter - 1) // 2, (shorter - 1) // 2 + longer),
        "valid": slice(shorter - 1, longer),
    }
    window = windows.get(mode)
    if window is None:
        raise SpecError(f"unknown mode {mode!r}: choose 'full', 'same' or 'valid'")
    return window


def _shifted(tile: Array, taps: Array) -> Array:
    """The full convolution, one shifted copy of the longer one for each sample of the shorter."""
    length, count = tile.shape[1], len(taps)
    out = np.zeros((len(tile), length + count - 1), tile.dtype)
    if count <= length:
        for shift, tap in enumerate(taps):
            out[:, shift : shift + length] += tile * tap
    else:
        for shift in range(length):
            out[:, shift : shift + count] += tile[:, shift, np.newaxis] * taps
    return out


def _transformed(tile: Array, taps: Array) -> Array:
    """The full convolution by Fourier transform; record by record where that would spread a NaN."""
    from scipy.fft import irfft, next_fast_len, rfft

    length = tile.shape[1] + len(taps) - 1
    size = next_fast_len(length, real=True)
    out: Array = irfft(rfft(tile, size, axis=1) * rfft(taps, size), size, axis=1)[:, :length]
    spoiled = ~np.isfinite(tile).all(axis=1) | ~np.isfinite(taps).all()
    for row in np.flatnonzero(spoiled):
        out[row] = np.convolve(tile[row], taps)
    return out


def _lagged(signal: ArrayLike, length: int, lag: int) -> Array:
    """The signal with mean 0 and norm 1, shifted by -lag, ... lag, a row each."""
    given = np.asarray(signal)
    if given.shape != (length,):
        raise SpecError(
            f"series of length {length} cannot be correlated with a signal of shape {given.shape}: "
            f"give one of shape ({length},)"
        )
    if not is_whole(lag, 0, max(1, length)):
        raise SpecError(f"lag {lag!r} must be a whole number from 0 to less than {length}")
    result_dtype(given.dtype)
    row = given.astype(np.float64)[np.newaxis]
    row = centered(row, row)
    bordered = np.pad(_unit(row, norm(row))[0], int(lag))
    return np.lib.stride_tricks.sliding_window_view(bordered, length)[::-1].copy()


def _unit(tile: Array, norms: Array) -> Array:
    """Divide each record of a tile by its norm, in place; zeros stay 0."""
    tile /= np.where(norms == 0, 1, norms)
    return tile
