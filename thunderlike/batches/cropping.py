"""The items of a batch out of all data, whatever holds them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike.errors import BadIndex, SpecError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["cropped", "length_of"]


def cropped(data: Any, places: NDArray[Any]) -> Any:
    """Entries of data: of an array or frame, or of each array in a dict, tuple or list of arrays.

    Parameters
    ----------
    data
        An array, frame, dict, or tuple or list of arrays; None stays None. A list of anything but
        arrays is a sequence of entries itself; what has `get_many`, a reader, is read.
    places : ndarray of int
        Positions; in a frame, labels.

    Raises
    ------
    BadIndex
        When it is too short.
    """
    if data is None:
        return None
    if isinstance(data, dict):
        return {name: cropped(values, places) for name, values in data.items()}
    if isinstance(data, tuple) or (isinstance(data, list) and _is_nested(data)):
        return tuple(cropped(values, places) for values in data)
    try:
        return _taken(data, places)
    except (IndexError, KeyError) as error:
        raise BadIndex(
            f"the data has {length_of(data)} entries, and the batch asks for {places.tolist()[:5]}"
        ) from error


def _taken(data: Any, places: NDArray[Any]) -> Any:
    if hasattr(data, "get_many"):
        return _stacked(data.get_many(places))
    if hasattr(data, "loc"):
        return data.loc[places]
    if isinstance(data, list):
        return [data[place] for place in places.tolist()]
    if _in_row(places):  # a view: nothing is copied
        if places[-1] >= len(data):
            raise IndexError(places[-1])
        return data[int(places[0]) : int(places[-1]) + 1]
    return data[places]


def _in_row(places: NDArray[Any]) -> bool:
    return len(places) > 0 and places[0] >= 0 and bool((np.diff(places) == 1).all())


def _is_nested(data: list[Any]) -> bool:
    return len(data) > 0 and all(isinstance(one, np.ndarray) or hasattr(one, "loc") for one in data)


def _stacked(samples: list[Any]) -> dict[str, Any]:
    """Samples of a reader, each a dict, as an array for each name."""
    from thunderlike.batches.assembling import assembled

    names = [name for name in samples[0] if all(name in sample for sample in samples)]
    return {name: assembled([sample[name] for sample in samples]) for name in names}


def length_of(data: Any) -> int:
    """Number of items: rows, not how many arrays there are.

    Raises
    ------
    SpecError
        For no data.
    """
    if data is None:
        raise SpecError("give data, or an index: there is nothing to number")
    if isinstance(data, dict):
        return len(next(iter(data.values())))
    if isinstance(data, tuple) or (isinstance(data, list) and _is_nested(data)):
        return len(data[0])
    return len(data)
