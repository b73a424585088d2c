"""Thunder's functions that write, each by the method that does it here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from thunderlike import storage
from thunderlike.errors import Exists
from thunderlike.formats import raw

if TYPE_CHECKING:
    from collections.abc import Sequence

    from thunderlike.data.images import Images
    from thunderlike.data.series import Series
    from thunderlike.storage import AnyPath

__all__ = ["getlabel", "images_tobinary", "series_tobinary", "topng", "totif", "write_config"]


def topng(
    images: Images, path: AnyPath, prefix: str = "image", overwrite: bool = False, **options: Any
) -> None:
    """Write one PNG an image; see ``Images.topng`` for this and its `options`."""
    images.topng(path, prefix, overwrite=overwrite, **options)


def totif(
    images: Images, path: AnyPath, prefix: str = "image", overwrite: bool = False, **options: Any
) -> None:
    """Write one TIFF an image; see ``Images.totif``."""
    images.totif(path, prefix, overwrite=overwrite, **options)


def images_tobinary(
    images: Images, path: AnyPath, prefix: str = "image", overwrite: bool = False, **options: Any
) -> None:
    """Write one flat binary file an image; see ``Images.tobinary``."""
    images.tobinary(path, prefix, overwrite=overwrite, **options)


def series_tobinary(
    series: Series, path: AnyPath, prefix: str = "series", overwrite: bool = False, **options: Any
) -> None:
    """Write flat binary files of many series each; see ``Series.tobinary``."""
    series.tobinary(path, prefix, overwrite=overwrite, **options)


def write_config(
    path: AnyPath,
    shape: Sequence[int],
    dtype: Any,
    name: str = "conf.json",
    overwrite: bool = True,
) -> None:
    r"""Write the description of the flat binary files in a folder, and an empty ``SUCCESS``.

    Parameters
    ----------
    path : path
        The folder.
    shape, dtype
        Of one image, or of all series.
    name : str
        Of the description.
    overwrite : bool
        Replace one that is there.

    Raises
    ------
    Exists
        When one is there and `overwrite` is false.

    Examples
    --------
    >>> write_config("memory://made", (4, 6), "int16")
    >>> storage.read("memory://made/conf.json")
    b'{"shape": [4, 6], "dtype": "int16"}\n'
    >>> storage.delete("memory://made")
    """
    conf = storage.join(path, name)
    if not overwrite and storage.exists(conf):
        raise Exists(f"{conf}: exists already; give overwrite=True to replace it")
    storage.write(conf, raw.describe(shape, dtype))
    storage.write(storage.join(path, storage.SUCCESS), b"")


def getlabel(key: Sequence[int]) -> str:
    """Return the part of a file's name that tells the key of its first series.

    Examples
    --------
    >>> getlabel((3, 14))
    '00003-00014'
    """
    return "-".join(f"{int(k):05d}" for k in key)
