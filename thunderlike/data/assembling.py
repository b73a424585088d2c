"""One file out of many records: workers write parts, one ordered pass puts them together.

Records that are an array in this process are written straight from it.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from operator import add
from typing import TYPE_CHECKING, Any, Protocol

from thunderlike import storage
from thunderlike.config import config, current
from thunderlike.data.files import FileSource, Packed
from thunderlike.formats import raw
from thunderlike.progress import track
from thunderlike.storage import Entry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from thunderlike._typing import Array, Shape
    from thunderlike.engines.base import Records, Spec

__all__ = ["Parts", "Sink", "assemble", "each_block", "each_part", "filled", "joined"]

Slab = tuple[int, "Array"]


class Sink(Protocol):
    """A file that is written from its first row to its last, `rows` of them at a time."""

    rows: int

    def put(self, start: int, slab: Array) -> None:
        """Write the rows from `start` on."""


def each_block(records: Records, path: str, write: Callable[[int, Array], list[Any]]) -> list[Any]:
    """Have every block written where it is, or here, where only this process sees `path`.

    Parameters
    ----------
    write : callable
        From the number of the first record and a block to what is known of the files written. Once
        more for the same block it must do the same: a task may be run again.

    Returns
    -------
    list
        What `write` returned, joined, in the order of the records.
    """
    store = storage.store_for(path)
    if store.shared:
        # Threads that wait for answers from afar may be more than there are cores.
        with config(workers=store.threads or current().workers):
            return records.aggregate(write, add)
    return [item for start, block in records.stream() for item in write(start, block)]


def each_part(
    records: Records, path: str, write: Callable[[Iterator[Slab]], list[Any]]
) -> list[Any]:
    """Have every part written where it is, or all here, where only this process sees `path`.

    Parameters
    ----------
    write : callable
        From the blocks of a part, with the number of the first record of each, to what is known of
        the files written. Once more for the same part it must do the same.

    Returns
    -------
    list
        As of `each_block`.
    """

    def run(_number: int, _attempt: str, blocks: Iterable[Slab]) -> list[Any]:
        return write(iter(blocks))

    found = records.run_partitions(run, here=not storage.store_for(path).shared)
    return list(itertools.chain.from_iterable(found))


def assemble(records: Records, key_shape: Shape, sink: Sink, folder: str) -> None:
    """Write all records to a sink, a slab in memory at a time.

    Parameters
    ----------
    records : Records
        Those of ``key_shape`` positions.
    sink : Sink
        Its rows are those of the array of shape ``(*key_shape, *record)``.
    folder : str
        Address for the parts; removed by who gave it.
    """
    if records.in_memory:
        slabs = _cut(records, key_shape, sink.rows)
    else:
        slabs = _joined(records, key_shape, sink.rows, folder)
    filled(sink, slabs, key_shape[0])


def filled(sink: Sink, slabs: Iterator[Slab], rows: int) -> None:
    """Write slabs to a sink, one after the other, and tell how far it is."""
    with track("writing", rows, "rows") as work:
        for start, slab in slabs:
            sink.put(start, slab)
            work.advance(len(slab))


def _cut(records: Records, key_shape: Shape, rows: int) -> Iterator[Slab]:
    each = math.prod(key_shape[1:])
    for start in range(0, key_shape[0], rows):
        stop = min(start + rows, key_shape[0])
        slab = records.collect(start * each, stop * each)
        yield start, slab.reshape(stop - start, *key_shape[1:], *records.spec.shape)


def _joined(records: Records, key_shape: Shape, rows: int, folder: str) -> Iterator[Slab]:
    """Have the workers write their blocks, then read these in order."""
    storage.store_for(folder).begin(folder)
    found = each_block(records, folder, Parts(folder))
    return joined(found, records.spec, key_shape, rows)


def joined(
    found: Sequence[tuple[str, int]], spec: Spec, key_shape: Shape, rows: int
) -> Iterator[Slab]:
    """Read the parts that :class:`Parts` wrote, in order, as slabs of rows.

    Parameters
    ----------
    found : sequence of (path, records)
        What it returned, in the order of the records.
    """
    each = math.prod(key_shape[1:])
    # Parts of one writer, under names of their own: nobody replaces them.
    files = [Entry(path, count * spec.record_bytes) for path, count in found]
    counts = [count for _, count in found]
    source = FileSource.of(files, counts, spec.shape, spec.dtype, Packed(spec.shape, spec.dtype))
    for start in range(0, key_shape[0], rows):
        stop = min(start + rows, key_shape[0])
        slab = spec.empty((stop - start) * each)
        source.read(start * each, stop * each, slab)
        yield start, slab.reshape(stop - start, *key_shape[1:], *spec.shape)


@dataclass(frozen=True)
class Parts:
    """Writes each block under the number of its first record.

    Parameters
    ----------
    folder : str
        Where to.
    """

    folder: str

    def __call__(self, start: int, block: Array) -> list[tuple[str, int]]:
        """Write a block; the same file if it comes again. Returns path and number of records."""
        if not len(block):
            return []
        path = storage.join(self.folder, f"part-{start:012d}")
        storage.write(path, raw.encode(block))
        return [(path, len(block))]
