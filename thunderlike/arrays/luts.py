"""Look-up tables: every element replaced by what a table says of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike.arrays.filling import Work, fill
from thunderlike.arrays.records import is_collection, with_lut
from thunderlike.arrays.sources import as_source, checked
from thunderlike.errors import BadIndex, SpecError, WrongType
from thunderlike.kernels._numba import jit, use_compiled
from thunderlike.kernels._validation import as_array, checked_arguments

if TYPE_CHECKING:
    from thunderlike._typing import Array
    from thunderlike.arrays.cutting import Box
    from thunderlike.arrays.processing import Verbose


__all__ = ["apply_lut", "as_lut", "gather", "unsigned"]

_CHUNK = 2**14  # indices checked, then used while they are in the nearest cache


@checked_arguments
def apply_lut(
    source: Any,
    lut: Any,
    sink: Any = None,
    blocks: int | None = None,
    processes: int | str | None = None,
    verbose: Verbose = False,
) -> Any:
    """Replace every element by what stands at its place in a table: ``sink[i] = lut[source[i]]``.

    Parameters
    ----------
    source : array-like, path or node
        Of whole numbers or bool; see :func:`~thunderlike.arrays.sources.as_source`. Images,
        Series and Blocks give the same kind, on Spark too, where nothing is computed yet.
    lut : array-like, shape (n,) or (n, k)
        The table. Rows of a table of two axes, such as colours, become a last axis.
    sink : ndarray, path or node, optional
        Where the result goes, of any dtype that numpy's ``same_kind`` casting allows.
    blocks : int, optional
        Pieces of work, at least.
    processes : int or 'serial', optional
        Threads.
    verbose : bool or callable
        Say how long it took; or a function that is told ``(done, total)``.

    Returns
    -------
    ndarray, memmap or the sink
        Of the table's dtype, in the shape and order of the source.

    Raises
    ------
    BadIndex
        For an element that is no place in the table, negative ones included: with its position.
        What the sink holds is then unspecified.
    WrongType
        For a source of floats.

    Notes
    -----
    One pass. The check costs nothing where the dtype cannot exceed the table.

    Examples
    --------
    >>> apply_lut([[0, 1], [2, 0]], [10.0, 20.0, 30.0])
    array([[10., 20.],
           [30., 10.]])
    """
    table = as_lut(lut)
    if sink is None and is_collection(source):
        return with_lut(source, table, apply_lut)
    work = Work("apply_lut", blocks, processes, verbose)
    found = as_source(source)
    if found.dtype.kind == "f":
        raise WrongType(
            f"apply_lut looks up whole numbers or bool, not {found.dtype}: convert with astype"
        )
    shape = found.shape + table.shape[1:]
    look = gather.choose(use_compiled(found.size), found.dtype, table.dtype)

    def compute(box: Box, out: Array) -> None:
        indices = found.get(box[: len(found.shape)])
        columns = table[(slice(None), *box[len(found.shape) :])]
        _look_up(look, np.asarray(indices), columns, out, box)

    return fill(
        compute, shape, table.dtype, sink, work, order=found.order,
        sources=(found.array, table), alias=lambda array: _is_alias(array, found.array),
    )  # fmt: skip


def as_lut(lut: Any, axes: tuple[int, ...] = (1, 2)) -> Array:
    """A table as an array with as many axes as it may have, in native byte order.

    Raises
    ------
    SpecError
        For another number of axes.
    """
    table = as_array(lut, "the values of the look-up table")
    if table.ndim not in axes:
        raise SpecError(f"a look-up table has {axes[0]} axis, not shape {table.shape}")
    checked(table.dtype, "a look-up table")
    return table.astype(table.dtype.newbyteorder("="), copy=False)


def _is_alias(sink: Array, source: Array | None) -> bool:
    """Element for element the same memory: each is read before it is written."""
    if source is None or sink.shape != source.shape or sink.strides != source.strides:
        return False
    same = sink.__array_interface__["data"][0] == source.__array_interface__["data"][0]
    return same and sink.itemsize == source.itemsize


def _look_up(look: Any, indices: Array, table: Array, out: Array, box: Box) -> None:
    """Write ``table[indices]``, through scratch memory where the arrays are not plain lines."""
    if table.ndim == 2:
        for column in range(table.shape[1]):
            _look_up(look, indices, table[:, column].copy(), out[..., column], box)
        return
    axes = sorted(range(out.ndim), key=lambda axis: -abs(out.strides[axis]))
    target, places = out.transpose(axes), unsigned(indices).transpose(axes)
    direct = target.dtype == table.dtype and target.flags.c_contiguous
    values = target.reshape(-1) if direct else np.empty(target.size, table.dtype)
    if look(np.ascontiguousarray(places).reshape(-1), table, values) >= 0:
        raise _outside(indices, table, box)
    if not direct:
        target[...] = values.reshape(target.shape)


def unsigned(indices: Array) -> Array:
    """The same bits as unsigned numbers: negative ones become larger than any table."""
    if not indices.dtype.isnative:
        indices = indices.astype(indices.dtype.newbyteorder("="))
    return indices.view(f"u{indices.itemsize}")


def _outside(indices: Array, table: Array, box: Box) -> BadIndex:
    wrong = np.argwhere((indices < 0) | (indices >= len(table)))[0]
    value = int(indices[tuple(wrong)])
    at = tuple(int(i) + s.start for i, s in zip(wrong, box, strict=False))
    there = f"outside 0..{len(table) - 1}" if len(table) else "in no table: it is empty"
    return BadIndex(f"lookup index {value} at position {at} is {there}")


def _take(places: Array, lut: Array, out: Array) -> int:
    if not lut.size and places.size:
        return 0
    every = np.iinfo(places.dtype).max < lut.size
    for start in range(0, places.size, 4 * _CHUNK):
        part = places[start : start + 4 * _CHUNK]
        if not every and part.max() >= lut.size:
            return start
        signed = part.view(np.int64) if part.itemsize == 8 else part
        np.take(lut, signed, mode="clip", out=out[start : start + 4 * _CHUNK])
    return -1


@jit(plain=_take)
def gather(places: Array, lut: Array, out: Array) -> int:
    """Write ``lut[places]``, all of them lines; a place near the first that is none, else -1."""
    bits = 8 * places.itemsize
    every = bits < 64 and lut.size >> bits > 0  # the dtype cannot exceed the table
    for start in range(0, places.size, 16384):
        part, target = places[start : start + 16384], out[start : start + 16384]
        if not every:
            highest = part[0]
            for i in range(part.size):
                highest = max(highest, part[i])
            if highest >= np.uint64(lut.size):
                return start
        for i in range(part.size):
            target[i] = lut[part[i]]
    return -1
