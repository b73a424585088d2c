"""Drawing arrays with matplotlib: pictures, lines, heat maps, animations, and notebook output.

Functions of plain arrays. They import matplotlib when called, take ``ax=`` and return Axes, call
no ``show`` and leave matplotlib's settings as they are. ``movie.plot()`` and ``series.plot()``
call them with values that an engine computed.
"""

from __future__ import annotations

from thunderlike.viz.animation import Clip, clip
from thunderlike.viz.plots import heatmap, lines, picture

__all__ = ["Clip", "clip", "heatmap", "lines", "picture"]
