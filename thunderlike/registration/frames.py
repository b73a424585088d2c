"""Frames whose motion was not found, and the motion that they get from their neighbours."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from thunderlike._typing import Array

__all__ = ["interpolated", "outliers"]

_WINDOW = 101  # frames of the running median
_FEWEST = 20  # frames that have outliers
_DEVIATIONS, _LEAST_DEVIATION = 5.0, 0.2  # robust standard deviations; px
_LOW = 5.0  # percent of the frames, those of the lowest peaks
_FAINT = 0.75  # of the median peak


def outliers(shifts: Array, peaks: Array) -> Array:
    """Frames that are far from the running median, and whose correlation peaks are low.

    Parameters
    ----------
    shifts : ndarray, shape (T, nd)
    peaks : ndarray, shape (T,)

    Returns
    -------
    ndarray of bool, shape (T,)

    Examples
    --------
    >>> shifts, peaks = np.zeros((40, 1)), np.full(40, 9.0)
    >>> shifts[7], peaks[7] = 6, 5.5
    >>> np.flatnonzero(outliers(shifts, peaks))
    array([7])
    """
    from scipy import ndimage

    if len(shifts) < _FEWEST:
        return np.zeros(len(shifts), bool)
    median = ndimage.median_filter(shifts, size=(_WINDOW, 1), mode="nearest")
    apart = np.abs(shifts - median)
    deviation = np.maximum(1.4826 * np.median(apart, axis=0), _LEAST_DEVIATION)
    far = (apart > _DEVIATIONS * deviation).any(axis=1)
    # A jump of the animal is far as well, with a peak that is hardly lower.
    limit = min(np.percentile(peaks, _LOW), _FAINT * np.median(peaks))
    found: Array = far & (peaks <= limit)
    return found


def interpolated(values: Array, bad: Array) -> Array:
    """Replace values of bad frames by linear interpolation in time between good ones.

    Parameters
    ----------
    values : ndarray, shape (T, ...)
    bad : ndarray of bool, shape (T,)

    Returns
    -------
    ndarray
        A copy. Frames before the first and after the last good one have its value; zeros if all
        are bad.

    Examples
    --------
    >>> interpolated(np.array([1.0, 50, 3, 70]), np.array([False, True, False, True]))
    array([1., 2., 3., 3.])
    """
    good, rows = np.flatnonzero(~bad), np.flatnonzero(bad)
    found = values.copy()
    if not good.size:
        found[:] = 0
        return found
    after = np.searchsorted(good, rows).clip(0, len(good) - 1)
    before = (np.searchsorted(good, rows) - 1).clip(0)
    left, right = good[before], good[after]
    share = (rows - left) / np.maximum(right - left, 1)
    share = np.where(left < right, share, 0).reshape(-1, *(1,) * (values.ndim - 1))
    found[rows] = values[left] * (1 - share) + values[right] * share
    return found
