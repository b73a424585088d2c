"""Spark backend of parallel maps."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from thunderlike.config import Settings, config, current
from thunderlike.engines.jobs import carrying, job
from thunderlike.engines.session import context
from thunderlike.engines.spark import SparkEngine
from thunderlike.parallel._protocol import Raised
from thunderlike.parallel.map import Outcome, Source

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

    from thunderlike.parallel.map import Plan

__all__ = ["spark"]

WINDOW = 64  # items for each slot of the cluster in one job: a job costs what ten tasks cost
TASKS = 4  # tasks for each slot: a slow item holds up a quarter of a slot's share


def spark(plan: Plan) -> Generator[Outcome, None, None]:
    """Outcomes of Spark, always in order; Spark itself replaces a worker that dies.

    What a function raises is a result, so that Spark does not run the same failure four times. The
    function goes by value, by Spark's own broadcast where it is larger than 1 MiB.
    """
    cluster: Any = SparkEngine(context()).context
    slots = cluster.defaultParallelism
    run = carrying(_Task(plan.function, current()))
    source = Source(plan.items)
    while held := source.several(plan.window or slots * WINDOW):
        rdd = cluster.parallelize(held, min(len(held), slots * TASKS))
        with job(cluster, "mapping"):
            found = rdd.mapPartitions(run).collect()
        yield from (_outcome(*one) for one in found)
    source.reraise()


@dataclasses.dataclass
class _Task:
    """A function for the items of a partition, under the settings of the driver."""

    function: Callable[[Any], Any]
    settings: Settings

    def __call__(self, numbered: Iterable[tuple[int, Any]]) -> Iterator[tuple[int, Any, bool]]:
        with config(**dataclasses.asdict(self.settings)):
            for position, item in numbered:
                yield self._run(position, item)

    def _run(self, position: int, item: Any) -> tuple[int, Any, bool]:
        try:
            return position, self.function(item), True
        except Exception:  # whatever a user's function raises
            return position, Raised.current(), False


def _outcome(position: int, value: Any, well: bool) -> Outcome:  # as it came
    if well:
        return Outcome(position, value)
    return Outcome(position, error=value.restored())
