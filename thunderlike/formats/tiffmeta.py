"""What a TIFF file tells about its pictures: pixel size, axes, times; as OME and ImageJ write it.

All of it becomes one plain dictionary, the same whoever wrote the file:

``axes``, ``axes_shape``   order and sizes of the axes of all pages, such as ``'TZYX'``
``pixel_size``             micrometres along an axis, ``{'z': 2.0, 'y': 0.5, 'x': 0.5}``
``frame_interval``         seconds between two images
``frame_times``            seconds of each page since the first, where the file has them
``ome``                    the XML of an OME file
``imagej``                 the properties of an ImageJ file
``description``            what the first page says of itself, in any other file
"""

from __future__ import annotations

import hashlib
import math
import uuid
from typing import TYPE_CHECKING, Any, BinaryIO

from thunderlike.formats.tiffpages import opened

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray
    from tifffile import TiffFile

__all__ = ["attrs", "options"]

Attrs = dict[str, Any]

_MICROMETRES = {
    "µm": 1.0, "um": 1.0, "\\u00b5m": 1.0, "micron": 1.0, "microns": 1.0, "micrometer": 1.0,
    "nm": 1e-3, "mm": 1e3, "cm": 1e4, "m": 1e6, "inch": 25400.0,
}  # fmt: skip
_SECONDS = {"s": 1.0, "sec": 1.0, "ms": 1e-3, "µs": 1e-6, "min": 60.0, "h": 3600.0}
_INCH, _CENTIMETRE = 2, 3  # what the tag of the unit of the resolution says


def attrs(stream: BinaryIO) -> Attrs:
    """Return what a file tells about its pictures; reads the first page's header.

    Examples
    --------
    >>> import io, numpy as np
    >>> from thunderlike.formats import tiff
    >>> movie = np.zeros((4, 6, 5), "uint8")
    >>> data = tiff.encode(movie, {"pixel_size": {"y": 0.5, "x": 0.5}, "frame_interval": 0.1})
    >>> found = attrs(io.BytesIO(data))
    >>> found["pixel_size"], found["frame_interval"]
    ({'y': 0.5, 'x': 0.5}, 0.1)
    """
    with opened(stream) as tiff:
        if tiff.is_ome:
            return _ome(tiff.ome_metadata or "")
        if tiff.is_imagej:
            return _imagej(tiff)
        return _plain(tiff)


def options(known: Mapping[str, Any] | None, values: NDArray[Any]) -> Attrs:
    """Return what tifffile has to be told to write an image with what is known of it.

    The XML of an OME file goes as it was with all the pages that it describes. Else as ImageJ
    does, where that has the dtype; volumes of other dtypes become OME files, and of single pages
    the pixel size is written as resolution.
    """
    told = dict(known or {})
    if _describes(told.get("ome"), values):
        return {**_PLAIN, "description": told["ome"].encode()}
    size, interval = dict(told.get("pixel_size") or {}), told.get("frame_interval")
    if not size and interval is None:
        return _PLAIN
    if values.dtype.name in ("uint8", "uint16", "float32"):
        return _as_imagej(size, interval, values)
    return _PLAIN | _resolution(size) if values.ndim == 2 else _as_ome(size, interval, told, values)


_PLAIN: Attrs = {"metadata": None, "byteorder": "<"}


def _resolution(size: Attrs) -> Attrs:
    across, down = size.get("x"), size.get("y")
    if not across or not down:
        return {}
    return {"resolution": (1e4 / across, 1e4 / down), "resolutionunit": _CENTIMETRE}


def _as_imagej(size: Attrs, interval: float | None, values: NDArray[Any]) -> Attrs:
    across, down = size.get("x"), size.get("y")
    told: Attrs = {"unit": "um", "spacing": size.get("z"), "finterval": interval}
    told["axes"] = _axes(size, values)
    resolution = (1 / across, 1 / down) if across and down else None
    return {"imagej": True, "resolution": resolution, "metadata": _there(told)}


def _as_ome(size: Attrs, interval: float | None, known: Attrs, values: NDArray[Any]) -> Attrs:
    # The same bytes for the same image: its identity is made of its pixels.
    identity = uuid.UUID(bytes=hashlib.blake2b(values.data, digest_size=16).digest())
    told: Attrs = {
        "UUID": f"urn:uuid:{identity}",
        "Creator": "thunderlike",
        "axes": _axes(size, values),
    }
    told |= {f"PhysicalSize{axis.upper()}": size.get(axis) for axis in "zyx"}
    told["TimeIncrement"] = interval
    if len(times := known.get("frame_times") or []) == len(values):
        told["Plane"] = {"DeltaT": times}
    return {"ome": True, "metadata": _there(told)}


def _axes(size: Attrs, values: NDArray[Any]) -> str:
    return "YX" if values.ndim == 2 else "ZYX" if "z" in size else "TYX"


_OME_DTYPES = {"float": "float32", "double": "float64", "complex": "complex64", "bit": "bool"}


def _describes(xml: Any, values: NDArray[Any]) -> bool:
    """Whether the XML of an OME file speaks of just these pages."""
    pixels = _ome_pixels(xml) if isinstance(xml, str) else {}
    kind = str(pixels.get("Type", ""))
    count, down, across = (1, *values.shape) if values.ndim == 2 else values.shape
    pages = math.prod(int(pixels.get(f"Size{axis}", 0)) for axis in "ZCT")
    found = (pages, int(pixels.get("SizeY", 0)), int(pixels.get("SizeX", 0)))
    return found == (count, down, across) and _OME_DTYPES.get(kind, kind) == values.dtype.name


def _plain(tiff: TiffFile) -> Attrs:
    page = tiff.pages.first
    unit = {_INCH: 25400.0, _CENTIMETRE: 1e4}.get(int(page.resolutionunit or 1))
    found: Attrs = {"pixel_size": _sizes(page, unit)}
    if page.description and not tiff.is_shaped:
        found["description"] = page.description
    return _there(found)


def _imagej(tiff: TiffFile) -> Attrs:
    told: Attrs = {
        name: value
        for name, value in (tiff.imagej_metadata or {}).items()
        if isinstance(value, bool | int | float | str | list | tuple)
    }
    micrometres = _MICROMETRES.get(str(told.get("unit", "")).strip())
    size = _sizes(tiff.pages.first, micrometres)
    if micrometres and told.get("spacing"):
        size = {"z": round(float(told["spacing"]) * micrometres, 9), **size}
    series = tiff.series[0]
    found = {"axes": series.axes, "axes_shape": list(series.shape), "pixel_size": size}
    return _there({**found, "frame_interval": told.get("finterval"), "imagej": told})


def _sizes(page: Any, unit: float | None) -> dict[str, float]:
    """Micrometres a pixel, by the tags of resolution."""
    names = (("y", "YResolution"), ("x", "XResolution"))
    if unit is None or any(name not in page.tags for _, name in names):
        return {}
    values = {axis: page.tags[name].value for axis, name in names}
    if any(not above for above, _ in values.values()):
        return {}
    return {axis: round(below / above * unit, 9) for axis, (above, below) in values.items()}


def _ome(text: str) -> Attrs:
    pixels = _ome_pixels(text)
    order = str(pixels.get("DimensionOrder", ""))[::-1]
    found: Attrs = {"ome": text, "axes": order}
    found["axes_shape"] = [int(pixels.get(f"Size{axis}", 1)) for axis in order]
    found["pixel_size"] = {
        axis: float(pixels[f"PhysicalSize{axis.upper()}"])
        * _MICROMETRES.get(pixels.get(f"PhysicalSize{axis.upper()}Unit", "µm"), 1.0)
        for axis in "zyx"
        if f"PhysicalSize{axis.upper()}" in pixels
    }
    if "TimeIncrement" in pixels:
        unit = _SECONDS.get(pixels.get("TimeIncrementUnit", "s"), 1.0)
        found["frame_interval"] = float(pixels["TimeIncrement"]) * unit
    return _there({**found, "frame_times": _times(pixels.get("Plane", []))})


def _ome_pixels(text: str) -> Attrs:
    """What the XML says of the pixels of its first image."""
    from tifffile import xml2dict

    try:
        images = xml2dict(text)["OME"]["Image"]
        found = (images[0] if isinstance(images, list) else images)["Pixels"]
    except (SyntaxError, LookupError, TypeError):  # what says nothing of pixels is kept as text
        return {}
    return found if isinstance(found, dict) else {}


def _times(planes: Any) -> list[float]:
    every = planes if isinstance(planes, list) else [planes]
    return [
        float(plane["DeltaT"]) * _SECONDS.get(plane.get("DeltaTUnit", "s"), 1.0)
        for plane in every
        if "DeltaT" in plane
    ]


def _there(found: Attrs) -> Attrs:
    """Leave out what the file does not tell."""
    return {name: value for name, value in found.items() if value not in (None, {}, [], "")}
