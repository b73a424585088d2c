"""Weights of the pixels of cells: checks, pixels without values, neuropil rings."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike.errors import SpecError, WrongTypeError
from thunderlike.kernels._validation import as_array, as_shape

if TYPE_CHECKING:
    from scipy.sparse import csr_array

    from thunderlike._typing import Array, Shape

__all__ = ["as_weights", "mask_of", "normalized", "rings", "without_pixels"]

_STEP = 2  # px by which a ring grows
_LARGEST = 40  # px from the cell to the end of a ring
_MARGIN = 14  # px around a cell that are searched first
_FEWEST = 10  # pixels of a ring


def as_weights(weights: Any, shape: Any) -> tuple[csr_array, Shape]:
    """Return weights as a matrix with sorted entries that are not 0, and the shape of a frame.

    Parameters
    ----------
    weights : sparse array or ndarray, shape (K, pixels), or ndarray, shape (K, *shape)
        Not negative.
    shape : tuple of int

    Raises
    ------
    SpecError
        For another shape, and for weights that are negative or not finite.
    WrongTypeError
        For weights that are no numbers.

    Examples
    --------
    >>> matrix, shape = as_weights(np.eye(2, 6), (2, 3))
    >>> matrix.shape, matrix.nnz, shape
    ((2, 6), 2, (2, 3))
    """
    from scipy import sparse

    shape = as_shape(shape)
    pixels = math.prod(shape)
    if sparse.issparse(weights):
        matrix = sparse.csr_array(weights)
    else:
        array = as_array(weights, "the weights")
        if array.ndim == len(shape) + 1:
            array = array.reshape(len(array), math.prod(array.shape[1:]))
        if array.ndim != 2:
            raise SpecError(
                f"weights have shape {np.shape(weights)}: give (K, {pixels}) or (K, *{shape})"
            )
        matrix = sparse.csr_array(array)
    if matrix.shape[1] != pixels:
        raise SpecError(
            f"weights are of {matrix.shape[1]} pixels, frames of shape {shape} have {pixels}: "
            "give the shape of the frames in which the cells were found"
        )
    if matrix.dtype.kind not in "biuf":
        raise WrongTypeError(f"weights of {matrix.dtype} are no real numbers")
    matrix = matrix.astype(np.float64)
    matrix.sum_duplicates()  # sorts entries as well
    matrix.eliminate_zeros()
    if not (np.isfinite(matrix.data).all() and (matrix.data > 0).all()):
        bad = np.flatnonzero(~(matrix.data > 0) | ~np.isfinite(matrix.data))
        row = int(np.searchsorted(matrix.indptr, bad[0], side="right")) - 1
        raise SpecError(
            f"the weights of cell {row} hold {matrix.data[bad[0]]}: weights are finite and not "
            "negative"
        )
    return matrix, shape


def normalized(matrix: csr_array) -> csr_array:
    """Scale the rows of weights to a sum of 1; rows without entries stay empty.

    Examples
    --------
    >>> from scipy.sparse import csr_array
    >>> normalized(csr_array([[1.0, 3.0], [0.0, 0.0]])).toarray()
    array([[0.25, 0.75],
           [0.  , 0.  ]])
    """
    scaled = matrix.copy()
    counts = np.diff(scaled.indptr)
    sums = np.add.reduceat(np.append(scaled.data, 0), scaled.indptr[:-1]) if len(counts) else counts
    scaled.data = scaled.data / np.repeat(np.where(counts > 0, sums, 1), counts)
    return scaled


def mask_of(valid: Any, shape: Shape) -> Array | None:
    """Return the pixels that have values as a mask of the frame's shape, None for all.

    Raises
    ------
    SpecError
        For a mask of another shape or dtype.

    Examples
    --------
    >>> mask_of(None, (2, 2)) is None
    True
    """
    if valid is None:
        return None
    mask = np.asarray(valid)
    if mask.dtype != bool or mask.shape != shape:
        raise SpecError(
            f"valid has shape {mask.shape} and dtype {mask.dtype}: give a bool mask of the shape "
            f"of a frame, {shape}"
        )
    return mask


def without_pixels(matrix: csr_array, valid: Array) -> csr_array:
    """Drop the weights of pixels that are False in a mask.

    Examples
    --------
    >>> from scipy.sparse import csr_array
    >>> without_pixels(csr_array([[0.5, 0.5, 0.0]]), np.array([True, False, True])).toarray()
    array([[0.5, 0. , 0. ]])
    """
    kept = matrix.copy()
    kept.data = np.where(valid.ravel()[kept.indices], kept.data, 0)
    kept.eliminate_zeros()
    return kept


def rings(
    matrix: csr_array,
    shape: Shape,
    *,
    inner: float = 2,
    min_pixels: int = 350,
    valid: Array | None = None,
) -> csr_array:
    """Find the neuropil around each cell: a ring of pixels that are in no cell.

    Parameters
    ----------
    matrix : csr_array, shape (K, pixels)
        Weights; a pixel with a weight belongs to the cell.
    shape : tuple of int
        Shape of a frame.
    inner : float
        Distance from the cell in pixels up to which pixels are left out.
    min_pixels : int
        The ring grows by 2 px until it has so many free pixels, or is 40 px from the cell.
    valid : ndarray of bool, shape `shape`, optional
        Pixels that may be used.

    Returns
    -------
    csr_array of float64, shape (K, pixels)
        Rows sum to 1. Rows with fewer than 10 free pixels are empty.

    Notes
    -----
    Free pixels are those of no cell, nor next to one. Distances are Euclidean and found on a crop
    around the cell: the time depends on the number of cells, not on the size of frames.

    Examples
    --------
    >>> from scipy.sparse import csr_array
    >>> cell = np.zeros((1, 30, 30))
    >>> cell[0, 14:17, 14:17] = 1
    >>> ring = rings(csr_array(cell.reshape(1, -1)), (30, 30), min_pixels=100)
    >>> ring.nnz, round(float(ring.sum()), 6)
    (132, 1.0)
    """
    from scipy import ndimage, sparse

    free = np.ones(math.prod(shape), bool)
    free[matrix.indices] = False
    free = ~ndimage.binary_dilation(~free.reshape(shape))
    if valid is not None:
        free &= valid
    chosen = []
    for row in range(matrix.shape[0]):
        pixels = matrix.indices[matrix.indptr[row] : matrix.indptr[row + 1]]
        found = _ring(pixels, free, inner, min_pixels) if pixels.size else pixels
        chosen.append(found if found.size >= _FEWEST else found[:0])
    counts = np.array([found.size for found in chosen], np.int64)
    starts = np.concatenate([[0], np.cumsum(counts)])
    indices = np.concatenate([np.empty(0, np.int64), *chosen])
    data = np.repeat(1 / np.maximum(counts, 1), counts)
    return sparse.csr_array((data, indices, starts), shape=matrix.shape)


def _ring(pixels: Array, free: Array, inner: float, min_pixels: int) -> Array:
    """Return the numbers of the free pixels around a cell, sorted."""
    from scipy import ndimage

    where = np.array(np.unravel_index(pixels, free.shape))
    low, high = where.min(axis=1), where.max(axis=1) + 1
    margin = min(max(_MARGIN, int(inner) + 2 * _STEP), _LARGEST)
    while True:
        first = np.maximum(low - margin, 0)
        last = np.minimum(high + margin, free.shape)
        crop = tuple(slice(a, b) for a, b in zip(first, last, strict=True))
        outside = np.ones(tuple(last - first), bool)
        outside[tuple(where - first[:, np.newaxis])] = False
        distance = ndimage.distance_transform_edt(outside)
        usable = free[crop] & (distance > inner)
        # Beyond the margin the corners of the crop are searched only in part.
        radii = np.arange(inner + _STEP, margin + 1, _STEP)
        counts = np.searchsorted(np.sort(distance[usable]), radii, side="right")
        enough = np.flatnonzero(counts >= min_pixels)
        if enough.size or margin >= _LARGEST:
            radius = radii[enough[0]] if enough.size else _LARGEST
            inside = np.array(np.nonzero(usable & (distance <= radius)))
            index = tuple(inside + first[:, np.newaxis])
            found: Array = np.ravel_multi_index(index, free.shape).astype(np.int64)
            return found
        margin = min(2 * margin, _LARGEST)
