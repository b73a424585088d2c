"""Timing side by side: every variant in the same process, in turns, the median of several.

A machine's speed drifts; a ratio of medians taken in turns drifts little. Only ratios are quoted.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import random
import statistics
import sys
import time
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    Call = Callable[[], Any]
    Measure = Callable[["Row", int], dict[str, float]]

__all__ = ["Reported", "Row", "Scaled", "compared", "cpu_timed", "main"]


@dataclass(frozen=True)
class Scaled:
    """A variant too slow to be run whole: timed on a part, the time multiplied."""

    call: Call
    factor: float

    def __call__(self) -> Any:
        """Run the part."""
        return self.call()


@dataclass(frozen=True)
class Reported:
    """A variant that returns its seconds, such as a job without the start of its processes."""

    call: Callable[[], float]

    def __call__(self) -> float:
        """Run it."""
        return self.call()


@dataclass(frozen=True)
class Row:
    """One operation: ours, and the rivals by name."""

    name: str
    ours: Call
    rivals: dict[str, Call]


def compared(row: Row, rounds: int) -> dict[str, float]:
    """Median seconds of each variant, run in turns after one round that does not count.

    Each round has an order of its own: who comes after whom finds other caches, and the threads
    of BLAS, which spin for a while when their work is done, take a core from the next.
    """
    variants = {"ours": row.ours, **row.rivals}
    seconds: dict[str, list[float]] = {name: [] for name in variants}
    order = random.Random(0)
    for turn in range(rounds + 1):
        for name, call in order.sample(list(variants.items()), len(variants)):
            time.sleep(REST)
            started = time.perf_counter()
            found = call()
            if turn:
                taken = found if isinstance(call, Reported) else time.perf_counter() - started
                seconds[name].append(taken * getattr(call, "factor", 1))
    return {name: statistics.median(times) for name, times in seconds.items()}


HERE = Path(__file__).parent
RESULTS = HERE / "results"  # of the last whole run of each benchmark
REST = 0.05  # s, that OpenBLAS's threads may stop spinning
SLACK = 0.7  # of its budget that a ratio may fall to: machines differ, and drift


def main(
    rows: Callable[[], Iterable[Row]], description: str, measure: Measure | None = None
) -> None:
    """Run the rows asked for and print milliseconds, and how many times faster we are.

    Parameters
    ----------
    rows : callable
        Makes the rows.
    description : str
        Help of the command line.
    measure : callable, optional
        Runs a row for a number of rounds and returns its columns; by default :func:`timed`.
    """
    summary, _, text = description.partition("\n\n")
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=summary, epilog=text, formatter_class=form)
    parser.add_argument("only", nargs="*", help="names of rows; all by default")
    parser.add_argument("--rounds", type=int, default=5, help="counted runs of each (default 5)")
    parser.add_argument("--save", metavar="NAME", help="keep the table under another name")
    parser.add_argument("--check", action="store_true", help="fail below the ratios of budget.toml")
    options = parser.parse_args()
    print(f"{'operation':<28}{'ours ms':>9}  times faster than")
    run, table = measure or timed, {}
    for row in rows():
        if chosen(row, options.only):
            table[row.name] = run(row, options.rounds)
            if options.save or not options.only:  # also of a run that is stopped
                save(options.save or Path(sys.argv[0]).stem, table)
    if options.check:
        sys.exit(over_budget(table, Path(sys.argv[0]).stem))


def save(benchmark: str, table: dict[str, dict[str, float]]) -> None:
    """Keep a whole table, and where it was measured, for report.py."""
    RESULTS.mkdir(exist_ok=True)
    told = {"machine": machine(), "rows": table}
    (RESULTS / f"{benchmark}.json").write_text(json.dumps(told, indent=1) + "\n", "utf-8")


def machine() -> str:
    """What was measured on, in a line."""
    names = ("numpy", "scipy", "numba", "dask", "pyspark")
    versions = ", ".join(f"{name} {version(name)}" for name in names)
    return f"{os.cpu_count()} cores, Python {platform.python_version()}, {versions}"


def version(name: str) -> str:
    """Of a library."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "absent"


def chosen(row: Row, only: list[str]) -> bool:
    """Say whether a row was asked for."""
    return not only or row.name in only


def timed(row: Row, rounds: int) -> dict[str, float]:
    """Time one row and print it: our seconds, and the ratio to each rival."""
    return shown(row.name, compared(row, rounds))


def shown(name: str, medians: dict[str, float]) -> dict[str, float]:
    """Print the seconds of a row; return ours, and the ratio of each rival to them."""
    ours = medians.pop("ours")
    ratios = {rival: seconds / ours for rival, seconds in medians.items()}
    text = "   ".join(f"{rival} {ratio:.2f}" for rival, ratio in ratios.items())
    print(f"{name:<28}{ours * 1000:>9.1f}  {text}", flush=True)
    return {"seconds": ours, **ratios}


def cpu_timed(row: Row, rounds: int) -> dict[str, float]:
    """As `timed`, in CPU seconds of this process, with one thread of BLAS.

    Other programs on the machine change them less than those of a clock.
    """
    from threadpoolctl import threadpool_limits

    variants = {"ours": row.ours, **row.rivals}
    seconds: dict[str, list[float]] = {name: [] for name in variants}
    with threadpool_limits(1):
        for turn in range(rounds + 1):
            for name, call in variants.items():
                started = time.process_time()
                call()
                if turn:
                    taken = time.process_time() - started
                    seconds[name].append(taken * getattr(call, "factor", 1))
    return shown(row.name, {name: statistics.median(times) for name, times in seconds.items()})


def over_budget(table: dict[str, dict[str, float]], benchmark: str) -> int:
    """Print the ratios that are below their budget; how many there are."""
    budget = tomllib.loads((HERE / "budget.toml").read_text("utf-8")).get(benchmark, {})
    missed = [
        f"{name}: {table[name][rival]:.2f} times {rival}, the budget is {ratio}"
        for name, rivals in budget.items()
        for rival, ratio in rivals.items()
        if rival in table.get(name, ()) and table[name][rival] < SLACK * ratio
    ]
    print("\n".join(missed) or "all ratios are within their budgets")
    return len(missed)
