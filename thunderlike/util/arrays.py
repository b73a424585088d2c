"""Sizes, extremes, slices, padding and whitening of arrays."""

from __future__ import annotations

import functools
import itertools
import math
import operator
from typing import TYPE_CHECKING, Any, SupportsIndex, TypeAlias, TypeVar, cast

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from thunderlike._arguments import checked_arguments, checked_types
from thunderlike.errors import SpecError, WrongTypeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from numpy.typing import ArrayLike, NDArray

__all__ = [
    "also_named",
    "apply_once",
    "apply_whitening_matrix",
    "aslice",
    "bytesize",
    "humanize_bytesize",
    "memsize",
    "multi_range",
    "pad",
    "pad_repeat_border",
    "pad_repeat_border_corner",
    "pad_to_size",
    "span",
    "tupled_argmax",
    "whiten",
    "whole_numbers",
    "zca_whitening_matrix",
]


Function = TypeVar("Function", bound="Callable[..., Any]")
# Of all axes, one for each, or a pair for each.
Widths: TypeAlias = "SupportsIndex | Iterable[SupportsIndex | Iterable[SupportsIndex]]"


def also_named(**names: str) -> Callable[[Function], Function]:
    """Let arguments be given by an older name as well, ``old="new"``.

    Examples
    --------
    >>> @also_named(array="a")
    ... def first(a):
    ...     return a[0]
    >>> first(a=[1, 2]), first(array=[1, 2])
    (1, 1)
    """

    def decorate(function: Function) -> Function:
        @functools.wraps(function)
        def called(*args: Any, **kwargs: Any) -> Any:
            return function(*args, **{names.get(name, name): v for name, v in kwargs.items()})

        return cast("Function", called)

    return decorate


def whole_numbers(
    name: str, values: Iterable[SupportsIndex], count: int | None = None
) -> tuple[int, ...]:
    """Return an argument of several whole numbers as a tuple.

    Raises
    ------
    WrongTypeError
        For anything else.
    SpecError
        For another number of them than `count`.

    Examples
    --------
    >>> whole_numbers("size", [np.int64(3), 4], 2)
    (3, 4)
    """
    try:
        found = tuple(operator.index(value) for value in values)
    except TypeError:
        raise WrongTypeError(f"{name} is several whole numbers, not {values!r:.60}") from None
    if count is not None and len(found) != count:
        raise SpecError(f"{name} is {count} whole numbers, not {len(found)}: {values!r:.60}")
    return found


aslice = np.s_  # `aslice[::2, 0]` is the index that is written in it


@checked_arguments
@also_named(array="arr")
def bytesize(arr: object) -> int:
    """Return the bytes of all elements of anything with a shape and a dtype, without computing it.

    Examples
    --------
    >>> bytesize(np.zeros((3, 4), "int16"))
    24
    """
    if not (hasattr(arr, "shape") and hasattr(arr, "dtype")):
        raise WrongTypeError(
            f"a {type(arr).__name__} has no shape and dtype: convert it by np.asarray"
        )
    size: int = math.prod(arr.shape) * np.dtype(arr.dtype).itemsize
    return size


@checked_arguments
def humanize_bytesize(n: float) -> str:
    """Spell a number of bytes in units of 1024, with four digits.

    Examples
    --------
    >>> humanize_bytesize(1536), humanize_bytesize(10**6), humanize_bytesize(0)
    ('1.5 KB', '976.6 KB', '0 B')
    """
    if not isinstance(n, int | float | np.number) or not math.isfinite(n):
        raise WrongTypeError(f"a number of bytes is a finite number, not {n!r:.60}")
    # Between bytes and the largest unit: 0.5 has a negative logarithm, 0 none.
    power = min(max(0, int(math.log(abs(n), 1024))), 6) if n else 0
    return f"{n / 1024**power:.4g} {('B', 'KB', 'MB', 'GB', 'TB', 'PB', 'EB')[power]}"


@checked_arguments
@also_named(array="arr")
def memsize(arr: object) -> str:
    """Spell the bytes of all elements.

    Examples
    --------
    >>> memsize(np.zeros((1024, 1024)))
    '8 MB'
    """
    return humanize_bytesize(bytesize(arr))


@checked_arguments
@also_named(array="arr")
def span(arr: object) -> tuple[Any, Any]:
    """Return minimum and maximum; NaN where there is any.

    Parameters
    ----------
    arr : array_like, Images, Series or a sparse matrix
        What has a minimum of its own finds it where it is: of Images on Spark only one record comes
        here.

    Raises
    ------
    ValueError
        For no elements.

    Notes
    -----
    Two passes.

    Examples
    --------
    >>> span([3, -1, 2])
    (np.int64(-1), np.int64(3))
    """
    # Collections and sparse matrices have their own: np.asarray would collect or wrap them.
    values: Any = arr if hasattr(arr, "min") and hasattr(arr, "max") else np.asarray(arr)
    if np.dtype(values.dtype).kind in "OUSV":
        raise WrongTypeError(f"the span is of numbers or times, not of {values.dtype}")
    if not math.prod(values.shape):
        raise SpecError(f"cannot take the minimum of an empty array (shape {values.shape})")
    return np.asarray(values.min()).min(), np.asarray(values.max()).max()


@checked_types
@also_named(array="arr")
def apply_once(
    func: Callable[[NDArray[Any]], Any],
    arr: ArrayLike,
    axes: int | Sequence[int],
    keepdims: bool = True,
) -> NDArray[Any]:
    """Apply a function of a line to several axes at once, flattened in ascending order.

    Parameters
    ----------
    func : callable
        From an array of one axis to a number.
    arr : array_like
    axes : int or sequence of int
        At least one, none twice.
    keepdims : bool
        Keep them with length 1.

    Raises
    ------
    SpecError
        For no axis, or one that there is not.

    Examples
    --------
    >>> x = np.arange(24.0).reshape(2, 3, 4)
    >>> bool(np.allclose(apply_once(np.std, x, (0, 2), keepdims=False), x.std(axis=(0, 2))))
    True
    """
    values = np.asarray(arr)
    if not callable(func):
        raise WrongTypeError(f"func is called with each line, and {func!r:.60} cannot be")
    try:
        chosen = sorted(normalize_axis_tuple(axes, values.ndim))
    except TypeError:
        raise WrongTypeError(f"axes is an axis or several, not {axes!r:.60}") from None
    except (ValueError, OverflowError) as error:
        raise SpecError(f"axes {axes!r} of an array of {values.ndim}: {error}") from error
    if not chosen:
        raise SpecError("axes names none: name one at least")
    # The axes as one: np.apply_along_axis takes a single one.
    moved = np.moveaxis(values, chosen, range(-len(chosen), 0))
    lines = moved.reshape(*moved.shape[: -len(chosen)], -1)
    found = np.apply_along_axis(func, -1, lines)
    return np.expand_dims(found, tuple(chosen)) if keepdims else found


@checked_arguments
@also_named(array="a")
def tupled_argmax(a: ArrayLike) -> tuple[int, ...]:
    """Return where the first maximum is, one position for each axis.

    Raises
    ------
    ValueError
        For no elements.

    Examples
    --------
    >>> tupled_argmax([[1, 5], [9, 2]])
    (1, 0)
    """
    values = np.asarray(a)
    if values.dtype.kind in "OV":
        raise WrongTypeError(f"the largest is of numbers, times or text, not of {values.dtype}")
    if not values.size:
        raise SpecError(f"cannot take the maximum of an empty array (shape {values.shape})")
    return tuple(int(i) for i in np.unravel_index(np.argmax(values), values.shape))


@checked_arguments
def multi_range(*lengths: int) -> Iterator[tuple[int, ...]]:
    """Loop over several ranges, one within the other.

    Examples
    --------
    >>> list(multi_range(2, 2))
    [(0, 0), (0, 1), (1, 0), (1, 1)]
    """
    return itertools.product(*map(range, whole_numbers("lengths", lengths)))


@checked_arguments
def pad(data: ArrayLike, padwidth: Widths, value: float = 0.0) -> NDArray[Any]:
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


@checked_arguments
def pad_repeat_border(data: ArrayLike, padwidth: Widths) -> NDArray[Any]:
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


@checked_arguments
def pad_to_size(data: ArrayLike, shape: Sequence[int], value: ArrayLike = 0.0) -> NDArray[Any]:
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


@checked_arguments
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
    """Check whether a single value is the same in this dtype."""
    with np.errstate(invalid="ignore", over="ignore"):
        return not fill.ndim and bool(fill.astype(dtype) == fill)


def _target(shape: tuple[int, ...], wanted: Sequence[int]) -> tuple[int, ...]:
    wanted = whole_numbers("shape", wanted, len(shape))
    target = tuple(s if w == -1 else w for s, w in zip(shape, wanted, strict=True))
    if any(t < s for t, s in zip(target, shape, strict=True)):
        raise SpecError(f"an array of shape {shape} does not fit into {target}: crop it")
    return target


def _widths(padwidth: Widths, ndim: int) -> list[tuple[int, int]]:
    try:
        each = [padwidth] * ndim if isinstance(padwidth, SupportsIndex) else list(padwidth)
        pairs = [
            (width, width) if isinstance(width, SupportsIndex) else tuple(width) for width in each
        ]
        widths = [tuple(operator.index(side) for side in pair) for pair in pairs]
    except TypeError:
        raise WrongTypeError(f"padwidth is whole numbers, not {padwidth!r:.60}") from None
    if len(each) != ndim:
        raise SpecError(f"padwidth {padwidth!r} is not one for each of {ndim} axes")
    if any(len(pair) != 2 or min(pair) < 0 for pair in widths):
        raise SpecError(f"padwidth is {padwidth!r}; expected widths of 0 or more")
    return [(before, after) for before, after in widths]


@checked_arguments
def zca_whitening_matrix(X: ArrayLike, w_epsilon: float, batch: int = 1000) -> NDArray[Any]:
    """Return the matrix that whitens samples and moves them as little as can be (ZCA).

    Parameters
    ----------
    X : array_like
        Samples along the first axis, each of ``n`` values in all. Their mean is not subtracted.
    w_epsilon : float
        Added to the variances, so that directions of none do not grow without bound.
    batch : int
        Samples that are multiplied at once.

    Returns
    -------
    ndarray
        ``U diag(1 / sqrt(S + w_epsilon)) U.T``, of shape ``(n, n)``, where ``U diag(S) U.T`` is the
        mean of ``outer(x, x)`` over the samples; floats.

    Raises
    ------
    SpecError
        For no samples, samples that are not finite, and a negative `w_epsilon`.

    Notes
    -----
    One pass over the samples, then a decomposition in n**3 steps. Bell and Sejnowski (1997), "The
    independent components of natural scenes are edge filters".

    Examples
    --------
    >>> X = np.random.default_rng(0).normal(size=(500, 3)) * [1, 5, 9]
    >>> W = zca_whitening_matrix(X, 1e-9)
    >>> bool(np.allclose(W @ (X.T @ X / 500) @ W, np.eye(3)))
    True
    """
    flat = _flat(X)
    if not len(flat):
        raise SpecError(f"there are no samples to whiten, shape {np.shape(X)}")
    moments = sum(part.T @ part for part in _batches(flat, batch)) / len(flat)
    if not np.isfinite(moments).all():
        raise SpecError("the samples have values that are not finite: remove them first")
    # Of a symmetric matrix, so U and V are the same; svd never returns negative variances.
    directions, variances, _ = np.linalg.svd(moments)
    if not w_epsilon >= 0:
        raise SpecError(
            f"w_epsilon is added to variances and is not negative, not {w_epsilon!r:.60}"
        )
    matrix: NDArray[Any] = (directions / np.sqrt(variances + w_epsilon)) @ directions.T
    return matrix


@checked_arguments
def apply_whitening_matrix(X: ArrayLike, W: NDArray[Any], batch: int = 1000) -> NDArray[Any]:
    """Multiply each sample by a matrix.

    Parameters
    ----------
    X : array_like
        Samples along the first axis.
    W : ndarray
        From :func:`zca_whitening_matrix`.
    batch : int
        Samples that are multiplied at once.

    Returns
    -------
    ndarray
        Of the shape of `X`, floats.

    Examples
    --------
    >>> apply_whitening_matrix([[1, 2], [3, 4]], np.diag([2.0, 1.0]))
    array([[2., 2.],
           [6., 4.]])
    """
    flat, W = _flat(X), np.asarray(W)
    if W.shape != (flat.shape[1],) * 2:
        raise SpecError(f"samples of {flat.shape[1]} values do not multiply a matrix of {W.shape}")
    white = np.empty(flat.shape, np.result_type(flat, W))
    for start, part in zip(range(0, len(flat), batch), _batches(flat, batch), strict=True):
        np.matmul(part, W.T, out=white[start : start + batch])
    return white.reshape(np.shape(X))


@checked_arguments
def whiten(X: ArrayLike, w_epsilon: float, batch: int = 1000) -> NDArray[Any]:
    """Whiten samples by their own matrix; two passes, parameters as for the other two.

    Examples
    --------
    >>> white = whiten(np.random.default_rng(0).random((100, 2, 2)), 0.01)
    >>> white.shape
    (100, 2, 2)
    """
    return apply_whitening_matrix(X, zca_whitening_matrix(X, w_epsilon, batch), batch)


def _flat(X: ArrayLike) -> NDArray[Any]:
    """Samples as rows, of floats: products of small integers would not fit."""
    samples = np.asarray(X)
    if not samples.ndim:
        raise SpecError("samples are along the first axis, and a single number has none")
    if samples.dtype.kind not in "biufc":
        raise WrongTypeError(f"samples are numbers, not {samples.dtype}")
    rows = samples.reshape(len(samples), -1) if samples.size else samples.reshape(0, 0)
    return rows.astype(np.result_type(rows, np.float32), copy=False)


def _batches(flat: NDArray[Any], size: int) -> Iterator[NDArray[Any]]:
    if size < 1:
        raise SpecError(f"a batch has one sample at least, not {size}")
    return (flat[start : start + size] for start in range(0, len(flat), size))
