"""Common parts of estimators: names of arguments, checks, and the list of factors."""

from __future__ import annotations

import functools
import inspect
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from thunderlike._arguments import caller_level
from thunderlike.errors import SpecError
from thunderlike.factorization._decomposition import METHODS, PRECISIONS
from thunderlike.factorization._matrix import Matrix
from thunderlike.kernels._validation import is_between, is_whole

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from thunderlike._typing import Array
    from thunderlike.data.series import Series
    from thunderlike.factorization.models import Data, Factorization

__all__ = [
    "Factors",
    "check_count",
    "check_iteration",
    "check_method",
    "check_rank",
    "reading",
    "rows_of",
    "with_aliases",
]

Kind = TypeVar("Kind", bound=type)
_OLDER = ("direct", "em")  # Thunder's names of 'gram' and 'krylov'


class Factors(list["Array | Series"]):
    """List of the factors that ``fit`` returns, in Thunder's order.

    Attributes
    ----------
    model : Factorization
        The fitted model.

    Examples
    --------
    >>> import thunderlike as tl
    >>> scores, components = factors = tl.factorization.PCA(k=2).fit(tl.series.fromrandom((9, 4)))
    >>> scores.shape, components.shape, factors.model.n_samples_
    ((9, 2), (2, 4), 9)
    """

    def __init__(self, factors: list[Array | Series], model: Factorization) -> None:
        super().__init__(factors)
        self.model = model


def with_aliases(**aliases: str) -> Callable[[Kind], Kind]:
    """Decorate a class whose constructor accepts other names of its arguments as well.

    Both names of one argument are a SpecError.
    """

    def decorate(kind: Kind) -> Kind:
        init: Callable[..., None] = kind.__init__  # type: ignore[misc]
        names = list(inspect.signature(init).parameters)[1:]

        @functools.wraps(init)
        def call(self: object, *args: object, **given: object) -> None:
            by_position = names[: len(args)]
            for other in aliases.keys() & given.keys():
                name = aliases[other]
                if name in given or name in by_position:
                    raise SpecError(f"{kind.__name__}: {other} means {name}: give one of them")
                given[name] = given.pop(other)
            init(self, *args, **given)

        call.__dict__["spellings"] = dict(aliases)
        kind.__init__ = call  # type: ignore[misc]
        return kind

    return decorate


def check_method(name: str, method: str, precision: str = "exact") -> None:
    """Raise SpecError for a method or precision that there is not."""
    if method not in (*METHODS, *_OLDER):
        known = ", ".join(map(repr, (*METHODS, *_OLDER)))
        raise SpecError(f"{name} is one of {known}, not {method!r}")
    if precision not in PRECISIONS:
        raise SpecError(f"precision is 'exact' or 'fast', not {precision!r}")
    if precision == "fast" and method == "tsqr":
        raise SpecError("precision='fast' would undo what 'tsqr' is for: leave one of them out")


def check_iteration(max_iter: Any, tol: float, nan: str) -> None:
    """Check the arguments of iterations."""
    if not is_whole(max_iter, 1):
        raise SpecError(f"max_iter must be a whole number, at least 1, not {max_iter!r}")
    if not is_between(tol, 0, float("inf")):
        raise SpecError(f"tol must be a number, at least 0, not {tol!r}")
    if nan not in ("raise", "drop"):
        raise SpecError(f"nan is 'raise' or 'drop', not {nan!r}")


def check_count(name: str, k: Any) -> None:
    """Raise SpecError unless a number of components is one."""
    if not is_whole(k, 1):
        raise SpecError(f"{name} must be a whole number, at least 1, not {k!r}")


def check_rank(name: str, k: int, matrix: Matrix) -> None:
    """Raise SpecError for more components than a matrix can have."""
    most = min(matrix.nrows, matrix.ncolumns)
    if k > most:
        raise SpecError(
            f"{name}={k} components of a matrix of {matrix.nrows} x {matrix.ncolumns}: give at "
            f"most {most}"
        )


def rows_of(X: Data, nan: str) -> tuple[Matrix, Matrix]:
    """Return all rows, and those to fit."""
    matrix = Matrix(X)
    return matrix, matrix.without_bad_rows() if nan == "drop" else matrix


@contextmanager
def reading(matrix: Matrix, *, often: bool, cache: bool) -> Iterator[None]:
    """Read rows several times: keep them meanwhile if asked, or warn where that would help.

    Rows that a cluster computes again in each pass are worth a warning; those of a file on this
    machine are streamed.
    """
    records = matrix.records
    keep = cache and not records.iscached
    far = records.engine.lazy and not records.engine.in_process
    if often and far and not cache and not records.iscached:
        warnings.warn(
            "the records are computed again in every pass: give cache=True, or call .cache() first",
            stacklevel=caller_level(),
        )
    if keep:
        records.cache()
    try:
        yield
    finally:
        if keep:
            records.uncache()
