"""Reductions over records in one pass: partials of blocks, merged in any grouping.

A partial is computed by ``of(block)``, joined by ``merge``, and read by its properties. The partial
of an empty block changes nothing it is merged with. The property names are numpy's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from thunderlike.errors import SpecError
from thunderlike.kernels._numba import jit, use_compiled

if TYPE_CHECKING:
    from collections.abc import Iterator

    from thunderlike._typing import Array

__all__ = ["Largest", "Mean", "Moments", "Smallest", "Total", "finite_origin", "sum_dtype"]

_COLUMNS, _ELEMENTS = 2**13, 2**18  # 2 MiB in float64; threads queue between shorter calls
_STRIP = 2048  # columns whose sums the loops keep in the nearest cache


@dataclass(frozen=True, eq=False)
class Moments:
    """Mean and sum of squared deviations of records, element by element.

    Parameters
    ----------
    count : int
        Number of records.
    mean : ndarray of float64, shape value_shape
        NaN without records.
    m2 : ndarray of float64, shape value_shape
        Sum of the squared deviations from the mean.

    Notes
    -----
    Partials are joined by the pairwise update of Chan, Golub and LeVeque, "Updating formulae and a
    pairwise algorithm for computing sample variances", COMPSTAT 1982. Within a block, deviations
    are taken from its first record: of constant records they are exactly zero, and a large offset
    costs no digits.

    Examples
    --------
    >>> first, second = np.array([[1], [2]]), np.array([[6]])
    >>> both = Moments.of(first).merge(Moments.of(second))
    >>> both.count, both.mean, both.var.round(3)
    (3, array([3.]), array([4.667]))
    """

    count: int
    mean: Array
    m2: Array

    @classmethod
    @np.errstate(all="ignore")
    def of(cls, block: Array, *, compiled: bool | None = None) -> Self:
        """Compute the moments of the records of a block, of shape ``(k, *value_shape)``.

        One pass over the block, with a buffer of 2 MiB.

        Parameters
        ----------
        block : ndarray of real numbers
        compiled : bool, optional
            Whether to run compiled loops; by default, the size of the block decides.

        Raises
        ------
        SpecError
            For records that are no real numbers.
        """
        if block.dtype.kind not in "biuf":
            raise SpecError(
                f"records of {block.dtype} have no variance: convert them to real numbers first"
            )
        count, shape = len(block), block.shape[1:]
        flat = block.reshape(count, math.prod(shape))
        origin, total, squares = np.zeros((3, flat.shape[1]))
        origin[:] = finite_origin(flat[:1].sum(axis=0))
        if compiled is None:
            compiled = use_compiled(flat.size)
        add_up = _add_up.choose(compiled, flat.dtype)
        tall = _ELEMENTS // min(max(1, flat.shape[1]), _COLUMNS)
        add_up(np.ascontiguousarray(flat), tall, origin, total, squares)
        moments = cls.shifted(count, origin, total, squares)
        return cls(count, moments.mean.reshape(shape), moments.m2.reshape(shape))

    @classmethod
    @np.errstate(all="ignore")
    def shifted(cls, count: int, origin: Array, total: Array, squares: Array) -> Self:
        """Moments from the sum of the deviations from `origin` and of their squares."""
        mean = total / count
        return cls(count, origin + mean, np.maximum(squares - total * mean, 0))

    @np.errstate(all="ignore")
    def merge(self, other: Self) -> Self:
        """Moments of the records of both."""
        if not (self.count and other.count):
            return self if self.count else other
        count = self.count + other.count
        delta, share = other.mean - self.mean, other.count / count
        # The plain sum is inf or NaN as it should be where the difference no longer is.
        mean = np.where(np.isfinite(delta), self.mean + delta * share, self.mean + other.mean)
        m2 = self.m2 + other.m2 + delta**2 * (self.count * share)
        return type(self)(count, mean, m2)

    @property
    @np.errstate(all="ignore")
    def var(self) -> Array:
        """Population variance (``ddof`` 0), float64."""
        return self.m2 / self.count

    @property
    def std(self) -> Array:
        """Population standard deviation (``ddof`` 0), float64."""
        return np.sqrt(self.var)


def _add_up_plain(flat: Array, tall: int, origin: Array, total: Array, squares: Array) -> None:
    """Add to `total` and `squares` deviations from `origin`, and their squares, of so many rows."""
    for columns, tile in _tiles(flat, tall, origin):
        total[columns] += tile.sum(axis=0)
        squares[columns] += np.square(tile, out=tile).sum(axis=0)


def _tiles(flat: Array, tall: int, origin: Array) -> Iterator[tuple[slice, Array]]:
    """Yield columns and some of their rows less the origin, in one reused float64 buffer."""
    count, width = flat.shape
    # Columns outside: the totals of a strip of columns stay in the cache over all its rows.
    scratch = np.empty(_ELEMENTS)
    for left in range(0, width, _COLUMNS):
        columns = slice(left, left + _COLUMNS)
        for top in range(0, count, tall):
            rows = flat[top : top + tall, columns]
            tile = scratch[: rows.size].reshape(rows.shape)
            yield columns, np.subtract(rows, origin[columns], out=tile)


@jit(plain=_add_up_plain)
def _add_up(flat: Array, tall: int, origin: Array, total: Array, squares: Array) -> None:
    """Bound by memory for numbers of 4 bytes and more, by arithmetic for shorter ones."""
    count, width = flat.shape
    sums, powers = np.empty(_STRIP), np.empty(_STRIP)
    for left in range(0, width, _STRIP):
        wide = min(_STRIP, width - left)
        for top in range(0, count, tall):
            sums[:] = powers[:] = 0
            for row in range(top, min(top + tall, count)):
                records, origins = flat[row, left : left + wide], origin[left : left + wide]
                for n in range(wide):
                    deviation = records[n] - origins[n]
                    sums[n] += deviation
                    powers[n] += deviation * deviation
            for n in range(wide):
                total[left + n] += sums[n]
                squares[left + n] += powers[n]


def finite_origin(record: Array) -> Array:
    """The record as float64, 0 where it is inf or NaN: what deviations are taken from.

    Examples
    --------
    >>> finite_origin(np.array([1, np.nan, np.inf]))
    array([1., 0., 0.])
    """
    origin = np.asarray(record, np.float64)
    return np.where(np.isfinite(origin), origin, 0.0)


@dataclass(frozen=True, eq=False)
class Total:
    """Sum of records, element by element.

    Parameters
    ----------
    count : int
        Number of records.
    total : ndarray, shape value_shape
        Their sum in the longest dtype of their kind: 64 bits for integers and for real numbers.
    dtype : numpy.dtype
        Of the sum that numpy gives for such records.

    Examples
    --------
    >>> Total.of(np.full((300, 1), 200, "uint8")).sum
    array([60000], dtype=uint64)
    """

    count: int
    total: Array
    dtype: np.dtype[Any]

    @classmethod
    @np.errstate(all="ignore")
    def of(cls, block: Array, *, compiled: bool | None = None) -> Self:
        """Sum the records of a block, of shape ``(k, *value_shape)``; one pass, no copy."""
        dtype = sum_dtype(block.dtype)
        if dtype.kind not in "biufc":  # as numpy adds them up: durations, objects
            return cls(len(block), block.sum(axis=0), dtype)
        long = cls._accumulator(block.dtype, dtype)
        # 32 bits hold the sum of so few and small whole numbers; vectors hold twice as many.
        short = block.dtype.kind in "iu" and block.itemsize <= 2 and len(block) < 2**15
        fast = np.dtype(f"{long.kind}4") if short else long
        total = np.zeros(block.shape[1:], fast)
        if block.size:
            if compiled is None:
                compiled = use_compiled(block.size)
            flat = np.ascontiguousarray(block.reshape(len(block), -1))
            _sum_rows.choose(compiled, block.dtype, fast)(flat, total.reshape(-1))
        return cls(len(block), total.astype(long, copy=False), dtype)

    @classmethod
    def _accumulator(cls, dtype: np.dtype[Any], total: np.dtype[Any]) -> np.dtype[Any]:  # noqa: ARG003
        """The dtype in which records of `dtype` are added up, given that of numpy's sum."""
        return np.result_type(total, np.float64) if total.kind in "fc" else total

    @np.errstate(all="ignore")
    def merge(self, other: Self) -> Self:
        """Sum of the records of both."""
        return type(self)(self.count + other.count, self.total + other.total, self.dtype)

    @property
    @np.errstate(all="ignore")
    def sum(self) -> Array:
        """The sum, in the dtype that numpy gives it; integers wrap around as there."""
        return self.total.astype(self.dtype)


class Mean(Total):
    """Mean of records, element by element.

    Integers of 64 bits are added up in float64, as numpy does for a mean: their sum may wrap
    around in 64 bits. The sum of shorter ones is exact, and fits.

    Examples
    --------
    >>> Mean.of(np.full((300, 1), 2**62)).mean
    array([4.61168602e+18])
    """

    @classmethod
    def _accumulator(cls, dtype: np.dtype[Any], total: np.dtype[Any]) -> np.dtype[Any]:
        if dtype.kind in "iu" and dtype.itemsize == 8:
            return np.dtype(np.float64)
        return super()._accumulator(dtype, total)

    @property
    @np.errstate(all="ignore")
    def mean(self) -> Array:
        """The mean, float64 for real numbers; NaN without records."""
        return self.total / self.count


def _sum_rows_plain(flat: Array, total: Array) -> None:
    """Add all rows to `total`."""
    total += np.add.reduce(flat, axis=0, dtype=total.dtype)


@jit(plain=_sum_rows_plain)
def _sum_rows(flat: Array, total: Array) -> None:
    """Bound by memory: the rows are read once, their sum stays in the second cache."""
    for row in range(len(flat)):
        numbers = flat[row]
        for n in range(len(total)):
            total[n] += numbers[n]


def sum_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The dtype in which numpy adds up numbers of a dtype.

    Examples
    --------
    >>> sum_dtype(np.dtype("int16")), sum_dtype(np.dtype("float32"))
    (dtype('int64'), dtype('float32'))
    """
    result: np.dtype[Any] = np.empty((0, 1), dtype).sum(axis=0).dtype
    return result


@dataclass(frozen=True, eq=False)
class _Extreme:
    """Base class of :class:`Largest` and :class:`Smallest`."""

    count: int
    found: Array
    ufunc: ClassVar[np.ufunc]

    @classmethod
    @np.errstate(all="ignore")
    def of(cls, block: Array) -> Self:
        """Extreme of the records of a block, of shape ``(k, *value_shape)``; one pass, no copy."""
        # Extremes of no records are an error; a sum has the shape that the empty partial needs.
        found = cls.ufunc.reduce(block, axis=0) if len(block) else block.sum(axis=0)
        return cls(len(block), found)

    @np.errstate(all="ignore")
    def merge(self, other: Self) -> Self:
        """Extreme of the records of both."""
        if not (self.count and other.count):
            return self if self.count else other
        return type(self)(self.count + other.count, self.ufunc(self.found, other.found))

    @property
    def value(self) -> Array:
        """The extreme, in the dtype of the records; NaN where a record has one.

        Raises
        ------
        SpecError
            If there is no record.
        """
        if not self.count:
            raise SpecError(f"cannot take {self.ufunc.__name__}: the collection is empty")
        return self.found


class Largest(_Extreme):
    """Largest value of records, element by element; read it by ``value``.

    Examples
    --------
    >>> Largest.of(np.array([[1, 5], [3, 2]])).value
    array([3, 5])
    """

    ufunc = np.maximum


class Smallest(_Extreme):
    """Smallest value of records, element by element; read it by ``value``.

    Examples
    --------
    >>> Smallest.of(np.array([[1, 5], [3, 2]])).value
    array([1, 2])
    """

    ufunc = np.minimum
