"""Selections of arrays in a file equal those of numpy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import thunderlike as tl
from thunderlike.errors import BadIndexError, SpecError
from thunderlike.hdf5._datasets import plan

CUBE = np.arange(9 * 7 * 5).reshape(9, 7, 5)
INDICES = [
    np.s_[2], np.s_[-1], np.s_[2:5], np.s_[::-1], np.s_[7:1:-3], np.s_[...], np.s_[:, 1],
    np.s_[..., 0],
    np.s_[None, 2], np.s_[[0, 2]], np.s_[[2, 0, 2, -1]], np.s_[:, [5, 1]], np.s_[[0, 2], [1, 3]],
    np.s_[1, :, [0, 3]], np.s_[:, 2, [0, 3]], np.s_[[0, 8], :, [1, 2]], np.s_[[[0, 1], [2, 3]]],
    np.s_[CUBE[:, 0, 0] % 2 == 0], CUBE % 3 == 0, np.s_[:, np.array([True, False] * 3 + [True])],
    np.s_[5:2], np.s_[[]], np.s_[100:], np.s_[2:100:4, ::-2, -3:], np.s_[()], np.s_[2, 3, 4],
    np.s_[np.array([8, 0])], np.s_[::2, None, [1, 1]], np.s_[-3:-1, ..., [0]],
]  # fmt: skip


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("sel") / "x.h5"
    tl.save(path, {"plain": CUBE, "packed": np.tile(CUBE, (3, 1, 1)), "none": np.zeros((4, 0))})
    return path


@pytest.mark.parametrize("index", INDICES, ids=lambda i: str(i)[:30].replace("\n", " "))
def test_a_part_is_what_numpy_takes(path, index):
    found = tl.load(path, "/plain", sel=index)
    np.testing.assert_array_equal(found, CUBE[index])
    assert np.shape(found) == CUBE[index].shape


@settings(suppress_health_check=list(HealthCheck))
@given(
    hnp.basic_indices(CUBE.shape, allow_newaxis=True)
    | st.tuples(
        hnp.integer_array_indices(CUBE.shape[:1], result_shape=st.just((3,))).map(lambda i: i[0]),
        st.slices(7),
    )
)
def test_any_index_takes_what_numpy_takes(path, index):
    np.testing.assert_array_equal(tl.load(path, "/plain", sel=index), CUBE[index])


@pytest.mark.parametrize("array", [
    np.array([["a", "bcd"], ["ef", ""], ["ü", "☃"]]), np.array(["2020", "2021", "NaT"], "M8[D]"),
    np.array([(1, "a"), (2, "b"), (3, "c")], [("n", int), ("t", "U1")]),
    np.array([1, "a", None], object), np.array([True, False, True]), np.zeros((3, 0)),
    np.ma.masked_array([1, 2, 3], [1, 0, 0]), np.array([b"a", b"b", b"c"]),
    np.arange(3, dtype=">i4"),
    np.array([b"ab", b"cd", b"ef"], "V2"), np.array([(1, 2.0)] * 3, [("a", int), ("b", float)]),
    np.asfortranarray(np.arange(6).reshape(3, 2)),
], ids=lambda a: a.dtype.str)  # fmt: skip
@pytest.mark.parametrize("index", [np.s_[::-1], np.s_[[2, 0]], 1, np.s_[1:]])
def test_every_kind_of_array_can_be_taken_apart(tmp_path, array, index):
    tl.save(tmp_path / "x.h5", {"x": array})
    found = tl.load(tmp_path / "x.h5", "/x", sel=index)
    assert np.asarray(found).tobytes() == np.asarray(array[index]).tobytes() or (
        np.array_equal(found, array[index])
    )
    assert np.asarray(found).dtype == np.asarray(array[index]).dtype


def test_frames_and_matrices_are_taken_apart_by_rows(tmp_path):
    pandas = pytest.importorskip("pandas")
    sparse = pytest.importorskip("scipy.sparse")
    frame = pandas.DataFrame({"a": [1, 2, 3], "b": [1.0, 2.0, 3.0]}, index=["x", "y", "z"])
    mixed = frame.assign(c=["u", None, "w"])
    matrix = sparse.random(5, 4, 0.5, "csr", random_state=0)
    tl.save(tmp_path / "x.h5", {"f": frame, "m": mixed, "s": matrix, "row": frame["a"]})
    for sel in (slice(0, 2), [2, 0], np.array([True, False, True])):
        pandas.testing.assert_frame_equal(tl.load(tmp_path / "x.h5", "/f", sel), frame.iloc[sel])
        pandas.testing.assert_frame_equal(tl.load(tmp_path / "x.h5", "/m", sel), mixed.iloc[sel])
        pandas.testing.assert_series_equal(
            tl.load(tmp_path / "x.h5", "/row", sel), frame["a"].iloc[sel]
        )
    assert (tl.load(tmp_path / "x.h5", "/s", sel=[3, 1]) != matrix[[3, 1]]).nnz == 0


@pytest.mark.parametrize(
    "index", [9, -10, [0, 9], np.s_[0, 0, 0, 0], "a", 1.5, [0.5], np.ones(3, bool)]
)
def test_an_index_that_does_not_fit_says_where(path, index):
    with pytest.raises(BadIndexError, match=r"x\.h5: /plain: "):
        tl.load(path, "/plain", sel=index)


def test_what_has_no_parts_says_so(tmp_path):
    tl.save(tmp_path / "x.h5", {"n": 5, "d": {}, "t": "x" * 70_000, "p": tl.hdf5.ForcePickle([1])})
    for name in ("n", "d", "t", "p"):
        with pytest.raises(SpecError, match=f"/{name}: .*sel"):
            tl.load(tmp_path / "x.h5", f"/{name}", sel=0, pickle="allow")


def test_several_entries_take_the_same_part(path):
    one, two = tl.load(path, ["/plain", "packed"], sel=tl.aslice[0, 0])
    assert (one == two).all()


def test_little_is_read():
    planned = plan(np.s_[[5, 6, 7, 100], 2], (1000, 1000))
    assert planned.shape == (4, 1)
    assert planned.axes[0].runs == ((5, 3), (100, 1))
    assert plan(np.s_[10:20], (1000, 1000)).shape == (10, 1000)
    tl.save("memory://big.h5", {"x": np.zeros((1000, 100))})
    with pytest.raises(tl.errors.RefusedError):
        tl.load("memory://big.h5", "/x", sel=slice(None, None, 2), max_bytes=399_999)
