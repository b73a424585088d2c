"""Reductions over groups of positions, against numpy one record and one group at a time."""

from __future__ import annotations

import numpy as np
import pytest

from thunderlike.errors import SpecError
from thunderlike.kernels.groupby import STATISTICS, Groups, percentile, statistic, summary

NUMBERS = [2, 0, 0, 1, 2, 2, 0, 3, 1, 0]
NUMPY = {
    "sum": np.sum,
    "mean": np.mean,
    "median": np.median,
    "stdev": np.std,
    "max": np.max,
    "min": np.min,
    "count": np.size,
}
DTYPES = ["bool", "uint8", "int16", "int64", "float16", "float32", "float64", ">i2", ">f4"]


def block(dtype="float64", shape=(300, 10)):
    return np.random.default_rng(1).integers(0, 99, shape).astype(dtype)


def expected(values, stat):
    long = values.astype("float64") if stat in ("mean", "median", "stdev") else values
    groups = [np.flatnonzero(np.equal(NUMBERS, g)) for g in range(4)]
    return np.array([[NUMPY[stat](record[g]) for g in groups] for record in long])


@pytest.mark.parametrize("stat", STATISTICS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_statistic_of_every_group(stat, dtype):
    values = block(dtype)
    found = statistic(values, Groups.numbered(NUMBERS), stat)
    np.testing.assert_allclose(
        found, expected(values, stat), rtol=1e-3 if dtype == "float16" else 1e-6
    )


@pytest.mark.parametrize(
    ("stat", "dtype", "result"),
    [
        ("sum", "bool", "int64"),
        ("sum", "uint8", "uint64"),
        ("sum", "float32", "float32"),
        ("max", "int16", "int16"),
        ("min", "bool", "bool"),
        ("mean", "int16", "float64"),
        ("mean", "float32", "float32"),
        ("stdev", "float16", "float64"),
        ("median", "float32", "float32"),
        ("median", "bool", "float64"),
        ("count", "float32", "int64"),
    ],
)
def test_dtype_of_a_statistic_also_of_no_records(stat, dtype, result):
    groups = Groups.numbered(NUMBERS)
    assert statistic(block(dtype), groups, stat).dtype == result
    nothing = statistic(block(dtype)[:0], groups, stat)
    assert (nothing.dtype, nothing.shape) == (result, (0, 4))


def test_a_sum_has_room():
    found = statistic(np.full((2, 300), 200, "uint8"), Groups.numbered([0] * 300), "sum")
    assert found.tolist() == [[60000], [60000]]


def test_a_sum_of_float32_is_computed_in_float64():
    values = np.concatenate([[1e8], np.ones(1000)]).astype("float32")[None]
    assert statistic(values, Groups.numbered([0] * 1001), "sum") == np.float32(1e8 + 1000)


def test_a_constant_group_has_deviation_zero_whatever_its_level():
    values = np.full((3, 10), 0.1) + 1e9
    assert (statistic(values, Groups.numbered(NUMBERS), "stdev") == 0).all()


def test_case_does_not_matter_and_other_statistics_are_refused():
    groups = Groups.numbered(NUMBERS)
    assert (statistic(block(), groups, "StDev") == statistic(block(), groups, "stdev")).all()
    with pytest.raises(SpecError, match=r"'mode'.*median"):
        statistic(block(), groups, "mode")


@pytest.mark.parametrize("stat", ["sum", "mean", "median", "stdev", "max", "min"])
def test_nan_stays_in_its_group(stat):
    values = block()
    values[1, 3] = np.nan  # group 1
    found = statistic(values, Groups.numbered(NUMBERS), stat)
    assert np.argwhere(np.isnan(found)).tolist() == [[1, 1]]


def test_positions_may_repeat_or_be_left_out():
    groups = Groups.equal(np.array([[0, 1], [1, 2]]))
    assert statistic(np.array([[1, 2, 4, 9]]), groups, "sum").tolist() == [[3, 6]]


def test_groups_that_lie_in_place_are_not_copied():
    values = block()
    assert np.shares_memory(Groups.numbered([0] * 4 + [1] * 5).gathered(values), values)


@pytest.mark.parametrize("stat", STATISTICS)
def test_no_groups_and_no_positions(stat):
    none = Groups.numbered([])
    assert statistic(block(), none, stat).shape == (300, 0)
    assert statistic(block(shape=(3, 0)), none, stat).shape == (3, 0)
    with pytest.raises(SpecError, match=f"length 0 have no {stat}"):
        statistic(block(shape=(3, 0)), Groups(np.arange(0), np.array([0])), stat)


def test_nothing_is_written_into_the_block():
    values = block()
    values.flags.writeable = False
    for stat in STATISTICS:
        statistic(values, Groups.numbered(np.zeros(10, int)), stat)
    percentile(values, 30)


@pytest.mark.parametrize("stat", ["mean", "median", "stdev"])
def test_what_is_no_real_number_is_refused(stat):
    with pytest.raises(SpecError, match="complex128"):
        statistic(block("complex128"), Groups.numbered(NUMBERS), stat)


def test_summary_is_in_thunders_order():
    values = block("int16")
    columns = [np.full(300, 10), values.mean(1), values.std(1), values.max(1), values.min(1)]
    found = summary(values, Groups.numbered([0] * 10))
    np.testing.assert_allclose(found, np.stack(columns, axis=1))
    assert summary(values.astype("float32"), Groups.numbered([0] * 10)).dtype == "float64"


@pytest.mark.parametrize("q", [0, 12.5, 50, 100])
@pytest.mark.parametrize("dtype", ["int16", "float32", "float64"])
def test_percentile(q, dtype):
    values = block(dtype)
    found = percentile(values, q)
    np.testing.assert_allclose(found[:, 0], np.percentile(values, q, axis=1), rtol=1e-6)
    assert found.dtype == ("float32" if dtype == "float32" else "float64")
    assert percentile(values[:0], q).shape == (0, 1)


def test_percentile_of_a_record_with_nan_is_nan_and_of_others_is_not():
    values = block()
    values[2, 0] = np.nan
    assert np.flatnonzero(np.isnan(percentile(values, 20)[:, 0])).tolist() == [2]


@pytest.mark.parametrize("q", [-1, 100.5, [10, 20], np.nan])
def test_percentile_is_from_0_to_100(q):
    with pytest.raises(SpecError, match="percentile"):
        percentile(block(), q)


def test_percentile_of_nothing():
    with pytest.raises(SpecError, match="length 0"):
        percentile(block(shape=(3, 0)), 50)
