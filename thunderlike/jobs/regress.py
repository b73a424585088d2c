"""Linear model of each pixel of a movie: maps of coefficients, t and R squared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike import storage
from thunderlike._arguments import checked_types
from thunderlike.data.images import Images
from thunderlike.errors import SpecError
from thunderlike.formats import tiff
from thunderlike.hdf5 import api as hdf5
from thunderlike.jobs.movies import MovieJob, find_movie
from thunderlike.jobs.plots import regression_figure
from thunderlike.jobs.report import put
from thunderlike.jobs.signals import Signal, read_signals
from thunderlike.regression import LinearRegression, convolve
from thunderlike.viz.plots import NOT_DRAWN, can_draw, png_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from thunderlike._typing import Array
    from thunderlike.engines import Engine, Spec
    from thunderlike.jobs.contents import Contents
    from thunderlike.jobs.report import Steps
    from thunderlike.regression import LinearModel
    from thunderlike.storage import AnyPath

__all__ = ["OUTPUTS", "Encoding", "Plan", "plan", "run"]

OUTPUTS = (
    *("betas.tif", "tvalues.tif", "rsquared.tif", "maps.h5"),
    *("summary.png", "summary.json"),
)
_MAPS = ("betas", "se", "tvalues", "pvalues", "rsquared", "fvalues", "f_pvalues")


@dataclass(frozen=True)
class Plan:
    """Validated job: a movie, and regressors of matching length.

    Parameters
    ----------
    movie : Contents
        What is read.
    design : tuple of Signal
        The regressors, in the order of their coefficients.
    output : str
        The folder to write.
    algorithm : LinearRegression
        The model.
    tau : float
        Decay of the indicator that regressors were convolved with, in images; 0 for none.
    npartitions : int, optional
        Parts to spread the images over, on Spark.
    """

    movie: Contents
    design: tuple[Signal, ...]
    output: str
    algorithm: LinearRegression
    tau: float = 0
    npartitions: int | None = None

    @property
    def spec(self) -> Spec:
        """Spec of the images: its size decides the engine."""
        return self.movie.source.spec


@dataclass(frozen=True, eq=False)
class Encoding:
    """Result of the job.

    Parameters
    ----------
    model : LinearModel
        Of all pixels, in memory.
    design : tuple of Signal
        The regressors.
    best : tuple of int or None
        The pixel of the largest R squared; None where no pixel varies.
    trace, fitted : ndarray of float64, shape (n,)
        The best pixel's series, and its fit; empty without one.
    """

    model: LinearModel
    design: tuple[Signal, ...]
    best: tuple[int, ...] | None
    trace: Array
    fitted: Array

    def map(self, name: str) -> Array:
        """Return a statistic of the model, of shape ``(*frame, m)``."""
        values: Array = getattr(self.model, name).toarray(squeeze=False)
        return values


@checked_types
def plan(
    images: AnyPath,
    design: str,
    output: AnyPath,
    *,
    regressors: Sequence[str] = (),
    tau: float = 0,
    standardize: bool = False,
    cv: int | None = None,
    gap: int = 0,
    prewhiten: str | None = None,
    npartitions: int | None = None,
    start: int | None = None,
    stop: int | None = None,
    **options: Any,
) -> Plan:
    """Find the movie and the regressors, and check that their lengths match; reads no image.

    Parameters
    ----------
    images : path
        A folder, a pattern or a file: :func:`thunderlike.jobs.movies.find_movie`.
    design : str
        A file with a column for each regressor: :func:`thunderlike.jobs.signals.read_signals`. It
        has a row for each image, or for each file where `start` and `stop` choose some.
    output : path
        The folder to write.
    regressors : sequence of str
        Columns to use, in this order; by default all with numbers.
    tau : float
        Decay of the indicator in images, which the regressors are convolved with; 0 for none.
    standardize, cv, gap, prewhiten
        As of :class:`thunderlike.regression.LinearRegression`.
    npartitions : int, optional
        Parts to spread the images over, on Spark.
    start, stop : int, optional
        Which of the files, as in ``files[start:stop]``; of a single file, which of its images.
    **options
        As of ``find_movie``.

    Raises
    ------
    ThunderlikeError
        When something is not there, cannot be read, or does not fit the rest; names the file.
    """
    if not 0 <= tau < np.inf:
        raise SpecError(f"tau must be a number of images, 0 or more, not {tau}")
    if npartitions is not None and npartitions < 1:
        raise SpecError(f"npartitions must be 1 or more, not {npartitions}")
    algorithm = LinearRegression(standardize=standardize, cv=cv, gap=gap, prewhiten=prewhiten)
    found = read_signals(design, regressors)
    if tau:  # before images are chosen: the indicator remembers those before
        found = [Signal(one.path, one.name, convolve(one.values, tau)) for one in found]
    movie = find_movie(images, start=start, stop=stop, **options)
    if movie.advice:
        raise SpecError(movie.advice)
    count, whole = movie.collection.count(), len(movie.files)
    if whole == 1 and (start, stop) != (None, None):  # they count the images of a single file
        whole = find_movie(images, **options).collection.count()
    fitting = tuple(one.matching(count, slice(start, stop), whole) for one in found)
    if count <= len(fitting) + 1:
        raise SpecError(
            f"{design}: {count} images do not determine {len(fitting)} regressors and an "
            "intercept: choose some with regressors="
        )
    return Plan(movie, fitting, str(output), algorithm, tau, npartitions)


def _work(plan: Plan, engine: Engine, steps: Steps, folder: str) -> tuple[Encoding, dict[str, Any]]:
    """Fit the models and write their maps.

    The images are read and regrouped once; ``prewhiten='ar1'`` takes one pass more over what that
    left. Here arrive about ``8 (2 p + 6)`` bytes a pixel, for p regressors. On the disk engine
    other memory is bounded by the setting ``memory``.
    """
    with steps.timed("load"):
        series = Images(engine.load(plan.movie.source, plan.npartitions)).toseries()
    with steps.timed("fit"):
        X = {one.name: one.values for one in plan.design}
        model = plan.algorithm.fit(X, series).tolocal()
    with steps.timed("trace"):
        rsquared = model.rsquared.toarray(squeeze=False)[..., 0]
        best: tuple[int, ...] | None = None
        trace = fitted = np.empty(0)
        varies = model.fvalues.toarray(squeeze=False)[..., 0] >= 0
        if varies.any():
            highest = np.where(varies, rsquared, -1).argmax()
            best = tuple(int(i) for i in np.unravel_index(highest, rsquared.shape))
            trace = series[best].toarray().ravel().astype(np.float64)
            fitted = model.models[best].toarray().item().predict(X)
        found = Encoding(model, plan.design, best, trace, fitted)
    with steps.timed("write"):
        _write(plan, found, folder)
    return found, _description(plan, found)


run = MovieJob(OUTPUTS, _work)


def _write(plan: Plan, found: Encoding, folder: str) -> None:
    names = (*_MAPS, "cv_rsquared") if plan.algorithm.cv is not None else _MAPS
    maps = {name: found.map(name) for name in names}
    facts = {"regressors": list(found.model.names), "rho": found.model.rho}
    hdf5.save(storage.join(folder, "maps.h5"), maps | facts)
    for name in ("betas", "tvalues", "rsquared"):
        # A page for each plane of each value; in float32, since few viewers show more.
        pages = np.moveaxis(maps[name], -1, 0).astype(np.float32)
        put(folder, f"{name}.tif", tiff.encode(pages.reshape(-1, *pages.shape[-2:])))
    if can_draw():
        put(folder, "summary.png", png_of(regression_figure(found)))


def _description(plan: Plan, found: Encoding) -> dict[str, Any]:
    pvalues, rsquared = found.map("pvalues")[..., 1:], found.map("rsquared")
    pixels = rsquared.size
    # Bonferroni's bound on any false one among all pixels.
    significant = np.sum(pvalues < 0.05 / pixels, axis=tuple(range(pvalues.ndim - 1)))
    return {
        "input": plan.movie.description(),
        "design": storage.at(plan.design[0].path),
        "regressors": list(found.model.names),
        "tau": plan.tau,
        "standardize": plan.algorithm.standardize,
        "cv": plan.algorithm.cv,
        "prewhiten": plan.algorithm.prewhiten,
        "autocorrelation": found.model.rho,
        "best": None if found.best is None else list(found.best),
        "best_rsquared": None if found.best is None else float(rsquared[(*found.best, 0)]),
        "significant_pixels": dict(
            zip(found.model.names, map(int, significant.tolist()), strict=True)
        ),
        "pixels": pixels,
        "picture": "summary.png" if can_draw() else NOT_DRAWN,
    }
