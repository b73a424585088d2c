"""Detection of cells against suite2p: what is found, what is not, and time.

    python benchmarks/extraction.py [FAMILY ...]
    SEEDS=5 FIRST=601 python benchmarks/extraction.py mid dense

Rows are families of movies with known cells, `FAMILIES` of `cell_movie` and two more, SEEDS movies
of each, 3 by default, from seed FIRST on. Limits of the quality of cells were chosen on seeds
below 100.

A component is a hit if the intersection of its mask and a true one, the pixels above half of the
maximum of the footprint, is at least half of their union, one to one. F1, precision (P), recall (R)
and intersection over union (IoU) of the hits are means over the movies; in movies without cells,
`found` counts false ones. Times are CPU seconds of detection with its binning, of one thread, after
a run that does not count.

suite2p (its algorithm sparsery) runs at `threshold_scaling` 1, its default, and 0.5, with all
pixels of its ROIs in its soma crop. It needs an environment of its own, and is left out where it is
not installed:

    pip install suite2p torch
"""

from __future__ import annotations

import copy
import importlib.util
import os
import statistics
import sys
import time
import types
import warnings
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from harness import Row, main
from scipy.optimize import linear_sum_assignment
from threadpoolctl import threadpool_limits

import thunderlike as tl
from thunderlike.images.cell_movies import FAMILIES, CellMovie, cell_movie

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    # From a movie to the pixels of each cell, as coordinates.
    Method = Callable[["Recording"], list[np.ndarray]]

SEEDS, FIRST = int(os.environ.get("SEEDS", "3")), int(os.environ.get("FIRST", "601"))
HIT = 0.5

# Larger cells, fewer and more of them, other neuropil, indicators and rates.
OTHERS: dict[str, dict[str, Any]] = {
    "other": {
        "radius": (5.5, 8.0), "cells": 35, "spacing": 10.0, "doughnuts": 0.2, "fs": 10.0,
        "tau": 1.2, "rate": 0.15, "neuropil": 8.0, "scale": 30.0, "base": 80.0,
    },
    "small": {
        "radius": (3.5, 4.5), "cells": 90, "spacing": 6.0, "doughnuts": 0.8, "fs": 30.0,
        "count": 2400, "tau": 0.5, "rise": 0.05, "neuropil": 4.0, "scale": 10.0,
    },
}  # fmt: skip
DIAMETERS = {"other": 14.0, "small": 9.0}


@dataclass(frozen=True)
class Recording:
    """A movie with its truth."""

    family: str
    seed: int

    @cached_property
    def truth(self) -> CellMovie:
        """Cells and frames."""
        return cell_movie(**(FAMILIES | OTHERS)[self.family], seed=self.seed)

    @property
    def diameter(self) -> float:
        """Diameter in pixels that methods are given."""
        return DIAMETERS.get(self.family, 12.0)

    def scores(self, found: list[np.ndarray]) -> tuple[float, ...]:
        """Number found, F1, precision, recall and mean IoU of the hits."""
        shape, true = self.truth.source.shape, self.truth.masks
        true = true.reshape(len(true), int(np.prod(shape))).astype(np.float32)
        masks = np.zeros((len(found), true.shape[1]), np.float32)
        for mask, pixels in zip(masks, found, strict=True):
            mask[np.ravel_multi_index(tuple(pixels.T), shape)] = 1
        shared = true @ masks.T
        iou = shared / np.maximum(true.sum(axis=1)[:, None] + masks.sum(axis=1) - shared, 1)
        pairs = linear_sum_assignment(-np.where(iou >= HIT, iou, 0))
        hits = iou[pairs][iou[pairs] >= HIT]
        precision = len(hits) / len(found) if found else 1.0
        recall = len(hits) / len(true) if len(true) else 1.0
        f1 = 2 * len(hits) / max(1, len(found) + len(true))
        return len(found), f1, precision, recall, float(hits.mean()) if hits.size else 0.0


@dataclass(frozen=True)
class Bound:
    """A method with the family of a row."""

    method: Method
    family: str

    def __call__(self) -> None:
        """Run it on the first movie."""
        self.method(Recording(self.family, FIRST))


def rows() -> Iterator[Row]:
    """One row for each family."""
    rivals = {
        f"suite2p {scaling:g}": suite2p(scaling)
        for scaling in (1.0, 0.5)
        if importlib.util.find_spec("suite2p")
    }
    for family in (*FAMILIES, *OTHERS):
        calls = {name: Bound(method, family) for name, method in rivals.items()}
        yield Row(family, Bound(ours, family), calls)


@threadpool_limits.wrap(limits=1)
def measure(row: Row, rounds: int) -> dict[str, float]:  # noqa: ARG001
    """Print what each method finds; ratios of times and of F1 for the budget."""
    variants = {"ours": row.ours, **row.rivals}
    found: dict[str, list[tuple[float, ...]]] = {name: [] for name in variants}
    for seed in range(FIRST, FIRST + SEEDS):
        recording = Recording(row.ours.family, seed)
        _ = recording.truth.images
        for name, call in variants.items():
            if seed == FIRST:  # imports, and compilation of loops
                call.method(recording)
            started = time.process_time()
            cells = call.method(recording)
            seconds = time.process_time() - started
            found[name].append((*recording.scores(cells), seconds))
    table = {}
    for name, scores in found.items():
        count, f1, precision, recall, iou, seconds = map(statistics.mean, zip(*scores, strict=True))
        spread = statistics.stdev(score[1] for score in scores) if SEEDS > 1 else 0.0
        least = min(score[1] for score in scores)
        print(
            f"{row.name:<10}{name:<14}F1 {f1:.3f} +- {spread:.3f} (least {least:.3f})  P "
            f"{precision:.3f}  R {recall:.3f}  IoU {iou:.3f}  found {count:6.1f}  "
            f"{seconds:6.2f} CPU s",
            flush=True,
        )
        prefix = "" if name == "ours" else f"{name}, "
        table |= {f"{prefix}F1": f1, f"{prefix}least F1": least, f"{prefix}IoU": iou}
        table[f"{prefix}found"] = count
        table["seconds" if name == "ours" else f"{name}, seconds"] = seconds
    half = "suite2p 0.5, seconds"
    return table | ({"suite2p": table[half] / table["seconds"]} if half in table else {})


def ours(recording: Recording) -> list[np.ndarray]:
    """Our cells, by default parameters and the diameter."""
    source = recording.truth.source
    detection = tl.extraction.CellDetection(recording.diameter, fs=source.fs, tau=source.tau)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = detection.fit(recording.truth.images)
    return [model.regions[k].coordinates for k in np.flatnonzero(model.accepted)]


def suite2p(scaling: float) -> Method:
    """Return the detection of suite2p at a threshold."""

    def method(recording: Recording) -> list[np.ndarray]:
        detect, settings, torch = suite2p_modules()
        settings = copy.deepcopy(settings)
        settings["threshold_scaling"] = scaling
        source, side = recording.truth.source, recording.diameter
        try:
            _, cells, _ = detect(
                recording.truth.images.astype(np.int16),
                diameter=[side, side],
                tau=source.tau,
                fs=source.fs,
                settings=settings,
                device=torch.device("cpu"),
            )
        except ValueError:  # it found none
            return []
        return [np.stack([cell["ypix"], cell["xpix"]], axis=1)[cell["soma_crop"]] for cell in cells]

    return method


def suite2p_modules() -> tuple[Any, dict[str, Any], Any]:
    """Import the detection of suite2p, without cellpose, which it imports and does not use here."""
    for part in ("", ".core", ".io", ".metrics", ".models", ".transforms", ".utils"):
        name = f"cellpose{part}"
        if name not in sys.modules:
            module = types.ModuleType(name)
            module.__path__ = []
            module.__getattr__ = lambda _: None
            sys.modules[name] = module
    import torch
    from suite2p import default_settings
    from suite2p.detection.detect import detection_wrapper

    torch.set_num_threads(1)
    return detection_wrapper, default_settings()["detection"], torch


if __name__ == "__main__":
    tl.progress(False)
    main(rows, __doc__, measure)
