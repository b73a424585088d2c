"""Table of file formats: names, extensions, first bytes, readers and writers.

A new format is a module of this package with `header`, `decode` and `encode`, and one line here.
Then ``frompath``, ``thunderlike info`` and ``thunderlike convert`` know it.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["FORMATS", "Format", "by_extension", "by_magic"]


@dataclass(frozen=True)
class Format:
    """A file format.

    Parameters
    ----------
    name : str
        As commands have it.
    extensions : tuple of str
        Ends of the names of files, without the dot; the first is that of files which are written.
    kinds : tuple of str
        Collections that it holds, ``"images"`` and ``"series"``; the first is the one to read where
        none is asked for.
    reader : str
        Function of ``tl.images`` and ``tl.series``.
    writer : str, optional
        Method of a collection. Without one, `encode` writes each record in a file.
    module : str, optional
        Module of this package, by default `name`.
    magic : tuple of bytes
        Possible first bytes of a file; none where files have no header.
    metadata : bool
        `encode` takes metadata of a collection as its second argument.
    described : bool
        Files state neither shape nor dtype: a ``conf.json`` in their folder does.
    folder : bool
        An array is a folder.
    extra : str
        Extra of the package that brings its library.

    Examples
    --------
    >>> FORMATS["png"].extensions, FORMATS["png"].kinds
    (('png',), ('images',))
    """

    name: str
    extensions: tuple[str, ...]
    kinds: tuple[str, ...] = ("images",)
    reader: str = "frompath"
    writer: str | None = None
    module: str = ""
    magic: tuple[bytes, ...] = ()
    metadata: bool = False
    described: bool = False
    folder: bool = False
    extra: str = ""

    @property
    def codec(self) -> Any:
        """The module that encodes and decodes files, imported on first use.

        Most commands need one of them, and each imports a library.
        """
        return importlib.import_module(f"thunderlike.formats.{self.module or self.name}")

    @property
    def decode(self) -> Callable[[bytes], Any] | None:
        """The function from the bytes of a file with a header to an array, if there is one."""
        return getattr(self.codec, "decode", None) if self.magic else None


_BOTH = ("images", "series")

FORMATS = {
    each.name: each
    for each in (
        Format(
            "tif", ("tif", "tiff"), reader="fromtif", writer="totif", module="tiff",
            magic=(b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"), metadata=True,
        ),
        Format(
            "png", ("png",), reader="frompng", writer="topng", magic=(b"\x89PNG\r\n\x1a\n",),
            metadata=True,
        ),
        Format(
            "bin", ("bin", "raw", "dat"), _BOTH, "frombinary", "tobinary", module="raw",
            described=True,
        ),
        Format(
            "txt", ("txt", "csv", "tsv"), ("series",), "fromtext", "totext", module="text",
            described=True,
        ),
        Format("npy", ("npy",), _BOTH, "fromnpy", "tonpy", magic=(b"\x93NUMPY",)),
        Format(
            "hdf5", ("h5", "hdf5", "hdf"), _BOTH, "fromhdf5", "tohdf5",
            magic=(b"\x89HDF\r\n\x1a\n",),
        ),
        Format("zarr", ("zarr",), _BOTH, "fromzarr", "tozarr", folder=True, extra="zarr"),
        Format("msgpack", ("msgpack",), _BOTH, "frommsgpack", "tomsgpack"),
    )
}  # fmt: skip


def by_extension(path: str) -> Format | None:
    """Return the format that the end of a name states, None for an unknown one.

    Examples
    --------
    >>> by_extension("day1/a.TIFF").name, by_extension("notes")
    ('tif', None)
    """
    extension = path.rstrip("/").rpartition("/")[2].rpartition(".")[2].lower()
    return next((one for one in FORMATS.values() if extension in one.extensions), None)


def by_magic(data: bytes) -> Format | None:
    r"""Return the format that the first bytes of a file state, None for unknown ones.

    Examples
    --------
    >>> by_magic(b"\x93NUMPY and more").name, by_magic(b"plain text")
    ('npy', None)
    """
    # Nothing starts with an empty tuple: formats without first bytes are never found.
    return next((one for one in FORMATS.values() if data.startswith(one.magic)), None)
