"""Select items and components of a batch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike.batches.execution import assembled
from thunderlike.batches.expressions import Expression
from thunderlike.errors import BadIndexError, SpecError, WrongTypeError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = [
    "Places",
    "cropped",
    "frame_labels",
    "length_of",
    "named",
    "taken",
]


def named(data: Any, components: tuple[str, ...]) -> dict[str, Any]:
    """Split data into components by name."""
    if data is None:
        return {}
    if isinstance(data, Expression | type):
        raise WrongTypeError(f"expected arrays, a dict or a frame, found {data!r:.80}")
    if isinstance(data, tuple | list):
        # Fewer arrays than components leave the last ones without values.
        return dict(zip(components, data, strict=False))
    if isinstance(data, dict):
        return {name: data[name] for name in components if name in data}
    if isinstance(data, np.ndarray) and data.dtype.names:
        return {name: data[name] for name in components if name in data.dtype.names}
    if hasattr(data, "columns"):
        return {name: data[name].to_numpy() for name in components if name in data}
    if len(components) == 1:
        return {components[0]: data}
    raise SpecError(
        f"one {type(data).__name__} cannot be {len(components)} components: give a dict"
    )


@dataclass(frozen=True)
class Places:
    """Positions of the items of a batch in data that holds all items.

    Parameters
    ----------
    labels : ndarray
        Of the items. Whole numbers are also positions.
    positions : ndarray
        Of the items among all items, for labels of another type.
    total : int
        Number of all items.
    """

    labels: NDArray[Any]
    positions: NDArray[Any]
    total: int

    @property
    def are_numbers(self) -> bool:
        """Return whether the labels are positions too."""
        return self.labels.dtype.kind in "iu"

    def rows(self, n: int, what: str = "the data") -> NDArray[Any]:
        """Return positions in data of `n` entries that have no labels.

        Raises
        ------
        BadIndexError
            For a position outside; for labels that are no positions where the data has more or
            fewer entries than there are items, so that nothing says which belongs to which.
        """
        if not self.are_numbers:
            if n != self.total:
                raise BadIndexError(
                    f"{what} has {n} entries without labels for {self.total} items labelled like "
                    f"{self.labels[0]!r}: give one for each item in order, or a frame or dict "
                    "with these labels"
                )
            return self.positions
        # Negative numbers are labels too, not positions from the end.
        outside = self.labels[(self.labels < 0) | (self.labels >= n)]
        if len(outside):
            raise BadIndexError(
                f"{what} has {n} entries, and the batch asks for {self.labels.tolist()[:5]}: "
                f"there is no entry {outside[0]}"
            )
        return self.labels.astype(np.intp)

    def found(self, labels: ArrayLike, what: str = "the data") -> NDArray[Any]:
        """Return positions in data whose entries have labels.

        Raises
        ------
        BadIndexError
            For a label that is not there, or there more than once.
        """
        # A file of this very batch: the labels may even repeat, as in a merge of several epochs.
        if np.array_equal(labels, self.labels):
            return np.arange(len(self.labels))
        # A label that comes twice is an error only where the batch asks for it.
        known: dict[Any, int] = {}
        twice = set()
        for row, label in enumerate(np.asarray(labels).tolist()):
            if label in known:
                twice.add(label)
            known[label] = row
        for label in self.labels.tolist():
            if label not in known:
                raise BadIndexError(
                    f"{what}: has no item labelled {label!r} among its {len(known)} labels; give "
                    "its entries the labels of the batch's items"
                )
            if label in twice:
                raise BadIndexError(
                    f"{what}: has several items labelled {label!r}; each needs its own"
                )
        return np.array([known[label] for label in self.labels.tolist()], dtype=np.intp)


def cropped(data: object, places: Places) -> Any:
    """Select the items of a batch from data, or from each component of it.

    Parameters
    ----------
    data
        An array, frame, dict, or tuple or list of arrays; None stays None. A list of anything but
        arrays is a sequence of entries itself; what has `get_many`, a reader, is read. The
        components in a dict or tuple may be dicts from label to entry.
    places : Places
        What to select. Frames are looked up by the labels of their rows, others by position.

    Raises
    ------
    BadIndexError
        When it has no such entries.
    """
    if isinstance(data, Mapping):
        return {name: _selected(values, places) for name, values in data.items()}
    # A list of arrays, dicts or frames has one for each component, other lists an entry an item.
    if isinstance(data, tuple) or (isinstance(data, list) and _is_nested(data)):
        return tuple(_selected(values, places) for values in data)
    return _selected(data, places)


def _selected(data: Any, places: Places) -> Any:
    if data is None:
        return None
    if isinstance(data, Expression | type):
        raise WrongTypeError(f"expected arrays, a dict or a frame, found {data!r:.80}")
    if isinstance(data, Mapping):
        labels = places.labels.tolist()
        missing = [label for label in labels if label not in data]
        if missing:
            raise BadIndexError(f"the data has no entry labelled {missing[0]!r}, of {len(data)}")
        return assembled([data[label] for label in labels])
    if hasattr(data, "get_many"):  # a reader, whose samples are taken by number
        return _stacked(data.get_many(places.rows(len(data))))
    if hasattr(data, "iloc"):
        labels = frame_labels(data)
        rows = (
            places.rows(len(data), "the frame")
            if labels is None
            else places.found(labels, "the frame")
        )
        return data.iloc[rows]
    try:
        return taken(data, places.rows(len(data)))
    except TypeError as error:
        raise SpecError(
            f"a {type(data).__name__} holds no entries by position: give arrays, a dict or a frame"
        ) from error


def frame_labels(frame: Any) -> Any:
    """Return the labels of the rows of a frame, or None where pandas only numbered them."""
    labels = frame.index.to_numpy()
    numbered = labels.dtype.kind in "iu" and np.array_equal(labels, np.arange(len(labels)))
    return None if numbered else labels


def taken(data: Any, positions: NDArray[Any]) -> Any:
    """Return entries of an array, list or frame by position; a view of an array where it can be."""
    if data is None:
        return None
    if isinstance(data, dict):
        return {name: taken(values, positions) for name, values in data.items()}
    if isinstance(data, tuple):
        return tuple(taken(values, positions) for values in data)
    if hasattr(data, "iloc"):
        return data.iloc[positions]
    if isinstance(data, list):
        return [data[position] for position in positions.tolist()]
    # Consecutive positions become a slice, which copies nothing. Negative ones would wrap around.
    if len(positions) and positions[0] >= 0 and bool((np.diff(positions) == 1).all()):
        return data[int(positions[0]) : int(positions[-1]) + 1]
    return data[positions]


def _is_nested(data: list[Any]) -> bool:
    return len(data) > 0 and all(
        isinstance(one, np.ndarray | dict) or hasattr(one, "loc") for one in data
    )


def _stacked(samples: list[Any]) -> dict[str, Any]:
    """Return samples of a reader, each a dict, as an array for each name."""
    # A field that some samples lack has no value for each item, and makes no component.
    names = [name for name in samples[0] if all(name in sample for sample in samples)]
    return {name: assembled([sample[name] for sample in samples]) for name in names}


def length_of(data: object) -> int:
    """Count the items: rows, not components.

    Raises
    ------
    SpecError
        For no data.
    """
    if data is None:
        raise SpecError("give data, or an index: there is nothing to number")
    components: list[Any] = [data]
    if isinstance(data, Mapping):
        components = list(data.values())
    elif isinstance(data, tuple) or (isinstance(data, list) and _is_nested(data)):
        components = list(data)
    if not components:
        raise SpecError("the data has no components: give at least one, or an index")
    try:
        return len(components[0])
    except TypeError:
        raise SpecError(f"a {type(components[0]).__name__} has no entries: give arrays") from None
