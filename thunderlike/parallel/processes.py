"""Process backend: worker processes of this machine, reused between maps."""

from __future__ import annotations

import abc
import atexit
import multiprocessing
import multiprocessing.util  # before ours it registers what it does at exit, which then comes after
import os
import reprlib
import select
import selectors
import signal
import sys
import threading
import time
from collections import deque
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from thunderlike.config import current
from thunderlike.errors import WorkerFailedError
from thunderlike.parallel._protocol import EMPTY, Kind, Parcel, pack, pack_code, serve, unpack
from thunderlike.parallel.map import Outcome, SerialCrew
from thunderlike.parallel.segments import Exchange, folder_for_segments, remove

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess
    from pathlib import Path

    from thunderlike.config import Settings
    from thunderlike.parallel.map import Plan

__all__ = ["Given", "ProcessCrew", "RemoteCrew", "lent", "processes", "shutdown"]


IN_FLIGHT = 2  # items that a worker has: one it runs, and one it need not wait for


@dataclass(slots=True)
class Given:
    """An item that a worker has."""

    turn: int
    position: int
    item: Any


class RemoteCrew(abc.ABC):
    """Workers that answer their items in the order in which they get them.

    A map has a turn; what comes back from an earlier turn, of a map that was abandoned, is thrown
    away. A subclass knows how a message travels.
    """

    def __init__(self, workers: Iterable[int]) -> None:
        self._given: dict[int, deque[Given]] = {worker: deque() for worker in workers}
        self._free = deque(list(self._given) * IN_FLIGHT)
        self._arrived: deque[Outcome] = deque()
        self._told: set[int] = set()
        self._turn = 0
        self._function = EMPTY

    @property
    def capacity(self) -> int:
        """Items that may be outstanding."""
        return len(self._given) * IN_FLIGHT

    def begin(self, function: Callable[[Any], Any]) -> None:
        """Start a turn with a function; each worker hears of it with its first item."""
        self._function = self._packed((function, current()))

    def _packed(self, code: tuple[Callable[[Any], Any], Settings]) -> Parcel:
        """A function and the settings under which it runs, for workers."""
        return pack_code(code)

    def submit(self, position: int, item: Any) -> None:
        """Give an item to the worker who has waited longest."""
        while not self._free:  # they still run items of a map that was abandoned
            self._absorb()
        parcel = pack(item)
        self._give(self._free.popleft(), Given(self._turn, position, item), parcel)

    def _give(self, worker: int, given: Given, parcel: Parcel) -> None:
        if worker not in self._told:
            self._told.add(worker)
            self._send(worker, Kind.FUNCTION, self._function)
        self._given[worker].append(given)
        self._send(worker, Kind.ITEM, parcel)

    def receive(self) -> Outcome:
        """Wait for the next outcome of this turn."""
        while not self._arrived:
            self._absorb()
        return self._arrived.popleft()

    def close(self) -> None:
        """End the turn: workers drop what they have not begun, and the function."""
        for worker in self._told:
            self._send(worker, Kind.DROP, EMPTY)
        self._told.clear()
        self._arrived.clear()
        self._function = EMPTY
        self._turn += 1

    def _absorb(self) -> None:
        """Wait for one message and note what it says."""
        message = self._receive()
        if message is None:
            return
        worker, kind, parcel = message
        given = self._given[worker].popleft()
        self._free.append(worker)
        if given.turn == self._turn:
            self._arrived.append(_outcome(given.position, kind, parcel))

    @abc.abstractmethod
    def _send(self, worker: int, kind: int, parcel: Parcel) -> None:
        """Send a message without waiting until it is read."""

    @abc.abstractmethod
    def _receive(self) -> tuple[int, int, Parcel] | None:
        """Wait for a message of any worker: who sent it, its kind and its parcel.

        None when something else happened, that has been seen to.
        """


def _outcome(position: int, kind: int, parcel: Parcel) -> Outcome:
    try:
        value = unpack(parcel)
    except Exception as error:  # of a class that only the worker knows
        return Outcome(position, error=error)
    if kind == Kind.RAISED:
        return Outcome(position, error=value.restored())
    return Outcome(position, value)


GRACE = 1.0  # seconds in which a worker that was told to stop may do so


class ProcessCrew(RemoteCrew):
    """Processes that are started with an interpreter of their own: no thread or lock is copied.

    Parameters
    ----------
    workers : int
        How many.
    """

    def __init__(self, workers: int) -> None:
        super().__init__(range(workers))
        self._owner = os.getpid()
        self._folder = folder_for_segments()
        self._selector = selectors.DefaultSelector()
        self._ready: list[int] = []
        self._seats = {worker: self._hired(worker) for worker in self._given}
        self._over = False
        _crews.add(self)

    def _hired(self, worker: int) -> _Seat:
        seat = _Seat(self._folder)
        self._selector.register(seat.connection, selectors.EVENT_READ, worker)
        return seat

    def begin(self, function: Callable[[Any], Any]) -> None:
        """Start a turn; whoever died since the last one is replaced first."""
        for worker, seat in list(self._seats.items()):
            if not seat.process.is_alive():
                self._replace(worker)
        super().begin(function)

    def _check_owner(self) -> None:
        """Refuse to serve a fork of the owner: both would listen to the same workers."""
        if os.getpid() != self._owner:
            raise WorkerFailedError(
                f"a map that process {self._owner} began cannot go on in its fork {os.getpid()}: "
                "begin another one there"
            )

    def _send(self, worker: int, kind: int, parcel: Parcel) -> None:
        if self._over:
            return
        self._check_owner()
        with suppress(BrokenPipeError, ConnectionResetError):  # noticed when we listen to it
            self._seats[worker].exchange.send(kind, parcel)

    def _receive(self) -> tuple[int, int, Parcel] | None:
        self._check_owner()
        if not self._ready:
            self._ready = [key.data for key, _ in self._selector.select()]
        worker = self._ready.pop()
        try:
            return worker, *self._seats[worker].exchange.receive()
        except (EOFError, ConnectionResetError):
            self._replace(worker)
            return None

    def _replace(self, worker: int) -> None:
        """Hire somebody for a worker that died, who runs what that one had not begun."""
        if self._over:
            raise WorkerFailedError("the worker processes were stopped while a map was open")
        self._check_owner()
        seat = self._seats[worker]
        self._selector.unregister(seat.connection)
        how = seat.buried()
        self._seats[worker] = self._hired(worker)
        self._told.discard(worker)
        given = self._given[worker]
        lost = given.popleft() if given else None
        left = [one for one in given if one.turn == self._turn]
        self._free.extend([worker] * (len(given) - len(left) + (lost is not None)))
        given.clear()
        for one in left:
            self._give(worker, one, pack(one.item))
        if lost is not None and lost.turn == self._turn:
            self._arrived.append(
                Outcome(lost.position, error=_death(lost.position, lost.item, how))
            )

    def dismiss(self) -> None:
        """Stop all processes, at once if they do not by themselves, and give back their memory."""
        if self._over or os.getpid() != self._owner:
            return  # a fork of the owner has none of them
        self._over = True
        for seat in self._seats.values():
            with suppress(OSError):  # a line that is broken needs no last word
                seat.exchange.send(Kind.STOP, EMPTY)
        deadline = time.monotonic() + GRACE
        for seat in self._seats.values():
            seat.buried(deadline - time.monotonic())
        self._selector.close()
        remove(self._folder)

    def kill(self) -> None:
        """Stop all processes without a word: what they run is of no use any more."""
        if os.getpid() == self._owner:
            for seat in self._seats.values():
                seat.process.kill()
        self.dismiss()


class _Seat:
    """One process, and our end of the line to it."""

    def __init__(self, folder: Path) -> None:
        context: Any = multiprocessing.get_context(_start_method())
        self.connection, theirs = context.Pipe()
        self.process: BaseProcess = context.Process(
            target=_work, args=(theirs, folder), name="thunderlike-worker", daemon=True
        )
        self.process.start()
        theirs.close()
        self._folder = folder
        self.exchange = Exchange(self.connection, folder, f"to-{self.process.pid}-")

    def buried(self, grace: float = GRACE) -> str:
        """Wait for the end of the process, help it along, tidy up; say how it ended."""
        self.process.join(max(0.0, grace))
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
        code, pid = self.process.exitcode, self.process.pid
        for left in [*self._folder.glob(f"to-{pid}-*"), *self._folder.glob(f"from-{pid}-*")]:
            left.unlink(missing_ok=True)
        self.connection.close()
        self.process.close()
        return f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"


def _start_method() -> str:
    """Fork from a clean server where there is one: numba, Java and locks do not survive a fork."""
    known = multiprocessing.get_all_start_methods()
    return "forkserver" if "forkserver" in known else "spawn"


def _death(position: int, item: Any, how: str) -> WorkerFailedError:
    return WorkerFailedError(
        f"a worker process ended by {how} while it ran item {position}, {reprlib.repr(item)}: "
        "look for a crash in compiled code or too little memory; the other items are not affected",
        key=position,
    )


# ---- in the worker


class _Line(Exchange):
    """A worker's end: as an exchange, and knows whether a message waits."""

    def __init__(self, connection: Connection, folder: Path) -> None:
        super().__init__(connection, folder, f"from-{os.getpid()}-")
        self._poll = select.poll()
        self._poll.register(connection, select.POLLIN)

    def ready(self) -> bool:
        """Look whether there is a message already."""
        return bool(self._poll.poll(0))


def _work(connection: Connection, folder: Path) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C is for whoever gave us the work
    with suppress(EOFError, BrokenPipeError, ConnectionResetError):
        serve(_Line(connection, folder))
        return
    remove(folder)  # its owner is gone without a word


# ---- crews are kept: starting a process takes as long as thousands of small items

_crews: WeakSet[ProcessCrew] = WeakSet()  # all that there are
_idle: list[ProcessCrew] = []
_lock = threading.Lock()


@contextmanager
def lent(workers: int, function: Callable[[Any], Any]) -> Iterator[ProcessCrew]:
    """A crew with a function, for one map: the one that was kept, if it is of that size.

    It is killed when the map ends by an exit or a Ctrl-C, so that nothing goes on running.
    """
    crew = _kept(workers) or ProcessCrew(workers)
    try:
        crew.begin(function)
        yield crew
    except (KeyboardInterrupt, SystemExit):
        crew.kill()
        raise
    except BaseException:
        _keep(crew)
        raise
    else:
        _keep(crew)


def processes(plan: Plan) -> Generator[Outcome, None, None]:
    """Outcomes of worker processes; of this one, where it is a worker: those have none."""
    if multiprocessing.current_process().daemon:
        yield from plan.over(SerialCrew(plan.function))
        return
    with lent(plan.workers, plan.function) as crew:
        yield from plan.over(crew)


def _kept(workers: int) -> ProcessCrew | None:
    with _lock:
        crew = _idle.pop() if _idle else None
    if crew is None or len(crew._given) == workers:
        return crew
    crew.dismiss()
    return None


def _keep(crew: ProcessCrew) -> None:
    if crew._over or os.getpid() != crew._owner:
        return
    with _lock:
        _idle.append(crew)
        surplus = _idle[:-1]
        del _idle[:-1]
    for one in surplus:
        one.dismiss()


def shutdown() -> None:
    """Stop the processes that are kept for the next map; it starts new ones.

    Examples
    --------
    >>> import thunderlike as tl
    >>> list(tl.parallel.pmap(abs, [-1, 2], backend="processes", workers=1))
    [1, 2]
    >>> tl.parallel.shutdown()  # else that process waits for the next map
    """
    with _lock:
        crews = _idle.copy()
        _idle.clear()
    for crew in crews:
        crew.dismiss()


def _leave() -> None:
    """Stop every process, also those that a map still has when the interpreter ends."""
    shutdown()
    for crew in list(_crews):
        crew.dismiss()


def _forget() -> None:
    """In a fork: it has no crew, and must not wait for the fork server of its parent.

    `multiprocessing` would ask the system for the state of a process that is not a child of the
    fork, and fail.
    """
    global _lock  # noqa: PLW0603
    _lock = threading.Lock()  # a thread that is not here may have held it
    _idle.clear()
    server: Any = getattr(sys.modules.get("multiprocessing.forkserver"), "_forkserver", None)
    if server is None or server._forkserver_pid is None:
        return
    with suppress(OSError):
        os.close(server._forkserver_alive_fd)  # ours: the server ends with the parent's
    preload = server._preload_modules
    server.__init__()
    server._preload_modules = preload


atexit.register(_leave)
os.register_at_fork(after_in_child=_forget)
