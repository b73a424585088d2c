"""Functions over the items of a batch, beside a list comprehension and beside batchflow.

    python benchmarks/batches.py [names of rows] [--rounds 5]

1000 items of 64x64 float32. batchflow takes part where it is installed; it runs its process target
in no row, since it sends the whole batch with every item and does not end.
"""

from __future__ import annotations

import importlib.util
import time
from typing import TYPE_CHECKING, Any

import numpy as np
from harness import Row, main

from thunderlike.batches import Batch, Dataset

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

IMAGES = np.random.default_rng(1).random((1000, 64, 64)).astype(np.float32)


def cheap(image: Any, **_: Any) -> Any:
    """A microsecond."""
    return image + np.float32(1)


def tenth(image: Any, **_: Any) -> Any:
    """About 0.1 ms, in Python and numpy."""
    for _step in range(60):
        image = image + np.float32(1)
    return image


def millisecond(image: Any, **_: Any) -> Any:
    """About 1 ms, in compiled code that releases the interpreter lock."""
    return np.sort(np.tile(image, (4, 4)), axis=None)[:4096].reshape(64, 64)


def ours(function: Callable[..., Any], target: str) -> Callable[[], Any]:
    """An action of ours on a fresh batch."""
    return lambda: Batch.from_data(data={"x": IMAGES}).apply_parallel(
        function, src="x", dst="y", target=target
    )


def plain(function: Callable[..., Any]) -> Callable[[], Any]:
    """A list comprehension, stacked."""
    return lambda: np.stack([function(image) for image in IMAGES])


def batchflow(function: Callable[..., Any], target: str) -> dict[str, Callable[[], Any]]:
    """The same action of batchflow, where it is installed."""
    if importlib.util.find_spec("batchflow") is None:
        return {}
    from batchflow import Batch as Rival

    class Pictures(Rival):
        components = ("x", "y")

    def run() -> Any:
        batch = Pictures.from_data(index=np.arange(1000), data=(IMAGES, None))
        return batch.apply_parallel(function, src="x", dst="y", target=target)

    return {"batchflow": run}


def rows() -> Iterator[Row]:
    """Every operation that is timed."""
    for function in (cheap, tenth, millisecond):
        name = function.__name__
        for target in ("for", "threads"):
            rivals = {"comprehension": plain(function), **batchflow(function, target)}
            yield Row(f"{name} {target}", ours(function, target), rivals)
        yield Row(f"{name} mpc", ours(function, "mpc"), {"comprehension": plain(function)})
    yield Row("crop with seeds", seeded, {"for": lambda: seeded("for")})
    yield Row("prefetch", lambda: fetched(2), {"none ahead": lambda: fetched(0)})


def fetched(ahead: int) -> None:
    """20 batches that take 20 ms to come and 30 ms to use: 5 / 3 times faster is all there is."""
    pipeline = Dataset(20, preloaded={"x": IMAGES}).p.call(lambda _: time.sleep(0.02))
    for _ in pipeline.gen_batch(1, prefetch=ahead):
        until = time.perf_counter() + 0.03
        while time.perf_counter() < until:
            cheap(IMAGES[0])


def seeded(target: str = "threads") -> None:
    """A random crop of every item, through a pipeline."""
    pipeline = Dataset(1000, preloaded={"x": IMAGES}).p.apply_parallel(
        crop, src="x", requires_rng=True, target=target
    )
    for _ in pipeline.gen_batch(100, seed=1):
        pass


def crop(image: Any, rng: Any) -> Any:
    """A quarter of the image, anywhere."""
    y, x = rng.integers(0, 33, 2)
    return image[y : y + 32, x : x + 32].copy()


if __name__ == "__main__":
    main(rows, __doc__.splitlines()[0])
