"""Demonstration: a recording of known cells that moves, analysed end to end on every engine."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from scipy import ndimage

from thunderlike import storage
from thunderlike._arguments import checked_types
from thunderlike.calcium import Pipeline
from thunderlike.calcium.figures import overview
from thunderlike.errors import EngineError, MissingExtraError
from thunderlike.extraction import frommasks
from thunderlike.images.cell_movies import cell_movie
from thunderlike.jobs import calcium
from thunderlike.jobs.report import started
from thunderlike.viz.plots import NOT_DRAWN, can_draw, png_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from thunderlike._typing import Array
    from thunderlike.calcium import Result
    from thunderlike.engines import Engine
    from thunderlike.images.cell_movies import CellMovie
    from thunderlike.storage import AnyPath

    Say: TypeAlias = Callable[[str], None]

__all__ = [
    "CELLS",
    "FS",
    "TAU",
    "Outcome",
    "Score",
    "demo",
    "largest_difference",
    "recording",
    "scored",
]

CELLS, FS, TAU = 42, 15.0, 0.7  # cells, images a second, seconds
_RECORDING = ("movie/image-*.tif", "movie/SUCCESS", "cells.h5")
_OVERLAP = 0.5  # of a component with a cell, as intersection over union, that makes it a hit
_FRAMES = 3  # over which spikes are compared: one frame of delay is not an error


@dataclass(frozen=True)
class Score:
    """Comparison of what was found with the truth.

    Parameters
    ----------
    hits, misses, false_alarms : int
        Cells that were found, cells that were not, accepted components that are no cells.
    traces, spikes : float
        Median correlation of the hits: of traces with the true calcium, and of spikes with the
        true ones in windows of 3 frames.
    motion : float
        Root mean square error of the shifts in pixels.
    """

    hits: int
    misses: int
    false_alarms: int
    traces: float
    spikes: float
    motion: float


@dataclass(frozen=True)
class Outcome:
    """Result of one engine.

    Parameters
    ----------
    engine : str
        Its name.
    seconds : float
        For all steps, without starting the engine.
    result : Result
        What it found.
    score : Score
        Compared with the truth.
    """

    engine: str
    seconds: float
    result: Result
    score: Score


def recording(frames: int, seed: int) -> CellMovie:
    """Return the recording of the demonstration: 42 cells in 128 x 128 pixels that move.

    Examples
    --------
    >>> recording(30, 1).calcium.shape
    (42, 30)
    """
    return cell_movie(
        (128, 128), frames, cells=CELLS, fs=FS, tau=TAU, texture=0.3, kind="rigid", seed=seed
    )


@checked_types
def demo(
    output: AnyPath, engines: Sequence[str], *, frames: int, seed: int, say: Say
) -> tuple[list[Outcome], str]:
    """Generate a recording, find its cells on each engine, and write the results to a folder.

    Parameters
    ----------
    output : path
        The folder: ``recording``, one for each engine, and ``result`` are written in it, in place
        of those of an earlier demonstration.
    engines : sequence of str
        Names such as ``'local'``, ``'disk'`` and ``'spark'``; one that cannot start is left out if
        there is another.
    frames, seed : int
        Of :func:`recording`.
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
    truth = _record(storage.join(output, "recording"), frames, seed, say)
    outcomes: list[Outcome] = []
    for name in engines:
        engine = _start(name, say, needed=name == engines[-1] and not outcomes)
        if engine is not None:
            outcomes.append(_analysed(output, engine, truth, say))
    picture = _report(storage.join(output, "result"), outcomes)
    return outcomes, picture


@checked_types
def largest_difference(one: Result, other: Result) -> float:
    """Largest difference of masks, dF/F and spikes; infinite if the cells are not the same."""
    first, second = one.plane, other.plane
    if not np.array_equal(first.cells.accepted, second.cells.accepted):
        return np.inf
    pairs = [(first.cells.weights.toarray(), second.cells.weights.toarray())]
    pairs += [(first.activity[name], second.activity[name]) for name in ("dff", "spikes")]
    return float(max((np.abs(a - b).max(initial=0) for a, b in pairs), default=0.0))


def _record(folder: str, frames: int, seed: int, say: Say) -> CellMovie:
    """Write the movie as TIFF files, and the true cells."""
    say(f"Making a recording of {frames} images of neurons that move, as TIFF files ...")
    begin = time.perf_counter()
    truth = recording(frames, seed)
    movie = truth.toimages()
    movie.attrs["frame_interval"] = 1 / FS
    with storage.output(folder, _RECORDING, overwrite=True) as partial:
        movie.totif(storage.join(partial, "movie"))
        frommasks(truth.masks).save(storage.join(partial, "cells.h5"))
    moved = np.ptp(truth.shifts, axis=0).max()
    say(
        f"  {len(truth.masks)} cells, motion over {moved:.1f} pixels: {folder} "
        f"({time.perf_counter() - begin:.1f} s)"
    )
    return truth


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


def _analysed(output: AnyPath, engine: Engine, truth: CellMovie, say: Say) -> Outcome:
    """Run the job on the files, and compare the result with the truth."""
    say(f"Registering it, finding its cells and their spikes, on the {engine.name} engine ...")
    plan = calcium.plan(
        storage.join(output, "recording/movie"),
        storage.join(output, engine.name),
        Pipeline(fs=FS, tau=TAU, nwb=False),
    )
    # To be compared, each engine does all steps.
    result, summary = calcium.run(plan, engine, overwrite=True, resume=False)
    seconds = summary["seconds"]["total"]
    say(f"  {plan.output} ({seconds:.1f} s)")
    return Outcome(engine.name, seconds, result, scored(result, truth))


def scored(result: Result, truth: CellMovie) -> Score:
    """Compare a result with the truth.

    The reference of the registration stands where most frames do, the truth where shifts are 0:
    true masks are displaced by the median difference of the shifts.
    """
    plane = result.plane
    apart = np.median(truth.shifts - plane.motion.shifts, axis=0)
    error = np.sqrt(np.square(truth.shifts - apart - plane.motion.shifts).mean())
    masks = (
        np.stack([ndimage.shift(one.astype(float), apart, order=1) for one in truth.masks]) > 0.5
    )
    found = np.flatnonzero(plane.cells.accepted)
    pairs = plane.cells[found].match(frommasks(masks), shift=None, iou=_OVERLAP).pairs
    rows, columns = found[pairs[:, 0]], pairs[:, 1]
    traces = _correlations(plane.activity["dff"][rows], truth.calcium[columns])
    windows = (_summed(x, _FRAMES) for x in (plane.activity["spikes"][rows], truth.spikes[columns]))
    spikes = _correlations(*windows)
    return Score(
        hits=len(pairs),
        misses=len(masks) - len(pairs),
        false_alarms=len(found) - len(pairs),
        traces=float(np.median(traces)) if len(pairs) else np.nan,
        spikes=float(np.median(spikes)) if len(pairs) else np.nan,
        motion=float(error),
    )


def _correlations(one: Array, other: Array) -> Array:
    """Pearson's correlation of rows."""
    a, b = (x - x.mean(axis=1, keepdims=True) for x in (one.astype(float), other.astype(float)))
    size = np.sqrt(np.square(a).sum(axis=1) * np.square(b).sum(axis=1))
    values: Array = (a * b).sum(axis=1) / np.maximum(size, 1e-12)
    return values


def _summed(values: Array, width: int) -> Array:
    summed: Array = ndimage.uniform_filter1d(values.astype(float), width, axis=1) * width
    return summed


def _report(folder: str, outcomes: Sequence[Outcome]) -> str:
    """Write the figure and the numbers of all engines."""
    with storage.output(folder, ("cells.png", "result.json"), overwrite=True) as partial:
        if can_draw():
            figure = overview(outcomes[0].result.plane, FS)
            storage.write(storage.join(partial, "cells.png"), png_of(figure))
        numbers = [_numbers(outcome, outcomes[0]) for outcome in outcomes]
        data = json.dumps(numbers, indent=2).encode() + b"\n"
        storage.write(storage.join(partial, "result.json"), data)
    return storage.join(folder, "cells.png") if can_draw() else NOT_DRAWN


def _numbers(outcome: Outcome, first: Outcome) -> dict[str, Any]:
    return {
        "engine": outcome.engine,
        "seconds": outcome.seconds,
        **asdict(outcome.score),
        f"largest_difference_to_{first.engine}": largest_difference(first.result, outcome.result),
    }
