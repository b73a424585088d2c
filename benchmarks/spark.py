"""The Spark engine against dask.distributed: the same movie, two workers each.

    python benchmarks/spark.py [NAME ...]
    IMAGES=8000 python benchmarks/spark.py std "median 3, sum" --rounds 3 --save spark-1gb

Spark on local[2] in this process; dask.distributed with two worker processes of one thread. Both
read a raw file of 500 images of 256 x 256, int16, 65 MB, on their workers. The result stays there
but for its sum, or comes here as one array, as the name says. "records" is plain PySpark with a
record an image, then a pixel, as Thunder has it.
"""

from __future__ import annotations

import itertools
import os
import tempfile
from typing import TYPE_CHECKING, Any

import dask.array as da
import numpy as np
from dask import delayed
from dask.distributed import Client
from harness import Row, main
from operations import corr, zscore
from scipy import ndimage

import thunderlike as tl

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pyspark import SparkContext

SHAPE = (int(os.environ.get("IMAGES", "500")), 256, 256)


def rows() -> Iterator[Row]:
    """One movie on both."""
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/movie.bin"
        rng = np.random.default_rng(0)
        np.memmap(path, np.int16, "w+", shape=SHAPE)[:] = rng.integers(0, 4000, SHAPE)
        context = tl.spark.context("local[2]")
        with Client(n_workers=2, threads_per_worker=1, dashboard_address=None):
            yield from smallest(context)
            yield from compared(path, context)
        context.stop()


def smallest(context: SparkContext) -> Iterator[Row]:
    """What a job costs that has nothing to do: two tasks, without a shuffle and with one."""
    movie = np.zeros((20, 64, 64), np.int16)
    m, d = tl.images.fromarray(movie, engine=context), da.from_array(movie, chunks=(10, 64, 64))
    numbers = context.range(2, numSlices=2)
    turned = da.moveaxis(d, 0, -1).rechunk((32, 64, -1))
    yield Row(
        "smallest job",
        lambda: m.max().toarray(),
        {"dask": lambda: d.max(axis=0).compute(), "pyspark": numbers.sum},
    )
    yield Row(
        "smallest shuffle",
        lambda: m.toseries().max().toarray(),
        {
            "dask": lambda: turned.reshape(-1, 20).max(axis=0).compute(),
            "pyspark": lambda: numbers.map(lambda n: (n, n)).groupByKey(2).count(),
        },
    )


def compared(path: str, context: SparkContext) -> Iterator[Row]:
    """Ours and theirs, by what is done."""
    one = np.random.default_rng(1).normal(size=(1, SHAPE[0]))
    m = tl.images.frombinary(path, shape=SHAPE[1:], nplanes=1, dtype="int16", engine=context)
    edges = np.linspace(0, SHAPE[0], 9, dtype=int)
    parts = [
        da.from_delayed(delayed(part)(path, a, b), (b - a, *SHAPE[1:]), np.int16)
        for a, b in itertools.pairwise(edges.tolist())
    ]
    d = da.concatenate(parts)
    whole = tl.images.frombinary(path, shape=SHAPE[1:], nplanes=1, dtype="int16", engine=context)
    cached, kept = whole.cache(), d.persist()
    cached.sum()
    series = da.moveaxis(d, 0, -1).rechunk((64, 256, -1)).reshape(-1, SHAPE[0])
    yield Row("sum", m.sum, {"dask": lambda: d.sum(axis=0).compute()})
    yield Row(
        "map",
        lambda: m.map(double, block=True, value_shape=SHAPE[1:], dtype="int16").sum(),
        {"dask": lambda: (d * 2).sum(axis=0).compute()},
    )
    yield Row("std", m.std, {"dask": lambda: d.std(axis=0).compute()})
    yield Row("std, cached", cached.std, {"dask": lambda: kept.std(axis=0).compute()})
    yield Row(
        "series, sum", lambda: m.toseries().sum(), {"dask": lambda: series.sum(axis=0).compute()}
    )
    yield Row(
        "series, zscore, sum",
        lambda: m.toseries().zscore().sum(),
        {"dask": lambda: series.map_blocks(zscore, dtype="f8").sum(axis=0).compute()},
    )
    yield Row(
        "series, correlate, array",
        lambda: m.toseries().correlate(one).toarray(),
        {
            "dask": lambda: series.map_blocks(
                correlated, one, dtype="f8", chunks=(series.chunks[0], (1,))
            ).compute(),
            **({"records": lambda: by_record(context, path, one[0])} if SHAPE[0] < 1000 else {}),
        },
    )
    yield Row("array", m.toarray, {"dask": d.compute})
    yield Row(
        "median 3, sum",
        lambda: m.median_filter(3).sum(),
        {"dask": lambda: d.map_blocks(median, dtype="i2").sum(axis=0).compute()},
    )


def by_record(context: SparkContext, path: str, signal: np.ndarray) -> np.ndarray:
    """Correlate as Thunder does: records of one image each, then of one pixel each."""
    count, rows = SHAPE[0], range(0, SHAPE[1], 64)

    def pieces(number: int) -> Iterator[tuple[int, tuple[int, np.ndarray]]]:
        image = part(path, number, number + 1)[0]
        return ((row, (number, image[row : row + 64].copy())) for row in rows)

    def pixels(found: tuple[int, Iterable[tuple[int, np.ndarray]]]) -> Iterator[tuple[int, Any]]:
        stack = np.stack([piece for _, piece in sorted(found[1], key=lambda pair: pair[0])])
        return enumerate(stack.reshape(count, -1).T.copy(), found[0] * SHAPE[2])

    records = context.range(count, numSlices=8).flatMap(pieces).groupByKey(8).flatMap(pixels)
    found = records.mapValues(lambda one: float(np.corrcoef(one, signal)[0, 1])).collect()
    return np.array([value for _, value in sorted(found)])


def median(block: np.ndarray) -> np.ndarray:
    """Of each image."""
    return ndimage.median_filter(block, (1, 3, 3))


def correlated(block: np.ndarray, signals: np.ndarray) -> np.ndarray:
    """In float32, as series of integers would lose the signal."""
    return corr(block.astype(np.float32), signals)


def part(path: str, start: int, stop: int) -> np.ndarray:
    """Some images of the file, read on a worker."""
    return np.array(np.memmap(path, np.int16, "r", shape=SHAPE)[start:stop])


def double(stack: np.ndarray) -> np.ndarray:
    """What a user might do to a stack of images."""
    return stack * 2


if __name__ == "__main__":
    main(rows, __doc__ or "")
