"""Execution of a function over the items of a batch: arguments, chunks, workers, results."""

from __future__ import annotations

import asyncio
import inspect
import numbers
import pickle
import queue
import threading
import time
import traceback
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from thunderlike.batches.index import checked_size
from thunderlike.config import current
from thunderlike.errors import (
    BatchError,
    SpecError,
    TimedOutError,
    WorkerFailedError,
    WrongTypeError,
)
from thunderlike.parallel.map import pmap
from thunderlike.parallel.random import generator

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Sequence

    from numpy.typing import NDArray

__all__ = [
    "TARGETS",
    "Call",
    "Chunk",
    "Collected",
    "Entries",
    "Failed",
    "Listed",
    "LocalTask",
    "Pending",
    "RemoteTask",
    "Sink",
    "Work",
    "accepted",
    "arguments",
    "assembled",
    "at",
    "placed",
]


class Entries(Protocol):
    """Values of a component or items of a call: an entry for each position, and slices of them."""

    def __len__(self) -> int:
        """Return the number of entries."""

    def __getitem__(self, position: Any, /) -> Any:
        """Return an entry, or several."""


class Sink(Protocol):
    """Destination of results."""

    def put(self, position: int, value: object, /) -> None:
        """Store one result."""


@dataclass
class Work:
    """Call for one item; pickled for other processes.

    Parameters
    ----------
    function : callable
        Function of an item, or of the arguments that an item stands for.
    kwargs : dict
        Further arguments of every call.
    spread : bool
        Items are arguments: a tuple or list of positional ones, a dict of named ones, or
        ``(tuple, dict)`` of both.
    rng : bool
        Pass ``rng``, the random stream of the item.
    """

    function: Callable[..., Any]
    kwargs: dict[str, Any] = field(default_factory=dict)
    spread: bool = False
    rng: bool = False

    def __call__(self, item: object, key: tuple[int, ...] | None = None) -> Any:
        """Call it for one item."""
        if not (self.spread or self.rng):
            return self.function(item, **self.kwargs)
        args, named = arguments(item) if self.spread else ((item,), {})
        if self.rng:
            assert key is not None
            named = {**named, "rng": generator(key[0], *key[1:])}
        return self.function(*args, **named, **self.kwargs)


def arguments(item: object) -> tuple[Any, dict[str, Any]]:
    """Return the arguments that an element of `init` stands for."""
    if isinstance(item, tuple) and len(item) == 2 and isinstance(item[1], dict):
        return item if isinstance(item[0], tuple | list) else ((item[0],), item[1])
    if isinstance(item, tuple | list):
        return item, {}
    return ((), item) if isinstance(item, dict) else ((item,), {})


def accepted(function: Callable[..., Any], offered: dict[str, Any]) -> dict[str, Any]:
    """Select the arguments that a function takes by name."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # a ufunc or the like
        return {}
    if (getattr(function, "__module__", None) or "").partition(".")[0] == "numpy":
        return {}  # its **kwargs are of a method that knows neither
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return offered
    known = {p.name for p in parameters if p.kind in (p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD)}
    return {name: value for name, value in offered.items() if name in known}


class Collected:
    """Results by position, written directly into one array while shape and dtype agree.

    Parameters
    ----------
    n : int
        Number of results. Threads may store different positions at the same time.
    """

    def __init__(self, n: int) -> None:
        self._n = n
        self._array: NDArray[Any] | None = None
        self._others: dict[int, Any] = {}
        self._fresh, self._lock = True, threading.Lock()

    def _expect(self, value: object) -> None:
        """Allocate an array for results like the first one."""
        with self._lock:
            if self._fresh and type(value) is np.ndarray:
                self._array = np.empty((self._n, *value.shape), value.dtype)
            # After the array: other threads then write into it without the lock.
            self._fresh = False

    def put(self, position: int, value: object) -> None:
        """Store one result."""
        if self._fresh:
            self._expect(value)
        array = self._array
        # A subclass, as a masked array, would lose what it adds in the common array.
        if array is None or type(value) is not np.ndarray:
            self._others[position] = value
        elif value.shape == array.shape[1:] and value.dtype == array.dtype:
            array[position] = value
        else:
            self._others[position] = value

    def put_block(self, start: int, values: NDArray[Any]) -> None:
        """Store consecutive results, stacked; in one copy if shape and dtype agree."""
        if self._fresh and len(values):
            self._expect(values[0])
        array, shape = self._array, values.shape[1:]
        if array is not None and shape == array.shape[1:] and values.dtype == array.dtype:
            array[start : start + len(values)] = values
        else:
            self._others.update(zip(range(start, start + len(values)), values, strict=True))

    def whole(self) -> Any:
        """Return all results: stacked if their shapes agree, else an object array."""
        if self._array is not None and not self._others:
            return self._array
        stored = {} if self._array is None else dict(enumerate(self._array))
        found = {**stored, **self._others}
        return assembled([found[k] for k in range(self._n)])


def at(values: Entries, position: int) -> Any:
    """Return the entry of a component at a position."""
    return values.iloc[position] if hasattr(values, "iloc") else values[position]


def assembled(values: list[Any]) -> NDArray[Any]:
    """Stack values along a new first axis.

    Arrays of one shape are stacked, numbers become an array of their common dtype, text one of
    text; everything else is an object array.

    Examples
    --------
    >>> assembled([1, 2.5])
    array([1. , 2.5])
    >>> assembled([np.zeros(2), np.zeros(3)]).dtype
    dtype('O')
    """
    if values and all(isinstance(value, np.ndarray) for value in values):
        if len({value.shape for value in values}) == 1:
            return np.stack(values)
    elif values and (
        all(isinstance(value, numbers.Number | np.generic) for value in values)
        or all(isinstance(value, str) for value in values)
    ):
        return np.array(values)
    # Filled entry by entry: np.array would look into sequences and make further axes of them.
    out = np.empty(len(values), dtype=object)
    for position, value in enumerate(values):
        out[position] = value
    return out


# Seconds per item above which a second thread is faster: below, threads mostly wait for the
# interpreter lock, and two take up to three times as long as one.
PAYS = 2e-4
FIRST = 5e-3  # limit of the first item, which may import, compile and allocate
MOST = 256  # items between two readings of the clock


@dataclass
class Failed:
    """Failure of one item."""

    position: int
    error: Exception
    text: str


@dataclass
class Chunk:
    """Consecutive items and their keys."""

    start: int
    items: Iterable[Any]
    keys: list[tuple[int, ...]]


class Pending:
    """Items that are not processed yet, taken in order.

    Parameters
    ----------
    items : sequence
        All of them.
    keys : list
        Keys of their random streams: empty, or one for each item.
    """

    def __init__(self, items: Entries, keys: list[tuple[int, ...]]) -> None:
        self._items, self._keys, self._start = items, keys, 0

    def __len__(self) -> int:
        return len(self._items) - self._start

    def take(self, size: int) -> Chunk:
        """Take the next consecutive items."""
        start, stop = self._start, self._start + size
        self._start = min(stop, len(self._items))
        return Chunk(start, self._items[start:stop], self._keys[start:stop])

    def chunks(self, size: int) -> Iterator[Chunk]:
        """Yield the remaining items in chunks."""
        while len(self):
            yield self.take(max(1, size))

    def quick(self) -> Iterator[Chunk]:
        """Yield chunks for one thread, as long as an item takes at most PAYS.

        Each chunk is run before the next is requested, which measures its time.
        """
        size, limit = 1, FIRST
        while len(self):
            started = time.perf_counter()
            yield self.take(size)
            if time.perf_counter() - started > limit:
                return
            size = min(2 * size, MOST)
            limit = size * PAYS


@dataclass
class LocalTask:
    """Run chunks in this process; results are stored directly."""

    work: Work
    into: Sink
    on_error: str

    def __call__(self, chunk: Chunk) -> list[Failed]:
        """Run a chunk and return its failures."""
        return _filled(self.work, chunk, self.into.put, 0, self.on_error)


@dataclass
class RemoteTask:
    """Run chunks in other processes; results return together, stacked if possible."""

    work: Work
    on_error: str

    def __call__(self, chunk: Chunk) -> tuple[int, Any, list[Failed]]:
        """Run a chunk and return its start, results and failures."""
        found = Listed()
        failures = _filled(self.work, chunk, found.put, chunk.start, self.on_error)
        for failure in failures:
            try:
                pickle.loads(pickle.dumps(failure.error))  # noqa: S301  # our own
            except Exception:  # of any class; some are dumped and only fail to load
                text = f"{type(failure.error).__name__}: {failure.error}"
                failure.error = RuntimeError(text)
        return chunk.start, found.packed(), failures


def _filled(
    work: Work, chunk: Chunk, put: Callable[[int, Any], None], offset: int, on_error: str
) -> list[Failed]:
    """Call it for the items of a chunk, pass each result to `put`, and return the failures."""
    failures = []
    # Called directly, a function of an item alone has half the overhead for each.
    plain, function, kwargs = not (work.spread or work.rng), work.function, work.kwargs
    start = chunk.start
    for k, item in enumerate(chunk.items):
        try:
            value = (
                function(item, **kwargs)
                if plain
                else work(item, chunk.keys[k] if chunk.keys else None)
            )
        except Exception as error:  # of any class, raised by the user's function
            failures.append(Failed(start + k, error, traceback.format_exc()))
            if on_error == "raise":
                break
        else:
            put(start + k - offset, value)
    return failures


class Listed(dict[int, Any]):
    """Results by position, unchanged."""

    put = dict.__setitem__

    def packed(self) -> Any:
        """Return one array if all results have the same shape and dtype, else a dict."""
        values = list(self.values())
        first: Any = values[0] if values else None
        if not hasattr(first, "dtype") or getattr(first, "ndim", 0) == 0:
            return dict(self)
        alike = all(
            type(v) is type(first) and v.shape == first.shape and v.dtype == first.dtype
            for v in values
        )
        return (list(self), assembled(values)) if alike else dict(self)


def placed(result: tuple[int, Any, list[Failed]], into: Sink) -> list[Failed]:
    """Store the results of a chunk and return its failures."""
    start, packed, failures = result
    if isinstance(packed, tuple) and isinstance(into, Collected):
        positions, values = packed
        # Without failed items the positions are consecutive, and one copy stores the chunk.
        if positions == list(range(len(positions))):
            into.put_block(start, values)
            return failures
    found = packed.items() if isinstance(packed, dict) else zip(*packed, strict=True)
    for position, value in found:
        into.put(start + position, value)
    return failures


# batchflow's names of targets, and the backends of `tl.parallel`.
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
CHUNKS = 4  # for each worker, so that a slow one delays the end only a little


@dataclass
class Call:
    """A function over items, on a target.

    Parameters
    ----------
    work : Work
        Function and its arguments.
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
            raise WrongTypeError(f"timeout is a number of seconds, not {self.timeout!r:.80}")
        if not isinstance(self.on_error, str) or self.on_error not in ("raise", "collect", "skip"):
            raise SpecError(f"on_error is raise, collect or skip, not {self.on_error!r}")

    def run(
        self, items: Entries, keys: list[tuple[int, ...]], labels: Sequence[Any], into: Sink
    ) -> list[Failed]:
        """Call it for each item; results go into ``into.put(position, result)``.

        Raises
        ------
        BatchError
            When it raises, unless failed items are left out: with all labels and errors so far.
        """
        failures: list[Failed] = []
        others = {"serial": self._here, "threads": self._here, "async": self._asynchronously}
        runner = others.get(TARGETS[self.target], self._elsewhere)
        with self._named(labels):
            for failure in runner(items, keys, into):
                failures.append(failure)
                if self.on_error == "raise":
                    break
        if failures and self.on_error != "skip":
            raise _error(failures, labels)
        return failures

    @contextmanager
    def _named(self, labels: Sequence[Any]) -> Iterator[None]:
        """Name the items of a worker that died, or the object that cannot be pickled.

        Raises
        ------
        WorkerFailedError
            When a worker dies.
        SpecError
            For a function, argument or result that cannot be pickled.
        """
        size = max(1, self._chunk_size(len(labels)))
        called = getattr(self.work.function, "__wrapped__", self.work.function)
        function = getattr(called, "__qualname__", type(called).__name__)
        try:
            yield
        except WorkerFailedError as error:
            if not isinstance(error.key, int):
                raise
            held = labels[error.key * size : (error.key + 1) * size]
            which = (
                f"item {held[0]!r}" if len(held) == 1 else f"an item of {held[0]!r} .. {held[-1]!r}"
            )
            how = str(error).partition(" while it ran")[0]
            raise WorkerFailedError(
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

    def _here(self, items: Entries, keys: list[Any], into: Sink) -> Iterator[Failed]:
        """Run in this process; results are stored directly."""
        todo, backend = Pending(items, keys), TARGETS[self.target]
        task = LocalTask(self.work, into, self.on_error)
        # One thread runs short items faster than several. Not with a timeout: it is counted for
        # each map, and would start again with the second one.
        if backend == "threads" and self.timeout is None:
            yield from chain.from_iterable(self._mapped(task, todo.quick(), "serial"))
        size = len(todo) if backend == "serial" else self._chunk_size(len(todo))
        yield from chain.from_iterable(self._mapped(task, todo.chunks(size), backend))

    def _elsewhere(self, items: Entries, keys: list[Any], into: Sink) -> Iterator[Failed]:
        """Run in other processes; results return in chunks."""
        todo, task = Pending(items, keys), RemoteTask(self.work, self.on_error)
        chunks = todo.chunks(self._chunk_size(len(items)))
        for result in self._mapped(task, chunks, TARGETS[self.target]):
            yield from placed(result, into)

    def _mapped(
        self, task: LocalTask | RemoteTask, chunks: Iterable[Chunk], backend: str
    ) -> Iterator[Any]:
        workers = 1 if backend == "serial" else self.workers
        found: Any = pmap(task, chunks, backend=backend, workers=workers, progress="batch")
        # Closed, the map stops its workers when the first failure ends the loop over it.
        with closing(found if self.timeout is None else _until(found, self.timeout)) as results:
            yield from results

    def _chunk_size(self, n: int) -> int:
        return -(-n // (CHUNKS * (self.workers or current().nworkers())))

    def _asynchronously(self, items: Entries, keys: list[Any], into: Sink) -> Iterator[Failed]:
        if not inspect.iscoroutinefunction(self.work.function):
            raise SpecError("target 'async' needs a coroutine function, made with `async def`")
        gathered = self._gathered(items, keys, into)
        # In another thread, since asyncio.run refuses to start within the event loop of a notebook.
        (failures,) = pmap(
            lambda one: asyncio.run(asyncio.wait_for(one, self.timeout)), [gathered], workers=2
        )
        yield from failures

    async def _gathered(self, items: Entries, keys: list[Any], into: Sink) -> list[Failed]:
        calls = [self.work(items[k], keys[k] if keys else None) for k in range(len(items))]
        found = await asyncio.gather(*calls, return_exceptions=True)
        failures = []
        for position, value in enumerate(found):
            if isinstance(value, Exception):
                failures.append(Failed(position, value, "".join(traceback.format_exception(value))))
            else:
                into.put(position, value)
        return failures


def _error(failures: list[Failed], labels: Sequence[Any]) -> BatchError:
    failures.sort(key=lambda failure: failure.position)
    first = failures[0]
    label = labels[first.position]
    text = (
        f"{len(failures)} of {len(labels)} items failed" if len(failures) > 1 else "an item failed"
    )
    error = BatchError(
        f"{text}; item {label!r} raised {type(first.error).__name__}: {first.error}\n{first.text}",
        errors=[(labels[failure.position], failure.error) for failure in failures],
    )
    error.__cause__ = first.error
    return error


def _until(results: Generator[Any], timeout: float) -> Generator[Any]:
    """Yield results until a timeout, after which no further call starts."""
    found: queue.SimpleQueue[Any] = queue.SimpleQueue()
    over = threading.Event()

    # A daemon, so that a call that never returns does not keep the process from ending.
    def consume() -> None:
        with closing(results):
            try:
                for result in results:
                    found.put((result, None))
                    if over.is_set():
                        return
            except BaseException as error:  # raised in the thread that takes the results
                found.put((None, error))
        found.put((None, StopIteration()))

    threading.Thread(target=consume, daemon=True).start()
    deadline = time.monotonic() + timeout
    try:
        while True:
            try:
                result, error = found.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                text = f"the items took longer than {timeout} s: increase timeout="
                raise TimedOutError(text) from None
            if isinstance(error, StopIteration):
                return
            if error is not None:
                raise error
            yield result
    finally:
        over.set()
