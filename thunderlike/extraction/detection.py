"""Detection of active cells in blocks of a movie."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from thunderlike._arguments import caller_level
from thunderlike.data.blocks import grid_of
from thunderlike.engines.base import Spec
from thunderlike.errors import SpecError
from thunderlike.extraction.background import Background, high_pass, noise
from thunderlike.extraction.binning import BinnedBlock, BinnedBlocks
from thunderlike.extraction.footprints import Footprints
from thunderlike.extraction.quality import MEASURES, Cell, Limits, accepted, cells, masks_of
from thunderlike.extraction.seeds import activity, local_maxima
from thunderlike.kernels._validation import as_array, checked_methods, is_whole
from thunderlike.kernels.filters import per_axis
from thunderlike.progress import track
from thunderlike.registration.model import as_images

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike

    from thunderlike._typing import Array, Ints, Shape
    from thunderlike.data.blocks import Grid
    from thunderlike.data.images import Images


__all__ = ["CellDetection"]


@dataclass(frozen=True)
class Options:
    """Options that are seldom changed; see :class:`CellDetection`."""

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
    contrast: float = 0.4
    spatial_r: float = 0.85
    snr: float = 12.0
    skew: float = 0.8
    amplitude: float = 0.4

    @property
    def limits(self) -> Limits:
        return Limits(self.contrast, self.spatial_r, self.snr, self.skew, self.amplitude)


@dataclass(frozen=True, eq=False)
class Search:
    """Search for cells in one block."""

    diameter: tuple[float, ...]
    threshold: float
    rounds: int
    window: int
    options: Options

    def __call__(self, block: BinnedBlock, valid: Array | None) -> list[Cell]:
        values = block.values
        movie, keep = _prepared(values, valid)
        if movie is None:
            return []
        deviation = noise(movie)
        deviation *= keep
        usual = float(np.median(deviation[deviation > 0])) if (deviation > 0).any() else 0.0
        keep = deviation > 0
        deviation = np.where(keep, np.maximum(deviation, np.float32(0.1 * usual)), 0)
        high_pass(movie, self.window)
        movie *= keep[..., np.newaxis]
        inverse = np.zeros_like(deviation)
        np.divide(1, deviation, out=inverse, where=keep)
        options = self.options
        sizes = tuple(2 * round(options.box * d / 2) + 1 for d in self.diameter)
        background = Background(keep, sizes)
        scaled = background.subtracted(movie) * inverse[..., np.newaxis]
        found = Footprints(scaled, keep, [options.reach * d for d in self.diameter])
        spacing = [options.spacing * d for d in self.diameter]
        for number in range(self.rounds):
            residual = found.residual()
            smooth = activity(residual, keep, self.diameter, options.active)
            seeds = local_maxima(smooth.score, spacing, self.threshold)
            found.add(seeds, residual, smooth.movie, options.active)
            if not len(found):
                return []
            last = number == self.rounds - 1
            found.fit(options.final_iterations if last else options.iterations)
            found.merge(masks_of(found, self.diameter, options.cut))
            if not last:
                found.recentre()
                # movie less cells, in data units: background again
                without = movie - (scaled - found.residual()) * deviation[..., np.newaxis]
                scaled = background.subtracted(movie, without) * inverse[..., np.newaxis]
                found.replace_movie(scaled)
        found.fit(1)
        return cells(
            found, movie, deviation, self.diameter,
            cut=options.cut, areas=(options.smallest, options.largest),
        )


def _prepared(values: Array, valid: Array | None) -> tuple[Array | None, Array]:
    known = np.isfinite(values)
    shown = known.any(axis=tuple(range(1, values.ndim)))
    values, known = values[shown], known[shown]
    keep = known.all(axis=0)
    if valid is not None:
        keep &= valid
    if len(values) < 3 or not keep.any():
        return None, keep
    movie = np.ascontiguousarray(np.moveaxis(values, 0, -1))
    movie[~keep] = 0
    return movie, keep
