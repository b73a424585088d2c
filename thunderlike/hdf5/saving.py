"""Whole values into files."""

from __future__ import annotations

from contextlib import suppress
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
from h5py import h5g, h5s

from thunderlike.config import current
from thunderlike.errors import Exists, SpecError
from thunderlike.hdf5 import arrays, attributes, datasets, dtypes, files, links, metadata, names
from thunderlike.hdf5.encode import Writer
from thunderlike.hdf5.places import Place
from thunderlike.hdf5.walking import run

if TYPE_CHECKING:
    from thunderlike.hdf5.filters import Filters
    from thunderlike.storage import AnyPath

__all__ = ["append", "save", "update"]

VERSION = 12  # deepdish's, of what is written
_UNPACK, _NAMESPACE = "DEEPDISH_IO_DEEPDISH_IO_UNPACK", "DEEPDISH_IO_ROOT_IS_SNS"


def save(path: AnyPath, data: Any, chosen: Filters, writer: Writer, *, atomic: bool) -> None:
    """Write one value as a file."""
    with files.writing(path, atomic=atomic) as (file, check), _located(path, writer):
        writer.check = check
        _marked(file, writer, data, chosen)


def _marked(file: Any, writer: Writer, data: Any, chosen: Filters) -> Any:
    """Write a value into a new file, and return the root of that."""
    root = h5g.open(file, b"/")
    _mark(root, {"TITLE": "", "PYTABLES_FORMAT_VERSION": "2.1"})
    _mark(root, {"CLASS": "GROUP", "VERSION": "1.0", "DEEPDISH_IO_VERSION": np.int64(VERSION)})
    run(_top(writer, Place(None, "", None, chosen), root, data), current().hdf5_depth)
    return root


def _located(path: Any, writer: Writer) -> Any:
    return files.located(lambda: f"{path}: {writer.here.path if writer.here else '/'}")


def _mark(root: Any, marks: dict[str, Any]) -> None:
    for name, value in marks.items():
        attributes.write(root, name, value)


def _top(writer: Writer, place: Place, root: Any, data: Any) -> Any:
    """A dictionary or a namespace is the file; anything else is an entry of it."""
    if type(data) in (dict, SimpleNamespace):
        writer.root(place, data)
    if type(data) is dict:
        yield writer.dictionary(place, root, data)
    elif type(data) is SimpleNamespace:
        _mark(root, {_NAMESPACE: np.bool_(True)})
        yield writer.dictionary(place, root, vars(data))
    else:
        _mark(root, {_UNPACK: np.bool_(True)})
        writer.known(root, (yield writer.entries(place, root, [("data", data)])))


def update(path: AnyPath, data: Any, chosen: Filters, writer: Writer, *, atomic: bool) -> None:
    """Write the entries of a dictionary into a file that may be there, in place of their like."""
    if not isinstance(data, dict):
        raise SpecError(f"mode='a' takes a dictionary, not a {type(data).__name__}")
    if not _exists(path):
        save(path, data, chosen, writer, atomic=atomic)
        return
    with files.writing(path, change=True, atomic=atomic) as (file, check), _located(path, writer):
        writer.check = check
        root = h5g.open(file, b"/")
        _replace(writer, Place(None, "", None, chosen), root, data)


def _exists(path: AnyPath) -> bool:
    from thunderlike import storage

    return storage.exists(path)


def _replace(writer: Writer, place: Place, root: Any, data: dict[Any, Any]) -> None:
    found = attributes.names_of(root)
    if _UNPACK in found:
        raise SpecError("holds one value that is no dictionary, and cannot be updated")
    known = metadata.read(root, found)
    named = names.entry_names(data)
    for name in named:
        _remove(root, name)
    told = run(
        writer.entries(place, root, ((n, data[k]) for n, k in named.items())),
        current().hdf5_depth,
    )
    metadata.delete(root)
    keys = {n: names.key_to_json(k, pickle=writer.pickle) for n, k in named.items() if n != k}
    kept = {name: v for name, v in known.get("values", {}).items() if name not in named}
    writer.known(root, {
        **known,
        "entries": {**_entries(known, root), **told["entries"]},
        "values": {**kept, **told.get("values", {})},
        "keys": {**known.get("keys", {}), **keys},
    })  # fmt: skip


def _entries(known: dict[str, Any], root: Any) -> dict[str, str]:
    """Entries in their order; of a file that has no metadata, those that have no code."""
    saved = known.get("entries")
    return saved if isinstance(saved, dict) else dict.fromkeys(sorted(links.names_of(root)), "")


def _remove(group: Any, name: str) -> None:
    attributes.delete(group, name)
    if name in links.names_of(group):
        group.unlink(name.encode())


def append(path: AnyPath, group: str, array: Any, chosen: Filters) -> None:
    """Make an array longer, or begin one that can be."""
    try:
        values = np.asarray(array)
    except ValueError as error:
        raise SpecError(f"{path}: {group}: the records are not an array: {error}") from error
    if not values.ndim or not dtypes.native(values.dtype):
        raise SpecError(f"{path}: {group}: only arrays of numbers, times or text can be extended")
    if not _exists(path):
        with suppress(Exists):  # another process has begun the file meanwhile
            _new_with(path, group, values, chosen)
            return
    with files.changing(path) as file, files.located(lambda: f"{path}: {group}"):
        parent, name = _parent(h5g.open(file, b"/"), group)
        if name in links.names_of(parent):
            _extend(parent, name, values)
        else:
            _begin(parent, name, values, chosen)


def _new_with(path: AnyPath, group: str, values: Any, chosen: Filters) -> None:
    """Write a file that holds one array."""
    with files.beginning(path) as file, files.located(lambda: f"{path}: {group}"):
        root = _marked(file, Writer(), {}, chosen)
        _begin(*_parent(root, group), values, chosen)


def _parent(root: Any, path: str) -> tuple[Any, str]:
    """Open the group that holds `path`; links are not followed."""
    *above, name = [part for part in path.split("/") if part]
    for part in above:
        if links.target_of(root, part) is not None:
            raise SpecError(f"goes through the link {part!r}; name where it leads")
        root = h5g.open(root, part.encode())
    return root, name


def _begin(parent: Any, name: str, values: Any, chosen: Filters) -> None:
    if not values.size:
        raise SpecError("cannot begin with no records: their shape and dtype would be unknown")
    arrays.write(parent, name, values, chosen, grows=True)
    known = metadata.read(parent, attributes.names_of(parent))
    if known:
        metadata.delete(parent)
        metadata.write(parent, {**known, "entries": {**known.get("entries", {}), name: ""}})


def _extend(parent: Any, name: str, values: Any) -> None:
    node, _ = links.follow(parent, parent, "/", name)
    if not hasattr(node, "set_extent"):
        raise SpecError("is a group, and cannot be extended; name an array in it")
    if node.get_space().get_simple_extent_dims(maxdims=True)[:1] != (h5s.UNLIMITED,):
        raise SpecError("has a fixed length, as `save` makes it; begin it with `append`")
    if len(values):
        datasets.append(node, arrays.check_same(node, values))
