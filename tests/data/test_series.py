"""What only series do, on every engine, against numpy and scipy one series at a time."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import signal
from scipy.io import savemat

import thunderlike as tl
from thunderlike.errors import (
    FormatError,
    MissingExtraError,
    NotFoundError,
    NotOnEngineError,
    SpecError,
)


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


LABELS = np.arange(6).reshape(3, 2)


@pytest.fixture
def trials():
    return np.random.default_rng(9).normal(100, 30, (3, 2, 20)).astype("int16")


@pytest.fixture
def labelled(trials, engine):
    return tl.series.fromarray(trials, index=np.arange(20) * 10, labels=LABELS, engine=engine)


@pytest.fixture
def local(trials):
    return tl.series.fromarray(trials, index=np.arange(20) * 10)


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
def test_statistics_of_each_series(labelled, trials, name, function, stat):
    found = getattr(labelled, name)()
    check(found, function(trials, axis=-1)[..., None], [stat])
    assert found.dtype == function(trials[0, 0]).dtype


def test_series_stat_is_known_by_name(labelled):
    check(labelled.series_stat("Count"), np.full((3, 2, 1), 20), ["count"])
    with pytest.raises(ValueError, match="'mode'"):
        labelled.series_stat("mode")


def test_series_stats(labelled, trials):
    expected = [
        np.full((3, 2), 20),
        trials.mean(-1),
        trials.std(-1),
        trials.max(-1),
        trials.min(-1),
    ]
    index = ["count", "mean", "stdev", "max", "min"]
    check(labelled.series_stats(), np.stack(expected, axis=-1), index)


def test_series_percentile(labelled, trials):
    expected = np.percentile(trials, 30, axis=-1)[..., None]
    check(labelled.series_percentile(30), expected, ["percentile"])
    with pytest.raises(ValueError, match="0 to 100"):
        labelled.series_percentile(101)


def test_statistics_of_series_of_no_length_do_not_exist():
    with pytest.raises(SpecError, match="length 0 have no mean"):
        tl.series.fromarray(np.zeros((3, 0))).series_mean()


@pytest.mark.parametrize("k", [1, 3, 20, 99])
def test_subsample(local, trials, k):
    found = local.subsample(k)
    np.testing.assert_array_equal(found.toarray(squeeze=False), trials[..., ::k], strict=True)
    assert found.index.tolist() == (np.arange(20) * 10)[::k].tolist()


def test_subsample_and_downsample_on_every_engine(labelled, trials):
    check(labelled.subsample(3), trials[..., ::3], range(0, 200, 30))
    check(labelled.downsample(3), trials[..., :18].reshape(3, 2, 6, 3).mean(-1), range(6))


@pytest.mark.parametrize("k", [1, 2, 20, 21])
def test_downsample_drops_the_tail(local, trials, k):
    found = local.downsample(k)
    whole = trials[..., : 20 // k * k].reshape(3, 2, 20 // k, k)
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


def test_mean_by_panel(labelled, trials):
    expected = trials.reshape(3, 2, 4, 5).mean(axis=2)
    check(labelled.mean_by_panel(5), expected, range(5))


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
def test_mean_by_window(local, trials, centres, window, firsts):
    found = local.mean_by_window(centres, window)
    expected = np.mean([trials[..., a : a + window] for a in firsts], axis=0)
    np.testing.assert_allclose(found.toarray(squeeze=False), expected)
    assert found.index.tolist() == list(range(window))


def test_mean_by_window_on_every_engine(labelled, trials):
    expected = (trials[..., 1:6] + trials[..., 8:13]) / 2
    check(labelled.mean_by_window([30, 100], 5), expected, range(5))


@pytest.mark.parametrize("centre", [10, 190])
def test_a_window_that_reaches_over_an_end(local, centre):
    with pytest.raises(ValueError, match="over the ends"):
        local.mean_by_window([50, centre], 4)


def test_a_window_around_nothing(local):
    with pytest.raises(ValueError, match="equals 55; available: 0, 10"):
        local.mean_by_window([50, 55], 4)
    with pytest.raises(ValueError, match="no index value was given"):
        local.mean_by_window([], 4)
    with pytest.raises(ValueError, match="whole number from 1"):
        local.mean_by_window([50], 0)


def test_fourier(labelled, trials):
    found = labelled.fourier(3)
    bins = np.fft.fft(trials - trials.mean(-1, keepdims=True))[..., :10]
    coherence = abs(bins[..., 3]) / np.sqrt((abs(bins) ** 2).sum(-1))
    phase = (-np.pi / 2 - np.angle(bins[..., 3])) % (2 * np.pi)
    check(found, np.stack([coherence, phase], axis=-1), ["coherence", "phase"])


@pytest.mark.parametrize("freq", [10, -1])
def test_fourier_of_a_frequency_that_is_too_high(local, freq):
    with pytest.raises(ValueError, match="less than 10"):
        local.fourier(freq)
    with pytest.raises(TypeError):
        local.fourier()


@pytest.mark.parametrize("mode", ["full", "same", "valid"])
def test_convolve(labelled, trials, mode):
    signal = [0.5, 1, 0.25]
    found = labelled.convolve(signal, mode)
    expected = np.apply_along_axis(np.convolve, -1, trials, signal, mode)
    check(found, expected, range(expected.shape[-1]))


def test_crosscorr(labelled, trials):
    signal = np.sin(np.arange(20))
    found = labelled.crosscorr(signal, lag=2)
    centre = labelled.crosscorr(signal)
    assert found.index.tolist() == [-2, -1, 0, 1, 2]
    np.testing.assert_allclose(found[..., 2].toarray(), centre.toarray())
    expected = [np.corrcoef(y, signal)[0, 1] for y in trials.reshape(6, 20)]
    check(centre, np.reshape(expected, (3, 2, 1)), [0])


def test_bug_crosscorr_of_a_constant_series_without_lag_failed(engine):
    found = tl.series.fromarray(np.full((2, 5), 7), engine=engine).crosscorr(np.arange(5))
    assert (found.shape, found.toarray().tolist()) == ((2, 1), [0, 0])


@pytest.mark.parametrize("window", [6, 5])
def test_bug_normalize_in_an_exact_window_used_fractions_as_positions(labelled, trials, window):
    left, right = window // 2, window // 2 + window % 2
    positions = [(max(i - left, 0), i + right + 1) for i in range(20)]
    base = np.stack([np.percentile(trials[..., a:b], 20, axis=-1) for a, b in positions], axis=-1)
    found = labelled.normalize("window-exact", window=window)
    check(found, (trials - base) / (base + 0.1), range(0, 200, 10))


def test_correlate_with_a_signal_of_matlab(labelled, tmp_path):
    signal, more = np.sin(np.arange(20)), np.random.default_rng(0).random((3, 20))
    path = tmp_path / "signals.mat"
    savemat(path, {"s": signal, "more": more})
    found = labelled.correlate(str(path))
    assert found.index.tolist() == [1]
    np.testing.assert_allclose(found.toarray(), labelled.correlate(signal).toarray())
    assert labelled.correlate(path, var="more").shape == (3, 2, 3)


def test_a_signal_of_matlab_that_is_not_there(local, tmp_path):
    path = tmp_path / "signals.mat"
    savemat(path, {"other": np.arange(20)})
    with pytest.raises(FormatError, match=r"signals\.mat: holds no variable 's', but other"):
        local.correlate(path)
    path.write_bytes(b"no such thing")
    with pytest.raises(FormatError, match=r"signals\.mat"):
        local.correlate(path)
    with pytest.raises(NotFoundError):
        local.correlate(tmp_path / "absent.mat")


def test_gramian_and_covariance(labelled, trials):
    flat = trials.reshape(6, 20).astype("float64")
    for found, expected in [
        (labelled.gramian(), flat.T @ flat),
        (labelled.cov(), np.cov(flat, rowvar=False)),
    ]:
        assert (found.mode, found.shape, found.dtype) == ("local", (20, 20), "float64")
        assert (found.index.tolist(), found.labels) == ((np.arange(20) * 10).tolist(), None)
        np.testing.assert_allclose(found.toarray(), expected, atol=1e-7)


def test_bug_gramian_of_small_integers_overflowed(engine):
    """Thunder gave -7936 for this."""
    series = tl.series.fromarray(np.full((1, 1), 10_000, "int16"), engine=engine)
    assert series.gramian().toarray() == 1e8


def test_covariance_of_one_series_and_of_none(engine):
    one = tl.series.fromarray(np.arange(3), engine=engine)
    assert np.isnan(one.cov().toarray()).all()
    none = tl.series.fromarray(np.zeros((0, 3)), engine=engine)
    for call in (none.cov, none.gramian):
        with pytest.raises(SpecError, match="no records"):
            call()


@pytest.mark.parametrize("columns", [1, 4])
def test_times_a_matrix(labelled, trials, columns):
    matrix = np.random.default_rng(0).random((20, columns))
    check(labelled.times(matrix), trials @ matrix, range(columns))


def test_times_a_vector_a_number_and_series(local, trials, engine):
    vector = np.arange(20)
    np.testing.assert_array_equal(
        local.times(vector).toarray(squeeze=False), (trials @ vector)[..., None]
    )
    doubled = local.times(2)
    np.testing.assert_array_equal(doubled.toarray(), trials * 2, strict=True)
    assert doubled.index.tolist() == local.index.tolist()
    weights = tl.series.fromarray(np.random.default_rng(0).random((20, 3)))
    found = tl.series.fromarray(trials, engine=engine).times(weights)
    np.testing.assert_allclose(found.toarray(), trials @ weights.toarray())
    assert local.times(list(range(20))).index.tolist() == [0]


def test_times_of_integers_has_room():
    series = tl.series.fromarray(np.full((1, 300), 100, "int8"))
    assert series.times(np.full(300, 100, "int8")).toarray() == 3_000_000


@pytest.mark.parametrize("shape", [(19,), (2, 20), (20, 2, 2)])
def test_times_what_is_not_aligned(local, shape):
    with pytest.raises(ValueError, match="not aligned"):
        local.times(np.zeros(shape))


@pytest.mark.spark
def test_times_series_that_are_not_here(local, trials, spark_context):
    there = tl.series.fromarray(np.zeros((20, 2)), engine=spark_context)
    for series in (local, local.tospark(spark_context)):
        with pytest.raises(NotImplementedError, match=r"tolocal\(\)") as caught:
            series.times(there)
        assert isinstance(caught.value, NotOnEngineError)


def test_reshape_and_flatten(labelled, trials):
    check_values = trials.reshape(2, 3, 20)
    for shape in [(2, 3, 20), ((2, 3, 20),), (2, -1, 20), (2, 3, -1)]:
        found = labelled.reshape(*shape)
        assert (found.shape, found.labels.tolist()) == ((2, 3, 20), LABELS.reshape(2, 3).tolist())
        assert found.index.tolist() == labelled.index.tolist()
    np.testing.assert_array_equal(found.toarray(), check_values, strict=True)
    flat = labelled.flatten()
    assert (flat.shape, flat.labels.tolist()) == ((6, 20), list(range(6)))
    assert flat.map(lambda kv: kv[0], with_keys=True).toarray().tolist() == list(range(6))


@pytest.mark.parametrize("shape", [(6, 4, 5), (2, 4, 20), (120,), (-1, -1, 20), (2, 3, 20, 0)])
def test_reshape_keeps_the_series(local, shape):
    with pytest.raises(ValueError, match="reshape"):
        local.reshape(*shape)


def test_flatten_of_nothing(engine):
    none = tl.series.fromarray(np.zeros((2, 0, 5)), engine=engine)
    assert none.flatten().shape == (0, 5)


def test_topandas(labelled, trials):
    frame = labelled.topandas()
    assert (frame.shape, frame.index.names) == ((6, 20), ["key0", "key1", "label"])
    assert frame.columns.tolist() == labelled.index.tolist()
    assert frame.loc[2, 1, 5].tolist() == trials[2, 1].tolist()
    assert (frame.to_numpy() == trials.reshape(6, 20)).all()


def test_topandas_of_levels(engine):
    index = [("a", 1), ("a", 2), ("b", 1)]
    frame = tl.series.fromarray(np.arange(6).reshape(2, 3), index=index, engine=engine).topandas()
    assert frame["a"].to_numpy().tolist() == [[0, 1], [3, 4]]
    assert (frame.index.name, frame.index.tolist()) == ("key0", [0, 1])


def test_topandas_is_a_copy(local):
    frame = local.topandas()
    frame.iloc[0, 0] = -1
    assert local.first()[0] != -1


def test_topandas_without_pandas(local, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pandas", None)
    with pytest.raises(MissingExtraError, match=r"thunderlike\[pandas\]"):
        local.topandas()
