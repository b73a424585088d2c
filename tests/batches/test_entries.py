"""Names in files, labels of rows, and files of other programs."""

from __future__ import annotations

import io

import numpy as np
import pytest

from thunderlike import storage
from thunderlike.batches import Batch, Dataset, FilesIndex
from thunderlike.batches.io import component_of, entry_of
from thunderlike.errors import (
    BadIndexError,
    FormatError,
    KeyMissingError,
    SpecError,
    ThunderlikeError,
    WrongTypeError,
)

LIBRARIES = {"feather": "pyarrow", "zarr": "zarr", "blosc": "blosc2", "csv": "pandas"}
FORMATS = ["csv", "feather", "hdf5", "npz", "msgpack", "zarr", "blosc"]
RESERVED = ["labels", "key", "keys", "item0", "file", "allow_pickle", "arr_0", "attrs"]
NAMES = [
    *RESERVED,
    "[labels]",
    "[x",
    "x]",
    "[[x]]",
    "feat_0",
    "year_2024",
    "x_0_1",
    "0_0",
    "_x",
    "x.npy",
    "zarr.json",
    "a/b",
    "..",
    "a b",
    "naïve",
    "Unnamed: 0",
    "%41",
    "a,b",
    'say "x"',
    "line\nline",
]


@pytest.fixture(params=FORMATS)
def fmt(request):
    if request.param in LIBRARIES:
        pytest.importorskip(LIBRARIES[request.param])
    return request.param


def held(batch):
    return {name: np.asarray(getattr(batch, name)).tolist() for name in batch.components}


@pytest.mark.parametrize("name", ["labels", "[labels]", "[", "]", "[]", "[[key]]", "key", "x_0"])
@pytest.mark.parametrize("used", [True, False])
def test_a_name_in_a_file_leads_back_to_the_component(name, used):
    assert component_of(entry_of(name, used=used)) == name
    assert entry_of(name, used=used) != "[labels]" or (name == "labels" and used)


def test_components_of_any_name_survive_every_format(fmt, tmp_path):
    data = {name: np.arange(3) * 10 + k for k, name in enumerate(NAMES)}
    data |= {"wide": np.arange(6).reshape(3, 2), "feat_1": np.arange(12).reshape(3, 2, 2)}
    sent = Batch.from_data([5, 3, 4], None).add_components(list(data), list(data.values()))
    sent.dump(tmp_path / "all", fmt)
    came = Batch([3, 5]).load(tmp_path / "all", fmt)
    assert set(came.components) == set(data)
    assert held(came) == {name: values[[1, 0]].tolist() for name, values in data.items()}


@pytest.mark.parametrize("name", ["labels", "key", "x_0", "file"])
def test_one_component_of_such_a_name_survives_alone(fmt, name, tmp_path):
    values = np.array([3, 2, 1, 0])
    Batch.from_data(data={name: values}).dump(tmp_path / "one", fmt)
    assert held(Batch(4).load(tmp_path / "one", fmt)) == {name: [3, 2, 1, 0]}
    assert Batch([2]).load(tmp_path / "one", fmt, dst=name).get(component=name).tolist() == [1]


def test_a_name_and_the_same_name_with_a_number_stay_apart(fmt, tmp_path):
    data = {"x": np.zeros((4, 2)), "x_0": np.ones(4), "x_0_0": np.full((4, 1), 2.0)}
    Batch.from_data(data=data).dump(tmp_path / "both", fmt)
    assert held(Batch(4).load(tmp_path / "both", fmt)) == {n: v.tolist() for n, v in data.items()}


def test_data_without_components_survives(fmt, tmp_path):
    Batch.from_data(data=np.arange(4.0)).dump(tmp_path / "raw", fmt)
    assert Batch([2, 0]).load(tmp_path / "raw", fmt).data.tolist() == [2, 0]


@pytest.mark.parametrize("labels", [["007", "7"], ["NA", "x"], ["1", "2"]])
def test_text_that_looks_like_a_number_stays_a_label(fmt, labels, tmp_path):
    Batch.from_data(labels, {"x": np.array([1, 2])}).dump(tmp_path / "x", fmt)
    assert Batch(labels[::-1]).load(tmp_path / "x", fmt).x.tolist() == [2, 1]


def test_words_for_missing_values_are_text(tmp_path):
    pytest.importorskip("pandas")
    words = np.array(["NA", "", "null", "x"])
    Batch.from_data(data={"w": words, "v": np.array([1, np.nan, 3, 4])}).dump(
        tmp_path / "w.csv", "csv"
    )
    came = Batch(4).load(tmp_path / "w.csv", "csv")
    assert came.w.tolist() == words.tolist()
    np.testing.assert_array_equal(came.v, [1, np.nan, 3, 4])


# files of earlier versions


def test_files_of_earlier_versions_load(tmp_path):
    pandas = pytest.importorskip("pandas")
    labels, x = np.array(["c", "a"]), np.array([[1.0, 2.0], [3.0, 4.0]])
    np.savez(tmp_path / "x.npz", labels=labels, x=x)
    frame = pandas.DataFrame({"x_0": x[:, 0], "x_1": x[:, 1]}, pandas.Index(labels, name="labels"))
    frame.to_csv(tmp_path / "x.csv")
    for fmt in ("npz", "csv"):
        assert Batch(["a"]).load(tmp_path / f"x.{fmt}", fmt).x.tolist() == [[3, 4]]
    pytest.importorskip("pyarrow")
    frame.reset_index().to_feather(tmp_path / "x.feather")
    assert Batch(["a"]).load(tmp_path / "x.feather", "feather").x.tolist() == [[3, 4]]


def test_a_zarr_group_of_an_earlier_version_loads(tmp_path):
    zarr = pytest.importorskip("zarr")
    group = zarr.open_group(str(tmp_path / "x.zarr"), mode="w")
    group.attrs.update({"labels": [4, 2], "components": ["x"]})
    group.create_array("x", data=np.array([40, 20]))
    assert Batch([2]).load(tmp_path / "x.zarr", "zarr").x.tolist() == [20]


# files of other programs


@pytest.fixture
def frame():
    pandas = pytest.importorskip("pandas")
    return pandas.DataFrame({"features": np.arange(4.0), "classes": np.arange(4) * 2})


@pytest.mark.parametrize(
    ("index", "options"),
    [
        (True, {}),
        (True, {"index_col": 0}),
        (False, {}),
        (False, {"index_col": False}),
        (False, {"usecols": ["features", "classes"]}),
        (False, {"usecols": ["classes", "features"], "dtype": {"classes": "int64"}}),
    ],
)
def test_a_plain_csv_is_read_by_number(frame, index, options, tmp_path):
    frame.to_csv(tmp_path / "f.csv", index=index)
    batch = Batch([3, 1]).load(tmp_path / "f.csv", "csv", dst=("features", "classes"), **options)
    assert (batch.features.tolist(), batch.classes.tolist()) == ([3, 1], [6, 2])
    every = Batch(4).load(tmp_path / "f.csv", "csv", **options)
    assert held(every) == {"features": [0, 1, 2, 3], "classes": [0, 2, 4, 6]}


@pytest.mark.parametrize("first", ["labels", "labels_0", "key"])
@pytest.mark.parametrize("index", [True, False])
def test_a_plain_csv_whose_first_column_is_called_labels_has_it_as_a_component(
    first, index, tmp_path
):
    pandas = pytest.importorskip("pandas")
    pandas.DataFrame({first: [1, 0, 1, 0], "x": np.arange(4)}).to_csv(
        tmp_path / "f.csv", index=index
    )
    came = Batch([3, 0]).load(tmp_path / "f.csv", "csv")
    assert held(came) == {first: [0, 1], "x": [3, 0]}
    pandas.DataFrame({first: [3, 2, 1, 0], "x": np.arange(4)}).to_csv(
        tmp_path / "g.csv", index=index
    )
    came = Batch([3, 0]).load(tmp_path / "g.csv", "csv", dst=(first, "x"))
    assert held(came) == {first: [0, 3], "x": [3, 0]}


def test_columns_of_other_programs_are_components_each(tmp_path):
    pandas = pytest.importorskip("pandas")
    pandas.DataFrame({"year_2024": [1, 2], "year_2025": [3, 4]}).to_csv(
        tmp_path / "f.csv", index=False
    )
    assert Batch(2).load(tmp_path / "f.csv", "csv").components == ("year_2024", "year_2025")


def test_frames_in_feather_and_hdf5_files_are_read_by_number(frame, tmp_path):
    pytest.importorskip("pyarrow")
    pytest.importorskip("tables")
    frame.to_feather(tmp_path / "f.feather")
    frame.to_hdf(tmp_path / "f.h5", key="df")
    for path, fmt in ((tmp_path / "f.feather", "feather"), (tmp_path / "f.h5", "hdf5")):
        batch = Batch([3, 1]).load(path, fmt, dst=("features", "classes"))
        assert (batch.features.tolist(), batch.classes.tolist()) == ([3, 1], [6, 2])


def test_arrays_of_other_programs_are_read_by_number(tmp_path):
    h5py = pytest.importorskip("h5py")
    images, labels = np.arange(8).reshape(4, 2), np.array([1, 0, 1, 0])
    np.savez_compressed(tmp_path / "x.npz", images=images, labels=labels)
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["images"], file["labels"] = images, labels
    for fmt, path in (("npz", "x.npz"), ("hdf5", "x.h5")):
        came = Batch([2, 1]).load(tmp_path / path, fmt)
        assert held(came) == {"images": [[4, 5], [2, 3]], "labels": [1, 0]}
    pytest.importorskip("zarr")
    import zarr

    zarr.open_group(str(tmp_path / "x.zarr"), mode="w").create_array("images", data=images)
    assert Batch([3]).load(tmp_path / "x.zarr", "zarr").images.tolist() == [[6, 7]]


def test_a_first_column_of_text_names_the_rows_of_text_labels(tmp_path):
    (tmp_path / "f.csv").write_text("name,x\ndog,2\ncat,1\n")
    assert held(Batch(["cat", "dog"]).load(tmp_path / "f.csv", "csv")) == {"x": [1, 2]}
    with pytest.raises(BadIndexError, match="without labels"):
        Batch(["cow"]).load(tmp_path / "f.csv", "csv")


# frames and dicts in memory


def test_a_frame_is_looked_up_by_label_and_never_permuted(frame):
    text = ["a", "b", "c", "d"]
    named = frame.set_index(np.array(text))
    shuffled = frame.iloc[[3, 1, 0, 2]]
    assert Batch(["d", "b"]).load(named, dst=("features",)).features.tolist() == [3, 1]
    assert Batch(text).load(frame, dst=("features",)).features.tolist() == [0, 1, 2, 3]
    assert Batch([3, 1]).load(shuffled, dst=("features",)).features.tolist() == [3, 1]
    for wrong, labels in ((shuffled, text), (frame, text[:3]), (named, ["z"]), (named, [0, 1])):
        with pytest.raises(BadIndexError):
            Batch(labels).load(wrong, dst=("features",))


def test_rows_of_a_dataset_are_looked_up_alike(frame):
    text = ["a", "b", "c", "d"]
    for preloaded in (frame, frame.set_index(np.array(text))):
        dataset = Dataset(text, preloaded=preloaded)
        assert dataset.create_batch(["d", "b"]).data.features.tolist() == [3, 1]
        part = dataset.create_subset(["c", "a"])
        assert part.create_batch(["a"]).data.features.tolist() == [0]
    with pytest.raises(BadIndexError, match="4 entries without labels for 3 items"):
        _ = Dataset(text[:3], preloaded=frame).create_batch(["a"]).data


def test_a_label_that_stands_twice_is_refused(frame):
    twice = frame.set_index(np.array(["a", "a", "b", "c"]))
    with pytest.raises(BadIndexError, match="several items labelled 'a'"):
        Batch(["a"]).load(twice, dst=("features",))
    assert Batch(["c"]).load(twice, dst=("features",)).features.tolist() == [3]


def test_arrays_have_no_labels_and_must_be_as_many_as_the_items():
    with pytest.raises(BadIndexError, match="without labels"):
        Batch(["a", "b"]).load(np.arange(4), dst="x")
    with pytest.raises(BadIndexError, match="no entry -1"):
        Batch([0, -1]).load(np.arange(4), dst="x")
    assert Batch(["a", "b"]).load(np.arange(2), dst="x").x.tolist() == [0, 1]


def test_a_component_may_be_a_dict_by_label():
    labels = ["a", "b"]
    assert Batch(labels, preloaded={"x": {"b": 2, "a": 1}}).x.tolist() == [1, 2]
    assert Batch(labels).load({"x": {"b": 2, "a": 1}}, dst=("x",)).x.tolist() == [1, 2]
    assert Batch(labels).load({"b": 2, "a": 1}, dst="x").x.tolist() == [1, 2]
    assert Batch([1]).load({"x": {0: "p", 1: "q"}}).x.tolist() == ["q"]
    with pytest.raises(BadIndexError, match="labelled 'b'"):
        Batch(labels).load({"x": {"a": 1}})


def test_a_frame_that_is_a_component_is_cut_by_position():
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame({"v": [1, 2, 3]}, index=[30, 10, 20])
    batch = Batch([20, 30, 10]).load(table, dst="table")
    assert batch[1:].table.v.tolist() == [1, 2]
    assert batch[[10]].table.v.tolist() == [2]


# what is refused


def test_names_that_are_attributes_of_a_batch_are_refused_wherever_they_come_from(tmp_path):
    for name in ("index", "size", "data", "load", "components", "_arrays", "__x"):
        with pytest.raises(SpecError, match="taken"):
            Batch.from_data(data={name: np.ones(2)})
        with pytest.raises(SpecError, match="taken"):
            type("Wrong", (Batch,), {"components": (name,)})
    np.savez(tmp_path / "x.npz", size=np.ones(2))
    with pytest.raises(SpecError, match="taken"):
        Batch(2).load(tmp_path / "x.npz", "npz")
    for name in ("", 3, None):
        with pytest.raises(WrongTypeError, match=r"named by text|must be text"):
            Batch(2).add_components([name])


@pytest.mark.parametrize("fmt", ["npz", "msgpack", "hdf5"])
def test_what_a_file_does_not_have_is_named(fmt, tmp_path):
    Batch.from_data(data={"x": np.ones(2), "y": np.ones(2)}).dump(tmp_path / "f", fmt)
    with pytest.raises(KeyMissingError, match="'z'"):
        Batch(2).load(tmp_path / "f", fmt, dst=("x", "z"))
    with pytest.raises(KeyMissingError, match="'z'"):
        Batch(2).load(tmp_path / "f", fmt, dst="z")
    with pytest.raises(KeyMissingError, match="'z'"):
        Batch.from_data(data={"x": np.ones(2)}).dump(tmp_path / "f", fmt, components="z")


def test_options_that_a_format_does_not_have_are_refused(fmt, tmp_path):
    batch = Batch.from_data(data={"x": np.ones(2)})
    batch.dump(tmp_path / "f", fmt)
    with pytest.raises(SpecError, match="colour"):
        Batch(2).load(tmp_path / "f", fmt, colour="red")


def test_a_component_without_values_is_left_out_or_asked_for(tmp_path):
    batch = Batch.from_data(data={"x": np.ones(2)}).add_components("y")
    batch.dump(tmp_path / "f.npz", "npz")
    assert Batch(2).load(tmp_path / "f.npz", "npz").components == ("x",)
    with pytest.raises(SpecError, match="'y' has no values"):
        batch.dump(tmp_path / "f.npz", "npz", components="y")
    with pytest.raises(SpecError, match="no data"):
        Batch(2).dump(tmp_path / "f.npz", "npz")


def test_two_items_of_one_label_do_not_share_a_file(tmp_path):
    pytest.importorskip("blosc2")
    index = np.array([1, "1"], dtype=object)
    with pytest.raises(SpecError, match="same file"):
        Batch.from_data(index, {"x": np.ones(2)}).dump(tmp_path, "blosc")


def test_files_are_found_in_folders_and_by_another_index(tmp_path):
    pytest.importorskip("blosc2")
    for day in ("day1", "day2"):
        Batch.from_data(["x"], {"v": np.array([int(day[-1])])}).dump(tmp_path / day, "blosc")
    folders = FilesIndex(tmp_path / "day*", dirs=True)
    assert Batch(folders).load("x.blosc", "blosc").v.tolist() == [1, 2]
    Batch.from_data(["day1", "day2"], {"v": np.array([8, 9])}).dump(tmp_path / "other", "blosc")
    others = FilesIndex(tmp_path / "other" / "*.blosc", no_ext=True)
    assert Batch(folders).load(others, "blosc").v.tolist() == [8, 9]
    with pytest.raises(SpecError, match="where the files are"):
        Batch(2).load(fmt="blosc")


# what a file announces


def npz(**members):
    stream = io.BytesIO()
    np.savez(stream, **members)
    return stream.getvalue()


def test_an_array_that_announces_more_than_it_holds_is_refused(tmp_path):
    data = npz(x=np.zeros(4))
    forged = data.replace(b"'shape': (4,)", b"'shape': (9,)")
    assert forged != data
    (tmp_path / "x.npz").write_bytes(forged)
    with pytest.raises(FormatError, match=r"x\.npz"):
        Batch(4).load(tmp_path / "x.npz", "npz")


@pytest.mark.parametrize("fmt", FORMATS)
def test_bytes_that_are_no_such_file_are_refused(fmt, tmp_path):
    if fmt in LIBRARIES:
        pytest.importorskip(LIBRARIES[fmt])
    path = tmp_path / "f"
    if fmt == "blosc":
        path = path / "0.blosc"
    storage.write(path, b"\x00\xffno such file" * 9)
    with pytest.raises(ThunderlikeError, match="f"):
        Batch(1).load(tmp_path / "f", fmt)
