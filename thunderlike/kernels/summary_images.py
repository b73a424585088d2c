"""Summary images of a movie in one pass: correlation of neighbours, peak-to-noise ratio."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from thunderlike.errors import SpecError
from thunderlike.kernels._numba import jit
from thunderlike.kernels.filters import uniform
from thunderlike.kernels.gaussian import gaussian
from thunderlike.kernels.moments import Moments, finite_origin

if TYPE_CHECKING:
    from thunderlike._typing import Array, Shape

__all__ = ["NeighbourCorrelation", "PeakToNoise", "neighbour_offsets"]

_PIXELS, _FRAMES = 2**13, 2**5  # a stretch of pixels; with the frames taken at once, 2 MiB


def neighbour_offsets(nd: int, neighbours: int) -> list[Shape]:
    """Return the displacements to half of the neighbours of a pixel, the others being opposite.

    Parameters
    ----------
    nd : int
        Number of axes.
    neighbours : int
        ``2 * nd``, those that share a side, or ``3**nd - 1``, all.

    Raises
    ------
    SpecError
        For another number of neighbours.

    Examples
    --------
    >>> neighbour_offsets(2, 4), len(neighbour_offsets(3, 26))
    ([(0, 1), (1, 0)], 13)
    """
    if neighbours not in (few := 2 * nd, all_ := 3**nd - 1):
        raise SpecError(f"neighbours={neighbours!r} of images of {nd} axes: give {few} or {all_}")
    zero = (0,) * nd
    found = [one for one in itertools.product((-1, 0, 1), repeat=nd) if one > zero]
    return [one for one in found if neighbours == all_ or sum(map(abs, one)) == 1]


@dataclass(frozen=True, eq=False)
class NeighbourCorrelation:
    """Partial of the correlations of pixels with their neighbours.

    Parameters
    ----------
    pixel : Moments
        Of the pixels, of shape value_shape.
    comoments : ndarray of float64, shape (m, *value_shape)
        Sum of the products of the deviations of a pixel and of its neighbour at each displacement.
        Entries of pixels without this neighbour have no meaning.
    offsets : tuple of tuple of int
        The displacements.

    Notes
    -----
    Deviations are taken from the first frame of a block, and partials are joined as those of
    :class:`Moments`. Frames without any finite value are left out.

    Examples
    --------
    >>> frames = np.array([[1, 7, 0, 5], [2, 8, 3, 0], [4, 7, 0, 3.0]])
    >>> NeighbourCorrelation.of(frames, ((1,),)).result().round(3)
    array([-0.189,  0.406,  0.041, -0.918])
    """

    pixel: Moments
    comoments: Array
    offsets: tuple[Shape, ...]

    @classmethod
    @np.errstate(all="ignore")
    def of(cls, block: Array, offsets: tuple[Shape, ...], *, compiled: bool = False) -> Self:
        """Compute the partial of the frames of a block, of shape ``(k, *value_shape)``."""
        if block.dtype.kind not in "biuf":
            raise SpecError(f"frames of {block.dtype} have no correlation: make them real numbers")
        shape = block.shape[1:]
        frames = np.ascontiguousarray(_with_values(block.reshape(len(block), math.prod(shape))))
        count, pixels = frames.shape
        strides = [math.prod(shape[axis + 1 :]) for axis in range(len(shape))]
        # Displacements that come first in the order of pixels are positive, but for those along
        # an axis of length 1, on which no pixel has a neighbour.
        steps = np.array([max(0, np.dot(one, strides)) for one in offsets], np.int64)
        origin = np.zeros(pixels)
        origin[:] = finite_origin(frames[:1].sum(axis=0))
        total, products = np.zeros(pixels), np.zeros((1 + len(steps), pixels))
        if count:
            run = _add_up.choose(compiled, frames.dtype)
            halo = int(steps.max(initial=0))
            for start in range(0, pixels, max(_PIXELS, 4 * halo)):
                stop = min(start + max(_PIXELS, 4 * halo), pixels)
                run(frames, start, stop, origin, steps, total, products)
        pixel = Moments.shifted(count, origin, total, products[0])
        comoments = products[1:]
        for comoment, step in zip(comoments, steps, strict=True):
            if count and step < pixels:
                comoment[: pixels - step] -= total[: pixels - step] * (total[step:] / count)
        moments = Moments(count, pixel.mean.reshape(shape), pixel.m2.reshape(shape))
        return cls(moments, comoments.reshape(len(steps), *shape), offsets)

    @np.errstate(all="ignore")
    def merge(self, other: Self) -> Self:
        """Partial of the frames of both."""
        if not (self.pixel.count and other.pixel.count):
            return self if self.pixel.count else other
        pixel = self.pixel.merge(other.pixel)
        weight = self.pixel.count * (other.pixel.count / pixel.count)
        apart = other.pixel.mean - self.pixel.mean
        comoments = self.comoments + other.comoments
        for comoment, offset in zip(comoments, self.offsets, strict=True):
            here, there = _overlap(offset, apart.shape)
            comoment[here] += apart[here] * apart[there] * weight
        return type(self)(pixel, comoments, self.offsets)

    @np.errstate(all="ignore")
    def result(self) -> Array:
        """Mean of the correlations with all neighbours, float64, of shape value_shape.

        Neighbours outside of the image, and those that are constant or somewhere NaN, are left out.
        NaN where the pixel is constant or somewhere NaN, or has no neighbour.
        """
        scale = np.sqrt(self.pixel.m2)
        scale = np.where(np.isfinite(scale) & (scale > 0), scale, np.nan)
        total, count = np.zeros(scale.shape), np.zeros(scale.shape)
        for comoment, offset in zip(self.comoments, self.offsets, strict=True):
            here, there = _overlap(offset, scale.shape)
            found = np.clip(comoment[here] / scale[here] / scale[there], -1, 1)
            known = np.isfinite(found)
            for place in (here, there):
                total[place] += np.where(known, found, 0)
                count[place] += known
        mean: Array = total / np.where(count > 0, count, np.nan)
        return mean


def _with_values(frames: Array) -> Array:
    """Return the frames with a finite value, of shape ``(k, pixels)``."""
    if frames.dtype.kind != "f" or not frames.size:
        return frames
    known = np.isfinite(frames).any(axis=1)
    return frames if known.all() else frames[known]


def _overlap(offset: Shape, shape: Shape) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Return the pixels that have a neighbour at a displacement, and these neighbours."""
    pairs = list(zip(offset, shape, strict=True))
    here = tuple(slice(max(-step, 0), max(n - max(step, 0), 0)) for step, n in pairs)
    there = tuple(slice(max(step, 0), max(n - max(-step, 0), 0)) for step, n in pairs)
    return here, there


def _add_up_plain(
    frames: Array,
    start: int,
    stop: int,
    origin: Array,
    steps: Array,
    total: Array,
    products: Array,
) -> None:
    """Add up deviations of a stretch of pixels, their squares, and products with neighbours."""
    pixels = frames.shape[1]
    end = min(stop + int(steps.max(initial=0)), pixels)
    scratch = np.empty((_FRAMES, end - start))
    for top in range(0, len(frames), _FRAMES):
        few = frames[top : top + _FRAMES, start:end]
        deviations = np.subtract(few, origin[start:end], out=scratch[: len(few)])
        x = deviations[:, : stop - start]
        total[start:stop] += x.sum(axis=0)
        products[0, start:stop] += (x * x).sum(axis=0)
        for product, step in zip(products[1:], steps.tolist(), strict=True):
            wide = min(stop, pixels - step) - start
            if wide > 0:
                pair = x[:, :wide] * deviations[:, step : step + wide]
                product[start : start + wide] += pair.sum(axis=0)


@jit(plain=_add_up_plain)
def _add_up(
    frames: Array,
    start: int,
    stop: int,
    origin: Array,
    steps: Array,
    total: Array,
    products: Array,
) -> None:
    """Bound by the second cache: each step goes over a stretch, in vector instructions."""
    pixels = frames.shape[1]
    halo = 0
    for step in steps:
        halo = max(halo, step)
    end, wide = min(stop + halo, pixels), stop - start
    deviations = np.empty(end - start)
    sums = np.empty((2 + len(steps), wide))
    for top in range(0, len(frames), _FRAMES):
        sums[:] = 0
        for frame in range(top, min(top + _FRAMES, len(frames))):
            row, origins = frames[frame, start:end], origin[start:end]
            for n in range(end - start):
                deviations[n] = row[n] - origins[n]
            plain, square = sums[0], sums[1]
            for n in range(wide):
                plain[n] += deviations[n]
            for n in range(wide):
                square[n] += deviations[n] * deviations[n]
            for k in range(len(steps)):
                product, step = sums[2 + k], steps[k]
                shifted = deviations[step:]
                for n in range(min(wide, len(shifted))):
                    product[n] += deviations[n] * shifted[n]
        total[start:stop] += sums[0]
        products[0, start:stop] += sums[1]
        for k in range(len(steps)):
            fits = min(wide, max(pixels - steps[k] - start, 0))
            products[1 + k, start : start + fits] += sums[2 + k, :fits]


@dataclass(frozen=True, eq=False)
class PeakToNoise:
    """Partial of the peak of each pixel above its mean, and of its noise, after a spatial filter.

    Parameters
    ----------
    count : int
        Number of frames.
    total, peak : ndarray of float64, shape value_shape
        Sum and maximum over the frames.
    squares : ndarray of float64, shape value_shape
        Sum of the squared differences of successive frames.
    first, last : ndarray of float64, shape value_shape
        Frames at the ends, for the difference from those of other partials.

    Notes
    -----
    The filter is a Gaussian less the mean of a square of three standard deviations to each side: it
    keeps what has the size of a cell, and has a mean of 0. Frames without any finite value are left
    out.

    Examples
    --------
    >>> frames = np.random.default_rng(0).normal(size=(50, 16, 16))
    >>> frames[20, 8, 8] += 40
    >>> ratio = PeakToNoise.of(frames, 1.0).result()
    >>> np.unravel_index(ratio.argmax(), ratio.shape)
    (np.int64(8), np.int64(8))
    """

    count: int
    total: Array
    peak: Array
    squares: Array
    first: Array
    last: Array

    @classmethod
    @np.errstate(all="ignore")
    def of(cls, block: Array, sigma: float, *, compiled: bool = False) -> Self:
        """Compute the partial of the frames of a block, of shape ``(k, *value_shape)``."""
        if block.dtype.kind not in "biuf":
            raise SpecError(f"frames of {block.dtype} have no peak: make them real numbers")
        shape = block.shape[1:]
        frames = _with_values(block.reshape(len(block), math.prod(shape))).reshape(-1, *shape)
        total, squares = np.zeros(shape), np.zeros(shape)
        peak, first, last = np.full(shape, -np.inf), np.zeros(shape), np.zeros(shape)
        several = max(1, 2**18 // max(math.prod(shape), 1))
        for top in range(0, len(frames), several):
            few = frames[top : top + several].astype(np.float64)
            passed = gaussian(few, sigma, compiled=compiled)
            passed -= uniform(few, 2 * math.ceil(3 * sigma) + 1)
            for number, frame in enumerate(passed, top):
                if number:
                    squares += np.square(frame - last)
                else:
                    first = frame.copy()
                total += frame
                np.maximum(peak, frame, out=peak)
                last = frame
        return cls(len(frames), total, peak, squares, first, last.copy())

    @np.errstate(all="ignore")
    def merge(self, other: Self) -> Self:
        """Partial of the frames of both, which follow one another."""
        if not (self.count and other.count):
            return self if self.count else other
        return type(self)(
            self.count + other.count,
            self.total + other.total,
            np.maximum(self.peak, other.peak),
            self.squares + other.squares + np.square(other.first - self.last),
            self.first,
            other.last,
        )

    @np.errstate(all="ignore")
    def result(self) -> Array:
        """Peak above the mean relative to the noise, float64, of shape value_shape.

        NaN where a pixel never changes, or is somewhere NaN.
        """
        if self.count < 2:
            return np.full(self.total.shape, np.nan)
        noise = np.sqrt(self.squares / (2 * (self.count - 1)))
        ratio: Array = (self.peak - self.total / self.count) / np.where(noise > 0, noise, np.nan)
        return np.where(np.isfinite(ratio), ratio, np.nan)
