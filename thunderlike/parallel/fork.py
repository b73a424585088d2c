"""Work in forks of this process, which share its memory without pickling."""

from __future__ import annotations

import mmap
import multiprocessing
import traceback
import warnings
from contextlib import ExitStack, closing, suppress
from typing import TYPE_CHECKING, Any, TypeVar

from thunderlike.errors import EngineError, WorkerFailedError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
    from multiprocessing.connection import Connection

__all__ = ["forked", "shared", "spread"]

Item = TypeVar("Item")
Result = TypeVar("Result")


def shared(nbytes: int) -> memoryview:
    """Return memory that forks made from now on write for this process too; zeros at first.

    Raises
    ------
    EngineError
        When there is not so much.
    """
    try:
        return memoryview(mmap.mmap(-1, max(1, nbytes)))[:nbytes]
    except OSError as error:
        raise EngineError(f"no {nbytes / 1e6:.0f} MB of memory to share: {error}") from error


def spread(
    function: Callable[[Item], Result], items: Sequence[Item], workers: int
) -> Iterator[Result]:
    """Call a function for each item in forks of this process; its results as they come.

    Parameters
    ----------
    function : callable
        Need not be pickled, its results are: large ones go to :func:`shared` memory.
    items : sequence
        Dealt out to the forks in turn.
    workers : int
        Forks, at most.

    Raises
    ------
    Exception
        What the function raised first; the forks end.
    WorkerFailedError
        When one ends without a word.

    Notes
    -----
    For systems that fork: Linux and macOS. Threads of this process are not in its forks. Called in
    a fork, or in another worker process, it calls the function there.

    Examples
    --------
    >>> squares = shared(4)
    >>> def square(number):
    ...     squares[number] = number * number
    ...     return number
    >>> sorted(spread(square, range(4), workers=2)), squares.tolist()
    ([0, 1, 2, 3], [0, 1, 4, 9])
    """
    shares = [items[k::workers] for k in range(min(workers, len(items)))]
    with ExitStack() as crew:
        teams = [
            crew.enter_context(closing(forked(_started(function, share), len(share) + 1)))
            for share in shares
        ]
        for team in teams:
            next(team)  # all run before anybody is waited for
        while teams:
            for team in tuple(teams):
                try:
                    yield next(team)
                except StopIteration:
                    teams.remove(team)


def _started(function: Callable[[Any], Any], share: Iterable[Any]) -> Iterator[Any]:
    yield None
    yield from map(function, share)


def forked(items: Iterable[Item], ahead: int = 3) -> Generator[Item, None, None]:
    """Take items in a fork of this process; what is raised there is raised here.

    Parameters
    ----------
    items : iterable
        Need not be pickled: the fork has it. Its items are.
    ahead : int
        How many may be made before they are asked for.

    Raises
    ------
    WorkerFailedError
        When the process ends without a word.

    Notes
    -----
    For systems that fork: Linux and macOS. The process ends with the iterator. In a fork, and in
    any other worker process, items are made there: its siblings have the other cores.

    Examples
    --------
    >>> list(forked(number * number for number in range(5)))
    [0, 1, 4, 9, 16]
    """
    if multiprocessing.current_process().daemon:  # which may have no processes of its own
        yield from items
        return
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe(duplex=False)
    room = context.Semaphore(ahead)
    process = context.Process(target=_feed, args=(items, here, there, room), daemon=True)
    with warnings.catch_warnings():
        # Python 3.12 warns of threads that hold a lock when it forks: ours hold none that are used.
        warnings.simplefilter("ignore", DeprecationWarning)
        process.start()
    there.close()  # the fork has the only one now, so its death ends the pipe
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


def _received(here: Connection, process: Any) -> tuple[bool, Any]:
    try:
        found: tuple[bool, Any] = here.recv()
    except EOFError:
        process.join()
        raise WorkerFailedError(
            f"the process that made the items ended with code {process.exitcode}"
        ) from None
    return found


def _feed(items: Iterable[Any], here: Connection, there: Connection, room: Any) -> None:
    here.close()
    with suppress(BrokenPipeError):  # nobody takes them any more
        try:
            for item in items:
                room.acquire()
                there.send((True, item))
            there.send((False, None))
        except BrokenPipeError:
            raise
        except BaseException as error:
            error.add_note(f"In the process that made the items:\n{traceback.format_exc()}")
            _send_error(there, error)


def _send_error(there: Connection, error: BaseException) -> None:
    try:
        there.send((False, error))
    except BrokenPipeError:
        raise
    except Exception:  # one that cannot be pickled is told in words
        there.send((False, WorkerFailedError(f"{type(error).__name__}: {error}")))
