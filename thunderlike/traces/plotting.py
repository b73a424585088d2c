"""Plots of traces."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from thunderlike._lazy import optional

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from thunderlike._typing import Array
    from thunderlike.traces.event_detection import Events

__all__ = ["stacked"]

_QUANTILES = (0.5, 99.8)  # percent, between which lies the height of a line
_INCHES, _MOST_INCHES = 0.45, 12.0  # of a line; of the figure
_NICE = (1, 2, 5, 10)


def stacked(
    rows: Array,
    numbers: Sequence[int],
    fs: float,
    ticks: Events | None,
    ax: Axes | None,
    title: str,
) -> Axes:
    """Draw a line for each trace above one another, events as ticks, and a scale bar.

    Parameters
    ----------
    rows : ndarray, shape (k, T)
        Relative changes.
    numbers : sequence of int
        Numbers of the traces, written on the left.
    fs : float
        Frames a second.
    ticks : Events or None
        Of all traces; those of `numbers` are drawn.
    ax : matplotlib Axes, optional
    title : str

    Examples
    --------
    >>> ax = stacked(np.random.default_rng(0).normal(size=(3, 90)), [0, 1, 2], 15, None, None, "")
    >>> [label.get_text() for label in ax.get_yticklabels()]
    ['0', '1', '2']
    """
    if ax is None:
        height = min(1.0 + _INCHES * max(len(rows), 2), _MOST_INCHES)
        figure = optional("matplotlib.figure", extra="viz").Figure(
            figsize=(9, height), layout="constrained"
        )
        ax = figure.subplots()
    low, high = np.zeros(len(rows)), np.ones(len(rows))
    for n, row in enumerate(rows):
        known = row[np.isfinite(row)]
        if known.size:
            low[n], high[n] = np.percentile(known, _QUANTILES)
    step = max(float(np.median(high - low)) if len(rows) else 1.0, 1e-9)
    time, places = np.arange(rows.shape[1]) / fs, -step * np.arange(len(rows))
    for place, row, number in zip(places, rows, numbers, strict=True):
        (line,) = ax.plot(time, row + place, lw=0.6)
        if ticks is not None:
            times, _ = ticks[number]
            at = np.full(len(times), place - 0.2 * step)
            ax.plot(times, at, "|", ms=4, color=line.get_color())
    ax.set_yticks(places, [str(number) for number in numbers])
    _draw_scale(ax, rows.shape[1] / fs, step)
    ax.spines[["top", "right", "left", "bottom"]].set_visible(False)
    ax.tick_params(axis="both", length=0)
    ax.set_xticks([])
    ax.set_ylabel("cell")
    ax.set_title(title)
    ax.margins(x=0.01)
    return ax


def _draw_scale(ax: Axes, seconds: float, step: float) -> None:
    """Draw a bar of time and one of relative change in the lower right corner."""
    long, high = _nice(seconds / 8), _nice(step / 2)
    low, _ = ax.get_ylim()
    right, base = seconds * 1.02, low - 0.2 * step
    ax.plot([right - long, right, right], [base, base, base + high], color="0.2", lw=1.5)
    ax.text(right - long / 2, base - 0.1 * step, f"{long:g} s", ha="center", va="top")
    ax.text(right + 0.01 * seconds, base + high / 2, f"{100 * high:g} %", va="center")


def _nice(length: float) -> float:
    """Return the largest of 1, 2, 5, 10 times a power of ten that is not above a length."""
    power = 10.0 ** np.floor(np.log10(max(length, 1e-12)))
    return float(power * max(n for n in _NICE if n * power <= length * (1 + 1e-9)))
