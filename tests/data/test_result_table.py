"""What every method gives: class, shape, index and labels, on every engine; a row for each."""

from __future__ import annotations

import numpy as np
import pytest

import thunderlike as tl
from thunderlike import Images, Series
from thunderlike.data import Blocks

NAMES = list("abcdefghij")  # of ten images
GRID = np.arange(24).reshape(4, 6).tolist()  # of the series of 4 x 6 pixels
STEPS = list(range(0, 100, 10))
SIGNAL = np.sin(np.arange(10))

# name, call, class, shape, labels; of images (10, 4, 6)
IMAGES = [
    ("map", lambda x: x.map(lambda v: v[0]), Images, (10, 6), NAMES),
    ("map to a scalar", lambda x: x.map(np.mean), Images, (10, 1), NAMES),
    ("filter", lambda x: x.filter(lambda v: v[0, 0] < 72), Images, (3, 4, 6), NAMES[:3]),
    ("reduce", lambda x: x.reduce(np.maximum), Images, (1, 4, 6), None),
    ("mean", lambda x: x.mean(), Images, (1, 4, 6), None),
    ("sample", lambda x: x.sample(99), Images, (10, 4, 6), ...),
    ("squeeze", lambda x: x[:, 0].squeeze(), Images, (10, 6), NAMES),
    ("squeeze to a pixel", lambda x: x[:, 0, 0].squeeze(), Images, (10, 1), NAMES),
    ("reshape", lambda x: x.reshape(10, 2, 2, 6), Images, (10, 2, 2, 6), NAMES),
    ("max_projection", lambda x: x.max_projection(0), Images, (10, 6), NAMES),
    ("max_min_projection", lambda x: x.max_min_projection(), Images, (10, 4), NAMES),
    ("subsample", lambda x: x.subsample((3, 4)), Images, (10, 2, 2), NAMES),
    ("gaussian_filter", lambda x: x.gaussian_filter(1), Images, (10, 4, 6), NAMES),
    ("uniform_filter", lambda x: x.uniform_filter(2), Images, (10, 4, 6), NAMES),
    ("median_filter", lambda x: x.median_filter(3), Images, (10, 4, 6), NAMES),
    ("subtract", lambda x: x.subtract(1), Images, (10, 4, 6), NAMES),
    ("clip", lambda x: x.clip(1, 2), Images, (10, 4, 6), NAMES),
    ("astype", lambda x: x.astype("float32"), Images, (10, 4, 6), NAMES),
    ("plus", lambda x: x.plus(x), Images, (10, 4, 6), NAMES),
    ("localcorr", lambda x: x.localcorr(3), np.ndarray, (4, 6), None),
    ("map_as_series", lambda x: x.map_as_series(np.sort), Images, (10, 4, 6), NAMES),
    ("shorter", lambda x: x.map_as_series(lambda v: v[:3]), Images, (3, 4, 6), None),
    ("toblocks", lambda x: x.toblocks(2), Blocks, (10, 4, 6), None),
    ("first", lambda x: x.first(), np.ndarray, (4, 6), None),
    ("slices", lambda x: x[2:4, 1, [0, 3]], Images, (2, 1, 2), NAMES[2:4]),
    ("blocks.map", lambda x: x.toblocks(2).map(lambda b: b[:5]), Blocks, (5, 4, 6), None),
    ("map_generic", lambda x: x.toblocks(2).map_generic(np.shape), np.ndarray, (2, 3), None),
    ("blocks.toimages", lambda x: x.toblocks(2, 1).toimages(), Images, (10, 4, 6), None),
    ("blocks.toseries", lambda x: x.toblocks(2, 1).toseries(), Series, (4, 6, 10), None),
    ("blocks.toarray", lambda x: x.toblocks(2, 1).toarray(), np.ndarray, (10, 4, 6), None),
]

# name, call, shape, index, labels; of series (4, 6, 10)
SERIES = [
    ("map", lambda x: x.map(lambda v: v[:2], index=["p", "q"]), (4, 6, 2), ["p", "q"], GRID),
    ("map of the length", lambda x: x.map(np.sort), (4, 6, 10), STEPS, GRID),
    ("map of another", lambda x: x.map(lambda v: v[:2]), (4, 6, 2), [0, 1], GRID),
    ("map to a scalar", lambda x: x.map(np.mean), (4, 6, 1), [0], GRID),
    ("filter", lambda x: x.filter(lambda v: v[0] < 3), (3, 10), STEPS, [0, 1, 2]),
    ("reduce", lambda x: x.reduce(np.maximum), (1, 1, 10), STEPS, None),
    ("mean", lambda x: x.mean(), (1, 1, 10), STEPS, None),
    ("sample", lambda x: x.sample(5), (5, 10), STEPS, ...),
    ("flatten", lambda x: x.flatten(), (24, 10), STEPS, list(range(24))),
    ("reshape", lambda x: x.reshape(24, 1, 10), (24, 1, 10), STEPS, [[n] for n in range(24)]),
    ("between", lambda x: x.between(20, 40), (4, 6, 2), [20, 30], GRID),
    ("select", lambda x: x.select([50, 10]), (4, 6, 2), [10, 50], GRID),
    ("select_by_index", lambda x: x.select_by_index([50, 10]), (4, 6, 2), [10, 50], GRID),
    ("stat_by_index", lambda x: x.stat_by_index("mean"), (4, 6, 10), STEPS, GRID),
    ("aggregate_by_index", lambda x: x.aggregate_by_index(np.sum), (4, 6, 10), STEPS, GRID),
    ("center", lambda x: x.center(), (4, 6, 10), STEPS, GRID),
    ("standardize", lambda x: x.standardize(0), (4, 6, 10), STEPS, GRID),
    ("zscore", lambda x: x.zscore(), (4, 6, 10), STEPS, GRID),
    ("squelch", lambda x: x.squelch(5), (4, 6, 10), STEPS, GRID),
    ("detrend", lambda x: x.detrend(), (4, 6, 10), STEPS, GRID),
    ("normalize", lambda x: x.normalize("mean"), (4, 6, 10), STEPS, GRID),
    ("correlate", lambda x: x.correlate(SIGNAL), (4, 6, 1), [1], GRID),
    ("correlate with two", lambda x: x.correlate([SIGNAL] * 2), (4, 6, 2), [0, 1], GRID),
    ("mean_by_panel", lambda x: x.mean_by_panel(5), (4, 6, 5), list(range(5)), GRID),
    ("mean_by_window", lambda x: x.mean_by_window([30], 4), (4, 6, 4), list(range(4)), GRID),
    ("series_mean", lambda x: x.series_mean(), (4, 6, 1), ["mean"], GRID),
    (
        "series_stats",
        lambda x: x.series_stats(),
        (4, 6, 5),
        ["count", "mean", "stdev", "max", "min"],
        GRID,
    ),
    ("subsample", lambda x: x.subsample(3), (4, 6, 4), [0, 30, 60, 90], GRID),
    ("downsample", lambda x: x.downsample(3), (4, 6, 3), [0, 1, 2], GRID),
    ("fourier", lambda x: x.fourier(2), (4, 6, 2), ["coherence", "phase"], GRID),
    ("convolve", lambda x: x.convolve([1, 2, 3]), (4, 6, 12), list(range(12)), GRID),
    ("convolve same", lambda x: x.convolve([1] * 15, "same"), (4, 6, 15), list(range(15)), GRID),
    ("convolve valid", lambda x: x.convolve([1] * 3, "valid"), (4, 6, 8), list(range(8)), GRID),
    ("crosscorr", lambda x: x.crosscorr(SIGNAL, 2), (4, 6, 5), [-2, -1, 0, 1, 2], GRID),
    ("gramian", lambda x: x.gramian(), (10, 10), STEPS, None),
    ("cov", lambda x: x.cov(), (10, 10), STEPS, None),
    ("times a number", lambda x: x.times(2), (4, 6, 10), STEPS, GRID),
    ("times a vector", lambda x: x.times(SIGNAL), (4, 6, 1), [0], GRID),
    ("times a matrix", lambda x: x.times(np.ones((10, 3))), (4, 6, 3), [0, 1, 2], GRID),
    ("slices", lambda x: x[1:3, 0, 2:5], (2, 1, 3), [20, 30, 40], [[6], [12]]),
    ("plus", lambda x: x.plus(x), (4, 6, 10), STEPS, GRID),
]
LOCAL = {"reduce", "mean", "sample", "gramian", "cov"}


@pytest.fixture
def images(engine):
    return tl.images.fromarray(np.arange(240).reshape(10, 4, 6), labels=NAMES, engine=engine)


@pytest.fixture
def series(engine):
    values = np.arange(240).reshape(10, 24).T.reshape(4, 6, 10)
    return tl.series.fromarray(values, index=STEPS, labels=GRID, engine=engine)


def names(labels):
    return None if labels is None else labels.tolist()


@pytest.mark.parametrize("row", IMAGES, ids=[row[0] for row in IMAGES])
def test_images(images, engine, row):
    name, call, kind, shape, labels = row
    found = call(images)
    assert type(found) is kind
    assert found.shape == shape
    if kind is Images:
        assert found.mode == ("local" if name in LOCAL else engine.name)
        assert labels is ... or names(found.labels) == labels


@pytest.mark.parametrize("row", SERIES, ids=[row[0] for row in SERIES])
def test_series(series, engine, row):
    name, call, shape, index, labels = row
    found = call(series)
    assert type(found) is Series
    assert (found.shape, found.index.tolist()) == (shape, index)
    assert found.mode == ("local" if name in LOCAL else engine.name)
    assert labels is ... or names(found.labels) == labels


def test_between_images_and_series(images, series):
    there, back = images.toseries(), series.toimages()
    assert (there.shape, there.index.tolist()) == ((4, 6, 10), NAMES)
    assert (back.shape, back.labels.tolist()) == ((10, 4, 6), STEPS)
    assert images[:3].toseries().toimages().labels.tolist() == NAMES[:3]


def test_counts_are_pythons_own(images, series):
    counts = [images.count(), series.count(), images.toblocks(2).count()]
    assert counts == [10, 24, 6]
    assert {type(count) for count in counts} == {int}
    assert series.first().shape == (10,)
    assert len(images.toblocks(2).collect_blocks()) == 6
