"""Tiles of a block of series, and deviations of the series from their means.

A block of int16 converted to float64 is four times its size, and each step of a formula would read
and write all of it in memory. A tile of 512 KiB and a temporary of its size stay in the second
cache. Between calls on smaller ones threads would wait for one another.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike.kernels._numba import jit, use_compiled
from thunderlike.kernels.moments import finite_origin

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import DTypeLike

    from thunderlike._typing import Array

__all__ = [
    "PRODUCT_ROWS",
    "buffers",
    "centered",
    "deviations",
    "norm",
    "projected",
    "row_products",
    "tiles",
]

PRODUCT_ROWS = 48
"""Rows of one product of matrices: a multiple of those that any loop of OpenBLAS takes at once."""

_LANES, _RUN = 128, 1024  # partial sums of a run; samples of a run
_ELEMENTS = 2**16  # 512 KiB of float64
_MOST = 4  # times as many rows in one product: the last one of a block is computed in full


def tiles(
    block: Array, dtype: DTypeLike = np.float64, *, width: int = 0, least: int = 1
) -> Iterator[tuple[slice, Array]]:
    """Yield (rows, writable copy) of a few records at a time, in one reusable buffer.

    Parameters
    ----------
    block : ndarray, shape (k, L)
    dtype : dtype
        Of the copies.
    width : int
        Elements of a record during the computation, if more than L.
    least : int
        Records of a tile at least, whatever their length.

    Examples
    --------
    >>> block = np.arange(6, dtype="int16").reshape(3, 2)
    >>> [(rows, tile.sum()) for rows, tile in tiles(block)]
    [(slice(0, 3, None), np.float64(15.0))]
    """
    for rows, tile in buffers(block, dtype, width=width, least=least):
        tile[...] = block[rows]
        yield rows, tile


def buffers(
    block: Array, dtype: DTypeLike = np.float64, *, width: int = 0, least: int = 1
) -> Iterator[tuple[slice, Array]]:
    """Yield (rows, uninitialised buffer) with the sizes of `tiles`.

    Examples
    --------
    >>> [(rows, buffer.shape) for rows, buffer in buffers(np.zeros((3, 2)))]
    [(slice(0, 3, None), (3, 2))]
    """
    count, length = block.shape
    step = max(least, _ELEMENTS // max(1, length, width))
    memory = np.empty((min(step, count), length), dtype)
    for start in range(0, count, step):
        rows = slice(start, min(start + step, count))
        yield rows, memory[: rows.stop - start]


def row_products(rows: Array, matrix: Array, out: Array | None = None) -> Array:
    """Multiply rows with a matrix; the bits of a row do not depend on the rows next to it.

    Parameters
    ----------
    rows : ndarray, shape (k, L)
    matrix : ndarray, shape (L, m)
    out : ndarray, shape (k, m), optional
        Written to; may be a view with strides.

    Returns
    -------
    ndarray, shape (k, m)

    Notes
    -----
    BLAS computes the last rows of a product by other loops, which add in another order. So as many
    rows are multiplied at a time as their lengths say, a multiple of 48, and single precision is
    computed in double precision, as OpenBLAS has two orders for it on some processors. Tiles of
    fewer rows would be multiplied with rows of zeros: ask for :data:`PRODUCT_ROWS` at least.
    Callers with several threads limit BLAS to one.

    Examples
    --------
    >>> row_products(np.array([[1.0, 2], [3, 4]]), np.array([[1.0], [10]]))
    array([[21.],
           [43.]])
    """
    dtype = np.result_type(rows, matrix)
    if dtype.char not in "fdFD":  # no BLAS: numpy adds the terms of each element in order
        return np.matmul(rows, matrix, out=out)
    out = np.empty((len(rows), matrix.shape[1]), dtype) if out is None else out
    dtype = np.result_type(dtype, np.float64)
    matrix = matrix.astype(dtype, copy=False)
    # A product of at most half a tile, so that little of the last one is wasted.
    longest = max(1, *matrix.shape)
    size = PRODUCT_ROWS * min(max(_ELEMENTS // (2 * PRODUCT_ROWS * longest), 1), _MOST)
    tile, found = np.zeros((size, rows.shape[1]), dtype), np.empty((size, matrix.shape[1]), dtype)
    for start in range(0, len(rows), size):
        part, target = rows[start : start + size], out[start : start + size]
        if len(part) < size or part.dtype != dtype or not part.flags.c_contiguous:
            tile[: len(part)] = part
            part = tile
        if len(target) == size and target.dtype == dtype and target.flags.c_contiguous:
            np.matmul(part, matrix, out=target)
        else:
            target[...] = np.matmul(part, matrix, out=found)[: len(target)]
    return out


def deviations(
    block: Array, *, compiled: bool | None = None, least: int = 1
) -> Iterator[tuple[slice, Array, Array]]:
    """Yield rows, the deviations of their records from the means, and the norms as a column.

    Parameters
    ----------
    block : ndarray, shape (k, L)
    compiled : bool, optional
        Whether to run compiled loops; by default, the size of the block decides.
    least : int
        Records of a tile at least, as in `tiles`.

    Yields
    ------
    rows : slice
    tile : ndarray of float64
        One reused buffer.
    norms : ndarray of float64, shape (k, 1)

    Examples
    --------
    >>> for _, tile, norms in deviations(np.array([[3, 3, 7, 7]], "int16")):
    ...     print(tile, norms)
    [[-2. -2.  2.  2.]] [[4.]]
    """
    origins, squares = _origins(block), np.empty((len(block), 1))
    deviate = _deviate.choose(_decided(block, compiled), block.dtype)
    for rows, tile in buffers(block, least=least):
        records = np.ascontiguousarray(block[rows])
        deviate(records, origins[rows], tile, squares[rows])
        yield rows, tile, np.sqrt(squares[rows])


def projected(block: Array, signal: Array, *, compiled: bool | None = None) -> tuple[Array, Array]:
    """Compute products of the deviations with a signal, and norms of the deviations, as columns.

    As from `deviations`, but nothing as large as the records is allocated.

    Examples
    --------
    >>> projected(np.array([[3, 3, 7, 7]], "int16"), np.array([0.0, 0, 0, 1]))
    (array([[2.]]), array([[4.]]))
    """
    products, squares = np.empty((2, len(block), 1))
    origins = _origins(block)
    project = _project.choose(_decided(block, compiled), block.dtype)
    project(np.ascontiguousarray(block), origins, signal, products, squares)
    return products, np.sqrt(squares)


def centered(records: Array, out: Array) -> Array:
    """Fill `out` with the records less the mean of each; a constant record is then exactly 0.

    Examples
    --------
    >>> records = np.array([[1.0, 2.0, 6.0], [0.1, 0.1, 0.1]])
    >>> centered(records, out=records)
    array([[-2., -1.,  3.],
           [ 0.,  0.,  0.]])
    """
    return _centered(records, _origins(records), out)


def norm(tile: Array) -> Array:
    """Root of the sum of squares of each record, as a column.

    Examples
    --------
    >>> norm(np.array([[3.0, 4.0]]))
    array([[5.]])
    """
    result: Array = np.sqrt(np.vecdot(tile, tile))[:, np.newaxis]
    return result


def _decided(block: Array, compiled: bool | None) -> bool:
    """Answer of the caller, else by the size of the block; records of no samples have no loops."""
    return bool(block.size) and (use_compiled(block.size) if compiled is None else compiled)


def _origins(records: Array) -> Array:
    """The number of each record, as a column, from which its sum is taken.

    Less its first sample, a constant record is exactly 0 and a large offset costs no digits. The
    sum of numbers of 24 bits needs no origin: it has 29 bits more, and of equal ones it is exact.
    """
    if records.dtype == np.float32:
        return np.zeros((len(records), 1))
    return finite_origin(records[:, :1])


def _centered(records: Array, origins: Array, out: Array) -> Array:
    if records.dtype == np.float32:
        np.copyto(out, records)
        out -= out.sum(axis=1, keepdims=True) / out.shape[1]
    else:
        np.subtract(records, origins, out=out)
        out -= _sums(out) / out.shape[1]
    return out


def _products(tile: Array, other: Array, dtype: np.dtype[Any]) -> Array:
    """Sum products of deviations of records of a dtype with others, as a column."""
    if dtype == np.float32:  # of which the result keeps 24 bits: the order of the sum is free
        result: Array = np.vecdot(tile, other)[:, np.newaxis]
        return result
    return _sums(np.multiply(tile, other))


def _deviate_plain(records: Array, origins: Array, out: Array, squares: Array) -> None:
    """Fill `out` with deviations, and a column with the sums of their squares."""
    _centered(records, origins, out)
    squares[...] = _products(out, out, records.dtype)


def _project_plain(
    records: Array, origins: Array, signal: Array, products: Array, squares: Array
) -> None:
    """Fill two columns: products of deviations and a signal, and sums of squared deviations."""
    for rows, tile in buffers(records):
        _deviate_plain(records[rows], origins[rows], tile, squares[rows])
        products[rows] = _products(tile, signal, records.dtype)


def _sums(values: Array) -> Array:
    """Sum each record of float64, as a column.

    Examples
    --------
    >>> _sums(np.ones((2, 3000)))
    array([[3000.],
           [3000.]])
    """
    count, length = values.shape
    if length <= _LANES:
        result: Array = values.sum(axis=1, keepdims=True)
        return result
    # Sums of runs, then sums of these: rounding errors grow slowly with the length.
    whole = length // _RUN * _RUN
    parts = [_run_sums(values[:, :whole].reshape(count, whole // _RUN, _RUN))]
    if whole < length:
        parts.append(_run_sums(values[:, np.newaxis, whole:]))
    return _sums(np.concatenate(parts, axis=1))


def _run_sums(runs: Array) -> Array:
    """Sum runs of at most `_RUN` samples along the last axis."""
    lanes = runs[..., :_LANES].copy()
    for left in range(_LANES, runs.shape[-1], _LANES):
        part = runs[..., left : left + _LANES]
        lanes[..., : part.shape[-1]] += part
    result: Array = lanes.sum(axis=-1)
    return result


def _dot(a: Array, b: Array, lanes: Array, sums: Array) -> Any:
    """Sum of products of two records of float64.

    Parameters
    ----------
    a, b : ndarray of float64, shape (L,)
    lanes, sums : ndarray of float64, shapes (_LANES,) and (L // _RUN + 1,)
        Buffers.
    """
    runs = 0
    for start in range(0, a.size, _RUN):
        stop = min(start + _RUN, a.size)
        lanes[:] = 0
        for left in range(start, stop, _LANES):
            right = min(left + _LANES, stop)
            x, y = a[left:right], b[left:right]
            for n in range(x.size):
                lanes[n] += x[n] * y[n]
        sums[runs] = _short_sum(lanes, min(_LANES, stop - start))
        runs += 1
    return sums[0] if runs == 1 else _sum(sums[:runs], lanes, sums)


def _sum(a: Array, lanes: Array, sums: Array) -> Any:
    """Sum of a record of float64; buffers as in `_dot`, where the record may be in `sums`."""
    runs = a.size
    while runs > _LANES:
        last, runs = runs, 0
        for start in range(0, last, _RUN):
            stop = min(start + _RUN, last)
            lanes[:] = 0
            for left in range(start, stop, _LANES):
                x = a[left : min(left + _LANES, stop)]
                for n in range(x.size):
                    lanes[n] += x[n]
            sums[runs] = _short_sum(lanes, min(_LANES, stop - start))
            runs += 1
        a = sums
    return _short_sum(a, runs)


def _short_sum(a: Array, count: int) -> Any:
    """Sum of the first numbers, at most `_LANES`, in the order of ``numpy.sum``."""
    # Eight sums, as numpy unrolls its loop: the compiled form gives the same bits.
    s0 = s1 = s2 = s3 = s4 = s5 = s6 = s7 = 0.0
    eights = count // 8 * 8
    for n in range(0, eights, 8):
        s0 += a[n]
        s1 += a[n + 1]
        s2 += a[n + 2]
        s3 += a[n + 3]
        s4 += a[n + 4]
        s5 += a[n + 5]
        s6 += a[n + 6]
        s7 += a[n + 7]
    total = ((s0 + s1) + (s2 + s3)) + ((s4 + s5) + (s6 + s7))
    for n in range(eights, count):
        total += a[n]
    return total


@jit(plain=_deviate_plain, helpers=[_dot, _sum, _short_sum])
def _deviate(records: Array, origins: Array, out: Array, squares: Array) -> None:
    """Bound by arithmetic on one record, which stays in the nearest cache from step to step."""
    length = records.shape[1]
    lanes, sums = np.empty(_LANES), np.empty(length // _RUN + 1)
    for k in range(len(records)):
        record, row, origin = records[k], out[k], origins[k, 0]
        for n in range(length):
            row[n] = record[n] - origin
        mean = _sum(row, lanes, sums) / length
        for n in range(length):
            row[n] -= mean
        squares[k, 0] = _dot(row, row, lanes, sums)


@jit(plain=_project_plain, helpers=[_sum, _short_sum])
def _project(
    records: Array, origins: Array, signal: Array, products: Array, squares: Array
) -> None:
    """Bound by arithmetic on one record; nothing but the record itself passes through memory."""
    length = records.shape[1]
    lanes, others, row = np.empty(_LANES), np.empty(_LANES), np.empty(length)
    sums, dots = np.empty(length // _RUN + 1), np.empty(length // _RUN + 1)
    for k in range(len(records)):
        record, origin = records[k], origins[k, 0]
        for n in range(length):
            row[n] = record[n] - origin
        mean = _sum(row, lanes, sums) / length
        runs = 0
        for start in range(0, length, _RUN):
            stop = min(start + _RUN, length)
            lanes[:] = 0
            others[:] = 0
            for left in range(start, stop, _LANES):
                right = min(left + _LANES, stop)
                x, y = row[left:right], signal[left:right]
                for n in range(x.size):
                    deviation = x[n] - mean
                    lanes[n] += deviation * deviation
                    others[n] += deviation * y[n]
            count = min(_LANES, stop - start)
            sums[runs], dots[runs] = _short_sum(lanes, count), _short_sum(others, count)
            runs += 1
        one = runs == 1
        squares[k, 0] = sums[0] if one else _sum(sums[:runs], lanes, sums)
        products[k, 0] = dots[0] if one else _sum(dots[:runs], lanes, dots)
