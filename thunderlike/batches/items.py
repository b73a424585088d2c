"""Views of what a batch holds: all components, one item; and data as components."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike.errors import KeyMissing, SpecError

if TYPE_CHECKING:
    from thunderlike.batches.batch import Batch

__all__ = ["Components", "Item", "at", "named"]


class Components:
    """What a batch holds, an attribute for each component."""

    def __init__(self, arrays: dict[str, Any]) -> None:
        vars(self).update(arrays)

    def __repr__(self) -> str:
        return f"Components({', '.join(vars(self))})"


class Item:
    """One item of a batch, an attribute for each component; what is set goes to the batch."""

    __slots__ = ("_batch", "_position")

    def __init__(self, batch: Batch, position: int) -> None:
        object.__setattr__(self, "_batch", batch)
        object.__setattr__(self, "_position", position)

    def __getattr__(self, name: str) -> Any:
        if name not in (self._batch.components or ()):
            raise AttributeError(
                f"there is no component {name!r}; there are {self._batch.components}"
            )
        values = getattr(self._batch, name)
        return None if values is None else at(values, self._position)

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in (self._batch.components or ()):
            raise KeyMissing(f"there is no component {name!r}; there are {self._batch.components}")
        getattr(self._batch, name)[self._position] = value

    def __repr__(self) -> str:
        return f"Item({self._batch.indices[self._position]!r}: {', '.join(self._batch.components)})"


def at(values: Any, position: int) -> Any:
    """The entry of a component at a position."""
    return values.iloc[position] if hasattr(values, "iloc") else values[position]


def named(data: Any, components: tuple[str, ...]) -> dict[str, Any]:
    """Data as a component each."""
    if data is None:
        return {}
    if isinstance(data, tuple | list):
        return dict(zip(components, data, strict=False))
    names = data.dtype.names if isinstance(data, np.ndarray) else None
    if names or isinstance(data, dict):
        return {name: data[name] for name in components if name in (names or data)}
    if hasattr(data, "columns"):
        return {name: data[name].to_numpy() for name in components if name in data}
    if len(components) == 1:
        return {components[0]: data}
    raise SpecError(
        f"one {type(data).__name__} cannot be {len(components)} components: give a dict"
    )
