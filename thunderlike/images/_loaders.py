"""Loaders: decode one file of each format into place."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike.data.file_sources import Loader, alike, whole
from thunderlike.errors import FormatError
from thunderlike.formats import png, raw, tiff
from thunderlike.formats.base import read_into
from thunderlike.storage._open import open_file, open_whole

if TYPE_CHECKING:
    from collections.abc import Mapping

    from thunderlike._typing import Array
    from thunderlike.formats.tiff.pages import Index
    from thunderlike.storage import Entry

__all__ = ["FortranPlanes", "PngImages", "RawPlanes", "TiffPlanes", "TiffVolumes"]

_SHORT = 2**18  # bytes, of pixels that need no decoding


@dataclass(frozen=True)
class PngImages(Loader):
    """One image a file."""

    def read(self, file: Entry, first: int, last: int, out: Array) -> None:  # noqa: ARG002
        """Decode the file, then copy: Pillow cannot write into an array."""
        image = png.decode(whole(file))
        alike(image.shape, image.dtype, out)
        out[0] = image


@dataclass(frozen=True)
class TiffVolumes(Loader):
    """One image a file: all its pages.

    Parameters
    ----------
    like : Index
        Pages of the first file.
    channel : int, optional
        The channel to read.
    """

    like: Index = field(repr=False)
    channel: int | None = None

    @property
    def threads(self) -> int | None:
        """One for small files, which are read in less time than threads need to synchronize."""
        frame = self.like.frame
        return 1 if frame is not None and frame.nbytes < _SHORT else None

    def read(self, file: Entry, first: int, last: int, out: Array) -> None:  # noqa: ARG002
        """Read page by page into place."""
        with open_whole(file.path, identity=file.identity) as stream:
            if tiff.pages.read_like(stream, self.like, out):
                return
            where = tiff.pages.index_like(stream, self.like)
            where, planes = where.arranged(self.channel)
            if planes != where.pages:
                raise FormatError(
                    f"holds {where.pages // planes} images, the first file one: give nplanes= to "
                    "read both by their pages"
                )
            shape = where.shape if where.pages == 1 else (where.pages, *where.shape)
            alike(shape, where.dtype, out)
            pages = out.reshape(where.pages, *where.shape)
            tiff.pages.read(stream, where, 0, where.pages, pages)


@dataclass(frozen=True)
class TiffPlanes(Loader):
    """Images of so many pages of a file each.

    Parameters
    ----------
    nplanes : int
        Pages of an image.
    indexes : mapping
        Pages of each file.
    """

    nplanes: int
    indexes: Mapping[str, Index] = field(repr=False)

    def read(self, file: Entry, first: int, last: int, out: Array) -> None:
        """Read the pages of these images, and nothing else of the file."""
        where, n = self.indexes[file.path], self.nplanes
        alike(where.shape if n == 1 else (n, *where.shape), where.dtype, out)
        pages = out.reshape((last - first) * n, *where.shape)
        span = where.span(first * n, last * n)
        with open_file(file.path, span, identity=file.identity) as stream:
            tiff.pages.read(stream, where, first * n, last * n, pages)

    def part(self, wanted: Mapping[str, tuple[int, int]]) -> TiffPlanes:
        """Return the loader restricted to these pages."""
        n = self.nplanes
        parts = {path: self.indexes[path].part(a * n, b * n) for path, (a, b) in wanted.items()}
        return replace(self, indexes=parts)


@dataclass(frozen=True)
class FortranPlanes(Loader):
    """Images of so many planes each, of files whose first index runs fastest.

    Planes are contiguous in such a file, so that no others are read.

    Parameters
    ----------
    plane : tuple of int
        Shape of a plane; of an image, where that has but one.
    stored : numpy.dtype
        In the byte order of the file.
    nplanes : int
        Planes of an image.
    axis : int
        The axis of `nplanes` in an image: 0 or -1.
    """

    plane: tuple[int, ...]
    stored: np.dtype[Any]
    nplanes: int = 1
    axis: int = -1

    def read(self, file: Entry, first: int, last: int, out: Array) -> None:
        """Read these planes, then turn each."""
        count, n = last - first, self.nplanes
        found = np.empty((count, n, *reversed(self.plane)), self.stored.newbyteorder("="))
        with open_file(file.path, identity=file.identity) as stream:
            read_into(stream, first * found[0].nbytes, found, self.stored)
        turned = found.transpose(0, 1, *range(found.ndim - 1, 1, -1))
        place = out.reshape(count, *((*self.plane, n) if self.axis else (n, *self.plane)))
        place[...] = np.moveaxis(turned, 1, self.axis) if self.axis else turned


@dataclass(frozen=True)
class RawPlanes(Loader):
    """Images of so many planes each along the last axis, which runs fastest in the file."""

    shape: tuple[int, ...]
    stored: np.dtype[Any]
    nplanes: int

    def read(self, file: Entry, first: int, last: int, out: Array) -> None:
        """Read the whole file, in which planes are interleaved, and cut it."""
        image = raw.decode(whole(file), self.shape, self.stored)
        planes = image.reshape(*self.shape[:-1], -1, self.nplanes)
        out[...] = np.moveaxis(planes, -2, 0)[first:last].reshape(out.shape)
