"""Arrays in memory that several processes map: pickled by name, freed with their last owner."""

from __future__ import annotations

import contextlib
import mmap
import os
import tempfile
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike.errors import NotFoundError, StorageError
from thunderlike.parallel.segments import MEMORY

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import DTypeLike

__all__ = ["SharedArray", "shared_array"]


class SharedArray(np.ndarray):
    """An array on memory that has a name; a view of it, or its pickle, is of the same memory.

    Notes
    -----
    The process that made it gives the memory back when the last array on it is gone; who has
    mapped it elsewhere keeps what is mapped. A process that is killed leaves a file behind, where
    the system keeps files in memory.
    """

    _segment: _Segment | None = None

    def __array_finalize__(self, made_from: Any) -> None:
        """Keep the memory alive as long as any view of it."""
        segment = getattr(made_from, "_segment", None)
        # A copy has memory of its own.
        if segment is not None and segment.holds(self):
            self._segment = segment

    def __reduce__(self) -> Any:
        """Send the name of the memory, not the numbers; a copy goes as any array does."""
        if self._segment is None:
            return np.asarray(self).__reduce__()
        offset = _address(self) - self._segment.address
        return _attached, (self._segment.path, self.shape, self.dtype, self.strides, offset)


class _Segment:
    """A mapped file without a disk; removed by its maker."""

    def __init__(self, path: Path, *, made: bool) -> None:
        self.path = path
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), 0)
        whole = np.frombuffer(self._map, np.uint8)
        self.address, self._size = _address(whole), whole.size
        if made:
            weakref.finalize(self, _removed, path, os.getpid())

    def holds(self, array: Any) -> bool:
        return bool(self.address <= _address(array) < self.address + self._size)

    def array(
        self, shape: Sequence[int], dtype: DTypeLike, strides: Any, offset: int, order: Any = "C"
    ) -> SharedArray:
        made = SharedArray(tuple(shape), dtype, self._map, offset, strides, order)
        made._segment = self
        return made


def shared_array(shape: Sequence[int], dtype: DTypeLike, order: str = "C") -> SharedArray:
    """Make an array of zeros that other processes can map.

    Parameters
    ----------
    shape, dtype
        Of the array.
    order : 'C' or 'F'
        Which index runs fastest.

    Examples
    --------
    >>> import pickle
    >>> ours = shared_array((2, 2), "int16")
    >>> theirs = pickle.loads(pickle.dumps(ours))
    >>> theirs[0, 0] = 5
    >>> int(ours[0, 0])
    5
    """
    nbytes = int(np.prod(tuple(shape), dtype=np.int64)) * np.dtype(dtype).itemsize
    home = MEMORY if os.access(MEMORY, os.W_OK) else None
    number, name = tempfile.mkstemp(prefix="thunderlike-array-", dir=home)
    try:
        _allocate(number, max(nbytes, 1))
        segment = _Segment(Path(name), made=True)
    except BaseException:
        Path(name).unlink()
        raise
    finally:
        os.close(number)
    return segment.array(shape, dtype, None, 0, order)


def _allocate(file: int, nbytes: int) -> None:
    """Give a file its size, or fail now: a write to a map that has no room ends the process."""
    if not hasattr(os, "posix_fallocate"):  # macOS
        room = os.fstatvfs(file)
        if room.f_bavail * room.f_frsize < nbytes:
            raise StorageError(f"there is no room for a shared array of {nbytes} bytes")
        os.ftruncate(file, nbytes)
        return
    try:
        os.posix_fallocate(file, 0, nbytes)
    except OSError as error:
        raise StorageError(
            f"there is no room for a shared array of {nbytes} bytes: {error.strerror}"
        ) from error


def _attached(path: Path, shape: Any, dtype: Any, strides: Any, offset: int) -> SharedArray:
    if not path.exists():
        raise NotFoundError(
            f"{path}: the shared array is gone: its maker must keep it until it is read"
        )
    return _Segment(path, made=False).array(shape, dtype, strides, offset)


def _removed(path: Path, maker: int) -> None:
    if os.getpid() == maker:  # a forked child ends with a copy of the finalizer
        with contextlib.suppress(FileNotFoundError):
            path.unlink()


def _address(array: Any) -> int:
    return int(array.__array_interface__["data"][0])
