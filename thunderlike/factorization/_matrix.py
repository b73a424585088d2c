"""Records of a collection as the rows of a matrix, on the engine that holds them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from thunderlike.config import current
from thunderlike.data.blocks import Blocks
from thunderlike.data.images import Images
from thunderlike.data.reductions import merged_records
from thunderlike.data.series import Series
from thunderlike.engines import Spec, engine_for
from thunderlike.engines.base import SourceDefaults
from thunderlike.errors import SpecError, WrongTypeError
from thunderlike.kernels._validation import as_array
from thunderlike.kernels.factorization import bad_rows

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike

    from thunderlike._typing import Array
    from thunderlike.engines import Records

__all__ = ["Columns", "Matrix", "check_partial", "column_blocks", "flat"]

Partial = TypeVar("Partial")

_MOST_BYTES = 2**29  # of a partial: each worker and the driver hold several


class Matrix:
    """Rows of a matrix: the series of a Series, the images of Images, the rows of an array.

    Parameters
    ----------
    X : array_like, Series or Images
        An array of shape ``(..., L)`` is local series.

    Raises
    ------
    WrongTypeError
        For blocks, and for values that are not numbers.
    SpecError
        For fewer than two axes, complex numbers, and for no rows or no columns.
    """

    def __init__(self, X: ArrayLike | Series | Images) -> None:
        self.collection = _collection(X)
        self.records = self.collection._records
        dtype, shape = self.records.spec.dtype, self.collection.shape
        if dtype.kind == "c":
            raise SpecError(f"{dtype} cannot be factorized: take the real or the imaginary part")
        if dtype.kind not in "biuf":
            raise WrongTypeError(f"{dtype} cannot be factorized: make the values real numbers")
        if not (self.nrows and self.ncolumns):
            raise SpecError(f"cannot factorize an empty matrix: the data have shape {shape}")

    @property
    def nrows(self) -> int:
        """Number of records."""
        return self.records.spec.count

    @property
    def ncolumns(self) -> int:
        """Number of values in a record."""
        return math.prod(self.records.spec.shape)

    @property
    def result_dtype(self) -> np.dtype[Any]:
        """float32 for numbers of up to 16 bits and float32, else float64."""
        dtype = self.records.spec.dtype
        short = dtype.itemsize <= (4 if dtype.kind == "f" else 2)
        return np.dtype(np.float32 if short else np.float64)

    def aggregate(self, partial: Any, nbytes: int, **arguments: object) -> Any:
        """Merge partials of blocks of rows, of shape ``(k, L)``: one pass.

        Parameters
        ----------
        partial : type
            With ``of(block, **arguments)`` and ``merge``.
        nbytes : int
            Size of a partial.

        Raises
        ------
        SpecError
            If a partial has more than 512 MiB.
        """
        return self.merged(lambda block: partial.of(block, **arguments), partial.merge, nbytes)

    def merged(
        self,
        of: Callable[[Array], Partial],
        merge: Callable[[Partial, Partial], Partial],
        nbytes: int,
    ) -> Partial:
        """Merge partials of blocks of rows, given as functions; as :meth:`aggregate`."""
        check_partial(nbytes, "the statistics of a pass")
        return merged_records(
            self.records, lambda block: of(flat(block)), merge, nbytes, segment_bytes=nbytes
        )

    def without_bad_rows(self) -> Matrix:
        """Rows without NaN and infinity; one pass, and a job that picks them."""
        flags = self.collection.map(
            _bad_records, value_shape=(1,), dtype=bool, block=True
        )._records.collect()
        good = np.flatnonzero(~flags.ravel())
        if len(good) == self.nrows:
            return self
        picked = self.records.take(good)
        kept = Series(picked) if isinstance(self.collection, Series) else Images(picked)
        return Matrix(kept)

    def check_finite(self, *statistics: Array | float) -> None:
        """Raise SpecError with the number of bad rows if a statistic of all rows is not finite."""
        if all(np.isfinite(one).all() for one in statistics):
            return
        bad = self.merged(lambda block: int(bad_rows(block).sum()), lambda a, b: a + b, 8)
        if not bad:
            raise SpecError("the values are so large that their squares overflow: scale them")
        kind = "images" if isinstance(self.collection, Images) else "series"
        raise SpecError(
            f"{bad} of {self.nrows} {kind} hold NaN or infinity: give nan='drop' to leave them "
            "out, or replace them"
        )


def _collection(X: ArrayLike | Series | Images) -> Series | Images:
    if isinstance(X, Series | Images):
        return X
    if isinstance(X, Blocks):
        raise WrongTypeError("blocks cannot be factorized: call toseries() or toimages() first")
    array = as_array(X, "the data")
    if array.dtype.kind not in "biufc":
        raise WrongTypeError(
            f"cannot factorize a {type(X).__name__} of {array.dtype}: give real numbers in an "
            "array, Series or Images"
        )
    if array.ndim < 2:
        raise SpecError(f"a matrix has 2 axes or more, not shape {array.shape}")
    return Series(array)


def _bad_records(block: Array) -> Array:
    return bad_rows(flat(block))


def flat(block: Array) -> Array:
    """Return a block of records as rows."""
    return block.reshape(len(block), math.prod(block.shape[1:]))


def check_partial(nbytes: int, what: str) -> None:
    """Raise SpecError for an array that a worker or the driver should not hold several times."""
    if nbytes > _MOST_BYTES:
        raise SpecError(
            f"{what} would take {nbytes} bytes, more than {_MOST_BYTES}: give fewer components, "
            "or another method"
        )


def column_blocks(matrix: Matrix) -> Records:
    """Regroup the values of a matrix into blocks of columns, of shape ``(n, w)`` each.

    Rows that are an array in this process are cut as they are read, without a copy of all; others
    are regrouped by their engine, on Spark in one shuffle. The last block is filled with zeros.
    """
    columns = Columns.of(matrix)
    if not matrix.records.in_memory:
        return matrix.records.regroup(columns)
    array = np.asarray(matrix.records.array((matrix.nrows,))).reshape(matrix.nrows, -1)
    return engine_for("disk").load(_ColumnSource(array, columns))


@dataclass(frozen=True)
class Columns:
    """Exchange: record j of the new is columns ``j w .. (j + 1) w - 1`` of all old records.

    Parameters
    ----------
    spec : Spec
        Of the new records, of shape ``(n, w)``.
    ncolumns : int
        Number of all columns.
    """

    spec: Spec
    ncolumns: int

    @classmethod
    def of(cls, matrix: Matrix) -> Columns:
        """Choose the width: a block has the size of a chunk."""
        old = matrix.records.spec
        width = current().chunk_bytes // max(old.count * old.dtype.itemsize, 1)
        width = min(max(width, 1), matrix.ncolumns)
        count = -(-matrix.ncolumns // width)
        return cls(Spec(count, (old.count, width), old.dtype), matrix.ncolumns)

    def cut(self, start: int, block: Array, first: int, last: int) -> tuple[int, Array]:
        """Columns of the new records `first` to `last` of the block."""
        width = self.spec.shape[1]
        return start, flat(block)[:, first * width : last * width]

    def place(self, out: Array, first: int, piece: tuple[int, Array]) -> None:  # noqa: ARG002
        """Write the columns of some rows into the new records."""
        start, columns = piece
        width = self.spec.shape[1]
        rows = slice(start, start + len(columns))
        for number, record in enumerate(out):
            part = columns[:, number * width : (number + 1) * width]
            record[rows, : part.shape[1]] = part
            record[rows, part.shape[1] :] = 0


class _ColumnSource(SourceDefaults):
    """Blocks of columns of an array in memory."""

    def __init__(self, array: Array, columns: Columns) -> None:
        self._array, self._columns, self.spec = array, columns, columns.spec

    def read(self, start: int, stop: int, out: Array) -> None:
        """Copy columns of all rows."""
        self._columns.place(out, start, self._columns.cut(0, self._array, start, stop))
