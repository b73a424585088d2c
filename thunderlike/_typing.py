"""Type aliases that several packages share."""

from __future__ import annotations

from typing import Any, TypeAlias

from numpy.typing import NDArray

__all__ = ["Array", "Shape"]

Array: TypeAlias = NDArray[Any]
Shape: TypeAlias = tuple[int, ...]
