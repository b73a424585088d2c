"""Single values, which are attributes of their group.

Each has a code in the metadata of the group, since HDF5 has integers of 64 bits but not the int of
Python. A code that does not fit the value in the file is ignored.
"""

from __future__ import annotations

import datetime as dt
import enum
import uuid
import zoneinfo
from decimal import Decimal
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike.errors import Hdf5Error

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["MAX_TEXT", "decode", "encode", "from_json", "to_json"]

# Bytes of text in an attribute, which HDF5 limits to 64 KiB with its description.
MAX_TEXT = 60_000

_INT64, _UINT64 = -(2**63), 2**64


def encode(value: object) -> tuple[Any, str] | None:
    """Return the value to store and its code; None for a value that is not a scalar.

    Examples
    --------
    >>> encode(5), encode(2**100)
    ((np.int64(5), 'int'), ('0x10000000000000000000000000', 'big'))
    """
    kind = type(value)
    # The exact class first: bool is a subclass of int, and datetime of date.
    if kind in _PLAIN:
        return _PLAIN[kind](value)
    if isinstance(value, enum.Enum):
        inner = encode(value.value)
        return None if inner is None else (inner[0], f"enum:{kind.__qualname__}:{inner[1]}")
    if isinstance(value, np.generic):
        return _numpy(value)
    if isinstance(value, np.ndarray):
        # Subclasses, such as masked arrays, hold more than the one value.
        if kind is not np.ndarray or value.ndim or value.dtype.kind not in "biufcmMUS":
            return None
        found = _numpy(value[()])
        return None if found is None else (found[0], f"array:{value.dtype.str}")
    if isinstance(value, PurePath):
        # A pure path of the other system must not be loaded as a path of this one.
        own = isinstance(value, type(Path()))
        return _if_fits(str(value), "path" if own else f"purepath:{type(value).__name__}")
    bases: tuple[Any, ...] = (bool, int, float, complex, str, bytes)
    base = next((base for base in bases if isinstance(value, base)), None)
    # The constructor of a subclass is unknown.
    return None if base is None else _PLAIN[base](base(value))


def decode(stored: object, code: str, classes: Mapping[str, Any]) -> Any:
    """Return the value that was saved, if its code fits the stored value.

    Parameters
    ----------
    stored
        As the attribute was read.
    code : str
        From the metadata, which may be damaged.
    classes : mapping
        Classes of enumerations, by name, that the caller allows.

    Examples
    --------
    >>> decode(np.int64(5), "int", {}), decode(np.float64(2.5), "int", {})
    (5, np.float64(2.5))
    """
    name, _, rest = code.partition(":")
    try:
        return _READ[name](stored, rest, classes)
    except (KeyError, ValueError, TypeError, ArithmeticError):
        return stored


def to_json(stored: object) -> Any:
    """Convert a stored value of `encode` to JSON; None for a value that needs an attribute.

    Examples
    --------
    >>> to_json(np.int64(5)), to_json("text"), to_json(np.int8(5))
    (5, 'text', None)
    """
    # JSON has no widths of numbers: it holds only values whose type it restores.
    plain = stored.item() if isinstance(stored, np.generic) else stored
    same = isinstance(plain, int | float | str) and type(from_json(plain)) is type(stored)
    return plain if same or type(stored) is str else None


def from_json(value: object) -> Any:
    """Return the value of JSON as if it had been read from an attribute.

    Raises
    ------
    Hdf5Error
        For JSON that `to_json` does not return.

    Examples
    --------
    >>> from_json(2**63), from_json(True), from_json("text")
    (np.uint64(9223372036854775808), np.True_, np.str_('text'))
    """
    if type(value) is int:
        return np.int64(value) if value < 2**63 else np.uint64(value)
    if type(value) not in _NUMPY:
        raise Hdf5Error(
            f"its metadata hold {value!r:.60}, which is not a number, a boolean or text"
        )
    return _NUMPY[type(value)](value)


_NUMPY: dict[type, Any] = {bool: np.bool_, float: np.float64, str: np.str_}


# encoding


def _int(value: int) -> tuple[Any, str]:
    if value < _INT64 or value >= _UINT64:
        return hex(value), "big"
    return (np.int64(value) if value < -_INT64 else np.uint64(value)), "int"


def _text(value: str) -> tuple[Any, str] | None:
    return _if_fits(value, "str")


def _if_fits(value: str, code: str) -> tuple[Any, str] | None:
    """Return short text without zeros and surrogates; None for other text, which needs an array."""
    try:
        fits = len(value.encode()) <= MAX_TEXT and "\0" not in value
    except UnicodeEncodeError:
        return None
    return (value, code) if fits else None


def _bytes(value: bytes) -> tuple[Any, str] | None:
    # PyTables unpickles bytes that end in a dot.
    fits = len(value) <= MAX_TEXT and b"\0" not in value and not value.endswith(b".")
    return (value, "bytes") if fits else None


def _datetime(value: dt.datetime) -> tuple[Any, str] | None:
    zone = value.tzinfo
    if isinstance(zone, zoneinfo.ZoneInfo) and zone.key:
        return value.isoformat(), f"datetime:{zone.key}"
    if zone is None or type(zone) is dt.timezone:
        return value.isoformat(), "datetime"
    return None


def _numpy(value: Any) -> tuple[Any, str] | None:
    kind = value.dtype.kind
    if kind in "biufc":
        return value, "numpy"
    if kind in "mM":
        return value.view(np.int64), f"view:{value.dtype.str}"
    if kind == "U":
        return _if_fits(str(value), "numpy")
    if kind == "S":
        found = _bytes(bytes(value))
        return None if found is None else (found[0], "numpy")
    return None


_PLAIN: dict[type, Callable[[Any], tuple[Any, str] | None]] = {
    bool: lambda value: (np.bool_(value), "bool"),
    int: _int,
    float: lambda value: (np.float64(value), "float"),
    complex: lambda value: (np.complex128(value), "complex"),
    str: _text,
    bytes: _bytes,
    dt.datetime: _datetime,
    dt.date: lambda value: (value.isoformat(), "date"),
    dt.time: lambda value: None if value.tzinfo else (value.isoformat(), "time"),
    dt.timedelta: lambda value: (
        f"{value.days} {value.seconds} {value.microseconds}",
        "timedelta",
    ),
    Decimal: lambda value: (str(value), "decimal"),
    uuid.UUID: lambda value: (str(value), "uuid"),
    range: lambda value: (f"{value.start} {value.stop} {value.step}", "range"),
    type(Ellipsis): lambda _: ("...", "ellipsis"),
}


# decoding


def _read_datetime(stored: object, zone: str, _: object) -> dt.datetime:
    time = dt.datetime.fromisoformat(str(stored))
    if not zone:
        return time
    local = time.replace(tzinfo=zoneinfo.ZoneInfo(zone))
    # In an hour that occurs twice, when clocks are set back, the offset decides.
    return local if local.utcoffset() == time.utcoffset() else local.replace(fold=1)


def _read_view(stored: np.generic, dtype: str, _: object) -> Any:
    if stored.dtype != np.int64:
        raise ValueError(dtype)
    return stored.view(_simple(dtype))


def _read_array(stored: object, dtype: str, _: object) -> Any:
    wanted = _simple(dtype)
    if wanted.kind in "mM":
        return np.array(stored, np.int64).view(wanted.newbyteorder("=")).astype(wanted)
    return np.array(stored, wanted)


def _simple(dtype: str) -> np.dtype[Any]:
    found = np.dtype(dtype)
    if found.hasobject:
        raise ValueError(dtype)
    return found


def _read_enum(stored: object, rest: str, classes: Mapping[str, Any]) -> Any:
    name, _, code = rest.partition(":")
    value = decode(stored, code, classes)
    return classes[name](value) if name in classes else value


def _exactly(kind: Callable[[Any], Any], numpy_kind: str) -> Callable[[Any, str, Any], Any]:
    def read(stored: np.generic, _rest: str, _classes: object) -> Any:
        if stored.dtype.kind not in numpy_kind or stored.ndim:
            raise ValueError(numpy_kind)
        return kind(stored)

    return read


def _from_text(read: Callable[[str], Any]) -> Callable[[Any, str, Any], Any]:
    return _exactly(lambda stored: read(str(stored)), "U")


_PURE_PATHS = {kind.__name__: kind for kind in (PurePosixPath, PureWindowsPath)}
_READ: dict[str, Callable[[Any, str, Any], Any]] = {
    "numpy": lambda stored, _rest, _classes: stored,
    "array": _read_array,
    "view": _read_view,
    "enum": _read_enum,
    "datetime": _read_datetime,
    "int": _exactly(int, "iu"),
    "float": _exactly(float, "f"),
    "bool": _exactly(bool, "b"),
    "complex": _exactly(complex, "c"),
    "str": _exactly(str, "U"),
    "bytes": _exactly(bytes, "S"),
    "big": _from_text(lambda text: int(text, 16)),
    "path": _from_text(Path),
    "purepath": lambda stored, kind, _: _PURE_PATHS[kind](str(stored)),
    "date": _from_text(dt.date.fromisoformat),
    "time": _from_text(dt.time.fromisoformat),
    "timedelta": _from_text(lambda text: dt.timedelta(*map(int, text.split()))),
    "decimal": _from_text(Decimal),
    "uuid": _from_text(uuid.UUID),
    "range": _from_text(lambda text: range(*map(int, text.split()))),
    "ellipsis": _from_text(lambda _: ...),
}
