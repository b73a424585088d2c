"""Messages between a map and its workers: serialization, and the worker's loop."""

from __future__ import annotations

import dataclasses
import pickle
import sys
import traceback
from collections import deque
from contextlib import ExitStack
from enum import IntEnum
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from thunderlike.config import config
from thunderlike.errors import SpecError, WorkerFailedError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "EMPTY",
    "Kind",
    "Parcel",
    "Raised",
    "RemoteTracebackError",
    "Wire",
    "Worker",
    "is_worker",
    "pack",
    "pack_by_value",
    "pack_code",
    "serve",
    "unpack",
]


APART = 32 * 2**10  # bytes from which a buffer is sent by itself: never copied into the pickle


class Parcel(NamedTuple):
    """A pickle, and the large buffers that it refers to."""

    body: Any
    buffers: list[Any]


def pack(value: Any) -> Parcel:
    """Pickle anything; by reference where it can be, else by value.

    Raises
    ------
    SpecError
        When it cannot be pickled, with what would help.
    """
    try:
        return _packed(pickle.dumps, value)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        return pack_by_value(value, error)


def pack_by_value(value: Any, reason: Exception | None = None) -> Parcel:
    """Pickle functions and classes with their code, for workers that cannot import them.

    Raises
    ------
    SpecError
        When cloudpickle is not installed, or cannot either.
    """
    told = f"{_name(value)} cannot be sent to another process"
    try:
        import cloudpickle
    except ImportError:
        raise SpecError(
            f"{told}{f' ({reason})' if reason else ''}: define it at the top level of a module, "
            "or pip install 'thunderlike[parallel]', which sends lambdas and inner functions too"
        ) from reason
    try:
        return _packed(cloudpickle.dumps, value)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise SpecError(f"{told}: {error}") from error


def pack_code(value: Any) -> Parcel:
    """Pickle what holds functions: by value where that needs to be and cloudpickle is installed.

    Functions of the running script go by value, those of modules by reference.

    Raises
    ------
    SpecError
        When it cannot be pickled, with what would help.
    """
    return pack_by_value(value) if find_spec("cloudpickle") else pack(value)


def _packed(dumps: Callable[..., bytes], value: Any) -> Parcel:
    buffers: list[Any] = []
    body = dumps(value, protocol=5, buffer_callback=partial(_stays, buffers))
    return Parcel(body, buffers)


def _stays(buffers: list[Any], buffer: pickle.PickleBuffer) -> bool:
    """Keep small buffers in the pickle; collect the large ones."""
    view = buffer.raw()
    if view.nbytes < APART:
        return True
    buffers.append(view)
    return False


def unpack(parcel: Parcel) -> Any:
    """Return what was packed; arrays lie in the buffers of the parcel, without a copy."""
    return pickle.loads(parcel.body, buffers=parcel.buffers)  # noqa: S301  # from our own workers


def _name(value: Any) -> str:
    if isinstance(value, tuple):  # a function and what goes with it
        value = value[0]
    return getattr(value, "__qualname__", None) or f"an object of type {type(value).__name__}"


class RemoteTracebackError(Exception):  # the cause of an error, never raised itself
    """Where in a worker an error was raised: the `__cause__` of the error here."""

    def __str__(self) -> str:
        return f"\n{self.args[0]}"


class Raised(NamedTuple):
    """An exception on its way: itself where it can be pickled, and what it said in any case."""

    body: bytes | None
    summary: str
    traceback: str

    @classmethod
    def current(cls) -> Raised:
        """Of the exception being handled."""
        error = sys.exception() if sys.version_info >= (3, 12) else sys.exc_info()[1]
        assert error is not None
        try:
            body = pickle.dumps(error)
            pickle.loads(body)  # noqa: S301  # many errors pickle well and cannot be read back
        except Exception:  # any of them: the text goes instead
            body = None
        return cls(body, f"{type(error).__name__}: {error}", traceback.format_exc())

    def restored(self) -> BaseException:
        """The exception itself, or :class:`WorkerFailedError` for one that could not travel."""
        error = self._original() or WorkerFailedError(
            f"the function raised {self.summary}", traceback=self.traceback
        )
        error.__cause__ = RemoteTracebackError(self.traceback)
        return error

    def _original(self) -> BaseException | None:
        if self.body is None:
            return None
        try:
            error: BaseException = pickle.loads(self.body)  # noqa: S301  # from our own workers
        except Exception:  # of a class that only the worker knows
            return None
        return error


class Kind(IntEnum):
    """What a message is; its parcel is that of the thing named."""

    FUNCTION = 1  # to a worker: the function for the items from now on, and the settings
    ITEM = 2
    DROP = 3  # forget the function, and the items that have not been begun
    STOP = 4
    VALUE = 5  # from a worker: what became of its oldest item
    RAISED = 6
    DROPPED = 7


class Wire(Protocol):
    """The end of a connection at which a worker sits."""

    def receive(self) -> tuple[int, Parcel]:
        """Wait for the next message; EOFError when nobody is left to send one."""

    def ready(self) -> bool:
        """Look whether there is a message already."""

    def send(self, kind: int, parcel: Parcel) -> None:
        """Send a message."""


EMPTY = Parcel(b"", [])
_working = False


def is_worker() -> bool:
    """Does this process run somebody else's items? Then its own maps run serially."""
    return _working


def serve(wire: Wire) -> None:
    """Answer every item in the order in which they come, until told to stop."""
    global _working  # noqa: PLW0603  # it is the process that becomes a worker
    _working = True
    Worker(wire).run()


class Worker:
    """One function and the items that wait for it."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._inbox: deque[tuple[int, Parcel]] = deque()
        self._settings = ExitStack()
        self._function: Callable[[Any], Any] = _no_function

    def run(self) -> None:
        """Serve until told to stop."""
        while True:
            while not self._inbox or self._wire.ready():
                if not self._take_in(*self._wire.receive()):
                    return
            self._handle(*self._inbox.popleft())

    def _take_in(self, kind: int, parcel: Parcel) -> bool:
        """Note a message; False if it is the last."""
        if kind == Kind.DROP:
            for waiting, _ in self._inbox:
                if waiting == Kind.ITEM:
                    self._wire.send(Kind.DROPPED, EMPTY)
            self._inbox.clear()
            self._function = _no_function
        elif kind != Kind.STOP:
            self._inbox.append((kind, parcel))
        return kind != Kind.STOP

    def _handle(self, kind: int, parcel: Parcel) -> None:
        if kind == Kind.FUNCTION:
            self._function = self._learned(parcel)
        else:
            self._wire.send(*self._answer(parcel))

    def _learned(self, parcel: Parcel) -> Callable[[Any], Any]:
        """The function of a map; one that cannot be read fails at each item instead."""
        try:
            function: Callable[[Any], Any]
            function, settings = unpack(parcel)
        except BaseException:
            return _Unreadable(Raised.current())
        self._settings.close()
        self._settings.enter_context(config(**dataclasses.asdict(settings)))
        return function

    def _answer(self, parcel: Parcel) -> tuple[int, Parcel]:
        try:
            return Kind.VALUE, pack(self._function(unpack(parcel)))
        except _UnreadError as error:
            return Kind.RAISED, pack(error.args[0])
        except BaseException:  # an exit or a Ctrl-C of the function, too, is for the other side
            return Kind.RAISED, pack(Raised.current())


class _UnreadError(Exception):  # carries why a function could not be read
    """The function did not arrive."""


@dataclasses.dataclass
class _Unreadable:
    raised: Raised

    def __call__(self, _item: Any) -> Any:
        raise _UnreadError(self.raised)


def _no_function(_item: Any) -> Any:
    raise AssertionError("an item came before its function")
