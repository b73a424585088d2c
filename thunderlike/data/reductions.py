"""Reductions over records."""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from thunderlike.data._user_functions import Binary
from thunderlike.data.collection import Collection
from thunderlike.engines import ArraySource, local
from thunderlike.errors import SpecError
from thunderlike.kernels._numba import use_compiled
from thunderlike.kernels._validation import typed_errors
from thunderlike.kernels.moments import Largest, Mean, Moments, Smallest, Total

if TYPE_CHECKING:
    from collections.abc import Callable

    from thunderlike._typing import Array

__all__ = ["Folding"]


class Folding(Collection):
    """Collections whose records can be folded into one."""

    def reduce(self, func: Callable[[Any, Any], Any]) -> Self:
        """Combine all records into one, with a binary function or ufunc.

        Parameters
        ----------
        func : callable
            Associative and commutative; two arrays of `value_shape` to one of the same.

        Returns
        -------
        Images or Series
            Local, of one record.

        Raises
        ------
        SpecError
            When the result has another shape.
        WorkerFailedError
            When the function raises.

        Examples
        --------
        >>> import thunderlike as tl
        >>> tl.series.fromarray([[1, 5], [4, 2], [3, 3]]).reduce(np.maximum).toarray()
        array([4, 5])
        """
        self._check_any("reduce")
        binary = Binary(func)
        value = self._records.aggregate(
            lambda _, block: functools.reduce(binary, block),
            binary,
            8 * math.prod(self.value_shape),
        )
        if value.shape != self.value_shape:
            raise SpecError(
                f"reduce did not yield an array with valid dimensions: {value.shape}, not "
                f"{self.value_shape}"
            )
        return self._single(value)

    def mean(self, *, squeeze: bool = False) -> Any:
        """Mean over the records, float64.

        Parameters
        ----------
        squeeze : bool
            Return a plain array of `value_shape`, as numpy does, instead of a collection.

        Returns
        -------
        Images or Series
            Local, of one record.

        Raises
        ------
        SpecError
            When there is no record.

        Notes
        -----
        One pass, as all of these; on Spark, one job.

        Examples
        --------
        >>> import thunderlike as tl
        >>> movie = tl.images.fromarray(np.ones((10, 4, 6)))
        >>> movie.mean().shape, movie.mean(squeeze=True).shape
        ((1, 4, 6), (4, 6))
        """
        folded = self._folded("mean", Mean, **self._compiled())
        with typed_errors("mean"):
            return self._statistic(folded.mean, squeeze=squeeze)

    def var(self, *, squeeze: bool = False) -> Any:
        """Variance over the records (of the population), float64; as :meth:`mean`.

        Examples
        --------
        >>> import thunderlike as tl
        >>> tl.series.fromarray([[1, 5], [3, 5]]).var().toarray()
        array([1., 0.])
        """
        return self._statistic(
            self._folded("var", Moments, **self._compiled()).var, squeeze=squeeze
        )

    def std(self, *, squeeze: bool = False) -> Any:
        """Standard deviation (of the population), float64; as :meth:`mean`.

        Examples
        --------
        >>> import thunderlike as tl
        >>> tl.series.fromarray([[1, 5], [5, 5]]).std().toarray()
        array([2., 0.])
        """
        return self._statistic(
            self._folded("std", Moments, **self._compiled()).std, squeeze=squeeze
        )

    def sum(self, *, squeeze: bool = False) -> Any:
        """Sum over the records, in the dtype in which numpy adds up; as :meth:`mean`.

        Examples
        --------
        >>> import thunderlike as tl
        >>> pixels = tl.series.fromarray(np.full((3, 2), 200, dtype="uint8"))
        >>> pixels.sum().toarray()
        array([600, 600], dtype=uint64)
        """
        return self._statistic(self._folded("sum", Total, **self._compiled()).sum, squeeze=squeeze)

    def max(self, *, squeeze: bool = False) -> Any:
        """Maximum over the records; as :meth:`mean`.

        Examples
        --------
        >>> import thunderlike as tl
        >>> tl.series.fromarray([[1, 5], [4, 2]]).max().toarray()
        array([4, 5])
        """
        return self._statistic(self._folded("max", Largest).value, squeeze=squeeze)

    def min(self, *, squeeze: bool = False) -> Any:
        """Minimum over the records; as :meth:`mean`.

        Examples
        --------
        >>> import thunderlike as tl
        >>> tl.series.fromarray([[1, 5], [4, 2]]).min().toarray()
        array([1, 2])
        """
        return self._statistic(self._folded("min", Smallest).value, squeeze=squeeze)

    def _statistic(self, value: Array, *, squeeze: bool) -> Any:
        return np.asarray(value) if squeeze else self._single(value)

    def _compiled(self) -> dict[str, bool]:
        """Return the keyword of kernels with compiled loops, by the size of all blocks together."""
        return {"compiled": use_compiled(self._records.spec.size)}

    def _folded(self, what: str, partial: Any, nbytes: int = 0, **arguments: Any) -> Any:
        """Merge the partials of all blocks; they have three arrays of float64, or `nbytes`."""
        self._check_any(what)
        nbytes = nbytes or 24 * math.prod(self.value_shape)

        def of(_: int, block: Array) -> Any:
            with typed_errors(what):
                return partial.of(block, **arguments)

        return self._records.aggregate(of, partial.merge, nbytes)

    def _check_any(self, what: str) -> None:
        if not self.count():
            raise SpecError(f"{what} of no records: shape {self.shape}")

    def _single(self, value: Array) -> Self:
        """One local record under a key of zeros."""
        records = local().load(ArraySource(np.asarray(value)[np.newaxis]))
        return self._changed(records, baseshape=(1,) * len(self._baseshape), labels=None)
