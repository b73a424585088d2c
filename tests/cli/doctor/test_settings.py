"""Settings: who makes them, and what is wrong with them."""

from __future__ import annotations

import os

import pytest

from thunderlike.cli.doctor.installation import settings


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch, tmp_path):
    for name in [name for name in os.environ if name.startswith("THUNDERLIKE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))


def test_nothing_is_set():
    finding = settings()
    assert finding.level == "ok"
    assert finding.details["exists"] is False
    assert finding.details["environment"] == []


def test_file_and_environment_are_named_in_their_order(monkeypatch, tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text("workers = 2\n")
    monkeypatch.setenv("THUNDERLIKE_CONFIG", str(file))
    monkeypatch.setenv("THUNDERLIKE_WORKERS", "3")
    assert settings().found == f"{file} < THUNDERLIKE_CONFIG, THUNDERLIKE_WORKERS"


def test_a_value_that_makes_no_sense_is_the_one_to_unset(monkeypatch):
    monkeypatch.setenv("THUNDERLIKE_TILE_BYTES", "1")
    monkeypatch.setenv("THUNDERLIKE_WORKERS", "many")
    finding = settings()
    assert finding.level == "FAIL"
    assert finding.fix == "unset THUNDERLIKE_WORKERS"


def test_a_file_that_makes_no_sense_is_the_one_to_edit(monkeypatch, tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text("colour = 2\n")
    monkeypatch.setenv("THUNDERLIKE_CONFIG", str(file))
    finding = settings()
    assert finding.level == "FAIL"
    assert "colour" in finding.found
    assert finding.fix == f"edit {file}"


def test_a_file_that_is_named_and_not_there(monkeypatch):
    monkeypatch.setenv("THUNDERLIKE_CONFIG", "/no/such.toml")
    finding = settings()
    assert finding.level == "warn"
    assert finding.fix == "unset THUNDERLIKE_CONFIG"
