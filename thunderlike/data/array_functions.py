"""numpy functions of collections: ``__array_function__``, concatenate, stack."""

from __future__ import annotations

import inspect
import math
from functools import partial, reduce
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from thunderlike.data import indexing
from thunderlike.data._user_functions import Stacked
from thunderlike.data.collection import Collection
from thunderlike.data.elementwise import apply, cast
from thunderlike.data.reductions import statistic as over_records
from thunderlike.errors import BadIndexError, SpecError, WrongTypeError
from thunderlike.kernels._validation import checked_arguments, typed_errors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

    from thunderlike._typing import Array, Shape
    from thunderlike.engines.base import Records

__all__ = ["call", "concatenate"]


Joined = TypeVar("Joined", bound="Collection")


@checked_arguments
def concatenate(items: Iterable[Joined], axis: int = 0) -> Joined:
    """Join images, or series, along an axis, as :func:`numpy.concatenate` joins arrays.

    Parameters
    ----------
    items : iterable of Images or of Series
        On one engine, or on engines of this process; of equal shape except along the axis.
    axis : int
        Of the whole shape: an axis of keys, for more images or series, or one of the records, for
        larger images or longer series.

    Returns
    -------
    Images or Series
        The dtype is the one to which numpy promotes all. Along an axis of keys labels are joined if
        all have some, else dropped, and the index must be the same for all; along one of the
        records labels are those of the first, and the index is joined, unless all only count.

    Raises
    ------
    SpecError
        For no item, items of different classes, and shapes or indices that do not fit.
    BadIndexError
        For an axis out of range.
    NotOnEngineError
        When some are on Spark and not all.

    Notes
    -----
    Nothing is computed until needed. On Spark nothing is moved along the first axis, nor along one
    of the records if all are cut into chunks alike; along another axis of keys, a shuffle.

    Examples
    --------
    >>> import thunderlike as tl
    >>> monday, tuesday = tl.images.fromrandom((5, 4, 6)), tl.images.fromrandom((3, 4, 6))
    >>> tl.images.concatenate([monday, tuesday]).shape
    (8, 4, 6)
    >>> tl.series.concatenate([monday.toseries(), tuesday.toseries()], axis=-1).shape
    (4, 6, 8)
    """
    parts = list(items)
    _check_kind(parts)
    (axis,) = _normal(axis, parts[0].ndim)
    _check_shapes([part.shape for part in parts], axis)
    # Cast before joining: engines join records of one dtype.
    dtype = np.result_type(*(part.dtype for part in parts))
    # A lazy engine, because the result may be larger than the memory of an eager one.
    engine = next((part.engine for part in parts if part.engine.lazy), parts[0].engine)
    there = [part._changed(engine.accept(part._records)) for part in parts]
    alike = [part if part.dtype == dtype else cast(part, dtype) for part in there]
    if axis < len(parts[0].baseshape):
        return _join_keys(alike, axis)
    return _join_records(alike, axis)


def _join_keys(parts: Sequence[Joined], axis: int) -> Joined:
    """Join along an axis of keys."""
    indices = [part._index for part in parts if part._index is not None]
    for number, index in enumerate(indices):
        if not np.array_equal(index, indices[0]):
            raise SpecError(f"the index of item {number} differs from the first: set one on all")
    joined = parts[0]._records.concat([part._records for part in parts[1:]])
    rows = _numbers([part.baseshape for part in parts], axis)
    # Along the first axis the records are in key order already.
    if axis > 0:
        joined = joined.take(np.ravel(rows))
    known = [part.labels for part in parts if part.labels is not None]
    labels = np.concatenate(known, axis) if len(known) == len(parts) else None
    return parts[0]._changed(joined, baseshape=rows.shape, labels=labels)


def _numbers(shapes: Sequence[Shape], axis: int) -> NDArray[np.int64]:
    """Return the numbers of the records, counted through all items, at each joined key."""
    counts = np.cumsum([0, *(int(np.prod(shape)) for shape in shapes)])
    grids = [
        start + np.arange(np.prod(s)).reshape(s) for start, s in zip(counts, shapes, strict=False)
    ]
    return np.concatenate(grids, axis)


def _join_records(parts: Sequence[Joined], axis: int) -> Joined:
    """Join along an axis of the records: records of equal keys."""
    inner = axis - len(parts[0].baseshape) + 1  # in a block of records
    first = parts[0]
    # Two at a time: an engine combines pairs of blocks.
    joined = reduce(lambda one, part: _paired(one, part._records, inner), parts[1:], first._records)
    indices = [part._index for part in parts if part._index is not None]
    if not indices:
        return first._changed(joined)
    # Joined, indices that count would begin again at 0 in the middle.
    if all(indexing.counts_only(index) for index in indices):
        return first._changed(joined, index=None)
    if len({index.shape[1:] for index in indices}) > 1:
        raise SpecError(
            "the indices have different numbers of levels: set an index of equal levels on each"
        )
    return first._changed(joined, index=np.concatenate(indices))


def _paired(one: Records, other: Records, axis: int) -> Records:
    # Of no records: numpy checks the shapes, and gives that of the result.
    shape = np.concatenate([one.spec.empty(0), other.spec.empty(0)], axis).shape[1:]

    def pairing(left: Array, right: Array) -> Array:
        return np.concatenate([left, right], axis)

    return one.combine(other, pairing, shape, one.spec.dtype)


def _check_kind(parts: Sequence[Collection]) -> None:
    kinds = dict.fromkeys(type(part).__name__ for part in parts)
    if len(kinds) != 1 or not isinstance(parts[0], Collection):
        raise SpecError(
            f"cannot join {', '.join(kinds) or 'nothing'}: give some Images, or some Series, which "
            "fromarray makes of arrays"
        )


def _check_shapes(shapes: Sequence[Shape], axis: int) -> None:
    for number, shape in enumerate(shapes):
        if len(shape) != len(shapes[0]) or any(
            n != m for at, (n, m) in enumerate(zip(shape, shapes[0], strict=True)) if at != axis
        ):
            raise SpecError(
                f"item {number} has shape {shape}, the first {shapes[0]}: all must be "
                f"equal except along axis {axis}"
            )


Axis = int | tuple[int, ...] | None


def call(
    function: Callable[..., Any], args: Sequence[object], keywords: Mapping[str, object]
) -> Any:
    """Call our form of a function of numpy; WrongTypeError for one that is not supported."""
    ours = _FUNCTIONS.get(function)
    if ours is None:
        name = f"{function.__module__}.{function.__name__}"
        known = ", ".join(one.__name__ for one in _COMPUTED)
        raise WrongTypeError(
            f"{name} is not computed on an engine, as {known} are: give it x.toarray(), or "
            "call it on each record with x.map"
        )
    try:
        # Arguments that are not supported (out, where, keepdims) are refused, never ignored.
        given = inspect.signature(ours).bind(*args, **keywords)
    except TypeError as error:
        raise WrongTypeError(
            f"numpy.{function.__name__} of a collection takes "
            f"{', '.join(inspect.signature(ours).parameters)} and no more: {error}"
        ) from None
    with typed_errors(f"numpy.{function.__name__}"):
        return ours(*given.args, **given.kwargs)


def _std(a: Collection, axis: Axis = None) -> Any:
    """Return the std; over all values from the mean and variance at each position."""
    if len(_normal(axis, a.ndim)) < a.ndim:
        return _reduced("std", a, axis)
    # The law of total variance: the mean of the variances and the variance of the means.
    means = over_records(a, "mean")
    return np.sqrt(np.mean(over_records(a, "var")) + np.var(means))


def _reduced(name: str, a: Collection, axis: Axis = None) -> Any:
    """Compute a statistic over all axes, those of the keys or those of a record."""
    over = _normal(axis, a.ndim)
    if over[: len(a.baseaxes)] == a.baseaxes and len(over) in (len(a.baseaxes), a.ndim):
        folded = over_records(a, name)
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
    # Of one record of zeros: the dtype that numpy's function gives.
    nothing = each(0, np.zeros((1, *a.value_shape), a.dtype))
    values: Array = a._records.map(each, (), nothing.dtype).collect()
    return values.reshape(a.baseshape)


def _normal(axis: Axis, ndim: int) -> tuple[int, ...]:
    """Return axes counted from the first, sorted."""
    given = range(ndim) if axis is None else np.atleast_1d(np.asarray(axis)).tolist()
    if wrong := [at for at in given if not -ndim <= at < ndim]:
        raise BadIndexError(f"axis {wrong[0]} is out of bounds for an array of {ndim} axes")
    return tuple(sorted(at % ndim for at in given))


def _stack(arrays: Iterable[Joined], axis: int = 0) -> Joined:
    """Join along a new axis: of a record for images, of the keys for series."""
    items = list(arrays)
    (at,) = _normal(axis, items[0].ndim + 1)
    return concatenate([_widened(item, at) for item in items], at)


def _widened(item: Joined, at: int) -> Joined:
    """Return the item with a further axis of length 1."""
    naxes = len(item.baseshape)
    if item._index is not None and at <= naxes:
        keys = (*item.baseshape[:at], 1, *item.baseshape[at:])
        labels = None if item.labels is None else item.labels.reshape(keys)
        return item._changed(item._records, baseshape=keys, labels=labels)
    if item._index is not None or at < naxes:
        kind, others = type(item).__name__, "0 to -2" if item._index is not None else "1 to -1"
        raise SpecError(f"{kind} cannot be stacked along a new axis {at}: give one from {others}")
    return item._stacked(np.expand_dims, axis=at)


def _where(condition: ArrayLike, x: ArrayLike, y: ArrayLike) -> Any:
    """Choose elements of two operands by a condition, in two steps of two operands each.

    The first step packs the condition with a collection, the second chooses. A constant comes in
    the second step, where a Python number promotes no dtype.
    """
    if isinstance(x, Collection):
        return apply(_pick, (apply(_pack, (condition, x), {}), y), {})
    if isinstance(y, Collection):
        return apply(_pick, (apply(_pack_other, (condition, y), {}), x), {})

    def where(condition: Array) -> Array:
        chosen: Array = np.where(condition, x, y)
        return chosen

    return apply(where, (condition,), {})


def _pack(condition: ArrayLike, values: Array) -> Array:
    out = np.empty(np.broadcast(condition, values).shape, [("is", bool), ("of", values.dtype)])
    out["is"], out["of"] = condition, values
    return out


def _pack_other(condition: ArrayLike, values: Array) -> Array:
    return _pack(np.logical_not(condition), values)


def _pick(packed: Array, other: ArrayLike) -> Array:
    chosen: Array = np.where(packed["is"], packed["of"], other)
    return chosen


_COMPUTED: dict[Any, Callable[..., Any]] = {
    np.mean: partial(_reduced, "mean"),
    np.sum: partial(_reduced, "sum"),
    np.std: _std,
    np.max: partial(_reduced, "max"),
    np.min: partial(_reduced, "min"),
    np.concatenate: lambda arrays, axis=0: concatenate(arrays, axis),
    np.stack: _stack,
    np.clip: lambda a, a_min=None, a_max=None: a.clip(a_min, a_max),
    np.where: _where,
}
_ATTRIBUTES: dict[Any, Callable[..., Any]] = {  # no computation
    np.shape: lambda a: a.shape,
    np.ndim: lambda a: a.ndim,
    np.size: lambda a: a.size,
}
_SYNONYMS = {np.amax: _COMPUTED[np.max], np.amin: _COMPUTED[np.min]}
_FUNCTIONS = {**_COMPUTED, **_ATTRIBUTES, **_SYNONYMS}
