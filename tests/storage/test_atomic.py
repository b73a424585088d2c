"""Every writer replaces a file whole, keeps its mode, follows its link and refuses a device."""

from __future__ import annotations

import os
import resource
import stat
from pathlib import Path

import numpy as np
import pytest

import thunderlike as tl
from thunderlike import storage
from thunderlike.datasets import FileWriter
from thunderlike.errors import DeniedError, NotFoundError, StorageError
from thunderlike.storage import filesystem
from thunderlike.storage.filesystem import destination, keep_mode, replacement, scratch

MOVIE = np.arange(48, dtype="u1").reshape(3, 4, 4)


def images():
    return tl.images.fromarray(MOVIE)


def batch():
    return tl.batches.Batch(3).load({"x": np.arange(3)}, dst="x")


FILES = {
    "storage.write": ("x.bin", lambda path: storage.write(path, b"new")),
    "save": ("x.h5", lambda path: tl.save(path, {"a": 1})),
    "save in place": ("x.h5", lambda path: tl.save(path, {"a": 1}, atomic=False)),
    "save mode=a": ("x.h5", lambda path: tl.save(path, {"b": 2}, mode="a")),
    "save mode=a in place": ("x.h5", lambda path: tl.save(path, {"b": 2}, mode="a", atomic=False)),
    "hdf5.append": ("x.h5", lambda path: tl.hdf5.append(path, "/rows", np.arange(3))),
    "tohdf5": ("x.h5", lambda path: images().tohdf5(path, overwrite=True)),
    "tonpy": ("x.npy", lambda path: images().tonpy(path, overwrite=True)),
    "arrays.write npy": ("x.npy", lambda path: tl.arrays.write(path, MOVIE)),
    "arrays.write tif": ("x.tif", lambda path: tl.arrays.write(path, MOVIE)),
    "arrays.write h5": ("x.h5", lambda path: tl.arrays.write(path, MOVIE)),
    "batch csv": ("x.csv", lambda path: batch().dump(str(path), fmt="csv")),
    "batch npz": ("x.npz", lambda path: batch().dump(str(path), fmt="npz")),
    "batch hdf5": ("x.h5", lambda path: batch().dump(str(path), fmt="hdf5")),
    "image": ("x.png", lambda path: tl.util.images.save(path, MOVIE[0])),
}


@pytest.fixture(params=FILES)
def written(request, tmp_path):
    """The name that a writer writes to, and the writer."""
    name, write = FILES[request.param]
    return tmp_path / name, write


def mode(path):
    return oct(stat.S_IMODE(path.stat().st_mode))


@pytest.mark.parametrize("wanted", [0o600, 0o640, 0o755])
def test_the_mode_of_the_old_file_is_kept(written, wanted):
    path, write = written
    write(path)
    path.chmod(wanted)
    write(path)
    assert mode(path) == oct(wanted)


def test_a_link_stays_and_what_it_leads_to_is_replaced(written, tmp_path):
    path, write = written
    (tmp_path / "disk").mkdir()
    real = tmp_path / "disk" / path.name
    write(real)
    old = real.read_bytes()
    path.symlink_to(Path("disk") / path.name)
    write(path)
    assert path.is_symlink()
    assert not real.is_symlink()
    assert path.read_bytes() == real.read_bytes()
    assert len(real.read_bytes()) >= len(old) > 0
    assert [one.name for one in real.parent.iterdir()] == [path.name]
    assert sorted(one.name for one in tmp_path.iterdir()) == sorted(["disk", path.name])


def test_what_is_no_regular_file_is_neither_replaced_nor_waited_for(written):
    path, write = written
    os.mkfifo(path)
    with pytest.raises(StorageError, match="not a regular file"):
        write(path)
    assert stat.S_ISFIFO(path.stat().st_mode)
    assert [one.name for one in path.parent.iterdir()] == [path.name]


def test_a_link_to_a_device_is_refused(written):
    path, write = written
    path.symlink_to("/dev/null")
    with pytest.raises(StorageError, match="not a regular file"):
        write(path)
    assert path.is_symlink()


def test_a_writer_that_fails_leaves_the_old_file_and_nothing_else(tmp_path):
    storage.write(tmp_path / "x", b"old")
    with pytest.raises(TypeError), replacement(tmp_path / "x") as file:
        file.write_bytes("text")
    assert [(one.name, one.read_bytes()) for one in tmp_path.iterdir()] == [("x", b"old")]


def test_a_private_file_is_private_while_it_is_written(tmp_path):
    storage.write(tmp_path / "x", b"old")
    (tmp_path / "x").chmod(0o644)
    with replacement(tmp_path / "x") as file:
        assert mode(file) == "0o600"
    assert mode(tmp_path / "x") == "0o644"


def test_links_that_lead_in_a_circle(tmp_path):
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(StorageError, match=r"a: is a link that leads back to itself"):
        storage.write(tmp_path / "a", b"x")


def test_a_link_to_a_folder_is_no_file(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("folder")
    for name in ("folder", "link"):
        with pytest.raises(NotFoundError, match="is a folder, not a file"):
            storage.write(tmp_path / name, b"x")


def test_a_chain_of_links_is_followed_to_its_end(tmp_path):
    (tmp_path / "deep").mkdir()
    storage.write(tmp_path / "deep/real", b"old")
    (tmp_path / "deep/second").symlink_to("real")
    (tmp_path / "first").symlink_to("deep/second")
    assert destination(tmp_path / "first")[0] == tmp_path / "deep/real"
    storage.write(tmp_path / "first", b"new")
    assert (tmp_path / "deep/real").read_bytes() == b"new"


def test_a_link_of_another_user_in_a_folder_of_everybody_is_not_followed(tmp_path, monkeypatch):
    storage.write(tmp_path / "theirs", b"old")
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    (shared / "link").symlink_to(tmp_path / "theirs")
    storage.write(shared / "link", b"ours")
    look = os.lstat

    class Another:
        def __init__(self, found):
            self.st_mode, self.st_uid = found.st_mode, found.st_uid + 1

    def of_another(path):
        found = look(path)
        return Another(found) if stat.S_ISLNK(found.st_mode) else found

    monkeypatch.setattr(filesystem.os, "lstat", of_another)
    with pytest.raises(DeniedError, match="a link that another user made"):
        destination(shared / "link")
    shared.chmod(0o755)
    assert destination(shared / "link")[0] == tmp_path / "theirs"


def test_the_rights_of_a_group_that_cannot_be_kept_are_those_of_everybody(tmp_path, monkeypatch):
    (tmp_path / "x").write_bytes(b"")

    def refused(*_):
        raise PermissionError

    monkeypatch.setattr(filesystem.os, "chown", refused)
    old = os.stat_result((stat.S_IFREG | 0o664, 0, 0, 1, os.getuid(), os.getgid() + 1, 0, 0, 0, 0))
    keep_mode(tmp_path / "x", old)
    assert mode(tmp_path / "x") == "0o644"


WRITERS = {
    "totif": lambda path: images().totif(path, overwrite=True),
    "tobinary": lambda path: images().tobinary(path, overwrite=True),
    "tozarr": lambda path: images().tozarr(path, overwrite=True),
}


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
def test_a_folder_that_is_overwritten_keeps_its_modes(tmp_path, write):
    out = tmp_path / "out"
    write(out)
    out.chmod(0o750)
    for path in out.rglob("*"):
        path.chmod(0o700 if path.is_dir() else 0o600)
    write(out)
    assert mode(out) == "0o750"
    assert {mode(path) for path in out.rglob("*") if path.is_file()} == {"0o600"}


def test_a_missing_temporary_folder_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "gone"))
    for call in (
        lambda: images().tohdf5("memory://atomic.h5"),
        lambda: tl.save("memory://atomic.h5", {"a": 1}),
        lambda: scratch().__enter__(),
    ):
        with pytest.raises(StorageError, match=f"{tmp_path}/gone: .*set TMPDIR to a folder"):
            call()
    assert not storage.exists("memory://atomic.h5")


def test_nothing_is_left_in_the_temporary_folder(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(storage.store_for("memory://x").__class__, "send", _refuse, raising=False)
    for call in (
        lambda: images().tohdf5("memory://atomic.h5"),
        lambda: tl.save("memory://atomic.h5", {"a": 1}),
    ):
        with pytest.raises(StorageError, match="no room"):
            call()
    assert list(tmp_path.iterdir()) == []


def _refuse(*_):
    raise StorageError("memory://atomic.h5: no room")


NOISE = np.random.default_rng(0).integers(0, 2**16, (4, 128, 128), dtype="u2")


def noisy(path, **options):
    with FileWriter(path, **options) as writer:
        writer.write_many({"key": str(number), "x": image} for number, image in enumerate(NOISE))


LARGE = {
    "storage.write": lambda path: storage.write(path / "x", NOISE.tobytes()),
    "save": lambda path: tl.save(path / "x.h5", {"a": NOISE}),
    "save in place": lambda path: tl.save(path / "x.h5", {"a": NOISE}, atomic=False),
    "tohdf5": lambda path: tl.images.fromarray(NOISE).tohdf5(path / "x.h5"),
    "tonpy": lambda path: tl.images.fromarray(NOISE).tonpy(path / "x.npy"),
    "totif": lambda path: tl.images.fromarray(NOISE.reshape(1, 256, 256)).totif(path / "x"),
    "tozarr": lambda path: tl.images.fromarray(NOISE).tozarr(path / "x"),
    "tomsgpack": lambda path: tl.images.fromarray(NOISE).tomsgpack(path / "x"),
    "series.tobinary": lambda path: tl.series.fromarray(NOISE).tobinary(path / "x"),
    "series.totext": lambda path: tl.series.fromarray(NOISE).totext(path / "x"),
    "arrays.write npy": lambda path: tl.arrays.write(path / "x.npy", NOISE),
    "arrays.write tif": lambda path: tl.arrays.write(path / "x.tif", NOISE),
    "arrays.write h5": lambda path: tl.arrays.write(path / "x.h5", NOISE),
    "arrays.write zarr": lambda path: tl.arrays.write(path / "x.zarr", NOISE),
    "arrays.apply_lut": lambda path: tl.arrays.apply_lut(
        NOISE, np.arange(2**16), sink=path / "x.npy"
    ),
    "initialize_sink": lambda path: tl.arrays.initialize_sink(path / "x.npy", source=NOISE),
    "FileWriter": lambda path: noisy(path / "x.msgpack"),
    "batch npz": lambda path: noise_batch().dump(str(path / "x.npz"), fmt="npz"),
    "batch zarr": lambda path: noise_batch().dump(str(path / "x.zarr"), fmt="zarr"),
    "image": lambda path: tl.util.images.save(path / "x.png", NOISE.reshape(256, 256)),
}


def noise_batch():
    return tl.batches.Batch(4).load({"x": NOISE}, dst="x")


@pytest.fixture
def small_disk():
    """Files of more than 16 KiB fail to be written, as on a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**14, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.usefixtures("small_disk")
@pytest.mark.parametrize("write", LARGE.values(), ids=LARGE)
def test_a_disk_that_takes_no_more_is_an_error_of_ours_and_nothing_is_left(tmp_path, write):
    with pytest.raises(StorageError) as caught:
        write(tmp_path)
    assert str(caught.value).startswith(f"{tmp_path}/x")
    assert list(tmp_path.iterdir()) == []
