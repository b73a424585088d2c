"""Jobs of the package: each file is a program for ``python`` and for ``spark-submit``.

A job parses the command line, calls a module of ``thunderlike/jobs`` and prints the result. This
module has the shared parts. To add a job, write it next to ``activity_map.py``, where ``thunderlike
submit`` finds it by name, and link to it from ``spark-submit/`` of the checkout.
"""

from __future__ import annotations

import argparse
import difflib
import shlex
import sys
from typing import TYPE_CHECKING, Any

from thunderlike import storage
from thunderlike._text import printable
from thunderlike.cli.info import options as reading_options
from thunderlike.cli.info import reading
from thunderlike.cli.options import OneLine, megabytes, positive, show
from thunderlike.config import current
from thunderlike.engines.scratch import memory_limit, scratch_folder
from thunderlike.jobs.report import ENGINES, as_options, default_engine, reported, started
from thunderlike.progress import progress

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from thunderlike.engines import Engine, Source
    from thunderlike.jobs.contents import Contents

__all__ = [
    "batches",
    "before",
    "chosen",
    "command",
    "command_line",
    "contained",
    "described",
    "frames",
    "main",
    "movie",
    "placed",
    "resuming",
    "run",
    "speed",
    "spread",
    "where",
]

_CODES = """
exit codes: 0 done; 2 failed (with the reason in one line); 130 interrupted
"""


def command_line(description: str, examples: str) -> argparse.ArgumentParser:
    """Make the parser of a job from its description and examples."""
    return _CommandLine(
        description=description,
        epilog=examples + _CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )


class _CommandLine(OneLine):
    """Parser whose error for an unknown option suggests the closest one."""

    def parse_known_args(
        self, args: Iterable[str] | None = None, namespace: object = None
    ) -> tuple[Any, list[str]]:
        """Check for unknown options first; argparse would report required options as missing."""
        words = sys.argv[1:] if args is None else list(args)
        for word in words:
            # The table is private, and the only one of all options with their spellings.
            name, known = word.partition("=")[0], self._option_string_actions
            if name.startswith("--") and name not in known:
                near = difflib.get_close_matches(name, known, 1)
                self.error(
                    f"unknown option {name}" + (f", did you mean {near[0]}?" if near else "")
                )
        return super().parse_known_args(words, namespace)


def movie(parser: argparse.ArgumentParser) -> None:
    """Add the movie and the folder of a job on a movie."""
    parser.add_argument(
        "--images",
        required=True,
        metavar="PATH",
        help="the movie: a folder, a quoted pattern such as 'run1/*.tif', or a file; TIFF, PNG, "
        "flat binary, npy, HDF5, Zarr or messages, whichever is there",
    )
    parser.add_argument(
        "--output", required=True, metavar="DIR", help="output folder; empty or new"
    )


def frames(parser: argparse.ArgumentParser, note: str = "") -> None:
    """Add the choice of frames, how files are read, and the options of every job."""
    add = parser.add_argument
    add(
        "--start",
        type=int,
        metavar="N",
        help=f"first file to take, from 0, or first frame of a single file{note}",
    )
    add("--stop", type=int, metavar="N", help="where to stop before; negative counts from the end")
    reading(parser)
    where(parser)


def chosen(options: argparse.Namespace) -> dict[str, Any]:
    """Return the options of :func:`frames` as arguments of the plan of a job."""
    names = ("npartitions", "start", "stop")
    return {name: getattr(options, name) for name in names} | reading_options(options)


def run(
    options: argparse.Namespace,
    job: Callable[..., tuple[Any, Mapping[str, Any]]],
    plan: Any,
    rows: Callable[[Engine], dict[str, str]],
    found: Callable[[Any, Mapping[str, Any]], str],
) -> int:
    """Run a job on a movie and print one line, or print its plan.

    Parameters
    ----------
    options : argparse.Namespace
    job : callable
        A :class:`~thunderlike.jobs.movies.MovieJob`, or a function that is called like one.
    plan : Plan
        Of the job.
    rows : callable
        Rows of the plan for a dry run.
    found : callable
        Description of the result and of the summary.

    Returns
    -------
    int
        The exit code.
    """
    engine = started(options.engine)
    if options.dry_run:
        show(*described(rows(engine.sized(plan.spec))).split("\n"))
        return 0
    with progress():
        result, summary = job(plan, engine, overwrite=options.overwrite, command=command())
    show(f"{plan.output}: {found(result, summary)}; {speed(summary)}")
    return 0


def where(parser: argparse.ArgumentParser) -> None:
    """Add the options of every job: engine, partitions, overwriting, dry run."""
    add = parser.add_argument_group("where and how it runs").add_argument
    add(
        "--engine",
        choices=ENGINES,
        default=default_engine(),
        help="local: numpy in memory; disk: numpy on a part at a time, for any size; auto: one of "
        "them by size; spark; by default spark if spark-submit started this, else the setting "
        "engine (auto)",
    )
    add("--npartitions", type=positive, metavar="N", help="number of partitions on Spark")
    add(
        "--overwrite",
        action="store_true",
        help="replace an existing file of the same format, or a folder that holds only files "
        "of such jobs",
    )
    add("--dry-run", action="store_true", help="print the plan, and do nothing")
    add("--debug", action="store_true", help="show where an error was raised")


def batches(
    parser: argparse.ArgumentParser,
    what: str = "in memory at a time; the progress is saved after each (256)",
    default: int | None = 256 * 10**6,
) -> None:
    """Add the options of a job that works in batches."""
    parser.add_argument("--batch", type=megabytes, default=default, metavar="MB", help=what)
    resuming(parser)


def resuming(parser: argparse.ArgumentParser) -> None:
    """Add the option of a job that resumes."""
    parser.add_argument(
        "--resume",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="resume an interrupted run of the same command, which is the default; or start again",
    )


def described(rows: dict[str, str]) -> str:
    """Format a plan, one line per row.

    Examples
    --------
    >>> print(described({"images": "movie", "output": "map"}))
    images   movie
    output   map
    """
    width = max(map(len, rows)) + 3
    return "\n".join(f"{name:<{width}}{printable(value)}" for name, value in rows.items())


def spread(engine: Engine, source: Source, npartitions: int | None) -> str:
    """Describe the engine that runs a job, and its parallelism; nothing is read."""
    runs = engine.sized(source.spec)
    if not runs.in_process:
        return f"{runs.name}: {runs.load(source, npartitions).npartitions} partitions"
    threads = f"{runs.name}: {current().nworkers()} threads"
    if not runs.lazy:
        return f"{threads} of this process"
    memory = f"{memory_limit() / 2**30:.2g} GiB"
    return f"{threads}, at most {memory} of memory, scratch in {scratch_folder()}"


def contained(path: str, contents: Contents) -> str:
    """Describe the contents of a path in a few words."""
    spec = contents.source.spec
    size = f"{' x '.join(map(str, spec.shape))} {spec.dtype}, {spec.nbytes / 1e6:.1f} MB"
    kind = type(contents.collection).__name__.lower()
    advice = f" ({as_options(contents.advice)})" if contents.advice else ""
    return f"{path}: {contents.format}, {spec.count} {kind} of {size}{advice}"


def placed(options: argparse.Namespace) -> str:
    """Describe the output path, and whether an existing file is replaced."""
    if not storage.exists(options.output):
        return str(options.output)
    then = "will be replaced" if options.overwrite else "exists: give --overwrite"
    return f"{options.output} ({then})"


def before(summary: Mapping[str, Any]) -> str:
    """Describe the batches that an earlier run completed."""
    done = summary["batches_done_before"]
    return f", {done} batches of them by an earlier run" if done else ""


def speed(summary: Mapping[str, Any]) -> str:
    """Describe duration and engine of a run."""
    return f"{summary['seconds']['total']:.1f} s on {summary['engine']}"


def command() -> str:
    """Return the command line of this process."""
    return shlex.join(sys.argv)


def main(
    parser: Callable[[], argparse.ArgumentParser],
    run: Callable[[argparse.Namespace], int],
    argv: Sequence[str] | None,
) -> int:
    """Parse the command line, run the job and return the exit code."""
    words = sys.argv[1:] if argv is None else argv
    # The parser reads the settings, which may be wrong.
    return reported(lambda: run(parser().parse_args(words)), debug="--debug" in words)
