"""Jobs on a movie: its files, and the run of a job that writes a folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeAlias, TypeVar

from thunderlike import storage
from thunderlike._arguments import checked_types
from thunderlike.data.images import Images
from thunderlike.errors import SpecError
from thunderlike.jobs.contents import Contents, look
from thunderlike.jobs.report import Steps, summary
from thunderlike.jobs.report import write as write_summary

if TYPE_CHECKING:
    from thunderlike.engines import Engine, Spec
    from thunderlike.storage import AnyPath

__all__ = ["MovieJob", "MoviePlan", "find_movie"]


class MoviePlan(Protocol):
    """Attributes that the plans of all jobs on a movie have."""

    @property
    def output(self) -> str:
        """The folder to write."""

    @property
    def spec(self) -> Spec:
        """Spec of what is computed on: its size decides the engine."""


Plan = TypeVar("Plan", bound=MoviePlan)
Result = TypeVar("Result")
# From a plan, an engine, the steps to time and a folder to the result, and what summary.json says.
Work: TypeAlias = Callable[[Plan, "Engine", Steps, str], tuple[Result, dict[str, Any]]]


@dataclass(frozen=True)
class MovieJob(Generic[Plan, Result]):
    """A job on a movie: what it does, and the files of its folder.

    Parameters
    ----------
    outputs : tuple of str
        Names and patterns of the files that it writes, with ``summary.json``.
    work : callable
        Computes, and writes all files but ``summary.json``.
    """

    outputs: tuple[str, ...]
    work: Work[Plan, Result]

    def __call__(
        self, plan: Plan, engine: Engine, *, overwrite: bool = False, command: str = ""
    ) -> tuple[Result, dict[str, Any]]:
        """Run the job and write its folder atomically.

        Parameters
        ----------
        plan : Plan
            Of the job.
        engine : Engine
            Where to compute.
        overwrite : bool
            Replace what an earlier run wrote there.
        command : str
            How it was called, for the record.

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
        steps, engine = Steps(), engine.sized(plan.spec)
        with storage.output(plan.output, self.outputs, overwrite=overwrite) as folder:
            found, description = self.work(plan, engine, steps, folder)
            facts = summary(description, plan.output, engine, steps, command)
            write_summary(storage.join(folder, "summary.json"), facts)
        return found, facts


@checked_types
def find_movie(path: AnyPath, **options: Any) -> Contents:
    """Find the images at a path; reads only names, sizes and the first header.

    Parameters
    ----------
    path : path
        A folder, a pattern or a file.
    **options
        Of :func:`~thunderlike.jobs.contents.look`: ``format``, and what the reader of the format
        takes, such as ``nplanes``, ``order``, ``dataset``, ``start`` and ``stop``.

    Raises
    ------
    NotFoundError, FormatError
        As ``look``.
    SpecError
        For files that hold series, for pictures in colour, for options that mean nothing to the
        reader, and when `start` and `stop` leave no file.
    """
    found = look(str(path), **options)
    if not isinstance(found.collection, Images):
        raise SpecError(f"{path}: {found.format} files hold series; a movie needs images")
    # Three or four values along the last axis of these formats are colours, not planes.
    shape = found.source.spec.shape
    if found.format in ("png", "tif") and len(shape) == 3 and shape[-1] in (3, 4):
        raise SpecError(
            f"{found.files[0].path}: a picture in colour, of shape {shape}: convert the movie to "
            "grey first"
        )
    return found
