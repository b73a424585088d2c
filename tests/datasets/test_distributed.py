"""Datasets to and from collections and RDDs, on every engine."""

from __future__ import annotations

import json
from functools import partial

import numpy as np
import pytest

import thunderlike as tl
from thunderlike import storage
from thunderlike.datasets import ListReader, MsgpackReader, ShardedReader, Shuffler, distributed
from thunderlike.datasets.sharded import MANIFEST
from thunderlike.errors import ExistsError, SpecError
from thunderlike.formats import npy

FRAMES = np.arange(9 * 4 * 5, dtype="int16").reshape(9, 4, 5)


def test_images_go_out_and_come_back(engine, tmp_path):
    movie = tl.images.fromarray(FRAMES, engine=engine)
    tl.datasets.write(movie, tmp_path / "d", sums=True)
    reader = ShardedReader(tmp_path / "d")
    assert list(reader.keys()) == [f"{i:05d}" for i in range(9)]
    assert all(shard.verify(samples=True).ok for shard in reader.shards)
    manifest = json.loads((tmp_path / "d" / MANIFEST).read_text("utf-8"))
    assert sum(one["samples"] for one in manifest["shards"]) == 9
    back = tl.images.fromdataset(reader, engine=engine, labels=list(reader.keys()))
    np.testing.assert_array_equal(back.toarray(), FRAMES)
    assert back.dtype == "int16"
    assert list(back.labels) == list(reader.keys())
    with pytest.raises(ExistsError):
        tl.datasets.write(movie, tmp_path / "d")
    tl.datasets.write(movie[:3], tmp_path / "d", overwrite=True, field="x")
    assert list(ShardedReader(tmp_path / "d").get(2)) == ["key", "x"]


def test_series_go_out_and_come_back(engine, tmp_path):
    values = np.arange(24.0).reshape(2, 3, 4)
    tl.datasets.write(tl.series.fromarray(values, engine=engine), tmp_path / "d", field="trace")
    reader = ShardedReader(tmp_path / "d")
    assert list(reader.keys())[:2] == ["00000-00000", "00000-00001"]
    back = tl.series.fromdataset(reader, "trace", index=range(4), engine=engine)
    np.testing.assert_array_equal(back.toarray(), values.reshape(6, 4))


def test_a_view_comes_in_its_order(engine, tmp_path):
    tl.datasets.write(tl.images.fromarray(FRAMES), tmp_path / "d")
    shuffled = Shuffler(ShardedReader(tmp_path / "d"))
    wanted = [int(key) for key in shuffled.keys()]  # noqa: SIM118  # a reader, not a dict
    assert wanted != sorted(wanted)
    np.testing.assert_array_equal(
        tl.images.fromdataset(shuffled, engine=engine).toarray(), FRAMES[wanted]
    )


def test_files_in_samples_are_decoded():
    files = ListReader([{"key": str(i), "file": npy.encode(one)} for i, one in enumerate(FRAMES)])
    np.testing.assert_array_equal(tl.images.fromdataset(files, "file").toarray(), FRAMES)


@pytest.mark.parametrize(
    ("samples", "found"),
    [
        ([], "no samples"),
        ([{"key": "a", "x": 1}], "no field 'data'; it has 'key', 'x'"),
        ([{"key": "a", "data": np.zeros((1,) * 5)}], "1 to 4 axes"),
        ([{"key": "a", "data": b"??"}], "not one of tiff, png, npy"),
        ([{"key": str(n), "data": np.zeros((2, n))} for n in (2, 3)], r"sample 1 .* \(2, 3\)"),
    ],
)
def test_what_is_no_image_is_said(samples, found):
    with pytest.raises(SpecError, match=found):
        tl.images.fromdataset(ListReader(samples)).toarray()


@pytest.mark.parametrize("name", ["local", "disk", "auto"])
def test_engines_in_one_process_iterate_over_samples(name):
    reader = ListReader([{"key": key} for key in "abc"])
    samples = tl.datasets.tordd(reader, 2, engine=name)
    assert [sample["key"] for sample in samples] == ["a", "b", "c"]


def test_any_samples_go_out():
    tl.datasets.write([{"key": "a"}, {"key": "b"}], "memory://any")
    assert list(ShardedReader("memory://any").keys()) == ["a", "b"]
    tl.datasets.write([], "memory://any", overwrite=True)
    assert len(ShardedReader("memory://any")) == 0


@pytest.mark.spark
def test_samples_of_an_rdd(spark_context, tmp_path):
    rdd = spark_context.parallelize(range(100), 7).map(lambda i: {"key": f"k{i}", "n": i})
    tl.datasets.write(rdd, tmp_path / "d")
    reader = ShardedReader(tmp_path / "d")
    assert [sample["n"] for sample in reader] == list(range(100))
    assert len(reader.shards) == 7
    back = tl.datasets.tordd(reader, 5, engine=spark_context)
    assert back.getNumPartitions() == 5
    assert back.map(lambda sample: sample["n"]).collect() == list(range(100))
    assert tl.datasets.tordd(reader.shards[0].path, engine=spark_context).count() == 14
    tl.datasets.write(rdd, "memory://rdd")  # no worker sees it: written from here
    assert [sample["n"] for sample in ShardedReader("memory://rdd")] == list(range(100))
    storage.delete("memory://rdd")


@pytest.mark.spark
def test_a_key_in_two_parts_is_found_and_nothing_is_left(spark_context, tmp_path):
    rdd = spark_context.parallelize([{"key": "a"}, {"key": "b"}, {"key": "a"}], 3)
    with pytest.raises(SpecError, match="same key"):
        tl.datasets.write(rdd, tmp_path / "d")
    assert list(tmp_path.iterdir()) == []


def test_what_an_attempt_left_that_did_not_count_is_removed(tmp_path):
    shard = partial(distributed._write_shard, str(tmp_path), {})
    shard(0, "lost", [{"key": "x"}])
    summary = shard(0, "good", [{"key": "a"}])
    distributed._remove_superseded(str(tmp_path), [summary])
    left = {path.name for path in tmp_path.iterdir()}
    assert {name.partition(".")[0] for name in left} == {"part-00000-good"}
    assert len(left) == 6
    assert list(MsgpackReader(tmp_path / "part-00000-good.msgpack").keys()) == ["a"]
