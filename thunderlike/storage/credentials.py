"""What opens a place: handed from call to call and to other machines, shown to nobody."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from thunderlike.errors import SpecError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["AnyCredentials", "Credentials"]

AnyCredentials: TypeAlias = "Mapping[str, Any] | None"


class Credentials(Mapping[str, Any]):
    """Named values for a store to look at; its repr tells the names alone.

    Parameters
    ----------
    given : mapping, optional
        From names to values that can be hashed.

    Raises
    ------
    SpecError
        For what is no mapping from names.

    Notes
    -----
    A pickle of it holds the values in the clear. Give credentials only where the workers cannot
    find them for themselves.

    Examples
    --------
    >>> keys = Credentials({"access": "AK", "secret": "xyzzy"})
    >>> keys
    Credentials(access=..., secret=...)
    >>> keys["secret"]
    'xyzzy'
    """

    __slots__ = ("_given",)

    def __init__(self, given: AnyCredentials = None) -> None:
        named = isinstance(given, Mapping) and all(isinstance(name, str) for name in given)
        if given is not None and not named:
            raise SpecError(
                "credentials is a dict such as {'access': ..., 'secret': ...}, "
                f"not a {type(given).__name__}"
            )
        self._given = dict(given or {})

    def __getitem__(self, name: str) -> Any:
        return self._given[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._given)

    def __len__(self) -> int:
        return len(self._given)

    def __hash__(self) -> int:
        return hash(frozenset(self._given.items()))

    def __repr__(self) -> str:
        return f"Credentials({', '.join(f'{name}=...' for name in self)})"
