"""Spark backend of parallel maps."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from thunderlike.config import Settings, config, current
from thunderlike.engines.jobs import job, with_typed_errors
from thunderlike.engines.session import context
from thunderlike.engines.spark import SparkEngine
from thunderlike.parallel._protocol import Raised
from thunderlike.parallel.map import CountedItems, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

    from thunderlike.parallel.map import Plan

__all__ = ["spark"]

WINDOW = 64  # items for each slot of the cluster in one job: a job has the cost of ten tasks
TASKS = 4  # tasks for each slot: a slow item holds up a quarter of a slot's share


def spark(plan: Plan) -> Generator[Outcome, None, None]:
    """Map a function over items on Spark; outcomes come in order.

    Exceptions are returned as results, for Spark would repeat a failed task four times. The
    function is pickled by value, and broadcast by Spark where it is larger than 1 MiB.
    """
    cluster: Any = SparkEngine(context()).context
    slots = cluster.defaultParallelism
    run = with_typed_errors(_task(plan.function, current()))
    source = CountedItems(plan.items)
    while held := source.take(plan.window or slots * WINDOW):
        rdd = cluster.parallelize(held, min(len(held), slots * TASKS))
        with job(cluster, "mapping"):
            found = rdd.mapPartitions(run).collect()
        for position, value, succeeded in found:
            if succeeded:
                yield Outcome(position, value)
            else:
                yield Outcome(position, error=value.restored())
    source.reraise()


def _task(function: Callable[[Any], Any], settings: Settings) -> Callable[[Any], Iterator[Any]]:
    """Return a function of the items of a partition, run under the settings of the driver."""

    def run(numbered: Iterable[tuple[int, Any]]) -> Iterator[tuple[int, Any, bool]]:
        with config(**dataclasses.asdict(settings)):
            for position, item in numbered:
                try:
                    outcome = position, function(item), True
                except Exception:  # any exception of the user's function
                    outcome = position, Raised.current(), False
                yield outcome

    return run
