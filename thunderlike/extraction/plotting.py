"""Plots of models of cells: outlines on an image, and a report of one page."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike._lazy import optional
from thunderlike.errors import SpecError
from thunderlike.kernels._validation import as_array
from thunderlike.viz.plots import axes_or_new, contrast

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike, NDArray

    from thunderlike.extraction.model import ExtractionModel

__all__ = ["draw_outline", "plot_model", "report"]

_LIMITS = (1, 99)  # percentiles of a base image: black and white
_COLORS = 10  # of cells by their number
_LABELS = 200  # cells beyond which numbers are left out
_SHOWN = 5  # best and worst cells of a report
_HISTOGRAMS = 6
_FIRST = (  # measures of a report, if there are such
    "snr",
    "contrast",
    "split_r",
    "skew",
    "area",
    "spatial_r",
    "amplitude",
    "compactness",
)
_RANKS = ("snr", "probability")  # measures by which cells are ranked
_SIDE = 0.5  # diameters around a cell in its picture
_SMOOTHING = 0.7  # px, standard deviation of the blur of a mask whose outline is drawn
_MARGIN = 3  # px around a mask that the blur reaches


def plot_model(
    model: ExtractionModel,
    base: ArrayLike | None,
    color: str,
    ax: Axes | None,
    *,
    labels: bool,
    accepted_only: bool,
) -> Axes:
    """Draw outlines of cells; see :meth:`ExtractionModel.plot`."""
    colors = _colors(model, color)
    axes = axes_or_new(ax)
    _draw_base(axes, _base(model, base))
    chosen = np.flatnonzero(model.accepted) if accepted_only else np.arange(model.count)
    for number in chosen.tolist():
        draw_outline(axes, model, number, colors(number))
    if labels and len(chosen) <= _LABELS:
        for number in chosen.tolist():
            y, x = model.centers[number][-2:]
            axes.annotate(str(number), (x, y), color="w", fontsize=6, ha="center", va="center")
    height, width = model.shape[-2:]  # outlines of cells at the border reach beyond
    axes.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5))
    axes.set(title=f"{int(model.accepted.sum())} of {model.count} cells accepted")
    return axes


def _base(model: ExtractionModel, base: ArrayLike | None) -> NDArray[Any]:
    """Return the image behind the cells, by default their weights; of planes, the maximum."""
    if base is None:
        sums = np.bincount(model.weights.indices, model.weights.data, math.prod(model.shape))
        image = sums.reshape(model.shape)
    else:
        image = as_array(base, "base")
        if image.shape not in (model.shape, model.shape[-2:]) or image.dtype.kind not in "biuf":
            raise SpecError(
                f"base has {image.dtype} of shape {image.shape}, and the cells are of images of "
                f"shape {model.shape}"
            )
    image = image.astype(np.float64)
    return image if image.ndim == 2 else image.max(axis=0)


def _draw_base(axes: Axes, image: NDArray[Any]) -> None:
    low, high = contrast(image, _LIMITS)
    axes.imshow(image, cmap="gray", vmin=low, vmax=high, interpolation="nearest")
    axes.set(xticks=[], yticks=[])


def draw_outline(
    axes: Axes, model: ExtractionModel, number: int, color: Any, width: float = 0.8
) -> None:
    """Draw the outline of the pixels of a cell, smoothed by 0.7 pixels, without its holes.

    A level of the weights would not do: those of a doughnut, or of a dim cell, fall apart.
    """
    from scipy import ndimage

    pixels = model.regions.coordinates[number][:, -2:]  # over planes
    low = pixels.min(axis=0) - _MARGIN
    mask = np.zeros(pixels.max(axis=0) - low + 1 + _MARGIN)
    mask[tuple((pixels - low).T)] = 1
    smooth = ndimage.gaussian_filter(ndimage.binary_fill_holes(mask).astype(float), _SMOOTHING)
    y, x = (np.arange(n) + start for n, start in zip(mask.shape, low, strict=True))
    level = min(0.5, smooth.max() / 2)  # the blur of a single pixel has no 0.5
    axes.contour(x, y, smooth, levels=[level], colors=[color], linewidths=width)


def _colors(model: ExtractionModel, color: str) -> Any:
    """Return the color of a cell by its number."""
    maps = optional("matplotlib", extra="viz").colormaps
    if color == "index":
        return lambda number: maps["tab10"](number % _COLORS)
    values = model.quality.get(color)
    if values is None or values.dtype.kind not in "biuf":
        known = ", ".join(repr(name) for name in ("index", *_measures(model)))
        raise SpecError(f"color is one of {known}, not {color!r:.60}")
    low, high = contrast(values.astype(np.float64)) if values.size else (0.0, 1.0)
    span = high - low if high > low else 1.0
    # A cell without a value is grey.
    return lambda number: (
        maps["viridis"]((float(values[number]) - low) / span)
        if np.isfinite(values[number])
        else "0.5"
    )


def _measures(model: ExtractionModel) -> list[str]:
    """Return the names of measures that are numbers, the better known ones first."""
    names = [name for name, values in model.quality.items() if values.dtype.kind in "iuf"]
    return [name for name in _FIRST if name in names] + [
        name for name in names if name not in _FIRST
    ]


# Report


def report(
    model: ExtractionModel,
    base: ArrayLike | None,
    limits: Mapping[str, float] | None,
    rank: str | None,
) -> Figure:
    """Draw one page about a model; see :meth:`ExtractionModel.report`."""
    image = _base(model, base)
    names = _measures(model)[:_HISTOGRAMS]
    order = _ranked(model, rank)
    figures = optional("matplotlib.figure", extra="viz")
    figure: Figure = figures.Figure(figsize=(11, 8.5), layout="constrained")
    halves: Any = figure.subfigures(2, 1, height_ratios=[3, 2])
    upper, lower = halves
    columns = 1 + math.ceil(len(names) / 3) if names else 1
    sides = upper.subfigures(1, 2, width_ratios=[1.2, 1]) if names else None
    place = upper if sides is None else sides[0]
    plot_model(model, image, "index", place.subplots(), labels=True, accepted_only=True)
    if sides is not None:
        grid = sides[1].subplots(min(3, len(names)), columns - 1, squeeze=False)
        for axes in grid.ravel()[len(names) :]:
            axes.set_axis_off()
        for name, axes in zip(names, grid.T.ravel(), strict=False):
            _draw_histogram(axes, model, name, (limits or {}).get(name))
        grid[0, 0].legend(fontsize=6)
    rows = lower.subplots(2, _SHOWN, squeeze=False)
    for title, cells, row in (
        ("best", order[:_SHOWN], rows[0]),
        ("worst", order[_SHOWN:][::-1][:_SHOWN], rows[1]),
    ):
        for axes in row:
            axes.set_axis_off()
        for number, axes in zip(cells.tolist(), row, strict=False):
            _draw_cell(axes, model, image, number, title, rank or _rank(model))
    return figure


def _rank(model: ExtractionModel) -> str | None:
    return next((name for name in (*_RANKS, *_measures(model)) if name in model.quality), None)


def _ranked(model: ExtractionModel, rank: str | None) -> NDArray[np.int64]:
    """Return the accepted cells by descending rank, those without a value last."""
    chosen = np.flatnonzero(model.accepted)
    name = rank or _rank(model)
    if name is None:
        return chosen
    if name not in _measures(model):
        known = ", ".join(map(repr, _measures(model))) or "nothing"
        raise SpecError(f"rank is one of {known}, not {name!r:.60}")
    values = np.nan_to_num(model.quality[name][chosen].astype(np.float64), nan=-np.inf)
    return chosen[np.argsort(-values, kind="stable")]


def _draw_histogram(axes: Axes, model: ExtractionModel, name: str, limit: Any) -> None:
    """Draw the values of accepted and of other cells, and the least value of accepted ones."""
    values = model.quality[name].astype(np.float64)
    finite = np.isfinite(values)
    parts = [values[finite & model.accepted], values[finite & ~model.accepted]]
    axes.hist(parts, bins=30, stacked=True, color=["tab:blue", "0.7"], label=["accepted", "other"])
    if limit is not None:
        axes.axvline(float(limit), color="tab:red", lw=1)
    missing = int((~finite).sum())
    axes.set_xlabel(f"{name} ({missing} missing)" if missing else name, fontsize=8)
    axes.tick_params(labelsize=6)


def _draw_cell(
    axes: Axes,
    model: ExtractionModel,
    image: NDArray[Any],
    number: int,
    title: str,
    rank: str | None,
) -> None:
    """Draw the surroundings of a cell with its outline."""
    _draw_base(axes, image)
    draw_outline(axes, model, number, "tab:orange")
    center = model.centers[number][-2:]
    side = 2 * math.sqrt(int(model.areas[number]) / math.pi) * (0.5 + _SIDE) + 2
    (top, left), (bottom, right) = center - side, center + side
    axes.set(xlim=(left, right), ylim=(bottom, top))
    value = f", {rank} {model.quality[rank][number]:.3g}" if rank else ""
    axes.set_axis_on()
    axes.set_title(f"{title}: {number}{value}", fontsize=8)
