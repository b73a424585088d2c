"""Small costs: wide containers, maps, samples, tiny tasks, the help of the command line.

    python benchmarks/small.py [NAME ...]

"loop" calls the function for each record and writes the results into one array. Rivals are left out
where they are not installed: datadings next to this package, deepdish in an environment of its own
(DEEPDISH_PYTHON, as in hdf5.py, and DEEPDISH, as in parallel.py).
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import parallel
from harness import Reported, Row, main

import thunderlike as tl

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SHAPES = {"256 x 256": (600, 256, 256), "64 x 64": (4000, 64, 64), "32 x 32": (10_000, 32, 32)}
FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "np.mean": np.mean,
    "np.sqrt": np.sqrt,
    "x + 1": lambda x: x + 1,
    "mean(axis=0)": lambda x: x.mean(axis=0),
}
SAMPLES = 300_000


def rows() -> Iterator[Row]:
    """Containers, maps, samples, tasks, help."""
    import hdf5

    rows = hdf5.wide(hdf5.deepdish())
    yield from (row for row in rows if "8 KB" not in row.name)  # deepdish takes 4 s to save these
    for size, shape in SHAPES.items():
        values = np.random.default_rng(0).random(shape, "f4")
        for name, function in FUNCTIONS.items():
            yield mapped(f"map {name} {size}", values, function)
    if importlib.util.find_spec("datadings"):
        yield from samples()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "samples.msgpack"
        with tl.datasets.FileWriter(path) as writer:
            writer.write_many({"key": str(i)} for i in range(SAMPLES))
        yield Row(
            "first sample",
            lambda: next(iter(tl.datasets.QuasiShuffler(tl.datasets.MsgpackReader(path)))),
            {"all": lambda: next(iter(tl.datasets.Shuffler(tl.datasets.MsgpackReader(path))))},
        )
    if {"deepdish", "ours, MPI"} <= set(parallel.available()):
        rivals = {"deepdish": Reported(tiny("deepdish"))}
        yield Row("1000 tiny tasks, MPI", Reported(tiny("ours, MPI")), rivals)
    yield Row(
        "help",
        lambda: run("from thunderlike.cli import main; main(['--help'])"),
        {
            "import numpy": lambda: run("import numpy"),
            "50 ms more": lambda: run("import numpy, time; time.sleep(0.05)"),
        },
    )


def samples() -> Iterator[Row]:
    """Samples of 3 and 100 KB, in order and shuffled."""
    import datasets

    with tempfile.TemporaryDirectory() as folder:
        for name in ("3 KB", "100 KB"):
            path = Path(folder) / f"{name}.msgpack"
            datasets.written(path, datasets.samples(*datasets.KINDS[name]))
            wanted = {f"{name} {what}" for what in ("decoded", "shuffled", "raw")}
            yield from (row for row in datasets.reading(name, path) if row.name in wanted)
            yield datasets.plain(name, path)


def tiny(variant: str) -> Callable[[], float]:
    """Seconds of 1000 tasks that do nothing, on one worker."""
    return lambda: parallel.measured(variant, 1)["tiny"] / 1e3


def mapped(name: str, values: np.ndarray, function: Callable[[Any], Any]) -> Row:
    """Call a function for each record."""
    images = tl.images.fromarray(values)

    def loop() -> np.ndarray:
        first = np.atleast_1d(function(values[0]))
        out = np.empty((len(values), *first.shape), first.dtype)
        for number, record in enumerate(values):
            out[number] = function(record)
        return out

    return Row(name, lambda: images.map(function).toarray(), {"loop": loop})


def run(code: str) -> None:
    """Run code in a new process."""
    subprocess.run([sys.executable, "-c", code], stdout=subprocess.DEVNULL, check=True)


if __name__ == "__main__":
    main(rows, __doc__ or "")
