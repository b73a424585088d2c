"""Named expressions, and their evaluation with batchflow's arguments."""

from __future__ import annotations

from typing import Any

from thunderlike.batches import PP, B, C, D, F, I, L, NamedExpression, P, R, V, W
from thunderlike.batches.expressions import Scope, evaluated

__all__ = [
    "PP",
    "B",
    "C",
    "D",
    "F",
    "I",
    "L",
    "NamedExpression",
    "P",
    "R",
    "V",
    "W",
    "eval_expr",
]


def eval_expr(expr: Any, no_eval: Any = None, batch: Any = None, pipeline: Any = None) -> Any:
    """Evaluate expressions, in lists, tuples and dicts too.

    Parameters
    ----------
    no_eval : sequence of str, optional
        Keys of a dict whose values stay what they are.

    Examples
    --------
    >>> from thunderlike.compat.batchflow import Batch
    >>> eval_expr({"n": B.size + 1, "kept": B.size}, no_eval=["kept"], batch=Batch(3))["n"]
    4
    """
    scope = Scope.of(batch, pipeline)
    if no_eval and isinstance(expr, dict):
        return {k: v if k in no_eval else evaluated(v, scope) for k, v in expr.items()}
    return evaluated(expr, scope)
