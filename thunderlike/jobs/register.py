"""Motion correction of a movie: from files to the corrected movie, its shifts and a summary."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from thunderlike import registration, storage
from thunderlike._arguments import checked_types
from thunderlike.data.images import Images
from thunderlike.engines import Spec
from thunderlike.errors import SpecError, ThunderlikeError
from thunderlike.formats.registry import FORMATS
from thunderlike.jobs.movies import MovieJob, find_movie
from thunderlike.jobs.plots import registration_figure
from thunderlike.jobs.report import put
from thunderlike.registration.model import as_images
from thunderlike.registration.reference import sample_rows
from thunderlike.viz.plots import NOT_DRAWN, can_draw, png_of

if TYPE_CHECKING:
    from thunderlike._typing import Array
    from thunderlike.engines import Engine
    from thunderlike.jobs.contents import Contents
    from thunderlike.jobs.report import Steps
    from thunderlike.registration import RegistrationModel
    from thunderlike.storage import AnyPath

    Kind: TypeAlias = Literal["rigid", "piecewise"]

__all__ = ["FORMATS_OF_MOVIES", "OUTPUTS", "Corrected", "Plan", "plan", "run"]

# Formats of the corrected movie, and its name: files that hold all frames, or a folder of files.
FORMATS_OF_MOVIES = {
    "hdf5": "movie.h5",
    "npy": "movie.npy",
    "zarr": "movie.zarr",
    "tif": "movie",
    "bin": "movie",
}
OUTPUTS = (
    *("movie.h5", "movie.npy", "movie.zarr/**", "movie/**"),
    *("model.h5", "shifts.csv", "summary.png", "summary.json"),
)

_SHOWN = 500  # frames of the means before and after


@dataclass(frozen=True)
class Plan:
    """Validated job: a movie, how its motion is estimated, and what is written.

    Parameters
    ----------
    movie : Contents
        What is corrected.
    steering : Contents
        What the motion is estimated on: the same, or another channel.
    output : str
        The folder to write.
    algorithm : Rigid or PiecewiseRigid
    reference : ndarray or RegistrationModel, optional
        What frames are registered to; by default built from a sample.
    interpolation : int
        Its order: 0, 1 or 3.
    to : str
        Format of the corrected movie.
    npartitions : int, optional
        Parts to spread the frames over, on Spark.
    """

    movie: Contents
    steering: Contents
    output: str
    algorithm: registration.Rigid | registration.PiecewiseRigid
    reference: Array | RegistrationModel | None = None
    interpolation: int = 3
    to: str = "hdf5"
    npartitions: int | None = None

    @property
    def spec(self) -> Spec:
        """Spec of the movie before and after: its size decides the engine."""
        recorded = self.movie.source.spec
        return Spec(2 * recorded.count, recorded.shape, recorded.dtype)


@dataclass(frozen=True, eq=False)
class Corrected:
    """Result of the job.

    Parameters
    ----------
    model : RegistrationModel
        The motion.
    before, after : ndarray of float64, shape (*frame)
        Means of the same frames of the movie, at most 500 at even distances.
    left : ndarray of float64, shape (n, nd)
        Shifts that are found in these frames after the correction, in pixels.
    """

    model: RegistrationModel
    before: Array
    after: Array
    left: Array

    @property
    def largest(self) -> float:
        """Largest shift of a good frame along an axis, in pixels."""
        good = self.model.shifts[~self.model.bad]
        return float(np.abs(good).max(initial=0))


@checked_types
def plan(
    images: AnyPath,
    output: AnyPath,
    *,
    kind: str = "rigid",
    reference: AnyPath | None = None,
    structural: int | None = None,
    max_shift: float = 0.1,
    bidirectional: float | str | None = None,
    interpolation: int = 3,
    to: str = "hdf5",
    npartitions: int | None = None,
    start: int | None = None,
    stop: int | None = None,
    **options: Any,
) -> Plan:
    """Find the movie and the reference, and check the arguments; reads no frame of the movie.

    Parameters
    ----------
    images : path
        A folder, a pattern or a file: :func:`thunderlike.jobs.movies.find_movie`.
    output : path
        The folder to write.
    kind : {'rigid', 'piecewise'}
        Translations of whole frames, or smooth fields.
    reference : path, optional
        An image, images whose mean is taken, or ``model.h5`` of an earlier run.
    structural : int, optional
        Channel that the motion is estimated on, of files with several; `channel` is corrected.
    max_shift, bidirectional
        As of :class:`thunderlike.registration.Rigid`.
    interpolation : {0, 1, 3}
        Its order: nearest pixel, linear or cubic.
    to : str
        Format of the corrected movie, one of `FORMATS_OF_MOVIES`.
    npartitions : int, optional
        Parts to spread the frames over, on Spark.
    start, stop : int, optional
        Which of the files, as in ``files[start:stop]``; of a single file, which of its frames.
    **options
        As of ``find_movie``.

    Raises
    ------
    ThunderlikeError
        When something is not there, cannot be read, or does not fit the rest; names the file.
    """
    algorithms = {"rigid": registration.Rigid, "piecewise": registration.PiecewiseRigid}
    if kind not in algorithms:
        raise SpecError(f"kind {kind!r} must be rigid or piecewise")
    if to not in FORMATS_OF_MOVIES:
        raise SpecError(
            f"cannot write a movie as {to!r}; expected one of {', '.join(FORMATS_OF_MOVIES)}"
        )
    algorithm = algorithms[kind](max_shift=max_shift, bidirectional=_offset(bidirectional))
    options |= {"start": start, "stop": stop}
    movie = find_movie(images, **options)
    if movie.advice:
        raise SpecError(movie.advice)
    steering = (
        movie if structural is None else find_movie(images, **options | {"channel": structural})
    )
    as_images(movie.collection)
    fixed = None if reference is None else _reference(str(reference))
    return Plan(movie, steering, str(output), algorithm, fixed, interpolation, to, npartitions)


def _offset(bidirectional: float | str | None) -> Any:
    """Return the offset of odd rows as a number, 'auto' or None."""
    if bidirectional in (None, "auto"):
        return bidirectional
    try:
        return float(bidirectional)
    except ValueError:
        raise SpecError(
            f"bidirectional {bidirectional!r} must be auto, or a number of pixels"
        ) from None


def _reference(path: str) -> Array | RegistrationModel:
    """Read an image, the mean of several, or a model."""
    if path.endswith((".h5", ".hdf5")):
        try:
            return registration.load(path)
        except ThunderlikeError:  # then it holds images
            pass
    found = find_movie(path)
    values = np.asarray(found.collection.astype("float64").mean())
    mean: Array = values[0]
    return mean


def _work(
    plan: Plan, engine: Engine, steps: Steps, folder: str
) -> tuple[Corrected, dict[str, Any]]:
    """Correct the movie, and write it and its motion.

    The movie is read twice, and a sample of its frames a few times more: for the reference, for the
    means before and after, and for the motion that is left. On the disk engine memory is bounded by
    the setting ``memory``.
    """
    with steps.timed("load"):
        movie = Images(engine.load(plan.movie.source, plan.npartitions))
        movie.attrs = plan.movie.collection.attrs
        steering = movie
        if plan.steering is not plan.movie:
            steering = Images(engine.load(plan.steering.source, plan.npartitions))
    with steps.timed("estimate"):
        model = plan.algorithm.fit(steering, plan.reference)
    with steps.timed("correct"):
        name, writer = FORMATS_OF_MOVIES[plan.to], str(FORMATS[plan.to].writer)
        corrected = model.transform(movie, order=plan.interpolation)
        getattr(corrected, writer)(storage.join(folder, name))
    with steps.timed("compare"):
        found = _compared(model, movie, steering, plan.interpolation)
    model.save(storage.join(folder, "model.h5"))
    put(folder, "shifts.csv", _table(model))
    if can_draw():
        put(folder, "summary.png", png_of(registration_figure(found)))
    return found, _description(plan, found)


run = MovieJob(OUTPUTS, _work)


def _compared(model: RegistrationModel, movie: Images, steering: Images, order: int) -> Corrected:
    """Average some frames before and after, and estimate their motion again."""
    rows = sample_rows(len(model), _SHOWN, 1)
    some, before = model[rows], movie[rows.tolist()]
    after = some.transform(before, order=order)
    mean_before, mean_after = (np.asarray(x.mean())[0].astype(np.float64) for x in (before, after))
    again = after if steering is movie else some.transform(steering[rows.tolist()], order=order)
    left = registration.residual_motion(again, model)
    return Corrected(model, mean_before, mean_after, left)


def _table(model: RegistrationModel) -> bytes:
    """Shifts as comma-separated text, a line a frame."""
    names = ("z", "y", "x")[-model.shifts.shape[-1] :]
    lines = [",".join(("frame", *names, "stderr", "peak", "gain", "bad"))]
    errors = np.sqrt(np.square(model.stderr).mean(axis=-1))
    for t, shift in enumerate(model.shifts):
        numbers = (*shift, errors[t], model.peak[t], model.gain[t])
        lines.append(f"{t},{','.join(f'{x:.4f}' for x in numbers)},{int(model.bad[t])}")
    return ("\n".join(lines) + "\n").encode()


def _description(plan: Plan, found: Corrected) -> dict[str, Any]:
    model = found.model
    some = model[sample_rows(len(model), _SHOWN, 1)]  # fields of all frames may be large
    apart = 0.0
    if (fields := some.fields) is not None:
        shifts = some.shifts.reshape(*some.shifts.shape, *(1,) * (fields.ndim - 2))
        apart = float(np.sqrt(np.square(fields - shifts).mean()))
    return {
        "input": plan.movie.description(),
        "movie": FORMATS_OF_MOVIES[plan.to],
        "algorithm": repr(plan.algorithm),
        "interpolation": plan.interpolation,
        "bidirectional_offset": model.offset,
        "largest_shift": found.largest,
        "rms_shift": [float(x) for x in np.sqrt(np.square(model.shifts).mean(axis=0))],
        "rms_of_fields": apart,
        "median_stderr": [float(x) for x in np.median(model.stderr, axis=0)],
        "bad_frames": np.flatnonzero(model.bad).tolist(),
        "rms_shift_left": [float(x) for x in np.sqrt(np.square(found.left).mean(axis=0))],
        "picture": "summary.png" if can_draw() else NOT_DRAWN,
    }
