"""Values out of files: whole, by the path of an entry, or a part of an array."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from h5py import h5g

from thunderlike.config import current
from thunderlike.errors import GroupMissing, SpecError
from thunderlike.hdf5 import files, links
from thunderlike.hdf5.walking import run

if TYPE_CHECKING:
    from collections.abc import Iterable

    from thunderlike.hdf5.decode import Reader
    from thunderlike.hdf5.groups import Group
    from thunderlike.storage import AnyPath

__all__ = ["load", "opened"]

_UNPACK = "DEEPDISH_IO_DEEPDISH_IO_UNPACK"


def load(
    path: AnyPath,
    group: str | Iterable[str] | None,
    sel: Any,
    reader: Reader,
    *,
    unpack: bool,
) -> Any:
    """Read one value, or a tuple of them."""
    with files.reading(path) as file, files.located(lambda: f"{path}: {reader.here}"):
        reader.root = h5g.open(file, b"/")
        if group is None:
            return _whole(reader, sel, unpack=unpack)
        if isinstance(group, str):
            return _entry(reader, group, sel)
        return tuple(_entry(reader, name, sel) for name in group)


def _whole(reader: Reader, sel: Any, *, unpack: bool) -> Any:
    root = reader.group(reader.root, "/")
    only = root.ordered()
    if _UNPACK in root.names and "data" in only:
        return _of(reader, root, "data", sel)
    if unpack and len(only) == 1:
        return _of(reader, root, only[0], sel)
    return reader.finished(run(reader.node(reader.root, "/", sel), current().hdf5_depth))


def _of(reader: Reader, group: Group, name: str, sel: Any) -> Any:
    """Read one entry of a group, whether attribute or node."""
    reader.here = links.join(group.path, name)
    if name not in group.nodes:
        return _scalar(reader, group, name, sel)
    return reader.finished(run(reader.child(group, name, sel), current().hdf5_depth))


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
        return reader.finished(run(reader.node(reader.root, "/", sel), current().hdf5_depth))
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
        raise GroupMissing(f"is an array; it holds no {part!r}")
    return reader.group(node, path)


def _name(reader: Reader, group: Group, part: str) -> str:
    """What a key is called in the file; GroupMissing with the names that are there."""
    reader.here = links.join(group.path, part)
    there = {*group.nodes, *group.scalars}
    named = {key: name for name, key in group.keys().items() if isinstance(key, str)}
    name = named.get(part, part)
    if name not in there:
        known = ", ".join(sorted(there)[:8]) or "nothing"
        raise GroupMissing(f"there is no such entry; {group.path} holds {known}")
    return name
