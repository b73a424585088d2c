"""Attributes and names of nodes as this package writes them."""

from __future__ import annotations

import base64
import json
import re
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from h5py import h5a, h5s, h5t

from thunderlike.errors import Hdf5Error, SpecError, UnreadableError
from thunderlike.hdf5 import _pickles, scalars

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from h5py.h5g import GroupID
    from numpy.typing import NDArray

    from thunderlike.hdf5._pickles import Policy

__all__ = [
    "HIDDEN",
    "MATLAB_GROUPS",
    "NAME",
    "SYSTEM",
    "compact",
    "converted",
    "delete_metadata",
    "entry_names",
    "file_type",
    "from_json",
    "is_bits",
    "is_utf8",
    "key_from_json",
    "key_to_json",
    "memory_type",
    "names_of",
    "native",
    "native_rows",
    "plain_type",
    "read_metadata",
    "to_json",
    "write_metadata",
]


Object: TypeAlias = "GroupID"  # or a dataset's: both have attributes

_MOST_COMPACT = 256  # of more than so many HDF5 keeps an index
_SCALAR, _NULL = h5s.create(h5s.SCALAR), h5s.create(h5s.NULL)
_BIT = h5t.STD_B8LE
_USUAL = {
    h5t.TypeIntegerID: (h5t.NATIVE_INT64, np.dtype(np.int64)),
    h5t.TypeFloatID: (h5t.NATIVE_DOUBLE, np.dtype(np.float64)),
}


def write(thing: Object, name: str, value: Any) -> None:
    """Write a bool, number, str, bytes or numpy scalar; what has that name must be gone."""
    spelled = name.encode()
    if isinstance(value, str | bytes):
        _write_text(thing, spelled, value)
        return
    array = np.asarray(value)
    kind = file_type(array.dtype)
    bits = array.view(np.uint8) if array.dtype.kind == "b" else array
    h5a.create(thing, spelled, kind, _SCALAR).write(bits, kind)


def _write_text(thing: Object, name: bytes, text: str | bytes) -> None:
    data = text.encode() if isinstance(text, str) else text
    kind = h5t.C_S1.copy()
    kind.set_size(max(1, len(data)))
    kind.set_cset(h5t.CSET_UTF8 if isinstance(text, str) else h5t.CSET_ASCII)
    kind.set_strpad(h5t.STR_NULLTERM)
    # PyTables: '' is no value at all, b'' one byte of zero.
    space = _NULL if text == "" else _SCALAR
    attribute = h5a.create(thing, name, kind, space)
    if space is _SCALAR:
        attribute.write(np.array(data or b"\0", f"S{max(1, len(data))}"), kind)


@cache
def file_type(dtype: np.dtype[Any]) -> Any:
    """Return the HDF5 type of a numpy dtype: bool is a bit field, complex a pair (r, i)."""
    return _BIT if dtype.kind == "b" else h5t.py_create(dtype)


def compact(plist: Any) -> Any:
    """Have a new group keep attributes in its head, and no times: equal data are equal bytes.

    HDF5's own limit of 8 attributes makes a group of 100 twice as large. Returns `plist`, the
    properties with which the group is created.
    """
    plist.set_attr_phase_change(_MOST_COMPACT, _MOST_COMPACT - 2)
    plist.set_obj_track_times(False)
    return plist


def delete(thing: Object, name: str) -> None:
    """Remove an attribute if it is there."""
    if h5a.exists(thing, name.encode()):
        h5a.delete(thing, name.encode())


def names_of(thing: Object) -> list[str]:
    """Name all attributes, in the order of the file."""
    found: list[str] = []
    h5a.iterate(thing, lambda name, *_: found.append(name.decode("utf-8", "surrogateescape")))
    return found


def read(thing: Object, name: str) -> Any:
    """Read one attribute, as deepdish gives it: numpy scalar, ``np.str_``, ``np.bytes_``, array.

    Raises
    ------
    UnreadableError
        For references and other types without a Python value.
    """
    attribute = h5a.open(thing, name.encode("utf-8", "surrogateescape"))
    kind = attribute.get_type()
    if isinstance(kind, h5t.TypeStringID):
        return _read_text(attribute, kind)
    dtype = plain_type(kind)
    values = np.empty(_shape(attribute), dtype)
    if values.size:
        with converted():
            attribute.read(values, memory_type(kind, dtype))
    values = native_rows(kind, values)
    return (values.view(bool) if is_bits(kind) else values)[()]


def _shape(attribute: Any) -> tuple[int, ...]:
    """The shape, which is slow to ask of a single value; h5py's `Empty` is as no elements."""
    if attribute.get_space().get_simple_extent_type() == h5s.SCALAR:
        return ()
    return attribute.shape or (0,)


def is_bits(kind: Any) -> bool:
    """Tell truths from numbers: PyTables has them as bit fields of 8."""
    return isinstance(kind, h5t.TypeBitfieldID) and kind.get_size() == 1


def memory_type(kind: Any, dtype: np.dtype[Any]) -> Any:
    """Return the HDF5 type of values in memory: bit fields, text and opaque ones as in the file."""
    as_is = isinstance(kind, h5t.TypeBitfieldID | h5t.TypeStringID | h5t.TypeOpaqueID)
    return kind if as_is else file_type(dtype)


@contextmanager
def converted() -> Iterator[None]:
    """Raise UnreadableError where HDF5 cannot convert a type of the file to a dtype."""
    try:
        yield
    except (OSError, RuntimeError, TypeError) as error:
        if "conversion path" not in str(error) and not isinstance(error, TypeError):
            raise
        raise UnreadableError(f"holds values without a numpy dtype: {error}") from error


def plain_type(kind: Any) -> np.dtype[Any]:
    """Return the numpy dtype, in native byte order, that holds values of an HDF5 type.

    Raises
    ------
    UnreadableError
        For references, and types that numpy does not have.

    Notes
    -----
    Sequences of any length are Python objects, numpy arrays each; opaque values are ``np.void``.
    """
    usual = _USUAL.get(type(kind))
    if usual is not None and kind.equal(usual[0]):
        return usual[1]  # by far the most frequent, and `kind.dtype` is slow
    _check_parts(kind)
    try:
        if isinstance(kind, h5t.TypeBitfieldID):
            return np.dtype(f"u{kind.get_size()}")
        if isinstance(kind, h5t.TypeVlenID):
            return kind.dtype  # byte order and base type are in its metadata
        found = kind.dtype
    except (TypeError, ValueError, KeyError) as error:
        raise UnreadableError(f"holds values without a numpy dtype: {error}") from error
    if isinstance(kind, h5t.TypeOpaqueID) and found.kind not in "VmM":
        raise UnreadableError(f"holds opaque values that are marked as {found}")
    return found.newbyteorder("=")


def _check_parts(kind: Any) -> None:
    """Refuse types with a reference, or rows in foreign byte order, anywhere within."""
    waiting = [kind]
    while waiting:
        inner = waiting.pop()
        if isinstance(inner, h5t.TypeReferenceID):
            raise UnreadableError("holds references, which are not followed")
        if isinstance(inner, h5t.TypeCompoundID):
            waiting += [inner.get_member_type(i) for i in range(inner.get_nmembers())]
        elif isinstance(inner, h5t.TypeVlenID | h5t.TypeArrayID):
            waiting.append(inner.get_super())
        if isinstance(inner, h5t.TypeVlenID) and inner is not kind and _is_swapped(inner):
            raise UnreadableError("holds rows in foreign byte order within other values")


def _is_swapped(rows: Any) -> bool:
    """Tell whether rows of any length have numbers in the byte order of another machine."""
    base = rows.get_super()
    while isinstance(base, h5t.TypeArrayID):
        base = base.get_super()
    numbers = isinstance(base, h5t.TypeIntegerID | h5t.TypeFloatID)
    if numbers:
        return base.get_size() > 1 and base.get_order() != h5t.NATIVE_INT64.get_order()
    if isinstance(base, h5t.TypeCompoundID) and not base.dtype.isnative:
        raise UnreadableError("holds rows of records in foreign byte order")
    return False


def native_rows(kind: Any, rows: NDArray[Any]) -> NDArray[Any]:
    """Return rows of any length in native byte order: h5py takes all for native."""
    if isinstance(kind, h5t.TypeVlenID) and _is_swapped(kind):
        swapped = np.empty(rows.shape, object)
        for position in np.ndindex(rows.shape):
            swapped[position] = np.asarray(rows[position]).byteswap()
        return swapped
    return rows


def is_utf8(kind: Any) -> bool:
    """Tell text from bytes."""
    return isinstance(kind, h5t.TypeStringID) and kind.get_cset() == h5t.CSET_UTF8


def _read_text(attribute: Any, kind: Any) -> Any:
    if kind.is_variable_str() or _shape(attribute):
        return _read_texts(attribute, kind)
    text = np.empty((), f"S{kind.get_size()}")
    attribute.read(text, kind)
    return np.str_(_text(text[()])) if is_utf8(kind) else np.bytes_(text[()])


def _read_texts(attribute: Any, kind: Any) -> Any:
    if attribute.shape is None:
        return np.str_() if is_utf8(kind) else np.bytes_()
    values: NDArray[Any] = np.empty(attribute.shape, attribute.dtype)
    attribute.read(values, None if kind.is_variable_str() else kind)
    if is_utf8(kind) or kind.is_variable_str():
        decoded = np.array([_text(item) for item in values.ravel()], object)
        return _shaped(decoded, values.shape, np.str_)
    return values[()] if values.ndim else np.bytes_(values[()])


def _shaped(items: NDArray[Any], shape: tuple[int, ...], scalar: Any) -> Any:
    return items.astype(scalar).reshape(shape) if shape else scalar(items[0])


def _text(item: Any) -> str:
    return item if isinstance(item, str) else bytes(item).decode("utf-8", "surrogateescape")


NAME = "DEEPDISH_IO_TL"


def write_metadata(thing: Any, known: dict[str, Any]) -> None:
    """Write it, in as many numbered attributes as it takes; nothing when nothing is known."""
    text = json.dumps(known, separators=(",", ":")) if known else ""
    size = scalars.MAX_TEXT
    for start in range(0, len(text), size):
        write(thing, _part(start // size), text[start : start + size])


def read_metadata(thing: Any, names: list[str]) -> dict[str, Any]:
    """Read it back; `names` are those of all attributes.

    Raises
    ------
    Hdf5Error
        For what is no JSON object.
    """
    count = sum(name.startswith(NAME) for name in names)
    if not count:
        return {}
    text = "".join(str(read(thing, _part(i))) for i in range(count))
    try:
        known = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Hdf5Error(f"the attribute {NAME} is damaged: {error}") from error
    if not isinstance(known, dict):
        raise Hdf5Error(f"the attribute {NAME} is damaged: no JSON object")
    return known


def delete_metadata(thing: Any) -> None:
    """Remove it, so that it can be written anew."""
    for name in names_of(thing):
        if name.startswith(NAME):
            delete(thing, name)


def _part(number: int) -> str:
    return f"{NAME}_{number}" if number else NAME


HIDDEN = "DEEPDISH_IO"  # deepdish skips every attribute that begins so, and so do we
SYSTEM = {"CLASS", "VERSION", "TITLE", "FILTERS", "FLAVOR", "EXTDIM", "PYTABLES_FORMAT_VERSION"}

MATLAB_GROUPS = ("#refs#", "#subsystem#")  # of the root: targets of references in cells

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
        return ["pickle", base64.b64encode(_pickles.dumps(key)).decode("ascii")]
    raise SpecError(
        f"the key {key!r:.60} is a {kind.__name__}; keys are text, numbers, bytes, None, dates, "
        "paths, or tuples and frozensets of them: convert it, or let it be pickled by "
        "pickle='allow'"
    )


def key_from_json(spelled: Any, policy: Policy = "refuse") -> Any:
    """Read a key that :func:`key_to_json` spelled; `policy` says what a pickled one may do.

    Raises
    ------
    RefusedError
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
            found = _pickles.loads(base64.b64decode(rest[0]), policy)
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


def native(dtype: np.dtype[Any]) -> bool:
    """Tell whether arrays of a dtype can be one array of the file.

    Examples
    --------
    >>> native(np.dtype("U5")), native(np.dtype([("a", "U5")]))
    (True, False)
    """
    if dtype.names is None:
        return dtype.kind in "biufcSUVmMT"
    try:
        h5t.py_create(dtype)
    except (TypeError, ValueError):  # no such type in HDF5, or no such name
        return False
    return not dtype.hasobject and "\\u0000" not in json.dumps(to_json(dtype))


def to_json(dtype: np.dtype[Any]) -> Any:
    """Spell a dtype, with fields or without.

    Examples
    --------
    >>> to_json(np.dtype([("a", "<i4"), ("b", "<f8", (2,))]))
    [['a', '<i4'], ['b', '<f8', [2]]]
    """
    if dtype.kind == "T":
        return "T"
    return _listed(np.lib.format.dtype_to_descr(dtype))


def _listed(spelled: Any) -> Any:
    return [_listed(p) for p in spelled] if isinstance(spelled, tuple | list) else spelled


def from_json(spelled: Any) -> np.dtype[Any]:
    """Read a dtype; Hdf5Error for what is none, or one of Python objects."""
    try:
        found: Any = (
            np.dtypes.StringDType()
            if spelled == "T"
            else np.lib.format.descr_to_dtype(_fields(spelled))
        )
    except Exception as error:
        raise Hdf5Error(f"has no dtype that numpy knows: {spelled!r:.60}") from error
    if found.kind == "O" or (found.hasobject and found.kind != "T"):
        raise Hdf5Error(f"says it holds objects: {spelled!r:.60}")
    return found


def _fields(spelled: Any) -> Any:
    """Lists of JSON as the tuples that numpy wants: fields, their shapes, titles."""
    if not isinstance(spelled, list):
        return spelled
    return [
        (_name(name), _fields(kind), *(tuple(s) for s in shape)) for name, kind, *shape in spelled
    ]


def _name(name: Any) -> Any:
    return tuple(name) if isinstance(name, list) else name
