"""Arrays in shared memory, pickled by name."""

from __future__ import annotations

import contextlib
import os
import tempfile
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike import _system
from thunderlike.errors import NotFoundError, StorageError
from thunderlike.parallel.shared_memory import map_segment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import DTypeLike

    from thunderlike._typing import Array

__all__ = ["SharedMemoryArray", "shared_array"]


class SharedMemoryArray(np.ndarray):
    """An array in shared memory; its views and unpickled copies share the memory.

    Notes
    -----
    The process that created it removes the segment with its last array; other processes keep
    their maps. A process that is killed leaves the segment's file in ``/dev/shm``.
    """

    _segment: _Segment | None = None

    def __array_finalize__(self, parent: object) -> None:
        """Keep the segment alive as long as any view of it."""
        segment = getattr(parent, "_segment", None)
        # numpy calls this for copies too, which have memory of their own.
        if segment is not None and segment.holds(self):
            self._segment = segment

    def __reduce__(self) -> Any:
        """Pickle the name of the segment instead of the values."""
        if self._segment is None:
            return np.asarray(self).__reduce__()
        offset = _address(self) - self._segment.address
        return _attached, (self._segment.path, self.shape, self.dtype, self.strides, offset)


class _Segment:
    """A mapped file in memory, removed by the process that created it."""

    def __init__(self, path: Path, *, owned: bool) -> None:
        self.path = path
        self._map = map_segment(path)
        content = np.frombuffer(self._map, np.uint8)
        self.address, self._size = _address(content), content.size
        if owned:
            weakref.finalize(self, _remove, path, os.getpid())

    def holds(self, array: Array) -> bool:
        return bool(self.address <= _address(array) < self.address + self._size)

    def array(
        self,
        shape: Sequence[int],
        dtype: DTypeLike,
        strides: Sequence[int] | None,
        offset: int,
        order: Any = "C",
    ) -> SharedMemoryArray:
        array = SharedMemoryArray(tuple(shape), dtype, self._map, offset, strides, order)
        array._segment = self
        return array


def shared_array(shape: Sequence[int], dtype: DTypeLike, order: str = "C") -> SharedMemoryArray:
    """Create an array of zeros that other processes can map.

    Parameters
    ----------
    shape : sequence of int
    dtype : dtype
    order : {'C', 'F'}
        Memory layout.

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
    file, name = tempfile.mkstemp(prefix="thunderlike-array-", dir=_system.memory_folder())
    try:
        _system.allocate(file, max(nbytes, 1))  # an empty file cannot be mapped
        segment = _Segment(Path(name), owned=True)
    except BaseException as error:
        Path(name).unlink()
        if isinstance(error, OSError):
            raise StorageError(
                f"not enough shared memory for an array of {nbytes} bytes: "
                f"{error.strerror or error}"
            ) from error
        raise
    finally:
        os.close(file)
    return segment.array(shape, dtype, None, 0, order)


def _attached(
    path: Path, shape: Sequence[int], dtype: DTypeLike, strides: Sequence[int], offset: int
) -> SharedMemoryArray:
    if not path.exists():
        raise NotFoundError(
            f"{path}: the shared array is gone: the process that created it must keep it until it "
            "is read"
        )
    return _Segment(path, owned=False).array(shape, dtype, strides, offset)


def _remove(path: Path, owner: int) -> None:
    if os.getpid() == owner:  # a fork inherits the finalizer
        with contextlib.suppress(FileNotFoundError):
            path.unlink()


def _address(array: Array) -> int:
    return int(array.__array_interface__["data"][0])
