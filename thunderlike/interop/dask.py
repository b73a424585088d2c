"""Dask arrays: collections as their chunks, and chunks as records."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike._lazy import optional
from thunderlike.engines.base import SourceDefaults, Spec
from thunderlike.errors import SpecError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from thunderlike._typing import Array

__all__ = ["DaskSource", "image_source", "series_source", "todask"]


def todask(values: Any, naxes: int, chunks: Any = "auto") -> Any:
    """Make a dask array of values that compute when they are indexed.

    Parameters
    ----------
    values : ndarray or DistributedArray
        Of a numpy array every chunk is a view.
    naxes : int
        How many of the first axes are cut into chunks.
    chunks : 'auto', int or str
        Their size along each of these, as dask takes it.

    Returns
    -------
    dask.array.Array
    """
    cut = (chunks,) * naxes + (-1,) * (values.ndim - naxes)
    return _dask().from_array(_Values(values), chunks=cut, name=False)


class _Values:
    """Values to be indexed: dask copies the parts of what it knows to be a numpy array."""

    def __init__(self, values: Any) -> None:
        self._values = values
        self.shape, self.dtype, self.ndim = values.shape, values.dtype, values.ndim

    def __getitem__(self, item: Any) -> Array:
        part: Array = self._values[item]
        return part


@dataclass(frozen=True)
class DaskSource(SourceDefaults):
    """Records along the first axis of a dask array, computed when they are read.

    Parameters
    ----------
    chunked : dask.array.Array
        Of shape ``(count, *shape)``, cut along its first axis alone.
    offset : int
        Number of its first record.
    """

    chunked: Any  # not `array`: that of a source is its values
    offset: int = 0

    @property
    def spec(self) -> Spec:
        """Count, shape and dtype of the array."""
        dtype = np.dtype(self.chunked.dtype).newbyteorder("=")
        return Spec(self.chunked.shape[0], self.chunked.shape[1:], dtype)

    @property
    def cuts(self) -> Sequence[int]:
        """Where its chunks end: each is computed once."""
        return tuple(itertools.accumulate(self.chunked.chunks[0], initial=self.offset))

    def read(self, start: int, stop: int, out: Array) -> None:
        """Compute these records, in this thread: the engine has several."""
        part = self.chunked[start - self.offset : stop - self.offset]
        out[...] = part.compute(scheduler="synchronous")

    def part(self, start: int, stop: int) -> DaskSource:
        """What is needed for these records, and nothing else of the graph."""
        wanted = self.chunked[start - self.offset : stop - self.offset]
        (culled,) = optional("dask", extra="interop").optimize(wanted)
        return DaskSource(culled, start)


def image_source(array: Any) -> DaskSource:
    """Find the images along the first axis of a dask array; of two axes, it is one image.

    Raises
    ------
    SpecError
        For what is no dask array, has a chunk of unknown size, or one axis.
    """
    _check(array, 2, "an image")
    whole = array[np.newaxis] if array.ndim == 2 else array
    return DaskSource(whole.rechunk(dict.fromkeys(range(1, whole.ndim), -1)))


def series_source(array: Any) -> DaskSource:
    """Find the series along the last axis of a dask array; all others are keys."""
    _check(array, 1, "a series")
    rows = array.rechunk({array.ndim - 1: -1}).reshape(math.prod(array.shape[:-1]), -1)
    return DaskSource(rows.rechunk({1: -1}))


def _check(array: Any, naxes: int, what: str) -> None:
    if not isinstance(array, _dask().Array):
        raise SpecError(f"not a dask array but {type(array).__name__}: fromarray takes arrays")
    if any(math.isnan(n) for n in array.shape):
        raise SpecError(
            f"the dask array has shape {array.shape}, of chunks whose sizes are unknown: call its "
            "compute_chunk_sizes() before"
        )
    if array.ndim < naxes:
        raise SpecError(f"{what} has at least {naxes} axes, the array has shape {array.shape}")


def _dask() -> Any:
    return optional("dask.array", extra="interop")
