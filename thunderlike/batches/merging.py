"""Several batches joined into one, and one cut in two."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike.batches.cuts import Cut, checked_size
from thunderlike.batches.index import DatasetIndex
from thunderlike.errors import KeyMissing, SpecError, WrongType

if TYPE_CHECKING:
    from thunderlike.batches.batch import Batch

__all__ = ["checked", "concatenated", "halved", "joined"]


def checked(batches: Any) -> list[Batch]:
    """Return batches as a list.

    Raises
    ------
    SpecError
        For no batches.
    WrongType
        For something else.
    """
    from thunderlike.batches.batch import Batch

    several = isinstance(batches, Iterable) and not isinstance(batches, Batch | np.ndarray)
    parts = list(batches) if several else [batches]
    if not parts:
        raise SpecError("there are no batches to merge: give at least one")
    for part in parts:
        if not isinstance(part, Batch):
            raise WrongType(f"batches are merged, not {type(part).__name__}")
    return parts


def joined(
    made_of: type[Batch], parts: list[Batch], components: Iterable[str] | None, *, keep_index: bool
) -> Any:
    """Return one batch of all items, of a class, with some of the components; by default all.

    Raises
    ------
    KeyMissing
        For a component that no batch has.
    """
    for part in parts:
        part._load()
    made = made_of(_index(parts, keep_index=keep_index), cut=_cut(parts))
    first = parts[0]
    made._seed, made._dataset, made._pipeline = first._seed, first._dataset, first._pipeline
    names = tuple(components) if components is not None else first.components
    if names is None:
        made._raw = made_of.merge_component(None, [part._raw for part in parts])
        return made
    for name in names:
        if not any(part._has(name) for part in parts):
            raise KeyMissing(f"there is no component {name!r}; there are {first.components}")
    made.components = names
    for name in names:
        values = [part._arrays.get(name) for part in parts]
        made._arrays[name] = made_of.merge_component(name, values)
    return made


def _index(parts: list[Batch], *, keep_index: bool) -> DatasetIndex:
    """Numbers from 0; or the labels, of which one may come in two batches of two epochs."""
    labels = [label for part in parts for label in part.indices]
    return DatasetIndex(labels, unique=False) if keep_index else DatasetIndex(len(labels))


def _cut(parts: list[Batch]) -> Cut:
    return Cut(*(np.concatenate(pair) for pair in zip(*(part._cut for part in parts), strict=True)))


def halved(whole: Any, size: int | None, *, keep_index: bool) -> tuple[Any, Any]:
    """Return the first `size` items, and a batch of the rest, or None."""
    if size is not None and checked_size(size) and size >= len(whole):
        size = None
    if size is None:
        return whole, None
    first, rest = whole[:size], whole[size:]
    if not keep_index:
        first.index, rest.index = DatasetIndex(len(first)), DatasetIndex(len(rest))
    return first, rest


def _listed(data: Any) -> list[Any] | None:
    try:
        return list(data)
    except TypeError:
        return None


def concatenated(component: str | None, data: list[Any]) -> Any:
    """The values of one component: arrays, lists or frames; None if they all are.

    Raises
    ------
    SpecError
        When they are None in some batches and not in others.
    """
    if not isinstance(data, tuple | list):
        data = None if data is None or isinstance(data, str | dict) else _listed(data)
    if not data:
        raise SpecError(f"component {component!r} has no values to join: give those of each batch")
    missing = sum(values is None for values in data)
    if missing == len(data):
        return None
    if missing:
        raise SpecError(f"component {component!r} is None in {missing} of {len(data)} batches")
    if isinstance(data[0], list):
        return [value for values in data for value in values]
    if hasattr(data[0], "iloc"):
        import pandas as pd

        return pd.concat(data, ignore_index=True)
    try:
        return np.concatenate([np.asarray(values) for values in data])
    except ValueError as error:
        raise SpecError(
            f"the values of component {component!r} cannot be joined: {error}"
        ) from error
