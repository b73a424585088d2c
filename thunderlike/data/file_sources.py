"""Sources of records in files."""

from __future__ import annotations

import itertools
import math
import os
import warnings
from abc import ABC, abstractmethod
from bisect import bisect_right
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from thunderlike import storage
from thunderlike._text import printable
from thunderlike.engines.base import SourceDefaults, Spec
from thunderlike.errors import (
    BadIndexError,
    FormatError,
    MissingExtraError,
    NotFoundError,
    SpecError,
)
from thunderlike.formats import raw
from thunderlike.formats.base import read_into
from thunderlike.formats.metadata import boundary, of_file
from thunderlike.kernels._validation import is_whole
from thunderlike.parallel.threads import tmap
from thunderlike.storage._open import local_file, open_file
from thunderlike.storage.base import replaced
from thunderlike.storage.filesystem import failures

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from thunderlike._typing import Array
    from thunderlike.engines.base import Stored
    from thunderlike.storage import AnyCredentials, AnyPaths, Entry, FileVersion, Order

__all__ = [
    "FileSource",
    "Loader",
    "Packed",
    "PackedFile",
    "alike",
    "check_unchanged",
    "described",
    "listed",
    "naming",
    "told",
    "untold",
    "whole",
]

_FEW = 16  # files that are asked for one by one


class Loader(ABC):
    """Reads records of a file: what a format means by them. Pickled into every task."""

    @abstractmethod
    def read(self, file: Entry, first: int, last: int, out: Array) -> None:
        """Write records ``first .. last-1`` of a file into `out`, straight if it can be.

        FormatError, without the name of the file, for what is not like the first file;
        StorageError for a file that is not the version that was listed.
        """

    def part(self, wanted: Mapping[str, tuple[int, int]]) -> Loader:  # noqa: ARG002
        """What is needed to read these records of these files only."""
        return self

    @property
    def versions(self) -> Sequence[tuple[str, str | None]]:
        """Names and versions of further files that are read."""
        return ()

    def check(self) -> None:  # noqa: B027  # most read nothing else
        """Raise StorageError if further files that were read have been replaced."""

    def unpinned(self) -> Loader:
        """What reads copies of the files, which have other identities."""
        return self

    def packed(self, file: Entry) -> PackedFile | None:  # noqa: ARG002
        """The open file, if it is on a disk of this machine and its records are as ours."""
        return None

    @property
    def threads(self) -> int | None:
        """How many files to read at once from a disk, where that is not the number of cores."""
        return None


@dataclass(frozen=True)
class FileSource(SourceDefaults):
    """Records in files, one or several each.

    Parameters
    ----------
    spec : Spec
        All records.
    files : tuple of Entry
        The files, in order, as they were listed: a file that was replaced since is not read.
    edges : tuple of int
        Number of the first record of each file, and at last the number after all.
    load : Loader
        How records of a file are read.
    whole : bool
        A part of a file costs as much as all of it.
    step : int
        Records that stand together in a file, so that a part of them costs as much as all.
    skipped : int
        Records of the first file that go before those.
    """

    spec: Spec
    files: tuple[Entry, ...]
    edges: tuple[int, ...]
    load: Loader
    whole: bool = False
    step: int = 1
    # What only this process sees goes to the workers along with the task.
    carried: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    skipped: int = 0

    @property
    def cuts(self) -> tuple[int, ...] | None:
        """Where a range may end without reading anything twice."""
        if self.whole:
            return self.edges
        if self.step == 1:
            return None
        if self.skipped:
            begin = -self.skipped % self.step or self.step
            return (0, *range(begin, self.edges[-1], self.step), self.edges[-1])
        steps = (range(a, b, self.step) for a, b in itertools.pairwise(self.edges))
        return (*itertools.chain.from_iterable(steps), self.edges[-1])

    @property
    def stored(self) -> Stored | None:
        """A single file on a disk of this machine, where its numbers stand as ours do."""
        found = self.load.packed(self.files[0]) if len(self.files) == 1 else None
        if found is None:
            return None
        last = self.skipped + self.spec.count
        if found.count < last:
            raise FormatError(
                f"{self.files[0].path}: cut short: it holds {found.count} whole records of {last}"
            )
        return replace(found, skipped=self.skipped)

    @property
    def threads(self) -> int | None:
        """How many files to ask for at once, where that is not the number of cores."""
        if not self.files:
            return None
        return storage.store_for(self.files[0].path).threads or self.load.threads

    @classmethod
    def of(
        cls,
        files: Sequence[Entry],
        counts: Sequence[int],
        shape: tuple[int, ...],
        dtype: Any,
        load: Loader,
        *,
        whole: bool = False,
        step: int = 1,
    ) -> FileSource:
        """Make a source of files that hold so many records each."""
        edges = (0, *itertools.accumulate(counts))
        spec = Spec(edges[-1], shape, np.dtype(dtype))
        return cls(spec, tuple(files), edges, load, whole, step)

    @property
    def versions(self) -> list[tuple[str, int, str | None]]:
        """Path, size and version of each file, as they were listed."""
        files = [(str(file.path), file.size, file.identity) for file in self.files]
        return files + [(name, 0, identity) for name, identity in self.load.versions]

    def labels(self, labels: Any, baseshape: Sequence[int] | None = None) -> Any:
        """Return labels as they are, or for ``'files'`` the name of the file of each record.

        A name is what a path has that is not common to the folders of all files.
        """
        if not isinstance(labels, str):
            return labels
        if labels != "files":
            raise SpecError(
                "labels are one for each record, or 'files' for the names of their files, "
                f"not {labels!r}"
            )
        paths = [file.path for file in self.files]
        folders = [path.rpartition("/")[0] for path in paths]
        common = len(os.path.commonpath(folders)) if len(set(folders)) > 1 else len(folders[0])
        names = np.array([path[common:].lstrip("/") for path in paths])
        return np.repeat(names, np.diff(self.edges)).reshape(baseshape or -1)

    def records(self, chosen: slice) -> FileSource:
        """Take some of the records of a single file.

        Raises
        ------
        SpecError
            When that leaves none.
        """
        rows = range(self.spec.count)[chosen]
        if len(rows) == self.spec.count:
            return self
        if not rows:
            raise SpecError(
                f"{self.files[0].path}: start={chosen.start}, stop={chosen.stop} leave none of its "
                f"{self.spec.count} records"
            )
        spec = replace(self.spec, count=len(rows))
        return replace(self, spec=spec, edges=(0, len(rows)), skipped=rows.start)

    def read(self, start: int, stop: int, out: Array) -> None:
        """Read file by file; from where answers take a journey, several files at once."""
        for path, data in self.carried.items():
            storage.write(path, data)

        def fill(piece: tuple[int, int, int]) -> None:
            number, first, last = piece
            file, origin = self.files[number], self.edges[number] - self.skipped
            with naming(file.path):
                part = out[first - start : last - start]
                self.load.read(file, first - origin, last - origin, part)

        for _ in tmap(fill, self._pieces(start, stop), workers=self.threads or 1):
            pass

    def check(self) -> None:
        """Compare the files with what was listed, once all were read.

        Each was read in one version. That they are of one generation shows in that none has
        been replaced until the last was read.

        Raises
        ------
        StorageError
            When one was replaced, or is gone.
        """
        if len(self.files) > 1:
            for file, found in zip(self.files, _identities(self.files), strict=True):
                if file.identity is not None and found != file.identity:
                    raise replaced(file.path)
        self.load.check()

    def _pieces(self, start: int, stop: int) -> Iterator[tuple[int, int, int]]:
        """The files that hold these records: the number of each, and which of its are wanted."""
        number = bisect_right(self.edges, start) - 1
        while start < stop:
            end = min(stop, self.edges[number + 1])
            if end > start:
                yield number, start, end
            start, number = end, number + 1

    def part(self, start: int, stop: int) -> FileSource:
        """The files that hold these records, and no others."""
        first = bisect_right(self.edges, start) - 1
        last = bisect_right(self.edges, stop - 1)
        files, edges = self.files[first:last], self.edges[first : last + 1]
        wanted = {
            file.path: (max(start, a) - a + self.skipped, min(stop, b) - a + self.skipped)
            for file, (a, b) in zip(files, itertools.pairwise(edges), strict=True)
        }
        load = self.load.part(wanted) if len(wanted) == len(files) else self.load
        carried = _carried(files)
        if carried:  # which have other identities there
            load = load.unpinned()
            files = tuple(replace(file, identity=None) for file in files)
        return replace(self, files=files, edges=edges, load=load, carried=carried)


@dataclass(frozen=True)
class Packed(Loader):
    """Records that stand in a file one after the other, in C order, and nothing between them.

    Parameters
    ----------
    shape : tuple of int
        Of a record.
    stored : numpy.dtype
        In the byte order of the file.
    begins : mapping, optional
        Byte at which the first record of each file stands; 0 by default.
    """

    shape: tuple[int, ...]
    stored: np.dtype[Any]
    begins: Mapping[str, int] = field(default_factory=dict)

    @property
    def nbytes(self) -> int:
        """Bytes of a record."""
        return math.prod(self.shape) * self.stored.itemsize

    def read(self, file: Entry, first: int, last: int, out: Array) -> None:  # noqa: ARG002
        """Read just these records, straight into place."""
        begin = self.begins.get(file.path, 0) + first * self.nbytes
        with open_file(file.path, identity=file.identity) as stream:
            read_into(stream, begin, out, self.stored)

    def part(self, wanted: Mapping[str, tuple[int, int]]) -> Packed:
        """Only where these files begin."""
        begins = {path: self.begins[path] for path in wanted if path in self.begins}
        return replace(self, begins=begins)

    def packed(self, file: Entry) -> PackedFile | None:
        """Open the file, if it is on a disk here and its numbers are in our byte order."""
        if local_file(file.path) is None or not self.stored.isnative:
            return None
        begin = self.begins.get(file.path, 0)
        version = storage.open(file.path, identity=file.identity)
        count = (version.size - begin) // max(self.nbytes, 1)
        if count < 1 or not self.nbytes:
            version.close()
            return None
        return PackedFile(version, begin, count, self.shape, self.stored)


@dataclass(frozen=True)
class PackedFile:
    """An open file of such records: the version that was listed, whatever takes its name.

    Parameters
    ----------
    version : FileVersion
        Of a disk of this machine.
    begin : int
        Byte at which the first record stands.
    count : int
        Whole records in the file.
    shape, dtype
        Of a record, in native byte order.
    skipped : int
        Records before those that are numbered from 0.
    """

    version: FileVersion
    begin: int
    count: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    skipped: int = 0

    def read(self, start: int, stop: int, out: Array) -> None:  # noqa: ARG002
        """Read records straight into place."""
        nbytes = math.prod(self.shape) * self.dtype.itemsize
        at = self.begin + (self.skipped + start) * nbytes
        with naming(self.version.path), open_file(self.version) as stream:
            read_into(stream, at, out)

    def mapped(self) -> Array:
        """Map all records; written to in memory alone."""
        path = self.version.path
        with failures(path, "map"), open_file(self.version) as stream:
            check_unchanged(stream)
            # Mode "c" is copy on write.
            try:
                array = np.memmap(stream, self.dtype, "c", self.begin, (self.count, *self.shape))
            except ValueError as error:  # cut short since it was looked at
                raise replaced(path) from error
        return array[self.skipped :].view(np.ndarray)


def whole(file: Entry) -> bytes:
    """Read all of a file, of the version that was listed."""
    with storage.open(file.path, identity=file.identity) as version:
        return version.read()


def check_unchanged(stream: BinaryIO) -> None:
    """Raise StorageError if a local file was changed in place since it was opened."""
    stream.seek(0)
    stream.read(1)  # each read looks at the file


def listed(
    path: AnyPaths,
    ext: str | None = None,
    *,
    recursive: bool = False,
    start: int | None = None,
    stop: int | None = None,
    credentials: AnyCredentials = None,
    order: Order | None = None,
) -> tuple[list[Entry], slice]:
    """List files of records, and which records of the files are wanted.

    `start` and `stop` count the files of a folder, a pattern or a list; of one file that is named,
    they count its records.
    """
    for name, value in (("start", start), ("stop", stop)):
        if value is not None and not is_whole(value, -math.inf):
            raise SpecError(f"{name} must be a whole number or None, not {value!r}")
    start, stop = (None if value is None else int(value) for value in (start, stop))
    files = storage.find(path, ext, recursive=recursive, credentials=credentials, order=order)
    if isinstance(path, str | os.PathLike) and files[0].path == storage.at(path, credentials):
        return files, slice(start, stop)
    if chosen := files[start:stop]:
        return chosen, slice(None)
    raise SpecError(
        f"{path}: start={start}, stop={stop} leave none of the {len(files)} files found"
    )


def alike(shape: tuple[int, ...], dtype: np.dtype[Any], out: Array) -> None:
    """Raise FormatError unless a file's records are as those of the first."""
    if shape != out.shape[1:] or dtype != out.dtype:
        raise FormatError(
            f"holds {dtype} of shape {shape}, the first file {out.dtype} of shape {out.shape[1:]}: "
            "all must be equal"
        )


@contextmanager
def naming(path: str) -> Iterator[None]:
    """Put the name of the file before what is wrong with its bytes, or with its metadata."""
    try:
        with of_file(path):
            yield
    except (BadIndexError, FormatError, MissingExtraError, SpecError) as error:
        raise type(error)(f"{path}: {error}") from error


def described(path: str, name: str, *, needed: bool = True) -> raw.Conf | None:
    """Read the description in the folder of a file; None if there is no such file.

    Parameters
    ----------
    needed : bool
        Without it shape or dtype are not known; otherwise a description that cannot be
        understood is left out.
    """
    beside = storage.join(storage.parent(path), name)
    try:
        data = storage.read(beside)
    except NotFoundError:
        return None
    with naming(beside), nullcontext() if needed else boundary(name):
        return raw.parse_conf(data)
    return None


def told(what: str, given: Any, conf: raw.Conf | None, path: str, name: str) -> Any:
    """Choose what the caller said before what the description `name` beside `path` says.

    A difference is worth a word. None where neither says it.
    """
    found = getattr(conf, what, None)
    if given is None or found is None:
        return found if given is None else given
    same = tuple(given) == tuple(found) if what == "shape" else np.dtype(given) == found
    if not same:
        beside = storage.join(storage.parent(path), name)
        text = f"{beside}: says the {what} is {found}; the given {given} goes before"
        warnings.warn(printable(text), stacklevel=5)
    return given


def untold(what: str, conf: raw.Conf | None, path: str, name: str) -> SpecError:
    """The error for what neither the caller nor a description says."""
    folder = storage.parent(path)
    found = f"{name} says no {what}" if conf is not None else f"there is no {name} here"
    return SpecError(f"{folder}: {found}: give {what}=")


def _identities(files: Sequence[Entry]) -> list[str | None]:
    """The identity that each file has now; None for those that are gone."""
    store = storage.store_for(files[0].path)
    if store.threads is None or len(files) <= _FEW:

        def look(file: Entry) -> str | None:
            try:
                return storage.stat(file.path).identity
            except NotFoundError:
                return None

        return list(tmap(look, files, workers=store.threads or 1))
    there = dict[str, str | None]()  # where each answer takes a journey, folders are listed
    for folder in {storage.parent(file.path) for file in files}:
        with suppress(NotFoundError):
            listing = storage.store_for(folder).list(folder, recursive=False)
            there |= {str(entry.path): entry.identity for entry in listing}
    return [there.get(str(file.path)) for file in files]


def _carried(files: Sequence[Entry]) -> dict[str, bytes]:
    """The bytes of those files and folders that no other process sees."""
    found = dict[str, bytes]()
    for file in files:
        if storage.store_for(file.path).shared:
            continue
        for one in storage.find(file.path, recursive=True):
            identity = file.identity if one.path == file.path else one.identity
            with storage.open(one.path, identity=identity) as version:
                found[one.path] = version.read()
    return found
