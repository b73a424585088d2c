"""Models of motion: the displacement of each frame, and the correction by it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from thunderlike.data.collection import Collection
from thunderlike.data.images import Images
from thunderlike.data.indexing import positions, selectors
from thunderlike.engines.base import Kernel
from thunderlike.errors import SpecError
from thunderlike.hdf5.models import Model
from thunderlike.kernels._validation import checked_methods
from thunderlike.kernels.resampling import (
    deinterlace,
    resampled_dtype,
    shift_images,
    warp_images,
)
from thunderlike.registration.modes import SmoothField  # noqa: TC001  # files name this class
from thunderlike.registration.transformation import Displacement, LocalDisplacement

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike, DTypeLike

    from thunderlike._typing import Array
    from thunderlike.storage import AnyPath

__all__ = ["Correction", "RegistrationModel", "as_images", "load"]


def as_images(images: Images | ArrayLike) -> Images:
    """Return images as they are, and an array or a list of arrays as local images.

    Raises
    ------
    SpecError
        For series and blocks, for frames that have not 2 or 3 axes, and for values that are not
        real numbers.

    Examples
    --------
    >>> as_images(np.zeros((5, 8, 8))).shape
    (5, 8, 8)
    """
    from thunderlike.images import fromarray

    if not isinstance(images, Images):
        if isinstance(images, Collection):
            name = type(images).__name__.lower()
            raise SpecError(f"{name} were given, not images: give {name}.toimages()")
        images = fromarray(images)
    shape, kind = images.value_shape, images.dtype.kind
    if len(shape) not in (2, 3):
        raise SpecError(
            f"frames have {len(shape)} axes, shape {shape}: give images of 2 axes, or volumes of 3"
        )
    if kind not in "iuf":
        raise SpecError(
            f"frames of dtype {images.dtype} have no brightness to compare: give integers or "
            "floating-point numbers, for example by astype('float32')"
        )
    return images


@dataclass(frozen=True, eq=False)
class Correction(Kernel):
    """Kernel that resamples each frame of a block at its displaced pixels.

    Parameters
    ----------
    shifts : ndarray of float64, shape (T, planes, nd)
        Used without `coefficients`.
    coefficients : ndarray of float32, shape (T, planes, nd, m), optional
        Of the modes of `grid`.
    grid : SmoothField, optional
    axis : int, optional
        Axis of the planes.
    offset : float
        Displacement of odd rows along x in pixels, which is corrected first.
    order, fill, dtype
        Of the resampling.
    compiled : bool
    """

    shifts: Array
    coefficients: Array | None
    grid: SmoothField | None
    axis: int | None
    offset: float
    order: int
    fill: str | float
    dtype: np.dtype[Any]
    compiled: bool
    vectorised: ClassVar[bool] = True
    repeatable: ClassVar[bool] = True

    def __call__(self, start: int, block: Array) -> Array:
        """Correct the frames of a block, the first of which is number `start`."""
        if self.offset:
            block = deinterlace(block, self.offset, compiled=self.compiled)
        rows = slice(start, start + len(block))
        if self.axis is None:
            return self._plane(block, rows, 0)
        stack = np.moveaxis(block, self.axis + 1, 1)
        out = np.empty(block.shape, self.dtype)
        target = np.moveaxis(out, self.axis + 1, 1)
        for plane in range(stack.shape[1]):
            target[:, plane] = self._plane(stack[:, plane], rows, plane)
        return out

    def _plane(self, stack: Array, rows: slice, plane: int) -> Array:
        options: Any = {"dtype": self.dtype, "compiled": self.compiled}
        if self.grid is None or self.coefficients is None:
            shifts = self.shifts[rows, plane]
            return shift_images(stack, shifts, self.order, self.fill, **options)
        displacements = self.grid.fields(self.coefficients[rows, plane])
        nodes = self.grid.nodes(stack.ndim - 1)
        return warp_images(stack, displacements, nodes, self.order, self.fill, **options)


@checked_methods
@dataclass(frozen=True, eq=False, repr=False)
class RegistrationModel(Model):
    """Motion of each frame relative to a reference.

    Axes are numpy's: ``(y, x)``, or ``(z, y, x)`` for volumes; displacements are in pixels of the
    frame. A shift is the displacement of the content: ``frame(r + u(r)) = reference(r)``, so that
    a scene that moved down by 2 pixels has the shift ``(2, 0)``, and the corrected frame at r is
    the frame at ``r + u(r)``. Fields are functions of positions in the reference.

    Attributes
    ----------
    shifts : ndarray of float64, shape (T, nd)
        Displacement of each frame; with fields, the mean of the field over the frame. With an
        `axis` of planes, of shape (T, planes, nd - 1).
    coefficients : ndarray of float32, shape (T, nd, m), or None
        Of the modes of the fields.
    stderr : ndarray of float64, shape of shifts
        Predicted standard deviation of the shifts.
    peak : ndarray of float64, shape (T,)
        Height of the coarse correlation, in standard deviations of it. With
        `axis`, of shape (T, planes), as `gain` and `bad`.
    gain : ndarray of float64, shape (T,)
        Brightness relative to the reference.
    bad : ndarray of bool, shape (T,)
        Frames whose motion was not found, and is interpolated in time.
    reference, variance : ndarray of float32, of the shape of a frame
    count : int
        Frames whose mean is the reference; 0 if it was given.
    offset : float
        Displacement of odd rows along x, corrected before the motion.
    params : dict
        Parameters of the algorithm.
    algorithm : str
    axis : int or None
        Axis of frames whose planes were registered alone.

    Examples
    --------
    >>> import thunderlike as tl
    >>> movie = tl.images.fromexample("calcium")[:100]
    >>> model = tl.registration.Rigid().fit(movie)
    >>> model
    RegistrationModel
    length: 100
    algorithm: Rigid
    >>> model.shifts.shape, model.transform(movie).shape
    ((100, 2), (100, 128, 128))
    """

    shifts: Array
    stderr: Array
    peak: Array
    gain: Array
    bad: Array
    reference: Array
    variance: Array
    count: int = 0
    offset: float = 0.0
    params: dict[str, Any] = field(default_factory=dict)
    algorithm: str = "Rigid"
    axis: int | None = None
    coefficients: Array | None = None
    grid: SmoothField | None = None
    deviation: Array = field(default_factory=lambda: np.ones(1))
    pattern: Array | None = None

    def __len__(self) -> int:
        return len(self.shifts)

    def __repr__(self) -> str:
        return f"RegistrationModel\nlength: {len(self)}\nalgorithm: {self.algorithm}"

    @property
    def nodes(self) -> tuple[Array, ...] | None:
        """Positions of the nodes of the fields along each axis in pixels; None for shifts."""
        return None if self.grid is None else self.grid.nodes(self.shifts.shape[-1])

    @property
    def fields(self) -> Array | None:
        """Displacements at the nodes, float32 of shape (T, nd, ...); None for shifts.

        Computed from `coefficients` at each call; several times as large.
        """
        if self.grid is None or self.coefficients is None:
            return None
        return self.grid.fields(self.coefficients)

    def toarray(self) -> Array:
        """Return the shifts.

        Examples
        --------
        >>> import thunderlike as tl
        >>> frame = np.random.default_rng(0).normal(size=(64, 64))
        >>> tl.registration.align(frame, frame).toarray()
        array([[0., 0.]])
        """
        return self.shifts

    def __getitem__(self, item: Any) -> Any:
        """Return the model of some frames, or the displacement of one by its key ``(i,)``."""
        if isinstance(item, tuple):
            return self.transformations[item]
        [selector] = selectors(item, (len(self),))
        return self._of_frames(positions(selector, len(self)))

    def _of_frames(self, rows: Array) -> Self:
        chosen = None if self.coefficients is None else self.coefficients[rows]
        return replace(
            self,
            shifts=self.shifts[rows],
            stderr=self.stderr[rows],
            peak=self.peak[rows],
            gain=self.gain[rows],
            bad=self.bad[rows],
            coefficients=chosen,
        )

    @property
    def transformations(self) -> dict[tuple[int], Displacement | LocalDisplacement]:
        """Shift of each frame by its key ``(i,)``, as thunder-registration has them."""
        if self.axis is None:
            return {(i,): Displacement(shift.tolist()) for i, shift in enumerate(self.shifts)}
        return {
            (i,): LocalDisplacement(shift.tolist(), self.axis)
            for i, shift in enumerate(self.shifts)
        }

    def transform(
        self,
        images: Images | ArrayLike,
        order: int = 3,
        fill: str | float = "nearest",
        dtype: DTypeLike | None = None,
    ) -> Images:
        """Correct the motion: resample each frame at its displaced pixels.

        Parameters
        ----------
        images : Images or array_like
            The movie that was fitted, or another channel of it: of as many frames of this shape.
        order : {0, 1, 3}
            Nearest pixel, linear, or cubic convolution. Compare movies of equal order only: linear
            interpolation blurs, and so raises the correlation with the mean.
        fill : 'nearest', 'nan' or number
            Value of pixels that the frame does not show: its nearest pixel, or this.
        dtype : dtype, optional
            Of the result; by default that of the images. Whole numbers are rounded and clipped.

        Returns
        -------
        Images
            With the labels and attrs of `images`.

        Raises
        ------
        SpecError
            For another number or shape of frames, another order, and ``fill='nan'`` for integers.

        Notes
        -----
        One lazy map without a shuffle: on lazy engines nothing is computed before it is needed.

        Examples
        --------
        >>> import thunderlike as tl
        >>> rng = np.random.default_rng(0)
        >>> scene = rng.normal(size=(68, 64)).cumsum(axis=0)
        >>> model = tl.registration.align(scene[:64], scene[2:66])
        >>> model.shifts.round(2)
        array([[2., 0.]])
        >>> corrected = model.transform(scene[np.newaxis, :64]).toarray()
        >>> bool(abs(corrected - scene[2:66])[:60].max() < 0.1)
        True
        """
        images = as_images(images)
        found, expected = images.shape, (len(self), *self.reference.shape)
        if found != expected:
            raise SpecError(
                f"the model has {len(self)} frames of shape {self.reference.shape}, the images "
                f"have shape {found}: give the frames that were fitted, or model[a:b] for a part"
            )
        result = resampled_dtype(images.dtype, order, fill, dtype)
        planes = (len(self), 1 if self.axis is None else self.reference.shape[self.axis])
        modes = self.coefficients
        correction = Correction(
            self.shifts.reshape(*planes, self.shifts.shape[-1]),
            None if modes is None else modes.reshape(*planes, *modes.shape[-2:]),
            self.grid,
            self.axis,
            self.offset,
            order,
            fill,
            result,
            images._compiled,
        )
        return images._changed(images._records.map(correction, images.value_shape, result))

    def then(self, other: RegistrationModel) -> Self:
        """Add the shift of a model of one frame, such as the offset between two sessions.

        Parameters
        ----------
        other : RegistrationModel
            Of one frame, as of :func:`align`: its displacement is added to that of every frame.

        Raises
        ------
        SpecError
            For a model of several frames, of other frames, or of fields on other nodes.

        Examples
        --------
        >>> import thunderlike as tl
        >>> frame = np.random.default_rng(0).normal(size=(64, 64))
        >>> still = tl.registration.align(frame, frame)
        >>> still.then(still).shifts
        array([[0., 0.]])
        """
        if len(other) != 1:
            raise SpecError(f"then() needs a model of one frame, not of {len(other)}: give align()")
        if other.reference.shape != self.reference.shape or other.axis != self.axis:
            raise SpecError(
                f"the models are of frames of shape {self.reference.shape} and "
                f"{other.reference.shape}, axis {self.axis} and {other.axis}: they must be equal"
            )
        grid, coefficients = _sum(self, other)
        return replace(
            self,
            shifts=self.shifts + other.shifts,
            stderr=np.hypot(self.stderr, other.stderr),
            reference=other.reference,
            variance=other.variance,
            count=other.count,
            coefficients=coefficients,
            grid=grid,
        )

    def crop(self, bad: bool = False) -> tuple[slice, ...]:
        """Return the part of a corrected frame that every frame shows.

        Parameters
        ----------
        bad : bool
            Count bad frames as well.

        Raises
        ------
        SpecError
            If no pixel is left.

        Examples
        --------
        >>> import thunderlike as tl
        >>> frame = np.random.default_rng(0).normal(size=(68, 64))
        >>> model = tl.registration.align(frame[:64], frame[2:66])
        >>> model.shifts.round(1)
        array([[2., 0.]])
        >>> tuple((part.start, part.stop) for part in model.crop())
        ((0, 62), (0, 64))
        """
        moved = self.shifts if self.fields is None else self.fields
        nd = self.shifts.shape[-1]
        lead = self.shifts.ndim - 1
        each = moved.reshape(*moved.shape[:lead], nd, -1)
        kept = each if bad else each[~self.bad]
        kept = np.moveaxis(kept, -2, 0).reshape(nd, -1) if kept.size else np.zeros((nd, 1))
        axes = [axis for axis in range(self.reference.ndim) if axis != self.axis]
        lengths = np.array(self.reference.shape)[axes]
        first = np.ceil(np.maximum(-kept.min(axis=1), 0)).astype(int)
        last = lengths - np.ceil(np.maximum(kept.max(axis=1), 0)).astype(int)
        if (first >= last).any():
            row = int(np.argmin(last - first))
            planes = f", or register planes alone, axis={axes[row]}" if len(axes) > 2 else ""
            raise SpecError(
                f"no pixel is in all frames: shifts along axis {axes[row]} are from "
                f"{kept[row].min():.2f} to {kept[row].max():.2f} px, and its length is "
                f"{lengths[row]}: leave out frames that move far{planes}"
            )
        slices = [slice(a, b) for a, b in zip(first.tolist(), last.tolist(), strict=True)]
        if self.axis is not None:
            slices.insert(self.axis, slice(0, self.reference.shape[self.axis]))
        return tuple(slices)

    def plot(self, ax: Axes | None = None) -> Figure:
        """Draw shifts and peaks against frames, and the reference, with matplotlib.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Draw the shifts alone, on these axes.

        Returns
        -------
        matplotlib.figure.Figure
            Bad frames are marked. With fields there is a curve of the rms difference from the
            shift. A correlation with the mean or a crispness must not be compared between movies
            resampled with different `order`.

        Raises
        ------
        MissingExtraError
            Without matplotlib: ``pip install 'thunderlike[viz]'``.

        Examples
        --------
        >>> import thunderlike as tl
        >>> movie = tl.images.fromexample("calcium")[:60]
        >>> len(tl.registration.Rigid().fit(movie).plot().axes)
        3
        """
        from thunderlike.registration.plotting import plot_model

        return plot_model(self, ax)


def _sum(
    one: RegistrationModel, other: RegistrationModel
) -> tuple[SmoothField | None, Array | None]:
    """Add the fields of two models; the result has the modes of both."""
    grid = one.grid or other.grid
    if grid is None:
        return None, None
    if not (one.grid and other.grid) or one.grid == other.grid:
        return grid, _on_grid(one, grid) + _on_grid(other, grid)
    if not all(map(np.array_equal, one.grid.positions, other.grid.positions)):
        raise SpecError("the fields are on other nodes: fit both with one spacing")
    joined = replace(
        grid,
        modes=np.hstack([grid.modes, other.grid.modes[:, 1:]]),
        spread=np.hstack([grid.spread, other.grid.spread]),
    )
    mine, theirs = _on_grid(one, grid), _on_grid(other, other.grid)
    shared = mine[..., :1] + theirs[..., :1]
    rest = np.broadcast_to(theirs[..., 1:], (*mine.shape[:-1], other.grid.size - 1))
    return joined, np.concatenate([shared, mine[..., 1:], rest], axis=-1)


def _on_grid(model: RegistrationModel, grid: SmoothField) -> Array:
    """Return the coefficients of a model on a grid, also of shifts."""
    if model.coefficients is not None:
        return model.coefficients
    found = np.zeros((*model.shifts.shape, grid.size), np.float32)
    found[..., 0] = model.shifts
    return found


def load(path: AnyPath) -> RegistrationModel:
    """Read a model that ``model.save(path)`` wrote, as HDF5 or JSON.

    Raises
    ------
    NotFoundError
        If the file does not exist.
    FormatError
        For another file, and for a model of a later version.

    Examples
    --------
    >>> load("memory://no-model.h5")
    Traceback (most recent call last):
        ...
    thunderlike.errors.NotFoundError: ...
    """
    return RegistrationModel.load(path)
