"""Executors and workers are killed while a pipeline runs; what comes out is the same."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

import numpy as np
import pytest

import thunderlike as tl

pytestmark = [pytest.mark.spark]

STAGES = ("load", "filter", "shuffle", "reduce", "write")
WAYS = ("through Spark", "through files")


@pytest.fixture(params=[pytest.param(WAYS[0], marks=pytest.mark.cluster), WAYS[1]])
def scratch(request, tmp_path_factory):
    """Where pieces of a shuffle go: a folder that must be empty of them in the end."""
    if request.param == WAYS[0]:
        return ""
    return str(tmp_path_factory.mktemp("scratch"))


def check_way(scratch):
    """Check that a shuffle went through files if it should: its folder is there."""
    assert bool(scratch) == bool(scratch and list(Path(scratch).glob("*/lock")))


def expected_of(recording):
    """What the pipeline gives, computed here without Spark."""
    movie = tl.images.fromtif(recording)
    bright = movie.filter(lambda x: x.sum() > 0)
    series = bright.gaussian_filter(1).toseries().detrend()
    return {
        "count": bright.count(),
        "means": series.mean().toarray(),
        "correlation": series.correlate(np.arange(bright.count())).toarray(),
        "images": bright.toarray(),
    }


@pytest.fixture(scope="module")
def expected(recording):
    return expected_of(recording)


def check(out, expected):
    with np.load(out / "found.npz") as found:
        assert found["count"] == expected["count"]
        np.testing.assert_allclose(found["means"], expected["means"], atol=1e-9)
        np.testing.assert_allclose(found["correlation"], expected["correlation"], atol=1e-12)
    written = tl.images.fromtif(out / "images")
    np.testing.assert_array_equal(written.toarray(), expected["images"])
    assert not list(out.rglob(".*"))


def paused(out, stage, wait):
    """Wait until a stage is in somebody's hands; the pid of that executor."""
    marker = out / f"{stage}.pid"
    wait(lambda: marker.exists() and marker.read_text().endswith("\n"), stage)
    return int(marker.read_text())


@pytest.mark.parametrize(
    "stage", [pytest.param(s, marks=[pytest.mark.cluster] * (s != "shuffle")) for s in STAGES]
)
def test_an_executor_is_killed(driver, until, fault, recording, expected, tmp_path, stage, scratch):
    driver.start("pipeline", recording=recording, out=tmp_path, stage=stage, scratch=scratch)
    executor = paused(tmp_path, stage, until)
    with fault("executor killed", f"{stage}, {WAYS[bool(scratch)]}"):
        os.kill(executor, signal.SIGKILL)
        assert driver.wait() == {"value": None}
        check(tmp_path, expected)
        check_way(scratch)


@pytest.mark.cluster
def test_a_worker_is_killed_and_does_not_return(
    cluster, driver, until, fault, recording, expected, tmp_path, scratch
):
    driver.start("pipeline", recording=recording, out=tmp_path, stage="shuffle", scratch=scratch)
    executor = paused(tmp_path, "shuffle", until)
    with fault("worker killed, for good", f"shuffle, {WAYS[bool(scratch)]}"):
        cluster.dismiss_worker_of(executor)
        assert driver.wait() == {"value": None}
        check(tmp_path, expected)
        check_way(scratch)
    cluster.hire()


@pytest.mark.cluster
def test_files_of_a_shuffle_are_removed(driver, fault, recording, tmp_path):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    with fault("files removed", "shuffle, through files"):
        written, left = driver.ask("lose", recording=recording, out=tmp_path, scratch=scratch)
        movie = tl.images.fromtif(recording)
        np.testing.assert_array_equal(np.load(tmp_path / "images.npy"), movie.toarray())
        np.testing.assert_array_equal(np.load(tmp_path / "series.npy"), movie.toseries().toarray())
    assert written == 6
    assert left == 1  # the folder of the context, which the driver still has
    assert not [file for file in scratch.glob("*/*/*") if file.is_file()]


@pytest.mark.cluster
def test_an_executor_is_killed_at_any_moment(
    cluster, driver, until, fault, record, tmp_path, scratch
):
    """Ten times, with a movie that nobody has seen before."""
    seed = time.time_ns() % 2**32
    rng = random.Random(seed)
    (tmp_path / "movie").mkdir()
    recording = record(tmp_path / "movie", np.random.default_rng(seed))
    expected = expected_of(recording)
    usual = time.monotonic()
    driver.ask("pipeline", recording=recording, out=tmp_path, scratch=scratch)
    usual = time.monotonic() - usual
    for number in range(10):
        out = tmp_path / f"run-{number}"
        out.mkdir()
        until(lambda: len(cluster.executors()) == 2, "two executors")
        driver.start("pipeline", recording=recording, out=out, scratch=scratch)
        delay = rng.uniform(0, usual)
        time.sleep(delay)
        with fault(
            "executor killed", f"{delay:.1f} s of {usual:.1f}, {WAYS[bool(scratch)]}, movie {seed}"
        ):
            os.kill(rng.choice(cluster.executors()), signal.SIGKILL)
            assert driver.wait() == {"value": None}
            check(out, expected)
