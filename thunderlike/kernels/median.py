"""Median of the window around each pixel, by sorting networks and histograms.

A sorting network is a fixed list of exchanges: put the smaller of two numbers here and the larger
there. Run over lines of pixels, one exchange is a minimum and a maximum of two lines, which any
processor takes in vector instructions. The compiled loops run a network over lines that stay in the
nearest cache; numpy runs the same network over longer ones, since each call has a cost. Windows of
more pixels than a network is worth go through a histogram that follows the window, or to scipy.
"""

from __future__ import annotations

import itertools
import math
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from thunderlike.kernels._numba import jit, use_compiled
from thunderlike.kernels.filters import ORDERED, Windows, check_dtype, window_sizes

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from thunderlike._typing import Array

__all__ = ["effort", "median"]

_NUMPY_PIXELS = 121  # of a window: beyond, scipy is as fast as numpy's network
_LOOPS_PIXELS = 200  # beyond, a histogram is faster than the compiled network
_LINE_BYTES = 1024  # some tens of lines fit in the nearest cache
_STRETCH_BYTES = 2**17  # the system takes back larger arrays each time; threads queue on less
_SEGMENT = 2**16  # pixels with a histogram of their own, which stays in the second cache
_SPAN = 2**16  # whole numbers from least to largest that are counted as they are
_LOW, _HIGH = 1, 2  # the results of an exchange that are needed


def median(block: Array, size: int | Sequence[int] = 2, *, compiled: bool | None = None) -> Array:
    """Replace each pixel by the median of the window around it.

    Parameters
    ----------
    block : ndarray, shape (k, ...)
    size : int or sequence of int
        Window in pixels, for all axes or for each; 0 or 1 leaves an axis alone, so that
        ``(3, 3, 0)`` goes through a volume plane by plane. Of an even number of pixels the upper
        of the two in the middle is taken.
    compiled : bool, optional
        Whether to run compiled loops; by default, the size of the block and of the window decide.

    Returns
    -------
    ndarray, shape and dtype of `block`
        The same bits by compiled loops and without; a zero is never negative.

    Raises
    ------
    SpecError
        For a size that is no window, or a dtype that scipy cannot filter.

    Notes
    -----
    The values of ``scipy.ndimage.median_filter`` with ``mode="reflect"``, and exact where that is
    not: for whole numbers of 64 bits, and windows several times as large as the image. Images with
    a NaN, whose place in an order is scipy's own, go to scipy, as do windows of more than 121
    pixels where nothing is compiled.

    The columns of a window are sorted, then its rows, which leaves few pixels that can be the
    median; the exchanges of both sorts are those of K. E. Batcher, "Sorting networks and their
    applications", AFIPS 1968. The histogram is that of T. S. Huang, G. J. Yang and G. Y. Tang, "A
    fast two-dimensional median filtering algorithm", IEEE Transactions on Acoustics, Speech, and
    Signal Processing 27, 1979; of numbers that are not whole, or far apart, it counts the ranks.

    Examples
    --------
    >>> median(np.array([[1, 9, 2, 3]]), size=3)
    array([[1, 2, 3, 3]])
    """
    check_dtype(block, "median", ORDERED)
    windows = Windows(block.shape[1:], window_sizes(size, block.ndim - 1))
    if not windows.reach or not block.size:
        return block.copy()
    if compiled is None:
        compiled = use_compiled(block.size * effort(windows.sizes))
    # The minimum is NaN if any pixel is: cheaper than a mask of all pixels.
    blind = np.isnan(np.min(block, axis=tuple(range(1, block.ndim))))
    out = np.empty_like(block, order="C")
    if blind.any():
        out[blind] = _scipy_median(block[blind], windows)
        if not blind.all():
            out[~blind] = _ordered_median(block[~blind], windows, compiled)
    else:
        out = _ordered_median(block, windows, compiled)
    if out.dtype.kind == "f":
        out += 0.0  # -0.0 and 0.0 are equal: which of them is found depends on the method
    return out


def effort(sizes: Iterable[int]) -> int:
    """Estimate how many times as long as a sum a median takes, by the size of the window.

    Examples
    --------
    >>> effort((3, 3)), effort((5, 5)), effort((9, 9))
    (1, 9, 102)
    """
    return max(1, math.prod(sizes) ** 2 // 64)


def _scipy_median(block: Array, windows: Windows) -> Array:
    from scipy import ndimage

    if block.dtype.kind in "iu" and block.itemsize == 8:  # which scipy orders in double precision
        values, ranks = np.unique(block, return_inverse=True)
        return values[_scipy_median(ranks.astype(np.int32), windows)]
    sizes = (1, *windows.sizes)
    if all(size <= n for size, n in zip(windows.sizes, windows.shape, strict=True)):
        result: Array = ndimage.median_filter(block, sizes, mode="reflect")
        return result
    # scipy reads beyond images that are several times smaller than the window.
    bordered = windows.lay_out(block).reshape(len(block), *windows.bordered)
    medians = ndimage.median_filter(bordered, sizes, mode="reflect").reshape(len(block), -1)
    return windows.cut(np.roll(medians, -windows.centre, axis=1))


def _ordered_median(block: Array, windows: Windows, compiled: bool) -> Array:
    """Medians of images without a NaN, by the fastest method for the window."""
    pixels = math.prod(windows.sizes)
    network = _run_network.choose(compiled, block.dtype)
    if network is _run_network.plain and pixels > _NUMPY_PIXELS:
        return _scipy_median(block, windows)
    laid_out = windows.lay_out(block)
    medians = np.empty_like(laid_out)
    flat, table = laid_out.reshape(-1), _Table.of(windows)
    out = medians.reshape(-1)[: len(flat) - windows.halo]
    if pixels > _LOOPS_PIXELS:
        _count(flat, windows, table, out)
    else:
        network(flat, *table, *_network(len(table.starts), table.width), out)
    return windows.cut(medians)


class _Table(NamedTuple):
    """A window as a table of pixels in the flat layout: the last axis across, the others down."""

    starts: Array
    step: int
    width: int

    @classmethod
    def of(cls, windows: Windows) -> _Table:
        """Find the first pixel of each row, and the distance and number of its neighbours."""
        *down, (step, width) = windows.reach
        steps = itertools.product(*(range(0, step * size, step) for step, size in down))
        return cls(np.array([sum(shift) for shift in steps], np.int64), step, width)


class _Network(NamedTuple):
    """Exchanges ``(i, j, results that are needed)`` of lines, and the line of the median.

    Those of `columns` sort what lies below one another, line i of n. Those of `rows` sort what is
    left of each row, pixel j of row i in line ``i * m + j``, and find the median.
    """

    columns: Array
    rows: Array
    median: int


@cache
def _network(n: int, m: int) -> _Network:
    """Exchanges that find the median of a table of n rows of m pixels.

    Sorting the columns of a table and then its rows leaves both sorted, so that an element has a
    known number of others below and above it; few are left that can be the median.
    """
    wanted, rank = _candidates(n, m)
    rows = [
        (i * m + a, i * m + b)
        for i, ranks in enumerate(wanted)
        if ranks
        for a, b in _merge_exchange(m)
    ]
    left = [i * m + j for i, ranks in enumerate(wanted) for j in ranks]
    rows += [(left[a], left[b]) for a, b in _merge_exchange(len(left))]
    median = left[rank]
    kept, needed = _pruned(rows, {median})
    columns, _ = _pruned(_merge_exchange(n), {line // m for line in needed})
    return _Network(columns, kept, median)


@cache
def _candidates(n: int, m: int) -> tuple[list[list[int]], int]:
    """Return the elements of a sorted n x m table that may be its median, and its rank there."""
    rank = n * m // 2

    def above(i: int, j: int) -> bool:
        return (i + 1) * (j + 1) > rank + 1

    def below(i: int, j: int) -> bool:
        return (n - i) * (m - j) > n * m - rank

    wanted = [[j for j in range(m) if not above(i, j) and not below(i, j)] for i in range(n)]
    return wanted, rank - sum(below(i, j) for i in range(n) for j in range(m))


def _merge_exchange(count: int) -> list[tuple[int, int]]:
    """Batcher's sorting network for any count (Knuth, TAOCP vol. 3, algorithm 5.2.2M)."""
    pairs = []
    top = p = 1 << max(0, (count - 1).bit_length() - 1)
    while p:
        q, r, d = top, 0, p
        while d:
            pairs += [(i, i + d) for i in range(count - d) if i & p == r]
            d, q, r = q - p, q >> 1, p
        p >>= 1
    return pairs


def _pruned(pairs: list[tuple[int, int]], needed: set[int]) -> tuple[Array, set[int]]:
    """Leave out what no needed line depends on; return exchanges, and the lines that they need."""
    kept, needed = [], set(needed)
    for i, j in reversed(pairs):
        results = _LOW * (i in needed) | _HIGH * (j in needed)
        if results:
            kept.append((i, j, results))
            needed |= {i, j}
    return np.array(kept[::-1], np.int64).reshape(len(kept), 3), needed


def _run_network_plain(
    flat: Array,
    starts: Array,
    step: int,
    width: int,
    columns: Array,
    rows: Array,
    median: int,
    out: Array,
) -> None:
    """Fill `out` with the medians of the windows that begin at each pixel."""
    halo = step * (width - 1)
    length = max(_STRETCH_BYTES // flat.itemsize, 4 * halo)
    for left in range(0, len(out), length):
        long = min(length, len(out) - left)
        lines = _exchanged([flat[left + n :][: long + halo] for n in starts], columns)
        shifted = [line[n * step :][:long] for line in lines for n in range(width)]
        out[left : left + long] = _exchanged(shifted, rows)[median]


def _exchanged(lines: list[Array], network: Array) -> list[Array]:
    for i, j, results in network.tolist():
        one, other = lines[i], lines[j]
        if results & _LOW:
            lines[i] = np.minimum(one, other)
        if results & _HIGH:
            lines[j] = np.maximum(one, other)
    return lines


def _copy(line: Array, out: Array, length: int) -> None:
    for n in range(length):
        out[n] = line[n]


def _exchange(lines: Array, network: Array, length: int) -> None:
    for k in range(len(network)):
        i, j, results = network[k]
        one, other = lines[i, :length], lines[j, :length]
        if results == _LOW | _HIGH:
            for n in range(length):
                x, y = one[n], other[n]
                one[n] = x if x < y else y
                other[n] = y if x < y else x
        elif results == _LOW:
            for n in range(length):
                x, y = one[n], other[n]
                one[n] = x if x < y else y
        else:
            for n in range(length):
                x, y = one[n], other[n]
                other[n] = y if x < y else x


@jit(plain=_run_network_plain, helpers=[_copy, _exchange])
def _run_network(
    flat: Array,
    starts: Array,
    step: int,
    width: int,
    columns: Array,
    rows: Array,
    median: int,
    out: Array,
) -> None:
    """Bound by the nearest cache: each exchange reads and writes two lines there."""
    halo = step * (width - 1)
    length = max(_LINE_BYTES // flat.itemsize, halo)
    sorted_columns = np.empty((len(starts), length + halo), flat.dtype)
    lines = np.empty((len(starts) * width, length), flat.dtype)
    for left in range(0, len(out), length):
        long = min(length, len(out) - left)
        for i in range(len(starts)):
            _copy(flat[left + starts[i] :], sorted_columns[i], long + halo)
        _exchange(sorted_columns, columns, long + halo)
        for i in range(len(starts)):
            for j in range(width):
                _copy(sorted_columns[i, j * step :], lines[i * width + j], long)
        _exchange(lines, rows, long)
        _copy(lines[median], out[left:], long)


def _count(flat: Array, windows: Windows, table: _Table, out: Array) -> None:
    """Fill `out` with medians by histograms, each over a segment of the pixels."""
    follow = _follow_window.choose(compiled=True)
    for start, stop in windows.stretches(len(flat), _SEGMENT):
        values, ranks = _ranks(flat[start : stop + windows.halo])
        found = np.empty(stop - start, np.int32)
        follow(ranks, *table, len(values), found)
        out[start:stop] = values[found]


def _ranks(segment: Array) -> tuple[Array, Array]:
    """Values in ascending order, and the place of each pixel among them."""
    least = segment.min()
    span = int(segment.max()) - int(least) if segment.dtype.kind in "iu" else _SPAN
    if span >= _SPAN:
        values, ranks = np.unique(segment, return_inverse=True)
        return values, ranks.astype(np.int32)
    # Modulo 2**bits, so that nothing overflows.
    values = np.arange(span + 1).astype(segment.dtype) + least
    return values, (segment - least).view(f"u{segment.itemsize}").astype(np.int32)


def _follow_window_plain(
    ranks: Array,
    starts: Array,
    step: int,
    width: int,
    count: int,  # noqa: ARG001
    out: Array,
) -> None:
    """Fill `out` with the medians of windows of whole numbers less than `count`."""
    first = np.arange(len(out))[:, np.newaxis, np.newaxis] + starts[:, np.newaxis]
    windows = ranks[first + np.arange(0, step * width, step)].reshape(len(out), -1)
    middle = windows.shape[1] // 2
    out[:] = np.partition(windows, middle, axis=1)[:, middle]


@jit(plain=_follow_window_plain)
def _follow_window(
    ranks: Array, starts: Array, step: int, width: int, count: int, out: Array
) -> None:
    """Bound by the histogram: two of its bins change for each row of the window."""
    bins, blocks = np.zeros(count, np.int32), np.zeros((count >> 8) + 1, np.int32)
    middle = len(starts) * width // 2
    for first in range(min(step, len(out))):
        bins[:] = 0
        blocks[:] = 0
        for start in starts:
            for n in range(first + start, first + start + step * width, step):
                bins[ranks[n]] += 1
                blocks[ranks[n] >> 8] += 1
        median = below = 0  # and the number of pixels that are less
        for n in range(first, len(out), step):
            for start in starts[: len(starts) * (n > first)]:
                gone = ranks[n - step + start]
                new = ranks[n - step + start + step * width]
                bins[gone] -= 1
                blocks[gone >> 8] -= 1
                bins[new] += 1
                blocks[new >> 8] += 1
                below += (new < median) - (gone < median)
            # Whole blocks of 256 bins are skipped where the median is in none of them.
            while below > middle:
                if median & 255 == 0 and below - blocks[(median >> 8) - 1] > middle:
                    median -= 256
                    below -= blocks[median >> 8]
                else:
                    median -= 1
                    below -= bins[median]
            while below + bins[median] <= middle:
                if median & 255 == 0 and below + blocks[median >> 8] <= middle:
                    below += blocks[median >> 8]
                    median += 256
                else:
                    below += bins[median]
                    median += 1
            out[n] = median
