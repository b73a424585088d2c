"""Calcium imaging as a job: from files of a recording to cells, traces, spikes and a report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from thunderlike import calcium
from thunderlike._arguments import checked_types
from thunderlike.data.images import Images
from thunderlike.engines import Spec
from thunderlike.errors import SpecError
from thunderlike.jobs.movies import find_movie
from thunderlike.jobs.outputs import fingerprint

if TYPE_CHECKING:
    from thunderlike.calcium import Result
    from thunderlike.calcium.pipeline import Pipeline
    from thunderlike.engines import Engine
    from thunderlike.jobs.contents import Contents
    from thunderlike.storage import AnyPath

__all__ = ["Plan", "plan", "run"]


@dataclass(frozen=True)
class Plan:
    """Validated job: a recording, and the parameters of the pipeline.

    Parameters
    ----------
    movie : Contents
        What cells are found in.
    steering : Contents
        What the motion is estimated on: the same, or another channel.
    output : str
        The folder to write.
    pipeline : Pipeline
    npartitions : int, optional
        Parts to spread the frames over, on Spark.
    """

    movie: Contents
    steering: Contents
    output: str
    pipeline: Pipeline
    npartitions: int | None = None

    @property
    def spec(self) -> Spec:
        """Spec of the movie before and after registration: its size decides the engine."""
        recorded = self.movie.source.spec
        return Spec(2 * recorded.count, recorded.shape, recorded.dtype)

    def prepared(
        self, engine: Engine | None = None, *, overwrite: bool = False, resume: bool = True
    ) -> calcium.Plan:
        """Return the plan of the pipeline: on an engine, or to look at alone."""
        movie, steering = (
            contents.collection if engine is None else self._loaded(contents, engine)
            for contents in (self.movie, self.steering)
        )
        return calcium.plan(
            movie,
            self.output,
            self.pipeline,
            structural=None if self.steering is self.movie else steering,
            identity=" ".join(fingerprint(one.source) for one in (self.movie, self.steering)),
            overwrite=overwrite,
            resume=resume,
        )

    def _loaded(self, contents: Contents, engine: Engine) -> Images:
        images = Images(engine.load(contents.source, self.npartitions))
        images.attrs = contents.collection.attrs
        return images


@checked_types
def plan(
    images: AnyPath,
    output: AnyPath,
    pipeline: Pipeline,
    *,
    structural: int | None = None,
    npartitions: int | None = None,
    start: int | None = None,
    stop: int | None = None,
    **options: Any,
) -> Plan:
    """Find the recording and check the arguments; reads no frame.

    Parameters
    ----------
    images : path
        A folder, a pattern or a file: :func:`thunderlike.jobs.movies.find_movie`.
    output : path
        The folder to write.
    pipeline : Pipeline
        The parameters.
    structural : int, optional
        Channel that the motion is estimated on, of files with several; cells are found in
        `channel`.
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
    options |= {"start": start, "stop": stop}
    movie = find_movie(images, **options)
    if movie.advice:
        raise SpecError(movie.advice)
    steering = (
        movie if structural is None else find_movie(images, **options | {"channel": structural})
    )
    made = Plan(movie, steering, str(output), pipeline, npartitions)
    made.prepared()
    return made


@checked_types
def run(
    plan: Plan,
    engine: Engine,
    *,
    overwrite: bool = False,
    resume: bool = True,
    command: str = "",
) -> tuple[Result, dict[str, Any]]:
    """Run the job; as :func:`thunderlike.calcium.run`.

    Parameters
    ----------
    plan : Plan
    engine : Engine
        Where to compute.
    overwrite, resume, command
        As of :func:`thunderlike.calcium.run`.

    Returns
    -------
    Result, dict
        What was found, and what ``summary.json`` says.

    Raises
    ------
    ExistsError, StorageError
        When the folder may not be written; before anything is computed.
    FormatError
        For a file that cannot be read, or is of another size than the first; names it.
    """
    made = plan.prepared(engine.sized(plan.spec), overwrite=overwrite, resume=resume)
    result = made.run(plan.movie.description(), command)
    return result, result.summary
