"""Traces of cells with known calcium: their accuracy, and times against suite2p, oasis-deconv.

    python benchmarks/traces.py [high mid low 256 ...] [--seeds 601 602 603 604 605]
                                [--coefficients 0.5 0.7 0.9]

Families are those of `thunderlike.images.cell_movies`, `--coefficients` the true shares of neuropil
in cells. Masks are the known footprints above half of their maximum. Printed are medians over cells
(and tenth percentiles) of the correlation of dF/F with the known calcium, for a coefficient of 0.7,
the true one and the default, an estimate; of an oracle, the same means
of frames from which the known neuropil and bleaching were taken; and of the raw means. Spikes are
compared in windows of three frames.

Times are CPU seconds of one thread, children and compilation excluded, the median of three in
turns: the extraction with rings as frames a second, the deconvolution as microseconds a sample.

Rivals that are not installed are left out; they need an environment of their own:

    pip install suite2p torch oasis-deconv
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import itertools
import statistics
import sys
import time
import types
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from threadpoolctl import threadpool_limits

import thunderlike as tl
from thunderlike.images.cell_movies import FAMILIES, CellMovie, cell_movie
from thunderlike.kernels.baselines import noise
from thunderlike.kernels.deconvolution import METHODS, oasis
from thunderlike.traces.weights import as_weights, rings

if TYPE_CHECKING:
    from collections.abc import Callable

FS, TAU = 15.0, 0.7
ROUNDS = 3


def weights_of(movie: CellMovie) -> np.ndarray:
    """Known footprints above half of their maximum, of shape (K, y, x)."""
    dense = movie.footprints.toarray().reshape(movie.masks.shape)
    return dense * movie.masks


def agreement(found: np.ndarray, truth: np.ndarray) -> str:
    """Median and tenth percentile over cells of the correlation."""
    each = [np.corrcoef(a, b)[0, 1] for a, b in zip(found, truth, strict=True) if a.std() > 0]
    return f"{np.median(each):.3f} ({np.percentile(each, 10):.2f})"


def windows(rows: np.ndarray) -> np.ndarray:
    """Sums of three frames."""
    return np.apply_along_axis(np.convolve, 1, rows, np.ones(3), "same")


def accuracy(movie: CellMovie, weights: np.ndarray) -> dict[str, str]:
    """Agreement of traces with the truth."""
    frames, calcium = movie.images, movie.calcium
    share = movie.source.coefficient
    auto = tl.traces.extract(frames, weights, fs=FS, tau=TAU)
    fixed, true = (tl.traces.extract(frames, weights, fs=FS, coefficient=c) for c in (0.7, share))
    raw = tl.traces.extract(frames, weights, fs=FS, neuropil="none", demix=False)
    light = movie.light[:, np.newaxis, np.newaxis]
    still = np.stack([movie.neuropil(number) for number in range(len(frames))])
    clean = (frames / light - still).astype(np.float32)
    best = tl.traces.extract(clean, weights, neuropil="none").corrected
    return {
        "0.7": agreement(fixed.dff.toarray(), calcium),
        "true": agreement(true.dff.toarray(), calcium),
        "auto": agreement(auto.dff.toarray(), calcium),
        "oracle": agreement(best.toarray(), calcium),
        "raw": agreement(raw.dff.toarray(), calcium),
        "coefficient 5/50/95 %": str(np.percentile(auto.coefficient, [5, 50, 95]).round(2)),
        "spikes, 3 frames": agreement(windows(auto.spikes.toarray()), windows(movie.spikes)),
    }


def seconds(calls: dict[str, Callable[[], Any]]) -> dict[str, float]:
    """Median CPU seconds of each call, in turns after one that does not count."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(ROUNDS + 1):
        for name, call in calls.items():
            start = time.process_time()
            call()
            if turn:
                times[name].append(time.process_time() - start)
    return {name: statistics.median(each) for name, each in times.items()}


def suite2p_module(name: str) -> Any:
    """Import a module of suite2p without those of its packages, which need a display; or None."""
    if "suite2p" not in sys.modules:
        found = importlib.util.find_spec("suite2p")
        if found is None or found.origin is None or importlib.util.find_spec("torch") is None:
            return None
        folder = Path(found.origin).parent
        for package in ("suite2p", "suite2p.detection", "suite2p.extraction"):
            module = types.ModuleType(package)
            module.__path__ = [str(folder.joinpath(*package.split(".")[1:]))]
            sys.modules[package] = module
    whole: Any = sys.modules["suite2p"]
    whole.default_settings = importlib.import_module("suite2p.parameters").default_settings
    return importlib.import_module(f"suite2p.{name}")


def extraction_times(movie: CellMovie, weights: np.ndarray) -> dict[str, float]:
    """CPU seconds of the extraction of means of cells and rings; rings alone; suite2p."""
    frames = movie.images
    matrix, shape = as_weights(weights, movie.source.shape)
    images = tl.images.fromarray(frames)
    calls: dict[str, Callable[[], Any]] = {
        "ours": lambda: tl.traces.extract(images, weights, fs=FS),
        "rings": lambda: rings(matrix, shape),
    }
    if (extract := suite2p_module("extraction.extract")) is not None:
        import torch

        torch.set_num_threads(1)
        masks = sys.modules["suite2p.extraction.masks"]
        covered = (weights > 0).sum(axis=0)
        stat = []
        for cell in weights:
            y, x = np.nonzero(cell)
            overlap = covered[y, x] > 1
            lam = cell[y, x].astype(np.float32)
            stat.append({"ypix": y, "xpix": x, "lam": lam, "overlap": overlap, "radius": 5.0})

        def theirs() -> Any:
            cells, surround = masks.create_masks(np.array(stat), *shape, allow_overlap=True)
            return extract.extract_traces(frames, cells, surround, device=torch.device("cpu"))

        calls["suite2p"] = theirs
    return seconds(calls)


def deconvolution_times(traces: np.ndarray) -> dict[str, float]:
    """CPU microseconds a sample, and the largest difference from suite2p's spikes."""
    values = traces.astype(np.float64)
    g = np.full(len(values), np.exp(-1 / (FS * TAU)))
    level, auto = noise(values, "auto"), np.full(len(values), np.nan)
    calls: dict[str, Callable[[], Any]] = {
        method: lambda method=method: oasis(values, g, level, auto, method, compiled=True)
        for method in METHODS
    }
    dcnv = suite2p_module("extraction.dcnv")
    if dcnv is not None:
        calls["suite2p"] = lambda: dcnv.oasis(traces, 500, TAU, FS)
    if importlib.util.find_spec("oasis") is not None:
        functions = importlib.import_module("oasis.functions")

        def constrained() -> None:
            for row, sigma in zip(values[:10], level, strict=False):
                functions.deconvolve(row, g=(g[0],), sn=sigma, b=0, penalty=1)

        calls["oasis-deconv, 10 traces"] = constrained
    found = seconds(calls)
    result = {
        name: 1e6 * each / (10 * values.shape[1] if "10 traces" in name else values.size)
        for name, each in found.items()
    }
    if dcnv is not None:
        spikes = oasis(values, g, level, auto, "nonnegative", compiled=True)[1]
        theirs = dcnv.oasis(traces, 500, TAU, FS)
        # Theirs may be negative before the first spike, where ours is 0.
        later = np.cumsum(spikes > 0, axis=1) > 1
        result["largest difference from suite2p"] = float(np.abs(spikes - theirs)[later].max())
    return result


def main() -> None:
    """Print accuracy and times of each movie."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("families", nargs="*", default=["high", "mid", "low", "256"])
    parser.add_argument("--seeds", nargs="*", type=int, default=[601, 602, 603, 604, 605])
    parser.add_argument("--coefficients", nargs="*", type=float, default=[0.7])
    options = parser.parse_args()
    for family in options.families:
        runs = itertools.product(options.seeds, options.coefficients)
        for number, (seed, share) in enumerate(runs):
            movie = cell_movie(**FAMILIES[family], seed=seed, coefficient=share)
            weights = weights_of(movie)
            facts = accuracy(movie, weights)
            shown = [f"{name} {value}" for name, value in facts.items()]
            print(family, seed, share, *shown, sep=" | ")
            if number == 0:
                with threadpool_limits(1), tl.config(workers=1):
                    times = extraction_times(movie, weights)
                    traces = tl.traces.extract(movie.images, weights, fs=FS).dff.toarray()
                    deconvolution = deconvolution_times(traces)
                count = len(movie.images)
                shown = [f"{name} {count / each:.0f} frames/s" for name, each in times.items()]
                print(" ", family, *shown, sep=" | ")
                shown = [f"{name} {each:.4g}" for name, each in deconvolution.items()]
                print("  us a sample", *shown, sep=" | ", flush=True)


if __name__ == "__main__":
    main()
