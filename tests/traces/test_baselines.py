"""Baselines, relative changes and noise against known values."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage
from scipy.signal import lfilter

import thunderlike as tl
from thunderlike.errors import SpecError, WrongTypeError

FS = 15.0
METHODS = ("exponential", "percentile", "maximin", "constant")


def bleaching(count=6, length=1500, level=100.0, noise=1.0, seed=0):
    """Traces of active cells on a baseline that bleaches, and the baselines."""
    rng = np.random.default_rng(seed)
    time = np.arange(length) / FS
    base = level * (0.8 + 0.2 * np.exp(-time / 60)) * rng.uniform(0.5, 2, (count, 1))
    spikes = (rng.random((count, length)) < 0.01) * 15
    calcium = lfilter([1], [1, -0.9], spikes, axis=1)
    return base + calcium + noise * rng.normal(size=base.shape), base


def test_an_exponential_follows_bleaching():
    traces, base = bleaching()
    found = tl.traces.baseline(traces, "exponential", FS).toarray()
    assert np.abs(found - base).mean() < 1.0
    assert np.abs(tl.traces.baseline(traces, "percentile", FS).toarray() - base).mean() < 4.0


def test_the_baseline_of_a_silent_cell_is_the_middle_of_its_noise():
    trace = np.random.default_rng(0).normal(50, 4, (5, 1500))
    found = tl.traces.baseline(trace, "exponential", FS).toarray()
    assert np.abs(found - 50).mean() < 0.4


def test_maximin_is_that_of_suite2p():
    traces, _ = bleaching(2)
    smooth = ndimage.gaussian_filter(traces, [0, 10])
    low = ndimage.minimum_filter1d(smooth, int(60 * FS))
    expected = ndimage.maximum_filter1d(low, int(60 * FS))
    np.testing.assert_allclose(tl.traces.baseline(traces, "maximin", FS).toarray(), expected)


@pytest.mark.parametrize("fs", [0.1, 0.5, 1.0])
def test_the_window_of_slow_recordings_is_in_seconds(fs):
    trace = np.random.default_rng(0).normal(100, 5, 400)
    expected = ndimage.percentile_filter(trace, 8, round(60 * fs), mode="nearest")
    found = tl.traces.baseline(trace, "percentile", fs, window=60, q=8).toarray()
    np.testing.assert_allclose(found, expected)


def test_a_constant_is_of_each_trace_alone():
    found = tl.traces.baseline([[10.0] * 60, [50.0] * 60], "constant", fs=2).toarray()
    assert np.array_equal(found, [[10] * 60, [50] * 60])
    assert not tl.traces.baseline([[10.0] * 60], "none", fs=2).toarray().any()


def test_the_default_depends_on_the_duration():
    traces, _ = bleaching(2)
    short = tl.traces.baseline(traces, fs=FS).toarray()
    assert np.array_equal(short, tl.traces.baseline(traces, "exponential", FS).toarray())
    long = tl.traces.baseline(traces, fs=2).toarray()
    assert np.array_equal(long, tl.traces.baseline(traces, "percentile", 2).toarray())


@pytest.mark.parametrize("method", METHODS)
def test_baselines_on_every_engine(engine, method):
    traces = bleaching(70, 300)[0].astype("float32")
    traces[1, 40:50] = np.nan
    traces[2] = np.nan
    series = tl.series.fromarray(traces, engine=engine)
    series.attrs["fs"] = FS
    found = tl.traces.baseline(series, method)
    assert found.dtype == np.float32
    values = found.toarray()
    expected = tl.traces.baseline(traces, method, FS).toarray()
    assert np.array_equal(values, expected, equal_nan=True)
    assert np.isnan(values[2]).all()
    assert np.isfinite(np.delete(values, 2, axis=0)).all()


@pytest.mark.parametrize("length", [1, 2, 5, 40])
@pytest.mark.parametrize("method", [*METHODS, "none"])
def test_short_traces_have_baselines(length, method):
    found = tl.traces.baseline(np.full((2, length), 7.0), method, FS).toarray(squeeze=False)
    assert np.isfinite(found).all()
    if method != "none":
        np.testing.assert_allclose(found, 7)


def test_relative_changes_divide_by_the_raw_baseline(engine):
    raw = bleaching(3, 600)[0].astype("float32")
    corrected = raw - 0.98 * np.median(raw, axis=1, keepdims=True)
    pair = [tl.series.fromarray(x, engine=engine) for x in (corrected, raw)]
    found = tl.traces.dff(pair[0], FS, raw=pair[1], method="constant").toarray()
    base = tl.traces.baseline(raw, "constant", FS).toarray()
    below = tl.traces.baseline(corrected, "constant", FS).toarray()
    np.testing.assert_allclose(found, (corrected - below) / base, rtol=1e-5)
    alone = tl.traces.dff(pair[1], FS, method="constant").toarray()
    np.testing.assert_allclose(alone, (raw - base) / base, rtol=1e-5, atol=1e-7)


def test_a_baseline_that_is_not_above_0_gives_nan():
    found = tl.traces.dff([[-1.0] * 60, [2.0] * 60], fs=2, method="constant").toarray()
    assert np.isnan(found[0]).all()
    assert (found[1] == 0).all()
    raised = tl.traces.dff([[-1.0] * 60], fs=2, method="constant", floor=1.0).toarray()
    assert (raised == 0).all()


@pytest.mark.parametrize("method", ["auto", "spectrum", "difference"])
def test_noise_is_estimated_under_activity(engine, method):
    traces = bleaching(20, 3000, level=0, noise=2.0)[0]
    found = tl.traces.noise(tl.series.fromarray(traces, engine=engine), method)
    assert found.shape == (20, 1)
    assert np.abs(found.toarray().mean() / 2 - 1) < (0.25 if method == "spectrum" else 0.1)


def test_the_order_of_axes_in_memory_changes_no_bit(engine):
    turned = np.random.default_rng(0).normal(100, 5, (900, 37)).T
    series = tl.series.fromarray(turned, engine=engine)
    with tl.config(chunk_bytes=10_000):
        found = tl.traces.noise(series).toarray()
    np.testing.assert_array_equal(found, tl.traces.noise(turned.copy()).toarray())


def test_noise_of_a_silent_trace_is_unbiased():
    traces = np.random.default_rng(0).normal(0, 3, (40, 2000))
    for method in ("spectrum", "difference"):
        assert np.abs(tl.traces.noise(traces, method).toarray().mean() / 3 - 1) < 0.01


def test_arguments_are_checked():
    trace = np.ones((1, 50))
    for arguments in ({"method": "best"}, {"q": 101}, {"window": 0}, {"sigma": -1}):
        with pytest.raises(SpecError, match=next(iter(arguments))):
            tl.traces.baseline(trace, fs=FS, **arguments)
    with pytest.raises(SpecError, match="fs="):
        tl.traces.baseline(trace)
    with pytest.raises(SpecError, match="floor"):
        tl.traces.dff(trace, FS, floor=-1)
    with pytest.raises(SpecError, match="raw"):
        tl.traces.dff(trace, FS, raw=tl.Series(np.ones((2, 50))))
    with pytest.raises(SpecError, match="method"):
        tl.traces.noise(trace, "best")
    with pytest.raises(WrongTypeError, match="complex"):
        tl.traces.baseline(trace.astype(complex), fs=FS)
