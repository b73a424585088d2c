"""Many bytes from workers of this machine to its driver: into memory that both see, past the JVM.

An array that is collected by Spark is pickled, sent to the JVM, kept there, sent on and unpickled.
Where workers and driver are processes of one machine, each worker writes its records into the array
itself. The memory has no name in any folder, so nothing of it is left when a process is killed.
"""

from __future__ import annotations

import mmap
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from thunderlike.errors import EngineError

if TYPE_CHECKING:
    from types import TracebackType

    from thunderlike._typing import Array
    from thunderlike.engines.base import Spec

__all__ = ["Landing", "land", "possible"]

LEAST = 2**20  # bytes below which a result is as well sent


def possible(master: str | None, nbytes: int) -> bool:
    """Say whether workers can write into memory of this process.

    Parameters
    ----------
    master : str
        Of Spark: ``local[2]`` and the like run workers on this machine, as this user.
    nbytes : int
        Of the array.

    Examples
    --------
    >>> possible("spark://node:7077", 2**30), possible("local[2]", 10)
    (False, False)
    """
    here = master is not None and (master == "local" or master.startswith("local["))
    return (
        here and nbytes >= LEAST and hasattr(os, "memfd_create") and Path("/proc/self/fd").exists()
    )


class Landing:
    """Memory for an array, to be written from any process of this machine.

    Parameters
    ----------
    spec : Spec
        Shape and dtype of records.
    count : int
        How many.

    Raises
    ------
    EngineError
        When there is no such memory left.

    Examples
    --------
    >>> from thunderlike.engines.base import Spec
    >>> with Landing(Spec(3, (2,), np.dtype("i2")), 3) as place:
    ...     land(place.path, 4, np.array([[5, 6]], "i2"))
    ...     place.array
    array([[0, 0],
           [5, 6],
           [0, 0]], dtype=int16)
    """

    def __init__(self, spec: Spec, count: int) -> None:
        self._file = os.memfd_create("thunderlike")
        try:
            os.ftruncate(self._file, count * spec.record_bytes)
            memory = mmap.mmap(self._file, count * spec.record_bytes)
        except OSError as error:
            os.close(self._file)
            raise EngineError(
                f"no memory for {count * spec.record_bytes} bytes to collect: {error.strerror}"
            ) from error
        self.array: Array = np.frombuffer(memory, spec.dtype).reshape(count, *spec.shape)

    @property
    def path(self) -> str:
        """How other processes open it."""
        return f"/proc/{os.getpid()}/fd/{self._file}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Let nobody write any more; the array stays."""
        os.close(self._file)


def land(path: str, start: int, block: Array) -> None:
    """Write records into a landing, from byte `start` on; the same again if a task runs again."""
    data: Any = np.ascontiguousarray(block).reshape(-1).view(np.uint8).data
    file = os.open(path, os.O_WRONLY)
    try:
        while len(data):
            done = os.pwrite(file, data, start)
            start, data = start + done, data[done:]
    finally:
        os.close(file)
