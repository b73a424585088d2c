"""Plots of a job's results as PNG bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

from thunderlike._arguments import checked_types
from thunderlike._lazy import optional
from thunderlike._text import plain
from thunderlike.viz.plots import DIVERGING, colour_bar, contrast, draw, flat

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from thunderlike._typing import Array
    from thunderlike.jobs.signals import Signal
    from thunderlike.registration import RegistrationModel
    from thunderlike.regression import LinearModel

__all__ = [
    "MapResult",
    "Modelled",
    "Registered",
    "map_figure",
    "registration_figure",
    "regression_figure",
]

# Palette of Okabe and Ito (2008), legible with colour blindness: dark blue, light orange.
_TRACE, _SIGNAL = "#0072B2", "#E69F00"
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


class MapResult(Protocol):
    """Attributes of :class:`~thunderlike.jobs.activity_map.ActivityMap` that are drawn."""

    @property
    def signal(self) -> Signal:
        """The signal that pixels are correlated with."""

    @property
    def mean(self) -> Array:
        """The mean image."""

    @property
    def correlation(self) -> Array:
        """Correlation of each pixel; NaN where it is constant."""

    @property
    def best(self) -> tuple[int, ...] | None:
        """The pixel of the highest correlation; None where all are constant."""

    @property
    def best_correlation(self) -> float | None:
        """The highest correlation."""

    @property
    def trace(self) -> Array:
        """The standardized series of the best pixel."""


class Registered(Protocol):
    """Attributes of :class:`~thunderlike.jobs.register.Corrected` that are drawn."""

    @property
    def model(self) -> RegistrationModel:
        """The motion."""

    @property
    def before(self) -> Array:
        """Mean of some frames."""

    @property
    def after(self) -> Array:
        """Mean of the same frames, corrected."""


class Modelled(Protocol):
    """Attributes of :class:`~thunderlike.jobs.regress.Encoding` that are drawn."""

    @property
    def model(self) -> LinearModel:
        """Models of all pixels."""

    @property
    def best(self) -> tuple[int, ...] | None:
        """The pixel of the largest R squared; None where no pixel varies."""

    @property
    def trace(self) -> Array:
        """The series of the best pixel."""

    @property
    def fitted(self) -> Array:
        """Its fit."""


@checked_types
def map_figure(found: MapResult) -> Figure:
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
    MissingExtraError
        Without matplotlib.
    """
    matplotlib = optional("matplotlib", extra="viz")
    figure_class = optional("matplotlib.figure", extra="viz").Figure
    with matplotlib.rc_context(_STYLE):
        figure: Figure = figure_class(figsize=(9, 7), layout="constrained")
        grid = figure.add_gridspec(2, 2, height_ratios=(2.1, 1))
        _draw_images(figure.add_subplot(grid[0, 0]), figure.add_subplot(grid[0, 1]), found)
        _draw_traces(figure.add_subplot(grid[1, :]), found)
    return figure


@checked_types
def registration_figure(found: Registered) -> Figure:
    """Draw the mean image before and after motion correction, and the shifts.

    Parameters
    ----------
    found : Corrected
        Of frames, or of volumes: then their middle plane is shown.

    Returns
    -------
    matplotlib.figure.Figure
        Its axes are the two means, in equal contrast, and the shifts of each frame.

    Raises
    ------
    MissingExtraError
        Without matplotlib.
    """
    matplotlib = optional("matplotlib", extra="viz")
    figure_class = optional("matplotlib.figure", extra="viz").Figure
    plane = found.before.shape[0] // 2 if found.before.ndim == 3 else 0
    (before, which), (after, _) = flat(found.before, plane), flat(found.after, plane)
    limits = contrast(after)
    height = 4.5 * min(max(before.shape[0] / before.shape[1], 0.3), 2)  # inches of an image
    with matplotlib.rc_context(_STYLE):
        figure: Figure = figure_class(figsize=(9, height + 2.5), layout="constrained")
        grid = figure.add_gridspec(2, 2, height_ratios=(height, 2.2))
        for column, (image, name) in enumerate(((before, "before"), (after, "after"))):
            axes = figure.add_subplot(grid[0, column])
            draw(axes, image, "gray", limits)
            axes.set_title(f"mean {name}{which}")
            axes.set_xticks([])
            axes.set_yticks([])
            axes.spines[:].set_visible(False)
        axes = figure.add_subplot(grid[1, :])
        found.model.plot(axes)
        axes.set_title(f"shifts of {len(found.model)} frames")
        axes.set_xlabel("frame")
    return figure


def _draw_images(mean: Axes, correlation: Axes, found: MapResult) -> None:
    """Draw the mean image and the map; of a volume, the plane of the best pixel."""
    plane = found.best[0] if found.best else 0
    image, which = flat(found.mean, plane)
    draw(mean, image, "gray", contrast(image))
    mean.set_title(f"mean of {len(found.signal.values)} images{which}")
    _frame(mean, found)
    image, which = flat(found.correlation, plane)
    # Symmetric about 0, so that the middle of the colours is no correlation.
    limit = 1.0 if found.best is None else float(np.nanmax(np.abs(found.correlation)))
    shown = draw(correlation, image, DIVERGING, (-limit, limit))
    correlation.set_title(f"correlation with {_name(found)}{which}")
    _frame(correlation, found)
    grey = int(np.isnan(found.correlation).sum())
    constant = f" (grey: {grey} constant pixels)" if grey else ""
    colour_bar(correlation, shown, f"Pearson's r{constant}")


def _draw_traces(axes: Axes, found: MapResult) -> None:
    # Standardized, as the trace is: the signal has a unit of its own.
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


def _frame(axes: Axes, found: MapResult) -> None:
    """Hide the ticks, and circle the best pixel."""
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    if found.best is not None:
        row, column = found.best[-2:]
        for size, colour in ((14, "white"), (12, "black")):  # seen on light and on dark
            axes.plot(column, row, "o", ms=size, mfc="none", mec=colour, mew=1.2)


def _name(found: MapResult) -> str:
    """Name of the signal, shortened."""
    return _short(found.signal.name)


def _short(name: str) -> str:
    return plain(name if len(name) <= 24 else name[:22] + "...")


def _text(pixel: tuple[int, ...]) -> str:
    return f"({', '.join(map(str, pixel))})"


_SHOWN = 5  # regressors of which maps are drawn


@checked_types
def regression_figure(found: Modelled) -> Figure:
    """Draw maps of R squared and of t of the first regressors, and the best pixel with its fit.

    Parameters
    ----------
    found : Encoding
        Of images, or of volumes: then the plane of the best pixel is shown.

    Returns
    -------
    matplotlib.figure.Figure
        Its axes are the maps, then the trace.

    Raises
    ------
    MissingExtraError
        Without matplotlib.
    """
    matplotlib = optional("matplotlib", extra="viz")
    figure_class = optional("matplotlib.figure", extra="viz").Figure
    names = found.model.names[:_SHOWN]
    plane = found.best[0] if found.best else 0
    rows = -(-(len(names) + 1) // 3)
    with matplotlib.rc_context(_STYLE):
        figure: Figure = figure_class(figsize=(11, 3.4 * rows + 2.4), layout="constrained")
        grid = figure.add_gridspec(rows + 1, 3, height_ratios=(*(3.4,) * rows, 2.2))
        places = [figure.add_subplot(grid[n // 3, n % 3]) for n in range(len(names) + 1)]
        varies = found.model.fvalues.toarray(squeeze=False)[..., 0] >= 0
        values = np.where(varies, found.model.rsquared.toarray(squeeze=False)[..., 0], np.nan)
        image, which = flat(values, plane)
        shown = draw(places[0], image, "viridis", (0.0, contrast(image)[1]))
        places[0].set_title(f"explained variance{which}")
        grey = int((~varies).sum())
        constant = f" (grey: {grey} constant pixels)" if grey else ""
        colour_bar(places[0], shown, f"R squared{constant}")
        tvalues = found.model.tvalues.toarray(squeeze=False)
        for number, (axes, name) in enumerate(zip(places[1:], names, strict=True), 1):
            image, which = flat(tvalues[..., number], plane)
            limit = float(np.abs(image[np.isfinite(image)]).max(initial=1))
            shown = draw(axes, image, DIVERGING, (-limit, limit))
            axes.set_title(f"{_short(name)}{which}")
            colour_bar(axes, shown, "t")
        for axes in places:
            axes.set_xticks([])
            axes.set_yticks([])
            axes.spines[:].set_visible(False)
        _draw_fit(figure.add_subplot(grid[rows, :]), found)
    return figure


def _draw_fit(axes: Axes, found: Modelled) -> None:
    if found.best is None:
        axes.set_title("no pixel varies")
        return
    value = float(found.model.rsquared[found.best].toarray())
    axes.plot(found.trace, color=_TRACE, lw=1, label=f"pixel {_text(found.best)}")
    axes.plot(found.fitted, color=_SIGNAL, lw=1.2, label="fit")
    axes.set_title(f"the best pixel, {_text(found.best)}: R squared = {value:.3f}")
    axes.set_xlim(0, max(len(found.trace) - 1, 1))
    axes.locator_params(axis="x", integer=True)
    axes.set_xlabel("image")
    axes.set_ylabel("pixel value")
    axes.legend(loc="upper right", ncols=2, frameon=False, bbox_to_anchor=(1, 1.2))
