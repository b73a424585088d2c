from __future__ import annotations

import numpy as np
import pytest

from thunderlike.errors import SpecError, WrongTypeError
from thunderlike.extraction import Region, Regions


def test_the_properties_of_the_tests_of_regional():
    region = Region([[0, 0], [0, 1], [1, 0], [1, 1]])
    assert region.center.tolist() == [0.5, 0.5]
    assert region.bbox.tolist() == [0, 0, 1, 1]
    assert region.extent.tolist() == [2, 2]
    assert region.area == 4
    assert len(region.hull) == 4
    assert len(Region([[0, 0], [0, 1], [0, 2], [0, 3]]).hull) == 4


def test_repeated_pixels_count_once():
    assert Region([[1, 1], [0, 0], [1, 1]]).coordinates.tolist() == [[1, 1], [0, 0]]


def test_one_pixel_as_a_point():
    assert Region([3, 4]).coordinates.tolist() == [[3, 4]]


def test_pixels_cannot_be_changed():
    with pytest.raises(ValueError, match="read-only"):
        Region([[0, 0]]).coordinates[0] = 1


@pytest.mark.parametrize(
    "coordinates", [[[0.5, 1]], [[-1, 0]], [[[1]]], [["a", "b"]], [[2**40, 0]]]
)
def test_invalid_pixels_are_refused(coordinates):
    with pytest.raises(SpecError):
        Region(coordinates)


def test_regions_of_others():
    class One:
        coordinates, bbox = [[0, 1]], None

    class Many:
        regions = (One(), One())

    assert Regions(Many()).count == 2
    assert Regions(One()) == Regions([[[0, 1]]])
    assert Regions([]).count == 0
    with pytest.raises(WrongTypeError):
        Regions(3)
    with pytest.raises(SpecError, match="axes"):
        Regions([[[0, 1]], [[0, 1, 2]]])


def test_dilation_in_three_axes():
    assert Region([[3, 3, 3]]).dilate(1).area == 27


def test_parts():
    regions = Regions([[[0, 0]], [[1, 1]], [[2, 2]]])
    assert regions[-1] == Region([[2, 2]])
    assert regions[1:] == regions[[1, 2]] == regions[np.array([False, True, True])]
    assert regions.count == 3  # not changed by the parts that were taken


def test_a_picture_of_the_bounding_box():
    picture = Regions([[[5, 5], [5, 6]], [[7, 6]]]).mask(fill="blue", stroke=None)
    assert picture.shape == (3, 2, 3)
    assert (picture == [0, 0, 1]).all(axis=2).tolist() == [
        [True, True],
        [False, False],
        [False, True],
    ]


def test_a_picture_on_a_base_with_outlines_and_a_color_map():
    regions = Regions([[[0, 0]], [[3, 3]]])
    grey = np.full((5, 5), 0.5)
    picture = regions.mask(base=grey, fill=None, stroke="black")
    assert (picture == 0).all(axis=2).sum() == 3 + 8
    assert (grey == 0.5).all()
    colors = regions.mask((5, 5), cmap="viridis", value=[0.0, 1.0], stroke=None)
    assert not np.array_equal(colors[0, 0], colors[3, 3])
    with pytest.raises(SpecError, match="region 1 lies outside"):
        regions.mask((2, 2))
    with pytest.raises(SpecError, match="not a color"):
        regions.mask((5, 5), fill="no color")
