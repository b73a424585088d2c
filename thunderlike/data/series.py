"""Series: records keyed by where they were taken, each a sequence of values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np

from thunderlike._lazy import optional
from thunderlike.data import multiindex, writers
from thunderlike.data._deprecated import with_draft_spellings
from thunderlike.data.array_functions import ArrayFunctions
from thunderlike.data.export import SeriesExports
from thunderlike.data.grid import block_bytes
from thunderlike.data.groupby import Reductions
from thunderlike.data.indexing import reshaped
from thunderlike.data.plotting import LookAtSeries
from thunderlike.data.signals import Signals
from thunderlike.data.writers import ArrayWriters
from thunderlike.engines import local
from thunderlike.engines.base import ArraySource, Spec
from thunderlike.engines.shuffle import Transpose
from thunderlike.errors import NotOnEngineError, SpecError
from thunderlike.kernels import linalg
from thunderlike.kernels._validation import as_array
from thunderlike.kernels.linalg import Comoments
from thunderlike.storage import at

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from thunderlike._typing import Array
    from thunderlike.data.images import Images
    from thunderlike.storage import AnyCredentials

__all__ = ["Series"]


@with_draft_spellings
class Series(ArrayFunctions, LookAtSeries, SeriesExports, Signals, Reductions, ArrayWriters):
    """Sequences of one length and dtype; the last axis is the record, all others are keys.

    Parameters
    ----------
    values : array_like or Records
        An array of shape ``(*baseshape, length)``. Most people call ``tl.series.fromarray(array)``
        or ``images.toseries()``.
    index : sequence, optional
        What each position in a series is called, of that length; a sequence of sequences has
        several levels. By default ``0 .. length-1``.
    labels : array_like, optional
        What each series is called, of shape `baseshape`.
    baseshape : tuple of int, optional
        Shape of the keys, for Records.

    Examples
    --------
    >>> Series(np.zeros((4, 6, 10)))
    Series
    mode: local
    dtype: float64
    shape: (4, 6, 10)
    """

    _time = -1

    # other keys

    def reshape(self, *shape: Any) -> Self:
        """Give the keys another shape; that of a series stays.

        Parameters
        ----------
        *shape : int
            The last is `length`; one of the others may be -1. A tuple will do as well.

        Raises
        ------
        SpecError
            For a shape of another size, or of another last axis.

        Notes
        -----
        Labels are reshaped alike. Nothing is moved.

        Examples
        --------
        >>> Series(np.zeros((4, 6, 10))).reshape(2, -1, 10).shape
        (2, 12, 10)
        """
        found = reshaped(self.shape, shape)
        if len(found) < 2 or found[-1] != self.length:
            raise SpecError(
                f"cannot reshape {self.shape} to {found}: the last axis, along a series, must stay "
                f"{self.length}"
            )
        labels = None if self._labels is None else self._labels.reshape(found[:-1])
        return self._changed(self._records, baseshape=found[:-1], labels=labels)

    def flatten(self) -> Self:
        """Number the series: the keys get one axis; labels go along. Nothing is moved.

        Examples
        --------
        >>> Series(np.zeros((4, 6, 10))).flatten().shape
        (24, 10)
        """
        return self.reshape(self.count(), self.length)

    # all series together

    def gramian(self) -> Self:
        """Sum over the series of the outer product of each with itself.

        Returns
        -------
        Series
            Local, float64, of shape ``(length, length)``.

        Raises
        ------
        SpecError
            When there is no series.

        Notes
        -----
        One pass; one matrix product for each block of series. On Spark each task returns a matrix.

        Examples
        --------
        >>> Series(np.array([[1, 2], [3, 4]])).gramian().toarray()
        array([[10., 14.],
               [14., 20.]])
        """
        self._check_any("gramian")
        return self._square(self._records.aggregate(_gramian, np.add, 8 * self.length**2))

    def cov(self) -> Self:
        """Covariance of positions over the series, divided by their number less 1.

        Returns
        -------
        Series
            Local, float64, of shape ``(length, length)``; NaN for a single series.

        Raises
        ------
        SpecError
            When there is no series.

        Notes
        -----
        As :func:`numpy.cov` with ``rowvar=False``. One pass; as :meth:`gramian`.

        Examples
        --------
        >>> Series(np.array([[1, 2], [2, 4], [3, 6]])).cov().toarray()
        array([[1., 2.],
               [2., 4.]])
        """
        return self._square(self._folded("cov", Comoments, 8 * self.length**2).cov)

    def _square(self, matrix: Array) -> Self:
        """A local series for each position."""
        records = local().load(ArraySource(matrix))
        return self._changed(records, baseshape=(self.length,), labels=None, index=self._index)

    def times(self, other: Any) -> Self:
        """Multiply each series with a matrix, or a number.

        Parameters
        ----------
        other : number, array_like or Series
            A number; a vector of shape ``(length,)``, taken as a column; a matrix of shape
            ``(length, k)``, or local series of that shape.

        Returns
        -------
        Series
            Of length `k`, the index counting; for a number, as they were.

        Raises
        ------
        SpecError
            When `other` has another shape.
        NotOnEngineError
            When `other` are series that are not local.

        Notes
        -----
        One pass; one matrix product for each block. The dtype is numpy's, but integers get 64 bits.

        Examples
        --------
        >>> Series(np.array([[1, 2], [3, 4]])).times([10, 1]).toarray()
        array([12, 34])
        """
        matrix = _matrix(other)
        if matrix.ndim == 0:
            return self * other
        if matrix.ndim != 2 or len(matrix) != self.length:
            raise SpecError(
                f"shapes {self.shape} and {np.shape(other)} are not aligned: give a matrix of "
                f"shape ({self.length}, k)"
            )
        return self._stacked(linalg.times, matrix=matrix)._indexed(None)

    # out

    def toimages(self, chunk_size: Any = "auto") -> Images:
        """Turn the series of pixels into a movie: the inverse of ``images.toseries()``.

        Parameters
        ----------
        chunk_size : 'auto', int, tuple of int or str
            As in ``images.toseries``.

        Returns
        -------
        Images
            Of shape ``(length, *baseshape)``. Labelled by the index, unless that only counts.

        Notes
        -----
        On Spark one shuffle of all values.

        Examples
        --------
        >>> movie = Series(np.arange(6).reshape(1, 2, 3), index=["a", "b", "c"]).toimages()
        >>> movie.shape
        (3, 1, 2)
        >>> movie.toarray()
        array([[0, 3],
               [1, 4],
               [2, 5]])
        >>> movie.labels
        array(['a', 'b', 'c'], dtype='<U1')
        """
        frames = Spec(self.length, self.baseshape, self.dtype)
        exchange = Transpose(self._records.spec, self.baseshape)
        records = self._records.regroup(exchange, block_bytes(chunk_size, frames))
        counts = multiindex.counts_only(self._index)
        labels = None if counts else multiindex.as_labels(self._index)
        return self._kinds["Images"](records, labels=labels, attrs=self.attrs)

    def tobinary(
        self,
        path: Any,
        prefix: str = "series",
        overwrite: bool = False,
        credentials: AnyCredentials = None,
    ) -> None:
        """Write flat binary files, and a ``conf.json`` that describes them.

        Parameters
        ----------
        path : path
            A folder, made if need be; it must be empty or absent.
        prefix : str
            Files are called ``prefix-00000-00000.bin`` by the key of their first series.
        overwrite : bool
            Replace what an earlier call wrote there.
        credentials : dict, optional
            What opens a bucket: ``{'access': ..., 'secret': ...}``, and whatever else
            :class:`~thunderlike.storage.s3.S3Store` takes. By default what boto3 finds.

        Raises
        ------
        ExistsError
            When the folder holds anything.
        StorageError
            With `overwrite`, when it holds anything that is not such output.

        Notes
        -----
        One pass, a block in memory at a time: one file for each partition on Spark, one locally.
        Each is written whole or not at all, an empty file ``SUCCESS`` comes last.

        Examples
        --------
        >>> import thunderlike as tl
        >>> Series(np.arange(6).reshape(2, 3)).tobinary("memory://doc-series-bin")
        >>> tl.series.frombinary("memory://doc-series-bin").toarray()
        array([[0, 1, 2],
               [3, 4, 5]])
        """
        writers.series_to_binary(self, at(path, credentials), prefix, overwrite=overwrite)

    def totext(
        self,
        path: Any,
        prefix: str = "series",
        overwrite: bool = False,
        credentials: AnyCredentials = None,
    ) -> None:
        """Write text files, a series on each line; else as `tobinary`.

        Each number is written in the shortest form that reads back as the same.

        Examples
        --------
        >>> from thunderlike import storage
        >>> Series(np.array([[1.5, 2], [0.1, 4]])).totext("memory://doc-series-text")
        >>> storage.read("memory://doc-series-text/series-00000.txt").splitlines()
        [b'1.5 2.0', b'0.1 4.0']
        """
        writers.series_to_text(self, at(path, credentials), prefix, overwrite=overwrite)

    def topandas(self) -> Any:
        """Return a DataFrame with a row for each series; pandas must be installed.

        Returns
        -------
        pandas.DataFrame
            The columns are the index, the rows are the keys: ``key0``, ``key1``, ... for each axis
            and, where there are labels, ``label``. Several levels make a MultiIndex.

        Raises
        ------
        MissingExtraError
            Without pandas.

        Notes
        -----
        On Spark, one job; all values come to the driver. The values are copied.

        Examples
        --------
        >>> series = Series(np.array([[1, 2], [3, 4]]), index=["on", "off"])
        >>> series.topandas()
              on  off
        key0
        0      1    2
        1      3    4
        """
        axes = np.indices(self._baseshape)
        keys = {f"key{axis}": positions.ravel() for axis, positions in enumerate(axes)}
        if self._labels is not None:
            keys["label"] = self._labels.ravel()
        rows = _pandas_index(keys.values(), list(keys))
        columns = _pandas_index(np.atleast_2d(self._index.T))
        values = self._records.collect()
        return optional("pandas", "pandas").DataFrame(values, rows, columns, copy=True)


def _gramian(_: int, block: Array) -> Array:
    return linalg.gramian(block)


def _matrix(other: Any) -> Array:
    """What series are multiplied with, a vector as a column."""
    if isinstance(other, Series):
        if not other._records.in_memory:
            raise NotOnEngineError(
                f"series can only be multiplied with others that are here, not on {other.mode}: "
                "call .tolocal() on these"
            )
        return other.toarray(squeeze=False)
    array = as_array(other, "the factors")
    return array[:, np.newaxis] if array.ndim == 1 else array


def _pandas_index(levels: Iterable[Array], names: Sequence[str] | None = None) -> Any:
    """An Index, or of several levels a MultiIndex."""
    pandas = optional("pandas", "pandas")
    arrays = list(levels)
    if len(arrays) > 1:
        return pandas.MultiIndex.from_arrays(arrays, names=names)
    return pandas.Index(arrays[0], name=names[0] if names else None)
