"""Save and load whole structures."""

from __future__ import annotations

import warnings
from contextlib import suppress
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
from h5py import h5g, h5s

from thunderlike._arguments import caller_level
from thunderlike._text import printable
from thunderlike.config import current
from thunderlike.errors import ExistsError, GroupMissingError, SpecError, WrongTypeError
from thunderlike.hdf5 import (
    _attributes,
    _datasets,
    _files,
    _limits,
    arrays,
    containers,
    decoder,
    pandas,
    records,
    sparse,
)
from thunderlike.hdf5._codec import Destination, Writer, run

if TYPE_CHECKING:
    from collections.abc import Iterable

    from thunderlike.hdf5._codec import Group, Reader
    from thunderlike.hdf5.compression import Filters
    from thunderlike.storage import AnyPath

__all__ = ["append", "load", "opened", "save", "update"]


_CODECS = (arrays, containers, decoder, pandas, records, sparse)  # in the table once imported
VERSION = 12  # deepdish's, of what is written
_UNPACK_KEY, _NAMESPACE = "DEEPDISH_IO_DEEPDISH_IO_UNPACK", "DEEPDISH_IO_ROOT_IS_SNS"


def save(path: AnyPath, data: Any, chosen: Filters, writer: Writer, *, atomic: bool) -> None:
    """Write one value as a file."""
    with _files.writing(path, atomic=atomic) as (file, check), _located(path, writer):
        writer.check = check
        _marked(file, writer, data, chosen)


def _marked(file: Any, writer: Writer, data: Any, chosen: Filters) -> Any:
    """Write a value into a new file, and return the root of that."""
    root = h5g.open(file, b"/")
    _mark(root, {"TITLE": "", "PYTABLES_FORMAT_VERSION": "2.1"})
    _mark(root, {"CLASS": "GROUP", "VERSION": "1.0", "DEEPDISH_IO_VERSION": np.int64(VERSION)})
    run(_top(writer, Destination(None, "", None, chosen), root, data), current().hdf5_depth)
    return root


def _located(path: Any, writer: Writer) -> Any:
    return _files.located(lambda: f"{path}: {writer.here.path if writer.here else '/'}")


def _mark(root: Any, marks: dict[str, Any]) -> None:
    for name, value in marks.items():
        _attributes.write(root, name, value)


def _top(writer: Writer, place: Destination, root: Any, data: Any) -> Any:
    """A dictionary or a namespace is the file; anything else is an entry of it."""
    if type(data) in (dict, SimpleNamespace):
        writer.add_root(place, data)
    if type(data) is dict:
        yield writer.encode_mapping(place, root, data)
    elif type(data) is SimpleNamespace:
        _mark(root, {_NAMESPACE: np.bool_(True)})
        yield writer.encode_mapping(place, root, vars(data))
    else:
        _mark(root, {_UNPACK_KEY: np.bool_(True)})
        writer.write_metadata(root, (yield writer.encode_entries(place, root, [("data", data)])))


def update(path: AnyPath, data: Any, chosen: Filters, writer: Writer, *, atomic: bool) -> None:
    """Write the entries of a dictionary into a file that may be there, in place of their like."""
    if not isinstance(data, dict):
        raise SpecError(f"mode='a' takes a dictionary, not a {type(data).__name__}")
    if not _exists(path):
        with suppress(ExistsError):  # another process has begun the file meanwhile
            first = replace(writer, _seen={}, _open=set())  # if it fails, nothing was written
            with _files.beginning(path) as (file, check), _located(path, first):
                first.check = check
                _marked(file, first, data, chosen)
            return
    with _files.writing(path, change=True, atomic=atomic) as (file, check), _located(path, writer):
        writer.check = check
        root = h5g.open(file, b"/")
        _replace(writer, Destination(None, "", None, chosen), root, data)


def _exists(path: AnyPath) -> bool:
    from thunderlike import storage

    return storage.exists(path)


def _replace(writer: Writer, place: Destination, root: Any, data: dict[Any, Any]) -> None:
    found = _attributes.names_of(root)
    if _UNPACK_KEY in found:
        raise SpecError("holds one value that is no dictionary, and cannot be updated")
    known = _attributes.read_metadata(root, found)
    named = _attributes.entry_names(data)
    for name in named:
        _remove(root, name)
    told = run(
        writer.encode_entries(place, root, ((n, data[k]) for n, k in named.items())),
        current().hdf5_depth,
    )
    _attributes.delete_metadata(root)
    keys = {n: _attributes.key_to_json(k, pickle=writer.pickle) for n, k in named.items() if n != k}
    kept = {name: v for name, v in known.get("values", {}).items() if name not in named}
    writer.write_metadata(root, {
        **known,
        "entries": {**_entries(known, root), **told["entries"]},
        "values": {**kept, **told.get("values", {})},
        "keys": {**known.get("keys", {}), **keys},
    })  # fmt: skip


def _entries(known: dict[str, Any], root: Any) -> dict[str, str]:
    """Entries in their order; of a file that has no metadata, those that have no code."""
    saved = known.get("entries")
    return saved if isinstance(saved, dict) else dict.fromkeys(sorted(_limits.names_of(root)), "")


def _remove(group: Any, name: str) -> None:
    _attributes.delete(group, name)
    if name in _limits.names_of(group):
        group.unlink(name.encode())


def append(path: AnyPath, group: str, array: Any, chosen: Filters) -> None:
    """Make an array longer, or begin one that can be."""
    try:
        values = np.asarray(array)
    except ValueError as error:
        raise SpecError(f"{path}: {group}: the records are not an array: {error}") from error
    if not values.ndim or not _attributes.native(values.dtype):
        raise SpecError(f"{path}: {group}: only arrays of numbers, times or text can be extended")
    if not _exists(path):
        with suppress(ExistsError):  # another process has begun the file meanwhile
            _new_with(path, group, values, chosen)
            return
    with _files.changing(path) as file, _files.located(lambda: f"{path}: {group}"):
        parent, name = _parent(h5g.open(file, b"/"), group)
        if name in _limits.names_of(parent):
            _extend(parent, name, values)
        else:
            _begin(parent, name, values, chosen)


def _new_with(path: AnyPath, group: str, values: Any, chosen: Filters) -> None:
    """Write a file that holds one array."""
    with _files.beginning(path) as (file, _), _files.located(lambda: f"{path}: {group}"):
        root = _marked(file, Writer(), {}, chosen)
        _begin(*_parent(root, group), values, chosen)


def _parent(root: Any, path: str) -> tuple[Any, str]:
    """Open the group that holds `path`; links are not followed."""
    *above, name = [part for part in path.split("/") if part]
    for part in above:
        if _limits.target_of(root, part) is not None:
            raise SpecError(f"goes through the link {part!r}; name where it leads")
        root = h5g.open(root, part.encode())
    return root, name


def _begin(parent: Any, name: str, values: Any, chosen: Filters) -> None:
    if not values.size:
        raise SpecError("cannot begin with no records: their shape and dtype would be unknown")
    arrays.write(parent, name, values, chosen, grows=True)
    known = _attributes.read_metadata(parent, _attributes.names_of(parent))
    if known:
        _attributes.delete_metadata(parent)
        _attributes.write_metadata(
            parent, {**known, "entries": {**known.get("entries", {}), name: ""}}
        )


def _extend(parent: Any, name: str, values: Any) -> None:
    node, _ = _limits.follow(parent, parent, "/", name)
    if not hasattr(node, "set_extent"):
        raise SpecError("is a group, and cannot be extended; name an array in it")
    if node.get_space().get_simple_extent_dims(maxdims=True)[:1] != (h5s.UNLIMITED,):
        raise SpecError("has a fixed length, as `save` makes it; begin it with `append`")
    if len(values):
        _datasets.append(node, arrays.values_to_append(node, values))


_UNPACK = "DEEPDISH_IO_DEEPDISH_IO_UNPACK"
_MOST_NAMED = 30


def load(
    path: AnyPath,
    group: str | Iterable[str] | None,
    sel: Any,
    reader: Reader,
    *,
    unpack: bool,
) -> Any:
    """Read one value, or a tuple of them."""
    if not (group is None or isinstance(group, str)):
        group = _names(group)
    with _files.reading(path) as file, _files.located(lambda: f"{path}: {reader.here}"):
        reader.root = h5g.open(file, b"/")
        if group is None:
            found = _whole(reader, sel, unpack=unpack)
        elif isinstance(group, str):
            found = _entry(reader, group, sel)
        else:
            found = tuple(_entry(reader, name, sel) for name in group)
    if reader.left_out:
        warnings.warn(_left_out(str(path), reader.left_out), stacklevel=caller_level())
    return found


def _names(group: Any) -> list[str]:
    try:
        names = list(group)
    except TypeError:
        names = [group]
    if wrong := [name for name in names if not isinstance(name, str)]:
        raise WrongTypeError(
            f"group is the path of an entry, such as '/x', or several of them, not {wrong[0]!r:.60}"
        )
    return names


def _left_out(path: str, entries: dict[str, str]) -> str:
    """Name entries that have no value here, with the reason of each."""
    shown = [f"{printable(name)} ({printable(why)})" for name, why in entries.items()]
    more = f" and {len(shown) - _MOST_NAMED} more" if len(shown) > _MOST_NAMED else ""
    entry = "entry" if len(shown) == 1 else "entries"
    return (
        f"{printable(path)}: left out {len(shown)} {entry} that cannot be read: "
        f"{', '.join(shown[:_MOST_NAMED])}{more}"
    )


def _whole(reader: Reader, sel: Any, *, unpack: bool) -> Any:
    root = reader.group(reader.root, "/")
    only = root.ordered()
    if _UNPACK in root.attribute_names and "data" in only:
        return _of(reader, root, "data", sel)
    if unpack and len(only) == 1:
        return _of(reader, root, only[0], sel)
    return reader.finish(run(reader.decode(reader.root, "/", sel), current().hdf5_depth))


def _of(reader: Reader, group: Group, name: str, sel: Any) -> Any:
    """Read one entry of a group, whether attribute or node."""
    reader.here = _limits.join(group.path, name)
    if name not in group.nodes:
        return _scalar(reader, group, name, sel)
    return reader.finish(run(reader.decode_child(group, name, sel), current().hdf5_depth))


def _scalar(reader: Reader, group: Group, name: str, sel: Any) -> Any:
    value = reader.scalar(group, name)
    if sel is None:
        return value
    if not isinstance(value, np.ndarray):
        raise SpecError(f"is a single {type(value).__name__}: sel takes parts of arrays")
    return value[sel]


def _entry(reader: Reader, path: str, sel: Any) -> Any:
    """Follow a path through dictionaries, lists, links, and to an attribute at its end."""
    group, parts = reader.group(reader.root, "/"), [part for part in path.split("/") if part]
    if not parts:
        return reader.finish(run(reader.decode(reader.root, "/", sel), current().hdf5_depth))
    for part in parts[:-1]:
        group = _inner(reader, group, part)
    return _of(reader, group, _name(reader, group, parts[-1]), sel)


def opened(reader: Reader, path: str) -> tuple[Any, str]:
    """Open the node at a path, and say where it really is."""
    group, parts = reader.group(reader.root, "/"), [part for part in path.split("/") if part]
    if not parts:
        return reader.root, "/"
    for part in parts[:-1]:
        group = _inner(reader, group, part)
    return reader.open(group.id, group.path, _name(reader, group, parts[-1]))


def _inner(reader: Reader, group: Group, part: str) -> Group:
    node, path = reader.open(group.id, group.path, _name(reader, group, part))
    if not isinstance(node, h5g.GroupID):
        raise GroupMissingError(f"is an array; it holds no {part!r}")
    return reader.group(node, path)


def _name(reader: Reader, group: Group, part: str) -> str:
    """What a key is called in the file; GroupMissingError with the names that are there."""
    reader.here = _limits.join(group.path, part)
    there = {*group.nodes, *group.scalars}
    name = group.names_of_texts().get(part, part)
    if name not in there:
        known = ", ".join(sorted(there)[:8]) or "nothing"
        raise GroupMissingError(f"there is no such entry; {group.path} holds {known}")
    return name
