"""Datasets with batchflow's indices and pipelines."""

from __future__ import annotations

from typing import Any

from thunderlike import batches
from thunderlike.compat.batchflow.batch import Batch
from thunderlike.compat.batchflow.dsindex import DatasetIndex
from thunderlike.compat.batchflow.pipeline import Pipeline

__all__ = ["Dataset"]


class Dataset(batches.Dataset):
    """``thunderlike.batches.Dataset`` with batchflow's conventions.

    Parameters
    ----------
    index, batch_class, preloaded, copy
        As there.
    n_splits, method, shuffle : optional
        As in :meth:`cv_split`, which is then called.
    **attrs
        Attributes of the dataset and its batches.
    """

    _pipeline_class = Pipeline

    def __init__(
        self,
        index: Any,
        batch_class: type[batches.Batch] = Batch,
        *_: Any,
        preloaded: Any = None,
        copy: bool = False,
        n_splits: int | None = None,
        method: str = "kfold",
        shuffle: Any = False,
        **attrs: Any,
    ) -> None:
        attrs.pop("cast_to_array", None)
        super().__init__(index, batch_class, preloaded, copy=copy, **attrs)
        if n_splits is not None:
            self.cv_split(method, n_splits, shuffle)

    @staticmethod
    def build_index(index: Any) -> Any:
        """Return what says which items there are as an index."""
        return index if isinstance(index, batches.DatasetIndex) else DatasetIndex(index)
