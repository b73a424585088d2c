"""User functions: checks, shape and dtype of results, errors with the key of a record."""

from __future__ import annotations

import sys
import traceback
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from thunderlike.data._purity import is_pure
from thunderlike.engines.base import Kernel
from thunderlike.errors import (
    SpecError,
    ThunderlikeError,
    WorkerFailedError,
    WrongTypeError,
)
from thunderlike.kernels._validation import as_array, as_dtype, same_values, typed_errors

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import DTypeLike

    from thunderlike._typing import Array, Shape
    from thunderlike.engines.base import Records

__all__ = [
    "Binary",
    "PerObject",
    "PerRecord",
    "PerStack",
    "Predicate",
    "RecordFunction",
    "Results",
    "StackFunction",
    "Stacked",
    "as_record",
    "converted",
    "infer",
    "name_of",
    "raised_by",
]


@dataclass(frozen=True)
class Stacked(Kernel):
    """Kernel of a vectorised function: one call for each block, on any thread.

    Parameters
    ----------
    function : callable
        Takes the block, of shape ``(k, *shape)``, and `arguments`.
    arguments : dict
        Further keyword arguments.
    """

    function: Callable[..., Array]
    arguments: dict[str, Any] = field(default_factory=dict)
    vectorised: ClassVar[bool] = True
    repeatable: ClassVar[bool] = True

    def __call__(self, start: int, block: Array) -> Array:  # noqa: ARG002
        """Apply the function to the block."""
        with typed_errors(name_of(self.function)):
            return self.function(block, **self.arguments)


@dataclass(frozen=True)
class RecordFunction:
    """Function of a user that is called with records.

    Parameters
    ----------
    function : callable
        Takes a record, or ``(key, record)`` if `with_keys`.
    baseshape : tuple of int
        Keys are positions in an array of this shape.
    with_keys : bool
        Pass the key to the function as well.
    """

    function: Callable[[Any], Any]
    baseshape: Shape
    with_keys: bool = False

    def __call__(self, number: int, record: Array) -> Any:
        """Call the function on record `number`, with a copy that it may modify."""
        # A copy: locally the record is a view of the user's array, and functions may write into it.
        return self.called(number, np.array(record))

    @cached_property
    def is_pure(self) -> bool:
        """True for a function of an array that computes with numpy: it may get read-only views."""
        return not self.with_keys and is_pure(self.function)

    def called(self, number: int, value: Array) -> Any:
        """Call the function on record `number`, which it may modify."""
        try:
            return self.function((self.key(number), value) if self.with_keys else value)
        except WrongTypeError as error:  # from a method that calls a function of a user in turn
            raise self._wrong_type(number, error) from error
        except ThunderlikeError:
            raise
        except (Exception, SystemExit) as error:
            raise raised_by(self.function, error, self.key(number)) from error

    def record(self, number: int, record: Array) -> Array:
        """Call the function and return its result as a record.

        Raises
        ------
        WrongTypeError
            For a masked array, and for results of several kinds where they make one record: with
            the key.
        """
        return self.checked(number, self(number, record))

    def checked(self, number: int, result: object) -> Array:
        """Return the result for record `number` as a record."""
        try:
            return as_record(result)
        except WrongTypeError as error:
            raise self._wrong_type(number, error) from error

    def _wrong_type(self, number: int, error: WrongTypeError) -> WrongTypeError:
        name = name_of(self.function)
        return WrongTypeError(f"{name}, on the record of key {self.key(number)}: {error}")

    def key(self, number: int) -> Shape:
        """Return the key of record `number`."""
        return _key(number, self.baseshape)


@dataclass(frozen=True)
class Results:
    """Shape and dtype required of the results of a function.

    Parameters
    ----------
    shape : tuple of int
        Shape of each.
    dtype : numpy.dtype
        Dtype of all.
    cast : bool
        Convert other dtypes even where values change: the caller gave the dtype. By default, the
        dtype is that of the first result, and a change of values is an error.
    """

    shape: Shape
    dtype: np.dtype[Any]
    cast: bool = False

    def fitted(self, array: Array, trial: RecordFunction | StackFunction, number: int) -> Array:
        """Return the results from record `number` on in the dtype of all.

        Raises
        ------
        WrongTypeError
            Where a value would change, and for what cannot be converted: with the key.
        """
        if array.dtype == self.dtype:
            return array
        found = converted(array, self.dtype, cast=self.cast)
        if found is not None:
            return found
        # An object was made a record of one element: the message names its own type.
        value = array.flat[0] if array.dtype == object and array.size == 1 else array
        what = type(value).__name__ if value is not array else array.dtype
        where = (
            f"{name_of(trial.function)} returned {what} for the record of key {trial.key(number)}"
        )
        if self.cast:
            raise WrongTypeError(f"{where}, which cannot be converted to {self.dtype}")
        raise WrongTypeError(
            f"{where} and {self.dtype} for the first: its values do not fit in {self.dtype}, give "
            "dtype= a dtype that holds all results"
        )


def converted(array: Array, dtype: np.dtype[Any], *, cast: bool) -> Array | None:
    """Convert an array to a dtype; None if that fails, or changes values without `cast`."""
    if not cast:
        return same_values(array, dtype)
    if array.dtype.kind == "c" and dtype.kind in "biuf":
        array = array.real  # as numpy, which also warns
    try:
        with np.errstate(all="ignore"):
            return array.astype(dtype)
    except (TypeError, ValueError, OverflowError):
        return None


@dataclass(frozen=True)
class PerRecord(Kernel):
    """Kernel that calls a function on each record and stacks the results.

    Parameters
    ----------
    trial : RecordFunction
        The function.
    results : Results
        Required shape and dtype.
    processes : int
        Number of processes of this machine, where an engine has none of its own.
    """

    trial: RecordFunction
    results: Results
    processes: int = 1
    vectorised: ClassVar[bool] = False

    def __call__(self, start: int, block: Array) -> Array:
        """Call the function on each record of the block."""
        out = np.empty((len(block), *self.results.shape), self.results.dtype)
        self.write(start, block, out)
        return out

    def write(self, start: int, block: Array, out: Array) -> None:
        """Call the function on each record of the block, and write the results into `out`."""
        trial, shape, dtype = self.trial, self.results.shape, self.results.dtype
        function, called = trial.function, trial.called
        scalar = dtype.type if shape == (1,) and dtype.kind in "biufc" else None
        copies = _Copies()
        # Views have no gaps, as copies: sums over other layouts may differ in the last bit.
        views = trial.is_pure and block.flags.c_contiguous and not block.dtype.hasobject
        for row, record in enumerate(_read_only(block) if views else block):
            if views:
                try:
                    result = function(record)
                except Exception:  # it may write into the record, and gets copies
                    views = False
            if not views:
                result = called(start + row, copies.of(record))
            # The usual results cost no further calls.
            kind = type(result)
            if kind is scalar or (
                kind is np.ndarray and result.dtype == dtype and result.shape == shape
            ):
                out[row] = result
            else:
                out[row] = self._fitted(start + row, result)
            del result  # it may be a view of the copy

    def _fitted(self, number: int, result: object) -> Array:
        """Return the result for record `number` in the shape and dtype of all."""
        array = self.trial.checked(number, result)
        if array.shape != self.results.shape:
            raise SpecError(
                f"{name_of(self.trial.function)} returned shape {array.shape} for the record "
                f"of key {self.trial.key(number)}; expected {self.results.shape} as for earlier "
                "records"
            )
        return self.results.fitted(array, self.trial, number)


def _read_only(block: Array) -> Array:
    view = block.view()
    view.flags.writeable = False
    return view


class _Copies:
    """Copies of records, in memory that is used again unless somebody refers to it.

    A function may write into its record, keep it, or return a view of it.
    """

    def __init__(self) -> None:
        self._held: list[Array] = []
        self._alone = 0  # references to a copy that nobody else has

    def of(self, record: Array) -> Array:
        """Return a copy of a record; numpy's new memory is not in the caches of the processor."""
        held = self._held
        free = held and sys.getrefcount(held[0]) <= self._alone
        # The function may have set its shape, its dtype or its flags.
        if free and (held[0].shape, held[0].dtype) == (record.shape, record.dtype):
            with suppress(ValueError):
                np.copyto(held[0], record)
                return held[0]
        held[:] = [np.array(record)]
        self._alone = sys.getrefcount(held[0])
        return held[0]


@dataclass(frozen=True)
class PerObject(Kernel):
    """Kernel that calls a function on each record, with results of any type.

    Parameters
    ----------
    trial : RecordFunction
        The function.
    """

    trial: RecordFunction
    vectorised: ClassVar[bool] = False

    def __call__(self, start: int, block: Array) -> Array:
        """Call the function on each record of the block."""
        out = np.empty(len(block), object)
        for row, record in enumerate(block):
            out[row] = self.trial(start + row, record)
        return out


@dataclass(frozen=True)
class Predicate(Kernel):
    """Kernel that calls a predicate on each record.

    Parameters
    ----------
    trial : RecordFunction
        The function.
    """

    trial: RecordFunction
    vectorised: ClassVar[bool] = False

    def __call__(self, start: int, block: Array) -> Array:
        """Call the function on each record of the block."""
        rows = (self._holds(start + row, record) for row, record in enumerate(block))
        return np.fromiter(rows, bool, len(block))

    def _holds(self, number: int, record: Array) -> bool:
        result = self.trial(number, record)
        try:
            return bool(result)
        except (TypeError, ValueError) as error:
            shape = getattr(result, "shape", None)
            what = type(result).__name__ + ("" if shape is None else f" of shape {shape}")
            raise SpecError(
                f"{name_of(self.trial.function)} returned {what} for the "
                f"record of key {self.trial.key(number)}: it must return True or "
                "False, see numpy.any"
            ) from error


@dataclass(frozen=True)
class StackFunction:
    """Function of a user that is called with stacks of records.

    Parameters
    ----------
    function : callable
        From an array of shape ``(k, *shape)`` to one of k results.
    baseshape : tuple of int
        Keys are positions in an array of this shape.
    """

    function: Callable[[Array], Any]
    baseshape: Shape

    def record(self, number: int, record: Array) -> Array:
        """Call the function on a stack of one record and return its result."""
        return as_record(self.stacked(number, record[np.newaxis])[0])

    def stacked(self, start: int, block: Array) -> Array:
        """Call the function on a copy of the records from number `start` on."""
        key = self.key(start)
        try:
            # A copy, as for single records.
            results = as_array(self.function(np.array(block)), "the results")
        except ThunderlikeError:
            raise
        except (Exception, SystemExit) as error:
            raise raised_by(self.function, error, key) from error
        if results.shape[:1] != (len(block),):
            raise SpecError(
                f"{name_of(self.function)} returned shape {results.shape} for a stack of "
                f"{len(block)} records from key {key} on: it must return one result for each"
            )
        return results

    def key(self, number: int) -> Shape:
        """Return the key of record `number`."""
        return _key(number, self.baseshape)


@dataclass(frozen=True)
class PerStack(Kernel):
    """Kernel that calls a function on each block, on any thread.

    Parameters
    ----------
    trial : StackFunction
        The function.
    results : Results
        Required shape and dtype.
    processes : int
        Number of processes of this machine, where an engine has none of its own.
    """

    trial: StackFunction
    results: Results
    processes: int = 1
    vectorised: ClassVar[bool] = True

    def __call__(self, start: int, block: Array) -> Array:
        """Call the function on the block; a result without axes gets length 1."""
        # The function never gets an empty stack, of which many reductions raise.
        if not len(block):
            return np.empty((0, *self.results.shape), self.results.dtype)
        stack = self.trial.stacked(start, block)
        rows = stack.reshape(len(block), 1) if stack.ndim == 1 else stack
        if rows.dtype == self.results.dtype:
            return rows
        fitted = (
            self.results.fitted(row, self.trial, start + n) for n, row in enumerate(rows)
        )  # one by one, so that the message names the key
        return np.stack(list(fitted))


def _key(number: int, baseshape: Shape) -> Shape:
    if len(baseshape) == 1:
        return (int(number),)
    return tuple(int(k) for k in np.unravel_index(number, baseshape))


@dataclass(frozen=True)
class Binary:
    """Function of a user of two records, for reductions.

    Parameters
    ----------
    function : callable
        The function.
    """

    function: Callable[[Array, Array], Any]

    def __call__(self, one: Array, other: Array) -> Array:
        """Call the function and return its result as an array."""
        try:
            return as_array(self.function(one, other))
        except ThunderlikeError:
            raise
        except (Exception, SystemExit) as error:
            raise raised_by(self.function, error) from error


def as_record(value: object) -> Array:
    """Convert a result to a record: a scalar gets length 1, an object is kept."""
    if isinstance(value, str | bytes):
        return np.array([value], object)  # a fixed-length text dtype would truncate later results
    try:
        return np.atleast_1d(as_array(value, "the results"))
    except WrongTypeError:
        raise
    except SpecError:  # a list of unequal things: an array of objects
        return np.atleast_1d(np.asarray(value, object))


def infer(
    records: Records,
    trial: RecordFunction | StackFunction,
    shape: Shape | None,
    dtype: DTypeLike | None,
) -> Results:
    """Shape and dtype of the results: as given, else those of the first real record.

    Nothing is called when both are given; on Spark, looking at the first record is a job over the
    first chunk.
    """
    # An invalid dtype is an error here, before a job looks at the first record.
    asked = None if dtype is None else as_dtype(dtype)
    if shape is not None and asked is not None:
        return Results(shape, asked, cast=True)
    if records.spec.count == 0:  # no record to call the function on
        nothing = records.spec
        return Results(nothing.shape if shape is None else shape, asked or nothing.dtype)
    result = trial.record(0, records.collect(0, 1)[0])
    return Results(
        result.shape if shape is None else shape,
        result.dtype if asked is None else asked,
        cast=asked is not None,
    )


def raised_by(
    function: object, error: BaseException, key: Shape | str | None = None
) -> WorkerFailedError:
    """Return the error for an exception of a user's function, of one class on every engine.

    Parameters
    ----------
    key : tuple of int or str, optional
        Key of the record, or path of the file.
    """
    what = "the file" if isinstance(key, str) else "the record of key"
    where = "" if key is None else f", on {what} {key}"
    return WorkerFailedError(
        f"{name_of(function)} raised {type(error).__name__}: {error}{where}",
        key=key,
        # As text: neither tracebacks nor all exceptions can be pickled.
        traceback="".join(traceback.format_exception(error)),
    )


def name_of(function: object) -> str:
    """Return the name of a function, for messages."""
    # Partials and callable objects have no name.
    return getattr(function, "__name__", None) or type(function).__name__
