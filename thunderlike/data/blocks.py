"""Blocks: records keyed by region of space, and their grids."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeAlias, Unpack

import numpy as np

from thunderlike.data._deprecated import with_former_keywords
from thunderlike.data._user_functions import PerObject, RecordFunction, Results, infer
from thunderlike.data.base import Base, Changes
from thunderlike.engines.base import Kernel, Records, Spec
from thunderlike.errors import NotOnEngineError, SpecError
from thunderlike.kernels._validation import as_dtype, as_shape

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import DTypeLike, NDArray

    from thunderlike._typing import Array, Ints, Shape
    from thunderlike.data.images import Images
    from thunderlike.data.series import Series
    from thunderlike.engines import DistributedArray

__all__ = [
    "Blocks",
    "FromBlocks",
    "FromBlocksToSeries",
    "Grid",
    "ToBlocks",
    "block_bytes",
    "chunk_shape",
    "grid_of",
]


Slices: TypeAlias = tuple[slice, ...]


@dataclass(frozen=True)
class Grid:
    """Blocks of an image, numbered in C order of their position in the grid.

    Parameters
    ----------
    image : tuple of int
        Shape of an image.
    chunk : tuple of int
        Shape of a block; the last along an axis may be smaller.
    padding : tuple of int
        How far a block reaches over each of its sides, as far as there is image.

    Examples
    --------
    >>> grid = Grid((5, 6), (2, 3), (1, 1))
    >>> grid.shape, grid.outer(0), grid.inner(5)
    ((3, 2), (slice(0, 3, None), slice(0, 4, None)), (slice(1, 2, None), slice(1, 4, None)))
    """

    image: Shape
    chunk: Shape
    padding: Shape

    @property
    def shape(self) -> Shape:
        """Blocks along each axis."""
        return tuple(-(-n // c) for n, c in zip(self.image, self.chunk, strict=True))

    @property
    def count(self) -> int:
        """Number of blocks."""
        return math.prod(self.shape)

    def own(self, number: int) -> Slices:
        """Return the region of a block in the image, without padding."""
        at = np.unravel_index(number, self.shape)
        return tuple(
            slice(int(i) * c, min((int(i) + 1) * c, n))
            for i, c, n in zip(at, self.chunk, self.image, strict=True)
        )

    def outer(self, number: int) -> Slices:
        """Return the region with padding, clipped to the image."""
        return tuple(
            slice(max(s.start - p, 0), min(s.stop + p, n))
            for s, p, n in zip(self.own(number), self.padding, self.image, strict=True)
        )

    def inner(self, number: int) -> Slices:
        """Return the region without padding, within the padded block."""
        return tuple(
            slice(own.start - outer.start, own.stop - outer.start)
            for own, outer in zip(self.own(number), self.outer(number), strict=True)
        )

    def pixels(self, number: int) -> NDArray[np.int64]:
        """Return the flat positions in the image of the pixels without padding."""
        axes = np.ix_(*(np.arange(s.start, s.stop) for s in self.own(number)))
        return np.ravel(np.ravel_multi_index(axes, self.image))

    def is_cut(self, axis: int) -> bool:
        """Return True if there are several blocks along an axis of the image."""
        return self.shape[axis] > 1


# A bare number is kilobytes, not megabytes as in Thunder's draft.
_UNITS = {"": 10**3, "k": 10**3, "m": 10**6, "g": 10**9}
_BLOCK = 10**8  # bytes of a block of all frames by default


def chunk_shape(chunk_size: Ints | str, images: Spec) -> Shape:
    """Shape of the part of an image that is one block.

    Parameters
    ----------
    chunk_size : 'auto', int, tuple of int or str
        Pixels along every axis, or along each; as text, kilobytes of one image's part, or with a
        unit: ``'200k'``, ``'64M'``. ``'auto'`` makes blocks of about 100 MB over all images.
    images : Spec
        What is cut.

    Notes
    -----
    For a size in bytes, axes are walked from the first to the last: each gets a single pixel while
    one slice is too large, the next as many as fit, and all that follow are whole.

    Examples
    --------
    >>> import numpy as np
    >>> from thunderlike.engines import Spec
    >>> chunk_shape("1", Spec(10, (100, 100), np.dtype("int16")))
    (5, 100)
    """
    if isinstance(chunk_size, str):
        # Of each image at least 1000 bytes: blocks of long movies would be single pixels.
        auto = max(_BLOCK // max(1, images.count), 1000)
        return _fitting(auto if chunk_size == "auto" else _text_bytes(chunk_size), images)
    sizes = _per_axis(chunk_size, images.shape)
    if sizes is None or min(sizes, default=1) < 1:
        raise SpecError(
            f"chunk_size={chunk_size!r} does not cut images of shape {images.shape}: give 'auto', "
            "pixels for each axis, or kilobytes as text"
        )
    return tuple(max(1, min(c, n)) for c, n in zip(sizes, images.shape, strict=True))


def block_bytes(chunk_size: Ints | str, images: Spec) -> int | None:
    """Bytes that such a part of all images has; None for ``'auto'``.

    Examples
    --------
    >>> import numpy as np
    >>> from thunderlike.engines import Spec
    >>> block_bytes((2, 3), Spec(10, (4, 6), np.dtype("int16")))
    120
    """
    if isinstance(chunk_size, str) and chunk_size == "auto":
        return None
    pixels = math.prod(chunk_shape(chunk_size, images))
    return max(1, pixels * images.dtype.itemsize * images.count)


def grid_of(chunk_size: Ints | str, padding: Ints | None, images: Spec) -> Grid:
    """Cut images into a grid of blocks.

    Parameters
    ----------
    chunk_size : 'auto', int, tuple of int or str
        As in :func:`chunk_shape`.
    padding : None, int or tuple of int
        Overlap of neighbouring blocks, along every axis or each.

    Raises
    ------
    SpecError
        For a padding larger than a block.
    """
    chunk = chunk_shape(chunk_size, images)
    sizes = _per_axis(0 if padding is None else padding, images.shape)
    if sizes is None or any(not 0 <= p <= c for p, c in zip(sizes, chunk, strict=True)):
        raise SpecError(
            f"padding={padding!r} does not fit blocks of shape {chunk}: give at most that many "
            "pixels along each axis"
        )
    return Grid(images.shape, chunk, sizes)


def _per_axis(value: Any, shape: Shape) -> Shape | None:
    """Return an int for each axis, or None for any other value."""
    values = tuple(value) if hasattr(value, "__len__") else (value,) * len(shape)
    try:
        whole = tuple(int(v) for v in values)
    except (TypeError, ValueError):
        return None
    # 2.0 equals its whole number, 2.5 does not.
    return whole if len(whole) == len(shape) and whole == values else None


def _fitting(nbytes: int, images: Spec) -> Shape:
    """The largest part of an image of at most so many bytes, walking the axes in order."""
    room, shape, chunk = max(1, nbytes // images.dtype.itemsize), images.shape, []
    for axis, n in enumerate(shape):
        step = math.prod(shape[axis + 1 :])
        chunk.append(max(1, min(n, room // max(1, step))))
        if room >= step:  # this axis is cut, or whole; what follows is whole
            return (*chunk, *(max(1, n) for n in shape[axis + 1 :]))
    return tuple(chunk)


def _text_bytes(text: str) -> int:
    found = re.fullmatch(r"(\d+(?:\.\d*)?)\s*([kmg]?)b?", text.strip().lower())
    if found is None or float(found.group(1)) <= 0:
        raise SpecError(
            f"chunk_size={text!r} is not a size: expected '150' (kilobytes), '200k' or '64M'"
        )
    return max(1, int(float(found.group(1)) * _UNITS[found.group(2)]))


@dataclass(frozen=True)
class ToBlocks:
    """Exchange from images to blocks."""

    images: Spec
    grid: Grid

    @property
    def spec(self) -> Spec:
        """A block for each cell of the grid."""
        weight = max(1, self.images.nbytes // max(1, self.grid.count))
        # Blocks at the border are smaller, so that the dtype is object; `weight` is their size.
        return Spec(self.grid.count, (), np.dtype(object), weight)

    def cut(self, start: int, block: Array, first: int, last: int) -> tuple[int, list[Array]]:
        """Of each region, the part in these frames."""
        return start, [block[(slice(None), *self.grid.outer(i))] for i in range(first, last)]

    def place(self, out: Array, first: int, piece: tuple[int, list[Array]]) -> None:  # noqa: ARG002
        """Write the frames into the blocks, which the first piece to come makes."""
        start, parts = piece
        for row, part in enumerate(parts):
            # An uninitialised array of objects holds None.
            if out[row] is None:
                out[row] = np.empty((self.images.count, *part.shape[1:]), self.images.dtype)
            out[row][start : start + len(part)] = part


@dataclass(frozen=True)
class FromBlocks:
    """Exchange from blocks, without padding, to images.

    Parameters
    ----------
    spec : Spec
        The images.
    grid : Grid
        Grid of the blocks.
    """

    spec: Spec
    grid: Grid

    def cut(self, start: int, block: Array, first: int, last: int) -> list[tuple[int, Array]]:
        """Of each block, these frames."""
        return [
            (start + row, values[(slice(first, last), *self.grid.inner(start + row))])
            for row, values in enumerate(block)
        ]

    def place(self, out: Array, first: int, piece: list[tuple[int, Array]]) -> None:  # noqa: ARG002
        """Write the region of each block."""
        for number, part in piece:
            out[(slice(None), *self.grid.own(number))] = part


@dataclass(frozen=True)
class FromBlocksToSeries:
    """Exchange from blocks, without padding, to series of pixels.

    Parameters
    ----------
    spec : Spec
        The series, one for each pixel of an image.
    grid : Grid
        Grid of the blocks.
    """

    spec: Spec
    grid: Grid

    def cut(self, start: int, block: Array, first: int, last: int) -> list[tuple[Any, Array]]:
        """Of each block, the pixels in the range and their series."""
        return [
            piece
            for row, values in enumerate(block)
            if len((piece := self._pixels(start + row, values, first, last))[0])
        ]

    def _pixels(self, number: int, values: Array, first: int, last: int) -> tuple[Any, Array]:
        pixels = self.grid.pixels(number)
        wanted = (pixels >= first) & (pixels < last)
        own = values[(slice(None), *self.grid.inner(number))].reshape(len(values), len(pixels))
        return pixels[wanted] - first, own[:, wanted].T

    def place(self, out: Array, first: int, piece: list[tuple[Any, Array]]) -> None:  # noqa: ARG002
        """Write each pixel's series."""
        for rows, series in piece:
            out[rows] = series


OBJECT = np.dtype(object)


class _BlockChanges(Changes, total=False):
    """Properties of blocks that new ones do not take over."""

    grid: Grid
    length: int
    dtype: np.dtype[Any]


@with_former_keywords
class Blocks(Base):
    """Images cut in space, never in time; made by :meth:`Images.toblocks`.

    Parameters
    ----------
    records : Records
        One array of shape ``(n, *region)`` for each cell of the grid.
    grid : Grid
        How the images are cut.
    length : int
        Number of frames.
    dtype : dtype
        Of the elements.

    Examples
    --------
    >>> import thunderlike as tl
    >>> tl.images.fromarray(np.zeros((10, 5, 6))).toblocks((2, 3), padding=1)
    Blocks
    mode: local
    dtype: float64
    shape: (10, 5, 6)
    blockshape: (10, 2, 3)
    padding: (0, 1, 1)
    """

    _described: ClassVar[tuple[str, ...]] = ("mode", "dtype", "shape", "blockshape", "padding")

    def __init__(self, records: Records, grid: Grid, length: int, dtype: DTypeLike | None) -> None:
        super().__init__(records, grid.shape)
        self._grid, self._length, self._dtype = grid, length, np.dtype(dtype)

    def _changed(self, records: Records, **changes: Unpack[_BlockChanges]) -> Self:
        return type(self)(
            records,
            changes.get("grid", self._grid),
            changes.get("length", self._length),
            changes.get("dtype", self._dtype),
        )

    @property
    def shape(self) -> Shape:
        """Shape of all images: ``(n, *value_shape)``.

        Examples
        --------
        >>> import thunderlike as tl
        >>> blocks = tl.images.fromarray(np.zeros((10, 5, 6))).toblocks((2, 3))
        >>> blocks.shape, blocks.baseshape
        ((10, 5, 6), (3, 2))
        """
        return (self._length, *self._grid.image)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Data type of the elements.

        Examples
        --------
        >>> import thunderlike as tl
        >>> blocks = tl.images.fromarray(np.zeros((10, 5, 6))).toblocks((2, 3))
        >>> blocks.map(lambda block: block > 0).dtype
        dtype('bool')
        """
        return self._dtype

    @property
    def blockshape(self) -> Shape:
        """Shape of a block: all frames, and pixels along each axis; less at its end.

        Examples
        --------
        >>> import thunderlike as tl
        >>> blocks = tl.images.fromarray(np.zeros((10, 5, 6))).toblocks((2, 3))
        >>> blocks.blockshape
        (10, 2, 3)
        >>> [block.shape[1:] for block in blocks.collect_blocks()]
        [(2, 3), (2, 3), (2, 3), (2, 3), (1, 3), (1, 3)]
        """
        return (self._length, *self._grid.chunk)

    @property
    def padding(self) -> Shape:
        """Overlap of a block with its neighbours: 0 in time, and along each axis of an image.

        Examples
        --------
        >>> import thunderlike as tl
        >>> tl.images.fromarray(np.zeros((10, 5, 6))).toblocks((2, 3), padding=(0, 1)).padding
        (0, 0, 1)
        """
        return (0, *self._grid.padding)

    @property
    def value_shape(self) -> Shape:
        """Shape of one image.

        Examples
        --------
        >>> import thunderlike as tl
        >>> tl.images.fromarray(np.zeros((10, 5, 6))).toblocks((2, 3)).value_shape
        (5, 6)
        """
        return self._grid.image

    @property
    def values(self) -> Array | DistributedArray:
        """All images in full `shape`, as ``toimages().values``.

        Examples
        --------
        >>> import thunderlike as tl
        >>> blocks = tl.images.fromarray(np.zeros((1, 5, 6))).toblocks((2, 3))
        >>> blocks.values.shape
        (1, 5, 6)
        """
        return self.toimages().values

    def first(self) -> Array:
        """Return the first block, with its padding.

        Examples
        --------
        >>> import thunderlike as tl
        >>> movie = tl.images.fromarray(np.arange(8).reshape(1, 2, 4))
        >>> movie.toblocks((2, 2)).first()
        array([[[0, 1],
                [4, 5]]])
        >>> movie.toblocks((2, 2), padding=(0, 1)).first()
        array([[[0, 1, 2],
                [4, 5, 6]]])
        """
        if not self.count():
            raise SpecError(f"cannot take first(): no blocks (images of shape {self.shape})")
        block: Array = self._records.collect(0, 1)[0].copy()
        return block

    def collect_blocks(self) -> list[Array]:
        """Return all blocks, with their padding, in the order of the grid.

        Examples
        --------
        >>> import thunderlike as tl
        >>> movie = tl.images.fromarray([[[1, 2, 3]], [[4, 5, 6]]])
        >>> [block.tolist() for block in movie.toblocks((1, 2)).collect_blocks()]
        [[[[1, 2]], [[4, 5]]], [[[3]], [[6]]]]
        """
        return list(self._records.collect())

    def map(
        self,
        func: Callable[[Array], Any],
        value_shape: Shape | None = None,
        dtype: DTypeLike | None = None,
    ) -> Self:
        """Apply a function to each block.

        Parameters
        ----------
        func : callable
            From an array of shape ``(n, *region)``, with padding, to one with as many axes. Only
            axes that are not cut may change their length: time, or one with a single block.
        value_shape : tuple of int, optional
            Shape of the result for the first block.
        dtype : dtype, optional
            Data type to which results are cast.

        Raises
        ------
        SpecError
            When a result has another length along an axis that is cut.
        NotOnEngineError
            When it has another number of axes.

        Notes
        -----
        Unless both `value_shape` and `dtype` are given the function is first tried on the first
        block.

        Examples
        --------
        >>> import thunderlike as tl
        >>> movie = tl.images.fromarray([[[1, 2, 3]], [[5, 5, 5]]])
        >>> blocks = movie.toblocks((1, 2))
        >>> blocks.map(lambda block: block - block.mean(axis=0)).toarray()
        array([[-2. , -1.5, -1. ],
               [ 2. ,  1.5,  1. ]])
        >>> blocks.map(lambda block: block.max(axis=0, keepdims=True)).shape
        (1, 1, 3)
        """
        if not self.count():
            nothing = self._dtype if dtype is None else as_dtype(dtype)
            return self._changed(self._records, dtype=nothing)
        trial = RecordFunction(func, self._baseshape)
        shape = None if value_shape is None else as_shape(value_shape)
        results = infer(self._records, trial, shape, dtype)
        region = _Region(self._grid, self._length, results.shape)
        grid = region.grid  # raises for shapes that cannot be assembled
        kernel = _MapBlocks(trial, region, results)
        weight = Spec(grid.count, (), OBJECT, self._records.spec.weight)
        records = self._records.map(kernel, weight.shape, OBJECT)
        length = results.shape[0]
        return self._changed(records, grid=grid, length=length, dtype=results.dtype)

    def map_generic(self, func: Callable[[Array], Any]) -> Array:
        """Apply a function to each block and return the results, of any type.

        Returns
        -------
        ndarray of object
            In the shape of the grid.

        Notes
        -----
        Computes now: one job on Spark.

        Examples
        --------
        >>> import thunderlike as tl
        >>> movie = tl.images.fromarray(np.arange(8).reshape(1, 2, 4))
        >>> movie.toblocks((2, 2)).map_generic(lambda block: int(block.sum()))
        array([[10, 18]], dtype=object)
        >>> movie.toblocks((2, 2)).map_generic(lambda block: int(block.sum())).shape
        (1, 2)
        """
        kernel = PerObject(RecordFunction(func, self._baseshape))
        return self._records.map(kernel, (), OBJECT).collect().reshape(self._baseshape)

    def toimages(self) -> Images:
        """Put the blocks together, without their padding; on Spark, a shuffle.

        Examples
        --------
        >>> import thunderlike as tl
        >>> blocks = tl.images.fromarray(np.zeros((10, 4, 6))).toblocks((2, 3), padding=1)
        >>> blocks.first().shape, blocks.toimages().shape
        ((10, 3, 4), (10, 4, 6))
        """
        from thunderlike.data.images import Images

        spec = Spec(self._length, self._grid.image, self._dtype)
        records = self._records.regroup(FromBlocks(spec, self._grid))
        return Images(records)

    def toseries(self) -> Series:
        """Take the series of every pixel, without padding; on Spark, a shuffle.

        Examples
        --------
        >>> import thunderlike as tl
        >>> movie = tl.images.fromarray(np.arange(12).reshape(2, 2, 3))
        >>> series = movie.toblocks((1, 2)).toseries()
        >>> series.shape
        (2, 3, 2)
        >>> series[0, 1].toarray()
        array([1, 7])
        """
        from thunderlike.data.series import Series

        pixels = int(np.prod(self._grid.image))
        spec = Spec(pixels, (self._length,), self._dtype)
        records = self._records.regroup(FromBlocksToSeries(spec, self._grid))
        return Series(records, baseshape=self._grid.image)

    def toarray(self, *, squeeze: bool = True) -> Array:
        """Return all images as one numpy array, here; axes of length 1 dropped if `squeeze`.

        Examples
        --------
        >>> import thunderlike as tl
        >>> blocks = tl.images.fromarray(np.zeros((1, 5, 6))).toblocks((2, 3), padding=1)
        >>> blocks.toarray().shape, blocks.toarray(squeeze=False).shape
        ((5, 6), (1, 5, 6))
        """
        return self.toimages().toarray(squeeze=squeeze)

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> Array:
        return np.array(self.toarray(squeeze=False), dtype=dtype, copy=copy)


@dataclass(frozen=True)
class _Region:
    """Shapes of the results of a function of blocks: only axes without cuts may change length."""

    before: Grid
    length: int
    first: Shape

    @property
    def grid(self) -> Grid:
        """Grid of the results.

        An axis that is not cut has the length of the first result.
        """
        image, chunk = list(self.before.image), list(self.before.chunk)
        if len(self.first) != 1 + len(image):
            raise NotOnEngineError(
                f"a function of blocks gave {len(self.first)} axes for {1 + len(image)}: keep all "
                "axes, or use map_generic"
            )
        for axis, size in enumerate(self.first[1:]):
            if not self.before.is_cut(axis):
                image[axis] = chunk[axis] = size
            elif size != self._expected(0)[axis]:
                raise SpecError(self._refusal(0, self.first))
        return type(self.before)(tuple(image), tuple(chunk), self.before.padding)

    def check(self, number: int, result: Array) -> Array:
        """Return the result of a block; SpecError unless its shape fits the grid."""
        expected = [
            size if self.before.is_cut(axis) else self.first[axis + 1]
            for axis, size in enumerate(self._expected(number))
        ]
        if result.shape != (self.first[0], *expected):
            raise SpecError(self._refusal(number, result.shape))
        return result

    def _expected(self, number: int) -> list[int]:
        return [s.stop - s.start for s in self.before.outer(number)]

    def _refusal(self, number: int, shape: Shape) -> str:
        at = tuple(int(i) for i in np.unravel_index(number, self.before.shape))
        return (
            f"the function gave shape {shape} for block {at} of shape "
            f"{(self.length, *self._expected(number))}: along axes that are cut the length must "
            "be unchanged, along the others equal for all blocks"
        )


@dataclass(frozen=True)
class _MapBlocks(Kernel):
    """Call a function on each block, and check the shape of its result."""

    trial: RecordFunction
    region: _Region
    results: Results
    vectorised: ClassVar[bool] = False

    def __call__(self, start: int, block: Array) -> Array:
        out = np.empty(len(block), object)
        for row, values in enumerate(block):
            result = self.region.check(start + row, self.trial.record(start + row, values))
            out[row] = self.results.fitted(result, self.trial, start + row)
        return out
