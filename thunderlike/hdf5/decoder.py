"""Decoding of nodes."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from h5py import h5d, h5g, h5l, h5o

from thunderlike.errors import (
    GroupMissingError,
    RefusedError,
    SpecError,
    ThunderlikeError,
    UnreadableError,
)
from thunderlike.hdf5 import (
    _attributes,
    _datasets,
    _limits,
    _pickles,
    arrays,
    containers,
    matlab,
    scalars,
)
from thunderlike.hdf5._codec import Group, Later, forced
from thunderlike.hdf5._limits import Budget

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from h5py.h5d import DatasetID
    from numpy.typing import NDArray

    from thunderlike.hdf5._codec import Task
    from thunderlike.hdf5._pickles import Policy

__all__ = ["KINDS", "Reader", "kind_of"]

_MARKS = _attributes.SYSTEM | {
    "strtype",
    "itemsize",
    "zeroarray_dtype",
    "PSEUDOATOM",
    "format",
    "pandas_type",
}
_MARKS |= {"pandas_version", "encoding", "errors", "kind", "name", "value_type", "transposed", "tz"}
_MARKS |= {f"{_attributes.HIDDEN}{rest}" for rest in ("_VERSION", "_TL", "_ROOT_IS_SNS")}
_MARKS |= {"DEEPDISH_IO_DEEPDISH_IO_UNPACK", "nblocks", "ndim", "axis0_variety", "axis1_variety"}


@dataclass
class Reader:
    """Reads nodes, each once: what two links lead to is one object.

    Parameters
    ----------
    root : h5py.h5g.GroupID
        Of the file.
    pickle : {'refuse', 'restricted', 'allow'}
        What pickles may do.
    python : bool
        Restore Python's own types where the file says which they were.
    classes : mapping
        Classes that may be made anew, by name.
    """

    root: Any
    pickle: Policy = "refuse"
    python: bool = True
    budget: Budget = field(default_factory=Budget)
    classes: Mapping[str, Any] = field(default_factory=dict)
    here: str = "/"  # what is being read, for messages
    left_out: dict[str, str] = field(default_factory=dict)  # entries without a value, and why
    _made: dict[int, Any] = field(default_factory=dict)
    _fixes: list[Callable[[], None]] = field(default_factory=list)

    def open(self, parent: Any, path: str, name: str) -> tuple[Any, str]:
        """Open an entry of a group, and say where it really is; links never leave the file."""
        self.here = _limits.join(path, name)
        return _limits.follow(self.root, parent, path, name)

    @cached_property
    def _has_cells(self) -> bool:
        """MATLAB keeps what cells refer to in a group of the root."""
        return matlab.HEAPS[0] in _limits.names_of(self.root)

    def group(self, node: Any, path: str) -> Group:
        """Look at a group's attributes."""
        found = _attributes.names_of(node)
        marks = self.check_marks(node, found)
        return Group(node, path, found, _attributes.read_metadata(node, found), marks)

    def check_marks(self, node: Any, found: list[str]) -> dict[str, Any]:
        """Read what describes a node; refuse pickles: PyTables runs them as soon as it sees it."""
        marks: dict[str, Any] = {}
        for name in _MARKS.intersection(found):
            with suppress(UnreadableError):  # of another program, which means something else by it
                marks[name] = _attributes.read(node, name)
        if self.pickle != "allow":
            for name, stored in marks.items():
                if isinstance(stored, bytes) and stored.endswith(b"."):
                    self._refuse(name, stored)
        return marks

    def _refuse(self, name: str, stored: bytes) -> None:
        try:
            _pickles.from_attribute(bytes(stored), self.pickle)
        except RefusedError as error:
            raise RefusedError(f"its attribute {name} {error}") from None

    def node(self, node: Any, path: str, sel: Any = None) -> Task:
        """Read a group or an array."""
        self.here = path
        address = h5o.get_info(node).addr
        if sel is None and address in self._made:
            return self._made[address]
        if isinstance(node, h5d.DatasetID):
            cells = matlab.cells(node) if self._has_cells else None
            if cells is None:
                value = self._dataset(node, sel)
            else:
                value = yield self._cells(cells, address, sel)
        elif isinstance(node, h5g.GroupID):
            group = self.group(node, path)
            try:
                value = yield _kind(group, sel)(self, group, address, sel)
            except ThunderlikeError:
                self._made.pop(address, None)  # what was begun must not be found by another link
                raise
        else:
            raise UnreadableError(
                "is a named type, neither a group nor an array, and holds no value"
            )
        if sel is None:
            self._made[address] = value
        return value

    def child(self, group: Group, name: str, sel: Any = None) -> Task:
        """Read an entry that is a node."""
        if group.nodes.get(name) != h5l.TYPE_HARD:
            return self.node(*self.open(group.id, group.path, name), sel)
        path = self.here = _limits.join(group.path, name)
        return self.node(_limits.open_node(group.id, name), path, sel)

    def finished(self, value: Any) -> Any:
        """Put what was not ready where it belongs: tuples that hold themselves by way of a list."""
        for fix in self._fixes:
            fix()
        return forced(value)

    # arrays

    def _dataset(self, node: Any, sel: Any) -> Any:
        found = _attributes.names_of(node)
        marks = self.check_marks(node, found)
        if "PSEUDOATOM" in found or _text(marks.get("CLASS")) == "VLARRAY":
            return self._rows(node, _text(marks.get("PSEUDOATOM", "")), sel)
        known = _attributes.read_metadata(node, found)
        if known.get("kind") in ("str", "bytes"):
            return arrays.get_text(self, node, known["kind"], sel)
        array = arrays.decode(node, self.budget, sel, found)
        if "items" in known and self.python:
            return containers.unpacked(array, known)
        if matlab.CLASS in found:
            return matlab.decode(node, found, array, sel)
        single = isinstance(array, np.ndarray) and not array.ndim and "dtype" not in known
        return array[()] if single else array

    def _cells(self, cells: NDArray[Any], address: int, sel: Any) -> Task:
        """Read what the references of a cell array of MATLAB lead to, as an array of objects."""
        found: NDArray[Any] = np.empty(cells.shape, object)
        if sel is None:
            self.early(address, found)
        else:
            cells = np.asarray(cells[sel], object)
            found = np.empty(cells.shape, object)
        values = {}
        for position in np.ndindex(cells.shape):
            target = matlab.target(cells[position], self.root)
            if target is not None:
                values[position] = yield self.node(*target)
        self.fill(values, found.__setitem__)
        return found if found.ndim else found[()]

    def _rows(self, node: DatasetID, atom: str, sel: Any) -> Any:
        """Read a VLArray of PyTables as a list; one pickle, as deepdish keeps it, as its value."""
        if atom in _ATOMS or not atom:
            rows = _datasets.read_rows(node, self.budget, sel)
            make = _ATOMS.get(atom, np.asarray)
            single = isinstance(sel, int | np.integer)
            return make(rows) if single else [make(row) for row in rows]
        if sel is not None:
            raise SpecError("is pickled: sel cannot take a part of it")
        if _datasets.shape_of(node) == (1,):
            return _pickles.loads(_datasets.read_pickle(node, self.budget), self.pickle)
        rows = _datasets.read_rows(node, self.budget)
        return [_pickles.loads(row.tobytes(), self.pickle) for row in rows]

    # entries

    def scalar(self, group: Group, name: str) -> Any:
        """Read an entry that is a single value."""
        self.here = _limits.join(group.path, name)
        stored = group.scalar(name)
        if isinstance(stored, np.bytes_) and stored.endswith(b"."):
            found = _pickles.from_attribute(bytes(stored), self.pickle)
            return _scalar_of(found) if found is not stored else stored
        code = group.known.get("entries", {}).get(name) if self.python else None
        return scalars.decode(stored, code, self.classes) if code else stored

    def entries(self, group: Group, wanted: Sequence[str] | None = None) -> Task:
        """Read all entries of a group, in the order they were saved, else as deepdish orders."""
        values = {}
        attrs = set(group.scalars)
        for name in group.ordered() if wanted is None else wanted:
            values[name] = (
                self.scalar(group, name) if name in attrs else (yield self.child(group, name))
            )
        return values

    def readable_entries(self, group: Group) -> Task:
        """Read all entries of a dictionary that have a value, and note the others.

        One reference or dangling link must not keep the rest of a file from being read. What a
        file may not do (RefusedError) and what is damaged stay errors.
        """
        values = {}
        attrs = set(group.scalars)
        hidden = matlab.HEAPS if group.path == "/" else ()
        for name in group.ordered():
            if name in hidden:
                continue
            try:
                if name in attrs:
                    values[name] = self.scalar(group, name)
                    continue
                task = self.child(group, name)
            except (
                UnreadableError,
                GroupMissingError,
            ) as error:  # GroupMissingError: a link to nothing
                self._leave_out(group, name, error)
                continue
            try:
                values[name] = yield task
            except (
                UnreadableError,
                SpecError,
            ) as error:  # SpecError: a layout of pandas not read here
                self._leave_out(group, name, error)
        return values

    def _leave_out(self, group: Group, name: str, error: Exception) -> None:
        self.left_out[_limits.join(group.path, name)] = str(error)

    def fill(self, values: Mapping[Any, Any], store: Callable[[Any, Any], None]) -> None:
        """Store entries; those that are not ready yet, later."""
        for name, value in values.items():
            store(name, value)  # what is not ready too: it keeps the order
            if isinstance(value, Later):
                self._fixes.append(partial(_settle, store, name, value))

    def early(self, address: int, value: Any) -> Any:
        """Make a container known before its entries are read, for they may hold it."""
        self._made[address] = value
        return value

    def pending(self, address: int) -> Later:
        """Stand for what cannot be made before its entries are: a tuple."""
        later = Later()
        self._made[address] = later
        return later


def _text(mark: Any) -> str:
    return mark.decode("ascii", "replace") if isinstance(mark, bytes) else str(mark)


# What PyTables makes of a row, by the name of its atom; of the others it unpickles.
_ATOMS: dict[str, Callable[[NDArray[Any]], Any]] = {
    "vlstring": lambda row: row.tobytes(),
    "vlunicode": lambda row: row.astype("<u4").tobytes().decode("utf-32-le", "replace"),
}


def _settle(store: Callable[[Any, Any], None], name: Any, value: Later) -> None:
    store(name, value.get())


def _scalar_of(found: Any) -> Any:
    """A whole number too big for 64 bits, which deepdish wraps in an array of objects."""
    return found.item() if isinstance(found, np.ndarray) and not found.ndim else found


def kind_of(group: Group) -> str:
    """Say what a group is, by a name of `KINDS`."""
    known = str(group.known.get("kind", ""))
    if known in KINDS:
        return known
    title = str(group.attribute("TITLE", "")).partition(":")[0]
    if title in _TITLES:
        return _TITLES[title]
    if "pandas_type" in group.names:
        return "frame"
    marked = group.path == "/" and group.attribute("DEEPDISH_IO_ROOT_IS_SNS", False)
    return "namespace" if marked else "dict"


_TITLES = {
    "dict": "dict",
    "SimpleNamespace": "namespace",
    "list": "list",
    "tuple": "tuple",
    "nonetype": "none",
    "sparse": "sparse",
}


def _kind(group: Group, sel: Any) -> Kind:
    """Find what reads a group; SpecError when it has no parts and one is asked for."""
    kind = kind_of(group)
    if sel is not None and kind in _WHOLE:
        raise SpecError(f"is a {kind}: sel takes parts of arrays, frames and matrices")
    return KINDS[kind]


def _none(_reader: Reader, _group: Group, _address: int, _sel: Any) -> Task:
    return None
    yield


def _sparse(reader: Reader, group: Group, _address: int, sel: Any) -> Task:
    from thunderlike.hdf5 import sparse

    return (yield sparse.get(reader, group, sel))


def _frame(reader: Reader, group: Group, _address: int, sel: Any) -> Task:
    from thunderlike.hdf5 import pandas

    return (yield pandas.get(reader, group, sel))


def _records(reader: Reader, group: Group, _address: int, sel: Any) -> Task:
    from thunderlike.hdf5 import records

    return (yield records.get(reader, group, sel))


Kind: TypeAlias = "Callable[[Reader, Group, int, Any], Task]"
# The first are whole or nothing; `sel` takes parts of the second.
_WHOLE: dict[str, Kind] = {
    "none": _none,
    **dict.fromkeys(("dict", "OrderedDict", "defaultdict", "Counter"), containers.get_dict),
    "namespace": containers.get_namespace,
    "dataclass": containers.get_dataclass,
    **dict.fromkeys(("list", "deque"), containers.get_list),
    **dict.fromkeys(("tuple", "namedtuple", "set", "frozenset"), containers.get_tuple),
    "record": arrays.get_record,
}
_PARTED: dict[str, Kind] = {
    "masked": arrays.get_masked,
    "objects": arrays.get_objects,
    "fields": arrays.get_fields,
    "sparse": _sparse,
    "frame": _frame,
    "pandas": _frame,
    "records": _records,
}
KINDS = _WHOLE | _PARTED
