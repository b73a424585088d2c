"""``datadings.torch``: datasets for PyTorch."""

from __future__ import annotations

from thunderlike.datasets.torch import (
    Compose,
    CompressedToPIL,
    Dataset,
    DatasetBase,
    IterableDataset,
    dict2tuple,
    no_rng,
)

__all__ = [
    "Compose",
    "CompressedToPIL",
    "Dataset",
    "DatasetBase",
    "IterableDataset",
    "dict2tuple",
    "no_rng",
]
