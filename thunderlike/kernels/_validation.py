"""Validation of arguments and values: types by annotation, numbers, dtypes, masks, safe casts.

An argument in the wrong place often means something there: an engine passed as a number of
partitions was ignored on one engine and failed in Java on the other. :func:`checked_arguments`
reads the annotations that are numbers, text, functions and sequences of them, and leaves others,
and `Any`, to the function.
"""

from __future__ import annotations

import ast
import functools
import inspect
import math
import re
import types
from collections.abc import Iterable, Mapping
from contextlib import contextmanager
from numbers import Real
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import numpy as np

from thunderlike.errors import (
    BadIndex,
    EngineError,
    KeyMissing,
    SpecError,
    ThunderlikeError,
    WrongType,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from thunderlike._typing import Array

__all__ = [
    "FOREIGN",
    "as_array",
    "as_dtype",
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
P = ParamSpec("P")
R = TypeVar("R")
Kind = TypeVar("Kind", bound=type)


def is_between(value: Any, low: float, high: float) -> bool:
    """Say whether a value is one real number from `low` to `high`.

    Examples
    --------
    >>> is_between(100.0, 0, 100), is_between(float("nan"), 0, 100), is_between([1], 0, 100)
    (True, False, False)
    """
    real = isinstance(value, Real)
    return real and bool(low <= value <= high)


def is_whole(value: Any, low: float, high: float = math.inf) -> bool:
    """Say whether a value is one whole number, at least `low` and less than `high`.

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
    WrongType
        For anything that :class:`numpy.dtype` does not take.

    Examples
    --------
    >>> as_dtype("int16")
    dtype('int16')
    >>> as_dtype("junk")
    Traceback (most recent call last):
        ...
    thunderlike.errors.WrongType: dtype='junk' is not a dtype: ...
    """
    try:
        return np.dtype(dtype)
    except (TypeError, ValueError, SyntaxError) as error:  # numpy's, for one text or another
        raise WrongType(
            f"{name}={dtype!r} is not a dtype: give one of numpy's, such as 'float32'"
        ) from error


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
    WrongType
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
    thunderlike.errors.WrongType: the values are a masked array with 1 masked element, ...
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
        count = int(np.ma.count_masked(values))
        raise WrongType(
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
    if given.kind not in "mM" and np.can_cast(given, dtype, "safe"):  # a finer unit may overflow
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
    """Where a cast between numbers stayed in range, though casting back undoes it if it did not.

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


FOREIGN = (TypeError, ValueError, ArithmeticError, LookupError, MemoryError)


"""What numpy and scipy raise for what they are given."""


def typed(what: str, error: Exception) -> ThunderlikeError:
    """Return the error of the package for one of numpy or scipy.

    Examples
    --------
    >>> typed("max", TypeError("no loop for text"))
    WrongType('max: no loop for text')
    """
    if isinstance(error, MemoryError):
        return EngineError(f"{what}: there is not enough memory: {error}")
    kinds = {TypeError: WrongType, IndexError: BadIndex, KeyError: KeyMissing}
    kind = next((ours for theirs, ours in kinds.items() if isinstance(error, theirs)), SpecError)
    return kind(f"{what}: {error}")


@contextmanager
def typed_errors(what: str) -> Iterator[None]:
    """Raise the errors of numpy and scipy inside as errors of the package, on workers too.

    Raises
    ------
    WrongType
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


def checked_arguments(function: Callable[P, R]) -> Callable[P, R]:
    """Have a function check the types of its arguments before it runs, and type its errors.

    What numpy and scipy raise for arguments that no annotation tells apart becomes an error of the
    package, with the name of the function.

    Parameters
    ----------
    function : callable
        Its annotations must be text, as ``from __future__ import annotations`` makes them.

    Raises
    ------
    WrongType
        From the function returned: for an argument of another type, with its name.

    Examples
    --------
    >>> @checked_arguments
    ... def repeat(text: str, times: int | None = None) -> str:
    ...     return text * (times or 2)
    >>> repeat("ab", 3)
    'ababab'
    >>> repeat("ab", "3")
    Traceback (most recent call last):
        ...
    thunderlike.errors.WrongType: repeat: times must be a whole number or None, not '3'
    """
    parameters = inspect.signature(function).parameters.values()
    expected = {p.name: found for p in parameters if (found := _expected(p)) is not None}
    names = tuple(p.name for p in parameters if p.kind in _BY_POSITION)
    title = getattr(function, "__name__", "function")
    refuse, as_ours = functools.partial(_refuse, title), functools.partial(typed, title)
    foreign, ours = FOREIGN, ThunderlikeError

    def call(*args: Any, **keywords: Any) -> Any:
        for name, value in (*zip(names, args, strict=False), *keywords.items()):
            one = expected.get(name)
            if one is not None and not one.allows(value):
                refuse(name, one, value)
        try:
            return function(*args, **keywords)
        except ours:
            raise
        except foreign as error:
            raise as_ours(error) from error

    # In the globals of the function, by which doctest finds the module that an object belongs to.
    made: Any = types.FunctionType(
        call.__code__, getattr(function, "__globals__", {}), None, None, call.__closure__
    )
    checking: Callable[P, R] = functools.update_wrapper(made, function)
    return checking


def checked_methods(kind: Kind) -> Kind:
    """Have every public method that a class defines check the types of its arguments.

    Parameters
    ----------
    kind : type
        Changed, and returned.
    """
    for name, method in tuple(vars(kind).items()):
        if inspect.isfunction(method) and not name.startswith("_"):
            setattr(kind, name, checked_arguments(method))
    return kind


_BY_POSITION = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


class _Expected:
    """What one parameter takes: a value that passes one of the tests."""

    def __init__(self, tests: list[Callable[[Any], bool]], words: list[str]) -> None:
        self._tests, self.words = tests, " or ".join(words)

    def allows(self, value: Any) -> bool:
        return any(test(value) for test in self._tests)


def _expected(parameter: inspect.Parameter) -> _Expected | None:
    """What a parameter takes, None for anything."""
    text = str(parameter.annotation)
    if parameter.name == "dtype" and text == "Any":
        text = "DTypeLike | None"
    parts = [part.strip() for part in _alternatives(text)]
    kinds = [_kind(part) for part in parts]
    if any(kind is None for kind in kinds) or parameter.kind not in _CHECKED:
        return None
    if {"int", "str"} <= set(parts):  # a number or one of some words: the function names them
        return None
    known = [kind for kind in kinds if kind is not None]
    return _Expected([test for test, _ in known], [words for _, words in known])


_CHECKED = (*_BY_POSITION, inspect.Parameter.KEYWORD_ONLY)


def _refuse(function: str, name: str, expected: _Expected, value: Any) -> None:
    shown = repr(value)
    if len(shown) > 60 or "\n" in shown:
        shown = f"a value of type {type(value).__name__}"
    raise WrongType(f"{function}: {name} must be {expected.words}, not {shown}")


def _alternatives(annotation: str) -> list[str]:
    """The parts of a union, ``"int | tuple[int | str, ...]"`` has two."""
    return re.split(r"\|(?![^\[]*\])", annotation)


def _kind(annotation: str) -> tuple[Callable[[Any], bool], str] | None:
    """A test for a type, and its name in words."""
    if annotation.startswith("Literal["):
        choices = ast.literal_eval(f"({annotation[len('Literal[') : -1]},)")
        return functools.partial(_is_one_of, choices), " or ".join(map(repr, choices))
    return _KINDS.get(annotation) or _KINDS.get(annotation.partition("[")[0])


def _is_number(value: Any) -> bool:
    # Fractions where whole numbers are wanted are for the function: it knows why.
    if isinstance(value, np.ndarray):
        return value.ndim == 0 and value.dtype.kind in "iuf"
    return isinstance(value, Real) and not isinstance(value, bool)


def _is_sequence(value: Any) -> bool:
    return isinstance(value, Iterable) and not isinstance(value, str | bytes | Mapping)


def _is_numbers(value: Any) -> bool:
    if isinstance(value, np.ndarray):
        return value.ndim == 1 and value.dtype.kind in "iuf"
    return _is_sequence(value) and all(map(_is_number, value))


def _is_dtype(value: Any) -> bool:
    try:
        as_dtype(value)
    except WrongType:
        return False
    return True


def _is_one_of(choices: tuple[Any, ...], value: Any) -> bool:
    return isinstance(value, str) and value in choices


def _is(*classes: type) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, classes)


_WHOLE, _FLOAT = "a whole number", "a number"


_KINDS: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "None": (lambda value: value is None, "None"),
    "int": (_is_number, _WHOLE),
    "float": (_is_number, _FLOAT),
    "bool": (_is(bool, np.bool_), "True or False"),
    "str": (_is(str), "text"),
    "Callable": (callable, "a function"),
    "Mapping": (_is(Mapping), "a mapping"),
    "DTypeLike": (_is_dtype, "a dtype of numpy, such as 'float32',"),
    "Shape": (lambda value: _is_number(value) or _is_numbers(value), "a tuple of whole numbers"),
    "tuple[int, ...]": (_is_numbers, "a tuple of whole numbers"),
    "Sequence[int]": (_is_numbers, "a sequence of whole numbers"),
    "Sequence[float]": (_is_numbers, "a sequence of numbers"),
    "Sequence[str]": (lambda value: _is_sequence(value) and all(map(_is(str), value)), "texts"),
    "Sequence[Any]": (_is_sequence, "a sequence"),
    "Iterable[Any]": (_is_sequence, "a sequence"),
}
