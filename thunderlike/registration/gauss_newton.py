"""Refinement of a coarse shift: weighted Gauss-Newton steps from binned to full resolution.

All set-up is done once a reference: steering images, normal matrices and their inverses. A step
then costs one interpolation of the frame and a few sums.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from thunderlike.registration.correlation import binned, overlap

if TYPE_CHECKING:
    from collections.abc import Sequence

    from thunderlike._typing import Array, Shape
    from thunderlike.registration.modes import Deformation, Matrix, Sampling

__all__ = ["LEAST_GAIN", "Level", "Refinement", "denoised", "pyramid_bins"]

_RING = 1 / 128  # cycles per pixel
_COARSEST = 96  # px: shortest side of the coarsest level
_LARGE = 384  # px: frames of this side have three levels
_SMOOTH_SCENE, _SMOOTH_VARIANCE = 0.7, 2.0  # px
_LEAST_VARIANCE = 0.1  # of its median
_MARGIN = 2  # px at the border without steering: differences there are one-sided
_TRUST = 1.5  # binned px: largest distance of the refined from the coarse shift
_GAINS = 0.2, 5.0  # brightness of a frame relative to the reference
LEAST_GAIN = 0.05


def pyramid_bins(shape: Shape) -> tuple[int, ...]:
    """Return the pixels of a box at each level, from the coarsest.

    Examples
    --------
    >>> pyramid_bins((512, 512)), pyramid_bins((256, 300)), pyramid_bins((12, 128, 128))
    ((4, 2, 1), (2, 1), (1,))
    """
    side = min(shape[-2:])
    return tuple(
        size
        for size, least in ((4, max(_LARGE, 4 * _COARSEST)), (2, 2 * _COARSEST), (1, 0))
        if side >= least
    )


def denoised(mean: Array, noise: float) -> Array:
    """Wiener-filter a mean of frames: suppress the frequencies at which it is mostly noise.

    Parameters
    ----------
    mean : ndarray of float32
    noise : float
        Variance of the noise of the mean, which is white.

    Notes
    -----
    The power of the scene at a frequency is that of the mean less `noise`, averaged over rings of
    1/128 cycle per pixel; volumes have rings for each frequency along z.

    Examples
    --------
    >>> noise = np.random.default_rng(0).normal(size=(64, 64))
    >>> bool(denoised(noise, 1.0).std() < 0.4)
    True
    """
    from scipy import fft

    if not noise > 0:
        return mean
    spectrum = fft.dctn(mean.astype(np.float64), norm="ortho", workers=1)
    squared = sum(
        np.meshgrid(*[(np.arange(n) / (2 * n)) ** 2 for n in mean.shape[-2:]], indexing="ij")
    )
    rings = np.floor(np.sqrt(squared) / _RING).astype(np.intp).ravel()
    counts = np.maximum(np.bincount(rings), 1)
    for plane in spectrum.reshape(-1, rings.size):
        power = np.bincount(rings, plane**2) / counts
        scene = np.maximum(power - noise, 0)
        plane *= (scene / np.where(power > 0, power, 1))[rings]
    found: Array = fft.idctn(spectrum, norm="ortho", workers=1).astype(np.float32)
    return found


@dataclass(frozen=True, eq=False)
class Level:
    """One resolution of a refinement.

    Parameters
    ----------
    bins : tuple of int
        Pixels of a box along each axis.
    reference : ndarray of float32
        Binned.
    scene : ndarray of float32
        The reference without its noise.
    steering : ndarray of float32, shape (nd, ...)
        Weighted differences of the filtered reference, orthogonal to it and to a constant.
    deformation : Deformation
    sampling : Sampling
        The deformation at the binned pixels.
    normal : ndarray or sparse array of float64, shape (nd * nodes, nd * nodes)
        Normal matrix of displacements at the nodes, without the prior.
    covariance : ndarray of float32, shape (nd * m, nd * m)
        Inverse of the normal matrix and prior: posterior covariance of the coefficients.
    precision : ndarray of float64, shape (m,)
        Inverse prior variances, in binned pixels.
    iterations : int
    """

    bins: tuple[int, ...]
    reference: Array
    scene: Array
    steering: Array
    deformation: Deformation
    sampling: Sampling
    normal: Matrix
    covariance: Array
    precision: Array
    iterations: int

    @classmethod
    def of(
        cls,
        mean: Array,
        scene: Array,
        variance: Array,
        weights: Array,
        size: int,
        deformation: Deformation,
        *,
        deviation: float,
        highpass: float,
        iterations: int,
        compiled: bool,
    ) -> Self:
        """Set up a level.

        Parameters
        ----------
        mean, variance : ndarray of float32
            Of the reference, finite everywhere.
        scene : ndarray of float32
            The mean without its noise, from which steering images are made.
        weights : ndarray of float32
            0 for pixels that do not steer, else 1.
        size : int
            Pixels of a box along y and x.
        deformation : Deformation
        deviation, highpass : float
            In pixels of the frame.
        iterations : int
        compiled : bool
        """
        from scipy import ndimage

        bins = (1,) * (mean.ndim - 2) + (size,) * min(2, mean.ndim)
        reference = binned(mean, bins)
        noise = binned(variance, bins) / math.prod(bins)
        noise = ndimage.gaussian_filter(noise, _SMOOTH_VARIANCE)
        inside = binned(weights, bins) >= 1
        typical = float(np.median(noise[inside])) if inside.any() else 0.0
        noise = np.maximum(noise, _LEAST_VARIANCE * typical)
        weight = np.where(inside & (noise > 0), 1 / np.where(noise > 0, noise, 1), 0)

        scene = binned(scene, bins)
        steep = _band_passed(scene, _SMOOTH_SCENE, [highpass / b for b in bins])
        weight *= _interior(reference.shape)
        steering = np.stack([_orthogonal(d, reference, weight) for d in _differences(steep)])

        sampling = deformation.sampled(reference.shape, bins, compiled=compiled)
        products = sampling.products(steering, np.stack(_differences(scene)))
        normal = (products + products.T) / 2
        precision = size**2 / deformation.variances(deviation)
        inverse = deformation.normal_in_modes(normal) + np.diag(np.tile(precision, mean.ndim))
        return cls(
            bins,
            reference,
            scene,
            steering.astype(np.float32),
            deformation,
            sampling,
            normal,
            np.linalg.inv(inverse).astype(np.float32),
            precision,
            iterations,
        )

    def slope(self, image: Array, moved: Array, brightness: Array) -> Array:
        """Return the slope of the residual by displacements at the nodes, shape (nd, nodes)."""
        return self.sampling.steered(image, self.reference, self.steering, moved, brightness)

    def step(self, image: Array, moved: Array, brightness: Array) -> Array:
        """Return the change of the coefficients, shape (nd, m), in binned pixels."""
        slope = self.deformation.in_modes(self.slope(image, moved, brightness))
        slope += self.precision * moved
        step = np.einsum("ij,j->i", self.covariance, slope.ravel().astype(np.float32))
        change: Array = -step.reshape(moved.shape).astype(np.float64)
        return change


def _band_passed(image: Array, low: float, high: Sequence[float]) -> Array:
    """Blur an image, and subtract the result blurred again, mirrored at the borders.

    By cosine transforms, whose cost does not grow with the standard deviations of the Gaussians.
    """
    from scipy import fft

    spectrum = fft.dctn(image.astype(np.float64), norm="ortho", workers=1)
    kept, blurred = np.ones((2, *(1,) * image.ndim))
    for axis, (n, sigma) in enumerate(zip(image.shape, high, strict=True)):
        squared = (np.pi / n * np.arange(n).reshape(-1, *(1,) * (image.ndim - 1 - axis))) ** 2
        kept = kept * np.exp(-(low**2) / 2 * squared)
        blurred = blurred * np.exp(-(sigma**2) / 2 * squared)
    spectrum *= kept * (1 - blurred)
    found: Array = fft.idctn(spectrum, norm="ortho", workers=1)
    return found


def _interior(shape: Shape) -> Array:
    """Mask of the pixels that steer; the few planes of a volume lose one at each end."""
    inside = np.zeros(shape, bool)
    margins = [1] * (len(shape) - 2) + [_MARGIN] * min(2, len(shape))
    inside[
        tuple(
            slice(margin, n - margin) if n > 2 * margin else slice(None)
            for n, margin in zip(shape, margins, strict=True)
        )
    ] = True
    return inside


def _differences(image: Array) -> list[Array]:
    """Central differences along each axis; 0 along an axis of length 1."""
    image = np.asarray(image, np.float64)
    found: list[Array] = [
        np.gradient(image, axis=axis) if n > 1 else np.zeros(image.shape)
        for axis, n in enumerate(image.shape)
    ]
    return found


def _orthogonal(difference: Array, reference: Array, weight: Array) -> Array:
    """Weight a difference image, less its regression on a constant and the reference.

    Offset and brightness of a frame then have no effect on its shift.
    """
    total = weight.sum()
    if not total:
        return np.zeros(difference.shape)
    centered = reference - (weight * reference).sum() / total
    difference = difference - (weight * difference).sum() / total
    power = (weight * centered**2).sum()
    if power > 0:
        difference = difference - (weight * difference * centered).sum() / power * centered
    found: Array = weight * difference
    return found


@dataclass(frozen=True, eq=False)
class Refinement:
    """Levels of a refinement, and the limits of its result.

    Parameters
    ----------
    deformation : Deformation
    levels : tuple of Level
        From the coarsest.
    max_shift : ndarray of float64, shape (nd,)
        Largest displacement in pixels.
    max_deviation : float
        Largest difference of a displacement from the mean over the frame.
    region : tuple of slice
        Part of the coarsest level whose brightness is compared.
    """

    deformation: Deformation
    levels: tuple[Level, ...]
    max_shift: Array
    max_deviation: float
    region: tuple[slice, ...]

    def brightness(self, image: Array, shift: Array) -> tuple[float, float]:
        """Regress a frame at the coarsest level on the shifted reference.

        Returns
        -------
        gain, offset : float
            The frame is ``gain * reference + offset``.
        """
        level = self.levels[0]
        moved = np.rint(shift / level.bins).astype(int).tolist()
        reference, frame = level.scene[self.region], image[self.region]
        here, there = overlap(moved, frame.shape)
        reference, frame = reference[here], frame[there]
        middle, mean = reference.mean(dtype=np.float64), frame.mean(dtype=np.float64)
        centered = reference - np.float32(middle)
        power = np.square(centered).sum(dtype=np.float64)
        if not power > 0:
            return 0.0, float(mean)
        # Without the mean of the frame: the sum of `centered` is not 0, and a mean may be large.
        gain = float((centered * (frame - np.float32(mean))).sum(dtype=np.float64) / power)
        return gain, float(mean - gain * middle)

    def scaling(self, gain: float, offset: float) -> Array:
        """Return the factor of a frame, and the offset of the reference, that make them equal."""
        clipped = min(max(gain, _GAINS[0]), _GAINS[1])
        return np.array([1 / clipped, offset / clipped], np.float32)

    def coefficients(
        self, pyramid: Sequence[Array], coarse: Array, gain: float, offset: float
    ) -> Array:
        """Refine a coarse shift.

        Parameters
        ----------
        pyramid : sequence of ndarray of float32
            The frame at each level.
        coarse : ndarray of float64, shape (nd,)
        gain, offset : float
            As of `brightness`.

        Returns
        -------
        ndarray of float64, shape (nd, m)
            Those of the coarse shift where the refined ones are not to be trusted.
        """
        brightness = self.scaling(gain, offset)
        found = start = self.deformation.rigid(coarse)
        for level, image in zip(self.levels, pyramid, strict=True):
            scale = np.array(level.bins, np.float64)[:, np.newaxis]
            moved = found / scale
            for _ in range(level.iterations):
                step = level.step(image, moved, brightness)
                largest = np.abs(self.deformation.at_nodes(step)).max()
                moved += step / max(1.0, largest)
            found = moved * scale
        means = found @ self.deformation.means
        if not (np.abs(means - coarse) <= _TRUST * np.array(self.levels[0].bins)).all():
            return start
        return self._limited(found, means)

    def _limited(self, found: Array, means: Array) -> Array:
        """Limit the deviation from the mean, by one factor for all nodes, and the mean."""
        rigid = self.deformation.rigid(means)
        largest = float(np.abs(self.deformation.at_nodes(found - rigid)).max())
        kept = (found - rigid) * min(1.0, self.max_deviation / max(largest, 1e-9))
        limit = self.max_shift + 1
        return self.deformation.rigid(np.clip(means, -limit, limit)) + kept
