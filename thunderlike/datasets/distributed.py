"""Distributed reading and writing of datasets: each partition on its own worker."""

from __future__ import annotations

import itertools
from functools import partial
from typing import TYPE_CHECKING, Any

from thunderlike import storage
from thunderlike._arguments import checked_arguments
from thunderlike.datasets.msgpack import MsgpackReader
from thunderlike.datasets.reader import Reader
from thunderlike.datasets.writer import FileWriter
from thunderlike.engines import engine_for, engine_of
from thunderlike.engines.base import as_pairs
from thunderlike.errors import SpecError
from thunderlike.formats.dataset_files import MANIFEST, manifest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from numpy.typing import NDArray

    from thunderlike.engines.base import Chunk, Records
    from thunderlike.formats.dataset_files import Summary
    from thunderlike.storage import AnyCredentials, AnyPath

__all__ = ["tordd", "write"]


@checked_arguments
def write(
    source: object,
    path: AnyPath,
    *,
    field: str = "data",
    labels: NDArray[Any] | None = None,
    overwrite: bool = False,
    credentials: AnyCredentials = None,
    **options: Any,
) -> None:
    """Write samples to a folder of shards, one for each partition, on its worker.

    Parameters
    ----------
    source : Images, Series, RDD of samples, or iterable of samples
        An image becomes ``{"key": "00012", field: array}``, a series ``{"key": "00003-00004",
        field: array}``. Samples of an RDD or iterable have their own ``"key"``.
    path : path
        Path of the folder; read it with ``tl.datasets.ShardedReader(path)``.
    field : str
        Name of the array in a sample.
    labels : array, optional
        Label of each image or series, in the shape of their keys: ``"label"`` of its sample.
    overwrite : bool
        Replace a folder written by this function.
    credentials : mapping, optional
        Credentials of the store.
    **options
        ``digest`` and ``sums``, as in :class:`~thunderlike.datasets.writer.FileWriter`.

    Raises
    ------
    ExistsError
        For an existing folder, without `overwrite`.
    SpecError
        For a key that is in two shards, by hashes of 64 bits.

    Notes
    -----
    One pass over the records, on Spark one job; nothing is collected but 8 bytes a sample, by which
    the driver looks whether keys are unique. The folder appears when all is written, with
    ``manifest.json`` written last. On Spark a shard's name ends in a word for the attempt that
    wrote it (``part-00017-3f2a91c4.msgpack``): attempts at one part never touch each other's files,
    and those that did not count are removed. An engine in one process writes one shard.

    Examples
    --------
    >>> import thunderlike as tl
    >>> movie = tl.images.fromrandom((3, 4, 5))
    >>> tl.datasets.write(movie, "memory://movie")
    >>> reader = tl.datasets.ShardedReader("memory://movie")
    >>> list(reader.keys()), reader.get(0)["data"].shape
    (['00000', '00001', '00002'], (4, 5))
    >>> tl.images.fromdataset(reader, field="data").shape
    (3, 4, 5)
    >>> tl.datasets.write(movie, "memory://movie", overwrite=True)
    """
    run = _runner(source, field, labels)
    target = storage.at(path, credentials)
    # Workers cannot see a store of this process, such as memory: the driver writes there itself.
    here = not storage.store_for(target).shared
    with storage.output(target, ["part-*", MANIFEST], overwrite=overwrite) as folder:
        summaries = run(partial(_write_shard, folder, options), here=here)
        _remove_superseded(folder, summaries)
        # Last, because readers take a folder with a manifest as complete.
        storage.write(storage.join(folder, MANIFEST), manifest(summaries))


def _runner(source: Any, field: str, labels: NDArray[Any] | None) -> Callable[..., list[Summary]]:
    """Return a function that runs a task on the samples of each partition of a source."""
    # Collections are recognized by their records: this package does not import `thunderlike.data`.
    records: Records | None = getattr(source, "_records", None)
    if records is None:
        return partial(engine_of(source).run_partitions, source)
    if field == "key":
        raise SpecError("the field 'key' is that of a sample's name: give another field=")
    shape: tuple[int, ...] = source._baseshape
    # At least five digits, as the names of image files have: keys sort as text in order.
    digits = tuple(max(5, len(str(n - 1))) for n in shape)

    def samples(blocks: Iterable[Chunk]) -> Iterator[dict[str, Any]]:
        for numbers, array in as_pairs(blocks, shape):
            key = "-".join(f"{n:0{d}d}" for n, d in zip(numbers, digits, strict=True))
            sample = {"key": key, field: array}
            if labels is not None:
                sample["label"] = labels[numbers].item()
            yield sample

    def run(task: Callable[[int, str, Iterable[object]], Summary], *, here: bool) -> list[Summary]:
        def of_blocks(number: int, attempt: str, blocks: Iterable[Chunk]) -> Summary:
            return task(number, attempt, samples(blocks))

        return records.run_partitions(of_blocks, here=here)

    return run


def _write_shard(
    folder: str,
    options: Mapping[str, Any],
    number: int,
    attempt: str,
    samples: Iterable[dict[str, Any]],
) -> Summary:
    """Write the samples of one partition."""
    name = "-".join(filter(None, [f"part-{number:05d}", attempt])) + ".msgpack"
    with FileWriter(storage.join(folder, name), **options) as writer:
        writer.write_many(samples)
    return writer.summary()


def _remove_superseded(folder: str, summaries: list[Summary]) -> None:
    """Remove files of attempts that failed or were superseded."""
    names = tuple(storage.join(folder, one.name) for one in summaries)
    for entry in storage.store_for(folder).list(folder, recursive=True):
        # The names of index files begin with that of their data file.
        if not entry.path.startswith(names):
            storage.delete(entry.path)


@checked_arguments
def tordd(
    reader: Reader | AnyPath, npartitions: int | None = None, engine: object = "spark"
) -> Any:
    """Return an RDD of the samples of a dataset.

    Parameters
    ----------
    reader : Reader or path
        Any reader or view: workers receive it with its order, and open it themselves.
    npartitions : int, optional
        Two for each core of the cluster by default.
    engine : 'spark', SparkContext or SparkSession
        Engine; ``'local'`` and ``'disk'`` return an iterator.

    Notes
    -----
    No sample is read by the driver. Each task reads the offsets, and the bytes of its samples; keys
    are not read.

    Examples
    --------
    >>> import thunderlike as tl
    >>> letters = tl.datasets.ListReader([{"key": k} for k in "abc"])
    >>> [sample["key"] for sample in tl.datasets.tordd(letters, 2, engine="local")]
    ['a', 'b', 'c']
    """
    source = reader if isinstance(reader, Reader) else MsgpackReader(reader)
    where = engine_for(engine)
    count = npartitions or where.default_npartitions
    edges = [len(source) * part // count for part in range(count + 1)]
    return where.spread(list(itertools.pairwise(edges)), lambda ends: source.slice(*ends))
