"""Map a function over items: the bounded window, and the choice of a backend."""

from __future__ import annotations

import importlib
from collections.abc import Sized
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from thunderlike._arguments import checked_types
from thunderlike.config import current
from thunderlike.errors import SpecError
from thunderlike.parallel._protocol import is_worker
from thunderlike.progress import track

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

__all__ = [
    "CountedItems",
    "Failure",
    "Outcome",
    "Plan",
    "Pool",
    "SerialPool",
    "attempt",
    "check_choice",
    "pmap",
    "results",
    "serial",
    "stream",
]


@dataclass(frozen=True)
class Failure:
    """Result of an item whose function call failed, with ``on_error='collect'``.

    Parameters
    ----------
    position : int
        Position of the item, from 0.
    error : Exception
        Exception of the function.

    Examples
    --------
    >>> import thunderlike as tl
    >>> found = list(tl.parallel.pmap(int, ["1", "one"], on_error="collect"))
    >>> found[0], found[1].position, type(found[1].error).__name__
    (1, 1, 'ValueError')
    """

    position: int
    error: BaseException


@dataclass(slots=True)
class Outcome:
    """Outcome of one item: a value or an error."""

    position: int
    value: Any = None
    error: BaseException | None = None

    def get(self) -> Any:
        """Return the value, or raise the error with a note that names the item."""
        if self.error is None:
            return self.value
        self.error.add_note(f"raised for item {self.position} of a map, counted from 0")
        raise self.error


class Pool(Protocol):
    """Workers with one function: threads, processes, ranks, or the caller itself.

    One map at a time uses the pool; `submit` is never called with `capacity` items outstanding.
    """

    @property
    def capacity(self) -> int:
        """Number of items that may be outstanding."""

    def submit(self, position: int, item: object) -> None:
        """Submit one item, without waiting for its outcome."""

    def receive(self) -> Outcome:
        """Wait for the next outcome, in any order."""

    def close(self) -> None:
        """Cancel the waiting items; their outcomes are not received."""


class SerialPool:
    """Pool that runs each item when it is submitted, in the calling thread."""

    capacity = 1

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self._function = function
        self._done: list[Outcome] = []

    def submit(self, position: int, item: object) -> None:
        """Run the item."""
        self._done.append(attempt(self._function, position, item))

    def receive(self) -> Outcome:
        """Return the outcome of the last item."""
        return self._done.pop()

    def close(self) -> None:
        """Do nothing: no item is outstanding."""


def attempt(function: Callable[[Any], Any], position: int, item: object) -> Outcome:
    """Call a function; an exception, except a Ctrl-C or an exit, is the outcome."""
    try:
        return Outcome(position, function(item))
    except Exception as error:  # a user's function may raise anything
        return Outcome(position, error=error)


def stream(
    pool: Pool, items: Iterable[Any], *, window: int, ordered: bool
) -> Generator[Outcome, None, None]:
    """Yield the outcomes of a pool, with at most `window` items consumed and not yet yielded.

    An error of `items` is raised in its place too: after the outcomes of the items before it.
    """
    source = CountedItems(items)
    waiting: dict[int, Outcome] = {}
    given, flying, capacity = 0, 0, pool.capacity
    try:
        while True:
            while flying < capacity and source.taken - given < window and source.advance():
                pool.submit(source.taken - 1, source.item)
                flying += 1
            if not flying and not waiting:
                break
            if not (ordered and given in waiting):
                outcome = pool.receive()
                flying -= 1
                waiting[outcome.position if ordered else given] = outcome
            if given in waiting:
                given += 1
                yield waiting.pop(given - 1)
        source.reraise()
    finally:
        pool.close()


class CountedItems:
    """Iterator that counts items and delays an error until `reraise`."""

    def __init__(self, items: Iterable[Any]) -> None:
        self._items: Iterator[Any] | None = iter(items)
        self._error: Exception | None = None
        self.taken, self.item = 0, None

    def advance(self) -> bool:
        """Set `item` to the next item; return False at the end."""
        if self._items is None:
            return False
        try:
            self.item = next(self._items)
        except StopIteration:
            self._items = None
        except Exception as error:  # raised after the outcomes of the items before it
            self._items, self._error = None, error
        else:
            self.taken += 1
        return self._items is not None

    def take(self, count: int) -> list[tuple[int, Any]]:
        """Return up to `count` items, each with its position; an empty list at the end."""
        held: list[tuple[int, Any]] = []
        while len(held) < count and self.advance():
            held.append((self.taken - 1, self.item))
        return held

    def reraise(self) -> None:
        """Raise the error of the iterable, if there was one."""
        if self._error is not None:
            raise self._error


def _collected(outcome: Outcome) -> Any:
    error = outcome.error
    return Failure(outcome.position, error) if isinstance(error, Exception) else outcome.get()


_POLICIES: dict[str, Callable[[Outcome], Any]] = {
    "raise": Outcome.get,
    "collect": _collected,
    "skip": _collected,
}


def results(
    outcomes: Generator[Outcome, None, None], on_error: str = "raise"
) -> Generator[Any, None, None]:
    """Yield the values of outcomes; errors are raised, yielded as :class:`Failure`, or skipped."""
    policy = _POLICIES[on_error]
    with closing(outcomes):
        for outcome in outcomes:
            value = policy(outcome)
            if on_error != "skip" or outcome.error is None:
                yield value


def check_choice(name: str, value: str, known: Iterable[str]) -> str:
    """Return the value of an argument if it is one of the known ones.

    Raises
    ------
    SpecError
        If it is not.
    """
    names = list(known)
    if value in names:
        return value
    raise SpecError(f"{name} is one of {', '.join(map(repr, names))}, not {value!r}")


@dataclass(frozen=True)
class Plan:
    """Arguments of a map, for its backend.

    Parameters
    ----------
    function : callable
        Takes one item.
    items : iterable
        Consumed as outcomes are yielded.
    workers : int
        Number of workers, for backends that start them.
    window : int or None
        Maximum number of items consumed and not yet yielded; None lets the backend choose.
    ordered : bool
        Whether outcomes are in the order of the items.
    """

    function: Callable[[Any], Any]
    items: Iterable[Any]
    workers: int
    window: int | None = None
    ordered: bool = True

    def over(self, pool: Pool) -> Generator[Outcome, None, None]:
        """Yield the outcomes of a pool."""
        window = self.window or pool.capacity
        return stream(pool, self.items, window=window, ordered=self.ordered)


@checked_types
def pmap(
    function: Callable[[Any], Any],
    items: Iterable[Any],
    *,
    backend: str = "threads",
    workers: int | None = None,
    ordered: bool = True,
    window: int | None = None,
    on_error: str = "raise",
    progress: str = "mapping",
) -> Generator[Any, None, None]:
    """Map a function over items lazily, with a bounded look-ahead.

    Parameters
    ----------
    function : callable
        Takes one item.
    items : iterable
        Consumed as results are consumed; may be infinite.
    backend : {'threads', 'processes', 'mpi', 'spark', 'serial'}
        Threads suit functions that release the interpreter lock (numpy, scipy, files); processes
        suit Python code; ``'mpi'`` uses the ranks under ``mpirun``, below
        :func:`~thunderlike.parallel.main`; Spark suits items of 10 ms and more.
    workers : int, optional
        Number of threads or processes; by default the setting ``workers``.
    ordered : bool
        Yield results in the order of the items; False yields them as they complete.
    window : int, optional
        Maximum number of items consumed and not yet yielded; by default two for each worker. A
        larger one keeps the other workers busy while an ordered map waits for a slow item.
    on_error : {'raise', 'collect', 'skip'}
        Raise the exception of the function in the place of its item's result, yield a
        :class:`Failure` instead, or skip the item.
    progress : str
        Label of this work in the events of ``tl.progress()``.

    Returns
    -------
    generator
        No item is consumed before its first ``next``. When it is closed, or abandoned by
        ``break``, waiting items are cancelled, and the workers are free for the next map.

    Raises
    ------
    WorkerFailedError
        When a worker process dies; names its item. The other items are not affected.
    SpecError
        For an unknown choice, or a function that cannot be sent to another process.
    EngineError
        With ``'mpi'``, when no ranks wait for items or another map is open on them.

    Notes
    -----
    Processes are started once and reused. The function is sent once to each, by value if
    necessary and cloudpickle is installed; arrays of 32 KiB or more pass through shared memory,
    with one copy. An exception of a worker is raised with the worker's traceback as its cause. A
    map within a worker runs serially. A script that maps over processes needs
    ``if tl.parallel.main(__name__):`` around its work, since each process imports the script.

    Examples
    --------
    >>> list(pmap(abs, [-3, 2, -1]))
    [3, 2, 1]
    >>> [type(found).__name__ for found in pmap(int, ["1", "one"], on_error="collect")]
    ['int', 'Failure']
    """
    check_choice("backend", backend, _BACKENDS)
    check_choice("on_error", on_error, ("raise", "collect", "skip"))
    for name, value in (("workers", workers), ("window", window)):
        if value is not None and value < 1:
            raise SpecError(f"{name} must be at least 1, not {value}")
    plan = Plan(function, items, workers or current().nworkers(), window, ordered)
    outcomes = _backend("serial" if is_worker() else backend)(plan)
    return results(_tracked(outcomes, progress, items), on_error)


# Functions from a plan to outcomes. Imported at first use, so that a map over threads loads neither
# multiprocessing nor MPI, and the Spark backend, which is in a package above, loads on demand.
_BACKENDS = {
    "serial": "thunderlike.parallel.map:serial",
    "threads": "thunderlike.parallel.threads:threads",
    "processes": "thunderlike.parallel.processes:processes",
    "mpi": "thunderlike.parallel.mpi:ranks",
    "spark": "thunderlike.engines.executor:spark",
}


def _backend(name: str) -> Callable[[Plan], Generator[Outcome, None, None]]:
    module, _, function = _BACKENDS[name].partition(":")
    backend: Callable[[Plan], Generator[Outcome, None, None]]
    backend = getattr(importlib.import_module(module), function)
    return backend


def serial(plan: Plan) -> Generator[Outcome, None, None]:
    """Run the items one after the other in the calling thread."""
    return plan.over(SerialPool(plan.function))


def _tracked(
    outcomes: Generator[Outcome, None, None], label: str, items: object
) -> Generator[Outcome, None, None]:
    """Yield the outcomes, with a progress event for each."""
    total = len(items) if isinstance(items, Sized) else 0
    with track(label, total, "items") as work, closing(outcomes):
        for outcome in outcomes:
            work.advance()
            yield outcome
