"""Estimation of the motion of single frames against a reference."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from thunderlike.engines.base import Kernel
from thunderlike.kernels.resampling import deinterlace
from thunderlike.registration.correlation import Correlation, binned
from thunderlike.registration.gauss_newton import (
    LEAST_GAIN,
    Level,
    Refinement,
    denoised,
    pyramid_bins,
)
from thunderlike.registration.modes import Translation, displaced

if TYPE_CHECKING:
    from collections.abc import Sequence

    from thunderlike._typing import Array, Shape
    from thunderlike.registration.modes import Deformation

__all__ = ["Estimate", "Estimator", "FrameEstimation", "Settings", "single_precision"]

# Iterations of each level, by the number of levels.
_RIGID_ITERATIONS = {1: (3,), 2: (2, 1), 3: (2, 1, 1)}
_FIELD_ITERATIONS = {1: (4,), 2: (4, 1), 3: (2, 2, 1)}
_STILL = 1e-4  # px: less is rounding, and frames are not interpolated for it
_BIN_TWICE, _BIN_FOUR_TIMES = 192, 1024  # px: sides whose frames are binned for the coarse shift


@dataclass(frozen=True, eq=False)
class Settings:
    """Options of an estimation that do not depend on the reference.

    Parameters
    ----------
    max_shift : ndarray of float64, shape (nd,)
        Largest shift in pixels.
    smooth, highpass : float
        Of the algorithm, in pixels.
    weights : ndarray of float32, shape frame
        1 for pixels that steer, 0 for others.
    max_deviation : float
        Largest difference of a field from its mean, in pixels.
    compiled : bool
        Whether to run compiled loops.
    """

    max_shift: Array
    smooth: float
    highpass: float
    weights: Array
    max_deviation: float
    compiled: bool

    @property
    def box(self) -> tuple[slice, ...]:
        """Smallest box of the pixels that steer: the coarse shift is found in it."""
        found = []
        for axis in range(self.weights.ndim):
            others = tuple(one for one in range(self.weights.ndim) if one != axis)
            used = np.flatnonzero(self.weights.any(axis=others))
            found.append(slice(int(used[0]), int(used[-1]) + 1))
        return tuple(found)


@dataclass(frozen=True, eq=False)
class Estimate:
    """Motion of one frame.

    Parameters
    ----------
    coefficients : ndarray of float64, shape (nd, m)
        Of the deformation.
    shift : ndarray of float64, shape (nd,)
        Mean displacement over the frame in pixels.
    peak : float
        Height of the coarse correlation, in standard deviations of it.
    gain, offset : float
        The frame is ``gain * reference + offset``.
    at_edge : bool
        The coarse shift is at the end of the search range.
    """

    coefficients: Array
    shift: Array
    peak: float
    gain: float
    offset: float
    at_edge: bool


def single_precision(frame: Array) -> tuple[Array, Array | None]:
    """Return a frame as contiguous float32, NaN and inf replaced by the mean of the others.

    Returns
    -------
    image : ndarray of float32
    finite : ndarray of bool, or None if all pixels are

    Examples
    --------
    >>> single_precision(np.array([1, np.nan, 3]))
    (array([1., 2., 3.], dtype=float32), array([ True, False,  True]))
    """
    with np.errstate(over="ignore"):
        image = np.array(frame, np.float32, order="C")
    if frame.dtype.kind != "f":
        return image, None
    finite = np.isfinite(image)
    if finite.all():
        return image, None
    image[~finite] = image[finite].mean(dtype=np.float64) if finite.any() else 0
    return image, finite


@dataclass(frozen=True, eq=False)
class Estimator:
    """Estimation of the motion of frames against one reference.

    Parameters
    ----------
    correlation : Correlation
        Finds the coarse shift.
    refinement : Refinement
        Refines it.
    mean : ndarray of float32
        The reference, finite everywhere.
    pattern : ndarray of float32 or None
        Pattern fixed on the sensor, which is subtracted from frames.
    compiled : bool
        Whether to run compiled loops.
    box : tuple of slice
        Part of frames that the coarse shift is found in.

    Examples
    --------
    >>> scene = np.random.default_rng(0).normal(size=(40, 44)).astype("float32")
    >>> settings = Settings(
    ...     np.full(2, 4.0), 1.15, 12, np.ones((32, 32), "float32"), 5, compiled=False
    ... )
    >>> reference = scene[4:36, 6:38]
    >>> estimator = Estimator.of(reference, np.ones((32, 32), "float32"), settings)
    >>> estimator(3 * scene[2:34, 9:41]).shift.round(2)
    array([ 2., -3.])
    """

    correlation: Correlation
    refinement: Refinement
    mean: Array
    pattern: Array | None = None
    compiled: bool = False
    box: tuple[slice, ...] = ()

    @classmethod
    def of(
        cls,
        mean: Array,
        variance: Array,
        settings: Settings,
        deformation: Deformation | None = None,
        *,
        deviation: float = 1.0,
        noise: float = 0.0,
        pattern: Array | None = None,
        coarse: bool = False,
    ) -> Self:
        """Set up the estimation.

        Parameters
        ----------
        mean, variance : ndarray of float32
            Of the reference. Pixels that are not finite do not steer.
        settings : Settings
        deformation : Deformation, optional
            By default a translation.
        deviation : float
            Prior standard deviation of a field about its mean, in pixels.
        noise : float
            Variance of the noise of the mean.
        pattern : ndarray of float32, optional
        coarse : bool
            Stop at the coarse shift.
        """
        known = np.isfinite(mean) & np.isfinite(variance)
        weights = settings.weights * known.astype(np.float32)
        mean, variance = single_precision(mean)[0], single_precision(variance)[0]
        shape, deformation = mean.shape, deformation or Translation()
        bins = pyramid_bins(shape)
        rigid = isinstance(deformation, Translation)
        iterations = (_RIGID_ITERATIONS if rigid else _FIELD_ITERATIONS)[len(bins)]
        steps = list(zip(bins, (0,) if coarse else iterations, strict=False))
        scene = denoised(mean, noise)
        levels = tuple(
            Level.of(
                mean,
                scene,
                variance,
                weights,
                size,
                deformation,
                deviation=deviation,
                highpass=settings.highpass,
                iterations=count,
                compiled=settings.compiled,
            )
            for size, count in steps
        )
        region = tuple(
            slice(part.start // size, max(part.stop // size, part.start // size + 1))
            for part, size in zip(settings.box, levels[0].bins, strict=True)
        )
        refinement = Refinement(
            deformation, levels, settings.max_shift, settings.max_deviation, region
        )
        boxes = _correlation_bins(settings.weights[settings.box].shape)
        box = settings.box
        inside = settings.weights[box] > 0
        shown = mean[box] - mean[box][inside].mean(dtype=np.float64)
        shown = np.where(inside, shown, 0).astype(np.float32)
        correlation = Correlation.of(
            binned(shown, boxes), boxes, settings.max_shift.tolist(), settings.smooth
        )
        return cls(correlation, refinement, mean, pattern, settings.compiled, box)

    def __call__(self, frame: Array) -> Estimate:
        """Estimate the motion of a frame of any real dtype."""
        image, finite = single_precision(frame)
        if finite is not None and not finite.any():
            still = np.zeros(image.ndim)
            coefficients = self.refinement.deformation.rigid(still)
            return Estimate(coefficients, still, 0.0, math.nan, 0.0, at_edge=True)
        if self.pattern is not None:
            image -= self.pattern
        pyramid = self._pyramid(image)
        peak = self.correlation.peak(self._correlated(image, pyramid))
        gain, offset = self.refinement.brightness(pyramid[0], peak.shift)
        if finite is not None:
            image = self._filled(image, finite, peak.shift, gain, offset)
            pyramid = self._pyramid(image)
            gain, offset = self.refinement.brightness(pyramid[0], peak.shift)
        found = self.refinement.coefficients(pyramid, peak.shift, gain, offset)
        if np.abs(self.refinement.deformation.at_nodes(found)).max() < _STILL:
            found = np.zeros(found.shape)
        shift = found @ self.refinement.deformation.means
        shift[np.abs(shift) < _STILL] = 0
        return Estimate(found, shift, peak.height, gain, offset, peak.at_edge)

    def slope(self, frame: Array, estimate: Estimate) -> Array:
        """Return the slope of the residual of a frame at its estimate, by displacements at nodes.

        In pixels of the frame, of shape (nd, nodes).
        """
        image, finite = single_precision(frame)
        if self.pattern is not None:
            image -= self.pattern
        if finite is not None:
            image = self._filled(image, finite, estimate.shift, estimate.gain, estimate.offset)
        brightness = self.refinement.scaling(estimate.gain, estimate.offset)
        return self.refinement.levels[-1].slope(image, estimate.coefficients, brightness)

    def _filled(
        self, image: Array, finite: Array, shift: Array, gain: float, offset: float
    ) -> Array:
        """Replace pixels that are not finite by those of the displaced reference."""
        shown, region = displaced(self.mean, (-shift).tolist())
        expected = np.full(image.shape, np.float32(image[finite].mean(dtype=np.float64)))
        expected[region] = shown * np.float32(gain) + np.float32(offset)
        return np.where(finite, image, expected)

    def trusts(self, estimate: Estimate) -> bool:
        """Check whether an estimate is reliable by itself, without its neighbours in time."""
        bright = math.isfinite(estimate.gain) and estimate.gain >= LEAST_GAIN
        return bright and not estimate.at_edge and estimate.peak >= self.correlation.least_peak

    def stderr(self) -> Array:
        """Predicted standard deviation of the shift of a frame of gain 1, in px, shape (nd,)."""
        level, means = self.refinement.levels[-1], self.refinement.deformation.means
        m, nd = len(means), self.mean.ndim
        blocks = level.covariance.astype(np.float64).reshape(nd, m, nd, m)
        variances = [means @ blocks[axis, :, axis] @ means for axis in range(nd)]
        found: Array = np.sqrt(np.maximum(variances, 0)) * level.bins
        return found

    def _correlated(self, image: Array, pyramid: Sequence[Array]) -> Array:
        """Return the part of a frame that is correlated, binned: a level if that is it."""
        bins, shape = self.correlation.bins, image[self.box].shape
        for level, found in zip(self.refinement.levels, pyramid, strict=True):
            if level.bins == bins and shape == image.shape:
                return found
        return binned(image[self.box], bins)

    def _pyramid(self, image: Array) -> list[Array]:
        return [binned(image, level.bins) for level in self.refinement.levels]


def _correlation_bins(shape: Shape) -> tuple[int, ...]:
    """Pixels of a box of the frames that are correlated, along each axis."""
    side = min(shape[-2:])
    size = 4 if side >= _BIN_FOUR_TIMES else 2 if side >= _BIN_TWICE else 1
    return (1,) * (len(shape) - 2) + (size,) * min(2, len(shape))


@dataclass(frozen=True, eq=False)
class FrameEstimation(Kernel):
    """Kernel that estimates the motion of each frame of a block, alone and in a fixed order.

    Parameters
    ----------
    estimators : sequence of Estimator
        One for the whole frame, or one for each plane along `axis`.
    axis : int, optional
        Axis of the planes.
    offset : float
        Displacement of odd rows along x in pixels, which is corrected first.

    Notes
    -----
    A record of the result is float32, of shape ``(planes, nd + 3 + nd * m)``: the shift, the height
    of the peak, the gain, 1 for a peak at the edge of the search range, the coefficients.
    """

    estimators: Sequence[Estimator]
    axis: int | None = None
    offset: float = 0.0
    vectorised: ClassVar[bool] = True

    @property
    def compiled(self) -> bool:
        """True where compiled loops run."""
        return self.estimators[0].compiled

    @property
    def shape(self) -> Shape:
        """Shape of a record of the result."""
        deformation = self.estimators[0].refinement.deformation
        nd = len(self.estimators[0].mean.shape)
        fields = 0 if isinstance(deformation, Translation) else nd * deformation.size
        return len(self.estimators), nd + 3 + fields

    def __call__(self, start: int, block: Array) -> Array:  # noqa: ARG002
        """Estimate the motion of each frame of a block."""
        out = np.empty((len(block), *self.shape), np.float32)
        if self.offset:
            block = deinterlace(block, self.offset, compiled=self.compiled)
        for row, frame in zip(out, block, strict=True):
            planes = (frame,) if self.axis is None else np.moveaxis(frame, self.axis, 0)
            for record, plane, estimator in zip(row, planes, self.estimators, strict=True):
                estimate = estimator(plane)
                nd = len(estimate.shift)
                record[:nd] = estimate.shift
                record[nd : nd + 3] = estimate.peak, estimate.gain, estimate.at_edge
                record[nd + 3 :] = estimate.coefficients.ravel()[: len(record) - nd - 3]
        return out
