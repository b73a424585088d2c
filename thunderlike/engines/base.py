"""Engine contract: engines, records, sources, kernels, exchanges."""

from __future__ import annotations

import abc
import copy
import itertools
import math
from bisect import bisect_right
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeAlias, TypeVar

import numpy as np

from thunderlike._typing import Array
from thunderlike.engines.arrays import DistributedArray
from thunderlike.errors import EngineError, NotOnEngineError, SpecError, WrongTypeError
from thunderlike.kernels._validation import as_array, is_whole, same_values

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from numpy.typing import NDArray


__all__ = [
    "ArraySource",
    "Chunk",
    "Engine",
    "Exchange",
    "Kernel",
    "Key",
    "Pairing",
    "Records",
    "Source",
    "SourceDefaults",
    "Spec",
    "Stored",
    "Task",
    "align",
    "as_key",
    "as_pairs",
    "check_block",
    "check_distinct",
    "check_npartitions",
    "check_range",
    "checked_record",
    "detached",
]


Key: TypeAlias = tuple[int, ...]


def as_key(key: Any) -> Key:
    """Return a key as a tuple of int; an int becomes a tuple of one.

    Examples
    --------
    >>> as_key(3), as_key([1, 2])
    ((3,), (1, 2))
    """
    return tuple(int(k) for k in key) if isinstance(key, tuple | list) else (int(key),)


def check_distinct(keys: Sequence[Key]) -> None:
    """Raise SpecError if two of the sorted keys are equal."""
    for one, other in itertools.pairwise(keys):
        if one == other:
            raise SpecError(f"two records have the key {one}: give each record a key of its own")


def checked_record(key: Any, value: Any, spec: Spec, *, cast: bool = False) -> Array:
    """Return a record as an array of the expected shape and dtype, checked.

    Without `cast` only a conversion that changes no value is allowed.
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


Chunk: TypeAlias = tuple[int, Array]  # number of the first record, the block
Partial = TypeVar("Partial")
Result = TypeVar("Result")
Result_co = TypeVar("Result_co", covariant=True)


@dataclass(frozen=True)
class Spec:
    """Count, shape and dtype of records.

    Parameters
    ----------
    count : int
        Number of records.
    shape : tuple of int
        Shape of one record.
    dtype : numpy.dtype
        Data type of the records; ``object`` for arrays of different shapes.
    weight : int
        Approximate bytes of one record of dtype object, whose dtype has no size.

    Examples
    --------
    >>> Spec(10, (4, 6), np.dtype("int16")).nbytes
    480
    """

    count: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any] = field(default_factory=lambda: np.dtype(np.float64))
    weight: int = field(default=0, compare=False, repr=False)

    @property
    def record_bytes(self) -> int:
        """Bytes of one record, at least 1."""
        return max(1, self.weight or math.prod(self.shape) * self.dtype.itemsize)

    @property
    def size(self) -> int:
        """Numbers in all records."""
        return self.count * math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of all records."""
        return self.count * (self.weight or math.prod(self.shape) * self.dtype.itemsize)

    def empty(self, count: int | None = None) -> Array:
        """An uninitialised block of `count` records, or of all; EngineError without the memory."""
        shape = (self.count if count is None else count, *self.shape)
        try:
            return np.empty(shape, self.dtype)
        except (MemoryError, ValueError) as error:  # numpy's, for what no address can name
            raise EngineError(
                f"not enough memory for {self.dtype} of shape {shape}: take a part of it with "
                "start= and stop=, or engine='disk'"
            ) from error


class Source(Protocol):
    """Origin of records: a function from a range of records to a block.

    A source is pickled for workers in other processes; `part` keeps the pickle small.
    Inherit ``SourceDefaults`` for everything but `spec` and `read`.

    Examples
    --------
    >>> from thunderlike.engines import local
    >>> class Counting(SourceDefaults):
    ...     spec = Spec(4, (1,), np.dtype("int64"))
    ...
    ...     def read(self, start, stop, out):
    ...         out[:, 0] = range(start, stop)
    >>> local().load(Counting()).collect(1, 3).tolist()
    [[1], [2]]
    """

    @property
    def spec(self) -> Spec:
        """Count, shape and dtype of the records."""

    @property
    def cuts(self) -> Sequence[int] | None:
        """Numbers of records before which a range may begin or end, 0 and `count` among them.

        None, the default, where it may anywhere; a file that can only be read as a whole allows no
        cut within.
        """

    @property
    def stored(self) -> Stored | None:
        """The open file of the records where an engine may read it as it needs them, else None."""

    @property
    def array(self) -> Array | None:
        """All records as one array, where they are in this process or mapped from a disk.

        None, the default, where they have to be read. An engine may take it in place of reading.
        """

    @property
    def threads(self) -> int | None:
        """Number of ranges to read at once, for a source bound by latency.

        None, the default, for as many as there are workers.
        """

    def read(self, start: int, stop: int, out: Array) -> None:
        """Write records ``start .. stop-1`` into `out`, of shape ``(stop - start, *shape)``."""

    def transposed(self, nbytes: int) -> Source | None:
        """A source whose record j is element j of every record, as a flat array.

        Its ranges between `cuts`, or any of them where it has none, are read at about the cost of
        as many bytes of this source, and take at most `nbytes`. None, the default, where that is
        not so.
        """

    def part(self, start: int, stop: int) -> Source:
        """A source that needs to answer for these records only, under the same numbers.

        By default the source itself.
        """

    def check(self) -> None:
        """Raise StorageError if records were replaced since the first was read.

        By default nothing is checked. An engine that reads all records in one method calls it when
        all were read.
        """


class SourceDefaults:
    """Base class of sources, with defaults of the optional members of `Source`.

    Examples
    --------
    >>> source = SourceDefaults()
    >>> source.cuts, source.array, source.threads, source.part(2, 4) is source
    (None, None, None, True)
    """

    @property
    def cuts(self) -> Sequence[int] | None:
        """None: a range may begin and end anywhere."""
        return None

    @property
    def stored(self) -> Stored | None:
        """None: there is no open file."""
        return None

    @property
    def array(self) -> Array | None:
        """None: the records have to be read."""
        return None

    @property
    def threads(self) -> int | None:
        """None: as many as there are workers."""
        return None

    def transposed(self, nbytes: int) -> Source | None:  # noqa: ARG002
        """None: records are read as a whole."""
        return None

    def part(self, start: int, stop: int) -> Any:  # noqa: ARG002
        """The source itself: it is small."""
        return self

    def check(self) -> None:
        """Check nothing: no record is ever replaced."""


@dataclass(frozen=True)
class ArraySource:
    """Records that are an array in this process, of shape ``(count, *shape)``.

    Parameters
    ----------
    array : ndarray
        The records, stacked; kept in native byte order.
    offset : int
        Number of its first record.

    Examples
    --------
    >>> source = ArraySource(np.arange(6).reshape(3, 2))
    >>> block = np.empty((1, 2), int)
    >>> source.part(1, 3).read(2, 3, out=block)  # under the same numbers
    >>> block
    array([[4, 5]])
    """

    array: Array
    offset: int = 0

    cuts: ClassVar[None] = None
    threads: ClassVar[None] = None

    def __post_init__(self) -> None:
        # Kernels and compiled libraries want numbers in the byte order of the machine.
        if not self.array.dtype.isnative:
            native = self.array.astype(self.array.dtype.newbyteorder("="))
            object.__setattr__(self, "array", native)

    @property
    def spec(self) -> Spec:
        """Count, shape and dtype of the array."""
        return Spec(len(self.array), self.array.shape[1:], self.array.dtype)

    def read(self, start: int, stop: int, out: Array) -> None:
        """Copy records into `out`."""
        out[...] = self.array[start - self.offset : stop - self.offset]

    def transposed(self, nbytes: int) -> None:
        """None: the array is cut where it is."""

    def part(self, start: int, stop: int) -> ArraySource:
        """The part of the array that holds these records."""
        return ArraySource(self.array[start - self.offset : stop - self.offset], start)

    def check(self) -> None:
        """Check nothing: the array is in this process."""

    @property
    def stored(self) -> None:
        """None: the array is in this process."""


class Stored(Protocol):
    """Records of an open file on a disk of this machine, in native byte order."""

    def read(self, start: int, stop: int, out: Array) -> None:
        """Write records ``start .. stop-1`` into `out`; StorageError if the file has changed."""

    def mapped(self) -> Array:
        """All records as a private map of the file; StorageError if the file has changed.

        The system ends a process that touches pages of a map which the file has lost.
        """


class Kernel(Protocol):
    """Function of a block of records; inherit it for the defaults of `processes` and `repeatable`.

    Examples
    --------
    >>> from thunderlike.engines import local
    >>> class Doubled(Kernel):
    ...     vectorised = True
    ...
    ...     def __call__(self, start, block):
    ...         return 2 * block
    >>> records = local().load(ArraySource(np.arange(3)))
    >>> records.map(Doubled(), (), np.dtype(int)).collect()
    array([0, 2, 4])
    """

    @property
    def vectorised(self) -> bool:
        """True where the kernel may run on several threads at once.

        A kernel that calls a Python function for each record is not vectorised: its threads would
        wait for the interpreter lock.
        """

    @property
    def processes(self) -> int:
        """Number of processes to run it in; 1, the default, for the engine's own.

        An engine that has processes of its own, as Spark has, may ignore it.
        """
        return 1

    @property
    def repeatable(self) -> bool:
        """True for a function of this package, which an engine may run later, and again.

        By default false: a function of a user runs once for each record, at once on an engine that
        is not lazy.
        """
        return False

    def __call__(self, start: int, block: Array, /) -> Array:
        """From the block whose first record is number `start`, of shape ``(k, *shape)``."""


class Pairing(Protocol):
    """A vectorised function of two blocks that hold the same record numbers."""

    def __call__(self, left: Array, right: Array, /) -> Array:
        """From two blocks of ``k`` records to one."""


def detached(kernel: Kernel) -> Kernel:
    """Return a kernel of this package with copies of its arguments, and one of a user as it is.

    An engine that runs it later needs the arguments as they were when the method was called.
    """
    return copy.deepcopy(kernel) if kernel.repeatable else kernel


class Exchange(Protocol):
    """Construction of new records out of pieces of old ones.

    The engine asks every old block for its piece of every range of new records, brings the pieces
    of a range together, and has them placed in one array; the order of arrival does not matter.
    """

    @property
    def spec(self) -> Spec:
        """Count, shape and dtype of the new records."""

    def cut(self, start: int, block: Array, first: int, last: int) -> Any:
        """Return the piece of `block` that new records ``first .. last-1`` need, None for none.

        Arrays in it may be views of the block.
        """

    def place(self, out: Array, first: int, piece: Any) -> None:
        """Write a piece into `out`, which holds new records from number `first` on."""


class Task(Protocol[Result_co]):
    """Function of the items of one partition.

    An engine may call it again for a partition whose worker died; the second call must have the
    same effect.
    """

    def __call__(self, number: int, attempt: str, items: Iterable[Any], /) -> Result_co:
        """Run over the items of partition `number`.

        `attempt` is a word that differs between attempts at one partition, to be used in the names
        of files; empty where there is only ever one.
        """


class Engine(abc.ABC):
    """Brings records in; :class:`Records` are what it makes.

    Attributes
    ----------
    name : str
        The `mode` of collections, for display.
    lazy : bool
        Records are computed when their values are needed, and not by the method that makes them;
        by default false.
    in_process : bool
        Records are computed in this process, by threads; by default false.
    default_npartitions : int
        Number of parts that keep it busy; by default 1.

    Examples
    --------
    >>> from thunderlike.engines import engine_for
    >>> engine = engine_for("local")
    >>> engine.name, engine.load(ArraySource(np.zeros((3, 2)))).spec.count
    ('local', 3)
    """

    name: str
    lazy: ClassVar[bool] = False
    in_process: ClassVar[bool] = False

    @abc.abstractmethod
    def load(self, source: Source, npartitions: int | None = None) -> Records:
        """Records of a source, read when they are needed or at once.

        Parameters
        ----------
        source : Source
            Where they are; read in ranges, on several workers at once.
        npartitions : int, optional
            Parts to spread them over; by default chosen from their size.
        """

    @abc.abstractmethod
    def adopt(
        self, native: Any, key_shape: tuple[int, ...] | None, spec: Spec | None, *, ordered: bool
    ) -> Records:
        """Records from the engine's own form of ``(key, array)`` pairs.

        Parameters
        ----------
        native : object
            An RDD on Spark; any iterable of pairs locally.
        key_shape : tuple of int, optional
            Keys are positions in an array of this shape; without it they are ranked in order.
        spec : Spec, optional
            Shape and dtype of the records, where the caller knows them.
        ordered : bool
            The pairs come in key order.
        """

    @property
    def default_npartitions(self) -> int:
        """Number of parts that keep the engine busy; 1 in one process."""
        return 1

    def sized(self, spec: Spec) -> Engine:  # noqa: ARG002
        """Return the engine that loads records of this spec; by default itself.

        Examples
        --------
        >>> from thunderlike.engines import engine_for
        >>> engine_for("auto").sized(Spec(10, (4, 6)))
        LocalEngine()
        """
        return self

    def copy(self, records: Records) -> Records:
        """Copy the records of any engine to this one; they are computed.

        By default through one array in this process.
        """
        return self.load(ArraySource(records.collect()))

    def accept(self, records: Records) -> Records:
        """Return records as those of this engine, for a verb that takes two collections.

        Those of an equal engine as they are. An engine that is `in_process` loads those of another
        such engine, where Spark would have to move them.

        Raises
        ------
        NotOnEngineError
            For records of an engine whose records this one cannot take.

        Examples
        --------
        >>> from thunderlike.engines import ArraySource, engine_for, local
        >>> records = local().load(ArraySource(np.arange(3)))
        >>> local().accept(records) is records, engine_for("disk").accept(records).engine
        (True, DiskEngine())
        """
        if records.engine == self:
            return records
        if self.in_process and records.engine.in_process:
            return self.copy(records)
        raise NotOnEngineError(
            f"collections on different engines, {self.name} and {records.engine.name}: "
            "call .tolocal() or .tospark(sc) on one of them"
        )

    def quiet(self) -> None:  # noqa: B027  # most engines log nothing
        """Silence the log of failed tasks of the engine: their errors are raised anyway.

        By default there is no such log.
        """

    def spread(self, parts: Sequence[Any], expand: Callable[[Any], Iterable[Any]]) -> Any:
        """Return the items of all parts, in the engine's own form; nothing is expanded yet.

        By default an iterator.

        Parameters
        ----------
        parts : sequence
            Small, for they are sent to the workers; one partition for each.
        expand : callable
            From a part to its items.

        Examples
        --------
        >>> from thunderlike.engines import local
        >>> list(local().spread([2, 3], range))
        [0, 1, 0, 1, 2]
        """
        return itertools.chain.from_iterable(map(expand, parts))

    def run_partitions(
        self,
        items: Any,
        task: Task[Result],
        *,
        here: bool = False,  # noqa: ARG002
    ) -> list[Result]:
        """Run a task over each partition of items in the engine's own form.

        By default all items are one partition, in this process.

        Parameters
        ----------
        items : object
            As `spread` returns them: an RDD on Spark, any iterable otherwise.
        task : Task
            What to run.
        here : bool
            Run it once, in this process, over all items in order: for targets that other
            processes cannot reach.

        Returns
        -------
        list
            Result of each partition in order, from the attempt that succeeded.

        Examples
        --------
        >>> from thunderlike.engines import local
        >>> local().run_partitions([1, 2, 3], lambda number, attempt, items: sum(items))
        [6]
        """
        return [task(0, "", items)]


class Records(abc.ABC):
    """Records held by an engine; never changed, every method makes new ones.

    Attributes
    ----------
    engine : Engine
        The engine that holds them.
    spec : Spec
        Count, shape and dtype, known without computing anything.
    npartitions : int
        Parts that they are spread over.
    iscached : bool
        Whether computed records are kept.
    in_memory : bool
        All records are one array in this process, or in one file that it holds open: `collect`
        computes nothing, and `array` is a numpy array. By default false.

    Examples
    --------
    >>> from thunderlike.engines import local
    >>> records = local().load(ArraySource(np.arange(6).reshape(3, 2)))
    >>> records.take(np.array([2, 0])).collect()
    array([[4, 5],
           [0, 1]])
    >>> int(records.aggregate(lambda start, block: block.sum(), np.add))
    15
    """

    engine: Engine
    spec: Spec
    npartitions: int
    iscached: bool

    @property
    def in_memory(self) -> bool:
        """True where all records are one array in this process, or one open file."""
        return False

    @abc.abstractmethod
    def map(self, kernel: Kernel, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Records:
        """Apply a kernel to each block; its records have this shape and dtype."""

    @abc.abstractmethod
    def combine(
        self, other: Records, pairing: Pairing, shape: tuple[int, ...], dtype: np.dtype[Any]
    ) -> Records:
        """Apply a pairing to these and as many other records of the same engine."""

    @abc.abstractmethod
    def take(self, rows: NDArray[np.int64]) -> Records:
        """The records of these numbers, in this order; a number may come again."""

    @abc.abstractmethod
    def concat(self, others: Sequence[Records]) -> Records:
        """These records, then those of each of the others: all of one shape, dtype and engine."""

    @abc.abstractmethod
    def regroup(self, exchange: Exchange, nbytes: int | None = None) -> Records:
        """Make new records out of pieces of these; on Spark, a shuffle.

        Parameters
        ----------
        exchange : Exchange
            Says which piece goes where.
        nbytes : int, optional
            Bytes of the blocks put together; by default chosen from the size of all.
        """

    @abc.abstractmethod
    def aggregate(
        self,
        partial: Callable[[int, Array], Partial],
        merge: Callable[[Partial, Partial], Partial],
        nbytes: int = 0,
    ) -> Partial:
        """Compute a partial of each block and merge them, in the order of the records.

        At least one partial is computed: of an empty block when there is no record. A partial has
        about `nbytes`: an engine does not bring many large ones to one place.
        """

    @abc.abstractmethod
    def collect(self, start: int = 0, stop: int | None = None) -> Array:
        """Records ``start .. stop-1`` as one array of shape ``(stop - start, *shape)``.

        Only what these records need is computed. The array may be the engine's own: never write
        into it.
        """

    @abc.abstractmethod
    def stream(self) -> Iterator[Chunk]:
        """All blocks in order, a few of them in memory at a time."""

    @abc.abstractmethod
    def cache(self) -> None:
        """Keep the computed records for later calls."""

    @abc.abstractmethod
    def uncache(self) -> None:
        """Release the records that `cache` keeps."""

    @abc.abstractmethod
    def repartition(self, npartitions: int) -> Records:
        """Spread the same records, in the same order, over `npartitions` parts."""

    def native(self, key_shape: tuple[int, ...]) -> Any:
        """The engine's own form of ``(key, array)`` pairs, in key order, keys tuples of int.

        By default an iterator.
        """
        return as_pairs(self.stream(), key_shape)

    def run_partitions(self, task: Task[Result], *, here: bool = False) -> list[Result]:  # noqa: ARG002
        """Run a task over the blocks of each partition; as :meth:`Engine.run_partitions`.

        By default all blocks are one partition, in this process.

        Examples
        --------
        >>> from thunderlike.engines import local
        >>> records = local().load(ArraySource(np.arange(3)))
        >>> records.run_partitions(lambda number, attempt, blocks: len(list(blocks)))
        [1]
        """
        return [task(0, "", self.stream())]

    def array(self, key_shape: tuple[int, ...]) -> Array | DistributedArray:
        """All records as one array of shape ``(*key_shape, *spec.shape)``; nothing is computed.

        By default an array that computes its values when they are asked for; where the records are
        `in_memory`, that numpy array.
        """
        return DistributedArray(self, key_shape)


def as_pairs(
    chunks: Iterable[Chunk], key_shape: tuple[int, ...]
) -> Iterator[tuple[tuple[int, ...], Array]]:
    """Split blocks into ``(key, array)`` pairs, keys the positions in an array of this shape.

    Examples
    --------
    >>> list(as_pairs([(2, np.array([7, 8]))], (2, 2)))
    [((1, 0), np.int64(7)), ((1, 1), np.int64(8))]
    """
    for start, block in chunks:
        keys = np.unravel_index(np.arange(start, start + len(block)), key_shape)
        yield from zip(zip(*(k.tolist() for k in keys), strict=True), block, strict=True)


def align(ranges: Sequence[tuple[int, int]], cuts: Sequence[int] | None) -> list[tuple[int, int]]:
    """Move the ends of consecutive ranges back to allowed cuts; empty ranges are dropped.

    Examples
    --------
    >>> align([(0, 2), (2, 4), (4, 6)], cuts=[0, 3, 6])
    [(0, 3), (3, 6)]
    """
    if cuts is None:
        return list(ranges)
    ends = [0, *(cuts[bisect_right(cuts, stop) - 1] for _, stop in ranges)]
    return [(a, b) for a, b in itertools.pairwise(ends) if b > a]


def check_npartitions(npartitions: int | None) -> None:
    """Raise SpecError unless records can be spread over so many parts; None leaves the choice."""
    if npartitions is not None and (isinstance(npartitions, bool) or not is_whole(npartitions, 1)):
        raise SpecError(f"npartitions must be a whole number, at least 1, not {npartitions!r}")


def check_range(spec: Spec, start: int, stop: int | None) -> tuple[int, int]:
    """Clip a range of records to ``0 .. count``."""
    last = spec.count if stop is None else min(stop, spec.count)
    return min(max(start, 0), last), last


def check_block(block: Array, count: int, spec: Spec, start: int) -> Array:
    """Check the shape and dtype that a kernel returned against those declared."""
    if block.shape != (count, *spec.shape):
        raise SpecError(
            f"records {start} to {start + count - 1} came out with shape {block.shape[1:]}, "
            f"declared was {spec.shape}: give value_shape the shape that the function returns"
        )
    found = same_values(block, spec.dtype)
    if found is None:
        raise WrongTypeError(
            f"records {start} to {start + count - 1} came out as {block.dtype}, whose values do "
            f"not fit in {spec.dtype}, which was declared"
        )
    return found
