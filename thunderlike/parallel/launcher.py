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
_passed: list[str] = []  # the backend, once rank 0 is through the gate


@checked_arguments
def main(name: str | None = None) -> bool:
    """Let the script itself through, on rank 0; every other rank stays here and works.

    Parameters
    ----------
    name : str, optional
        The script's ``__name__``.

    Returns
    -------
    bool
        True in the script, False in a module that is imported. A rank other than 0 never returns:
        it runs what the maps below send it, and leaves when rank 0 does.

    Raises
    ------
    ConfigError
        For an unknown ``THUNDERLIKE_PARALLEL``: it is ``serial``, ``processes`` or ``mpi``; by
        default ``mpi`` under ``mpirun``, else ``serial``.

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
    """Number of this process among those that `mpirun` started; 0 without it.

    Examples
    --------
    >>> rank()
    0
    """
    return mpi.rank() if _chosen() == "mpi" else 0


@checked_types
def imap(f: Callable[[Any], Any], params: Iterable[Any]) -> Iterator[Any]:
    """Map, results in the order of the items as soon as they are ready.

    Parameters
    ----------
    f : callable
        Takes one item. Under ``mpirun``, defined above the gate or in a module; any function where
        cloudpickle is installed.
    params : iterable
        Taken in as results come out, two for each worker ahead.

    Returns
    -------
    iterator
        Nothing is taken or run before its first ``next``. What `f` raises is raised at its item's
        place, with where the worker raised it as the cause.

    Raises
    ------
    EngineError
        When another of these maps is open on the same ranks.

    Notes
    -----
    Serial until `main` has been passed, and within a worker.

    Examples
    --------
    >>> list(imap(lambda x: 2 * x, range(4)))
    [0, 2, 4, 6]
    """
    return _map(f, params, ordered=True)


@checked_types
def imap_unordered(f: Callable[[Any], Any], params: Iterable[Any]) -> Iterator[Any]:
    """Map, results in the order in which they are ready; else as :func:`imap`.

    Examples
    --------
    >>> sorted(imap_unordered(lambda x: 2 * x, range(4)))
    [0, 2, 4, 6]
    """
    return _map(f, params, ordered=False)


@checked_types
def starmap(f: Callable[..., Any], params: Iterable[Iterable[Any]]) -> Iterator[Any]:
    """Call ``f(*item)`` for each item; else as :func:`imap`.

    Examples
    --------
    >>> list(starmap(pow, [(2, 3), (3, 2)]))
    [8, 9]
    """
    return _map(_Spread(f), params, ordered=True)


@checked_types
def starmap_unordered(f: Callable[..., Any], params: Iterable[Iterable[Any]]) -> Iterator[Any]:
    """Call ``f(*item)`` for each item; else as :func:`imap_unordered`.

    Examples
    --------
    >>> sorted(starmap_unordered(pow, [(2, 3), (3, 2)]))
    [8, 9]
    """
    return _map(_Spread(f), params, ordered=False)


class _Spread:
    """A function of one item that calls another with the parts of the item."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.__module__ = getattr(function, "__module__", "")
        self.__qualname__ = getattr(function, "__qualname__", type(function).__name__)

    def __call__(self, item: Iterable[Any]) -> Any:
        try:
            arguments = tuple(item)
        except TypeError as error:
            raise WrongTypeError(
                f"items of a starmap are the arguments of a call, such as (1, 2), not {item!r:.60}"
            ) from error
        return self.function(*arguments)


def _map(function: Callable[[Any], Any], items: Iterable[Any], *, ordered: bool) -> Iterator[Any]:
    backend = _passed[0] if _passed and not is_worker() else "serial"
    if backend == "serial":
        return (function(item) for item in items)
    return pmap(function, items, backend=backend, ordered=ordered)


def _backend() -> str:
    """The backend asked for, or serial where it has nobody to work."""
    chosen = _chosen()
    return "serial" if chosen == "mpi" and mpi.size() == 1 else chosen


def _chosen() -> str:
    default = "mpi" if mpi.launched() else "serial"
    chosen = os.environ.get(VARIABLE, default)
    if chosen not in CHOICES:
        raise ConfigError(f"{VARIABLE} is one of {', '.join(CHOICES)}, not {chosen!r}")
    return chosen
