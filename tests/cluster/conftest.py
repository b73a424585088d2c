"""A standalone Spark cluster of separate processes, and drivers that run functions on it."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import queue
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

import numpy as np
import pyspark
import pytest
import tifffile

HOME = Path(pyspark.__file__).parent
PR_SET_PDEATHSIG = 1
PATIENCE = 180  # seconds for what takes ten on an idle machine


LOGGED = {
    "spark__eventLog__enabled": "true",
    "spark__eventLog__rolling__enabled": "false",
    "spark__eventLog__compress": "false",
}


def waited(condition, what, patience=PATIENCE):
    """Wait for something that another process does."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.1)
    return pytest.fail(f"waited in vain for {what}")


def ends_with_us():
    """Be killed when the tests are, who then could not do it."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def answers(port):
    """Whether anybody listens there."""
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


def status(pid):
    """Parent and session of a process; nothing if it has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else (int(fields[1]), int(fields[3]))


def in_sessions(sessions):
    """The processes of these sessions, and what they are."""
    found = {}
    for place in Path("/proc").glob("[0-9]*"):
        state = status(place.name)
        if state and state[1] in sessions:
            with contextlib.suppress(OSError):
                command = (place / "cmdline").read_bytes().replace(b"\0", b" ")
                found[int(place.name)] = command.decode()
    return found


class Cluster:
    """A master and its workers, each a process of its own on this machine.

    All that they and their drivers make is in one folder, which goes with them.
    """

    def __init__(self, folder):
        self.folder, self._ports = folder, [free_port(), free_port()]
        self.events, self._temporary = folder / "events", folder / "temporary"
        for place in (self.events, self._temporary):
            place.mkdir()
        self.master = f"spark://127.0.0.1:{self._ports[0]}"
        self.workers, self._driver, self._sessions = [], None, set()
        self._master = self._daemon(
            "master.Master", "127.0.0.1", "--port", str(self._ports[0]),
            "--webui-port", str(self._ports[1]),
        )  # fmt: skip

    def _environment(self, host):
        options = ("-XX:-UsePerfData", os.environ["SPARK_DAEMON_JAVA_OPTS"])  # of tests/conftest.py
        return {
            **{name: value for name, value in os.environ.items() if name != "SPARK_CONF_DIR"},
            "SPARK_HOME": str(HOME),
            "SPARK_LOCAL_IP": host,
            "PYSPARK_PYTHON": sys.executable,
            "SPARK_DAEMON_MEMORY": "256m",
            "SPARK_LOCAL_DIRS": str(self._temporary),
            "TMPDIR": str(self._temporary),
            "JAVA_TOOL_OPTIONS": " ".join((f"-Djava.io.tmpdir={self._temporary}", *options)),
        }

    def start(self, command, log, host="127.0.0.1", **streams):
        """Start a process in a session of its own, with all that it will start."""
        with (self.folder / log).open("ab") as file:
            process = subprocess.Popen(
                command, env=self._environment(host), stderr=file, start_new_session=True,
                preexec_fn=ends_with_us,  # noqa: PLW1509
                **{"stdout": file, **streams},
            )  # fmt: skip
        self._sessions.add(process.pid)
        return process

    def _daemon(self, name, host, *arguments):
        program = [HOME / "bin/spark-class", f"org.apache.spark.deploy.{name}", "--host", host]
        return self.start([*program, *arguments], f"{name}.log", host)

    def hire(self):
        """Start one more worker, at an address of its own, and wait until the master knows it."""
        known = self.alive()
        place = tempfile.mkdtemp(prefix="worker-", dir=self.folder)
        resources = ["--cores", "1", "--memory", "1g", "--webui-port", "0", "--work-dir", place]
        host = f"127.0.0.{2 + len(self._sessions)}"  # copies of a task never run on one host
        self.workers.append(self._daemon("worker.Worker", host, *resources, self.master))
        waited(lambda: self.alive() > known, "a worker")

    def alive(self):
        """How many workers the master knows; -1 while it does not answer."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._ports[1]}/json/") as answer:
                return json.load(answer)["aliveworkers"]
        except OSError:
            return -1

    def executors(self):
        """The pids of the Java machines that run tasks."""
        found = in_sessions({worker.pid for worker in self.workers})
        return [pid for pid, command in found.items() if "CoarseGrainedExecutorBackend" in command]

    def dismiss_worker_of(self, executor):
        """Kill the worker that started an executor, and all its executors."""
        worker = next(one for one in self.workers if one.pid == status(executor)[1])
        self._kill(worker)
        self.workers.remove(worker)

    def driver(self, **conf):
        """The driver with these settings; only one at a time, for it takes all cores."""
        wanted = {**LOGGED, "spark__eventLog__dir": self.events.as_uri(), **conf}
        standing = self._driver
        if standing is None or standing.ended() or standing.conf != wanted:
            self.free()
            self._driver = Driver(self, wanted)
        return self._driver

    def free(self):
        """Let the driver go that has all cores."""
        if self._driver is not None:
            self._driver.stop()
            self._driver = None

    def logs(self):
        """Everything that was written down by anybody."""
        named = [*self.folder.glob("*.log"), *self.folder.glob("worker-*/*/*/std*")]
        return {path: path.read_text(errors="replace") for path in named}

    @staticmethod
    def _kill(process):
        for pid in in_sessions({process.pid}):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()

    def stop(self):
        """End all processes; fail if one is left, or a port is in use, or a file is there."""
        self.free()
        for process in [*self.workers, self._master]:
            self._kill(process)
        waited(lambda: not in_sessions(self._sessions), "all processes to end", 10)
        shutil.rmtree(self.folder)
        assert not self.folder.exists()
        assert not any(map(answers, self._ports))


class Driver:
    """A process with a Spark context, which runs the functions of ``driver.py`` by name."""

    def __init__(self, cluster, conf):
        self.conf = conf
        self.process = cluster.start(
            [sys.executable, Path(__file__).parent / "driver.py", cluster.master, json.dumps(conf)],
            "driver.log",
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._log = cluster.folder / "driver.log"
        self._answers, self._asked = queue.Queue(), 0
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self):
        for line in self.process.stdout:
            self._answers.put(json.loads(line))
        self._answers.put([None, {"error": ["EOFError", self._log.read_text()[-4000:]]}])

    def start(self, name, **arguments):
        """Have it begin."""
        self._asked += 1
        line = json.dumps([self._asked, name, arguments], default=str).encode() + b"\n"
        self.process.stdin.write(line)
        self.process.stdin.flush()

    def wait(self, patience=PATIENCE):
        """What became of what was begun: ``{"value": ...}`` or ``{"error": [class, message]}``."""
        number = 0
        while number not in (self._asked, None):  # what nobody waited for is of no interest
            try:
                number, answer = self._answers.get(timeout=patience)
            except queue.Empty:
                pytest.fail(f"the driver is silent: {self._log.read_text()[-4000:]}")
        return answer

    def ask(self, name, *, patience=PATIENCE, **arguments):
        """Have something done, and give its value."""
        self.start(name, **arguments)
        found = self.wait(patience)
        assert "value" in found, f"{name}: {found}"
        return found["value"]

    def fail(self, name, *, patience=PATIENCE, **arguments):
        """Have something done that fails: the class of the error, and what it says."""
        self.start(name, **arguments)
        found = self.wait(patience)
        assert "error" in found, f"{name}: {found}"
        return found["error"]

    def kill(self):
        """End the driver's Python as the system does when memory runs out; Java sees it go."""
        self.process.kill()
        self.process.wait()
        waited(lambda: not in_sessions({self.process.pid}), "the driver's Java to end", 30)

    def ended(self):
        """Whether its process is no more."""
        return self.process.poll() is not None

    def stop(self):
        """Let it end by itself, if it can."""
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(20)
        Cluster._kill(self.process)
        self.process.stdout.close()


class Fault:
    """A row of the table of faults; see `pytest_terminal_summary`."""

    def __init__(self, node, name, where):
        self._node, self._name, self._where = node, name, where

    def strikes(self):
        """It happens now, if it does not from the beginning."""
        self._began = time.monotonic()

    def __enter__(self):
        self.strikes()
        return self

    def __exit__(self, kind, *_):
        seconds = round(time.monotonic() - self._began, 1)
        row = [self._name, self._where, seconds, "yes" if kind is None else "NO"]
        self._node.user_properties.append(("fault", row))


@pytest.fixture
def fault(request):
    """Begin a row: ``with fault("executor killed", "shuffle"):``, and results compared inside."""
    return lambda name, where: Fault(request.node, name, where)


@pytest.fixture(scope="session")
def until():
    """Wait for something that another process does."""
    return waited


@pytest.fixture(scope="session")
def cluster():
    """A master and two workers with one core each."""
    made = Cluster(Path(tempfile.mkdtemp(prefix="cluster-")))
    try:
        waited(lambda: made.alive() == 0, "the master")
        made.hire()
        made.hire()
        yield made
    finally:
        made.stop()


@pytest.fixture
def driver(cluster):
    """A driver with nothing special, which is there already if the last test had one."""
    return cluster.driver()


@pytest.fixture(scope="session")
def recording(tmp_path_factory):
    """A movie of 60 TIFF files, some of its images dark."""
    return recorded(tmp_path_factory.mktemp("recording"), np.random.default_rng(0))


@pytest.fixture(scope="session")
def record():
    """What makes such a movie."""
    return recorded


def recorded(folder, rng):
    count, height, width = 60, *rng.integers(30, 60, 2)
    movie = rng.integers(0, 4000, (count, height, width)).astype("uint16")
    movie[::7] = 0
    for number, image in enumerate(movie):
        tifffile.imwrite(folder / f"image-{number:05d}.tif", image)
    return folder
