"""User functions: checks, shape and dtype of results, errors with the key of a record."""

from __future__ import annotations

import traceback
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

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

    from thunderlike._typing import Array, Shape
    from thunderlike.engines.base import Records

__all__ = [
    "Binary",
    "PerObject",
    "PerRecord",
    "PerStack",
    "Predicate",
    "Results",
    "StackTrial",
    "Stacked",
    "Trial",
    "as_record",
    "converted",
    "infer",
    "name_of",
    "raised_by",
]


@dataclass(frozen=True)
class Stacked(Kernel):
    """A built-in operation: one call for a whole block, on any thread.

    Parameters
    ----------
    function : callable
        Takes the block, of shape ``(k, *shape)``, and `arguments`.
    arguments : dict
        Further keyword arguments.
    """

    function: Callable[..., Any]
    arguments: dict[str, Any] = field(default_factory=dict)
    vectorised: ClassVar[bool] = True

    def __call__(self, start: int, block: Array) -> Array:  # noqa: ARG002
        """Apply the function to the block."""
        with typed_errors(name_of(self.function)):
            return self.function(block, **self.arguments)


@dataclass(frozen=True)
class Trial:
    """A user's function with the keys of the records it is given.

    Parameters
    ----------
    function : callable
        Takes a record, or ``(key, record)`` if `with_keys`.
    baseshape : tuple of int
        Keys are positions in an array of this shape.
    with_keys : bool
        Whether the function takes the key too.
    """

    function: Callable[[Any], Any]
    baseshape: Shape
    with_keys: bool = False

    def __call__(self, number: int, record: Array) -> Any:
        """Return what the function gives for record `number`.

        The function has its own copy: what it does to it changes no data.
        """
        value = np.array(record)
        try:
            return self.function((self.key(number), value) if self.with_keys else value)
        except ThunderlikeError:
            raise
        except (Exception, SystemExit) as error:
            raise raised_by(self.function, error, self.key(number)) from error

    def record(self, number: int, record: Array) -> Array:
        """Return what the function gives for record `number` as a record.

        Raises
        ------
        WrongTypeError
            For a masked array, and for results of several kinds where they make one record: with
            the key.
        """
        try:
            return as_record(self(number, record))
        except WrongTypeError as error:
            name = name_of(self.function)
            raise WrongTypeError(
                f"{name}, on the record of key {self.key(number)}: {error}"
            ) from error

    def key(self, number: int) -> Shape:
        """Return the key of record `number`."""
        return _key(number, self.baseshape)


@dataclass(frozen=True)
class Results:
    """What the results of a user's function must be.

    Parameters
    ----------
    shape : tuple of int
        Shape of each.
    dtype : numpy.dtype
        Dtype of all.
    cast : bool
        Convert other dtypes, whatever that does to the values: the caller asked for the dtype. By
        default only where no value changes, for the dtype is that of the first result.
    """

    shape: Shape
    dtype: np.dtype[Any]
    cast: bool = False

    def fitted(self, array: Array, trial: Trial | StackTrial, number: int) -> Array:
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
    """The array in another dtype; None where that cannot be, or changes values and not `cast`."""
    if not cast:
        return same_values(array, dtype)
    if array.dtype.kind == "c" and dtype.kind in "biuf":
        array = array.real  # as numpy, which warns of it
    try:
        with np.errstate(all="ignore"):
            return array.astype(dtype)
    except (TypeError, ValueError, OverflowError):
        return None


@dataclass(frozen=True)
class PerRecord(Kernel):
    """A user's function: called for each record, its results stacked.

    Parameters
    ----------
    trial : Trial
        The function.
    results : Results
        What each result must be.
    processes : int
        Of this machine that share the records, where an engine has no processes of its own.
    """

    trial: Trial
    results: Results
    processes: int = 1
    vectorised: ClassVar[bool] = False

    def __call__(self, start: int, block: Array) -> Array:
        """Call the function on each record of the block."""
        shape, dtype = self.results.shape, self.results.dtype
        out = np.empty((len(block), *shape), dtype)
        for row, record in enumerate(block):
            array = self.trial.record(start + row, record)
            if array.shape != shape:
                raise SpecError(
                    f"{name_of(self.trial.function)} gave shape {array.shape} for the record of "
                    f"key {self.trial.key(start + row)} and {shape} before: results must be of "
                    "one shape"
                )
            if array.dtype != dtype:
                array = self.results.fitted(array, self.trial, start + row)
            out[row] = array
        return out


@dataclass(frozen=True)
class PerObject(Kernel):
    """A user's function: called for each record, its results kept as they are.

    Parameters
    ----------
    trial : Trial
        The function.
    """

    trial: Trial
    vectorised: ClassVar[bool] = False

    def __call__(self, start: int, block: Array) -> Array:
        """Call the function on each record of the block."""
        out = np.empty(len(block), object)
        for row, record in enumerate(block):
            out[row] = self.trial(start + row, record)
        return out


@dataclass(frozen=True)
class Predicate(Kernel):
    """A user's function that says yes or no of each record.

    Parameters
    ----------
    trial : Trial
        The function.
    """

    trial: Trial
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
            raise SpecError(
                f"{name_of(self.trial.function)} returned {_described(result)} for the record of "
                f"key {self.trial.key(number)}: it must return True or False, see numpy.any"
            ) from error


@dataclass(frozen=True)
class StackTrial:
    """A user's function of records stacked in one array.

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
        """Return what the function gives for one record, in a stack of its own."""
        return as_record(self.stacked(number, record[np.newaxis])[0])

    def stacked(self, start: int, block: Array) -> Array:
        """Return its results for the records from number `start` on, given a copy of them."""
        key = self.key(start)
        try:
            results = as_array(self.function(np.array(block)), "the results")
        except ThunderlikeError:
            raise
        except (Exception, SystemExit) as error:
            raise raised_by(self.function, error, key) from error
        if results.shape[:1] != (len(block),):
            raise SpecError(
                f"{name_of(self.function)} gave shape {results.shape} for a stack of {len(block)} "
                f"records from key {key} on: it must give one result for each"
            )
        return results

    def key(self, number: int) -> Shape:
        """Return the key of record `number`."""
        return _key(number, self.baseshape)


@dataclass(frozen=True)
class PerStack(Kernel):
    """A user's function of stacked records: called for each block, on any thread.

    Parameters
    ----------
    trial : StackTrial
        The function.
    results : Results
        What each result must be.
    processes : int
        Of this machine that share the records, where an engine has no processes of its own.
    """

    trial: StackTrial
    results: Results
    processes: int = 1
    vectorised: ClassVar[bool] = True

    def __call__(self, start: int, block: Array) -> Array:
        """Call the function on the block; a result without axes gets length 1."""
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
    return tuple(int(k) for k in np.unravel_index(number, baseshape))


def _described(result: Any) -> str:
    """Class, and shape where there is one, of what a function returned."""
    shape = getattr(result, "shape", None)
    return type(result).__name__ + ("" if shape is None else f" of shape {shape}")


@dataclass(frozen=True)
class Binary:
    """A user's function of two records, or of what it made of others.

    Parameters
    ----------
    function : callable
        The function.
    """

    function: Callable[[Array, Array], Any]

    def __call__(self, one: Array, other: Array) -> Array:
        """Return what the function gives, as an array."""
        try:
            return as_array(self.function(one, other))
        except ThunderlikeError:
            raise
        except (Exception, SystemExit) as error:
            raise raised_by(self.function, error) from error


def as_record(value: Any) -> Array:
    """Make what a function returned a record: a scalar gets length 1, an object stays itself."""
    if isinstance(value, str | bytes):
        return np.array([value], object)  # as text of fixed length it would cut the longer ones
    try:
        return np.atleast_1d(as_array(value, "the results"))
    except WrongTypeError:
        raise
    except SpecError:  # a list of unequal things: an array of objects
        return np.atleast_1d(np.asarray(value, object))


def infer(records: Records, trial: Trial | StackTrial, shape: Shape | None, dtype: Any) -> Results:
    """Shape and dtype of the results: as given, else those of the first real record.

    Nothing is called when both are given; on Spark, looking at the first record is a job over the
    first chunk.
    """
    asked = None if dtype is None else as_dtype(dtype)
    if shape is not None and asked is not None:
        return Results(shape, asked, cast=True)
    if records.spec.count == 0:  # no record to try, and none to be wrong about
        nothing = records.spec
        return Results(nothing.shape if shape is None else shape, asked or nothing.dtype)
    result = trial.record(0, records.collect(0, 1)[0])
    return Results(
        result.shape if shape is None else shape,
        result.dtype if asked is None else asked,
        cast=asked is not None,
    )


def raised_by(
    function: Any, error: BaseException, key: Shape | str | None = None
) -> WorkerFailedError:
    """What to raise for what a user's function raised: one class, whichever engine called it.

    Parameters
    ----------
    key : tuple of int or str, optional
        Of the record that it was given, or the path of the file.
    """
    what = "the file" if isinstance(key, str) else "the record of key"
    where = "" if key is None else f", on {what} {key}"
    return WorkerFailedError(
        f"{name_of(function)} raised {type(error).__name__}: {error}{where}",
        key=key,
        traceback="".join(traceback.format_exception(error)),
    )


def name_of(function: Any) -> str:
    """What a user's function is called, for messages."""
    return getattr(function, "__name__", None) or type(function).__name__
