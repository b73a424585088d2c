"""Sources and sinks by hand, as functions of the older kind take them: buffers and their layout."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike.arrays.sinks import allocated, fits
from thunderlike.arrays.sources import as_source, mapped
from thunderlike.errors import NotFound, SpecError
from thunderlike.kernels._validation import checked_arguments
from thunderlike.storage.atomic import destination
from thunderlike.storage.filesystem import failures, reserve

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

    from thunderlike._typing import Array
    from thunderlike.storage import AnyPath


__all__ = ["initialize_sink", "initialize_source"]


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
        raise NotFound(f"{path}: no such file to open with mode 'r+'; mode='w+' makes one")
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
