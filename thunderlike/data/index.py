"""Labels of records and the index of series."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np

from thunderlike.data import multiindex
from thunderlike.data._user_functions import raised_by
from thunderlike.data.collection import records_of
from thunderlike.data.elementwise import Elementwise
from thunderlike.errors import SpecError, ThunderlikeError, WrongTypeError
from thunderlike.kernels._validation import as_array

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from thunderlike._typing import Array, Shape
    from thunderlike.engines.base import Records

__all__ = ["Indexed"]


class Indexed(Elementwise):
    """Records of one axis, whose positions have an index; what :class:`Series` are built on."""

    def __init__(
        self, values: Any, index: Any = None, labels: Any = None, baseshape: Shape | None = None
    ) -> None:
        records = records_of(values, 1)
        if baseshape is None:
            baseshape = np.shape(values)[:-1] or (records.spec.count,)
        super().__init__(records, baseshape, labels)
        self.index = index

    def _changed(self, records: Records, **changes: Any) -> Self:
        kept = self._index if records.spec.shape == self.value_shape else None
        made: Self = self._like(
            type(self)(
                records,
                index=changes.get("index", kept),
                labels=changes.get("labels", self._labels),
                baseshape=changes.get("baseshape", self._baseshape),
            )
        )
        return made

    @property
    def length(self) -> int:
        """Number of values in each series.

        Examples
        --------
        >>> import thunderlike as tl
        >>> tl.series.fromarray(np.zeros((4, 6, 10))).length
        10
        """
        return self.value_shape[0]

    @property
    def index(self) -> Array:
        """What each position in a series is called.

        An array of shape ``(length,)``, or ``(length, levels)``.

        Examples
        --------
        >>> import thunderlike as tl
        >>> series = tl.series.fromarray([[5, 6, 7]])
        >>> series.index = ["rest", "go", "stop"]
        >>> series[..., 1:].index
        array(['go', 'stop'], dtype='<U4')
        """
        return self._index

    @index.setter
    def index(self, index: Any) -> None:
        self._index = multiindex.as_index(index, self.length)

    def _indexed(self, index: Any) -> Self:
        return self._changed(self._records, index=index)

    def _cut(self, values: list[Any]) -> Self:
        """The chosen positions of each series, and of the index."""
        part = super()._cut(values)
        return part if part is self else part._indexed(self._index[values[0]])

    def map(  # type: ignore[override]  # Thunder has the index second
        self,
        func: Callable[[Any], Any],
        index: Any = None,
        value_shape: Shape | int | None = None,
        dtype: Any = None,
        with_keys: bool = False,
        *,
        block: bool = False,
        workers: int | None = None,
    ) -> Self:
        """Apply a function to each series; as :meth:`Collection.map`.

        Parameters
        ----------
        func : callable
            From an array of length `length` to an array, all of one length, or a scalar.
        index : sequence, optional
            Index of the results, whose length it tells; by default kept where the length is.
        value_shape, dtype, with_keys, block, workers
            As in :meth:`Collection.map`.

        Examples
        --------
        >>> import thunderlike as tl
        >>> series = tl.series.fromarray([[5, 1, 7], [2, 2, 8]], index=["a", "b", "c"])
        >>> series.map(np.sort).index
        array(['a', 'b', 'c'], dtype='<U1')
        >>> series.map(lambda values: values[[0, -1]], index=["first", "last"]).toarray()
        array([[5, 7],
               [2, 8]])
        """
        if index is not None and value_shape is None:
            value_shape = len(index)
        records = self._mapped(
            func, value_shape, dtype, with_keys=with_keys, block=block, workers=workers
        )
        return self._changed(records, **({} if index is None else {"index": index}))

    def select(self, crit: Any) -> Self:
        """Keep the positions whose index is as asked, in the order of the index.

        Parameters
        ----------
        crit : callable, value or list of values
            A function of an index value that says whether to keep it, or what to keep.

        Raises
        ------
        SpecError
            When nothing is left, or the index has several levels.

        Examples
        --------
        >>> import thunderlike as tl
        >>> series = tl.series.fromarray([[5, 6, 7]], index=["a", "b", "c"])
        >>> series.select(["c", "a"]).toarray()
        array([5, 7])
        """
        if self._index.ndim > 1:
            raise SpecError("the index has several levels: use select_by_index")
        if callable(crit):
            keep = self._holding(crit)
        else:
            wanted = np.atleast_1d(as_array(crit, "the values to select"))
            keep = np.isin(self._index, wanted)
            if np.any(wanted != wanted):  # NaN selects NaN
                keep |= self._index != self._index
        return self._selected(keep, f"no index value is {crit!r}")

    def _holding(self, crit: Callable[[Any], Any]) -> NDArray[np.bool_]:
        """The positions for whose index value a user's function is true."""
        try:
            return np.array([bool(crit(value)) for value in self._index.tolist()], dtype=bool)
        except ThunderlikeError:
            raise
        except Exception as error:
            raise raised_by(crit, error) from error

    def _selected(self, keep: NDArray[np.bool_], otherwise: str) -> Self:
        """These positions, of which there must be one."""
        if not keep.any():
            raise SpecError(f"{otherwise}: there are {multiindex.shown(self._index)}")
        return self[..., np.flatnonzero(keep)]

    def between(self, left: Any, right: Any) -> Self:
        """Keep the positions whose index is at least `left` and less than `right`.

        Examples
        --------
        >>> import thunderlike as tl
        >>> series = tl.series.fromarray([[5, 6, 7, 8]], index=[0, 10, 20, 30])
        >>> series.between(10, 30).toarray()
        array([6, 7])
        """
        if self._index.ndim > 1:
            raise SpecError("the index has several levels: use select_by_index")
        values = self._index.tolist()
        try:
            keep = np.array([bool(left <= value < right) for value in values], dtype=bool)
        except TypeError as error:
            raise WrongTypeError(
                f"between({left!r}, {right!r}) cannot be compared with the index values "
                f"{multiindex.shown(self._index)}: {error}"
            ) from error
        return self._selected(keep, f"no index value is between {left!r} and {right!r}")

    def select_by_index(
        self,
        val: Any,
        level: Any = 0,
        squeeze: bool = False,
        filter: bool = False,
        return_mask: bool = False,
    ) -> Any:
        """Keep the positions with the values asked for at one level of the index or several.

        Parameters
        ----------
        val : value or list
            A value or a list of values at one level; a value or a list for each of several levels,
            and then positions are kept which have one of the values at every level.
        level : int or list of int
            Which levels, from 0.
        squeeze : bool
            Drop the levels for which a single value was asked; when none is left, the index is
            ``0, 1, ...``. Not with `filter`.
        filter : bool
            Keep all other positions instead.
        return_mask : bool
            Return ``(series, mask)``, the mask of bool saying which positions were kept.

        Raises
        ------
        SpecError
            For a value that does not occur at its level, a level that there is not, and when no
            position is left.

        Examples
        --------
        >>> import thunderlike as tl
        >>> index = [("go", 1), ("go", 2), ("stop", 1), ("stop", 2)]
        >>> series = tl.series.fromarray([[5, 6, 7, 8]], index=index)
        >>> series.select_by_index("stop", squeeze=True).index
        array([1, 2], dtype=object)
        >>> series.select_by_index(["go", [1, 2]], level=[0, 1]).toarray()
        array([5, 6])
        """
        mask, fixed = multiindex.selected(self._index, val, level)
        mask = ~mask if filter else mask
        if not mask.any():
            raise SpecError(f"no position is left when selecting {val!r} at level {level!r}")
        kept = multiindex.without(self._index[mask], fixed if squeeze and not filter else [])
        found = self[..., np.flatnonzero(mask)]._indexed(kept)
        return (found, mask) if return_mask else found
