"""Finding a movie: images in files of any format, of which nothing is read yet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from thunderlike.data.images import Images
from thunderlike.errors import SpecError
from thunderlike.jobs.contents import Contents, look

if TYPE_CHECKING:
    from thunderlike.storage import AnyPath

__all__ = ["find_movie"]


def find_movie(path: AnyPath, **options: Any) -> Contents:
    """Look at what is there, and at nothing but names, sizes and the first header.

    Parameters
    ----------
    path : path
        A folder, a pattern or a file.
    **options
        Of :func:`~thunderlike.jobs.contents.look`: ``format``, and what the reader of the format
        takes, such as ``nplanes``, ``order``, ``dataset``, ``start`` and ``stop``.

    Raises
    ------
    NotFound, FormatError
        As ``look``.
    SpecError
        For files that hold series, for pictures in colour, for options that mean nothing to the
        reader, and when `start` and `stop` leave no file.
    """
    found = look(str(path), **options)
    if not isinstance(found.collection, Images):
        raise SpecError(f"{path}: {found.format} files hold series, and a movie is made of images")
    shape = found.source.spec.shape
    if found.format in ("png", "tif") and len(shape) == 3 and shape[-1] in (3, 4):
        raise SpecError(
            f"{found.files[0].path}: a picture in colour, of shape {shape}: convert the movie to "
            "grey first"
        )
    return found
