"""Sources of records in files."""

from __future__ import annotations

import inspect
import itertools
import math
import os
import warnings
from abc import ABC, abstractmethod
from bisect import bisect_right
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, BinaryIO, ParamSpec, TypeVar

import numpy as np

from thunderlike import storage
from thunderlike._arguments import caller_level
from thunderlike._text import printable
from thunderlike.config import current
from thunderlike.data.collection import Collection, surviving
from thunderlike.engines import engine_for
from thunderlike.engines.base import SourceDefaults, Spec
from thunderlike.engines.shuffle import transpose_into
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
from thunderlike.kernels._validation import checked_arguments, is_whole
from thunderlike.parallel.threads import tmap
from thunderlike.storage._open import local_file, open_file
from thunderlike.storage.base import replaced
from thunderlike.storage.filesystem import failures

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from numpy.typing import DTypeLike

    from thunderlike._typing import Array, Labels, Shape
    from thunderlike.engines.base import Stored
    from thunderlike.storage import AnyCredentials, AnyPaths, Entry, FileVersion, Order

__all__ = [
    "Description",
    "FileSource",
    "Files",
    "Loader",
    "Packed",
    "PackedColumns",
    "PackedFile",
    "alike",
    "check_unchanged",
    "naming",
    "read",
    "reader",
    "whole",
]

C = TypeVar("C", bound=Collection)
P = ParamSpec("P")
R = TypeVar("R")

_FEW = 16  # files that are asked for one by one


class Loader(ABC):
    """Reader of the records of one file, for one format. Pickled into every task."""

    @abstractmethod
    def read(self, file: Entry, first: int, last: int, out: Array) -> None:
        """Write records ``first .. last-1`` of a file into `out`, straight if it can be.

        FormatError, without the name of the file, for what is not like the first file;
        StorageError for a file that is not the version that was listed.
        """

    def part(self, wanted: Mapping[str, tuple[int, int]]) -> Loader:  # noqa: ARG002
        """Return the loader restricted to these records of these files."""
        return self

    @property
    def versions(self) -> Sequence[tuple[str, str | None]]:
        """Names and versions of further files that are read."""
        return ()

    def check(self) -> None:  # noqa: B027  # most read nothing else
        """Raise StorageError if further files that were read have been replaced."""

    def transposed(self, source: FileSource, nbytes: int) -> FileSource | None:  # noqa: ARG002
        """Return the source of the elements of records of one file; see `Source.transposed`."""
        return None

    def unpinned(self) -> Loader:
        """Return the loader of copies of the files, which have other identities."""
        return self

    def packed(self, file: Entry) -> PackedFile | None:  # noqa: ARG002
        """The open file, if it is on a disk of this machine and its records are as ours."""
        return None

    @property
    def threads(self) -> int | None:
        """Number of files to read at once from a disk; None for the number of cores."""
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
    # Files that only this process sees are sent to the workers with the task.
    carried: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    skipped: int = 0

    @property
    def cuts(self) -> tuple[int, ...] | None:
        """Positions at which ranges may end so that nothing is read twice; None for all."""
        if self.whole:
            return self.edges
        if self.step == 1:
            return None
        if self.skipped:
            # Steps count from the start of the file, positions from the first record not skipped.
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
                f"{self.files[0].path}: truncated: it holds {found.count} whole records of {last}"
            )
        return replace(found, skipped=self.skipped)

    @property
    def threads(self) -> int | None:
        """Number of files to request at once; None for the number of cores."""
        if not self.files:
            return None
        return storage.store_for(self.files[0].path).threads or self.load.threads

    @classmethod
    def of(
        cls,
        files: Sequence[Entry],
        counts: Sequence[int],
        shape: tuple[int, ...],
        dtype: DTypeLike,
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

    def labels(self, labels: Labels | None, baseshape: Sequence[int] | None = None) -> Any:
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

    def transposed(self, nbytes: int) -> FileSource | None:
        """The elements of the records of a single file, as its format can read them."""
        single = len(self.files) == 1 and not self.carried and self.spec.count
        return self.load.transposed(self, nbytes) if single else None

    def read(self, start: int, stop: int, out: Array) -> None:
        """Read file by file; several files at once where requests have a high latency."""
        for path, data in self.carried.items():
            storage.write(path, data)

        def fill(piece: tuple[int, int, int]) -> None:
            number, first, last = piece
            file, origin = self.files[number], self.edges[number] - self.skipped
            with naming(file.path):
                part = out[first - start : last - start]
                self.load.read(file, first - origin, last - origin, part)

        # One by one from a disk: the engine reads several ranges at once.
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
        # One file is of one version by itself: every access compares its identity.
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
        # A file that was given twice has two ranges, and loaders keep one for a path.
        load = self.load.part(wanted) if len(wanted) == len(files) else self.load
        carried = _carried(files)
        if carried:  # which have other identities there
            load = load.unpinned()
            files = tuple(replace(file, identity=None) for file in files)
        return replace(self, files=files, edges=edges, load=load, carried=carried)


@dataclass(frozen=True)
class Packed(Loader):
    """Contiguous records in C order.

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

    def transposed(self, source: FileSource, nbytes: int) -> FileSource | None:
        """Runs of elements of each record, where they are on a disk here and long enough."""
        (file,), count = source.files, source.spec.count
        size = math.prod(self.shape)
        least, itemsize = current().piece_bytes, self.stored.itemsize
        run = min(nbytes // (count * itemsize), size, _LONG * least // itemsize)
        # A disk seeks for each run.
        if local_file(file.path) is None or run * itemsize < least:
            return None
        begin = self.begins.get(file.path, 0) + source.skipped * self.nbytes
        spec, load = (
            Spec(size, (count,), source.spec.dtype),
            PackedColumns(size, self.stored, begin),
        )
        return FileSource(spec, source.files, (0, size), load, step=run)

    def packed(self, file: Entry) -> PackedFile | None:
        """Open the file, if it is on a disk here and its numbers are in our byte order."""
        # Kernels and compiled libraries take native byte order alone, and a map cannot convert.
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
class PackedColumns(Loader):
    """Elements of contiguous records: a column of a matrix in C order each.

    Parameters
    ----------
    width : int
        Elements of a row, which is a record of the file.
    stored : numpy.dtype
        In the byte order of the file.
    begin : int
        Byte at which the first row stands.
    """

    width: int
    stored: np.dtype[Any]
    begin: int

    def read(self, file: Entry, first: int, last: int, out: Array) -> None:
        """Read runs of the rows, a few MiB at a time, and turn these."""
        itemsize = self.stored.itemsize
        rows = max(1, _TURNED // ((last - first) * itemsize))
        with open_file(file.path, identity=file.identity) as stream:
            for top in range(0, out.shape[1], rows):
                part = out[:, top : top + rows]
                runs = np.empty(part.shape[::-1], out.dtype)
                for number, run in enumerate(runs, top):
                    start = self.begin + (number * self.width + first) * itemsize
                    read_into(stream, start, run, self.stored)
                transpose_into(part, runs)


_TURNED = 2**22  # bytes
_LONG = 16  # times the shortest run: a disk gains nothing by longer ones


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
            except ValueError as error:  # truncated since it was listed
                raise replaced(path) from error
        # As a plain array: slices of a memmap would be memmaps, each with its attributes.
        return array[self.skipped :].view(np.ndarray)


def whole(file: Entry) -> bytes:
    """Read all of a file, of the version that was listed."""
    with storage.open(file.path, identity=file.identity) as version:
        return version.read()


def check_unchanged(stream: BinaryIO) -> None:
    """Raise StorageError if a local file was changed in place since it was opened."""
    stream.seek(0)
    stream.read(1)  # each read looks at the file


@dataclass(frozen=True)
class Files:
    """The arguments of a reader that select files.

    Parameters
    ----------
    path, ext, start, stop, recursive, credentials, order
        As of :func:`thunderlike.storage.find`.

    Examples
    --------
    >>> storage.write("memory://page-files/a.tif", b"")
    >>> [file.path for file in Files("memory://page-files", "tif").find()]
    ['memory://page-files/a.tif']
    """

    path: AnyPaths
    ext: str | None = None
    start: int | None = None
    stop: int | None = None
    recursive: bool = False
    credentials: AnyCredentials = None
    order: Order | None = None

    def find(self, but: tuple[str, ...] = ()) -> list[Entry]:
        """List the files, except those of the names `but`.

        Raises
        ------
        NotFoundError
            When no file is there.
        SpecError
            When `start` and `stop` leave none of the files.
        """
        return storage.find(
            self.path, self.ext, recursive=self.recursive, start=self.start, stop=self.stop,
            credentials=self.credentials, but=but, order=self.order,
        )  # fmt: skip

    def records(self) -> tuple[list[Entry], slice]:
        """List the files, and select among their records.

        `start` and `stop` count the files of a folder, a pattern or a list; of one file that is
        named, they count its records. Raises as `find`.
        """
        for name, value in (("start", self.start), ("stop", self.stop)):
            if value is not None and not is_whole(value, -math.inf):
                raise SpecError(f"{name} must be a whole number or None, not {value!r}")
        start, stop = (None if n is None else int(n) for n in (self.start, self.stop))
        # All of them: whether `start` counts files or records shows in what is found.
        files = replace(self, start=None, stop=None).find()
        if isinstance(self.path, str | os.PathLike) and (
            files[0].path == storage.at(self.path, self.credentials)
        ):
            return files, slice(start, stop)
        if chosen := files[start:stop]:
            return chosen, slice(None)
        raise SpecError(
            f"{self.path}: start={start}, stop={stop} leave none of the {len(files)} files found"
        )


def read(
    kind: Callable[..., C],
    source: FileSource,
    npartitions: int | None,
    labels: Labels | None,
    engine: object,
    *,
    records: slice = slice(None),
    attrs: Mapping[str, Any] | None = None,
    baseshape: Shape | None = None,
    **options: object,
) -> C:
    """Load a source on an engine, as images or series.

    Parameters
    ----------
    kind : type
        ``Images`` or ``Series``.
    npartitions, labels, engine
        As the reader has them.
    records : slice
        The records to load.
    attrs : mapping, optional
        Metadata of all records of the source; of a part, those are left out that count records.
    baseshape : tuple of int, optional
        Shape of the keys of series.
    **options
        Further arguments of `kind`.
    """
    chosen = source.records(records)
    if chosen is not source:
        attrs = surviving(attrs or {}, same_count=False, same_shape=True)
    loaded = engine_for(engine).load(chosen, npartitions)
    if baseshape is not None:
        options["baseshape"] = baseshape
    made = kind(loaded, labels=chosen.labels(labels, baseshape), **options)
    made.attrs = dict(attrs or {})
    return made


_SHARED = {
    "path": """\
path : path, or list of paths
    A file, a folder, or a pattern such as ``'data/run*/*.{ext}'``.""",
    "ext": """\
ext : str
    Extension of the files in a folder; ``'tif'`` finds ``.tiff`` too.""",
    "start": """\
start, stop : int, optional
    Which of the files, as in ``files[start:stop]``, in the order of their names.{part}""",
    "recursive": """\
recursive : bool
    Look into the folders of the folder too.""",
    "npartitions": """\
npartitions : int, optional
    Parts to spread the {records} over, on Spark.""",
    "index": """\
index : sequence, optional
    Labels of the positions along each series; of that length.""",
    "labels": """\
labels : sequence or 'files', optional
    Labels of the {records}; with ``'files'``, the name of the file that each comes from.""",
    "engine": """\
engine : None, 'local', 'disk', 'spark', SparkContext or SparkSession
    Where to keep the {records}; by default ``'local'``, or ``'disk'`` where they would take more
    than half of the free memory.""",
    "credentials": """\
credentials : dict, optional
    Access to a bucket: ``{{'access': ..., 'secret': ...}}``, and the other arguments of
    :class:`~thunderlike.storage.s3.S3Store`. By default those that boto3 finds.""",
    "order": """\
order : 'text' or 'natural', optional
    Order of the files of a folder or pattern: as text, where ``b-10`` comes before ``b-9``, or with
    numbers as numbers. By default as text, with a warning where the two differ.""",
}


def reader(function: Callable[P, R]) -> Callable[P, R]:
    """Document the parameters that all readers share, and check the types of arguments.

    The line ``{shared}`` of a docstring becomes the descriptions of those parameters of the
    function that the docstring does not describe itself.
    """
    doc, names = inspect.cleandoc(function.__doc__ or ""), inspect.signature(function).parameters
    described = [line.partition(" : ")[0] for line in doc.splitlines() if " : " in line]
    own = {name for line in described for name in line.split(", ")}
    ext = names["ext"].default if "ext" in names else None
    of_images = "index" not in names
    facts = {
        "ext": ext or "tif",
        "records": "images" if of_images else "series",
        "part": "\n    Where `path` names one file, which of its images." if of_images else "",
    }
    shared = [
        text.format(**facts) for name, text in _SHARED.items() if name in names and name not in own
    ]
    function.__doc__ = doc.replace("{shared}", "\n".join(shared))
    return checked_arguments(function)


def alike(shape: tuple[int, ...], dtype: np.dtype[Any], out: Array) -> None:
    """Raise FormatError unless records have the shape and dtype of those of the first file."""
    if shape != out.shape[1:] or dtype != out.dtype:
        raise FormatError(
            f"holds {dtype} of shape {shape}, the first file {out.dtype} of shape {out.shape[1:]}: "
            "all must be equal"
        )


@contextmanager
def naming(path: str) -> Iterator[None]:
    """Prefix errors and log messages about the bytes of a file with its name."""
    try:
        with of_file(path):
            yield
    except (BadIndexError, FormatError, MissingExtraError, SpecError) as error:
        raise type(error)(f"{path}: {error}") from error


@dataclass(frozen=True)
class Description:
    """The file with shape and dtype of flat binary files, ``conf.json`` in their folder.

    Parameters
    ----------
    folder, name : str
        The folder and name of the file.
    conf : Conf or None
        Its content; None if there is no such file, or if it is neither needed nor understood.
    """

    folder: str
    name: str
    conf: raw.Conf | None

    @classmethod
    def of(cls, path: str, name: str, *, needed: bool) -> Description:
        """Read the description in the folder of a file.

        Parameters
        ----------
        needed : bool
            The caller gave no shape or no dtype: a description that cannot be parsed is an error.
        """
        folder = storage.parent(path)
        place = storage.join(folder, name)
        conf = None
        with suppress(NotFoundError):
            data = storage.read(place)
            # If nothing depends on it, a damaged description is metadata, which never block data.
            with naming(place), nullcontext() if needed else boundary(name):
                conf = raw.parse_conf(data)
        return cls(folder, name, conf)

    @property
    def attrs(self) -> dict[str, Any]:
        """Metadata of the records."""
        return {} if self.conf is None else dict(self.conf.attrs)

    def value(self, what: str, given: Any) -> Any:
        """Return the argument of the caller, else the value of the description, else None.

        A warning names a difference between the two.
        """
        found = getattr(self.conf, what, None)
        if given is None or found is None:
            return found if given is None else given
        # Shapes come as lists too, dtypes as texts.
        same = tuple(given) == tuple(found) if what == "shape" else np.dtype(given) == found
        if not same:
            place = storage.join(self.folder, self.name)
            text = f"{place}: says the {what} is {found}; the given {given} goes before"
            warnings.warn(printable(text), stacklevel=caller_level())
        return given

    def required(self, what: str, given: Any) -> Any:
        """Return `value`; SpecError if neither the caller nor the description has it."""
        value = self.value(what, given)
        if value is None:
            lack = f"no {self.name} found" if self.conf is None else (f"{self.name} says no {what}")
            raise SpecError(f"{self.folder}: {lack}: give {what}=")
        return value


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
    there = dict[str, str | None]()  # requests have a high latency: folders are listed
    for folder in {storage.parent(file.path) for file in files}:
        with suppress(NotFoundError):
            listing = storage.store_for(folder).list(folder, recursive=False)
            there |= {str(entry.path): entry.identity for entry in listing}
    return [there.get(str(file.path)) for file in files]


def _carried(files: Sequence[Entry]) -> dict[str, bytes]:
    """Return the bytes of the files and folders that no other process sees."""
    found = dict[str, bytes]()
    for file in files:
        if storage.store_for(file.path).shared:
            continue
        for one in storage.find(file.path, recursive=True):
            identity = file.identity if one.path == file.path else one.identity
            with storage.open(one.path, identity=identity) as version:
                found[one.path] = version.read()
    return found
