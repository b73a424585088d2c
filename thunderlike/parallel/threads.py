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
from thunderlike.parallel.map import Outcome, SerialPool, attempt

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator
    from concurrent.futures import Future

    from thunderlike.parallel.map import Plan

__all__ = ["ThreadPool", "threads", "tmap"]

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
        Called in threads; its exception is raised here, in the place of its item's result.
    items : iterable
        Consumed as results are consumed, at most two items for each worker ahead.
    workers : int, optional
        Number of threads; by default the setting ``workers``. With 1, the caller's thread is used.

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
    executor = _executor(workers)
    pending = deque(
        executor.submit(copy_context().run, function, item)
        for item in itertools.islice(items, 2 * workers)
    )
    try:
        while pending:
            result = pending.popleft().result()
            for item in itertools.islice(items, 1):
                pending.append(executor.submit(copy_context().run, function, item))
            yield result
    finally:
        for future in pending:  # the caller stopped, or an item failed
            future.cancel()
        wait(pending)  # running items may write to files that the caller now removes


def _inside() -> bool:
    """Return whether this is a thread of the pool, where waiting for another could deadlock."""
    return threading.current_thread().name.startswith(_PREFIX)


class ThreadPool:
    """Pool of threads with one function.

    Parameters
    ----------
    function : callable
        Takes one item.
    workers : int
        Number of threads.
    """

    def __init__(self, function: Callable[[Any], Any], workers: int) -> None:
        self.capacity = 2 * workers
        self._function, self._executor = function, _executor(workers)
        self._done: SimpleQueue[Outcome] = SimpleQueue()
        self._pending: dict[int, Future[None]] = {}

    def submit(self, position: int, item: object) -> None:
        """Queue one item."""
        run = copy_context().run
        self._pending[position] = self._executor.submit(run, self._run, position, item)

    def _run(self, position: int, item: object) -> None:
        try:
            outcome = attempt(self._function, position, item)
        except BaseException as error:  # an exit or a Ctrl-C in the function reaches the caller
            outcome = Outcome(position, error=error)
        self._done.put(outcome)

    def receive(self) -> Outcome:
        """Wait for the next outcome."""
        outcome = self._done.get()
        del self._pending[outcome.position]
        return outcome

    def close(self) -> None:
        """Cancel the waiting items."""
        for future in self._pending.values():
            future.cancel()


def threads(plan: Plan) -> Generator[Outcome, None, None]:
    """Yield the outcomes of threads; with one worker, or in a thread of the pool, run serially."""
    alone = plan.workers == 1 or _inside()
    return plan.over(
        SerialPool(plan.function) if alone else ThreadPool(plan.function, plan.workers)
    )


@cache
def _executor(workers: int) -> ThreadPoolExecutor:
    """Return the executor of the process: starting threads costs more than a small kernel."""
    return ThreadPoolExecutor(workers, thread_name_prefix=_PREFIX)


# A fork inherits the executor without its threads.
os.register_at_fork(after_in_child=_executor.cache_clear)
