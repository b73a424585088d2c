"""Correlation of each pixel with its neighbourhood, in one pass over the frames."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, Self

import numpy as np

from thunderlike.errors import SpecError
from thunderlike.kernels._numba import jit, use_compiled
from thunderlike.kernels.filters import Windows, shifts, window_sizes
from thunderlike.kernels.moments import Moments, finite_origin

if TYPE_CHECKING:
    from collections.abc import Sequence

    from thunderlike._typing import Array

__all__ = ["LocalCorrelation"]

_PIXELS, _FRAMES = 2**13, 2**5  # a stretch of pixels; with the frames taken at once, 2 MiB


@dataclass(frozen=True, eq=False)
class LocalCorrelation:
    """Partial of the correlation of each pixel's series with that of the sum of its window.

    Parameters
    ----------
    pixel, window : Moments
        Of the pixels, and of the sums of the windows around them.
    comoment : ndarray of float64, shape value_shape
        Sum over the frames of the products of the deviations of both from their means.

    Notes
    -----
    The window is that of ``scipy.ndimage.uniform_filter`` in its mode ``reflect``, in float64; its
    sum does as well as its mean in a correlation. Each window is added up for itself, where scipy
    keeps a running sum: a NaN is felt by the windows that hold it, not by the rest of the row. The
    partials are joined as those of :class:`Moments`.

    Examples
    --------
    >>> frames = np.array([[1, 7, 0, 5], [2, 7, 3, 0], [4, 7, 0, 3]])
    >>> LocalCorrelation.of(frames, size=2).result().round(3)
    array([1.   ,   nan, 1.   , 0.803])
    """

    pixel: Moments
    window: Moments
    comoment: Array

    @classmethod
    @np.errstate(all="ignore")
    def of(
        cls, block: Array, size: int | Sequence[int] = 2, *, compiled: bool | None = None
    ) -> Self:
        """Compute the partial of the frames of a block, of shape ``(k, *value_shape)``.

        Parameters
        ----------
        block : ndarray of real numbers
        size : int or sequence of int
            Window in pixels, for all axes or for each; 0 or 1 keeps to the pixel along an axis.
        compiled : bool, optional
            Whether to run compiled loops; by default, the size of the block decides.

        Raises
        ------
        SpecError
            For a size that is no window, or frames that are no real numbers.

        Notes
        -----
        One pass over the block after a copy of it with mirrored borders; an addition for each
        pixel of the window along each axis.
        """
        if block.dtype.kind not in "biuf":
            raise SpecError(f"frames of {block.dtype} have no correlation: make them real numbers")
        count, shape = len(block), block.shape[1:]
        windows = Windows(shape, window_sizes(size, len(shape)))
        if compiled is None:
            compiled = use_compiled(block.size)
        origin, sums = _shifted_sums(windows.lay_out(block), windows, compiled=compiled)
        here, around, x, y, xx, yy, xy = windows.cut(np.concatenate([origin, sums]))
        pixel = Moments.shifted(count, here, x, xx)
        window = Moments.shifted(count, around, y, yy)
        return cls(pixel, window, xy - x * (y / count))

    @np.errstate(all="ignore")
    def merge(self, other: Self) -> Self:
        """Partial of the frames of both."""
        if not (self.pixel.count and other.pixel.count):
            return self if self.pixel.count else other
        pixel, window = self.pixel.merge(other.pixel), self.window.merge(other.window)
        weight = self.pixel.count * (other.pixel.count / pixel.count)
        apart = (other.pixel.mean - self.pixel.mean) * (other.window.mean - self.window.mean)
        return type(self)(pixel, window, self.comoment + other.comoment + apart * weight)

    @np.errstate(all="ignore")
    def result(self) -> Array:
        """The correlations, float64 within -1 and 1, of shape value_shape.

        NaN where the pixel or its window is the same in every frame, or is somewhere NaN or inf.
        """
        # Root by root: the product of two sums of squares may overflow.
        scale = np.sqrt(self.pixel.m2) * np.sqrt(self.window.m2)
        return np.clip(self.comoment / np.where(scale > 0, scale, np.nan), -1, 1)


def _shifted_sums(frames: Array, windows: Windows, *, compiled: bool) -> tuple[Array, Array]:
    """The origins of pixel x and window y, and the sums of x, y, x², y² and xy less these.

    The origin is the first frame, so that what does not change is exactly 0.
    """
    # As wide as the flat layout: `Windows.cut` drops the ends, which no window fills.
    origin, sums = np.zeros((2, frames.shape[1])), np.zeros((5, frames.shape[1]))
    first = finite_origin(frames[:1].sum(axis=0))
    own, reach = windows.centre, np.array(windows.reach, np.int64).reshape(-1, 2)
    add_up = _add_up.choose(compiled, frames.dtype)
    for start, stop in windows.stretches(frames.shape[1], _PIXELS):
        seen = slice(start, stop + windows.halo)
        total = np.zeros(seen.stop - start)
        add_up(frames, start, first[seen], reach, own, total, sums[2:, start:stop])
        for row, values in ((origin, first[seen]), (sums, total)):
            row[:2, start:stop] = values[own : own + stop - start], _window_sums(values, reach)
    return origin, sums


def _add_up_plain(
    frames: Array,
    start: int,
    origin: Array,
    reach: Array,
    own: int,
    total: Array,
    products: Array,
) -> None:
    """Add up deviations from `origin` in a stretch of pixels, and x², y² and xy of its windows."""
    scratch = np.empty((_FRAMES, len(origin)))
    here = slice(own, own + products.shape[1])
    for top in range(0, len(frames), _FRAMES):
        few = frames[top : top + _FRAMES, start : start + len(origin)]
        deviations = np.subtract(few, origin, out=scratch[: len(few)])
        total += deviations.sum(axis=0)
        x, y = deviations[:, here], _window_sums(deviations, reach)
        for product, (a, b) in zip(products, ((x, x), (y, y), (x, y)), strict=True):
            product += (a * b).sum(axis=0)


@jit(plain=_add_up_plain)
def _add_up(
    frames: Array,
    start: int,
    origin: Array,
    reach: Array,
    own: int,
    total: Array,
    products: Array,
) -> None:
    """Bound by the second cache: each step goes over a stretch, in vector instructions."""
    wide, long = products.shape[1], len(origin)
    sums, powers, buffers = np.empty(long), np.empty((3, wide)), np.empty((3, long))
    deviations, x = buffers[0], buffers[0, own : own + wide]
    for top in range(0, len(frames), _FRAMES):
        sums[:] = 0
        powers[:] = 0
        for frame in range(top, min(top + _FRAMES, len(frames))):
            pixels = frames[frame, start : start + long]
            for n in range(long):
                deviations[n] = pixels[n] - origin[n]
            for n in range(long):
                sums[n] += deviations[n]
            last, left = 0, long
            for axis in range(len(reach)):
                step, size = reach[axis]
                left -= step * (size - 1)
                # Two buffers in turns: sums along one axis are the input of the next.
                before, around = buffers[last], buffers[1 + axis % 2, :left]
                around[:] = before[:left]
                for shift in range(step, step * size, step):
                    shifted = before[shift : shift + left]
                    for n in range(left):
                        around[n] += shifted[n]
                last = 1 + axis % 2
            y = buffers[last, :wide]
            for power, a, b in ((powers[0], x, x), (powers[1], y, y), (powers[2], x, y)):
                for n in range(wide):
                    power[n] += a[n] * b[n]
        total += sums
        products += powers


def _window_sums(pixels: Array, reach: Array) -> Array:
    """Sum of each window, one axis after the other."""
    for step, size in reach:
        pixels = reduce(np.add, shifts(pixels, step, size))
    return pixels
