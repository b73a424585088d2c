"""Formats: the protocol, headers, writers, byte order, chunk shapes."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol, Self

import numpy as np

from thunderlike.errors import FormatError, SpecError, ThunderlikeError
from thunderlike.formats.registry import by_magic

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import TracebackType

    from numpy.typing import DTypeLike, NDArray

__all__ = [
    "CHUNK_BYTES",
    "ArrayWriter",
    "Codec",
    "Header",
    "believable",
    "checked",
    "chunk_shape",
    "damage",
    "native",
    "numbers",
    "read_into",
    "said",
    "sniff",
]


CHUNK_BYTES = 2**20  # before compression
_SLAB_BYTES = 2**27  # that a writer holds in memory at once


def chunk_shape(
    shape: Sequence[int], itemsize: int, time: int, nbytes: int = CHUNK_BYTES
) -> tuple[int, ...]:
    """Choose chunks from which an image and the series of a pixel read equally well.

    Parameters
    ----------
    shape : sequence of int
        Of the whole array.
    itemsize : int
        Bytes of an element.
    time : int
        The axis along which the series of a pixel runs; across all others lies an image.
    nbytes : int
        Of a chunk, about, before it is compressed.

    Returns
    -------
    tuple of int
        With N chunks in all, an image lies in about √N of them, and so does a series: time is cut
        in √N pieces, each image in √N, all axes of it alike. Writers hold a slab of the array, as
        long as a chunk along the first axis: chunks are shorter there where it would pass 128 MiB.

    Examples
    --------
    A movie of 2048 images of 512 x 512 pixels in 1024 chunks, of which an image or a series takes
    36 or 32:

    >>> chunk_shape((2048, 512, 512), 2, time=0)
    (64, 91, 91)

    The series of 512 x 512 pixels, 16 GB of them:

    >>> chunk_shape((512, 512, 16000), 4, time=2)
    (4, 46, 127)
    """
    pieces = max(1.0, math.prod(shape) * itemsize / nbytes)
    # A short time axis cannot be cut in so many pieces: the others are cut in more.
    along = min(max(shape[time], 1), math.sqrt(pieces))
    each = (pieces / along) ** (1 / max(1, len(shape) - 1))
    chunk = [
        max(1, math.ceil(n / (along if axis == time else min(each, max(n, 1)))))
        for axis, n in enumerate(shape)
    ]
    row = max(1, math.prod(shape[1:]) * itemsize)
    return (max(1, min(chunk[0], _SLAB_BYTES // row)), *chunk[1:])


@dataclass(frozen=True)
class Header:
    """Header of a file: `pages` arrays, each of `shape`.

    Parameters
    ----------
    shape : tuple of int
        Of one page.
    dtype : numpy.dtype
        In native byte order, as `decode` returns it.
    pages : int
        How many; 1 in formats that know no pages.

    Examples
    --------
    >>> Header((64, 64), np.dtype("int16"), pages=20).whole
    (20, 64, 64)
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    pages: int = 1

    @property
    def whole(self) -> tuple[int, ...]:
        """Shape of what `decode` returns: a single page has no page axis."""
        return self.shape if self.pages == 1 else (self.pages, *self.shape)


class Codec(Protocol):
    """The functions of the module of a self-describing format (``tiff``, ``png``, ``npy``).

    Messages never name a file: the caller knows its name, the bytes do not. ``raw`` and ``text``
    describe nothing in their bytes, so that their `decode` takes shape or dtype too.

    Examples
    --------
    >>> from thunderlike.formats import png
    >>> data = png.encode(np.array([[0, 255]], np.uint8))
    >>> png.header(data).shape, png.decode(data).tolist()
    ((1, 2), [[0, 255]])
    """

    def header(self, data: bytes) -> Header:
        """Return the header of `data`, without decoding; FormatError for another format."""

    def decode(self, data: bytes) -> NDArray[Any]:
        """Return the array: native byte order, C-contiguous, perhaps a read-only view of `data`.

        FormatError for bytes that are empty, truncated, damaged or of another format.
        """

    def encode(self, array: NDArray[Any]) -> bytes:
        """Return the same bytes for the same array, always; SpecError for one that does not fit."""


class ArrayWriter(ABC):
    """Base of writers of one array, from its first row to its last, a slab of rows at a time.

    Attributes
    ----------
    rows : int
        How many rows a slab has.
    """

    rows: int

    @abstractmethod
    def put(self, start: int, slab: NDArray[Any]) -> None:
        """Write rows from `start` on, a multiple of `rows`."""

    @abstractmethod
    def close(self) -> None:
        """Complete the file."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


_MOST_RATIO = 2**14  # of what is announced to the bytes of a file


def sniff(data: bytes) -> str | None:
    r"""Name the module of the format by the first bytes of a file, None for an unknown one.

    Examples
    --------
    >>> sniff(b"II*\x00 and more"), sniff(b"plain text")
    ('tiff', None)
    """
    found = by_magic(data)
    return None if found is None else found.module or found.name


def checked(data: bytes, name: str) -> bytes:
    """Return `data` if its first bytes are those of the format `name`, else raise FormatError."""
    found = sniff(data)
    if found == name:
        return data
    if not data:
        raise FormatError(f"not a {name.upper()} file: it is empty")
    what = f"it is a {found.upper()} file" if found else f"it begins with {data[:8]!r}"
    raise FormatError(f"not a {name.upper()} file: {what}")


@contextmanager
def damage(name: str, path: str = "") -> Iterator[None]:
    """Convert any exception of a parser of another library to FormatError.

    Parsers raise almost any exception for damaged bytes: index, key, overflow, memory, zlib. The
    message begins with the path, if one is given.
    """
    try:
        yield
    except ThunderlikeError:
        raise
    except Exception as error:
        at = f"{path}: " if path else ""
        raise FormatError(f"{at}damaged or truncated {name.upper()} file: {said(error)}") from error


def said(error: BaseException) -> str:
    r"""Return the message of an error as one line of at most 300 characters.

    Examples
    --------
    >>> said(ValueError("no number:\n x")), said(EOFError())
    ('no number: x', 'EOFError')
    """
    return " ".join(str(error).split())[:300] or type(error).__name__


def believable(nbytes: int, there: int, what: str, floor: int = 2**28) -> None:
    """Refuse a size in a header that is far beyond what the bytes of a file can hold.

    Compressed zeros take about a thousandth with zlib, and less with newer codecs; chunks that were
    never written take nothing. Up to `floor` bytes any size is accepted.

    Raises
    ------
    FormatError
        Beyond that, and beyond 16384 times the bytes that are there.

    Examples
    --------
    >>> believable(2**37, 600, "pixels")
    Traceback (most recent call last):
    ...
    thunderlike.errors.FormatError: announces 137438953472 bytes of pixels, and has 600 bytes in all
    """
    if nbytes > max(floor, there * _MOST_RATIO):
        raise FormatError(f"announces {nbytes} bytes of {what}, and has {there} bytes in all")


def native(array: NDArray[Any]) -> NDArray[Any]:
    """Return `array` C-contiguous and in native byte order; itself when it is so already."""
    # `newbyteorder` makes a new dtype, with which `asarray` would return a new array object.
    dtype = array.dtype if array.dtype.isnative else array.dtype.newbyteorder("=")
    return np.asarray(array, dtype, order="C")


def numbers(dtype: DTypeLike) -> np.dtype[Any]:
    """Return a dtype whose values can stand in a file: no objects, text or named fields.

    Raises
    ------
    SpecError
        For any other.
    """
    try:
        kind = np.dtype(dtype)
    except (TypeError, ValueError):
        raise SpecError(f"no dtype {dtype!r:.40}; give one such as 'int16'") from None
    if kind.kind not in "buifc":
        raise SpecError(f"files of arrays hold numbers, not {kind}")
    return kind


def read_into(
    stream: BinaryIO, start: int, out: NDArray[Any], stored: np.dtype[Any] | None = None
) -> None:
    """Fill an array with the numbers in a file from byte `start` on, without a copy.

    Parameters
    ----------
    out : ndarray
        C-contiguous, in native byte order.
    stored : numpy.dtype, optional
        In the byte order of the file; that of `out` by default.

    Raises
    ------
    FormatError
        When the file ends before.

    Examples
    --------
    >>> import io
    >>> out = np.empty(2, "uint16")
    >>> read_into(io.BytesIO(bytes([9, 0, 1, 0, 2])), 1, out, np.dtype(">u2"))
    >>> out
    array([1, 2], dtype=uint16)
    """
    wanted: memoryview = out.reshape(-1).view(np.uint8).data
    stream.seek(start)
    filled = 0
    while filled < len(wanted):
        # Unbuffered streams may return less than they are asked for.
        count = stream.readinto(wanted[filled:])  # type: ignore[attr-defined]
        if not count:
            end = start + len(wanted)
            raise FormatError(
                f"truncated: numbers end at byte {end}, the file at {start + filled}; "
                "copy it again, or leave it out"
            )
        filled += count
    if stored is not None and not stored.isnative:
        out.byteswap(inplace=True)
