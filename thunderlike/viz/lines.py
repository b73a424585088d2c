"""Lines and heat maps: series over the positions along them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike._text import plain
from thunderlike.viz.figures import PERCENTILES, axes_or_new, checked, contrast
from thunderlike.viz.pictures import DIVERGING, SEQUENTIAL, colour_bar, diverging, draw

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from thunderlike._typing import Array

__all__ = ["heatmap", "lines"]

_NAMED = 12  # most lines of a legend, and most named positions of an axis


def lines(
    values: Any,
    ax: Axes | None = None,
    *,
    index: Any = None,
    names: Sequence[str] = (),
    title: str = "",
    along: str = "position",
    label: str = "value",
) -> Axes:
    """Draw a line for each row.

    Parameters
    ----------
    values : array_like, shape (k, n) or (n,)
    ax : matplotlib Axes, optional
        Axes to draw on; those of a new figure by default.
    index : sequence, optional
        Position of each value along the axis: numbers, or words as tick labels.
    names : sequence of str
        Names of the lines in a legend.
    title, along, label : str
        Title and labels of the x and y axes.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> ax = lines([[1, 3, 2], [0, 1, 0]], names=["one", "other"], along="frame")
    >>> len(ax.lines), ax.get_xlabel()
    (2, 'frame')
    """
    rows = np.atleast_2d(checked(values))
    axes = axes_or_new(ax)
    places = _places(axes, index, rows.shape[1])
    for row, name in zip(rows, [*names, *[None] * (len(rows) - len(names))], strict=True):
        axes.plot(places, row, lw=1, label=name, marker="." if len(row) < 2 * _NAMED else None)
    axes.margins(x=0.01)
    axes.set_title(title)
    axes.set_xlabel(along)
    axes.set_ylabel(label)
    if 1 < len(names) <= _NAMED:
        axes.legend(frameon=False)
    return axes


def heatmap(
    values: Any,
    ax: Axes | None = None,
    *,
    step: int = 1,
    index: Any = None,
    title: str = "",
    along: str = "position",
    across: str = "series",
    label: str = "value",
    cmap: str | None = None,
) -> Axes:
    r"""Draw each row of an array as a row of colours.

    Parameters
    ----------
    values : array_like, shape (k, n)
    ax : matplotlib Axes, optional
        Axes to draw on; those of a new figure by default.
    step : int
        Distance between rows on the y axis, such as the step of a subset of rows.
    index : sequence, optional
        As in :func:`lines`; numbers are shown only at regular distances.
    title, along, across, label : str
        Title, labels of the x and y axes, and label of the colour bar.
    cmap : str, optional
        As in :func:`picture`.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> ax = heatmap(np.eye(4, 9), along="frame (0 to 8)")
    >>> ax.get_ylabel(), ax.child_axes[0].get_ylabel()
    ('series', 'value\n(colours: percentiles 0.5 to 99.5)')
    """
    rows = checked(values)
    axes = axes_or_new(ax)
    low, high = contrast(rows)
    if both := diverging(rows):
        low, high = -max(-low, high), max(-low, high)
    shown = draw(axes, rows, cmap or (DIVERGING if both else SEQUENTIAL), (low, high))
    left, right = _ends(_places(axes, index, rows.shape[1]))
    shown.set_extent((left, right, (len(rows) - 0.5) * step, -0.5 * step))
    axes.set_aspect("auto")
    axes.set_title(title)
    axes.set_xlabel(along)
    axes.set_ylabel(across)
    colour_bar(axes, shown, f"{label}\n(colours: percentiles {PERCENTILES[0]} to {PERCENTILES[1]})")
    return axes


def _places(axes: Axes, index: Any, count: int) -> Array:
    """Return the positions along the axis; label the ticks of a few named ones."""
    found = np.arange(count) if index is None else np.asarray(index)
    if found.ndim == 1 and found.dtype.kind in "iuf":
        return found
    if count <= _NAMED:
        words = [plain(", ".join(map(str, np.atleast_1d(name)))) for name in found]
        axes.set_xticks(range(count), words)
    return np.arange(count)


def _ends(places: Array) -> tuple[float, float]:
    """Return the outer edges of the first and last position, numbered if distances vary."""
    steps = np.diff(places.astype(np.float64))
    if not len(steps) or not np.allclose(steps, steps[0]) or not steps[0]:
        return -0.5, len(places) - 0.5
    return float(places[0] - steps[0] / 2), float(places[-1] + steps[0] / 2)
