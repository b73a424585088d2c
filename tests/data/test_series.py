"""What only series do, on every engine, against numpy and scipy one series at a time."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import signal

import thunderlike as tl
from thunderlike.errors import SpecError


@pytest.fixture(params=["int16", "float32", "float64"])
def dtype(request):
    return request.param


@pytest.fixture
def array(dtype):
    values = np.random.default_rng(2).normal(300, 40, (5, 4, 30))
    values[2, 1] = 250  # a constant pixel, as cameras have
    return values.astype(dtype)


@pytest.fixture
def series(array, engine):
    return tl.series.fromarray(array, labels=np.arange(20).reshape(5, 4), engine=engine)


def close(found, expected, dtype):
    values = found.toarray(squeeze=False)
    assert values.dtype == (np.float32 if dtype == np.float32 else np.float64)
    tolerance = 1e-4 if dtype == np.float32 else 1e-9
    np.testing.assert_allclose(values, expected, rtol=tolerance, atol=tolerance)


def test_within_each_series(series, array):
    values = array.astype("float64")
    mean, std = values.mean(-1, keepdims=True), values.std(-1, keepdims=True)
    std[2, 1] = np.nan
    close(series.center(), values - mean, array.dtype)
    close(series.standardize(), values / std, array.dtype)
    close(series.zscore(), (values - mean) / std, array.dtype)
    assert (series.center()[2, 1].toarray() == 0).all()
    assert np.isnan(series.zscore()[2, 1].toarray()).all()


def test_across_all_series(series, array):
    values = array.reshape(20, 30).astype("float64")
    mean, std = values.mean(0), values.std(0)
    close(series.center(0), array - mean, array.dtype)
    close(series.standardize(0), array / std, array.dtype)
    close(series.zscore(0), (array - mean) / std, array.dtype)


def test_axis_is_within_or_across(series):
    with pytest.raises(SpecError, match="axis"):
        series.center(2)


@pytest.mark.parametrize(("method", "degree"), [("linear", 1), ("nonlinear", 5)])
def test_detrend_keeps_the_constant_term(series, array, method, degree):
    def one(y):
        fit = np.polyfit(np.arange(30), y.astype("float64"), degree)
        fit[-1] = 0
        return y - np.polyval(fit, np.arange(30))

    expected = np.apply_along_axis(one, -1, array)
    close(series.detrend(method), expected, array.dtype)


def test_detrend_of_a_line_agrees_with_scipy_but_for_the_level(series, array):
    flat = series.detrend().center().toarray()
    expected = signal.detrend(array.astype("float64"))
    np.testing.assert_allclose(flat, expected, atol=1e-3)


@pytest.mark.parametrize(
    ("arguments", "baseline"),
    [
        ({"method": "mean"}, lambda y: y.mean(-1, keepdims=True)),
        ({}, lambda y: np.percentile(y, 20, axis=-1, keepdims=True)),
        ({"perc": 50, "offset": 1}, lambda y: np.percentile(y, 50, axis=-1, keepdims=True)),
    ],
)
def test_normalize(series, array, arguments, baseline):
    values = array.astype("float64")
    b = baseline(values)
    close(
        series.normalize(**arguments),
        (values - b) / (b + arguments.get("offset", 0.1)),
        array.dtype,
    )


def test_normalize_in_a_window(series):
    assert series.normalize("window", window=5).shape == (5, 4, 30)
    assert series.normalize("window-exact", window=6).shape == (5, 4, 30)
    with pytest.raises(ValueError, match="window"):
        series.normalize("window")
    with pytest.raises(ValueError, match="median"):
        series.normalize("median")


def test_correlate_with_one_signal(series, array):
    behaviour = np.sin(np.arange(30) / 3)
    found = series.correlate(behaviour)
    assert (found.shape, found.index.tolist()) == ((5, 4, 1), [1])
    assert found.labels.tolist() == np.arange(20).reshape(5, 4).tolist()
    flat = array.reshape(20, 30).astype("float64")
    expected = [np.nan if np.ptp(y) == 0 else np.corrcoef(y, behaviour)[0, 1] for y in flat]
    close(found, np.reshape(expected, (5, 4, 1)), array.dtype)


def test_correlate_with_several_signals(series, array):
    signals = np.random.default_rng(0).random((3, 30))
    found = series.correlate(signals)
    assert (found.shape, found.index.tolist()) == ((5, 4, 3), [0, 1, 2])
    one = series.correlate(signals[1]).toarray()
    np.testing.assert_allclose(found.toarray()[..., 1], one, atol=1e-6)


@pytest.mark.parametrize("shape", [(29,), (2, 31), (2, 2, 30), ()])
def test_correlate_with_a_signal_that_does_not_fit(series, shape):
    with pytest.raises(ValueError, match="30"):
        series.correlate(np.zeros(shape))


def test_squelch_keeps_the_dtype(series, array):
    found = series.squelch(400).toarray()
    expected = np.where(array.max(-1, keepdims=True) < 400, 0, array).astype(array.dtype)
    np.testing.assert_array_equal(found, expected, strict=True)


@pytest.mark.parametrize(
    ("crit", "kept"),
    [
        ([3, 1], [1, 3]),
        (7, [7]),
        (lambda i: i % 10 == 0, [0, 10, 20]),
        ((5).__eq__, [5]),
        (np.array([2, 4]), [2, 4]),
    ],
)
def test_select_keeps_the_order_of_the_index(series, array, crit, kept):
    found = series.select(crit)
    assert found.index.tolist() == kept
    np.testing.assert_array_equal(found.toarray(squeeze=False), array[..., kept])


def test_select_by_name(engine):
    series = tl.series.fromarray(np.arange(6).reshape(2, 3), index=["a", "b", "c"], engine=engine)
    assert series.select("b").toarray().tolist() == [1, 4]
    assert series.select(["c", "a"]).index.tolist() == ["a", "c"]


def test_select_of_nothing_there_says_what_is_there(series):
    with pytest.raises(ValueError, match=r"99.*0, 1, 2"):
        series.select(99)


def test_select_needs_one_level(series):
    series.index = np.zeros((30, 2))
    with pytest.raises(ValueError, match="select_by_index"):
        series.select(1)


def test_between_is_half_open(series):
    assert series.between(5, 9).index.tolist() == [5, 6, 7, 8]


def test_index_must_fit(series):
    with pytest.raises(ValueError, match=r"3 entries, the series 30"):
        series.index = [1, 2, 3]


def test_index_of_map(series):
    assert series.map(lambda x: x[:2], index=["a", "b"]).index.tolist() == ["a", "b"]
    assert series.map(lambda x: x + 1).index.tolist() == list(range(30))
    assert series.map(lambda x: x[:2]).index.tolist() == [0, 1]


def test_a_single_series(engine):
    assert tl.series.fromarray([1, 2, 3], engine=engine).shape == (1, 3)


def test_series_of_different_length_are_named(engine):
    with pytest.raises(ValueError, match="series 1"):
        tl.series.fromarray([[1, 2], [1, 2, 3]], engine=engine)


def test_fromlist(engine):
    found = tl.series.fromlist(range(3), lambda i: [i, i + 1], index=["a", "b"], engine=engine)
    assert found.toarray().tolist() == [[0, 1], [1, 2], [2, 3]]
    assert found.index.tolist() == ["a", "b"]
    with pytest.raises(SpecError, match="one axis"):
        tl.series.fromlist([np.zeros((2, 2))], engine=engine)


def test_random_series_are_the_same_everywhere(engine):
    found = tl.series.fromrandom((3, 4, 5), seed=7, engine=engine)
    assert found.shape == (3, 4, 5)
    np.testing.assert_array_equal(
        found.toarray(), tl.series.fromrandom((3, 4, 5), seed=7).toarray()
    )


@pytest.mark.spark
def test_fromrdd_places_by_key(spark_context):
    pairs = [((i, j), np.full(4, 10 * i + j)) for j in range(3) for i in range(2)]
    rdd = spark_context.parallelize(pairs[::-1], 3)
    found = tl.series.fromrdd(rdd, shape=(2, 3, 4), dtype="int64")
    assert found.toarray()[..., 0].tolist() == [[0, 1, 2], [10, 11, 12]]
    assert tl.series.fromrdd(rdd).shape == (6, 4)
