"""Checkpoints: batches of records whose results are kept for the next run."""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from thunderlike import storage
from thunderlike.config import config
from thunderlike.data.file_sources import FileSource
from thunderlike.data.writers import each_block
from thunderlike.engines.local import SourceRange
from thunderlike.errors import NotFoundError, StorageError, ThunderlikeError
from thunderlike.progress import track

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from thunderlike._typing import Array
    from thunderlike.engines.base import Engine, Records, Source
    from thunderlike.jobs.outputs import Target

__all__ = ["PREPARED", "Batches", "fingerprint", "hidden", "loading", "written"]

PREPARED = "movie.h5"  # next to the notes: the intermediate file of a job

Found = list[Any]


@dataclass(frozen=True)
class Batches:
    """Records of a source, loaded in batches.

    Parameters
    ----------
    count : int
        Of all records.
    rows : int
        Of those loaded at a time.
    load : callable
        From the first number, and the one after the last, to these on their engine.
    """

    count: int
    rows: int
    load: Callable[[int, int], Records]

    @property
    def starts(self) -> range:
        """The first record of each batch."""
        return range(0, self.count, self.rows)


def loading(
    source: Source, engine: Engine, nbytes: int | None, npartitions: int | None = None
) -> Batches:
    """Load the records of a source in batches of a number of bytes; None for one batch."""
    spec = source.spec
    rows = spec.count if nbytes is None else nbytes // spec.record_bytes

    def load(start: int, stop: int) -> Records:
        return engine.load(SourceRange(source, start, stop), npartitions)

    return Batches(spec.count, max(1, rows), load)


def written(
    path: str,
    target: Target,
    batches: Batches,
    plan: Mapping[str, Any],
    *,
    overwrite: bool = False,
    resume: bool = True,
) -> int:
    """Write all batches, then combine them into one result.

    Parameters
    ----------
    path : path
        Of the result, which appears when all is done.
    target : Target
        What writes it.
    batches : Batches
        What is written.
    plan : mapping
        All that has to be the same for what an earlier run has done to be used, as JSON can hold.
    overwrite : bool
        Replace what an earlier call wrote there.
    resume : bool
        Continue an earlier run of the same plan; otherwise start again.

    Returns
    -------
    int
        How many batches an earlier, interrupted run had done already.

    Notes
    -----
    Finished batches stay in the folder ``.<name>.unfinished`` next to `path` until all are;
    delete it to start again.
    """
    work = hidden(path, "unfinished")
    with target.opened(storage.at(path), overwrite) as place:
        _prepare(work, json.dumps(plan, sort_keys=True, default=str).encode(), resume=resume)
        storage.write(storage.join(work, "place"), os.fsencode(str(place)))
        try:
            target.skipped = _batches(batches, work, target)
        except BaseException:
            with suppress(ThunderlikeError):  # the failure of the run is the error to report
                _tidy(work)
            raise
        notes = [_noted(work, number) or [] for number in range(len(batches.starts))]
        target.finish(place, storage.join(work, "files"), [item for note in notes for item in note])
    storage.delete(work)
    return target.skipped


def hidden(path: str, what: str) -> str:
    """Return the address of a hidden file or folder next to a path.

    Examples
    --------
    >>> hidden("memory://out/map/", "unfinished")
    'memory://out/.map.unfinished'
    """
    name = path.rstrip("/").rpartition("/")[2]
    return storage.join(storage.parent(path.rstrip("/")), f".{name}.{what}")


def fingerprint(source: Source) -> str:
    """Hash the path, size and version of each file of a source."""
    found = source.versions if isinstance(source, FileSource) else repr(source)
    return hashlib.sha256(repr(found).encode()).hexdigest()


def _batches(batches: Batches, work: str, target: Target) -> int:
    """Write the batches that no earlier run has written; return the number it had."""
    write, skipped = target.writer(storage.join(work, "files")), 0

    def shifted(by: int, start: int, block: Array) -> Found:
        return write(start + by, block)  # blocks are numbered from the beginning of a batch

    with track("working", batches.count) as progress, config(chunk_bytes=target.block_bytes):
        for number, start in enumerate(batches.starts):
            stop = min(start + batches.rows, batches.count)
            if _noted(work, number) is None:
                found = each_block(batches.load(start, stop), work, partial(shifted, start))
                note = json.dumps([target.note(item) for item in found])
                storage.write(_note(work, number), note.encode())
            else:
                skipped += 1
            progress.advance(stop - start)
    return skipped


def _tidy(work: str) -> None:
    """Remove the folder of a run that failed before its first batch."""
    if _noted(work, 0) is None and not storage.exists(storage.join(work, PREPARED)):
        storage.delete(work)


def _prepare(work: str, plan: bytes, *, resume: bool) -> None:
    """Continue in the folder of the same plan; start again for any other."""
    if reason := storage.store_for(work).protected(work):
        raise StorageError(f"{work}: cannot store finished batches there: {reason}")
    mark, last = storage.join(work, "plan.json"), _read(storage.join(work, "place"))
    if last is not None:  # by an interrupted run; all its files are in there if it was at its end
        _remove(os.fsdecode(last), work)
    whole = _noted(work, 0) is None or storage.exists(storage.join(work, "files"))
    if not (resume and whole and _read(mark) == plan):
        storage.delete(work)
        storage.write(mark, plan)


def _remove(place: str, work: str) -> None:
    """Remove the temporary folder of a run, and nothing that its notes name elsewhere."""
    if storage.parent(place) == storage.parent(work) and place.endswith(".partial"):
        storage.delete(place)


def _note(work: str, number: int) -> str:
    return storage.join(work, f"batch-{number:06d}.json")


def _noted(work: str, number: int) -> Found | None:
    data = _read(_note(work, number))
    found: Found | None = None if data is None else json.loads(data)
    return found


def _read(path: str) -> bytes | None:
    try:
        return storage.read(path)
    except NotFoundError:
        return None
