"""Regions of images as lists of pixels, with the names of the package regional.

Axes are numpy's, ``(y, x)`` or ``(z, y, x)``. A region is never changed: methods return new ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from numbers import Real
from typing import TYPE_CHECKING, Any, Self, TypeAlias, overload

import numpy as np

from thunderlike._lazy import optional
from thunderlike.data.indexing import positions, selectors
from thunderlike.errors import SpecError, WrongTypeError
from thunderlike.kernels._validation import as_array, checked_methods, is_whole

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import ArrayLike, NDArray

    from thunderlike._typing import Array

__all__ = ["Color", "Region", "Regions"]

Color: TypeAlias = str | Sequence[float] | None
_WHITE = 1.0
_LARGEST = 2**31  # of a coordinate


@checked_methods
class Region:
    """Pixels of an image.

    Parameters
    ----------
    coordinates : array_like of int, shape (n, nd)
        One row a pixel. Repeated pixels count once, and their order is kept.

    Raises
    ------
    SpecError
        For coordinates of another shape, negative ones and fractions.

    Examples
    --------
    >>> region = Region([[0, 1], [0, 2], [1, 1]])
    >>> region.area, region.bbox.tolist()
    (3, [0, 1, 1, 2])
    """

    def __init__(self, coordinates: ArrayLike) -> None:
        found = np.array(as_array(coordinates, "coordinates"))  # a copy
        if found.ndim == 1 and found.size:
            found = found[np.newaxis]
        if found.ndim != 2 or (found.size and not 1 <= found.shape[1] <= 3):
            raise SpecError(
                f"coordinates of a region have shape {found.shape}: give one row a pixel, (n, 2) "
                "or (n, 3)"
            )
        whole = found.astype(np.int64) if found.dtype.kind in "iuf" else None
        if whole is None or not np.array_equal(whole, found):
            raise SpecError("coordinates of a region must be whole numbers")
        if whole.size and not 0 <= whole.min() <= whole.max() < _LARGEST:
            raise SpecError(
                f"coordinates of a region reach from {whole.min()} to {whole.max()}: give pixels "
                f"from 0 to {_LARGEST - 1}"
            )
        if len(whole):
            _, first = np.unique(whole, axis=0, return_index=True)
            whole = whole[np.sort(first)]
        whole.flags.writeable = False
        self._coordinates = whole

    @property
    def coordinates(self) -> NDArray[np.int64]:
        """Pixels, of shape ``(n, nd)``; read-only."""
        return self._coordinates

    @property
    def area(self) -> int:
        """Number of pixels."""
        return len(self._coordinates)

    @property
    def center(self) -> NDArray[np.float64]:
        """Mean of the coordinates; NaN without pixels."""
        if not self.area:
            return np.full(self._coordinates.shape[1], np.nan)
        center: NDArray[np.float64] = self._coordinates.mean(axis=0)
        return center

    @property
    def bbox(self) -> NDArray[np.int64]:
        """Smallest and largest coordinate along each axis, of shape ``(2 nd,)``."""
        if not self.area:
            raise SpecError("a region without pixels has no bounding box")
        return np.concatenate([self._coordinates.min(axis=0), self._coordinates.max(axis=0)])

    @property
    def extent(self) -> NDArray[np.int64]:
        """Lengths of the bounding box."""
        low, high = np.split(self.bbox, 2)
        extent: NDArray[np.int64] = high - low + 1
        return extent

    @property
    def hull(self) -> NDArray[np.int64]:
        """Pixels that are vertices of the convex hull; all pixels where these lie on a line."""
        from scipy.spatial import ConvexHull, QhullError

        if self.area < self._coordinates.shape[1] + 2:
            return self._coordinates
        try:
            vertices = self._coordinates[ConvexHull(self._coordinates).vertices]
        except QhullError:
            return self._coordinates
        return np.asarray(vertices, np.int64)

    def distance(self, other: Region | ArrayLike) -> float:
        """Return the distance of the center from that of another region, or from a point.

        Examples
        --------
        >>> Region([[0, 0]]).distance(Region([[3, 4]]))
        5.0
        """
        point = other.center if isinstance(other, Region) else np.asarray(other, np.float64)
        return float(np.linalg.norm(self.center - point))

    def merge(self, other: Region | ArrayLike) -> Region:
        """Return the pixels of either region.

        Examples
        --------
        >>> Region([[0, 0]]).merge(Region([[0, 0], [0, 1]])).coordinates.tolist()
        [[0, 0], [0, 1]]
        """
        return Region(np.concatenate([self._coordinates, _region(other)._coordinates]))

    def exclude(self, other: Region | ArrayLike) -> Region:
        """Return the pixels that are not in another region, or not 0 in an array.

        Examples
        --------
        >>> Region([[0, 0], [0, 1]]).exclude(Region([[0, 0]])).coordinates.tolist()
        [[0, 1]]
        """
        if not isinstance(other, Region):
            other = Region(np.argwhere(np.asarray(other)))
        return Region(self._coordinates[~self._shared(other)])

    def _shared(self, other: Region) -> NDArray[np.bool_]:
        """Return the mask of the pixels that another region has also."""
        if not self.area or not other.area:
            return np.zeros(self.area, bool)
        shape = np.maximum(self._coordinates.max(axis=0), other._coordinates.max(axis=0)) + 1
        own, others = (
            np.ravel_multi_index(tuple(one._coordinates.T), tuple(shape)) for one in (self, other)
        )
        return np.isin(own, others)

    def overlap(self, other: Region, method: str = "fraction") -> Any:
        """Return the share of pixels that two regions have in common.

        Parameters
        ----------
        other : Region
        method : {'fraction', 'rates'}
            Common pixels over those of either region; or the pair of common pixels over those of
            this region, and over those of the other.

        Examples
        --------
        >>> one, other = Region([[0, 0], [0, 1]]), Region([[0, 1], [0, 2], [0, 3]])
        >>> one.overlap(other), one.overlap(other, "rates")
        (0.25, (0.5, 0.3333333333333333))
        """
        if method not in ("fraction", "rates"):
            raise SpecError(f"method is 'fraction' or 'rates', not {method!r}")
        if not self.area or not other.area:
            return (0.0, 0.0) if method == "rates" else 0.0
        common = int(self._shared(other).sum())
        if method == "rates":
            return common / self.area, common / other.area
        return common / (self.area + other.area - common)

    def crop(self, min: Sequence[int], max: Sequence[int]) -> Region:  # regional's
        """Return the pixels from `min` up to and without `max`.

        Examples
        --------
        >>> Region([[0, 0], [0, 5]]).crop((0, 0), (4, 4)).coordinates.tolist()
        [[0, 0]]
        """
        return Region(self._coordinates[self._within(min, max)])

    def inbounds(self, min: Sequence[int], max: Sequence[int]) -> bool:
        """Check whether all pixels lie from `min` up to and without `max`.

        Examples
        --------
        >>> Region([[0, 0], [0, 5]]).inbounds((0, 0), (4, 4))
        False
        """
        return bool(self._within(min, max).all())

    def _within(self, low: Sequence[int], high: Sequence[int]) -> NDArray[np.bool_]:
        inside = (self._coordinates >= np.asarray(low)) & (self._coordinates < np.asarray(high))
        return np.asarray(inside.all(axis=1))

    def dilate(self, size: int) -> Region:
        """Return the pixels within `size` pixels along every axis, from coordinate 0 on.

        Examples
        --------
        >>> Region([[0, 1]]).dilate(1).coordinates.tolist()
        [[0, 0], [0, 1], [0, 2], [1, 0], [1, 1], [1, 2]]
        """
        if not is_whole(size, 0):
            raise SpecError(f"size must be a whole number, at least 0, not {size!r}")
        if not size or not self.area:
            return self
        from scipy.ndimage import binary_dilation

        nd = self._coordinates.shape[1]
        origin = self.bbox[:nd] - size
        mask = np.zeros(self.extent + 2 * int(size), bool)
        mask[tuple((self._coordinates - origin).T)] = True
        grown = np.argwhere(binary_dilation(mask, np.ones((2 * int(size) + 1,) * nd))) + origin
        return Region(grown[(grown >= 0).all(axis=1)])

    def outline(self, inner: int, outer: int) -> Region:
        """Return the pixels between two dilations.

        Examples
        --------
        >>> Region([[1, 1]]).outline(0, 1).area
        8
        """
        return self.dilate(outer).exclude(self.dilate(inner))

    def mask(
        self,
        dims: Sequence[int] | None = None,
        base: ArrayLike | None = None,
        fill: Color = "deeppink",
        stroke: Color = "black",
        background: Color = None,
    ) -> Array:
        """Return a picture of the region, as :meth:`Regions.mask`.

        Examples
        --------
        >>> Region([[0, 1], [0, 2]]).mask((3, 4), fill="red")[0, 1].tolist()
        [1.0, 0.0, 0.0]
        """
        return Regions([self]).mask(dims, base, fill, stroke, background)

    def __repr__(self) -> str:
        if not self.area:
            return "region\narea: 0"
        return f"region\ncenter: {self.center.tolist()}\nbbox: {self.bbox.tolist()}"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Region):
            return NotImplemented
        return np.array_equal(self._coordinates, other._coordinates)

    __hash__ = None  # type: ignore[assignment]  # it compares by its array


def _region(value: Region | ArrayLike) -> Region:
    """Return a region, also of an object of the package regional."""
    if isinstance(value, Region):
        return value
    return Region(getattr(value, "coordinates", value))


@checked_methods
class Regions(Sequence[Region]):
    """Regions of one image.

    Parameters
    ----------
    regions : Region or iterable
        Regions, lists of coordinates, or objects of the package regional.

    Examples
    --------
    >>> regions = Regions([[[0, 1], [0, 2]], [[2, 2]]])
    >>> regions.count, regions.area
    (2, [2, 1])
    """

    def __init__(self, regions: Region | Iterable[Any]) -> None:
        given: Any = getattr(regions, "regions", regions)
        if isinstance(given, Region) or (hasattr(given, "coordinates") and hasattr(given, "bbox")):
            given = [given]
        if isinstance(given, str | bytes) or not hasattr(given, "__iter__"):
            raise WrongTypeError(
                f"a {type(regions).__name__} holds no regions: give a list of regions or of their "
                "coordinates"
            )
        self._regions = tuple(map(_region, given))
        axes = {one.coordinates.shape[1] for one in self._regions if one.area}
        if len(axes) > 1:
            raise SpecError(f"regions have {sorted(axes)} axes: all must have the same number")

    def __len__(self) -> int:
        return len(self._regions)

    @overload
    def __getitem__(self, item: int) -> Region: ...
    @overload
    def __getitem__(self, item: slice) -> Self: ...
    def __getitem__(self, item: Any) -> Any:
        """Return a region by its number, or the regions of a slice, list of numbers or mask."""
        if is_whole(item, -len(self), len(self)):
            return self._regions[int(item)]
        [selector] = selectors(item, (len(self),))
        return type(self)([self._regions[row] for row in positions(selector, len(self))])

    def __iter__(self) -> Iterator[Region]:
        return iter(self._regions)

    @property
    def count(self) -> int:  # type: ignore[override]  # as regional has it, and Images
        """Number of regions."""
        return len(self._regions)

    @property
    def regions(self) -> list[Region]:
        """Regions as a list."""
        return list(self._regions)

    @property
    def coordinates(self) -> list[NDArray[np.int64]]:
        """Pixels of each region."""
        return [one.coordinates for one in self]

    @property
    def center(self) -> list[NDArray[np.float64]]:
        """Center of each region."""
        return [one.center for one in self]

    @property
    def area(self) -> list[int]:
        """Number of pixels of each region."""
        return [one.area for one in self]

    @property
    def bbox(self) -> list[NDArray[np.int64]]:
        """Bounding box of each region."""
        return [one.bbox for one in self]

    @property
    def extent(self) -> list[NDArray[np.int64]]:
        """Lengths of the bounding box of each region."""
        return [one.extent for one in self]

    @property
    def hull(self) -> list[NDArray[np.int64]]:
        """Convex hull of each region."""
        return [one.hull for one in self]

    def distance(self, other: Region | ArrayLike) -> list[float]:
        """Return the distance of each region from another, or from a point.

        Examples
        --------
        >>> Regions([[[0, 0]], [[3, 4]]]).distance([0, 0])
        [0.0, 5.0]
        """
        return [one.distance(other) for one in self]

    def overlap(self, other: Region, method: str = "fraction") -> list[Any]:
        """Return the overlap of each region with another, as :meth:`Region.overlap`.

        Examples
        --------
        >>> Regions([[[0, 0]], [[3, 4]]]).overlap(Region([[0, 0]]))
        [1.0, 0.0]
        """
        return [one.overlap(other, method) for one in self]

    def inbounds(self, min: Sequence[int], max: Sequence[int]) -> list[bool]:
        """Check each region, as :meth:`Region.inbounds`.

        Examples
        --------
        >>> Regions([[[0, 0]], [[3, 4]]]).inbounds((0, 0), (4, 4))
        [True, False]
        """
        return [one.inbounds(min, max) for one in self]

    def merge(self, other: Region | ArrayLike) -> Self:
        """Merge another region into each.

        Examples
        --------
        >>> Regions([[[0, 0]], [[3, 4]]]).merge(Region([[0, 0]])).area
        [1, 2]
        """
        return type(self)([one.merge(other) for one in self])

    def exclude(self, other: Region | ArrayLike) -> Self:
        """Remove the pixels of another region, or those that are not 0 in an array, from each.

        Examples
        --------
        >>> Regions([[[0, 0]], [[3, 4]]]).exclude(Region([[0, 0]])).area
        [0, 1]
        """
        return type(self)([one.exclude(other) for one in self])

    def crop(self, min: Sequence[int], max: Sequence[int]) -> Self:
        """Crop each region, as :meth:`Region.crop`.

        Examples
        --------
        >>> Regions([[[0, 0]], [[3, 4]]]).crop((0, 0), (2, 2)).area
        [1, 0]
        """
        return type(self)([one.crop(min, max) for one in self])

    def dilate(self, size: int) -> Self:
        """Dilate each region, as :meth:`Region.dilate`.

        Examples
        --------
        >>> Regions([[[0, 0]], [[3, 4]]]).dilate(1).area
        [4, 9]
        """
        return type(self)([one.dilate(size) for one in self])

    def outline(self, inner: int, outer: int) -> Self:
        """Return the outline of each region, as :meth:`Region.outline`.

        Examples
        --------
        >>> Regions([[[0, 0]], [[3, 4]]]).outline(0, 1).area
        [3, 8]
        """
        return type(self)([one.outline(inner, outer) for one in self])

    def mask(
        self,
        dims: Sequence[int] | None = None,
        base: ArrayLike | None = None,
        fill: Any = "deeppink",
        stroke: Any = "black",
        background: Color = None,
        cmap: Any = None,
        cmap_stroke: Any = None,
        value: ArrayLike | None = None,
    ) -> Array:
        """Return a picture of the regions, drawn one after the other.

        Parameters
        ----------
        dims : tuple of int, optional
            Height and width; by default those of the bounding box of all regions, which is then
            the picture.
        base : array_like, optional
            Picture to draw on, grey or RGB, with values from 0 to 1.
        fill, stroke : str, sequence or None
            Color of the pixels, and of the outline outside of them: a name, three numbers from 0
            to 1, a list with one of these for each region, or None for none.
        background : str or sequence, optional
            Color behind the regions, white by default.
        cmap, cmap_stroke : str or Colormap, optional
            Of matplotlib, for `fill` (and `stroke`) in place of their colors.
        value : array_like, optional
            Of each region, for `cmap`; its number by default.

        Returns
        -------
        ndarray of float64, shape (height, width, 3)

        Raises
        ------
        SpecError
            For regions that have not two axes, or lie outside of the picture.

        Examples
        --------
        >>> regions = Regions([[[0, 1], [0, 2]], [[2, 2]]])
        >>> regions.mask((3, 4), fill=["red", "blue"], stroke=None)[..., 2].round(1)
        array([[1., 0., 0., 1.],
               [1., 1., 1., 1.],
               [1., 1., 1., 1.]])
        """
        fills = _colors(fill, len(self), cmap, value)
        strokes = _colors(stroke, len(self), cmap_stroke or cmap if stroke else None, value)
        pixels = [one.coordinates for one in self]
        if any(one.shape[1] != 2 for one in pixels if len(one)):
            raise SpecError("a picture has two axes: draw regions of one plane")
        if dims is None and base is None:
            every = np.concatenate([np.zeros((0, 2), np.int64), *pixels])
            low = every.min(axis=0) if len(every) else 0
            dims = (every.max(axis=0) - low + 1).tolist() if len(every) else (1, 1)
            pixels = [one - low for one in pixels]
        picture = _picture(None if dims is None else tuple(dims), base, background)
        shape = picture.shape[:2]
        for number, (one, filled, stroked) in enumerate(zip(pixels, fills, strokes, strict=True)):
            if (one >= shape).any():
                raise SpecError(f"region {number} lies outside of the picture of shape {shape}")
            if filled is not None:
                picture[tuple(one.T)] = filled
            if stroked is not None:
                edge = Region(one).outline(0, 1).crop((0, 0), shape).coordinates
                picture[tuple(edge.T)] = stroked
        return picture

    def __repr__(self) -> str:
        return f"regions\ncount: {len(self)}"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Regions):
            return NotImplemented
        return self._regions == other._regions

    __hash__ = None  # type: ignore[assignment]


def _picture(dims: tuple[int, ...] | None, base: ArrayLike | None, background: Color) -> Array:
    """Return the picture that regions are drawn on, a copy."""
    if base is None:
        picture = np.full((*(dims or (1, 1)), 3), _WHITE)
        if background is not None:
            picture[:] = _color(background)
        return picture
    found = np.array(base, np.float64)
    if found.ndim == 2:
        return np.repeat(found[..., np.newaxis], 3, axis=2)
    if found.ndim != 3 or found.shape[2] != 3:
        raise SpecError(f"base has shape {found.shape}: give (height, width), or with 3 colors")
    return found


def _color(color: Any) -> Array:
    """Return the red, green and blue of a color, from 0 to 1."""
    from PIL import ImageColor

    if isinstance(color, str):
        try:
            return np.array(ImageColor.getrgb(color)[:3]) / 255
        except ValueError:
            raise SpecError(f"{color!r:.60} is not a color: give a name or '#rrggbb'") from None
    found = np.asarray(color, np.float64)
    if found.shape != (3,):
        raise SpecError(f"a color of shape {found.shape}: give a name, or three numbers")
    return found


def _colors(given: Any, count: int, cmap: Any, value: ArrayLike | None) -> list[Array | None]:
    """Return a color, or None, for each region."""
    if cmap is not None and given is not None:
        values = np.arange(count) if value is None else np.asarray(value)
        if isinstance(cmap, str):
            cmap = optional("matplotlib", extra="viz").colormaps[cmap].resampled(max(count, 1))
        return list(cmap(values)[:, :3])
    if given is None:
        return [None] * count
    numbers = len(given) == 3 and all(isinstance(one, Real) for one in given)
    if isinstance(given, str) or numbers:
        return [_color(given)] * count
    if len(given) != count:
        raise SpecError(f"{len(given)} colors for {count} regions: give one, or one for each")
    return [None if one is None else _color(one) for one in given]
