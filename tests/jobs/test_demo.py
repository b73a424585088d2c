from __future__ import annotations

import json

import numpy as np
import pytest

import thunderlike as tl
from thunderlike.errors import EngineError, MissingExtraError, SpecError, StorageError
from thunderlike.images.cell_movies import cell_movie
from thunderlike.jobs import demo as demonstration
from thunderlike.jobs.demo import CELLS, FS, demo, largest_difference, recording, scored
from thunderlike.jobs.report import started

FRAMES = 240
pytestmark = pytest.mark.usefixtures("undrawn")


def small(frames, seed):
    """A recording like that of the demonstration, of fewer cells and pixels."""
    return cell_movie(
        (64, 64), frames, cells=8, amplitude=14.0, spacing=14.0, texture=0.3, kind="rigid",
        seed=seed,
    )  # fmt: skip


@pytest.fixture
def make(tmp_path, monkeypatch):
    """Run the demonstration; gives its outcomes, its picture and what it said."""
    monkeypatch.setattr(demonstration, "recording", small)

    def run(*engines, seed=1, output=tmp_path / "out", frames=FRAMES):
        said = []
        outcomes, picture = demo(output, engines, frames=frames, seed=seed, say=said.append)
        return outcomes, picture, "\n".join(said)

    return run


def files(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_everything_is_written_below_the_folder(engine, make, tmp_path):
    [outcome], picture, _ = make(engine.name)
    written = files(tmp_path / "out")
    steps = ("motion", "images", "cells", "traces", "activity")
    assert {path for path in written if "movie/image" not in path} == {
        "recording/SUCCESS",
        "recording/movie/SUCCESS",
        "recording/cells.h5",
        f"{engine.name}/SUCCESS",
        f"{engine.name}/report.html",
        *(f"{engine.name}/{name}.json" for name in ("state", "summary")),
        *(f"{engine.name}/{name}.h5" for name in steps),
        "result/SUCCESS",
        "result/cells.png",
        "result/result.json",
    }
    assert len([path for path in written if "movie/image" in path]) == FRAMES
    assert picture == str(tmp_path / "out" / "result" / "cells.png")
    true = tl.extraction.load(tmp_path / "out/recording/cells.h5")
    assert true == tl.extraction.frommasks(small(FRAMES, 1).masks)
    [numbers] = json.loads((tmp_path / "out/result/result.json").read_text())
    assert (numbers["engine"], numbers["hits"]) == (engine.name, outcome.score.hits)
    assert outcome.score.hits + outcome.score.misses == 8


@pytest.mark.spark
def test_all_engines_find_the_same(spark_context, make, tmp_path):
    (local, disk, spark), _, said = make("local", "disk", "spark")
    assert (local.engine, disk.engine, spark.engine) == ("local", "disk", "spark")
    assert largest_difference(local.result, disk.result) == 0
    assert largest_difference(local.result, spark.result) == 0
    assert local.score == disk.score == spark.score
    numbers = json.loads((tmp_path / "out/result/result.json").read_text())
    assert [entry["largest_difference_to_local"] for entry in numbers] == [0, 0, 0]
    assert "Starting Spark" in said


def test_the_recording_has_cells_that_move():
    truth = recording(60, 1)
    assert (len(truth.masks), truth.source.fs) == (CELLS, FS)
    assert np.ptp(truth.shifts) > 1


@pytest.mark.slow
def test_the_cells_of_the_recording_are_found(tmp_path):
    [outcome], _ = demo(tmp_path / "out", ["local"], frames=1500, seed=1, say=lambda _: None)
    score = outcome.score
    assert score.hits >= 38
    assert score.false_alarms <= 4
    assert score.motion < 0.2
    assert score.traces > 0.8


def test_a_perfect_result_has_a_perfect_score(make):
    [outcome], _, _ = make("local")
    truth = small(FRAMES, 1)
    plane = outcome.result.plane
    apart = np.median(truth.shifts - plane.motion.shifts, axis=0).round()
    masks = np.stack([np.roll(one, apart.astype(int), (0, 1)) for one in truth.masks])
    vars(plane)["cells"] = tl.extraction.frommasks(masks)
    vars(plane)["activity"] = {"dff": truth.calcium, "spikes": truth.spikes}
    score = scored(outcome.result, truth)
    assert (score.hits, score.misses, score.false_alarms) == (8, 0, 0)
    assert score.traces == pytest.approx(1)
    assert score.spikes == pytest.approx(1)
    vars(plane)["cells"] = tl.extraction.frommasks(masks).select([0, 1, 2])
    assert scored(outcome.result, truth).misses == 5


def test_other_cells_are_a_difference(make):
    [outcome], _, _ = make("local")
    [other], _, _ = make("local")
    assert largest_difference(outcome.result, other.result) == 0
    plane = other.result.plane
    vars(plane)["cells"] = plane.cells.select([0])
    assert largest_difference(outcome.result, other.result) == np.inf


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
    with pytest.raises(SpecError, match="count=0"):
        make("local", frames=0)
    assert not (tmp_path / "out").exists()
