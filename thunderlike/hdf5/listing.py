"""Listing of the content of HDF5 files, and its layout as text."""

from __future__ import annotations

import math
import re
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from h5py import h5d, h5g, h5o, h5t

from thunderlike._text import printable
from thunderlike.errors import SpecError, ThunderlikeError
from thunderlike.hdf5 import _attributes, _datasets, _files, _limits, compression
from thunderlike.hdf5._codec import Reader
from thunderlike.hdf5._documents import Elsewhere
from thunderlike.hdf5._limits import Budget
from thunderlike.hdf5.decoder import UNPACK, follow, kind_of, path_of
from thunderlike.hdf5.packed import target_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from h5py.h5d import DatasetID
    from h5py.h5g import GroupID
    from h5py.h5t import TypeID

    from thunderlike.hdf5._codec import Group
    from thunderlike.hdf5._documents import Document
    from thunderlike.storage import AnyPath

__all__ = ["Drawing", "Entry", "Tree", "ls"]


_NARROWEST, _WIDEST = 20, 80
_MANY = 50  # of more entries, only some at each end are shown
_ENDS = 5


@dataclass
class Entry:
    """One node or single value of a file.

    Attributes
    ----------
    path : str
    kind : str
        ``'array'``, ``'dict'``, ``'list'``, ``'scalar'``, ``'DataFrame'``, ``'link'`` ...
    text : str
        Description that ``thunderlike ls`` prints.
    shape, dtype : optional
        Of arrays, frames, matrices and numbers.
    compression : str
        Of an array, as ``zlib lvl1``.
    entries : list of Entry
        Entries of a group.
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
        """Depth in the file: 1 for entries of the root."""
        return 0 if self.path == "/" else self.path.count("/")

    def walk(self) -> Iterator[Entry]:
        """Yield the entry and all entries below it, in order."""
        waiting = [self]
        while waiting:
            entry = waiting.pop()
            yield entry
            waiting.extend(reversed(entry.entries))


@dataclass
class Tree:
    """Entries of a file below one group.

    Attributes
    ----------
    root : Entry
    starred : bool
        The value of the file is not a dictionary, and its entry is ``data``.
    """

    root: Entry
    starred: bool = False

    def __iter__(self) -> Iterator[Entry]:
        """Iterate over all entries in order, without the root."""
        entries = self.root.walk()
        if self.root.path == "/":
            next(entries)
        return entries

    def __str__(self) -> str:
        return self.text()

    def text(self, **options: Any) -> str:
        """Return the listing as text, with the options of :class:`Drawing`.

        Examples
        --------
        >>> import thunderlike as tl
        >>> tl.save("memory://deep.h5", {"a": {"b": {"c": 1}}})
        >>> print(tl.hdf5.ls("memory://deep.h5").text(depth=2))
        /a                 dict
        /a/b               dict (1) {...}
        """
        return "\n".join(Drawing(**options).lines(self))


@dataclass
class Drawing:
    """Options to print a tree as lines of text.

    Parameters
    ----------
    depth : int
        Maximum depth.
    everything : bool
        Show all entries of groups that have more than 50.
    leaves : bool
        Show only nodes without entries.
    compression : bool
        Show the compression of arrays.
    pattern : str
        Regular expression; only paths that contain a match are shown.
    width : int, optional
        Width of the left column.
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
        """Yield the lines, one for each entry that is shown."""
        rows = list(self._rows(tree))
        # A star marks the entry that `load` returns as the value of the file.
        star = "/data" if tree.starred else None
        named = [(printable(path) + ("*" if path == star else ""), text) for path, text in rows]
        longest = max((len(name) + 2 for name, _ in named), default=0)
        width = self.width or min(max(longest, _NARROWEST), _WIDEST)
        room = width - 2
        kept = max(1, room - 3)
        for name, text in named:
            # At the end; in a narrow column at the start, which all paths share.
            short = f"{name[:kept]}..." if room >= _NARROWEST - 2 else f"...{name[-kept:]}"
            shown = name if len(name) <= room else short
            yield f"{shown:<{width - 1}}{printable(text)}"
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
        """Return the entries of a group, without the middle of very many; all items of a list."""
        entries, count = entry.entries, len(entry.entries)
        if self.everything or self.pattern or count <= _MANY or entry.kind in ("list", "tuple"):
            return list(entries)
        note = f"... {count - 2 * _ENDS} omitted ({count} in total)"
        return [*entries[:_ENDS], note, *entries[-_ENDS:]]


def ls(path: AnyPath, group: str = "/", *, raw: bool = False) -> Tree:
    """List a file: see :func:`thunderlike.hdf5.ls`."""
    reader = Reader(None)
    with _files.reading(path) as file, _files.located(lambda: f"{path}: {reader.here}"):
        reader.root = h5g.open(file, b"/")
        lister = _Lister(reader, raw=raw)
        holder, names = follow(reader, group)
        if names and names[0] in holder.small and holder.document is not None:
            try:
                found = holder.document.find(names)
            except Elsewhere as place:
                return ls(path, path_of(reader, place), raw=raw)
            entry = lister.small(
                holder.document, found, "/".join([holder.path.rstrip("/"), *names])
            )
        elif names:
            entry = lister.tree(*reader.open(holder.id, holder.path, names[0]))
        else:
            entry = lister.tree(reader.root, "/")
        top = _attributes.names_of(reader.root)
        return Tree(entry, starred=UNPACK in top)


@dataclass
class _Lister:
    """Lists nodes, each group once, since groups may contain themselves."""

    reader: Reader
    raw: bool = False

    def tree(self, node: GroupID | DatasetID, path: str) -> Entry:
        """List a node and all nodes below it, without recursion."""
        top, root = self._node(node, path)
        waiting, seen = [(top, root)], {h5o.get_info(node).addr}
        while waiting:
            entry, group = waiting.pop()
            # Children of the last group in the list first: a stack, in place of recursion.
            for child, inner, address in self._entries(group) if group else ():
                entry.entries.append(child)
                if inner is not None and address not in seen:
                    # The address in the file identifies a group that two links lead to.
                    seen.add(address)
                    waiting.append((child, inner))
        return top

    def _entries(self, group: Group) -> Iterator[tuple[Entry, Group | None, int]]:
        for name in sorted(group.ordered(), key=_natural):
            path = self.reader.here = _limits.join(group.path, name)
            if name in group.small and group.document is not None:
                yield self.small(group.document, group.small[name], path), None, 0
                continue
            if name not in group.nodes:
                yield _scalar(group, name, path), None, 0
                continue
            try:
                # Links are not followed: a target in the file has an entry of its own.
                target = _limits.target_of(group.id, name)
            except ThunderlikeError as error:
                yield Entry(path, "refused", f"refused: it {error}"), None, 0
                continue
            if target is not None:
                yield _link(path, target), None, 0
                continue
            node = h5o.open(group.id, name.encode("utf-8", "surrogateescape"))
            try:
                child = self._node(node, path)
            except ThunderlikeError as error:
                child = Entry(path, "unreadable", f"unreadable: it {error}"), None
            yield *child, h5o.get_info(node).addr

    def _node(self, node: GroupID | DatasetID, path: str) -> tuple[Entry, Group | None]:
        if isinstance(node, h5d.DatasetID):
            return _array(node, path), None
        if not isinstance(node, h5g.GroupID):
            return Entry(path, "type", "a named type"), None
        group = self.reader.group(node, path)
        kind = kind_of(group)
        if kind == "none":
            return Entry(group.path, "None", "None [python]"), None
        if kind == "same":
            return _link(path, path_of(self.reader, Elsewhere(*target_of(group), []))), None
        summarize = None if self.raw else _SUMMARIES.get(kind)
        summary = None if summarize is None else summarize(group)
        if summary is not None:
            return summary, None
        name = _NAMES.get(kind, kind)
        return Entry(group.path, name, name), group

    def small(self, document: Document, raw: Any, path: str) -> Entry:
        """List an entry of a document, and all entries below it."""
        kind = document.kind(raw)
        if kind == "none":
            return Entry(path, "None", "None [python]")
        if kind == "scalar":
            return _of_scalar(document.stored(raw), path)
        if kind == "array":
            shape, dtype = document.shape(raw), document.dtype(raw)
            name = _TEXTS.get(dtype.kind, dtype.newbyteorder("=").name)
            mark = "" if dtype.isnative or dtype.kind in _TEXTS else " big-endian"
            return Entry(path, "array", f"array {shape} [{name}]{mark}", shape, name)
        if kind == "same":
            return _link(path, path_of(self.reader, Elsewhere(*document.place(raw), [])))
        name = _NAMES.get(kind, kind)
        inside = sorted(document.children(raw).items(), key=lambda item: _natural(item[0]))
        entries = [self.small(document, r, _limits.join(path, n)) for n, r in inside]
        return Entry(path, name, name, entries=entries)


def _link(path: str, target: str) -> Entry:
    return Entry(path, "link", f"link -> {target} [SoftLink]")


_NAMES = {"namespace": "SimpleNamespace", "records": "dict", "masked": "dict", "fields": "dict"}


def _natural(name: str) -> tuple[bool, int, str]:
    """Return the key to sort numbers, and the entries i0, i1, ... of lists, by number."""
    digits = name[1:] if name[:1] == "i" else name
    return (not digits.isdecimal(), int(digits) if digits.isdecimal() else 0, name)


def _array(node: DatasetID, path: str) -> Entry:
    names = _attributes.names_of(node)
    if "PSEUDOATOM" in names or isinstance(node.get_type(), h5t.TypeVlenID):
        return _rows(node, path, names)
    metadata = _attributes.read_metadata(node, names)
    shape, dtype = _shape_and_dtype(node, names)
    kind = metadata.get("kind")
    if kind in ("str", "bytes"):
        encoding = "unicode" if kind == "str" else "ascii"
        return Entry(path, kind, f"{kind} ({shape[0]} bytes) [{encoding}]", shape)
    packed = compression.applied(node.get_create_plist())
    name = kind if "items" in metadata and kind else "array"
    stored, mark = node.get_type(), ""
    # `load` returns native byte order, so that the dtype does not show that of the file.
    if isinstance(stored, h5t.TypeIntegerID | h5t.TypeFloatID) and stored.get_size() > 1:
        mark = " big-endian" if stored.get_order() == h5t.ORDER_BE else ""
    text = f"{name} {shape} [{dtype}]{mark}"
    return Entry(path, name, text, shape, dtype, packed)


def _rows(node: DatasetID, path: str, names: list[str]) -> Entry:
    """Return the entry of rows of variable length: a list of PyTables, pickles, or arrays."""
    marks = [_attributes.read(node, name) for name in names if name in ("CLASS", "PSEUDOATOM")]
    # h5py returns bytes or text, by the character set of the attribute.
    kinds = {mark.decode() if isinstance(mark, bytes) else str(mark) for mark in marks}
    shape, kind = _datasets.shape_of(node), node.get_type()
    dtype = next((_ATOMS[k] for k in kinds if k in _ATOMS), None)
    if dtype is None and "PSEUDOATOM" in names:
        return Entry(path, "pickled", "pickled [object]")
    if dtype is None:
        dtype = _type_name(kind.get_super()) if isinstance(kind, h5t.TypeVlenID) else "object"
    name = "list" if "VLARRAY" in kinds or "PSEUDOATOM" in names else "array of arrays"
    return Entry(path, name, f"{name} {shape} [{dtype}]", shape, dtype)


_ATOMS = {"vlstring": "ascii", "vlunicode": "unicode"}
_ARRAY_ATTRIBUTES = ("strtype", "itemsize", "zeroarray_dtype")


def _shape_and_dtype(node: DatasetID, names: list[str]) -> tuple[tuple[int, ...], str]:
    """Return shape and dtype of the array that `load` returns."""
    attributes = {n: _attributes.read(node, n) for n in _ARRAY_ATTRIBUTES if n in names}
    shape = _datasets.shape_of(node)
    if "zeroarray_dtype" in attributes:
        dtype = bytes(attributes["zeroarray_dtype"]).decode("ascii", "replace")
        with suppress(TypeError):
            dtype = np.dtype(dtype).name
        return _short_values(node), dtype
    width = int(attributes.get("itemsize", 0))
    # Text is stored as bytes of UTF-32, four for each character, along the last axis.
    if attributes.get("strtype") == b"unicode" and shape and width > 0:
        return (*shape[:-1], shape[-1] // (4 * width)), "unicode"
    kind = node.get_type()
    if isinstance(kind, h5t.TypeStringID):
        return shape, "unicode" if _attributes.is_utf8(kind) else "ascii"
    return shape, _type_name(kind)


def _short_values(node: DatasetID) -> tuple[int, ...]:
    """Read a few numbers, such as the shape of an empty array; () for many."""
    # numpy has at most 64 axes: more numbers are not a shape, and may be very many.
    if math.prod(node.shape) > 64:
        return ()
    return tuple(int(n) for n in _datasets.read(node, Budget(1000)).ravel())


def _type_name(kind: TypeID) -> str:
    # The name of an array type is that of its elements.
    while isinstance(kind, h5t.TypeArrayID):
        kind = kind.get_super()
    if _attributes.is_bits(kind):
        return "bool"
    try:
        if isinstance(kind, h5t.TypeCompoundID) and kind.dtype.kind != "c":
            return "structured"
        return _attributes.plain_type(kind).name
    except (ThunderlikeError, TypeError):
        return type(kind).__name__.removeprefix("Type").removesuffix("ID").lower()


def _scalar(group: Group, name: str, path: str) -> Entry:
    """Return the entry of a single value, which is read; pickles are shown as bytes."""
    try:
        value = group.scalar(name)
    except ThunderlikeError as error:
        return Entry(path, "unreadable", f"unreadable: it {error}")
    return _of_scalar(value, path)


def _of_scalar(value: Any, path: str) -> Entry:
    dtype = getattr(value, "dtype", np.dtype(object))
    if isinstance(value, np.ndarray):
        name = _TEXTS.get(dtype.kind, dtype.name)
        return Entry(path, "array", f"array {value.shape} [{name}]", value.shape, name)
    return Entry(path, "scalar", _spelled(value, dtype), (), dtype.name)


_TEXTS = {"U": "unicode", "S": "ascii"}


def _spelled(value: object, dtype: np.dtype[Any]) -> str:
    if isinstance(value, str):
        return f"{_cut(repr(str(value)), len(value))} ({len(value)}) [unicode]"
    if isinstance(value, bytes):
        return f"{_cut(repr(bytes(value)), len(value))} ({len(value)}) [ascii]"
    return f"{str(value)[:20]} [{dtype.name}]"


def _cut(spelled: str, length: int) -> str:
    start = spelled.index(spelled[-1]) + 1
    return spelled if length <= 25 else f"{spelled[: start + 22]}...{spelled[-1]}"


def _fixed_summary(group: Group) -> Entry | None:
    """Return the entry of a frame or a series in the fixed layout of pandas."""
    kind = str(group.attribute("pandas_type", ""))
    if kind == "series":
        values = h5d.open(group.id, b"values")
        dtype = _type_name(values.get_type())
        return Entry(group.path, "Series", f"Series {values.shape} [{dtype}]", values.shape, dtype)
    if kind != "frame":
        return None
    shape = (_axis_length(group, "axis1"), _axis_length(group, "axis0"))
    return Entry(group.path, "DataFrame", f"DataFrame {shape}", shape)


def _axis_length(group: Group, axis: str) -> int:
    several = str(group.attribute(f"{axis}_variety", "")) == "multi"
    node = h5d.open(group.id, f"{axis}_label0".encode() if several else axis.encode())
    # pandas stores one element for an axis without any, and its shape as an attribute.
    return 0 if "shape" in _attributes.names_of(node) else int(node.shape[0])


def _sparse_summary(group: Group) -> Entry | None:
    stored = str(group.attribute("format", ""))
    shape = _short_values(h5d.open(group.id, b"shape"))
    dtype = _array(h5d.open(group.id, b"data"), "").dtype
    text = f"sparse {stored} {shape} [{dtype}]"
    return Entry(group.path, "sparse", text, shape, dtype)


def _pandas_summary(group: Group) -> Entry | None:
    if "pandas_type" in group.attribute_names:
        return _fixed_summary(group)
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


def _of_column(node: GroupID | DatasetID) -> tuple[int, str]:
    """Return the length and the dtype of a column or an index."""
    if isinstance(node, h5d.DatasetID):
        shape, dtype = _shape_and_dtype(node, _attributes.names_of(node))
        return (shape[0] if shape else 1), dtype
    attributes, names = _attributes.names_of(node), _limits.names_of(node)
    metadata = _attributes.read_metadata(node, attributes)
    if "packed" in metadata and isinstance(metadata.get("shape"), list):
        return math.prod(metadata["shape"]), "object"
    if "range" in attributes:
        return len(range(*map(int, str(_attributes.read(node, "range")).split()))), "int64"
    items = sum(1 for name in (*attributes, *names) if re.fullmatch(r"i\d+", name))
    if items:  # a short list: each item is an entry
        return items, "object"
    part = next((name for name in _COLUMN_PARTS if name in names), None)
    if part is None:
        return 0, "object"
    count, dtype = _of_column(h5o.open(node, part.encode()))
    return count, _COLUMN_PARTS[part] or dtype


# Parts of a column that are as long as the column, with the dtype to show; '' for their own.
_COLUMN_PARTS = {
    "texts": "unicode",
    "data": "",
    "values": "",
    "codes": "category",
    "left": "interval",
}


# Kinds of groups that are shown as one entry.
_SUMMARIES: dict[str, Callable[[Group], Entry | None]] = {
    "frame": _pandas_summary,
    "pandas": _pandas_summary,
    "sparse": _sparse_summary,
}
