"""Backend of a script: serial, processes, or the ranks of an MPI job."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from thunderlike._arguments import checked_arguments, checked_types
from thunderlike.errors import ConfigError, WrongTypeError
from thunderlike.parallel import mpi
from thunderlike.parallel._protocol import is_worker
from thunderlike.parallel.map import pmap

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

__all__ = ["imap", "imap_unordered", "main", "rank", "starmap", "starmap_unordered"]

VARIABLE = "THUNDERLIKE_PARALLEL"
CHOICES = ("serial", "processes", "mpi")
_passed: list[str] = []  # the backend, after `main` has returned True


@checked_arguments
def main(name: str | None = None) -> bool:
    """Return True in a script on rank 0; make every other rank a worker.

    Parameters
    ----------
    name : str, optional
        The script's ``__name__``.

    Returns
    -------
    bool
        True in the script, False in an imported module. Does not return on a rank other than 0,
        which runs the items of later maps and exits when rank 0 does.

    Raises
    ------
    ConfigError
        When ``THUNDERLIKE_PARALLEL`` is not ``serial``, ``processes`` or ``mpi``. The default is
        ``mpi`` under ``mpirun``, else ``serial``.

    Examples
    --------
    >>> if main():
    ...     print(list(imap(abs, [-1, -2])))
    [1, 2]
    """
    if name not in (None, "__main__"):
        return False
    backend = _backend()
    if backend == "mpi":
        mpi.lead() if mpi.rank() == 0 else mpi.work()
    _passed[:] = [backend]
    return True


def rank() -> int:
    """Return the MPI rank of this process; 0 without ``mpirun``.

    Examples
    --------
    >>> rank()
    0
    """
    return mpi.rank() if _chosen() == "mpi" else 0


@checked_types
def imap(f: Callable[[Any], Any], params: Iterable[Any]) -> Iterator[Any]:
    """Map a function over items; yield results in the order of the items.

    Parameters
    ----------
    f : callable
        Takes one item. Under ``mpirun`` without cloudpickle, it must be defined above the call of
        `main` or in a module.
    params : iterable
        Consumed as results are consumed, at most two items for each worker ahead.

    Returns
    -------
    iterator
        No item is consumed before its first ``next``. An exception of `f` is raised in the place
        of its item's result, with the worker's traceback as its cause.

    Raises
    ------
    EngineError
        When another map is open on the ranks.

    Notes
    -----
    Serial before `main` is called, and within a worker.

    Examples
    --------
    >>> list(imap(lambda x: 2 * x, range(4)))
    [0, 2, 4, 6]
    """
    return _map(f, params, ordered=True)


@checked_types
def imap_unordered(f: Callable[[Any], Any], params: Iterable[Any]) -> Iterator[Any]:
    """Map a function over items; yield results as they complete. Otherwise as :func:`imap`.

    Examples
    --------
    >>> sorted(imap_unordered(lambda x: 2 * x, range(4)))
    [0, 2, 4, 6]
    """
    return _map(f, params, ordered=False)


@checked_types
def starmap(f: Callable[..., Any], params: Iterable[Iterable[Any]]) -> Iterator[Any]:
    """Call ``f(*item)`` for each item. Otherwise as :func:`imap`.

    Examples
    --------
    >>> list(starmap(pow, [(2, 3), (3, 2)]))
    [8, 9]
    """
    return _map(_Spread(f), params, ordered=True)


@checked_types
def starmap_unordered(f: Callable[..., Any], params: Iterable[Iterable[Any]]) -> Iterator[Any]:
    """Call ``f(*item)`` for each item. Otherwise as :func:`imap_unordered`.

    Examples
    --------
    >>> sorted(starmap_unordered(pow, [(2, 3), (3, 2)]))
    [8, 9]
    """
    return _map(_Spread(f), params, ordered=False)


class _Spread:
    """Function that calls another with the parts of an item as arguments.

    A class, since its module and name, those of the other, decide how it is sent to workers.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.__module__ = getattr(function, "__module__", "")
        self.__qualname__ = getattr(function, "__qualname__", type(function).__name__)

    def __call__(self, item: Iterable[Any]) -> Any:
        try:
            arguments = tuple(item)
        except TypeError as error:
            raise WrongTypeError(
                f"items of a starmap are tuples of arguments, such as (1, 2), not {item!r:.60}"
            ) from error
        return self.function(*arguments)


def _map(function: Callable[[Any], Any], items: Iterable[Any], *, ordered: bool) -> Iterator[Any]:
    backend = _passed[0] if _passed and not is_worker() else "serial"
    if backend == "serial":
        return (function(item) for item in items)
    return pmap(function, items, backend=backend, ordered=ordered)


def _backend() -> str:
    """Return the backend; serial for an MPI job of one rank, which has no workers."""
    chosen = _chosen()
    return "serial" if chosen == "mpi" and mpi.size() == 1 else chosen


def _chosen() -> str:
    default = "mpi" if mpi.launched() else "serial"
    chosen = os.environ.get(VARIABLE, default)
    if chosen not in CHOICES:
        raise ConfigError(f"{VARIABLE} is one of {', '.join(CHOICES)}, not {chosen!r}")
    return chosen
