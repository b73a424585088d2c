"""HTML representation of collections in notebooks."""

from __future__ import annotations

import base64
from html import escape
from typing import TYPE_CHECKING

import numpy as np

from thunderlike._text import printable
from thunderlike.formats import png
from thunderlike.viz.animation import grey
from thunderlike.viz.plots import contrast, flat

if TYPE_CHECKING:
    from collections.abc import Mapping

    from thunderlike._typing import Array

__all__ = ["summary", "thumbnail"]

_SIDE = 128  # pixels of a thumbnail, at most


def summary(title: str, facts: Mapping[str, object], image: str = "") -> str:
    """Write a table of facts and a picture as HTML, with all text escaped.

    Examples
    --------
    >>> summary("Images", {"labels": "<a>"})[-56:]
    '<tr><th>labels</th><td>&lt;a&gt;</td></tr></table></div>'
    """
    rows = "".join(
        f"<tr><th>{_shown(name)}</th><td>{_shown(str(value))}</td></tr>"
        for name, value in facts.items()
    )
    return (
        '<div style="display: flex; gap: 2em; align-items: center">'
        f"<table><caption><b>{_shown(title)}</b></caption>{rows}</table>{image}</div>"
    )


def _shown(text: str) -> str:
    """Escape markup and control characters."""
    return escape(printable(text, keep="\n"))


def thumbnail(values: Array, caption: str) -> str:
    """Write a picture of at most 128 pixels each way as HTML, without matplotlib.

    Returns an empty string for values that cannot be drawn.
    """
    if values.ndim not in (2, 3) or values.dtype.kind not in "buif" or not values.size:
        return ""
    # Of a volume the middle plane, which costs less than the maximum of all.
    image = flat(values, len(values) // 2)[0]
    # Every n-th pixel, not a mean: a thumbnail must cost next to nothing.
    height, width = -(-np.array(image.shape[:2]) // _SIDE)
    small = image[::height, ::width]
    data = base64.b64encode(png.encode(np.ascontiguousarray(grey(small, contrast(small))))).decode()
    style = f"width: {_SIDE}px; image-rendering: pixelated"
    return (
        f'<figure style="margin: 0"><img style="{style}" alt="" src="data:image/png;base64,{data}">'
        f"<figcaption>{_shown(caption)}</figcaption></figure>"
    )
