"""The activity map of a movie in one TIFF file: ours, and the same lines in plain dask.

    python benchmarks/activity.py [NAME ...]
    IMAGES=4000 python benchmarks/activity.py --rounds 3     # 1 GB, the default is 131 MB

Mean image, and each pixel's correlation with a signal after its linear trend is taken off, from a
file of images of 256 x 512, int16, that all read anew. Ours on numpy and on Spark's local[2], dask
on threads and on two processes.
"""

from __future__ import annotations

import itertools
import os
import tempfile
from typing import TYPE_CHECKING, Any

import dask
import dask.array as da
import numpy as np
import tifffile
from dask.distributed import Client
from harness import Row, main
from operations import corr, zscore
from scipy import signal

import thunderlike as tl
from thunderlike.jobs.activity_map import activity_map

if TYPE_CHECKING:
    from collections.abc import Iterator

SHAPE = (int(os.environ.get("IMAGES", "500")), 256, 512)
SPEED = np.random.default_rng(1).normal(size=SHAPE[0])


def rows() -> Iterator[Row]:
    """The same job on four engines."""
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/movie.tif"
        with tifffile.TiffWriter(path, bigtiff=True) as file:
            for image in images():
                file.write(image, contiguous=True)
        yield Row("local", lambda: ours(path, "local"), {"dask": lambda: threaded(path)})
        context = tl.spark.context("local[2]")
        with Client(n_workers=2, threads_per_worker=1, dashboard_address=None):
            yield Row("spark", lambda: ours(path, context), {"dask": lambda: theirs(path)})
        context.stop()


def images() -> Iterator[np.ndarray]:
    """Noise, an image at a time."""
    rng = np.random.default_rng(0)
    return (rng.integers(0, 4000, SHAPE[1:]).astype(np.int16) for _ in range(SHAPE[0]))


def ours(path: str, engine: Any) -> tuple[np.ndarray, np.ndarray]:
    """As the job does it."""
    movie = tl.images.fromtif(path, nplanes=1, engine=engine)
    return movie.mean().toarray(), activity_map(movie, SPEED).toarray()


def threaded(path: str) -> tuple[np.ndarray, np.ndarray]:
    """Dask on threads."""
    with dask.config.set(scheduler="threads"):
        return theirs(path)


def theirs(path: str) -> tuple[np.ndarray, np.ndarray]:
    """Plain dask; both results in one pass over its graph."""
    edges = np.linspace(0, SHAPE[0], 17, dtype=int)
    lazy = dask.delayed(pages)
    parts = [
        da.from_delayed(lazy(path, a, b), (b - a, *SHAPE[1:]), np.int16)
        for a, b in itertools.pairwise(edges.tolist())
    ]
    movie = da.concatenate(parts)
    series = da.moveaxis(movie, 0, -1).rechunk((16, 512, -1)).reshape(-1, SHAPE[0])
    chunks = (series.chunks[0], (1,))
    found = series.map_blocks(correlated, dtype="f8", chunks=chunks)
    return dask.compute(movie.mean(axis=0), found)


def pages(path: str, start: int, stop: int) -> np.ndarray:
    """Some pages of the file."""
    return tifffile.imread(path, key=range(start, stop))


def correlated(block: np.ndarray) -> np.ndarray:
    """As ours does it: without trend, standardized, correlated."""
    return corr(zscore(signal.detrend(block.astype(np.float64))), SPEED[None])


if __name__ == "__main__":
    main(rows, __doc__ or "")
