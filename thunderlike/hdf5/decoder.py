"""Decoders of nodes: groups by their kind, arrays by their attributes, entries by their path.

Imports the modules of all codecs, which enter themselves in the table. Files of MATLAB are decoded
here: text, booleans, empty arrays and cells have no type of HDF5, but attributes on other arrays.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from h5py import h5d, h5g, h5r, h5s, h5t

from thunderlike.config import current
from thunderlike.errors import GroupMissingError, Hdf5Error, SpecError, UnreadableError
from thunderlike.formats._hdf5_chunks import check_inside
from thunderlike.hdf5 import (
    _attributes,
    _datasets,
    _limits,
    _pickles,
    arrays,
    containers,
    pandas,
    records,
    sparse,
)
from thunderlike.hdf5._codec import DECODERS, SELECTABLE, decodes, run
from thunderlike.hdf5._documents import Elsewhere
from thunderlike.hdf5.packed import target_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from h5py.h5d import DatasetID
    from h5py.h5g import GroupID
    from numpy.typing import NDArray

    from thunderlike.hdf5._codec import Group, Reader, Task
    from thunderlike.hdf5._datasets import Index

__all__ = ["UNPACK", "follow", "kind_of", "load_entry", "load_file", "path_of"]

_IMPORTED = (pandas, records, sparse)  # for the table: nothing here calls them
UNPACK = "DEEPDISH_IO_DEEPDISH_IO_UNPACK"  # attribute of a file whose value is its entry "data"

# Kinds of groups by their titles, in files of deepdish.
_TITLES = {
    "dict": "dict",
    "SimpleNamespace": "namespace",
    "list": "list",
    "tuple": "tuple",
    "nonetype": "none",
    "sparse": "sparse",
}
# Rows by the name of their atom in PyTables, which unpickles the rows of all other atoms.
_ATOMS: dict[str, Callable[[NDArray[Any]], Any]] = {
    "": np.asarray,
    "vlstring": lambda row: row.tobytes(),
    "vlunicode": lambda row: row.astype("<u4").tobytes().decode("utf-32-le", "replace"),
}


def kind_of(group: Group) -> str:
    """Return the kind of a group, by which it has a decoder.

    The metadata of this package come first, then the title of deepdish, then attributes of pandas.
    """
    kind = str(group.metadata.get("kind", ""))
    if kind in DECODERS:
        return kind
    title = str(group.attribute("TITLE", "")).partition(":")[0]
    if title in _TITLES:
        return _TITLES[title]
    if "pandas_type" in group.attribute_names:
        return "frame"
    marked = group.path == "/" and group.attribute("DEEPDISH_IO_ROOT_IS_SNS", False)
    return "namespace" if marked else "dict"


@decodes(h5g.GroupID)
def _decode_group(reader: Reader, node: GroupID, address: int, sel: object) -> Task:
    group = reader.group(node, reader.here)
    kind = kind_of(group)
    if sel is not None and kind not in SELECTABLE:
        raise SpecError(f"is a {kind}: sel takes parts of arrays, frames and matrices")
    return DECODERS[kind](reader, group, address, sel)


@decodes(h5d.DatasetID)
def _decode_dataset(reader: Reader, node: DatasetID, address: int, sel: Index | None) -> Task:
    # Reading references is slow, and cells are only in files with this group of MATLAB.
    cells = _matlab_cells(node) if reader.has_cells else None
    if cells is not None:
        return (yield _decode_cells(reader, cells, address, sel))
    names = _attributes.names_of(node)
    attributes = reader.checked_attributes(node, names)
    if "PSEUDOATOM" in names or _text(attributes.get("CLASS")) == "VLARRAY":
        return _rows(reader, node, _text(attributes.get("PSEUDOATOM", "")), sel)
    metadata = _attributes.read_metadata(node, names)
    if metadata.get("kind") in ("str", "bytes"):
        return arrays.decode_text(node, reader.budget, metadata["kind"], sel)
    array = arrays.decode(node, reader.budget, sel, names)
    if "items" in metadata and reader.python:
        return containers.unpacked(array, metadata)
    if _MATLAB_CLASS in names:
        return _from_matlab(node, names, array, sel)
    # `save` writes records and text without axes, with their dtype; other programs single values.
    single = isinstance(array, np.ndarray) and not array.ndim and "dtype" not in metadata
    return array[()] if single else array


def _text(attribute: object) -> str:
    if isinstance(attribute, bytes):
        return attribute.decode("ascii", "replace")
    return str(attribute)


def _rows(reader: Reader, node: DatasetID, atom: str, sel: Index | None) -> Any:
    """Read a VLArray of PyTables as a list; a single pickle of deepdish as its value."""
    if atom in _ATOMS:
        rows, make = _datasets.read_rows(node, reader.budget, sel), _ATOMS[atom]
        return make(rows) if isinstance(sel, int | np.integer) else [make(row) for row in rows]
    if sel is not None:
        raise SpecError("is pickled: sel cannot take a part of it")
    if _datasets.shape_of(node) == (1,):
        return _pickles.loads(_datasets.read_pickle(node, reader.budget), reader.pickle)
    rows = _datasets.read_rows(node, reader.budget)
    return [_pickles.loads(row.tobytes(), reader.pickle) for row in rows]


# MATLAB

_MATLAB_CLASS = "MATLAB_class"
_MATLAB_EMPTY, _MATLAB_OBJECT = "MATLAB_empty", "MATLAB_object_decode"
_MOST_AXES = 64  # of numpy
_MATLAB_DTYPES = {
    **{f"{kind}{n}": np.dtype(f"{kind}{n}") for kind in ("int", "uint") for n in (8, 16, 32, 64)},
    "double": np.dtype(np.float64),
    "single": np.dtype(np.float32),
    "logical": np.dtype(bool),
    "char": np.dtype("U1"),
}


def _from_matlab(dataset: DatasetID, names: list[str], array: NDArray[Any], sel: object) -> Any:
    """Convert an array as it is in the file to bool, text, complex or an empty array.

    Axes keep the order of the file. MATLAB counts them from the fastest on, so that an array of
    size ``m x n`` there has shape ``(n, m)`` here.

    Parameters
    ----------
    names : list of str
        Names of its attributes.
    array : ndarray
        Its values, or a part of them if `sel` is given.
    """
    stored = _attributes.read(dataset, _MATLAB_CLASS)
    kind = stored.decode("ascii", "replace") if isinstance(stored, bytes) else str(stored)
    if _MATLAB_OBJECT in names and kind not in _MATLAB_DTYPES:
        raise UnreadableError(f"is a MATLAB object of class {kind!r:.40}, which is not read")
    if _MATLAB_EMPTY in names and np.any(_attributes.read(dataset, _MATLAB_EMPTY)):
        return _empty(np.asarray(array), kind, sel)
    if kind == "logical" and array.dtype.kind in "iu":
        return array.astype(bool)
    if kind == "char" and array.dtype.kind == "u":
        return _characters(array, sel)
    if array.dtype.names == ("real", "imag"):
        return array["real"] + 1j * array["imag"]
    return array


def _empty(sizes: NDArray[Any], kind: str, sel: object) -> Any:
    """Return an array without elements; the values in the file are its size in MATLAB."""
    shape = tuple(int(n) for n in sizes.ravel()[::-1])
    if sel is not None:
        raise SpecError("is empty: there is no part of it for sel to take")
    if len(shape) > _MOST_AXES or 0 not in shape or min(shape) < 0:
        raise Hdf5Error(f"is marked as empty but announces the shape {shape!r:.60}")
    if kind == "char":
        return np.str_()
    return np.empty(shape, _MATLAB_DTYPES.get(kind, np.dtype(object)))


def _characters(codes: NDArray[Any], sel: object) -> Any:
    """Return one row of characters as text, several as an array of text, from UTF-16."""
    if sel is not None:
        raise SpecError("is text: sel takes parts of arrays")
    rows = codes.astype("<u2").reshape(-1, math.prod(codes.shape[1:])).T
    texts = [row.tobytes().decode("utf-16-le", "replace") for row in rows]
    return np.str_(texts[0]) if len(texts) == 1 else np.array(texts)


def _matlab_cells(dataset: DatasetID) -> NDArray[Any] | None:
    """Return the references in a cell array, or in a field of an array of structs; else None."""
    kind = dataset.get_type()
    if not isinstance(kind, h5t.TypeReferenceID):
        return None
    check_inside(dataset)
    if not kind.equal(h5t.STD_REF_OBJ):  # others may lead to other files
        return None
    references = np.empty(dataset.shape, dataset.dtype)
    if references.size:
        dataset.read(h5s.ALL, h5s.ALL, references)
    return references


def _decode_cells(reader: Reader, cells: NDArray[Any], address: int, sel: Index | None) -> Task:
    """Read the targets of the references of a cell array of MATLAB, as an array of objects."""
    if sel is not None:
        cells = np.asarray(cells[sel], object)
    result: NDArray[Any] = np.empty(cells.shape, object)
    if sel is None:
        reader.enter(address, result)  # before its entries: they may refer to it
    values = {}
    for position in np.ndindex(cells.shape):
        reference = cells[position]
        if isinstance(reference, h5r.Reference) and reference:  # others have no target: None
            path = h5r.get_name(reference, reader.root) or b""
            target = h5r.dereference(reference, reader.root)
            values[position] = yield reader.decode(target, path.decode("utf-8", "surrogateescape"))
    reader.fill(values, result.__setitem__)
    return result if result.ndim else result[()]


# paths


def load_file(reader: Reader, sel: Index | None, *, unpack: bool) -> Any:
    """Read the value of a file, or that of its only entry."""
    root = reader.group(reader.root, "/")
    names = root.ordered()
    if UNPACK in root.attribute_names and "data" in names:
        return _load(reader, root, "data", sel)
    if unpack and len(names) == 1:
        return _load(reader, root, names[0], sel)
    return load_entry(reader, "/", sel)


def load_entry(reader: Reader, path: str, sel: Index | None) -> Any:
    """Read the entry at a path, which leads through dictionaries, lists and links."""
    group, names = follow(reader, path)
    if not names:
        value = run(reader.decode(reader.root, "/", sel), current().hdf5_depth)
        return reader.finish(value)
    if names[0] in group.small:
        try:
            return reader.small(group, names, sel)
        except Elsewhere as place:
            return load_entry(reader, path_of(reader, place), sel)
    return _load(reader, group, names[0], sel)


def _load(reader: Reader, group: Group, name: str, sel: Index | None) -> Any:
    """Read an entry of a group, which is an attribute or a node."""
    reader.here = _limits.join(group.path, name)
    if name in group.nodes:
        value = run(reader.decode_child(group, name, sel), current().hdf5_depth)
        return reader.finish(value)
    value = reader.scalar(group, name)
    if sel is None:
        return value
    if not isinstance(value, np.ndarray):
        raise SpecError(f"is a single {type(value).__name__}: sel takes parts of arrays")
    return value[sel]


def path_of(reader: Reader, place: Elsewhere) -> str:
    """Return the path of an entry that a document refers to."""
    names = reader.document_at(place.path).names(place.steps) if place.steps else []
    return "/".join([place.path.rstrip("/"), *names, *place.rest])


def follow(reader: Reader, path: str) -> tuple[Group, list[str]]:
    """Return the group that holds the entry at a path, and the name in it.

    Returns
    -------
    Group, list of str
        No name for the root; the names from an entry of the group on if it is in a document.
    """
    group, parts = reader.group(reader.root, "/"), [part for part in path.split("/") if part]
    for number, part in enumerate(parts):
        name = _name_of(reader, group, part)
        if number == len(parts) - 1 or name in group.small:
            return group, [name, *parts[number + 1 :]]
        node, where = reader.open(group.id, group.path, name)
        if not isinstance(node, h5g.GroupID):
            raise GroupMissingError(f"is an array; it holds no {part!r}")
        group = reader.group(node, where)
        if group.metadata.get("kind") == "same":
            path, steps = target_of(group)
            return follow(reader, path_of(reader, Elsewhere(path, steps, parts[number + 1 :])))
    return group, []


def _name_of(reader: Reader, group: Group, key: str) -> str:
    """Return the name of a key in the file; GroupMissingError lists the existing names."""
    reader.here = _limits.join(group.path, key)
    names = {*group.nodes, *group.scalars, *group.small}
    name = group.names_of_texts().get(key, key)
    if name not in names:
        known = ", ".join(sorted(names)[:8]) or "nothing"
        raise GroupMissingError(f"no such entry; the entries of {group.path} are {known}")
    return name
