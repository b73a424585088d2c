"""What arguments may be."""

from __future__ import annotations

import math
from numbers import Real
from typing import Any

__all__ = ["is_between", "is_whole"]


def is_between(value: Any, low: float, high: float) -> bool:
    """Say whether a value is one real number from `low` to `high`.

    Examples
    --------
    >>> is_between(100.0, 0, 100), is_between(float("nan"), 0, 100), is_between([1], 0, 100)
    (True, False, False)
    """
    real = isinstance(value, Real)
    return real and bool(low <= value <= high)


def is_whole(value: Any, low: int, high: float = math.inf) -> bool:
    """Say whether a value is one whole number, at least `low` and less than `high`.

    Examples
    --------
    >>> is_whole(2.0, 1), is_whole(2.5, 1), is_whole(2, 0, 2), is_whole(None, 0)
    (True, False, False, False)
    """
    real = isinstance(value, Real)
    return real and bool(low <= value < high and value % 1 == 0)
