"""Limits for untrusted files: depth, members, links, memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from h5py import h5l, h5o

from thunderlike.errors import GroupMissingError, Hdf5Error, RefusedError
from thunderlike.util.arrays import humanize_bytesize
from thunderlike.util.memory import available

if TYPE_CHECKING:
    from h5py.h5g import GroupID
    from h5py.h5l import LinkInfo

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
    """Number of bytes that one `load` may still read.

    Parameters
    ----------
    limit : int, optional
        By default the free memory of this machine and its container.

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
        """Subtract from the remaining bytes; RefusedError if they are fewer."""
        if nbytes > self._left:
            asked, left = humanize_bytesize(nbytes), humanize_bytesize(self._left)
            raise RefusedError(
                f"announces {asked} where {left} are left; max_bytes= allows for more"
            )
        self._left -= nbytes


def check_link(kind: int, target: str = "") -> None:
    """Raise RefusedError for links that leave the file."""
    if kind not in (h5l.TYPE_HARD, h5l.TYPE_SOFT):
        raise RefusedError(f"is a link to another file{target}")


_MOST_HOPS = 64


def join(path: str, name: str) -> str:
    """Return the path of an entry.

    Examples
    --------
    >>> join("/", "a"), join("/a", "b")
    ('/a', '/a/b')
    """
    return f"{path.rstrip('/')}/{name}"


def names_of(group: GroupID) -> list[str]:
    """Return the names of all nodes of a group."""
    return [name.decode("utf-8", "surrogateescape") for name in group]


def kinds_of(group: GroupID) -> dict[str, int]:
    """Return the names of all nodes of a group, each with the kind of its link."""
    kinds: dict[str, int] = {}

    def note(name: bytes, info: LinkInfo) -> None:
        kinds[name.decode("utf-8", "surrogateescape")] = info.type

    group.links.iterate(note, info=True)
    return kinds


def target_of(group: GroupID, name: str) -> str | None:
    """Return the target of a soft link, or None; RefusedError for links out of the file."""
    spelled = name.encode("utf-8", "surrogateescape")
    kind = group.links.get_info(spelled).type
    if kind == h5l.TYPE_EXTERNAL:  # the message names the target, which is not opened
        file, inner = group.links.get_val(spelled)
        check_link(kind, f", {(file + b':' + inner).decode('utf-8', 'replace')}")
    check_link(kind)
    if kind == h5l.TYPE_HARD:
        return None
    return str(group.links.get_val(spelled), "utf-8", "surrogateescape")


def follow(root: GroupID, group: GroupID, path: str, name: str) -> tuple[Any, str]:
    """Open an entry of a group, following soft links a step at a time; return it with its path.

    HDF5 itself would follow a soft link through an external one.

    Raises
    ------
    RefusedError
        If a step leaves the file.
    GroupMissingError
        If a link is dangling.
    """
    ahead, hops = [name], 0
    # The target of a link may lead through other links: its steps are put in front.
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


def _target(group: GroupID, path: str, step: str) -> str | None:
    try:
        return target_of(group, step)
    except (KeyError, RuntimeError, AttributeError):  # AttributeError: `group` is an array
        raise GroupMissingError(f"leads to {join(path, step)}, which is not there") from None


def open_node(group: GroupID, name: str) -> Any:
    """Open the node of a hard link: HDF5 would follow other links out of the file."""
    return h5o.open(group, name.encode("utf-8", "surrogateescape"))
