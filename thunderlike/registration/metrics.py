"""Measures of the motion that is left in a movie.

Crispness and the correlation with the mean depend on the resampling as well: linear interpolation
blurs noise away, and so raises the correlation. Compare movies that were corrected with one
`order` only.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, TypeAlias

import numpy as np

from thunderlike.engines.base import Kernel
from thunderlike.errors import SpecError
from thunderlike.kernels._validation import as_array, checked_arguments
from thunderlike.progress import track
from thunderlike.registration.algorithms import Rigid
from thunderlike.registration.correlation import Correlation, binned, overlap
from thunderlike.registration.estimation import Estimator, Settings, single_precision
from thunderlike.registration.model import RegistrationModel, as_images
from thunderlike.registration.modes import SmoothField
from thunderlike.registration.plan import largest_shifts
from thunderlike.registration.reference import Reference, sample_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike

    from thunderlike._typing import Array, Shape
    from thunderlike.data.images import Images

    Crop: TypeAlias = Sequence[slice] | None

__all__ = [
    "correlation_with_mean",
    "crispness",
    "pc_motion",
    "plane_scores",
    "residual_motion",
]

_BORDER = 0.1  # of each side, which motion brings in and out
_LEAST_TAIL = 10  # frames that are averaged at least
_SPACING, _LENGTH, _HIGHPASS, _MAX_DEVIATION = 24.0, 60.0, 12.0, 5.0  # pixels: of PiecewiseRigid


@checked_arguments
def crispness(images: Images | ArrayLike, crop: Crop = None) -> float:
    """Mean size of the gradient of the mean image, relative to its standard deviation.

    Parameters
    ----------
    images : Images or array_like
        A movie, on any engine, or one image: an array of 2 axes.
    crop : sequence of slice, optional
        Pixels that count; by default all but 10 % at each side. ``model.crop()`` for those that
        all frames show.

    Returns
    -------
    float
        Per pixel; higher for a sharper mean. NaN for a constant one.

    Raises
    ------
    SpecError
        For images without values that can be compared, and a crop that leaves fewer than 2 pixels
        along an axis.

    Notes
    -----
    One pass. Noise is crisp too: compare movies of equal `order`, and of many frames.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> scene = rng.normal(size=(32, 32))
    >>> still, moving = [scene] * 9, [np.roll(scene, n) for n in range(9)]
    >>> crispness(still) > crispness(moving)
    True
    """
    image = _image_of(images)
    part = image[_box(image.shape, crop)]
    steps = np.gradient(part) if part.ndim > 1 else [np.gradient(part)]
    size = np.sqrt(sum(np.square(step) for step in steps))
    deviation = float(part.std())
    return float(size.mean()) / deviation if deviation > 0 else math.nan


@checked_arguments
def correlation_with_mean(images: Images | ArrayLike, crop: Crop = None) -> Array:
    """Correlation of each frame with the mean frame.

    Parameters
    ----------
    images : Images or array_like
        A movie, on any engine.
    crop : sequence of slice, optional
        As of :func:`crispness`.

    Returns
    -------
    ndarray of float64, shape (T,)
        Over the pixels that are finite in the frame and the mean; NaN for a constant frame.

    Raises
    ------
    SpecError
        As :func:`crispness`.

    Notes
    -----
    Two passes, without a shuffle. It rewards blur: compare movies of equal `order`.

    Examples
    --------
    >>> scene = np.random.default_rng(0).normal(size=(32, 32))
    >>> correlation_with_mean([scene, 3 * scene, scene[::-1]]).round(1)
    array([1. , 1. , 0.2])
    """
    images = as_images(images)
    box = _box(images.value_shape, crop)
    kernel = _MeanCorrelation(_image_of(images)[box], box)
    records = images._records.map(kernel, (1,), np.dtype(np.float64))
    return records.collect()[:, 0]


@checked_arguments
def residual_motion(
    images: Images | ArrayLike, reference: ArrayLike | Reference | RegistrationModel | None = None
) -> Array:
    """Shifts that are left in a corrected movie: those that :class:`Rigid` finds in it.

    Parameters
    ----------
    images : Images or array_like
        A corrected movie, on any engine.
    reference : array_like, Reference or RegistrationModel, optional
        By default built from the movie.

    Returns
    -------
    ndarray of float64, shape (T, nd)
        In pixels. Compare its rms with the `stderr` of the model that corrected the movie.

    Raises
    ------
    SpecError
        As :meth:`Rigid.fit`.

    Examples
    --------
    >>> scene = np.random.default_rng(0).normal(size=(64, 64))
    >>> bool(np.abs(residual_motion([scene] * 20)).max() < 0.001)
    True
    """
    return Rigid().fit(images, reference).shifts


@checked_arguments
def pc_motion(
    images: Images | ArrayLike,
    n: int = 30,
    nsample: int = 2000,
    tail: int = 300,
    bad: ArrayLike | None = None,
) -> Array:
    """Motion between the extremes of each principal component of a movie.

    Motion that is left makes principal components whose extremes are displaced images [1]_.

    Parameters
    ----------
    images : Images or array_like
        A corrected movie, on any engine.
    n : int
        Number of components.
    nsample : int
        Frames at even distances that are used; fewer if they would take more than 256 MiB in
        float32.
    tail : int
        Frames of each extreme, at most half of the sample.
    bad : array_like of bool, shape (T,), optional
        Frames that are left out: ``model.bad``.

    Returns
    -------
    ndarray of float64, shape (n, 4)
        Of each component, in pixels: size of the rigid shift between the means of its lowest and
        its highest frames; mean and largest size of the local displacement about it; mean size of
        the total displacement.

    Raises
    ------
    SpecError
        For fewer than 20 frames that are not bad, and for more components than frames.

    Notes
    -----
    One pass over the sample; the components are those of the frames' matrix of products, computed
    in this process. The border of 10 % is left out. As for every statistic of noise, values of
    late components are above 0 without motion.

    References
    ----------
    .. [1] C. Stringer, M. Pachitariu, "Computational processing of neural recordings from calcium
       imaging data", Current Opinion in Neurobiology 55 (2019), 22-31.

    Examples
    --------
    >>> from thunderlike.images.examples import moving_cells
    >>> movie = moving_cells((128, 128), count=40, photons=20).images
    >>> corrected = Rigid().fit_and_transform(movie)
    >>> bool(pc_motion(movie, n=1)[0, 0] > 5 * pc_motion(corrected, n=1)[0, 0])
    True
    """
    images = as_images(images)
    kept = np.arange(images.count())
    if bad is not None:
        marked = as_array(bad, "bad")
        if marked.shape != kept.shape or marked.dtype != bool:
            raise SpecError(
                f"bad has shape {marked.shape} and dtype {marked.dtype}: give a bool for each of "
                f"the {len(kept)} frames"
            )
        kept = kept[~marked]
    rows = kept[sample_rows(len(kept), nsample, math.prod(images.value_shape))]
    tail = min(tail, len(rows) // 2)
    if tail < _LEAST_TAIL or not 1 <= n <= len(rows) - 1:
        raise SpecError(
            f"{len(rows)} frames, tail={tail} and n={n}: give {2 * _LEAST_TAIL} frames or more "
            "that are not bad, a tail of 10 or more, and fewer components than frames"
        )
    box = _box(images.value_shape, None)
    sample = images._records.take(rows).collect()
    frames = np.stack([single_precision(frame)[0][box] for frame in sample])
    found = np.empty((n, 4))
    with track("comparing extremes", n, "components") as work:
        for number, scores in enumerate(_components(frames, n)):
            order = np.argsort(scores, kind="stable")
            low, high = (
                frames[np.sort(part)].mean(axis=0, dtype=np.float64)
                for part in (order[:tail], order[-tail:])
            )
            found[number] = _apart(high, low)
            work.advance()
    return found


@checked_arguments
def plane_scores(
    images: Images | ArrayLike,
    stack: ArrayLike,
    max_shift: float = 0.1,
    smooth: float = 1.15,
) -> Array:
    """Similarity of each frame with each plane of a stack, to find drift along z.

    Parameters
    ----------
    images : Images or array_like
        Frames of 2 axes, on any engine.
    stack : array_like, shape (planes, y, x)
        Mean images at known depths.
    max_shift, smooth : float
        As of :class:`Rigid`.

    Returns
    -------
    ndarray of float64, shape (T, planes)
        Correlation coefficient of the frame and the plane, at the whole-pixel shift that the
        coarse correlation finds; the plane of a frame is ``scores.argmax(axis=1)``.

    Raises
    ------
    SpecError
        For a stack of another shape.

    Notes
    -----
    One pass, with two Fourier transforms for each plane. Average the scores of dark movies over
    time. Drift along z is found, not corrected. The heights of the coarse peaks would do in frames
    of 128 pixels, but not in smaller ones, whose search window the peak fills.

    Examples
    --------
    >>> stack = np.random.default_rng(0).normal(size=(3, 32, 32))
    >>> plane_scores(stack[[2, 0, 0, 1]], stack).argmax(axis=1)
    array([2, 0, 0, 1])
    """
    images = as_images(images)
    planes = as_array(stack, "the stack")
    if planes.ndim != 3 or planes.shape[1:] != images.value_shape or not len(planes):
        raise SpecError(
            f"a stack of shape {planes.shape} does not fit frames of shape {images.value_shape}: "
            "give (planes, *frame) and frames of 2 axes"
        )
    settings = _settings(images.value_shape, max_shift, smooth)
    scenes = tuple(
        (plane, Estimator.of(plane, settings.weights, settings, coarse=True).correlation)
        for plane in (single_precision(plane)[0] for plane in planes)
    )
    kernel = _PlaneScores(scenes)
    return images._records.map(kernel, (len(planes),), np.dtype(np.float64)).collect()


def _image_of(images: Images | ArrayLike) -> Array:
    """Return the mean of a movie, or one image, in float64."""
    if np.ndim(images) == 2 and isinstance(images, np.ndarray):
        return as_array(images, "the image").astype(np.float64)
    mean: Array = np.asarray(as_images(images).mean())[0].astype(np.float64)
    return mean


def _box(shape: Shape, crop: Crop) -> tuple[slice, ...]:
    """Return the pixels that count, as slices with start and stop."""
    if crop is None:
        borders = [max(math.ceil(_BORDER * n), 1) if n > 4 else 0 for n in shape]
        return tuple(slice(b, n - b) for b, n in zip(borders, shape, strict=True))
    box = tuple(crop)
    if len(box) > len(shape):
        raise SpecError(f"crop has {len(box)} slices, frames have {len(shape)} axes")
    sizes = np.empty(shape, bool)[box].shape
    if min(sizes, default=0) < 2:
        raise SpecError(f"crop leaves {sizes} pixels of frames of shape {shape}: 2 are needed")
    return box


def _correlation(one: Array, other: Array) -> float:
    """Correlation coefficient over the pixels that are finite in both, in float64."""
    known = np.isfinite(one) & np.isfinite(other)
    x, y = one[known].astype(np.float64), other[known].astype(np.float64)
    if not x.size:
        return math.nan
    x, y = x - x.mean(), y - y.mean()
    size = math.sqrt(np.square(x).sum()) * math.sqrt(np.square(y).sum())
    return float((x * y).sum()) / size if size > 0 else math.nan


@dataclass(frozen=True, eq=False)
class _MeanCorrelation(Kernel):
    """Correlation of each frame with a mean, over some of its pixels."""

    mean: Array
    box: tuple[slice, ...]
    vectorised: ClassVar[bool] = True

    def __call__(self, start: int, block: Array) -> Array:  # noqa: ARG002
        rows = [_correlation(frame[self.box], self.mean) for frame in block]
        return np.array(rows, np.float64).reshape(-1, 1)


@dataclass(frozen=True, eq=False)
class _PlaneScores(Kernel):
    """Correlation of each frame with several planes, each at its best shift."""

    scenes: tuple[tuple[Array, Correlation], ...]
    vectorised: ClassVar[bool] = True

    def __call__(self, start: int, block: Array) -> Array:  # noqa: ARG002
        out = np.empty((len(block), len(self.scenes)))
        for row, frame in zip(out, block, strict=True):
            image = single_precision(frame)[0]
            for number, (plane, correlation) in enumerate(self.scenes):
                peak = correlation.peak(binned(image, correlation.bins).copy())
                here, there = overlap(np.rint(peak.shift).astype(int).tolist(), image.shape)
                row[number] = _correlation(image[there], plane[here])
        return out


def _components(frames: Array, n: int) -> Array:
    """Weights of the frames in the first principal components, shape (n, T)."""
    flat = frames.reshape(len(frames), -1) - frames.reshape(len(frames), -1).mean(axis=0)
    products = flat @ flat.T
    _, vectors = np.linalg.eigh(products.astype(np.float64))
    found = vectors[:, ::-1][:, :n].T
    # An eigenvector has no sign: make its largest weight positive.
    largest = np.take_along_axis(found, np.abs(found).argmax(axis=1)[:, np.newaxis], axis=1)
    oriented: Array = found * np.sign(largest)
    return oriented


def _apart(image: Array, reference: Array) -> tuple[float, float, float, float]:
    """Sizes of the displacement between two images: rigid, local mean and largest, total."""
    shape, planes = image.shape, image.ndim - 2
    high, low = image.astype(np.float32), reference.astype(np.float32)
    noise = np.full(shape, max(np.square(high - low).mean(), 1e-12), np.float32)
    settings = _settings(shape, max_shift=0.1, smooth=1.15)
    rigid = Estimator.of(low, noise, settings)(high).shift
    spacing = max(8.0, min(_SPACING, min(shape[planes:]) / 2))
    grid = SmoothField.of(shape, [spacing, spacing], _LENGTH)
    found = Estimator.of(low, noise, settings, grid)(high)
    field = grid.fields(found.coefficients).reshape(image.ndim, -1).astype(np.float64)
    total = np.sqrt(np.square(field).sum(axis=0))
    local = np.sqrt(np.square(field - found.shift[:, np.newaxis]).sum(axis=0))
    size = math.sqrt(np.square(rigid).sum())
    return size, float(local.mean()), float(local.max()), float(total.mean())


def _settings(shape: Shape, max_shift: float, smooth: float) -> Settings:
    """Options of :class:`Rigid` and :class:`PiecewiseRigid` for images of this shape."""
    weights = np.ones(shape, np.float32)
    limits = largest_shifts(max_shift, shape)
    return Settings(limits, smooth, _HIGHPASS, weights, _MAX_DEVIATION, compiled=False)
