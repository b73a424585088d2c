"""What a pipeline writes down: each step takes a batch and gives one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from thunderlike.batches.batch import Batch
from thunderlike.batches.expressions import Expression, evaluated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Call", "Perhaps", "Rebatch", "Step", "Update", "rebatched"]


@dataclass(frozen=True)
class Step:
    """One action with its arguments."""

    name: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]

    def run(self, batch: Any) -> Any:
        """The batch after it."""
        found = getattr(batch, self.name)(*self.args, **self.kwargs)
        return batch if found is None else found


@dataclass(frozen=True)
class Call:
    """A function of the batch; what it returns is kept only if it is a batch."""

    function: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]

    def run(self, batch: Any) -> Any:
        """The batch after it."""
        args, kwargs = evaluated((self.args, self.kwargs), batch)
        found = self.function(batch, *args, **kwargs)
        return found if isinstance(found, Batch) else batch


@dataclass(frozen=True)
class Update:
    """A value for where an expression points."""

    place: Expression
    value: Any

    def run(self, batch: Any) -> Any:
        """The batch after it."""
        self.place.set(batch, evaluated(self.value, batch))
        return batch


@dataclass(frozen=True)
class Perhaps:
    """Steps that run with a probability, drawn once for the batch."""

    steps: tuple[Any, ...]
    odds: float

    def run(self, batch: Any) -> Any:
        """The batch after it."""
        if batch.random.random() < self.odds:
            for step in self.steps:
                batch = step.run(batch)
        return batch


@dataclass(frozen=True)
class Rebatch:
    """Other batches from here on."""

    size: int


def rebatched(batches: Iterator[Any], size: int) -> Iterator[Any]:
    """The same items in batches of another size."""
    held: list[Any] = []
    for batch in batches:
        held.append(batch)
        while sum(map(len, held)) >= size:
            full, rest = type(batch).merge(held, size)
            held = [] if rest is None else [rest]
            yield full
    if held:
        yield type(held[0]).merge(held)[0]
