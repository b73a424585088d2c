"""Steps of a pipeline: each takes a batch and returns a batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike.batches.batch import Batch
from thunderlike.batches.expressions import Expression, Scope, evaluated
from thunderlike.errors import SpecError, WrongTypeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = [
    "Branch",
    "Call",
    "Rebatch",
    "Repeat",
    "Step",
    "Update",
    "count",
    "probability",
    "rebatched",
    "stored",
]


@dataclass(frozen=True)
class Step:
    """One action with its arguments."""

    name: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]

    def run(self, batch: object) -> Any:
        """Return the batch after it.

        Raises
        ------
        SpecError
            When the action returns something else.
        """
        # A pipeline may be written before its dataset is known: only here is the class.
        method = getattr(batch, self.name, None)
        if method is None or not hasattr(method, "is_action"):
            raise SpecError(f"{type(batch).__name__} has no action {self.name!r}")
        found = method(*self.args, **self.kwargs)
        if found is not None and not isinstance(found, Batch):
            raise SpecError(
                f"{self.name} returned {type(found).__name__}: an action in a pipeline returns a "
                "batch or nothing"
            )
        return batch if found is None else found


@dataclass(frozen=True)
class Call:
    """A function that is called for each batch.

    Parameters
    ----------
    function : callable or Expression
        What it returns goes to `save_to`; a batch that it returns takes the place of its own.
    first : bool
        The batch comes before the arguments.
    save_to : Expression, ndarray, or tuple or list of them, optional
        Where the result is stored.
    """

    function: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    first: bool = True
    save_to: Any = None

    def run(self, batch: object) -> Any:
        """Return the batch after it."""
        scope = Scope.of(batch)
        function, args, kwargs = evaluated((self.function, self.args, self.kwargs), scope)
        if not callable(function):
            raise WrongTypeError(f"a pipeline calls functions, and {function!r:.80} is not one")
        # Steps before and after all batches run on a scope without a batch.
        found = function(scope.batch, *args, **kwargs) if self.first else function(*args, **kwargs)
        if self.save_to is not None:
            stored(self.save_to, found, scope)
        return found if isinstance(found, Batch) else batch


@dataclass(frozen=True)
class Update:
    """A value for where an expression points."""

    place: Any
    value: Any

    def run(self, batch: object) -> Any:
        """Return the batch after it."""
        scope = Scope.of(batch)
        stored(self.place, evaluated(self.value, scope), scope)
        return batch


def stored(place: object, value: object, scope: Scope) -> None:
    """Store a value in an expression or array, or one in each of several.

    Raises
    ------
    SpecError
        For more or fewer values than places, or values that do not fit an array.
    WrongTypeError
        For another place.
    """
    if isinstance(place, Expression):
        place._assign(scope, value)
    elif isinstance(place, np.ndarray):
        try:  # in place, since the caller reads the result from this array
            place[...] = value
        except (TypeError, ValueError) as error:
            raise SpecError(f"the value does not fit into the array: {error}") from error
    elif isinstance(place, tuple | list | dict):
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        several = value if isinstance(value, tuple | list | np.ndarray) else [value]
        held = value if isinstance(value, dict) else dict(enumerate(several))
        # Places by name take what they name; places in order need a value each.
        if set(keys) - set(held) or (not isinstance(place, dict) and len(held) != len(keys)):
            raise SpecError(f"{len(held)} values cannot be stored in {len(keys)} places")
        for key in keys:
            stored(place[key], held[key], scope)
    else:
        raise WrongTypeError(
            "a value is stored in an expression such as V('name') or in an array, not in "
            f"{place!r:.80}"
        )


@dataclass(frozen=True)
class Branch:
    """Steps that run with a probability, drawn once for the batch."""

    steps: tuple[Any, ...]
    odds: Any

    def run(self, batch: Batch) -> Any:
        """Return the batch after it."""
        # Drawn from the stream of the batch: it goes the same way whichever worker runs it.
        odds = probability(evaluated(self.odds, batch))
        if batch.random.random() < odds:
            for step in self.steps:
                batch = step.run(batch)
        return batch


def probability(odds: object) -> float:
    """Return a probability.

    Raises
    ------
    SpecError
        For anything but a number in 0 .. 1.
    """
    if not isinstance(odds, int | float | np.number | np.bool_) or not 0 <= odds <= 1:
        raise SpecError(f"a probability lies in 0 .. 1, not {odds!r:.80}")
    return float(odds)


@dataclass(frozen=True)
class Repeat:
    """Steps that run several times, as often as an expression says."""

    steps: tuple[Any, ...]
    times: Any

    def run(self, batch: object) -> Any:
        """Return the batch after it."""
        for _ in range(count(evaluated(self.times, batch))):
            for step in self.steps:
                batch = step.run(batch)
        return batch


def count(times: object) -> int:
    """Return how often something runs.

    Raises
    ------
    SpecError
        For anything but a whole number from 0 on.
    """
    if isinstance(times, bool) or not isinstance(times, int | np.integer) or times < 0:
        raise SpecError(f"a pipeline runs 0 times or more, not {times!r:.80}")
    return int(times)


@dataclass(frozen=True)
class Rebatch:
    """Other batches from here on.

    Parameters
    ----------
    size : int or Expression
        Items of a batch.
    merge : callable, optional
        Instead of the ``merge`` of the batches' class.
    how : dict
        Its further arguments.
    """

    size: Any
    merge: Callable[..., Any] | None
    how: dict[str, Any]


def rebatched(batches: Iterator[Any], size: int, step: Rebatch) -> Iterator[Any]:
    """Yield the same items in batches of another size."""
    held: list[Any] = []
    for batch in batches:
        held.append(batch)
        # One large batch may fill several small ones.
        while sum(map(len, held)) >= size:
            merge = step.merge or type(held[0]).merge
            full, rest = merge(held, batch_size=size, **step.how)
            held = [] if rest is None else [rest]
            yield full
    if held:
        merge = step.merge or type(held[0]).merge
        yield merge(held, **step.how)[0]
