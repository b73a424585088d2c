"""Loops compiled by numba, each with an equivalent numpy implementation.

numba is optional (the extra ``fast``), takes a second to import and another to compile, and is
imported here alone, for calls of at least :data:`THRESHOLD` elements. The size of the data of a
call decides between the two implementations, not what ran before in the session. A worker sees a
part of the data only: the driver decides for all of them by :func:`use_compiled`.

Loops release the interpreter lock and run on the threads of the package. They are never compiled
with ``parallel=True`` (numba's thread layers abort under concurrent callers, or break forked
workers) nor with ``fastmath`` (the order of sums, and so the result, would depend on the CPU).
"""

from __future__ import annotations

import importlib.util
import os
import threading
from functools import cache
from typing import TYPE_CHECKING, Any

from thunderlike.errors import MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np

__all__ = ["THRESHOLD", "Compiled", "compilable", "installed", "jit", "use_compiled"]

THRESHOLD = 2**24  # elements of a call
_VARIABLE = "THUNDERLIKE_NUMBA"
_COMPILING = threading.Lock()
_CHARS = "?bBhHiIlLqQfd"


def use_compiled(elements: int) -> bool:
    """Decide whether a call over this many elements runs compiled loops.

    Parameters
    ----------
    elements : int
        Of all data of the call, on every worker. ``THUNDERLIKE_NUMBA=always`` in the environment
        stands for any number above the threshold, ``0`` for an environment without numba.

    Examples
    --------
    >>> use_compiled(THRESHOLD - 1)
    False
    """
    enough = elements >= THRESHOLD or os.environ.get(_VARIABLE) == "always"
    return enough and installed()


def jit(
    plain: Callable[..., Any], *, helpers: Sequence[Callable[..., Any]] = ()
) -> Callable[[Callable[..., Any]], Compiled]:
    """Decorate loops, in the Python that numba compiles, with their numpy implementation.

    Parameters
    ----------
    plain : callable
        The same function in numpy: same arguments, results within 4 ulp.
    helpers : sequence of callable
        Functions of the same module that the loops call.

    Examples
    --------
    >>> import numpy as np
    >>> def _total(x):
    ...     return int(x.sum())
    >>> @jit(plain=_total)
    ... def total(x):
    ...     result = 0
    ...     for i in range(x.size):
    ...         result += x[i]
    ...     return result
    >>> total.choose(use_compiled(elements=3))(np.arange(3))
    3
    """

    def decorate(loops: Callable[..., Any]) -> Compiled:
        return Compiled(loops, plain, tuple(helpers))

    return decorate


class Compiled:
    """A function with a compiled and a numpy implementation.

    Parameters
    ----------
    loops : callable
        Compiled at first use, once for each set of dtypes; the result is cached on disk.
    plain : callable
        The numpy implementation.
    helpers : tuple of callable
        As in :func:`jit`.
    """

    def __init__(
        self,
        loops: Callable[..., Any],
        plain: Callable[..., Any],
        helpers: tuple[Callable[..., Any], ...] = (),
    ) -> None:
        self.loops, self.plain = loops, plain
        self._helpers = helpers

    def choose(self, compiled: bool, *dtypes: np.dtype[Any]) -> Callable[..., Any]:
        """Return one of the two implementations.

        Parameters
        ----------
        compiled : bool
            The answer of :func:`use_compiled` for the whole call.
        *dtypes : dtype
            Of the arrays; the numpy implementation takes those that numba does not support.

        Raises
        ------
        MissingExtraError
            On a worker without numba, when the driver has it.
        """
        if not compiled or not all(map(compilable, dtypes)):
            return self.plain
        if not _found():  # the numpy implementation would differ in its last bits
            raise MissingExtraError(
                f"{self.plain.__module__} runs compiled loops, as the driver decided, but numba is "
                "not installed on this worker: pip install 'thunderlike[fast]' on all workers, or "
                "set THUNDERLIKE_NUMBA=0 on the driver"
            )
        with _COMPILING:  # two threads would compile everything twice
            return _jit(self.loops, self._helpers)


def compilable(dtype: np.dtype[Any]) -> bool:
    """Check whether numba supports a dtype, in this byte order.

    Examples
    --------
    >>> import numpy as np
    >>> compilable(np.dtype("int16")), compilable(np.dtype(">i2")), compilable(np.dtype("float16"))
    (True, False, False)
    """
    return dtype.char in _CHARS and dtype.isnative


def installed() -> bool:
    """Check whether numba is installed and enabled, without importing it.

    ``THUNDERLIKE_NUMBA=0`` in the environment disables it.
    """
    return os.environ.get(_VARIABLE, "1") != "0" and _found()


@cache
def _found() -> bool:
    return importlib.util.find_spec("numba") is not None


@cache
def _jit(loops: Callable[..., Any], helpers: tuple[Callable[..., Any], ...]) -> Callable[..., Any]:
    import numba

    for helper in helpers:
        _register(helper)
    try:
        return numba.njit(nogil=True, cache=True)(loops)
    except RuntimeError:  # no folder for the cache: a package in a zip file, say
        return numba.njit(nogil=True)(loops)


@cache
def _register(helper: Callable[..., Any]) -> None:
    """Let compiled loops call a Python function; numba compiles it with them."""
    from numba.extending import register_jitable

    register_jitable(helper)
