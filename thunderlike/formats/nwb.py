"""NWB, Neurodata Without Borders: movies and traces in HDF5 files with a schema.

Reading needs HDF5 alone: an attribute marks the groups of series, and a name the values of each.
pynwb writes files, as it knows the schema.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from thunderlike._lazy import optional
from thunderlike.errors import FormatError, RefusedError, SpecError
from thunderlike.formats.hdf5 import opened
from thunderlike.formats.hdf5journal import Disk
from thunderlike.formats.metadata import boundary, length, number, seconds

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path
    from types import ModuleType

    import h5py
    from numpy.typing import NDArray
    from pynwb import NWBFile

__all__ = [
    "MOVIES",
    "TRACES",
    "Found",
    "Timing",
    "attribute_text",
    "check",
    "chosen",
    "compressed",
    "find",
    "member",
    "new_session",
    "ophys_module",
    "save",
    "write",
]

MOVIES = ("TwoPhotonSeries", "OnePhotonSeries", "ImageSeries")
TRACES = ("RoiResponseSeries", "ElectricalSeries", "SpatialSeries", "TimeSeries")
_VALUES = {"data", "external_file"}
_BUFFER = 2**22  # bytes that are written at once


@dataclass(frozen=True)
class Found:
    """A series in a file.

    Parameters
    ----------
    dataset : str
        Path of its values, time along the first axis.
    attrs : dict
        Metadata of the file: ``frame_interval`` or ``frame_times``, ``pixel_size``, ``unit``,
        ``conversion``, ``description``.
    """

    dataset: str
    attrs: Mapping[str, Any] = field(default_factory=dict)


def find(stream: BinaryIO, name: str | None, kinds: tuple[str, ...]) -> Found:
    """Find a series, without reading its values; links out of the file are not followed.

    Parameters
    ----------
    name : str, optional
        Its path, its name, or its type, such as ``'TwoPhotonSeries'``; by default the only one of
        `kinds` that there is.
    kinds : tuple of str
        Types that are looked for.

    Raises
    ------
    FormatError
        For data that are not an HDF5 file, or do not have exactly one such series; names those
        that exist.
    RefusedError
        When the values are in other files.
    """
    with opened(stream) as file:
        there = _series(file)
        path = chosen(name, kinds, there)
        group = file[path]
        if (elsewhere := member(group, "external_file")) is not None:
            names = ", ".join(str(name) for name in elsewhere.asstr()[:4])
            raise RefusedError(
                f"{path}: its images are in other files, {names}: read those instead"
            )
        if member(group, "data") is None:
            raise RefusedError(
                f"{path}: its values are behind a link: read the file that it leads to"
            )
        return Found(f"{path}/data", _known(_attrs(file, group)))


def _series(file: h5py.File) -> dict[str, str]:
    """Return the types of all groups that hold values, or name files with them, by path."""
    found: dict[str, str] = {}

    def look(name: str, item: h5py.Group | h5py.Dataset) -> None:
        with boundary(f"neurodata_type of /{name}"):
            kind = attribute_text(item.attrs.get("neurodata_type"))
            if kind and hasattr(item, "keys") and _VALUES & set(item):
                found[f"/{name}"] = kind

    file.visititems(look)  # which follows no soft or external links
    return found


def chosen(
    name: str | None, kinds: tuple[str, ...], there: Mapping[str, str], what: str = "series"
) -> str:
    """Return the path of the object with a name, or of the only one of some types.

    Raises
    ------
    FormatError
        Where there is none, or several; names those that exist.

    Examples
    --------
    >>> chosen(None, MOVIES, {"/acquisition/movie": "TwoPhotonSeries"})
    '/acquisition/movie'
    """
    if name is None:
        fitting = [path for path, kind in there.items() if kind in kinds]
    else:
        wanted = name.strip("/")
        named = [path for path in there if path.strip("/") == wanted]
        named = named or [path for path in there if path.rpartition("/")[2] == wanted]
        fitting = named or [path for path, kind in there.items() if kind == wanted]
    # Never the first of several: a movie and its corrected copy may be in one file.
    if len(fitting) == 1:
        return fitting[0]
    count = f"{len(fitting)} {what}" if fitting else f"no {what}"
    asked = f"called {name!r}" if name else f"of type {' or '.join(kinds)}"
    listed = ", ".join(f"{path} ({kind})" for path, kind in list(there.items())[:8]) or "nothing"
    raise FormatError(f"the NWB file holds {count} {asked}: name one of {listed}")


def _attrs(file: h5py.File, group: h5py.Group) -> dict[str, Any]:
    data = group["data"]
    given: dict[str, Any] = {}
    with boundary("description"):
        given["description"] = attribute_text(group.attrs.get("description"))
    with boundary("unit"):
        given["unit"] = attribute_text(data.attrs.get("unit"))
    with boundary("pixel_size"):
        given["pixel_size"] = _pixel_size(file, group)
    with boundary("conversion"):
        if (factor := number(data.attrs.get("conversion", 1.0))) != 1.0:
            given["conversion"] = factor
    with boundary("frame_interval"):
        given |= _timing(group, len(data))
    return given


def _timing(group: h5py.Group, count: int) -> dict[str, Any]:
    """Return the seconds between two images, or those of each image since the first."""
    start, times = member(group, "starting_time"), member(group, "timestamps")
    if start is not None and start.attrs.get("rate"):
        return {"frame_interval": seconds(1 / number(start.attrs["rate"]), "s")}
    if times is None or not count:
        return {}
    if times.shape != (count,):
        raise ValueError(f"{times.shape} timestamps for {count} images")
    # Times in the file count from the start of the session, `frame_times` from the first image.
    since = np.asarray(times[...] - times[0], np.float64)
    if not np.isfinite(since).all():
        raise ValueError(f"{int((~np.isfinite(since)).sum())} timestamps are not finite numbers")
    return {"frame_times": since.tolist()}


def _pixel_size(file: h5py.File, group: h5py.Group) -> dict[str, float]:
    """Return the micrometres along each axis, from the imaging plane that the series links to."""
    link = group.get("imaging_plane", getlink=True)
    if type(link).__name__ != "SoftLink":
        return {}
    spacing = member(file, f"{link.path}/grid_spacing")
    if spacing is None or spacing.shape not in ((2,), (3,)):
        return {}
    unit, size = attribute_text(spacing.attrs.get("unit")) or "meters", dict[str, float]()
    # NWB states the spacing along x first, and two or three axes.
    for axis, value in zip("xyz", np.asarray(spacing[...], np.float64).tolist(), strict=False):
        with boundary(f"pixel_size along {axis}"):
            size[axis] = length(value, unit)
    return size


def member(group: h5py.Group, path: str) -> Any:
    """Return the node at a path of a file, None where a link leads away from it."""
    item = group
    # A step at a time: h5py would follow a link in the middle of a path out of the file.
    for step in path.strip("/").split("/"):
        link = item.get(step, getlink=True) if step in set(item) else None
        if type(link).__name__ != "HardLink":
            return None
        item = item[step]
    return item


def attribute_text(value: object) -> str:
    """Return text of variable or of fixed length, which writers other than pynwb use.

    Examples
    --------
    >>> attribute_text(b"lumens"), attribute_text(3)
    ('lumens', '')
    """
    value = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
    return value if isinstance(value, str) else ""


def _known(given: Mapping[str, Any]) -> dict[str, Any]:
    unknown: tuple[Any, ...] = ("", "no description", "unknown", {}, None)
    return {name: value for name, value in given.items() if value not in unknown}


@dataclass(frozen=True)
class Timing:
    """Times of positions: a rate, or a list.

    Parameters
    ----------
    rate : float, optional
        Positions a second.
    times : sequence of float, optional
        Seconds.
    """

    rate: float | None = None
    times: Any = None

    @property
    def arguments(self) -> dict[str, Any]:
        """Keyword arguments of a series of pynwb."""
        if self.rate is not None:
            return {"rate": float(self.rate)}
        if self.times is not None:
            return {"timestamps": np.asarray(self.times, np.float64)}
        raise SpecError("NWB needs the time of each position: give rate=, in positions a second")


def check(timing: Timing, nwbfile: object, session_start_time: object) -> None:
    """Check, before anything is computed, the arguments that pynwb would refuse at the end."""
    optional("pynwb", extra="nwb")
    _ = timing.arguments
    if nwbfile is None and session_start_time is None:
        raise SpecError(
            "NWB needs the start of the session: give session_start_time=, a datetime with "
            "a time zone, or nwbfile="
        )


def write(
    file: Path,
    blocks: Iterable[NDArray[Any]],
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    timing: Timing,
    *,
    name: str,
    unit: str,
    description: str,
    nwbfile: NWBFile | None = None,
    session_start_time: Any = None,
    rois: object = None,
) -> None:
    """Write a file with one series, with a few blocks in memory at a time.

    Parameters
    ----------
    file : Path
        Made.
    blocks : iterable of ndarray
        Positions in order, stacked along the first axis.
    shape, dtype
        Of all.
    timing : Timing
    name, unit, description : str
        Of the series.
    nwbfile : pynwb.NWBFile, optional
        What else the file holds; the series is added to it.
    session_start_time : datetime, optional
        With a time zone; needed without `nwbfile`.
    rois : pynwb DynamicTableRegion, optional
        The regions that the series are of: it becomes a RoiResponseSeries of the module ``ophys``.
    """
    pynwb = optional("pynwb", extra="nwb")
    data = compressed(blocks, shape, dtype)
    given = {
        "name": name,
        "data": data,
        "unit": unit,
        "description": description,
        **timing.arguments,
    }
    whole = nwbfile or new_session(session_start_time, description or name)
    if rois is None:
        whole.add_acquisition(pynwb.TimeSeries(**given))
    else:
        _add_responses(whole, optional("pynwb.ophys", extra="nwb"), {**given, "rois": rois})
    save(file, whole)


def save(file: Path, whole: NWBFile) -> None:
    """Write a file of pynwb."""
    pynwb = optional("pynwb", extra="nwb")
    # By its handle: pynwb warns of a draft's name, which does not end in .nwb yet.
    h5py = optional("h5py", extra="nwb")
    with file.open("wb"), Disk(file) as disk:
        try:
            with h5py.File(disk, "w") as handle, pynwb.NWBHDF5IO(file=handle, mode="w") as io:
                io.write(whole)
        finally:
            disk.check()


def new_session(start: Any, description: str) -> NWBFile:
    """Return a file of pynwb without content."""
    pynwb = optional("pynwb", extra="nwb")
    # The same session has the same identifier.
    identifier = f"{description} {start.isoformat()}"
    given = {"session_description": description, "identifier": identifier}
    whole: NWBFile = pynwb.NWBFile(**given, session_start_time=start)
    return whole


def ophys_module(whole: NWBFile) -> Any:
    """Return the processing module ``ophys`` of a file, made where there is none."""
    if "ophys" not in whole.processing:
        whole.create_processing_module(name="ophys", description="optical physiology")
    return whole.processing["ophys"]


def _add_responses(whole: NWBFile, ophys: ModuleType, given: dict[str, Any]) -> None:
    module = ophys_module(whole)
    if "Fluorescence" not in module.data_interfaces:
        module.add(ophys.Fluorescence())
    module["Fluorescence"].add_roi_response_series(ophys.RoiResponseSeries(**given))


def compressed(blocks: Iterable[NDArray[Any]], shape: tuple[int, ...], dtype: np.dtype[Any]) -> Any:
    """Return compressed values for pynwb, which are written as the blocks arrive."""
    chunks = optional("hdmf.data_utils", extra="nwb").DataChunkIterator
    hdf5 = optional("hdmf.backends.hdf5", extra="nwb").H5DataIO
    each = max(1, int(np.prod(shape[1:])) * dtype.itemsize)
    rows = max(1, min(shape[0], _BUFFER // each))
    # The iterator takes positions one by one, and joins them to `rows` before it writes.
    values = chunks(data=chain.from_iterable(blocks), maxshape=shape, dtype=dtype, buffer_size=rows)
    return hdf5(values, compression="gzip", compression_opts=1, shuffle=True)
