"""The jobs as programs: one line that says what was done, or what cannot be."""

from __future__ import annotations

import json

import h5py
import numpy as np
import pytest
import tifffile

import thunderlike as tl
from thunderlike.cli.scripts import convert, make_dataset, series_stats
from thunderlike.errors import StorageError
from thunderlike.jobs import outputs

N = 12
OUT = {convert: "out.h5", make_dataset: "out", series_stats: "out"}
SUMMARY = {
    convert: "out.h5.summary.json",
    make_dataset: "out.summary.json",
    series_stats: "out/summary.json",
}
JOBS = pytest.mark.parametrize("job", OUT, ids=lambda job: job.__name__.rpartition(".")[2])


@pytest.fixture
def work(tmp_path, monkeypatch):
    """A folder with a movie and labels, and we stand in it."""
    values = np.random.default_rng(0).integers(0, 250, (N, 6, 7)).astype(np.uint8)
    tl.images.fromarray(values).totif(tmp_path / "movie")
    (tmp_path / "kinds.csv").write_text("kind\n" + "cat\n" * N)
    gap = [f"{i},{'' if i == 3 else 'cat'}\n" for i in range(N)]
    (tmp_path / "gap.csv").write_text("number,kind\n" + "".join(gap))
    tifffile.imwrite(tmp_path / "pages.tif", values)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def given(job, *more, **changes):
    options = {"input": "movie", "output": OUT[job], "engine": "local"} | changes
    return [text for name, value in options.items() for text in (f"--{name}", value)] + [*more]


@JOBS
def test_a_good_run_says_one_line_and_leaves_a_summary(job, work, capfd):
    assert job.main(given(job)) == 0
    out, err = capfd.readouterr()
    assert err == ""
    assert out.startswith(f"{OUT[job]}: ")
    assert out.endswith(" s on local\n")
    assert out.count("\n") == 1
    summary = json.loads((work / SUMMARY[job]).read_text())
    assert (summary["input"]["shape"], summary["engine"]) == ([N, 6, 7], "local")
    assert {"command", "output", "seconds", "versions", "batches_done_before"} <= summary.keys()


@JOBS
def test_a_dry_run_says_what_it_would_do_and_writes_nothing(job, work, capfd):
    before = sorted(work.rglob("*"))
    assert job.main(given(job, "--dry-run")) == 0
    out, err = capfd.readouterr()
    assert err == ""
    lines = dict(line.split(None, 1) for line in out.splitlines())
    assert lines["input"] == "movie: tif, 12 images of 6 x 7 uint8, 0.0 MB"
    assert lines["engine"].startswith("local: ")
    assert lines["output"].startswith(OUT[job])
    assert sorted(work.rglob("*")) == before


def files(folder):
    """The contents of a result, without the files that name the engine and the time."""
    found = sorted(folder.rglob("*")) if folder.is_dir() else [folder]
    named = [path for path in found if path.is_file() and not path.name.endswith("summary.json")]
    return {path.name: contents(path) for path in named}


def contents(path):
    """The bytes of a file; of HDF5 the arrays, whose chunks may be stored in any order."""
    if path.suffix != ".h5":
        return path.read_bytes()
    with h5py.File(path) as file:
        return {name: (one.dtype, one.shape, one.chunks, one[()].tobytes(), dict(one.attrs))
                for name, one in file.items()}  # fmt: skip


@JOBS
@pytest.mark.parametrize("more", [[], ["--batch", "0.0001"]], ids=["at once", "in batches"])
def test_the_disk_engine_writes_the_files_of_the_local_engine(job, more, work, monkeypatch):
    folders = {}
    for engine in ("local", "disk"):
        folders[engine] = work / engine
        folders[engine].mkdir()
        out = str(folders[engine] / OUT[job])
        with tl.config(chunk_bytes=100):
            assert job.main(given(job, *more, engine=engine, output=out)) == 0
    local, disk = (files(folders[engine] / OUT[job]) for engine in ("local", "disk"))
    assert local.keys() == disk.keys()
    assert local == disk


@pytest.mark.spark
@JOBS
def test_a_dry_run_on_spark_tells_the_partitions(spark_context, job, work, capsys):
    assert job.main(given(job, "--npartitions", "5", "--dry-run", engine="spark")) == 0
    assert "spark: 5 partitions" in capsys.readouterr().out


FAILURES = {
    "a missing file": ({"input": "mooovie"}, [], "mooovie: no such file or folder"),
    "an option for other files": ({}, ["--dataset", "x"], "dataset does not apply to tif files"),
    "an unknown format": (
        {},
        ["--format", "jpg"],
        "unknown format 'jpg'; expected one of tif, png",
    ),
}


@JOBS
@pytest.mark.parametrize("failure", FAILURES)
def test_a_failure_is_one_line_and_exit_code_2(job, failure, work, capsys):
    changes, more, says = FAILURES[failure]
    before = sorted(work.rglob("*"))
    assert job.main(given(job, *more, **changes)) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert says in err
    assert sorted(work.rglob("*")) == before


WRONG = {
    "no such format": (
        convert,
        ["--to", "dog"],
        "cannot write format 'dog'; expected one of tif, png",
    ),
    "no format": (
        convert,
        ["--output", "day1"],
        "give the format with --to: tif, png",
    ),
    "not these records": (convert, ["--to", "txt"], "txt files cannot hold images"),
    "no percentile": (series_stats, ["--percentiles", "5,500"], "invalid percentile 500.0"),
    "a percentile twice": (series_stats, ["--percentiles", "5,5"], "give each percentile once"),
    "a window for nothing": (series_stats, ["--window", "3"], "means nothing for the baseline"),
    "one volume": (series_stats, ["--input", "pages.tif"], "give --nplanes 1 for an image of each"),
    "a missing label": (make_dataset, ["--labels", "gap.csv:kind"], "no label for record 3"),
    "no name": (make_dataset, ["--field", ""], "field is empty"),
    "an empty path": (convert, ["--input", ""], "an empty path"),
    "no window": (series_stats, ["--baseline", "window"], "needs a window"),
    "another column": (make_dataset, ["--labels", "kinds.csv:kin"], "available: kind"),
    "no such labels": (make_dataset, ["--labels", "kin.csv"], "kin.csv: no such file"),
    "a reserved name": (make_dataset, ["--field", "key"], "'key' is reserved in samples"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_only_one_job_refuses(wrong, work, capsys):
    job, more, says = WRONG[wrong]
    assert job.main(given(job, *more)) == 2
    err = capsys.readouterr().err
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert says in err


@JOBS
@pytest.mark.parametrize(
    "bad",
    [
        ["--inptu", "x"],
        ["--batch", "x"],
        ["--batch", "-5"],
        ["--npartitions", "0"],
        ["--shape", "x"],
        ["--percentiles", "five"],
        [],
    ],
)
def test_an_invalid_command_line_is_one_line(job, bad, capsys):
    with pytest.raises(SystemExit) as caught:
        job.main([*given(job), *bad] if bad else [])
    assert caught.value.code == 2
    err = capsys.readouterr().err
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert "--help explains every option" in err


@JOBS
def test_a_mistyped_option_is_named_before_those_that_it_leaves_missing(job, capsys):
    with pytest.raises(SystemExit, match="2"):
        job.main(["--inptu", "movie", "--output", "out"])
    assert "unknown option --inptu, did you mean --input?" in capsys.readouterr().err


@JOBS
def test_a_run_that_did_nothing_leaves_nothing(job, work, capsys):
    (work / "movie" / "image-00003.tif").write_bytes(b"II*\0")
    before = sorted(work.rglob("*"))
    assert job.main(given(job)) == 2
    assert "image-00003.tif" in capsys.readouterr().err
    assert sorted(work.rglob("*")) == before


def test_what_hinders_the_tidying_does_not_hide_why_a_run_failed(work, monkeypatch, capsys):
    def hindered(_):
        raise StorageError("hindered")

    monkeypatch.setattr(outputs, "_tidy", hindered)
    (work / "movie" / "image-00003.tif").write_bytes(b"II*\0")
    assert convert.main(given(convert)) == 2
    assert "image-00003.tif" in capsys.readouterr().err


def test_pages_taken_for_a_volume_are_noted(work, capsys):
    assert convert.main(given(convert, input="pages.tif")) == 0
    out, err = capsys.readouterr()
    assert "1 records as hdf5" in out
    assert err.startswith("note: the 12 pages of ")
    assert "give --nplanes 1" in err
    assert convert.main(given(convert, "--nplanes", "1", "--overwrite", input="pages.tif")) == 0
    assert "12 records as hdf5" in capsys.readouterr().out


@JOBS
def test_overwrite_replaces_and_says_how_when_it_is_not_given(job, work, capfd):
    assert job.main(given(job)) == 0
    assert job.main(given(job)) == 2
    assert "--overwrite" in capfd.readouterr().err
    assert job.main(given(job, "--overwrite")) == 0
    assert job.main(given(job, "--dry-run")) == 0
    assert "(exists: give --overwrite)" in capfd.readouterr().out
    assert job.main(given(job, "--dry-run", "--overwrite")) == 0
    assert "(will be replaced)" in capfd.readouterr().out


@JOBS
def test_help_teaches(job, capsys):
    with pytest.raises(SystemExit, match="0"):
        job.main(["--help"])
    printed = capsys.readouterr().out
    assert "examples:" in printed
    assert "exit codes: 0 done; 2 failed" in printed
