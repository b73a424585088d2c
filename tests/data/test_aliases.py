"""The spellings of Thunder's draft mean what the newer ones mean."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

import thunderlike as tl


@pytest.fixture
def movie():
    return tl.images.fromrandom((10, 8, 6))


@pytest.fixture
def series():
    return tl.series.fromrandom((4, 6, 10))


def same(found, expected):
    np.testing.assert_array_equal(np.asarray(found), np.asarray(expected), strict=True)


def test_keywords_of_images(movie):
    same(movie.toseries(size=(2, 3)), movie.toseries(chunk_size=(2, 3)))
    assert movie.toblocks(size=(2, 3)).blockshape == (10, 2, 3)
    same(movie.map(np.mean, dims=(1,), dtype="float64"), movie.map(np.mean))
    same(movie.map_as_series(np.sort, block_size="1"), movie.map_as_series(np.sort))
    same(movie.localcorr(neighborhood=3), movie.localcorr(3))
    assert movie.subsample(sample_factor=2).shape == (10, 4, 3)
    assert movie.sample(n=3).shape == (3, 8, 6)


def test_keywords_of_series_and_blocks(movie, series):
    same(series.toimages(size="1"), series.toimages())
    assert series.map(np.sort, dims=10, dtype="float64").shape == (4, 6, 10)
    assert series.sample(n=5).shape == (5, 10)
    blocks = movie.toblocks(4).map(lambda block: block[:5], dims=(5, 4, 4))
    assert blocks.shape == (5, 8, 6)


@pytest.mark.parametrize(
    "arguments", [{}, {"size": (2, 3)}, {"size": (4, 2), "units": "splits"}, {"size": "150"}]
)
def test_totimeseries_of_images(movie, arguments):
    same(movie.totimeseries(**arguments), movie.toseries())


def test_units_are_one_of_two(movie):
    with pytest.raises(ValueError, match="'parsecs'"):
        movie.totimeseries(units="parsecs")


def test_totimeseries_of_series_are_themselves(series):
    assert series.totimeseries() is series


def test_both_spellings_at_once_are_refused(movie):
    with pytest.raises(TypeError, match=r"'size'.*'chunk_size'"):
        movie.toblocks(size=2, chunk_size=3)
    with pytest.raises(TypeError):
        movie.toblocks(2, size=3)


def test_only_the_newer_spelling_is_shown(movie):
    assert "chunk_size" in inspect.signature(movie.toblocks).parameters
    assert movie.toblocks.__doc__.startswith("Cut the images in space")
