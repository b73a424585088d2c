"""An interrupted save leaves the old file or the new one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import h5py
import numpy as np
import pytest

import thunderlike as tl
from thunderlike.errors import NotFoundError, SpecError, StorageError

ROUNDS = int(os.environ.get("KILLS", "2"))
SAVES = """
import sys, numpy as np, thunderlike as tl
number = 0
while True:
    number += 1
    data = {"n": number, "x": np.full(300_000, float(number)), "l": [number] * 50}
    tl.save(sys.argv[1], data, None)
    sys.stdout.write("."); sys.stdout.flush()
"""


@pytest.fixture
def old(tmp_path):
    tl.save(tmp_path / "x.h5", {"old": 1})
    return tmp_path / "x.h5"


def test_a_value_without_a_place_leaves_the_old_file(old):
    with pytest.raises(SpecError):
        tl.save(old, {"x": np.zeros(10**6), "f": lambda: 0})
    assert tl.load(old) == {"old": 1}
    assert os.listdir(old.parent) == ["x.h5"]  # noqa: PTH208


def test_an_interrupt_leaves_the_old_file(old):
    class Stops(list):
        def __iter__(self):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tl.save(old, {"x": np.zeros(1000), "stops": Stops([1])})
    assert tl.load(old) == {"old": 1}
    assert os.listdir(old.parent) == ["x.h5"]  # noqa: PTH208


def test_a_process_that_is_killed_leaves_a_whole_file(tmp_path):
    """It is killed at some moment of a save; what is there is one of the files that it saved."""
    path = tmp_path / "x.h5"
    for turn in range(ROUNDS):
        saver = subprocess.Popen([sys.executable, "-c", SAVES, path], stdout=subprocess.PIPE)
        saver.stdout.read(2)  # two are saved
        time.sleep(0.003 * turn)
        saver.send_signal(signal.SIGKILL)
        saver.wait()
        saver.stdout.close()
        found = tl.load(path)
        assert (found["x"] == found["n"]).all()
        assert found["l"] == [found["n"]] * 50


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 4 MiB, if we may mount one."""
    place = tmp_path / "disk"
    place.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", place]
    made = subprocess.run(words, capture_output=True, check=False)
    if made.returncode:
        pytest.skip("mounting a small disk takes root")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_a_full_disk_leaves_the_old_file(small_disk, compression):
    path = small_disk / "x.h5"
    tl.save(path, {"old": np.arange(1000)})
    big = np.random.default_rng(0).random(700_000)
    for _ in range(3):
        with pytest.raises((StorageError, tl.errors.Hdf5Error), match=r"x\.h5"):
            tl.save(path, {"a": {"small": np.arange(10)}, "big": big}, compression)
    assert (tl.load(path, "/old") == np.arange(1000)).all()
    assert [entry.name for entry in small_disk.iterdir()] == ["x.h5"]
    tl.save(path, {"new": 1})
    assert tl.load(path) == {"new": 1}


def test_many_small_values_on_a_full_disk(small_disk):
    path = small_disk / "x.h5"
    tl.save(path, {"old": 1})
    with pytest.raises((StorageError, tl.errors.Hdf5Error), match=r"x\.h5"):
        tl.save(path, {str(i): np.arange(100) + i for i in range(6_000)}, pack=False)
    assert tl.load(path) == {"old": 1}


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(NotFoundError, match="create it first"):
        tl.save(tmp_path / "none" / "x.h5", {})
    with pytest.raises(StorageError, match="is a folder"):
        tl.save(tmp_path, {})


def test_a_reader_keeps_the_file_it_opened(old):
    with h5py.File(old) as reader:
        tl.save(old, {"new": 2})
        assert int(reader.attrs["old"]) == 1
    assert tl.load(old) == {"new": 2}


def test_without_atomic_there_is_no_second_file(old):
    tl.save(old, {"new": 2}, atomic=False)
    assert tl.load(old) == {"new": 2}


def test_equal_data_are_equal_bytes(tmp_path):
    data = {"a": [1, {"b": np.arange(1000)}], "c": (None, "x", np.zeros((0, 2)))}
    for name in ("x.h5", "y.h5"):
        tl.save(tmp_path / name, data)
    assert (tmp_path / "x.h5").read_bytes() == (tmp_path / "y.h5").read_bytes()
    with h5py.File(tmp_path / "x.h5") as file:  # nor the second in which it was made
        assert {h5py.h5o.get_info(file[name].id).mtime for name in ("/", "a", "c/i2")} == {0}
