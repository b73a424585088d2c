"""Images from files of whole arrays: HDF5, npy, Zarr, msgpack; and from samples of datasets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from thunderlike.data.array_files import Hdf5, Npy, Zarr, folders, image_source
from thunderlike.data.file_sources import Files, read, reader
from thunderlike.data.images import Images
from thunderlike.data.sources import SIDECARS, SampleReader, SampleSource, accessed, message_source
from thunderlike.engines import engine_for
from thunderlike.kernels._validation import checked_arguments

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from thunderlike.storage import AnyCredentials, AnyPaths, Order

__all__ = ["fromdataset", "fromhdf5", "frommsgpack", "fromnpy", "frompath", "fromzarr"]


@checked_arguments
def fromdataset(
    reader: SampleReader,
    field: str = "data",
    labels: Sequence[Any] | None = None,
    npartitions: int | None = None,
    engine: Any = None,
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
    labels: Any = None,
    engine: Any = None,
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
        When a file is no such file, is cut short, or differs from the first; names it.

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
    labels: Any = None,
    engine: Any = None,
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
    labels: Any = None,
    engine: Any = None,
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
    labels: Any = None,
    engine: Any = None,
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
    dtype: Any = None,
    labels: Any = None,
    recount: bool = False,  # noqa: ARG001  # Thunder's; here nothing is left to count
    engine: Any = None,
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
