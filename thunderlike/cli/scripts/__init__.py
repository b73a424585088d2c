"""The jobs that ship: each file here is a program, run by ``python`` and by ``spark-submit`` alike.

``spark-submit/`` of a checkout is this folder. A job reads the command line, calls a module of
``thunderlike/jobs`` and prints what came of it; what all of them share stands here. To add one,
write it beside ``activity_map.py``: ``thunderlike submit`` finds it by its name.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

from thunderlike.jobs.running import default_engine, reported, started

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["command", "command_line", "described", "main", "spread", "where"]

_CODES = """
exit codes: 0 done; 2 it cannot be done, with one line that says why; 130 interrupted
"""


def command_line(description: str, examples: str) -> argparse.ArgumentParser:
    """Begin the command line of a job: what it does, and examples that teach it."""
    return argparse.ArgumentParser(
        description=description,
        epilog=examples + _CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )


def where(parser: argparse.ArgumentParser) -> None:
    """Add the options that every job has: where it runs, and whether it does."""
    add = parser.add_argument_group("where and how it runs").add_argument
    add(
        "--engine",
        choices=("local", "spark"),
        default=default_engine(),
        help="numpy on threads in this process, or Spark; by default spark if spark-submit started "
        "this, else local",
    )
    add("--npartitions", type=int, metavar="N", help="parts to spread the records over, on Spark")
    add("--overwrite", action="store_true", help="replace what this job wrote there before")
    add("--dry-run", action="store_true", help="say what would be done, and do nothing")
    add("--debug", action="store_true", help="show where an error was raised")


def described(rows: dict[str, str]) -> str:
    """What would be done, a line for each thing.

    Examples
    --------
    >>> print(described({"images": "movie", "output": "map"}))
    images   movie
    output   map
    """
    width = max(map(len, rows)) + 3
    return "\n".join(f"{name:<{width}}{value}" for name, value in rows.items())


def spread(engine: str, load: Callable[[Any], Any]) -> str:
    """Over what the work is spread; nothing is read, but Spark is started.

    Parameters
    ----------
    engine : str
        Its name.
    load : callable
        From an engine to the collection that the job will read on it.
    """
    from thunderlike.config import current

    if engine == "local":
        return f"local: {current().nworkers()} threads of this process"
    return f"{engine}: {load(started(engine)).npartitions()} partitions"


def command() -> str:
    """How this was called."""
    return shlex.join(sys.argv)


def main(
    parser: argparse.ArgumentParser,
    run: Callable[[argparse.Namespace], int],
    argv: Sequence[str] | None,
) -> int:
    """Read the command line, do the job, return the exit code."""
    options = parser.parse_args(argv)
    return reported(partial(run, options), debug=options.debug)
