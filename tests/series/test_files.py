"""Series in from files, and out, on every engine."""

from __future__ import annotations

import json

import numpy as np
import pytest

import thunderlike as tl
from thunderlike.errors import ExistsError, FormatError, SpecError


@pytest.fixture
def array():
    return np.random.default_rng(4).integers(-99, 99, (3, 4, 5)).astype(np.int16)


def test_binary_out_and_in_again(engine, array, tmp_path):
    tl.series.fromarray(array, engine=engine).tobinary(tmp_path / "out")
    found = tl.series.frombinary(tmp_path / "out", engine=engine)
    np.testing.assert_array_equal(found.toarray(), array, strict=True)
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names[:2] == ["SUCCESS", "conf.json"]
    assert names[2] == "series-00000-00000.bin"
    with pytest.raises(ExistsError):
        found.tobinary(tmp_path / "out")


def test_binary_of_several_files_is_read_in_their_order(engine, array, tmp_path):
    flat = array.reshape(12, 5)
    for name, rows in (("b", slice(7, 12)), ("a", slice(0, 7))):
        (tmp_path / f"{name}.bin").write_bytes(flat[rows].tobytes())
    found = tl.series.frombinary(tmp_path, shape=(3, 4, 5), dtype="int16", engine=engine)
    np.testing.assert_array_equal(found.toarray(), array, strict=True)


def test_leading_values_may_be_left_out(engine, tmp_path):
    table = np.arange(24.0).reshape(4, 6)
    (tmp_path / "x.bin").write_bytes(table.tobytes())
    found = tl.series.frombinary(tmp_path, dtype="float64", shape=(4, 4), skip=2, engine=engine)
    np.testing.assert_array_equal(found.toarray(), table[:, 2:])


@pytest.mark.parametrize("first", [0, 1])
def test_records_that_carry_their_keys_are_put_where_these_say(engine, array, tmp_path, first):
    """As in Thunder's own examples: first key fastest, keys of another type than values."""
    record = np.dtype([("key", "<i2", (2,)), ("value", "u1", (5,))])
    table = np.empty(12, record)
    keys = [(i, j) for j in range(4) for i in range(3)]
    table["key"] = np.array(keys) + first
    table["value"] = [array[key].astype("u1") for key in keys]
    (tmp_path / "keyed.bin").write_bytes(table.tobytes())
    conf = {"nkeys": 2, "nvalues": 5, "keytype": "int16", "valuetype": "uint8", "input": "x"}
    (tmp_path / "conf.json").write_text(json.dumps(conf))
    found = tl.series.frombinary(tmp_path, engine=engine)
    np.testing.assert_array_equal(found.toarray(), array.astype("u1"), strict=True)
    (tmp_path / "keyed.bin").write_bytes(table[:-1].tobytes())
    with pytest.raises(SpecError, match="keys of 11 records"):
        tl.series.frombinary(tmp_path, engine=engine)


def test_what_does_not_fit_is_named(tmp_path):
    (tmp_path / "x.bin").write_bytes(bytes(100))
    with pytest.raises(SpecError, match="give dtype="):
        tl.series.frombinary(tmp_path)
    with pytest.raises(SpecError, match="give shape="):
        tl.series.frombinary(tmp_path, dtype="int16")
    with pytest.raises(FormatError, match=r"x\.bin: 100 bytes"):
        tl.series.frombinary(tmp_path, dtype="int16", shape=(7, 7))
    with pytest.raises(SpecError, match="10 series of length 5"):
        tl.series.frombinary(tmp_path, dtype="int16", shape=(7, 5))


def test_text_of_every_kind(engine, tmp_path):
    (tmp_path / "a.txt").write_text("# x y\n0 1.5,2\n\n1\t3 4 # last\n")
    (tmp_path / "b.txt").write_text("2 5 6")
    (tmp_path / "c.txt").write_text("\n")
    found = tl.series.fromtext(tmp_path, skip=1, dtype="float32", index=["x", "y"], engine=engine)
    expected = np.array([[1.5, 2], [3, 4], [5, 6]], np.float32)
    np.testing.assert_array_equal(found.toarray(), expected, strict=True)
    assert found.index.tolist() == ["x", "y"]
    shaped = tl.series.fromtext(tmp_path, shape=(3, 1, 3), labels=[[1], [2], [3]], engine=engine)
    assert (shaped.shape, shaped.labels.shape) == ((3, 1, 3), (3, 1))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("1 2\n3 4 5\n", "line 2 has 3 columns, line 1 has 2"),
        ("1 2\n3 four\n", "line 2: 'four' is not a number"),
        ("1\n2\n", "none is left"),
    ],
)
def test_text_that_is_no_table_is_named_with_its_line(tmp_path, text, says):
    (tmp_path / "bad.txt").write_text(text)
    with pytest.raises(FormatError, match=rf"bad\.txt: .*{says}"):
        tl.series.fromtext(tmp_path, skip=1)


def test_text_files_of_different_width_are_named(tmp_path):
    (tmp_path / "a.txt").write_text("1 2\n")
    (tmp_path / "b.txt").write_text("1 2 3\n")
    with pytest.raises(FormatError, match=r"b\.txt: has 3 columns"):
        tl.series.fromtext(tmp_path)


@pytest.mark.parametrize("rows", [None, 2])
def test_files_of_any_kind(tmp_path, engine, rows):
    values = np.arange(24, dtype=">i2").reshape(3, *((rows,) if rows else ()), -1)
    for number, part in enumerate(values):
        (tmp_path / f"{number}.dat").write_bytes(part.tobytes())

    def read(data):
        array = np.frombuffer(data, ">i2")
        return array.reshape(rows, -1) if rows else array

    found = tl.series.frompath(tmp_path, read, engine=engine)
    np.testing.assert_array_equal(found.toarray(), values)
    assert found.dtype == np.int16
    stated = tl.series.frompath(tmp_path, read, dims=values.shape[1:], dtype=">i2", engine=engine)
    assert stated.shape == values.shape
    (tmp_path / "3.dat").write_bytes(bytes(2))
    with pytest.raises(tl.ThunderlikeError, match=r"3\.dat"):
        tl.series.frompath(tmp_path, read, engine=engine).toarray()


def test_bug_text_lost_its_dtype_its_last_line_and_what_followed_a_comma(engine, tmp_path):
    (tmp_path / "a.txt").write_text("# two records\n1, 2,3\n\n4\t5 6")
    series = tl.series.fromtext(tmp_path / "a.txt", dtype="int32", labels=[7, 8], engine=engine)
    expected = np.array([[1, 2, 3], [4, 5, 6]], "int32")
    np.testing.assert_array_equal(series.toarray(), expected, strict=True)
    assert series.labels.tolist() == [7, 8]
    (tmp_path / "b.txt").write_text("1 2\n3\n")
    with pytest.raises(FormatError, match=r"b\.txt.*2"):
        tl.series.fromtext(tmp_path / "b.txt", engine=engine).toarray()


def test_bug_series_of_binary_files_failed_with_an_array_as_index(engine, tmp_path):
    series = tl.series.fromarray(np.arange(6.0).reshape(3, 2), engine=engine)
    series.tobinary(tmp_path / "series")
    index = np.array([0.5, 1.5])
    found = tl.series.frombinary(tmp_path / "series", index=index, labels=[4, 5, 6], engine=engine)
    np.testing.assert_array_equal(found.index, index)
    assert found.labels.tolist() == [4, 5, 6]
