"""Pickled members: policies, and wrappers that choose one."""

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
    """Pickle this value: `load` gives it back with ``pickle='allow'`` only.

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
    """Compress the arrays of this value in their own way, as the argument of `save` would.

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


def dumps(value: Any) -> bytes:
    """Pickle a value."""
    return pickle.dumps(value, protocol=4)  # the newest that deepdish's Pythons read


def loads(data: bytes, policy: Policy) -> Any:
    """Unpickle as far as the policy allows.

    Raises
    ------
    RefusedError
        When it names what is not allowed.
    Hdf5Error
        When it is damaged.

    Examples
    --------
    >>> loads(dumps([1, "a"]), "refuse")
    [1, 'a']
    >>> loads(dumps(print), "restricted")
    Traceback (most recent call last):
    ...
    thunderlike.errors.RefusedError: is a pickle that asks for builtins.print; ...
    """
    if policy != "allow":
        _check_memory(data)
    try:
        found = _Reader(io.BytesIO(data), policy).load()
    except RefusedError:
        raise
    except Exception as error:
        raise Hdf5Error(f"is a pickle that cannot be read: {error or type(error)}") from error
    return found.obj if isinstance(found, ForcePickle) else found


def from_attribute(data: bytes, policy: Policy) -> Any:
    """Return what PyTables would make of bytes that end in a dot: a value if they are a pickle.

    Raises
    ------
    RefusedError
        For a pickle that names what is not allowed. Bytes that only look like one stay bytes.
    """
    try:
        return loads(data, policy)
    except RefusedError:
        raise
    except Hdf5Error:
        return data


class _Reader(pickle.Unpickler):
    """Looks every name up in the policy first."""

    def __init__(self, stream: io.BytesIO, policy: Policy) -> None:
        super().__init__(stream, encoding="latin1")
        self._find = _FINDERS[policy]

    def find_class(self, module: str, name: str) -> Any:
        """Return what the pickle names, if it may."""
        if (module, name) == ("deepdish.io.hdf5io", "ForcePickle"):
            return ForcePickle
        return self._find(super().find_class, module, name)


def _nothing(_: Callable[[str, str], Any], module: str, name: str) -> Any:
    raise RefusedError(
        f"is a pickle that asks for {module}.{name}; pickle='restricted' allows arrays, "
        "pickle='allow' runs whatever it asks for"
    )


def _arrays(_: Callable[[str, str], Any], module: str, name: str) -> Any:
    if (module, name) not in _ARRAYS:
        raise RefusedError(
            f"is a pickle that asks for {module}.{name}; it names more than arrays are made of, "
            "and pickle='allow' runs whatever it asks for"
        )
    # numpy 2 moved its core, and warns of the old name; Python 2 had another for its own.
    module = module.replace("numpy.core.", "numpy._core.").replace("__builtin__", "builtins")
    return getattr(importlib.import_module(module), name)


def _anything(find: Callable[[str, str], Any], module: str, name: str) -> Any:
    if (module, name) in _ARRAYS:
        return _arrays(find, module, name)
    return find(module, name)


_FINDERS = {"refuse": _nothing, "restricted": _arrays, "allow": _anything}


def _check_memory(data: bytes) -> None:
    """Refuse a memo of billions of places in a pickle of a few bytes: it is made at once."""
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
        return  # no pickle: the reader says so
