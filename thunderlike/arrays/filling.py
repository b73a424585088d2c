"""From sources to a sink, a box at a time: what most functions of this room are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike.arrays.cutting import MOST, Box, boxes, size_of
from thunderlike.arrays.processing import Verbose, counts, reported, run
from thunderlike.arrays.sinks import Sink, allocated, opened

if TYPE_CHECKING:
    from collections.abc import Callable

    from thunderlike._typing import Array

    Compute = Callable[[Box, Array], None]

__all__ = ["Work", "fill", "most_of"]


class Work:
    """How a call wants to be run, checked before anything is opened.

    Parameters
    ----------
    label : str
        Name of the function.
    blocks, processes, verbose
        As the functions take them.
    """

    def __init__(self, label: str, blocks: Any, processes: Any, verbose: Verbose) -> None:
        self.label, self.verbose = label, verbose
        self.workers, self.blocks = counts(processes, blocks)

    def run(self, function: Callable[[Any], Any], items: Any) -> Any:
        """Results of a function over items, from threads."""
        return run(function, list(items), self.workers, label=self.label, verbose=self.verbose)

    def each(self, function: Callable[[Any], Any], items: Any) -> None:
        """Call a function on each item, in threads."""
        for _ in self.run(function, items):
            pass


def most_of(size: int, blocks: int, most: int = MOST) -> int:
    """Elements of a block: so that there are at least `blocks`, none too large to wait for."""
    return max(1, min(most, -(-size // max(blocks, 1))))


def fill(
    compute: Compute,
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    sink: Any,
    work: Work,
    *,
    order: str = "C",
    casting: str = "same_kind",
    memory: str | None = None,
    sources: tuple[Any, ...] = (),
    alias: Callable[[Array], bool] = lambda _array: False,
    most: int = MOST,
) -> Any:
    """Compute an array box by box into a sink.

    Parameters
    ----------
    compute : callable
        Writes the values of a box into an array; called from several threads.
    shape, dtype, order
        Of the result.
    sink, casting, memory
        As in :func:`~thunderlike.arrays.sinks.opened`.
    sources : tuple of ndarray
        What `compute` reads; a sink that shares their memory gets its values at the end.
    alias : callable
        Says that a sink may share their memory all the same.
    most : int
        Elements of a box.
    """
    with (
        reported(work.label, work.verbose),
        opened(sink, shape, dtype, order, casting=casting, memory=memory) as place,
    ):
        array = place.array
        if array is None:
            _in_rows(compute, shape, place, work, most)
        elif _overlaps(array, sources) and not alias(array):
            apart = allocated(array.shape, array.dtype)
            _anywhere(compute, apart, work, most)
            array[...] = apart
        else:
            _anywhere(compute, array, work, most)
    return place.result()


def _anywhere(compute: Compute, array: Array, work: Work, most: int) -> None:
    axes = _by_memory(array)
    inner = array.transpose(axes)

    def one(box: Box) -> None:
        at = tuple(box[axes.index(axis)] for axis in range(array.ndim))
        compute(at, array[at] if array.ndim else array)

    work.each(one, boxes(inner.shape, most_of(array.size, work.blocks, most)))


def _by_memory(array: Array) -> tuple[int, ...]:
    """Axes from the slowest to the fastest in memory: boxes then are one piece of it."""
    return tuple(sorted(range(array.ndim), key=lambda axis: -abs(array.strides[axis])))


def _in_rows(compute: Compute, shape: tuple[int, ...], place: Sink, work: Work, most: int) -> None:
    def one(box: Box) -> tuple[int, Array]:
        out = np.empty(size_of(box), place.dtype)
        compute(box, out)
        return box[0].start, out

    put: Any = place.put
    for start, slab in work.run(one, boxes(shape, most, place.rows)):
        for row in range(0, len(slab), place.rows):
            put(start + row, slab[row : row + place.rows])


def _overlaps(array: Array, sources: tuple[Any, ...]) -> bool:
    given = [source for source in sources if source is not None]
    return any(np.may_share_memory(array, one) or _same_file(array, one) for one in given)


def _same_file(one: Array, other: Array) -> bool:
    """Whether two arrays map one file, each at addresses of its own."""
    files = [getattr(array, "filename", None) for array in (one, other)]
    return None not in files and Path(str(files[0])).samefile(str(files[1]))
