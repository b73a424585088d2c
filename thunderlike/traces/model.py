"""Traces of cells: fluorescence, neuropil and separate signals, as one object with files."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from thunderlike._arguments import caller_level
from thunderlike.data.series import Series
from thunderlike.errors import BadIndexError, SpecError
from thunderlike.hdf5.models import Model
from thunderlike.kernels.autoregression import estimated_decay
from thunderlike.kernels.gaps import filled
from thunderlike.traces.baselines import dff
from thunderlike.traces.deconvolution import deconvolve
from thunderlike.traces.measures import measures, sensitivity
from thunderlike.traces.plotting import stacked
from thunderlike.traces.sampling import required_rate

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes

    from thunderlike._typing import Array
    from thunderlike.storage import AnyPath
    from thunderlike.traces.deconvolution import Deconvolved
    from thunderlike.traces.event_detection import Events

__all__ = ["Traces", "load"]

_TAU = 0.7  # s, where none can be estimated


@dataclass(frozen=True, eq=False)
class Traces(Model):
    """Traces of K cells over T frames.

    Parameters
    ----------
    F : Series of float32, shape (K, T)
        Weighted mean of the pixels of each cell, in units of the images.
    neuropil : Series of float32, shape (K, T)
        Mean of the ring around each cell; NaN without a ring.
    corrected : Series of float32, shape (K, T)
        `F` less ``coefficient * neuropil``, without the signals of cells that share pixels.
    coefficient : ndarray of float64, shape (K,)
        Share of the neuropil that was subtracted; 0 without a ring.
    flags : dict of ndarray of bool, shape (K,)
        ``'no_pixels'``: all pixels of the cell lack values in some frame, and its traces are NaN.
        ``'no_neuropil'``: fewer than 10 free pixels around the cell. ``'ambiguous'``: the cell
        shares almost all pixels with another, and the signals of both are not separated.
    ring_pixels : ndarray of int64, shape (K,)
        Pixels of each ring.
    fs : float or None
        Frames a second.
    tau : float or 'auto'
        Decay time of the indicator in seconds; ``'auto'`` is the median over the cells of the
        estimates from their autocovariance.
    baseline : str
        Method of :func:`~thunderlike.traces.baseline` for dF/F.

    Notes
    -----
    `dff`, `spikes`, `calcium`, `events` and `quality` are computed when they are first asked for,
    with their defaults. They need `fs`. For other arguments call the functions of
    :mod:`thunderlike.traces` with `F` and `corrected`.

    Examples
    --------
    >>> import thunderlike as tl
    >>> movie = np.random.default_rng(0).poisson(50, (90, 32, 32))
    >>> cells = np.zeros((2, 32, 32))
    >>> cells[0, 5:9, 5:9] = cells[1, 20:25, 20:25] = 1
    >>> tl.traces.extract(movie, cells, fs=15)
    Traces
    cells: 2
    frames: 90
    fs: 15.0 Hz
    mode: local
    """

    F: Series
    neuropil: Series
    corrected: Series
    coefficient: Array
    flags: dict[str, Array] = field(default_factory=dict)
    ring_pixels: Array = field(default_factory=lambda: np.zeros(0, np.int64))
    fs: float | None = None
    tau: Any = 0.7
    baseline: str = "auto"

    def __repr__(self) -> str:
        facts = {
            "cells": len(self),
            "frames": self.F.length,
            "fs": "unknown" if self.fs is None else f"{self.fs} Hz",
            "mode": self.F.mode,
        }
        flagged = {name: int(rows.sum()) for name, rows in self.flags.items() if rows.any()}
        if flagged:
            facts["flags"] = ", ".join(f"{name} {count}" for name, count in flagged.items())
        return "\n".join(["Traces", *(f"{name}: {fact}" for name, fact in facts.items())])

    def __len__(self) -> int:
        return self.F.count()

    # derived traces

    @cached_property
    def dff(self) -> Series:
        """Change of `corrected` relative to the baseline of `F`: ``(C - C0) / F0``, (K, T).

        NaN where the baseline of `F` is not above 0; a warning counts the cells.

        Examples
        --------
        >>> import thunderlike as tl
        >>> movie = np.random.default_rng(0).poisson(50, (90, 32, 32))
        >>> cells = np.zeros((2, 32, 32))
        >>> cells[0, 5:9, 5:9] = cells[1, 20:25, 20:25] = 1
        >>> tl.traces.extract(movie, cells, fs=15).dff.shape
        (2, 90)
        """
        found = dff(self.corrected, self.fs, raw=self.F, method=self.baseline)
        if found._records.in_memory and self.corrected._records.in_memory:
            lost = np.isnan(found.values) & ~np.isnan(self.corrected.values)
            if count := int(np.count_nonzero(np.any(lost, axis=1))):
                warnings.warn(
                    f"the baseline of {count} of {len(self)} cells is not above 0: their dF/F is "
                    "NaN there; subtract a smaller offset from the images",
                    stacklevel=caller_level(),
                )
        return found

    @cached_property
    def deconvolved(self) -> Deconvolved:
        """Result of :func:`~thunderlike.traces.deconvolve` of `dff`, with its defaults."""
        tau = self.tau
        if isinstance(tau, str):
            rate = required_rate(self.dff, self.fs, "deconvolution")
            found = self.dff._stacked(_time_constants, fs=rate)._records.collect()
            tau = float(np.nanmedian(found)) if np.isfinite(found).any() else _TAU
        return deconvolve(self.dff, self.fs, tau)

    @property
    def spikes(self) -> Series:
        """Amplitude of the spikes in each frame, in units of `dff`, (K, T)."""
        return self.deconvolved.spikes

    @property
    def calcium(self) -> Series:
        """`dff` without noise, (K, T)."""
        return self.deconvolved.calcium

    @cached_property
    def events(self) -> Events:
        """Spikes of more than 1.5 noise, with times in seconds."""
        return self.deconvolved.events()

    @cached_property
    def quality(self) -> dict[str, Array]:
        """Measures of each trace, arrays of shape (K,).

        Those of :func:`~thunderlike.traces.measures.measures` of `dff`, ``'n_events'``, and
        ``'sensitivity'``, the change of the corrected trace, in its standard deviations, for a
        change of 1 of the neuropil coefficient.

        Examples
        --------
        >>> import thunderlike as tl
        >>> movie = np.random.default_rng(0).poisson(50, (90, 32, 32))
        >>> cells = np.zeros((1, 32, 32))
        >>> cells[0, 5:9, 5:9] = 1
        >>> list(tl.traces.extract(movie, cells, fs=15).quality)
        ['noise', 'snr', 'skew', 'exceptionality', 'n_events', 'sensitivity']
        """
        found = measures(self.dff)
        found["n_events"] = self.events.counts
        found["sensitivity"] = sensitivity(self.neuropil, self.corrected)
        return found

    def plot(
        self,
        k: int | Sequence[int] = 20,
        ax: Axes | None = None,
        *,
        start: float = 0.0,
        stop: float | None = None,
        events: bool = True,
    ) -> Axes:
        """Draw traces above one another, events as ticks, with a scale bar.

        Parameters
        ----------
        k : int or sequence of int
            Number of traces, those of the highest signal-to-noise ratio; or which.
        ax : matplotlib Axes, optional
            Axes to draw on; by default of a new figure.
        start, stop : float
            Seconds to show.
        events : bool
            Draw a tick at each event.

        Raises
        ------
        BadIndexError
            For a cell that does not exist.
        SpecError
            For no frames between `start` and `stop`.
        MissingExtraError
            Without matplotlib: ``pip install 'thunderlike[viz]'``.

        Examples
        --------
        >>> import thunderlike as tl
        >>> movie = np.random.default_rng(0).poisson(50, (90, 32, 32))
        >>> cells = np.zeros((2, 32, 32))
        >>> cells[0, 5:9, 5:9] = cells[1, 20:25, 20:25] = 1
        >>> tl.traces.extract(movie, cells, fs=15).plot(2).get_title()
        'dF/F of 2 of 2 cells'
        """
        rate = required_rate(self.F, self.fs, "a plot")
        if isinstance(k, int | np.integer):
            order = np.argsort(-np.nan_to_num(self.quality["snr"], nan=-np.inf), kind="stable")
            numbers = np.sort(order[: max(0, int(k))]).tolist()
        else:
            numbers = [int(number) for number in k]
        if bad := [number for number in numbers if not 0 <= number < len(self)]:
            raise BadIndexError(f"there is no cell {bad[0]}: there are {len(self)}")
        last = self.F.length if stop is None else min(round(stop * rate), self.F.length)
        first = max(round(start * rate), 0)
        if first >= last:
            raise SpecError(
                f"no frames from {start} to {stop} s: the traces have {self.F.length / rate:g} s"
            )
        rows = self.dff[numbers, first:last].toarray(squeeze=False)
        ticks = self.events.between(first / rate, last / rate) if events else None
        title = f"dF/F of {len(numbers)} of {len(self)} cells"
        return stacked(rows, numbers, rate, ticks, ax, title)

    # files

    def to_fields(self) -> dict[str, Any]:
        """Return the fields that are saved; Series as arrays."""
        fields = super().to_fields()
        for name in ("F", "neuropil", "corrected"):
            fields[name] = fields[name].toarray(squeeze=False)
        return fields | {"index": self.F.index, "attrs": dict(self.F.attrs)}

    @classmethod
    def from_fields(cls, version: int, fields: Mapping[str, Any]) -> Self:  # noqa: ARG003
        """Return the traces that were saved, local."""
        known = dict(fields)
        index, attrs = known.pop("index"), known.pop("attrs")
        for name in ("F", "neuropil", "corrected"):
            series = Series(known[name], index=index)
            series.attrs = attrs
            known[name] = series
        return cls(**known)


def load(path: AnyPath) -> Traces:
    """Read traces that ``traces.save(path)`` wrote, as HDF5 or JSON.

    Raises
    ------
    NotFoundError
        If the file does not exist.
    FormatError
        For another file, and for traces of a later version.

    Examples
    --------
    >>> load("memory://no-traces.h5")
    Traceback (most recent call last):
        ...
    thunderlike.errors.NotFoundError: ...
    """
    return Traces.load(path)


def _time_constants(block: Array, fs: float) -> Array:
    """Return the decay time of each trace in seconds, NaN without values, of shape (k, 1)."""
    values, missing = filled(block)
    found: Array = -1 / (fs * np.log(estimated_decay(values, fs)))
    if missing is not None:
        found = np.where(missing.all(axis=1), np.nan, found)
    return found[:, np.newaxis]
