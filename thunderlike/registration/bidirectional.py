"""Offset of odd rows, of scanners that record lines in both directions."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy import fft

from thunderlike.errors import SpecError
from thunderlike.kernels._validation import checked_arguments
from thunderlike.kernels.resampling import deinterlace
from thunderlike.registration.estimation import single_precision
from thunderlike.registration.model import as_images
from thunderlike.registration.reference import sample_rows

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from thunderlike._typing import Array
    from thunderlike.data.images import Images

__all__ = ["bidirectional_offset", "correct_bidirectional"]

_TAPER = 16  # pixels at each end of a row
_SMOOTH = 1.15  # pixels: the low-pass of the correlation
_FINER = 8  # positions of the correlation a pixel


@checked_arguments
def bidirectional_offset(
    images: Images | ArrayLike, nsample: int = 300, max_offset: int = 10
) -> float:
    """Estimate the displacement of odd rows along x.

    Parameters
    ----------
    images : Images or array_like
        Frames or volumes, on any engine.
    nsample : int
        Frames at even distances that are used; fewer if they would take more than 256 MiB in
        float32.
    max_offset : int
        Largest displacement, in pixels.

    Returns
    -------
    float
        Displacement of the content of rows 1, 3, ... relative to rows 0, 2, ..., in pixels: what
        :func:`correct_bidirectional` takes. 0 for frames without contrast.

    Raises
    ------
    SpecError
        For frames of fewer than 3 rows or ``2 * max_offset + 2`` columns, and without any frame.

    Notes
    -----
    The maximum of the correlation of each odd row with the mean of its neighbours, summed over rows
    and frames, and whitened by the power of the even rows. One pass over the sample.

    Examples
    --------
    >>> row = np.random.default_rng(0).normal(size=96).cumsum()
    >>> frames = np.broadcast_to(row[4:-4], (5, 20, 88)).copy()
    >>> frames[:, 1::2] = row[2:-6]
    >>> round(bidirectional_offset(frames, max_offset=5))
    2
    """
    images = as_images(images)
    rows, columns = images.value_shape[-2:]
    if rows < 3 or max_offset < 1 or columns < 2 * max_offset + 2:
        raise SpecError(
            f"frames of {rows} rows and {columns} columns have no offset of up to {max_offset} "
            "pixels: give 3 rows or more, and a max_offset of 1 to less than half of the columns"
        )
    if nsample < 1 or not images.count():
        raise SpecError(f"nsample={nsample} of {images.count()} frames: both must be 1 or more")
    taken = sample_rows(images.count(), nsample, math.prod(images.value_shape))
    taper, frequencies = _taper(columns), fft.rfftfreq(columns)
    cross, power = np.zeros(len(frequencies), np.complex128), np.zeros(len(frequencies))
    for frame in images._records.take(taken).collect().reshape(-1, rows, columns):
        lines = single_precision(frame)[0]
        odd = _spectra(lines[1 : rows - 1 : 2], taper)
        even = _spectra((lines[: rows - 2 : 2] + lines[2::2]) / 2, taper)
        cross += (odd * even.conj()).sum(axis=0)
        power += np.square(np.abs(even)).sum(axis=0)
    if not power.any():
        return 0.0
    weight = np.exp(-2 * (math.pi * _SMOOTH * frequencies) ** 2)
    weight /= np.sqrt(np.maximum(power, 1e-12 * power.max()))
    weight[0] = 0
    return _peak(fft.irfft(cross * weight, columns * _FINER), max_offset * _FINER) / _FINER


def correct_bidirectional(images: Images | ArrayLike, offset: float) -> Images:
    """Move the content of odd rows back along x.

    Parameters
    ----------
    images : Images or array_like
    offset : float
        Displacement of rows 1, 3, ... in pixels, of :func:`bidirectional_offset`.

    Returns
    -------
    Images
        Of the same shape and dtype, with labels and attrs. Even rows keep their values; odd ones
        are interpolated linearly, their edges repeated.

    Raises
    ------
    SpecError
        For an offset that is not finite.

    Notes
    -----
    One lazy map. Algorithms with ``bidirectional=offset`` do it on the way: do not do both.

    Examples
    --------
    >>> correct_bidirectional(np.array([[[1, 2, 3], [0, 1, 2], [1, 2, 3]]]), 1.0).toarray()
    array([[1, 2, 3],
           [1, 2, 2],
           [1, 2, 3]])
    """
    images = as_images(images)
    if not math.isfinite(offset):
        raise SpecError(f"offset={offset!r} must be a finite number of pixels")
    return images._stacked(deinterlace, offset=float(offset), compiled=images._compiled)


def _taper(length: int) -> Array:
    """Raised cosine over 16 pixels, or a quarter of the length, at each end."""
    width = min(_TAPER, length // 4)
    rise = 0.5 - 0.5 * np.cos(np.pi * (np.arange(width) + 0.5) / max(width, 1))
    values = np.ones(length)
    values[:width], values[length - width :] = rise, rise[::-1]
    return values


def _spectra(rows: Array, taper: Array) -> Array:
    centered = rows - rows.mean(axis=-1, keepdims=True, dtype=np.float64)
    spectra: Array = fft.rfft(centered * taper, workers=1)
    return spectra


def _peak(correlation: Array, reach: int) -> float:
    """Position of the maximum among shifts of at most `reach`, by the parabola through it."""
    shifts = np.arange(-reach, reach + 1)
    best = int(shifts[correlation[shifts].argmax()])
    left, top, right = (float(correlation[best + step]) for step in (-1, 0, 1))
    curvature = left - 2 * top + right
    return best + (0.5 * (left - right) / curvature if curvature < 0 else 0.0)
