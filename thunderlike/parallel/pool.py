"""One bounded, ordered map over a thread pool."""

from __future__ import annotations

import itertools
import os
import threading
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import cache
from typing import TYPE_CHECKING, TypeVar

from thunderlike.config import current

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

__all__ = ["tmap"]

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


def _inside() -> bool:
    """Are we in one of our own threads? Waiting there for another could wait for ever."""
    return threading.current_thread().name.startswith(_PREFIX)


@cache
def _pool(workers: int) -> ThreadPoolExecutor:
    """Kept for the process: starting threads costs more than a small kernel."""
    return ThreadPoolExecutor(workers, thread_name_prefix=_PREFIX)


# A forked child has the pool object but none of its threads.
os.register_at_fork(after_in_child=_pool.cache_clear)
