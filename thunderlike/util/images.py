"""Single images, arrays of shape ``(height, width[, channels])``: files, resizing, and more."""

from __future__ import annotations

import io
import math
import shutil
import uuid
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, SupportsIndex

import numpy as np

from thunderlike._arguments import checked_arguments
from thunderlike._lazy import optional
from thunderlike.errors import (
    BadIndexError,
    DeniedError,
    FormatError,
    NotFoundError,
    SpecError,
    StorageError,
    ThunderlikeError,
    WrongTypeError,
)
from thunderlike.util.arrays import also_named, whole_numbers

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Iterator

    from numpy.typing import ArrayLike, DTypeLike, NDArray
    from PIL import Image

__all__ = [
    "asgray",
    "bounding_box",
    "bounding_box_as_binary_map",
    "crop",
    "crop_or_pad",
    "crop_to_bounding_box",
    "extract_patches",
    "integrate",
    "load",
    "load_raw",
    "offset",
    "open_image",
    "resize",
    "resize_by_factor",
    "save",
]


_MOST_SKEWED = 0.5  # deepdish's: factors of the two axes may differ by so much


@checked_arguments
def resize_by_factor(im: NDArray[Any], factor: float) -> NDArray[Any]:
    """Scale an image, smoothed before it shrinks; channels stay.

    Parameters
    ----------
    im : ndarray
    factor : float
        The new height is ``ceil(factor * height)``; 1 gives `im` itself.

    Returns
    -------
    ndarray
        Floats, from 0 to 1 for images of integers.

    Examples
    --------
    >>> import numpy as np
    >>> resize_by_factor(np.zeros((5, 6, 3)), 0.5).shape
    (3, 3, 3)
    """
    transform = optional("skimage.transform", extra="images")
    if not isinstance(factor, int | float | np.number):
        raise WrongTypeError(f"an image is scaled by a number, not by {factor!r:.60}")
    if factor == 1:
        return im
    if not factor > 0 or not math.isfinite(factor):
        raise SpecError(f"cannot scale an image by {factor}")
    im = np.asarray(im)
    if im.dtype.kind not in "biuf" or im.ndim not in (2, 3) or not im.size:
        raise SpecError(
            f"an image has two axes and perhaps channels, and numbers; this is an array of "
            f"{im.dtype} and shape {im.shape}"
        )
    channels = -1 if im.ndim == 3 else None
    reduce: Callable[..., NDArray[Any]] = transform.pyramid_reduce
    expand: Callable[..., NDArray[Any]] = transform.pyramid_expand
    if factor < 1:
        return reduce(im, downscale=1 / factor, channel_axis=channels)
    return expand(im, upscale=factor, channel_axis=channels)


@checked_arguments
def resize(
    im: NDArray[Any],
    shape: tuple[int, int] | None = None,
    max_side: float | None = None,
    min_side: float | None = None,
) -> NDArray[Any]:
    """Scale an image by one factor, so that a side of it becomes as long as is said.

    Parameters
    ----------
    im : ndarray
    shape : (int, int), optional
        Height and width. The factor is that of the width; that of the height may differ by less
        than 0.5, so that the height is near what was asked for.
    max_side, min_side : float, optional
        Of the longer side, or of the shorter one.

    Returns
    -------
    ndarray
        As from :func:`resize_by_factor`.

    Raises
    ------
    SpecError
        When not exactly one of the three is given, and for a shape of other proportions.

    Examples
    --------
    >>> import numpy as np
    >>> resize(np.zeros((40, 60)), max_side=30).shape
    (20, 30)
    """
    given = [value for value in (shape, max_side, min_side) if value is not None]
    if len(given) != 1:
        raise SpecError("give one of shape, max_side and min_side")
    if shape is not None:
        return resize_by_factor(im, _factor(im.shape, shape))
    im = np.asarray(im)
    side = min(im.shape[:2]) if max_side is None else max(im.shape[:2])
    return resize_by_factor(im, given[0] / side)


def _factor(shape: tuple[int, ...], wanted: tuple[int, int]) -> float:
    down, across = wanted[0] / shape[0], wanted[1] / shape[1]
    if abs(across - down) >= _MOST_SKEWED:
        raise SpecError(
            f"an image of shape {shape} does not become {tuple(wanted)} by one factor: "
            f"{down:.3g} down and {across:.3g} across"
        )
    return across


# The usual ones first: Pillow asks them in this order.
_DECODED: tuple[str, ...] = (
    *("PNG", "JPEG", "TIFF", "GIF", "BMP", "WEBP", "JPEG2000", "PPM", "AVIF", "DDS", "DIB"),
    *("FITS", "ICNS", "ICO", "IM", "PCX", "PSD", "QOI", "SGI", "SPIDER", "TGA", "XBM", "XPM"),
)


@checked_arguments
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
    convert = optional("skimage.util", extra="images")
    try:
        wanted = np.dtype(dtype)
    except TypeError as error:
        raise WrongTypeError(f"dtype is one of numpy's, not {dtype!r:.60}") from error
    if wanted != np.uint8 and wanted.kind != "f":
        raise SpecError(f"images are loaded as uint8 or as floats, not as {wanted}")
    im = load_raw(path)
    if im.dtype == np.int32:  # Pillow's type for 16 bits
        im = im.astype(np.uint16)
    to_bytes: Callable[[NDArray[Any]], NDArray[Any]] = convert.img_as_ubyte
    to_float: Callable[[NDArray[Any]], NDArray[Any]] = convert.img_as_float64
    return to_bytes(im) if wanted == np.uint8 else to_float(im).astype(wanted)


@checked_arguments
def open_image(file: IO[bytes]) -> Image.Image:
    """Open an image with ``PIL.Image.open``, only of formats that Pillow decodes itself.

    Pillow passes other formats to external programs, such as PostScript to Ghostscript, whatever
    the name of the file.

    Raises
    ------
    FormatError
        For other files.

    Examples
    --------
    >>> import io
    >>> from thunderlike.formats import png
    >>> open_image(io.BytesIO(png.encode(np.zeros((2, 3), "uint8")))).size
    (3, 2)
    """
    from PIL import Image, UnidentifiedImageError

    try:
        return Image.open(file, formats=_formats())
    except UnidentifiedImageError as error:
        raise FormatError(f"is no image that Pillow reads: {error}") from error


@cache
def _formats() -> tuple[str, ...]:
    """Return the formats of `_DECODED` that this build of Pillow supports."""
    from PIL import Image

    Image.init()
    return tuple(name for name in _DECODED if name in Image.OPEN)


@checked_arguments
def load_raw(path: str | os.PathLike[str]) -> NDArray[Any]:
    """Read an image file as it is: an image with a palette gives the numbers of its colours.

    Raises
    ------
    NotFoundError, StorageError
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


@checked_arguments
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
    NotFoundError, StorageError
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

    # Encoded in memory first: an array that the format cannot hold leaves no file behind.
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
        _replace(place.resolve(), encoded.getbuffer())


def _replace(place: Path, data: memoryview) -> None:
    """Write a file atomically; an existing one stays until the new one is complete."""
    partial = place.with_name(f".{uuid.uuid4().hex}.partial")
    try:
        with partial.open("xb") as file:
            file.write(data)
        if place.exists():
            # A new file gets the permissions of the umask; replacing one must not change its own.
            shutil.copymode(place, partial)
        partial.replace(place)
    except BaseException:
        with suppress(OSError):
            partial.unlink()
        raise


@contextmanager
def _at(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give the path of a regular file, and raise the system's failures as ours.

    Opening a FIFO would block until its other end is opened.
    """
    try:
        place = Path(path)
    except TypeError as error:
        raise WrongTypeError(f"path is text or a path, not {path!r:.60}") from error
    try:
        if place.exists() and not (place.is_file() or place.is_dir()):
            raise StorageError(f"{path}: is not a regular file; give the path of a file")
        yield place
    except ThunderlikeError:
        raise
    except (FileNotFoundError, NotADirectoryError) as error:
        raise NotFoundError(f"{path}: no such file or folder") from error
    except IsADirectoryError as error:
        raise NotFoundError(f"{path}: is a folder, not a file") from error
    except PermissionError as error:
        raise DeniedError(f"{path}: this user has no permission for it") from error
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


Box = tuple[int, int, int, int]


def _image(im: ArrayLike) -> NDArray[Any]:
    """Return the image itself, or an array of a list; numbers of two axes and perhaps channels."""
    values = np.asarray(im)
    if values.dtype.kind not in "biufc":
        raise WrongTypeError(f"an image is an array of numbers, not of {values.dtype}")
    if values.ndim < 2:
        raise SpecError(f"an image has two axes, and perhaps channels; this has {values.shape}")
    return values


@checked_arguments
def asgray(im: ArrayLike) -> NDArray[Any]:
    """Return the mean of red, green and blue, float64; a gray image as it is.

    Raises
    ------
    SpecError
        For other than 1, 3 or 4 channels.

    Examples
    --------
    >>> asgray(np.array([[[0, 3, 6, 255]]]))
    array([[3.]])
    """
    im = _image(im)
    if im.ndim == 2:
        return im
    if im.ndim == 3 and im.shape[-1] == 1:
        return im[..., 0]
    if im.ndim == 3 and im.shape[-1] in (3, 4):
        grey: NDArray[Any] = im[..., :3].mean(axis=-1)
        return grey
    raise SpecError(f"an image has 1, 3 or 4 channels; this has shape {im.shape}")


@checked_arguments
def bounding_box(alpha: ArrayLike, threshold: float = 0.1) -> Box:
    """Return the smallest box around all pixels above a threshold.

    Raises
    ------
    SpecError
        If no pixel is set, or the image does not have two axes.

    Examples
    --------
    >>> im = np.zeros((6, 8))
    >>> im[2:4, 3:6] = 1
    >>> bounding_box(im)
    (2, 3, 4, 6)
    """
    above = _image(alpha) > threshold
    if above.ndim != 2:
        raise SpecError(f"a box is around an image of two axes, not of shape {above.shape}")
    rows, columns = np.flatnonzero(above.any(axis=1)), np.flatnonzero(above.any(axis=0))
    if not rows.size:
        raise SpecError(f"no pixel is above {threshold}: there is no box")
    return int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1


@checked_arguments
def crop_to_bounding_box(im: ArrayLike, bb: Box) -> NDArray[Any]:
    """Return a view of the pixels in a box.

    Examples
    --------
    >>> crop_to_bounding_box(np.arange(6).reshape(2, 3), (0, 1, 2, 3))
    array([[1, 2],
           [4, 5]])
    """
    top, left, bottom, right = whole_numbers("bb", bb, 4)
    return _image(im)[top:bottom, left:right]


@checked_arguments
def bounding_box_as_binary_map(alpha: ArrayLike, threshold: float = 0.1) -> NDArray[np.bool_]:
    """Return True in the box around all pixels above a threshold, and False elsewhere.

    Examples
    --------
    >>> bounding_box_as_binary_map([[0, 1], [0, 0]])
    array([[False,  True],
           [False, False]])
    """
    inside = np.zeros(_image(alpha).shape, bool)
    crop_to_bounding_box(inside, bounding_box(alpha, threshold))[...] = True
    return inside


@checked_arguments
def crop(im: ArrayLike, size: tuple[int, int]) -> NDArray[Any]:
    """Return the middle of an image, of that height and width, as a view.

    Raises
    ------
    SpecError
        For a size larger than the image.

    Examples
    --------
    >>> crop(np.arange(5)[None], (1, 3))
    array([[1, 2, 3]])
    """
    im, size = _image(im), _size(size)
    if any(wanted > length for wanted, length in zip(size, im.shape, strict=False)):
        raise SpecError(f"{tuple(size)} is larger than the image {im.shape}; see crop_or_pad")
    starts = [(length - wanted) // 2 for wanted, length in zip(size, im.shape, strict=False)]
    return im[tuple(slice(a, a + n) for a, n in zip(starts, size, strict=True))]


def _size(size: Iterable[SupportsIndex]) -> tuple[int, int]:
    height, width = whole_numbers("size", size, 2)
    if height < 0 or width < 0:
        raise SpecError(f"size is a height and a width, neither negative, not {size!r:.60}")
    return height, width


@checked_arguments
def crop_or_pad(im: ArrayLike, size: tuple[int, int], value: ArrayLike = 0) -> NDArray[Any]:
    """Return an image of that height and width: its middle, or itself with a border.

    Examples
    --------
    >>> crop_or_pad(np.arange(5)[None], (3, 3))
    array([[0, 0, 0],
           [1, 2, 3],
           [0, 0, 0]])
    """
    im, size = _image(im), _size(size)
    height, width = (min(n, m) for n, m in zip(size, im.shape, strict=False))
    kept = crop(im, (height, width))
    missing = [n - m for n, m in zip(size, kept.shape, strict=False)]
    around = [(n // 2, n - n // 2) for n in missing] + [(0, 0)] * (im.ndim - len(size))
    return np.pad(kept, around, constant_values=value)


@checked_arguments
def extract_patches(
    images: Iterable[NDArray[Any]],
    patch_shape: tuple[int, int],
    samples_per_image: int = 40,
    seed: int = 0,
    cycle: bool = True,
    *,
    copy: bool = False,
) -> Iterator[NDArray[Any]]:
    """Cut random patches from images, none of an image twice in one round.

    Parameters
    ----------
    images : iterable of ndarray
    patch_shape : (int, int)
    samples_per_image : int
        At most; an image has ``(H - h + 1) * (W - w + 1)`` patches.
    seed : int
        The same seed gives the same patches.
    cycle : bool
        Start again after the last image, endlessly; all images stay in memory.
    copy : bool
        Yield copies, not views of the images.

    Raises
    ------
    SpecError
        If an image is smaller than a patch.

    Examples
    --------
    >>> patches = extract_patches([np.zeros((5, 6))], (2, 3), 4, cycle=False)
    >>> [patch.shape for patch in patches]
    [(2, 3), (2, 3), (2, 3), (2, 3)]
    """
    patch_shape = _size(patch_shape)
    if not samples_per_image >= 0:
        raise SpecError(f"samples_per_image is a number of patches, not {samples_per_image}")
    rng = np.random.default_rng(seed)

    def patches() -> Iterator[NDArray[Any]]:
        kept: list[NDArray[Any]] = []
        for im in map(_image, found):
            kept += [im] if cycle else []
            yield from _patches(im, patch_shape, samples_per_image, rng, copy=copy)
        while cycle and kept:
            for im in kept:
                yield from _patches(im, patch_shape, samples_per_image, rng, copy=copy)

    # Outside of the generator, so that the error comes from the call, not from its first patch.
    try:
        found: Iterable[Any] = iter(images)
    except TypeError:
        raise WrongTypeError(
            f"images is {images!r:.60}; expected several, such as a list"
        ) from None
    return patches()


def _patches(
    im: NDArray[Any], shape: tuple[int, int], count: int, rng: np.random.Generator, *, copy: bool
) -> Iterator[NDArray[Any]]:
    rows, columns = im.shape[0] - shape[0] + 1, im.shape[1] - shape[1] + 1
    if rows < 1 or columns < 1:
        raise SpecError(f"an image of shape {im.shape} has no patch of {tuple(shape)}")
    # One number for each patch, drawn without replacement, stands for its row and column.
    places = rng.choice(rows * columns, min(count, rows * columns), replace=False)
    for row, column in zip(*np.divmod(places, columns), strict=True):
        patch = im[row : row + shape[0], column : column + shape[1]]
        yield patch.copy() if copy else patch


@checked_arguments
def integrate(ii: ArrayLike, r0: ArrayLike, c0: ArrayLike, r1: ArrayLike, c1: ArrayLike) -> Any:
    """Sum a rectangle of an image, from its integral image; all corners are inside.

    Parameters
    ----------
    ii : ndarray
        Sums over rows and columns, of two axes, or of three for channels.
    r0, c0, r1, c1 : int or array_like
        First and last row and column.

    Returns
    -------
    number or ndarray
        In the dtype of `ii`; with an axis of channels where `ii` has one.

    Examples
    --------
    >>> ii = np.ones((4, 5), int).cumsum(axis=0).cumsum(axis=1)
    >>> int(integrate(ii, 1, 1, 2, 3))
    6
    """
    ii = _image(ii)
    # A row and column of zeros in front: sums up to the row before the first are 0.
    border = [(1, 0), (1, 0), *[(0, 0)] * (ii.ndim - 2)]
    sums = np.pad(ii, border)
    corners = [np.asarray(corner) for corner in (r0, c0, r1, c1)]
    for corner, length in zip(corners, ii.shape[:2] * 2, strict=True):
        if corner.dtype.kind not in "iu" or (
            corner.size and not 0 <= corner.min() <= corner.max() < length
        ):
            raise BadIndexError(
                f"corners are rows and columns of an image of shape {ii.shape[:2]}, not "
                f"{(r0, c0, r1, c1)!r:.80}"
            )
    top, left, bottom, right = corners
    inside = sums[bottom + 1, right + 1] - sums[top, right + 1]
    return inside - sums[bottom + 1, left] + sums[top, left]


@checked_arguments
@also_named(shift="offset")
def offset(img: ArrayLike, offset: tuple[int, int], fill_value: ArrayLike = 0) -> NDArray[Any]:
    """Move an image down and to the right, by negative numbers up and left, and fill the gap.

    Examples
    --------
    >>> offset(np.array([[1, 2, 3]]), (0, 1))
    array([[0, 1, 2]])
    """
    img, shifts = _image(img), whole_numbers("offset", offset, 2)
    moved = np.full_like(img, fill_value)
    ours = tuple(
        slice(max(0, s), max(0, n + min(0, s))) for s, n in zip(shifts, img.shape, strict=False)
    )
    theirs = tuple(
        slice(max(0, -s), max(0, n - max(0, s))) for s, n in zip(shifts, img.shape, strict=False)
    )
    moved[ours] = img[theirs]
    return moved
