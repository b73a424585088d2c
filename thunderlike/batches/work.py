"""What is called for an item of a batch, and with which arguments."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from thunderlike.parallel.seeds import generator

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Work", "accepted", "arguments"]


@dataclass
class Work:
    """What is called for an item; pickled when it runs elsewhere.

    Parameters
    ----------
    function : callable
        Takes an item, or the arguments that an item is.
    kwargs : dict
        Further arguments of every call.
    spread : bool
        Items are arguments: a tuple or list of positional ones, a dict of named ones, or
        ``(tuple, dict)`` of both.
    rng : bool
        It takes ``rng``, a random stream of the item.
    """

    function: Callable[..., Any]
    kwargs: dict[str, Any] = field(default_factory=dict)
    spread: bool = False
    rng: bool = False

    def __call__(self, item: Any, key: tuple[int, ...] | None = None) -> Any:
        """Call it for one item."""
        if not (self.spread or self.rng):
            return self.function(item, **self.kwargs)
        args, named = arguments(item) if self.spread else ((item,), {})
        if self.rng:
            assert key is not None
            named = {**named, "rng": generator(key[0], *key[1:])}
        return self.function(*args, **named, **self.kwargs)


def arguments(item: Any) -> tuple[Any, dict[str, Any]]:
    """What an element of `init` says to call with."""
    if isinstance(item, tuple) and len(item) == 2 and isinstance(item[1], dict):
        return item if isinstance(item[0], tuple | list) else ((item[0],), item[1])
    if isinstance(item, tuple | list):
        return item, {}
    return ((), item) if isinstance(item, dict) else ((item,), {})


def accepted(function: Callable[..., Any], offered: dict[str, Any]) -> dict[str, Any]:
    """Those of the offered arguments that a function takes by name."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # a ufunc or the like
        return {}
    if (getattr(function, "__module__", None) or "").partition(".")[0] == "numpy":
        return {}  # its **kwargs are of a method that knows neither
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return offered
    known = {p.name for p in parameters if p.kind in (p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD)}
    return {name: value for name, value in offered.items() if name in known}
