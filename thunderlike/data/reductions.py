"""Reductions over the records of a collection."""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike.data._user_functions import Binary
from thunderlike.errors import SpecError
from thunderlike.kernels._validation import typed_errors
from thunderlike.kernels.moments import Largest, Mean, Moments, Smallest, Total

if TYPE_CHECKING:
    from collections.abc import Callable

    from thunderlike._typing import Array
    from thunderlike.data.collection import Collection

__all__ = ["aggregate", "check_not_empty", "reduce", "statistic"]

# The kernel of each statistic, the attribute that holds its value, and whether it has a
# compiled form. Mean is a kernel of its own: it needs no second moment.
_STATISTICS: dict[str, tuple[Any, str, bool]] = {
    "mean": (Mean, "mean", True),
    "var": (Moments, "var", True),
    "std": (Moments, "std", True),
    "sum": (Total, "sum", True),
    "max": (Largest, "value", False),
    "min": (Smallest, "value", False),
}


def check_not_empty(collection: Collection, name: str) -> None:
    """Raise SpecError for a collection of no records, which has no reduction of this name."""
    if not collection.count():
        raise SpecError(f"{name} of no records: shape {collection.shape}")


def aggregate(
    collection: Collection, name: str, partial: Any, nbytes: int = 0, **arguments: object
) -> Any:
    """Compute the partial of every block and merge them, in the order of the records.

    Parameters
    ----------
    collection : Collection
        The records.
    name : str
        Name of the reduction, for errors.
    partial : type
        A reduction kernel, with ``of(block, **arguments)`` and ``merge``.
    nbytes : int
        Size of a partial; by default that of three float64 arrays of the shape of a record.
    **arguments
        Further arguments of ``of``.
    """
    check_not_empty(collection, name)

    def of(_: int, block: Array) -> Any:
        with typed_errors(name):
            return partial.of(block, **arguments)

    size = nbytes or 24 * math.prod(collection.value_shape)
    return collection._records.aggregate(of, partial.merge, size)


def statistic(collection: Collection, name: str) -> Array:
    """Compute a statistic over all records, of shape `value_shape`: one of those of numpy."""
    partial, attribute, has_loops = _STATISTICS[name]
    arguments = {"compiled": collection._compiled} if has_loops else {}
    merged = aggregate(collection, name, partial, **arguments)
    with typed_errors(name):
        return np.asarray(getattr(merged, attribute))


def reduce(collection: Collection, func: Callable[[Any, Any], Any]) -> Array:
    """Combine all records into one with a binary function of the user."""
    check_not_empty(collection, "reduce")
    binary, shape = Binary(func), collection.value_shape
    value: Array = collection._records.aggregate(
        lambda _, block: functools.reduce(binary, block), binary, 8 * math.prod(shape)
    )
    if value.shape != shape:
        raise SpecError(
            f"reduce did not yield an array with valid dimensions: {value.shape}, not {shape}"
        )
    return value
