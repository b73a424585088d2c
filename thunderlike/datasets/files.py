"""The bytes of a data file: mapped where a disk has them, asked for in ranges elsewhere.

Readers hand in windows, each the first and last bytes of some messages, and get the messages back,
one iterable for each window. No file position is shared, so threads and forked processes may read
through one object.
"""

from __future__ import annotations

import itertools
import mmap
import os
from collections import deque
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np

from thunderlike import storage
from thunderlike.errors import NotFound
from thunderlike.parallel.threads import tmap
from thunderlike.storage.base import replaced
from thunderlike.storage.filesystem import check_special
from thunderlike.storage.opening import local_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["Bytes", "Mapped", "Ranged", "Window", "opened"]

Window: TypeAlias = "tuple[NDArray[np.uint64], NDArray[np.uint64]]"  # first and last bytes

MIB = 2**20
_GAP = 64 * 2**10  # between messages: cheaper to read than to ask again
_RANGE = 4 * MIB  # asked for at once
_SCATTERED = 256  # ranges after which messages are given out: what a shuffled read keeps in memory


class Bytes(Protocol):
    """What readers need of a data file."""

    def view(self, start: int, stop: int) -> memoryview:
        """Return bytes ``start .. stop-1``, without a copy where that can be."""

    def bytes(self, start: int, stop: int) -> bytes:
        """Return bytes ``start .. stop-1``."""

    def stream(self, windows: Iterable[Window], copy: bool) -> Iterator[Iterable[Any]]:
        """Return the messages of windows, in the order asked for: bytes, or without a copy."""


class Mapped:
    """A file mapped into memory: reading is slicing.

    Parameters
    ----------
    path : Path
        Of the file.
    size : int
        Bytes of it to map; more may follow.
    """

    def __init__(self, path: Path, size: int) -> None:
        with path.open("rb") as file:
            number = file.fileno()
            self.key = _key(number)
            self._map: Any = mmap.mmap(number, size, access=mmap.ACCESS_READ) if size else b""
        self._view = memoryview(self._map)

    def view(self, start: int, stop: int) -> memoryview:
        """Slice the mapped file; the slice keeps it mapped."""
        return self._view[start:stop]

    def bytes(self, start: int, stop: int) -> bytes:
        """Copy a slice."""
        return self._map[start:stop]

    def stream(self, windows: Iterable[Window], copy: bool) -> Iterator[Iterable[Any]]:
        """Slices, made as they are taken."""
        cut = (self._map if copy else self._view).__getitem__
        return (map(cut, map(slice, a.tolist(), b.tolist())) for a, b in windows)


class Ranged:
    """A file read in ranges: neighbours in one request, several requests on their way at once.

    Parameters
    ----------
    read : callable
        ``read(start, length)`` returns bytes.
    path : str
        For messages.
    threads : int or None
        Requests at once; None is one for each core.
    key : str, optional
        Of the file, as `publication.data_key` has it.
    """

    def __init__(
        self,
        read: Callable[[int, int], bytes],
        path: str,
        threads: int | None,
        key: str | None = None,
    ) -> None:
        self._ask, self._path, self._threads, self.key = read, path, threads, key

    def view(self, start: int, stop: int) -> memoryview:
        """Ask for one range."""
        return memoryview(self.bytes(start, stop))

    def bytes(self, start: int, stop: int) -> bytes:
        """Ask for one range."""
        return self._ask(start, stop - start)

    def stream(self, windows: Iterable[Window], copy: bool) -> Iterator[Iterable[Any]]:
        """Ask ahead for the ranges of coming windows; at most about 4 MiB for each thread."""
        plans: deque[_Plan] = deque()

        def ranges() -> Iterator[tuple[int, int]]:
            for window in windows:
                for part in _parts(*window):
                    plan = _Plan(*part)
                    plans.append(plan)
                    yield from plan.ranges

        for block in tmap(lambda ends: self.bytes(*ends), ranges(), workers=self._threads):
            plans[0].blocks.append(block)
            if len(plans[0].blocks) == len(plans[0].ranges):
                yield plans.popleft().messages(bytes if copy else memoryview)


class _Plan:
    """Some messages, and the few ranges that hold them all."""

    def __init__(self, starts: NDArray[np.uint64], stops: NDArray[np.uint64]) -> None:
        order = np.argsort(starts, kind="stable")
        first, last = starts[order].astype(np.int64), stops[order].astype(np.int64)
        reach = np.maximum.accumulate(last)
        far = first[1:] > reach[:-1] + _GAP
        large = np.diff((first - first[0]) // _RANGE) > 0
        new = np.concatenate([[True], far | large])
        heads = np.flatnonzero(new)
        ends = np.maximum.reduceat(last, heads)
        self.ranges = list(zip(first[heads].tolist(), ends.tolist(), strict=True))
        self.blocks: list[bytes] = []
        self._which = np.empty(len(order), np.int64)
        self._which[order] = np.cumsum(new) - 1
        self._starts, self._stops = starts, stops

    def messages(self, kind: type[bytes] | type[memoryview]) -> Iterator[Any]:
        views = [kind(block) for block in self.blocks]  # bytes of bytes are no copy
        origins = [start for start, _ in self.ranges]
        spans = zip(self._which.tolist(), self._starts.tolist(), self._stops.tolist(), strict=True)
        for which, start, stop in spans:
            yield views[which][start - origins[which] : stop - origins[which]]


def _parts(starts: NDArray[np.uint64], stops: NDArray[np.uint64]) -> Iterator[Window]:
    """Cut a window where it grows too large, in bytes or in scattered pieces."""
    if not len(starts):
        return
    lengths = stops - starts
    sizes = (np.cumsum(lengths) - lengths) // np.uint64(_RANGE)
    jumps = np.concatenate([[False], starts[1:] != stops[:-1]])
    pieces = np.cumsum(jumps) // _SCATTERED
    cuts = np.flatnonzero((np.diff(sizes) != 0) | (np.diff(pieces) != 0)) + 1
    for first, last in itertools.pairwise([0, *cuts.tolist(), len(starts)]):
        yield starts[first:last], stops[first:last]


def opened(path: str, size: int, *, mapped: bool = True, identity: str | None = None) -> Bytes:
    """Open a data file for reading.

    Parameters
    ----------
    path : str
        Its address.
    size : int
        Bytes of it that are messages.
    mapped : bool
        Map a file on a disk; one that cannot be mapped is read in ranges.
    identity : str, optional
        Of the file that is wanted, as `publication.data_key` has it.

    Raises
    ------
    StorageError
        When another file is there now, or at any later read from a bucket.
    """
    file = local_file(path)
    if file is None:
        store, address = storage.resolve(path)
        version = store.version(address, identity)
        return Ranged(version.read_range, path, store.threads)
    check_special(file)
    try:
        found = Mapped(file, size) if mapped else _positioned(file)
    except FileNotFoundError as error:
        raise NotFound(f"{path}: no such file") from error
    except (OSError, ValueError):  # some network disks do not map
        found = _positioned(file)
    if identity not in (None, found.key):
        raise replaced(path)
    return found


def _key(descriptor: int) -> str:
    return f"{os.fstat(descriptor).st_ino:x}"


class _Handle:
    """A descriptor that is closed with its last user."""

    def __init__(self, path: Path) -> None:
        self.descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def read(self, start: int, length: int) -> bytes:
        parts = []
        while length and (part := os.pread(self.descriptor, length, start)):
            parts.append(part)
            start, length = start + len(part), length - len(part)
        return b"".join(parts)

    def __del__(self) -> None:
        os.close(self.descriptor)


def _positioned(path: Path) -> Ranged:
    handle = _Handle(path)
    return Ranged(handle.read, str(path), threads=1, key=_key(handle.descriptor))
