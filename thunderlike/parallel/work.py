"""The other side of a map: what a worker process or rank does until it is told to stop."""

from __future__ import annotations

import dataclasses
from collections import deque
from contextlib import ExitStack
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Protocol

from thunderlike.config import config
from thunderlike.parallel.parcels import Parcel, Raised, pack, unpack

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["EMPTY", "Kind", "Wire", "Worker", "is_worker", "serve"]


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
            function, settings = unpack(parcel)
        except BaseException:
            return _Unreadable(Raised.current())
        self._settings.close()
        self._settings.enter_context(config(**dataclasses.asdict(settings)))
        return function

    def _answer(self, parcel: Parcel) -> tuple[int, Parcel]:
        try:
            return Kind.VALUE, pack(self._function(unpack(parcel)))
        except _Unread as error:
            return Kind.RAISED, pack(error.args[0])
        except BaseException:  # an exit or a Ctrl-C of the function, too, is for the other side
            return Kind.RAISED, pack(Raised.current())


class _Unread(Exception):  # carries why a function could not be read
    """The function did not arrive."""


@dataclasses.dataclass
class _Unreadable:
    raised: Raised

    def __call__(self, _item: Any) -> Any:
        raise _Unread(self.raised)


def _no_function(_item: Any) -> Any:
    raise AssertionError("an item came before its function")
