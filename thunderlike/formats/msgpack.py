"""Messages: one Python value to MessagePack bytes and back, arrays as msgpack-numpy writes them.

An array becomes a map whose keys are bytes: ``nd``, ``type``, ``kind``, ``shape``, ``data``. Object
arrays are pickles in that format; they are neither written nor read, so no byte of a file is ever
run. How many messages make a dataset stands in ``formats.samples``.
"""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from thunderlike.errors import FormatError, SpecError, WrongTypeError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

__all__ = [
    "CONTAINERS",
    "check",
    "decode",
    "described",
    "message_end",
    "pack_into",
    "packb",
    "place_of_fault",
    "recognized",
    "revived",
    "unpackb",
]

_PLAIN = (str, bytes, int, float, bool, type(None), np.ndarray, bytearray, memoryview)
_SUBCLASSED: tuple[Any, ...] = (str, bytes, int, float)
_LEAVES = frozenset(_PLAIN)
_STORED = (*_PLAIN, complex, np.generic)  # the last is looked at again when it is written
CONTAINERS = frozenset({dict, list})
# What numpy itself writes into files; anything else in a hostile file never reaches numpy.dtype.
_DTYPE = re.compile(r"[<>|=]?[?biufcmMSUV]\d*(\[\d*[A-Za-z]+\])?")


def packb(value: object) -> bytes:
    r"""Write one value as a message.

    Parameters
    ----------
    value : None, bool, int, float, complex, str, bytes, list, tuple, dict, ndarray, numpy scalar
        Or any nesting of them. A tuple comes back as a list, an array in C order and read-only.

    Returns
    -------
    bytes
        The same bytes for the same value, always, and those of msgpack with msgpack-numpy.

    Raises
    ------
    WrongTypeError
        For values of other types, such as sets, dates and object arrays; names the type.
    SpecError
        For whole numbers beyond 64 bits.

    Examples
    --------
    >>> packb({"key": "a", "label": 1})
    b'\x82\xa3key\xa1a\xa5label\x01'
    """
    check(value)
    try:
        return _encoder.encode(value)
    except OverflowError as error:
        raise _too_large(error) from error


def pack_into(value: object, buffer: bytearray) -> None:
    r"""Append the message of one value to a buffer, without a copy.

    Raises
    ------
    WrongTypeError, SpecError
        As :func:`packb`; the end of the buffer is to be cut off then.

    Examples
    --------
    >>> buffer = bytearray(b"...")
    >>> pack_into([1, "a"], buffer)
    >>> buffer
    bytearray(b'...\x92\x01\xa1a')
    """
    check(value)
    try:
        _encoder.encode_into(value, buffer, -1)
    except OverflowError as error:
        raise _too_large(error) from error


def _too_large(error: OverflowError) -> SpecError:
    return SpecError(f"a message holds whole numbers of 64 bits: {error}; store str(value)")


def place_of_fault(value: object) -> str:
    """Return the place of a value that :func:`packb` refuses: ``['boxes'][3]``; ``''`` at the top.

    Examples
    --------
    >>> place_of_fault({"key": "a", "boxes": [1, {2}]})
    "['boxes'][1]"
    """
    if isinstance(value, dict):
        inside: Iterable[tuple[object, object]] = value.items()
    elif isinstance(value, list | tuple):
        inside = enumerate(value)
    else:
        return ""
    for name, item in inside:
        try:
            packb(item)
        except (TypeError, ValueError):
            return f"[{name!r}]{place_of_fault(item)}"
    return ""


def unpackb(data: bytes | bytearray | memoryview) -> Any:
    r"""Read one value from a message.

    Raises
    ------
    FormatError
        For bytes that are not a message, or too few or too many; for arrays that do not fit their
        data; for object arrays, which would have to be unpickled.

    Notes
    -----
    Arrays share memory with the bytes decoded for them, once copied from `data`, and are read-only.

    Examples
    --------
    >>> unpackb(packb({"key": "a", "image": np.eye(2, dtype="u1")}))
    {'key': 'a', 'image': array([[1, 0],
           [0, 1]], dtype=uint8)}
    >>> unpackb(b"\x82\xa3key")
    Traceback (most recent call last):
    ...
    thunderlike.errors.FormatError: not a message: Input data was truncated
    """
    try:
        return revived(decode(data))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise FormatError(f"not a message: {error}") from error


def revived(value: object) -> Any:
    """Replace the maps of arrays and numbers by these, at any depth, in place."""
    if type(value) is dict:
        # Almost always it is an array, and nothing is wrong with it.
        if value.get(b"nd") is True:
            try:
                data, shape = value[b"data"], value[b"shape"]
                array: Any = np.ndarray(shape, _plain_dtype(value[b"type"]), data)
                if array.nbytes == len(data) and -1 not in shape:  # which numpy would work out
                    return array
            except Exception:  # anything: what is wrong is looked for step by step
                return _other(value)
        return _other(value)
    if type(value) is list and not CONTAINERS.isdisjoint(map(type, value)):
        value[:] = map(revived, value)
    return value


def check(value: object) -> None:
    """Refuse values of types that msgpack-numpy does not write, or reads as another type.

    msgspec would quietly make a list of a set and text of a date.
    """
    if isinstance(value, dict):
        for key, item in value.items():
            if type(item) not in _LEAVES:
                check(item)
            if type(key) not in _LEAVES:
                check(key)
    elif isinstance(value, list | tuple):
        # Mostly all are leaves, and a set is faster at types than a loop.
        if not _LEAVES.issuperset(map(type, value)):
            for item in value:
                check(item)
    elif not isinstance(value, _STORED):
        raise _unknown(type(value))


def described(value: object) -> Any:
    """Convert arrays, numpy's numbers and complex numbers to plain values, for encoders.

    Raises
    ------
    WrongTypeError
        For any other value.
    """
    if isinstance(value, np.ndarray):
        return _array_map(value)
    # numpy.float64 and numpy.str_ are Python numbers and text, and come back as those.
    for plain in _SUBCLASSED:
        if isinstance(value, plain):
            return plain(value)
    if isinstance(value, np.bool_ | np.number | np.datetime64):
        return {b"nd": False, b"type": value.dtype.str, b"data": np.asarray(value).tobytes()}
    if isinstance(value, complex):
        return {b"complex": True, b"data": repr(value)}
    raise _unknown(type(value))


def _unknown(kind: type) -> WrongTypeError:
    named = f"{kind.__module__}.{kind.__qualname__}"
    instead = next(
        (spelled for base, spelled in _INSTEAD.items() if issubclass(kind, base)), _PLAINLY
    )
    return WrongTypeError(f"a message cannot hold {named}; {instead}")


_PLAINLY = "store numbers, text, bytes, lists, dicts or arrays"
_INSTEAD: dict[type, str] = {
    set: "store list(value)",
    frozenset: "store list(value)",
    datetime.date: "store value.isoformat()",
    datetime.time: "store value.isoformat()",
    datetime.timedelta: "store value.total_seconds()",
    PurePath: "store str(value)",
    Iterator: "store list(value)",
}


def _array_map(array: NDArray[Any]) -> dict[bytes, Any]:
    dtype = array.dtype
    if dtype.hasobject:
        raise WrongTypeError(
            "a message cannot hold an array of objects, which would be a pickle; "
            "store value.tolist()"
        )
    structured = dtype.kind == "V"
    # Dates and text have no buffer, and other orders of axes are not that of the file.
    as_is = array.flags.c_contiguous and dtype.kind in "biufc"
    return {
        b"nd": True,
        b"type": dtype.descr if structured else dtype.str,
        b"kind": b"V" if structured else b"",
        b"shape": array.shape,
        b"data": array.data if as_is else array.tobytes(),
    }


_encoder = msgspec.msgpack.Encoder(enc_hook=described)
decode = msgspec.msgpack.Decoder().decode  # alone, it leaves the maps of arrays as they are


def recognized(found: dict[Any, Any], other: Callable[[Any], Any] | None) -> Any:
    """Return the array or number of a map; `other` is called with any other map.

    Raises
    ------
    FormatError
        For a map that is marked as an array and is invalid, and for arrays of objects.
    """
    made = _made(found)
    return made if made is not found or other is None else other(found)


def _made(found: dict[Any, Any]) -> Any:
    if b"type" in found and b"data" in found:
        if found.get(b"nd") is not True:
            return _scalar(found)
        if b"shape" in found:
            return _array(found)
    elif b"complex" in found and b"data" in found:
        try:
            return complex(found[b"data"])
        except (TypeError, ValueError) as error:
            raise FormatError(f"no complex number: {found[b'data']!r:.60}") from error
    return found


def _other(found: dict[Any, Any]) -> Any:
    """Return the number of a map, or raise the error of its array; other maps stay maps."""
    made = _made(found)
    if made is not found:
        return made
    for key, item in found.items():
        if type(item) in CONTAINERS:
            found[key] = revived(item)
    return found


def _array(found: dict[Any, Any]) -> Any:
    """Make an array in steps with separate errors."""
    spelled, shape, data = found[b"type"], found[b"shape"], found[b"data"]
    dtype = _dtype(spelled)
    try:
        if len(data) != dtype.itemsize * math.prod(shape):
            raise SpecError(f"it has {len(data)} bytes of data")
        return np.ndarray(shape, dtype, data)
    except (TypeError, ValueError) as error:  # numpy looks at the shape itself
        raise FormatError(f"no array of {dtype} and shape {shape!r:.60}: {error}") from error


def _scalar(found: dict[Any, Any]) -> Any:
    dtype, data = _dtype(found[b"type"]), found[b"data"]
    if not isinstance(data, bytes) or len(data) != dtype.itemsize or not data:
        raise FormatError(f"a number of {dtype} whose data is {data!r:.60}")
    return np.frombuffer(data, dtype)[0]


def _dtype(spelled: object) -> np.dtype[Any]:
    return _plain_dtype(spelled) if type(spelled) is str else _structured_dtype(spelled)


_NO_OBJECTS = "object arrays are not read: they are pickles, which can run any code"


@lru_cache(maxsize=256)
def _plain_dtype(spelled: str) -> np.dtype[Any]:
    """Read a dtype's string; making a dtype takes longer than making a small array."""
    if spelled.strip("<>|=")[:1] == "O":
        raise FormatError(_NO_OBJECTS)
    try:
        if not _DTYPE.fullmatch(spelled):
            raise SpecError("numpy does not write it")
        return np.dtype(spelled)
    except (TypeError, ValueError) as error:
        raise FormatError(f"no dtype {spelled!r:.60}: {error}") from error


def _structured_dtype(spelled: Any) -> np.dtype[Any]:
    try:
        _check_fields(spelled)
        return np.lib.format.descr_to_dtype(_as_descr(spelled))
    except FormatError:
        raise
    except Exception as error:  # numpy answers a hostile description with almost anything
        raise FormatError(f"no dtype {spelled!r:.60}: {error}") from error


def _check_fields(spelled: Iterable[Sequence[Any]]) -> None:
    # At any depth: numpy would make dtypes of objects, too.
    for field in spelled:
        if isinstance(field[1], str):
            _plain_dtype(field[1])
        else:
            _check_fields(field[1])


def _as_descr(spelled: Iterable[Sequence[Any]]) -> list[tuple[Any, ...]]:
    """Give lists back the tuples that they were before they went into a message."""
    return [
        (
            tuple(name) if isinstance(name, list) else _text(name),
            _as_descr(kind) if isinstance(kind, list) else kind,
            *map(tuple, shape),
        )
        for name, kind, *shape in spelled
    ]


def _text(name: object) -> object:
    return name.decode() if isinstance(name, bytes) else name


def message_end(data: memoryview, start: int) -> int:
    r"""Find where the message that begins at byte `start` ends, without unpacking it.

    Raises
    ------
    FormatError
        If the bytes end before it does, or are not a message.

    Notes
    -----
    One step for each value in the message, about half a microsecond.

    Examples
    --------
    >>> message_end(memoryview(b"\x93\x01\xa2ab\xc0\x05"), 0)
    6
    """
    at, left = start, 1
    try:
        while left:
            header, payload, inside = _extent(data, at)
            at += header + payload
            left += inside - 1
    except IndexError:
        at = len(data) + 1
    if at > len(data):
        raise FormatError(f"the message at byte {start} is truncated")
    return at


def _extent(data: memoryview, at: int) -> tuple[int, int, int]:
    """Return the size of the header at a byte, of its payload, and the number of values in it."""
    first = data[at]
    if first <= 0x7F or first >= 0xE0 or first in (0xC0, 0xC2, 0xC3):
        return 1, 0, 0
    if first <= 0x9F:
        return 1, 0, (first & 15) * (2 if first <= 0x8F else 1)
    if first <= 0xBF:
        return 1, first & 31, 0
    if first in _FIXED:
        return 1, _FIXED[first], 0
    if first not in _COUNTED:
        raise FormatError(f"byte {at} is {first:#x}, with which no value begins")
    width, payload, inside = _COUNTED[first]
    if at + width >= len(data):
        raise IndexError
    count = int.from_bytes(data[at + 1 : at + 1 + width], "big")
    # An extension has one more byte, its kind.
    return 1 + width, payload * count + (0xC7 <= first <= 0xC9), inside * count


# Numbers and small extensions: bytes after the first one.
_FIXED = {0xCA: 4, 0xCB: 8, 0xCC: 1, 0xCD: 2, 0xCE: 4, 0xCF: 8, 0xD0: 1, 0xD1: 2, 0xD2: 4, 0xD3: 8}
_FIXED |= {0xD4: 2, 0xD5: 3, 0xD6: 5, 0xD7: 9, 0xD8: 17}
# Bytes of the count; and whether it counts bytes, values or pairs of values.
_COUNTED = {0xC4 + i: (1 << i, 1, 0) for i in range(3)}
_COUNTED |= {0xC7 + i: (1 << i, 1, 0) for i in range(3)}
_COUNTED |= {0xD9 + i: (1 << i, 1, 0) for i in range(3)}
_COUNTED |= {0xDC: (2, 0, 1), 0xDD: (4, 0, 1), 0xDE: (2, 0, 2), 0xDF: (4, 0, 2)}
