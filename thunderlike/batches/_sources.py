"""Collections and readers as sources of items; pipelines over whole collections."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from thunderlike._arguments import checked_types
from thunderlike.batches.batch import Batch
from thunderlike.batches.sampler import Cut
from thunderlike.data.collection import Collection
from thunderlike.datasets.reader import Reader
from thunderlike.engines.base import Kernel
from thunderlike.errors import SpecError

if TYPE_CHECKING:
    from collections.abc import Callable

    from thunderlike._typing import Array
    from thunderlike.batches.index import DatasetIndex
    from thunderlike.batches.pipeline import Pipeline
    from thunderlike.engines.base import Records

__all__ = ["Rows", "component_of", "map_batches", "opened"]


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

    def __getitem__(self, rows: Any) -> Array:
        if isinstance(rows, slice):
            start, stop, step = rows.indices(len(self))
            return self._records.collect(start, stop)[::step]
        wanted, order = np.unique(rows, return_inverse=True)
        return self._records.take(wanted).collect()[order]


def opened(index: Any, build: Callable[[Any], DatasetIndex]) -> tuple[DatasetIndex, Any]:
    """Return labels, and the data that comes with them: of a collection or a reader, or none."""
    if isinstance(index, Collection):
        return build(index.count()), {component_of(index): Rows(index._records)}
    if isinstance(index, Reader):
        return build(list(index.keys())), index
    return build(index), None


def component_of(collection: Any) -> str:
    """Return the component of the records of a collection: image, series or block."""
    name = type(collection).__name__.lower()
    return name if name == "series" else name.removesuffix("s")


@checked_types
def map_batches(
    collection: Any, pipeline: Pipeline, component: str, batch_class: type[Batch] = Batch
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
    if pipeline._defaults or any(type(step).__name__ == "Rebatch" for step in pipeline._steps):
        raise SpecError("a pipeline over a collection has no variables and does not rebatch")
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
        batch._set(self.component, np.array(block))
        return np.asarray(getattr(self.pipeline.execute_for(batch), self.component))
