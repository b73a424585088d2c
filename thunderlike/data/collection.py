"""Collections: records with labels, an index and attrs."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar, cast

import numpy as np

from thunderlike.data import indexing
from thunderlike.data._user_functions import (
    PerObject,
    PerRecord,
    PerStack,
    Predicate,
    RecordFunction,
    Stacked,
    StackFunction,
    infer,
    name_of,
)
from thunderlike.data.base import Base
from thunderlike.engines import ArraySource, DistributedArray, Records, local
from thunderlike.errors import SpecError
from thunderlike.kernels._numba import use_compiled
from thunderlike.kernels._validation import as_array, as_shape, is_whole

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from numpy.typing import ArrayLike, DTypeLike

    from thunderlike._typing import Array, Ints, Labels, Shape

__all__ = ["Collection", "checked_labels", "records_of", "surviving"]

C = TypeVar("C", bound="Collection")

# Entries of attrs with a value for each record, and those that depend on the shape of a record.
_OF_ALL = ("axes", "axes_shape", "frame_times", "ome", "imagej")
_OF_ONE = ("pixel_size", "orientation")


def surviving(attrs: Mapping[str, Any], *, same_count: bool, same_shape: bool) -> dict[str, Any]:
    """Return the entries of attrs that still apply to other records.

    Examples
    --------
    >>> known = {
    ...     "pixel_size": {"y": 0.5, "x": 0.5},
    ...     "frame_times": [0.0, 0.1],
    ...     "description": "rat",
    ... }
    >>> surviving(known, same_count=False, same_shape=True)
    {'pixel_size': {'y': 0.5, 'x': 0.5}, 'description': 'rat'}
    """
    dropped = set[str]()
    if not (same_count and same_shape):
        dropped.update(_OF_ALL)
    if not same_shape:
        dropped.update(_OF_ONE)
    return {name: value for name, value in attrs.items() if name not in dropped}


class Collection(Base):
    """Records ``(key, array)`` in key order, with one shape and dtype, on one engine.

    Immutable: every method returns a new collection.

    Attributes
    ----------
    shape : tuple of int
        `baseshape`, the shape in which keys are positions, then `value_shape`, that of a record.
    """

    _time: ClassVar[int]  # the axis of `shape` along which time runs
    _index: Array | None = None  # index values of the positions of a record, where it has an index

    def __init__(self, records: Records, baseshape: Shape, labels: Labels | None = None) -> None:
        super().__init__(records, baseshape)
        self._labels = checked_labels(labels, baseshape)
        self._attrs: dict[str, Any] = {}

    # shape and metadata

    @property
    def shape(self) -> Shape:
        """Shape of all records: `baseshape`, then `value_shape`.

        Examples
        --------
        >>> import thunderlike as tl
        >>> tl.images.fromarray(np.zeros((10, 4, 6))).toseries().shape
        (4, 6, 10)
        """
        return self._baseshape + self.value_shape

    @property
    def value_shape(self) -> Shape:
        """Shape of one record.

        Examples
        --------
        >>> import thunderlike as tl
        >>> movie = tl.images.fromarray(np.zeros((10, 4, 6)))
        >>> movie.value_shape, movie.toseries().value_shape
        ((4, 6), (10,))
        """
        return self._records.spec.shape

    @property
    def baseaxes(self) -> Shape:
        """Axes of `shape` that are keys.

        Examples
        --------
        >>> import thunderlike as tl
        >>> movie = tl.images.fromarray(np.zeros((10, 4, 6)))
        >>> movie.baseaxes, movie.toseries().baseaxes
        ((0,), (0, 1))
        """
        return tuple(range(len(self._baseshape)))

    @property
    def ndim(self) -> int:
        """Number of axes.

        Examples
        --------
        >>> import thunderlike as tl
        >>> tl.images.fromarray(np.zeros((10, 4, 6))).ndim
        3
        """
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of elements.

        Examples
        --------
        >>> import thunderlike as tl
        >>> tl.images.fromarray(np.zeros((10, 4, 6))).size
        240
        """
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of all elements.

        Examples
        --------
        >>> import thunderlike as tl
        >>> tl.images.fromarray(np.zeros((10, 4, 6), dtype="int16")).nbytes
        480
        """
        return self._records.spec.nbytes

    @property
    def labels(self) -> Array | None:
        """Labels of the records, an array of shape `baseshape`, or None.

        Examples
        --------
        >>> import thunderlike as tl
        >>> movie = tl.images.fromarray(np.zeros((3, 4, 6)), labels=["a", "b", "c"])
        >>> movie[1:].labels
        array(['b', 'c'], dtype='<U1')
        """
        return self._labels

    @labels.setter
    def labels(self, labels: Labels | None) -> None:
        self._labels = checked_labels(labels, self._baseshape)

    @property
    def attrs(self) -> dict[str, Any]:
        """Metadata by name: pixel size, axes, times, and entries of your own.

        Readers fill it from the metadata of files, and writers write the entries that the format
        supports. Every method passes it on, except for entries that no longer apply.

        Examples
        --------
        >>> import thunderlike as tl
        >>> movie = tl.images.fromarray(np.zeros((3, 4, 6)))
        >>> movie.attrs["rig"] = "two-photon"
        >>> movie.gaussian_filter(1).attrs
        {'rig': 'two-photon'}
        """
        return self._attrs

    @attrs.setter
    def attrs(self, attrs: Mapping[str, Any] | None) -> None:
        self._attrs = dict(attrs or {})

    def _like(self, made: C) -> C:
        """Pass attrs on to a result, as far as they apply to it."""
        same_count = made.count() == self.count()
        same_shape = made.value_shape == self.value_shape
        made._attrs = surviving(self._attrs, same_count=same_count, same_shape=same_shape)
        return made

    def _facts(self) -> dict[str, Any]:
        known = {} if self._labels is None else {"labels": indexing.shown(self._labels.ravel())}
        return super()._facts() | known | ({"attrs": ", ".join(self._attrs)} if self._attrs else {})

    # the values

    def first(self) -> Array:
        """Return the first record, of shape `value_shape`.

        Examples
        --------
        >>> import thunderlike as tl
        >>> tl.images.fromarray([[[1, 2]], [[3, 4]]]).first()
        array([[1, 2]])
        """
        if not self.count():
            raise SpecError(f"cannot take first(): there are no records (shape {self.shape})")
        record: Array = self._records.collect(0, 1)[0].copy()
        return record

    def toarray(self, *, squeeze: bool = True) -> Array:
        """Return all records as one numpy array, here.

        Parameters
        ----------
        squeeze : bool
            Drop every axis of length 1, as Thunder does; False keeps `shape`.

        Notes
        -----
        Locally a view: do not write into it. On Spark, one job; all values come to the driver, in
        memory once: workers of the same machine write them into the array themselves.

        Examples
        --------
        >>> import thunderlike as tl
        >>> series = tl.series.fromarray([[1, 2, 3]])
        >>> series.toarray()
        array([1, 2, 3])
        >>> series.toarray(squeeze=False)
        array([[1, 2, 3]])
        """
        values = self._records.collect().reshape(self.shape)
        return values.squeeze() if squeeze else values

    @property
    def values(self) -> Array | DistributedArray:
        """All values in full `shape`, without computing them: do not write into it.

        A numpy array where the records are in this process; on Spark an array-like view, which
        computes when indexed, when given to numpy, or by its ``toarray()``.

        Examples
        --------
        >>> import thunderlike as tl
        >>> movie = tl.images.fromarray(np.zeros((1, 4, 6)))
        >>> movie.values.shape, movie.toarray().shape
        ((1, 4, 6), (4, 6))
        """
        return self._records.array(self._baseshape)

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> Array:
        # In memory, `values` may be a memory map, and a process dies that reads a page which the
        # file has lost: read the file instead.
        values = self.toarray(squeeze=False) if self._records.in_memory else self.values
        return np.array(np.asarray(values), dtype=dtype, copy=copy)

    def __bool__(self) -> bool:
        """The only element as a bool, as numpy has it; SpecError for none and for several."""
        if self.size != 1:
            raise SpecError(
                f"the truth value of {type(self).__name__} of shape {self.shape} is ambiguous: ask "
                "for one element, for .size, or compare with numpy.array_equal(x.toarray(), ...)"
            )
        return bool(self.toarray())

    def __iter__(self) -> Iterator[Array]:
        """Arrays of shape ``shape[1:]``, along the first axis, a few in memory at a time."""
        each = math.prod(self._baseshape[1:])
        records = (record for _, block in self._records.stream() for record in block)
        for _ in range(len(self)):
            part = list(itertools.islice(records, each))
            stack = np.stack(part) if part else self._records.spec.empty(0)
            yield stack.reshape(self.shape[1:])

    def __getitem__(self, item: object) -> Self:
        """Select by int, slice, list, bool list or Ellipsis on each axis; no axis is dropped.

        Lazy on Spark, where keys in another order need a shuffle.
        """
        chosen = indexing.selectors(item, self.shape)
        keys, values = chosen[: len(self._baseshape)], chosen[len(self._baseshape) :]
        found = self._picked(keys)._cut(values)
        # Always a new object: labels set on x[:] must not change those of x.
        return self._changed(self._records) if found is self else found

    def _picked(self, keys: list[Any]) -> Self:
        """Return the records at the selected keys."""
        rows = indexing.rows_of(keys, self._baseshape)
        if rows is None:
            return self
        grid = np.ix_(
            *(indexing.positions(s, n) for s, n in zip(keys, self.baseshape, strict=True))
        )
        baseshape = np.broadcast_shapes(*(axis.shape for axis in grid))
        labels = None if self._labels is None else self._labels[grid]
        return self._changed(self._records.take(rows), baseshape=baseshape, labels=labels)

    def _cut(self, values: list[Any]) -> Self:
        """Return the selected part of each record."""
        if all(isinstance(s, slice) and s == slice(None) for s in values):
            return self
        return self._stacked(_part, selectors=(slice(None), *values))

    # records to records

    def map(
        self,
        func: Callable[[Any], Any],
        value_shape: Shape | None = None,
        dtype: DTypeLike | None = None,
        with_keys: bool = False,
        *,
        block: bool = False,
        workers: int | None = None,
    ) -> Self:
        """Apply a function to each record.

        Parameters
        ----------
        func : callable
            From an array to an array or scalar; all results of one shape. A scalar gets length 1,
            and any other object becomes an element of dtype object.
        value_shape : tuple of int, optional
            Shape of the results.
        dtype : dtype, optional
            Data type to which results are cast, even where values change. By default that of the
            first result.
        with_keys : bool
            Call ``func((key, array))`` instead, the key a tuple of int.
        block : bool
            Call the function with several records at once, stacked along a new first axis; it
            gives one result for each. Where numpy does the work this is several times faster, and
            it uses every core; the number of records in a stack is unspecified.
        workers : int, optional
            Call the function in as many processes of this machine, which share memory with this
            one: for Python code of 0.1 ms a record and more. By default it is called here, one
            record after the other. On Spark it is called in Spark's own processes in any case.

        Raises
        ------
        WorkerFailedError
            When the function raises: with the key of the record and the traceback.
        SpecError
            When a result has another shape, or values that the dtype of the first cannot hold:
            names the key and both shapes or dtypes.

        Notes
        -----
        The dtype is that of the first result unless it is given. Results of another dtype are
        converted where no value changes, as 5 to 5.0 and 5.0 to 5; 5.5 after a first result that
        is an integer is an error, and ``dtype=float`` is what to give then.

        Unless both `value_shape` and `dtype` are given the function is first tried on the first
        record: on Spark, a job over one chunk.

        The processes of `workers` are forks of this one: any callable is accepted, and its side
        effects on objects of this process are lost.

        Examples
        --------
        >>> import thunderlike as tl
        >>> movie = tl.images.fromarray(np.arange(24.0).reshape(4, 2, 3))
        >>> movie.map(np.mean).toarray()
        array([ 2.5,  8.5, 14.5, 20.5])
        >>> movie.map(lambda stack: stack.mean(axis=(1, 2)), block=True).toarray()
        array([ 2.5,  8.5, 14.5, 20.5])
        """
        records = self._mapped(
            func, value_shape, dtype, with_keys=with_keys, block=block, workers=workers
        )
        return self._changed(records)

    def _mapped(
        self,
        func: Callable[[Any], Any],
        value_shape: Ints | None,
        dtype: DTypeLike | None,
        *,
        with_keys: bool,
        block: bool,
        workers: int | None,
    ) -> Records:
        processes = 1 if workers is None else workers
        if not is_whole(processes, 1):
            raise SpecError(f"workers must be a whole number from 1 on, not {workers!r}")
        if with_keys and block:
            raise SpecError(
                "with_keys and block exclude each other, leave out one: a function of stacked "
                "records gets no keys"
            )
        # Results without axes become records of length 1, as scalars do.
        shape = None if value_shape is None else as_shape(value_shape) or (1,)
        base = self._baseshape
        trial = StackFunction(func, base) if block else RecordFunction(func, base, with_keys)
        results = infer(self._records, trial, shape, dtype)
        if processes > 1 and results.dtype.hasobject:
            raise SpecError(
                "results that are objects cannot be returned from other processes: leave out "
                "workers"
            )
        kernel: Any = PerStack if block else PerRecord
        return self._records.map(kernel(trial, results, processes), results.shape, results.dtype)

    def _stacked(self, function: Callable[..., Array], **arguments: object) -> Self:
        """Apply a vectorised function of a block of records.

        It is called on an empty block first: that gives the shape and dtype of the results, and
        raises errors about arguments at once rather than in a worker.
        """
        kernel = Stacked(function, arguments)
        nothing = kernel(0, self._records.spec.empty(0))
        return self._changed(self._records.map(kernel, nothing.shape[1:], nothing.dtype))

    @property
    def _compiled(self) -> bool:
        """True where kernels run compiled loops, by the size of all records.

        The size of a block is no criterion: blocks differ between engines, and the two forms of a
        kernel may differ in the last digits.
        """
        return use_compiled(self._records.spec.size)

    def filter(self, func: Callable[[Any], Any]) -> Self:
        """Keep the records for which a function of the array is true.

        The records that are kept get the keys ``0 .. k-1``, in key order, with their labels. The
        function is called at once, for each record: one job on Spark.

        Examples
        --------
        >>> import thunderlike as tl
        >>> series = tl.series.fromarray([[1, 2], [8, 9], [5, 6]], labels=["a", "b", "c"])
        >>> bright = series.filter(lambda values: values.mean() > 4)
        >>> bright.toarray()
        array([[8, 9],
               [5, 6]])
        >>> bright.labels
        array(['b', 'c'], dtype='<U1')
        """
        kernel = Predicate(RecordFunction(func, self._baseshape))
        rows = np.flatnonzero(self._records.map(kernel, (), np.dtype(bool)).collect())
        labels = None if self._labels is None else self._labels.ravel()[rows]
        return self._changed(self._records.take(rows), baseshape=(len(rows),), labels=labels)

    def foreach(self, func: Callable[[Any], Any]) -> None:
        """Call ``func((key, array))`` for each record and drop the results.

        Parameters
        ----------
        func : callable
            Takes the key, a tuple of int, and the array. Locally it is called in key order; on
            Spark on the workers, where only external side effects, such as files, persist.

        Raises
        ------
        WorkerFailedError
            When it raises: with the key of the record.

        Examples
        --------
        >>> import thunderlike as tl
        >>> seen = {}
        >>> series = tl.series.fromarray([[1, 2], [8, 9]])
        >>> series.foreach(lambda record: seen.update({record[0]: record[1].tolist()}))
        >>> seen
        {(0,): [1, 2], (1,): [8, 9]}
        """

        def call(record: object) -> None:
            func(record)  # the result is not sent to the driver

        # Errors name the user's function.
        call.__name__ = name_of(func)
        kernel = PerObject(RecordFunction(call, self._baseshape, with_keys=True))
        done = self._records.map(kernel, (), np.dtype(object))
        done.aggregate(lambda _start, _block: None, lambda _one, _other: None)

    def sample(self, nsamples: int = 100, seed: int | None = None) -> Self:
        """Draw records at random without replacement, in random order.

        Parameters
        ----------
        nsamples : int
            Number of records; all if there are fewer.
        seed : int, optional
            The same seed draws the same records, on every engine.

        Returns
        -------
        Images or Series
            Local, with their labels; series in one row.

        Raises
        ------
        SpecError
            For a number less than 1.

        Examples
        --------
        >>> import thunderlike as tl
        >>> tl.series.fromrandom((4, 6, 10)).sample(5, seed=1).shape
        (5, 10)
        """
        if not is_whole(nsamples, 1):
            raise SpecError(f"cannot draw {nsamples!r} records: give a whole number from 1")
        size = min(int(nsamples), self.count())
        drawn = np.random.default_rng(seed).choice(self.count(), size, replace=False)
        order = np.argsort(drawn)
        values = self._records.spec.empty(size)
        values[order] = self._records.take(drawn[order]).collect()  # in key order: no shuffle
        labels = None if self._labels is None else self._labels.ravel()[drawn]
        records = local().load(ArraySource(values))
        return self._changed(records, baseshape=(size,), labels=labels)


def records_of(values: ArrayLike | Records | DistributedArray, ndim: int) -> Records:
    """Return the records of an argument of a constructor.

    Parameters
    ----------
    values : Records, array_like or DistributedArray
        An array has one axis of keys or more, then `ndim` axes of a record at most.
    """
    if isinstance(values, Records):
        return values
    if isinstance(values, DistributedArray):
        return cast("Records", values.keyed(values.ndim - ndim).records)
    array = as_array(values)
    return local().load(
        ArraySource(array.reshape(math.prod(array.shape[:-ndim]), *array.shape[-ndim:]))
    )


def checked_labels(labels: Labels | None, baseshape: Shape) -> Array | None:
    """Return labels as an array of the shape of the keys.

    Raises
    ------
    SpecError
        When they have another shape.
    """
    if labels is None:
        return None
    array = as_array(labels, "labels")
    if array.shape != baseshape:
        raise SpecError(f"labels have shape {array.shape}, the keys {baseshape}: give one for each")
    return array


def _part(block: Array, selectors: tuple[Any, ...]) -> Array:
    return np.ascontiguousarray(block[selectors])
