"""Images from dask and xarray, NWB and suite2p."""

from __future__ import annotations

import warnings
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from thunderlike import storage
from thunderlike._text import printable
from thunderlike.data.array_files import Hdf5, image_source
from thunderlike.data.file_sources import naming
from thunderlike.data.images import Images
from thunderlike.engines import engine_for
from thunderlike.errors import SpecError
from thunderlike.formats import nwb, suite2p
from thunderlike.formats.metadata import boundary
from thunderlike.images.creation import fromarray
from thunderlike.images.readers import frombinary
from thunderlike.interop import dask, xarray
from thunderlike.kernels._validation import checked_arguments
from thunderlike.storage._open import open_file

if TYPE_CHECKING:
    from collections.abc import Sequence

    from thunderlike.storage import AnyCredentials, AnyPath

__all__ = ["fromdask", "fromnwb", "fromsuite2p", "fromxarray"]


@checked_arguments
def fromdask(
    array: Any,
    labels: Sequence[Any] | None = None,
    npartitions: int | None = None,
    engine: Any = None,
) -> Images:
    """Make images from a dask array, whose first axis counts them.

    Parameters
    ----------
    array : dask.array.Array
        Of shape ``(n, height, width)`` or ``(n, depth, height, width)``; a single image too.
    labels, npartitions, engine
        As in :func:`fromarray`.

    Raises
    ------
    SpecError
        For what is no dask array, has chunks of unknown size, or one axis.
    MissingExtraError
        Without dask.

    Notes
    -----
    Locally it is computed now, several chunks at a time. On Spark each task gets its part of the
    graph and computes it when it is needed, so that dask and what the graph uses must be there.

    Examples
    --------
    >>> import dask.array
    >>> fromdask(dask.array.ones((6, 4, 5), chunks=2)).shape
    (6, 4, 5)
    """
    source = dask.image_source(array)
    return Images(engine_for(engine).load(source, npartitions), labels=labels)


@checked_arguments
def fromxarray(
    array: Any,
    dim: str | None = None,
    npartitions: int | None = None,
    engine: Any = None,
) -> Images:
    """Make images from a DataArray of xarray.

    Parameters
    ----------
    array : xarray.DataArray
        One array of a Dataset: ``dataset["movie"]``.
    dim : str, optional
        The dimension that counts the images; by default the first.
    npartitions, engine
        As in :func:`fromarray`.

    Returns
    -------
    Images
        Labelled by the coordinate ``label``, if it has one; its `attrs` are those of the array.

    Raises
    ------
    SpecError
        For anything else, and for a dimension that there is not.

    Notes
    -----
    A numpy array is shared and not copied; a dask array is read as by :func:`fromdask`. Open files
    with ``xarray.open_dataset(path, chunks={})`` so that they are read in parts.

    Examples
    --------
    >>> import numpy as np, xarray
    >>> maps = xarray.DataArray(np.zeros((4, 6, 12)), dims=["lat", "lon", "month"])
    >>> fromxarray(maps, dim="month").shape
    (12, 4, 6)
    """
    first = xarray.dim_of(xarray.checked(array), dim, 0)
    turned = array.transpose(first, ...)
    label = array.coords.get("label")
    labels = None if label is None or label.dims != (first,) else label.values
    make = fromdask if turned.chunks else fromarray
    made = make(turned.data, labels, npartitions, engine)
    made.attrs = dict(array.attrs)
    return made


@checked_arguments
def fromnwb(
    path: AnyPath,
    name: str | None = None,
    npartitions: int | None = None,
    labels: Sequence[Any] | None = None,
    engine: Any = None,
    credentials: AnyCredentials = None,
) -> Images:
    """Read a movie in an NWB file, such as a TwoPhotonSeries.

    Parameters
    ----------
    path : path
        The file.
    name : str, optional
        Its name, its path in the file, or its type; by default the only TwoPhotonSeries,
        OnePhotonSeries or ImageSeries.
    npartitions, labels, engine, credentials
        As in :func:`frombinary`.

    Returns
    -------
    Images
        As stored: of shape ``(n, *image)``, where NWB means an image to have its width first and
        many files do not. `attrs` hold the metadata of the file: ``frame_interval`` or
        ``frame_times``, ``pixel_size``, ``unit``, ``conversion``, which is not applied, and
        ``description``.

    Raises
    ------
    NotFoundError
        When no file is there.
    FormatError
        When it is no HDF5 file, or there is not one such series; names those that there are.
    RefusedError
        When the images are in other files; names them.

    Notes
    -----
    As :func:`fromhdf5`: each worker reads its images alone. pynwb is not needed.

    Examples
    --------
    >>> import datetime
    >>> import thunderlike as tl
    >>> start = datetime.datetime(2026, 5, 4, 10, tzinfo=datetime.UTC)
    >>> pixels = tl.images.fromrandom((6, 4, 5)).toseries()
    >>> pixels.tonwb("memory://lab/run.nwb", "movie", rate=30, session_start_time=start)
    >>> tl.images.fromnwb("memory://lab/run.nwb", "movie").shape
    (6, 4, 5)
    >>> storage.delete("memory://lab")
    """
    file = storage.stat(storage.at(path, credentials))
    with naming(file.path), open_file(file.path, identity=file.identity) as stream:
        found = nwb.find(stream, name, nwb.MOVIES)
    source, _ = image_source([file], Hdf5(found.dataset), 0)
    records = engine_for(engine).load(source, npartitions)
    return Images(records, labels=source.labels(labels), attrs=found.attrs)


@checked_arguments
def fromsuite2p(
    path: AnyPath,
    shape: tuple[int, int] | None = None,
    npartitions: int | None = None,
    labels: Sequence[Any] | None = None,
    engine: Any = None,
    credentials: AnyCredentials = None,
) -> Images:
    """Read the registered movie of suite2p: ``data.bin``, int16 images one after the other.

    Parameters
    ----------
    path : path
        The folder of a plane, ``suite2p/plane0``, or the binary file.
    shape : (int, int), optional
        ``(Ly, Lx)``; by default that of ``ops.npy`` in the same folder.
    npartitions, labels, engine, credentials
        As in :func:`frombinary`.

    Raises
    ------
    NotFoundError
        When no file is there.
    SpecError
        When the shape is not known.
    FormatError
        When the file is no whole number of such images, or ``ops.npy`` is damaged.

    Notes
    -----
    ``ops.npy`` is a pickle: it is searched for four numbers and never unpickled. One warning says
    where ``nframes`` is not the number of images found. Locally the movie is read where its
    values are needed.
    What suite2p calls ``F.npy`` is ``tl.series.fromnpy``, and ``tonpy`` of float32 series of cells.

    Examples
    --------
    >>> storage.write("memory://suite2p/plane0/data.bin", bytes(6 * 4 * 5 * 2))
    >>> fromsuite2p("memory://suite2p/plane0", shape=(4, 5)).shape
    (6, 4, 5)
    >>> storage.delete("memory://suite2p")
    """
    address = storage.at(path, credentials)
    if not address.endswith(".bin"):
        address = storage.join(address, "data.bin")
    place = storage.join(storage.parent(address), "ops.npy")
    stated: dict[str, float] = {}
    ops = storage.open(place) if storage.exists(place) else None
    if ops is not None:
        # With a shape given, all that the file adds is metadata.
        with naming(place), nullcontext() if shape is None else boundary("ops.npy"):
            stated = suite2p.sizes(ops.read())
    if shape is None and not {"Ly", "Lx"} <= stated.keys():
        lack = "no such file" if ops is None else "it has no Ly and Lx"
        raise SpecError(f"{place}: {lack}: give shape=(Ly, Lx)")
    size = shape or (int(stated["Ly"]), int(stated["Lx"]))
    found = frombinary(
        address, size, "int16", nplanes=1, npartitions=npartitions, labels=labels, engine=engine
    )
    if ops is not None:
        with ops:
            ops.check()  # the movie was listed in between: both are of one run
    if len(found) != (frames := stated.get("nframes", len(found))):
        text = (
            f"{address}: holds {len(found)} images of {size}, and {place} states {frames}: the "
            "movie may be cut short, or of another recording"
        )
        warnings.warn(printable(text), stacklevel=2)
    if stated.get("fs"):
        found.attrs["frame_interval"] = 1 / stated["fs"]
    return found
