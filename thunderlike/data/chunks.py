"""What ``chunk_size=`` means: a part of each image, in pixels or in kilobytes."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

from thunderlike.errors import SpecError

if TYPE_CHECKING:
    from thunderlike.engines.base import Spec

__all__ = ["block_bytes"]

_UNITS = {"": 10**3, "k": 10**3, "m": 10**6, "g": 10**9}


def block_bytes(chunk_size: Any, images: Spec) -> int | None:
    """Bytes that such a part of all images has; None for ``'auto'``.

    Parameters
    ----------
    chunk_size : 'auto', int, tuple of int or str
        Pixels along every axis, or along each; as text, kilobytes of one image's part, or with a
        unit: ``'200k'``, ``'64M'``.

    Examples
    --------
    >>> import numpy as np
    >>> from thunderlike.engines import Spec
    >>> block_bytes((2, 3), Spec(10, (4, 6), np.dtype("int16")))
    120
    """
    if isinstance(chunk_size, str):
        return None if chunk_size == "auto" else _text_bytes(chunk_size) * max(1, images.count)
    try:
        sizes = tuple(int(n) for n in chunk_size) if hasattr(chunk_size, "__len__") else None
        sizes = sizes or (int(chunk_size),) * len(images.shape)
    except (TypeError, ValueError):
        sizes = ()
    if len(sizes) != len(images.shape) or min(sizes, default=1) < 1:
        raise SpecError(
            f"chunk_size={chunk_size!r} does not cut images of shape {images.shape}: give 'auto', "
            "pixels for each axis, or kilobytes as text"
        )
    pixels = math.prod(min(c, n) for c, n in zip(sizes, images.shape, strict=True))
    return max(1, pixels * images.dtype.itemsize * images.count)


def _text_bytes(text: str) -> int:
    found = re.fullmatch(r"(\d+(?:\.\d*)?)\s*([kmg]?)b?", text.strip().lower())
    if found is None or float(found.group(1)) <= 0:
        raise SpecError(f"chunk_size={text!r} is no size: say '150' for kilobytes, '200k' or '64M'")
    return max(1, int(float(found.group(1)) * _UNITS[found.group(2)]))
