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

from typing import TYPE_CHECKING, Any, BinaryIO

from thunderlike.formats.tiffpages import opened

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
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


def options(known: Mapping[str, Any] | None, dtype: np.dtype[Any], ndim: int) -> Attrs:
    """Return what tifffile has to be told to write it: as ImageJ does, where that has the dtype."""
    size = dict((known or {}).get("pixel_size") or {})
    interval = (known or {}).get("frame_interval")
    if not size and interval is None:
        return {"metadata": None, "byteorder": "<"}
    across, down = size.get("x"), size.get("y")
    if dtype.name not in ("uint8", "uint16", "float32"):
        per_cm = (1e4 / across, 1e4 / down) if across and down else None
        unit = _CENTIMETRE if per_cm else None
        return {"metadata": None, "byteorder": "<", "resolution": per_cm, "resolutionunit": unit}
    told = {"unit": "um", "spacing": size.get("z"), "finterval": interval}
    told["axes"] = "YX" if ndim == 2 else "ZYX" if "z" in size else "TYX"
    resolution = (1 / across, 1 / down) if across and down else None
    metadata = {name: value for name, value in told.items() if value is not None}
    return {"imagej": True, "resolution": resolution, "metadata": metadata}


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
    from tifffile import xml2dict

    images = xml2dict(text).get("OME", {}).get("Image", {})
    pixels = (images[0] if isinstance(images, list) else images).get("Pixels", {})
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
