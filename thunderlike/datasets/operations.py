"""What is done with whole datasets: shuffled, merged, split, sampled, described."""

from __future__ import annotations

import hashlib
import itertools
import random
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike import storage
from thunderlike._arguments import checked_arguments
from thunderlike.datasets import index as indices
from thunderlike.datasets.checks import file_digest
from thunderlike.datasets.locks import WriterLock
from thunderlike.datasets.parts import STALE
from thunderlike.datasets.publication import beside, publish, recover
from thunderlike.datasets.reader import MsgpackReader
from thunderlike.datasets.sharded import ShardedReader
from thunderlike.datasets.shuffles import QuasiShuffler, Shuffler
from thunderlike.datasets.views import Range, Select
from thunderlike.datasets.writers import FileWriter, RawWriter
from thunderlike.errors import SpecError
from thunderlike.formats import samples

if TYPE_CHECKING:
    from collections.abc import Sequence

    from thunderlike.datasets.base import Numbers, Reader
    from thunderlike.storage import AnyPath

__all__ = [
    "convert_index",
    "copied",
    "describe",
    "merge",
    "random_seed",
    "sample",
    "shuffle",
    "split",
    "split_names",
]


@checked_arguments
def copied(reader: Reader, outfile: AnyPath, *, overwrite: bool = False) -> int:
    """Write the samples of a reader, in its order, without unpacking them; return how many."""
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
    """Write a dataset in another order; return how many samples.

    Parameters
    ----------
    seed : int
        The same one gives the same order.
    true_shuffle : bool
        Any sample may come after any other. Without it they are shuffled nearby, which reads the
        file nearly from its beginning to its end.
    buf_size, chunk_size
        As in :class:`~thunderlike.datasets.shuffles.QuasiShuffler`.
    """
    reader = MsgpackReader(infile)
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
    """Write several datasets as one; return how many samples.

    Parameters
    ----------
    strategy : {'concat', 'random'}
        One after the other; or the next sample from any of them, those with more left more often.
    shuffle : bool
        Take the samples of each in random order.
    prefix_keys : bool
        Put the name of its file before each key: ``train/key`` from ``train.msgpack``. Without it
        the same key in two files is an error.
    """
    readers = [MsgpackReader(path) for path in infiles]
    whole = ShardedReader(readers)
    view = Select(whole, _merged([len(reader) for reader in readers], seed, strategy, shuffle))
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
    """The order of all samples, numbered one file after the other."""
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
        raise SpecError(f"no strategy {strategy!r}; there are concat and random")
    owners = draw.permutation(np.repeat(np.arange(len(counts)), counts))
    # A stable sort lists the places of the first file, then of the second: fill them in order.
    order = np.empty_like(joined)
    order[np.argsort(owners, kind="stable")] = joined
    return order


@checked_arguments
def split_names(infile: AnyPath, edges: Sequence[int]) -> list[str]:
    """Name the parts of a split: ``NAME-0.msgpack`` and so on, beside the dataset."""
    path = storage.at(infile)
    stem = path.removesuffix(".msgpack")
    return [f"{stem}-{number}.msgpack" for number in range(len(edges) + 1)]


@checked_arguments
def split(
    infile: AnyPath, edges: Sequence[int], outfiles: Sequence[AnyPath], *, overwrite: bool = False
) -> list[int]:
    """Write the parts between numbers of samples to files of their own; return their sizes.

    Parameters
    ----------
    edges : sequence of int
        Numbers at which a new part begins, ascending.
    outfiles : sequence of paths
        One more than edges.
    """
    reader = MsgpackReader(infile)
    bounds = [0, *edges, len(reader)]
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
    """Write some samples: the first ones, or random ones in random order; return how many.

    Raises
    ------
    SpecError
        For a negative number; one larger than the dataset takes all samples.
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
    """Write today's index files from an old ``.index``, which is kept; return their paths.

    Parameters
    ----------
    infile : path
        Of the data file, or of its ``.index``.
    outfile : path, optional
        Data file that the index files are named after; that of the dataset by default.
    outdir : path, optional
        Folder that they are written to; that of the data file by default.

    Raises
    ------
    NotFound
        When the data file or its ``.index`` is missing.
    """
    place = indices.data_path(infile, indices.SUFFIX_LEGACY_INDEX)
    keys, offsets = indices.legacy_load_index(place)
    target = place if outfile is None else storage.at(outfile)
    if outdir is not None:
        target = storage.join(storage.at(outdir), PurePosixPath(target).name)
    contents = {
        indices.SUFFIX_OFFSETS: samples.encode_offsets(offsets),
        indices.SUFFIX_KEYS: samples.encode_keys(keys),
        indices.SUFFIX_KEY_HASHES: samples.encode_key_hashes(keys),
        indices.SUFFIX_FILTER: samples.encode_filter(keys),
    }
    lines = {PurePosixPath(place).name: file_digest(place)}
    for suffix, data in contents.items():
        lines[PurePosixPath(target).name + suffix] = hashlib.md5(data).hexdigest()  # noqa: S324
    contents[indices.SUFFIX_MD5] = samples.digest_lines(lines)
    lock = WriterLock(target)
    try:
        recover(target, lock, STALE)
        publish(target, contents, None, lock=lock, size=int(offsets[-1]))
    finally:
        lock.release()
    return [beside(target, suffix) for suffix in contents]


@checked_arguments
def describe(path: AnyPath) -> dict[str, Any]:
    """Say what a dataset is: samples, bytes, files, and the fields of its first sample."""
    reader = MsgpackReader(path)
    suffixes = (*indices.SUFFIXES, indices.SUFFIX_LEGACY_INDEX)
    files = [one for one in suffixes if storage.exists(indices.beside(path, one))]
    told = {"path": reader.path, "samples": len(reader), "bytes": storage.stat(path).size}
    first = reader.get(0) if len(reader) else {}
    return {**told, "files": files, "fields": {str(k): _kind(v) for k, v in first.items()}}


def _kind(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"{value.dtype} {value.shape}"
    sized = isinstance(value, str | bytes | list | dict)
    return f"{type(value).__name__} of {len(value)}" if sized else type(value).__name__


def random_seed() -> int:
    """Draw a seed, to be told to the user."""
    return random.SystemRandom().randrange(2**31)
