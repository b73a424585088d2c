"""A handful of items with named arrays, and functions applied item by item.

A batch is cut from a dataset by its index; a pipeline writes actions down and runs them on every
batch. Who runs an action (threads, processes, Spark) changes no result, random ones included.
"""

from __future__ import annotations

from thunderlike.batches.actions import action, apply_parallel
from thunderlike.batches.batch import Batch
from thunderlike.batches.dataset import Dataset, map_batches
from thunderlike.batches.expressions import PP, B, C, D, F, I, L, NamedExpression, P, R, V, W
from thunderlike.batches.index import DatasetIndex, FilesIndex
from thunderlike.batches.pipeline import Pipeline

__all__ = [
    "PP",
    "B",
    "Batch",
    "C",
    "D",
    "Dataset",
    "DatasetIndex",
    "F",
    "FilesIndex",
    "I",
    "L",
    "NamedExpression",
    "P",
    "Pipeline",
    "R",
    "V",
    "W",
    "action",
    "apply_parallel",
    "map_batches",
]
