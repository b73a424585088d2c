"""OME-Zarr: what a folder of arrays says of the pixels of a movie, in versions 0.4 and 0.5."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from thunderlike.errors import FormatError, SpecError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from thunderlike.formats.zarr import Files

__all__ = ["attrs", "axes_of", "largest", "metadata"]

_VERSION = "0.5"
_MICROMETRES = {"micrometer": 1.0, "nanometer": 1e-3, "millimeter": 1e3, "meter": 1e6}
_SECONDS = {"second": 1.0, "millisecond": 1e-3, "microsecond": 1e-6, "minute": 60.0, "hour": 3600.0}


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
    """Say what a folder says that holds one array, called ``0``.

    Parameters
    ----------
    shape : tuple of int
        ``(n, height, width)`` or ``(n, depth, height, width)``.
    known : mapping
        ``pixel_size`` and ``frame_interval`` become scales; all is kept beside.

    Examples
    --------
    >>> told = metadata((9, 4, 5), {"frame_interval": 0.1, "pixel_size": {"y": 0.5, "x": 0.5}})
    >>> told["ome"]["multiscales"][0]["datasets"][0]["coordinateTransformations"]
    [{'type': 'scale', 'scale': [0.1, 0.5, 0.5]}]
    """
    size = {"t": known.get("frame_interval"), **(known.get("pixel_size") or {})}
    axes = axes_of(shape)
    scale = [float(size.get(axis) or 1.0) for axis in axes]
    transformations = [{"type": "scale", "scale": scale}]
    scales = {
        "name": "images",
        "axes": [_axis(axis, known=bool(size.get(axis))) for axis in axes],
        "datasets": [{"path": "0", "coordinateTransformations": transformations}],
    }
    ome = {"version": _VERSION, "multiscales": [scales]}
    return {"ome": ome, "thunderlike": json.loads(json.dumps(dict(known)))}


def _axis(name: str, *, known: bool) -> dict[str, str]:
    kind, unit = ("time", "second") if name == "t" else ("space", "micrometer")
    return {"name": name, "type": kind} | ({"unit": unit} if known else {})


def largest(files: Files) -> str | None:
    """Name the array of full resolution of a folder; None where there is no OME-Zarr.

    Raises
    ------
    FormatError
        Where the folder says it is, and names no array.
    """
    scales = _scales(files)
    if scales is None:
        return None
    try:
        return str(scales["datasets"][0]["path"])
    except (LookupError, TypeError) as error:
        raise FormatError("an OME-Zarr that names no array: give one with dataset=") from error


def attrs(files: Files, name: str) -> dict[str, Any]:
    """Return what a folder tells of one of its arrays: pixel size, time between images, axes."""
    scales, told = _scales(files), _told(files)
    if scales is None:
        return {}
    known = dict(told.get("thunderlike") or {})
    try:
        axes = [_named(axis) for axis in scales["axes"]]
        (found,) = [one for one in scales["datasets"] if one["path"] == name]
        steps = found["coordinateTransformations"]
        scale = next(one["scale"] for one in steps if one["type"] == "scale")
    except (LookupError, TypeError, ValueError, StopIteration):
        return known  # of another form: what we know of it is nothing
    return known | _sizes(axes, scale)


def _sizes(axes: list[tuple[str, str]], scale: list[float]) -> dict[str, Any]:
    """Micrometres and seconds, of the axes whose units are known."""
    steps = {axis: (unit, float(n)) for (axis, unit), n in zip(axes, scale, strict=True)}
    size = {
        axis: n * _MICROMETRES[unit]
        for axis, (unit, n) in steps.items()
        if axis in ("z", "y", "x") and unit in _MICROMETRES
    }
    unit, interval = steps.get("t", ("", 0.0))
    found: dict[str, Any] = {"axes": "".join(axis for axis, _ in axes).upper()}
    found |= {"pixel_size": size} if size else {}
    return found | ({"frame_interval": interval * _SECONDS[unit]} if unit in _SECONDS else {})


def _named(axis: Any) -> tuple[str, str]:
    return str(axis["name"]), str(axis.get("unit", ""))


def _told(files: Files) -> dict[str, Any]:
    """The attributes of the folder itself, of Zarr's version 3 or 2."""
    for name, inner in (("zarr.json", "attributes"), (".zattrs", None)):
        data = files.read(name)
        if data is not None:
            try:
                told = json.loads(data)
                return dict(told.get(inner) or {}) if inner else dict(told)
            except (ValueError, AttributeError, TypeError) as error:
                raise FormatError(f"{name} is no JSON of Zarr's: {error}") from error
    return {}


def _scales(files: Files) -> dict[str, Any] | None:
    """The first set of resolutions: one picture in several sizes."""
    told = _told(files)
    every = (told.get("ome") or told).get("multiscales")
    return every[0] if isinstance(every, list) and every and isinstance(every[0], dict) else None
