"""Appends: killed at any moment, on a full disk, and by two processes at once."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
import sys

import h5py
import numpy as np
import pytest

import thunderlike as tl
from thunderlike import formats
from thunderlike.errors import Hdf5Error, StorageError
from thunderlike.formats import hdf5journal
from thunderlike.hdf5 import _files


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 3 MiB, if we may mount one."""
    place = tmp_path / "disk"
    place.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", place]
    if subprocess.run(words, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small disk takes root")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


@pytest.fixture
def moments(monkeypatch, tmp_path):
    """Copies of the file as it is after each half of each write, and each change of its length."""
    copies = []
    write, truncate = _files.Disk.write, _files.Disk.truncate

    def keep(file):
        if file.name.name == "log.h5":  # not those that are written elsewhere and renamed
            copies.append(tmp_path / f"{len(copies)}.h5")
            shutil.copyfile(file.name, copies[-1])

    def writes(file, data):
        view = memoryview(data).cast("B")
        for half in (view[: view.nbytes // 2], view[view.nbytes // 2 :]):
            write(file, half)
            keep(file)
        return view.nbytes

    def truncates(file, size=None):
        found = truncate(file, size)
        keep(file)
        return found

    monkeypatch.setattr(_files.Disk, "write", writes)
    monkeypatch.setattr(_files.Disk, "truncate", truncates)
    return copies


@pytest.mark.parametrize(
    ("compression", "count"), [(None, 1), ("zlib", 1), ("zlib", 7), (None, 90)]
)
def test_whenever_it_is_killed_the_file_is_the_old_or_the_new(
    tmp_path, moments, compression, count
):
    path = tmp_path / "log.h5"
    rows = np.random.default_rng(0).normal(size=(20_000, 3))
    tl.save(path, {"other": np.arange(1000), "kept": "text"})
    tl.hdf5.append(path, "/log", rows, compression)
    for _ in range(count):
        moments.clear()
        tl.hdf5.append(path, "/log", rows[:50])
    assert len(moments) > 6
    lengths = []
    for copy in moments:
        streamed = len(tl.series.fromhdf5(copy, "/log").toarray())
        with copy.open("rb") as stream, formats.hdf5.opened(stream) as file:
            assert len(file["log"]) == streamed
            np.testing.assert_array_equal(file["log"][:20_000], rows)
        found = tl.load(copy)
        assert len(found["log"]) == streamed
        assert (found["kept"], len(found["other"])) == ("text", 1000)
        lengths.append(len(found["log"]))
        np.testing.assert_array_equal(found["log"][:20_000], rows)
        np.testing.assert_array_equal(found["log"][20_000:], np.tile(rows[:50], (count, 1))[
            : len(found["log"]) - 20_000
        ])  # fmt: skip
        with h5py.File(copy) as file:  # what was undone can be read by anybody
            assert len(file["log"]) == lengths[-1]
        tl.hdf5.append(copy, "/log", rows[:1])
        assert len(tl.load(copy, "/log")) == lengths[-1] + 1
    assert {*lengths} == {20_000 + 50 * count, 20_000 + 50 * (count - 1)}
    assert lengths == sorted(lengths)


def test_the_first_append_is_whole_too(tmp_path, moments):
    path = tmp_path / "log.h5"
    tl.save(path, {"kept": 1})
    moments.clear()
    tl.hdf5.append(path, "/log", np.arange(10))
    assert {tuple(tl.load(copy)) for copy in moments} == {("kept",), ("kept", "log")}


def test_a_full_disk_leaves_the_records_that_were_there(small_disk):
    path = small_disk / "log.h5"
    tl.hdf5.append(path, "/log", np.arange(60_000.0))
    before = path.read_bytes()
    (small_disk / "fill").write_bytes(b"\1" * (shutil.disk_usage(small_disk).free - 60_000))
    with pytest.raises(StorageError, match=r"log\.h5: the disk is full"):
        tl.hdf5.append(path, "/log", np.random.default_rng(0).normal(size=60_000))
    assert path.read_bytes() == before
    (small_disk / "fill").unlink()
    tl.hdf5.append(path, "/log", np.arange(5.0))
    assert len(tl.load(path, "/log")) == 60_005


def test_an_interpreter_ends_well_after_a_full_disk(small_disk):
    lines = f"""
import numpy as np, thunderlike as tl
for write in (lambda: tl.hdf5.append("{small_disk}/a.h5", "/x", np.random.random(10**6)),
              lambda: tl.save("{small_disk}/b.h5", np.random.random(10**6))):
    try:
        write()
    except tl.errors.StorageError as error:
        print(error)
"""
    ran = subprocess.run(
        [sys.executable, "-c", lines], capture_output=True, text=True, timeout=300, check=False
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.count("the disk is full") == 2


def test_one_appends_at_a_time(tmp_path, monkeypatch):
    path = tmp_path / "log.h5"
    tl.hdf5.append(path, "/log", [1, 2])
    monkeypatch.setattr(_files, "PATIENCE", 0)
    with path.open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(Hdf5Error, match=r"log\.h5: another process has it open"):
            tl.hdf5.append(path, "/log", [3])
    assert tl.load(path, "/log").tolist() == [1, 2]


def test_what_is_refused_changes_nothing(tmp_path):
    path = tmp_path / "log.h5"
    tl.hdf5.append(path, "/log", [1, 2])
    before = path.read_bytes()
    with pytest.raises(tl.errors.SpecError, match="cannot be extended"):
        tl.hdf5.append(path, "/log", [0.5])
    assert path.read_bytes() == before


@pytest.mark.parametrize("size", [10, 10**15])
def test_a_forged_journal_writes_nothing(tmp_path, size):
    """One that would enlarge the file, or write behind its end, is taken for data."""
    path = tmp_path / "log.h5"
    tl.save(path, {"x": 1})
    journal = hdf5journal.pack(hdf5journal.Journal(size, [(8, b"evil")]))
    path.write_bytes(path.read_bytes() + journal)
    before = path.read_bytes()
    assert tl.load(path) == {"x": 1}
    assert path.read_bytes() == before


def test_who_may_not_write_reads_what_was_there_before_an_interrupted_append(
    tmp_path, moments, monkeypatch
):
    path = tmp_path / "log.h5"
    tl.hdf5.append(path, "/log", [1, 2])
    moments.clear()
    tl.hdf5.append(path, "/log", [3])
    (stopped,) = [copy for copy in moments if copy.read_bytes().endswith(hdf5journal._MAGIC)][:1]

    def refuse(place, mode="r", **more):
        if "+" in mode:
            raise PermissionError(13, "Permission denied")
        return real(place, mode, **more)

    real = type(stopped).open
    monkeypatch.setattr(type(stopped), "open", refuse)
    before = stopped.read_bytes()
    assert tl.load(stopped, "/log").tolist() == [1, 2]
    assert "array (2,)" in str(tl.hdf5.ls(stopped))
    with stopped.open("rb") as stream, formats.hdf5.opened(stream) as file:
        assert file["log"][:].tolist() == [1, 2]
    assert stopped.read_bytes() == before
