"""Series from files: flat binary and text."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike import storage
from thunderlike.data.file_sources import (
    Description,
    Files,
    FileSource,
    Loader,
    Packed,
    alike,
    naming,
    read,
    reader,
    whole,
)
from thunderlike.data.series import Series
from thunderlike.engines import engine_for
from thunderlike.errors import FormatError, SpecError
from thunderlike.formats import text
from thunderlike.formats.base import read_into
from thunderlike.parallel.threads import tmap
from thunderlike.storage._open import open_file

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import DTypeLike

    from thunderlike._typing import Array, Labels, Shape
    from thunderlike.engines import Engine, Records
    from thunderlike.formats import raw
    from thunderlike.storage import AnyCredentials, AnyPaths, Entry, Order

__all__ = ["frombinary", "fromtext"]


@reader
def fromtext(
    path: AnyPaths,
    ext: str = "txt",
    dtype: DTypeLike | None = "float64",
    skip: int = 0,
    shape: Sequence[int] | None = None,
    index: Labels | None = None,
    labels: Labels | None = None,
    npartitions: int | None = None,
    engine: object = None,
    credentials: AnyCredentials = None,
    *,
    start: int | None = None,
    stop: int | None = None,
    recursive: bool = False,
    order: Order | None = None,
) -> Series:
    r"""Read text files: a series on each line, numbers apart by spaces, tabs or commas.

    Parameters
    ----------
    {shared}
    dtype : dtype
        Of the values.
    skip : int
        Columns to leave out at the beginning: keys, for example.
    shape : sequence of int, optional
        ``(*baseshape, length)``; by default that of a ``conf.json`` in their folder, else one
        axis of keys.

    Raises
    ------
    NotFoundError
        When no file is there.
    FormatError
        When a line has another number of columns, or something that is no number; names file and
        line.
    SpecError
        When the lines do not make up `shape`.

    Notes
    -----
    The files are read once here, to count their lines, and once where the engine runs.

    Examples
    --------
    >>> from thunderlike import storage
    >>> storage.write("memory://page-text/one.txt", b"1 2 3\n4 5 6\n")
    >>> fromtext("memory://page-text", skip=0).toarray()
    array([[1., 2., 3.],
           [4., 5., 6.]])
    """
    files = Files(path, ext, start, stop, recursive, credentials, order).find()
    load = _TextRows(np.dtype(dtype), skip)
    threads = storage.store_for(files[0].path).threads
    # Text has no header: the lines of every file are counted.
    shapes = list(tmap(load.shape, files, workers=threads))
    # Files may be empty, or all comments: they have no width.
    width = next((w for n, w in shapes if n), 0)
    if not width:
        raise FormatError(f"{files[0].path}: holds no numbers: it is empty, or all in comments")
    for file, (count, columns) in zip(files, shapes, strict=True):
        if count and columns != width:
            raise FormatError(f"{file.path}: has {columns} columns, the first file {width}")
    counts = [count for count, _ in shapes]
    source = FileSource.of(files, counts, (width,), load.dtype, load, whole=True)
    stated = Description.of(files[0].path, "conf.json", needed=shape is None)
    # Only the shape of conf.json applies: numbers in text have no dtype.
    shape = shape if shape is not None or stated.conf is None else stated.conf.shape
    baseshape = _baseshape(shape, sum(counts), width, files[0].path)
    return read(Series, source, npartitions, labels, engine, baseshape=baseshape, index=index)


@reader
def frombinary(
    path: AnyPaths,
    ext: str = "bin",
    conf: str = "conf.json",
    dtype: DTypeLike | None = None,
    shape: Sequence[int] | None = None,
    skip: int = 0,
    index: Labels | None = None,
    labels: Labels | None = None,
    engine: object = None,
    credentials: AnyCredentials = None,  # Thunder's order
    npartitions: int | None = None,
    *,
    start: int | None = None,
    stop: int | None = None,
    recursive: bool = False,
    order: Order | None = None,
) -> Series:
    """Read flat binary files: series one after the other, of one length.

    Parameters
    ----------
    {shared}
    conf : str
        Name of the file that describes the others, in their folder: JSON with ``shape`` and
        ``dtype``, or the older ``nkeys nvalues keytype valuetype``.
    dtype : dtype, optional
        Of the values.
    shape : sequence of int, optional
        ``(*baseshape, length)``.
    skip : int
        Values to leave out at the beginning of each record, not counted in `shape`.

    Raises
    ------
    NotFoundError
        When no file is there.
    SpecError
        When shape and dtype are not known, or the records do not make up the shape.
    FormatError
        When a file does not hold whole records; names it.

    Notes
    -----
    Files are listed once, here, and read in ranges of whole records. Records of the older kind
    carry their keys: these are read first, and each record is put where its key says.

    Examples
    --------
    >>> import thunderlike as tl
    >>> tl.series.fromrandom((6, 10)).tobinary("memory://page-series")
    >>> frombinary("memory://page-series").shape
    (6, 10)
    """
    files = Files(path, ext, start, stop, recursive, credentials, order).find()
    first, target = files[0].path, engine_for(engine)
    stated = Description.of(first, conf, needed=shape is None or dtype is None)
    stored, found = np.dtype(stated.required("dtype", dtype)), stated.conf
    # With `skip` the caller leaves the keys out, and the series stand in the order of the files.
    if found is not None and found.nkeys and found.nvalues is not None and not skip:
        records, baseshape, labels = _by_key(files, found, stored, target, npartitions, labels)
        return Series(records, index=index, labels=labels, baseshape=baseshape)
    shape = stated.required("shape", shape)
    if 0 in tuple(shape)[-1:] or len(shape) == 0:
        raise SpecError(f"{first}: series of shape {tuple(shape)} have no values")
    layout = _Record(stored, skip * stored.itemsize, int(shape[-1]), 0)
    source = _record_source(files, layout)
    baseshape = _baseshape(shape, source.spec.count, int(shape[-1]), first)
    return read(
        Series, source, npartitions, labels, target, attrs=stated.attrs, baseshape=baseshape,
        index=index,
    )  # fmt: skip


@dataclass(frozen=True)
class _TextRows(Loader):
    """Lines of a file."""

    dtype: np.dtype[Any]
    skip: int

    def shape(self, file: Entry) -> tuple[int, int]:
        with naming(file.path):
            return text.shape(whole(file), self.skip)

    def read(self, file: Entry, first: int, last: int, out: Array) -> None:
        """Read the whole file: nothing states where lines begin."""
        rows = text.decode(whole(file), self.dtype, self.skip)
        alike(rows.shape[1:], rows.dtype, out)
        out[...] = rows[first:last]


@dataclass(frozen=True)
class _Record(Loader):
    """Records with a prefix and a suffix of bytes to skip."""

    stored: np.dtype[Any]
    before: int
    count: int
    after: int

    @property
    def nbytes(self) -> int:
        return self.before + self.count * self.stored.itemsize + self.after

    def read(self, file: Entry, first: int, last: int, out: Array) -> None:
        """Read these records with what stands between them, then leave that out."""
        # One read of all bytes in place of a seek for each record.
        table = np.empty((last - first, self.nbytes), np.uint8)
        with open_file(file.path, identity=file.identity) as stream:
            read_into(stream, first * self.nbytes, table)
        wanted = table[:, self.before : self.nbytes - self.after]
        out[...] = np.ascontiguousarray(wanted).view(self.stored)


def _record_source(files: Sequence[Entry], layout: _Record) -> FileSource:
    """A source of records, of which each file must hold a whole number."""
    for file in files:
        if file.size % layout.nbytes:
            raise FormatError(
                f"{file.path}: {file.size} bytes are no whole number of records of "
                f"{layout.nbytes} bytes: give another shape, dtype or skip"
            )
    counts = [file.size // layout.nbytes for file in files]
    # Records without keys are read straight into place, or mapped.
    bare = not (layout.before or layout.after)
    load = Packed((layout.count,), layout.stored) if bare else layout
    dtype = layout.stored.newbyteorder("=")
    return FileSource.of(files, counts, (layout.count,), dtype, load)


def _by_key(
    files: Sequence[Entry],
    conf: raw.Conf,
    dtype: np.dtype[Any],
    engine: Engine,
    npartitions: int | None,
    labels: Labels | None,
) -> tuple[Records, Shape, Any]:
    """Order records by their keys, which are all read first."""
    length, keytype = conf.nvalues or 0, conf.keytype or np.dtype(np.int16)
    key_bytes, value_bytes = conf.nkeys * keytype.itemsize, length * dtype.itemsize
    keys = engine.load(_record_source(files, _Record(keytype, 0, conf.nkeys, value_bytes)))
    # All keys come here: a few numbers for each record.
    positions = keys.collect().astype(np.int64)
    baseshape, rows = _places(positions, conf.shape, files[0].path)
    values = _record_source(files, _Record(dtype, key_bytes, length, 0))
    # Names of files follow the order of the files: they are moved with their records.
    if (names := values.labels(labels)) is not labels:
        labels = names[rows].reshape(baseshape)
    return engine.load(values, npartitions).take(rows), baseshape, labels


def _places(keys: Array, shape: Shape | None, path: str) -> tuple[Shape, Array]:
    """Return the shape that the keys fill, and the record of each position."""
    if not len(keys):
        raise SpecError(f"{path}: there are no records")
    keys = keys - (keys.min(axis=0) == 1)  # older files count from 1
    baseshape = shape or tuple(int(n) for n in keys.max(axis=0) + 1)
    inside = len(baseshape) == keys.shape[1] and (keys >= 0).all() and (keys < baseshape).all()
    numbers = np.ravel_multi_index(tuple(keys.T), baseshape) if inside else np.zeros(len(keys))
    if len(keys) != math.prod(baseshape) or len(np.unique(numbers)) != len(keys):
        raise SpecError(
            f"{path}: the keys of {len(keys)} records are not all positions of shape {baseshape}, "
            "each once"
        )
    return baseshape, np.argsort(numbers)


def _baseshape(shape: Sequence[int] | None, count: int, length: int, path: str) -> Shape:
    """Shape of the keys, if so many series of this length make up the whole shape."""
    if shape is None:
        return (count,)
    whole = tuple(int(n) for n in shape)
    if whole[-1:] != (length,) or math.prod(whole[:-1]) != count:
        raise SpecError(
            f"{path}: there are {count} series of length {length}, which do not make up shape "
            f"{whole}: give another shape"
        )
    return whole[:-1]
