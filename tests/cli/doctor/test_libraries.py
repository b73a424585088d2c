"""Python and libraries against what the package declares."""

from __future__ import annotations

import sys
from importlib import metadata

import pytest

import thunderlike
from thunderlike.cli.doctor import installation


def test_the_package_is_found_where_it_is():
    finding = installation.package()
    assert finding.level == "ok"
    assert finding.found.startswith(thunderlike.__version__)


def test_a_package_that_was_never_installed(monkeypatch):
    def missing(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", missing)
    monkeypatch.setattr(metadata, "requires", missing)
    finding = installation.package()
    assert finding.level == "FAIL"
    assert "install -e " in finding.fix
    assert installation.requirements() == {}


def test_this_python_is_one_of_ours():
    finding = installation.python()
    assert finding.level == "ok"
    assert finding.details["executable"] == sys.executable


@pytest.mark.parametrize("version", ["3.10.14", "2.7.18"])
def test_another_python_is_reported_with_the_supported_ones(version, monkeypatch):
    monkeypatch.setattr(installation.platform, "python_version", lambda: version)
    finding = installation.python()
    assert finding.level == "FAIL"
    assert version in finding.found
    assert finding.fix == "python3.13 -m venv .venv"


def test_every_extra_is_looked_at():
    declared = installation.requirements()
    assert {"numpy", "tifffile", "pyspark", "matplotlib", "imagecodecs"} <= set(declared)
    assert "thunderlike" not in declared


@pytest.mark.parametrize(
    ("declared", "level"),
    [
        ("numpy>=1", "ok"),
        ("numpy<1", "FAIL"),
        ('numpy<1; extra == "spark"', "warn"),
        ("no-such-library", "FAIL"),
        ('no-such-library>=2; extra == "spark"', "warn"),
    ],
)
def test_what_is_needed_fails_and_what_is_optional_warns(declared, level):
    assert installation.library(declared).level == level


def test_the_remedy_installs_what_was_declared_into_this_python(monkeypatch):
    fix = installation.library("no-such-library>=2,<3").fix
    assert fix == f"{sys.executable} -m pip install 'no-such-library<3,>=2'"
    monkeypatch.setattr(installation.util, "find_spec", lambda name: None)
    fix = installation.library("no-such-library").fix
    assert fix == f"uv pip install --python {sys.executable} 'no-such-library'"
