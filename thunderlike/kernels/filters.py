"""Filters of images over windows."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike.errors import SpecError
from thunderlike.kernels._validation import is_whole

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from thunderlike._typing import Array

__all__ = [
    "LINEAR",
    "ORDERED",
    "Windows",
    "check_dtype",
    "max_min_projection",
    "max_projection",
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


ORDERED = frozenset("?bhilqBHILQfd")
"""Characters of the dtypes that scipy.ndimage can rank."""
LINEAR = ORDERED | frozenset("FD")
"""Characters of those that it can add."""


def check_dtype(block: Array, name: str, dtypes: frozenset[str]) -> None:
    """Raise SpecError for images of a dtype that a filter does not take.

    Examples
    --------
    >>> check_dtype(np.zeros((1, 2, 2)), "median", ORDERED)
    """
    if block.dtype.char not in dtypes:
        raise SpecError(
            f"a {name} filter cannot work on images of {block.dtype}: "
            "convert them first, for example with astype('float32')"
        )


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

    check_dtype(block, "uniform", LINEAR)
    sizes = window_sizes(size, block.ndim - 1)
    result: Array = ndimage.uniform_filter(block, (1, *sizes), mode="reflect")
    return result


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


def _axis(axis: int, ndim: int) -> int:
    if not -ndim <= axis < ndim:
        raise SpecError(f"axis {axis} is out of bounds: images have axes 0 to {ndim - 1}")
    return axis % ndim
