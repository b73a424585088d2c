"""Motion correction against suite2p, scikit-image and pystackreg: error and time in one run.

    python benchmarks/registration.py [ROW ...] [--rounds 5]
    SEEDS=5 FIRST=700 FRAMES=200 python benchmarks/registration.py

Rows are families of motion at two brightnesses: movies of `moving_cells` of 256 x 256 pixels and
FRAMES frames, 60 by default, with known displacements; a last row has 512 x 512 pixels and 40
frames. SEEDS movies of each are made, 3 by default, from seed FIRST on.

Errors are rms in pixels and axis at nodes every 8 pixels of the interior, after the median over
time of each node is taken off. All methods are given our reference of the movie. Times are CPU
seconds of estimation and correction, of one thread (setting `workers`), in turns, the median over
seeds and rounds.
suite2p runs with blocks of 128 (its default), 64 and 48 pixels, and the best of them counts;
scikit-image with upsample_factor=10 and normalization=None, and a cubic spline.

Rivals that are not installed are left out. They need an environment of their own:

    pip install suite2p torch pystackreg scikit-image

of which torch and the registration modules of suite2p 0.14 are used. CaImAn is for conda only.
"""

from __future__ import annotations

import importlib.util
import os
import random
import statistics
import sys
import time
import types
import warnings
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from harness import Row, main
from scipy import ndimage
from threadpoolctl import threadpool_limits

import thunderlike as tl
from thunderlike.images.examples import MovingCells, moving_cells

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    # From frames and a reference to the displacements at the nodes, and the corrected frames.
    Method = Callable[["Movie"], tuple[np.ndarray, np.ndarray]]

SEEDS, FIRST = int(os.environ.get("SEEDS", "3")), int(os.environ.get("FIRST", "500"))
SIDE, LARGE, FRAMES, WARM_UP = 256, (512, 40), int(os.environ.get("FRAMES", "60")), 4
BLOCKS = (128, 64, 48)
INNER = slice(2, -2)  # nodes at 16 pixels or more from the border


@dataclass(frozen=True)
class Movie:
    """A movie with its truth, and the reference that all methods are given."""

    kind: str
    photons: float
    seed: int
    side: int = SIDE
    count: int = FRAMES

    @cached_property
    def truth(self) -> MovingCells:
        """The movie and its displacements."""
        return moving_cells((self.side,) * 2, self.count, self.photons, self.kind, self.seed)

    @cached_property
    def frames(self) -> np.ndarray:
        """The frames, as uint16."""
        return self.truth.images

    @cached_property
    def reference(self) -> tl.registration.Reference:
        """Our reference."""
        return self.algorithm.reference(self.frames)

    @cached_property
    def image(self) -> np.ndarray:
        """Mean of the reference, without the NaN at borders that no frame shows."""
        mean = self.reference.mean.astype(np.float32)
        return np.where(np.isfinite(mean), mean, np.nanmedian(mean))

    @property
    def algorithm(self) -> tl.registration.Rigid | tl.registration.PiecewiseRigid:
        """The algorithm for the kind of motion."""
        rigid = self.kind in ("rigid", "still")
        return tl.registration.Rigid() if rigid else tl.registration.PiecewiseRigid()

    def error(self, displacements: np.ndarray) -> float:
        """Error of displacements at the nodes, of shape (T, 2) or (T, 2, *nodes)."""
        if displacements.ndim == 2:
            displacements = displacements[..., np.newaxis, np.newaxis]
        apart = (displacements - self.truth.fields)[:, :, INNER, INNER]
        apart = apart - np.median(apart, axis=0)
        return float(np.sqrt(np.square(apart).mean()))


def rows() -> Iterator[Row]:
    """Each family of motion, bright and dark, and larger frames."""
    for kind in ("rigid", "smooth", "rough", "bumps", "still"):
        for photons in (5.0, 0.2):
            yield row(f"{kind} {photons:g} ph", kind, photons)
    yield row(f"smooth 5 ph, {LARGE[0]}", "smooth", 5.0, *LARGE)


def row(name: str, kind: str, photons: float, side: int = SIDE, count: int = FRAMES) -> Row:
    """Make a row of movies of a family of motion."""
    movies = [Movie(kind, photons, seed, side, count) for seed in range(FIRST, FIRST + SEEDS)]
    methods = RIGID if kind in ("rigid", "still") else FIELDS
    calls = {method: Bound(call, movies) for method, call in methods.items()}
    return Row(name, Bound(ours, movies), calls)


@dataclass(frozen=True)
class Bound:
    """A method with the movies of a row."""

    method: Method
    movies: list[Movie]

    def __call__(self) -> None:
        """Run it on the first movie."""
        self.method(self.movies[0])


@threadpool_limits.wrap(limits=1)
@tl.config(workers=1)
def measure(row: Row, rounds: int) -> dict[str, float]:
    """Print errors with their spread, and CPU time of a frame; ratios of times for the budget."""
    variants = {"ours": row.ours, **row.rivals}
    errors: dict[str, list[float]] = {name: [] for name in variants}
    seconds: dict[str, list[float]] = {name: [] for name in variants}
    order = random.Random(0)
    first = row.ours.movies[0]
    for call in variants.values():  # compile loops, plan transforms
        call.method(replace(first, count=WARM_UP))
    for movie in row.ours.movies:
        _ = movie.reference
        for turn in range(max(1, rounds // SEEDS)):
            for name, call in order.sample(list(variants.items()), len(variants)):
                started = time.process_time()
                found, _ = call.method(movie)
                seconds[name].append((time.process_time() - started) / movie.count)
                if not turn:
                    errors[name].append(movie.error(found))
    times = {name: statistics.median(values) for name, values in seconds.items()}
    means = {name: statistics.mean(values) for name, values in errors.items()}
    table = {"seconds": times["ours"], "px": means["ours"]}
    for name in variants:
        spread = statistics.stdev(errors[name]) if SEEDS > 1 else 0.0
        shown = f"{means[name]:.3f} +- {spread:.3f} px   {times[name] * 1000:6.2f} CPU ms a frame"
        print(f"{row.name:<18}{name:<14}{shown}", flush=True)
        if name != "ours":
            table |= {name: times[name] / times["ours"], f"{name}, px": means[name]}
    blocks = {name: means[name] for name in means if name.startswith("suite2p")}
    if blocks:
        best = min(blocks, key=lambda name: blocks[name])
        table |= {
            "suite2p, error": blocks[best] / means["ours"],
            "suite2p": times[best] / times["ours"],
        }
    return table


def ours(movie: Movie) -> tuple[np.ndarray, np.ndarray]:
    """Estimate by the algorithm for the kind of motion, and correct."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = movie.algorithm.fit(movie.frames, movie.reference)
    corrected = model.transform(movie.frames).toarray()
    if model.fields is None:
        return model.shifts, corrected
    return at_nodes(model.fields, model.nodes, movie.truth.nodes), corrected


def at_nodes(fields: np.ndarray, nodes: list, others: list) -> np.ndarray:
    """Interpolate fields linearly from nodes to others, one axis after the other."""
    for axis, (known, wanted) in enumerate(zip(nodes, others, strict=True), start=2):
        weights = np.stack([np.interp(wanted, known, one) for one in np.eye(len(known))])
        fields = np.moveaxis(np.tensordot(fields, weights, (axis, 0)), -1, axis)
    return fields


def skimage(movie: Movie) -> tuple[np.ndarray, np.ndarray]:
    """Phase correlation to a tenth of a pixel, and a cubic spline."""
    from skimage.registration import phase_cross_correlation

    shifts, corrected = [], np.empty_like(movie.frames)
    for frame, target in zip(movie.frames, corrected, strict=True):
        shift, _, _ = phase_cross_correlation(
            movie.image, frame.astype(np.float32), upsample_factor=10, normalization=None
        )
        ndimage.shift(frame, shift, target, order=3, mode="nearest")
        shifts.append(-shift)
    return np.array(shifts), corrected


def pystackreg(movie: Movie) -> tuple[np.ndarray, np.ndarray]:
    """Translation of pystackreg."""
    from pystackreg import StackReg

    register = StackReg(StackReg.TRANSLATION)
    shifts, corrected = [], []
    for frame in movie.frames.astype(np.float64):
        matrix = register.register(movie.image.astype(np.float64), frame)
        corrected.append(register.transform(frame, matrix))
        shifts.append((matrix[1, 2], matrix[0, 2]))
    return np.array(shifts), np.array(corrected)


@dataclass(frozen=True)
class Suite2p:
    """Registration of suite2p in batches of all frames, with blocks or, for 0, rigid."""

    block: int

    def __call__(self, movie: Movie) -> tuple[np.ndarray, np.ndarray]:
        """Estimate and correct, as its ``register_frames``."""
        import numba
        import torch
        from suite2p.registration import register

        torch.set_num_threads(1)
        numba.set_num_threads(1)
        options = OPTIONS | {"nonrigid": bool(self.block), "block_size": [self.block] * 2}
        frames = movie.frames.astype(np.int16)
        masks = register.compute_reference_masks(movie.image.astype(np.int16), options)
        low, high = np.percentile(movie.image, (1, 99)).astype(np.int16)
        found = register.register_frames(masks, frames, rmin=low, rmax=high, ops=options)
        corrected, y, x, _, y1, x1 = found[:6]
        rigid = np.stack([y, x], axis=1).astype(float)
        if not self.block:
            return rigid, corrected
        y_blocks, x_blocks, grid = masks[-1][:3]
        centres = [
            np.unique([sum(edges) / 2 for edges in blocks]) for blocks in (y_blocks, x_blocks)
        ]
        local = np.stack([y1, x1], axis=1).reshape(len(frames), 2, *grid)
        nodes = at_nodes(local, centres, movie.truth.nodes)
        return rigid[..., np.newaxis, np.newaxis] + nodes, corrected


# The options of suite2p 0.14 that its registration reads, at their defaults.
OPTIONS = {
    "smooth_sigma": 1.15,
    "smooth_sigma_time": 0,
    "maxregshift": 0.1,
    "maxregshiftNR": 5,
    "snr_thresh": 1.2,
    "subpixel": 10,
    "norm_frames": True,
    "1Preg": False,
    "spatial_taper": 40,
    "bidiphase": 0,
    "bidi_corrected": False,
}


def installed(*names: str) -> bool:
    """Say whether libraries are installed."""
    return all(importlib.util.find_spec(name) for name in names)


RIGID: dict[str, Method] = {}
FIELDS: dict[str, Method] = {}
if installed("skimage"):
    RIGID["skimage"] = skimage
if installed("pystackreg"):
    RIGID["pystackreg"] = pystackreg
if installed("suite2p", "torch"):
    # Its __init__ imports detection and extraction with their libraries: go around it.
    (home,) = importlib.util.find_spec("suite2p").submodule_search_locations
    for package in ("suite2p", "suite2p.registration"):
        sys.modules[package] = module = types.ModuleType(package)
        module.__path__ = [str(Path(home, *package.split(".")[1:]))]
    sys.modules["suite2p"].io = types.ModuleType("suite2p.io")
    sys.modules["suite2p"].default_ops = dict
    RIGID["suite2p"] = Suite2p(0)
    FIELDS |= {f"suite2p {block}": Suite2p(block) for block in BLOCKS}

if __name__ == "__main__":
    # Compiled loops, as for movies of more than 256 frames.
    os.environ.setdefault("THUNDERLIKE_NUMBA", "always")
    main(rows, __doc__, measure)
