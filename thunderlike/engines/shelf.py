"""Large arrays from the driver to workers of its machine: by a file that they read, past the JVM.

Spark's own way pickles the array, writes that to a file and keeps it all in the memory of the JVM.
A file of ours lies in Spark's folder for such things, and goes when the context stops: until then
any task may read it again.
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from thunderlike.engines.base import ArraySource, SourceDefaults
from thunderlike.engines.landing import possible
from thunderlike.errors import EngineError

if TYPE_CHECKING:
    from pyspark import SparkContext

    from thunderlike._typing import Array
    from thunderlike.engines.base import Source, Spec

__all__ = ["Shelved", "shelved"]

LEAST = 2**24  # bytes below which Spark's own way is as fast, and gives its memory back sooner


@dataclass(frozen=True)
class Shelved(SourceDefaults):
    """Records one after the other in a file of this machine.

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
                data = data[file.readinto(data) or self._short(stop) :]

    def _short(self, stop: int) -> int:
        raise EngineError(f"{self.path} ends before record {stop}: somebody else has changed it")


def shelved(source: Source, context: SparkContext) -> Source:
    """Put an array where workers read it, if they can; any other source is itself.

    Raises
    ------
    EngineError
        When there is no room for it.
    """
    if not isinstance(source, ArraySource) or source.array.dtype.hasobject:
        return source
    if source.array.nbytes < LEAST or not possible(context.master, source.array.nbytes):
        return source
    folder = str(context._temp_dir)  # Spark's own, which it removes when it stops
    handle, path = tempfile.mkstemp(suffix=".raw", dir=folder)
    try:
        with os.fdopen(handle, "wb") as file:
            np.ascontiguousarray(source.array).tofile(file)
    except OSError as error:
        os.unlink(path)  # noqa: PTH108
        raise EngineError(
            f"no room for an array of {source.array.nbytes / 1e6:.0f} MB in {folder}: name a "
            f"larger place in spark.local.dir or SPARK_LOCAL_DIRS ({error})"
        ) from error
    return Shelved(path, source.spec)
