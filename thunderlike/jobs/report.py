"""Reports of a run: inputs, outputs, versions, duration."""

from __future__ import annotations

import json
import os
import platform
import re
import sys
import time
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from thunderlike._text import printable
from thunderlike.config import current
from thunderlike.errors import ThunderlikeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from thunderlike.engines import Engine

__all__ = [
    "ENGINES",
    "FAILED",
    "INTERRUPTED",
    "Steps",
    "as_options",
    "default_engine",
    "put",
    "reported",
    "started",
    "summary",
    "summary_path",
    "write",
]


ENGINES = ("auto", "local", "disk", "spark")  # that a command line names

_LIBRARIES = ("thunderlike", "numpy", "scipy", "pyspark")


class Steps:
    """Duration of each step of a job.

    Attributes
    ----------
    seconds : dict
        Of each step, by its name.

    Examples
    --------
    >>> steps = Steps()
    >>> with steps.timed("load"):
    ...     pass
    >>> list(steps.seconds)
    ['load']
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, step: str) -> None:
        """Record the time since the last lap, or since creation."""
        now = time.perf_counter()
        self.seconds[step], self._last = round(now - self._last, 3), now

    @contextmanager
    def timed(self, step: str) -> Iterator[None]:
        """Record the duration of a block that does not raise."""
        begin = time.perf_counter()
        yield
        self.seconds[step] = round(time.perf_counter() - begin, 3)


def summary(
    description: Mapping[str, Any], output: str, engine: Engine, steps: Steps, command: str
) -> dict[str, Any]:
    """Summarize a job as plain values for JSON.

    Parameters
    ----------
    description : mapping
        What only this job has to say; comes first.
    output : str
        What it wrote.
    engine : Engine
        Where it computed.
    steps : Steps
        How long that took.
    command : str
        How it was called.

    Examples
    --------
    >>> from thunderlike.engines import local
    >>> list(summary({"images": "movie"}, "map", local(), Steps(), "a command"))
    ['images', 'engine', 'seconds', 'output', 'command', 'versions']
    """
    from thunderlike import storage

    seconds = steps.seconds | {"total": round(sum(steps.seconds.values()), 3)}
    return {
        **description,
        "engine": engine.name,
        "seconds": seconds,
        "output": storage.resolve(output)[1],
        "command": command,
        "versions": {"python": platform.python_version()} | {n: _version(n) for n in _LIBRARIES},
    }


def summary_path(path: str) -> str:
    """Path of the summary of a job whose output is one file, or a folder of one format.

    Examples
    --------
    >>> summary_path("out/day1.h5"), summary_path("frames/")
    ('out/day1.h5.summary.json', 'frames.summary.json')
    """
    return f"{path.rstrip('/')}.summary.json"


def write(path: str, description: Mapping[str, Any]) -> None:
    """Write a summary."""
    from thunderlike import storage  # here, for the time of `thunderlike --help`

    storage.write(path, json.dumps(description, indent=2).encode() + b"\n")


def put(folder: str, name: str, data: bytes) -> None:
    """Write a file to the folder of a job."""
    from thunderlike import storage

    storage.write(storage.join(folder, name), data)


def _version(name: str) -> str | None:
    import importlib.metadata

    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


FAILED = 2
INTERRUPTED = 130  # what a shell reports after Ctrl-C: 128 and the number of the signal
# Arguments that errors name: ``overwrite=True``, ``shape=``, ``start=3``, ``engine='local'``; not a
# folder of that name in a path.
_ARGUMENT = re.compile(
    r"(?<![^\s(])(axis|channel|coefficient|dataset|diameter|discard_extra|dtype|engine|format|fs"
    r"|nplanes|order|overwrite|perc|planes|recursive|shape|sigma|start|stop|tau|window)"
    r"=('[^']*'|[\w.-]*\w)?"
)


def reported(run: Callable[[], int], *, debug: bool) -> int:
    """Run a command, convert its exceptions to an exit code and write its warnings as lines.

    Parameters
    ----------
    run : callable
        The command; returns its exit code.
    debug : bool
        Let our own errors and warnings through, so that Python shows where they were raised.

    Returns
    -------
    int
        What `run` returned; 2 after an error of ours, which becomes one line on standard error;
        130 when the user interrupted it. Any other exception is a bug, and passes.

    Examples
    --------
    >>> reported(lambda: 0, debug=False)
    0
    """
    try:
        with warnings.catch_warnings():
            if not debug:
                warnings.showwarning = _show_warning
            return run()
    except KeyboardInterrupt:
        _say("interrupted")
        return INTERRUPTED
    except ThunderlikeError as error:
        if debug:
            raise
        _say(f"error: {error}")
        return FAILED


def as_options(text: str) -> str:
    """Rename the arguments in an error to their command line options.

    Examples
    --------
    >>> as_options("give overwrite=True, nplanes=1 or engine='local'")
    'give --overwrite, --nplanes 1 or --engine local'
    """

    def option(found: re.Match[str]) -> str:
        value = (found[2] or "").strip("'")
        return f"--{found[1].replace('_', '-')}" + (
            f" {value}" if value not in ("", "True") else ""
        )

    return _ARGUMENT.sub(option, text)


def _say(text: str) -> None:
    """Write a text as one line, without line breaks."""
    sys.stderr.write(printable(as_options(" ".join(text.split()))) + "\n")


def _show_warning(message: Warning | str, *_: object, **__: object) -> None:
    _say(f"warning: {message}")


def default_engine() -> str:
    """Return the engine of jobs: Spark under ``spark-submit``, else the setting ``engine``."""
    return "spark" if "PYSPARK_GATEWAY_PORT" in os.environ else current().engine


def started(engine: str) -> Engine:
    """Return an engine by name, with Spark's reports of failed tasks silenced.

    Raises
    ------
    MissingExtraError, EngineError
        For Spark without pyspark or Java; says how to get it.

    Examples
    --------
    >>> started("local")
    LocalEngine()
    """
    from thunderlike.engines import engine_for

    found = engine_for(engine)
    found.quiet()  # the error of a failed task is raised here, and reported in one line
    return found
