"""How long it took."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["timed"]


@contextmanager
def timed(
    name: str | None = None,
    file: Any = None,
    callback: Callable[[float], Any] | None = None,
    wall_clock: bool = True,  # noqa: ARG001  # deepdish has it, and ignores it too
) -> Iterator[None]:
    """Report the seconds that a ``with`` block took, also when it raised.

    Parameters
    ----------
    name : str, optional
        Shown with them.
    file : file or ndarray, optional
        Where to write a line; standard output, as it is at the end, by default. An array of one
        element takes the seconds instead.
    callback : callable, optional
        Called with the seconds, instead of all that.
    wall_clock : bool
        Ignored.

    Examples
    --------
    >>> seconds = []
    >>> with timed(callback=seconds.append):
    ...     total = sum(range(1000))
    >>> len(seconds)
    1
    """
    start = time.perf_counter()
    try:
        yield
    finally:
        _report(time.perf_counter() - start, name, file, callback)


def _report(seconds: float, name: str | None, file: Any, callback: Any) -> None:
    if callback is not None:
        callback(seconds)
    elif isinstance(file, np.ndarray):
        file[...] = seconds
    else:
        title = f"[timed] {name}" if name else "[timed]"
        (file or sys.stdout).write(f"{title}: {seconds} s\n")
