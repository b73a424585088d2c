"""One iterable run in a process of its own, a few items ahead of whoever takes them."""

from __future__ import annotations

import multiprocessing
import traceback
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from thunderlike.errors import WorkerFailed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from multiprocessing.connection import Connection

__all__ = ["forked"]

Item = TypeVar("Item")


def forked(items: Iterable[Item], ahead: int = 3) -> Iterator[Item]:
    """Take items in a fork of this process; what is raised there is raised here.

    Parameters
    ----------
    items : iterable
        Need not be pickled: the fork has it. Its items are.
    ahead : int
        How many may be made before they are asked for.

    Raises
    ------
    WorkerFailed
        When the process ends without a word.

    Notes
    -----
    For systems that fork: Linux and macOS. The process ends with the iterator.

    Examples
    --------
    >>> list(forked(number * number for number in range(5)))
    [0, 1, 4, 9, 16]
    """
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe(duplex=False)
    room = context.Semaphore(ahead)
    process = context.Process(target=_feed, args=(items, here, there, room), daemon=True)
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
        raise WorkerFailed(
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
        there.send((False, WorkerFailed(f"{type(error).__name__}: {error}")))
