"""Arrays made larger; all keep the dtype."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike.errors import SpecError, WrongType
from thunderlike.util.arrays import whole_numbers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

__all__ = ["pad", "pad_repeat_border", "pad_repeat_border_corner", "pad_to_size"]


def pad(data: ArrayLike, padwidth: Any, value: float = 0.0) -> NDArray[Any]:
    """Surround an array with a value.

    Parameters
    ----------
    data : array_like
    padwidth : int or sequence
        For all axes, or one for each; ``(before, after)`` where the two sides differ.
    value : number

    Raises
    ------
    SpecError
        For widths that are negative, or not one for each axis.

    Examples
    --------
    >>> pad(np.ones((3, 3)), (1, 2)).shape
    (5, 7)
    """
    array = np.asarray(data)
    widths = _widths(padwidth, array.ndim)
    try:
        return np.pad(array, widths, constant_values=value)
    except (TypeError, ValueError) as error:
        raise SpecError(
            f"{value!r:.60} cannot stand around {array.dtype} values: {error}"
        ) from error


def pad_repeat_border(data: ArrayLike, padwidth: Any) -> NDArray[Any]:
    """Surround an array with the values at its edges; widths as for :func:`pad`.

    Examples
    --------
    >>> pad_repeat_border([1, 2], 2)
    array([1, 1, 1, 2, 2, 2])
    """
    array = np.asarray(data)
    if not array.size:
        raise SpecError(f"an array of shape {array.shape} has no edge to repeat")
    return np.pad(array, _widths(padwidth, array.ndim), mode="edge")


def pad_to_size(data: ArrayLike, shape: Sequence[int], value: Any = 0.0) -> NDArray[Any]:
    """Put an array into the middle of a larger one; an odd row or column goes to the end.

    Parameters
    ----------
    data : array_like
    shape : sequence of int
        Of the result; -1 keeps an axis.
    value : array_like
        What is around it; an array is broadcast to the result.

    Returns
    -------
    ndarray
        Of the dtype of `data`, or one that holds `value` too.

    Raises
    ------
    SpecError
        For a shape smaller than that of `data`.

    Examples
    --------
    >>> pad_to_size([1, 1, 1], (4,))
    array([1, 1, 1, 0])
    """
    array = np.asarray(data)
    target = _target(array.shape, shape)
    fill = np.asarray(value)
    # A plain 0.0 does not make floats of integers.
    held = array.dtype if _holds(array.dtype, fill) else np.result_type(array, fill)
    try:
        padded = np.broadcast_to(fill, target).astype(held)
    except ValueError as error:
        raise SpecError(f"a value of shape {fill.shape} does not fill shape {target}") from error
    starts = [(t - s) // 2 for t, s in zip(target, array.shape, strict=True)]
    inside = tuple(slice(a, a + s) for a, s in zip(starts, array.shape, strict=True))
    padded[inside] = array
    return padded


def pad_repeat_border_corner(data: ArrayLike, shape: Sequence[int]) -> NDArray[Any]:
    """Enlarge an array at the end of its axes, with the values at its edges.

    Examples
    --------
    >>> pad_repeat_border_corner([[1, 2]], (2, 3))
    array([[1, 2, 2],
           [1, 2, 2]])
    """
    array = np.asarray(data)
    target = _target(array.shape, shape)
    after = [(0, t - s) for t, s in zip(target, array.shape, strict=True)]
    return pad_repeat_border(array, after)


def _holds(dtype: np.dtype[Any], fill: NDArray[Any]) -> bool:
    """Tell whether a single value is the same in this dtype."""
    with np.errstate(invalid="ignore", over="ignore"):
        return not fill.ndim and bool(fill.astype(dtype) == fill)


def _target(shape: tuple[int, ...], wanted: Sequence[int]) -> tuple[int, ...]:
    wanted = whole_numbers("shape", wanted, len(shape))
    target = tuple(s if w == -1 else w for s, w in zip(shape, wanted, strict=True))
    if any(t < s for t, s in zip(target, shape, strict=True)):
        raise SpecError(f"an array of shape {shape} does not fit into {target}: crop it")
    return target


def _widths(padwidth: Any, ndim: int) -> list[tuple[int, int]]:
    try:
        each = [padwidth] * ndim if _is_whole(padwidth) else list(padwidth)
        pairs = [(width, width) if _is_whole(width) else tuple(width) for width in each]
        widths = [tuple(operator.index(side) for side in pair) for pair in pairs]
    except TypeError:
        raise WrongType(f"padwidth is whole numbers, not {padwidth!r:.60}") from None
    if len(each) != ndim:
        raise SpecError(f"padwidth {padwidth!r} is not one for each of {ndim} axes")
    if any(len(pair) != 2 or min(pair) < 0 for pair in widths):
        raise SpecError(f"padwidth {padwidth!r} has a width that is none")
    return [(before, after) for before, after in widths]


def _is_whole(value: Any) -> bool:
    return hasattr(value, "__index__")
