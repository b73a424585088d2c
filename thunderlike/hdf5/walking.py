"""Recursion without Python's stack: a task is a generator that yields the tasks it needs done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from thunderlike.errors import SpecError

if TYPE_CHECKING:
    from collections.abc import Generator

__all__ = ["Task", "run"]

_TASKS = 4

Task: TypeAlias = "Generator[Task, Any, Any]"


def run(task: Task, depth: int) -> Any:
    """Run a task and all that it asks for, and return what it returns.

    Parameters
    ----------
    task : generator
        ``found = yield other`` runs another task and gets its result, as a call would.
    depth : int
        Containers that may be within one another; each takes up to four tasks.

    Raises
    ------
    SpecError
        When more are.

    Examples
    --------
    >>> def total(tree):
    ...     found = 0
    ...     for item in tree:
    ...         found += (yield total(item)) if isinstance(item, list) else item
    ...     return found
    >>> run(total([1, [2, [3, 4]]]), depth=3)
    10
    """
    waiting: list[Task] = [task]
    result: Any = None
    failure: Exception | None = None
    while waiting:
        try:
            top = waiting[-1]
            asked = top.send(result) if failure is None else top.throw(failure)
            waiting.append(asked)
            result = failure = None
        except StopIteration as done:
            waiting.pop()
            result, failure = done.value, None
        except Exception as error:
            waiting.pop()
            failure = error  # raised in the task that asked for it, as a call would
            if not waiting:
                raise
        if len(waiting) > _TASKS * depth:
            raise SpecError(
                f"nested more than {depth} deep; tl.config(hdf5_depth=...) allows for more"
            )
    return result
