"""A standalone Spark cluster of separate processes, and a driver whose executors may be killed."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import numpy as np
import pyspark
import pytest
import tifffile

HOME = Path(pyspark.__file__).parent
PATIENCE = 90  # seconds for what takes ten on an idle machine


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


class Cluster:
    """A master and its workers, each a process of its own on this machine."""

    def __init__(self, folder):
        self._folder, self._web, port = folder, free_port(), free_port()
        self.master, self.workers = f"spark://127.0.0.1:{port}", []
        self._env = {
            **{name: value for name, value in os.environ.items() if name != "SPARK_CONF_DIR"},
            "SPARK_HOME": str(HOME),
            "SPARK_LOCAL_IP": "127.0.0.1",
            "PYSPARK_PYTHON": sys.executable,
            "SPARK_DAEMON_MEMORY": "256m",
        }
        self._master = self._start(
            "master.Master", "--port", str(port), "--webui-port", str(self._web)
        )

    def _start(self, name, *arguments):
        command = [HOME / "bin/spark-class", f"org.apache.spark.deploy.{name}", *arguments]
        with (self._folder / f"{name}.log").open("ab") as log:
            return subprocess.Popen(
                [*command[:2], "--host", "127.0.0.1", *command[2:]],
                env=self._env,
                stdout=log,
                stderr=log,
                start_new_session=True,  # with its executors, to be ended as one
            )

    def hire(self):
        """Start one more worker and wait until the master knows it."""
        known = self.alive()
        place = Path(tempfile.mkdtemp(prefix="worker-", dir=self._folder))
        resources = ["--cores", "1", "--memory", "1g", "--webui-port", "0"]
        self.workers.append(
            self._start("worker.Worker", *resources, "--work-dir", str(place), self.master)
        )
        self.until(lambda: self.alive() > known, "a worker")

    def alive(self):
        """How many workers the master knows; -1 while it does not answer."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._web}/json/") as answer:
                return json.load(answer)["aliveworkers"]
        except OSError:
            return -1

    def dismiss_worker_of(self, executor):
        """Kill the worker that started an executor, and all its executors."""
        group = os.getpgid(executor)
        worker = next(one for one in self.workers if one.pid == group)
        os.killpg(group, signal.SIGKILL)
        worker.wait()
        self.workers.remove(worker)

    @staticmethod
    def until(condition, what):
        """Wait for something that another process does."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if found := condition():
                return found
            time.sleep(0.1)
        pytest.fail(f"waited in vain for {what}")

    @contextlib.contextmanager
    def driving(self, recording, out, *stages):
        """Run the driver over some stages; inside, somebody may be killed."""
        command = [sys.executable, Path(__file__).parent / "driver.py", self.master, recording, out]
        log = out / "driver.log"
        with log.open("wb") as file:
            process = subprocess.Popen([*command, *stages], env=self._env, stdout=file, stderr=file)
        try:
            yield
            code = process.wait(PATIENCE)
            assert code == 0, log.read_text()
        finally:
            process.kill()
            process.wait()

    def paused(self, out, stage):
        """Wait until a stage is in somebody's hands; the pid of that executor."""
        marker = out / f"{stage}.pid"
        self.until(lambda: marker.exists() and marker.read_text().endswith("\n"), stage)
        return int(marker.read_text())

    def stop(self):
        for process in [*self.workers, self._master]:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@pytest.fixture(scope="session")
def cluster(tmp_path_factory):
    """A master and two workers with one core each."""
    made = Cluster(tmp_path_factory.mktemp("cluster"))
    try:
        made.until(lambda: made.alive() == 0, "the master")
        made.hire()
        made.hire()
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="session")
def recording(tmp_path_factory):
    """A movie of 60 TIFF files, some of its images dark."""
    folder = tmp_path_factory.mktemp("recording")
    movie = np.random.default_rng(0).integers(0, 4000, (60, 48, 40)).astype("uint16")
    movie[::7] = 0
    for number, image in enumerate(movie):
        tifffile.imwrite(folder / f"image-{number:05d}.tif", image)
    return folder
