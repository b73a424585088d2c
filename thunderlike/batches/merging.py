"""Several batches joined into one, and one cut in two."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike.batches.cuts import Cut
from thunderlike.batches.index import DatasetIndex
from thunderlike.errors import SpecError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from thunderlike.batches.batch import Batch

__all__ = ["concatenated", "halved", "joined"]


def joined(
    made_of: type[Batch], parts: list[Batch], components: Iterable[str] | None, *, keep_index: bool
) -> Any:
    """One batch of all items, of a class, with some of the components; by default all.

    Raises
    ------
    SpecError
        For no batches.
    """
    if not parts:
        raise SpecError("there are no batches to merge: give at least one")
    for part in parts:
        part._load()
    made = made_of(_index(parts, keep_index=keep_index), cut=_cut(parts))
    first = parts[0]
    made._seed, made._dataset, made._pipeline = first._seed, first._dataset, first._pipeline
    names = tuple(components) if components is not None else first.components
    if names is None:
        made._raw = made_of.merge_component(None, [part._raw for part in parts])
        return made
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
    """The first `size` items, and a batch of the rest, or None."""
    if size is None or size >= len(whole):
        return whole, None
    first, rest = whole[:size], whole[size:]
    if not keep_index:
        first.index, rest.index = DatasetIndex(len(first)), DatasetIndex(len(rest))
    return first, rest


def concatenated(component: str | None, data: list[Any]) -> Any:
    """The values of one component: arrays, lists or frames; None if they all are.

    Raises
    ------
    SpecError
        When they are None in some batches and not in others.
    """
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
    return np.concatenate(data)
