"""Datasets in a bucket: ranges of neighbours, several on their way at once, and written there."""

from __future__ import annotations

import pickle

import pytest

from thunderlike import storage
from thunderlike.datasets import (
    FileWriter,
    MsgpackReader,
    ShardedReader,
    ShardWriter,
    Shuffler,
    msgpack,
    write,
)
from thunderlike.errors import DeniedError, NotFoundError, StorageError
from thunderlike.formats.msgpack import packb


@pytest.fixture
def place(bucket):
    return f"{bucket}/sets/a.msgpack"


def test_a_dataset_in_a_bucket_is_one_like_any_other(place, samples, monkeypatch):
    monkeypatch.setattr(msgpack, "_RANGE", 500)  # many ranges, of a small dataset
    monkeypatch.setattr(msgpack, "_GAP", 10)
    with FileWriter(place, sums=True) as writer:
        writer.write_many(samples)
    reader = MsgpackReader(place, verify=True)
    assert [packb(sample) for sample in reader] == [packb(sample) for sample in samples]
    assert reader.get(42)["key"] == "k42"
    shuffled = Shuffler(pickle.loads(pickle.dumps(reader)))
    assert [sample["label"] for sample in shuffled][:4] == [57, 76, 27, 11]
    assert [s["label"] for s in reader.get_many([9, 2, 99])] == [9, 2, 99]
    assert reader.verify(samples=True).ok
    with pytest.raises(NotFoundError):
        MsgpackReader(f"{place}.none")


def test_shards_in_a_bucket(bucket, samples):
    with ShardWriter(f"{bucket}/many/{{}}.msgpack", max_samples=40) as writer:
        writer.write_many(samples)
    assert len(ShardedReader(f"{bucket}/many")) == 100
    write(samples, f"{bucket}/written")
    assert [s["label"] for s in ShardedReader(f"{bucket}/written")] == list(range(100))


def test_a_reader_gives_the_version_it_opened_or_says_that_it_is_gone(place):
    def put(kind):
        with FileWriter(place, overwrite=True) as writer:
            writer.write_many({"key": f"{kind}{i}", "x": kind * 50} for i in range(9))

    put("old")
    fresh, loaded, half = (MsgpackReader(place) for _ in range(3))
    assert len(list(zip(loaded, loaded.keys(), strict=True))) == 9
    half.find_key(0)
    put("new")
    for reader in (fresh, loaded, half):
        with pytest.raises(StorageError, match="was replaced while it was read"):
            reader.get(1)
    assert {sample["x"] for sample in MsgpackReader(place)} == {"new" * 50}


def test_a_writer_that_fails_leaves_nothing_in_the_bucket_and_on_this_machine(
    bucket, tmp_path, monkeypatch
):
    def refused(self, path, file):
        raise DeniedError(f"{path}: these credentials do not allow to write it")

    def whole(self):
        raise AssertionError("the data file is read as a whole")

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("pathlib.Path.read_bytes", whole)
    place = f"{bucket}/failed/a.msgpack"
    with monkeypatch.context() as patched:
        patched.setattr("thunderlike.storage.s3.S3Store.send", refused)
        with pytest.raises(DeniedError, match=r"a\.msgpack"), FileWriter(place) as writer:
            writer.write({"key": "a"})
        assert list(tmp_path.iterdir()) == []
        assert not storage.exists(f"{bucket}/failed")
    for kind in ("old", "new"):
        with FileWriter(place, overwrite=True) as writer:
            writer.write({"key": kind})
    with monkeypatch.context() as patched:
        patched.setattr("thunderlike.storage.s3.S3Store.send", refused)
        with pytest.raises(DeniedError), FileWriter(place, overwrite=True) as writer:
            writer.write({"key": "c"})
    assert list(MsgpackReader(place).keys()) == ["new"]
    listed = storage.store_for(place).list(f"{bucket}/failed", recursive=True)
    assert not [entry.path for entry in listed if "/." in entry.path]
    assert list(tmp_path.iterdir()) == []


def test_shards_in_a_bucket_are_not_read_while_they_are_replaced(bucket, samples):
    pattern = f"{bucket}/replaced/{{}}.msgpack"
    with ShardWriter(pattern, max_samples=40) as writer:
        writer.write_many(samples)
    with ShardWriter(pattern, max_samples=60, overwrite=True) as writer:
        writer.write_many(samples[:70])
        for way in (f"{bucket}/replaced", f"{bucket}/replaced/*.msgpack"):
            with pytest.raises(StorageError, match="shards are being replaced"):
                ShardedReader(way)
    assert len(ShardedReader(f"{bucket}/replaced")) == 70


class Counted:
    """Counts what is asked for."""

    def __init__(self, data):
        self.data, self.asked = data, []

    def __call__(self, start, length):
        self.asked.append((start, length))
        return self.data[start : start + length]


def test_neighbours_come_in_one_range_and_no_byte_comes_twice(path):
    reader = MsgpackReader(path)
    read = Counted(path.read_bytes())
    reader.__dict__["_file"] = msgpack.Ranged(read, "x", threads=1)
    assert len(list(reader)) == 100
    assert read.asked == [(0, path.stat().st_size)]
    read.asked.clear()
    reader.get_many([99, 3, 50])
    assert len(read.asked) == 1  # small gaps are read, not asked for again
