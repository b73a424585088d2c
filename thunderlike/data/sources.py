"""Sources of records: functions, messages, samples of datasets."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from thunderlike import storage
from thunderlike.data._user_functions import converted, raised_by
from thunderlike.data.file_sources import FileSource, Loader, alike, naming, whole
from thunderlike.engines.base import SourceDefaults, Spec
from thunderlike.errors import (
    CorruptDatasetError,
    FormatError,
    NotFoundError,
    SpecError,
    ThunderlikeError,
    WrongTypeError,
)
from thunderlike.formats.dataset_files import APPENDING, KEYS, OFFSETS, decode_keys, decode_offsets
from thunderlike.formats.msgpack import unpackb
from thunderlike.formats.registry import FORMATS, by_magic
from thunderlike.kernels._validation import as_array, as_dtype, same_values

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from numpy.typing import DTypeLike, NDArray

    from thunderlike._typing import Array, Shape
    from thunderlike.storage import Entry

__all__ = [
    "SIDECARS",
    "Accessed",
    "ListSource",
    "RandomSource",
    "SampleLoader",
    "SampleReader",
    "SampleSource",
    "accessed",
    "decoded",
    "list_source",
    "message_source",
    "pairs_spec",
    "positions",
    "stacked",
]


@dataclass(frozen=True)
class ListSource(SourceDefaults):
    """Records that a function gives for the items of a list.

    Parameters
    ----------
    spec : Spec
        All records.
    items : sequence
        Anything; pickled for workers elsewhere.
    accessor : callable
        From an item to an array.
    offset : int
        Number of the first item.
    cast : bool
        Convert other dtypes, whatever that does to the values; by default only where none changes.
    """

    spec: Spec
    items: Sequence[Any]
    accessor: Callable[[Any], Any]
    offset: int = 0
    cast: bool = False

    def read(self, start: int, stop: int, out: Array) -> None:
        """Call the function for each item."""
        for row, number in enumerate(range(start, stop)):
            array = _array_of(self.accessor, self.items[number - self.offset], number)
            if array.shape != self.spec.shape:
                raise SpecError(
                    f"item {number} has shape {array.shape}, the first {self.spec.shape}: "
                    "all must be equal"
                )
            found = converted(array, self.spec.dtype, cast=self.cast)
            if found is None:
                raise WrongTypeError(
                    f"item {number} has dtype {array.dtype}, whose values do not fit in "
                    f"{self.spec.dtype}: give dtype= a dtype that holds all items"
                )
            out[row] = found

    def part(self, start: int, stop: int) -> ListSource:
        """Only these items."""
        items = self.items[start - self.offset : stop - self.offset]
        return replace(self, items=items, offset=start)


@dataclass(frozen=True)
class RandomSource(SourceDefaults):
    """Normal random numbers; record `v` depends on `seed` and `v` alone.

    Examples
    --------
    >>> one = RandomSource(Spec(5, (2,)), seed=1)
    >>> all_of_it, tail = one.spec.empty(), one.spec.empty(2)
    >>> one.read(0, 5, all_of_it)
    >>> one.read(3, 5, tail)
    >>> bool((all_of_it[3:] == tail).all())
    True
    """

    spec: Spec
    seed: int

    def read(self, start: int, stop: int, out: Array) -> None:
        """Draw each record with a generator of its own."""
        for row, number in enumerate(range(start, stop)):
            # A generator for each record: a range has the same numbers wherever it begins.
            out[row] = np.random.default_rng([self.seed, number]).standard_normal(self.spec.shape)


def stacked(values: object, what: str) -> Array:
    """An array, or an error that names the first two shapes which differ."""
    if not isinstance(values, list | tuple):
        array = as_array(values)
        # numpy makes an array without axes of any object.
        if array.ndim == 0 and array.dtype.kind not in "biufc":
            raise WrongTypeError(
                f"an array, or a list of arrays, is needed, not {type(values).__name__}"
            )
        return array
    arrays = [as_array(value, f"{what} {number}") for number, value in enumerate(values)]
    for number, array in enumerate(arrays):
        if array.shape != arrays[0].shape:
            raise SpecError(
                f"{what} {number} has shape {array.shape}, the first {arrays[0].shape}: "
                "all must be equal"
            )
    return np.asarray(arrays)


def list_source(
    items: list[Any],
    accessor: Callable[[Any], object],
    dims: Sequence[int] | None,
    dtype: DTypeLike | None,
) -> ListSource:
    """Make a source of items, of which the first is tried unless shape and dtype are given."""
    if dims is None or dtype is None:
        if not items:
            raise SpecError("there are no items: give dims and dtype to say what they would be")
        first = _array_of(accessor, items[0], 0)
    shape = first.shape if dims is None else tuple(dims) or (1,)
    spec = Spec(len(items), shape, first.dtype if dtype is None else as_dtype(dtype))
    return ListSource(spec, items, accessor, cast=dtype is not None)


def pairs_spec(rdd: Any, shape: tuple[int, ...] | None, dtype: DTypeLike | None) -> Spec | None:
    """Shape and dtype of the records of an RDD of pairs where the caller gave a dtype, else None.

    Without `shape`, one small job reads it from the first record.
    """
    if dtype is None:
        return None
    if shape is None:
        if rdd.isEmpty():
            raise SpecError("the RDD has no records: give dims and dtype to say what they would be")
        shape = np.shape(rdd.first()[1])
    # The engine counts the records itself.
    return Spec(0, tuple(shape), as_dtype(dtype))


def _array_of(accessor: Callable[[Any], Any], item: object, number: int) -> Array:
    """Return the result of the function for one item as an array."""
    try:
        return np.atleast_1d(as_array(accessor(item)))
    except WrongTypeError as error:
        raise WrongTypeError(f"item {number}: {error}") from error
    except ThunderlikeError:
        raise
    except (Exception, SystemExit) as error:
        raise raised_by(accessor, error, (number,)) from error


SIDECARS = (storage.SUCCESS, "conf.json")  # files that writers add to a folder


def accessed(
    files: Sequence[Entry],
    accessor: Callable[[bytes], Any] | None,
    naxes: int,
    dims: Sequence[int] | None = None,
    dtype: DTypeLike | None = None,
) -> tuple[FileSource, tuple[int, ...]]:
    """Make a source of arrays, each the function of the bytes of a file.

    Parameters
    ----------
    accessor : callable, optional
        By default the first bytes of a file identify its format.
    naxes : int
        Axes of a record: 1 for series, whose further axes are keys; 2 or more for images.
    dims, dtype : optional
        Of each array; unless both are given, `accessor` is called on the first file.

    Returns
    -------
    FileSource
        Of all records.
    tuple of int
        Shape of each array.
    """
    first_file, read = files[0], accessor or decoded
    if dims is None or dtype is None:
        with naming(first_file.path):
            first = _called(read, first_file)
        dims, dtype = dims or first.shape, dtype or first.dtype
    shape = tuple(dims)
    if len(shape) < naxes:
        raise SpecError(
            f"{first_file.path}: at least {naxes} axes are needed, this has shape {shape}"
        )
    record = shape[-1:] if naxes == 1 else shape
    # max: an array of no elements may have records of length 0.
    count = math.prod(shape) // max(math.prod(record), 1)
    load, dtype = Accessed(read, shape), np.dtype(dtype).newbyteorder("=")
    # A function of all bytes gives all records of a file at once: hence `whole`.
    return FileSource.of(files, [count] * len(files), record, dtype, load, whole=True), shape


def decoded(data: bytes) -> Array:
    """Return the array in a file, whose first bytes identify its format.

    Raises
    ------
    FormatError
        For bytes of no format that is known here.
    """
    found = by_magic(data)
    if found is None or found.decode is None:
        known = ", ".join(one.module or one.name for one in FORMATS.values() if one.decode)
        raise FormatError(
            f"begins with {data[:8]!r}, not one of {known}: read it with accessor= of frompath"
        )
    decoded: Array = found.decode(data)
    return decoded


@dataclass(frozen=True)
class Accessed(Loader):
    """Records of the array that a function makes of the bytes of a file.

    Parameters
    ----------
    accessor : callable
        The function.
    shape : tuple of int
        Of the array.
    """

    accessor: Callable[[bytes], Any]
    shape: tuple[int, ...]

    def read(self, file: Entry, first: int, last: int, out: Array) -> None:
        """Call it."""
        found = _called(self.accessor, file)
        dtype = found.dtype.newbyteorder("=")
        if found.shape != self.shape or dtype != out.dtype:
            raise FormatError(
                f"holds {dtype} of shape {found.shape}, the first file {out.dtype} of shape "
                f"{self.shape}: all must be equal"
            )
        out[...] = found.reshape(-1, *out.shape[1:])[first:last]


def _called(accessor: Callable[[bytes], Any], file: Entry) -> Array:
    data = whole(file)
    try:
        return np.asarray(accessor(data))
    except ThunderlikeError:
        raise
    except (Exception, SystemExit) as error:
        raise raised_by(accessor, error, file.path) from error


class SampleReader(Protocol):
    """Reader of ``thunderlike.datasets``, or a view of one."""

    def __len__(self) -> int:
        """Return the number of samples."""

    def get(self, index: int) -> Any:
        """Return one sample."""

    def slice(self, start: int, stop: int) -> Iterator[Any]:
        """Iterate over a range of samples."""


@dataclass(frozen=True)
class SampleSource(SourceDefaults):
    """One field of each sample: an array, or the bytes of a TIFF, PNG or npy file.

    Parameters
    ----------
    spec : Spec
        All records.
    reader : Samples
        Pickled for workers elsewhere, which open it themselves.
    field : str
        Of each sample.
    """

    spec: Spec
    reader: SampleReader
    field: str

    @classmethod
    def of(cls, reader: SampleReader, field: str, naxes: range) -> SampleSource:
        """Look at the first sample for shape and dtype.

        Raises
        ------
        SpecError
            When there is no sample, or its field has another number of axes.
        """
        if not len(reader):
            raise SpecError("the dataset has no samples, of which there must be one to look at")
        first = _array(reader.get(0), field)
        if first.ndim not in naxes:
            raise SpecError(
                f"the first sample's {field!r} has shape {first.shape}, "
                f"and {naxes[0]} to {naxes[-1]} axes are needed"
            )
        # Kernels take native byte order alone.
        dtype = first.dtype.newbyteorder("=")
        return cls(Spec(len(reader), first.shape, dtype), reader, field)

    def read(self, start: int, stop: int, out: Array) -> None:
        """Read the samples of a range, and of each the field."""
        for row, sample in enumerate(self.reader.slice(start, stop)):
            array = _array(sample, self.field)
            if array.shape != self.spec.shape:
                raise SpecError(
                    f"sample {start + row} ({sample.get('key')!r}): {self.field!r} has shape "
                    f"{array.shape}, in the first {self.spec.shape}: all must be equal"
                )
            found = same_values(array, self.spec.dtype)
            if found is None:
                raise SpecError(
                    f"sample {start + row} ({sample.get('key')!r}): {self.field!r} is "
                    f"{array.dtype}, in the first {self.spec.dtype}, which does not hold its values"
                )
            out[row] = found


def _array(sample: Mapping[str, Any], field: str) -> Array:
    if field not in sample:
        names = ", ".join(map(repr, sample))
        raise SpecError(f"sample {sample.get('key')!r} has no field {field!r}; it has {names}")
    value = sample[field]
    # Bytes are the content of a file, such as a PNG.
    if not isinstance(value, bytes):
        return np.asarray(value)
    try:
        return decoded(value)
    except FormatError as error:
        raise SpecError(f"sample {sample.get('key')!r}: {field!r} {error}") from error


def message_source(files: Sequence[Entry], field: str) -> tuple[FileSource, list[str]]:
    """Find the arrays in the samples of shards, and the key of the last sample of each.

    The offsets and keys of all shards are read, and the first sample.
    """
    offsets = {file.path: _offsets(file) for file in files}
    counts = [len(offsets[file.path]) - 1 for file in files]
    # Shards may be empty.
    first = next((file for file, count in zip(files, counts, strict=True) if count), None)
    if first is None:
        raise SpecError(f"{files[0].path}: there are no samples")
    load = SampleLoader(field, offsets)
    with naming(first.path):
        example = load.array(first, 0)
    source = FileSource.of(files, counts, example.shape, example.dtype, load)
    last_keys = []
    for file, count in zip(files, counts, strict=True):
        if count:
            place = _sidecar(file.path, KEYS)
            keys = decode_keys(storage.read(place))
            if not keys:
                raise CorruptDatasetError(f"{place}: names none of the samples")
            last_keys.append(keys[-1])
    return source, last_keys


def positions(keys: Sequence[str], count: int) -> Shape:
    """Shape of the keys, if they are positions such as ``'00003-00017'``, else all in a row.

    Examples
    --------
    >>> positions(["00001-00002"], 6), positions(["cat"], 6)
    ((2, 3), (6,))
    """
    # The last key has the largest position along every axis: keys are in C order.
    last = keys[-1].split("-")
    if not all(part.isdecimal() for part in last):
        return (count,)
    shape = tuple(int(part) + 1 for part in last)
    # Keys of other writers may look like positions; ours fill their shape.
    return shape if int(np.prod(shape)) == count else (count,)


@dataclass(frozen=True)
class SampleLoader(Loader):
    """The arrays in one field of the samples of each shard.

    Parameters
    ----------
    field : str
        Its name.
    offsets : mapping
        Where the samples of each shard begin, and where the last ends.
    origins : mapping
        Number of the sample at the first of these offsets; 0 by default.
    """

    field: str
    offsets: Mapping[str, NDArray[np.uint64]]
    origins: Mapping[str, int] | None = None

    def read(self, file: Entry, first: int, last: int, out: Array) -> None:
        """Read the messages of these samples in one range."""
        for row, array in enumerate(self._arrays(file, first, last)):
            alike(array.shape, array.dtype, out)
            out[row] = array

    def part(self, wanted: Mapping[str, tuple[int, int]]) -> SampleLoader:
        """Return the loader restricted to these samples."""
        offsets = {path: self.offsets[path][a : b + 1] for path, (a, b) in wanted.items()}
        return replace(self, offsets=offsets, origins={path: a for path, (a, _) in wanted.items()})

    def array(self, file: Entry, number: int) -> Array:
        """Return the array of one sample."""
        return self._arrays(file, number, number + 1)[0]

    def _arrays(self, file: Entry, first: int, last: int) -> list[Array]:
        origin = (self.origins or {}).get(file.path, 0)
        edges = [int(edge) for edge in self.offsets[file.path][first - origin : last - origin + 1]]
        with storage.open(file.path, identity=file.identity) as version:
            # One range for all: samples stand one after the other.
            data = version.read_range(edges[0], edges[-1] - edges[0])
        # A range that reaches past the end comes back short.
        if len(data) < edges[-1] - edges[0]:
            raise FormatError(f"truncated: samples end at byte {edges[-1]}")
        return [
            self._field(data[a - edges[0] : b - edges[0]], number)
            for number, (a, b) in enumerate(itertools.pairwise(edges), first)
        ]

    def _field(self, message: bytes, number: int) -> Array:
        sample = unpackb(message)
        if not isinstance(sample, dict) or self.field not in sample:
            there = ", ".join(map(str, sample)) if isinstance(sample, dict) else "no fields"
            raise FormatError(f"sample {number} has {there}, no {self.field!r}: name a field=")
        array = np.asarray(sample[self.field])
        if array.dtype.kind not in "buifc":
            raise FormatError(f"sample {number}: {self.field!r} is {array.dtype}, not numbers")
        return array


def _offsets(file: Entry) -> NDArray[np.uint64]:
    """Read where the samples of a file begin, and make sure that the last one ends with it."""
    place = _sidecar(file.path, OFFSETS)
    try:
        data = storage.read(place)
    except NotFoundError as error:
        raise FormatError(f"{file.path}: has no file {OFFSETS} next to it: {error}") from error
    with naming(file.path):
        offsets = decode_offsets(data)
    last = int(offsets[-1])
    # During an append the index still ends at the old end, which stays valid.
    if last != file.size and last != _kept(file):
        cut, named = "truncated, " if file.size < last else "", place.rpartition("/")[2]
        raise CorruptDatasetError(
            f"{file.path}: has {file.size} bytes, and {named} ends at byte {last}: it was {cut}"
            "replaced while it was read, or the two files do not belong together; read it or copy "
            f"its files again, or make the index with: thunderlike datasets reindex {file.path}"
        )
    return offsets


def _kept(file: Entry) -> int | None:
    """Return how many bytes there were before an append that goes on, or was stopped."""
    try:
        return int.from_bytes(storage.read(_sidecar(file.path, APPENDING)), "big")
    except NotFoundError:
        return None


def _sidecar(path: str, suffix: str) -> str:
    return storage.join(storage.parent(path), path.rpartition("/")[2] + suffix)
