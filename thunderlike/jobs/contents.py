"""Contents of a path: format, number of records, shape; reads headers only."""

from __future__ import annotations

import inspect
import warnings
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from thunderlike import images, series, storage
from thunderlike._arguments import checked_types
from thunderlike.engines.local import DeferredEngine
from thunderlike.errors import FormatError, SpecError
from thunderlike.formats import hdf5
from thunderlike.formats.registry import FORMATS, by_extension, by_magic
from thunderlike.images.readers import TiffVolumes
from thunderlike.storage._open import open_file

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from thunderlike.engines import Source
    from thunderlike.storage import AnyCredentials, Entry, Order

__all__ = ["Contents", "look"]


@dataclass(frozen=True)
class Contents:
    """Contents of a path.

    Parameters
    ----------
    format : str
        One of `FORMATS`.
    files : list of Entry
        All files of that format.
    collection : Images or Series
        Of which nothing is read until a value is asked for.
    """

    format: str
    files: Sequence[Entry]
    collection: Any

    def description(self) -> dict[str, Any]:
        """Return the fields as plain values for JSON."""
        return {
            "path": self.files[0].path if len(self.files) == 1 else storage.parent(self._first),
            "format": self.format,
            "kind": type(self.collection).__name__.lower(),
            "shape": list(self.collection.shape),
            "dtype": str(self.collection.dtype),
            "bytes": self.collection.nbytes,
            "files": len(self.files),
            "file_bytes": sum(file.size for file in self.files),
            "first": self._first,
            "attrs": self.collection.attrs,
        }

    @property
    def advice(self) -> str | None:
        """Advice where all pages of a file form one image that may be a movie."""
        load = getattr(self.source, "load", None)
        if not isinstance(load, TiffVolumes) or len(self.files) > 1:
            return None
        if load.like.pages == 1 or (load.like.axes and set(load.like.axes.names) <= set("ZT")):
            return None
        return (
            f"the {load.like.pages} pages of {self._first} are taken as one volume: "
            "give nplanes=1 for an image of each page"
        )

    @property
    def source(self) -> Source:
        """Source of the records."""
        source: Source = self.collection._records.source
        return source

    @property
    def _first(self) -> str:
        return self.files[0].path


@checked_types
def look(
    path: str,
    *,
    as_series: bool = False,
    format: str | None = None,
    credentials: AnyCredentials = None,
    **options: Any,
) -> Contents:
    """Determine the contents of a path.

    Parameters
    ----------
    path : path
        A file, a folder or a pattern.
    as_series : bool
        Take arrays for series, whose last axis runs along them, where they could be images.
    format : str, optional
        One of `FORMATS`; by default by the extensions of the files, or their first bytes.
    **options
        For the reader: ``nplanes``, ``shape``, ``dtype``, ``dataset``, ``axis`` and so on; those
        that are None count as not given.

    Raises
    ------
    NotFoundError
        When nothing is there.
    FormatError
        When the files are of no known format, or not what they should be.
    SpecError
        For an option that means nothing to the reader.

    Notes
    -----
    Headers are read, and of text files all lines, to count them.
    """
    place = storage.at(path, credentials)
    # A Zarr array is a folder, whose files have no extension of their own.
    marks = (storage.join(place, name) for name in ("zarr.json", ".zarray", ".zgroup"))
    if format is None and any(map(storage.exists, marks)):
        format = "zarr"
    order: Order = (
        "natural" if "natural" in (options.get("order"), options.get("file_order")) else "text"
    )
    name, files = _found(place, format, recursive=bool(options.get("recursive")), order=order)
    reader = _reader(name, as_series=as_series)
    given = {key: value for key, value in options.items() if value is not None}
    unknown = given.keys() - inspect.signature(reader).parameters.keys()
    if unknown:
        raise SpecError(f"{path}: {', '.join(sorted(unknown))} does not apply to {name} files")
    if not FORMATS[name].folder and len(files) > 1:
        # The reader lists the folder again, and would take the other files as well.
        given["ext"] = files[0].path.rpartition(".")[2]
    with warnings.catch_warnings():
        # `advice` reports it in the words of the caller.
        warnings.filterwarnings("ignore", message=".* nplanes=1 for an image of each page")
        return Contents(name, files, reader(place, engine=DeferredEngine(), **given))


def _reader(name: str, *, as_series: bool) -> Callable[..., Any]:
    known = FORMATS[name]
    kind = "series" if as_series and "series" in known.kinds else known.kinds[0]
    reader: Callable[..., Any] = getattr(series if kind == "series" else images, known.reader)
    return reader


def _found(
    place: str, format: str | None, *, recursive: bool, order: Order
) -> tuple[str, list[Entry]]:
    """Return the format at an address, and its files."""
    if format is not None and format not in FORMATS:
        raise SpecError(f"unknown format {format!r}; expected one of {', '.join(FORMATS)}")
    if format is not None and FORMATS[format].folder:
        return format, storage.find(place, recursive=True)
    files = storage.find(place, recursive=recursive, order=order)
    kinds = Counter(kind for file in files if (kind := by_extension(file.path)))
    if format is None and not kinds:
        format = _by_content(files[0].path)
    # Folders of a recording also hold text, such as notes and logs: the commonest format counts.
    name = format or kinds.most_common(1)[0][0].name
    return name, [file for file in files if by_extension(file.path) is FORMATS[name]] or files


def _by_content(path: str) -> str:
    with open_file(path) as stream:
        if (found := by_magic(stream.read(16))) is not None:
            return found.name
        # A user block may stand before the header of an HDF5 file.
        if hdf5.begin(stream) is not None:
            return "hdf5"
    raise FormatError(
        f"{path}: unknown format, by its name and by its first bytes; give one of "
        f"{', '.join(FORMATS)}"
    )
