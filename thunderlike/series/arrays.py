"""Series from whole arrays: HDF5, npy, Zarr, msgpack, NWB, dask, xarray; datasets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from thunderlike import storage
from thunderlike.data.array_files import Hdf5, Npy, Zarr, folders, series_source
from thunderlike.data.file_sources import Files, naming, read, reader
from thunderlike.data.series import Series
from thunderlike.data.sources import (
    SIDECARS,
    SampleReader,
    SampleSource,
    accessed,
    message_source,
    positions,
)
from thunderlike.engines import engine_for
from thunderlike.errors import SpecError
from thunderlike.formats import nwb
from thunderlike.interop import dask, xarray
from thunderlike.kernels._validation import checked_arguments
from thunderlike.series.creation import fromarray
from thunderlike.storage._open import open_file

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import DTypeLike

    from thunderlike._typing import Labels
    from thunderlike.storage import AnyCredentials, AnyPath, AnyPaths, Order

__all__ = [
    "fromdask",
    "fromdataset",
    "fromhdf5",
    "frommsgpack",
    "fromnpy",
    "fromnwb",
    "frompath",
    "fromxarray",
    "fromzarr",
]


@checked_arguments
def fromdask(
    array: Any,
    index: Sequence[Any] | None = None,
    labels: Labels | None = None,
    npartitions: int | None = None,
    engine: object = None,
) -> Series:
    """Make series from a dask array, whose last axis runs along each; as of images.

    Parameters
    ----------
    array : dask.array.Array
        Of shape ``(*baseshape, length)``.
    index, labels, npartitions, engine
        As in :func:`fromarray`.

    Raises
    ------
    SpecError
        For what is no dask array, or has chunks of unknown size.
    MissingExtraError
        Without dask.

    Notes
    -----
    As ``tl.images.fromdask``. A series must be in one chunk: dask joins those along the last axis.

    Examples
    --------
    >>> import dask.array
    >>> fromdask(dask.array.ones((4, 5, 6), chunks=2)).shape
    (4, 5, 6)
    """
    records = engine_for(engine).load(dask.series_source(array), npartitions)
    # A single series has no axis of keys.
    baseshape = array.shape[:-1] or (1,)
    return Series(records, index=index, labels=labels, baseshape=baseshape)


@checked_arguments
def fromxarray(
    array: Any, dim: str | None = None, npartitions: int | None = None, engine: object = None
) -> Series:
    """Make series from a DataArray of xarray; as of images.

    Parameters
    ----------
    array : xarray.DataArray
        One array of a Dataset: ``dataset["temperature"]``.
    dim : str, optional
        The dimension that runs along each series, ``"time"`` say; by default the last.
    npartitions, engine
        As in :func:`fromarray`.

    Returns
    -------
    Series
        Its index is the coordinate along `dim`, its labels are the coordinate ``label``, its
        `attrs` those of the array.

    Raises
    ------
    SpecError
        For anything else, and for a dimension that there is not.

    Examples
    --------
    >>> import numpy as np, xarray
    >>> months = {"month": np.arange(1, 13)}
    >>> maps = xarray.DataArray(np.zeros((12, 4, 6)), months, ["month", "lat", "lon"])
    >>> series = fromxarray(maps, dim="month")
    >>> series.shape, series.index[-1]
    ((4, 6, 12), np.int64(12))
    """
    last = xarray.dim_of(xarray.checked(array), dim, -1)
    turned = array.transpose(..., last)
    index, label = array.coords.get(last), array.coords.get("label")
    # Labels have one value for each series, so all dimensions but the last.
    labels = None if label is None or label.dims != turned.dims[:-1] else label.values
    make = fromdask if turned.chunks else fromarray
    # A dimension without coordinates only counts, as the default index does.
    along = None if index is None else index.values
    made = make(turned.data, along, labels, npartitions, engine)
    made.attrs = dict(array.attrs)
    return made


@checked_arguments
def fromnwb(
    path: AnyPath,
    name: str | None = None,
    index: Sequence[Any] | None = None,
    labels: Labels | None = None,
    npartitions: int | None = None,
    engine: object = None,
    credentials: AnyCredentials = None,
) -> Series:
    """Read traces in an NWB file, such as the RoiResponseSeries of cells.

    Parameters
    ----------
    path : path
        The file.
    name : str, optional
        Their name, their path in the file, or their type; by default the only RoiResponseSeries,
        ElectricalSeries, SpatialSeries or TimeSeries.
    index, labels, npartitions, engine, credentials
        As in :func:`fromtext`.

    Returns
    -------
    Series
        Of shape ``(cells, n)``: in the file time comes first. `attrs` as of ``tl.images.fromnwb``.

    Raises
    ------
    NotFoundError
        When no file is there.
    FormatError
        When it is no HDF5 file, or there are not one such series; names those that there are.
    SpecError
        For a single trace.
    RefusedError
        When the values are in other files.

    Examples
    --------
    >>> import datetime
    >>> import thunderlike as tl
    >>> start = datetime.datetime(2026, 5, 4, 10, tzinfo=datetime.UTC)
    >>> traces = tl.series.fromrandom((3, 50))
    >>> traces.tonwb("memory://lab/cells.nwb", rate=30, session_start_time=start)
    >>> tl.series.fromnwb("memory://lab/cells.nwb").shape
    (3, 50)
    >>> storage.delete("memory://lab")
    """
    file = storage.stat(storage.at(path, credentials))
    with naming(file.path), open_file(file.path, identity=file.identity) as stream:
        found = nwb.find(stream, name, nwb.TRACES)
    # NWB has time first.
    source, baseshape, _ = series_source([file], Hdf5(found.dataset), 0)
    records = engine_for(engine).load(source, npartitions)
    labels = source.labels(labels, baseshape)
    made = Series(records, index=index, labels=labels, baseshape=baseshape)
    made.attrs = found.attrs
    return made


@checked_arguments
def fromdataset(
    reader: SampleReader,
    field: str = "data",
    index: Labels | None = None,
    labels: Sequence[Any] | None = None,
    npartitions: int | None = None,
    engine: object = None,
) -> Series:
    """Make series of one field of each sample of a dataset.

    Parameters
    ----------
    reader : Reader
        Of ``tl.datasets``, or a view; series come in its order.
    field : str
        An array of one axis in each sample.
    index, labels, npartitions, engine
        As in :func:`~thunderlike.series.creation.fromarray`.

    Raises
    ------
    SpecError
        For a field that is not there, has more axes, or is not of one length.

    Notes
    -----
    One sample is read here; the others are where the engine runs, each worker its ranges.

    Examples
    --------
    >>> import numpy as np
    >>> import thunderlike as tl
    >>> traces = tl.datasets.ListReader([{"key": k, "trace": np.arange(4)} for k in "ab"])
    >>> tl.series.fromdataset(traces, field="trace").shape
    (2, 4)
    """
    source = SampleSource.of(reader, field, range(1, 2))
    records = engine_for(engine).load(source, npartitions)
    return Series(records, index=index, labels=labels)


@reader
def fromnpy(
    path: AnyPaths,
    ext: str = "npy",
    index: Labels | None = None,
    labels: Labels | None = None,
    npartitions: int | None = None,
    engine: object = None,
    credentials: AnyCredentials = None,
    *,
    start: int | None = None,
    stop: int | None = None,
    recursive: bool = False,
    axis: int = -1,
    order: Order | None = None,
) -> Series:
    """Read the series in ``.npy`` files; of several, the first axis goes on from file to file.

    Parameters
    ----------
    {shared}
    axis : int
        The axis along which the series run; all others are keys. 0 for a movie ``(time, y, x)``.

    Raises
    ------
    NotFoundError
        When no file is there.
    FormatError
        When a file is no such file, is truncated, or differs from the first; names it.
    SpecError
        For an array of one axis.

    Notes
    -----
    The headers of all files are read here. A single file in C order whose last axis is that of the
    series is read locally where its values are needed.

    Examples
    --------
    >>> import thunderlike as tl
    >>> tl.series.fromrandom((6, 10)).tonpy("memory://page-series.npy")
    >>> fromnpy("memory://page-series.npy").shape
    (6, 10)
    """
    files = Files(path, ext, start, stop, recursive, credentials, order).find()
    source, baseshape, attrs = series_source(files, Npy(), axis)
    return read(
        Series, source, npartitions, labels, engine, attrs=attrs, baseshape=baseshape, index=index
    )


@reader
def fromhdf5(
    path: AnyPaths,
    dataset: str | None = None,
    ext: str = "h5",
    index: Labels | None = None,
    labels: Labels | None = None,
    npartitions: int | None = None,
    engine: object = None,
    credentials: AnyCredentials = None,
    *,
    start: int | None = None,
    stop: int | None = None,
    recursive: bool = False,
    axis: int = -1,
    order: Order | None = None,
) -> Series:
    """Read the series in an array of HDF5 files; as :func:`fromnpy`.

    Parameters
    ----------
    {shared}
    dataset : str, optional
        Path of the array in the file. By default ``'/data'``, or the only array of numbers.
    axis : int
        As in :func:`fromnpy`.

    Raises
    ------
    NotFoundError
        When no file is there.
    FormatError
        When a file is no such file or is damaged, or has no such array (names those that it has).
    MissingExtraError
        When h5py is not installed.

    Notes
    -----
    Each worker reads its series alone, in whole rows of chunks, from any place.

    Examples
    --------
    >>> import thunderlike as tl
    >>> tl.series.fromrandom((6, 10)).tohdf5("memory://page-series.h5")
    >>> fromhdf5("memory://page-series.h5").shape
    (6, 10)
    """
    files = Files(path, ext, start, stop, recursive, credentials, order).find()
    source, baseshape, attrs = series_source(files, Hdf5(dataset), axis)
    return read(
        Series, source, npartitions, labels, engine, attrs=attrs, baseshape=baseshape, index=index
    )


@reader
def fromzarr(
    path: AnyPaths,
    dataset: str | None = None,
    index: Labels | None = None,
    labels: Labels | None = None,
    npartitions: int | None = None,
    engine: object = None,
    credentials: AnyCredentials = None,
    *,
    axis: int = -1,
) -> Series:
    """Read the series in a Zarr array, of version 2 or 3; as :func:`fromnpy`.

    Parameters
    ----------
    path : path, or list of paths
        The folder; of several, one after the other.
    dataset : str, optional
        Path of the array in the folder. By default the folder is the array.
    axis : int
        As in :func:`fromnpy`.
    {shared}

    Raises
    ------
    FormatError
        When there is no such array (names those that there are), or a chunk is damaged.
    MissingExtraError
        When zarr is not installed.

    Examples
    --------
    >>> import thunderlike as tl
    >>> tl.series.fromrandom((3, 4, 10)).tozarr("memory://page-series.zarr")
    >>> fromzarr("memory://page-series.zarr").shape
    (3, 4, 10)
    """
    # A Zarr array is a folder: there are no files to list by extension.
    places = folders(path, credentials)
    source, baseshape, attrs = series_source(places, Zarr.of(places, dataset), axis)
    return read(
        Series, source, npartitions, labels, engine, attrs=attrs, baseshape=baseshape, index=index
    )


@reader
def frommsgpack(
    path: AnyPaths,
    field: str = "data",
    ext: str = "msgpack",
    index: Labels | None = None,
    labels: Labels | None = None,
    npartitions: int | None = None,
    engine: object = None,
    credentials: AnyCredentials = None,
    *,
    start: int | None = None,
    stop: int | None = None,
    recursive: bool = False,
    order: Order | None = None,
) -> Series:
    """Read the series in the samples of a dataset, in the order of its shards.

    Parameters
    ----------
    {shared}
    field : str
        What the samples call the array, of one axis.

    Raises
    ------
    NotFoundError
        When no file is there.
    FormatError
        When a sample has no such field, or an array unlike that of the first.

    Notes
    -----
    Keys such as ``'00003-00017'``, which `Series.tomsgpack` writes, give the shape of the keys.

    Examples
    --------
    >>> import thunderlike as tl
    >>> tl.series.fromrandom((6, 10)).tomsgpack("memory://page-rows")
    >>> frommsgpack("memory://page-rows").shape
    (6, 10)
    """
    files = Files(path, ext, start, stop, recursive, credentials, order).find()
    source, keys = message_source(files, field)
    if len(source.spec.shape) != 1:
        raise SpecError(f"{files[0].path}: a series has one axis, the sample {source.spec.shape}")
    # The keys of the samples restore the shape that `tomsgpack` flattened.
    baseshape = positions(keys, source.spec.count)
    return read(Series, source, npartitions, labels, engine, baseshape=baseshape, index=index)


@reader
def frompath(
    path: AnyPaths,
    accessor: Callable[[bytes], Any] | None = None,
    ext: str | None = None,
    dims: Sequence[int] | None = None,
    dtype: DTypeLike | None = None,
    index: Labels | None = None,
    labels: Labels | None = None,
    npartitions: int | None = None,
    engine: object = None,
    credentials: AnyCredentials = None,
    *,
    start: int | None = None,
    stop: int | None = None,
    recursive: bool = False,
    order: Order | None = None,
) -> Series:
    """Read files of any kind, a series each or several, by a function of their bytes.

    Parameters
    ----------
    {shared}
    accessor : callable, optional
        From the bytes of a file to an array; called where the engine runs. Its last axis is that
        of the series, those before it count them. By default as in
        :func:`thunderlike.images.frompath`.
    dims, dtype : optional
        Shape and dtype of each array; unless both are given, `accessor` is called on the first
        file.

    Raises
    ------
    NotFoundError
        When no file is there.
    FormatError
        When a file is of no kind that is known here, or differs from the first; names it.

    Examples
    --------
    >>> import numpy as np
    >>> from thunderlike import storage
    >>> storage.write("memory://traces/a.dat", bytes(range(6)))
    >>> frompath("memory://traces", lambda data: np.frombuffer(data, "u1").reshape(2, 3)).shape
    (1, 2, 3)
    >>> storage.delete("memory://traces")
    """
    files = Files(path, ext, start, stop, recursive, credentials, order).find(but=SIDECARS)
    source, shape = accessed(files, accessor, 1, dims, dtype)
    # The files are one more axis of keys, before those of each array.
    baseshape = (len(source.files), *shape[:-1])
    return read(Series, source, npartitions, labels, engine, baseshape=baseshape, index=index)
