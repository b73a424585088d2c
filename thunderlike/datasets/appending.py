"""Going on at the end of a dataset that is there, once it was found to be whole."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from thunderlike import storage
from thunderlike.datasets import index as indices
from thunderlike.datasets.parts import Part, Staging, hasher
from thunderlike.datasets.publication import partial_name, remove, write_new
from thunderlike.datasets.reader import MsgpackReader
from thunderlike.errors import CorruptDatasetError, NotFound, SpecError
from thunderlike.formats.samples import sums_of
from thunderlike.formats.text import as_text
from thunderlike.storage.atomic import destination
from thunderlike.storage.filesystem import failures
from thunderlike.storage.opening import local_file

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Begun", "resumed"]

_BATCH = 4 * 2**20  # bytes hashed at once


@dataclass(frozen=True)
class Begun:
    """Where a writer begins.

    Parameters
    ----------
    part : Part
        The data file.
    staging : Staging
        Holds the lock, and the file of a new dataset.
    keys, lengths : dict, array
        Of the samples that are there: their numbers, and the bytes of each.
    start : int or None
        How many bytes those have; None for a new file.
    """

    part: Part
    staging: Staging
    keys: dict[str, int] = field(default_factory=dict)
    lengths: array[int] = field(default_factory=lambda: array("Q"))
    start: int | None = None


def resumed(path: str, digest: str | None, sums: bool) -> Begun:
    """Open a dataset for more samples, and mark that they are coming.

    Raises
    ------
    SpecError
        For one that is not on a disk, or has an old index.
    CorruptDatasetError
        For one that is damaged; nothing is changed then.
    InUse
        When another writer has it open.
    """
    file = local_file(path)
    if file is None:
        raise SpecError(f"{path}: only files on a disk can be added to; write a shard")
    staging = Staging(path, append=True)
    try:
        return _resumed(path, destination(file)[0], staging, digest, sums)
    except BaseException:
        staging.close()
        raise


def _resumed(path: str, file: Path, staging: Staging, digest: str | None, sums: bool) -> Begun:
    reader = MsgpackReader(path)
    if not storage.exists(indices.beside(path, indices.SUFFIX_OFFSETS)):
        raise SpecError(
            f"{path}: has an old index; first run: thunderlike datasets convert-index {path}"
        )
    offsets = indices.load_offsets(path)
    keys = {key: number for number, key in enumerate(reader.keys())}
    if len(keys) != len(reader):
        raise CorruptDatasetError(f"{path}: holds the same key twice")
    start = int(offsets[-1])
    has_sums = sums or storage.exists(indices.beside(path, indices.SUFFIX_SUMS))
    hasher(digest)  # an unknown one is refused before anything is changed
    marker = indices.beside(path, indices.SUFFIX_APPENDING)
    unnamed = storage.join(storage.parent(path), partial_name())
    staging.lock.note([unnamed])
    try:
        write_new(unnamed, start.to_bytes(8, "big"), path)
        with failures(path, "write"):
            Path(unnamed).replace(marker)
        part = Part(file, start, digest, has_sums, path)
        try:
            _prime(part, reader, path)
        except BaseException:
            part.abort(start)
            raise
    except BaseException:
        remove(unnamed)
        remove(marker)
        raise
    return Begun(part, staging, keys, array("Q", np.diff(offsets).tolist()), start)


def _prime(part: Part, reader: MsgpackReader, path: str) -> None:
    """Hash what is there, and compare it with the hash that was written down."""
    if part.digest is not None:
        for batch in _batches(reader.slice(0, raw=True, copy=False)):
            part.digest.update(batch)
        _compare(part, path)
    if part.summing:
        part.sums.append(sums_of(reader.slice(0, raw=True, copy=False)))


def _compare(part: Part, path: str) -> None:
    try:
        place = indices.beside(path, f".{part.digest.name}")
        told = as_text(storage.read(place), place)
    except NotFound:
        return
    if told.split(" ")[0] != part.digest.hexdigest():
        raise CorruptDatasetError(
            f"{path}: does not have the hash that was written down; nothing was added"
        )


def _batches(messages: Iterable[memoryview]) -> Iterable[bytes]:
    """Join messages to pieces that are worth a call."""
    held, size = [], 0
    for one in messages:
        held.append(one)
        size += len(one)
        if size >= _BATCH:
            yield b"".join(held)
            held, size = [], 0
    yield b"".join(held)
