"""Messages between a map and its workers: serialization, and the worker's loop."""

from __future__ import annotations

import dataclasses
import pickle
import sys
import traceback
from collections import deque
from contextlib import ExitStack
from enum import IntEnum
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from thunderlike.config import config
from thunderlike.errors import SpecError, WorkerFailedError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "EMPTY",
    "Kind",
    "Payload",
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


APART = 32 * 2**10  # bytes; larger buffers are sent separately, not copied into the pickle
_PLAIN = frozenset({bool, int, float, str, type(None)})


class Payload(NamedTuple):
    """A pickle and its large out-of-band buffers (PEP 574)."""

    body: Any
    buffers: list[Any]


def pack(value: object) -> Payload:
    """Pickle a value; functions by reference if possible, else by value.

    Raises
    ------
    SpecError
        When it cannot be pickled; names the remedy.
    """
    if type(value) in _PLAIN:  # no buffers, and no errors
        return Payload(pickle.dumps(value, protocol=5), [])
    try:
        return _packed(pickle.dumps, value)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        return pack_by_value(value, error)


def pack_by_value(value: object, reason: Exception | None = None) -> Payload:
    """Pickle functions and classes with their code, for workers that cannot import them.

    Raises
    ------
    SpecError
        When cloudpickle is not installed, or cannot pickle it.
    """
    problem = f"{_name(value)} cannot be sent to another process"
    try:
        import cloudpickle
    except ImportError:
        raise SpecError(
            f"{problem}{f' ({reason})' if reason else ''}: define it at the top level of a module, "
            "or pip install 'thunderlike[parallel]', which sends lambdas and inner functions too"
        ) from reason
    try:
        return _packed(cloudpickle.dumps, value)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise SpecError(f"{problem}: {error}") from error


def pack_code(value: object) -> Payload:
    """Pickle a value that contains functions, with cloudpickle if it is installed.

    Functions of the running script are pickled by value, those of modules by reference.

    Raises
    ------
    SpecError
        When it cannot be pickled; names the remedy.
    """
    return pack_by_value(value) if find_spec("cloudpickle") else pack(value)


def _packed(dumps: Callable[..., bytes], value: object) -> Payload:
    buffers: list[Any] = []

    def is_inline(buffer: pickle.PickleBuffer) -> bool:
        view = buffer.raw()
        if view.nbytes < APART:
            return True
        buffers.append(view)
        return False

    return Payload(dumps(value, protocol=5, buffer_callback=is_inline), buffers)


def unpack(payload: Payload) -> Any:
    """Unpickle a payload; arrays are views of its buffers."""
    return pickle.loads(payload.body, buffers=payload.buffers)  # noqa: S301  # from our own workers


def _name(value: object) -> str:
    if isinstance(value, tuple):  # a function and its settings
        value = value[0]
    return getattr(value, "__qualname__", None) or f"an object of type {type(value).__name__}"


class RemoteTracebackError(Exception):  # a cause, never raised itself
    """Traceback in the worker, as the `__cause__` of the error raised here."""

    def __str__(self) -> str:
        return f"\n{self.args[0]}"


class Raised(NamedTuple):
    """An exception in transit: its pickle, if it has one, and its text."""

    body: bytes | None
    summary: str
    traceback: str

    @classmethod
    def current(cls) -> Raised:
        """Capture the exception being handled."""
        error = sys.exception() if sys.version_info >= (3, 12) else sys.exc_info()[1]
        assert error is not None
        try:
            body = pickle.dumps(error)
            pickle.loads(body)  # noqa: S301  # many errors can be pickled but not unpickled
        except Exception:  # of any class: send the text alone
            body = None
        return cls(body, f"{type(error).__name__}: {error}", traceback.format_exc())

    def restored(self) -> BaseException:
        """Return the exception, or :class:`WorkerFailedError` for one without a pickle."""
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
        except Exception:  # a class that only the worker can import
            return None
        return error


class Kind(IntEnum):
    """Kind of a message, which says what its payload is."""

    FUNCTION = 1  # to a worker: function of the following items, and settings
    ITEM = 2
    DROP = 3  # discard the function and the waiting items
    STOP = 4
    VALUE = 5  # from a worker: result of its oldest item
    RAISED = 6
    DROPPED = 7


class Wire(Protocol):
    """The worker's end of a connection."""

    def receive(self) -> tuple[int, Payload]:
        """Wait for the next message; EOFError when the connection is closed."""

    def ready(self) -> bool:
        """Return whether a message is waiting."""

    def send(self, kind: int, payload: Payload) -> None:
        """Send a message."""


EMPTY = Payload(b"", [])
_working = False


def is_worker() -> bool:
    """Return whether this process is a worker, whose own maps run serially."""
    return _working


def serve(wire: Wire) -> None:
    """Process items in the order of arrival until a STOP message."""
    global _working  # noqa: PLW0603  # a property of the process
    _working = True
    Worker(wire).run()


class Worker:
    """Loop of a worker: one function, and a queue of messages."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._inbox: deque[tuple[int, Payload]] = deque()
        self._settings = ExitStack()
        self._function: Callable[[Any], Any] = _no_function

    def run(self) -> None:
        """Handle messages until STOP."""
        while True:
            while not self._inbox or self._wire.ready():
                if not self._enqueue(*self._wire.receive()):
                    return
            self._handle(*self._inbox.popleft())

    def _enqueue(self, kind: int, payload: Payload) -> bool:
        """Queue a message, or handle it at once; return False for the last."""
        if kind == Kind.DROP:
            for waiting, _ in self._inbox:
                if waiting == Kind.ITEM:
                    self._wire.send(Kind.DROPPED, EMPTY)
            self._inbox.clear()
            self._function = _no_function
        elif kind != Kind.STOP:
            self._inbox.append((kind, payload))
        return kind != Kind.STOP

    def _handle(self, kind: int, payload: Payload) -> None:
        if kind == Kind.FUNCTION:
            self._load_function(payload)
        else:
            self._wire.send(*self._answer(payload))

    def _load_function(self, payload: Payload) -> None:
        """Unpickle the function of a map; one that cannot be unpickled fails at each item."""
        try:
            self._function, settings = unpack(payload)
        except BaseException:
            raised = Raised.current()

            def fail(_item: object) -> Any:
                raise _UnreadError(raised)

            self._function = fail
            return
        self._settings.close()
        self._settings.enter_context(config(**dataclasses.asdict(settings)))

    def _answer(self, payload: Payload) -> tuple[int, Payload]:
        try:
            return Kind.VALUE, pack(self._function(unpack(payload)))
        except _UnreadError as error:
            return Kind.RAISED, pack(error.args[0])
        except BaseException:  # an exit or a Ctrl-C in the function too is raised by the driver
            return Kind.RAISED, pack(Raised.current())


class _UnreadError(Exception):
    """A function that could not be unpickled; its argument is the :class:`Raised` cause."""


def _no_function(_item: object) -> Any:
    raise AssertionError("an item came before its function")
