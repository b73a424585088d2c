"""From functions over records to kernels over blocks."""

from __future__ import annotations

import traceback
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from thunderlike.errors import SpecError, ThunderlikeError, WorkerFailed

if TYPE_CHECKING:
    from collections.abc import Callable

    from thunderlike.engines.base import Array, Records

__all__ = [
    "PerRecord",
    "PerStack",
    "StackTrial",
    "Stacked",
    "Trial",
    "as_record",
    "infer",
    "name_of",
    "raised_by",
]

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Stacked:
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
        except Exception as error:
            raise raised_by(self.function, error, self.key(number)) from error

    def key(self, number: int) -> Shape:
        """Return the key of record `number`."""
        return tuple(int(k) for k in np.unravel_index(number, self.baseshape))


@dataclass(frozen=True)
class PerRecord:
    """A user's function: called for each record, its results stacked.

    Parameters
    ----------
    trial : Trial
        The function.
    shape : tuple of int
        Shape that each result must have.
    dtype : numpy.dtype
        What they are cast to.
    processes : int
        Of this machine that share the records, where an engine has no processes of its own.
    """

    trial: Trial
    shape: Shape
    dtype: np.dtype[Any]
    processes: int = 1
    vectorised: ClassVar[bool] = False

    def __call__(self, start: int, block: Array) -> Array:
        """Call the function on each record of the block."""
        out = np.empty((len(block), *self.shape), self.dtype)
        for row, record in enumerate(block):
            result = self.trial(start + row, record)
            out[row] = result if self.shape == () else self._checked(start + row, result)
        return out

    def _checked(self, number: int, result: Any) -> Array:
        array = as_record(result)
        if array.shape != self.shape:
            raise SpecError(
                f"{name_of(self.trial.function)} gave shape {array.shape} for the record of key "
                f"{self.trial.key(number)} and {self.shape} before: results must be of one shape"
            )
        return array


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

    def __call__(self, number: int, record: Array) -> Any:
        """Return what the function gives for one record, in a stack of its own."""
        return self.stacked(number, record[np.newaxis])[0]

    def stacked(self, start: int, block: Array) -> Array:
        """Return its results for the records from number `start` on, given a copy of them."""
        key = tuple(int(k) for k in np.unravel_index(start, self.baseshape))
        try:
            results = np.asarray(self.function(np.array(block)))
        except ThunderlikeError:
            raise
        except Exception as error:
            raise raised_by(self.function, error, key) from error
        if results.shape[:1] != (len(block),):
            raise SpecError(
                f"{name_of(self.function)} gave shape {results.shape} for a stack of {len(block)} "
                f"records from key {key} on: it must give one result for each"
            )
        return results


@dataclass(frozen=True)
class PerStack:
    """A user's function of stacked records: called for each block, on any thread.

    Parameters
    ----------
    trial : StackTrial
        The function.
    shape : tuple of int
        Shape that each result must have.
    dtype : numpy.dtype
        What they are cast to.
    processes : int
        Of this machine that share the records, where an engine has no processes of its own.
    """

    trial: StackTrial
    shape: Shape
    dtype: np.dtype[Any]
    processes: int = 1
    vectorised: ClassVar[bool] = True

    def __call__(self, start: int, block: Array) -> Array:
        """Call the function on the block; a result without axes gets length 1."""
        if not len(block):
            return np.empty((0, *self.shape), self.dtype)
        results = self.trial.stacked(start, block)
        return results.reshape(len(block), 1) if results.ndim == 1 else results


def as_record(value: Any) -> Array:
    """Make what a function returned a record: a scalar gets length 1, an object stays itself."""
    if isinstance(value, str | bytes):
        return np.array([value], object)  # as text of fixed length it would cut the longer ones
    try:
        return np.atleast_1d(np.asarray(value))
    except ValueError:  # numpy refuses lists of unequal things unless told that they are objects
        return np.atleast_1d(np.asarray(value, object))


def infer(
    records: Records, trial: Trial | StackTrial, shape: Shape | None, dtype: Any
) -> tuple[Shape, np.dtype[Any]]:
    """Shape and dtype of the results: as given, else from the first real record.

    Nothing is called when both are given; on Spark, looking at the first record is a job over the
    first chunk.
    """
    if shape is not None and dtype is not None:
        return shape, np.dtype(dtype)
    if records.spec.count == 0:  # no record to try, and none to be wrong about
        return shape or records.spec.shape, np.dtype(dtype or records.spec.dtype)
    result = as_record(trial(0, records.collect(0, 1)[0]))
    return shape or result.shape, np.dtype(dtype) if dtype is not None else result.dtype


def raised_by(function: Any, error: Exception, key: Shape | str | None = None) -> WorkerFailed:
    """What to raise for what a user's function raised: one class, whichever engine called it.

    Parameters
    ----------
    key : tuple of int or str, optional
        Of the record that it was given, or the path of the file.
    """
    what = "the file" if isinstance(key, str) else "the record of key"
    where = "" if key is None else f", on {what} {key}"
    return WorkerFailed(
        f"{name_of(function)} raised {type(error).__name__}: {error}{where}",
        key=key,
        traceback="".join(traceback.format_exception(error)),
    )


def name_of(function: Any) -> str:
    """What a user's function is called, for messages."""
    return getattr(function, "__name__", None) or type(function).__name__
