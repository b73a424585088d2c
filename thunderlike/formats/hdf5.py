"""HDF5 datasets as arrays: read, write, MATLAB's conventions."""

from __future__ import annotations

import errno
import io
import json
import os
import re
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

import numpy as np

from thunderlike.errors import FormatError, RefusedError, SpecError, ThunderlikeError
from thunderlike.formats._hdf5_chunks import (
    LEVEL,
    Packing,
    check_chunks,
    check_inside,
    read_chunks,
    write_chunks,
)
from thunderlike.formats.base import ArrayWriter, chunk_shape, numbers, said
from thunderlike.formats.hdf5journal import undone
from thunderlike.formats.metadata import as_json, boundary, from_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    import h5py
    from numpy.typing import NDArray

__all__ = [
    "Dataset",
    "Writer",
    "begin",
    "datasets",
    "describe",
    "looks_like",
    "opened",
    "read",
    "variable",
]


def variable(data: bytes, name: str) -> NDArray[Any]:
    """Return one variable of a MATLAB file.

    Parameters
    ----------
    data : bytes
        The file.
    name : str
        Its name in MATLAB.

    Returns
    -------
    ndarray
        Without axes of length 1, which MATLAB gives to every vector.

    Raises
    ------
    FormatError
        If the variable does not exist, or the bytes are not a MATLAB file.

    Examples
    --------
    >>> import io
    >>> from scipy.io import savemat
    >>> file = io.BytesIO()
    >>> savemat(file, {"s": [[1.0, 2.0, 3.0]]})
    >>> variable(file.getvalue(), "s")
    array([1., 2., 3.])
    """
    from scipy.io import loadmat

    try:
        found = loadmat(io.BytesIO(data), squeeze_me=True)
    except Exception as error:  # scipy raises a dozen kinds at bytes that mean nothing to it
        raise FormatError(
            f"is not a readable MATLAB file: {said(error)}; save it with -v7, or as text"
        ) from error
    if name not in found:
        names = ", ".join(key for key in found if not key.startswith("__")) or "nothing"
        raise FormatError(f"holds no variable {name!r}, but {names}: name one with var=")
    return np.asarray(found[name])


_MAGIC = b"\x89HDF\r\n\x1a\n"
_USER_BLOCK = 512  # bytes of the smallest
_ATTRS = "thunderlike"


@dataclass(frozen=True)
class Dataset:
    """Description of an array in a file.

    Parameters
    ----------
    name : str
        Its path in the file, such as ``'/data'``.
    shape, dtype
        Of the array.
    chunks : tuple of int or None
        Shape of its chunks.
    attrs : dict
        What was known of it when it was written.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    chunks: tuple[int, ...] | None = None
    attrs: Mapping[str, Any] = field(default_factory=dict)


def looks_like(start: bytes) -> bool:
    """Return whether the first bytes of a file are those of HDF5."""
    return start.startswith(_MAGIC)


def begin(stream: BinaryIO) -> int | None:
    """Return the byte at which a file becomes HDF5, None if it never does.

    A user block may stand before: MATLAB's files of version 7.3 have one of 512 bytes. The format
    allows any power of two from there on.

    Examples
    --------
    >>> import io
    >>> begin(io.BytesIO(_MAGIC)), begin(io.BytesIO(b"MATLAB 7.3".ljust(512) + _MAGIC))
    (0, 512)
    """
    at, size = 0, stream.seek(0, io.SEEK_END)
    while at + len(_MAGIC) <= size:
        stream.seek(at)
        if stream.read(len(_MAGIC)) == _MAGIC:
            return at
        at = 2 * at or _USER_BLOCK
    return None


def datasets(stream: BinaryIO) -> list[str]:
    """Name the arrays of numbers in a file, in the order of their names."""
    with opened(stream) as file:
        return sorted(_arrays_in(file))


def _arrays_in(file: h5py.File) -> Iterator[str]:
    """Find the arrays of numbers, each object once; only hard links lead on.

    In one pass: h5py's own visit opens each by its path from the root, which takes a minute for
    some thousands of groups within one another.
    """
    h5py = _h5py()
    waiting: list[tuple[Any, _Path | None]] = [(file.id, None)]
    seen = {h5py.h5o.get_info(file.id).addr}
    while waiting:
        group, path = waiting.pop()
        for name in group:
            if group.links.get_info(name).type != h5py.h5l.TYPE_HARD:
                continue
            node = h5py.h5o.open(group, name)
            address = h5py.h5o.get_info(node).addr
            if address in seen:  # hard links may lead back to a group above
                continue
            seen.add(address)
            inner = _Path(name.decode("utf-8", "surrogateescape"), path)
            if isinstance(node, h5py.h5g.GroupID):
                waiting.append((node, inner))
            elif isinstance(node, h5py.h5d.DatasetID) and _is_array(h5py.Dataset(node)):
                yield str(inner)


class _Path(NamedTuple):
    """A path as a chain, which is written out for arrays alone."""

    name: str
    above: _Path | None

    def __str__(self) -> str:
        parts: list[str] = []
        part: _Path | None = self
        while part is not None:
            parts.append(part.name)
            part = part.above
        return "/" + "/".join(reversed(parts))


def describe(stream: BinaryIO, name: str | None = None) -> Dataset:
    """Return the description of one array.

    Parameters
    ----------
    name : str, optional
        Its path in the file; by default ``'/data'``, or the only array that there is.

    Raises
    ------
    FormatError
        For data that are not an HDF5 file, or do not have the array; names those that exist.
    RefusedError
        When the values of the array are in other files.
    """
    there = datasets(stream)
    wanted = _wanted(name, there)
    with opened(stream) as file:
        item = _array(file, wanted)
        attrs: dict[str, Any] = {}
        with boundary(_ATTRS):
            attrs = from_json(_ATTRS, item.attrs.get(_ATTRS, "{}"))
        dtype = item.dtype.newbyteorder("=")
        return Dataset(wanted, item.shape, np.dtype(dtype), item.chunks, attrs)


def read(stream: BinaryIO, name: str, axis: int, start: int, stop: int, out: NDArray[Any]) -> None:
    """Read positions ``start .. stop-1`` of an axis, which becomes the first; nothing else.

    Raises
    ------
    FormatError
        For damaged chunks, and for those compressed by what this installation does not know.
    """
    with opened(stream) as file:
        item = _array(file, name)
        packing = Packing.of(item)
        if packing and out.size:
            read_chunks(item, packing, axis, start, stop, out)
            return
        check_chunks(
            item.id, [(start, stop) if a == axis else (0, n) for a, n in enumerate(item.shape)]
        )
        if axis == 0 and item.dtype == out.dtype and out.flags.c_contiguous and out.size:
            item.read_direct(out, np.s_[start:stop])  # without an array in between
        else:
            out[...] = np.moveaxis(item[(slice(None),) * axis + (slice(start, stop),)], axis, 0)


class Writer(ArrayWriter):
    """Writes an array from its first row to its last, a slab of rows at a time.

    Parameters
    ----------
    file : Path
        Made, or added to: several arrays may be written to it, one after the other.
    shape, dtype
        Of the whole array.
    time : int
        Axis along which the series of a pixel runs; see :func:`chunk_shape`.
    name : str
        Of the dataset.
    attrs : mapping
        What is known of the array: kept as JSON.
    compression : 'zlib' or None
        zlib at level 1 after a shuffle of bytes, which every HDF5 tool reads.

    Attributes
    ----------
    rows : int
        How many rows a slab has: those of a chunk.
    """

    def __init__(
        self,
        file: Path,
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
        *,
        time: int = 0,
        name: str = "data",
        attrs: Mapping[str, Any] | None = None,
        compression: str | None = "zlib",
    ) -> None:
        if compression not in ("zlib", None):
            raise SpecError(f"compression is 'zlib' or None, not {compression!r}")
        numbers(dtype)
        self.chunks = chunk_shape(shape, dtype.itemsize, time)
        self.rows = self.chunks[0]
        self._shape, deflated = shape, compression is not None
        self._packing = Packing(self.chunks, dtype, shuffled=deflated, deflated=deflated)
        # Not the newest version of the format, which programs with an older HDF5 do not read.
        self._file = _h5py().File(file, "a", libver=("v108", "latest"))
        self._dataset = self._file.create_dataset(name, shape, dtype, **self._filters())
        with boundary(_ATTRS):
            self._dataset.attrs[_ATTRS] = json.dumps(as_json(attrs))

    def _filters(self) -> dict[str, Any]:
        if 0 in self._shape:
            return {}  # HDF5 has no chunks of length 0
        plain = {"chunks": self.chunks}
        zlib = {"compression": "gzip", "compression_opts": LEVEL, "shuffle": True}
        return plain | zlib if self._packing.deflated else plain

    def put(self, start: int, slab: NDArray[Any]) -> None:
        """Write rows from `start` on, which must be a multiple of `rows`; threads compress."""
        write_chunks(self._dataset.id, self._packing, slab, start)

    def close(self) -> None:
        """Complete the file; OSError if the disk is full."""
        try:
            self._file.close()
        except RuntimeError as failed:  # what HDF5 could not write, as when the disk is full
            found = re.search(r"errno = (\d+)", str(failed))
            number = int(found[1]) if found else errno.EIO
            raise OSError(number, os.strerror(number)) from failed


def _array(file: h5py.File, name: str) -> Any:
    """Open an array, if its values are in this file."""
    item = file[name]
    try:
        check_inside(item.id)
    except RefusedError as error:
        raise RefusedError(f"{name}: {error}") from None
    return item


def _wanted(name: str | None, there: list[str]) -> str:
    if name is None and len(there) == 1:
        return there[0]
    wanted = "/" + (name or "data").strip("/")
    if wanted in there:
        return wanted
    holds = ", ".join(there[:8]) or "nothing"
    what = f"no array {wanted!r}" if name else "several arrays" if there else "no array of numbers"
    raise FormatError(f"the HDF5 file holds {what} ({holds}): name one of them with dataset=")


def _is_array(item: object) -> bool:
    h5py = _h5py()
    if not isinstance(item, h5py.Dataset) or item.shape is None or item.dtype.kind not in "buifc":
        return False
    # What MATLAB writes as numbers and is not: text, and the shape of an array without elements.
    if "MATLAB_class" in item.attrs and not item.name.startswith("/#"):
        kind = item.attrs["MATLAB_class"]
        return "MATLAB_empty" not in item.attrs and kind not in (b"char", "char")
    return not item.name.startswith(("/#refs#/", "/#subsystem#/"))


@contextmanager
def opened(stream: BinaryIO) -> Iterator[Any]:
    """Open a file for reading; damage becomes FormatError."""
    stream = undone(stream)  # an append may have been interrupted: as it was before
    if begin(stream) is None:
        stream.seek(0)
        start = stream.read(len(_MAGIC))
        raise FormatError(
            f"not an HDF5 file: it begins with {start!r}"
            if start
            else "not an HDF5 file: it is empty"
        )
    try:
        file = _h5py().File(stream, "r")
    except ThunderlikeError:
        raise
    except Exception as error:
        raise FormatError(f"damaged or truncated HDF5 file: {error}") from error
    with file, _decoding():
        yield file


@contextmanager
def _decoding() -> Iterator[None]:
    try:
        yield
    except ThunderlikeError:
        raise
    except Exception as error:
        hint = ""
        if "filter" in str(error):
            hint = "; hdf5plugin has more filters: pip install 'thunderlike[hdf5]', and import it"
        raise FormatError(f"the HDF5 file cannot be read: {error}{hint}") from error


def _h5py() -> Any:
    import h5py

    return h5py
