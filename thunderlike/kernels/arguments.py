"""Types of arguments, checked against the annotations of a signature when a function is called.

An argument in the wrong place often means something where it stands: an engine where a number of
partitions is expected was ignored on one engine and failed in Java on the other. Annotations say
what is expected already; this module reads those that are numbers, text, functions and sequences of
them. Other annotations, and `Any`, are left to the function.
"""

from __future__ import annotations

import ast
import functools
import inspect
import re
import types
from collections.abc import Iterable, Mapping
from numbers import Real
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import numpy as np

from thunderlike.errors import ThunderlikeError, WrongType
from thunderlike.kernels.checks import FOREIGN, as_dtype, typed

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["checked_arguments", "checked_methods"]

P = ParamSpec("P")
R = TypeVar("R")
Kind = TypeVar("Kind", bound=type)


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
