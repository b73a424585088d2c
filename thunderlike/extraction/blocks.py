"""Search for cells in one block, and the cells of all blocks in one list."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike import storage
from thunderlike.errors import NotFoundError, SpecError
from thunderlike.extraction.background import Background, high_pass, noise
from thunderlike.extraction.footprints import Footprints, correlation
from thunderlike.extraction.quality import MEASURES, Cell, Limits, cells, masks_of
from thunderlike.extraction.seeds import activity, local_maxima, smoothing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from thunderlike._typing import Array
    from thunderlike.data.blocks import Grid
    from thunderlike.extraction.binning import BinnedBlock

__all__ = [
    "Block",
    "BlockActivity",
    "BlockDetection",
    "KeptBlocks",
    "Options",
    "Prepared",
    "Scales",
    "joined",
]

_LEAST_NOISE = 0.1  # of the median over pixels
_OUTLIER = 10.0  # robust deviations of the mean of a bin from its neighbours
_NEIGHBOURS = 5  # bins
_SATURATED = 0.01  # of the frames
_SAME, _MOSTLY, _PARTLY, _ALIKE = 0.5, 0.7, 0.5, 0.8  # overlap and correlation across borders
_BEST = 8  # local maxima that stand for the activity of a scale


@dataclass(frozen=True)
class Options:
    """Options of :class:`~thunderlike.extraction.detection.CellDetection` by their names."""

    bin: int | None = None
    max_bins: int = 5000
    baseline: float = 60.0
    box: float = 2.0
    active: float = 3.0
    reach: float = 0.75
    spacing: float = 1 / 3
    iterations: int = 3
    final_iterations: int = 6
    cut: float = 0.5
    smallest: float = 0.3
    largest: float = 3.0
    contrast: float = Limits.contrast
    split_r: float = Limits.split_r
    snr: float = Limits.snr
    skew: float = Limits.skew
    area: float = Limits.area

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Options:
        """Return the options of a mapping; SpecError for an unknown name or a value below 0."""
        names = [option.name for option in fields(cls)]
        for name, value in given.items():
            if name not in names:
                raise SpecError(f"unknown option {name!r} in advanced; known: {', '.join(names)}")
            whole = name in ("bin", "max_bins", "iterations", "final_iterations")
            if whole and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
                raise SpecError(f"advanced[{name!r}]={value!r} must be a whole number from 1")
            if not whole and not (isinstance(value, int | float) and value == value):
                raise SpecError(f"advanced[{name!r}]={value!r} must be a number")
            if name in ("baseline", "box", "active", "reach", "spacing") and not value > 0:
                raise SpecError(f"advanced[{name!r}]={value!r} must be above 0")
        return cls(**given)

    @property
    def limits(self) -> Limits:
        """Least values of the measures of accepted cells."""
        return Limits(self.contrast, self.split_r, self.snr, self.skew, self.area)


@dataclass(frozen=True, eq=False)
class Block:
    """Result of one block.

    Parameters
    ----------
    number : int
    cells : list of Cell
        Those whose centroid is in the block without its padding, in coordinates of the image.
    saturated, constant : int
        Number of such pixels, without the padding.
    """

    number: int
    cells: list[Cell]
    saturated: int
    constant: int


@dataclass(frozen=True)
class KeptBlocks:
    """Results of blocks in a folder, one file each, for runs that go on after an interruption.

    Parameters
    ----------
    folder : str
        Of which all workers see the same files.
    digest : str
        Of the input and the parameters; part of the names of the files.
    """

    folder: str
    digest: str

    def path(self, number: int) -> str:
        """Return the path of the file of a block."""
        return storage.join(self.folder, f"{self.digest[:16]}-block{number:06d}.npz")

    def write(self, block: Block) -> None:
        """Write the result of a block, in one step."""
        cells = block.cells
        columns: dict[str, Any] = {
            "counts": np.array([len(cell.pixels) for cell in cells], np.int64),
            "measures": np.array([[c.measures[name] for name in MEASURES] for c in cells], float),
            "facts": np.array([block.saturated, block.constant], np.int64),
        }
        for name in ("pixels", "weights", "trace"):
            parts = [getattr(cell, name) for cell in cells]
            columns[name] = np.concatenate(parts) if parts else np.zeros(0)
        file = io.BytesIO()
        np.savez(file, **columns)
        storage.write(self.path(block.number), file.getvalue())

    def read(self, number: int) -> Block | None:
        """Read the result of a block; None if there is none, or none that can be read."""
        try:
            content = io.BytesIO(storage.read(self.path(number)))
            with np.load(content, allow_pickle=False) as file:
                columns = {name: file[name] for name in file.files}
        except (NotFoundError, ValueError, zipfile.BadZipFile):
            return None
        count = len(columns["counts"])
        ends = np.cumsum(columns["counts"])[:-1]
        pixels, weights = (np.split(columns[name], ends)[:count] for name in ("pixels", "weights"))
        traces = columns["trace"].reshape(count, -1) if count else []
        measures = [dict(zip(MEASURES, row, strict=True)) for row in columns["measures"].tolist()]
        cells = list(map(Cell, pixels, weights, traces, measures))
        saturated, constant = columns["facts"].tolist()
        return Block(number, cells, saturated, constant)


@dataclass(frozen=True, eq=False)
class BlockDetection:
    """Partial of an aggregation over blocks: the cells of each.

    Parameters
    ----------
    grid : Grid
    diameter : tuple of float
    threshold : float
    rounds : int
    window : int
        Bins of the baseline.
    most : int, optional
        Largest number of components of a block.
    options : Options
    valid : ndarray of bool, optional
        Pixels of the image that are searched.
    compiled : bool
        Whether to run compiled loops.
    kept : KeptBlocks, optional
        Results of an earlier, interrupted run, and of this one.
    """

    grid: Grid
    diameter: tuple[float, ...]
    threshold: float
    rounds: int
    window: int
    most: int | None
    options: Options
    valid: Array | None
    compiled: bool
    kept: KeptBlocks | None = None

    def __call__(self, start: int, block: Array) -> list[Block]:
        """Search the blocks from number `start` on, except for those that are kept."""
        return [self._known(number, values) for number, values in enumerate(block, start)]

    def _known(self, number: int, block: BinnedBlock) -> Block:
        if self.kept is None:
            return self._one(number, block)
        known = self.kept.read(number)
        if known is None:
            known = self._one(number, block)
            self.kept.write(known)
        return known

    def _one(self, number: int, block: BinnedBlock) -> Block:
        outer, inner, own = (
            part(number) for part in (self.grid.outer, self.grid.inner, self.grid.own)
        )
        movie = Prepared.of(block, None if self.valid is None else self.valid[outer], self.window)
        offset = np.array([axis.start for axis in outer])
        found = []
        for cell in self._search(movie) if movie else []:
            moved = replace(cell, pixels=cell.pixels + offset)
            if all(
                axis.start - 0.5 <= c < axis.stop - 0.5
                for axis, c in zip(own, moved.centroid, strict=True)
            ):
                found.append(moved)
        found.sort(key=lambda cell: -cell.measures["snr"])
        limit = _SATURATED * block.frames
        saturated = int((block.saturated[inner] > limit).sum())
        return Block(number, found, saturated, int(movie.constant[inner].sum()) if movie else 0)

    def _search(self, movie: Prepared) -> list[Cell]:
        options, values = self.options, movie.values
        background = movie.background(self.diameter, options, compiled=self.compiled)
        boxes = smoothing(movie.keep, self.diameter, compiled=self.compiled)
        reach = [options.reach * d for d in self.diameter]
        found = Footprints(movie.keep, values.shape[-1], reach, compiled=self.compiled)
        residual, work = np.empty_like(values), np.empty((2, *values.shape), np.float32)
        residual[...] = background.subtracted(values, found.movie, work)
        spacing = [options.spacing * d for d in self.diameter]
        for left in reversed(range(self.rounds)):
            smooth = activity(residual, boxes, options.active, work)
            seeds = local_maxima(smooth.score, spacing, self.threshold)
            found.add(seeds[: self.most], residual, smooth.movie, options.active)
            if not len(found):
                return []
            found.fit(options.iterations if left else options.final_iterations)
            found.merge(masks_of(found, self.diameter, options.cut))
            if left:
                found.recentre()
                # The background is that of the movie without the cells, in the units of the data.
                without = found.removed(values, residual, movie.deviation)
                background.subtracted(values, found.movie, work, without)
                found.removed(found.movie, residual)
        del smooth, work
        found.fit(1)
        measured = cells(
            found,
            values,
            found.removed(found.movie, residual),
            movie.deviation,
            self.diameter,
            cut=options.cut,
            areas=(options.smallest, options.largest),
        )
        return [replace(cell, trace=movie.full(cell.trace)) for cell in measured]


@dataclass(frozen=True, eq=False)
class BlockActivity:
    """Partial of an aggregation over blocks: the score of activity of the pixels of each.

    Parameters
    ----------
    grid, diameter, window, options, valid, compiled
        As of :class:`BlockDetection`.
    """

    grid: Grid
    diameter: tuple[float, ...]
    window: int
    options: Options
    valid: Array | None
    compiled: bool

    def __call__(self, start: int, block: Array) -> list[tuple[int, Array]]:
        """Number and score of each block, without its padding; NaN in pixels that do not count."""
        found = []
        for number, values in enumerate(block, start):
            outer, inner = self.grid.outer(number), self.grid.inner(number)
            valid = None if self.valid is None else self.valid[outer]
            movie = Prepared.of(values, valid, self.window)
            score = np.full(values.values.shape[1:], np.nan, np.float32)
            if movie is not None:
                measured = movie.scored(self.diameter, self.options, compiled=self.compiled)
                score[movie.keep] = measured[movie.keep]
            found.append((number, score[inner]))
        return found


@dataclass(frozen=True, eq=False)
class Prepared:
    """A binned block with time as the last axis, without its baseline.

    Parameters
    ----------
    values : ndarray of float32, shape (*region, bins)
        Zero in pixels that do not count.
    deviation : ndarray of float32, shape (*region)
        Noise of each pixel; zero in those that do not count.
    constant : ndarray of bool, shape (*region)
    used : ndarray of bool, shape (all bins)
        Bins that are in `values`.
    """

    values: Array
    deviation: Array
    constant: Array
    used: Array

    @classmethod
    def of(cls, block: BinnedBlock, valid: Array | None, window: int) -> Prepared | None:
        """Return the block, or None if no pixel or bin counts."""
        values = _time_last(block.values)
        known = np.isfinite(values)
        used: Array = np.asarray(known.any(axis=tuple(range(known.ndim - 1))))
        keep: Array = np.asarray((known | ~used).all(axis=-1))
        if valid is not None:
            keep &= valid
        values[~keep] = 0
        used &= ~_outliers(values, keep, used)
        if used.sum() < 3 or not keep.any():
            return None
        if not used.all():
            values = values[..., used]
        deviation = noise(values)
        changing = keep & (deviation > 0)
        if not changing.any():
            return None
        least = np.float32(_LEAST_NOISE * np.median(deviation[changing]))
        deviation = np.where(changing, np.maximum(deviation, least), 0).astype(np.float32)
        high_pass(values, window)
        values[~changing] = 0
        return cls(values, deviation, keep & ~changing, used)

    @property
    def keep(self) -> Array:
        """Pixels that count."""
        return self.deviation > 0

    def background(
        self, diameter: Sequence[float], options: Options, *, compiled: bool = False
    ) -> Background:
        """Return the background for cells of this diameter."""
        sizes = tuple(2 * round(options.box * d / 2) + 1 for d in diameter)
        return Background(self.deviation, sizes, compiled)

    def scored(
        self, diameter: Sequence[float], options: Options, *, compiled: bool = False
    ) -> Array:
        """Return the score of activity of each pixel for cells of this diameter."""
        scaled, work = np.empty_like(self.values), np.empty((2, *self.values.shape), np.float32)
        background = self.background(diameter, options, compiled=compiled)
        background.subtracted(self.values, scaled, work)
        boxes = smoothing(self.keep, diameter, compiled=compiled)
        return activity(scaled, boxes, options.active, work).score

    def full(self, trace: Array) -> Array:
        """Return a trace of all bins, with zeros in those that are left out."""
        if self.used.all():
            return trace
        found = np.zeros(len(self.used), trace.dtype)
        found[self.used] = trace
        return found


def _time_last(values: Array) -> Array:
    """Copy of a movie with its first axis last."""
    moved = np.empty((*values.shape[1:], len(values)), values.dtype)
    for number, row in enumerate(moved):  # of a size that the cache holds
        row[...] = np.moveaxis(values[:, number], 0, -1)
    return moved


def _outliers(values: Array, keep: Array, used: Array) -> Array:
    """Single bins in which the whole block is brighter or darker than before and after."""
    from scipy import ndimage

    found = np.zeros(len(used), bool)
    if used.sum() < 2 * _NEIGHBOURS or not keep.any():
        return found
    sums = values.reshape(-1, len(used)).sum(axis=0, dtype=np.float64)
    means = sums[used] / keep.sum()
    apart = means - ndimage.median_filter(means, _NEIGHBOURS, mode="nearest")
    # Half of the bins may be equal to their median, and a deviation of 0 is no scale.
    scale = max(1.4826 * float(np.median(np.abs(apart))), 0.2 * float(apart.std()))
    found[used] = np.abs(apart) > _OUTLIER * scale
    return found


@dataclass(frozen=True, eq=False)
class Scales:
    """Partial of an aggregation over blocks: activity at several diameters, to choose one.

    Parameters
    ----------
    grid, threshold, window, options, valid
        As of :class:`BlockDetection`.
    diameters : tuple of float
    """

    grid: Grid
    diameters: tuple[float, ...]
    threshold: float
    window: int
    options: Options
    valid: Array | None

    def __call__(self, start: int, block: Array) -> Array:
        """Sum over the blocks of the mean score of the most active places at each diameter."""
        total = np.zeros(len(self.diameters))
        for row, values in enumerate(block):
            outer = self.grid.outer(start + row)
            valid = None if self.valid is None else self.valid[outer]
            movie = Prepared.of(values, valid, self.window)
            if movie is None:
                continue
            nd = movie.keep.ndim
            for number, d in enumerate(self.diameters):
                score = movie.scored((d,) * nd, self.options)
                places = local_maxima(score, [d / 3] * nd, self.threshold)[:_BEST]
                total[number] += score[tuple(places.T)].sum() / _BEST
        return total


def joined(blocks: Sequence[Block]) -> list[Cell]:
    """Cells of all blocks, in which those that two blocks found are merged.

    Two cells of different blocks are one if their masks have an intersection of more than half of
    their union, or of 70 % of the smaller, or of half of it if their traces correlate above 0.8.
    Weights are averaged in pixels that both have; measures are those of the higher ``snr``.
    """
    every = [(block.number, cell) for block in blocks for cell in block.cells]
    order = sorted(range(len(every)), key=lambda k: -every[k][1].measures["snr"])
    boxes = np.array([[c.pixels.min(axis=0), c.pixels.max(axis=0)] for _, c in every])
    gone: set[int] = set()
    merged: dict[int, Cell] = {}
    for rank, k in enumerate(order):
        if k in gone:
            continue
        number, cell = every[k]
        rest = np.array([j for j in order[rank + 1 :] if every[j][0] != number], np.int64)
        if len(rest):
            near = (boxes[rest, 0] <= boxes[k, 1]).all(axis=1)
            near &= (boxes[rest, 1] >= boxes[k, 0]).all(axis=1)
            rest = rest[near]
        for j in rest.tolist():
            if j not in gone and _is_same(cell, every[j][1]):
                cell = _union(cell, every[j][1])
                gone.add(j)
        merged[k] = cell
    return [merged[k] for k in sorted(merged)]


def _is_same(one: Cell, other: Cell) -> bool:
    first, second = (set(map(tuple, cell.pixels.tolist())) for cell in (one, other))
    shared = len(first & second)
    share = shared / min(len(first), len(second))
    if share > _MOSTLY or shared > _SAME * len(first | second):
        return True
    return share > _PARTLY and correlation(one.trace, other.trace) > _ALIKE


def _union(one: Cell, other: Cell) -> Cell:
    """Merge two cells; weights are averaged where both have some."""
    weights: dict[tuple[int, ...], list[float]] = {}
    for cell in (one, other):
        for pixel, weight in zip(map(tuple, cell.pixels.tolist()), cell.weights, strict=True):
            weights.setdefault(pixel, []).append(float(weight))
    pixels = np.array(sorted(weights), np.int64)
    mean = [sum(weights[tuple(p)]) / len(weights[tuple(p)]) for p in pixels.tolist()]
    measures = one.measures | {"area": float(len(pixels))}
    return Cell(pixels, np.array(mean, np.float32), one.trace, measures)
