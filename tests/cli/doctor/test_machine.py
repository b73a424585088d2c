"""Memory and room for temporary files."""

from __future__ import annotations

import tempfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from thunderlike.cli.doctor import machine
from thunderlike.cli.doctor.machine import GIB


@pytest.fixture
def fresh(monkeypatch):
    """Make tempfile choose its folder again."""
    monkeypatch.setattr(tempfile, "tempdir", None)


def test_memory_there_is():
    assert 0 < machine.memory().details["free"] < 2**50


@pytest.mark.parametrize(
    ("driver_memory", "level"), [(None, "ok"), ("8g", "ok"), ("8193m", "warn"), ("1t", "warn")]
)
def test_a_driver_must_fit_into_what_is_free(driver_memory, level, monkeypatch):
    monkeypatch.setattr(machine, "_free", lambda: 8 * GIB)
    finding = machine.memory(driver_memory)
    assert finding.level == level
    assert bool(finding.fix) == (level == "warn")


def test_little_memory(monkeypatch):
    monkeypatch.setattr(machine, "_free", lambda: GIB // 2)
    assert machine.memory().level == "warn"


@pytest.mark.usefixtures("fresh")
def test_temporary_files_can_be_written(monkeypatch, tmp_path):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    finding = machine.temp()
    assert finding.level == "ok"
    assert finding.details["folder"] == str(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("fresh")
def test_a_tmpdir_that_is_not_there(monkeypatch, tmp_path):
    monkeypatch.setenv("TMPDIR", str(tmp_path / "none"))
    finding = machine.temp()
    assert finding.level == "warn"
    assert finding.fix == f"mkdir -p {tmp_path / 'none'}"


def test_a_tmpdir_that_python_passes_over(monkeypatch, tmp_path):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "gettempdir", lambda: "/var/tmp")
    finding = machine.temp()
    assert finding.level == "warn"
    assert finding.fix == "export TMPDIR=/var/tmp"


def test_no_folder_can_be_written(monkeypatch):
    def nowhere():
        raise FileNotFoundError(2, "No usable temporary directory found in ['/tmp']")

    monkeypatch.setattr(tempfile, "gettempdir", nowhere)
    finding = machine.temp()
    assert finding.level == "FAIL"
    assert finding.fix


def test_a_full_disk(monkeypatch, tmp_path):
    def full(folder):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(machine, "_written", full)
    monkeypatch.delenv("TMPDIR", raising=False)
    finding = machine.temp()
    assert finding.level == "FAIL"
    assert "No space left" in finding.found
    assert Path(finding.fix.removeprefix("export TMPDIR=")).is_dir()


def test_a_disk_that_is_nearly_full(monkeypatch):
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda _: SimpleNamespace(free=GIB // 2))
    monkeypatch.delenv("TMPDIR", raising=False)
    assert machine.temp().level == "warn"


def test_spark_writes_to_the_configured_folder(monkeypatch, tmp_path):
    monkeypatch.delenv("SPARK_LOCAL_DIRS", raising=False)
    assert machine.spark_temp().details["folder"] == "/tmp"
    assert machine.spark_temp(str(tmp_path / "a")).details["folder"] == str(tmp_path / "a")
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setenv("SPARK_LOCAL_DIRS", f"{tmp_path}/b,{tmp_path}/c")
    assert machine.spark_temp(str(tmp_path / "a")).details["folder"] == f"{tmp_path}/b"


def test_each_of_sparks_folders_must_do(monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("SPARK_LOCAL_DIRS", f"{tmp_path},{tmp_path}/file/below")
    finding = machine.spark_temp()
    assert finding.level == "FAIL"
    assert "file/below" in finding.found
