"""Datasets in a bucket: ranges of neighbours, several on their way at once, and written there."""

from __future__ import annotations

import pickle

import pytest

from thunderlike.datasets import (
    FileWriter,
    MsgpackReader,
    ShardedReader,
    ShardWriter,
    Shuffler,
    files,
    write,
)
from thunderlike.errors import NotFound
from thunderlike.formats.msgpack import packb


@pytest.fixture
def place(bucket):
    return f"{bucket}/sets/a.msgpack"


def test_a_dataset_in_a_bucket_is_one_like_any_other(place, samples, monkeypatch):
    monkeypatch.setattr(files, "_RANGE", 500)  # many ranges, of a small dataset
    monkeypatch.setattr(files, "_GAP", 10)
    with FileWriter(place, sums=True) as writer:
        writer.write_many(samples)
    reader = MsgpackReader(place, verify=True)
    assert [packb(sample) for sample in reader] == [packb(sample) for sample in samples]
    assert reader.get(42)["key"] == "k42"
    shuffled = Shuffler(pickle.loads(pickle.dumps(reader)))
    assert [sample["label"] for sample in shuffled][:4] == [57, 76, 27, 11]
    assert [s["label"] for s in reader.get_many([9, 2, 99])] == [9, 2, 99]
    assert reader.verify(samples=True).ok
    with pytest.raises(NotFound):
        MsgpackReader(f"{place}.none")


def test_shards_in_a_bucket(bucket, samples):
    with ShardWriter(f"{bucket}/many/{{}}.msgpack", max_samples=40) as writer:
        writer.write_many(samples)
    assert len(ShardedReader(f"{bucket}/many")) == 100
    write(samples, f"{bucket}/written")
    assert [s["label"] for s in ShardedReader(f"{bucket}/written")] == list(range(100))


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
    reader.__dict__["_file"] = files.Ranged(read, "x", threads=1)
    assert len(list(reader)) == 100
    assert read.asked == [(0, path.stat().st_size)]
    read.asked.clear()
    reader.get_many([99, 3, 50])
    assert len(read.asked) == 1  # small gaps are read, not asked for again
