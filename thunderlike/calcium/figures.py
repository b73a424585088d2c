"""Figures of the report: motion, cells, traces, quality; of a width that narrow screens show."""

from __future__ import annotations

import math
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec

import numpy as np

from thunderlike._lazy import optional
from thunderlike.calcium.results import flat
from thunderlike.extraction.plotting import draw_outline
from thunderlike.traces.plotting import stacked
from thunderlike.viz.plots import contrast, draw

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from thunderlike._typing import Array
    from thunderlike.calcium.results import Plane
    from thunderlike.extraction import ExtractionModel
    from thunderlike.registration import RegistrationModel

__all__ = ["cells", "clearest", "motion", "overview", "quality", "traces"]

P = ParamSpec("P")

_WIDTH = 5.2  # inches; at 390 pixels of screen, text of 9 points is as large as that of the page
_SHOWN = 12  # traces
_POINTS = 1500  # of a line; longer traces are averaged
_STYLE = {
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "0.4",
    "xtick.color": "0.3",
    "ytick.color": "0.3",
}
# Palette of Okabe and Ito (2008), legible with colour blindness.
_ACCEPTED, _REJECTED, _CONTOUR = "#0072B2", "0.7", "#E69F00"
_LABEL: dict[str, Any] = {
    "color": _CONTOUR,
    "bbox": {"facecolor": "black", "alpha": 0.5, "linewidth": 0, "pad": 0.5},
}


def _styled(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """Have a function draw in the style of the report, and leave matplotlib's settings alone."""

    @wraps(draw)
    def styled(*args: P.args, **options: P.kwargs) -> Figure:
        with optional("matplotlib", extra="viz").rc_context(_STYLE):
            return draw(*args, **options)

    return styled


def _figure(height: float, width: float = _WIDTH) -> Figure:
    figure: Figure = optional("matplotlib.figure", extra="viz").Figure(
        figsize=(width, height), layout="constrained"
    )
    return figure


@_styled
def motion(model: RegistrationModel, fs: float) -> Figure:
    """Draw the shift of each frame along each axis, against seconds."""
    figure = _figure(2.4)
    _draw_motion(figure.subplots(), model, fs)
    return figure


@_styled
def cells(plane: Plane, image: str) -> Figure:
    """Draw the contours of accepted cells on an image of the registered movie."""
    figure = _figure(5.2)
    _draw_cells(figure.subplots(), plane, image)
    return figure


@_styled
def traces(plane: Plane, fs: float) -> Figure:
    """Draw dF/F of the clearest cells one above the other, with marks at events."""
    rows = clearest(plane.cells)
    figure = _figure(0.9 + 0.42 * max(len(rows), 1))
    _draw_traces(figure.subplots(), plane, rows, fs)
    return figure


@_styled
def overview(plane: Plane, fs: float) -> Figure:
    """Draw cells, traces and motion in one figure."""
    figure = _figure(6.2, width=9.5)
    axes = figure.subplot_mosaic(
        [["cells", "traces"], ["motion", "motion"]], height_ratios=(3.2, 1)
    )
    _draw_cells(axes["cells"], plane, "mean")
    axes["cells"].set_title("mean of the registered movie, cells")
    _draw_traces(axes["traces"], plane, clearest(plane.cells), fs)
    axes["traces"].set_title("dF/F of the clearest cells, and events")
    _draw_motion(axes["motion"], plane.motion, fs)
    axes["motion"].set_title("shifts of the frames")
    return figure


def clearest(model: ExtractionModel, count: int = _SHOWN) -> Array:
    """Return the numbers of accepted cells of the largest signal to noise, in ascending order."""
    chosen = np.flatnonzero(model.accepted)
    if "snr" in model.quality:
        order = np.argsort(-model.quality["snr"][chosen], kind="stable")
        chosen = chosen[order]
    found: Array = np.sort(chosen[:count])
    return found


@_styled
def quality(model: ExtractionModel) -> Figure:
    """Draw a histogram of each measure, of accepted and of other components."""
    names = [name for name, values in model.quality.items() if values.dtype.kind in "iuf"]
    columns = 2
    rows = max(math.ceil(len(names) / columns), 1)
    figure = _figure(1.5 * rows + 0.3)
    grid = figure.subplots(rows, columns, squeeze=False)
    for ax, name in zip(grid.ravel(), names, strict=False):
        _histogram(ax, model.quality[name], model.accepted)
        ax.set_title(name.replace("_", " "))
    for ax in grid.ravel()[len(names) :]:
        ax.set_visible(False)
    return figure


def _draw_motion(ax: Axes, model: RegistrationModel, fs: float) -> None:
    model.plot(ax)
    for line in ax.lines:  # drawn against frames
        line.set_xdata(np.asarray(line.get_xdata()) / fs)
    ax.set(xlabel="seconds", xlim=(0, max(len(model), 1) / fs))
    ax.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=3, frameon=False, borderaxespad=0)


def _draw_cells(ax: Axes, plane: Plane, image: str) -> None:
    """Draw the outlines of the pixels of accepted cells, and the numbers of the clearest."""
    picture, model = flat(plane.images[image]), plane.cells
    draw(ax, picture, "gray", contrast(picture, (1, 99)))
    for number in np.flatnonzero(model.accepted).tolist():
        draw_outline(ax, model, number, _CONTOUR, 0.9)
    for number in clearest(model).tolist():
        y, x = model.centers[number, -2:]
        ax.text(x, y, number, size="x-small", ha="center", va="center", **_LABEL)
    height, width = picture.shape
    ax.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5))
    ax.set_axis_off()


def _draw_traces(ax: Axes, plane: Plane, rows: Array, fs: float) -> None:
    values = plane.activity["dff"][rows]
    step = math.ceil(values.shape[1] / _POINTS)
    stacked(_averaged(values, step), rows.tolist(), fs / step, plane.events, ax, "")


def _histogram(ax: Axes, values: Array, accepted: Array) -> None:
    finite = np.isfinite(values)
    if not finite.any():
        return
    edges = np.histogram_bin_edges(values[finite], bins=24).tolist()
    shown = [values[finite & accepted], values[finite & ~accepted]]
    ax.hist(shown, edges, stacked=True, color=[_ACCEPTED, _REJECTED], label=["accepted", "not"])
    ax.locator_params(axis="y", integer=True, nbins=3)


def _averaged(values: Array, step: int) -> Array:
    """Return the means of every `step` frames."""
    count = values.shape[1] // step
    means: Array = values[:, : count * step].reshape(len(values), count, step).mean(axis=2)
    return means
