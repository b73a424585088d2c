"""Conversion to other libraries: xarray, pandas, napari, NWB."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike._lazy import optional
from thunderlike.data import indexing
from thunderlike.data.plotting import contrast_limits
from thunderlike.formats import hdf5, nwb
from thunderlike.formats.metadata import scales
from thunderlike.interop import dask, napari, xarray
from thunderlike.storage.atomic import draft
from thunderlike.viz.plots import is_colour

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from thunderlike._typing import Array
    from thunderlike.data.collection import Collection
    from thunderlike.engines.base import Records
    from thunderlike.storage import AnyCredentials, AnyPath

__all__ = ["tonapari", "tonwb", "topandas", "toxarray"]

Coords = dict[str, Any]


def toxarray(
    collection: Collection, dims: Sequence[str] | None, coords: Mapping[str, Any] | None
) -> Any:
    """Make a DataArray; coordinates come from `attrs` unless the caller names the dimensions."""
    names = tuple(_dims(collection) if dims is None else dims)
    # Coordinates are those of the default axes; under other names their units may be wrong.
    known = {} if dims is not None else _coords(collection, names)
    values = collection.values
    if not collection._records.in_memory:
        # dask computes chunks on demand: nothing is collected for the metadata.
        values = dask.todask(values, len(collection.baseshape), "auto")
    return xarray.toxarray(values, names, {**known, **(coords or {})}, collection.attrs)


def _dims(collection: Collection) -> tuple[str, ...]:
    """Return default names of all axes: time, and space for the others."""
    time = "frame"
    if collection._index is not None and not indexing.counts_only(collection._index):
        time = "index"
    if collection._index is not None and len(collection.baseshape) == 1:
        return ("series", time)
    if collection._index is None and len(collection.value_shape) == 3:
        # Colour is a matter of dtype and last axis, which an empty picture has.
        pixel = np.empty((0, 0, collection.value_shape[-1]), collection.dtype)
        if is_colour(pixel):
            return (time, "y", "x", "channel")
    nspace = collection.ndim - 1
    space = ("z", "y", "x")[3 - nspace :] if nspace < 4 else [f"axis{i}" for i in range(nspace)]
    names = list(space)
    names.insert(range(collection.ndim)[collection._time], time)
    return tuple(names)


def _coords(collection: Collection, dims: tuple[str, ...]) -> Coords:
    """Return the positions of pixels, times, labels and index, as far as they are known."""
    known, shape = scales(collection.attrs), dict(zip(dims, collection.shape, strict=True))
    size = known.pixel_size
    coords: Coords = {
        axis: (axis, np.arange(shape[axis]) * size[axis], {"units": "micrometer"})
        for axis in size
        if axis in shape
    }
    if (times := known.frame_times) and len(times) == shape.get("frame"):
        coords["time"] = ("frame", np.asarray(times), {"units": "s"})
    if collection.labels is not None:
        coords["label"] = (dims[: len(collection.baseshape)], collection.labels)
    index = collection._index
    if index is not None and index.ndim == 1:
        coords[dims[-1]] = index
    elif index is not None:
        coords |= {f"level{i}": (dims[-1], level) for i, level in enumerate(index.T)}
    return coords


def tonapari(images: Collection, options: Mapping[str, Any]) -> Any:
    """Make a layer of napari, with the contrast of a sample of the images."""
    limits = options.get("contrast_limits") or contrast_limits(images)
    return napari.tonapari(images.values, limits, images.attrs, **options)


def topandas(series: Collection) -> Any:
    """Make a DataFrame with a row for each series; keys and labels are its index."""
    axes = np.indices(series.baseshape)
    keys = {f"key{axis}": positions.ravel() for axis, positions in enumerate(axes)}
    if series.labels is not None:
        keys["label"] = series.labels.ravel()
    rows = _pandas_index(keys.values(), list(keys))
    # A row for each level, also of an index of one.
    columns = _pandas_index(np.atleast_2d(np.asarray(series._index).T))
    values = series._records.collect()
    # Locally `values` is a view: a table must not write into the collection.
    return optional("pandas", "pandas").DataFrame(values, rows, columns, copy=True)


def _pandas_index(levels: Iterable[Array], names: Sequence[str] | None = None) -> Any:
    """Return an Index, or a MultiIndex of several levels."""
    pandas = optional("pandas", "pandas")
    arrays = list(levels)
    if len(arrays) > 1:
        return pandas.MultiIndex.from_arrays(arrays, names=names)
    return pandas.Index(arrays[0], name=names[0] if names else None)


def tonwb(
    series: Collection,
    frames: Records,
    path: AnyPath,
    options: Mapping[str, Any],
    rate: float | None,
    *,
    overwrite: bool,
    credentials: AnyCredentials,
) -> None:
    """Write an NWB file of series, from the same values as frames: NWB has time first."""
    timing = _timing(series, rate)
    # Before the target is touched, and anything is computed.
    nwb.check(timing, options["nwbfile"], options["session_start_time"])
    shape = (series.value_shape[0], *series.baseshape)
    with draft(path, hdf5.looks_like, overwrite=overwrite, credentials=credentials) as made:
        blocks = (block for _, block in frames.stream())
        nwb.write(made.file, blocks, shape, series.dtype, timing, **options)


def _timing(series: Collection, rate: float | None) -> nwb.Timing:
    """Return the times of the positions: the rate given, else those of `attrs`."""
    if rate is not None:
        return nwb.Timing(rate=rate)
    known = scales(series.attrs)
    # Times are preferred to an interval, from which they may deviate.
    if len(known.frame_times) == series.value_shape[0]:
        return nwb.Timing(times=known.frame_times)
    return nwb.Timing(rate=1 / known.frame_interval if known.frame_interval else None)
