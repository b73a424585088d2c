"""Images and Series, sparse matrices, pandas objects."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

import thunderlike as tl
from thunderlike.errors import Hdf5Error, SpecError


def test_images_come_back_from_either_engine(tmp_path, engine):
    movie = tl.images.fromarray(
        np.arange(60.0).reshape(5, 3, 4), labels=list("abcde"), engine=engine
    )
    tl.save(tmp_path / "x.h5", {"movie": movie, "n": 1}, None)
    found = tl.load(tmp_path / "x.h5")["movie"]
    assert isinstance(found, tl.Images)
    np.testing.assert_array_equal(found.toarray(), movie.toarray())
    assert found.labels.tolist() == list("abcde")
    with h5py.File(tmp_path / "x.h5") as file:
        assert file["movie/values"].shape == (5, 3, 4)


@pytest.mark.parametrize("shape", [(6, 10), (2, 3, 10)])
def test_series_come_back_from_either_engine(tmp_path, engine, shape):
    values = np.random.default_rng(0).integers(0, 9, shape).astype("int16")
    series = tl.series.fromarray(values, index=list(range(5, 15)), engine=engine)
    tl.save(tmp_path / "x.h5", series)
    found = tl.load(tmp_path / "x.h5")
    assert isinstance(found, tl.Series)
    assert found.shape == series.shape
    assert found.dtype == series.dtype
    np.testing.assert_array_equal(found.toarray(), values)
    assert found.index.tolist() == list(range(5, 15))
    part = tl.load(tmp_path / "x.h5", "/data", sel=tl.aslice[0, ..., ::5])
    np.testing.assert_array_equal(part, values[0, ..., ::5])


sparse = pytest.importorskip("scipy.sparse")
FORMATS = ["csr", "csc", "coo", "bsr", "dia", "dok", "lil"]


@pytest.mark.parametrize("kind", ["matrix", "array"])
@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("dtype", ["f4", "c16", "i8", "?"])
def test_sparse_keeps_format_class_and_dtype(back, name, kind, dtype):
    dense = np.array([[1, 0, 0, 1], [0, 0, 0, 0], [0, 1, 0, 0]]).astype(dtype)
    for value in (dense, np.zeros((3, 4), dtype)):
        matrix = getattr(sparse, f"{name}_{kind}")(value)
        found = back({"m": matrix})["m"]
        assert type(found) is type(matrix)
        assert found.dtype == matrix.dtype
        assert found.shape == (3, 4)
        assert found.nnz == matrix.nnz
        np.testing.assert_array_equal(found.toarray(), value)


def test_an_array_of_one_axis(back):
    found = back({"v": sparse.coo_array(np.array([0, 5, 0, 7]))})["v"]
    assert found.shape == (4,)
    assert found.toarray().tolist() == [0, 5, 0, 7]
    found = back({"v": sparse.coo_array(np.array([0, 5]))}, meta=False)["v"]
    assert (type(found), found.toarray().tolist()) == (sparse.coo_array, [0, 5])


def test_a_sparse_matrix_of_no_known_format(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        group = file.create_group("m")
        group.attrs["TITLE"], group.attrs["format"] = "sparse:", "other"
    with pytest.raises(Hdf5Error, match="unknown format"):
        tl.load(tmp_path / "x.h5")


pd = pytest.importorskip("pandas")
NUMBERS = pd.DataFrame({"a": [1, 2], "b": [0.5, np.nan], "c": [True, False]}, index=["x", "y"])
FRAMES = {
    "numbers": NUMBERS,
    "times": pd.DataFrame({"t": pd.to_datetime(["2020", None])}, index=[5, 7]),
    "named": NUMBERS.rename_axis(index="row", columns="column"),
    "dates": pd.DataFrame({"v": [1.0, 2]}, index=pd.date_range("2020", periods=2, freq="D")),
    "range": pd.DataFrame({"v": [1.0, 2]}, index=pd.RangeIndex(2, 6, 2)),
    "integers": pd.DataFrame({5: [1], 6: [2.0]}),
    "text": pd.DataFrame({"s": ["a", None, "☃"]}),
    "mixed": pd.DataFrame({"m": [1, "a", 2.5]}, dtype=object),
    "double": pd.DataFrame([[1, 2.0]], columns=["a", "a"]),
    "empty": pd.DataFrame(),
    "rowless": NUMBERS.iloc[:0],
    "columnless": pd.DataFrame(index=[1, 2]),
    "levels": NUMBERS.set_index("a", append=True),
    "both": pd.DataFrame(np.eye(2), columns=pd.MultiIndex.from_product([["p"], ["q", "r"]])),
    "categories": pd.DataFrame({"c": pd.Categorical(["u", None, "v"], ["v", "u"], ordered=True)}),
    "missing": pd.DataFrame({"i": pd.array([1, None], "Int8")}),
    "truths": pd.DataFrame({"b": pd.array([None, True], "boolean")}),
    "floats": pd.DataFrame({"f": pd.array([1.5, None], "Float32")}),
    "strings": pd.DataFrame({"s": pd.array(["a", None], "string")}),
    "zones": pd.DataFrame({"z": pd.date_range("2020", periods=2, tz="Asia/Tokyo")}),
    "periods": pd.DataFrame({"p": pd.period_range("2020", periods=2, freq="M")}),
    "deltas": pd.DataFrame({"d": pd.to_timedelta([1, None], "h")}),
    "intervals": pd.DataFrame({"i": pd.cut([1.0, 2.0, 9.0], 3), "e": pd.interval_range(0, 3)}),
    "bins": pd.DataFrame({"v": [1, 2]}, index=pd.interval_range(0.5, 2.5, closed="left")),
    "seconds": pd.DataFrame({"t": np.array(["2020"], "M8[s]")}),
    "noted": NUMBERS.copy(),
}  # fmt: skip
FRAMES["noted"].attrs["unit"] = "mm"


@pytest.mark.parametrize("name", FRAMES)
def test_frames_come_back_without_pickles(back, name):
    frame = FRAMES[name]
    found = back({"f": frame})["f"]
    pd.testing.assert_frame_equal(found, frame, check_freq=True)
    assert found.attrs == frame.attrs
    for column in range(frame.shape[1]):
        series = frame.iloc[:, column]
        pd.testing.assert_series_equal(back({"s": series})["s"], series, check_freq=True)


@pytest.mark.parametrize("name", FRAMES)
def test_frames_come_back_whichever_types_are_wanted(back, name):
    frame = FRAMES[name]
    found = back({"f": frame}, types="numpy")["f"]
    pd.testing.assert_frame_equal(found, frame, check_freq=False)


def test_a_column_without_a_place_is_named_and_can_be_pickled(back, tmp_path):
    frame = pd.DataFrame({"a": [1, 2], "gaps": pd.arrays.SparseArray([0, 1])})
    with pytest.raises(SpecError, match=r"/f: the column 'gaps' .*Sparse.*to_dense.*pickle="):
        back({"f": frame})
    pd.testing.assert_frame_equal(back({"f": frame}, pickle="allow")["f"], frame)


VALUES = [
    pd.Index([1, 2], name="n"), pd.Index(["a", None]), pd.RangeIndex(5), pd.Categorical(["a", "b"]),
    pd.MultiIndex.from_tuples([(1, "a"), (2, "b")], names=["x", None]),
    pd.Timestamp("2020-01-01 05:00"),
    pd.Timestamp("2020", tz="Europe/Paris"), pd.Timedelta("5h"), pd.NaT, pd.NA,
    pd.date_range("2020", periods=2, tz="UTC"), pd.CategoricalIndex(["a"]),
    pd.interval_range(0, 2, name="n"), pd.arrays.IntervalArray.from_breaks([0.0, 1.0, 2.0]),
]  # fmt: skip


@pytest.mark.parametrize("value", VALUES, ids=lambda v: type(v).__name__)
def test_what_else_pandas_has(back, value):
    found = back({"v": value})["v"]
    assert type(found) is type(value)
    if isinstance(value, pd.Index):
        pd.testing.assert_index_equal(found, value)
    elif isinstance(value, pd.Categorical | pd.arrays.IntervalArray):
        pd.testing.assert_extension_array_equal(found, value)
    else:
        assert found is value or found == value


def test_a_period_has_to_be_pickled(tmp_path):
    with pytest.raises(SpecError, match="Period"):
        tl.save(tmp_path / "x.h5", {"p": pd.Period("2020")})
    assert list(tmp_path.iterdir()) == []


def test_pandas_reads_the_frames_of_numbers(tmp_path):
    frames = {name: FRAMES[name] for name in ("numbers", "times", "integers")}
    tl.save(tmp_path / "x.h5", frames)
    for name, frame in frames.items():
        pd.testing.assert_frame_equal(pd.read_hdf(tmp_path / "x.h5", name), frame)


@pytest.mark.filterwarnings("ignore::Warning")
def test_we_read_what_pandas_writes(tmp_path):
    for name in ("numbers", "times", "named", "dates", "levels", "text", "rowless", "range"):
        FRAMES[name].to_hdf(tmp_path / "x.h5", key=name)
        found = tl.load(tmp_path / "x.h5", f"/{name}", pickle="restricted")
        pd.testing.assert_frame_equal(found, FRAMES[name], check_freq=False, check_index_type=False)
    NUMBERS.to_hdf(tmp_path / "x.h5", key="table", format="table")
    with pytest.raises(SpecError, match=r"pandas\.read_hdf"):
        tl.load(tmp_path / "x.h5", "/table")
