"""Sources: arrays in memory, mapped files, and files read by ranges."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike import storage
from thunderlike.data.array_files import Hdf5, Zarr, folders
from thunderlike.data.file_sources import naming
from thunderlike.errors import EngineError, NotFoundError, StorageError, WrongTypeError
from thunderlike.formats import npy, tiff
from thunderlike.kernels._validation import as_array
from thunderlike.storage._open import local_file, open_file

if TYPE_CHECKING:
    from collections.abc import Callable

    from thunderlike._typing import Array
    from thunderlike.arrays._boxes import Box
    from thunderlike.storage import Entry


__all__ = [
    "Source",
    "as_source",
    "checked",
    "empty",
    "inside",
    "is_node",
    "mapped",
    "native",
    "split",
]

_INSIDE = re.compile(r"(.+\.(?:h5|hdf5|hdf|zarr))::(.*)$", re.IGNORECASE)


@dataclass(frozen=True)
class Source:
    """Something that answers for boxes of an array.

    Parameters
    ----------
    shape, dtype
        Of the array; bool stays bool.
    get : callable
        From a box to an ndarray: a view where that is possible.
    array : ndarray, optional
        All of it, if it is in memory or mapped.
    location : str, optional
        The address of its file.
    offset : int
        Byte of that file at which the numbers begin.
    rows : int
        The first axis is best cut at multiples of it, where it is not in memory.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    get: Callable[[Box], Array]
    array: Array | None = None
    location: str | None = None
    offset: int = 0
    rows: int = 1

    @property
    def order(self) -> str:
        """'F' for an array in memory whose first index runs fastest, else 'C'."""
        flags = None if self.array is None else self.array.flags
        return "F" if flags and flags.f_contiguous and not flags.c_contiguous else "C"

    @property
    def size(self) -> int:
        """Number of elements."""
        return int(np.prod(self.shape, dtype=np.int64))

    def values(self) -> Array:
        """All of it, in memory or mapped: one copy of what is neither."""
        return (
            self.get(tuple(slice(0, n) for n in self.shape)) if self.array is None else self.array
        )


def as_source(thing: Any) -> Source:
    """Take anything that can be read from.

    Parameters
    ----------
    thing : array-like, path or node
        An array, list or scalar; the path of a ``.npy`` file, a TIFF stack, ``x.h5::/name``,
        ``x.zarr`` or ``x.zarr::name``, wherever it is; a dataset of h5py, PyTables or zarr;
        local Images, Series or Blocks.

    Raises
    ------
    NotFoundError
        When there is no such file.
    WrongTypeError
        For complex numbers, objects, text and dates.

    Examples
    --------
    >>> as_source([[1, 2], [3, 4]]).shape
    (2, 2)
    """
    if isinstance(thing, str | os.PathLike):
        source = _of_path(os.fspath(thing))
    elif is_node(thing):
        rows = (getattr(thing, "chunks", None) or getattr(thing, "chunkshape", None) or (1,))[0]
        source = Source(tuple(thing.shape), thing.dtype, partial(_from_node, thing), rows=rows)
    else:
        values = getattr(thing, "values", thing)
        maybe_masked = isinstance(values, np.ma.MaskedArray | list | tuple)
        # Mapped and shared arrays stay what they are.
        plain = as_array(values, "the source") if maybe_masked else np.asanyarray(values)
        source = _of_array(plain)
    checked(source.dtype)
    return source


def checked(dtype: np.dtype[Any], what: str = "an array") -> np.dtype[Any]:
    """Return the dtype if it is of real numbers or bool.

    Raises
    ------
    WrongTypeError
        If it is not.
    """
    if dtype.kind not in "biuf":
        raise WrongTypeError(
            f"{what} of dtype {dtype} was given: it must hold real numbers or bool"
        )
    return dtype


def empty(shape: tuple[int, ...], dtype: np.dtype[Any], order: str = "C") -> Array:
    """Make an array, uninitialised.

    Raises
    ------
    EngineError
        When there is no memory for it, as a file may announce any size.
    """
    fortran: Any = order
    try:
        return np.empty(shape, dtype, order=fortran)
    except (MemoryError, ValueError) as error:  # numpy's, for what no address can name
        raise EngineError(
            f"there is no memory for {dtype} of shape {shape}: read a part of it with slicing=, or "
            "give a file as the sink"
        ) from error


def native(values: Array) -> Array:
    """The same numbers in this machine's byte order; float16 and long double as floats in C."""
    if values.dtype.char == "e":
        return values.astype(np.float32)
    if values.dtype.char == "g":
        return values.astype(np.float64)
    return values if values.dtype.isnative else values.astype(values.dtype.newbyteorder("="))


def inside(path: str) -> tuple[str, str | None]:
    """Part ``x.h5::/name`` in the file and the name in it, None if it has none.

    Examples
    --------
    >>> inside("s3://lab/x.h5::/data"), inside("x.zarr"), inside("a::b.npy")
    (('s3://lab/x.h5', '/data'), ('x.zarr', None), ('a::b.npy', None))
    """
    found = _INSIDE.match(path)
    return (found[1], found[2] or None) if found else (path, None)


def split(path: str) -> tuple[str, str | None, str]:
    """The file, the name in it, and of what kind it is: its extension."""
    file, name = inside(path)
    return file, name, os.path.splitext(file.rstrip("/"))[1].lower()  # noqa: PTH122  # an address


def is_node(thing: Any) -> bool:
    """A dataset of a file: arrays that answer slices, and are neither numpy's nor ours."""
    ours = isinstance(thing, np.ndarray | np.generic) or hasattr(thing, "values")
    return not ours and all(hasattr(thing, name) for name in ("shape", "dtype", "__getitem__"))


def _from_node(node: Any, box: Box) -> Array:
    return np.asarray(node[box])


def _of_array(array: Array, location: str | None = None, offset: int = 0) -> Source:
    return Source(array.shape, array.dtype, array.__getitem__, array, location, offset)


def _of_path(path: str) -> Source:
    file, name, kind = split(path)
    if not storage.exists(file):
        raise NotFoundError(f"{file}: no such file to read an array from")
    if kind in (".tif", ".tiff"):
        return _of_tiff(file)
    if kind in (".h5", ".hdf5", ".hdf"):
        return _of_format(storage.stat(file), Hdf5(name))
    if kind == ".zarr":
        places = folders(file, None)
        return _of_format(places[0], Zarr.of(places, name))
    if local_file(file) is None:
        return _of_array(npy.decode(storage.read(file)), file)
    array = mapped(file)
    return _of_array(array, file, getattr(array, "offset", 0))


def mapped(path: str, mode: str = "r") -> Array:
    """Map a ``.npy`` file on this machine; an empty array of its shape if it has no elements.

    Raises
    ------
    FormatError
        When it is none.
    StorageError
        When it is shorter than it says: with the bytes wanted and those there are.
    """
    with naming(path), open_file(path) as stream:
        found = npy.layout(stream)
    nbytes = int(np.prod(found.shape, dtype=np.int64)) * found.stored.itemsize
    there = storage.stat(path).size - found.begin
    if there < nbytes:
        raise StorageError(f"{path}: cut short: {nbytes} bytes wanted, {there} are there")
    if nbytes == 0:
        return np.empty(found.shape, found.stored, order=found.order)
    file: Any = local_file(path)
    mode_: Any = mode
    return np.memmap(file, found.stored, mode_, found.begin, found.shape, found.order)


def _of_tiff(path: str) -> Source:
    with naming(path), open_file(path) as stream:
        where = tiff.pages.index(stream)
        begin = tiff.pages.begin(stream, where)
    one = where.pages == 1
    shape = where.shape if one else (where.pages, *where.shape)
    file = local_file(path)
    if begin is not None and file is not None:
        return _of_array(np.memmap(file, where.stored, "r", begin, shape), path, begin)

    def get(box: Box) -> Array:
        rows = slice(0, 1) if one else box[0]
        with naming(path), open_file(path) as stream:
            pages = tiff.pages.read(stream, where, rows.start, rows.stop)
        return pages[0][box] if one else pages[(slice(None), *box[1:])]

    return Source(shape, where.dtype, get, location=path, rows=where.shape[0] if one else 1)


def _of_format(file: Entry, format: Hdf5 | Zarr) -> Source:
    path = file.path
    with naming(path):
        found = format.look(file)
    named = replace(format, dataset=found.name or None)

    def get(box: Box) -> Array:
        rows = box[0] if box else slice(0, 1)
        slab = empty((rows.stop - rows.start, *found.shape[1:]), found.dtype)
        with naming(path):
            named.read(file, 0, rows.start, rows.stop, slab)
        return slab[(slice(None), *box[1:])]

    rows = found.chunks[0] if found.chunks else 1
    return Source(found.shape, found.dtype, get, location=file.path, rows=rows)
