"""How images are read out of a file of each format, straight into place where that can be."""

from __future__ import annotations

import io
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

import numpy as np

from thunderlike import storage
from thunderlike.data.files import Loader, alike
from thunderlike.errors import SpecError
from thunderlike.formats import png, raw, tiffpages
from thunderlike.storage.opening import local_file, open_file

if TYPE_CHECKING:
    from collections.abc import Mapping

    from thunderlike.engines.base import Array
    from thunderlike.formats.tiffpages import Index

__all__ = ["PngImages", "RawPlanes", "TiffPlanes", "TiffVolumes"]


@dataclass(frozen=True)
class PngImages(Loader):
    """One image a file."""

    def read(self, path: str, first: int, last: int, out: Array) -> None:  # noqa: ARG002
        """Decode the file, then copy: Pillow cannot write into an array."""
        image = png.decode(storage.read(path))
        alike(image.shape, image.dtype, out)
        out[0] = image


@dataclass(frozen=True)
class TiffVolumes(Loader):
    """One image a file: all its pages.

    Parameters
    ----------
    like : Index
        Where the pages of the first file are.
    """

    like: Index = field(repr=False)

    def read(self, path: str, first: int, last: int, out: Array) -> None:  # noqa: ARG002
        """Read page by page into place."""
        with _whole(path) as stream:
            where = tiffpages.index_like(stream, self.like)
            shape = where.shape if where.pages == 1 else (where.pages, *where.shape)
            alike(shape, where.dtype, out)
            pages = out.reshape(where.pages, *where.shape)
            tiffpages.read(stream, where, 0, where.pages, pages)


@dataclass(frozen=True)
class TiffPlanes(Loader):
    """Images of so many pages of a file each.

    Parameters
    ----------
    nplanes : int
        Pages of an image.
    indexes : mapping
        Where the pages of each file are.
    """

    nplanes: int
    indexes: Mapping[str, Index] = field(repr=False)

    def read(self, path: str, first: int, last: int, out: Array) -> None:
        """Read the pages of these images, and nothing else of the file."""
        where, n = self.indexes[path], self.nplanes
        alike(where.shape if n == 1 else (n, *where.shape), where.dtype, out)
        pages = out.reshape((last - first) * n, *where.shape)
        with open_file(path) as stream:
            tiffpages.read(stream, where, first * n, last * n, pages)

    def part(self, wanted: Mapping[str, tuple[int, int]]) -> TiffPlanes:
        """Where these pages are, and no others."""
        n = self.nplanes
        parts = {path: self.indexes[path].part(a * n, b * n) for path, (a, b) in wanted.items()}
        return replace(self, indexes=parts)


@dataclass(frozen=True)
class RawPlanes(Loader):
    """Images that are runs of planes along the last axis of a flat binary file, or all of it."""

    shape: tuple[int, ...]
    stored: np.dtype[Any]
    order: Literal["C", "F"]
    nplanes: int | None

    def __post_init__(self) -> None:
        n = self.nplanes
        if n is not None and (n < 1 or self.shape[-1] % n):
            raise SpecError(
                f"nplanes={n} does not divide the last axis of shape {self.shape}: "
                "give a divisor of it"
            )

    @property
    def pieces(self) -> int:
        """Images in a file."""
        return 1 if self.nplanes is None else self.shape[-1] // self.nplanes

    @property
    def piece_shape(self) -> tuple[int, ...]:
        """Of an image."""
        if self.nplanes is None:
            return self.shape
        return self.shape[:-1] if self.nplanes == 1 else (*self.shape[:-1], self.nplanes)

    def read(self, path: str, first: int, last: int, out: Array) -> None:
        """Read the whole file, whose planes are not in one piece, and cut it."""
        image = raw.decode(storage.read(path), self.shape, self.stored, self.order)
        planes = image if self.nplanes is None else self._cut(image)[first:last]
        out[...] = planes.reshape(out.shape)

    def _cut(self, image: Array) -> Array:
        return np.moveaxis(image.reshape(*self.shape[:-1], self.pieces, -1), -2, 0)


def _whole(path: str) -> BinaryIO:
    """Open a file of which all is wanted: on a disk as it is, from elsewhere in one request."""
    return open_file(path) if local_file(path) else io.BytesIO(storage.read(path))
