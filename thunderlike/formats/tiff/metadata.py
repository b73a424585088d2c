"""Metadata of TIFF files, of ImageJ, OME, ScanImage and others: axes, sizes of pixels, times."""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import re
import uuid
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from thunderlike.errors import BadIndexError, SpecError
from thunderlike.formats import metadata
from thunderlike.formats.metadata import boundary, left_out
from thunderlike.formats.tiff import ome
from thunderlike.formats.tiff.headers import opened

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray
    from tifffile import TiffFile, TiffPage

    from thunderlike.formats.metadata import Scales

__all__ = ["Axes", "announced_pages", "attrs", "axes_of", "options"]

Attrs = dict[str, Any]
Sizes = list[tuple[str, int]]  # outermost axis first


# axes

_UIC2, _NIH_HEADER = 33629, 43314  # tags with the number of planes behind one header


@dataclass(frozen=True, eq=False)
class Axes:
    """Axes of the pages of a file.

    Parameters
    ----------
    names : str
        A letter for each axis longer than 1, the outermost first: T for time, Z for the planes of a
        volume, C for channels; others as tifffile has them.
    sizes : tuple of int
        Their lengths, whose product is the number of pages.
    numbers : ndarray of int, optional
        The page at each position, of shape `sizes`; by default the pages are in order.
    channels : tuple of str
        Names of the channels, where the file has them.
    every : tuple of (str, int)
        Names and lengths where the file states axes of length 1 too, as OME files do.
    """

    names: str
    sizes: tuple[int, ...]
    numbers: NDArray[np.int64] | None = None
    channels: tuple[str, ...] = ()
    every: tuple[tuple[str, int], ...] = ()

    @classmethod
    def of(
        cls,
        sizes: Sizes,
        numbers: NDArray[np.int64] | None = None,
        channels: tuple[str, ...] = (),
        every: tuple[tuple[str, int], ...] = (),
    ) -> Axes:
        """Leave out the axes of length 1."""
        long = [(name, size) for name, size in sizes if size != 1]
        names, lengths = "".join(name for name, _ in long), tuple(size for _, size in long)
        return cls(names, lengths, numbers, channels, every)

    @property
    def usable(self) -> bool:
        """True if each page has a time, a plane and a channel, and nothing else."""
        return set(self.names) <= set("TZC") and len(set(self.names)) == len(self.names)

    def size(self, name: str) -> int:
        """Return the length of an axis.

        Examples
        --------
        >>> Axes("TC", (10, 2)).size("T"), Axes("TC", (10, 2)).size("Z")
        (10, 1)
        """
        return self.sizes[self.names.index(name)] if name in self.names else 1

    def pages_of(self, channel: int | None) -> NDArray[np.int64] | None:
        """Return the pages of a channel in the order of time, then plane; None for all, in order.

        Raises
        ------
        SpecError
            When there are several channels and none was chosen.
        BadIndexError
            If the channel does not exist.

        Examples
        --------
        >>> Axes("TC", (3, 2)).pages_of(1).tolist()
        [1, 3, 5]
        """
        count = self.size("C")
        if channel is None and count > 1:
            named = f" ({', '.join(self.channels)})" if self.channels else ""
            last = f"{'or' if count == 2 else 'to'} channel={count - 1}"
            raise SpecError(
                f"it has {count} channels{named}: give channel=0 {last} for the images of one, or "
                "nplanes=1 for an image of each page"
            )
        if not -count <= (channel or 0) < count:
            raise BadIndexError(f"channel={channel}: it has {count}, numbered from 0")
        if self.numbers is None and self.names in ("", "T", "Z", "TZ"):
            return None
        numbers = self.numbers
        if numbers is None:
            numbers = np.arange(math.prod(self.sizes), dtype=np.int64).reshape(self.sizes)
        missing = [axis for axis in "TZC" if axis not in self.names]
        numbers = numbers.reshape(*self.sizes, *(1 for _ in missing))
        names = self.names + "".join(missing)
        ordered = numbers.transpose([names.index(axis) for axis in "TZC"])
        return ordered[..., channel or 0].reshape(-1)


def announced_pages(tiff: TiffFile, page: TiffPage) -> int:
    """Return the number of pages that the first header of a file describes; 1 by default."""
    try:
        return max(1, _announced(tiff, page))
    except Exception:
        return 1  # `axes_of` logs what cannot be understood


def axes_of(tiff: TiffFile, page: TiffPage, pages: int) -> Axes | None:
    """Return the axes of the pages of a file, if they are stated and fit.

    Metadata that cannot be understood, or describe other pages, are left out with a line in the
    log.

    Parameters
    ----------
    page : TiffPage
        The first of those that count.
    pages : int
        How many there are.
    """
    if pages == 1:
        return Axes("", ())
    found = None
    with boundary("axes"):
        found = _pages_axes(tiff, page, pages)
    if found is not None and math.prod(found.sizes) != pages:
        left_out("axes", f"{found.names} of {found.sizes}, and the file has {pages} pages")
        return None
    return found


def _announced(tiff: TiffFile, page: TiffPage) -> int:
    if page.is_shaped:
        outer = _shaped(page)[0]
        return math.prod(outer)
    if tiff.is_imagej:
        entries, sizes = tiff.imagej_metadata or {}, 1
        images = _count(entries.get("images", 1))
        with suppress(ValueError, LookupError):
            sizes = math.prod(size for _, size in _imagej_axes(entries, page, None))
        # Samples of a page may be counted as channels.
        return sizes if images in (1, sizes, sizes * page.samplesperpixel) else max(images, sizes)
    if _UIC2 in page.tags:
        return int(page.tags[_UIC2].count)
    if _NIH_HEADER in page.tags and isinstance(entries := page.tags.valueof(_NIH_HEADER), dict):
        return _count(entries.get("nSlices", 1))
    return 1


def _pages_axes(tiff: TiffFile, page: TiffPage, pages: int) -> Axes | None:
    first = tiff.pages.first  # has the description, even if it is a thumbnail
    if first.is_shaped:
        outer, names = _shaped(first)
        inner = names[len(outer) :]
        if not set(inner) <= set("YXS"):
            raise ValueError(f"{names} has the axes {inner} within a page")
        return Axes.of(list(zip(names, outer, strict=False))) if names else None
    if tiff.is_lsm:
        entries = tiff.lsm_metadata or {}
        return Axes.of(
            [("T", _count(entries["DimensionTime"])), ("Z", _count(entries["DimensionZ"]))]
        )
    # OME-XML states the place of each page, a header of ImageJ only the lengths of axes.
    if tiff.is_ome and (found := _ome_axes(tiff.ome_metadata or "", page, pages)):
        return found
    if tiff.is_imagej:
        return Axes.of(_imagej_axes(tiff.imagej_metadata or {}, page, pages))
    if _UIC2 in page.tags:
        planes = page.tags.valueof(_UIC2)
        # Planes of MetaMorph are at different heights, or else at different times.
        if np.all(np.asarray(planes["ZDistance"]) != 0):
            return Axes("Z", (pages,))
        moved = np.all(np.diff(np.asarray(planes["TimeCreated"])) != 0)
        return Axes("T", (pages,)) if moved else None
    if tiff.is_scanimage:
        return _scanimage_axes(_scanimage_text(tiff, first), pages)
    return None


def _count(value: object) -> int:
    """Return a number of pages; ValueError for anything else, as a file may hold anything."""
    if isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool):
        count = int(value)
        if count == value and count >= 1:
            return count
    raise ValueError(f"{value!r:.40} is not a number of pages")


def _shaped(page: TiffPage) -> tuple[tuple[int, ...], str]:
    """Return the lengths of the axes of pages, as tifffile describes them.

    With the names of all axes, those within a page last, if the description has them.
    """
    text = page.shaped_description or ""
    entries: dict[str, Any]
    if text.startswith("shape="):
        entries = {"shape": [int(n) for n in text[7:-1].split(",") if n.strip()]}
    else:
        entries = json.loads(text)
    shape = [_count(n) for n in entries["shape"]]
    cut = len(shape)
    while math.prod(shape[cut:]) < page.size and cut:
        cut -= 1
    if [n for n in shape[cut:] if n > 1] != [n for n in page.shape if n > 1]:
        raise ValueError(f"the description is of shape {shape}, a page of {page.shape}")
    axes = entries.get("axes")
    known = isinstance(axes, str) and len(axes) == len(shape)
    return tuple(shape[:cut]), axes if known and isinstance(axes, str) else ""


_IMAGEJ_ORDERS = {
    "czt": "TZC", "default": "TZC", "ctz": "ZTC", "zct": "TCZ", "ztc": "CTZ", "tcz": "ZCT",
    "tzc": "CZT",
}  # fmt: skip


def _imagej_axes(entries: Mapping[str, Any], page: TiffPage, pages: int | None) -> Sizes:
    """Return the axes of an ImageJ stack; without names it is a movie: a volume has slices."""
    counts = {"T": "frames", "Z": "slices", "C": "channels"}
    if pages is not None and not any(name in entries for name in counts.values()):
        return [("T", pages)]
    sizes = {axis: _count(entries.get(name, 1)) for axis, name in counts.items()}
    # Bio-Formats counts the colours of a page as channels.
    if sizes["C"] == page.samplesperpixel and math.prod(sizes.values()) != pages:
        sizes["C"] = 1
    order = _IMAGEJ_ORDERS[str(entries.get("order", "czt")).lower()]
    return [(axis, sizes[axis]) for axis in order]


def _scanimage_text(tiff: TiffFile, first: TiffPage) -> str:
    """Return ScanImage's metadata of all frames, from tags or from the start of a BigTIFF."""
    from tifffile import read_scanimage_metadata

    # ScanImage has written its metadata to either tag, depending on its version.
    text = f"{first.software}\n{first.description}"
    if "channelSave" in text or not tiff.is_bigtiff:
        return text
    frames = read_scanimage_metadata(tiff.filehandle)[0]
    return "\n".join(f"{name} = {value}" for name, value in frames.items())


def _scanimage_axes(text: str, pages: int) -> Axes | None:
    entries = {
        name: value.strip()
        for name, value in re.findall(r"^(?:scanimage\.)?([\w.]+) *= *(.*)$", text, re.MULTILINE)
    }

    def number(*names: str) -> int:
        """Return the first entry that is a number above 0, or 0."""
        values = (entries.get(name, "") for name in names)
        return next((int(float(v)) for v in values if re.fullmatch(r"[1-9]\d*(\.0*)?", v)), 0)

    saved = entries.get("SI.hChannels.channelSave") or entries.get("SI5.channelsSave")
    if saved is not None:
        channels = len(re.findall(r"\d+", saved))
        slices = number("SI.hStackManager.actualNumSlices", "SI.hStackManager.numSlices") or 1
        frames = number("SI.hStackManager.framesPerSlice")
        # Frames are averaged before they are saved.
        frames = frames // (number("SI.hScan2D.logAverageFactor") or 1) if frames else 0
        fast = entries.get("SI.hFastZ.enable", "").lower() in ("true", "1")
        if fast and number("SI.hFastZ.numDiscardFlybackFrames"):
            raise ValueError("ScanImage recorded frames while the objective flew back")
        fast = fast or number("SI.hStackManager.numVolumes") > 1
    elif "state.acq.numberOfFrames" in entries:
        names = (f"state.acq.savingChannel{n}" for n in range(1, 5))
        channels = sum(number(name) for name in names)
        slices = number("state.acq.numberOfZSlices") or 1
        frames = 0 if number("state.acq.averaging") else number("state.acq.numberOfFrames")
        fast = False
    else:
        return None
    if not channels or pages % channels:
        raise ValueError(f"ScanImage saved {channels} channels in {pages} pages")
    left = pages // channels
    if slices == 1:
        return Axes.of([("T", left), ("C", channels)])
    # A fast stack is one volume after another; a slow one records all frames of a slice first.
    if fast or frames <= 1:
        return Axes.of([("T", left // slices), ("Z", slices), ("C", channels)])
    return Axes.of([("Z", slices), ("T", frames), ("C", channels)])


def _ome_axes(text: str, page: TiffPage, pages: int) -> Axes | None:
    """Return the axes of the pages that the XML places in this file."""
    every = ome.Image.every(text)
    here = [image for image in every if image.is_here]
    if len(here) != 1:
        if not every:
            return None
        raise ValueError(f"the XML puts {len(here)} images in this file")
    image, lengths = here[0], here[0].sizes()
    if (lengths["Y"], lengths["X"]) != (page.imagelength, page.imagewidth):
        raise ValueError(
            f"the XML describes {lengths['Y']} x {lengths['X']} pixels, pages have "
            f"{page.imagelength} x {page.imagewidth}"
        )
    places = image.places(pages, page.samplesperpixel)
    sizes: list[int] = []
    rows: list[NDArray[np.int64]] = []
    for column in np.array([places[number] for number in range(pages)]).T:
        values, row = np.unique(column, return_inverse=True)
        sizes.append(len(values))
        rows.append(row)
    if math.prod(sizes) != pages:
        raise ValueError(f"planes are missing: {pages} pages, with T, Z and C of {sizes}")
    numbers = np.full(sizes, -1, np.int64)
    numbers[tuple(rows)] = np.arange(pages)
    if (numbers < 0).any():
        raise ValueError("two pages are of the same time, plane and channel")
    channels = image.channels if len(image.channels) == sizes[2] else ()
    stated = image.order[::-1]
    # The stated order first; some writers put the pages in another one.
    for order in (stated, *itertools.permutations("TZC")):
        turned = numbers.transpose(["TZC".index(axis) for axis in order])
        if (turned.reshape(-1) == np.arange(pages)).all():
            every_axis = list(zip(order, turned.shape, strict=True))
            return Axes.of(every_axis, channels=channels, every=tuple(every_axis))
    # In no order of axes: a table has the page at each position.
    long = tuple(n for n in sizes if n > 1)
    named = list(zip("TZC", sizes, strict=True))
    return Axes.of(named, numbers=numbers.reshape(long), channels=channels)


# sizes of pixels and times

# Values of the tag ResolutionUnit; the last two are those of DNG.
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
                found = _ome_attrs(tiff, count)
            elif tiff.is_imagej:
                found = _imagej_attrs(tiff)
            else:
                found = _plain_attrs(tiff)
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
    """Return the tags of resolution, for a unit of so many micrometres."""
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
    stated["axes"] = _written_axes(values)
    resolution = _resolution(size, 1.0, {})
    # Without a resolution tifffile writes one of 1, which a unit would make a size of pixels.
    stated |= {"unit": "um"} if resolution else {"zunit": "um"} if "z" in size else {}
    return {"imagej": True, **resolution, "metadata": _present(stated)}


def _as_ome(scales: Scales, values: NDArray[Any]) -> Attrs:
    # The same bytes for the same image: its identity is made of its pixels.
    identity = uuid.UUID(bytes=hashlib.blake2b(values.data, digest_size=16).digest())
    stated: Attrs = {
        "UUID": f"urn:uuid:{identity}",
        "Creator": "thunderlike",
        "axes": _written_axes(values),
    }
    stated |= {f"PhysicalSize{axis.upper()}": scales.pixel_size.get(axis) for axis in "zyx"}
    stated["TimeIncrement"] = scales.frame_interval
    if len(scales.frame_times) == len(values):
        stated["Plane"] = {"DeltaT": scales.frame_times}
    return {"ome": True, "metadata": _present(stated)}


def _written_axes(values: NDArray[Any]) -> str:
    return "YX" if values.ndim == 2 else "ZYX"


_OME_DTYPES = {"float": "float32", "double": "float64", "complex": "complex64", "bit": "bool"}


def _describes(xml: object, values: NDArray[Any]) -> bool:
    """Return whether the XML of an OME file describes exactly these pages."""
    image = ome.Image.of(xml, 0) if isinstance(xml, str) else None
    if image is None:
        return False
    kind = image.pixels.get("Type", "")
    count, down, across = (1, *values.shape) if values.ndim == 2 else values.shape
    sizes = image.sizes()
    found = (math.prod(sizes[axis] for axis in "ZCT"), sizes["Y"], sizes["X"])
    return found == (count, down, across) and _OME_DTYPES.get(kind, kind) == values.dtype.name


def _plain_attrs(tiff: TiffFile) -> Attrs:
    page = tiff.pages.first
    found: Attrs = {}
    with boundary("pixel_size"):
        unit = _RESOLUTION_UNITS.get(int(page.resolutionunit or 1))
        # Without a unit a resolution is a ratio of the sides of a pixel.
        found["pixel_size"] = _pixel_size(page, {"y": unit, "x": unit}) if unit else {}
    if page.description and not tiff.is_shaped:
        found["description"] = page.description
    return _present(found)


def _imagej_attrs(tiff: TiffFile) -> Attrs:
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
            size |= _pixel_size(tiff.pages.first, {"y": stated.get("yunit", unit), "x": unit})
    if stated.get("finterval"):
        with boundary("frame_interval"):
            interval = metadata.seconds(stated["finterval"], stated.get("tunit") or "s")
            found["frame_interval"] = interval
    return _present({**found, "pixel_size": size})


def _pixel_size(page: Any, units: Mapping[str, Any]) -> dict[str, float]:
    """Return the micrometres a pixel by the tags of resolution, of both axes or none."""
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


def _ome_attrs(tiff: TiffFile, pages: int) -> Attrs:
    text, first = tiff.ome_metadata or "", tiff.pages.first
    found: Attrs = {"ome": text}
    image = ome.Image.of(text, 0)
    if image is None:
        return _present(found)
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
    return _present({**found, "pixel_size": size})


def _present(found: Attrs) -> Attrs:
    """Remove metadata that the file does not have."""
    return {name: value for name, value in found.items() if value not in (None, {}, [], "")}
