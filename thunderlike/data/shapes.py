"""What ``reshape(...)`` asks for."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from thunderlike.errors import SpecError

__all__ = ["reshaped"]


def reshaped(old: tuple[int, ...], asked: tuple[Any, ...]) -> tuple[int, ...]:
    """The shape asked for, -1 filled in.

    Parameters
    ----------
    old : tuple of int
        What is reshaped.
    asked : tuple
        Whole numbers, of which one may be -1; or one tuple of such.

    Raises
    ------
    SpecError
        When it has not as many elements.

    Examples
    --------
    >>> reshaped((2, 6), (3, -1)), reshaped((2, 6), ((12,),))
    ((3, 4), (12,))
    """
    shape = tuple(asked[0]) if len(asked) == 1 and np.ndim(asked[0]) else asked
    size, known = math.prod(old), math.prod(n for n in shape if n != -1)
    filled = tuple(size // max(1, known) if n == -1 else n for n in shape)
    if shape.count(-1) > 1 or math.prod(filled) != size or min(filled, default=0) < 0:
        raise SpecError(
            f"cannot reshape {old} to {shape}: give as many elements, and one -1 at most"
        )
    return tuple(int(n) for n in filled)
