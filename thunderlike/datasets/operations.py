"""Operations on datasets: merge, split, sample, shuffle, export, repair."""

from __future__ import annotations

import hashlib
import io
import itertools
import json
import math
import random
import tarfile
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike import storage
from thunderlike._arguments import checked_arguments
from thunderlike._lazy import optional
from thunderlike.datasets import index as indices
from thunderlike.datasets import publication
from thunderlike.datasets._data_file import STALE, hasher
from thunderlike.datasets.msgpack import MsgpackReader
from thunderlike.datasets.publication import publish, recover, sidecar
from thunderlike.datasets.reader import Range, Select
from thunderlike.datasets.sharded import ShardedReader
from thunderlike.datasets.shuffle import QuasiShuffler, Shuffler
from thunderlike.datasets.verification import Report, check_samples, file_digest
from thunderlike.datasets.writer import FileWriter, RawWriter
from thunderlike.errors import (
    CorruptDatasetError,
    CorruptSampleError,
    FormatError,
    NotFoundError,
    SpecError,
)
from thunderlike.formats import dataset_files, npy
from thunderlike.formats.msgpack import message_end, unpackb
from thunderlike.progress import track
from thunderlike.storage.atomic import draft
from thunderlike.storage.locking import WriterLock
from thunderlike.storage.paths import inside

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pyarrow

    from thunderlike.datasets.reader import Numbers, Reader
    from thunderlike.storage import AnyPath

__all__ = [
    "check",
    "convert_index",
    "copied",
    "describe",
    "export_parquet",
    "export_tar",
    "merge",
    "random_seed",
    "reindex",
    "sample",
    "shuffle",
    "split",
    "split_names",
]


@checked_arguments
def check(path: AnyPath, *, samples: bool = False) -> Report:
    """Check that the files of a dataset are consistent, without reading all of the data.

    Parameters
    ----------
    path : path
        Path of the data file.
    samples : bool
        Also read every sample and compare its key.

    Returns
    -------
    Report
        Results for all existing files; a missing optional file is not a fault.

    Examples
    --------
    >>> import thunderlike as tl
    >>> with tl.datasets.FileWriter("memory://checked.msgpack", overwrite=True) as writer:
    ...     writer.write({"key": "a"})
    >>> check("memory://checked.msgpack").ok
    True
    """
    report = Report(storage.at(path))
    try:
        reader = MsgpackReader(path)
        report.samples = len(reader)
        report.note(f"{len(reader._offsets)} offsets")
    except (CorruptDatasetError, NotFoundError) as error:
        report.note("offsets", str(error))
        return report
    # Each by itself: a damaged or missing file must not hide the state of the others.
    for look in (_check_keys, _check_hashes, _check_filter, _check_sums):
        try:
            look(reader, report)
        except CorruptDatasetError as error:
            report.note(look.__name__, str(error))
        except NotFoundError:
            continue
    if samples:
        check_samples(reader, report)
    return report


def _check_keys(reader: MsgpackReader, report: Report) -> None:
    keys = indices.load_keys(reader.path)
    same = len(keys) == len(reader)
    fault = f"{reader.path}: has {len(reader)} samples and {len(keys)} keys"
    report.note("keys", "" if same else fault)


def _check_hashes(reader: MsgpackReader, report: Report) -> None:
    salt, hashes = indices.load_key_hashes(reader.path)
    wanted = b"".join(map(dataset_files.key_hasher(salt), reader.keys()))
    same = dataset_files.encode_hashes(salt, hashes)[8:] == wanted  # without the salt
    report.note("key_hashes", "" if same else f"{reader.path}: hashes do not match the keys")


def _check_filter(reader: MsgpackReader, report: Report) -> None:
    found = indices.load_filter(reader.path)
    missing = [key for key in reader.keys() if key not in found]  # noqa: SIM118
    fault = f"{reader.path}: the filter lacks the key {missing[0]!r}" if missing else ""
    report.note("filter", fault)


def _check_sums(reader: MsgpackReader, report: Report) -> None:
    sums = indices.load_sums(reader.path)
    found = dataset_files.sums_of(reader.slice(0, raw=True, copy=False))
    fault = ""
    if len(sums) != len(found):
        fault = f"{reader.path}: has {len(reader)} samples and {len(sums)} bytes of sums"
    elif sums != found:
        ours, theirs = np.frombuffer(found, ">u8"), np.frombuffer(sums, ">u8")
        first = int(np.flatnonzero(ours != theirs)[0])
        fault = f"{reader.path}: sample {first} differs from its recorded hash"
    report.note("sums", fault)


@checked_arguments
def reindex(path: AnyPath, digest: str | None = "md5") -> int:
    """Rebuild all index files from the data file; return the number of samples.

    Parameters
    ----------
    path : path
        Path of the data file.
    digest : {'md5', 'sha256', 'blake2b', None}
        As in :class:`~thunderlike.datasets.writer.Writer`.

    Raises
    ------
    CorruptSampleError
        For bytes that are not a complete sample; nothing is written then.
    InUseError
        When a writer has the dataset open.

    Notes
    -----
    The data file is read into memory. Samples are located by their structure and unpacked for
    their keys.

    Examples
    --------
    >>> import thunderlike as tl
    >>> with tl.datasets.FileWriter("memory://lost.msgpack", overwrite=True) as writer:
    ...     writer.write({"key": "a"})
    >>> reindex("memory://lost.msgpack")
    1
    """
    address = storage.at(path)
    lock = WriterLock(address)
    try:
        # A killed writer may have left newer data than index: complete or undo its change first.
        publication.recover(address, lock, STALE)
        data = memoryview(storage.read(address))
        keys, offsets = [], [0]
        for key, end in _scanned(address, data):
            keys.append(key)
            offsets.append(end)
        contents = {
            indices.SUFFIX_OFFSETS: dataset_files.encode_offsets(offsets),
            indices.SUFFIX_KEYS: dataset_files.encode_keys(keys),
            indices.SUFFIX_KEY_HASHES: dataset_files.encode_key_hashes(keys),
            indices.SUFFIX_FILTER: dataset_files.encode_filter(keys),
        }
        if digest is not None:
            name = address.rpartition("/")[2]
            lines = {name: _hashed(digest, data)}
            lines |= {name + suffix: _hashed(digest, found) for suffix, found in contents.items()}
            contents[f".{digest}"] = dataset_files.digest_lines(lines)
        old = (*indices.SUFFIXES, indices.SUFFIX_APPENDING)
        publication.publish(address, contents, None, lock=lock, size=len(data), stale=old)
    finally:
        lock.release()
    return len(keys)


def _hashed(digest: str, data: bytes | memoryview) -> str:
    found = hasher(digest)
    found.update(data)
    return str(found.hexdigest())


def _scanned(path: str, data: memoryview) -> Iterator[tuple[str, int]]:
    """Yield the key and the end of each message in a data file."""
    start, number = 0, 0
    while start < len(data):
        try:
            end = message_end(data, start)
            yield _key_of(unpackb(data[start:end])), end
        except FormatError as error:
            text = f"{path}: sample {number} at byte {start}: {error}"
            length = len(data) - start
            raise CorruptSampleError(text, path, number, None, start, length, str(error)) from error
        start, number = end, number + 1


def _key_of(sample: object) -> str:
    key = sample.get("key") if isinstance(sample, dict) else None
    if not isinstance(key, str):
        raise FormatError(f"expected a sample with a text 'key', found {sample!r:.60}")
    return key


_ROWS = 1000  # rows written at a time, a row group of the file each


@checked_arguments
def export_tar(reader: Reader, outfile: AnyPath) -> int:
    """Write samples as a tar archive in the layout of webdataset; return their number.

    Bytes become ``KEY.FIELD``, arrays ``KEY.FIELD.npy``, all else, and the key itself,
    ``KEY.json``. Dots in keys, which separate parts of names there, become underscores.

    Notes
    -----
    One sample at a time is in memory. Values unknown to JSON become text.
    """
    # Into a temporary file, renamed when it is complete.
    with (
        draft(outfile, _any, overwrite=True) as made,
        tarfile.open(made.file, mode="w") as archive,
        track("exporting", len(reader), "samples") as work,
    ):
        for key, found in reader.items():
            for name, data in _members(key, found):
                member = tarfile.TarInfo(inside(name, f"{outfile}: sample {key!r:.80}"))
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))
            work.advance()
    return len(reader)


def _any(start: bytes) -> bool:  # noqa: ARG001
    """Accept any existing file, because the caller chose to replace it."""
    return True


def _members(key: str, found: dict[str, Any]) -> Iterator[tuple[str, bytes]]:
    stem, rest = key.replace(".", "_"), {}
    for name, value in found.items():
        if isinstance(value, bytes):
            yield f"{stem}.{name}", value
        elif isinstance(value, np.ndarray):
            yield f"{stem}.{name}.npy", npy.encode(value)
        else:
            rest[name] = value
    yield f"{stem}.json", json.dumps(rest, default=_plain).encode()


def _plain(value: object) -> object:
    """Convert numbers of numpy for JSON, and anything else to text."""
    if isinstance(value, np.generic):
        plain: object = value.item()
        # JSON has no nan and no infinity.
        return plain if not isinstance(plain, float) or math.isfinite(plain) else str(plain)
    return str(value)


@checked_arguments
def export_parquet(reader: Reader, outfile: AnyPath) -> int:
    """Write samples as rows of a Parquet file; return their number.

    A field is a column: text, bytes and numbers unchanged; arrays of one shape as tensors, which
    pyarrow reads as arrays and other programs as lists; lists and dicts as JSON.

    Raises
    ------
    MissingExtraError
        Without pyarrow.
    SpecError
        For samples whose fields differ from those of the first one in name, type or shape.

    Notes
    -----
    A thousand samples at a time are in memory.
    """
    optional("pyarrow", "batches")
    from pyarrow import parquet

    rows = reader.slice(0)
    # A Parquet file has one schema: the first rows determine it, later ones are cast to it.
    first = _table(list(itertools.islice(rows, _ROWS)))
    with (
        draft(outfile, _any, overwrite=True) as made,
        parquet.ParquetWriter(made.file, first.schema) as file,
        track("exporting", len(reader), "samples") as work,
    ):
        table = first
        while len(table):
            file.write_table(_fitted(table, first.schema))
            work.advance(len(table))
            table = _table(list(itertools.islice(rows, _ROWS)))
    return len(reader)


def _table(samples: Sequence[dict[str, Any]]) -> pyarrow.Table:
    import pyarrow

    if not samples:
        return pyarrow.table({"key": pyarrow.array([], pyarrow.string())})
    names = list(samples[0])
    for sample in samples:
        if sample.keys() != samples[0].keys():
            raise SpecError(
                f"sample {sample['key']!r} has the fields {', '.join(map(str, sample))}, and a "
                f"table needs those of {samples[0]['key']!r}: {', '.join(map(str, names))}"
            )
    return pyarrow.table({str(name): _column(name, samples) for name in names})


def _column(name: str, samples: Sequence[dict[str, Any]]) -> pyarrow.Array:
    import pyarrow

    values = [sample[name] for sample in samples]
    try:
        if isinstance(values[0], np.ndarray):
            # No casts but of byte order: values of a later sample must not lose precision.
            stacked = np.stack(values, dtype=values[0].dtype, casting="equiv")
            return pyarrow.FixedShapeTensorArray.from_numpy_ndarray(stacked)
        cells = [json.dumps(v, default=_plain) if isinstance(v, list | dict) else v for v in values]
        return pyarrow.array(
            [cell.item() if isinstance(cell, np.generic) else cell for cell in cells]
        )
    except (ValueError, TypeError, pyarrow.ArrowException) as error:
        keys = f"{samples[0]['key']!r} to {samples[-1]['key']!r}"
        raise SpecError(f"{name!r} of samples {keys} cannot be a column: {error}") from error


def _fitted(table: pyarrow.Table, schema: pyarrow.Schema) -> pyarrow.Table:
    """Cast a table to the schema of the first one."""
    if table.schema == schema:
        return table
    try:
        if set(table.schema.names) != set(schema.names):
            raise SpecError(f"they have {', '.join(table.schema.names)}")
        return table.select(schema.names).cast(schema)
    except (ValueError, TypeError) as error:
        key = table["key"][0].as_py()
        raise SpecError(f"samples from {key!r} on differ from earlier ones: {error}") from error


@checked_arguments
def copied(reader: Reader, outfile: AnyPath, *, overwrite: bool = False) -> int:
    """Write the samples of a reader in its order, without unpacking; return their number."""
    with RawWriter(outfile, overwrite=overwrite, total=len(reader)) as writer:
        writer.write_many(reader.slice(0, yield_key=True, raw=True))
    return len(reader)


@checked_arguments
def shuffle(
    infile: AnyPath,
    outfile: AnyPath,
    *,
    seed: int,
    true_shuffle: bool = False,
    buf_size: float = 0.01,
    chunk_size: int = 16,
    overwrite: bool = False,
) -> int:
    """Write a dataset in random order; return the number of samples.

    Parameters
    ----------
    seed : int
        Seed of the order.
    true_shuffle : bool
        Shuffle all samples. By default they are shuffled locally, which reads the file almost
        sequentially.
    buf_size, chunk_size
        As in :class:`~thunderlike.datasets.shuffle.QuasiShuffler`.
    """
    reader = MsgpackReader(infile)
    # Views are lazy: only the order that is used is computed.
    nearby = QuasiShuffler(reader, buf_size, chunk_size, seed)
    return copied(Shuffler(reader, seed) if true_shuffle else nearby, outfile, overwrite=overwrite)


@checked_arguments
def merge(
    infiles: Sequence[AnyPath],
    outfile: AnyPath,
    *,
    seed: int = 0,
    strategy: str = "concat",
    shuffle: bool = False,
    prefix_keys: bool = False,
    overwrite: bool = False,
) -> int:
    """Merge several datasets into one; return the number of samples.

    Parameters
    ----------
    strategy : {'concat', 'random'}
        One after the other; or each sample from a random one, weighted by the samples left.
    shuffle : bool
        Shuffle the samples of each.
    prefix_keys : bool
        Prefix each key with the name of its file: ``train/key`` from ``train.msgpack``. Without
        it the same key in two files is an error.
    """
    readers = [MsgpackReader(path) for path in infiles]
    whole = ShardedReader(readers)
    view = Select(whole, _merged([len(reader) for reader in readers], seed, strategy, shuffle))
    # Only other keys need other messages; else bytes are copied.
    if not prefix_keys:
        return copied(view, outfile, overwrite=overwrite)
    names = [PurePosixPath(reader.path).name.removesuffix(".msgpack") for reader in readers]
    with FileWriter(outfile, overwrite=overwrite, total=len(view)) as writer:
        edges = np.cumsum([len(reader) for reader in readers])
        for number, found in zip(view._indices.tolist(), view.slice(0), strict=True):
            name = names[int(np.searchsorted(edges, number, side="right"))]
            writer.write({**found, "key": f"{name}/{found['key']}"})
    return len(view)


def _merged(counts: Sequence[int], seed: int, strategy: str, shuffle: bool) -> Numbers:
    """Return the merged order of all samples, numbered over the files."""
    # One generator for permutations and owners: the order of its calls is part of the result.
    draw = np.random.default_rng(seed)
    starts = np.cumsum([0, *counts])
    parts = [
        start + (draw.permutation(count) if shuffle else np.arange(count))
        for start, count in zip(starts, counts, strict=False)
    ]
    joined = np.concatenate(parts).astype(np.int64)
    if strategy == "concat":
        return joined
    if strategy != "random":
        raise SpecError(f"unknown strategy {strategy!r}; expected concat or random")
    owners = draw.permutation(np.repeat(np.arange(len(counts)), counts))
    # A stable sort lists the positions of the first file, then of the second: fill them in order.
    order = np.empty_like(joined)
    order[np.argsort(owners, kind="stable")] = joined
    return order


@checked_arguments
def split_names(infile: AnyPath, edges: Sequence[int]) -> list[str]:
    """Name the parts of a split: ``NAME-0.msgpack`` and so on, in the folder of the dataset."""
    path = storage.at(infile)
    stem = path.removesuffix(".msgpack")
    return [f"{stem}-{number}.msgpack" for number in range(len(edges) + 1)]


@checked_arguments
def split(
    infile: AnyPath, edges: Sequence[int], outfiles: Sequence[AnyPath], *, overwrite: bool = False
) -> list[int]:
    """Split a dataset at numbers of samples; return the sizes of the parts.

    Parameters
    ----------
    edges : sequence of int
        First samples of the parts after the first one, ascending.
    outfiles : sequence of paths
        Paths of the parts, one more than edges.
    """
    reader = MsgpackReader(infile)
    bounds = [0, *edges, len(reader)]  # equal ones make an empty part
    if sorted(bounds) != bounds:
        raise SpecError(f"{bounds} do not ascend; {reader.path} has {len(reader)} samples")
    if len(outfiles) != len(edges) + 1:
        raise SpecError(f"{len(edges)} edges make {len(edges) + 1} parts, not {len(outfiles)}")
    parts = [Select(reader, np.arange(a, b)) for a, b in itertools.pairwise(bounds)]
    pairs = zip(parts, outfiles, strict=True)
    return [copied(part, out, overwrite=overwrite) for part, out in pairs]


@checked_arguments
def sample(
    infile: AnyPath,
    outfile: AnyPath,
    number: int,
    *,
    seed: int = 0,
    strategy: str = "sequential",
    overwrite: bool = False,
) -> int:
    """Write the first samples, or random ones in random order; return their number.

    Raises
    ------
    SpecError
        For a negative number; a number above the size of the dataset writes all samples.
    """
    if number < 0:
        raise SpecError(f"number of samples is {number}; give at least 0")
    reader = MsgpackReader(infile)
    count = min(number, len(reader))
    view: Reader = Range(reader, 0, count)
    if strategy == "random":
        view = Select(reader, np.random.default_rng(seed).permutation(len(reader))[:count])
    return copied(view, outfile, overwrite=overwrite)


@checked_arguments
def convert_index(
    infile: AnyPath, outfile: AnyPath | None = None, *, outdir: AnyPath | None = None
) -> list[str]:
    """Convert a legacy ``.index``, which is kept, to index files; return their paths.

    Parameters
    ----------
    infile : path
        Path of the data file, or of its ``.index``.
    outfile : path, optional
        Data file that the index files are named after; that of the dataset by default.
    outdir : path, optional
        Folder that they are written to; that of the data file by default.

    Raises
    ------
    NotFoundError
        When the data file or its ``.index`` is missing.
    """
    place = indices.data_path(infile, indices.SUFFIX_LEGACY_INDEX)
    keys, offsets = indices.legacy_load_index(place)
    target = place if outfile is None else storage.at(outfile)
    if outdir is not None:
        target = storage.join(storage.at(outdir), PurePosixPath(target).name)
    contents = {
        indices.SUFFIX_OFFSETS: dataset_files.encode_offsets(offsets),
        indices.SUFFIX_KEYS: dataset_files.encode_keys(keys),
        indices.SUFFIX_KEY_HASHES: dataset_files.encode_key_hashes(keys),
        indices.SUFFIX_FILTER: dataset_files.encode_filter(keys),
    }
    lines = {PurePosixPath(place).name: file_digest(place)}
    for suffix, data in contents.items():
        # Always MD5, the one that datadings reads.
        lines[PurePosixPath(target).name + suffix] = hashlib.md5(data).hexdigest()  # noqa: S324
    contents[indices.SUFFIX_MD5] = dataset_files.digest_lines(lines)
    lock = WriterLock(target)
    try:
        recover(target, lock, STALE)
        # Only index files: the data file is unchanged, and the old index remains.
        publish(target, contents, None, lock=lock, size=int(offsets[-1]))
    finally:
        lock.release()
    return [sidecar(target, suffix) for suffix in contents]


@checked_arguments
def describe(path: AnyPath) -> dict[str, Any]:
    """Describe a dataset: samples, bytes, files, and the fields of its first sample."""
    reader = MsgpackReader(path)
    suffixes = (*indices.SUFFIXES, indices.SUFFIX_LEGACY_INDEX)
    files = [one for one in suffixes if storage.exists(indices.sidecar(path, one))]
    found = {"path": reader.path, "samples": len(reader), "bytes": storage.stat(path).size}
    first = reader.get(0) if len(reader) else {}
    return {**found, "files": files, "fields": {str(k): _kind(v) for k, v in first.items()}}


def _kind(value: object) -> str:
    if isinstance(value, np.ndarray):
        return f"{value.dtype} {value.shape}"
    if isinstance(value, str | bytes | list | dict):
        return f"{type(value).__name__} of {len(value)}"
    return type(value).__name__


def random_seed() -> int:
    """Draw a seed that can be shown to the user."""
    return random.SystemRandom().randrange(2**31)  # fits in 32 bits, signed or not
