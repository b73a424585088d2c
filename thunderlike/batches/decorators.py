"""Marks on methods of a batch class: an action of pipelines, a function of one item."""

from __future__ import annotations

import functools
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from thunderlike.batches.expressions import evaluated

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["action", "apply_parallel"]


def action(
    method: Callable[..., Any] | None = None,
    *,
    use_lock: bool | str | None = None,
    no_eval: str | Sequence[str] | None = None,
) -> Any:
    """Mark a method of a batch class as an action of pipelines.

    Its arguments may be named expressions. One that returns None counts as having returned the
    batch.

    Parameters
    ----------
    use_lock : bool or str, optional
        Let one batch of a pipeline run it at a time; actions with the same text share a lock.
    no_eval : str or sequence of str, optional
        Arguments, given by name, that stay expressions.

    Examples
    --------
    >>> import numpy as np
    >>> from thunderlike.batches import Batch, Dataset
    >>> class Counts(Batch):
    ...     @action
    ...     def lift(self, by):
    ...         self.n = self.n + by
    >>> dataset = Dataset(4, Counts, preloaded={"n": np.arange(4)})
    >>> [batch.n.tolist() for batch in dataset.p.lift(10).gen_batch(2)]
    [[10, 11], [12, 13]]
    """
    if method is None:
        return functools.partial(action, use_lock=use_lock, no_eval=no_eval)
    kept = {no_eval} if isinstance(no_eval, str) else set(no_eval or ())
    lock = method.__qualname__ if use_lock is True else use_lock

    @functools.wraps(method)
    def run(self: Any, *args: Any, **kwargs: Any) -> Any:
        args = evaluated(args, self)
        kwargs = {n: v if n in kept else evaluated(v, self) for n, v in kwargs.items()}
        with self.pipeline.locked(lock) if lock and self.pipeline is not None else nullcontext():
            found = method(self, *args, **kwargs)
        return self if found is None else found

    run.is_action = True  # type: ignore[attr-defined]
    return run


def apply_parallel(method: Callable[..., Any] | None = None, **defaults: Any) -> Any:
    """Make a method of one item an action on a whole batch.

    Keyword arguments are defaults of the call: ``@apply_parallel(target='for', src='image')``. The
    method itself stays reachable under its name between underscores, ``_crop_``.

    Examples
    --------
    >>> import numpy as np
    >>> from thunderlike.batches import Batch, Dataset
    >>> class Counts(Batch):
    ...     @apply_parallel(target="for", src="n")
    ...     def lift(self, n, by):
    ...         return n + by
    >>> dataset = Dataset(4, Counts, preloaded={"n": np.arange(4)})
    >>> [batch.n.tolist() for batch in dataset.p.lift(10).gen_batch(2)]
    [[10, 11], [12, 13]]
    """
    if method is None:
        return functools.partial(apply_parallel, **defaults)
    return _ItemMethod(method, defaults)


class _ItemMethod:
    """Puts the method and its action into the class in whose body it stands."""

    def __init__(self, method: Callable[..., Any], defaults: dict[str, Any]) -> None:
        self.method, self.defaults = method, defaults

    def __set_name__(self, owner: type, name: str) -> None:
        defaults, inner = self.defaults, f"_{name}_"

        @functools.wraps(self.method)
        def run(batch: Any, *args: Any, **kwargs: Any) -> Any:
            call = {**batch.apply_defaults, **defaults, **kwargs}
            here = call.get("target", "threads") not in ("mpc", "m", "spark", "s")
            owner_of_call = batch if here else batch._light()
            return batch._applied(getattr(owner_of_call, inner), args, **call)

        setattr(owner, inner, self.method)
        setattr(owner, name, action(run))
