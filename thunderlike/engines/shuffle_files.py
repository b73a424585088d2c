"""Files that carry the pieces of a Spark shuffle between workers that share a disk.

Spark's own shuffle moves the places of pieces, and brings fault tolerance: it knows which attempt
of a task counts, and what to compute again after a worker has died. Files hold the bytes of arrays
alone, nothing that is unpickled. A map task that does not see the folder of the shuffle sends its
pieces through Spark.
"""

from __future__ import annotations

import os
import uuid
from collections import OrderedDict, defaultdict
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np

from thunderlike.engines.base import Spec
from thunderlike.engines.scratch import (
    check_room,
    decode,
    encode,
    read_into,
    scratch_error,
    write_parts,
)
from thunderlike.errors import EngineError, ScratchLostError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from thunderlike._typing import Array
    from thunderlike.engines.base import Chunk, Exchange
    from thunderlike.engines.partitioning import Layout

__all__ = ["Piece", "PieceReader", "PieceWriter", "Run", "Transfer", "buffered", "slabs"]


_HEAD = 32  # bytes at the beginning of a file: its name
_WRITTEN = 2**22  # bytes of pieces written at once
_OPEN = 128  # files that a reader holds open


@dataclass(frozen=True)
class Transfer:
    """Both sides of a shuffle of pieces, for the workers.

    Parameters
    ----------
    exchange : Exchange
        Says which piece goes where.
    layout : Layout
        Of the new records.
    slab_bytes : int
        Bytes of old records that are cut at once without files.
    buffer_bytes : int
        Bytes of old records that are cut at once with files, which take longer pieces. Those of a
        partition make one run of pieces for each new partition.
    folder : str
        Folder of the files, empty for a shuffle without files.
    """

    exchange: Exchange
    layout: Layout
    slab_bytes: int
    buffer_bytes: int
    folder: str

    def cut(self, chunks: Iterable[Chunk]) -> Iterator[tuple[int, Any]]:
        """Cut old chunks, and yield what each partition of new ones needs.

        Yields
        ------
        partition : int
        found : Run or tuple
            Place of pieces in a file; without a file a piece, after the first record of its chunk.
        """
        with ExitStack() as stack:
            file, joined = None, slabs(chunks, self.slab_bytes)
            if self.folder and os.access(self.folder, os.W_OK | os.X_OK):
                writer = PieceWriter(self.folder, self.exchange.spec.nbytes)
                file, joined = stack.enter_context(writer), buffered(chunks, self.buffer_bytes)
            for start, slab in joined:
                for partition, ranges in enumerate(self.layout.partitions):
                    cut = ((a, self.exchange.cut(start, slab, a, b)) for a, b in ranges)
                    pieces = ((first, piece) for first, piece in cut if piece is not None)
                    if file is None:
                        yield from ((partition, piece) for piece in pieces)
                    elif found := file.append(pieces):
                        yield partition, found

    def place(self, partition: int, pairs: Iterable[tuple[int, Any]]) -> Iterator[Chunk]:
        """Put the chunks of a partition together, from what `cut` yields for it.

        Pieces in files are read when their chunk is made: one chunk is in memory, and one piece.
        """
        ranges = self.layout.partitions[partition]
        stops = dict(ranges)
        blocks: dict[int, Array] = {}
        stored: defaultdict[int, list[Piece]] = defaultdict(list)

        def block(first: int) -> Array:
            if first not in blocks:
                blocks[first] = self.exchange.spec.empty(stops[first] - first)
            return blocks[first]

        for _, found in pairs:
            if isinstance(found, Run):
                for first, place in found.pieces():
                    stored[first].append(place)
            else:
                first, piece = found
                self.exchange.place(block(first), first, piece)
        with PieceReader(self.folder) as reader:
            for first, _ in ranges:
                for piece in reader.read(sorted(stored.pop(first, ()))):
                    self.exchange.place(block(first), first, piece)
                yield first, block(first)
                del blocks[first]


def slabs(chunks: Iterable[Chunk], nbytes: int) -> Iterator[Chunk]:
    """Join consecutive chunks until they have `nbytes`: larger slabs make fewer, larger pieces."""
    held: list[Chunk] = []
    for start, block in chunks:
        end = held[-1][0] + len(held[-1][1]) if held else start
        if held and (start != end or sum(b.nbytes for _, b in held) >= nbytes):
            yield _joined(held)
            held = []
        held.append((start, block))
    if held:
        yield _joined(held)


def buffered(chunks: Iterable[Chunk], nbytes: int) -> Iterator[Chunk]:
    """Join consecutive chunks up to `nbytes` in a buffer, which the next slab overwrites."""
    buffer, first, filled = np.empty(0), 0, 0
    for start, block in chunks:
        if filled and (start != first + filled or filled + len(block) > len(buffer)):
            yield first, buffer[:filled]
            filled = 0
        if block.nbytes * 2 > nbytes or block.dtype.hasobject:
            yield start, block
            continue
        if not len(buffer):
            rows = nbytes // Spec(0, block.shape[1:], block.dtype).record_bytes
            buffer = np.empty((rows, *block.shape[1:]), block.dtype)
        first = first if filled else start
        buffer[filled : filled + len(block)] = block
        filled += len(block)
    if filled:
        yield first, buffer[:filled]


def _joined(chunks: list[Chunk]) -> Chunk:
    if len(chunks) == 1:
        return chunks[0]
    return chunks[0][0], np.concatenate([block for _, block in chunks])


class Piece(NamedTuple):
    """Place of a piece in a file.

    Parameters
    ----------
    file : str
        Name of the file in the folder of the shuffle.
    offset : int
        Bytes before it.
    header : bytes
        From `scratch.encode`.
    sizes : tuple of int
        Bytes of its arrays, which are side by side.
    """

    file: str
    offset: int
    header: bytes
    sizes: tuple[int, ...]


class Run(NamedTuple):
    """Pieces for the chunks of one partition, side by side in a file.

    Parameters
    ----------
    file : str
        Name of the file in the folder of the shuffle.
    offset : int
        Bytes before the first piece.
    chunks : list of (int, bytes, tuple of int)
        For each piece the first record of its chunk, its header and the bytes of its arrays.
    """

    file: str
    offset: int
    chunks: list[tuple[int, bytes, tuple[int, ...]]]

    def pieces(self) -> Iterator[tuple[int, Piece]]:
        """Yield the first record of each chunk, and the place of its piece."""
        offset = self.offset
        for first, header, sizes in self.chunks:
            yield first, Piece(self.file, offset, header, sizes)
            offset += sum(sizes)


class PieceWriter:
    """The file of one attempt at a map task, made when the first piece is written.

    An attempt that fails removes its file. What an attempt leaves that is killed, or whose result
    is not used, goes with the folder of the shuffle.

    Parameters
    ----------
    folder : str
        Folder of the shuffle.
    nbytes : int
        Bytes of all its pieces, compared to the free space by the first tasks.

    Raises
    ------
    EngineError
        If the folder cannot be written or has no room.
    """

    def __init__(self, folder: str, nbytes: int) -> None:
        self._folder, self._nbytes = Path(folder), nbytes
        self._name = uuid.uuid4().hex
        self._file, self._end = -1, _HEAD

    def append(self, pieces: Iterable[tuple[int, Any]]) -> Run | None:
        """Write the pieces of the chunks of one partition; None if there is no piece."""
        start = self._end
        chunks: list[tuple[int, bytes, tuple[int, ...]]] = []
        parts: list[memoryview] = []
        for first, piece in pieces:
            header, arrays = encode(piece)
            chunks.append((first, header, tuple(map(len, arrays))))
            parts += arrays
            if sum(map(len, parts)) >= _WRITTEN:
                self._write(parts)
                parts = []
        if not chunks:
            return None
        self._write(parts)
        return Run(self._name, start, chunks)

    def _write(self, parts: list[memoryview]) -> None:
        nbytes = sum(map(len, parts))
        try:
            if self._file < 0:
                self._open()
            write_parts(self._file, parts, self._end)
        except OSError as error:
            raise self._error(error) from error
        self._end += nbytes

    def _open(self) -> None:
        with os.scandir(self._folder) as files:
            if next(files, None) is None:
                check_room(self._folder, self._nbytes)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        self._file = os.open(self._folder / self._name, flags, 0o600)
        write_parts(self._file, [memoryview(self._name.encode())], 0)

    def _error(self, error: OSError) -> EngineError:
        if not self._folder.exists():  # removed meanwhile, by the driver or by another program
            return _lost(self._folder, self._folder, "was removed")
        return scratch_error(self._folder, f"cannot be written ({error.strerror})", self._nbytes)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Close the file; its bytes are then visible to the other workers."""
        if self._file < 0:
            return
        try:
            os.close(self._file)
        except OSError as error:  # a network file system reports a full disk here
            raise self._error(error) from error
        finally:
            self._file = -1
            if kind is not None:
                (self._folder / self._name).unlink(missing_ok=True)


class PieceReader:
    """Reads pieces that other tasks have written; the last few files stay open.

    Parameters
    ----------
    folder : str
        Folder of the shuffle.
    """

    def __init__(self, folder: str) -> None:
        self._folder = Path(folder)
        self._files: OrderedDict[str, int] = OrderedDict()
        self._buffer = bytearray()

    def read(self, pieces: Iterable[Piece]) -> Iterator[Any]:
        """Yield pieces, each valid until the next: they share a buffer.

        Raises
        ------
        ScratchLostError
            If a file is missing or ends too early.
        """
        for file, offset, header, sizes in pieces:
            nbytes = sum(sizes)
            if nbytes > len(self._buffer):
                self._buffer = bytearray(nbytes)
            data = memoryview(self._buffer)[:nbytes]
            self._fill(data, file, offset)
            yield decode(header, sizes, data)

    def _fill(self, data: memoryview, name: str, offset: int) -> None:
        try:
            complete = read_into(self._opened(name), data, offset)
        except OSError as error:
            found = f"cannot be read ({error.strerror})"
            raise _lost(self._folder, self._folder / name, found) from error
        if not complete:
            raise _lost(self._folder, self._folder / name, "has been cut short")

    def _opened(self, name: str) -> int:
        file = self._files.pop(name, -1)
        if file < 0:
            while len(self._files) >= _OPEN:
                os.close(self._files.popitem(last=False)[1])
            file = os.open(self._folder / name, os.O_RDONLY | os.O_CLOEXEC)
            self._files[name] = file
            head = bytearray(_HEAD)
            if not read_into(file, memoryview(head), 0) or head != name.encode():
                raise _lost(self._folder, self._folder / name, "is another file")
        self._files[name] = file
        return file

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Close the files."""
        while self._files:
            os.close(self._files.popitem()[1])


def _lost(folder: Path, path: Path, found: str) -> ScratchLostError:
    return ScratchLostError(
        f"{path}: a scratch file of Spark's workers {found}: if they do not share that folder, set "
        "scratch to one that they share, else call the method that gave the RDD again",
        str(folder),
    )
