"""What only files on a disk do: links, permissions, kills, the home folder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from thunderlike.errors import DeniedError, ExistsError, NotFoundError, StorageError
from thunderlike.storage.local import LocalStore

store = LocalStore()
needs_permissions = pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")


def content(folder):
    """Everything in a folder, hidden files too."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def fail_in(step, monkeypatch, error):
    """Make one step of an atomic write raise."""

    def broken(*_args, **_kwargs):
        raise error

    monkeypatch.setattr(os, step, broken)


@pytest.mark.parametrize("step", ["fsync", "replace"])
@pytest.mark.parametrize("error", [OSError(5, "broken"), KeyboardInterrupt()], ids=["I/O", "^C"])
def test_failure_while_writing_leaves_the_old_file_alone(tmp_path, monkeypatch, step, error):
    store.write(f"{tmp_path}/file", b"old")
    fail_in(step, monkeypatch, error)
    with pytest.raises((StorageError, KeyboardInterrupt)):
        store.write(f"{tmp_path}/file", b"new")
    assert content(tmp_path) == {"file": b"old"}


def test_failure_while_writing_leaves_no_new_file(tmp_path, monkeypatch):
    fail_in("fsync", monkeypatch, OSError(28, "No space left on device"))
    with pytest.raises(StorageError, match=r"file: the disk is full"):
        store.write(f"{tmp_path}/file", b"new")
    assert content(tmp_path) == {}


def test_data_that_cannot_be_written_leave_the_old_file_alone(tmp_path):
    store.write(f"{tmp_path}/file", b"old")
    with pytest.raises(TypeError):
        store.write(f"{tmp_path}/file", "text")
    assert content(tmp_path) == {"file": b"old"}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_one_clear_error(tmp_path, monkeypatch):
    """/dev/full fails as a full disk does: while bytes are written."""
    opened = Path.open

    def open_full(path, mode="r", *args, **kwargs):
        return opened(Path("/dev/full") if mode == "wb" else path, mode)

    store.write(f"{tmp_path}/file", b"old")
    monkeypatch.setattr(Path, "open", open_full)
    with pytest.raises(StorageError, match="file: the disk is full"):
        store.write(f"{tmp_path}/file", b"new" * 100_000)
    monkeypatch.undo()
    assert content(tmp_path) == {"file": b"old"}


KILLED = """
import os, signal, sys
from thunderlike.storage import write

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

setattr(os, sys.argv[2], die)
write(sys.argv[1], b"new" * 1_000_000)
"""


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_killed_writer_leaves_the_old_file(tmp_path, step):
    store.write(f"{tmp_path}/file", b"old")
    run = subprocess.run([sys.executable, "-c", KILLED, f"{tmp_path}/file", step], check=False)
    assert run.returncode == -signal.SIGKILL
    assert store.read(f"{tmp_path}/file") == b"old"
    others = [entry.path for entry in store.list(str(tmp_path), recursive=False)]
    # The rest of it is hidden, and a writer's next attempt is not disturbed by it.
    assert all(Path(path).name.startswith(".") for path in others if not path.endswith("/file"))
    store.write(f"{tmp_path}/file", b"new")
    assert store.read(f"{tmp_path}/file") == b"new"


def test_a_name_of_the_greatest_length_can_be_written(tmp_path):
    name = "n" * os.pathconf(tmp_path, "PC_NAME_MAX")
    store.write(f"{tmp_path}/{name}", b"x")
    assert content(tmp_path) == {name: b"x"}


def test_a_written_file_has_the_usual_permissions(tmp_path):
    (tmp_path / "usual").write_bytes(b"")
    store.write(f"{tmp_path}/ours", b"")
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "usual").stat().st_mode


def test_no_writing_over_a_folder_or_below_a_file(tmp_path):
    store.write(f"{tmp_path}/folder/file", b"x")
    for path in (f"{tmp_path}/folder", f"{tmp_path}/folder/file/below"):
        with pytest.raises(StorageError, match=path):
            store.write(path, b"y")
    assert content(tmp_path / "folder") == {"file": b"x"}


@pytest.mark.parametrize(
    ("path", "address"),
    [
        ("file:///data/a%20b", "/data/a b"),
        ("file:/data/a", "/data/a"),
        ("file://localhost/data/a", "/data/a"),
        ("/data/a%20b", "/data/a%20b"),
        ("/data/../b//c/", "/b/c"),
    ],
)
def test_addresses(path, address):
    assert store.address(path) == address


def test_relative_and_home_addresses(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/somewhere")
    assert store.address("a") == str(tmp_path / "a")
    assert store.address("~/a") == "/somewhere/a"


def test_another_host_is_refused():
    with pytest.raises(StorageError, match="server"):
        store.address("file://server/share/a")


@needs_permissions
def test_permission_is_denied_by_name(tmp_path):
    store.write(f"{tmp_path}/closed/file", b"x")
    (tmp_path / "closed").chmod(0)
    calls = [store.read, store.stat, store.exists, lambda path: store.write(path, b"y")]
    try:
        for call in calls:
            with pytest.raises(DeniedError, match="closed/file: this user has no permission"):
                call(f"{tmp_path}/closed/file")
        with pytest.raises(DeniedError, match="closed: this"):
            store.list(str(tmp_path), recursive=True)
    finally:
        (tmp_path / "closed").chmod(0o700)


@pytest.mark.parametrize(
    ("number", "kind"),
    [(13, DeniedError), (30, DeniedError), (28, StorageError), (5, StorageError)],
)
def test_failures_of_the_system_are_ours(tmp_path, monkeypatch, number, kind):
    store.write(f"{tmp_path}/file", b"x")

    def broken(*_args, **_kwargs):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "open", broken)
    with pytest.raises(kind, match=f"{tmp_path}/file: ") as caught:
        store.read(f"{tmp_path}/file")
    assert type(caught.value) is kind


def test_links_to_files_are_listed_and_links_to_folders_not_followed(tmp_path):
    store.write(f"{tmp_path}/data/file", b"123")
    (tmp_path / "data/link").symlink_to(tmp_path / "data/file")
    (tmp_path / "data/loop").symlink_to(tmp_path / "data")
    (tmp_path / "data/broken").symlink_to(tmp_path / "nothing")
    found = store.list(f"{tmp_path}/data", recursive=True)
    assert sorted((Path(entry.path).name, entry.size) for entry in found) == [
        ("file", 3),
        ("link", 3),
    ]


def test_a_file_that_vanishes_during_a_listing_is_left_out(tmp_path, monkeypatch):
    """Writers rename their temporary files while others list the folder."""
    store.write(f"{tmp_path}/stays", b"")
    store.write(f"{tmp_path}/vanishes", b"")
    scandir = os.scandir

    class Scan:
        def __init__(self, path):
            self.items = list(scandir(path))
            (tmp_path / "vanishes").unlink()

        def __enter__(self):
            return iter(self.items)

        def __exit__(self, *_):
            return None

    monkeypatch.setattr(os, "scandir", Scan)
    assert [Path(entry.path).name for entry in store.list(str(tmp_path), recursive=False)] == [
        "stays"
    ]


def test_deleting_a_link_leaves_what_it_points_to(tmp_path):
    store.write(f"{tmp_path}/data/file", b"x")
    (tmp_path / "link").symlink_to(tmp_path / "data")
    store.delete(f"{tmp_path}/link")
    assert content(tmp_path / "data") == {"file": b"x"}
    assert not (tmp_path / "link").exists()


def test_move_takes_an_empty_folders_place(tmp_path):
    store.write(f"{tmp_path}/a/file", b"x")
    (tmp_path / "b").mkdir()
    store.move(f"{tmp_path}/a", f"{tmp_path}/b")
    assert content(tmp_path / "b") == {"file": b"x"}
    store.write(f"{tmp_path}/c/file", b"y")
    with pytest.raises(ExistsError):
        store.move(f"{tmp_path}/c", f"{tmp_path}/b")


def test_what_is_protected(tmp_path, monkeypatch):
    home, here = tmp_path / "people/me", tmp_path / "work/here"
    for folder in (home / "results", here / "results"):
        folder.mkdir(parents=True)
    (tmp_path / "link").symlink_to(here / "results")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(here)
    for folder, why in [
        (home, "home"),
        (home.parent, "home"),
        (Path("/home/other"), "home"),
        (Path("/Users/other"), "home"),
        (here, "current"),
        (here.parent, "current"),
        (tmp_path / "link", "link to"),
        (Path("/"), "holds"),
        (Path("/dev"), "mounted"),
    ]:
        assert why in store.protected(str(folder)), folder
    for folder in (home / "results", here / "results", here / "new", Path("/home/other/new")):
        assert store.protected(str(folder)) == ""


def test_a_vanished_file_is_not_found_even_when_it_was_listed(tmp_path):
    store.write(f"{tmp_path}/file", b"x")
    (entry,) = store.list(str(tmp_path), recursive=False)
    store.delete(entry.path)
    with pytest.raises(NotFoundError, match="file: no such file"):
        store.read(entry.path)
