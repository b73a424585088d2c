"""Sinks: arrays in memory, mapped files, and files written from the first row on."""

from __future__ import annotations

import math
import os
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike import _system, storage
from thunderlike.arrays._boxes import boxes
from thunderlike.arrays._sources import Node, empty, is_node, mapped, split
from thunderlike.arrays.shared import shared_array
from thunderlike.data.array_files import Folder, Hdf5
from thunderlike.errors import FormatError, SpecError, WrongTypeError
from thunderlike.formats import hdf5, zarr
from thunderlike.storage._open import local_file
from thunderlike.storage.atomic import draft

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from thunderlike._typing import Array


__all__ = ["Sink", "allocated", "fits", "into", "npy_draft", "opened"]

_NPY, _TIFF = b"\x93NUMPY", (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


@dataclass
class Sink:
    """Destination of an array: in memory, or written row by row.

    Parameters
    ----------
    array : ndarray, optional
        The whole array, in memory or mapped, writable from any thread.
    dtype : dtype
        Of the stored values.
    put : callable, optional
        Without an array: function of a row number and rows, called by one thread in order.
    rows : int
        Every call but the last passes a multiple of this number of rows.
    result : callable
        Function that returns the result of the call, once all rows are written.
    """

    array: Array | None
    dtype: np.dtype[Any]
    put: Callable[[int, Array], None] | None = None
    rows: int = 1
    result: Callable[[], Any] = lambda: None


@contextmanager
def opened(
    sink: object,
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    order: str = "C",
    *,
    casting: str = "same_kind",
    memory: str | None = None,
) -> Iterator[Sink]:
    """Open a sink for an array; a file gets its name when the block ends without an error.

    Parameters
    ----------
    sink : None, ndarray, path or node
        None creates a new array.
    shape, dtype, order
        Of the result. A given array or node may have another dtype.
    casting : str
        Allowed casting to that dtype, as in `numpy.can_cast`.
    memory : 'shared' or None
        Memory of a new array.

    Raises
    ------
    SpecError, WrongTypeError
        When a given sink has another shape, is read-only, or cannot hold the dtype.
    """
    if sink is None:
        made = allocated(shape, dtype, order, memory)
        yield Sink(made, dtype, result=lambda: made)
    elif isinstance(sink, str | os.PathLike):
        with _of_path(os.fspath(sink), shape, dtype, order, sink) as found:
            yield found
    elif isinstance(sink, np.ndarray):
        fits(sink, shape, dtype, casting)
        yield Sink(sink, sink.dtype, result=lambda: sink)
        if isinstance(sink, np.memmap):
            sink.flush()
    elif is_node(sink):
        fits(sink, shape, dtype, casting)
        _check_rows(type(sink).__name__, shape)
        node: Any = sink

        def put(start: int, slab: Array) -> None:
            node[start : start + len(slab)] = slab

        # By one thread, since h5py and PyTables are not safe for several.
        chunks = getattr(node, "chunks", None)
        yield Sink(None, node.dtype, put, (chunks or (1,))[0], lambda: node)
    else:
        raise WrongTypeError(f"a sink is an array, a path or a dataset of a file, not {type(sink)}")


def allocated(
    shape: tuple[int, ...], dtype: np.dtype[Any], order: str = "C", memory: str | None = None
) -> Array:
    """Create an uninitialised array, optionally in shared memory."""
    if memory == "shared":
        return shared_array(shape, dtype, order)
    if memory is not None:
        raise SpecError(f"memory is 'shared' or None, not {memory!r}")
    return empty(shape, dtype, order)


def fits(sink: Node, shape: tuple[int, ...], dtype: np.dtype[Any], casting: str) -> None:
    """Raise if a sink cannot hold an array.

    Raises
    ------
    SpecError, WrongTypeError
        Names the shape or dtype of the sink and that of the result.
    """
    if tuple(sink.shape) != tuple(shape):
        raise SpecError(f"the sink has shape {tuple(sink.shape)}, the result has {tuple(shape)}")
    if isinstance(sink, np.ndarray) and not sink.flags.writeable:
        raise SpecError(f"the sink of shape {sink.shape} is read-only: give a writeable array")
    kind: Any = casting
    if sink.dtype.kind not in "biuf" or not np.can_cast(dtype, sink.dtype, kind):
        raise WrongTypeError(f"the sink is {sink.dtype} and cannot hold a result of {dtype}")


def into(target: Array, values: Array) -> None:
    """Copy values; to integers, rounded to the nearest and clipped to the range of the dtype.

    Examples
    --------
    >>> target = np.zeros(3, "uint8")
    >>> into(target, np.array([-3.0, 2.6, 300.0]))
    >>> target
    array([  0,   3, 255], dtype=uint8)
    """
    if target.dtype.kind not in "iu" or np.can_cast(values.dtype, target.dtype):
        target[...] = values
        return
    if values.dtype.kind == "f":
        for box in boxes(target.shape, 2**16):  # bounds the temporary arrays of rounding
            target[box] = _whole_numbers(values[box], np.iinfo(target.dtype))
        return
    low, high = np.iinfo(target.dtype).min, np.iinfo(target.dtype).max
    ends = np.iinfo(values.dtype) if values.dtype.kind in "iu" else np.iinfo(np.uint8)
    np.clip(values, max(low, ends.min), min(high, ends.max), out=target, casting="unsafe")


def _whole_numbers(values: Array, ends: np.iinfo[Any]) -> Array:
    rounded = np.rint(values)
    # The largest int64 has no float of its own: the float above it would wrap around.
    with np.errstate(invalid="ignore"):
        whole = np.where(np.isnan(rounded), 0, rounded).astype(ends.dtype)
    whole[rounded >= float(ends.max)] = ends.max
    whole[rounded <= float(ends.min)] = ends.min
    return whole


def _check_rows(what: str, shape: tuple[int, ...]) -> None:
    if not shape:
        raise SpecError(f"{what}: is written row by row, and a scalar has no rows")


@contextmanager
def _of_path(
    path: str, shape: tuple[int, ...], dtype: np.dtype[Any], order: str, given: object
) -> Iterator[Sink]:
    file, name, kind = split(path)
    if kind == ".npy":

        def finished() -> object:
            # The draft's map would keep its temporary name; elsewhere there is nothing to map.
            return given if local_file(file) is None else mapped(file, "r+")

        with npy_draft(file, shape, dtype, order) as made:
            yield Sink(made, dtype, result=finished)
        return
    _check_rows(path, shape)
    writers = {".tif": _tiff, ".tiff": _tiff, ".zarr": _zarr}
    writers |= dict.fromkeys((".h5", ".hdf5", ".hdf"), _hdf5)
    if kind not in writers:
        raise SpecError(f"{path}: an array is written as .npy, .tif, .h5 or .zarr, not {kind!r}")
    with writers[kind](file, name, shape, dtype) as (put, rows):
        yield Sink(None, dtype, put, rows, lambda: given)


@contextmanager
def npy_draft(
    path: str, shape: tuple[int, ...], dtype: np.dtype[Any], order: str, *, overwrite: bool = True
) -> Iterator[Array]:
    """Map a new ``.npy`` file that gets its name when the block ends without an error."""
    ours = partial(_begins, _NPY)
    with draft(path, ours, overwrite=overwrite) as made:
        fortran = order == "F"
        values = np.lib.format.open_memmap(made.file, "w+", dtype, shape, fortran)
        # A full disk is an error here; at a page of the map it would kill the process (SIGBUS).
        with made.file.open("r+b") as file:
            _system.reserve(file.fileno(), made.file.stat().st_size)
        yield values
        if isinstance(values, np.memmap):
            values.flush()


def _begins(magic: bytes | tuple[bytes, ...], start: bytes) -> bool:
    return start.startswith(magic)


@contextmanager
def _tiff(
    path: str, _name: str | None, shape: tuple[int, ...], dtype: np.dtype[Any]
) -> Iterator[Any]:
    import tifffile

    if len(shape) < 2 or 0 in shape:
        raise SpecError(f"{path}: a TIFF stack has pages of 2 axes, not shape {shape}")

    def put(_start: int, slab: Array) -> None:
        for page in slab.reshape(-1, *shape[-2:]):
            tiff.write(page, photometric="minisblack", contiguous=True)

    # Offsets of plain TIFF have 32 bits; 32 MiB are left for the tags, as tifffile does.
    big = math.prod(shape) * dtype.itemsize > 2**32 - 2**25
    rows = shape[0] if len(shape) == 2 else 1
    with (
        draft(path, partial(_begins, _TIFF), overwrite=True) as made,
        tifffile.TiffWriter(made.file, bigtiff=big) as tiff,
    ):
        yield put, rows


@contextmanager
def _hdf5(
    path: str, name: str | None, shape: tuple[int, ...], dtype: np.dtype[Any]
) -> Iterator[Any]:
    wanted = "/" + (name or "data").strip("/")
    _check_alone(path, wanted)
    with (
        draft(path, hdf5.looks_like, overwrite=True) as made,
        hdf5.Writer(made.file, shape, dtype, name=wanted) as writer,
    ):
        yield writer.put, writer.rows


def _check_alone(path: str, wanted: str) -> None:
    """Raise if the file to replace holds other data than the array."""
    if not storage.exists(path):
        return
    try:
        found = Hdf5(wanted).look(storage.stat(path)).name
        others = found != wanted or _names(path) != [wanted]
    except FormatError:
        others = True
    if others:
        raise SpecError(
            f"{path}: holds more than {wanted!r}, and would be replaced: give a new file, or open "
            "it and give the dataset"
        )


def _names(path: str) -> list[str]:
    from thunderlike.storage._open import open_file

    with open_file(path) as stream:
        return hdf5.datasets(stream)


@contextmanager
def _zarr(
    path: str, name: str | None, shape: tuple[int, ...], dtype: np.dtype[Any]
) -> Iterator[Any]:
    if name:
        raise SpecError(f"{path}::{name}: an array is written as a Zarr folder of its own: {path}")
    with storage.output(path, ours=["**"], overwrite=True) as folder:
        writer = zarr.Writer(Folder(folder), shape, dtype)
        yield writer.put, writer.rows
