from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_array

import thunderlike as tl
from thunderlike.errors import ExistsError, SpecError, StorageError
from thunderlike.extraction import ExtractionModel

roifile = pytest.importorskip("roifile")


def equal(regions, others):
    """Check whether regions have the same pixels, in any order."""
    return [set(map(tuple, one.tolist())) for one in regions.coordinates] == [
        set(map(tuple, one.tolist())) for one in others.coordinates
    ]


# Labels


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int64", "float32"])
def test_labels_return_the_image(dtype):
    image = np.random.default_rng(0).choice([0, 0, 2, 9, 200], (20, 30)).astype(dtype)
    model = tl.extraction.fromlabels(image)
    assert model.quality["label"].tolist() == [2, 9, 200]
    assert np.array_equal(model.tolabels(), image)
    assert model[[2, 0]].tolabels().max() == 200


def test_labels_of_volumes_and_of_nothing():
    image = np.zeros((3, 4, 5), int)
    assert tl.extraction.fromlabels(image).count == 0
    image[1, 2, 3] = 1
    assert tl.extraction.fromlabels(image).centers.tolist() == [[1, 2, 3]]


def test_a_pixel_of_several_cells_is_of_the_largest_weight():
    weights = np.array([[0.5, 0.5, 0, 0], [0, 0.8, 0.2, 0], [0, 0, 0, 1.0], [0, 0, 0, 1]])
    model = ExtractionModel(weights, (2, 2))
    with pytest.warns(UserWarning, match=r"2 pixels of overlapping cells .* of the cells \[4\]"):
        assert model.tolabels().tolist() == [[1, 2], [2, 3]]
    only = model.select([0, 2]).tolabels(accepted_only=True)
    assert only.tolist() == [[1, 1], [0, 3]]


@pytest.mark.parametrize("image", [[[0, -1]], [[True]], [[0.5]], [["a"]], [1], [[[[1]]]]])
def test_other_labels_are_refused(image):
    with pytest.raises(SpecError):
        tl.extraction.fromlabels(image)


# Stacks of masks


def test_masks_return_the_stack():
    rng = np.random.default_rng(0)
    stack = rng.random((4, 6, 7)).astype("float32") * (rng.random((4, 6, 7)) < 0.5)
    model = tl.extraction.frommasks(stack)
    sums = stack.sum(axis=(1, 2), dtype="f8", keepdims=True)
    assert np.array_equal(model.masks(), (stack / sums).astype("f4"))
    assert equal(tl.extraction.frommasks(stack > 0).regions, model.regions)


def test_footprints_in_the_order_of_caiman():
    stack = np.zeros((2, 3, 4))
    stack[0, 0, 1], stack[0, 2, 3], stack[1, 1, 0] = 1, 3, 1
    footprints = csr_array(stack.reshape(2, -1, order="A").reshape(2, 12)).T  # shape (pixels, K)
    columns = np.stack([one.ravel(order="F") for one in stack], axis=1)
    model = tl.extraction.frommasks(csr_array(columns).T, (3, 4), order="F")
    assert np.array_equal(model.masks(), stack / stack.sum(axis=(1, 2), keepdims=True))
    assert tl.extraction.frommasks(footprints.T, (3, 4)) == model


def test_other_masks_are_refused():
    with pytest.raises(SpecError, match="cell 1 has no pixels"):
        tl.extraction.frommasks(np.array([[[1]], [[0]]]))
    with pytest.raises(SpecError, match="fromlabels"):
        tl.extraction.frommasks([[1, 2]])
    with pytest.raises(SpecError, match="give shape="):
        tl.extraction.frommasks(csr_array((1, 4)))


def test_regions_of_the_package_regional():
    class Many:
        coordinates = ()
        regions = ([[0, 1], [0, 2]], [[3, 3]])

    model = tl.extraction.fromregional(Many(), (5, 5))
    assert model.centers.tolist() == [[0, 1.5], [3, 3]]


# ImageJ


def cells(seed=0, shape=(30, 40)):
    stack = np.random.default_rng(seed).random((5, *shape)) < 0.05
    stack[0] = False
    stack[0, 4:9, 6:11] = True
    stack[0, 6, 8] = False  # a hole
    return tl.extraction.frommasks(stack)


def test_imagej_returns_the_masks(tmp_path):
    model = cells()
    model.toimagej(tmp_path / "cells.zip")
    again = tl.extraction.fromimagej(tmp_path / "cells.zip", model.shape)
    assert equal(again.regions, model.regions)
    assert again.quality["name"].tolist() == ["0001", "0002", "0003", "0004", "0005"]
    again.toimagej(tmp_path / "again.zip")
    assert (tmp_path / "again.zip").read_bytes() == (tmp_path / "cells.zip").read_bytes()
    # roifile's own reader finds as many.
    assert len(roifile.roiread(tmp_path / "cells.zip")) == 5


def test_names_and_positions_are_kept(tmp_path):
    names = ["a/b", "", "same", "same"]
    model = cells()[:4]
    quality = {"name": np.array(names), "slice": np.array([1, 0, 3, 0])}
    model = ExtractionModel(model.weights, model.shape, quality=quality)
    model.toimagej(tmp_path / "cells.zip")
    again = tl.extraction.fromimagej(tmp_path / "cells.zip", model.shape)
    assert again.quality["name"].tolist() == ["a/b", "0002", "same", "same"]
    assert again.quality["slice"].tolist() == [1, 0, 3, 0]
    assert set(again.quality) == {"name", "slice"}


def test_a_stack_of_planes(tmp_path):
    rois = []
    for number, (z, position) in enumerate([(2, 0), (0, 3), (0, 0)]):
        roi = roifile.ImagejRoi.frompoints([[0, 0], [2, 0], [2, 1], [0, 1]], name=str(number))
        roi.z_position, roi.position = z, position
        rois.append(roi)
    roifile.roiwrite(tmp_path / "planes.zip", rois)
    model = tl.extraction.fromimagej(tmp_path / "planes.zip", (3, 4, 5))
    assert model.areas.tolist() == [2, 2, 6]
    assert model.centers.tolist() == [[1, 0, 0.5], [2, 0, 0.5], [1, 0, 0.5]]
    with pytest.raises(SpecError, match=r"'1' is on slice 3, and the volume has 2"):
        tl.extraction.fromimagej(tmp_path / "planes.zip", (2, 4, 5))


def test_pixels_outside_are_counted_and_selections_outside_named(tmp_path):
    roi = roifile.ImagejRoi.frompoints([[-2, 0], [4, 0], [4, 3], [-2, 3]], name="edge")
    roi.tofile(tmp_path / "edge.roi")
    with pytest.warns(UserWarning, match="9 pixels of 1 selections are outside"):
        model = tl.extraction.fromimagej(tmp_path / "edge.roi", (3, 3))
    assert model.areas.tolist() == [9]
    roi = roifile.ImagejRoi.frompoints([[50, 50], [54, 50], [54, 53]], name="far")
    roi.tofile(tmp_path / "far.roi")
    with pytest.raises(SpecError, match=r"far\.roi: selection 'far' has no pixel"):
        tl.extraction.fromimagej(tmp_path / "far.roi", (3, 3))


def test_files_are_replaced_on_request_alone(tmp_path):
    model = cells()
    model[:1].toimagej(tmp_path / "cell.roi")
    with pytest.raises(ExistsError):
        model[:1].toimagej(tmp_path / "cell.roi")
    model[1:2].toimagej(tmp_path / "cell.roi", overwrite=True)
    again = tl.extraction.fromimagej(tmp_path / "cell.roi", model.shape)
    assert equal(again.regions, model[1:2].regions)
    (tmp_path / "other.zip").write_bytes(b"something else")
    with pytest.raises(StorageError, match="not written by us"):
        model.toimagej(tmp_path / "other.zip", overwrite=True)
    with pytest.raises(SpecError, match="5 cells from a file whose name ends in"):
        model.toimagej(tmp_path / "cells.roi")
    with pytest.raises(SpecError, match="of one plane"):
        ExtractionModel([[[0, 0, 0]]]).toimagej(tmp_path / "volume.zip")
    chosen = model.select([3])
    chosen.toimagej(tmp_path / "chosen.roi", accepted_only=True)
