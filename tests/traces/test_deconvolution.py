"""Spikes: equal to non-negative least squares, to a noise level, compiled as plain."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import toeplitz
from scipy.optimize import nnls
from scipy.signal import lfilter

import thunderlike as tl
from thunderlike.errors import SpecError
from thunderlike.kernels import autoregression
from thunderlike.kernels.deconvolution import METHODS, oasis

FS, TAU = 15.0, 0.7
DECAY = np.exp(-1 / (FS * TAU))


def random_traces(count=50, length=150, seed=0):
    """Traces of several decays and noise levels, and the decays."""
    rng = np.random.default_rng(seed)
    g = rng.uniform(0.6, 0.97, count)
    spikes = (rng.random((count, length)) < 0.06) * rng.gamma(2, 1, (count, length))
    clean = np.stack([lfilter([1], [1, -one], row) for one, row in zip(g, spikes, strict=True)])
    noise = rng.uniform(0.1, 2, (count, 1))
    return clean + noise * rng.normal(size=clean.shape), g


def recording(snr, count=20, length=1500, seed=1, coefficients=(DECAY, 0.0), rate=0.25):
    """Traces with spikes of height 1, and the spikes; the calcium does not begin at 0."""
    rng = np.random.default_rng(seed)
    spikes = rng.poisson(rate / FS, (count, length + 200)).astype(float)
    g1, g2 = coefficients
    calcium = lfilter([1], [1, -g1, -g2], spikes, axis=1)
    calcium /= lfilter([1], [1, -g1, -g2], np.eye(1, 100)[0]).max()
    noisy = calcium + rng.normal(0, 1 / snr, calcium.shape)
    return noisy[:, 200:], spikes[:, 200:]


def least_squares(trace, *coefficients):
    """Calcium by non-negative least squares."""
    impulse = lfilter([1], [1, *(-g for g in coefficients)], np.eye(1, len(trace))[0])
    kernel = np.tril(toeplitz(impulse))
    return kernel @ nnls(kernel, trace, maxiter=100 * len(trace))[0]


@pytest.mark.parametrize("compiled", [False, True])
def test_pools_are_non_negative_least_squares(compiled):
    traces, g = random_traces()
    ones = np.ones(len(g))
    calcium, spikes, _ = oasis(traces, g, ones, ones, "nonnegative", compiled=compiled)
    expected = np.stack([least_squares(y, one) for y, one in zip(traces, g, strict=True)])
    np.testing.assert_allclose(calcium, expected, atol=1e-9)
    assert (spikes >= 0).all()
    assert (spikes[:, 0] == 0).all()
    np.testing.assert_allclose(
        spikes[:, 1:], calcium[:, 1:] - g[:, np.newaxis] * calcium[:, :-1], atol=1e-12
    )


@pytest.mark.parametrize("method", METHODS)
def test_compiled_loops_equal_numpy(method):
    traces, g = random_traces()
    noise, s_min = np.full(len(g), 0.8), np.where(np.arange(len(g)) % 2, np.nan, 0.5)
    plain = oasis(traces, g, noise, s_min, method, compiled=False)
    compiled = oasis(traces, g, noise, s_min, method, compiled=True)
    for one, other in zip(plain, compiled, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-10)


def test_constrained_leaves_the_residual_of_the_noise():
    traces, g = random_traces()
    noise = np.full(len(g), 0.9)
    calcium, _, penalty = oasis(traces, g, noise, noise, "constrained", compiled=False)
    residual = np.square(traces - calcium).mean(axis=1)
    free = np.square(traces - oasis(traces, g, noise, noise, "nonnegative", compiled=False)[0])
    found = (calcium > 0).any(axis=1) & (penalty > 0)
    np.testing.assert_allclose(residual[found], 0.81, rtol=1e-8)
    assert found.sum() > 10
    assert (free.mean(axis=1)[penalty == 0] >= 0.81).all()
    # Optimal for its penalty: as least squares of the trace less the penalty's pull.
    for row in np.flatnonzero(found)[:5]:
        pull = np.full(traces.shape[1], penalty[row] * (1 - g[row]))
        pull[-1] = penalty[row]
        expected = least_squares(traces[row] - pull, g[row])
        np.testing.assert_allclose(calcium[row], expected, atol=1e-7)


def test_two_time_constants_are_non_negative_least_squares():
    rng = np.random.default_rng(2)
    for _ in range(12):
        tau, rise = rng.uniform(0.3, 1.5), rng.uniform(0.03, 0.15)
        g1, g2 = autoregression.coefficients(tau, rise, FS)
        spikes = (rng.random(200) < 0.05) * rng.gamma(2, 1, 200)
        trace = lfilter([1], [1, -g1, -g2], spikes) + rng.uniform(0.2, 2) * rng.normal(size=200)
        calcium, found = autoregression.nonnegative(trace, g1, g2)
        np.testing.assert_allclose(calcium, least_squares(trace, g1, g2), atol=1e-6)
        assert (found >= 0).all()


def test_two_time_constants_leave_the_residual_of_the_noise():
    g1, g2 = autoregression.coefficients(TAU, 0.1, FS)
    trace = recording(4, 1, 600, coefficients=(g1, g2))[0][0]
    calcium, _, penalty = autoregression.constrained(trace, g1, g2, 0.25)
    assert np.square(trace - calcium).mean() == pytest.approx(0.0625, rel=1e-5)
    assert penalty > 0
    assert autoregression.constrained(trace, g1, g2, 0.01)[2] == 0
    assert not autoregression.constrained(trace, g1, g2, 100)[0].any()


@pytest.mark.parametrize(("snr", "least"), [(2, 0.76), (4, 0.96), (8, 0.99)])
def test_the_default_finds_the_spikes_at_any_noise(snr, least):
    traces, spikes = recording(snr)
    found = tl.traces.deconvolve(traces, FS, TAU)
    window = np.ones(3)
    smooth = [np.convolve(row, window, "same") for row in found.spikes.toarray()]
    truth = [np.convolve(row, window, "same") for row in spikes]
    agreement = [np.corrcoef(a, b)[0, 1] for a, b in zip(smooth, truth, strict=True)]
    assert np.mean(agreement) > least
    np.testing.assert_allclose(found.noise.toarray(), 1 / snr, rtol=0.2)


def test_deconvolution_on_every_engine(engine):
    traces = recording(4, count=9, length=400)[0].astype("float32")
    traces[2, 50:60] = np.nan
    traces[3] = np.nan
    local = tl.traces.deconvolve(traces, FS, TAU)
    series = tl.series.fromarray(traces, engine=engine, index=np.arange(400) / FS)
    found = tl.traces.deconvolve(series, FS, TAU)
    for name in ("spikes", "calcium", "noise", "g", "lam", "s_min"):
        values = getattr(local, name).toarray()
        assert np.array_equal(getattr(found, name).toarray(), values, equal_nan=True)
    assert found.spikes.dtype == np.float32
    assert found.calcium.index[1] == 1 / FS
    assert np.isnan(found.spikes.toarray()[2, 50:60]).all()
    assert np.isfinite(found.spikes.toarray()[2, 60:]).all()
    assert np.isnan(found.spikes.toarray()[3]).all()
    assert np.array_equal(found.events().times, local.events().times)


def test_arguments_of_each_trace_are_used_in_any_division():
    traces = recording(4, count=300, length=40)[0]
    noise = np.linspace(0.1, 1, 300)
    found = tl.traces.deconvolve(traces, FS, TAU, s_min=2 * noise, noise=noise)
    np.testing.assert_allclose(found.noise.toarray(), noise)
    np.testing.assert_allclose(found.s_min.toarray(), 2 * noise)
    spikes = found.spikes.toarray()
    assert (np.where(spikes > 0, spikes, 9) >= 2 * noise[:, np.newaxis] - 1e-12).all()


def test_a_rise_time_is_modelled():
    coefficients = autoregression.coefficients(TAU, 0.1, FS)
    traces, spikes = recording(8, count=6, length=600, coefficients=coefficients)
    one = tl.traces.deconvolve(traces, FS, TAU).spikes.toarray()
    two = tl.traces.deconvolve(traces, FS, TAU, "ar2").spikes.toarray()

    def agreement(found):
        return np.mean([np.corrcoef(a, b)[0, 1] for a, b in zip(found, spikes, strict=True)])

    assert agreement(two) > agreement(one) + 0.1
    constrained = tl.traces.deconvolve(traces, FS, TAU, "ar2", "constrained")
    assert (constrained.lam.toarray() > 0).any()


def test_the_decay_is_estimated():
    traces, _ = recording(4, count=8, length=3000, rate=0.5)
    for fs, stride in ((FS, 1), (4 * FS, 4)):
        long = np.repeat(traces, stride, axis=1)
        g = tl.traces.deconvolve(long, fs, "auto").g.toarray()[:, 0]
        tau = np.median(-1 / (fs * np.log(g)))
        assert 0.6 < tau < 0.85


def test_a_baseline_is_subtracted():
    traces = recording(8, count=2, length=300)[0]
    expected = tl.traces.deconvolve(traces, FS, TAU).spikes.toarray()
    found = tl.traces.deconvolve(traces + 5, FS, TAU, baseline=5).spikes.toarray()
    np.testing.assert_allclose(found, expected, atol=1e-9)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"model": "ar3"}, "ar3"),
        ({"method": "foopsi"}, "foopsi"),
        ({"model": "ar2", "method": "smin"}, "ar2"),
        ({"method": "constrained", "s_min": 1}, "s_min"),
        ({"tau": 0}, "tau"),
        ({"rise": "fast"}, "rise"),
        ({"fs": None}, "fs="),
        ({"noise": [1, 2, 3]}, "noise"),
        ({"noise": -1}, "negative"),
        ({"baseline": "auto"}, "baseline"),
    ],
)
def test_arguments_are_checked(arguments, words):
    with pytest.raises(SpecError, match=words):
        tl.traces.deconvolve(np.zeros((2, 50)), **({"fs": FS} | arguments))


@pytest.mark.parametrize("shape", [(0, 50), (2, 1), (2, 2)])
def test_short_and_no_traces(shape):
    found = tl.traces.deconvolve(np.zeros(shape), FS)
    assert found.spikes.shape == shape
    assert not found.spikes.toarray().any()
