"""Memory and room for temporary files."""

from __future__ import annotations

import itertools
import os
import tempfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from thunderlike.cli.doctor import machine
from thunderlike.cli.doctor.machine import GIB
from thunderlike.config import config


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


@pytest.fixture
def on_a_disk(monkeypatch):
    """Report every folder as one of a disk."""
    monkeypatch.setattr(machine, "_file_system", lambda folder: "ext4")


@pytest.mark.usefixtures("on_a_disk")
def test_the_scratch_folder_is_measured(tmp_path):
    with config(scratch=str(tmp_path), memory=3 * GIB):
        finding = machine.scratch()
    assert finding.level == "ok"
    assert finding.found.endswith("MB/s; engine='disk' uses up to 3.0 GiB of memory")
    assert finding.details["folder"] == str(tmp_path)
    assert finding.details["memory"] == 3 * GIB
    assert min(finding.details[name] for name in ("free", "bytes_per_second")) > 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("on_a_disk")
def test_a_slow_disk_is_written_for_a_second_at_most(tmp_path, monkeypatch):
    clock, sizes = itertools.count(), []
    monkeypatch.setattr(machine, "_PROBE_SECONDS", 3)
    monkeypatch.setattr(machine.time, "perf_counter", lambda: next(clock))
    monkeypatch.setattr(machine.os, "fsync", lambda file: sizes.append(os.fstat(file).st_size))
    assert machine._written(tmp_path) == 2 * machine._PIECE_BYTES / 4
    assert sizes == [machine._PIECE_BYTES, 2 * machine._PIECE_BYTES]


def test_a_scratch_folder_that_is_missing(tmp_path):
    with config(scratch=str(tmp_path / "none")):
        finding = machine.scratch()
    assert (finding.level, finding.fix) == ("warn", f"mkdir -p {tmp_path / 'none'}")


@pytest.mark.usefixtures("on_a_disk")
def test_a_scratch_folder_that_is_full(tmp_path, monkeypatch):
    with config(scratch=str(tmp_path)):
        monkeypatch.setattr(machine.shutil, "disk_usage", lambda _: SimpleNamespace(free=GIB // 2))
        nearly = machine.scratch()

        def full(folder):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(machine, "_written", full)
        finding = machine.scratch()
    assert nearly.level == finding.level == "warn"
    assert "0.5 GiB are free" in nearly.found
    assert "No space left" in finding.found
    assert finding.fix.startswith("export THUNDERLIKE_SCRATCH=/")


def test_a_scratch_folder_in_memory(tmp_path, monkeypatch):
    kinds = {tmp_path: "tmpfs"}
    monkeypatch.setattr(machine, "_file_system", lambda folder: kinds.get(folder, "ext4"))
    with config(scratch=str(tmp_path)):
        finding = machine.scratch()
    assert finding.level == "warn"
    assert "which is in memory (tmpfs)" in finding.found
    assert finding.fix.startswith("export THUNDERLIKE_SCRATCH=/")


def test_the_file_system_of_a_folder_is_that_of_its_device(tmp_path, monkeypatch):
    device = tmp_path.stat().st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    table = f"1 1 0:99999 / /x rw - proc none rw\n2 1 {number} / /y rw shared:1 - tmpfs none rw\n"
    monkeypatch.setattr(Path, "read_text", lambda *_: table)
    assert machine._file_system(tmp_path) == "tmpfs"
    assert machine._file_system(tmp_path / "none") is None


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
