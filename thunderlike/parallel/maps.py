"""One map for whoever runs it: threads, processes, ranks, Spark, or nobody else."""

from __future__ import annotations

import importlib
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from thunderlike.config import current
from thunderlike.errors import SpecError
from thunderlike.parallel.stream import SerialCrew, checked, settled, stream
from thunderlike.parallel.work import is_worker
from thunderlike.progress import track

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

    from thunderlike.parallel.stream import Crew, Outcome

__all__ = ["Plan", "pmap", "serial"]


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
    WorkerFailed
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
    "serial": "thunderlike.parallel.maps:serial",
    "threads": "thunderlike.parallel.pool:threads",
    "processes": "thunderlike.parallel.processes:processes",
    "mpi": "thunderlike.parallel.mpi:ranks",
    "spark": "thunderlike.engines.mapping:spark",
}


def _backend(name: str) -> Callable[[Plan], Generator[Outcome, None, None]]:
    module, _, function = _HOMES[name].partition(":")
    return getattr(importlib.import_module(module), function)


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
