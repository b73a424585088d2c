"""What entries are called: keys that HDF5, PyTables or deepdish cannot hold get another name.

The true key stands in the metadata of the group. Other readers see the other name.
"""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike.errors import Hdf5Error, SpecError
from thunderlike.hdf5 import pickles, scalars

if TYPE_CHECKING:
    from collections.abc import Iterable

    from thunderlike.hdf5.pickles import Policy

__all__ = ["HIDDEN", "SYSTEM", "entry_names", "key_from_json", "key_to_json"]

HIDDEN = "DEEPDISH_IO"  # deepdish skips every attribute that begins so, and so do we
SYSTEM = {"CLASS", "VERSION", "TITLE", "FILTERS", "FLAVOR", "EXTDIM", "PYTABLES_FORMAT_VERSION"}

# What PyTables and deepdish take for something of their own, and what no link may be called.
_FORBIDDEN = re.compile(r"\.|_[vfgci]_.*|__pair.*|DEEPDISH_IO.*|%.*|pandas_.*|", re.DOTALL)
_UNFIT = re.compile(r"[/\0\ud800-\udfff]")
_LONGEST = 200


def entry_names(keys: Iterable[Any]) -> dict[str, Any]:
    """Give each key of a dictionary a name: its own where that can be.

    Examples
    --------
    >>> entry_names(["a", "TITLE", "x/y", 5])
    {'a': 'a', '%TITLE': 'TITLE', '%x_y': 'x/y', '%5': 5}
    """
    named: dict[str, Any] = {}
    for key in keys:
        name = key if isinstance(key, str) and _fits(key) else _escaped(key)
        named[_free(name, named)] = key
    return named


def _fits(key: str) -> bool:
    return not (
        key in SYSTEM or len(key) > _LONGEST or _UNFIT.search(key) or _FORBIDDEN.fullmatch(key)
    )


def _escaped(key: Any) -> str:
    return "%" + _UNFIT.sub("_", str(key))[:_LONGEST]


def _free(name: str, taken: dict[str, Any]) -> str:
    number, free = 2, name
    while free in taken:
        free, number = f"{name}~{number}", number + 1
    return free


def key_to_json(key: Any, *, pickle: bool = False) -> Any:
    """Spell a key as JSON; numpy's scalars as Python's, to which they are equal.

    Parameters
    ----------
    pickle : bool
        Pickle keys that nothing else can be made of.

    Raises
    ------
    SpecError
        For such a key when it may not be pickled.

    Examples
    --------
    >>> key_to_json((1, "a"))
    ['tuple', [['int', '0x1'], 'a']]
    """
    kind = type(key)
    if kind is str or key is None:
        return key
    if kind in _SPELLED:
        return [kind.__name__, _SPELLED[kind](key)]
    if kind is tuple:
        return ["tuple", [key_to_json(part, pickle=pickle) for part in key]]
    if kind is frozenset:  # in an order of its own: equal data are equal bytes
        return ["frozenset", sorted((key_to_json(part, pickle=pickle) for part in key), key=repr)]
    if isinstance(key, np.bool_ | np.number | np.str_ | np.bytes_) and type(key.item()) in _PLAIN:
        return key_to_json(key.item(), pickle=pickle)
    stored = scalars.encode(key) if kind.__module__ in _WITH_CODES else None
    if stored is not None and isinstance(stored[0], str):
        return ["scalar", stored[1], stored[0]]
    if pickle:
        return ["pickle", base64.b64encode(pickles.dumps(key)).decode("ascii")]
    raise SpecError(
        f"the key {key!r:.60} is a {kind.__name__}; keys are text, numbers, bytes, None, dates, "
        "paths, or tuples and frozensets of them: convert it, or let it be pickled by "
        "pickle='allow'"
    )


def key_from_json(spelled: Any, policy: Policy = "refuse") -> Any:
    """Read a key that :func:`key_to_json` spelled; `policy` says what a pickled one may do.

    Raises
    ------
    Refused
        For a pickled key that asks for what the policy does not allow.
    Hdf5Error
        For what is not a key.

    Examples
    --------
    >>> key_from_json(key_to_json((1, "a", None)))
    (1, 'a', None)
    """
    if spelled is None or isinstance(spelled, str):
        return spelled
    try:
        kind, *rest = spelled
        if kind in ("tuple", "frozenset"):
            parts = [key_from_json(part, policy) for part in rest[0]]
            return tuple(parts) if kind == "tuple" else frozenset(parts)
        if kind == "scalar":
            return scalars.decode(np.str_(rest[1]), str(rest[0]), {})
        if kind == "pickle":
            found = pickles.loads(base64.b64decode(rest[0]), policy)
            hash(found)
            return found
        return _READ[kind](rest[0])
    except (KeyError, TypeError, IndexError, ValueError, OverflowError) as error:
        if isinstance(error, Hdf5Error):
            raise
        raise Hdf5Error(f"says a key that cannot be read: {spelled!r:.60}") from error


_SPELLED: dict[type, Any] = {
    bool: str,
    int: hex,
    float: float.hex,
    bytes: bytes.hex,
    complex: lambda key: [key.real.hex(), key.imag.hex()],
}
_PLAIN = {*_SPELLED, str}
_WITH_CODES = {"datetime", "decimal", "uuid", "pathlib", "pathlib._local", "builtins"}
_READ: dict[str, Any] = {
    "bool": "True".__eq__,
    "int": lambda text: int(text, 16),
    "float": float.fromhex,
    "bytes": bytes.fromhex,
    "complex": lambda parts: complex(*map(float.fromhex, parts)),
}
