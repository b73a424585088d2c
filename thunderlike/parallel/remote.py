"""A crew of workers in other processes: who has which item, and what came back."""

from __future__ import annotations

import abc
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from thunderlike.config import current
from thunderlike.parallel.parcels import Parcel, pack, pack_code, unpack
from thunderlike.parallel.stream import Outcome
from thunderlike.parallel.work import EMPTY, Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from thunderlike.config import Settings

__all__ = ["Given", "RemoteCrew"]

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
