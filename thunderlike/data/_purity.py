"""Purity of functions: those that compute with numpy alone, of a record that they cannot modify.

A map gives such a function views of the records, any other one copies.
"""

from __future__ import annotations

import builtins
import dis
import types
from functools import cache, partial
from typing import Any

import numpy as np

__all__ = ["is_pure"]

_DISPATCHED = type(np.mean)  # the functions of numpy that other array libraries replace
_NUMBERS = (bool, int, float, complex, str, slice, np.number, np.bool_, np.dtype, type(None))
_BUILTINS = (abs, bool, complex, enumerate, float, int, len, max, min, range, round, sum, zip)

# Attributes of arrays. Not among them: `base`, `data`, `ctypes` and `flags`, which lead to memory
# that can be written to.
_OF_ARRAYS = frozenset(
    {"T", "all", "any", "argmax", "argmin", "argpartition", "argsort", "astype", "clip"}
    | {"compress", "conj", "conjugate", "copy", "cumprod", "cumsum", "diagonal", "dot", "dtype"}
    | {"flatten", "imag", "item", "max", "mean", "min", "nbytes", "ndim", "nonzero", "prod"}
    | {"ravel", "real", "repeat", "reshape", "round", "searchsorted", "shape", "size", "squeeze"}
    | {"std", "sum", "swapaxes", "take", "trace", "transpose", "var"}
)
# Names of numpy, except its functions and types.
_OF_NUMPY = frozenset(
    {"arange", "array", "asarray", "e", "empty", "fft", "full", "inf", "linalg", "linspace"}
    | {"nan", "newaxis", "ones", "pi", "zeros"}
)
_FILES = {"save", "savetxt", "savez", "savez_compressed"}


def is_pure(function: object) -> bool:
    """Return whether a function is certain to compute with numpy alone.

    It then has no effects: it does not keep its argument, and numpy raises an error where it
    writes into one that is read-only. True for functions of numpy, and for Python functions that
    name nothing but these, numbers, arrays of numbers, methods of arrays and a few builtins. Any
    doubt is False.

    Examples
    --------
    >>> gain, seen = 2.5, []
    >>> is_pure(np.sqrt), is_pure(lambda image: gain * image.mean(axis=0))
    (True, True)
    >>> is_pure(seen.append), is_pure(lambda image: seen.append(image))
    (False, False)
    """
    if isinstance(function, partial):
        given = (*function.args, *function.keywords.values())
        return is_pure(function.func) and all(map(_is_harmless, given))
    if isinstance(function, types.FunctionType):
        return _computes(function)
    return _is_numpys(function)


def _is_numpys(value: object) -> bool:
    if isinstance(value, np.ufunc):
        return "O" not in value.types[0]  # of objects alone: made from a Python function
    name, module = getattr(value, "__name__", ""), getattr(value, "__module__", None) or ""
    if type(value) is not _DISPATCHED or name in _FILES:
        return False
    return module in {"numpy", "numpy.linalg", "numpy.fft"}


def _is_harmless(value: object) -> bool:
    """Return whether a function may use a value and stay pure."""
    if isinstance(value, np.ndarray):
        return type(value) is np.ndarray and not value.dtype.hasobject
    if isinstance(value, tuple):
        return all(map(_is_harmless, value))
    if isinstance(value, type):
        return issubclass(value, np.generic) or value in _BUILTINS
    known = value is np or value in (np.linalg, np.fft) or _is_numpys(value)
    return known or isinstance(value, _NUMBERS) or any(value is one for one in _BUILTINS)


def _computes(function: types.FunctionType) -> bool:
    """Return whether all that the code of a Python function names is harmless."""
    code = function.__code__
    # Nested functions, generators, and handlers of errors, which would hide those of numpy.
    if code.co_cellvars or code.co_flags & _LAZY or code.co_exceptiontable:
        return False
    if any(isinstance(constant, types.CodeType) for constant in code.co_consts):
        return False
    if any(step.opname.startswith(_STORES) for step in dis.get_instructions(code)):
        return False
    names = {name: _named(function, name) for name in code.co_names}
    if any(found is _ATTRIBUTE and name not in _attributes() for name, found in names.items()):
        return False
    try:
        enclosed = [cell.cell_contents for cell in function.__closure__ or ()]
    except ValueError:  # assigned later
        return False
    defaults = (*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values())
    values = [found for found in names.values() if found is not _ATTRIBUTE]
    return all(map(_is_harmless, (*values, *enclosed, *defaults)))


_LAZY = 0x20 | 0x80 | 0x200  # flags of code: generator, coroutine, asynchronous generator
_STORES = ("STORE_GLOBAL", "STORE_DEREF", "STORE_ATTR", "STORE_NAME", "DELETE", "IMPORT", "YIELD")
_ATTRIBUTE = object()


def _named(function: types.FunctionType, name: str) -> Any:
    """Value of a global name; `_ATTRIBUTE` if there is none, so that it names an attribute."""
    found = function.__globals__.get(name, _ATTRIBUTE)
    return getattr(builtins, name, _ATTRIBUTE) if found is _ATTRIBUTE else found


@cache
def _attributes() -> frozenset[str]:
    """Names of methods of arrays, and of functions and types of numpy."""
    spaces = (np, np.linalg, np.fft)
    names = {name for space in spaces for name in dir(space) if _is_harmless(getattr(space, name))}
    return _OF_ARRAYS | _OF_NUMPY | names
