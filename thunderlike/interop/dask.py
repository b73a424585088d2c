"""Dask arrays from collections, and records from dask arrays."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from thunderlike._lazy import optional
from thunderlike.engines.base import SourceDefaults, Spec
from thunderlike.errors import SpecError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from thunderlike._typing import Array

__all__ = ["DaskSource", "Values", "image_source", "series_source", "todask"]


class Values(Protocol):
    """Array or collection: its shape and dtype are known, and indexing computes values."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each axis."""

    @property
    def ndim(self) -> int:
        """Number of axes."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the values."""

    def __getitem__(self, item: Any, /) -> Any:
        """Return a part."""


def todask(values: Values, naxes: int, chunks: object = "auto") -> Any:
    """Make a dask array of values that are computed when they are indexed.

    Parameters
    ----------
    values : ndarray or DistributedArray
        Chunks of a numpy array are views of it.
    naxes : int
        Number of leading axes to divide into chunks.
    chunks : 'auto', int or str
        Size of the chunks along each of these axes, as in dask.

    Returns
    -------
    dask.array.Array
    """
    cut = (chunks,) * naxes + (-1,) * (values.ndim - naxes)
    # For a name of its own dask would hash the values, which reads all of them.
    return _dask().from_array(_Values(values), chunks=cut, name=False)


class _Values:
    """Wrapper of values for indexing, since dask copies the parts of a numpy array."""

    def __init__(self, values: Values) -> None:
        self._values = values
        self.shape, self.dtype, self.ndim = values.shape, values.dtype, values.ndim

    def __getitem__(self, item: object) -> Array:
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
        """Split points at the ends of chunks, so that each chunk is computed once."""
        return tuple(itertools.accumulate(self.chunked.chunks[0], initial=self.offset))

    def read(self, start: int, stop: int, out: Array) -> None:
        """Compute records in the calling thread, since the engine runs several."""
        part = self.chunked[start - self.offset : stop - self.offset]
        out[...] = part.compute(scheduler="synchronous")

    def part(self, start: int, stop: int) -> DaskSource:
        """Return a source of these records with only the part of the graph that they need."""
        # Pickled for a task, a source would take the graph of the whole array with it.
        wanted = self.chunked[start - self.offset : stop - self.offset]
        (culled,) = optional("dask", extra="interop").optimize(wanted)
        return DaskSource(culled, start)


def image_source(array: object) -> DaskSource:
    """Return the images along the first axis of a dask array; an array of two axes is one image.

    Raises
    ------
    SpecError
        If it is not a dask array, has chunks of unknown size, or only one axis.
    """
    chunked = _checked(array, 2, "an image")
    images = chunked[np.newaxis] if chunked.ndim == 2 else chunked
    # An image is read at once: chunks that divide it would each be computed for it.
    return DaskSource(images.rechunk(dict.fromkeys(range(1, images.ndim), -1)))


def series_source(array: object) -> DaskSource:
    """Return the series along the last axis of a dask array; the other axes are keys."""
    chunked = _checked(array, 1, "a series")
    whole = chunked.rechunk({chunked.ndim - 1: -1})
    rows = whole.reshape(math.prod(chunked.shape[:-1]), -1)
    # Again: reshaping may have cut the last axis.
    return DaskSource(rows.rechunk({1: -1}))


def _checked(array: object, naxes: int, what: str) -> Any:
    """Return a dask array of known shape, with this number of axes at least."""
    kind: Any = _dask().Array
    if not isinstance(array, kind):
        raise SpecError(f"not a dask array but {type(array).__name__}: fromarray takes arrays")
    # Boolean indexing and the like leave sizes that only computing shows, as NaN.
    if any(math.isnan(n) for n in array.shape):
        raise SpecError(
            f"the dask array has shape {array.shape}, of chunks whose sizes are unknown: call its "
            "compute_chunk_sizes() before"
        )
    if array.ndim < naxes:
        raise SpecError(f"{what} has at least {naxes} axes, the array has shape {array.shape}")
    return array


def _dask() -> Any:
    return optional("dask.array", extra="interop")
