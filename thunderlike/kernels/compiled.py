"""The one gate to numba: loops that it compiles, each beside a twin in numpy.

numba is optional (the extra ``fast``), takes a second to import and another to compile. So nothing
here imports it before there is work that repays that, and everything here works without it. Loops
release the interpreter lock and are run by our own threads. They are never compiled with
``parallel=True``: numba's thread layers abort under concurrent callers, or break forked workers.
"""

from __future__ import annotations

import importlib.util
import os
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

__all__ = ["REPAYS", "Compiled", "compilable", "compiled", "installed"]

REPAYS = 50_000_000  # steps of a loop that take numpy about as long as importing numba takes
_OFF = "THUNDERLIKE_NUMBA"  # 0: as if it were not installed
_CHARS = "?bBhHiIlLqQfd"


def compiled(twin: Callable[..., Any]) -> Callable[[Callable[..., Any]], Compiled]:
    """Make a function of loops, in the Python that numba knows, one of two forms.

    Parameters
    ----------
    twin : callable
        The same function in numpy: same arguments, same results to the last bit.

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
        return Compiled(loops, twin)

    return decorate


class Compiled:
    """A function in two forms, one of which is chosen for each piece of work.

    Parameters
    ----------
    loops : callable
        Compiled when it is first chosen, once for each set of dtypes, and kept on disk.
    twin : callable
        Its equal in numpy.
    """

    def __init__(self, loops: Callable[..., Any], twin: Callable[..., Any]) -> None:
        self.loops, self.twin = loops, twin

    def form(self, work: float, *dtypes: np.dtype[Any]) -> Callable[..., Any]:
        """Return the form that is faster for this much work.

        Parameters
        ----------
        work : float
            How many times the innermost line of the loops will run, in all.
        *dtypes : dtype
            Of the arrays; the twin takes those that numba does not know.
        """
        # Also where numba is imported already: new dtypes would still be compiled for seconds.
        if work < REPAYS or not all(map(compilable, dtypes)) or not installed():
            return self.twin
        return _jit(self.loops)


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
    return os.environ.get(_OFF, "1") != "0" and _found()


@cache
def _found() -> bool:
    return importlib.util.find_spec("numba") is not None


@cache
def _jit(loops: Callable[..., Any]) -> Callable[..., Any]:
    import numba

    try:
        return numba.njit(nogil=True, cache=True)(loops)
    except RuntimeError:  # nowhere to keep it: a package in a zip file, say
        return numba.njit(nogil=True)(loops)
