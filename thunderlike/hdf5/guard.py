"""What a file may not do: read other files, or announce more than there is room for."""

from __future__ import annotations

from h5py import h5l

from thunderlike.errors import Refused
from thunderlike.util.arrays import humanize_bytesize
from thunderlike.util.memory import available

__all__ = ["Budget", "check_link"]


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
    thunderlike.errors.Refused: announces 7.812 KB where 1000 B are left; max_bytes= allows for more
    """

    def __init__(self, limit: int | None = None) -> None:
        self._left = available() if limit is None else limit

    def spend(self, nbytes: int) -> None:
        """Take from what is left; Refused when that is less."""
        if nbytes > self._left:
            asked, left = humanize_bytesize(nbytes), humanize_bytesize(self._left)
            raise Refused(f"announces {asked} where {left} are left; max_bytes= allows for more")
        self._left -= nbytes


def check_link(kind: int, target: str = "") -> None:
    """Refuse links that leave the file."""
    if kind not in (h5l.TYPE_HARD, h5l.TYPE_SOFT):
        raise Refused(f"is a link to another file{target}")
