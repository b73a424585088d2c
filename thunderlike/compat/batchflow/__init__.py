"""``from thunderlike.compat.batchflow import ...``: batchflow's names, for scripts written for it.

Every module of batchflow that is rebuilt has its own here: ``thunderlike.compat.batchflow.batch``,
``.dataset``, ``.dsindex``, ``.pipeline``, ``.named_expr``, ``.decorators``, ``.config``, ``.utils``
and ``.utils_random``.

>>> import numpy as np
>>> from thunderlike.compat.batchflow import B, Dataset, V
>>> dataset = Dataset(4, preloaded={"images": np.ones((4, 2, 2))})
>>> pipeline = dataset.p.init_variable("sizes", []).update(V("sizes", mode="a"), B.size)
>>> pipeline.run(3).get_variable("sizes")
[3, 1]
"""

from __future__ import annotations

from thunderlike.batches import PP, B, C, D, F, I, L, NamedExpression, P, R, V, W
from thunderlike.compat.batchflow.batch import Batch, ImagesBatch
from thunderlike.compat.batchflow.config import Config
from thunderlike.compat.batchflow.dataset import Dataset
from thunderlike.compat.batchflow.decorators import (
    action,
    any_action_failed,
    apply_parallel,
    inbatch_parallel,
)
from thunderlike.compat.batchflow.dsindex import DatasetIndex, FilesIndex
from thunderlike.compat.batchflow.named_expr import eval_expr
from thunderlike.compat.batchflow.pipeline import Pipeline
from thunderlike.compat.batchflow.utils import read_data_from, save_data_to
from thunderlike.compat.batchflow.utils_random import (
    make_rng,
    make_seed_sequence,
    spawn_seed_sequence,
)

__all__ = [
    "PP",
    "B",
    "Batch",
    "C",
    "Config",
    "D",
    "Dataset",
    "DatasetIndex",
    "F",
    "FilesIndex",
    "I",
    "ImagesBatch",
    "L",
    "NamedExpression",
    "P",
    "Pipeline",
    "R",
    "V",
    "W",
    "__version__",
    "action",
    "any_action_failed",
    "apply_parallel",
    "eval_expr",
    "inbatch_parallel",
    "make_rng",
    "make_seed_sequence",
    "read_data_from",
    "save_data_to",
    "spawn_seed_sequence",
]

__version__ = "0.10.1"  # the release of batchflow whose names these are
