"""Statistics, panels and windows of series, on every engine, against numpy."""

from __future__ import annotations

import itertools
from functools import reduce

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import thunderlike as tl
from thunderlike.data.reductions import _Order
from thunderlike.errors import SpecError

LABELS = np.arange(6).reshape(3, 2)


@pytest.fixture
def array():
    return np.random.default_rng(9).normal(100, 30, (3, 2, 20)).astype("int16")


@pytest.fixture
def series(array, engine):
    return tl.series.fromarray(array, index=np.arange(20) * 10, labels=LABELS, engine=engine)


@pytest.fixture
def local(array):
    return tl.series.fromarray(array, index=np.arange(20) * 10)


def check(found, expected, index):
    """Values and shape, an index that counts or is given, and labels that came along."""
    np.testing.assert_allclose(found.toarray(squeeze=False), expected, rtol=1e-9, atol=1e-9)
    assert isinstance(found.index, np.ndarray)
    assert found.index.tolist() == list(index)
    assert found.labels.tolist() == LABELS.tolist()


@pytest.mark.parametrize(
    ("name", "function", "stat"),
    [
        ("series_max", np.max, "max"),
        ("series_min", np.min, "min"),
        ("series_sum", np.sum, "sum"),
        ("series_mean", np.mean, "mean"),
        ("series_median", np.median, "median"),
        ("series_std", np.std, "stdev"),
    ],
)
def test_statistics_of_each_series(series, array, name, function, stat):
    found = getattr(series, name)()
    check(found, function(array, axis=-1)[..., None], [stat])
    assert found.dtype == function(array[0, 0]).dtype


def test_series_stat_is_known_by_name(series):
    check(series.series_stat("Count"), np.full((3, 2, 1), 20), ["count"])
    with pytest.raises(ValueError, match="'mode'"):
        series.series_stat("mode")


def test_series_stats(series, array):
    expected = [np.full((3, 2), 20), array.mean(-1), array.std(-1), array.max(-1), array.min(-1)]
    index = ["count", "mean", "stdev", "max", "min"]
    check(series.series_stats(), np.stack(expected, axis=-1), index)


def test_series_percentile(series, array):
    expected = np.percentile(array, 30, axis=-1)[..., None]
    check(series.series_percentile(30), expected, ["percentile"])
    with pytest.raises(ValueError, match="0 to 100"):
        series.series_percentile(101)


def test_statistics_of_series_of_no_length_do_not_exist():
    with pytest.raises(SpecError, match="length 0 have no mean"):
        tl.series.fromarray(np.zeros((3, 0))).series_mean()


@pytest.mark.parametrize("k", [1, 3, 20, 99])
def test_subsample(local, array, k):
    found = local.subsample(k)
    np.testing.assert_array_equal(found.toarray(squeeze=False), array[..., ::k], strict=True)
    assert found.index.tolist() == (np.arange(20) * 10)[::k].tolist()


def test_subsample_and_downsample_on_every_engine(series, array):
    check(series.subsample(3), array[..., ::3], range(0, 200, 30))
    check(series.downsample(3), array[..., :18].reshape(3, 2, 6, 3).mean(-1), range(6))


@pytest.mark.parametrize("k", [1, 2, 20, 21])
def test_downsample_drops_the_tail(local, array, k):
    found = local.downsample(k)
    whole = array[..., : 20 // k * k].reshape(3, 2, 20 // k, k)
    np.testing.assert_allclose(
        found.toarray(squeeze=False), whole.mean(-1) if 20 // k else whole[..., 0]
    )
    assert found.index.dtype.kind == "i"
    assert found.index.tolist() == list(range(20 // k))


@pytest.mark.parametrize("name", ["subsample", "downsample"])
@pytest.mark.parametrize("k", [0, -2, 1.5, None])
def test_fewer_positions_by_a_whole_number_from_1(local, name, k):
    with pytest.raises(ValueError, match="whole number"):
        getattr(local, name)(k)


def test_mean_by_panel(series, array):
    expected = array.reshape(3, 2, 4, 5).mean(axis=2)
    check(series.mean_by_panel(5), expected, range(5))


@pytest.mark.parametrize("length", [3, 20, 40, 0, -5, 2.5])
def test_panels_must_divide_the_length_and_be_shorter(local, length):
    with pytest.raises(ValueError, match="length 20"):
        local.mean_by_panel(length)


@pytest.mark.parametrize(
    ("centres", "window", "firsts"),
    [
        ([30, 100], 4, [1, 8]),
        ([30, 100, 30], 5, [1, 8, 1]),
        (20, 4, [0]),
        ([180], 4, [16]),
        ([0], 1, [0]),
    ],
)
def test_mean_by_window(local, array, centres, window, firsts):
    found = local.mean_by_window(centres, window)
    expected = np.mean([array[..., a : a + window] for a in firsts], axis=0)
    np.testing.assert_allclose(found.toarray(squeeze=False), expected)
    assert found.index.tolist() == list(range(window))


def test_mean_by_window_on_every_engine(series, array):
    expected = (array[..., 1:6] + array[..., 8:13]) / 2
    check(series.mean_by_window([30, 100], 5), expected, range(5))


@pytest.mark.parametrize("centre", [10, 190])
def test_a_window_that_reaches_over_an_end(local, centre):
    with pytest.raises(ValueError, match="over the ends"):
        local.mean_by_window([50, centre], 4)


def test_a_window_around_nothing(local):
    with pytest.raises(ValueError, match="is 55: there are 0, 10"):
        local.mean_by_window([50, 55], 4)
    with pytest.raises(ValueError, match="no index value was given"):
        local.mean_by_window([], 4)
    with pytest.raises(ValueError, match="whole number from 1"):
        local.mean_by_window([50], 0)


STATISTICS = {
    "mean": lambda movie: movie.mean(),
    "std": lambda movie: movie.std(),
    "sum": lambda movie: movie.sum(),
    "localcorr": lambda movie: movie.localcorr(3),
    "reduce": lambda movie: movie.reduce(np.add),
    "zscore": lambda movie: movie.toseries().zscore(axis=0),
    "cov": lambda movie: movie.toseries().cov(),
    "gramian": lambda movie: movie.toseries().gramian(),
}


@pytest.mark.parametrize(
    ("dtype", "npartitions"), [("float16", 3), ("float32", 7), ("float64", 2), ("uint16", 5)]
)
def test_statistics_over_records_have_the_same_bits_for_any_partitions(engine, dtype, npartitions):
    values = np.random.default_rng(4).normal(100, 30, (41, 5, 8)).astype(dtype)
    with tl.config(chunk_bytes=1200):  # some images, and some series, in a chunk
        here = tl.images.fromarray(values)
        there = tl.images.fromarray(values, npartitions=npartitions, engine=engine)
        for name, statistic in STATISTICS.items():
            found, expected = (np.asarray(statistic(movie)) for movie in (there, here))
            assert found.dtype == expected.dtype, name
            assert found.tobytes() == expected.tobytes(), name


def test_the_bits_of_statistics_do_not_depend_on_the_order_of_axes_in_memory(engine):
    values = np.random.default_rng(4).normal(100, 30, (41, 5, 8)).astype("float32")
    turned = np.asfortranarray(values)
    for name, statistic in STATISTICS.items():
        found = np.asarray(statistic(tl.images.fromarray(turned, engine=engine)))
        assert found.tobytes() == np.asarray(statistic(tl.images.fromarray(values))).tobytes(), name


@given(cuts=st.sets(st.integers(1, 99)), rows=st.integers(1, 40), count=st.integers(1, 100))
def test_the_order_of_merges_does_not_depend_on_cuts(cuts, rows, count):
    order = _Order(count, rows, lambda block: str(block.tolist()), lambda a, b: f"({a}{b})")
    edges = [0, *sorted(cut for cut in cuts if cut < count), count]
    parts = [order.partial(a, np.arange(a, b)) for a, b in itertools.pairwise(edges)]
    found = reduce(order.merged, parts)
    middle = len(parts) // 2
    if middle:
        halves = reduce(order.merged, parts[:middle]), reduce(order.merged, parts[middle:])
        assert order.merged(*halves) == found
    assert found == order.partial(0, np.arange(count))
