"""Weights of the pixels of cells: of regions, normalised, and the means that they give."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse import csr_array

from thunderlike.errors import SpecError, WrongTypeError
from thunderlike.kernels._validation import as_shape

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from thunderlike.extraction.regions import Regions

__all__ = ["normalised", "weighted_means", "weights_of_regions"]

_NEAR_ONE = 1e-6  # float32 weights that sum to 1 within this are left as they are


def weighted_means(block: NDArray[Any], weights: csr_array) -> NDArray[Any]:
    """Weighted means of the images of a block, of shape (n, K)."""
    narrow = block.dtype.kind == "f" and block.dtype.itemsize <= 4
    narrow |= block.dtype.kind in "iu" and block.dtype.itemsize <= 2
    used, columns = np.unique(weights.indices, return_inverse=True)
    parts = (weights.data.astype(np.float64), columns, weights.indptr)
    needed = csr_array(parts, shape=(weights.shape[0], len(used)))
    pixels = block.reshape(len(block), math.prod(block.shape[1:]))[:, used].T
    means = needed @ pixels.astype(np.float64)
    return np.ascontiguousarray(means.T, np.float32 if narrow else np.float64)


def weights_of_regions(
    regions: Regions, shape: Sequence[int] | None
) -> tuple[csr_array, tuple[int, ...]]:
    """Return equal weights of regions, and the shape of the image."""
    coordinates = regions.coordinates
    areas = np.array(regions.area, np.int64)
    if not areas.all():
        raise SpecError(f"region {int(np.argmin(areas))} has no pixels: leave it out")
    if shape is None:
        if not coordinates:
            raise SpecError("without regions the image has no shape: give shape=")
        image = tuple((np.concatenate(coordinates).max(axis=0) + 1).tolist())
    else:
        image = as_shape(shape, "shape")
    if not coordinates:
        return csr_array((0, math.prod(image)), dtype=np.float32), image
    every = np.concatenate(coordinates)
    if every.shape[1] != len(image) or (every >= image).any():
        number = 0
        if every.shape[1] == len(image):
            outside = (every >= image).any(axis=1)
            number = int(np.repeat(np.arange(len(areas)), areas)[outside][0])
        raise SpecError(
            f"region {number} reaches {coordinates[number].max(axis=0).tolist()}, and images have "
            f"shape {image}: give the shape of the images of the regions"
        )
    indices = np.ravel_multi_index(tuple(every.T), image)
    data = np.repeat(1 / areas, areas)
    indptr = np.concatenate([[0], np.cumsum(areas)])
    return csr_array((data, indices, indptr), shape=(len(areas), math.prod(image))), image


def normalised(weights: csr_array, shape: tuple[int, ...]) -> csr_array:
    """Return weights as float32 whose rows sum to 1, without zeros, with ascending indices."""
    if weights.ndim != 2 or weights.shape[1] != math.prod(shape):
        raise SpecError(
            f"weights have shape {weights.shape}, and images of shape {shape} have "
            f"{math.prod(shape)} pixels: give (K, {math.prod(shape)})"
        )
    if weights.dtype.kind not in "biuf":
        raise WrongTypeError(f"weights are {weights.dtype}: give real numbers")
    found = weights.astype(np.float64 if weights.dtype != np.float32 else np.float32, copy=True)
    found.sum_duplicates()  # which sorts as well
    found.eliminate_zeros()
    count = found.shape[0]
    rows = np.repeat(np.arange(count), np.diff(found.indptr))
    invalid = ~(np.isfinite(found.data) & (found.data > 0))
    if invalid.any():
        number = int(rows[invalid][0])
        value = found.data[invalid][0]
        raise SpecError(f"cell {number} has a weight of {value}: weights must be positive numbers")
    sums = np.bincount(rows, found.data, count)
    if not sums.all():
        raise SpecError(f"cell {int(np.argmin(sums))} has no pixels: leave it out")
    if found.dtype == np.float32:  # the same weights again: not changed by rounding
        sums[np.abs(sums - 1) <= _NEAR_ONE] = 1
    data = (found.data / sums[rows]).astype(np.float32)
    normalised = csr_array((data, found.indices, found.indptr), shape=found.shape)
    normalised.eliminate_zeros()
    return normalised
