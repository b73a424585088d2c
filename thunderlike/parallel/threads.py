"""Thread pool: a bounded, ordered map."""

from __future__ import annotations

import itertools
import os
import threading
from collections import deque
from concurrent.futures import ThreadPoolExecutor, wait
from contextvars import copy_context
from functools import cache
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, TypeVar

from thunderlike.config import current
from thunderlike.parallel.map import Outcome, SerialCrew, attempt

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator
    from concurrent.futures import Future

    from thunderlike.parallel.map import Plan

__all__ = ["ThreadCrew", "threads", "tmap"]

_PREFIX = "thunderlike"
Item = TypeVar("Item")
Result = TypeVar("Result")


def tmap(
    function: Callable[[Item], Result], items: Iterable[Item], *, workers: int | None = None
) -> Iterator[Result]:
    """Map over threads, lazily: results in the order of the items, a bounded look-ahead.

    Parameters
    ----------
    function : callable
        Run in a thread; what it raises is raised here, at its item's place.
    items : iterable
        Taken in as results are taken out, at most two for each worker ahead.
    workers : int, optional
        Threads; the setting of that name by default. One runs in the caller's own thread.

    Examples
    --------
    >>> list(tmap(abs, [-3, 2, -1]))
    [3, 2, 1]
    """
    count = workers or current().nworkers()
    if count == 1 or _inside():
        return map(function, items)
    return _stream(function, iter(items), count)


def _stream(
    function: Callable[[Item], Result], items: Iterator[Item], workers: int
) -> Iterator[Result]:
    pool = _pool(workers)
    pending = deque(
        pool.submit(copy_context().run, function, item)
        for item in itertools.islice(items, 2 * workers)
    )
    try:
        while pending:
            result = pending.popleft().result()
            for item in itertools.islice(items, 1):
                pending.append(pool.submit(copy_context().run, function, item))
            yield result
    finally:
        for future in pending:  # the caller stopped, or an item failed: start nothing more
            future.cancel()
        wait(pending)  # and leave nothing running: it might write where the caller now clears up


def _inside() -> bool:
    """Are we in one of our own threads? Waiting there for another could wait for ever."""
    return threading.current_thread().name.startswith(_PREFIX)


class ThreadCrew:
    """Threads of the pool with one function, for a map in any order.

    Parameters
    ----------
    function : callable
        Takes one item.
    workers : int
        How many.
    """

    def __init__(self, function: Callable[[Any], Any], workers: int) -> None:
        self.capacity = 2 * workers
        self._function, self._pool = function, _pool(workers)
        self._done: SimpleQueue[Outcome] = SimpleQueue()
        self._pending: dict[int, Future[None]] = {}

    def submit(self, position: int, item: Any) -> None:
        """Queue one item."""
        run = copy_context().run
        self._pending[position] = self._pool.submit(run, self._run, position, item)

    def _run(self, position: int, item: Any) -> None:
        try:
            outcome = attempt(self._function, position, item)
        except BaseException as error:  # an exit or a Ctrl-C of the function is for the caller
            outcome = Outcome(position, error=error)
        self._done.put(outcome)

    def receive(self) -> Outcome:
        """Wait for the next that is done."""
        outcome = self._done.get()
        del self._pending[outcome.position]
        return outcome

    def close(self) -> None:
        """Start nothing more."""
        for future in self._pending.values():
            future.cancel()


def threads(plan: Plan) -> Generator[Outcome, None, None]:
    """Outcomes of threads; of this one alone where one is asked for, or it is one of ours."""
    alone = plan.workers == 1 or _inside()
    return plan.over(
        SerialCrew(plan.function) if alone else ThreadCrew(plan.function, plan.workers)
    )


@cache
def _pool(workers: int) -> ThreadPoolExecutor:
    """Kept for the process: starting threads costs more than a small kernel."""
    return ThreadPoolExecutor(workers, thread_name_prefix=_PREFIX)


# A forked child has the pool object but none of its threads.
os.register_at_fork(after_in_child=_pool.cache_clear)
