"""Records against signals and at frequencies, against numpy one record at a time."""

from __future__ import annotations

import numpy as np
import pytest

from thunderlike.errors import SpecError
from thunderlike.kernels.signals import convolve, crosscorr, fourier

DTYPES = ["bool", "uint8", "int16", "float32", "float64", ">f4"]


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
