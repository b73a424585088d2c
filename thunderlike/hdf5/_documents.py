"""Small entries of a wide group, in one JSON document and one array for each dtype.

A group whose metadata have ``packed`` holds the dataset ``%document``, one text of JSON: an object
of entries by name, or an array if the names are i0, i1, ... Numbers, text, booleans, None, lists
and dictionaries of text keys are as in JSON. All other values are objects with the key ``%``:

=========================  =====================================================================
``%``                      other keys
=========================  =====================================================================
node                       none: the entry is an attribute or a node of the group
array                      in, at, shape: elements of the dataset ``%<in>``; dtype, order
scalar                     code of `scalars`; v: its JSON, b: its bytes, or in and at
same                       v: steps to a value that was met before, in this document or the one of
                           the group at the path of; without steps, the node at that path
tuple, set, deque, ...     v: list of items
dict, OrderedDict, ...     v: list of pairs of key and value
=========================  =====================================================================

Nothing in a document is executed, and `Document` checks all that it reads.
"""

from __future__ import annotations

import collections
import math
import zlib
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
from h5py import h5d, h5s, h5t

from thunderlike.errors import (
    BadIndexError,
    GroupMissingError,
    Hdf5Error,
    RefusedError,
    SpecError,
    UnreadableError,
)
from thunderlike.hdf5 import _attributes, _datasets, _limits, compression, scalars

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from h5py.h5g import GroupID
    from numpy.typing import NDArray

    from thunderlike.hdf5._datasets import Index
    from thunderlike.hdf5._limits import Budget
    from thunderlike.hdf5._pickles import Policy
    from thunderlike.hdf5.compression import Filters

__all__ = [
    "DICTS",
    "DOCUMENT",
    "FACTORIES",
    "MAKERS",
    "NODE",
    "Document",
    "Elsewhere",
    "indexed",
    "is_numbered",
    "named_tuple",
    "rewrite",
    "write",
]

DOCUMENT = "%document"
NODE = {"%": "node"}

_PARSED = 16  # bytes of Python objects for a byte of JSON, at most
_KINDS = "biufcSUmM"  # of arrays
_MOST_HOPS = 64  # from a reference to the next
_NESTED = (dict, list)

# Factories of defaultdict that a file may name: any other class could run code when it is called.
FACTORIES: dict[str, Any] = {
    kind.__name__: kind for kind in (list, dict, set, tuple, int, float, str, bytes, bool)
}
MAKERS: dict[str, Callable[[list[Any]], Any]] = {
    "list": list,
    "tuple": tuple,
    "set": set,
    "frozenset": frozenset,
    "deque": collections.deque,
}
DICTS: dict[str, type[dict[Any, Any]]] = {
    kind.__name__: kind
    for kind in (collections.OrderedDict, collections.defaultdict, collections.Counter)
}


def named_tuple(metadata: dict[str, Any]) -> type:
    """Return a new class with the name and the fields of the one that was saved."""
    try:
        name = metadata["class"].rpartition(".")[2]
        return collections.namedtuple(name, metadata["fields"])  # which checks the names
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise Hdf5Error(f"has no names for a named tuple: {error}") from error


def is_numbered(names: Iterable[str]) -> bool:
    """Return True for the names of items: i0, i1, ..."""
    return all(name == f"i{number}" for number, name in enumerate(names))


# writing


def write(
    group: GroupID,
    entries: dict[str, Any],
    arrays: Mapping[str, list[NDArray[Any]]],
    filters: Filters,
) -> dict[str, Any]:
    """Write a document and its arrays into a group, and return what its metadata have to keep."""
    for name, parts in arrays.items():
        whole = np.concatenate(parts)
        dataset = _datasets.create(group, f"%{name}", whole.shape, whole.dtype, filters)
        _datasets.write_part(dataset, whole)
    content: Any = list(entries.values()) if is_numbered(entries) else entries
    text = msgspec.json.encode(content)
    _write_text(group, text)
    info: dict[str, Any] = {"arrays": list(arrays)}
    if filters.checksum:
        info["crc32"] = zlib.crc32(text)  # text is no chunk, of which HDF5 keeps checksums
    return info


def rewrite(group: GroupID, document: Document, replaced: Iterable[str]) -> dict[str, Any]:
    """Write a document again, in which some entries are attributes or nodes of the group."""
    entries = {**document.entries, **{n: NODE for n in replaced if n in document.entries}}
    content: Any = list(entries.values()) if document.is_list else entries
    text = msgspec.json.encode(content)
    group.unlink(DOCUMENT.encode())
    _write_text(group, text)
    return {**document.info, **({"crc32": zlib.crc32(text)} if "crc32" in document.info else {})}


def _write_text(group: GroupID, text: bytes) -> None:
    kind = h5t.C_S1.copy()
    kind.set_size(len(text))
    kind.set_cset(h5t.CSET_UTF8)
    kind.set_strpad(h5t.STR_NULLPAD)
    plist = compression.NONE.plist((), np.dtype(np.uint8))
    dataset = h5d.create(group, DOCUMENT.encode(), kind, h5s.create(h5s.SCALAR), plist)
    dataset.write(h5s.ALL, h5s.ALL, np.array(text, f"S{len(text)}"), kind)


# reading


class Elsewhere(Exception):  # noqa: N818  # no error: the path goes on in another document
    """A path leads through a reference to another document or to a node.

    Attributes
    ----------
    path : str
        Of the group or node.
    steps : list
        To a value in the document of the group.
    rest : list of str
        Names that follow.
    """

    def __init__(self, path: str, steps: list[Any], rest: list[str]) -> None:
        super().__init__(path)
        self.path, self.steps, self.rest = path, steps, rest


class Document:
    """Small entries of a group, which are decoded when they are asked for.

    Parameters
    ----------
    group : h5py.h5g.GroupID
    path : str
        Path of the group.
    info : dict
        ``packed`` in the metadata of the group.
    budget : Budget
    classes : mapping
        Classes that may be instantiated, by name.
    pickle : {'refuse', 'restricted', 'allow'}
        Policy for pickled keys.
    other : callable
        Returns the value at steps of the document of another group, or of a node.
    python : bool
        Return Python's numbers and text; False returns numpy's scalars.

    Attributes
    ----------
    entries : dict
        JSON of each entry, by name.
    is_list : bool
        The document is an array of JSON.
    """

    def __init__(
        self,
        group: GroupID,
        path: str,
        info: object,
        budget: Budget,
        classes: Mapping[str, Any],
        pickle: Policy,
        other: Callable[[str, list[Any]], Any],
        *,
        python: bool,
    ) -> None:
        if not isinstance(info, dict) or not isinstance(info.get("arrays"), list):
            raise Hdf5Error("the metadata of its small entries are damaged")
        self.info: dict[str, Any] = info
        self.path = path
        self._group, self._budget = group, budget
        self._classes, self._pickle, self._python = classes, pickle, python
        self._other = other
        content = self._parsed(self._text())
        self.is_list = isinstance(content, list)
        self.entries: dict[str, Any]
        if isinstance(content, list):
            self.entries = {f"i{number}": raw for number, raw in enumerate(content)}
        else:
            self.entries = content
        self._plain = python and info.get("plain") is True  # without tags, JSON is the value itself
        self._whole: dict[str, NDArray[Any]] = {}
        self._made: dict[int, Any] = {}  # values by the id of their JSON, which lives as long

    @property
    def hidden(self) -> set[str]:
        """Names of the datasets of the document, which are no entries."""
        return {DOCUMENT, *(f"%{name}" for name in self.info["arrays"])}

    def _text(self) -> bytes:
        dataset = self._open(DOCUMENT)
        if not isinstance(dataset.get_type(), h5t.TypeStringID) or dataset.shape != ():
            raise Hdf5Error(f"{DOCUMENT} is not text")
        if dataset.get_type().is_variable_str():
            raise Hdf5Error(f"{DOCUMENT} is text of variable length")
        text = bytes(_datasets.read(dataset, self._budget)[()])
        self._budget.spend(_PARSED * len(text))
        if "crc32" in self.info and zlib.crc32(text) != self.info["crc32"]:
            raise Hdf5Error(f"{DOCUMENT} is damaged: its checksum differs")
        return text

    def _parsed(self, text: bytes) -> Any:
        try:
            content = msgspec.json.decode(text)
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
            raise Hdf5Error(f"{DOCUMENT} is damaged: {error}") from error
        if not isinstance(content, list | dict):
            raise Hdf5Error(f"{DOCUMENT} is damaged: it holds no entries")
        return content

    def _open(self, name: str) -> Any:
        try:
            link = _limits.target_of(self._group, name)
        except (KeyError, RuntimeError):
            raise Hdf5Error(f"has no dataset {name!r:.60} for its small entries") from None
        if link is not None:
            raise RefusedError(f"{name!r:.60} is a link where a dataset is expected")
        node = _limits.open_node(self._group, name)
        if not isinstance(node, h5d.DatasetID):
            raise Hdf5Error(f"{name!r:.60} is not a dataset")
        return node

    # values

    def values(self) -> dict[str, Any]:
        """Return the values of all entries, which have to be in the document."""
        try:
            return {name: self.value(raw) for name, raw in self.entries.items()}
        except RecursionError as error:
            raise Hdf5Error("its small entries are nested too deep, or hold themselves") from error

    def entry(self, steps: list[str], sel: Index | None = None) -> Any:
        """Return the value at a path of names, or a part of an array.

        Raises
        ------
        Elsewhere
            If the path leads out of the document.
        """
        try:
            raw = self.find(steps)
            if sel is None:
                return self.value(raw)
            if type(raw) is not dict or raw.get("%") != "array":
                raise SpecError(f"is a {self.kind(raw)}: sel takes parts of arrays")
            return indexed(self.value(raw), sel)
        except RecursionError as error:
            raise Hdf5Error("its small entries are nested too deep, or hold themselves") from error

    def at(self, steps: list[Any]) -> Any:
        """Return the JSON at steps of a reference."""
        try:
            raw = self.entries[steps[0]]
            for step in steps[1:]:
                inner = raw["v"] if type(raw) is dict and "%" in raw else raw
                pairs = type(raw) is dict and "%" in raw and raw["%"] not in _OF_ITEMS
                raw = inner[step][1] if pairs else inner[step]
        except (KeyError, IndexError, TypeError, AttributeError) as error:
            raise Hdf5Error(f"refers to {steps!r:.60}, which is not there") from error
        return raw

    def _target(self, raw: Any, rest: list[str]) -> Any:
        """Return the JSON that a reference leads to, or any other JSON itself."""
        for _ in range(_MOST_HOPS):
            if type(raw) is not dict or raw.get("%") != "same":
                return raw
            path, steps = self.place(raw)
            if path != self.path:
                raise Elsewhere(path, steps, rest)
            raw = self.at(steps)
        raise Hdf5Error("refers to itself")

    def value(self, raw: Any) -> Any:
        """Return the value of JSON; that of one object is made once."""
        kind, as_is = type(raw), self._python
        if self._plain:
            return raw
        if kind not in _NESTED:
            return raw if as_is or raw is None else scalars.from_json(raw)
        if id(raw) in self._made:
            return self._made[id(raw)]
        made: Any
        if kind is list:
            made = [r if as_is and type(r) not in _NESTED else self.value(r) for r in raw]
        elif "%" in raw:
            made = self._tagged(raw["%"], raw)
        else:
            made = {
                key: r if as_is and type(r) not in _NESTED else self.value(r)
                for key, r in raw.items()
            }
        self._made[id(raw)] = made
        return made

    def _tagged(self, tag: object, raw: dict[str, Any]) -> Any:
        if tag == "array":
            return self._array(raw)
        if tag == "scalar":
            return self._scalar(raw)
        if tag == "same":
            path, steps = self.place(raw)
            return self.value(self.at(steps)) if path == self.path else self._other(path, steps)
        if tag in _OF_ITEMS:
            items = [self.value(r) for r in _listed(raw)]
            if tag == "namedtuple":
                return (self._class_of(raw) or named_tuple(raw))(*items)
            return MAKERS[str(tag)](items)
        if tag in _OF_PAIRS:
            pairs = {key: self.value(r) for key, r in self._pairs(raw).items()}
            return self._of_pairs(str(tag), raw, pairs)
        if tag == "node":
            raise UnreadableError("refers to an entry that was replaced")
        raise Hdf5Error(f"holds {raw!r:.60} among its small entries, which is of no known kind")

    def _of_pairs(self, tag: str, raw: dict[str, Any], pairs: dict[Any, Any]) -> Any:
        if tag == "namespace":
            return SimpleNamespace(**pairs)
        if tag == "dataclass":
            kind = self._class_of(raw)
            if kind is None:
                return pairs
            made = object.__new__(kind)
            for key, value in pairs.items():  # as pickle does, __init__ is not called
                object.__setattr__(made, key, value)
            return made
        made = DICTS.get(tag, dict)()
        if isinstance(made, collections.defaultdict):
            made.default_factory = FACTORIES.get(str(raw.get("factory", "")))
        for key, value in pairs.items():
            made[key] = value
        return made

    def _class_of(self, raw: dict[str, Any]) -> Any:
        return self._classes.get(str(raw.get("class", "")))

    def _pairs(self, raw: dict[str, Any]) -> dict[Any, Any]:
        pairs = _listed(raw)
        if not all(type(pair) is list and len(pair) == 2 for pair in pairs):
            raise Hdf5Error("has a dictionary without pairs among its small entries")
        return {_attributes.key_from_json(key, self._pickle): r for key, r in pairs}

    def _scalar(self, raw: dict[str, Any]) -> Any:
        stored, code = self.stored(raw), raw.get("code")
        if not self._python or not isinstance(code, str):
            return stored
        return scalars.decode(stored, code, self._classes)

    def stored(self, raw: Any) -> Any:
        """Return a single value as numpy's scalar, without its code."""
        if type(raw) is not dict:
            return raw if raw is None else scalars.from_json(raw)
        if "v" in raw:
            return scalars.from_json(raw["v"])
        if isinstance(raw.get("b"), str):
            try:
                return np.bytes_(raw["b"].encode("latin-1"))
            except UnicodeEncodeError as error:
                raise Hdf5Error("has text where bytes are expected") from error
        return self._elements(raw, 1)[0]

    # arrays

    def _array(self, raw: dict[str, Any]) -> NDArray[Any]:
        shape, dtype = self.shape(raw), self.dtype(raw)
        if "in" not in raw:
            if math.prod(shape) * dtype.itemsize:
                raise Hdf5Error("has an array without elements among its small entries")
            array: NDArray[Any] = np.zeros(shape, dtype)
        else:
            count = math.prod(shape)
            array = self._elements(raw, count, dtype).reshape(shape)
        return np.asfortranarray(array) if raw.get("order") == "F" else array

    def shape(self, raw: dict[str, Any]) -> tuple[int, ...]:
        """Return the shape of an array."""
        shape = raw.get("shape")
        if type(shape) is not list or not all(type(n) is int and n >= 0 for n in shape):
            raise Hdf5Error("has no valid shape among its small entries")
        if len(shape) > 64 or math.prod(shape) >= 2**62:
            raise Hdf5Error(f"announces the shape {shape!r:.60}")
        return tuple(shape)

    def dtype(self, raw: dict[str, Any]) -> np.dtype[Any]:
        """Return the dtype of an array."""
        if "dtype" not in raw:
            return self._part(raw.get("in")).dtype
        try:
            dtype = np.dtype(str(raw["dtype"]))
        except (TypeError, ValueError) as error:
            raise Hdf5Error(f"has an unknown dtype {raw['dtype']!r:.60}") from error
        if dtype.kind not in _KINDS:
            raise Hdf5Error(f"has the dtype {dtype} among its small entries")
        return dtype

    def _elements(
        self, raw: dict[str, Any], count: int, dtype: np.dtype[Any] | None = None
    ) -> NDArray[Any]:
        part, at = self._part(raw.get("in")), raw.get("at")
        if type(at) is not int or at < 0:
            raise Hdf5Error("has no valid position among its small entries")
        length = count if dtype is None else count * dtype.itemsize // part.itemsize
        values = part[at : at + length]
        if len(values) != length:
            raise Hdf5Error("has an array beyond the end of its small entries")
        values = values.copy()
        if dtype is None or dtype == part.dtype:
            return values
        if part.dtype.kind not in "iu" or length * part.itemsize != count * dtype.itemsize:
            raise Hdf5Error(f"holds {part.dtype} where bytes of {dtype} are expected")
        viewed = values.view(dtype)
        # numpy decodes code points beyond Unicode without an error, and fails to print them.
        if dtype.kind == "U" and count:
            codes = values.view(np.dtype(np.uint32).newbyteorder(dtype.byteorder))
            if codes.max() > 0x10FFFF:
                raise Hdf5Error("holds text with code points beyond Unicode")
        return viewed

    def _part(self, name: object) -> NDArray[Any]:
        if name not in self.info["arrays"]:
            raise Hdf5Error(f"has no array {name!r:.60} for its small entries")
        if name not in self._whole:
            part = _datasets.read(self._open(f"%{name}"), self._budget)
            if part.ndim != 1 or part.dtype.kind not in _KINDS:
                raise Hdf5Error(f"%{name} is not a sequence of numbers")
            self._whole[str(name)] = part
        return self._whole[str(name)]

    # names

    def children(self, raw: Any) -> dict[str, Any]:
        """Return the JSON of the entries of a container, by their names; {} of other values."""
        if type(raw) is list:
            return {f"i{number}": r for number, r in enumerate(raw)}
        if type(raw) is not dict:
            return {}
        tag = raw.get("%")
        if tag in _OF_ITEMS:
            return {f"i{number}": r for number, r in enumerate(_listed(raw))}
        if tag in _OF_PAIRS:
            pairs = self._pairs(raw)
            return {name: pairs[key] for name, key in _attributes.entry_names(pairs).items()}
        if "%" in raw:
            return {}
        return {name: raw[key] for name, key in _attributes.entry_names(raw).items()}

    def find(self, steps: list[str]) -> Any:
        """Return the JSON at a path of names.

        Raises
        ------
        GroupMissingError
            If there is no such entry: lists those that are there.
        """
        raw = self._target(self.entries[steps[0]], steps[1:])
        for number, step in enumerate(steps[1:], 2):
            inside = self.children(raw)
            if step not in inside and type(raw) is dict and "%" not in raw and step in raw:
                raw = self._target(raw[step], steps[number:])  # a key that is no name in HDF5
                continue
            if step not in inside:
                known = ", ".join(sorted(inside)[:8]) or "nothing"
                raise GroupMissingError(f"no entry {step!r:.60}; the entries are {known}")
            raw = self._target(inside[step], steps[number:])
        return raw

    def place(self, raw: dict[str, Any]) -> tuple[str, list[Any]]:
        """Return the path of the group or node that a reference leads to, and the steps there."""
        steps, path = _listed(raw), raw.get("of", self.path)
        valid = isinstance(path, str) and all(type(step) in (int, str) for step in steps)
        if not valid or not (steps or "of" in raw):
            raise Hdf5Error(f"refers to {raw!r:.60}, which is no place")
        return path, steps

    def names(self, steps: list[Any]) -> list[str]:
        """Return the names that the steps of a reference lead along."""
        names, raw = [str(steps[0])], self.at(steps[:1])
        for number in range(1, len(steps)):
            following = self.at(steps[: number + 1])
            inside = self.children(raw).items()
            names.append(next((n for n, r in inside if r is following), str(steps[number])))
            raw = following
        return names

    def kind(self, raw: Any) -> str:
        """Return the kind of a value, as that of a group, ``'array'`` or ``'scalar'``."""
        if type(raw) is list:
            return "list"
        if type(raw) is dict:
            return str(raw.get("%", "dict"))
        return "none" if raw is None else "scalar"


_OF_ITEMS = ("tuple", "set", "frozenset", "deque", "namedtuple")
_OF_PAIRS = ("dict", *DICTS, "namespace", "dataclass")


def _listed(raw: dict[str, Any]) -> list[Any]:
    items = raw.get("v")
    if type(items) is not list:
        raise Hdf5Error(f"holds {raw!r:.60} among its small entries, which has no items")
    return items


def indexed(array: NDArray[Any], sel: Index) -> Any:
    """Return the part of an array in memory that `sel` takes from one in a file.

    Raises
    ------
    BadIndexError
        For an index that does not fit.

    Examples
    --------
    >>> indexed(np.arange(12).reshape(3, 4), np.s_[::-2, [0, 3]])
    array([[ 8, 11],
           [ 0,  3]])
    """
    planned = _datasets.plan(sel, array.shape)
    try:
        return array[np.ix_(*(axis.places() for axis in planned.axes))][planned.after]
    except IndexError as error:
        raise BadIndexError(str(error)) from error
