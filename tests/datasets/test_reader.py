"""Reading: numbers, slices, cursors, keys; missing, cut and damaged files; forks and threads."""

from __future__ import annotations

import copy
import os
import pickle
import random
import threading
from multiprocessing import get_context

import msgspec
import numpy as np
import pytest

from thunderlike import storage
from thunderlike.datasets import FileWriter, MsgpackReader, RawWriter, reindex
from thunderlike.datasets import index as indices
from thunderlike.errors import (
    BadIndexError,
    CorruptDatasetError,
    CorruptSampleError,
    KeyMissingError,
    NotFoundError,
    SpecError,
)
from thunderlike.formats.msgpack import packb


def same(one, other):
    return packb(one) == packb(other)


def keys(found):
    return [sample["key"] for sample in found]


@pytest.fixture(params=["mapped", "positioned", "memory"])
def reader(request, path):
    """The same dataset, read in each of the three ways."""
    if request.param == "memory":
        for file in path.parent.iterdir():
            storage.write(f"memory://reader/{file.name}", file.read_bytes())
        yield MsgpackReader("memory://reader/set.msgpack", verify=True)
        storage.delete("memory://reader")
    else:
        yield MsgpackReader(path, mmap=request.param == "mapped")


def test_every_sample_comes_back(reader, samples):
    assert len(reader) == 100
    assert all(map(same, reader, samples))
    assert list(reader.keys()) == keys(samples)
    assert all(same(reader.get(i), samples[i]) for i in (0, 57, -1, -100))
    assert same(dict(reader.items())["k5"], samples[5])


def test_messages_are_bytes_or_views(reader, samples):
    wanted = [packb(sample) for sample in samples]
    assert list(reader.rawiter()) == wanted
    assert reader.get(3, raw=True, copy=False) == wanted[3]
    assert type(reader.get(3, raw=True)) is bytes
    assert {type(one) for one in reader.slice(0, raw=True)} == {bytes}
    assert {type(one) for one in reader.slice(0, raw=True, copy=False)} == {memoryview}
    assert reader.get(3, yield_key=True, raw=True) == ("k3", wanted[3])


def test_many_at_once_in_any_order(reader, samples):
    wanted = [50, 3, 3, -1, 0]
    assert keys(reader.get_many(wanted)) == ["k50", "k3", "k3", "k99", "k0"]
    assert reader.get_many([]) == []
    order = random.Random(1).sample(range(100), 100)
    assert keys(reader.get_many(np.array(order))) == [f"k{i}" for i in order]
    with pytest.raises(BadIndexError):
        reader.get_many([0, 100])
    with pytest.raises(SpecError):
        reader.get_many([0.5])


@pytest.mark.parametrize("index", [100, -101])
def test_a_number_outside_is_named_with_the_file(reader, index):
    with pytest.raises(BadIndexError, match=rf"index {index} .* 100 samples in .*set.msgpack"):
        reader.get(index)
    with pytest.raises(IndexError):
        reader.seek(index)


@pytest.mark.parametrize("span", [(0, 5), (95, None), (-3, None), (5, 2), (90, 200), (-200, 2)])
def test_slices_are_those_of_a_list(reader, samples, span):
    assert keys(reader.slice(*span)) == keys(samples[span[0] : span[1]])
    for step in (1, 3, -2):
        assert keys(reader[span[0] : span[1] : step]) == keys(samples[span[0] : span[1] : step])


def test_keys_are_found(reader):
    assert [reader.find_index(f"k{i}") for i in range(100)] == list(range(100))
    assert reader.find_key(7) == "k7"
    assert "k7" in reader
    for absent in ("k100", "", 5, None):
        assert absent not in reader
        with pytest.raises(KeyMissingError, match=r"set\.msgpack"):
            reader.find_index(absent)
    reader.seek_key("k42")
    assert next(reader)["key"] == "k42"


def test_a_loop_goes_on_where_it_was_left_and_begins_again_at_the_end(reader, samples):
    for sample in reader:
        if sample["key"] == "k2":
            break
    assert keys(reader) == keys(samples[3:])
    assert keys(reader) == keys(samples)


def test_a_start_sets_the_cursor_to_where_the_loop_stopped(reader):
    assert len(list(reader)) == 100
    assert keys(reader.iter(10, 12)) == ["k10", "k11"]
    assert next(reader)["key"] == "k12"
    assert len(list(reader.iter(0))) == 100
    assert len(list(reader)) == 100  # the reference gives none here
    assert list(reader.iter(100)) == []
    with pytest.raises(BadIndexError):
        reader.iter(101)  # at once, not at the first sample
    with pytest.raises(SpecError):
        reader.iter(chunk_size=0)
    assert keys(reader.iter(-2, chunk_size=1)) == ["k98", "k99"]
    assert keys(reader.iter(96, -2)) == ["k96", "k97"]


def test_next_stops_at_the_end_and_stays_there(reader):
    reader.seek(98)
    assert [reader.next()["key"], packb(reader.get(99))] == ["k98", reader.rawnext()]
    for _ in range(2):
        with pytest.raises(StopIteration):
            next(reader)


def test_a_copy_and_a_pickle_go_on_from_the_same_place(reader):
    next(reader)
    for twin in (copy.copy(reader), copy.deepcopy(reader), pickle.loads(pickle.dumps(reader))):
        assert next(twin)["key"] == "k1"
    assert next(reader)["key"] == "k1"
    other = MsgpackReader(reader.path)
    other.load_state_dict(reader.state_dict())
    assert next(other)["key"] == "k2"


def test_a_closed_reader_opens_again(reader):
    with reader:
        view = next(reader.slice(0, raw=True, copy=False))
    assert bytes(view) == reader.get(0, raw=True)
    assert "MsgpackReader" in repr(reader)


def test_an_empty_dataset(tmp_path):
    with FileWriter(tmp_path / "none.msgpack"):
        pass
    reader = MsgpackReader(tmp_path / "none.msgpack")
    assert (len(reader), list(reader), list(reader.keys()), reader.get_many([])) == (0, [], [], [])
    assert "a" not in reader
    with pytest.raises(BadIndexError):
        reader.get(0)
    assert reader.verify().ok


# Missing files


def without(path, *suffixes):
    for suffix in suffixes:
        path.with_name(path.name + suffix).unlink()


def test_no_data(tmp_path):
    with pytest.raises(NotFoundError):
        MsgpackReader(tmp_path / "none.msgpack")


def test_no_offsets_says_how_to_make_them(path, samples):
    without(path, ".offsets")
    with pytest.raises(NotFoundError, match=f"thunderlike datasets reindex {path}"):
        MsgpackReader(path)
    assert reindex(path) == 100
    assert keys(MsgpackReader(path)) == keys(samples)


def test_what_can_be_done_without_is_done_without(path, samples):
    without(path, ".keys", ".key_hashes", ".filter", ".md5")
    reader = MsgpackReader(path)
    assert list(reader.keys()) == keys(samples)
    assert reader.find_index("k9") == 9
    assert "k9" in reader
    assert "no" not in reader
    with pytest.raises(NotFoundError):
        reader.verify()


def test_an_old_index_is_read(path, samples):
    offsets = indices.load_offsets(path)
    old = dict(zip(keys(samples), offsets[:-1].tolist(), strict=True))
    without(path, ".offsets", ".keys", ".key_hashes", ".filter", ".md5")
    path.with_name(path.name + ".index").write_bytes(msgspec.msgpack.encode(old))
    reader = MsgpackReader(path)
    assert all(map(same, reader, samples))
    assert reader.find_index("k9") == 9
    assert indices.legacy_index_len(path) == 100
    loaded = indices.legacy_load_index(path.with_name(path.name + ".index"))
    np.testing.assert_array_equal(loaded[1], offsets)


# Damaged files


def rewrite(path, suffix, change):
    place = path.with_name(path.name + suffix)
    place.write_bytes(change(place.read_bytes()))


@pytest.mark.parametrize(
    ("suffix", "change"),
    [
        (".offsets", lambda data: data[:-3]),
        (".offsets", lambda data: data[:-8]),
        (".offsets", lambda data: b""),
        (".offsets", lambda data: b"\1" + data[1:]),
        ("", lambda data: data[:-1]),
        ("", lambda data: data + b"x"),
    ],
)
def test_files_that_do_not_belong_together_are_seen_when_opened(path, suffix, change):
    rewrite(path, suffix, change)
    with pytest.raises(CorruptDatasetError):
        MsgpackReader(path)


def test_offsets_that_do_not_ascend_are_seen_at_the_first_sample(path):
    rewrite(path, ".offsets", lambda data: data[:8] + data[16:24] + data[8:16] + data[24:])
    with pytest.raises(CorruptDatasetError, match="not larger"):
        MsgpackReader(path).get(50)


def test_cut_hashes_are_seen_at_the_first_key(path):
    rewrite(path, ".key_hashes", lambda data: data[:-8])
    rewrite(path, ".filter", lambda data: data[:-8])
    reader = MsgpackReader(path)
    with (
        pytest.warns(UserWarning, match="filter is damaged"),
        pytest.raises(CorruptDatasetError, match="99 hashes"),
    ):
        assert "k1" in reader


def test_a_cut_filter_is_done_without(path):
    rewrite(path, ".filter", lambda data: data[:20])
    reader = MsgpackReader(path)
    with pytest.warns(UserWarning, match="continuing without"):
        assert "k1" in reader
    assert "no" not in reader


def test_keys_that_are_objects_or_too_few_are_refused(path):
    forged = packb({b"nd": True, b"type": "|O", b"kind": b"O", b"shape": [1], b"data": b"cos\n."})
    for data in (b"\x91" + forged, forged, b"\x91\x01", packb(["k0"])):
        path.with_name(path.name + ".keys").write_bytes(data)
        with pytest.raises(CorruptDatasetError):
            MsgpackReader(path).find_key(0)


def test_a_sample_that_cannot_be_read_is_named(path):
    at = int(indices.load_offsets(path)[42])
    rewrite(path, "", lambda data: data[:at] + b"\xc1" + data[at + 1 :])
    reader = MsgpackReader(path)
    for read in (lambda: reader.get(42), lambda: list(reader), lambda: reader.get_many([1, 42])):
        with pytest.raises(CorruptSampleError, match=f"sample 42 at bytes {at} to") as caught:
            read()
    error = pickle.loads(pickle.dumps(caught.value))
    assert (error.index, error.offset, error.path) == (42, at, str(path))
    assert isinstance(error, ValueError)
    reader.find_key(0)
    with pytest.raises(CorruptSampleError, match="sample 42 \\('k42'\\)"):
        reader.get(42)


def test_a_forged_object_array_in_a_sample_is_refused(tmp_path):
    forged = packb({b"nd": True, b"type": "|O", b"kind": b"", b"shape": [1], b"data": b"\1" * 8})
    with RawWriter(tmp_path / "a.msgpack") as writer:
        writer.write("k", b"\x82\xa3key\xa1k\xa1x" + forged)
    reader = MsgpackReader(tmp_path / "a.msgpack")
    for read in (lambda: reader.get(0), lambda: list(reader)):
        with pytest.raises(CorruptSampleError, match="object arrays are not read"):
            read()


def test_every_flipped_bit_of_the_data_is_seen_with_sums(path):
    data, draw = path.read_bytes(), random.Random(5)
    for _ in range(60):
        at = draw.randrange(len(data))
        flipped = bytearray(data)
        flipped[at] ^= 1 << draw.randrange(8)
        path.write_bytes(flipped)
        index = int(np.searchsorted(indices.load_offsets(path), at, side="right")) - 1
        reader = MsgpackReader(path, verify=True)
        with pytest.raises(CorruptSampleError) as caught:
            list(reader.slice(0, raw=True, copy=False))
        assert caught.value.index == index
        with pytest.raises(CorruptSampleError):
            reader.get(index)
        assert len(list(reader.slice(0, index))) == index


@pytest.mark.parametrize("suffix", ["", ".offsets", ".keys", ".key_hashes", ".filter"])
def test_every_flipped_byte_of_any_file_is_seen_by_verify(path, suffix):
    place, draw = path.with_name(path.name + suffix), random.Random(6)
    data = place.read_bytes()
    for _ in range(12):
        at = draw.randrange(len(data))
        flipped = bytearray(data)
        flipped[at] ^= 1 << draw.randrange(8)
        place.write_bytes(flipped)
        try:
            report = MsgpackReader(path).verify()
        except CorruptDatasetError:
            continue  # seen earlier still
        assert report.faults == [f"{place}: its md5 differs from the recorded one"]


def test_verify_says_what_it_looked_at(path):
    reader = MsgpackReader(path)
    seen = []
    report = reader.verify(samples=True, progress=lambda *steps: seen.append(steps))
    assert report.ok
    assert len(report.checked) == 7
    assert "samples" in report.checked
    assert seen[0] == (path.stat().st_size, path.stat().st_size)
    assert reader.verify_data()
    assert reader.verify_index()
    rewrite(path, ".keys", lambda data: data.replace(b"k1", b"kk"))
    assert reader.verify_data()
    assert not reader.verify_index()


# Many readers at once


def _read_all(reader, seed, wrong):
    draw = random.Random(seed)
    for _ in range(400):
        i = draw.randrange(100)
        if reader.get(i)["label"] != i:
            wrong.append(i)


def _child(reader, seed):
    wrong = []
    _read_all(reader, seed, wrong)
    os._exit(len(wrong))


@pytest.mark.parametrize("mapped", [True, False])
def test_forks_and_threads_read_through_one_reader(path, mapped):
    reader = MsgpackReader(path, mmap=mapped)
    reader.get(0)  # opened before
    fork = get_context("fork")
    children = [fork.Process(target=_child, args=(reader, seed)) for seed in range(4)]
    for child in children:
        child.start()
    wrong = []
    threads = [threading.Thread(target=_read_all, args=(reader, s, wrong)) for s in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for child in children:
        child.join()
    assert [child.exitcode for child in children] == [0] * 4
    assert wrong == []


def test_hashing_shows_how_far_it_is_or_tells_a_function(path, capsys):
    reader, calls = MsgpackReader(path), []
    for progress in (True, False, None, lambda *done: calls.append(done)):
        assert reader.verify_data(progress=progress)
        assert reader.verify_index(progress=progress)
    assert calls[0] == (path.stat().st_size, path.stat().st_size)
    assert reader.verify(progress=True).ok


def test_samples_without_a_key_are_named_when_keys_are_read_from_them(path):
    for suffix in (".keys", ".offsets", ".key_hashes", ".filter", ".md5", ".sums"):
        path.with_name(path.name + suffix).unlink()
    path.write_bytes(b"\x81\xa3key\xa1a\x05")
    indices.write_offsets([0, 7, 8], path)
    with pytest.raises(CorruptSampleError, match="sample 1 at bytes 7 to 7: it has no 'key'"):
        MsgpackReader(path).find_key(0)
