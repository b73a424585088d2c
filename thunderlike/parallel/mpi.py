"""MPI backend: a bounded master and its workers, over point-to-point messages."""

from __future__ import annotations

import atexit
import functools
import math
import os
import pickle
import signal
import sys
import time
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

from thunderlike._lazy import optional
from thunderlike.errors import EngineError, SpecError
from thunderlike.parallel._protocol import APART, EMPTY, Kind, Payload, pack, pack_by_value, serve
from thunderlike.parallel.processes import RemotePool
from thunderlike.progress import progress

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from types import TracebackType

    from thunderlike.config import Settings
    from thunderlike.parallel.map import Outcome, Plan

__all__ = ["Poller", "RankPool", "launched", "lead", "pool_for", "rank", "ranks", "size", "work"]

SHORT = 3e-4  # seconds; shorter waits poll without pauses
SHARE, LONGEST = 8, 1e-3  # a pause is an eighth of the wait so far, at most a millisecond
_FORWARDED = 0.5  # seconds in which mpirun passes on a line, which an abort would lose


class Poller:
    """Wait by polling, with pauses that grow with the wait.

    After short waits it polls without pauses, after a long one with pauses from the start. Pauses
    make a small message ten times slower; polling without them occupies a core of the workers.
    """

    def __init__(self) -> None:
        self._spin = SHORT

    def wait(self, ready: Callable[[], bool]) -> None:
        """Poll until `ready` returns True."""
        started, waited = time.perf_counter(), 0.0
        while not ready():
            waited = time.perf_counter() - started
            if waited < self._spin:
                os.sched_yield()
            else:
                time.sleep(min(LONGEST, waited / SHARE))
        self._spin = SHORT if waited < SHORT else 0.0


# Variables that launchers set: Hydra and MPICH, Open MPI and PMIx, MVAPICH.
LAUNCHERS = ("PMI_RANK", "PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "PMIX_RANK", "MV2_COMM_WORLD_SIZE")

WITH, BUFFER = 50, 100  # added to the tag of a message with buffers; tag of their pieces
GRACE = 1.0  # seconds for ranks to finish their items when rank 0 exits after an error
PIECE = 2**30  # bytes of a message, at most


def launched() -> bool:
    """Return whether `mpirun` started this process, from its environment."""
    return any(name in os.environ for name in LAUNCHERS)


@functools.cache
def _mpi() -> Any:
    return optional("mpi4py.MPI", "mpi")


@functools.cache
def _communicator() -> Any:
    """Duplicate the world communicator, so that messages of other libraries are kept apart."""
    return _mpi().COMM_WORLD.Dup()


def rank() -> int:
    """Number of this rank."""
    return int(_mpi().COMM_WORLD.Get_rank())


def size() -> int:
    """Number of ranks."""
    return int(_mpi().COMM_WORLD.Get_size())


class _Channel:
    """Messages between this rank and others.

    A small message is one body, tagged with its kind. A large one is a list of sizes, tagged with
    its kind plus WITH, followed by the body and the buffers in pieces.
    """

    def __init__(self) -> None:
        mpi = _mpi()
        self._comm, self._status = _communicator(), mpi.Status()
        self._byte, self._any = mpi.BYTE, mpi.ANY_TAG
        self._poller = Poller()

    def probe(self, source: int) -> bool:
        """Return whether a message has arrived."""
        return bool(self._comm.Iprobe(source, self._any, self._status))

    def wait(self, ready: Callable[[], bool]) -> None:
        """Poll until `ready` returns True."""
        self._poller.wait(ready)

    def take(self, source: int) -> tuple[int, int, Payload]:
        """Wait for a message; return its rank, its kind and its payload."""
        if not self.probe(source):
            self.wait(lambda: self.probe(source))
        source, tag = self._status.source, self._status.tag
        body = self._received(source, tag, self._status.Get_count(self._byte))
        if tag < WITH:
            return source, tag, Payload(body, [])
        sizes = pickle.loads(body)  # noqa: S301  # from a rank of our own job
        plain, *buffers = (self._received(source, BUFFER, nbytes) for nbytes in sizes)
        return source, tag - WITH, Payload(plain, buffers)

    def _received(self, source: int, tag: int, nbytes: int) -> Any:
        data: Any = b""
        if nbytes < APART:
            data = bytearray(nbytes)
        else:
            import numpy as np

            data = np.empty(nbytes, np.uint8)  # not zeroed, unlike a bytearray
        for piece in _pieces(data):
            self._comm.Recv([piece, self._byte], source, tag)
        return data

    def parts(self, kind: int, payload: Payload) -> list[tuple[Any, int]]:
        """Return the data of a message and their tags, in the order of sending."""
        body, buffers = payload
        if not buffers and len(body) < APART:
            return [([body, self._byte], kind)]
        sizes = [memoryview(one).nbytes for one in (body, *buffers)]
        pieces = [piece for one in (body, *buffers) for piece in _pieces(one)]
        head = [pickle.dumps(sizes), self._byte]
        return [(head, kind + WITH), *(([piece, self._byte], BUFFER) for piece in pieces)]

    def post(self, worker: int, kind: int, payload: Payload) -> list[Any]:
        """Start to send; the requests keep the data alive until they are waited for."""
        return [self._comm.Isend(data, worker, tag) for data, tag in self.parts(kind, payload)]


def _pieces(data: Any) -> list[memoryview]:
    """Cut data into pieces that any MPI can count (some up to 2 GiB only); at least one."""
    view = memoryview(data).cast("B")
    return [view[start : start + PIECE] for start in range(0, max(1, view.nbytes), PIECE)]


class _WorkerChannel(_Channel):
    """The worker's end of the messages with rank 0."""

    def receive(self) -> tuple[int, Payload]:
        """Wait for the next message of rank 0."""
        _, kind, payload = self.take(0)
        return kind, payload

    def ready(self) -> bool:
        """Return whether a message is waiting."""
        return self.probe(0)

    def send(self, kind: int, payload: Payload) -> None:
        """Send a message to rank 0; return when its buffers may be reused."""
        for data, tag in self.parts(kind, payload):
            self._comm.Send(data, 0, tag)


class RankPool(RemotePool):
    """Pool of the ranks from 1 on; there is one, used by one map at a time."""

    def __init__(self) -> None:
        super().__init__(range(1, size()))
        self._channel, self._any_source = _Channel(), _mpi().ANY_SOURCE
        self._known = dict(
            vars(sys.modules["__main__"])
        )  # names defined above the gate, on every rank
        self._begun: dict[int, list[Any]] = {worker: [] for worker in self._assigned}
        self._sent: dict[int, deque[list[Any]]] = {worker: deque() for worker in self._assigned}
        self.busy = self.failed = False

    def _packed(self, code: tuple[Callable[[Any], Any], Settings]) -> Payload:
        return _by_value(code) if _is_local_to_rank_0(code[0], self._known) else pack(code)

    def _send(self, worker: int, kind: int, payload: Payload) -> None:
        self._begun[worker] += self._channel.post(worker, kind, payload)
        if kind == Kind.ITEM:
            self._sent[worker].append(self._begun[worker])
            self._begun[worker] = []

    def _receive(self) -> tuple[int, int, Payload]:
        worker, kind, payload = self._channel.take(self._any_source)
        for request in self._sent[worker].popleft():
            request.Wait()  # complete: the worker has answered
        return worker, kind, payload

    def shutdown(self) -> None:
        """Stop the ranks after their running items; after an error, within a grace time."""
        for worker in self._assigned:
            self._send(worker, Kind.STOP, EMPTY)
        deadline = time.monotonic() + (GRACE if self.failed else math.inf)
        while any(self._assigned.values()):
            self._channel.wait(
                lambda: self._channel.probe(self._any_source) or time.monotonic() > deadline
            )
            if time.monotonic() > deadline:
                _mpi().COMM_WORLD.Abort(1)
            self._absorb()
        for requests in self._begun.values():
            _mpi().Request.Waitall(requests)


def _is_local_to_rank_0(function: object, above: dict[str, Any]) -> bool:
    """Return whether only rank 0 has a function: workers do not run the script below the gate."""
    if getattr(function, "__module__", None) != "__main__":
        return False
    name = getattr(function, "__qualname__", "").partition(".")[0]
    main = vars(sys.modules["__main__"])
    return name in main and above.get(name) is not main[name]


def _by_value(code: tuple[Any, Settings]) -> Payload:
    try:
        return pack_by_value(code)
    except SpecError as error:
        raise SpecError(
            f"{code[0].__qualname__} is defined below tl.parallel.main, so that only rank 0 "
            "has it: define it above, or pip install 'thunderlike[mpi]', which can send it"
        ) from error


# ---- joining the job

_pools: list[RankPool] = []  # one, on rank 0 after `lead`


def lead() -> None:
    """Become the rank that distributes items, and stop the workers when this process exits."""
    if _pools:
        return
    _communicator()
    _pools.append(RankPool())
    atexit.register(_pools[0].shutdown)
    sys.excepthook = functools.partial(_report, sys.excepthook)


def work() -> NoReturn:
    """Become a worker: run items until rank 0 stops it, then exit."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # rank 0 receives it too, and ends the job
    progress(False)  # rank 0 shows the items
    serve(_WorkerChannel())
    sys.exit(0)


def _report(
    before: Callable[..., object],
    kind: type[BaseException],
    error: BaseException,
    trace: TracebackType | None,
) -> None:
    """Record that the script failed; a Ctrl-C aborts all ranks and prints one line."""
    _pools[0].failed = True
    if not issubclass(kind, KeyboardInterrupt):
        before(kind, error, trace)
        return
    sys.stderr.write("interrupted: all ranks end\n")
    sys.stderr.flush()
    time.sleep(_FORWARDED)
    _mpi().COMM_WORLD.Abort(
        130
    )  # after Abort of our duplicate, `mpirun` may exit with another code


@contextmanager
def pool_for(function: Callable[[Any], Any]) -> Iterator[RankPool]:
    """Provide the ranks with a function for one map.

    Raises
    ------
    EngineError
        When no ranks wait for items, or another map is open.
    """
    if not _pools:
        raise EngineError(
            "no ranks serve: run under mpirun -n 2 or more, below `if tl.parallel.main(__name__):`"
        )
    pool = _pools[0]
    if pool.busy:
        raise EngineError(
            "another map is open on these ranks: read it to its end, or close() it, before the next"
        )
    pool.busy = True
    try:
        pool.begin(function)
        yield pool
    finally:
        pool.busy = False


def ranks(plan: Plan) -> Generator[Outcome, None, None]:
    """Yield the outcomes of the ranks."""
    with pool_for(plan.function) as pool:
        yield from plan.over(pool)
