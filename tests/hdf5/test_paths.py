"""Entries by path, files with one entry, files in other stores, appends."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

import thunderlike as tl
from thunderlike.errors import GroupMissingError, NotFoundError, SpecError


@pytest.fixture
def path(tmp_path):
    data = {"a": {"x": np.arange(3), "TITLE": "odd"}, "l": [1, [2, {"deep": 3}]], "n": 5}
    data["again"] = data["a"]
    tl.save(tmp_path / "x.h5", data)
    return tmp_path / "x.h5"


@pytest.mark.parametrize(
    ("name", "value"),
    [("/n", 5), ("n", 5), ("/n/", 5), ("/l/i0", 1), ("/l/i1/i1/deep", 3), ("/a/TITLE", "odd")],
)
def test_a_path_leads_through_everything(path, name, value):
    assert tl.load(path, name) == value


def test_a_path_follows_links(path):
    assert tl.load(path, "/again/x").tolist() == [0, 1, 2]


def test_several_paths_give_a_tuple_that_shares(path):
    assert tl.load(path, []) == ()
    one, two, three = tl.load(path, ["/a", "/again", "/n"])
    assert one is two
    assert three == 5


@pytest.mark.parametrize("name", ["/none", "/a/none", "/none/x", "/a/x/y", "/n/x"])
def test_what_is_not_there_says_what_is(path, name):
    with pytest.raises(GroupMissingError, match=r"x\.h5: /") as caught:
        tl.load(path, name)
    assert isinstance(caught.value, KeyError)
    assert isinstance(caught.value, ValueError)


def test_unpack_counts_single_values_too(tmp_path):
    path = tmp_path / "x.h5"
    tl.save(path, {"a": np.arange(2), "b": 2})
    assert list(tl.load(path, unpack=True)) == ["a", "b"]
    tl.save(path, {"a": 100})
    assert tl.load(path, unpack=True) == 100
    assert tl.load(path) == {"a": 100}
    tl.save(path, [1, 2])
    assert tl.load(path) == [1, 2]
    assert tl.load(path, "/") == {"data": [1, 2]}


def test_mode_a_replaces_entries_and_keeps_others(tmp_path):
    path = tmp_path / "x.h5"
    tl.save(path, {"a": 1, "b": [1], "c": np.arange(3)}, mode="a")
    tl.save(path, {"b": {"new": 2}, "a": np.arange(2), "TITLE": "t"}, mode="a")
    found = tl.load(path)
    assert list(found) == ["a", "b", "c", "TITLE"]
    assert found["b"] == {"new": 2}
    assert found["a"].tolist() == [0, 1]
    assert found["c"].tolist() == [0, 1, 2]
    with pytest.raises(SpecError, match="takes a dictionary"):
        tl.save(path, [1], mode="a")
    with pytest.raises(SpecError, match="mode must be 'w' or 'a', not 'x'"):
        tl.save(path, {}, mode="x")


def test_mode_a_that_fails_leaves_the_file(tmp_path):
    path = tmp_path / "x.h5"
    tl.save(path, {"a": 1})
    with pytest.raises(SpecError):
        tl.save(path, {"b": 2, "f": lambda: 0}, mode="a")
    assert tl.load(path) == {"a": 1}


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6.0).reshape(3, 2),
        np.array(["ab", "cd", "ef"]),
        np.array(["2020", "2021", "2022"], "M8[s]"),
        np.array([True, False, True]),
        np.array([b"a", b"b", b"c"]),
        np.array([(1, 2.0)] * 3, [("a", int), ("b", float)]),
    ],
    ids=lambda a: a.dtype.str,
)
def test_append_begins_and_extends(tmp_path, array):
    path = tmp_path / "x.h5"
    tl.save(path, {"inner": {}, "n": 1})
    for _ in range(3):
        tl.hdf5.append(path, "/inner/log", array)
    found = tl.load(path)
    assert found["n"] == 1
    assert found["inner"]["log"].dtype == array.dtype
    assert np.array_equal(found["inner"]["log"], np.concatenate([array] * 3))
    assert np.array_equal(
        tl.load(path, "/inner/log", sel=slice(-2, None)), found["inner"]["log"][-2:]
    )


def test_append_to_what_it_does_not_fit_says_why(tmp_path):
    path = tmp_path / "x.h5"
    tl.hdf5.append(path, "/log", np.zeros((2, 3)))
    for array in (np.zeros((2, 4)), np.zeros((2, 3), int), np.zeros(3)):
        with pytest.raises(SpecError, match="cannot be extended by"):
            tl.hdf5.append(path, "/log", array)
    tl.save(path, {"fixed": np.arange(3), "group": {}})
    for name, reason in (
        ("/fixed", "fixed length"),
        ("/group", "is a group"),
        ("/new", "no records"),
    ):
        with pytest.raises(SpecError, match=reason):
            tl.hdf5.append(path, name, np.arange(0 if name == "/new" else 3))


def test_texts_that_are_shorter_are_appended_and_longer_are_not(tmp_path):
    path = tmp_path / "x.h5"
    tl.hdf5.append(path, "/t", np.array(["abc"]))
    tl.hdf5.append(path, "/t", np.array(["d"]))
    assert tl.load(path, "/t").tolist() == ["abc", "d"]
    with pytest.raises(SpecError, match="cannot be extended by"):
        tl.hdf5.append(path, "/t", np.array(["longer"]))


@pytest.fixture(params=["memory", "s3"])
def elsewhere(request):
    """A folder of a store that is no disk."""
    return request.getfixturevalue("bucket") if request.param == "s3" else "memory://day"


def test_a_file_in_memory_or_in_a_bucket_is_copied(elsewhere):
    path = f"{elsewhere}/x.h5"
    tl.save(path, {"x": np.arange(3)})
    tl.save(path, {"y": 1}, mode="a")
    tl.hdf5.append(path, "/z", [5])
    assert list(tl.load(path)) == ["x", "y", "z"]
    assert tl.load(path, "/x", sel=1) == 1
    assert "/x" in str(tl.hdf5.ls(path))
    with pytest.raises(SpecError):
        tl.save(path, {"x": 1, "f": len})
    assert tl.load(path, "/x", sel=2) == 2
    with pytest.raises(NotFoundError):
        tl.load(f"{elsewhere}/none.h5")


COMPRESSIONS = ["default", True, "zlib", "bzip2", "blosc", "blosc2", "blosc:zstd", "blosc2:lz4:5"]


@pytest.mark.parametrize("compression", [*COMPRESSIONS, ("zlib", 9), ("bzip2", 9)])
def test_every_compression_gives_the_values_back(tmp_path, compression):
    x = np.arange(100_000) % 1000
    tl.save(tmp_path / "x.h5", {"x": x}, compression)
    assert (tl.load(tmp_path / "x.h5", "/x") == x).all()
    assert (tmp_path / "x.h5").stat().st_size < x.nbytes / 3


LARGE = [
    np.arange(300_001) % 977, np.arange(200_000) * 1j, np.arange(2_100_000) % 3 == 0,
    np.arange(400 * 1000, dtype="f4").reshape(400, 1000), np.arange(400_000.0).astype(">f8"),
]  # fmt: skip


@pytest.mark.parametrize("array", LARGE, ids=lambda array: str(array.dtype))
def test_chunks_are_packed_by_threads_as_hdf5_packs_them(tmp_path, array):
    path = tmp_path / "x.h5"
    tl.save(path, {"x": array})
    with h5py.File(path) as file:
        assert file["x"].id.get_num_chunks() > 1
        stored = file["x"][()]
    assert (stored.astype(array.dtype) == array).all()
    assert (tl.load(path, "/x") == array).all()
    with tl.config(workers=1):
        tl.save(tmp_path / "y.h5", {"x": array})
    assert path.read_bytes() == (tmp_path / "y.h5").read_bytes()


def test_level_zero_is_chunks_without_a_filter(tmp_path):
    tl.save(tmp_path / "x.h5", {"x": np.arange(100_000)}, ("blosc", 0))
    assert (tl.load(tmp_path / "x.h5", "/x") == np.arange(100_000)).all()


@pytest.mark.parametrize("compression", [None, False, "none", "None"])
def test_no_compression(tmp_path, compression):
    tl.save(tmp_path / "x.h5", {"x": np.zeros(1000)}, compression)
    assert tl.hdf5.ls(tmp_path / "x.h5").root.entries[0].compression == "none"


@pytest.mark.parametrize(
    "compression", ["zip", ("zlib", 10), ("zlib",), 5, "lzo", "blosc:none", "zlib:lz4"]
)
def test_a_compression_that_there_is_not(compression):
    with pytest.raises(SpecError):
        tl.save("memory://none.h5", {}, compression)


def test_the_setting_and_deepdishs_own_file_say_how(tmp_path, monkeypatch):
    def how(**settings):
        with tl.config(**settings):
            tl.save("memory://how.h5", {"x": np.zeros(1000)})
        return tl.hdf5.ls("memory://how.h5").root.entries[0].compression

    monkeypatch.setenv("HOME", str(tmp_path))
    assert how() == "zlib lvl1"
    (tmp_path / ".deepdish.conf").write_text("[io]\ncompression: blosc\n")
    assert how() == "blosc:blosclz lvl5"
    assert how(hdf5_compression="zlib:3") == "zlib lvl3"
