"""Plots of registration models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike import viz
from thunderlike._lazy import optional

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from thunderlike._typing import Array
    from thunderlike.registration.model import RegistrationModel

__all__ = ["plot_model"]


def plot_model(model: RegistrationModel, ax: Axes | None) -> Figure:
    """Draw shifts, peaks and the reference; as ``RegistrationModel.plot``."""
    if ax is not None:
        _draw_shifts(model, ax)
        return ax.figure  # type: ignore[return-value]  # axes of a figure
    figure = optional("matplotlib.figure", extra="viz").Figure(
        figsize=(10, 6), layout="constrained"
    )
    rows = ["shifts", "peak"] if model.grid is None else ["shifts", "deviation", "peak"]
    axes: dict[str, Any] = figure.subplot_mosaic(
        [[row, row, "reference"] for row in rows], sharex=False
    )
    for row in rows[1:]:
        axes[row].sharex(axes["shifts"])
    _draw_shifts(model, axes["shifts"])
    frames = np.arange(len(model))
    axes["peak"].plot(frames, _per_frame(model.peak), lw=0.8, color="0.3")
    axes["peak"].set(xlabel="frame", ylabel="peak (sd)")
    if (fields := model.fields) is not None:
        lead = model.shifts.ndim - 1
        apart = fields - model.shifts.reshape(*model.shifts.shape, *(1,) * (fields.ndim - lead - 1))
        rms = np.sqrt(np.square(apart).mean(axis=tuple(range(1, fields.ndim))))
        axes["deviation"].plot(frames, rms, lw=0.8)
        axes["deviation"].set(ylabel="rms of field\nabout shift (px)")
    viz.picture(np.asarray(model.reference), axes["reference"], title="reference")
    return figure  # type: ignore[no-any-return]  # matplotlib's


def _per_frame(values: Array) -> Array:
    """Return one value a frame: the least of its planes."""
    found: Array = values.reshape(len(values), -1).min(axis=1) if values.size else values
    return found


def _draw_shifts(model: RegistrationModel, ax: Axes) -> None:
    """Draw a line for each axis, the mean over planes, and a mark at each bad frame."""
    nd = model.shifts.shape[-1]
    shifts = model.shifts.reshape(len(model), -1, nd).mean(axis=1)
    names = [n for n, _ in zip("xyz", model.reference.shape, strict=False)][::-1]
    if model.axis is not None:
        del names[model.axis]
    for name, line in zip(names, shifts.T, strict=True):
        ax.plot(np.arange(len(model)), line, lw=0.8, label=name)
    bad = np.flatnonzero(model.bad.reshape(len(model), -1).any(axis=1))
    if bad.size:
        ax.plot(bad, shifts[bad].max(axis=1), "x", color="0.2", ms=4, label="bad")
    ax.set(ylabel="shift (px)")
    ax.locator_params(axis="x", integer=True)
    ax.legend(
        loc="lower right",
        bbox_to_anchor=(1, 1),
        borderaxespad=0.2,
        ncols=4,
        frameon=False,
        fontsize="small",
    )
