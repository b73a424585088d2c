"""Read and write arrays in parallel; sources and sinks by name."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike import storage
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
from thunderlike.storage.filesystem import destination, failure, failures, reserve

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import DTypeLike

    from thunderlike._typing import Array
    from thunderlike.arrays._boxes import Box
    from thunderlike.arrays.blockwise import Verbose
    from thunderlike.storage import AnyPath

__all__ = ["initialize_sink", "initialize_source", "read", "write"]


@checked_arguments
def initialize_source(
    source: Any,
    return_buffer: bool = True,
    as_1d: bool = False,
    return_shape: bool = False,
    return_strides: bool = False,
    return_order: bool = False,
) -> Any:
    """Open a source and say how it lies in memory.

    Parameters
    ----------
    source : array-like, path or node
        What is in memory or mapped is not copied.
    return_buffer : bool
        Return the numbers for a kernel: bool as uint8.
    as_1d : bool
        That buffer flattened, in the order of the memory.
    return_shape, return_strides : bool
        Return arrays of int; strides count elements.
    return_order : bool
        Return 'C', 'F', or None for what is neither.

    Returns
    -------
    source, buffer, shape, strides, order
        The source as an array and what was asked for, in this order; one alone is not in a tuple.

    Raises
    ------
    SpecError
        For `as_1d` of an array that does not lie in a row: its strides would be another's.

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
    return _told(array, buffer, return_shape, return_strides, return_order)


@checked_arguments
def initialize_sink(
    sink: Any = None,
    shape: tuple[int, ...] | None = None,
    dtype: DTypeLike | None = None,
    order: str | None = None,
    memory: str | None = None,
    location: AnyPath | None = None,
    mode: str | None = None,
    source: Any = None,
    return_buffer: bool = True,
    as_1d: bool = False,
    return_shape: bool = False,
    return_strides: bool = False,
) -> Any:
    """Make or open a sink; what is not given is taken from a source.

    Parameters
    ----------
    sink : ndarray or path, optional
        Checked against what is given.
    shape, dtype, order
        Of a new one.
    memory : 'shared' or None
        Where a new one is made.
    location : path, optional
        A ``.npy`` file to map.
    mode : 'w+' or 'r+', optional
        Make it anew, or open what is there; 'r+' by default for a file that fits.
    source : array-like, optional
        Gives what is missing.
    return_buffer, as_1d, return_shape, return_strides
        As in :func:`initialize_source`.

    Raises
    ------
    SpecError
        When neither says what shape or dtype, or what is there has another.

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
        return _told(sink, _buffer(sink, as_1d=as_1d) if return_buffer else None,
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
    return _told(made, buffer, return_shape, return_strides, False)


def _mapped(path: str, shape: Any, dtype: Any, order: str, access: str | None) -> Array:
    there = Path(path).exists()
    if access == "r+" and not there:
        raise NotFoundError(f"{path}: no such file to open with mode 'r+'; mode='w+' makes one")
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
                reserve(file.fileno(), place.stat().st_size)
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
            f"as_1d needs an array that lies in a row, not shape {array.shape} with strides "
            f"{array.strides}: copy it first"
        )
    return plain.reshape(-1, order="A")


def _told(array: Array, buffer: Array | None, shape: bool, strides: bool, order: bool) -> Any:
    told: list[Any] = [array]
    if buffer is not None:
        told.append(buffer)
    if shape:
        told.append(np.array(array.shape, int))
    if strides:
        told.append(np.array(array.strides, int) // max(array.itemsize, 1))
    if order:
        told.append(_order(array))
    return tuple(told) if len(told) > 1 else told[0]


def _order(array: Array) -> str | None:
    if array.flags.c_contiguous:
        return "C"
    return "F" if array.flags.f_contiguous else None


_BYTES = 2**23  # of one call to the system


@checked_arguments
def read(
    source: Any,
    sink: Any = None,
    slicing: Any = None,
    memory: str | None = None,
    blocks: int | None = None,
    processes: int | str | None = None,
    verbose: Verbose = False,
) -> Any:
    """Read an array, or a part of it, in threads.

    Parameters
    ----------
    source : path, node or array-like
        A ``.npy`` file is read in byte ranges where the part lies in a row.
    sink : ndarray, path or node, optional
        Where to; another dtype if numpy's ``same_kind`` casting allows it.
    slicing : int, slice, Ellipsis or tuple of them, optional
        Which part: any basic indexing of numpy.
    memory : 'shared' or None
        Make the array in shared memory.
    blocks, processes, verbose
        As in :func:`apply_lut`.

    Returns
    -------
    ndarray, memmap or the sink
        In the order of the file. An index of one element gives an array of no axes.

    Raises
    ------
    NotFoundError
        When there is no such file.
    StorageError
        When it is shorter than it says: with the bytes wanted and those got.
    WrongTypeError, BadIndexError
        For other indexing, or beyond the array.

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
            _ranges(_read, place, os.O_RDONLY, begin, made, work, place)
        return made
    return fill(
        partial(_copy, found), found.shape, found.dtype, sink, work,
        order=order, memory=memory, sources=(found.array,),
    )  # fmt: skip


@checked_arguments
def write(
    sink: Any,
    source: Any,
    slicing: Any = None,
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
        What is written.
    slicing : int, slice, Ellipsis or tuple of them, optional
        Write a part of a ``.npy`` file that exists, or of an array, in place.
    overwrite : bool
        Replace a file that is there.
    blocks, processes, verbose
        As in :func:`apply_lut`.

    Returns
    -------
    memmap or the sink
        Of the file, where that is on a disk here; else the path that was given.

    Raises
    ------
    ExistsError
        If there is a file and `overwrite` is False.
    SpecError, WrongTypeError
        When the source does not have the shape of the part, or its numbers do not fit.
    StorageError
        When the disk takes fewer bytes than there are.

    Notes
    -----
    One pass. A new file is on the disk when this returns, and has its name only then; `numpy.save`
    leaves its bytes to the system, which writes them at some later time.

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
        raise ExistsError(f"{path}: is there already; give overwrite=True to replace it")
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


def _copied(found: Source, sink: Any, work: Work) -> Any:
    copy = partial(_copy, found)
    return fill(
        copy, found.shape, found.dtype, sink, work, order=found.order, sources=(found.array,)
    )


def _copy(source: Source, box: Box, out: Array) -> None:
    out[...] = source.get(box)


def _write_part(sink: Any, found: Source, slicing: Any, work: Work) -> Any:
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


def _part(source: Source, slicing: Any) -> Source:
    """The part of a source that basic indexing gives."""
    if slicing is None:
        return source
    if source.array is not None:
        view = _view(source.array, slicing)
        return Source(
            view.shape, view.dtype, view.__getitem__, view, source.location, source.offset
        )
    # A view of nothing has the shape of the part, and tells which rows are needed.
    ghost = np.broadcast_to(np.empty((), source.dtype), source.shape)
    shape = _view(ghost, slicing).shape
    if not isinstance(slicing, tuple):
        slicing = (slicing,)
    rows, rest = _rows(slicing, source.shape)
    slab = source.get((rows, *(slice(0, n) for n in source.shape[1:])))
    view = _view(slab, (*rest,)).reshape(shape)
    return Source(shape, view.dtype, view.__getitem__, view)


def _rows(slicing: tuple[Any, ...], shape: tuple[int, ...]) -> tuple[slice, tuple[Any, ...]]:
    """Consecutive rows that hold a part, and the indexing of that part within them."""
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


def _view(array: Array, slicing: Any) -> Array:
    for one in slicing if isinstance(slicing, tuple) else (slicing,):
        whole = hasattr(one, "__index__") and not isinstance(one, bool | np.bool_ | np.ndarray)
        if not (whole or one is None or one is Ellipsis or isinstance(one, slice)):
            raise WrongTypeError(
                f"slicing takes whole numbers, slices and Ellipsis, not {type(one).__name__}"
            )
    every = slicing if isinstance(slicing, tuple) else (slicing,)
    try:
        # With an Ellipsis even one element is a view, of no axes.
        view: Array = array[every if Ellipsis in every else (*every, Ellipsis)]
    except IndexError as error:
        raise BadIndexError(
            f"there is no {slicing!r} in an array of shape {array.shape}"
        ) from error
    return view


def _file_offset(source: Source) -> int | None:
    """Byte of a local file at which a part begins that lies in one row there; else None."""
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


def _read(file: int, parts: list[memoryview], at: int) -> int:
    """Read into memory, where the system can without a copy."""
    if hasattr(os, "preadv"):
        return os.preadv(file, parts, at)
    data = os.pread(file, len(parts[0]), at)
    parts[0][: len(data)] = data
    return len(data)


def _written(file: int, parts: list[memoryview], at: int) -> int:
    """Write, and have the system begin with the disk now: syncing at the end then waits less."""
    moved = os.pwrite(file, parts[0], at)
    if hasattr(os, "posix_fadvise"):  # "not needed" sends to the disk what is not there yet
        os.posix_fadvise(file, at, moved, os.POSIX_FADV_DONTNEED)
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
    """Move the bytes of an array to or from a file, in threads; all of them, or an error.

    `name` is what messages call the file, which may still have another.
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
                    f"{done} moved: it is cut short"
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
