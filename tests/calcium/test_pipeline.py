"""The pipeline: equal results on every engine and after interruptions, and what is repeated."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

import thunderlike as tl
from thunderlike.calcium import Pipeline, load
from thunderlike.calcium.field import FILES, Field, usual
from thunderlike.calcium.pipeline import OUTPUTS
from thunderlike.data.identity import checksum, described, hashed
from thunderlike.errors import (
    BadIndexError,
    ExistsError,
    FormatError,
    NotFoundError,
    SpecError,
    WrongTypeError,
)
from thunderlike.images.cell_movies import cell_movie

FS = 15.0
STEPS = ["register", "images", "detect", "traces", "spikes"]
pytestmark = pytest.mark.usefixtures("undrawn")


class Killed(BaseException):
    pass


@pytest.fixture
def did(monkeypatch):
    """Names of the steps that are done from now on."""
    names, do = [], Field.do

    def noted(self, step):
        names.append(step)
        do(self, step)

    monkeypatch.setattr(Field, "do", noted)
    return names


def assert_equal(one, other):
    """Compare two results bit by bit."""
    first, second = one.plane, other.plane
    assert first.cells == second.cells
    for name in ("F", "neuropil", "corrected"):
        a, b = (getattr(plane.traces, name).toarray() for plane in (first, second))
        np.testing.assert_array_equal(a, b)
    for part in ("images", "activity"):
        values, others = getattr(first, part), getattr(second, part)
        assert hashed(described(values)) == hashed(described(others))
    assert one.summary["planes"] == other.summary["planes"]


def test_cells_and_motion_are_those_of_the_truth(whole, truth):
    plane = whole.plane
    error = plane.motion.shifts - truth.shifts
    error -= np.median(error, axis=0)
    assert np.sqrt(np.square(error).mean()) < 0.1
    assert 5 <= plane.cells.accepted.sum() <= 9
    assert whole.summary["planes"][0]["cells"]["accepted"] == plane.cells.accepted.sum()
    assert plane.images["mean"].shape == plane.images["correlation"].shape == (64, 64)
    active = plane.activity["spikes"][plane.cells.accepted].sum(axis=1)
    assert (active > 0).all()


def test_every_engine_gives_the_same_bits(engine, movie, whole, tmp_path):
    images = tl.images.fromarray(movie.toarray(), engine=engine)
    result = tl.calcium.run(images, tmp_path / "out", fs=FS, nwb=False)
    assert result.summary["engine"] == engine.name
    assert_equal(result, whole)


@pytest.mark.parametrize("last", STEPS)
def test_a_killed_run_goes_on_where_it_was(last, movie, whole, tmp_path, monkeypatch, did):
    work = getattr(Field, f"_{last}")

    def killed(self, path):
        work(self, path)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Field, f"_{last}", killed)
        with pytest.raises(Killed):
            tl.calcium.run(movie, tmp_path / "out", fs=FS, nwb=False)
    assert not (tmp_path / "out").exists()
    did.clear()
    result = tl.calcium.run(movie, tmp_path / "out", fs=FS, nwb=False)
    assert did == STEPS[STEPS.index(last) :]
    assert_equal(result, whole)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize(
    ("changes", "first"),
    [
        ({}, None),
        ({"registration": tl.registration.Rigid(max_shift=8)}, "register"),
        ({"detection": {"threshold": 7.0}}, "detect"),
        ({"traces": {"coefficient": 0.5}}, "traces"),
        ({"dff": {"method": "constant"}}, "spikes"),
        ({"spikes": {"method": "nonnegative"}}, "spikes"),
    ],
)
def test_a_changed_parameter_repeats_what_depends_on_it(
    changes, first, movie, tmp_path, did, copied
):
    if first is not None:
        with pytest.raises(ExistsError, match=rf"of step '{first}' was"):
            tl.calcium.run(movie, copied, fs=FS, nwb=False, **changes)
    tl.calcium.run(movie, copied, fs=FS, nwb=False, overwrite=True, **changes)
    assert did == ([] if first is None else STEPS[STEPS.index(first) :])


@pytest.fixture
def copied(whole, tmp_path):
    """A folder with the results of the whole run."""
    import shutil

    return shutil.copytree(whole.output, tmp_path / "out")


def test_a_changed_movie_repeats_all(movie, copied, did):
    values = movie.toarray().copy()
    values[7, 3, 3] += 1
    with pytest.raises(ExistsError, match="the input or the versions"):
        tl.calcium.run(values, copied, fs=FS, nwb=False)
    tl.calcium.run(values, copied, fs=FS, nwb=False, overwrite=True)
    assert did == STEPS


def test_the_plan_tells_what_is_done(movie, copied, did):
    made = tl.calcium.plan(movie, copied, Pipeline(fs=FS, nwb=False, traces={"inner": 1}))
    assert list(made.status().values()) == [True, True, True, False, False]
    assert did == []


def test_planes_are_analysed_on_their_own(movie, whole, tmp_path):
    values = movie.toarray()
    volumes = np.stack([values, values[:, ::-1]], axis=1)
    result = tl.calcium.run(volumes, tmp_path / "out", fs=FS, nwb=False, movie=True)
    assert [plane.number for plane in result.planes] == [0, 1]
    np.testing.assert_array_equal(
        result.planes[0].traces.F.toarray(), whole.plane.traces.F.toarray()
    )
    with pytest.raises(SpecError, match="2 planes"):
        result.plane  # noqa: B018
    movie = tl.images.fromhdf5(tmp_path / "out/plane1/movie.h5")
    assert movie.shape == (400, 64, 64)
    names = {f"plane{n}/{FILES[step]}" for n in (0, 1) for step in [*STEPS, "movie"]}
    names |= {"report.html", "summary.json", "state.json", "SUCCESS"}
    there = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert {path.relative_to(tmp_path / "out").as_posix() for path in there} == names
    one = tl.calcium.run(volumes, tmp_path / "one", fs=FS, nwb=False, planes=1, registration=None)
    assert [plane.number for plane in one.planes] == [1]


def test_planes_together_have_cells_of_several_planes(engine, tmp_path):
    pynwb = pytest.importorskip("pynwb")
    truth = cell_movie((9, 48, 48), 300, cells=4, amplitude=20.0, neuropil=2.0, texture=0.3, seed=5)
    result = tl.calcium.run(
        truth.toimages(engine),
        tmp_path / "out",
        fs=FS,
        planes="together",
        diameter=(4.0, 12.0, 12.0),
    )
    cells = result.plane.cells
    assert (cells.shape, result.plane.number) == ((9, 48, 48), None)
    known = tl.extraction.frommasks(truth.masks)
    pairs = cells.match(known, iou=0.3).pairs
    assert len(pairs) >= 3
    calcium = result.plane.traces.dff.toarray()[pairs[:, 0]]
    r = [np.corrcoef(a, b)[0, 1] for a, b in zip(calcium, truth.calcium[pairs[:, 1]], strict=True)]
    assert np.median(r) > 0.9
    assert tl.extraction.fromnwb(tmp_path / "out/recording.nwb").shape == (9, 48, 48)
    with pynwb.NWBHDF5IO(tmp_path / "out/recording.nwb", "r") as file:
        assert pynwb.validate(io=file) == []
    assert ">plane</th>" in (tmp_path / "out/report.html").read_text()
    with pytest.raises(SpecError, match="together"):
        Pipeline(fs=FS, planes="all").fields_of(truth.toimages())


def test_known_cells_and_the_motion_of_another_channel(movie, whole, tmp_path):
    known = whole.plane.cells[whole.plane.cells.accepted]
    known.toimagej(tmp_path / "rois.zip")
    known = tl.extraction.fromimagej(tmp_path / "rois.zip", known.shape)  # they have names
    dark = (movie.toarray() // 50).astype(np.uint16)
    result = tl.calcium.run(
        dark, tmp_path / "out", fs=FS, nwb=False, structural=movie, detection=known
    )
    np.testing.assert_array_equal(result.plane.motion.shifts, whole.plane.motion.shifts)
    assert result.plane.cells == known
    assert (
        f'<td class="n">{known.quality["name"][0]}</td>'
        in (tmp_path / "out" / "report.html").read_text()
    )


def test_a_movie_without_its_background_is_warned_of(movie, whole, tmp_path):
    dark = movie.toarray().astype(np.int32) - 200
    with pytest.warns(UserWarning, match=r"dF/F of \d+ of \d+ components is NaN or above 100"):
        tl.calcium.run(dark, tmp_path / "out", fs=FS, nwb=False, detection=whole.plane.cells)


def test_no_cells_are_a_result_and_no_error(tmp_path):
    noise = np.random.default_rng(0).poisson(50, (300, 48, 48)).astype(np.uint16)
    with pytest.warns(UserWarning, match="no cell was found|there are no cells"):
        result = tl.calcium.run(noise, tmp_path / "out", fs=FS, registration=None)
    assert result.summary["planes"][0]["cells"] == {"found": 0, "accepted": 0}
    assert "No cells were found" in (tmp_path / "out" / "report.html").read_text()


def test_the_rate_of_the_files_is_used(movie, tmp_path):
    images = tl.images.fromarray(movie.toarray()[:120])
    images.attrs["frame_interval"] = 1 / FS
    made = tl.calcium.plan(images, tmp_path / "out", Pipeline())
    assert made.fs == FS


@pytest.mark.parametrize(
    ("parameters", "error", "text"),
    [
        ({}, SpecError, "give fs="),
        ({"fs": 0}, SpecError, "fs=0"),
        ({"fs": FS, "tau": -1}, SpecError, "tau"),
        ({"fs": FS, "diameter": 0}, SpecError, "diameter"),
        ({"fs": FS, "registration": "elastic"}, SpecError, "registration='elastic'"),
        ({"fs": FS, "detection": "cells.h5"}, SpecError, r"detection='cells\.h5'"),
        ({"fs": FS, "traces": {"ring": 3}}, SpecError, "no argument 'ring'"),
        ({"fs": FS, "traces": {"coefficient": "some"}}, SpecError, "traces: coefficient='some'"),
        ({"fs": FS, "dff": {"window": -3}}, SpecError, "dff: window=-3"),
        ({"fs": FS, "spikes": {"method": "ar9"}}, SpecError, "spikes: method='ar9'"),
        ({"fs": FS, "planes": 0}, SpecError, "have no planes"),
        ({"fs": FS, "session_start_time": "noon"}, SpecError, "session_start_time='noon'"),
        ({"fs": FS, "sigma": 1}, SpecError, "no parameter 'sigma'"),
        ({"fs": FS, "structural": np.zeros((3, 4, 4))}, SpecError, "structural has shape"),
    ],
)
def test_wrong_parameters_are_refused_before_the_work(parameters, error, text, movie, tmp_path):
    with pytest.raises(error, match=text):
        tl.calcium.run(movie, tmp_path / "out", **parameters)
    assert list(tmp_path.iterdir()) == []


def test_wrong_input_is_refused(tmp_path):
    with pytest.raises(SpecError, match="4 axes"):
        tl.calcium.run(np.zeros((9, 2, 2, 8, 8)), tmp_path / "out", fs=FS)
    with pytest.raises((SpecError, WrongTypeError), match="complex"):
        tl.calcium.run(np.zeros((9, 8, 8), complex), tmp_path / "out", fs=FS)
    with pytest.raises(BadIndexError, match="planes=2"):
        tl.calcium.run(np.zeros((9, 2, 8, 8)), tmp_path / "out", fs=FS, planes=2)


def test_results_are_loaded_again(whole, tmp_path):
    assert load(whole.output).summary == whole.summary
    assert "cells: " in repr(whole)
    with pytest.raises(NotFoundError, match="no finished run"):
        load(tmp_path / "nothing")
    (tmp_path / "summary.json").write_text("{}")
    with pytest.raises(FormatError, match="not of a calcium run"):
        load(tmp_path)


def test_the_summary_names_all(whole):
    summary = json.loads(json.dumps(whole.summary))
    assert summary.keys() == {
        *("input", "planes", "parameters", "engine", "seconds", "output", "command", "versions")
    }
    assert list(summary["seconds"]) == [*STEPS, "total"]
    assert summary["input"]["shape"] == [400, 64, 64]
    assert {"numpy", "scipy", "thunderlike"} <= summary["versions"].keys()
    assert set(OUTPUTS) > {"report.html", "summary.json"}


def test_a_checksum_changes_with_any_pixel(engine):
    values = np.arange(60, dtype=np.int16).reshape(5, 3, 4)
    first = checksum(tl.images.fromarray(values, engine=engine))
    assert first == checksum(tl.images.fromarray(values.astype(">i2"), engine=engine))
    values[4, 2, 3] = 0
    assert first != checksum(tl.images.fromarray(values, engine=engine))


def test_a_rare_displacement_costs_no_border():
    frame = np.random.default_rng(0).normal(size=(64, 64))
    still = tl.registration.align(frame, frame)[np.zeros(300, int)]
    shifts = np.random.default_rng(1).uniform(-2, 2, (300, 2))
    shifts[7] = 9, -6
    motion = dataclasses.replace(still, shifts=shifts)
    y, x = usual(motion).crop()
    assert (y.start, y.stop, x.start, x.stop) == (2, 62, 2, 62)
    assert motion.crop()[0] == slice(2, 55)
    bad = np.ones(300, bool)
    assert usual(dataclasses.replace(motion, bad=bad)).bad.all()


def test_planes_that_are_registered_alone_have_rare_displacements():
    volume = np.random.default_rng(0).normal(size=(3, 64, 64))
    still = tl.registration.align(volume, volume, axis=0)[np.zeros(300, int)]
    shifts = np.random.default_rng(1).uniform(-2, 2, (300, 3, 2))
    shifts[7, 1] = 9, -6
    motion = dataclasses.replace(still, shifts=shifts)
    assert usual(motion).crop() == (slice(0, 3), slice(2, 62), slice(2, 62))
