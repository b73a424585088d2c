"""Types of arguments, checked against the annotations of a signature when a function is called.

An argument in the wrong position may be accepted there: an engine passed as a number of partitions
was ignored on one engine and failed in Java on the other. This module checks annotations that are
numbers, text, functions and sequences of them. Other annotations, and `Any`, are left to the
function.
"""

from __future__ import annotations

import ast
import functools
import inspect
import itertools
import re
import sys
import types
from collections.abc import Iterable, Mapping
from numbers import Real
from typing import TYPE_CHECKING, Any, ParamSpec, TypeGuard, TypeVar

from thunderlike.errors import (
    BadIndexError,
    EngineError,
    KeyMissingError,
    SpecError,
    ThunderlikeError,
    WrongTypeError,
)

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "FOREIGN",
    "caller_level",
    "checked_arguments",
    "checked_methods",
    "checked_methods_types",
    "checked_types",
    "typed",
]

P = ParamSpec("P")
R = TypeVar("R")
Kind = TypeVar("Kind", bound=type)


FOREIGN = (TypeError, ValueError, ArithmeticError, LookupError, MemoryError)
"""Exceptions that numpy and scipy raise for invalid arguments."""
_FOREIGN = (*FOREIGN, AttributeError)  # an argument without an attribute of its type


def typed(what: str, error: Exception) -> ThunderlikeError:
    """Return the error of the package for one of numpy or scipy.

    Examples
    --------
    >>> typed("max", TypeError("no loop for text"))
    WrongTypeError('max: no loop for text')
    """
    if isinstance(error, MemoryError):
        return EngineError(f"{what}: there is not enough memory: {error}")
    kinds = {
        TypeError: WrongTypeError,
        AttributeError: WrongTypeError,
        IndexError: BadIndexError,
        KeyError: KeyMissingError,
    }
    kind = next((ours for theirs, ours in kinds.items() if isinstance(error, theirs)), SpecError)
    return kind(f"{what}: {error}")


def caller_level() -> int:
    """Return the `stacklevel` at which a warning names the line that called this package."""
    frame, level = sys._getframe(1), 1
    while frame.f_back and str(frame.f_globals.get("__name__")).startswith("thunderlike."):
        frame, level = frame.f_back, level + 1
    return level


def checked_arguments(function: Callable[P, R]) -> Callable[P, R]:
    """Have a function check the types of its arguments before it runs, and type its errors.

    Exceptions of numpy and scipy for arguments that no annotation excludes are raised as errors of
    the package, with the name of the function.

    Parameters
    ----------
    function : callable
        Its annotations must be text, as ``from __future__ import annotations`` makes them.

    Raises
    ------
    WrongTypeError
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
    thunderlike.errors.WrongTypeError: repeat: times must be a whole number or None, not '3'
    """
    return _checking(function, _FOREIGN)


def checked_types(function: Callable[P, R]) -> Callable[P, R]:
    """Have a function check the types of its arguments; its errors stay what they are.

    For functions that call one of the user's, whose errors are the user's as well.

    Examples
    --------
    >>> @checked_types
    ... def twice(function: Callable[[], Any]) -> Any:
    ...     return function(), function()
    >>> twice(3)
    Traceback (most recent call last):
        ...
    thunderlike.errors.WrongTypeError: twice: function must be a function, not 3
    """
    return _checking(function, ())


def _checking(function: Callable[P, R], foreign: tuple[type[Exception], ...]) -> Callable[P, R]:
    parameters = inspect.signature(function).parameters.values()
    expected = {p.name: found for p in parameters if (found := _expected(p)) is not None}
    names: Iterable[str] = [p.name for p in parameters if p.kind in _BY_POSITION]
    rest = next((p.name for p in parameters if p.kind is p.VAR_POSITIONAL), None)
    if rest in expected:
        names = itertools.chain(names, itertools.repeat(rest, _MOST_CHECKED))
    names = tuple(names)
    title = str(getattr(function, "__name__", "function"))
    if title == "__init__":  # errors name the class, as its caller does
        title = str(function.__qualname__).rpartition(".")[0].rpartition(".")[2]
    # Bound here, since `call` runs with the globals of `function`, not with those of this module.
    refuse, as_ours = functools.partial(_refuse, title), functools.partial(typed, title)
    ours = ThunderlikeError

    def call(*args: P.args, **keywords: P.kwargs) -> R:
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
        except Exception as error:
            # numpy's MaskError, whose module is not imported here: it takes a while.
            if foreign and type(error).__module__ == "numpy.ma.core":
                raise as_ours(error) from error
            raise

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
    return _checking_methods(kind, checked_arguments)


def checked_methods_types(kind: Kind) -> Kind:
    """Have the methods of a class, and its making, check types; their errors stay what they are.

    Parameters
    ----------
    kind : type
        Changed, and returned.
    """
    return _checking_methods(kind, checked_types)


def _checking_methods(kind: Kind, check: Callable[[Any], Any]) -> Kind:
    for name, method in tuple(vars(kind).items()):
        if name.startswith("_") and name != "__init__":
            continue
        if inspect.isfunction(method):
            setattr(kind, name, check(method))
        elif isinstance(method, classmethod | staticmethod):
            setattr(kind, name, type(method)(check(method.__func__)))
    return kind


_BY_POSITION = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


class _Expected:
    """Accepted values of a parameter: those that pass one of the tests."""

    def __init__(self, tests: list[Callable[[Any], bool]], words: list[str]) -> None:
        self._tests, self.words = tests, " or ".join(words)

    def allows(self, value: object) -> bool:
        return any(test(value) for test in self._tests)


def _expected(parameter: inspect.Parameter) -> _Expected | None:
    """Return the accepted values of a parameter, None for anything."""
    text = str(parameter.annotation)
    if parameter.name == "dtype" and text == "Any":
        text = "DTypeLike | None"
    # Split at the bars of the union, not at those within brackets: ``tuple[int | str, ...]``.
    parts = [part.strip() for part in re.split(r"\|(?![^\[]*\])", text)]
    kinds = [_kind(part) for part in parts]
    # One part that is not known here may accept anything.
    if any(kind is None for kind in kinds) or parameter.kind not in _CHECKED:
        return None
    if {"int", "str"} <= set(parts):  # a number or one of some words: the function names them
        return None
    known = [kind for kind in kinds if kind is not None]
    return _Expected([test for test, _ in known], [words for _, words in known])


_CHECKED = (*_BY_POSITION, inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.VAR_POSITIONAL)
_MOST_CHECKED = 1000  # arguments of one call


def _refuse(function: str, name: str, expected: _Expected, value: object) -> None:
    shown = repr(value)
    # An error is one line, and the repr of an array may be many.
    if len(shown) > 60 or "\n" in shown:
        shown = f"a value of type {type(value).__name__}"
    raise WrongTypeError(f"{function}: {name} must be {expected.words}, not {shown}")


def _kind(annotation: str) -> tuple[Callable[[Any], bool], str] | None:
    """A test for a type, and its name in words."""
    if annotation.startswith("Literal["):
        choices = ast.literal_eval(f"({annotation[len('Literal[') : -1]},)")

        def is_one(value: object) -> bool:
            # Text alone: an array compared with a choice has no single truth value.
            return isinstance(value, str) and value in choices

        return is_one, " or ".join(map(repr, choices))
    return _KINDS.get(annotation) or _KINDS.get(annotation.partition("[")[0])


# Arrays are known by what they have: processes that never see one start without numpy.


def _is_number(value: object) -> bool:
    # Fractions where whole numbers are wanted are for the function: it knows why.
    kind = getattr(getattr(value, "dtype", None), "kind", None)
    if kind is not None:
        return getattr(value, "ndim", None) == 0 and kind in "iuf"
    return isinstance(value, Real) and not isinstance(value, bool)


def _is_sequence(value: object) -> TypeGuard[Iterable[object]]:
    iterable = isinstance(value, Iterable) and not isinstance(value, str | bytes | Mapping)
    return iterable and getattr(value, "ndim", 1) != 0


def _is_numbers(value: object) -> bool:
    if hasattr(value, "dtype"):
        return getattr(value, "ndim", None) == 1 and value.dtype.kind in "iuf"
    return _is_sequence(value) and all(map(_is_number, value))


def _is_bool(value: object) -> bool:
    if isinstance(value, bool):
        return True
    kind = getattr(getattr(value, "dtype", None), "kind", None)
    return kind == "b" and not hasattr(value, "__array_finalize__")  # no array


def _is_dtype(value: Any) -> bool:
    import numpy as np  # here, for the processes that never see an array

    try:
        np.dtype(value)
    except (TypeError, ValueError, SyntaxError):
        return False
    return True


def _is(*classes: type) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, classes)


_WHOLE, _FLOAT = "a whole number", "a number"
_KINDS: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "None": (lambda value: value is None, "None"),
    "int": (_is_number, _WHOLE),
    "float": (_is_number, _FLOAT),
    "bool": (_is_bool, "True or False"),
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
    "Iterable[Iterable[Any]]": (_is_sequence, "a sequence of sequences"),
    "type[Batch]": (_is(type), "a class"),
    "Cut": (_is(tuple), "a cut of an index"),
    "dict[str, Any]": (_is(Mapping), "a dictionary"),
}
