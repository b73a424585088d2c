"""Writers that images and series share: the whole collection as one array."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from thunderlike import storage
from thunderlike.data.arrayfiles import Folder
from thunderlike.data.assembling import assemble
from thunderlike.data.base import Collection
from thunderlike.datasets import distributed as datasets
from thunderlike.errors import SpecError
from thunderlike.formats import hdf5, npy, ome_zarr, zarr
from thunderlike.formats.base import sniff
from thunderlike.storage.atomic import draft

if TYPE_CHECKING:
    from pathlib import Path

    from thunderlike.data.assembling import Sink
    from thunderlike.storage import AnyCredentials

__all__ = ["ArrayWriters"]


class ArrayWriters(Collection):
    """Methods that write all records as one array of full `shape`."""

    _time: ClassVar[int]  # the axis along which the series of a pixel runs

    def tonpy(
        self, path: Any, *, overwrite: bool = False, credentials: AnyCredentials = None
    ) -> None:
        """Write one ``.npy`` file, which ``numpy.load`` reads and maps.

        Parameters
        ----------
        path : path
            The file; folders above it are made.
        overwrite : bool
            Replace a ``.npy`` file that is there.
        credentials : dict, optional
            What opens a bucket: ``{'access': ..., 'secret': ...}``, and whatever else
            :class:`~thunderlike.storage.s3.S3Store` takes. By default what boto3 finds.

        Raises
        ------
        ExistsError
            When something is there.
        StorageError
            With `overwrite`, when that is no such file.

        Notes
        -----
        The file appears whole or not at all. On Spark the workers write parts beside it, which are
        then put together here, 16 MiB in memory at a time; into a bucket by way of the local disk.
        The array's values are all that the file holds.

        Examples
        --------
        >>> import thunderlike as tl
        >>> tl.images.fromrandom((10, 4, 6)).tonpy("memory://doc-writers.npy")
        >>> tl.images.fromnpy("memory://doc-writers.npy").shape
        (10, 4, 6)
        """

        def opened(file: Path) -> npy.Writer:
            return npy.Writer(file, self.shape, self.dtype)

        with (
            draft(path, _is_npy, overwrite=overwrite, credentials=credentials) as made,
            opened(made.file) as sink,
        ):
            self._assemble(sink, made.folder)

    def tohdf5(
        self,
        path: Any,
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
            Replace an HDF5 file that is there.

        Raises
        ------
        ExistsError
            When something is there.
        StorageError
            With `overwrite`, when that is no HDF5 file.
        MissingExtraError
            When h5py is not installed.

        Notes
        -----
        The array has the full `shape`. It is cut in chunks of about 1 MiB: with N of them, in √N
        pieces along time and √N across an image, so that a whole image and the whole series of a
        pixel take about √N chunks each. `attrs` are kept, as JSON in the attribute
        ``thunderlike``.

        The file appears whole or not at all. On Spark the workers write parts beside it, which are
        then put together here in one ordered pass: a row of chunks is in memory at a time, and
        threads compress them. Into a bucket it goes by way of the local disk.

        Examples
        --------
        >>> import thunderlike as tl
        >>> tl.images.fromrandom((10, 4, 6)).tohdf5("memory://doc-writers.h5", dataset="movie")
        >>> tl.images.fromhdf5("memory://doc-writers.h5", dataset="movie").shape
        (10, 4, 6)
        """
        options: dict[str, Any] = {"name": dataset, "attrs": self.attrs, "compression": compression}

        def opened(file: Path) -> hdf5.Writer:
            time = range(self.ndim)[self._time]
            return hdf5.Writer(file, self.shape, self.dtype, time=time, **options)

        with (
            draft(path, hdf5.looks_like, overwrite=overwrite, credentials=credentials) as made,
            opened(made.file) as sink,
        ):
            self._assemble(sink, made.folder)

    def tozarr(
        self,
        path: Any,
        *,
        ome: bool = False,
        overwrite: bool = False,
        credentials: AnyCredentials = None,
    ) -> None:
        """Write a folder that is one Zarr array, of its version 3; or an OME-Zarr, which holds one.

        Parameters
        ----------
        path : path
            The folder, made if need be; it must be empty or absent.
        ome : bool
            Of images, write OME-Zarr 0.5, which viewers open: the array is ``0`` of the folder, its
            axes have names, and the pixel size and time between images of `attrs` are its scale.
        overwrite : bool
            Replace what an earlier call wrote there.
        credentials : dict, optional
            As in `tonpy`.

        Raises
        ------
        ExistsError
            When the folder holds anything.
        SpecError
            With `ome`, of series, and of images that are neither pictures nor volumes.
        StorageError
            With `overwrite`, when it holds anything that is not such output.
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
        told = self._ome() if ome else None
        ours = ["zarr.json", "c/**", "0/**", "parts/**"]
        with storage.output(path, ours, overwrite=overwrite, credentials=credentials) as folder:
            parts, place = storage.join(folder, "parts"), folder
            options: dict[str, Any] = {"attrs": self.attrs}
            if told is not None:
                zarr.group(Folder(folder), told)
                place, options = storage.join(folder, "0"), {"axes": ome_zarr.axes_of(self.shape)}
            time = range(self.ndim)[self._time]
            sink = zarr.Writer(Folder(place), self.shape, self.dtype, time=time, **options)
            self._assemble(sink, parts)
            storage.delete(parts)

    def _ome(self) -> dict[str, Any]:
        if self._time:
            raise SpecError("OME-Zarr holds images, time first: call .toimages() on series")
        return ome_zarr.metadata(self.shape, self.attrs)

    def tomsgpack(
        self,
        path: Any,
        field: str = "data",
        *,
        overwrite: bool = False,
        credentials: AnyCredentials = None,
    ) -> None:
        """Write the records as samples of a dataset, in shards that ``tl.datasets`` reads.

        Parameters
        ----------
        path : path
            The folder, made if need be; it must be empty or absent.
        field : str
            What a sample calls its array.
        overwrite : bool
            Replace what an earlier call wrote there.
        credentials : dict, optional
            As in `tonpy`.

        Raises
        ------
        ExistsError
            When the folder holds anything.
        StorageError
            With `overwrite`, when it holds anything that is not such output.

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
        datasets.write(
            self,
            path,
            field=field,
            labels=self.labels,
            overwrite=overwrite,
            credentials=credentials,
        )

    def _assemble(self, sink: Sink, folder: str) -> None:
        assemble(self._records, self.baseshape, sink, folder)


def _is_npy(start: bytes) -> bool:
    return sniff(start) == "npy"
