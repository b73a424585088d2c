"""Registries of classes by name, and timing."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any, ClassVar, Self, TypeVar

import numpy as np

from thunderlike._arguments import checked_types
from thunderlike.errors import KeyMissingError, SpecError, WrongTypeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

__all__ = ["NamedRegistry", "timed"]


Kind = TypeVar("Kind", bound=type)


class NamedRegistry:
    """Base class of hierarchies whose subclasses are registered and found by name.

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
        # Direct subclasses of a class with this mark; vars, since the attribute is inherited.
        if "_begins_hierarchies" in vars(cls.__mro__[1]):
            cls.REGISTRY = {}

    @property
    def name(self) -> str:
        """Registered name of the class or its nearest base; ``'noname'`` if none is registered."""
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
        WrongTypeError
            If the class is not a subclass.
        SpecError
            If another class of the hierarchy has the name.
        """

        def add(new: Kind) -> Kind:
            if not (isinstance(new, type) and issubclass(new, cls)):
                raise WrongTypeError(f"{new!r:.60} is not a subclass of {cls.__name__}")
            # A class of the same name is a new version, from a notebook cell that ran again.
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
        """Return the class of a name; KeyMissingError if no class has it."""
        if not isinstance(name, str):
            raise WrongTypeError(f"the name of a class is text, not {name!r:.60}")
        for base in cls.__mro__:
            found: type[Self] | None = vars(base).get("REGISTRY", {}).get(name)
            if found is not None:
                return found
        known = ", ".join(sorted(cls.REGISTRY)) or "none"
        raise KeyMissingError(f"{cls.__name__} has no class {name!r}; registered: {known}")

    @classmethod
    def construct(cls, name: str, *args: Any, **kwargs: Any) -> Self:
        """Make an instance of the class of a name."""
        return cls.getclass(name)(*args, **kwargs)

    @classmethod
    def registry(cls) -> dict[str, type]:
        """Return the classes by name."""
        return cls.REGISTRY


@checked_types
@contextmanager
def timed(
    name: str | None = None,
    file: IO[str] | NDArray[Any] | None = None,
    callback: Callable[[float], object] | None = None,
    wall_clock: bool = True,  # noqa: ARG001  # deepdish has it, and ignores it too
) -> Iterator[None]:
    """Report the seconds that a ``with`` block took, also when it raised.

    Parameters
    ----------
    name : str, optional
        Title of the line.
    file : file or ndarray, optional
        File of the line; ``sys.stdout`` at the end of the block by default. An array of one
        element is set to the seconds instead.
    callback : callable, optional
        Function called with the seconds, instead of writing a line.
    wall_clock : bool
        Ignored.

    Examples
    --------
    >>> seconds = []
    >>> with timed(callback=seconds.append):
    ...     total = sum(range(1000))
    >>> len(seconds)
    1
    """
    if file is not None and not hasattr(file, "write") and not isinstance(file, np.ndarray):
        raise WrongTypeError(f"timed: file must be an open file or an array, not {file!r:.60}")
    start = time.perf_counter()
    try:
        yield
    finally:
        _report(time.perf_counter() - start, name, file, callback)


def _report(
    seconds: float,
    name: str | None,
    file: IO[str] | NDArray[Any] | None,
    callback: Callable[[float], object] | None,
) -> None:
    if callback is not None:
        callback(seconds)
    elif isinstance(file, np.ndarray):
        file[...] = seconds
    else:
        title = f"[timed] {name}" if name else "[timed]"
        # The standard output of now: it may have been redirected since the block began.
        (file or sys.stdout).write(f"{title}: {seconds} s\n")
