"""Operators and ufuncs, element by element."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from thunderlike.data._user_functions import Stacked, raised_by
from thunderlike.data.collection import Collection
from thunderlike.engines import ArraySource
from thunderlike.errors import SpecError, ThunderlikeError, WrongTypeError
from thunderlike.kernels._validation import as_array, as_dtype, typed_errors

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import ArrayLike, DTypeLike

    from thunderlike._typing import Array
    from thunderlike.engines.base import Records

__all__ = ["apply", "apply_ufunc", "cast"]

Kind = TypeVar("Kind", bound=Collection)

_CASTING = ("no", "equiv", "safe", "same_kind", "unsafe")


def apply_ufunc(
    ufunc: np.ufunc, method: str, inputs: Sequence[Any], keywords: Mapping[str, Any]
) -> Any:
    """Apply an element-wise ufunc of one or two inputs; a tuple where it has several results."""
    _check_elementwise(ufunc, method, keywords)
    if ufunc.nout == 1:
        return apply(ufunc, inputs, keywords)
    # Computed once for each result: records have one array.
    results = (_Result(ufunc, number) for number in range(ufunc.nout))
    return tuple(apply(result, inputs, keywords) for result in results)


def cast(collection: Kind, dtype: DTypeLike | None, casting: object = "unsafe") -> Kind:
    """Cast every element, where this kind of casting allows it."""
    wanted = as_dtype(dtype)
    if casting not in _CASTING:
        raise SpecError(f"casting is one of {', '.join(_CASTING)}, not {casting!r}")
    if not np.can_cast(collection.dtype, wanted, casting):  # type: ignore[arg-type]
        raise SpecError(f"{casting!r} casting does not allow {collection.dtype} to {wanted}")

    def astype(block: Array) -> Array:
        with np.errstate(all="ignore"):  # nan and large values: cast as by numpy
            return block.astype(wanted)

    return collection._stacked(astype)


def _check_elementwise(ufunc: np.ufunc, method: str, keywords: Mapping[str, Any]) -> None:
    """Raise WrongTypeError for ufuncs that are not element-wise, and for writes into operands."""
    name = f"numpy.{ufunc.__name__}"
    if method != "__call__":
        raise WrongTypeError(
            f"{name}.{method} is not computed on an engine: use .sum(), .max(), .reduce(function) "
            "or .map(function), or give it x.toarray()"
        )
    if ufunc.signature is not None or ufunc.nargs - ufunc.nout > 2:
        raise WrongTypeError(
            f"{name} is not a function of one or two elements: call it on each record with x.map, "
            "or multiply series with a matrix by .times(matrix)"
        )
    if wrong := keywords.keys() & {"out", "where"}:
        raise WrongTypeError(
            f"{name} of a collection takes no {wrong.pop()}=: collections are never changed, it "
            "returns a new one; numpy.where(condition, x, y) chooses"
        )


@dataclass(frozen=True)
class _Result:
    """One of the results of a ufunc with several."""

    ufunc: np.ufunc
    number: int

    @property
    def __name__(self) -> str:
        # Messages name the ufunc.
        return self.ufunc.__name__

    def __call__(self, *operands: object, **keywords: object) -> Any:
        return self.ufunc(*operands, **keywords)[self.number]


def apply(op: Callable[..., Any], inputs: Sequence[object], keywords: Mapping[str, Any]) -> Any:
    """Apply a function to one or two inputs; the result is like the collection with most records.

    A number, an array of the shape of a record and a collection of one record are combined with
    every record; any other input must have the same shape, and is paired key by key. The dtype is
    that of `op`.
    """
    # A Python number stays one: as an array it would promote the dtype.
    values: list[ArrayLike] = [
        x if np.isscalar(x) or isinstance(x, Collection) else as_array(x) for x in inputs
    ]
    whole = max((x for x in values if isinstance(x, Collection)), key=lambda x: x.count())
    operands: list[object] = []
    paired = None
    for value in values:
        if value is whole:
            operands.append(_Block(0))
        elif _is_constant(value, whole):
            operands.append(value.first() if isinstance(value, Collection) else value)
        else:
            operands.append(_Block(1))
            paired = _paired(value, whole)
    call = _Applied(op, tuple(operands), keywords)
    return whole._changed(_records(call, whole, paired, _dtype(call, values)))


def _records(
    call: _Applied, whole: Collection, paired: Records | None, dtype: np.dtype[Any]
) -> Records:
    if paired is None:
        return whole._records.map(Stacked(call), whole.value_shape, dtype)
    return whole._records.combine(paired, call, whole.value_shape, dtype)


@dataclass(frozen=True)
class _Block:
    """Placeholder of the block of the collection (0), or of the paired one (1)."""

    number: int


@dataclass(frozen=True)
class _Applied:
    """Function of blocks and constants, in the order of the operands."""

    op: Callable[..., Any]
    operands: tuple[Any, ...]
    keywords: Mapping[str, Any]

    def __call__(self, *blocks: Array) -> Array:
        filled = [blocks[o.number] if isinstance(o, _Block) else o for o in self.operands]
        return self.of(filled)

    def of(self, filled: Sequence[Any]) -> Array:
        """Call the function on operands."""
        with np.errstate(all="ignore"):  # nan and inf are valid results
            try:
                result = as_array(self.op(*filled, **self.keywords), "the results")
            except ThunderlikeError:
                raise
            except (Exception, SystemExit) as error:
                raise raised_by(self.op, error) from error
        return result


def _is_constant(value: ArrayLike, whole: Collection) -> bool:
    """Return True if the value is combined with every record."""
    if isinstance(value, Collection):
        one = value.count() == 1 and value.value_shape == whole.value_shape
        # Of two collections of one record, that on another engine (a mean, say) is the constant.
        return one and (whole.count() != 1 or value.engine != whole.engine)
    shape = np.shape(value)
    if shape == whole.shape:
        return False
    try:
        return np.broadcast_shapes(shape, whole.value_shape) == whole.value_shape
    except ValueError:
        return False


def _paired(value: ArrayLike, whole: Collection) -> Records:
    """Return the records of the value, as many and on the same engine."""
    same_kind = not isinstance(value, Collection) or type(value) is type(whole)
    if np.shape(value) != whole.shape or not same_kind:
        raise SpecError(
            f"shapes {whole.shape} of {type(whole).__name__} and {np.shape(value)} of "
            f"{type(value).__name__} must be equal"
        )
    if not isinstance(value, Collection):
        values = np.reshape(value, (whole.count(), *whole.value_shape))
        return whole.engine.load(ArraySource(values))
    return whole.engine.accept(value._records)


def _dtype(call: _Applied, inputs: Sequence[Any]) -> np.dtype[Any]:
    """Return the dtype of the result: that of the function on arrays of one element."""
    # numpy promotes arrays and scalars by different rules: each operand keeps its kind.
    ones = [x if np.isscalar(x) else np.ones(1, getattr(x, "dtype", np.float64)) for x in inputs]
    if isinstance(call.op, np.ufunc | _Result):
        # A ufunc without a loop for these dtypes is an error of types, not of a user's function.
        with np.errstate(all="ignore"), typed_errors(f"numpy.{call.op.__name__}"):
            return np.asarray(call.op(*ones, **call.keywords)).dtype
    return np.asarray(call.of(ones)).dtype
