"""Series from dask and xarray, and NWB."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from thunderlike import storage
from thunderlike.data.array_files import Hdf5, series_source
from thunderlike.data.file_sources import naming
from thunderlike.data.series import Series
from thunderlike.engines import engine_for
from thunderlike.formats import nwb
from thunderlike.interop import dask, xarray
from thunderlike.kernels._validation import checked_arguments
from thunderlike.series.creation import fromarray
from thunderlike.storage._open import open_file

if TYPE_CHECKING:
    from collections.abc import Sequence

    from thunderlike.storage import AnyCredentials, AnyPath

__all__ = ["fromdask", "fromnwb", "fromxarray"]


@checked_arguments
def fromdask(
    array: Any,
    index: Sequence[Any] | None = None,
    labels: Any = None,
    npartitions: int | None = None,
    engine: Any = None,
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
    baseshape = array.shape[:-1] or (1,)
    return Series(records, index=index, labels=labels, baseshape=baseshape)


@checked_arguments
def fromxarray(
    array: Any, dim: str | None = None, npartitions: int | None = None, engine: Any = None
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
    labels = None if label is None or label.dims != turned.dims[:-1] else label.values
    make = fromdask if turned.chunks else fromarray
    along = None if index is None else index.values
    made = make(turned.data, along, labels, npartitions, engine)
    made.attrs = dict(array.attrs)
    return made


@checked_arguments
def fromnwb(
    path: AnyPath,
    name: str | None = None,
    index: Sequence[Any] | None = None,
    labels: Any = None,
    npartitions: int | None = None,
    engine: Any = None,
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
    source, baseshape, _ = series_source([file], Hdf5(found.dataset), 0)
    records = engine_for(engine).load(source, npartitions)
    labels = source.labels(labels, baseshape)
    made = Series(records, index=index, labels=labels, baseshape=baseshape)
    made.attrs = found.attrs
    return made
