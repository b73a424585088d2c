"""Series from arrays, lists, RDDs and random numbers."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike.data.series import Series
from thunderlike.data.sources import RandomSource, list_source, pairs_spec, stacked
from thunderlike.engines import ArraySource, DistributedArray, Records, Spec, engine_for
from thunderlike.errors import SpecError
from thunderlike.kernels._validation import as_array, checked_arguments

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import ArrayLike, DTypeLike

    from thunderlike._typing import Labels

__all__ = ["fromarray", "fromlist", "fromrandom", "fromrdd"]


@checked_arguments
def fromarray(
    values: ArrayLike | Records,
    index: Labels | None = None,
    labels: Labels | None = None,
    npartitions: int | None = None,
    engine: object = None,
) -> Series:
    """Make series from an array, whose last axis runs along each series.

    Parameters
    ----------
    values : array_like
        Of shape ``(*baseshape, length)``; a single series ``(length,)`` too. Series stay on the
        engine they are on.
    index : sequence, optional
        What each position is called; of that length.
    labels : array_like, optional
        What each series is called, of shape `baseshape`.
    npartitions : int, optional
        Parts to spread them over, on Spark.
    engine : None, 'local', 'disk', 'spark', SparkContext or SparkSession
        Where to keep them.

    Raises
    ------
    SpecError
        When series differ in length, or the index or labels in shape.

    Examples
    --------
    >>> import thunderlike as tl
    >>> tl.series.fromarray(np.zeros((4, 6, 10))).length
    10
    """
    # It knows its axes: the constructor makes keys of all but the last.
    if isinstance(values, DistributedArray):
        return Series(values, index=index, labels=labels)
    # Series keep their keys and index, but not their labels, which the argument sets.
    if isinstance(values, Series | Records):
        records, baseshape = getattr(values, "_records", values), getattr(values, "baseshape", None)
        index = getattr(values, "index", None) if index is None else index
        return Series(records, index=index, labels=labels, baseshape=baseshape)
    array = np.atleast_2d(stacked(values, "series"))
    # Counted, not -1: numpy cannot infer an axis of an array without elements.
    flat = array.reshape(math.prod(array.shape[:-1]), array.shape[-1])
    records = engine_for(engine).load(ArraySource(flat), npartitions)
    return Series(records, index=index, labels=labels, baseshape=array.shape[:-1])


@checked_arguments
def fromlist(
    items: Iterable[Any],
    accessor: Callable[[Any], Any] | None = None,
    index: Labels | None = None,
    labels: Labels | None = None,
    dtype: DTypeLike | None = None,
    npartitions: int | None = None,
    engine: object = None,
) -> Series:
    """Make series from items, one each.

    Parameters
    ----------
    items : iterable
        Sequences of one length, or anything from which `accessor` makes one; a single number
        becomes a series of length 1.
    accessor : callable, optional
        Called where the engine runs: with Spark, on the workers, when the series are needed.
    index, labels, npartitions, engine
        As in :func:`fromarray`.
    dtype : optional
        What the values are cast to; by default that of the first item.

    Raises
    ------
    SpecError
        For items of more than one axis, of different length, or none.
    WrongTypeError
        For an item whose values do not fit in the dtype of the first, unless `dtype` is given.

    Examples
    --------
    >>> import thunderlike as tl
    >>> tl.series.fromlist([2, 3], lambda n: np.full(4, n)).toarray()
    array([[2, 2, 2, 2],
           [3, 3, 3, 3]])
    """
    source = list_source(list(items), accessor or as_array, None, dtype)
    if len(source.spec.shape) != 1:
        raise SpecError(f"a series has one axis, the items have shape {source.spec.shape}")
    records = engine_for(engine).load(source, npartitions)
    return Series(records, index=index, labels=labels)


@checked_arguments
def fromrdd(
    rdd: Any,
    nrecords: int | None = None,
    shape: tuple[int, ...] | None = None,
    index: Labels | None = None,
    labels: Labels | None = None,
    dtype: DTypeLike | None = None,
    *,
    ordered: bool = False,
) -> Series:
    """Make series from an RDD of ``(key, array)``.

    Parameters
    ----------
    rdd : pyspark.RDD
        Keys are int, or tuples of int.
    nrecords : int, optional
        How many there are, with keys ``0 .. nrecords-1``.
    shape : tuple of int, optional
        ``(*baseshape, length)``: keys are all positions of `baseshape`. Without this and without
        `nrecords` one job collects the keys, and the series stand in their order.
    index, labels
        As in :func:`fromarray`.
    dtype : optional
        What the series are cast to; without it all must fit in the dtype of the first. Unless this
        and `shape` are given, the first one is looked at.
    ordered : bool
        The RDD is in key order already: nothing is shuffled, the keys are not looked at.
    """
    spec = pairs_spec(rdd, None if shape is None else shape[-1:], dtype)
    baseshape = shape[:-1] if shape is not None else (nrecords,) if nrecords is not None else None
    records = engine_for(rdd.context).adopt(rdd, baseshape, spec, ordered=ordered)
    return Series(records, index=index, labels=labels, baseshape=baseshape)


@checked_arguments
def fromrandom(
    shape: tuple[int, ...] = (100, 10),
    npartitions: int | None = None,
    seed: int = 42,
    engine: object = None,
) -> Series:
    """Make series of normal random numbers, the same on every engine.

    Parameters
    ----------
    shape : tuple of int
        ``(*baseshape, length)``.
    seed : int
        Series `v`, in key order, depends on this and `v` alone.

    Examples
    --------
    >>> import thunderlike as tl
    >>> tl.series.fromrandom((3, 4, 10), seed=1).shape
    (3, 4, 10)
    """
    # Numbered in C order of the keys: series 5 is the same under any `baseshape`.
    source = RandomSource(Spec(math.prod(shape[:-1]), tuple(shape[-1:])), seed)
    records = engine_for(engine).load(source, npartitions)
    return Series(records, baseshape=tuple(shape[:-1]))
