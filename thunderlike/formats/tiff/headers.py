"""Headers of TIFF files: image file directories and where pixel data lies."""

from __future__ import annotations

import io
import struct
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from thunderlike.errors import FormatError, ThunderlikeError
from thunderlike.formats.base import checked, damage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tifffile import TiffFile

__all__ = ["Frame", "Kind", "Plain", "chain", "number", "opened"]

Tag = tuple[int, int, bytes]  # type, count, and the value or the byte at which it stands

_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 6: 1, 7: 1, 8: 2, 9: 4, 13: 4, 16: 8, 17: 8, 18: 8}
_WHOLE = {3: "H", 4: "I", 16: "Q"}  # types of unsigned numbers
_DESCRIPTION, _STRIPS = 270, 273
# Tags of the layout of pixels, without offsets: sizes, bits, codes, colours, strips, tiles.
_LAYOUT = {
    *(256, 257, 258, 259, 262, 266, 277, 278, 284, 317, 318, 320, 322, 323, 324, 325),
    *(330, 338, 339, 347, 529, 530, 531, 532, 32997, 32998, 33629, 43314, 50706, 51123),
}
# What a damaged header may not make us allocate; a page beyond it is left to tifffile.
_MOST_TAGS, _LONGEST = 2**10, 2**24
_LONGEST_FRAME = 2**14
# Beginnings of descriptions by which one header may describe many pages.
_FOR_MANY = (b"ImageJ=", b"SCIFIO=", b'{"shape":', b"shape=(", b"<?xml", b"<OME")
_TRUNCATED = b'"truncated": true'  # tifffile's word for it
_PURPOSE, _OLD_PURPOSE = 254, 255  # tags of what a page is
_REDUCED, _MASK, _OLD_REDUCED = 1, 4, 2


@dataclass(frozen=True)
class Kind:
    """Byte order, and whether places in the file have 8 bytes rather than 4."""

    order: str
    big: bool

    @classmethod
    def of(cls, magic: bytes) -> Kind:
        r"""Read it from the first four bytes of a file.

        Examples
        --------
        >>> Kind.of(b"MM\0*")
        Kind(order='>', big=False)
        """
        return cls("<" if magic[:2] == b"II" else ">", magic[2:4] in (b"+\0", b"\0+"))

    @property
    def count(self) -> str:
        """Layout of the number of tags."""
        return self.order + ("Q" if self.big else "H")

    @property
    def tag(self) -> str:
        """Layout of a tag: code, type, count, value."""
        return self.order + ("HHQ8s" if self.big else "HHI4s")

    @property
    def place(self) -> str:
        """Layout of an offset in the file."""
        return self.order + ("Q" if self.big else "I")

    def tags(self, stream: BinaryIO, at: int) -> Iterator[tuple[int, Tag]]:
        """Read all tags of the header at a byte; struct.error where the file ends in it."""
        count = number(stream, at, self.count)
        if count > _MOST_TAGS:
            raise struct.error("more tags than a page has")
        size = count * struct.calcsize(self.tag)
        for code, *rest in struct.iter_unpack(self.tag, stream.read(size)):
            yield code, (rest[0], rest[1], rest[2])

    def content(self, stream: BinaryIO, tag: Tag) -> bytes:
        """Read the value of a tag, which stands in it when it is small enough."""
        kind, count, value = tag
        size = _SIZES.get(kind, 8) * count
        if size <= len(value):
            return value[:size]
        if size > _LONGEST:
            raise struct.error("a longer value than a page has")
        stream.seek(struct.unpack(self.place, value)[0])
        return stream.read(size)


@dataclass(frozen=True)
class Plain:
    """Pages whose pixels stand in one piece, uncompressed, as those of the first page do.

    Parameters
    ----------
    kind : Kind
        Of the file.
    layout : tuple
        Storage of pixels of the first page.
    descriptions : tuple of bytes
        Those of the first page by which one header may describe many pages.
    step : int
        Bytes from the beginning of a strip to that of the next.
    """

    kind: Kind
    layout: tuple[tuple[int, int, bytes], ...]
    descriptions: tuple[bytes, ...]
    step: int

    @classmethod
    def of(cls, stream: BinaryIO, kind: Kind, at: int) -> Plain | None:
        """Read it from the header of the first page; None if that has no offsets of pixels."""
        layout, descriptions, starts = _read(stream, kind, at)
        if not starts:
            return None
        step = starts[1] - starts[0] if len(starts) > 1 else 0
        return cls(kind, layout, descriptions, step)

    def pixels(self, stream: BinaryIO, at: int, *, first: bool = False) -> int | None:
        """Return the byte at which a page's pixels begin; None unless they stand as the first's.

        Parameters
        ----------
        at : int
            Byte of the page's header.
        first : bool
            It is the first of a file, whose descriptions state the number of pages.
        """
        try:
            layout, descriptions, starts = _read(stream, self.kind, at)
        except struct.error:
            return None
        alike = layout == self.layout and (not first or descriptions == self.descriptions)
        stands_for_many = not first and any(_TRUNCATED in text for text in descriptions)
        if not starts or not alike or (stands_for_many and descriptions != self.descriptions):
            return None
        even = range(starts[0], starts[0] + self.step * len(starts), self.step or 1)
        return starts[0] if len(starts) == 1 or starts == tuple(even) else None


@dataclass(frozen=True)
class Frame:
    """Bytes of a file with one page, except its pixels: files with the same ones are alike.

    Parameters
    ----------
    before, after : bytes
        Bytes before and after the pixels.
    nbytes : int
        Of the pixels.
    """

    before: bytes
    after: bytes
    nbytes: int

    @classmethod
    def of(cls, stream: BinaryIO, start: int, nbytes: int) -> Frame | None:
        """Read the bytes before and after the pixels; None if they are many."""
        size = stream.seek(0, io.SEEK_END)
        if size - nbytes > _LONGEST_FRAME:
            return None
        stream.seek(0)
        before = stream.read(start)
        stream.seek(start + nbytes)
        return cls(before, stream.read(), nbytes)

    def read(self, stream: BinaryIO, out: memoryview) -> bool:
        """Fill `out` with the pixels of a file with the same bytes before and after them.

        Returns False, with undefined content of `out`, for files with other bytes there.
        """
        head, tail = bytearray(len(self.before)), bytearray(len(self.after) + 1)  # 1 for the end
        parts = [head, out, tail]
        if readv := getattr(getattr(stream, "raw", None), "readv", None):
            # One call of the system, not six: after each, threads queue for the interpreter.
            found = readv(parts, 0)
        else:
            stream.seek(0)
            found = sum(stream.readinto(part) for part in parts)  # type: ignore[attr-defined]
        whole = found == len(head) + self.nbytes + len(self.after)
        return whole and head == self.before and tail[:-1] == self.after

    def fits(self, stream: BinaryIO) -> bool:
        """Return whether a file has the same bytes before and after its pixels."""
        behind = len(self.before) + self.nbytes
        if stream.seek(0, io.SEEK_END) != behind + len(self.after):
            return False
        stream.seek(0)
        if stream.read(len(self.before)) != self.before:
            return False
        stream.seek(behind)
        return stream.read() == self.after


def _read(
    stream: BinaryIO, kind: Kind, at: int
) -> tuple[tuple[tuple[int, int, bytes], ...], tuple[bytes, ...], tuple[int, ...]]:
    """Return the storage of pixels, the description of pages, and the offsets of strips."""
    layout, descriptions, starts = list[tuple[int, int, bytes]](), list[bytes](), tuple[int, ...]()
    for code, tag in list(kind.tags(stream, at)):
        if code in _LAYOUT:
            layout.append((code, tag[1], kind.content(stream, tag)))
        elif code == _DESCRIPTION:
            descriptions.append(kind.content(stream, tag))
        elif code == _STRIPS and tag[0] in _WHOLE:
            layout.append((code, tag[1], b""))
            numbers = kind.content(stream, tag)
            starts = struct.unpack(f"{kind.order}{tag[1]}{_WHOLE[tag[0]]}", numbers)
    many = tuple(text for text in descriptions if text.startswith(_FOR_MANY))
    return tuple(layout), many, starts


@contextmanager
def opened(stream: BinaryIO) -> Iterator[TiffFile]:
    """Open a file for tifffile, whose failures become FormatError."""
    import tifffile

    stream.seek(0)
    checked(stream.read(16), "tiff")
    stream.seek(0)
    with damage("tiff"), tifffile.TiffFile(stream) as tiff:
        yield tiff


def chain(stream: BinaryIO, magic: bytes) -> tuple[list[int], list[bool]]:
    """Follow the pages' headers to the last: tifffile stops in silence where the chain breaks.

    Returns
    -------
    list of int
        Byte of each header.
    list of bool
        Whether it is of a page that is less than an image: reduced, or a mask of another.

    Raises
    ------
    FormatError
        Where it breaks, leads back, or has no page at all.
    """
    kind = Kind.of(magic)
    at, found, less, seen = 8 if kind.big else 4, list[int](), list[bool](), set[int]()
    tag = struct.calcsize(kind.tag)
    try:
        while offset := number(stream, at, kind.place):
            if offset in seen:
                raise FormatError(f"damaged TIFF file: page {len(seen)} leads back to another")
            seen.add(offset)
            found.append(offset)
            tags = number(stream, offset, kind.count)
            less.append(tags <= _MOST_TAGS and _is_less(kind, stream.read(tags * tag)))
            at = offset + struct.calcsize(kind.count) + tags * tag
    except ThunderlikeError:
        raise
    except (struct.error, ValueError, OverflowError, OSError):
        raise FormatError(
            f"truncated TIFF file: the header of page {max(len(found) - 1, 0)} is beyond its "
            f"end at byte {stream.seek(0, io.SEEK_END)}"
        ) from None
    if not found:
        raise FormatError("the TIFF file has no pages; write or copy it again")
    return found, less


def _is_less(kind: Kind, table: bytes) -> bool:
    """Return whether tags are of a reduced image, such as a thumbnail or an overview, or a mask."""
    size, value = struct.calcsize(kind.tag), 12 if kind.big else 8
    for code in (_PURPOSE, _OLD_PURPOSE):
        mark, at = struct.pack(kind.order + "H", code), 0
        while (at := table.find(mark, at)) >= 0 and at % size:
            at += 1
        if at >= 0 and at + size <= len(table):
            (type_,) = struct.unpack_from(kind.order + "H", table, at + 2)
            form = kind.order + ("H" if type_ == 3 else "I")
            (found,) = struct.unpack_from(form, table, at + value)
            if found & (_REDUCED | _MASK) if code == _PURPOSE else found == _OLD_REDUCED:
                return True
    return False


def number(stream: BinaryIO, at: int, code: str) -> int:
    """Read one number at a byte."""
    stream.seek(at)
    value: int = struct.unpack(code, stream.read(struct.calcsize(code)))[0]
    return value
