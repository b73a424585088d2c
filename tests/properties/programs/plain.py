"""What programs compute, in numpy: values, what goes with them, how exactly they are known."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np


class Redraw(Exception):
    """The operation does not fit what there is."""


@dataclass(frozen=True)
class Plain:
    """The outcome in numpy: values, what goes with them, and how exactly it is known."""

    kind: str
    values: np.ndarray
    labels: np.ndarray | None = None
    index: np.ndarray | None = None
    error: float = 0.0  # what a value may be off by

    @property
    def naxes(self):
        return 1 if self.kind == "images" else self.values.ndim - 1

    @property
    def dtype(self):
        return self.values.dtype

    @property
    def shape(self):
        return self.values.shape

    @property
    def record(self):
        return self.shape[self.naxes :]

    @property
    def records(self):
        return self.values.reshape(math.prod(self.shape[: self.naxes]), *self.record)

    @property
    def scale(self):
        """The largest finite magnitude, or 1."""
        magnitudes = np.abs(self.values.astype(np.complex128))
        return max(1.0, float(magnitudes[np.isfinite(magnitudes)].max(initial=0)))

    def made(self, values, *, rounded=False, grown=1.0, **changes):
        """Other values; `rounded` are those that depend on the order of additions."""
        made = replace(self, values=np.asarray(values), **changes)
        if made.kind == "series" and "index" not in changes and made.record != self.record:
            made = replace(made, index=np.arange(made.shape[-1]))
        short = "f4" in (self.dtype.str[1:], made.dtype.str[1:]) or "c8" in self.dtype.str
        error = (1e-4 if short else 1e-10) * max(self.scale, made.scale) if rounded else 0.0
        return replace(made, error=(self.error + error) * grown)

    def each(self, function):
        """A function of each record, stacked again."""
        values = np.array([function(record) for record in self.records])
        return values.reshape(*self.shape[: self.naxes], *values.shape[1:])


def need(condition):
    if not condition:
        raise Redraw


def known(plain):
    """Ask for exact values: the operation has steps, and near one a rounding error is large."""
    need(plain.error == 0)


def real(plain):
    need(plain.dtype.kind in "biuf")


def finite(plain):
    need(np.isfinite(plain.values).all())


def number(rng, plain):
    """A Python number that fits."""
    if plain.dtype.kind == "b":
        return bool(rng.integers(2))
    if plain.dtype.kind in "fc" and rng.random() < 0.6:
        return float(rng.choice([0.5, -1.25, 3.0, 100.0]))
    return int(rng.integers(1, 5))
