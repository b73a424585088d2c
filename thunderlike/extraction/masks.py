"""Models of cells from label images, stacks of masks and ImageJ's selections, and back."""

from __future__ import annotations

import io
import math
import warnings
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse import csr_array, issparse

from thunderlike import storage
from thunderlike._arguments import caller_level
from thunderlike.data.file_sources import naming
from thunderlike.errors import SpecError, WrongTypeError
from thunderlike.extraction.model import ExtractionModel
from thunderlike.extraction.regions import Regions
from thunderlike.formats import imagej
from thunderlike.kernels._validation import as_array, as_shape, checked_arguments, same_values
from thunderlike.storage.atomic import draft

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from thunderlike.storage import AnyCredentials, AnyPath

__all__ = ["fromimagej", "fromlabels", "frommasks", "fromregional", "toimagej", "tolabels"]

_MOST_PIXELS = 2**28  # of all selections of a file


@checked_arguments
def fromlabels(image: ArrayLike) -> ExtractionModel:
    """Make a model of the labels of an image, as Cellpose and scikit-image return them.

    Parameters
    ----------
    image : array_like of int, of 2 or 3 axes
        Number of the cell of each pixel, 0 for none.

    Returns
    -------
    ExtractionModel
        With equal weights, in the order of the labels, which are ``quality['label']``.

    Raises
    ------
    SpecError
        For negative labels, fractions and masks.

    Examples
    --------
    >>> model = fromlabels([[0, 7, 7], [3, 0, 0]])
    >>> model.quality["label"], model.regions.area
    (array([3, 7]), [1, 2])
    >>> model.tolabels().tolist()
    [[0, 7, 7], [3, 0, 0]]
    """
    given = as_array(image, "the labels")
    labels = same_values(given, np.dtype(np.int64)) if given.dtype.kind in "iuf" else None
    if labels is None:
        raise WrongTypeError(
            f"labels are {given.dtype}: give whole numbers, or masks to frommasks()"
        )
    if labels.ndim not in (2, 3):
        raise SpecError(f"a label image of shape {labels.shape}: give 2 or 3 axes")
    if labels.size and labels.min() < 0:
        raise SpecError(f"labels reach down to {labels.min()}: 0 stands for no cell")
    pixels = np.flatnonzero(labels)
    values, rows = np.unique(labels.ravel()[pixels], return_inverse=True)
    ones = (np.ones(len(pixels)), (rows, pixels))
    weights = csr_array(ones, shape=(len(values), labels.size))
    return ExtractionModel(weights, labels.shape, quality={"label": values})


def tolabels(model: ExtractionModel, *, accepted_only: bool = False) -> NDArray[np.int32]:
    """Return an image of labels; see :meth:`ExtractionModel.tolabels`.

    Examples
    --------
    >>> tolabels(ExtractionModel([[[0, 0]], [[0, 2]]])).tolist()
    [[1, 0, 2]]
    """
    labels = _labels(model)
    weights = model.weights
    rows = np.repeat(np.arange(model.count), np.diff(weights.indptr))
    kept = model.accepted[rows] if accepted_only else np.ones(len(rows), bool)
    rows, pixels, values = rows[kept], weights.indices[kept], weights.data[kept]
    # The last of several values of a pixel is kept: the largest weight, of equal ones the first.
    order = np.lexsort((-rows, values))
    image = np.zeros(math.prod(model.shape), np.int32)
    image[pixels[order]] = labels[rows[order]]
    lost = len(pixels) - np.count_nonzero(image)
    if lost:
        gone = np.setdiff1d(labels[np.unique(rows)], image)
        also = f"; no pixel is left of the cells {gone.tolist()[:8]}" if gone.size else ""
        warnings.warn(
            f"{lost} pixels of overlapping cells are given to the cell of the largest weight{also}",
            stacklevel=caller_level(),
        )
    return image.reshape(model.shape)


def _labels(model: ExtractionModel) -> NDArray[np.int64]:
    """Return the labels that the cells had in an image, or numbers from 1."""
    given = model.quality.get("label")
    if given is not None and given.dtype.kind in "iu" and len(np.unique(given)) == len(given):
        labels = given.astype(np.int64)
        if labels.size and labels.min() > 0 and labels.max() < 2**31:
            return labels
    return np.arange(1, model.count + 1)


@checked_arguments
def frommasks(masks: Any, shape: Sequence[int] | None = None, order: str = "C") -> ExtractionModel:
    """Make a model of masks with weights.

    Parameters
    ----------
    masks : array_like of bool or float, shape (K, height, width), or sparse (K, pixels)
        Nonnegative weights of the pixels of each cell.
    shape : tuple of int, optional
        Of the image, for sparse masks.
    order : {'C', 'F'}
        Order of the pixels of sparse masks: 'F' for the footprints of CaImAn,
        ``frommasks(estimates.A.T, dims, order="F")``.

    Raises
    ------
    SpecError
        For a mask without pixels, negative weights and NaN.

    Examples
    --------
    >>> frommasks([[[True, True], [False, False]]]).regions.coordinates
    [array([[0, 0],
           [0, 1]])]
    """
    if order not in ("C", "F"):
        raise SpecError(f"order is 'C' or 'F', not {order!r:.60}")
    if not issparse(masks):
        dense = as_array(masks, "the masks")
        if dense.ndim not in (3, 4) or dense.dtype.kind not in "biuf":
            raise SpecError(
                f"masks of {dense.dtype} and shape {dense.shape}: give a stack of images of "
                "numbers, or an image of labels to fromlabels()"
            )
        return ExtractionModel(dense.reshape(len(dense), -1), dense.shape[1:])
    if shape is None:
        raise SpecError("sparse masks need the shape of the image: give shape=")
    image, found = as_shape(shape, "shape"), csr_array(masks)
    if order == "F" and found.shape[1] == math.prod(image):
        places = np.unravel_index(found.indices.astype(np.int64), image, order="F")
        parts = (found.data, np.ravel_multi_index(places, image), found.indptr)
        found = csr_array(parts, shape=found.shape)
    return ExtractionModel(found, image)


@checked_arguments
def fromregional(regions: Any, shape: Sequence[int] | None = None) -> ExtractionModel:
    """Make a model of the regions of the package regional, or of lists of coordinates.

    Parameters
    ----------
    regions : Regions, iterable or regional.many
    shape : tuple of int, optional
        Of the image.

    Examples
    --------
    >>> fromregional([[[0, 1], [0, 2]]], (4, 4)).centers.tolist()
    [[0.0, 1.5]]
    """
    return ExtractionModel(Regions(regions), shape)


# ImageJ


@checked_arguments
def fromimagej(
    path: AnyPath, shape: Sequence[int], credentials: AnyCredentials = None
) -> ExtractionModel:
    """Read the regions of interest of ImageJ: a ``.roi`` or ``.zip`` file, or a TIFF with overlays.

    Parameters
    ----------
    path : path
    shape : tuple of int
        Of the image: ``(height, width)``, or ``(depth, height, width)``, where a selection is on
        the plane of its slice, or of its position in the stack, or on all planes without one.
    credentials : mapping, optional
        As of ``tl.images.fromtif``.

    Returns
    -------
    ExtractionModel
        With equal weights of the pixels whose centers are inside, as ImageJ measures them.
        ``quality`` has ``name``, and ``position``, ``channel``, ``slice`` and ``frame``, numbered
        from 1 with 0 for all, where a selection has them.

    Raises
    ------
    SpecError
        For a selection without an area, such as a line, or outside of the image; names it.
    FormatError
        For damaged files and other formats.
    MissingExtraError
        Without roifile: ``pip install 'thunderlike[roi]'``.

    Warns
    -----
    UserWarning
        Where pixels outside of the image are left out; says how many.

    Examples
    --------
    >>> ExtractionModel([[[2, 3], [2, 4], [3, 4]]], (8, 8)).toimagej("memory://cells.zip")
    >>> fromimagej("memory://cells.zip", (8, 8)).regions.coordinates
    [array([[2, 3],
           [2, 4],
           [3, 4]])]
    """
    image = as_shape(shape, "shape")
    if len(image) not in (2, 3):
        raise SpecError(f"shape={image}: give (height, width) or (depth, height, width)")
    address = storage.at(path, credentials)
    data = storage.read(address)
    regions: list[NDArray[np.int64]] = []
    lost = cut = total = 0
    with naming(address):
        found = imagej.selections(data)
        for one in found:
            inside = one.spans.clipped((image[-2], image[-1]))
            if not inside.area:
                raise SpecError(
                    f"selection {one.name!r:.60} has no pixel in images of shape {image}"
                )
            missing = one.spans.area - inside.area
            lost, cut = lost + missing, cut + bool(missing)
            planes = _planes(one, image)
            total += inside.area * len(planes)
            if total > _MOST_PIXELS:
                raise SpecError(f"selections have more than {_MOST_PIXELS} pixels")
            pixels = inside.pixels()
            stacked = [np.insert(pixels, 0, plane, axis=1) for plane in planes]
            regions.append(np.concatenate(stacked) if len(image) == 3 else pixels)
    if lost:
        warnings.warn(
            f"{address}: {lost} pixels of {cut} selections are outside of the image and left out",
            stacklevel=caller_level(),
        )
    columns = {"name": [one.name for one in found]} | {
        key: [getattr(one.positions, key) for one in found] for key in imagej.Positions._fields
    }
    quality = {
        key: np.array(values, None if values else int)
        for key, values in columns.items()
        if key == "name" or any(values)
    }
    return ExtractionModel(Regions(regions), image, quality=quality)


def _planes(one: imagej.Selection, image: tuple[int, ...]) -> Sequence[int]:
    """Return the planes of a selection."""
    if len(image) == 2:
        return (0,)
    number = one.positions.slice or one.positions.position
    if number > image[0]:
        raise SpecError(
            f"selection {one.name!r:.60} is on slice {number}, and the volume has {image[0]}"
        )
    return range(image[0]) if number == 0 else (number - 1,)


def toimagej(
    model: ExtractionModel,
    path: AnyPath,
    *,
    accepted_only: bool = False,
    overwrite: bool = False,
    credentials: AnyCredentials = None,
) -> None:
    """Write regions of interest of ImageJ; see :meth:`ExtractionModel.toimagej`.

    Examples
    --------
    >>> toimagej(ExtractionModel([[[0, 1]]]), "memory://cell.roi", overwrite=True)
    """
    if len(model.shape) != 2:
        raise SpecError(
            f"regions of interest of ImageJ are of one plane, and cells of shape {model.shape} are "
            "not: write a label image, tolabels()"
        )
    chosen = model[model.accepted] if accepted_only else model
    name = storage.at(path).lower()
    if not name.endswith((".zip", ".roi")) or (name.endswith(".roi") and chosen.count != 1):
        raise SpecError(
            f"{path}: ImageJ reads {chosen.count} cells from a file whose name ends in .zip; .roi "
            "is for one"
        )
    contents = _encoded(chosen)
    with draft(path, imagej.looks_like, overwrite=overwrite, credentials=credentials) as made:
        if name.endswith(".roi"):
            made.file.write_bytes(next(iter(contents.values())))
        else:
            made.file.write_bytes(_archive(contents))


def _encoded(model: ExtractionModel) -> dict[str, bytes]:
    """Return the selection of each cell by its file name in an archive."""
    digits = max(4, len(str(model.count)))
    default = [f"{number + 1:0{digits}d}" for number in range(model.count)]
    names = list(map(str, model.quality["name"])) if "name" in model.quality else default
    columns = [_stack_positions(model, key) for key in imagej.Positions._fields]
    found: dict[str, bytes] = {}
    for number, (title, pixels) in enumerate(zip(names, model.regions.coordinates, strict=True)):
        positions = imagej.Positions(*(int(column[number]) for column in columns))
        content = imagej.encode(pixels, title, positions)
        stem = title.replace("/", "_").replace("\\", "_") or default[number]
        entry, repeated = stem, 1
        while entry in found:
            entry, repeated = f"{stem}-{repeated}", repeated + 1
        found[entry] = content
    return found


def _stack_positions(model: ExtractionModel, key: str) -> NDArray[Any]:
    values = model.quality.get(key)
    if values is None or values.dtype.kind not in "iu":
        return np.zeros(model.count, int)
    return values


def _archive(contents: dict[str, bytes]) -> bytes:
    """Return a zip file, the same one for the same selections."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in contents.items():
            entry = zipfile.ZipInfo(f"{name}.roi")  # of 1980, not of now
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, content)
    return stream.getvalue()
