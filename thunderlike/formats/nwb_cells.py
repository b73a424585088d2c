"""Cells in NWB files: PlaneSegmentation with the traces of its cells.

Reading needs HDF5 alone. A mask is stored as pixels ``(x, y, weight)`` or ``(x, y, z, weight)``,
or as an image; here coordinates are numpy's, ``(y, x)`` or ``(z, y, x)``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from thunderlike._lazy import optional
from thunderlike.errors import FormatError, SpecError
from thunderlike.formats.base import believable
from thunderlike.formats.hdf5 import opened
from thunderlike.formats.metadata import boundary
from thunderlike.formats.nwb import (
    MOVIES,
    Timing,
    attribute_text,
    chosen,
    compressed,
    member,
    new_session,
    ophys_module,
    save,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import h5py
    from numpy.typing import NDArray
    from pynwb import NWBFile

__all__ = ["Cells", "Responses", "read", "write"]

_KIND = "PlaneSegmentation"
_MASKS = ("pixel_mask", "voxel_mask", "image_mask")
_MOST_CELLS = 10**6
_MOST_TEXT = 2**15  # characters of a description: HDF5 limits attributes to 64 KiB
_PREFIX = "Cells of thunderlike: "
_RENAMED = "roi_"  # before names of columns that are attributes of a table of pynwb
_CONTAINERS = {"Fluorescence": "Fluorescence", "DfOverF": "DfOverF", "Deconvolved": "Fluorescence"}
_PLANE: dict[str, Any] = {
    "name": "ImagingPlane",
    "description": "unknown",
    "indicator": "unknown",
    "location": "unknown",
    "excitation_lambda": float("nan"),
}


@dataclass(frozen=True)
class Cells:
    """Masks of cells, and columns of a table.

    Parameters
    ----------
    coordinates : ndarray of int64, shape (n, nd)
        Pixels of all cells, one cell after the other.
    weights : ndarray of float32, shape (n,)
    ends : ndarray of int64, shape (K,)
        Number of pixels of each cell and those before it.
    shape : tuple of int or None
        Of the image, if the file states it.
    columns : mapping of str to ndarray, shape (K,)
    extra : mapping
        Values that JSON has, which the description of the table keeps.
    """

    coordinates: NDArray[np.int64]
    weights: NDArray[np.float32]
    ends: NDArray[np.int64]
    shape: tuple[int, ...] | None
    columns: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Responses:
    """Traces of all cells.

    Parameters
    ----------
    name : str
        Of the RoiResponseSeries.
    container : {'Fluorescence', 'DfOverF', 'Deconvolved'}
    data : ndarray, shape (T, K)
    unit, description : str
    """

    name: str
    container: str
    data: NDArray[Any]
    unit: str = "a.u."
    description: str = ""


# Reading


def read(stream: BinaryIO, name: str | None, shape: tuple[int, ...] | None, order: str) -> Cells:
    """Read the cells of a file.

    Parameters
    ----------
    name : str, optional
        Path or name of the PlaneSegmentation; by default the only one.
    shape : tuple of int, optional
        Of the image, where the file does not state it.
    order : {'auto', 'yx', 'xy'}
        Axes of masks that are images.

    Raises
    ------
    FormatError
        For other files, damaged tables, and several of them without a name.
    SpecError
        For masks that are square images, without `order`.
    """
    size = stream.seek(0, 2)
    with opened(stream) as file:
        tables: dict[str, str] = {}

        def look(path: str, item: h5py.Group | h5py.Dataset) -> None:
            with boundary(f"neurodata_type of /{path}"):
                if attribute_text(item.attrs.get("neurodata_type")) == _KIND:
                    tables[f"/{path}"] = _KIND

        file.visititems(look)  # which follows no soft or external links
        path = chosen(name, (_KIND,), tables, "tables of cells")
        table = file[path]
        kinds = [kind for kind in _MASKS if member(table, kind) is not None]
        if not kinds:
            raise FormatError(f"{path}: has no masks, one of {', '.join(_MASKS)}")
        extra = _extra(table)
        known = shape or _stated(extra.get("shape")) or _of_movie(file, table)
        data = _values(table, kinds[0], size)
        if kinds[0] == "image_mask":
            masks = _images(data, known, order, path)
            where = np.nonzero(masks)
            counts = np.bincount(where[0], minlength=len(masks))
            found = np.stack(where[1:], axis=1), masks[where].astype(np.float32)
            known, ends = masks.shape[1:], np.cumsum(counts)
        else:
            found = _pixels(data, "zyx" if kinds[0] == "voxel_mask" else "yx", path)
            ends = _ends(table, f"{kinds[0]}_index", len(data), size)
        return Cells(*found, ends, known, _columns(table, len(ends), size), extra)


def _values(table: h5py.Group, name: str, size: int) -> NDArray[Any]:
    """Return the values of a dataset, if the file may hold so many."""
    data = member(table, name)
    if data is None or not hasattr(data, "dtype") or data.shape is None:
        raise FormatError(f"{table.name}: {name} is not a dataset")
    believable(data.size * data.dtype.itemsize, size, f"{table.name}/{name}")
    return np.asarray(data[...])


def _pixels(
    data: NDArray[Any], axes: str, path: str
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return coordinates and weights of pixels."""
    names = data.dtype.names or ()
    if data.ndim != 1 or not {*axes, "weight"} <= set(names):
        raise FormatError(f"{path}: pixels of masks have the fields {names}, not x, y and weight")
    if any(data.dtype[axis].kind not in "iu" for axis in axes):
        raise FormatError(f"{path}: coordinates of masks are not whole numbers")
    coordinates = np.stack([data[axis] for axis in axes], axis=1).astype(np.int64)
    return coordinates, data["weight"].astype(np.float32)


def _ends(table: h5py.Group, name: str, count: int, size: int) -> NDArray[np.int64]:
    """Return the end of the pixels of each cell, checked."""
    ends = _values(table, name, size)
    if ends.ndim != 1 or ends.dtype.kind not in "iu" or len(ends) > _MOST_CELLS:
        raise FormatError(f"{table.name}: {name} is not an index of at most {_MOST_CELLS} cells")
    whole = ends.astype(np.int64)
    steps = np.diff(whole, prepend=0)
    if (steps < 0).any() or (whole[-1] if len(whole) else 0) != count:
        raise FormatError(f"{table.name}: {name} does not divide the {count} pixels")
    return whole


def _images(
    masks: NDArray[Any], known: tuple[int, ...] | None, order: str, path: str
) -> NDArray[Any]:
    """Return masks that are images with the axes of numpy."""
    if masks.ndim not in (3, 4) or masks.dtype.kind not in "biuf" or len(masks) > _MOST_CELLS:
        raise FormatError(f"{path}: image_mask has {masks.dtype} of shape {masks.shape}")
    stored, reverse = masks.shape[1:], masks.shape[:0:-1]
    if order == "auto":
        fits = {"yx": stored, "xy": reverse}
        fitting = [one for one, there in fits.items() if known in (None, there)]
        if known is not None and not fitting:
            raise SpecError(
                f"{path}: masks are images of shape {stored}, and the movie has {known}"
            )
        if known is None or len(fitting) > 1:
            raise SpecError(
                f"{path}: masks are images of shape {stored}, and nothing tells which axis is y: "
                "give order='yx', as Python writes them, or order='xy', as MatNWB does"
            )
        order = fitting[0]
    return masks if order == "yx" else np.moveaxis(masks, 0, -1).T


def _of_movie(file: h5py.File, table: h5py.Group) -> tuple[int, ...] | None:
    """Return the shape of the images of a movie of the same imaging plane."""
    plane = table.get("imaging_plane", getlink=True)
    if type(plane).__name__ != "SoftLink":
        return None
    found: set[tuple[int, ...]] = set()

    def look(path: str, item: h5py.Group | h5py.Dataset) -> None:
        with boundary(f"shape of /{path}"):
            if attribute_text(item.attrs.get("neurodata_type")) not in MOVIES:
                return
            link = item.get("imaging_plane", getlink=True)
            if getattr(link, "path", None) != plane.path:
                return
            dimension, data = member(item, "dimension"), member(item, "data")
            if dimension is not None and dimension.shape in ((2,), (3,)):
                found.add(tuple(int(n) for n in dimension[::-1]))  # which is (x, y)
            elif data is not None and len(data.shape) in (3, 4):
                found.add(data.shape[1:])

    file.visititems(look)
    return found.pop() if len(found) == 1 else None


def _columns(table: h5py.Group, count: int, size: int) -> dict[str, NDArray[Any]]:
    """Return the columns with one number, truth value or text for each cell."""
    columns: dict[str, NDArray[Any]] = {}
    for given in np.ravel(table.attrs.get("colnames", [])).tolist():
        name = attribute_text(given)
        data = member(table, name) if name and name not in _MASKS else None
        if data is not None and name == "iscell" and data.shape == (count, 2):  # suite2p's
            with boundary("iscell"):
                pairs = np.asarray(data[...], np.float64)
                columns |= {"accepted": pairs[:, 0] > 0, "probability": pairs[:, 1]}
        if data is None or getattr(data, "shape", None) != (count,):
            continue
        with boundary(f"column {name}"):
            believable(data.size * data.dtype.itemsize, size, name)
            title = "name" if name == f"{_RENAMED}name" else name
            if data.dtype.kind in "biuf":
                columns[title] = np.asarray(data[...])
            elif data.dtype.kind in "OS":
                texts = data[...].tolist()
                if all(isinstance(one, str | bytes) for one in texts):
                    columns[title] = np.array([attribute_text(one) for one in texts], str)
    return columns


def _extra(table: h5py.Group) -> dict[str, Any]:
    """Return the values that the description keeps, nothing for the text of others."""
    text = attribute_text(table.attrs.get("description"))
    if text.startswith(_PREFIX):
        with boundary("description of the cells"):
            found = json.loads(text[len(_PREFIX) :])
            if isinstance(found, dict):
                return found
    return {}


def _stated(shape: object) -> tuple[int, ...] | None:
    """Return a shape of whole numbers, None for anything else."""
    if not isinstance(shape, list) or len(shape) not in (2, 3):
        return None
    return tuple(shape) if all(type(n) is int and 0 < n < 2**31 for n in shape) else None


# Writing


def write(
    file: Path,
    cells: Cells,
    responses: Sequence[Responses],
    images: Mapping[str, NDArray[Any]],
    timing: Timing | None,
    *,
    name: str = _KIND,
    plane: Mapping[str, Any] | None = None,
    nwbfile: NWBFile | None = None,
    session_start_time: Any = None,
) -> None:
    """Write a file with cells and their traces, in the processing module ``ophys``.

    Parameters
    ----------
    file : Path
        Made.
    cells : Cells
        With a shape.
    responses : sequence of Responses
        For each a RoiResponseSeries.
    images : mapping of str to ndarray of 2 axes
        Summary images, as GrayscaleImage.
    timing : Timing or None
        Of the responses.
    name : str
        Of the PlaneSegmentation.
    plane : mapping, optional
        Properties of a new imaging plane: ``name``, ``description``, ``indicator``, ``location``,
        ``excitation_lambda``, ``emission_lambda``, ``imaging_rate`` and others of pynwb.
    nwbfile : pynwb.NWBFile, optional
        Further content of the file; its only imaging plane is used, or the one that `plane` names.
    session_start_time : datetime, optional
        With a time zone; needed without `nwbfile`.
    """
    optional("pynwb", extra="nwb")
    ophys = optional("pynwb.ophys", extra="nwb")
    whole = nwbfile or new_session(session_start_time, "cells and their traces")
    module = ophys_module(whole)
    table = _table(cells, name, _imaging_plane(whole, plane or {}, timing))
    if "ImageSegmentation" not in module.data_interfaces:
        module.add(ophys.ImageSegmentation())
    module["ImageSegmentation"].add_plane_segmentation(table)
    if images:
        base = optional("pynwb.base", extra="nwb")
        pictures = optional("pynwb.image", extra="nwb")
        given = [pictures.GrayscaleImage(name=key, data=one) for key, one in images.items()]
        module.add(base.Images(name="SegmentationImages", images=given))
    if responses:
        every = list(range(len(cells.ends)))
        region = table.create_roi_table_region(description="all cells", region=every)
        for one in responses:
            _add_response(module, ophys, one, region, timing or Timing())
    save(file, whole)


def _add_response(module: Any, ophys: Any, one: Responses, region: Any, timing: Timing) -> None:
    if one.container not in module.data_interfaces:
        module.add(getattr(ophys, _CONTAINERS[one.container])(name=one.container))
    series = ophys.RoiResponseSeries(
        name=one.name,
        data=compressed([one.data], one.data.shape, one.data.dtype),
        rois=region,
        unit=one.unit,
        description=one.description or one.name,
        **timing.arguments,
    )
    module[one.container].add_roi_response_series(series)


def _imaging_plane(whole: NWBFile, given: Mapping[str, Any], timing: Timing | None) -> Any:
    """Return the imaging plane of a file, a new one where there is none."""
    ophys = optional("pynwb.ophys", extra="nwb")
    planes = whole.imaging_planes
    wanted = given.get("name")
    if wanted in planes:
        return planes[wanted]
    if wanted is None and len(planes) == 1:
        return next(iter(planes.values()))
    if wanted is None and planes:
        names = ", ".join(map(repr, planes))
        raise SpecError(f"the file has the imaging planes {names}: give plane={{'name': ...}}")
    rest = dict(given)
    emission = float(rest.pop("emission_lambda", float("nan")))
    channel = ophys.OpticalChannel(
        name="OpticalChannel", description="unknown", emission_lambda=emission
    )
    if timing is not None and timing.rate is not None:
        rest = {"imaging_rate": float(timing.rate)} | rest
    devices = list(whole.devices.values())
    device = devices[0] if len(devices) == 1 else whole.create_device(name="Microscope")
    return whole.create_imaging_plane(device=device, optical_channel=channel, **(_PLANE | rest))


def _table(cells: Cells, name: str, plane: Any) -> Any:
    """Return a PlaneSegmentation of pynwb."""
    ophys = optional("pynwb.ophys", extra="nwb")
    common = optional("hdmf.common", extra="nwb")
    axes = "zyx" if cells.coordinates.shape[1] == 3 else "yx"
    kind = "voxel_mask" if axes == "zyx" else "pixel_mask"
    fields = [*((axis, np.uint32) for axis in axes[::-1]), ("weight", np.float32)]
    pixels = np.zeros(len(cells.coordinates), fields)
    for axis, values in zip(axes, cells.coordinates.T, strict=True):
        pixels[axis] = values
    pixels["weight"] = cells.weights
    masks = common.VectorData(name=kind, description="pixels of each cell", data=pixels)
    columns = [masks, common.VectorIndex(name=f"{kind}_index", data=cells.ends, target=masks)]
    names = [kind]
    for key, values in cells.columns.items():
        title = f"{_RENAMED}{key}" if hasattr(ophys.PlaneSegmentation, key) else key
        if "/" in title or title in names:
            raise SpecError(f"{key!r:.60} cannot be the name of a column in NWB: rename it")
        data = values.astype(object) if values.dtype.kind == "U" else values
        columns.append(common.VectorData(name=title, description=key, data=data))
        names.append(title)
    text = _PREFIX + json.dumps({"shape": cells.shape} | dict(cells.extra), allow_nan=False)
    if len(text) > _MOST_TEXT:  # parameters beyond it, such as long lists, are left out
        text = _PREFIX + json.dumps({"shape": cells.shape})
    ids = list(range(len(cells.ends)))
    given = {"columns": columns, "colnames": names, "id": ids}
    return ophys.PlaneSegmentation(name=name, description=text, imaging_plane=plane, **given)
