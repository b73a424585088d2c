"""Arithmetic within records, against numpy and scipy record by record."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage
from scipy import signal as filters

from thunderlike.errors import SpecError
from thunderlike.kernels import series
from thunderlike.kernels.series import convolve, crosscorr, fourier

EVERY = {
    "center": series.center,
    "standardize": series.standardize,
    "zscore": series.zscore,
    "detrend": series.detrend,
    "normalize": series.normalize,
    "correlate": lambda block: series.correlate(block, np.arange(block.shape[1])),
}
DTYPES = ["bool", "uint8", "int16", "float32", "float64", ">f4"]


def records(dtype="float64", shape=(60, 90), offset=1000.0):
    return (np.random.default_rng(0).normal(offset, 50, shape)).astype(dtype)


def formula(name, y):
    y = y.astype("float64")
    return {
        "center": y - y.mean(),
        "standardize": y / y.std(),
        "zscore": (y - y.mean()) / y.std(),
        "detrend": thunders_detrend(y, 1),
        "normalize": (y - np.percentile(y, 20)) / (np.percentile(y, 20) + 0.1),
        "correlate": np.corrcoef(y, np.arange(len(y)))[0, 1:],
    }[name]


def thunders_detrend(y, order):
    x = np.arange(len(y))
    p = np.polyfit(x, y, order)
    p[-1] = 0
    return y - np.polyval(p, x)


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "int64", "float16", "float64"])
def test_every_function_is_its_formula_in_float64(name, dtype):
    block = records(dtype, offset=150)
    expected = np.stack([formula(name, y) for y in block])
    found = EVERY[name](block)
    np.testing.assert_allclose(found, expected, atol=1e-10)
    assert found.dtype == series.result_dtype(block.dtype) == np.float64


@pytest.mark.parametrize("name", EVERY)
def test_float32_comes_out_as_exact_as_float32_can_be(name):
    block = records("float32", offset=1e6)
    expected = np.stack([formula(name, y) for y in block]).astype("float32")
    found = EVERY[name](block)
    assert found.dtype == series.result_dtype(block.dtype) == np.float32
    np.testing.assert_array_max_ulp(found, expected, maxulp=8 if name == "correlate" else 4)


@pytest.mark.parametrize("name", EVERY)
def test_records_longer_than_a_tile(name):
    block = records("float32", shape=(2, 140_000))
    expected = np.stack([formula(name, y) for y in block])
    np.testing.assert_allclose(EVERY[name](block), expected, rtol=1e-6, atol=1e-5)


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("dtype", ["complex128", "object"])
def test_only_real_numbers_are_computed_with(name, dtype):
    with pytest.raises(SpecError, match=dtype):
        EVERY[name](np.zeros((2, 3), dtype))


@pytest.mark.parametrize("name", EVERY)
def test_records_without_samples(name):
    found = EVERY[name](np.empty((2, 0)))
    assert found.shape == (2, 1 if name == "correlate" else 0)
    assert np.isnan(found).all()


@pytest.mark.parametrize("method", ["linear", "nonlinear"])
@given(
    length=st.integers(7, 200),
    order=st.integers(0, 5),
    offset=st.sampled_from([0, 1e3]),
)
def test_detrend_is_thunders(method, length, order, offset):
    y = np.random.default_rng(length).normal(offset, 10, (3, length)) + np.arange(length)
    degree = 1 if method == "linear" else order
    expected = np.stack([thunders_detrend(record, degree) for record in y])
    np.testing.assert_allclose(series.detrend(y, method, order), expected, atol=1e-6)


def test_detrend_is_scipys_but_for_the_intercept():
    block = records()
    ours, theirs = series.detrend(block), filters.detrend(block)
    np.testing.assert_allclose(ours - ours.mean(axis=1, keepdims=True), theirs, atol=1e-10)


def test_a_polynomial_loses_all_but_its_intercept():
    x = np.arange(1000) / 100
    flat = series.detrend(np.array([3 + x - 2 * x**3 + x**5]), "nonlinear", 5)
    np.testing.assert_allclose(flat, 3, atol=1e-8)


@pytest.mark.parametrize("length", [1, 2, 3, 5])
def test_a_trend_that_meets_every_sample_leaves_the_first(length):
    block = records(shape=(4, length))
    flat = series.detrend(block, "nonlinear", 5)
    np.testing.assert_allclose(flat, np.broadcast_to(block[:, :1], block.shape))


@pytest.mark.parametrize(
    "asked", [{"method": "quadratic"}, {"method": "nonlinear", "order": -1}, {"order": 1.5}]
)
def test_detrend_says_what_there_is(asked):
    with pytest.raises(SpecError, match="'linear' and 'nonlinear'"):
        series.detrend(np.zeros((1, 4)), **asked)


@pytest.mark.parametrize("name", ["center", "zscore", "detrend", "correlate"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("position", [0, 5])
def test_nothing_finite_is_made_out_of_what_is_not(name, value, position):
    block = records(shape=(3, 12))
    block[1, position] = value
    found = EVERY[name](block)
    assert not np.isfinite(found[1]).any()
    assert np.isfinite(found[[0, 2]]).all()


def test_correlation_with_several_signals():
    block, signals = records(), np.random.default_rng(1).normal(1e6, 1, (7, 90))
    expected = np.corrcoef(block, signals)[: len(block), len(block) :]
    found = series.correlate(block, signals)
    np.testing.assert_allclose(found, expected, atol=1e-9)
    np.testing.assert_allclose(series.correlate(block, signals[2]), found[:, 2:3], atol=1e-12)


def test_a_signal_that_is_constant_or_holds_a_nan_correlates_with_nothing():
    signals = np.random.default_rng(1).normal(size=(4, 90))
    signals[1], signals[2, 7] = 0.1, np.nan
    found = series.correlate(records(), signals)
    np.testing.assert_array_equal(np.isnan(found).all(axis=0), [False, True, True, False])
    assert not np.isnan(found[:, [0, 3]]).any()


def test_a_signal_is_left_as_it_was():
    given_signal = np.arange(90.0)
    series.correlate(records(), given_signal)
    np.testing.assert_array_equal(given_signal, np.arange(90))


@pytest.mark.parametrize("shape", [(), (89,), (90, 1), (1, 2, 90)])
def test_a_signal_of_another_shape_is_refused(shape):
    with pytest.raises(SpecError, match="length 90"):
        series.correlate(records(), np.zeros(shape))


@pytest.mark.parametrize("method", ["mean", "percentile"])
def test_normalize_by_one_level(method):
    block = records("int16")
    levels = {"mean": block.mean(axis=1), "percentile": np.percentile(block, 35, axis=1)}
    b = levels[method][:, None]
    found = series.normalize(block, method, perc=35, offset=2)
    np.testing.assert_allclose(found, (block - b) / (b + 2), atol=1e-12)


@pytest.mark.parametrize("window", [1, 2, 5, 20, 21, 89, 90, 400, 5000])
@pytest.mark.parametrize("perc", [0, 20, 99.5, 100])
def test_normalize_by_the_ranks_of_a_window_is_scipys(window, perc):
    block = records("float32", shape=(6, 90))
    b = np.stack(
        [ndimage.percentile_filter(y.astype("f8"), perc, window, mode="nearest") for y in block]
    )
    found = series.normalize(block, "window", window, perc)
    np.testing.assert_array_equal(found, ((block - b) / (b + 0.1)).astype("float32"))


@pytest.mark.parametrize("method", ["mean", "percentile", "window", "window-exact"])
def test_normalize_makes_nan_of_nan_in_its_own_record_only(method):
    block = records(shape=(3, 30))
    clean = series.normalize(block, method, 5)
    block[1, 11] = np.nan
    found = series.normalize(block, method, 5)
    np.testing.assert_array_equal(found[[0, 2]], clean[[0, 2]])
    (sound,) = np.nonzero(~np.isnan(found[1]))
    near = {8, 9, 10, 11, 12, 13}  # a window of 5 reaches 2 back and 3 on
    expected = [i for i in range(30) if i not in near] if method == "window-exact" else []
    np.testing.assert_array_equal(sound, expected)


@pytest.mark.parametrize("window", [5, 12, 24, 31])
@pytest.mark.parametrize("perc", [20, 29, 70])
def test_a_nan_does_not_reach_the_next_record_through_a_window(window, perc):
    block = records(shape=(6, 16))
    clean = series.normalize(block, "window", window, perc)
    block[2, [3, 9, 15]] = np.nan
    found = series.normalize(block, "window", window, perc)
    np.testing.assert_array_equal(np.isnan(found).all(axis=1), np.arange(6) == 2)
    np.testing.assert_array_equal(np.delete(found, 2, axis=0), np.delete(clean, 2, axis=0))


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"method": "median"}, "unknown baseline 'median'"),
        ({"method": "window"}, "needs a window"),
        ({"method": "window-exact"}, "needs a window"),
        ({"method": "window", "window": 0}, "needs a window"),
        ({"method": "window", "window": 2.5}, "needs a window"),
        ({"perc": 101}, "invalid percentile"),
        ({"perc": np.nan}, "invalid percentile"),
    ],
)
def test_normalize_says_what_it_needs(asked, message):
    with pytest.raises(SpecError, match=message):
        series.normalize(np.ones((1, 4)), **asked)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32"])
def test_squelch_zeroes_what_stays_below_and_keeps_the_dtype(dtype):
    block = np.array([[1, 2, 3], [1, 5, 1], [4, 4, 5], [0, 0, 6]], dtype)
    expected = np.array([[0, 0, 0], [1, 5, 1], [4, 4, 5], [0, 0, 6]], dtype)
    np.testing.assert_array_equal(series.squelch(block, 5), expected, strict=True)


def test_squelch_keeps_a_record_with_a_nan():
    block = np.array([[np.nan, 1.0]])
    np.testing.assert_array_equal(series.squelch(block, 5), block)


def block(dtype="float64", shape=(400, 60)):
    return np.random.default_rng(5).normal(50, 20, shape).astype(dtype)


def tolerance(dtype):
    return 1e-4 if np.dtype(dtype) == np.float32 else 1e-9


def real_result(dtype):
    return "float32" if dtype == "float32" else "float64"


def thunders_fourier(y, freq):
    y = y - y.mean()
    bins = np.fft.fft(y)[: len(y) // 2]
    amplitudes = 2 * abs(bins) / len(y)
    phase = -(np.pi / 2) - np.angle(bins[freq])
    return [
        amplitudes[freq] / np.sqrt((amplitudes**2).sum()),
        phase + 2 * np.pi * (phase < 0),
    ]


@pytest.mark.parametrize("dtype", ["int16", "float32", "float64", ">f4"])
@pytest.mark.parametrize("length", [60, 61])
@pytest.mark.parametrize("freq", [1, 7, 29])
def test_fourier_is_thunders(dtype, length, freq):
    values = block(dtype, (400, length))
    found = fourier(values, freq)
    expected = [thunders_fourier(y.astype("float64"), freq) for y in values]
    np.testing.assert_allclose(found, expected, atol=tolerance(values.dtype))
    assert found.dtype == (np.float32 if values.dtype == np.float32 else np.float64)


def test_fourier_of_a_sine_is_fully_coherent_at_its_phase():
    turns = np.arange(60) / 60
    waves = np.sin(2 * np.pi * (3 * turns[None] - np.array([0.1, 0.6])[:, None]))
    np.testing.assert_allclose(fourier(waves, 3), [[1, 0.2 * np.pi], [1, 1.2 * np.pi]], atol=1e-9)


def test_fourier_of_a_constant_is_not_coherent_and_of_its_neighbours_is():
    values = block()
    values[3] = 0.1
    values[5, 5] = np.inf
    assert np.flatnonzero(np.isnan(fourier(values, 2)[:, 0])).tolist() == [3, 5]


@pytest.mark.parametrize("freq", [30, -1, 1.5, None, [1]])
def test_fourier_needs_a_frequency_below_half_the_length(freq):
    with pytest.raises(SpecError, match="less than 30"):
        fourier(block(), freq)


@pytest.mark.parametrize("mode", ["full", "same", "valid"])
@pytest.mark.parametrize(("length", "taps"), [(60, 3), (3, 60), (9, 8), (60, 61), (1, 1), (50, 9)])
@pytest.mark.parametrize("dtype", DTYPES)
def test_convolve_is_numpys(mode, length, taps, dtype):
    values = block(dtype, (20, length))
    for signal in (np.arange(taps) - 1.5, np.arange(taps), np.ones(taps, "float32")):
        found = convolve(values, signal, mode)
        expected = np.array([np.convolve(y.astype("float64"), signal, mode) for y in values])
        assert found.shape == expected.shape
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-3)


@pytest.mark.parametrize(
    ("dtype", "signal", "result"),
    [
        ("uint8", "uint8", "uint64"),
        ("int16", "int64", "int64"),
        ("float32", "float32", "float32"),
        ("float32", "int64", "float64"),
        ("int16", "float64", "float64"),
    ],
)
def test_convolve_has_numpys_dtype_with_room(dtype, signal, result):
    taps = np.ones(12, signal)
    found = convolve(np.full((2, 20), 100, dtype), taps)
    assert (found.dtype, found.max()) == (result, 1200)
    assert convolve(np.ones((0, 20), dtype), taps).shape == (0, 31)


@pytest.mark.parametrize("taps", [3, 40])
def test_convolve_spreads_nan_no_further_than_numpy(taps):
    values = block()
    values[1, 30], values[2, 0] = np.nan, np.inf
    signal = np.arange(1.0, taps + 1)
    found = convolve(values, signal, "full")
    expected = [np.convolve(y, signal) for y in values]
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-6)


@pytest.mark.parametrize("signal", [[], [[1, 2]], 3])
def test_convolve_needs_a_signal(signal):
    with pytest.raises(SpecError, match="60"):
        convolve(block(), signal)


def test_convolve_knows_three_modes_and_real_numbers():
    with pytest.raises(SpecError, match=r"'round'.*'valid'"):
        convolve(block(), [1, 2], "round")
    with pytest.raises(SpecError, match="complex"):
        convolve(block(), [1j])
    with pytest.raises(SpecError, match="<U1"):
        convolve(block(), ["a"])


def thunders_crosscorr(y, signal, lag):
    unit = signal - signal.mean()
    unit = unit / np.linalg.norm(unit)
    out = []
    for shift in range(-lag, lag + 1):
        rolled = np.roll(unit, shift)
        if shift < 0:
            rolled[shift:] = 0
        rolled[: max(shift, 0)] = 0
        out.append(rolled)
    y = y - y.mean()
    return np.array(out) @ (y / np.linalg.norm(y))


@pytest.mark.parametrize("lag", [0, 1, 5, 59])
@pytest.mark.parametrize("dtype", ["int16", "float32", "float64"])
def test_crosscorr_is_thunders(lag, dtype):
    values, signal = block(dtype), np.sin(np.arange(60) / 4)
    found = crosscorr(values, signal, lag)
    expected = [thunders_crosscorr(y.astype("float64"), signal, lag) for y in values]
    np.testing.assert_allclose(found, expected, atol=tolerance(dtype))
    assert (found.dtype, found.shape) == (real_result(dtype), (400, 2 * lag + 1))


def test_crosscorr_finds_by_how_much_a_signal_is_late():
    signal = np.exp(-(np.linspace(-4, 4, 60) ** 2))
    late = np.roll(signal, 7)[None]
    assert crosscorr(late, signal, lag=10).argmax() - 10 == 7


@pytest.mark.parametrize("lag", [0, 2])
def test_crosscorr_of_what_is_constant_is_0_and_of_nan_is_nan(lag):
    values = block()
    values[4], values[6, 1] = 0.1, np.nan
    found = crosscorr(values, np.arange(60), lag)
    assert (found[4] == 0).all()
    assert np.flatnonzero(np.isnan(found).any(axis=1)).tolist() == [6]
    assert (crosscorr(block(), np.full(60, 0.1), lag) == 0).all()


@pytest.mark.parametrize(("signal", "lag"), [(59, 0), ((2, 60), 0), (60, -1), (60, 60), (60, 1.5)])
def test_crosscorr_needs_a_signal_and_a_lag_that_fit(signal, lag):
    with pytest.raises(SpecError, match="60"):
        crosscorr(block(), np.ones(signal), lag)
