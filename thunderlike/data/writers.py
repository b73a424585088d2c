"""Writers of collections, to a file or a folder."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from functools import partial
from operator import add
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from thunderlike import storage
from thunderlike.config import config, current
from thunderlike.data.array_files import Folder
from thunderlike.data.file_sources import FileSource, Packed
from thunderlike.errors import SpecError
from thunderlike.formats import hdf5, npy, ome_zarr, png, raw, text, tiff, zarr
from thunderlike.formats.base import sniff
from thunderlike.parallel.threads import tmap
from thunderlike.progress import track
from thunderlike.storage import Entry
from thunderlike.storage.atomic import draft
from thunderlike.storage.paths import file_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from thunderlike._typing import Array, Shape
    from thunderlike.data.collection import Collection
    from thunderlike.engines.base import Records, Spec
    from thunderlike.storage import AnyCredentials, AnyPath

__all__ = [
    "ImageFiles",
    "Names",
    "Parts",
    "SeriesFiles",
    "Sink",
    "assemble",
    "each_block",
    "each_part",
    "images_to_binary",
    "images_to_png",
    "images_to_tif",
    "joined",
    "series_to_binary",
    "series_to_text",
    "to_hdf5",
    "to_npy",
    "to_zarr",
    "write_slabs",
]


Slab = tuple[int, "Array"]


class Sink(Protocol):
    """A file that is written from its first row to its last, `rows` of them at a time."""

    rows: int

    def put(self, start: int, slab: Array) -> None:
        """Write the rows from `start` on."""


def each_block(records: Records, path: str, write: Callable[[int, Array], list[Any]]) -> list[Any]:
    """Write every block in its worker, or here if only this process can reach `path`.

    Parameters
    ----------
    write : callable
        From the number of the first record and a block to a list of the files written. It must be
        idempotent: a task may run again.

    Returns
    -------
    list
        Results of `write`, joined, in the order of the records.
    """
    store = storage.store_for(path)
    if store.shared:
        # Threads that wait for a remote store may outnumber the cores.
        with config(workers=store.threads or current().workers):
            return records.aggregate(write, add)
    return [item for start, block in records.stream() for item in write(start, block)]


def each_part(
    records: Records, path: str, write: Callable[[Iterator[Slab]], list[Any]]
) -> list[Any]:
    """Write every partition in its worker, or here if only this process can reach `path`.

    Parameters
    ----------
    write : callable
        From the blocks of a partition, with the number of the first record of each, to a list of
        the files written. It must be idempotent.

    Returns
    -------
    list
        As of `each_block`.
    """

    def run(_number: int, _attempt: str, blocks: Iterable[Slab]) -> list[Any]:
        return write(iter(blocks))

    # Stores in the memory of this process are not seen by workers.
    found = records.run_partitions(run, here=not storage.store_for(path).shared)
    return list(itertools.chain.from_iterable(found))


def assemble(records: Records, key_shape: Shape, sink: Sink, folder: str) -> None:
    """Write all records to a sink, a slab in memory at a time.

    Parameters
    ----------
    records : Records
        Records with keys of this shape.
    sink : Sink
        Its rows are those of the array of shape ``(*key_shape, *record)``.
    folder : str
        Address for temporary parts; the caller deletes it.
    """
    if records.in_memory or not records.spec.count:
        slabs = _cut(records, key_shape, sink.rows)
    elif records.engine.in_process:
        slabs = _streamed(records, key_shape, sink.rows)
    else:
        slabs = _joined(records, key_shape, sink.rows, folder)
    write_slabs(sink, slabs, key_shape[0])


def write_slabs(sink: Sink, slabs: Iterator[Slab], rows: int) -> None:
    """Write slabs to a sink in order, with progress."""
    with track("writing", rows, "rows") as work:
        for start, slab in slabs:
            sink.put(start, slab)
            work.advance(len(slab))
            del slab  # before the next slab is made: one is in memory at a time


def _cut(records: Records, key_shape: Shape, rows: int) -> Iterator[Slab]:
    each = math.prod(key_shape[1:])
    for start in range(0, key_shape[0], rows):
        stop = min(start + rows, key_shape[0])
        shape = (stop - start, *key_shape[1:], *records.spec.shape)
        # A slab, not all: records of an open file are read as they are needed.
        yield start, records.collect(start * each, stop * each).reshape(shape)


def _streamed(records: Records, key_shape: Shape, rows: int) -> Iterator[Slab]:
    """Join blocks as they come."""
    each, spec = math.prod(key_shape[1:]), records.spec
    start, filled = 0, 0
    slab = spec.empty(min(rows, key_shape[0]) * each)
    for _, block in records.stream():
        taken = 0
        while taken < len(block):
            count = min(len(slab) - filled, len(block) - taken)
            slab[filled : filled + count] = block[taken : taken + count]
            filled, taken = filled + count, taken + count
            if filled == len(slab):
                count = len(slab) // each
                yield start, slab.reshape(count, *key_shape[1:], *spec.shape)
                del slab
                start, filled = start + count, 0
                slab = spec.empty(min(rows, key_shape[0] - start) * each)


def _joined(records: Records, key_shape: Shape, rows: int, folder: str) -> Iterator[Slab]:
    """Write blocks from the workers, then read them back in order."""
    storage.store_for(folder).begin(folder)
    found = each_block(records, folder, Parts(folder))
    return joined(found, records.spec, key_shape, rows)


def joined(
    found: Sequence[tuple[str, int]], spec: Spec, key_shape: Shape, rows: int
) -> Iterator[Slab]:
    """Read the parts that :class:`Parts` wrote, in order, as slabs of rows.

    Parameters
    ----------
    found : sequence of (path, records)
        Its results, in the order of the records.
    """
    each = math.prod(key_shape[1:])
    # Names of parts are unique to this writer, so no check for replaced files is needed.
    files = [Entry(path, count * spec.record_bytes) for path, count in found]
    counts = [count for _, count in found]
    source = FileSource.of(files, counts, spec.shape, spec.dtype, Packed(spec.shape, spec.dtype))
    for start in range(0, key_shape[0], rows):
        stop = min(start + rows, key_shape[0])
        slab = spec.empty((stop - start) * each)
        source.read(start * each, stop * each, slab)
        yield start, slab.reshape(stop - start, *key_shape[1:], *spec.shape)
        del slab


@dataclass(frozen=True)
class Parts:
    """Writes each block under the number of its first record.

    Parameters
    ----------
    folder : str
        Target.
    """

    folder: str

    def __call__(self, start: int, block: Array) -> list[tuple[str, int]]:
        """Write a block and return its path and number of records; idempotent."""
        if not len(block):
            return []
        path = storage.join(self.folder, f"part-{start:012d}")
        storage.write(path, raw.encode(block))
        return [(path, len(block))]


def images_to_binary(images: Collection, path: AnyPath, prefix: str, *, overwrite: bool) -> None:
    """Write ``prefix-00000.bin`` and so on, and the ``conf.json`` that describes them."""
    conf = {"conf.json": raw.describe(images.value_shape, images.dtype, images.attrs)}
    _write(images, path, Names(prefix, "bin"), raw.encode, overwrite=overwrite, extra=conf)


def images_to_tif(images: Collection, path: AnyPath, prefix: str, *, overwrite: bool) -> None:
    """Write ``prefix-00000.tif`` and so on."""
    encode = partial(tiff.encode, attrs=images.attrs) if images.attrs else tiff.encode
    _write(images, path, Names(prefix, "tif"), encode, overwrite=overwrite)


def images_to_png(
    images: Collection,
    path: AnyPath,
    prefix: str,
    *,
    overwrite: bool,
    vmin: float | None,
    vmax: float | None,
) -> None:
    """Write ``prefix-00000.png`` and so on, `vmin` as black and `vmax` as white."""
    if vmin is None or vmax is None:
        if vmin is not vmax:
            raise SpecError(
                "give both vmin and vmax, the values to show as black and white, or neither"
            )
        plain = partial(png.encode, attrs=images.attrs) if images.attrs else png.encode
        _write(images, path, Names(prefix, "png"), plain, overwrite=overwrite)
        return
    if not (np.isfinite(vmin) and np.isfinite(vmax)):
        raise SpecError(f"vmin and vmax must be finite numbers, not {vmin} and {vmax}")
    if images.dtype.kind not in "biuf":
        raise SpecError(
            f"a PNG file holds real numbers, not {images.dtype}; "
            "make real numbers of them first, such as map(np.abs)"
        )
    encode = _Scaled(vmin, vmax, images.attrs)
    _write(images, path, Names(prefix, "png"), encode, overwrite=overwrite)


def series_to_binary(series: Collection, path: AnyPath, prefix: str, *, overwrite: bool) -> None:
    """Write ``prefix-00000-00000.bin``, by the key of its first series, for each part."""
    _write_parts(series, path, prefix, "bin", raw.encode, overwrite=overwrite)


def series_to_text(series: Collection, path: AnyPath, prefix: str, *, overwrite: bool) -> None:
    """Write ``prefix-00000-00000.txt``, by the key of its first series, for each part."""
    if series.dtype.kind not in "biuf":
        raise SpecError(f"text holds real numbers, not {series.dtype}")
    _write_parts(series, path, prefix, "txt", text.encode, overwrite=overwrite)


def _write_parts(
    series: Collection,
    path: AnyPath,
    prefix: str,
    ext: str,
    encode: Callable[[Array], bytes],
    *,
    overwrite: bool,
) -> None:
    """Write the series of each partition to a file, then their ``conf.json``."""
    _check_values(series, ext)
    conf, baseshape = raw.describe(series.shape, series.dtype, series.attrs), series.baseshape
    ours = [Names(prefix, ext).pattern(), "conf.json"]
    with storage.output(path, ours, overwrite=overwrite) as folder:
        each_part(series._records, folder, SeriesFiles(folder, prefix, ext, encode, baseshape))
        storage.write(storage.join(folder, "conf.json"), conf)


@dataclass(frozen=True)
class SeriesFiles:
    """Writes consecutive blocks to one file, named by the key of the first series.

    Parameters
    ----------
    folder : str
        Target.
    prefix, ext : str
        Prefix and extension of the names.
    encode : callable
        From a block of series to its part of the file.
    baseshape : tuple of int
        Shape of all keys.
    """

    folder: str
    prefix: str
    ext: str
    encode: Callable[[Array], bytes]
    baseshape: tuple[int, ...]

    def __call__(self, blocks: Iterable[tuple[int, Array]]) -> list[Any]:
        """Write blocks, one in memory at a time; idempotent."""
        filled = ((start, block) for start, block in blocks if len(block))
        first = next(filled, None)
        # A partition without records, of which Spark may have some, has no file.
        if first is None:
            return []
        path = storage.join(self.folder, self._name(first[0]))
        with (
            # Any existing file is accepted: it is of an earlier attempt at the same task.
            draft(path, lambda _start: True, overwrite=True) as made,
            made.file.open("wb") as stream,
        ):
            for _, block in itertools.chain([first], filled):
                stream.write(self.encode(block))
        return []

    def _name(self, start: int) -> str:
        at = np.unravel_index(start, self.baseshape)
        digits = [max(5, len(str(n - 1))) for n in self.baseshape]
        key = "-".join(f"{int(i):0{d}d}" for i, d in zip(at, digits, strict=True))
        return f"{self.prefix}-{key}.{self.ext}"


@dataclass(frozen=True)
class ImageFiles:
    """Writes each image to a file of its own.

    Parameters
    ----------
    folder : str
        Target.
    names : Names
        Names of the files.
    count : int
        Number of images in all.
    encode : callable
        From an image to the content of a file.
    """

    folder: str
    names: Names
    count: int
    encode: Callable[[Array], bytes]

    def __call__(self, start: int, block: Array) -> list[Any]:
        """Write the images from number `start` on; idempotent."""

        def put(number: int) -> None:
            path = storage.join(self.folder, self.names.of(number, self.count))
            storage.write(path, self.encode(block[number - start]))

        threads = storage.store_for(self.folder).threads or 1
        for _ in tmap(put, range(start, start + len(block)), workers=threads):
            pass
        return []


@dataclass(frozen=True)
class Names:
    """Names that sort as their numbers do.

    Examples
    --------
    >>> Names("image", "tif").of(7, count=100)
    'image-00007.tif'
    """

    prefix: str
    ext: str

    def __post_init__(self) -> None:
        file_name(self.prefix, "prefix")

    def pattern(self) -> str:
        """Return a pattern of all names, for `storage.find`."""
        return f"{self.prefix}-*.{self.ext}"

    def of(self, number: int, count: int) -> str:
        """Return the name of one of `count` files."""
        # Five digits, as Thunder's names have; more where names would not sort by number.
        digits = max(5, len(str(count - 1)))
        return f"{self.prefix}-{number:0{digits}d}.{self.ext}"


@dataclass(frozen=True)
class _Scaled:
    """Encode a PNG of 8 bits, black and white at two values."""

    vmin: float
    vmax: float
    attrs: Mapping[str, Any]

    def __call__(self, image: Array) -> bytes:
        # Equal limits divide by 1: pixels above them are brighter, none is NaN.
        span = (self.vmax - self.vmin) or 1.0
        # As float64: a difference of unsigned integers would wrap around.
        grey = np.clip((np.asarray(image, np.float64) - self.vmin) / span, 0, 1)
        return png.encode(np.nan_to_num(np.rint(grey * 255)).astype(np.uint8), self.attrs)


def _write(
    images: Collection,
    path: AnyPath,
    names: Names,
    encode: Callable[[Array], bytes],
    *,
    overwrite: bool,
    extra: Mapping[str, bytes] | None = None,
) -> None:
    """Write all images in the workers, then extra files."""
    _check_values(images, names.ext)
    encode(np.zeros(images.value_shape, images.dtype))  # raises for unsupported dtypes at once
    count, extra = images.count(), extra or {}
    with storage.output(path, [names.pattern(), *extra], overwrite=overwrite) as folder:
        each_block(images._records, folder, ImageFiles(folder, names, count, encode))
        for name, data in extra.items():
            storage.write(storage.join(folder, name), data)


def _check_values(records: Collection, ext: str) -> None:
    """Raise SpecError for records without values, for which a folder of files has no place."""
    if 0 in records.shape:
        raise SpecError(
            f"there is nothing to write to .{ext} files: the shape is {records.shape}; npy and "
            "HDF5 hold arrays without values"
        )


def to_npy(
    collection: Collection, path: AnyPath, *, overwrite: bool, credentials: AnyCredentials
) -> None:
    """Write one ``.npy`` file."""
    shape, dtype = collection.shape, collection.dtype
    with (
        draft(
            path, lambda start: sniff(start) == "npy", overwrite=overwrite, credentials=credentials
        ) as made,
        npy.Writer(made.file, shape, dtype) as sink,
    ):
        assemble(collection._records, collection.baseshape, sink, made.folder)


def to_hdf5(
    collection: Collection,
    path: AnyPath,
    dataset: str,
    *,
    compression: str | None,
    overwrite: bool,
    credentials: AnyCredentials,
) -> None:
    """Write one array to an HDF5 file, in chunks along time and space."""
    shape, dtype = collection.shape, collection.dtype
    options: Any = {"name": dataset, "attrs": collection.attrs, "compression": compression}
    # Writers count axes from the front.
    options["time"] = range(collection.ndim)[collection._time]
    with (
        draft(path, hdf5.looks_like, overwrite=overwrite, credentials=credentials) as made,
        hdf5.Writer(made.file, shape, dtype, **options) as sink,
    ):
        assemble(collection._records, collection.baseshape, sink, made.folder)


def to_zarr(
    collection: Collection,
    path: AnyPath,
    *,
    ome: bool,
    overwrite: bool,
    credentials: AnyCredentials,
) -> None:
    """Write a folder that is a Zarr array, or an OME-Zarr group which holds one."""
    if ome and collection._time:
        raise SpecError("OME-Zarr holds images, time first: call .toimages() on series")
    shape, dtype = collection.shape, collection.dtype
    metadata = ome_zarr.metadata(shape, collection.attrs) if ome else None
    # What an earlier call wrote, or left behind when it was killed: parts.
    ours = ["zarr.json", "c/**", "0/**", "parts/**"]
    with storage.output(path, ours, overwrite=overwrite, credentials=credentials) as folder:
        parts, place = storage.join(folder, "parts"), folder
        options: dict[str, Any] = {"attrs": collection.attrs}
        if metadata is not None:
            zarr.group(Folder(folder), metadata)
            place, options = storage.join(folder, "0"), {"axes": ome_zarr.axes_of(shape)}
        time = range(collection.ndim)[collection._time]
        sink = zarr.Writer(Folder(place), shape, dtype, time=time, **options)
        assemble(collection._records, collection.baseshape, sink, parts)
        storage.delete(parts)
