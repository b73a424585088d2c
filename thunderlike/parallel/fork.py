"""Work in forks of this process, which share its memory without pickling."""

from __future__ import annotations

import itertools
import multiprocessing
import traceback
import warnings
from contextlib import ExitStack, closing, suppress
from typing import TYPE_CHECKING, Any, TypeVar

from thunderlike._system import can_fork
from thunderlike.errors import WorkerFailedError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess
    from multiprocessing.synchronize import Semaphore

__all__ = ["fork_iterate", "fork_map"]

Item = TypeVar("Item")
Result = TypeVar("Result")


def fork_map(
    function: Callable[[Item], Result], items: Sequence[Item], workers: int
) -> Iterator[Result]:
    """Map a function over items in forks of this process; yield results as they complete.

    Parameters
    ----------
    function : callable
        Not pickled, unlike its results: write large ones to
        :func:`~thunderlike.parallel.shared_memory.anonymous_memory`.
    items : sequence
        Distributed to the forks in turn.
    workers : int
        Maximum number of forks.

    Raises
    ------
    Exception
        The first exception of the function; the forks end.
    WorkerFailedError
        When a fork ends without a result.

    Notes
    -----
    Forks do not have the threads of this process. In a fork or another worker process, and on
    macOS, whose libraries abort in forks, the function is called in that process.

    Examples
    --------
    >>> from thunderlike.parallel.shared_memory import anonymous_memory
    >>> squares = anonymous_memory(4)
    >>> def square(number):
    ...     squares[number] = number * number
    ...     return number
    >>> sorted(fork_map(square, range(4), workers=2)), squares.tolist()
    ([0, 1, 2, 3], [0, 1, 4, 9])
    """
    shares = [items[k::workers] for k in range(min(workers, len(items)))]
    with ExitStack() as stack:
        forks: list[Generator[Any, None, None]] = []
        for share in shares:
            # The None in front reports that the fork has started.
            results: Iterator[Any] = itertools.chain([None], map(function, share))
            fork = fork_iterate(results, len(share) + 1)
            forks.append(stack.enter_context(closing(fork)))
        for fork in forks:
            next(fork)  # start all before waiting for a result of one
        while forks:
            for fork in tuple(forks):
                try:
                    yield next(fork)
                except StopIteration:
                    forks.remove(fork)


def fork_iterate(items: Iterable[Item], ahead: int = 3) -> Generator[Item, None, None]:
    """Iterate in a fork of this process, ahead of the caller; exceptions are raised here.

    Parameters
    ----------
    items : iterable
        Not pickled, unlike its items.
    ahead : int
        Maximum number of items produced before they are requested.

    Raises
    ------
    WorkerFailedError
        When the fork ends before its last item.

    Notes
    -----
    The fork ends with the iterator. In a fork or another worker process, whose siblings use the
    other cores, and on macOS, whose libraries abort in forks, items are produced in that process.

    Examples
    --------
    >>> list(fork_iterate(number * number for number in range(5)))
    [0, 1, 4, 9, 16]
    """
    # Daemonic processes cannot have children.
    if multiprocessing.current_process().daemon or not can_fork():
        yield from items
        return
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe(duplex=False)
    room = context.Semaphore(ahead)
    process = context.Process(target=_feed, args=(items, here, there, room), daemon=True)
    with warnings.catch_warnings():
        # Python 3.12 warns of forks with threads, whose locks stay held: the fork uses none.
        warnings.simplefilter("ignore", DeprecationWarning)
        process.start()
    there.close()  # the fork has the only copy now, so that its end closes the pipe
    try:
        while (more := _received(here, process))[0]:
            room.release()
            yield more[1]
        if more[1] is not None:
            raise more[1]
    finally:
        here.close()
        process.terminate()
        process.join()


def _received(here: Connection, process: BaseProcess) -> tuple[bool, Any]:
    try:
        found: tuple[bool, Any] = here.recv()
    except EOFError:
        process.join()
        raise WorkerFailedError(
            f"the process that made the items ended with code {process.exitcode}"
        ) from None
    return found


def _feed(items: Iterable[Any], here: Connection, there: Connection, room: Semaphore) -> None:
    here.close()
    with suppress(BrokenPipeError):  # the iterator was closed
        try:
            for item in items:
                room.acquire()
                there.send((True, item))
            there.send((False, None))
        except BrokenPipeError:
            raise
        except BaseException as error:
            error.add_note(f"In the process that made the items:\n{traceback.format_exc()}")
            try:
                there.send((False, error))
            except BrokenPipeError:
                raise
            except Exception:  # it cannot be pickled: send its text
                there.send((False, WorkerFailedError(f"{type(error).__name__}: {error}")))
