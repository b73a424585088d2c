"""NWB files of the real pynwb, read by HDF5 alone; and ours, read and validated by pynwb."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest

import thunderlike as tl
from thunderlike.errors import ExistsError, FormatError, RefusedError, SpecError

pynwb = pytest.importorskip("pynwb")
h5py = pytest.importorskip("h5py")
ophys = pytest.importorskip("pynwb.ophys")

START = dt.datetime(2026, 5, 4, 10, tzinfo=dt.UTC)
VALUES = np.random.default_rng(0).integers(0, 2000, (12, 6, 5), np.uint16)
TRACES = np.random.default_rng(1).normal(size=(4, 50)).astype("float32")


def session():
    """A file with a device and an imaging plane, as a laboratory has it."""
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
        imaging_rate=30.0,
        grid_spacing=[0.5e-6, 2e-6],
        grid_spacing_unit="meters",
    )
    return nwb, plane


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    nwb, plane = session()
    for name, timing in (
        ("movie", {"rate": 30.0}),
        ("slow", {"timestamps": 5 + np.arange(12.0) ** 2}),
    ):
        data = pynwb.H5DataIO(VALUES, compression="gzip", chunks=(4, 6, 5))
        nwb.add_acquisition(
            ophys.TwoPhotonSeries(
                name=name, data=data, imaging_plane=plane, unit="counts", conversion=2.0, **timing
            )
        )
    nwb.add_acquisition(pynwb.TimeSeries(name="speed", data=np.zeros(12), unit="cm/s", rate=30.0))
    path = tmp_path_factory.mktemp("nwb") / "run.nwb"
    with pynwb.NWBHDF5IO(path, "w") as io:
        io.write(nwb)
    return path


def test_a_movie_is_read_with_what_the_file_tells(recording, engine):
    movie = tl.images.fromnwb(recording, "movie", engine=engine)
    np.testing.assert_array_equal(movie.toarray(), VALUES, strict=True)
    assert movie.attrs == {
        "unit": "counts",
        "conversion": 2.0,
        "frame_interval": 1 / 30,
        "pixel_size": {"x": 0.5, "y": 2.0},
    }
    slow = tl.images.fromnwb(recording, "acquisition/slow", engine=engine)
    assert slow.attrs["frame_times"] == (np.arange(12.0) ** 2).tolist()


@pytest.mark.spark
def test_on_spark_nothing_is_read_before_it_is_needed_and_then_only_that(recording, spark_context):
    with h5py.File(recording, "r+") as file:
        damaged = file["acquisition/movie/data"]
        kept = damaged.id.read_direct_chunk((8, 0, 0))
        damaged.id.write_direct_chunk((8, 0, 0), b"damaged")
    part = tl.images.fromnwb(recording, "movie", engine=spark_context, npartitions=3)
    try:
        np.testing.assert_array_equal(part[:8].toarray(), VALUES[:8])
        with pytest.raises(FormatError, match=r"run\.nwb"):
            part[8:].toarray()
    finally:
        with h5py.File(recording, "r+") as file:
            file["acquisition/movie/data"].id.write_direct_chunk((8, 0, 0), kept[1])


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            None,
            r"holds 2 series of type TwoPhotonSeries or .*: name one of /acquisition/movie \(Tw",
        ),
        ("TwoPhotonSeries", "holds 2 series called 'TwoPhotonSeries'"),
        ("nothing", "holds no series called 'nothing': name one of /acquisition/movie"),
    ],
)
def test_an_ambiguous_name_is_reported_with_the_existing_ones(recording, name, message):
    with pytest.raises(FormatError, match=message) as caught:
        tl.images.fromnwb(recording, name)
    assert "run.nwb" in str(caught.value)


def test_values_in_other_files_are_refused(tmp_path):
    nwb, plane = session()
    series = ophys.TwoPhotonSeries(
        name="movie", imaging_plane=plane, external_file=["run.tif"], format="external",
        starting_frame=[0], timestamps=np.arange(12.0), unit="counts", dimension=[6, 5],
    )  # fmt: skip
    nwb.add_acquisition(series)
    with pynwb.NWBHDF5IO(tmp_path / "a.nwb", "w") as io:
        io.write(nwb)
    with pytest.raises(RefusedError, match=r"images are in other files, run.tif: read those"):
        tl.images.fromnwb(tmp_path / "a.nwb")
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["x"] = VALUES
    with h5py.File(tmp_path / "b.nwb", "w") as file:
        group = file.create_group("acquisition/movie")
        group.attrs["neurodata_type"] = "TwoPhotonSeries"
        group["data"] = h5py.ExternalLink(str(tmp_path / "secret.h5"), "/x")
    with pytest.raises(RefusedError, match="behind a link"):
        tl.images.fromnwb(tmp_path / "b.nwb")


def test_traces_are_written_as_pynwb_reads_and_validates_them(tmp_path, engine):
    path = tmp_path / "cells.nwb"
    traces = tl.series.fromarray(TRACES, engine=engine)
    traces.tonwb(path, "dff", rate=15, description="dF/F", session_start_time=START)
    assert pynwb.validate(path=str(path)) == []
    with pynwb.NWBHDF5IO(path, "r") as io:
        found = io.read().acquisition["dff"]
        np.testing.assert_array_equal(found.data[:], TRACES.T, strict=True)
        assert (found.rate, found.unit, found.description) == (15, "a.u.", "dF/F")
    again = tl.series.fromnwb(path, engine=engine)
    np.testing.assert_array_equal(again.toarray(), TRACES, strict=True)
    assert again.attrs["frame_interval"] == 1 / 15


def test_traces_of_regions_go_into_a_file_with_all_the_rest(tmp_path):
    nwb, plane = session()
    cells = ophys.PlaneSegmentation(name="cells", description="cells", imaging_plane=plane)
    for number in range(4):
        cells.add_roi(pixel_mask=[(number, 0, 1.0)])
    module = nwb.create_processing_module(name="ophys", description="cells")
    module.add(ophys.ImageSegmentation(plane_segmentations=[cells]))
    rois = cells.create_roi_table_region(description="all", region=list(range(4)))
    series = tl.series.fromarray(TRACES)
    series.attrs = {"frame_times": np.arange(50.0).tolist()}
    path = tmp_path / "cells.nwb"
    series.tonwb(path, "raw", nwbfile=nwb, rois=rois)
    assert pynwb.validate(path=str(path)) == []
    with pynwb.NWBHDF5IO(path, "r") as io:
        found = io.read().processing["ophys"]["Fluorescence"]["raw"]
        assert len(found.rois) == 4
        assert found.timestamps[-1] == 49
    assert tl.series.fromnwb(path).shape == (4, 50)


def test_pixels_are_written_time_first(tmp_path):
    series = tl.images.fromarray(VALUES).toseries()
    series.tonwb(tmp_path / "a.nwb", rate=1, session_start_time=START)
    np.testing.assert_array_equal(tl.series.fromnwb(tmp_path / "a.nwb").toarray(), series.toarray())


def test_missing_times_are_an_error_before_anything_is_computed(tmp_path):
    traces = tl.series.fromarray(TRACES)
    with pytest.raises(SpecError, match="give rate=, in positions a second"):
        traces.tonwb(tmp_path / "a.nwb", session_start_time=START)
    with pytest.raises(SpecError, match="give session_start_time="):
        traces.tonwb(tmp_path / "a.nwb", rate=1)
    (tmp_path / "a.nwb").touch()
    with pytest.raises(ExistsError):
        traces.tonwb(tmp_path / "a.nwb", rate=1, session_start_time=START)
