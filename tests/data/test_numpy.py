"""Numpy's functions and operators on collections: the same as on arrays, on the engine."""

from __future__ import annotations

import numpy as np
import pytest

import thunderlike as tl
from thunderlike.engines import DistributedArray
from thunderlike.errors import BadIndexError, SpecError
from thunderlike.testing import ComputedError, LazyEngine

VALUES = np.random.default_rng(0).normal(1, 3, (7, 4, 5))


@pytest.fixture
def movie(engine):
    return tl.images.fromarray(VALUES, engine=engine)


@pytest.fixture
def local():
    return tl.images.fromarray(VALUES)


def test_ufuncs_are_mapped_on_records_and_stay_on_the_engine(movie):
    mode = movie.mode
    pairs = [
        (np.sqrt(np.abs(movie)), np.sqrt(np.abs(VALUES))),
        (np.add(movie, movie), VALUES + VALUES),
        (2 - movie, 2 - VALUES),
        (np.hypot(movie, VALUES[0]), np.hypot(VALUES, VALUES[0])),
        (np.isnan(movie), np.isnan(VALUES)),
        (np.add(movie, 1, dtype="float32"), np.add(VALUES, 1, dtype="float32")),
    ]
    for found, expected in pairs:
        assert isinstance(found, tl.Images)
        assert found.mode == mode
        np.testing.assert_array_equal(found.toarray(), expected, strict=True)


def test_ufuncs_of_several_results_give_all(movie):
    for found, expected in zip(divmod(movie, 2), divmod(VALUES, 2), strict=True):
        np.testing.assert_array_equal(found.toarray(), expected, strict=True)


def test_in_place_operators_give_another_value_and_change_nothing(local):
    before = local
    local += 1
    local *= 2
    np.testing.assert_array_equal(local.toarray(), (VALUES + 1) * 2)
    np.testing.assert_array_equal(before.toarray(), VALUES)


def check_statistics(function, movie, of_images, of_series):
    for thing, array, axes in (
        (movie, VALUES, of_images),
        (movie.toseries(), VALUES.transpose(1, 2, 0), of_series),
    ):
        for axis in axes:
            found, expected = function(thing, axis=axis), function(array, axis=axis)
            assert np.shape(found) == np.shape(expected)
            np.testing.assert_allclose(found, expected)


@pytest.mark.parametrize("function", [np.mean, np.sum, np.std, np.max, np.min, np.amax])
def test_statistics_have_numpys_axes_and_shapes(local, function):
    axes = [None, 0, (0,), (1, 2), (-1, -2), (0, 1, 2)]
    check_statistics(function, local, axes, [None, (0, 1), -1])


def test_statistics_are_computed_on_engines(movie):
    check_statistics(np.std, movie, [None, 0, (1, 2)], [-1])


def test_collections_are_joined_and_stacked(movie):
    np.testing.assert_array_equal(
        np.concatenate([movie, movie]).toarray(), np.concatenate([VALUES, VALUES])
    )
    for axis in (1, -1):
        found = np.stack([movie, movie + 1], axis=axis)
        np.testing.assert_array_equal(found.toarray(), np.stack([VALUES, VALUES + 1], axis=axis))
    series = movie.toseries()
    found = np.stack([series, series])
    assert found.shape == (2, 4, 5, 7)
    np.testing.assert_array_equal(found.toarray()[1], VALUES.transpose(1, 2, 0))


def test_clip_and_where(movie):
    above, other = movie > 1, movie * 10
    pairs = [
        (np.clip(movie, 0, 1), np.clip(VALUES, 0, 1)),
        (np.where(above, movie, other), np.where(VALUES > 1, VALUES, VALUES * 10)),
        (np.where(above, movie, 0), np.where(VALUES > 1, VALUES, 0)),
        (np.where(above, 0, movie), np.where(VALUES > 1, 0, VALUES)),
        (np.where(above, 1, 2), np.where(VALUES > 1, 1, 2)),
        (np.where(VALUES[0] > 1, movie, VALUES), np.where(VALUES[0] > 1, VALUES, VALUES)),
        (np.where(movie, VALUES[0], -movie), np.where(VALUES, VALUES[0], -VALUES)),
    ]
    for found, expected in pairs:
        assert found.mode == movie.mode
        np.testing.assert_array_equal(found.toarray(), expected, strict=True)


def test_a_number_widens_nothing():
    small = tl.images.fromarray(np.arange(8, dtype="uint8").reshape(2, 2, 2))
    assert np.where(small > 3, small, 0).dtype == np.uint8
    assert np.where(small > 3, 0, small).dtype == np.uint8


def test_shape_ndim_and_size_compute_nothing():
    movie = tl.images.fromrandom((10, 4, 6), engine=LazyEngine())
    assert (np.shape(movie), np.ndim(movie), np.size(movie)) == ((10, 4, 6), 3, 240)
    assert np.where(movie > 0, movie, 0).shape == np.clip(movie, 0, 1).shape == movie.shape
    with pytest.raises(ComputedError):
        np.mean(movie)


def test_a_large_implicit_collection_is_reported_with_its_size(monkeypatch):
    movie = tl.images.fromrandom((10, 4, 6), engine=LazyEngine())
    monkeypatch.setitem(DistributedArray.__array__.__globals__, "_LARGE", 1000)
    with (
        pytest.raises(ComputedError),
        pytest.warns(UserWarning, match=r"all values, 1\.875 KB from the lazy .* \.toarray\(\)"),
    ):
        np.asarray(movie)
    with pytest.raises(ComputedError):
        movie.toarray()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: np.median(x), r"numpy.median is not computed .* mean, .* x.toarray\(\), or"),
        (lambda x: np.fft.fft(x), "numpy.fft.fft is not computed"),
        (lambda x: np.where(x), "numpy.where of a collection takes condition, x, y and no more"),
        (lambda x: np.mean(x, dtype="float32"), "numpy.mean of a collection takes a, axis and no"),
        (lambda x: np.add(x, 1, out=np.zeros(x.shape)), "takes no out=: collections are never"),
        (lambda x: np.add(x, 1, where=x > 0), "takes no where=: "),
        (lambda x: np.add.reduce(x), r"numpy.add.reduce is not computed .* use .sum\(\)"),
        (lambda x: x @ np.eye(5), r"numpy.matmul is not a function of one .* by .times\(matrix\)"),
    ],
)
def test_what_is_not_computed_on_engines_is_a_type_error_that_says_what_to_do(local, call, message):
    with pytest.raises(TypeError, match=message):
        call(local)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda x: np.mean(x, axis=1), SpecError, r"over axes \(1,\) .* give axis=\(0,\), all"),
        (lambda x: np.mean(x, axis=3), BadIndexError, "axis 3 is out of bounds"),
        (lambda x: np.stack([x, x]), SpecError, "Images cannot be stacked along a new axis 0"),
        (
            lambda x: np.stack([x.toseries()] * 2, axis=-1),
            SpecError,
            "Series cannot be stacked along a new axis 3: give one from 0 to -2",
        ),
        (lambda x: np.concatenate([x, VALUES]), SpecError, "cannot join Images, ndarray"),
    ],
)
def test_axes_and_classes_that_do_not_fit_are_reported(local, call, error, message):
    with pytest.raises(error, match=message):
        call(local)


def test_in_asks_for_an_element_and_refuses_arrays():
    images = tl.images.fromarray(np.arange(6.0).reshape(1, 2, 3))
    assert 3 in images
    assert np.float32(5) in images
    assert 99 not in images
    assert None not in images
    assert 0 not in images[[]]
    with pytest.raises(SpecError, match=r"a scalar, not of shape \(2, 3\)"):
        images.__contains__(np.zeros((2, 3)))
