"""Jobs on Spark within an allocation of SLURM, whose commands are stand-ins, as are its nodes.

Master, workers, executors and driver are those of Spark, in processes of their own.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import slurm as stand_ins

import thunderlike as tl

pytestmark = [pytest.mark.spark, pytest.mark.xdist_group("cluster")]

PATIENCE = 500  # seconds for what takes 40 on an idle machine

# Saves a result and fails; one task on the second node leaves a marker and waits for a file.
JOB = """\
import os, sys, time
from pathlib import Path
import numpy as np
import thunderlike as tl

out, count = Path(sys.argv[1]), int(sys.argv[2])

def look(image):
    marker = out / "paused"
    if os.environ["SLURMD_NODENAME"] == "127.0.0.3" and not marker.exists():
        marker.touch()
        while not (out / "go").exists():
            time.sleep(0.1)
    return image * 2

def slow(image):
    time.sleep(0.2)  # one node cannot be done before the other one begins
    return look(image)

context = tl.spark.context()
print("slots", context.defaultParallelism)
images = np.arange(count * 12.0).reshape(count, 3, 4)
movie = tl.images.fromarray(images, engine=context, npartitions=8)
series = movie.map(slow, value_shape=(3, 4), dtype=float).toseries()
np.save(out / "series.npy", series.toarray())
sys.exit(5)
"""


@pytest.fixture
def submit(tmp_path, monkeypatch):
    """Return a function that submits the job to two nodes, and returns its waiting process."""
    for name, value in stand_ins.install(tmp_path / "slurm").items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("SPARK_CONF_DIR")  # of this process; nodes have none
    monkeypatch.setenv("SPARK_DAEMON_MEMORY", "256m")
    monkeypatch.setenv(
        "JAVA_TOOL_OPTIONS", f"-XX:-UsePerfData {os.environ['SPARK_DAEMON_JAVA_OPTS']}"
    )
    monkeypatch.delenv("SPARK_DAEMON_JAVA_OPTS")
    monkeypatch.setenv("SLURM_TMPDIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "job.py").write_text(JOB)

    def run(*options):
        words = [sys.executable, "-m", "thunderlike", "submit", "job.py", "--master", "slurm"]
        words += ["-N", "2", "--mem", "4G", "--wait", "--driver-memory", "600m"]
        small = ["--executor-memory", "600m", "--conf", "spark.driver.host=127.0.0.1"]
        return subprocess.Popen(
            [*words, *small, *options, "--", tmp_path, "24"], stdout=subprocess.DEVNULL
        )

    yield run
    stand_ins.clean()


def leader(node):
    lines = Path("slurm/state/1/nodes").read_text().splitlines()
    return int(dict(line.split() for line in lines)[node])


def check(ran, until, logs="job-1"):
    """Check that the job ended with its own exit code and result, and that nothing is left."""
    assert ran.wait(PATIENCE) == 5, Path("job-1.log").read_text()[-4000:]
    movie = tl.images.fromarray(np.arange(24 * 12.0).reshape(24, 3, 4)).map(lambda image: image * 2)
    np.testing.assert_array_equal(np.load("series.npy"), movie.toseries().toarray())
    log = Path("job-1.log").read_text()
    assert "with 2 of 2 nodes" in log
    assert "slots 2" in log
    for found in stand_ins.sessions(Path("slurm/state/1")):
        until(lambda found=found: not list(stand_ins.in_session(found)), "the end of all")
    assert {path.name for path in Path(logs).iterdir()} == {
        "master.log",
        *(f"{kind}-127.0.0.{n}" for kind in ("executors",) for n in (2, 3)),
        *(f"worker-127.0.0.{n}.log" for n in (2, 3)),
    }
    assert not Path("spark-1").exists()


def test_a_node_is_lost_while_a_job_runs(submit, until, fault, tmp_path):
    ran = submit()
    until(
        lambda: (tmp_path / "paused").exists() or ran.poll(), "a task on the second node", PATIENCE
    )
    with fault("node of SLURM lost", "map"):
        stand_ins.send(leader("127.0.0.3"), signal.SIGKILL)
        check(ran, until)


@pytest.mark.cluster
def test_a_node_falls_silent_while_a_job_runs(submit, until, fault, tmp_path):
    ran = submit(
        "--conf", "spark.network.timeout=20s", "--conf", "spark.network.timeoutInterval=5s"
    )
    until(
        lambda: (tmp_path / "paused").exists() or ran.poll(), "a task on the second node", PATIENCE
    )
    with fault("node of SLURM silent", "map"):
        stand_ins.send(leader("127.0.0.3"), signal.SIGSTOP)
        check(ran, until)


@pytest.mark.cluster
def test_a_job_is_preempted_and_requeued(submit, until, fault, tmp_path):
    ran = submit()
    until(
        lambda: (tmp_path / "paused").exists() or ran.poll(), "a task on the second node", PATIENCE
    )
    (tmp_path / "go").touch()
    (tmp_path / "paused").unlink()
    with fault("job of SLURM preempted", "map"):
        assert subprocess.call(["preempt", "1", "60"]) == 0
        check(ran, until, "job-1-restart-1")


@pytest.mark.cluster
def test_a_job_that_loses_no_node(submit, until, tmp_path):
    (tmp_path / "go").touch()
    check(submit(), until)
