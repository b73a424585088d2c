"""Run the Spark example of README.md, and check its names, commands and links."""

from __future__ import annotations

import doctest
import importlib
import re
import runpy
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import thunderlike as tl
from thunderlike.cli import COMMANDS

ROOT = Path(__file__).parent.parent.parent
TEXT = (ROOT / "README.md").read_text("utf-8")
COSTS = (ROOT / "docs" / "costs.md").read_text("utf-8")


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


def commands():
    """Return the commands of the page."""
    lines = [line for block in blocks("sh") for line in block.splitlines()]
    return [shlex.split(line, comments=True) for line in lines]


@pytest.mark.spark
def test_the_same_lines_on_spark(spark_context):
    (local,) = (block for block in blocks("python") if block.startswith(">>>"))
    (spark,) = (block for block in blocks("python") if 'engine="spark"' in block)
    namespace = {}
    for example in doctest.DocTestParser().get_examples(local):
        exec(example.source, namespace)
    assert namespace["movie"].engine.name == "local"
    exec(spark, namespace)
    assert namespace["movie"].engine.context is spark_context


def test_the_spark_lines_are_the_local_ones():
    local, spark, *_ = blocks("python")
    assert "pixels = movie.gaussian_filter" in local
    assert 'engine="spark"' in spark
    shared = [line for line in spark.splitlines() if line.startswith("pixels = ")]
    assert all(f">>> {line}\n" in local for line in shared)


@pytest.mark.parametrize("words", commands(), ids=shlex.join)
def test_commands_can_be_parsed(words):
    if words[0] == "./dev":
        helped = subprocess.run(
            [sys.executable, ROOT / "dev", "--help"], capture_output=True, text=True, check=True
        ).stdout
        assert f"./dev {words[1]} " in helped
    elif words[0] == "pip":
        extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
        (asked,) = re.findall(r"^thunderlike\[(.*)\]$", words[2])
        assert set(asked.split(",")) <= set(extras["optional-dependencies"])
    elif words[0] == "thunderlike":
        assert words[1] in COMMANDS
    else:
        assert words[0] == ".venv/bin/python"
        assert (ROOT / words[1]).is_file()
        script = runpy.run_path(str(ROOT / words[1]))
        known = script["parser"]().format_help()
        assert all(f"{word} " in known for word in words if word.startswith("--"))


def test_named_commands_exist():
    named = set(re.findall(r"thunderlike (\w+)`", TEXT))
    assert "submit" in named
    assert named <= set(COMMANDS)


@pytest.mark.parametrize("target", re.findall(r"\]\(([^)]+)\)", TEXT))
def test_links_resolve(target):
    assert (ROOT / target).exists()


def exists(name):
    module, _, attribute = name.removeprefix("tl.").rpartition(".")
    if name.startswith("tl."):
        return hasattr(tl if not module else getattr(tl, module), attribute)
    homes = (tl.Images, tl.Series, tl.images, tl.series)
    places = (importlib.import_module(module),) if module else homes
    return any(hasattr(place, attribute) for place in places)


def test_every_method_of_the_costs_exists():
    rows = [line.split("|")[1] for line in COSTS.splitlines() if line.startswith("| `")]
    named = {name for row in rows for name in re.findall(r"`([a-z_.]+)(?:\(.*?\))?`", row)}
    assert {"toseries", "tordd", "zscore", "numpy.asarray"} <= named
    assert [name for name in named if not exists(name)] == []


def test_every_function_of_the_tasks_exists():
    rows = [line.split("|")[2] for line in TEXT.splitlines() if line.startswith("| ")]
    named = {name for row in rows for name in re.findall(r"`([a-z_.]+[a-z0-9])`", row)}
    assert {"fromtif", "zscore", "tl.hdf5", "todask"} <= named
    assert [name for name in named if not exists(name)] == []
