"""Objects that save themselves as a dictionary."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Self

from thunderlike.errors import FormatError, SpecError
from thunderlike.hdf5.api import load, save
from thunderlike.util.registry import NamedRegistry

if TYPE_CHECKING:
    from thunderlike.storage import AnyPath

__all__ = ["Saveable", "SaveableRegistry"]


class Saveable:
    """A class that says what of it to save, and how to make one from that.

    Examples
    --------
    >>> import numpy as np
    >>> class Model(Saveable):
    ...     def __init__(self, weights):
    ...         self.weights = weights
    ...
    ...     @classmethod
    ...     def load_from_dict(cls, d):
    ...         return cls(d["weights"])
    ...
    ...     def save_to_dict(self):
    ...         return {"weights": self.weights}
    >>> Model(np.arange(3)).save("memory://model.h5")
    >>> Model.load("memory://model.h5").weights
    array([0, 1, 2])
    """

    @classmethod
    def load(cls, path: AnyPath | None) -> Self:
        """Make one from a file; from an empty dictionary for None."""
        return cls.load_from_dict({} if path is None else load(path))

    def save(self, path: AnyPath) -> None:
        """Save it as a file."""
        save(path, self.save_to_dict())

    @classmethod
    def load_from_dict(cls, d: dict[str, Any]) -> Self:
        """Make one from what `save_to_dict` returned: to be overridden."""
        raise NotImplementedError(
            f"{cls.__name__} has no load_from_dict(cls, d): define it to make an object of it"
        )

    def save_to_dict(self) -> dict[str, Any]:
        """Return what to save: to be overridden."""
        raise NotImplementedError(
            f"{type(self).__name__} has no save_to_dict(self): define it to say what to save"
        )


class SaveableRegistry(Saveable, NamedRegistry):
    """Saveable classes that are registered: loading through the base gives the right one.

    Examples
    --------
    >>> class Model(SaveableRegistry):
    ...     @classmethod
    ...     def load_from_dict(cls, d):
    ...         return cls()
    ...
    ...     def save_to_dict(self):
    ...         return {}
    >>> @Model.register("linear")
    ... class Linear(Model): ...
    >>> Linear().save("memory://linear.h5")
    >>> type(Model.load("memory://linear.h5")).__name__
    'Linear'
    """

    REGISTRY: ClassVar[dict[str, type]] = {}
    _begins_hierarchies: ClassVar[bool] = True

    @classmethod
    def load(cls, path: AnyPath | None) -> Self:
        """Make one of the class whose name is in the file.

        Where no class of the hierarchy is registered, an entry ``'name'`` is one like others.
        """
        if path is None:
            return cls.load_from_dict({})
        d = load(path)
        if not isinstance(d, dict):
            raise FormatError(
                f"{path}: holds a {type(d).__name__}, not the dictionary of a saved object"
            )
        name = str(d.get("name", "noname"))
        kind = cls if name == "noname" or not cls.REGISTRY else cls.getclass(name)
        return kind.load_from_dict(d)

    def save(self, path: AnyPath) -> None:
        """Save it, and the name of its class.

        Raises
        ------
        SpecError
            When it has an entry 'name' of another meaning.
        """
        d = dict(self.save_to_dict())
        if self.name != "noname" and d.setdefault("name", self.name) != self.name:
            raise SpecError(f"'name' is {d['name']!r}, and has to say {self.name!r}: call it other")
        save(path, d)
