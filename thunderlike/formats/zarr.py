"""Zarr: arrays in a folder of chunks, wherever that folder is."""

from __future__ import annotations

import itertools
import math
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol, Self

import numpy as np

from thunderlike._lazy import optional
from thunderlike.errors import FormatError, SpecError, ThunderlikeError
from thunderlike.formats.base import numbers
from thunderlike.formats.chunks import chunk_shape
from thunderlike.formats.hdf5 import Dataset
from thunderlike.formats.metadata import as_json, boundary
from thunderlike.formats.zarrchunks import Bounded

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from types import TracebackType

    from numpy.typing import NDArray

__all__ = ["Files", "Writer", "describe", "group", "read"]


_MOST_AXES = 64  # of an array of numpy's


class Files(Protocol):
    """A folder of files, by their names relative to it; what is missing is None."""

    def read(self, name: str) -> bytes | None:
        """Return what a file holds."""

    def write(self, name: str, data: bytes) -> None:
        """Make `data` the content of a file."""

    def list(self) -> Iterable[str]:
        """Name all files."""


def describe(files: Files, name: str | None = None) -> Dataset:
    """Say what is known of an array, of Zarr's version 2 or 3.

    Parameters
    ----------
    name : str, optional
        Its path in the folder; by default the folder is the array.

    Raises
    ------
    FormatError
        When there is no such array of numbers.
    """
    array = _opened(files, name)
    dtype = np.dtype(array.dtype)
    if dtype.kind not in "buifc":
        raise FormatError(f"the Zarr array holds {dtype}, not numbers")
    chunks = array.shards or array.chunks
    if 0 in chunks and 0 not in array.shape:
        raise FormatError(f"damaged Zarr array: it is cut in chunks of shape {chunks}")
    if len(array.shape) > _MOST_AXES or math.prod(array.shape) * dtype.itemsize >= 2**63:
        raise FormatError(f"damaged Zarr array: no array has shape {array.shape!s:.80}")
    attrs: dict[str, Any] = {}
    with boundary("attributes"):
        attrs = dict(array.attrs.asdict())
    return Dataset(name or "", array.shape, dtype.newbyteorder("="), chunks, attrs)


def read(files: Files, name: str, axis: int, start: int, stop: int, out: NDArray[Any]) -> None:
    """Read positions ``start .. stop-1`` of an axis, which becomes the first.

    Raises
    ------
    FormatError
        For damaged chunks.
    """
    from zarr.core.buffer import default_buffer_prototype

    array = _opened(Bounded(files), name or None)
    ranges = [(0, n) for n in array.shape]
    ranges[axis] = (start, stop)
    region: Any = np.moveaxis(out, 0, axis)
    buffer = default_buffer_prototype().nd_buffer
    with _decoding():
        for there, here in _pieces(ranges, (array.shards or array.chunks)[-1]):
            array.get_basic_selection(there, out=buffer.from_ndarray_like(region[here]))


def _pieces(
    ranges: list[tuple[int, int]], step: int
) -> Iterator[tuple[tuple[slice, ...], tuple[slice, ...]]]:
    """Cut a region along its last axis: Zarr unpacks all chunks of a piece at the same time.

    Examples
    --------
    >>> [(there[1], here[1]) for there, here in _pieces([(0, 2), (3, 8)], 4)]
    [(slice(3, 4, None), slice(0, 1, None)), (slice(4, 8, None), slice(1, 5, None))]
    """
    *others, (first, last) = ranges
    edges = [first, *range(first // step * step + step, last, step), last]
    whole = tuple(slice(0, b - a) for a, b in others)
    for a, b in itertools.pairwise(edges):
        there = (*(slice(*one) for one in others), slice(a, b))
        yield there, (*whole, slice(a - first, b - first))


def group(files: Files, attrs: Mapping[str, Any]) -> None:
    """Make an empty folder one that holds arrays, and keep what is known of them."""
    _zarr().create_group(_store(files), attributes=dict(attrs))


class Writer:
    """Writes an array from its first row to its last, a slab of rows at a time.

    Parameters
    ----------
    files : Files
        An empty folder.
    shape, dtype
        Of the whole array.
    time : int
        Axis along which the series of a pixel runs; see :func:`~thunderlike.formats.chunks`.
    attrs : mapping
        What is known of the array: kept as its attributes.
    axes : sequence of str, optional
        What its axes are called.

    Attributes
    ----------
    rows : int
        How many rows a slab has: those of a chunk.
    """

    def __init__(
        self,
        files: Files,
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
        *,
        time: int = 0,
        attrs: Mapping[str, Any] | None = None,
        axes: Sequence[str] | None = None,
    ) -> None:
        numbers(dtype)
        if 0 in shape:
            raise SpecError(f"a Zarr array has no axis of length 0, as shape {shape} has")
        self.chunks = chunk_shape(shape, dtype.itemsize, time)
        self.rows = self.chunks[0]
        self._array = _zarr().create_array(
            _store(files), shape=shape, dtype=dtype, chunks=self.chunks,
            attributes=as_json(attrs), dimension_names=axes,
        )  # fmt: skip

    def put(self, start: int, slab: NDArray[Any]) -> None:
        """Write rows from `start` on, a multiple of `rows`; Zarr's own threads compress."""
        self._array[start : start + len(slab)] = slab

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Nothing is open: each chunk was written whole."""


def _opened(files: Files, name: str | None) -> Any:
    zarr = _zarr()
    try:
        return zarr.open_array(_store(files), path=name, mode="r")
    except ThunderlikeError:
        raise
    except Exception as error:
        there = ", ".join(_arrays(files)[:8]) or "nothing"
        what = f"no array {name!r}" if name else "not an array"
        raise FormatError(
            f"not a Zarr folder with an array to read: {what} ({there}); name one with dataset= "
            f"[{str(error).splitlines()[0] if str(error) else type(error).__name__}]"
        ) from error


def _arrays(files: Files) -> list[str]:
    """Name the arrays in a folder."""
    found = [name.rpartition("/") for name in files.list()]
    return sorted({folder for folder, _, name in found if folder and name in _METADATA})


_METADATA = ("zarr.json", ".zarray")


@contextmanager
def _decoding() -> Iterator[None]:
    try:
        yield
    except ThunderlikeError:
        raise
    except Exception as error:
        raise FormatError(f"a chunk of the Zarr array cannot be read: {error}") from error


def _store(files: Files) -> Any:
    from thunderlike.formats.zarrstore import FilesStore

    return FilesStore(files)


def _zarr() -> Any:
    return optional("zarr", extra="zarr")
