"""A program that starts Spark by itself, twice, and is killed: each test looks at one part of it.

One program for all of them, as starting Java and a context takes longer than everything else in it.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest

pytestmark = [pytest.mark.spark, pytest.mark.xdist_group("program")]

PROGRAM = """
import os, pathlib, signal, sys
import thunderlike as tl
from thunderlike.parallel import pmap

scratch, flag = sys.argv[1], pathlib.Path(sys.argv[2])

def dies_once(i):
    if i == 5 and not flag.exists():
        flag.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return i

def shuffled():
    with tl.config(scratch=scratch):
        series = tl.images.fromrandom((8, 4, 4), engine="spark").toseries()
    series.max().toarray()
    assert os.listdir(series._records.folders[0].path)
    return series

kept = shuffled()
print("by name", tl.spark.context().master)
tl.spark.context().stop()
print("stopped", os.listdir(scratch))
try:
    tl.spark.context("local[x]")
except tl.errors.EngineError as error:
    print("refused", error)
print("refused", file=sys.stderr, flush=True)
tl.spark.context("local[2,4]")
print("map", list(pmap(dies_once, range(12), backend="spark")), flag.exists())
kept = shuffled()
sys.stdout.flush()
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """Run the program with a long path of its temporary folder; what it printed and left."""
    folder = tmp_path_factory.mktemp("program")
    scratch, temporary = folder / "scratch", folder / ("long" * 20)
    scratch.mkdir()
    temporary.mkdir()
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM, scratch, folder / "flag"],
        env=os.environ | {"TMPDIR": str(temporary)},
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    lines = dict(re.findall(r"^(by name|[a-z]+) (.*)$", ran.stdout, re.MULTILINE))
    return SimpleNamespace(lines=lines, errors=ran.stderr, code=ran.returncode, scratch=scratch)


def test_spark_starts_with_a_long_path_of_its_temporary_folder(program):
    assert program.lines["by name"] == "local[*]", program.errors


def test_a_spark_that_cannot_be_started_is_an_error_in_one_line(program):
    said = program.lines["refused"]
    assert said.startswith("Spark on local[x] cannot be started: ")
    assert "Could not parse Master URL" in said
    assert "at org.apache.spark" not in program.errors.partition("refused")[0]  # Java's own pages


def test_a_worker_that_is_killed_is_replaced(program):
    """On a local master a task is tried again only when that is asked for."""
    assert program.lines["map"] == f"{list(range(12))} True"


def test_nothing_is_left_when_a_session_stops_or_is_killed(program):
    assert program.lines["stopped"] == "[]"
    assert program.code == -9, program.errors
    patience = time.monotonic() + 60  # Java notices the end of the process
    while list(program.scratch.iterdir()) and time.monotonic() < patience:
        time.sleep(0.1)
    assert not list(program.scratch.iterdir())
