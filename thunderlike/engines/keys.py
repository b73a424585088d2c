"""Keys at the edge of an engine: tuples of int, each record's its own."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, TypeAlias

from thunderlike.errors import SpecError, WrongTypeError
from thunderlike.kernels._validation import as_array, same_values

if TYPE_CHECKING:
    from collections.abc import Sequence

    from thunderlike._typing import Array
    from thunderlike.engines.base import Spec

__all__ = ["Key", "as_key", "check_distinct", "fitting"]

Key: TypeAlias = tuple[int, ...]


def as_key(key: Any) -> Key:
    """A key as a tuple of int; a bare int is the only element of one.

    Examples
    --------
    >>> as_key(3), as_key([1, 2])
    ((3,), (1, 2))
    """
    return tuple(int(k) for k in key) if isinstance(key, tuple | list) else (int(key),)


def check_distinct(keys: Sequence[Key]) -> None:
    """Refuse sorted keys of which two are equal."""
    for one, other in itertools.pairwise(keys):
        if one == other:
            raise SpecError(f"two records have the key {one}: give each record a key of its own")


def fitting(key: Any, value: Any, spec: Spec, *, cast: bool = False) -> Array:
    """The record of a key as an array, if it has the shape of the others and fits in their dtype.

    With `cast`, in their dtype whatever that does to its values.
    """
    array = as_array(value)
    if not cast and array.dtype != spec.dtype:
        found = same_values(array, spec.dtype)
        if found is None:
            raise WrongTypeError(
                f"the record of key {as_key(key)} has dtype {array.dtype}, whose values do not fit "
                f"in {spec.dtype}, that of the first: give dims and dtype"
            )
        array = found
    if array.shape != spec.shape:
        raise SpecError(
            f"the record of key {as_key(key)} has shape {array.shape}, the others {spec.shape}"
        )
    return array
