"""Algorithms that fit the motion of a movie: translations, and smooth fields."""

from __future__ import annotations

import inspect
import math
import warnings
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, Self, TypeAlias

import numpy as np

from thunderlike._arguments import caller_level
from thunderlike._lazy import resolve
from thunderlike.errors import SpecError
from thunderlike.kernels._validation import as_array, checked_arguments, checked_methods
from thunderlike.kernels.resampling import deinterlace
from thunderlike.progress import track
from thunderlike.registration.estimation import Estimator, FrameEstimation, Settings
from thunderlike.registration.frames import interpolated, outliers
from thunderlike.registration.gauss_newton import LEAST_GAIN
from thunderlike.registration.model import RegistrationModel, as_images
from thunderlike.registration.modes import SmoothField
from thunderlike.registration.plan import (
    check_lengths,
    check_number,
    check_whole,
    largest_shifts,
    mask_of,
    normal_axis,
)
from thunderlike.registration.prior import TYPICAL_LENGTH, smooth_fields
from thunderlike.registration.reference import Builder, Reference, sample_rows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike

    from thunderlike._typing import Array, Shape
    from thunderlike.data.images import Images

    Given: TypeAlias = ArrayLike | Reference | RegistrationModel | None

__all__ = ["Algorithm", "PiecewiseRigid", "Rigid", "algorithm_of", "align"]

_LEAST_SPACING = 8  # px
_FEW_FRAMES = 20
_SCALES = 1e-12, 1e16  # of values
_GAINS = 0.2, 5.0  # beyond, the estimation clips the brightness of frames relative to a reference


@checked_methods
class Algorithm:
    """Base class: parameters as attributes, and the steps of a fit.

    Subclasses list their parameters in ``__init__``, which stores them and computes nothing. An
    object is never changed by `fit`: it may fit several movies, also in threads.
    """

    max_shift: float | Sequence[float]
    axis: int | None
    smooth: float
    highpass: float
    inside: Any
    nsample: int
    rounds: int
    fixed_pattern: int
    bidirectional: float | str | None

    def get_params(self) -> dict[str, Any]:
        """Return the parameters by name.

        Examples
        --------
        >>> Rigid(max_shift=20).get_params()["max_shift"]
        20
        """
        return {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}

    def set_params(self, **params: Any) -> Self:
        """Change parameters, and return the algorithm.

        Raises
        ------
        SpecError
            For a name that is not a parameter, and for an invalid value.

        Examples
        --------
        >>> Rigid().set_params(rounds=2)
        Rigid(rounds=2)
        """
        _check_names(type(self), params)
        self.__init__(**(self.get_params() | params))  # type: ignore[misc]  # it stores and checks
        return self

    def __repr__(self) -> str:
        defaults = inspect.signature(type(self)).parameters
        changed = [
            f"{name}={value!r}"
            for name, value in self.get_params().items()
            if value is not defaults[name].default and not _equal(value, defaults[name].default)
        ]
        return f"{type(self).__name__}({', '.join(changed)})"

    def fit(self, images: Images | ArrayLike, reference: Given = None) -> RegistrationModel:
        """Estimate the motion of every frame relative to a reference.

        Parameters
        ----------
        images : Images or array_like
            Frames of 2 or 3 axes, on any engine, of integers or floating-point numbers. NaN and
            inf are left out.
        reference : ndarray, Reference or RegistrationModel, optional
            Of the shape of a frame. By default a reference is built from a sample of the frames,
            and placed so that the median shift of the sample is 0 along each axis.

        Returns
        -------
        RegistrationModel
            Its shifts are displacements of the content, in pixels along numpy's axes:
            ``frame(r + u(r)) = reference(r)``.

        Raises
        ------
        SpecError
            For frames or parameters that do not fit one another, and for values below 1e-12 or
            above 1e16, which leave single precision.

        Warns
        -----
        UserWarning
            For a reference of fewer than 20 frames or of another brightness, and if no motion is
            found in any frame.

        Notes
        -----
        Two passes and no shuffle: one over the sample, to build the reference in this process; one
        over all frames. A :class:`Reference` saves the first. Each frame is estimated alone, so
        that all engines, chunk sizes and numbers of workers give the same bits.

        Examples
        --------
        >>> import thunderlike as tl
        >>> movie = tl.images.fromexample("calcium")[:60]
        >>> model = Rigid(max_shift=6).fit(movie)
        >>> model.shifts.shape, bool(model.bad.any())
        ((60, 2), False)
        """
        images = as_images(images)
        plan = _Plan.of(self, images)
        found = self._reference(images, plan, reference)
        estimators = plan.estimators(found)
        kernel = FrameEstimation(estimators, plan.axis, found.offset)
        records = images._records.map(kernel, kernel.shape, np.dtype(np.float32))
        with track("registering", images.count(), "frames") as work:
            rows = records.collect()
            work.complete()
        model = plan.model(self, found, estimators, rows)
        few = reference is None and found.count < _FEW_FRAMES
        gains = model.gain[~model.bad]
        if gains.size and not _GAINS[0] <= np.median(gains) <= _GAINS[1]:
            _warn(
                f"frames are {np.median(gains):.3g} times as bright as the reference, and shifts "
                "are imprecise: scale the reference to their brightness"
            )
        if len(model) and model.bad.all():
            _warn("no motion was found in any frame: all shifts are 0 and all frames are bad")
        elif few:
            _warn(
                f"the reference is the mean of {found.count} frames, and noisy: fit more frames, "
                "or give a reference"
            )
        return model

    def fit_and_transform(self, images: Images | ArrayLike, reference: Given = None) -> Images:
        """Fit, and correct the same images; see `fit` and :meth:`RegistrationModel.transform`.

        Examples
        --------
        >>> import thunderlike as tl
        >>> movie = tl.images.fromexample("calcium")[:60]
        >>> Rigid(max_shift=6).fit_and_transform(movie).shape
        (60, 128, 128)
        """
        images = as_images(images)
        return self.fit(images, reference).transform(images)

    def reference(self, images: Images | ArrayLike) -> Reference:
        """Build the reference of a movie, as `fit` does: one pass over a sample of its frames.

        Raises
        ------
        SpecError
            For a movie without frames.

        Examples
        --------
        >>> import thunderlike as tl
        >>> found = Rigid(nsample=50).reference(tl.images.fromexample("calcium"))
        >>> found.mean.shape, found.count, found.frames[:3]
        ((128, 128), 50, array([ 0, 12, 24]))
        """
        images = as_images(images)
        return self._reference(images, _Plan.of(self, images), None)

    def _reference(self, images: Images, plan: _Plan, given: Given) -> Reference:
        """Return the reference of a fit."""
        if isinstance(given, RegistrationModel):
            given = _reference_of(given)
        if isinstance(given, Reference):
            _check_reference(given.mean, images)
            return given
        mean = None if given is None else as_array(given, "the reference")
        if mean is not None:
            _check_reference(mean, images)
        rows = sample_rows(images.count(), self.nsample, math.prod(images.value_shape))
        if mean is None and not len(rows):
            raise SpecError(
                f"there are no frames to build a reference of: shape {images.shape}; give one"
            )
        sample = images._records.take(rows).collect()
        _check_scale(sample)
        offset = self._offset(sample)
        if offset:
            sample = deinterlace(sample, offset, compiled=images._compiled)
        return plan.reference(sample, rows, mean, offset)

    def _offset(self, sample: Array) -> float:
        """Return the displacement of odd rows in pixels."""
        if self.bidirectional is None:
            return 0.0
        if self.bidirectional == "auto":
            find = resolve("thunderlike.registration.bidirectional:bidirectional_offset")
            return float(find(sample)) if len(sample) else 0.0
        return float(self.bidirectional)

    def _check(self) -> None:
        """Check the parameters that need no frames."""
        each = self.max_shift
        for value in each if isinstance(each, tuple | list | np.ndarray) else [each]:
            check_number("max_shift", value, least=0, exclusive=True)
        if self.axis is not None:
            check_whole("axis", self.axis, least=-3)
        for name in ("smooth", "highpass"):
            check_number(name, getattr(self, name), least=0, exclusive=True)
        for name, least in (("nsample", 1), ("rounds", 1), ("fixed_pattern", 0)):
            check_whole(name, getattr(self, name), least=least)
        if self.bidirectional not in (None, "auto"):
            check_number("bidirectional", self.bidirectional, least=-math.inf)

    def _fields(self, shape: Shape) -> tuple[SmoothField, ...]:  # noqa: ARG002
        """Return the fields that a prior is chosen of, for frames, or planes, of this shape."""
        return ()

    def _deviations(self) -> tuple[float | None, float]:
        """Return prior and largest deviation of fields; the first is None to estimate it."""
        return 1.0, math.inf


class Rigid(Algorithm):
    """Motion of whole frames, by sub-pixel translations.

    Parameters
    ----------
    max_shift : float or sequence of float
        Largest shift: less than 1, a share of the length of each axis (of axes shorter than 32
        pixels, such as z, a quarter); else pixels; a sequence has one value an axis.
    axis : int, optional
        Register each plane along this axis of volumes alone, with shifts along the other axes; of
        images, each line.
    smooth : float
        Standard deviation of the low-pass of the coarse correlation in pixels; 3 to 5 for
        one-photon movies.
    highpass : float
        Standard deviation of the blur that is subtracted from steering images, in pixels: about
        two radii of a cell.
    inside : slices or ndarray of bool, optional
        Pixels that steer, as a mask of the shape of a frame or slices; all pixels are corrected.
    nsample : int
        Frames of the sample for the reference, at even distances; fewer if they would take more
        than 256 MiB in float32.
    rounds : int
        Rounds of alignment and averaging of the reference.
    fixed_pattern : int
        Rounds of estimation of what stands still on the sensor, such as a gain pattern; it is
        subtracted before the motion is estimated. It harms where there is none, so 0 by default.
    bidirectional : float or 'auto', optional
        Displacement of odd rows along x in pixels, corrected first; 'auto' estimates it on the
        sample.

    Notes
    -----
    A coarse shift by the peak of a filtered correlation, then Gauss-Newton steps that weight each
    pixel by the inverse of its variance over time. Axes are numpy's, ``(y, x)`` or ``(z, y, x)``;
    shifts are displacements of the content in pixels: ``frame(r + u) = reference(r)``.

    Raises
    ------
    SpecError
        For an invalid parameter.

    Examples
    --------
    >>> import thunderlike as tl
    >>> movie = tl.images.fromexample("calcium")[:60]
    >>> corrected = Rigid(max_shift=6).fit(movie).transform(movie)
    >>> corrected.shape, corrected.dtype
    ((60, 128, 128), dtype('uint16'))
    """

    def __init__(
        self,
        max_shift: float | Sequence[float] = 0.1,
        axis: int | None = None,
        smooth: float = 1.15,
        highpass: float = 12.0,
        inside: Any = None,
        nsample: int = 300,
        rounds: int = 4,
        fixed_pattern: int = 0,
        bidirectional: float | Literal["auto"] | None = None,
    ) -> None:
        self.max_shift, self.axis = max_shift, axis
        self.smooth, self.highpass, self.inside = smooth, highpass, inside
        self.nsample, self.rounds = nsample, rounds
        self.fixed_pattern, self.bidirectional = fixed_pattern, bidirectional
        self._check()


class PiecewiseRigid(Algorithm):
    """Motion within frames, by smooth fields of displacements.

    Parameters
    ----------
    max_shift, axis, smooth, highpass, inside, nsample, rounds, fixed_pattern, bidirectional
        As of :class:`Rigid`. The reference takes two rounds more.
    spacing : float or sequence of float
        Pixels between the nodes of a field, along y and x; 8 or more. The first and last pixel of
        a frame are nodes. Fields of volumes are the same in all planes.
    length : float or 'auto'
        Correlation length of the prior of fields in pixels: larger for smoother fields. 'auto'
        chooses the one under which the sample is likeliest, from 4/3 of `spacing` on.
    deviation : float or 'auto'
        Prior standard deviation of a field about its mean in pixels; 'auto' chooses it likewise.
    max_deviation : float
        Largest displacement about the mean in pixels; larger fields are scaled down to it.

    Notes
    -----
    Gauss-Newton steps for the coefficients of the leading modes of a Gaussian prior. Conventions
    are those of :class:`Rigid`; a field is a function of positions in the reference.

    Raises
    ------
    SpecError
        For an invalid parameter.

    Examples
    --------
    >>> import thunderlike as tl
    >>> movie = tl.images.fromexample("calcium")[:60]
    >>> model = PiecewiseRigid(max_shift=6).fit(movie)
    >>> model.fields.shape, [len(nodes) for nodes in model.nodes]
    ((60, 2, 6, 6), [6, 6])
    """

    def __init__(
        self,
        max_shift: float | Sequence[float] = 0.1,
        axis: int | None = None,
        smooth: float = 1.15,
        highpass: float = 12.0,
        inside: Any = None,
        nsample: int = 300,
        rounds: int = 4,
        fixed_pattern: int = 0,
        bidirectional: float | Literal["auto"] | None = None,
        spacing: float | Sequence[float] = 24,
        length: float | Literal["auto"] = "auto",
        deviation: float | Literal["auto"] = "auto",
        max_deviation: float = 5.0,
    ) -> None:
        self.max_shift, self.axis = max_shift, axis
        self.smooth, self.highpass, self.inside = smooth, highpass, inside
        self.nsample, self.rounds = nsample, rounds
        self.fixed_pattern, self.bidirectional = fixed_pattern, bidirectional
        self.spacing, self.length = spacing, length
        self.deviation, self.max_deviation = deviation, max_deviation
        self._check()

    def _check(self) -> None:
        super()._check()
        each = self.spacing
        for value in each if isinstance(each, tuple | list | np.ndarray) else [each]:
            check_number("spacing", value, least=_LEAST_SPACING)
        if self.length != "auto":
            check_number("length", self.length, least=0, exclusive=True)
        if self.deviation != "auto":
            check_number("deviation", self.deviation, least=0, exclusive=True)
        check_number("max_deviation", self.max_deviation, least=0, exclusive=True)
        if self.length != "auto" and self.length < np.min(self.spacing) / 2:
            _warn(
                f"length={self.length} is less than half of spacing={self.spacing}: fields are "
                "noise between the nodes; give a larger length"
            )

    def _fields(self, shape: Shape) -> tuple[SmoothField, ...]:
        if len(shape) < 2:
            raise SpecError("lines have no fields of two axes: use Rigid, or another axis")
        each = np.asarray(self.spacing, np.float64)
        if each.shape not in ((), (2,)):
            raise SpecError(f"spacing has {each.size} values: give one number, or y and x")
        if not each.shape and min(shape[-2:]) < 2 * each:
            raise SpecError(
                f"frames of shape {shape} are too small for fields with spacing={each:g}: use "
                "Rigid, or a spacing of at most half of the shorter side"
            )
        length = None if self.length == "auto" else self.length
        return smooth_fields(shape, np.broadcast_to(each, 2).tolist(), length)

    def _deviations(self) -> tuple[float | None, float]:
        return (None if self.deviation == "auto" else self.deviation), self.max_deviation


@dataclass(frozen=True, eq=False)
class _Plan:
    """Algorithm made concrete for frames of one shape.

    Parameters
    ----------
    shape : tuple of int
        Of a frame.
    axis : int, optional
        Axis of the planes, from 0.
    builders : tuple of Builder
        One for each plane, or one for the frame.
    mask : ndarray of bool, optional
        Pixels that steer.
    """

    shape: Shape
    axis: int | None
    builders: tuple[Builder, ...]
    mask: Array | None

    @classmethod
    def of(cls, algorithm: Algorithm, images: Images) -> _Plan:
        """Check an algorithm against images."""
        shape = images.value_shape
        axis = normal_axis(algorithm.axis, shape)
        mask = mask_of(algorithm.inside, shape)
        plane = tuple(n for number, n in enumerate(shape) if number != axis)
        check_lengths(plane)
        deviation, max_deviation = algorithm._deviations()
        fields = algorithm._fields(plane)
        max_shift = largest_shifts(algorithm.max_shift, plane)
        weights = np.ones(shape, np.float32) if mask is None else mask.astype(np.float32)
        builders = [
            Builder(
                Settings(
                    max_shift=max_shift,
                    smooth=algorithm.smooth,
                    highpass=algorithm.highpass,
                    weights=part,
                    max_deviation=max_deviation,
                    compiled=images._compiled,
                ),
                fields,
                algorithm.rounds,
                deviation,
                algorithm.fixed_pattern,
            )
            for part in _planes(weights, axis)
        ]
        return cls(shape, axis, tuple(builders), mask)

    def reference(
        self, sample: Array, rows: Array, given: Array | None, offset: float
    ) -> Reference:
        """Build the reference of each plane from a sample, and join them."""
        axis = None if self.axis is None else self.axis + 1
        samples = _planes(sample, axis)
        means = [None] * len(samples) if given is None else _planes(given, self.axis)
        total = sum(builder.steps(len(sample)) for builder in self.builders)
        with track("reference", total, "frames") as work:
            found = [
                builder.build(part, rows, work, mean)
                for builder, part, mean in zip(self.builders, samples, means, strict=True)
            ]
            work.complete()
        joined = _joined(found, self.axis)
        return replace(joined, offset=offset)

    def estimators(self, reference: Reference) -> tuple[Estimator, ...]:
        """Set up the estimation against a reference."""
        means, variances = (
            _planes(values, self.axis) for values in (reference.mean, reference.variance)
        )
        nothing = [None] * len(means)
        patterns = nothing if reference.pattern is None else _planes(reference.pattern, self.axis)
        deviations = np.broadcast_to(reference.deviation, len(means)).tolist()
        length = float(np.median(reference.length))  # fields of all planes have the same modes
        return tuple(
            Estimator.of(
                mean,
                variance,
                builder.settings,
                builder.deformation(length),
                deviation=deviation,
                noise=replace(reference, variance=variance).noise,
                pattern=pattern,
            )
            for builder, mean, variance, pattern, deviation in zip(
                self.builders, means, variances, patterns, deviations, strict=True
            )
        )

    def model(
        self,
        algorithm: Algorithm,
        reference: Reference,
        estimators: Sequence[Estimator],
        rows: Array,
    ) -> RegistrationModel:
        """Make the model of estimated frames, of shape ``(T, planes, nd + 3 + nd * m)``."""
        nd = len(self.shape) - (self.axis is not None)
        shifts = rows[..., :nd].astype(np.float64)
        peak, gain, at_edge = np.moveaxis(rows[..., nd : nd + 3].astype(np.float64), -1, 0)
        deformation = estimators[0].refinement.deformation
        grid = deformation if isinstance(deformation, SmoothField) else None
        modes = rows[..., nd + 3 :].reshape(*shifts.shape, grid.size) if grid else None
        least = np.array([one.correlation.least_peak for one in estimators])
        bad = (at_edge > 0) | ~(gain >= LEAST_GAIN) | ~(peak >= least)
        for plane in range(bad.shape[1]):
            bad[:, plane] |= outliers(shifts[:, plane], peak[:, plane])
            shifts[:, plane] = interpolated(shifts[:, plane], bad[:, plane])
            if modes is not None:
                modes[:, plane] = interpolated(modes[:, plane], bad[:, plane])
        bright = np.clip(np.nan_to_num(gain, nan=1), 0.2, 5)[..., np.newaxis]
        stderr = np.stack([one.stderr() for one in estimators]) / np.sqrt(bright)
        if self.axis is None:
            shifts, stderr, peak, gain, bad = (a[:, 0] for a in (shifts, stderr, peak, gain, bad))
            modes = None if modes is None else modes[:, 0]
        return RegistrationModel(
            shifts=shifts,
            stderr=stderr,
            peak=peak,
            gain=gain,
            bad=bad,
            reference=reference.mean,
            variance=reference.variance,
            count=reference.count,
            offset=reference.offset,
            params=algorithm.get_params() | {"inside": self.mask},
            algorithm=type(algorithm).__name__,
            axis=self.axis,
            coefficients=modes,
            grid=grid,
            deviation=reference.deviation,
            pattern=reference.pattern,
        )


def _planes(values: Array, axis: int | None) -> list[Array]:
    """Split an array along an axis, or return it alone."""
    return [values] if axis is None else list(np.moveaxis(values, axis, 0))


def _joined(references: Sequence[Reference], axis: int | None) -> Reference:
    """Join the references of planes."""
    if axis is None:
        return references[0]
    patterns = [one.pattern for one in references if one.pattern is not None]
    return Reference(
        np.stack([one.mean for one in references], axis=axis),
        np.stack([one.variance for one in references], axis=axis),
        min(one.count for one in references),
        references[0].frames,
        np.stack([one.shifts for one in references], axis=1),
        np.concatenate([one.deviation for one in references]),
        np.stack(patterns, axis=axis) if patterns else None,
        length=np.concatenate([one.length for one in references]),
    )


def _reference_of(model: RegistrationModel) -> Reference:
    """Return the reference of a model."""
    nothing = np.zeros((0, *model.shifts.shape[1:]))
    return Reference(
        model.reference,
        model.variance,
        model.count,
        np.zeros(0, np.int64),
        nothing,
        model.deviation,
        model.pattern,
        model.offset,
        np.full(1, model.grid.length if model.grid else TYPICAL_LENGTH),
    )


def _check_reference(mean: Array, images: Images) -> None:
    """Raise SpecError for a reference that does not fit the frames."""
    if mean.shape != images.value_shape:
        raise SpecError(
            f"the reference has shape {mean.shape}, frames have shape {images.value_shape}: they "
            "must be equal"
        )
    if mean.dtype.kind not in "iuf":
        raise SpecError(f"the reference has dtype {mean.dtype}: give integers or floats")
    if not np.isfinite(mean).any():
        raise SpecError("the reference has no finite pixel: give one of frames with data")


def _check_scale(sample: Array) -> None:
    """Raise SpecError for values whose squares and inverses leave single precision."""
    if sample.dtype.kind != "f":
        return
    largest = max(
        (float(np.abs(frame[np.isfinite(frame)]).max(initial=0)) for frame in sample), default=0.0
    )
    if largest and not _SCALES[0] <= largest <= _SCALES[1]:
        raise SpecError(
            f"values of frames are up to {largest:.1g}, and motion is estimated in single "
            f"precision: multiply the movie by about {1000 / largest:.0e}"
        )


def _check_names(kind: type[Algorithm], params: Mapping[str, Any]) -> None:
    """Raise SpecError for a name that is not a parameter."""
    known = inspect.signature(kind).parameters
    if unknown := sorted(params.keys() - known.keys()):
        raise SpecError(
            f"{kind.__name__} has no parameter {unknown[0]!r}: it has {', '.join(known)}"
        )


def _equal(one: Any, other: Any) -> bool:
    return bool(np.array_equal(np.asarray(one, object), np.asarray(other, object)))


def _warn(text: str) -> None:
    warnings.warn(text, UserWarning, stacklevel=caller_level())


def algorithm_of(kind: str, options: Mapping[str, Any]) -> Algorithm:
    """Return the algorithm of a kind, with these parameters.

    Examples
    --------
    >>> algorithm_of("rigid", {"rounds": 2})
    Rigid(rounds=2)
    """
    kinds: dict[str, type[Algorithm]] = {"rigid": Rigid, "piecewise": PiecewiseRigid}
    if kind not in kinds:
        raise SpecError(f"kind={kind!r} must be 'rigid' or 'piecewise'")
    _check_names(kinds[kind], options)
    return kinds[kind](**options)


@checked_arguments
def align(
    image: ArrayLike,
    reference: Given,
    kind: Literal["rigid", "piecewise"] = "rigid",
    **options: Any,
) -> RegistrationModel:
    """Estimate the motion of one image relative to a reference: sessions, channels, planes.

    Parameters
    ----------
    image : array_like
        Of 2 or 3 axes.
    reference : ndarray, Reference or RegistrationModel
        Of the shape of the image.
    kind : {'rigid', 'piecewise'}
    **options
        Of :class:`Rigid` or :class:`PiecewiseRigid`.

    Returns
    -------
    RegistrationModel
        Of one frame. Its shift is the displacement of the content of `image` in pixels, along
        numpy's axes: ``image(r + u(r)) = reference(r)``. A `peak` below 5 says that the two do not
        match.

    Raises
    ------
    SpecError
        For another kind, and as :meth:`Rigid.fit`.

    Examples
    --------
    >>> scene = np.random.default_rng(0).normal(size=(72, 72))
    >>> align(scene[2:66, 7:71], scene[4:68, 4:68]).shifts.round(1)
    array([[ 2., -3.]])
    """
    if reference is None:
        raise SpecError("align needs a reference: give an image, a Reference or a model")
    frame = as_array(image, "the image")
    return algorithm_of(kind, options).fit(frame[np.newaxis], reference)
