"""Parameters of an algorithm, checked and made concrete for frames of one shape."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike.errors import SpecError
from thunderlike.kernels._validation import is_whole

if TYPE_CHECKING:
    from thunderlike._typing import Array, Shape

__all__ = [
    "check_lengths",
    "check_number",
    "check_whole",
    "largest_shifts",
    "mask_of",
    "normal_axis",
]

_SHORT, _SHORT_SHARE = 32, 0.25  # px; largest shift along a shorter axis, relative to its length
_LEAST_SIDE, _LEAST_PIXELS = 8, 32


def largest_shifts(max_shift: Any, shape: Shape) -> Array:
    """Return the largest shift along each axis in pixels.

    Parameters
    ----------
    max_shift : float or sequence of float
        Less than 1: share of the length of an axis, or a quarter of axes shorter than 32 pixels.
        Else pixels. A sequence has one for each axis.

    Raises
    ------
    SpecError
        For half the length of an axis or more, and for another number of values.

    Examples
    --------
    >>> largest_shifts(0.1, (12, 256, 200)), largest_shifts(20, (12, 256, 200))
    (array([ 3., 26., 20.]), array([ 5., 20., 20.]))
    """
    each = list(max_shift) if isinstance(max_shift, tuple | list | np.ndarray) else None
    if each is not None and len(each) != len(shape):
        raise SpecError(
            f"max_shift has {len(each)} values, frames have {len(shape)} axes: give one for each, "
            "or one number"
        )
    found = []
    for n, value in zip(shape, each or [max_shift] * len(shape), strict=True):
        pixels = float(value) * n if value < 1 else float(value)
        if each is None and n < _SHORT:
            pixels = max(1, round(_SHORT_SHARE * n)) if value < 1 else min(pixels, n // 2 - 1)
        elif pixels >= n / 2 and n > 2:
            raise SpecError(
                f"max_shift={max_shift!r} is half of the {n} pixels of an axis or more: give less"
            )
        found.append(max(0, min(pixels if value >= 1 else round(pixels), n // 2 - 1)))
    return np.array(found, np.float64)


def normal_axis(axis: int | None, shape: Shape) -> int | None:
    """Return an axis of frames counted from the start.

    Raises
    ------
    SpecError
        For an axis out of range.

    Examples
    --------
    >>> normal_axis(-1, (4, 6)), normal_axis(None, (4, 6))
    (1, None)
    """
    if axis is None:
        return None
    if not -len(shape) <= axis < len(shape):
        raise SpecError(
            f"axis={axis} is not an axis of frames of shape {shape}: give 0 to {len(shape) - 1}"
        )
    return axis % len(shape)


def mask_of(inside: Any, shape: Shape) -> Array | None:
    """Return the pixels that steer as a mask of the frame's shape, None for all.

    Raises
    ------
    SpecError
        For a mask of another shape, and for fewer than 32 pixels.

    Examples
    --------
    >>> int(mask_of((slice(0, 8), slice(2, 8)), (10, 10)).sum())
    48
    """
    if inside is None:
        return None
    if isinstance(inside, slice) or (
        isinstance(inside, tuple | list) and all(isinstance(part, slice) for part in inside)
    ):
        mask = np.zeros(shape, bool)
        parts = (inside,) if isinstance(inside, slice) else tuple(inside)
        if len(parts) > len(shape):
            raise SpecError(f"inside has {len(parts)} slices, frames have {len(shape)} axes")
        mask[parts] = True
    else:
        mask = np.asarray(inside)
        if mask.dtype != bool or mask.shape != shape:
            raise SpecError(
                f"inside has shape {mask.shape} and dtype {mask.dtype}: give a bool mask of the "
                f"shape of a frame, {shape}, or slices"
            )
    if mask.sum() < _LEAST_PIXELS:
        raise SpecError(
            f"inside selects {int(mask.sum())} pixels: give {_LEAST_PIXELS} or more that steer"
        )
    return mask


def check_lengths(shape: Shape) -> None:
    """Raise SpecError for frames, or planes, that are too small to be registered."""
    if min(shape[-2:]) < _LEAST_SIDE:
        raise SpecError(
            f"frames of shape {shape} are too small to register: each side must have "
            f"{_LEAST_SIDE} pixels or more"
        )


def check_number(name: str, value: Any, *, least: float, exclusive: bool = False) -> None:
    """Raise SpecError unless a parameter is a finite number from `least` on, or above it."""
    number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    if not number or not math.isfinite(value) or value < least or (exclusive and value == least):
        bound = f"above {least:g}" if exclusive else f"of {least:g} or more"
        raise SpecError(f"{name}={value!r} must be a number {bound}")


def check_whole(name: str, value: Any, *, least: int) -> None:
    """Raise SpecError unless a parameter is a whole number from `least` on."""
    if isinstance(value, bool) or not is_whole(value, least):
        raise SpecError(f"{name}={value!r} must be a whole number of {least} or more")
