"""Executors and workers are killed while a pipeline runs; what comes out is the same."""

from __future__ import annotations

import os
import random
import signal
import time

import numpy as np
import pytest

import thunderlike as tl

pytestmark = [pytest.mark.spark]

STAGES = ("load", "filter", "shuffle", "reduce", "write")


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
def test_an_executor_is_killed(driver, until, fault, recording, expected, tmp_path, stage):
    driver.start("pipeline", recording=recording, out=tmp_path, stage=stage)
    executor = paused(tmp_path, stage, until)
    with fault("executor killed", stage):
        os.kill(executor, signal.SIGKILL)
        assert driver.wait() == {"value": None}
        check(tmp_path, expected)


@pytest.mark.cluster
def test_a_worker_is_killed_and_does_not_return(
    cluster, driver, until, fault, recording, expected, tmp_path
):
    driver.start("pipeline", recording=recording, out=tmp_path, stage="shuffle")
    executor = paused(tmp_path, "shuffle", until)
    with fault("worker killed, for good", "shuffle"):
        cluster.dismiss_worker_of(executor)
        assert driver.wait() == {"value": None}
        check(tmp_path, expected)
    cluster.hire()


@pytest.mark.cluster
def test_an_executor_is_killed_at_any_moment(cluster, driver, until, fault, record, tmp_path):
    """Ten times, with a movie that nobody has seen before."""
    seed = time.time_ns() % 2**32
    rng = random.Random(seed)
    (tmp_path / "movie").mkdir()
    recording = record(tmp_path / "movie", np.random.default_rng(seed))
    expected = expected_of(recording)
    usual = time.monotonic()
    driver.ask("pipeline", recording=recording, out=tmp_path)
    usual = time.monotonic() - usual
    for number in range(10):
        out = tmp_path / f"run-{number}"
        out.mkdir()
        until(lambda: len(cluster.executors()) == 2, "two executors")
        driver.start("pipeline", recording=recording, out=out)
        delay = rng.uniform(0, usual)
        time.sleep(delay)
        with fault("executor killed", f"{delay:.1f} s of {usual:.1f}, movie {seed}"):
            os.kill(rng.choice(cluster.executors()), signal.SIGKILL)
            assert driver.wait() == {"value": None}
            check(out, expected)
