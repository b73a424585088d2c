"""Attributes of HDF5 nodes, and metadata in them: names and keys of entries, dtypes."""

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

    from h5py.h5a import AttrID
    from h5py.h5d import DatasetID
    from h5py.h5g import GroupID
    from h5py.h5p import PropOCID
    from h5py.h5t import TypeID
    from numpy.typing import NDArray

    from thunderlike.hdf5._pickles import Policy

__all__ = [
    "HIDDEN",
    "MATLAB_GROUPS",
    "NAME",
    "SYSTEM",
    "compact",
    "converted",
    "delete",
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
    "read",
    "read_metadata",
    "to_json",
    "write",
    "write_metadata",
]


Node: TypeAlias = "GroupID | DatasetID"

_MOST_COMPACT = 256  # of more than so many HDF5 keeps an index
_SCALAR, _NULL = h5s.create(h5s.SCALAR), h5s.create(h5s.NULL)
_BIT = h5t.STD_B8LE
_USUAL = {
    h5t.TypeIntegerID: (h5t.NATIVE_INT64, np.dtype(np.int64)),
    h5t.TypeFloatID: (h5t.NATIVE_DOUBLE, np.dtype(np.float64)),
}


def write(node: Node, name: str, value: object) -> None:
    """Write a bool, number, str, bytes or numpy scalar as a new attribute."""
    spelled = name.encode()
    if isinstance(value, str | bytes):
        _write_text(node, spelled, value)
        return
    array = np.asarray(value)
    kind = file_type(array.dtype)
    bits = array.view(np.uint8) if array.dtype.kind == "b" else array
    h5a.create(node, spelled, kind, _SCALAR).write(bits, kind)


def _write_text(node: Node, name: bytes, text: str | bytes) -> None:
    data = text.encode() if isinstance(text, str) else text
    kind = h5t.C_S1.copy()
    # HDF5 has no strings of zero bytes.
    kind.set_size(max(1, len(data)))
    kind.set_cset(h5t.CSET_UTF8 if isinstance(text, str) else h5t.CSET_ASCII)
    kind.set_strpad(h5t.STR_NULLTERM)
    # As PyTables: '' has no value, b'' is one byte of zero.
    space = _NULL if text == "" else _SCALAR
    attribute = h5a.create(node, name, kind, space)
    if space is _SCALAR:
        attribute.write(np.array(data or b"\0", f"S{max(1, len(data))}"), kind)


@cache
def file_type(dtype: np.dtype[Any]) -> Any:
    """Return the HDF5 type of a numpy dtype: bool is a bit field, complex a pair (r, i)."""
    return _BIT if dtype.kind == "b" else h5t.py_create(dtype)


def compact(plist: PropOCID) -> Any:
    """Set the properties of a new group: attributes in its header, no times. Returns `plist`.

    With times, equal data would not give equal bytes. The default of HDF5, at most 8 attributes in
    the header, makes a group with 100 twice as large.
    """
    plist.set_attr_phase_change(_MOST_COMPACT, _MOST_COMPACT - 2)
    plist.set_obj_track_times(False)
    return plist


def delete(node: Node, name: str) -> None:
    """Remove an attribute if it exists."""
    if h5a.exists(node, name.encode()):
        h5a.delete(node, name.encode())


def names_of(node: Node) -> list[str]:
    """Return the names of all attributes, in the order of the file."""
    names: list[str] = []
    h5a.iterate(node, lambda name, *_: names.append(name.decode("utf-8", "surrogateescape")))
    return names


def read(node: Node, name: str) -> Any:
    """Read one attribute, as deepdish returns it: numpy scalar, ``np.str_``, ``np.bytes_``, array.

    Raises
    ------
    UnreadableError
        For references and other types without a Python value.
    """
    attribute = h5a.open(node, name.encode("utf-8", "surrogateescape"))
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


def _shape(attribute: AttrID) -> tuple[int, ...]:
    """Return the shape; h5py's `Empty` is an array without elements."""
    # The shape of a single value is slow to read.
    if attribute.get_space().get_simple_extent_type() == h5s.SCALAR:
        return ()
    return attribute.shape or (0,)


def is_bits(kind: TypeID) -> bool:
    """Return True for booleans, which PyTables writes as bit fields of 8."""
    return isinstance(kind, h5t.TypeBitfieldID) and kind.get_size() == 1


def memory_type(kind: TypeID, dtype: np.dtype[Any]) -> Any:
    """Return the HDF5 type of values in memory, which is that of the file for bits and text."""
    as_is = isinstance(kind, h5t.TypeBitfieldID | h5t.TypeStringID | h5t.TypeOpaqueID)
    return kind if as_is else file_type(dtype)


@contextmanager
def converted() -> Iterator[None]:
    """Raise UnreadableError where HDF5 cannot convert a type of the file to a dtype."""
    try:
        yield
    except (OSError, RuntimeError, TypeError) as error:
        # Damage is an OSError too, and stays one.
        if "conversion path" not in str(error) and not isinstance(error, TypeError):
            raise
        raise UnreadableError(f"holds values without a numpy dtype: {error}") from error


def plain_type(kind: TypeID) -> np.dtype[Any]:
    """Return the numpy dtype, in native byte order, that holds values of an HDF5 type.

    Raises
    ------
    UnreadableError
        For references, and types that numpy does not have.

    Notes
    -----
    Sequences of any length are Python objects, numpy arrays each; opaque values are ``np.void``.
    """
    # Types are compared as the file has them: other byte orders take the slow path.
    usual = _USUAL.get(type(kind))
    if usual is not None and kind.equal(usual[0]):
        return usual[1]  # the most frequent types: `kind.dtype` is slow
    _check_parts(kind)
    try:
        if isinstance(kind, h5t.TypeBitfieldID):
            return np.dtype(f"u{kind.get_size()}")
        if isinstance(kind, h5t.TypeVlenID):
            rows: np.dtype[Any] = kind.dtype  # with byte order and base type in its metadata
            return rows
        dtype: np.dtype[Any] = kind.dtype
    except (TypeError, ValueError, KeyError) as error:
        raise UnreadableError(f"holds values without a numpy dtype: {error}") from error
    if isinstance(kind, h5t.TypeOpaqueID) and dtype.kind not in "VmM":
        raise UnreadableError(f"holds opaque values that are marked as {dtype}")
    return dtype.newbyteorder("=")


def _check_parts(kind: TypeID) -> None:
    """Refuse types with references, or with rows in foreign byte order, at any level."""
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


def _is_swapped(rows: TypeID) -> bool:
    """Return True if rows of variable length are in foreign byte order."""
    base = rows.get_super()
    while isinstance(base, h5t.TypeArrayID):
        base = base.get_super()
    if isinstance(base, h5t.TypeIntegerID | h5t.TypeFloatID):
        return bool(base.get_size() > 1 and base.get_order() != h5t.NATIVE_INT64.get_order())
    if isinstance(base, h5t.TypeCompoundID) and not base.dtype.isnative:
        raise UnreadableError("holds rows of records in foreign byte order")
    return False


def native_rows(kind: TypeID, rows: NDArray[Any]) -> NDArray[Any]:
    """Return rows of variable length in native byte order: h5py reads all rows as native."""
    if isinstance(kind, h5t.TypeVlenID) and _is_swapped(kind):
        swapped = np.empty(rows.shape, object)
        for position in np.ndindex(rows.shape):
            swapped[position] = np.asarray(rows[position]).byteswap()
        return swapped
    return rows


def is_utf8(kind: TypeID) -> bool:
    """Return True for text, False for bytes and other types."""
    return isinstance(kind, h5t.TypeStringID) and kind.get_cset() == h5t.CSET_UTF8


def _read_text(attribute: AttrID, kind: TypeID) -> Any:
    variable = kind.is_variable_str()
    if not variable and not _shape(attribute):
        # Nearly all text is a single value: `attribute.dtype` is slow.
        text = np.empty((), f"S{kind.get_size()}")
        attribute.read(text, kind)
        return np.str_(_text(bytes(text[()]))) if is_utf8(kind) else np.bytes_(text[()])
    if attribute.shape is None:
        return np.str_() if is_utf8(kind) else np.bytes_()
    values: NDArray[Any] = np.empty(attribute.shape, attribute.dtype)
    attribute.read(values, None if variable else kind)
    if is_utf8(kind) or variable:
        decoded = np.array([_text(item) for item in values.ravel()], object)
        if not values.shape:
            return np.str_(decoded[0])
        return decoded.astype(np.str_).reshape(values.shape)
    return values[()] if values.ndim else np.bytes_(values[()])


def _text(item: str | bytes) -> str:
    return item if isinstance(item, str) else bytes(item).decode("utf-8", "surrogateescape")


# metadata

NAME = "DEEPDISH_IO_TL"


def write_metadata(node: Node, metadata: dict[str, Any]) -> None:
    """Write metadata as JSON, split over numbered attributes; write nothing if it is empty."""
    text = json.dumps(metadata, separators=(",", ":")) if metadata else ""
    size = scalars.MAX_TEXT
    for start in range(0, len(text), size):
        write(node, _numbered(start // size), text[start : start + size])


def read_metadata(node: Node, names: list[str]) -> dict[str, Any]:
    """Read metadata; `names` are those of all attributes.

    Raises
    ------
    Hdf5Error
        If it is not a JSON object.
    """
    count = sum(name.startswith(NAME) for name in names)
    if not count:
        return {}
    text = "".join(str(read(node, _numbered(i))) for i in range(count))
    try:
        metadata = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Hdf5Error(f"the attribute {NAME} is damaged: {error}") from error
    if not isinstance(metadata, dict):
        raise Hdf5Error(f"the attribute {NAME} is damaged: no JSON object")
    return metadata


def delete_metadata(node: Node) -> None:
    """Remove metadata: an attribute cannot be overwritten by a longer one."""
    for name in names_of(node):
        if name.startswith(NAME):
            delete(node, name)


def _numbered(number: int) -> str:
    return f"{NAME}_{number}" if number else NAME


# names of entries

HIDDEN = "DEEPDISH_IO"  # prefix of attributes that deepdish, and this package, do not load
SYSTEM = {"CLASS", "VERSION", "TITLE", "FILTERS", "FLAVOR", "EXTDIM", "PYTABLES_FORMAT_VERSION"}

MATLAB_GROUPS = ("#refs#", "#subsystem#")  # of the root: targets of references in cells

# Names with a meaning for PyTables or deepdish, and names that HDF5 does not take for links.
_FORBIDDEN = re.compile(r"\.|_[vfgci]_.*|__pair.*|DEEPDISH_IO.*|%.*|pandas_.*|", re.DOTALL)
_RESERVED = re.compile(r"%(document|bool|(u?int|float|complex)\d+|c?longdouble)")  # see _documents
_UNFIT = re.compile(r"[/\0\ud800-\udfff]")
_LONGEST = 200


def entry_names(keys: Iterable[Any]) -> dict[str, Any]:
    """Return the keys of a dictionary by their names in the file.

    A key that HDF5 or PyTables does not take as a name is escaped, and starts with ``%``.

    Examples
    --------
    >>> entry_names(["a", "TITLE", "x/y", 5])
    {'a': 'a', '%TITLE': 'TITLE', '%x_y': 'x/y', '%5': 5}
    """
    named: dict[str, Any] = {}
    for key in keys:
        fits = isinstance(key, str) and not (
            key in SYSTEM or len(key) > _LONGEST or _UNFIT.search(key) or _FORBIDDEN.fullmatch(key)
        )
        name = first = key if fits else "%" + _UNFIT.sub("_", str(key))[:_LONGEST]
        number = 2
        while name in named or _RESERVED.fullmatch(name):
            name, number = f"{first}~{number}", number + 1
        named[name] = key
    return named


# keys


def key_to_json(key: Any, *, pickle: bool = False) -> Any:
    """Convert a key to JSON; numpy's scalars as Python's, to which they are equal.

    Parameters
    ----------
    pickle : bool
        Pickle keys of other classes.

    Raises
    ------
    SpecError
        For a key of another class, unless `pickle`.

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
    if kind is frozenset:  # sorted: equal data give equal bytes
        # The repr is an order of mixed types.
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
    """Return a key of :func:`key_to_json`; `policy` applies to a pickled one.

    Raises
    ------
    RefusedError
        For a pickled key that the policy does not allow.
    Hdf5Error
        For other JSON.

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
            key = _pickles.loads(base64.b64decode(rest[0]), policy)
            hash(key)  # TypeError if it cannot be a key
            return key
        return _READ[kind](rest[0])
    except (KeyError, TypeError, IndexError, ValueError, OverflowError) as error:
        if isinstance(error, Hdf5Error):
            raise
        raise Hdf5Error(f"has a key that cannot be read: {spelled!r:.60}") from error


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


# dtypes


def native(dtype: np.dtype[Any]) -> bool:
    """Return True if arrays of a dtype can be one array of the file.

    Examples
    --------
    >>> native(np.dtype("U5")), native(np.dtype([("a", "U5")]))
    (True, False)
    """
    if dtype.names is None:
        return dtype.kind in "biufcSUVmMT"
    try:
        h5t.py_create(dtype)
    except (TypeError, ValueError):  # a field of a type or a name that HDF5 does not have
        return False
    return not dtype.hasobject and "\\u0000" not in json.dumps(to_json(dtype))


def to_json(dtype: np.dtype[Any]) -> Any:
    """Convert a dtype, with fields or without, to JSON.

    Examples
    --------
    >>> to_json(np.dtype([("a", "<i4"), ("b", "<f8", (2,))]))
    [['a', '<i4'], ['b', '<f8', [2]]]
    """
    if dtype.kind == "T":
        return "T"
    return _as_lists(np.lib.format.dtype_to_descr(dtype))


def _as_lists(spelled: object) -> Any:
    return [_as_lists(p) for p in spelled] if isinstance(spelled, tuple | list) else spelled


def from_json(spelled: object) -> np.dtype[Any]:
    """Return a dtype of :func:`to_json`; Hdf5Error for other JSON and for Python objects."""
    try:
        if spelled == "T":
            return np.dtypes.StringDType()
        dtype: np.dtype[Any] = np.lib.format.descr_to_dtype(_fields(spelled))
    except Exception as error:
        raise Hdf5Error(f"has an unknown dtype in its metadata: {spelled!r:.60}") from error
    if dtype.hasobject and dtype.kind != "T":
        raise Hdf5Error(f"has a dtype of objects in its metadata: {spelled!r:.60}")
    return dtype


def _fields(spelled: object) -> Any:
    """Convert lists of JSON to the tuples that numpy takes for fields, shapes and titles."""
    if not isinstance(spelled, list):
        return spelled
    return [
        (tuple(name) if isinstance(name, list) else name, _fields(kind), *map(tuple, shape))
        for name, kind, *shape in spelled
    ]
