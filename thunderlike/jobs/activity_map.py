"""Activity map: correlation of each pixel of a movie with a signal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike import storage
from thunderlike._arguments import checked_types
from thunderlike.data.images import Images
from thunderlike.engines import Spec
from thunderlike.errors import SpecError
from thunderlike.formats import npy, tiff
from thunderlike.jobs.movies import MovieJob, find_movie
from thunderlike.jobs.plots import map_figure
from thunderlike.jobs.report import put
from thunderlike.jobs.signals import Signal, read_signal
from thunderlike.viz.plots import NOT_DRAWN, can_draw, png_of

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from thunderlike._typing import Array
    from thunderlike.data.series import Series
    from thunderlike.engines import Engine
    from thunderlike.jobs.contents import Contents
    from thunderlike.jobs.report import Steps
    from thunderlike.storage import AnyPath

__all__ = [
    "OUTPUTS",
    "ActivityMap",
    "Plan",
    "activity_map",
    "detrended",
    "plan",
    "run",
]


OUTPUTS = ("correlation.npy", "correlation.tif", "mean.tif", "summary.png", "summary.json")


@checked_types
def activity_map(images: Images, signal: ArrayLike, sigma: float = 0) -> Series:
    """Correlate each pixel with a signal.

    Parameters
    ----------
    images : Images
        `n` images or volumes, of real numbers.
    signal : array_like, shape (n,)
    sigma : float
        As in :func:`detrended`.

    Returns
    -------
    Series of float64, shape ``(*value_shape, 1)``
        Pearson's correlation; NaN where a pixel is constant.

    Notes
    -----
    On Spark nothing is computed until needed; then one pass over the images and one shuffle.

    Examples
    --------
    >>> import thunderlike as tl
    >>> movie = tl.images.fromarray(np.arange(24).reshape(6, 2, 2))
    >>> activity_map(movie, [0, 1, 0, 2, 1, 3]).toarray().shape
    (2, 2)
    """
    return detrended(images, sigma).correlate(signal)


@checked_types
def detrended(images: Images, sigma: float = 0) -> Series:
    """Convert to series: smoothed in space, linear trend removed.

    Parameters
    ----------
    images : Images
    sigma : float
        Standard deviation of a Gaussian, in pixels along every axis; 0 leaves the pixels as they
        were recorded.

    Returns
    -------
    Series of float64, shape ``(*value_shape, n)``
    """
    # In float32 a bright pixel that varies little would lose the digits that matter.
    smooth = images.astype("float64").gaussian_filter(sigma) if sigma else images
    series = smooth.toseries()
    return (series.astype("float64") if series.dtype == np.float32 else series).detrend()


@dataclass(frozen=True, eq=False)
class ActivityMap:
    """Result of the job for a movie and a signal.

    Parameters
    ----------
    signal : Signal
        Of `n` values.
    mean : ndarray of float64, shape value_shape
        The mean image.
    correlation : ndarray of float64, shape value_shape
        Of each pixel with the signal; NaN where it is constant.
    best : tuple of int or None
        The pixel of the highest correlation; None where all are constant.
    trace : ndarray of float64, shape (n,)
        The best pixel's series without its trend, standardized; empty without one.
    """

    signal: Signal
    mean: Array
    correlation: Array
    best: tuple[int, ...] | None
    trace: Array

    @property
    def best_correlation(self) -> float | None:
        """The highest correlation."""
        return None if self.best is None else float(self.correlation[self.best])


@dataclass(frozen=True)
class Plan:
    """Validated job: a movie and a signal of matching length.

    Parameters
    ----------
    movie, signal
        What is read.
    output : str
        The folder to write.
    sigma : float
        Of the smoothing, in pixels; 0 for none.
    npartitions : int, optional
        Parts to spread the images over, on Spark.
    """

    movie: Contents
    signal: Signal
    output: str
    sigma: float = 0
    npartitions: int | None = None

    @property
    def spec(self) -> Spec:
        """Spec of the images as they are computed, in float64: its size decides the engine."""
        recorded = self.movie.source.spec
        return Spec(recorded.count, recorded.shape, np.dtype(np.float64))


@checked_types
def plan(
    images: AnyPath,
    signal: str,
    output: AnyPath,
    *,
    sigma: float = 0,
    npartitions: int | None = None,
    start: int | None = None,
    stop: int | None = None,
    **options: Any,
) -> Plan:
    """Find the movie and the signal, and check that their lengths match; reads no image.

    Parameters
    ----------
    images : path
        A folder, a pattern or a file: :func:`thunderlike.jobs.movies.find_movie`.
    signal : str
        ``FILE`` or ``FILE:NAME``: :func:`thunderlike.jobs.signals.read_signal`. It has a value for
        each image, or for each file where `start` and `stop` choose some.
    output : path
        The folder to write.
    sigma, npartitions
        As in :class:`Plan`.
    start, stop : int, optional
        Which of the files, as in ``files[start:stop]``; of a single file, which of its images.
    **options
        As of ``find_movie``.

    Raises
    ------
    ThunderlikeError
        When either is not there, cannot be read, or does not fit the other; names the file.
    """
    if not 0 <= sigma < np.inf:
        raise SpecError(f"sigma must be a number of pixels, 0 or more, not {sigma}")
    if npartitions is not None and npartitions < 1:
        raise SpecError(f"npartitions must be 1 or more, not {npartitions}")
    values = read_signal(signal)
    movie = find_movie(images, start=start, stop=stop, **options)
    count = movie.collection.count()
    # The length of the signal decides: one value fits a single volume, more mean a movie.
    if movie.advice and len(values.values) != 1:
        raise SpecError(movie.advice)
    whole = len(movie.files)
    if whole == 1 and (start, stop) != (None, None):  # they count the images of a single file
        whole = find_movie(images, **options).collection.count()
    fitting = values.matching(count, slice(start, stop), whole)
    return Plan(movie, fitting, str(output), sigma, npartitions)


def _work(
    plan: Plan, engine: Engine, steps: Steps, folder: str
) -> tuple[ActivityMap, dict[str, Any]]:
    """Map the movie and write the map.

    The images are read once locally; on a lazy engine twice, for the mean and for the map, and
    regrouped once: the best pixel's trace is made of what that left. Nothing is cached: reading
    compressed files a second time took no longer than keeping their images.
    """
    found = _compute(plan, engine, steps)
    with steps.timed("write"):
        _write(found, folder)
    return found, _description(plan, found)


run = MovieJob(OUTPUTS, _work)


def _compute(plan: Plan, engine: Engine, steps: Steps) -> ActivityMap:
    with steps.timed("load"):
        images = Images(engine.load(plan.movie.source, plan.npartitions))
    with steps.timed("mean"):
        mean = images.mean().toarray(squeeze=False)[0]
    with steps.timed("correlate"):
        series = detrended(images, plan.sigma)
        correlation = series.correlate(plan.signal.values).toarray(squeeze=False)[..., 0]
    with steps.timed("trace"):
        # nanargmax has no answer where every pixel is constant.
        best: tuple[int, ...] | None = None
        trace = np.empty(0)
        if not np.isnan(correlation).all():
            highest = np.unravel_index(np.nanargmax(correlation), correlation.shape)
            best = tuple(int(i) for i in highest)
            trace = series[best].zscore().toarray().ravel()
    return ActivityMap(plan.signal, mean, correlation, best, trace)


def _write(found: ActivityMap, folder: str) -> None:
    # float64 for computing; TIFF in float32, since few viewers show more.
    put(folder, "correlation.npy", npy.encode(found.correlation))
    put(folder, "correlation.tif", tiff.encode(found.correlation.astype(np.float32)))
    put(folder, "mean.tif", tiff.encode(found.mean.astype(np.float32)))
    if can_draw():
        put(folder, "summary.png", png_of(map_figure(found)))


def _description(plan: Plan, found: ActivityMap) -> dict[str, Any]:
    return {
        "input": plan.movie.description(),
        "signal": {"file": storage.at(found.signal.path), "name": found.signal.name},
        "sigma": plan.sigma,
        "best": None if found.best is None else list(found.best),
        "best_correlation": found.best_correlation,
        "constant_pixels": int(np.isnan(found.correlation).sum()),
        "picture": "summary.png" if can_draw() else NOT_DRAWN,
    }
