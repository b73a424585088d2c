"""Batches: items with named components."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from thunderlike._arguments import checked_methods_types
from thunderlike.batches import io
from thunderlike.batches._components import is_scalar
from thunderlike.batches._indexing import length_of
from thunderlike.batches.actions import Actions, action
from thunderlike.batches.index import Cut, DatasetIndex, checked_size
from thunderlike.errors import KeyMissingError, SpecError, WrongTypeError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from thunderlike.batches.index import Labels

__all__ = ["Batch", "checked", "concatenated", "joined", "split_at"]


def checked(batches: Iterable[Batch] | Batch) -> list[Batch]:
    """Return batches as a list.

    Raises
    ------
    SpecError
        For no batches.
    WrongTypeError
        For something else.
    """
    # A batch is iterable too, over its items.
    several = isinstance(batches, Iterable) and not isinstance(batches, Batch | np.ndarray)
    parts: list[Any] = list(batches) if several else [batches]
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
    # The items keep their places in the dataset, which select their random streams.
    cuts = zip(*(part._cut for part in parts), strict=True)
    cut = Cut(*(np.concatenate(pair) for pair in cuts))
    made = batch_class(_index(parts, keep_index=keep_index), cut=cut)
    # Batches of several pipelines: the first decides.
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


def split_at(whole: Batch, size: int | None, *, keep_index: bool) -> tuple[Any, Any]:
    """Return the first `size` items, and a batch of the rest, or None."""
    # A batch that is not larger is returned as it is, without a copy.
    if size is not None and checked_size(size) and size >= len(whole):
        size = None
    if size is None:
        return whole, None
    first, rest = whole[:size], whole[size:]
    if not keep_index:
        first.index, rest.index = DatasetIndex(len(first)), DatasetIndex(len(rest))
    return first, rest


def concatenated(component: str | None, data: Iterable[Any] | None) -> Any:
    """Concatenate the values of one component: arrays, lists or frames; None if all are None.

    Raises
    ------
    SpecError
        When they are None in some batches and not in others.
    """
    try:
        parts = [] if data is None or isinstance(data, str | dict) else list(data)
    except TypeError:  # not iterable
        parts = []
    if not parts:
        raise SpecError(f"component {component!r} has no values to join: give those of each batch")
    missing = sum(values is None for values in parts)
    if missing == len(parts):
        return None
    if missing:
        raise SpecError(f"component {component!r} is None in {missing} of {len(parts)} batches")
    if isinstance(parts[0], list):
        return [value for values in parts for value in values]
    if hasattr(parts[0], "iloc"):
        import pandas as pd

        # Rows are items in order: labels of the parts' rows may repeat, and would select wrongly.
        return pd.concat(parts, ignore_index=True)
    try:
        return np.concatenate([np.asarray(values) for values in parts])
    except ValueError as error:
        raise SpecError(
            f"the values of component {component!r} cannot be joined: {error}"
        ) from error


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

    iteration: int | None = None
    iterations: int | None = None

    def __init__(
        self,
        index: Labels,
        dataset: object = None,
        pipeline: object = None,
        preloaded: object = None,
        copy: bool = False,
        *_: object,
        cut: Cut | None = None,
        total: int | None = None,
        **attrs: object,
    ) -> None:
        super().__init__(index, preloaded, copy=copy, cut=cut, total=total)
        self._dataset, self._pipeline = dataset, pipeline
        self._attrs: tuple[str, ...] = ()
        self.create_attrs(**attrs)

    @classmethod
    def from_data(cls, index: Labels | None = None, data: object = None, **kwargs: Any) -> Self:
        """Make a batch of data; without an index its items are numbered from 0."""
        if index is None:
            index = length_of(data)
        return cls(index, preloaded=data, **kwargs)

    @property
    def dataset(self) -> Any:
        """The dataset of its pipeline, else the one it was cut from."""
        return getattr(self._pipeline, "dataset", None) or self._dataset

    # components and attributes

    @action
    def add_components(self, components: str | Sequence[str], init: object = None) -> Self:
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
        if isinstance(components, str):
            inits = [init]
        elif init is None:
            inits = [None] * len(names)
        elif isinstance(init, Iterable) and not isinstance(init, str) and not is_scalar(init):
            inits = list(init)
        else:
            raise WrongTypeError(
                f"init is a list of the values of each component, not {init!r:.80}"
            )
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
    def create_attrs(self, **attrs: object) -> Self:
        """Set attributes and remember their names."""
        for name, value in attrs.items():
            setattr(self, name, value)
        self._attrs = tuple(dict.fromkeys(self._attrs + tuple(attrs)))
        return self

    def get_attrs(self) -> dict[str, Any]:
        """Return the attributes that were set by name."""
        return {name: getattr(self, name) for name in self._attrs}

    def as_dataset(self, dataset: object = None, copy: bool = False) -> Any:
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
        # Not by isinstance: the class of datasets stands above batches.
        if "batch_at" not in dir(made):
            raise WrongTypeError(f"dataset is a Dataset or a class of them, not {model!r:.80}")
        data = self._arrays if self.data is not None and self.components else self._raw
        # Labels that are numbers would be positions in the data, which holds these items only.
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
        # The class of the batches, unless this is called on a more special one.
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
        self, src: object = None, fmt: str | None = None, dst: object = None, **options: object
    ) -> Self:
        """Load components, from memory or files; see :mod:`thunderlike.batches.io`."""
        io.load(self, src, fmt, dst, **options)
        return self

    @action
    def dump(
        self,
        dst: object = None,
        fmt: str | None = None,
        components: object = None,
        **options: object,
    ) -> Self:
        """Write components, to memory or files; see :mod:`thunderlike.batches.io`."""
        io.dump(self, dst, fmt, components, **options)
        return self

    save = dump
