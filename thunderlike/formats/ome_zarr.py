"""OME-Zarr: multiscale images and their metadata."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from thunderlike.errors import FormatError, SpecError
from thunderlike.formats.metadata import as_json, boundary, length, number, scales, seconds

if TYPE_CHECKING:
    from collections.abc import Mapping

    from thunderlike.formats.zarr import Files

__all__ = ["attrs", "axes_of", "largest", "metadata"]

_VERSION = "0.5"


def axes_of(shape: tuple[int, ...]) -> tuple[str, ...]:
    """Name the axes of images: time, and two or three of space.

    Raises
    ------
    SpecError
        For others, which OME-Zarr has no names for.
    """
    if len(shape) not in (3, 4):
        raise SpecError(f"OME-Zarr is for images of 2 axes or 3, not for shape {shape[1:]}")
    return ("t", *"zyx"[4 - len(shape) :])


def metadata(shape: tuple[int, ...], known: Mapping[str, Any]) -> dict[str, Any]:
    """Return the metadata of a folder that holds one array, called ``0``.

    Parameters
    ----------
    shape : tuple of int
        ``(n, height, width)`` or ``(n, depth, height, width)``.
    known : mapping
        ``pixel_size`` and ``frame_interval`` become scales; all that JSON holds is kept as well.

    Examples
    --------
    >>> attrs = metadata((9, 4, 5), {"frame_interval": 0.1, "pixel_size": {"y": 0.5, "x": 0.5}})
    >>> attrs["ome"]["multiscales"][0]["datasets"][0]["coordinateTransformations"]
    [{'type': 'scale', 'scale': [0.1, 0.5, 0.5]}]
    """
    found, axes = scales(known), axes_of(shape)
    size = {"t": found.frame_interval, **found.pixel_size}
    # The format demands a scale of every axis: 1 without a unit stands for an unknown one.
    scale = [size.get(axis) or 1.0 for axis in axes]
    transformations = [{"type": "scale", "scale": scale}]
    multiscale = {
        "name": "images",
        "axes": [_axis(axis, known=bool(size.get(axis))) for axis in axes],
        "datasets": [{"path": "0", "coordinateTransformations": transformations}],
    }
    ome = {"version": _VERSION, "multiscales": [multiscale]}
    return {"ome": ome, "thunderlike": as_json(known)}


def _axis(name: str, *, known: bool) -> dict[str, str]:
    kind, unit = ("time", "second") if name == "t" else ("space", "micrometer")
    return {"name": name, "type": kind} | ({"unit": unit} if known else {})


def largest(files: Files) -> str | None:
    """Name the array of full resolution of a folder; None for other folders.

    Raises
    ------
    FormatError
        If the folder is marked as OME-Zarr and names no array.
    """
    multiscale = _first(_folder_attributes(files))
    if multiscale is None:
        return None
    try:
        return str(multiscale["datasets"][0]["path"])
    except (LookupError, TypeError) as error:
        raise FormatError("an OME-Zarr that names no array: give one with dataset=") from error


def attrs(files: Files, name: str) -> dict[str, Any]:
    """Return the metadata of an array in a folder: pixel size, time between images, axes.

    What cannot be understood is left out, with a line in the log.
    """
    document: dict[str, Any] = {}
    with boundary("OME-Zarr"):
        document = _folder_attributes(files)
    multiscale, known = _first(document), document.get("thunderlike")
    if multiscale is None:
        return {}
    found: dict[str, Any] = dict(known) if isinstance(known, dict) else {}
    with boundary("multiscales"):
        axes = [(str(axis["name"]), axis.get("unit")) for axis in multiscale["axes"]]
        found["axes"] = "".join(axis for axis, _ in axes).upper()
        (dataset,) = [one for one in multiscale["datasets"] if one["path"] == name]
        scales = [_scale(dataset, len(axes))]
        if multiscale.get("coordinateTransformations"):  # of all resolutions
            scales.append(_scale(multiscale, len(axes)))
        found |= _sizes(axes, list(zip(*scales, strict=True)))
    return found


def _scale(document: Mapping[str, Any], count: int) -> list[Any]:
    """Return the factors of a transformation."""
    steps = document["coordinateTransformations"]
    found = next((one["scale"] for one in steps if one["type"] == "scale"), ())
    if len(found) != count:
        raise ValueError(f"the scale {found!r:.60} is not one number for each of {count} axes")
    return list(found)


def _sizes(axes: list[tuple[str, Any]], scales: list[tuple[Any, ...]]) -> dict[str, Any]:
    """Return micrometres and seconds of the axes with a unit: the products of their scales."""
    size: dict[str, float] = {}
    found: dict[str, Any] = {}
    for (axis, unit), factors in zip(axes, scales, strict=True):
        if unit is None:
            continue  # a number of unknown size
        with boundary(f"the scale along {axis}"):
            step = math.prod(map(number, factors))
            if axis in ("z", "y", "x"):
                size[axis] = length(step, unit)
            elif axis == "t":
                found["frame_interval"] = seconds(step, unit)
    return found | ({"pixel_size": size} if size else {})


def _folder_attributes(files: Files) -> dict[str, Any]:
    """Return the attributes of the folder itself, of version 3 or 2 of Zarr."""
    for name, inner in (("zarr.json", "attributes"), (".zattrs", None)):
        data = files.read(name)
        if data is not None:
            try:
                document = json.loads(data)
                return dict(document.get(inner) or {}) if inner else dict(document)
            except (ValueError, AttributeError, TypeError, RecursionError) as error:
                raise FormatError(f"{name} is not JSON of Zarr: {error}") from error
    return {}


def _first(document: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the first set of resolutions, which is one image in several sizes."""
    ome = document.get("ome")
    every = (ome if isinstance(ome, dict) else document).get("multiscales")
    return every[0] if isinstance(every, list) and every and isinstance(every[0], dict) else None
