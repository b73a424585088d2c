"""Every kernel on the blocks that break kernels: empty, constant, NaN, infinite, far from zero."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from thunderlike.engines.shuffle import transpose_into
from thunderlike.errors import SpecError
from thunderlike.kernels import filters, series
from thunderlike.kernels.gaussian import gaussian
from thunderlike.kernels.local_correlation import LocalCorrelation
from thunderlike.kernels.median import median
from thunderlike.kernels.moments import Largest, Moments, Smallest, Total

PARTIALS = (Moments, Total, Largest, Smallest)

OVER_IMAGES = {
    "gaussian": lambda b: gaussian(b, 1.5),
    "uniform": lambda b: filters.uniform(b, 3),
    "median": lambda b: median(b, 3),
    "subsample": lambda b: filters.subsample(b, 2),
    "max_projection": lambda b: filters.max_projection(b),
    "max_min_projection": lambda b: filters.max_min_projection(b),
}

OVER_SERIES = {
    "center": series.center,
    "standardize": series.standardize,
    "zscore": series.zscore,
    "detrend": series.detrend,
    "detrend nonlinear": lambda b: series.detrend(b, "nonlinear"),
    "normalize": series.normalize,
    "normalize mean": lambda b: series.normalize(b, "mean"),
    "normalize window": lambda b: series.normalize(b, "window", 5),
    "normalize window-exact": lambda b: series.normalize(b, "window-exact", 5),
    "correlate": lambda b: series.correlate(b, np.arange(b.shape[1])),
    "squelch": lambda b: series.squelch(b, 3),
}
ALL = {**OVER_IMAGES, **OVER_SERIES}


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32", "float64"])
def test_no_records_give_no_records_of_the_same_kind(name, dtype):
    shape = (12, 9) if name in OVER_IMAGES else (12,)
    nothing = ALL[name](np.empty((0, *shape), dtype))
    some = ALL[name](np.ones((2, *shape), dtype))
    assert nothing.shape == (0, *some.shape[1:])
    assert nothing.dtype == some.dtype


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 0, 1e300])
def test_nothing_warns_and_the_input_is_left_alone(name, value):
    shape = (7, 6, 5) if name in OVER_IMAGES else (7, 12)
    block = np.random.default_rng(0).random(shape)
    block[3] = value
    block[4, 2] = value
    before = block.copy()
    ALL[name](block)
    np.testing.assert_array_equal(block, before)


@pytest.mark.parametrize("name", OVER_SERIES)
def test_one_bad_record_spoils_no_other(name):
    block = np.random.default_rng(0).random((5, 12))
    clean = OVER_SERIES[name](block)
    block[2, 4] = np.nan
    spoilt = OVER_SERIES[name](block)
    rows = [0, 1, 3, 4]
    np.testing.assert_allclose(spoilt[rows], clean[rows])


@pytest.mark.parametrize("name", ["zscore", "standardize", "correlate"])
@pytest.mark.parametrize("value", [0.1, 1e6 + 0.3, -7, 1e-12])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_constant_record_has_no_deviation(name, value, dtype):
    block = np.full((3, 501), value, dtype)
    assert np.isnan(
        ALL[name](block) if name != "correlate" else series.correlate(block, np.sin(np.arange(501)))
    ).all()


@pytest.mark.parametrize("method", ["linear", "nonlinear"])
@pytest.mark.parametrize("value", [0.1, 1e6 + 0.3])
def test_a_constant_record_stays_constant_without_its_trend(method, value):
    flat = series.detrend(np.full((2, 501), value), method)
    assert np.ptp(flat) == 0
    np.testing.assert_allclose(flat, value)


def test_a_small_deviation_far_from_zero_is_kept():
    x = np.random.default_rng(0).normal(size=(4, 300))
    far = x + 1e6
    np.testing.assert_allclose(series.zscore(far), series.zscore(x), atol=1e-7)
    np.testing.assert_allclose(Moments.of(far).std, x.std(axis=0), rtol=1e-7)


@pytest.mark.parametrize("length", [1, 2])
def test_very_short_records(length):
    block = np.arange(3.0 * length).reshape(3, length)
    assert series.detrend(block).shape == (3, length)
    assert series.correlate(block, np.arange(length)).shape == (3, 1)
    assert np.isnan(series.zscore(np.ones((3, length)))).all()


def test_correlation_stays_within_its_bounds():
    x = np.random.default_rng(1).normal(size=(50, 40))
    found = series.correlate(x, x)
    assert np.abs(found).max() <= 1
    np.testing.assert_allclose(found, np.corrcoef(x), atol=1e-12)


@given(arrays(np.int16, st.tuples(*[st.integers(1, 9)] * 2), elements=st.integers(-50, 50)))
def test_baselines_are_thunders(block):
    def exact(y, window, perc):
        left, right = window // 2, window // 2 + window % 2
        spans = [y[max(i - left, 0) : i + right + 1] for i in range(len(y))]
        return np.array([np.percentile(s, perc) for s in spans])

    values = block.astype("float64")
    for window in (2, 3):
        b = np.array([exact(y, window, 30) for y in values])
        found = series.normalize(block, "window-exact", window, 30, offset=1000)
        np.testing.assert_allclose(found, (values - b) / (b + 1000))
        b = ndimage.percentile_filter(values, 30, size=(1, window), mode="nearest")
        found = series.normalize(block, "window", window, 30, offset=1000)
        np.testing.assert_allclose(found, (values - b) / (b + 1000))


@given(
    block=arrays(np.float64, (6, 3), elements=st.floats(-1e3, 1e3)),
    cut=st.lists(st.integers(0, 6), max_size=3),
)
def test_partials_merge_in_any_grouping(block, cut):
    edges = [0, *sorted(cut), 6]
    parts = [block[a:b] for a, b in itertools.pairwise(edges)]
    merged = {}
    for kind in PARTIALS:
        partial = kind.of(parts[0])
        for part in parts[1:]:
            partial = partial.merge(kind.of(part))
        merged[kind] = partial
    np.testing.assert_allclose(merged[Moments].var, block.var(axis=0), atol=1e-6)
    np.testing.assert_allclose(merged[Total].sum, block.sum(axis=0), atol=1e-9)
    np.testing.assert_array_equal(merged[Largest].value, block.max(axis=0))
    np.testing.assert_array_equal(merged[Smallest].value, block.min(axis=0))


@pytest.mark.parametrize("kind", [Largest, Smallest])
def test_there_is_no_extreme_of_nothing(kind):
    with pytest.raises(SpecError):
        _ = kind.of(np.empty((0, 2))).value


@pytest.mark.parametrize("size", [2, 3, 5, (3, 1), (2, 4), 9])
@pytest.mark.parametrize("dtype", ["bool", "uint8", "int16", "float32", "float64"])
@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (17, 40)])
def test_the_median_network_is_scipys_to_the_bit(size, dtype, shape):
    block = (np.random.default_rng(0).random((3, *shape)) * 300).astype(dtype)
    expected = np.stack([ndimage.median_filter(image, size) for image in block])
    np.testing.assert_array_equal(median(block, size), expected, strict=True)


@given(
    shape=st.tuples(st.integers(0, 70), st.integers(0, 600)),
    dtypes=st.tuples(*[st.sampled_from(["uint8", "int16", "float32", "float64"])] * 2),
)
def test_transposing_tile_by_tile(shape, dtypes):
    piece = np.arange(shape[0] * shape[1]).reshape(shape).astype(dtypes[0])
    wide = np.zeros((shape[1], shape[0] + 3), dtypes[1])
    transpose_into(wide[:, 2 : 2 + shape[0]], piece)
    np.testing.assert_array_equal(wide[:, 2 : 2 + shape[0]], piece.T.astype(dtypes[1]))
    assert not wide[:, :2].any()


def test_local_correlation_merges_from_any_cut():
    movie = np.random.default_rng(0).integers(0, 99, (30, 8, 9)).astype("int16")
    whole = LocalCorrelation.of(movie, 3).result()
    parts = [LocalCorrelation.of(movie[a:b], 3) for a, b in ((0, 0), (0, 7), (7, 8), (8, 30))]
    merged = parts[0].merge(parts[1]).merge(parts[2]).merge(parts[3]).result()
    np.testing.assert_allclose(merged, whole, atol=1e-12)
