"""Pickles: policies for reading them, and wrappers of values for saving."""

from __future__ import annotations

import importlib
import io
import pickle
import pickletools
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from thunderlike.errors import Hdf5Error, RefusedError

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

# Names in pickles of arrays. None of them runs code of the pickle: `_codecs.encode` makes bytes.
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
        # Pickles of Python 2 hold the bytes of arrays as text, which latin1 maps one to one.
        super().__init__(stream, encoding="latin1")
        self._policy = policy

    def find_class(self, module: str, name: str) -> Any:
        """Return the class or function of a name, if the policy allows it."""
        if (module, name) == ("deepdish.io.hdf5io", "ForcePickle"):
            # Files of deepdish name its class, which is not installed.
            return ForcePickle
        if self._policy != "refuse" and (module, name) in _ARRAYS:
            # numpy 2 warns about the old name of its core; Python 2 named builtins otherwise.
            module = module.replace("numpy.core.", "numpy._core.")
            module = module.replace("__builtin__", "builtins")
            return getattr(importlib.import_module(module), name)
        if self._policy == "allow":
            return super().find_class(module, name)
        arrays = "arrays do not need it; "
        if self._policy == "refuse":
            arrays = "pickle='restricted' allows arrays, "
        raise RefusedError(
            f"is a pickle that asks for {module}.{name}; {arrays}pickle='allow' runs any code in it"
        )


def _check_memory(data: bytes) -> None:
    """Refuse a memo of billions of entries in a pickle of a few bytes: it is allocated at once."""
    asked = 0
    with suppress(ValueError, IndexError, UnicodeDecodeError):  # not a pickle: the unpickler raises
        for code, argument, _ in pickletools.genops(data):
            # The other codes that store in the memo count on from its length, or have one byte.
            if code.name in ("LONG_BINPUT", "PUT"):
                asked = max(asked, int(argument or 0))
    if asked > len(data):
        raise RefusedError(
            f"is a pickle that asks for {asked} places in memory, and has {len(data)}"
        )
