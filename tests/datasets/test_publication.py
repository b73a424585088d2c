"""Datasets change in one step: kills, full disks, two writers, and readers next to writers."""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
import pickle
import re
import shutil
import signal
from pathlib import Path

import pytest

from thunderlike import storage
from thunderlike.datasets import (
    FileWriter,
    MsgpackReader,
    ShardedReader,
    ShardWriter,
    check,
    index,
    operations,
    publication,
    reindex,
)
from thunderlike.errors import (
    CorruptDatasetError,
    ExistsError,
    InUseError,
    NotFoundError,
    StorageError,
)
from thunderlike.storage.locking import WriterLock

FORK = multiprocessing.get_context("fork")
OLD, NEW = [f"old{i}" for i in range(6)], [f"new{i}" for i in range(9)]


def samples(keys):
    return ({"key": key, "x": key * 30} for key in keys)


def put(place, keys, **options):
    with FileWriter(place, overwrite=True, **options) as writer:
        writer.write_many(samples(keys))


def shards(folder, keys, size=4):
    with ShardWriter(folder / "part-{}.msgpack", size, overwrite=True) as writer:
        writer.write_many(samples(keys))


def found(folder):
    """The keys of the one dataset in a folder, each of them that of its sample."""
    single = folder / "x.msgpack"
    reader = MsgpackReader(single) if single.exists() else ShardedReader(folder)
    keys = list(reader.keys())
    assert [sample["key"] for sample in reader] == keys
    assert [sample["x"] for sample in reader] == [key * 30 for key in keys]
    if single.exists():
        assert check(single, samples=True).ok
        assert reader.verify().ok
    return keys


def files(folder):
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()}


def hidden(folder):
    return [file.name for file in folder.iterdir() if file.name.startswith(".")]


def overwrite(folder):
    put(folder / "x.msgpack", NEW)


def append(folder):
    with FileWriter(folder / "x.msgpack", append=True) as writer:
        writer.write_many(samples(NEW))


def convert(folder):
    operations.convert_index(folder / "x.msgpack")


KINDS = {
    "overwriting": (overwrite, NEW),
    "adding": (append, OLD + NEW),
    "reindexing": (lambda folder: reindex(folder / "x.msgpack"), OLD),
    "sharded": (lambda folder: shards(folder, NEW, 5), NEW),
}


STRIDES = {"overwriting": 4, "adding": 3, "reindexing": 4, "sharded": 23}  # a fork takes its time


def prepare(folder, kind):
    folder.mkdir()
    if kind == "sharded":
        shards(folder, OLD, 3)
    else:
        put(folder / "x.msgpack", OLD, sums=True)


def step_by_step(act, folder, steps, end):
    """Act in a fork that ends, or fails, at one of the steps that change a disk."""

    def run():
        left = [steps]

        def counted(function):
            def step(*words, **more):
                left[0] -= 1
                if left[0] < 0:
                    end()
                return function(*words, **more)

            return step

        for name in ("fsync", "replace", "rename", "unlink"):
            setattr(os, name, counted(getattr(os, name)))
        act(folder)

    child = FORK.Process(target=run)
    child.start()
    child.join()
    return child.exitcode


@pytest.mark.parametrize("kind", KINDS)
def test_a_kill_at_any_step_leaves_old_or_new_and_the_next_writer_heals(tmp_path, kind):
    act, new = KINDS[kind]
    seen, stride = [], 1 if "THUNDERLIKE_KILLS" in os.environ else STRIDES[kind]
    for steps in range(0, 200, stride):
        folder = tmp_path / str(steps)
        prepare(folder, kind)
        code = step_by_step(act, folder, steps, lambda: os.kill(os.getpid(), signal.SIGKILL))
        seen.append(found(folder))
        if code == 0:
            break
        assert code == -signal.SIGKILL
        if kind == "adding" and seen[-1] == new:
            overwrite(folder)  # the same keys cannot be added again
            assert found(folder) == NEW
        else:
            act(folder)
            assert found(folder) == new
        assert hidden(folder) == []
    assert code == 0
    assert seen == sorted(seen, key=[OLD, new].index)  # old at first, new in the end
    assert seen[0] == OLD
    assert seen[-1] == new


@pytest.mark.parametrize("kind", ["overwriting", "adding", "reindexing"])
def test_a_disk_that_is_full_at_any_step_leaves_the_old_and_nothing_else(
    tmp_path, monkeypatch, kind
):
    act, new = KINDS[kind]
    prepare(tmp_path / "a", kind)
    before, real = files(tmp_path / "a"), os.fsync
    for steps in range(20):
        left = iter(range(steps))

        def full(descriptor, left=left):
            if os.path.isdir(f"/proc/self/fd/{descriptor}"):  # noqa: PTH112
                return real(descriptor)
            if next(left, None) is None:
                raise OSError(errno.ENOSPC, "No space left on device")
            return real(descriptor)

        with monkeypatch.context() as patched:
            patched.setattr(os, "fsync", full)
            message = None
            try:
                act(tmp_path / "a")
            except StorageError as error:
                message = str(error)
        if message is None:
            break
        assert re.fullmatch(r".*/x\.msgpack[.a-z0-9_]*: the disk is full", message)
        assert files(tmp_path / "a") == before
        assert found(tmp_path / "a") == OLD
    assert steps > 3
    assert found(tmp_path / "a") == new


# Two writers


@pytest.mark.parametrize("options", [{"append": True}, {"overwrite": True}])
def test_a_second_writer_is_refused_and_the_first_loses_nothing(tmp_path, options):
    place = tmp_path / "x.msgpack"
    put(place, OLD)
    with FileWriter(place, **options) as writer:
        writer.write_many(samples(NEW[:4]))
        for other in ({"append": True}, {"overwrite": True}):
            with pytest.raises(InUseError, match=r"x\.msgpack: another writer has it open"):
                FileWriter(place, **other)
        with pytest.raises(InUseError):
            reindex(place)
        writer.write_many(samples(NEW[4:]))
    assert found(tmp_path) == (OLD if "append" in options else []) + NEW
    overwrite(tmp_path)
    assert hidden(tmp_path) == []


def test_of_two_writers_of_a_new_dataset_one_is_refused(tmp_path):
    first = FileWriter(tmp_path / "x.msgpack")
    with pytest.raises(InUseError):
        FileWriter(tmp_path / "x.msgpack")
    first.write_many(samples(OLD))
    first.close()
    with pytest.raises(ExistsError):
        FileWriter(tmp_path / "x.msgpack")
    with ShardWriter(tmp_path / "s" / "{}.msgpack", 2) as writer:
        writer.write_many(samples(OLD[:3]))
        with pytest.raises(InUseError):
            ShardWriter(tmp_path / "s" / "{}.msgpack", 2)


def test_the_lock_of_a_killed_writer_locks_nothing(tmp_path):
    put(tmp_path / "x.msgpack", OLD)
    here, there = FORK.Pipe()

    def holds():
        writer = FileWriter(tmp_path / "x.msgpack", append=True)
        writer.write_many(samples(NEW))
        there.send(True)
        signal.pause()

    child = FORK.Process(target=holds)
    child.start()
    here.recv()
    with pytest.raises(InUseError):
        FileWriter(tmp_path / "x.msgpack", append=True)
    os.kill(child.pid, signal.SIGKILL)
    child.join()
    append(tmp_path)
    assert found(tmp_path) == OLD + NEW
    assert hidden(tmp_path) == []


def test_a_fork_neither_writes_nor_unlocks(tmp_path):
    writer = FileWriter(tmp_path / "x.msgpack")
    writer.write_many(samples(OLD))
    child = FORK.Process(target=writer.__del__)
    child.start()
    child.join()
    with pytest.raises(InUseError):
        FileWriter(tmp_path / "x.msgpack")
    writer.close()
    assert found(tmp_path) == OLD


# Readers next to writers


@pytest.fixture(params=["disk", "memory"])
def place(request, tmp_path):
    yield str(tmp_path / "x.msgpack") if request.param == "disk" else "memory://pinned/x.msgpack"
    storage.delete("memory://pinned")


def test_a_reader_gives_the_version_it_opened_or_says_that_it_is_gone(place):
    """Both versions have as many samples, and as many bytes."""
    put(place, OLD)
    fresh, loaded = MsgpackReader(place), MsgpackReader(place)
    keys = list(loaded.keys())
    assert len(list(loaded)) == 6
    put(place, [key.replace("old", "new") for key in OLD])
    for read in (list, lambda r: r.get(0), lambda r: r.find_key(0), lambda r: r.find_index("new1")):
        with pytest.raises(StorageError, match="was replaced while it was read; read it again"):
            read(fresh)
    assert not fresh.is_current()
    if place.startswith("/"):  # the file that was mapped is still there
        assert [sample["key"] for sample in loaded] == keys == OLD
    with pytest.raises(StorageError, match="was replaced"):
        loaded.find_index("old1")
    loaded.close()
    with pytest.raises(StorageError, match="was replaced"):
        loaded.get(0)
    copy = pickle.loads(pickle.dumps(MsgpackReader(place)))
    assert copy.get(0)["key"] == copy.find_key(0) == "new0"


def test_a_copy_of_a_reader_finds_out_that_the_dataset_has_changed(tmp_path):
    put(tmp_path / "x.msgpack", OLD)
    sent = pickle.dumps(MsgpackReader(tmp_path / "x.msgpack"))
    overwrite(tmp_path)
    with pytest.raises(StorageError, match="was replaced"):
        pickle.loads(sent).get(0)


def test_samples_that_are_added_do_not_disturb_readers(tmp_path):
    put(tmp_path / "x.msgpack", OLD)
    reader = MsgpackReader(tmp_path / "x.msgpack")
    assert [sample["key"] for sample in reader] == OLD
    with FileWriter(tmp_path / "x.msgpack", append=True) as writer:
        writer.write({"key": "more", "x": "more" * 30})
        writer._flush()
        assert list(MsgpackReader(tmp_path / "x.msgpack").keys()) == OLD
    assert [sample["key"] for sample in reader] == OLD
    with pytest.raises(StorageError, match="was replaced"):
        reader.find_key(0)
    assert found(tmp_path) == [*OLD, "more"]


def test_shards_are_of_one_moment(tmp_path):
    shards(tmp_path, OLD, 2)
    reader = ShardedReader(tmp_path)
    shards(tmp_path, NEW[:6], 2)
    with pytest.raises(StorageError, match="was replaced"):
        list(reader)
    assert list(ShardedReader(str(tmp_path / "*.msgpack")).keys()) == NEW[:6]


def test_shards_are_read_where_they_are_while_they_move(tmp_path, monkeypatch):
    shards(tmp_path, OLD, 2)
    seen = []
    real = publication.publish

    def looks(*words, **more):
        for way in (tmp_path, tmp_path / "part-*.msgpack"):
            seen.extend([list(ShardedReader(way).keys())])
        real(*words, **more)
        seen.append(list(ShardedReader(tmp_path).keys()))

    monkeypatch.setattr("thunderlike.datasets.sharded.publish", looks)
    shards(tmp_path, NEW, 4)
    assert len(seen) == 9
    assert all(keys == NEW for keys in seen)
    assert sorted(path.name for path in tmp_path.glob("*.msgpack")) == [
        f"part-0000{i}.msgpack" for i in range(3)
    ]


# What is left in folders


def half_published(folder):
    """A dataset whose writer was killed after the new data file got its name."""
    put(folder / "x.msgpack", OLD)

    def settle(*words):
        os._exit(9)

    def run():
        publication._settle = settle
        overwrite(folder)

    child = FORK.Process(target=run)
    child.start()
    child.join()
    assert child.exitcode == 9


def test_a_dataset_whose_writer_was_killed_is_read_and_copied(tmp_path):
    (tmp_path / "a").mkdir()
    half_published(tmp_path / "a")
    assert found(tmp_path / "a") == NEW
    assert len(index.load_keys(tmp_path / "a" / "x.msgpack")) == 9
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    assert found(tmp_path / "b") == NEW  # by its size: the version is another one
    with (tmp_path / "b" / "x.msgpack").open("ab") as file:
        file.write(b"\x80")
    with pytest.raises(CorruptDatasetError, match="a writer was stopped while it replaced"):
        MsgpackReader(tmp_path / "b" / "x.msgpack")
    overwrite(tmp_path / "a")
    assert hidden(tmp_path / "a") == []


@pytest.mark.parametrize("adding", [False, True], ids=["overwriting", "adding"])
def test_a_reader_that_loaded_a_record_just_before_the_next_writer_finds_the_new_one(
    tmp_path, monkeypatch, adding
):
    half_published(tmp_path)
    reader, real, loaded = MsgpackReader(tmp_path / "x.msgpack"), publication.load, []

    def loads(address):
        record = real(address)
        if not loaded:  # the reader has the record, and two writers finish before it goes on
            loaded.append(record)
            for keys in (["more0"], ["more1"]):
                with FileWriter(address, append=adding, overwrite=not adding) as writer:
                    writer.write_many(samples(keys))
        return record

    monkeypatch.setattr(publication, "load", loads)
    assert not reader.is_current()
    assert loaded[0] is not None
    keys = [*NEW, "more0", "more1"] if adding else ["more1"]
    assert list(MsgpackReader(tmp_path / "x.msgpack").keys()) == keys


def test_a_record_that_does_not_fit_while_a_writer_is_at_work_is_a_replacement(tmp_path):
    half_published(tmp_path)
    with (tmp_path / "x.msgpack").open("ab") as file:
        file.write(b"\x80")
    address = storage.at(tmp_path / "x.msgpack")
    lock = WriterLock(address)
    with pytest.raises(InUseError, match="is being replaced by another writer"):
        MsgpackReader(address)
    lock.release()
    with pytest.raises(CorruptDatasetError, match="a writer was stopped while it replaced"):
        MsgpackReader(address)


def test_asking_for_a_lock_does_not_take_it(tmp_path):
    address = storage.at(tmp_path / "x.msgpack")
    assert not WriterLock.is_held(address)
    lock = WriterLock(address)
    assert WriterLock.is_held(address)
    lock.release()
    assert not WriterLock.is_held(address)
    WriterLock(address).release()


@pytest.mark.parametrize("name", ["../../secret", ".keys", "/etc/passwd", "." + "f" * 32])
def test_a_forged_record_leads_to_no_other_file(tmp_path, name):
    put(tmp_path / "x.msgpack", OLD)
    record = {"files": {".offsets": name}, "size": 1, "replaces": False}
    (tmp_path / ".x.msgpack.publishing").write_text(json.dumps(record), "utf-8")
    with pytest.raises(CorruptDatasetError, match="names files of other folders; remove it"):
        MsgpackReader(tmp_path / "x.msgpack")
    (tmp_path / ".x.msgpack.publishing").write_text("{", "utf-8")
    with pytest.raises(CorruptDatasetError, match="is not the record of a writer"):
        MsgpackReader(tmp_path / "x.msgpack")


@pytest.mark.parametrize("act", [overwrite, append], ids=["overwriting", "adding"])
def test_modes_and_links_stay(tmp_path, act):
    real, there = tmp_path / "real", tmp_path / "there"
    real.mkdir()
    there.mkdir()
    put(real / "x.msgpack", OLD)
    for file in real.iterdir():
        file.chmod(0o600)
        (there / file.name).symlink_to(file)
    act(there)
    assert all(file.is_symlink() for file in there.iterdir())
    assert {file.stat().st_mode & 0o777 for file in real.iterdir()} == {0o600}
    assert found(real) == found(there) == (NEW if act is overwrite else OLD + NEW)


def test_stale_files_of_the_old_dataset_go(tmp_path):
    put(tmp_path / "x.msgpack", OLD, sums=True, digest="sha256")
    overwrite(tmp_path)
    suffixes = {"", ".offsets", ".keys", ".key_hashes", ".filter", ".md5"}
    assert set(files(tmp_path)) == {f"x.msgpack{suffix}" for suffix in suffixes}
    with pytest.raises(NotFoundError):
        index.load_sums(tmp_path / "x.msgpack")


def test_long_names_have_hidden_files_too(tmp_path):
    place = Path(tmp_path, "n" * 235 + ".msgpack")
    put(place, OLD)
    put(place, NEW)
    assert list(MsgpackReader(place).keys()) == NEW


def test_mapped_file_that_is_truncated(tmp_path):
    """Reading beyond the end of a mapped file would end the process."""
    path = tmp_path / "a.msgpack"
    with FileWriter(path) as writer:
        writer.write_many({"key": str(number), "x": b"x" * 5000} for number in range(20))
    reader = MsgpackReader(path)
    assert reader.get(0)["key"] == "0"  # maps the file
    os.truncate(path, 4096)
    for read in (lambda: reader.get(19), lambda: list(reader), lambda: reader.get(19, copy=False)):
        with pytest.raises(StorageError, match=r"a\.msgpack: was replaced while it was read"):
            read()
