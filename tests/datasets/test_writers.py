"""Writing: golden bytes, what is refused, and old or new but never a mix."""

from __future__ import annotations

import contextlib
import datetime
import gc
import multiprocessing
import os
import random
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from thunderlike import storage
from thunderlike.datasets import (
    FileWriter,
    MsgpackReader,
    RawWriter,
    Writer,
    _data_file,
    check,
    operations,
    reindex,
)
from thunderlike.datasets import index as indices
from thunderlike.errors import (
    CorruptDatasetError,
    DatasetError,
    ExistsError,
    KeyMissingError,
    NotFoundError,
    SpecError,
    StorageError,
    WrongTypeError,
)
from thunderlike.formats import dataset_files as layout
from thunderlike.formats.msgpack import packb
from thunderlike.progress import subscribe

# Written by datadings 3.4.7 from the samples of `golden`.
GOLDEN = {
    "": "82a36b6579a161a56c6162656c0182a36b6579a3c3a962a178c403000102",
    ".offsets": "0000000000000000000000000000000e000000000000001e",
    ".keys": "92a161a3c3a962",
    ".key_hashes": "652e530edee5893b953ffc3d1368ba748202315e59f83a25",
    ".filter": "53494d50424c4f4f000000000000002100000000000000023fe0000000000000e9",
    ".md5": b"""\
ecb80e0085080f1c23cc18e902e3ea23  g.msgpack
4e217b3bdf4b6956954e76dfce60eb38  g.msgpack.offsets
eeab6767e4d8fe15bd7eb1c70c1c378d  g.msgpack.keys
b2f412652078838a68fd3da8b8a24533  g.msgpack.key_hashes
390a6e952c5c61691d6efcbf20945ed2  g.msgpack.filter
""".hex(),
}


def golden():
    return [{"key": "a", "label": 1}, {"key": "éb", "x": b"\0\1\2"}]


def files(folder):
    return {file.name: file.read_bytes() for file in Path(folder).iterdir()}


def keys(path):
    return list(MsgpackReader(path).keys())


def test_the_bytes_are_those_of_datadings(tmp_path):
    with FileWriter(tmp_path / "g.msgpack") as writer:
        writer.write_many(golden())
    assert {
        name.removeprefix("g.msgpack"): d.hex() for name, d in files(tmp_path).items()
    } == GOLDEN


def test_an_empty_dataset_has_the_files_of_datadings(tmp_path):
    with FileWriter(tmp_path / "n.msgpack"):
        pass
    sizes = {name.removeprefix("n.msgpack"): len(data) for name, data in files(tmp_path).items()}
    assert sizes.pop(".md5") > 0
    assert sizes == {"": 0, ".offsets": 8, ".keys": 1, ".key_hashes": 8, ".filter": 33}


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
SAMPLES = st.lists(
    st.tuples(st.text(), st.dictionaries(st.text(), VALUES, max_size=3)),
    max_size=6,
    unique_by=lambda pair: pair[0],
)


@given(SAMPLES)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_written_is_read(pairs):
    samples = [{**values, "key": key} for key, values in pairs]
    with FileWriter("memory://drawn/a.msgpack", overwrite=True, sums=True) as writer:
        writer.write_many(samples)
    reader = MsgpackReader("memory://drawn/a.msgpack", verify=True)
    assert list(reader) == samples
    assert [reader.find_index(key) for key, _ in pairs] == list(range(len(pairs)))
    assert check("memory://drawn/a.msgpack", samples=True).ok


def test_messages_that_are_packed_already(tmp_path):
    with RawWriter(tmp_path / "r.msgpack", check=True) as writer:
        writer.write("a", packb({"key": "a"}))
        writer.write_many([("b", memoryview(packb({"key": "b"})))])
        for key, data, error in (
            ("c", packb({"key": "x"}), SpecError),
            ("c", b"\xc1", SpecError),
            ("c", b"\xa1", SpecError),
            ("c", "text", WrongTypeError),
        ):
            with pytest.raises(error, match="'c'"):
                writer.write(key, data)
        assert writer.written == 2
    assert keys(tmp_path / "r.msgpack") == ["a", "b"]


# What is refused


def test_a_refused_sample_leaves_the_others(tmp_path):
    with FileWriter(tmp_path / "w.msgpack") as writer:
        writer.write({"key": "a"})
        with pytest.raises(SpecError, match="samples 0 and 1 have the same key 'a'"):
            writer.write({"key": "a"})
        with pytest.raises(WrongTypeError, match="a key is text, not 5"):
            writer.write({"key": 5})
        with pytest.raises(KeyMissingError):
            writer.write({"label": 5})
        with pytest.raises(WrongTypeError, match=r"sample 'b': .*set"):
            writer.write({"key": "b", "x": {1}})
        writer.write({"key": "b"})
    assert keys(tmp_path / "w.msgpack") == ["a", "b"]


def test_too_large_and_too_many_are_refused_before_they_are_written(tmp_path, monkeypatch):
    monkeypatch.setattr(layout, "MOST", 100)
    with FileWriter(tmp_path / "w.msgpack") as writer:
        with pytest.raises(SpecError, match="sample 'big'"):
            writer.write({"key": "big", "x": bytes(100)})
        writer.write({"key": "a"})
        writer.write({"key": "b"})
        monkeypatch.setattr(layout, "MOST", 2)
        with pytest.raises(DatasetError, match="use shards"):
            writer.write({"key": "c"})
    assert keys(tmp_path / "w.msgpack") == ["a", "b"]


def test_a_file_that_is_there_is_kept(tmp_path):
    place = tmp_path / "w.msgpack"
    with FileWriter(place) as writer:
        writer.write({"key": "a"})
    before = files(tmp_path)
    with pytest.raises(ExistsError, match="overwrite=True"):
        FileWriter(place)
    with pytest.raises(SpecError, match="unknown digest"):
        FileWriter(place, overwrite=True, digest="crc")
    with pytest.raises(KeyMissingError), FileWriter(place, overwrite=True) as writer:
        writer.write_many([{"key": "b"}, {"no": "key"}])
    assert files(tmp_path) == before


def test_closing_and_giving_up_twice_does_nothing(tmp_path):
    writer = FileWriter(tmp_path / "a" / "w.msgpack")
    writer.write({"key": "a"})
    writer.close()
    writer.close()
    writer.abort()
    with pytest.raises(DatasetError, match="closed"):
        writer.write({"key": "b"})
    assert keys(tmp_path / "a" / "w.msgpack") == ["a"]
    other = FileWriter(tmp_path / "b.msgpack")
    other.abort()
    other.close()
    assert not (tmp_path / "b.msgpack").exists()


def test_a_forgotten_writer_gives_up_and_says_so(tmp_path):
    forgotten = [FileWriter(tmp_path / "w.msgpack")]
    forgotten[0].write({"key": "a"})
    with pytest.warns(ResourceWarning, match="never closed"):
        forgotten.clear()
    assert files(tmp_path) == {}


def test_a_full_disk_is_reported_and_nothing_is_left(tmp_path, monkeypatch):
    def full(self, batch):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(_data_file.Part, "_write", full)
    with (
        pytest.raises(StorageError, match=r"w\.msgpack: the disk is full"),
        FileWriter(tmp_path / "w.msgpack") as writer,
    ):
        writer.write({"key": "a"})
    assert files(tmp_path) == {}


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        ({"boxes": [1, {2}]}, r"field \['x'\]\['boxes'\]\[1\]: .*set; store list\(value\)"),
        (datetime.date(2020, 1, 1), r"field \['x'\]: .*date; store value\.isoformat"),
        (Path("a"), r"field \['x'\]: .*Path; store str\(value\)"),
        (2**70, r"field \['x'\]: .*64 bits.*; store str\(value\)"),
        (object(), r"field \['x'\]: .*object; store numbers, text"),
        (np.array([None]), r"field \['x'\]: .*objects.*; store value\.tolist"),
    ],
)
def test_a_value_that_cannot_be_stored_is_named_with_its_place(value, fault):
    writer = FileWriter("memory://refused.msgpack")
    with pytest.raises(SpecError, match=f"sample 'b': {fault}"):
        writer.write({"key": "b", "x": value})
    writer.abort()


# Options


@pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning")
def test_options_of_printers_are_taken_and_others_refused(tmp_path):
    more = {"unit": "images", "bar_format": "{desc}", "miniters": 5, "smoothing": 0.1, "ncols": 80}
    with FileWriter(tmp_path / "w.msgpack", total=1, progress=True, **more) as writer:
        writer.write({"key": "a"})
    for kind in (FileWriter, RawWriter):
        with pytest.raises(WrongTypeError, match="unknown option 'uint'"):
            kind(tmp_path / "x.msgpack", uint="images")
        with pytest.raises(TypeError):
            kind()
    with pytest.raises(TypeError, match="abstract"):
        Writer(tmp_path / "x.msgpack")
    gc.collect()
    assert sorted(file.name for file in tmp_path.glob("x*")) == []


@pytest.mark.parametrize("digest", ["sha256", "blake2b", None])
def test_other_digests_have_files_of_their_own(tmp_path, digest):
    place = tmp_path / "w.msgpack"
    for _ in range(2):
        with FileWriter(place, overwrite=True, digest=digest) as writer:
            writer.write({"key": "a"})
    assert not (tmp_path / "w.msgpack.md5").exists()
    if digest is None:
        with pytest.raises(NotFoundError):
            MsgpackReader(place).verify()
    else:
        assert MsgpackReader(place).verify().ok
        with FileWriter(place, overwrite=True):
            pass
        assert not (tmp_path / f"w.msgpack.{digest}").exists()


def test_progress_is_reported_to_a_function_and_as_events(tmp_path, monkeypatch):
    monkeypatch.setattr("thunderlike.datasets.writer._BATCH", 100)
    calls, events = [], []
    with (
        subscribe(events.append),
        FileWriter(tmp_path / "w.msgpack", progress=lambda *n: calls.append(n), total=9) as writer,
    ):
        writer.write_many({"key": str(i), "x": bytes(60)} for i in range(9))
    assert calls[0][0] == 2
    assert calls[-1] == (9, (tmp_path / "w.msgpack").stat().st_size)
    assert (events[-1].done, events[-1].total, events[-1].finished) == (9, 9, True)


# Adding


def test_adding_is_as_if_all_had_been_written_at_once(tmp_path):
    whole, parted = tmp_path / "a" / "x.msgpack", tmp_path / "b" / "x.msgpack"
    samples = [{"key": f"k{i}", "x": bytes(i)} for i in range(30)]
    with FileWriter(whole, sums=True) as writer:
        writer.write_many(samples)
    with FileWriter(parted, append=True, sums=True) as writer:
        writer.write_many(samples[:10])
    for part in (samples[10:11], samples[11:]):
        with FileWriter(parted, append=True) as writer:
            with pytest.raises(SpecError, match="unique"):
                writer.write(samples[0])
            writer.write_many(part)
    assert files(whole.parent) == files(parted.parent)


def test_adding_in_vain_leaves_all_as_it_was(path):
    before = files(path.parent)
    with pytest.raises(KeyMissingError), FileWriter(path, append=True) as writer:
        writer.write_many([{"key": "new", "x": bytes(5_000_000)}, {"no": "key"}])
    assert files(path.parent) == before


def test_a_killed_append_leaves_the_old_samples_and_the_next_one_heals(path):
    writer = FileWriter(path, append=True)
    writer.write({"key": "lost", "x": bytes(5_000_000)})
    writer._part.finish()
    writer._open = False  # killed here,
    writer._staging.close()  # which releases the lock
    with path.open("rb") as file:
        assert file.seek(0, os.SEEK_END) > 5_000_000
    assert len(MsgpackReader(path)) == 100
    assert check(path, samples=True).ok
    with FileWriter(path, append=True) as writer:
        writer.write({"key": "new"})
    assert keys(path)[-1] == "new"
    assert MsgpackReader(path).verify().ok


def test_adding_to_what_is_damaged_or_elsewhere_is_refused(path):
    damaged = bytearray(path.read_bytes())
    damaged[9] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(CorruptDatasetError, match="nothing was added"):
        FileWriter(path, append=True)
    storage.write("memory://there.msgpack", b"")
    with pytest.raises(SpecError, match="write a shard"):
        FileWriter("memory://there.msgpack", append=True)
    storage.delete("memory://there.msgpack")


# Killed


def _write(kind, place, count):
    if kind == "merging":
        operations.merge([place.parent / "part.msgpack"], place, overwrite=True)
        return
    options = {"overwrite": True} if kind == "overwriting" else {"append": kind == "appending"}
    with FileWriter(place, **options) as writer:
        for i in range(count):
            writer.write({"key": f"new{i}", "x": bytes(20_000)})


@pytest.mark.parametrize("kind", ["writing", "overwriting", "appending", "merging"])
def test_a_kill_leaves_old_or_new_and_never_a_mix(tmp_path, kind):
    """Each round kills at another moment; three outcomes may be seen, all of them whole."""
    draw, fork = random.Random(kind), multiprocessing.get_context("fork")
    for number in range(int(os.environ.get("THUNDERLIKE_KILLS", "4"))):
        place = tmp_path / str(number) / "x.msgpack"
        old = [f"old{i}" for i in range(20)]
        if kind != "writing":
            with FileWriter(place) as writer:
                writer.write_many({"key": key, "x": bytes(10)} for key in old)
        if kind == "merging":
            _write("writing", place.parent / "part.msgpack", 400)
        child = fork.Process(target=_write, args=(kind, place, 400))
        child.start()
        time.sleep(draw.random() * 0.06)
        os.kill(child.pid, signal.SIGKILL)
        child.join()
        new = (old if kind == "appending" else []) + [f"new{i}" for i in range(400)]
        _whole(place, [[] if kind == "writing" else old, new])


def _whole(place, outcomes):
    try:
        found = keys(place)
    except NotFoundError:
        if not place.exists():
            assert [] in outcomes
            return
        reindex(place)  # between the removal of one index and the writing of the other
        found = keys(place)
    assert found in outcomes
    assert check(place, samples=True).ok


# The index functions


def test_index_functions_take_either_path(path, tmp_path):
    for suffix, load in (
        (".keys", indices.load_keys),
        (".keys", indices.keys_len),
        (".offsets", indices.load_offsets),
        (".key_hashes", lambda place: indices.load_key_hashes(place)[1]),
    ):
        sidecar = path.with_name(path.name + suffix)
        np.testing.assert_array_equal(load(path), load(sidecar))
    assert "k1" in indices.load_filter(path)
    other = tmp_path / "other.msgpack"
    names = indices.load_keys(path)
    assert indices.write_keys(names, other) == Path(f"{other}.keys")
    assert indices.write_keys(names, "memory://other.msgpack") == "memory://other.msgpack.keys"
    indices.write_offsets(indices.load_offsets(path), other)
    indices.write_key_hashes(names, other)
    indices.write_filter(names, other)
    for suffix in (".keys", ".offsets", ".key_hashes", ".filter"):
        assert Path(f"{other}{suffix}").read_bytes() == Path(f"{path}{suffix}").read_bytes()


@pytest.mark.parametrize("count", [0, 15, 16, 65_535, 65_536])
def test_the_number_of_keys_stands_at_their_beginning(count):
    data = layout.encode_keys([""] * count)
    assert layout.keys_count(data[:5]) == count


def test_a_key_that_comes_twice_has_no_hashes():
    with pytest.raises(SpecError, match="separates all keys"):
        layout.hash_keys(["a", "a"], max_tries=3)
    salt, hashes = layout.hash_keys(["a", "b"])
    assert (salt.hex(), hashes[0]) == ("652e530edee5893b", layout.hash_string("a", salt))


def test_an_index_is_rebuilt_byte_for_byte(path):
    before = files(path.parent)
    for suffix in (".offsets", ".keys", ".key_hashes", ".filter", ".md5"):
        Path(f"{path}{suffix}").unlink()
    assert reindex(path) == 100
    after = files(path.parent)
    after.pop("set.msgpack.md5")
    assert after == {k: v for k, v in before.items() if k in after}
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(CorruptDatasetError, match="sample 99"):
        reindex(path)


class Killed(BaseException):
    """Ends a writer between two steps of publishing, as a kill does."""


@pytest.mark.parametrize("kind", ["overwriting", "appending"])
@pytest.mark.parametrize("steps", range(14))
def test_no_step_of_publishing_shows_a_mix(tmp_path, monkeypatch, kind, steps):
    place, left = tmp_path / "x.msgpack", iter(range(steps))
    with FileWriter(place) as writer:
        writer.write_many({"key": f"old{i}"} for i in range(20))
    options = {"overwrite": True} if kind == "overwriting" else {"append": True}
    writer = FileWriter(place, **options)
    writer.write_many({"key": f"new{i}", "x": bytes(99)} for i in range(9))

    def stepwise(step):
        def taken(*words):
            if next(left, None) is None:
                raise Killed
            return step(*words)

        return taken

    with monkeypatch.context() as patched:
        patched.setattr(storage, "write", stepwise(storage.write))
        patched.setattr(storage, "delete", stepwise(storage.delete))
        with contextlib.suppress(Killed):
            writer.close()
    old, new = [f"old{i}" for i in range(20)], [f"new{i}" for i in range(9)]
    _whole(place, [old, new if kind == "overwriting" else old + new])
