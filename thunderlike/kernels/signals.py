"""Each record of a block of series, ``(k, L)``, against a signal, and at a frequency.

What is computed for a record depends on that record alone: one with a NaN or an inf never touches
another.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from thunderlike.errors import SpecError
from thunderlike.kernels.centering import centered, deviations, norm
from thunderlike.kernels.checks import is_whole
from thunderlike.kernels.moments import sum_dtype
from thunderlike.kernels.series import result_dtype
from thunderlike.kernels.tiles import tiles

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Array: TypeAlias = NDArray[Any]

__all__ = ["convolve", "crosscorr", "fourier"]

_FEW_TAPS = 8  # up to here adding shifted copies is faster than a Fourier transform


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
    for rows, tile, norms in deviations(block, compiled=compiled):
        out[rows] = _unit(tile, norms) @ lagged.T
    return out


def _window(length: int, taps: int, mode: str) -> slice:
    """Which part of the full convolution numpy gives in a mode."""
    longer, shorter = max(length, taps), min(length, taps)
    windows = {
        "full": slice(0, length + taps - 1),
        "same": slice((shorter - 1) // 2, (shorter - 1) // 2 + longer),
        "valid": slice(shorter - 1, longer),
    }
    window = windows.get(mode)
    if window is None:
        raise SpecError(f"there is no mode {mode!r}: choose 'full', 'same' or 'valid'")
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
    out = irfft(rfft(tile, size, axis=1) * rfft(taps, size), size, axis=1)[:, :length]
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
    """The tile itself with norm 1; what is 0 stays 0."""
    tile /= np.where(norms == 0, 1, norms)
    return tile
