"""Validation of arguments and values: types by annotation, numbers, dtypes, masks, safe casts.

An argument in the wrong place often means something there: an engine passed as a number of
partitions was ignored on one engine and failed in Java on the other. :func:`checked_arguments`
reads the annotations that are numbers, text, functions and sequences of them, and leaves others,
and `Any`, to the function.
"""

from __future__ import annotations

import math
import sys
from contextlib import contextmanager
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike._arguments import FOREIGN, checked_arguments, checked_methods, typed
from thunderlike.errors import SpecError, ThunderlikeError, WrongTypeError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from thunderlike._typing import Array

__all__ = [
    "FOREIGN",
    "as_array",
    "as_dtype",
    "as_shape",
    "checked_arguments",
    "checked_methods",
    "is_between",
    "is_whole",
    "same_values",
    "typed",
    "typed_errors",
]

_NUMBERS = "biufc"
_SEQUENCES = (list, tuple)
_MAYBE_MASKED = (*_SEQUENCES, np.ma.MaskedArray)


def is_between(value: Any, low: float, high: float) -> bool:
    """Check whether a value is one real number from `low` to `high`.

    Examples
    --------
    >>> is_between(100.0, 0, 100), is_between(float("nan"), 0, 100), is_between([1], 0, 100)
    (True, False, False)
    """
    # Not float(value), which would also accept text and arrays of one element.
    real = isinstance(value, Real)
    return real and bool(low <= value <= high)


def is_whole(value: Any, low: float, high: float = math.inf) -> bool:
    """Check whether a value is one whole number, at least `low` and less than `high`.

    Examples
    --------
    >>> is_whole(2.0, 1), is_whole(2.5, 1), is_whole(2, 0, 2), is_whole(None, 0)
    (True, False, False, False)
    """
    real = isinstance(value, Real)
    return real and bool(low <= value < high and value % 1 == 0)


def as_dtype(dtype: Any, name: str = "dtype") -> np.dtype[Any]:
    """Return a numpy dtype, or raise where the value does not name one.

    Raises
    ------
    WrongTypeError
        For anything that :class:`numpy.dtype` does not take.

    Examples
    --------
    >>> as_dtype("int16")
    dtype('int16')
    >>> as_dtype("junk")
    Traceback (most recent call last):
        ...
    thunderlike.errors.WrongTypeError: dtype='junk' is not a dtype: ...
    """
    try:
        result: np.dtype[Any] = np.dtype(dtype)
    except (TypeError, ValueError, SyntaxError) as error:  # numpy's, for one text or another
        raise WrongTypeError(
            f"{name}={dtype!r} is not a dtype: give one of numpy's, such as 'float32'"
        ) from error
    return result


def as_array(values: Any, what: str = "the values") -> Array:
    """Return an array of the values, if they are of one shape and none is masked.

    Masks are not supported, and numpy drops them without a warning.

    Parameters
    ----------
    values : array_like
    what : str
        The values in an error message.

    Raises
    ------
    WrongTypeError
        For masked arrays with masked elements, and lists that hold some.
    SpecError
        For lists of unequal lengths.

    Examples
    --------
    >>> as_array([1, 2])
    array([1, 2])
    >>> as_array(np.ma.masked_equal([1, 9], 9))
    Traceback (most recent call last):
        ...
    thunderlike.errors.WrongTypeError: the values are a masked array with 1 masked element, ...
    """
    if isinstance(values, _MAYBE_MASKED):
        _check_unmasked(values, what)
    try:
        return np.asarray(values)
    except ValueError as error:  # a list of lists of unequal lengths
        raise SpecError(f"{what} are not an array: {error}") from error


def _check_unmasked(values: Any, what: str) -> None:
    if isinstance(values, _SEQUENCES):
        for value in values:
            if isinstance(value, _MAYBE_MASKED):
                _check_unmasked(value, what)
    elif np.ma.is_masked(values):
        count = int(np.count_nonzero(np.ma.getmaskarray(values)))
        raise WrongTypeError(
            f"{what} are a masked array with {count} masked element{'s'[: count != 1]}, and masks "
            "are not supported: fill them, with .filled(np.nan) for floats, or take .data"
        )


def same_values(array: Array, dtype: np.dtype[Any]) -> Array | None:
    """Return an array in another dtype if that changes no value, else None.

    What numpy calls a safe cast between numbers is allowed, as from int64 to float64; for other
    casts between numbers, or within one kind of dtype, values are compared. NaN stays NaN.

    Examples
    --------
    >>> same_values(np.array([1.0, 5.0]), np.dtype("int64"))
    array([1, 5])
    >>> same_values(np.array([5.67]), np.dtype("int64")) is None
    True
    """
    given = array.dtype
    if given == dtype:
        return array
    if dtype.kind == "O":
        return array.astype(object)
    if given.kind != dtype.kind and not (given.kind in _NUMBERS and dtype.kind in _NUMBERS):
        return None
    if given.kind == "V":  # fields may not even have the same names
        return None
    # numpy calls the cast of times to a finer unit safe, though it may overflow.
    if given.kind not in "mM" and np.can_cast(given, dtype, "safe"):
        return array.astype(dtype)
    if given.kind == "c" and dtype.kind != "c":
        return None if np.any(array.imag) else same_values(array.real, dtype)
    if dtype.kind == "c" and given.kind != "c":
        real = same_values(array, np.dtype(f"f{dtype.itemsize // 2}"))
        return None if real is None else real.astype(dtype)
    with np.errstate(all="ignore"):
        cast = array.astype(dtype)
        back = cast.astype(given)
        same = (back == array) & _in_range(array, cast)
    return cast if np.all(same | ((array != array) & (back != back))) else None


def _in_range(array: Array, cast: Array) -> Any:
    """Return a mask of the values that a cast between numbers kept in range.

    2**63 becomes -2**63 in int64 and 2**63 again in uint64, and what a float too large for an
    integer becomes depends on the processor.
    """
    given, dtype = array.dtype, cast.dtype
    if given.kind in "iu" and dtype.kind in "iu":
        return (array < 0) == (cast < 0)
    if given.kind in "iu" and dtype.kind == "f":
        return cast < float(int(np.iinfo(given).max) + 1)
    if given.kind == "f" and dtype.kind in "iu":
        return array < float(int(np.iinfo(dtype).max) + 1)
    return True


def as_shape(value: Any, what: str = "value_shape") -> tuple[int, ...]:
    """Return the shape of a record, from one length or several.

    Raises
    ------
    SpecError
        For lengths that are negative or not whole numbers, and more elements than an array may
        have.

    Examples
    --------
    >>> as_shape(3), as_shape((2, 3))
    ((3,), (2, 3))
    """
    lengths = np.ravel(np.asarray(value, object)).tolist()
    if not all(is_whole(n, 0) for n in lengths):
        raise SpecError(f"{what} must be whole numbers from 0 on, not {value!r:.60}")
    found = tuple(map(int, lengths))
    if math.prod(found) > sys.maxsize:
        raise SpecError(f"{what} {value!r:.60} has more elements than an array may have")
    return found


@contextmanager
def typed_errors(what: str) -> Iterator[None]:
    """Raise the errors of numpy and scipy inside as errors of the package, on workers too.

    Raises
    ------
    WrongTypeError
        For a TypeError: a dtype for which there is no such function.
    SpecError
        For a ValueError and its like: an empty axis, a number out of range.
    EngineError
        Where there is not enough memory.

    Examples
    --------
    >>> with typed_errors("max"):
    ...     np.max([])
    Traceback (most recent call last):
        ...
    thunderlike.errors.SpecError: max: zero-size array to reduction operation maximum which has ...
    """
    try:
        yield
    except ThunderlikeError:
        raise
    except FOREIGN as error:
        raise typed(what, error) from error
