"""Sources: arrays in memory, mapped files, and files read by ranges."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol, TypeGuard

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
    "Node",
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


class Node(Protocol):
    """Dataset of a file, or any array that is read by slices."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the array."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Dtype of the array."""

    def __getitem__(self, box: Any, /) -> Any:
        """Read a part."""


@dataclass(frozen=True)
class Source:
    """Array that is read by boxes.

    Parameters
    ----------
    shape, dtype
        Of the array; bool is kept.
    get : callable
        Function from a box to an ndarray, a view if possible.
    array : ndarray, optional
        The whole array, if it is in memory or mapped.
    location : str, optional
        Path or address of the file.
    offset : int
        Byte offset of the values in the file.
    rows : int
        Preferred multiple for dividing the first axis of a file, such as its chunk length.
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
        """Memory layout: 'F' for Fortran-contiguous arrays, else 'C'."""
        flags = None if self.array is None else self.array.flags
        return "F" if flags and flags.f_contiguous and not flags.c_contiguous else "C"

    @property
    def size(self) -> int:
        """Number of elements."""
        return int(np.prod(self.shape, dtype=np.int64))

    def values(self) -> Array:
        """Return the whole array; read into memory unless it is in memory or mapped."""
        return (
            self.get(tuple(slice(0, n) for n in self.shape)) if self.array is None else self.array
        )


def as_source(thing: object) -> Source:
    """Open an object as a source.

    Parameters
    ----------
    thing : array-like, path or node
        An array, list or scalar; the path of a ``.npy`` file, a TIFF stack, ``x.h5::/name``,
        ``x.zarr`` or ``x.zarr::name``, local or remote; a dataset of h5py, PyTables or zarr;
        local Images, Series or Blocks.

    Raises
    ------
    NotFoundError
        When the file does not exist.
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
        node: Node = thing
        # h5py and zarr have `chunks`, PyTables `chunkshape`.
        rows = (getattr(node, "chunks", None) or getattr(node, "chunkshape", None) or (1,))[0]
        source = Source(tuple(node.shape), node.dtype, lambda box: np.asarray(node[box]), rows=rows)
    else:
        values = getattr(thing, "values", thing)
        maybe_masked = isinstance(values, np.ma.MaskedArray | list | tuple)
        # asanyarray keeps memmap and SharedMemoryArray, which need no copy.
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
    """Create an uninitialised array.

    Raises
    ------
    EngineError
        When there is not enough memory; the header of a file may declare any size.
    """
    fortran: Any = order  # text for the stubs of numpy, which want a literal
    try:
        return np.empty(shape, dtype, order=fortran)
    except (MemoryError, ValueError) as error:  # ValueError: larger than the address space
        raise EngineError(
            f"not enough memory for {dtype} of shape {shape}: read a part of it with slicing=, or "
            "give a file as the sink"
        ) from error


def native(values: Array) -> Array:
    """Convert to native byte order, float16 to float32 and long double to float64."""
    if values.dtype.char == "e":
        return values.astype(np.float32)
    if values.dtype.char == "g":
        return values.astype(np.float64)
    return values if values.dtype.isnative else values.astype(values.dtype.newbyteorder("="))


def inside(path: str) -> tuple[str, str | None]:
    """Split ``x.h5::/name`` into the file and the name, None if there is no name.

    Examples
    --------
    >>> inside("s3://lab/x.h5::/data"), inside("x.zarr"), inside("a::b.npy")
    (('s3://lab/x.h5', '/data'), ('x.zarr', None), ('a::b.npy', None))
    """
    found = _INSIDE.match(path)
    return (found[1], found[2] or None) if found else (path, None)


def split(path: str) -> tuple[str, str | None, str]:
    """Split a path into the file, the name in it, and the extension."""
    file, name = inside(path)
    return file, name, os.path.splitext(file.rstrip("/"))[1].lower()  # noqa: PTH122  # an address


def is_node(thing: object) -> TypeGuard[Node]:
    """Return whether an object is a dataset of a file, as of h5py, PyTables or zarr."""
    ours = isinstance(thing, np.ndarray | np.generic) or hasattr(thing, "values")
    return not ours and all(hasattr(thing, name) for name in ("shape", "dtype", "__getitem__"))


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
        When the file is not a ``.npy`` file.
    StorageError
        When the file is truncated; names the expected and the actual number of bytes.
    """
    with naming(path), open_file(path) as stream:
        found = npy.layout(stream)
    # Checked before mapping: reading a page beyond the end of the file kills the process (SIGBUS).
    nbytes = int(np.prod(found.shape, dtype=np.int64)) * found.stored.itemsize
    there = storage.stat(path).size - found.begin
    if there < nbytes:
        raise StorageError(f"{path}: truncated: expected {nbytes} bytes, found {there}")
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
    # Pages one after the other and not compressed are an array in the file.
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
