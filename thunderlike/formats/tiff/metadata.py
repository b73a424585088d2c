"""Metadata of TIFF files: ImageJ, ScanImage, OME, tags."""

from __future__ import annotations

import hashlib
import math
import uuid
from typing import TYPE_CHECKING, Any, BinaryIO

from thunderlike.formats import metadata
from thunderlike.formats.metadata import boundary, left_out
from thunderlike.formats.tiff import ome
from thunderlike.formats.tiff.pages import opened

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray
    from tifffile import TiffFile

    from thunderlike.formats.metadata import Scales

__all__ = ["attrs", "options"]

Attrs = dict[str, Any]

# What the tag of the unit of the resolution says; the last two are those of DNG.
_RESOLUTION_UNITS = {2: "inch", 3: "cm", 4: "mm", 5: "um"}
_CENTIMETRE = 3


def attrs(stream: BinaryIO, pages: int | None = None) -> Attrs:
    """Return the metadata of a file, from the header of its first page.

    What cannot be understood is left out, with a line in the log.

    Parameters
    ----------
    pages : int, optional
        How many pages the file holds, where that is known; by default they are counted.

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
        found: Attrs = {}
        with boundary("the description"):
            count = len(tiff.pages) if pages is None else pages
            if tiff.is_ome:
                found = _ome(tiff, count)
            elif tiff.is_imagej:
                found = _imagej(tiff)
            else:
                found = _plain(tiff)
        return found


def options(known: Mapping[str, Any] | None, values: NDArray[Any]) -> Attrs:
    """Return arguments of tifffile that write an image with its metadata.

    The XML of an OME file goes as it was with all the pages that it describes. Else as ImageJ
    does, where that has the dtype; volumes of other dtypes become OME files, and of single pages
    the pixel size is written as resolution.
    """
    stated = dict(known or {})
    with boundary("ome"):
        if _describes(stated.get("ome"), values):
            return {**_PLAIN, "description": stated["ome"].encode()}
    scales = metadata.scales(stated)
    if not scales.pixel_size and scales.frame_interval is None:
        return _PLAIN
    if values.dtype.name in ("uint8", "uint16", "float32"):
        return _as_imagej(scales, values)
    if values.ndim == 2:
        return _PLAIN | _resolution(scales.pixel_size, 1e4, {"resolutionunit": _CENTIMETRE})
    return _as_ome(scales, values)


_PLAIN: Attrs = {"metadata": None, "byteorder": "<"}
_MOST = 2**32 - 1  # of the two numbers of a resolution


def _resolution(size: Mapping[str, float], unit: float, unit_tag: Attrs) -> Attrs:
    """The tags of resolution, for a unit of so many micrometres."""
    across, down = size.get("x"), size.get("y")
    if not across or not down:
        return {}
    resolution = unit / across, unit / down
    if not all(1 / _MOST <= value <= _MOST for value in resolution):
        left_out("pixel_size", f"{dict(size)} does not fit in the tags of a TIFF file")
        return {}
    return {"resolution": resolution, **unit_tag}


def _as_imagej(scales: Scales, values: NDArray[Any]) -> Attrs:
    size = scales.pixel_size
    stated: Attrs = {"spacing": size.get("z"), "finterval": scales.frame_interval}
    stated["axes"] = _axes(values)
    resolution = _resolution(size, 1.0, {})
    # Without a resolution tifffile writes one of 1, which a unit would make a size of pixels.
    stated |= {"unit": "um"} if resolution else {"zunit": "um"} if "z" in size else {}
    return {"imagej": True, **resolution, "metadata": _there(stated)}


def _as_ome(scales: Scales, values: NDArray[Any]) -> Attrs:
    # The same bytes for the same image: its identity is made of its pixels.
    identity = uuid.UUID(bytes=hashlib.blake2b(values.data, digest_size=16).digest())
    stated: Attrs = {
        "UUID": f"urn:uuid:{identity}",
        "Creator": "thunderlike",
        "axes": _axes(values),
    }
    stated |= {f"PhysicalSize{axis.upper()}": scales.pixel_size.get(axis) for axis in "zyx"}
    stated["TimeIncrement"] = scales.frame_interval
    if len(scales.frame_times) == len(values):
        stated["Plane"] = {"DeltaT": scales.frame_times}
    return {"ome": True, "metadata": _there(stated)}


def _axes(values: NDArray[Any]) -> str:
    return "YX" if values.ndim == 2 else "ZYX"


_OME_DTYPES = {"float": "float32", "double": "float64", "complex": "complex64", "bit": "bool"}


def _describes(xml: Any, values: NDArray[Any]) -> bool:
    """Return whether the XML of an OME file describes exactly these pages."""
    image = ome.Image.of(xml, 0) if isinstance(xml, str) else None
    if image is None:
        return False
    kind = image.pixels.get("Type", "")
    count, down, across = (1, *values.shape) if values.ndim == 2 else values.shape
    sizes = image.sizes()
    found = (math.prod(sizes[axis] for axis in "ZCT"), sizes["Y"], sizes["X"])
    return found == (count, down, across) and _OME_DTYPES.get(kind, kind) == values.dtype.name


def _plain(tiff: TiffFile) -> Attrs:
    page = tiff.pages.first
    found: Attrs = {}
    with boundary("pixel_size"):
        unit = _RESOLUTION_UNITS.get(int(page.resolutionunit or 1))
        found["pixel_size"] = _sizes(page, {"y": unit, "x": unit}) if unit else {}
    if page.description and not tiff.is_shaped:
        found["description"] = page.description
    return _there(found)


def _imagej(tiff: TiffFile) -> Attrs:
    stated: Attrs = {
        name: value
        for name, value in (tiff.imagej_metadata or {}).items()
        if isinstance(value, bool | int | float | str | list | tuple)
    }
    found: Attrs = {"imagej": stated}
    size: dict[str, float] = {}
    unit = stated.get("unit")
    if stated.get("spacing") and (along := stated.get("zunit", unit)):
        with boundary("pixel_size along z"):
            size["z"] = round(metadata.length(stated["spacing"], along), 9)
    if unit:
        with boundary("pixel_size"):
            size |= _sizes(tiff.pages.first, {"y": stated.get("yunit", unit), "x": unit})
    if stated.get("finterval"):
        with boundary("frame_interval"):
            interval = metadata.seconds(stated["finterval"], stated.get("tunit") or "s")
            found["frame_interval"] = interval
    return _there({**found, "pixel_size": size})


def _sizes(page: Any, units: Mapping[str, Any]) -> dict[str, float]:
    """Micrometres a pixel, by the tags of resolution; both axes or none."""
    names = (("y", "YResolution"), ("x", "XResolution"))
    if any(name not in page.tags for _, name in names):
        return {}
    values = {axis: page.tags[name].value for axis, name in names}
    if any(not above for above, _ in values.values()):
        return {}
    found = {
        axis: round(metadata.length(below / above, units[axis]), 9)
        for axis, (above, below) in values.items()
    }
    if not all(found.values()):
        raise ValueError(f"{found} is too small")
    return found


def _ome(tiff: TiffFile, pages: int) -> Attrs:
    text, first = tiff.ome_metadata or "", tiff.pages.first
    found: Attrs = {"ome": text}
    image = ome.Image.of(text, 0)
    if image is None:
        return _there(found)
    stated, size = image.pixels, dict[str, float]()
    for axis in "zyx":
        name = f"PhysicalSize{axis.upper()}"
        if name in stated:
            with boundary(name):
                size[axis] = metadata.length(stated[name], stated.get(f"{name}Unit", "um"))
    if "TimeIncrement" in stated:
        with boundary("TimeIncrement"):
            unit = stated.get("TimeIncrementUnit", "s")
            found["frame_interval"] = metadata.seconds(stated["TimeIncrement"], unit)
    with boundary("DeltaT"):
        found["frame_times"] = image.times(pages, first.samplesperpixel)
    return _there({**found, "pixel_size": size})


def _there(found: Attrs) -> Attrs:
    """Remove metadata that the file does not have."""
    return {name: value for name, value in found.items() if value not in (None, {}, [], "")}
