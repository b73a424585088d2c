"""Demonstration: a movie of known truth, analysed on every engine."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from thunderlike import storage
from thunderlike._arguments import checked_types
from thunderlike.errors import EngineError, MissingExtraError
from thunderlike.images.examples import calcium
from thunderlike.jobs import activity_map
from thunderlike.jobs.plots import map_figure
from thunderlike.jobs.report import started
from thunderlike.viz.plots import NOT_DRAWN, can_draw, png_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from thunderlike.engines import Engine
    from thunderlike.images.examples import Calcium
    from thunderlike.jobs.activity_map import ActivityMap
    from thunderlike.storage import AnyPath

    Say: TypeAlias = Callable[[str], None]

__all__ = ["TOLERANCE", "Cells", "Outcome", "demo", "largest_difference"]

TOLERANCE = 1e-6  # between the maps of two engines
_SIGMA = 1.0  # pixels
_FOLLOWS = 0.35  # mean correlation of the pixels of a cell that counts as following
_RECORDING = ("movie/image-*.tif", "movie/SUCCESS", "behaviour.csv", "cells.csv")


@dataclass(frozen=True)
class Cells:
    """Cells found to follow the behaviour, compared to those that do.

    Parameters
    ----------
    found, truth : ndarray of bool, shape (k,)
    """

    found: NDArray[np.bool_]
    truth: NDArray[np.bool_]

    @property
    def hits(self) -> int:
        """Correctly found cells."""
        return int((self.found & self.truth).sum())

    @property
    def misses(self) -> int:
        """Missed cells."""
        return int((~self.found & self.truth).sum())

    @property
    def false_alarms(self) -> int:
        """Falsely found cells."""
        return int((self.found & ~self.truth).sum())


@dataclass(frozen=True)
class Outcome:
    """Result of one engine.

    Parameters
    ----------
    engine : str
        Its name.
    seconds : float
        For the whole job, without starting the engine.
    map : ActivityMap
        What it found.
    cells : Cells
        What the map says about the cells.
    """

    engine: str
    seconds: float
    map: ActivityMap
    cells: Cells


@checked_types
def demo(
    output: AnyPath, engines: Sequence[str], *, frames: int, seed: int, say: Say
) -> tuple[list[Outcome], str]:
    """Generate a movie, map it on each engine, find the cells, and write the results to a folder.

    Parameters
    ----------
    output : path
        The folder: ``recording``, one for each engine, and ``result`` are written in it, in place
        of those of an earlier demonstration.
    engines : sequence of str
        Names such as ``'local'``, ``'disk'`` and ``'spark'``; one that cannot start is left out if
        there is another.
    frames, seed : int
        Of :func:`thunderlike.images.examples.calcium`.
    say : callable
        Called with each line of the report.

    Returns
    -------
    list of Outcome, str
        One for each engine that ran, and the address of the picture, or the reason for its absence.

    Raises
    ------
    StorageError
        When what is to be replaced was not written by a demonstration.
    EngineError
        When no engine can start.
    """
    recording = _record(storage.join(output, "recording"), frames, seed, say)
    outcomes: list[Outcome] = []
    for name in engines:
        engine = _start(name, say, needed=name == engines[-1] and not outcomes)
        if engine is not None:
            outcomes.append(_mapped(output, engine, recording, say))
    picture = _report(storage.join(output, "result"), outcomes, recording)
    return outcomes, picture


@checked_types
def largest_difference(one: ActivityMap, other: ActivityMap) -> float:
    """Largest difference of two maps; infinite where a pixel is undefined in only one.

    Examples
    --------
    >>> from types import SimpleNamespace as Map
    >>> largest_difference(Map(correlation=np.zeros(3)), Map(correlation=np.array([0, 0.5, 0])))
    0.5
    """
    undefined = np.isnan(one.correlation)
    if not np.array_equal(undefined, np.isnan(other.correlation)):
        return np.inf
    apart = np.abs(one.correlation - other.correlation)[~undefined]
    return float(apart.max(initial=0))


def _record(folder: str, frames: int, seed: int, say: Say) -> Calcium:
    """Write the movie as TIFF files, and the behaviour and the true cells as tables."""
    say(f"Making a movie of {frames} images of neurons, as TIFF files (a few seconds) ...")
    begin = time.perf_counter()
    recording = calcium(frames, seed)
    with storage.output(folder, _RECORDING, overwrite=True) as partial:
        recording.images().totif(storage.join(partial, "movie"))
        behaviour = zip(recording.seconds, recording.behaviour, strict=True)
        _table(partial, "behaviour.csv", "seconds,speed", behaviour)
        cells = recording.cells
        truth = zip(*cells.centres.T, cells.radii, cells.follows, strict=True)
        _table(partial, "cells.csv", "row,column,radius,follows", truth)
    say(
        f"  {len(cells)} cells, of which {cells.follows.sum()} follow how fast the animal runs: "
        f"{folder} ({time.perf_counter() - begin:.1f} s)"
    )
    return recording


def _table(folder: str, name: str, header: str, rows: Iterable[Iterable[float]]) -> None:
    lines = [header, *(",".join(f"{value:.6g}" for value in row) for row in rows)]
    storage.write(storage.join(folder, name), ("\n".join(lines) + "\n").encode())


def _start(name: str, say: Say, *, needed: bool) -> Engine | None:
    if name == "spark":
        say("Starting Spark on this machine (about ten seconds) ...")
    try:
        return started(name)
    except (EngineError, MissingExtraError) as error:
        # The demo also runs without Java, if another engine is left.
        if needed:
            raise
        say(f"  {name.capitalize()} is left out: {error}")
        return None


def _mapped(output: AnyPath, engine: Engine, recording: Calcium, say: Say) -> Outcome:
    """Run the job on the files, and find cells in its map."""
    say(f"Mapping which pixels follow the speed, on the {engine.name} engine (a few seconds) ...")
    plan = activity_map.plan(
        storage.join(output, "recording/movie"),
        storage.join(output, "recording/behaviour.csv") + ":speed",
        storage.join(output, engine.name),
        sigma=_SIGMA,
    )
    found, summary = activity_map.run(plan, engine, overwrite=True)
    seconds = summary["seconds"]["total"]
    say(f"  {plan.output} ({seconds:.1f} s)")
    # The mean of a cell, not its best pixel: a single pixel may correlate by chance.
    means = np.array([found.correlation[mask].mean() for mask in recording.masks()])
    cells = Cells(means > _FOLLOWS, recording.cells.follows)
    return Outcome(engine.name, seconds, found, cells)


def _report(folder: str, outcomes: Sequence[Outcome], recording: Calcium) -> str:
    """Write the figure and the numbers of all engines."""
    with storage.output(folder, ("map.png", "result.json"), overwrite=True) as partial:
        if can_draw():
            figure = _with_rings(map_figure(outcomes[0].map), outcomes[0].cells, recording)
            storage.write(storage.join(partial, "map.png"), png_of(figure))
        numbers = json.dumps([_numbers(outcome, outcomes[0]) for outcome in outcomes], indent=2)
        storage.write(storage.join(partial, "result.json"), numbers.encode() + b"\n")
    return storage.join(folder, "map.png") if can_draw() else NOT_DRAWN


def _numbers(outcome: Outcome, first: Outcome) -> dict[str, Any]:
    return {
        "engine": outcome.engine,
        "seconds": outcome.seconds,
        "best": outcome.map.best,
        "best_correlation": outcome.map.best_correlation,
        "hits": outcome.cells.hits,
        "misses": outcome.cells.misses,
        "false_alarms": outcome.cells.false_alarms,
        f"largest_difference_to_{first.engine}": largest_difference(first.map, outcome.map),
    }


def _with_rings(figure: Figure, cells: Cells, recording: Calcium) -> Figure:
    """Circle found cells, and missed cells with a dashed line."""
    from matplotlib.patches import Circle

    for number in np.flatnonzero(cells.found | cells.truth):
        row, column = recording.cells.centres[number]
        line = "-" if cells.found[number] else ":"
        ring = Circle((column, row), recording.cells.radii[number] + 1.5, ls=line, fill=False)
        ring.set_edgecolor("black" if cells.truth[number] else "0.5")
        figure.axes[1].add_patch(ring)
    legend = f"ringed: {cells.hits} of the {cells.truth.sum()} cells that follow"
    if cells.misses:
        legend += f", {cells.misses} missed (dotted)"
    if cells.false_alarms:
        legend += f", {cells.false_alarms} found in error (grey)"
    figure.axes[1].set_xlabel(legend)
    return figure
