"""Displacements of single images, as thunder-registration has them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from thunderlike.errors import SpecError
from thunderlike.kernels._validation import as_array
from thunderlike.kernels.resampling import shift_images

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike

    from thunderlike._typing import Array

__all__ = ["Displacement", "LocalDisplacement"]


@dataclass(frozen=True)
class Displacement:
    """Translation of one image.

    Parameters
    ----------
    delta : list of number
        Displacement of the content along each axis in pixels: a scene that moved down by 2 has
        ``[2, 0]``.

    Examples
    --------
    >>> moved = Displacement([1, 0])
    >>> moved
    Displacement(delta=[1, 0])
    >>> moved.apply(np.array([[1, 2], [3, 4]]))
    array([[3, 4],
           [3, 4]])
    """

    delta: Sequence[float]

    def toarray(self) -> Array:
        """Return the displacement as an array."""
        return np.asarray(self.delta)

    def apply(self, image: ArrayLike) -> Array:
        """Move an image back by the displacement; edges are repeated, cubic between pixels.

        Raises
        ------
        SpecError
            For an image of another number of axes.
        """
        frame, delta = as_array(image, "the image"), self.toarray()
        if frame.ndim != delta.size:
            raise SpecError(
                f"an image of {frame.ndim} axes cannot be moved by {delta.size} numbers: give one "
                "for each axis"
            )
        moved: Array = shift_images(frame[np.newaxis], delta[np.newaxis].astype(np.float64))[0]
        return moved


@dataclass(frozen=True)
class LocalDisplacement:
    """Translation of each plane of one volume.

    Parameters
    ----------
    delta : list of list of number
        Displacement of each plane along its axes in pixels.
    axis : int
        Axis of the planes.

    Examples
    --------
    >>> moved = LocalDisplacement([[0], [1]], axis=0)
    >>> moved.apply(np.array([[1, 2], [3, 4]]))
    array([[1, 2],
           [4, 4]])
    """

    delta: Sequence[Sequence[float]]
    axis: int

    def toarray(self) -> Array:
        """Return the displacements as an array of shape (planes, nd - 1)."""
        return np.asarray(self.delta)

    def apply(self, image: ArrayLike) -> Array:
        """Move each plane back by its displacement, into a new array.

        Raises
        ------
        SpecError
            For an image of another number of planes or axes.
        """
        volume, delta = as_array(image, "the image"), self.toarray()
        axis = self.axis + volume.ndim if self.axis < 0 else self.axis
        if not 0 <= axis < volume.ndim or delta.shape != (volume.shape[axis], volume.ndim - 1):
            raise SpecError(
                f"displacements of shape {delta.shape} along axis {self.axis} do not fit an image "
                f"of shape {volume.shape}: give one for each plane"
            )
        planes = shift_images(np.moveaxis(volume, axis, 0), delta.astype(np.float64))
        return np.ascontiguousarray(np.moveaxis(planes, 0, axis))
