"""All items, and how they are cut into batches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np

from thunderlike.batches.batch import Batch
from thunderlike.batches.cuts import Array, Cut
from thunderlike.batches.pipeline import Pipeline
from thunderlike.batches.sources import component_of, map_batches, opened
from thunderlike.data.base import Collection
from thunderlike.errors import BadIndex, SpecError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from thunderlike.batches.index import DatasetIndex

__all__ = ["Dataset"]


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

    def __init__(
        self,
        index: Any,
        batch_class: type[Batch] = Batch,
        preloaded: Any = None,
        *,
        copy: bool = False,
        **attrs: Any,
    ) -> None:
        self._collection = index
        found, data = opened(index)
        self.index: DatasetIndex = found
        self.batch_class = batch_class
        self.preloaded = preloaded if data is None else data
        self._copy, self._attrs = copy, attrs
        self._places: Array = np.arange(len(found))  # of its items in the dataset it is part of
        self._total = len(found)  # items of that dataset
        self.train: Dataset | None = None
        self.test: Dataset | None = None
        self.validation: Dataset | None = None
        self._endless = Pipeline(self)

    def __len__(self) -> int:
        return len(self.index)

    @property
    def indices(self) -> Array:
        """Labels of the items."""
        return self.index.indices

    # batches

    def batch_at(self, cut: Cut) -> Batch:
        """The batch of a cut."""
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

    def create_batch(self, index: Any, *, pos: bool = False) -> Batch:
        """The batch of some labels, or positions.

        Raises
        ------
        BadIndex
            For a label or position that is not there.
        """
        if pos:
            positions = np.atleast_1d(index)
            if len(positions) and not -len(self) <= positions.min() <= positions.max() < len(self):
                raise BadIndex(
                    f"positions {positions.tolist()[:5]} are not all in 0 .. {len(self) - 1}"
                )
        else:
            positions = self.index.get_pos(self.index.create_subset(index).indices)
        return self.batch_at(Cut(positions, np.zeros(len(positions), np.intp)))

    def gen_batch(self, batch_size: int, **how: Any) -> Iterator[Any]:
        """Batches, as :meth:`Pipeline.gen_batch`."""
        return self.p.gen_batch(batch_size, **how)

    def next_batch(self, batch_size: int, **how: Any) -> Any:
        """The next of batches that never end."""
        return self._endless.next_batch(batch_size, **how)

    @property
    def p(self) -> Pipeline:
        """A pipeline on this dataset, without steps yet."""
        return Pipeline(self)

    def pipeline(self, config: dict[str, Any] | None = None) -> Pipeline:
        """A pipeline on this dataset, without steps yet."""
        return Pipeline(self, config or {})

    def __rshift__(self, pipeline: Pipeline) -> Pipeline:
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

    def create_subset(self, labels: Any) -> Self:
        """A dataset of some of the labels.

        Raises
        ------
        BadIndex
            For a label that is not there.
        """
        index = self.index.create_subset(labels)
        part = type(self)(index, self.batch_class, self.preloaded, copy=self._copy, **self._attrs)
        part._places = self._places[self.index.get_pos(index.indices)]
        part._total = self._total
        return part

    def split(self, shares: float | Iterable[float] = 0.8, *, shuffle: bool | int = False) -> None:
        """Make `train`, `test` and `validation`; see :meth:`DatasetIndex.split`."""
        parts = self.index.split(shares, shuffle=shuffle)
        made = [None if part is None else self.create_subset(part) for part in parts]
        self.train, self.test, self.validation = made

    def cv_split(
        self, method: str = "kfold", n_splits: int = 5, *, shuffle: bool | int = False
    ) -> None:
        """Make ``cv0``, ``cv1`` and so on, each with `train` and `test`, for cross-validation.

        Raises
        ------
        SpecError
            For another method, or more parts than items.
        """
        if method != "kfold":
            raise SpecError(f"method is 'kfold', not {method!r}")
        if not 2 <= n_splits <= len(self):
            raise SpecError(
                f"{len(self)} items cannot be cut into {n_splits} parts: give from 2 on"
            )
        index = (
            self.index
            if shuffle is False
            else self.index.shuffle(None if shuffle is True else shuffle)
        )
        for number, test in enumerate(np.array_split(np.arange(len(self)), n_splits)):
            rest = np.setdiff1d(np.arange(len(self)), test)
            fold = self.create_subset(self.index)
            fold.train = self.create_subset(index.subset_by_pos(rest))
            fold.test = self.create_subset(index.subset_by_pos(test))
            setattr(self, f"cv{number}", fold)
