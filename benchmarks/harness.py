"""Timing side by side: every variant in the same process, in turns, the median of several.

A machine's speed drifts; a ratio of medians taken in turns drifts little. Only ratios are quoted.
"""

from __future__ import annotations

import argparse
import statistics
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    Call = Callable[[], Any]

__all__ = ["Row", "compared", "main"]


@dataclass(frozen=True)
class Row:
    """One operation: ours, and the rivals by name."""

    name: str
    ours: Call
    rivals: dict[str, Call]


def compared(row: Row, rounds: int) -> dict[str, float]:
    """Median seconds of each variant, run in turns after one round that does not count."""
    variants = {"ours": row.ours, **row.rivals}
    seconds: dict[str, list[float]] = {name: [] for name in variants}
    for turn in range(rounds + 1):
        for name, call in variants.items():
            started = time.perf_counter()
            call()
            if turn:
                seconds[name].append(time.perf_counter() - started)
    return {name: statistics.median(times) for name, times in seconds.items()}


def main(rows: Callable[[], Iterable[Row]], description: str) -> None:
    """Run the rows asked for and print milliseconds, and how many times faster we are."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("only", nargs="*", help="names of rows; all by default")
    parser.add_argument("--rounds", type=int, default=5, help="counted runs of each (default 5)")
    options = parser.parse_args()
    print(f"{'operation':<28}{'ours ms':>9}  times faster than")
    for row in rows():
        if options.only and row.name not in options.only:
            continue
        medians = compared(row, options.rounds)
        ours = medians.pop("ours")
        ratios = "   ".join(f"{name} {rival / ours:.2f}" for name, rival in medians.items())
        print(f"{row.name:<28}{ours * 1000:>9.1f}  {ratios}", flush=True)
