"""Numpy's functions of whole collections: a short list that engines compute, and no others.

``np.mean(movie, axis=0)`` is one pass on the engine. What is not in the list would quietly bring
all values here; it is refused instead, with the call that says so openly.
"""

from __future__ import annotations

import inspect
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike.data.arithmetic import applied
from thunderlike.data.base import Collection
from thunderlike.data.functions import Stacked
from thunderlike.data.indexed import Indexed
from thunderlike.data.joining import concatenate
from thunderlike.errors import BadIndexError, SpecError, WrongTypeError
from thunderlike.kernels._validation import typed_errors

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from thunderlike._typing import Array

__all__ = ["ArrayFunctions"]

Axis = int | tuple[int, ...] | None


class ArrayFunctions:
    """Collections that answer to numpy's own functions."""

    def __array_function__(self, function: Any, types: Any, args: Any, keywords: Any) -> Any:
        """Mean, sum, std, max and min over axes, concatenate, stack, clip, where; no others."""
        ours = _FUNCTIONS.get(function)
        if ours is None:
            name = f"{function.__module__}.{function.__name__}"
            known = ", ".join(one.__name__ for one in _COMPUTED)
            raise WrongTypeError(
                f"{name} is not computed on an engine, as {known} are: give it x.toarray(), or "
                "call it on each record with x.map"
            )
        try:
            given = inspect.signature(ours).bind(*args, **keywords)
        except TypeError as error:
            raise WrongTypeError(
                f"numpy.{function.__name__} of a collection takes "
                f"{', '.join(inspect.signature(ours).parameters)} and no more: {error}"
            ) from None
        with typed_errors(f"numpy.{function.__name__}"):
            return ours(*given.args, **given.kwargs)


def _mean(a: Any, axis: Axis = None) -> Any:
    return _reduced("mean", a, axis)


def _sum(a: Any, axis: Axis = None) -> Any:
    return _reduced("sum", a, axis)


def _max(a: Any, axis: Axis = None) -> Any:
    return _reduced("max", a, axis)


def _min(a: Any, axis: Axis = None) -> Any:
    return _reduced("min", a, axis)


def _std(a: Any, axis: Axis = None) -> Any:
    """Over all values, from the moments at each position, of which each has as many values."""
    if len(_normal(axis, a.ndim)) < a.ndim:
        return _reduced("std", a, axis)
    means = a.mean(squeeze=True)
    return np.sqrt(np.mean(a.var(squeeze=True)) + np.var(means))


def _reduced(name: str, a: Any, axis: Axis) -> Any:
    """A statistic over all axes, over those of the keys, or over those of a record."""
    over = _normal(axis, a.ndim)
    if over[: len(a.baseaxes)] == a.baseaxes and len(over) in (len(a.baseaxes), a.ndim):
        folded = getattr(a, name)(squeeze=True)
        with typed_errors(f"numpy.{name}"):
            return folded if len(over) < a.ndim else getattr(np, name)(folded)
    if over != tuple(range(len(a.baseaxes), a.ndim)):
        raise SpecError(
            f"numpy.{name} over axes {over} of shape {a.shape} is not computed on an engine: give "
            f"axis={a.baseaxes}, all others, or None"
        )
    function: Callable[..., Array] = getattr(np, name)

    def statistic(block: Array) -> Array:
        rows = block.reshape(len(block), math.prod(block.shape[1:]))
        return np.asarray(function(rows, axis=1))

    each = Stacked(statistic)
    nothing = each(0, np.zeros((1, *a.value_shape), a.dtype))
    values: Array = a._records.map(each, (), nothing.dtype).collect()
    return values.reshape(a.baseshape)


def _normal(axis: Axis, ndim: int) -> tuple[int, ...]:
    """Axes counted from the first, in order."""
    given = range(ndim) if axis is None else np.atleast_1d(np.asarray(axis)).tolist()
    if wrong := [at for at in given if not -ndim <= at < ndim]:
        raise BadIndexError(f"there is no axis {wrong[0]}, but {ndim} axes")
    return tuple(sorted(at % ndim for at in given))


def _stack(arrays: Sequence[Any], axis: int = 0) -> Any:
    """Join along a new axis: of a record for images, of the keys for series."""
    items = list(arrays)
    (at,) = _normal(axis, items[0].ndim + 1)
    return concatenate([_widened(item, at) for item in items], at)


def _widened(item: Any, at: int) -> Any:
    """The same with an axis of length 1 more, there."""
    naxes = len(item.baseshape)
    if isinstance(item, Indexed) and at <= naxes:
        keys = (*item.baseshape[:at], 1, *item.baseshape[at:])
        labels = None if item.labels is None else item.labels.reshape(keys)
        return item._changed(item._records, baseshape=keys, labels=labels)
    if isinstance(item, Indexed) or at < naxes:
        kind, others = type(item).__name__, "0 to -2" if isinstance(item, Indexed) else "1 to -1"
        raise SpecError(f"{kind} cannot be stacked along a new axis {at}: give one from {others}")
    return item._stacked(np.expand_dims, axis=at)


def _clip(a: Any, a_min: Any = None, a_max: Any = None) -> Any:
    return a.clip(a_min, a_max)


def _where(condition: Any, x: Any, y: Any) -> Any:
    """Pick from two by a third, in two steps: engines combine two at a time.

    What is picked goes along with the condition; one that is constant is picked from in the end, so
    that a Python number widens no dtype.
    """
    if _is_collection(x):
        return applied(_pick, (applied(_pack, (condition, x), {}), y), {})
    if _is_collection(y):
        return applied(_pick, (applied(_pack_other, (condition, y), {}), x), {})

    def where(condition: Array) -> Array:
        return np.where(condition, x, y)

    return applied(where, (condition,), {})


def _pack(condition: Any, values: Any) -> Array:
    out = np.empty(np.broadcast(condition, values).shape, [("is", bool), ("of", values.dtype)])
    out["is"], out["of"] = condition, values
    return out


def _pack_other(condition: Any, values: Any) -> Array:
    return _pack(np.logical_not(condition), values)


def _pick(packed: Array, other: Any) -> Array:
    return np.where(packed["is"], packed["of"], other)


def _is_collection(value: Any) -> bool:
    return isinstance(value, Collection)


_COMPUTED: dict[Any, Callable[..., Any]] = {
    np.mean: _mean,
    np.sum: _sum,
    np.std: _std,
    np.max: _max,
    np.min: _min,
    np.concatenate: lambda arrays, axis=0: concatenate(arrays, axis),
    np.stack: _stack,
    np.clip: _clip,
    np.where: _where,
}
_TOLD: dict[Any, Callable[..., Any]] = {  # nothing is computed for these
    np.shape: lambda a: a.shape,
    np.ndim: lambda a: a.ndim,
    np.size: lambda a: a.size,
}
_FUNCTIONS = {**_COMPUTED, **_TOLD, np.amax: _max, np.amin: _min}
