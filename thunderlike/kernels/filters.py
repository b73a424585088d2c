"""Filters of images over windows, by scipy and by fast recursions."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike.errors import SpecError
from thunderlike.kernels._validation import is_whole

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from thunderlike._typing import Array

__all__ = [
    "Windows",
    "checked_gaussian",
    "fast_gaussian",
    "gaussian",
    "max_min_projection",
    "max_projection",
    "median",
    "per_axis",
    "shifts",
    "subsample",
    "uniform",
    "wider",
    "window_sizes",
]


def per_axis(value: float | Sequence[float], ndim: int, name: str) -> tuple[float, ...]:
    """One number for each axis of an image, from one number or as many as there are axes.

    Parameters
    ----------
    value : number or sequence of numbers
        What the caller gave.
    ndim : int
        Axes of an image.
    name : str
        What the caller calls it, for the message.

    Raises
    ------
    SpecError
        If the sequence has another length.

    Examples
    --------
    >>> per_axis(2, 3, "sigma"), per_axis([1, 0], 2, "sigma")
    ((2, 2, 2), (1, 0))
    """
    numbers = np.ravel(value).tolist() * (1 if np.ndim(value) else ndim)
    if len(numbers) != ndim:
        raise SpecError(
            f"{name} {value!r} has {len(numbers)} numbers but the images have {ndim} axes: "
            f"give one number, or {ndim}"
        )
    return tuple(numbers)


def window_sizes(size: int | Sequence[int], ndim: int) -> tuple[int, ...]:
    """Window size along each axis; 0 and 1 both mean that the window does not reach along it.

    Raises
    ------
    SpecError
        For a size that is negative or no whole number, or a sequence of another length.

    Examples
    --------
    >>> window_sizes([3, 3, 0], 3)
    (3, 3, 1)
    """
    sizes = per_axis(size, ndim, "size")
    if not all(is_whole(n, 0) for n in sizes):
        raise SpecError(f"size {size!r} must be whole numbers of pixels, 0 or more")
    return tuple(max(1, int(n)) for n in sizes)


@dataclass(frozen=True)
class Windows:
    """The windows of some size around the pixels of images of some shape.

    Laid out flat, an image shifted along any axis is one contiguous view, which numpy goes through
    at full speed. What is computed for a window is put where its first pixel is; windows that run
    over the end of a row come out as nonsense, and :meth:`cut` drops them with the border.

    Parameters
    ----------
    shape : tuple of int
        Of an image.
    sizes : tuple of int, each >= 1
        Of a window.

    Examples
    --------
    >>> windows = Windows((3,), (2,))
    >>> flat = windows.lay_out(np.array([[1, 2, 3]]))
    >>> flat
    array([[1, 1, 2, 3]])
    >>> first, second = shifts(flat, *windows.reach[0])
    >>> first + second
    array([[2, 3, 5]])
    """

    shape: tuple[int, ...]
    sizes: tuple[int, ...]

    @cached_property
    def bordered(self) -> tuple[int, ...]:
        """Shape of an image with its mirrored border."""
        return tuple(n + size - 1 for n, size in zip(self.shape, self.sizes, strict=True))

    @cached_property
    def reach(self) -> list[tuple[int, int]]:
        """For each axis with a window: how far apart neighbours lie, and the size."""
        return [
            (math.prod(self.bordered[axis + 1 :]), size)
            for axis, size in enumerate(self.sizes)
            if size > 1
        ]

    @property
    def halo(self) -> int:
        """Distance of the last pixel of a window from its first, in the flat layout."""
        return sum(step * (size - 1) for step, size in self.reach)

    @property
    def centre(self) -> int:
        """Distance of the central pixel of a window from its first, in the flat layout."""
        return sum(step * (size // 2) for step, size in self.reach)

    def lay_out(self, block: Array) -> Array:
        """Copy a block into shape ``(k, pixels)``, every image with its border."""
        border = [(size // 2, size - 1 - size // 2) for size in self.sizes]
        bordered = np.pad(block, [(0, 0), *border], mode="symmetric")
        return bordered.reshape(len(block), math.prod(self.bordered))

    def stretches(self, pixels: int, target: int) -> Iterator[tuple[int, int]]:
        """Cut the windows that begin in so many pixels into ranges of about `target`.

        The windows of a range look at `halo` more pixels, which should be few in comparison.
        """
        last, step = pixels - self.halo, max(target, 4 * self.halo)
        return ((start, min(start + step, last)) for start in range(0, last, step))

    def cut(self, flat: Array) -> Array:
        """Copy what was computed, of shape ``(k, pixels)``, into shape ``(k, *shape)``."""
        bordered = flat.reshape(len(flat), *self.bordered)
        return bordered[(slice(None), *(slice(n) for n in self.shape))].copy()


def shifts(pixels: Array, step: int, size: int) -> list[Array]:
    """The views along the last axis that hold the first, second, ... pixel of every window.

    Examples
    --------
    >>> shifts(np.arange(5), 2, 2)
    [array([0, 1, 2]), array([2, 3, 4])]
    """
    length = pixels.shape[-1] - (size - 1) * step
    return [pixels[..., i * step : i * step + length] for i in range(size)]


_ORDERED = frozenset("?bhilqBHILQfd")  # dtypes that scipy.ndimage can rank
_LINEAR = _ORDERED | frozenset("FD")
_NETWORK_PIXELS = 49  # beyond, in float64, scipy catches up
_STRETCH_BYTES = 2**17  # the system takes back larger arrays each time; threads queue on less
_WIDTH = 64  # pixels of a band: narrower ones make many small products, wider ones multiply zeros
_NOTHING = 1e-15  # a deviation that scipy takes for none
_RADII = 4.0  # where scipy cuts the Gaussian off, in deviations


def gaussian(block: Array, sigma: float | Sequence[float] = 2, order: int = 0) -> Array:
    """Smooth each image with a Gaussian.

    Parameters
    ----------
    block : ndarray, shape (k, ...)
    sigma : float or sequence of float
        Standard deviation in pixels, for all axes or for each; an axis with 0 is left alone.
    order : int or sequence of int
        Order of the derivative of the Gaussian, 0 to smooth.

    Returns
    -------
    ndarray, shape and dtype of `block`

    Raises
    ------
    SpecError
        If `sigma` or `order` is negative or has another length than an image has axes, or for a
        dtype that scipy cannot filter.

    Notes
    -----
    ``scipy.ndimage.gaussian_filter``; one pass over the block for each axis.

    Examples
    --------
    >>> gaussian(np.full((1, 2, 3), 7, "int16"), sigma=1)
    array([[[7, 7, 7],
            [7, 7, 7]]], dtype=int16)
    """
    from scipy import ndimage

    sigmas, orders = checked_gaussian(block, sigma, order)
    result: Array = ndimage.gaussian_filter(block, (0, *sigmas), order=(0, *orders), mode="reflect")
    return result


def checked_gaussian(
    block: Array, sigma: float | Sequence[float], order: int | Sequence[int]
) -> tuple[list[float], list[int]]:
    """Deviation and order for each axis of an image.

    Raises
    ------
    SpecError
        As :func:`gaussian`.
    """
    _check(block, "gaussian", _LINEAR)
    sigmas = per_axis(sigma, block.ndim - 1, "sigma")
    orders = per_axis(order, block.ndim - 1, "order")
    if not all(0 <= s < math.inf for s in sigmas):
        raise SpecError(f"sigma {sigma!r} must be 0 or more pixels")
    if not all(is_whole(n, 0) for n in orders):
        raise SpecError(f"order {order!r} must be whole numbers, 0 or more")
    return list(map(float, sigmas)), list(map(int, orders))


def uniform(block: Array, size: int | Sequence[int] = 2) -> Array:
    """Replace each pixel by the mean of the window around it.

    Parameters
    ----------
    block : ndarray, shape (k, ...)
    size : int or sequence of int
        Window in pixels, for all axes or for each; 0 or 1 leaves an axis alone.

    Returns
    -------
    ndarray, shape and dtype of `block`

    Raises
    ------
    SpecError
        For a size that is no window, or a dtype that scipy cannot filter.

    Notes
    -----
    ``scipy.ndimage.uniform_filter``; one pass over the block for each axis.

    Examples
    --------
    >>> uniform(np.array([[1.0, 3.0, 5.0]]), size=2)
    array([[1., 2., 4.]])
    """
    from scipy import ndimage

    _check(block, "uniform", _LINEAR)
    sizes = window_sizes(size, block.ndim - 1)
    result: Array = ndimage.uniform_filter(block, (1, *sizes), mode="reflect")
    return result


def median(block: Array, size: int | Sequence[int] = 2) -> Array:
    """Replace each pixel by the median of the window around it.

    Parameters
    ----------
    block : ndarray, shape (k, ...)
    size : int or sequence of int
        Window in pixels, for all axes or for each; 0 or 1 leaves an axis alone, so that
        ``(3, 3, 0)`` goes through a volume plane by plane. Of an even number of pixels the upper
        of the two in the middle is taken.

    Returns
    -------
    ndarray, shape and dtype of `block`

    Raises
    ------
    SpecError
        For a size that is no window, or a dtype that scipy cannot filter.

    Notes
    -----
    The result is that of ``scipy.ndimage.median_filter``. Windows of at most 49 pixels along one
    or two axes go through a sorting network, 5 to 50 times faster; larger ones and
    blocks with a NaN, whose place in an order is scipy's own, go to scipy.

    Examples
    --------
    >>> median(np.array([[1, 9, 2, 3]]), size=3)
    array([[1, 2, 3, 3]])
    """
    _check(block, "median", _ORDERED)
    windows = Windows(block.shape[1:], window_sizes(size, block.ndim - 1))
    if not windows.reach or not block.size:
        return block.copy()
    few = len(windows.reach) <= 2 and math.prod(windows.sizes) <= _NETWORK_PIXELS
    # The minimum is NaN if any pixel is: cheaper than a mask of all pixels.
    if few and not np.isnan(np.min(block)):
        return _network_median(block, windows)
    from scipy import ndimage

    result: Array = ndimage.median_filter(block, (1, *windows.sizes), mode="reflect")
    return result


def _network_median(block: Array, windows: Windows) -> Array:
    """Medians by minima and maxima of shifted images, a stretch of all pixels at a time."""
    pixels = windows.lay_out(block)
    flat, medians = pixels.reshape(-1), np.empty_like(pixels)
    out = medians.reshape(-1)
    rows, columns = (*windows.reach, (0, 1))[:2]
    for start, stop in windows.stretches(len(flat), _STRETCH_BYTES // block.itemsize):
        out[start:stop] = _median_of_windows(flat[start : stop + windows.halo], rows, columns)
    return windows.cut(medians)


def _median_of_windows(pixels: Array, rows: tuple[int, int], columns: tuple[int, int]) -> Array:
    """Sort windows along one axis, then along the other, then what may still be the median.

    Sorting the columns of a table and then its rows leaves both sorted, so that an element has a
    known number of others below and above it; few are left that can be the median. Each axis is
    given as the steps between its neighbours in `pixels` and the size of the window along it.
    """
    (down, n), (across, m) = rows, columns
    wanted, rank = _candidates(n, m)
    left = [
        value
        for row, ranks in zip(_ranked(shifts(pixels, down, n), range(n)), wanted, strict=True)
        for value in _ranked(shifts(row, across, m), ranks)
    ]
    return _ranked(left, [rank])[0]


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


def _ranked(arrays: Sequence[Array], ranks: Iterable[int]) -> list[Array]:
    """Sort stacks of equal shape element by element; give those that end at these ranks."""
    values, ranks = list(arrays), tuple(ranks)
    for i, j, low, high in _network(len(values), ranks):
        one, other = values[i], values[j]
        if low:
            values[i] = np.minimum(one, other)
        if high:
            values[j] = np.maximum(one, other)
    return [values[rank] for rank in ranks]


@cache
def _network(count: int, ranks: tuple[int, ...]) -> list[tuple[int, int, bool, bool]]:
    """Comparators of the merge exchange sort, less those that no wanted rank hangs on.

    Each is ``(i, j, low, high)``: whether the lower of the two is needed at i, the higher at j.
    """
    # Backwards: a comparator matters if one of its outputs is used later.
    needed, kept = set(ranks), []
    for i, j in reversed(_merge_exchange(count)):
        if i in needed or j in needed:
            kept.append((i, j, i in needed, j in needed))
            needed |= {i, j}
    return kept[::-1]


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


def subsample(block: Array, factor: int | Sequence[int]) -> Array:
    """Keep every factor-th pixel of each image, the first one included.

    Parameters
    ----------
    block : ndarray, shape (k, ...)
    factor : int or sequence of int
        Stride in pixels, for all axes or for each.

    Returns
    -------
    ndarray, shape (k, ...)
        A copy of the first pixel of each stride, of the same dtype.

    Raises
    ------
    SpecError
        For a factor that is no whole number of at least 1, or a sequence of another length.

    Examples
    --------
    >>> subsample(np.arange(6).reshape(1, 2, 3), 2)
    array([[[0, 2]]])
    """
    steps = per_axis(factor, block.ndim - 1, "factor")
    if not all(is_whole(step, 1) for step in steps):
        raise SpecError(f"factor {factor!r} must be whole numbers of pixels, 1 or more")
    strides = (slice(None, None, int(step)) for step in steps)
    # A view would keep all pixels in memory.
    return block[(slice(None), *strides)].copy()


def max_projection(block: Array, axis: int = -1) -> Array:
    """Largest pixel of each image along an axis.

    Parameters
    ----------
    block : ndarray, shape (k, ...)
    axis : int
        Axis of an image; negative ones count from the last.

    Returns
    -------
    ndarray, shape (k, ...), without that axis
        Of the same dtype. NaN where there is one along the axis.

    Raises
    ------
    SpecError
        If the images have no such axis.

    Examples
    --------
    >>> max_projection(np.array([[[1, 5], [7, 2]]]), axis=0)
    array([[7, 5]])
    """
    result: Array = np.max(block, axis=1 + _axis(axis, block.ndim - 1))
    return result


def max_min_projection(block: Array, axis: int = -1) -> Array:
    """Sum of the largest and the smallest pixel of each image along an axis.

    Parameters
    ----------
    block : ndarray, shape (k, ...)
    axis : int
        Axis of an image; negative ones count from the last.

    Returns
    -------
    ndarray, shape (k, ...), without that axis
        Of dtype ``wider(block.dtype)``, in which the sum has room.

    Raises
    ------
    SpecError
        If the images have no such axis.

    Examples
    --------
    >>> max_min_projection(np.array([[[30000, 30000]]], "int16"))
    array([[60000]], dtype=int32)
    """
    along = 1 + _axis(axis, block.ndim - 1)
    result: Array = np.add(np.max(block, along), np.min(block, along), dtype=wider(block.dtype))
    return result


def wider(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The dtype in which the sum of two such numbers fits: the next longer integer, if any.

    Examples
    --------
    >>> wider(np.dtype("uint8")), wider(np.dtype("float32"))
    (dtype('uint16'), dtype('float32'))
    """
    if dtype.kind == "b":
        return np.dtype(np.uint8)
    longer = {1: 2, 2: 4, 4: 8}.get(dtype.itemsize)
    return np.dtype(f"{dtype.kind}{longer}") if dtype.kind in "iu" and longer else dtype


def _check(block: Array, name: str, dtypes: frozenset[str]) -> None:
    if block.dtype.char not in dtypes:
        raise SpecError(
            f"a {name} filter cannot work on images of {block.dtype}: "
            "convert them first, for example with astype('float32')"
        )


def _axis(axis: int, ndim: int) -> int:
    if not -ndim <= axis < ndim:
        raise SpecError(f"axis {axis} is out of bounds: images have axes 0 to {ndim - 1}")
    return axis % ndim


def fast_gaussian(block: Array, sigma: float | Sequence[float] = 2, order: int = 0) -> Array:
    """Smooth each image with a Gaussian, nearly as :func:`gaussian`.

    Parameters
    ----------
    block : ndarray, shape (k, ...)
    sigma, order
        As there.

    Returns
    -------
    ndarray, shape and dtype of `block`
        Computed in float32 for images of float32 and of whole numbers of at most 16 bits, else in
        float64: whole numbers differ by at most 1, others in their last digits.

    Notes
    -----
    Bound by BLAS: ``2 (64 + 8 sigma)`` operations a pixel and axis. A NaN or an inf spoils up to 63
    pixels more along each axis than in scipy, those of its band.

    Examples
    --------
    >>> fast_gaussian(np.full((1, 2, 3), 7.5), sigma=1).round(3)
    array([[[7.5, 7.5, 7.5],
            [7.5, 7.5, 7.5]]])
    """
    sigmas, orders = checked_gaussian(block, sigma, order)
    # float32 holds 16-bit numbers exactly; result_type gives float64 for longer ones.
    values = block.astype(np.result_type(block.dtype, np.float32))
    for axis, (width, degree) in enumerate(zip(sigmas, orders, strict=True), start=1):
        if width > _NOTHING:
            values = _along(values, axis, width, degree)
    with np.errstate(invalid="ignore"):  # a NaN as a whole number, as scipy casts it
        return values.astype(block.dtype, copy=False)


def _along(values: Array, axis: int, sigma: float, order: int) -> Array:
    """Filter along one axis, a band of it at a time."""
    shape, length = values.shape, values.shape[axis]
    lines = values.reshape(math.prod(shape[:axis]), length, math.prod(shape[axis + 1 :]))
    out = np.empty_like(lines)
    for start in range(0, length, _WIDTH):
        stop = min(start + _WIDTH, length)
        first, matrix = _band(start, stop, length, sigma, order, lines.real.dtype.char)
        seen = lines[:, first : first + matrix.shape[1]]
        if lines.shape[2] == 1:  # the last axis: one product a record, not one a line
            records = (*shape[:1], math.prod(shape[1:axis]))
            found = out[:, start:stop, 0].reshape(*records, stop - start)
            np.matmul(seen[..., 0].reshape(*records, len(matrix.T)), matrix.T, out=found)
        else:
            np.matmul(matrix, seen, out=out[:, start:stop])
    return out.reshape(shape)


@lru_cache(maxsize=256)
def _band(
    start: int, stop: int, length: int, sigma: float, order: int, dtype: str
) -> tuple[int, Array]:
    """The first pixel that these depend on, and how: scipy's answers to single bright pixels."""
    from scipy.ndimage import gaussian_filter1d

    radius = int(_RADII * sigma + 0.5)  # rounded as scipy rounds it
    first, last = max(0, start - radius), min(length, stop + radius)
    answers = gaussian_filter1d(np.eye(last - first), sigma, axis=0, order=order, mode="reflect")
    return first, np.ascontiguousarray(answers[start - first : stop - first], dtype)
