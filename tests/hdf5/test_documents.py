"""Small entries of wide containers, which are one document in the file."""

from __future__ import annotations

import collections
import contextlib
import json
from dataclasses import dataclass
from types import SimpleNamespace

import h5py
import numpy as np
import pytest

import thunderlike as tl
from thunderlike.errors import BadIndexError, GroupMissingError, Hdf5Error, SpecError

WIDE = 300


@dataclass
class Pair:
    one: int
    two: object


@pytest.fixture
def path(tmp_path):
    return tmp_path / "x.h5"


def datasets(path):
    found = []
    with h5py.File(path) as file:
        file.visititems(lambda name, node: found.append(name) if hasattr(node, "shape") else None)
    return found


def trials(count=WIDE):
    return [{"id": i, "name": f"n{i}", "score": i / 7, "hit": i % 2 == 0} for i in range(count)]


@pytest.mark.parametrize(("value", "expected"), [
    (trials(), {"%document"}),
    ({f"k{i}": i for i in range(WIDE)}, {"%document"}),
    ({i: np.full(3, i, "f4") for i in range(WIDE)}, {"%document", "%float32"}),
    (tuple((i, None) for i in range(WIDE)), {"%document"}),
    ([Pair(i, [i]) for i in range(WIDE)], {"%document"}),
    (SimpleNamespace(**{f"k{i}": [i] for i in range(WIDE)}), {"%document"}),
    (np.array([[str(i)] for i in range(WIDE)], object), {"%document"}),
    ({(i, str(i)) for i in range(WIDE)}, {"%document"}),
])  # fmt: skip
def test_small_entries_are_one_text_that_h5py_shows(path, same, value, expected):
    tl.save(path, value)
    assert {name.rpartition("/")[2] for name in datasets(path)} == expected
    found = tl.load(path, classes=[Pair])
    assert found == value if isinstance(value, set | list) else same(value, found)
    with h5py.File(path) as file:
        group = file.get("data", file)
        assert len(json.loads(group["%document"][()])) == WIDE
        assert group.attrs.get("TITLE") in (None, f"dict:{WIDE}".encode()) or group.name == "/"


def test_numbers_of_arrays_are_one_array_for_each_dtype(path):
    tl.save(path, {"x": [{"a": np.arange(i % 3), "b": np.float32(i)} for i in range(WIDE)]})
    with h5py.File(path) as file:
        assert file["x/%int64"][:5].tolist() == [0, 0, 1, 0, 0]
        assert file["x/%float32"].shape == (WIDE,) or "%float32" in file["x"]


def test_without_pack_each_entry_is_its_own(path, same):
    value = {"l": trials(), "a": {f"k{i}": np.arange(3) for i in range(WIDE)}}
    tl.save(path, value, pack=False)
    assert len(datasets(path)) == WIDE
    assert same(tl.load(path), value)


def test_large_and_compressed_entries_stay_nodes(path, same):
    large, chosen = np.zeros(5000), tl.hdf5.Compression(np.zeros(400), "zlib:9")
    value = {"l": [*trials(), large, chosen, {"deep": [large + 1]}, *trials()]}
    tl.save(path, value)
    assert datasets(path) == [
        "l/%document",
        f"l/i{WIDE}",
        f"l/i{WIDE + 1}",
        f"l/i{WIDE + 2}/deep/i0",
    ]
    found = tl.load(path)["l"]
    assert same(found[:WIDE], value["l"][:WIDE])
    assert found[WIDE].shape == (5000,)
    assert found[WIDE + 2]["deep"][0].sum() == 5000
    assert tl.load(path, f"/l/i{WIDE + 2}/deep/i0", sel=3) == 1
    assert "zlib lvl9" in tl.hdf5.ls(path).text(compression=True, everything=True)


def test_few_small_entries_of_many_are_nodes_too(path):
    tl.save(path, [np.zeros(5000) for _ in range(WIDE)] + [1, 2], None)
    assert not any("%" in name for name in datasets(path))


@pytest.fixture
def saved(path):
    rows = [
        {"x": np.arange(6).reshape(2, 3) + i, "t": (i, {"a/b": i}), 5: True} for i in range(WIDE)
    ]
    tl.save(path, {"rows": rows, "by": {f"k{i}": 10 * i for i in range(WIDE)}})
    return path


def test_entries_are_found_by_path(saved):
    assert tl.load(saved, "/rows/i7/t") == (7, {"a/b": 7})
    assert tl.load(saved, "/rows/i7/t/i1/%a_b") == 7
    assert tl.load(saved, "rows/i7/%5") is True
    assert tl.load(saved, "/by/k20") == 200
    assert tl.load(saved, "/by/k20", types="numpy").dtype == np.int64
    assert tl.load(saved, ["/by/k1", "/rows/i1/t/i0"]) == (10, 1)
    assert tl.load(saved, "/rows/i2/x", sel=tl.aslice[::-1, [0, 2]]).tolist() == [[5, 7], [2, 4]]
    assert tl.load(saved, "/rows/i2/x", sel=(1, 1)) == 6


def test_missing_entries_are_errors_with_the_names(saved):
    with pytest.raises(GroupMissingError, match=r"x\.h5: /rows/i7/no: .*entries are %5, t, x"):
        tl.load(saved, "/rows/i7/no")
    with pytest.raises(GroupMissingError, match="entries of /by are k0"):
        tl.load(saved, "/by/no")
    with pytest.raises(BadIndexError):
        tl.load(saved, "/rows/i2/x", sel=9)
    with pytest.raises(SpecError, match="sel takes parts"):
        tl.load(saved, "/rows/i2/t", sel=0)


def test_they_are_listed_as_if_they_were_nodes(saved, tmp_path):
    value = tl.load(saved)
    tl.save(tmp_path / "apart.h5", value, pack=False)
    texts = [str(tl.hdf5.ls(p, "/rows/i3")) for p in (saved, tmp_path / "apart.h5")]
    assert texts[0] == texts[1]
    assert "/rows/i3/t/i1/%a_b 3 [int64]" in texts[0]
    entries = [[(e.path, e.text) for e in tl.hdf5.ls(p)] for p in (saved, tmp_path / "apart.h5")]
    assert entries[0] == entries[1]


def test_objects_stay_shared_within_and_between_documents(path, same):
    affine, tags = np.eye(3), ["a"]
    rows = [{"affine": affine, "tags": tags, "i": i} for i in range(WIDE)]
    value = {"affine": affine, "rows": rows, "best": rows[7], "tags": tags}
    value["order"] = {f"k{i}": rows[-i] for i in range(WIDE)}
    tl.save(path, value)
    found = tl.load(path)
    assert same(value, found)
    assert found["rows"][5]["affine"] is found["affine"]
    assert found["best"] is found["rows"][7]
    assert tl.load(path, "/best/i") == 7
    assert tl.load(path, "/order/k2/tags") == ["a"]
    assert tl.load(path, "/order/k2/affine", sel=(0, 0)) == 1
    listed = {entry.path: entry.text for entry in tl.hdf5.ls(path)}
    assert listed["/best"] == "link -> /rows/i7 [SoftLink]"
    assert listed["/order/k1"] == f"link -> /rows/i{WIDE - 1} [SoftLink]"
    assert len(datasets(path)) == 3


def test_links_false_writes_an_object_at_each_place(path):
    inner = [1]
    tl.save(path, [{"v": inner} for _ in range(WIDE)], links=False)
    found = tl.load(path)
    assert found[0]["v"] == [1]
    assert found[0]["v"] is not found[1]["v"]


def test_what_holds_itself_among_many(path):
    wide = [{"i": i} for i in range(WIDE)]
    wide[3]["me"] = wide[3]
    wide[4]["all"] = wide
    wide[5]["pair"] = ([wide[5]],)
    tl.save(path, wide)
    found = tl.load(path)
    assert found[3]["me"] is found[3]
    assert found[4]["all"] is found
    assert found[5]["pair"][0][0] is found[5]
    with pytest.raises(SpecError, match="holds itself"):
        tl.save(path, wide, links=False)


def test_an_update_replaces_entries_and_keeps_the_order(path):
    tl.save(path, {f"k{i}": [i] for i in range(WIDE)})
    tl.save(path, {"k5": np.arange(3), "new": "text"}, mode="a")
    tl.save(path, {"k6": 7}, mode="a")
    found = tl.load(path)
    assert list(found) == [*(f"k{i}" for i in range(WIDE)), "new"]
    assert found["k5"].tolist() == [0, 1, 2]
    assert (found["k6"], found["k7"], found["new"]) == (7, [7], "text")
    assert tl.load(path, "/k5", sel=-1) == 2
    with pytest.raises(SpecError, match="fixed length"):
        tl.hdf5.append(path, "/k7", [1])


def test_what_another_program_writes_is_newer(path):
    tl.save(path, {f"k{i}": i for i in range(WIDE)})
    with h5py.File(path, "a") as file:
        file["k1"], file.attrs["k2"], file["more"] = np.arange(2), 2.5, 1
    found = tl.load(path)
    assert found["k1"].tolist() == [0, 1]
    assert (found["k2"], found["k3"], found["more"]) == (2.5, 3, 1)


def test_a_replaced_target_is_left_out_with_a_warning(path):
    rows = trials()
    tl.save(path, {"rows": rows, "best": rows[0]})
    tl.save(path, {"rows": 0}, mode="a")
    with pytest.warns(UserWarning, match="left out 1 entry"):
        assert tl.load(path) == {"rows": 0}


def test_compression_and_checksums_apply_to_them(path):
    value = {"l": [np.arange(100.0) for _ in range(WIDE)]}
    tl.save(path, value, "zlib:3", checksum=True)
    with h5py.File(path) as file:
        assert file["l/%float64"].compression_opts == 3
        assert file["l/%float64"].fletcher32
    tl.save(path, trials(), checksum=True)
    data = bytearray(path.read_bytes())
    data[data.index(b'"n17"') + 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(Hdf5Error, match="checksum"):
        tl.load(path)


def test_metadata_are_needed(path):
    tl.save(path, {f"k{i}": i for i in range(WIDE)}, meta=False)
    assert datasets(path) == []
    assert tl.load(path)["k3"] == 3


def test_unpack_counts_them(path):
    tl.save(path, {f"k{i}": i for i in range(WIDE)})
    assert len(tl.load(path, unpack=True)) == WIDE


def test_frames_of_many_columns_keep_their_layout(back):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({f"c{i}": [i, i + 0.5, None] for i in range(WIDE)}, dtype=object)
    found = back({"f": frame})["f"]
    assert found.equals(frame)
    column = pandas.DataFrame({"x": np.array([[i] for i in range(WIDE)] + [None], object)[:-1]})
    assert back({"f": column})["f"].equals(column)


# hostile documents


def with_document(path, text, arrays=("float64",), **info):
    """A file whose list has a document of its own."""
    metadata = {"entries": {}, "packed": {"arrays": list(arrays), **info}, "kind": "list"}
    with h5py.File(path, "w") as file:
        file.attrs["DEEPDISH_IO_VERSION"] = np.int64(12)
        group = file.create_group("l")
        group.attrs["TITLE"] = "dict:1"
        group.attrs["DEEPDISH_IO_TL"] = json.dumps(metadata)
        group["%document"] = np.bytes_(text)
        group["%float64"] = np.arange(4.0)


def array(**changes):
    return json.dumps([{"%": "array", "in": "float64", "at": 0, "shape": [2], **changes}])


@pytest.mark.parametrize("text", [
    "", "[", "5", '"text"', "[" * 100_000, "{" * 10, '[{"%":"node"}', b"\xff[]",
    '[{"%":5}]', '[{"%":"made up"}]', '[{"%":null}]', '[{"%":"tuple"}]', '[{"%":"tuple","v":5}]',
    '[{"%":"dict","v":[5]}]', '[{"%":"dict","v":[[[],1]]}]', '[{"%":"dict","v":[["a"]]}]',
    '[{"%":"set","v":[[]]}]', '[{"%":"namedtuple","v":[1]}]',
    '[{"%":"namedtuple","class":"x y","fields":["a b"],"v":[1]}]',
    '[{"%":"same","v":["i0"]}]', '[{"%":"same","v":[]}]', '[{"%":"same","v":["i9"]}]',
    '[{"%":"same","v":[0]}]', '[{"%":"same","of":"/none","v":[]}]', '[{"%":"same","of":5,"v":[]}]',
    '[{"%":"same","of":"/l","v":[]}, 1]', '[{"%":"tuple","v":[{"%":"same","v":["i0"]}]}]',
    '[[{"%":"same","v":["i0"]}]]', '[{"%":"scalar","code":"int"}]',
    '[{"%":"scalar","code":"int","v":[]}]', '[{"%":"scalar","in":"float64","at":4}]',
    '[{"%":"scalar","b":"\\u2603"}]', '[{"%":"dict","v":[[["pickle","Y29zCnN5c3RlbQou"],1]]}]',
    array(at=3), array(at=-1), array(at="0"), array(shape=[2**62]), array(shape=[-1]),
    array(shape=5), array(shape=[2**40, 2**40]), array(shape=[1] * 80), array(dtype="O"),
    array(dtype="made up"), array(dtype="V8"), array(dtype="f8,f8"), array(dtype="U2"),
    array(**{"in": "int8"}), array(**{"in": 5}), array(**{"in": "../x"}),
    '[{"%":"array","shape":[3],"dtype":"f8"}]', '[{"%":"array","shape":[0]}]',
], ids=lambda text: str(text)[:40])  # fmt: skip
def test_a_damaged_document_is_an_error_that_names_it(path, text):
    with_document(path, text)
    with pytest.raises((Hdf5Error, tl.errors.UnreadableError), match=r"x\.h5: /l"):
        tl.load(path, "/l", max_bytes=2**28)
    with contextlib.suppress(Hdf5Error):
        tl.hdf5.ls(path)


@pytest.mark.parametrize("packed", ["5", "{}", '{"arrays":5}', '{"arrays":["%"]}', "null"])
def test_damaged_metadata_are_an_error(path, packed):
    with_document(path, '[{"%":"array","in":"float64","at":0,"shape":[1]}]')
    with h5py.File(path, "a") as file:
        file["l"].attrs["DEEPDISH_IO_TL"] = f'{{"kind":"list","packed":{packed}}}'
    with pytest.raises(Hdf5Error):
        tl.load(path)


def test_a_document_does_not_lead_to_another_file(path, tmp_path):
    other = tmp_path / "other.h5"
    with_document(other, '["secret"]')
    for name in ("%document", "%float64"):
        with_document(path, '[{"%":"array","in":"float64","at":0,"shape":[1]}]')
        with h5py.File(path, "a") as file:
            del file[f"l/{name}"]
            file[f"l/{name}"] = h5py.ExternalLink(str(other), f"/l/{name}")
        with pytest.raises(tl.errors.RefusedError, match="another file"):
            tl.load(path)


def test_a_document_is_counted(path):
    tl.save(path, ["x" * 100] * WIDE, pack=True)
    tl.save(path, [["x" * 100, i] for i in range(WIDE)])
    with pytest.raises(tl.errors.RefusedError, match="max_bytes"):
        tl.load(path, max_bytes=100_000)


def test_pickled_keys_follow_the_policy(path):
    value = [{(1, len): i} for i in range(WIDE)]
    tl.save(path, value, pickle="allow")
    assert tl.load(path, pickle="allow") == value
    with pytest.raises(tl.errors.RefusedError, match="asks for"):
        tl.load(path)


def test_classes_are_made_only_if_they_are_passed(path):
    value = {"p": [Pair(i, collections.Counter("ab")) for i in range(WIDE)]}
    tl.save(path, value)
    assert tl.load(path, classes=[Pair]) == value
    assert tl.load(path)["p"][3] == {"one": 3, "two": {"a": 1, "b": 1}}
