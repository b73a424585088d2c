"""Joining collections along an axis."""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from thunderlike.data import multiindex
from thunderlike.data.base import Collection
from thunderlike.data.indexed import Indexed
from thunderlike.errors import BadIndexError, NotOnEngineError, SpecError
from thunderlike.kernels._validation import checked_arguments

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from thunderlike._typing import Array, Shape
    from thunderlike.data.arithmetic import Elementwise
    from thunderlike.engines.base import Records

__all__ = ["concatenate"]

Joined = TypeVar("Joined", bound="Elementwise")


@checked_arguments
def concatenate(items: Iterable[Joined], axis: int = 0) -> Joined:
    """Join images, or series, along an axis, as :func:`numpy.concatenate` joins arrays.

    Parameters
    ----------
    items : iterable of Images or of Series
        On one engine; of equal shape but for the axis.
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
        For an axis that there is not.
    NotOnEngineError
        When not all are on one engine.

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
    axis = _normal(axis, parts[0].ndim)
    _check_shapes([part.shape for part in parts], axis)
    dtype = np.result_type(*(part.dtype for part in parts))
    alike = [part if part.dtype == dtype else part.astype(dtype) for part in parts]
    if axis < len(parts[0].baseshape):
        return _more(alike, axis)
    return _longer(alike, axis)


def _more(parts: Sequence[Any], axis: int) -> Any:
    """Join records."""
    _check_indices(parts)
    joined = parts[0]._records.concat([part._records for part in parts[1:]])
    rows = _numbers([part.baseshape for part in parts], axis)
    if axis > 0:
        joined = joined.take(np.ravel(rows))
    named = all(part.labels is not None for part in parts)
    labels = np.concatenate([part.labels for part in parts], axis) if named else None
    return parts[0]._changed(joined, baseshape=rows.shape, labels=labels)


def _numbers(shapes: Sequence[Shape], axis: int) -> NDArray[np.int64]:
    """Which of the records, one item after the other, stands where when items are joined."""
    counts = np.cumsum([0, *(int(np.prod(shape)) for shape in shapes)])
    grids = [
        start + np.arange(np.prod(s)).reshape(s) for start, s in zip(counts, shapes, strict=False)
    ]
    return np.concatenate(grids, axis)


def _longer(parts: Sequence[Any], axis: int) -> Any:
    """Join each record with those of the same key."""
    inner = axis - len(parts[0].baseshape) + 1  # in a block of records
    first = parts[0]
    joined = reduce(lambda one, part: _beside(one, part._records, inner), parts[1:], first._records)
    if not isinstance(first, Indexed):
        return first._changed(joined)
    counting = all(multiindex.counts_only(part.index) for part in parts)
    index = None if counting else _joined_index([part.index for part in parts])
    return first._changed(joined, index=index)


def _beside(one: Records, other: Records, axis: int) -> Records:
    shape = np.concatenate([one.spec.empty(0), other.spec.empty(0)], axis).shape[1:]

    def pairing(left: Array, right: Array) -> Array:
        return np.concatenate([left, right], axis)

    return one.combine(other, pairing, shape, one.spec.dtype)


def _joined_index(indices: Sequence[Array]) -> Array:
    if len({index.shape[1:] for index in indices}) > 1:
        raise SpecError("the indices have different numbers of levels: set one that fits on each")
    return np.concatenate(indices)


def _check_kind(parts: Sequence[Any]) -> None:
    kinds = dict.fromkeys(type(part).__name__ for part in parts)
    if len(kinds) != 1 or not isinstance(parts[0], Collection):
        raise SpecError(
            f"cannot join {', '.join(kinds) or 'nothing'}: give some Images, or some Series, which "
            "fromarray makes of arrays"
        )
    if any(part.engine != parts[0].engine for part in parts):
        raise NotOnEngineError(
            f"not all are on the {parts[0].mode} engine: call .tolocal() or .tospark(sc) on some"
        )


def _normal(axis: int, ndim: int) -> int:
    if not -ndim <= axis < ndim:
        raise BadIndexError(f"there is no axis {axis}, but {ndim} axes")
    return axis % ndim


def _check_shapes(shapes: Sequence[Shape], axis: int) -> None:
    for number, shape in enumerate(shapes):
        if len(shape) != len(shapes[0]) or any(
            n != m for at, (n, m) in enumerate(zip(shape, shapes[0], strict=True)) if at != axis
        ):
            raise SpecError(
                f"item {number} has shape {shape}, the first {shapes[0]}: all must be equal but "
                f"along axis {axis}"
            )


def _check_indices(parts: Sequence[Any]) -> None:
    for number, part in enumerate(parts):
        if isinstance(part, Indexed) and not np.array_equal(part.index, parts[0].index):
            raise SpecError(f"item {number} has another index than the first: set one on all")
