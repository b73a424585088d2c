"""Readers of lists, folders, archives and shards."""

from __future__ import annotations

import copy
import json
import pickle
import tarfile
import zipfile
from concurrent.futures import ThreadPoolExecutor

import pytest

from thunderlike import storage
from thunderlike.datasets import (
    DirectoryReader,
    FileWriter,
    ListReader,
    MsgpackReader,
    ShardedReader,
    ShardWriter,
    TarReader,
    ZipFileReader,
)
from thunderlike.datasets.sharded import MANIFEST
from thunderlike.errors import (
    CorruptDatasetError,
    CorruptSampleError,
    ExistsError,
    KeyMissingError,
    NotFoundError,
    SpecError,
)
from thunderlike.formats.msgpack import packb

# Lists


def test_a_list_is_not_changed_and_keys_are_text(tmp_path):
    given = [{"x": 1}, {"key": "b"}]
    reader = ListReader(given, initfun=lambda sample: sample.update(seen=True))
    assert given == [{"x": 1}, {"key": "b"}]
    assert list(reader) == [{"x": 1, "key": "0", "seen": True}, {"key": "b", "seen": True}]
    assert reader.get(1, raw=True) == packb({"key": "b", "seen": True})
    with FileWriter(tmp_path / "l.msgpack") as writer:
        writer.write_many(reader)
    with pytest.raises(SpecError, match="0 and 2 have the same key 'a'"):
        ListReader([{"key": "a"}, {}, {"key": "a"}])


def test_labels_become_numbers_in_natural_order(tmp_path):
    pets = [{"key": k, "label": f"l{k}"} for k in ("10", "9", "1")]
    assert [s["label"] for s in ListReader(pets)] == [2, 1, 0]
    assert ListReader(pets).get(0) == {"key": "10", "label": 2, "_label": "l10"}
    assert ListReader(pets, numeric_labels=False).get(0) == pets[0]
    names = tmp_path / "labels.txt"
    names.write_text("l9 \nl10\nl1\n", "utf-8")
    for labels in (["l9", "l10", "l1"], names):
        assert [s["label"] for s in ListReader(pets, labels)] == [1, 0, 2]
    assert ListReader([{"key": "a", "label": 5}], labels=["5"]).get(0)["label"] == 0
    with pytest.raises(SpecError, match="'10': unknown label 'l10'"):
        ListReader(pets, labels=["l9"])
    with pytest.raises(SpecError, match="None"):
        ListReader([{"label": None}])


def test_a_converted_sample_is_a_copy():
    reader = ListReader([{"key": "a"}], convertfun=lambda s: s.update(n=1))
    assert reader.get(0) == {"key": "a", "n": 1}
    assert reader.get(0) is not reader.get(0)
    assert "a" in reader
    with pytest.raises(KeyMissingError):
        reader.find_index("b")


# Files

TREE = {"a/1.txt": b"one", "a/10.txt": b"ten", "a/9.txt": b"nine", "b/a/x.bin": b"x", "b/.h": b""}


@pytest.fixture
def tree(tmp_path):
    for name, data in TREE.items():
        (tmp_path / "t" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "t" / name).write_bytes(data)
    return tmp_path / "t"


@pytest.fixture
def archives(tree, tmp_path):
    with zipfile.ZipFile(tmp_path / "t.zip", "w") as archive:
        archive.mkdir("empty")
        for name, data in TREE.items():
            archive.writestr(name, data)
    with tarfile.open(tmp_path / "t.tar", "w") as archive:
        for name in TREE:
            archive.add(tree / name, name)
    return {ZipFileReader: tmp_path / "t.zip", TarReader: tmp_path / "t.tar"}


def test_folders_are_labels_and_files_come_in_natural_order(tree):
    reader = DirectoryReader(f"{tree}/{{LABEL}}/**")
    assert list(reader.keys()) == ["a/1.txt", "a/9.txt", "a/10.txt", "b/a/x.bin"]
    assert reader.get(1) == {
        "key": "a/9.txt",
        "label": 0,
        "path": f"{tree}/a/9.txt",
        "_additional_info": [],
        "_label": "a",
        "data": b"nine",
    }
    assert list(reader.get(1)) == ["key", "label", "path", "_additional_info", "_label", "data"]
    assert [s["label"] for s in reader] == [0, 0, 0, 1]
    assert reader.bytes_read > 0
    assert list(pickle.loads(pickle.dumps(reader)).keys()) == list(reader.keys())


def test_no_label_is_no_label(tree):
    reader = DirectoryReader(f"{tree}/**/*.txt")
    assert list(reader.keys()) == ["a/1.txt", "a/9.txt", "a/10.txt"]
    assert "label" not in reader.get(0)


def test_files_are_chosen(tree):
    reader = DirectoryReader(f"{tree}/{{LABEL}}/**", include=["*.txt"], exclude=["*/1.*", "*10*"])
    assert list(reader.keys()) == ["a/9.txt"]
    with pytest.raises(NotFoundError, match="allow_empty"):
        DirectoryReader(f"{tree}/none/*")
    assert len(DirectoryReader(f"{tree}/none/*", allow_empty=True)) == 0


def test_several_patterns_lose_what_they_share(tree):
    reader = DirectoryReader([f"{tree}/a/*", f"{tree}/b/a/*"])
    assert list(reader.keys()) == ["a/1.txt", "a/9.txt", "a/10.txt", "b/a/x.bin"]


def test_a_list_names_files_labels_and_more(tree, tmp_path):
    listed = tmp_path / "list.csv"
    listed.write_text("a/9.txt,nine,u,v\nb/a/x.bin,x\n", "utf-8")
    reader = DirectoryReader(listed, separator=",", root_dir=tree)
    assert list(reader.keys()) == ["a/9.txt", "b/a/x.bin"]
    assert reader.get(0)["_additional_info"] == ["u", "v"]
    assert [(s["_label"], s["data"]) for s in reader] == [("nine", b"nine"), ("x", b"x")]
    (tree / "a" / "9.txt").unlink()
    with pytest.raises(NotFoundError, match=r"9\.txt"):
        reader.get(0)


@pytest.mark.parametrize("kind", [ZipFileReader, TarReader])
def test_members_of_archives(archives, kind):
    reader = kind(archives[kind])
    assert list(reader.keys()) == ["a/1.txt", "a/9.txt", "a/10.txt", "b/.h", "b/a/x.bin"]
    assert [s["data"] for s in reader] == list(map(TREE.get, reader.keys()))
    for twin in (copy.copy(reader), pickle.loads(pickle.dumps(reader))):
        assert twin.get(1)["data"] == b"nine"
        twin.close()
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda i: reader.get(i % 5)["data"], range(200)))
    assert found == [TREE[reader.find_key(i % 5)] for i in range(200)]
    reader.close()
    assert reader.get(0)["data"] == b"one"
    reader.close()
    with kind(archives[kind], "a/*", exclude=["*9*"]) as some:
        assert list(some.keys()) == ["a/1.txt", "a/10.txt"]
    with pytest.raises(NotFoundError):
        kind(f"{archives[kind]}.no")


def test_a_damaged_member_is_named(archives):
    path = archives[ZipFileReader]
    path.write_bytes(path.read_bytes().replace(b"nine", b"mine", 1))
    reader = ZipFileReader(path)
    with pytest.raises(CorruptSampleError, match=r"a/9\.txt"):
        reader.get(1)
    reader.close()


# Shards


@pytest.fixture
def shards(tmp_path):
    with ShardWriter(tmp_path / "s" / "s{:d}.msgpack", max_samples=3) as writer:
        writer.write_many({"key": str(i)} for i in range(33))
        assert writer.written == 33
    return tmp_path / "s"


def test_shards_are_one_dataset(shards):
    for given in (shards, f"{shards}/s*.msgpack", f"{shards}/s{{0..10}}.msgpack"):
        reader = ShardedReader(given)
        assert list(reader.keys()) == [str(i) for i in range(33)]  # s10 comes after s9
        assert [s["key"] for s in reader] == [str(i) for i in range(33)]
    assert reader.get(-1) == {"key": "32"}
    assert [reader.find_index(str(i)) for i in range(33)] == list(range(33))
    assert [s["key"] for s in reader.get_many([32, 0, 1, 16])] == ["32", "0", "1", "16"]
    with pytest.raises(KeyMissingError):
        reader.find_index("33")
    reader.seek(0)
    next(reader)
    assert next(pickle.loads(pickle.dumps(reader))) == {"key": "1"}
    with reader:
        assert len(reader.shards) == 11


def test_what_does_not_match_is_said(shards):
    for given in (f"{shards}/no*.msgpack", f"{shards}/s{{0..11}}.msgpack", []):
        with pytest.raises(NotFoundError):
            ShardedReader(given)
    (shards / MANIFEST).write_text("{}", "utf-8")
    with pytest.raises(CorruptDatasetError, match="not a list of shards"):
        ShardedReader(shards)


def test_empty_shards_and_many_shards(tmp_path, monkeypatch):
    monkeypatch.setattr("thunderlike.datasets.sharded._KEPT", 2)
    for number, count in enumerate([0, 2, 0, 1, 1, 0]):
        with FileWriter(tmp_path / f"{number}.msgpack") as writer:
            writer.write_many({"key": f"{number}-{i}"} for i in range(count))
    reader = ShardedReader(tmp_path / "*.msgpack")
    assert [s["key"] for s in reader] == ["1-0", "1-1", "3-0", "4-0"]
    assert [reader.get(i)["key"] for i in (3, 0, 2, 1)] == ["4-0", "1-0", "3-0", "1-1"]
    opened = [shard for shard in reader.shards if "_file" in vars(shard)]
    assert len(opened) <= 2


def test_a_key_in_two_shards(shards):
    twice = [shards / "s1.msgpack", MsgpackReader(shards / "s0.msgpack"), shards / "s0.msgpack"]
    with pytest.raises(CorruptDatasetError, match="samples 3 and 6"):
        ShardedReader(twice).find_index("0")
    assert ShardedReader(twice, duplicate_keys="first").find_index("0") == 3
    with pytest.raises(SpecError):
        ShardedReader(twice, duplicate_keys="last")


def test_the_manifest_comes_last_and_says_what_there_is(tmp_path):
    place = tmp_path / "part-{}.msgpack"
    with ShardWriter(place, max_bytes=100) as writer:
        writer.write_many({"key": str(i), "x": bytes(40)} for i in range(5))
        assert not (tmp_path / MANIFEST).exists()
    manifest = json.loads((tmp_path / MANIFEST).read_text("utf-8"))
    assert manifest["format"] == 1
    assert [one["name"] for one in manifest["shards"]] == [
        f"part-0000{i}.msgpack" for i in range(3)
    ]
    assert [one["samples"] for one in manifest["shards"]] == [2, 2, 1]
    assert MsgpackReader(tmp_path / "part-00000.msgpack").verify().ok
    with pytest.raises(ExistsError):
        ShardWriter(place, 3)
    with pytest.raises(KeyMissingError), ShardWriter(place, 1, overwrite=True) as writer:
        writer.write_many([{"key": "a"}, {"no": "key"}])
    assert json.loads((tmp_path / MANIFEST).read_text("utf-8")) == manifest
    assert list(ShardedReader(tmp_path).keys()) == list("01234")
    with ShardWriter(place, 4, overwrite=True) as writer:
        writer.write_many({"key": f"new{i}"} for i in range(5))
        assert list(ShardedReader(tmp_path).keys()) == list("01234")
    assert [len(shard) for shard in ShardedReader(tmp_path).shards] == [4, 1]
    suffixes = {"", ".offsets", ".keys", ".key_hashes", ".filter", ".md5"}
    names = {f"part-0000{i}.msgpack{suffix}" for i in range(2) for suffix in suffixes}
    assert {file.name for file in tmp_path.iterdir()} == {*names, MANIFEST}
    with (
        pytest.raises(SpecError, match="same key"),
        ShardWriter(place, 1, overwrite=True) as writer,
    ):
        writer.write_many([{"key": "a"}, {"key": "a"}])
    for pattern, limit in ((tmp_path / "x.msgpack", 1), (place, None)):
        with pytest.raises(SpecError):
            ShardWriter(pattern, limit)


def test_shards_in_memory(samples):
    with ShardWriter("memory://shards/{}.msgpack", max_samples=40) as writer:
        writer.write_many(samples)
    assert len(ShardedReader("memory://shards")) == 100
    storage.delete("memory://shards")
