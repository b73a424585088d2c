"""Maps over tasks: ours over MPI and processes, and the rivals, in turns.

    python benchmarks/parallel.py [--rounds 3] [--workers 1 2]

Microseconds for a task that does nothing, one that returns 1 MiB, and one that is busy for 5 ms.
The MPI variants are jobs of their own under ``mpirun`` with one rank more than workers: deepdish is
run when it is installed, or when DEEPDISH names the folder of its package. A machine's speed
drifts, so every round runs all variants; only ratios of medians within one run say anything.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import thunderlike as tl

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

TASKS = {"tiny": 4000, "1 MiB": 200, "5 ms": 200}


def tiny(number: int) -> int:
    """Nothing."""
    return number


def large(number: int) -> np.ndarray:
    """A result of 1 MiB."""
    return np.full(2**17, float(number))


def busy(number: int) -> int:
    """5 ms of Python."""
    until = time.perf_counter() + 0.005
    while time.perf_counter() < until:
        pass
    return number


FUNCTIONS = {"tiny": tiny, "1 MiB": large, "5 ms": busy}


def timed(run: Callable[..., Iterable[Any]]) -> dict[str, float]:
    """Microseconds a task of each kind, after a warm-up."""
    found = {}
    for name, count in TASKS.items():
        for _ in run(FUNCTIONS[name], range(20)):
            pass
        started = time.perf_counter()
        for _ in run(FUNCTIONS[name], range(count)):
            pass
        found[name] = (time.perf_counter() - started) / count * 1e6
    return found


def deepdish() -> Any:
    """The MPI module of deepdish alone: the rest of the package needs an old numpy."""
    folder = os.environ.get("DEEPDISH")
    if not folder and not importlib.util.find_spec("deepdish"):
        return None
    home = Path(folder) if folder else Path(importlib.util.find_spec("deepdish").origin).parent
    spec = importlib.util.spec_from_file_location("deepdish_mpi", home / "parallel" / "mpi.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# ---- one variant in a process or job of its own


def ours_under_mpi(_workers: int) -> None:
    """Ranks of ours."""
    if tl.parallel.main("__main__"):
        print(json.dumps(timed(tl.parallel.imap_unordered)))


def deepdish_under_mpi(_workers: int) -> None:
    """Ranks of deepdish."""
    rival = deepdish()
    if rival.main("__main__"):
        print(json.dumps(timed(rival.imap_unordered)))


def ours_over_processes(workers: int) -> None:
    """Worker processes of ours."""

    def run(function: Callable[[int], Any], items: Iterable[int]) -> Iterable[Any]:
        return tl.parallel.pmap(function, items, backend="processes", workers=workers)

    print(json.dumps(timed(run)))


def pool_executor(workers: int) -> None:
    """The standard library's processes."""
    with ProcessPoolExecutor(workers) as pool:
        print(json.dumps(timed(pool.map)))


def serial(_workers: int) -> None:
    """One after the other."""
    print(json.dumps(timed(map)))


VARIANTS = {
    "deepdish": deepdish_under_mpi,
    "ours, MPI": ours_under_mpi,
    "ProcessPoolExecutor": pool_executor,
    "ours, processes": ours_over_processes,
    "serial": serial,
}
UNDER_MPI = ("deepdish", "ours, MPI")


def measured(variant: str, workers: int) -> dict[str, float]:
    """One variant in a process or job of its own."""
    command = [sys.executable, __file__, "--variant", variant, "--workers", str(workers)]
    if variant in UNDER_MPI:
        command = ["mpirun", "-n", str(workers + 1), *command]
    ran = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    return json.loads(ran.stdout.splitlines()[-1])


def available() -> list[str]:
    """Variants whose libraries and launcher are here."""
    missing = set() if shutil.which("mpirun") else set(UNDER_MPI)
    if deepdish() is None:
        missing.add("deepdish")
    return [name for name in VARIANTS if name not in missing]


def main() -> None:
    """Run all variants in turns and print a table for each number of workers."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--variant", choices=VARIANTS, help="run this one alone, print its JSON")
    options = parser.parse_args()
    if options.variant:
        VARIANTS[options.variant](options.workers[0])
        return
    for workers in options.workers:
        runs = {name: [] for name in available()}
        for _ in range(options.rounds):
            for name, rounds in runs.items():
                rounds.append(measured(name, workers))
        print(f"{workers} workers, microseconds a task" + "".join(f"{t:>10}" for t in TASKS))
        for name, rounds in runs.items():
            medians = (statistics.median(one[task] for one in rounds) for task in TASKS)
            print(f"  {name:<30}" + "".join(f"{m:>10.1f}" for m in medians), flush=True)


if __name__ == "__main__":
    main()
