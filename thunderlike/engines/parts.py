"""Work on whole parts, where they are: for writers of one file a part, and readers of ranges."""

from __future__ import annotations

import itertools
import uuid
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from thunderlike.engines.local import LocalEngine
from thunderlike.errors import NotOnEngine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from thunderlike._typing import Array
    from thunderlike.engines.base import Engine, Records

__all__ = ["blocks", "each_part", "is_rdd", "pairs", "spread", "usual_parts"]

Result = TypeVar("Result")


def is_rdd(items: Any) -> bool:
    """Tell whether items are those of an RDD."""
    return hasattr(items, "mapPartitionsWithIndex")


def blocks(records: Records) -> Any:
    """Return ``(start, block)`` of all records: an RDD where there is one, else an iterator."""
    return getattr(records, "rdd", None) or records.stream()


def pairs(records: Records, key_shape: tuple[int, ...]) -> Any:
    """Return ``(key, array)`` of all records: an RDD where there is one, else an iterator."""
    try:
        return records.native(key_shape)
    except NotOnEngine:
        return _unstacked(records, key_shape)


def _unstacked(
    records: Records, key_shape: tuple[int, ...]
) -> Iterator[tuple[tuple[int, ...], Array]]:
    for start, block in records.stream():
        keys = np.unravel_index(np.arange(start, start + len(block)), key_shape)
        yield from zip(zip(*(k.tolist() for k in keys), strict=True), block, strict=True)


def each_part(items: Any, task: Callable[[int, str, Iterable[Any]], Result]) -> list[Result]:
    """Run a task over each partition of an RDD, or over all of any other items at once.

    Parameters
    ----------
    items : RDD or iterable
        Of anything.
    task : callable
        Given the number of the part, a word for this attempt at it, and its items. Spark may make
        another attempt after one that failed, or beside a slow one; the word is then another. It is
        empty where there is only ever one.

    Returns
    -------
    list
        What the task returned for each part, in their order; of the attempts that counted.
    """
    if not is_rdd(items):
        return [task(0, "", items)]
    from thunderlike.engines.tasks import carrying, job

    with job(items.context, "writing"):
        found: list[Result] = items.mapPartitionsWithIndex(carrying(_Attempt(task))).collect()
    return found


class _Attempt:
    """One attempt at a part, named when it runs."""

    def __init__(self, task: Callable[[int, str, Iterable[Any]], Any]) -> None:
        self._task = task

    def __call__(self, number: int, items: Iterable[Any]) -> Iterator[Any]:
        yield self._task(number, uuid.uuid4().hex[:8], items)


def usual_parts(engine: Engine) -> int:
    """How many parts keep an engine busy: two for each slot of a cluster, one here."""
    context: Any = getattr(engine, "context", None)
    return 1 if context is None else 2 * int(context.defaultParallelism)


def spread(engine: Engine, parts: Sequence[Any], expand: Callable[[Any], Iterable[Any]]) -> Any:
    """Return the items of all parts: an RDD with one partition a part, or an iterator.

    Parameters
    ----------
    engine : Engine
        Where `expand` runs.
    parts : sequence
        Small, for they are sent to the workers.
    expand : callable
        From a part to its items.

    Examples
    --------
    >>> list(spread(LocalEngine(), [2, 3], range))
    [0, 1, 0, 1, 2]
    """
    if isinstance(engine, LocalEngine):
        return itertools.chain.from_iterable(map(expand, parts))
    from thunderlike.engines.tasks import carrying

    context: Any = engine.context  # type: ignore[attr-defined]  # the only other engine
    rdd = context.parallelize(parts, max(1, len(parts)))
    return rdd.mapPartitions(carrying(_Expand(expand)))


class _Expand:
    """The items of the parts in a partition."""

    def __init__(self, expand: Callable[[Any], Iterable[Any]]) -> None:
        self._expand = expand

    def __call__(self, parts: Iterable[Any]) -> Iterator[Any]:
        return itertools.chain.from_iterable(map(self._expand, parts))
