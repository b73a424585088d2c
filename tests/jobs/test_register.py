"""Motion correction as a job: what it writes, on every engine, and what it refuses."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tifffile

import thunderlike as tl
from thunderlike.cli.scripts import register as script
from thunderlike.errors import BadIndexError, ExistsError, NotFoundError, SpecError
from thunderlike.images.examples import moving_cells
from thunderlike.jobs import register as job
from thunderlike.jobs.contents import look
from thunderlike.jobs.plots import registration_figure
from thunderlike.viz.plots import png_of

pytestmark = pytest.mark.usefixtures("undrawn")


@pytest.fixture(scope="module")
def movie():
    return moving_cells((96, 104), 24, photons=20.0, seed=3)


@pytest.fixture
def work(tmp_path, monkeypatch, movie):
    """A folder with the movie, and we stand in it."""
    tl.images.fromarray(movie.images).totif(tmp_path / "movie")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def given(*more, **changes):
    options = {"images": "movie", "output": "out", "engine": "local"} | changes
    return [text for name, value in options.items() for text in (f"--{name}", value)] + [*more]


def test_the_folder_has_the_movie_shifts_and_summary(work, movie, engine):
    found, facts = job.run(job.plan("movie", "out"), engine)
    names = {"movie.h5", "model.h5", "shifts.csv", "summary.png", "summary.json", "SUCCESS"}
    assert {path.name for path in (work / "out").iterdir()} == names
    model = tl.registration.load("out/model.h5")
    assert model == tl.registration.Rigid().fit(movie.images)
    expected = model.transform(movie.images).toarray()
    np.testing.assert_array_equal(tl.images.fromhdf5("out/movie.h5").toarray(), expected)
    assert json.loads((work / "out" / "summary.json").read_text()) == facts
    assert max(facts["rms_shift_left"]) < 0.1 < min(facts["rms_shift"])
    assert (facts["bad_frames"], facts["algorithm"]) == ([], "Rigid()")
    lines = (work / "out" / "shifts.csv").read_text().splitlines()
    assert lines[0] == "frame,y,x,stderr,peak,gain,bad"
    table = np.loadtxt(lines[1:], delimiter=",")
    np.testing.assert_allclose(table[:, 1:3], model.shifts, atol=1e-4)
    np.testing.assert_allclose(found.after, expected.mean(axis=0))
    np.testing.assert_allclose(found.before, movie.images.mean(axis=0))


@pytest.mark.parametrize("to", ["npy", "zarr", "tif", "bin"])
def test_formats_of_the_movie(work, to):
    _, facts = job.run(
        job.plan("movie", "out", to=to, interpolation=0, start=4, stop=24), tl.engines.local()
    )
    read = look(f"out/{facts['movie']}").collection
    assert (read.shape, read.dtype) == ((20, 96, 104), np.uint16)
    job.run(job.plan("movie", "out", to=to), tl.engines.local(), overwrite=True)


def test_fields_and_the_reference_of_an_earlier_run(work):
    job.run(job.plan("movie", "first", kind="piecewise"), tl.engines.local())
    plan = job.plan("movie", "second", kind="piecewise", reference="first/model.h5")
    found, facts = job.run(plan, tl.engines.local())
    first = tl.registration.load("first/model.h5")
    assert facts["rms_of_fields"] >= 0
    assert found.model.fields.shape == first.fields.shape
    np.testing.assert_array_equal(found.model.reference, first.reference)


def test_an_image_is_a_reference(work, movie):
    tifffile.imwrite("still.tif", (100 + 400 * movie.reference).astype("float32"))
    found, _ = job.run(job.plan("movie", "out", reference="still.tif"), tl.engines.local())
    apart = found.model.shifts - movie.shifts
    assert np.sqrt(np.square(apart).mean()) < 0.15


def test_one_channel_is_corrected_by_the_motion_of_another(work, movie):
    dark = np.full_like(movie.images, 100)
    dark[:, 30:40, 30:40] += 50
    both = np.stack([dark, movie.images], axis=1)
    tifffile.imwrite("two.tif", both, imagej=True, metadata={"axes": "TCYX"})
    plan = job.plan("two.tif", "out", channel=0, structural=1)
    found, _ = job.run(plan, tl.engines.local())
    expected = tl.registration.Rigid().fit(movie.images)
    np.testing.assert_array_equal(found.model.shifts, expected.shifts)
    corrected = tl.images.fromhdf5("out/movie.h5").toarray()
    np.testing.assert_array_equal(corrected, expected.transform(dark).toarray())


def test_the_command_says_one_line(work, capfd):
    assert script.main(given("--dry-run")) == 0
    assert "Rigid()" in capfd.readouterr().out
    assert not (work / "out").exists()
    assert script.main(given("--max-shift", "9", "--bidirectional", "auto")) == 0
    out, err = capfd.readouterr()
    assert err == ""
    assert out.startswith("out: 24 frames, shifts of up to ")
    assert out.endswith(" s on local\n")


def test_the_picture_has_both_means_and_the_shifts(movie):
    model = tl.registration.Rigid().fit(movie.images)
    mean = movie.images.mean(axis=0)
    figure = registration_figure(job.Corrected(model, mean, mean, model.shifts))
    assert [axes.get_title(loc="left") for axes in figure.axes] == [
        "mean before",
        "mean after",
        "shifts of 24 frames",
    ]
    assert png_of(figure).startswith(b"\x89PNG")


def test_an_existing_folder_is_refused_before_the_work(work):
    (work / "out").mkdir()
    (work / "out" / "notes.txt").write_text("mine")
    with pytest.raises(ExistsError, match=r"notes\.txt"):
        job.run(job.plan("movie", "out"), tl.engines.local())
    assert script.main(given("--overwrite")) == 2
    assert (work / "out" / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"kind": "elastic"}, SpecError, "kind 'elastic'"),
        ({"to": "png"}, SpecError, "cannot write a movie as 'png'"),
        ({"bidirectional": "left"}, SpecError, "bidirectional 'left'"),
        ({"max_shift": 0.0}, SpecError, "max_shift=0.0"),
        ({"reference": "none.tif"}, NotFoundError, r"none\.tif"),
        ({"channel": 3}, BadIndexError, "channel=3"),
    ],
)
def test_impossible_arguments_are_refused(work, options, error, text):
    with pytest.raises(error, match=text):
        job.plan("movie", "out", **options)


def test_pages_without_axes_need_a_word(work, movie):
    tifffile.imwrite("pages.tif", movie.images)
    with pytest.raises(SpecError, match="nplanes=1"):
        job.plan("pages.tif", "out")
    assert job.plan("pages.tif", "out", nplanes=1).spec.count == 48
