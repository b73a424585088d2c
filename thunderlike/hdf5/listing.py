"""Listing of the content of HDF5 files."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from h5py import h5d, h5g, h5o, h5t

from thunderlike._text import printable
from thunderlike.errors import SpecError, ThunderlikeError
from thunderlike.hdf5 import _attributes, _datasets, _files, _limits, compression
from thunderlike.hdf5._codec import Reader
from thunderlike.hdf5._limits import Budget
from thunderlike.hdf5.decoder import UNPACK, kind_of, open_path

if TYPE_CHECKING:
    from collections.abc import Iterator

    from thunderlike.hdf5._codec import Group
    from thunderlike.storage import AnyPath

__all__ = ["Drawing", "Entry", "Tree", "ls"]


_NARROWEST, _WIDEST = 20, 80
_ENDS = 5  # of more than 50 entries, so many at each end are shown
_MANY = 50


@dataclass
class Entry:
    """One row: where it is, what it is, and its size.

    Attributes
    ----------
    path : str
    kind : str
        ``'array'``, ``'dict'``, ``'list'``, ``'scalar'``, ``'DataFrame'``, ``'link'`` ...
    text : str
        What ``thunderlike ls`` shows.
    shape, dtype : optional
        Of what has them.
    compression : str
        Of an array, as ``zlib lvl1``.
    entries : list of Entry
        What is in it.
    """

    path: str
    kind: str
    text: str
    shape: tuple[int, ...] | None = None
    dtype: str | None = None
    compression: str = ""
    entries: list[Entry] = field(default_factory=list)

    @property
    def level(self) -> int:
        """How deep it is: 1 for entries of the root."""
        return 0 if self.path == "/" else self.path.count("/")

    def walk(self) -> Iterator[Entry]:
        """Yield it and all below it, in order."""
        waiting = [self]
        while waiting:
            entry = waiting.pop()
            yield entry
            waiting.extend(reversed(entry.entries))


@dataclass
class Tree:
    """All that is in a file, below one group.

    Attributes
    ----------
    root : Entry
    starred : bool
        The file holds one value that is no dictionary, under the name ``data``.
    """

    root: Entry
    starred: bool = False

    def __iter__(self) -> Iterator[Entry]:
        """All entries, in order, without the root."""
        entries = self.root.walk()
        if self.root.path == "/":
            next(entries)
        return entries

    def __str__(self) -> str:
        return self.text()

    def text(self, **options: Any) -> str:
        """Draw it, as :class:`Drawing` takes the options.

        Examples
        --------
        >>> import thunderlike as tl
        >>> tl.save("memory://deep.h5", {"a": {"b": {"c": 1}}})
        >>> print(tl.hdf5.ls("memory://deep.h5").text(depth=2))
        /a                 dict
        /a/b               dict (1) {...}
        """
        return "\n".join(Drawing(**options).lines(self))


def _starred(path: str) -> str:
    """Mark the one entry that `load` gives in place of the file."""
    return printable(path) + ("*" if path == "/data" else "")


def _shortened(name: str, length: int) -> str:
    """Shorten a path at its end; in a narrow column at its start, where all paths are alike."""
    if len(name) <= length:
        return name
    kept = max(1, length - 3)
    return f"{name[:kept]}..." if length >= _NARROWEST - 2 else f"...{name[-kept:]}"


@dataclass
class Drawing:
    """How a tree becomes lines.

    Parameters
    ----------
    depth : int
        Levels to show.
    everything : bool
        Show all of more than 50 entries.
    leaves : bool
        Show what holds nothing only.
    compression : bool
        Say how arrays are compressed.
    pattern : str
        Show paths in which this regular expression is found.
    width : int, optional
        Of the left column.
    """

    depth: int = 4
    everything: bool = False
    leaves: bool = False
    compression: bool = False
    pattern: str = ""
    width: int | None = None

    def __post_init__(self) -> None:
        try:
            re.compile(self.pattern)
        except re.error as error:
            raise SpecError(f"{self.pattern!r:.60} is not a regular expression: {error}") from error

    def lines(self, tree: Tree) -> Iterator[str]:
        """Return the lines, one for each entry that is shown."""
        rows = list(self._rows(tree))
        named = [(_starred(path) if tree.starred else printable(path), text) for path, text in rows]
        longest = max((len(name) + 2 for name, _ in named), default=0)
        width = self.width or min(max(longest, _NARROWEST), _WIDEST)
        for name, text in named:
            yield f"{_shortened(name, width - 2):<{width - 1}}{printable(text)}"
        if self.pattern:
            hidden = sum(1 for entry in tree if not re.search(self.pattern, entry.path))
            yield f"Filtered on: {self.pattern} ({hidden} rows omitted)"

    def _rows(self, tree: Tree) -> Iterator[tuple[str, str]]:
        top = tree.root.level
        waiting: list[Any] = [tree.root] if tree.root.path != "/" else self._shown(tree.root)[::-1]
        while waiting:
            entry = waiting.pop()
            if isinstance(entry, str):
                yield "", entry
                continue
            cut = entry.level - top >= self.depth
            if self._wanted(entry):
                yield entry.path, self._text(entry, cut=cut)
            if not cut:
                waiting.extend(reversed(self._shown(entry)))

    def _wanted(self, entry: Entry) -> bool:
        if self.leaves and entry.entries:
            return False
        return not self.pattern or re.search(self.pattern, entry.path) is not None

    def _text(self, entry: Entry, *, cut: bool) -> str:
        if cut and entry.entries:
            brackets = {"list": "[...]", "tuple": "(...)"}.get(entry.kind, "{...}")
            return f"{entry.text} ({len(entry.entries)}) {brackets}"
        more = f" {entry.compression}" if self.compression and entry.compression else ""
        return entry.text + more

    def _shown(self, entry: Entry) -> list[Any]:
        """Entries, those in the middle of very many left out; lists are shown whole."""
        found, count = entry.entries, len(entry.entries)
        if self.everything or self.pattern or count <= _MANY or entry.kind in ("list", "tuple"):
            return list(found)
        note = f"... {count - 2 * _ENDS} omitted ({count} in total)"
        return [*found[:_ENDS], note, *found[-_ENDS:]]


def ls(path: AnyPath, group: str = "/", *, raw: bool = False) -> Tree:
    """Describe a file: see :func:`thunderlike.hdf5.ls`."""
    reader = Reader(None)
    with _files.reading(path) as file, _files.located(lambda: f"{path}: {reader.here}"):
        reader.root = h5g.open(file, b"/")
        lister = _Lister(reader, raw=raw)
        node, where = open_path(reader, group)
        entry = lister.tree(node, where)
        top = _attributes.names_of(reader.root)
        return Tree(entry, starred=UNPACK in top)


@dataclass
class _Lister:
    """Describes nodes; each group once, for groups may hold themselves."""

    reader: Reader
    raw: bool = False

    def tree(self, node: Any, path: str) -> Entry:
        """Describe a node and all below it, with a stack of our own."""
        top, inside = self._node(node, path)
        waiting, seen = [(top, inside)], {h5o.get_info(node).addr}
        while waiting:
            entry, group = waiting.pop()
            for child, inner, address in self._entries(group) if group else ():
                entry.entries.append(child)
                if inner is not None and address not in seen:
                    seen.add(address)
                    waiting.append((child, inner))
        return top

    def _entries(self, group: Group) -> Iterator[tuple[Entry, Group | None, int]]:
        for name in sorted(group.ordered(), key=_natural):
            path = self.reader.here = _limits.join(group.path, name)
            if name not in group.nodes:
                yield _scalar(group, name, path), None, 0
                continue
            try:
                target = _limits.target_of(group.id, name)
            except ThunderlikeError as error:
                yield Entry(path, "refused", f"refused: it {error}"), None, 0
                continue
            if target is not None:
                yield Entry(path, "link", f"link -> {target} [SoftLink]"), None, 0
                continue
            node = h5o.open(group.id, name.encode("utf-8", "surrogateescape"))
            try:
                found = self._node(node, path)
            except ThunderlikeError as error:
                found = Entry(path, "unreadable", f"unreadable: it {error}"), None
            yield *found, h5o.get_info(node).addr

    def _node(self, node: Any, path: str) -> tuple[Entry, Group | None]:
        if isinstance(node, h5d.DatasetID):
            return _array(node, path), None
        if not isinstance(node, h5g.GroupID):
            return Entry(path, "type", "a named type"), None
        group = self.reader.group(node, path)
        return self._group(group)

    def _group(self, group: Group) -> tuple[Entry, Group | None]:
        kind = kind_of(group)
        if kind == "none":
            return Entry(group.path, "None", "None [python]"), None
        if kind in _SHORT and not self.raw:
            told = _SHORT[kind](group)
            if told is not None:
                return told, None
        name = _CALLED.get(kind, kind)
        return Entry(group.path, name, name), group


_CALLED = {"namespace": "SimpleNamespace", "records": "dict", "masked": "dict", "fields": "dict"}


def _natural(name: str) -> tuple[bool, int, str]:
    """Order: numbers, and the entries i0, i1 ... of lists, by their number."""
    digits = name[1:] if name[:1] == "i" else name
    return (not digits.isdecimal(), int(digits) if digits.isdecimal() else 0, name)


def _array(node: Any, path: str) -> Entry:
    found = _attributes.names_of(node)
    if "PSEUDOATOM" in found or isinstance(node.get_type(), h5t.TypeVlenID):
        return _rows(node, path, found)
    told = {name: _attributes.read(node, name) for name in _TOLD if name in found}
    known = _attributes.read_metadata(node, found)
    shape, dtype = _described(node, told)
    if known.get("kind") in ("str", "bytes"):
        kind = "unicode" if known["kind"] == "str" else "ascii"
        return Entry(path, known["kind"], f"{known['kind']} ({shape[0]} bytes) [{kind}]", shape)
    packed = compression.applied(node.get_create_plist())
    name = known["kind"] if "items" in known and known.get("kind") else "array"
    mark = " big-endian" if _is_big(node) else ""
    text = f"{name} {shape} [{dtype}]{mark}"
    return Entry(path, name, text, shape, dtype, packed)


def _rows(node: Any, path: str, found: list[str]) -> Entry:
    """Rows of any length: of PyTables a list, or pickles, by what its attributes say."""
    marks = {name: _attributes.read(node, name) for name in _ROWS.intersection(found)}
    texts = (mark.decode() if isinstance(mark, bytes) else str(mark) for mark in marks.values())
    kinds = set(texts)
    shape, kind = _datasets.shape_of(node), node.get_type()
    dtype = next((_ATOMS[k] for k in kinds if k in _ATOMS), None)
    if dtype is None and "PSEUDOATOM" in found:
        return Entry(path, "pickled", "pickled [object]")
    if dtype is None:
        dtype = _type_name(kind.get_super()) if isinstance(kind, h5t.TypeVlenID) else "object"
    name = "list" if "VLARRAY" in kinds or "PSEUDOATOM" in found else "array of arrays"
    return Entry(path, name, f"{name} {shape} [{dtype}]", shape, dtype)


_ROWS = {"CLASS", "PSEUDOATOM"}
_ATOMS = {"vlstring": "ascii", "vlunicode": "unicode"}
_TOLD = ("strtype", "itemsize", "zeroarray_dtype")


def _described(node: Any, told: dict[str, Any]) -> tuple[tuple[int, ...], str]:
    """Shape and dtype as Python will have them."""
    shape = _datasets.shape_of(node)
    if "zeroarray_dtype" in told:
        return _empty_shape(node), _named(bytes(told["zeroarray_dtype"]).decode("ascii", "replace"))
    strtype = told.get("strtype")
    if strtype == b"unicode" and shape and int(told.get("itemsize", 0)) > 0:
        return (*shape[:-1], shape[-1] // (4 * int(told["itemsize"]))), "unicode"
    kind = node.get_type()
    if isinstance(kind, h5t.TypeStringID):
        return shape, "unicode" if _attributes.is_utf8(kind) else "ascii"
    return shape, _type_name(kind)


def _empty_shape(node: Any) -> tuple[int, ...]:
    """The shape of an empty array is its values: a few numbers, read if they are few."""
    if math.prod(node.shape) > 64:
        return ()
    return tuple(int(n) for n in _datasets.read(node, Budget(1000)).ravel())


def _named(dtype: str) -> str:
    try:
        return np.dtype(dtype).name
    except TypeError:
        return dtype


def _type_name(kind: Any) -> str:
    while isinstance(kind, h5t.TypeArrayID):
        kind = kind.get_super()
    if _attributes.is_bits(kind):
        return "bool"
    try:
        return _attributes.plain_type(kind).name if not _is_compound(kind) else "structured"
    except (ThunderlikeError, TypeError):
        return type(kind).__name__.removeprefix("Type").removesuffix("ID").lower()


def _is_compound(kind: Any) -> bool:
    return isinstance(kind, h5t.TypeCompoundID) and kind.dtype.kind != "c"


def _is_big(node: Any) -> bool:
    kind = node.get_type()
    atomic = isinstance(kind, h5t.TypeIntegerID | h5t.TypeFloatID)
    return atomic and kind.get_size() > 1 and kind.get_order() == h5t.ORDER_BE


def _scalar(group: Group, name: str, path: str) -> Entry:
    """Single values are read: they are small. Those that might be pickles are shown as bytes."""
    try:
        value = group.scalar(name)
    except ThunderlikeError as error:
        return Entry(path, "unreadable", f"unreadable: it {error}")
    dtype = getattr(value, "dtype", np.dtype(object))
    if isinstance(value, np.ndarray):
        name = _TEXTS.get(dtype.kind, dtype.name)
        return Entry(path, "array", f"array {value.shape} [{name}]", value.shape, name)
    return Entry(path, "scalar", _spelled(value, dtype), (), dtype.name)


_TEXTS = {"U": "unicode", "S": "ascii"}


def _spelled(value: Any, dtype: np.dtype[Any]) -> str:
    if isinstance(value, str):
        return f"{_cut(repr(str(value)), len(value))} ({len(value)}) [unicode]"
    if isinstance(value, bytes):
        return f"{_cut(repr(bytes(value)), len(value))} ({len(value)}) [ascii]"
    return f"{str(value)[:20]} [{dtype.name}]"


def _cut(spelled: str, length: int) -> str:
    start = spelled.index(spelled[-1]) + 1
    return spelled if length <= 25 else f"{spelled[: start + 22]}...{spelled[-1]}"


def _frame(group: Group) -> Entry | None:
    """A frame of pandas in its own layout: its shape is that of its axes."""
    kind = str(group.attribute("pandas_type", ""))
    if kind == "series":
        values = h5d.open(group.id, b"values")
        dtype = _type_name(values.get_type())
        return Entry(group.path, "Series", f"Series {values.shape} [{dtype}]", values.shape, dtype)
    if kind != "frame":
        return None
    shape = (_length(group, "axis1"), _length(group, "axis0"))
    return Entry(group.path, "DataFrame", f"DataFrame {shape}", shape)


def _length(group: Group, axis: str) -> int:
    """Rows of an axis; one of several levels has as many as its labels."""
    several = str(group.attribute(f"{axis}_variety", "")) == "multi"
    node = h5d.open(group.id, f"{axis}_label0".encode() if several else axis.encode())
    return 0 if "shape" in _attributes.names_of(node) else int(node.shape[0])


def _sparse(group: Group) -> Entry | None:
    kept = str(group.attribute("format", ""))
    shape = _short_array(group, "shape")
    dtype = _array(h5d.open(group.id, b"data"), "").dtype
    text = f"sparse {kept} {shape} [{dtype}]"
    return Entry(group.path, "sparse", text, shape, dtype)


def _short_array(group: Group, name: str) -> tuple[int, ...]:
    return _empty_shape(h5d.open(group.id, name.encode()))


def _pandas(group: Group) -> Entry | None:
    name = str(group.metadata.get("of", ""))
    if name == "Series" and "values" in group.nodes:
        count, dtype = _of_column(h5o.open(group.id, b"values"))
        return Entry(group.path, name, f"{name} ({count},) [{dtype}]", (count,), dtype)
    if name != "DataFrame":
        return None
    columns = sum(1 for entry in group.ordered() if re.fullmatch(r"c\d+", entry))
    rows = next((n for n in ("c0", "index") if n in group.nodes), None)
    shape = (0 if rows is None else _of_column(h5o.open(group.id, rows.encode()))[0], columns)
    return Entry(group.path, name, f"{name} {shape}", shape)


def _of_column(node: Any) -> tuple[int, str]:
    """How many values a column or an index has, and of what dtype."""
    if isinstance(node, h5d.DatasetID):
        found = _attributes.names_of(node)
        told = {name: _attributes.read(node, name) for name in _TOLD if name in found}
        shape, dtype = _described(node, told)
        return (shape[0] if shape else 1), dtype
    there, names = _attributes.names_of(node), _limits.names_of(node)
    if "range" in there:
        return len(range(*map(int, str(_attributes.read(node, "range")).split()))), "int64"
    items = sum(1 for name in (*there, *names) if re.fullmatch(r"i\d+", name))
    if items:  # a short list: each item is an entry
        return items, "object"
    part = next((name for name in _COLUMN_PARTS if name in names), None)
    if part is None:
        return 0, "object"
    count, dtype = _of_column(h5o.open(node, part.encode()))
    return count, _COLUMN_PARTS[part] or dtype


# What the values of a column are in, and what they are where the array does not say it.
_COLUMN_PARTS = {
    "texts": "unicode",
    "data": "",
    "values": "",
    "codes": "category",
    "left": "interval",
}


def _either(group: Group) -> Entry | None:
    return _frame(group) if "pandas_type" in group.attribute_names else _pandas(group)


_SHORT = {"frame": _either, "pandas": _either, "sparse": _sparse}
