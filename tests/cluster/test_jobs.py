"""Jobs sent to a cluster by ``thunderlike submit``, with all that they need; results as without."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest

import thunderlike as tl
from thunderlike.cli.scripts import activity_map, convert, make_dataset, series_stats

pytestmark = [pytest.mark.spark]

WHENCE = """\
import thunderlike as tl
context = tl.spark.context()
home = context.parallelize([0], 1).map(lambda _: __import__("thunderlike").__file__).first()
print("workers import", home)
"""


@pytest.fixture
def submit(cluster, tmp_path):
    """Send a job to the cluster from a folder of its own; returns what was printed."""
    cluster.free()

    def run(job, *arguments, options=()):
        words = [sys.executable, "-m", "thunderlike", "submit", job, "--master", cluster.master]
        small = ["--executor-memory", "512m", "--conf", "spark.driver.host=127.0.0.1"]
        ran = subprocess.run(
            [*words, *small, *options, "--", *map(str, arguments)],
            env={**os.environ, "SPARK_LOCAL_IP": "127.0.0.1", "XDG_CACHE_HOME": str(tmp_path)},
            capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return ran.stdout

    return run


def equal_maps(one, other):
    for name in ("mean", "std", "p5", "p50", "p95"):
        found, expected = (
            tl.images.fromhdf5(out / "stats.h5", dataset=name).toarray() for out in (one, other)
        )
        np.testing.assert_allclose(found, expected, rtol=1e-12)
    found, expected = (tl.series.fromhdf5(out / "dff.h5").toarray() for out in (one, other))
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_a_job_is_sent_with_the_package(submit, recording, tmp_path):
    out, here = tmp_path / "out", tmp_path / "here"
    printed = submit("series_stats", "--input", recording, "--output", out)
    assert f"--py-files {tmp_path}/thunderlike/thunderlike-" in printed
    assert json.loads((out / "summary.json").read_text())["engine"] == "spark"
    assert series_stats.main(["--input", str(recording), "--output", str(here)]) == 0
    equal_maps(out, here)


@pytest.mark.cluster
def test_workers_import_the_package_that_was_sent(submit, tmp_path):
    (tmp_path / "whence.py").write_text(WHENCE)
    printed = submit(str(tmp_path / "whence.py")).splitlines()[-1]
    assert printed.startswith("workers import ")
    assert ".zip/thunderlike/__init__.py" in printed


@pytest.mark.cluster
def test_every_job_gives_on_the_cluster_what_it_gives_here(submit, recording, tmp_path):
    (tmp_path / "speed.txt").write_text("\n".join(str(i % 11) for i in range(60)))
    given = ["--input", recording]
    jobs = {
        activity_map: ["--images", recording, "--signal", tmp_path / "speed.txt"],
        convert: [*given, "--to", "npy"],
        make_dataset: [*given, "--field", "image"],
    }
    for job, arguments in jobs.items():
        name = job.__name__.rpartition(".")[2]
        submit(name, *arguments, "--output", tmp_path / name)
        assert job.main([*map(str, arguments), "--output", str(tmp_path / f"{name}-here")]) == 0
    maps = [np.load(tmp_path / f"activity_map{at}/correlation.npy") for at in ("", "-here")]
    np.testing.assert_allclose(*maps, atol=1e-12)
    np.testing.assert_array_equal(*(np.load(tmp_path / f"convert{at}") for at in ("", "-here")))
    sets = [tl.datasets.ShardedReader(tmp_path / f"make_dataset{at}") for at in ("", "-here")]
    for one, other in zip(*sets, strict=True):
        assert one["key"] == other["key"]
        np.testing.assert_array_equal(one["image"], other["image"])
