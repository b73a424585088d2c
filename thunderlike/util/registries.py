"""Classes that can be found by a name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar

from thunderlike.errors import KeyMissing, SpecError, WrongType

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["NamedRegistry"]

Kind = TypeVar("Kind", bound=type)


class NamedRegistry:
    """A base whose subclasses register under names, and are found and made by them.

    Each direct subclass has a registry of its own, which those below it share.

    Examples
    --------
    >>> class Filter(NamedRegistry): ...
    >>> @Filter.register("mean")
    ... class Mean(Filter): ...
    >>> Filter.construct("mean").name, Filter.getclass("mean") is Mean
    ('mean', True)
    """

    REGISTRY: ClassVar[dict[str, type]] = {}
    _name: ClassVar[str] = "noname"

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "_own_registry" in vars(_parent(cls)):
            cls.REGISTRY = {}
        cls._name = "noname"  # not that of a registered parent

    _own_registry: ClassVar[bool] = True

    @property
    def name(self) -> str:
        """What its class is registered as; ``'noname'`` for none."""
        return type(self)._name

    @classmethod
    def root(cls, base: Kind) -> Kind:
        """Decorate a class to give it a registry of its own."""
        base.REGISTRY = {}  # type: ignore[attr-defined]
        return base

    @classmethod
    def register(cls, name: str, *, replace: bool = False) -> Callable[[Kind], Kind]:
        """Decorate a subclass to register it.

        Raises
        ------
        WrongType
            For a class that is no subclass.
        SpecError
            For a name that another class has, unless it is to be replaced.
        """

        def add(new: Kind) -> Kind:
            if not issubclass(new, cls):
                raise WrongType(f"{new.__name__} is no subclass of {cls.__name__}")
            taken = cls.REGISTRY.get(name, new)
            if taken is not new and not replace:
                raise SpecError(f"the name {name!r} is taken by {taken.__name__}; replace=True")
            cls.REGISTRY[name] = new
            new._name = name
            return new

        return add

    @classmethod
    def getclass(cls, name: str) -> type[Self]:
        """Return the class of that name; KeyMissing when there is none."""
        for base in cls.__mro__:
            found = vars(base).get("REGISTRY", {}).get(name)
            if found is not None:
                return found
        known = ", ".join(sorted(cls.REGISTRY)) or "none"
        raise KeyMissing(f"{cls.__name__} has no class {name!r}; registered: {known}")

    @classmethod
    def construct(cls, name: str, *args: Any, **kwargs: Any) -> Self:
        """Make one of the class of that name."""
        return cls.getclass(name)(*args, **kwargs)

    @classmethod
    def registry(cls) -> dict[str, type]:
        """Return the classes by name."""
        return cls.REGISTRY


def _parent(cls: type) -> type:
    return cls.__mro__[1]
