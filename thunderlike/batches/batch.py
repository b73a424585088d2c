"""Batches: items with named components."""

from __future__ import annotations

import copy as copying
import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from thunderlike._arguments import checked_methods_types
from thunderlike.batches import io
from thunderlike.batches._indexing import (
    Components,
    Item,
    Places,
    at,
    cropped,
    length_of,
    named,
    taken,
)
from thunderlike.batches.actions import Actions, action
from thunderlike.batches.expressions import Expression
from thunderlike.batches.index import Cut, DatasetIndex, checked_size
from thunderlike.errors import KeyMissingError, SpecError, WrongTypeError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from thunderlike._typing import Array

__all__ = ["Batch", "checked", "concatenated", "joined", "split_at"]


def checked(batches: Any) -> list[Batch]:
    """Return batches as a list.

    Raises
    ------
    SpecError
        For no batches.
    WrongTypeError
        For something else.
    """
    several = isinstance(batches, Iterable) and not isinstance(batches, Batch | np.ndarray)
    parts = list(batches) if several else [batches]
    if not parts:
        raise SpecError("no batches to merge: give at least one")
    for part in parts:
        if not isinstance(part, Batch):
            raise WrongTypeError(f"batches are merged, not {type(part).__name__}")
    return parts


def joined(
    batch_class: type[Batch],
    parts: list[Batch],
    components: Iterable[str] | None,
    *,
    keep_index: bool,
) -> Any:
    """Join batches into one of a class, with some of the components; by default all.

    Raises
    ------
    KeyMissingError
        For a component that no batch has.
    """
    for part in parts:
        part._load()
    made = batch_class(_index(parts, keep_index=keep_index), cut=_cut(parts))
    first = parts[0]
    made._seed, made._dataset, made._pipeline = first._seed, first._dataset, first._pipeline
    names = tuple(components) if components is not None else first.components
    if names is None:
        made._raw = batch_class.merge_component(None, [part._raw for part in parts])
        return made
    for name in names:
        if not any(part._has(name) for part in parts):
            raise KeyMissingError(f"no component {name!r}; components: {first.components}")
    made.components = names
    for name in names:
        values = [part._arrays.get(name) for part in parts]
        made._arrays[name] = batch_class.merge_component(name, values)
    return made


def _index(parts: list[Batch], *, keep_index: bool) -> DatasetIndex:
    """Return an index of numbers from 0, or of the labels, which may repeat in several epochs."""
    labels = [label for part in parts for label in part.indices]
    return DatasetIndex(labels, unique=False) if keep_index else DatasetIndex(len(labels))


def _cut(parts: list[Batch]) -> Cut:
    return Cut(*(np.concatenate(pair) for pair in zip(*(part._cut for part in parts), strict=True)))


def split_at(whole: Batch, size: int | None, *, keep_index: bool) -> tuple[Any, Any]:
    """Return the first `size` items, and a batch of the rest, or None."""
    if size is not None and checked_size(size) and size >= len(whole):
        size = None
    if size is None:
        return whole, None
    first, rest = whole[:size], whole[size:]
    if not keep_index:
        first.index, rest.index = DatasetIndex(len(first)), DatasetIndex(len(rest))
    return first, rest


def _as_list(data: Iterable[Any]) -> list[Any] | None:
    try:
        return list(data)
    except TypeError:
        return None


def concatenated(component: str | None, data: list[Any]) -> Any:
    """Concatenate the values of one component: arrays, lists or frames; None if all are None.

    Raises
    ------
    SpecError
        When they are None in some batches and not in others.
    """
    if not isinstance(data, tuple | list):
        data = None if data is None or isinstance(data, str | dict) else _as_list(data)
    if not data:
        raise SpecError(f"component {component!r} has no values to join: give those of each batch")
    missing = sum(values is None for values in data)
    if missing == len(data):
        return None
    if missing:
        raise SpecError(f"component {component!r} is None in {missing} of {len(data)} batches")
    if isinstance(data[0], list):
        return [value for values in data for value in values]
    if hasattr(data[0], "iloc"):
        import pandas as pd

        return pd.concat(data, ignore_index=True)
    try:
        return np.concatenate([np.asarray(values) for values in data])
    except ValueError as error:
        raise SpecError(
            f"the values of component {component!r} cannot be joined: {error}"
        ) from error


def _is_scalar(values: Any) -> bool:
    return isinstance(values, np.ndarray | np.generic) and values.ndim == 0


@checked_methods_types
class Batch(Actions):
    """Items and their components, aligned: entry k of each component belongs to item k.

    Parameters
    ----------
    index : int, iterable or DatasetIndex
        Labels of the items.
    dataset, pipeline : optional
        Where they come from.
    preloaded
        All data, from which the items of the batch are cut when they are first asked for: a dict of
        arrays, a tuple or list of them in the order of `components`, a DataFrame, a structured
        array, or one array for a batch without components. Whole-number labels are positions in it.
    copy : bool
        Copy the items, so that changes of the batch never change `preloaded`.
    **attrs
        Attributes of the batch, known to :meth:`get_attrs`.

    Attributes
    ----------
    components : tuple of str or None
        Names of the components; a subclass may say which there are.
    iteration, iterations : int or None
        Number of the batch in its pipeline, from 1 on; and of all batches, where they end.

    Examples
    --------
    >>> batch = Batch.from_data(data={"image": np.zeros((3, 4, 4)), "label": np.arange(3)})
    >>> batch.apply_parallel(np.max, src="image", dst="peak").peak
    array([0., 0., 0.])
    >>> batch[1].label
    np.int64(1)
    """

    components: tuple[str, ...] | None = None
    iteration: int | None = None
    iterations: int | None = None
    # Attributes of every instance: their names are not available to components.
    _state: ClassVar[frozenset[str]] = frozenset(
        ("index", "_arrays", "_attrs", "_calls", "_copy", "_cut", "_dataset", "_lock", "_pipeline")
    ) | {"_preloaded", "_random", "_raw", "_seed", "_total"}
    _own: ClassVar[frozenset[str]] = frozenset({"components", "data", "data_setter", "random_seed"})

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if not (cls.components is None or isinstance(cls.components, tuple)):
            raise WrongTypeError(f"components is a tuple of names or None, not {cls.components!r}")
        for name in cls.components or ():
            cls._check_free(name)

    def __init__(
        self,
        index: Any,
        dataset: Any = None,
        pipeline: Any = None,
        preloaded: Any = None,
        copy: bool = False,
        *_: Any,
        cut: Cut | None = None,
        total: int | None = None,
        **attrs: Any,
    ) -> None:
        super().__init__()
        self.index = index if isinstance(index, DatasetIndex) else DatasetIndex(index)
        self._dataset, self._pipeline = dataset, pipeline
        self._preloaded, self._copy = preloaded, copy
        self._cut = cut or Cut(np.arange(len(self)), np.zeros(len(self), np.intp))
        self._total = len(self) if total is None else total
        self._lock = threading.Lock()
        self._arrays: dict[str, Any] = {}
        self._raw: Any = None
        self._attrs: tuple[str, ...] = ()
        if self.components is None and isinstance(preloaded, dict):
            self._name_components(preloaded)
        self.create_attrs(**attrs)

    @classmethod
    def from_data(cls, index: Any = None, data: Any = None, **kwargs: Any) -> Self:
        """Make a batch of data; without an index its items are numbered from 0."""
        if index is None:
            index = length_of(data)
        return cls(index, preloaded=data, **kwargs)

    # properties

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
    def dataset(self) -> Any:
        """The dataset of its pipeline, else the one it was cut from."""
        return getattr(self._pipeline, "dataset", None) or self._dataset

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
    def data(self, data: Any) -> None:
        self._preloaded, self._raw, self._arrays = None, None, {}
        self._fill(data)

    def _replace_data(self, data: Any) -> None:
        self.data = data

    data_setter = property(
        lambda self: self.data, _replace_data, doc="The data, by its name in batchflow."
    )

    def _load(self) -> None:
        if self._preloaded is None:
            return
        with self._lock:
            if self._preloaded is not None:
                data = cropped(self._preloaded, self._places())
                self._fill(copying.deepcopy(data) if self._copy else data)
                self._preloaded = None

    def _places(self) -> Places:
        """Return where the items are in data that holds all items."""
        return Places(self.indices, self._cut.positions, self._total)

    def _fill(self, data: Any) -> None:
        """Take data that is cut already."""
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

    def _set(self, name: str, values: Any) -> None:
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
        if not several or isinstance(values, str | bytes | dict | Expression) or _is_scalar(values):
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
    def _check_free(cls, name: Any) -> None:
        if not isinstance(name, str) or not name:
            raise WrongTypeError(f"a component is named by text, not {name!r:.80}")
        if name in dir(cls) or name in cls._state or name.startswith("__"):
            raise SpecError(f"{name!r} is taken: give the component another name")

    def __getattr__(self, name: str) -> Any:
        components = self.__dict__.get("components", type(self).components)
        if not name.startswith("__") and self.__dict__.get("_preloaded") is not None:
            self._load()
            components = self.components
        if components and name in components:
            return self._arrays.get(name)
        raise AttributeError(
            f"{type(self).__name__} has neither an attribute nor a component {name!r}"
        )

    def __setattr__(self, name: str, value: Any) -> None:
        if self.components and name in self.components and name not in self._own:
            self._load()
            self._set(name, value)
        else:
            super().__setattr__(name, value)

    # items

    def __getitem__(self, label: Any) -> Any:
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

    def get(self, item: Any = None, component: str | None = None) -> Any:
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

    def _has(self, name: Any) -> bool:
        return isinstance(name, str) and name in (self.components or ())

    def _light(self, index: Any = None) -> Self:
        """Return the batch without its data, for workers in other processes."""
        part = copying.copy(self)
        part.index = self.index if index is None else index
        part._arrays, part._raw, part._preloaded = {}, None, None
        return part

    # components and attributes

    @action
    def add_components(self, components: str | Sequence[str], init: Any = None) -> Self:
        """Add components, with their values or None.

        Parameters
        ----------
        components : str or sequence of str
            New names.
        init
            Values of the one, or a list of the values of each.

        Raises
        ------
        SpecError
            For a name that is taken; for values that are too few or not one for each item; for a
            batch that holds data without components.
        """
        self._load()
        if not isinstance(components, str | tuple | list):
            raise WrongTypeError(f"components are a name or several, not {components!r:.80}")
        names = (components,) if isinstance(components, str) else tuple(components)
        inits = (
            [init] if isinstance(components, str) else [None] * len(names) if init is None else init
        )
        if not isinstance(inits, Iterable) or isinstance(inits, str) or _is_scalar(inits):
            raise WrongTypeError(
                f"init is a list of the values of each component, not {init!r:.80}"
            )
        inits = list(inits)
        if len(inits) != len(names):
            raise SpecError(
                f"{len(names)} components need as many initial values, not {len(inits)}"
            )
        for name in names:
            self._check_free(name)
            if name in (self.components or ()) or names.count(name) > 1:
                raise SpecError(f"{name!r} is taken: give the component another name")
        self._store(dict(zip(names, inits, strict=True)))
        return self

    @action
    def create_attrs(self, **attrs: Any) -> Self:
        """Set attributes and remember their names."""
        for name, value in attrs.items():
            setattr(self, name, value)
        self._attrs = tuple(dict.fromkeys(self._attrs + tuple(attrs)))
        return self

    def get_attrs(self) -> dict[str, Any]:
        """Return the attributes that were set by name."""
        return {name: getattr(self, name) for name in self._attrs}

    # copies

    def deepcopy(self) -> Self:
        """Copy the batch and its arrays; dataset and pipeline are shared."""
        self._load()
        made = copying.copy(self)
        made._arrays, made._raw = copying.deepcopy((self._arrays, self._raw))
        return made

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self.deepcopy()

    def __copy__(self) -> Self:
        made = type(self).__new__(type(self))
        made.__dict__.update(self.__dict__)
        made._arrays, made._lock = dict(self._arrays), threading.Lock()
        return made

    def __getstate__(self) -> dict[str, Any]:
        self._load()
        return {
            k: v for k, v in self.__dict__.items() if k not in ("_lock", "_dataset", "_pipeline")
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _lock=threading.Lock(), _dataset=None, _pipeline=None)

    def as_dataset(self, dataset: Any = None, copy: bool = False) -> Any:
        """Make a dataset of the items, whose class is that of `dataset` or of its own.

        Raises
        ------
        SpecError
            When there is neither.
        """
        model = dataset if dataset is not None else self.dataset
        if model is None:
            raise SpecError("give the class of the dataset: the batch has none")
        made = model if isinstance(model, type) else type(model)
        if "batch_at" not in dir(made):
            raise WrongTypeError(f"dataset is a Dataset or a class of them, not {model!r:.80}")
        data = self._arrays if self.data is not None and self.components else self._raw
        positional = DatasetIndex(len(self)) if self.indices.dtype.kind in "iu" else self.index
        return made(
            positional, batch_class=type(self), preloaded=data, copy=copy, **self.get_attrs()
        )

    # many batches

    @classmethod
    def merge(
        cls,
        batches: Iterable[Batch],
        batch_size: int | None = None,
        components: str | Iterable[str] | None = None,
        batch_class: type[Batch] | None = None,
        *,
        keep_index: bool = False,
    ) -> tuple[Any, Any]:
        """Join batches into one of `batch_size` items, and one of the rest.

        Parameters
        ----------
        batch_size : int, optional
            Items of the first; all by default.
        components : str or iterable of str, optional
            Which to keep; all of the first batch by default.
        batch_class : type, optional
            Of the results; that of the first batch by default.
        keep_index : bool
            Keep the labels, instead of numbers from 0.

        Returns
        -------
        tuple of Batch
            The second is None when nothing is left.

        Raises
        ------
        SpecError
            For no batches, or a component that is None in some.
        """
        parts = checked(batches)
        if batch_class is not None and not (
            isinstance(batch_class, type) and issubclass(batch_class, Batch)
        ):
            raise WrongTypeError(f"batch_class is a subclass of Batch, not {batch_class!r:.80}")
        if batch_class is None:
            batch_class = type(parts[0]) if isinstance(parts[0], cls) else cls
        names = (components,) if isinstance(components, str) else components
        if names is not None and not isinstance(names, tuple | list):
            raise WrongTypeError(f"components are a name or several, not {components!r:.80}")
        made = joined(batch_class, parts, names, keep_index=keep_index)
        return split_at(made, batch_size, keep_index=keep_index)

    @classmethod
    def merge_component(cls, component: str | None = None, data: Any = None) -> Any:
        """Join the values of one component; subclasses may override it.

        Raises
        ------
        SpecError
            When they are None in some batches and not in others; for no data.
        """
        return concatenated(component, data)

    # out

    def to_images(self, component: str) -> Any:
        """Return a component as local Images with the labels of the batch, without a copy."""
        from thunderlike.data.images import Images

        return Images(self.get(component=component), labels=self.indices)

    def to_series(self, component: str) -> Any:
        """Return a component as local Series; its last axis is time."""
        from thunderlike.data.series import Series

        return Series(self.get(component=component))

    @action
    def load(
        self, src: Any = None, fmt: str | None = None, dst: Any = None, **options: Any
    ) -> Self:
        """Load components, from memory or files; see :mod:`thunderlike.batches.io`."""
        io.load(self, src, fmt, dst, **options)
        return self

    @action
    def dump(
        self, dst: Any = None, fmt: str | None = None, components: Any = None, **options: Any
    ) -> Self:
        """Write components, to memory or files; see :mod:`thunderlike.batches.io`."""
        io.dump(self, dst, fmt, components, **options)
        return self

    save = dump
