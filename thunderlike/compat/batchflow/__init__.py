"""batchflow's names, for scripts written for it: ``from thunderlike.compat.batchflow import ...``.

Each supported module of batchflow has its counterpart: ``thunderlike.compat.batchflow.batch``,
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

from thunderlike.batches import (
    PP,
    B,
    C,
    D,
    F,
    I,
    L,
    NamedExpression,
    P,
    R,
    V,
    W,
    action,
    apply_parallel,
)
from thunderlike.compat.aliases import submodules as _submodules
from thunderlike.compat.batchflow.batch import (
    Batch,
    Dataset,
    DatasetIndex,
    FilesIndex,
    ImagesBatch,
    Pipeline,
    any_action_failed,
    eval_expr,
    inbatch_parallel,
    make_rng,
    make_seed_sequence,
    read_data_from,
    save_data_to,
    spawn_seed_sequence,
)
from thunderlike.compat.batchflow.config import Config

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

_HOME = "thunderlike.compat.batchflow.batch"

_submodules(
    __name__,
    {
        "dataset": {_HOME: "Dataset"},
        "decorators": {
            "thunderlike.batches": "action apply_parallel",
            _HOME: "any_action_failed inbatch_parallel",
        },
        "dsindex": {_HOME: "DatasetIndex FilesIndex"},
        "named_expr": {
            "thunderlike.batches": "PP B C D F I L NamedExpression P R V W",
            _HOME: "eval_expr",
        },
        "pipeline": {_HOME: "Pipeline"},
        "utils": {_HOME: "is_iterable read_data_from save_data_to"},
        "utils_random": {_HOME: "make_rng make_seed_sequence spawn_seed_sequence"},
    },
)
