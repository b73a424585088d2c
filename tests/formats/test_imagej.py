"""Pixels of ImageJ's selections: against areas by hand, and the rule of ``PolygonFiller``."""

from __future__ import annotations

import io
import zipfile

import numpy as np
import pytest

from thunderlike.errors import FormatError, SpecError
from thunderlike.formats import imagej
from thunderlike.formats.imagej import Positions, Spans

roifile = pytest.importorskip("roifile")


def selection(kind, **fields):
    """The bytes of a selection."""
    roi = roifile.ImagejRoi()
    roi.roitype = roifile.ROI_TYPE[kind]
    for name, value in fields.items():
        setattr(roi, name, value)
    return roi.tobytes()


def box(kind, top, left, bottom, right, **fields):
    return selection(kind, top=top, left=left, bottom=bottom, right=right, **fields)


def polygon(points, kind="POLYGON", name=""):
    """A polygon of points (x, y): of whole numbers, or of fractions."""
    roi = roifile.ImagejRoi.frompoints(points)
    roi.roitype, roi.name = roifile.ROI_TYPE[kind], name
    return roi.tobytes()


def composite(*paths):
    """A composite selection of polygons of points (x, y)."""
    steps = []
    for path in paths:
        for number, (x, y) in enumerate(path):
            steps += [min(number, 1), x, y]
        steps.append(4)
    return raw_composite(steps)


def raw_composite(steps):
    coordinates = np.array(steps, "f4")
    return selection("RECT", multi_coordinates=coordinates, shape_roi_size=len(steps))


def mask(data, shape=(20, 20)):
    (found,) = imagej.selections(data)
    image = np.zeros(shape, bool)
    image[tuple(found.spans.clipped(shape).pixels().T)] = True
    assert image.sum() == found.spans.clipped(shape).area
    return image


def inside(points, shape=(20, 20)):
    """Pixels whose centers a polygon holds, by the crossings of a ray to the left."""
    y, x = np.indices(shape) + 0.5
    odd = np.zeros(shape, bool)
    for (x0, y0), (x1, y1) in zip(points, np.roll(points, -1, axis=0), strict=True):
        (x0, y0), (x1, y1) = ((x0, y0), (x1, y1)) if y0 < y1 else ((x1, y1), (x0, y0))
        crossed = (y > y0) & (y <= y1)
        if y0 != y1:
            odd ^= crossed & (x0 + (y - y0) * (x1 - x0) / (y1 - y0) < x - 1e-8)
    return odd


def test_a_rectangle_holds_the_pixels_up_to_its_far_sides():
    expected = np.zeros((20, 20), bool)
    expected[2:5, 3:9] = True
    assert np.array_equal(mask(box("RECT", 2, 3, 5, 9)), expected)


@pytest.mark.parametrize(
    ("size", "area"), [(1, 1), (2, 4), (3, 9), (4, 12), (5, 21), (6, 32), (10, 80), (15, 177)]
)
def test_areas_of_circles_are_those_of_imagej(size, area):
    found = mask(box("OVAL", 1, 2, 1 + size, 2 + size))
    y, x = np.indices((20, 20)) + 0.5
    radius = size / 2
    assert np.array_equal(found, np.hypot(y - 1 - radius, x - 2 - radius) <= radius + 1e-9)
    assert found.sum() == area


def test_ellipses_and_round_corners():
    found = mask(box("OVAL", 0, 0, 6, 12))
    y, x = np.indices((20, 20)) + 0.5
    assert np.array_equal(found, ((y - 3) / 3) ** 2 + ((x - 6) / 6) ** 2 <= 1)
    rounded = mask(box("RECT", 0, 0, 8, 8, rounded_rect_arc_size=8))
    assert np.array_equal(rounded, mask(box("OVAL", 0, 0, 8, 8)))
    assert mask(box("RECT", 0, 0, 8, 8, rounded_rect_arc_size=4)).sum() == 60


def test_a_rectangle_of_fractions_takes_whole_pixels():
    options = roifile.ROI_OPTIONS.SUB_PIXEL_RESOLUTION
    data = box("RECT", 0, 0, 1, 1, options=options, xd=2.4, yd=3.6, widthd=2.2, heightd=1.0)
    assert np.argwhere(mask(data)).tolist() == [[3, 2], [3, 3], [3, 4]]


def test_polygons_hold_the_centers_inside():
    triangle = [[0, 0], [4, 0], [0, 4]]
    assert mask(polygon(triangle)).sum() == 10  # centers on the long side are inside
    rng = np.random.default_rng(0)
    for count in (3, 5, 12):
        for kind in ("POLYGON", "FREEHAND", "TRACED"):
            points = rng.integers(0, 21, (count, 2))
            assert np.array_equal(mask(polygon(points, kind)), inside(points))
        points = rng.uniform(0, 20, (count, 2)).astype("f4")
        assert np.array_equal(mask(polygon(points)), inside(points.astype(float)))


def test_neighbouring_polygons_share_no_pixel_and_leave_none():
    left = [[0, 0], [7, 0], [3, 9], [0, 9]]
    right = [[7, 0], [12, 0], [12, 9], [3, 9]]
    both = mask(polygon(left)).astype(int) + mask(polygon(right))
    assert np.array_equal(both[:9, :12], np.ones((9, 12)))
    assert both.sum() == 108


def test_a_point_is_a_pixel():
    assert np.argwhere(mask(polygon([[3.7, 2.2], [5.0, 6.9]], "POINT"))).tolist() == [
        [2, 3],
        [6, 5],
    ]


def test_holes_and_parts_of_composite_selections():
    outer, hole = [(1, 1), (9, 1), (9, 9), (1, 9)], [(3, 3), (6, 3), (6, 6), (3, 6)]
    part = [(12, 12), (14, 12), (14, 15), (12, 15)]
    expected = np.zeros((20, 20), bool)
    expected[1:9, 1:9] = True
    expected[3:6, 3:6] = False
    expected[12:15, 12:14] = True
    assert np.array_equal(mask(composite(outer, hole, part)), expected)


def test_curves_of_composite_selections():
    # A circle of radius 8 about (10, 10), of four cubic curves.
    k = 8 * 0.5523
    steps = [0, 18, 10]
    for ends in (
        (18, 10 + k, 10 + k, 18, 10, 18),
        (10 - k, 18, 2, 10 + k, 2, 10),
        (2, 10 - k, 10 - k, 2, 10, 2),
        (10 + k, 2, 18, 10 - k, 18, 10),
    ):
        steps += [3, *ends]
    circle = mask(raw_composite([*steps, 4]))
    y, x = np.indices((20, 20)) + 0.5
    assert np.array_equal(circle, np.hypot(y - 10, x - 10) <= 8)
    parabola = mask(raw_composite([0, 0, 0, 2, 10, 20, 20, 0, 4]))
    assert abs(parabola.sum() - 20 * 10 * 2 / 3) < 4


@pytest.mark.parametrize("kind", ["LINE", "POLYLINE", "FREELINE", "ANGLE", "NOROI"])
def test_selections_without_an_area_are_refused_by_name(kind):
    data = selection(
        kind, name="axon", n_coordinates=2, integer_coordinates=np.array([[0, 0], [3, 3]])
    )
    with pytest.raises(SpecError, match=rf"'axon' is of type {kind.lower()}"):
        imagej.selections(data)


def test_texts_and_splines_are_refused():
    data = box("RECT", 0, 0, 3, 3, subtype=roifile.ROI_SUBTYPE.TEXT, text="a", text_name="b")
    with pytest.raises(SpecError, match="of type text"):
        imagej.selections(data)
    roi = roifile.ImagejRoi.frompoints([[0, 0], [4, 0], [0, 4]])
    roi.options |= roifile.ROI_OPTIONS.SPLINE_FIT
    with pytest.raises(SpecError, match="of type spline"):
        imagej.selections(roi.tobytes())


def test_pixels_that_are_written_are_read_again():
    rng = np.random.default_rng(1)
    for share in (0.02, 0.2, 0.5, 0.9, 1):
        pixels = np.argwhere(rng.random((9, 11)) < share) + np.array([40_000, 30_000])
        data = imagej.encode(pixels, "soma", Positions(1, 2, 3, 4))
        (found,) = imagej.selections(data)
        again = found.spans.pixels()
        assert np.array_equal(again[np.lexsort(again.T[::-1])], pixels)
        assert (found.name, found.positions) == ("soma", (1, 2, 3, 4))


def test_one_part_without_holes_is_a_traced_polygon():
    roi = roifile.ImagejRoi.frombytes(imagej.encode(np.array([[1, 2], [1, 3]]), "a", Positions()))
    assert roi.roitype == roifile.ROI_TYPE.TRACED
    assert sorted(roi.coordinates().tolist()) == [[2, 1], [2, 2], [4, 1], [4, 2]]
    ring = np.argwhere(~np.pad(np.ones((1, 1), bool), 1))
    assert roifile.ImagejRoi.frombytes(imagej.encode(ring, "a", Positions())).composite


def test_coordinates_that_the_format_lacks_are_refused():
    with pytest.raises(SpecError, match="up to 60535"):
        imagej.encode(np.array([[70_000, 0]]), "far", Positions())


def test_overlays_of_a_tiff(tmp_path):
    import tifffile

    overlays = [polygon([[0, 0], [4, 0], [4, 4], [0, 4]], name="a"), box("RECT", 1, 1, 2, 3)]
    path = tmp_path / "overlays.tif"
    metadata = {"Overlays": overlays, "ROI": box("OVAL", 0, 0, 3, 3)}
    tifffile.imwrite(path, np.zeros((9, 9), "u1"), imagej=True, metadata=metadata)
    found = imagej.selections(path.read_bytes())
    assert [one.spans.area for one in found] == [16, 2, 9]
    assert [one.name for one in found] == ["a", "overlay 2", "overlay 3"]
    tifffile.imwrite(path, np.zeros((9, 9), "u1"))
    with pytest.raises(FormatError, match="nor a TIFF with overlays"):
        imagej.selections(path.read_bytes())


def zipped(**contents):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in contents.items():
            archive.writestr(f"{name}.roi", content)
    return stream.getvalue()


def test_names_of_an_archive_are_used_where_selections_have_none():
    data = zipped(first=box("RECT", 0, 0, 1, 1), second=box("RECT", 0, 0, 1, 1, name="own"))
    assert [one.name for one in imagej.selections(data)] == ["first", "own"]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"II*\0",
        b"Iout",
        b"PK\3\4 cut",
        polygon([[0, 0], [4, 0], [0, 4]])[:70],
        raw_composite([1, 0, 0]),
        raw_composite([0, 0]),
        raw_composite([7, 0, 0]),
        raw_composite([0, np.nan, 0, 1, 3, 3, 1, 0, 3, 4]),
        raw_composite([0, 0, 0, 1, 1e30, 3, 1, 0, 3, 4]),
        box("RECT", 5, 5, 5, 5),
        box("OVAL", 0, 3, 4, 1),
        zipped(bad=b"no selection"),
    ],
)
def test_damaged_selections_are_refused(data):
    with pytest.raises(FormatError):
        imagej.selections(data)


def test_polygons_of_endless_edges_are_refused():
    teeth = [(0, 0), (1, 2e9)] * 10
    with pytest.raises(FormatError, match="rows"):
        imagej.selections(composite(teeth))


def test_a_bomb_is_refused_before_it_is_inflated():
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.roi", bytes(2**28 + 1))
    with pytest.raises(FormatError, match="bytes of selections"):
        imagej.selections(stream.getvalue())


def test_spans_are_clipped_on_all_sides():
    one = np.arange(-2, 3)
    spans = Spans(one, one - 3, one + 2)
    assert spans.area == 25
    assert spans.clipped((2, 2)).pixels().tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]]
