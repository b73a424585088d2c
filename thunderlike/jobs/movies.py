"""Finding a movie: which files, in which format, told by what is there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from thunderlike import storage
from thunderlike.data.images import Images
from thunderlike.engines import Source, Spec, engine_for
from thunderlike.engines.local import LocalEngine, LocalRecords
from thunderlike.errors import FormatError, NotFound, SpecError
from thunderlike.formats import sniff
from thunderlike.images import frombinary, frompng, fromtif

if TYPE_CHECKING:
    from collections.abc import Sequence

    from thunderlike.storage import AnyPath, Entry

__all__ = ["Movie", "find_movie"]

_EXTENSIONS = ("tif", "tiff", "png", "bin")


@dataclass(frozen=True)
class Movie:
    """Images in files, of which no pixel has been read yet.

    Parameters
    ----------
    path : str
        What was asked for.
    format : str
        ``'tiff'``, ``'png'`` or ``'binary'``.
    files : int
        How many there are in all, those left out by start and stop included.
    source : Source
        Reads them, where an engine wants to.
    """

    path: str
    format: str
    files: int
    source: Source

    @property
    def spec(self) -> Spec:
        """Count, shape and dtype of the images."""
        return self.source.spec

    def images(self, engine: Any = None, npartitions: int | None = None) -> Images:
        """Load them: locally now, on Spark when they are needed."""
        return Images(engine_for(engine).load(self.source, npartitions))


def find_movie(
    path: AnyPath,
    *,
    order: Literal["C", "F"] = "C",
    start: int | None = None,
    stop: int | None = None,
    nplanes: int | None = None,
) -> Movie:
    """Look at what is there, and read nothing but names, sizes and the first header.

    Parameters
    ----------
    path : path
        A folder, a pattern or a file. In a folder with several kinds of files, the first name
        that ends in tif, tiff, png or bin decides.
    order : 'C' or 'F'
        Of flat binary files: whether the last or the first index runs fastest.
    start, stop : int, optional
        Which of the files, as in ``files[start:stop]``.
    nplanes : int, optional
        Make an image of every so many planes of a file; 1 for a movie in one TIFF file.

    Returns
    -------
    Movie

    Raises
    ------
    NotFound
        When there is no such file.
    FormatError
        For files of another format, and for a flat binary file of another size; names it.
    SpecError
        When nothing tells the shape of flat binary files, for pictures in colour, and when `start`
        and `stop` leave no file.
    """
    files = storage.find(path)
    first = _first(path, files)
    ext = PurePosixPath(first).suffix.lstrip(".")
    looking = _Looking()
    given: dict[str, Any] = {"ext": ext, "start": start, "stop": stop, "engine": looking}
    format = _format(first)
    if format == "tiff":
        fromtif(path, nplanes=nplanes, **given)
    elif format == "png":
        frompng(path, **given)
    else:
        frombinary(path, nplanes=nplanes, order=order, **given)
    _check_grey(first, looking.source.spec)
    return Movie(str(path), format, len(storage.find(path, ext)), looking.source)


class _Looking(LocalEngine):
    """An engine that reads nothing: it remembers where the records are."""

    source: Source

    def load(self, source: Source, npartitions: int | None = None) -> LocalRecords:  # noqa: ARG002
        self.source = source
        spec = source.spec
        nothing = np.broadcast_to(np.zeros((), spec.dtype), (spec.count, *spec.shape))
        return LocalRecords(self, nothing)


def _first(path: AnyPath, files: Sequence[Entry]) -> str:
    """The first file that can be of a movie; a file that is named in full can be."""
    named = len(files) == 1 and files[0].path == storage.resolve(path)[1]
    for file in files:
        if named or PurePosixPath(file.path).suffix.lstrip(".").lower() in _EXTENSIONS:
            return file.path
    raise NotFound(
        f"{path}: no file here ends in .{', .'.join(_EXTENSIONS)}: the first of {len(files)} is "
        f"{PurePosixPath(files[0].path).name!r}"
    )


def _format(path: str) -> str:
    """What the first bytes say; flat binary if they say nothing and something describes it."""
    format = sniff(storage.read_range(path, 0, 16))
    if format in ("tiff", "png"):
        return format
    if format is None and storage.exists(storage.join(storage.parent(path), "conf.json")):
        return "binary"
    found = f"is {format}" if format else "there is no conf.json beside it"
    raise FormatError(
        f"{path}: neither TIFF nor PNG, and {found}: for flat binary files write a conf.json such "
        'as {"shape": [64, 64], "dtype": "int16"}'
    )


def _check_grey(path: str, spec: Spec) -> None:
    """Refuse colours, which would be taken for planes."""
    if len(spec.shape) == 3 and spec.shape[-1] in (3, 4):
        raise SpecError(
            f"{path}: a picture in colour, of shape {spec.shape}: convert the movie to grey first"
        )
