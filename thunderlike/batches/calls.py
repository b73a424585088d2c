"""One parallel call over the items of a batch: arguments in, results in order out."""

from __future__ import annotations

import asyncio
import inspect
import queue
import threading
import time
import traceback
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike.batches.chunks import Failed, Here, There, Todo, placed
from thunderlike.batches.cuts import checked_size
from thunderlike.config import current
from thunderlike.errors import BatchError, SpecError, TimedOut, WorkerFailed, WrongType
from thunderlike.parallel.maps import pmap

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from thunderlike.batches.work import Work

__all__ = ["TARGETS", "Call"]

# What the original calls them, and who runs it in `tl.parallel`.
TARGETS = {
    "for": "serial",
    "f": "serial",
    "threads": "threads",
    "t": "threads",
    "mpc": "processes",
    "m": "processes",
    "spark": "spark",
    "s": "spark",
    "async": "async",
    "a": "async",
}
CHUNKS = 4  # for each worker: so that one who is slow does not hold up the rest for long


@dataclass
class Call:
    """A function over items, on a target.

    Parameters
    ----------
    work : Work
        What is called.
    target : str
        One of :data:`TARGETS`.
    workers : int, optional
        Threads or processes.
    timeout : float, optional
        Seconds for the whole call.
    on_error : {'raise', 'collect', 'skip'}
        Stop at the first error; or run all items and raise then; or leave failed items out.
    """

    work: Work
    target: str = "threads"
    workers: int | None = None
    timeout: float | None = None
    on_error: str = "raise"

    def __post_init__(self) -> None:
        if not isinstance(self.target, str) or self.target not in TARGETS:
            raise SpecError(f"target is one of {', '.join(TARGETS)}, not {self.target!r}")
        if self.workers is not None:
            checked_size(self.workers, "n_workers")
        if self.timeout is not None and not (
            isinstance(self.timeout, int | float | np.integer | np.floating) and self.timeout >= 0
        ):
            raise WrongType(f"timeout is a number of seconds, not {self.timeout!r:.80}")
        if not isinstance(self.on_error, str) or self.on_error not in ("raise", "collect", "skip"):
            raise SpecError(f"on_error is raise, collect or skip, not {self.on_error!r}")

    def run(self, items: Any, keys: list[tuple[int, ...]], labels: Any, into: Any) -> list[Failed]:
        """Call it for each item; results go into ``into.put(position, result)``.

        Raises
        ------
        BatchError
            When it raises, unless failed items are left out: with all labels and errors so far.
        """
        failures: list[Failed] = []
        with self._named(labels):
            for failure in self._runner()(items, keys, into):
                failures.append(failure)
                if self.on_error == "raise":
                    break
        if failures and self.on_error != "skip":
            raise _error(failures, labels)
        return failures

    @contextmanager
    def _named(self, labels: Any) -> Iterator[None]:
        """Say which items a worker had that died, and what it is that cannot be sent to one.

        Raises
        ------
        WorkerFailed
            When a worker dies.
        SpecError
            For a function, argument or result that cannot be pickled.
        """
        size = max(1, self._chunk_size(len(labels)))
        called = getattr(self.work.function, "function", self.work.function)
        function = getattr(called, "__qualname__", type(called).__name__)
        try:
            yield
        except WorkerFailed as error:
            if not isinstance(error.key, int):
                raise
            held = labels[error.key * size : (error.key + 1) * size]
            which = (
                f"item {held[0]!r}" if len(held) == 1 else f"an item of {held[0]!r} .. {held[-1]!r}"
            )
            how = str(error).partition(" while it ran")[0]
            raise WorkerFailed(
                f"{how} while {function} ran on {which}: look for a crash in compiled code or too "
                "little memory",
                key=tuple(held),
                traceback=error.traceback,
            ) from error
        except SpecError as error:
            why = str(error).partition("cannot be sent to another process")
            if not why[1]:
                raise
            raise SpecError(
                f"{function}, an argument, an item or a result of it {why[1]}{why[2]}: use "
                "target='threads', or make it within the function"
            ) from error

    def _runner(self) -> Callable[..., Iterator[Failed]]:
        others = {"serial": self._here, "threads": self._here, "async": self._asynchronously}
        return others.get(TARGETS[self.target], self._elsewhere)

    def _here(self, items: Any, keys: list[Any], into: Any) -> Iterator[Failed]:
        """In this process: results go where they belong at once."""
        todo, backend = Todo(items, keys), TARGETS[self.target]
        task = Here(self.work, into, self.on_error)
        if backend == "threads" and self.timeout is None:
            yield from chain.from_iterable(self._mapped(task, todo.quick(), "serial"))
        size = len(todo) if backend == "serial" else self._chunk_size(len(todo))
        yield from chain.from_iterable(self._mapped(task, todo.chunks(size), backend))

    def _elsewhere(self, items: Any, keys: list[Any], into: Any) -> Iterator[Failed]:
        """In other processes: results come back a chunk at a time."""
        todo, task = Todo(items, keys), There(self.work, self.on_error)
        chunks = todo.chunks(self._chunk_size(len(items)))
        for result in self._mapped(task, chunks, TARGETS[self.target]):
            yield from placed(result, into)

    def _mapped(self, task: Any, chunks: Any, backend: str) -> Iterator[Any]:
        workers = 1 if backend == "serial" else self.workers
        found: Any = pmap(task, chunks, backend=backend, workers=workers, progress="batch")
        with closing(self._in_time(found)) as results:
            yield from results

    def _chunk_size(self, n: int) -> int:
        return -(-n // (CHUNKS * (self.workers or current().nworkers())))

    def _in_time(self, results: Any) -> Any:
        return results if self.timeout is None else _until(results, self.timeout)

    def _asynchronously(self, items: Any, keys: list[Any], into: Any) -> Iterator[Failed]:
        if not inspect.iscoroutinefunction(self.work.function):
            raise SpecError("target 'async' needs a coroutine function, made with `async def`")
        yield from _apart(self._gathered(items, keys, into), self.timeout)

    async def _gathered(self, items: Any, keys: list[Any], into: Any) -> list[Failed]:
        calls = (self.work(item, keys[k] if keys else None) for k, item in enumerate(items))
        found = await asyncio.gather(*calls, return_exceptions=True)
        failures = []
        for position, value in enumerate(found):
            if isinstance(value, Exception):
                failures.append(Failed(position, value, "".join(traceback.format_exception(value))))
            else:
                into.put(position, value)
        return failures


def _error(failures: list[Failed], labels: Any) -> BatchError:
    failures.sort(key=lambda failure: failure.position)
    first = failures[0]
    label = labels[first.position]
    told = (
        f"{len(failures)} of {len(labels)} items failed" if len(failures) > 1 else "an item failed"
    )
    error = BatchError(
        f"{told}; item {label!r} raised {type(first.error).__name__}: {first.error}\n{first.text}",
        errors=[(labels[failure.position], failure.error) for failure in failures],
    )
    error.__cause__ = first.error
    return error


def _apart(coroutine: Any, timeout: float | None) -> Any:
    """Run a coroutine on a loop of its own, in a thread: also where a loop is running already."""
    (found,) = pmap(lambda one: asyncio.run(asyncio.wait_for(one, timeout)), [coroutine], workers=2)
    return found


def _until(results: Any, timeout: float) -> Iterator[Any]:
    """The same results, or TimeoutError; what has not begun by then is not begun."""
    found: queue.SimpleQueue[Any] = queue.SimpleQueue()
    over = threading.Event()

    def consume() -> None:
        with closing(results):
            try:
                for result in results:
                    found.put((result, None))
                    if over.is_set():
                        return
            except BaseException as error:  # raised where the results are asked for
                found.put((None, error))
        found.put((None, StopIteration()))

    threading.Thread(target=consume, daemon=True).start()
    deadline = time.monotonic() + timeout
    try:
        while True:
            try:
                result, error = found.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                told = f"the items were not done within {timeout} s: allow more with timeout="
                raise TimedOut(told) from None
            if isinstance(error, StopIteration):
                return
            if error is not None:
                raise error
            yield result
    finally:
        over.set()
