"""Which engines the tests run on, the Spark context they share, and a server of buckets.

A test that asks for `engine` runs once on each; ``--engine local`` is the quick loop. A test that
asks for `bucket` has one of its own, on a server in another process.
"""

from __future__ import annotations

import collections
import gc
import itertools
import os
import shutil
import signal
import sys
import tempfile
import threading
import uuid
from importlib import metadata
from multiprocessing.util import Finalize
from pathlib import Path

import posix_mask
import pytest
from bucket_server import AWS, serving_buckets
from hypothesis import settings
from pytest_spark.config import SparkConfigBuilder

from thunderlike._system import ncores
from thunderlike.config import config
from thunderlike.engines import engine_for
from thunderlike.engines.disk import DiskEngine
from thunderlike.engines.local import LocalEngine, SourceRange
from thunderlike.engines.partitioning import Layout
from thunderlike.engines.session import LEAST_JAVA, find_java, java_version
from thunderlike.parallel.threads import _PREFIX
from thunderlike.testing import ChunkedEngine

pytest.register_assert_rewrite("thunderlike.testing.stores")

# The same examples in every run, enough to find one-line mutations of the code;
# with --slow new ones, and many. No deadlines: the machine may be busy.
settings.register_profile("quick", max_examples=25, derandomize=True, deadline=None)
settings.register_profile("slow", max_examples=150, deadline=None)

ENGINES = ("local", "waiting", "disk", "chunked", "spark")
# Rooms whose tests run on these engines in a run on all of them, and those with --slow. Others run
# on the local engine and on Spark.
ROOMS = {
    "disk": {
        "batches",
        "calcium",
        "contract",
        "data",
        "datasets",
        "extraction",
        "factorization",
        "properties",
        "registration",
        "regression",
        "traces",
    },
    "chunked": {"contract"},
    "waiting": {"contract"},
}
SLOW_ROOMS = {
    "disk": ROOMS["disk"] | {"images", "jobs", "series"},
    "chunked": {"contract", "data"},
    "waiting": {"contract", "data", "properties"},
}
NO_JAVA = f"no Java {LEAST_JAVA} or newer in JAVA_HOME or on the path: ALL SPARK TESTS ARE LEFT OUT"


def pytest_addoption(parser):
    parser.addoption("--engine", choices=("all", *ENGINES), default="all", help="run on this one")
    parser.addoption("--cluster", action="store_true", help="also run the long tests of faults")
    parser.addoption("--posix", action="store_true", help="hide what Linux alone has")
    parser.addoption("--slow", action="store_true", help="run everything, as before a release")
    parser.addoption(
        "--programs", type=float, default=1, help="so many times the random programs of properties"
    )


def pytest_configure(config):
    if config.getoption("--posix"):
        posix_mask.mask()
    if not hasattr(config, "workerinput"):
        # A short name: the path of a socket has 107 bytes at most.
        os.environ["TMPDIR"] = tempfile.tempdir = tempfile.mkdtemp(prefix="tl-")
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # A job in the background of a shell ignores Ctrl-C, and so would processes of the tests.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ.update(AWS)
    os.environ["THUNDERLIKE_PROGRESS"] = "0"  # tests compare what is printed, however slow it is
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    for name in ("SPARK_SUBMIT_OPTS", "SPARK_LAUNCHER_OPTS", "SPARK_DAEMON_JAVA_OPTS"):
        # No Java here lives long enough to repay its thorough compiler and parallel collector.
        os.environ.setdefault(name, "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC")
    conf = Path(__file__).parent.parent / "thunderlike" / "conf"
    os.environ.setdefault("SPARK_CONF_DIR", str(conf))
    settings.load_profile("slow" if config.getoption("--slow") else "quick")
    if metadata.version("pyspark").startswith("3."):
        # Of the results of jobs: Spark 3.5 leaves their sockets to the garbage collector.
        config.addinivalue_line("filterwarnings", "ignore:unclosed <socket:ResourceWarning")
    java = find_java()
    config.has_java = java is not None and java_version(java) >= LEAST_JAVA


def pytest_sessionstart():  # when pytest-spark has read setup.cfg
    """Have the shared context fork its Python workers from tests/support/spark_daemon.py."""
    conf = SparkConfigBuilder.get()
    conf.set("spark.executorEnv.PYTHONPATH", str(Path(__file__).parent / "support"))
    conf.set("spark.python.daemon.module", "spark_daemon")


def pytest_sessionfinish(session, exitstatus):
    session.config.failed = bool(exitstatus)


def pytest_unconfigure(config):
    """Leave nothing behind; where something failed, all that there is to look at."""
    if hasattr(config, "workerinput"):
        return
    if getattr(config, "failed", False):
        print(f"kept: {tempfile.tempdir}")
    else:  # after multiprocessing has removed its own folder in there, at priority -100
        away = {"path": tempfile.tempdir, "ignore_errors": True}
        Finalize(None, shutil.rmtree, kwargs=away, exitpriority=-200)


def _engines(config):
    wanted = config.getoption("--engine")
    chosen = ENGINES if wanted == "all" else (wanted,)
    return [name for name in chosen if name != "spark" or config.has_java]


def pytest_generate_tests(metafunc):
    if "engine" not in metafunc.fixturenames:
        return
    names, room = _engines(metafunc.config), metafunc.definition.path.parent.name
    if metafunc.config.getoption("--engine") == "all":
        rooms = SLOW_ROOMS if metafunc.config.getoption("--slow") else ROOMS
        names = [name for name in names if room in rooms.get(name, {room})]
    metafunc.parametrize("engine", names, indirect=True)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config, items):
    """Group the tests that share a context, a cluster or the machine; drop what does not run."""
    for item in items:
        if group := _group(item):
            item.add_marker(pytest.mark.xdist_group(group))
        if group in ("spark", "cluster"):
            item.add_marker(pytest.mark.spark)  # `-m spark` runs all tests that need it
    for item in _other_dtypes(items):
        item.add_marker(pytest.mark.slow)
    items.sort(key=_cluster_last)
    for marker in ("cluster", "slow"):
        if not config.getoption(f"--{marker}"):
            _leave_out(config, items, marker)
    if "spark" not in _engines(config):
        _leave_out(config, items, "spark")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers():
    """Use a worker more than there are cores: many tests wait for Java, processes or servers."""
    return ncores() + 1


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    if config.getoption("dist") == "loadgroup":
        from scheduling import FileScheduling

        return FileScheduling(config, log)
    return None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_finish(session):
    """Append the group of a test to its id, from which pytest-xdist takes it.

    pytest-xdist 3.8 sets `_nodeid` for that, which pytest ignores from version 9.2 on: each worker
    would start a context and a cluster of its own.
    """
    gc.freeze()  # collections in tests and in forks skip the items, some million objects
    if session.config.getoption("loadgroup", False):
        for item in session.items:
            group = item.get_closest_marker("xdist_group")
            if group and not item.nodeid.endswith(f"@{group.args[0]}"):
                item._id = item._id.parse(f"{item.nodeid}@{group.args[0]}")


def _group(item):
    """Return the name of the tests that run one after another in one process, if there is one."""
    if item.get_closest_marker("mpi"):
        return "mpi"  # the memory that one job leaves on the machine is checked after it
    if "cluster" in item.fixturenames:
        return "cluster"
    shared = {"spark_context", "spark_session"}.intersection(item.fixturenames)
    return "spark" if shared or _engine_of(item) == "spark" else None


def _cluster_last(item):
    """Order jobs submitted to the cluster, which need all its cores, before those of one driver."""
    return ("cluster" in item.fixturenames, "submit" not in item.fixturenames)


def _leave_out(config, items, marker):
    left_out = [item for item in items if item.get_closest_marker(marker)]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if not item.get_closest_marker(marker)]


def _other_dtypes(items):
    """Tests on Spark that differ from another one in `dtype` alone, except tests of dtypes."""
    alike = collections.defaultdict(list)
    for item in filter(_on_spark, items):
        parameters = getattr(item, "callspec", None)
        if parameters and "dtype" in parameters.params and "dtype" not in item.originalname:
            others = {k: v for k, v in parameters.params.items() if k != "dtype"}
            alike[item.parent.nodeid, item.originalname, repr(others)].append(item)
    for group in alike.values():
        yield from sorted(group, key=lambda item: str(item.callspec.params["dtype"]))[:-1]


def _on_spark(item):
    return _engine_of(item) == "spark" or item.get_closest_marker("spark") is not None


def _engine_of(item):
    parameters = getattr(item, "callspec", None)
    return parameters.params.get("engine") if parameters else None


def pytest_terminal_summary(terminalreporter, config):
    if not config.has_java and config.getoption("--engine") != "local":
        terminalreporter.write_line(NO_JAVA, red=True, bold=True)
    _tell_faults(terminalreporter)


def _tell_faults(terminal):
    """A table of what tests/cluster did to a cluster."""
    reports = [one for kind in ("passed", "failed") for one in terminal.getreports(kind)]
    called = [report for report in reports if report.when == "call"]
    rows = [row for report in called for name, row in report.user_properties if name == "fault"]
    if not rows:
        return
    terminal.section("faults")
    head = ("fault", "where", "recovered in", "result equal")
    widths = [max(len(str(row[column])) for row in (head, *rows)) for column in (0, 1)]
    for fault, where, seconds, equal in (head, *rows):
        time = seconds if isinstance(seconds, str) else f"{seconds:.1f} s"
        terminal.write_line(f"{fault:{widths[0]}}  {where:{widths[1]}}  {time:>12}  {equal}")


def uneven(spec, slots, npartitions, chunk_bytes):
    """Plan at least four partitions, one empty, with chunks of different sizes: order bugs show."""
    n, wanted = spec.count, npartitions or 4
    edges = [0, 0, *(n * p // (wanted - 1) for p in range(1, wanted))] if wanted > 1 else [0, n]
    rows = max(1, n // 7)
    return Layout(
        tuple(
            tuple((i, min(i + rows, b)) for i in range(a, b, rows))
            for a, b in itertools.pairwise(edges)
        )
    )


class Scattering(DiskEngine):
    """The disk engine with many small chunks, pieces of which all go through scratch files."""

    def load(self, source, npartitions=None):
        return super().load(SourceRange(source, 0, source.spec.count), npartitions)


@pytest.fixture
def fill_memory(monkeypatch):
    """Return a function after which no records fit in memory: all go through scratch files."""

    def fill():
        for module in ("regroup", "scratch"):
            monkeypatch.setattr(f"thunderlike.engines.{module}.reserve", lambda *_: None)

    return fill


@pytest.fixture
def scattering(fill_memory):
    fill_memory()
    with config(chunk_bytes=512, piece_bytes=16):
        yield Scattering()


class Waiting(LocalEngine):
    """The local engine with arrays of its own, where results of any size are planned."""

    def load(self, source, npartitions=None):
        if source.array is not None:
            source = SourceRange(source, 0, source.spec.count)
        return super().load(source, npartitions)


@pytest.fixture
def waiting(monkeypatch):
    # By its entry: the package has a function of the same name.
    monkeypatch.setattr(sys.modules["thunderlike.engines.local"], "_LARGE", 0)
    with config(chunk_bytes=512, tile_bytes=256):
        yield Waiting()


@pytest.fixture
def engine(request):
    if request.param == "local":
        return engine_for("local")
    if request.param == "disk":
        return request.getfixturevalue("scattering")
    if request.param == "waiting":
        return request.getfixturevalue("waiting")
    if request.param == "chunked":
        return ChunkedEngine()
    from thunderlike.engines.spark import SparkEngine

    return SparkEngine(request.getfixturevalue("spark_context"), planner=uneven)


@pytest.fixture
def no_thread_left():
    """Fail where a thread that the test began goes on after it; those of pools are kept."""
    before = set(threading.enumerate())
    yield
    for thread in set(threading.enumerate()) - before:
        if not thread.name.startswith(_PREFIX):
            thread.join(30)
            assert not thread.is_alive(), f"{thread} is left"


@pytest.fixture(scope="session")
def s3_servers():
    """The addresses of a server of buckets, in a process of its own: right answers, odd ones."""
    with serving_buckets() as addresses:
        yield addresses


@pytest.fixture(scope="session")
def plain_s3_server(s3_servers):
    """The address at which all answers are as they should be."""
    return s3_servers[0]


@pytest.fixture(scope="session")
def s3_server(s3_servers):
    """The address at which one answer is odd in this way and the next in another, and all right."""
    return s3_servers[1]


@pytest.fixture(scope="session")
def s3_client(plain_s3_server):
    """A client of that server with nothing of ours in it."""
    import boto3

    return boto3.client("s3", endpoint_url=plain_s3_server)


@pytest.fixture
def bucket(s3_server, s3_client, monkeypatch):
    """The address of a new bucket; ``s3://`` leads to its server, on every worker too."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", s3_server)
    name = f"bucket-{uuid.uuid4().hex[:12]}"
    s3_client.create_bucket(Bucket=name)
    return f"s3://{name}"
