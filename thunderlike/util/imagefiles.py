"""Single images in files, read and written by Pillow."""

from __future__ import annotations

import io
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from thunderlike.errors import (
    Denied,
    FormatError,
    NotFound,
    SpecError,
    StorageError,
    ThunderlikeError,
    WrongType,
)

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

    from numpy.typing import ArrayLike, DTypeLike, NDArray
    from PIL import Image

__all__ = ["load", "load_raw", "open_image", "save"]

# The usual ones first: Pillow asks them in this order.
_DECODED: tuple[str, ...] = (
    *("PNG", "JPEG", "TIFF", "GIF", "BMP", "WEBP", "JPEG2000", "PPM", "AVIF", "DDS", "DIB"),
    *("FITS", "ICNS", "ICO", "IM", "PCX", "PSD", "QOI", "SGI", "SPIDER", "TGA", "XBM", "XPM"),
)


def load(path: str | os.PathLike[str], dtype: DTypeLike = np.float64) -> NDArray[Any]:
    """Read an image file; as floats from 0 to 1, or as bytes from 0 to 255.

    Raises
    ------
    SpecError
        For a dtype that is neither.
    FormatError
        For a file that is no image.

    Examples
    --------
    >>> import tempfile, os
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     name = os.path.join(folder, "gray.png")
    ...     save(name, np.array([[0.0, 0.5, 1.0]]))
    ...     load(name, "uint8")
    array([[  0, 128, 255]], dtype=uint8)
    """
    from skimage.util import img_as_float64, img_as_ubyte

    try:
        wanted = np.dtype(dtype)
    except TypeError as error:
        raise WrongType(f"dtype is one of numpy's, not {dtype!r:.60}") from error
    if wanted != np.uint8 and wanted.kind != "f":
        raise SpecError(f"images are loaded as uint8 or as floats, not as {wanted}")
    im = load_raw(path)
    if im.dtype == np.int32:  # how Pillow gives 16 bits
        im = im.astype(np.uint16)
    return img_as_ubyte(im) if wanted == np.uint8 else img_as_float64(im).astype(wanted)


def open_image(file: IO[bytes]) -> Image.Image:
    """Open an image of a format that Pillow decodes by itself, as ``PIL.Image.open`` does.

    Others Pillow hands to another program, whatever the name of the file: PostScript to
    Ghostscript.

    Raises
    ------
    PIL.UnidentifiedImageError
        For other files.

    Examples
    --------
    >>> import io
    >>> from thunderlike.formats import png
    >>> open_image(io.BytesIO(png.encode(np.zeros((2, 3), "uint8")))).size
    (3, 2)
    """
    from PIL import Image

    return Image.open(file, formats=_formats())


@cache
def _formats() -> tuple[str, ...]:
    """Names of those formats, as far as this build of Pillow has them."""
    from PIL import Image

    Image.init()
    return tuple(name for name in _DECODED if name in Image.OPEN)


def load_raw(path: str | os.PathLike[str]) -> NDArray[Any]:
    """Read an image file as it is: an image with a palette gives the numbers of its colours.

    Raises
    ------
    NotFound, StorageError
        When there is no such file, or it cannot be read.
    FormatError
        For a file that is not an image.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(f"{folder}/bytes.png", np.array([[0, 7, 255]], np.uint8))
    ...     load_raw(f"{folder}/bytes.png")
    array([[  0,   7, 255]], dtype=uint8)
    """
    with _at(path) as place, place.open("rb") as file:
        try:
            with open_image(file) as im:
                return np.array(im)
        except Exception as error:  # Pillow answers damage with almost anything
            raise FormatError(
                f"{path}: is no image that Pillow reads: {type(error).__name__}"
            ) from error


def save(path: str | os.PathLike[str], im: ArrayLike) -> None:
    """Write an image file, its kind from its name.

    Parameters
    ----------
    path : str or PathLike
    im : array_like
        Floats from 0 to 1, clipped and rounded to bytes; bool; bytes; uint16 where the format has
        16 bits; other integers must be from 0 to 255.

    Raises
    ------
    SpecError
        For integers that are not, an unknown extension, and arrays that the format cannot hold.
    NotFound, StorageError
        For a folder that is not there, a device, a FIFO or a socket, and when it cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(f"{folder}/floats.png", [[0.0, 0.2, 1.5]])
    ...     load_raw(f"{folder}/floats.png")
    array([[  0,  51, 255]], dtype=uint8)
    """
    from PIL import Image

    values, encoded = _storable(np.asarray(im)), io.BytesIO()
    with _at(path) as place:
        known = Image.registered_extensions()
        kind = known.get(place.suffix.lower())
        if kind not in Image.SAVE:
            usual = ".png, .tif, .jpg"
            raise SpecError(
                f"{path}: the extension {place.suffix!r} is not of an image format that can be "
                f"written; take one such as {usual}"
            )
        try:
            Image.fromarray(values).save(encoded, kind)
        except Exception as error:  # Pillow says in many ways what a format cannot hold
            raise SpecError(
                f"{path}: an image of {values.dtype} and shape {values.shape} cannot be written as "
                f"{kind}: {error}"
            ) from error
        new = not place.exists()
        try:
            place.write_bytes(encoded.getbuffer())
        except OSError:
            if new:
                with suppress(OSError):
                    place.unlink()
            raise


@contextmanager
def _at(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give the path of a regular file, and raise the system's failures as ours.

    A FIFO would wait for somebody to open its other end.
    """
    try:
        place = Path(path)
    except TypeError as error:
        raise WrongType(f"path is text or a path, not {path!r:.60}") from error
    try:
        if place.exists() and not (place.is_file() or place.is_dir()):
            raise StorageError(f"{path}: is not a regular file; give the path of a file")
        yield place
    except ThunderlikeError:
        raise
    except (FileNotFoundError, NotADirectoryError) as error:
        raise NotFound(f"{path}: no such file or folder") from error
    except IsADirectoryError as error:
        raise NotFound(f"{path}: is a folder, not a file") from error
    except PermissionError as error:
        raise Denied(f"{path}: this user has no permission for it") from error
    except OSError as error:
        raise StorageError(f"{path}: cannot read or write it: {error.strerror or error}") from error


def _storable(im: NDArray[Any]) -> NDArray[Any]:
    if im.dtype.kind == "f" and np.isnan(im).any():
        raise SpecError("the image has NaN, which no image file holds: see np.nan_to_num")
    if im.dtype.kind in "bf":
        return np.rint(np.clip(im.astype(np.float64), 0, 1) * 255).astype(np.uint8)
    if im.dtype in (np.uint8, np.uint16):
        return im
    if im.dtype.kind not in "iu" or (im.size and not 0 <= im.min() <= im.max() <= 255):
        raise SpecError(f"{im.dtype} values are not all from 0 to 255: scale them first")
    return im.astype(np.uint8)
