"""``thunderlike datasets``: every command, what it prints, and with which code it ends."""

from __future__ import annotations

import io
import json
import tarfile

import msgspec
import numpy as np
import pytest

from thunderlike.cli import main
from thunderlike.datasets import FileWriter, MsgpackReader
from thunderlike.datasets import index as indices


@pytest.fixture
def infile(tmp_path):
    place = tmp_path / "in.msgpack"
    with FileWriter(place) as writer:
        writer.write_many(
            {"key": f"k{i}", "label": i, "image": b"x" * 60, "a": np.eye(2)} for i in range(100)
        )
    return place


@pytest.fixture
def call(capsys):
    """Run one command; give its code, its JSON outcome and what it said of errors."""

    def run(*words):
        code = main(["datasets", *map(str, words)])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


def keys(path):
    return list(MsgpackReader(path).keys())


NAMES = [f"k{i}" for i in range(100)]


def test_cat_prints_samples_cut_short(call, infile):
    code, out, _ = call("cat", infile, "--start", 3, "--stop", 5, "-s", 20)
    assert code == 0
    assert out.splitlines()[0].startswith("key: 'k3'  label: 3  image: b'xxxxxxxxxxxxxxx...")
    assert len(out.splitlines()) == 2
    _, out, _ = call("cat", infile, "--keys", "k9", "k2", "--json")
    assert [json.loads(line)["label"] for line in out.splitlines()] == ["9", "2"]


def test_ls_and_info_tell_what_there_is(call, infile):
    _, out, _ = call("ls", infile, "--stop", 1, "--json")
    offsets = indices.load_offsets(infile)
    expected = {"index": 0, "offset": 0, "bytes": int(offsets[1]), "key": "k0"}
    assert json.loads(out) == expected
    _, out, _ = call("info", infile, "--json")
    assert json.loads(out)["samples"] == 100
    assert json.loads(out)["fields"]["a"] == "float64 (2, 2)"
    assert "fields image     bytes of 60" in call("info", infile)[1]


def test_verify_ends_with_1_for_a_damaged_file(call, infile):
    assert call("verify", infile, "--samples", "--quiet") == (0, "", "")
    keys_file = infile.with_name("in.msgpack.keys")
    keys_file.write_bytes(keys_file.read_bytes().replace(b"k1", b"kk"))
    code, out, _ = call("verify", infile, "--json")
    assert code == 1
    assert json.loads(out)["faults"] == [f"{keys_file}: its md5 differs from the recorded one"]
    infile.write_bytes(b"")
    code, _, err = call("cat", infile)
    assert code == 1
    assert "has 0 bytes, and in.msgpack.offsets ends at byte" in err


def test_reindex_and_convert_index(call, infile):
    offsets = indices.load_offsets(infile)
    old = dict(zip(NAMES, offsets[:-1].tolist(), strict=True))
    for suffix in (".offsets", ".keys", ".key_hashes", ".filter", ".md5"):
        infile.with_name(infile.name + suffix).unlink()
    assert call("cat", infile)[0] == 2
    infile.with_name("in.msgpack.index").write_bytes(msgspec.msgpack.encode(old))
    assert call("convert-index", infile)[0] == 0
    assert infile.with_name("in.msgpack.index").exists()
    assert call("verify", infile)[0] == 0
    infile.with_name("in.msgpack.offsets").unlink()
    assert json.loads(call("reindex", infile, "--json")[1]) == {"samples": 100}
    assert call("verify", infile)[0] == 0


@pytest.mark.parametrize("named", ["in.msgpack", "in.msgpack.index"])
def test_convert_index_deletes_nothing_and_writes_to_the_given_path(call, tmp_path, named):
    data = {"in.msgpack": b"\x81\xa3key\xa1a\x81\xa3key\xa1b"}
    data["in.msgpack.index"] = msgspec.msgpack.encode({"a": 0, "b": 7})
    for name, content in data.items():
        (tmp_path / name).write_bytes(content)
    suffixes = {".offsets", ".keys", ".key_hashes", ".filter", ".md5"}
    written = {f"in.msgpack{suffix}" for suffix in suffixes}
    assert call("convert-index", tmp_path / named, "-o", tmp_path / "out")[0] == 0
    assert {file.name for file in (tmp_path / "out").iterdir()} == written
    assert {file.name for file in tmp_path.iterdir()} == {*data, "out"}
    assert call("convert-index", tmp_path / named)[0] == 0
    assert {file.name for file in tmp_path.iterdir()} == {*data, *written, "out"}
    assert {name: (tmp_path / name).read_bytes() for name in data} == data
    assert keys(tmp_path / "in.msgpack") == ["a", "b"]
    assert call("verify", tmp_path / "in.msgpack")[0] == 0


def test_numbers_of_samples_below_zero_are_refused(call, infile, tmp_path):
    out = tmp_path / "out.msgpack"
    code, _, err = call("sample", infile, out, -5)
    assert (code, out.exists()) == (2, False)
    assert "number of samples is -5" in err
    assert call("bench", infile, "-n", -5)[0] == 2
    assert call("split", infile, -5)[0] == 2


def test_a_mistyped_set_is_said_to_be_none(call, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for words in (["Cifar", "in"], ["Cifar", "-o", "out.msgpack"]):
        with pytest.raises(SystemExit) as caught:
            main(["datasets", "write", *words])
        assert caught.value.code == 2
        err = capsys.readouterr().err
        assert "unknown set 'Cifar'" in err
        assert err.endswith("did you mean CIFAR10 or CIFAR100?\n")


@pytest.mark.parametrize("options", [[], ["--true-shuffle"], ["--buf-size", "20"]])
def test_shuffle_gives_the_same_order_for_the_same_seed(call, infile, tmp_path, options):
    out = tmp_path / "out.msgpack"
    summary = json.loads(call("shuffle", infile, out, "--json", *options)[1])
    first = keys(out)
    assert first != NAMES
    assert sorted(first) == sorted(NAMES)
    assert call("shuffle", infile, out, "-y", "--seed", summary["seed"], *options)[0] == 0
    assert keys(out) == first


@pytest.mark.parametrize("command", ["shuffle", "sample", "merge"])
def test_a_file_that_is_there_is_not_replaced_when_nobody_can_be_asked(
    call, infile, monkeypatch, command
):
    monkeypatch.setattr("sys.stdin", io.StringIO("yes\n"))
    more = {"sample": [5], "merge": [], "shuffle": []}[command]
    before = infile.read_bytes()
    code, _, err = call(command, infile, infile, *more)
    assert code == 2
    assert err.endswith(f"{infile} exists; give -y to replace it\n")
    assert infile.read_bytes() == before


def test_merge_puts_files_after_one_another_or_between(call, infile, tmp_path):
    other, out = tmp_path / "other.msgpack", tmp_path / "out.msgpack"
    with FileWriter(other) as writer:
        writer.write_many({"key": f"o{i}"} for i in range(50))
    assert call("merge", infile, other, out)[0] == 0
    both = NAMES + [f"o{i}" for i in range(50)]
    assert keys(out) == both
    assert call("merge", infile, other, out, "-y", "-s", "random", "--seed", 3)[0] == 0
    mixed = keys(out)
    assert mixed != both
    assert [key for key in mixed if key[0] == "k"] == NAMES  # each in its order
    assert call("merge", infile, other, out, "-y", "--shuffle", "--seed", 3)[0] == 0
    assert sorted(keys(out)[:100]) == sorted(NAMES) != keys(out)[:100]
    code, _, err = call("merge", infile, infile, out, "-y")
    assert code == 2
    assert "unique" in err
    assert keys(out)[:100] != NAMES  # as it was
    assert call("merge", infile, other, out, "-y", "--prefix-keys")[0] == 0
    assert keys(out)[0] == "in/k0"
    assert MsgpackReader(out).get(149)["key"] == "other/o49"


def test_split_has_every_sample_once(call, infile, tmp_path):
    assert call("split", infile, 30, 60)[0] == 0
    parts = [keys(tmp_path / f"in-{i}.msgpack") for i in range(3)]
    assert [len(part) for part in parts] == [30, 30, 40]
    assert [key for part in parts for key in part] == NAMES
    names = [tmp_path / "a.msgpack", tmp_path / "b.msgpack"]
    assert call("split", infile, 99, "-o", *names)[0] == 0
    assert keys(names[1]) == ["k99"]
    assert call("split", infile, 60, 30, "-y")[0] == 2
    assert call("split", infile, 60, "-o", "x.msgpack")[0] == 2


def test_sample_takes_the_first_or_random_ones(call, infile, tmp_path):
    out = tmp_path / "out.msgpack"
    assert call("sample", infile, out, 5)[0] == 0
    assert keys(out) == NAMES[:5]
    assert json.loads(call("sample", infile, out, 500, "-y", "--json")[1])["samples"] == 100
    assert call("sample", infile, out, 5, "-y", "-s", "random", "--seed", 1)[0] == 0
    first = keys(out)
    assert call("sample", infile, out, 5, "-y", "-s", "random", "--seed", 2)[0] == 0
    assert keys(out) != first


def test_export_is_a_tar_of_parts_of_samples(call, infile, tmp_path):
    assert call("export", infile, tmp_path / "out.tar")[0] == 0
    with tarfile.open(tmp_path / "out.tar") as archive:
        names = archive.getnames()
        assert names[:3] == ["k0.image", "k0.a.npy", "k0.json"]
        assert json.load(archive.extractfile("k3.json")) == {"key": "k3", "label": 3}
        array = np.load(io.BytesIO(archive.extractfile("k3.a.npy").read()))
    np.testing.assert_array_equal(array, np.eye(2))


def test_export_is_a_table_of_samples(call, infile, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    out = tmp_path / "out.parquet"
    for _ in range(2):
        assert call("export", infile, out, "-y")[0] == 0
    table = parquet.read_table(out)
    assert table["key"].to_pylist() == NAMES
    assert table["label"].to_pylist() == list(range(100))
    assert table["image"][3].as_py() == b"x" * 60
    tensors = table["a"].combine_chunks().to_numpy_ndarray()
    np.testing.assert_array_equal(tensors, np.stack([np.eye(2)] * 100))


@pytest.mark.parametrize("more", [{"b": 1}, {"a": np.eye(3)}, {"a": np.eye(2, dtype="f4")}])
@pytest.mark.parametrize("rows", [1, 1000])
def test_samples_that_make_no_table_are_named(call, infile, tmp_path, monkeypatch, more, rows):
    pytest.importorskip("pyarrow")
    monkeypatch.setattr("thunderlike.datasets.operations._ROWS", rows)
    with FileWriter(infile, append=True) as writer:
        writer.write({"key": "odd", "label": 1, "image": b"", "a": np.eye(2)} | more)
    code, _, err = call("export", infile, tmp_path / "out.parquet")
    assert code == 2
    assert "'odd'" in err
    assert [file for file in tmp_path.iterdir() if "in.msgpack" not in file.name] == []


def test_write_makes_a_dataset_of_files(call, tmp_path):
    for name in ("cat/1.jpg", "cat/2.jpg", "dog/1.jpg"):
        (tmp_path / "t" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "t" / name).write_bytes(name.encode())
    out = tmp_path / "out.msgpack"
    assert call("write", tmp_path / "t" / "{LABEL}" / "**", "-o", out)[0] == 0
    found = [(s["key"], s["label"], s["data"]) for s in MsgpackReader(out)]
    wanted = [("cat/1.jpg", 0), ("cat/2.jpg", 0), ("dog/1.jpg", 1)]
    assert found == [(key, label, key.encode()) for key, label in wanted]
    with tarfile.open(tmp_path / "t.tar", "w") as archive:
        archive.add(tmp_path / "t", "")
    code, _, _ = call("write", "{LABEL}/*", "--archive", tmp_path / "t.tar", "-o", out, "-y")
    assert code == 0
    assert len(keys(out)) == 3


def test_metadata_of_a_set_is_printed_as_json(call, tmp_path, monkeypatch):
    given = []

    def metadata(spec, what, indir, **options):
        given.append((spec.name, what, indir))
        return ["cat", "dog"]

    monkeypatch.setattr("thunderlike.datasets.sets.metadata", metadata)
    code, out, _ = call("write", "CIFAR100", tmp_path, "--class-names")
    assert (code, json.loads(out)) == (0, {"class_names": ["cat", "dog"]})
    assert given == [("CIFAR100", "class_names", str(tmp_path))]


@pytest.mark.parametrize(
    "options", [[], ["-r"], ["-s"], ["-b", 7], ["-r", "-b", 7], ["-n", 7], ["-r", "-n", 7]]
)
def test_bench_reads_everything(call, infile, options):
    code, out, _ = call("bench", infile, "--json", *options)
    assert code == 0
    assert json.loads(out)["samples"] == 100


def test_words_that_are_not_understood_are_refused(infile, capsys):
    for words in (["cat", str(infile), "--no-such"], ["shuffle", str(infile)], ["nothing"]):
        with pytest.raises(SystemExit) as caught:
            main(["datasets", *words])
        assert caught.value.code == 2
    assert main(["datasets"]) == 2
    assert "merge" in capsys.readouterr().err
