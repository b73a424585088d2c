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
from thunderlike.parallel._protocol import APART, EMPTY, Kind, Parcel, pack, pack_by_value, serve
from thunderlike.parallel.processes import RemoteCrew

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from thunderlike.config import Settings
    from thunderlike.parallel.map import Outcome, Plan

__all__ = ["Patience", "RankCrew", "launched", "lead", "lent", "rank", "ranks", "size", "work"]


SHORT = 3e-4  # seconds of a wait that is short
SHARE, LONGEST = 8, 1e-3  # a pause is an eighth of the wait so far, a millisecond at most


class Patience:
    """Waits by asking again and again, without keeping a core busy.

    While waits are short it asks at once; after a long one it soon pauses, a little longer each
    time. Always pausing would make a small message cost ten times as much, never pausing would
    take a core from those who work.
    """

    def __init__(self) -> None:
        self._spin = SHORT

    def wait(self, ready: Callable[[], bool]) -> None:
        """Return once it is so."""
        started, waited = time.perf_counter(), 0.0
        while not ready():
            waited = time.perf_counter() - started
            if waited < self._spin:
                os.sched_yield()
            else:
                time.sleep(min(LONGEST, waited / SHARE))
        self._spin = SHORT if waited < SHORT else 0.0


# What launchers tell a rank: Hydra and MPICH, Open MPI and PMIx, MVAPICH.
LAUNCHERS = ("PMI_RANK", "PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "PMIX_RANK", "MV2_COMM_WORLD_SIZE")

WITH, BUFFER = 50, 100  # added to the tag of what comes apart; the tag of its pieces
GRACE = 1.0  # seconds that ranks have to end what they run once rank 0 is leaving
PIECE = 2**30  # bytes of a message, at most


def launched() -> bool:
    """Tell by its environment whether `mpirun` started this process."""
    return any(name in os.environ for name in LAUNCHERS)


@functools.cache
def _mpi() -> Any:
    return optional("mpi4py.MPI", "mpi")


@functools.cache
def _communicator() -> Any:
    """Our own copy of the world: no message of another library is taken for ours."""
    return _mpi().COMM_WORLD.Dup()


def rank() -> int:
    """Number of this rank."""
    return int(_mpi().COMM_WORLD.Get_rank())


def size() -> int:
    """Number of ranks."""
    return int(_mpi().COMM_WORLD.Get_size())


class _Line:
    """Messages between this rank and others: a body, then the buffers it refers to.

    The tag of a body is its kind. Where anything is large, their sizes come instead, under a tag
    that is WITH more, and then body and buffers in pieces.
    """

    def __init__(self) -> None:
        mpi = _mpi()
        self._comm, self._status = _communicator(), mpi.Status()
        self._byte, self._any = mpi.BYTE, mpi.ANY_TAG
        self._patience = Patience()

    def probe(self, source: int) -> bool:
        """Look whether a message has come."""
        return bool(self._comm.Iprobe(source, self._any, self._status))

    def wait(self, ready: Callable[[], bool]) -> None:
        """Wait until it is so."""
        self._patience.wait(ready)

    def take(self, source: int) -> tuple[int, int, Parcel]:
        """Wait for a message: who sent it, its kind and its parcel."""
        if not self.probe(source):
            self.wait(lambda: self.probe(source))
        source, tag = self._status.source, self._status.tag
        body = self._received(source, tag, self._status.Get_count(self._byte))
        if tag < WITH:
            return source, tag, Parcel(body, [])
        sizes = pickle.loads(body)  # noqa: S301  # from a rank of our own job
        plain, *buffers = (self._received(source, BUFFER, nbytes) for nbytes in sizes)
        return source, tag - WITH, Parcel(plain, buffers)

    def _received(self, source: int, tag: int, nbytes: int) -> Any:
        data = bytearray(nbytes) if nbytes < APART else _unset(nbytes)
        for piece in _pieces(data):
            self._comm.Recv([piece, self._byte], source, tag)
        return data

    def parts(self, kind: int, parcel: Parcel) -> list[tuple[Any, int]]:
        """What to send, in this order, each with its tag."""
        body, buffers = parcel
        if not buffers and len(body) < APART:
            return [([body, self._byte], kind)]
        sizes = [memoryview(one).nbytes for one in (body, *buffers)]
        pieces = [piece for one in (body, *buffers) for piece in _pieces(one)]
        head = [pickle.dumps(sizes), self._byte]
        return [(head, kind + WITH), *(([piece, self._byte], BUFFER) for piece in pieces)]

    def post(self, worker: int, kind: int, parcel: Parcel) -> list[Any]:
        """Begin to send; the requests are for whoever waits, and hold what is being sent."""
        return [self._comm.Isend(data, worker, tag) for data, tag in self.parts(kind, parcel)]


def _pieces(data: Any) -> list[memoryview]:
    """Parts of what is sent that every MPI counts, some count to 2 GiB; one of nothing too."""
    view = memoryview(data).cast("B")
    return [view[start : start + PIECE] for start in range(0, max(1, view.nbytes), PIECE)]


def _unset(nbytes: int) -> Any:
    """Room for a large buffer; unlike a bytearray it is not zeroed first."""
    import numpy as np

    return np.empty(nbytes, np.uint8)


class _WorkerLine(_Line):
    """The end of the line at which a worker sits."""

    def receive(self) -> tuple[int, Parcel]:
        """Wait for the next message of rank 0."""
        _, kind, parcel = self.take(0)
        return kind, parcel

    def ready(self) -> bool:
        """Look whether there is a message already."""
        return self.probe(0)

    def send(self, kind: int, parcel: Parcel) -> None:
        """Send a message to rank 0, and wait until it has left."""
        for data, tag in self.parts(kind, parcel):
            self._comm.Send(data, 0, tag)


class RankCrew(RemoteCrew):
    """The ranks from 1 on; there is one such crew, and one map at a time has it."""

    def __init__(self) -> None:
        super().__init__(range(1, size()))
        self._line, self._anybody = _Line(), _mpi().ANY_SOURCE
        self._above = dict(vars(sys.modules["__main__"]))  # what every rank knows of the script
        self._begun: dict[int, list[Any]] = {worker: [] for worker in self._given}
        self._sent: dict[int, deque[list[Any]]] = {worker: deque() for worker in self._given}
        self.busy = self.failed = False

    def _packed(self, code: tuple[Callable[[Any], Any], Settings]) -> Parcel:
        return _by_value(code) if _below_the_gate(code[0], self._above) else pack(code)

    def _send(self, worker: int, kind: int, parcel: Parcel) -> None:
        self._begun[worker] += self._line.post(worker, kind, parcel)
        if kind == Kind.ITEM:
            self._sent[worker].append(self._begun[worker])
            self._begun[worker] = []

    def _receive(self) -> tuple[int, int, Parcel]:
        worker, kind, parcel = self._line.take(self._anybody)
        for request in self._sent[worker].popleft():
            request.Wait()  # it has answered, so that all had left
        return worker, kind, parcel

    def dismiss(self) -> None:
        """Let the ranks end when they have run what they run; after an error, in a while."""
        for worker in self._given:
            self._send(worker, Kind.STOP, EMPTY)
        deadline = time.monotonic() + (GRACE if self.failed else math.inf)
        while any(self._given.values()):
            self._line.wait(lambda: self._line.probe(self._anybody) or time.monotonic() > deadline)
            if time.monotonic() > deadline:
                _mpi().COMM_WORLD.Abort(1)
            self._absorb()
        for requests in self._begun.values():
            _mpi().Request.Waitall(requests)


def _below_the_gate(function: Any, above: dict[str, Any]) -> bool:
    """Tell whether a function of the script is one that workers, who stop at the gate, lack."""
    if getattr(function, "__module__", None) != "__main__":
        return False
    name = getattr(function, "__qualname__", "").partition(".")[0]
    main = vars(sys.modules["__main__"])
    return name in main and above.get(name) is not main[name]


def _by_value(code: tuple[Any, Settings]) -> Parcel:
    try:
        return pack_by_value(code)
    except SpecError as error:
        raise SpecError(
            f"{code[0].__qualname__} is defined below tl.parallel.main, so that rank 0 alone "
            "knows it: define it above, or pip install 'thunderlike[mpi]', which can send it"
        ) from error


# ---- joining the job

_crews: list[RankCrew] = []  # one, on rank 0 once it has passed the gate


def lead() -> None:
    """Become the rank that hands out items; the others are told to end when this process does."""
    if _crews:
        return
    _communicator()
    _crews.append(RankCrew())
    atexit.register(_crews[0].dismiss)
    sys.excepthook = functools.partial(_report, sys.excepthook)


def work() -> NoReturn:
    """Become a worker: run items until told to stop, then leave."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # rank 0 hears it too, and ends the job
    serve(_WorkerLine())
    sys.exit(0)


def _report(before: Any, kind: type[BaseException], error: BaseException, trace: Any) -> None:
    """Note that the script failed; a Ctrl-C ends all ranks at once, with one line."""
    _crews[0].failed = True
    if not issubclass(kind, KeyboardInterrupt):
        before(kind, error, trace)
        return
    sys.stderr.write("interrupted: all ranks end\n")
    sys.stderr.flush()
    _mpi().COMM_WORLD.Abort(130)  # of our copy of it, `mpirun` would tell another code at times


@contextmanager
def lent(function: Callable[[Any], Any]) -> Iterator[RankCrew]:
    """The ranks with a function, for one map.

    Raises
    ------
    EngineError
        When they do not serve, or another map is open.
    """
    if not _crews:
        raise EngineError(
            "no ranks serve: run under mpirun -n 2 or more, below `if tl.parallel.main(__name__):`"
        )
    crew = _crews[0]
    if crew.busy:
        raise EngineError(
            "another map is open on these ranks: read it to its end, or close() it, before the next"
        )
    crew.busy = True
    try:
        crew.begin(function)
        yield crew
    finally:
        crew.busy = False


def ranks(plan: Plan) -> Generator[Outcome, None, None]:
    """Outcomes of the ranks."""
    with lent(plan.function) as crew:
        yield from plan.over(crew)
