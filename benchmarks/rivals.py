"""Built-in operations against what people would write instead: a loop over records, and dask.

    python benchmarks/rivals.py [NAME ...]

Local engine: 500 images of 256 x 256, int16, 65 MB, and their 65 536 series in float32; dask on
threads, one for each core. The loop is timed on some of the records, and scaled to all. Ours runs
as in a session that has gone on for a while, which is when numba's loops come in.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import dask
import dask.array as da
import numpy as np
import tifffile
from harness import Row, Scaled, main
from operations import corr, localcorr, single, zscore
from scipy import ndimage, signal

import thunderlike as tl

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Each = Callable[[np.ndarray], object]


def rows() -> Iterator[Row]:
    """Loading, images, series."""
    os.environ["THUNDERLIKE_NUMBA"] = "always"
    rng = np.random.default_rng(0)
    movie = rng.integers(0, 4000, (500, 256, 256)).astype(np.int16)
    with dask.config.set(scheduler="threads"):
        yield from loading(movie)
        yield from images(movie)
        yield from series(movie)


def loading(movie: np.ndarray) -> Iterator[Row]:
    """TIFF files, one an image."""
    with tempfile.TemporaryDirectory() as folder:
        tl.images.fromarray(movie).totif(f"{folder}/movie")
        files = sorted(Path(folder, "movie").glob("*.tif"))
        lazy = dask.delayed(tifffile.imread)

        def stacked() -> np.ndarray:
            parts = [da.from_delayed(lazy(f), movie.shape[1:], movie.dtype) for f in files]
            return da.stack(parts).compute()

        yield Row(
            "load 500 TIFF",
            lambda: tl.images.fromtif(f"{folder}/movie"),
            {"loop": lambda: np.stack([tifffile.imread(f) for f in files]), "dask": stacked},
        )


def images(movie: np.ndarray) -> Iterator[Row]:
    """Reductions and filters."""
    m = tl.images.fromarray(movie)
    d = da.from_array(movie, chunks=(32, 256, 256))
    for name in ("mean", "std", "max"):
        ours = getattr(m, name)
        yield Row(
            name,
            ours,
            {
                **({"no numba": without_numba(ours)} if name == "std" else {}),
                "numpy": lambda name=name: getattr(movie, name)(axis=0),
                "reading": lambda: read(movie),
                "dask": lambda name=name: getattr(d, name)(axis=0).compute(),
            },
        )
    filters: dict[str, tuple[Callable[[], object], Each, int]] = {
        "gaussian 2": (lambda: m.gaussian_filter(2), lambda x: ndimage.gaussian_filter(x, 2), 500),
        "median 3": (lambda: m.median_filter(3), lambda x: ndimage.median_filter(x, 3), 50),
        "uniform 3": (lambda: m.uniform_filter(3), lambda x: ndimage.uniform_filter(x, 3), 500),
    }
    for name, (ours, each, count) in filters.items():
        yield Row(
            name,
            ours,
            {
                "loop": Scaled(lambda f=each, n=count: [f(x) for x in movie[:n]], 500 / count),
                "dask": lambda f=each: d.map_blocks(over(f), dtype=movie.dtype).compute(),
            },
        )
    gaussian = filters["gaussian 2"][1]
    yield Row(
        "gaussian 2, fast",
        lambda: m.gaussian_filter(2, fast=True),
        {"dask": lambda: d.map_blocks(over(gaussian), dtype=movie.dtype).compute()},
    )
    pixels, around = (x.reshape(500, -1).T[:1024].copy() for x in (movie, uniform(movie)))
    yield Row(
        "localcorr 3",
        lambda: m.localcorr(3),
        {
            "no numba": without_numba(lambda: m.localcorr(3)),
            "loop": Scaled(
                lambda: [np.corrcoef(*two) for two in zip(pixels, around, strict=True)], 64
            ),
            "numpy": lambda: localcorr(movie, 3),
        },
    )
    yield Row(
        "images to series",
        m.toseries,
        {
            "numpy": lambda: np.ascontiguousarray(np.moveaxis(movie, 0, -1)),
            "dask": lambda: da.moveaxis(d, 0, -1).rechunk((32, 256, -1)).compute(),
        },
    )


def series(movie: np.ndarray) -> Iterator[Row]:
    """What is done to each pixel's series."""
    x = np.ascontiguousarray(movie.reshape(500, -1).T, dtype=np.float32)
    y, d = tl.series.fromarray(x), da.from_array(x, chunks=(2048, 500))
    rng = np.random.default_rng(1)
    one, twenty = rng.normal(size=(1, 500)), rng.normal(size=(20, 500))
    operations: dict[str, tuple[Callable[[], object], Each, Each]] = {
        "zscore": (y.zscore, lambda r: (r - r.mean()) / r.std(), zscore),
        "detrend": (y.detrend, line_removed, signal.detrend),
        "correlate 1": (lambda: y.correlate(one), correlated(one), lambda b: corr(b, one)),
        "correlate 20": (
            lambda: y.correlate(twenty),
            correlated(twenty),
            lambda b: corr(b, twenty),
        ),
    }
    for name, (ours, each, block) in operations.items():
        yield Row(
            name,
            ours,
            {
                **({} if name == "detrend" else {"no numba": without_numba(ours)}),
                "loop": Scaled(lambda f=each: [f(record) for record in x[:1024]], len(x) / 1024),
                "numpy": single(lambda f=block: f(x)),
                "reading": lambda: read(x),
                "dask": lambda f=block: d.map_blocks(f, dtype=x.dtype).compute(),
                "dask, as exact": lambda f=block: d.map_blocks(exact, f, dtype=x.dtype).compute(),
            },
        )


def without_numba(ours: Callable[[], object]) -> Callable[[], object]:
    """Ours, as where numba is not installed."""

    def run() -> object:
        os.environ["THUNDERLIKE_NUMBA"] = "0"
        try:
            return ours()
        finally:
            os.environ["THUNDERLIKE_NUMBA"] = "always"

    return run


def uniform(movie: np.ndarray) -> np.ndarray:
    """Each pixel's neighbourhood; the loop of Thunder is timed without making it."""
    return ndimage.uniform_filter(movie.astype(float), (0, 3, 3))


def read(array: np.ndarray) -> int:
    """Take every byte of an array out of memory once, and do as little as can be."""
    return int(array.reshape(-1).view(np.int64).max())


def line_removed(record: np.ndarray) -> np.ndarray:
    """As Thunder did: a polynomial fitted to each record."""
    t = np.arange(len(record))
    return record - np.polyval(np.polyfit(t, record, 1), t)


def correlated(signals: np.ndarray) -> Each:
    """As Thunder did: a matrix of correlations for each record and signal."""
    return lambda record: [np.corrcoef(record, one)[0, 1] for one in signals]


def exact(block: np.ndarray, function: Each) -> np.ndarray:
    """A function in float64, as ours are, and its result in the dtype of the block."""
    return function(block.astype(np.float64)).astype(block.dtype)


def over(function: Each) -> Each:
    """A function of images as one of blocks."""
    return lambda block: np.stack([function(image) for image in block])


if __name__ == "__main__":
    main(rows, __doc__ or "")
