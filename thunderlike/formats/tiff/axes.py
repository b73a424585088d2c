"""Axes of a TIFF file as its metadata states them."""

from __future__ import annotations

import itertools
import json
import math
import re
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike.errors import BadIndexError, SpecError
from thunderlike.formats.metadata import boundary, left_out
from thunderlike.formats.tiff import ome

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray
    from tifffile import TiffFile, TiffPage

__all__ = ["Axes", "announced", "stated"]

Sizes = list[tuple[str, int]]  # outermost axis first

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
    def of(cls, sizes: Sizes, **options: Any) -> Axes:
        """Leave out the axes of length 1."""
        long = [(name, size) for name, size in sizes if size != 1]
        return cls("".join(name for name, _ in long), tuple(size for _, size in long), **options)

    @property
    def usable(self) -> bool:
        """True if each page has a time, a plane and a channel, and nothing else."""
        return set(self.names) <= set("TZC") and len(set(self.names)) == len(self.names)

    def size(self, name: str) -> int:
        """Length of an axis.

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
            When there is no such channel.

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


def announced(tiff: TiffFile, page: TiffPage) -> int:
    """Return for how many pages the first header of a file stands: 1 unless it says more."""
    try:
        return max(1, _announced(tiff, page))
    except Exception:
        return 1  # `stated` logs what cannot be understood


def stated(tiff: TiffFile, page: TiffPage, pages: int) -> Axes | None:
    """Return the axes of the pages of a file, if it says them and they fit.

    What cannot be understood, or speaks of other pages, is left out with a line in the log.

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
        found = _stated(tiff, page, pages)
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
            sizes = math.prod(size for _, size in _imagej(entries, page, None))
        # Samples of a page may be counted as channels.
        return sizes if images in (1, sizes, sizes * page.samplesperpixel) else max(images, sizes)
    if _UIC2 in page.tags:
        return int(page.tags[_UIC2].count)
    if _NIH_HEADER in page.tags and isinstance(entries := page.tags.valueof(_NIH_HEADER), dict):
        return _count(entries.get("nSlices", 1))
    return 1


def _stated(tiff: TiffFile, page: TiffPage, pages: int) -> Axes | None:
    first = tiff.pages.first  # says it, also where it is a thumbnail
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
    if tiff.is_ome and (found := _ome(tiff.ome_metadata or "", page, pages)):
        return found
    if tiff.is_imagej:
        return Axes.of(_imagej(tiff.imagej_metadata or {}, page, pages))
    if _UIC2 in page.tags:
        return _metamorph(page.tags.valueof(_UIC2), pages)
    if tiff.is_scanimage:
        return _scanimage(_scanimage_text(tiff, first), pages)
    return None


def _count(value: Any) -> int:
    """A number of pages; ValueError for what is not one."""
    if isinstance(value, bool) or int(value) != value or value < 1:
        raise ValueError(f"{value!r:.40} is not a number of pages")
    return int(value)


def _shaped(page: TiffPage) -> tuple[tuple[int, ...], str]:
    """Lengths of the axes along which pages follow one another, as tifffile describes them.

    With the names of all axes, those within a page last, if it says them.
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


def _imagej(entries: Mapping[str, Any], page: TiffPage, pages: int | None) -> Sizes:
    """Axes of an ImageJ stack; one that names none is a movie, as a volume would have slices."""
    counts = {"T": "frames", "Z": "slices", "C": "channels"}
    if pages is not None and not any(name in entries for name in counts.values()):
        return [("T", pages)]
    sizes = {axis: _count(entries.get(name, 1)) for axis, name in counts.items()}
    # Bio-Formats counts the colours of a page as channels.
    if sizes["C"] == page.samplesperpixel and math.prod(sizes.values()) != pages:
        sizes["C"] = 1
    order = _IMAGEJ_ORDERS[str(entries.get("order", "czt")).lower()]
    return [(axis, sizes[axis]) for axis in order]


def _metamorph(entries: Mapping[str, Any], pages: int) -> Axes | None:
    """Planes of a stack at different heights, or else at different times."""
    if np.all(np.asarray(entries["ZDistance"]) != 0):
        return Axes("Z", (pages,))
    if np.all(np.diff(np.asarray(entries["TimeCreated"])) != 0):
        return Axes("T", (pages,))
    return None


def _scanimage_text(tiff: TiffFile, first: TiffPage) -> str:
    """Return ScanImage's metadata of all frames, from tags or from the start of a BigTIFF."""
    from tifffile import read_scanimage_metadata

    text = f"{first.software}\n{first.description}"
    if "channelSave" in text or not tiff.is_bigtiff:
        return text
    frames = read_scanimage_metadata(tiff.filehandle)[0]
    return "\n".join(f"{name} = {value}" for name, value in frames.items())


def _scanimage(text: str, pages: int) -> Axes | None:
    entries = {
        name: value.strip()
        for name, value in re.findall(r"^(?:scanimage\.)?([\w.]+) *= *(.*)$", text, re.MULTILINE)
    }

    def number(*names: str) -> int:
        """The first of these that is a number above 0; 0 where none is."""
        values = (entries.get(name, "") for name in names)
        return next((int(float(v)) for v in values if re.fullmatch(r"[1-9]\d*(\.0*)?", v)), 0)

    saved = entries.get("SI.hChannels.channelSave") or entries.get("SI5.channelsSave")
    if saved is not None:
        channels = len(re.findall(r"\d+", saved))
        slices = number("SI.hStackManager.actualNumSlices", "SI.hStackManager.numSlices") or 1
        frames = number("SI.hStackManager.framesPerSlice")
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
    if fast or frames <= 1:
        return Axes.of([("T", left // slices), ("Z", slices), ("C", channels)])
    return Axes.of([("Z", slices), ("T", frames), ("C", channels)])


def _ome(text: str, page: TiffPage, pages: int) -> Axes | None:
    """Axes of the pages that the XML says to stand in this very file."""
    every = ome.Image.every(text)
    here = [image for image in every if image.is_here]
    if len(here) != 1:
        if not every:
            return None
        raise ValueError(f"the XML puts {len(here)} images in this file")
    image, lengths = here[0], here[0].sizes()
    if (lengths["Y"], lengths["X"]) != (page.imagelength, page.imagewidth):
        raise ValueError(
            f"the XML speaks of {lengths['Y']} x {lengths['X']} pixels, pages have "
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
    for order in (stated, *itertools.permutations("TZC")):
        turned = numbers.transpose(["TZC".index(axis) for axis in order])
        if (turned.reshape(-1) == np.arange(pages)).all():
            every_axis = list(zip(order, turned.shape, strict=True))
            return Axes.of(every_axis, channels=channels, every=tuple(every_axis))
    long = tuple(n for n in sizes if n > 1)
    named = list(zip("TZC", sizes, strict=True))
    return Axes.of(named, numbers=numbers.reshape(long), channels=channels)
