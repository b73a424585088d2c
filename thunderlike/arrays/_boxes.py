"""Division of arrays into boxes of whole rows, or into equal runs of elements."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from thunderlike._typing import Array

__all__ = ["MOST", "Box", "axes_by_stride", "boxes", "edges", "grown", "size_of", "spans"]

Box: TypeAlias = tuple[slice, ...]

# Elements of a box: bounds the delay of a Ctrl-C and the scratch memory of a thread.
MOST = 2**21


def edges(n: int, blocks: int) -> list[int]:
    """Return the boundaries of at most `blocks` equal runs of `n` elements.

    Examples
    --------
    >>> edges(100, 3), edges(2, 10), edges(0, 4)
    ([0, 33, 66, 100], [0, 1, 2], [0])
    """
    count = min(blocks, n)
    return [i * n // count for i in range(count + 1)] if count else [0]


def boxes(shape: Sequence[int], most: int, rows: int | None = None) -> Iterator[Box]:
    """Divide an array into boxes of consecutive elements, in C order.

    Parameters
    ----------
    shape : sequence of int
        Of the array.
    most : int
        Maximum number of elements of a box, unless `rows` needs more.
    rows : int, optional
        Divide the first axis only, at multiples of this number.

    Examples
    --------
    >>> list(boxes((3, 4), most=8))
    [(slice(0, 2, None), slice(0, 4, None)), (slice(2, 3, None), slice(0, 4, None))]
    >>> len(list(boxes((3, 4), most=3))), list(boxes((), most=1)), list(boxes((3, 0), most=1))
    (6, [()], [])
    """
    if not shape:
        yield ()
    elif 0 not in shape:
        yield from _boxes(tuple(shape), most, rows)


def _boxes(shape: tuple[int, ...], most: int, rows: int | None) -> Iterator[Box]:
    first, rest = shape[0], shape[1:]
    each = math.prod(rest)
    whole = tuple(slice(0, n) for n in rest)
    if each > most and rows is None:
        for i, box in itertools.product(range(first), list(_boxes(rest, most, None))):
            yield (slice(i, i + 1), *box)
        return
    least = rows or 1
    # A multiple of `rows`: a chunk of a file would be read twice if two boxes shared it.
    step = least * max(1, most // (least * each))
    for start in range(0, first, step):
        yield (slice(start, min(start + step, first)), *whole)


def spans(shape: Sequence[int], start: int, stop: int) -> Iterator[Box]:
    """Yield the boxes of elements ``start .. stop-1`` of an array flattened in C order.

    Examples
    --------
    >>> list(spans((3, 4), 2, 9))
    [(slice(0, 1, None), slice(2, 4, None)), (slice(1, 2, None), slice(0, 4, None)),
    (slice(2, 3, None), slice(0, 1, None))]
    """
    if start >= stop:
        return
    if len(shape) <= 1:
        yield (slice(start, stop),) if shape else ()
        return
    rest = tuple(shape[1:])
    each = math.prod(rest)
    (first, skipped), (last, kept) = divmod(start, each), divmod(stop, each)
    if first == last:
        yield from _within(first, spans(rest, skipped, kept))
        return
    if skipped:
        yield from _within(first, spans(rest, skipped, each))
        first += 1
    if first < last:
        yield (slice(first, last), *(slice(0, n) for n in rest))
    if kept:
        yield from _within(last, spans(rest, 0, kept))


def _within(row: int, found: Iterator[Box]) -> Iterator[Box]:
    return ((slice(row, row + 1), *box) for box in found)


def grown(
    box: Box, shape: Sequence[int], before: Sequence[int], after: Sequence[int]
) -> tuple[Box, tuple[int, ...]]:
    """Extend a box within the array; return it and the position of the original box in it.

    Examples
    --------
    >>> grown((slice(0, 2), slice(3, 5)), (9, 9), before=(1, 1), after=(2, 2))
    ((slice(0, 4, None), slice(2, 7, None)), (0, 1))
    """
    starts = [max(0, s.start - b) for s, b in zip(box, before, strict=True)]
    stops = [min(n, s.stop + a) for s, n, a in zip(box, shape, after, strict=True)]
    inner = tuple(s.start - start for s, start in zip(box, starts, strict=True))
    return tuple(map(slice, starts, stops)), inner


def size_of(box: Box) -> tuple[int, ...]:
    """Return the shape of a box."""
    return tuple(s.stop - s.start for s in box)


def axes_by_stride(array: Array) -> list[int]:
    """Return the axes from the largest to the smallest stride: the order of memory.

    Examples
    --------
    >>> import numpy as np
    >>> axes_by_stride(np.zeros((2, 3, 4), order="F"))
    [2, 1, 0]
    """
    # Sorting is stable: axes of equal strides, such as those of length 1, keep their order.
    return sorted(range(array.ndim), key=lambda axis: -abs(array.strides[axis]))
