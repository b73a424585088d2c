"""Sources of records in files of whole arrays: npy, HDF5, Zarr, msgpack."""

from __future__ import annotations

import itertools
import math
import os
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol, Self

import numpy as np

from thunderlike import storage
from thunderlike.data.file_sources import FileSource, Loader, Packed, naming, whole
from thunderlike.engines import Spec
from thunderlike.errors import FormatError, NotFoundError, SpecError
from thunderlike.formats import hdf5, npy, ome_zarr, zarr
from thunderlike.formats.hdf5 import Dataset
from thunderlike.parallel.threads import tmap
from thunderlike.storage import Entry
from thunderlike.storage._open import local_file, open_file, open_shared
from thunderlike.storage.base import replaced
from thunderlike.storage.glob import whole_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from thunderlike._typing import Array, Shape
    from thunderlike.storage import AnyCredentials, AnyPaths

__all__ = [
    "ArrayFormat",
    "Folder",
    "Hdf5",
    "ImageSlabs",
    "Npy",
    "SeriesSlabs",
    "Zarr",
    "folders",
    "image_source",
    "series_source",
]


class ArrayFormat(Protocol):
    """A kind of file that holds an array."""

    def look(self, file: Entry) -> Dataset:
        """Say what it holds, without the values."""

    def read(self, file: Entry, axis: int, start: int, stop: int, out: Array) -> None:
        """Read positions ``start .. stop-1`` of an axis, which becomes the first."""

    def part(self, axis: int, wanted: Mapping[str, range]) -> Self:
        """Return the format restricted to these chunks along an axis of these files."""

    @property
    def versions(self) -> Sequence[tuple[str, str | None]]:
        """Names and versions of files within the files, where those are folders."""

    def check(self) -> None:
        """Raise StorageError if files within the files have been replaced."""

    def unpinned(self) -> Self:
        """The same for files that were copied to another place."""


@dataclass(frozen=True)
class Npy:
    """One ``.npy`` file, in any order of axes and bytes."""

    def look(self, file: Entry) -> Dataset:
        """Read its header."""
        with open_file(file.path, identity=file.identity) as stream:
            found = npy.layout(stream)
            there = stream.seek(0, os.SEEK_END) - found.begin
        if there < (wanted := math.prod(found.shape) * found.stored.itemsize):
            raise FormatError(f"truncated: expected {wanted} bytes of numbers, found {there}")
        return Dataset("", found.shape, found.stored.newbyteorder("="))

    def read(self, file: Entry, axis: int, start: int, stop: int, out: Array) -> None:
        """Read the part of a file on a disk here, all of one elsewhere."""
        if local_file(file.path) is None:
            # Elsewhere a part may be many short runs, each a request: the file is read as a whole.
            part = (slice(None),) * axis + (slice(start, stop),)
            out[...] = np.moveaxis(npy.decode(whole(file))[part], axis, 0)
            return
        with open_file(file.path, identity=file.identity) as stream:
            npy.read_part(stream, npy.layout(stream), axis, start, stop, out)

    def part(self, axis: int, wanted: Mapping[str, range]) -> Npy:  # noqa: ARG002
        """The same: it knows nothing of the files."""
        return self

    @property
    def versions(self) -> Sequence[tuple[str, str | None]]:
        """Return nothing: an array is one file."""
        return ()

    def check(self) -> None:
        """Do nothing: an array is one file."""

    def unpinned(self) -> Npy:
        """The same: it knows nothing of the files."""
        return self


@dataclass(frozen=True)
class Hdf5:
    """An array in an HDF5 file, by its name in there."""

    dataset: str | None

    def look(self, file: Entry) -> Dataset:
        """Read what the file says of it."""
        with open_shared(file.path, identity=file.identity) as stream:
            return hdf5.describe(stream, self.dataset)

    def read(self, file: Entry, axis: int, start: int, stop: int, out: Array) -> None:
        """Read the chunks that hold it."""
        with open_shared(file.path, identity=file.identity) as stream:
            # Without a name, the only array of each file is read, whatever it is called there.
            name = self.dataset or hdf5.describe(stream).name
            hdf5.read(stream, name, axis, start, stop, out)

    def part(self, axis: int, wanted: Mapping[str, range]) -> Hdf5:  # noqa: ARG002
        """The same: it knows nothing of the files."""
        return self

    @property
    def versions(self) -> Sequence[tuple[str, str | None]]:
        """Return nothing: an array is one file."""
        return ()

    def check(self) -> None:
        """Do nothing: an array is one file."""

    def unpinned(self) -> Hdf5:
        """The same: it knows nothing of the files."""
        return self


@dataclass(frozen=True)
class Zarr:
    """A Zarr array, by its name in the folder.

    Parameters
    ----------
    dataset : str or None
        Its name.
    listings : mapping
        The files of each folder as they were listed, by their names in it, and the identity of
        each: a chunk that was replaced since, or has vanished, is not read as something else.
    """

    dataset: str | None
    listings: Mapping[str, Mapping[str, str | None]] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, places: Sequence[Entry], dataset: str | None) -> Zarr:
        """The array of that name; without one the folder, or the largest of an OME-Zarr."""
        first = places[0].path
        with naming(first):
            name = dataset or ome_zarr.largest(Folder(first, _names(first, recursive=False)))
        return cls(name, {place.path: _listing(place.path, name) for place in places})

    def look(self, file: Entry) -> Dataset:
        """Read what the folder says of it, and OME's metadata above it."""
        folder = self._folder(file)
        found = zarr.describe(folder, self.dataset)
        above = ome_zarr.attrs(folder, self.dataset) if self.dataset else {}
        return replace(found, attrs={**found.attrs, **above})

    def read(self, file: Entry, axis: int, start: int, stop: int, out: Array) -> None:
        """Read the chunks that hold it."""
        folder = self._folder(file)
        zarr.read(folder, self.dataset or "", axis, start, stop, out)
        folder.check()

    def part(self, axis: int, wanted: Mapping[str, range]) -> Zarr:
        """Only what was listed of these chunks along an axis, and all that is not a chunk."""
        prefix = f"{self.dataset.strip('/')}/" if self.dataset else ""
        listings = {
            path: {
                name: identity
                for name, identity in self.listings[path].items()
                # None is the metadata, which every task reads.
                if _chunk_along(name.removeprefix(prefix), axis) in (None, *numbers)
            }
            for path, numbers in wanted.items()
        }
        return replace(self, listings=listings)

    @property
    def versions(self) -> Sequence[tuple[str, str | None]]:
        """Those of the files of each folder."""
        return [
            (f"{path}/{name}", identity)
            for path, listing in self.listings.items()
            for name, identity in sorted(listing.items())
        ]

    def check(self) -> None:
        """Compare the chunks with what was listed."""
        for path, listing in self.listings.items():
            found = _listing(path, self.dataset)
            for name, identity in listing.items():
                # Without an identity, as in copies, only a missing file shows.
                if name not in found or (identity is not None and found[name] != identity):
                    raise replaced(f"{path}/{name}")

    def unpinned(self) -> Zarr:
        """Only the names."""
        names = {path: dict.fromkeys(listing) for path, listing in self.listings.items()}
        return replace(self, listings=names)

    def _folder(self, file: Entry) -> Folder:
        return Folder(file.path, self.listings.get(file.path))


def _names(path: str, below: str | None = None, *, recursive: bool) -> dict[str, str | None]:
    """The files of a folder, hidden ones too, by their names in it, and the identity of each."""
    store, address = storage.resolve(path)
    place = storage.within(path, below) if below else address
    try:
        found = whole_folder(store, place, recursive=recursive)
    except NotFoundError:
        return {}
    return {entry.path[len(address) :].lstrip("/"): entry.identity for entry in found}


def _listing(path: str, dataset: str | None) -> dict[str, str | None]:
    """The files of an array in a folder, and those directly in the folder."""
    above = _names(path, recursive=False) if dataset else {}
    return above | _names(path, dataset, recursive=True)


def _chunk_along(name: str, axis: int) -> int | None:
    """Number of a chunk along an axis; None for what is not a chunk.

    Examples
    --------
    >>> _chunk_along("c/3/0/7", 0), _chunk_along("3.0.7", 2), _chunk_along("zarr.json", 0)
    (3, 7, None)
    """
    parts = re.split(r"[./]", name.removeprefix("c/"))
    chunk = len(parts) > axis and all(part.isdecimal() for part in parts)
    return int(parts[axis]) if chunk else None


@dataclass(frozen=True)
class Folder:
    """A folder of files, as Zarr asks for them.

    Parameters
    ----------
    path : str
        The folder.
    listed : mapping, optional
        The files in it, by name, and the identity of each: what was replaced or has vanished since
        they were listed is an error. Without it, whatever is there is read.
    """

    path: str
    listed: Mapping[str, str | None] | None = None
    _absent: set[str] = field(default_factory=set, compare=False, repr=False)

    def read(self, name: str) -> bytes | None:
        """Return the content of a file; None if it does not exist."""
        place = storage.join(self.path, name)
        if self.listed is None or name not in self.listed:
            try:
                data = storage.read(place)
            except NotFoundError:
                self._absent.add(name)
                return None
            if self.listed is not None:
                raise replaced(place)
            return data
        try:
            with storage.open(place, identity=self.listed[name]) as version:
                return version.read()
        except NotFoundError as error:
            raise replaced(place) from error

    def check(self) -> None:
        """Raise StorageError if files were absent because the folder is not the one listed."""
        # Zarr leaves out chunks that are all fill value, so that an absent file is no error in
        # itself: it is one if the metadata have been replaced.
        if not self._absent or not self.listed:
            return
        described = next((name for name in self.listed if name.endswith(_METADATA)), None)
        if described is None:
            return
        place, identity = storage.join(self.path, described), self.listed[described]
        try:
            found = storage.stat(place).identity
        except NotFoundError as error:
            raise replaced(place) from error
        if identity is not None and found != identity:
            raise replaced(place)

    def write(self, name: str, data: bytes) -> None:
        """Make `data` the content of a file."""
        storage.write(storage.join(self.path, name), data)

    def list(self) -> list[str]:
        """Name all files, relative to the folder."""
        store, address = storage.resolve(self.path)
        return [entry.path[len(address) + 1 :] for entry in store.list(address, recursive=True)]


_METADATA = ("zarr.json", ".zarray", ".zgroup")


def folders(path: AnyPaths, credentials: AnyCredentials) -> list[Entry]:
    """Return one folder or several, by their full addresses.

    Examples
    --------
    >>> [folder.path for folder in folders(["memory://a", "memory://b/"], None)]
    ['memory://a', 'memory://b']
    """
    # Folders have no size, and are not looked at here.
    paths = [path] if isinstance(path, str | os.PathLike) else list(path)
    return [Entry(storage.at(each, credentials), 0) for each in paths]


def image_source(
    files: Sequence[Entry], format: ArrayFormat, axis: int | None
) -> tuple[FileSource, dict[str, Any]]:
    """Find the images in files of arrays.

    Parameters
    ----------
    axis : int or None
        The axis that counts them; None when each array is one image, as are those of two axes.
    """
    found = _looked(files, format)
    first = found[0]
    each = axis is None or len(first.shape) == 2
    at = 0 if each or axis is None else _axis(files[0].path, first, axis)
    shape = first.shape if each else _without(first.shape, at)
    if len(shape) < 2:
        raise SpecError(
            f"{files[0].path}: an image has at least 2 axes, the array is {first.shape}"
        )
    _check_equal(files, found, shape, lambda item: item.shape if each else _without(item.shape, at))
    counts = [1 if each else item.shape[at] for item in found]
    # A part of a chunk costs as much as the chunk, which is decompressed as a whole.
    step = 1 if each or not first.chunks else first.chunks[at]
    load: Loader | None = _packed(files, format, shape, at)
    if load is None:
        steps = {} if each else _steps(files, found, at)
        step = step if first.chunks or each else _together(files[0], format, first, at, shape)
        load = ImageSlabs(format, None if each else at, steps)
    source = FileSource.of(files, counts, shape, first.dtype, load, whole=each, step=step)
    return source, dict(first.attrs)


def series_source(
    files: Sequence[Entry], format: ArrayFormat, axis: int
) -> tuple[FileSource, Shape, dict[str, Any]]:
    """Find the series in files of arrays, and the shape of their keys.

    Parameters
    ----------
    axis : int
        The axis along which they run; all others are keys, the first of which goes on from file
        to file.
    """
    found = _looked(files, format)
    first = found[0]
    if len(first.shape) < 2:
        raise SpecError(
            f"{files[0].path}: series need an array of at least 2 axes, not {first.shape}"
        )
    at = _axis(files[0].path, first, axis)
    length, keys = first.shape[at], _without(first.shape, at)
    _check_equal(
        files, found, (*keys[1:], length),
        lambda item: (*_without(item.shape, at)[1:], item.shape[at]),
    )  # fmt: skip
    rows = [_without(item.shape, at)[0] for item in found]
    each = math.prod(keys[1:])
    step = 1 if not first.chunks else _without(first.chunks, at)[0] * each
    # Series along the last axis of npy files are contiguous, and read as flat binary files are.
    last = at == len(first.shape) - 1
    load: Loader | None = _packed(files, format, (length,), 0) if last else None
    if load is None:
        steps = _steps(files, found, 1 if at == 0 else 0)
        if not first.chunks:
            along = 1 if at == 0 else 0
            rows_shape = (*keys[1:], length)
            step = each * _together(files[0], format, first, along, rows_shape)
        load = SeriesSlabs(format, at, keys[1:], steps)
    counts = [n * each for n in rows]
    source = FileSource.of(files, counts, (length,), first.dtype, load, step=max(step, 1))
    return source, (sum(rows), *keys[1:]), dict(first.attrs)


@dataclass(frozen=True)
class ImageSlabs(Loader):
    """Images along an axis of an array, or the array as one image.

    Parameters
    ----------
    axis : int or None
        The axis that counts them.
    steps : mapping
        Images in a chunk of each file.
    """

    format: ArrayFormat
    axis: int | None
    steps: Mapping[str, int] = field(default_factory=dict, repr=False)

    def read(self, file: Entry, first: int, last: int, out: Array) -> None:
        """Read these images and no others."""
        if self.axis is None:
            self.format.read(file, 0, 0, out.shape[1], out[0])
        else:
            self.format.read(file, self.axis, first, last, out)

    def transposed(self, source: FileSource, nbytes: int) -> FileSource | None:
        """Rows of chunks through all images, where one fits: each chunk is read once."""
        file, spec = source.files[0], source.spec
        found = self.format.look(file) if self.axis is not None else None
        if self.axis is None or found is None or not found.chunks:
            return None
        shape = _without(found.shape, self.axis)
        step = _without(found.chunks, self.axis)[0] * math.prod(shape[1:])
        part = found.shape[self.axis] != spec.count  # start or stop leave some images out
        if part or step * spec.count * spec.dtype.itemsize > nbytes:
            return None
        steps = _steps(source.files, [found], 1 if self.axis == 0 else 0)
        load = SeriesSlabs(self.format, self.axis, shape[1:], steps)
        count = math.prod(shape)
        turned = Spec(count, (spec.count,), spec.dtype)
        return FileSource(turned, source.files, (0, count), load, step=step)

    def part(self, wanted: Mapping[str, tuple[int, int]]) -> ImageSlabs:
        """Return the loader restricted to these images."""
        if self.axis is None or not self.steps:
            return self
        return replace(self, format=self.format.part(self.axis, _chunks(wanted, self.steps)))

    @property
    def versions(self) -> Sequence[tuple[str, str | None]]:
        """Those of the files in folders."""
        return self.format.versions

    def check(self) -> None:
        """Compare the files in folders with what was listed."""
        self.format.check()

    def unpinned(self) -> ImageSlabs:
        """The same for copies of the files."""
        return replace(self, format=self.format.unpinned())


@dataclass(frozen=True)
class SeriesSlabs(Loader):
    """Series along an axis of an array; all other axes are keys.

    Parameters
    ----------
    axis : int
        Along which they run.
    others : tuple of int
        Lengths of the axes of keys, except the first.
    steps : mapping
        Positions along the first axis of keys in a chunk of each file.
    """

    format: ArrayFormat
    axis: int
    others: Shape
    steps: Mapping[str, int] = field(default_factory=dict, repr=False)

    @property
    def along(self) -> int:
        """The first axis of keys."""
        return 1 if self.axis == 0 else 0

    def read(self, file: Entry, first: int, last: int, out: Array) -> None:
        """Read the rows of keys in which these series stand."""
        each, length = math.prod(self.others), out.shape[1]
        # Rows of keys, rounded outwards: the series wanted may begin and end within one.
        start, stop = first // each, -(-last // each)
        where = 1 if self.axis == 0 else self.axis  # of the series, when that one is moved first
        shape = (stop - start, *self.others, length)
        whole = len(out) == (stop - start) * each
        # Straight into `out` if it begins and ends with rows of keys.
        rows = out.reshape(shape) if whole else np.empty(shape, out.dtype)
        self.format.read(file, self.along, start, stop, np.moveaxis(rows, -1, where))
        if not whole:
            out[...] = rows.reshape(-1, length)[first - start * each : last - start * each]

    def part(self, wanted: Mapping[str, tuple[int, int]]) -> SeriesSlabs:
        """Return the loader restricted to these series."""
        if not self.steps:
            return self
        each = math.prod(self.others)
        rows = {path: (first // each, -(-last // each)) for path, (first, last) in wanted.items()}
        return replace(self, format=self.format.part(self.along, _chunks(rows, self.steps)))

    @property
    def versions(self) -> Sequence[tuple[str, str | None]]:
        """Those of the files in folders."""
        return self.format.versions

    def check(self) -> None:
        """Compare the files in folders with what was listed."""
        self.format.check()

    def unpinned(self) -> SeriesSlabs:
        """The same for copies of the files."""
        return replace(self, format=self.format.unpinned())


def _steps(files: Sequence[Entry], found: Sequence[Dataset], axis: int) -> dict[str, int]:
    """Positions of an axis in a chunk of each file, where all are cut in chunks."""
    if any(not item.chunks for item in found):
        return {}
    return {
        file.path: item.chunks[axis] for file, item in zip(files, found, strict=True) if item.chunks
    }


def _together(file: Entry, format: ArrayFormat, found: Dataset, axis: int, shape: Shape) -> int:
    """Positions of an axis to read at once, of which each is many short runs in an npy file.

    Parameters
    ----------
    shape : tuple of int
        Of the array without the axis.
    """
    if not isinstance(format, Npy) or 0 in found.shape:
        return 1
    behind = found.shape[axis + 1 :] if _layout(file).order == "C" else found.shape[:axis]
    run = math.prod(behind) * found.dtype.itemsize
    most = _TOGETHER // (math.prod(shape) * found.dtype.itemsize)
    return max(1, min(found.shape[axis], -(-_RUN // run), most))


_RUN = 2**16  # bytes read at once from a disk at little cost
_TOGETHER = 2**25  # bytes of records read at once for that


def _chunks(wanted: Mapping[str, tuple[int, int]], steps: Mapping[str, int]) -> dict[str, range]:
    """The chunks in which these positions are."""
    return {
        path: range(first // steps[path], -(-last // steps[path]))
        for path, (first, last) in wanted.items()
    }


def _packed(files: Sequence[Entry], format: ArrayFormat, shape: Shape, axis: int) -> Packed | None:
    """Return the loader of npy files whose records are contiguous; None for others."""
    # Only along the first axis of an array in C order is a record one run of bytes.
    if not isinstance(format, Npy) or axis:
        return None
    layouts = [_layout(file) for file in files]
    if any(one.order == "F" or one.stored != layouts[0].stored for one in layouts):
        return None
    begins = {file.path: one.begin for file, one in zip(files, layouts, strict=True)}
    return Packed(shape, layouts[0].stored, begins)


def _layout(file: Entry) -> npy.Layout:
    with naming(file.path), open_file(file.path, identity=file.identity) as stream:
        return npy.layout(stream)


def _looked(files: Sequence[Entry], format: ArrayFormat) -> list[Dataset]:
    def look(file: Entry) -> Dataset:
        with naming(file.path):
            return format.look(file)

    return list(tmap(look, files, workers=storage.store_for(files[0].path).threads))


def _axis(path: str, found: Dataset, axis: int) -> int:
    if not -len(found.shape) <= axis < len(found.shape):
        raise SpecError(f"{path}: axis {axis} is out of bounds for shape {found.shape}")
    return axis % len(found.shape)


def _without(shape: Shape, axis: int) -> Shape:
    return shape[:axis] + shape[axis + 1 :]


def _check_equal(
    files: Sequence[Entry], found: Sequence[Dataset], shape: Shape, of: Callable[[Dataset], Shape]
) -> None:
    first = found[0]
    for file, item in itertools.islice(zip(files, found, strict=True), 1, None):
        if len(item.shape) != len(first.shape) or of(item) != shape or item.dtype != first.dtype:
            raise FormatError(
                f"{file.path}: holds {item.dtype} of shape {item.shape}, the first file "
                f"{first.dtype} of shape {first.shape}: they do not fit together"
            )
