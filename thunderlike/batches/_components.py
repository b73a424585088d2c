"""Items of a batch and their components."""

from __future__ import annotations

import copy as copying
import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from thunderlike._arguments import checked_types
from thunderlike._text import printable
from thunderlike.batches._indexing import Places, cropped, named, taken
from thunderlike.batches.execution import at
from thunderlike.batches.expressions import Expression
from thunderlike.batches.index import Cut, DatasetIndex
from thunderlike.errors import KeyMissingError, SpecError, WrongTypeError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from thunderlike._typing import Array
    from thunderlike.batches.index import Labels

__all__ = ["BatchData", "Components", "Item", "is_scalar"]


class Components:
    """Components of a batch, by attribute and by name; assignment changes the batch.

    Examples
    --------
    >>> from thunderlike.batches import Batch
    >>> data = Batch.from_data(data={"x": np.arange(3)}).data
    >>> data.x is data["x"], list(data)
    (True, ['x'])
    """

    _batch: BatchData
    __slots__ = ("_batch",)

    def __init__(self, batch: BatchData) -> None:
        # Past the class's own __setattr__, which sets components.
        object.__setattr__(self, "_batch", batch)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name not in self.keys():
            raise AttributeError(f"no component {name!r}; components: {self._batch.components}")
        return getattr(self._batch, name)

    def __getitem__(self, name: str) -> Any:
        if name not in self.keys():
            raise KeyMissingError(f"no component {name!r}; components: {self._batch.components}")
        return getattr(self._batch, name)

    def __setattr__(self, name: str, value: object) -> None:
        self[name]  # raises for an unknown name: assignment adds no component
        setattr(self._batch, name, value)

    __setitem__ = __setattr__

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    def __len__(self) -> int:
        return len(self.keys())

    def keys(self) -> tuple[str, ...]:
        """Names of the components."""
        return self._batch.components or ()

    def __repr__(self) -> str:
        return f"Components({', '.join(map(printable, self))})"


class Item:
    """One item of a batch, an attribute for each component; assignment changes the batch."""

    _batch: BatchData
    _position: int
    __slots__ = ("_batch", "_position")

    def __init__(self, batch: BatchData, position: int) -> None:
        object.__setattr__(self, "_batch", batch)
        object.__setattr__(self, "_position", position)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name not in (self._batch.components or ()):
            raise AttributeError(f"no component {name!r}; components: {self._batch.components}")
        values = getattr(self._batch, name)
        return None if values is None else at(values, self._position)

    def __setattr__(self, name: str, value: object) -> None:
        if name not in (self._batch.components or ()):
            raise KeyMissingError(f"no component {name!r}; components: {self._batch.components}")
        getattr(self._batch, name)[self._position] = value

    def copied(self) -> SimpleNamespace:
        """Return a copy of its values, an attribute for each component."""
        names = self._batch.components or ()
        return SimpleNamespace(**{name: getattr(self, name) for name in names})

    def __repr__(self) -> str:
        names = ", ".join(map(printable, self._batch.components or ()))
        return f"Item({self._batch.indices[self._position]!r}: {names})"


def is_scalar(values: object) -> bool:
    """Return whether values are an array or number of numpy without axes."""
    return isinstance(values, np.ndarray | np.generic) and values.ndim == 0


class BatchData:
    """Items and their components, aligned: entry k of each component belongs to item k.

    The contract between a batch and its actions and file formats. Each component is an attribute.
    """

    components: tuple[str, ...] | None = None
    # Attributes of every instance: their names are not available to components.
    _state: ClassVar[frozenset[str]] = frozenset(
        ("index", "_arrays", "_attrs", "_calls", "_copy", "_cut", "_dataset", "_lock", "_pipeline")
    ) | {"_preloaded", "_random", "_raw", "_seed", "_total"}
    _own: ClassVar[frozenset[str]] = frozenset({"components", "data", "data_setter", "random_seed"})

    def __init_subclass__(cls, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        if not (cls.components is None or isinstance(cls.components, tuple)):
            raise WrongTypeError(f"components is a tuple of names or None, not {cls.components!r}")
        for name in cls.components or ():
            cls._check_free(name)

    def __init__(
        self,
        index: Labels,
        preloaded: object = None,
        *,
        copy: bool = False,
        cut: Cut | None = None,
        total: int | None = None,
    ) -> None:
        self.index = index if isinstance(index, DatasetIndex) else DatasetIndex(index)
        self._dataset: Any = None
        self._pipeline: Any = None
        self._preloaded, self._copy = preloaded, copy
        self._cut = cut or Cut(np.arange(len(self)), np.zeros(len(self), np.intp))
        self._total = len(self) if total is None else total
        self._lock = threading.Lock()
        self._arrays: dict[str, Any] = {}
        self._raw: Any = None
        if self.components is None and isinstance(preloaded, dict):
            self._name_components(preloaded)

    @property
    def indices(self) -> Array:
        """Labels of the items."""
        return self.index.indices

    @property
    def size(self) -> int:
        """Number of items."""
        return len(self.index)

    def __len__(self) -> int:
        return len(self.index)

    @property
    def items(self) -> list[list[Any]]:
        """Each item in a list of its own, as arguments for a worker."""
        return [[item] for item in self]

    @property
    def pipeline(self) -> Any:
        """The pipeline that runs on it, or None."""
        return self._pipeline

    @property
    def array_of_nones(self) -> Array:
        """An object array with None for each item."""
        return np.full(len(self), None, dtype=object)

    # data

    @property
    def data(self) -> Any:
        """The components, an attribute and entry each; the data itself without any; or None."""
        self._load()
        return self._raw if self.components is None else Components(self)

    @data.setter
    def data(self, data: object) -> None:
        self._preloaded, self._raw, self._arrays = None, None, {}
        self._fill(data)

    def _replace_data(self, data: object) -> None:
        self.data = data

    data_setter = property(
        lambda self: self.data, _replace_data, doc="The data, by its name in batchflow."
    )

    def _load(self) -> None:
        if self._preloaded is None:
            return
        with self._lock:
            # Asked again: another thread may have loaded them in the meantime.
            if self._preloaded is not None:
                data = cropped(self._preloaded, self._places())
                self._fill(copying.deepcopy(data) if self._copy else data)
                self._preloaded = None

    def _places(self) -> Places:
        """Return where the items are in data that holds all items."""
        return Places(self.indices, self._cut.positions, self._total)

    def _fill(self, data: object) -> None:
        """Take data that is cut already."""
        # A dict names the components where neither the class nor the batch does.
        if data is not None and self.components is None and isinstance(data, dict):
            self._name_components(data)
        if self.components is None:
            self._raw = data
            return
        for name, values in named(data, self.components).items():
            self._set(name, values)

    def _name_components(self, names: Iterable[Any]) -> None:
        for name in names:
            self._check_free(name)
        self.components = tuple(names)

    def _set(self, name: str, values: object) -> None:
        self._arrays[name] = self._aligned(name, values)

    def _aligned(self, name: str, values: Any) -> Any:
        """Return values, one for each item or None.

        Raises
        ------
        SpecError
            For more or fewer.
        """
        if values is None:
            return None
        several = hasattr(values, "__getitem__") and not isinstance(values, type)
        if not several or isinstance(values, str | bytes | dict | Expression) or is_scalar(values):
            raise SpecError(
                f"component {name!r} needs a value for each of {len(self)} items, in an array or "
                f"list; not one {type(values).__name__}"
            )
        if len(values) != len(self):
            raise SpecError(
                f"component {name!r} got {len(values)} entries for {len(self)} items: "
                "it needs one for each"
            )
        return values

    def _store(self, found: dict[str, Any]) -> None:
        """Set components, all or none of them; new ones are added."""
        self._load()
        if not found:
            return
        # All are checked before the first is set, so that a failure changes nothing.
        for name, values in found.items():
            self._aligned(name, values)
            if name not in (self.components or ()):
                self._check_free(name)
        if self.components is None and self._raw is not None:
            raise SpecError(
                "a batch that holds data without components can get none: name that first"
            )
        self.components = (*(self.components or ()), *found)
        self.components = tuple(dict.fromkeys(self.components))
        for name, values in found.items():
            self._set(name, values)

    @classmethod
    def _check_free(cls, name: object) -> None:
        if not isinstance(name, str) or not name:
            raise WrongTypeError(f"a component is named by text, not {name!r:.80}")
        if name in dir(cls) or name in cls._state or name.startswith("__"):
            raise SpecError(f"{name!r} is taken: give the component another name")

    def __getattr__(self, name: str) -> Any:
        # Through __dict__: a missing attribute of a batch that is not made yet would end up here.
        components = self.__dict__.get("components", type(self).components)
        if not name.startswith("__") and self.__dict__.get("_preloaded") is not None:
            self._load()
            components = self.components
        if components and name in components:
            return self._arrays.get(name)
        raise AttributeError(
            f"{type(self).__name__} has neither an attribute nor a component {name!r}"
        )

    def __setattr__(self, name: str, value: object) -> None:
        if self.components and name in self.components and name not in self._own:
            self._load()
            self._set(name, value)
        else:
            super().__setattr__(name, value)

    # items

    def __getitem__(self, label: object) -> Any:
        """Return the item of a label; a batch for several labels or a slice of positions.

        Raises
        ------
        KeyMissingError
            For a label that is not there.
        """
        if isinstance(label, slice):
            return self._part(np.arange(len(self))[label])
        if isinstance(label, list | np.ndarray):
            return self._part(self.index.get_pos(label))
        return self._item(self.index.get_pos(label))

    def _item(self, position: int) -> Any:
        data = self.data
        if data is None:
            return None
        return Item(self, position) if self.components is not None else at(data, position)

    def __iter__(self) -> Iterator[Any]:
        return (self._item(position) for position in range(len(self)))

    @checked_types
    def get(self, item: object = None, component: str | None = None) -> Any:
        """Return all data, a component, an item, or a component of an item."""
        if component is not None and not self._has(component):
            raise KeyMissingError(f"no component {component!r}; components: {self.components}")
        if item is None:
            return self.data if component is None else getattr(self, component)
        return self[item] if component is None else getattr(self[item], component)

    def _part(self, positions: Array) -> Self:
        """Return a batch of the items at some positions."""
        self._load()
        part = self._light(self.index.subset_by_pos(positions))
        part._cut = Cut(self._cut.positions[positions], self._cut.epochs[positions])
        part._arrays = {name: taken(a, positions) for name, a in self._arrays.items()}
        part._raw = taken(self._raw, positions)
        return part

    def _has(self, name: object) -> bool:
        return isinstance(name, str) and name in (self.components or ())

    def _light(self, index: DatasetIndex | None = None) -> Self:
        """Return the batch without its data, for workers in other processes."""
        part = copying.copy(self)
        part.index = self.index if index is None else index
        part._arrays, part._raw, part._preloaded = {}, None, None
        return part

    # copies

    def deepcopy(self) -> Self:
        """Copy the batch and its arrays; dataset and pipeline are shared."""
        self._load()
        # Together, so that components that share memory still share it.
        made = copying.copy(self)
        made._arrays, made._raw = copying.deepcopy((self._arrays, self._raw))
        return made

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self.deepcopy()

    def __copy__(self) -> Self:
        made = type(self).__new__(type(self))
        made.__dict__.update(self.__dict__)
        # Components of its own, and a lock, which cannot be copied.
        made._arrays, made._lock = dict(self._arrays), threading.Lock()
        return made

    def __getstate__(self) -> dict[str, Any]:
        # Without the dataset, which may hold all data where a worker needs these items only.
        self._load()
        return {
            k: v for k, v in self.__dict__.items() if k not in ("_lock", "_dataset", "_pipeline")
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _lock=threading.Lock(), _dataset=None, _pipeline=None)
