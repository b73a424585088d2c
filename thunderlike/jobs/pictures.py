"""Drawing what a job found: figures as PNG bytes, without a screen and without pyplot's state."""

from __future__ import annotations

import io
import logging
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from thunderlike._lazy import optional

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from thunderlike.jobs.activity_map import ActivityMap

    Array: TypeAlias = NDArray[Any]

__all__ = ["check_drawing", "map_figure", "png_of"]

# matplotlib tells its logger that it builds a font cache. Whoever listens still hears it; with
# nobody listening, Python would print it on standard error.
logging.getLogger("matplotlib").addHandler(logging.NullHandler())

# Told apart by people with any kind of colour vision, and in grey: a diverging map of red and blue,
# and from the palette of Okabe and Ito (2008) a dark blue over a light orange.
_DIVERGING, _TRACE, _SIGNAL = "RdBu_r", "#0072B2", "#E69F00"
_UNDEFINED = "0.75"
_STYLE = {
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "0.4",
    "xtick.color": "0.3",
    "ytick.color": "0.3",
}


def check_drawing() -> None:
    """Raise MissingExtra now, and not after hours of work, if there is nothing to draw with."""
    optional("matplotlib", extra="viz")


def map_figure(found: ActivityMap) -> Figure:
    """Draw the mean image, the map, and the best pixel's trace over the signal.

    Parameters
    ----------
    found : ActivityMap
        Of images, or of volumes: then the plane of the best pixel is shown.

    Returns
    -------
    matplotlib.figure.Figure
        Its axes are the mean image, the map and the traces.

    Raises
    ------
    MissingExtra
        Without matplotlib.
    """
    matplotlib = optional("matplotlib", extra="viz")
    figure_class = optional("matplotlib.figure", extra="viz").Figure
    with matplotlib.rc_context(_STYLE):
        figure: Figure = figure_class(figsize=(9, 7), layout="constrained")
        (mean, correlation), below = _grid(figure)
        _draw_mean(mean, found)
        _draw_map(figure, correlation, found)
        _draw_traces(below, found)
    return figure


def png_of(figure: Figure) -> bytes:
    """Draw a figure to PNG, 150 pixels an inch; the same bytes for the same figure."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=150, metadata={"Software": None})
    return stream.getvalue()


def _grid(figure: Figure) -> tuple[tuple[Axes, Axes], Axes]:
    grid = figure.add_gridspec(2, 2, height_ratios=(2.1, 1))
    above = figure.add_subplot(grid[0, 0]), figure.add_subplot(grid[0, 1])
    return above, figure.add_subplot(grid[1, :])


def _draw_mean(axes: Axes, found: ActivityMap) -> None:
    image = _plane(found.mean, found)
    low, high = np.nanpercentile(image, (0.5, 99.5))
    axes.imshow(image, cmap="gray", vmin=low, vmax=max(high, low + np.spacing(low)))
    axes.set_title(f"mean of {len(found.signal.values)} images{_which_plane(found)}")
    _frame(axes, found)


def _draw_map(figure: Figure, axes: Axes, found: ActivityMap) -> None:
    image = _plane(found.correlation, found)
    limit = 1.0 if found.best is None else float(np.nanmax(np.abs(found.correlation)))
    axes.set_facecolor(_UNDEFINED)
    shown = axes.imshow(image, cmap=_DIVERGING, vmin=-limit, vmax=limit, interpolation="nearest")
    axes.set_title(f"correlation with {_name(found)}{_which_plane(found)}")
    _frame(axes, found)
    beside = axes.inset_axes((1.04, 0, 0.05, 1))  # as high as the image, whatever its shape
    figure.colorbar(shown, cax=beside, label=_bar_label(found))


def _bar_label(found: ActivityMap) -> str:
    grey = int(np.isnan(found.correlation).sum())
    return "Pearson's r" + (f" (grey: {grey} constant pixels)" if grey else "")


def _draw_traces(axes: Axes, found: ActivityMap) -> None:
    signal = (found.signal.values - found.signal.values.mean()) / found.signal.values.std()
    axes.fill_between(np.arange(len(signal)), signal, signal.min(), color=_SIGNAL, alpha=0.35, lw=0)
    axes.plot(signal, color=_SIGNAL, lw=1, label=_name(found))
    if found.best is not None:
        axes.plot(found.trace, color=_TRACE, lw=1, label=f"pixel {_text(found.best)}")
        axes.set_title(f"the best pixel, {_text(found.best)}: r = {found.best_correlation:.3f}")
    else:
        axes.set_title("no pixel varies")
    axes.set_xlim(0, len(signal) - 1)
    axes.locator_params(axis="x", integer=True)
    axes.set_xlabel("image")
    axes.set_ylabel("standard deviations")
    axes.legend(loc="upper right", ncols=2, frameon=False, bbox_to_anchor=(1, 1.2))


def _frame(axes: Axes, found: ActivityMap) -> None:
    """No ticks, and a ring around the best pixel."""
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    if found.best is not None:
        row, column = found.best[-2:]
        for size, colour in ((14, "white"), (12, "black")):  # seen on light and on dark
            axes.plot(column, row, "o", ms=size, mfc="none", mec=colour, mew=1.2)


def _plane(values: Array, found: ActivityMap) -> Array:
    """An image as it is; of a volume the plane of the best pixel."""
    return values if values.ndim == 2 else values[found.best[0] if found.best else 0]


def _which_plane(found: ActivityMap) -> str:
    if found.correlation.ndim == 2:
        return ""
    number = found.best[0] if found.best else 0
    return f", plane {number} (of 0 to {len(found.correlation) - 1})"


def _name(found: ActivityMap) -> str:
    """What the signal is called, as far as there is room."""
    name = found.signal.name
    return name if len(name) <= 24 else name[:22] + "..."


def _text(pixel: tuple[int, ...]) -> str:
    return f"({', '.join(map(str, pixel))})"
