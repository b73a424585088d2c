"""The pipeline as a job: files to a folder of results, what it says, and what it refuses."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tifffile

import thunderlike as tl
from thunderlike.calcium import Pipeline
from thunderlike.cli.scripts import calcium as script
from thunderlike.errors import BadIndexError, NotFoundError, SpecError
from thunderlike.images.cell_movies import cell_movie
from thunderlike.jobs import calcium as job

pytestmark = pytest.mark.usefixtures("undrawn")


@pytest.fixture(scope="module")
def truth():
    return cell_movie(
        (64, 64), 240, cells=8, amplitude=14.0, spacing=14.0, texture=0.3, kind="rigid", seed=1
    )


@pytest.fixture
def work(tmp_path, monkeypatch, truth):
    """A folder with the movie, and we stand in it."""
    tl.images.fromarray(truth.images).totif(tmp_path / "movie")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def given(*more, **changes):
    options = {"images": "movie", "output": "out", "engine": "local", "fs": "15"} | changes
    kept = {name: value for name, value in options.items() if value is not None}
    named = [text for name, value in kept.items() for text in (f"--{name}", value)]
    return ["--no-nwb", *named, *more]


def test_the_command_says_one_line_and_resumes(work, capfd, truth):
    assert script.main(given()) == 0
    out, err = capfd.readouterr()
    assert err == ""
    assert out.startswith("out: ")
    assert " components; " in out
    assert out.endswith(" s on local\n")
    result = tl.calcium.load("out")
    whole = tl.calcium.run(truth.images, "array", fs=15, nwb=False)
    assert result.plane.cells == whole.plane.cells
    summary = json.loads((work / "out" / "summary.json").read_text())
    assert summary["input"]["format"] == "tif"
    assert script.main(given("--dry-run")) == 0
    assert "out (finished)\n" in capfd.readouterr().out
    assert script.main(given()) == 0  # nothing is left to do
    assert script.main(given("--coefficient", "0.5")) == 2
    assert "--overwrite" in capfd.readouterr().err
    assert script.main(given("--coefficient", "0.5", "--overwrite")) == 0
    assert tl.calcium.load("out").plane.traces.coefficient.max() == 0.5


def test_a_dry_run_says_which_steps_are_done_and_writes_nothing(work, capsys):
    assert script.main(given("--dry-run")) == 0
    out = capsys.readouterr().out
    assert "steps      register, images, detect, traces, spikes\n" in out
    assert "15 Hz, tau 0.7 s" in out
    assert [path.name for path in work.iterdir()] == ["movie"]


def test_files_that_changed_are_another_input(work):
    pipeline = Pipeline(fs=15, nwb=False)
    before = job.plan("movie", "out", pipeline).prepared().identity
    assert job.plan("movie", "out", pipeline).prepared().identity == before
    path = work / "movie" / "image-00003.tif"
    values = tifffile.imread(path)
    path.unlink()
    tifffile.imwrite(path, values + 1)
    assert job.plan("movie", "out", pipeline).prepared().identity != before


def test_cells_of_several_planes(work, capsys):
    volumes = cell_movie((5, 40, 40), 240, cells=3, amplitude=20.0, spacing=14.0, seed=2)
    tl.images.fromarray(volumes.images).tohdf5("volumes.h5")
    options = ["--planes", "together", "--diameter", "2,12,12", "--registration", "none"]
    assert script.main(given(*options, images="volumes.h5")) == 0
    plane = tl.calcium.load("out").plane
    assert plane.cells.shape == (5, 40, 40)
    assert plane.cells.count > 0
    for option, value in (("--diameter", "4,wide"), ("--planes", "0,all")):
        with pytest.raises(SystemExit):
            script.main(given(option, value, images="volumes.h5"))
        assert f"{option}: {value!r} is not " in capsys.readouterr().err


def test_cells_in_one_channel_and_motion_in_the_other(work, truth):
    dark = (truth.images // 20).astype(np.uint16)
    both = np.stack([dark, truth.images], axis=1)
    tifffile.imwrite("two.tif", both, imagej=True, metadata={"axes": "TCYX"})
    tl.extraction.frommasks(truth.masks).save("known.json")
    options = given(
        "--channel", "0", "--structural", "1", "--cells", "known.json", images="two.tif"
    )
    assert script.main(options) == 0
    plane = tl.calcium.load("out").plane
    assert plane.motion == tl.registration.Rigid().fit(truth.images)
    assert plane.cells.count == 8
    steady = plane.motion.transform(dark)
    np.testing.assert_allclose(plane.images["mean"], steady.mean(squeeze=True), rtol=1e-6)


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        (["--images", "none"], NotFoundError, "none: no such"),
        (["--channel", "3"], BadIndexError, "channel=3"),
        (["--coefficient", "much"], SpecError, "coefficient='much'"),
        (["--planes", "1"], SpecError, "have no planes"),
        (["--cells", "none.h5"], NotFoundError, r"none\.h5"),
        (["--tau", "0"], SpecError, "tau"),
    ],
)
def test_wrong_options_are_refused_before_the_work(work, options, error, text):
    with pytest.raises(error, match=text):
        script.main([*given(), *options, "--debug"])
    assert [path.name for path in work.iterdir()] == ["movie"]


def test_without_a_rate_it_asks_for_one(work, capsys):
    assert script.main(given(fs=None)) == 2
    assert "give --fs" in capsys.readouterr().err.replace("fs= ", "--fs ")
