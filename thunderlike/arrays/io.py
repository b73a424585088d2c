"""Read and write arrays in parallel; sources and sinks by name."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike import _system, storage
from thunderlike.arrays._sinks import allocated, fits, npy_draft
from thunderlike.arrays._sources import Source, as_source, mapped, split
from thunderlike.arrays.blockwise import Work, fill, reported
from thunderlike.errors import (
    BadIndexError,
    ExistsError,
    NotFoundError,
    SpecError,
    StorageError,
    WrongTypeError,
)
from thunderlike.kernels._validation import checked_arguments
from thunderlike.storage._open import local_file
from thunderlike.storage.filesystem import destination, failure, failures

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import DTypeLike

    from thunderlike._typing import Array
    from thunderlike.arrays._boxes import Box
    from thunderlike.arrays.blockwise import Verbose
    from thunderlike.storage import AnyPath

__all__ = ["initialize_sink", "initialize_source", "read", "write"]


@checked_arguments
def initialize_source(
    source: object,
    return_buffer: bool = True,
    as_1d: bool = False,
    return_shape: bool = False,
    return_strides: bool = False,
    return_order: bool = False,
) -> Any:
    """Open a source and describe its memory layout.

    Parameters
    ----------
    source : array-like, path or node
        Arrays in memory or mapped are not copied.
    return_buffer : bool
        Return the values for a kernel, bool as uint8.
    as_1d : bool
        Flatten that buffer, in memory order.
    return_shape, return_strides : bool
        Return arrays of int; strides count elements.
    return_order : bool
        Return 'C', 'F', or None for other layouts.

    Returns
    -------
    source, buffer, shape, strides, order
        The source as an array and the requested items, in this order; one alone without a tuple.

    Raises
    ------
    SpecError
        For `as_1d` of an array that is not contiguous.

    Examples
    --------
    >>> source, buffer, strides = initialize_source(
    ...     [[1, 2], [3, 4]], as_1d=True, return_strides=True
    ... )
    >>> buffer, strides
    (array([1, 2, 3, 4]), array([2, 1]))
    """
    array = as_source(source).values()
    buffer = _buffer(array, as_1d=as_1d) if return_buffer else None
    return _requested(array, buffer, return_shape, return_strides, return_order)


@checked_arguments
def initialize_sink(
    sink: object = None,
    shape: tuple[int, ...] | None = None,
    dtype: DTypeLike | None = None,
    order: str | None = None,
    memory: str | None = None,
    location: AnyPath | None = None,
    mode: str | None = None,
    source: object = None,
    return_buffer: bool = True,
    as_1d: bool = False,
    return_shape: bool = False,
    return_strides: bool = False,
) -> Any:
    """Create or open a sink; missing arguments are taken from a source.

    Parameters
    ----------
    sink : ndarray or path, optional
        Checked against the other arguments.
    shape, dtype, order
        Of a new sink.
    memory : 'shared' or None
        Memory of a new sink.
    location : path, optional
        A ``.npy`` file to map.
    mode : 'w+' or 'r+', optional
        Create the file, or open an existing one; 'r+' by default for a file that fits.
    source : array-like, optional
        Provides missing shape, dtype and order.
    return_buffer, as_1d, return_shape, return_strides
        As in :func:`initialize_source`.

    Raises
    ------
    SpecError
        When shape or dtype are missing, or those of an existing sink differ.

    Examples
    --------
    >>> initialize_sink(source=[1.0, 2.0], return_buffer=False).dtype
    dtype('float64')
    """
    if isinstance(sink, str | os.PathLike):
        sink, location = None, sink
    like = None if source is None else as_source(source)
    if isinstance(sink, np.ndarray):
        fits(
            sink, sink.shape if shape is None else shape, np.dtype(dtype or sink.dtype), "same_kind"
        )
        return _requested(sink, _buffer(sink, as_1d=as_1d) if return_buffer else None,
                     return_shape, return_strides, False)  # fmt: skip
    shape = like.shape if shape is None and like else shape
    wanted = np.dtype(dtype) if dtype is not None else like.dtype if like else None
    layout = order or (like.order if like else "C")
    if location is not None:
        made = _mapped(os.fspath(location), shape, wanted, layout, mode)
    elif shape is None or wanted is None:
        raise SpecError("a new sink needs a shape and a dtype, or a source that has them")
    else:
        made = allocated(tuple(shape), wanted, layout, memory)
    buffer = _buffer(made, as_1d=as_1d) if return_buffer else None
    return _requested(made, buffer, return_shape, return_strides, False)


def _mapped(
    path: str,
    shape: Sequence[int] | None,
    dtype: np.dtype[Any] | None,
    order: str,
    access: str | None,
) -> Array:
    there = Path(path).exists()
    if access == "r+" and not there:
        raise NotFoundError(f"{path}: no such file to open with mode 'r+'; mode='w+' creates one")
    if there and access != "w+":
        found = mapped(path, "r+")
        same = (shape is None or found.shape == tuple(shape)) and (
            dtype is None or found.dtype == dtype
        )
        if same:
            return found
        if access == "r+":
            raise SpecError(
                f"{path}: holds {found.dtype} of shape {found.shape}, not {dtype} of shape {shape}"
            )
    if shape is None or dtype is None:
        raise SpecError(f"{path}: a new file needs a shape and a dtype, or a source that has them")
    place, old = destination(path)
    with failures(path, "write"):
        try:
            made = np.lib.format.open_memmap(place, "w+", dtype, tuple(shape), order == "F")
            with place.open("r+b") as file:
                _system.reserve(file.fileno(), place.stat().st_size)
        except OSError:
            if old is None:
                place.unlink(missing_ok=True)
            raise
    return made


def _buffer(array: Array, *, as_1d: bool) -> Array:
    plain = array.view(np.uint8) if array.dtype == bool else array
    if not as_1d:
        return plain
    if not (plain.flags.c_contiguous or plain.flags.f_contiguous):
        raise SpecError(
            f"as_1d needs a contiguous array, not shape {array.shape} with strides "
            f"{array.strides}: copy it first"
        )
    return plain.reshape(-1, order="A")


def _requested(array: Array, buffer: Array | None, shape: bool, strides: bool, order: bool) -> Any:
    items: list[Any] = [array]
    if buffer is not None:
        items.append(buffer)
    if shape:
        items.append(np.array(array.shape, int))
    if strides:
        items.append(np.array(array.strides, int) // max(array.itemsize, 1))
    if order:
        c, f = array.flags.c_contiguous, array.flags.f_contiguous
        items.append("C" if c else "F" if f else None)
    return tuple(items) if len(items) > 1 else items[0]


_BYTES = 2**23  # bytes of one system call


@checked_arguments
def read(
    source: object,
    sink: object = None,
    slicing: object = None,
    memory: str | None = None,
    blocks: int | None = None,
    processes: int | str | None = None,
    verbose: Verbose = False,
) -> Any:
    """Read an array, or a part of it, in threads.

    Parameters
    ----------
    source : path, node or array-like
        A ``.npy`` file is read in byte ranges if the part is contiguous in it.
    sink : ndarray, path or node, optional
        Destination; of any dtype that numpy's ``same_kind`` casting allows.
    slicing : int, slice, Ellipsis or tuple of them, optional
        Part to read, by basic indexing as in numpy.
    memory : 'shared' or None
        Create the array in shared memory.
    blocks, processes, verbose
        As in :func:`apply_lut`.

    Returns
    -------
    ndarray, memmap or the sink
        In the order of the file. An index of one element returns an array without axes.

    Raises
    ------
    NotFoundError
        When the file does not exist.
    StorageError
        When the file is truncated; names the expected and the actual number of bytes.
    WrongTypeError, BadIndexError
        For other indexing, or an index out of range.

    Examples
    --------
    >>> read(np.arange(12).reshape(3, 4), slicing=(slice(1, None), slice(None, None, 2)))
    array([[ 4,  6],
           [ 8, 10]])
    """
    work = Work("read", blocks, processes, verbose)
    found = _part(as_source(source), slicing)
    order = found.order
    if sink is None and found.array is not None and (begin := _file_offset(found)) is not None:
        made = allocated(found.shape, found.array.dtype, order, memory)
        with reported("read", verbose):
            place = str(found.location)
            _ranges(_system.preadv, place, os.O_RDONLY, begin, made, work, place)
        return made
    return fill(
        partial(_copy, found), found.shape, found.dtype, sink, work,
        order=order, memory=memory, sources=(found.array,),
    )  # fmt: skip


@checked_arguments
def write(
    sink: object,
    source: object,
    slicing: object = None,
    overwrite: bool = True,
    blocks: int | None = None,
    processes: int | str | None = None,
    verbose: Verbose = False,
) -> Any:
    """Write an array to a file, or to a part of one, in threads; the sink comes first.

    Parameters
    ----------
    sink : path, node or ndarray
        A new file has shape, dtype and order of the source, and takes its name when it is
        complete: a crash leaves what was there before.
    source : array-like, path or node
        Values to write.
    slicing : int, slice, Ellipsis or tuple of them, optional
        Write a part of a ``.npy`` file that exists, or of an array, in place.
    overwrite : bool
        Replace an existing file.
    blocks, processes, verbose
        As in :func:`apply_lut`.

    Returns
    -------
    memmap or the sink
        Map of the file, if it is on a local disk; else the given path.

    Raises
    ------
    ExistsError
        If the file exists and `overwrite` is False.
    SpecError, WrongTypeError
        When shape or dtype of the source do not fit the part.
    StorageError
        When the disk is full.

    Notes
    -----
    One pass. A new file gets its name after its bytes are synced to the disk; `numpy.save` leaves
    them in the cache of the system.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     values = write(f"{folder}/x.npy", [[1, 2], [3, 4]])
    ...     values = write(f"{folder}/x.npy", [7, 8], slicing=0)
    ...     print(values.tolist())
    [[7, 8], [3, 4]]
    """
    work = Work("write", blocks, processes, verbose)
    found = as_source(source)
    if slicing is not None:
        return _write_part(sink, found, slicing, work)
    if not isinstance(sink, str | os.PathLike):
        return _copied(found, sink, work)
    path, _, kind = split(os.fspath(sink))
    if not overwrite and storage.exists(path):
        raise ExistsError(f"{path}: exists already; give overwrite=True to replace it")
    line = found.array
    if kind != ".npy" or line is None or not (line.flags.c_contiguous or line.flags.f_contiguous):
        return _copied(found, sink, work)
    with (
        reported("write", verbose),
        npy_draft(path, found.shape, found.dtype, found.order) as made,
    ):
        if isinstance(made, np.memmap):
            _ranges(_written, str(made.filename), os.O_WRONLY, made.offset, line, work, path)
    return sink if local_file(path) is None else mapped(path, "r+")


def _copied(found: Source, sink: object, work: Work) -> Any:
    copy = partial(_copy, found)
    return fill(
        copy, found.shape, found.dtype, sink, work, order=found.order, sources=(found.array,)
    )


def _copy(source: Source, box: Box, out: Array) -> None:
    out[...] = source.get(box)


def _write_part(sink: object, found: Source, slicing: object, work: Work) -> Any:
    if isinstance(sink, str | os.PathLike):
        path, _, kind = split(os.fspath(sink))
        if kind != ".npy" or local_file(path) is None:
            raise SpecError(f"{path}: a part is written to a .npy file on a disk here")
        if not storage.exists(path):
            raise NotFoundError(f"{path}: no such file to write a part of")
        whole = mapped(path, "r+")
    elif isinstance(sink, np.ndarray):
        whole = sink
    else:
        raise WrongTypeError(f"a part is written to an array or a .npy file, not to {type(sink)}")
    part = _view(whole, slicing)
    fits(part, found.shape, found.dtype, "same_kind")
    _copied(found, part, work)
    if isinstance(whole, np.memmap):
        whole.flush()
    return whole if isinstance(sink, str | os.PathLike) else sink


def _part(source: Source, slicing: object) -> Source:
    """Return a part of a source, by basic indexing."""
    if slicing is None:
        return source
    if source.array is not None:
        view = _view(source.array, slicing)
        return Source(
            view.shape, view.dtype, view.__getitem__, view, source.location, source.offset
        )
    # Indexing a broadcast scalar gives the shape of the part without reading anything.
    ghost = np.broadcast_to(np.empty((), source.dtype), source.shape)
    shape = _view(ghost, slicing).shape
    if not isinstance(slicing, tuple):
        slicing = (slicing,)
    rows, rest = _rows(slicing, source.shape)
    slab = source.get((rows, *(slice(0, n) for n in source.shape[1:])))
    view = _view(slab, (*rest,)).reshape(shape)
    return Source(shape, view.dtype, view.__getitem__, view)


def _rows(slicing: tuple[Any, ...], shape: tuple[int, ...]) -> tuple[slice, tuple[Any, ...]]:
    """Return the rows that contain a part, and its index within them."""
    first, rest = (slicing or (Ellipsis,))[0], slicing[1:]
    if isinstance(first, slice):
        wanted = range(shape[0])[first]
        if len(wanted):
            low, high = min(wanted[0], wanted[-1]), max(wanted[0], wanted[-1]) + 1
            step = slice(None, None, wanted.step)
            return slice(low, high), (step, *rest)
        return slice(0, 0), (slice(None), *rest)
    if hasattr(first, "__index__") and not isinstance(first, bool):
        row = range(shape[0])[first]
        return slice(row, row + 1), (0, *rest)
    return slice(0, shape[0]), slicing


def _view(array: Array, slicing: object) -> Array:
    for one in slicing if isinstance(slicing, tuple) else (slicing,):
        whole = hasattr(one, "__index__") and not isinstance(one, bool | np.bool_ | np.ndarray)
        if not (whole or one is None or one is Ellipsis or isinstance(one, slice)):
            raise WrongTypeError(
                f"slicing takes whole numbers, slices and Ellipsis, not {type(one).__name__}"
            )
    every = slicing if isinstance(slicing, tuple) else (slicing,)
    try:
        # With an Ellipsis, the index of one element returns a view too, without axes.
        view: Array = array[every if Ellipsis in every else (*every, Ellipsis)]
    except IndexError as error:
        raise BadIndexError(
            f"index {slicing!r} is out of range for an array of shape {array.shape}"
        ) from error
    return view


def _file_offset(source: Source) -> int | None:
    """Return the byte offset of a part that is contiguous in a local file; else None."""
    view = source.array
    if not isinstance(view, np.memmap) or source.location is None or not view.size:
        return None
    if not (view.flags.c_contiguous or view.flags.f_contiguous):
        return None
    base: Any = view
    while isinstance(base.base, np.memmap):
        base = base.base
    ahead = view.__array_interface__["data"][0] - base.__array_interface__["data"][0]
    return int(source.offset + ahead) if ahead >= 0 else None


def _written(file: int, parts: list[memoryview], at: int) -> int:
    """Write, and start the transfer to the disk, so that the final sync is short."""
    moved = os.pwrite(file, parts[0], at)
    _system.begin_writing(file, at, moved)
    return moved


def _ranges(
    call: Callable[..., int],
    path: str | Path,
    flags: int,
    begin: int,
    array: Array,
    work: Work,
    name: str,
) -> None:
    """Transfer all bytes of an array to or from a file, in threads.

    `name` is the final name of the file, for messages.
    """
    data = memoryview(array.reshape(-1, order="A").view(np.uint8))  # type: ignore[arg-type]
    step = max(1, min(_BYTES, -(-len(data) // work.blocks)))
    file = os.open(path, flags)

    def move(start: int) -> None:
        part = data[start : start + step]
        done = 0
        while done < len(part):
            moved = call(file, [part[done:]], begin + start + done)
            if moved == 0:
                raise StorageError(
                    f"{name}: {len(part)} bytes from byte {begin + start} wanted, "
                    f"{done} moved: it is truncated"
                )
            done += moved

    try:
        work.each(move, range(0, len(data), step))
    except StorageError:
        raise
    except OSError as error:
        raise failure(name, "move bytes of", error) from error
    finally:
        os.close(file)
