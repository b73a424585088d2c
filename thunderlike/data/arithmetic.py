"""Element-wise arithmetic of collections with numbers, arrays and each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike.data.functions import Stacked
from thunderlike.engines import ArraySource
from thunderlike.errors import NotOnEngine, SpecError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from thunderlike.data.base import Collection
    from thunderlike.engines.base import Array, Records

__all__ = ["apply"]


def apply(
    ufunc: np.ufunc, inputs: Sequence[Any], whole: Collection, keywords: Mapping[str, Any]
) -> Records:
    """Records of a ufunc over `inputs`, of which `whole` is the collection with most records.

    A number, an array of the shape of a record and a collection of one record meet every record
    of `whole`; any other input must have its shape, and is paired with it key by key. The dtype is
    what numpy gives.
    """
    operands, paired = [], None
    for value in inputs:
        if value is whole:
            operands.append(_Block(0))
        elif _is_constant(value, whole):
            operands.append(_constant(value))
        else:
            operands.append(_Block(1))
            paired = _paired(value, whole)
    call = _Applied(ufunc, tuple(operands), keywords)
    dtype = _dtype(call, inputs)
    if paired is None:
        return whole._records.map(Stacked(call), whole.value_shape, dtype)
    return whole._records.combine(paired, call, whole.value_shape, dtype)


@dataclass(frozen=True)
class _Block:
    """Stands for the block of the collection (0), or of the one paired with it (1)."""

    number: int


@dataclass(frozen=True)
class _Applied:
    """A ufunc over blocks and constants, in the order in which they were written."""

    ufunc: np.ufunc
    operands: tuple[Any, ...]
    keywords: Mapping[str, Any]

    def __call__(self, *blocks: Array) -> Array:
        filled = [blocks[o.number] if isinstance(o, _Block) else o for o in self.operands]
        with np.errstate(all="ignore"):  # nan and inf are results, and no engine warns of them
            result: Array = self.ufunc(*filled, **self.keywords)
        return result


def _is_constant(value: Any, whole: Collection) -> bool:
    """Say whether the value meets every record alike."""
    if _is_collection(value):
        return value.count() == 1 != whole.count() and value.value_shape == whole.value_shape
    shape = np.shape(value)
    return shape != whole.shape and _broadcasts(shape, whole.value_shape)


def _constant(value: Any) -> Any:
    """The value as ufuncs take it; a Python number stays one, so that it widens no dtype."""
    if _is_collection(value):
        return value.first()
    return value if np.isscalar(value) else np.asarray(value)


def _paired(value: Any, whole: Collection) -> Records:
    """Records of the value: as many, and on the same engine."""
    if np.shape(value) != whole.shape or (_is_collection(value) and type(value) is not type(whole)):
        raise SpecError(
            f"shapes {whole.shape} of {type(whole).__name__} and {np.shape(value)} of "
            f"{type(value).__name__} must be equal"
        )
    if not _is_collection(value):
        return whole.engine.load(ArraySource(np.reshape(value, (-1, *whole.value_shape))))
    if value.engine != whole.engine:
        raise NotOnEngine(
            f"one is on the {whole.mode} engine, the other on {value.mode}: "
            "call .tolocal() or .tospark(sc) on one of them"
        )
    records: Records = value._records
    return records


def _dtype(call: _Applied, inputs: Sequence[Any]) -> np.dtype[Any]:
    """The dtype of the result, by numpy's own rules: tried on arrays of one element."""
    ones = [x if np.isscalar(x) else np.ones(1, getattr(x, "dtype", np.float64)) for x in inputs]
    with np.errstate(all="ignore"):
        return np.asarray(call.ufunc(*ones, **call.keywords)).dtype


def _is_collection(value: Any) -> bool:
    return hasattr(value, "_records")


def _broadcasts(shape: tuple[int, ...], target: tuple[int, ...]) -> bool:
    try:
        return np.broadcast_shapes(shape, target) == target
    except ValueError:
        return False
