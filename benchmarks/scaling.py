"""How Spark's part grows with the movie and with the number of partitions: seconds and memory.

    python benchmarks/scaling.py                       # all, some minutes and 13 GB of disk
    python benchmarks/scaling.py --sizes 65 260        # MB
    python benchmarks/scaling.py --partitions 8 64     # of a movie of 260 MB

Flat files of images of 256 x 256, int16, on local[2]. Each size has a Spark of its own, so that
the most memory that a process has had at once is that of its size: of the driver, of the larger of
the workers and of the JVM, without the pages of files that the system keeps.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from harness import save

import thunderlike as tl

if TYPE_CHECKING:
    from collections.abc import Callable

FRAME = 256 * 256 * 2
ROUNDS = 3


def movie(folder: Path, megabytes: int) -> Path:
    """Write one file of noise of that size."""
    path = folder / "movie.bin"
    stretch = np.random.default_rng(0).integers(0, 4000, (100, 256, 256)).astype(np.int16)
    with path.open("wb") as file:
        for _ in range(max(1, round(megabytes * 1e6 / FRAME / 100))):
            file.write(stretch)
    return path


def measured(folder: Path, path: Path, npartitions: int | None) -> dict[str, float]:
    """Seconds of each step, medians of a few; then the most memory of each process."""
    context = tl.spark.context("local[2]")
    images = tl.images.frombinary(
        path, shape=(256, 256), nplanes=1, dtype="int16", engine=context, npartitions=npartitions
    )
    steps: dict[str, Callable[[], Any]] = {
        "load": images.max,
        "reduce": images.std,
        "toseries": lambda: images.toseries().max(),
        "write": lambda: images.tobinary(folder / "out", overwrite=True),
    }
    found = {"MB": images.nbytes / 1e6, "partitions": images.npartitions()}
    rounds = ROUNDS if images.nbytes < 2e9 else 1
    with Watch() as watch:
        images[:2].max()  # starts the workers
        for name, step in steps.items():
            found[name] = float(np.median([taken(step) for _ in range(rounds)]))
    context.stop()
    return found | watch.found()


def taken(step: Callable[[], Any]) -> float:
    """Seconds of one call."""
    started = time.perf_counter()
    step()
    return time.perf_counter() - started


class Watch:
    """Looks at the memory of this process and of all below it, ten times a second."""

    def __enter__(self) -> Watch:
        self._peaks: dict[tuple[int, str], float] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        import psutil

        here = psutil.Process()
        while not self._over.wait(0.1):
            for process in (here, *here.children(recursive=True)):
                try:
                    kind = "driver" if process == here else process.name()
                    memory = process.memory_info()
                except psutil.Error:
                    continue  # it has ended
                key = (process.pid, kind)
                anonymous = (memory.rss - memory.shared) / 1e6
                self._peaks[key] = max(anonymous, self._peaks.get(key, 0))

    def found(self) -> dict[str, float]:
        """The most of each kind of process, MB."""
        kinds = {"driver": "driver MB", "java": "JVM MB"}
        most: dict[str, float] = {}
        for (_, kind), peak in self._peaks.items():
            name = kinds.get(kind, "worker MB")
            most[name] = max(peak, most.get(name, 0))
        return most


def alone(megabytes: int, npartitions: int | None) -> dict[str, float]:
    """Measure in a process of its own, and so with a Spark of its own."""
    command = [sys.executable, __file__, "--one", str(megabytes), str(npartitions or 0)]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(ran.stdout.splitlines()[-1])


def main() -> None:
    """Measure the sizes, then the partitions."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="*", default=[65, 260, 1050, 4200])
    parser.add_argument("--partitions", type=int, nargs="*", default=[8, 32, 128, 512])
    parser.add_argument("--one", type=int, nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        with tempfile.TemporaryDirectory() as name:
            path = movie(Path(name), options.one[0])
            print(json.dumps(measured(Path(name), path, options.one[1] or None)))
        return
    runs = [(size, None) for size in options.sizes] + [(260, n) for n in options.partitions]
    table = {}
    for size, npartitions in runs:
        found = alone(size, npartitions)
        table[f"{size} MB, {npartitions or 'automatic'}"] = found
        print("   ".join(f"{name} {value:.4g}" for name, value in found.items()), flush=True)
    save("scaling", table)


if __name__ == "__main__":
    main()
