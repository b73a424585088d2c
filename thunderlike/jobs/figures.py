"""Figures that say what a pixel did: mean, deviation, percentiles, and dF/F."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from thunderlike.kernels import groupby, series
from thunderlike.kernels._tiles import tiles

if TYPE_CHECKING:
    from thunderlike._typing import Array

__all__ = ["DFF", "Baseline", "Figures"]

DFF = np.dtype(np.float32)


@dataclass(frozen=True)
class Baseline:
    """What dF/F is relative to: the arguments of :meth:`thunderlike.Series.normalize`."""

    method: str = "percentile"
    window: int | None = None
    perc: float = 20
    offset: float = 0.1


@dataclass(frozen=True)
class Figures:
    """What is computed of each series.

    Parameters
    ----------
    percentiles : tuple of float
        From 0 to 100; each becomes a map.
    baseline : Baseline or None
        Of dF/F; None to leave it out.

    Examples
    --------
    >>> Figures((5, 50)).names
    ('mean', 'std', 'p5', 'p50')
    >>> maps, dff = Figures((50,), Baseline("mean", offset=0)).of(np.array([[1, 2, 6]], "int16"))
    >>> maps.round(2), dff.round(2)
    (array([[3.  , 2.16, 2.  ]]), array([[-0.67, -0.33,  1.  ]], dtype=float32))
    """

    percentiles: tuple[float, ...] = (5, 50, 95)
    baseline: Baseline | None = field(default_factory=Baseline)

    @property
    def names(self) -> tuple[str, ...]:
        """What the maps are called."""
        return ("mean", "std", *(f"p{q:g}" for q in self.percentiles))

    def of(self, block: Array) -> tuple[Array, Array | None]:
        """Compute all of a block of series, shape (k, L).

        Returns
        -------
        ndarray of float64, shape (k, names)
            A series with a NaN has none of them.
        ndarray of float32, shape (k, L), or None
            ``(y - b) / (b + offset)`` for the baseline b.

        Raises
        ------
        SpecError
            For a percentile or a baseline that there is not, and for values that are no real
            numbers.
        """
        maps = np.empty((len(block), len(self.names)))
        dff = None if self.baseline is None else np.empty(block.shape, DFF)
        for rows, tile in tiles(block):
            maps[rows] = self._maps(tile)
            if self.baseline is not None and dff is not None:
                dff[rows] = series.normalize(tile, **asdict(self.baseline))
        return maps, dff

    def _maps(self, tile: Array) -> Array:
        whole = groupby.Groups.equal(np.arange(tile.shape[1])[np.newaxis])
        columns = [groupby.statistic(tile, whole, stat) for stat in ("mean", "stdev")]
        return np.hstack([*columns, *(groupby.percentile(tile, q) for q in self.percentiles)])
