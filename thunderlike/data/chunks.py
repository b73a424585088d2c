"""What ``chunk_size=`` and ``padding=`` mean: how images are cut in space."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

from thunderlike.data.grid import Grid
from thunderlike.errors import SpecError

if TYPE_CHECKING:
    from thunderlike._typing import Shape
    from thunderlike.engines.base import Spec

__all__ = ["block_bytes", "chunk_shape", "grid_of"]


_UNITS = {"": 10**3, "k": 10**3, "m": 10**6, "g": 10**9}
_BLOCK = 10**8  # bytes of a block of all frames where nothing else is asked


def chunk_shape(chunk_size: Any, images: Spec) -> Shape:
    """Shape of the part of an image that is one block.

    Parameters
    ----------
    chunk_size : 'auto', int, tuple of int or str
        Pixels along every axis, or along each; as text, kilobytes of one image's part, or with a
        unit: ``'200k'``, ``'64M'``. ``'auto'`` makes blocks of about 100 MB over all images.
    images : Spec
        What is cut.

    Notes
    -----
    For a size in bytes, axes are walked from the first to the last: each gets a single pixel while
    one slice is too large, the next as many as fit, and all that follow are whole.

    Examples
    --------
    >>> import numpy as np
    >>> from thunderlike.engines import Spec
    >>> chunk_shape("1", Spec(10, (100, 100), np.dtype("int16")))
    (5, 100)
    """
    if isinstance(chunk_size, str):
        auto = max(_BLOCK // max(1, images.count), 1000)
        return _fitting(auto if chunk_size == "auto" else _text_bytes(chunk_size), images)
    sizes = _per_axis(chunk_size, images.shape)
    if sizes is None or min(sizes, default=1) < 1:
        raise SpecError(
            f"chunk_size={chunk_size!r} does not cut images of shape {images.shape}: give 'auto', "
            "pixels for each axis, or kilobytes as text"
        )
    return tuple(max(1, min(c, n)) for c, n in zip(sizes, images.shape, strict=True))


def block_bytes(chunk_size: Any, images: Spec) -> int | None:
    """Bytes that such a part of all images has; None for ``'auto'``.

    Examples
    --------
    >>> import numpy as np
    >>> from thunderlike.engines import Spec
    >>> block_bytes((2, 3), Spec(10, (4, 6), np.dtype("int16")))
    120
    """
    if isinstance(chunk_size, str) and chunk_size == "auto":
        return None
    pixels = math.prod(chunk_shape(chunk_size, images))
    return max(1, pixels * images.dtype.itemsize * images.count)


def grid_of(chunk_size: Any, padding: Any, images: Spec) -> Grid:
    """Cut images into a grid of blocks.

    Parameters
    ----------
    chunk_size : 'auto', int, tuple of int or str
        As in :func:`chunk_shape`.
    padding : None, int or tuple of int
        How far blocks reach into each other, along every axis or each.

    Raises
    ------
    SpecError
        For a padding larger than a block.
    """
    chunk = chunk_shape(chunk_size, images)
    sizes = _per_axis(0 if padding is None else padding, images.shape)
    if sizes is None or any(not 0 <= p <= c for p, c in zip(sizes, chunk, strict=True)):
        raise SpecError(
            f"padding={padding!r} does not fit blocks of shape {chunk}: give at most that many "
            "pixels along each axis"
        )
    return Grid(images.shape, chunk, sizes)


def _per_axis(value: Any, shape: Shape) -> Shape | None:
    """Whole numbers for each axis, or None where the value says none."""
    values = tuple(value) if hasattr(value, "__len__") else (value,) * len(shape)
    try:
        whole = tuple(int(v) for v in values)
    except (TypeError, ValueError):
        return None
    return whole if len(whole) == len(shape) and whole == values else None


def _fitting(nbytes: int, images: Spec) -> Shape:
    """The largest part of an image of at most so many bytes, walking the axes in order."""
    room, shape, chunk = max(1, nbytes // images.dtype.itemsize), images.shape, []
    for axis, n in enumerate(shape):
        step = math.prod(shape[axis + 1 :])
        chunk.append(max(1, min(n, room // max(1, step))))
        if room >= step:  # this axis is cut, or whole; what follows is whole
            return (*chunk, *(max(1, n) for n in shape[axis + 1 :]))
    return tuple(chunk)


def _text_bytes(text: str) -> int:
    found = re.fullmatch(r"(\d+(?:\.\d*)?)\s*([kmg]?)b?", text.strip().lower())
    if found is None or float(found.group(1)) <= 0:
        raise SpecError(f"chunk_size={text!r} is no size: say '150' for kilobytes, '200k' or '64M'")
    return max(1, int(float(found.group(1)) * _UNITS[found.group(2)]))
