"""One parallel call over the items of a batch: arguments in, results in order out."""

from __future__ import annotations

import asyncio
import inspect
import traceback
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from thunderlike.batches.assembling import Collected, assembled
from thunderlike.config import current
from thunderlike.errors import BatchError, SpecError
from thunderlike.parallel.maps import pmap
from thunderlike.parallel.seeds import generator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["TARGETS", "Call", "Chunk", "Failed", "Work", "accepted", "arguments"]

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
class Work:
    """What is called for an item; pickled when it runs elsewhere.

    Parameters
    ----------
    function : callable
        Takes an item, or the arguments that an item is.
    kwargs : dict
        Further arguments of every call.
    spread : bool
        Items are arguments: a tuple or list of positional ones, a dict of named ones, or
        ``(tuple, dict)`` of both.
    rng : bool
        It takes ``rng``, a random stream of the item.
    """

    function: Callable[..., Any]
    kwargs: dict[str, Any] = field(default_factory=dict)
    spread: bool = False
    rng: bool = False

    def __call__(self, item: Any, key: tuple[int, ...] | None = None) -> Any:
        """Call it for one item."""
        if not (self.spread or self.rng):
            return self.function(item, **self.kwargs)
        args, named = arguments(item) if self.spread else ((item,), {})
        if self.rng:
            assert key is not None
            named = {**named, "rng": generator(key[0], *key[1:])}
        return self.function(*args, **named, **self.kwargs)


def arguments(item: Any) -> tuple[Any, dict[str, Any]]:
    """What an element of `init` says to call with."""
    if isinstance(item, tuple) and len(item) == 2 and isinstance(item[1], dict):
        return item if isinstance(item[0], tuple | list) else ((item[0],), item[1])
    if isinstance(item, tuple | list):
        return item, {}
    return ((), item) if isinstance(item, dict) else ((item,), {})


def accepted(function: Callable[..., Any], offered: dict[str, Any]) -> dict[str, Any]:
    """Those of the offered arguments that a function takes by name."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # a ufunc or the like
        return {}
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return offered
    known = {p.name for p in parameters if p.kind in (p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD)}
    return {name: value for name, value in offered.items() if name in known}


@dataclass
class Failed:
    """An item that failed, on its way back."""

    position: int
    error: Exception
    text: str


@dataclass
class Chunk:
    """Items in a row, and their keys."""

    start: int
    items: Any
    keys: list[tuple[int, ...]]


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
        if self.target not in TARGETS:
            raise SpecError(f"target is one of {', '.join(TARGETS)}, not {self.target!r}")
        if self.on_error not in ("raise", "collect", "skip"):
            raise SpecError(f"on_error is raise, collect or skip, not {self.on_error!r}")

    def run(self, items: Any, keys: list[tuple[int, ...]], labels: Any, into: Any) -> list[Failed]:
        """Call it for each item; results go into ``into.put(position, result)``.

        Raises
        ------
        BatchError
            When it raises, unless failed items are left out: with all labels and errors so far.
        """
        failures: list[Failed] = []
        backend = TARGETS[self.target]
        run = self._asynchronously if backend == "async" else self._mapped
        for failure in run(items, keys, into):
            failures.append(failure)
            if self.on_error == "raise":
                break
        if failures and self.on_error != "skip":
            raise _error(failures, labels)
        return failures

    def _mapped(self, items: Any, keys: list[Any], into: Any) -> Iterator[Failed]:
        backend = TARGETS[self.target]
        here = backend in ("serial", "threads")
        first = 0
        if here and isinstance(into, Collected) and len(items):
            failure = _one(self.work, items[0], keys[0] if keys else None, 0, into, learn=True)
            first = 1
            if failure is not None:
                yield failure
        size = len(items) if backend == "serial" else self._chunk_size(len(items))
        chunks = _chunks(items, keys, first, max(1, size))
        task: Any = (
            _Here(self.work, into, self.on_error) if here else _There(self.work, self.on_error)
        )
        found: Any = pmap(task, chunks, backend=backend, workers=self.workers, progress="batch")
        with closing(self._in_time(found)) as results:
            for result in results:
                yield from result if here else _placed(result, into)

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


def _one(
    work: Work, item: Any, key: Any, position: int, into: Any, *, learn: bool = False
) -> Failed | None:
    """Call it for an item; `learn` makes room for results like this one."""
    try:
        value = work(item, key)
    except Exception as error:  # whatever a user's function raises
        return Failed(position, error, traceback.format_exc())
    if learn:
        into.expect(value)
    into.put(position, value)
    return None


def _chunks(items: Any, keys: list[Any], first: int, size: int) -> Iterator[Chunk]:
    for start in range(first, len(items), size):
        yield Chunk(start, items[start : start + size], keys[start : start + size])


def _fill(work: Work, chunk: Chunk, into: Any, offset: int, on_error: str) -> list[Failed]:
    failures = []
    plain, function, kwargs = not (work.spread or work.rng), work.function, work.kwargs
    put, start = into.put, chunk.start
    for k, item in enumerate(chunk.items):
        try:
            value = (
                function(item, **kwargs)
                if plain
                else work(item, chunk.keys[k] if chunk.keys else None)
            )
        except Exception as error:  # whatever a user's function raises
            failures.append(Failed(start + k, error, traceback.format_exc()))
            if on_error == "raise":
                break
        else:
            put(start + k - offset, value)
    return failures


@dataclass
class _Here:
    """Chunks in this process: results go where they belong at once."""

    work: Work
    into: Any
    on_error: str

    def __call__(self, chunk: Chunk) -> list[Failed]:
        return _fill(self.work, chunk, self.into, 0, self.on_error)


@dataclass
class _There:
    """Chunks elsewhere: results come back together, as one array where they are alike."""

    work: Work
    on_error: str

    def __call__(self, chunk: Chunk) -> tuple[int, Any, list[Failed]]:
        found = _Listed()
        failures = _fill(self.work, chunk, found, chunk.start, self.on_error)
        return chunk.start, found.packed(), [_portable(failure) for failure in failures]


class _Listed(dict[int, Any]):
    """Results by position."""

    put = dict.__setitem__

    def packed(self) -> Any:
        """One array where they are arrays that are alike, else themselves."""
        values = list(self.values())
        alike = values and all(type(v) is type(values[0]) for v in values) and _uniform(values)
        return (list(self), assembled(values)) if alike else dict(self)


def _uniform(values: list[Any]) -> bool:
    first = values[0]
    return (
        hasattr(first, "dtype")
        and getattr(first, "ndim", 0) > 0
        and all(v.shape == first.shape and v.dtype == first.dtype for v in values)
    )


def _placed(result: tuple[int, Any, list[Failed]], into: Any) -> list[Failed]:
    """Put the results of a chunk where they belong; its failures."""
    start, packed, failures = result
    if isinstance(packed, tuple) and isinstance(into, Collected):
        positions, values = packed
        if positions == list(range(len(positions))):
            into.put_block(start, values)
            return failures
    found = packed.items() if isinstance(packed, dict) else zip(*packed, strict=True)
    for position, value in found:
        into.put(start + position, value)
    return failures


def _portable(failure: Failed) -> Failed:
    """The failure with its exception, or its text where that cannot be pickled."""
    import pickle

    try:
        pickle.loads(pickle.dumps(failure.error))  # noqa: S301  # our own
    except Exception:  # any of them
        failure.error = RuntimeError(f"{type(failure.error).__name__}: {failure.error}")
    return failure


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
    import queue
    import threading
    import time

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
                raise TimeoutError(f"the items were not done within {timeout} s") from None
            if isinstance(error, StopIteration):
                return
            if error is not None:
                raise error
            yield result
    finally:
        over.set()
