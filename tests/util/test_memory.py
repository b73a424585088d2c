"""Free memory: of the machine, and of the control groups that this process is in."""

from __future__ import annotations

import os

import numpy as np
import pytest

import thunderlike as tl
from thunderlike import _system
from thunderlike.cli.doctor import machine
from thunderlike.errors import RefusedError
from thunderlike.util import memory

MIB = 2**20


def group(folder, names, *numbers, stat=""):
    folder.mkdir(parents=True, exist_ok=True)
    for name, number in zip(names, numbers, strict=False):
        (folder / name).write_text(f"{number}\n")
    (folder / "memory.stat").write_text(stat)


@pytest.fixture
def groups(tmp_path, monkeypatch):
    """Control groups of our own, and what ``/proc/self/cgroup`` says."""
    monkeypatch.setattr(memory, "_GROUPS", tmp_path)
    read = _system.files_of_system

    def install(own):
        def text(name):
            return own if name == "self/cgroup" else read(name)

        monkeypatch.setattr(_system, "files_of_system", text)
        return tmp_path

    return install


def test_a_container_of_version_2(groups):
    group(groups("0::/\n"), memory._V2, 100 * MIB, 60 * MIB, stat=f"inactive_file {20 * MIB}\n")
    assert memory.available() == 60 * MIB


def test_the_least_of_nested_groups(groups):
    top = groups("0::/user/session\n")
    group(top, memory._V2, "max", 500 * MIB)
    group(top / "user", memory._V2, 80 * MIB, 50 * MIB)
    group(top / "user" / "session", memory._V2, 90 * MIB, 50 * MIB)
    assert memory.available() == 30 * MIB


def test_a_container_of_version_1(groups):
    top = groups("4:memory:/docker/abc\n0::/\n")
    stat = f"total_inactive_file {10 * MIB}\n"
    group(top / "memory", memory._V1, 100 * MIB, 50 * MIB, stat=stat)
    assert memory.available() == 60 * MIB


def test_no_limit_is_that_of_the_machine(groups):
    group(groups("0::/\n"), memory._V2, "max", 50 * MIB)
    assert MIB < memory.available() <= os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def test_load_and_the_doctor_keep_to_it(groups, tmp_path):
    group(groups("0::/\n"), memory._V2, 2 * MIB, MIB)
    assert machine.memory().details["free"] == MIB
    tl.save("memory://limited.h5", {"x": np.zeros(MIB), "y": 1})
    with pytest.raises(RefusedError, match="announces 8 MB where 1 MB are left"):
        tl.load("memory://limited.h5")
    assert tl.load("memory://limited.h5", "/y") == 1
