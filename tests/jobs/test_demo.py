from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.figure import Figure

from thunderlike.errors import EngineError, MissingExtraError, SpecError, StorageError
from thunderlike.images.examples import calcium
from thunderlike.jobs import demo as demonstration
from thunderlike.jobs.demo import Cells, demo, largest_difference
from thunderlike.jobs.report import started

FRAMES = 40
pytestmark = pytest.mark.usefixtures("undrawn")


@pytest.fixture
def make(tmp_path):
    """Run the demonstration; gives its outcomes, its picture and what it said."""

    def run(*engines, seed=1, output=tmp_path / "out", frames=FRAMES):
        said = []
        outcomes, picture = demo(output, engines, frames=frames, seed=seed, say=said.append)
        return outcomes, picture, "\n".join(said)

    return run


def files(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_everything_is_written_below_the_folder(engine, make, tmp_path):
    _, picture, _ = make(engine.name)
    written = files(tmp_path / "out")
    assert {path for path in written if "movie/image" not in path} == {
        "recording/SUCCESS",
        "recording/movie/SUCCESS",
        "recording/behaviour.csv",
        "recording/cells.csv",
        f"{engine.name}/SUCCESS",
        *(f"{engine.name}/{name}" for name in demonstration.activity_map.OUTPUTS),
        "result/SUCCESS",
        "result/map.png",
        "result/result.json",
    }
    assert len([path for path in written if "movie/image" in path]) == FRAMES
    assert picture == str(tmp_path / "out" / "result" / "map.png")


def test_the_tables_tell_the_truth(make, tmp_path):
    make("local")
    recording = calcium(FRAMES)
    behaviour = np.loadtxt(tmp_path / "out/recording/behaviour.csv", delimiter=",", skiprows=1)
    np.testing.assert_allclose(behaviour.T[0], recording.seconds, rtol=1e-5)
    np.testing.assert_allclose(behaviour.T[1], recording.behaviour, rtol=1e-5)
    cells = np.loadtxt(tmp_path / "out/recording/cells.csv", delimiter=",", skiprows=1)
    np.testing.assert_array_equal(cells[:, 3], recording.cells.follows)


def test_the_cells_that_follow_are_found(make):
    [outcome], _, _ = make("local", frames=600)
    assert (outcome.cells.hits, outcome.cells.misses, outcome.cells.false_alarms) == (14, 0, 0)
    assert calcium(600).labels[outcome.map.best] in np.flatnonzero(outcome.cells.truth)


@pytest.mark.spark
def test_both_engines_find_the_same(spark_context, make, tmp_path):
    (local, spark), _, said = make("local", "spark")
    assert (local.engine, spark.engine) == ("local", "spark")
    assert largest_difference(local.map, spark.map) < 1e-12
    numbers = json.loads((tmp_path / "out/result/result.json").read_text())
    assert [entry["engine"] for entry in numbers] == ["local", "spark"]
    assert numbers[1]["largest_difference_to_local"] < 1e-12
    assert "Starting Spark" in said


def test_the_disk_engine_finds_the_same(make):
    (local, disk), _, said = make("local", "disk")
    assert (local.engine, disk.engine) == ("local", "disk")
    assert largest_difference(local.map, disk.map) == 0
    assert "Starting" not in said


def no_java(name):
    if name == "spark":
        raise EngineError("Spark needs Java 17 or newer: apt-get install openjdk-17-jre-headless")
    return started(name)


def no_pyspark(name):
    if name == "spark":
        raise MissingExtraError("pyspark is not installed: pip install 'thunderlike[spark]'")
    return started(name)


@pytest.mark.parametrize(("start", "fix"), [(no_java, "apt-get"), (no_pyspark, "pip install")])
def test_without_spark_it_says_so_and_goes_on(make, monkeypatch, start, fix):
    monkeypatch.setattr(demonstration, "started", start)
    outcomes, _, said = make("local", "spark")
    assert [outcome.engine for outcome in outcomes] == ["local"]
    [line] = [line for line in said.splitlines() if "left out" in line]
    assert fix in line


def test_spark_alone_cannot_be_left_out(make, monkeypatch):
    monkeypatch.setattr(demonstration, "started", no_java)
    with pytest.raises(EngineError, match="Java 17"):
        make("spark")


def test_a_second_run_replaces_the_first(make, tmp_path):
    make("local")
    first = files(tmp_path / "out")
    make("local", seed=2, frames=FRAMES - 10)
    assert len(first - files(tmp_path / "out")) == 10
    summary = json.loads((tmp_path / "out/local/summary.json").read_text())
    assert summary["input"]["shape"][0] == FRAMES - 10


@pytest.mark.parametrize("folder", ["recording", "recording/movie", "local", "result"])
def test_the_files_of_others_are_never_removed(make, tmp_path, folder):
    theirs = tmp_path / "out" / folder / "thesis.txt"
    theirs.parent.mkdir(parents=True)
    theirs.write_text("years of work")
    with pytest.raises(StorageError, match=r"was not written by us.*thesis\.txt"):
        make("local")
    assert theirs.read_text() == "years of work"


def test_other_files_in_the_folder_do_not_matter(make, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("years of work")
    make("local")
    assert (tmp_path / "out" / "thesis.txt").exists()


def test_an_impossible_movie_is_refused_before_anything_is_written(make, tmp_path):
    with pytest.raises(SpecError, match="2 images or more"):
        make("local", frames=1)
    assert not (tmp_path / "out").exists()


def test_hits_misses_and_false_alarms():
    cells = Cells(np.array([True, True, False, False]), np.array([True, False, True, False]))
    assert (cells.hits, cells.misses, cells.false_alarms) == (1, 1, 1)


def test_a_pixel_undefined_in_one_map_alone_is_a_difference():
    one, other = (SimpleNamespace(correlation=np.array([0, x])) for x in (1, np.nan))
    assert largest_difference(one, other) == np.inf
    assert largest_difference(other, other) == 0


def test_rings_tell_found_missed_and_wrong():
    recording = calcium(FRAMES)
    found = recording.cells.follows.copy()
    found[np.flatnonzero(found)[0]] = False
    found[np.flatnonzero(~recording.cells.follows)[:2]] = True
    figure = Figure()
    figure.subplots(1, 2)
    demonstration._with_rings(figure, Cells(found, recording.cells.follows), recording)
    assert len(figure.axes[1].patches) == 16
    assert figure.axes[1].get_xlabel() == (
        "ringed: 13 of the 14 cells that follow, 1 missed (dotted), 2 found in error (grey)"
    )
