"""Built-in operations on the local engine, against plain single-threaded numpy and scipy.

python benchmarks/operations.py [NAME ...]
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from harness import Row, main
from scipy import ndimage, signal
from threadpoolctl import threadpool_limits

import thunderlike as tl

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def single(function: Callable[[], object]) -> Callable[[], object]:
    """Run with one BLAS thread, as plain numpy would on one core."""

    def run() -> object:
        with threadpool_limits(1):
            return function()

    return run


def rows() -> Iterator[Row]:
    """65 536 series of 500, float32; and a movie of 500 images of 256 x 256, int16."""
    rng = np.random.default_rng(0)
    x = rng.normal(100, 20, (65536, 500)).astype(np.float32)
    y = tl.series.fromarray(x)
    one, twenty = rng.normal(size=500), rng.normal(size=(20, 500))
    days = np.repeat(np.arange(10), 50)
    y.index = days
    yield Row("zscore", y.zscore, {"numpy": single(lambda: zscore(x))})
    yield Row(
        "correlate 1", lambda: y.correlate(one), {"numpy": single(lambda: corr(x, one[None]))}
    )
    yield Row(
        "correlate 20", lambda: y.correlate(twenty), {"numpy": single(lambda: corr(x, twenty))}
    )
    yield Row("detrend", y.detrend, {"scipy": single(lambda: signal.detrend(x))})
    if hasattr(y, "mean_by_index"):
        yield Row(
            "mean_by_index",
            y.mean_by_index,
            {"numpy": single(lambda: x.reshape(-1, 10, 50).mean(axis=2))},
        )
        yield Row("gramian", y.gramian, {"numpy": single(lambda: x.T @ x)})
    movie = rng.integers(0, 4000, (500, 256, 256)).astype(np.int16)
    m = tl.images.fromarray(movie)
    yield Row("mean", m.mean, {"numpy": lambda: movie.mean(axis=0)})
    yield Row("std", m.std, {"numpy": lambda: movie.std(axis=0)})
    yield Row("max", m.max, {"numpy": lambda: movie.max(axis=0)})
    yield Row("toseries", m.toseries, {"numpy": movie.reshape(500, -1).T.copy})
    for name, ours, theirs in (
        ("gaussian 2", lambda: m.gaussian_filter(2), lambda i: ndimage.gaussian_filter(i, 2)),
        ("uniform 3", lambda: m.uniform_filter(3), lambda i: ndimage.uniform_filter(i, 3)),
        ("median 3", lambda: m.median_filter(3), lambda i: ndimage.median_filter(i, 3)),
    ):
        yield Row(name, ours, {"scipy": lambda f=theirs: [f(image) for image in movie]})
    yield Row("localcorr 3", lambda: m.localcorr(3), {"numpy": lambda: localcorr(movie, 3)})


def zscore(x: np.ndarray) -> np.ndarray:
    """Plain vectorised numpy."""
    return (x - x.mean(axis=1, keepdims=True)) / x.std(axis=1, keepdims=True)


def corr(x: np.ndarray, signals: np.ndarray) -> np.ndarray:
    """Plain vectorised numpy: centred and normalised, then one product."""
    centred = x - x.mean(axis=1, keepdims=True)
    centred /= np.linalg.norm(centred, axis=1, keepdims=True)
    s = (signals - signals.mean(axis=1, keepdims=True)).astype(x.dtype)
    s /= np.linalg.norm(s, axis=1, keepdims=True)
    return centred @ s.T


def localcorr(movie: np.ndarray, size: int) -> np.ndarray:
    """Plain vectorised numpy over a blurred copy of the movie."""
    x = movie.astype(np.float32)
    b = ndimage.uniform_filter(x, (0, size, size))
    x -= x.mean(axis=0)
    b -= b.mean(axis=0)
    return (x * b).mean(axis=0) / (x.std(axis=0) * b.std(axis=0))


if __name__ == "__main__":
    main(rows, __doc__ or "")
