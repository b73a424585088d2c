"""Values stored in, and read from, expressions and arrays."""

from __future__ import annotations

from typing import Any

from thunderlike.batches._steps import stored
from thunderlike.batches.expressions import Scope, evaluated

__all__ = ["is_iterable", "read_data_from", "save_data_to"]


def is_iterable(obj: Any) -> bool:
    """Whether something is a sequence other than text."""
    return not isinstance(obj, str) and hasattr(obj, "__iter__")


def save_data_to(data: Any, dst: Any, batch: Any = None, pipeline: Any = None) -> None:
    """Store a value in an expression or array; or as many values in several.

    Examples
    --------
    >>> import numpy as np
    >>> place = np.zeros(2)
    >>> save_data_to([3, 4], place)
    >>> place.tolist()
    [3.0, 4.0]
    """
    stored(dst, data, Scope.of(batch, pipeline))


def read_data_from(src: Any, batch: Any = None, pipeline: Any = None) -> Any:
    """Evaluate an expression, or several in a list or tuple; other values stay what they are."""
    return evaluated(src, Scope.of(batch, pipeline))
