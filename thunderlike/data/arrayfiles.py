"""Files that hold whole arrays: npy, HDF5 and Zarr, and how records are cut out of them."""

from __future__ import annotations

import itertools
import math
import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from thunderlike import storage
from thunderlike.data.files import FileSource, Loader, Packed, naming
from thunderlike.errors import FormatError, NotFound, SpecError
from thunderlike.formats import hdf5, npy, omezarr, zarr
from thunderlike.formats.hdf5 import Dataset
from thunderlike.parallel.pool import tmap
from thunderlike.storage.opening import local_file, open_file

if TYPE_CHECKING:
    from collections.abc import Sequence

    from thunderlike.engines.base import Array
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

Shape = tuple[int, ...]


class ArrayFormat(Protocol):
    """A kind of file that holds an array."""

    def look(self, path: str) -> Dataset:
        """Say what it holds, without the values."""

    def read(self, path: str, axis: int, start: int, stop: int, out: Array) -> None:
        """Read positions ``start .. stop-1`` of an axis, which becomes the first."""


@dataclass(frozen=True)
class Npy:
    """One ``.npy`` file, in any order of axes and bytes."""

    def look(self, path: str) -> Dataset:
        """Read its header."""
        with open_file(path) as stream:
            found = npy.layout(stream)
        return Dataset("", found.shape, found.stored.newbyteorder("="))

    def read(self, path: str, axis: int, start: int, stop: int, out: Array) -> None:
        """Map the file if it is on a disk here, else read it whole, and take the part."""
        array = self._array(path)
        out[...] = np.moveaxis(array[(slice(None),) * axis + (slice(start, stop),)], axis, 0)

    def _array(self, path: str) -> Array:
        file = local_file(path)
        if file is None:
            return npy.decode(storage.read(path))
        with open_file(path) as stream:
            found = npy.layout(stream)
        if 0 in found.shape:
            return np.empty(found.shape, found.stored)
        try:
            return np.memmap(file, found.stored, "r", found.begin, found.shape, found.order)
        except ValueError as error:
            raise FormatError(f"cut short: {error}") from error


@dataclass(frozen=True)
class Hdf5:
    """An array in an HDF5 file, by its name in there."""

    dataset: str | None

    def look(self, path: str) -> Dataset:
        """Read what the file says of it."""
        with open_file(path) as stream:
            return hdf5.describe(stream, self.dataset)

    def read(self, path: str, axis: int, start: int, stop: int, out: Array) -> None:
        """Read the chunks that hold it."""
        with open_file(path) as stream:
            name = self.dataset or hdf5.describe(stream).name
            hdf5.read(stream, name, axis, start, stop, out)


@dataclass(frozen=True)
class Zarr:
    """A Zarr array, by its name in the folder."""

    dataset: str | None

    @classmethod
    def of(cls, path: str, dataset: str | None) -> Zarr:
        """The array of that name; without one the folder, or the largest of an OME-Zarr."""
        return cls(dataset or omezarr.largest(Folder(path)))

    def look(self, path: str) -> Dataset:
        """Read what the folder says of it, and OME's metadata above it."""
        folder = Folder(path)
        found = zarr.describe(folder, self.dataset)
        above = omezarr.attrs(folder, self.dataset) if self.dataset else {}
        return replace(found, attrs={**found.attrs, **above})

    def read(self, path: str, axis: int, start: int, stop: int, out: Array) -> None:
        """Read the chunks that hold it."""
        zarr.read(Folder(path), self.dataset or "", axis, start, stop, out)


@dataclass(frozen=True)
class Folder:
    """A folder of files, as Zarr asks for them."""

    path: str

    def read(self, name: str) -> bytes | None:
        """Return what a file holds, None if there is none."""
        try:
            return storage.read(storage.join(self.path, name))
        except NotFound:
            return None

    def write(self, name: str, data: bytes) -> None:
        """Make `data` the content of a file."""
        storage.write(storage.join(self.path, name), data)

    def list(self) -> list[str]:
        """Name all files, relative to the folder."""
        store, address = storage.resolve(self.path)
        return [entry.path[len(address) + 1 :] for entry in store.list(address, recursive=True)]


def folders(path: AnyPaths, credentials: AnyCredentials) -> list[str]:
    """Return the full addresses of one folder or several.

    Examples
    --------
    >>> folders(["memory://a", "memory://b/"], None)
    ['memory://a', 'memory://b']
    """
    paths = [path] if isinstance(path, str | os.PathLike) else list(path)
    return [storage.at(each, credentials) for each in paths]


def image_source(
    paths: Sequence[str], format: ArrayFormat, axis: int | None
) -> tuple[FileSource, dict[str, Any]]:
    """Find the images in files of arrays.

    Parameters
    ----------
    axis : int or None
        The axis that counts them; None when each array is one image, as are those of two axes.
    """
    found = _looked(paths, format)
    first = found[0]
    each = axis is None or len(first.shape) == 2
    at = 0 if each or axis is None else _axis(paths[0], first, axis)
    shape = first.shape if each else _without(first.shape, at)
    if len(shape) < 2:
        raise SpecError(f"{paths[0]}: an image has at least 2 axes, the array is {first.shape}")
    _check_equal(paths, found, shape, lambda item: item.shape if each else _without(item.shape, at))
    counts = [1 if each else item.shape[at] for item in found]
    step = 1 if each or not first.chunks else first.chunks[at]
    load = _packed(paths, format, shape, at) or ImageSlabs(format, None if each else at)
    source = FileSource.of(paths, counts, shape, first.dtype, load, whole=each, step=step)
    return source, dict(first.attrs)


def series_source(
    paths: Sequence[str], format: ArrayFormat, axis: int
) -> tuple[FileSource, Shape, dict[str, Any]]:
    """Find the series in files of arrays, and the shape of their keys.

    Parameters
    ----------
    axis : int
        The axis along which they run; all others are keys, the first of which goes on from file
        to file.
    """
    found = _looked(paths, format)
    first = found[0]
    if len(first.shape) < 2:
        raise SpecError(f"{paths[0]}: series need an array of at least 2 axes, not {first.shape}")
    at = _axis(paths[0], first, axis)
    length, keys = first.shape[at], _without(first.shape, at)
    _check_equal(
        paths, found, (*keys[1:], length),
        lambda item: (*_without(item.shape, at)[1:], item.shape[at]),
    )  # fmt: skip
    rows = [_without(item.shape, at)[0] for item in found]
    each = math.prod(keys[1:])
    step = 1 if not first.chunks else _without(first.chunks, at)[0] * each
    last = at == len(first.shape) - 1
    load = (last and _packed(paths, format, (length,), 0)) or SeriesSlabs(format, at, keys[1:])
    counts = [n * each for n in rows]
    source = FileSource.of(paths, counts, (length,), first.dtype, load, step=max(step, 1))
    return source, (sum(rows), *keys[1:]), dict(first.attrs)


@dataclass(frozen=True)
class ImageSlabs(Loader):
    """Images along an axis of an array, or the array as one image."""

    format: ArrayFormat
    axis: int | None

    def read(self, path: str, first: int, last: int, out: Array) -> None:
        """Read these images and no others."""
        if self.axis is None:
            self.format.read(path, 0, 0, out.shape[1], out[0])
        else:
            self.format.read(path, self.axis, first, last, out)


@dataclass(frozen=True)
class SeriesSlabs(Loader):
    """Series along an axis of an array; all other axes are keys.

    Parameters
    ----------
    axis : int
        Along which they run.
    others : tuple of int
        Lengths of the axes of keys, but the first.
    """

    format: ArrayFormat
    axis: int
    others: Shape

    def read(self, path: str, first: int, last: int, out: Array) -> None:
        """Read the rows of keys in which these series stand."""
        each, length = math.prod(self.others), out.shape[1]
        start, stop = first // each, -(-last // each)
        along = 1 if self.axis == 0 else 0  # the first axis of keys
        where = 1 if self.axis == 0 else self.axis  # of the series, when that one is moved first
        shape = (stop - start, *self.others, length)
        whole = len(out) == (stop - start) * each
        rows = out.reshape(shape) if whole else np.empty(shape, out.dtype)
        self.format.read(path, along, start, stop, np.moveaxis(rows, -1, where))
        if not whole:
            out[...] = rows.reshape(-1, length)[first - start * each : last - start * each]


def _packed(paths: Sequence[str], format: ArrayFormat, shape: Shape, axis: int) -> Packed | None:
    """How to read npy files whose records stand one after the other; None for all else."""
    if not isinstance(format, Npy) or axis:
        return None
    layouts = [_layout(path) for path in paths]
    if any(one.order == "F" or one.stored != layouts[0].stored for one in layouts):
        return None
    begins = {path: one.begin for path, one in zip(paths, layouts, strict=True)}
    return Packed(shape, layouts[0].stored, begins)


def _layout(path: str) -> npy.Layout:
    with naming(path), open_file(path) as stream:
        return npy.layout(stream)


def _looked(paths: Sequence[str], format: ArrayFormat) -> list[Dataset]:
    def look(path: str) -> Dataset:
        with naming(path):
            return format.look(path)

    return list(tmap(look, paths, workers=storage.store_for(paths[0]).threads))


def _axis(path: str, found: Dataset, axis: int) -> int:
    if not -len(found.shape) <= axis < len(found.shape):
        raise SpecError(f"{path}: there is no axis {axis} in shape {found.shape}")
    return axis % len(found.shape)


def _without(shape: Shape, axis: int) -> Shape:
    return shape[:axis] + shape[axis + 1 :]


def _check_equal(paths: Sequence[str], found: Sequence[Dataset], shape: Shape, of: Any) -> None:
    first = found[0]
    for path, item in itertools.islice(zip(paths, found, strict=True), 1, None):
        if len(item.shape) != len(first.shape) or of(item) != shape or item.dtype != first.dtype:
            raise FormatError(
                f"{path}: holds {item.dtype} of shape {item.shape}, the first file {first.dtype} "
                f"of shape {first.shape}: they do not fit together"
            )
