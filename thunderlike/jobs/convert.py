"""From any format to any other, in batches: what was done before an interruption is kept."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from thunderlike import storage
from thunderlike.config import config
from thunderlike.data.assembling import each_block
from thunderlike.engines import engine_for
from thunderlike.engines.planned import Part
from thunderlike.errors import NotFound, SpecError
from thunderlike.jobs.contents import FORMATS
from thunderlike.jobs.targets import Target, target_for
from thunderlike.progress import track

if TYPE_CHECKING:
    from collections.abc import Callable

    from thunderlike.engines.base import Array
    from thunderlike.jobs.contents import Contents

__all__ = ["convert", "target_format"]

BATCH = 256 * 2**20

Found = list[Any]


def target_format(path: str, given: str | None = None) -> str:
    """Name the format to write: the given one, or by the extension of the path.

    Raises
    ------
    SpecError
        When neither tells one that is known.

    Examples
    --------
    >>> target_format("movie.h5"), target_format("folder", "tif")
    ('hdf5', 'tif')
    """
    extension = path.rstrip("/").rpartition(".")[2].lower()
    name = given or next((n for n, f in FORMATS.items() if extension in f.extensions), None)
    if name not in FORMATS:
        raise SpecError(f"{path}: say the format to write with --to: {', '.join(FORMATS)}")
    return name


def convert(
    contents: Contents,
    path: str,
    to: str,
    *,
    engine: Any = None,
    npartitions: int | None = None,
    batch: int = BATCH,
    overwrite: bool = False,
) -> int:
    """Write what was found in another format.

    Parameters
    ----------
    contents : Contents
        From :func:`thunderlike.jobs.contents.look`.
    path : path
        A folder, or for npy and HDF5 a file.
    to : str
        The format, one of `FORMATS`.
    engine : None, 'local', 'spark', SparkContext or SparkSession
        What reads and writes.
    npartitions : int, optional
        Parts to spread a batch over, on Spark.
    batch : int
        Bytes of records between two notes of what is done; locally, what is in memory at a time.
    overwrite : bool
        Replace what an earlier call wrote there.

    Returns
    -------
    int
        How many batches an earlier, interrupted run had done already.

    Raises
    ------
    Exists, StorageError
        As the writers of that format.
    SpecError
        When the format holds no such records.

    Notes
    -----
    What is done is kept in a hidden folder ``.<name>.converting`` beside `path` until all is, and
    taken up by the next call with the same input and output; delete it to forget it. `path` itself
    appears when all is done.
    """
    collection = contents.collection
    target = target_for(to, collection)
    work = storage.join(storage.parent(path), f".{path.rstrip('/').rpartition('/')[2]}.converting")
    with target.opened(storage.at(path), overwrite) as place:
        _prepare(work, _plan(contents, to, batch))
        done = _batches(collection, work, target, engine_for(engine), npartitions, batch)
        notes = [_noted(work, number) or [] for number in range(done.count)]
        target.finish(place, storage.join(work, "files"), [item for note in notes for item in note])
    storage.delete(work)
    return done.skipped


@dataclass(frozen=True)
class _Done:
    count: int
    skipped: int


def _batches(
    collection: Any, work: str, target: Target, engine: Any, npartitions: int | None, nbytes: int
) -> _Done:
    """Write each batch that no earlier run has written."""
    source, write = collection._records.source, target.writer(storage.join(work, "files"))
    rows = max(1, nbytes // source.spec.record_bytes)
    starts = range(0, source.spec.count, rows)
    skipped = 0
    with (
        track("converting", source.spec.count) as progress,
        config(chunk_bytes=target.block_bytes),
    ):
        for number, start in enumerate(starts):
            stop = min(start + rows, source.spec.count)
            if _noted(work, number) is None:
                records = engine.load(Part(source, start, stop), npartitions)
                found = each_block(records, work, _Shifted(write, start))
                note = json.dumps([target.note(item) for item in found])
                storage.write(_note(work, number), note.encode())
            else:
                skipped += 1
            progress.advance(stop - start)
    return _Done(len(starts), skipped)


@dataclass(frozen=True)
class _Shifted:
    """A writer of blocks that are numbered from the beginning of a batch."""

    write: Callable[[int, Array], Found]
    by: int

    def __call__(self, start: int, block: Array) -> Found:
        return self.write(start + self.by, block)


def _plan(contents: Contents, to: str, batch: int) -> bytes:
    """What has to be the same for an earlier run to be taken up."""
    files = hashlib.sha256(repr([(str(f.path), f.size) for f in contents.files]).encode())
    told = {**contents.told(), "files": files.hexdigest(), "to": to, "batch": batch}
    return json.dumps(told, sort_keys=True, default=str).encode()


def _prepare(work: str, plan: bytes) -> None:
    """Take up a folder of the same plan; begin anew for any other."""
    mark = storage.join(work, "plan.json")
    try:
        same = storage.read(mark) == plan
    except NotFound:
        same = False
    if not same:
        storage.delete(work)
        storage.write(mark, plan)


def _note(work: str, number: int) -> str:
    return storage.join(work, f"batch-{number:06d}.json")


def _noted(work: str, number: int) -> Found | None:
    try:
        found: Found = json.loads(storage.read(_note(work, number)))
    except NotFound:
        return None
    return found
