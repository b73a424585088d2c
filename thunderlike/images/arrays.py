"""Images from whole arrays: HDF5, npy, Zarr, msgpack, NWB, suite2p, dask, xarray; datasets."""

from __future__ import annotations

import warnings
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from thunderlike import storage
from thunderlike._text import printable
from thunderlike.data.array_files import Hdf5, Npy, Zarr, folders, image_source
from thunderlike.data.file_sources import Files, naming, read, reader
from thunderlike.data.images import Images
from thunderlike.data.sources import SIDECARS, SampleReader, SampleSource, accessed, message_source
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
    "fromsuite2p",
    "fromxarray",
    "fromzarr",
]


@checked_arguments
def fromdask(
    array: Any,
    labels: Sequence[Any] | None = None,
    npartitions: int | None = None,
    engine: object = None,
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
    engine: object = None,
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
    # A view: the dimension that counts images goes first without a copy.
    turned = array.transpose(first, ...)
    label = array.coords.get("label")
    # A coordinate along another dimension labels no images.
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
    engine: object = None,
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
    # NWB has time first.
    source, _ = image_source([file], Hdf5(found.dataset), 0)
    records = engine_for(engine).load(source, npartitions)
    return Images(records, labels=source.labels(labels), attrs=found.attrs)


@checked_arguments
def fromsuite2p(
    path: AnyPath,
    shape: tuple[int, int] | None = None,
    npartitions: int | None = None,
    labels: Sequence[Any] | None = None,
    engine: object = None,
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
    # By its name: buckets have no folders to look for.
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
    # nplanes=1: `data.bin` is one plane, and its frames are images.
    found = frombinary(
        address, size, "int16", nplanes=1, npartitions=npartitions, labels=labels, engine=engine
    )
    if ops is not None:
        with ops:
            ops.check()  # the movie was listed in between: both are of one run
    if len(found) != (frames := stated.get("nframes", len(found))):
        text = (
            f"{address}: holds {len(found)} images of {size}, and {place} states {frames}: the "
            "movie may be truncated, or of another recording"
        )
        warnings.warn(printable(text), stacklevel=2)
    # suite2p's fs is the rate in Hz; 0 is no rate.
    if stated.get("fs"):
        found.attrs["frame_interval"] = 1 / stated["fs"]
    return found


@checked_arguments
def fromdataset(
    reader: SampleReader,
    field: str = "data",
    labels: Sequence[Any] | None = None,
    npartitions: int | None = None,
    engine: object = None,
) -> Images:
    """Make images of one field of each sample of a dataset.

    Parameters
    ----------
    reader : Reader
        Of ``tl.datasets``, or a view; images come in its order.
    field : str
        An array in each sample, or the bytes of a TIFF, PNG or npy file.
    labels : sequence, optional
        What each image is called, such as ``list(reader.keys())``.
    npartitions, engine
        As in :func:`~thunderlike.images.creation.fromarray`.

    Raises
    ------
    SpecError
        For a field that is not there, is no image, or is not of one shape.

    Notes
    -----
    One sample is read here; the others are where the engine runs, each worker its ranges.

    Examples
    --------
    >>> import numpy as np
    >>> import thunderlike as tl
    >>> faces = tl.datasets.ListReader([{"key": k, "image": np.eye(3)} for k in "ab"])
    >>> tl.images.fromdataset(faces, field="image").shape
    (2, 3, 3)
    """
    # One axis, as `fromlist` allows, up to volumes with channels.
    source = SampleSource.of(reader, field, range(1, 5))
    return Images(engine_for(engine).load(source, npartitions), labels=labels)


@reader
def fromnpy(
    path: AnyPaths,
    ext: str = "npy",
    start: int | None = None,
    stop: int | None = None,
    recursive: bool = False,
    npartitions: int | None = None,
    labels: Labels | None = None,
    engine: object = None,
    credentials: AnyCredentials = None,
    *,
    axis: int | None = 0,
    order: Order | None = None,
) -> Images:
    """Read the images in ``.npy`` files, one file after the other.

    Parameters
    ----------
    {shared}
    axis : int or None
        The axis that counts the images. An array of two axes is one image; with None, so is each
        array.

    Raises
    ------
    NotFoundError
        When no file is there.
    FormatError
        When a file is no such file, is truncated, or differs from the first; names it.

    Notes
    -----
    The headers of all files are read here. A single file in C order, counted by its first axis, is
    read locally where its values are needed.

    Examples
    --------
    >>> import thunderlike as tl
    >>> tl.images.fromrandom((3, 8, 8)).tonpy("memory://page-images.npy")
    >>> fromnpy("memory://page-images.npy").shape
    (3, 8, 8)
    """
    files, records = Files(path, ext, start, stop, recursive, credentials, order).records()
    source, attrs = image_source(files, Npy(), axis)
    return read(Images, source, npartitions, labels, engine, records=records, attrs=attrs)


@reader
def fromhdf5(
    path: AnyPaths,
    dataset: str | None = None,
    ext: str = "h5",
    start: int | None = None,
    stop: int | None = None,
    recursive: bool = False,
    npartitions: int | None = None,
    labels: Labels | None = None,
    engine: object = None,
    credentials: AnyCredentials = None,
    *,
    axis: int | None = 0,
    order: Order | None = None,
) -> Images:
    """Read the images in an array of HDF5 files, one file after the other.

    Parameters
    ----------
    {shared}
    dataset : str, optional
        Path of the array in the file, such as ``'/acquisition/movie'``. By default ``'/data'``, or
        the only array of numbers that there is.
    axis : int or None
        As in :func:`fromnpy`.

    Raises
    ------
    NotFoundError
        When no file is there.
    FormatError
        When a file is no such file or is damaged, has no such array (names those that it has), or
        is compressed by a filter that is not installed.
    MissingExtraError
        When h5py is not installed.

    Notes
    -----
    The headers of all files are read here; then each worker reads its images alone, in whole rows
    of chunks, from any place. `attrs` are those that `Images.tohdf5` wrote.

    Examples
    --------
    >>> import thunderlike as tl
    >>> tl.images.fromrandom((3, 8, 8)).tohdf5("memory://page-images.h5")
    >>> fromhdf5("memory://page-images.h5").shape
    (3, 8, 8)
    """
    files, records = Files(path, ext, start, stop, recursive, credentials, order).records()
    source, attrs = image_source(files, Hdf5(dataset), axis)
    return read(Images, source, npartitions, labels, engine, records=records, attrs=attrs)


@reader
def fromzarr(
    path: AnyPaths,
    dataset: str | None = None,
    npartitions: int | None = None,
    labels: Labels | None = None,
    engine: object = None,
    credentials: AnyCredentials = None,
    *,
    axis: int | None = 0,
) -> Images:
    """Read the images in a Zarr array, of version 2 or 3.

    Parameters
    ----------
    path : path, or list of paths
        The folder; of several, one after the other.
    dataset : str, optional
        Path of the array in the folder, such as ``'1'`` for the second of an OME-Zarr. By default
        its largest, ``'0'``, or the folder is the array.
    axis : int or None
        As in :func:`fromnpy`.
    {shared}

    Raises
    ------
    FormatError
        When there is no such array (names those that there are), or a chunk is damaged.
    MissingExtraError
        When zarr is not installed.

    Notes
    -----
    The metadata are read here; then each worker reads its images alone, in whole rows of chunks.
    Pixel size, axes and time between images of an OME-Zarr are in `attrs`.

    Examples
    --------
    >>> import thunderlike as tl
    >>> tl.images.fromrandom((3, 8, 8)).tozarr("memory://page-images.zarr")
    >>> fromzarr("memory://page-images.zarr").shape
    (3, 8, 8)
    """
    places = folders(path, credentials)
    source, attrs = image_source(places, Zarr.of(places, dataset), axis)
    return read(Images, source, npartitions, labels, engine, attrs=attrs)


@reader
def frommsgpack(
    path: AnyPaths,
    field: str = "data",
    ext: str = "msgpack",
    start: int | None = None,
    stop: int | None = None,
    recursive: bool = False,
    npartitions: int | None = None,
    labels: Labels | None = None,
    engine: object = None,
    credentials: AnyCredentials = None,
    *,
    order: Order | None = None,
) -> Images:
    """Read the arrays in the samples of a dataset, in the order of its shards.

    Parameters
    ----------
    {shared}
    field : str
        What the samples call the array.

    Raises
    ------
    NotFoundError
        When no file is there.
    FormatError
        When a sample has no such field, or an array unlike that of the first; names file and
        number.

    Notes
    -----
    The offsets of all shards are read here; then each worker reads its samples alone.

    Examples
    --------
    >>> import thunderlike as tl
    >>> tl.images.fromrandom((3, 8, 8)).tomsgpack("memory://page-samples")
    >>> frommsgpack("memory://page-samples").shape
    (3, 8, 8)
    """
    files, records = Files(path, ext, start, stop, recursive, credentials, order).records()
    # Images are numbered in the order of the shards, whatever their keys.
    source, _ = message_source(files, field)
    return read(Images, source, npartitions, labels, engine, records=records)


@reader
def frompath(
    path: AnyPaths,
    accessor: Callable[[bytes], Any] | None = None,
    ext: str | None = None,
    start: int | None = None,
    stop: int | None = None,
    recursive: bool = False,
    npartitions: int | None = None,
    dims: Sequence[int] | None = None,
    dtype: DTypeLike | None = None,
    labels: Labels | None = None,
    recount: bool = False,  # noqa: ARG001  # Thunder's; here nothing is left to count
    engine: object = None,
    credentials: AnyCredentials = None,
    *,
    order: Order | None = None,
) -> Images:
    """Read files of any kind, one image each, by a function of their bytes.

    Parameters
    ----------
    {shared}
    accessor : callable, optional
        From the bytes of a file to an array; called where the engine runs. By default the first
        bytes identify TIFF, PNG or npy. Not called for ``SUCCESS`` and ``conf.json``,
        which writers add to a folder.
    dims, dtype : optional
        Shape and dtype of an image; unless both are given, `accessor` is called on the first file.
    recount : bool
        Ignored; Thunder had to count.

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
    >>> storage.write("memory://odd/a.dat", bytes(range(6)))
    >>> frompath("memory://odd", lambda data: np.frombuffer(data, "u1").reshape(2, 3)).shape
    (1, 2, 3)
    >>> storage.delete("memory://odd")
    """
    files = Files(path, ext, start, stop, recursive, credentials, order).find(but=SIDECARS)
    source, _ = accessed(files, accessor, 2, dims, dtype)
    return read(Images, source, npartitions, labels, engine)
