"""Outputs of a job, written in batches that the next run can continue."""

from __future__ import annotations

import hashlib
import json
import os
from abc import ABC, abstractmethod
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np

from thunderlike import storage
from thunderlike.config import config, current
from thunderlike.data.array_files import Folder
from thunderlike.data.file_sources import FileSource
from thunderlike.data.writers import (
    ImageFiles,
    Names,
    Parts,
    SeriesFiles,
    each_block,
    joined,
    write_slabs,
)
from thunderlike.engines.local import SourceRange
from thunderlike.errors import NotFoundError, SpecError, StorageError, ThunderlikeError
from thunderlike.formats import dataset_files, hdf5, npy, raw, sniff, zarr
from thunderlike.formats.registry import FORMATS
from thunderlike.progress import track
from thunderlike.storage.atomic import draft

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager

    from thunderlike._typing import Array
    from thunderlike.data.images import Images
    from thunderlike.data.series import Series
    from thunderlike.engines.base import Engine, Records, Source

__all__ = [
    "FILE_BYTES",
    "PREPARED",
    "Batches",
    "Hdf5",
    "Messages",
    "Target",
    "fingerprint",
    "hidden",
    "loading",
    "target_for",
    "written",
]


Notes = list[Any]
Place = TypeVar("Place")  # str for a folder, Path for one file

FILE_BYTES = 2**26  # of files that hold many records


class Target(ABC, Generic[Place]):
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

    def __init__(self, collection: Images | Series) -> None:
        self.collection = collection

    @abstractmethod
    def writer(self, folder: str) -> Callable[[int, Array], Notes]:
        """Return a function that writes a block to a folder, named by its first record."""

    @abstractmethod
    def opened(self, path: str, overwrite: bool) -> AbstractContextManager[Place]:
        """Check the target, and publish the result of `finish` when the context ends."""

    @abstractmethod
    def finish(self, place: Place, files: str, notes: Notes) -> None:
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


class _InFolder(Target[str]):
    """A folder of files, one or more for each block."""

    def __init__(
        self, collection: Images | Series, ext: str, encode: Callable[[Any], bytes]
    ) -> None:
        super().__init__(collection)
        self._ext, self._encode = ext, encode
        self._names = Names("series" if self._is_series else "image", ext)
        if not self._is_series:
            # A dtype or shape that the format lacks is an error before anything is computed.
            encode(np.zeros(collection.value_shape, collection.dtype))

    def writer(self, folder: str) -> Any:
        base, names = self.collection.baseshape, self._names
        if self._is_series:
            return _Block(SeriesFiles(folder, names.prefix, self._ext, self._encode, base))
        return ImageFiles(folder, names, self.collection.count(), self._encode)

    @contextmanager
    def opened(self, path: str, overwrite: bool) -> Iterator[str]:
        ours = [self._names.pattern(), "conf.json"]
        with storage.output(path, ours, overwrite=overwrite) as folder:
            yield folder

    def finish(self, place: str, files: str, notes: Notes) -> None:  # noqa: ARG002
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


class Messages(Target[str]):
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
        collection: Images | Series,
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
        # Hashes find duplicate keys; keys made of positions have none.
        return {**asdict(item), "hashes": None}

    @contextmanager
    def opened(self, path: str, overwrite: bool) -> Iterator[str]:
        """Check the folder, and publish the shards when the context ends."""
        with storage.output(
            path, ["part-*", dataset_files.MANIFEST], overwrite=overwrite
        ) as folder:
            yield folder

    def finish(self, place: str, files: str, notes: Notes) -> None:
        """Write the manifest."""
        none = np.empty(0, np.uint64)
        summaries = [replace(dataset_files.Summary(**note), hashes=none) for note in notes]
        storage.write(
            storage.join(files, dataset_files.MANIFEST), dataset_files.manifest(summaries)
        )
        _moved(files, place)


class _Assembled(Target[Place]):
    """One array, assembled from parts, since workers cannot write to one file at once."""

    def writer(self, folder: str) -> Any:
        return Parts(folder)

    def note(self, item: Any) -> Any:
        path, count = item
        return path.rpartition("/")[2], count

    @abstractmethod
    def sink(self, place: Place) -> Any:
        """Open the file, or the folder, to write."""

    def finish(self, place: Place, files: str, notes: Notes) -> None:
        items = self.collection
        with self.sink(place) as sink:
            found = [(storage.join(files, name), count) for name, count in notes]
            slabs = joined(found, items._records.spec, items.baseshape, sink.rows)
            write_slabs(sink, slabs, items.baseshape[0])


class Hdf5(_Assembled[Path]):
    """One HDF5 file.

    Parameters
    ----------
    collection : Images or Series
    compression : 'zlib' or None
        As of :class:`thunderlike.formats.hdf5.Writer`.
    """

    def __init__(self, collection: Images | Series, compression: str | None = "zlib") -> None:
        super().__init__(collection)
        self._compression = compression

    @contextmanager
    def opened(self, path: str, overwrite: bool) -> Iterator[Path]:
        """Check the file, and publish it when the context ends."""
        with draft(path, hdf5.looks_like, overwrite=overwrite) as made:
            yield made.file

    def sink(self, place: Path) -> Any:
        """Open the file."""
        items, packed = self.collection, self._compression
        return hdf5.Writer(
            place, items.shape, items.dtype, time=self._time, attrs=items.attrs, compression=packed
        )


class _Npy(_Assembled[Path]):
    @contextmanager
    def opened(self, path: str, overwrite: bool) -> Iterator[Path]:
        with draft(path, lambda start: sniff(start) == "npy", overwrite=overwrite) as made:
            yield made.file

    def sink(self, place: Path) -> Any:
        return npy.Writer(place, self.collection.shape, self.collection.dtype)


class _Zarr(_Assembled[str]):
    @contextmanager
    def opened(self, path: str, overwrite: bool) -> Iterator[str]:
        with storage.output(path, ["zarr.json", "c/**"], overwrite=overwrite) as folder:
            yield folder

    def sink(self, place: str) -> Any:
        items = self.collection
        return zarr.Writer(
            Folder(place), items.shape, items.dtype, time=self._time, attrs=items.attrs
        )


def target_for(to: str, collection: Images | Series) -> Target[Any]:
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
    whole: dict[str, Callable[[Any], Target[Any]]] = {
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


PREPARED = "movie.h5"  # next to the notes: the intermediate file of a job

Found = list[Any]


@dataclass(frozen=True)
class Batches:
    """Records of a source, loaded in batches.

    Parameters
    ----------
    count : int
        Of all records.
    rows : int
        Of those loaded at a time.
    load : callable
        From the first number, and the one after the last, to these on their engine.
    """

    count: int
    rows: int
    load: Callable[[int, int], Records]

    @property
    def starts(self) -> range:
        """The first record of each batch."""
        return range(0, self.count, self.rows)


def loading(
    source: Source, engine: Engine, nbytes: int | None, npartitions: int | None = None
) -> Batches:
    """Load the records of a source in batches of a number of bytes; None for one batch."""
    spec = source.spec
    rows = spec.count if nbytes is None else nbytes // spec.record_bytes

    def load(start: int, stop: int) -> Records:
        return engine.load(SourceRange(source, start, stop), npartitions)

    return Batches(spec.count, max(1, rows), load)


def written(
    path: str,
    target: Target[Place],
    batches: Batches,
    plan: Mapping[str, Any],
    *,
    overwrite: bool = False,
    resume: bool = True,
) -> int:
    """Write all batches, then combine them into one result.

    Parameters
    ----------
    path : path
        Of the result, which appears when all is done.
    target : Target
        What writes it.
    batches : Batches
        What is written.
    plan : mapping
        All that has to be the same for what an earlier run has done to be used, as JSON can hold.
    overwrite : bool
        Replace what an earlier call wrote there.
    resume : bool
        Continue an earlier run of the same plan; otherwise start again.

    Returns
    -------
    int
        How many batches an earlier, interrupted run had done already.

    Notes
    -----
    Finished batches stay in the folder ``.<name>.unfinished`` next to `path` until all are;
    delete it to start again.
    """
    work = hidden(path, "unfinished")
    with target.opened(storage.at(path), overwrite) as place:
        _prepare(work, json.dumps(plan, sort_keys=True, default=str).encode(), resume=resume)
        # Noted, so that the next run can remove the draft of one that was killed.
        storage.write(storage.join(work, "place"), os.fsencode(str(place)))
        try:
            target.skipped = _batches(batches, work, target)
        except BaseException:
            with suppress(ThunderlikeError):  # the failure of the run is the error to report
                _tidy(work)
            raise
        notes = [_noted(work, number) or [] for number in range(len(batches.starts))]
        target.finish(place, storage.join(work, "files"), [item for note in notes for item in note])
    storage.delete(work)
    return target.skipped


def hidden(path: str, what: str) -> str:
    """Return the address of a hidden file or folder next to a path.

    Examples
    --------
    >>> hidden("memory://out/map/", "unfinished")
    'memory://out/.map.unfinished'
    """
    name = path.rstrip("/").rpartition("/")[2]
    return storage.join(storage.parent(path.rstrip("/")), f".{name}.{what}")


def fingerprint(source: Source) -> str:
    """Hash the path, size and version of each file of a source."""
    # Other sources are in memory: their repr names what they are, not their values.
    found = source.versions if isinstance(source, FileSource) else repr(source)
    return hashlib.sha256(repr(found).encode()).hexdigest()


def _batches(batches: Batches, work: str, target: Target[Any]) -> int:
    """Write the batches that no earlier run has written; return the number it had."""
    write, skipped = target.writer(storage.join(work, "files")), 0

    def shifted(by: int, start: int, block: Array) -> Found:
        return write(start + by, block)  # blocks are numbered from the beginning of a batch

    with track("working", batches.count) as progress, config(chunk_bytes=target.block_bytes):
        for number, start in enumerate(batches.starts):
            stop = min(start + batches.rows, batches.count)
            if _noted(work, number) is None:
                found = each_block(batches.load(start, stop), work, partial(shifted, start))
                # Written after the files of the batch: a note stands for complete files.
                note = json.dumps([target.note(item) for item in found])
                storage.write(_note(work, number), note.encode())
            else:
                skipped += 1
            progress.advance(stop - start)
    return skipped


def _tidy(work: str) -> None:
    """Remove the folder of a run that failed before its first batch."""
    if _noted(work, 0) is None and not storage.exists(storage.join(work, PREPARED)):
        storage.delete(work)


def _prepare(work: str, plan: bytes, *, resume: bool) -> None:
    """Continue in the folder of the same plan; start again for any other."""
    if reason := storage.store_for(work).protected(work):
        raise StorageError(f"{work}: cannot store finished batches there: {reason}")
    mark, last = storage.join(work, "plan.json"), _read(storage.join(work, "place"))
    if last is not None:  # the draft of an interrupted run, which may already hold all its files
        _remove(os.fsdecode(last), work)
    # Notes without their files are useless: the run had moved these when it was interrupted.
    whole = _noted(work, 0) is None or storage.exists(storage.join(work, "files"))
    if not (resume and whole and _read(mark) == plan):
        storage.delete(work)
        storage.write(mark, plan)


def _remove(place: str, work: str) -> None:
    """Remove the temporary folder of a run, and nothing that its notes name elsewhere."""
    if storage.parent(place) == storage.parent(work) and place.endswith(".partial"):
        storage.delete(place)


def _note(work: str, number: int) -> str:
    return storage.join(work, f"batch-{number:06d}.json")


def _noted(work: str, number: int) -> Found | None:
    data = _read(_note(work, number))
    found: Found | None = None if data is None else json.loads(data)
    return found


def _read(path: str) -> bytes | None:
    try:
        return storage.read(path)
    except NotFoundError:
        return None
