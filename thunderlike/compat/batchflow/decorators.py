"""Decorators of batch classes."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from thunderlike.batches import action, apply_parallel
from thunderlike.batches.expressions import evaluated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["action", "any_action_failed", "apply_parallel", "inbatch_parallel"]


def any_action_failed(results: Iterable[Any]) -> bool:
    """Whether exceptions are among results."""
    return any(isinstance(result, Exception) for result in results)


def inbatch_parallel(
    init: Any, post: Any = None, target: str = "threads", **defaults: Any
) -> Callable[..., Any]:
    """Make a method of one item a method of a whole batch.

    Parameters
    ----------
    init : str or callable
        What gives the arguments of each call: the name of an attribute or method of the batch,
        such as ``'indices'``, or a function.
    post : str or callable, optional
        What is done with the results; without it they are dropped and the batch is returned.
    target : str
        As in :meth:`thunderlike.batches.Batch.apply_parallel`.
    **defaults
        Further arguments of the method, and of `init` and `post`.

    Examples
    --------
    >>> import numpy as np
    >>> from thunderlike.compat.batchflow import Batch
    >>> class Counts(Batch):
    ...     @action
    ...     @inbatch_parallel(init="indices", post="_assemble", dst="n")
    ...     def number(self, label, start=0, **kwargs):
    ...         return start + label
    >>> Counts(3).number(start=5).n
    array([5, 6, 7])
    """

    def decorate(method: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(method)
        def run(batch: Any, *args: Any, **kwargs: Any) -> Any:
            args, call = evaluated((args, {**defaults, **kwargs}), batch)
            call = {"post": post or (lambda _results, **_: batch), "target": target, **call}
            here = call["target"] not in ("mpc", "m", "spark", "s")
            owner = batch if here else batch._light()
            return batch._applied(functools.partial(method, owner), args, init=init, **call)

        return run

    return decorate
