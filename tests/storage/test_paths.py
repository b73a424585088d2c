"""One path, whatever its scheme."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from thunderlike import storage
from thunderlike.errors import SpecError, StorageError, WrongTypeError


def test_a_path_object_its_text_and_its_uri_are_one_file(tmp_path):
    file = tmp_path / "a b ü.txt"
    storage.write(file, b"x")
    for path in (file, str(file), file.as_uri()):
        assert storage.read(path) == b"x"
        assert storage.stat(path) == storage.Entry(str(file), 1)
        assert storage.exists(path)


def test_relative_paths_become_full_ones(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    storage.write("folder/file", b"x")
    assert storage.stat(Path("folder/file")).path == str(tmp_path / "folder/file")
    assert storage.join("folder", "file") == str(tmp_path / "folder/file")


@pytest.mark.parametrize("path", ["hdfs://host/a", "ftp://host/a", "s9://bucket/a"])
def test_an_unknown_scheme_lists_the_known(path):
    with pytest.raises(StorageError, match=r"plain paths, file://, memory://") as caught:
        storage.read(path)
    assert path in str(caught.value)


@pytest.mark.parametrize("path", ["", "a\0b", b"bytes", 3, None])
def test_what_is_no_path(path):
    with pytest.raises(SpecError, match="path"):
        storage.store_for(path)


@pytest.mark.parametrize("folder", ["/data", "/data/", "memory://data", "memory://", "/"])
def test_join_and_parent_undo_each_other(folder):
    address = storage.resolve(folder)[1]
    file = storage.join(folder, "a.tif")
    assert file.endswith("/a.tif")
    assert storage.parent(file) == address


def test_a_colon_does_not_make_a_scheme(tmp_path):
    file = tmp_path / "12:30:00.tif"
    storage.write(file, b"x")
    assert storage.read(str(file)) == b"x"


@pytest.mark.parametrize(("start", "length"), [(-1, 2), (0, -1)])
def test_read_range_refuses_negative_numbers(tmp_path, start, length):
    storage.write(tmp_path / "file", b"0123")
    with pytest.raises(SpecError, match="negative"):
        storage.read_range(tmp_path / "file", start, length)
    assert storage.read_range(tmp_path / "file", 1, 2) == b"12"


def test_delete_guards_what_nobody_means(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    storage.write("file", b"x")
    for path in ("/", ".", tmp_path.parent, "~", "memory://"):
        with pytest.raises(StorageError, match="will not be removed"):
            storage.delete(path)
    assert storage.read("file") == b"x"
    storage.delete("file")
    assert not storage.exists("file")


def test_stores_are_imported_when_a_path_asks_for_them():
    code = (
        "import sys, thunderlike.storage as s; s.join('/a', 'b');"
        "print('thunderlike.storage.memory' in sys.modules, 'numpy' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "False False\n"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: storage.join("memory://a", 5), "name is the text of a path, not 5"),
        (lambda: storage.within("/data", None), "name is the text of a path, not None"),
        (lambda: storage.read_range("memory://a", "0", 1), "start is a whole number of bytes"),
        (lambda: storage.read_range("memory://a", 0, 1.5), r"length is .* bytes, not 1\.5"),
        (lambda: storage.write("memory://a", "text"), "data are bytes, not 'text': encode text"),
    ],
)
def test_arguments_of_another_type_are_named(call, message):
    with pytest.raises(WrongTypeError, match=message):
        call()
