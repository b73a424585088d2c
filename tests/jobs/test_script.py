"""The script of spark-submit/: what a person or a cluster runs."""

from __future__ import annotations

import importlib.util
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import thunderlike as tl
from thunderlike.errors import NotFoundError
from thunderlike.formats import png

SCRIPT = Path(__file__).parents[2] / "spark-submit" / "activity_map.py"
N = 12


def load(path):
    spec = importlib.util.spec_from_file_location("activity_map_script", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


script = load(SCRIPT)


@pytest.fixture
def work(tmp_path, monkeypatch):
    """A folder with movies in each format and a signal, and we stand in it."""
    images = tl.images.fromarray(
        np.random.default_rng(0).integers(0, 500, (N, 6, 7)).astype(np.int16)
    )
    images.totif(tmp_path / "tif")
    images.tobinary(tmp_path / "raw")
    images.astype("uint8").topng(tmp_path / "png")
    table = "\n".join(f"{i},{i * i % 7}" for i in range(N))
    (tmp_path / "run.csv").write_text(f"time,speed\n{table}\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def arguments(engine="local", **changes):
    """A good command line, but for the changes; an option that is None is left out."""
    options = {"images": "tif", "signal": "run.csv:speed", "output": "map", "engine": engine}
    given = {name: value for name, value in (options | changes).items() if value is not None}
    return [text for name, value in given.items() for text in (f"--{name}", str(value))]


@pytest.mark.parametrize("images", ["tif", "raw", "png"])
def test_a_good_run_writes_the_map_and_says_one_line(engine, work, capfd, images):
    assert script.main(arguments(engine.name, images=images)) == 0
    out, err = capfd.readouterr()
    assert err == ""
    assert out.startswith("map: best pixel (")
    assert out.endswith(f" s on {engine.name}\n")
    summary = json.loads((work / "map" / "summary.json").read_text())
    assert (summary["engine"], summary["input"]["shape"]) == (engine.name, [N, 6, 7])
    assert png.decode((work / "map" / "summary.png").read_bytes()).ndim == 3


@pytest.mark.usefixtures("undrawn")
def test_both_engines_write_the_same_map(engine, work):
    assert script.main(arguments(engine.name, output="one", sigma=1)) == 0
    assert script.main(arguments("local", output="other", sigma=1)) == 0
    one, other = (np.load(work / name / "correlation.npy") for name in ("one", "other"))
    np.testing.assert_allclose(one, other, rtol=0, atol=1e-12)


class Terminal(io.StringIO):
    """Standard error of somebody who watches."""

    def isatty(self):
        return True


@pytest.mark.usefixtures("undrawn")
def test_progress_on_a_terminal_does_not_disturb_the_run(engine, work, monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    assert script.main(arguments(engine.name)) == 0
    assert "Traceback" not in sys.stderr.getvalue()


def shorten(path):
    path.write_bytes(path.read_bytes()[:20])


def resize(path):
    tl.images.fromarray(np.zeros((1, 5, 7), np.int16)).totif(path.parent.parent / "other")
    path.write_bytes((path.parent.parent / "other" / "image-00000.tif").read_bytes())


def fill(path):
    path.mkdir()
    (path / "thesis.txt").write_text("years of work")


FAILURES = {
    "a bad path": ({"images": "tof"}, None, "tof: no such file or folder"),
    "a signal of another length": (
        {"signal": "short.csv"},
        lambda work: (work / "short.csv").write_text("1\n2\n3\n"),
        "short.csv: 'short' has 3 values and the movie 12 images",
    ),
    "a missing signal": ({"signal": "no.csv:speed"}, None, "no.csv: no such file"),
    "an unknown name": ({"signal": "run.csv:spede"}, None, "available: time, speed"),
    "a truncated flat file": (
        {"images": "raw"},
        lambda work: shorten(work / "raw" / "image-00005.bin"),
        "image-00005.bin: expected 84 bytes for one image, found 20",
    ),
    "a truncated TIFF": (
        {},
        lambda work: shorten(work / "tif" / "image-00005.tif"),
        "image-00005.tif: truncated TIFF file",
    ),
    "a TIFF of another size": (
        {},
        lambda work: resize(work / "tif" / "image-00005.tif"),
        "image-00005.tif: holds int16 of shape (5, 7), the first file int16 of shape (6, 7)",
    ),
    "a full output folder": ({}, lambda work: fill(work / "map"), "map: is not empty"),
    "a negative sigma": ({"sigma": -1}, None, "sigma must be a number of pixels"),
    "an empty choice": ({"start": 99}, None, "leave none of the 12 files"),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_a_failure_is_one_line_exit_code_2_and_nothing_half_written(engine, work, capsys, failure):
    changes, spoil, says = FAILURES[failure]
    if spoil:
        spoil(work)
    before = sorted(work.rglob("*"))
    assert script.main(arguments(engine.name, **changes)) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert says in err
    assert sorted(work.rglob("*")) == before


def test_debug_shows_where(work):
    with pytest.raises(NotFoundError):
        script.main([*arguments(images="tof"), "--debug"])


@pytest.mark.usefixtures("undrawn")
def test_overwrite_replaces_our_own_output_and_nothing_else(work, capfd):
    assert script.main(arguments()) == 0
    assert script.main(arguments()) == 2
    assert script.main([*arguments(sigma=1), "--overwrite"]) == 0
    assert json.loads((work / "map" / "summary.json").read_text())["sigma"] == 1
    fill(work / "mine")
    assert script.main([*arguments(output="mine"), "--overwrite"]) == 2
    assert (work / "mine" / "thesis.txt").exists()
    assert "was not written by us" in capfd.readouterr().err


def test_a_dry_run_says_what_it_would_do_and_writes_nothing(engine, work, capfd):
    before = sorted(work.rglob("*"))
    assert script.main([*arguments(engine.name, sigma=1.5), "--dry-run"]) == 0
    out, err = capfd.readouterr()
    assert err == ""
    lines = out.splitlines()
    assert lines[0] == "images   tif: tif, 12 images of 6 x 7 int16, 0.0 MB"
    assert lines[1] == "signal   run.csv: speed, 12 values, 0 to 4"
    assert lines[2].startswith(f"engine   {engine.name}: ")
    assert lines[3] == "smooth   sigma 1.5 pixels"
    assert lines[4].startswith("output   map: correlation.npy, ")
    assert sorted(work.rglob("*")) == before


@pytest.mark.spark
def test_a_dry_run_tells_the_partitions(spark_context, work, capsys):
    assert script.main([*arguments("spark", npartitions=5), "--dry-run"]) == 0
    assert "engine   spark: 5 partitions" in capsys.readouterr().out


def test_a_dry_run_names_the_engine_that_runs(work, capsys, monkeypatch):
    assert script.main([*arguments("auto"), "--dry-run"]) == 0
    assert "engine   local: " in capsys.readouterr().out
    monkeypatch.setattr("thunderlike.engines.disk._SMALL", 100)
    monkeypatch.setattr("thunderlike.engines.disk.available", lambda: 4000)
    # The movie fits in half of that, but not in float64, in which the job computes.
    with tl.config(workers=2, memory=3 * 2**30, scratch="elsewhere"):
        assert script.main([*arguments("auto"), "--dry-run"]) == 0
    line = "engine   disk: 2 threads, at most 3 GiB of memory, scratch in elsewhere\n"
    assert line in capsys.readouterr().out
    assert script.main(arguments("auto")) == 0
    assert capsys.readouterr().out.endswith(" s on disk\n")
    assert json.loads((work / "map" / "summary.json").read_text())["engine"] == "disk"


def test_a_wrong_setting_is_one_line(work, capsys, monkeypatch):
    monkeypatch.setenv("THUNDERLIKE_ENGINE", "dask")
    assert script.main(arguments()) == 2
    assert capsys.readouterr().err.startswith("error: the environment: engine must be one of auto")


def test_a_dry_run_fails_as_the_run_would(work, capfd):
    assert script.main([*arguments(images="tof"), "--dry-run"]) == 2
    assert "tof: no such file or folder" in capfd.readouterr().err


def test_the_engine_is_spark_when_spark_submit_started_us(monkeypatch):
    required = arguments(engine=None)
    monkeypatch.delenv("PYSPARK_GATEWAY_PORT", raising=False)
    assert script.parser().parse_args(required).engine == "auto"
    monkeypatch.setenv("THUNDERLIKE_ENGINE", "disk")
    assert script.parser().parse_args(required).engine == "disk"
    monkeypatch.setenv("PYSPARK_GATEWAY_PORT", "12345")
    assert script.parser().parse_args(required).engine == "spark"
    assert script.parser().parse_args([*required, "--engine", "local"]).engine == "local"


def test_help_teaches(capsys):
    with pytest.raises(SystemExit) as caught:
        script.main(["--help"])
    assert caught.value.code == 0
    text = capsys.readouterr().out
    assert "--nplanes 1" in text
    assert "correlation.npy" in text


def run(command, work, **environment):
    return subprocess.run(
        command, cwd=work, env=os.environ | environment, capture_output=True, text=True, check=False
    )


def test_as_a_program(work):
    done = run([sys.executable, SCRIPT, *arguments(engine=None)], work)
    assert (done.returncode, done.stderr) == (0, "")
    assert "s on local" in done.stdout
    failed = run([sys.executable, SCRIPT, *arguments(images="tof")], work)
    assert failed.returncode == 2
    assert failed.stderr.startswith("error: ")
    assert failed.stderr.count("\n") == 1


@pytest.mark.spark
@pytest.mark.slow
def test_submitted_to_spark_a_failure_in_a_worker_is_one_line(work):
    """The whole way: spark-submit, a JVM, a worker that meets a bad file, one line."""
    resize(work / "tif" / "image-00005.tif")
    submit = Path(sys.executable).with_name("spark-submit")
    command = [submit, "--master", "local[2]", SCRIPT, *arguments(engine=None)]
    failed = run(command, work, PATH=f"{submit.parent}{os.pathsep}{os.environ['PATH']}")
    assert failed.returncode == 2, failed.stderr
    # spark-submit joins what its Python program writes to either stream: the error, and progress
    # where ten seconds have passed.
    said = [line for line in failed.stdout.splitlines() if not re.match(r"\w+: \d+ of ", line)]
    assert len(said) == 1, said
    assert "image-00005.tif: holds int16 of shape (5, 7)" in said[0]
    assert not (work / "map").exists()
