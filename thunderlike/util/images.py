"""Small helpers for single images, numpy arrays of shape ``(height, width[, channels])``.

Boxes are half open, ``(top, left, bottom, right)`` with the last two outside, as slices and
scikit-image have them: ``crop_to_bounding_box(im, bounding_box(im))`` holds all of the object.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike.errors import BadIndex, SpecError, WrongType
from thunderlike.util.arrays import also_named, whole_numbers
from thunderlike.util.imagefiles import load, load_raw, save
from thunderlike.util.resizing import resize, resize_by_factor

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import ArrayLike, NDArray

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
    "resize",
    "resize_by_factor",
    "save",
]

Box = tuple[int, int, int, int]


def _image(im: ArrayLike) -> NDArray[Any]:
    """Return the image itself, or an array of a list; numbers of two axes and perhaps channels."""
    values = np.asarray(im)
    if values.dtype.kind not in "biufc":
        raise WrongType(f"an image is an array of numbers, not of {values.dtype}")
    if values.ndim < 2:
        raise SpecError(f"an image has two axes, and perhaps channels; this has {values.shape}")
    return values


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
        return im[..., :3].mean(axis=-1)
    raise SpecError(f"an image has 1, 3 or 4 channels; this has shape {im.shape}")


def bounding_box(alpha: ArrayLike, threshold: float = 0.1) -> Box:
    """Return the smallest box around all pixels above a threshold.

    Raises
    ------
    SpecError
        When there is none, or the image has no two axes.

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


def crop_to_bounding_box(im: ArrayLike, bb: Box) -> NDArray[Any]:
    """Return what is in a box, as a view.

    Examples
    --------
    >>> crop_to_bounding_box(np.arange(6).reshape(2, 3), (0, 1, 2, 3))
    array([[1, 2],
           [4, 5]])
    """
    top, left, bottom, right = whole_numbers("bb", bb, 4)
    return _image(im)[top:bottom, left:right]


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


def _size(size: Any) -> tuple[int, int]:
    height, width = whole_numbers("size", size, 2)
    if height < 0 or width < 0:
        raise SpecError(f"size is a height and a width, neither negative, not {size!r:.60}")
    return height, width


def crop_or_pad(im: ArrayLike, size: tuple[int, int], value: Any = 0) -> NDArray[Any]:
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
        Begin again after the last image, for ever; all images are kept for that.
    copy : bool
        Give copies, not views of the images.

    Raises
    ------
    SpecError
        For an image smaller than a patch.

    Examples
    --------
    >>> patches = extract_patches([np.zeros((5, 6))], (2, 3), 4, cycle=False)
    >>> [patch.shape for patch in patches]
    [(2, 3), (2, 3), (2, 3), (2, 3)]
    """
    patch_shape = _size(patch_shape)
    if samples_per_image < 0:
        raise SpecError(f"samples_per_image is a number of patches, not {samples_per_image}")
    rng = np.random.default_rng(seed)
    kept: list[NDArray[Any]] = []
    for im in map(_image, _iterable(images)):
        kept += [im] if cycle else []
        yield from _patches(im, patch_shape, samples_per_image, rng, copy=copy)
    while cycle and kept:
        for im in kept:
            yield from _patches(im, patch_shape, samples_per_image, rng, copy=copy)


def _iterable(images: Any) -> Iterable[Any]:
    try:
        return iter(images)
    except TypeError:
        raise WrongType(f"images are several, such as a list, not {images!r:.60}") from None


def _patches(
    im: Any, shape: tuple[int, int], count: int, rng: np.random.Generator, *, copy: bool
) -> Iterator[NDArray[Any]]:
    rows, columns = im.shape[0] - shape[0] + 1, im.shape[1] - shape[1] + 1
    if rows < 1 or columns < 1:
        raise SpecError(f"an image of shape {im.shape} has no patch of {tuple(shape)}")
    places = rng.choice(rows * columns, min(count, rows * columns), replace=False)
    for row, column in zip(*np.divmod(places, columns), strict=True):
        patch = im[row : row + shape[0], column : column + shape[1]]
        yield patch.copy() if copy else patch


def integrate(ii: ArrayLike, r0: Any, c0: Any, r1: Any, c1: Any) -> Any:
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
    border = [(1, 0), (1, 0), *[(0, 0)] * (ii.ndim - 2)]
    sums = np.pad(ii, border)
    corners = [np.asarray(corner) for corner in (r0, c0, r1, c1)]
    for corner, length in zip(corners, ii.shape[:2] * 2, strict=True):
        if corner.dtype.kind not in "iu" or (
            corner.size and not 0 <= corner.min() <= corner.max() < length
        ):
            raise BadIndex(
                f"corners are rows and columns of an image of shape {ii.shape[:2]}, not "
                f"{(r0, c0, r1, c1)!r:.80}"
            )
    r0, c0, r1, c1 = corners
    return sums[r1 + 1, c1 + 1] - sums[r0, c1 + 1] - sums[r1 + 1, c0] + sums[r0, c0]


@also_named(shift="offset")
def offset(img: ArrayLike, offset: tuple[int, int], fill_value: Any = 0) -> NDArray[Any]:
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
