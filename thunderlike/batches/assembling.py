"""Results of items, put together into one array."""

from __future__ import annotations

import numbers
import threading
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Collected", "assembled"]


class Collected:
    """Results by position, written straight into one array while they are alike.

    Parameters
    ----------
    n : int
        How many there will be. Threads may put different positions at once.
    """

    def __init__(self, n: int) -> None:
        self._n = n
        self._array: NDArray[Any] | None = None
        self._shape: tuple[int, ...] | None = None
        self._dtype: Any = None
        self._others: dict[int, Any] = {}
        self._fresh, self._lock = True, threading.Lock()

    def _expect(self, value: Any) -> None:
        """Make room for results like the first one; of two at once, one is the first."""
        with self._lock:
            if self._fresh and type(value) is np.ndarray:
                self._array = np.empty((self._n, *value.shape), value.dtype)
                self._dtype, self._shape = value.dtype, value.shape  # last: whoever sees it may put
            self._fresh = False

    def put(self, position: int, value: Any) -> None:
        """Note one result."""
        if self._fresh:
            self._expect(value)
        if type(value) is np.ndarray and value.shape == self._shape and value.dtype == self._dtype:
            self._array[position] = value  # type: ignore[index]  # there is one of that shape
        else:
            self._others[position] = value

    def put_block(self, start: int, values: NDArray[Any]) -> None:
        """Note results in a row, stacked; one copy for all where they are like the others."""
        if self._fresh and len(values):
            self._expect(values[0])
        if values.shape[1:] == self._shape and values.dtype == self._dtype:
            self._array[start : start + len(values)] = values  # type: ignore[index]
        else:
            self._others.update(zip(range(start, start + len(values)), values, strict=True))

    def whole(self) -> Any:
        """All results: stacked where their shapes agree, else an object array."""
        if self._array is not None and not self._others:
            return self._array
        return assembled(
            [self._others[k] if k in self._others else self._one(k) for k in range(self._n)]
        )

    def _one(self, position: int) -> Any:
        assert self._array is not None
        return self._array[position]


def assembled(values: list[Any]) -> NDArray[Any]:
    """One array of values, by the first axis.

    Arrays of one shape are stacked, numbers become an array of their common dtype, text one of
    text; everything else is an object array.

    Examples
    --------
    >>> assembled([1, 2.5])
    array([1. , 2.5])
    >>> assembled([np.zeros(2), np.zeros(3)]).dtype
    dtype('O')
    """
    if values and all(isinstance(value, np.ndarray) for value in values):
        if len({value.shape for value in values}) == 1:
            return np.stack(values)
    elif (values and all(isinstance(v, numbers.Number | np.generic | bool) for v in values)) or (
        values and all(isinstance(value, str) for value in values)
    ):
        return np.array(values)
    out = np.empty(len(values), dtype=object)
    for position, value in enumerate(values):
        out[position] = value
    return out
