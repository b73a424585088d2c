"""Pictures of fitted models: maps of statistics, and tuning maps in hue and value."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from thunderlike import viz
from thunderlike.errors import SpecError
from thunderlike.viz.plots import axes_or_new, colour_bar, contrast, flat

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from thunderlike._typing import Array
    from thunderlike.data.series import Series
    from thunderlike.regression.tuning import TuningModel

__all__ = ["statistic_map", "tuning_colours", "tuning_map"]

_RANGE = 0.75  # of the hues of a stimulus that is not circular: from red to violet


def statistic_map(
    found: Series,
    ax: Axes | None,
    *,
    title: str,
    label: str,
    plane: int | str = "max",
    shown: Array | None = None,
) -> Axes:
    """Draw one value of each pixel; grey where it is not shown.

    Values of both signs are red and blue, with limits at the same distance from 0.
    """
    values = _picture(found)
    if shown is not None:
        values = np.where(shown.reshape(values.shape), values, np.nan)
    return viz.picture(values, ax, title=title, label=label, plane=plane)


def _picture(found: Series) -> Array:
    if len(found.baseshape) not in (2, 3):
        raise SpecError(
            f"series of base shape {found.baseshape} are no picture and no volume: reshape them"
        )
    return found.toarray(squeeze=False)[..., 0]


def tuning_colours(model: TuningModel, plane: int = 0) -> Array:
    """Colours of a tuning map, as ``TuningModel.hsv``."""
    preferred, selectivity = _picture(model.preferred), _picture(model.rsquared)
    curve = model.curve.toarray(squeeze=False)
    with np.errstate(invalid="ignore"):
        response = np.fmax.reduce(curve, axis=-1) - np.fmin.reduce(curve, axis=-1)
    low, high = (0.0, model.period) if model.period else (model.centers[0], model.centers[-1])
    hue = (preferred - low) / (high - low or 1) * (1 if model.period else _RANGE)
    layers = [flat(layer, plane)[0] for layer in (hue, selectivity, response)]
    for layer in layers[1:]:
        layer /= max(contrast(layer)[1], np.finfo(float).tiny)
    turn, saturation, value = np.clip(np.nan_to_num(np.stack(layers)), 0, 1)
    # Each of red, green and blue falls from the value where its hue is away (Foley and van Dam).
    away = (np.array([5, 3, 1]) + 6 * turn[..., np.newaxis]) % 6
    fall = np.clip(np.minimum(away, 4 - away), 0, 1) * saturation[..., np.newaxis]
    result: Array = np.round(255 * value[..., np.newaxis] * (1 - fall)).astype(np.uint8)
    return result


def tuning_map(model: TuningModel, ax: Axes | None, plane: int) -> Axes:
    """Draw a tuning map, with a bar of the hues."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import ListedColormap, Normalize, hsv_to_rgb

    axes = axes_or_new(ax)
    viz.picture(tuning_colours(model, plane), axes, title="tuning")
    hues = np.linspace(0, 1 if model.period else _RANGE, 256)
    colours = hsv_to_rgb(np.column_stack([hues, np.ones((256, 2))]))
    low, high = (0.0, model.period) if model.period else (model.centers[0], model.centers[-1])
    scale = ScalarMappable(Normalize(low, high), ListedColormap(colours))
    colour_bar(axes, scale, "preferred stimulus")  # type: ignore[arg-type]  # has colours as well
    return axes
