"""Base class of images and series as arrays: arithmetic, statistics, conversion and files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from thunderlike._lazy import resolve
from thunderlike.data import array_functions, elementwise, export, reductions, writers
from thunderlike.data.collection import Collection
from thunderlike.datasets import distributed as datasets
from thunderlike.engines import ArraySource, local
from thunderlike.errors import SpecError
from thunderlike.interop import dask, torch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from numpy.typing import ArrayLike, DTypeLike

    from thunderlike._typing import Array
    from thunderlike.storage import AnyCredentials, AnyPath

__all__ = ["ArrayCollection"]


class ArrayCollection(Collection, NDArrayOperatorsMixin):
    """Collection with the operators, functions and statistics of numpy arrays.

    The work is done by functions: of :mod:`~thunderlike.data.elementwise`,
    :mod:`~thunderlike.data.reductions`, :mod:`~thunderlike.data.array_functions`,
    :mod:`~thunderlike.data.export` and :mod:`~thunderlike.data.writers`.
    """

    # elements

    # `casting` is checked by the function; annotated as text, its error would be another one.
    def astype(self, dtype: DTypeLike | None, casting: object = "unsafe") -> Self:
        """Cast every element.

        Examples
        --------
        >>> import thunderlike as tl
        >>> tl.series.fromarray([[1.7, -1.7]]).astype("int16").toarray()
        array([ 1, -1], dtype=int16)
        """
        return elementwise.cast(self, dtype, casting)

    def clip(
        self, min: ArrayLike | None = None, max: ArrayLike | None = None
    ) -> Self:  # numpy's names
        """Limit every element to ``min .. max``, either of which may be left out.

        Examples
        --------
        >>> import thunderlike as tl
        >>> tl.series.fromarray([[-3, 0, 7]]).clip(min=0, max=5).toarray()
        array([0, 0, 5])
        >>> tl.series.fromarray([[-3, 0, 7]]).clip(max=5).toarray()
        array([-3,  0,  5])
        """
        return self._stacked(np.clip, a_min=min, a_max=max)

    def element_wise(self, other: ArrayLike, op: Callable[[Any, Any], Any]) -> Self:
        """Apply a function of two elements to pairs of elements.

        Parameters
        ----------
        other : number, array_like, Images or Series
            A number, an array of the shape of a record and a collection of one record are combined
            with every record; any other must have the same shape, and is paired key by key.
        op : callable
            From two arrays of one shape, or an array and a number, to another of that shape:
            ``numpy.maximum``, ``operator.add``.

        Raises
        ------
        SpecError
            When the shapes, or the classes, differ.
        NotOnEngineError
            When `other` is on another engine.
        WorkerFailedError
            When `op` raises: at once for arrays of one element, on which it is tried first, else
            when the result is computed.

        Notes
        -----
        Also written as operators, ``x + other``, with numpy's functions, ``numpy.hypot(x, other)``,
        and as :meth:`plus`, :meth:`minus`, :meth:`dottimes`, :meth:`dotdivide`. The dtype is that
        of `op`. Nothing is computed until needed.

        Examples
        --------
        >>> import thunderlike as tl
        >>> tl.series.fromarray([[1, 5, 3]]).element_wise([2, 2, 9], np.maximum).toarray()
        array([2, 5, 9])
        """
        made: Self = elementwise.apply(op, (self, other), {})
        return made

    def plus(self, other: ArrayLike) -> Self:
        """``self + other``, as :meth:`element_wise`.

        Examples
        --------
        >>> import thunderlike as tl
        >>> tl.series.fromarray([[1, 2], [3, 4]]).plus([10, 20]).toarray()
        array([[11, 22],
               [13, 24]])
        """
        return self.element_wise(other, np.add)

    def minus(self, other: ArrayLike) -> Self:
        """``self - other``, as :meth:`element_wise`.

        Examples
        --------
        >>> import thunderlike as tl
        >>> series = tl.series.fromarray([[1, 2], [3, 4]])
        >>> series.minus(series.first()).toarray()
        array([[0, 0],
               [2, 2]])
        """
        return self.element_wise(other, np.subtract)

    def dottimes(self, other: ArrayLike) -> Self:
        """``self * other``, as :meth:`element_wise`.

        Examples
        --------
        >>> import thunderlike as tl
        >>> series = tl.series.fromarray([[1, 2], [3, 4]])
        >>> series.dottimes(series).toarray()
        array([[ 1,  4],
               [ 9, 16]])
        """
        return self.element_wise(other, np.multiply)

    def dotdivide(self, other: ArrayLike) -> Self:
        """``self / other``, as :meth:`element_wise`.

        Examples
        --------
        >>> import thunderlike as tl
        >>> tl.series.fromarray([[1, 2], [3, 4]]).dotdivide(2).toarray()
        array([[0.5, 1. ],
               [1.5, 2. ]])
        """
        return self.element_wise(other, np.true_divide)

    def subtract(self, val: ArrayLike) -> Self:
        """Subtract a number, or an array of the shape of a record, from every record.

        Raises
        ------
        SpecError
            For an array of another shape.

        Examples
        --------
        >>> import thunderlike as tl
        >>> movie = tl.images.fromarray([[[5, 6]], [[7, 9]]])
        >>> movie.subtract(movie.first()).toarray()
        array([[0, 0],
               [2, 3]])
        """
        if np.shape(val) not in ((), self.value_shape):
            raise SpecError(
                f"cannot subtract shape {np.shape(val)} from each record: give a number, or an "
                f"array of shape {self.value_shape}"
            )
        return self.minus(val)

    # numpy's protocols

    def __array_ufunc__(
        self, ufunc: np.ufunc, method: str, *inputs: object, **keywords: object
    ) -> Any:
        """Arithmetic: element-wise ufuncs of one or two inputs stay on the engine."""
        return elementwise.apply_ufunc(ufunc, method, inputs, keywords)

    def __contains__(self, value: ArrayLike) -> bool:
        """Return True if an element equals a scalar; SpecError for any other value.

        One pass over the data.
        """
        if np.ndim(value) != 0:
            raise SpecError(
                f"an element of {type(self).__name__} is a scalar, not of shape "
                f"{np.shape(value)}: compare records in a loop, with numpy.array_equal"
            )
        return bool(self.size and (self == value).max().toarray().any())

    def __array_function__(
        self,
        function: Callable[..., object],
        types: Iterable[type],
        args: Sequence[object],
        keywords: Mapping[str, object],
    ) -> Any:
        """Call the mean, sum, std, max, min, concatenate, stack, clip or where of collections."""
        return array_functions.call(function, args, keywords)

    # statistics over the records

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
        return self._single(reductions.reduce(self, func))

    def pca(self, k: int = 3, **options: Any) -> Any:
        """Fit principal components of the records.

        Parameters
        ----------
        k : int
            Number of components.
        **options
            Further arguments of :class:`thunderlike.factorization.PCA`.

        Returns
        -------
        thunderlike.factorization.PCAModel

        Notes
        -----
        One pass for records of fewer than 750 values, without a shuffle.

        Examples
        --------
        >>> import thunderlike as tl
        >>> movie = tl.images.fromrandom((60, 4, 6))
        >>> model = movie.pca(k=2)
        >>> model.components_.shape, model.transform(movie).shape
        ((2, 4, 6), (60, 2))
        """
        return resolve("thunderlike.factorization:PCA")(k, **options).fit_model(self)

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
        return self._statistic("mean", squeeze=squeeze)

    def var(self, *, squeeze: bool = False) -> Any:
        """Variance over the records (of the population), float64; as :meth:`mean`.

        Examples
        --------
        >>> import thunderlike as tl
        >>> tl.series.fromarray([[1, 5], [3, 5]]).var().toarray()
        array([1., 0.])
        """
        return self._statistic("var", squeeze=squeeze)

    def std(self, *, squeeze: bool = False) -> Any:
        """Standard deviation (of the population), float64; as :meth:`mean`.

        Examples
        --------
        >>> import thunderlike as tl
        >>> tl.series.fromarray([[1, 5], [5, 5]]).std().toarray()
        array([2., 0.])
        """
        return self._statistic("std", squeeze=squeeze)

    def sum(self, *, squeeze: bool = False) -> Any:
        """Sum over the records, in the dtype in which numpy adds up; as :meth:`mean`.

        Examples
        --------
        >>> import thunderlike as tl
        >>> pixels = tl.series.fromarray(np.full((3, 2), 200, dtype="uint8"))
        >>> pixels.sum().toarray()
        array([600, 600], dtype=uint64)
        """
        return self._statistic("sum", squeeze=squeeze)

    def max(self, *, squeeze: bool = False) -> Any:
        """Maximum over the records; as :meth:`mean`.

        Examples
        --------
        >>> import thunderlike as tl
        >>> tl.series.fromarray([[1, 5], [4, 2]]).max().toarray()
        array([4, 5])
        """
        return self._statistic("max", squeeze=squeeze)

    def min(self, *, squeeze: bool = False) -> Any:
        """Minimum over the records; as :meth:`mean`.

        Examples
        --------
        >>> import thunderlike as tl
        >>> tl.series.fromarray([[1, 5], [4, 2]]).min().toarray()
        array([1, 2])
        """
        return self._statistic("min", squeeze=squeeze)

    def _statistic(self, name: str, *, squeeze: bool) -> Any:
        value = reductions.statistic(self, name)
        return value if squeeze else self._single(value)

    def _single(self, value: Array) -> Self:
        """One local record under a key of zeros."""
        records = local().load(ArraySource(np.asarray(value)[np.newaxis]))
        return self._changed(records, baseshape=(1,) * len(self._baseshape), labels=None)

    # conversion

    def todask(self, chunks: object = "auto") -> Any:
        """Make a dask array, which computes its chunks on the engine on demand.

        Parameters
        ----------
        chunks : 'auto', int or str
            Records of a chunk along each axis of keys, or its size, as in dask.

        Returns
        -------
        dask.array.Array
            Of full `shape`, cut along the axes of keys alone.

        Raises
        ------
        MissingExtraError
            Without dask: ``pip install 'thunderlike[interop]'``.

        Notes
        -----
        Nothing is computed. Locally every chunk is a view of `values`. On Spark each is a job of
        this process: compute with dask's threads, not with its distributed scheduler.

        Examples
        --------
        >>> import thunderlike as tl
        >>> array = tl.images.fromrandom((6, 4, 5)).todask(chunks=2)
        >>> array.chunks[0], array[3].compute().shape
        ((2, 2, 2), (4, 5))
        """
        return dask.todask(self.values, len(self._baseshape), chunks)

    def toxarray(
        self, dims: Sequence[str] | None = None, coords: Mapping[str, Any] | None = None
    ) -> Any:
        """Make a DataArray of xarray, with named dimensions and coordinates.

        Parameters
        ----------
        dims : sequence of str, optional
            Names of all axes. By default ``frame`` for time, and ``y`` and ``x``, of volumes ``z``,
            ``y`` and ``x``, for pixels.
        coords : mapping, optional
            More coordinates, as DataArray takes them.

        Returns
        -------
        xarray.DataArray
            With the labels as coordinate ``label``, the index along the series, micrometres along
            ``z``, ``y`` and ``x`` and seconds in ``time`` where `attrs` have them; and `attrs`.

        Raises
        ------
        SpecError
            When the number of dims differs from that of the axes.
        MissingExtraError
            Without xarray: ``pip install 'thunderlike[interop]'``.

        Notes
        -----
        Nothing is computed. Locally it is a view of `values`; on Spark a dask array, as of
        `todask`.

        Examples
        --------
        >>> import thunderlike as tl
        >>> movie = tl.images.fromrandom((6, 4, 5))
        >>> movie.attrs = {"pixel_size": {"y": 0.5, "x": 0.5}}
        >>> array = movie.toxarray()
        >>> array.dims, array["x"].values.tolist()
        (('frame', 'y', 'x'), [0.0, 0.5, 1.0, 1.5, 2.0])
        """
        return export.toxarray(self, dims, coords)

    def totorch(self) -> Any:
        """Make a tensor of torch, of full `shape`.

        Raises
        ------
        WrongTypeError
            For a dtype that torch does not have.
        MissingExtraError
            Without torch: ``pip install 'thunderlike[torch]'``.

        Notes
        -----
        Locally it shares the memory of `values`: do not write into it. On Spark, one job; all
        values come to the driver. ``torch.from_dlpack(x.toarray())`` is the same by DLPack, and so
        for any other library that takes it.

        Examples
        --------
        >>> import thunderlike as tl
        >>> tl.images.fromrandom((6, 4, 5)).totorch().shape  # doctest: +SKIP
        torch.Size([6, 4, 5])
        """
        return torch.totorch(self.toarray(squeeze=False))

    # files

    def tonpy(
        self, path: AnyPath, *, overwrite: bool = False, credentials: AnyCredentials = None
    ) -> None:
        """Write one ``.npy`` file, which ``numpy.load`` reads and maps.

        Parameters
        ----------
        path : path
            The file; folders above it are made.
        overwrite : bool
            Replace an existing ``.npy`` file.
        credentials : dict, optional
            Credentials of a bucket, ``{'access': ..., 'secret': ...}``, and further parameters of
            :class:`~thunderlike.storage.s3.S3Store`. By default those that boto3 finds.

        Raises
        ------
        ExistsError
            When the target exists.
        StorageError
            With `overwrite`, when the target is not a ``.npy`` file.

        Notes
        -----
        The file appears whole or not at all. On Spark the workers write parts next to it, which are
        then put together here, 16 MiB in memory at a time; into a bucket by way of the local disk.
        The array's values are all that the file holds.

        Examples
        --------
        >>> import thunderlike as tl
        >>> tl.images.fromrandom((10, 4, 6)).tonpy("memory://doc-writers.npy")
        >>> tl.images.fromnpy("memory://doc-writers.npy").shape
        (10, 4, 6)
        """
        writers.to_npy(self, path, overwrite=overwrite, credentials=credentials)

    def tohdf5(
        self,
        path: AnyPath,
        dataset: str = "data",
        *,
        compression: str | None = "zlib",
        overwrite: bool = False,
        credentials: AnyCredentials = None,
    ) -> None:
        """Write one HDF5 file, from which an image and a pixel's series read equally well.

        Parameters
        ----------
        path, credentials
            As in `tonpy`.
        dataset : str
            Name of the array in the file.
        compression : 'zlib' or None
            zlib at level 1 after a shuffle of bytes, which every HDF5 tool reads.
        overwrite : bool
            Replace an existing HDF5 file.

        Raises
        ------
        ExistsError
            When the target exists.
        StorageError
            With `overwrite`, when the target is not an HDF5 file.
        MissingExtraError
            When h5py is not installed.

        Notes
        -----
        The array has the full `shape`. It is cut in chunks of about 1 MiB: with N of them, in √N
        pieces along time and √N across an image, so that a whole image and the whole series of a
        pixel take about √N chunks each. `attrs` are kept, as JSON in the attribute
        ``thunderlike``.

        The file appears whole or not at all. On Spark the workers write parts next to it, which are
        then put together here in one ordered pass: a row of chunks is in memory at a time, and
        threads compress them. Into a bucket it goes by way of the local disk.

        Examples
        --------
        >>> import thunderlike as tl
        >>> tl.images.fromrandom((10, 4, 6)).tohdf5("memory://doc-writers.h5", dataset="movie")
        >>> tl.images.fromhdf5("memory://doc-writers.h5", dataset="movie").shape
        (10, 4, 6)
        """
        writers.to_hdf5(
            self,
            path,
            dataset,
            compression=compression,
            overwrite=overwrite,
            credentials=credentials,
        )

    def tozarr(
        self,
        path: AnyPath,
        *,
        ome: bool = False,
        overwrite: bool = False,
        credentials: AnyCredentials = None,
    ) -> None:
        """Write a folder that is one Zarr array, of its version 3; or an OME-Zarr, which holds one.

        Parameters
        ----------
        path : path
            The folder, created if needed; it must be empty or absent.
        ome : bool
            Of images, write OME-Zarr 0.5, which viewers open: the array is ``0`` of the folder, its
            axes have names, and the pixel size and time between images of `attrs` are its scale.
        overwrite : bool
            Replace the output of an earlier call.
        credentials : dict, optional
            As in `tonpy`.

        Raises
        ------
        ExistsError
            When the folder is not empty.
        SpecError
            With `ome`, of series, and of images that are neither pictures nor volumes.
        StorageError
            With `overwrite`, when it contains files of any other origin.
        MissingExtraError
            When zarr is not installed.

        Notes
        -----
        The array has the full `shape`, in chunks as of `tohdf5`, compressed by zstd; `attrs` are
        its attributes. The folder appears whole or not at all, with an empty file ``SUCCESS``. On
        Spark the workers write parts, which are put together here, a row of chunks at a time.

        Examples
        --------
        >>> import thunderlike as tl
        >>> tl.images.fromrandom((10, 4, 6)).tozarr("memory://doc-writers.zarr")
        >>> tl.images.fromzarr("memory://doc-writers.zarr").shape
        (10, 4, 6)
        """
        writers.to_zarr(self, path, ome=ome, overwrite=overwrite, credentials=credentials)

    def tomsgpack(
        self,
        path: AnyPath,
        field: str = "data",
        *,
        overwrite: bool = False,
        credentials: AnyCredentials = None,
    ) -> None:
        """Write the records as samples of a dataset, in shards that ``tl.datasets`` reads.

        Parameters
        ----------
        path : path
            The folder, created if needed; it must be empty or absent.
        field : str
            Name of the array in a sample.
        overwrite : bool
            Replace the output of an earlier call.
        credentials : dict, optional
            As in `tonpy`.

        Raises
        ------
        ExistsError
            When the folder is not empty.
        StorageError
            With `overwrite`, when it contains files of any other origin.

        Notes
        -----
        A sample's key is its position, such as ``'00003-00017'``; labels go along as ``label``.
        Each part becomes a shard, written where it is, a block in memory at a time; the manifest
        comes when all are there. The local engine writes one.

        Examples
        --------
        >>> import thunderlike as tl
        >>> tl.images.fromrandom((10, 4, 6)).tomsgpack("memory://doc-writers-shards", field="frame")
        >>> tl.images.frommsgpack("memory://doc-writers-shards", field="frame").shape
        (10, 4, 6)
        """
        if not self.count():
            raise SpecError(f"there are no records to write: shape {self.shape}")
        datasets.write(
            self,
            path,
            field=field,
            labels=self.labels,
            overwrite=overwrite,
            credentials=credentials,
        )


# Augmented assignment binds the name to a new collection, as for numbers: none is ever changed.
_OPERATORS = ["add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "lshift", "rshift"]
for _name in (*_OPERATORS, "and", "or", "xor"):
    setattr(ArrayCollection, f"__i{_name}__", getattr(NDArrayOperatorsMixin, f"__{_name}__"))
