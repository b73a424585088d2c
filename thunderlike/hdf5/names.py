"""What entries are called: keys that HDF5, PyTables or deepdish cannot hold get another name.

The true key stands in the metadata of the group. Other readers see the other name.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from thunderlike.errors import SpecError

if TYPE_CHECKING:
    from collections.abc import Iterable

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


def key_to_json(key: Any) -> Any:
    """Spell a key as JSON.

    Raises
    ------
    SpecError
        For a key of another type than str, int, float, bool, None, bytes, or a tuple of them.

    Examples
    --------
    >>> key_to_json((1, "a"))
    ['tuple', [['int', '0x1'], 'a']]
    """
    kind = type(key)
    if kind is str or key is None:
        return key
    if kind is tuple:
        return ["tuple", [key_to_json(part) for part in key]]
    if kind in _SPELLED:
        return [kind.__name__, _SPELLED[kind](key)]
    raise SpecError(
        f"a key is str, int, float, bool, None, bytes or a tuple of them, not {kind.__name__}"
    )


def key_from_json(spelled: Any) -> Any:
    """Read a key that :func:`key_to_json` spelled.

    Examples
    --------
    >>> key_from_json(key_to_json((1, "a", None)))
    (1, 'a', None)
    """
    if spelled is None or isinstance(spelled, str):
        return spelled
    kind, text = spelled
    if kind == "tuple":
        return tuple(key_from_json(part) for part in text)
    return _READ[kind](text)


_SPELLED: dict[type, Any] = {
    bool: str,
    int: hex,
    float: float.hex,
    bytes: bytes.hex,
}
_READ: dict[str, Any] = {
    "bool": "True".__eq__,
    "int": lambda text: int(text, 16),
    "float": float.fromhex,
    "bytes": bytes.fromhex,
}
