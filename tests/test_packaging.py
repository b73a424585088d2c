"""The recipe for conda and the metadata say what pyproject.toml says; every extra is there."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from thunderlike import __version__

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
RECIPE = (ROOT / "conda" / "recipe.yaml").read_text("utf-8")
THERE = {"msgpack": "msgpack-python", "tables": "pytables", "xxhash": "python-xxhash"}


def requirements(section):
    """The lines of a list of the recipe, without comments: name and versions."""
    block = RECIPE.split(f"\n  {section}:")[1].split("\n  run_")[0].split("\n\n")[0]
    return dict(re.findall(r"^    - ([\w-]+) (\S+)", block, re.MULTILINE))


def test_the_recipe_needs_what_the_package_needs():
    wanted = dict(re.findall(r"^([\w-]+)(.*)$", "\n".join(PROJECT["dependencies"]), re.MULTILINE))
    found = requirements("run")
    assert found.pop("python") == PROJECT["requires-python"]
    assert found == {THERE.get(name, name): versions for name, versions in wanted.items()}


def test_the_recipe_and_the_citation_are_of_this_version():
    assert f'version: "{__version__}"' in RECIPE
    citation = (ROOT / "CITATION.cff").read_text("utf-8")
    assert f"version: {__version__}\n" in citation
    assert PROJECT["license"] in citation


def test_the_changelog_has_this_version_on_the_day_of_the_citation():
    text = (ROOT / "CHANGELOG.md").read_text("utf-8")
    heads = re.findall(r"^## \[(.+?)\](?: - (\d{4}-\d\d-\d\d))?$", text, re.MULTILINE)
    assert len(heads) == len(re.findall("^## ", text, re.MULTILINE))
    (_, day), *_ = [head for head in heads if head[0] != "Unreleased"]
    assert heads[0][0] in ("Unreleased", __version__)
    assert (__version__, day) in heads
    assert f'date-released: "{day}"\n' in (ROOT / "CITATION.cff").read_text("utf-8")


@pytest.mark.parametrize(
    "extra", ["spark", "mpi", "fast", "viz", "torch", "zarr", "nwb", "cloud", "s3", "all"]
)
def test_there_is_an_extra(extra):
    assert PROJECT["optional-dependencies"][extra]
