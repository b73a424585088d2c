"""Images in samples: decoding, resizing, tiles, and the classes of label images."""

from __future__ import annotations

import io
import itertools
import tempfile
from math import log2
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from thunderlike._lazy import optional
from thunderlike.errors import FormatError
from thunderlike.formats import tiff
from thunderlike.formats.base import damage
from thunderlike.util.images import open_image

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from numpy.typing import ArrayLike, DTypeLike, NDArray
    from PIL.Image import Image

__all__ = [
    "class_color_map",
    "class_counts",
    "classes_of",
    "frames",
    "index_to_color",
    "inside_border",
    "jpeg",
    "median_frequency_weights",
    "opened",
    "pixels",
    "png",
    "raster",
    "recompressed",
    "tiles",
    "tracked",
]


Key = TypeVar("Key")

_SHORT, _LONG = 375, 500  # what --compress scales large photos down to
_AREA = 3 * _SHORT * _LONG


def opened(data: bytes) -> Image:
    """Decode an image; FormatError for other or truncated data."""
    with damage("image"):
        image = open_image(io.BytesIO(data))
        image.load()
        return image


def pixels(data: bytes, mode: str | None = None) -> NDArray[Any]:
    """Decode an image to an array, as stored or converted to a mode of Pillow."""
    image = opened(data)
    return np.asarray(image.convert(mode) if mode else image)


def png(array: ArrayLike) -> bytes:
    """Encode without loss: bool, uint8 and uint16 grey, uint8 colour."""
    return _encoded(array, "PNG", optimize=True)


def jpeg(array: ArrayLike, quality: int, subsampling: str = "4:2:0") -> bytes:
    """Encode with loss: uint8 grey or colour, ``(height, width[, 3])``."""
    return _encoded(array, "JPEG", quality=quality, subsampling=subsampling)


def _encoded(array: ArrayLike, kind: str, **options: object) -> bytes:
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(array)).save(file, kind, **options)
    return file.getvalue()


def recompressed(data: bytes, quality: int | None, subsampling: str) -> bytes:
    """Convert a photo to a JPEG file that every decoder reads, smaller if a quality is given.

    Ordinary JPEG files are unchanged, unless a quality is given and they have at least half
    of 375 x 500 pixels; those of more than one and a half times that are scaled down. Everything
    else (PNG, CMYK) becomes JPEG in full colour resolution.
    """
    from PIL import Image

    image = opened(data)
    # Three bytes a pixel, as decoded to RGB: the unit of _AREA.
    size = 3 * image.width * image.height
    strange = image.format != "JPEG" or len(image.getbands()) == len("CMYK")
    large = quality is not None and size > _AREA / 2
    if not strange and not large:
        return data
    if large and size > 1.5 * _AREA:
        scale = _LONG / max(image.size)
        width, height = (round(scale * side) for side in image.size)
        image = image.convert("RGB").resize((width, height), Image.Resampling.LANCZOS)
    # Conversions that do not shrink must not lose colour either.
    fine = subsampling if large else "444"
    return jpeg(
        np.asarray(image.convert("RGB")), 98 if quality is None else quality, ":".join(fine)
    )


def raster(data: bytes, dtype: DTypeLike) -> NDArray[Any]:
    """Decode a TIFF file to ``(bands, rows, columns)``; few bands, first or last in the file."""
    found = tiff.decode(data)
    if found.ndim not in (2, 3):
        raise FormatError(f"an image has 2 or 3 axes, not {found.ndim}")
    if found.ndim == 2:
        found = found[None]
    # Fewer bands than rows: the shorter of the two outer axes is that of bands.
    elif found.shape[-1] < found.shape[0]:
        found = np.moveaxis(found, -1, 0)
    return np.ascontiguousarray(found, dtype)


def tiles(
    arrays: Sequence[NDArray[Any]], sides: tuple[int, int], *, border: bool
) -> Iterator[tuple[int, tuple[NDArray[Any], ...]]]:
    """Divide arrays into tiles by their last two axes, rows and columns.

    Parameters
    ----------
    arrays : sequence of ndarray
        Arrays with the same rows and columns.
    sides : (int, int)
        Rows and columns of a tile.
    border : bool
        Keep the smaller tiles at the right and lower border.

    Yields
    ------
    int, tuple of ndarray
        Number of the tile in row-major order, omitted ones included; and a view of each array.

    Examples
    --------
    >>> [(n, tile.shape) for n, (tile,) in tiles([np.zeros((1, 5, 4))], (2, 2), border=False)]
    [(0, (1, 2, 2)), (1, (1, 2, 2)), (2, (1, 2, 2)), (3, (1, 2, 2))]
    """
    (rows, columns), (high, wide) = arrays[0].shape[-2:], sides
    corners = itertools.product(range(0, rows, high), range(0, columns, wide))
    for number, (top, left) in enumerate(corners):
        if border or (top + high <= rows and left + wide <= columns):
            where = (..., slice(top, top + high), slice(left, left + wide))
            yield number, tuple(array[where] for array in arrays)


def classes_of(image: NDArray[np.uint8], colors: ArrayLike) -> NDArray[np.uint8]:
    """Classify the pixels of an RGB image by their colours; 0 for unknown ones.

    Examples
    --------
    >>> classes_of(np.array([[[255, 0, 0], [1, 2, 3]]], "uint8"), [(0, 0, 0), (255, 0, 0)])
    array([[1, 0]], dtype=uint8)
    """
    # One number for each colour, so that a sorted search finds all pixels at once.
    weights = np.array([65536, 256, 1])
    known = np.asarray(colors, np.int64) @ weights
    order = np.argsort(known, kind="stable")
    values = image.astype(np.int64) @ weights
    # Larger than all known ones: the search returns the end, which is not a place.
    place = np.searchsorted(known[order], values).clip(max=len(known) - 1)
    found = order[place]
    return np.where(known[found] == values, found, 0).astype(np.uint8)


def class_color_map(n: int = 256) -> NDArray[np.uint8]:
    """Return the colours of classes of PASCAL VOC, made of the bits of the label.

    Bits 0, 1, 2 of a label are the highest bits of red, green and blue, bits 3, 4, 5 the next.

    Parameters
    ----------
    n : int
        Number of classes.

    Returns
    -------
    ndarray of uint8
        ``(n, 3)``.

    Examples
    --------
    >>> class_color_map(4).tolist()
    [[0, 0, 0], [128, 0, 0], [0, 128, 0], [128, 128, 0]]
    """
    # Bit 3i + c of the label becomes bit 7 - i of channel c: `packbits` fills from the highest bit.
    bits = np.arange(n)[:, None] >> np.arange(24) & 1
    return np.packbits(bits.reshape(n, 8, 3).transpose(0, 2, 1).astype(np.uint8), axis=-1)[..., 0]


def index_to_color(array: ArrayLike, colors: ArrayLike | None = None) -> NDArray[np.uint8]:
    """Paint labels.

    Parameters
    ----------
    array : array_like of int
        Labels, of any shape.
    colors : array_like, optional
        ``(classes, 3)``, by label, such as ``get("VOC2012").colors``. Without it, as ADE20k paints
        its many classes: ``label // 256 * 10`` is red, ``label % 256`` green.

    Returns
    -------
    ndarray of uint8
        With a last axis of 3.

    Examples
    --------
    >>> index_to_color([[1, 300]]).tolist()
    [[[0, 1, 0], [10, 44, 0]]]
    """
    labels = np.asarray(array)
    if colors is not None:
        chosen: NDArray[np.uint8] = np.asarray(colors, np.uint8)[labels]
        return chosen
    painted = [labels // 256 * 10, labels % 256, np.zeros_like(labels)]
    return np.stack(painted, axis=-1).astype(np.uint8)


def inside_border(image: Image, far: float) -> tuple[int, int, int, int]:
    """Return left, top, right and bottom of the pixels that differ from the corner."""
    values = np.asarray(image).astype(int)
    found = (np.abs(values - values[0, 0]) > far).any(axis=-1)
    rows, columns = (np.flatnonzero(found.any(axis=axis)) for axis in (1, 0))
    if not len(rows):
        raise FormatError("the image has one colour; nothing is inside its border")
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def frames(data: bytes) -> Iterator[NDArray[np.uint8]]:
    """Yield the frames of a video as RGB."""
    vision = optional("cv2", extra="vision")
    # OpenCV reads videos only from files.
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "video.avi"
        place.write_bytes(data)
        video = vision.VideoCapture(str(place))
        if not video.isOpened():
            raise FormatError("the video cannot be read; download the archive again")
        while (found := video.read())[0]:
            yield np.ascontiguousarray(found[1][..., ::-1])  # OpenCV has blue first
        video.release()


def tracked(
    before: NDArray[np.uint8],
    now: NDArray[np.uint8],
    points: Mapping[Key, Any],
    window: int,
    error: float,
) -> dict[Key, Any]:
    """Track points by the method of Lucas and Kanade, without those that fail in reverse."""
    vision = optional("cv2", extra="vision")
    old = np.array(list(points.values()), np.float32).reshape(-1, 1, 2)
    follow = {
        "winSize": (window, window),
        "maxLevel": max(int(log2(min(now.shape) / window)), 1),
        "criteria": (vision.TERM_CRITERIA_EPS | vision.TERM_CRITERIA_COUNT, 10, 0.03),
    }
    new = vision.calcOpticalFlowPyrLK(before, now, old, None, **follow)[0]
    back = vision.calcOpticalFlowPyrLK(now, before, new, None, **follow)[0]
    good = np.abs(old - back).reshape(-1, 2).max(axis=-1) < error
    return {
        mark: at for mark, at, kept in zip(points, new.reshape(-1, 2), good, strict=True) if kept
    }


def class_counts(images: Iterable[NDArray[Any]]) -> dict[int, float]:
    """Sum, over images, the fraction of pixels of each label.

    Examples
    --------
    >>> class_counts([np.array([[0, 2]]), np.array([[2]])])
    {0: 0.5, 2: 1.5}
    """
    counts: dict[int, float] = {}
    for image in images:
        labels, found = np.unique(image, return_counts=True)
        for label, fraction in zip(labels.tolist(), (found / image.size).tolist(), strict=True):
            counts[label] = counts.get(label, 0.0) + fraction
    return dict(sorted(counts.items()))


def median_frequency_weights(counts: Iterable[float] | Mapping[int, float]) -> list[float]:
    """Return class weights: the median frequency divided by that of each class.

    Counts may have any unit; a mapping by label gives the weights in its order.

    Examples
    --------
    >>> median_frequency_weights([1, 2, 4])
    [2.0, 1.0, 0.5]
    """
    values = list(counts.values()) if hasattr(counts, "values") else list(counts)
    found = np.asarray(values, float)
    return [float(weight) for weight in np.median(found) / found]
