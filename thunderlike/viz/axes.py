"""Axes that notebooks show by themselves. Imports matplotlib, so other modules import it on use."""

from __future__ import annotations

import io
from typing import cast

from matplotlib.axes import Axes
from matplotlib.figure import Figure

__all__ = ["Drawing", "drawing"]


class Drawing(Axes):
    """Axes of a figure of its own, which a notebook shows as the result of a cell.

    The figure is not registered with pyplot: it is freed with the axes, and pyplot's state stays.
    """

    def _repr_png_(self) -> bytes:
        stream = io.BytesIO()
        self.figure.savefig(stream, format="png")  # type: ignore[union-attr]  # axes always have a figure
        return stream.getvalue()


def drawing() -> Drawing:
    """Make axes on a new figure.

    Examples
    --------
    >>> drawing()._repr_png_()[1:4]
    b'PNG'
    """
    return cast("Drawing", Figure(layout="constrained").add_subplot(axes_class=Drawing))
