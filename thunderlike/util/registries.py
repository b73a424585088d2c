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

    A class is found through the class it was registered with, its bases and its own ancestors,
    up to `NamedRegistry`. Each direct subclass has a registry of its own, which those below it
    share: two hierarchies may use one name, and the common base finds the later of the two.

    Examples
    --------
    >>> class Filter(NamedRegistry): ...
    >>> @Filter.register("mean")
    ... class Mean(Filter): ...
    >>> Filter.construct("mean").name, NamedRegistry.getclass("mean") is Mean
    ('mean', True)
    """

    REGISTRY: ClassVar[dict[str, type]] = {}
    _name: ClassVar[str] = "noname"
    _begins_hierarchies: ClassVar[bool] = True

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "_begins_hierarchies" in vars(cls.__mro__[1]):
            cls.REGISTRY = {}

    @property
    def name(self) -> str:
        """Name its class, or the nearest base of it, is registered as; ``'noname'`` for none."""
        return type(self)._name

    @classmethod
    def root(cls, reg_cls: Kind) -> Kind:
        """Decorate a class to give it a registry of its own, apart from those of its bases."""
        reg_cls.REGISTRY = {}  # type: ignore[attr-defined]
        reg_cls._is_root = True  # type: ignore[attr-defined]
        return reg_cls

    @classmethod
    def register(cls, name: str, *, replace: bool = False) -> Callable[[Kind], Kind]:
        """Decorate a subclass to register it.

        Parameters
        ----------
        name : str
        replace : bool
            Take the name from another class. A class of the same name is replaced in any case: it
            is a new version of it, from a notebook cell or a module that ran again.

        Raises
        ------
        WrongType
            For a class that is not a subclass.
        SpecError
            For a name that another class of the hierarchy has.
        """

        def add(new: Kind) -> Kind:
            if not (isinstance(new, type) and issubclass(new, cls)):
                raise WrongType(f"{new!r:.60} is not a subclass of {cls.__name__}")
            taken = getattr(new, "REGISTRY", {}).get(name, new)
            if taken.__name__ != new.__name__ and not replace:
                raise SpecError(f"the name {name!r} is taken by {taken.__name__}; replace=True")
            for base in new.__mro__:
                if "REGISTRY" in vars(base):
                    base.REGISTRY[name] = new  # type: ignore[attr-defined]
                if "_is_root" in vars(base):
                    break
            new._name = name
            return new

        return add

    @classmethod
    def getclass(cls, name: str) -> type[Self]:
        """Return the class of that name; KeyMissing when there is none."""
        if not isinstance(name, str):
            raise WrongType(f"the name of a class is text, not {name!r:.60}")
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
