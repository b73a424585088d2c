"""Shared memory between a driver and workers of the same machine."""

from __future__ import annotations

import os
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from thunderlike.engines.base import ArraySource, SourceDefaults
from thunderlike.errors import EngineError
from thunderlike.parallel.shared_memory import memory_file, write_all

if TYPE_CHECKING:
    from pyspark import SparkContext

    from thunderlike._typing import Array
    from thunderlike.engines.base import Source, Spec

__all__ = ["SharedArray", "SpooledSource", "can_share", "on_one_machine", "spool", "write_bytes"]


# Below these sizes the ordinary way, pickles over sockets, is as fast and frees memory sooner.
MIN_SHARED_BYTES = 2**20
MIN_SPOOLED_BYTES = 2**24


def on_one_machine(master: str | None) -> bool:
    """Say whether a master of Spark runs workers on this machine, as this user.

    Examples
    --------
    >>> on_one_machine("local[2]"), on_one_machine("local-cluster[2,1,1024]")
    (True, False)
    """
    return master is not None and (master == "local" or master.startswith("local["))


def can_share(master: str | None, nbytes: int) -> bool:
    """Say whether workers can write into memory of this process.

    Parameters
    ----------
    master : str
        Of Spark.
    nbytes : int
        Of the array.

    Examples
    --------
    >>> can_share("spark://node:7077", 2**30), can_share("local[2]", 10)
    (False, False)
    """
    return on_one_machine(master) and nbytes >= MIN_SHARED_BYTES


class SharedArray:
    """Array in memory that any process of this machine can write to.

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
    >>> with SharedArray(Spec(3, (2,), np.dtype("i2")), 3) as place:
    ...     write_bytes(place.path, 4, np.array([[5, 6]], "i2"))
    ...     place.array
    array([[0, 0],
           [5, 6],
           [0, 0]], dtype=int16)
    """

    def __init__(self, spec: Spec, count: int) -> None:
        self._file = ExitStack()
        # Path under which other processes of this machine open the memory.
        self.path, memory = self._file.enter_context(memory_file(count * spec.record_bytes))
        self.array: Array = np.frombuffer(memory, spec.dtype).reshape(count, *spec.shape)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_raised: object) -> None:
        """Close the file; the array remains valid."""
        self._file.close()


def write_bytes(path: str, start: int, block: Array) -> None:
    """Write a block into the file of a shared array, from byte `start` on."""
    data: Any = np.ascontiguousarray(block).reshape(-1).view(np.uint8).data
    file = os.open(path, os.O_WRONLY)
    try:
        write_all(file, data, start)
    finally:
        os.close(file)


@dataclass(frozen=True)
class SpooledSource(SourceDefaults):
    """Records stored one after the other in a file of this machine.

    Parameters
    ----------
    path : str
        Of the file.
    spec : Spec
        Of all records in it.
    """

    path: str
    spec: Spec

    def read(self, start: int, stop: int, out: Array) -> None:
        """Read records into `out`, which is contiguous."""
        with open(self.path, "rb", buffering=0) as file:  # noqa: PTH123  # opened for each block
            file.seek(start * self.spec.record_bytes)
            data = memoryview(out.reshape(-1).view(np.uint8))  # type: ignore[arg-type]
            while len(data):
                nread = file.readinto(data)
                if not nread:
                    raise EngineError(
                        f"{self.path} ends before record {stop}: another program has changed it"
                    )
                data = data[nread:]


def spool(source: Source, context: SparkContext) -> Source:
    """Write a large array to a file that workers read; other sources are returned unchanged.

    Raises
    ------
    EngineError
        When there is no room for it.
    """
    if not isinstance(source, ArraySource) or source.array.dtype.hasobject:
        return source
    if source.array.nbytes < MIN_SPOOLED_BYTES or not can_share(
        context.master, source.array.nbytes
    ):
        return source
    folder = str(context._temp_dir)  # removed by Spark when it stops
    handle, path = tempfile.mkstemp(suffix=".raw", dir=folder)
    try:
        with os.fdopen(handle, "wb") as file:
            np.ascontiguousarray(source.array).tofile(file)
    except OSError as error:
        os.unlink(path)  # noqa: PTH108
        raise EngineError(
            f"no room for an array of {source.array.nbytes / 1e6:.0f} MB in {folder}: set "
            f"spark.local.dir or SPARK_LOCAL_DIRS to a larger disk ({error})"
        ) from error
    return SpooledSource(path, source.spec)
