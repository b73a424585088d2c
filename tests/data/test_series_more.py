"""Statistics, panels, signals and products of series, on every engine, against numpy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.io import savemat

import thunderlike as tl
from thunderlike.errors import FormatError, MissingExtra, NotFound, NotOnEngine, SpecError

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


# each series by itself


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


def test_fourier(series, array):
    found = series.fourier(3)
    bins = np.fft.fft(array - array.mean(-1, keepdims=True))[..., :10]
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
def test_convolve(series, array, mode):
    signal = [0.5, 1, 0.25]
    found = series.convolve(signal, mode)
    expected = np.apply_along_axis(np.convolve, -1, array, signal, mode)
    check(found, expected, range(expected.shape[-1]))


def test_crosscorr(series, array):
    signal = np.sin(np.arange(20))
    found = series.crosscorr(signal, lag=2)
    centre = series.crosscorr(signal)
    assert found.index.tolist() == [-2, -1, 0, 1, 2]
    np.testing.assert_allclose(found[..., 2].toarray(), centre.toarray())
    expected = [np.corrcoef(y, signal)[0, 1] for y in array.reshape(6, 20)]
    check(centre, np.reshape(expected, (3, 2, 1)), [0])


def test_bug_crosscorr_of_a_constant_series_without_lag_failed(engine):
    found = tl.series.fromarray(np.full((2, 5), 7), engine=engine).crosscorr(np.arange(5))
    assert (found.shape, found.toarray().tolist()) == ((2, 1), [0, 0])


@pytest.mark.parametrize("window", [6, 5])
def test_bug_normalize_in_an_exact_window_used_fractions_as_positions(series, array, window):
    left, right = window // 2, window // 2 + window % 2
    positions = [(max(i - left, 0), i + right + 1) for i in range(20)]
    base = np.stack([np.percentile(array[..., a:b], 20, axis=-1) for a, b in positions], axis=-1)
    found = series.normalize("window-exact", window=window)
    check(found, (array - base) / (base + 0.1), range(0, 200, 10))


def test_correlate_with_a_signal_of_matlab(series, tmp_path):
    signal, more = np.sin(np.arange(20)), np.random.default_rng(0).random((3, 20))
    path = tmp_path / "signals.mat"
    savemat(path, {"s": signal, "more": more})
    found = series.correlate(str(path))
    assert found.index.tolist() == [1]
    np.testing.assert_allclose(found.toarray(), series.correlate(signal).toarray())
    assert series.correlate(path, var="more").shape == (3, 2, 3)


def test_a_signal_of_matlab_that_is_not_there(local, tmp_path):
    path = tmp_path / "signals.mat"
    savemat(path, {"other": np.arange(20)})
    with pytest.raises(FormatError, match=r"signals\.mat: holds no variable 's', but other"):
        local.correlate(path)
    path.write_bytes(b"no such thing")
    with pytest.raises(FormatError, match=r"signals\.mat"):
        local.correlate(path)
    with pytest.raises(NotFound):
        local.correlate(tmp_path / "absent.mat")


# all series together


def test_gramian_and_covariance(series, array):
    flat = array.reshape(6, 20).astype("float64")
    for found, expected in [
        (series.gramian(), flat.T @ flat),
        (series.cov(), np.cov(flat, rowvar=False)),
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
def test_times_a_matrix(series, array, columns):
    matrix = np.random.default_rng(0).random((20, columns))
    check(series.times(matrix), array @ matrix, range(columns))


def test_times_a_vector_a_number_and_series(local, array, engine):
    vector = np.arange(20)
    np.testing.assert_array_equal(
        local.times(vector).toarray(squeeze=False), (array @ vector)[..., None]
    )
    doubled = local.times(2)
    np.testing.assert_array_equal(doubled.toarray(), array * 2, strict=True)
    assert doubled.index.tolist() == local.index.tolist()
    weights = tl.series.fromarray(np.random.default_rng(0).random((20, 3)))
    found = tl.series.fromarray(array, engine=engine).times(weights)
    np.testing.assert_allclose(found.toarray(), array @ weights.toarray())
    assert local.times(list(range(20))).index.tolist() == [0]


def test_times_of_integers_has_room():
    series = tl.series.fromarray(np.full((1, 300), 100, "int8"))
    assert series.times(np.full(300, 100, "int8")).toarray() == 3_000_000


@pytest.mark.parametrize("shape", [(19,), (2, 20), (20, 2, 2)])
def test_times_what_is_not_aligned(local, shape):
    with pytest.raises(ValueError, match="not aligned"):
        local.times(np.zeros(shape))


@pytest.mark.spark
def test_times_series_that_are_not_here(local, array, spark_context):
    there = tl.series.fromarray(np.zeros((20, 2)), engine=spark_context)
    for series in (local, local.tospark(spark_context)):
        with pytest.raises(NotImplementedError, match=r"tolocal\(\)") as caught:
            series.times(there)
        assert isinstance(caught.value, NotOnEngine)


# other keys


def test_reshape_and_flatten(series, array):
    check_values = array.reshape(2, 3, 20)
    for shape in [(2, 3, 20), ((2, 3, 20),), (2, -1, 20), (2, 3, -1)]:
        found = series.reshape(*shape)
        assert (found.shape, found.labels.tolist()) == ((2, 3, 20), LABELS.reshape(2, 3).tolist())
        assert found.index.tolist() == series.index.tolist()
    np.testing.assert_array_equal(found.toarray(), check_values, strict=True)
    flat = series.flatten()
    assert (flat.shape, flat.labels.tolist()) == ((6, 20), list(range(6)))
    assert flat.map(lambda kv: kv[0], with_keys=True).toarray().tolist() == list(range(6))


@pytest.mark.parametrize("shape", [(6, 4, 5), (2, 4, 20), (120,), (-1, -1, 20), (2, 3, 20, 0)])
def test_reshape_keeps_the_series(local, shape):
    with pytest.raises(ValueError, match="reshape"):
        local.reshape(*shape)


def test_flatten_of_nothing(engine):
    none = tl.series.fromarray(np.zeros((2, 0, 5)), engine=engine)
    assert none.flatten().shape == (0, 5)


# out


def test_topandas(series, array):
    frame = series.topandas()
    assert (frame.shape, frame.index.names) == ((6, 20), ["key0", "key1", "label"])
    assert frame.columns.tolist() == series.index.tolist()
    assert frame.loc[2, 1, 5].tolist() == array[2, 1].tolist()
    assert (frame.to_numpy() == array.reshape(6, 20)).all()


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
    with pytest.raises(MissingExtra, match=r"thunderlike\[pandas\]"):
        local.topandas()
