"""Values that are not made yet: a tuple can only be made when all it holds is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Later", "forced"]


class Later:
    """Stands for a value in the containers that hold it, until it can be made.

    Examples
    --------
    >>> later = Later()
    >>> inner = Later().made_of([1, later], tuple)
    >>> whole = later.made_of([2], tuple)
    >>> forced(inner), forced(whole)
    ((1, (2,)), (2,))
    """

    def __init__(self) -> None:
        self._make: Callable[[], Any] | None = None
        self._values: list[Any] = []

    def made_of(self, values: list[Any], maker: Callable[[list[Any]], Any]) -> Any:
        """Make it now, if all values are there; else return itself."""
        if any(isinstance(value, Later) for value in values):
            self._make = lambda: maker([forced(value) for value in values])
            return self
        self._values.append(maker(values))
        return self._values[0]

    def get(self) -> Any:
        """Return the value, made once."""
        if not self._values and self._make is not None:
            make, self._make = self._make, None
            self._values.append(make())
        if not self._values:
            raise ValueError("a tuple holds itself, with no list or dict between")
        return self._values[0]


def forced(value: Any) -> Any:
    """Return the value that something stands for."""
    return value.get() if isinstance(value, Later) else value
