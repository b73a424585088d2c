"""What only the memory store does."""

from __future__ import annotations

import subprocess
import sys

import pytest

from thunderlike.errors import NotFoundError
from thunderlike.storage.memory import MemoryStore

store = MemoryStore()


def test_every_instance_sees_the_same_files():
    MemoryStore().write("memory://shared/file", b"x")
    assert store.read("memory://shared/file") == b"x"
    store.delete("memory://shared")
    with pytest.raises(NotFoundError, match="this process's memory"):
        MemoryStore().read("memory://shared/file")


def test_another_process_has_its_own():
    store.write("memory://mine/file", b"x")
    code = "from thunderlike.storage import exists; print(exists('memory://mine/file'))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "False\n"
    store.delete("memory://mine")


def test_the_root_is_there_and_protected():
    store.write("memory://root file", b"x")
    assert "memory://root file" in [
        entry.path for entry in store.list("memory://", recursive=False)
    ]
    assert "root" in store.protected("memory://")
    store.delete("memory://root file")
    assert not store.exists("memory://root file")
