"""OME-XML."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from thunderlike.formats import metadata
from thunderlike.formats.metadata import left_out

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from xml.etree.ElementTree import Element

__all__ = ["Image"]

Place = tuple[int, int, int]  # time, plane of a volume, channel


class Image:
    """One image that the XML of an OME file describes.

    Parameters
    ----------
    element : Element
        Its element ``Pixels``.
    uuid : str
        The identity of the file that holds the XML; ``""`` if it has none.
    """

    def __init__(self, element: Element, uuid: str) -> None:
        self._element, self._uuid = element, uuid

    @classmethod
    def every(cls, text: str) -> list[Image]:
        """Return all images that the XML describes; none where it is not XML."""
        from xml.etree import ElementTree

        try:
            root = ElementTree.fromstring(text)  # noqa: S314  # expat bounds what entities become
        except (ElementTree.ParseError, ValueError) as error:
            left_out("ome", error)
            return []
        uuid = root.get("UUID", "").strip()
        return [cls(each, uuid) for each in root.iterfind("{*}Image/{*}Pixels")]

    @classmethod
    def of(cls, text: str, page: int) -> Image | None:
        """Return the image of a page of this file; the only image if none states its pages."""
        every = cls.every(text)
        holding = [image for image in every if image._holds(page)]
        return next(iter(holding or every[:1] if len(every) == 1 else holding), None)

    @property
    def pixels(self) -> Mapping[str, str]:
        """Attributes of the element of its pixels."""
        return self._element.attrib

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of the channels that have one."""
        names = (each.get("Name", "") for each in self._element.iterfind("{*}Channel"))
        return tuple(name for name in names if name)

    @property
    def order(self) -> str:
        """Axes except X and Y, the fastest first; ValueError if the XML does not have them."""
        order = self.pixels.get("DimensionOrder", "")
        if sorted(order) != sorted("XYZCT") or order[:2] != "XY":
            raise ValueError(f"DimensionOrder is {order!r:.20}")
        return order[2:]

    @property
    def is_here(self) -> bool:
        """True if the file that holds the XML has some of its pages."""
        try:
            return any(count for _, _, count in self._runs(self._planes(1)))
        except ValueError:
            return True  # its planes cannot be counted; not that there are none

    def sizes(self) -> dict[str, int]:
        """Return the length of each axis; ValueError if one is not a number."""
        return {axis: metadata.whole(self.pixels.get(f"Size{axis}", 1)) for axis in "XYZCT"}

    def places(self, pages: int, samples: int) -> dict[int, Place]:
        """Return the place of each page of this file.

        Parameters
        ----------
        pages : int
            How many there are.
        samples : int
            Colours of a page; they count as one channel.

        Raises
        ------
        ValueError
            If the XML describes other pages, or more.
        """
        order, sizes = self.order, self.sizes()
        # SizeC counts colours, which share a page.
        if sizes["C"] % samples == 0:
            sizes["C"] //= samples
        lengths = [sizes[axis] for axis in order]
        found: dict[int, Place] = {}
        for page, first, count in self._runs(self._planes(samples)):
            start = 0
            for axis, n in reversed(list(zip(order, lengths, strict=True))):
                start = start * n + first[axis]
            count = min(count, math.prod(lengths) - start)
            if len(found) + count > pages:
                raise ValueError(f"it describes {len(found) + count} pages, the file has {pages}")
            rest, at = np.arange(start, start + max(count, 0)), {}
            for axis, n in zip(order, lengths, strict=True):
                rest, at[axis] = np.divmod(rest, n)
            rows = np.stack([at[axis] for axis in "TZC"], axis=1).tolist()
            found.update({page + step: (t, z, c) for step, (t, z, c) in enumerate(rows)})
        if sorted(found) != list(range(pages)):
            raise ValueError(f"it describes {len(found)} pages, the file has {pages}")
        return found

    def times(self, pages: int, samples: int) -> list[float]:
        """Return the seconds of each page, in the order of pages; an empty list without any."""
        found: dict[Place, float] = {}
        for plane in self._element.iterfind("{*}Plane"):
            if "DeltaT" in plane.attrib:
                time, depth, channel = (_position(plane, f"The{axis}") for axis in "TZC")
                unit = plane.get("DeltaTUnit", "s")
                seconds = metadata.seconds(plane.get("DeltaT"), unit, positive=False)
                found[time, depth, channel] = seconds
        if not found:
            return []
        where = self.places(pages, samples)
        missing = [page for page in range(pages) if where[page] not in found]
        if missing:
            raise ValueError(f"page {missing[0]} has none, as {len(missing)} of {pages} pages")
        return [found[where[page]] for page in range(pages)]

    def _planes(self, samples: int) -> int:
        """Return the number of pages of the whole image: colours in one page count once."""
        sizes = self.sizes()
        channels = sizes["C"] // samples if sizes["C"] % samples == 0 else sizes["C"]
        return sizes["Z"] * sizes["T"] * channels

    def _runs(self, planes: int) -> Iterator[tuple[int, dict[str, int], int]]:
        """Yield the first page, first plane and length of each run of pages in this file."""
        elements, files = list(self._element.iterfind("{*}TiffData")), set[str]()
        if not elements:  # all planes are in this file, in order
            yield 0, dict.fromkeys("ZCT", 0), planes
        for each in elements:
            other = each.find("{*}UUID")
            if other is not None:
                files.add((other.text or "").strip())
                if self._uuid and (other.text or "").strip() != self._uuid:
                    continue
            if len(files) > 1 and not self._uuid:
                raise ValueError("it describes several files, and does not state which is this one")
            # By the schema of OME: one plane where a page is named, all of them elsewhere.
            alone = 1 if "IFD" in each.attrib else planes
            count = int(each.get("PlaneCount", each.get("NumPlanes", alone)))
            yield _position(each, "IFD"), {a: _position(each, f"First{a}") for a in "ZCT"}, count

    def _holds(self, page: int) -> bool:
        try:
            runs = list(self._runs(self._planes(1)))
        except ValueError:
            return False
        return any(start <= page < start + count for start, _, count in runs)


def _position(element: Element, name: str) -> int:
    """Return a position, from 0 on."""
    return metadata.whole(int(element.get(name, 0)) + 1) - 1
