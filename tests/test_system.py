"""Every call that Linux alone has, and its replacement; paths of other systems."""

from __future__ import annotations

import ctypes
import mmap
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import posix_mask
import pytest

import thunderlike as tl
from thunderlike import _system
from thunderlike.errors import EngineError, StorageError
from thunderlike.parallel.fork import fork_iterate
from thunderlike.parallel.shared_memory import memory_file
from thunderlike.util.memory import available


@pytest.fixture(params=["here", "posix"])
def system(request, monkeypatch, tmp_path):
    """Run here, and without all that plain POSIX does not have."""
    if request.param == "posix":
        for name in posix_mask.CALLS:
            monkeypatch.delattr(os, name, raising=False)
        for name, value in posix_mask.VALUES.items():
            monkeypatch.setattr(_system, name, value)
    return request.param


def test_parts_are_written_and_read_in_one_go(system, tmp_path):
    file = os.open(tmp_path / "x", os.O_RDWR | os.O_CREAT)
    parts = [memoryview(b"abc"), memoryview(np.arange(2, dtype="i2")).cast("B")]
    assert _system.pwritev(file, parts, 2) == 7
    found = [bytearray(4), np.zeros(8, "u1")]
    assert _system.preadv(file, found, 2) == 7
    os.close(file)
    assert bytes(found[0]) + found[1].tobytes() == b"abc\0\0\1\0" + bytes(5)


def test_reserved_space_is_zeros_after_the_old_bytes(system, tmp_path):
    with (tmp_path / "x").open("w+b", buffering=0) as file:
        file.write(b"abc")
        _system.reserve(file.fileno(), 2**20 + 5)
        _system.begin_writing(file.fileno(), 0, 3)
    data = (tmp_path / "x").read_bytes()
    assert (len(data), data[:4], any(data[3:])) == (2**20 + 5, b"abc\0", False)


def test_another_process_writes_into_memory(system):
    with memory_file(4) as (path, memory):
        code = f"open({path!r}, 'r+b').write(b'abcd')"
        subprocess.run([sys.executable, "-c", code], check=True)
    assert memory[:] == b"abcd"
    if system == "posix":
        assert not os.path.exists(path)  # noqa: PTH110


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="glibc alone has it")
def test_freed_memory_goes_back_to_the_system():
    def held():
        # Also where a run hides this folder from the package.
        return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * mmap.PAGESIZE

    pieces = [bytearray(100_000) for _ in range(1000)]
    high, last = held(), pieces.pop()
    del pieces
    _system.trim()
    assert held() < high - 80_000_000
    assert len(last) == 100_000


def test_memory_that_is_not_there_is_an_error(system):
    with pytest.raises(EngineError, match="cannot allocate"), memory_file(2**60):
        pass


def test_cores_and_memory_are_known(request, system):
    assert _system.ncores() >= 1
    assert available() > 2**20
    here = system == "here" and sys.platform != "darwin"
    assert _system.can_fork() == (here and not request.config.getoption("--posix"))


def test_arrays_are_shared_read_and_written(system, tmp_path):
    source = np.random.default_rng(0).random((40, 30, 20))
    shared = tl.arrays.read(tl.arrays.write(tmp_path / "x.npy", source), memory="shared")
    assert np.array_equal(shared, source)
    del shared


def test_functions_of_users_are_called(system):
    movie = tl.images.fromarray(np.arange(24.0).reshape(4, 2, 3))
    assert movie.map(np.mean, workers=2).toarray().tolist() == [2.5, 8.5, 14.5, 20.5]
    assert list(fork_iterate(iter([1, 2]))) == [1, 2]


def test_series_are_made_on_the_disk_engine(system):
    values = np.random.default_rng(0).random((20, 16, 8))
    series = tl.images.fromarray(values, engine="disk").toseries()
    assert np.array_equal(series.toarray(), values.transpose(1, 2, 0))


def test_a_folder_is_replaced(system, tmp_path):
    for value in (1, 2):
        tl.images.fromarray(np.full((3, 2, 2), value)).totif(tmp_path / "out", overwrite=True)
    assert tl.images.fromtif(tmp_path / "out").toarray().max() == 2
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("path", ["C:\\data\\x.h5", "c:/data/x.h5", "C://data/x.h5", "d:\\x.h5"])
def test_a_drive_letter_is_neither_a_scheme_nor_a_name_here(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    drive = path[0].lower()
    with pytest.raises(StorageError, match=f"path of Windows.*/mnt/{drive}/.*x.h5 in WSL"):
        tl.save(path, {"x": 1})
    with pytest.raises(StorageError, match="path of Windows"):
        tl.load(path)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_a_colon_is_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "c:").mkdir()
    tl.save("./c:/x.h5", {"x": 1})
    assert tl.load(tmp_path / "c:" / "x.h5") == {"x": 1}
