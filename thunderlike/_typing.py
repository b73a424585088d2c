"""Type aliases that several packages share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

from numpy.typing import ArrayLike, NDArray

__all__ = ["Array", "Ints", "Labels", "Shape"]

Array: TypeAlias = NDArray[Any]
Shape: TypeAlias = tuple[int, ...]

# Arguments that the function itself checks: their names are unknown to `_arguments`, which would
# refuse them with other errors.
Ints: TypeAlias = int | Sequence[int]  # one for all axes, or one for each
Labels: TypeAlias = ArrayLike | Sequence[Any]  # numbers, text, tuples or objects
