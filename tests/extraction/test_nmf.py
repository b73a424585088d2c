"""The tests of thunder-extraction, by centers, and what differs from it."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cdist

import thunderlike as tl
from thunderlike.errors import SpecError
from thunderlike.extraction import NMF, make_gaussian


def near(model, truth):
    """The number of regions within 10 pixels of each source."""
    return (cdist(model.centers, truth.centers) < 10).sum(axis=0).tolist()


def test_one_source():
    data, _, truth = make_gaussian(n=1, noise=0.5, seed=42, withparams=True)
    model = NMF().fit(data, chunk_size=(100, 200))
    assert model.count == 1
    assert np.allclose(model.centers, truth.centers, atol=1)


def test_five_sources_in_one_block_in_chunks_and_with_padding(engine):
    data, _, truth = make_gaussian(n=5, noise=0.5, seed=42, engine=engine, withparams=True)
    for options in ({}, {"chunk_size": (50, 100)}, {"chunk_size": (50, 100), "padding": (25, 25)}):
        model = NMF().fit(data, **options)
        assert near(model, truth) == [1] * 5
        assert model.count == 5
    assert model.parameters["algorithm"] == "NMF"


def test_padding_returned_regions_twice_in_thunder_extraction():
    data, _, truth = make_gaussian(n=5, noise=0.5, seed=42, withparams=True)
    model = NMF().fit(data, chunk_size=(50, 100), padding=(25, 25), deduplicate=False)
    assert near(model, truth) == [2, 1, 2, 4, 1]
    assert model.merge().count == 5


def test_merging():
    data, _, _ = make_gaussian(n=20, seed=42, noise=0.5, withparams=True)
    algorithm = NMF(k=5, percentile=95, max_iter=50, overlap=0.1)
    model = algorithm.fit(data, chunk_size=(50, 100), padding=(15, 15), deduplicate=False)
    assert model.count > 20
    assert model.merge(overlap=0.5).count <= 20
    assert model.merge(overlap=0.1).count < 18


def test_masks_are_not_moved():
    # A square that appears and vanishes, without noise: its mask has its center.
    movie = np.zeros((20, 30, 40))
    movie[::2, 8:15, 12:19] = 1
    model = NMF(k=1, percentile=90).fit(movie)
    assert model.centers.tolist() == [[11, 15]]


def test_sizes_are_in_pixels():
    movie = np.zeros((20, 30, 40))
    movie[::2, 8:15, 12:19] = 1
    assert NMF(k=1, percentile=90, max_size=60).fit(movie).count == 1
    assert NMF(k=1, percentile=90, max_size=40).fit(movie).count == 0
    assert NMF(k=1, percentile=90, min_size=50).fit(movie).count == 0


def test_volumes_and_equal_runs():
    rng = np.random.default_rng(0)
    movie = rng.random((30, 8, 20, 20)) * 0.1
    movie[:, 2:5, 4:9, 4:9] += rng.random((30, 1, 1, 1))
    movie[:, 4:7, 12:17, 12:17] += rng.random((30, 1, 1, 1))
    models = [NMF(k=2, percentile=97).fit(movie) for _ in range(2)]
    assert models[0] == models[1]
    assert models[0].centers.round().tolist() in (
        [[3, 6, 6], [5, 14, 14]],
        [[5, 14, 14], [3, 6, 6]],
    )


def test_the_movie_is_that_of_thunder_extraction():
    data, series, model = make_gaussian(n=3, t=10, seed=7, noise=0.2, withparams=True)
    rng = np.random.RandomState(7)
    x = 90 * rng.random_sample(3) + 5
    y = 180 * rng.random_sample(3) + 10
    assert np.abs(model.centers - np.stack([x, y], axis=1)).max() < 0.6
    assert 0 <= series.min() <= series.max() <= 2
    assert data.shape == (10, 100, 200)
    with pytest.raises(SpecError):
        make_gaussian(n=0)


@pytest.mark.parametrize(
    "options",
    [
        {"k": 0},
        {"max_iter": 1.5},
        {"min_size": -1},
        {"percentile": 101},
        {"overlap": 2},
        {"max_size": "half"},
    ],
)
def test_arguments_out_of_range_are_refused(options):
    with pytest.raises(SpecError):
        NMF(**options)


def test_nan_is_refused():
    movie = np.zeros((10, 20, 20))
    movie[0, 0, 0] = np.nan
    with pytest.raises(tl.ThunderlikeError):
        NMF().fit(movie)
