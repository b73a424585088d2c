"""Whole-pixel shifts by plain cross-correlation, as thunder-registration computes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np
from scipy import fft

from thunderlike.engines.base import Kernel
from thunderlike.errors import SpecError
from thunderlike.kernels._validation import as_array
from thunderlike.progress import track
from thunderlike.registration.algorithms import Rigid
from thunderlike.registration.model import RegistrationModel, as_images
from thunderlike.registration.plan import normal_axis
from thunderlike.registration.reference import Reference

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike

    from thunderlike._typing import Array, Shape
    from thunderlike.data.images import Images

__all__ = ["CrossCorr", "CrossCorrelation"]

_TIE = 1e-10  # relative difference of correlations that rounding of the transforms may make
_ROUNDING = 12**-0.5  # standard deviation of rounding to whole pixels


class CrossCorr:
    """Whole-pixel shifts by the maximum of the periodic cross-correlation.

    The algorithm of thunder-registration, with its results. It neither filters nor tapers frames,
    and searches all shifts: zeros that a shift brought in at an edge attract the maximum, and dark
    frames give wrong shifts. :class:`Rigid` is 2 to 10 times as precise, for no more time.

    Parameters
    ----------
    axis : int, optional
        Register each plane along this axis of volumes alone, with shifts along the other axes.

    Examples
    --------
    >>> reference = np.arange(9).reshape(3, 3)
    >>> shifted = [np.roll(reference, 1, axis=0), np.roll(reference, 1, axis=1)]
    >>> model = CrossCorr().fit(shifted, reference=reference)
    >>> model.transformations
    {(0,): Displacement(delta=[1, 0]), (1,): Displacement(delta=[0, 1])}
    >>> model
    RegistrationModel
    length: 2
    algorithm: CrossCorr
    """

    def __init__(self, axis: int | None = None) -> None:
        self.axis = axis

    def __repr__(self) -> str:
        return f"CrossCorr({'' if self.axis is None else f'axis={self.axis}'})"

    def get_params(self) -> dict[str, int | None]:
        """Return the parameters by name.

        Examples
        --------
        >>> CrossCorr(axis=0).get_params()
        {'axis': 0}
        """
        return {"axis": self.axis}

    def set_params(self, **params: int | None) -> Self:
        """Change the parameter `axis`, and return the algorithm.

        Raises
        ------
        SpecError
            For a parameter that it does not have.

        Examples
        --------
        >>> CrossCorr().set_params(axis=-1)
        CrossCorr(axis=-1)
        """
        if unknown := sorted(params.keys() - {"axis"}):
            raise SpecError(f"CrossCorr has no parameter {unknown[0]!r}: it has axis")
        self.axis = params.get("axis", self.axis)
        return self

    def fit(
        self,
        images: Images | ArrayLike,
        reference: ArrayLike | Reference | RegistrationModel | None = None,
    ) -> RegistrationModel:
        """Estimate the shift of every frame relative to a reference.

        Parameters
        ----------
        images : Images or array_like
            Frames of 2 or 3 axes, on any engine.
        reference : array_like, Reference or RegistrationModel, optional
            Of the shape of a frame; by default that of :class:`Rigid`.

        Returns
        -------
        RegistrationModel
            With whole numbers as shifts, int64 of shape ``(T, nd)`` or, with `axis`,
            ``(T, planes, nd - 1)``: displacements of the content in pixels, up to half of the
            length of an axis. Constant frames, and those without a finite pixel, have shift 0
            and are bad. Its `stderr` is that of rounding.

        Raises
        ------
        SpecError
            For frames and references that do not fit one another, and an axis out of range.

        Notes
        -----
        One pass, and one over a sample if no reference is given. The first maximum in C order
        counts, and half of an even length is positive. NaN and inf are replaced, by the mean of the
        frame and then by the displaced reference.

        Examples
        --------
        >>> scene = np.random.default_rng(0).normal(size=(16, 16))
        >>> CrossCorr().fit(np.roll(scene, (3, -2), (0, 1))[np.newaxis], scene).toarray()
        array([[ 3, -2]])
        """
        images = as_images(images)
        axis = normal_axis(self.axis, images.value_shape)
        mean, variance = self._reference(images, reference)
        means = (mean,) if axis is None else tuple(np.moveaxis(mean, axis, 0))
        kernel = CrossCorrelation(tuple(_Scene.of(one) for one in means), axis)
        records = images._records.map(kernel, kernel.shape, np.dtype(np.float64))
        with track("registering", images.count(), "frames") as work:
            rows = records.collect()
            work.complete()
        if axis is None:
            rows = rows[:, 0]
        peak, gain, shifts = rows[..., 0], rows[..., 1], rows[..., 2:].astype(np.int64)
        return RegistrationModel(
            shifts=shifts,
            stderr=np.full(shifts.shape, _ROUNDING),
            peak=peak,
            gain=gain,
            bad=~(peak > 0),
            reference=mean.astype(np.float32),
            variance=variance,
            params=self.get_params(),
            algorithm="CrossCorr",
            axis=axis,
        )

    def fit_and_transform(
        self,
        images: Images | ArrayLike,
        reference: ArrayLike | Reference | RegistrationModel | None = None,
    ) -> Images:
        """Fit, and correct the same images, with edges repeated.

        Examples
        --------
        >>> scene = np.arange(16).reshape(4, 4) % 7
        >>> moved = np.roll(scene, 1, axis=0)[np.newaxis]
        >>> bool((CrossCorr().fit_and_transform(moved, scene).toarray()[:3] == scene[:3]).all())
        True
        """
        images = as_images(images)
        return self.fit(images, reference).transform(images)

    def _reference(
        self, images: Images, given: ArrayLike | Reference | RegistrationModel | None
    ) -> tuple[Array, Array]:
        """Return mean and variance of the reference."""
        if given is None:
            given = Rigid(axis=self.axis).reference(images)
        if isinstance(given, Reference | RegistrationModel):
            mean = given.mean if isinstance(given, Reference) else given.reference
            variance = given.variance
        else:
            mean = as_array(given, "the reference")
            variance = np.ones(mean.shape, np.float32)
        if mean.shape != images.value_shape:
            raise SpecError(
                f"the reference has shape {mean.shape}, frames have shape {images.value_shape}: "
                "they must be equal"
            )
        if mean.dtype.kind not in "biuf" or not np.isfinite(mean).any():
            raise SpecError(
                f"the reference of dtype {mean.dtype} has no finite pixel: give one of frames"
            )
        return mean, variance


@dataclass(frozen=True, eq=False)
class _Scene:
    """A reference without its mean, and its conjugate spectrum."""

    image: Array
    spectrum: Array
    power: float

    @classmethod
    def of(cls, reference: Array) -> Self:
        image = _centered(reference)
        spectrum = np.conj(fft.rfftn(image, workers=1))
        return cls(image, spectrum, float(np.square(image).sum()))

    def shift(self, image: Array) -> tuple[float, float, list[int]]:
        """Height of the maximum in standard deviations, gain, and shift of a centered frame."""
        spectrum = fft.rfftn(image, workers=1)
        correlation = fft.irfftn(spectrum * self.spectrum, image.shape, workers=1)
        largest, deviation = float(correlation.max()), float(correlation.std())
        size = np.sqrt(self.power * np.square(image).sum())
        if not largest > _TIE * size:  # a constant frame or reference
            return 0.0, 0.0, [0] * image.ndim
        # Equal correlations of periodic scenes differ by rounding: take the first of them.
        first = int((correlation >= largest - _TIE * size).argmax())
        position = np.unravel_index(first, image.shape)
        shift = [
            int(d - n if d > n // 2 else d) for d, n in zip(position, image.shape, strict=True)
        ]
        return largest / deviation, largest / self.power, shift


def _centered(frame: Array) -> Array:
    """Return a frame in float64 less its mean, which NaN and inf are replaced by."""
    image = frame.astype(np.float64)
    finite = np.isfinite(image)
    if not finite.all():
        image[~finite] = image[finite].mean() if finite.any() else 0
    centered: Array = image - image.mean()
    return centered


@dataclass(frozen=True, eq=False)
class CrossCorrelation(Kernel):
    """Kernel that finds the shift of each frame of a block, alone.

    Parameters
    ----------
    scenes : tuple
        Of the reference, or of its planes along `axis`.
    axis : int, optional
        Axis of the planes.

    Notes
    -----
    A record of the result is float64, of shape ``(planes, 2 + nd)``: the height of the maximum in
    standard deviations, the gain, the shift.
    """

    scenes: Sequence[_Scene]
    axis: int | None = None
    vectorised: ClassVar[bool] = True

    @property
    def shape(self) -> Shape:
        """Shape of a record of the result."""
        return len(self.scenes), 2 + self.scenes[0].image.ndim

    def __call__(self, start: int, block: Array) -> Array:  # noqa: ARG002
        """Estimate the shift of each frame."""
        out = np.empty((len(block), *self.shape))
        for row, frame in zip(out, block, strict=True):
            planes = (frame,) if self.axis is None else np.moveaxis(frame, self.axis, 0)
            for record, plane, scene in zip(row, planes, self.scenes, strict=True):
                peak, gain, shift = scene.shift(_centered(plane))
                finite = np.isfinite(plane)
                if peak and not finite.all():  # again, with the scene in place of what is missing
                    known = plane[finite].mean() + gain * np.roll(
                        scene.image, shift, tuple(range(plane.ndim))
                    )
                    filled = np.where(finite, plane, known)
                    peak, gain, shift = scene.shift(_centered(filled))
                record[:2], record[2:] = (peak, gain), shift
        return out
