"""Limits for untrusted files: depth, members, links, memory."""

from __future__ import annotations

from typing import Any

from h5py import h5l, h5o

from thunderlike.errors import GroupMissingError, Hdf5Error, RefusedError
from thunderlike.util.arrays import humanize_bytesize
from thunderlike.util.memory import available

__all__ = [
    "Budget",
    "check_link",
    "follow",
    "join",
    "kinds_of",
    "names_of",
    "open_node",
    "target_of",
]


class Budget:
    """Bytes that one `load` may still read, and counts them down.

    Parameters
    ----------
    limit : int, optional
        By default what is free of the memory of this machine, or of its container.

    Examples
    --------
    >>> Budget(1000).spend(8000)
    Traceback (most recent call last):
    ...
    thunderlike.errors.RefusedError: announces 7.812 KB where 1000 B are left; ...
    """

    def __init__(self, limit: int | None = None) -> None:
        self._left = available() if limit is None else limit

    def spend(self, nbytes: int) -> None:
        """Take from what is left; RefusedError when that is less."""
        if nbytes > self._left:
            asked, left = humanize_bytesize(nbytes), humanize_bytesize(self._left)
            raise RefusedError(
                f"announces {asked} where {left} are left; max_bytes= allows for more"
            )
        self._left -= nbytes


def check_link(kind: int, target: str = "") -> None:
    """Refuse links that leave the file."""
    if kind not in (h5l.TYPE_HARD, h5l.TYPE_SOFT):
        raise RefusedError(f"is a link to another file{target}")


_MOST_HOPS = 64


def join(path: str, name: str) -> str:
    """Write the path of an entry.

    Examples
    --------
    >>> join("/", "a"), join("/a", "b")
    ('/a', '/a/b')
    """
    return f"{path.rstrip('/')}/{name}"


def names_of(group: Any) -> list[str]:
    """Name all nodes of a group."""
    return [name.decode("utf-8", "surrogateescape") for name in group]


def kinds_of(group: Any) -> dict[str, int]:
    """Name all nodes of a group, each with the kind of link that leads to it."""
    kinds: dict[str, int] = {}

    def note(name: bytes, info: Any) -> None:
        kinds[name.decode("utf-8", "surrogateescape")] = info.type

    group.links.iterate(note, info=True)
    return kinds


def target_of(group: Any, name: str) -> str | None:
    """Return the target of a soft link, or None; RefusedError for links out of the file."""
    spelled = name.encode("utf-8", "surrogateescape")
    kind = group.links.get_info(spelled).type
    if kind == h5l.TYPE_EXTERNAL:
        file, inner = group.links.get_val(spelled)
        check_link(kind, f", {(file + b':' + inner).decode('utf-8', 'replace')}")
    check_link(kind)
    if kind == h5l.TYPE_HARD:
        return None
    return str(group.links.get_val(spelled), "utf-8", "surrogateescape")


def follow(root: Any, group: Any, path: str, name: str) -> tuple[Any, str]:
    """Open an entry of a group; soft links are followed by us, a step at a time.

    HDF5 would follow a soft link through an external one without a word.

    Raises
    ------
    RefusedError
        When a step leaves the file.
    GroupMissingError
        When there is nothing at the end.
    """
    ahead, hops = [name], 0
    while ahead:
        step = ahead.pop(0)
        if step in ("", "."):
            continue
        target = _target(group, path, step)
        if target is None:
            group, path = open_node(group, step), join(path, step)
            continue
        hops += 1
        if hops > _MOST_HOPS:
            raise Hdf5Error("is a link that leads through itself")
        if target.startswith("/"):
            group, path = root, "/"
        ahead = [*target.split("/"), *ahead]
    return group, path


def _target(group: Any, path: str, step: str) -> str | None:
    try:
        return target_of(group, step)
    except (
        KeyError,
        RuntimeError,
        AttributeError,
    ):  # AttributeError: a part of the path is an array
        raise GroupMissingError(f"leads to {join(path, step)}, which is not there") from None


def open_node(group: Any, name: str) -> Any:
    """Open what a hard link leads to: HDF5 would follow others anywhere."""
    return h5o.open(group, name.encode("utf-8", "surrogateescape"))
