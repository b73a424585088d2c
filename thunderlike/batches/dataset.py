"""Datasets: all items, divided into batches; collections and readers as sources."""

from __future__ import annotations

import copy as copying
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from thunderlike._arguments import checked_methods, checked_types
from thunderlike.batches._steps import Rebatch
from thunderlike.batches.batch import Batch
from thunderlike.batches.expressions import F
from thunderlike.batches.index import (
    Cut,
    DatasetIndex,
    Shuffle,
    checked_positions,
    checked_size,
    ordered,
)
from thunderlike.batches.pipeline import Pipeline
from thunderlike.data.collection import Collection
from thunderlike.datasets.reader import Reader
from thunderlike.engines.base import Kernel
from thunderlike.errors import BadIndexError, SpecError, WrongTypeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from numpy.typing import ArrayLike

    from thunderlike._typing import Array
    from thunderlike.batches.index import Labels
    from thunderlike.engines.base import Records

__all__ = ["Dataset", "Rows", "component_of", "map_batches", "opened"]


class Rows:
    """Records of an engine as an array of which rows are asked for; locally without a copy.

    Parameters
    ----------
    records : Records
        Each row is computed when it is asked for: on Spark, a job for each batch.
    """

    def __init__(self, records: Records) -> None:
        self._records = records
        self.shape = (records.spec.count, *records.spec.shape)
        self.dtype = records.spec.dtype

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice | ArrayLike) -> Array:
        if isinstance(rows, slice):
            start, stop, step = rows.indices(len(self))
            return self._records.collect(start, stop)[::step]
        # A row that comes several times, as where an epoch ends in a batch, is computed once.
        wanted, order = np.unique(rows, return_inverse=True)
        found: Array = self._records.take(wanted).collect()
        return found[order]


def opened(
    index: Labels | Collection | Reader, build: Callable[[Any], DatasetIndex]
) -> tuple[DatasetIndex, Any]:
    """Return labels, and the data that comes with them: of a collection or a reader, or none."""
    # Before the labels: a collection is a sequence too, of its records.
    if isinstance(index, Collection):
        return build(index.count()), {component_of(index): Rows(index._records)}
    if isinstance(index, Reader):
        return build(list(index.keys())), index
    return build(index), None


def component_of(collection: object) -> str:
    """Return the component of the records of a collection: image, series or block."""
    name = type(collection).__name__.lower()
    return name if name == "series" else name.removesuffix("s")


@checked_types
def map_batches(
    collection: Collection, pipeline: Pipeline, component: str, batch_class: type[Batch] = Batch
) -> Any:
    """Run a pipeline over all records of a collection, where they are.

    Parameters
    ----------
    collection : Images or Series
        On any engine; its records are the items, their numbers the labels.
    pipeline : Pipeline
        Its steps run one after the other, each with target ``'for'`` unless it says otherwise. It
        may have no variables: each worker would have its own.
    component : str
        What the records are called before, and after it.

    Returns
    -------
    Images or Series
        Of the same kind and engine; lazily computed where the engine is lazy.

    Raises
    ------
    SpecError
        For a pipeline with variables, or one with a rebatch.

    Examples
    --------
    >>> import thunderlike as tl
    >>> from thunderlike.batches import Pipeline, map_batches
    >>> movie = tl.images.fromarray(np.ones((4, 3, 3)))
    >>> doubled = Pipeline().apply_parallel(np.add, 1, src="image", target="for")
    >>> map_batches(movie, doubled, "image").toarray().sum()
    np.float64(72.0)
    """
    if pipeline._defaults or any(isinstance(step, Rebatch) for step in pipeline._steps):
        raise SpecError("a pipeline over a collection has no variables and does not rebatch")
    # Without its dataset, which workers do not need. One record shows the shape of all.
    kernel = _Kernel(pipeline << None, component, batch_class)
    records = collection._records
    first = kernel(0, records.collect(0, 1))
    return collection._changed(records.map(kernel, first.shape[1:], first.dtype))


@dataclass(frozen=True)
class _Kernel(Kernel):
    """A pipeline as a function of blocks."""

    pipeline: Pipeline
    component: str
    batch_class: type[Batch]
    vectorised: ClassVar[bool] = False

    def __call__(self, start: int, block: Array) -> Array:
        rows = np.arange(start, start + len(block))
        batch = self.batch_class(rows, cut=Cut(rows, np.zeros(len(rows), np.intp)))
        batch.components = batch.components or (self.component,)
        batch._seed = self.pipeline.config.get("seed", 0)
        batch._set(self.component, np.array(block))  # a copy, which actions may change
        return np.asarray(getattr(self.pipeline.execute_for(batch), self.component))


@checked_methods
class Dataset:
    """Labels, perhaps their data, and the class of its batches.

    Parameters
    ----------
    index : int, iterable, DatasetIndex, Images, Series or a reader of ``tl.datasets``
        Labels of the items; or the items themselves, which are then read batch by batch.
    batch_class : type
        A subclass of :class:`Batch`.
    preloaded, copy
        As for :class:`Batch`.
    **attrs
        Attributes of every batch.

    Examples
    --------
    >>> dataset = Dataset(10, preloaded={"x": np.arange(10)})
    >>> [batch.x.tolist() for batch in dataset.gen_batch(4, n_epochs=1)]
    [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    >>> dataset.split(0.8)
    >>> dataset.test.indices.tolist()
    [0, 1]
    """

    _pipeline_class = Pipeline

    def __init__(
        self,
        index: Labels | Collection | Reader,
        batch_class: type[Batch] = Batch,
        preloaded: object = None,
        *,
        copy: bool = False,
        **attrs: object,
    ) -> None:
        self._collection = index
        if not (isinstance(batch_class, type) and issubclass(batch_class, Batch)):
            raise WrongTypeError(f"batch_class is a subclass of Batch, not {batch_class!r:.80}")
        found, data = opened(index, self.build_index)
        self.index: DatasetIndex = found
        self.batch_class = batch_class
        self.preloaded = preloaded if data is None else data
        self._copy, self._attrs = copy, attrs
        self._places: Array = np.arange(len(found))  # of its items in the dataset it is part of
        self._total = len(found)  # items of that dataset
        self.train: Dataset | None = None
        self.test: Dataset | None = None
        self.validation: Dataset | None = None
        self._folds: dict[str, Dataset] = {}
        self._endless = self._pipeline_class(self)  # remembers where next_batch stands

    def __len__(self) -> int:
        return len(self.index)

    @property
    def indices(self) -> Array:
        """Labels of the items."""
        return self.index.indices

    @staticmethod
    def build_index(index: Labels) -> DatasetIndex:
        """Return what says which items there are as an index."""
        return index if isinstance(index, DatasetIndex) else DatasetIndex(index)

    @classmethod
    def from_dataset(
        cls,
        dataset: Dataset,
        index: Labels,
        batch_class: type[Batch] | None = None,
        copy: bool = False,
        **attrs: object,
    ) -> Dataset:
        """Make a dataset like another one, with other items or another class of batches.

        Parameters
        ----------
        index : DatasetIndex
            Of the new dataset; its labels mean the same data as in `dataset`.
        copy : bool
            Make a new one even where nothing differs.
        **attrs
            Attributes of its batches, in addition to those of `dataset`.
        """
        found = cls.build_index(index)
        wanted = batch_class or dataset.batch_class
        same = wanted is dataset.batch_class and isinstance(dataset, cls)
        if same and not (attrs or copy) and np.array_equal(found.indices, dataset.indices):
            return dataset
        made = cls(
            found, wanted, dataset.preloaded, copy=dataset._copy, **{**dataset._attrs, **attrs}
        )
        # Items of the other dataset keep their places in it, which select their data and streams.
        if all(label in dataset.index for label in found.indices.tolist()):
            made._places = dataset._places[dataset.index.get_pos(found.indices)]
            made._total = dataset._total
        return made

    def copy(self) -> Self:
        """Return a dataset of the same items and data, without the parts of this one."""
        return self._part(self.index)

    def _part(self, index: DatasetIndex) -> Self:
        part = copying.copy(self)
        part._places = self._places[self.index.get_pos(index.indices)]
        part.index = index
        part.train = part.test = part.validation = None
        part._folds, part._endless = {}, self._pipeline_class(part)
        return part

    def __getattr__(self, name: str) -> Any:
        held = self.__dict__  # self._folds would end up here again while a copy is made
        if name in held.get("_folds", {}):
            return held["_folds"][name]
        if name in held.get("_attrs", {}):
            return held["_attrs"][name]
        if re.fullmatch(r"cv\d+", name):
            raise AttributeError(f"there is no {name}: cv_split makes the folds")
        raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")

    @property
    def size(self) -> int:
        """Number of items."""
        return len(self.index)

    @property
    def is_split(self) -> bool:
        """True if it has parts."""
        return any(part is not None for part in (self.train, self.test, self.validation))

    # batches

    def batch_at(self, cut: Cut) -> Batch:
        """Return the batch of a cut."""
        index = self.index.subset_by_pos(cut.positions)
        placed = Cut(self._places[cut.positions], cut.epochs)
        return self.batch_class(
            index,
            self,
            None,
            self.preloaded,
            copy=self._copy,
            cut=placed,
            total=self._total,
            **self._attrs,
        )

    def create_batch(self, index: object, pos: bool = False) -> Batch:
        """Make the batch of some labels, or positions.

        Raises
        ------
        BadIndexError
            For a label or position that is not there.
        """
        positions = (
            checked_positions(index, len(self))
            if pos
            else self.index.get_pos(self.index.create_subset(index).indices)
        )
        return self.batch_at(Cut(positions, np.zeros(len(positions), np.intp)))

    def gen_batch(self, batch_size: int, **how: Any) -> Iterator[Any]:
        """Batches, as :meth:`Pipeline.gen_batch`."""
        return self.p.gen_batch(batch_size, **how)

    def next_batch(self, batch_size: int, **how: Any) -> Any:
        """Return the next batch of an endless sequence."""
        return self._endless.next_batch(batch_size, **how)

    @property
    def p(self) -> Pipeline:
        """A pipeline on this dataset, without steps yet."""
        return self._pipeline_class(self)

    def pipeline(self, config: dict[str, Any] | None = None) -> Pipeline:
        """Return a pipeline on this dataset, without steps yet."""
        return self._pipeline_class(self, config or {})

    def __rshift__(self, pipeline: Pipeline) -> Pipeline:
        if not isinstance(pipeline, Pipeline):
            raise WrongTypeError(
                f"dataset >> pipeline takes a Pipeline, not {type(pipeline).__name__}"
            )
        return pipeline << self

    def map_batches(self, pipeline: Pipeline) -> Any:
        """Run a pipeline over the Images or Series that the dataset was made of, where they are.

        See :func:`~thunderlike.batches.map_batches`.

        Raises
        ------
        SpecError
            When it was made of something else, or is a part of a dataset.
        """
        if not isinstance(self._collection, Collection):
            raise SpecError("only a dataset made of Images or Series can be mapped as a whole")
        component = component_of(self._collection)
        return map_batches(self._collection, pipeline, component, self.batch_class)

    # parts

    def create_subset(self, labels: object) -> Self:
        """Return a dataset of some of the labels.

        Raises
        ------
        BadIndexError
            For a label that is not there.
        """
        return self._part(self.index.create_subset(labels))

    def split(self, shares: float | Iterable[float] = 0.8, shuffle: Shuffle = False) -> None:
        """Make `train`, `test` and `validation`; see :meth:`DatasetIndex.split`."""
        parts = self.index.split(shares, shuffle=shuffle)
        made = [None if part is None else self.create_subset(part) for part in parts]
        self.train, self.test, self.validation = made

    def cv_split(self, method: str = "kfold", n_splits: int = 5, shuffle: Shuffle = False) -> None:
        """Make ``cv0``, ``cv1`` and so on, each with `train` and `test`, for cross-validation.

        The same parts are ``train.cv0``, ``test.cv0`` and so on. Folds made before are forgotten.

        Raises
        ------
        SpecError
            For another method, or more parts than items.
        """
        if not isinstance(method, str) or method != "kfold":
            raise SpecError(f"method is 'kfold', not {method!r}")
        if checked_size(n_splits) < 2 or n_splits > len(self):
            raise SpecError(
                f"{len(self)} items cannot be cut into {n_splits} parts: give from 2 on"
            )
        order = ordered(len(self), shuffle, epoch=0)
        folds, train, test = {}, self.copy(), self.copy()
        for number, chosen in enumerate(np.array_split(np.arange(len(self)), n_splits)):
            rest = np.setdiff1d(np.arange(len(self)), chosen)
            fold = self.copy()
            fold.train = self._part(self.index.subset_by_pos(order[rest]))
            fold.test = self._part(self.index.subset_by_pos(order[chosen]))
            name = f"cv{number}"
            folds[name], train._folds[name], test._folds[name] = fold, fold.train, fold.test
        self._folds, self.train, self.test = folds, train, test

    def cv(self, n: int) -> Dataset:
        """Return a fold of :meth:`cv_split`.

        Raises
        ------
        BadIndexError
            When there are not so many.
        """
        if f"cv{n}" not in self._folds:
            raise BadIndexError(
                f"fold {n!r:.80} is out of bounds: there are {len(self._folds)}, made by cv_split"
            )
        return self._folds[f"cv{n}"]

    def CV(self, n: object) -> F:  # noqa: N802
        """Return an expression for a fold whose number is one: ``dataset.CV(C('fold')).train``."""
        return F(self.cv)(n)
