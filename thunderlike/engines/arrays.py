"""Distributed arrays: the ``values`` of collections that are not in memory."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np

from thunderlike.errors import BadIndexError, NotOnEngineError, SpecError
from thunderlike.util.arrays import humanize_bytesize

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from thunderlike._typing import Array, Shape

__all__ = ["ArrayRecords", "DistributedArray", "Named", "RecordSpec"]

# Bytes above which an implicit conversion to numpy warns; toarray() is explicit and does not.
_LARGE = 2**30


class RecordSpec(Protocol):
    """Count, shape and dtype of records."""

    @property
    def count(self) -> int:
        """Number of records."""

    @property
    def shape(self) -> Shape:
        """Shape of one record."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Data type of every record."""

    @property
    def nbytes(self) -> int:
        """Bytes of all records."""


class Named(Protocol):
    """An engine, as far as errors need it."""

    @property
    def name(self) -> str:
        """Name of the engine."""


class ArrayRecords(Protocol):
    """Records of an engine, as far as a distributed array needs them.

    A protocol and not the contract itself, which makes distributed arrays and so imports this
    module.
    """

    @property
    def spec(self) -> RecordSpec:
        """Count, shape and dtype of the records."""

    @property
    def engine(self) -> Named:
        """The engine that holds them."""

    def map(self, kernel: _Reshape, shape: Shape, dtype: np.dtype[Any], /) -> ArrayRecords:
        """Apply a kernel to each block."""

    def take(self, rows: NDArray[np.int64], /) -> ArrayRecords:
        """Return the records of these numbers."""

    def collect(self) -> Array:
        """Return all records as one array."""

    def native(self, key_shape: Shape, /) -> Any:
        """Return the engine's own form of ``(key, array)`` pairs."""


class DistributedArray:
    """An array on the workers of an engine: read-only, its values computed when asked for.

    On Spark ``x.values`` is of this class, where locally it is a numpy array. It supports indexing,
    reshaping and conversion as numpy does, and no arithmetic: compute with the collection instead,
    ``x.map(...)``, ``x.mean()``.

    Parameters
    ----------
    records : Records
        The values.
    key_shape : tuple of int
        Lengths of the first axes, along which records are the elements.

    Examples
    --------
    >>> from thunderlike.engines import ArraySource, local
    >>> records = local().load(ArraySource(np.arange(12).reshape(6, 2)))
    >>> array = DistributedArray(records, (2, 3))
    >>> array, array[1, 0]
    (DistributedArray(shape=(2, 3, 2), dtype=int64), array([6, 7]))
    """

    def __init__(self, records: ArrayRecords, key_shape: Shape) -> None:
        self.records, self.key_shape = records, key_shape

    @property
    def shape(self) -> Shape:
        """Shape of all values."""
        return self.key_shape + self.records.spec.shape

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Data type of the values."""
        return self.records.spec.dtype

    def toarray(self) -> Array:
        """Return all values as one numpy array, here: one job."""
        return self.records.collect().reshape(self.shape)

    def tordd(self) -> Any:
        """Return the engine's own form of ``(key, array)`` pairs, in key order: an RDD on Spark."""
        return self.records.native(self.key_shape)

    def reshape(self, *shape: Any) -> DistributedArray:
        """Return the same values in another shape; nothing is computed or shuffled.

        Parameters
        ----------
        shape : int, or one tuple of int
            A record stays in one piece: the first axes must hold as many as there are records.

        Raises
        ------
        SpecError
            When the shape has another size, or would divide or join records.
        """
        new = shape if len(shape) != 1 or isinstance(shape[0], int) else tuple(shape[0])
        count = self.records.spec.count
        checked_record = (n for n in range(1, len(new)) if math.prod(new[:n]) == count)
        return self._of(new, next(checked_record, len(new)))

    def keyed(self, naxes: int) -> DistributedArray:
        """Return the same values with so many of the first axes as keys; as :meth:`reshape`."""
        return self._of(self.shape, naxes)

    def _of(self, new: Shape, naxes: int) -> DistributedArray:
        spec, keys, each = self.records.spec, new[:naxes], new[naxes:]
        if math.prod(keys) != spec.count or math.prod(each) != math.prod(spec.shape):
            raise SpecError(
                f"{spec.count} records of shape {spec.shape} cannot be seen as {keys} of {each}: "
                "a record stays in one piece, use toarray() to reshape it as numpy does"
            )
        same = each == spec.shape
        records = self.records if same else self.records.map(_Reshape(each), each, spec.dtype)
        return DistributedArray(records, keys)

    def __getitem__(self, item: Any) -> Array:
        """Return the selection as numpy does, as a numpy array; only its records are computed."""
        items = self._whole(item if isinstance(item, tuple) else (item,))
        rows = self._rows(items[: len(self.key_shape)])
        picked = self.records.take(rows.ravel()).collect()
        values = picked.reshape(rows.shape + self.records.spec.shape)
        part: Array = values[(slice(None),) * rows.ndim + items[len(self.key_shape) :]]
        return part

    def _whole(self, items: tuple[Any, ...]) -> tuple[Any, ...]:
        """The items with full slices in place of an Ellipsis."""
        at = next((i for i, item in enumerate(items) if item is Ellipsis), None)
        if at is None:
            return items
        missing = (slice(None),) * (self.ndim - len(items) + 1)
        return items[:at] + missing + items[at + 1 :]

    def _rows(self, keys: tuple[Any, ...]) -> NDArray[np.int64]:
        """Numbers of the records at these keys, in the shape that numpy gives."""
        numbers = np.arange(self.records.spec.count).reshape(self.key_shape)
        try:
            return np.asarray(numbers[keys])
        except IndexError as error:
            raise BadIndexError(f"{keys} in the keys of shape {self.key_shape}: {error}") from None

    def __len__(self) -> int:
        return self.shape[0]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        nbytes = self.records.spec.nbytes
        if nbytes > _LARGE:
            warnings.warn(
                f"numpy asked for all values, {humanize_bytesize(nbytes)} from the "
                f"{self.records.engine.name} engine: call .toarray() where that is meant, or "
                "reduce them before",
                stacklevel=3,
            )
        return np.array(self.toarray(), dtype=dtype, copy=copy)

    def __reduce__(self) -> Any:
        name = self.records.engine.name
        raise NotOnEngineError(
            f"an array on the {name} engine computes in the process that made it and cannot go to "
            "others: with dask leave out engine=, or use the collection itself"
        )

    def __repr__(self) -> str:
        return f"DistributedArray(shape={self.shape}, dtype={self.dtype})"


@dataclass(frozen=True)
class _Reshape:
    """Give every record of a block another shape."""

    shape: Shape
    vectorised: ClassVar[bool] = True
    processes: ClassVar[int] = 1
    repeatable: ClassVar[bool] = True

    def __call__(self, start: int, block: Array) -> Array:  # noqa: ARG002
        return block.reshape(len(block), *self.shape)
