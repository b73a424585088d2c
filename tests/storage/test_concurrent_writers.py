"""Two processes that write to one path at once: a typed error or both results, nothing lost.

``python tests/support/two_writers.py FOLDER`` is the long version, thirty rounds for each case.
"""

from __future__ import annotations

import numpy as np
import pytest
from two_writers import CASES, Writers

import thunderlike as tl
from thunderlike import storage
from thunderlike.errors import ExistsError, InUseError
from thunderlike.hdf5 import _files
from thunderlike.storage import atomic
from thunderlike.storage.atomic import draft, output
from thunderlike.storage.filesystem import replacement
from thunderlike.storage.local import LocalStore


@pytest.fixture(scope="module")
def writers():
    with Writers() as found:
        yield found


@pytest.mark.parametrize("name", CASES)
def test_two_writers(writers, tmp_path, name):
    for number in range(3):
        folder = tmp_path / str(number)
        folder.mkdir()
        errors, wrong = writers.race(name, folder)
        assert not wrong, errors


def test_draft_replaces_no_file_that_appears_meanwhile(tmp_path):
    """Also when it appears between the last check and the rename."""

    def ours(start):
        raise AssertionError(start)

    def second(opened):
        with opened as made:
            getattr(made, "file", made).write_bytes(b"second")
            path.write_bytes(b"first")

    path = tmp_path / "a.bin"
    with pytest.raises(ExistsError, match=r"a\.bin: the target exists already"):
        second(replacement(path, new=True))
    assert path.read_bytes() == b"first"
    path.unlink()
    with pytest.raises(ExistsError, match=r"a\.bin: exists already"):
        second(draft(path, ours))
    assert path.read_bytes() == b"first"
    assert [one.name for one in tmp_path.iterdir()] == ["a.bin"]


@pytest.mark.parametrize("overwrite", [False, True])
def test_output_where_a_folder_appears_after_the_last_check(tmp_path, monkeypatch, overwrite):
    def write(text):
        with output(tmp_path / "out", ["*.txt"], overwrite=overwrite) as folder:
            storage.write(f"{folder}/{text}.txt", text.encode())

    exists = LocalStore.exists

    def late(store, path):
        monkeypatch.setattr(LocalStore, "exists", exists)
        before = exists(store, path)
        write("first")
        return before

    check = atomic._check_folder
    checks = []

    def counted(*args, **options):
        check(*args, **options)
        checks.append(1)
        if len(checks) == 2:
            monkeypatch.setattr(LocalStore, "exists", late)

    monkeypatch.setattr(atomic, "_check_folder", counted)
    if overwrite:
        write("second")
    else:
        with pytest.raises(ExistsError, match="out: is not empty"):
            write("second")
    kept = "second" if overwrite else "first"
    assert {one.name for one in tmp_path.rglob("*.txt")} == {f"{kept}.txt"}
    assert [one.name for one in tmp_path.iterdir()] == ["out"]


class Entry:
    """An entry that is pickled while the file is updated, and changes the file then."""

    def __init__(self, change):
        self.change = change

    def __reduce__(self):
        self.change()
        return (dict, ())


@pytest.mark.parametrize("change", ["append", "save"])
def test_update_of_a_file_that_changes_meanwhile(tmp_path, change):
    path = tmp_path / "a.h5"
    tl.hdf5.append(path, "x", np.zeros(3))

    changes = {
        "append": lambda: tl.hdf5.append(path, "x", np.ones(2)),
        "save": lambda: tl.save(path, {"x": np.zeros(9)}),
    }
    entry = Entry(changes[change])
    with pytest.raises(InUseError, match=r"a\.h5: another process has changed it .* repeat"):
        tl.save(path, {"y": entry}, mode="a", pickle="allow")
    found = tl.load(path)
    assert list(found) == ["x"]
    assert found["x"].shape == ((5,) if change == "append" else (9,))
    assert [one.name for one in tmp_path.iterdir()] == ["a.h5"]


def test_append_to_a_file_that_is_replaced_before_the_lock(tmp_path, monkeypatch):
    path = tmp_path / "a.h5"
    tl.hdf5.append(path, "x", np.zeros(3))
    tl.hdf5.append(tmp_path / "b.h5", "x", np.ones(4))
    lock = _files._lock

    def late(file, place):
        if (tmp_path / "b.h5").exists():
            (tmp_path / "b.h5").replace(path)
        lock(file, place)

    monkeypatch.setattr(_files, "_lock", late)
    tl.hdf5.append(path, "x", np.full(2, 2.0))
    assert tl.load(path)["x"].tolist() == [1, 1, 1, 1, 2, 2]
