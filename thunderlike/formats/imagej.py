"""Regions of interest of ImageJ: selections in ``.roi`` and ``.zip`` files and overlays of TIFFs.

roifile reads and writes single selections; this module finds the pixels in them, as ImageJ does.
A coordinate is that of a corner of pixels: the pixel (y, x) reaches from (y, x) to (y + 1, x + 1).
"""

from __future__ import annotations

import io
import math
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from thunderlike._lazy import optional
from thunderlike.errors import FormatError, SpecError
from thunderlike.formats.base import damage

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

__all__ = ["Positions", "Selection", "Spans", "encode", "is_zip", "looks_like", "selections"]

_MOST_BYTES = 2**28  # of one selection
_MOST_SELECTIONS = 10**6
_MOST_ROWS = 2**24  # of all edges of a selection, each counted for the rows that it crosses
_LARGEST = 60_535  # coordinate stored in 16 bits, along with those down to -5000
_CURVE = np.linspace(0, 1, 33)[1:, np.newaxis]  # parameters of the lines that replace a curve
_ON_EDGE = 1e-8  # by which ImageJ shifts edges to the right
_ROI, _ZIP = b"Iout", b"PK"
_AREAS = ("RECT", "OVAL", "POLYGON", "FREEHAND", "TRACED", "POINT")


class Positions(NamedTuple):
    """Images of a stack that a selection is on, numbered from 1; 0 stands for all.

    Parameters
    ----------
    position, channel, slice, frame : int
    """

    position: int = 0
    channel: int = 0
    slice: int = 0
    frame: int = 0


class Spans(NamedTuple):
    """Pixels as runs along x.

    Parameters
    ----------
    rows, starts, stops : ndarray of int64
        Row of each run, its first pixel, and the one after its last.
    """

    rows: NDArray[np.int64]
    starts: NDArray[np.int64]
    stops: NDArray[np.int64]

    @property
    def area(self) -> int:
        """Number of pixels."""
        return int((self.stops - self.starts).sum())

    def clipped(self, shape: tuple[int, int]) -> Spans:
        """Return the pixels in an image.

        Examples
        --------
        >>> one = np.array([2])
        >>> Spans(one, one - 5, one + 5).clipped((4, 4)).area
        4
        """
        inside = (self.rows >= 0) & (self.rows < shape[0])
        starts, stops = (np.clip(side[inside], 0, shape[1]) for side in self[1:])
        kept = stops > starts
        return Spans(self.rows[inside][kept], starts[kept], stops[kept])

    def pixels(self) -> NDArray[np.int64]:
        """Return the coordinates, of shape ``(n, 2)``."""
        lengths = self.stops - self.starts
        ends = np.cumsum(lengths)
        columns = np.arange(self.area) - np.repeat(ends - lengths - self.starts, lengths)
        return np.stack([np.repeat(self.rows, lengths), columns], axis=1)


@dataclass(frozen=True)
class Selection:
    """A region of interest.

    Parameters
    ----------
    name : str
    spans : Spans
        Pixels whose centers are inside, also those outside of the image.
    positions : Positions
    """

    name: str
    spans: Spans
    positions: Positions


def looks_like(start: bytes) -> bool:
    """Check whether the first bytes are those of a selection or of a zip file.

    Examples
    --------
    >>> looks_like(b"Iout"), looks_like(b"II*")
    (True, False)
    """
    return start.startswith((_ROI, _ZIP))


def is_zip(data: bytes) -> bool:
    """Check whether data are a zip file.

    Examples
    --------
    >>> is_zip(b"Iout")
    False
    """
    return data.startswith(_ZIP)


def selections(data: bytes) -> list[Selection]:
    """Read the regions of interest of a ``.roi``, ``.zip`` or TIFF file.

    Parameters
    ----------
    data : bytes
        The whole file.

    Raises
    ------
    FormatError
        For damaged data and other formats.
    SpecError
        For selections without an area, such as lines; names the selection and its type.
    MissingExtraError
        Without roifile: ``pip install 'thunderlike[roi]'``.
    """
    roifile = optional("roifile", extra="roi")
    found = []
    for number, (title, content) in enumerate(_contents(data)):
        with damage("ImageJ", title):
            if len(content) > _MOST_BYTES or content[:4] != _ROI:
                raise FormatError(f"{title}: is not a selection of ImageJ")
            roi = roifile.ImagejRoi.frombytes(content)
        name = roi.name or title or f"{number + 1}"
        with damage("ImageJ", f"selection {name!r:.60}"):
            spans = _spans(roi, name)
        there = (roi.position, roi.c_position, roi.z_position, roi.t_position)
        found.append(Selection(name, spans, Positions(*(max(0, int(one)) for one in there))))
    return found


def _contents(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield the title and the bytes of each selection."""
    if data.startswith(_ROI):
        yield "", data
    elif is_zip(data):
        yield from _zipped(data)
    else:
        for number, content in enumerate(_overlays(data)):
            yield f"overlay {number + 1}", content


def _zipped(data: bytes) -> Iterator[tuple[str, bytes]]:
    with damage("zip", "the archive"), zipfile.ZipFile(io.BytesIO(data)) as archive:
        entries = [one for one in archive.infolist() if one.filename.lower().endswith(".roi")]
        if len(entries) > _MOST_SELECTIONS:
            raise FormatError(
                f"holds {len(entries)} selections, at most {_MOST_SELECTIONS} are read"
            )
        total = sum(entry.file_size for entry in entries)
        if total > _MOST_BYTES:
            raise FormatError(f"holds {total} bytes of selections, at most {_MOST_BYTES} are read")
        for entry in entries:
            yield entry.filename.rpartition("/")[2][: -len(".roi")], archive.read(entry)


def _overlays(data: bytes) -> list[bytes]:
    """Return the selections in the metadata of ImageJ in a TIFF, tags 50838 and 50839."""
    import tifffile

    with damage("TIFF", "the file"), tifffile.TiffFile(io.BytesIO(data)) as tiff:
        metadata = tiff.imagej_metadata or {}
    found: list[bytes] = []
    for name in ("Overlays", "ROI"):
        given = metadata.get(name, [])
        found += [given] if isinstance(given, bytes) else list(given)
    if not found:
        raise FormatError("is neither a .roi nor a .zip file, nor a TIFF with overlays of ImageJ")
    return found


# Pixels of a selection


def _spans(roi: Any, name: str) -> Spans:
    """Return the pixels whose centers a selection holds."""
    kind, subtype = roi.roitype.name, roi.subtype.name
    spline = bool(roi.options & type(roi.options).SPLINE_FIT)
    if kind not in _AREAS or subtype in ("TEXT", "IMAGE", "ARROW") or spline:
        what = subtype if subtype in ("TEXT", "IMAGE", "ARROW") else kind
        what = "SPLINE" if spline else what
        raise SpecError(
            f"selection {name!r:.60} is of type {what.lower()}: selections of cells are "
            f"{', '.join(_AREAS).lower()} or composite; convert it in ImageJ (Edit > Selection)"
        )
    if roi.composite:
        return _inside(_paths(roi.multi_coordinates))
    if kind == "POINT":
        return _points(np.asarray(roi.coordinates(), np.float64))
    if kind in ("RECT", "OVAL"):
        return _box(roi, kind)
    return _inside([np.asarray(roi.coordinates(), np.float64)])


def _points(points: NDArray[np.float64]) -> Spans:
    """Return the pixels that points are in."""
    pixels = np.unique(_finite(np.floor(points)).astype(np.int64), axis=0)
    return Spans(pixels[:, 1], pixels[:, 0], pixels[:, 0] + 1)


def _box(roi: Any, kind: str) -> Spans:
    """Return the pixels of a rectangle, also with round corners, or of an ellipse."""
    left, top = roi.left, roi.top
    width, height = roi.right - left, roi.bottom - top
    if roi.subpixelrect:  # ImageJ takes the whole pixels around it
        given = _finite(np.array([roi.xd, roi.yd, roi.widthd, roi.heightd], np.float64))
        left, top = map(int, given[:2])
        width, height = (math.ceil(one) for one in given[2:])
    if not 0 < width <= 2**17 or not 0 < height <= 2**17:
        raise FormatError(f"has {height} rows and {width} columns")
    # Distance of the centers of rows from the middle, and half the width there.
    y = np.arange(height) + 0.5 - height / 2
    half = np.full(height, width / 2)
    if kind == "OVAL":
        half *= np.sqrt(np.maximum(1 - np.square(y / (height / 2)), 0))
    elif roi.rounded_rect_arc_size > 0:
        radii = np.minimum(roi.rounded_rect_arc_size, [height, width]) / 2
        beyond = np.maximum(np.abs(y) - (height / 2 - radii[0]), 0) / radii[0]
        half -= radii[1] * (1 - np.sqrt(np.maximum(1 - np.square(beyond), 0)))
    # The first center at or after the left side, and the first one after the right.
    starts = np.ceil(width / 2 - half - 0.5 - _ON_EDGE).astype(np.int64)
    spans = Spans(np.arange(height) + top, left + starts, left + width - starts)
    kept = spans.stops > spans.starts
    return Spans(*(side[kept] for side in spans))


def _paths(path: NDArray[np.float32]) -> list[NDArray[np.float64]]:
    """Return the closed polygons of a composite selection; lines replace its curves."""
    values = _finite(np.asarray(path, np.float64))
    lengths = {0: 2, 1: 2, 2: 4, 3: 6, 4: 0}  # of the arguments of each step
    polygons: list[NDArray[np.float64]] = []
    points: list[NDArray[np.float64]] = []
    at = 0
    while at < len(values):
        step = int(values[at])
        if step not in lengths or at + 1 + lengths[step] > len(values):
            raise FormatError(f"step {step} of its path is unknown or cut short")
        given = values[at + 1 : at + 1 + lengths[step]].reshape(-1, 2)
        at += 1 + lengths[step]
        if step == 0:
            polygons += [np.concatenate(points)] if points else []
            points = [given]
        elif not points:
            raise FormatError("its path does not begin with a point")
        elif step < 4:
            points.append(_curve(np.concatenate([points[-1][-1:], given])))
    return polygons + ([np.concatenate(points)] if points else [])


def _curve(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return points on a line, or on a quadratic or cubic Bézier curve, without the first."""
    degree = len(points) - 1
    if degree == 1:
        return points[1:]
    powers = np.arange(degree + 1)
    binomials = np.array([math.comb(degree, power) for power in powers.tolist()])
    weights = binomials * _CURVE**powers * (1 - _CURVE) ** (degree - powers)
    return np.asarray(weights @ points)


def _finite(values: NDArray[np.float64]) -> NDArray[np.float64]:
    if not (np.isfinite(values).all() and (np.abs(values) < 2**31).all()):
        raise FormatError("has coordinates that are not numbers")
    return values


def _inside(polygons: Sequence[NDArray[np.float64]]) -> Spans:
    """Return the pixels whose centers are inside an odd number of polygons.

    A center on an edge is inside if the polygon is on its left, or above of it: the rule of
    ``ij.process.PolygonFiller``.
    """
    edges = [np.hstack([_finite(one), np.roll(one, -1, axis=0)]) for one in polygons]
    x0, y0, x1, y1 = np.concatenate([np.zeros((0, 4)), *edges]).T
    swap = y0 > y1
    x0, x1 = np.where(swap, x1, x0), np.where(swap, x0, x1)
    y0, y1 = np.where(swap, y1, y0), np.where(swap, y0, y1)
    first, last = (np.ceil(side - 0.5).astype(np.int64) for side in (y0, y1))
    counts = last - first
    if counts.sum() > _MOST_ROWS:
        raise FormatError(f"its edges cross {counts.sum()} rows, at most {_MOST_ROWS} are read")
    edge = np.repeat(np.arange(len(counts)), counts)
    rows = np.arange(len(edge)) - np.repeat(np.cumsum(counts) - counts - first, counts)
    slope = np.divide(x1 - x0, y1 - y0, out=np.zeros_like(x0), where=counts > 0)
    crossing = x0[edge] + (rows + 0.5 - y0[edge]) * slope[edge]
    columns = np.floor(crossing + _ON_EDGE + 0.5).astype(np.int64)
    order = np.lexsort((columns, rows))
    rows, columns = rows[order], columns[order]
    spans = Spans(rows[::2], columns[::2], columns[1::2])
    kept = spans.stops > spans.starts
    return Spans(*(side[kept] for side in spans))


# Writing


def encode(pixels: NDArray[np.int64], name: str, positions: Positions) -> bytes:
    """Return the bytes of a ``.roi`` file with the pixels of a region.

    Parameters
    ----------
    pixels : ndarray of int64, shape (n, 2)
    name : str
    positions : Positions

    Returns
    -------
    bytes
        A traced polygon, or a composite selection where there are holes or several parts.

    Raises
    ------
    SpecError
        For coordinates that the format cannot hold.
    MissingExtraError
        Without roifile: ``pip install 'thunderlike[roi]'``.
    """
    roifile = optional("roifile", extra="roi")
    outlines = _outlines(pixels)
    low, high = pixels.min(axis=0), pixels.max(axis=0) + 1
    if high.max() > _LARGEST:
        raise SpecError(
            f"region {name!r:.60} reaches {high.tolist()}, and ImageJ stores coordinates up to "
            f"{_LARGEST}"
        )
    roi = roifile.ImagejRoi(name=name, position=positions.position)
    roi.c_position, roi.z_position, roi.t_position = positions[1:]
    (roi.top, roi.left), (roi.bottom, roi.right) = low.tolist(), high.tolist()
    if len(outlines) == 1:
        roi.roitype = roifile.ROI_TYPE.TRACED
        # Relative to the bounding box, as they are stored.
        roi.integer_coordinates = (outlines[0] - low)[:, ::-1].astype(np.int32)
        roi.n_coordinates = len(outlines[0])
    else:
        roi.roitype = roifile.ROI_TYPE.RECT  # of composite selections
        path: list[float] = []
        for outline in outlines:
            for step, (y, x) in enumerate(outline.tolist()):
                path += (min(step, 1), x, y)
            path.append(4)
        roi.multi_coordinates = np.array(path, np.float32)
        roi.shape_roi_size = len(path)
    return bytes(roi.tobytes())


def _outlines(pixels: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Return the corners of the closed outlines of pixels, those of holes included."""
    low = pixels.min(axis=0) - 1
    mask = np.zeros(pixels.max(axis=0) - low + 2, bool)
    mask[tuple((pixels - low).T)] = True
    # Steps between corners, with the pixels on the right-hand side.
    steps: dict[tuple[int, int], list[tuple[int, int]]] = {}
    below = mask[1:] & ~mask[:-1], ~mask[1:] & mask[:-1]
    across = mask[:, 1:] & ~mask[:, :-1], ~mask[:, 1:] & mask[:, :-1]
    for y, x in np.argwhere(below[0]).tolist():  # upper side, to the right
        steps.setdefault((y + 1, x), []).append((y + 1, x + 1))
    for y, x in np.argwhere(below[1]).tolist():  # lower side, to the left
        steps.setdefault((y + 1, x + 1), []).append((y + 1, x))
    for y, x in np.argwhere(across[0]).tolist():  # left side, upwards
        steps.setdefault((y + 1, x + 1), []).append((y, x + 1))
    for y, x in np.argwhere(across[1]).tolist():  # right side, downwards
        steps.setdefault((y, x + 1), []).append((y + 1, x + 1))
    outlines = []
    while steps:
        start = min(steps)
        loop, at = [start], start
        while True:
            ends = steps[at]
            following = ends.pop()
            if not ends:
                del steps[at]
            at = following
            if at == start:
                break
            loop.append(at)
        outlines.append(_corners(np.array(loop, np.int64)) + low)
    return outlines


def _corners(loop: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the points of a loop at which its direction changes."""
    turned = (np.roll(loop, -1, axis=0) - loop != loop - np.roll(loop, 1, axis=0)).any(axis=1)
    corners: NDArray[np.int64] = loop[turned]
    return corners
