"""The one gate to numba: loops that it compiles, each beside a twin in numpy.

numba is optional (the extra ``fast``), takes a second to import and another to compile. So nothing
here imports it before a function has been given work that would have repaid that, and everything
here works without it. As both forms give the same to the last bit, nobody notices the change. Loops
release the interpreter lock and are run by our own threads. They are never compiled with
``parallel=True``: numba's thread layers abort under concurrent callers, or break forked workers.
"""

from __future__ import annotations

import importlib.util
import os
import threading
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np

__all__ = ["REPAYS", "Compiled", "compilable", "compiled", "installed"]

REPAYS = 1e9  # ns that must be saved: what importing numba and loading a function takes
_WHEN = "THUNDERLIKE_NUMBA"  # 0: as if it were not installed; always: from the first call on
_ONE_AT_A_TIME = threading.Lock()
_CHARS = "?bBhHiIlLqQfd"


def compiled(
    twin: Callable[..., Any], *, saves: float = 20, needs: Sequence[Callable[[], None]] = ()
) -> Callable[[Callable[..., Any]], Compiled]:
    """Make a function of loops, in the Python that numba knows, one of two forms.

    Parameters
    ----------
    twin : callable
        The same function in numpy: same arguments, same results to the last bit.
    saves : float
        ns by which the innermost line of the loops is faster than the twin.
    needs : sequence of callable
        Called before the loops are compiled; each tells numba of what they call of our own.

    Examples
    --------
    >>> import numpy as np
    >>> def _total(x):
    ...     return int(x.sum())
    >>> @compiled(twin=_total)
    ... def total(x):
    ...     found = 0
    ...     for i in range(x.size):
    ...         found += x[i]
    ...     return found
    >>> total.form(work=3)(np.arange(3))
    3
    """

    def decorate(loops: Callable[..., Any]) -> Compiled:
        return Compiled(loops, twin, saves, tuple(needs))

    return decorate


class Compiled:
    """A function in two forms, one of which is chosen for each piece of work.

    Parameters
    ----------
    loops : callable
        Compiled when it is first chosen, once for each set of dtypes, and kept on disk.
    twin : callable
        Its equal in numpy.
    saves, needs
        As in :func:`compiled`.
    """

    def __init__(
        self,
        loops: Callable[..., Any],
        twin: Callable[..., Any],
        saves: float = 20,
        needs: tuple[Callable[[], None], ...] = (),
    ) -> None:
        self.loops, self.twin = loops, twin
        self._saves, self._needs = saves, needs
        self._missed = 0.0  # ns that the loops would have saved until now

    def form(self, work: float, *dtypes: np.dtype[Any]) -> Callable[..., Any]:
        """Return the form that is faster for this much work after all that was done before.

        Parameters
        ----------
        work : float
            How many times the innermost line of the loops will run.
        *dtypes : dtype
            Of the arrays; the twin takes those that numba does not know.
        """
        # As with skis, rented until the rent would have bought them: at most twice the least cost.
        self._missed += work * self._saves
        early = self._missed < REPAYS and os.environ.get(_WHEN) != "always"
        if early or not all(map(compilable, dtypes)) or not installed():
            return self.twin
        with _ONE_AT_A_TIME:  # two threads would compile everything twice
            return _jit(self.loops, self._needs)


def compilable(dtype: np.dtype[Any]) -> bool:
    """Say whether numba knows a dtype, in this byte order.

    Examples
    --------
    >>> import numpy as np
    >>> compilable(np.dtype("int16")), compilable(np.dtype(">i2")), compilable(np.dtype("float16"))
    (True, False, False)
    """
    return dtype.char in _CHARS and dtype.isnative


def installed() -> bool:
    """Say whether numba is here and wanted; does not import it.

    ``THUNDERLIKE_NUMBA=0`` in the environment does without.
    """
    return os.environ.get(_WHEN, "1") != "0" and _found()


@cache
def _found() -> bool:
    return importlib.util.find_spec("numba") is not None


@cache
def _jit(loops: Callable[..., Any], needs: tuple[Callable[[], None], ...]) -> Callable[..., Any]:
    import numba

    for teach in needs:
        teach()
    try:
        return numba.njit(nogil=True, cache=True)(loops)
    except RuntimeError:  # nowhere to keep it: a package in a zip file, say
        return numba.njit(nogil=True)(loops)
