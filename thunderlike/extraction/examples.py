"""Made-up movies of thunder-extraction: gaussian sources of known places and traces."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.ndimage import gaussian_filter, gaussian_filter1d

from thunderlike.errors import SpecError
from thunderlike.extraction.model import ExtractionModel
from thunderlike.images import fromarray
from thunderlike.kernels._validation import checked_arguments, is_whole

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["make_gaussian"]

_MARGIN = 0.1  # of the image, in which there are no centers, half of it on each side
_SMOOTHING = 5  # frames, sd of the gaussian on traces
_LARGEST = 2.0  # value of a trace


@checked_arguments
def make_gaussian(
    shape: tuple[int, ...] = (100, 200),
    n: int = 5,
    t: int = 100,
    sd: float = 3,
    noise: float = 0.1,
    seed: int | None = None,
    engine: object = None,
    withparams: bool = False,
) -> Any:
    """Make a movie of gaussian sources whose brightness changes, as thunder-extraction does.

    Parameters
    ----------
    shape : tuple of int
        Height and width.
    n : int
        Number of sources.
    t : int
        Number of frames.
    sd : float
        Standard deviation of a source in pixels.
    noise : float
        Standard deviation of the noise; negative values of the noise are 0.
    seed : int, optional
        Of the random numbers, which are those of thunder-extraction.
    engine : str, SparkContext or Engine, optional
        Of the movie.
    withparams : bool
        Return the traces and the sources as well.

    Returns
    -------
    data : Images, shape (t, height, width)
    series : ndarray of float64, shape (n, t)
        Traces from 0 to 2.
    model : ExtractionModel
        Discs of radius ``round(1.5 sd)``.

    Raises
    ------
    SpecError
        For a shape of other axes, and numbers out of range.

    Examples
    --------
    >>> data, series, model = make_gaussian(n=2, t=20, seed=0, withparams=True)
    >>> data.shape, series.shape, model.count
    ((20, 100, 200), (2, 20), 2)
    """
    if len(shape) != 2 or not all(is_whole(one, 1) for one in (*shape, n, t)):
        raise SpecError(f"shape={shape}, n={n}, t={t}: give two lengths, and numbers from 1 on")
    if not (sd > 0 and noise >= 0):
        raise SpecError(f"sd={sd}, noise={noise}: give a positive sd, and noise of at least 0")
    rng = np.random.RandomState(seed)  # the random numbers of thunder-extraction
    margins = [_MARGIN * length for length in shape]
    centers = np.stack(
        [
            (length - margin) * rng.random_sample(n) + margin / 2
            for length, margin in zip(shape, margins, strict=True)
        ],
        axis=1,
    )
    series = np.stack([gaussian_filter1d(rng.randn(t), _SMOOTHING) for _ in range(n)]).clip(0, 1)
    series = series / (series.max(axis=1, keepdims=True) + 0.01) * _LARGEST
    sources = np.stack([_source(center, shape, sd) for center in centers])
    frames = np.tensordot(series.T, sources, axes=1)
    for frame in frames:
        frame += (rng.randn(*shape) * noise).clip(0)
    data = fromarray(frames, engine=engine)
    if not withparams:
        return data
    return data, series, ExtractionModel(_discs(centers, shape, round(sd * 1.5)), shape)


def _source(center: NDArray[np.float64], shape: tuple[int, ...], sd: float) -> NDArray[np.float64]:
    """Return a gaussian of height 1."""
    point = np.zeros(shape)
    point[tuple(center.astype(int))] = 1
    blurred = gaussian_filter(point, sd)
    source: NDArray[np.float64] = blurred / blurred.max()
    return source


def _discs(
    centers: NDArray[np.float64], shape: tuple[int, ...], radius: int
) -> list[NDArray[np.int64]]:
    """Return the pixels closer to each center than a radius."""
    grid = np.indices(shape)
    distances = [np.hypot(*(grid - center.reshape(2, 1, 1))) for center in centers]
    return [np.argwhere(one < radius).astype(np.int64) for one in distances]
