"""Messages to and from streams, with the names of datadings; nothing is ever unpickled."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any

from thunderlike.errors import FormatError
from thunderlike.formats.msgpack import message_end, packb, unpackb

if TYPE_CHECKING:
    from typing import Self

__all__ = [
    "Packer",
    "Unpacker",
    "make_packer",
    "make_unpacker",
    "pack",
    "packb",
    "unpack",
    "unpackb",
]


def pack(value: Any, stream: IO[bytes]) -> None:
    """Write the message of one value to a stream."""
    stream.write(packb(value))


def unpack(stream: IO[bytes]) -> Any:
    """Read the one message that a stream holds; FormatError for anything else."""
    return unpackb(stream.read())


class Packer:
    r"""Packs values one by one.

    Examples
    --------
    >>> Packer().pack([1, 2])
    b'\x92\x01\x02'
    """

    pack = staticmethod(packb)


class Unpacker:
    r"""Iterates over the messages in a stream, or in what it is fed.

    Parameters
    ----------
    file_like : binary file, optional
        Read whole when the first message is asked for.

    Notes
    -----
    A message that is not whole yet ends the iteration, which goes on after more is fed.

    Examples
    --------
    >>> unpacker = Unpacker()
    >>> unpacker.feed(b"\x01\x92\x02")
    >>> list(unpacker)
    [1]
    >>> unpacker.feed(b"\x03")
    >>> list(unpacker)
    [[2, 3]]
    """

    def __init__(self, file_like: IO[bytes] | None = None) -> None:
        self._file = file_like
        self._held, self._at = b"", 0

    def feed(self, data: bytes) -> None:
        """Add bytes to what is unpacked."""
        self._held, self._at = self._held[self._at :] + data, 0

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        if self._file is not None:
            self.feed(self._file.read())
            self._file = None
        start = self._at
        try:
            self._at = end = message_end(memoryview(self._held), start)
        except FormatError as error:
            if "cut short" in str(error):
                raise StopIteration from None
            raise
        return unpackb(self._held[start:end])

    unpack = __next__


make_packer, make_unpacker = Packer, Unpacker
