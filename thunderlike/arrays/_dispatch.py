"""Dispatch of array functions on Images, Series and Blocks."""

from __future__ import annotations

import operator
from functools import partial
from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np

from thunderlike.data.base import Base
from thunderlike.data.blocks import Blocks
from thunderlike.data.series import Series
from thunderlike.errors import BadIndexError, SpecError
from thunderlike.kernels._validation import is_whole

if TYPE_CHECKING:
    from collections.abc import Callable

    from thunderlike._typing import Array
    from thunderlike.data.images import Images

__all__ = ["is_collection", "where_nonzero", "with_kernel", "with_lut"]


def is_collection(thing: object) -> TypeGuard[Images | Series | Blocks]:
    """Return whether an object is Images, Series or Blocks."""
    return isinstance(thing, Base)


def with_lut(
    collection: Images | Series | Blocks, table: Array, function: Callable[..., Array]
) -> Any:
    """Look up every element of every record, on the workers."""
    # Serial, since the engine runs several calls at once.
    look = partial(function, lut=table, processes="serial")
    if isinstance(collection, Blocks):
        return collection.map(look)
    if table.ndim > 1 and isinstance(collection, Series):
        raise SpecError(
            f"a look-up table of shape {table.shape} adds an axis, and series have only one: give "
            "images, or a table of one axis"
        )
    shape = (*collection.value_shape, *table.shape[1:])
    return collection.map(look, value_shape=shape, dtype=table.dtype, block=True)


def with_kernel(
    collection: Images | Series | Blocks, axis: int, function: Callable[..., Array]
) -> Any:
    """Correlate along an axis of the records, or of the keys.

    Parameters
    ----------
    function : callable
        Takes an array and an axis.

    Notes
    -----
    Along an axis of keys two shuffles on Spark: images become series and series images, and back.
    """
    ndim = len(collection.shape)
    if not is_whole(axis, -ndim, ndim):
        raise BadIndexError(
            f"axis {axis!r} is out of bounds for {type(collection).__name__} of shape "
            f"{collection.shape}: give 0 to {ndim - 1}"
        )
    if isinstance(collection, Blocks):
        chunk, padding = collection.blockshape[1:], collection.padding[1:]
        return with_kernel(collection.toimages(), axis, function).toblocks(chunk, padding)
    keys, at = len(collection.baseshape), int(axis) % ndim
    if at >= keys:
        return collection.map(partial(_stacked, function, at - keys), block=True)
    if not isinstance(collection, Series):
        return collection.map_as_series(partial(function, axis=0))
    images = collection.toimages().map(partial(_stacked, function, at), block=True)
    return collection._changed(images.toseries()._records)


def _stacked(function: Callable[..., Array], axis: int, stack: Array) -> Array:
    return function(stack, axis=axis + 1)


def where_nonzero(collection: Images | Series | Blocks) -> Array:
    """Return the coordinates of nonzero elements, in the order of `numpy.argwhere`.

    Notes
    -----
    One job; only the coordinates are collected.
    """
    plain = collection.toimages() if isinstance(collection, Blocks) else collection
    find = partial(_positions, plain.baseshape)
    found = np.concatenate(plain._records.aggregate(find, operator.add))
    return found[:, 0] if found.shape[1] == 1 else found


def _positions(base: tuple[int, ...], start: int, block: Array) -> list[Array]:
    rows = np.argwhere(block)
    keys = np.stack(np.unravel_index(rows[:, 0] + start, base), axis=1)
    return [np.concatenate([keys, rows[:, 1:]], axis=1).astype(np.int64, copy=False)]
