"""Process backend: worker processes of this machine, reused between maps."""

from __future__ import annotations

import abc
import atexit
import multiprocessing
import multiprocessing.util  # registers its exit handler before ours, so that ours runs first
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
from thunderlike.parallel._protocol import EMPTY, Kind, Payload, pack, pack_code, serve, unpack
from thunderlike.parallel.map import Outcome, SerialPool
from thunderlike.parallel.shared_memory import Exchange, make_folder, remove_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess
    from pathlib import Path

    from thunderlike.config import Settings
    from thunderlike.parallel.map import Plan

__all__ = ["Assignment", "ProcessPool", "RemotePool", "pool_for", "processes", "shutdown"]


IN_FLIGHT = 2  # items assigned to a worker: one runs while the next is on its way


@dataclass(slots=True)
class Assignment:
    """An item assigned to a worker."""

    turn: int
    position: int
    item: object


class RemotePool(abc.ABC):
    """Pool of workers that each process their items in order.

    Each map is a turn; results of an earlier turn, of an abandoned map, are discarded. Subclasses
    implement the transport.
    """

    def __init__(self, workers: Iterable[int]) -> None:
        self._assigned: dict[int, deque[Assignment]] = {worker: deque() for worker in workers}
        self._free = deque(list(self._assigned) * IN_FLIGHT)
        self._arrived: deque[Outcome] = deque()
        self._prepared: set[int] = set()
        self._turn = 0
        self._function = EMPTY

    @property
    def capacity(self) -> int:
        """Number of items that may be outstanding."""
        return len(self._assigned) * IN_FLIGHT

    def begin(self, function: Callable[[Any], Any]) -> None:
        """Start a turn; the function is sent to each worker before its first item."""
        self._function = self._packed((function, current()))

    def _packed(self, code: tuple[Callable[[Any], Any], Settings]) -> Payload:
        """Pickle a function and the settings under which it runs."""
        return pack_code(code)

    def submit(self, position: int, item: object) -> None:
        """Assign an item to the worker that has been idle longest."""
        while not self._free:  # workers still run items of an abandoned map
            self._absorb()
        payload = pack(item)
        self._assign(self._free.popleft(), Assignment(self._turn, position, item), payload)

    def _assign(self, worker: int, assignment: Assignment, payload: Payload) -> None:
        if worker not in self._prepared:
            self._prepared.add(worker)
            self._send(worker, Kind.FUNCTION, self._function)
        self._assigned[worker].append(assignment)
        self._send(worker, Kind.ITEM, payload)

    def receive(self) -> Outcome:
        """Wait for the next outcome of this turn."""
        while not self._arrived:
            self._absorb()
        return self._arrived.popleft()

    def close(self) -> None:
        """End the turn: workers drop their waiting items and the function."""
        for worker in self._prepared:
            self._send(worker, Kind.DROP, EMPTY)
        self._prepared.clear()
        self._arrived.clear()
        self._function = EMPTY
        self._turn += 1

    def _absorb(self) -> None:
        """Wait for one message and record its outcome."""
        message = self._receive()
        if message is None:
            return
        worker, kind, payload = message
        assignment = self._assigned[worker].popleft()  # a worker answers in order
        self._free.append(worker)
        if assignment.turn == self._turn:
            self._arrived.append(_outcome(assignment.position, kind, payload))

    @abc.abstractmethod
    def _send(self, worker: int, kind: int, payload: Payload) -> None:
        """Send a message without waiting for its reader."""

    @abc.abstractmethod
    def _receive(self) -> tuple[int, int, Payload] | None:
        """Wait for a message of any worker; return the worker, the kind and the payload.

        None when a worker died and was replaced.
        """


def _outcome(position: int, kind: int, payload: Payload) -> Outcome:
    try:
        value = unpack(payload)
    except Exception as error:  # a class that only the worker can import
        return Outcome(position, error=error)
    if kind == Kind.RAISED:
        return Outcome(position, error=value.restored())
    return Outcome(position, value)


GRACE = 1.0  # seconds for a worker to stop before it is killed


class ProcessPool(RemotePool):
    """Pool of processes with interpreters of their own: no thread or lock is copied.

    Parameters
    ----------
    workers : int
        Number of processes.
    """

    def __init__(self, workers: int) -> None:
        super().__init__(range(workers))
        self._owner = os.getpid()
        self._folder = make_folder()
        self._selector = selectors.DefaultSelector()
        self._ready: list[int] = []
        self._processes = {worker: self._started(worker) for worker in self._assigned}
        self._over = False
        _pools.add(self)

    def _started(self, worker: int) -> _Process:
        process = _Process(self._folder)
        self._selector.register(process.connection, selectors.EVENT_READ, worker)
        return process

    def begin(self, function: Callable[[Any], Any]) -> None:
        """Start a turn, after replacing the workers that died since the last one."""
        for worker, one in list(self._processes.items()):
            if not one.process.is_alive():
                self._replace(worker)
        super().begin(function)

    def _check_owner(self) -> None:
        """Raise in a fork of the owner: both would read from the same workers."""
        if os.getpid() != self._owner:
            raise WorkerFailedError(
                f"a map of process {self._owner} cannot continue in its fork {os.getpid()}: "
                "start another one there"
            )

    def _send(self, worker: int, kind: int, payload: Payload) -> None:
        if self._over:
            return
        self._check_owner()
        with suppress(BrokenPipeError, ConnectionResetError):  # seen by the next receive
            self._processes[worker].exchange.send(kind, payload)

    def _receive(self) -> tuple[int, int, Payload] | None:
        self._check_owner()
        if not self._ready:
            self._ready = [key.data for key, _ in self._selector.select()]
        worker = self._ready.pop()
        try:
            return worker, *self._processes[worker].exchange.receive()
        except (EOFError, ConnectionResetError):
            self._replace(worker)
            return None

    def _replace(self, worker: int) -> None:
        """Replace a dead worker and resubmit the items that it had not started."""
        if self._over:
            raise WorkerFailedError("the worker processes were stopped while a map was open")
        self._check_owner()
        process = self._processes[worker]
        self._selector.unregister(process.connection)
        end = process.join()
        self._processes[worker] = self._started(worker)
        self._prepared.discard(worker)
        assigned = self._assigned[worker]
        lost = assigned.popleft() if assigned else None  # the oldest one was running
        waiting = [item for item in assigned if item.turn == self._turn]
        self._free.extend([worker] * (len(assigned) - len(waiting) + (lost is not None)))
        assigned.clear()
        for item in waiting:
            self._assign(worker, item, pack(item.item))
        if lost is not None and lost.turn == self._turn:
            error = WorkerFailedError(
                f"a worker process ended by {end} while it ran item {lost.position}, "
                f"{reprlib.repr(lost.item)}: look for a crash in compiled code or too little "
                "memory; the other items are not affected",
                key=lost.position,
            )
            self._arrived.append(Outcome(lost.position, error=error))

    def shutdown(self) -> None:
        """Stop all processes, kill those that do not stop in time, and free their memory."""
        if self._over or os.getpid() != self._owner:
            return  # the processes belong to the owner, not to its forks
        self._over = True
        for one in self._processes.values():
            with suppress(OSError):  # the process has already ended
                one.exchange.send(Kind.STOP, EMPTY)
        deadline = time.monotonic() + GRACE
        for one in self._processes.values():
            one.join(deadline - time.monotonic())
        self._selector.close()
        remove_folder(self._folder)

    def kill(self) -> None:
        """Kill all processes: the results of running items are not needed."""
        if os.getpid() == self._owner:
            for one in self._processes.values():
                one.process.kill()
        self.shutdown()


class _Process:
    """A worker process, and the driver's end of its pipe."""

    def __init__(self, folder: Path) -> None:
        # A fork server if possible: numba, Java and locks do not survive a fork of this process.
        known = multiprocessing.get_all_start_methods()
        method = "forkserver" if "forkserver" in known else "spawn"
        context: Any = multiprocessing.get_context(method)
        self.connection, theirs = context.Pipe()
        self.process: BaseProcess = context.Process(
            target=_work, args=(theirs, folder), name="thunderlike-worker", daemon=True
        )
        self.process.start()
        theirs.close()
        self._folder = folder
        self.exchange = Exchange(self.connection, folder, f"to-{self.process.pid}-")

    def join(self, grace: float = GRACE) -> str:
        """Join the process, killing it after the grace period; return how it ended."""
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


# ---- in the worker


class _WorkerExchange(Exchange):
    """The worker's end of the pipe."""

    def __init__(self, connection: Connection, folder: Path) -> None:
        super().__init__(connection, folder, f"from-{os.getpid()}-")
        self._poll = select.poll()
        self._poll.register(connection, select.POLLIN)

    def ready(self) -> bool:
        """Return whether a message is waiting."""
        return bool(self._poll.poll(0))


def _work(connection: Connection, folder: Path) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C is handled by the driver
    with suppress(EOFError, BrokenPipeError, ConnectionResetError):
        serve(_WorkerExchange(connection, folder))
        return
    remove_folder(folder)  # the driver ended without a STOP message


# ---- reuse: starting a process takes as long as thousands of small items

_pools: WeakSet[ProcessPool] = WeakSet()  # all pools, idle or in use
_idle: list[ProcessPool] = []
_lock = threading.Lock()


@contextmanager
def pool_for(workers: int, function: Callable[[Any], Any]) -> Iterator[ProcessPool]:
    """Provide a pool with a function for one map: the idle one, if it has that size.

    A Ctrl-C or an exit in the map kills the pool, so that nothing continues to run.
    """
    pool = _reused(workers) or ProcessPool(workers)
    try:
        pool.begin(function)
        yield pool
    except (KeyboardInterrupt, SystemExit):
        pool.kill()
        raise
    except BaseException:
        _keep(pool)
        raise
    else:
        _keep(pool)


def processes(plan: Plan) -> Generator[Outcome, None, None]:
    """Yield the outcomes of worker processes; a daemonic process runs the items itself."""
    if multiprocessing.current_process().daemon:
        yield from plan.over(SerialPool(plan.function))
        return
    with pool_for(plan.workers, plan.function) as pool:
        yield from plan.over(pool)


def _reused(workers: int) -> ProcessPool | None:
    with _lock:
        pool = _idle.pop() if _idle else None
    if pool is None or len(pool._assigned) == workers:
        return pool
    pool.shutdown()
    return None


def _keep(pool: ProcessPool) -> None:
    if pool._over or os.getpid() != pool._owner:
        return
    with _lock:
        _idle.append(pool)
        surplus = _idle[:-1]
        del _idle[:-1]
    for one in surplus:
        one.shutdown()


def shutdown() -> None:
    """Stop the idle processes kept for the next map, which then starts new ones.

    Examples
    --------
    >>> import thunderlike as tl
    >>> list(tl.parallel.pmap(abs, [-1, 2], backend="processes", workers=1))
    [1, 2]
    >>> tl.parallel.shutdown()  # else that process stays for the next map
    """
    with _lock:
        pools = _idle.copy()
        _idle.clear()
    for pool in pools:
        pool.shutdown()


def _leave() -> None:
    """Stop every process at exit, also those of maps that are still open."""
    shutdown()
    for pool in list(_pools):
        pool.shutdown()


def _forget() -> None:
    """Drop the pools in a fork, and detach it from the fork server of its parent.

    `multiprocessing` would wait for the server, which is not a child of the fork, and fail.
    """
    global _lock  # noqa: PLW0603
    _lock = threading.Lock()  # a thread of the parent may have held it
    _idle.clear()
    server: Any = getattr(sys.modules.get("multiprocessing.forkserver"), "_forkserver", None)
    if server is None or server._forkserver_pid is None:
        return
    with suppress(OSError):
        os.close(server._forkserver_alive_fd)  # the server ends when the parent closes its copy
    preload = server._preload_modules
    server.__init__()
    server._preload_modules = preload


atexit.register(_leave)
os.register_at_fork(after_in_child=_forget)
