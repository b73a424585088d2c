"""Values out of files: whole, by the path of an entry, or a part of an array."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from h5py import h5g

from thunderlike._arguments import caller_level
from thunderlike._text import printable
from thunderlike.config import current
from thunderlike.errors import GroupMissing, SpecError, WrongType
from thunderlike.hdf5 import files, links
from thunderlike.hdf5.walking import run

if TYPE_CHECKING:
    from collections.abc import Iterable

    from thunderlike.hdf5.decode import Reader
    from thunderlike.hdf5.groups import Group
    from thunderlike.storage import AnyPath

__all__ = ["load", "opened"]

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
    with files.reading(path) as file, files.located(lambda: f"{path}: {reader.here}"):
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
        raise WrongType(
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
    name = group.names_of_texts().get(part, part)
    if name not in there:
        known = ", ".join(sorted(there)[:8]) or "nothing"
        raise GroupMissing(f"there is no such entry; {group.path} holds {known}")
    return name
