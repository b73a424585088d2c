"""Windows around pixels, on images that are mirrored at the border and laid out flat.

A window of size n covers the n//2 pixels before its own and the n - 1 - n//2 after it, and the
border is mirrored with the outermost pixel repeated: both as ``scipy.ndimage`` has it in its mode
``reflect``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from thunderlike.errors import SpecError
from thunderlike.kernels._validation import is_whole

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from thunderlike._typing import Array

__all__ = ["Windows", "per_axis", "shifts", "window_sizes"]


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
