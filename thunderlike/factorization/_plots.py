"""Plots of fitted factorizations."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from thunderlike import viz
from thunderlike.errors import SpecError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from thunderlike._typing import Array
    from thunderlike.factorization.models import Factorization

__all__ = ["mosaic", "plot"]

_GAP = 1  # pixels between the tiles of a mosaic


def plot(model: Factorization, what: str, ax: Axes | None) -> Axes:
    """Draw a part of a model; as :meth:`Factorization.plot`."""
    name = type(model).__name__
    if what == "components":
        return _components(model, ax)
    if what == "variance" and hasattr(model, "explained_variance_ratio_"):
        share = model.explained_variance_ratio_
        return viz.lines(
            np.stack([share, np.cumsum(share)]),
            ax,
            index=np.arange(1, model.k + 1),
            names=["each", "cumulative"],
            title="explained variance",
            along="component",
            label="share",
        )
    if what == "error" and hasattr(model, "errors_"):
        passes = np.arange(1, len(model.errors_) + 1)
        title, label = "error of the factorization", "relative error"
        return viz.lines(model.errors_, ax, index=passes, title=title, along="pass", label=label)
    known = ["'components'"]
    known += ["'variance'"] if hasattr(model, "explained_variance_ratio_") else []
    known += ["'error'"] if hasattr(model, "errors_") else []
    raise SpecError(f"cannot plot {what!r} of {name}: give {' or '.join(known)}")


def _components(model: Factorization, ax: Axes | None) -> Axes:
    title = f"{model.k} components"
    if model.components_.ndim == 2:
        names = [str(number) for number in range(model.k)]
        return viz.lines(model.components_, ax, names=names, title=title)
    planes = model.components_
    if planes.ndim > 3:  # volumes: the largest magnitude along their first axes, with its sign
        flat = planes.reshape(model.k, -1, *planes.shape[-2:])
        largest = np.abs(flat).argmax(axis=1)[:, np.newaxis]
        planes = np.take_along_axis(flat, largest, axis=1)[:, 0]
    scales = np.abs(planes).max(axis=(1, 2), keepdims=True)
    planes = np.divide(planes, scales, out=np.zeros_like(planes), where=scales > 0)
    return viz.picture(
        mosaic(planes), ax, title=f"{title}, by row", label="weight (of its largest)"
    )


def mosaic(images: Array) -> Array:
    """Put images next to one another in as square a grid as possible, NaN between them.

    Examples
    --------
    >>> mosaic(np.ones((3, 2, 2))).shape
    (5, 5)
    """
    count, height, width = images.shape
    across = int(np.ceil(np.sqrt(count)))
    down = -(-count // across)
    canvas = np.full((down * (height + _GAP) - _GAP, across * (width + _GAP) - _GAP), np.nan)
    for number, image in enumerate(images):
        top, left = (number // across) * (height + _GAP), (number % across) * (width + _GAP)
        canvas[top : top + height, left : left + width] = image
    return canvas
