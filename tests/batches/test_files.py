"""Components to files and back, labels and axes kept, by every format."""

from __future__ import annotations

import numpy as np
import pytest

from thunderlike.batches import Batch, FilesIndex
from thunderlike.errors import BadIndexError, FormatError, SpecError

LIBRARIES = {
    "feather": "pyarrow",
    "zarr": "zarr",
    "blosc": "blosc2",
    "hdf5": "tables",
    "csv": "pandas",
}
SUFFIX = {"blosc": ""}


@pytest.fixture(params=["csv", "feather", "hdf5", "npz", "msgpack", "zarr", "blosc"])
def fmt(request):
    if request.param in LIBRARIES:
        pytest.importorskip(LIBRARIES[request.param])
    return request.param


def batch_of(labels):
    rng = np.random.default_rng(1)
    n = len(labels)
    return Batch(
        labels,
        preloaded=None,
    ).add_components(
        ("image", "score", "number"),
        [rng.random((n, 2, 3)).astype("float32").astype(float), rng.random(n), np.arange(n)],
    )


@pytest.mark.parametrize("labels", [["c", "a", "b"], [30, 10, 20]])
def test_what_is_dumped_is_loaded_by_label(fmt, labels, tmp_path):
    sent = batch_of(labels)
    path = tmp_path / f"batch.{fmt}"
    assert sent.dump(path, fmt) is sent
    came = Batch(labels).load(path, fmt)
    assert set(came.components) == {"image", "score", "number"}
    for name in came.components:
        np.testing.assert_array_equal(getattr(came, name), getattr(sent, name))
        assert getattr(came, name).dtype == getattr(sent, name).dtype
    two = Batch([labels[2], labels[0]]).load(path, fmt)
    np.testing.assert_array_equal(two.image, sent.image[[2, 0]])
    (one,) = Batch([labels[1]]).load(path, fmt, dst="score").score
    assert one == sent.score[1]


def test_a_label_that_a_file_does_not_have_is_named(fmt, tmp_path):
    batch_of(["a", "b"]).dump(tmp_path / "x", fmt)
    with pytest.raises((BadIndexError, FileNotFoundError), match="z"):
        Batch(["a", "z"]).load(tmp_path / "x", fmt)


def test_some_components_may_be_dumped(tmp_path):
    batch_of([1, 2]).save(tmp_path / "x.npz", "npz", components="score")
    assert Batch([1, 2]).load(tmp_path / "x.npz", "npz").components == ("score",)


def test_ragged_items_go_where_they_can(tmp_path):
    pytest.importorskip("tables")
    ragged = np.empty(2, object)
    ragged[:] = [np.zeros(2), np.ones(3)]
    batch = Batch.from_data(["a", "b"], {"r": ragged})
    batch.dump(tmp_path / "m", "msgpack")
    batch.dump(tmp_path / "h.h5", "hdf5", layout="items")
    for came in (
        Batch(["b"]).load(tmp_path / "m", "msgpack"),
        Batch(["b"]).load(tmp_path / "h.h5", "hdf5"),
    ):
        np.testing.assert_array_equal(came.r[0], np.ones(3))
    for fmt in ("npz", "csv"):
        with pytest.raises(SpecError, match="'r'"):
            batch.dump(tmp_path / fmt, fmt)
    with pytest.raises(SpecError, match="layout"):
        batch.dump(tmp_path / "h.h5", "hdf5", layout="rows")


def test_a_files_index_says_where_its_items_are(tmp_path):
    pytest.importorskip("blosc2")
    batch_of(["a", "b"]).dump(tmp_path, "blosc", components=("score",))
    index = FilesIndex(tmp_path / "*.blosc", no_ext=True)
    assert Batch(index).load(fmt="blosc").score.shape == (2,)


def test_memory_is_cut_by_label():
    data = np.arange(10) * 10
    assert Batch([7, 2]).load(data, dst="x").x.tolist() == [70, 20]
    assert Batch([7, 2]).load({"x": data, "y": -data}).y.tolist() == [-70, -20]
    assert Batch([7, 2]).load((data, -data), dst=("x", "y")).y.tolist() == [-70, -20]
    assert Batch([7, 2]).load(data).data.tolist() == [70, 20]
    with pytest.raises(BadIndexError, match="10 entries"):
        Batch([7, 12]).load(data, dst="x")


def test_a_frame_is_cut_by_its_own_labels_and_stays_one():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"x": [1, 2, 3]}, index=[30, 10, 20])
    batch = Batch([20, 30]).load(frame, dst="table")
    assert batch.table.x.tolist() == [3, 1]


def test_one_component_may_be_put_back_into_memory():
    whole = np.zeros(10)
    Batch.from_data([7, 2], {"x": np.zeros(10), "y": np.zeros(10)}).load(
        np.arange(10.0), dst="x"
    ).dump(whole, components="x")
    assert whole.tolist() == [0, 0, 2, 0, 0, 0, 0, 7, 0, 0]
    with pytest.raises(SpecError, match="x, y"):
        Batch.from_data(data={"x": np.zeros(3), "y": np.zeros(3)}).dump(whole)


def test_an_unknown_format_and_a_damaged_file_are_refused(tmp_path):
    with pytest.raises(SpecError, match="fmt"):
        Batch(3).load("x", "pickle")
    with pytest.raises(SpecError, match="fmt"):
        Batch.from_data(data={"x": np.ones(3)}).dump("x", "pickle")
    (tmp_path / "x.npz").write_bytes(b"no archive")
    with pytest.raises(FormatError, match=r"x\.npz"):
        Batch(3).load(tmp_path / "x.npz", "npz")


def test_what_is_pickled_in_a_file_is_not_read(tmp_path):
    np.savez(tmp_path / "evil.npz", labels=np.array([1, {}], dtype=object))
    with pytest.raises(FormatError, match="evil"):
        Batch([1]).load(tmp_path / "evil.npz", "npz")
