"""Images from arrays, lists, RDDs and random numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike.data.images import Images
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
    labels: Labels | None = None,
    npartitions: int | None = None,
    engine: object = None,
) -> Images:
    """Make images from an array.

    Parameters
    ----------
    values : array_like
        Of shape ``(n, height, width)`` or ``(n, depth, height, width)``; a single image
        ``(height, width)`` too. Images stay on the engine they are on. Images of one axis come
        from :func:`fromlist`.
    labels : sequence, optional
        What each image is called, of length n.
    npartitions : int, optional
        Parts to spread them over, on Spark.
    engine : None, 'local', 'disk', 'spark', SparkContext or SparkSession
        Where to keep them.

    Raises
    ------
    SpecError
        For an array of one axis, and for images of different shape.

    Examples
    --------
    >>> import thunderlike as tl
    >>> tl.images.fromarray(np.zeros((10, 4, 6))).shape
    (10, 4, 6)
    """
    if isinstance(values, Images | Records | DistributedArray):
        # Records stay where they are: `engine` and `npartitions` concern values of this process.
        return Images(getattr(values, "_records", values), labels=labels)
    array = stacked(values, "image")
    if array.ndim < 2:
        raise SpecError(
            f"an image has at least 2 axes, the array has shape {array.shape}: reshape it first"
        )
    # Two axes are a single image.
    array = array[np.newaxis] if array.ndim == 2 else array
    return Images(engine_for(engine).load(ArraySource(array), npartitions), labels=labels)


@checked_arguments
def fromlist(
    items: Iterable[Any],
    accessor: Callable[[Any], Any] | None = None,
    keys: Iterable[Any] | None = None,
    dims: tuple[int, ...] | None = None,
    dtype: DTypeLike | None = None,
    labels: Labels | None = None,
    npartitions: int | None = None,
    engine: object = None,
) -> Images:
    """Make images from items, one each.

    Parameters
    ----------
    items : iterable
        Arrays of one axis or more, or anything from which `accessor` makes one; a single number
        becomes an image of one pixel.
    accessor : callable, optional
        Called where the engine runs: with Spark, on the workers, when the images are needed.
    keys : iterable, optional
        Images come in the order of these; by default in that of the items.
    dims, dtype : optional
        Shape and dtype of an image; unless both are given, `accessor` is tried on the first item.
    labels : sequence, optional
        What each item is called.
    npartitions, engine
        As in :func:`fromarray`.

    Raises
    ------
    SpecError
        For items of different shapes, and for none without `dims` and `dtype`.
    WrongTypeError
        For an item whose values do not fit in the dtype of the first, unless `dtype` is given.

    Examples
    --------
    >>> import thunderlike as tl
    >>> tl.images.fromlist(range(3), lambda i: np.full((2, 2), i)).toarray()[:, 0, 0]
    array([0, 1, 2])
    """
    things = list(items)
    if keys is not None:
        order = sorted(range(len(things)), key=list(keys).__getitem__)
        things = [things[i] for i in order]
        # Labels are given in the order of the items.
        labels = None if labels is None else np.asarray(labels)[order]
    source = list_source(things, accessor or as_array, dims, dtype)
    return Images(engine_for(engine).load(source, npartitions), labels=labels)


@checked_arguments
def fromrdd(
    rdd: Any,
    dims: tuple[int, ...] | None = None,
    nrecords: int | None = None,
    dtype: DTypeLike | None = None,
    labels: Labels | None = None,
    *,
    ordered: bool = False,
) -> Images:
    """Make images from an RDD of ``(key, array)``.

    Parameters
    ----------
    rdd : pyspark.RDD
        Keys are int, or tuples of one.
    dims, dtype : optional
        Shape and dtype of an image; unless both are given, the first record is looked at. Images
        are cast to a dtype that is given; without it all must fit in that of the first.
    nrecords : int, optional
        How many there are, with keys ``0 .. nrecords-1``; without it, one job collects the keys.
    labels : sequence, optional
        What each image is called, in key order.
    ordered : bool
        The RDD is in key order already: nothing is shuffled, the keys are not looked at.
    """
    spec = pairs_spec(rdd, dims, dtype)
    key_shape = None if nrecords is None else (nrecords,)
    records = engine_for(rdd.context).adopt(rdd, key_shape, spec, ordered=ordered)
    # Without a dtype the first record was looked at, whose shape may differ.
    if dims is not None and records.spec.shape != tuple(dims):
        raise SpecError(f"the first image has shape {records.spec.shape}, not dims={tuple(dims)}")
    return Images(records, labels=labels)


@checked_arguments
def fromrandom(
    shape: tuple[int, ...] = (10, 50, 50),
    npartitions: int | None = None,
    seed: int = 42,
    engine: object = None,
) -> Images:
    """Make images of normal random numbers, the same on every engine.

    Parameters
    ----------
    shape : tuple of int
        ``(n, height, width)`` or ``(n, depth, height, width)``.
    seed : int
        Image `v` depends on this and `v` alone.

    Examples
    --------
    >>> import thunderlike as tl
    >>> tl.images.fromrandom((3, 4, 5), seed=1).shape
    (3, 4, 5)
    """
    source = RandomSource(Spec(shape[0], tuple(shape[1:])), seed)
    return Images(engine_for(engine).load(source, npartitions))
