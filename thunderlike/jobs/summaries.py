"""What a job says of itself when it is done: what it read and wrote, with what, how fast."""

from __future__ import annotations

import importlib.metadata
import json
import platform
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from thunderlike import storage

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from thunderlike.engines import Engine

__all__ = ["Steps", "beside", "put", "summary", "write"]

_LIBRARIES = ("thunderlike", "numpy", "scipy", "pyspark")


class Steps:
    """How long each step of a job took.

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
        """Take the time since the last lap, at first since this was made."""
        now = time.perf_counter()
        self.seconds[step], self._last = round(now - self._last, 3), now

    @contextmanager
    def timed(self, step: str) -> Iterator[None]:
        """Take the time of a block that does not raise."""
        begin = time.perf_counter()
        yield
        self.seconds[step] = round(time.perf_counter() - begin, 3)


def summary(
    told: Mapping[str, Any], output: str, engine: Engine, steps: Steps, command: str
) -> dict[str, Any]:
    """Say what a job did, as what JSON can hold.

    Parameters
    ----------
    told : mapping
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
    seconds = steps.seconds | {"total": round(sum(steps.seconds.values()), 3)}
    return {
        **told,
        "engine": engine.name,
        "seconds": seconds,
        "output": storage.resolve(output)[1],
        "command": command,
        "versions": {"python": platform.python_version()} | {n: _version(n) for n in _LIBRARIES},
    }


def beside(path: str) -> str:
    """Where the summary of a job stands whose output is one file, or a folder of one format.

    Examples
    --------
    >>> beside("out/day1.h5"), beside("frames/")
    ('out/day1.h5.summary.json', 'frames.summary.json')
    """
    return f"{path.rstrip('/')}.summary.json"


def write(path: str, told: Mapping[str, Any]) -> None:
    """Write a summary."""
    storage.write(path, json.dumps(told, indent=2).encode() + b"\n")


def put(folder: str, name: str, data: bytes) -> None:
    """Write a file into the folder of a job."""
    storage.write(storage.join(folder, name), data)


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
