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
    """Base of classes that are saved as, and loaded from, a dictionary.

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
        """Load an object from a file, or from an empty dictionary for None."""
        return cls.load_from_dict({} if path is None else load(path))

    def save(self, path: AnyPath) -> None:
        """Save the object as a file."""
        save(path, self.save_to_dict())

    @classmethod
    def load_from_dict(cls, d: dict[str, Any]) -> Self:
        """Return an object from the dictionary of `save_to_dict`; subclasses define it."""
        raise NotImplementedError(
            f"{cls.__name__} has no load_from_dict(cls, d): define it to load an object"
        )

    def save_to_dict(self) -> dict[str, Any]:
        """Return the dictionary to save; subclasses define it."""
        raise NotImplementedError(
            f"{type(self).__name__} has no save_to_dict(self): define it to return a dictionary"
        )


class SaveableRegistry(Saveable, NamedRegistry):
    """Base of registered saveable classes: loading through it returns the saved class.

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
        """Load an object of the class whose name is in the file.

        If no class of the hierarchy is registered, an entry ``'name'`` has no special meaning.
        """
        if path is None:
            return cls.load_from_dict({})
        d = load(path)
        if not isinstance(d, dict):
            raise FormatError(
                f"{path}: holds a {type(d).__name__}, not the dictionary of a saved object"
            )
        name = str(d.get("name", "noname"))
        # 'noname' is the name of classes that are not registered, in files of deepdish too.
        kind = cls if name == "noname" or not cls.REGISTRY else cls.getclass(name)
        return kind.load_from_dict(d)

    def save(self, path: AnyPath) -> None:
        """Save the object, and the name of its class.

        Raises
        ------
        SpecError
            If its dictionary has another entry 'name'.
        """
        d = dict(self.save_to_dict())
        if self.name != "noname" and d.setdefault("name", self.name) != self.name:
            raise SpecError(f"'name' is {d['name']!r}, and has to say {self.name!r}: call it other")
        save(path, d)
