"""Messages to and from streams, with the names and options of msgpack; nothing is ever unpickled.

Arrays are packed and unpacked as msgpack-numpy does. Everything else is msgpack's own: options,
methods, and what extension types and timestamps become.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

import msgpack

from thunderlike._arguments import checked_arguments
from thunderlike.errors import FormatError, SpecError, ThunderlikeError, WrongTypeError
from thunderlike.formats.msgpack import described, recognized

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
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


@checked_arguments
def packb(o: object, **kwargs: Any) -> bytes:
    r"""Write one value as a message.

    Parameters
    ----------
    o : object
        Value of a type that msgpack packs, or an array or number of numpy.
    **kwargs
        Options of ``msgpack.Packer``; `default` is called for values of other types.

    Raises
    ------
    WrongTypeError, SpecError
        For a value, or a size, that a message cannot hold.

    Examples
    --------
    >>> packb({"a": 1.5}, use_single_float=True)
    b'\x81\xa1a\xca?\xc0\x00\x00'
    """
    packed: bytes = Packer(**kwargs).pack(o)
    return packed


@checked_arguments
def pack(o: object, stream: IO[bytes], **kwargs: Any) -> None:
    """Write the message of one value to a stream; options as in :func:`packb`."""
    stream.write(packb(o, **kwargs))


@checked_arguments
def unpackb(packed: bytes | bytearray | memoryview, **kwargs: object) -> Any:
    r"""Read one value from a message.

    Parameters
    ----------
    **kwargs
        Options of ``msgpack.unpackb``; `object_hook` is called with maps that are not arrays.

    Raises
    ------
    FormatError
        For bytes other than one complete message, and for object arrays, which are pickles.

    Examples
    --------
    >>> unpackb(b"\x92\x01\x02", use_list=False)
    (1, 2)
    """
    with _read():
        return msgpack.unpackb(packed, **_reading(kwargs))


@checked_arguments
def unpack(stream: IO[bytes], **kwargs: object) -> Any:
    """Read the only message of a stream; options as in :func:`unpackb`."""
    return unpackb(stream.read(), **kwargs)


class Packer(msgpack.Packer):  # type: ignore[misc]  # msgpack has no types
    r"""Subclass of ``msgpack.Packer`` that packs arrays and numbers of numpy.

    Examples
    --------
    >>> packer = Packer()
    >>> packer.pack([1, 2]), packer.pack_map_header(1)
    (b'\x92\x01\x02', b'\x81')
    """

    def __init__(self, *, default: Callable[[Any], Any] | None = None, **kwargs: object) -> None:
        super().__init__(default=_described(default), **kwargs)

    def pack(self, obj: object) -> Any:
        """Return the message of a value; with ``autoreset=False``, add it to the buffer."""
        try:
            return super().pack(obj)
        except ThunderlikeError:
            raise
        except (TypeError, OverflowError, ValueError) as error:
            kind = WrongTypeError if isinstance(error, TypeError) else SpecError
            raise kind(f"a message cannot hold it: {error}") from error


class Unpacker(msgpack.Unpacker):  # type: ignore[misc]
    r"""Subclass of ``msgpack.Unpacker`` that unpacks arrays of numpy.

    Iterates over the messages of a stream, or of bytes that are fed.

    Notes
    -----
    An incomplete message ends the iteration, which continues after more is fed.

    Examples
    --------
    >>> unpacker = Unpacker()
    >>> unpacker.feed(b"\x01\x92\x02")
    >>> list(unpacker)
    [1]
    >>> unpacker.feed(b"\x03\x81\xa1a\x05")
    >>> unpacker.unpack(), unpacker.read_map_header(), unpacker.tell()
    ([2, 3], 1, 5)
    """

    def __init__(self, file_like: IO[bytes] | None = None, *args: object, **kwargs: object) -> None:
        super().__init__(file_like, *args, **_reading(kwargs))

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        with _read(self.tell):
            return super().__next__()

    def unpack(self) -> Any:
        """Return the next value; ``msgpack.OutOfData`` when it is incomplete."""
        with _read(self.tell):
            return super().unpack()

    def skip(self) -> None:
        """Skip the next value."""
        with _read(self.tell):
            super().skip()


make_packer, make_unpacker = Packer, Unpacker


def _described(default: Callable[[Any], Any] | None) -> Callable[[Any], Any]:
    """Return the hook that msgpack calls for values of unknown types."""

    def describe(value: object) -> Any:
        # Arrays first: a caller's `default` for other types need not know them.
        try:
            return described(value)
        except WrongTypeError:
            if default is None:
                raise
            return default(value)

    return describe


def _reading(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of msgpack's readers, with a hook that makes arrays."""
    # Keys of the maps that stand for arrays are bytes, which msgpack refuses by default.
    given = {"strict_map_key": False, **options}
    # msgpack takes one of the two hooks: pairs are left to the caller's.
    if given.get("object_pairs_hook") is None:
        hook = given.get("object_hook")
        given["object_hook"] = lambda found: recognized(found, hook)
    return given


@contextmanager
def _read(tell: Callable[[], int] | None = None) -> Iterator[None]:
    """Convert msgpack's exceptions for invalid bytes to errors of the package."""
    try:
        yield
    except (ThunderlikeError, msgpack.OutOfData, StopIteration):
        raise  # the last two end an iteration: no fault of the bytes
    except msgpack.FormatError as error:  # the one byte that means nothing
        place = "a byte" if tell is None else f"the byte at {tell()}"
        raise FormatError(f"not a message: {place} is 0xc1, with which no value starts") from error
    except TypeError as error:
        raise WrongTypeError(f"cannot unpack it: {error}") from error
    except (ValueError, RecursionError) as error:
        raise FormatError(f"not a message: {error}") from error
