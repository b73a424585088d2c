"""A handful of items with named arrays, and functions applied item by item.

A batch is cut from a dataset by its index; a pipeline writes actions down and runs them on every
batch. Who runs an action (threads, processes, Spark) changes no result, random ones included.
"""

from __future__ import annotations

from thunderlike.batches.batch import Batch
from thunderlike.batches.dataset import Dataset
from thunderlike.batches.decorators import action, apply_parallel
from thunderlike.batches.expressions import B, C, F, P, R, V
from thunderlike.batches.index import DatasetIndex, FilesIndex
from thunderlike.batches.pipeline import Pipeline
from thunderlike.batches.sources import map_batches

__all__ = [
    "B",
    "Batch",
    "C",
    "Dataset",
    "DatasetIndex",
    "F",
    "FilesIndex",
    "P",
    "Pipeline",
    "R",
    "V",
    "action",
    "apply_parallel",
    "map_batches",
]
