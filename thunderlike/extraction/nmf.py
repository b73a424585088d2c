"""Regions by nonnegative matrix factorization of blocks, as thunder-extraction finds them."""

from __future__ import annotations

import math
import warnings
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.ndimage import generate_binary_structure, label, median_filter

from thunderlike import factorization
from thunderlike.errors import SpecError
from thunderlike.extraction.model import ExtractionModel
from thunderlike.extraction.regions import Region, Regions
from thunderlike.kernels._validation import checked_methods, is_between, is_whole
from thunderlike.registration.model import as_images

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from thunderlike._typing import Ints
    from thunderlike.data.blocks import Blocks
    from thunderlike.data.images import Images

__all__ = ["NMF"]

_SMOOTHING = 3  # pixels of the median along each axis
_TOL = 1e-5  # of the factorization


@checked_methods
@dataclass
class NMF:
    """Regions by nonnegative matrix factorization of a movie or of its blocks.

    The algorithm of thunder-extraction: components of a block are cut at a percentile, and their
    connected parts are regions. :class:`CellDetection` finds weaker cells and needs no number of
    components.

    Parameters
    ----------
    k : int
        Number of components of each block.
    max_iter : int
        Largest number of passes of the factorization.
    max_size : 'full' or float
        Regions have fewer pixels; 'full' stands for half of the block.
    min_size : int
        Least number of pixels of a connected part.
    percentile : float
        Of a component, above which its pixels are in a region.
    overlap : float or None
        Pixels of two regions of a block over those of either, above which they are merged; None
        merges none.
    seed : int, optional
        Of the start of the factorization.

    Raises
    ------
    SpecError
        For numbers out of range.

    Notes
    -----
    Negative values are taken as 0. Differences from thunder-extraction 1.2.1: the factorization is
    :class:`thunderlike.factorization.NMF`, equal in every run; sizes are in pixels, not in
    coordinates; the median that smooths a mask has 3 pixels along each axis, so that masks are not
    moved; regions in the padding of blocks are returned once.

    Examples
    --------
    >>> import thunderlike as tl
    >>> data, _, truth = tl.extraction.make_gaussian(n=1, noise=0.5, seed=42, withparams=True)
    >>> model = tl.extraction.NMF().fit(data)
    >>> model.count, bool(abs(model.centers - truth.centers).max() < 1)
    (1, True)
    """

    k: int = 5
    max_iter: int = 20
    max_size: Any = "full"
    min_size: int = 20
    percentile: float = 95
    overlap: float | None = 0.1
    seed: int | None = None

    def __post_init__(self) -> None:
        for name, least in (("k", 1), ("max_iter", 1), ("min_size", 0)):
            if not is_whole(getattr(self, name), least):
                raise SpecError(
                    f"{name} must be a whole number, at least {least}, not {getattr(self, name)!r}"
                )
        if self.max_size != "full" and not is_between(self.max_size, 0, math.inf):
            raise SpecError(f"max_size is 'full' or a number of pixels, not {self.max_size!r}")
        if not is_between(self.percentile, 0, 100):
            raise SpecError(f"percentile must be from 0 to 100, not {self.percentile!r}")
        if self.overlap is not None and not is_between(self.overlap, 0, 1):
            raise SpecError(f"overlap must be from 0 to 1, or None, not {self.overlap!r}")

    def fit(
        self,
        images: Images | ArrayLike,
        chunk_size: Ints | str | None = None,
        padding: Ints | None = None,
        *,
        deduplicate: bool = True,
    ) -> ExtractionModel:
        """Find regions in a movie.

        Parameters
        ----------
        images : Images or array_like
            Of 2 or 3 axes.
        chunk_size : int, tuple of int or str, optional
            Pixels of a block along each axis; by default the whole image.
        padding : int or tuple of int, optional
            Overlap of neighbouring blocks.
        deduplicate : bool
            Return a region of a padded block only if its center is in the block without padding;
            False returns it from each block, as thunder-extraction does.

        Returns
        -------
        ExtractionModel
            With equal weights, in the order of blocks and components.

        Raises
        ------
        SpecError
            For images of other axes, NaN, and more components than frames or pixels of a block.

        Notes
        -----
        One shuffle of the movie; on a worker, three copies of a block.

        Examples
        --------
        >>> import thunderlike as tl
        >>> data = tl.extraction.make_gaussian(n=5, noise=0.5, seed=42)
        >>> tl.extraction.NMF().fit(data, chunk_size=(50, 100)).count
        5
        """
        self.__post_init__()  # attributes may have changed
        given = as_images(images)
        shape = given.value_shape
        blocks = given.toblocks(shape if chunk_size is None else chunk_size, padding)
        found = _placed(blocks, blocks.map_generic(self._masks), deduplicate=deduplicate)
        padded = deduplicate and any(blocks.padding)
        parameters = asdict(self) | {
            "algorithm": "NMF",
            "chunk_size": chunk_size,
            "padding": padding,
            "deduplicate": deduplicate,
        }
        model = ExtractionModel(Regions(found), shape, parameters=parameters)
        # A region at a border may have its center in each of two blocks, by a fraction of a pixel.
        return model.merge() if padded else model

    def _masks(self, block: NDArray[Any]) -> list[NDArray[np.int64]]:
        """Return the pixels of the regions of a block."""
        rows = block.reshape(len(block), -1)
        algorithm = factorization.NMF(
            self.k, max_iter=self.max_iter, tol=_TOL, seed=self.seed, clip=True
        )
        with warnings.catch_warnings():  # of an error that still falls: a few passes are enough
            warnings.simplefilter("ignore", UserWarning)
            components = algorithm.fit_model(rows).components_
        regions: list[Region] = []
        for component in components.reshape(-1, *block.shape[1:]):
            regions += self._parts(component)
        if self.overlap is not None:
            regions = _merged(regions, self.overlap)
        return [one.coordinates for one in regions]

    def _parts(self, component: NDArray[Any]) -> list[Region]:
        """Return the connected parts of a component."""
        bright = component > np.percentile(component, self.percentile)
        numbers, count = label(bright, generate_binary_structure(bright.ndim, bright.ndim))
        sizes = np.bincount(numbers.ravel(), minlength=count + 1)
        largest = component.size / 2 if self.max_size == "full" else self.max_size
        parts = []
        for number in np.flatnonzero(sizes[1:] >= self.min_size) + 1:
            mask = median_filter((numbers == number).astype(np.uint8), _SMOOTHING)
            pixels = np.argwhere(mask)
            if 0 < len(pixels) < largest:
                parts.append(Region(pixels))
        return parts


def _merged(regions: list[Region], overlap: float) -> list[Region]:
    """Merge pairs of regions until none overlaps by more."""
    merged: list[Region] = []
    for one in regions:
        # A region that has grown may overlap with those before it.
        while hits := [other for other in merged if one.overlap(other) > overlap]:
            for other in hits:
                one = other.merge(one)
            merged = [other for other in merged if not any(other is hit for hit in hits)]
        merged.append(one)
    return merged


def _placed(blocks: Blocks, found: NDArray[Any], *, deduplicate: bool) -> list[NDArray[np.int64]]:
    """Return the regions of all blocks at their places in the image."""
    regions = []
    for number, masks in enumerate(found.ravel().tolist()):
        origin = np.array([one.start for one in blocks._grid.outer(number)])
        own = blocks._grid.own(number)
        for pixels in masks:
            placed = pixels + origin
            if not deduplicate or _holds(own, placed.mean(axis=0)):
                regions.append(placed)
    return regions


def _holds(own: Sequence[slice], center: NDArray[np.float64]) -> bool:
    """Check whether a block without padding holds a point; each point is in one block."""
    # A pixel reaches half a pixel to either side of its coordinate.
    return all(
        side.start - 0.5 <= place < side.stop - 0.5
        for side, place in zip(own, center.tolist(), strict=True)
    )
