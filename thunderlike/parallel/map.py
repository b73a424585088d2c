"""Map a function over items: the bounded window, and the choice of a backend."""

from __future__ import annotations

import importlib
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
    "Crew",
    "Failure",
    "Outcome",
    "Plan",
    "SerialCrew",
    "Source",
    "attempt",
    "checked",
    "pmap",
    "serial",
    "settled",
    "stream",
]


@dataclass(frozen=True)
class Failure:
    """What takes the place of a result with ``on_error='collect'``.

    Parameters
    ----------
    position : int
        Of the item among the items, from 0.
    error : Exception
        What the function raised.

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
    """What became of one item: a value, or else an error."""

    position: int
    value: Any = None
    error: BaseException | None = None

    def get(self) -> Any:
        """The value; raises the error instead, which says of which item it is."""
        if self.error is None:
            return self.value
        self.error.add_note(f"raised for item {self.position} of a map, counted from 0")
        raise self.error


class Crew(Protocol):
    """Workers with one function: threads, processes, ranks, or nobody else.

    One map at a time has the crew; `submit` is never called with `capacity` items outstanding.
    """

    @property
    def capacity(self) -> int:
        """Items that may be outstanding."""

    def submit(self, position: int, item: Any) -> None:
        """Hand out one item, without waiting for it."""

    def receive(self) -> Outcome:
        """Wait for the next item that is done, in any order."""

    def close(self) -> None:
        """Start nothing more of what was handed out; nobody will ask for it."""


class SerialCrew:
    """Runs each item at once, here."""

    capacity = 1

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self._function = function
        self._done: list[Outcome] = []

    def submit(self, position: int, item: Any) -> None:
        """Run it."""
        self._done.append(attempt(self._function, position, item))

    def receive(self) -> Outcome:
        """Give what was just run."""
        return self._done.pop()

    def close(self) -> None:
        """Nothing is outstanding."""


def attempt(function: Callable[[Any], Any], position: int, item: Any) -> Outcome:
    """Call a function; what it raises becomes the outcome, but for a Ctrl-C or an exit."""
    try:
        return Outcome(position, function(item))
    except Exception as error:  # whatever a user's function raises, in its place
        return Outcome(position, error=error)


def stream(
    crew: Crew, items: Iterable[Any], *, window: int, ordered: bool
) -> Generator[Outcome, None, None]:
    """Outcomes of a crew over items, with at most `window` items taken in and not yet given out.

    An error of the input is raised at its place too: after the outcomes of what came before it.
    """
    source = Source(items)
    waiting: dict[int, Outcome] = {}
    given, flying, capacity = 0, 0, crew.capacity
    try:
        while True:
            while flying < capacity and source.taken - given < window and source.advance():
                crew.submit(source.taken - 1, source.item)
                flying += 1
            if not flying and not waiting:
                break
            if not (ordered and given in waiting):
                outcome = crew.receive()
                flying -= 1
                waiting[outcome.position if ordered else given] = outcome
            if given in waiting:
                given += 1
                yield waiting.pop(given - 1)
        source.reraise()
    finally:
        crew.close()


class Source:
    """Items one by one, counted; remembers how they ended."""

    def __init__(self, items: Iterable[Any]) -> None:
        self._items: Iterator[Any] | None = iter(items)
        self._error: Exception | None = None
        self.taken, self.item = 0, None

    def advance(self) -> bool:
        """Take the next item into `item`; False when there is none."""
        if self._items is None:
            return False
        try:
            self.item = next(self._items)
        except StopIteration:
            self._items = None
        except Exception as error:  # of the input: raised when its turn has come
            self._items, self._error = None, error
        else:
            self.taken += 1
        return self._items is not None

    def several(self, count: int) -> list[tuple[int, Any]]:
        """Take up to `count` items, each with its position; none when there are none left."""
        held: list[tuple[int, Any]] = []
        while len(held) < count and self.advance():
            held.append((self.taken - 1, self.item))
        return held

    def reraise(self) -> None:
        """Raise what the input raised, if it did."""
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


def settled(
    outcomes: Generator[Outcome, None, None], on_error: str = "raise"
) -> Generator[Any, None, None]:
    """Values of outcomes: errors raised, collected as :class:`Failure`, or left out."""
    settle = _POLICIES[on_error]
    with closing(outcomes):
        for outcome in outcomes:
            value = settle(outcome)
            if on_error != "skip" or outcome.error is None:
                yield value


def checked(what: str, value: str, known: Iterable[str]) -> str:
    """Return `value` if it is one of the known ones.

    Raises
    ------
    SpecError
        If it is not.
    """
    names = list(known)
    if value in names:
        return value
    raise SpecError(f"{what} is one of {', '.join(map(repr, names))}, not {value!r}")


@dataclass(frozen=True)
class Plan:
    """What a backend is asked for.

    Parameters
    ----------
    function : callable
        Takes one item.
    items : iterable
        To be taken in as outcomes are given out.
    workers : int
        How many, where the backend may choose.
    window : int or None
        Items taken in and not yet given out, at most; None lets the backend choose.
    ordered : bool
        Outcomes in the order of the items.
    """

    function: Callable[[Any], Any]
    items: Iterable[Any]
    workers: int
    window: int | None = None
    ordered: bool = True

    def over(self, crew: Crew) -> Generator[Outcome, None, None]:
        """The outcomes that a crew gives."""
        window = self.window or crew.capacity
        return stream(crew, self.items, window=window, ordered=self.ordered)


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
    """Map a function over items: lazy in, streaming out, with a bounded look-ahead.

    Parameters
    ----------
    function : callable
        Takes one item.
    items : iterable
        Taken in as results are taken out; it may be endless.
    backend : {'threads', 'processes', 'mpi', 'spark', 'serial'}
        Who runs it. Threads pay for what releases the interpreter lock (numpy, scipy, files);
        processes for Python code; ``'mpi'`` is the ranks under ``mpirun``, below
        :func:`~thunderlike.parallel.main`; Spark pays for items of 10 ms and more.
    workers : int, optional
        Threads or processes; the setting of that name by default.
    ordered : bool
        Results in the order of the items; False gives them as they are ready.
    window : int, optional
        Items taken in and not yet given out, at most; by default as many as the workers can have
        in hand, two each. A larger one lets the others go on while an ordered map waits for a slow
        item.
    on_error : {'raise', 'collect', 'skip'}
        Raise what the function raised, at its item's place; or give a :class:`Failure` in place of
        the result; or leave it out.
    progress : str
        What the events of ``tl.progress()`` call this work.

    Returns
    -------
    generator
        Nothing is taken in or run before its first ``next``. When it is closed, or left by
        ``break``, nothing more is started, and the workers are free for the next map.

    Raises
    ------
    WorkerFailedError
        When a worker process dies; it names the item it had, and the others are not affected.
    SpecError
        For an unknown choice, or a function that cannot be sent to another process.
    EngineError
        With ``'mpi'``, when no ranks serve or another map is open on them.

    Notes
    -----
    Processes are started once and kept. The function is sent once to each, by value where it has
    to be and cloudpickle is installed; arrays of 32 KiB or more go through shared memory, with one
    copy. What a worker raises comes back as itself, with the worker's traceback as its cause. A
    map within a worker runs serially there. A script that maps over processes needs
    ``if tl.parallel.main(__name__):`` around its work, as each process imports the script.

    Examples
    --------
    >>> list(pmap(abs, [-3, 2, -1]))
    [3, 2, 1]
    >>> [type(found).__name__ for found in pmap(int, ["1", "one"], on_error="collect")]
    ['int', 'Failure']
    """
    checked("backend", backend, _HOMES)
    checked("on_error", on_error, ("raise", "collect", "skip"))
    for name, value in (("workers", workers), ("window", window)):
        if value is not None and value < 1:
            raise SpecError(f"{name} must be at least 1, not {value}")
    plan = Plan(function, items, workers or current().nworkers(), window, ordered)
    outcomes = _backend("serial" if is_worker() else backend)(plan)
    return settled(_watched(outcomes, progress, items), on_error)


# The function of each backend, from a plan to outcomes; imported when it is first asked for. The
# one for Spark lives with the engine that it runs on.
_HOMES = {
    "serial": "thunderlike.parallel.map:serial",
    "threads": "thunderlike.parallel.threads:threads",
    "processes": "thunderlike.parallel.processes:processes",
    "mpi": "thunderlike.parallel.mpi:ranks",
    "spark": "thunderlike.engines.executor:spark",
}


def _backend(name: str) -> Callable[[Plan], Generator[Outcome, None, None]]:
    module, _, function = _HOMES[name].partition(":")
    backend: Callable[[Plan], Generator[Outcome, None, None]]
    backend = getattr(importlib.import_module(module), function)
    return backend


def serial(plan: Plan) -> Generator[Outcome, None, None]:
    """One item after the other, here."""
    return plan.over(SerialCrew(plan.function))


def _watched(
    outcomes: Generator[Outcome, None, None], label: str, items: Any
) -> Generator[Outcome, None, None]:
    """The same outcomes, with an event for each."""
    total = len(items) if hasattr(items, "__len__") else 0
    with track(label, total, "items") as work, closing(outcomes):
        for outcome in outcomes:
            work.advance()
            yield outcome
