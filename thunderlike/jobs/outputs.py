"""Outputs of a job: files written for each batch, and the steps that make them one result."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike import storage
from thunderlike.config import current
from thunderlike.data.array_files import Folder
from thunderlike.data.writers import ImageFiles, Names, Parts, SeriesFiles, joined, write_slabs
from thunderlike.errors import SpecError
from thunderlike.formats import dataset_files, hdf5, npy, raw, sniff, zarr
from thunderlike.formats.registry import FORMATS
from thunderlike.storage.atomic import draft

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from thunderlike._typing import Array

__all__ = ["FILE_BYTES", "Hdf5", "Messages", "Target", "target_for"]

Notes = list[Any]

FILE_BYTES = 2**26  # of files that hold many records


class Target(ABC):
    """Output format of a conversion.

    Parameters
    ----------
    collection : Images or Series
        All that is to be written; it is asked for its shape and the like, never for values.

    Attributes
    ----------
    skipped : int
        How many batches an earlier run had done; known to `finish`.
    """

    skipped = 0

    def __init__(self, collection: Any) -> None:
        self.collection = collection

    @abstractmethod
    def writer(self, folder: str) -> Callable[[int, Array], Notes]:
        """Return a function that writes a block to a folder, named by its first record."""

    @abstractmethod
    def opened(self, path: str, overwrite: bool) -> AbstractContextManager[Any]:
        """Check the target, and publish the result of `finish` when the context ends."""

    @abstractmethod
    def finish(self, place: Any, files: str, notes: Notes) -> None:
        """Combine all written files into one result in `place`."""

    def note(self, item: Any) -> Any:
        """Entry of the notes, for JSON, of one written block."""
        return item

    @property
    def block_bytes(self) -> int:
        """Preferred size of a block in bytes."""
        return FILE_BYTES if self._is_series else current().chunk_bytes

    @property
    def _is_series(self) -> bool:
        return len(self.collection.value_shape) == 1

    @property
    def _time(self) -> int:
        return self.collection.ndim - 1 if self._is_series else 0


class _InFolder(Target):
    """A folder of files, one or more for each block."""

    def __init__(self, collection: Any, ext: str, encode: Callable[[Any], bytes]) -> None:
        super().__init__(collection)
        self._ext, self._encode = ext, encode
        self._names = Names("series" if self._is_series else "image", ext)
        if not self._is_series:
            encode(np.zeros(collection.value_shape, collection.dtype))  # what cannot be is said now

    def writer(self, folder: str) -> Any:
        base, names = self.collection.baseshape, self._names
        if self._is_series:
            return _Block(SeriesFiles(folder, names.prefix, self._ext, self._encode, base))
        return ImageFiles(folder, names, self.collection.count(), self._encode)

    @contextmanager
    def opened(self, path: str, overwrite: bool) -> Iterator[Any]:
        ours = [self._names.pattern(), "conf.json"]
        with storage.output(path, ours, overwrite=overwrite) as folder:
            yield folder

    def finish(self, place: Any, files: str, notes: Notes) -> None:  # noqa: ARG002
        items = self.collection
        if FORMATS[self._ext].described:
            shape = items.shape if self._is_series else items.value_shape
            conf = raw.describe(shape, items.dtype, items.attrs)
            storage.write(storage.join(files, "conf.json"), conf)
        _moved(files, place)


@dataclass(frozen=True)
class _Block:
    """Writer of a block as a part."""

    write: Callable[[Iterator[tuple[int, Array]]], Notes]

    def __call__(self, start: int, block: Array) -> Notes:
        return self.write(iter([(start, block)]))


@dataclass(frozen=True)
class _Shards:
    """Writer of blocks as shards, named by their first record.

    Parameters
    ----------
    folder : str
        Where to.
    field : str
        What a sample calls its array.
    baseshape : tuple of int
        Shape of all keys.
    labels : ndarray, optional
        What each record is called, one after the other.
    """

    folder: str
    field: str
    baseshape: tuple[int, ...]
    labels: Array | None = None

    def __call__(self, start: int, block: Array) -> list[dataset_files.Summary]:
        """Write a shard; the same file for the same block."""
        if not len(block):
            return []
        digits = max(5, len(str(int(np.prod(self.baseshape)) - 1)))
        name = f"part-{start:0{digits}d}.msgpack"
        summary, files = dataset_files.shard(name, self._samples(start, block))
        for file, data in files.items():
            storage.write(storage.join(self.folder, file), data)
        return [summary]

    def _samples(self, start: int, block: Array) -> Any:
        axes = np.unravel_index(np.arange(start, start + len(block)), self.baseshape)
        digits = [max(5, len(str(n - 1))) for n in self.baseshape]
        for row, position in enumerate(zip(*axes, strict=True)):
            key = "-".join(f"{int(i):0{d}d}" for i, d in zip(position, digits, strict=True))
            sample = {"key": key, self.field: block[row]}
            if self.labels is not None:
                sample["label"] = self.labels[start + row].item()
            yield key, sample


class Messages(Target):
    """A dataset of shards.

    Parameters
    ----------
    collection : Images or Series
    field : str
        What a sample calls its array.
    labels : ndarray, optional
        What each record is called, one after the other: ``"label"`` of its sample.
    nbytes : int
        Of the arrays in a shard.
    """

    def __init__(
        self,
        collection: Any,
        field: str = "data",
        labels: Array | None = None,
        nbytes: int = FILE_BYTES,
    ) -> None:
        super().__init__(collection)
        self._field, self._labels, self._nbytes = field, labels, nbytes

    def writer(self, folder: str) -> Any:
        """Return the writer of shards."""
        return _Shards(folder, self._field, self.collection.baseshape, self._labels)

    @property
    def block_bytes(self) -> int:
        """Size of a shard in bytes."""
        return self._nbytes

    def note(self, item: Any) -> Any:
        """Entry of a shard, without the hashes of its keys."""
        return {**asdict(item), "hashes": None}  # keys are positions: each is there once

    @contextmanager
    def opened(self, path: str, overwrite: bool) -> Iterator[Any]:
        """Check the folder, and publish the shards when the context ends."""
        with storage.output(
            path, ["part-*", dataset_files.MANIFEST], overwrite=overwrite
        ) as folder:
            yield folder

    def finish(self, place: Any, files: str, notes: Notes) -> None:
        """Write the manifest."""
        none = np.empty(0, np.uint64)
        summaries = [replace(dataset_files.Summary(**note), hashes=none) for note in notes]
        storage.write(
            storage.join(files, dataset_files.MANIFEST), dataset_files.manifest(summaries)
        )
        _moved(files, place)


class _Assembled(Target):
    """One array, assembled from parts."""

    def writer(self, folder: str) -> Any:
        return Parts(folder)

    def note(self, item: Any) -> Any:
        path, count = item
        return path.rpartition("/")[2], count

    @abstractmethod
    def sink(self, place: Any) -> Any:
        """Open the file, or the folder, to write."""

    def finish(self, place: Any, files: str, notes: Notes) -> None:
        items = self.collection
        with self.sink(place) as sink:
            found = [(storage.join(files, name), count) for name, count in notes]
            slabs = joined(found, items._records.spec, items.baseshape, sink.rows)
            write_slabs(sink, slabs, items.baseshape[0])


class Hdf5(_Assembled):
    """One HDF5 file.

    Parameters
    ----------
    collection : Images or Series
    compression : 'zlib' or None
        As of :class:`thunderlike.formats.hdf5.Writer`.
    """

    def __init__(self, collection: Any, compression: str | None = "zlib") -> None:
        super().__init__(collection)
        self._compression = compression

    @contextmanager
    def opened(self, path: str, overwrite: bool) -> Iterator[Any]:
        """Check the file, and publish it when the context ends."""
        with draft(path, hdf5.looks_like, overwrite=overwrite) as made:
            yield made.file

    def sink(self, place: Any) -> Any:
        """Open the file."""
        items, packed = self.collection, self._compression
        return hdf5.Writer(
            place, items.shape, items.dtype, time=self._time, attrs=items.attrs, compression=packed
        )


class _Npy(_Assembled):
    @contextmanager
    def opened(self, path: str, overwrite: bool) -> Iterator[Any]:
        with draft(path, lambda start: sniff(start) == "npy", overwrite=overwrite) as made:
            yield made.file

    def sink(self, place: Any) -> Any:
        return npy.Writer(place, self.collection.shape, self.collection.dtype)


class _Zarr(_Assembled):
    @contextmanager
    def opened(self, path: str, overwrite: bool) -> Iterator[Any]:
        with storage.output(path, ["zarr.json", "c/**"], overwrite=overwrite) as folder:
            yield folder

    def sink(self, place: Any) -> Any:
        items = self.collection
        return zarr.Writer(
            Folder(place), items.shape, items.dtype, time=self._time, attrs=items.attrs
        )


def target_for(to: str, collection: Any) -> Target:
    """Return the output of a format for a collection.

    Raises
    ------
    SpecError
        When the format does not hold such records.
    """
    kind = type(collection).__name__.lower()
    known = FORMATS[to]
    if kind not in known.kinds:
        raise SpecError(f"{to} files cannot hold {kind}: give another format")
    whole: dict[str, Callable[[Any], Target]] = {
        "hdf5": Hdf5,
        "npy": _Npy,
        "zarr": _Zarr,
        "msgpack": Messages,
    }
    if to in whole:
        return whole[to](collection)
    encode = known.codec.encode
    if known.metadata:
        encode = partial(encode, attrs=collection.attrs)
    return _InFolder(collection, to, encode)


def _moved(files: str, folder: str) -> None:
    """Move the finished files to the folder that will be published."""
    store, address = storage.resolve(folder)
    store.move(files, address)
