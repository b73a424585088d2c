"""Group-by reductions along a series."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from thunderlike.data import multiindex
from thunderlike.data._user_functions import name_of
from thunderlike.data.index import Indexed
from thunderlike.errors import SpecError, WrongTypeError
from thunderlike.kernels import groupby as kernels
from thunderlike.kernels._validation import as_array, is_whole, same_values
from thunderlike.kernels.groupby import Groups

if TYPE_CHECKING:
    from collections.abc import Callable

    from thunderlike._typing import Array

__all__ = ["Reductions"]


class Reductions(Indexed):
    """Series made shorter: one value, or one for each group of positions."""

    def _reduced(self, groups: Groups, stat: str) -> Self:
        return self._stacked(kernels.statistic, groups=groups, stat=stat)

    # the whole series

    def series_stat(self, stat: str) -> Self:
        """One statistic of each series.

        Parameters
        ----------
        stat : 'sum', 'mean', 'median', 'stdev', 'max', 'min' or 'count'
            In any case. 'count' is the length.

        Returns
        -------
        Series
            Of length 1; its index is the name of the statistic. 'max' and 'min' keep the dtype,
            'sum' has the one in which numpy adds it up, 'count' int64, any other float64, or
            float32 where the series are. NaN propagates.

        Raises
        ------
        SpecError
            For another statistic.

        Examples
        --------
        >>> import thunderlike as tl
        >>> tl.series.fromarray([[1, 2, 6], [0, 0, 3]]).series_stat("mean").toarray()
        array([3., 1.])
        """
        return self._reduced(self._all_positions(), stat)._indexed([str(stat).lower()])

    def series_max(self) -> Self:
        """Maximum of each series; as :meth:`series_stat`.

        Examples
        --------
        >>> import thunderlike as tl
        >>> tl.series.fromarray([[1, 2, 6], [0, 3, 3]]).series_max().toarray()
        array([6, 3])
        """
        return self.series_stat("max")

    def series_min(self) -> Self:
        """Minimum of each series; as :meth:`series_stat`.

        Examples
        --------
        >>> import thunderlike as tl
        >>> tl.series.fromarray([[1, 2, 6], [0, 3, 3]]).series_min().toarray()
        array([1, 0])
        """
        return self.series_stat("min")

    def series_sum(self) -> Self:
        """Sum of each series; as :meth:`series_stat`.

        Examples
        --------
        >>> import thunderlike as tl
        >>> tl.series.fromarray([[1, 2, 6], [0, 3, 3]]).series_sum().toarray()
        array([9, 6])
        """
        return self.series_stat("sum")

    def series_mean(self) -> Self:
        """Mean of each series; as :meth:`series_stat`.

        Examples
        --------
        >>> import thunderlike as tl
        >>> tl.series.fromarray([[1, 2, 6], [0, 3, 3]]).series_mean().toarray()
        array([3., 2.])
        """
        return self.series_stat("mean")

    def series_median(self) -> Self:
        """Median of each series; as :meth:`series_stat`.

        Examples
        --------
        >>> import thunderlike as tl
        >>> tl.series.fromarray([[1, 2, 6], [0, 3, 3]]).series_median().toarray()
        array([2., 3.])
        """
        return self.series_stat("median")

    def series_std(self) -> Self:
        """Standard deviation of each series (of the population); as :meth:`series_stat`.

        Examples
        --------
        >>> import thunderlike as tl
        >>> tl.series.fromarray([[1, 5, 1, 5]]).series_std().toarray()
        array(2.)
        """
        return self.series_stat("stdev")

    def series_percentile(self, q: float) -> Self:
        """Percentile of each series, interpolated.

        Parameters
        ----------
        q : float
            From 0 to 100.

        Returns
        -------
        Series
            Of length 1, index ``['percentile']``; float64, or float32 where the series are.

        Examples
        --------
        >>> import thunderlike as tl
        >>> tl.series.fromarray([[1, 2, 3, 4, 9]]).series_percentile(25).toarray()
        array(2.)
        """
        return self._stacked(kernels.percentile, q=q)._indexed(["percentile"])

    def series_stats(self) -> Self:
        """Five statistics of each series, float64; index count, mean, stdev, max, min.

        Examples
        --------
        >>> import thunderlike as tl
        >>> tl.series.fromarray([[1, 3]]).series_stats().toarray()
        array([2., 2., 1., 3., 1.])
        """
        found = self._stacked(kernels.summary, groups=self._all_positions())
        return found._indexed(["count", "mean", "stdev", "max", "min"])

    def _all_positions(self) -> Groups:
        return Groups.equal(np.arange(self.length)[np.newaxis])

    # panels and windows

    def downsample(self, k: int = 2) -> Self:
        """Mean of every `k` positions; what is left over at the end is dropped.

        Returns
        -------
        Series
            Of length ``length // k``; its index counts.

        Examples
        --------
        >>> import thunderlike as tl
        >>> tl.series.fromarray([[1, 3, 5, 7, 100]]).downsample(2).toarray()
        array([2., 6.])
        """
        if not is_whole(k, 1):
            raise SpecError(f"cannot average every {k!r} positions: give a whole number from 1")
        whole = self.length // int(k) * int(k)
        groups = Groups.equal(np.arange(whole).reshape(-1, int(k)))
        return self._reduced(groups, "mean")._indexed(None)

    def mean_by_panel(self, length: int) -> Self:
        """Mean over panels: the series is cut into parts of one length, which are averaged.

        Parameters
        ----------
        length : int
            Of a panel; must divide that of the series, and be less.

        Returns
        -------
        Series
            Of that length; its index counts.

        Raises
        ------
        SpecError
            For another length.

        Examples
        --------
        >>> import thunderlike as tl
        >>> tl.series.fromarray([[1, 2, 3, 5, 6, 10]]).mean_by_panel(3).toarray()
        array([3. , 4. , 6.5])
        """
        if not is_whole(length, 1, self.length) or self.length % length:
            raise SpecError(
                f"panels of length {length!r} do not fit series of length {self.length}: give a "
                "whole number that divides it, and is less"
            )
        panels = np.arange(self.length).reshape(-1, int(length))
        return self._reduced(Groups.equal(panels.T), "mean")._indexed(None)

    def mean_by_window(self, indices: Any, window: int) -> Self:
        """Mean over windows around some positions: an average aligned to events.

        Parameters
        ----------
        indices : value or sequence
            Index values of the centres.
        window : int
            Length of a window: ``window // 2`` positions before the centre, the others from it on.

        Returns
        -------
        Series
            Of that length; its index counts.

        Raises
        ------
        SpecError
            When an index value does not occur, or a window reaches over an end.

        Examples
        --------
        >>> import thunderlike as tl
        >>> tl.series.fromarray([[0, 1, 5, 0, 0, 3, 9, 0]]).mean_by_window([2, 6], 3).toarray()
        array([2., 7., 0.])
        """
        if not is_whole(window, 1):
            raise SpecError(f"a window of {window!r} positions is none: give a whole number from 1")
        firsts = self._positions(indices) - int(window) // 2
        if firsts.min() < 0 or firsts.max() + window > self.length:
            raise SpecError(
                f"a window of {window} around {indices!r} reaches over the ends of series of "
                f"length {self.length}"
            )
        windows = firsts + np.arange(int(window))[:, np.newaxis]
        return self._reduced(Groups.equal(windows), "mean")._indexed(None)

    def _positions(self, values: Any) -> Array:
        """The first position of each index value."""
        found = [
            np.flatnonzero(multiindex.selected(self._index, [v], 0)[0])[0] for v in _each(values)
        ]
        if not found:
            raise SpecError("no index value was given: say which positions are meant")
        return np.array(found)

    # positions that are called the same

    def stat_by_index(self, stat: str, level: Any = 0) -> Self:
        """One statistic of the values that share an index value.

        Parameters
        ----------
        stat : str
            As in :meth:`series_stat`.
        level : int or list of int
            Levels of the index that must be equal, from 0.

        Returns
        -------
        Series
            One value for each index value (or combination of them) that occurs; these, sorted, are
            its index, flat for one level. The dtype is as in :meth:`series_stat`.

        Raises
        ------
        SpecError
            For another statistic, or a level that there is not.

        Notes
        -----
        Positions are grouped once; one pass over the series.

        Examples
        --------
        >>> import thunderlike as tl
        >>> series = tl.series.fromarray([[1, 2, 3, 10]], index=["b", "a", "b", "a"])
        >>> series.stat_by_index("sum").toarray()
        array([12,  4])
        >>> series.stat_by_index("sum").index
        array(['a', 'b'], dtype='<U1')
        """
        keys, numbers = multiindex.grouped(self._index, level)
        return self._reduced(Groups.numbered(numbers), stat)._indexed(keys)

    def sum_by_index(self, level: Any = 0) -> Self:
        """Sum of the values that share an index value; as :meth:`stat_by_index`.

        Examples
        --------
        >>> import thunderlike as tl
        >>> index = [("go", 1), ("go", 2), ("stop", 1), ("stop", 2)]
        >>> series = tl.series.fromarray([[1, 2, 3, 10]], index=index)
        >>> series.sum_by_index().toarray(), series.sum_by_index(level=1).toarray()
        (array([ 3, 13]), array([ 4, 12]))
        """
        return self.stat_by_index("sum", level)

    def mean_by_index(self, level: Any = 0) -> Self:
        """Mean of the values that share an index value; as :meth:`stat_by_index`.

        Examples
        --------
        >>> import thunderlike as tl
        >>> series = tl.series.fromarray([[1, 2, 3, 10]], index=["go", "go", "stop", "stop"])
        >>> series.mean_by_index().toarray()
        array([1.5, 6.5])
        """
        return self.stat_by_index("mean", level)

    def median_by_index(self, level: Any = 0) -> Self:
        """Median of the values that share an index value; as :meth:`stat_by_index`.

        Examples
        --------
        >>> import thunderlike as tl
        >>> series = tl.series.fromarray([[1, 2, 9, 4]], index=["go", "go", "go", "stop"])
        >>> series.median_by_index().toarray()
        array([2., 4.])
        """
        return self.stat_by_index("median", level)

    def std_by_index(self, level: Any = 0) -> Self:
        """Standard deviation of the values that share an index value; as :meth:`stat_by_index`.

        Examples
        --------
        >>> import thunderlike as tl
        >>> series = tl.series.fromarray([[1, 5, 3, 3]], index=["go", "go", "stop", "stop"])
        >>> series.std_by_index().toarray()
        array([2., 0.])
        """
        return self.stat_by_index("stdev", level)

    def max_by_index(self, level: Any = 0) -> Self:
        """Maximum of the values that share an index value; as :meth:`stat_by_index`.

        Examples
        --------
        >>> import thunderlike as tl
        >>> series = tl.series.fromarray([[1, 2, 3, 10]], index=["go", "stop", "go", "stop"])
        >>> series.max_by_index().toarray()
        array([ 3, 10])
        """
        return self.stat_by_index("max", level)

    def min_by_index(self, level: Any = 0) -> Self:
        """Minimum of the values that share an index value; as :meth:`stat_by_index`.

        Examples
        --------
        >>> import thunderlike as tl
        >>> series = tl.series.fromarray([[1, 2, 3, 10]], index=["go", "stop", "go", "stop"])
        >>> series.min_by_index().toarray()
        array([1, 2])
        """
        return self.stat_by_index("min", level)

    def count_by_index(self, level: Any = 0) -> Self:
        """Number of values that share an index value; as :meth:`stat_by_index`.

        Examples
        --------
        >>> import thunderlike as tl
        >>> series = tl.series.fromarray([[1, 2, 3, 10]], index=["go", "stop", "go", "go"])
        >>> series.count_by_index().toarray(), series.count_by_index().index
        (array([3, 1]), array(['go', 'stop'], dtype='<U4'))
        """
        return self.stat_by_index("count", level)

    def aggregate_by_index(self, function: Callable[[Array], Any], level: Any = 0) -> Self:
        """Apply a function to the values that share an index value.

        Parameters
        ----------
        function : callable
            From an array, of the values of one series that share an index value, to a scalar.
        level : int or list of int
            Levels of the index that must be equal, from 0.

        Returns
        -------
        Series
            As that of :meth:`stat_by_index`.

        Raises
        ------
        WorkerFailedError
            When the function raises: with the key of the series, and where it raised.
        WrongTypeError
            For results that no one dtype holds, as a number and a text, and for masked ones.

        Notes
        -----
        The function is called for each series and group, and is first tried on the first series.

        Examples
        --------
        >>> import thunderlike as tl
        >>> series = tl.series.fromarray([[1, 2, 3, 10]], index=["b", "a", "b", "a"])
        >>> series.aggregate_by_index(np.ptp).toarray()
        array([8, 2])
        """
        keys, numbers = multiindex.grouped(self._index, level)
        return self.map(_EachGroup(function, Groups.numbered(numbers)), index=keys)


@dataclass(frozen=True)
class _EachGroup:
    """A user's function, called for each group of positions of a series."""

    function: Callable[[Array], Any]
    groups: Groups

    @property
    def __name__(self) -> str:
        return name_of(self.function)

    def __call__(self, series: Array) -> Array:
        runs = np.split(series[self.groups.order], self.groups.starts[1:])
        results = [self.function(run) for run in runs]
        array = as_array(results, "the results")
        kinds = {getattr(result, "dtype", type(result)) for result in results}
        if len(kinds) > 1 or int in kinds:  # numpy makes text or floats of some mixtures
            for number, result in enumerate(results):
                found = np.asarray(result)
                if same_values(found, array.dtype) is None:
                    raise WrongTypeError(
                        f"the result of group {number}, {result!r}, does not fit in "
                        f"{array.dtype}, the dtype of all groups: return one type for all"
                    )
        return array


def _each(values: Any) -> list[Any]:
    """The values of a list, or the only one."""
    return [values] if np.ndim(values) == 0 else list(values)
