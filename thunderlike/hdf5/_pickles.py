"""Pickles: policies for reading them, and wrappers of values for saving."""

from __future__ import annotations

import importlib
import io
import pickle
import pickletools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from thunderlike.errors import Hdf5Error, RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = [
    "Compression",
    "ForcePickle",
    "Policy",
    "dumps",
    "from_attribute",
    "loads",
]


@dataclass(frozen=True, eq=False)
class ForcePickle:
    """Pickle this value: `load` returns it with ``pickle='allow'`` only.

    Examples
    --------
    >>> import thunderlike as tl
    >>> tl.save("memory://forced.h5", {"f": tl.hdf5.ForcePickle(abs)})
    >>> tl.load("memory://forced.h5", "/f", pickle="allow")
    <built-in function abs>
    """

    obj: Any


@dataclass(frozen=True, eq=False)
class Compression:
    """Compress the arrays of this value as the argument `compression` of `save` does.

    Examples
    --------
    >>> import numpy as np, thunderlike as tl
    >>> plain = tl.hdf5.Compression(np.zeros(1000), None)
    >>> tl.save("memory://own.h5", {"plain": plain, "packed": np.zeros(1000)})
    >>> print(tl.hdf5.ls("memory://own.h5").text(compression=True))
    /packed            array (1000,) [float64] zlib lvl1
    /plain             array (1000,) [float64] none
    """

    obj: Any
    compression: Any = "default"


Policy: TypeAlias = Literal["refuse", "restricted", "allow"]

_ARRAYS = {
    *((b, n) for b in ("builtins", "__builtin__") for n in ("complex", "range", "set")),
    ("_codecs", "encode"),
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    *(
        (f"numpy.{core}.{module}", name)
        for core in ("core", "_core")
        for module, name in (
            ("multiarray", "_reconstruct"),
            ("multiarray", "scalar"),
            ("numeric", "_frombuffer"),
        )
    ),
}


def dumps(value: object) -> bytes:
    """Pickle a value."""
    return pickle.dumps(value, protocol=4)  # the newest that deepdish reads


def loads(data: bytes, policy: Policy) -> Any:
    """Unpickle as far as the policy allows.

    Raises
    ------
    RefusedError
        If it names a class or function that is not allowed.
    Hdf5Error
        If it is damaged.

    Examples
    --------
    >>> loads(dumps([1, "a"]), "refuse")
    [1, 'a']
    >>> loads(dumps(print), "restricted")
    Traceback (most recent call last):
    ...
    thunderlike.errors.RefusedError: is a pickle that asks for builtins.print; ...
    """
    # Plain values name no class: under 'refuse' pickles of numbers and text are loaded.
    if policy != "allow":
        _check_memory(data)
    try:
        value = _Unpickler(io.BytesIO(data), policy).load()
    except RefusedError:
        raise
    except Exception as error:
        raise Hdf5Error(f"is a pickle that cannot be read: {error or type(error)}") from error
    return value.obj if isinstance(value, ForcePickle) else value


def from_attribute(data: bytes, policy: Policy) -> Any:
    """Return the value of bytes that end in a dot, which PyTables unpickles; other bytes as such.

    Raises
    ------
    RefusedError
        For a pickle that names a class or function that is not allowed.
    """
    try:
        return loads(data, policy)
    except RefusedError:
        raise
    except Hdf5Error:
        return data


class _Unpickler(pickle.Unpickler):
    """Unpickler that checks every name against the policy."""

    def __init__(self, stream: io.BytesIO, policy: Policy) -> None:
        super().__init__(stream, encoding="latin1")
        self._find = _FINDERS[policy]

    def find_class(self, module: str, name: str) -> Any:
        """Return the class or function of a name, if the policy allows it."""
        if (module, name) == ("deepdish.io.hdf5io", "ForcePickle"):
            # Files of deepdish name its class, which is not installed.
            return ForcePickle
        return self._find(super().find_class, module, name)


def _find_none(_: Callable[[str, str], Any], module: str, name: str) -> Any:
    raise RefusedError(
        f"is a pickle that asks for {module}.{name}; pickle='restricted' allows arrays, "
        "pickle='allow' runs any code in it"
    )


def _find_in_arrays(_: Callable[[str, str], Any], module: str, name: str) -> Any:
    if (module, name) not in _ARRAYS:
        raise RefusedError(
            f"is a pickle that asks for {module}.{name}; arrays do not need it; "
            "pickle='allow' runs any code in it"
        )
    # numpy 2 warns about the old name of its core; Python 2 had another name for builtins.
    module = module.replace("numpy.core.", "numpy._core.").replace("__builtin__", "builtins")
    return getattr(importlib.import_module(module), name)


def _find_any(find: Callable[[str, str], Any], module: str, name: str) -> Any:
    if (module, name) in _ARRAYS:
        return _find_in_arrays(find, module, name)
    return find(module, name)


_FINDERS = {"refuse": _find_none, "restricted": _find_in_arrays, "allow": _find_any}


def _check_memory(data: bytes) -> None:
    """Refuse a memo of billions of entries in a pickle of a few bytes: it is allocated at once."""
    asked = max(_memo_places(data), default=0)
    if asked > len(data):
        raise RefusedError(
            f"is a pickle that asks for {asked} places in memory, and has {len(data)}"
        )


def _memo_places(data: bytes) -> Iterator[int]:
    try:
        for code, argument, _ in pickletools.genops(data):
            if code.name in ("LONG_BINPUT", "PUT"):
                yield int(argument or 0)
    except (ValueError, IndexError, UnicodeDecodeError):
        return  # not a pickle: the unpickler raises
