"""Reductions over the records of a collection, with the same bits on every engine.

The last digits of a sum of floating-point numbers depend on how its terms are grouped, and engines
cut records into different blocks. So records are grouped in segments of one length: the partial of
a segment is computed from all of its records at once, and partials are merged as the leaves of one
binary tree.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np

from thunderlike.config import config, current
from thunderlike.data._user_functions import Binary
from thunderlike.errors import SpecError
from thunderlike.kernels._validation import typed_errors
from thunderlike.kernels.moments import Largest, Mean, Moments, Smallest, Total

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from thunderlike._typing import Array
    from thunderlike.data.collection import Collection
    from thunderlike.engines import Records

__all__ = [
    "aggregate",
    "check_not_empty",
    "merged",
    "merged_numbered_records",
    "merged_records",
    "reduce",
    "statistic",
]

Partial = TypeVar("Partial")

# The kernel of each statistic, the attribute that holds its value, and whether it has a
# compiled form. Mean is a kernel of its own: it needs no second moment.
_STATISTICS: dict[str, tuple[Any, str, bool]] = {
    "mean": (Mean, "mean", True),
    "var": (Moments, "var", True),
    "std": (Moments, "std", True),
    "sum": (Total, "sum", True),
    "max": (Largest, "value", False),
    "min": (Smallest, "value", False),
}


def check_not_empty(collection: Collection, name: str) -> None:
    """Raise SpecError for a collection of no records, which has no reduction of this name."""
    if not collection.count():
        raise SpecError(f"{name} of no records: shape {collection.shape}")


def aggregate(
    collection: Collection, name: str, partial: Any, nbytes: int = 0, **arguments: object
) -> Any:
    """Compute the partial of every block and merge them, in the order of the records.

    Parameters
    ----------
    collection : Collection
        The records.
    name : str
        Name of the reduction, for errors.
    partial : type
        A reduction kernel, with ``of(block, **arguments)`` and ``merge``.
    nbytes : int
        Size of a partial; by default that of three float64 arrays of the shape of a record.
    **arguments
        Further arguments of ``of``.
    """
    check_not_empty(collection, name)

    def of(block: Array) -> Any:
        with typed_errors(name):
            return partial.of(block, **arguments)

    size = nbytes or 24 * math.prod(collection.value_shape)
    return merged(collection, of, partial.merge, size)


def merged(
    collection: Collection,
    of: Callable[[Array], Partial],
    merge: Callable[[Partial, Partial], Partial],
    nbytes: int,
) -> Partial:
    """Compute the partials of all segments of a collection; as :func:`merged_records`."""
    return merged_records(collection._records, of, merge, nbytes)


def merged_records(
    records: Records,
    of: Callable[[Array], Partial],
    merge: Callable[[Partial, Partial], Partial],
    nbytes: int,
    *,
    segment_bytes: int = 0,
) -> Partial:
    """Compute the partials of all segments of records; as :func:`merged_numbered_records`.

    Parameters
    ----------
    records : Records
    of : callable
        From a block of records to its partial.
    merge, nbytes, segment_bytes
        As there.
    """
    return merged_numbered_records(
        records, lambda _start, block: of(block), merge, nbytes, segment_bytes=segment_bytes
    )


def merged_numbered_records(
    records: Records,
    of: Callable[[int, Array], Partial],
    merge: Callable[[Partial, Partial], Partial],
    nbytes: int,
    *,
    segment_bytes: int = 0,
) -> Partial:
    """Compute the partials of all segments of records, of which there is one at least.

    Parameters
    ----------
    records : Records
    of : callable
        From the number of the first record of a block, and the block, to its partial.
    merge : callable
        From the partials of consecutive records to that of both.
    nbytes : int
        Size of a partial.
    segment_bytes : int
        Size of a segment, if more than that of a chunk: as large as a partial that is larger than
        a chunk, so that few of them are in memory.
    """
    spec = records.spec
    # The tiles of the local engine: there each is a segment, and nothing is copied.
    segment_bytes = max(segment_bytes, current().chunk_bytes)
    rows = max(1, segment_bytes // spec.record_bytes)
    order = _Order(spec.count, rows, of, merge)
    # A partition has an incomplete segment at each end, and some subtrees in between.
    size = 3 * nbytes + (rows - 1) * spec.record_bytes
    with config(chunk_bytes=segment_bytes):
        pieces = records.aggregate(order.partial, order.merged, size)
    return functools.reduce(merge, [one.partial for one in pieces if isinstance(one, _Subtree)])


@dataclass(frozen=True)
class _Fragment:
    """Records ``start .. stop-1`` of a segment whose others are in another block."""

    start: int
    stop: int
    blocks: tuple[Array, ...]


@dataclass(frozen=True)
class _Subtree(Generic[Partial]):
    """Segments ``first .. last-1``, a power of two of them, with their partial."""

    first: int
    last: int
    partial: Partial


@dataclass(frozen=True)
class _Order(Generic[Partial]):
    """Partials of segments of records, merged in an order that no partition changes.

    Parameters
    ----------
    count : int
        Number of all records.
    rows : int
        Records of a segment; the last may have fewer.
    of, merge : callable
        As of :func:`merged_numbered_records`.

    Examples
    --------
    >>> order = _Order(6, 2, lambda _, block: str(block), lambda one, other: f"({one}{other})")
    >>> first, second = order.partial(0, np.arange(3)), order.partial(3, np.arange(3, 6))
    >>> [piece.partial for piece in order.merged(first, second)]
    ['([0 1][2 3])', '[4 5]']
    """

    count: int
    rows: int
    of: Callable[[int, Array], Partial]
    merge: Callable[[Partial, Partial], Partial]

    def partial(self, start: int, block: Array) -> list[_Fragment | _Subtree[Partial]]:
        """Return the pieces of a block whose first record is number `start`."""
        pieces: list[_Fragment | _Subtree[Partial]] = []
        first, end = start, start + len(block)
        while first < end:
            last = min((first // self.rows + 1) * self.rows, end)
            self._add(pieces, _Fragment(first, last, (block[first - start : last - start],)))
            first = last
        return pieces

    def merged(
        self,
        one: Sequence[_Fragment | _Subtree[Partial]],
        other: Sequence[_Fragment | _Subtree[Partial]],
    ) -> list[_Fragment | _Subtree[Partial]]:
        """Return the pieces of consecutive records."""
        pieces = list(one)
        for piece in other:
            self._add(pieces, piece)
        return pieces

    def _add(
        self,
        pieces: list[_Fragment | _Subtree[Partial]],
        piece: _Fragment | _Subtree[Partial],
    ) -> None:
        """Append a piece, joined with those before it as far as the order allows."""
        if isinstance(piece, _Fragment):
            number = piece.start // self.rows
            head = pieces[-1] if pieces else None
            if isinstance(head, _Fragment) and head.start // self.rows == number:
                pieces.pop()
                piece = _Fragment(head.start, piece.stop, (*head.blocks, *piece.blocks))
            begin, end = number * self.rows, min((number + 1) * self.rows, self.count)
            if (piece.start, piece.stop) != (begin, end):
                pieces.append(piece)
                return
            whole = piece.blocks[0] if len(piece.blocks) == 1 else np.concatenate(piece.blocks)
            # numpy adds up in the order of the memory, which differs between engines as well.
            piece = _Subtree(number, number + 1, self.of(begin, np.ascontiguousarray(whole)))
        while pieces:
            left, size = pieces[-1], piece.last - piece.first
            if not isinstance(left, _Subtree) or left.last - left.first != size:
                break
            if left.first % (2 * size):
                break
            pieces.pop()
            piece = _Subtree(left.first, piece.last, self.merge(left.partial, piece.partial))
        pieces.append(piece)


def statistic(collection: Collection, name: str) -> Array:
    """Compute a statistic over all records, of shape `value_shape`: one of those of numpy."""
    partial, attribute, has_loops = _STATISTICS[name]
    arguments = {"compiled": collection._compiled} if has_loops else {}
    found = aggregate(collection, name, partial, **arguments)
    with typed_errors(name):
        return np.asarray(getattr(found, attribute))


def reduce(collection: Collection, func: Callable[[Any, Any], Any]) -> Array:
    """Combine all records into one with a binary function of the user."""
    check_not_empty(collection, "reduce")
    binary, shape = Binary(func), collection.value_shape
    value: Array = merged(
        collection, lambda block: functools.reduce(binary, block), binary, 8 * math.prod(shape)
    )
    if value.shape != shape:
        raise SpecError(
            f"reduce did not yield an array with valid dimensions: {value.shape}, not {shape}"
        )
    return value
