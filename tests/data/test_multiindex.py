"""Selecting and aggregating by an index of one level or several."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import thunderlike as tl
from thunderlike.data import indexing
from thunderlike.errors import SpecError, WorkerFailedError

LEVELS = np.array(
    [
        [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2],
        [0, 0, 1, 1, 0, 0, 1, 1, 0, 0, 1, 1],
        [0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 2, 3],
    ]
).T
NUMPY = {
    "sum": np.sum,
    "mean": np.mean,
    "median": np.median,
    "std": np.std,
    "max": np.max,
    "min": np.min,
    "count": np.size,
}


@pytest.fixture
def array():
    return np.random.default_rng(8).integers(0, 50, (3, 2, 12)).astype("int16")


@pytest.fixture
def series(array, engine):
    labels = np.arange(6).reshape(3, 2)
    return tl.series.fromarray(array, index=LEVELS, labels=labels, engine=engine)


def kept(found):
    """Positions that are left of series whose values are their positions."""
    return found.toarray(squeeze=False)[0].tolist()


@pytest.fixture
def positions(engine):
    return tl.series.fromarray(np.arange(12), index=LEVELS, engine=engine)


# selecting


@pytest.mark.parametrize(
    ("val", "level", "expected"),
    [
        (1, 0, [4, 5, 6, 7]),
        ([0, 2], 0, [0, 1, 2, 3, 8, 9, 10, 11]),
        ([[0, 2]], [0], [0, 1, 2, 3, 8, 9, 10, 11]),
        (0, 2, [0, 2, 4, 6, 8]),
        ([1, 0], [0, 1], [4, 5]),
        ([0, [0, 1]], [1, 2], [0, 1, 4, 5, 8, 9]),
        ([[0, 2], 1, [1, 3]], [0, 1, 2], [3, 11]),
        (([1, 0], (0,)), (0, 1), [0, 1, 4, 5]),
        (np.array([2]), 0, [8, 9, 10, 11]),
        (range(2, 4), np.int64(2), [10, 11]),
    ],
)
def test_select_by_index(val, level, expected):
    positions = tl.series.fromarray(np.arange(12), index=LEVELS)
    found = positions.select_by_index(val, level=level)
    assert kept(found) == expected
    assert found.index.tolist() == LEVELS[expected].tolist()


def test_select_by_index_on_every_engine(series, array):
    found, mask = series.select_by_index([[0, 2], 1], level=[0, 1], return_mask=True)
    assert np.flatnonzero(mask).tolist() == [2, 3, 10, 11]
    np.testing.assert_array_equal(found.toarray(), array[..., [2, 3, 10, 11]], strict=True)
    assert found.labels.tolist() == [[0, 1], [2, 3], [4, 5]]


def test_filter_by_index_keeps_the_others(positions):
    found = positions.select_by_index([0, 1], level=[1, 2], filter=True, squeeze=True)
    assert kept(found) == [0, 2, 3, 4, 6, 7, 8, 10, 11]
    assert found.index.shape == (9, 3)  # nothing is squeezed when filtering


@pytest.mark.parametrize(
    ("val", "level", "index"),
    [
        (1, 0, LEVELS[4:8, 1:].tolist()),
        ([1, 0], [0, 1], [0, 1]),
        ([1, [0]], [0, 1], [0, 1]),
        ([[0, 2], 1], [0, 1], LEVELS[[2, 3, 10, 11]][:, [0, 2]].tolist()),
        ([1, 0, [0, 1]], [0, 1, 2], [0, 1]),
        ([1, 0, 1], [0, 1, 2], [0]),
    ],
)
def test_squeeze_drops_the_levels_that_are_fixed(val, level, index):
    positions = tl.series.fromarray(np.arange(12), index=LEVELS)
    found = positions.select_by_index(val, level=level, squeeze=True)
    assert found.index.tolist() == index


def test_an_index_of_one_level():
    series = tl.series.fromarray(np.arange(6), index=[0, 0, 1, 1, 2, 2])
    assert series.select_by_index(1).index.tolist() == [1, 1]
    assert series.select_by_index(1, squeeze=True).index.tolist() == [0, 1]
    assert series.select_by_index([0, 2], squeeze=True).index.tolist() == [0, 0, 2, 2]
    assert kept(series.select_by_index(1, filter=True)) == [0, 1, 4, 5]


@pytest.mark.parametrize("level", [3, -1, [0, 3], "a", 0.5, []])
def test_a_level_that_there_is_not(level):
    positions = tl.series.fromarray(np.arange(12), index=LEVELS)
    for call in (positions.mean_by_index, lambda at: positions.select_by_index(0, level=at)):
        with pytest.raises(SpecError, match="from 0 to 2"):
            call(level)


@pytest.mark.parametrize(("val", "level"), [([0, 1, 2], [0, 1]), (0, [0, 1]), ([0, []], [0, 1])])
def test_one_entry_for_each_level(val, level):
    positions = tl.series.fromarray(np.arange(12), index=LEVELS)
    with pytest.raises(SpecError, match="2 level"):
        positions.select_by_index(val, level=level)


def test_selecting_nothing_says_so():
    positions = tl.series.fromarray(np.arange(12), index=LEVELS)
    with pytest.raises(SpecError, match="no position is left"):
        positions.select_by_index([0, 3], level=[0, 2])
    with pytest.raises(SpecError, match="no position is left"):
        positions.select_by_index([0, 1, 2], filter=True)


# each of these was wrong in Thunder


def test_bug_select_by_index_changed_the_list_it_was_given(positions):
    asked = [2, [2, 3], 1]
    positions.select_by_index(asked, level=[0, 2, 1])
    assert asked == [2, [2, 3], 1]


def test_bug_select_by_index_of_an_unknown_value_failed_deep_inside(positions):
    with pytest.raises(ValueError, match="level 2 equals 9; available: 0, 1, 2, 3"):
        positions.select_by_index([0, [1, 9]], level=[0, 2])


def test_bug_select_by_index_squeezed_to_a_single_position_failed(positions):
    found = positions.select_by_index([2, 1, 3], level=[0, 1, 2], squeeze=True)
    assert (kept(found), found.index.tolist()) == ([11], [0])


def test_bug_select_by_index_took_text_letter_by_letter(engine):
    index = [("go", "left"), ("go", "right"), ("stop", "left")]
    series = tl.series.fromarray(np.arange(3), index=index, engine=engine)
    assert kept(series.select_by_index("go")) == [0, 1]
    assert kept(series.select_by_index(["stop", "left"], level=[0, 1])) == [2]


# aggregating


def plain(array, level, function):
    """What comes out, one mask at a time."""
    columns = LEVELS[:, np.atleast_1d(level)]
    keys = sorted({tuple(row) for row in columns.tolist()})
    masks = [(columns == key).all(axis=1) for key in keys]
    values = np.stack([function(array[..., mask], axis=-1) for mask in masks], axis=-1)
    return [key[0] if len(key) == 1 else list(key) for key in keys], values


@pytest.mark.parametrize("level", [0, 2, [2], [0, 1], [2, 0], [0, 1, 2]])
@pytest.mark.parametrize("name", NUMPY)
def test_every_statistic_at_every_level(array, name, level):
    series = tl.series.fromarray(array, index=LEVELS)
    function = NUMPY[name]
    if name == "count":
        keys, expected = plain(array, level, lambda x, axis: np.full(x.shape[:-1], x.shape[-1]))
    else:
        keys, expected = plain(array, level, function)
    found = getattr(series, f"{name}_by_index")(level)
    assert found.index.tolist() == keys
    np.testing.assert_allclose(found.toarray(squeeze=False), expected)


@pytest.mark.parametrize("name", NUMPY)
def test_every_statistic_on_every_engine(series, array, name):
    found = getattr(series, f"{name}_by_index")([0, 1])
    local = getattr(tl.series.fromarray(array, index=LEVELS), f"{name}_by_index")([0, 1])
    assert (found.shape, found.labels.tolist()) == ((3, 2, 6), [[0, 1], [2, 3], [4, 5]])
    np.testing.assert_array_equal(found.index, local.index, strict=True)
    np.testing.assert_array_equal(found.toarray(), local.toarray(), strict=True)


def test_stat_by_index_takes_any_case_and_no_other_statistic(array):
    series = tl.series.fromarray(array, index=LEVELS)
    found = series.stat_by_index("StDev", level=1).toarray()
    np.testing.assert_array_equal(found, series.std_by_index(level=1).toarray())
    with pytest.raises(ValueError, match=r"'variance'.*stdev"):
        series.stat_by_index("variance")


def test_aggregate_by_index(series, array):
    keys, expected = plain(array, [0, 2], np.ptp)
    found = series.aggregate_by_index(np.ptp, level=[0, 2])
    assert (found.index.tolist(), found.shape) == (keys, (3, 2, len(keys)))
    np.testing.assert_array_equal(found.toarray(), expected)


def test_aggregate_by_index_with_a_function_that_raises_names_the_key(series):
    def picky(values):
        raise ZeroDivisionError("never")

    with pytest.raises(WorkerFailedError, match="picky raised ZeroDivisionError") as caught:
        series.aggregate_by_index(picky)
    assert caught.value.key == (0, 0)


def test_groups_are_those_that_occur_not_the_product_of_all_values():
    """Thunder built a mask for every combination: a million here."""
    index = np.repeat(np.arange(1000)[:, None], 6, axis=1)
    found = tl.series.fromarray(np.arange(1000), index=index).sum_by_index(list(range(6)))
    assert (found.shape, found.index.shape) == ((1, 1000), (1000, 6))


def test_values_of_a_level_may_be_of_any_kind_that_sorts():
    index = [("b", 2.5), ("a", 2.5), ("b", -1), ("a", 2.5)]
    series = tl.series.fromarray(np.array([1, 2, 4, 8]), index=index)
    assert series.sum_by_index([0, 1]).index.tolist() == [["a", 2.5], ["b", -1], ["b", 2.5]]
    assert series.sum_by_index(1).toarray().tolist() == [4, 11]
    assert kept(series.select_by_index(-1, level=1)) == [4]
    days = np.array(["2020-02-01", "2020-01-01", "2020-02-01"], "M8[D]")
    by_day = tl.series.fromarray(np.array([1, 2, 4]), index=days).sum_by_index()
    assert by_day.toarray().tolist() == [2, 5]
    with pytest.raises(SpecError, match="sorted"):
        tl.series.fromarray(np.arange(2), index=[("a",), (1,)]).sum_by_index()


# index arrays


def test_as_index():
    assert indexing.as_index(None, 3).tolist() == [0, 1, 2]
    assert indexing.as_index("one", 1).tolist() == ["one"]
    assert indexing.as_index(range(2), 2).tolist() == [0, 1]
    assert indexing.as_index([("a", 1)], 1).tolist() == [["a", 1]]
    assert indexing.as_index([("a", "1")], 1).dtype.kind == "U"


@pytest.mark.parametrize(
    ("index", "message"),
    [
        ([1, 2], "2 entries, the series 3"),
        ([[1], [1, 2], [3]], "more levels than others"),
        (np.zeros((3, 2, 2)), r"\(3, 2, 2\)"),
    ],
)
def test_invalid_indexes(index, message):
    with pytest.raises(SpecError, match=message):
        tl.series.fromarray(np.zeros((2, 3)), index=index)


def test_grouped_agrees_with_sorting_in_python():
    rng = np.random.default_rng(0)
    for length, levels in itertools.product([0, 1, 40], [1, 2, 3]):
        index = rng.integers(-2, 2, (length, levels))
        keys, numbers = indexing.grouped(index, list(range(levels)))
        rows = sorted({tuple(row) for row in index.tolist()})
        assert np.reshape(keys, (-1, levels)).tolist() == [list(row) for row in rows]
        assert [rows[n] for n in numbers] == [tuple(row) for row in index.tolist()]
