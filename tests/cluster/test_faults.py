"""Executors and workers are killed while a pipeline runs; what comes out is the same."""

from __future__ import annotations

import os
import signal

import numpy as np
import pytest

import thunderlike as tl

pytestmark = [pytest.mark.spark, pytest.mark.timeout(400)]

STAGES = ("load", "filter", "shuffle", "reduce", "write")


@pytest.fixture(scope="module")
def expected(recording):
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


def check(out, stage, expected):
    with np.load(out / f"{stage}.npz") as found:
        assert found["count"] == expected["count"]
        np.testing.assert_allclose(found["means"], expected["means"], atol=1e-9)
        np.testing.assert_allclose(found["correlation"], expected["correlation"], atol=1e-12)
    written = tl.images.fromtif(out / f"{stage}-images")
    np.testing.assert_array_equal(written.toarray(), expected["images"])


def kill_executors_in(stages, cluster, recording, out):
    with cluster.driving(recording, out, *stages):
        for stage in stages:
            os.kill(cluster.paused(out, stage), signal.SIGKILL)


def test_an_executor_is_killed(cluster, recording, expected, tmp_path):
    kill_executors_in(["shuffle"], cluster, recording, tmp_path)
    check(tmp_path, "shuffle", expected)


@pytest.mark.cluster
def test_an_executor_is_killed_in_every_stage(cluster, recording, expected, tmp_path):
    kill_executors_in(STAGES, cluster, recording, tmp_path)
    for stage in STAGES:
        check(tmp_path, stage, expected)


@pytest.mark.cluster
def test_a_worker_is_killed_and_does_not_return(cluster, recording, expected, tmp_path):
    with cluster.driving(recording, tmp_path, "shuffle"):
        executor = cluster.paused(tmp_path, "shuffle")
        cluster.dismiss_worker_of(executor)
    check(tmp_path, "shuffle", expected)
    cluster.hire()
