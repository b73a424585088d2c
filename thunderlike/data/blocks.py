"""Blocks: records keyed by position in a grid, each with all frames of one region of the images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from thunderlike.data._deprecated import with_former_keywords
from thunderlike.data._user_functions import PerObject, RecordFunction, Results, infer
from thunderlike.data.base import Base
from thunderlike.data.grid import FromBlocks, FromBlocksToSeries
from thunderlike.engines.base import Kernel, Records, Spec
from thunderlike.errors import NotOnEngineError, SpecError
from thunderlike.kernels._validation import as_dtype, as_shape

if TYPE_CHECKING:
    from collections.abc import Callable

    from thunderlike._typing import Array, Shape
    from thunderlike.data.grid import Grid
    from thunderlike.data.images import Images
    from thunderlike.data.series import Series
    from thunderlike.engines import DistributedArray

__all__ = ["Blocks"]

OBJECT = np.dtype(object)


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

    def __init__(self, records: Records, grid: Grid, length: int, dtype: Any) -> None:
        super().__init__(records, grid.shape)
        self._grid, self._length, self._dtype = grid, length, np.dtype(dtype)

    def _changed(self, records: Records, **changes: Any) -> Self:
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
        dtype: Any = None,
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

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
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
