"""What only plans: on an engine that raises when something is computed."""

from __future__ import annotations

import numpy as np
import pytest

import thunderlike as tl
from thunderlike.testing import ComputedError, LazyEngine

PLANS = {
    "gaussian_filter": lambda x: x.gaussian_filter(2),
    "uniform_filter": lambda x: x.uniform_filter(3),
    "median_filter": lambda x: x.median_filter(3),
    "subsample": lambda x: x.subsample(2),
    "max_projection": lambda x: x.max_projection(),
    "astype": lambda x: x.astype("float32"),
    "clip": lambda x: x.clip(0, 1),
    "operators": lambda x: (x + 1) * x - np.ones((8, 6)),
    "slices": lambda x: x[2:5, ::2, [0, 3]],
    "map": lambda x: x.map(np.exp, value_shape=(8, 6), dtype="float64"),
    "toseries": lambda x: x.toseries(),
    "toimages": lambda x: x.toseries().toimages(),
    "map_as_series": lambda x: x.map_as_series(np.exp, value_size=10, dtype="float64"),
    "series": lambda x: x.toseries().detrend().zscore().correlate(np.arange(10)),
    "select": lambda x: x.toseries().select([1, 3]).between(2, 4),
    "normalize": lambda x: x.toseries().center().standardize().normalize().squelch(1),
    "arithmetic by name": lambda x: x.plus(x).minus(1).subtract(2).dottimes(x).dotdivide(3),
    "element_wise": lambda x: x.element_wise(x, np.maximum),
    "reshape": lambda x: x.reshape(10, 2, 4, 6)[..., 0].squeeze(),
    "reshape of series": lambda x: x.toseries().reshape(2, -1, 10).flatten(),
    "concatenate": lambda x: tl.images.concatenate(
        [x, tl.images.concatenate([x, x], axis=1)[:, :8]]
    ),
    "concatenate series": lambda x: tl.series.concatenate([x.toseries()] * 2, axis=1),
    "series_stats": lambda x: (x.toseries().series_stats(), x.toseries().series_percentile(9)),
    "by index": lambda x: x.toseries().mean_by_index().select_by_index([1, 2]).median_by_index(),
    "panels": lambda x: (x.toseries().mean_by_panel(5), x.toseries().mean_by_window([5], 2)),
    "sampling": lambda x: x.toseries().subsample(2).downsample(2),
    "signals": lambda x: x.toseries().convolve([1, 2]).crosscorr(np.arange(11), 2).fourier(1),
    "times": lambda x: x.toseries().times(np.ones((10, 3))).times(2),
    "aliases": lambda x: x.totimeseries(size=(2, 3)).totimeseries().toimages(size="1"),
    "coalesce": lambda x: x.coalesce(1),
    "repr": repr,
    "cache": lambda x: x.cache().uncache(),
    "repartition": lambda x: x.repartition(3),
}

ACTIONS = {
    "mean": lambda x: x.mean(),
    "filter": lambda x: x.filter(bool),
    "reduce": lambda x: x.reduce(np.add),
    "first": lambda x: x.first(),
    "toarray": lambda x: x.toarray(),
    "localcorr": lambda x: x.localcorr(),
    "iteration": lambda x: next(iter(x)),
    "map of unknown shape": lambda x: x.map(np.exp),
    "aggregate_by_index": lambda x: x.toseries().aggregate_by_index(np.sum),
    "sample": lambda x: x.sample(3),
    "foreach": lambda x: x.foreach(print),
    "gramian": lambda x: x.toseries().gramian(),
    "cov": lambda x: x.toseries().cov(),
    "topandas": lambda x: x.toseries().topandas(),
    "zscore across": lambda x: x.toseries().zscore(axis=0),
    "tolocal": lambda x: x.tolocal(),
}


@pytest.fixture
def movie():
    return tl.images.fromrandom((10, 8, 6), engine=LazyEngine())


@pytest.mark.parametrize("name", PLANS)
def test_only_plans(movie, name):
    PLANS[name](movie)


@pytest.mark.parametrize("name", ACTIONS)
def test_computes(movie, name):
    with pytest.raises(ComputedError):
        ACTIONS[name](movie)


def test_arguments_may_change_after_the_call(engine):
    movie = tl.images.fromrandom((10, 4, 6), seed=1, engine=engine)
    background, signal = np.ones((4, 6)), np.sin(np.arange(10.0))
    flat, mapped = movie - background, movie.toseries().correlate(signal)
    same = movie.toseries().correlate(signal.copy()).toarray()
    background[...], signal[...] = 0, 1
    np.testing.assert_array_equal(flat.toarray(), movie.toarray() - 1)
    np.testing.assert_array_equal(mapped.toarray(), same)
