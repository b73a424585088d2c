"""Conversion to other libraries: dask, xarray, pandas, napari, NWB."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, cast

import numpy as np

from thunderlike.data import multiindex
from thunderlike.data.collection import Collection
from thunderlike.data.index import Indexed
from thunderlike.formats import hdf5, nwb
from thunderlike.formats.metadata import scales
from thunderlike.interop import dask, napari, torch, xarray
from thunderlike.storage.atomic import draft
from thunderlike.viz.pictures import is_colour

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from thunderlike.storage import AnyCredentials

__all__ = ["Exports", "ImageExports", "SeriesExports"]

Coords = dict[str, Any]


class Exports(Collection):
    """Methods that make arrays of other libraries."""

    _time: ClassVar[int]

    def todask(self, chunks: Any = "auto") -> Any:
        """Make a dask array, which computes its chunks on the engine when they are asked for.

        Parameters
        ----------
        chunks : 'auto', int or str
            Records of a chunk along each axis of keys, or its size, as dask takes it.

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
            ``z``, ``y`` and ``x`` and seconds in ``time`` where `attrs` tell them; and `attrs`.

        Raises
        ------
        SpecError
            For dims that are not as many as the axes.
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
        names = tuple(self._dims() if dims is None else dims)
        known = {} if dims is not None else self._coords(names)
        values = self.values if self._records.in_memory else self.todask()
        return xarray.toxarray(values, names, {**known, **(coords or {})}, self.attrs)

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

    def _dims(self) -> tuple[str, ...]:
        """What the axes are called: the time, and space for all others."""
        others = self.ndim - 1
        space = ("z", "y", "x")[3 - others :] if others < 4 else [f"axis{i}" for i in range(others)]
        names = list(space)
        names.insert(range(self.ndim)[self._time], self._time_dim())
        return tuple(names)

    def _time_dim(self) -> str:
        return "frame"

    def _coords(self, dims: tuple[str, ...]) -> Coords:
        """Where pixels and frames are, as far as it is known."""
        known, shape = scales(self._attrs), dict(zip(dims, self.shape, strict=True))
        size = known.pixel_size
        found: Coords = {
            axis: (axis, np.arange(shape[axis]) * size[axis], {"units": "micrometer"})
            for axis in size
            if axis in shape
        }
        if (times := known.frame_times) and len(times) == shape.get("frame"):
            found["time"] = ("frame", np.asarray(times), {"units": "s"})
        if self._labels is not None:
            found["label"] = (dims[: len(self._baseshape)], self._labels)
        return found


class ImageExports(Exports):
    """What images alone are made into."""

    def tonapari(self, **options: Any) -> Any:
        """Make a layer of napari, which shows the movie with a slider: ``viewer.add_layer(layer)``.

        Parameters
        ----------
        **options
            Of ``napari.layers.Image``: ``name``, ``colormap``, ``scale`` and others.

        Returns
        -------
        napari.layers.Image
            Scaled by the pixel size; black and white are the 0.5th and 99.5th percentile of 16
            images, unless ``contrast_limits`` is given.

        Raises
        ------
        MissingExtraError
            Without napari: ``pip install 'thunderlike[napari]'``.

        Notes
        -----
        Locally the layer is a view of `values`. On Spark the 16 images are computed now, in one
        job, and each image that is shown, when it is.

        Examples
        --------
        >>> import thunderlike as tl
        >>> movie = tl.images.fromexample("calcium")
        >>> movie.tonapari(name="run 1").data.shape  # doctest: +SKIP
        (600, 128, 128)
        """
        limits = options.get("contrast_limits") or self._contrast(None, None)  # type: ignore[attr-defined]
        return napari.tonapari(self.values, limits, self.attrs, **options)

    def _dims(self) -> tuple[str, ...]:
        nothing = np.empty((0, 0, self.value_shape[-1]), self.dtype)
        if len(self.value_shape) == 3 and is_colour(nothing):
            return ("frame", "y", "x", "channel")
        return super()._dims()


class SeriesExports(Exports, Indexed):
    """What series alone are made into, and how they name their axes."""

    def tonwb(
        self,
        path: Any,
        name: str = "series",
        *,
        rate: float | None = None,
        unit: str = "a.u.",
        description: str = "",
        session_start_time: Any = None,
        nwbfile: Any = None,
        rois: Any = None,
        overwrite: bool = False,
        credentials: AnyCredentials = None,
    ) -> None:
        """Write an NWB file with the series in it, time first, as others read it.

        Parameters
        ----------
        path : path
            The file; folders above it are made.
        name : str
            What the series are called in the file.
        rate : float, optional
            Positions a second. By default ``frame_times`` or ``frame_interval`` of `attrs`.
        unit, description : str
            Of the values: ``'a.u.'`` is NWB's word for fluorescence.
        session_start_time : datetime, optional
            With a time zone; needed without `nwbfile`.
        nwbfile : pynwb.NWBFile, optional
            What else is to be in the file: devices, subject, planes. The series are added to it.
        rois : pynwb DynamicTableRegion, optional
            The regions of `nwbfile` that the series are of: then they are a RoiResponseSeries of
            its module ``ophys``, else a TimeSeries of its acquisition.
        overwrite : bool
            Replace an HDF5 file that is there.
        credentials : dict, optional
            As in `tonpy`.

        Raises
        ------
        SpecError
            When nothing tells the rate, or when the session started.
        ExistsError
            When something is there.
        MissingExtraError
            Without pynwb: ``pip install 'thunderlike[nwb]'``.

        Notes
        -----
        One pass, a few blocks of frames in memory at a time; on Spark, one shuffle before. The file
        appears whole or not at all.

        Examples
        --------
        >>> import datetime
        >>> import thunderlike as tl
        >>> from thunderlike import storage
        >>> traces = tl.series.fromrandom((3, 50))
        >>> start = datetime.datetime(2026, 5, 4, 10, tzinfo=datetime.UTC)
        >>> traces.tonwb("memory://run/cells.nwb", rate=30, session_start_time=start)
        >>> tl.series.fromnwb("memory://run/cells.nwb").shape
        (3, 50)
        >>> storage.delete("memory://run")
        """
        told = {"name": name, "unit": unit, "description": description, "rois": rois}
        told |= {"nwbfile": nwbfile, "session_start_time": session_start_time}
        frames, timing = (self.length, *self._baseshape), self._timing(rate)
        nwb.check(timing, nwbfile, session_start_time)
        with draft(path, hdf5.looks_like, overwrite=overwrite, credentials=credentials) as made:
            frames_of = cast("Any", self).toimages()._records
            blocks = (block for _, block in frames_of.stream())
            nwb.write(made.file, blocks, frames, self.dtype, timing, **told)

    def _timing(self, rate: float | None) -> nwb.Timing:
        """When the positions were recorded, as far as it is known."""
        if rate is not None:
            return nwb.Timing(rate=rate)
        known = scales(self._attrs)
        if len(known.frame_times) == self.length:
            return nwb.Timing(times=known.frame_times)
        return nwb.Timing(rate=1 / known.frame_interval if known.frame_interval else None)

    def _dims(self) -> tuple[str, ...]:
        if len(self._baseshape) == 1:
            return ("series", self._time_dim())
        return super()._dims()

    def _time_dim(self) -> str:
        return "frame" if multiindex.counts_only(self._index) else "index"

    def _coords(self, dims: tuple[str, ...]) -> Coords:
        found = super()._coords(dims)
        if self._index.ndim == 1:
            return {**found, dims[-1]: self._index}
        levels = {f"level{i}": (dims[-1], level) for i, level in enumerate(self._index.T)}
        return {**found, **levels}
