"""Views of the components of a batch: all of them, or those of one item."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from thunderlike._text import printable
from thunderlike.batches.expressions import Expression
from thunderlike.errors import KeyMissingError, SpecError, WrongTypeError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from thunderlike._typing import Array
    from thunderlike.batches._indexing import Places
    from thunderlike.batches.index import DatasetIndex

__all__ = ["BatchData", "Components", "Item", "at", "named"]


class BatchData(Protocol):
    """Contract between a batch and its components, actions and file formats.

    :class:`~thunderlike.batches.batch.Batch` fulfils it. Each component is an attribute too.
    """

    components: tuple[str, ...] | None
    index: DatasetIndex

    @property
    def indices(self) -> Array:
        """Labels of the items."""

    @property
    def data(self) -> Any:
        """Components, or the data of a batch without components."""

    @data.setter
    def data(self, data: Any) -> None:
        """Replace all data."""

    def __len__(self) -> int:
        """Return the number of items."""

    def __iter__(self) -> Iterator[Any]:
        """Iterate over the items."""

    def _load(self) -> None:
        """Cut the items from the data of the dataset, once."""

    def _places(self) -> Places:
        """Return the positions of the items in data that holds all items."""

    def _store(self, found: dict[str, Any]) -> None:
        """Set components, all of them or none."""


class Components:
    """Components of a batch, by attribute and by name; assignment changes the batch.

    Examples
    --------
    >>> from thunderlike.batches import Batch
    >>> data = Batch.from_data(data={"x": np.arange(3)}).data
    >>> data.x is data["x"], list(data)
    (True, ['x'])
    """

    __slots__ = ("_batch",)

    def __init__(self, batch: BatchData) -> None:
        object.__setattr__(self, "_batch", batch)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name not in self._batch.components:
            raise AttributeError(f"no component {name!r}; components: {self._batch.components}")
        return getattr(self._batch, name)

    def __getitem__(self, name: str) -> Any:
        if name not in self._batch.components:
            raise KeyMissingError(f"no component {name!r}; components: {self._batch.components}")
        return getattr(self._batch, name)

    def __setattr__(self, name: str, value: Any) -> None:
        self[name]
        setattr(self._batch, name, value)

    __setitem__ = __setattr__

    def __iter__(self) -> Iterator[str]:
        return iter(self._batch.components)

    def __len__(self) -> int:
        return len(self._batch.components)

    def keys(self) -> tuple[str, ...]:
        """Names of the components."""
        return self._batch.components

    def __repr__(self) -> str:
        return f"Components({', '.join(map(printable, self))})"


class Item:
    """One item of a batch, an attribute for each component; assignment changes the batch."""

    __slots__ = ("_batch", "_position")

    def __init__(self, batch: BatchData, position: int) -> None:
        object.__setattr__(self, "_batch", batch)
        object.__setattr__(self, "_position", position)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name not in (self._batch.components or ()):
            raise AttributeError(f"no component {name!r}; components: {self._batch.components}")
        values = getattr(self._batch, name)
        return None if values is None else at(values, self._position)

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in (self._batch.components or ()):
            raise KeyMissingError(f"no component {name!r}; components: {self._batch.components}")
        getattr(self._batch, name)[self._position] = value

    def copied(self) -> SimpleNamespace:
        """Return a copy of its values, an attribute for each component."""
        return SimpleNamespace(**{name: getattr(self, name) for name in self._batch.components})

    def __repr__(self) -> str:
        names = ", ".join(map(printable, self._batch.components))
        return f"Item({self._batch.indices[self._position]!r}: {names})"


def at(values: Any, position: int) -> Any:
    """Return the entry of a component at a position."""
    return values.iloc[position] if hasattr(values, "iloc") else values[position]


def named(data: Any, components: tuple[str, ...]) -> dict[str, Any]:
    """Split data into components by name."""
    if data is None:
        return {}
    if isinstance(data, Expression | type):
        raise WrongTypeError(f"expected arrays, a dict or a frame, found {data!r:.80}")
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
