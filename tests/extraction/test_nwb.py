"""Cells in NWB files: ours, validated by pynwb, and those of pynwb and others."""

from __future__ import annotations

import datetime as dt

import h5py
import numpy as np
import pytest

import thunderlike as tl
from thunderlike.errors import ExistsError, FormatError, SpecError
from thunderlike.extraction import ExtractionModel

pynwb = pytest.importorskip("pynwb")
ophys = pytest.importorskip("pynwb.ophys")

START = dt.datetime(2026, 5, 4, 10, tzinfo=dt.UTC)


def cells(count=4, shape=(9, 12)):
    rng = np.random.default_rng(0)
    stack = rng.random((count, *shape)) * (rng.random((count, *shape)) < 0.2)
    quality = {
        "snr": rng.random(count),
        "label": np.arange(count) + 3,
        "name": np.array([f"cell {number} µ" for number in range(count)]),
        "good": np.arange(count) > 1,
        "skew": np.full(count, np.nan, "float32"),
    }
    return ExtractionModel(
        stack.reshape(count, -1),
        shape,
        quality=quality,
        accepted=np.arange(count) != 1,
        attrs={"fs": 15.0, "diameter": (9.0, 12.0)},
        parameters={"threshold": 6.0, "advanced": None, "limits": np.arange(3)},
    )


@pytest.mark.parametrize("shape", [(9, 12), (3, 4, 6)])
def test_a_file_returns_the_model_and_is_valid(shape, tmp_path):
    model = cells(shape=shape)
    path = tmp_path / "cells.nwb"
    model.tonwb(path, session_start_time=START)
    assert tl.extraction.fromnwb(path) == model
    with pynwb.NWBHDF5IO(path, "r") as io:
        assert pynwb.validate(io=io) == []


def test_a_model_without_cells(tmp_path):
    model = cells()[:0]
    model.tonwb(tmp_path / "none.nwb", session_start_time=START)
    again = tl.extraction.fromnwb(tmp_path / "none.nwb")
    assert (again.count, again.shape, again.attrs) == (0, model.shape, model.attrs)


def test_traces_are_written_next_to_the_cells(tmp_path, engine):
    model, path = cells(), tmp_path / "run.nwb"
    values = np.random.default_rng(1).random((4, 50)).astype("float32")
    series = tl.series.fromarray(values, engine=engine)
    traces = {"F": series, "dff": series * 2, "spikes": values, "neuropil": values * 3}
    images = {"mean": np.ones((9, 12), "float32")}
    model.tonwb(path, traces=traces, images=images, session_start_time=START)
    assert tl.extraction.fromnwb(path) == model
    for name, factor in (("F", 1), ("dff", 2), ("spikes", 1), ("neuropil", 3)):
        found = tl.series.fromnwb(path, name)
        np.testing.assert_array_equal(found.toarray(), values * np.float32(factor), strict=True)
        assert found.attrs["frame_interval"] == 1 / 15
    with pynwb.NWBHDF5IO(path, "r") as io:
        assert pynwb.validate(io=io) == []
        module = io.read().processing["ophys"]
        assert set(module.data_interfaces) == {
            "ImageSegmentation",
            "Fluorescence",
            "DfOverF",
            "Deconvolved",
            "SegmentationImages",
        }
        series = module["DfOverF"]["dff"]
        assert series.data.shape == (50, 4)
        assert series.rois.table.name == "PlaneSegmentation"
        assert series.rate == 15


def test_a_file_of_the_laboratory(tmp_path):
    nwb, plane = session()
    model = cells()
    traces = {"dff": np.zeros((4, 6))}
    model.tonwb(tmp_path / "run.nwb", traces=traces, rate=20, nwbfile=nwb, name="soma")
    with pynwb.NWBHDF5IO(tmp_path / "run.nwb", "r") as io:
        table = io.read().processing["ophys"]["ImageSegmentation"]["soma"]
        assert table.imaging_plane.name == plane.name == "plane"
        assert pynwb.validate(io=io) == []
    assert tl.extraction.fromnwb(tmp_path / "run.nwb", "soma") == model


def test_properties_of_a_new_plane(tmp_path):
    plane = {"name": "layer 2", "indicator": "GCaMP8", "emission_lambda": 513.0, "location": "V1"}
    cells().tonwb(tmp_path / "run.nwb", plane=plane, session_start_time=START)
    with pynwb.NWBHDF5IO(tmp_path / "run.nwb", "r") as io:
        found = io.read().imaging_planes["layer 2"]
        assert (found.indicator, found.location) == ("GCaMP8", "V1")
        assert found.optical_channel[0].emission_lambda == 513


def test_arguments_are_checked_before_anything_is_written(tmp_path):
    model, path = cells(), tmp_path / "run.nwb"
    for options, message in (
        ({"traces": {"F": np.zeros((3, 9))}, "session_start_time": START}, "there are 4 cells"),
        ({}, "session_start_time="),
        ({"images": {"mean": np.zeros(3)}, "session_start_time": START}, "image 'mean'"),
    ):
        with pytest.raises(SpecError, match=message):
            model.tonwb(path, **options)
    with pytest.raises(SpecError, match="give rate="):
        ExtractionModel([[[0, 0]]]).tonwb(
            path, traces={"F": np.zeros((1, 3))}, session_start_time=START
        )
    assert not path.exists()
    model.tonwb(path, session_start_time=START)
    with pytest.raises(ExistsError):
        model.tonwb(path, session_start_time=START)


# Files of others


def session(shape=None):
    """A file with an imaging plane and perhaps a movie of it, of shape (T, *shape)."""
    nwb = pynwb.NWBFile(session_description="a run", identifier="run-1", session_start_time=START)
    device = nwb.create_device(name="microscope")
    channel = ophys.OpticalChannel(name="green", description="GCaMP6", emission_lambda=513.0)
    plane = nwb.create_imaging_plane(
        name="plane",
        optical_channel=channel,
        description="layer 2",
        device=device,
        excitation_lambda=920.0,
        indicator="GCaMP6",
        location="V1",
    )
    if shape is not None:
        movie = ophys.TwoPhotonSeries(
            name="movie", data=np.zeros((2, *shape)), imaging_plane=plane, unit="n", rate=30.0
        )
        nwb.add_acquisition(movie)
    return nwb, plane


def others(path, rois, shape=None, **columns):
    """Write rois as pynwb's tutorial does."""
    nwb, plane = session(shape)
    module = nwb.create_processing_module(name="ophys", description="cells")
    segmentation = ophys.ImageSegmentation()
    module.add(segmentation)
    table = segmentation.create_plane_segmentation(
        name="table", description="made by hand", imaging_plane=plane
    )
    for roi in rois:
        table.add_roi(**roi)
    for name, values in columns.items():
        table.add_column(name=name, description=name, data=values)
    with pynwb.NWBHDF5IO(path, "w") as io:
        io.write(nwb)


PIXELS = [{"pixel_mask": [(5, 1, 1.0), (6, 1, 3.0)]}, {"pixel_mask": [(0, 2, 1.0)]}]


def test_pixel_masks_have_x_first(tmp_path):
    others(
        tmp_path / "a.nwb",
        PIXELS,
        (4, 8),
        quality=[0.5, 0.7],
        iscell=np.array([[1, 0.9], [0, 0.2]]),
    )
    model = tl.extraction.fromnwb(tmp_path / "a.nwb")
    assert model.shape == (4, 8)
    assert not model.inferred
    assert model.centers.tolist() == [[1, 5.75], [2, 0]]
    assert model.quality["quality"].tolist() == [0.5, 0.7]
    assert model.quality["probability"].tolist() == [0.9, 0.2]
    assert model.accepted.tolist() == [True, False]


def test_without_a_movie_the_shape_is_inferred_or_given(tmp_path):
    others(tmp_path / "a.nwb", PIXELS)
    model = tl.extraction.fromnwb(tmp_path / "a.nwb")
    assert (model.shape, model.inferred) == ((3, 7), True)
    assert model.transform(np.ones((2, 5, 9))).shape == (2, 2)
    assert tl.extraction.fromnwb(tmp_path / "a.nwb", shape=(9, 9)).shape == (9, 9)
    with pytest.raises(FormatError, match="reach out of images"):
        tl.extraction.fromnwb(tmp_path / "a.nwb", shape=(3, 3))


def test_images_of_masks_are_compared_with_the_movie(tmp_path):
    mask = np.zeros((4, 8))
    mask[1, 5], mask[1, 6] = 1, 3
    others(tmp_path / "python.nwb", [{"image_mask": mask}], (4, 8))
    others(tmp_path / "matlab.nwb", [{"image_mask": mask.T}], (4, 8))
    for name in ("python", "matlab"):
        model = tl.extraction.fromnwb(tmp_path / f"{name}.nwb")
        assert model.centers.tolist() == [[1, 5.75]]
    others(tmp_path / "unknown.nwb", [{"image_mask": mask.T}])
    with pytest.raises(SpecError, match="order='yx', as Python"):
        tl.extraction.fromnwb(tmp_path / "unknown.nwb")
    for options in ({"order": "xy"}, {"shape": (4, 8)}):
        model = tl.extraction.fromnwb(tmp_path / "unknown.nwb", **options)
        assert (model.shape, model.centers.tolist()) == ((4, 8), [[1, 5.75]])
    with pytest.raises(SpecError, match=r"and the movie has \(5, 8\)"):
        tl.extraction.fromnwb(tmp_path / "unknown.nwb", shape=(5, 8))


def test_square_images_of_masks_need_an_order(tmp_path):
    mask = np.zeros((4, 4))
    mask[1, 3] = 1
    others(tmp_path / "a.nwb", [{"image_mask": mask}], (4, 4))
    with pytest.raises(SpecError, match="order='xy', as MatNWB"):
        tl.extraction.fromnwb(tmp_path / "a.nwb")
    for order, center in (("yx", [1, 3]), ("xy", [3, 1])):
        model = tl.extraction.fromnwb(tmp_path / "a.nwb", order=order)
        assert model.centers.tolist() == [center]


def test_one_of_several_tables_is_named(tmp_path):
    nwb, _ = session()
    for name in ("a", "b"):
        cells().tonwb(tmp_path / f"{name}.nwb", nwbfile=nwb, name=name)
        nwb, _ = session()
    with h5py.File(tmp_path / "a.nwb", "r+") as file:
        tables = file["processing/ophys/ImageSegmentation"]
        file.copy("processing/ophys/ImageSegmentation/a", tables, "second")
    with pytest.raises(FormatError, match=r"2 tables of cells .* name one of"):
        tl.extraction.fromnwb(tmp_path / "a.nwb")
    assert tl.extraction.fromnwb(tmp_path / "a.nwb", "second") == cells()
    with pytest.raises(FormatError, match="no tables of cells called 'c'"):
        tl.extraction.fromnwb(tmp_path / "a.nwb", "c")


# Damaged files

TABLE = "processing/ophys/ImageSegmentation/PlaneSegmentation"


def damaged(file, what):
    table = file[TABLE]
    if what == "no masks":
        del table["pixel_mask"]
    elif what == "index":
        table["pixel_mask_index"][0] = 200
    elif what == "last":
        table["pixel_mask_index"][-1] -= 1
    elif what == "huge":
        del table["pixel_mask_index"]
        table.create_dataset("pixel_mask_index", (2**50,), "u1", chunks=(2**20,))
    elif what == "fields":
        del table["pixel_mask"]
        table["pixel_mask"] = np.zeros(3)
    elif what == "group":
        del table["pixel_mask_index"]
        table.create_group("pixel_mask_index")
    elif what == "weight":
        values = table["pixel_mask"][...]
        values["weight"] = np.nan
        table["pixel_mask"][...] = values
    elif what == "outside":
        values = table["pixel_mask"][...]
        values["x"][0] = 2**31
        table["pixel_mask"][...] = values


@pytest.mark.parametrize(
    "what", ["no masks", "index", "last", "huge", "fields", "group", "weight", "outside"]
)
def test_damaged_tables_are_refused(what, tmp_path):
    cells().tonwb(tmp_path / "bad.nwb", session_start_time=START)
    with h5py.File(tmp_path / "bad.nwb", "r+") as file:
        damaged(file, what)
    with pytest.raises(FormatError, match=r"bad\.nwb"):
        tl.extraction.fromnwb(tmp_path / "bad.nwb")


def test_metadata_that_cannot_be_understood_are_left_out(tmp_path):
    cells().tonwb(tmp_path / "odd.nwb", session_start_time=START)
    with h5py.File(tmp_path / "odd.nwb", "r+") as file:
        table = file[TABLE]
        table.attrs["description"] = "Cells of thunderlike: {not json"
        table.attrs["colnames"] = np.array(["snr", "missing", "label"], object)
        del table["label"]
        table["label"] = h5py.ExternalLink("elsewhere.h5", "/label")
    model = tl.extraction.fromnwb(tmp_path / "odd.nwb")
    assert list(model.quality) == ["snr"]
    assert np.array_equal(model.weights.data, cells().weights.data)
    assert (model.attrs, model.inferred) == ({}, True)


def test_other_files_are_refused(tmp_path):
    (tmp_path / "text.nwb").write_text("no HDF5")
    with pytest.raises(FormatError, match=r"text\.nwb"):
        tl.extraction.fromnwb(tmp_path / "text.nwb")
    with h5py.File(tmp_path / "empty.nwb", "w"):
        pass
    with pytest.raises(FormatError, match="no tables of cells"):
        tl.extraction.fromnwb(tmp_path / "empty.nwb")
