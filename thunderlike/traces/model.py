"""Traces of cells: fluorescence, neuropil and separate signals, as one object with files."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from thunderlike.data.series import Series
from thunderlike.hdf5.models import Model

if TYPE_CHECKING:
    from collections.abc import Mapping

    from thunderlike._typing import Array
    from thunderlike.storage import AnyPath

__all__ = ["Traces", "load"]


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
        Decay time of the indicator in seconds.

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
