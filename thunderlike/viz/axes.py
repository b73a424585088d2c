"""Axes that a notebook shows by themselves. Imports matplotlib: itself imported on first use."""

from __future__ import annotations

import io
from typing import cast

from matplotlib.axes import Axes
from matplotlib.figure import Figure

__all__ = ["Drawing", "drawing"]


class Drawing(Axes):
    """Axes of a figure that belongs to nobody else: a notebook shows it as the result of a cell.

    The figure is not pyplot's, so that nothing keeps it, and no setting of pyplot changes.
    """

    def _repr_png_(self) -> bytes:
        stream = io.BytesIO()
        self.figure.savefig(stream, format="png")  # type: ignore[union-attr]  # never alone
        return stream.getvalue()


def drawing() -> Drawing:
    """Make axes on a new figure.

    Examples
    --------
    >>> drawing()._repr_png_()[1:4]
    b'PNG'
    """
    return cast("Drawing", Figure(layout="constrained").add_subplot(axes_class=Drawing))
