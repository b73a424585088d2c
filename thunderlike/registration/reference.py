"""References that frames are registered to, built from a sample of a movie."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from thunderlike.kernels.resampling import warp_images
from thunderlike.parallel.threads import tmap
from thunderlike.registration.correlation import binned
from thunderlike.registration.estimation import Estimator, Settings, single_precision
from thunderlike.registration.modes import SmoothField, Translation, displaced
from thunderlike.registration.prior import TYPICAL_LENGTH, likeliest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from thunderlike._typing import Array
    from thunderlike.progress import Tracker
    from thunderlike.registration.estimation import Estimate
    from thunderlike.registration.modes import Deformation

__all__ = ["Builder", "Reference", "sample_rows"]

_SAMPLE_BYTES = 2**28  # of the sample on the driver, in float32
_NEIGHBOURS = 20  # frames that are averaged with the seed
_FEW = 5  # frames with a variance over time
_FIELD_ROUNDS = 2
_PATTERN_SIGMA = 8.0  # px: smoother patterns are left to the scene
_LEAST_DEVIATION, _DEVIATIONS = 0.05, 48  # px; number of prior deviations to choose of


def sample_rows(count: int, nsample: int, size: int) -> Array:
    """Numbers of the frames of a sample, at even distances, at most 256 MiB in float32.

    Examples
    --------
    >>> sample_rows(count=10, nsample=4, size=100)
    array([0, 2, 5, 7])
    """
    most = max(1, _SAMPLE_BYTES // (4 * max(1, size)))
    taken = min(nsample, most, count)
    return np.arange(taken) * count // max(taken, 1)


@dataclass(frozen=True, eq=False)
class Reference:
    """Image that frames are registered to, and the noise of frames around it.

    Parameters
    ----------
    mean : ndarray of float32, of the shape of a frame
        Mean of the aligned frames; NaN where none has data.
    variance : ndarray of float32, of the shape of a frame
        Their variance, without the effect of interpolation on noise.
    count : int
        Frames that were averaged: those of the sample that are not bad; 0 for a given mean.
    frames : ndarray of int64, shape (n,)
        Numbers of the frames of the sample.
    shifts : ndarray of float64, shape (n, nd)
        Their shifts relative to the mean in pixels, of median 0; with planes (n, planes, nd).
    deviation : ndarray of float64
        Prior standard deviation of fields about their mean in pixels; one a plane.
    pattern : ndarray of float32, of the shape of a frame, optional
        Pattern fixed on the sensor, which is subtracted from frames before estimation.
    offset : float
        Displacement of odd rows along x, which is corrected first.
    length : ndarray of float64
        Correlation length of fields in pixels; one a plane.

    Notes
    -----
    A shift is the displacement of the content: ``frame(r + u(r)) = reference(r)``.

    Examples
    --------
    >>> import thunderlike as tl
    >>> movie = tl.images.fromexample("calcium")[:60]
    >>> reference = tl.registration.Rigid(nsample=30).reference(movie)
    >>> reference.mean.shape, reference.count, reference.shifts.shape
    ((128, 128), 30, (30, 2))
    """

    mean: Array
    variance: Array
    count: int
    frames: Array
    shifts: Array
    deviation: Array = field(default_factory=lambda: np.ones(1))
    pattern: Array | None = None
    offset: float = 0.0
    length: Array = field(default_factory=lambda: np.full(1, TYPICAL_LENGTH))

    @property
    def noise(self) -> float:
        """Variance of the noise of the mean, averaged over the pixels; 0 if it is given."""
        if self.count < _FEW or not np.isfinite(self.variance).any():
            return 0.0
        return float(np.nanmean(self.variance, dtype=np.float64)) / self.count


@dataclass(frozen=True, eq=False)
class Builder:
    """Construction of the reference of one plane or frame.

    Parameters
    ----------
    settings : Settings
    fields : sequence of SmoothField
        Those that the prior of the fit is chosen of, by their lengths; empty for translations. The
        first rounds estimate translations in any case.
    rounds : int
        Rounds of alignment by translation.
    deviation : float, optional
        Prior standard deviation of fields; by default estimated from the sample.
    fixed_pattern : int
        Rounds of subtraction of what stands still on the sensor.
    """

    settings: Settings
    fields: Sequence[SmoothField]
    rounds: int
    deviation: float | None
    fixed_pattern: int

    def deformation(self, length: float) -> Deformation:
        """Return the deformation of a fit: the field of about this correlation length."""
        if not self.fields:
            return Translation()
        return min(self.fields, key=lambda one: abs(one.length - length))

    def steps(self, count: int) -> int:
        """Return the number of estimates of `build` for a sample of `count` frames."""
        return count * len(self._rounds(given=False)) * (self.fixed_pattern + 1)

    def build(
        self, sample: Array, rows: Array, work: Tracker, given: Array | None = None
    ) -> Reference:
        """Align and average the frames of a sample.

        Parameters
        ----------
        sample : ndarray, shape (n, ...)
        rows : ndarray of int64, shape (n,)
            Numbers of its frames.
        work : Tracker
            Counts estimated frames.
        given : ndarray, of the shape of a frame, optional
            Mean of the reference, which is then kept: only noise and deviation are estimated.
        """
        pattern = None
        for number in range(self.fixed_pattern + 1):
            start = (
                _first_mean(sample, pattern, self.settings.box)
                if given is None
                else _as_reference(given)
            )
            reference = Reference(
                start,
                _gradient_power(start),
                int(given is None),
                rows,
                np.zeros((len(rows), start.ndim)),
                np.array([1.0 if self.deviation is None else self.deviation]),
                pattern,
                length=self._length(),
            )
            if len(sample) < (2 if given is None else _FEW):
                return reference
            for one in self._rounds(given=given is not None):
                reference, found = self._align(sample, reference, one, work)
                if given is not None:
                    reference = replace(reference, mean=start, count=0)
            if number < self.fixed_pattern:
                pattern = _pattern(sample, reference, found)
        return reference

    def _rounds(self, *, given: bool) -> list[_Round]:
        """Return the rounds of a reference, or of the noise around a given one."""
        count = 1 if given else self.rounds
        rounds = [
            _Round(
                coarse=not given and number < count - 2,
                centered=not given and number == count - 1,
            )
            for number in range(count)
        ]
        if self.fields:
            rounds += [_Round(fields=True, centered=not given)] * _FIELD_ROUNDS
        return rounds

    def _length(self) -> Array:
        """Return the correlation length of fields before a sample is seen."""
        field = self.deformation(TYPICAL_LENGTH)
        return np.array([field.length if isinstance(field, SmoothField) else TYPICAL_LENGTH])

    def _deviations(self) -> Array:
        """Return the standard deviations of fields that the prior is chosen of, in pixels."""
        if self.deviation is not None:
            return np.array([self.deviation])
        return np.geomspace(_LEAST_DEVIATION, self.settings.max_deviation, _DEVIATIONS)

    def _align(
        self, sample: Array, reference: Reference, one: _Round, work: Tracker
    ) -> tuple[Reference, list[Estimate]]:
        """Align the sample to a reference, and average it."""
        deformation: Deformation = Translation()
        if one.fields:
            deformation = self.deformation(float(reference.length[0]))
        estimator = Estimator.of(
            reference.mean,
            reference.variance,
            self.settings,
            deformation,
            deviation=float(reference.deviation[0]),
            noise=reference.noise,
            pattern=reference.pattern,
            coarse=one.coarse,
        )
        estimates = []
        for estimate in tmap(estimator, sample):
            estimates.append(estimate)
            work.advance()
        moved = np.stack([estimate.coefficients for estimate in estimates])
        good = np.array([estimator.trusts(estimate) for estimate in estimates])
        if one.centered and good.any():
            moved -= np.median(moved[good], axis=0)
        moments = _Moments.of(
            sample[good],
            moved[good],
            np.array([(one.gain, one.offset) for one in estimates], np.float32)[good],
            deformation,
            reference,
            compiled=self.settings.compiled,
        )
        made = Reference(
            moments.mean,
            moments.variance,
            int(good.sum()),
            reference.frames,
            moved @ deformation.means,
            reference.deviation,
            reference.pattern,
            length=reference.length,
        )
        if isinstance(deformation, SmoothField) and good.any():

            def slope(row: int) -> Array:
                return estimator.slope(sample[row], estimates[row]).ravel()

            normal = estimator.refinement.levels[-1].normal
            slopes = list(tmap(slope, np.flatnonzero(good).tolist()))
            nodes = np.stack([deformation.at_nodes(one).ravel() for one in moved[good]])
            information = (normal @ nodes.T).T - np.stack(slopes)
            likely, deviation = likeliest(self.fields, self._deviations(), normal, information)
            made = replace(made, length=np.array([likely.length]), deviation=np.array([deviation]))
        return made, estimates


@dataclass(frozen=True)
class _Round:
    """One alignment of a sample: by fields or translations, and whether the median is taken off."""

    fields: bool = False
    coarse: bool = False
    centered: bool = False


def _as_reference(image: Array) -> Array:
    """Return an image as float32, NaN where it is not finite."""
    with np.errstate(over="ignore"):
        mean = np.array(image, np.float32, order="C")
    mean[~np.isfinite(mean)] = np.nan
    return mean


def _first_mean(sample: Array, pattern: Array | None, box: tuple[slice, ...]) -> Array:
    """Average the frame that correlates best with others, and those that it correlates with.

    At most half of the frames: those of both sides of a step would be a double image.
    """
    shape = sample[0][box].shape
    side = min(shape[-2:])
    size = 4 if side >= 64 else 2 if side >= 32 else 1
    bins = (1,) * (len(shape) - 2) + (size,) * min(2, len(shape))
    small = np.stack([binned(single_precision(frame)[0][box], bins).ravel() for frame in sample])
    small -= small.mean(axis=1, keepdims=True)
    norms = np.sqrt(np.square(small).sum(axis=1, keepdims=True))
    small /= np.where(norms > 0, norms, np.inf)
    correlations = small @ small.T
    np.fill_diagonal(correlations, -np.inf)
    count = min(_NEIGHBOURS, max(_FEW, len(sample) // 2 - 1), len(sample) - 1)
    best = np.argsort(-correlations, axis=1, kind="stable")[:, :count]
    scores = np.take_along_axis(correlations, best, axis=1).sum(axis=1)
    seed = int(np.argmax(scores))
    chosen = np.sort([seed, *best[seed].tolist()])
    frames = np.stack([single_precision(sample[row])[0] for row in chosen])
    if pattern is not None:
        frames -= pattern
    return np.asarray(frames.mean(axis=0, dtype=np.float64), np.float32)


def _gradient_power(mean: Array) -> Array:
    """Noise of a reference of a few frames: the median of its squared gradient, or 1."""
    power = np.zeros(mean.shape)
    for axis, n in enumerate(mean.shape):
        if n > 1:
            power += np.square(np.gradient(mean, axis=axis))
    known = power[np.isfinite(power)]
    median = float(np.median(known)) if known.size else 0.0
    return np.full(mean.shape, median if median > 0 else 1.0, np.float32)


@dataclass(frozen=True, eq=False)
class _Moments:
    """Mean and variance of aligned frames, pixel by pixel over those that show it."""

    mean: Array
    variance: Array

    @classmethod
    def of(
        cls,
        frames: Array,
        moved: Array,
        brightness: Array,
        deformation: Deformation,
        reference: Reference,
        *,
        compiled: bool,
    ) -> _Moments:
        scene = single_precision(reference.mean)[0]
        count, total, apart, squares = np.zeros((4, *scene.shape))

        def aligned(number: int) -> Array:
            frame = _as_reference(frames[number])
            if reference.pattern is not None:
                frame -= reference.pattern
            return _aligned(frame, moved[number], deformation, compiled=compiled)

        # Of the frames less the reference at their brightness: bleaching is no noise.
        for values, (gain, offset) in zip(
            tmap(aligned, range(len(frames))), brightness, strict=True
        ):
            known = np.isfinite(values)
            residual = np.where(known, values - (scene * gain + offset), 0)
            count += known
            total += np.where(known, values, 0)
            apart += residual
            squares += np.square(residual, dtype=np.float64)
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = (total / count).astype(np.float32)
            variance = np.maximum(squares / count - (apart / count) ** 2, 0)
        variance /= _smoothing(moved, deformation)
        if len(frames) < _FEW:
            return cls(mean, _gradient_power(mean))
        return cls(mean, variance.astype(np.float32))


def _smoothing(moved: Array, deformation: Deformation) -> float:
    """Share of the variance of white noise that linear interpolation leaves, over the frames."""
    nodes = np.stack([deformation.at_nodes(one) for one in moved]) if len(moved) else moved
    part = nodes - np.floor(nodes)
    left = (part**2 + (1 - part) ** 2).prod(axis=1)
    return float(left.mean()) if left.size else 1.0


def _aligned(frame: Array, moved: Array, deformation: Deformation, *, compiled: bool) -> Array:
    """Interpolate a frame at its displaced pixels, NaN where it shows none."""
    if isinstance(deformation, SmoothField):
        fields, nodes = deformation.fields(moved), deformation.nodes(frame.ndim)
        stack = frame[np.newaxis]
        warped = warp_images(stack, fields[np.newaxis], nodes, 1, "nan", compiled=compiled)
        return np.asarray(warped[0])
    values, region = displaced(frame, moved[:, 0].tolist())
    found = np.full(frame.shape, np.nan, np.float32)
    found[region] = values
    return found


def _pattern(sample: Array, reference: Reference, estimates: Sequence[Estimate]) -> Array:
    """Mean over the sample of what a frame shows beyond the reference, less what is smooth."""
    from scipy import ndimage

    scene = single_precision(reference.mean)[0]
    count, total = np.zeros((2, *scene.shape))
    for frame, shift, estimate in zip(sample, reference.shifts, estimates, strict=True):
        expected, region = displaced(scene, (-shift).tolist())
        values = _as_reference(frame)[region] - (expected * estimate.gain + estimate.offset)
        known = np.isfinite(values)
        total[region] += np.where(known, values, 0)
        count[region] += known
    mean = np.where(count > 0, total / np.maximum(count, 1), 0)
    mean -= ndimage.gaussian_filter(mean, _PATTERN_SIGMA)
    return mean.astype(np.float32)
