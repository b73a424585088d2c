"""Records in the samples of datasets, which are read where the engine runs."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from thunderlike import storage
from thunderlike.data.files import FileSource, Loader, alike, naming
from thunderlike.errors import CorruptDatasetError, FormatError, NotFoundError, SpecError
from thunderlike.formats.dataset_files import APPENDING, KEYS, OFFSETS, decode_keys, decode_offsets
from thunderlike.formats.msgpack import unpackb

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from thunderlike._typing import Array, Shape
    from thunderlike.storage import Entry

__all__ = ["Samples", "message_source", "positions"]


def message_source(files: Sequence[Entry], field: str) -> tuple[FileSource, list[str]]:
    """Find the arrays in the samples of shards, and the key of the last sample of each.

    The offsets and keys of all shards are read, and the first sample.
    """
    offsets = {file.path: _offsets(file) for file in files}
    counts = [len(offsets[file.path]) - 1 for file in files]
    first = next((file for file, count in zip(files, counts, strict=True) if count), None)
    if first is None:
        raise SpecError(f"{files[0].path}: there are no samples")
    load = Samples(field, offsets)
    with naming(first.path):
        example = load.array(first, 0)
    source = FileSource.of(files, counts, example.shape, example.dtype, load)
    keys = [_last_key(file.path) for file, count in zip(files, counts, strict=True) if count]
    return source, keys


def positions(keys: Sequence[str], count: int) -> Shape:
    """Shape of the keys, if they are positions such as ``'00003-00017'``, else all in a row.

    Examples
    --------
    >>> positions(["00001-00002"], 6), positions(["cat"], 6)
    ((2, 3), (6,))
    """
    last = keys[-1].split("-")
    if not all(part.isdecimal() for part in last):
        return (count,)
    shape = tuple(int(part) + 1 for part in last)
    return shape if int(np.prod(shape)) == count else (count,)


@dataclass(frozen=True)
class Samples(Loader):
    """The arrays in one field of the samples of each shard.

    Parameters
    ----------
    field : str
        Its name.
    offsets : mapping
        Where the samples of each shard begin, and where the last ends.
    origins : mapping
        Number of the sample at the first of these offsets; 0 by default.
    """

    field: str
    offsets: Mapping[str, NDArray[np.uint64]]
    origins: Mapping[str, int] | None = None

    def read(self, file: Entry, first: int, last: int, out: Array) -> None:
        """Read the messages of these samples in one range."""
        for row, array in enumerate(self._arrays(file, first, last)):
            alike(array.shape, array.dtype, out)
            out[row] = array

    def part(self, wanted: Mapping[str, tuple[int, int]]) -> Samples:
        """Where these samples are."""
        offsets = {path: self.offsets[path][a : b + 1] for path, (a, b) in wanted.items()}
        return replace(self, offsets=offsets, origins={path: a for path, (a, _) in wanted.items()})

    def array(self, file: Entry, number: int) -> Array:
        """Return the array of one sample."""
        return self._arrays(file, number, number + 1)[0]

    def _arrays(self, file: Entry, first: int, last: int) -> list[Array]:
        origin = (self.origins or {}).get(file.path, 0)
        edges = [int(edge) for edge in self.offsets[file.path][first - origin : last - origin + 1]]
        with storage.open(file.path, identity=file.identity) as version:
            data = version.read_range(edges[0], edges[-1] - edges[0])
        if len(data) < edges[-1] - edges[0]:
            raise FormatError(f"cut short: samples end at byte {edges[-1]}")
        return [
            self._field(data[a - edges[0] : b - edges[0]], number)
            for number, (a, b) in enumerate(itertools.pairwise(edges), first)
        ]

    def _field(self, message: bytes, number: int) -> Array:
        sample = unpackb(message)
        if not isinstance(sample, dict) or self.field not in sample:
            there = ", ".join(map(str, sample)) if isinstance(sample, dict) else "no fields"
            raise FormatError(f"sample {number} has {there}, no {self.field!r}: name a field=")
        array = np.asarray(sample[self.field])
        if array.dtype.kind not in "buifc":
            raise FormatError(f"sample {number}: {self.field!r} is {array.dtype}, not numbers")
        return array


def _offsets(file: Entry) -> NDArray[np.uint64]:
    """Read where the samples of a file begin, and make sure that the last one ends with it."""
    place = _beside(file.path, OFFSETS)
    try:
        data = storage.read(place)
    except NotFoundError as error:
        raise FormatError(f"{file.path}: has no file {OFFSETS} beside it: {error}") from error
    with naming(file.path):
        offsets = decode_offsets(data)
    last = int(offsets[-1])
    if last != file.size and last != _kept(file):
        raise CorruptDatasetError(
            f"{file.path}: has {file.size} bytes, and {place} ends at byte {last}: it was replaced "
            "while it was read, or the two files do not belong together; read it again, or make "
            f"the index again with: thunderlike datasets reindex {file.path}"
        )
    return offsets


def _kept(file: Entry) -> int | None:
    """Return how many bytes there were before an append that goes on, or was stopped."""
    try:
        return int.from_bytes(storage.read(_beside(file.path, APPENDING)), "big")
    except NotFoundError:
        return None


def _last_key(path: str) -> str:
    keys = decode_keys(storage.read(_beside(path, KEYS)))
    if not keys:
        raise CorruptDatasetError(f"{_beside(path, KEYS)}: names none of the samples")
    return keys[-1]


def _beside(path: str, suffix: str) -> str:
    return storage.join(storage.parent(path), path.rpartition("/")[2] + suffix)
