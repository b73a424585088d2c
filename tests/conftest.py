"""Which engines the tests run on, and the Spark context they share.

A test that asks for `engine` runs once on each; ``--engine local`` is the quick loop.
"""

from __future__ import annotations

import itertools
import os
import sys
from pathlib import Path

import pytest

from thunderlike.engines import engine_for
from thunderlike.engines.layout import Layout
from thunderlike.engines.session import LEAST_JAVA, find_java, java_version

ENGINES = ("local", "spark")
NO_JAVA = f"no Java {LEAST_JAVA} or newer in JAVA_HOME or on the path: ALL SPARK TESTS ARE LEFT OUT"


def pytest_addoption(parser):
    parser.addoption("--engine", choices=("all", *ENGINES), default="all", help="run on this one")


def pytest_configure(config):
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    conf = Path(__file__).parent.parent / "thunderlike" / "conf"
    os.environ.setdefault("SPARK_CONF_DIR", str(conf))
    java = find_java()
    config.has_java = java is not None and java_version(java) >= LEAST_JAVA


def _engines(config):
    wanted = config.getoption("--engine")
    chosen = ENGINES if wanted == "all" else (wanted,)
    return [name for name in chosen if name == "local" or config.has_java]


def pytest_generate_tests(metafunc):
    if "engine" in metafunc.fixturenames:
        metafunc.parametrize("engine", _engines(metafunc.config), indirect=True)


def pytest_collection_modifyitems(config, items):
    """Tests marked `spark` are for Spark alone; without it they are left out, and counted."""
    if "spark" in _engines(config):
        return
    left_out = [item for item in items if item.get_closest_marker("spark")]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


def pytest_terminal_summary(terminalreporter, config):
    if not config.has_java and config.getoption("--engine") != "local":
        terminalreporter.write_line(NO_JAVA, red=True, bold=True)


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


@pytest.fixture
def engine(request):
    if request.param == "local":
        return engine_for("local")
    from thunderlike.engines.spark import SparkEngine

    return SparkEngine(request.getfixturevalue("spark_context"), planner=uneven)
